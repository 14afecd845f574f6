package prophet

import (
	"compress/gzip"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// oracle is what the Python library gave for one case.
type oracle struct {
	CSV          string         `json:"csv"`
	Freq         string         `json:"freq"`
	Options      map[string]any `json:"options"`
	Extra        map[string]any `json:"extra"`
	Changepoints []string       `json:"changepoints"`
	Columns      []string       `json:"beta_columns"`
	Scaling      struct {
		YScale float64 `json:"y_scale"`
	} `json:"scaling"`
	Params       oracleParams `json:"params"`
	LogPosterior float64      `json:"log_posterior_unnormalised"`
	Tight        struct {
		Params       oracleParams `json:"params"`
		LogPosterior float64      `json:"log_posterior_unnormalised"`
	} `json:"tight"`
	InSample struct {
		RMSE     float64 `json:"rmse"`
		Coverage float64 `json:"coverage_of_interval"`
	} `json:"in_sample"`
	Interval struct {
		Width   float64 `json:"width"`
		History float64 `json:"mean_width_history"`
		Future  float64 `json:"mean_width_future"`
		Spread  float64 `json:"sd_of_mean_width_future_over_repeats"`
		Exact   float64 `json:"not_vectorized_mean_width_future"`
	} `json:"interval"`
	Holidays []struct {
		Holiday string  `json:"holiday"`
		DS      string  `json:"ds"`
		Lower   float64 `json:"lower_window"`
		Upper   float64 `json:"upper_window"`
	} `json:"holidays"`

	name string
	rows map[string][]float64
	ds   []market.Time
}

type oracleParams struct {
	K     float64   `json:"k"`
	M     float64   `json:"m"`
	Delta []float64 `json:"delta"`
	Beta  []float64 `json:"beta"`
	Sigma float64   `json:"sigma_obs"`
}

func (p oracleParams) params() Params {
	return Params{K: p.K, M: p.M, Delta: p.Delta, Sigma: p.Sigma, Beta: p.Beta}
}

func unzip(t testing.TB, name string) io.Reader {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func moment(t testing.TB, s string) market.Time {
	t.Helper()
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02"} {
		if at, err := time.Parse(layout, s); err == nil {
			return market.Time(at.UnixMicro())
		}
	}
	t.Fatalf("not a time: %q", s)
	return 0
}

func oracles(t testing.TB) []*oracle {
	t.Helper()
	var meta struct {
		Cases map[string]*oracle `json:"cases"`
	}
	if err := json.NewDecoder(unzip(t, "meta.json.gz")).Decode(&meta); err != nil {
		t.Fatal(err)
	}
	var out []*oracle
	for _, name := range []string{"air_default", "air_flat", "air_multiplicative", "air_options", "data_default", "data2_default",
		"peyton_default", "peyton_holidays", "peyton_logistic"} {
		o := meta.Cases[name]
		o.name, o.rows = name, map[string][]float64{}
		rows, err := csv.NewReader(unzip(t, name+".csv.gz")).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows[1:] {
			o.ds = append(o.ds, moment(t, row[0]))
			for i, cell := range row[1:] {
				v := math.NaN()
				if cell != "" {
					if v, err = strconv.ParseFloat(cell, 64); err != nil {
						t.Fatal(err)
					}
				}
				o.rows[rows[0][i+1]] = append(o.rows[rows[0][i+1]], v)
			}
		}
		out = append(out, o)
	}
	return out
}

// config is the case's configuration.
func (o *oracle) config(t testing.TB) Config {
	c := DefaultConfig()
	delete(o.Options, "holidays") // listed apart
	data, err := json.Marshal(o.Options)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &c); err != nil {
		t.Fatal(err)
	}
	for _, h := range o.Holidays {
		c.Holidays = append(c.Holidays, Holiday{Name: h.Holiday, Date: moment(t, h.DS), LowerWindow: int(h.Lower), UpperWindow: int(h.Upper)})
	}
	return c
}

