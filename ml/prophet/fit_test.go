package prophet

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

func date(s string) market.Time {
	t, err := time.Parse("2006-01-02", s)
	if err != nil {
		panic(err)
	}
	return market.Time(t.UnixMicro())
}

// wave is a made-up daily series: a bent trend, a year, a week, and noise.
func wave(n int, seed uint64) Series {
	r := rand.New(rand.NewPCG(seed, 0))
	var s Series
	for i := range n {
		t := float64(i)
		y := 50 + 0.02*t + 4*math.Sin(2*math.Pi*t/365.25) + 2*math.Cos(2*math.Pi*t/7) + r.NormFloat64()
		if i > n/2 {
			y -= 0.03 * float64(i-n/2)
		}
		s.Times = append(s.Times, date("2019-01-01")+market.Time(i)*dayMicros)
		s.Values = append(s.Values, y)
	}
	return s
}

func limits(s Series, cap, floor float64) Series {
	for range s.Times {
		s.Cap, s.Floor = append(s.Cap, cap), append(s.Floor, floor)
	}
	return s
}

// variants are configurations that reach every part of the posterior.
func variants() map[string]struct {
	config Config
	series Series
} {
	type variant = struct {
		config Config
		series Series
	}
	out := map[string]variant{}
	add := func(name string, s Series, change func(*Config)) {
		c := DefaultConfig()
		change(&c)
		out[name] = variant{c, s}
	}
	add("additive", wave(800, 1), func(*Config) {})
	add("multiplicative", wave(800, 2), func(c *Config) { c.SeasonalityMode = Multiplicative })
	add("mixed", wave(800, 3), func(c *Config) {
		c.Seasonalities = []Seasonality{{Name: "month", Period: 30.5, Order: 3, Mode: Multiplicative, PriorScale: 0.1}}
		c.Holidays = ExchangeHolidays(date("2019-01-01"), date("2021-12-31"))
	})
	add("logistic", limits(wave(800, 4), 80, 0), func(c *Config) { c.Growth = Logistic })
	add("logistic with floor, multiplicative", limits(wave(800, 5), 75, 20), func(c *Config) { c.Growth, c.SeasonalityMode = Logistic, Multiplicative })
	add("flat", wave(400, 6), func(c *Config) { c.Growth = Flat })
	add("flat, multiplicative", wave(400, 6), func(c *Config) { c.Growth, c.SeasonalityMode = Flat, Multiplicative })
	add("minmax", wave(400, 7), func(c *Config) { c.Scaling = MinMax })
	add("no changepoints", wave(100, 8), func(c *Config) { c.NChangepoints = 0 })
	add("supple", wave(300, 9), func(c *Config) { c.ChangepointPriorScale, c.NChangepoints, c.ChangepointRange = 10, 60, 1 })
	add("given changepoints", wave(300, 10), func(c *Config) { c.Changepoints = []market.Time{date("2019-05-01"), date("2019-03-01")} })
	add("short", wave(30, 11), func(*Config) {})
	return out
}

// TestFitIsStationary checks the conditions of an optimum: no slope by any
// parameter, and where a slope change is zero none steeper than its penalty.
func TestFitIsStationary(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			m, err := Fit(context.Background(), v.config, v.series)
			if err != nil {
				t.Fatal(err)
			}
			s, err := v.series.sorted(v.config.Growth)
			if err != nil {
				t.Fatal(err)
			}
			p := m.posterior(s)
			theta := p.theta(m.params)
			grad := make([]float64, len(theta))
			bySigma := p.gradient(theta, m.params.Sigma, grad)
			scale := float64(len(s.Times)) / m.params.Sigma // of the gradient's terms
			for i, g := range grad {
				limit := 1e-6 * scale
				if i >= 2 && i < 2+len(p.hinge) && theta[i] == 0 {
					limit += 1 / p.tau
				}
				if math.Abs(g) > limit {
					t.Errorf("slope %g by parameter %d", g, i)
				}
			}
			if math.Abs(bySigma) > 1e-6*scale {
				t.Errorf("slope %g by sigma", bySigma)
			}
		})
	}
}

