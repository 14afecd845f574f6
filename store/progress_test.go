package store

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/duckdb/duckdb-go/v2"
)

func TestProgressIsTold(t *testing.T) {
	c, err := duckdb.NewConnector("", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	raw, err := c.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := raw.(*duckdb.Conn)
	defer conn.Close()
	for _, s := range []string{"CREATE TABLE t AS SELECT range AS n FROM range(3000000)", "SET threads = 1", "SET lock_configuration = true"} {
		if err := exec(t.Context(), conn, s); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var told atomic.Int64
	stop := followProgress(ctx, conn, func(share float64) {
		if share < 0 || share > 1 {
			t.Errorf("%v is no share", share)
		}
		told.Add(1)
		cancel() // it is known: the query need not end
	})
	_, err = conn.ExecContext(ctx, "SELECT count(DISTINCT md5(n::VARCHAR || md5((n + 1)::VARCHAR) || md5((n + 2)::VARCHAR) || md5((n + 3)::VARCHAR))) FROM t", nil)
	stop()
	t.Log(err)
	if told.Load() == 0 {
		t.Error("nothing was told")
	}
}
