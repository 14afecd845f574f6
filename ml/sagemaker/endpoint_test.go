package sagemaker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tapedeck/ml"
	"tapedeck/ml/features"
	"tapedeck/ml/xgboost"
	"tapedeck/pipeline/market"
)

// trained is a small model of this program.
func trained(t testing.TB) *ml.Model {
	t.Helper()
	random := rand.New(rand.NewPCG(3, 4))
	start := market.At(time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC))
	var bars []market.Bar
	for i := range 40 {
		price := 100.0
		for m := range 200 {
			price *= math.Exp(0.001 * random.NormFloat64())
			bars = append(bars, market.Bar{Symbol: fmt.Sprintf("S%02d", i), Interval: market.Minute, Time: start.Add(time.Duration(m) * time.Minute),
				Open: price, High: price, Low: price, Close: price, Volume: 100, VWAP: price, Trades: 1})
		}
	}
	c := ml.DefaultConfig()
	c.Trees.Rounds, c.Trees.MinChildWeight = 4, 50
	m, err := ml.Train(t.Context(), ml.XGBoost, ml.NewData(bars), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// someBatch is rows of windows that a model may be asked about.
func someBatch(rows int) ml.Batch {
	random := rand.New(rand.NewPCG(uint64(rows), 1))
	b := ml.Batch{Rows: rows, Window: features.Window, Features: features.Count,
		Values: make([]float32, rows*features.Window*features.Count), Volatility: make([]float32, rows)}
	for i := range b.Values {
		b.Values[i] = float32(random.NormFloat64())
	}
	for i := range b.Volatility {
		b.Volatility[i] = 0.0005 + 0.001*random.Float32()
	}
	return b
}

func clientOf(t testing.TB, url string, edit func(*ClientConfig)) *Client {
	t.Helper()
	c := ClientConfig{Endpoint: "xgboost", BaseURL: url, Horizons: []int32{60, 300, 900, 1800}}
	if edit != nil {
		edit(&c)
	}
	client, err := NewClient(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// The SDK's client and the server give what the model itself gives, in one
// question or in many.
func TestAskedOverTheWireIsAskedDirectly(t *testing.T) {
	model := trained(t)
	s := NewServer(ServerConfig{})
	s.Set("xgboost", Own(model))
	var questions atomic.Int32
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		questions.Add(1)
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	for _, c := range []struct {
		rows, payload int
		questions     int32
	}{{1, 0, 1}, {300, 0, 1}, {300, 64 << 10, 9}} {
		b := someBatch(c.rows)
		want, got := make([]float32, c.rows*12), make([]float32, c.rows*12)
		if err := model.Predict(t.Context(), b, want); err != nil {
			t.Fatal(err)
		}
		questions.Store(0)
		client := clientOf(t, web.URL, func(k *ClientConfig) { k.MaxPayload = c.payload })
		if err := client.Predict(t.Context(), b, got); err != nil {
			t.Fatal(err)
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("%d rows: value %d is %g, directly %g", c.rows, i, got[i], want[i])
			}
		}
		if n := questions.Load(); n != c.questions {
			t.Errorf("%d rows went out in %d questions, want %d", c.rows, n, c.questions)
		}
	}
}

// Every content type carries the same question and the same answer.
func TestContentTypesSayTheSame(t *testing.T) {
	model := trained(t)
	s := NewServer(ServerConfig{})
	s.Set("m", Own(model))
	b := someBatch(3)
	size := features.Window * features.Count
	m := matrix{3, 1 + size, nil}
	var instances []any
	for i := range 3 {
		m.values = append(append(m.values, b.Volatility[i]), b.Values[i*size:(i+1)*size]...)
		var window [][]float32
		for k := range features.Window {
			window = append(window, b.Values[i*size+k*features.Count:][:features.Count])
		}
		instances = append(instances, map[string]any{"volatility": b.Volatility[i], "window": window})
	}
	named, err := json.Marshal(map[string]any{"signature_name": "serving_default", "instances": instances})
	if err != nil {
		t.Fatal(err)
	}
	want := make([]float32, 3*12)
	if err := model.Predict(t.Context(), b, want); err != nil {
		t.Fatal(err)
	}
	for _, q := range []struct {
		kind string
		body []byte
	}{{Float32, appendFloat32(nil, m)}, {JSON, named}, {CSV, appendCSV(nil, m)}} {
		for _, accept := range []string{Float32, JSON, CSV, ""} {
			r := httptest.NewRequest("POST", "/invocations", bytes.NewReader(q.body))
			r.Header.Set("Content-Type", q.kind)
			r.Header.Set("Accept", accept)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != 200 {
				t.Fatalf("%s: %d %s", q.kind, w.Code, w.Body)
			}
			kind := w.Header().Get("Content-Type")
			if accept != "" && kind != accept || accept == "" && kind != q.kind {
				t.Errorf("asked in %s for %q, answered in %s", q.kind, accept, kind)
			}
			body := bytes.Replace(w.Body.Bytes(), []byte("predictions"), []byte("instances"), 1)
			got, err := decode(kind, body, false)
			if err != nil {
				t.Fatalf("%s in %s: %v", q.kind, kind, err)
			}
			for i := range want {
				if got.values[i] != want[i] {
					t.Fatalf("%s in %s: value %d is %g, want %g", q.kind, kind, i, got.values[i], want[i])
				}
			}
		}
	}
}

func TestBadQuestionsAreRefused(t *testing.T) {
	s := NewServer(ServerConfig{MaxBody: 4096})
	s.Set("m", panicky{})
	for _, c := range []struct {
		kind, body string
		status     int
	}{
		{JSON, ``, 400}, {JSON, `[1]`, 400}, {JSON, `{}`, 400}, {JSON, `{"instances": 3}`, 400},
		{JSON, `{"instances": [[1,2],[1]]}`, 400}, {JSON, `{"instances": [[]]}`, 400}, {JSON, `{"instances": [["x","y"]]}`, 400},
		{JSON, `{"instances": [[1,2]]} {}`, 400}, {JSON, `{"instances": [[1,2]], "instances": [[1,2]]}`, 400},
		{JSON, `{"instances": [[1,null]]}`, 400}, {JSON, `{"instances": [[1,1e39]]}`, 400},
		{JSON, `{"instances": ` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + `}`, 400},
		{JSON, `{"instances": [{"volatility": 1}]}`, 400}, {JSON, `{"instances": [{"prices": [1]}]}`, 400},
		{JSON, `{"instances": [[1,2,3]]}`, 400},
		{CSV, "1,x\n", 400}, {CSV, "1,2\n1\n", 400}, {CSV, "1,\n", 400}, {CSV, "NaN,1\n", 400}, {CSV, "inf,1\n", 400},
		{Float32, "", 400}, {Float32, "TDF1\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00", 400},
		{Float32, "TDF1\x01\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00", 400},
		{Float32, string(appendFloat32(nil, matrix{1, 2, []float32{1, float32(math.NaN())}})), 400},
		{"text/html", "<p>", 415}, {"; ; ;", "x", 415},
		{CSV, strings.Repeat("1,2\n", 2000), 413},
		{CSV, "666,2\n", 500}, // which makes this model panic
		{CSV, "1,2\n", 200}, {CSV, "", 200}, {JSON, `{"instances": []}`, 200}, {"application/json; charset=utf-8", `{"instances": [[1,2]]}`, 200},
	} {
		r := httptest.NewRequest("POST", "/invocations", strings.NewReader(c.body))
		r.Header.Set("Content-Type", c.kind)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != c.status {
			t.Errorf("%s %.60q: %d %s, want %d", c.kind, c.body, w.Code, strings.TrimSpace(w.Body.String()), c.status)
		}
		if c.status != 200 && !strings.Contains(w.Body.String(), `"error"`) {
			t.Errorf("%s %.60q: no words: %s", c.kind, c.body, w.Body)
		}
	}
}

// panicky adds two numbers, unless the first is 666.
type panicky struct{}

func (panicky) Describe() Description { return Description{Kind: "test", Width: 2, Outputs: 1} }

func (panicky) Invoke(_ context.Context, rows, width int, in, out []float32) error {
	if width != 2 {
		return fmt.Errorf("%w: %d values", ErrInput, width)
	}
	for i := range rows {
		if in[2*i] == 666 {
			panic("the number of the beast")
		}
		out[i] = in[2*i] + in[2*i+1]
	}
	return nil
}

func TestManyModels(t *testing.T) {
	dir := t.TempDir()
	model := trained(t)
	if err := model.Write(filepath.Join(dir, "first")); err != nil {
		t.Fatal(err)
	}
	s := NewServer(ServerConfig{ModelDir: dir})
	call := func(method, path, body string) (int, string) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		words              string
	}{
		{"GET", "/ping", "", 503, "no model"},
		{"POST", "/invocations", `{"instances": []}`, 503, "not here"},
		{"GET", "/models", "", 200, `"models":[]`},
		{"POST", "/models", `{"model_name": "a", "url": "/etc"}`, 403, "below"},
		{"POST", "/models", `{"model_name": "a", "url": "` + dir + `/../x"}`, 403, "below"},
		{"POST", "/models", `{"model_name": "../a", "url": "` + dir + `/first"}`, 400, "letters"},
		{"POST", "/models", `{"model_name": "a", "url": "` + dir + `/none"}`, 400, ""},
		{"POST", "/models", `nonsense`, 400, "model_name"},
		{"POST", "/models", `{"model_name": "a", "url": "` + dir + `/first"}`, 200, ""},
		{"POST", "/models", `{"model_name": "a", "url": "` + dir + `/first"}`, 409, "already"},
		{"GET", "/ping", "", 200, ""},
		{"GET", "/models", "", 200, `"modelName":"a"`},
		{"GET", "/models/a", "", 200, `"outputs":12`},
		{"GET", "/models/b", "", 404, "not here"},
		{"POST", "/models/a/invoke", `{"instances": []}`, 200, "predictions"},
		{"POST", "/models/b/invoke", `{"instances": []}`, 404, "not here"},
		{"POST", "/endpoints/b/invocations", `{"instances": []}`, 400, "not here"},
		{"POST", "/endpoints/a/invocations", `nonsense`, 424, "OriginalStatusCode"},
		{"DELETE", "/models/a", "", 200, ""},
		{"DELETE", "/models/a", "", 404, "not here"},
		{"GET", "/ping", "", 503, ""},
		{"GET", "/elsewhere", "", 404, ""},
	} {
		status, body := call(c.method, c.path, c.body)
		if status != c.status || !strings.Contains(body, c.words) {
			t.Errorf("%s %s %s: %d %s, want %d … %q", c.method, c.path, c.body, status, body, c.status, c.words)
		}
	}
}

// Files of others are served as they are.
func TestFilesOfOthersAreServed(t *testing.T) {
	dir := t.TempDir()
	data, err := xgboost.NewMatrix([][]float32{{0, 1}, {1, 0}, {2, 1}, {3, 0}})
	if err != nil {
		t.Fatal(err)
	}
	c := xgboost.DefaultConfig()
	c.Rounds, c.MinChildWeight = 3, 0
	trees, err := xgboost.Train(t.Context(), c, xgboost.Data{X: data, Labels: []float32{0, 1, 2, 3}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "model.json")
	if err := trees.Save(file); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, dir} {
		m, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		s := NewServer(ServerConfig{})
		s.Set("model", m)
		r := httptest.NewRequest("POST", "/invocations", strings.NewReader("2,1\n,0\n"))
		r.Header.Set("Content-Type", CSV)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		want := make([]float32, 2)
		question, err := xgboost.NewMatrix([][]float32{{2, 1}, {float32(math.NaN()), 0}})
		if err != nil {
			t.Fatal(err)
		}
		if err := trees.Predict(question, want); err != nil {
			t.Fatal(err)
		}
		if got := w.Body.String(); got != string(appendCSV(nil, matrix{2, 1, want})) {
			t.Errorf("%d %s, want %v", w.Code, got, want)
		}
	}
	if _, err := Load(filepath.Join(dir, "nothing")); err == nil {
		t.Error("a path that is not there is opened")
	}
	if err := os.WriteFile(filepath.Join(dir, "other.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(filepath.Join(dir, "other.txt")); err == nil {
		t.Error("a text is opened as a model")
	}
}

// What an endpoint can do to its client, and what the client makes of it.
func TestAnEndpointsFailures(t *testing.T) {
	b := someBatch(2)
	good := make([]float32, 24)
	for i := range good {
		good[i] = []float32{0, -1, 1}[i%3]
	}
	answer := func(rows, width int, values []float32) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", Float32)
			w.Write(appendFloat32(nil, matrix{rows, width, values}))
		}
	}
	status := func(code int, kind string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("X-Amzn-ErrorType", kind)
			reply(w, code, map[string]any{"Message": "no", "OriginalMessage": "no", "OriginalStatusCode": 500})
		}
	}
	swapped := append([]float32(nil), good...)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	for _, c := range []struct {
		name string
		h    http.HandlerFunc
		want error
	}{
		{"well", answer(2, 12, good), nil},
		{"other shape", answer(1, 12, good[:12]), ErrAnswer},
		{"interval upside down", answer(2, 12, swapped), ErrAnswer},
		{"not a number", answer(2, 12, append(good[:23:23], float32(math.NaN()))), ErrAnswer},
		{"a web page", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>") }, ErrAnswer},
		{"model fails", status(424, "ModelError"), ErrModel},
		{"throttled", status(400, "ThrottlingException"), ErrThrottled},
		{"not allowed", status(403, "AccessDeniedException"), ErrRefused},
		{"broken", status(500, "InternalFailure"), ErrModel},
		{"cut", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrAway},
		{"slow", func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}, ErrTimeout},
	} {
		t.Run(c.name, func(t *testing.T) {
			web := httptest.NewUnstartedServer(c.h)
			web.Config.ErrorLog = nil
			web.Start()
			defer web.Close()
			client := clientOf(t, web.URL, func(k *ClientConfig) {
				if c.want == ErrTimeout {
					k.Timeout = 50 * time.Millisecond
				}
			})
			out := make([]float32, 24)
			if err := client.Predict(t.Context(), b, out); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if c.want == nil && out[1] != -1 {
				t.Errorf("%v", out)
			}
		})
	}
}

