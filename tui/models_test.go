package tui

import (
	"context"
	"math"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// shelf is a data directory's models in memory.
type shelf struct {
	versions []ModelVersion
	promoted []string
	trained  []string
	err      error
}

func (s *shelf) Versions(context.Context) ([]ModelVersion, error) { return s.versions, s.err }

func (s *shelf) Promote(_ context.Context, name, version string) error {
	s.promoted = append(s.promoted, name+" "+version)
	return s.err
}

func (s *shelf) Train(_ context.Context, name string) error {
	s.trained = append(s.trained, name)
	return s.err
}

// Record of a model that is a little better than no change, on a market whose
// error grows and shrinks over the hours.
func (s *shelf) Record(_ context.Context, _ string, horizon int32) (ModelRecord, error) {
	var r ModelRecord
	for i, name := range []string{"AAPL", "MSFT", "NVDA", "AMZN", "META", "TSLA"} {
		n := int64(240 - i)
		r.Symbols = append(r.Symbols, SymbolTally{name, Tally{N: n, Squares: 1e-6 * float64(n) * (0.96 + 0.02*float64(i)), Still: 1e-6 * float64(n), Raw: 1e-6 * float64(n), Inside: n * 8 / 10, Correct: n * 52 / 100, Moved: n}})
	}
	for i := range 240 {
		wave := 0.99 + 0.03*math.Sin(float64(i)/30) + 0.02*math.Sin(float64(i)*1.7)
		r.Blocks = append(r.Blocks, BlockTally{demoNow.Add(time.Duration(i-240) * time.Duration(horizon) * time.Second), Tally{N: 6, Squares: 6e-6 * wave, Still: 6e-6}})
	}
	for k := range 4 {
		r.Far[k] = Tally{N: 100, Moved: int64(900 >> (2 * k)), Correct: int64((900 >> (2 * k)) * (50 + 3*k) / 100)}
	}
	return r, s.err
}

// estimate of v with a margin on each side.
func estimate(v, margin float64) market.Estimate {
	return market.Estimate{Value: v, Low: v - margin, High: v + margin}
}

// models lets the stage predict speak of a champion with a record and a
// challenger without one.
func (d *demo) models() {
	at := market.At(demoNow)
	score := func(h int32, n int, skill float64) market.Score {
		return market.Score{Horizon: h, N: n, Blocks: 80, Skill: estimate(skill, 0.006), Drift: estimate(skill+0.001, 0.006),
			Direction: estimate(0.5+skill, 0.01), Coverage: estimate(0.803, 0.005), MAE: 0.001, RMSE: 0.002}
	}
	champion := live.Model{Name: "xgboost", Version: "20261120-141500", Champion: true, Trained: at.Add(-time.Hour),
		From: at.Add(-72 * time.Hour), To: at.Add(-time.Hour), Learned: 1000, Made: at.Add(-time.Minute), Symbols: 998,
		Latency: live.Quantiles{P50: 0.0042, P99: 0.011}, Delay: live.Quantiles{P50: 0.18, P99: 0.62}, Calls: 61,
		Live:   []market.Score{score(60, 58_902, 0.013), score(300, 54_910, 0.009), score(900, 44_911, 0.002), score(1800, 29_940, -0.011)},
		Filled: []market.Score{score(60, 912_000, 0.012), score(300, 908_000, 0.008), score(900, 890_000, 0.004), score(1800, 870_000, -0.001)}}
	challenger := live.Model{Name: "lstm", Version: "20261120-142210", Trained: at.Add(-50 * time.Minute), Calls: 3, Failures: 2, Down: true,
		Text: "no forecast of the minute: the endpoint does not answer"}
	d.board.Status(live.Status{Instance: "box-1", Stage: "predict", Time: at, In: 16, Out: 66, Models: []live.Model{challenger, champion}})
	d.board.Status(live.Status{Instance: "box-1", Stage: "train", Time: at, Level: live.Working, Text: "lstm, epoch 3 of 8", Progress: 0.38})
	curve := func(n int, from, to float64) []float64 {
		var out []float64
		for i := range n {
			out = append(out, to+(from-to)*math.Exp(-6*float64(i)/float64(n)))
		}
		return out
	}
	d.shelf = &shelf{versions: []ModelVersion{
		{Name: "xgboost", Version: champion.Version, InUse: true, Champion: true, Made: champion.Trained, From: champion.From, To: champion.To,
			Symbols: 1000, Rows: 120_000, Took: 9 * time.Second, Scores: champion.Filled,
			Curves:     []LearningCurve{{Horizon: 60, Train: curve(80, 1.02, 0.981), Validation: curve(80, 1.01, 0.989), Best: 64}, {Horizon: 300, Train: curve(50, 1.02, 0.985), Validation: curve(50, 1.01, 0.991), Best: 41}},
			Importance: []FeatureShare{{"residual", 0.34}, {"lead", 0.22}, {"return_1", 0.14}, {"return_5", 0.1}, {"sma", 0.08}, {"rsi", 0.06}, {"return_15", 0.04}, {"volume", 0.02}}},
		{Name: "xgboost", Version: "20261119-090000", Made: at.Add(-30 * time.Hour), Rows: 118_000, Took: 11 * time.Second},
		{Name: "lstm", Version: challenger.Version, InUse: true, Made: challenger.Trained, Rows: 24_000, Took: 71 * time.Second},
	}}
}

func openModels(t *testing.T) (*Model, *demo) {
	t.Helper()
	m, d := demoModel(t, 60, 120, 40)
	d.models()
	m.desk.Data.Models = d.shelf
	m.sample()
	hit(m, "5")
	answer(m, m.pane().Update(Tick{demoNow}))
	return m, d
}

func TestAModelIsPutInUseOnlyWhenConfirmed(t *testing.T) {
	m, d := openModels(t)
	hit(m, "tab", "j", "p", "esc")
	if len(d.shelf.promoted) != 0 {
		t.Fatalf("promoted without a yes: %v", d.shelf.promoted)
	}
	hit(m, "p")
	if !strings.Contains(shown(t, m), "20261119-090000 in use as champion?") {
		t.Fatalf("it is not asked:\n%s", shown(t, m))
	}
	hit(m, "enter")
	if len(d.shelf.promoted) != 1 || d.shelf.promoted[0] != "xgboost 20261119-090000" {
		t.Errorf("promoted %v", d.shelf.promoted)
	}
}

func TestTrainingIsOfTheModelUnderTheCursor(t *testing.T) {
	m, d := openModels(t)
	hit(m, "r", "G", "r")
	if strings.Join(d.shelf.trained, " ") != "xgboost lstm" {
		t.Errorf("trained %v", d.shelf.trained)
	}
}

func TestSkillIsColouredOnlyBeyondLuck(t *testing.T) {
	for _, c := range []struct {
		e    market.Estimate
		want Role
	}{{estimate(0.01, 0.005), Up}, {estimate(0.01, 0.02), Muted}, {estimate(-0.01, 0.005), Down}, {nothing, Muted}} {
		if got := worth(c.e, 0); got != c.want {
			t.Errorf("%+v: %d, want %d", c.e, got, c.want)
		}
	}
}

// TestARecordIsOpenedSortedAndLeft: its symbols are sorted, and lead to their chart.
func TestARecordIsOpenedSortedAndLeft(t *testing.T) {
	m, _ := openModels(t)
	open := func() {
		answer(m, press(m, "enter"))
	}
	open()
	s := shown(t, m)
	for _, want := range []string{"xgboost, 1 min ahead", "skill over time", "skill %▾", "AAPL"} {
		if !strings.Contains(s, want) {
			t.Fatalf("%q is not shown:\n%s", want, s)
		}
	}
	if strings.Index(s, "AAPL ") > strings.Index(s, "TSLA ") {
		t.Errorf("the most skilful is not first:\n%s", s)
	}
	hit(m, "s", "esc")
	if s := shown(t, m); strings.Contains(s, "skill over time") || !strings.Contains(s, "versions") {
		t.Errorf("esc does not lead back to the scoreboard:\n%s", s)
	}
	open()
	hit(m, "j", "enter")
	if m.desk.State.View != "chart" || m.desk.Symbol != "MSFT" {
		t.Errorf("enter leads to %s of %s", m.desk.State.View, m.desk.Symbol)
	}
}

// TestSkillOverTimeHasAnInterval that holds the value and narrows with calm.
func TestSkillOverTimeHasAnInterval(t *testing.T) {
	even := []BlockTally{{Tally: Tally{Squares: 0.9, Still: 1}}, {Tally: Tally{Squares: 1.8, Still: 2}}}
	e := skillOver(even, 2)
	if len(e) != 1 || math.Abs(e[0].Value-0.1) > 1e-12 || e[0].High-e[0].Low > 1e-9 {
		t.Errorf("of blocks that agree: %+v", e)
	}
	even[1].Squares = 2.2
	e = skillOver(even, 2)
	if !(e[0].Low < e[0].Value && e[0].Value < e[0].High) {
		t.Errorf("of blocks that differ: %+v", e)
	}
	if e = skillOver(even, 1); len(e) != 2 || !math.IsNaN(e[0].Low) {
		t.Errorf("of one block each: %+v", e)
	}
}
