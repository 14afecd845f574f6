package ml

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-12 {
		t.Errorf("%s is %.15g, want %.15g", what, got, want)
	}
}

// Every number of a judgement, against a calculation by hand of four forecasts.
func TestScoreByHand(t *testing.T) {
	v := verdicts{horizon: 300, span: 300e6}
	for i, o := range []opinion{
		{outcome{mean: 0.01, low: -0.01, high: 0.03, drift: 0.00, real: 0.02}, 0.02, 0.02},
		{outcome{mean: -0.01, low: -0.03, high: 0.01, drift: 0.01, real: 0.02}, 0.00, 0.01},
		{outcome{mean: 0.02, low: 0.00, high: 0.04, drift: -0.01, real: 0.00}, 0.01, 0.02},
		{outcome{mean: 0.00, low: -0.02, high: 0.02, drift: 0.00, real: -0.03}, -0.01, 0.05},
	} {
		v.add(opening.Add(time.Duration(i/2)*10*time.Minute), o)
	}
	j := v.judgement(true)
	// Errors of the model: 0.01, 0.03, −0.02, −0.03; all intervals are 0.04 wide.
	near(t, "mae", j.MAE, 0.0225)
	near(t, "rmse", j.RMSE, math.Sqrt((1+9+4+9)*1e-4/4))
	near(t, "skill", j.Skill.Value, 1-23.0/17)                                    // no change: 4+4+0+9
	near(t, "against drift", j.Drift.Value, 1-23.0/15)                            // 4+1+1+9
	near(t, "against linear", j.Linear.Value, 1-23.0/9)                           // 0+4+1+4
	near(t, "direction", j.Direction.Value, 1.0/2)                                // yes, no, unchanged, no forecast
	near(t, "coverage", j.Coverage.Value, 2.0/4)                                  // in, out, in at the edge, out
	near(t, "mase", j.Errors[TheModel].MASE.Value, (0.5+3+1+0.6)/4)               // |e| / usual
	near(t, "mase of no change", j.Errors[Persistence].MASE.Value, (1+2+0+0.6)/4) //
	near(t, "mae of linear", j.Errors[Linear].MAE, (0+0.02+0.01+0.02)/4)          //
	near(t, "rmse of drift", j.Errors[Drift].RMSE, math.Sqrt((4.0+1+1+9)*1e-4/4)) //
	near(t, "width", j.Width, 0.04)                                               //
	low := []float64{0.1 * 0.03, 0.1 * 0.05, 0, 0.9 * 0.01}                       // quantile 10 %
	high := []float64{0.1 * 0.01, 0.9 * 0.01, 0.1 * 0.04, 0.1 * 0.05}             // quantile 90 %
	near(t, "pinball", j.Pinball, (sumOf(low)+sumOf(high))/8)                     //
	if j.N != 4 || j.Blocks != 2 || !math.IsNaN(j.Skill.Low) || !math.IsNaN(j.Coverage.Low) {
		t.Errorf("%+v: two blocks say nothing about luck", j.Score)
	}
	if steps := v.course(); len(steps) != 2 || steps[0].N != 2 || math.Abs(steps[0].Alone-(1-10.0/8)) > 1e-12 || math.Abs(steps[1].Skill-j.Skill.Value) > 1e-12 {
		t.Errorf("course %+v", steps)
	}
}

func sumOf(list []float64) (sum float64) {
	for _, v := range list {
		sum += v
	}
	return sum
}

// Wilson's interval, against his own formula for 10 of 20 and 0 of 10.
func TestWilson(t *testing.T) {
	low, high := wilson(0.5, 20)
	if math.Abs(low-0.29929) > 1e-4 || math.Abs(high-0.70071) > 1e-4 {
		t.Errorf("10 of 20: %g to %g", low, high)
	}
	if low, high = wilson(0, 10); math.Abs(low) > 1e-12 || math.Abs(high-0.27753) > 1e-4 {
		t.Errorf("0 of 10: %g to %g", low, high)
	}
}

// What happens to a thousand symbols at once happens once: the interval of the
// direction is as wide as for as many forecasts as there are minutes, and holds
// the truth about as often as it says.
func TestIntervalsAreClusteredByTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	held, skills := 0, 0
	const rounds = 200
	for range rounds {
		tally := tally{horizon: 300}
		for block := range 60 {
			up := 1.0
			if random.IntN(2) == 0 {
				up = -1
			}
			size := 0.01 * math.Abs(random.NormFloat64())
			for range 50 {
				tally.add(opening.Add(time.Duration(block)*5*time.Minute), outcome{mean: 0.001, low: -0.01, high: 0.012, real: up * size})
			}
		}
		s := tally.score()
		if s.Direction.Low <= 0.5 && s.Direction.High >= 0.5 {
			held++
		}
		if s.Skill.Low > 0 {
			skills++
		}
		if s.Direction.High-s.Direction.Low < 0.2 {
			t.Fatalf("3,000 forecasts that are worth 60 have an interval of %g to %g", s.Direction.Low, s.Direction.High)
		}
	}
	if held < rounds*90/100 || skills > rounds*6/100 {
		t.Errorf("of %d intervals of 95 %% %d hold a coin's half; %d claim skill", rounds, held, skills)
	}
}

