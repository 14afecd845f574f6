package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/ml"
	"tapedeck/ml/features"
	"tapedeck/ml/sagemaker"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// evenly answers every batch with the same returns, unless it is away.
type evenly struct {
	away  error
	asked []int // rows of each batch
}

func (s *evenly) Predict(_ context.Context, batch ml.Batch, out []float32) error {
	if err := batch.Validate(); err != nil {
		return err
	}
	if s.away != nil {
		return s.away
	}
	s.asked = append(s.asked, batch.Rows)
	for i := 0; i < len(out); i += ml.Outputs {
		out[i], out[i+1], out[i+2] = 0.001, -0.01, 0.012
	}
	return nil
}

// served answers as evenly does, behind an endpoint.
type served struct{}

func (served) Invoke(_ context.Context, _, _ int, _, out []float32) error {
	for i := 0; i < len(out); i += ml.Outputs {
		out[i], out[i+1], out[i+2] = 0.001, -0.01, 0.012
	}
	return nil
}

func (served) Describe() sagemaker.Description {
	d := sagemaker.Description{Kind: "test", Name: "busy", Version: "1", Window: features.Window, Columns: len(features.Names)}
	d.Width, d.Outputs = 1+d.Window*d.Columns, 2*ml.Outputs
	return d
}

// someMinutes are bars of symbols for minutes from..to.
func someMinutes(symbols, from, to int) []market.Bar {
	random := rand.New(rand.NewPCG(3, uint64(from)))
	start := market.At(time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC))
	var bars []market.Bar
	for m := from; m < to; m++ {
		for i := range symbols {
			price := 100 * math.Exp(0.001*random.NormFloat64())
			bars = append(bars, market.Bar{Symbol: fmt.Sprintf("S%02d", i), Interval: market.Minute, Time: start.Add(time.Duration(m) * time.Minute),
				Open: price, High: price, Low: price, Close: price, Volume: 100, VWAP: price, Trades: 1})
		}
	}
	return bars
}

// pastOf is a past with these bars and predictions.
func pastOf(bars []market.Bar, predictions []market.Prediction) recordedPast {
	return func(_ context.Context, feed func([]market.Bar) market.Time, prediction func(*market.Prediction)) error {
		since := feed(slices.Clone(bars))
		for i := range predictions {
			if since > 0 && predictions[i].Bar >= since {
				prediction(&predictions[i])
			}
		}
		return nil
	}
}

