package tui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// fakeSQL answers every statement with the same rows, in pages.
type fakeSQL struct {
	head     SQLHead
	rows     [][]any // nil, string
	page     int
	total    int64
	err      error
	asked    []string
	exported string
	closed   int
}

func (f *fakeSQL) Query(ctx context.Context, statement string, _ int, p *SQLProgress) (SQLAnswer, error) {
	f.asked = append(f.asked, statement)
	p.Set(0.4)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return &fakeAnswer{f: f}, nil
}

func (f *fakeSQL) Export(_ context.Context, statement, format, path string, _ *SQLProgress) (SQLExport, error) {
	f.exported = statement + " as " + format
	return SQLExport{Path: path, Host: "ada@box", Rows: 780, Bytes: 12_345}, f.err
}

func (f *fakeSQL) Tables(context.Context) ([]SQLTable, error) {
	return []SQLTable{
		{"ticks", []SQLColumn{{"symbol", "VARCHAR"}, {"time", "TIMESTAMP"}, {"price", "DOUBLE"}, {"size", "BIGINT"}}},
		{"bars", []SQLColumn{{"symbol", "VARCHAR"}, {"interval", "VARCHAR"}, {"time", "TIMESTAMP"}, {"close", "DOUBLE"}, {"volume", "BIGINT"}}},
	}, nil
}

type fakeAnswer struct {
	f  *fakeSQL
	at int
}

func (a *fakeAnswer) Head() SQLHead         { return a.f.head }
func (a *fakeAnswer) Total() (int64, error) { return a.f.total, nil }
func (a *fakeAnswer) Close() error          { a.f.closed++; return nil }
func (a *fakeAnswer) Next() (*SQLPage, error) {
	if a.at >= len(a.f.rows) {
		return nil, nil
	}
	p := NewSQLPage(len(a.f.head.Columns))
	for n := 0; n < max(a.f.page, 1) && a.at < len(a.f.rows); n++ {
		for _, c := range a.f.rows[a.at] {
			if s, ok := c.(string); ok {
				p.Add([]byte(s))
			} else {
				p.AddNull()
			}
		}
		a.at++
	}
	return p, nil
}

// minutes are the rows of the sketch: two symbols, some nulls, some empty texts.
func minutes(n int) *fakeSQL {
	f := &fakeSQL{page: 50, head: SQLHead{Elapsed: 41 * time.Millisecond, Scanned: 2_100_000,
		Columns: []SQLColumn{{"symbol", "VARCHAR"}, {"minute", "TIMESTAMP"}, {"close", "DOUBLE"}, {"volume", "BIGINT"}, {"note", "VARCHAR"}}}}
	at := time.Date(2026, 11, 20, 14, 30, 0, 0, time.UTC)
	for i := range n {
		symbol, base := "AAPL", 187.0
		if i%2 == 1 {
			symbol, base = "TSLA", 201.0
		}
		row := []any{symbol, at.Add(time.Duration(i/2) * time.Minute).Format("2006-01-02 15:04:05.000"),
			strconv.FormatFloat(base+float64(i*37%200)/100, 'f', -1, 64), strconv.Itoa(1_000_000 + i*7919%1_500_000), "late print"}
		if i%9 == 3 {
			row[2] = nil
		}
		if i%4 == 0 {
			row[4] = ""
		}
		if i%4 == 1 {
			row[4] = nil
		}
		f.rows = append(f.rows, row)
	}
	return f
}

func sqlModel(t testing.TB, f SQL, w, h int) (*Model, *sqlView) {
	t.Helper()
	return sqlModelOf(t, f, 200, w, h)
}

