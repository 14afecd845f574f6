package lake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// seal ends an hour of the log: it fixes, once and for all, up to which
// offset each partition belongs to that hour and those before it. The rows
// between two seals are the hour, whatever their own times say.
type seal struct {
	Version  int    `json:"version"`
	Hour     string `json:"hour"`
	Previous string `json:"previous,omitempty"` // the hour sealed before
	Starts   ends   `json:"starts"`
	Ends     ends   `json:"ends"`

	hour Hour
}

const sealFolder = "seals/"

func sealKey(h Hour) string { return sealFolder + h.folder() + ".json" }

// sealGrace is how long after an hour's end its last records may still be on
// their way into the log.
const sealGrace = time.Minute

func (l *Lake) readSeal(ctx context.Context, h Hour) (*seal, error) {
	data, _, err := readAll(ctx, l.bucket, sealKey(h))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", sealKey(h), err)
	}
	s := &seal{hour: h}
	if err := json.Unmarshal(data, s); err != nil {
		return nil, fmt.Errorf("read %s: %w", sealKey(h), err)
	}
	if s.Version > 1 {
		return nil, ErrVersion
	}
	return s, nil
}

// sealed lists the hours that are sealed, oldest first.
func (l *Lake) sealed(ctx context.Context) ([]Hour, error) {
	var hours []Hour
	err := l.bucket.list(ctx, sealFolder, func(o object) error {
		if h, ok := parseFolder(o.key); ok && strings.HasSuffix(o.key, ".json") {
			hours = append(hours, h)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list seals: %w", err)
	}
	slices.Sort(hours)
	return hours, nil
}

// lastSeal is the newest seal; an empty one of hour -1 where there is none.
func (l *Lake) lastSeal(ctx context.Context) (*seal, error) {
	hours, err := l.sealed(ctx)
	if err != nil {
		return nil, err
	}
	if len(hours) == 0 {
		return &seal{hour: -1, Ends: ends{}}, nil
	}
	return l.readSeal(ctx, hours[len(hours)-1])
}

// Seal seals the hours of the ticks' log that have ended, and gives those that
// it sealed. logEnds are the log end offsets of all partitions, asked for at
// now or later. An hour has ended a minute after its last instant, when every
// partition's chain has come to a later hour or to the log's end; it is
// sealed by whoever comes first, and everyone may try.
func (l *Lake) Seal(ctx context.Context, now market.Time, logEnds map[int32]int64) ([]Hour, error) {
	topics := l.topics(Ticks)
	if len(topics) == 0 {
		return nil, nil
	}
	last, err := l.lastSeal(ctx)
	if err != nil {
		return nil, err
	}
	var done []Hour
	for {
		next, err := l.nextSeal(ctx, last, topics, now, logEnds)
		if err != nil || next == nil {
			return done, err
		}
		data, err := json.MarshalIndent(next, "", " ")
		if err != nil {
			return done, err
		}
		_, err = l.bucket.put(ctx, sealKey(next.hour), condition{absent: true}, append(data, '\n'))
		if errors.Is(err, errPrecondition) {
			there, rerr := l.readSeal(ctx, next.hour) // another's, or our own from before
			if rerr != nil {
				return done, rerr
			}
			last = there
			continue
		}
		if err != nil {
			return done, fmt.Errorf("seal hour %s: %w", next.hour, err)
		}
		done, last = append(done, next.hour), next
	}
}

// nextSeal is the seal of the hour after last that has rows, if it has ended.
func (l *Lake) nextSeal(ctx context.Context, last *seal, topics []string, now market.Time, logEnds map[int32]int64) (*seal, error) {
	chains := map[string]map[int32][]*partHead{}
	hour := Hour(-1)
	for _, topic := range topics {
		var err error
		if chains[topic], err = l.chainsFrom(ctx, Ticks, topic, last.Ends); err != nil {
			return nil, err
		}
		for _, parts := range chains[topic] {
			// A gap before the first record has hour 0, and counts as its successor.
			if i := slices.IndexFunc(parts, func(h *partHead) bool { return h.Hour != 0 }); i >= 0 {
				if h := max(parts[i].Hour, last.hour+1); hour < 0 || h < hour {
					hour = h
				}
			}
		}
	}
	if hour < 0 || now < (hour+1).Start().Add(sealGrace) {
		return nil, nil
	}
	next := &seal{Version: 1, Hour: hour.String(), Starts: last.Ends.clone(), Ends: last.Ends.clone(), hour: hour}
	if last.hour >= 0 {
		next.Previous = last.hour.String()
	}
	for n, topic := range topics {
		newest := n == len(topics)-1
		for p, parts := range chains[topic] {
			end, later := last.Ends.of(topic, p), false
			for _, h := range parts {
				if newest && h.Hour > hour {
					later = true
					break
				}
				end = h.End
			}
			if newest && !later && end < logEnds[p] {
				return nil, nil // not all of the hour is in the lake
			}
			next.Ends.set(topic, p, end)
		}
		if newest {
			for p, end := range logEnds {
				if _, ok := chains[topic][p]; !ok && end > 0 {
					return nil, nil
				}
			}
		}
	}
	return next, nil
}

// chainsFrom are the parts of a topic's chains from given ends on.
func (l *Lake) chainsFrom(ctx context.Context, table, topic string, from ends) (map[int32][]*partHead, error) {
	partitions := map[int32]bool{}
	for p := range from[topic] {
		if p, err := strconv.ParseInt(p, 10, 32); err == nil {
			partitions[int32(p)] = true
		}
	}
	err := l.bucket.list(ctx, stagingPrefix(table, topic), func(o object) error {
		if p, _, ok := parsePartKey(o.key); ok {
			partitions[p] = true
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	chains := map[int32][]*partHead{}
	for p := range partitions {
		chains[p] = nil
		for at := from.of(topic, p); ; {
			h, err := l.readHead(ctx, partKey(table, topic, p, at))
			if errors.Is(err, errNotFound) {
				break
			}
			if err != nil {
				return nil, err
			}
			chains[p] = append(chains[p], h)
			at = h.End
		}
	}
	return chains, nil
}

// countRows counts the lines of b.
func countRows(b []byte) int64 { return int64(bytes.Count(b, []byte{'\n'})) }
