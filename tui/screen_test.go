package tui

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

var update = flag.Bool("update", false, "write the golden screens anew")

// desk is a model on the synthetic market at a standing clock.
func demoModel(t testing.TB, symbols, w, h int) (*Model, *demo) {
	t.Helper()
	d := newDemo(symbols, demoNow)
	d.history()
	d.ticks()
	d.events()
	m := New(Config{Version: "test", ColorMode: TrueColor, Environ: []string{"TERM=xterm-256color"}}, d.data())
	m.state = PipelineState{Running: true, Screens: 1}
	resize(m, w, h)
	m.sample()
	return m, d
}

func resize(m *Model, w, h int) { m.Update(tea.WindowSizeMsg{Width: w, Height: h}) }

// keyOf makes the message of a key by its name in the key table.
func keyOf(name string) tea.KeyPressMsg {
	special := map[string]rune{"enter": tea.KeyEnter, "esc": tea.KeyEscape, "tab": tea.KeyTab, "up": tea.KeyUp, "down": tea.KeyDown,
		"left": tea.KeyLeft, "right": tea.KeyRight, "backspace": tea.KeyBackspace, "pgdown": tea.KeyPgDown, "home": tea.KeyHome, "end": tea.KeyEnd}
	k := tea.Key{}
	if rest, ok := strings.CutPrefix(name, "ctrl+"); ok {
		k.Mod, name = tea.ModCtrl, rest
	}
	if rest, ok := strings.CutPrefix(name, "shift+"); ok {
		k.Mod, name = k.Mod|tea.ModShift, rest
	}
	if code, ok := special[name]; ok {
		k.Code = code
		return tea.KeyPressMsg(k)
	}
	if name == "space" {
		name = " "
	}
	k.Code = []rune(name)[0]
	if k.Mod == 0 {
		k.Text = name
	}
	return tea.KeyPressMsg(k)
}

// press gives keys by name; one of more letters that is no name is typed.
func press(m *Model, keys ...string) (cmd tea.Cmd) {
	for _, k := range keys {
		_, cmd = m.Update(keyOf(k))
	}
	return cmd
}

func typed(m *Model, text string) {
	for _, r := range text {
		if r == ' ' {
			press(m, "space")
		} else {
			press(m, string(r))
		}
	}
}

// shown draws the screen and checks that every line is exactly as wide as it.
func shown(t testing.TB, m *Model) string {
	t.Helper()
	raw := m.draw()
	lines := strings.Split(raw, "\n")
	if len(lines) != m.desk.Height {
		t.Errorf("%d lines on a screen of %d", len(lines), m.desk.Height)
	}
	for i, l := range lines {
		if w := ansi.StringWidth(l); w != m.desk.Width {
			t.Errorf("line %d is %d cells wide on a screen of %d: %q", i, w, m.desk.Width, ansi.Strip(l))
		}
	}
	// What the terminal makes of it is what is compared.
	buf := uv.NewScreenBuffer(m.desk.Width, m.desk.Height)
	uv.NewStyledString(raw).Draw(buf, buf.Bounds())
	out := strings.Split(ansi.Strip(buf.Render()), "\n")
	for i := range out {
		out[i] = strings.TrimRight(out[i], " \u00a0\r")
	}
	return strings.Join(out, "\n") + "\n"
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", "screens", name+".txt")
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test ./tui -update writes it)", err)
	}
	if got != string(want) {
		t.Errorf("%s differs from its golden screen (go test ./tui -update renews it):\n%s", name, got)
	}
}

var sizes = [...][2]int{{60, 20}, {80, 24}, {120, 40}, {200, 50}}

func TestGoldenScreens(t *testing.T) {
	scenes := []struct {
		name string
		do   func(*Model, *demo)
	}{
		{"board", func(m *Model, _ *demo) {
			press(m, "f", "j", "f", "j")
		}},
		{"alerts", func(m *Model, _ *demo) { press(m, "3") }},
		{"pipeline", func(m *Model, _ *demo) {
			press(m, "6")
			m.Update(m.open(Open{View: "pipeline"})())
		}},
		{"models", func(m *Model, d *demo) {
			d.models()
			m.desk.Data.Models = d.shelf
			m.sample()
			hit(m, "5", "j")
			answer(m, m.pane().Update(Tick{demoNow}))
		}},
		{"record", func(m *Model, d *demo) {
			d.models()
			m.desk.Data.Models = d.shelf
			m.sample()
			hit(m, "5")
			answer(m, press(m, "enter"))
		}},
		{"help", func(m *Model, _ *demo) { press(m, "?") }},
		{"command", func(m *Model, _ *demo) {
			press(m, ":")
			typed(m, "app")
		}},
	}
	for _, s := range scenes {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				m, d := demoModel(t, 200, size[0], size[1])
				s.do(m, d)
				golden(t, name, shown(t, m))
			})
		}
	}
}

func TestGoldenEmpty(t *testing.T) {
	now := demoNow
	b := live.New(live.Config{Now: func() time.Time { return now }})
	m := New(Config{Environ: []string{}}, Data{Board: b})
	resize(m, 80, 24)
	m.sample()
	golden(t, "empty-80x24", shown(t, m))
}

