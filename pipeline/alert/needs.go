package alert

import (
	"slices"
	"time"

	"tapedeck/pipeline/market"
)

// Needs is what a rule must have seen before it can be judged as if it had
// been in force for long.
type Needs struct {
	Bars    [len(market.Intervals)]int // closed bars of each interval
	Span    time.Duration              // how far it looks back at prices
	Session bool                       // values of today's session and of the one before
}

// settled is after how many periods an exponential average has forgotten its
// beginning: (1 − 2/(n+1))^(8n) is less than 1e-6.
const settled = 8

// Needs says what the rule must have seen.
func (p *Program) Needs() Needs {
	var n Needs
	for _, q := range p.questions {
		bars := 0
		switch q.kind {
		case studyBar:
			bars = 1
		case studySMA, studyBollinger:
			bars = q.n
		case studyVolatility, studyVolumeRatio:
			bars = q.n + 1
		case studyEMA, studyRSI, studyATR:
			bars = settled * q.n
		case studyMACD:
			bars = settled * (q.slow + q.signal)
		case studyVWAP:
			n.Session, bars = true, int(24*time.Hour/q.interval.Length())
		case studyPast, studyExtent:
			n.Span = max(n.Span, q.span)
			continue
		default:
			continue
		}
		n.Bars[q.interval] = max(n.Bars[q.interval], bars)
	}
	n.Session = n.Session || p.session
	return n
}

// Intervals are the intervals whose bars the rule looks at.
func (n Needs) Intervals() []market.Interval {
	return slices.DeleteFunc(slices.Clone(market.Intervals[:]), func(i market.Interval) bool { return n.Bars[i] == 0 })
}
