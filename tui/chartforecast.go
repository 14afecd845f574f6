package tui

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// forecasts are what is known of the symbol's forecasts beyond the board's.
type forecasts struct {
	symbol  string
	list    []market.Prediction
	request int
	asked   time.Time
	version int
}

type predictionsCame struct {
	request int
	list    []market.Prediction
	err     error
}

// predictionsEvery is how often the record is read anew.
const predictionsEvery = 60 * time.Second

// want asks for the forecasts of the last days, once a minute.
func (p *forecasts) want(d *Desk, on studies) {
	source := d.Data.Predictions
	if on&studyPredictions == 0 || source == nil || p.request != 0 && d.Now().Sub(p.asked) < predictionsEvery {
		return
	}
	if p.symbol == d.Symbol && d.Now().Sub(p.asked) < predictionsEvery {
		return
	}
	if p.symbol != d.Symbol {
		p.symbol, p.list = d.Symbol, nil
		p.version++
	}
	p.request, p.asked = d.Request(), d.Now()
	request, symbol, to := p.request, d.Symbol, d.Clock().Add(time.Minute)
	d.Post(tea.Cmd(func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), fetchWithin)
		defer cancel()
		list, err := source.Predictions(ctx, symbol, to.Add(-72*time.Hour), to)
		return predictionsCame{request, list, err}
	}))
}

func (p *forecasts) take(m predictionsCame) {
	if m.request != p.request {
		return
	}
	p.request = 0
	if m.err == nil {
		p.list = m.list
		p.version++
	}
}

// modelsOf are the models that have forecasts of a symbol, by name.
func modelsOf(d *Desk, symbol string) []string {
	var out []string
	for _, p := range d.Data.Board.Predictions(nil, symbol) {
		if !slices.Contains(out, p.Model) {
			out = append(out, p.Model)
		}
	}
	slices.Sort(out)
	return out
}

// horizonsOf are how far ahead a model speaks of a symbol, the nearest first.
func horizonsOf(d *Desk, symbol, model string) []int32 {
	var out []int32
	for _, p := range d.Data.Board.Predictions(nil, symbol) {
		if p.Model == model && !slices.Contains(out, p.Horizon) {
			out = append(out, p.Horizon)
		}
	}
	slices.Sort(out)
	return out
}

// spoken is whose forecasts are drawn: the chosen model, or the one that spoke
// last where none is chosen or the chosen one has none of the symbol; "" where
// nothing is predicted.
func (v *chartView) spoken() string {
	d := v.desk
	if v.model != "" && slices.Contains(modelsOf(d, d.Symbol), v.model) {
		return v.model
	}
	if q := d.Frame.Quote(d.Symbol); q != nil {
		return q.Predicted.Model
	}
	return ""
}

// nextModel draws the forecasts of the next model.
func (v *chartView) nextModel() {
	d := v.desk
	models := modelsOf(d, d.Symbol)
	if len(models) == 0 {
		d.Say(Muted, "no model has predicted "+d.Symbol+" yet")
		return
	}
	v.model = models[(slices.Index(models, v.spoken())+1)%len(models)]
	if len(models) == 1 {
		d.Say(Muted, v.model+" is the only model in use")
		return
	}
	d.Say(Muted, "forecasts of "+v.model)
}

// nextHorizon draws the forecasts of one horizon, the next one, and after the
// last those of all.
func (v *chartView) nextHorizon() {
	d := v.desk
	model := v.spoken()
	horizons := horizonsOf(d, d.Symbol, model)
	if len(horizons) == 0 {
		d.Say(Muted, "no model has predicted "+d.Symbol+" yet")
		return
	}
	if i := slices.Index(horizons, v.horizon) + 1; i < len(horizons) {
		v.horizon = horizons[i]
		d.Say(Muted, model+", "+ahead(v.horizon)+" ahead; behind now what it said "+ahead(v.horizon)+" before")
		return
	}
	v.horizon = 0
	d.Say(Muted, model+", every horizon ahead; behind now what it said "+ahead(horizons[0])+" before")
}

// skilful says whether a model's live forecasts for a horizon are shown to be
// better than "no change"; known is false where the pipeline says nothing of it.
func (d *Desk) skilful(model string, horizon int32) (yes, known bool) {
	for _, m := range d.models() {
		if m.Name != model {
			continue
		}
		for _, list := range [...][]market.Score{m.Live, m.Filled} {
			for i := range list {
				if list[i].Horizon == horizon && list[i].N > 0 && !math.IsNaN(list[i].Skill.Low) {
					return list[i].Skilful(), true
				}
			}
		}
	}
	return false, false
}

// bandOf is the newest forecast of a symbol: all horizons of one model, or
// the one that is asked for where the model has it; of the model that spoke
// last where model is "" or has no forecast.
func bandOf(d *Desk, q *live.Quote, last market.Bar, model string, horizon int32) *chart.Band {
	if q == nil || q.Predicted.Model == "" {
		return nil
	}
	all := d.Data.Board.Predictions(nil, q.Symbol)
	newest := q.Predicted
	found := false
	for _, p := range all {
		if p.Model == model && (!found || p.Bar > newest.Bar) {
			newest, found = p, true
		}
	}
	var list, one []market.Prediction
	for _, p := range all {
		if p.Model != newest.Model || p.Bar != newest.Bar || target(&p) <= last.Time {
			continue
		}
		list = append(list, p)
		if p.Horizon == horizon {
			one = append(one, p)
		}
	}
	if len(one) > 0 {
		list = one
	}
	slices.SortFunc(list, func(a, b market.Prediction) int { return int(a.Horizon - b.Horizon) })
	if len(list) == 0 {
		return nil
	}
	b := &chart.Band{Doubt: true}
	for i := range list {
		if yes, known := d.skilful(list[i].Model, list[i].Horizon); yes || !known {
			b.Doubt = false
		}
		b.Times = append(b.Times, target(&list[i]))
		b.Mean, b.Low, b.High = append(b.Mean, list[i].Mean), append(b.Low, list[i].Low), append(b.High, list[i].High)
	}
	return b
}

