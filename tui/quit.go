package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
)

// quitQuestion asks the last screen what becomes of the pipeline.
type quitQuestion struct {
	desk     *Desk
	open     bool
	stopping bool
}

func (q *quitQuestion) draw(c *canvas) {
	c.gap(1)
	if q.stopping {
		c.put(Text.On(Bar), "stopping the pipeline: what is in flight is being written …")
		return
	}
	c.put(Text.On(Bar), "This is the last screen.")
	for _, part := range [...][2]string{{"s", "stop the pipeline"}, {"k", "keep recording and alerting"}, {"esc", "stay"}} {
		c.gap(2)
		c.put(Accent.On(Bar), part[0])
		c.gap(1)
		c.put(Muted.On(Bar), part[1])
	}
}

// askQuit quits, asking first where the pipeline would be left alone and no
// setting answers.
func (m *Model) askQuit() tea.Cmd {
	last := m.desk.Data.Pipeline != nil && m.state.Running && m.state.Screens <= 1
	switch {
	case !last || m.desk.Config.OnQuit == KeepOnQuit:
		return m.leave()
	case m.desk.Config.OnQuit == StopOnQuit:
		m.quit.open = true
		return m.stopPipeline()
	}
	m.quit.open = true
	return nil
}

func (m *Model) quitKey(k tea.Key, a Action) tea.Cmd {
	if m.quit.stopping {
		return nil
	}
	switch {
	case k.String() == "s":
		return m.stopPipeline()
	case k.String() == "k":
		return m.leave()
	case a == Escape || a == Quit || k.String() == "n":
		m.quit.open = false
	}
	return nil
}

func (m *Model) stopPipeline() tea.Cmd {
	m.quit.stopping = true
	p := m.desk.Data.Pipeline
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return stopped{p.Stop(ctx)}
	}
}

func (m *Model) stopped(err error) tea.Cmd {
	if err != nil {
		m.quit.open, m.quit.stopping = false, false
		m.desk.Say(Warn, "the pipeline did not stop: "+err.Error())
		return nil
	}
	return m.leave()
}

// leave ends the screen once the terminal has answered for the last frame, so
// that no answer of its is left for the shell to read.
func (m *Model) leave() tea.Cmd {
	if m.line == nil {
		return tea.Quit
	}
	m.line.hush()
	if m.line.busy() {
		return tea.Tick(20*time.Millisecond, func(time.Time) tea.Msg { return leave{} })
	}
	return tea.Quit
}
