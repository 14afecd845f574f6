package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"tapedeck/pipeline/market"
	"tapedeck/tui"
)

// queryPrefix is of the keys of queries shared among screens, on the topic rules, where they
// stand beside the notes about alerts.
const queryPrefix = "shared-query/"

// maxSharedQuery is the most bytes of a statement that is shared.
const maxSharedQuery = 64 << 10

// sharedRecord is a shared query on the topic.
type sharedRecord struct {
	Query    string      `json:"query"`
	SQL      string      `json:"sql"`
	Revision int         `json:"revision"`
	Edited   market.Time `json:"edited"`
	By       string      `json:"by"`
	Before   string      `json:"before,omitempty"` // who had changed it before
	Removed  bool        `json:"removed,omitempty"`
}

// decodeShared reads a shared query; ok is false where it is none.
func decodeShared(key, value []byte) (r sharedRecord, ok bool) {
	name, ok := strings.CutPrefix(string(key), queryPrefix)
	return r, ok && json.Unmarshal(value, &r) == nil && r.Query == name && name != "" && len(r.SQL) <= maxSharedQuery
}

// Shared are the queries that analysts share; see tui.Queries.
func (b *noteBook) Shared() (all []tui.SharedQuery) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range b.queries {
		if !r.Removed {
			all = append(all, tui.SharedQuery{Name: r.Query, Statement: r.SQL, By: r.By, At: r.Edited, Before: r.Before})
		}
	}
	return all
}

// Share gives a statement to all; see tui.Queries.
func (b *noteBook) Share(ctx context.Context, name, statement string) error {
	if len(statement) > maxSharedQuery {
		return fmt.Errorf("share: the query has %d bytes, and %d are the most; export it as a file", len(statement), maxSharedQuery)
	}
	return b.writeShared(ctx, sharedRecord{Query: name, SQL: statement})
}

// Unshare takes it back; see tui.Queries. What it was stays on the topic.
func (b *noteBook) Unshare(ctx context.Context, name string) error {
	b.mu.Lock()
	r := b.queries[name]
	b.mu.Unlock()
	return b.writeShared(ctx, sharedRecord{Query: name, SQL: r.SQL, Removed: true})
}

// writeShared puts a change onto the topic. It stands here at once.
func (b *noteBook) writeShared(ctx context.Context, r sharedRecord) error {
	b.edit.Lock()
	defer b.edit.Unlock()
	b.mu.Lock()
	old := b.queries[r.Query]
	b.mu.Unlock()
	r.Revision, r.Edited, r.By, r.Before = old.Revision+1, market.At(b.now()), b.by, old.By
	value, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("share the query: %w", err)
	}
	if err := b.put(ctx, []byte(queryPrefix+r.Query), value); err != nil {
		return fmt.Errorf("share the query: %w", err)
	}
	return nil
}
