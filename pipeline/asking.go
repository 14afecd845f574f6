package pipeline

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// asking asks the saved queries that rules watch, and writes who is in them to
// the rules topic when that changes; from there it acts as any edit does, at an
// offset that is written down first. Whoever holds the one partition of the
// feeds topic in its group asks, so that one process does.
type asking struct {
	*runner
	status func() *stageStatus // made when there is a query

	said    bool                     // something in the status
	next    int64                    // offset of the rules topic
	queries map[string]*askedQuery   // by name
	members map[string]*market.Group // what each gave, as it stands on the topic

	cancel context.CancelFunc
	done   chan struct{}
}

// askedQuery is a saved query as it was edited last.
type askedQuery struct {
	market.Group
	asked   time.Time // zero: not since it was edited
	problem string    // of the last asking
}

// askLook is how often it is looked for new queries and for those that are due.
const askLook = time.Second

// askQueries takes part in asking until ctx is done.
func (r *runner) askQueries(ctx context.Context) {
	status := sync.OnceValue(func() *stageStatus { return r.newStatus("groups") })
	config := r.group("groups", kafka.Feeds, nil)
	config.OnAssign = nil // its status begins with the first query that is asked
	config.OnError = func(_ int32, err error) { r.slog.Error("saved queries are not asked", "error", err) }
	for {
		err := r.log.RunGroup(ctx, config, func(int32) kafka.Worker { return &asking{runner: r, status: status} })
		if ctx.Err() != nil {
			return
		}
		r.slog.Error("saved queries are not asked", "error", err)
		select {
		case <-ctx.Done():
			return
		case <-time.After(askLook):
		}
	}
}

func (a *asking) Start(context.Context) (int64, error) {
	ctx, cancel := context.WithCancel(context.Background())
	a.cancel, a.done = cancel, make(chan struct{})
	a.queries, a.members = map[string]*askedQuery{}, map[string]*market.Group{}
	go func() {
		defer close(a.done)
		a.run(ctx)
	}()
	return kafka.End, nil
}

func (a *asking) Process(context.Context, []kafka.Record) error { return nil }

func (a *asking) Idle(context.Context, int64) error { return nil }

func (a *asking) Stop(ctx context.Context) error {
	a.cancel()
	select {
	case <-a.done:
		if a.said {
			a.status().describe("another process asks the saved queries")
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop asking saved queries: %w", ctx.Err())
	}
}

// run looks and asks until ctx is done. What fails is said, and tried again.
func (a *asking) run(ctx context.Context) {
	ticker := time.NewTicker(askLook)
	defer ticker.Stop()
	for {
		if err := a.look(ctx); err != nil && ctx.Err() == nil {
			a.slog.Error("saved queries are not asked", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look reads what has been edited and asks what is due.
func (a *asking) look(ctx context.Context) error {
	ranges, err := a.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return fmt.Errorf("read the saved queries: %w", err)
	}
	if err := a.log.Read(ctx, kafka.Rules, 0, max(ranges[0].Low, a.next), ranges[0].High, a.take); err != nil {
		return fmt.Errorf("read the saved queries: %w", err)
	}
	every := a.AskEvery
	if every <= 0 {
		every = time.Minute
	}
	for _, name := range slices.Sorted(maps.Keys(a.queries)) {
		if q := a.queries[name]; q.asked.IsZero() || time.Since(q.asked) >= every {
			if err := a.ask(ctx, q); err != nil {
				return err
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(a.members)) { // of queries that are gone
		if m := a.members[name]; a.queries[name] == nil && !m.Deleted {
			if err := a.write(ctx, &market.Group{Name: name, Deleted: true}); err != nil {
				return err
			}
		}
	}
	a.say()
	return nil
}

func (a *asking) take(records []kafka.Record) error {
	for i := range records {
		r := &records[i]
		a.next = r.Offset + 1
		key := string(r.Key)
		name, query := strings.CutPrefix(key, market.QueryPrefix)
		if query {
			name = market.QueryGroup + name
		} else if name, query = strings.CutPrefix(key, market.GroupPrefix); !query || !strings.HasPrefix(name, market.QueryGroup) {
			continue
		}
		var g market.Group
		switch {
		case len(r.Value) == 0:
			g = market.Group{Name: name, Deleted: true}
		case market.DecodeGroup(r.Value, &g) != nil || g.Name != name:
			a.slog.Error("a saved query cannot be read and is passed over", "key", key, "offset", r.Offset)
			continue
		}
		switch {
		case strings.HasPrefix(key, market.GroupPrefix):
			a.members[name] = &g
		case g.Deleted || g.SQL == "":
			delete(a.queries, name)
		default:
			a.queries[name] = &askedQuery{Group: g}
		}
	}
	return nil
}

// ask asks a query, and writes who is in it if that is not what stands. A
// query that fails leaves the symbols that it gave before.
func (a *asking) ask(ctx context.Context, q *askedQuery) error {
	q.asked, q.problem = time.Now(), ""
	symbols, err := a.Symbols(ctx, q.SQL)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	gave := market.Group{Name: q.Name, Edited: market.At(q.asked), EditedBy: a.Instance}
	if err == nil {
		err = gave.SetSymbols(symbols)
	}
	if err != nil {
		q.problem = err.Error()
		a.slog.Warn("a saved query failed; who was in it before stays", "query", q.Name, "error", err)
		return nil
	}
	if before := a.members[q.Name]; before != nil && !before.Deleted && slices.Equal(before.Symbols, gave.Symbols) {
		return nil
	}
	return a.write(ctx, &gave)
}

func (a *asking) write(ctx context.Context, g *market.Group) error {
	err := a.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(g.Key()), market.EncodeGroup(g))
	if err == nil {
		err = a.producer.Flush(ctx)
	}
	if err != nil {
		return fmt.Errorf("write who is in %s: %w", g.Name, err)
	}
	a.members[g.Name] = g
	return nil
}

// say notes in the status how the queries do, once there is one.
func (a *asking) say() {
	if len(a.queries) == 0 && !a.said {
		return
	}
	a.said = true
	text := "no saved query is watched"
	var newest time.Time
	for _, name := range slices.Sorted(maps.Keys(a.queries)) {
		q := a.queries[name]
		if q.problem != "" {
			a.status().trouble(fmt.Sprintf("%s fails, and who was in it before stays: %s", name, q.problem))
			return
		}
		if q.asked.After(newest) {
			newest = q.asked
		}
		text = "saved queries watched: " + strconv.Itoa(len(a.queries)) + ", asked last at " + newest.UTC().Format("15:04:05") + " UTC"
	}
	a.status().describe(text)
}
