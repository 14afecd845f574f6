package alert

import (
	"fmt"
	"io"
	"strings"
)

// Entry describes a word of the language.
type Entry struct {
	Name      string
	Signature string // how it is written
	Section   string // heading that it stands under
	Help      string // a line
	Example   string // a condition that compiles
}

// Reference is the whole language, section by section. The manual and the
// completion are made of it.
func Reference() []Entry {
	return []Entry{
		{"price", "price", "Now", "price of the newest trade", `price > 100`},
		{"last", "last", "Now", "the same as price", `last > 100`},
		{"bid", "bid", "Now", "best bid with the newest tick; unknown where the source has none", `bid > 100`},
		{"ask", "ask", "Now", "best ask with the newest tick; unknown where the source has none", `ask < 100`},
		{"spread", "spread", "Now", "ask − bid", `spread > price * 0.5%`},
		{"size", "size", "Now", "shares of the newest trade", `size >= 10_000`},
		{"change", `change("TIME")`, "Now", "change of the price within the time, as a fraction; unknown until as much was seen", `change("5m") < -3%`},
		{"move", `move("TIME")`, "Now", "change of the price within the time, as an amount", `move("1m") > 0.5`},
		{"rises_by", `rises_by(AMOUNT or PERCENT, "TIME")`, "Now", "the price stands that much above its lowest within the time", `rises_by(2%, "10m")`},
		{"falls_by", `falls_by(AMOUNT or PERCENT, "TIME")`, "Now", "the price stands that much below its highest within the time", `falls_by(1.50, "10m")`},

		{"day_open", "day_open", "Session", "first price of today's regular session", `price < day_open`},
		{"day_high", "day_high", "Session", "highest price of today's regular session", `price >= day_high`},
		{"day_low", "day_low", "Session", "lowest price of today's regular session", `price <= day_low`},
		{"day_volume", "day_volume", "Session", "shares traded in today's regular session", `day_volume > 10_000_000`},
		{"previous_close", "previous_close", "Session", "last price of the regular session before; unknown on the first day", `price > previous_close`},
		{"change_today", "change_today", "Session", "change since the previous close, as a fraction", `change_today > 5%`},
		{"session", "session()", "Session", `"closed", "pre", "regular" or "post"`, `session() == "regular" and price > 100`},
		{"since_open", "since_open()", "Session", "seconds since the regular session opened; unknown outside it", `since_open() < 1800 and price > 100`},
		{"hour", "hour()", "Session", "hour of the day at the exchange, 0 to 23", `hour() == 15 and price > 100`},
		{"minute", "minute()", "Session", "minute of the hour, 0 to 59", `hour() == 15 and minute() >= 50 and price > 100`},
		{"weekday", "weekday()", "Session", "1 is Monday, 7 is Sunday", `weekday() == 5 and price > 100`},

		{"volume", `volume, volume("INTERVAL")`, "Bars", "shares in the newest closed bar, of one second unless said", `volume > 1_000_000`},
		{"open", `open, open("INTERVAL")`, "Bars", "first price of the newest closed bar", `close("1m") > open("1m")`},
		{"high", `high, high("INTERVAL")`, "Bars", "highest price of the newest closed bar", `price > high("15m")`},
		{"low", `low, low("INTERVAL")`, "Bars", "lowest price of the newest closed bar", `price < low("15m")`},
		{"close", `close, close("INTERVAL")`, "Bars", "last price of the newest closed bar", `close("1m") > 100`},
		{"trades", `trades, trades("INTERVAL")`, "Bars", "trades in the newest closed bar", `trades("1m") > 500`},
		{"bar", `bar("INTERVAL").FIELD`, "Bars", "open, high, low, close, volume, vwap or trades of the newest closed bar", `bar("1m").close > bar("1m").vwap`},

		{"sma", `sma("INTERVAL", N)`, "Indicators", "mean of the last N closes", `price > sma("1m", 50)`},
		{"ema", `ema("INTERVAL", N)`, "Indicators", "exponential moving average of period N", `crosses_above(ema("1m", 12), ema("1m", 26))`},
		{"rsi", `rsi("INTERVAL", N)`, "Indicators", "Wilder's relative strength index, 0 to 100", `rsi("1m", 14) < 30`},
		{"macd", `macd("INTERVAL"), macd("INTERVAL", FAST, SLOW, SIGNAL)`, "Indicators", "difference of two averages; 12, 26, 9 unless said", `macd("1m") > 0`},
		{"macd_signal", `macd_signal("INTERVAL")`, "Indicators", "average of macd", `crosses_above(macd("1m"), macd_signal("1m"))`},
		{"macd_hist", `macd_hist("INTERVAL")`, "Indicators", "macd − macd_signal", `macd_hist("5m") > 0`},
		{"atr", `atr("INTERVAL", N)`, "Indicators", "Wilder's average true range", `high - low > 5 * atr("1s", 14)`},
		{"vwap", `vwap(), vwap("INTERVAL")`, "Indicators", "volume-weighted average price since the day began, over bars of one second unless said", `crosses_above(price, vwap())`},
		{"bollinger_upper", `bollinger_upper("INTERVAL", N, WIDTH)`, "Indicators", "mean of N closes + WIDTH (2 unless said) standard deviations", `price > bollinger_upper("1m", 20)`},
		{"bollinger_middle", `bollinger_middle("INTERVAL", N)`, "Indicators", "mean of N closes", `crosses(price, bollinger_middle("1m", 20))`},
		{"bollinger_lower", `bollinger_lower("INTERVAL", N, WIDTH)`, "Indicators", "mean of N closes − WIDTH (2 unless said) standard deviations", `price < bollinger_lower("1m", 20, 2.5)`},
		{"volatility", `volatility("INTERVAL", N)`, "Indicators", "standard deviation of the last N logarithmic returns", `volatility("1m", 20) > 0.5%`},
		{"volume_ratio", `volume_ratio("INTERVAL", N)`, "Indicators", "volume of the newest bar over the mean of the N before", `volume_ratio("1m", 20) > 8`},

		{"crosses_above", "crosses_above(A, B)", "Moments", "A comes from below B to above it", `crosses_above(price, sma("1m", 50))`},
		{"crosses_below", "crosses_below(A, B)", "Moments", "A comes from above B to below it", `crosses_below(price, 100)`},
		{"crosses", "crosses(A, B)", "Moments", "A comes to the other side of B", `crosses(price, 100)`},
		{"enters", "enters(A, LOW, HIGH)", "Moments", "A comes into the channel", `enters(price, 99, 101)`},
		{"leaves", "leaves(A, LOW, HIGH)", "Moments", "A goes out of the channel", `leaves(rsi("1m", 14), 30, 70)`},
		{"times_today", "times_today(), times_today(CONDITION)", "Moments", "the how many-th time today that the rest of the condition, or the one in brackets, became true", `times_today(crosses_above(price, 100)) >= 3`},
		{"above", "above(A, B)", "Logic", "A > B", `above(price, 100)`},
		{"below", "below(A, B)", "Logic", "A < B", `below(price, 100)`},
		{"abs", "abs(A)", "Logic", "A without its sign", `abs(change("5m")) > 3%`},
		{"min", "min(A, B)", "Logic", "the smaller", `price < min(sma("1m", 20), sma("1m", 50))`},
		{"max", "max(A, B)", "Logic", "the larger", `price > max(sma("1m", 20), sma("1m", 50))`},
		{"and", "A and B", "Logic", "both hold", `price > 100 and volume > 1000`},
		{"or", "A or B", "Logic", "one of them holds", `price > 100 or volume > 1000`},
		{"not", "not A", "Logic", "A does not hold; what is unknown stays unknown", `not (price > 100)`},
		{"in", "A in [B, …]", "Logic", "A is one of a list", `symbol in ["AAPL", "MSFT"] and price > 100`},

		{"age", "age()", "Health", "seconds since the newest tick; unknown while the market is closed", `age() > 60`},
		{"prediction", `prediction("MODEL").FIELD`, "Health", "low, mean, high or age (in seconds) of the model's newest forecast", `prediction("lstm").low > price * 1.005`},
		{"endpoint_down", "endpoint_down()", "Health", "the prediction endpoint does not answer; a rule of this alone fires once, not per symbol", `endpoint_down()`},
		{"symbol", "symbol", "Names", "the symbol", `symbol == "AAPL" and price > 100`},
		{"sector", "sector", "Names", "the symbol's sector, in small letters", `sector != "energy" and change("5m") < -3%`},
	}
}

