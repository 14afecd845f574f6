package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/tui"
)

// screen is one open workstation: a board that follows the log, and SQL for
// what lies behind it. The first frame waits for none of it.
type screen struct {
	config Config
	place  *place
	args   []string // for starting a pipeline
	slog   *slog.Logger
	board  *live.Board
	notes  *noteBook
	cores  cores

	mu   sync.Mutex
	view *view         // nil until the pipeline has been reached
	log  *kafka.Client // nil while no pipeline is followed
	text string
	up   atomic.Bool
	soon atomic.Bool // the first pipeline of this screen is being reached
	done bool        // the analyst stopped the pipeline: it is not started again
}

// runScreen opens the workstation and stays until the analyst leaves. Nothing
// that ends it, however it comes, ends the pipeline.
func runScreen(ctx context.Context, o *options) error {
	c, err := o.config()
	if err != nil {
		return err
	}
	if !isTerminal(os.Stdout) || !isTerminal(os.Stdin) {
		return usageError{errors.New("the workstation needs a terminal; tapedeck run is the pipeline without a screen, see tapedeck --help")}
	}
	p, err := c.place(true)
	if err != nil {
		return err
	}
	if c.Feed == "replay" && len(c.Replay.Input) == 0 && !c.recorded() {
		if run, starting, err := p.running(); err != nil || run == nil && !starting {
			return errors.Join(err, errNoInput)
		}
	}
	logger, closeLog, err := openLogFile(p, c.Log.Level)
	if err != nil {
		return err
	}
	defer closeLog()
	giveBack, err := divertStderr(p)
	if err != nil {
		return err
	}
	defer giveBack()
	present, err := p.enter()
	if err != nil {
		return fmt.Errorf("note this screen: %w", err)
	}
	defer present.Close()

	calendar := calendarOf(c.Feed)
	s := &screen{config: c, place: p, args: o.pipelineArgs(), slog: logger, notes: newNoteBook(whoami()), board: live.New(live.Config{
		Calendar: calendar,
		Eligible: func(t *market.Tick) bool { return !clean.Excluded(t.Condition) },
	})}
	s.cores.keepToOne()
	background, cancel := context.WithCancel(ctx)
	var working sync.WaitGroup
	working.Go(func() { s.attend(background) })
	working.Go(func() { trimMemory(background, time.Minute) })
	sql := newScreenSQL(c, s.store)
	defer sql.engines.close()
	rules := newScreenRules(s)
	defer rules.Close()
	if currentRole().editsRules() {
		working.Go(func() { rules.keepShared(background) })
	}
	shown := tui.Data{
		Board: s.board, History: s, Predictions: s, Models: screenModels{p, s.args, s.store}, Alerts: screenAlerts{noteBook: s.notes, db: s.store}, Rules: rules, DeadLetters: s, Pipeline: s, Calendar: calendar,
		SQL: sql, Queries: s.notes,
		Company: func(symbol string) (name, sector string) {
			company, _ := market.Lookup(symbol)
			return company.Name, company.Sector
		},
	}
	currentRole().limit(&shown)
	err = tui.Run(ctx, s.look(), shown)
	cancel()
	working.Wait()
	return err
}

// look is how the screen is drawn.
func (s *screen) look() tui.Config {
	c := s.config.Screen
	quit := s.config.Quit
	if s.place.guest && !(currentRole() == admin) {
		quit = "keep" // it is not his to stop
	}
	return tui.Config{
		ColorMode:   map[string]tui.ColorMode{"auto": tui.Auto, "none": tui.NoColor, "16": tui.Color16, "256": tui.Color256, "true": tui.TrueColor}[c.Colour],
		Background:  map[string]tui.Background{"auto": tui.AskTerminal, "dark": tui.Dark, "light": tui.Light}[c.Background],
		ColourBlind: c.ColourBlind, RedUp: c.RedUp, ASCII: c.ASCII, Mouse: c.Mouse,
		Bell: c.Bell, Desktop: c.Desktop,
		Zone:      map[string]tui.Zone{"exchange": tui.ExchangeZone, "utc": tui.UTCZone, "local": tui.LocalZone}[c.Zone],
		OnQuit:    map[string]tui.QuitChoice{"ask": tui.AskOnQuit, "stop": tui.StopOnQuit, "keep": tui.KeepOnQuit}[quit],
		StatePath: s.place.mine("screen.json"), LogPath: s.place.mine("tapedeck.log"), Version: version, Log: s.slog,
	}
}

