package athena

import (
	"fmt"
	"strconv"
	"strings"
)

func timeForms() map[string]form {
	return map[string]form{
		"date_trunc":             {2, 2, dateTrunc},
		"date_add":               {3, 3, dateAdd},
		"date_diff":              {3, 3, dateDiff},
		"extract":                {1, 1, func(c *compiler, x *call, a []value) (value, error) { return datePart(c, x, x.options["field"], a[0]) }},
		"from_unixtime":          {1, 3, fromUnixtime},
		"to_unixtime":            {1, 1, toUnixtime},
		"date_format":            {2, 2, dateFormat},
		"date_parse":             {2, 2, dateParse},
		"format_datetime":        {2, 2, dateFormat},
		"parse_datetime":         {2, 2, dateParse},
		"from_iso8601_timestamp": {1, 1, fromISO},
		"to_iso8601":             {1, 1, toISO},
		"date":                   {1, 1, dateOf},
		"last_day_of_month":      {1, 1, lastDay},
		"at_timezone":            {2, 2, func(c *compiler, x *call, a []value) (value, error) { return c.atZone(x, a[0], a[1]) }},
		"with_timezone":          {2, 2, withZone},
		"now":                    {0, 0, now},
		"current_timestamp":      {0, 1, now},
		"localtimestamp":         {0, 1, now},
		"localtime":              {0, 0, now},
		"current_date":           {0, 0, now},
		"year":                   field1("year"), "quarter": field1("quarter"), "month": field1("month"), "week": field1("week"),
		"week_of_year": field1("week"), "day": field1("day"), "day_of_month": field1("day"), "day_of_week": field1("day_of_week"),
		"dow": field1("day_of_week"), "day_of_year": field1("day_of_year"), "doy": field1("day_of_year"), "year_of_week": field1("year_of_week"),
		"yow": field1("year_of_week"), "hour": field1("hour"), "minute": field1("minute"), "second": field1("second"),
		"millisecond": field1("millisecond"), "timezone_hour": field1("timezone_hour"), "timezone_minute": field1("timezone_minute"),
	}
}

func field1(name string) form {
	return form{1, 1, func(c *compiler, x *call, a []value) (value, error) { return datePart(c, x, name, a[0]) }}
}

var units = map[string]int{"millisecond": 0, "second": 1, "minute": 2, "hour": 3, "day": 4, "week": 5, "month": 6, "quarter": 7, "year": 8}

func unitOf(x *call, v value, date bool) (string, int, error) {
	if v.text == nil {
		return "", 0, failAt(x.at(), "the unit of %s must be written out here, such as 'day'", x.name)
	}
	unit := strings.ToLower(*v.text)
	n, ok := units[unit]
	if !ok || date && n < units["day"] {
		kind := "timestamp"
		if date {
			kind = "DATE"
		}
		return "", 0, failAt(x.args[0].at(), "'%s' is not a valid %s field", *v.text, kind)
	}
	return unit, n, nil
}

func needTime(x *call, i int, v value) error {
	if !v.typ.is(dateType, timestampType, zonedType, unknownType) {
		hint := ""
		if v.typ.isText() {
			hint = "; write CAST(… AS timestamp), or from_iso8601_timestamp"
		}
		return failAt(x.args[i].at(), "Unexpected parameter %s for function %s: it takes a date or timestamp%s", v.typ, x.name, hint)
	}
	return nil
}

func dateTrunc(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 1, a[1]); err != nil {
		return value{}, err
	}
	unit, n, err := unitOf(x, a[0], a[1].typ.kind == dateType)
	if err != nil {
		return value{}, err
	}
	t := a[1].typ
	switch t.kind {
	case dateType:
		return value{sql: fmt.Sprintf("CAST(date_trunc('%s', %s) AS DATE)", unit, a[1].sql), typ: t}, nil
	case zonedType:
		if n <= units["minute"] {
			return value{sql: fmt.Sprintf("date_trunc('%s', %s)", unit, a[1].sql), typ: t}, nil
		}
		local, err := c.local(x, a[1])
		if err != nil {
			return value{}, err
		}
		return value{sql: zoned(fmt.Sprintf("date_trunc('%s', %s)", unit, local), t.zone), typ: t}, nil
	}
	return value{sql: fmt.Sprintf("date_trunc('%s', %s)", unit, a[1].sql), typ: t}, nil
}

