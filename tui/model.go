package tui

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Model is the root of the screen: it samples the board, routes keys through
// the key table, lays out the view under header and footer, and keeps the
// state. Make it with New and run it with Run, or give it to a tea.Program.
type Model struct {
	desk    *Desk
	views   []view
	current int
	back    []int // views that esc leads back to
	line    *terminal

	command commandLine
	help    help
	bell    bell
	quit    quitQuestion

	profile ColorMode
	light   bool

	content   string    // as drawn last
	typed     bool      // a key changed what is shown
	quietFrom time.Time // when something last moved
	second    int64     // of the clock as drawn
	saving    bool
	keysSeen  map[Action]bool
	started   time.Time
	state     PipelineState
	interrupt time.Time          // of a ctrl-c that had nothing to cancel
	left      market.Time        // when the analyst's last screen was seen alive
	greeted   bool               // what happened since has been said
	stop      context.CancelFunc // of the work in hand
}

// view is one of the numbered screens.
type view struct {
	number Action // its key
	name   string
	pane   Pane
}

// New makes the root model. It reads the state file; all other I/O happens in
// commands.
func New(c Config, data Data) *Model {
	c = c.withDefaults()
	if data.Board == nil {
		data.Board = live.New(live.Config{Calendar: data.Calendar})
	}
	state, err := LoadState(c.StatePath)
	d := &Desk{Config: c, Data: data, Frame: &live.Frame{}, State: state, Width: 80, Height: 24, Interval: market.Minute}
	m := &Model{desk: d, keysSeen: map[Action]bool{}, left: state.Left}
	d.bars = newBarStore(d)
	d.alerts = newAlertBook(d)
	d.Data.Board.Snapshot(d.Frame)
	d.alerts.follow()
	m.started, m.quietFrom = d.Frame.Now, d.Frame.Now
	if i, err := market.ParseInterval(state.Interval); err == nil && state.Interval != "" {
		d.Interval = i
	}
	m.applyLook()
	m.profile, m.light = modeOf(colorprofile.Env(c.Environ)), false
	m.retheme()
	m.command.desk, m.help.desk, m.quit.desk, m.bell.desk = d, d, d, d
	m.views = views(d)
	for _, v := range m.views {
		d.viewNames = append(d.viewNames, v.name)
	}
	if state.Symbol != "" {
		symbol := state.Symbol
		d.Select(symbol)
	}
	m.show(state.View)
	m.back, state.View = nil, m.views[m.current].name
	for _, v := range m.views {
		if k, ok := v.pane.(Keeper); ok && state.Panes[v.name] != nil {
			k.Restore(state.Panes[v.name])
		}
	}
	state.Starts++
	d.Keep()
	if err != nil {
		d.Say(Warn, err.Error())
	}
	return m
}

// views are the screens, in their order. Another view is one line here and one
// file; its number is its key, and None has none: other views lead there.
func views(d *Desk) []view {
	b := newBoard(d)
	return []view{
		{View1, "board", b},
		{View2, "chart", newChartView(d, b)},
		{View3, "alerts", newAlerts(d)},
		{View4, "sql", newSQL(d)},
		{View5, "models", newModels(d)},
		{View6, "pipeline", newPipeline(d)},
		{View7, "grid", newGridView(d, b)},
		{None, "rules", newRules(d)},
	}
}

func modeOf(p colorprofile.Profile) ColorMode {
	switch p {
	case colorprofile.TrueColor:
		return TrueColor
	case colorprofile.ANSI256:
		return Color256
	case colorprofile.ANSI:
		return Color16
	}
	return NoColor
}

// retheme makes the theme that terminal, environment and settings give. Any
// non-empty NO_COLOR means no colour.
func (m *Model) retheme() {
	c := m.desk.Config
	l := Look{Mode: m.profile, Light: m.light, ColourBlind: c.ColourBlind, RedUp: c.RedUp, ASCII: c.ASCII}
	if noColor(c.Environ) {
		l.Mode = NoColor
	}
	if c.ColorMode != Auto {
		l.Mode = c.ColorMode
	}
	if c.Background != AskTerminal {
		l.Light = c.Background == Light
	}
	if m.desk.Theme == nil || m.desk.Theme.Look != l {
		m.desk.Theme = NewTheme(l)
	}
	m.desk.dirty = true
}

func noColor(environ []string) bool {
	for _, e := range environ {
		if v, ok := strings.CutPrefix(e, "NO_COLOR="); ok && v != "" {
			return true
		}
	}
	return false
}

// asksWell says whether the terminal can be asked for a capability: some
// print the question.
func asksWell(environ []string) bool {
	return !slices.Contains(environ, "TERM=linux") && !slices.Contains(environ, "TERM=dumb") &&
		!slices.Contains(environ, "TERM_PROGRAM=Apple_Terminal")
}

// Messages of the root's own commands.
type (
	sampleDue   struct{}
	saveDue     struct{}
	saved       struct{ err error }
	pipelineDue struct{}
	pipelineIs  struct{ state PipelineState }
	stopped     struct{ err error }
	lineFree    struct{} // the terminal has drawn the last frame
	leave       struct{}
)

