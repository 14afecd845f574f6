package alert

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"

	"tapedeck/pipeline/market"
)

// maxSpan bounds how far a condition looks back.
const maxSpan = 24 * time.Hour

// word compiles a name that stands alone.
func (c *condition) word(n *ast.IdentifierNode) (value, error) {
	tick := func(place int, u unit) (value, error) {
		c.ticks, c.symbol, c.session = true, true, c.session || place >= placeDay
		return value{unit: u, number: func(f *frame) float64 { return f.v[place] }}, nil
	}
	switch n.Value {
	case "price", "last":
		return tick(placePrice, money)
	case "bid":
		return tick(placeBid, money)
	case "ask":
		return tick(placeAsk, money)
	case "spread":
		c.ticks, c.symbol = true, true
		return value{unit: money, number: func(f *frame) float64 { return f.v[placeAsk] - f.v[placeBid] }}, nil
	case "size":
		return tick(placeSize, shares)
	case "day_open":
		return tick(placeDayOpen, money)
	case "day_high":
		return tick(placeDayHigh, money)
	case "day_low":
		return tick(placeDayLow, money)
	case "day_volume":
		return tick(placeDayVolume, shares)
	case "previous_close":
		return tick(placePreviousClose, money)
	case "change_today":
		c.ticks, c.symbol, c.session = true, true, true
		return value{unit: fraction, number: func(f *frame) float64 { return f.v[placePrice]/f.v[placePreviousClose] - 1 }}, nil
	case "open", "high", "low", "close", "volume", "trades":
		return c.barField(n, market.Second, n.Value)
	case "symbol":
		c.symbol = true
		return value{text: func(f *frame) string { return f.symbol }}, nil
	case "sector":
		c.symbol = true
		return value{text: func(f *frame) string { return f.sector }}, nil
	}
	for _, w := range functionNames {
		if w == n.Value {
			return value{}, c.fail(n, fmt.Sprintf("%s is a function", w), signature(w))
		}
	}
	for _, w := range loops {
		if w == n.Value {
			return value{}, c.fail(n, w+" is a loop, and a condition cannot loop", "")
		}
	}
	return value{}, c.fail(n, fmt.Sprintf("%q is not known", clip(n.Value, 40)), nearest(n.Value, c.names()))
}

var wordNames = []string{"price", "last", "bid", "ask", "spread", "size", "day_open", "day_high", "day_low", "day_volume",
	"previous_close", "change_today", "open", "high", "low", "close", "volume", "trades", "symbol", "sector"}

var functionNames = []string{"change", "move", "sma", "ema", "rsi", "macd", "macd_signal", "macd_hist", "atr", "vwap",
	"bollinger_upper", "bollinger_middle", "bollinger_lower", "volatility", "volume_ratio", "bar", "crosses_above", "crosses_below",
	"crosses", "enters", "leaves", "above", "below", "rises_by", "falls_by", "times_today", "session", "hour", "minute",
	"weekday", "since_open", "age", "prediction", "endpoint_down", "abs", "min", "max"}

func (c *condition) names() []string {
	return append(append([]string(nil), wordNames...), functionNames...)
}

// barField reads a field of the newest closed bar of an interval.
func (c *condition) barField(n ast.Node, interval market.Interval, field string) (value, error) {
	i, u := 0, money
	switch field {
	case "open":
		i = barOpen
	case "high":
		i = barHigh
	case "low":
		i = barLow
	case "close":
		i = barClose
	case "vwap":
		i = barVWAP
	case "volume":
		i, u = barVolume, shares
	case "trades":
		i, u = barTrades, count
	default:
		return value{}, c.fail(n, fmt.Sprintf("a bar has no %q", clip(field, 40)),
			nearest(field, []string{"open", "high", "low", "close", "volume", "vwap", "trades"}))
	}
	return c.study(n, question{kind: studyBar, interval: interval}, i, u)
}

