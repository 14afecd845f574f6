package prophet

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"tapedeck/pipeline/market"
)

func fitted(t testing.TB, c Config, s Series) *Model {
	t.Helper()
	m, err := Fit(context.Background(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func ahead(t testing.TB, m *Model, n int, freq string) *Forecast {
	t.Helper()
	future, err := m.MakeFuture(n, mustFrequency(freq))
	if err != nil {
		t.Fatal(err)
	}
	f, err := m.Predict(context.Background(), future)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestForecastAddsUp(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			f := ahead(t, fitted(t, v.config, v.series), 120, "D")
			for i := range f.Times {
				add, mul := 0.0, 0.0
				for _, c := range f.Components {
					switch {
					case c.Name == "holidays":
					case c.Mode == Additive:
						add += c.Values[i]
					default:
						mul += c.Values[i]
					}
				}
				yhat := f.Trend[i]*(1+mul) + add
				if math.Abs(yhat-f.Yhat[i]) > 1e-9*math.Abs(yhat) {
					t.Fatalf("row %d: the parts give %v, yhat is %v", i, yhat, f.Yhat[i])
				}
				if !(f.YhatLower[i] < f.Yhat[i] && f.Yhat[i] < f.YhatUpper[i] && f.TrendLower[i] <= f.TrendUpper[i]) {
					t.Fatalf("row %d: %v is outside %v to %v", i, f.Yhat[i], f.YhatLower[i], f.YhatUpper[i])
				}
				if f.Cap != nil && !(f.TrendUpper[i] <= f.Cap[i] && f.TrendLower[i] >= f.Floor[i]) {
					t.Fatalf("row %d: the trend %v to %v leaves %v to %v", i, f.TrendLower[i], f.TrendUpper[i], f.Floor[i], f.Cap[i])
				}
			}
		})
	}
}

// TestPredictDependsOnTheRowOnly asks for rows alone and together.
func TestPredictDependsOnTheRowOnly(t *testing.T) {
	m := fitted(t, DefaultConfig(), wave(300, 1))
	all := ahead(t, m, 60, "D")
	one, err := m.Predict(context.Background(), Future{Times: []market.Time{all.Times[59], all.Times[7]}})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range []int{7, 59} {
		if one.Yhat[i] != all.Yhat[row] || one.YhatLower[i] != all.YhatLower[row] || one.TrendUpper[i] != all.TrendUpper[row] {
			t.Errorf("row %d differs when asked alone", row)
		}
	}
	m.config.Seed = 2
	if other := ahead(t, m, 60, "D"); other.YhatLower[5] == all.YhatLower[5] || other.Yhat[5] != all.Yhat[5] {
		t.Error("the seed moves the interval, and nothing else")
	}
}

func TestIntervalsHoldTheirShare(t *testing.T) {
	s := wave(800, 5)
	for _, width := range []float64{0.5, 0.8, 0.95} {
		c := DefaultConfig()
		c.IntervalWidth = width
		m := fitted(t, c, s)
		f, err := m.Predict(context.Background(), m.History())
		if err != nil {
			t.Fatal(err)
		}
		inside := 0.0
		for i, y := range s.Values {
			if f.YhatLower[i] <= y && y <= f.YhatUpper[i] {
				inside++
			}
		}
		if share := inside / float64(len(s.Values)); math.Abs(share-width) > 0.04 {
			t.Errorf("an interval of %v holds %v", width, share)
		}
	}
}

func TestPredictRefuses(t *testing.T) {
	c := DefaultConfig()
	c.Growth = Logistic
	m := fitted(t, c, limits(wave(60, 1), 100, 0))
	day := []market.Time{date("2030-01-01")}
	for want, f := range map[string]Future{
		"no times":           {},
		"give a column cap":  {Times: day},
		"is not above floor": {Times: day, Cap: []float64{5}, Floor: []float64{5}},
		"finite numbers":     {Times: day, Cap: []float64{math.Inf(1)}},
	} {
		if _, err := m.Predict(context.Background(), f); !errors.Is(err, ErrSeries) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, not one that says %q", err, want)
		}
	}
	linear := fitted(t, DefaultConfig(), wave(60, 1))
	if _, err := linear.Predict(context.Background(), Future{Times: []market.Time{date("2900-01-01")}}); !errors.Is(err, ErrSeries) || !strings.Contains(err.Error(), "ask for a nearer time") {
		t.Errorf("far ahead: %v", err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := m.Predict(ended, m.History()); !errors.Is(err, context.Canceled) {
		t.Errorf("with an ended context: %v", err)
	}
}

func TestModelSurvivesItsFile(t *testing.T) {
	for name, v := range variants() {
		t.Run(name, func(t *testing.T) {
			m := fitted(t, v.config, v.series)
			var file bytes.Buffer
			if err := m.Save(&file); err != nil {
				t.Fatal(err)
			}
			back, err := Load(&file)
			if err != nil {
				t.Fatal(err)
			}
			a, b := ahead(t, m, 30, "D"), ahead(t, back, 30, "D")
			if !slices.Equal(a.Yhat, b.Yhat) || !slices.Equal(a.YhatLower, b.YhatLower) || !slices.Equal(a.TrendUpper, b.TrendUpper) {
				t.Error("forecasts differ")
			}
			if back.LogPosterior() != m.LogPosterior() || !slices.Equal(back.Terms(), m.Terms()) {
				t.Error("the model differs")
			}
		})
	}
}

func TestLoadRefuses(t *testing.T) {
	var file bytes.Buffer
	if err := fitted(t, DefaultConfig(), wave(60, 1)).Save(&file); err != nil {
		t.Fatal(err)
	}
	good := file.String()
	for want, edit := range map[string][2]string{
		"format is":                    {documentFormat, "other"},
		"this program reads 1":         {`"version":1`, `"version":2`},
		"span or y_scale":              {`"span":`, `"span":-`},
		"growth is":                    {`"growth":"linear"`, `"growth":"steep"`},
		"coefficients":                 {`"beta":[`, `"beta":[1,`},
		"sigma_obs":                    {`"sigma_obs":`, `"sigma_obs":-`},
		"not in order":                 {`"times":[`, `"times":[4102444800000000,`},
		"no valid period":              {`"fourier_order":3`, `"fourier_order":1000000000`},
		"not JSON":                     {`{"format"`, `["format"`},
		"has no name, mode":            {`"name":"weekly"`, `"name":""`},
		"damaged: interval_width is 8": {`"interval_width":0.8`, `"interval_width":8`},
	} {
		bad := strings.Replace(good, edit[0], edit[1], 1)
		if bad == good {
			t.Errorf("%q is not in the file", edit[0])
		}
		if _, err := Load(strings.NewReader(bad)); !errors.Is(err, ErrModel) || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, not one that says %q", err, want)
		}
	}
}

func TestForecastFiles(t *testing.T) {
	f := ahead(t, fitted(t, DefaultConfig(), wave(800, 1)), 5, "D")
	var file bytes.Buffer
	if err := f.WriteCSV(&file); err != nil {
		t.Fatal(err)
	}
	rows, err := csv.NewReader(&file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	want := "ds,yhat,yhat_lower,yhat_upper,trend,trend_lower,trend_upper,additive_terms,additive_terms_lower,additive_terms_upper," +
		"multiplicative_terms,multiplicative_terms_lower,multiplicative_terms_upper,weekly,weekly_lower,weekly_upper,yearly,yearly_lower,yearly_upper"
	if got := strings.Join(rows[0], ","); got != want {
		t.Errorf("columns %s", got)
	}
	if rows[1][0] != "2021-03-11" || len(rows) != 6 {
		t.Errorf("%d rows from %s", len(rows)-1, rows[1][0])
	}
	if y, _ := strconv.ParseFloat(rows[3][1], 64); y != f.Yhat[2] {
		t.Errorf("yhat %v reads back as %v", f.Yhat[2], y)
	}
	if err := f.WriteJSON(&file); err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	if err := json.Unmarshal(file.Bytes(), &objects); err != nil {
		t.Fatal(err)
	}
	if len(objects) != 5 || objects[2]["yhat"] != f.Yhat[2] || objects[0]["ds"] != "2021-03-11" {
		t.Errorf("JSON %v", objects)
	}
}

func TestQuantile(t *testing.T) {
	v := []float64{9, 1, 8, 2, 7, 3, 6, 4, 5, 0}
	for _, c := range []struct{ q, want float64 }{{0, 0}, {0.1, 0.9}, {0.5, 4.5}, {0.9, 8.1}, {1, 9}} {
		if got := quantile(slices.Clone(v), c.q); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("quantile %v is %v, not %v", c.q, got, c.want)
		}
	}
	if got := quantile([]float64{3}, 0.5); got != 3 {
		t.Errorf("of one value %v", got)
	}
}
