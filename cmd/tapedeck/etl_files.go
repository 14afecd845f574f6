package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tapedeck/pipeline"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// fileJob is job 1 over raw files that are not the lake's: CSV and JSON become
// clean Parquet in the lake's layout, in a directory of their own. The rows of
// each file are taken in their order, file by file.
type fileJob struct {
	config   Config
	inputs   []string
	output   string
	from, to lake.Hour
	out      io.Writer
	note     func(string)

	rebuild  *pipeline.Rebuild
	ticks    *lake.Rewriting
	row      []byte
	failed   error
	read     int64
	rejected map[string]int64 // rows that are no ticks, by reason
	began    time.Time
}

func (j *fileJob) run(ctx context.Context) error {
	if err := j.claim(); err != nil {
		return err
	}
	l, err := lake.Open(ctx, j.output, lake.Config{Temp: filepath.Join(j.output, ".tmp")}, discard())
	if err != nil {
		return err
	}
	defer l.Close()
	if j.ticks, err = l.Rewrite(lake.Ticks); err != nil {
		return err
	}
	defer j.ticks.Close()
	j.rejected, j.began = map[string]int64{}, time.Now()
	j.rebuild = &pipeline.Rebuild{Calendar: calendarOf(j.config.market()), Clean: clean.Config{},
		OnTick: func(_ int, partition int32, offset int64, t *market.Tick) {
			if h := lake.HourOf(t.Time); h >= j.from && h < j.to {
				j.row = market.AppendTickCSV(j.row[:0], t, partition, offset)
				j.failed = errors.Join(j.failed, j.ticks.Add(0, j.row))
			}
		}}
	for i, path := range j.inputs {
		read := j.readCSV
		if isJSON(path) {
			read = j.readJSON
		}
		if err := read(ctx, path); err != nil {
			j.note("")
			return fmt.Errorf("read %s: %w", path, err)
		}
		j.note(bar("reading "+grouped(j.read)+" rows", float64(i+1)/float64(len(j.inputs))))
	}
	read := []lake.Span{{From: 0, To: j.read + 1}}
	files, err := j.ticks.Commit(ctx, j.from, j.to, read, func(share float64) { j.note(bar("writing", share)) })
	j.note("")
	if err != nil {
		return err
	}
	for reason, n := range j.rebuild.Reasons {
		j.rejected[string(reason)] += n
	}
	fmt.Fprintf(j.out, "%s rows read, %s written to %d files under %s, %s\n", grouped(j.read), grouped(j.ticks.Rows()), files,
		filepath.Join(j.output, "processed", "ticks"), leftOut(j.rejected))
	return nil
}

// claim makes the output directory this job's: one that holds something else,
// or the rows of other files, is left alone.
func (j *fileJob) claim() error {
	identity, err := identityOf(j.inputs)
	if err != nil {
		return usageError{err}
	}
	if err := os.MkdirAll(j.output, 0o700); err != nil {
		return fmt.Errorf("make the output directory: %w", err)
	}
	mark := filepath.Join(j.output, "inputs.json")
	there, err := os.ReadFile(mark)
	switch {
	case err == nil && !bytes.Equal(there, identity):
		return usageError{fmt.Errorf("%s holds the rows of other files (see its inputs.json): choose another --output", j.output)}
	case err == nil:
		return nil
	case !errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("look at the output directory: %w", err)
	}
	if entries, err := os.ReadDir(j.output); err != nil || len(entries) > 0 {
		return usageError{fmt.Errorf("%s is not empty: choose a new directory with --output", j.output)}
	}
	if err := os.WriteFile(mark, identity, 0o600); err != nil {
		return fmt.Errorf("mark the output directory: %w", err)
	}
	return nil
}

// identityOf tells these files from others, by size, head and tail.
func identityOf(paths []string) ([]byte, error) {
	type entry struct {
		Name string `json:"name"`
		Size int64  `json:"size"`
		Sum  string `json:"sum"`
	}
	var list []entry
	for _, path := range paths {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = fmt.Errorf("%s is not a file", path)
		}
		h := sha256.New()
		for i := 0; err == nil && i < 2; i++ {
			const chunk = 64 << 10
			from := int64(0)
			if i == 1 {
				from = max(0, info.Size()-chunk)
			}
			_, err = io.Copy(h, io.NewSectionReader(f, from, chunk))
		}
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("--input: %w", err)
		}
		list = append(list, entry{filepath.Base(path), info.Size(), fmt.Sprintf("%x", h.Sum(nil)[:16])})
	}
	return json.MarshalIndent(list, "", "  ")
}

