package pipeline

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/kafka/kafkatest"
	"tapedeck/pipeline/market"
)

// victimOf tells this test binary, run as a process of its own, that it is a
// pipeline that is killed, and which.
const victimOf = "TAPEDECK_TEST_VICTIM"

// life is what a victim is told.
type life struct {
	Dir    string  // of the embedded log; empty: Log says where it is
	Log    logAt   // a log of another process
	Helper bool    // computes beside another process that tells the story
	Rows   int64   // of the story
	Speed  float64 // market seconds a second; 0 is as fast as can be
	Tell   *teller // takes alerts to a target instead
}

// logAt says where a log is.
type logAt struct {
	Address, User, Password, Prefix string
}

func TestMain(m *testing.M) {
	if text := os.Getenv(victimOf); text != "" {
		var l life
		err := json.Unmarshal([]byte(text), &l)
		switch {
		case err != nil:
		case l.Tell != nil:
			err = l.tell()
		default:
			err = l.live()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// openLogAt opens a log of another process.
func openLogAt(at logAt) (*kafka.Client, error) {
	config := kafka.DefaultConfig()
	if at.Prefix != "" {
		config.Prefix, config.Replication = at.Prefix, 1
	}
	config.Brokers = []string{at.Address}
	if at.User != "" {
		config = kafka.EmbeddedConfig(config, at.Address, at.User, at.Password)
	}
	return kafka.Open(config, slog.New(slog.DiscardHandler))
}

// whereName is the file in which a victim with a log of its own says where it is.
const whereName = "where.json"

// live goes on where the life before was cut off.
func (l life) live() error {
	ctx := context.Background()
	at := l.Log
	if l.Dir != "" {
		broker, err := kafka.OpenBroker(filepath.Join(l.Dir, "log"), kafka.BrokerConfig{})
		if err != nil {
			return err
		}
		defer broker.Close()
		at = logAt{Address: broker.Addr(), User: broker.User(), Password: broker.Password()}
		text, err := json.Marshal(at)
		if err != nil {
			return err
		}
		name := filepath.Join(l.Dir, whereName)
		if err := errors.Join(os.WriteFile(name+".new", text, 0o600), os.Rename(name+".new", name)); err != nil {
			return err
		}
	}
	log, err := openLogAt(at)
	if err != nil {
		return err
	}
	defer log.Close()
	if _, err := log.EnsureTopics(ctx); err != nil {
		return err
	}
	config := testConfig(&story{log: log, rows: l.Rows, speed: l.Speed}, func() Rules {
		return alert.New(alert.Config{Calendar: func(string) *market.Calendar { return market.NYSE() }})
	})
	config.DefaultRules = editsOf(0)
	config.Patience = 5 * time.Minute
	if l.Helper {
		config.Once, config.Instance, config.Stages = false, "helper", []string{"compute"}
	}
	_, err = Run(ctx, config, log, &memoryLake{}, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1})))
	return err
}

const (
	storySymbols = 40
	storyEdits   = 5 // after the first
)

// editsOf is what is changed in the rules at edit number k; 0 is what there is
// from the beginning. The rules are of every kind: of ticks, of bars, of the
// clock, of moments, with every manner of speaking.
func editsOf(k int) []market.Rule {
	edit := func(rules ...market.Rule) []market.Rule {
		for i := range rules {
			rules[i].Revision = int32(k + 1)
			rules[i].Edited, rules[i].EditedBy = tapeStart.Add(time.Duration(k)*time.Second), "test"
		}
		return rules
	}
	switch k {
	case 0:
		return edit(
			market.Rule{Name: "level", When: "price > 100.3"},
			market.Rule{Name: "large", When: `volume > 700`, Repeat: "every time", Cooldown: "3s"},
			market.Rule{Name: "cross", When: `crosses_above(price, ema("1s", 10))`, Cooldown: "5s"},
			market.Rule{Name: "hold", When: `change("5s") > 0.05%`, For: "2s", KeepFiring: "2s"},
			market.Rule{Name: "silent", When: `age() > 0.8`, Repeat: "every time"},
			market.Rule{Name: "grouped", When: "price > 100.1", Watch: []string{"group:few", "query:held", "!S7"}},
		)
	case 1:
		return edit(market.Rule{Name: "level", When: "price > 100.5"},
			market.Rule{Name: "minute", When: `close("1m") > open("1m")`, Repeat: "once per bar close"})
	case 2:
		return edit(market.Rule{Name: "hold", When: `change("5s") > 0.05%`, Disabled: true},
			market.Rule{Name: "large", When: `volume > 700`, Repeat: "every time", Cooldown: "1s", Severity: market.Critical})
	case 3:
		return edit(market.Rule{Name: "cross", When: "true", Deleted: true},
			market.Rule{Name: "hold", When: `change("5s") > 0.04%`, For: "1s"})
	case 4:
		return edit(market.Rule{Name: "cross", When: `crosses_below(price, sma("1s", 20))`, Watch: []string{"S1*"}},
			market.Rule{Name: "wrong", When: `no such word`})
	}
	return edit(market.Rule{Name: "level", When: "price < 99.7", Repeat: "once per bar"})
}

