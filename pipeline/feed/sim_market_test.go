package feed

import (
	"math"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// quietMarket is a model without events.
func quietMarket(n int) *simMarket {
	m := newSimMarket(SimCompanies(n), 3, simStart, nil)
	m.period = 1
	return m
}

// The returns look like those of stocks: correlated, more so within a sector,
// with fat tails and volatility that clusters.
func TestSimMarketIsLikeAMarket(t *testing.T) {
	const n, minutes = 100, 400
	m := quietMarket(n)
	m.grid = time.Second
	var tick market.Tick
	returns := make([][]float64, n) // of a minute
	before := make([]float64, n)
	at := simStart
	for minute := range minutes {
		for range 60 {
			for i := range n {
				m.trade(i, at, &tick)
			}
			at = at.Add(time.Second)
		}
		for i := range n {
			if minute > 0 {
				returns[i] = append(returns[i], math.Log(m.symbols[i].price/before[i]))
			}
			before[i] = m.symbols[i].price
		}
	}
	var within, across, withins, acrosses float64
	for i := range n {
		for j := range i {
			a, b := &m.symbols[i], &m.symbols[j]
			if a.company.Sector == "fund" || b.company.Sector == "fund" {
				continue
			}
			if c := correlation(returns[i], returns[j]); a.sector == b.sector {
				within, withins = within+c, withins+1
			} else {
				across, acrosses = across+c, acrosses+1
			}
		}
	}
	within, across = within/withins, across/acrosses
	if across < 0.08 || across > 0.6 || within < across+0.05 {
		t.Errorf("correlation %.2f within sectors, %.2f across them", within, across)
	}
	var kurtosis, clusters float64
	for i := range n {
		kurtosis += fourth(returns[i]) / n
		size := make([]float64, len(returns[i]))
		for k, r := range returns[i] {
			size[k] = math.Abs(r)
		}
		clusters += correlation(size[5:], size[:len(size)-5]) / n
	}
	if clusters < 0.03 {
		t.Errorf("volatility clusters with %.3f after 5 minutes", clusters)
	}
	if kurtosis < 3.2 {
		t.Errorf("kurtosis %.1f, want more than a normal distribution's 3", kurtosis)
	}
}

// What the doc comment says can be learned is there, as strong as it says.
func TestSimMarketCanBeLearned(t *testing.T) {
	t.Run("own reversal", func(t *testing.T) {
		const n = 100
		m := quietMarket(n)
		var tick market.Tick
		var xy, xx float64
		at := simStart
		said, own := make([]float64, n), make([]float64, n)
		for second := range 4 * 3600 {
			for i := range n {
				s := &m.symbols[i]
				if second%60 == 0 {
					if second > 600 {
						xy += said[i] * (own[i])
						xx += said[i] * said[i]
					}
					own[i] = 0
					said[i] = -simReversal * s.own * 60 / simMomentum
				}
				decayed := s.own * math.Exp(-1/simMomentum)
				m.trade(i, at, &tick)
				own[i] += s.own - decayed
			}
			at = at.Add(time.Second)
		}
		if slope := xy / xx; slope < 0.5 || slope > 1.3 {
			t.Errorf("the next minute is %.2f of what the formula expects", slope)
		}
	})
	t.Run("sectors follow technology", func(t *testing.T) {
		m := quietMarket(1)
		m.grid = time.Second
		var xy, xx float64
		var said float64
		before := make([]float64, len(m.sectors))
		at := simStart
		for second := range 100 * 3600 {
			m.advance(at)
			if second%60 == 0 {
				for i := range m.sectors {
					if m.sectors[i].lead > 0 && second > 600 {
						xy += said * (m.sectors[i].level - before[i])
						xx += said * said
					}
					before[i] = m.sectors[i].level
				}
				said = simLead * m.leading * 60 / simMomentum
			}
			at = at.Add(time.Second)
		}
		if slope := xy / xx; slope < 0.6 || slope > 1.2 {
			t.Errorf("the next minute is %.2f of what the formula expects", slope)
		}
	})
}

// Prices stay near their level for months, whatever happens.
func TestSimMarketStaysOnEarth(t *testing.T) {
	const n = 500
	m := quietMarket(n)
	paths := make([][4]float64, n)
	for range 1000 {
		m.days(paths)
	}
	for i := range n {
		s := &m.symbols[i]
		if ratio := s.price / s.company.Price; ratio < 0.15 || ratio > 6 {
			t.Errorf("%s is at %.2f of its level after 1,000 days", s.company.Symbol, ratio)
		}
		for _, p := range paths[i] {
			if !(p > 0) || math.IsInf(p, 0) {
				t.Errorf("%s: price %g", s.company.Symbol, p)
			}
		}
	}
}

func TestSimBusyIsASmile(t *testing.T) {
	at := func(hour float64) float64 { v, _ := simBusy(hour); return v }
	if !(at(9.51) > 2*at(12.5) && at(15.99) > 1.5*at(12.5) && at(12.5) > at(18) && at(18) > at(2) && at(2) > 0) {
		t.Error("volume is not high at the open and the close, and low at night")
	}
}

func correlation(a, b []float64) float64 {
	var sa, sb, saa, sbb, sab float64
	for i := range a {
		sa, sb = sa+a[i], sb+b[i]
		saa, sbb, sab = saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
	}
	n := float64(len(a))
	return (sab - sa*sb/n) / math.Sqrt((saa-sa*sa/n)*(sbb-sb*sb/n))
}

// fourth is the kurtosis.
func fourth(a []float64) float64 {
	var two, four float64
	for _, x := range a {
		two, four = two+x*x, four+x*x*x*x
	}
	return four * float64(len(a)) / (two * two)
}
