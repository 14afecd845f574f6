package alert

import (
	"errors"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

func TestProblems(t *testing.T) {
	world := World{Models: []string{"lstm", "xgboost"}, Sectors: []string{"Energy", "Technology"}, Groups: []string{"tech"}}
	for _, c := range []struct{ when, place, reason, nearest string }{
		{`volum > 1_000_000`, "when 1:1", "not known", "volume"},
		{"price > 100 and\n  chnage(\"5m\") < -3%", "when 2:3", "no function", "change"},
		{`price > "5m"`, "when 1:7", "a price cannot be compared with a text", ""},
		{`price`, "when 1:1", "must be true or false", ""},
		{`price + 1`, "when 1:7", "must be true or false", ""},
		{`price > 3%`, "when 1:7", "a price cannot be compared with a fraction", ""},
		{`change("5m") < -3`, "when 1:14", "write -3%", ""},
		{`price > volume`, "when 1:7", "a price cannot be compared with a volume", ""},
		{`change("5x") < -3%`, "when 1:8", "not a length of time", ""},
		{`change("48h") < -3%`, "when 1:8", "between 1s and 24h", ""},
		{`sma("2m", 50) > 1`, "when 1:5", "not an interval", ""},
		{`sma("1m", 0) > 1`, "when 1:11", "a period", ""},
		{`sma("1m", 100000) > 1`, "when 1:11", "a period", ""},
		{`sma("1m") > 1`, "when 1:1", "takes 2 arguments", `sma("INTERVAL", N)`},
		{`macd("1m", 26, 12, 9) > 1`, "when 1:1", "fast is below slow", ""},
		{`prediction("lstn").low > price`, "when 1:12", "no model", "lstm"},
		{`prediction("lstm").lo > price`, "when 1:20", "a prediction has no", "low"},
		{`bar("1m").clse > price`, "when 1:11", "a bar has no", "close"},
		{`session() == "regula"`, "when 1:14", "no session", "regular"},
		{`sector == "Enrgy" and price > 1`, "when 1:11", "no sector", "Energy"},
		{`rsi > 30`, "when 1:1", "is a function", `rsi("INTERVAL", N)`},
		{`price() > 30`, "when 1:1", "takes no brackets", "price"},
		{`price >`, "when 1:7", "too early", ""},
		{`price = 3`, "when 1:7", "write ==", ""},
		{`all([1,2], # > 1)`, "when 1:1", "loop", ""},
		{`map(1..1000000000, # * 2)[0] > 1`, "when 1:1", "loop", ""},
		{`filter([price], {# > 1}) == []`, "when 1:1", "loop", ""},
		{`reduce(1..9, #acc + #) > price`, "when 1:1", "loop", ""},
		{`1..1000000 == price`, "when 1:2", "no operator", ""},
		{`price in 1..1000000`, "when 1:11", "a list", ""},
		{`let x = price; x > 1`, "when 1:", "no place", ""},
		{`price > 1; price > 2`, "when 1:", "no place", ""},
		{`symbol matches "(a+)+$"`, "when 1:8", "no operator", ""},
		{`repeat("x", 100000000) == symbol`, "when 1:1", "no function", ""},
		{`toJSON(price) == "1"`, "when 1:1", "no function", ""},
		{`price.foo > 1`, "when 1:", "have fields", ""},
		{`{"a": 1}.a > price`, "when 1:", "have fields", ""},
		{`price ?? 1 > 1`, "when 1:", "", ""},
		{`1 > 0`, "when 1:1", "nothing that changes", ""},
		{`price / 0 > 1`, "when 1:7", "division by zero", ""},
		{`times_today(times_today(price > 1) > 1) > 1`, "when 1:13", "count itself", ""},
		{`times_today() > 1`, "when 1:1", "counts a condition", "times_today(), times_today(CONDITION)"},
		{`rises_by(-1, "5m")`, "when 1:10", "above zero", ""},
		{``, "when", "missing", ""},
		{strings.Repeat("(", 5000), "when", "longer", ""},
		{strings.Repeat("(", 1500) + "price" + strings.Repeat(")", 1500), "when", "nested", ""},
		{strings.Repeat("not ", 900) + "true", "when", "", ""},
		{"price > 1" + strings.Repeat(" + 1", 300), "when", "more than 200 parts", ""},
	} {
		_, err := Compile(market.Rule{Name: "r", When: c.when}, world)
		var p *Problem
		if !errors.As(err, &p) {
			t.Errorf("%s: not refused (%v)", clip(c.when, 60), err)
			continue
		}
		if !strings.HasPrefix(err.Error(), c.place) || !strings.Contains(p.Reason, c.reason) || p.Nearest != c.nearest {
			t.Errorf("%s: %v\n  want %s, %q, %q", clip(c.when, 60), err, c.place, c.reason, c.nearest)
		}
	}
	for _, c := range []struct {
		rule        market.Rule
		field, near string
	}{
		{market.Rule{When: `price > 1`}, "name", ""},
		{market.Rule{Name: "r", When: `price > 1`, For: "10"}, "for", ""},
		{market.Rule{Name: "r", When: `price > 1`, Cooldown: "-1s"}, "cooldown", ""},
		{market.Rule{Name: "r", When: `price > 1`, Repeat: "evry time"}, "repeat", "every time"},
		{market.Rule{Name: "r", When: `price > 1`, Repeat: "once", KeepFiring: "1s"}, "keep_firing", ""},
		{market.Rule{Name: "r", When: `crosses(price, 1)`, For: "10s"}, "for", ""},
		{market.Rule{Name: "r", When: `price > 1`, Watch: []string{"sector:Enregy"}}, "watch", "Energy"},
		{market.Rule{Name: "r", When: `price > 1`, Watch: []string{"group:tec"}}, "watch", "tech"},
		{market.Rule{Name: "r", When: `price > 1`, Watch: []string{"[a-z]*"}}, "watch", ""},
		{market.Rule{Name: "r", When: `price > 1`, Watch: []string{"not a symbol"}}, "watch", ""},
	} {
		_, err := Compile(c.rule, world)
		var p *Problem
		if !errors.As(err, &p) || p.Field != c.field || p.Nearest != c.near {
			t.Errorf("%+v: %v", c.rule, err)
		}
	}
}

func TestPercents(t *testing.T) {
	for source, want := range map[string]string{
		`change("5m") < -3%`:        `change("5m") < -3 `,
		`a < 3% and b > 2.5%`:       `a < 3  and b > 2.5 `,
		`a % 3 == 0`:                `a % 3 == 0`,
		`10 % 3 == 1`:               `10 % 3 == 1`,
		`10%3 == 1`:                 `10%3 == 1`,
		`f(3%, "5%")`:               `f(3 , "5%")`,
		`sma20 % price > 1`:         `sma20 % price > 1`,
		"a > 1_000% // \"quote\n%":  "a > 1_000  // \"quote\n%",
		`x > 3% or "a\"3%" == name`: `x > 3  or "a\"3%" == name`,
	} {
		if got, _ := percents(source); got != want {
			t.Errorf("%s: %s", source, got)
		}
	}
}

// What every example of the reference says compiles, and what is unknown is not true.
func TestReference(t *testing.T) {
	seen := map[string]bool{}
	for _, e := range Reference() {
		if seen[e.Name] || e.Help == "" || !strings.Contains(e.Example, e.Name) {
			t.Errorf("%s: twice, without help, or its example does not use it", e.Name)
		}
		seen[e.Name] = true
		engine := New(Config{})
		if err := engine.SetRule(market.Rule{Name: "r", When: e.Example}); err != nil {
			t.Errorf("%s: %v", e.Name, err)
		}
		if err := engine.SetRule(market.Rule{Name: "not", When: "not (" + e.Example + ")"}); err != nil {
			t.Errorf("not %s: %v", e.Name, err)
		}
	}
	for _, w := range append(append([]string(nil), wordNames...), functionNames...) {
		if !seen[w] {
			t.Errorf("%s is not in the reference", w)
		}
	}
	for _, when := range []string{`not (sma("1m", 5) > 3)`, `sma("1m", 5) != 3`, `not (prediction("x").low > price)`, `not crosses(price, sma("1m", 5))`,
		`not (change("5m") > 3%)`, `not (rsi("1m", 14) in [1, 2])`, `not (age() > 5)`, `(sma("1m", 5) > 1 ? 1 : 2) > price * 0`, `abs(sma("1h", 3)) >= 0`} {
		e := New(Config{Calendar: nyse})
		if err := e.SetRule(market.Rule{Name: "r", When: when}); err != nil {
			t.Fatal(err)
		}
		sunday, _ := market.ParseTime("2025-11-23T15:00:00Z")
		none := func(a *market.Alert) { t.Errorf("%s: %s", when, told(a)) }
		e.Tick(&market.Tick{Symbol: "A", Price: 5, Time: sunday}, none)
		e.Bar(&market.Bar{Symbol: "A", Interval: market.Minute, Close: 5, Time: sunday}, none)
		e.Clock(sunday+1e6, none)
	}
}

func TestComplete(t *testing.T) {
	for _, c := range []struct {
		text   string
		first  string
		length int
	}{
		{"vol", "volume", 3}, {"price > cha", "change(", 2}, {`sma("`, "1s", 6}, {`change("5`, "5m", 1}, {`prediction("lstm").l`, "low", 1},
		{`bar("1m").`, "open", 7}, {`session() == "r`, "regular", 1}, {"3", "", 0}, {"crosses_a", "crosses_above(", 1}, {"age", "age()", 1},
	} {
		got := Complete(c.text, len(c.text))
		if len(got) != c.length || len(got) > 0 && got[0].Insert != c.first {
			t.Errorf("%s: %d suggestions, %v", c.text, len(got), got)
		}
	}
	if all := Complete("", 0); len(all) != len(Reference()) {
		t.Errorf("%d suggestions for nothing", len(all))
	}
}

func TestWatches(t *testing.T) {
	in := func(group, symbol string) bool {
		return map[string]string{"mine": "NVDA", "query:big": "AAPL"}[group] == symbol
	}
	for _, c := range []struct {
		watch  []string
		symbol string
		want   bool
	}{
		{nil, "NVDA", true}, {[]string{"NVDA"}, "NVDA", true}, {[]string{"NVDA"}, "AAPL", false}, {[]string{"NV*"}, "NVDA", true},
		{[]string{"sector:energy"}, "XOM", true}, {[]string{"sector:energy"}, "AAPL", false}, {[]string{"group:mine"}, "NVDA", true},
		{[]string{"query:big"}, "AAPL", true}, {[]string{"!NVDA"}, "NVDA", false}, {[]string{"!NVDA"}, "AAPL", true}, {[]string{"N*", "!NVDA"}, "NVDA", false},
	} {
		p, err := Compile(market.Rule{Name: "r", When: "price > 1", Watch: c.watch}, World{})
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Watches(c.symbol, map[string]string{"XOM": "Energy"}[c.symbol], in); got != c.want {
			t.Errorf("%v watches %s: %v", c.watch, c.symbol, got)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, e := range Reference() {
		f.Add(e.Example)
	}
	f.Add(`price > 1 and times_today() > 2 ? 1 : 2`)
	f.Add("a%%%\x00\"")
	f.Add(`price>1>2%3 and not -(+price)**2 in [1,-2]`)
	f.Fuzz(func(t *testing.T, when string) {
		e := New(Config{Calendar: nyse})
		err := e.SetRule(market.Rule{Name: "r", When: when})
		if err != nil {
			var p *Problem
			if !errors.As(err, &p) {
				t.Fatalf("%v is no *Problem", err)
			}
			return
		}
		emit := func(*market.Alert) {}
		for i := range 3 {
			at := market.Time(1_763_650_000_000_000 + i*1e6)
			e.Tick(&market.Tick{Symbol: "A", Price: 5, Size: 5, Time: at}, emit)
			e.Bar(&market.Bar{Symbol: "A", Close: 5, Time: at}, emit)
			e.Clock(at, emit)
		}
		for _, c := range e.Costs() {
			if c.Paused != "" {
				t.Fatalf("%q: %s", when, c.Paused)
			}
		}
		if _, err := New(Config{Calendar: nyse}).LoadState(e.AppendState(nil)); err != nil {
			t.Fatalf("%q: %v", when, err)
		}
	})
}
