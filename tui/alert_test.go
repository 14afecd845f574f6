package tui

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/tui/chart"
)

// alertModel is a demo on the alerts view, with a past and notes.
func alertModel(t testing.TB, past, w, h int) (*Model, *demo, *demoAlerts) {
	t.Helper()
	m, d := demoModel(t, 200, w, h)
	shared := newDemoAlerts(demoNow, past)
	m.desk.Data.Alerts = shared
	m.desk.Data.History = &demoHistory{}
	drive(m, "3")
	return m, d, shared
}

// drive presses keys and runs what they and the next sample ask for.
func drive(m *Model, keys ...string) {
	for _, k := range keys {
		_, cmd := m.Update(keyOf(k))
		run(m, cmd)
		m.draw()
		tick(m)
	}
	if len(keys) == 0 {
		m.draw()
		tick(m)
	}
}

// tick samples the board, and runs what comes of it until nothing more is asked.
func tick(m *Model) {
	for range 12 {
		m.desk.Data.Board.Snapshot(m.desk.Frame)
		m.desk.alerts.follow()
		cmd := m.pane().Update(Tick{m.desk.Now()})
		if !run(m, tea.Batch(cmd, m.drain())) {
			return
		}
	}
}

// run runs a command and gives its answers to the model; timers are left out.
func run(m *Model, cmd tea.Cmd) (any bool) {
	if cmd == nil {
		return false
	}
	done := make(chan tea.Msg, 1)
	go func() { done <- cmd() }()
	var msg tea.Msg
	select {
	case msg = <-done:
	case <-time.After(100 * time.Millisecond): // a timer
		return false
	}
	switch msg := msg.(type) {
	case nil:
		return false
	case tea.BatchMsg:
		for _, c := range msg {
			any = run(m, c) || any
		}
		return any
	}
	_, next := m.Update(msg)
	run(m, next)
	return true
}

func sees(t testing.TB, m *Model, words ...string) {
	t.Helper()
	got := shown(t, m)
	for _, w := range words {
		if !strings.Contains(got, w) {
			t.Fatalf("%q is not on the screen:\n%s", w, got)
		}
	}
}

func seesNot(t testing.TB, m *Model, words ...string) {
	t.Helper()
	got := shown(t, m)
	for _, w := range words {
		if strings.Contains(got, w) {
			t.Fatalf("%q is on the screen:\n%s", w, got)
		}
	}
}

func TestGoldenAlerts(t *testing.T) {
	scenes := []struct {
		name string
		do   func(*Model)
	}{
		{"alerts-live", func(m *Model) { drive(m, "space", "j") }},
		{"alerts-snooze", func(m *Model) { drive(m, "z", "l", "k") }},
		{"alerts-silences", func(m *Model) { drive(m, "i", "enter", "j", "z", "enter", "h") }},
	}
	for _, s := range scenes {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, _, _ := alertModel(t, 100, size[0], size[1])
				s.do(m)
				golden(t, name, shown(t, m))
			})
		}
	}
}

// TestAlertsHaveNoEdge scrolls from the live alerts into the past, page by
// page, to the first one that was ever recorded.
func TestAlertsHaveNoEdge(t *testing.T) {
	m, _, shared := alertModel(t, 1500, 120, 40)
	if shared.asked == 0 {
		t.Fatal("the first page is not asked for")
	}
	for range 100 {
		drive(m, "G")
	}
	sees(t, m, "nothing is older", "of 1,504 alerts")
	v := m.pane().(*alerts)
	if last := v.list.rows[len(v.list.rows)-1]; last.ID != "p01499" {
		t.Fatalf("the oldest is %s", last.ID)
	}
	for i, r := range v.list.rows[1:] {
		if !r.before(v.list.rows[i]) {
			t.Fatalf("row %d is out of order", i)
		}
	}
	drive(m, "g")
	sees(t, m, "TSLA")
}