func sqlModelOf(t testing.TB, f SQL, symbols, w, h int) (*Model, *sqlView) {
	t.Helper()
	d := newDemo(symbols, demoNow)
	d.history()
	d.ticks()
	data := d.data()
	data.SQL = f
	m := New(Config{Version: "test", ColorMode: TrueColor, Environ: []string{"TERM=xterm-256color"}, StatePath: filepath.Join(t.TempDir(), "screen.json")}, data)
	m.state = PipelineState{Running: true, Screens: 1}
	resize(m, w, h)
	m.sample()
	m.saving = true // no timers among the commands
	press(m, "4")
	v := m.pane().(*sqlView)
	answer(m, v.Update(Tick{demoNow}))
	return m, v
}

// answer runs commands and what they lead to until nothing is left.
func answer(m *Model, cmd tea.Cmd) {
	work := []tea.Cmd{cmd}
	for n := 0; len(work) > 0 && n < 10_000; n++ {
		c := work[0]
		work = work[1:]
		if c == nil {
			continue
		}
		switch msg := c().(type) {
		case nil:
		case tea.BatchMsg:
			work = append(work, msg...)
		default:
			_, next := m.Update(msg)
			work = append(work, next)
		}
	}
}

func hit(m *Model, keys ...string) {
	for _, k := range keys {
		answer(m, press(m, k))
	}
}

func TestGoldenSQL(t *testing.T) {
	scenes := []struct {
		name string
		do   func(*Model, *sqlView, *fakeSQL)
	}{
		{"sql-open", func(*Model, *sqlView, *fakeSQL) {}},
		{"sql-result", func(m *Model, _ *sqlView, _ *fakeSQL) { hit(m, "r", "l", "l", "l", "s", "j", "j") }},
		{"sql-chart", func(m *Model, _ *sqlView, _ *fakeSQL) { hit(m, "r", "c") }},
		{"sql-complete", func(m *Model, v *sqlView, _ *fakeSQL) {
			v.tab().editor = newEditor("select symbol, max_by(price, time) as close, sum(size) as volume\nfrom ticks\nwhere symbol = 'AAPL'\norder by ")
			hit(m, "e")
			typed(m, "vo")
		}},
		{"sql-error", func(m *Model, v *sqlView, f *fakeSQL) {
			hit(m, "r")
			f.err = &SQLError{"Referenced column \"clos\" not found in FROM clause! Candidate bindings: \"close\", \"volume\"", 13}
			v.tab().editor = newEditor("select time, clos\nfrom bars")
			hit(m, "r")
		}},
		{"sql-row", func(m *Model, _ *sqlView, _ *fakeSQL) { hit(m, "r", "enter") }},
	}
	for _, s := range scenes {
		for _, size := range sizes {
			name := fmt.Sprintf("%s-%dx%d", s.name, size[0], size[1])
			t.Run(name, func(t *testing.T) {
				f := minutes(780)
				m, v := sqlModel(t, f, size[0], size[1])
				s.do(m, v, f)
				golden(t, name, shown(t, m))
			})
		}
	}
}

func TestSQLRunsTheStatementUnderTheCursor(t *testing.T) {
	f := minutes(4)
	m, v := sqlModel(t, f, 80, 24)
	v.tab().editor = newEditor("select 1; select ';' -- ; \n;\n")
	hit(m, "r")
	v.tab().editor.move(2)
	hit(m, "r")
	if got := strings.Join(f.asked, "|"); got != "select ';' -- ; |select 1" && got != "select ';' -- ;|select 1" {
		t.Errorf("%q was run", got)
	}
	if f.closed != 2 {
		t.Errorf("%d answers were closed, not 2", f.closed)
	}
}

func TestSQLSemicolonEnterRuns(t *testing.T) {
	f := minutes(4)
	m, _ := sqlModel(t, f, 80, 24)
	hit(m, "n")
	typed(m, "select 1")
	hit(m, "enter")
	if len(f.asked) != 0 {
		t.Fatal("enter alone has run the query")
	}
	typed(m, ";")
	hit(m, "enter")
	if len(f.asked) != 1 || f.asked[0] != "select 1" {
		t.Errorf("%q was run", f.asked)
	}
}

