package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

const (
	burstRate  = 20          // alerts a second above which the list is renewed once a second
	burstEvery = time.Second //
	pastNear   = 3           // pages below the cursor at which older alerts are asked for
)

// alertsShown is which alerts are listed.
type alertsShown uint8

const (
	showAll alertsShown = iota
	showAsking
	showFiring
	showSymbol
	alertsShownCount
)

// alertList lists alerts, newest first. It follows the newest while the cursor
// is on the first; else it stays where it is and says how many are new.
type alertList struct {
	desk    *Desk
	moments *moments
	quiet   quietQuestion

	show      alertsShown
	filter    field
	filtering bool

	rows    []*alertRow // newest first, as listed
	of      int         // version of the book that rows are of
	ofNotes int
	stale   bool
	symbol  string // that rows are of, where only a symbol's are shown
	renewed time.Time

	cursor int
	held   *alertRow // that the cursor stays on; nil: the first place
	top    *alertRow // the first that is seen; nil: the first of all
	offset int
	page   int
	newest *alertRow // the newest when the list was last at its top

	rate  float64 // alerts a second, over the last one
	came  int
	since time.Time
}

func newAlertList(d *Desk) *alertList {
	return &alertList{desk: d, moments: newMoments(d), of: -1}
}

func (l *alertList) Keys() []Action {
	switch {
	case l.filtering:
		return []Action{Enter, Escape, TextUndo}
	case l.quiet.open:
		return []Action{MoveLeft, MoveUp, Enter, Escape}
	}
	return []Action{MoveDown, MoveUp, Enter, Toggle, Snooze, Silence, Filter, Sort, MoveLeft, MoveRight}
}

func (l *alertList) Word(x Action) string {
	switch {
	case l.quiet.open && x == Enter:
		return "yes"
	case l.quiet.open && x == Escape:
		return "no"
	case l.quiet.open && x == MoveLeft:
		return "whom"
	case l.quiet.open && x == MoveUp:
		return "longer"
	case l.filtering && x == Enter:
		return "keep"
	case l.filtering && x == Escape:
		return "all"
	case x == Enter:
		return "chart"
	case x == Sort:
		return "which"
	}
	return ""
}

func (l *alertList) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Type:
		if l.filter.key(msg.Key) {
			l.changed()
		}
	case tea.PasteMsg:
		if l.filtering {
			l.filter.insert(msg.Content)
			l.changed()
		}
	case tea.MouseClickMsg:
		if i := l.offset + msg.Y - 2; msg.Y >= 2 && i < len(l.rows) {
			l.place(i)
		}
	}
	return nil
}

// changed lists anew, from the top.
func (l *alertList) changed() {
	l.stale = true
	l.held, l.top, l.cursor, l.offset = nil, nil, 0, 0
	l.desk.Keep()
}

// tick renews the list, measures the rate and has older alerts and
// surroundings come.
func (l *alertList) tick() {
	now := l.desk.Now()
	book := l.desk.alerts
	if d := now.Sub(l.since); d >= time.Second {
		l.rate = float64(book.came-l.came) / d.Seconds()
		l.came, l.since = book.came, now
	}
	l.renew()
	if (book.reached == transition{}) || l.offset+pastNear*max(l.page, 10) >= len(l.rows) {
		book.wantPast()
	}
	from := min(l.offset, len(l.rows))
	l.moments.look(l.rows[from:min(from+max(l.page, 1), len(l.rows))])
}

// following says whether the list shows the newest as it comes.
func (l *alertList) following() bool { return l.held == nil && l.top == nil }

// renew lists what the book has and the filter leaves. In a burst the list
// stands still for a second at a time, so that it can be read.
func (l *alertList) renew() {
	book, now := l.desk.alerts, l.desk.Now()
	if !l.stale && l.of == book.version && l.ofNotes == book.notesAre && (l.show != showSymbol || l.symbol == l.desk.Symbol) {
		return
	}
	if !l.stale && l.rate > burstRate && now.Sub(l.renewed) < burstEvery {
		return
	}
	l.of, l.ofNotes, l.symbol, l.stale, l.renewed = book.version, book.notesAre, l.desk.Symbol, false, now
	words := strings.Fields(strings.ToLower(l.filter.String()))
	l.rows = l.rows[:0]
	for i := len(book.rows) - 1; i >= 0; i-- {
		r := book.rows[i]
		switch {
		case l.show == showAsking && !book.asking(r), l.show == showFiring && r.stands() != market.Firing, l.show == showSymbol && r.Symbol != l.symbol:
			continue
		}
		if l.passes(r, words) {
			l.rows = append(l.rows, r)
		}
	}
	l.settle()
}

// passes says whether every word is found in the alert.
func (l *alertList) passes(r *alertRow, words []string) bool {
	for _, w := range words {
		if strings.HasPrefix(strings.ToLower(r.Symbol), w) || strings.Contains(strings.ToLower(r.Rule), w) ||
			strings.HasPrefix(r.Severity.String(), w) || strings.HasPrefix(r.stands().String(), w) {
			continue
		}
		if n := l.desk.alerts.note(r); n != nil && (strings.HasPrefix(noteWord(n), w) || strings.HasPrefix(strings.ToLower(n.By), w)) {
			continue
		}
		return false
	}
	return true
}

