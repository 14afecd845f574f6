package prophet

import (
	"math"
	"slices"
	"sort"
	"time"

	"tapedeck/pipeline/market"
)

const dayMicros = 24 * 3600 * 1e6

// term is one named component and its columns in the matrix X of features.
type term struct {
	Name       string  `json:"name"`
	Mode       Mode    `json:"mode"`
	PriorScale float64 `json:"prior_scale"`
	Period     float64 `json:"period,omitempty"` // days; 0: a holiday
	Order      int     `json:"fourier_order,omitempty"`
	Window     []shift `json:"window,omitempty"` // the days of a holiday, a column each
}

// shift is one day of a holiday's window, so many days after the holiday.
type shift struct {
	Offset int     `json:"offset"`
	Days   []int64 `json:"days"` // its dates, in days since the epoch
}

// width is the number of columns of the term.
func (t *term) width() int {
	if t.Period > 0 {
		return 2 * t.Order
	}
	return len(t.Window)
}

// fill writes the term's features at the given times, a column at a time.
// Fourier features are those of Prophet: sin and cos of 2πjt/period with t in
// days since the epoch.
func (t *term) fill(times []market.Time, cols [][]float64) {
	if t.Period > 0 {
		for i, at := range times {
			x := math.Floor(float64(at)/1e6) / 86400 * math.Pi * 2
			for j := range t.Order {
				cols[2*j][i], cols[2*j+1][i] = math.Sincos(x * float64(j+1) / t.Period)
			}
		}
		return
	}
	for c, w := range t.Window {
		on := make(map[int64]bool, len(w.Days))
		for _, d := range w.Days {
			on[d] = true
		}
		for i, at := range times {
			if on[dayNumber(at)] {
				cols[c][i] = 1
			}
		}
	}
}

func dayNumber(t market.Time) int64 { return int64(math.Floor(float64(t) / dayMicros)) }

// matrix allocates n columns of the given number of rows in one block, which the
// first column can be extended to.
func matrix(n, rows int) [][]float64 {
	block := make([]float64, n*rows)
	cols := make([][]float64, n)
	for i := range cols {
		cols[i] = block[i*rows : (i+1)*rows]
	}
	return cols
}

// features is the matrix X at the given times: the columns of all terms in order.
func features(terms []term, times []market.Time) [][]float64 {
	cols := matrix(widths(terms), len(times))
	at := 0
	for i := range terms {
		w := terms[i].width()
		terms[i].fill(times, cols[at:at+w])
		at += w
	}
	return cols
}

func widths(terms []term) int {
	n := 0
	for i := range terms {
		n += terms[i].width()
	}
	return n
}

// terms lists seasonalities and holidays in Prophet's order, for a history with
// sorted times.
func (c *Config) terms(times []market.Time) []term {
	var out []term
	add := func(s Seasonality) {
		if s.PriorScale == 0 {
			s.PriorScale = c.SeasonalityPriorScale
		}
		if s.Mode == "" {
			s.Mode = c.SeasonalityMode
		}
		out = append(out, term{Name: s.Name, Mode: s.Mode, PriorScale: s.PriorScale, Period: s.Period, Order: s.Order})
	}
	given := map[string]bool{}
	for _, s := range c.Seasonalities {
		given[s.Name] = true
		add(s)
	}
	const day = float64(dayMicros)
	span := float64(times[len(times)-1] - times[0])
	step := span
	for i := 1; i < len(times); i++ {
		step = min(step, float64(times[i]-times[i-1]))
	}
	builtins := []struct {
		name   string
		period float64
		order  Order
		auto   int
		on     bool
	}{
		{"yearly", 365.25, c.YearlySeasonality, 10, span >= 730*day},
		{"weekly", 7, c.WeeklySeasonality, 3, span >= 14*day && step < 7*day},
		{"daily", 1, c.DailySeasonality, 4, span >= 2*day && step < day},
	}
	for _, b := range builtins {
		order := int(b.order)
		if b.order == Auto && b.on {
			order = b.auto
		}
		if order > 0 && !given[b.name] {
			add(Seasonality{Name: b.name, Period: b.period, Order: order})
		}
	}
	return append(out, c.holidayTerms()...)
}

// holidayTerms gathers the occurrences of each holiday under its name.
func (c *Config) holidayTerms() []term {
	mode := c.HolidaysMode
	if mode == "" {
		mode = c.SeasonalityMode
	}
	byName := map[string]*term{}
	var names []string
	for _, h := range c.Holidays {
		t := byName[h.Name]
		if t == nil {
			t = &term{Name: h.Name, Mode: mode, PriorScale: h.PriorScale}
			if h.PriorScale == 0 {
				t.PriorScale = c.HolidaysPriorScale
			}
			byName[h.Name] = t
			names = append(names, h.Name)
		}
		for o := h.LowerWindow; o <= h.UpperWindow; o++ {
			i, ok := slices.BinarySearchFunc(t.Window, o, func(s shift, o int) int { return s.Offset - o })
			if !ok {
				t.Window = slices.Insert(t.Window, i, shift{Offset: o})
			}
			t.Window[i].Days = append(t.Window[i].Days, dayNumber(h.Date)+int64(o))
		}
	}
	sort.Strings(names)
	out := make([]term, len(names))
	for i, name := range names {
		out[i] = *byName[name]
	}
	return out
}

// placeChangepoints gives the changepoints of a history with sorted times:
// those of the configuration, or NChangepoints spread evenly over the rows of
// the first ChangepointRange of the history, the first row excluded.
func (c *Config) placeChangepoints(times []market.Time) []market.Time {
	if c.Changepoints != nil {
		out := append([]market.Time{}, c.Changepoints...)
		sort.Slice(out, func(a, b int) bool { return out[a] < out[b] })
		return out
	}
	rows := int(math.Floor(float64(len(times)) * c.ChangepointRange))
	n := min(c.NChangepoints, rows-1)
	var out []market.Time
	for i := 1; i <= n; i++ {
		at := math.RoundToEven(float64(i) * (float64(rows-1) / float64(n)))
		out = append(out, times[int(at)])
	}
	return out
}

// stamp writes a time as Prophet does, for errors and files.
func stamp(t market.Time) string {
	u := time.UnixMicro(int64(t)).UTC()
	if int64(t)%dayMicros == 0 {
		return u.Format("2006-01-02")
	}
	return u.Format("2006-01-02 15:04:05.999999")
}
