package feed

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"

	"tapedeck/pipeline/market"
)

// Columns of a replay file, in the order of rowParser.at.
const (
	colTime = iota
	colSymbol
	colPrice
	colSize
	colBid
	colAsk
	colExchange
	colCondition
	columns
)

// columnNames are the names a column goes by; the first that a header has counts.
var columnNames = [columns][]string{
	colTime:      {"time", "time_ms", "timestamp"},
	colSymbol:    {"symbol"},
	colPrice:     {"price"},
	colSize:      {"size", "volume"},
	colBid:       {"bid"},
	colAsk:       {"ask"},
	colExchange:  {"exchange"},
	colCondition: {"condition"},
}

// rowParser turns the rows of one file into ticks. It keeps the texts that
// come again and again, so that a row costs no allocation.
type rowParser struct {
	header  []byte       // as it stands in the file
	width   int          // columns of the header
	at      [columns]int // index of each column, -1 where the file has none
	name    [columns]string
	sep     byte
	millis  bool // the time column counts milliseconds
	fields  [][]byte
	scratch []byte // a quoted row, to be unquoted in place
	day     [10]byte
	dayTime market.Time // start of day
	symbols texts
	names   texts // exchanges and conditions
}

// newRowParser reads a header. The error says what is missing and what stands
// there instead.
func newRowParser(header []byte) (*rowParser, error) {
	p := &rowParser{header: bytes.Clone(header), sep: ','}
	for _, sep := range []byte{',', ';', '\t'} {
		if bytes.IndexByte(header, sep) >= 0 {
			p.sep = sep
			break
		}
	}
	fields, err := splitRow(nil, bytes.Clone(header), p.sep)
	if err != nil {
		return nil, fmt.Errorf("header: %w", err)
	}
	p.width = len(fields)
	where := make(map[string]int, len(fields))
	for i, f := range fields {
		name := strings.ToLower(strings.TrimSpace(string(f)))
		if j, twice := where[name]; twice && name != "" {
			return nil, fmt.Errorf("header: columns %d and %d are both called %q", j+1, i+1, clipText(name))
		}
		where[name] = i
	}
	for c, names := range columnNames {
		p.at[c] = -1
		for _, name := range names {
			if i, ok := where[name]; ok {
				p.at[c], p.name[c] = i, name
				break
			}
		}
		if p.at[c] < 0 && c <= colSize {
			return nil, fmt.Errorf("header has no column %s; it needs time (or time_ms, timestamp), symbol, price and size (or volume), and has %s",
				strings.Join(names, ", "), clipText(string(header)))
		}
	}
	p.millis = p.name[colTime] == "time_ms"
	return p, nil
}

// parse fills t from a row; the error names the column and what is expected.
// On an error t.Symbol is what the row had for one, where it is valid.
func (p *rowParser) parse(row []byte, t *market.Tick) error {
	t.Symbol = ""
	if bytes.IndexByte(row, '"') >= 0 {
		p.scratch = append(p.scratch[:0], row...)
		row = p.scratch
	}
	f, err := splitRow(p.fields[:0], row, p.sep)
	p.fields = f
	if err != nil {
		return err
	}
	if len(f) != p.width {
		return fmt.Errorf("the row has %d columns, the header has %d", len(f), p.width)
	}
	symbol := bytes.TrimSpace(f[p.at[colSymbol]])
	t.Symbol = p.symbols.symbol(symbol)
	if t.Symbol == "" {
		return p.bad(colSymbol, symbol, "1 to 24 letters, digits and .-=^/_&")
	}
	var ok bool
	if t.Time, ok = p.time(f[p.at[colTime]]); !ok {
		return p.bad(colTime, f[p.at[colTime]], p.wantTime())
	}
	if t.Price, ok = parseNumber(f[p.at[colPrice]]); !ok || !(t.Price > 0) || t.Price > market.MaxPrice {
		return p.bad(colPrice, f[p.at[colPrice]], "a number above zero")
	}
	if t.Size, ok = parseSize(f[p.at[colSize]]); !ok {
		return p.bad(colSize, f[p.at[colSize]], "a whole number of shares")
	}
	t.Bid, t.Ask, t.Exchange, t.Condition = 0, 0, "", ""
	if err := p.quote(f, colBid, &t.Bid); err != nil {
		return err
	}
	if err := p.quote(f, colAsk, &t.Ask); err != nil {
		return err
	}
	if i := p.at[colExchange]; i >= 0 {
		t.Exchange = p.names.text(bytes.TrimSpace(f[i]))
	}
	if i := p.at[colCondition]; i >= 0 {
		t.Condition = p.names.text(bytes.TrimSpace(f[i]))
	}
	return t.Validate()
}

func (p *rowParser) quote(f [][]byte, col int, v *float64) error {
	i := p.at[col]
	if i < 0 || len(f[i]) == 0 {
		return nil
	}
	got, ok := parseNumber(f[i])
	if len(bytes.TrimSpace(f[i])) == 0 {
		got, ok = 0, true
	}
	if !ok || got < 0 || got > market.MaxPrice {
		return p.bad(col, f[i], "a number of at least zero, or nothing")
	}
	*v = got
	return nil
}

func (p *rowParser) bad(col int, got []byte, want string) error {
	return fmt.Errorf("column %s (%d) is %q, expected %s", p.name[col], p.at[col]+1, clipText(string(got)), want)
}

func (p *rowParser) wantTime() string {
	if p.millis {
		return "milliseconds since 1970"
	}
	return "a time such as 2006-01-02T15:04:05.000Z, or a count since 1970"
}

