package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"tapedeck/store"
	"tapedeck/tui"
)

// shell asks one statement after the other, on a terminal. A statement ends
// with a semicolon; a line that begins with a dot is a command. History and
// saved queries are those of the screen.
type shell struct {
	sql     screenSQL
	history tui.SQLHistory
	saved   tui.SavedQueries
	shared  func(name string) (statement string, ok bool) // among analysts
	limit   int
	format  string
	line    func(prompt string) (string, error) // io.EOF ends, errAbandoned begins anew
	out     io.Writer
	asked   *shellHistory
}

const shellRows = 1_000 // rows that are shown, unless --limit says otherwise

const shellHelp = `A statement ends with ; and may have several lines. The arrow keys lead through
the history, which the workstation's SQL view shares.

  .tables            the tables and their columns
  .format FORMAT     table, csv or json
  .engine NAME       who answers: local, duckdb, athena or trino
  .export FILE       the last statement's whole result into FILE.csv, .json or .parquet
  .save NAME         save the last statement
  .open NAME         run a saved or a shared one; $names in it are asked for
  .quit              or ctrl-d
`

// run reads until the end; statements that fail are said and do not end it.
func (s *shell) run(ctx context.Context) error {
	fmt.Fprintln(s.out, "tapedeck", version, "· Athena's SQL, read only, times in UTC · end a statement with ; · .help")
	var statement strings.Builder
	for {
		prompt := "sql> "
		if statement.Len() > 0 {
			prompt = "  …> "
		}
		line, err := s.line(prompt)
		switch {
		case errors.Is(err, errAbandoned):
			statement.Reset()
			continue
		case errors.Is(err, io.EOF):
			fmt.Fprintln(s.out)
			return nil
		case err != nil:
			return fmt.Errorf("read the terminal: %w", err)
		case ctx.Err() != nil:
			return nil
		}
		if word := strings.TrimSpace(line); statement.Len() == 0 && strings.HasPrefix(word, ".") {
			if !s.command(ctx, word) {
				return nil
			}
			continue
		}
		statement.WriteString(line)
		statement.WriteByte('\n')
		text := strings.TrimSpace(statement.String())
		if text == "" {
			statement.Reset()
		}
		if strings.HasSuffix(text, ";") && !tui.OpenSQL(text) {
			statement.Reset()
			s.ask(ctx, strings.TrimRight(text, "; \n"))
		}
	}
}

// command runs a line that begins with a dot; false ends the shell.
func (s *shell) command(ctx context.Context, line string) bool {
	word, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	last := s.asked.last()
	var err error
	switch word {
	case ".quit", ".exit", ".q":
		return false
	case ".help":
		fmt.Fprint(s.out, shellHelp)
	case ".tables":
		tables, _ := s.sql.Tables(ctx)
		for _, t := range tables {
			names := make([]string, len(t.Columns))
			for i, c := range t.Columns {
				names[i] = c.Name
			}
			fmt.Fprintf(s.out, "%-13s %s\n", t.Name, strings.Join(names, " "))
		}
	case ".format":
		if _, ok := writers[rest]; !ok || rest == "parquet" {
			err = fmt.Errorf("%q is none of table, csv, json; .export writes parquet", rest)
			break
		}
		s.format = rest
	case ".engine":
		if rest != "" {
			err = s.sql.Use(rest)
		}
		if err == nil {
			fmt.Fprintln(s.out, "asked from now on:", s.sql.Engine())
		}
	case ".export":
		if last == "" || rest == "" {
			err = errors.New("run a statement first, then .export FILE.csv, .json or .parquet")
			break
		}
		var e tui.SQLExport
		e, err = s.export(ctx, last, rest)
		if err == nil {
			fmt.Fprintf(s.out, "rows: %d, bytes: %d, in %s\n  %s\n", e.Rows, e.Bytes, e.Path, e.Fetch())
		}
	case ".save":
		if err = s.saved.Save(rest, last); err == nil {
			fmt.Fprintf(s.out, "saved; .open %s runs it\n", rest)
		}
	case ".open":
		var text string
		text, err = s.saved.Open(rest)
		if err != nil {
			if shared, ok := s.shared(rest); ok {
				text, err = shared, nil
			}
		}
		if err == nil {
			fmt.Fprintln(s.out, text)
			s.ask(ctx, strings.TrimRight(text, "; \n"))
		}
	default:
		err = fmt.Errorf("%s is no command; .help lists them", word)
	}
	if err != nil {
		fmt.Fprintln(s.out, err)
	}
	return true
}

func (s *shell) export(ctx context.Context, statement, path string) (tui.SQLExport, error) {
	format := strings.TrimPrefix(strings.ToLower(filepath.Ext(path)), ".")
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	return s.sql.Export(ctx, statement, format, path, nil)
}