// groupsOf is what is changed in the groups at edit number k: who is in a list,
// and what a saved query gave.
func groupsOf(k int) []market.Group {
	edit := func(name string, symbols ...string) market.Group {
		return market.Group{Name: name, Symbols: symbols, Edited: tapeStart.Add(time.Duration(k) * time.Second), EditedBy: "test"}
	}
	switch k {
	case 1:
		return []market.Group{edit("few", "S1", "S2", "S3", "S4", "S5", "S6", "S7", "S8")}
	case 2:
		return []market.Group{edit("few", "S1", "S11", "S12", "S13", "S14", "S3", "S5"), edit("query:held", "S20", "S21")}
	case 3:
		return []market.Group{edit("query:held", "S1", "S21", "S22", "S23", "S24", "S25")}
	case 4:
		gone := edit("few")
		gone.Deleted = true
		return []market.Group{gone}
	case 5:
		return []market.Group{edit("few", "S1", "S2", "S30", "S31"), edit("query:held", "S21")}
	}
	return nil
}

// recordsOf are the records of edit number k, groups first.
func recordsOf(k int) (records []edit) {
	for _, g := range groupsOf(k) {
		records = append(records, edit{g.Key(), market.EncodeGroup(&g)})
	}
	for _, rule := range editsOf(k) {
		records = append(records, editOfRule(rule))
	}
	return records
}

// story is a source that always tells the same, with misprints, splits and
// rows that are no ticks. At some rows it waits until all before has been
// computed, edits rules, and waits until the edits act.
type story struct {
	log   *kafka.Client
	rows  int64
	speed float64
	told  int64 // rows that the log has already
}

func (*story) Name() string       { return "replay" }
func (*story) ID() string         { return "story" }
func (s *story) Resume(row int64) { s.told = row }

func (s *story) Run(ctx context.Context, out feed.Sink) error {
	partitions, err := s.log.Partitions(ctx, kafka.Ticks)
	if err != nil {
		return err
	}
	random := rand.New(rand.NewPCG(7, 7))
	price := make([]float64, storySymbols)
	for i := range price {
		price[i] = 100
	}
	at := tapeStart
	second := at
	edit := 1
	var begun time.Time // on the wall, at the story's time from
	var from market.Time
	for row := int64(1); row <= s.rows; row++ {
		at += market.Time(random.IntN(4000))
		if s.speed > 0 && row > s.told {
			if begun.IsZero() {
				begun, from = time.Now(), at
			}
			if err := sleepUntil(ctx, begun.Add(time.Duration(float64(at.Sub(from))/s.speed))); err != nil {
				return err
			}
		}
		if at >= second.Add(time.Second) {
			second = at.Truncate(time.Second)
			if err := out.Clock(market.Clock{Time: second, Source: "replay"}); err != nil {
				return err
			}
		}
		i := random.IntN(storySymbols)
		if i == 5 && row/3000%2 == 0 {
			i = 6 // falls silent now and then
		}
		price[i] *= 1 + random.NormFloat64()*2e-4
		tick := market.Tick{Symbol: fmt.Sprintf("S%d", i), Time: at, Price: math.Round(price[i]*100) / 100, Size: random.Int64N(300), Source: "replay"}
		var err error
		switch random.IntN(500) {
		case 0:
			tick.Price *= 10
		case 1:
			price[i] /= 2
			tick.Price = price[i]
		case 2:
			tick.Time -= market.Time(random.IntN(5_000_000))
		case 3:
			err = out.(feed.RejectSink).Reject(row, tick.Symbol, "not a row", fmt.Appendf(nil, "row %d", row))
			tick.Symbol = ""
		}
		if err == nil && tick.Symbol != "" {
			err = out.Tick(&tick, row)
		}
		if err != nil {
			return err
		}
		if row%500 == 0 && s.speed == 0 && row > s.told {
			if err := pause(ctx); err != nil { // so that a life is long enough to be cut off
				return err
			}
		}
		if edit <= storyEdits && row == int64(edit)*s.rows/(storyEdits+1) {
			at = at.Truncate(time.Second).Add(time.Second)
			for p := range partitions { // rows of their own: each partition has this second's bar
				row++
				tick := market.Tick{Symbol: markOf(p, partitions), Time: at - 1, Price: 10, Size: 1, Source: "replay"}
				if err := out.Tick(&tick, row); err != nil {
					return err
				}
			}
			second = at
			if err := out.Clock(market.Clock{Time: second, Source: "replay"}); err != nil {
				return err
			}
			if row >= s.told { // else rows after the edit are there: it acts
				if err := s.change(ctx, edit, partitions, second.Add(-time.Second)); err != nil {
					return err
				}
			}
			begun = time.Time{}
			edit++
		}
	}
	return out.Clock(market.Clock{Time: at.Add(time.Minute), Source: "replay", End: true})
}

