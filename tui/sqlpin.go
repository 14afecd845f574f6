package tui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"
)

// sqlPin is the query that the board shows, asked again every few seconds.
type sqlPin struct {
	title     string
	statement string
	every     time.Duration

	grid   *sqlGrid // nil before the first answer
	at     time.Time
	failed string
}

type sqlKeptPin struct {
	Title     string `json:"title"`
	Statement string `json:"statement"`
	Seconds   int    `json:"seconds"`
}

const (
	pinSeconds = 15
	pinRows    = 50
	pinTimeout = 30 * time.Second
)

// pinEvery bounds how often the pinned query is asked.
func pinEvery(seconds int) time.Duration {
	return time.Duration(max(min(seconds, 24*3600), 2)) * time.Second
}

// Messages of the pinned query.
type (
	pinDue      struct{ request int }
	pinAnswered struct {
		request int
		grid    *sqlGrid
		took    time.Duration
		err     error
	}
)

func (v *sqlView) pinnedHere() bool {
	p := v.desk.pinned
	return p != nil && p.statement == v.tab().result.statement
}

func (v *sqlView) togglePin() tea.Cmd {
	if v.pinnedHere() {
		return v.pin(0)
	}
	return v.pin(pinSeconds)
}

// pin puts the last result's statement onto the board; 0 seconds takes it off.
func (v *sqlView) pin(seconds int) tea.Cmd {
	t := v.tab()
	v.desk.Keep()
	if seconds == 0 {
		v.desk.pinned, v.pinRequest = nil, 0
		v.desk.Say(Muted, "the board shows no query any more")
		return nil
	}
	if t.grid == nil || t.result.statement == "" {
		v.desk.Say(Muted, "there is no result to pin yet: r runs the query")
		return nil
	}
	p := &sqlPin{title: t.title(), statement: t.result.statement, every: pinEvery(seconds)}
	v.desk.pinned = p
	v.desk.Say(Muted, "on the board, asked again every "+span(p.every)+" · p takes it off, :pin SECONDS changes that")
	return v.refreshPin()
}

// refreshPin asks the pinned query once more.
func (v *sqlView) refreshPin() tea.Cmd {
	p, sql := v.desk.pinned, v.desk.Data.SQL
	if p == nil || sql == nil {
		return nil
	}
	if e, ok := sql.(SQLEngines); ok {
		sql = e.Here() // an engine elsewhere would be paid for each time
	}
	v.pinRequest = v.desk.Request()
	request, statement, d := v.pinRequest, p.statement, v.desk
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), pinTimeout)
		defer cancel()
		answer, err := sql.Query(ctx, statement, pinRows, nil)
		if err != nil {
			return pinAnswered{request: request, err: err}
		}
		defer answer.Close()
		g := newGrid(d, answer.Head())
		for {
			page, err := answer.Next()
			if err != nil || page == nil {
				return pinAnswered{request, g, answer.Head().Elapsed, err}
			}
			g.add(page)
		}
	}
}

// pinned takes the answer and plans the next question: a slow one is asked
// less often than was wished.
func (v *sqlView) pinned(msg pinAnswered) tea.Cmd {
	p := v.desk.pinned
	if p == nil || msg.request != v.pinRequest {
		return nil
	}
	p.failed = ""
	if msg.err != nil {
		p.failed = msg.err.Error()
	} else {
		p.grid, p.at = msg.grid, v.desk.Now()
	}
	wait, request := max(p.every, 10*msg.took), msg.request
	if msg.err != nil && p.grid == nil {
		wait = min(wait, 3*time.Second) // the history is still being opened
	}
	return v.after(wait, pinDue{request})
}

// after sends a message later.
func (v *sqlView) after(d time.Duration, msg tea.Msg) tea.Cmd {
	if v.timer != nil {
		return v.timer(d, msg)
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

// lines is how many lines the pinned query takes where there is room for most.
func (p *sqlPin) lines(most int) int {
	if p == nil || most < 5 {
		return 0
	}
	n := 2
	if p.grid != nil {
		n = 2 + p.grid.rows.count
	}
	return min(max(n, 3), most)
}

// draw writes the pinned query: its name and age, then the rows.
func (p *sqlPin) draw(c *canvas, d *Desk, high int) {
	end := c.y + high
	c.gap(1)
	c.put(c.bold(Text), wholeCell(p.title, max(c.room()-24, 8)))
	c.gap(2)
	switch {
	case p.failed != "":
		c.cell(c.on(Warn), p.failed, c.room()-1)
	case p.grid == nil:
		c.muted("is being asked …")
	default:
		c.muted(plural(p.grid.rows.count, "row") + " · " + span(d.Now().Sub(p.at)) + " ago")
	}
	c.end()
	if p.grid != nil {
		p.grid.drawPlain(c, end-c.y)
	}
	for c.y < end && !c.full() {
		c.end()
	}
}

// drawPlain writes heading and rows from the top, without types and cursor.
func (g *sqlGrid) drawPlain(c *canvas, high int) {
	if len(g.columns) == 0 || high < 2 {
		return
	}
	last := 0
	for x := 1 + g.columns[0].width; last+1 < len(g.columns); last++ {
		if x += gridGap + g.columns[last+1].width; x > c.width {
			break
		}
	}
	c.gap(1)
	for i := range last + 1 {
		g.put(c, c.on(Muted), g.rows.head.Columns[i].Name, i)
	}
	c.end()
	for k := range min(high-1, g.rows.count) {
		g.line(c, k, last, false)
	}
}
