package cost

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Entry is one line of a ledger: what a process used in a span of time.
type Entry struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
	By   string    `json:"by"` // run, screen, sql
	Usage
}

// Ledger is a file to which every process of a data directory appends what it
// used, a line a time. It holds the last weeks and no more.
type Ledger struct {
	Path string
	Max  int64 // bytes; beyond, the older half is dropped; 0 is 4 MB
}

// Append adds a line.
func (l *Ledger) Append(e Entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("note the usage: %w", err)
	}
	f, err := os.OpenFile(l.Path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o660)
	if err != nil {
		return fmt.Errorf("note the usage: %w", err)
	}
	defer f.Close()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("note the usage: %w", err)
	}
	if err := l.shorten(f); err != nil {
		return fmt.Errorf("shorten the ledger: %w", err)
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("note the usage: %w", err)
	}
	return nil
}

// shorten drops the older half of a file that has become too long.
func (l *Ledger) shorten(f *os.File) error {
	info, err := f.Stat()
	limit := l.Max
	if limit == 0 {
		limit = 4 << 20
	}
	if err != nil || info.Size() <= limit {
		return err
	}
	half := make([]byte, limit/2)
	n, err := f.ReadAt(half, info.Size()-int64(len(half)))
	if err != nil {
		return err
	}
	half = half[:n]
	for i, c := range half {
		if c == '\n' {
			half = half[i+1:]
			break
		}
	}
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err = f.Write(half)
	return err
}

// Sum adds up what was used since a time. over is the time that a pipeline
// (By: run) was counted in. Lines that cannot be read are passed over: the
// file is a counter, not a book.
func (l *Ledger) Sum(since time.Time) (used Usage, over time.Duration, err error) {
	f, err := os.Open(l.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return used, 0, nil
	}
	if err != nil {
		return used, 0, fmt.Errorf("read the usage: %w", err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<16)
	for lines.Scan() {
		var e Entry
		if json.Unmarshal(lines.Bytes(), &e) != nil || e.From.Before(since) || e.To.Before(e.From) {
			continue
		}
		used = used.Plus(e.Usage)
		if e.By == "run" {
			over += e.To.Sub(e.From)
		}
	}
	if err := lines.Err(); err != nil {
		return used, over, fmt.Errorf("read the usage: %w", err)
	}
	return used, over, nil
}

// Meter counts what one process uses and writes it to a ledger.
type Meter struct {
	Ledger *Ledger
	By     string       // run, screen, sql
	Read   func() Usage // counters that others keep, as totals since the start; nil is none

	mu    sync.Mutex
	added Usage
}

// Add counts.
func (m *Meter) Add(u Usage) {
	m.mu.Lock()
	m.added = m.added.Plus(u)
	m.mu.Unlock()
}

// Total is what was counted since the start.
func (m *Meter) Total() Usage {
	m.mu.Lock()
	total := m.added
	m.mu.Unlock()
	if m.Read != nil {
		total = total.Plus(m.Read())
	}
	return total
}

// Run notes what was used, every so often and once more at the end, when ctx
// is done. A ledger that cannot be written is said once in the log: money is
// no reason to stop.
func (m *Meter) Run(ctx context.Context, every time.Duration, log *slog.Logger) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	from, noted, said := time.Now(), Usage{}, false
	note := func() {
		now, total := time.Now(), m.Total()
		delta := total.Minus(noted)
		if delta == (Usage{}) && m.By != "run" {
			from = now
			return
		}
		if err := m.Ledger.Append(Entry{From: from.UTC(), To: now.UTC(), By: m.By, Usage: delta}); err != nil {
			if !said {
				log.Warn("costs are not counted", "error", err)
				said = true
			}
			return
		}
		from, noted = now, total
	}
	for {
		select {
		case <-ctx.Done():
			note()
			return
		case <-ticker.C:
			note()
		}
	}
}
