package alert

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"

	"tapedeck/pipeline/market"
)

// Bounds of a condition: what it may cost is known before it runs.
const (
	maxSource = 4096 // characters
	maxNodes  = 200
	maxPeriod = 1000 // bars
)

// unit is what a number measures. Numbers of different units cannot be
// compared or added; a plain number goes with all of them, but for a literal
// of 1 or more beside a fraction, which was hardly meant.
type unit uint8

const (
	plain unit = iota
	money
	shares
	fraction
	seconds
	count
)

var unitNames = [...]string{"a number", "a price", "a volume", "a fraction or percentage", "seconds", "a count"}

// value is a compiled piece of a condition: one of number, truth and text.
type value struct {
	number    number
	truth     truth
	text      text
	unit      unit
	constant  bool // number is literal
	literal   float64
	quoted    string // of a text literal
	isQuoted  bool
	remembers bool // must be evaluated each time, since it looks at changes
}

func (v value) what() string {
	switch {
	case v.truth != nil:
		return "true or false"
	case v.text != nil:
		return "a text"
	}
	return unitNames[v.unit]
}

// comparison is what an alert shows as value and threshold.
type comparison struct {
	left, right number
	operator    string
	unit        unit
	word        string   // the function or word on the left; empty where it is a sum
	arguments   []string // its literal arguments, as written
	leftText    string
	rightText   string
	rightFixed  bool // a literal
}

// condition compiles one rule's expression.
type condition struct {
	source   string
	percents map[int]bool
	world    World
	place    func(question) int // where a study's results lie
	memory   int                // floats remembered for each symbol
	nodes    int
	root     ast.Node

	ticks   bool // looks at what ticks move
	bars    [len(market.Intervals)]bool
	clock   bool // looks at the time
	symbol  bool // looks at anything of a symbol
	global  bool // looks at something of no symbol
	moment  bool // looks at moments, such as crossings
	session bool // looks at values of the session
	counted bool // inside times_today
	shows   *comparison
	asked   map[question]bool
}

// parse reads the expression and compiles it to a truth.
func (c *condition) parse(source string) (truth, error) {
	c.source = source
	if strings.TrimSpace(source) == "" {
		return nil, &Problem{Field: "when", Reason: "the condition is missing"}
	}
	if len(source) > maxSource {
		return nil, &Problem{Field: "when", Reason: fmt.Sprintf("the condition is longer than %d characters", maxSource)}
	}
	if strings.Count(source, "(")+strings.Count(source, "[")+strings.Count(source, "{") > maxNodes {
		return nil, &Problem{Field: "when", Reason: "the condition is nested too deeply"}
	}
	var clean string
	clean, c.percents = percents(source)
	config := conf.CreateNew()
	config.MaxNodes = maxNodes
	for name := range config.Builtins {
		config.Disabled[name] = true
	}
	tree, err := parser.ParseWithConfig(clean, config)
	if err != nil {
		return nil, c.syntax(err)
	}
	c.root = tree.Node
	v, err := c.compile(tree.Node)
	if err != nil {
		return nil, err
	}
	if v.truth == nil {
		return nil, c.fail(tree.Node, fmt.Sprintf("the condition is %s; it must be true or false, e.g. %s > 100", v.what(), strings.TrimSpace(clip(source, 40))), "")
	}
	return v.truth, nil
}

// syntax says what the parser did not understand, in a line.
func (c *condition) syntax(err error) error {
	var e *file.Error
	if !errors.As(err, &e) {
		return &Problem{Field: "when", Reason: err.Error()}
	}
	if word := loopWord(c.source); word != "" {
		return problemAt(c.source, e.From, word+" is a loop, and a condition cannot loop", "")
	}
	reason := e.Message
	if strings.Contains(reason, "exceeds maximum allowed nodes") {
		reason = fmt.Sprintf("the condition has more than %d parts", maxNodes)
	}
	reason = strings.NewReplacer("unexpected token EOF", "the condition ends too early",
		"unexpected token Operator(\"=\")", "= is no comparison; write ==").Replace(reason)
	return problemAt(c.source, e.From, reason, "")
}

var loops = [...]string{"map", "filter", "all", "any", "one", "none", "count", "sum", "reduce", "find", "findIndex", "findLast", "groupBy", "sortBy"}

func loopWord(source string) string {
	for _, w := range loops {
		if i := strings.Index(source, w+"("); i >= 0 && (i == 0 || !letter(rune(source[i-1]))) {
			return w
		}
	}
	return ""
}

