package tui

import (
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// parseMoment reads a date, a time, both, or a span before now, in a zone.
func parseMoment(text string, now market.Time, zone *time.Location) (market.Time, bool) {
	text = strings.TrimSpace(text)
	if back, ok := strings.CutPrefix(text, "-"); ok {
		if days, is := strings.CutSuffix(back, "d"); is {
			if d, err := time.ParseDuration(days + "h"); err == nil {
				return now.Add(-24 * d), true
			}
		}
		if d, err := time.ParseDuration(back); err == nil {
			return now.Add(-d), true
		}
		return 0, false
	}
	local := now.Std().In(zone)
	for _, layout := range []string{"15:04", "15:04:05"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			at := time.Date(local.Year(), local.Month(), local.Day(), t.Hour(), t.Minute(), t.Second(), 0, zone)
			if at.After(local) {
				at = at.AddDate(0, 0, -1)
			}
			return market.At(at), true
		}
	}
	for _, layout := range []string{"2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02", "2 Jan 2006", "2006-01"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			return market.At(t), true
		}
	}
	for _, layout := range []string{"01-02 15:04", "2 Jan 15:04", "01-02", "2 Jan"} {
		if t, err := time.ParseInLocation(layout, text, zone); err == nil {
			at := time.Date(local.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, zone)
			if at.After(local) {
				at = at.AddDate(-1, 0, 0)
			}
			return market.At(at), true
		}
	}
	t, err := market.ParseTime(text)
	return t, err == nil && len(text) > 9
}
