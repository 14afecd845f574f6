package tui

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// pipeline is view 6: how every stage does, and what could not be used.
type pipeline struct {
	desk *Desk

	focus   int // 0 stages, 1 dead letters
	cursor  [2]int
	letters []market.DeadLetter
	err     error
	asked   int // number of the request that is awaited
	at      time.Time
	opened  *market.DeadLetter // whose bytes are shown
	offset  int
}

const (
	lettersShown = 200
	lettersEvery = 5 * time.Second
)

type lettersAre struct {
	request int
	letters []market.DeadLetter
	err     error
}

func newPipeline(d *Desk) *pipeline { return &pipeline{desk: d} }

func (p *pipeline) Keys() []Action {
	if p.opened != nil {
		return []Action{MoveDown, MoveUp, Copy, Escape}
	}
	keys := []Action{MoveDown, MoveUp, NextPane}
	if p.focus == 1 {
		keys = append(keys, Enter)
	}
	return append(keys, RunAgain, Escape)
}

func (p *pipeline) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Tick:
		if msg.Now.Sub(p.at) > lettersEvery && p.asked == 0 && p.desk.State.View == "pipeline" {
			return p.ask(msg.Now)
		}
	case lettersAre:
		if msg.request == p.asked {
			p.asked, p.letters, p.err = 0, msg.letters, msg.err
		}
	case Open:
		return p.ask(p.desk.Now())
	case Do:
		return p.do(msg.Action)
	}
	return nil
}

// ask for the newest dead letters.
func (p *pipeline) ask(now time.Time) tea.Cmd {
	source := p.desk.Data.DeadLetters
	if source == nil {
		return nil
	}
	p.at, p.asked = now, p.desk.Request()
	request := p.asked
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		letters, err := source.DeadLetters(ctx, lettersShown)
		return lettersAre{request, letters, err}
	}
}

func (p *pipeline) do(a Action) tea.Cmd {
	rows := len(p.desk.Frame.Statuses)
	if p.focus == 1 {
		rows = len(p.letters)
	}
	at := &p.cursor[p.focus]
	if p.opened != nil {
		at, rows = &p.offset, len(p.opened.Value)/16+1
	}
	switch a {
	case MoveDown:
		*at++
	case MoveUp:
		*at--
	case HalfDown:
		*at += 10
	case HalfUp:
		*at -= 10
	case Top:
		*at = 0
	case Bottom:
		*at = rows - 1
	case NextPane, PreviousPane:
		p.focus = 1 - p.focus
	case RunAgain:
		return p.ask(p.desk.Now())
	case Enter:
		if p.focus == 1 && p.opened == nil && p.cursor[1] < len(p.letters) {
			letter := p.letters[p.cursor[1]]
			p.opened, p.offset = &letter, 0
			return nil
		}
	case Copy:
		if p.opened != nil {
			p.desk.Post(CopyText{string(p.opened.Value), "the message's bytes"})
		}
	case Escape:
		if p.opened != nil {
			p.opened = nil
			return nil
		}
		p.desk.Post(Open{})
	}
	*at = max(min(*at, rows-1), 0)
	return nil
}

func (p *pipeline) View(w, h int) string {
	c := newCanvas(p.desk.Theme, w, h)
	if p.opened != nil {
		p.bytes(c)
		return c.String()
	}
	p.summary(c)
	p.stages(c, max(h*3/5, 6))
	if c.left() > 3 {
		c.end()
		p.reasons(c)
		p.deadLetters(c)
	}
	return c.String()
}

// summary is the journey's end: how old a tick is when it stands here.
func (p *pipeline) summary(c *canvas) {
	f := p.desk.Frame
	c.gap(1)
	c.put(c.bold(Text), perSecond(f.Rate)+" ticks/s")
	c.gap(2)
	if f.Ages.Count > 0 {
		c.text("on this screen " + latency(f.Ages.P50) + " after the exchange, 99 of 100 within " + latency(f.Ages.P99))
	} else {
		fresh, role := p.desk.freshness()
		c.put(c.on(role), fresh)
	}
	c.right(c.on(Muted), "over the last 10 s ")
	c.end()
	if p.desk.Cost != "" {
		c.gap(1)
		c.muted("costs " + p.desk.Cost)
	}
	c.end()
}

