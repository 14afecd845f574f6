package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// commandLine is what `:` opens at the foot of the screen: views, symbols and
// companies by name, Bloomberg's order either way, watchlists, layouts,
// settings. It completes as one types and remembers.
type commandLine struct {
	desk    *Desk
	open    bool
	field   field
	choices []choice
	chosen  int // -1 is none
	history bool
}

// choice is one completion: the whole line as it would be, and what it means.
type choice struct {
	line, note string
}

// ask is a command line that was entered.
type ask struct {
	verb string
	args []string
}

const choicesShown = 8

func (l *commandLine) start(text string) {
	l.open, l.history = true, false
	if text != "" {
		l.field.setText(text)
	}
	l.complete()
}

func (l *commandLine) close() { l.open = false }

func (l *commandLine) paste(text string) {
	l.field.insert(text)
	l.complete()
}

func (l *commandLine) key(k tea.Key, a Action) tea.Cmd {
	switch a {
	case Enter, Submit:
		if l.chosen >= 0 {
			l.field.setText(l.choices[l.chosen].line)
		}
		l.enter()
	case Escape:
		if l.chosen >= 0 || l.history {
			l.history = false
			l.complete()
			return nil
		}
		l.close() // the text stays for the next time
	case Complete:
		if len(l.choices) > 0 {
			l.field.setText(l.choices[max(l.chosen, 0)].line + " ")
			l.complete()
		}
	case ChooseNext:
		l.choose(1)
	case ChoosePrevious:
		l.choose(-1)
	case SearchHistory:
		l.history = !l.history
		l.complete()
	case TextUndo:
		l.field.undo()
		l.complete()
	case TextRedo:
		l.field.redo()
		l.complete()
	case TextHelp:
		l.close()
		l.desk.Post(ask{verb: "help"})
	case None, CompleteBack, TextBacktest:
		if k.String() == "backspace" && l.field.String() == "" {
			l.close()
			return nil
		}
		if l.field.key(k) {
			l.complete()
		}
	}
	return nil
}

func (l *commandLine) choose(n int) {
	if len(l.choices) == 0 {
		return
	}
	l.chosen += n
	if l.chosen < -1 {
		l.chosen = len(l.choices) - 1
	}
	if l.chosen >= len(l.choices) {
		l.chosen = -1
	}
}

// enter runs the line, or says why it cannot.
func (l *commandLine) enter() {
	line := strings.TrimSpace(l.field.String())
	if line == "" {
		l.close()
		return
	}
	l.desk.State.remember(line)
	l.desk.Keep()
	a, why := parseCommand(line, l.desk)
	if why != "" {
		l.desk.Say(Warn, why)
		l.close()
		return
	}
	l.field = field{}
	l.close()
	l.desk.Post(a)
}

// complete renews the choices for what is written.
func (l *commandLine) complete() {
	l.chosen = -1
	text := l.field.String()
	if l.history || strings.TrimSpace(text) == "" {
		l.choices = l.choices[:0]
		for _, h := range slices.Backward(l.desk.State.History) {
			if strings.Contains(strings.ToLower(h), strings.ToLower(strings.TrimSpace(text))) && len(l.choices) < choicesShown {
				l.choices = append(l.choices, choice{h, ""})
			}
		}
		if len(l.choices) > 0 || l.history {
			return
		}
	}
	l.choices = completions(text, l.desk)
}

func (l *commandLine) draw(c *canvas) {
	c.gap(1)
	c.put(Accent.On(Bar).Bold(), ":")
	l.field.draw(c, max(c.room()-24, 8))
	if c.room() > 22 {
		c.gap(1)
		for _, part := range [...][2]string{{"tab", "complete"}, {"esc", "back"}} {
			c.put(Accent.On(Bar), part[0])
			c.put(Muted.On(Bar), " "+part[1]+" ")
		}
	}
}

// over draws the choices above the command line.
func (l *commandLine) over(content string, w, h int) string {
	n := min(len(l.choices), choicesShown, h-1)
	if n == 0 {
		return content
	}
	wide := 24
	for _, ch := range l.choices[:n] {
		wide = max(wide, width(ch.line)+width(ch.note)+6)
	}
	wide = min(wide, w, 72)
	c := newCanvas(l.desk.Theme, wide, n)
	c.set(Selection)
	for i := n - 1; i >= 0; i-- { // the best next to the line
		ch := l.choices[i]
		mark, ink := " ", c.on(Text)
		if i == l.chosen {
			mark, ink = "▌", c.bold(Accent)
		}
		c.put(c.on(Accent), mark)
		c.gap(1)
		line := min(width(ch.line), c.room()-2)
		c.cell(ink, ch.line, line)
		if note := min(width(ch.note), c.room()-3); note > 3 {
			c.to(c.width - note - 1)
			c.cell(c.on(Muted), ch.note, note)
		}
		c.end()
	}
	return overlay(content, strings.Split(c.String(), "\n"), h)
}

// search is the lower-case symbol and name of each quote, by id.
func (d *Desk) search() []string {
	for id := len(d.directory); id < len(d.Frame.Quotes); id++ {
		name, _ := d.Company(d.Frame.Quotes[id].Symbol)
		d.directory = append(d.directory, strings.ToLower(d.Frame.Quotes[id].Symbol+"\x00"+name))
	}
	return d.directory
}

// find is the symbols that a word could mean, the likeliest first.
func (d *Desk) find(word string, limit int) []string {
	word = strings.ToLower(strings.TrimSpace(word))
	if word == "" {
		return nil
	}
	type hit struct {
		rank int
		q    int
	}
	var hits []hit
	for id, s := range d.search() {
		if r := rank(s, word); r < 4 {
			hits = append(hits, hit{r, id})
		}
	}
	slices.SortStableFunc(hits, func(a, b hit) int {
		if a.rank != b.rank {
			return a.rank - b.rank
		}
		// Of several the one that trades most in money is meant.
		qa, qb := &d.Frame.Quotes[a.q], &d.Frame.Quotes[b.q]
		switch va, vb := qa.Last*float64(qa.Volume), qb.Last*float64(qb.Volume); {
		case va > vb:
			return -1
		case va < vb:
			return 1
		}
		return strings.Compare(qa.Symbol, qb.Symbol)
	})
	out := make([]string, 0, min(len(hits), limit))
	for _, h := range hits[:min(len(hits), limit)] {
		out = append(out, d.Frame.Quotes[h.q].Symbol)
	}
	return out
}

// known says whether the word is a symbol that trades, in any case.
func (d *Desk) known(word string) (string, bool) {
	word = strings.ToUpper(word)
	if !market.ValidSymbol(word) {
		return "", false
	}
	_, ok := d.Frame.ID(word)
	return word, ok
}
