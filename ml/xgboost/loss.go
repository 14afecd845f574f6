package xgboost

import (
	"fmt"
	"math"
	"slices"
)

// loss is an objective that Train can minimise.
type loss interface {
	groups() int // margins a row
	// checkLabel says what is wrong with a label.
	checkLabel(y float32) error
	// base estimates base_score, as stored: one value, or one a group.
	base(labels, weights []float32) []float32
	// gradient is the loss's first and second derivative by the margin.
	gradient(group int, margin, label float32) (g, h float32)
	// refit, if it gives true, is what a leaf's value is, before shrinkage, in
	// place of −G/(H+λ): from the labels less the margins of its rows.
	refit(group int, residuals, weights []float32) (float32, bool)
	// metric is what a row adds to the evaluation metric.
	metric(margins []float32, label float32) float64
	// finish turns the rows' weighted mean into the metric.
	finish(mean float64) float64
	// metricName is the library's name of the metric.
	metricName() string
	// parameters is the objective as stored.
	parameters() object
}

func newLoss(c *Config) (loss, error) {
	if c.Objective != "reg:quantileerror" && len(c.Quantiles) > 0 {
		return nil, fmt.Errorf("Quantiles are for reg:quantileerror, not %s", c.Objective)
	}
	switch c.Objective {
	case "reg:squarederror":
		return squared{}, nil
	case "binary:logistic":
		return logLoss{}, nil
	case "reg:quantileerror":
		if len(c.Quantiles) == 0 || len(c.Quantiles) > 1000 {
			return nil, fmt.Errorf("reg:quantileerror needs 1 to 1,000 Quantiles, not %d", len(c.Quantiles))
		}
		var p pinball
		for _, q := range c.Quantiles {
			if !(q > 0 && q < 1) {
				return nil, fmt.Errorf("the quantile %v is not between 0 and 1", q)
			}
			p = append(p, float32(q))
		}
		return p, nil
	}
	return nil, fmt.Errorf("cannot train the objective %q; reg:squarederror, binary:logistic and reg:quantileerror can be", clip(c.Objective))
}

// storedObjective is an objective of the library's regression family.
func storedObjective(name string) object {
	return object{{"name", name}, {"reg_loss_param", object{{"scale_pos_weight", "1"}}}}
}

// weightedMean is the mean of the labels; weights may be nil.
func weightedMean(labels, weights []float32) float64 {
	var sum, total float64
	for i, y := range labels {
		w := 1.0
		if weights != nil {
			w = float64(weights[i])
		}
		sum += w * float64(y)
		total += w
	}
	return sum / total
}

// squared is ½(margin − label)².
type squared struct{}

func (squared) groups() int              { return 1 }
func (squared) checkLabel(float32) error { return nil }
func (squared) base(labels, weights []float32) []float32 {
	return []float32{float32(weightedMean(labels, weights))}
}
func (squared) gradient(_ int, margin, label float32) (g, h float32)     { return margin - label, 1 }
func (squared) refit(int, []float32, []float32) (value float32, ok bool) { return 0, false }
func (squared) metric(margins []float32, label float32) float64 {
	d := float64(margins[0] - label)
	return d * d
}
func (squared) finish(mean float64) float64 { return math.Sqrt(mean) }
func (squared) metricName() string          { return "rmse" }
func (squared) parameters() object          { return storedObjective("reg:squarederror") }

// logLoss is the log loss of a label, or share, from 0 to 1.
type logLoss struct{}

func (logLoss) groups() int { return 1 }
func (logLoss) checkLabel(y float32) error {
	if !(y >= 0 && y <= 1) {
		return fmt.Errorf("it is %v; binary:logistic takes 0 to 1", y)
	}
	return nil
}

func (logLoss) base(labels, weights []float32) []float32 {
	const tiny = 1e-6 // labels all alike would start at ±Inf
	return []float32{float32(min(max(weightedMean(labels, weights), tiny), 1-tiny))}
}

func (logLoss) gradient(_ int, margin, label float32) (g, h float32) {
	p := sigmoid(margin)
	return p - label, max(p*(1-p), 1e-16)
}
func (logLoss) refit(int, []float32, []float32) (value float32, ok bool) { return 0, false }
func (logLoss) metric(margins []float32, label float32) float64 {
	const tiny = 1e-16
	p := float64(sigmoid(margins[0]))
	y := float64(label)
	return -y*math.Log(max(p, tiny)) - (1-y)*math.Log(max(1-p, tiny))
}
func (logLoss) finish(mean float64) float64 { return mean }
func (logLoss) metricName() string          { return "logloss" }
func (logLoss) parameters() object          { return storedObjective("binary:logistic") }

// pinball is the quantile loss, one margin for each quantile. Its second
// derivative is 0, so trees grow with 1 and leaves are then set to the
// quantile of their rows' residuals, as the library does.
type pinball []float32

func (p pinball) groups() int            { return len(p) }
func (pinball) checkLabel(float32) error { return nil }
func (p pinball) base(labels, weights []float32) []float32 {
	out := make([]float32, len(p))
	for i, q := range p {
		out[i] = quantile(slices.Clone(labels), slices.Clone(weights), q)
	}
	return out
}

func (p pinball) gradient(group int, margin, label float32) (g, h float32) {
	if margin >= label {
		return 1 - p[group], 1
	}
	return -p[group], 1
}

func (p pinball) refit(group int, residuals, weights []float32) (float32, bool) {
	return quantile(residuals, weights, p[group]), true
}

func (p pinball) metric(margins []float32, label float32) float64 {
	var sum float64
	for i, q := range p {
		d := float64(label - margins[i])
		if d >= 0 {
			sum += float64(q) * d
		} else {
			sum += (float64(q) - 1) * d
		}
	}
	return sum / float64(len(p))
}
func (pinball) finish(mean float64) float64 { return mean }
func (pinball) metricName() string          { return "quantile" }
func (p pinball) parameters() object {
	return object{
		{"name", "reg:quantileerror"},
		{"quantile_loss_param", object{{"quantile_alpha", string(appendReals(nil, p))}}},
	}
}

// quantile of the values, which it sorts, and their weights, which may be
// nil: interpolated at q(n+1) (Hyndman and Fan's sixth) without weights, the
// first value with at least q of the weight with them.
func quantile(values, weights []float32, q float32) float32 {
	n := len(values)
	if n == 0 {
		return 0
	}
	if weights == nil {
		slices.Sort(values)
		at := float64(q) * float64(n+1)
		switch {
		case at <= 1:
			return values[0]
		case at >= float64(n):
			return values[n-1]
		}
		k := int(at)
		d := at - float64(k)
		low, high := float64(values[k-1]), float64(values[k])
		return float32(low + d*(high-low))
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case values[a] < values[b]:
			return -1
		case values[a] > values[b]:
			return 1
		}
		return 0
	})
	var total float64
	for _, w := range weights {
		total += float64(w)
	}
	var sum float64
	for _, i := range order {
		if sum += float64(weights[i]); sum >= float64(q)*total {
			return values[i]
		}
	}
	return values[order[n-1]]
}