// TestEverySizeFits draws every view at every size, so that no line is ever
// wider or narrower than the screen.
func TestEverySizeFits(t *testing.T) {
	m, _ := demoModel(t, 120, 80, 24)
	m.Update(m.open(Open{View: "pipeline"})())
	for _, view := range m.desk.viewNames {
		m.show(view)
		for _, open := range []func(bool){func(bool) {}, func(v bool) { m.help.open = v }, func(v bool) { m.quit.open = v }, func(v bool) {
			if m.command.open = v; v {
				m.command.start("a")
			}
		}} {
			open(true)
			for w := 1; w <= 210; w += 7 {
				for _, h := range []int{1, 3, 9, 10, 11, 16, 24, 50} {
					resize(m, w, h)
					shown(t, m)
					if t.Failed() {
						t.Fatalf("%s at %d×%d", view, w, h)
					}
				}
			}
			open(false)
		}
	}
}

func TestHostileTextDrawsNothingButText(t *testing.T) {
	m, d := demoModel(t, 5, 120, 40)
	evil := "\x1b[2J\x1b]52;c;aGk=\x07\u202e\u0085x\x9b31m\u200d\ufe0f漢字"
	d.board.Alert(market.Alert{ID: "e", Symbol: d.names[0].Symbol, Time: market.At(demoNow), Rule: evil, Message: evil})
	d.board.Status(live.Status{Instance: evil, Stage: evil, Text: evil, Level: live.Trouble, Time: market.At(demoNow)})
	m.desk.Data.Company = func(string) (string, string) { return evil, evil }
	m.sample()
	for _, view := range m.desk.viewNames {
		m.show(view)
		shown(t, m)
		raw := m.draw()
		for _, bad := range []string{"\x1b[2J", "\x1b]", "\u202e", "\u0085", "\u200d", "\ufe0f", "\x07"} {
			if strings.Contains(raw, bad) {
				t.Errorf("%s lets %q through", view, bad)
			}
		}
	}
}

func TestNoColorIsNoColor(t *testing.T) {
	for _, v := range []string{"1", "yes", "0", "true"} {
		m := New(Config{Environ: []string{"TERM=xterm-256color", "COLORTERM=truecolor", "NO_COLOR=" + v}}, Data{})
		if m.desk.Theme.Mode != NoColor {
			t.Errorf("NO_COLOR=%s gives mode %d", v, m.desk.Theme.Mode)
		}
		if strings.Contains(m.draw(), "38;") {
			t.Errorf("NO_COLOR=%s draws colours", v)
		}
	}
	m := New(Config{Environ: []string{"TERM=xterm-256color", "NO_COLOR="}}, Data{})
	if m.desk.Theme.Mode != Color256 {
		t.Errorf("an empty NO_COLOR gives mode %d", m.desk.Theme.Mode)
	}
}

func TestASCIIIsASCII(t *testing.T) {
	m, _ := demoModel(t, 60, 200, 50)
	m.desk.Config.ASCII = true
	m.retheme()
	for _, view := range m.desk.viewNames {
		m.show(view)
		for _, r := range shown(t, m) {
			if r > 0x7e {
				t.Fatalf("%s draws %q", view, r)
			}
		}
	}
}

func TestLooks(t *testing.T) {
	for mode := NoColor; mode <= TrueColor; mode++ {
		seen := map[string]Role{}
		th := NewTheme(Look{Mode: mode})
		for r := range roles {
			s := th.SGR(r.On(Plain))
			if old, ok := seen[s]; ok && mode >= Color256 {
				t.Errorf("in mode %d %d looks like %d", mode, r, old)
			}
			seen[s] = r
		}
	}
	red := NewTheme(Look{Mode: TrueColor, RedUp: true})
	if red.SGR(Up.On(Plain)) != NewTheme(Look{Mode: TrueColor}).SGR(Down.On(Plain)) {
		t.Error("red-up does not swap")
	}
}

func TestSparkSpansItsHeight(t *testing.T) {
	values := make([]float32, 60)
	for i := range values {
		values[i] = float32(i)
	}
	if h := spark(values, 60, nil); h[0] != 1 || h[59] != 7 {
		t.Errorf("from %d to %d", h[0], h[59])
	}
	if h := spark([]float32{5, 5}, 4, nil); h[0] != 0 || h[2] == 0 || h[2] != h[3] {
		t.Errorf("a flat line gives %v", h)
	}
	if h := spark(nil, 3, nil); len(h) != 3 {
		t.Errorf("nothing gives %v", h)
	}
}

func TestNumbersAreNeverCut(t *testing.T) {
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{
		{"volume 1,204,300 > 1,000,000", 24, "volume 1,204,300 > "},
		{"volume 1,204,300 > 1,000,000", 16, "volume 1,204,300"},
		{"volume 1,204,300 > 1,000,000", 15, "volume "},
		{"at 14:30:07 sharp", 6, "at "},
		{"price 12.5", 8, "price "},
		{"words only here", 7, "words o"},
		{"12345", 3, ""},
		{"ends in 5. Next", 10, "ends in 5."},
	} {
		if got := wholeNumbers(c.s, c.n); got != c.want {
			t.Errorf("%q in %d: %q, want %q", c.s, c.n, got, c.want)
		}
	}
}