// attend keeps the screen attached: it starts a pipeline where none runs,
// follows it, and does so again after one has died.
func (s *screen) attend(ctx context.Context) {
	for again := false; ctx.Err() == nil; again = true {
		if s.stopped() {
			s.say("the pipeline is stopped")
			return
		}
		if again {
			s.say("the pipeline ended and is being started again")
		}
		s.soon.Store(!again)
		starting, cancel := context.WithTimeout(ctx, time.Minute)
		run, err := s.place.ensure(starting, s.args)
		cancel()
		if err == nil {
			err = s.follow(ctx, run)
		}
		s.soon.Store(false)
		s.up.Store(false)
		if err != nil && ctx.Err() == nil {
			s.slog.Error("screen", "error", err)
			s.say(err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
			}
		}
	}
}

// follow reads one pipeline's log until it ends.
func (s *screen) follow(ctx context.Context, run *runFile) error {
	client, err := attach(s.config, run, s.slog)
	if err != nil {
		return err
	}
	v := &view{log: client}
	s.mu.Lock()
	s.log = client
	s.mu.Unlock()
	defer func() {
		s.mu.Lock()
		s.view, s.log = nil, nil
		s.mu.Unlock()
		v.close()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var working sync.WaitGroup
	working.Go(func() {
		s.watch(ctx)
		cancel()
	})
	working.Go(func() {
		if err := s.openHistory(ctx, v); err != nil && ctx.Err() == nil {
			s.slog.Error("history is not there", "error", err)
			s.board.Notice(live.Notice{Time: market.At(time.Now()), Level: live.Trouble, Stage: "screen", Text: "history is not there: " + err.Error()})
		}
	})
	working.Go(func() {
		if err := s.notes.follow(ctx, client); err != nil && ctx.Err() == nil {
			s.slog.Error("what is noted about alerts is not followed", "error", err)
		}
	})
	s.say("")
	s.up.Store(true)
	s.soon.Store(false)
	f := &follower{log: client, board: s.board, slog: s.slog}
	err = f.run(ctx)
	cancel()
	working.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// watch returns when the pipeline of this directory has ended.
func (s *screen) watch(ctx context.Context) {
	for ctx.Err() == nil {
		if run, starting, err := s.place.running(); err == nil && run == nil && !starting {
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(500 * time.Millisecond):
		}
	}
}

// openHistory opens lake and SQL beside the live board, and gives the board
// the past that its spark lines and changes need.
func (s *screen) openHistory(ctx context.Context, v *view) error {
	l, err := openLake(ctx, s.config, s.place, true, s.slog)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, s.config, s.place, l, v.log, s.slog)
	if err != nil {
		l.Close()
		return err
	}
	s.mu.Lock()
	v.lake, v.db = l, db
	v.note = s.place.noteUsage("screen", l, s.slog)
	s.view = v
	s.mu.Unlock()
	// A replay's time is its own: there, all that lies in the lake is its past.
	before, days, hours := market.At(time.Now()).Add(time.Minute), market.Time(0), market.Time(0)
	if s.config.Feed != "replay" {
		days, hours = before.Add(-14*24*time.Hour), before.Add(-24*time.Hour)
	}
	for _, past := range []struct {
		interval market.Interval
		n        int
		from     market.Time
	}{{market.Day, 2, days}, {market.Minute, 240, hours}} {
		bars, err := db.RecentBars(ctx, past.interval, past.n, past.from, before)
		if err != nil {
			return err
		}
		s.board.SeedBars(bars)
	}
	return nil
}

func (s *screen) say(text string) {
	s.mu.Lock()
	s.text = text
	s.mu.Unlock()
}

func (s *screen) stopped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.done
}

