package store

import (
	"context"
	"reflect"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/duckdb/duckdb-go/v2/mapping"
)

// progressEvery is how often a running query is asked how far it is.
const progressEvery = 150 * time.Millisecond

// followProgress tells how far the connection's query is, 0 … 1, until the
// returned function is called, which must happen before the connection is
// closed. Where DuckDB does not say, tell is not called.
func followProgress(ctx context.Context, conn *duckdb.Conn, tell func(share float64)) (stop func()) {
	handle, ok := handleOf(conn)
	if tell == nil || !ok {
		return func() {}
	}
	// SET is locked by now; these two say the same.
	for _, s := range []string{"PRAGMA enable_progress_bar", "PRAGMA disable_print_progress_bar"} {
		if exec(ctx, conn, s) != nil {
			return func() {}
		}
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				p := mapping.QueryProgress(handle)
				if percent, _, _ := mapping.QueryProgressTypeMembers(&p); percent > 0 {
					tell(min(percent/100, 1))
				}
			}
		}
	}()
	return func() {
		close(quit)
		<-done
	}
}

// handleOf is DuckDB's own handle of a connection, which the driver keeps to
// itself; ok is false where a newer driver keeps it elsewhere.
func handleOf(conn *duckdb.Conn) (handle mapping.Connection, ok bool) {
	field := reflect.ValueOf(conn).Elem().FieldByName("conn")
	if !field.IsValid() || field.Type() != reflect.TypeOf(handle) {
		return handle, false
	}
	pointer := field.FieldByName("Ptr")
	if !pointer.IsValid() || pointer.Kind() != reflect.UnsafePointer || pointer.IsNil() {
		return handle, false
	}
	handle.Ptr = pointer.UnsafePointer()
	return handle, true
}
