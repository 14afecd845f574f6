package lake

import (
	"bytes"
	"log/slog"
	"os"
	"testing"
)

// A copy that is damaged is fetched anew; the lake itself is not touched.
func TestDamagedCopyIsFetchedAnew(t *testing.T) {
	ctx := t.Context()
	l, err := Open(ctx, "s3://lake/p", Config{S3: fakeS3(t), Cache: t.TempDir(), Reader: true}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	good := append(append([]byte("PAR1"), bytes.Repeat([]byte{7}, 5000)...), "PAR1"...)
	for _, key := range []string{"processed/bars/date=2026-11-20/hour=15/data.parquet", stagingFolder + "bars/x/0/000.csv.zst"} {
		content := good
		if key[0] == stagingFolder[0] {
			content = bytes.Repeat([]byte("part"), 2000)
		}
		if _, err := l.bucket.put(ctx, key, condition{}, content); err != nil {
			t.Fatal(err)
		}
		path, err := l.Local(ctx, key)
		if err != nil {
			t.Fatal(err)
		}
		for what, damage := range map[string][]byte{"empty": {}, "zeroes": make([]byte, len(content)), "half": content[:len(content)/2]} {
			if what == "half" && key[0] == stagingFolder[0] {
				continue // found by the checksum when it is read
			}
			if err := os.WriteFile(path, damage, 0o600); err != nil {
				t.Fatal(err)
			}
			again, err := l.Local(ctx, key)
			if err != nil {
				t.Fatal(err)
			}
			if data, err := os.ReadFile(again); err != nil || !bytes.Equal(data, content) {
				t.Errorf("%s, %s: %d bytes, %v", key, what, len(data), err)
			}
		}
	}
}