// time reads the time column.
func (p *rowParser) time(b []byte) (market.Time, bool) {
	if n, ok := parseDigits(b); ok && p.millis {
		return market.FromMillis(n), n < 1e13
	}
	if p.millis {
		ms, ok := parseNumber(b)
		us := math.Floor(ms * 1000)
		return market.Time(us), ok && math.Abs(us) < 1e16
	}
	if t, ok := p.stamp(b); ok {
		return t, true
	}
	if n, ok := parseDigits(b); ok && n >= 1e11 && n < 1e14 {
		return market.FromMillis(n), n < 7e12
	} else if ok && n >= 1e14 && n < 7e15 {
		return market.Time(n), true
	}
	t, err := market.ParseTime(string(b))
	return t, err == nil
}

// stamp is the quick way for 2006-01-02T15:04:05[.ffffff]Z, whose date is
// mostly that of the row before.
func (p *rowParser) stamp(b []byte) (market.Time, bool) {
	n := len(b)
	if n < 20 || n > 27 || n == 21 || b[n-1] != 'Z' || (b[10] != 'T' && b[10] != ' ') || b[13] != ':' || b[16] != ':' {
		return 0, false
	}
	if p.dayTime == 0 || string(b[:10]) != string(p.day[:]) {
		day, err := market.ParseTime(string(b[:10]))
		if err != nil {
			return 0, false
		}
		copy(p.day[:], b)
		p.dayTime = day
	}
	h, ok1 := parseDigits(b[11:13])
	m, ok2 := parseDigits(b[14:16])
	s, ok3 := parseDigits(b[17:19])
	if !ok1 || !ok2 || !ok3 || h > 23 || m > 59 || s > 59 {
		return 0, false
	}
	us := (h*3600 + m*60 + s) * 1e6
	if n > 20 {
		frac, ok := parseDigits(b[20 : n-1])
		if b[19] != '.' || !ok {
			return 0, false
		}
		for digits := n - 21; digits < 6; digits++ {
			frac *= 10
		}
		us += frac
	}
	return p.dayTime + market.Time(us), true
}

// parseDigits reads 1 to 18 plain digits.
func parseDigits(b []byte) (int64, bool) {
	if len(b) == 0 || len(b) > 18 {
		return 0, false
	}
	var n int64
	for _, c := range b {
		if c -= '0'; c > 9 {
			return 0, false
		}
		n = n*10 + int64(c)
	}
	return n, true
}

// parseNumber reads a finite decimal number. Digits with a point, as prices
// are written, are read exactly here (mantissa below 2^53, one division by an
// exact power of ten); anything else is strconv's.
func parseNumber(b []byte) (float64, bool) {
	var n uint64
	point := -1
	for i, c := range b {
		d := c - '0'
		switch {
		case d <= 9:
			n = n*10 + uint64(d)
		case c == '.' && point < 0:
			point = i
		default:
			return parseNumberSlow(b)
		}
	}
	digits, scale := len(b), 0
	if point >= 0 {
		digits--
		scale = len(b) - 1 - point
	}
	if digits == 0 || digits > 15 {
		return parseNumberSlow(b)
	}
	return float64(n) / pow10[scale], true
}

var pow10 = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

func parseNumberSlow(b []byte) (float64, bool) {
	if len(b) > 64 {
		return 0, false
	}
	f, err := strconv.ParseFloat(string(bytes.TrimSpace(b)), 64)
	return f, err == nil && !math.IsNaN(f) && !math.IsInf(f, 0)
}

// parseSize reads a whole number of shares; nothing at all is a price update
// without a trade.
func parseSize(b []byte) (int64, bool) {
	if n, ok := parseDigits(b); ok {
		return n, n <= market.MaxSize
	}
	if len(bytes.TrimSpace(b)) == 0 {
		return 0, true
	}
	f, ok := parseNumber(b)
	return int64(f), ok && f >= 0 && f <= float64(market.MaxSize) && f == math.Trunc(f)
}

// texts gives the same string for the same bytes. It forgets everything when
// it holds too much, so that a file of ever new texts costs no memory.
type texts struct {
	known map[string]string
	last  string // the newest answer: neighbouring rows are often alike
}

const maxTexts = 64 << 10

func (x *texts) text(b []byte) string {
	if string(b) == x.last {
		return x.last
	}
	if len(b) > 64 { // longer than a tick may hold
		return string(b)
	}
	s, ok := x.known[string(b)]
	if !ok {
		s = x.keep(string(b), string(b))
	}
	x.last = s
	return s
}

// symbol is the symbol in b in capitals, or "" where it cannot be one.
func (x *texts) symbol(b []byte) string {
	if len(b) > 0 && string(b) == x.last {
		return x.last
	}
	s, ok := x.known[string(b)]
	if !ok {
		if s = upperSymbol(b); s == "" {
			return ""
		}
		x.keep(string(b), s)
	}
	x.last = s
	return s
}

// upperSymbol is b in capitals where that is a symbol, else "".
func upperSymbol(b []byte) string {
	if len(b) > 24 {
		return ""
	}
	up := bytes.Clone(b)
	for i, c := range up {
		if c >= 'a' && c <= 'z' {
			up[i] = c - ('a' - 'A')
		}
	}
	if s := string(up); market.ValidSymbol(s) {
		return s
	}
	return ""
}

func (x *texts) keep(key, value string) string {
	if x.known == nil || len(x.known) >= maxTexts {
		x.known = make(map[string]string)
	}
	x.known[key] = value
	return value
}

// clipText keeps a message short whatever the input was.
func clipText(s string) string {
	if len(s) > 80 {
		return s[:80] + "…"
	}
	return s
}
