package alert

import (
	"fmt"
	"math"

	"github.com/expr-lang/expr/ast"
)

// remember gives the rule places of its own in each symbol's memory.
func (c *condition) remember(floats int) int {
	at := c.memory
	c.memory += floats
	return at
}

// crossing is true in the moment in which a comes to the other side of b.
// Touching is not crossing; the first look only remembers the side.
func (c *condition) crossing(n *ast.CallNode, name string) (value, error) {
	v, err := c.numbers(n, name, 2)
	if err != nil {
		return value{}, err
	}
	if c.shows == nil && !c.counted {
		operator := map[string]string{"crosses_above": "↗", "crosses_below": "↘", "crosses": "×"}[name]
		c.shows = describe(n.Arguments[0], n.Arguments[1], operator, v[0], v[1])
	}
	c.moment = c.moment || !c.counted
	a, b, at := v[0].number, v[1].number, c.remember(1)
	up, down := name != "crosses_below", name != "crosses_above"
	return value{remembers: true, truth: func(f *frame) fact {
		d := a(f) - b(f)
		if d != d {
			return unknown
		}
		before := f.m[at]
		if d == 0 {
			return no
		}
		if !f.peek {
			f.m[at] = math.Copysign(1, d)
		}
		return factOf(up && before < 0 && d > 0 || down && before > 0 && d < 0)
	}}, nil
}

// channel is true in the moment in which a comes into or out of [low, high].
func (c *condition) channel(n *ast.CallNode, name string) (value, error) {
	v, err := c.numbers(n, name, 3)
	if err != nil {
		return value{}, err
	}
	if c.shows == nil && !c.counted {
		c.shows = describe(n.Arguments[0], n.Arguments[1], name, v[0], v[1])
	}
	c.moment = c.moment || !c.counted
	a, low, high, at := v[0].number, v[1].number, v[2].number, c.remember(1)
	want := -1.0 // outside before
	if name == "leaves" {
		want = 1
	}
	return value{remembers: true, truth: func(f *frame) fact {
		x, l, h := a(f), low(f), high(f)
		if s := x + l + h; s != s {
			return unknown
		}
		side := -1.0
		if x >= l && x <= h {
			side = 1
		}
		before := f.m[at]
		if !f.peek {
			f.m[at] = side
		}
		return factOf(before == want && side == -want)
	}}, nil
}

// moved is true while the price has risen from the lowest (or fallen from the
// highest) within a time by at least an amount or a percentage.
func (c *condition) moved(n *ast.CallNode, name string) (value, error) {
	if len(n.Arguments) != 2 {
		return value{}, c.fail(n, name+" takes an amount or percentage, and a time", signature(name))
	}
	by, err := c.compile(n.Arguments[0])
	if err != nil {
		return value{}, err
	}
	if by.number == nil || by.unit != money && by.unit != plain && by.unit != fraction {
		return value{}, c.fail(n.Arguments[0], fmt.Sprintf("%s takes an amount or a percentage, not %s", name, by.what()), signature(name))
	}
	if by.constant && by.literal <= 0 {
		return value{}, c.fail(n.Arguments[0], name+" takes an amount above zero", "")
	}
	span, err := c.spanArgument(n, 1, 2)
	if err != nil {
		return value{}, err
	}
	result, sign := extentLow, 1.0
	if name == "falls_by" {
		result, sign = extentHigh, -1
	}
	v, err := c.study(n, question{kind: studyExtent, span: span}, result, money)
	if err != nil {
		return v, err
	}
	from, amount, relative := v.number, by.number, by.unit == fraction
	left := func(f *frame) float64 {
		d := f.v[placePrice] - from(f)
		if relative {
			d /= from(f)
		}
		return d
	}
	if c.shows == nil && !c.counted {
		shown := value{number: left, unit: money}
		if relative {
			shown.unit = fraction
		}
		c.shows = describe(n, n.Arguments[0], ">=", shown, by)
	}
	return value{truth: func(f *frame) fact {
		d, a := left(f)*sign, amount(f)
		if d >= a {
			return yes
		}
		return known(d + a)
	}}, nil
}

// times counts how often a condition has become true today, this time included.
func (c *condition) times(n *ast.CallNode) (value, error) {
	if c.counted {
		return value{}, c.fail(n, "times_today cannot count itself", "")
	}
	var what ast.Node
	switch len(n.Arguments) {
	case 0: // the rest of the condition
		if what = without(c.root, n); what == nil {
			return value{}, c.fail(n, "times_today counts a condition: join it by and, or name it between the brackets", signature("times_today"))
		}
	case 1:
		what = n.Arguments[0]
	default:
		return value{}, c.fail(n, "times_today takes a condition", signature("times_today"))
	}
	c.counted = true
	v, err := c.compile(what)
	c.counted = false
	if err != nil {
		return v, err
	}
	if v.truth == nil {
		return v, c.fail(n, fmt.Sprintf("times_today counts a condition, not %s", v.what()), signature("times_today"))
	}
	c.ticks, c.symbol = true, true
	counted, at := v.truth, c.remember(3) // day, count, held
	return value{unit: count, remembers: true, number: func(f *frame) float64 {
		m := f.m[at : at+3]
		if f.peek {
			return m[1]
		}
		if day := float64(f.calendar.Day(f.now)); m[0] != day {
			m[0], m[1] = day, 0
		}
		held := counted(f) == yes
		if held && m[2] == 0 {
			m[1]++
		}
		m[2] = 0
		if held {
			m[2] = 1
		}
		return m[1]
	}}, nil
}

// without is the condition's parts, joined by and, that do not hold n; nil where there are none.
func without(root, n ast.Node) ast.Node {
	b, ok := root.(*ast.BinaryNode)
	if !ok || b.Operator != "and" && b.Operator != "&&" {
		if holds(root, "times_today") {
			return nil
		}
		return root
	}
	left, right := without(b.Left, n), without(b.Right, n)
	if left == nil {
		return right
	}
	if right == nil {
		return left
	}
	both := &ast.BinaryNode{Operator: "and", Left: left, Right: right}
	both.SetLocation(b.Location())
	return both
}

type search struct {
	name  string
	found bool
}

func (s *search) Visit(n *ast.Node) {
	if id, ok := (*n).(*ast.IdentifierNode); ok && id.Value == s.name {
		s.found = true
	}
}

func holds(n ast.Node, name string) bool {
	s := search{name: name}
	ast.Walk(&n, &s)
	return s.found
}