func unitInterval(unit, n string) string {
	switch unit {
	case "quarter":
		return "to_months(CAST(3 * (" + n + ") AS INTEGER))"
	case "millisecond":
		return "to_milliseconds(CAST(" + n + " AS BIGINT))"
	case "second":
		return "to_milliseconds(1000 * CAST(" + n + " AS BIGINT))"
	case "minute", "hour":
		return "to_" + unit + "s(CAST(" + n + " AS BIGINT))"
	}
	return "to_" + unit + "s(CAST(" + n + " AS INTEGER))"
}

func dateAdd(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 2, a[2]); err != nil {
		return value{}, err
	}
	if !a[1].typ.isInteger() && a[1].typ.kind != unknownType {
		return value{}, failAt(x.args[1].at(), "Unexpected parameters for function date_add: the number is an integer, not %s", a[1].typ)
	}
	t := a[2].typ
	unit, n, err := unitOf(x, a[0], t.kind == dateType)
	if err != nil {
		return value{}, err
	}
	interval := unitInterval(unit, a[1].sql)
	switch t.kind {
	case dateType:
		return value{sql: "CAST(" + a[2].sql + " + " + interval + " AS DATE)", typ: t}, nil
	case zonedType:
		if n <= units["hour"] {
			return value{sql: fmt.Sprintf("make_timestamptz(epoch_us(%s) + epoch_us(%s))", a[2].sql, interval), typ: t}, nil
		}
		local, err := c.local(x, a[2])
		if err != nil {
			return value{}, err
		}
		return value{sql: zoned("("+local+" + "+interval+")", t.zone), typ: t}, nil
	case unknownType:
		return coerce(a[2], scalar(timestampType)), nil
	}
	sql := "(" + a[2].sql + " + " + interval + ")"
	if unit == "millisecond" && t.p < 3 {
		sql = rounded(sql, 6, t.p)
	}
	return value{sql: sql, typ: t}, nil
}

func dateDiff(c *compiler, x *call, a []value) (value, error) {
	for i := 1; i < 3; i++ {
		if err := needTime(x, i, a[i]); err != nil {
			return value{}, err
		}
	}
	t := common(a[1].typ, a[2].typ)
	unit, n, err := unitOf(x, a[0], t.kind == dateType)
	if err != nil {
		return value{}, err
	}
	from, to := coerce(a[1], t), coerce(a[2], t)
	if t.kind == zonedType && n >= units["day"] {
		if a[1].typ.kind == zonedType {
			from.typ = a[1].typ
		}
		zone := from.typ.zone
		for _, v := range []*value{&from, &to} {
			v.typ = &dataType{kind: zonedType, p: 3, zone: zone}
			if v.sql, err = c.local(x, *v); err != nil {
				return value{}, err
			}
		}
	}
	if t.kind == dateType {
		from.sql, to.sql = "CAST("+from.sql+" AS TIMESTAMP)", "CAST("+to.sql+" AS TIMESTAMP)"
	}
	if n >= units["month"] {
		months := map[string]string{"month": "", "quarter": " // 3", "year": " // 12"}[unit]
		return value{sql: "(trino_month_diff(" + from.sql + ", " + to.sql + ")" + months + ")", typ: scalar(bigintType)}, nil
	}
	length := []int64{1, 1000, 60_000, 3_600_000, 86_400_000, 604_800_000}[n]
	return value{sql: fmt.Sprintf("((epoch_ms(%s) - epoch_ms(%s)) // %d)", to.sql, from.sql, length), typ: scalar(bigintType)}, nil
}

