package pipeline

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
)

// takeEdits lets edits of rules and groups, and predictions, act: each is written to the state
// topic with the offset at which it acts, before it does, so that every replay
// does the same.
// An edit never acts among records that were there before this worker: what
// they gave may be written already, and must not be contradicted.
func (c *computing) takeEdits(ctx context.Context) error {
	if len(c.effects) > 0 || !c.fresh && c.next < c.repeated {
		return nil // the past is repeated first
	}
	edits, n := c.rules.since(c.edits)
	newest := make(map[string]int, len(edits))
	for i := range edits {
		newest[edits[i].key] = i
	}
	for i, e := range edits {
		// What was before must not act again at each start.
		if newest[e.key] != i || c.inForce[e.key] == string(e.value) {
			continue
		}
		if err := c.effect(ctx, e); err != nil {
			return fmt.Errorf("note that %s changes: %w", e.key, err)
		}
	}
	c.edits = n
	end := c.predicted.end(c.partition)
	if end < 0 {
		return nil
	}
	if c.forecasts < 0 || end < c.forecasts {
		c.forecasts = end
	}
	if end > c.forecasts {
		return c.effect(ctx, edit{predictionsKey, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(c.forecasts)), uint64(end))})
	}
	return nil
}

// effect notes an edit and lets it act.
func (c *computing) effect(ctx context.Context, e edit) error {
	if err := c.checkOwner(ctx); err != nil {
		return err
	}
	if err := writeEffect(ctx, c.producer, c.partition, effect{c.next, e}); err != nil {
		return err
	}
	if err := c.noteEnd(ctx); err != nil {
		return err
	}
	return c.act(ctx, e)
}

// errTaken says that another process computes the partition now: this one
// stood still for longer than its partitions are kept for it.
var errTaken = errors.New("another process has taken this partition over")

// own makes this worker the only one that writes the partition's state.
func (c *computing) own(ctx context.Context) error {
	if err := c.producer.ProduceContext(ctx, kafka.State, c.partition, []byte{keyOwner}, []byte(c.Instance)); err != nil {
		return fmt.Errorf("take the partition over: %w", err)
	}
	if err := c.producer.Flush(ctx); err != nil {
		return fmt.Errorf("take the partition over: %w", err)
	}
	c.called = time.Now()
	return c.noteEnd(ctx)
}

// noteEnd notes where the partition's state ends after what was just written.
func (c *computing) noteEnd(ctx context.Context) error {
	ranges, err := c.log.Offsets(ctx, kafka.State)
	if err != nil {
		return err
	}
	c.stateEnd = ranges[c.partition].High
	return nil
}

// checkOwner is an error where somebody else has written the partition's
// state: what this worker knows is old, and must not be written over it.
func (c *computing) checkOwner(ctx context.Context) error {
	ranges, err := c.log.Offsets(ctx, kafka.State)
	if err != nil {
		return err
	}
	if ranges[c.partition].High != c.stateEnd {
		return errTaken
	}
	return nil
}

// standstill is after how long without a call a worker makes sure that it is
// still the owner; it is well below the time for which partitions are kept.
const standstill = 3 * time.Second

// awake makes sure of the owner after a standstill.
func (c *computing) awake(ctx context.Context) error {
	now := time.Now()
	stood := now.Sub(c.called)
	c.called = now
	if now.Sub(c.said) >= time.Second {
		c.said = now
		c.told.take(c.partition, c.rulesOn)
	}
	if stood < standstill {
		return nil
	}
	return c.checkOwner(ctx)
}

// predictionsKey is the key of an effect whose value is the range of offsets
// of the predictions topic's partition that acts.
const predictionsKey = "predictions/"

