package lake

import (
	"log/slog"
	"testing"
)

func TestPut(t *testing.T) {
	config, log := fakeS3(t), slog.New(slog.DiscardHandler)
	for _, content := range []string{"one", "another"} {
		if err := Put(t.Context(), "s3://lake/models/m.tar.gz", []byte(content), config, log); err != nil {
			t.Fatal(err)
		}
		b, err := openS3(t.Context(), "lake", "models", config, log)
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := readAll(t.Context(), b, "m.tar.gz"); err != nil || string(got) != content {
			t.Errorf("%q, %v, want %q", got, err, content)
		}
	}
	for _, address := range []string{"", "lake/x", "s3://", "s3://lake", "s3://lake/", "s3://lake/x/"} {
		if err := Put(t.Context(), address, nil, config, log); err == nil {
			t.Errorf("%q is taken", address)
		}
	}
}