func TestSQLParametersAreAskedFor(t *testing.T) {
	f := minutes(4)
	m, v := sqlModel(t, f, 80, 24)
	v.tab().editor = newEditor("select * from bars where symbol = $symbol and close > $level and note = '$no' and symbol <> $symbol")
	hit(m, "r")
	if len(f.asked) != 0 || v.ask == nil || v.ask.field.String() != m.desk.Symbol {
		t.Fatal("the selected symbol is not proposed")
	}
	v.ask.field.setText("O'X")
	hit(m, "enter")
	typed(m, "-1.5")
	hit(m, "enter")
	want := "select * from bars where symbol = 'O''X' and close > -1.5 and note = '$no' and symbol <> 'O''X'"
	if len(f.asked) != 1 || f.asked[0] != want {
		t.Errorf("%q was run", f.asked)
	}
}

func TestSQLErrorIsMarkedAndNothingIsLost(t *testing.T) {
	f := minutes(20)
	m, v := sqlModel(t, f, 120, 40)
	hit(m, "r")
	text := "select 'ä', $x, clos from bars"
	v.tab().editor = newEditor("  ;\n" + text)
	f.err = &SQLError{"no clos", len([]rune("select 'ä', 'long value', "))}
	hit(m, "r")
	typed(m, "long value")
	hit(m, "enter")
	tab := v.tab()
	if got := string(tab.editor.runes[max(tab.mistake(), 0):]); !strings.HasPrefix(got, "clos ") {
		t.Errorf("the mistake is said to be at %q", got)
	}
	if tab.grid == nil || tab.grid.rows.count != 20 || !strings.Contains(shown(t, m), "of the query before") {
		t.Error("the rows of the query before are gone")
	}
}

func TestSQLEscapeStopsAtOnce(t *testing.T) {
	f := minutes(300)
	m, v := sqlModel(t, f, 80, 24)
	cmd := press(m, "r")
	if v.tab().run == nil {
		t.Fatal("nothing runs")
	}
	press(m, "esc")
	if v.tab().run != nil {
		t.Error("esc has not stopped it")
	}
	answer(m, cmd) // the late answer
	if v.tab().grid != nil {
		t.Error("a late answer was shown")
	}
	if m.views[m.current].name != "sql" {
		t.Error("esc has left the view too")
	}
}

func TestSQLCapAndTrueCount(t *testing.T) {
	f := minutes(200)
	f.page, f.total = 1000, 23_400_000
	m, v := sqlModel(t, f, 120, 40)
	cmd := press(m, "r")
	r := v.tab().run
	began := v.Update(sqlBegan{r.request, &fakeAnswer{f: f}, nil})
	_ = cmd
	v.tab().grid.rows.bytes = maxSQLBytes
	answer(m, began)
	if s := shown(t, m); !strings.Contains(s, "the first 200 of 23,400,000 rows") {
		t.Error(s)
	}
}

func TestSQLSortAndSearch(t *testing.T) {
	f := minutes(100)
	m, v := sqlModel(t, f, 120, 40)
	hit(m, "r", "l", "l", "s")
	g := v.tab().grid
	last := ""
	for i := range 80 {
		raw, null := g.rows.cell(g.at(i), 2)
		if null {
			t.Fatal("a null comes before a figure")
		}
		if a, _ := strconv.ParseFloat(string(raw), 64); last != "" {
			if b, _ := strconv.ParseFloat(last, 64); a > b {
				t.Fatalf("%v after %v", a, b)
			}
		}
		last = string(raw)
	}
	hit(m, "/")
	typed2(m, "tsla")
	if g.seen() != 50 {
		t.Errorf("%d rows have tsla", g.seen())
	}
	hit(m, "enter", "esc")
	if g.seen() != 100 || m.views[m.current].name != "sql" {
		t.Errorf("%d rows after esc", g.seen())
	}
}

func typed2(m *Model, s string) {
	for _, r := range s {
		hit(m, string(r))
	}
}