// act puts an edit in force. A rule that cannot be compiled here (a newer
// version's word, say) is switched off and said, and stops nothing else.
func (c *computing) act(ctx context.Context, e edit) error {
	switch e.key {
	case predictionsKey:
		return c.usePredictions(ctx, e.value)
	case endpointKey:
		c.inForce[e.key] = string(e.value)
		c.setEndpoint(e.value)
		return nil
	}
	if strings.HasPrefix(e.key, market.GroupPrefix) {
		c.inForce[e.key] = string(e.value)
		c.setGroup(e.value)
		return nil
	}
	c.inForce[e.key] = string(e.value)
	var rule market.Rule
	err := market.DecodeRule(e.value, &rule)
	if err == nil {
		err = c.rulesOn.SetRule(rule)
	}
	if err != nil {
		c.status.trouble(fmt.Sprintf("rule %s is not in force: %v", e.key, err))
		c.slog.Error("rule is not in force", "rule", e.key, "error", err)
	}
	return nil
}

func (c *computing) setGroup(value []byte) {
	var g market.Group
	if err := market.DecodeGroup(value, &g); err != nil {
		c.slog.Error("a group cannot be read and is passed over", "error", err)
		return
	}
	if g.Deleted {
		g.Symbols = nil
	}
	c.rulesOn.SetGroup(g.Name, g.Symbols)
}

func (c *computing) setEndpoint(value []byte) {
	var state market.Endpoint
	if err := market.DecodeEndpoint(value, &state); err != nil {
		c.slog.Error("the endpoint's state cannot be read and is passed over", "error", err)
		return
	}
	c.rulesOn.SetEndpoint(state.Up, state.Since)
}

// usePredictions tells the rules the live predictions of a range of offsets;
// those that the log no longer has are gone.
func (c *computing) usePredictions(ctx context.Context, value []byte) error {
	from, rest, ok := cutUvarint(value)
	to, _, ok2 := cutUvarint(rest)
	if !ok || !ok2 {
		return errors.New("an effect of predictions is damaged")
	}
	var p market.Prediction
	err := c.log.Read(ctx, kafka.Predictions, c.partition, int64(from), int64(to), func(records []kafka.Record) error {
		for i := range records {
			if market.DecodePrediction(records[i].Value, &p) == nil && !p.BackFilled {
				c.rulesOn.SetPrediction(&p)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the predictions that rules use: %w", err)
	}
	c.forecasts = int64(to)
	return nil
}

// applyEffects repeats the edits that acted before the record at next.
func (c *computing) applyEffects(ctx context.Context) {
	for len(c.effects) > 0 && c.effects[0].offset <= c.next {
		if err := c.act(ctx, c.effects[0].edit); err != nil && c.failure == nil {
			c.failure = err
		}
		c.effects = c.effects[1:]
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
	if err := c.checkOwner(ctx); err != nil {
		return err
	}
	buffer, _ := c.states.Get().(*[]byte)
	if buffer == nil {
		buffer = new([]byte)
	}
	defer c.states.Put(buffer)
	s := snapshot{slot: c.slot ^ 1, next: c.next, written: map[string]int64{}, state: c.appendState((*buffer)[:0])}
	*buffer = s.state
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
	if err := c.noteEnd(ctx); err != nil {
		return err
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
const stateVersion = 3

// The state: whether history comes in, the next prediction, edits in force, held ticks, then cleaner, builder, engine and features.

func (c *computing) appendState(dst []byte) []byte {
	history := byte(0)
	if c.history {
		history = 1
	}
	dst = append(dst, stateVersion, history)
	dst = binary.AppendUvarint(dst, uint64(c.forecasts+1))
	dst = binary.AppendUvarint(dst, uint64(len(c.inForce)))
	for _, name := range sortedKeys(c.inForce) {
		dst = appendText(dst, name)
		dst = appendText(dst, c.inForce[name])
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
	if len(src) < 2 || src[0] != stateVersion && src[0] != 2 {
		return errors.New("the state is of another version: start it once with the version that wrote it, and stop it in order; or use another --data DIR")
	}
	version := src[0]
	c.history = src[1] == 1
	src = src[2:]
	var n uint64
	var ok bool
	c.forecasts = -1
	if version > 2 {
		if n, src, ok = cutUvarint(src); !ok {
			return fail
		}
		c.forecasts = int64(n) - 1
	}
	if n, src, ok = cutUvarint(src); !ok {
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
		c.inForce[name] = text
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
