package lake

import (
	"io"
	"log/slog"
	"testing"
)

func TestRequestsAreCountedAsTheyAreBilled(t *testing.T) {
	ctx := t.Context()
	l, err := Open(ctx, "s3://lake/p", Config{S3: fakeS3(t), Cache: t.TempDir()}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	start := l.Requests()
	if _, err := l.bucket.put(ctx, "a", condition{}, []byte("twelve bytes")); err != nil {
		t.Fatal(err)
	}
	body, _, err := l.bucket.get(ctx, "a", 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, body); err != nil {
		t.Fatal(err)
	}
	body.Close()
	if _, err := l.bucket.head(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	if err := l.bucket.list(ctx, "", func(object) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if err := l.bucket.remove(ctx, "a"); err != nil {
		t.Fatal(err)
	}
	r := l.Requests()
	// One PUT and one LIST; one GET and one HEAD; the DELETE is free.
	if r.Puts-start.Puts != 2 || r.Gets-start.Gets != 2 || r.Sent-start.Sent < 12 || r.Read-start.Read < 12 || r.Failed != start.Failed {
		t.Errorf("from %+v to %+v", start, r)
	}
	d, err := Open(ctx, t.TempDir(), Config{}, slog.New(slog.DiscardHandler))
	if err != nil || d.Requests() != (Requests{}) {
		t.Error(d.Requests(), err)
	}
}