func (c *condition) fail(n ast.Node, reason, nearest string) error {
	return problemAt(c.source, n.Location().From, reason, nearest)
}

func (c *condition) compile(n ast.Node) (value, error) {
	if c.nodes++; c.nodes > 4*maxNodes { // times_today compiles the rest again
		return value{}, c.fail(n, fmt.Sprintf("the condition has more than %d parts", maxNodes), "")
	}
	switch n := n.(type) {
	case *ast.IntegerNode:
		return c.literal(n, float64(n.Value)), nil
	case *ast.FloatNode:
		return c.literal(n, n.Value), nil
	case *ast.BoolNode:
		b := factOf(n.Value)
		return value{truth: func(*frame) fact { return b }}, nil
	case *ast.StringNode:
		s := n.Value
		return value{text: func(*frame) string { return s }, quoted: s, isQuoted: true}, nil
	case *ast.IdentifierNode:
		return c.word(n)
	case *ast.UnaryNode:
		return c.unary(n)
	case *ast.BinaryNode:
		return c.binary(n)
	case *ast.ConditionalNode:
		return c.choice(n)
	case *ast.CallNode:
		if name, ok := n.Callee.(*ast.IdentifierNode); ok {
			return c.call(n, name.Value)
		}
		return value{}, c.fail(n, "only the functions of the reference can be called", "")
	case *ast.BuiltinNode:
		return c.call(&ast.CallNode{Callee: n, Arguments: n.Arguments}, n.Name)
	case *ast.ChainNode:
		return c.compile(n.Node)
	case *ast.MemberNode:
		return c.member(n)
	case *ast.PredicateNode, *ast.PointerNode:
		return value{}, c.fail(n, "a condition cannot loop", "")
	case *ast.ArrayNode:
		return value{}, c.fail(n, "a list stands only to the right of in", "")
	}
	return value{}, c.fail(n, "this has no place in a condition", "")
}

func (c *condition) literal(n ast.Node, v float64) value {
	out := value{constant: true, literal: v}
	if c.percents[n.Location().From] {
		out.literal, out.unit = v/100, fraction
	}
	v = out.literal
	out.number = func(*frame) float64 { return v }
	return out
}

func (c *condition) unary(n *ast.UnaryNode) (value, error) {
	v, err := c.compile(n.Node)
	if err != nil {
		return v, err
	}
	switch n.Operator {
	case "-", "+":
		if v.number == nil {
			return v, c.fail(n, fmt.Sprintf("%s stands before a number, not before %s", n.Operator, v.what()), "")
		}
		if n.Operator == "-" {
			a := v.number
			v.literal = -v.literal
			v.number = func(f *frame) float64 { return -a(f) }
			if v.constant {
				x := v.literal
				v.number = func(*frame) float64 { return x }
			}
		}
		return v, nil
	case "not", "!":
		if v.truth == nil {
			return v, c.fail(n, fmt.Sprintf("not stands before true or false, not before %s", v.what()), "")
		}
		a := v.truth
		v.truth = func(f *frame) fact {
			if x := a(f); x != unknown {
				return 1 - x
			}
			return unknown
		}
		return v, nil
	}
	return v, c.fail(n, fmt.Sprintf("%q is no operator of a condition", n.Operator), "")
}

func (c *condition) binary(n *ast.BinaryNode) (value, error) {
	if n.Operator == "in" {
		return c.in(n)
	}
	a, err := c.compile(n.Left)
	if err != nil {
		return a, err
	}
	b, err := c.compile(n.Right)
	if err != nil {
		return b, err
	}
	switch n.Operator {
	case "and", "&&", "or", "||":
		for _, side := range []struct {
			v value
			n ast.Node
		}{{a, n.Left}, {b, n.Right}} {
			if side.v.truth == nil {
				return a, c.fail(side.n, fmt.Sprintf("%s joins conditions; this is %s", n.Operator, side.v.what()), "")
			}
		}
		return join(a, b, n.Operator[0] == 'a' || n.Operator == "&&"), nil
	case "<", ">", "<=", ">=", "==", "!=":
		return c.compare(n, a, b)
	case "+", "-", "*", "/", "%", "**", "^":
		return c.arithmetic(n, a, b)
	}
	return a, c.fail(n, fmt.Sprintf("%q is no operator of a condition", n.Operator), "")
}