func sleepUntil(ctx context.Context, t time.Time) error {
	left := time.Until(t)
	if left < 5*time.Millisecond {
		return ctx.Err()
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(left):
		return nil
	}
}

// markOf is a symbol of a partition that comes only before edits.
func markOf(partition, partitions int) string {
	for i := 0; ; i++ {
		if name := fmt.Sprintf("MARK%d", i); kafka.PartitionOf([]byte(name), partitions) == int32(partition) {
			return name
		}
	}
}

// change waits until each partition's bar of the second is written, and so
// everything before is computed; makes edit number k where no life before has;
// and waits until it acts in every partition, whichever process that is in.
func (s *story) change(ctx context.Context, k, partitions int, second market.Time) error {
	next := make([]int64, partitions)
	for p := range partitions {
		if err := s.await(ctx, func() (bool, error) { return s.barred(ctx, p, &next[p], second) }); err != nil {
			return err
		}
	}
	ranges, err := s.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return err
	}
	written := map[string]bool{}
	err = s.log.Read(ctx, kafka.Rules, 0, ranges[0].Low, ranges[0].High, func(records []kafka.Record) error {
		for i := range records {
			written[string(records[i].Value)] = true
		}
		return nil
	})
	if err != nil {
		return err
	}
	producer, err := s.log.NewProducer()
	if err != nil {
		return err
	}
	for _, e := range recordsOf(k) {
		if !written[string(e.value)] {
			if err := producer.Produce(kafka.Rules, 0, []byte(e.key), e.value); err != nil {
				return err
			}
		}
	}
	if err := producer.Close(ctx); err != nil {
		return err
	}
	for p := range partitions {
		if err := s.await(ctx, func() (bool, error) { return s.acts(ctx, int32(p), recordsOf(k)) }); err != nil {
			return err
		}
	}
	return nil
}

func (s *story) await(ctx context.Context, so func() (bool, error)) error {
	for {
		if ok, err := so(); ok || err != nil {
			return err
		}
		if err := pause(ctx); err != nil {
			return err
		}
	}
}

// barred says whether the bar of a second is written; it looks on from next.
func (s *story) barred(ctx context.Context, partition int, next *int64, second market.Time) (found bool, err error) {
	ranges, err := s.log.Offsets(ctx, kafka.Bars)
	if err != nil {
		return false, err
	}
	high := ranges[partition].High
	err = s.log.Read(ctx, kafka.Bars, int32(partition), *next, high, func(records []kafka.Record) error {
		var bar market.Bar
		for i := range records {
			if bytes.HasPrefix(records[i].Key, []byte("MARK")) && market.DecodeBar(records[i].Value, &bar) == nil {
				found = found || bar.Interval == market.Second && bar.Time == second
			}
		}
		return nil
	})
	*next = high
	return found, err
}

