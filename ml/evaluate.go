package ml

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"tapedeck/ml/features"
	"tapedeck/pipeline/market"
)

// Forecaster is one of those that an evaluation compares.
type Forecaster uint8

// The forecasters: the model that is judged and the three that it has to beat.
const (
	TheModel    Forecaster = iota
	Persistence            // no change
	Drift                  // the symbol's mean return so far goes on
	Linear                 // a ridge regression on the same features
	forecasters
)

func (f Forecaster) String() string {
	return [...]string{"model", "persistence", "drift", "linear"}[f]
}

// Errors are how far forecasts were from what came.
type Errors struct {
	// MAE and RMSE are of the log return.
	MAE, RMSE float64
	// MASE is the mean absolute error over that of "no change" in the history
	// that a model was trained on, symbol by symbol (Hyndman and Koehler, Another
	// look at measures of forecast accuracy, 2006). Below 1 is better than that.
	MASE Estimate
}

// Judgement is what forecasts for one horizon were worth.
type Judgement struct {
	Score
	Linear Estimate // skill against the linear model, as Score.Skill is against "no change"
	// Pinball is the mean pinball loss of the two ends of the interval, as
	// quantiles of 10 % and 90 %, of the log return (Koenker and Bassett,
	// Regression quantiles, 1978). It is small for intervals that are narrow and
	// yet hold what they should.
	Pinball float64
	Width   float64             // mean width of the interval, as a log return
	Errors  [forecasters]Errors // by Forecaster
}

// Group is a part of the forecasts: those of a symbol, of an hour, or of a
// regime of volatility.
type Group struct {
	By   string // symbol, hour (of New York) or regime
	Name string
	Judgement
}

// The ways forecasts are grouped.
const (
	BySymbol = "symbol"
	ByHour   = "hour"   // in which the forecast was made, New York time
	ByRegime = "regime" // third of the minutes, by the mean volatility of all symbols
)

var regimes = [...]string{"calm", "usual", "wild"}

// Step is a stretch of time in the course of an evaluation.
type Step struct {
	Time  market.Time // when it begins
	N     int
	Skill float64 // of all forecasts until its end, against "no change"
	Alone float64 // of its own forecasts
}

// Evaluation is what a walk-forward says about a kind of model.
type Evaluation struct {
	Model    string
	From, To market.Time // of the first and the last forecast that came due
	Symbols  int
	Models   int         // that were trained, one after the other
	Scores   []Judgement // by horizon
	Groups   []Group     // by way, name and horizon
	Courses  [][]Step    // by horizon
}

// Evaluate forecasts history as WalkForward does and judges the forecasts
// beside those that know little. All of them see the same rows: nothing whose
// outcome came later than w.Embargo before a fold began.
func Evaluate(ctx context.Context, kind string, data *Data, c Config, w Walk, progress func(Progress)) (*Evaluation, error) {
	j := newJudge(data, &c)
	r, err := walkForward(ctx, kind, data, c, w, j, progress)
	if err != nil {
		return nil, err
	}
	e := &Evaluation{Model: kind, From: j.from, To: j.to, Symbols: len(j.seen), Models: r.Models}
	for h := range j.all {
		e.Scores = append(e.Scores, j.all[h].judgement(true))
		e.Courses = append(e.Courses, j.all[h].course())
	}
	for key, t := range j.groups {
		e.Groups = append(e.Groups, Group{By: key.by, Name: key.name, Judgement: t.judgement(false)})
	}
	order := func(g *Group) string {
		if g.By == ByRegime {
			return fmt.Sprint(slices.Index(regimes[:], g.Name))
		}
		return g.Name
	}
	slices.SortFunc(e.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.By, b.By), cmp.Compare(order(&a), order(&b)), cmp.Compare(a.Horizon, b.Horizon))
	})
	return e, nil
}

// judge scores forecasts beside the simple ones, as they come due.
type judge struct {
	data     *Data
	horizons []int32
	lags     []int
	regime   map[market.Time]string
	coarse   int64 // µs, of the stretches of a group

	linear *linear
	usual  [][]float64 // mean |return| of "no change" so far, by series and horizon

	from, to market.Time
	seen     map[int32]bool
	all      []verdicts // by horizon
	groups   map[groupKey]*verdicts
	row      []float32
}

type groupKey struct {
	by, name string
	horizon  int32
}

