package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// takeEdits lets rule edits act: each is written to the state topic with the
// offset at which it acts, before it does, so that every replay does the same.
// An edit never acts among records that were there before this worker: what
// they gave may be written already, and must not be contradicted.
func (c *computing) takeEdits(ctx context.Context) error {
	if len(c.effects) > 0 || !c.fresh && c.next < c.repeated {
		return nil // the past is repeated first
	}
	edits, n := c.rules.since(c.edits)
	if len(edits) == 0 {
		return nil
	}
	newest := make(map[string]int, len(edits))
	for i := range edits {
		newest[edits[i].Name] = i
	}
	for i, rule := range edits {
		// What a rule was before must not act again at each start.
		if newest[rule.Name] != i || c.ruleTexts[rule.Name] == string(market.EncodeRule(&rule)) {
			continue
		}
		if err := writeEffect(ctx, c.producer, c.partition, effect{c.next, rule}); err != nil {
			return fmt.Errorf("note that rule %s changes: %w", rule.Name, err)
		}
		c.setRule(rule)
	}
	c.edits = n
	return nil
}

// applyEffects repeats the edits that acted before the record at next.
func (c *computing) applyEffects() {
	for len(c.effects) > 0 && c.effects[0].offset <= c.next {
		c.setRule(c.effects[0].rule)
		c.effects = c.effects[1:]
	}
}

// setRule puts a rule in force. A rule that cannot be compiled here (a newer
// version's word, say) is switched off and said, and stops nothing else.
func (c *computing) setRule(rule market.Rule) {
	c.ruleTexts[rule.Name] = string(market.EncodeRule(&rule))
	if err := c.rulesOn.SetRule(rule); err != nil {
		c.status.trouble(fmt.Sprintf("rule %s is not in force: %v", rule.Name, err))
		c.slog.Error("rule is not in force", "rule", rule.Name, "error", err)
	}
}

// write hands an output on, unless it lies in its topic already.
func (c *computing) write(id identity, key string, count *atomic.Int64) {
	if len(c.written) > 0 {
		if _, ok := c.written[id]; ok {
			return
		}
	}
	err := c.producer.ProduceContext(c.ctx, id.topic, c.partition, []byte(key), c.buf)
	switch {
	case err == nil:
		count.Add(1)
		c.status.out.Add(1)
	case errors.Is(err, kafka.ErrTooLarge): // it would be so for ever
		c.status.trouble(err.Error())
		c.slog.Error("an output is left out", "key", key, "error", err)
	case c.failure == nil:
		c.failure = fmt.Errorf("write %s: %w", id.topic, err)
	}
}

// maybeSnapshot writes a snapshot when it is time. While edits wait to be
// repeated there is none: it would make the log forget them.
func (c *computing) maybeSnapshot(ctx context.Context) error {
	if len(c.effects) > 0 {
		return nil
	}
	if c.since >= snapshotRecords || c.since > 0 && time.Since(c.snapped) >= c.SnapshotEvery {
		return c.snapshot(ctx)
	}
	return nil
}

// snapshot waits until all outputs lie in their topics and writes the state
// after the last record.
func (c *computing) snapshot(ctx context.Context) error {
	if c.since == 0 {
		return c.producer.Flush(ctx)
	}
	if err := c.producer.Flush(ctx); err != nil {
		return fmt.Errorf("flush outputs: %w", err)
	}
	s := snapshot{slot: c.slot ^ 1, next: c.next, written: map[string]int64{}, state: c.appendState(c.stateBuf[:0])}
	c.stateBuf = s.state
	for _, topic := range outputs {
		ranges, err := c.log.Offsets(ctx, topic)
		if err != nil {
			return err
		}
		s.written[topic] = ranges[c.partition].High
	}
	ranges, err := c.log.Offsets(ctx, kafka.State)
	if err != nil {
		return err
	}
	if err := writeSnapshot(ctx, c.producer, c.partition, s); err != nil {
		return fmt.Errorf("write the snapshot: %w", err)
	}
	c.slot, c.since, c.snapped = s.slot, 0, time.Now()
	// What came before is part of this snapshot. A cluster that compacts the
	// topic instead may refuse, and needs no help.
	if err := c.log.Trim(ctx, kafka.State, map[int32]int64{c.partition: ranges[c.partition].High}); err != nil {
		c.slog.Debug("old state is not trimmed", "partition", c.partition, "error", err)
	}
	return nil
}

// stateVersion is the first byte of a state.
const stateVersion = 2

// The state: whether history comes in, rules in force, held ticks, then cleaner, builder, engine and features.

func (c *computing) appendState(dst []byte) []byte {
	history := byte(0)
	if c.history {
		history = 1
	}
	dst = append(dst, stateVersion, history)
	dst = binary.AppendUvarint(dst, uint64(len(c.ruleTexts)))
	for _, name := range sortedKeys(c.ruleTexts) {
		dst = appendText(dst, name)
		dst = appendText(dst, c.ruleTexts[name])
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.held)))
	offsets := make([]int64, 0, len(c.held))
	for offset := range c.held {
		offsets = append(offsets, offset)
	}
	sort.Slice(offsets, func(i, j int) bool { return offsets[i] < offsets[j] })
	for _, offset := range offsets {
		dst = binary.AppendUvarint(dst, uint64(offset))
		dst = appendText(dst, string(c.held[offset]))
	}
	dst = c.cleaner.AppendState(dst)
	dst = c.builder.AppendState(dst)
	dst = c.rulesOn.AppendState(dst)
	return c.indicators.appendState(dst)
}

func (c *computing) loadState(src []byte) (err error) {
	fail := errors.New("the state is damaged")
	if len(src) < 2 || src[0] != stateVersion {
		return errors.New("the state is of another version: start it once with the version that wrote it, and stop it in order; or use another --data DIR")
	}
	c.history = src[1] == 1
	n, src, ok := cutUvarint(src[2:])
	if !ok {
		return fail
	}
	for range n {
		var name, text string
		if name, src, ok = cutText(src); !ok {
			return fail
		}
		if text, src, ok = cutText(src); !ok {
			return fail
		}
		c.ruleTexts[name] = text
	}
	if n, src, ok = cutUvarint(src); !ok {
		return fail
	}
	for range n {
		var offset uint64
		var text string
		if offset, src, ok = cutUvarint(src); !ok {
			return fail
		}
		if text, src, ok = cutText(src); !ok {
			return fail
		}
		c.held[int64(offset)] = []byte(text)
	}
	if src, err = c.cleaner.LoadState(src); err != nil {
		return err
	}
	if src, err = c.builder.LoadState(src); err != nil {
		return err
	}
	if src, err = c.rulesOn.LoadState(src); err != nil {
		return err
	}
	c.rulesOn.Quiet(c.history)
	if src, err = c.indicators.loadState(src); err != nil {
		return err
	}
	if len(src) != 0 {
		return fail
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func appendText(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

func cutUvarint(src []byte) (uint64, []byte, bool) {
	v, n := binary.Uvarint(src)
	if n <= 0 {
		return 0, nil, false
	}
	return v, src[n:], true
}

func cutText(src []byte) (string, []byte, bool) {
	n, src, ok := cutUvarint(src)
	if !ok || n > uint64(len(src)) {
		return "", nil, false
	}
	return string(src[:n]), src[n:], true
}
