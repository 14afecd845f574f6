package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// quietQuestion asks for whom and how long alerts are snoozed or silenced.
type quietQuestion struct {
	open   bool
	kind   NoteKind
	alert  market.Alert
	scope  int
	length int
}

var quietLengths = [...]time.Duration{5 * time.Minute, 15 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 7 * 24 * time.Hour}

func (q *quietQuestion) start(kind NoteKind, a market.Alert) {
	*q = quietQuestion{open: true, kind: kind, alert: a, length: 1}
	if kind == Silenced {
		q.length = 2
	}
}

// scopes are what can be meant beside this very alert, the narrowest first.
func (q *quietQuestion) scopes() []map[string]string {
	a := &q.alert
	if a.Symbol == "" {
		return []map[string]string{{"rule": escaped(a.Rule)}}
	}
	return []map[string]string{
		{"rule": escaped(a.Rule), "symbol": a.Symbol},
		{"rule": escaped(a.Rule)},
		{"symbol": a.Symbol},
		{"severity": a.Severity.String()},
	}
}

// escaped is a name that stands for itself in a pattern.
func escaped(name string) string {
	out := make([]rune, 0, len(name))
	for _, r := range name {
		if r == '*' || r == '?' || r == '[' || r == '\\' {
			out = append(out, '\\')
		}
		out = append(out, r)
	}
	return string(out)
}

// do takes a key; note is what was decided, nil while it is not.
func (q *quietQuestion) do(a Action, now market.Time) (note *AlertNote) {
	scopes := q.scopes()
	switch a {
	case MoveLeft:
		q.scope = (q.scope + len(scopes) - 1) % len(scopes)
	case MoveRight:
		q.scope = (q.scope + 1) % len(scopes)
	case MoveDown:
		q.length = max(q.length-1, 0)
	case MoveUp:
		q.length = min(q.length+1, len(quietLengths)-1)
	case Snooze, Silence: // again: longer
		q.length = (q.length + 1) % len(quietLengths)
	case Escape:
		q.open = false
	case Enter, Submit:
		q.open = false
		return &AlertNote{Kind: q.kind, Match: scopes[q.scope], Until: now.Add(quietLengths[q.length])}
	}
	return nil
}

// draw writes the question into two lines.
func (q *quietQuestion) draw(c *canvas) {
	n := AlertNote{Match: q.scopes()[q.scope]}
	word, what := "snooze", "not counted and no sound; it is sent all the same"
	if q.kind == Silenced {
		word, what = "silence", "not sent to anybody; it stands in the list all the same"
	}
	c.set(Selection)
	c.put(c.on(Accent), "▌")
	c.put(c.bold(Text), word)
	c.gap(2)
	c.cell(c.on(Accent), n.words(), min(width(n.words()), max(c.room()-16, 8)))
	c.gap(2)
	c.put(c.on(Muted), "for ")
	c.put(c.on(Accent), span(quietLengths[q.length]))
	c.end()
	c.gap(1)
	for _, part := range [...][2]string{{"h l", "whom"}, {"j k", "how long"}, {"enter", word}, {"esc", "no"}} {
		if c.room() > width(part[0])+width(part[1])+4 {
			c.put(c.on(Accent), part[0])
			c.put(c.on(Muted), " "+part[1]+"  ")
		}
	}
	if c.room() > width(what)+2 {
		c.right(c.on(Muted), what+" ")
	}
	c.end()
	c.set(Plain)
}

// noteMade says how the making of a note went.
type noteMade struct {
	said string
	undo []AlertNote // what takes it back
	err  error
}

const noteWithin = 10 * time.Second

// make notes, one after the other, and says so.
func (b *alertBook) make(said string, undo []AlertNote, notes ...AlertNote) tea.Cmd {
	source := b.desk.Data.Alerts
	if source == nil {
		b.desk.Say(Warn, "what is noted about alerts has no place to be kept here")
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), noteWithin)
		defer cancel()
		for _, n := range notes {
			if err := source.Note(ctx, n); err != nil {
				return noteMade{err: err}
			}
		}
		return noteMade{said: said, undo: undo}
	}
}