func TestSQLHistoryAndSavedQueries(t *testing.T) {
	f := minutes(4)
	m, v := sqlModel(t, f, 80, 24)
	v.tab().editor = newEditor("select 42 as answer")
	hit(m, "r")
	info, err := os.Stat(v.history().Path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v %v", info, err)
	}
	hit(m, "n")
	press(m, "ctrl+r")
	typed(m, "answer")
	hit(m, "enter")
	if got := v.tab().editor.String(); got != "select 42 as answer" {
		t.Errorf("history gives %q", got)
	}
	hit(m, "esc", ":")
	typed(m, "save best")
	hit(m, "enter")
	hit(m, "n", "esc", "o")
	if v.pick == nil {
		t.Fatal("no list of saved queries")
	}
	hit(m, "enter")
	if v.tab().name != "best" || v.tab().editor.String() != "select 42 as answer" {
		t.Errorf("%q is %q", v.tab().name, v.tab().editor.String())
	}
	if err := v.savedQueries().Save("../evil", "x"); err == nil {
		t.Error("a path is taken for a name")
	}
}

// sharing is what two analysts share.
type sharing struct {
	all map[string]SharedQuery
	by  string
}

func (s *sharing) Shared() (all []SharedQuery) {
	for _, q := range s.all {
		all = append(all, q)
	}
	return all
}

func (s *sharing) Share(_ context.Context, name, statement string) error {
	s.all[name] = SharedQuery{Name: name, Statement: statement, By: s.by, At: market.At(demoNow), Before: s.all[name].By}
	return nil
}

func (s *sharing) Unshare(_ context.Context, name string) error {
	delete(s.all, name)
	return nil
}

func TestSQLQueriesAreShared(t *testing.T) {
	m, v := sqlModel(t, minutes(4), 120, 40)
	q := &sharing{map[string]SharedQuery{"gaps": {Name: "gaps", Statement: "select 1 as gap", By: "ben", At: market.At(demoNow), Before: "carol"}}, "ann"}
	m.desk.Data.Queries = q
	command := func(text string) {
		if v.writing {
			hit(m, "esc")
		}
		hit(m, ":")
		typed(m, text)
		hit(m, "enter")
	}
	command("open gaps")
	if got := v.tab().editor.String(); got != "select 1 as gap" {
		t.Errorf("the shared query opens as %q", got)
	}
	if said := m.desk.said.text; !strings.Contains(said, "shared by ben") || !strings.Contains(said, "before that by carol") {
		t.Errorf("of who changed it is said: %q", said)
	}
	v.tab().editor = newEditor("select 2 as gap")
	command("share gaps")
	if got := q.all["gaps"]; got.Statement != "select 2 as gap" || got.By != "ann" || got.Before != "ben" {
		t.Errorf("shared is %+v", got)
	}
	// One's own goes before what is shared by the same name; the list has both.
	v.tab().editor = newEditor("select 3 as own")
	command("save gaps")
	hit(m, "n")
	command("open gaps")
	if got := v.tab().editor.String(); got != "select 3 as own" {
		t.Errorf("one's own query opens as %q", got)
	}
	hit(m, "o")
	if v.pick == nil || len(v.pick.all) != 2 {
		t.Fatalf("the list of queries: %+v", v.pick)
	}
	typed(m, "ann")
	hit(m, "enter")
	if got := v.tab().editor.String(); got != "select 2 as gap" {
		t.Errorf("the shared query of the list opens as %q", got)
	}
	command("unshare gaps")
	if len(q.all) != 0 {
		t.Error("it is still shared")
	}
}

func TestSQLDraftSurvives(t *testing.T) {
	m, v := sqlModel(t, minutes(4), 80, 24)
	hit(m, "n")
	typed(m, "select half")
	data, err := m.encodeState()
	if err != nil {
		t.Fatal(err)
	}
	if err := write(m.desk.Config.StatePath, data); err != nil {
		t.Fatal(err)
	}
	again := New(m.desk.Config, m.desk.Data)
	for _, x := range again.views {
		if s, ok := x.pane.(*sqlView); ok {
			if got := s.tab().editor.String(); got != "select half" || s.tab().editor.cursor != v.tab().editor.cursor {
				t.Errorf("%q", got)
			}
		}
	}
}

