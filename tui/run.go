package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"
)

// flushes a second is how often Bubble Tea looks whether there is something
// to send. Each look costs a wake-up, also when nothing moves; a key waits
// 33 ms at most.
const flushes = 30

// Run shows the screen until the analyst leaves, ctx ends, or a SIGHUP or
// SIGTERM comes; these are no errors. The terminal is given back and the
// state written, whatever happened.
func Run(ctx context.Context, c Config, data Data) error {
	if err := c.Validate(); err != nil {
		return err
	}
	c = c.withDefaults()
	m := New(c, data)
	options := []tea.ProgramOption{tea.WithContext(ctx), tea.WithEnvironment(c.Environ), tea.WithFPS(flushes)}
	if p, ok := forcedProfile(c); ok {
		options = append(options, tea.WithColorProfile(p))
	}
	var watch *guard
	in, out := c.terminalFiles()
	if in != nil && out != nil {
		m.line = newTerminal(in, out)
		options = append(options, tea.WithInput(input{in, m.line}), tea.WithOutput(output{out, m.line}))
		watch = startGuard(in, out, c.LogPath)
	} else {
		if c.Input != nil {
			options = append(options, tea.WithInput(c.Input))
		}
		if c.Output != nil {
			options = append(options, tea.WithOutput(c.Output))
		}
	}
	p := tea.NewProgram(m, options...)
	if m.line != nil {
		m.line.answered = func() { go p.Send(lineFree{}) } // the reader must not wait for the loop
	}
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		select {
		case <-hangup:
			p.Quit()
		case <-done:
		}
	}()
	_, err := p.Run()
	close(done)
	signal.Stop(hangup)
	watch.dismiss()
	kept := m.saveNow()
	switch {
	case ctx.Err() != nil, errors.Is(err, tea.ErrInterrupted):
		err = nil
	case err != nil:
		err = fmt.Errorf("screen: %w", err)
	}
	return errors.Join(err, kept)
}

// terminalFiles are the two ends of the terminal, nil where either is none.
func (c Config) terminalFiles() (in, out *os.File) {
	in, out = os.Stdin, os.Stdout
	if c.Input != nil {
		in, _ = c.Input.(*os.File)
	}
	if c.Output != nil {
		out, _ = c.Output.(*os.File)
	}
	if in == nil || out == nil || !term.IsTerminal(in.Fd()) || !term.IsTerminal(out.Fd()) {
		return nil, nil
	}
	return in, out
}

// forcedProfile is what Bubble Tea must not find out by itself: it takes
// NO_COLOR for a boolean.
func forcedProfile(c Config) (colorprofile.Profile, bool) {
	switch c.ColorMode {
	case NoColor:
		return colorprofile.ASCII, true
	case Color16:
		return colorprofile.ANSI, true
	case Color256:
		return colorprofile.ANSI256, true
	case TrueColor:
		return colorprofile.TrueColor, true
	}
	if noColor(c.Environ) {
		return colorprofile.ASCII, true
	}
	return 0, false
}
