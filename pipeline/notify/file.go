package notify

import (
	"context"
	"fmt"
	"os"
	"sync"

	"tapedeck/pipeline/market"
)

// File is a file of JSON lines, an alert each, as on the alerts topic. At
// Limit bytes it is put aside as PATH.1, so that there are never more than two.
type File struct {
	Path  string
	Limit int64 // 0 is 10 MB

	mu sync.Mutex
}

// Send appends the alerts.
func (f *File) Send(_ context.Context, m *Message) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	limit := f.Limit
	if limit <= 0 {
		limit = 10 << 20
	}
	if info, err := os.Stat(f.Path); err == nil && info.Size() >= limit {
		if err := os.Rename(f.Path, f.Path+".1"); err != nil {
			return fmt.Errorf("put the old file aside: %w", err)
		}
	}
	var lines []byte
	for i := range m.Alerts {
		lines = append(append(lines, market.EncodeAlert(&m.Alerts[i])...), '\n')
	}
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open the file of alerts: %w", err)
	}
	_, err = file.Write(lines)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("write the file of alerts: %w", err)
	}
	return nil
}
