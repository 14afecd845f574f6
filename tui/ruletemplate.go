package tui

import (
	"math"
	"strconv"
	"strings"

	"tapedeck/pipeline/market"
)

// ruleTemplate is a rule to begin with. In its texts PRICE is a round price a
// little above the newest and LOWER one a little below.
type ruleTemplate struct {
	name, note string
	rule       market.Rule
	symbol     bool // it watches the chosen symbol; else all
}

// ruleTemplates are what n offers, the most wanted first.
func ruleTemplates() []ruleTemplate {
	return []ruleTemplate{
		{"price above", "the price comes to the upper side of a level",
			market.Rule{Name: "SYMBOL above PRICE", When: "crosses_above(price, PRICE)", Cooldown: "1m", Severity: market.Warning}, true},
		{"price below", "the price comes to the lower side of a level",
			market.Rule{Name: "SYMBOL below LOWER", When: "crosses_below(price, LOWER)", Cooldown: "1m", Severity: market.Warning}, true},
		{"sudden move", "up or down by a share within some minutes",
			market.Rule{Name: "sudden move", When: `abs(change("5m")) > 2%`, KeepFiring: "30s", Cooldown: "5m", Severity: market.Warning}, false},
		{"falls from its high", "below the highest of the last minutes by a share",
			market.Rule{Name: "falls from its high", When: `falls_by(2%, "10m")`, Cooldown: "10m", Severity: market.Warning}, false},
		{"volume spike", "a minute's volume against the average of those before",
			market.Rule{Name: "volume of a minute", When: `volume_ratio("1m", 20) > 8`, Cooldown: "5m", Severity: market.Info}, false},
		{"crosses its average", "the price against a moving average of minutes",
			market.Rule{Name: "crosses its average", When: `crosses(price, sma("1m", 50))`, Cooldown: "5m", Severity: market.Info}, false},
		{"oversold", "relative strength at the close of a minute",
			market.Rule{Name: "oversold", When: `rsi("1m", 14) < 30`, Repeat: "once per bar close", Cooldown: "15m", Severity: market.Info}, false},
		{"new high of the day", "the highest price of today's session so far",
			market.Rule{Name: "new high of the day", When: "price >= day_high and since_open() > 1800", Cooldown: "15m", Severity: market.Info}, false},
		{"forecast above", "a model's band lies above the price",
			market.Rule{Name: "forecast above", When: `prediction("xgboost").low > price * 1.002`, For: "1m", Severity: market.Info}, false},
		{"goes silent", "no tick for so many seconds in the session",
			market.Rule{Name: "SYMBOL goes silent", When: "age() > 30", Severity: market.Warning}, true},
		{"empty", "a condition of your own", market.Rule{Severity: market.Warning}, false},
	}
}

// of fills a template in for a symbol at a price; 0 is unknown.
func (t ruleTemplate) of(symbol string, price float64) market.Rule {
	r := t.rule
	if !t.symbol {
		return r
	}
	if symbol != "" {
		r.Watch = []string{symbol}
	}
	fill := strings.NewReplacer("SYMBOL", symbol, "PRICE", roundLevel(price, 1), "LOWER", roundLevel(price, -1))
	r.Name, r.When = strings.TrimSpace(fill.Replace(r.Name)), fill.Replace(r.When)
	return r
}

// roundLevel is the next round price above (direction 1) or below (-1) at
// least half a per cent away: 187.12 gives 189 and 186.
func roundLevel(price float64, direction float64) string {
	if !(price > 0) || math.IsInf(price, 0) {
		return "100"
	}
	away := price * (1 + direction*0.005)
	step := math.Pow(10, math.Floor(math.Log10(price*0.02)))
	level := math.Ceil(away/step) * step
	if direction < 0 {
		level = math.Floor(away/step) * step
	}
	return strconv.FormatFloat(level, 'f', max(0, int(-math.Floor(math.Log10(step)))), 64)
}
