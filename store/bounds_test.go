package store_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/store/lake"
)

// barDays is a lake with three symbols' hourly and daily bars, and some of a second, of days that
// are merged but for the last, which lies in parts.
func barDays(t testing.TB, days int) *store.DB {
	log := &memoryLog{}
	day0 := market.Time(start).Truncate(24 * time.Hour)
	merged := int64(0)
	for d := range days {
		if d == days-1 {
			merged = int64(len(log.tables[lake.Bars][0]))
		}
		for h := range 24 {
			for n, symbol := range []string{"AAPL", "IBM", "RARE"} {
				if symbol == "RARE" && (d > 0 || h > 2) {
					continue
				}
				add := func(interval market.Interval, at market.Time) {
					b := market.Bar{Symbol: symbol, Interval: interval, Time: at, Open: 1, High: 2, Low: 0.5, Close: float64(100 + d*24 + h + n), Volume: 10, VWAP: 1, Trades: 3}
					log.add(lake.Bars, 0, b.Time, market.AppendBar(nil, &b))
				}
				at := day0.Add(time.Duration(d)*24*time.Hour + time.Duration(h)*time.Hour)
				add(market.Hour, at)
				add(market.Second, at)
				if h == 0 {
					add(market.Day, at)
				}
			}
		}
	}
	l := openLake(t, t.TempDir())
	archive(t, l, log, lake.Bars, "b", 0, merged)
	if _, err := l.Merge(t.Context(), lake.Bars); err != nil {
		t.Fatal(err)
	}
	return openDB(t, store.Config{Lake: l, Log: log, Threads: 2})
}

// What a condition spares the opening of never changes an answer: each is
// asked again in a form that spares nothing.
func TestSparedFilesChangeNoAnswer(t *testing.T) {
	const days = 2
	db := barDays(t, days)
	random := rand.New(rand.NewPCG(1, 2))
	literal := func(kind string) string {
		at := market.Time(start).Truncate(24 * time.Hour).Add(time.Duration(random.IntN(days*24)) * time.Hour).Std()
		switch kind {
		case "time":
			return at.Format("TIMESTAMP '2006-01-02 15:04:05'")
		case "date":
			return at.Format("'2006-01-02'")
		case `"interval"`:
			return []string{"'1s'", "'1h'", "'1d'", "'1m'"}[random.IntN(4)]
		}
		return []string{at.Format("'15'"), "'7'", "'24'", "''", "'1'"}[max(0, random.IntN(12)-7)]
	}
	condition := func(qualifier string) (spares, plain string) {
		kind := []string{"time", "date", "hour", `"interval"`}[random.IntN(4)]
		column := qualifier + kind
		blind := column + " || ''"
		if kind == "time" {
			blind = column + " + INTERVAL 0 SECOND"
		}
		switch random.IntN(5) {
		case 0:
			a, b := literal(kind), literal(kind)
			return fmt.Sprintf("%s BETWEEN %s AND %s", column, a, b), fmt.Sprintf("%s BETWEEN %s AND %s", blind, a, b)
		case 1:
			a, b := literal(kind), literal(kind)
			return fmt.Sprintf("%s IN (%s, %s)", column, a, b), fmt.Sprintf("%s IN (%s, %s)", blind, a, b)
		case 2:
			a := literal(kind)
			return a + " <= " + column, a + " <= " + blind
		default:
			op, a := []string{"=", "<", "<=", ">", ">="}[random.IntN(5)], literal(kind)
			return column + " " + op + " " + a, blind + " " + op + " " + a
		}
	}
	for range 70 {
		var spares, plain []string
		template := []string{
			"SELECT count(*), sum(close) FROM bars WHERE %s",
			"SELECT count(*), sum(a.close), sum(b.close) FROM bars a JOIN bars b ON a.time = b.time AND a.symbol = b.symbol WHERE %s",
			"SELECT count(*), sum(a.close), sum(b.close) FROM bars a LEFT JOIN bars b ON a.time = b.time + INTERVAL 1 DAY AND a.symbol = b.symbol WHERE %s",
			"SELECT count(*), sum(a.close), sum(b.close) FROM bars a FULL JOIN bars b ON a.time = b.time + INTERVAL 1 HOUR AND a.symbol = b.symbol WHERE %s",
			"SELECT count(*), sum(a.close), sum(b.close) FROM bars a, bars b WHERE a.time = b.time AND %s",
			"SELECT count(*), sum(a.close), sum(b.close) FROM bars a ASOF JOIN bars b ON a.symbol = b.symbol AND a.\"interval\" = b.\"interval\" AND a.time >= b.time WHERE %s",
			"SELECT count(*), sum(close) FROM bars a WHERE EXISTS (SELECT 1 FROM bars b WHERE b.time = a.time AND a.symbol <> b.symbol) AND %s",
		}[random.IntN(7)]
		qualifiers := []string{"a.", "b."}
		if !strings.Contains(template, "b.close") {
			qualifiers = []string{"a."}
		}
		if !strings.Contains(template, "bars a") {
			qualifiers = []string{""}
		}
		for range 1 + random.IntN(3) {
			s, p := condition(qualifiers[random.IntN(len(qualifiers))])
			spares, plain = append(spares, s), append(plain, p)
		}
		got := query(t, db, fmt.Sprintf(template, strings.Join(spares, " AND ")))
		want := query(t, db, fmt.Sprintf(template, strings.Join(plain, " AND ")))
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s\n%v, not %v", fmt.Sprintf(template, strings.Join(spares, " AND ")), got, want)
		}
	}
}