// Split-conformal intervals hold at least what they promise, however the
// residuals are distributed.
func TestConformal(t *testing.T) {
	random := rand.New(rand.NewPCG(2, 2))
	draw := func() float64 { return math.Abs(math.Exp(random.NormFloat64()) - 1) }
	for _, n := range []int{20, 200, 5000} {
		inside, total := 0, 0
		for range 20_000 / n * 5 {
			residuals := make([]float64, n)
			for i := range residuals {
				residuals[i] = draw()
			}
			width := conformal(residuals, Coverage)
			for range 200 {
				if draw() <= width {
					inside++
				}
				total++
			}
		}
		if share := float64(inside) / float64(total); share < Coverage-0.012 || share > Coverage+1/float64(n)+0.02 {
			t.Errorf("%d residuals: %.3f inside", n, share)
		}
	}
	if w := conformal(nil, 0.8); math.Abs(w-1.2815515655446) > 1e-9 {
		t.Errorf("without residuals %g, want what a normal distribution has", w)
	}
}

// A band holds what it promises at every horizon, an outcome being known only a
// horizon later and all symbols moving together: on days of minutes whose
// volatility wanders and trebles in the middle, under intervals that are a
// quarter too narrow at first; and it does not swing.
func TestBandHoldsItsCoverage(t *testing.T) {
	const symbols, minutes = 200, 780
	for _, horizon := range []int{1, 5, 15, 30} {
		inside, total, swing, n := 0, 0, 0.0, 0
		for seed := range uint64(8) {
			random := rand.New(rand.NewPCG(seed, 3))
			var b Band
			prices := make([][symbols]float64, minutes)
			factors := make([]float64, minutes)
			volatility := 0.0
			for m := 1; m < minutes; m++ {
				volatility = 0.97*volatility + 0.05*random.NormFloat64()
				sigma := math.Exp(volatility)
				if m > minutes/2 {
					sigma *= 3
				}
				all := 0.5 * random.NormFloat64()
				for s := range symbols {
					prices[m][s] = prices[m-1][s] + sigma*(all+0.87*random.NormFloat64())
				}
				if k := m - horizon; k > 0 {
					for s := range symbols {
						half := 0.75 * 1.2815515655 * math.Sqrt(float64(horizon)) * factors[k]
						if k > minutes/2 {
							half *= 3 // a model scales by the volatility that it sees
						}
						in := math.Abs(prices[m][s]-prices[k][s]) <= half
						b.Observe(int32(horizon*60), opening.Add(time.Duration(k)*time.Minute), in)
						if m > 120 {
							total++
							if in {
								inside++
							}
						}
					}
				}
				factors[m] = b.Factor(int32(horizon * 60))
				if m > 120 && m < minutes/2 {
					swing += math.Pow(math.Log(factors[m]*0.75), 2)
					n++
				}
			}
		}
		share := float64(inside) / float64(total)
		t.Logf("%2d minutes: %.3f inside, width off by %.2f", horizon, share, math.Sqrt(swing/float64(n)))
		if share < 0.78 || share > 0.82 {
			t.Errorf("%d minutes: %.3f inside, want 0.78 to 0.82", horizon, share)
		}
		if off := math.Sqrt(swing / float64(n)); off > 0.3 {
			t.Errorf("%d minutes: the logarithm of the width is off by %.2f", horizon, off)
		}
	}
}

// A band stays within its bounds, changes what it is told to change and nothing else.
func TestBandWidens(t *testing.T) {
	var b Band
	for minute := range 1000 {
		for range 10 {
			b.Observe(60, opening.Add(time.Duration(minute)*time.Minute), false)
		}
	}
	if f := b.Factor(60); f < 4 || f > 4.1 {
		t.Errorf("the band is %g times as wide", f)
	}
	out := []float32{0.01, 0, 0.02, 0.5, 0.4, 0.6}
	var c Band
	for minute := range 20 {
		c.Observe(300, opening.Add(time.Duration(minute)*time.Minute), false)
	}
	c.Widen([]int32{60, 300}, out)
	if out[0] != 0.01 || out[1] != 0 || out[3] != 0.5 || !(out[4] < 0.4 && out[5] > 0.6) {
		t.Errorf("widened %v", out)
	}
	var none *Band
	if none.Factor(60) != 1 {
		t.Error("no band changes nothing")
	}
}

// Few stretches say little about a width, many say it all, and what nobody held
// out is what a normal distribution has.
func TestSteady(t *testing.T) {
	list := []Calibration{{Horizon: 60, Width: 1.2}, {Horizon: 1800, Width: 0.4}}
	steady(list, 38)
	if list[0].Width < 1.2 || list[0].Width > 1.23 || list[1].Width < 1.1 || list[1].Width > 1.23 {
		t.Errorf("after an hour %+v", list)
	}
	list = []Calibration{{Horizon: 60, Width: 1.2}, {Horizon: 1800, Width: 0.9}}
	steady(list, 30*1000)
	if math.Abs(list[1].Width-0.9) > 0.01 {
		t.Errorf("after a thousand stretches %+v", list)
	}
	list = []Calibration{{Horizon: 1800, Width: 5}}
	steady(list, 20)
	near(t, "width", list[0].Width, conformal(nil, Coverage))
}