// errNoHistory is what is said before the lake has been opened.
var errNoHistory = errors.New("history is still being opened")

func (s *screen) db() (*store.DB, *kafka.Client, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view == nil || s.view.db == nil {
		return nil, nil, errNoHistory
	}
	return s.view.db, s.view.log, nil
}

func (s *screen) store() (*store.DB, error) {
	db, _, err := s.db()
	return db, err
}

// Bars answers the screen's charts.
func (s *screen) Bars(ctx context.Context, symbol string, interval market.Interval, from, to market.Time, limit int) ([]market.Bar, error) {
	db, _, err := s.db()
	if err != nil {
		return nil, err
	}
	return db.Bars(ctx, symbol, interval, from, to, limit)
}

// Predictions answers what was predicted of a symbol.
func (s *screen) Predictions(ctx context.Context, symbol string, from, to market.Time) ([]market.Prediction, error) {
	db, _, err := s.db()
	if err != nil {
		return nil, err
	}
	return db.Predictions(ctx, symbol, from, to, 100_000)
}

// DeadLetters are the newest messages that could not be used.
func (s *screen) DeadLetters(ctx context.Context, limit int) ([]market.DeadLetter, error) {
	_, log, err := s.db()
	if err != nil {
		return nil, err
	}
	partitions, err := log.Partitions(ctx, kafka.DeadLetters)
	if err != nil {
		return nil, err
	}
	var letters []market.DeadLetter
	for partition := range int32(partitions) {
		records, err := log.ReadLast(ctx, kafka.DeadLetters, partition, limit)
		if err != nil {
			return nil, err
		}
		for i := range records {
			var d market.DeadLetter
			if market.DecodeDeadLetter(records[i].Value, &d) == nil {
				letters = append(letters, d)
			}
		}
	}
	newestFirst(letters)
	return letters[:min(limit, len(letters))], nil
}

// State says whether the pipeline lives.
func (s *screen) State(context.Context) tui.PipelineState {
	s.mu.Lock()
	text := s.text
	if s.log != nil && text == "" {
		text = s.log.Trouble() // which a stage may have no way to say
	}
	if s.view != nil && s.view.lake != nil && text == "" {
		if since, _ := s.view.lake.Away(); !since.IsZero() {
			text = "the lake cannot be reached since " + since.UTC().Format("15:04:05") + " UTC: history is what is cached here"
		}
	}
	if s.view != nil && s.view.log != nil && text == "" {
		text = s.view.log.Trouble() // what the pipeline says of it may not come through
	}
	s.mu.Unlock()
	return tui.PipelineState{Running: s.up.Load(), Starting: s.soon.Load(), Screens: s.place.screens(), Text: text, Cost: s.place.costText(market.At(time.Now()))}
}

// Stop ends the pipeline in order, because the analyst said so.
func (s *screen) Stop(ctx context.Context) error {
	s.mu.Lock()
	s.done = true
	s.mu.Unlock()
	return s.place.stop(ctx)
}

// divertStderr sends what runtimes and C libraries write past the log to a
// file, so that it never tears the screen; the returned function undoes it.
func divertStderr(p *place) (func(), error) {
	file, err := os.OpenFile(p.mine("tapedeck.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log file: %w", err)
	}
	defer file.Close()
	kept, err := unix.Dup(2)
	if err != nil {
		return nil, fmt.Errorf("keep the error output: %w", err)
	}
	if err := unix.Dup2(int(file.Fd()), 2); err != nil {
		unix.Close(kept)
		return nil, fmt.Errorf("divert the error output: %w", err)
	}
	return func() {
		_ = unix.Dup2(kept, 2) // the process is about to end anyway
		unix.Close(kept)
	}, nil
}