// join is and, or over facts. A side that remembers is evaluated each time.
func join(a, b value, and bool) value {
	x, y := a.truth, b.truth
	out := value{remembers: a.remembers || b.remembers}
	whole := b.remembers
	if and {
		out.truth = func(f *frame) fact {
			l := x(f)
			if l == no && !whole {
				return no
			}
			r := y(f)
			if l == no || r == no {
				return no
			}
			return min(l, r)
		}
	} else {
		out.truth = func(f *frame) fact {
			l := x(f)
			if l == yes && !whole {
				return yes
			}
			r := y(f)
			if l == yes || r == yes {
				return yes
			}
			return min(l, r)
		}
	}
	return out
}

func (c *condition) compare(n *ast.BinaryNode, a, b value) (value, error) {
	out := value{remembers: a.remembers || b.remembers}
	if a.text != nil && b.text != nil {
		if n.Operator != "==" && n.Operator != "!=" {
			return out, c.fail(n, "texts are compared with == and !=", "")
		}
		if err := c.knownText(n, a, b); err != nil {
			return out, err
		}
		x, y, same := a.text, b.text, n.Operator == "=="
		out.truth = func(f *frame) fact { return factOf((x(f) == y(f)) == same) }
		return out, nil
	}
	if a.number == nil || b.number == nil {
		reason := fmt.Sprintf("%s cannot be compared with %s", a.what(), b.what())
		if b.isQuoted || a.isQuoted {
			reason += "; numbers stand without quotes"
		}
		return out, c.fail(n, reason, "")
	}
	if err := c.units(n, a, b, "compared with"); err != nil {
		return out, err
	}
	x, y := a.number, b.number
	out.truth = comparer(n.Operator, x, y, b)
	c.show(n, a, b)
	return out, nil
}

func comparer(operator string, x, y number, b value) truth {
	k := b.literal
	switch {
	case operator == ">" && b.constant:
		return func(f *frame) fact {
			l := x(f)
			if l > k {
				return yes
			}
			return known(l)
		}
	case operator == "<" && b.constant:
		return func(f *frame) fact {
			l := x(f)
			if l < k {
				return yes
			}
			return known(l)
		}
	}
	var is func(l, r float64) bool
	switch operator {
	case ">":
		is = func(l, r float64) bool { return l > r }
	case "<":
		is = func(l, r float64) bool { return l < r }
	case ">=":
		is = func(l, r float64) bool { return l >= r }
	case "<=":
		is = func(l, r float64) bool { return l <= r }
	case "==":
		is = func(l, r float64) bool { return l == r }
	default:
		is = func(l, r float64) bool { return l < r || l > r }
	}
	return func(f *frame) fact {
		l, r := x(f), y(f)
		if is(l, r) {
			return yes
		}
		return known(l + r)
	}
}

// known is no, or unknown where v is.
func known(v float64) fact {
	if v != v {
		return unknown
	}
	return no
}

// units refuses what does not measure the same.
func (c *condition) units(n ast.Node, a, b value, verb string) error {
	if a.unit == b.unit {
		return nil
	}
	for _, v := range []value{a, b} {
		other := a
		if v.unit == a.unit {
			other = b
		}
		if v.unit != fraction || v.constant {
			continue
		}
		// a fraction against a plain literal: -3 is hardly minus three hundred per cent
		if other.constant && other.unit == plain && math.Abs(other.literal) >= 1 {
			return c.fail(n, fmt.Sprintf("a fraction is %s %s, that is %s %%; for %s per cent write %s%%", verb,
				decimal(other.literal), decimal(other.literal*100), decimal(other.literal), decimal(other.literal)), "")
		}
	}
	if a.unit == plain || b.unit == plain || a.unit == count || b.unit == count {
		return nil
	}
	return c.fail(n, fmt.Sprintf("%s cannot be %s %s", a.what(), verb, b.what()), "")
}