func TestSQLCompletion(t *testing.T) {
	m, v := sqlModel(t, minutes(4), 120, 40)
	for _, c := range []struct{ before, want string }{
		{"select * from ba", "bars"},
		{"select clo", ""},
		{"select t.pr|from ticks t", "price"},
		{"select b.vol|from bars as b", "volume"},
		{"select vol|from bars", "volume"},
		{"select max(price) as peak from ticks order by pe", "peak"},
		{"select date_t", "date_trunc("},
		{"select * from ticks where symbol = 'NVD", "NVDA"},
		{"select * from ticks where symbol in ('AAPL', 'nvd", "NVDA"},
		{"select * from bars where interval = '1", "1s"},
		{"with peaks as (select 1) select * from pea", "peaks"},
		{"sele", "select"},
		{"-- sele", ""},
	} {
		before, after, _ := strings.Cut(c.before, "|")
		e := newEditor(before + " " + after)
		e.move(len([]rune(before)))
		p := completeSQL(m.desk, e, v.tables, false)
		got := ""
		if p.open() {
			got = p.choices[0].text
		}
		if got != c.want && !(c.want == "" && c.before == "select clo") {
			t.Errorf("%q completes to %q, not %q", c.before, got, c.want)
		}
	}
}

func TestSQLExport(t *testing.T) {
	f := minutes(4)
	m, v := sqlModel(t, f, 120, 40)
	hit(m, "r", "x")
	v.ask.field.setText("/tmp/it's here.parquet")
	hit(m, "enter")
	if !strings.HasSuffix(f.exported, " as parquet") {
		t.Error(f.exported)
	}
	if s := shown(t, m); !strings.Contains(s, `scp ada@box:'/tmp/it'\''s here.parquet' .`) {
		t.Error(s)
	}
}

func TestSQLPinOnTheBoard(t *testing.T) {
	f := minutes(12)
	m, v := sqlModel(t, f, 120, 40)
	var waits []time.Duration
	var due tea.Msg
	v.timer = func(d time.Duration, msg tea.Msg) tea.Cmd { waits, due = append(waits, d), msg; return nil }
	hit(m, "r", "p", "1")
	if s := shown(t, m); !strings.Contains(s, "12 rows · 0.0 s ago") || !strings.Contains(s, "2026-11-20 14:30:00") {
		t.Error(s)
	}
	answer(m, v.Update(due))
	if len(waits) != 2 || waits[1] != 15*time.Second || len(f.asked) != 3 {
		t.Errorf("%v, asked %d times", waits, len(f.asked))
	}
	data, err := m.encodeState()
	if err == nil {
		err = write(m.desk.Config.StatePath, data)
	}
	if err != nil {
		t.Fatal(err)
	}
	again := New(m.desk.Config, m.desk.Data)
	if again.desk.pinned == nil || again.desk.pinned.every != 15*time.Second {
		t.Error("the pin has not survived")
	}
	hit(m, "4", "p")
	if m.desk.pinned != nil {
		t.Error("p has not taken it off")
	}
	if answer(m, v.Update(due)); len(f.asked) != 3 {
		t.Error("it is asked still")
	}
}

func TestSQLExplainKeepsTheRows(t *testing.T) {
	f := minutes(12)
	m, v := sqlModel(t, f, 80, 24)
	hit(m, "r")
	f.head, f.rows = SQLHead{Columns: []SQLColumn{{"explain_key", "VARCHAR"}, {"explain_value", "VARCHAR"}}}, [][]any{{"physical_plan", "┌───┐\n│ A │\n└───┘"}}
	hit(m, "b")
	if s := shown(t, m); !strings.Contains(s, "│ A │") {
		t.Error(s)
	}
	if !strings.HasPrefix(f.asked[1], "EXPLAIN ") {
		t.Error(f.asked)
	}
	hit(m, "esc")
	if g := v.tab().grid; g == nil || g.rows.count != 12 || !strings.Contains(shown(t, m), "AAPL") {
		t.Error("the rows are gone")
	}
}

