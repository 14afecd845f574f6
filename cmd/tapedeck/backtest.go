package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/market"
	"tapedeck/store"
)

// past tries rules over what a data directory has recorded. Ticks of the lake
// (and of the log, where the lake has them not yet) go through the compute
// stage's own cleaner, bar builder and rule engine, partition by partition in
// the order of the log, so that an alert of a trial is the alert that the live
// pipeline gave, or would have given had the rule been in force.
//
// What is not among the ticks is not known to it: predictions, and whether the
// model endpoint answered.
type past struct {
	db       *store.DB
	feed     string
	calendar func(symbol string) *market.Calendar
	rules    *rulebook // knows who is in the groups that rules watch; nil: nobody is
}

// ask is a wish for a trial.
type ask struct {
	Rules    []market.Rule // as if in force since long before Since
	Since    market.Time   // 0: a day before Until
	Until    market.Time   // 0: all that is recorded
	Progress func(share float64)
}

// errNothingRecorded says that there is no history to try a rule on.
var errNothingRecorded = errors.New("nothing is recorded in that time")

// backtest tells when the rules would have fired.
func (p *past) backtest(ctx context.Context, a ask) (*alert.Trial, error) {
	trials, _, err := p.play(ctx, a)
	if err != nil {
		return nil, err
	}
	return alert.Join(trials), nil
}

