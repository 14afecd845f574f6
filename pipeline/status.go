package pipeline

import (
	"context"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// stageStatus counts what a stage of this process does. Its methods are for
// any goroutine; report turns it into the record that screens read.
type stageStatus struct {
	stage  string
	topics []string // whose end the lag is measured from
	in     atomic.Int64
	out    atomic.Int64

	mu      sync.Mutex
	errors  int64
	problem string // in words; empty is well
	reasons map[string]int64
	feeds   map[string]live.Feed
	alerts  map[string]int64 // raised, by severity
	moves   int64            // rebalances
	flush   *live.Flush
	notices []live.Notice
	level   live.Level // of what it is at, in words
	text    string
	about   []live.Model
	detail  func() string                                       // the state in words while all is well; may be nil
	rules   func(seconds float64) ([]live.Rule, []live.Pending) // may be nil

	lastIn, lastOut int64
	lastReport      time.Time
	tallies         []tally // of the last reports, oldest first
	marks           []mark  // the log's ends that have not been passed, oldest first; of the reporter alone
}

// mark is where the log ended at a time.
type mark struct {
	at   time.Time
	ends map[string][]int64 // by topic
}

// markShare of the oldest mark's age lies between two marks at least: so few
// are kept of a day, and an age is right to that share of itself.
const markShare = 64

// tally is what a stage had read and refused at a report.
type tally struct {
	in      int64
	reasons map[string]int64
}

const (
	tallies    = 10 // reports, which come once a second, that are looked back over
	fewRefused = 20 // records that may be refused in that time without a word
	maxReasons = 32 // that are told apart; a hostile feed could invent any number
	maxReason  = 120
)

func (r *runner) newStatus(stage string, topics ...string) *stageStatus {
	s := &stageStatus{stage: stage, topics: topics, lastReport: time.Now()}
	r.mu.Lock()
	r.status = append(r.status, s)
	r.mu.Unlock()
	return s
}

// tell has the state while all is well said by words.
func (s *stageStatus) tell(words func() string) {
	s.mu.Lock()
	s.detail = words
	s.mu.Unlock()
}

// list has rules added to every report; see telling_rules.go.
func (s *stageStatus) list(rules func(seconds float64) ([]live.Rule, []live.Pending)) {
	s.mu.Lock()
	s.rules = rules
	s.mu.Unlock()
}

// trouble notes what is wrong, in words.
func (s *stageStatus) trouble(text string) {
	s.mu.Lock()
	s.errors++
	s.problem = text
	s.mu.Unlock()
}

// working notes what the stage is busy with.
func (s *stageStatus) working(text string) {
	s.mu.Lock()
	s.level, s.text = live.Working, text
	s.mu.Unlock()
}

// describe notes the state in words while all is well.
func (s *stageStatus) describe(text string) {
	s.mu.Lock()
	s.level, s.text, s.problem = live.OK, text, ""
	s.mu.Unlock()
}

// models notes how the models do, and what is to be said of them.
func (s *stageStatus) models(about []live.Model, level live.Level, text string) {
	s.mu.Lock()
	s.about, s.level, s.text, s.problem = about, level, text, ""
	s.mu.Unlock()
}

// well takes back the last trouble.
func (s *stageStatus) well() {
	s.mu.Lock()
	s.problem = ""
	s.mu.Unlock()
}

// refused counts a dead letter by its reason.
func (s *stageStatus) refused(reason string) {
	s.mu.Lock()
	if s.reasons == nil {
		s.reasons = map[string]int64{}
	}
	if _, known := s.reasons[reason]; !known && (len(s.reasons) >= maxReasons || len(reason) > maxReason) {
		reason = "another reason"
	}
	s.reasons[reason]++
	s.mu.Unlock()
}

// alerted counts an alert by its severity.
func (s *stageStatus) alerted(severity string) {
	s.mu.Lock()
	if s.alerts == nil {
		s.alerts = map[string]int64{}
	}
	s.alerts[severity]++
	s.mu.Unlock()
}

// moved counts a rebalance.
func (s *stageStatus) moved([]int32) {
	s.mu.Lock()
	s.moves++
	s.mu.Unlock()
}

// say takes over a source's own words.
func (s *stageStatus) say(f live.Feed) {
	s.mu.Lock()
	if s.feeds == nil {
		s.feeds = map[string]live.Feed{}
	}
	s.feeds[f.Name] = f
	s.mu.Unlock()
}

func (s *stageStatus) flushed(table string, rows int) {
	s.mu.Lock()
	f := live.Flush{Count: 1, Total: int64(rows)}
	if s.flush != nil {
		f.Count, f.Total = s.flush.Count+1, s.flush.Total+int64(rows)
	}
	f.Time, f.Table, f.Rows = market.At(time.Now()), table, int64(rows)
	s.flush = &f
	s.problem = ""
	s.mu.Unlock()
}

// notice adds a line to the events of the screens.
func (s *stageStatus) notice(level live.Level, text string) {
	s.mu.Lock()
	s.notices = append(s.notices, live.Notice{Time: market.At(time.Now()), Level: level, Stage: s.stage, Text: text})
	s.notices = s.notices[max(0, len(s.notices)-5):]
	s.mu.Unlock()
}

// report is the state now; rates are since the report before.
func (s *stageStatus) report(now time.Time) live.Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, out := s.in.Load(), s.out.Load()
	seconds := max(now.Sub(s.lastReport).Seconds(), 1e-3)
	status := live.Status{
		Stage: s.stage, Time: market.At(now), Total: in, Errors: s.errors, Reasons: maps.Clone(s.reasons), Flush: s.flush,
		In: float64(in-s.lastIn) / seconds, Out: float64(out-s.lastOut) / seconds,
		Alerts: maps.Clone(s.alerts), Written: out, Moves: s.moves,
		Events: slices.Clone(s.notices), Models: s.about, Level: s.level, Text: s.text,
	}
	s.lastIn, s.lastOut, s.lastReport = in, out, now
	for _, name := range slices.Sorted(maps.Keys(s.feeds)) {
		f := s.feeds[name]
		f.Rate = status.In
		status.Feeds = append(status.Feeds, f)
		status.Level, status.Text = max(status.Level, f.Level), f.Text
		status.Source = f.Name
	}
	if s.rules != nil {
		status.Rules, status.Pending = s.rules(seconds)
	}
	if s.detail != nil {
		status.Text = s.detail()
	}
	if text := s.refusing(in); text != "" {
		status.Level, status.Text = live.Trouble, text
	}
	if s.problem != "" {
		status.Level, status.Text = live.Trouble, s.problem
	}
	return status
}