func TestSQLHostileCells(t *testing.T) {
	evil := "\x1b[2J\x1b]52;c;aGk=\x07\u202e\u0085x\x9b31m\u200d\ufe0f漢字\n\ttail\xff"
	f := &fakeSQL{page: 10, head: SQLHead{Columns: []SQLColumn{{evil, evil}, {"b", "BLOB"}}}}
	f.rows = [][]any{{evil, evil}, {nil, ""}}
	m, v := sqlModel(t, f, 120, 40)
	check := func(what string) {
		t.Helper()
		shown(t, m)
		raw := m.draw()
		for _, bad := range []string{"\x1b[2J", "\x1b]", "\u202e", "\u0085", "\u200d", "\ufe0f", "\x07", "\xff", "\x9b"} {
			if strings.Contains(raw, bad) {
				t.Errorf("%s lets %q through", what, bad)
			}
		}
	}
	hit(m, "r")
	check("the grid")
	hit(m, "enter")
	check("the row")
	hit(m, "esc")
	f.err = errors.New(evil)
	hit(m, "r")
	check("the error")
	m.Update(tea.PasteMsg{Content: evil})
	check("the editor")
	v.tab().failed = ""
}

func TestSQLFiguresAreNeverCut(t *testing.T) {
	f := minutes(1000)
	f.rows[990][3], f.rows[991][2] = "123456789012", "-98765432.125"
	m, _ := sqlModel(t, f, 80, 24)
	hit(m, "r", "G")
	if s := shown(t, m); strings.Contains(s, "#") || !strings.Contains(s, "123,456,789,012") || !strings.Contains(s, "-98,765,432.1") {
		t.Error(s)
	}
}

func TestSQLEverySizeAndLook(t *testing.T) {
	f := minutes(60)
	for _, look := range []Look{{Mode: NoColor}, {Mode: Color16, ASCII: true}, {Mode: Color256, Light: true}} {
		m, v := sqlModel(t, f, 80, 24)
		m.desk.Theme = NewTheme(look)
		for _, keys := range [][]string{nil, {"r"}, {"c"}, {"c", "enter"}, {"esc", "x"}, {"esc", "e", "ctrl+r"}, {"esc", "v", "o"}} {
			hit(m, keys...)
			for w := 40; w <= 210; w += 13 {
				for _, h := range []int{10, 12, 16, 24, 50} {
					resize(m, w, h)
					s := shown(t, m)
					if look.ASCII {
						for _, r := range s {
							if r > 0x7e {
								t.Fatalf("%q is drawn at %d×%d after %v", r, w, h, keys)
							}
						}
					}
					if t.Failed() {
						t.Fatalf("%d×%d after %v", w, h, keys)
					}
				}
			}
		}
		_ = v
	}
}

func FuzzSQLLexer(f *testing.F) {
	for _, s := range []string{"select 1", "'it''s", "\"a\"\"", "/* /* */ x", "-- c\nfrom $a where x=1e-3 and 2.5.", "a--1", "select * from t where a = - -1", "cast(a as int)::text", "x[1:2]", "日本 'ü'"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := []rune(s)
		at := 0
		tokens := lexSQL(text, nil)
		for _, k := range tokens {
			if k.from != at || k.to <= k.from {
				t.Fatalf("token %d–%d after %d", k.from, k.to, at)
			}
			at = k.to
		}
		if at != len(text) {
			t.Fatalf("covers %d of %d", at, len(text))
		}
		for _, c := range []int{0, len(text) / 2, len(text)} {
			if from, to := statementAt(text, tokens, c); from < 0 || from > to || to > len(text) {
				t.Fatalf("statement %d–%d of %d", from, to, len(text))
			}
		}
		once := formatSQL(s)
		if once != s && !sameTokens(text, tokens, []rune(once)) {
			t.Fatalf("%q became %q", s, once)
		}
		_, back := fill(text, tokens, map[string]string{"a": "it's"})
		for i := range len(text) + 10 {
			if b := back(i); b < 0 || b > len(text) {
				t.Fatalf("back(%d) = %d of %d", i, b, len(text))
			}
		}
	})
}