func TestTransitionsAreOneRowInAnyOrder(t *testing.T) {
	at := market.At(demoNow)
	make := func(id string, s market.AlertState, ago time.Duration) market.Alert {
		return market.Alert{ID: id, Symbol: "AAPL", Rule: "r", State: s, Time: at.Add(-ago), Severity: market.Warning}
	}
	list := []market.Alert{
		make("a", market.Pending, 60*time.Second), make("b", market.Firing, 50*time.Second), make("c", market.Resolved, 40*time.Second),
		make("d", market.Firing, 30*time.Second), make("e", market.Resolved, 20*time.Second), make("f", market.Pending, 5*time.Second),
	}
	orders := [][]int{{0, 1, 2, 3, 4, 5}, {5, 4, 3, 2, 1, 0}, {3, 4, 5, 0, 1, 2}, {5, 4, 3, 0, 1, 2}, {3, 5, 4, 2, 1, 0}}
	for _, order := range orders {
		m, _ := demoModel(t, 5, 80, 24)
		b := newAlertBook(m.desk)
		for _, i := range order {
			a := list[i]
			b.take(&a)
			b.take(&a) // a repeat changes nothing
		}
		var got []string
		for _, r := range b.rows {
			got = append(got, r.ID+" "+r.stands().String())
		}
		if s := strings.Join(got, ", "); s != "b resolved, d resolved, f pending" {
			t.Errorf("in the order %v: %s", order, s)
		}
	}
}

func TestAcknowledgingIsSharedAndTakenBack(t *testing.T) {
	m, _, shared := alertModel(t, 0, 120, 40)
	n, _ := m.desk.alerts.unacknowledged()
	if n != 3 {
		t.Fatalf("%d ask, and 3 are above information", n)
	}
	sees(t, m, "alerts 3")
	drive(m, "space")
	if n, _ := m.desk.alerts.unacknowledged(); n != 2 || len(shared.notes) != 1 {
		t.Fatalf("%d ask after one was acknowledged, %d notes", n, len(shared.notes))
	}
	sees(t, m, "✓ ada")
	drive(m, "u")
	if n, _ := m.desk.alerts.unacknowledged(); n != 3 {
		t.Fatalf("%d ask after that was taken back", n)
	}
	// Somebody else acknowledges all of them.
	press(m, ":")
	typed(m, "acknowledge all")
	drive(m, "enter")
	if n, _ := m.desk.alerts.unacknowledged(); n != 0 {
		t.Fatalf("%d ask after all were acknowledged", n)
	}
	drive(m, "u")
	if n, _ := m.desk.alerts.unacknowledged(); n != 3 {
		t.Fatalf("%d ask after that was taken back", n)
	}
	shared.err = errors.New("the log cannot be written")
	drive(m, "space")
	sees(t, m, "the log cannot be written")
}

func TestSnoozeAndSilenceWithAnEnd(t *testing.T) {
	m, d, shared := alertModel(t, 0, 120, 40)
	drive(m, "z")
	sees(t, m, "snooze", "“price drop” on TSLA", "15 min")
	drive(m, "l", "k", "enter") // the rule, an hour
	if n := shared.notes[0]; n.Kind != Snoozed || n.Match["rule"] != "price drop" || n.Match["symbol"] != "" || n.Until != market.At(demoNow).Add(time.Hour) {
		t.Fatalf("the note is %+v", n)
	}
	sees(t, m, "snoozed")
	if n, _ := m.desk.alerts.unacknowledged(); n != 2 {
		t.Fatalf("%d ask", n)
	}
	d.now = d.now.Add(2 * time.Hour)
	drive(m)
	if n, _ := m.desk.alerts.unacknowledged(); n != 3 {
		t.Fatalf("%d ask after its end", n)
	}
	drive(m, "i", "esc")
	if len(shared.notes) != 1 {
		t.Fatal("esc silences")
	}
	drive(m, "i", "enter", "h")
	sees(t, m, "silenced", "“price drop” on TSLA", "ada")
	drive(m, "d")
	sees(t, m, "taken back")
	drive(m, "u")
	if n := shared.notes[len(shared.notes)-1]; n.Removed || n.Kind != Silenced {
		t.Fatalf("the note is %+v", n)
	}
}

func TestAlertsFilterAndLeadOn(t *testing.T) {
	m, _, _ := alertModel(t, 60, 120, 40)
	press(m, "/")
	typed(m, "critical nv")
	drive(m, "enter")
	for _, r := range m.pane().(*alerts).list.rows {
		if r.Symbol != "NVDA" || r.Severity != market.Critical {
			t.Fatalf("%s %s is listed", r.Symbol, r.Severity)
		}
	}
	drive(m, "j")
	row := m.pane().(*alerts).list.at()
	drive(m, "enter")
	if m.desk.State.View != "chart" || m.desk.Symbol != "NVDA" || m.desk.At != row.Time {
		t.Fatalf("enter opens %s of %s", m.desk.State.View, m.desk.Symbol)
	}
	if v := chartOf(m); v.goal != 0 || v.cross != row.Time.Truncate(time.Minute) {
		t.Fatalf("the cross-hair is at %v, still going to %v; the alert was at %v", v.cross, v.goal, row.Time)
	}
	m.show("alerts")
	drive(m, "esc")
	seesNot(t, m, "critical nv")
	drive(m, "s", "s")
	sees(t, m, "firing", "of 1 alert")
}