// stages lists what every stage of every instance says of itself.
func (p *pipeline) stages(c *canvas, limit int) {
	f := p.desk.Frame
	wide := c.width >= 100
	c.gap(3)
	c.cell(c.on(Muted), "stage", 11)
	if wide {
		c.cell(c.on(Muted), "instance", 14)
	}
	for _, h := range [...]string{"in/s", "out/s", "lag", "errors", "drops"} {
		c.number(c.on(Muted), h, 9)
	}
	c.gap(2)
	c.cell(c.on(Muted), "state", c.room()-12)
	if wide {
		c.right(c.on(Muted), "memory ")
	}
	c.end()
	if len(f.Statuses) == 0 {
		c.gap(3)
		c.text("no stage has spoken yet")
		c.end()
		c.gap(3)
		c.muted("each says once a second how it does; if this stays, `tapedeck doctor` says why")
		c.end()
		return
	}
	for i := range f.Statuses {
		if c.y >= limit {
			c.gap(3)
			c.muted("and " + plainNumber(len(f.Statuses)-i) + " more")
			c.end()
			return
		}
		p.stage(c, &f.Statuses[i], p.focus == 0 && i == p.cursor[0], wide)
	}
	if s := p.cursor[0]; s < len(f.Statuses) {
		p.detail(c, &f.Statuses[s])
	}
}

func (p *pipeline) stage(c *canvas, s *live.Status, selected, wide bool) {
	mark := " "
	if selected {
		c.set(Selection)
		mark = "▌"
	}
	glyph, role := levelMark(s.Level)
	text := progress(s)
	if away := s.Away(p.desk.Now()); away {
		glyph, role = "○", Muted
		text = "silent for " + span(p.desk.Now().Sub(s.Time.Std()))
	}
	c.put(c.on(Accent), mark)
	c.put(c.on(role), glyph)
	c.gap(1)
	c.cell(c.bold(Text), s.Stage, 11)
	if wide {
		c.cell(c.on(Muted), s.Instance, 14)
	}
	c.number(c.on(Text), perSecond(s.In), 9)
	c.number(c.on(Text), perSecond(s.Out), 9)
	lag := c.on(Muted)
	if s.LagAge > 5 {
		lag = c.on(Warn)
	}
	c.number(lag, shares(s.Lag), 9)
	c.number(count(c, s.Errors), shares(s.Errors), 9)
	c.number(count(c, s.Drops), shares(s.Drops), 9)
	c.gap(2)
	memory := ""
	if wide && s.Memory > 0 {
		memory = bytesize(s.Memory) + " "
	}
	ink := c.on(Muted)
	if role == Warn || role == Down {
		ink = c.on(role)
	}
	c.cell(ink, text, c.room()-width(memory)-1)
	c.right(c.on(Muted), memory)
	c.end()
	c.set(Plain)
}

// count is muted where there is nothing to count.
func count(c *canvas, n int64) Ink {
	if n > 0 {
		return c.on(Warn)
	}
	return c.on(Muted)
}

func levelMark(l live.Level) (string, Role) {
	switch l {
	case live.OK:
		return "●", Up
	case live.Working:
		return "●", Accent
	case live.Trouble:
		return "●", Warn
	}
	return "▲", Down
}

// detail is what the stage under the cursor has to say beyond its row.
func (p *pipeline) detail(c *canvas, s *live.Status) {
	var parts []string
	if s.Total > 0 {
		parts = append(parts, integer(s.Total)+" records since it started")
	}
	if s.Lag > 0 && s.LagAge > 0 {
		parts = append(parts, "oldest unread "+span(time.Duration(s.LagAge*float64(time.Second))))
	}
	if s.Flush != nil {
		what := "lake"
		if s.Flush.Table != "" {
			what = s.Flush.Table
		}
		line := fmt.Sprintf("%s flushed %s ago, %s rows", what, span(p.desk.Now().Sub(s.Flush.Time.Std())), integer(s.Flush.Rows))
		if s.Flush.Bytes > 0 {
			line += ", " + bytesize(s.Flush.Bytes)
		}
		parts = append(parts, line)
	}
	if s.Source != "" {
		parts = append(parts, s.Source)
	}
	for _, f := range s.Feeds {
		line := f.Name + " " + perSecond(f.Rate) + " ticks/s"
		if f.Text != "" {
			line += ", " + f.Text
		}
		parts = append(parts, line)
	}
	if s.Host != "" {
		parts = append(parts, fmt.Sprintf("%s, process %d, version %s", s.Host, s.PID, s.Version))
	}
	if len(parts) == 0 {
		return
	}
	c.end()
	c.gap(3)
	c.put(c.bold(Text), s.Stage)
	for i, part := range parts {
		sep := "  "
		if i > 0 {
			sep = " · "
		}
		if width(part)+width(sep) > c.room()-1 {
			c.end()
			c.gap(3 + width(s.Stage))
			sep = "  "
		}
		c.muted(sep + part)
	}
	c.end()
}