// An endpoint that is away is left alone for growing pauses, and asked again.
func TestAnEndpointThatIsAwayIsLeftAlone(t *testing.T) {
	var away atomic.Bool
	var asked atomic.Int32
	away.Store(true)
	s := NewServer(ServerConfig{})
	s.Set("xgboost", Own(trained(t)))
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if away.Load() {
			w.Header().Set("X-Amzn-ErrorType", "ModelError")
			reply(w, 424, map[string]any{"OriginalStatusCode": 500})
			return
		}
		s.ServeHTTP(w, r)
	}))
	defer web.Close()
	now := time.Unix(1_800_000_000, 0)
	client := clientOf(t, web.URL, func(k *ClientConfig) { k.Now = func() time.Time { return now } })
	b, out := someBatch(1), make([]float32, 12)
	for range 3 {
		if err := client.Predict(t.Context(), b, out); !errors.Is(err, ErrModel) {
			t.Fatal(err)
		}
	}
	before := asked.Load()
	if err := client.Predict(t.Context(), b, out); !errors.Is(err, ErrAway) || !errors.Is(err, ErrModel) || asked.Load() != before {
		t.Fatalf("it is asked all the same: %v", err)
	}
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		now = now.Add(pause)
		if err := client.Predict(t.Context(), b, out); errors.Is(err, ErrAway) {
			t.Fatalf("after %v it is not tried", pause)
		}
		if err := client.Predict(t.Context(), b, out); !errors.Is(err, ErrAway) {
			t.Fatalf("it is tried twice: %v", err)
		}
	}
	away.Store(false)
	now = now.Add(8 * time.Second)
	for range 2 {
		if err := client.Predict(t.Context(), b, out); err != nil {
			t.Fatalf("it is back: %v", err)
		}
	}
}

