package alert

import (
	"fmt"
	"time"

	"github.com/expr-lang/expr/ast"

	"tapedeck/pipeline/market"
)

// numbers compiles arguments that measure the same.
func (c *condition) numbers(n *ast.CallNode, name string, want int) ([]value, error) {
	if len(n.Arguments) != want {
		return nil, c.fail(n, fmt.Sprintf("%s takes %d numbers", name, want), signature(name))
	}
	out := make([]value, want)
	for i, a := range n.Arguments {
		v, err := c.compile(a)
		if err != nil {
			return nil, err
		}
		if v.number == nil {
			return nil, c.fail(a, fmt.Sprintf("%s takes numbers; this is %s", name, v.what()), "")
		}
		if err := c.units(a, out[0], v, "compared with"); i > 0 && err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (c *condition) intervalArgument(n *ast.CallNode, i, arguments int) (market.Interval, error) {
	name := n.Callee.(*ast.IdentifierNode).Value
	if len(n.Arguments) != arguments {
		return 0, c.fail(n, fmt.Sprintf("%s takes %d argument%s", name, arguments, plural(arguments)), signature(name))
	}
	text, ok := n.Arguments[i].(*ast.StringNode)
	if !ok {
		return 0, c.fail(n.Arguments[i], fmt.Sprintf("%s takes an interval in quotes, e.g. \"1m\"", name), signature(name))
	}
	interval, err := market.ParseInterval(text.Value)
	if err != nil {
		return 0, c.fail(n.Arguments[i], err.Error(), "")
	}
	return interval, nil
}

func (c *condition) spanArgument(n *ast.CallNode, i, arguments int) (time.Duration, error) {
	name := n.Callee.(*ast.IdentifierNode).Value
	if len(n.Arguments) != arguments {
		return 0, c.fail(n, fmt.Sprintf("%s takes %d argument%s", name, arguments, plural(arguments)), signature(name))
	}
	text, ok := n.Arguments[i].(*ast.StringNode)
	if !ok {
		return 0, c.fail(n.Arguments[i], fmt.Sprintf("%s takes a time in quotes, e.g. \"5m\"", name), signature(name))
	}
	span, err := parseSpan(text.Value)
	if err == nil && (span < time.Second || span > maxSpan) {
		err = fmt.Errorf("%q is not between 1s and 24h", clip(text.Value, 40))
	}
	if err != nil {
		return 0, c.fail(n.Arguments[i], err.Error(), "")
	}
	return span, nil
}

func (c *condition) period(n *ast.CallNode, i int) (int, error) {
	if i >= len(n.Arguments) {
		return 0, c.fail(n, "the period is missing", signature(n.Callee.(*ast.IdentifierNode).Value))
	}
	p, ok := n.Arguments[i].(*ast.IntegerNode)
	if !ok || p.Value < 1 || p.Value > maxPeriod || c.percents[p.Location().From] {
		return 0, c.fail(n.Arguments[i], fmt.Sprintf("a period is a whole number from 1 to %d, in bars", maxPeriod), "")
	}
	return p.Value, nil
}