// ask runs one statement, after asking for its parameters; ctrl-c stops it.
func (s *shell) ask(ctx context.Context, statement string) {
	filled, err := tui.FillSQL(statement, func(name string) (string, error) { return s.line("$" + name + " = ") })
	if err != nil || strings.TrimSpace(filled) == "" {
		return
	}
	s.asked.remember(statement)
	if err := s.history.Add(statement, time.Now()); err != nil {
		fmt.Fprintln(s.out, err)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
	defer stop()
	started := time.Now()
	err = s.answer(ctx, filled)
	var wrong *tui.SQLError
	switch {
	case ctx.Err() != nil:
		fmt.Fprintf(s.out, "stopped after %.1f s\n", time.Since(started).Seconds())
	case errors.As(err, &wrong):
		fmt.Fprint(s.out, tui.MarkSQL(filled, wrong))
	case err != nil:
		fmt.Fprintln(s.out, err)
	default:
		fmt.Fprintf(s.out, "%d ms\n", time.Since(started).Milliseconds())
	}
}

func (s *shell) answer(ctx context.Context, statement string) error {
	rows, err := s.sql.engines.query(ctx, s.sql.Engine(), statement, s.limit, nil)
	if err != nil {
		return mistake(err, statement)
	}
	defer rows.Close()
	for _, w := range rows.Warnings() {
		fmt.Fprintln(s.out, "note:", w)
	}
	if err := writers[s.format](ctx, rows, s.out); err != nil {
		return mistake(err, statement)
	}
	if cost := costOf(rows); cost != "" {
		fmt.Fprintln(s.out, cost)
	}
	return nil
}

// shellHistory is the history as the line editor walks it: one statement a
// line, the newest first. What is typed line by line it leaves out, since
// whole statements are remembered instead.
type shellHistory struct {
	mu  sync.Mutex
	all []string
}

// Add is the line editor's; see remember.
func (h *shellHistory) Add(string) {}

// Len is how many statements there are.
func (h *shellHistory) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.all)
}

// At gives the i-th newest as one line that runs when it is entered.
func (h *shellHistory) At(i int) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return tui.OneLineSQL(h.all[len(h.all)-1-i]) + ";"
}

func (h *shellHistory) remember(statement string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.all = append(h.all, statement)
}

func (h *shellHistory) last() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.all) == 0 {
		return ""
	}
	return h.all[len(h.all)-1]
}

// runShell is tapedeck sql without a statement, on a terminal.
func runShell(ctx context.Context, c Config, limit int, format string, files []*store.FileTable) error {
	v, err := openView(ctx, c, os.Stderr, files...)
	if err != nil {
		return err
	}
	defer v.close()
	data, err := c.dataDir()
	if err != nil {
		return err
	}
	own, _, err := guestDir(data)
	if err != nil {
		return err
	}
	if limit == 0 {
		limit = shellRows
	}
	s := &shell{sql: newScreenSQL(c, func() (*store.DB, error) { return v.db, nil }), history: tui.SQLHistoryIn(own), saved: tui.SavedQueriesIn(own),
		shared: v.sharedQuery(ctx), limit: limit, format: format, out: &harmless{w: os.Stdout}, asked: &shellHistory{}}
	defer s.sql.engines.close()
	if s.asked.all, err = s.history.Load(); err != nil {
		fmt.Fprintln(os.Stderr, "note:", err)
	}
	// Ctrl-c ends a query, not the shell: from here on it is the shell's own.
	signal.Reset(os.Interrupt)
	signal.Notify(make(chan os.Signal, 1), os.Interrupt)
	s.line = terminalLines(ctx, s.asked)
	return s.run(ctx)
}

// sharedQuery looks a query up that analysts share, as it stands at that moment.
func (v *view) sharedQuery(ctx context.Context) func(name string) (statement string, ok bool) {
	var book *rulebook // none yet
	return func(name string) (string, bool) {
		if v.log == nil {
			return "", false
		}
		var err error
		if book == nil {
			book, err = openRulebook(ctx, v.log, "")
		} else {
			err = book.refresh(ctx)
		}
		if err != nil {
			return "", false
		}
		return book.SharedQuery(name)
	}
}

// errAbandoned says that a line was given up by ctrl-c.
var errAbandoned = errors.New("abandoned")

// terminalLines reads lines with editing and history. The terminal is raw
// only while a line is read, so that ctrl-c ends a query.
func terminalLines(ctx context.Context, history term.History) func(prompt string) (string, error) {
	keys := &shellKeys{r: os.Stdin}
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{keys, os.Stdout}, "")
	t.History = history
	return func(prompt string) (string, error) {
		fd := int(os.Stdin.Fd())
		before, err := term.MakeRaw(fd)
		if err != nil {
			return "", err
		}
		defer func() { _ = term.Restore(fd, before) }()
		if w, h, err := term.GetSize(fd); err == nil && w > 0 {
			_ = t.SetSize(w, h) // only where the line breaks depends on it
		}
		t.SetPrompt(prompt)
		type read struct {
			line string
			err  error
		}
		done := make(chan read, 1)
		go func() { // left behind when ctx ends: the process ends too
			line, err := t.ReadLine()
			done <- read{line, err}
		}()
		select {
		case <-ctx.Done():
			return "", io.EOF
		case r := <-done:
			switch {
			case keys.abandoned.Swap(false):
				return "", errAbandoned
			case errors.Is(r.err, term.ErrPasteIndicator):
				r.err = nil
			}
			return r.line, r.err
		}
	}
}

// shellKeys turns ctrl-c, which would end the line editor, into an end of the
// line that is given up.
type shellKeys struct {
	r         io.Reader
	pending   bool
	abandoned atomic.Bool
}

func (k *shellKeys) Read(p []byte) (int, error) {
	if k.pending && len(p) > 0 {
		k.pending, p[0] = false, '\r'
		return 1, nil
	}
	n, err := k.r.Read(p)
	if i := bytes.IndexByte(p[:n], 0x03); i >= 0 {
		k.abandoned.Store(true)
		p[i], k.pending = 0x15, true // ctrl-u empties the line
		return i + 1, err
	}
	return n, err
}

// harmless writes to a terminal what cannot steer it.
type harmless struct {
	w    io.Writer
	last byte
}

func (h *harmless) Write(p []byte) (int, error) {
	out := make([]byte, len(p))
	for i, b := range p {
		switch {
		case b < 0x20 && b != '\n' && b != '\t', b == 0x7f, h.last == 0xc2 && b >= 0x80 && b < 0xa0:
			out[i] = '?'
		default:
			out[i] = b
		}
		h.last = b
	}
	return h.w.Write(out)
}