// A server that is told to end answers what has been asked.
func TestServeEndsInOrder(t *testing.T) {
	entered, finish := make(chan struct{}), make(chan struct{})
	s := NewServer(ServerConfig{})
	s.Set("m", waiting{entered, finish})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, l) }()
	answered := make(chan int, 1)
	go func() {
		r, err := http.Post("http://"+l.Addr().String()+"/invocations", CSV, strings.NewReader("1\n"))
		if err != nil {
			answered <- 0
			return
		}
		r.Body.Close()
		answered <- r.StatusCode
	}()
	<-entered
	cancel()
	close(finish)
	if status := <-answered; status != 200 {
		t.Errorf("the question in hand is answered with %d", status)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

type waiting struct{ entered, finish chan struct{} }

func (waiting) Describe() Description { return Description{Width: 1, Outputs: 1} }

func (w waiting) Invoke(context.Context, int, int, []float32, []float32) error {
	close(w.entered)
	<-w.finish
	return nil
}

func FuzzDecode(f *testing.F) {
	f.Add(JSON, []byte(`{"instances": [[1,2],[3,null]]}`))
	f.Add(JSON, []byte(`{"instances": [{"volatility": 1, "window": [[1],[2]]}]}`))
	f.Add(CSV, []byte("1,2\n3,\n"))
	f.Add(Float32, appendFloat32(nil, matrix{1, 2, []float32{1, 2}}))
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		m, err := decode(kind, body, true)
		if err != nil {
			return
		}
		if len(m.values) != m.rows*m.width {
			t.Fatalf("%d values, %d × %d", len(m.values), m.rows, m.width)
		}
		again, err := decode(Float32, appendFloat32(nil, m), true)
		if m.rows > 0 && (err != nil || again.rows != m.rows || again.width != m.width) {
			t.Fatalf("%v", err)
		}
	})
}