// CopyText asks the root to put a text onto the clipboard.
type CopyText struct{ Text, What string }

// Working tells the root how to cancel the work in hand; nil ends that.
type Working struct{ Cancel context.CancelFunc }

// Init starts sampling and asks the terminal what it can show.
func (m *Model) Init() tea.Cmd {
	cmds := []tea.Cmd{m.nextSample(), m.askPipeline(), m.deliver(Started{})}
	if asksWell(m.desk.Config.Environ) {
		cmds = append(cmds, tea.RequestCapability("RGB"), tea.RequestCapability("Tc"))
	}
	if m.desk.Config.Background == AskTerminal {
		cmds = append(cmds, tea.RequestBackgroundColor)
	}
	if !m.desk.Config.NoSync {
		cmds = append(cmds, synchronized)
	}
	return tea.Batch(cmds...)
}

// Update names what happened and calls a method.
func (m *Model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		m.desk.Width, m.desk.Height, m.desk.dirty = msg.Width, msg.Height, true
	case tea.ColorProfileMsg:
		m.profile = modeOf(msg.Profile)
		m.retheme()
	case tea.BackgroundColorMsg:
		m.light = !msg.IsDark()
		m.retheme()
	case tea.KeyPressMsg:
		cmd = m.key(tea.Key(msg))
	case tea.PasteMsg:
		cmd = m.paste(msg)
	case tea.MouseWheelMsg:
		cmd = m.wheel(msg)
	case tea.MouseClickMsg:
		cmd = m.click(msg)
	case sampleDue:
		cmd = m.sample()
	case lineFree:
	case saveDue:
		cmd = m.save()
	case saved:
		m.saved(msg)
	case pipelineDue:
		cmd = m.askPipeline()
	case pipelineIs:
		cmd = m.pipelineIs(msg.state)
	case stopped:
		cmd = m.stopped(msg.err)
	case barsCame:
		m.desk.bars.take(msg)
		cmd = m.deliver(msg)
	case leave:
		cmd = m.leave()
	default:
		cmd = m.deliver(msg)
	}
	return m, tea.Batch(cmd, m.drain())
}

// deliver gives an answer of a command to all panes; whose it is not drops it.
func (m *Model) deliver(msg tea.Msg) tea.Cmd {
	cmds := make([]tea.Cmd, 0, len(m.views))
	for _, v := range m.views {
		cmds = append(cmds, v.pane.Update(msg))
	}
	m.desk.dirty = true
	return tea.Batch(cmds...)
}

// drain takes what panes posted during the Update.
func (m *Model) drain() tea.Cmd {
	var cmds []tea.Cmd
	for range 32 { // a pane that posts in answer to a post cannot spin
		if len(m.desk.posts) == 0 {
			break
		}
		posts := m.desk.posts
		m.desk.posts = nil
		for _, p := range posts {
			cmds = append(cmds, m.posted(p))
		}
	}
	if m.desk.keep && !m.saving {
		m.saving = true
		cmds = append(cmds, tea.Tick(keepAfter, func(time.Time) tea.Msg { return saveDue{} }))
	}
	return tea.Batch(cmds...)
}

func (m *Model) posted(p tea.Msg) tea.Cmd {
	m.desk.dirty = true
	switch p := p.(type) {
	case Open:
		return m.open(p)
	case CopyText:
		m.desk.Say(Muted, "copied "+p.What+" · if it is not in your clipboard, the terminal ignores OSC 52: hold shift and select")
		return tea.SetClipboard(p.Text)
	case Working:
		m.stop = p.Cancel
		return nil
	case ask:
		return m.verb(p)
	case Prompt:
		m.command.start(p.Text)
		return nil
	case tea.Cmd:
		return p
	}
	return m.deliver(p)
}

// pane is the view that is open.
func (m *Model) pane() Pane { return m.views[m.current].pane }

// show opens a view by name; false where there is none.
func (m *Model) show(name string) bool {
	for i, v := range m.views {
		if v.name == name {
			if i != m.current {
				m.back = append(m.back, m.current)
				m.back = m.back[max(len(m.back)-16, 0):]
				m.current = i
			}
			m.desk.State.View = name
			m.desk.Keep()
			return true
		}
	}
	return false
}

// open goes to a view; "" goes back to where one came from.
func (m *Model) open(o Open) tea.Cmd {
	if o.Symbol != "" {
		m.desk.Select(o.Symbol)
	}
	m.desk.At = o.At
	if o.View == "chart" && !m.has("chart") {
		o.View = "board" // which has the symbol's chart too
	}
	switch {
	case o.View == "" && len(m.back) > 0:
		m.current = m.back[len(m.back)-1]
		m.back = m.back[:len(m.back)-1]
		m.desk.State.View = m.views[m.current].name
		m.desk.Keep()
	case o.View == "" && m.current != 0:
		m.current = 0
		m.desk.State.View = m.views[0].name
	case o.View != "" && !m.show(o.View):
		return nil
	}
	return m.pane().Update(o)
}