func datePart(c *compiler, x *call, field string, v value) (value, error) {
	names := map[string]string{"year": "year", "quarter": "quarter", "month": "month", "week": "week", "week_of_year": "week", "day": "day",
		"day_of_month": "day", "day_of_week": "isodow", "dow": "isodow", "day_of_year": "doy", "doy": "doy", "year_of_week": "isoyear",
		"yow": "isoyear", "hour": "hour", "minute": "minute", "second": "second", "millisecond": "millisecond",
		"timezone_hour": "", "timezone_minute": ""}
	name, ok := names[field]
	if !ok {
		return value{}, failAt(x.at(), "there is no field %s; to_unixtime gives seconds since 1970", field)
	}
	result := func(sql string) (value, error) {
		return value{sql: sql, typ: scalar(bigintType), finite: true}, nil
	}
	clock := field == "hour" || field == "minute" || field == "second" || field == "millisecond"
	switch v.typ.kind {
	case dateType:
		if clock || name == "" {
			return value{}, failAt(x.at(), "Unexpected parameters (date) for function %s", field)
		}
	case timeType:
		if !clock {
			return value{}, failAt(x.at(), "Unexpected parameters (time) for function %s", field)
		}
	case timestampType:
	case zonedType:
		if name == "" {
			local, err := c.local(x, v)
			if err != nil {
				return value{}, err
			}
			seconds := "(epoch_us(" + local + ") - epoch_us(" + v.sql + ")) // 1000000"
			if field == "timezone_hour" {
				return result("((" + seconds + ") // 3600)")
			}
			return result("((" + seconds + ") // 60 % 60)")
		}
		local, err := c.local(x, v)
		if err != nil {
			return value{}, err
		}
		v.sql = local
	case dayInterval:
		lengths := map[string]string{"day": "// 86400000", "hour": "// 3600000 % 24", "minute": "// 60000 % 60", "second": "// 1000 % 60", "millisecond": "% 1000"}
		if length, ok := lengths[field]; ok {
			return result("(epoch_us(" + v.sql + ") // 1000 " + length + ")")
		}
		return value{}, failAt(x.at(), "an interval of days has no %s", field)
	case monthInterval:
		if field != "year" && field != "month" {
			return value{}, failAt(x.at(), "an interval of months has no %s", field)
		}
	case unknownType:
		v = coerce(v, scalar(timestampType))
	default:
		return value{}, failAt(x.at(), "Unexpected parameters (%s) for function %s%s", v.typ, field, castHint(v.typ, scalar(timestampType)))
	}
	if name == "" {
		return value{}, failAt(x.at(), "%s takes a timestamp with time zone", field)
	}
	if field == "millisecond" {
		return result("(datepart('millisecond', " + v.sql + ") % 1000)")
	}
	return result("datepart('" + name + "', " + v.sql + ")")
}

func fromUnixtime(c *compiler, x *call, a []value) (value, error) {
	if !a[0].typ.isNumber() && a[0].typ.kind != unknownType {
		return value{}, failAt(x.args[0].at(), "from_unixtime takes seconds since 1970, not %s", a[0].typ)
	}
	zone := "UTC"
	switch {
	case len(a) == 2 && a[1].text != nil:
		zone = *a[1].text
	case len(a) == 3 && a[1].number != "" && a[2].number != "":
		h, errHours := strconv.ParseInt(a[1].number, 10, 32)
		m, errMinutes := strconv.ParseInt(a[2].number, 10, 32)
		if errHours != nil || errMinutes != nil {
			return value{}, failAt(x.args[1].at(), "hours and minutes of the time zone are whole numbers")
		}
		zone = offsetName(h*3600 + m*60)
	case len(a) > 1:
		return value{}, failAt(x.args[1].at(), "the time zone must be written out here")
	}
	if !knownZone(zone) {
		return value{}, failAt(x.args[1].at(), "'%s' is not a valid time zone", zone)
	}
	sql := "make_timestamptz(CAST(floor(" + coerce(a[0], scalar(doubleType)).sql + " * 1000e0 + 0.5e0) AS BIGINT) * 1000)"
	if a[0].typ.isInteger() {
		sql = "make_timestamptz(CAST(" + a[0].sql + " AS BIGINT) * 1000000)"
	}
	return value{sql: sql, typ: &dataType{kind: zonedType, p: 3, zone: zone}}, nil
}

func toUnixtime(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 0, a[0]); err != nil {
		return value{}, err
	}
	v := a[0]
	if v.typ.is(dateType, unknownType) {
		v = coerce(v, scalar(timestampType))
	}
	return value{sql: "(epoch_us(" + v.sql + ") / 1000000e0)", typ: scalar(doubleType), finite: true}, nil
}

// dateFormat is date_format with MySQL's letters and format_datetime with Joda's.
func dateFormat(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 0, a[0]); err != nil {
		return value{}, err
	}
	if !a[1].typ.is(varcharType, charType, unknownType) {
		return value{}, failAt(x.args[1].at(), "the format is a text, not %s", a[1].typ)
	}
	zone := "UTC"
	v := a[0]
	switch v.typ.kind {
	case zonedType:
		local, err := c.local(x, v)
		if err != nil {
			return value{}, err
		}
		zone, v.sql = v.typ.zone, local
	default:
		v = coerce(v, &dataType{kind: timestampType, p: 6})
	}
	if a[1].text != nil {
		if err := checkFormat(x.name, *a[1].text); err != nil {
			return value{}, failAt(x.args[1].at(), "%v", err)
		}
	}
	return value{sql: fmt.Sprintf("trino_%s(%s, %s, %s)", x.name, v.sql, coerce(a[1], scalar(varcharType)).sql, quoteText(zone)), typ: scalar(varcharType)}, nil
}

