package tui

import (
	"context"
	"errors"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
)

// sqlRun is a statement on its way.
type sqlRun struct {
	request  int
	cancel   context.CancelFunc
	started  time.Time
	progress *SQLProgress
	filled   string        // as it was sent
	back     func(int) int // offset of what was run to offset in the editor
	version  int           // of the editor
	reading  bool          // the first rows are there
	plan     *sqlGrid      // of EXPLAIN: the rows of before stay
}

// Messages of a run.
type (
	sqlBegan struct {
		request int
		answer  SQLAnswer
		err     error
	}
	sqlPaged struct {
		request int
		answer  SQLAnswer
		page    *SQLPage // nil after the last
		err     error
	}
	sqlCounted struct {
		request int
		total   int64
		err     error
	}
	sqlExported struct {
		request int
		export  SQLExport
		err     error
	}
)

// commandContext bounds what a command does beside queries.
func commandContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 10*time.Second)
}

// start runs the statement under the cursor, after asking for its parameters.
func (v *sqlView) start(explain bool) tea.Cmd {
	t := v.tab()
	e := t.editor
	if v.desk.Data.SQL == nil {
		v.desk.Say(Warn, "the history cannot be asked: this screen was opened without it")
		return nil
	}
	from, to := statementAt(e.runes, e.lex(), e.cursor)
	if from == to {
		v.desk.Say(Muted, "there is nothing to run: e lets you write, o opens a saved query")
		return nil
	}
	text := append([]rune(nil), e.runes[from:to]...)
	tokens := lexSQL(text, nil)
	names := parameters(text, tokens)
	begin := func() tea.Cmd {
		filled, back := fill(text, tokens, v.values)
		return v.run(t, string(text), filled, func(at int) int { return from + back(at) }, explain)
	}
	if len(names) == 0 {
		return begin()
	}
	v.askParameters(names, begin)
	return nil
}

