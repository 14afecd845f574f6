package tui

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

func boardOf(m *Model) *board { return m.views[0].pane.(*board) }

func TestCursorStaysOnItsSymbol(t *testing.T) {
	m, d := demoModel(t, 50, 80, 24)
	press(m, "j", "j", "j")
	symbol := m.desk.Symbol
	for range 20 {
		d.now = d.now.Add(time.Second)
		for i := range d.price {
			d.price[i] *= 1 + d.random.NormFloat64()*0.02
		}
		d.ticks()
		m.sample()
		if m.desk.Symbol != symbol {
			t.Fatalf("the cursor went from %s to %s", symbol, m.desk.Symbol)
		}
	}
	if !strings.Contains(shown(t, m), "▌") {
		t.Error("the cursor's row is not on the page")
	}
}

func TestOrderHoldsAfterAKey(t *testing.T) {
	m, d := demoModel(t, 50, 80, 24)
	w := boardOf(m).watch
	first := slices.Clone(w.order)
	step := func(by time.Duration) {
		d.now = d.now.Add(by)
		for i := range d.price {
			d.price[i] *= 1 + d.random.NormFloat64()*0.05
		}
		d.ticks()
		m.sample()
	}
	step(3 * time.Second)
	if !slices.Equal(w.order, first) {
		t.Error("the order was renewed within 5 s")
	}
	press(m, "j")
	step(4 * time.Second)
	if !slices.Equal(w.order, first) {
		t.Error("the order was renewed within 5 s of a key")
	}
	step(3 * time.Second)
	if slices.Equal(w.order, first) {
		t.Error("the order was not renewed")
	}
}

func TestFlashOnlyLargeMovesAndBriefly(t *testing.T) {
	m, d := demoModel(t, 20, 80, 24)
	w := boardOf(m).watch
	shown(t, m)
	small := func() {
		d.now = d.now.Add(200 * time.Millisecond)
		d.ticks()
		m.sample()
	}
	for range 40 {
		small()
		shown(t, m)
	}
	w.flash = map[int32]moveMark{}
	q := m.desk.Frame.Quote(m.desk.Symbol)
	d.now = d.now.Add(200 * time.Millisecond)
	d.board.Ticks(market.Tick{Symbol: q.Symbol, Time: market.At(d.now), Price: q.Last * 1.02, Size: 100})
	m.sample()
	id, _ := m.desk.Frame.ID(q.Symbol)
	if f, ok := w.flash[id]; !ok || !f.up || len(w.flash) != 1 {
		t.Fatalf("flashes %v", w.flash)
	}
	d.now = d.now.Add(flashFor)
	m.sample()
	if len(w.flash) != 0 {
		t.Error("it still flashes after 400 ms")
	}
}

func TestFilterBySymbolAndCompany(t *testing.T) {
	m, _ := demoModel(t, 1000, 80, 24)
	press(m, "/")
	typed(m, "apple")
	if m.desk.Symbol != "AAPL" {
		t.Errorf("apple finds %s", m.desk.Symbol)
	}
	press(m, "enter")
	if m.pane().(Texter).TextFocus() {
		t.Error("enter leaves the text focus on")
	}
	press(m, "esc")
	if w := boardOf(m).watch; len(w.order) != 1000 || w.filter.String() != "" {
		t.Error("esc does not clear the filter")
	}
	if m.desk.Symbol != "AAPL" {
		t.Error("the cursor did not stay")
	}
}

func enter(m *Model, line string) {
	press(m, ":", "ctrl+u")
	typed(m, line)
	press(m, "enter")
}

func TestCommandFindsEitherWay(t *testing.T) {
	m, _ := demoModel(t, 1000, 120, 40)
	for _, c := range []struct{ line, symbol, view string }{
		{"AAPL", "AAPL", "board"}, // there is no chart view in this build
		{"msft alrt", "MSFT", "alerts"},
		{"ALRT NVDA", "NVDA", "alerts"},
		{"apple", "AAPL", "board"},
		{"apple alrt", "AAPL", "alerts"},
		{"pipeline", "AAPL", "pipeline"},
		{"board", "AAPL", "board"},
	} {
		if c.view == "board" && strings.ToUpper(c.line) != "BOARD" && m.has("chart") {
			c.view = "chart"
		}
		enter(m, c.line)
		if m.desk.Symbol != c.symbol || m.views[m.current].name != c.view {
			t.Errorf("%q opens %s on %s, want %s on %s", c.line, m.desk.Symbol, m.views[m.current].name, c.symbol, c.view)
		}
	}
	enter(m, "no such thing")
	if !strings.Contains(m.desk.said.text, "no such thing") {
		t.Errorf("said %q", m.desk.said.text)
	}
}

