package feed

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// RejectSink is what a Sink is, too, where rows that cannot be read are kept
// as dead letters. The line is the row's original bytes without its end of
// line, good until Reject returns; row numbers it among the source's rows, as
// in Sink.Tick; symbol is "" where the row had no valid one.
type RejectSink interface {
	Reject(row int64, symbol string, reason string, line []byte) error
}

// ErrDamaged is in the error of Replay.Run when an input ended before its end
// (a torn archive, a failing disk). Everything readable was delivered and the
// end was said; running it again gives the same.
var ErrDamaged = errors.New("input is damaged")

// ReplayConfig says what is replayed, and how fast.
type ReplayConfig struct {
	Inputs []string         // files .csv, .csv.gz or .csv.zst, or folders of them
	Speed  float64          // source seconds a second: 1, 10 …; 0 is as fast as the sink takes them
	Source string           // name of the source on its ticks; "" is replay
	Gap    time.Duration    // a longer hole in the source's time is skipped; 0 is a minute
	Now    func() time.Time // nil is time.Now

	// From and To leave out the rows before and from that time on; 0 is no bound.
	// They keep their numbers.
	From, To market.Time
}

// Replay plays recorded files into the log: all inputs merged by time, paced
// by the recording's own clock. Rows keep their file's order even where their
// times go back. The same inputs give the same ticks, row numbers and clocks in
// every run and at every speed. Memory does not grow with the files.
type Replay struct {
	pace   pace
	from   market.Time
	to     market.Time    // 0 is no bound
	inputs []*replayInput // by first time
	size   int64
	id     string
	resume int64
}

// NewReplay opens every input once, checks its header and finds its place in
// time. The error names the file, and line and column where it can.
func NewReplay(cfg ReplayConfig) (*Replay, error) {
	pace, err := newPace(cfg.Source, cfg.Speed, cfg.Gap, cfg.Now)
	if err != nil {
		return nil, err
	}
	paths, err := replayFiles(cfg.Inputs)
	if err != nil {
		return nil, err
	}
	r := &Replay{pace: pace, from: cfg.From, to: cfg.To}
	hash := sha256.New()
	rows := false
	for _, path := range paths {
		in, err := checkInput(path)
		if err != nil {
			return nil, fmt.Errorf("replay %s: %w", path, err)
		}
		rows = rows || !in.empty
		r.inputs = append(r.inputs, in)
		r.size += in.size
	}
	if !rows {
		return nil, fmt.Errorf("replay %s: there is a header but no rows", strings.Join(paths, ", "))
	}
	slices.SortStableFunc(r.inputs, func(a, b *replayInput) int { return cmp.Compare(a.first, b.first) })
	for i, in := range r.inputs {
		in.index = i
		hash.Write(in.sum[:])
	}
	r.id = hex.EncodeToString(hash.Sum(nil)[:16])
	return r, nil
}

// replayFiles expands folders into the recordings they hold, in order of name.
func replayFiles(inputs []string) ([]string, error) {
	if len(inputs) == 0 {
		return nil, errors.New("replay: no input; name at least one CSV file")
	}
	var files []string
	for _, path := range inputs {
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("replay: there is no file %s", path)
		case err != nil:
			return nil, fmt.Errorf("replay: %w", err)
		case info.Mode().IsRegular():
			files = append(files, path)
			continue
		case !info.IsDir():
			return nil, fmt.Errorf("replay %s: not a regular file; save it to a file first", path)
		}
		before := len(files)
		err = filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.Type().IsRegular() && isRecording(d.Name()) {
				files = append(files, p)
			}
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("replay: %w", err)
		}
		if len(files) == before {
			return nil, fmt.Errorf("replay %s: the folder holds no .csv, .csv.gz or .csv.zst file", path)
		}
	}
	return files, nil
}

func isRecording(name string) bool {
	name = strings.ToLower(name)
	name = strings.TrimSuffix(strings.TrimSuffix(name, ".gz"), ".zst")
	return strings.HasSuffix(name, ".csv")
}

// Name is the source's name, as on its ticks.
func (r *Replay) Name() string { return r.pace.source }

// ID is the identity of what is replayed: it rests on size, head and tail of
// every input's content, wherever the files lie.
func (r *Replay) ID() string { return r.id }

// Begins is the time of the first row that is played, as far as the inputs'
// first rows tell.
func (r *Replay) Begins() market.Time { return max(r.inputs[0].first, r.from) }

// Resume says that rows up to this one stand in the log already. They are
// handed over again, so that the sink can tell partition by partition what it
// lacks, but without waiting for their time.
func (r *Replay) Resume(row int64) { r.resume = row }

// Run replays until the end, the end of ctx or an error of the sink. An input
// that breaks off ends alone: the rest is played, then Run returns ErrDamaged.
func (r *Replay) Run(ctx context.Context, out Sink) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	run := replayRun{Replay: r, out: out, pace: r.pace, waiting: r.inputs}
	run.rejects, _ = out.(RejectSink)
	defer func() {
		for _, in := range run.active {
			in.close()
		}
	}()
	run.pace.begin(out)
	if err := run.rows(ctx); err != nil {
		return err
	}
	if err := run.pace.end(); err != nil {
		return err
	}
	level, text := OK, fmt.Sprintf("replay ended at %s: %d rows%s", clockText(run.pace.at), run.row, run.badText())
	if run.damage != nil {
		level, text = Trouble, text+"; "+run.damage.Error()
	}
	out.Say(Condition{Level: level, Text: text, Progress: 1})
	return run.damage
}