// run sends a statement to the history.
func (v *sqlView) run(t *sqlTab, written, filled string, back func(int) int, explain bool) tea.Cmd {
	if t.run != nil {
		t.run.cancel()
	}
	prefix := 0
	if explain && !strings.HasPrefix(strings.ToLower(filled), "explain") {
		filled, prefix = "EXPLAIN "+filled, len("EXPLAIN ")
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &sqlRun{request: v.desk.Request(), cancel: cancel, started: v.desk.Now(), progress: &SQLProgress{}, filled: filled,
		version: t.editor.version, back: func(at int) int { return back(max(at-prefix, 0)) }}
	t.run = r
	t.failed, t.wrong, t.exported = "", -1, ""
	v.desk.Post(Working{func() { v.stop(t) }})
	v.remember(written)
	v.desk.Keep()
	sql, request, progress := v.desk.Data.SQL, r.request, r.progress
	h, now := v.history(), v.desk.Now()
	return tea.Batch(func() tea.Msg {
		answer, err := sql.Query(ctx, filled, maxSQLRows, progress)
		return sqlBegan{request, answer, err}
	}, func() tea.Msg {
		if err := h.Add(written, now); err != nil {
			return sqlPast{err: err}
		}
		return nil
	})
}

func (v *sqlView) remember(statement string) {
	v.past = lastOfEach(append(v.past, strings.TrimSpace(statement)))
}

// ofRun finds the tab that waits for an answer.
func (v *sqlView) ofRun(request int) *sqlTab {
	for _, t := range v.tabs {
		if t.run != nil && t.run.request == request {
			return t
		}
	}
	return nil
}

// stop ends a run at once; what it still sends is dropped.
func (v *sqlView) stop(t *sqlTab) {
	if t.run == nil {
		return
	}
	t.run.cancel()
	if t.run.reading {
		t.result.stopped = true
	}
	took := v.desk.Now().Sub(t.run.started)
	t.run = nil
	v.desk.Post(Working{})
	v.desk.Say(Muted, "stopped after "+span(took))
}

func closeAnswer(a SQLAnswer) tea.Cmd {
	if a == nil {
		return nil
	}
	return func() tea.Msg { _ = a.Close(); return nil }
}

// began takes the first sign of an answer.
func (v *sqlView) began(msg sqlBegan) tea.Cmd {
	t := v.ofRun(msg.request)
	if t == nil {
		return closeAnswer(msg.answer)
	}
	if msg.err != nil {
		v.fail(t, msg.err)
		return nil
	}
	head := msg.answer.Head()
	t.run.reading = true
	if len(head.Warnings) > 0 {
		v.desk.Say(Warn, strings.Join(head.Warnings, " · "))
	}
	if isPlan(head) {
		t.run.plan = newGrid(v.desk, head)
		return readPage(msg.request, msg.answer)
	}
	before := t.grid
	t.grid = newGrid(v.desk, head)
	t.grid.like(before)
	t.plan = nil
	t.result = sqlResult{total: -1, statement: t.run.filled}
	return readPage(msg.request, msg.answer)
}

func readPage(request int, answer SQLAnswer) tea.Cmd {
	return func() tea.Msg {
		page, err := answer.Next()
		return sqlPaged{request, answer, page, err}
	}
}

// paged takes the next rows.
func (v *sqlView) paged(msg sqlPaged) tea.Cmd {
	t := v.ofRun(msg.request)
	if t == nil {
		return closeAnswer(msg.answer)
	}
	if msg.err != nil {
		v.fail(t, msg.err)
		return closeAnswer(msg.answer)
	}
	g := t.grid
	if t.run.plan != nil {
		g = t.run.plan
	}
	if msg.page != nil {
		g.add(msg.page)
		if g.rows.bytes < maxSQLBytes {
			return readPage(msg.request, msg.answer)
		}
		t.result.capped = true
	}
	return v.finished(t, msg.answer)
}

// finished ends a run whose rows are all there, or as many as are kept.
func (v *sqlView) finished(t *sqlTab, answer SQLAnswer) tea.Cmd {
	g, request, plan := t.grid, t.run.request, t.run.plan
	t.run = nil
	v.desk.Post(Working{})
	if plan != nil {
		t.plan = planOf(plan)
		return closeAnswer(answer)
	}
	t.result.whole = true
	if h := answer.Head(); h.Cost != "" { // an engine elsewhere knows it at the end
		g.rows.head.Cost, g.rows.head.Scanned = h.Cost, h.Scanned
	}
	var cmds []tea.Cmd
	if t.result.capped || g.rows.count >= maxSQLRows {
		t.result.capped, t.result.counting = true, true
		t.result.request = request
		cmds = append(cmds, func() tea.Msg {
			defer answer.Close()
			total, err := answer.Total()
			return sqlCounted{request, total, err}
		})
	} else {
		t.result.total = int64(g.rows.count)
		cmds = append(cmds, closeAnswer(answer))
	}
	g.measure()
	g.widen(0)
	if g.sort >= 0 || g.search.String() != "" {
		cmds = append(cmds, g.reorder())
	}
	if t.chart != nil {
		t.chart, _ = newSQLChart(g)
	}
	return tea.Batch(cmds...)
}

func (v *sqlView) counted(msg sqlCounted) tea.Cmd {
	for _, t := range v.tabs {
		if t.result.counting && t.result.request == msg.request {
			t.result.counting = false
			if msg.err == nil {
				t.result.total = msg.total
			}
		}
	}
	return nil
}

// fail keeps what was there and says what is wrong, at its place.
func (v *sqlView) fail(t *sqlTab, err error) {
	r := t.run
	t.run = nil
	v.desk.Post(Working{})
	t.failed, t.wrong, t.result.old = err.Error(), -1, t.grid != nil
	var wrong *SQLError
	if errors.As(err, &wrong) {
		t.failed = wrong.Text
		if wrong.Offset >= 0 && t.editor.version == r.version {
			t.wrong, t.wrongAt = min(r.back(wrong.Offset), len(t.editor.runes)), r.version
			t.editor.move(t.wrong)
		}
	}
}

// like takes over how the grid before was arranged, where the columns are the same.
func (g *sqlGrid) like(before *sqlGrid) {
	if before == nil || len(before.columns) != len(g.columns) {
		return
	}
	for i, c := range before.rows.head.Columns {
		if g.rows.head.Columns[i] != c {
			return
		}
	}
	for i, c := range before.columns {
		if c.own {
			g.columns[i].own, g.columns[i].width = true, c.width
		}
	}
	g.sort, g.reverse, g.column, g.left = before.sort, before.reverse, before.column, before.left
	g.search = before.search
}

// export writes the whole result of the last statement into a file.
func (v *sqlView) export(t *sqlTab, statement, path string) tea.Cmd {
	format := formatOf(path)
	if format == "" {
		v.desk.Say(Warn, "the file's name says the format: .csv, .json or .parquet")
		return nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	request := v.desk.Request()
	t.exporting = &sqlRun{request: request, cancel: cancel, started: v.desk.Now(), progress: &SQLProgress{}}
	t.exported = ""
	v.desk.Post(Working{func() {
		cancel()
		t.exporting = nil
	}})
	sql, progress := v.desk.Data.SQL, t.exporting.progress
	return func() tea.Msg {
		defer cancel()
		export, err := sql.Export(ctx, statement, format, path, progress)
		return sqlExported{request, export, err}
	}
}

func formatOf(path string) string {
	lower := strings.ToLower(path)
	for _, f := range [...]string{"csv", "json", "parquet"} {
		if strings.HasSuffix(lower, "."+f) {
			return f
		}
	}
	return ""
}

func (v *sqlView) exportDone(msg sqlExported) {
	for _, t := range v.tabs {
		if t.exporting == nil || t.exporting.request != msg.request {
			continue
		}
		t.exporting = nil
		v.desk.Post(Working{})
		if msg.err != nil {
			v.desk.Say(Warn, msg.err.Error())
			return
		}
		e := msg.export
		what := bytesize(e.Bytes)
		if e.Rows >= 0 {
			what = plural(int(e.Rows), "row") + ", " + what
		}
		t.exported = what + " in " + e.Path
		t.fetch = e.Fetch()
	}
}

// Fetch is the command that brings the file to where the analyst sits.
func (e SQLExport) Fetch() string { return "scp " + e.Host + ":" + shellQuoted(e.Path) + " ." }

// shellQuoted is a path as a shell takes it.
func shellQuoted(path string) string {
	for _, r := range path {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || digit(r) || strings.ContainsRune("/._-+@%:,", r)) {
			return "'" + strings.ReplaceAll(path, "'", `'\''`) + "'"
		}
	}
	return path
}