// study reads a result of a study, which from now on is kept.
func (c *condition) study(n ast.Node, q question, result int, u unit) (value, error) {
	if !q.valid() {
		return value{}, c.fail(n, fmt.Sprintf("a period is a whole number from 1 (rsi, volatility: 2) to %d; macd's fast is below slow", maxPeriod), "")
	}
	if !c.asked[q] && len(c.asked) >= 24 {
		return value{}, c.fail(n, "the condition asks for more than 24 indicators", "")
	}
	c.symbol = true
	c.asked[q] = true
	switch {
	case q.ofBars():
		c.bars[q.interval] = true
	case q.kind == studyPrediction:
		c.clock = true
	default:
		c.ticks = true
	}
	at := c.place(q) + result
	return value{unit: u, number: func(f *frame) float64 { return f.v[at] }}, nil
}

// member is bar("1m").close or prediction("lstm").low.
func (c *condition) member(n *ast.MemberNode) (value, error) {
	field, isText := n.Property.(*ast.StringNode)
	call, isCall := n.Node.(*ast.CallNode)
	if isText && isCall && !n.Method {
		if callee, ok := call.Callee.(*ast.IdentifierNode); ok {
			switch callee.Value {
			case "bar":
				interval, err := c.intervalArgument(call, 0, 1)
				if err != nil {
					return value{}, err
				}
				return c.barField(n, interval, field.Value)
			case "prediction":
				return c.prediction(n, call, field.Value)
			}
		}
	}
	if loop, ok := n.Node.(*ast.BuiltinNode); ok {
		return c.compile(loop)
	}
	return value{}, c.fail(n, `only bar("1m") and prediction("model") have fields`, "")
}

func (c *condition) prediction(n ast.Node, call *ast.CallNode, field string) (value, error) {
	if len(call.Arguments) != 1 {
		return value{}, c.fail(call, "prediction takes the model's name", signature("prediction"))
	}
	name, ok := call.Arguments[0].(*ast.StringNode)
	if !ok || name.Value == "" || len(name.Value) > 64 {
		return value{}, c.fail(call, "prediction takes the model's name in quotes", signature("prediction"))
	}
	if len(c.world.Models) > 0 && !contains(c.world.Models, name.Value) {
		return value{}, c.fail(call.Arguments[0], fmt.Sprintf("there is no model %q", clip(name.Value, 40)), nearest(name.Value, c.world.Models))
	}
	q := question{kind: studyPrediction, model: name.Value}
	switch field {
	case "low":
		return c.study(n, q, predictionLow, money)
	case "mean":
		return c.study(n, q, predictionMean, money)
	case "high":
		return c.study(n, q, predictionHigh, money)
	case "age":
		v, err := c.study(n, q, predictionMade, seconds)
		if err != nil {
			return v, err
		}
		made := v.number
		v.number = func(f *frame) float64 { return max(0, (float64(f.now)-made(f))/1e6) }
		return v, nil
	}
	return value{}, c.fail(n, fmt.Sprintf("a prediction has no %q", clip(field, 40)), nearest(field, []string{"low", "mean", "high", "age"}))
}

