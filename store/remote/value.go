package remote

import (
	"database/sql/driver"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/duckdb/duckdb-go/v2"
)

// typeName is a type of Trino's as package store names it.
func typeName(typ string, precision, scale int64) string {
	base, _, _ := strings.Cut(strings.ToLower(typ), "(")
	switch base {
	case "float", "real":
		return "FLOAT"
	case "decimal":
		if precision > 0 {
			return fmt.Sprintf("DECIMAL(%d,%d)", precision, scale)
		}
		return strings.ToUpper(typ)
	case "char", "string", "varchar":
		return "VARCHAR"
	case "timestamp":
		if strings.HasSuffix(strings.ToLower(typ), "with time zone") { // timestamp(3) with time zone
			return "TIMESTAMP WITH TIME ZONE"
		}
		return "TIMESTAMP"
	case "int":
		return "INTEGER"
	}
	return strings.ToUpper(typ)
}

// parseText reads a value that an engine sent as text. What is not of the kind
// that its type promises stays the text that it is.
func parseText(text, typ string) driver.Value {
	switch typ {
	case "BOOLEAN":
		if v, err := strconv.ParseBool(text); err == nil {
			return v
		}
	case "TINYINT", "SMALLINT", "INTEGER", "BIGINT":
		if v, err := strconv.ParseInt(text, 10, 64); err == nil {
			return v
		}
	case "FLOAT":
		if v, err := strconv.ParseFloat(text, 32); err == nil {
			return float32(v)
		}
	case "DOUBLE":
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			return v
		}
	case "DATE":
		if v, err := time.Parse(time.DateOnly, text); err == nil {
			return v
		}
	case "TIMESTAMP":
		if v, err := time.Parse("2006-01-02 15:04:05.999999999", text); err == nil {
			return v
		}
	}
	if strings.HasPrefix(typ, "DECIMAL(") {
		if v, ok := parseDecimal(text, typ); ok {
			return v
		}
	}
	return text
}

// parseDecimal reads 187.1200 of DECIMAL(10,4).
func parseDecimal(text, typ string) (duckdb.Decimal, bool) {
	var width, scale uint8
	if _, err := fmt.Sscanf(typ, "DECIMAL(%d,%d)", &width, &scale); err != nil {
		return duckdb.Decimal{}, false
	}
	whole, fraction, _ := strings.Cut(text, ".")
	if len(fraction) > int(scale) {
		return duckdb.Decimal{}, false
	}
	digits := whole + fraction + strings.Repeat("0", int(scale)-len(fraction))
	v, ok := new(big.Int).SetString(digits, 10)
	return duckdb.Decimal{Width: width, Scale: scale, Value: v}, ok
}

// trimStatement leaves out the semicolon at the end, which engines refuse.
func trimStatement(statement string) string { return strings.TrimRight(statement, "; \t\r\n") }
