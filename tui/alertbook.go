package tui

import (
	"context"
	"slices"
	"sort"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

const (
	rowsKept      = 40_000 // of alerts in memory; what is older is read again
	pastPage      = 400    // transitions asked for at once
	pastWithin    = 30 * time.Second
	countedAtOnce = 2_000          // rows above which the unacknowledged are counted once a second
	asksFor       = 24 * time.Hour // an alert older than that asks for no acknowledgement
)

// alertRow is one alert from its beginning to its end.
type alertRow struct {
	market.Alert             // the transition that it stands for: the firing, else the pending; of one whose beginning is not known the end
	ended        market.Time // when it resolved; 0 has not

	key     string     // rule and symbol
	version int        // of the notes that the following is of
	noted   *AlertNote // nil: nobody has noted anything that holds
}

// stands is where the alert stands now.
func (r *alertRow) stands() market.AlertState {
	if r.ended != 0 {
		return market.Resolved
	}
	return r.State
}

// headless says that its beginning is not known.
func (r *alertRow) headless() bool { return r.State == market.Resolved }

// alertBook is every alert that this screen knows of: those of the board as
// they come, and of the lake as far back as was asked for. Transitions of one
// alert are one row. Rows lie in the order of their beginnings.
type alertBook struct {
	desk  *Desk
	rows  []*alertRow // oldest first
	byKey map[string][]*alertRow
	ids   map[string]struct{} // of all transitions taken

	newest    transition // of the last frame
	reached   transition // the past is known from here on
	exhausted bool
	request   int
	why       string
	retry     time.Time

	version int // grows with every change
	pages   int // read of the past
	came    int // alerts that have begun since the screen started

	notes      []AlertNote
	notesAre   int // version of notes
	many       []*AlertNote
	single     map[string]*AlertNote
	asks       int // alerts that ask for an acknowledgement
	asksWorst  market.Severity
	asksSymbol map[string]market.Severity // the worst of each symbol, +1

	live rulesLive

	counted, countedNotes int // versions of the book and of the notes that asks is of
	countedAt             time.Time
}

type transition struct {
	time market.Time
	id   string
}

// pastCame answers a question for older alerts.
type pastCame struct {
	request int
	asked   transition
	alerts  []market.Alert
	end     bool
	err     error
}

func newAlertBook(d *Desk) *alertBook {
	return &alertBook{desk: d, byKey: map[string][]*alertRow{}, ids: map[string]struct{}{}, notesAre: -1}
}

// idOf tells transitions apart, also where a source gives an alert one ID.
func idOf(a *market.Alert) string { return a.ID + string(rune('0'+a.State)) }

// follow takes what the board has new; began are the rows that began with it.
func (b *alertBook) follow() (began []*alertRow) {
	b.follows()
	f := b.desk.Frame
	b.live.follow(f)
	if !f.AlertsChanged && b.newest != (transition{}) || len(f.Alerts) == 0 {
		return nil
	}
	n := len(f.Alerts)
	for i := range f.Alerts {
		if f.Alerts[i].ID == b.newest.id && f.Alerts[i].Time == b.newest.time {
			n = i
			break
		}
	}
	if n == len(f.Alerts) && b.newest != (transition{}) && n >= 500 {
		b.reset() // more came than the board holds: what lies between is the lake's
	}
	for i := n - 1; i >= 0; i-- {
		if r := b.take(&f.Alerts[i]); r != nil {
			began = append(began, r)
		}
	}
	b.newest = transition{f.Alerts[0].Time, f.Alerts[0].ID}
	b.came += len(began)
	if len(b.rows) > rowsKept {
		b.forget()
	}
	return began
}

func (b *alertBook) reset() {
	b.rows, b.byKey, b.ids = nil, map[string][]*alertRow{}, map[string]struct{}{}
	b.reached, b.exhausted, b.request = transition{}, false, 0
	b.version++
}

// forget lets go of the older half.
func (b *alertBook) forget() {
	keep := slices.Clone(b.rows[len(b.rows)/2:])
	b.reset()
	b.rows = keep
	for _, r := range keep {
		b.byKey[r.key] = append(b.byKey[r.key], r)
		b.ids[idOf(&r.Alert)] = struct{}{}
	}
	b.reached = transition{keep[0].Time, keep[0].ID}
}

// take takes a transition, in whatever order they come. It returns the row
// that began with it.
func (b *alertBook) take(a *market.Alert) *alertRow {
	id := idOf(a)
	if _, ok := b.ids[id]; ok {
		return nil
	}
	b.ids[id] = struct{}{}
	b.version++
	key := a.Rule + "\x00" + a.Symbol
	list := b.byKey[key]
	at := sort.Search(len(list), func(i int) bool { return list[i].Time > a.Time })
	var before, after *alertRow
	if at > 0 {
		before = list[at-1]
	}
	if at < len(list) {
		after = list[at]
	}
	open := before != nil && before.ended == 0 && (before.State == market.Pending || before.State == market.Firing)
	switch {
	case a.State == market.Resolved && open:
		before.ended = a.Time
		return nil
	case a.State == market.Pending && after != nil && (after.State == market.Firing || after.headless()):
		return nil // a later page told of its beginning
	case a.State == market.Firing && open && before.State == market.Pending:
		b.remove(before)
		before.Alert = *a
		b.insert(before)
		return before
	case a.State == market.Firing && after != nil && after.headless():
		b.remove(after)
		after.Alert = *a
		b.insert(after)
		return nil
	}
	r := &alertRow{Alert: *a, key: key, version: -1}
	if a.State == market.Resolved {
		r.ended = a.Time
	}
	b.insert(r)
	if r.headless() {
		return nil
	}
	return r
}

func (r *alertRow) before(o *alertRow) bool {
	return r.Time < o.Time || r.Time == o.Time && r.ID < o.ID
}

func (b *alertBook) insert(r *alertRow) {
	put := func(list []*alertRow) []*alertRow {
		return slices.Insert(list, sort.Search(len(list), func(i int) bool { return r.before(list[i]) }), r)
	}
	b.rows = put(b.rows)
	b.byKey[r.key] = put(b.byKey[r.key])
}

func (b *alertBook) remove(r *alertRow) {
	b.rows = slices.Delete(b.rows, b.index(b.rows, r), b.index(b.rows, r)+1)
	list := b.byKey[r.key]
	at := b.index(list, r)
	b.byKey[r.key] = slices.Delete(list, at, at+1)
}

func (b *alertBook) index(list []*alertRow, r *alertRow) int {
	at := sort.Search(len(list), func(i int) bool { return !list[i].before(r) })
	for list[at] != r {
		at++
	}
	return at
}

// wantPast asks for a page of older alerts.
func (b *alertBook) wantPast() {
	source := b.desk.Data.Alerts
	if source == nil || b.exhausted || b.request != 0 || !b.desk.Now().After(b.retry) {
		return
	}
	b.request = b.desk.Request()
	q := pastCame{request: b.request, asked: b.reached}
	if q.asked == (transition{}) {
		q.asked = transition{max(b.desk.Clock(), market.At(b.desk.Now())).Add(time.Hour), ""}
	}
	b.desk.Post(tea.Cmd(func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), pastWithin)
		defer cancel()
		q.alerts, q.err = source.Past(ctx, q.asked.time, q.asked.id, pastPage)
		q.end = q.err == nil && len(q.alerts) < pastPage
		return q
	}))
}