// target is the moment that a forecast is about.
func target(p *market.Prediction) market.Time {
	return p.Bar.Add(market.Minute.Length() + time.Duration(p.Horizon)*time.Second)
}

// aheadOf is how many columns a forecast needs after the last bar; none where
// they would be more than half a screen, or less than two and it was not asked
// for.
func aheadOf(b *chart.Band, last market.Time, i market.Interval, z chart.Zoom, horizon int32) int {
	if b == nil || len(b.Times) == 0 {
		return 0
	}
	each := i.Length() * time.Duration(z.Bars)
	n := int(math.Ceil(float64(b.Times[len(b.Times)-1].Sub(last)) / float64(each)))
	if n < 1 || n < 2 && horizon == 0 {
		return 0
	}
	return min(n+2, 24)
}

// outcomes appends what became of the drawn model's earlier forecasts of one
// horizon: the chosen one, or the nearest.
func (v *chartView) outcomes(out []chart.Mark, s *series, start, end int) []chart.Mark {
	d := v.desk
	if v.on&studyPredictions == 0 || d.Interval >= market.Day {
		return out
	}
	recent := d.Data.Board.Predictions(nil, d.Symbol)
	model, horizon := v.spoken(), int32(math.MaxInt32)
	if model == "" && len(v.predictions.list) > 0 {
		model = v.predictions.list[len(v.predictions.list)-1].Model
	}
	for _, list := range [...][]market.Prediction{recent, v.predictions.list} {
		for i := range list {
			if p := &list[i]; p.Model != model {
				continue
			} else if p.Horizon == v.horizon {
				horizon = p.Horizon
				break
			} else {
				horizon = min(horizon, p.Horizon)
			}
		}
		if horizon == v.horizon {
			break
		}
	}
	from, to := s.bars[start].Time, s.bars[end-1].Time.Add(d.Interval.Length())
	seen := map[market.Time]bool{}
	for _, list := range [...][]market.Prediction{recent, v.predictions.list} {
		for i := range list {
			p := &list[i]
			at := target(p)
			if p.Symbol != d.Symbol || p.Model != model || p.Horizon != horizon || at < from || at >= to || seen[at] {
				continue
			}
			k := indexAt(s.bars[:end], at-1)
			if k < 0 || d.Interval > market.Minute && s.bars[k].Time.Add(d.Interval.Length()) != at {
				continue // the close of a longer bar is not the price at that moment
			}
			seen[at] = true
			ink := chart.Miss
			if close := s.bars[k].Close; close >= p.Low && close <= p.High {
				ink = chart.Hit
			}
			out = append(out, chart.Mark{Time: s.bars[k].Time, Price: p.Mean, Ink: ink})
		}
	}
	return out
}

// forecastLegend says in the chart's legend whose forecast is drawn, how its
// earlier ones fared, and why its line is muted.
type forecastLegend struct {
	name         string // the model and horizon; "" draws nothing
	doubt        bool
	hits, misses int
}

func (v *chartView) forecastLegend(b *chart.Band, marks []chart.Mark) forecastLegend {
	l := forecastLegend{name: v.spoken()}
	if v.on&studyPredictions == 0 || l.name == "" {
		return forecastLegend{}
	}
	if v.horizon != 0 && slices.Contains(horizonsOf(v.desk, v.desk.Symbol, l.name), v.horizon) {
		l.name += " " + ahead(v.horizon)
	}
	l.doubt = b != nil && b.Doubt
	for i := range marks {
		switch marks[i].Ink {
		case chart.Hit:
			l.hits++
		case chart.Miss:
			l.misses++
		}
	}
	if b == nil && l.hits+l.misses == 0 {
		return forecastLegend{}
	}
	return l
}

// draw writes as much as there is room for beside what else takes tail cells.
func (l *forecastLegend) draw(c *canvas, tail int) {
	if l.name == "" || c.room() <= width(l.name)+tail+5 {
		return
	}
	role := Predict
	if l.doubt {
		role = Muted
	}
	c.gap(2)
	c.put(c.on(role), "╌ ")
	c.put(c.on(role), l.name)
	if l.doubt {
		for _, why := range [...]string{" muted: not shown to be better than “no change”", " muted: no skill shown", " (no skill)"} {
			if c.room() > width(why)+tail+3 {
				c.muted(why)
				break
			}
		}
	}
	if l.hits+l.misses > 0 {
		hits, misses := "○ "+strconv.Itoa(l.hits)+" held", "× "+strconv.Itoa(l.misses)+" not"
		if c.room() > width(hits)+width(misses)+tail+5 {
			c.gap(2)
			c.put(c.on(Predict), hits)
			c.gap(2)
			c.put(c.on(Warn), misses)
		}
	}
}