func dateParse(c *compiler, x *call, a []value) (value, error) {
	for i, v := range a {
		if !v.typ.is(varcharType, charType, unknownType) {
			return value{}, failAt(x.args[i].at(), "%s takes texts, not %s", x.name, v.typ)
		}
		a[i] = coerce(v, scalar(varcharType))
	}
	if a[1].text != nil {
		if err := checkFormat(x.name, *a[1].text); err != nil {
			return value{}, failAt(x.args[1].at(), "%v", err)
		}
	}
	sql := "trino_" + x.name + "(" + a[0].sql + ", " + a[1].sql + ")"
	if x.name == "date_parse" {
		return value{sql: "make_timestamp(" + sql + ")", typ: scalar(timestampType)}, nil
	}
	zone := ""
	if a[1].text != nil && !namesZone(*a[1].text) {
		zone = "UTC"
	} else if a[0].text != nil && a[1].text != nil {
		if _, z, err := parseJoda(*a[0].text, *a[1].text); err == nil {
			zone = z
		}
	}
	return value{sql: "make_timestamptz(" + sql + ")", typ: &dataType{kind: zonedType, p: 3, zone: zone}}, nil
}

func fromISO(c *compiler, x *call, a []value) (value, error) {
	if !a[0].typ.is(varcharType, charType, unknownType) {
		return value{}, failAt(x.args[0].at(), "from_iso8601_timestamp takes a text, not %s", a[0].typ)
	}
	zone := ""
	if a[0].text != nil {
		_, z, err := parseISO(*a[0].text)
		if err != nil {
			return value{}, failAt(x.args[0].at(), "%v", err)
		}
		zone = z
	}
	return value{sql: "make_timestamptz(trino_iso_timestamp(" + coerce(a[0], scalar(varcharType)).sql + "))", typ: &dataType{kind: zonedType, p: 3, zone: zone}}, nil
}

func toISO(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 0, a[0]); err != nil {
		return value{}, err
	}
	t := a[0].typ
	if t.kind == dateType {
		return value{sql: "CAST(" + a[0].sql + " AS VARCHAR)", typ: scalar(varcharType)}, nil
	}
	local, err := c.local(x, a[0])
	if err != nil {
		return value{}, err
	}
	sql := "replace(" + timestampText(local, t.p) + ", ' ', 'T')"
	if t.kind == zonedType {
		sql += " || trino_offset_text(CAST((epoch_us(" + local + ") - epoch_us(" + a[0].sql + ")) // 1000000 AS BIGINT))"
	}
	return value{sql: "(" + sql + ")", typ: scalar(varcharType)}, nil
}

func dateOf(c *compiler, x *call, a []value) (value, error) {
	return c.cast(x, a[0], scalar(dateType), false)
}

func lastDay(c *compiler, x *call, a []value) (value, error) {
	if err := needTime(x, 0, a[0]); err != nil {
		return value{}, err
	}
	local, err := c.local(x, a[0])
	return value{sql: "last_day(" + local + ")", typ: scalar(dateType)}, err
}

func withZone(c *compiler, x *call, a []value) (value, error) {
	if a[0].typ.kind == dateType {
		a[0] = coerce(a[0], scalar(timestampType))
	}
	if a[0].typ.kind != timestampType {
		return value{}, failAt(x.args[0].at(), "with_timezone takes a timestamp without time zone, not %s", a[0].typ)
	}
	if a[1].text == nil {
		return value{}, failAt(x.args[1].at(), "the time zone must be written out here")
	}
	if !knownZone(*a[1].text) {
		return value{}, failAt(x.args[1].at(), "'%s' is not a valid time zone", *a[1].text)
	}
	return value{sql: zoned(a[0].sql, *a[1].text), typ: &dataType{kind: zonedType, p: a[0].typ.p, zone: *a[1].text}}, nil
}

func now(c *compiler, x *call, a []value) (value, error) {
	p := 3
	if len(a) == 1 {
		n, err := strconv.Atoi(a[0].number)
		if err != nil || n < 0 {
			return value{}, failAt(x.args[0].at(), "the precision is a whole number from 0 to 12")
		}
		p = min(n, 6)
	}
	instant := fmt.Sprintf("make_timestamptz(trino_round_us(epoch_us(now()), %d))", pow10(6-p))
	switch x.name {
	case "current_date":
		return value{sql: "current_date", typ: scalar(dateType)}, nil
	case "localtimestamp":
		return value{sql: "timezone('UTC', " + instant + ")", typ: &dataType{kind: timestampType, p: p}}, nil
	case "localtime":
		return value{sql: "CAST(timezone('UTC', " + instant + ") AS TIME)", typ: scalar(timeType)}, nil
	}
	return value{sql: instant, typ: &dataType{kind: zonedType, p: p, zone: "UTC"}}, nil
}
