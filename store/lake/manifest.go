package lake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"
)

// manifest says how much of a table is merged: every row below its ends lies
// in the table's hour files. It is replaced under If-Match.
type manifest struct {
	Version    int            `json:"version"`
	Table      string         `json:"table"`
	Generation int64          `json:"generation"`
	Merged     time.Time      `json:"merged"`
	Ends       ends           `json:"ends"`
	Before     []pastManifest `json:"before,omitempty"` // newest first: who began with these may still be reading
}

type pastManifest struct {
	Until time.Time `json:"until"` // when it was replaced
	Ends  ends      `json:"ends"`
}

// ends are offsets by topic id and partition.
type ends map[string]map[string]int64

func (e ends) of(topic string, partition int32) int64 {
	return e[topic][strconv.Itoa(int(partition))]
}

func (e ends) set(topic string, partition int32, offset int64) {
	if e[topic] == nil {
		e[topic] = map[string]int64{}
	}
	e[topic][strconv.Itoa(int(partition))] = offset
}

func (e ends) clone() ends {
	c := make(ends, len(e))
	for topic, partitions := range e {
		c[topic] = maps.Clone(partitions)
	}
	return c
}

func (m *manifest) end(topic string, partition int32) int64 { return m.Ends.of(topic, partition) }

const manifestFolder = "manifest/"

func manifestKey(table string) string { return manifestFolder + table + ".json" }

// readManifest reads a table's manifest; an empty one where there is none yet.
func (l *Lake) readManifest(ctx context.Context, table string) (*manifest, object, error) {
	data, obj, err := readAll(ctx, l.bucket, manifestKey(table))
	if errors.Is(err, errNotFound) {
		return &manifest{Version: 1, Table: table, Ends: ends{}}, object{}, nil
	}
	if err != nil {
		return nil, object{}, fmt.Errorf("read %s: %w", manifestKey(table), err)
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, object{}, fmt.Errorf("read %s: %w", manifestKey(table), err)
	}
	if m.Version > 1 {
		return nil, object{}, ErrVersion
	}
	if m.Ends == nil {
		m.Ends = ends{}
	}
	return &m, obj, nil
}

// writeManifest replaces the manifest that was read as obj; errPrecondition
// where someone else did.
func (l *Lake) writeManifest(ctx context.Context, m *manifest, obj object) error {
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	_, err = l.bucket.put(ctx, manifestKey(m.Table), condition{absent: obj.etag == "", match: obj.etag}, append(data, '\n'))
	return err
}
