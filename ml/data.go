package ml

import (
	"math"
	"slices"
	"strings"

	"tapedeck/ml/features"
	"tapedeck/pipeline/market"
)

// Data is the history of a market as rows of features, each with what came
// after it: what models are trained on and judged by. It does not change once
// made and may be read from several goroutines.
type Data struct {
	series []series
	times  []market.Time // minutes with a usable row, in order
	rows   int           // usable ones
}

// series is the history of a symbol, an entry a minute.
type series struct {
	symbol     string
	sector     int // index into market.Sectors; one more: none
	times      []market.Time
	minute     []int32 // of the session, from 1
	level      []float64
	close      []float64
	volatility []float32 // NaN where the row cannot be used
	drift      []float32 // mean log return a minute of all minutes before and this one
	values     []float32 // [entries, features.Count]
}

// sample is a usable row of a Data.
type sample struct{ series, row int32 }

// NewData makes the rows of closed one-minute bars, in any order, by the same
// code that makes them live.
func NewData(bars []market.Bar) *Data {
	g := NewGatherer()
	g.panel.Feed(bars, g.minute)
	return g.Data()
}

// Gatherer makes a Data of bars that come in the order of their times, without
// keeping them: a million rows take about 70 MB.
type Gatherer struct {
	data  *Data
	panel *features.Panel
	index map[string]int // into data.series
	now   market.Time    // minute whose bars come
}

// NewGatherer is a gatherer without bars.
func NewGatherer() *Gatherer {
	return &Gatherer{data: &Data{}, panel: features.NewPanel(), index: make(map[string]int)}
}

// Add takes a closed one-minute bar that is not older than the one before.
// Others are passed over.
func (g *Gatherer) Add(b *market.Bar) {
	if b.Time > g.now {
		g.cut()
		g.now = b.Time
	}
	g.panel.Add(b)
}

func (g *Gatherer) cut() {
	if g.now > g.panel.Now() && len(g.panel.Pending()) > 0 {
		g.panel.CutEach(g.now, g.minute)
	}
}

// Data ends the last minute and gives the history. The gatherer is of no use
// after it.
func (g *Gatherer) Data() *Data {
	g.cut()
	d := g.data
	slices.SortFunc(d.series, func(a, b series) int { return strings.Compare(a.symbol, b.symbol) })
	return d
}

// minute takes the rows of a minute that was cut.
func (g *Gatherer) minute(t market.Time) {
	d, usable := g.data, false
	for r := range g.panel.Newest() {
		k, ok := g.index[r.Symbol]
		if !ok {
			k = len(d.series)
			name := strings.Clone(r.Symbol)
			g.index[name] = k
			d.series = append(d.series, series{symbol: name, sector: sectorOf(r.Sector)})
		}
		d.series[k].add(&r)
		if r.Ready {
			usable = true
			d.rows++
		}
	}
	if usable {
		d.times = append(d.times, t)
	}
}

func sectorOf(name string) int {
	if i := slices.Index(market.Sectors[:], name); i >= 0 {
		return i
	}
	return len(market.Sectors)
}

func (s *series) add(r *features.Row) {
	s.times = append(s.times, r.Time)
	s.minute = append(s.minute, int32(r.Minute))
	s.level = append(s.level, r.Level)
	s.close = append(s.close, r.Close)
	v := float32(math.NaN())
	if r.Ready {
		v = float32(r.Volatility)
	}
	s.volatility = append(s.volatility, v)
	s.drift = append(s.drift, float32(math.Log(r.Level)/float64(len(s.level))))
	s.values = append(s.values, r.Values[:]...)
}

// Symbols is the number of symbols.
func (d *Data) Symbols() int { return len(d.series) }

// Rows is the number of rows that a model can be asked about.
func (d *Data) Rows() int { return d.rows }

// Span is the first and the last minute with such a row; zeros without any.
func (d *Data) Span() (from, to market.Time) {
	if len(d.times) == 0 {
		return 0, 0
	}
	return d.times[0], d.times[len(d.times)-1]
}

// Minutes is the number of minutes with such a row.
func (d *Data) Minutes() int { return len(d.times) }