// call compiles a function.
func (c *condition) call(n *ast.CallNode, name string) (value, error) {
	switch name {
	case "change", "move":
		span, err := c.spanArgument(n, 0, 1)
		if err != nil {
			return value{}, err
		}
		u := fraction
		if name == "move" {
			u = money
		}
		v, err := c.study(n, question{kind: studyPast, span: span}, 0, u)
		if err != nil {
			return v, err
		}
		past := v.number
		v.number = func(f *frame) float64 { return f.v[placePrice]/past(f) - 1 }
		if name == "move" {
			v.number = func(f *frame) float64 { return f.v[placePrice] - past(f) }
		}
		return v, nil
	case "open", "high", "low", "close", "volume", "trades":
		interval, err := c.intervalArgument(n, 0, 1)
		if err != nil {
			return value{}, err
		}
		return c.barField(n, interval, name)
	case "sma", "ema", "rsi", "atr", "volatility", "volume_ratio":
		return c.averaged(n, name)
	case "macd", "macd_signal", "macd_hist":
		return c.macd(n, name)
	case "bollinger_upper", "bollinger_middle", "bollinger_lower":
		return c.bollinger(n, name)
	case "vwap":
		interval := market.Second
		if len(n.Arguments) > 0 {
			var err error
			if interval, err = c.intervalArgument(n, 0, 1); err != nil {
				return value{}, err
			}
		}
		return c.study(n, question{kind: studyVWAP, interval: interval}, 0, money)
	case "crosses_above", "crosses_below", "crosses":
		return c.crossing(n, name)
	case "enters", "leaves":
		return c.channel(n, name)
	case "above", "below":
		if len(n.Arguments) != 2 {
			return value{}, c.fail(n, name+" takes two numbers", signature(name))
		}
		operator := ">"
		if name == "below" {
			operator = "<"
		}
		b := &ast.BinaryNode{Operator: operator, Left: n.Arguments[0], Right: n.Arguments[1]}
		b.SetLocation(n.Location())
		return c.compile(b)
	case "rises_by", "falls_by":
		return c.moved(n, name)
	case "times_today":
		return c.times(n)
	case "session", "hour", "minute", "weekday", "since_open", "age", "endpoint_down":
		if len(n.Arguments) > 0 {
			return value{}, c.fail(n, name+" takes nothing between its brackets", "")
		}
		return c.time(n, name)
	case "abs", "min", "max":
		return c.arithmeticCall(n, name)
	case "bar", "prediction":
		return value{}, c.fail(n, fmt.Sprintf("%s stands with a field", name), signature(name))
	}
	if contains(wordNames, name) {
		return value{}, c.fail(n, fmt.Sprintf("%s takes no brackets", name), name)
	}
	if contains(loops[:], name) {
		return value{}, c.fail(n, name+" is a loop, and a condition cannot loop", "")
	}
	return value{}, c.fail(n, fmt.Sprintf("there is no function %q", clip(name, 40)), nearest(name, functionNames))
}

func (c *condition) averaged(n *ast.CallNode, name string) (value, error) {
	interval, err := c.intervalArgument(n, 0, 2)
	if err != nil {
		return value{}, err
	}
	period, err := c.period(n, 1)
	if err != nil {
		return value{}, err
	}
	q := question{interval: interval, n: period}
	u := money
	switch name {
	case "sma":
		q.kind = studySMA
	case "ema":
		q.kind = studyEMA
	case "rsi":
		q.kind, u = studyRSI, plain
	case "atr":
		q.kind = studyATR
	case "volatility":
		q.kind, u = studyVolatility, fraction
	case "volume_ratio":
		q.kind, u = studyVolumeRatio, plain
	}
	return c.study(n, q, 0, u)
}

func (c *condition) macd(n *ast.CallNode, name string) (value, error) {
	if len(n.Arguments) != 1 && len(n.Arguments) != 4 {
		return value{}, c.fail(n, name+" takes an interval, and fast, slow and signal where they are not 12, 26 and 9", signature(name))
	}
	interval, err := c.intervalArgument(n, 0, len(n.Arguments))
	if err != nil {
		return value{}, err
	}
	q := question{kind: studyMACD, interval: interval, n: 12, slow: 26, signal: 9}
	if len(n.Arguments) == 4 {
		for i, p := range []*int{&q.n, &q.slow, &q.signal} {
			if *p, err = c.period(n, i+1); err != nil {
				return value{}, err
			}
		}
	}
	return c.study(n, q, map[string]int{"macd": macdLine, "macd_signal": macdSignal, "macd_hist": macdHistogram}[name], money)
}

func (c *condition) bollinger(n *ast.CallNode, name string) (value, error) {
	if len(n.Arguments) != 2 && len(n.Arguments) != 3 {
		return value{}, c.fail(n, name+" takes an interval, a period, and a width where it is not 2", signature(name))
	}
	interval, err := c.intervalArgument(n, 0, len(n.Arguments))
	if err != nil {
		return value{}, err
	}
	q := question{kind: studyBollinger, interval: interval, width: 2}
	if q.n, err = c.period(n, 1); err != nil {
		return value{}, err
	}
	if len(n.Arguments) == 3 {
		v, err := c.compile(n.Arguments[2])
		if err != nil {
			return v, err
		}
		if !v.constant || !(v.literal > 0 && v.literal <= 100) {
			return v, c.fail(n.Arguments[2], "the width is a number of standard deviations, e.g. 2", "")
		}
		q.width = v.literal
	}
	return c.study(n, q, map[string]int{"bollinger_upper": bandUpper, "bollinger_middle": bandMiddle, "bollinger_lower": bandLower}[name], money)
}