func newJudge(data *Data, c *Config) *judge {
	from, to := data.Span()
	j := &judge{data: data, horizons: c.Horizons, lags: c.Lags, regime: data.regimes(),
		coarse: int64(to-from) / 64, seen: make(map[int32]bool), groups: make(map[groupKey]*verdicts),
		row: make([]float32, len(c.Lags)*features.Count)}
	for _, horizon := range c.Horizons {
		j.all = append(j.all, verdicts{horizon: horizon, span: int64(max(horizon, minBlockSpan)) * 1e6})
	}
	return j
}

// fold prepares for forecasts from what was known at a time.
func (j *judge) fold(t *training) (err error) {
	if j.linear, err = t.linear(); err != nil {
		return err
	}
	j.usual = make([][]float64, len(j.data.series))
	for k := range j.data.series {
		s := &j.data.series[k]
		end, _ := slices.BinarySearch(s.times, t.until)
		j.usual[k] = make([]float64, len(j.horizons))
		for h, horizon := range j.horizons {
			var sum float64
			n := 0
			for i := range end - int(horizon/60) {
				if v := s.volatility[i]; v != v {
					continue
				}
				if r, ok := j.data.outcome(sample{int32(k), int32(i)}, horizon); ok {
					sum += math.Abs(r)
					n++
				}
			}
			if n > 0 {
				j.usual[k][h] = sum / float64(n)
			}
		}
	}
	return nil
}

// simple is what the linear model says about a row.
func (j *judge) simple(s sample, h int) float32 {
	j.data.lagged(s, j.lags, j.row)
	return float32(j.linear.answer(h, j.row) * j.data.scale(s, j.horizons[h]))
}

// take judges forecasts for horizon h that came due.
func (j *judge) take(w *waiting, h int, o outcome) {
	if j.from == 0 || w.at < j.from {
		j.from = w.at
	}
	j.to = max(j.to, w.at)
	j.seen[w.series] = true
	v := opinion{outcome: o, linear: float64(w.linear), usual: float64(w.usual)}
	j.all[h].add(w.at, v)
	name := j.data.series[w.series].symbol
	horizon := j.horizons[h]
	j.group(groupKey{BySymbol, name, horizon}).add(w.at, v)
	j.group(groupKey{ByHour, w.at.Std().In(market.NYSE().Location()).Format("15:00"), horizon}).add(w.at, v)
	if r := j.regime[w.at]; r != "" {
		j.group(groupKey{ByRegime, r, horizon}).add(w.at, v)
	}
}

func (j *judge) group(key groupKey) *verdicts {
	t := j.groups[key]
	if t == nil {
		t = &verdicts{horizon: key.horizon, span: int64(max(key.horizon, minBlockSpan)) * 1e6}
		if key.by == BySymbol { // there are many
			t.span = max(t.span, j.coarse)
		}
		j.groups[key] = t
	}
	return t
}

// regimes are thirds of the minutes, by the mean logarithm of the volatility of
// all symbols. It is for reading scores, no model sees it.
func (d *Data) regimes() map[market.Time]string {
	type level struct {
		at   market.Time
		mean float64
	}
	sums := make(map[market.Time]*level, len(d.times))
	counts := make(map[market.Time]int, len(d.times))
	for k := range d.series {
		s := &d.series[k]
		for i, v := range s.volatility {
			if v != v {
				continue
			}
			l := sums[s.times[i]]
			if l == nil {
				l = &level{at: s.times[i]}
				sums[s.times[i]] = l
			}
			l.mean += math.Log(float64(v))
			counts[s.times[i]]++
		}
	}
	list := make([]level, 0, len(sums))
	for t, l := range sums {
		list = append(list, level{t, l.mean / float64(counts[t])})
	}
	slices.SortFunc(list, func(a, b level) int { return cmp.Or(cmp.Compare(a.mean, b.mean), cmp.Compare(a.at, b.at)) })
	of := make(map[market.Time]string, len(list))
	for i, l := range list {
		of[l.at] = regimes[i*len(regimes)/len(list)]
	}
	return of
}

// opinion is the outcome of a forecast and of those beside it.
type opinion struct {
	outcome
	linear float64 // what the linear model said
	usual  float64 // mean |return| of the symbol before; 0: not known
}

// stretch is a block with what an evaluation sums up beside.
type stretch struct {
	block
	linear   float64 // squared errors in widths, as block.squares
	absolute [forecasters]float64
	plain    [forecasters]float64
	scaled   [forecasters]float64 // absolute errors over usual
	usual    float64              // how many have a usual
	pinball  float64
	width    float64
}