func TestGradientIsThatOfTheLogPosterior(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			s, err := v.series.sorted(v.config.Growth)
			if err != nil {
				t.Fatal(err)
			}
			m := &Model{config: v.config, start: s.Times[0], span: float64(s.Times[len(s.Times)-1] - s.Times[0])}
			m.scale(s)
			m.changepoints, m.terms = v.config.placeChangepoints(s.Times), v.config.terms(s.Times)
			p := m.posterior(s)
			r := rand.New(rand.NewPCG(1, 2))
			theta := make([]float64, p.size())
			for i := range theta {
				theta[i] = 0.1 + 0.2*r.Float64()
			}
			sigma := 0.3
			value := func(theta []float64, sigma float64) float64 {
				at := newMean(len(p.t))
				p.at(theta, at)
				return p.value(theta, sigma, at.rss)
			}
			grad := make([]float64, len(theta))
			bySigma := p.gradient(theta, sigma, grad)
			const h = 1e-6
			compare := func(name string, i int, got, want float64) {
				if math.Abs(got-want) > 1e-5*(1+math.Abs(want)) {
					t.Errorf("%s %d: gradient %g, by difference %g", name, i, got, want)
				}
			}
			for i := range theta {
				up, down := append([]float64{}, theta...), append([]float64{}, theta...)
				up[i] += h
				down[i] -= h
				compare("parameter", i, grad[i], (value(up, sigma)-value(down, sigma))/(2*h))
			}
			compare("sigma", 0, bySigma, (value(theta, sigma+h)-value(theta, sigma-h))/(2*h))
		})
	}
}

func TestFitRefuses(t *testing.T) {
	week := wave(7, 1)
	with := func(change func(*Series)) Series {
		s := Series{Times: append([]market.Time{}, week.Times...), Values: append([]float64{}, week.Values...)}
		change(&s)
		return s
	}
	logistic := DefaultConfig()
	logistic.Growth = Logistic
	outside := DefaultConfig()
	outside.Changepoints = []market.Time{date("2001-01-01")}
	unknown := DefaultConfig()
	unknown.Growth, unknown.IntervalWidth = "steep", 80
	for name, c := range map[string]struct {
		config Config
		series Series
		want   string
	}{
		"nothing":         {DefaultConfig(), Series{}, "give at least 2"},
		"one value":       {DefaultConfig(), with(func(s *Series) { s.Times, s.Values = s.Times[:1], s.Values[:1] }), "give at least 2"},
		"only missing":    {DefaultConfig(), with(func(s *Series) { clearTo(s.Values, math.NaN()) }), "0 of 7 rows"},
		"twice":           {DefaultConfig(), with(func(s *Series) { s.Times[3] = s.Times[2] }), "two values for 2019-01-03"},
		"infinite":        {DefaultConfig(), with(func(s *Series) { s.Values[2] = math.Inf(-1) }), "y is infinite at 2019-01-03"},
		"lengths":         {DefaultConfig(), with(func(s *Series) { s.Values = s.Values[1:] }), "7 times and 6 values"},
		"no cap":          {logistic, week, "give a column cap"},
		"cap below floor": {logistic, limits(week, 10, 20), "cap 10 is not above floor 20"},
		"cap missing":     {logistic, limits(week, math.NaN(), 0), "give finite numbers on every row"},
		"cap too short":   {logistic, with(func(s *Series) { s.Cap = []float64{100} }), "give one for each time"},
		"changepoint":     {outside, week, "outside the history"},
		"parameters":      {unknown, week, "give linear, logistic or flat"},
		"all parameters":  {unknown, week, "interval_width is 80"},
		"zero config":     {Config{}, week, "growth is"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Fit(context.Background(), c.config, c.series)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, not one that says %q", err, c.want)
			}
		})
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := Fit(ended, DefaultConfig(), week); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func clearTo(v []float64, to float64) {
	for i := range v {
		v[i] = to
	}
}