func TestWatchlistsLiveAndUndo(t *testing.T) {
	m, _ := demoModel(t, 1000, 120, 40)
	s := m.desk.State
	enter(m, "watch mine AAPL MSFT NVDA")
	if l := s.list("mine"); l == nil || !slices.Equal(l.Symbols, []string{"AAPL", "MSFT", "NVDA"}) {
		t.Fatalf("lists %+v", s.Lists)
	}
	m.Update(tea.PasteMsg{Content: "NASDAQ:AMD, $tsla\nAAPL;  123 !!\n"})
	if l := s.list("mine"); !slices.Equal(l.Symbols, []string{"AAPL", "MSFT", "NVDA", "AMD", "TSLA"}) {
		t.Errorf("after the paste %v", l.Symbols)
	}
	enter(m, "AMD")
	enter(m, "board")
	enter(m, "move top")
	if l := s.list("mine"); l.Symbols[0] != "AMD" {
		t.Errorf("after the move %v", l.Symbols)
	}
	press(m, "d")
	if l := s.list("mine"); slices.Contains(l.Symbols, "AMD") {
		t.Error("d does not delete")
	}
	press(m, "u")
	if l := s.list("mine"); l.Symbols[0] != "AMD" {
		t.Error("u does not bring it back")
	}
	enter(m, "rename mine ours")
	enter(m, "unwatch ours")
	if len(s.Lists) != 0 {
		t.Errorf("lists %v", s.Lists)
	}
	press(m, "u")
	if s.list("ours") == nil {
		t.Error("u does not bring the list back")
	}
	enter(m, "group all")
	m.Update(tea.PasteMsg{Content: "IBM GE"})
	if s.list("pasted") == nil || boardOf(m).watch.groups.chosen != "pasted" {
		t.Error("a paste over a sector makes no list")
	}
}

func TestQuitAsksTheLastScreen(t *testing.T) {
	m, _ := demoModel(t, 5, 80, 24)
	isQuit := func(cmd tea.Cmd) bool {
		if cmd == nil {
			return false
		}
		msg := cmd()
		if b, ok := msg.(tea.BatchMsg); ok {
			for _, c := range b {
				if c != nil {
					if _, ok := c().(tea.QuitMsg); ok {
						return true
					}
				}
			}
		}
		_, ok := msg.(tea.QuitMsg)
		return ok
	}
	if press(m, "q"); !m.quit.open {
		t.Fatal("the last screen does not ask")
	}
	press(m, "esc")
	if m.quit.open {
		t.Fatal("esc does not stay")
	}
	press(m, "q")
	if !isQuit(press(m, "k")) {
		t.Error("k does not leave")
	}
	m.quit.open = false
	m.state.Screens = 2
	if !isQuit(press(m, "q")) {
		t.Error("one of two screens asks")
	}
	m.state.Screens = 1
	stopped := false
	m.desk.Data.Pipeline = stopper(func() error { stopped = true; return nil })
	press(m, "q")
	_, cmd := m.Update(m.stopPipeline()())
	if !stopped || !isQuit(cmd) {
		t.Error("s does not stop the pipeline and leave")
	}
	m.desk.Data.Pipeline = stopper(func() error { return errors.New("busy") })
	m.Update(m.stopPipeline()())
	if m.quit.open || !strings.Contains(m.desk.said.text, "busy") {
		t.Error("a pipeline that does not stop is not said")
	}
}

type stopper func() error

func (s stopper) State(context.Context) PipelineState {
	return PipelineState{Running: true, Screens: 1}
}
func (s stopper) Stop(context.Context) error { return s() }

func TestStateSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "screen.json")
	d := newDemo(100, demoNow)
	d.history()
	d.ticks()
	c := Config{StatePath: path, Environ: []string{}}
	m := New(c, d.data())
	m.sample()
	press(m, "j", "j", "f")
	press(m, "/")
	typed(m, "a")
	press(m, "enter")
	enter(m, "layout save morning")
	press(m, "3")
	symbol := m.desk.Symbol
	cmd := m.save()
	if cmd == nil {
		t.Fatal("nothing is written")
	}
	m.Update(cmd()) // and now kill -9

	m = New(c, d.data())
	m.sample()
	w := boardOf(m).watch
	if m.desk.Symbol != symbol || m.views[m.current].name != "alerts" || w.filter.String() != "a" || len(m.desk.State.Favourites) != 1 {
		t.Errorf("came back with %s, %s, %q, %v", m.desk.Symbol, m.views[m.current].name, w.filter.String(), m.desk.State.Favourites)
	}
	enter(m, "layout morning")
	if m.views[m.current].name != "board" {
		t.Error("the layout does not open")
	}
}

func TestStateUnreadableIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "screen.json")
	if err := os.WriteFile(path, []byte("{torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := LoadState(path)
	if err == nil || s == nil || s.Version != stateVersion {
		t.Errorf("%v, %v", s, err)
	}
	if data, _ := os.ReadFile(path + ".unreadable"); string(data) != "{torn" {
		t.Error("it was not set aside")
	}
}

func TestTroubleStandsInTheHeader(t *testing.T) {
	m, d := demoModel(t, 5, 120, 40)
	d.board.Status(live.Status{Instance: "a", Stage: "archive", Time: market.At(d.now), Level: live.Trouble, Text: "S3 away for 12 s, retrying"})
	m.sample()
	if s := shown(t, m); !strings.Contains(strings.SplitN(s, "\n", 2)[0], "archive: S3 away for 12 s, retrying") {
		t.Errorf("the header says %q", strings.SplitN(s, "\n", 2)[0])
	}
}

// TestTheFirstSeconds: what is on its way is no trouble, ticks of before are no
// replay, and the cursor waits on top until the list has found its order.
func TestTheFirstSeconds(t *testing.T) {
	head := func(m *Model) string { return strings.SplitN(shown(t, m), "\n", 2)[0] }
	d := newDemo(50, demoNow)
	m := New(Config{Version: "test", ColorMode: TrueColor, Environ: []string{"TERM=xterm-256color"}}, d.data())
	resize(m, 120, 40)
	m.pipelineIs(PipelineState{Starting: true})
	m.sample()
	if s := head(m); !strings.Contains(s, "the pipeline is starting") || strings.Contains(s, "not running") {
		t.Errorf("before the pipeline runs the header says %q", s)
	}
	m.pipelineIs(PipelineState{Running: true})
	first := ""
	for range 6 { // two months ago, and another order each time
		var batch []market.Tick
		for i, c := range d.names {
			d.price[i] *= 1 + d.random.NormFloat64()*0.05
			batch = append(batch, market.Tick{Symbol: c.Symbol, Time: market.At(d.now).Add(-60 * 24 * time.Hour), Price: cents(d.price[i]), Size: 100, Source: "sim", Received: market.At(d.now), Backfill: true})
		}
		d.board.Ticks(batch...)
		d.now = d.now.Add(900 * time.Millisecond)
		m.sample()
		if s := head(m); !strings.Contains(s, "history is coming in") || !strings.Contains(s, "14:30") || strings.Contains(s, "2026-09") {
			t.Fatalf("while history comes in the header says %q", s)
		}
		list := m.views[0].pane.(*board).watch
		if m.desk.Symbol != m.desk.Frame.Quotes[list.order[0]].Symbol {
			t.Fatal("the cursor is not on top")
		}
		first = m.desk.Symbol
	}
	for range 20 {
		d.now = d.now.Add(time.Second)
		d.ticks()
		m.sample()
	}
	settled := m.desk.Symbol
	for range 20 {
		d.now = d.now.Add(time.Second)
		for i := range d.price {
			d.price[i] *= 1 + d.random.NormFloat64()*0.05
		}
		d.ticks()
		m.sample()
	}
	if m.desk.Symbol != settled {
		t.Errorf("the cursor went from %s to %s by itself, %s before", settled, m.desk.Symbol, first)
	}
}

func TestClosedMarketIsCalm(t *testing.T) {
	m, d := demoModel(t, 5, 120, 40)
	d.now = time.Date(2026, 11, 21, 15, 0, 0, 0, time.UTC) // a Saturday
	m.sample()
	head := strings.SplitN(shown(t, m), "\n", 2)[0]
	if !strings.Contains(head, "closed · opens Mon 09:30 ET") {
		t.Errorf("the header says %q", head)
	}
}

func TestStaleMarketIsSaid(t *testing.T) {
	m, d := demoModel(t, 5, 120, 40)
	d.now = d.now.Add(12 * time.Second)
	m.sample()
	if head := strings.SplitN(shown(t, m), "\n", 2)[0]; !strings.Contains(head, "no tick for 12 s") {
		t.Errorf("the header says %q", head)
	}
}

func TestInterruptTwiceQuits(t *testing.T) {
	m, _ := demoModel(t, 5, 80, 24)
	cancelled := false
	m.desk.Post(Working{func() { cancelled = true }})
	m.drain()
	press(m, "ctrl+c")
	if !cancelled {
		t.Error("ctrl-c does not cancel the work in hand")
	}
	press(m, "ctrl+c")
	if cmd := m.cancel(); cmd == nil {
		t.Error("twice does not quit")
	}
}

func TestDeadLetterShowsItsBytes(t *testing.T) {
	m, _ := demoModel(t, 5, 100, 30)
	press(m, "6")
	m.Update(m.open(Open{View: "pipeline"})())
	press(m, "tab", "j", "j", "enter")
	if s := shown(t, m); !strings.Contains(s, "00 01 02 20 1b 5b 33 31 6d 68") {
		t.Errorf("no bytes:\n%s", s)
	}
	press(m, "esc")
	if p := m.pane().(*pipeline); p.opened != nil {
		t.Error("esc does not close it")
	}
	press(m, "esc")
	if m.views[m.current].name != "board" {
		t.Error("esc does not lead back")
	}
}

func TestLateAnswersAreDropped(t *testing.T) {
	m, _ := demoModel(t, 5, 100, 30)
	p := newPipeline(m.desk)
	first := p.ask(m.desk.Now())
	second := p.ask(m.desk.Now())
	p.Update(second())
	have := len(p.letters)
	answer := first().(lettersAre)
	answer.letters = nil
	p.Update(answer)
	if len(p.letters) != have {
		t.Error("a late answer was taken")
	}
}

func TestKeyTableIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range bindings {
		for _, k := range b.keys {
			for _, f := range []focus{commandFocus, textFocus} {
				if b.focus&f == 0 {
					continue
				}
				id := string(rune('0'+f)) + k
				if seen[id] {
					t.Errorf("%s is bound twice", k)
				}
				seen[id] = true
			}
		}
		if !slices.Contains(helpGroups[:], b.group) {
			t.Errorf("%v is in no group of the help", b.keys)
		}
		for _, never := range []string{"ctrl+a", "ctrl+b", "ctrl+space", "ctrl+s", "ctrl+q", "f5"} {
			if b.keys[0] == never || strings.HasPrefix(b.keys[0], "alt") {
				t.Errorf("%v needs %s", b.action, b.keys[0])
			}
		}
	}
	for a := View1; a < actions; a++ {
		if bindingOf(a) == nil {
			t.Errorf("action %d has no key", a)
		}
	}
}