// settle finds where the rows that are held have come to stand.
func (l *alertList) settle() {
	find := func(r *alertRow, near int) int {
		for d := 0; d <= len(l.rows); d++ { // most have moved a little
			if i := near + d; i < len(l.rows) && l.rows[i] == r {
				return i
			}
			if i := near - d; d > 0 && i >= 0 && i < len(l.rows) && l.rows[i] == r {
				return i
			}
		}
		return -1
	}
	if l.held != nil {
		if i := find(l.held, l.cursor); i >= 0 {
			l.cursor = i
		}
	}
	if l.top != nil {
		if i := find(l.top, l.offset); i >= 0 {
			l.offset = i
		}
	}
	l.cursor = max(min(l.cursor, len(l.rows)-1), 0)
	if l.following() {
		l.cursor, l.offset = 0, 0
		if len(l.rows) > 0 {
			l.newest = l.rows[0]
		}
	}
}

// place puts the cursor on a row.
func (l *alertList) place(i int) {
	l.cursor = max(min(i, len(l.rows)-1), 0)
	if l.page > 0 {
		l.offset = max(min(l.offset, l.cursor), l.cursor-l.page+1, 0)
	}
	l.held, l.top = nil, nil
	if l.cursor > 0 || l.offset > 0 {
		l.held, l.top = l.rows[l.cursor], l.rows[l.offset]
	} else if len(l.rows) > 0 {
		l.newest = l.rows[0]
	}
}

// at is the row under the cursor; nil where there is none.
func (l *alertList) at() *alertRow {
	if l.cursor >= len(l.rows) {
		return nil
	}
	return l.rows[l.cursor]
}

// hold keeps the cursor on its row, also on the first.
func (l *alertList) hold() {
	if r := l.at(); r != nil {
		l.held, l.top = r, l.rows[min(l.offset, l.cursor)]
	}
}

func (l *alertList) do(a Action) tea.Cmd {
	d, book := l.desk, l.desk.alerts
	if l.quiet.open {
		if n := l.quiet.do(a, market.At(d.Now())); n != nil {
			return l.decided(n)
		}
		return nil
	}
	if !l.filtering {
		l.renew()
	}
	row := l.at()
	switch a {
	case MoveDown, ChooseNext:
		l.place(l.cursor + 1)
	case MoveUp, ChoosePrevious:
		l.place(l.cursor - 1)
	case HalfDown:
		l.place(l.cursor + max(l.page/2, 1))
	case HalfUp:
		l.place(l.cursor - max(l.page/2, 1))
	case Top:
		l.place(0)
	case Bottom:
		l.place(len(l.rows) - 1)
		book.wantPast()
	case Filter:
		l.filtering = true
	case Sort:
		l.show = (l.show + 1) % alertsShownCount
		l.changed()
		l.renew()
	case Reverse:
		l.show = (l.show + alertsShownCount - 1) % alertsShownCount
		l.changed()
		l.renew()
	case TextUndo:
		l.filter.undo()
		l.changed()
	case TextRedo:
		l.filter.redo()
		l.changed()
	case Escape:
		switch {
		case l.filtering || l.filter.String() != "":
			l.filtering = false
			if l.filter.String() != "" {
				l.filter.setText("")
				l.changed()
			}
		case l.show != showAll:
			l.show = showAll
			l.changed()
		default:
			d.Post(Open{})
		}
	case Enter, ChartIt:
		if l.filtering {
			l.filtering = false
			return nil
		}
		if row != nil && row.Symbol != "" {
			d.Post(Open{View: "chart", Symbol: row.Symbol, At: row.Time})
		} else if row != nil {
			d.Post(Open{View: "pipeline"})
		}
	case Toggle:
		return l.acknowledge(row)
	case Snooze, Silence:
		if row != nil {
			l.hold()
			kind := Snoozed
			if a == Silence {
				kind = Silenced
			}
			l.quiet.start(kind, row.Alert)
		}
	case Edit:
		if row != nil && row.Symbol != "" {
			d.Post(OpenRule{Name: row.Rule})
		} else {
			d.Post(OpenRule{})
		}
	case Copy:
		if row != nil {
			d.Post(CopyText{row.Time.String() + " " + row.Symbol + " " + sentence(&row.Alert), "the alert"})
		}
	}
	return nil
}

// acknowledge marks the alert as seen, or takes that back, and goes on to the
// next one, so that a finger on the key works through the list.
func (l *alertList) acknowledge(row *alertRow) tea.Cmd {
	if row == nil {
		return nil
	}
	book := l.desk.alerts
	n := AlertNote{Kind: Acknowledged, ID: row.ID}
	said := "acknowledged · u takes it back"
	switch old := book.note(row); {
	case old != nil && old.Kind == Acknowledged && old.ID == row.ID:
		n.Removed = true
		said = "no longer acknowledged"
	case old != nil:
		l.desk.Say(Muted, "it is "+noteWord(old)+" by "+old.By+" · the tab silences takes that back")
		return nil
	}
	back := n
	back.Removed = !n.Removed
	l.place(l.cursor + 1)
	l.hold()
	return book.make(said, []AlertNote{back}, n)
}

// decided makes the note that the question came to.
func (l *alertList) decided(n *AlertNote) tea.Cmd {
	n.ID = l.desk.alerts.newNoteID()
	back := *n
	back.Removed = true
	word := "snoozed "
	if n.Kind == Silenced {
		word = "silenced "
	}
	until := n.Until.Std().In(l.desk.Zone())
	return l.desk.alerts.make(word+n.words()+" until "+until.Format("Mon 15:04")+" "+zoneName(l.desk.Zone(), until)+" · u takes it back", []AlertNote{back}, *n)
}

func noteWord(n *AlertNote) string {
	return [...]string{"acknowledged", "snoozed", "silenced"}[n.Kind%3]
}