// isJSON says by a file's name whether it holds JSON.
func isJSON(path string) bool {
	name := strings.ToLower(filepath.Base(path))
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return slices.Contains([]string{".json", ".jsonl", ".ndjson"}, filepath.Ext(name))
}

// take is a row that is a tick.
func (j *fileJob) take(ctx context.Context, t *market.Tick) error {
	j.read++
	seen := max(t.Received, t.Time)
	j.rebuild.Take(0, 0, j.read, t, seen)
	if j.read%65_536 == 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		j.note(fmt.Sprintf("reading %s rows, %s a second", grouped(j.read), grouped(int64(float64(j.read)/time.Since(j.began).Seconds()))))
	}
	return j.failed
}

// reject is a row that is none.
func (j *fileJob) reject(reason string) {
	j.read++
	j.rejected[reason]++
}

// readCSV reads a file with a header, as a replay does.
func (j *fileJob) readCSV(ctx context.Context, path string) error {
	r, err := feed.NewReplay(feed.ReplayConfig{Inputs: []string{path}})
	if err != nil {
		return err
	}
	return r.Run(ctx, &csvSink{job: j, ctx: ctx})
}

// csvSink takes a replay's rows.
type csvSink struct {
	job *fileJob
	ctx context.Context
}

func (s *csvSink) Tick(t *market.Tick, _ int64) error {
	t.Received = 0 // of the replay, not of the row
	return s.job.take(s.ctx, t)
}

func (s *csvSink) Reject(_ int64, _ string, reason string, _ []byte) error {
	s.job.reject(kindOf(reason))
	return nil
}

func (s *csvSink) Clock(market.Clock) error { return nil }
func (s *csvSink) Flush() error             { return nil }
func (s *csvSink) Say(feed.Condition)       {}

// placedReason finds the place that a reason begins with: a.csv line 4: …
var placedReason = regexp.MustCompile(`^.*? line \d+: `)

// kindOf is a reason without its place and the value that it quotes, so that
// it can be counted.
func kindOf(reason string) string {
	reason = placedReason.ReplaceAllString(reason, "")
	if i := strings.IndexAny(reason, "\"“"); i > 0 {
		reason = strings.TrimSuffix(strings.TrimRight(reason[:i], " :"), " is") + " cannot be read"
	}
	return reason
}

// maxJSONRow is the longest row of JSON that is read.
const maxJSONRow = 1 << 20

// readJSON reads ticks as they stand on the topic, one an object: a row a line,
// or all in one array.
func (j *fileJob) readJSON(ctx context.Context, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var in io.Reader = f
	switch filepath.Ext(strings.ToLower(path)) {
	case ".gz":
		z, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		defer z.Close()
		in = z
	case ".zst":
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			return err
		}
		defer z.Close()
		in = z
	}
	rows := bufio.NewReaderSize(in, 1<<16)
	first, err := firstByte(rows)
	if err != nil {
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	}
	if first == '[' {
		return j.readArray(ctx, rows)
	}
	lines := bufio.NewScanner(rows)
	lines.Buffer(make([]byte, 1<<16), maxJSONRow)
	for lines.Scan() {
		if line := bytes.TrimSpace(lines.Bytes()); len(line) > 0 {
			if err := j.takeJSON(ctx, line); err != nil {
				return err
			}
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("row %d is longer than 1 MB", j.read+1)
	}
	return lines.Err()
}

func (j *fileJob) readArray(ctx context.Context, in io.Reader) error {
	d := json.NewDecoder(in)
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		var row json.RawMessage
		if err := d.Decode(&row); err != nil {
			return fmt.Errorf("after row %d: %w", j.read, err)
		}
		if err := j.takeJSON(ctx, row); err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func (j *fileJob) takeJSON(ctx context.Context, row []byte) error {
	var t market.Tick
	if err := market.DecodeTick(row, &t); err != nil {
		j.reject(kindOf(err.Error()))
		return nil
	}
	return j.take(ctx, &t)
}

// firstByte is the first that is no space; it is left to be read.
func firstByte(r *bufio.Reader) (byte, error) {
	for {
		b, err := r.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n\ufeff"), rune(b)) {
			return b, r.UnreadByte()
		}
	}
}