// standing is what a rule says of each symbol at the newest tick, and its time.
func (p *past) standing(ctx context.Context, rule market.Rule) ([]alert.Standing, market.Time, error) {
	_, newest, err := p.recorded(ctx)
	if err != nil {
		return nil, 0, err
	}
	_, engines, err := p.play(ctx, ask{Rules: []market.Rule{rule}, Since: newest, Until: newest + 1})
	if err != nil {
		return nil, 0, err
	}
	var all []alert.Standing
	for _, e := range engines {
		for _, s := range e.Standing(rule.Name) {
			if s.Symbol != "" {
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, func(a, b alert.Standing) int { return strings.Compare(a.Symbol, b.Symbol) })
	return all, newest, nil
}

// recorded is the time of the oldest and of the newest tick.
func (p *past) recorded(ctx context.Context) (oldest, newest market.Time, err error) {
	rows, err := p.db.Query(ctx, "SELECT epoch_us(min(time)), epoch_us(max(time)) FROM ticks", store.Options{Native: true})
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		from, _ := rows.Values()[0].(int64)
		to, _ := rows.Values()[1].(int64)
		oldest, newest = market.Time(from), market.Time(to)
	}
	if err := rows.Err(); err != nil {
		return 0, 0, err
	}
	if newest == 0 {
		return 0, 0, errNothingRecorded
	}
	return oldest, newest, nil
}

// play runs engines with the rules over history, one for each partition.
func (p *past) play(ctx context.Context, a ask) ([]*alert.Trial, []*alert.Engine, error) {
	oldest, newest, err := p.recorded(ctx)
	if err != nil {
		return nil, nil, err
	}
	if a.Until == 0 || a.Until > newest {
		a.Until = newest + 1
	}
	if a.Since == 0 {
		a.Since = a.Until.Add(-24 * time.Hour)
	}
	if a.Since > newest || a.Until <= oldest || a.Until <= a.Since {
		return nil, nil, fmt.Errorf("%w: history reaches from %s to %s", errNothingRecorded, clockOf(oldest), clockOf(newest))
	}
	var needs []alert.Needs
	var programs []*alert.Program
	for _, rule := range a.Rules {
		program, err := alert.Compile(rule, ruleWorld())
		if err != nil {
			return nil, nil, err
		}
		programs, needs = append(programs, program), append(needs, program.Needs())
	}
	s := script{past: p, ask: a, needs: joinNeeds(needs)}
	if p.rules != nil {
		if s.members, err = p.rules.membersOf(ctx, p.db, a.Rules...); err != nil {
			return nil, nil, err
		}
	}
	s.begin = s.from(oldest)
	if err := s.cast(ctx, programs); err != nil {
		return nil, nil, err
	}
	if err := s.readClocks(ctx); err != nil {
		return nil, nil, err
	}
	if err := s.readBefore(ctx, oldest); err != nil {
		return nil, nil, err
	}
	return s.run(ctx)
}

// joinNeeds is what must have been seen for all of them.
func joinNeeds(all []alert.Needs) alert.Needs {
	var n alert.Needs
	for _, m := range all {
		n.Span, n.Session = max(n.Span, m.Span), n.Session || m.Session
		for i := range m.Bars {
			n.Bars[i] = max(n.Bars[i], m.Bars[i])
		}
	}
	return n
}

// script is what is played in a trial.
type script struct {
	*past
	ask
	needs   alert.Needs
	members map[string][]string  // of the groups that the rules watch, as they stand now
	begin   market.Time          // ticks are played from here on
	symbols map[string]int32     // who plays, and in which partition
	chosen  string               // SQL that picks them; empty: all
	refused map[int32][]int64    // offsets of dead letters by partition, in order
	spans   []market.Time        // ends of the spans in which ticks are read
	clocks  []market.Time        // the source's clocks, in order
	before  map[string][]pastBar // closed before begin, by symbol
	shards  int                  // that play at once
	done    atomic.Int64         // of the source's time, µs, over all shards
}

// from is where ticks must be played from: as far back as the rules look at
// ticks and at bars of seconds, and at the beginning of the longest bar that
// they look at, since a part of a bar is not a bar.
func (s *script) from(oldest market.Time) market.Time {
	span := max(s.needs.Span, time.Duration(s.needs.Bars[market.Second])*time.Second)
	begin := s.Since.Add(-span - span/4 - 5*time.Minute) // a symbol's first tick there may come late
	for _, interval := range s.needs.Intervals() {
		if interval == market.Day {
			day := s.calendar("").Day(begin)
			if open, _, ok := s.calendar("").Regular(day); ok {
				day = open
			}
			begin = min(begin, day)
			continue
		}
		begin = min(begin, begin.Truncate(interval.Length()))
	}
	return max(begin, oldest)
}

// span bounds rows by time.
func span(from, to market.Time) string {
	return fmt.Sprintf("time >= make_timestamp(%d) AND time < make_timestamp(%d)", from, to)
}

// cast finds the symbols that the rules watch.
func (s *script) cast(ctx context.Context, programs []*alert.Program) error {
	s.symbols = map[string]int32{}
	rows, err := s.db.Query(ctx, `SELECT symbol, "partition", min("offset"), max("offset") FROM ticks WHERE `+span(s.begin, s.Until)+` GROUP BY 1, 2`,
		store.Options{Native: true})
	if err != nil {
		return err
	}
	defer rows.Close()
	all, first, last := 0, int64(math.MaxInt64), int64(0)
	for rows.Next() {
		symbol, _ := rows.Values()[0].(string)
		partition, _ := rows.Values()[1].(int32)
		from, _ := rows.Values()[2].(int64)
		to, _ := rows.Values()[3].(int64)
		first, last = min(first, from), max(last, to)
		company, _ := market.Lookup(symbol)
		all++
		for _, program := range programs {
			if program.Watches(symbol, company.Sector, s.in) {
				s.symbols[symbol] = partition
			}
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if len(s.symbols) < all/2 {
		var quoted []string
		for symbol := range s.symbols {
			quoted = append(quoted, "'"+strings.ReplaceAll(symbol, "'", "''")+"'")
		}
		slices.Sort(quoted)
		s.chosen = " AND symbol IN (" + strings.Join(append(quoted, "''"), ",") + ")"
		return nil
	}
	return s.readRefused(ctx, first, last)
}

// in says whether a group has a symbol.
func (s *script) in(group, symbol string) bool {
	_, found := slices.BinarySearch(s.members[group], symbol)
	return found
}

// readRefused finds the offsets of the log that hold neither ticks nor clocks.
func (s *script) readRefused(ctx context.Context, first, last int64) error {
	s.refused = map[int32][]int64{}
	rows, err := s.db.Query(ctx, fmt.Sprintf(`SELECT DISTINCT "partition", "offset" FROM dead_letters WHERE topic = 'ticks' AND "offset" BETWEEN %d AND %d ORDER BY 1, 2`, first, last),
		store.Options{Native: true})
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		partition, _ := rows.Values()[0].(int32)
		offset, _ := rows.Values()[1].(int64)
		s.refused[partition] = append(s.refused[partition], offset)
	}
	return rows.Err()
}

// clockHole is the longest silence through which a source's clock runs on; the
// feeds that replay skip longer ones.
const clockHole = time.Minute

// spanRows is about how many ticks are asked for at once: few enough to be
// kept in memory by DuckDB, and as many as the lake's files hold, which are
// read as a whole.
const spanRows = 2_000_000

// readClocks finds when the source's clock told the time: each second, but for
// long silences. Clocks are no rows of the lake. It also cuts the time into
// spans, at hours as the lake's files lie, and within them where there is much.
func (s *script) readClocks(ctx context.Context) error {
	rows, err := s.db.Query(ctx, `SELECT epoch_us(min(time)), epoch_us(max(time)), count(*) FROM ticks WHERE `+span(s.begin, s.Until)+
		` GROUP BY epoch_us(time) // 1000000 ORDER BY 1`, store.Options{Native: true})
	if err != nil {
		return err
	}
	defer rows.Close()
	var at, next market.Time
	var n int64
	for rows.Next() {
		count, _ := rows.Values()[2].(int64)
		first, _ := rows.Values()[0].(int64)
		last, _ := rows.Values()[1].(int64)
		t := market.Time(first)
		if second := t.Truncate(time.Second); at != 0 && (n+count > spanRows || at.Truncate(time.Hour) != t.Truncate(time.Hour)) {
			s.spans = append(s.spans, second)
			n = 0
		}
		n += count
		if at == 0 || t.Sub(at) > clockHole {
			next = t.Truncate(time.Second)
		}
		for ; next <= t; next = next.Add(time.Second) {
			s.clocks = append(s.clocks, next)
		}
		at = market.Time(last)
	}
	s.spans = append(s.spans, s.Until)
	return rows.Err()
}

// pastBar is a bar that the rules know when the trial begins.
type pastBar struct {
	market.Bar
	end market.Time
}

// readBefore reads the bars that closed before the ticks begin: those that
// the rules' indicators need, and the minutes that say what the session was.
func (s *script) readBefore(ctx context.Context, oldest market.Time) error {
	s.before = map[string][]pastBar{}
	if s.begin <= oldest {
		return nil
	}
	spans := map[market.Interval]market.Time{}
	for _, interval := range s.needs.Intervals() {
		if interval != market.Second {
			// Nights, weekends and silent minutes hold no bars.
			spans[interval] = s.begin.Add(-4*time.Duration(s.needs.Bars[interval])*interval.Length() - 5*24*time.Hour)
		}
	}
	if s.needs.Session {
		from := s.begin.Add(-5 * 24 * time.Hour)
		if at, ok := spans[market.Minute]; !ok || from < at {
			spans[market.Minute] = from
		}
	}
	for interval, from := range spans {
		bars, err := s.db.RecentBars(ctx, interval, s.barsBefore(interval), from, s.begin)
		if err != nil {
			return err
		}
		for i := range bars {
			b := pastBar{bars[i], bars[i].Time.Add(interval.Length())}
			if _, plays := s.symbols[b.Symbol]; plays && (interval == market.Day || b.end <= s.begin) {
				s.before[b.Symbol] = append(s.before[b.Symbol], b)
			}
		}
	}
	for _, bars := range s.before {
		slices.SortStableFunc(bars, func(a, b pastBar) int {
			return cmp.Or(cmp.Compare(a.end, b.end), cmp.Compare(a.Interval, b.Interval))
		})
	}
	return nil
}

// barsBefore is how many bars of an interval are read for each symbol.
func (s *script) barsBefore(interval market.Interval) int {
	n := s.needs.Bars[interval]
	if interval == market.Minute && s.needs.Session {
		n = max(n, 2*24*60)
	}
	return n
}

// shardOf is which shard plays a partition.
func (s *script) shardOf(partition int32) int { return int(partition) % s.shards }

// run plays the partitions, several at once.
func (s *script) run(ctx context.Context) ([]*alert.Trial, []*alert.Engine, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	s.shards = min(runtime.GOMAXPROCS(0), 4)
	shards := make([]*shard, s.shards)
	var group sync.WaitGroup
	for i := range shards {
		shards[i] = newShard(s, i)
		group.Go(func() {
			if err := shards[i].run(ctx); err != nil {
				cancel(err)
			}
		})
	}
	group.Go(func() {
		if err := (&reader{script: s, shards: shards}).run(ctx); err != nil {
			cancel(err)
		}
	})
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, nil, err
	}
	var trials []*alert.Trial
	var engines []*alert.Engine
	for _, sh := range shards {
		for _, part := range sh.parts {
			trials, engines = append(trials, part.tester.Trial()), append(engines, part.engine)
		}
	}
	if len(trials) == 0 {
		return []*alert.Trial{{From: s.Since, To: s.Until}}, nil, nil
	}
	return trials, engines, nil
}