// reasons sums up why messages could not be used.
func (p *pipeline) reasons(c *canvas) {
	sum := map[string]int64{}
	total := int64(0)
	for i := range p.desk.Frame.Statuses {
		for r, n := range p.desk.Frame.Statuses[i].Reasons {
			sum[r] += n
			total += n
		}
	}
	c.gap(1)
	c.put(c.bold(Text), "dead letters")
	c.gap(2)
	if total == 0 {
		c.muted("none: every message could be used")
		c.end()
		return
	}
	c.text(integer(total))
	names := make([]string, 0, len(sum))
	for r := range sum {
		names = append(names, r)
	}
	slices.SortFunc(names, func(a, b string) int {
		if sum[a] != sum[b] {
			return int(sum[b] - sum[a])
		}
		return strings.Compare(a, b)
	})
	for _, r := range names {
		part := " · " + integer(sum[r]) + " " + r
		if !c.fits(part) {
			break
		}
		c.muted(part)
	}
	c.end()
}

func (p *pipeline) deadLetters(c *canvas) {
	switch {
	case p.err != nil:
		c.gap(1)
		c.put(c.on(Warn), "they could not be read: "+p.err.Error())
		c.end()
		return
	case p.desk.Data.DeadLetters == nil || len(p.letters) == 0:
		return
	}
	rows := c.left()
	at := min(p.cursor[1], len(p.letters)-1)
	from := max(min(at-rows/2, len(p.letters)-rows), 0)
	for i := from; i < len(p.letters) && !c.full(); i++ {
		d := &p.letters[i]
		mark := " "
		if p.focus == 1 && i == at {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		c.put(c.on(Muted), clockOf(d.Received, p.desk.Zone())+" ")
		c.cell(c.on(Text), d.Reason, min(28, c.width/3))
		c.gap(1)
		where := fmt.Sprintf("%s %d @ %d", d.Topic, d.Partition, d.Offset)
		c.cell(c.on(Muted), string(d.Value), c.room()-width(where)-2)
		c.right(c.on(Muted), where+" ")
		c.end()
		c.set(Plain)
	}
}

// bytes shows one dead letter as it came: hexadecimal and text side by side.
func (p *pipeline) bytes(c *canvas) {
	d := p.opened
	c.gap(1)
	c.put(c.bold(Text), d.Reason)
	c.gap(2)
	c.muted(fmt.Sprintf("%s, partition %d, offset %s, %s", d.Topic, d.Partition, integer(d.Offset), plural(len(d.Value), "byte")))
	c.end()
	c.gap(1)
	if utf8.Valid(d.Value) && len(d.Value) > 0 {
		c.muted("as text: ")
		c.cell(c.on(Text), string(d.Value), c.room()-1)
	}
	c.end()
	c.end()
	per := 16
	if c.width < 80 {
		per = 8
	}
	for at := p.offset * 16; at < len(d.Value) && !c.full(); at += per {
		chunk := d.Value[at:min(at+per, len(d.Value))]
		c.gap(1)
		c.muted(fmt.Sprintf("%06x  ", at))
		c.cell(c.on(Text), fmt.Sprintf("% x", chunk), per*3)
		c.gap(1)
		shown := make([]byte, len(chunk))
		for i, b := range chunk {
			if shown[i] = '.'; b >= 0x20 && b < 0x7f {
				shown[i] = b
			}
		}
		c.muted(string(shown))
		c.end()
	}
}