// WriteReference writes the language as Markdown, a table for each section.
func WriteReference(w io.Writer) error {
	var b strings.Builder
	section := ""
	for _, e := range Reference() {
		if e.Section != section {
			section = e.Section
			fmt.Fprintf(&b, "\n### %s\n\n| Write | Means | Example |\n|---|---|---|\n", section)
		}
		signature := "`" + strings.ReplaceAll(e.Signature, ", "+e.Name, "`, `"+e.Name) + "`"
		fmt.Fprintf(&b, "| %s | %s | `%s` |\n", signature, e.Help, e.Example)
	}
	if _, err := io.WriteString(w, strings.TrimPrefix(b.String(), "\n")); err != nil {
		return fmt.Errorf("write the reference: %w", err)
	}
	return nil
}

// signature is how a word is written; empty where it is not known.
func signature(name string) string {
	for _, e := range Reference() {
		if e.Name == name {
			return e.Signature
		}
	}
	return ""
}

// Suggestion is a way to go on at the cursor.
type Suggestion struct {
	Entry
	Insert string // what takes the place of the letters before the cursor
	From   int    // where they begin, in characters
}

// Complete says how an expression can go on at the cursor (in characters):
// words that begin with the letters before it; inside quotes intervals; after
// a point the fields.
func Complete(expr string, cursor int) []Suggestion {
	runes := []rune(expr)
	cursor = max(0, min(cursor, len(runes)))
	from := cursor
	quoted := strings.Count(string(runes[:cursor]), `"`)%2 == 1
	for from > 0 && (letter(runes[from-1]) || digit(runes[from-1])) {
		from--
	}
	typed := strings.ToLower(string(runes[from:cursor]))
	before := strings.TrimRight(string(runes[:from]), " ")
	var out []Suggestion
	add := func(e Entry, insert string) {
		if strings.HasPrefix(insert, typed) {
			out = append(out, Suggestion{e, insert, from})
		}
	}
	choices := func(help string, words ...string) {
		for _, w := range words {
			add(Entry{Name: w, Signature: w, Help: help}, w)
		}
	}
	switch {
	case quoted:
		switch callee(before) {
		case "change", "move", "rises_by", "falls_by":
			choices("a time", "30s", "1m", "5m", "15m", "1h")
		case "prediction":
		case "session":
			choices("a session", "closed", "pre", "regular", "post")
		default:
			choices("an interval", "1s", "1m", "5m", "15m", "1h", "1d")
		}
		return out
	case strings.HasSuffix(before, ")."):
		if i := strings.LastIndex(before, "prediction("); i > strings.LastIndex(before, "bar(") {
			choices("of the prediction", "low", "mean", "high", "age")
		} else {
			choices("of the bar", "open", "high", "low", "close", "volume", "vwap", "trades")
		}
		return out
	}
	if typed != "" && digit(rune(typed[0])) {
		return nil
	}
	for _, e := range Reference() {
		insert := e.Name
		if i := strings.Index(e.Signature, e.Name+"("); i == 0 {
			insert += "("
			if strings.HasPrefix(e.Signature, e.Name+"()") {
				insert += ")"
			}
		}
		add(e, insert)
	}
	return out
}

// callee is the function whose bracket, or whose comparison, the text stands in.
func callee(before string) string {
	before = strings.TrimRight(strings.TrimSuffix(before, `"`), " ")
	if strings.HasSuffix(before, "==") || strings.HasSuffix(before, "!=") {
		if strings.Contains(before, "session()") {
			return "session"
		}
		return ""
	}
	depth := 0
	for i := len(before) - 1; i >= 0; i-- {
		switch before[i] {
		case ')':
			depth++
		case '(':
			if depth--; depth < 0 {
				end := i
				for i > 0 && letter(rune(before[i-1])) {
					i--
				}
				return before[i:end]
			}
		}
	}
	return ""
}