// forecastsOf runs a forecaster that is warm on an hour of twenty symbols.
func forecastsOf(t *testing.T, models ...*askedModel) (*forecaster, func(now time.Time) []market.Prediction) {
	t.Helper()
	shelf := &modelShelf{load: func([]*askedModel) ([]*askedModel, error) { return models, nil }}
	f := newForecaster(shelf, pastOf(someMinutes(20, 0, 60), nil), nil, discard())
	if err := f.Warm(t.Context()); err != nil {
		t.Fatal(err)
	}
	return f, func(now time.Time) []market.Prediction {
		t.Helper()
		var list []market.Prediction
		err := f.Predict(t.Context(), now, func(p *market.Prediction) error {
			list = append(list, *p)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
}

func steadyModel(name string, champion bool, p ml.Predictor) *askedModel {
	return &askedModel{champion: champion, predictor: p, manifest: &ml.Manifest{Name: name, Version: "1", Horizons: []int32{60, 300},
		Window: features.Window, Features: features.Names[:]}}
}

func (f *forecaster) take(bars []market.Bar) {
	for i := range bars {
		f.Bar(&bars[i])
	}
}

func TestAMinuteIsForecastWhenItIsComplete(t *testing.T) {
	champion, challenger := &evenly{}, &evenly{}
	f, predict := forecastsOf(t, steadyModel("xgboost", true, champion), steadyModel("lstm", false, challenger))
	minute := someMinutes(20, 60, 61)
	now := time.Now()
	f.take(minute[:19])
	if list := predict(now); len(list) != 0 {
		t.Fatalf("%d forecasts before the last bar", len(list))
	}
	f.take(minute[19:])
	list := predict(now)
	if len(list) != 20*2*2 {
		t.Fatalf("%d forecasts, want one for each symbol, horizon and model", len(list))
	}
	if list[0].Model != "lstm" || list[len(list)-1].Model != "xgboost" {
		t.Error("the champion does not have the last word")
	}
	for _, p := range list {
		end := p.Bar.Add(time.Minute)
		if p.Bar != minute[0].Time || p.Made < end || p.Made > end.Add(time.Minute) || !(p.Low < p.Mean && p.Mean < p.High) || p.BackFilled {
			t.Fatalf("%+v", p)
		}
	}
	f.take(minute) // once more, as after a crash
	if list := predict(now.Add(time.Minute)); len(list) != 0 {
		t.Errorf("%d forecasts of bars that came twice", len(list))
	}
}

// A symbol that does not trade holds up nobody for long.
func TestStragglersAreNotWaitedForLong(t *testing.T) {
	f, predict := forecastsOf(t, steadyModel("xgboost", true, &evenly{}))
	f.take(someMinutes(20, 60, 61)[:15])
	if list := predict(time.Now()); len(list) != 0 {
		t.Fatal("nobody was waited for")
	}
	if list := predict(time.Now().Add(2 * stragglers)); len(list) != 15*2 {
		t.Errorf("%d forecasts, want those of 15 symbols", len(list))
	}
}

// What was late when it came is no forecast: it is part of the next one's past.
func TestMinutesThatLieBackAreNotForecast(t *testing.T) {
	model := &evenly{}
	f, predict := forecastsOf(t, steadyModel("xgboost", true, model))
	f.take(someMinutes(20, 60, 70))
	list := predict(time.Now().Add(2 * stragglers))
	if len(model.asked) != 1 || len(list) != 40 {
		t.Fatalf("asked %d times, %d forecasts", len(model.asked), len(list))
	}
	if want := someMinutes(1, 69, 70)[0].Time; list[0].Bar != want {
		t.Errorf("forecast is the minute %s, not %s", list[0].Bar, want)
	}
}

func TestAnEndpointThatIsAwayIsSaidAndComesBack(t *testing.T) {
	model := &evenly{away: errors.New("connection refused")}
	other := &evenly{}
	f, predict := forecastsOf(t, steadyModel("xgboost", true, model), steadyModel("lstm", false, other))
	for k := range 3 {
		f.take(someMinutes(20, 60+k, 61+k))
		for _, p := range predict(time.Now()) {
			if p.Model != "lstm" {
				t.Fatalf("a forecast by a model that is away: %+v", p)
			}
		}
	}
	models, level, text := f.Models()
	if level != live.Trouble || !models[0].Down || models[0].Failures != 3 || models[1].Down || text == "" {
		t.Errorf("%v %q %+v", level, text, models)
	}
	model.away = nil
	f.take(someMinutes(20, 63, 64))
	if list := predict(time.Now()); len(list) != 80 {
		t.Errorf("%d forecasts when it is back", len(list))
	}
	if models, level, _ := f.Models(); level != live.OK || models[0].Down || models[0].Symbols != 20 {
		t.Errorf("%v %+v", level, models[0])
	}
}

// An endpoint that is asked more than its instances can answer costs the
// forecasts of those minutes, which is said; the bars are in the next ones' past.
func TestAThrottledEndpointIsSaidAndComesBack(t *testing.T) {
	var throttled atomic.Bool
	throttled.Store(true)
	server := sagemaker.NewServer(sagemaker.ServerConfig{})
	server.Set("busy", served{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if throttled.Load() {
			w.Header().Set("X-Amzn-ErrorType", "ThrottlingException")
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"message":"Rate exceeded"}`)
			return
		}
		server.ServeHTTP(w, r)
	}))
	defer web.Close()
	now := time.Now()
	client, err := sagemaker.NewClient(t.Context(), sagemaker.ClientConfig{Endpoint: "busy", BaseURL: web.URL,
		Horizons: []int32{60, 300}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	f, predict := forecastsOf(t, steadyModel("xgboost", true, client))
	for k := range 5 { // from the third on it is left alone for a while
		f.take(someMinutes(20, 60+k, 61+k))
		if list := predict(time.Now()); len(list) != 0 {
			t.Fatalf("%d forecasts by an endpoint that is throttled", len(list))
		}
	}
	models, level, text := f.Models()
	if level != live.Trouble || models[0].Failures != 5 || !strings.Contains(text, "the endpoint is throttled: Rate exceeded") {
		t.Errorf("%v %q", level, text)
	}
	throttled.Store(false)
	now = now.Add(time.Minute)
	f.take(someMinutes(20, 65, 66))
	if list := predict(time.Now()); len(list) != 40 {
		t.Errorf("%d forecasts when it answers again", len(list))
	}
	if _, level, text := f.Models(); level != live.OK {
		t.Errorf("%v %q", level, text)
	}
}

// Forecasts are judged by the bars that come, and repeats are none.
func TestForecastsAreJudgedByWhatComes(t *testing.T) {
	f, predict := forecastsOf(t, steadyModel("xgboost", true, &evenly{}))
	for k := range 12 {
		f.take(someMinutes(20, 60+k, 61+k))
		predict(time.Now())
	}
	models, _, _ := f.Models()
	if len(models[0].Live) != 2 {
		t.Fatalf("%+v", models[0])
	}
	for _, s := range models[0].Live {
		if want := map[int32]int{60: 11 * 20, 300: 7 * 20}[s.Horizon]; s.N != want {
			t.Errorf("%d s: %d came due, want %d", s.Horizon, s.N, want)
		}
	}
}

func TestTheShelfHoldsWhatIsInUse(t *testing.T) {
	d := modelDirs{t.TempDir()}
	data := ml.NewData(someMinutes(40, 0, 200))
	c := ml.DefaultConfig()
	c.Trees.Rounds, c.Trees.MinChildWeight = 4, 50
	var versions []string
	for seed := range uint64(2) {
		c.Seed, c.Made = seed, market.Time(1e15)+market.Time(seed)*1e6
		m, err := ml.Train(t.Context(), ml.XGBoost, data, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, m.Manifest().Version)
		if err := m.Write(d.dir(ml.XGBoost, versions[seed])); err != nil {
			t.Fatal(err)
		}
		if err := d.use(t.Context(), ml.XGBoost, versions[seed], false); err != nil {
			t.Fatal(err)
		}
	}
	asked, err := openEndpoint(DefaultConfig(), discard())
	if err != nil {
		t.Fatal(err)
	}
	defer asked.close()
	shelf := openModels(d, asked, false, discard())
	inUse := func() string {
		t.Helper()
		shelf.looked = time.Time{}
		shelf.refresh(time.Now())
		if len(shelf.inUse) == 0 {
			return shelf.text
		}
		return shelf.inUse[0].manifest.Version
	}
	if got := inUse(); got != versions[1] {
		t.Fatalf("in use is %s, want %s", got, versions[1])
	}
	if v, err := d.rollback(t.Context(), ml.XGBoost); err != nil || v != versions[0] || inUse() != versions[0] {
		t.Errorf("rolled back to %s, %v", v, err)
	}
	if err := d.use(t.Context(), ml.XGBoost, "20200101T000000Z-0000", true); err == nil {
		t.Error("a version that is not there is put in use")
	}
	if err := d.use(t.Context(), ml.LSTM, versions[0], true); err == nil {
		t.Error("a model that is not there is put in use")
	}
	if got := inUse(); got != versions[0] {
		t.Errorf("after refusals in use is %s", got)
	}
	list, err := d.versions()
	if err != nil || len(list) != 2 || list[0].Version != versions[1] {
		t.Errorf("%d versions, %v", len(list), err)
	}
	if err := d.retire(t.Context(), ml.XGBoost); err != nil {
		t.Fatal(err)
	}
	if got := inUse(); got != shelf.none {
		t.Errorf("after retiring: %s", got)
	}
}

// Inside the pipeline a model is asked through the AWS SDK, and answers as it
// does directly.
func TestModelsAreAskedThroughTheEndpoint(t *testing.T) {
	data := ml.NewData(someMinutes(40, 0, 200))
	c := ml.DefaultConfig()
	c.Trees.Rounds, c.Trees.MinChildWeight = 4, 50
	model, err := ml.Train(t.Context(), ml.XGBoost, data, c, nil)
	if err != nil {
		t.Fatal(err)
	}
	asked, err := openEndpoint(DefaultConfig(), discard())
	if err != nil {
		t.Fatal(err)
	}
	predictor, err := asked.predictor(model, true)
	if err != nil {
		t.Fatal(err)
	}
	panel := features.NewPanel()
	panel.Feed(someMinutes(40, 0, 100), nil)
	var frame features.Frame
	panel.Frame(&frame)
	batch := ml.BatchOf(&frame)
	want, got := make([]float32, batch.Rows*12), make([]float32, batch.Rows*12)
	if err := model.Predict(t.Context(), batch, want); err != nil {
		t.Fatal(err)
	}
	if err := predictor.Predict(t.Context(), batch, got); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) || batch.Rows != 40 {
		t.Errorf("%d rows, and the answers differ", batch.Rows)
	}
	if err := asked.close(); err != nil {
		t.Error(err)
	}
	if err := predictor.Predict(t.Context(), batch, got); err == nil {
		t.Error("an endpoint that is closed answers")
	}
}

// A forecaster that is started again has the record and the bands that it would
// have without the break, and counts nothing twice. A replay that begins anew
// begins a new record.
func TestTheRecordOutlivesItsProcess(t *testing.T) {
	const end = 93
	models := func() *modelShelf {
		return &modelShelf{load: func([]*askedModel) ([]*askedModel, error) {
			return []*askedModel{steadyModel("xgboost", true, &evenly{})}, nil
		}}
	}
	at := &place{dir: t.TempDir()}
	var bars []market.Bar
	var predictions []market.Prediction
	follow := func(f *forecaster, from, to int) {
		t.Helper()
		for m := from; m < to; m++ {
			minute := someMinutes(20, m, m+1)
			bars = append(bars, minute...)
			f.take(minute)
			if err := f.Predict(t.Context(), time.Now(), func(p *market.Prediction) error {
				predictions = append(predictions, *p)
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
	}
	start := func(at *place) *forecaster {
		t.Helper()
		f := newForecaster(models(), pastOf(bars, predictions), at, discard())
		if err := f.Warm(t.Context()); err != nil {
			t.Fatal(err)
		}
		return f
	}
	bars = someMinutes(20, 0, 60)
	f := start(at)
	follow(f, 60, 78) // the record is kept at 60, 65, 70 and 75
	f = start(at)
	follow(f, 78, end)
	again, againFactor := f.board.Standings(), f.board.Band("xgboost").Factor(300)

	bars, predictions = someMinutes(20, 0, 60), nil
	f = start(nil)
	follow(f, 60, end)
	whole := f.board.Standings()
	if len(again) != 1 || len(again[0].Live) != 2 || again[0].Live[0].N != 20*(end-61) || again[0].Live[1].N != 20*(end-65) {
		t.Fatalf("record %+v", again)
	}
	for i, s := range again[0].Live {
		w := whole[0].Live[i]
		if s.N != w.N || s.Coverage.Value != w.Coverage.Value || math.Abs(s.RMSE-w.RMSE) > 1e-12 {
			t.Errorf("%+v, want %+v", s, w)
		}
	}
	if w := f.board.Band("xgboost").Factor(300); math.Abs(againFactor-w) > 1e-12 {
		t.Errorf("the band is %g times as wide, want %g", againFactor, w)
	}

	bars, predictions = someMinutes(20, 0, 60), nil
	if f = start(at); f.board.Newest() != bars[len(bars)-1].Time || len(f.board.Standings()) != 0 {
		t.Errorf("a replay from the beginning: %+v", f.board.Standings())
	}
}