// marksBack is how many alerts are read back for the marks of a chart.
const marksBack = 5_000

// wantBack asks for older alerts until those after a moment are known, within
// bounds.
func (b *alertBook) wantBack(t market.Time) {
	if (b.reached == transition{} || b.reached.time > t) && len(b.rows) < marksBack {
		b.wantPast()
	}
}

// come takes the answer.
func (b *alertBook) come(m pastCame) {
	if m.request != b.request {
		return
	}
	b.request = 0
	b.desk.dirty = true
	if m.err != nil {
		b.why, b.retry = firstLine(m.err.Error()), b.desk.Now().Add(retryAfter)
		return
	}
	b.why, b.exhausted = "", m.end
	b.pages++
	for i := range m.alerts {
		b.take(&m.alerts[i])
	}
	if n := len(m.alerts); n > 0 {
		b.reached = transition{m.alerts[n-1].Time, m.alerts[n-1].ID}
	}
	b.version++
}

// follows brings the notes up to date.
func (b *alertBook) follows() {
	if b.desk.Data.Alerts == nil {
		b.notesAre = 0
		return
	}
	notes, version := b.desk.Data.Alerts.Notes()
	if version == b.notesAre {
		return
	}
	b.notes, b.notesAre = notes, version
	b.many, b.single = b.many[:0], map[string]*AlertNote{}
	for i := range notes {
		switch n := &notes[i]; {
		case n.Removed:
		case n.Kind == Acknowledged && len(n.Match) == 0 && !n.All:
			b.single[n.ID] = n
		default:
			b.many = append(b.many, n)
		}
	}
	b.version++
	b.desk.dirty = true
}