// TestABurstStaysReadable has 500 alerts a second come while the analyst reads
// further down: the list does not move, and says how many are new.
func TestABurstStaysReadable(t *testing.T) {
	m, d, _ := alertModel(t, 60, 120, 40)
	drive(m, "j", "j", "j")
	v := m.pane().(*alerts)
	held := v.list.at()
	before := strings.Split(shown(t, m), "\n")[3:37]
	n := 0
	burst := func() {
		for range 62 {
			c := d.names[n%len(d.names)]
			d.board.Alert(market.Alert{ID: fmt.Sprintf("burst%d", n), Symbol: c.Symbol, Time: market.At(d.now).Add(time.Duration(n)), Rule: "volume spike",
				Severity: market.Warning, State: market.Once, Message: c.Symbol + " volume", Value: 9, Threshold: 8})
			n++
		}
		tick(m)
	}
	for range 16 {
		burst()
	}
	d.now = d.now.Add(1100 * time.Millisecond)
	burst()
	d.now = d.now.Add(1100 * time.Millisecond)
	tick(m)
	if v.list.at() != held {
		t.Fatal("the cursor has moved")
	}
	after := strings.Split(shown(t, m), "\n")[3:37]
	for i := range before {
		if cut(before[i]) != cut(after[i]) {
			t.Fatalf("line %d moved:\n%s\n%s", i, before[i], after[i])
		}
	}
	sees(t, m, fmt.Sprintf("%s new", plainNumber(n)), "alerts 999+")
	drive(m, "g")
	seesNot(t, m, " new ·")
	if !v.list.following() || v.list.at().Rule != "volume spike" {
		t.Fatal("g does not lead to the newest")
	}
}

// cut leaves out the age, which goes on.
func cut(line string) string {
	r := []rune(line)
	return string(r[:min(4, len(r))]) + string(r[min(12, len(r)):min(94, len(r))])
}

// TestTheBellIsHarmlessAndCalm has alerts come in any view: what one says
// cannot end the sequence that shows it, and a burst is one signal.
func TestTheBellIsHarmlessAndCalm(t *testing.T) {
	m, d, _ := alertModel(t, 0, 80, 24)
	drive(m, "1")
	ring := func(n int, message string) string {
		for i := range n {
			d.board.Alert(market.Alert{ID: fmt.Sprint(message, i), Symbol: "IBM", Time: market.At(d.now), Rule: fmt.Sprint("r", i), Severity: market.Critical, State: market.Once, Message: message})
		}
		d.board.Snapshot(m.desk.Frame)
		cmd := m.bell.ring(m.desk.alerts.follow())
		if cmd == nil {
			return ""
		}
		return fmt.Sprint(cmd().(tea.RawMsg).Msg)
	}
	if out := ring(1, "quiet"); out != "" {
		t.Errorf("without a setting it says %q", out)
	}
	m.desk.Config.Bell, m.desk.Config.Desktop = true, true
	out := ring(3, "a\x1b]0;evil\x07;b")
	if strings.Count(out, "\x1b") != 1 || strings.Count(out, "\x07") != 2 || !strings.Contains(out, "and 2 more alerts") {
		t.Errorf("it says %q", out)
	}
	if out := ring(3, "soon"); out != "" {
		t.Errorf("at once after that it says %q", out)
	}
	d.now = d.now.Add(bellEvery)
	if out := ring(0, ""); !strings.Contains(out, "soon") {
		t.Errorf("later it says %q", out)
	}
	for environ, want := range map[string]string{"TERM=foot": "\x1b]777;notify;tapedeck;x,y\x07", "TERM=xterm": "\x1b]9;x;y\x07", "TMUX=1": "\x1bPtmux;\x1b\x1b]9;x;y\x07\x1b\\"} {
		if got := notification([]string{environ}, "x;y"); got != want {
			t.Errorf("%s: %q", environ, got)
		}
	}
}

func TestWhatCameWhileAwayIsSaid(t *testing.T) {
	m, _ := demoModel(t, 20, 80, 24)
	m.left = market.At(demoNow.Add(-150 * time.Second))
	m.whileAway()
	sees(t, m, "while you were away: 2 alerts, 1 of them critical · 3 shows them")
}