func (s *stretch) add(o opinion) {
	s.block.add(o.outcome)
	for f, said := range [forecasters]float64{o.mean, 0, o.drift, o.linear} {
		e := o.real - said
		s.absolute[f] += math.Abs(e)
		s.plain[f] += e * e
		if o.usual > 0 {
			s.scaled[f] += math.Abs(e) / o.usual
		}
	}
	if o.usual > 0 {
		s.usual++
	}
	e := (o.real - o.linear) / o.outcome.width()
	s.linear += e * e
	s.pinball += (pinball(o.real-o.low, (1-Coverage)/2) + pinball(o.real-o.high, (1+Coverage)/2)) / 2
	s.width += o.high - o.low
}

// pinball is the loss of a quantile that was exceeded by e.
func pinball(e, quantile float64) float64 { return max(quantile*e, (quantile-1)*e) }

// verdicts are the stretches of the forecasts for a horizon, in order.
type verdicts struct {
	horizon int32
	span    int64 // µs
	list    []stretch
}

// add takes a forecast that was made at a time; times do not fall by more than
// a stretch.
func (v *verdicts) add(made market.Time, o opinion) {
	begin := int64(made) / v.span
	i := len(v.list) - 1
	for i > 0 && v.list[i].begin > begin {
		i--
	}
	if i < 0 || v.list[i].begin < begin {
		v.list = slices.Insert(v.list, i+1, stretch{block: block{begin: begin}})
		i++
	}
	v.list[i].add(o)
}

// judgement is what the stretches say; without intervals of MASE where it is
// not to be whole, since there are thousands of groups.
func (v *verdicts) judgement(whole bool) Judgement {
	plain := tally{horizon: v.horizon, blocks: make([]block, len(v.list))}
	var n, pinballs, widths float64
	for i := range v.list {
		plain.blocks[i] = v.list[i].block
		n += float64(v.list[i].n)
		pinballs += v.list[i].pinball
		widths += v.list[i].width
	}
	j := Judgement{Score: plain.score(), Pinball: pinballs / n, Width: widths / n}
	j.Linear = skillOf(v.list, func(s *stretch) float64 { return s.squares }, func(s *stretch) float64 { return s.linear })
	for f := range j.Errors {
		var absolute, squares float64
		for i := range v.list {
			absolute += v.list[i].absolute[f]
			squares += v.list[i].plain[f]
		}
		list := v.list
		if !whole {
			list = []stretch{{}}
			for i := range v.list {
				list[0].scaled[f] += v.list[i].scaled[f]
				list[0].usual += v.list[i].usual
			}
		}
		j.Errors[f] = Errors{MAE: absolute / n, RMSE: math.Sqrt(squares / n),
			MASE: ratio(list, func(s *stretch) float64 { return s.scaled[f] }, func(s *stretch) float64 { return s.usual })}
	}
	return j
}

// course is how the skill came about.
func (v *verdicts) course() []Step {
	list := make([]Step, len(v.list))
	var all block
	for i := range v.list {
		b := &v.list[i].block
		all.merge(b)
		list[i] = Step{Time: market.Time(b.begin * v.span), N: b.n, Skill: skill(all.squares, all.base).Value, Alone: skill(b.squares, b.base).Value}
	}
	return list
}

// Words say in a sentence or two what the evaluation shows, and what not.
func (e *Evaluation) Words() string {
	var good, beyond []string
	for i := range e.Scores {
		s := &e.Scores[i]
		if !s.Skilful() {
			continue
		}
		good = append(good, words(s.Horizon))
		if s.Linear.Low > 0 {
			beyond = append(beyond, words(s.Horizon))
		}
	}
	switch {
	case len(e.Scores) == 0 || e.Scores[0].N == 0:
		return "Nothing came due, so nothing can be said."
	case len(good) == 0 && e.tooShort():
		return "The forecasts cover too short a time to tell skill from luck."
	case len(good) == 0:
		return "At no horizon is " + e.Model + " shown to be better than “no change”: its skill is not above zero beyond luck, as with most forecasts of prices."
	case len(beyond) == 0:
		return "Better than “no change” beyond luck at " + listed(good) + " ahead, on this history; nowhere shown to be better than the linear model."
	}
	return "Better than “no change” beyond luck at " + listed(good) + " ahead, and than the linear model at " + listed(beyond) + ", on this history. It may not last."
}

func (e *Evaluation) tooShort() bool {
	for i := range e.Scores {
		if !math.IsNaN(e.Scores[i].Skill.Low) {
			return false
		}
	}
	return true
}

func listed(words []string) string {
	text := words[0]
	for i, w := range words[1:] {
		if i == len(words)-2 {
			text += " and " + w
		} else {
			text += ", " + w
		}
	}
	return text
}

// DefaultEmbargo is a good Walk.Embargo: with it a model never saw the minutes
// right before its first forecast.
const DefaultEmbargo = 5 * time.Minute
