package lake

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// Put writes a small object, whole, to an address such as s3://bucket/key, in
// the place of any before. It is for what others read, such as a model; nothing
// of a lake is written so.
func Put(ctx context.Context, address string, data []byte, c S3Config, log *slog.Logger) error {
	rest, ok := strings.CutPrefix(address, "s3://")
	name, key, _ := strings.Cut(rest, "/")
	if !ok || name == "" || key == "" || strings.HasSuffix(key, "/") {
		return fmt.Errorf("write %s: want s3://bucket/key", address)
	}
	if err := c.validate(); err != nil {
		return fmt.Errorf("write %s: %w", address, err)
	}
	b, err := openS3(ctx, name, "", c, log)
	if err == nil {
		_, err = b.put(ctx, key, condition{}, data)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", address, err)
	}
	return nil
}