func (d *Desk) sector(symbol string) string {
	_, sector := d.Company(symbol)
	return sector
}

// note is what holds of what was noted about a row: nil is nothing. Who
// snoozes or silences has seen it, too.
func (b *alertBook) note(r *alertRow) *AlertNote {
	clock := market.At(b.desk.Now())
	if r.version == b.notesAre && (r.noted == nil || r.noted.Kind == Acknowledged || r.noted.Until > clock) {
		return r.noted
	}
	r.version, r.noted = b.notesAre, nil
	for _, n := range b.many {
		holds := n.Until > clock
		if n.Kind == Acknowledged {
			holds = n.Until >= r.Time
		}
		if holds && n.matches(&r.Alert, b.desk.sector) && (r.noted == nil || n.Kind >= r.noted.Kind) {
			r.noted = n
		}
	}
	if n := b.single[r.ID]; n != nil && r.noted == nil {
		r.noted = n
	}
	return r.noted
}

// asking says whether the alert asks for an acknowledgement: those for
// information do not, nor does what came long ago.
func (b *alertBook) asking(r *alertRow) bool {
	return r.Severity > market.Info && r.State != market.Pending && !r.headless() && b.note(r) == nil &&
		b.desk.Clock().Sub(r.Time) < asksFor
}

// unacknowledged counts the alerts that ask, and says how grave the worst is.
func (b *alertBook) unacknowledged() (int, market.Severity) {
	now := b.desk.Now()
	fresh := b.counted == b.version && now.Sub(b.countedAt) < time.Minute
	burst := len(b.rows) > countedAtOnce && b.countedNotes == b.notesAre && now.Sub(b.countedAt) < time.Second
	if b.asksSymbol != nil && (fresh || burst) {
		return b.asks, b.asksWorst
	}
	b.counted, b.countedAt, b.countedNotes = b.version, now, b.notesAre
	b.asks, b.asksWorst, b.asksSymbol = 0, market.Info, map[string]market.Severity{}
	since := b.desk.Clock().Add(-asksFor)
	for i := len(b.rows) - 1; i >= 0 && b.rows[i].Time >= since; i-- {
		r := b.rows[i]
		if !b.asking(r) {
			continue
		}
		b.asks++
		b.asksWorst = max(b.asksWorst, r.Severity)
		b.asksSymbol[r.Symbol] = max(b.asksSymbol[r.Symbol], r.Severity+1)
	}
	return b.asks, b.asksWorst
}

// ofSymbol is how grave the worst alert of a symbol is that asks; ok is false where none does.
func (b *alertBook) ofSymbol(symbol string) (s market.Severity, ok bool) {
	b.unacknowledged()
	s, ok = b.asksSymbol[symbol]
	return s - 1, ok
}

// between are a symbol's alerts of a span of time that are known.
func (b *alertBook) between(symbol string, from, to market.Time, give func(*alertRow)) {
	at := sort.Search(len(b.rows), func(i int) bool { return b.rows[i].Time >= from })
	for ; at < len(b.rows) && b.rows[at].Time < to; at++ {
		if r := b.rows[at]; r.Symbol == symbol && r.State != market.Pending && !r.headless() {
			give(r)
		}
	}
}

// today counts the alerts of the trading day by rule; whole says that all of
// them are known here.
func (b *alertBook) today() (by map[string]int, whole bool) {
	d := b.desk
	day := d.Calendar(d.Symbol).Day(d.Clock())
	from := day
	if open, _, ok := d.Calendar(d.Symbol).Extended(day); ok {
		from = open
	}
	b.wantBack(from)
	by = map[string]int{}
	for i := len(b.rows) - 1; i >= 0 && b.rows[i].Time >= from; i-- {
		if r := b.rows[i]; r.State != market.Pending && !r.headless() {
			by[r.Rule]++
		}
	}
	return by, b.exhausted || d.Data.Alerts == nil && len(b.rows) < 500 || b.reached != (transition{}) && b.reached.time < from
}

// since counts the alerts that have begun after a moment, and the critical of them.
func (b *alertBook) since(t market.Time) (n, critical int) {
	for i := len(b.rows) - 1; i >= 0 && b.rows[i].Time > t; i-- {
		if r := b.rows[i]; r.State != market.Pending && !r.headless() {
			n++
			if r.Severity == market.Critical {
				critical++
			}
		}
	}
	return n, critical
}