func FuzzCommandLine(f *testing.F) {
	for _, s := range []string{"AAPL GP", "gp aapl", "apple", "watch x AAPL", "layout save a", "sort change", "zone utc", "colours blind", "move top", "::::", "\x1b[A"} {
		f.Add(s)
	}
	m, _ := demoModel(f, 40, 80, 24)
	f.Fuzz(func(t *testing.T, line string) {
		m.command.start("")
		m.command.paste(line)
		shown(t, m)
		for _, k := range []string{"ctrl+n", "tab", "left", "backspace", "enter"} {
			press(m, k)
		}
		m.help.open, m.quit.open = false, false
		shown(t, m)
		if _, err := json.Marshal(m.desk.State); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzPaste(f *testing.F) {
	f.Add("AAPL, MSFT\nNASDAQ:NVDA $TSLA")
	f.Fuzz(func(t *testing.T, text string) {
		symbols, _ := parseSymbols(text)
		for _, s := range symbols {
			if !market.ValidSymbol(s) {
				t.Errorf("%q is no symbol", s)
			}
		}
	})
}

func FuzzField(f *testing.F) {
	f.Add("abc\x1b[31m漢", uint8(3))
	f.Fuzz(func(t *testing.T, text string, n uint8) {
		var fd field
		fd.insert(text)
		fd.cursor = min(int(n), len(fd.runes))
		fd.insert(text)
		c := newCanvas(NewTheme(Look{Mode: Color256}), int(n%40)+1, 1)
		fd.draw(c, int(n%40)+1)
		if c.x > c.width {
			t.Errorf("%d cells in %d", c.x, c.width)
		}
		fd.undo()
		fd.redo()
		for fd.cursor > 0 {
			fd.cut(fd.word(), fd.cursor)
		}
	})
}

func TestPriceWithin(t *testing.T) {
	for _, c := range []struct {
		v        float64
		decimals uint8
		n        int
		want     string
	}{
		{187.12, 2, 9, "187.12"}, {712_345.67, 2, 9, "712,345.7"}, {9_712_345.67, 2, 9, "9,712,346"},
		{19_712_345.6, 2, 9, "19712346"}, {1e12, 2, 9, "1.0T"}, {0, 2, 3, "–"},
	} {
		if got := priceWithin(c.v, c.decimals, c.n); got != c.want {
			t.Errorf("%v in %d: %q, want %q", c.v, c.n, got, c.want)
		}
	}
}
