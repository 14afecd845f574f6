package main

import (
	"bytes"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapedeck/ml"
	"tapedeck/pipeline/bars"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/market"
)

// minuteBars takes what a source brings and makes one-minute bars of it.
type minuteBars struct {
	builder *bars.Builder
	list    []market.Bar
}

func (m *minuteBars) keep(b *market.Bar) {
	if b.Interval == market.Minute {
		m.list = append(m.list, *b)
	}
}

func (m *minuteBars) Tick(t *market.Tick, _ int64) error {
	m.builder.Add(t, m.keep)
	return nil
}

func (m *minuteBars) Clock(c market.Clock) error {
	m.builder.Clock(c.Time, c.Source, c.End, m.keep)
	return nil
}

func (m *minuteBars) Flush() error       { return nil }
func (m *minuteBars) Say(feed.Condition) {}

// simulated is the history that the simulator lays down before a first start.
func simulated(t testing.TB, symbols int, history time.Duration) []market.Bar {
	t.Helper()
	config := feed.DefaultSimConfig()
	config.Symbols, config.History, config.HistoryDays = symbols, history, 3
	config.Start = market.At(time.Date(2026, 11, 20, 18, 0, 0, 0, time.UTC))
	config.Length, config.Speed = time.Second, math.Inf(1)
	source, err := feed.NewSim(config)
	if err != nil {
		t.Fatal(err)
	}
	sink := &minuteBars{builder: bars.New(func(string) *market.Calendar { return market.AlwaysOpen() })}
	if err := source.Run(t.Context(), sink); err != nil {
		t.Fatal(err)
	}
	return sink.list
}

