package tui

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// The statements that were run, and those that were saved by name, lie beside
// the screen's state, readable by their owner alone. Screens and shells share
// them: what one has run the other finds.
const (
	sqlHistoryFile  = "sql_history.jsonl"
	savedQueriesDir = "queries"

	maxSQLHistory   = 1_000
	maxSQLStatement = 64 << 10 // longer ones are run, but not remembered
)

// SQLHistory is the file of the statements that were run; the zero value
// remembers nothing.
type SQLHistory struct{ Path string }

// SQLHistoryIn is the history in a directory.
func SQLHistoryIn(dir string) SQLHistory { return SQLHistory{filepath.Join(dir, sqlHistoryFile)} }

type asked struct {
	Time time.Time `json:"time"`
	SQL  string    `json:"sql"`
}

// Load gives the statements, each once, the newest last.
func (h SQLHistory) Load() ([]string, error) {
	if h.Path == "" {
		return nil, nil
	}
	f, err := os.Open(h.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the history of queries: %w", err)
	}
	defer f.Close()
	var all []string
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 8*maxSQLStatement)
	for lines.Scan() {
		var a asked
		if json.Unmarshal(lines.Bytes(), &a) == nil { // a line torn by a kill is passed over
			if s := strings.TrimSpace(string(cleanText(a.SQL))); s != "" {
				all = append(all, s)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read the history of queries: %w", err)
	}
	read := len(all)
	all = lastOfEach(all)
	if read > 2*maxSQLHistory {
		err = h.rewrite(all)
	}
	return all, err
}

// lastOfEach keeps of the same statements the newest, and the newest of all.
func lastOfEach(all []string) []string {
	seen := make(map[string]bool, len(all))
	var kept []string
	for _, s := range slices.Backward(all) {
		if !seen[s] && len(kept) < maxSQLHistory {
			seen[s] = true
			kept = append(kept, s)
		}
	}
	slices.Reverse(kept)
	return kept
}

func (h SQLHistory) rewrite(statements []string) error {
	var data []byte
	for _, s := range statements {
		line, err := json.Marshal(asked{SQL: s})
		if err != nil {
			return err
		}
		data = append(append(data, line...), '\n')
	}
	return write(h.Path, data)
}

// Add remembers a statement that is run at a time.
func (h SQLHistory) Add(statement string, at time.Time) error {
	if h.Path == "" || len(statement) > maxSQLStatement || strings.TrimSpace(statement) == "" {
		return nil
	}
	line, err := json.Marshal(asked{at.UTC().Truncate(time.Second), statement})
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(h.Path), 0o700); err != nil {
		return fmt.Errorf("keep the history of queries: %w", err)
	}
	f, err := os.OpenFile(h.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("keep the history of queries: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	return errors.Join(err, f.Close())
}

// SavedQueries are statements by name, each a file NAME.sql in a directory.
type SavedQueries struct{ Dir string }

// SavedQueriesIn are the saved queries of a state directory.
func SavedQueriesIn(dir string) SavedQueries {
	return SavedQueries{filepath.Join(dir, savedQueriesDir)}
}

func (q SavedQueries) path(name string) (string, error) {
	ok := name != "" && len(name) <= 60
	for _, r := range name {
		ok = ok && (unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_')
	}
	switch {
	case q.Dir == "":
		return "", errors.New("this screen keeps nothing: it has no state directory")
	case !ok:
		return "", fmt.Errorf("“%s” is no name for a query: letters, digits, - and _ make one", clip(name, 30))
	}
	return filepath.Join(q.Dir, name+".sql"), nil
}

// Save writes a statement under a name, in place of what had it before.
func (q SavedQueries) Save(name, statement string) error {
	path, err := q.path(name)
	if err != nil {
		return err
	}
	return write(path, []byte(strings.TrimRight(statement, "\n")+"\n"))
}

// Open gives the statement of a name.
func (q SavedQueries) Open(name string) (string, error) {
	path, err := q.path(name)
	if err != nil {
		return "", err
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("no query is called “%s”", name)
	}
	if err != nil {
		return "", fmt.Errorf("open the query: %w", err)
	}
	return strings.TrimRight(string(cleanText(string(data[:min(len(data), 4*maxEditor)]))), "\n"), nil
}

// Delete removes the statement of a name.
func (q SavedQueries) Delete(name string) error {
	path, err := q.path(name)
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("no query is called “%s”", name)
	}
	return err
}

// Names lists them in order.
func (q SavedQueries) Names() ([]string, error) {
	if q.Dir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(q.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if name, ok := strings.CutSuffix(e.Name(), ".sql"); ok && !e.IsDir() {
			if _, bad := q.path(name); bad == nil {
				names = append(names, name)
			}
		}
	}
	return names, err
}