func FuzzSQLEditor(f *testing.F) {
	f.Add([]byte("select 1\nfrom"), "keys")
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27}, "a (b\n  [c] 'd\n漢字 \t x")
	names := []string{"left", "right", "up", "down", "home", "end", "backspace", "delete", "ctrl+w", "ctrl+u", "ctrl+k", "ctrl+left", "ctrl+right",
		"ctrl+z", "ctrl+y", "enter", "tab", "esc", "e", "ctrl+n", "ctrl+p", "(", ")", "'", ";", "a", "space", "ctrl+r", "ctrl+j", "f", "n", "m", "d", "u",
		"x", "c", "s", "S", "/", "j", "k", "h", "l", "G", "g", "=", "-", "y", "b", "o", "v", "ctrl+d", "ctrl+h", "shift+tab", "ctrl+c", "."}
	f.Fuzz(func(t *testing.T, keys []byte, pasted string) {
		m, v := sqlModelOf(t, minutes(30), 5, 80, 24)
		v.Update(tea.PasteMsg{Content: pasted})
		for i, k := range keys[:min(len(keys), 60)] {
			name := names[int(k)%len(names)]
			if name == "up" || name == "down" || name == "ctrl+c" && i > 0 && names[int(keys[i-1])%len(names)] == name {
				continue
			}
			cmd := press(m, name)
			if name == "ctrl+j" || name == "s" || name == "S" {
				answer(m, cmd)
			}
			for _, tab := range v.tabs {
				if e := tab.editor; e.cursor < 0 || e.cursor > len(e.runes) {
					t.Fatalf("after %s the cursor is at %d of %d", name, e.cursor, len(e.runes))
				}
			}
			if i%7 == 0 {
				m.draw()
			}
		}
		m.draw()
	})
}

// fakeEngines is a SQL that another engine can answer, too.
type fakeEngines struct {
	*fakeSQL
	engine string
	here   *fakeSQL
}

func (f *fakeEngines) Engines() []string { return []string{"local", "athena"} }
func (f *fakeEngines) Engine() string    { return f.engine }
func (f *fakeEngines) Here() SQL         { return f.here }
func (f *fakeEngines) Use(engine string) error {
	if engine != "local" && engine != "athena" {
		return errors.New("no such engine")
	}
	f.engine = engine
	return nil
}

func TestSQLEngineIsChosen(t *testing.T) {
	f := &fakeEngines{fakeSQL: minutes(10), engine: "local", here: minutes(10)}
	f.head.Cost = "25.0 MB scanned, $0.00012"
	m, v := sqlModel(t, f, 120, 40)
	if !strings.Contains(m.View().Content, "athena sql") {
		t.Error("the dialect is not shown")
	}
	v.verb(ask{verb: "engine", args: []string{"oracle"}})
	if f.engine != "local" {
		t.Error(f.engine)
	}
	v.verb(ask{verb: "engine", args: []string{"athena"}})
	press(m, "r")
	answer(m, v.start(false))
	content := m.View().Content
	if f.engine != "athena" || !strings.Contains(content, "engine athena") || !strings.Contains(content, "$0.00012") {
		t.Errorf("%s\n%s", f.engine, content)
	}
	asked := len(f.asked)
	v.timer = func(time.Duration, tea.Msg) tea.Cmd { return nil }
	answer(m, v.pin(10))
	if len(f.here.asked) != 1 || len(f.asked) != asked {
		t.Error("a pinned query is asked of an engine that is paid for")
	}
}