// In the simulated market a little can be learned, as it says at its model: the
// first training, on what a fresh machine has, earns skill against “no change”
// with an interval above zero, and its bands hold what they say.
func TestFirstTrainingEarnsSkillInTheSimulatedMarket(t *testing.T) {
	if testing.Short() {
		t.Skip("trains models for seconds")
	}
	data := ml.NewData(simulated(t, 1000, 3*time.Hour))
	c := ml.DefaultConfig()
	c.Horizons = []int32{60, 300}
	e, err := ml.Evaluate(t.Context(), ml.XGBoost, data, c, ml.Walk{Folds: 2, Embargo: ml.DefaultEmbargo}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range e.Scores {
		t.Logf("%s: skill %.4f [%.4f, %.4f], coverage %.3f", horizonText(s.Horizon), s.Skill.Value, s.Skill.Low, s.Skill.High, s.Coverage.Value)
		if !s.Skilful() {
			t.Errorf("%s ahead no skill is earned: %+v", horizonText(s.Horizon), s.Skill)
		}
		if s.Coverage.Value < 0.78 || s.Coverage.Value > 0.82 {
			t.Errorf("%s ahead the band of 80 %% holds %.1f %%", horizonText(s.Horizon), 100*s.Coverage.Value)
		}
	}
}

// An evaluation is printed as a table with words, and for other programs.
func TestEvaluationReport(t *testing.T) {
	data := ml.NewData(simulated(t, 40, 2*time.Hour))
	c := ml.DefaultConfig()
	c.Horizons = []int32{60}
	c.Trees.Rounds = 5
	found, err := ml.Evaluate(t.Context(), ml.XGBoost, data, c, ml.Walk{Folds: 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	print := func(by, format string) string {
		var out bytes.Buffer
		e := evaluation{by: by, format: format, plot: true, out: &out}
		if err := e.report(found); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	if text := print("", "table"); !strings.Contains(text, "persistence") || !strings.Contains(text, "skill vs no change") ||
		!strings.Contains(text, "the straight line is 0") || !strings.Contains(text, found.Words()) {
		t.Error(text)
	}
	for _, by := range []string{"", ml.BySymbol, ml.ByHour, ml.ByRegime} {
		lines := strings.Split(strings.TrimSpace(print(by, "csv")), "\n")
		columns := strings.Count(lines[0], ",")
		if want := map[string]int{"": 2, ml.BySymbol: 41, ml.ByRegime: 4}[by]; want != 0 && len(lines) != want && by != ml.ByRegime {
			t.Errorf("by %q: %d lines, want %d", by, len(lines), want)
		}
		for _, line := range lines {
			if strings.Count(line, ",") != columns {
				t.Errorf("by %q: %q has other columns than %q", by, line, lines[0])
			}
		}
	}
	if text := print(ml.ByHour, "json"); !strings.Contains(text, `"hour":"1`) {
		t.Error(text)
	}
}

func TestEvaluateRefusesWrongFlags(t *testing.T) {
	for _, args := range [][]string{{"--model", "prophet"}, {"--by", "moon"}, {"--folds", "-1"}, {"--embargo", "90s"}, {"--every", "0s"}, {"--format", "xml"}, {"more"}} {
		var out, errs bytes.Buffer
		args = append([]string{"evaluate", "--data", t.TempDir()}, args...)
		if code := run(args, strings.NewReader(""), &out, &errs); code != exitUsage {
			t.Errorf("%v: exit code %d: %s", args, code, errs.String())
		}
	}
}

func TestHorizonText(t *testing.T) {
	for seconds, want := range map[int32]string{60: "1m", 600: "10m", 1800: "30m", 3600: "1h", 36000: "10h", 5400: "1h30m"} {
		if got := horizonText(seconds); got != want {
			t.Errorf("%d s is %q, want %q", seconds, got, want)
		}
	}
}

// A version is put in use, another after it, and taken back; what is in use
// survives a damaged file and a lost directory.
func TestModelsInUse(t *testing.T) {
	d := modelDirs{filepath.Join(t.TempDir(), "models")}
	data := ml.NewData(simulated(t, 40, 2*time.Hour))
	c := ml.DefaultConfig()
	c.Horizons = []int32{60}
	c.Trees.Rounds = 3
	for _, version := range []string{"1", "2"} {
		c.Version = version
		m, err := ml.Train(t.Context(), ml.XGBoost, data, c, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Write(d.dir(ml.XGBoost, version)); err != nil {
			t.Fatal(err)
		}
		if err := d.use(t.Context(), ml.XGBoost, version, false); err != nil {
			t.Fatal(err)
		}
	}
	inUse := func(want string) {
		t.Helper()
		use, err := d.inUse()
		if err != nil || use.Versions[ml.XGBoost] != want || use.Champion != ml.XGBoost {
			t.Errorf("in use: %+v, %v; want %s", use, err, want)
		}
	}
	inUse("2")
	if version, err := d.rollback(t.Context(), ml.XGBoost); err != nil || version != "1" {
		t.Errorf("rolled back to %q: %v", version, err)
	}
	inUse("1")
	if err := d.use(t.Context(), ml.XGBoost, "3", true); err == nil {
		t.Error("a version that is not there was put in use")
	}
	if _, err := d.rollback(t.Context(), ml.LSTM); err == nil {
		t.Error("a model that never was in use was rolled back")
	}
	inUse("1")
	for _, format := range gridFormats {
		var out bytes.Buffer
		if err := d.list(&out, format); err != nil || !strings.Contains(out.String(), "champion") {
			t.Errorf("%s: %v\n%s", format, err, out.String())
		}
	}
	v, err := d.find(ml.XGBoost, "")
	if err != nil || v.Version != "2" {
		t.Fatalf("the newest is %+v, %v", v.Manifest, err)
	}
	var text, json bytes.Buffer
	if err := v.show(&text); err != nil || !strings.Contains(text.String(), "return_1m") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if err := v.showJSON(&json); err != nil {
		t.Fatal(err)
	}
	if _, err := ml.DecodeManifest(json.Bytes()); err != nil {
		t.Error(err)
	}
	if err := d.retire(t.Context(), ml.XGBoost); err != nil {
		t.Fatal(err)
	}
	if use, err := d.inUse(); err != nil || len(use.Versions) != 0 || use.Champion != "" {
		t.Errorf("in use after the last was retired: %+v, %v", use, err)
	}
}