// replayRun is the state of one Run.
type replayRun struct {
	*Replay
	out      Sink
	rejects  RejectSink // nil where the sink keeps none
	pace     pace
	waiting  []*replayInput // not yet begun, by first time
	active   inputHeap
	row      int64
	bad      int64
	firstBad string
	done     int64 // bytes of inputs that have ended
	damage   error
}

// housekeeping is done every so many rows; the received time of a tick is
// that of the last one.
const housekeeping = 256

func (r *replayRun) rows(ctx context.Context) error {
	received := market.At(r.pace.wall())
	for {
		r.admit()
		if len(r.active) == 0 {
			return nil
		}
		in := r.active[0]
		r.row++
		slept := false
		if t := in.tick.Time; in.bad == nil && (t < r.from || r.to != 0 && t >= r.to) {
			if r.row%housekeeping == 0 {
				if err := ctx.Err(); err != nil {
					return err
				}
				r.pace.report(r.condition)
			}
			r.step(in)
			continue
		}
		if in.bad == nil {
			var err error
			if slept, err = r.pace.until(ctx, in.tick.Time, r.row <= r.resume); err != nil {
				return err
			}
		}
		if slept || r.row%housekeeping == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			received = market.At(r.pace.wall())
			r.pace.report(r.condition)
		}
		if in.bad != nil {
			if err := r.reject(in); err != nil {
				return err
			}
		} else {
			in.tick.Source, in.tick.Received = r.pace.source, received
			if err := r.out.Tick(&in.tick, r.row); err != nil {
				return err
			}
		}
		r.step(in)
	}
}

// admit begins the inputs whose time has come.
func (r *replayRun) admit() {
	for len(r.waiting) > 0 && (len(r.active) == 0 || r.waiting[0].first <= r.active[0].key) {
		in := r.waiting[0]
		r.waiting = r.waiting[1:]
		if err := in.open(); err != nil {
			r.damaged(in, err)
			continue
		}
		in.key = in.first
		if more, err := in.next(); !more {
			r.ended(in, err)
		} else {
			r.active.push(in)
		}
	}
}

// step moves the input at the top of the heap to its next row.
func (r *replayRun) step(in *replayInput) {
	if more, err := in.next(); !more {
		r.active.pop()
		r.ended(in, err)
	} else {
		r.active.down(0)
	}
}

func (r *replayRun) ended(in *replayInput, err error) {
	in.close()
	r.done += in.size
	if err != nil {
		r.damaged(in, err)
	}
}

func (r *replayRun) damaged(in *replayInput, err error) {
	err = fmt.Errorf("%s: %w after line %d: %w; what could be read of it was replayed", in.name, ErrDamaged, in.line, err)
	r.damage = errors.Join(r.damage, err)
	r.out.Say(Condition{Level: Trouble, Text: err.Error(), Progress: r.progress()})
}

func (r *replayRun) reject(in *replayInput) error {
	reason := fmt.Sprintf("%s line %d: %v", in.name, in.line, in.bad)
	if r.bad++; r.bad == 1 {
		r.firstBad = reason
	}
	if r.rejects == nil {
		return nil
	}
	return r.rejects.Reject(r.row, in.tick.Symbol, reason, in.row)
}

func (r *replayRun) badText() string {
	switch r.bad {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(", 1 of them unreadable (%s)", r.firstBad)
	}
	return fmt.Sprintf(", %d of them unreadable (first: %s)", r.bad, r.firstBad)
}

func (r *replayRun) condition() Condition {
	c := Condition{Progress: r.progress()}
	c.Text = fmt.Sprintf("replaying %s, now %s: %d rows%s", r.pace.speedText(), clockText(r.pace.at), r.row, r.badText())
	if r.bad > r.row/100 {
		c.Level = Trouble
	}
	return c
}

// progress is the part of the inputs' bytes that has been read, 0 to 1.
func (r *replayRun) progress() float64 {
	read := r.done
	for _, in := range r.active {
		read += in.read()
	}
	return math.Min(1, float64(read)/float64(max(r.size, 1)))
}

// inputHeap orders inputs by the time they have come to, then by their place.
type inputHeap []*replayInput

func (h inputHeap) less(i, j int) bool {
	return h[i].key < h[j].key || h[i].key == h[j].key && h[i].index < h[j].index
}

func (h *inputHeap) push(in *replayInput) {
	*h = append(*h, in)
	h.up(len(*h) - 1)
}

func (h inputHeap) up(i int) {
	for i > 0 && h.less(i, (i-1)/2) {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
		i = (i - 1) / 2
	}
}

func (h inputHeap) down(i int) {
	for {
		least := i
		for _, c := range [...]int{2*i + 1, 2*i + 2} {
			if c < len(h) && h.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}

func (h *inputHeap) pop() {
	last := len(*h) - 1
	(*h)[0], (*h)[last] = (*h)[last], nil
	*h = (*h)[:last]
	h.down(0)
}