// BenchmarkRoundTrip asks a thousand symbols over HTTP, against asking the
// model directly.
func BenchmarkRoundTrip(b *testing.B) {
	model := trained(b)
	s := NewServer(ServerConfig{})
	s.Set("xgboost", Own(model))
	web := httptest.NewServer(s)
	defer web.Close()
	batch := someBatch(1000)
	out := make([]float32, 1000*12)
	size := features.Window * features.Count
	m := matrix{1000, 1 + size, nil}
	for i := range 1000 {
		m.values = append(append(m.values, batch.Volatility[i]), batch.Values[i*size:(i+1)*size]...)
	}
	began := time.Now()
	for range 20 {
		if err := model.Predict(b.Context(), batch, out); err != nil {
			b.Fatal(err)
		}
	}
	direct := time.Since(began) / 20
	for _, q := range []struct {
		name, kind string
		body       []byte
	}{{"float32", Float32, appendFloat32(nil, m)}, {"json", JSON, bytes.Replace(appendJSON(nil, m), []byte("predictions"), []byte("instances"), 1)}, {"csv", CSV, appendCSV(nil, m)}} {
		b.Run(q.name, func(b *testing.B) {
			b.SetBytes(int64(len(q.body)))
			for b.Loop() {
				r, err := http.Post(web.URL+"/invocations", q.kind, bytes.NewReader(q.body))
				if err != nil || r.StatusCode != 200 {
					b.Fatal(r, err)
				}
				_, _ = io.Copy(io.Discard, r.Body)
				r.Body.Close()
			}
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(direct), "x-direct")
		})
	}
	b.Run("sdk", func(b *testing.B) {
		client := clientOf(b, web.URL, nil)
		for b.Loop() {
			if err := client.Predict(b.Context(), batch, out); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(direct), "x-direct")
	})
}