// samples are the usable rows of from <= Time < to, in the order of time, then
// symbol. A zero to is open.
func (d *Data) samples(from, to market.Time) []sample {
	type place struct {
		sample
		at market.Time
	}
	var list []place
	for k := range d.series {
		s := &d.series[k]
		first, _ := slices.BinarySearch(s.times, from)
		for i := first; i < len(s.times) && (to == 0 || s.times[i] < to); i++ {
			if v := s.volatility[i]; v == v {
				list = append(list, place{sample{int32(k), int32(i)}, s.times[i]})
			}
		}
	}
	slices.SortStableFunc(list, func(a, b place) int { return int(min(max(a.at-b.at, -1), 1)) })
	out := make([]sample, len(list))
	for i := range list {
		out[i] = list[i].sample
	}
	return out
}

func (d *Data) time(s sample) market.Time { return d.series[s.series].times[s.row] }

// outcome is the log return over the horizon that followed a row, and whether
// the session lasted that long.
func (d *Data) outcome(p sample, horizon int32) (float64, bool) {
	s := &d.series[p.series]
	i, ahead := int(p.row), int(horizon/60)
	j := i + ahead
	if j >= len(s.times) || s.minute[j] != s.minute[i]+int32(ahead) {
		return 0, false
	}
	return math.Log(s.level[j] / s.level[i]), true
}

// scale is what returns over a horizon are measured in: the standard deviation
// that a random walk of the row's volatility has after it.
func (d *Data) scale(p sample, horizon int32) float64 {
	return scale(d.series[p.series].volatility[p.row], horizon)
}

func scale(volatility float32, horizon int32) float64 {
	return float64(volatility) * math.Sqrt(float64(horizon)/60)
}

// window writes the window that a model sees at a row, as features.Panel.Frame
// does.
func (d *Data) window(p sample, dst []float32) {
	s := &d.series[p.series]
	i := int(p.row)
	n := min(int(s.minute[i]), features.Window)
	clear(dst[:(features.Window-n)*features.Count])
	copy(dst[(features.Window-n)*features.Count:], s.values[(i-n+1)*features.Count:(i+1)*features.Count])
}

// lagged writes the rows of so many minutes ago, one after the other; zeros
// where the session was not on yet.
func (d *Data) lagged(p sample, lags []int, dst []float32) {
	s := &d.series[p.series]
	for k, lag := range lags {
		part := dst[k*features.Count:][:features.Count]
		if int(s.minute[p.row]) <= lag {
			clear(part)
			continue
		}
		copy(part, s.values[(int(p.row)-lag)*features.Count:][:features.Count])
	}
}

// batch is the batch of some rows.
func (d *Data) batch(list []sample) Batch {
	const size = features.Window * features.Count
	b := Batch{Rows: len(list), Window: features.Window, Features: features.Count,
		Values: make([]float32, len(list)*size), Volatility: make([]float32, len(list))}
	for i, p := range list {
		d.window(p, b.Values[i*size:(i+1)*size])
		b.Volatility[i] = d.series[p.series].volatility[p.row]
	}
	return b
}

// targets are the outcomes of rows in units of scale, cut to ±maxTarget; NaN
// where there is none. With relative they are less their mean over the symbols
// of the same sector in the same minute. What all of them do together happens
// once, however many they are: some hours hold too little of it to learn from,
// and it would drown what can be learned.
func (d *Data) targets(list []sample, horizon int32, relative bool) []float32 {
	out := make([]float32, len(list))
	type sum struct {
		total float64
		n     int
	}
	for i := 0; i < len(list); {
		begin, t := i, d.time(list[i])
		var sums [len(market.Sectors) + 1]sum
		for ; i < len(list) && d.time(list[i]) == t; i++ {
			r, ok := d.outcome(list[i], horizon)
			if !ok {
				out[i] = float32(math.NaN())
				continue
			}
			v := min(max(r/d.scale(list[i], horizon), -maxTarget), maxTarget)
			out[i] = float32(v)
			s := &sums[d.series[list[i].series].sector]
			s.total += v
			s.n++
		}
		if !relative {
			continue
		}
		var all sum
		for _, s := range sums {
			all.total += s.total
			all.n += s.n
		}
		for k := begin; k < i; k++ {
			s := sums[d.series[list[k].series].sector]
			if s.n < minTogether {
				s = all
			}
			if s.n >= minTogether {
				out[k] -= float32(s.total / float64(s.n))
			}
		}
	}
	return out
}

const (
	maxTarget   = 5.0
	minTogether = 10 // symbols of a sector, or of all, for a mean to be taken off
)