// refusing says so where most of what came lately cannot be used. The caller
// holds mu.
func (s *stageStatus) refusing(in int64) string {
	s.tallies = append(s.tallies, tally{in, maps.Clone(s.reasons)})
	s.tallies = s.tallies[max(0, len(s.tallies)-tallies):]
	then := s.tallies[0]
	refused, most, worst := int64(0), int64(0), ""
	for reason, n := range s.reasons {
		n -= then.reasons[reason]
		if refused += n; n > most || n == most && reason < worst {
			most, worst = n, reason
		}
	}
	came := max(in-then.in, refused)
	if refused < fewRefused || 2*refused <= came {
		return ""
	}
	text := fmt.Sprintf("%d of the last %d messages cannot be used, most of them because: %s", refused, came, worst)
	if worst == string(clean.Future) {
		text += "; is this machine's clock right?"
	}
	return text
}

// refusals in a row of the status say that the producer is broken for good,
// and with it every stage: what it could not deliver makes it refuse all else.
const refusals = 20

// reportStatus writes the state of every stage to the status topic once a
// second, until ctx is done.
func (r *runner) reportStatus(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	memory, refused := int64(0), 0
	for n := 0; ; n++ {
		now := time.Now()
		if n%10 == 0 {
			memory = residentMemory()
		}
		r.mu.Lock()
		stages := slices.Clone(r.status)
		r.mu.Unlock()
		for _, s := range stages {
			status := s.report(now)
			status.Instance, status.PID, status.Host, status.Version = r.Instance, os.Getpid(), r.Host, r.Version
			status.Memory = memory
			status.Lag, status.LagAge = r.lag(ctx, s, now)
			if trouble := r.log.Trouble(); trouble != "" && (s.stage != clusterStage || status.Level < live.Trouble) {
				status.Level, status.Text = live.Trouble, trouble
			}
			if r.Watch != nil {
				r.Watch(status)
			}
			key := r.Instance + "/" + s.stage
			if err := r.producer.Produce(kafka.Status, 0, []byte(key), live.EncodeStatus(&status)); err != nil {
				r.slog.Warn("status is not written", "error", err)
				if refused++; refused == refusals {
					r.giveUp(fmt.Errorf("the log takes no more records: %w", err))
				}
			} else {
				refused = 0
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// lag is how many records of its topics a stage of this process has not taken,
// and how many seconds ago the oldest of them was written at least: since the
// last look at which the stage had not come to what was then the log's end.
func (r *runner) lag(ctx context.Context, s *stageStatus, now time.Time) (lag int64, age float64) {
	ends := map[string][]int64{}
	for _, topic := range s.topics {
		e, err := r.ends(ctx, topic)
		if err != nil {
			break // of a log that is away the old marks hold
		}
		ends[topic] = e
	}
	return s.behind(now, ends, func(ends map[string][]int64) (n int64) {
		for topic, e := range ends {
			n += r.progress.lag(s.stage, topic, e)
		}
		return n
	})
}

// behind keeps the marks, and measures by them: left is how many records below
// some ends the stage has not taken. It is for the reporter alone.
func (s *stageStatus) behind(now time.Time, ends map[string][]int64, left func(map[string][]int64) int64) (lag int64, age float64) {
	if n := len(s.marks); n == 0 || now.Sub(s.marks[n-1].at) >= now.Sub(s.marks[0].at)/markShare {
		s.marks = append(s.marks, mark{now, ends})
	}
	for len(s.marks) > 0 && left(s.marks[0].ends) == 0 {
		s.marks = s.marks[1:]
	}
	if len(s.marks) == 0 {
		return left(ends), 0
	}
	return left(ends), now.Sub(s.marks[0].at).Seconds()
}

// residentMemory is what the operating system counts, in bytes.
func residentMemory() int64 {
	data, err := os.ReadFile("/proc/self/statm")
	if err == nil {
		if fields := strings.Fields(string(data)); len(fields) > 1 {
			if pages, err := strconv.ParseInt(fields[1], 10, 64); err == nil {
				return pages * int64(os.Getpagesize())
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.Sys)
}