// acts says whether edits are in force in a partition: as effects, or within
// the state that came after them.
func (s *story) acts(ctx context.Context, partition int32, edits []edit) (bool, error) {
	snap, effects, err := readSnapshot(ctx, s.log, partition)
	if err != nil {
		return false, err
	}
	for i := range edits {
		text := edits[i].value
		found := bytes.Contains(snap.state, text)
		for k := range effects {
			found = found || bytes.Equal(text, effects[k].value)
		}
		if !found {
			return false, nil
		}
	}
	return true, nil
}

// stage is where a story is told: an embedded log that dies with its process,
// or a Kafka that outlives all of them.
type stage struct {
	t     *testing.T
	life  life
	kafka bool
}

func (s *stage) start(l life) *exec.Cmd {
	s.t.Helper()
	text, err := json.Marshal(l)
	if err != nil {
		s.t.Fatal(err)
	}
	cmd := exec.CommandContext(s.t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), victimOf+"="+string(text))
	if !l.Helper {
		cmd.Stderr = os.Stderr // a helper complains when its log dies
	}
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return cmd
}

// helper is what a second process is told: where the log of the first is.
// False where that does not say so yet.
func (s *stage) helper() (life, bool) {
	l := s.life
	l.Dir, l.Helper = "", true
	if s.kafka {
		return l, true
	}
	text, err := os.ReadFile(filepath.Join(s.life.Dir, whereName))
	return l, err == nil && json.Unmarshal(text, &l.Log) == nil
}

// quiet tells the story in one life.
func (s *stage) quiet() {
	s.t.Helper()
	if err := s.start(s.life).Wait(); err != nil {
		s.t.Fatal(err)
	}
}

// torn tells it in lives of random length, each cut off by SIGKILL; in some a
// second process computes beside the first, and is killed before or with it.
func (s *stage) torn(kills int, longest time.Duration) (killed, helped int) {
	s.t.Helper()
	random := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
	for killed < kills {
		if s.life.Dir != "" {
			_ = os.Remove(filepath.Join(s.life.Dir, whereName))
		}
		main := s.start(s.life)
		ended := make(chan error, 1)
		go func() { ended <- main.Wait() }()
		kill := time.After(longest/3 + time.Duration(random.Int64N(int64(longest))))
		var help *exec.Cmd
		var join, leave <-chan time.Time
		if killed%3 == 1 {
			join = time.After(longest / 8)
		}
		over := false
		for alive := true; alive; {
			select {
			case err := <-ended:
				if err != nil {
					s.t.Fatal(err)
				}
				alive, over = false, true
			case <-join:
				l, ok := s.helper()
				if !ok {
					join = time.After(20 * time.Millisecond)
					continue
				}
				help, join = s.start(l), nil
				helped++
				if random.IntN(2) == 0 {
					leave = time.After(longest / 2)
				}
			case <-leave:
				end(help)
				help, leave = nil, nil
			case <-kill:
				_ = main.Process.Kill()
				<-ended
				killed++
				alive = false
			}
		}
		end(help)
		if over {
			return killed, helped
		}
	}
	s.quiet()
	return killed, helped
}

// stopped tells it in lives in which a second process stands still for longer
// than its partitions are kept for it, goes on as if nothing had happened, and
// soon after that the first one dies.
func (s *stage) stopped(lives int) (killed, helped int) {
	s.t.Helper()
	for range lives {
		_ = os.Remove(filepath.Join(s.life.Dir, whereName))
		main := s.start(s.life)
		ended := make(chan error, 1)
		go func() { ended <- main.Wait() }()
		step := func(d time.Duration) bool {
			select {
			case err := <-ended:
				if err != nil {
					s.t.Fatal(err)
				}
				return false
			case <-time.After(d):
				return true
			}
		}
		l, ok := s.helper()
		for !ok {
			if !step(20 * time.Millisecond) {
				return killed, helped
			}
			l, ok = s.helper()
		}
		help := s.start(l)
		helped++
		over := !step(2 * time.Second)
		if !over {
			_ = help.Process.Signal(syscall.SIGSTOP)
			over = !step(9 * time.Second)
			_ = help.Process.Signal(syscall.SIGCONT)
		}
		over = over || !step(500*time.Millisecond)
		if over {
			end(help)
			return killed, helped
		}
		_ = main.Process.Kill()
		<-ended
		killed++
		end(help)
	}
	s.quiet()
	return killed, helped
}

func end(cmd *exec.Cmd) {
	if cmd != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
}