func (c *condition) arithmetic(n *ast.BinaryNode, a, b value) (value, error) {
	if a.number == nil || b.number == nil {
		return a, c.fail(n, fmt.Sprintf("%s takes numbers, not %s and %s", n.Operator, a.what(), b.what()), "")
	}
	x, y := a.number, b.number
	out := value{constant: a.constant && b.constant, remembers: a.remembers || b.remembers}
	switch n.Operator {
	case "+", "-":
		if err := c.units(n, a, b, "added to"); err != nil {
			return out, err
		}
		out.unit = max(a.unit, b.unit)
		if n.Operator == "+" {
			out.number = func(f *frame) float64 { return x(f) + y(f) }
		} else {
			out.number = func(f *frame) float64 { return x(f) - y(f) }
		}
	case "*":
		switch { // a price times a plain number or a percentage is a price
		case a.unit == plain || a.unit == fraction || a.unit == count:
			out.unit = b.unit
		case b.unit == plain || b.unit == fraction || b.unit == count:
			out.unit = a.unit
		}
		out.number = func(f *frame) float64 { return x(f) * y(f) }
	case "/":
		if b.constant && b.literal == 0 {
			return out, c.fail(n, "a division by zero", "")
		}
		if b.unit == plain || b.unit == fraction || b.unit == count {
			out.unit = a.unit
		}
		out.number = func(f *frame) float64 { return finite(x(f) / y(f)) }
	case "%":
		out.unit = a.unit
		out.number = func(f *frame) float64 { return math.Mod(x(f), y(f)) }
	default:
		out.number = func(f *frame) float64 { return finite(math.Pow(x(f), y(f))) }
	}
	if out.constant {
		out.literal = out.number(nil)
		k := out.literal
		out.number = func(*frame) float64 { return k }
	}
	return out, nil
}

// finite makes what is not finite unknown.
func finite(v float64) float64 {
	if v-v != 0 {
		return math.NaN()
	}
	return v
}

func (c *condition) choice(n *ast.ConditionalNode) (value, error) {
	when, err := c.compile(n.Cond)
	if err != nil {
		return when, err
	}
	a, err := c.compile(n.Exp1)
	if err != nil {
		return a, err
	}
	b, err := c.compile(n.Exp2)
	if err != nil {
		return b, err
	}
	if when.truth == nil || a.number == nil || b.number == nil {
		return a, c.fail(n, "a choice is written condition ? number : number", "")
	}
	if a.remembers || b.remembers {
		return a, c.fail(n, "what looks at changes cannot stand in a choice", "")
	}
	if err := c.units(n, a, b, "a choice with"); err != nil {
		return a, err
	}
	w, x, y := when.truth, a.number, b.number
	return value{unit: max(a.unit, b.unit), remembers: when.remembers, number: func(f *frame) float64 {
		switch w(f) {
		case yes:
			return x(f)
		case no:
			return y(f)
		}
		return math.NaN()
	}}, nil
}

// in is a text or number among literals.
func (c *condition) in(n *ast.BinaryNode) (value, error) {
	a, err := c.compile(n.Left)
	if err != nil {
		return a, err
	}
	var items []ast.Node
	switch list := n.Right.(type) {
	case *ast.ArrayNode:
		items = list.Nodes
	case *ast.ConstantNode:
		return a, c.fail(n.Right, "write the list out", "")
	default:
		return a, c.fail(n.Right, `to the right of in stands a list, e.g. symbol in ["AAPL", "MSFT"]`, "")
	}
	var texts []string
	var numbers []float64
	for _, item := range items {
		v, err := c.compile(item)
		if err != nil {
			return a, err
		}
		switch {
		case a.text != nil && v.isQuoted:
			if err := c.knownText(n, a, v); err != nil {
				return a, err
			}
			texts = append(texts, v.quoted)
		case a.number != nil && v.constant:
			numbers = append(numbers, v.literal)
		default:
			return a, c.fail(item, fmt.Sprintf("%s is looked for in a list of the same", a.what()), "")
		}
	}
	out := value{remembers: a.remembers}
	switch {
	case a.text != nil:
		x := a.text
		out.truth = func(f *frame) fact {
			s := x(f)
			for _, t := range texts {
				if s == t {
					return yes
				}
			}
			return no
		}
	case a.number != nil:
		x := a.number
		out.truth = func(f *frame) fact {
			v := x(f)
			for _, k := range numbers {
				if v == k {
					return yes
				}
			}
			return known(v)
		}
	default:
		return a, c.fail(n, "true or false is not looked for in a list", "")
	}
	return out, nil
}

// show remembers the first comparison, whose sides are an alert's value and threshold.
func (c *condition) show(n *ast.BinaryNode, a, b value) {
	if c.shows != nil || c.counted {
		return
	}
	c.shows = describe(n.Left, n.Right, n.Operator, a, b)
}

func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n]) + "…"
	}
	return s
}