// key routes one key: an overlay first, then the root's own actions, then the view.
func (m *Model) key(k tea.Key) tea.Cmd {
	m.desk.dirty, m.typed = true, true
	texter, ok := m.pane().(Texter)
	text := m.command.open || ok && texter.TextFocus() && !m.help.open && !m.quit.open
	f := commandFocus
	if text {
		f = textFocus
	}
	a := actionOf(k, f)
	if a == Interrupt {
		return m.cancel()
	}
	m.interrupt = time.Time{}
	m.keysSeen[a] = true
	switch {
	case m.quit.open:
		return m.quitKey(k, a)
	case m.help.open:
		m.help.do(a)
		return nil
	case m.command.open:
		return m.command.key(k, a)
	}
	if !text && m.own(a) {
		return nil
	}
	if a == Quit {
		return m.askQuit()
	}
	if a == None {
		if text {
			return m.pane().Update(Type{k})
		}
		return nil
	}
	return m.pane().Update(Do{a})
}

// own are the actions that mean the same everywhere.
func (m *Model) own(a Action) bool {
	switch {
	case a >= View1 && a <= View7:
		for _, v := range m.views {
			if v.number == a {
				m.show(v.name)
			}
		}
	case a == Command:
		m.command.start("")
	case a == Help:
		m.help.start()
	case a == IntervalDown && m.desk.Interval > market.Second:
		m.interval(m.desk.Interval - 1)
	case a == IntervalUp && m.desk.Interval < market.Day:
		m.interval(m.desk.Interval + 1)
	default:
		return a == IntervalDown || a == IntervalUp
	}
	return true
}

func (m *Model) interval(i market.Interval) {
	m.desk.Interval = i
	m.desk.State.Interval = i.String()
	m.desk.Keep()
	m.desk.Post(IntervalChanged{})
}

// Prompt opens the command line with a text to go on with.
type Prompt struct{ Text string }

// IntervalChanged follows a change of Desk.Interval.
type IntervalChanged struct{}

// cancel ends the work in hand; the second time in two seconds it quits.
func (m *Model) cancel() tea.Cmd {
	switch {
	case m.quit.open:
		m.quit.open = false
		return nil
	case m.command.open:
		m.command.close()
		return nil
	case m.stop != nil:
		m.stop()
		m.stop = nil
		m.desk.Say(Muted, "cancelled")
		return nil
	case m.desk.Now().Sub(m.interrupt) < 2*time.Second:
		return m.leave()
	}
	m.interrupt = m.desk.Now()
	m.desk.Say(Muted, "nothing is running that could be cancelled · ctrl-c again quits this screen")
	return nil
}

func (m *Model) paste(p tea.PasteMsg) tea.Cmd {
	m.desk.dirty, m.typed = true, true
	switch {
	case m.command.open:
		m.command.paste(p.Content)
		return nil
	case m.help.open, m.quit.open:
		return nil
	}
	return m.pane().Update(p)
}

func (m *Model) wheel(w tea.MouseWheelMsg) tea.Cmd {
	m.desk.dirty, m.typed = true, true
	a := MoveDown
	if w.Button == tea.MouseWheelUp {
		a = MoveUp
	}
	if m.help.open {
		m.help.do(a)
		return nil
	}
	return m.pane().Update(Do{a})
}

// click gives the view a click in its own coordinates.
func (m *Model) click(c tea.MouseClickMsg) tea.Cmd {
	m.desk.dirty, m.typed = true, true
	if m.help.open || m.quit.open || m.command.open || c.Button != tea.MouseLeft {
		return nil
	}
	c.Y--
	return m.pane().Update(c)
}

// save collects what the panes keep and has it written.
func (m *Model) save() tea.Cmd {
	m.saving, m.desk.keep = false, false
	if m.desk.Config.StatePath == "" {
		return nil
	}
	data, err := m.encodeState()
	if err != nil {
		return func() tea.Msg { return saved{err} }
	}
	m.saving = true
	path := m.desk.Config.StatePath
	return func() tea.Msg { return saved{write(path, data)} }
}

func (m *Model) encodeState() ([]byte, error) {
	for _, v := range m.views {
		if k, ok := v.pane.(Keeper); ok {
			if data, err := json.Marshal(k.Keep()); err == nil {
				m.desk.State.Panes[v.name] = data
			}
		}
	}
	m.desk.State.Left = market.At(m.desk.Now())
	return json.MarshalIndent(m.desk.State, "", " ")
}

func (m *Model) saved(s saved) {
	m.saving = false
	if s.err != nil {
		m.desk.Config.Log.Error("screen", "err", s.err)
		m.desk.Say(Warn, s.err.Error())
	}
}

// saveNow writes the state before the screen ends.
func (m *Model) saveNow() error {
	if m.desk.Config.StatePath == "" {
		return nil
	}
	data, err := m.encodeState()
	if err != nil {
		return err
	}
	return write(m.desk.Config.StatePath, data)
}