// Bars of a second are in the answer of whoever asks for them, also where others
// have asked for the rest alone.
func TestSecondsAreThere(t *testing.T) {
	db := barDays(t, 2)
	count := func(condition string) string {
		return fmt.Sprint(query(t, db, "SELECT count(*) FROM bars WHERE "+condition))
	}
	for _, interval := range []string{"1h", "1s", "1h"} {
		asked := count(`"interval" = '` + interval + `'`)
		if plain := count(`"interval" || '' = '` + interval + `'`); asked != plain || asked == "[[0]]" {
			t.Errorf("%s: %s rows, not %s", interval, asked, plain)
		}
	}
	if either := count(`"interval" = '1h' OR "interval" = '1s'`); either != count(`"interval" || '' IN ('1h', '1s')`) {
		t.Errorf("either: %s rows", either)
	}
}

// scanned is the size of the files that a statement opens.
func scanned(t *testing.T, db *store.DB, sql string) int64 {
	t.Helper()
	rows, err := db.Query(t.Context(), sql, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	return rows.Scanned()
}

func TestFilesAreSpared(t *testing.T) {
	db := barDays(t, 4)
	all := scanned(t, db, "SELECT count(*) FROM bars")
	for _, q := range []struct {
		most int64 // per cent of all
		sql  string
	}{
		{30, "SELECT count(*) FROM bars WHERE hour = '00'"},
		{40, "SELECT count(*) FROM bars WHERE hour IN ('14', '15')"},
		{60, "SELECT count(*) FROM bars WHERE hour BETWEEN '14' AND '20'"},
		{60, "SELECT count(*) FROM bars WHERE date IN ('2026-11-20', '2026-11-21') AND hour < '12'"},
		{50, "SELECT count(*) FROM bars a JOIN bars b ON a.time = b.time WHERE a.date = '2026-11-20' AND b.date = '2026-11-20'"},
	} {
		if n := scanned(t, db, q.sql); n*100 > q.most*all {
			t.Errorf("%s opens %d bytes of %d", q.sql, n, all)
		}
	}
}

func TestNewestBarsFromAnyDepth(t *testing.T) {
	db := barDays(t, 4)
	to := market.Time(start).Truncate(24 * time.Hour).Add(4 * 24 * time.Hour)
	for _, q := range []struct {
		symbol   string
		interval market.Interval
		limit    int
		want     int
		first    time.Duration // before to
	}{
		{"AAPL", market.Hour, 5, 5, 5 * time.Hour},
		{"AAPL", market.Hour, 1000, 96, 96 * time.Hour},
		{"RARE", market.Hour, 2, 2, 95 * time.Hour}, // its last are of the first day
		{"IBM", market.Day, 3, 3, 72 * time.Hour},
		{"IBM", market.Day, 100, 4, 96 * time.Hour},
		{"NONE", market.Hour, 5, 0, 0},
	} {
		for _, end := range []market.Time{0, to} {
			for _, from := range []market.Time{0, -1 << 50} { // open, and before all of it
				bars, err := db.Bars(t.Context(), q.symbol, q.interval, from, end, q.limit)
				if err != nil || len(bars) != q.want || q.want > 0 && to.Sub(bars[0].Time) != q.first {
					t.Errorf("%+v: %d bars, %v", q, len(bars), err)
				}
			}
		}
	}
	bars, err := db.Bars(t.Context(), "AAPL", market.Hour, to.Add(-10*time.Hour), to, 1000)
	if err != nil || len(bars) != 10 {
		t.Errorf("%d bars, %v", len(bars), err)
	}
	bars, err = db.RecentBars(t.Context(), market.Day, 2, 0, to)
	if err != nil || len(bars) != 5 {
		t.Errorf("%d bars, %v", len(bars), err)
	}
}