// TestFitOfHardSeries fits what has no noise, few points or odd scales: the
// answer must be finite and, but for five points whose bends the prior of the
// slope changes forbids, pass near them.
func TestFitOfHardSeries(t *testing.T) {
	line := func(n int, f func(float64) float64) Series {
		var s Series
		for i := range n {
			s.Times = append(s.Times, date("2020-01-01")+market.Time(i)*dayMicros)
			s.Values = append(s.Values, f(float64(i)))
		}
		return s
	}
	gap := line(50, func(x float64) float64 { return 10 + x })
	gap.Values[10], gap.Values[49] = math.NaN(), math.NaN()
	for name, s := range map[string]Series{
		"constant":     line(40, func(float64) float64 { return 7 }),
		"zeros":        line(40, func(float64) float64 { return 0 }),
		"line":         line(40, func(x float64) float64 { return 2 * x }),
		"two points":   line(2, func(x float64) float64 { return 5 + x }),
		"three points": line(3, func(x float64) float64 { return 5 + x*x }),
		"five points":  line(5, func(x float64) float64 { return math.Sin(x) }),
		"huge":         line(60, func(x float64) float64 { return 1e300 * (1 + x) }),
		"tiny":         line(60, func(x float64) float64 { return 1e-300 * (1 + x) }),
		"missing":      gap,
	} {
		for _, growth := range []Growth{Linear, Flat, Logistic} {
			for _, mode := range []Mode{Additive, Multiplicative} {
				t.Run(name+" "+string(growth)+" "+string(mode), func(t *testing.T) {
					c := DefaultConfig()
					c.Growth, c.SeasonalityMode = growth, mode
					top := 0.0
					for _, y := range s.Values {
						if math.Abs(y) > top {
							top = math.Abs(y)
						}
					}
					if top == 0 {
						top = 1
					}
					m, err := Fit(context.Background(), c, limits(s, 1.5*top, -0.5*top))
					if err != nil {
						t.Fatal(err)
					}
					f, err := m.MakeFuture(10, mustFrequency("D"))
					if err != nil {
						t.Fatal(err)
					}
					if _, err := m.Predict(context.Background(), f); err != nil {
						t.Fatal(err)
					}
					past, err := m.Predict(context.Background(), m.History())
					if err != nil {
						t.Fatal(err)
					}
					for i, y := range s.Values {
						if off := math.Abs(past.Yhat[i]-y) / top; growth == Linear && name != "five points" && off > 0.3 {
							t.Errorf("row %d is off by %.3g of the scale", i, off)
						}
					}
				})
			}
		}
	}
}

func mustFrequency(s string) Frequency {
	f, err := ParseFrequency(s)
	if err != nil {
		panic(err)
	}
	return f
}

// TestFitIgnoresOrder fits the rows in another order to the same bits.
func TestFitIgnoresOrder(t *testing.T) {
	s := wave(300, 12)
	shuffled := Series{}
	for _, i := range rand.New(rand.NewPCG(3, 3)).Perm(len(s.Times)) {
		shuffled.Times, shuffled.Values = append(shuffled.Times, s.Times[i]), append(shuffled.Values, s.Values[i])
	}
	a, err := Fit(context.Background(), DefaultConfig(), s)
	if err != nil {
		t.Fatal(err)
	}
	b, err := Fit(context.Background(), DefaultConfig(), shuffled)
	if err != nil {
		t.Fatal(err)
	}
	if a.LogPosterior() != b.LogPosterior() || a.Params().K != b.Params().K {
		t.Errorf("log posterior %v against %v", a.LogPosterior(), b.LogPosterior())
	}
}

// TestNoStartIsBetter climbs from random places: none may end above the fit. The
// posterior has several tops, and those of a sharp bend are far apart.
func TestNoStartIsBetter(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 7))
	change := []func(*Config){
		func(*Config) {},
		func(c *Config) { c.SeasonalityMode = Multiplicative },
		func(c *Config) { c.Growth = Logistic },
		func(c *Config) { c.Growth, c.SeasonalityMode = Logistic, Multiplicative },
	}
	for i := range 12 {
		bend, noise, n := r.NormFloat64()*0.3, 0.2+2*r.Float64(), 100+r.IntN(400)
		var s Series
		for j := range n {
			x := float64(j)
			y := 100 + 0.1*x + 3*math.Sin(2*math.Pi*x/7) + noise*r.NormFloat64() + bend*math.Max(0, x-float64(n/2))
			s.Times, s.Values = append(s.Times, date("2022-01-01")+market.Time(j)*dayMicros), append(s.Values, y)
		}
		s = limits(s, 400, -200)
		c := DefaultConfig()
		change[i%len(change)](&c)
		m := fitted(t, c, s)
		p := m.posterior(s)
		for range 3 {
			theta := p.start()
			for k := range theta {
				theta[k] += r.NormFloat64() / 3
			}
			top, err := p.climb(context.Background(), theta, nil)
			if err != nil {
				t.Fatal(err)
			}
			if top.value > m.LogPosterior()+1e-6 {
				t.Errorf("series %d: %.6f from a random start, %.6f fitted", i, top.value, m.LogPosterior())
			}
		}
	}
}
