package pipeline

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"sync"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/pipeline/notify"
)

// ruleBook follows the rules topic. It keeps every edit in the order of the
// log, so that each compute partition can take the ones that it has not had.
type ruleBook struct {
	log  *kafka.Client
	slog *slog.Logger

	mu    sync.Mutex
	edits []market.Rule
	next  int64 // offset after the last record
	any   bool  // a rule has ever been written
}

// openRuleBook reads the rules that stand. Where there are none yet, the
// defaults are written first; once only, since they then stand in the log.
func openRuleBook(ctx context.Context, log *kafka.Client, producer *kafka.Producer, defaults []market.Rule, logger *slog.Logger) (*ruleBook, error) {
	b := &ruleBook{log: log, slog: logger}
	if err := b.read(ctx); err != nil {
		return nil, err
	}
	if b.any || len(defaults) == 0 {
		return b, nil
	}
	for i := range defaults {
		if err := producer.ProduceContext(ctx, kafka.Rules, 0, []byte(defaults[i].Name), market.EncodeRule(&defaults[i])); err != nil {
			return nil, fmt.Errorf("write the default rules: %w", err)
		}
	}
	if err := producer.Flush(ctx); err != nil {
		return nil, fmt.Errorf("write the default rules: %w", err)
	}
	return b, b.read(ctx)
}

func (b *ruleBook) read(ctx context.Context) error {
	ranges, err := b.log.Offsets(ctx, kafka.Rules)
	if err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	r := ranges[0]
	if err := b.log.Read(ctx, kafka.Rules, 0, max(r.Low, b.next), r.High, b.take); err != nil {
		return fmt.Errorf("read the rules: %w", err)
	}
	return nil
}

func (b *ruleBook) take(records []kafka.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := range records {
		b.next = records[i].Offset + 1
		if bytes.HasPrefix(records[i].Key, []byte(notify.SilencePrefix)) {
			continue
		}
		b.any = true
		var rule market.Rule
		if len(records[i].Value) == 0 { // a tombstone
			rule = market.Rule{Name: string(records[i].Key), Deleted: true}
		} else if err := market.DecodeRule(records[i].Value, &rule); err != nil {
			b.slog.Error("a rule cannot be read and is passed over", "offset", records[i].Offset, "error", err)
			continue
		}
		b.edits = append(b.edits, rule)
	}
	return nil
}

// follow takes edits as they come, until ctx is done.
func (b *ruleBook) follow(ctx context.Context) error {
	return b.log.Follow(ctx, []string{kafka.Rules}, func(_ string, _ int32, r kafka.Range) int64 {
		b.mu.Lock()
		defer b.mu.Unlock()
		return max(r.Low, b.next)
	}, func(_ string, records []kafka.Record) error { return b.take(records) })
}

// since returns the edits after the first n, and how many there are now.
func (b *ruleBook) since(n int) ([]market.Rule, int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.edits[n:len(b.edits):len(b.edits)], len(b.edits)
}