// look is what then lies in the output topics.
func (s *stage) look() (map[string]string, int) {
	s.t.Helper()
	if s.kafka {
		log, err := openLogAt(s.life.Log)
		if err != nil {
			s.t.Fatal(err)
		}
		defer log.Close()
		return outcome(s.t, log)
	}
	log, closeLog, err := openLog(s.t.Context(), filepath.Join(s.life.Dir, "log"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer closeLog()
	return outcome(s.t, log)
}

// environment reads a number, for the long form: make exact.
func environment(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// A pipeline that is killed again and again, with a second one beside it that
// comes and goes, while rules are edited, leaves the bars, features, alerts
// and dead letters of one that was not: none missing, none twice once repeats
// are dropped by identity.
func TestExact(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	kills := environment("TAPEDECK_TEST_CRASH", 3)
	rows := int64(environment("TAPEDECK_TEST_ROWS", 40_000))
	t.Run("as fast as can be", func(t *testing.T) {
		t.Parallel()
		torn := &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows}}
		compare(t, &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows}}, torn, func() (int, int) { return torn.torn(kills, 1200*time.Millisecond) })
	})
	t.Run("at its own pace", func(t *testing.T) {
		t.Parallel()
		speed, rows := 20.0, rows
		if os.Getenv("TAPEDECK_TEST_ROWS") != "" {
			speed = 1
		}
		torn := &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows, Speed: speed}}
		compare(t, &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows}}, torn, func() (int, int) { return torn.torn(kills, 5*time.Second) })
	})
	t.Run("beside one that stood still", func(t *testing.T) {
		if os.Getenv("TAPEDECK_TEST_ROWS") == "" {
			t.Skip("takes a minute: make exact")
		}
		t.Parallel()
		torn := &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows, Speed: 6}}
		compare(t, &stage{t: t, life: life{Dir: t.TempDir(), Rows: rows}}, torn, func() (int, int) { return torn.stopped(environment("TAPEDECK_TEST_STOPS", 5)) })
	})
	t.Run("on Kafka", func(t *testing.T) {
		if os.Getenv("TAPEDECK_TEST_KAFKA") != "1" {
			t.Skip("a real Kafka is tested when TAPEDECK_TEST_KAFKA=1 is set")
		}
		address := kafkatest.Start(t)
		on := func(prefix string) *stage {
			return &stage{t: t, kafka: true, life: life{Log: logAt{Address: address, Prefix: prefix}, Rows: rows}}
		}
		torn := on("torn.")
		compare(t, on("quiet."), torn, func() (int, int) { return torn.torn(kills, 3*time.Second) })
	})
}

// compare tells a story quietly and torn, and compares what came of it.
func compare(t *testing.T, quiet, torn *stage, tell func() (killed, helped int)) {
	t.Helper()
	start := time.Now()
	quiet.quiet()
	took := time.Since(start)
	killed, helped := tell()
	want, repeats := quiet.look()
	if repeats > 0 {
		t.Errorf("a quiet run wrote %d outputs twice", repeats)
	}
	got, repeats := torn.look()
	kinds, rules := map[string]int{}, map[string]int{}
	for key, value := range want {
		kind, _, _ := strings.Cut(key, " ")
		kinds[kind]++
		var a market.Alert
		if kind == kafka.Alerts && market.DecodeAlert([]byte(value), &a) == nil {
			rules[fmt.Sprint(a.Rule, " ", a.Revision)]++
		}
	}
	t.Logf("%d kills, a second process %d times, quiet in %.1f s and torn in %.1f s: %v, %d repeats in the topics; alerts by rule and revision %v",
		killed, helped, took.Seconds(), (time.Since(start) - took).Seconds(), kinds, repeats, rules)
	for _, topic := range outputs {
		if kinds[topic] < 20 {
			t.Errorf("only %d %s: the story is too tame", kinds[topic], topic)
		}
	}
	wrong := 0
	complain := func(format string, args ...any) {
		if wrong++; wrong < 10 {
			t.Errorf(format, args...)
		}
	}
	for key, value := range want {
		if got[key] != value {
			complain("%s is %q, in a quiet run %q", key, got[key], value)
		}
	}
	for key, value := range got {
		if _, ok := want[key]; !ok {
			complain("%s is not in a quiet run: %s", key, value)
		}
	}
	if wrong > 0 {
		t.Errorf("%d outputs differ", wrong)
	}
}