// newNoteID is a name that no other screen gives.
func (b *alertBook) newNoteID() string {
	const digits = "0123456789abcdef"
	v := uint64(b.desk.Now().UnixNano()) ^ uint64(b.desk.Request())<<52
	out := make([]byte, 16)
	for i := range out {
		out[i] = digits[v>>(60-4*i)&15]
	}
	return string(out)
}

// silences lists what is snoozed and silenced, also what has ended today.
type silences struct {
	desk   *Desk
	cursor int
	offset int
	page   int
}

func (s *silences) list() []*AlertNote {
	b := s.desk.alerts
	since := market.At(s.desk.Now()).Add(-24 * time.Hour)
	var holds, over []*AlertNote
	for i := len(b.notes) - 1; i >= 0; i-- {
		n := &b.notes[i]
		switch {
		case n.Kind == Acknowledged:
		case !n.Removed && n.Until > market.At(s.desk.Now()):
			holds = append(holds, n)
		case n.Until > since:
			over = append(over, n)
		}
	}
	return append(holds, over...)
}

// holding is how many hold now.
func (s *silences) holding() (n int) {
	for _, x := range s.list() {
		if !x.Removed && x.Until > market.At(s.desk.Now()) {
			n++
		}
	}
	return n
}

func (s *silences) do(a Action) tea.Cmd {
	list := s.list()
	switch a {
	case MoveDown:
		s.cursor++
	case MoveUp:
		s.cursor--
	case HalfDown:
		s.cursor += max(s.page/2, 1)
	case HalfUp:
		s.cursor -= max(s.page/2, 1)
	case Top:
		s.cursor = 0
	case Bottom:
		s.cursor = len(list) - 1
	case Delete, Toggle:
		if s.cursor < len(list) {
			n := *list[s.cursor]
			if n.Until <= market.At(s.desk.Now()) {
				s.desk.Say(Muted, "it has ended by itself")
				return nil
			}
			back := n
			n.Removed = !n.Removed
			said := "it holds again"
			if n.Removed {
				said = "taken back · u lets it hold again"
			}
			return s.desk.alerts.make(said, []AlertNote{back}, n)
		}
	}
	s.cursor = max(min(s.cursor, len(list)-1), 0)
	return nil
}

func (s *silences) draw(c *canvas) {
	list := s.list()
	if len(list) == 0 {
		c.end()
		c.gap(3)
		c.text("nothing is snoozed or silenced")
		c.end()
		c.gap(3)
		c.muted("z and i on an alert do that; what everybody here did stands in this list")
		c.end()
		return
	}
	c.gap(3)
	c.cell(c.on(Muted), "until", 16)
	c.cell(c.on(Muted), "kind", 10)
	c.cell(c.on(Muted), "which alerts", max(c.room()-22, 8))
	c.cell(c.on(Muted), "by", c.room())
	c.end()
	s.page = max(c.left(), 1)
	s.cursor = max(min(s.cursor, len(list)-1), 0)
	s.offset = max(min(s.offset, s.cursor), s.cursor-s.page+1)
	s.offset = max(min(s.offset, len(list)-s.page), 0)
	now := market.At(s.desk.Now())
	for i := s.offset; i < min(s.offset+s.page, len(list)); i++ {
		n := list[i]
		mark := " "
		if i == s.cursor {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		c.gap(2)
		ink, until := c.on(Text), n.Until.Std().In(s.desk.Zone()).Format("Mon 15:04")
		switch {
		case n.Removed:
			ink, until = c.on(Muted), "taken back"
		case n.Until <= now:
			ink, until = c.on(Muted), "ended"
		default:
			if left := until + ", " + span(n.Until.Sub(now)); width(left) < 16 {
				until = left
			}
		}
		c.cell(ink, until, 16)
		kind := "snoozed"
		if n.Kind == Silenced {
			kind = "silenced"
		}
		c.cell(ink, kind, 10)
		words := n.words()
		if n.Text != "" {
			words += " · " + n.Text
		}
		c.cell(ink, words, max(c.room()-22, 8))
		c.cell(c.on(Muted), n.By, c.room()-1)
		c.end()
		c.set(Plain)
	}
}