// history is the case's input: rows of its answer, or of the shared data where
// the answer holds only some of them.
func (o *oracle) history(t testing.TB) Series {
	var s Series
	if o.CSV == "example_wp_log_peyton_manning.csv" {
		s = peyton(t)
	} else {
		for i, y := range o.rows["y"] {
			if !math.IsNaN(y) {
				s.Times = append(s.Times, o.ds[i])
				s.Values = append(s.Values, y)
			}
		}
	}
	s.Cap, s.Floor = o.limits(len(s.Times))
	return s
}

// limits repeats the case's cap and floor for n rows.
func (o *oracle) limits(n int) (cap, floor []float64) {
	repeat := func(name string) []float64 {
		v, ok := o.Extra[name].(float64)
		if !ok {
			return nil
		}
		return slices.Repeat([]float64{v}, n)
	}
	return repeat("cap"), repeat("floor")
}

func peyton(t testing.TB) Series {
	f, err := os.Open("../../../shared/data/prophet/example_wp_log_peyton_manning.csv")
	if err != nil {
		t.Skip("the Peyton Manning series is not on this machine")
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var s Series
	for _, row := range rows[1:] {
		y, err := strconv.ParseFloat(row[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		s.Times, s.Values = append(s.Times, moment(t, row[0])), append(s.Values, y)
	}
	return s
}

func TestLogPosteriorIsTheOriginals(t *testing.T) {
	for _, o := range oracles(t) {
		t.Run(o.name, func(t *testing.T) {
			m, p := o.scaled(t)
			if m.yScale != o.Scaling.YScale {
				t.Errorf("y scale %v, not %v", m.yScale, o.Scaling.YScale)
			}
			for i, c := range m.changepoints {
				if c != moment(t, o.Changepoints[i]) {
					t.Fatalf("changepoint %d at %s, not %s", i, stamp(c), o.Changepoints[i])
				}
			}
			for _, c := range []struct {
				params oracleParams
				want   float64
			}{{o.Params, o.LogPosterior}, {o.Tight.Params, o.Tight.LogPosterior}} {
				theta := p.theta(c.params.params())
				at := newMean(len(p.t))
				p.at(theta, at)
				if got := p.value(theta, c.params.Sigma, at.rss); math.Abs(got-c.want) > 1e-6*math.Abs(c.want) {
					t.Errorf("log posterior %.6f, not %.6f", got, c.want)
				}
			}
		})
	}
}

// scaled is the model of a case before its fit.
func (o *oracle) scaled(t testing.TB) (*Model, *posterior) {
	s, err := o.history(t).sorted(o.config(t).Growth)
	if err != nil {
		t.Fatal(err)
	}
	m := &Model{config: o.config(t), start: s.Times[0], span: float64(s.Times[len(s.Times)-1] - s.Times[0])}
	m.scale(s)
	m.changepoints = m.config.placeChangepoints(s.Times)
	m.terms = m.config.terms(s.Times)
	return m, m.posterior(s)
}

func TestFitReachesTheOptimum(t *testing.T) {
	for _, o := range oracles(t) {
		t.Run(o.name, func(t *testing.T) {
			start := time.Now()
			m, err := Fit(context.Background(), o.config(t), o.history(t))
			if err != nil {
				t.Fatal(err)
			}
			t.Logf("%v: log posterior %.6f, Prophet %.6f, tight %.6f", time.Since(start), m.LogPosterior(), o.LogPosterior, o.Tight.LogPosterior)
			if m.LogPosterior() < o.LogPosterior || m.LogPosterior() < o.Tight.LogPosterior-1e-6 {
				t.Errorf("log posterior %.6f is below Prophet's %.6f or its better optimum %.6f", m.LogPosterior(), o.LogPosterior, o.Tight.LogPosterior)
			}
		})
	}
}
