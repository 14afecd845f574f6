package tui

import (
	"context"
	"fmt"
	"math"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

const (
	calmAfter    = 2 * time.Second // without a move, the board is sampled half as often
	aliveEvery   = 30 * time.Second
	pipelineAsks = 2 * time.Second
	greetAfter   = 1500 * time.Millisecond // what happened meanwhile has been read by then
)

// synchronized turns synchronized output on: Bubble Tea does not ask for it
// over SSH. A terminal that does not know the mode ignores it.
func synchronized() tea.Msg {
	return tea.ModeReportMsg{Mode: ansi.ModeSynchronizedOutput, Value: ansi.ModeReset}
}

// nextSample paces itself: half as often when nothing moves, and on a slow
// line no faster than the terminal answers.
func (m *Model) nextSample() tea.Cmd {
	every := m.desk.Config.FrameEvery
	if m.desk.Frame.Now.Sub(m.quietFrom) > calmAfter {
		every *= 2
	}
	if m.line != nil {
		every = max(every, min(m.line.roundTrip()*3/2, 2*time.Second))
	}
	return tea.Tick(every, func(time.Time) tea.Msg { return sampleDue{} })
}

// sample takes the board's state, once a frame.
func (m *Model) sample() tea.Cmd {
	d := m.desk
	d.Data.Board.Snapshot(d.Frame)
	ring := m.bell.ring(d.alerts.follow())
	now := d.Frame.Now
	if d.Frame.Moved() {
		d.dirty, m.quietFrom = true, now
	}
	if s := now.Unix(); s != m.second {
		m.second, d.dirty = s, true
	}
	if d.said.text != "" && now.After(d.said.until) {
		d.said, d.dirty = saying{}, true
	}
	if !m.greeted && now.Sub(m.started) > greetAfter {
		m.greeted = true
		m.whileAway()
	}
	if left := d.State.Left; m.desk.Config.StatePath != "" && now.Sub(left.Std()) > aliveEvery {
		d.State.Left = market.At(now)
		d.keep = true
	}
	return tea.Batch(m.nextSample(), ring, m.pane().Update(Tick{now}))
}

// View draws when something changed and the terminal has taken the last
// frame: one frame in flight, so that a slow line never fills up. What a key
// did goes out behind it, once, without waiting for the terminal's answer.
func (m *Model) View() tea.View {
	if m.desk.dirty && (m.line == nil || !m.line.busy() || m.typed && m.line.spare()) {
		m.desk.dirty, m.typed = false, false
		m.content = m.draw()
	}
	v := tea.NewView(m.content)
	v.AltScreen = true
	v.WindowTitle = "tapedeck"
	if m.desk.Config.Mouse {
		v.MouseMode = tea.MouseModeCellMotion
	}
	return v
}

func (m *Model) askPipeline() tea.Cmd {
	p := m.desk.Data.Pipeline
	if p == nil {
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return pipelineIs{p.State(ctx)}
	}
}

func (m *Model) pipelineIs(s PipelineState) tea.Cmd {
	if s != m.state {
		m.state, m.desk.Cost, m.desk.starting, m.desk.dirty = s, s.Cost, s.Starting, true
	}
	return tea.Tick(pipelineAsks, func(time.Time) tea.Msg { return pipelineDue{} })
}

// whileAway counts the alerts since the analyst last looked.
func (m *Model) whileAway() {
	left := m.left
	if left == 0 {
		return
	}
	n, grave := m.desk.alerts.since(left)
	if n == 0 {
		return
	}
	text, role := "while you were away: "+plural(n, "alert"), Text
	if grave > 0 {
		text, role = text+", "+plainNumber(grave)+" of them critical", Warn
	}
	m.desk.Say(role, text+" · 3 shows them")
}

// trouble is the worst that somebody should know, in words; "" is none.
func (m *Model) trouble() (string, live.Level) {
	if m.state.Text != "" {
		return m.state.Text, live.Trouble
	}
	if m.state.Starting {
		return "", live.OK
	}
	if m.desk.Data.Pipeline != nil && !m.state.Running && m.state != (PipelineState{}) {
		return "the pipeline is not running: nothing is recorded", live.Failed
	}
	var worst *live.Status
	for i := range m.desk.Frame.Statuses {
		s := &m.desk.Frame.Statuses[i]
		if s.Away(m.desk.Now()) {
			continue // said by the pipeline view; another instance may have taken over
		}
		if s.Level >= live.Trouble && s.Text != "" && (worst == nil || s.Level > worst.Level) {
			worst = s
		}
		for k := range s.Feeds {
			if f := &s.Feeds[k]; f.Level >= live.Trouble && f.Text != "" && worst == nil {
				return f.Name + ": " + f.Text, f.Level
			}
		}
	}
	if worst == nil {
		return "", live.OK
	}
	return worst.Stage + ": " + worst.Text, worst.Level
}

// source is where ticks come from, in words.
func (m *Model) source() string {
	if m.state.Source != "" {
		return m.state.Source
	}
	return m.desk.Source()
}

// Source is what the feed says of itself, or the source that the newest ticks name.
func (d *Desk) Source() string {
	for i := range d.Frame.Statuses {
		if s := &d.Frame.Statuses[i]; s.Source != "" {
			return s.Source
		}
	}
	if q := d.Frame.Quote(d.Symbol); q != nil && q.Source != "" {
		if q.Source == "sim" {
			return "simulated"
		}
		return q.Source
	}
	return ""
}

// freshness is the age of the newest tick, or why there is none: a closed
// market is calm, never stale.
func (d *Desk) freshness() (string, Role) {
	f := d.Frame
	if f.Newest == 0 && d.starting {
		return "the pipeline is starting …", Muted
	} else if f.Newest == 0 {
		return "waiting for the first tick", Muted
	}
	if f.Filling {
		return d.filling(), Muted
	}
	quiet := f.Now.Sub(f.Arrived)
	calendar := d.Calendar(d.Symbol)
	clock := market.At(f.Now)
	if d.Replaying() {
		clock = f.Newest
	}
	if session := calendar.Session(clock); session == market.Closed && quiet > 5*time.Second {
		return "closed · opens " + d.opens(calendar, clock), Muted
	} else if session != market.Regular && quiet > 5*time.Second {
		return session.String() + " · last tick " + span(quiet) + " ago", Muted
	}
	switch {
	case quiet > 5*time.Second:
		return "no tick for " + span(quiet), Warn
	case f.Ages.Count > 0:
		return span(f.Ages.P50), Muted
	}
	return span(quiet), Muted
}

// filling is what a feed that brings what was before says of it.
func (d *Desk) filling() string {
	for i := range d.Frame.Statuses {
		for k := range d.Frame.Statuses[i].Feeds {
			if f := &d.Frame.Statuses[i].Feeds[k]; f.Level == live.Working && f.Text != "" {
				return f.Text
			}
		}
	}
	return "history is coming in"
}

func (d *Desk) opens(c *market.Calendar, t market.Time) string {
	z := c.Location()
	next, now := c.NextOpen(t).Std().In(z), t.Std().In(z)
	layout := "Mon 15:04"
	if next.Sub(now) > 6*24*time.Hour {
		layout = "Mon 2 Jan 15:04"
	}
	return next.Format(layout) + " " + zoneName(z, next)
}

// fromFirst says whether most changes are against the day's first trade,
// since the previous close is not known.
func (d *Desk) fromFirst() bool {
	q := d.Frame.Quote(d.Symbol)
	return q != nil && q.FromFirst
}

// clock is the time that the header shows, with its zone; the date too where
// recorded history is played.
func (d *Desk) clock() string {
	z, t := d.Zone(), d.Clock()
	layout := "15:04:05"
	if d.Replaying() {
		layout = "2006-01-02 15:04:05"
	}
	at := t.Std()
	return at.In(z).Format(layout) + " " + zoneName(z, at)
}

// firing is how many alerts fire now.
func (d *Desk) firing() int { return d.Frame.Firing }

// behind is the stage that lags most, in words; "" where none does notably.
func (d *Desk) behind() (string, Role) {
	const notable, bad = 2.0, 30.0
	var worst *live.Status
	for i := range d.Frame.Statuses {
		s := &d.Frame.Statuses[i]
		if s.LagAge >= notable && !s.Away(d.Now()) && (worst == nil || s.LagAge > worst.LagAge) {
			worst = s
		}
	}
	if worst == nil {
		return "", Muted
	}
	role := Muted
	if worst.LagAge >= bad {
		role = Warn
	}
	return worst.Stage + " " + span(time.Duration(worst.LagAge*float64(time.Second))) + " behind", role
}

// progress of work that a stage has in hand: "training lstm, 38 %".
func progress(s *live.Status) string {
	if s.Progress <= 0 || s.Progress >= 1 || math.IsNaN(s.Progress) {
		return s.Text
	}
	return fmt.Sprintf("%s, %.0f %%", s.Text, s.Progress*100)
}
