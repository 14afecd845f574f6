package alert

import "tapedeck/pipeline/market"

// Defaults are the rules of a fresh start.
func Defaults() []market.Rule {
	rules := []market.Rule{
		{Name: "volume over a million", When: `volume > 1_000_000`, Cooldown: "1m", Severity: market.Info,
			Description: "more than a million shares within one second"},
		{Name: "volume spike", When: `volume_ratio("1s", 20) > 8 and volume > 100_000`, Repeat: "every time", Cooldown: "5m", Severity: market.Warning,
			Description: "a second's volume is large, and more than eight times the average of the twenty before"},
		{Name: "price drop", When: `change("5m") < -3%`, KeepFiring: "30s", Cooldown: "5m", Severity: market.Warning,
			Description: "down more than three per cent within five minutes"},
		{Name: "price jump", When: `change("5m") > 3%`, KeepFiring: "30s", Cooldown: "5m", Severity: market.Warning,
			Description: "up more than three per cent within five minutes"},
		{Name: "stale symbol", When: `age() > 120`, Severity: market.Info,
			Description: "no tick for two minutes while the market is open"},
		{Name: "model endpoint down", When: `endpoint_down()`, For: "15s", Severity: market.Critical,
			Description: "the prediction endpoint does not answer; once, not for each symbol"},
	}
	for i := range rules {
		rules[i].Revision = 1
		rules[i].EditedBy = "tapedeck"
	}
	return rules
}