func TestMarksOfTheSymbolsAlertsAreOnTheChart(t *testing.T) {
	m, _, shared := alertModel(t, 100, 120, 40)
	drive(m, "j", "enter")
	v := chartOf(m)
	m.deliver(Tick{demoNow})
	s := v.series()
	if len(s.bars) == 0 {
		t.Fatal("no bars")
	}
	marks := v.marks(s, 0, len(s.bars))
	want := 0
	for _, a := range shared.past {
		if a.Symbol == m.desk.Symbol && a.State != market.Resolved && a.Time >= s.bars[0].Time {
			want++
		}
	}
	n := 0
	for _, x := range marks {
		if x.Ink == chart.Alarm {
			n++
		}
	}
	if want == 0 || n < want {
		t.Fatalf("%d marks for %d alerts", n, want)
	}
}

func TestAlertsLeadToTheirRule(t *testing.T) {
	m, _, _ := alertModel(t, 60, 120, 40)
	rules := demoRules()
	m.desk.Data.Rules = rules
	drive(m, "e")
	drive(m)
	row, ok := m.views[len(m.views)-1].pane.(*ruleView).row()
	if m.desk.State.View != "rules" || !ok || row.rule.Name != "price drop" {
		t.Fatalf("e opens %s", m.desk.State.View)
	}
	if by, whole := m.desk.alerts.today(); by["price drop"] != 21 || !whole {
		t.Errorf("%d alerts today, %v", by["price drop"], whole)
	}
	drive(m, "esc", "esc")
	m.show("alerts")
	drive(m, "j", "a")
	sees(t, m, "crosses_above(price,", "NVDA")
	m.show("alerts")
	drive(m, "l")
	if m.desk.State.View != "rules" {
		t.Errorf("the tab leads to %s", m.desk.State.View)
	}
}

func TestTheBackTestIsOnTheChart(t *testing.T) {
	m, _, _ := alertModel(t, 0, 120, 40)
	at := market.At(demoNow).Add(-10 * time.Minute)
	m.desk.tried = &RuleTrial{Fired: []RuleFired{{Symbol: "NVDA", Time: at}, {Symbol: "NVDA", Time: at.Add(-5 * time.Minute)}, {Symbol: "AAPL", Time: at}}}
	m.open(Open{View: "chart", Symbol: "NVDA"})
	drive(m)
	sees(t, m, "△ 2 alerts of the back-test")
	if n := strings.Count(shown(t, m), "△") + strings.Count(shown(t, m), "▽"); n != 3 {
		t.Errorf("%d marks:\n%s", n, shown(t, m))
	}
}

func BenchmarkAlertBurst(b *testing.B) {
	m, d, _ := alertModel(b, 400, 120, 40)
	n := 0
	b.ReportAllocs()
	for b.Loop() { // a frame with 62 new alerts, and its drawing
		for range 62 {
			d.board.Alert(market.Alert{ID: fmt.Sprintf("burst%d", n), Symbol: d.names[n%len(d.names)].Symbol, Time: market.At(d.now).Add(time.Duration(n)),
				Rule: "volume spike", Severity: market.Warning, State: market.Once, Message: "volume"})
			n++
		}
		d.now = d.now.Add(125 * time.Millisecond)
		m.desk.Data.Board.Snapshot(m.desk.Frame)
		m.desk.alerts.follow()
		m.pane().Update(Tick{m.desk.Now()})
		m.draw()
	}
}

// What waits to fire is above the alerts, as the pipeline says it.
func TestPendingAlertsAreShown(t *testing.T) {
	m, d, _ := alertModel(t, 100, 120, 40)
	seesNot(t, m, "pending")
	d.board.Status(live.Status{Instance: "a", Stage: "compute", Time: market.At(d.now),
		Rules: []live.Rule{{Name: "price drop", Revision: 4, Symbols: 90, Pending: 7, Firing: 3, Today: 412, Day: 1, Samples: 1, Each: 61, Planned: 300}},
		Pending: []live.Pending{{Rule: "price drop", Symbol: "NVDA", Severity: market.Warning, Since: market.At(d.now), Due: market.At(d.now.Add(4 * time.Second))},
			{Rule: "price drop", Symbol: "KO", Severity: market.Warning, Since: market.At(d.now), Due: market.At(d.now.Add(5 * time.Minute))}}})
	tick(m)
	sees(t, m, "7 pending", "● NVDA price drop in 4", "● KO price drop in 5 min")
	d.board.Status(live.Status{Instance: "a", Stage: "compute", Time: market.At(d.now), Rules: []live.Rule{{Name: "price drop"}}})
	tick(m)
	seesNot(t, m, "pending")
}