func (c *condition) time(n ast.Node, name string) (value, error) {
	c.clock = true
	if name != "endpoint_down" {
		c.symbol = true
	}
	switch name {
	case "session":
		return value{text: func(f *frame) string { return f.calendar.Session(f.now).String() }}, nil
	case "hour":
		return value{number: func(f *frame) float64 { return float64(f.local().Hour()) }}, nil
	case "minute":
		return value{number: func(f *frame) float64 { return float64(f.local().Minute()) }}, nil
	case "weekday":
		return value{number: func(f *frame) float64 { return float64((f.local().Weekday()+6)%7) + 1 }}, nil
	case "since_open":
		return value{unit: seconds, number: (*frame).sinceOpen}, nil
	case "age":
		return value{unit: seconds, number: (*frame).age}, nil
	}
	c.global = true
	return value{truth: func(f *frame) fact { return factOf(f.endpoint.down) }}, nil
}

func (c *condition) arithmeticCall(n *ast.CallNode, name string) (value, error) {
	want := 2
	if name == "abs" {
		want = 1
	}
	v, err := c.numbers(n, name, want)
	if err != nil {
		return value{}, err
	}
	a := v[0].number
	out := value{unit: v[0].unit, remembers: v[0].remembers}
	if want == 1 {
		out.number = func(f *frame) float64 { return math.Abs(a(f)) }
		return out, nil
	}
	b := v[1].number
	out.unit, out.remembers = max(v[0].unit, v[1].unit), out.remembers || v[1].remembers
	if name == "min" {
		out.number = func(f *frame) float64 { return min(a(f), b(f)) }
	} else {
		out.number = func(f *frame) float64 { return max(a(f), b(f)) }
	}
	return out, nil
}

// knownText refuses names that nothing can equal.
func (c *condition) knownText(n *ast.BinaryNode, a, b value) error {
	name, call := "", ""
	switch left := n.Left.(type) {
	case *ast.IdentifierNode:
		name = left.Value
	case *ast.CallNode:
		if id, ok := left.Callee.(*ast.IdentifierNode); ok {
			call = id.Value
		}
	}
	if !b.isQuoted {
		return nil
	}
	switch {
	case call == "session":
		names := []string{market.Closed.String(), market.Pre.String(), market.Regular.String(), market.Post.String()}
		if !contains(names, b.quoted) {
			return c.fail(n.Right, fmt.Sprintf("there is no session %q; one of %s", clip(b.quoted, 40), strings.Join(names, ", ")), nearest(b.quoted, names))
		}
	case name == "sector" && len(c.world.Sectors) > 0 && !contains(c.world.Sectors, b.quoted):
		return c.fail(n.Right, fmt.Sprintf("there is no sector %q", clip(b.quoted, 40)), nearest(b.quoted, c.world.Sectors))
	}
	return nil
}

// describe prepares a comparison to be shown.
func describe(left, right ast.Node, operator string, a, b value) *comparison {
	s := &comparison{left: a.number, right: b.number, operator: operator, unit: max(a.unit, b.unit), rightFixed: b.constant,
		leftText: written(left), rightText: written(right)}
	switch n := left.(type) {
	case *ast.IdentifierNode:
		s.word = n.Value
	case *ast.CallNode:
		s.word = n.Callee.(*ast.IdentifierNode).Value
		for _, a := range n.Arguments {
			switch a := a.(type) {
			case *ast.StringNode:
				s.arguments = append(s.arguments, a.Value)
			case *ast.IntegerNode:
				s.arguments = append(s.arguments, fmt.Sprint(a.Value))
			default:
				s.arguments = append(s.arguments, "")
			}
		}
	}
	return s
}

// written is a piece of a condition as text, cut where it is long.
func written(n ast.Node) string { return clip(n.String(), 60) }

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

func sorted(m map[question]bool) []question {
	out := make([]question, 0, len(m))
	for q := range m {
		out = append(out, q)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].less(out[j]) })
	return out
}
