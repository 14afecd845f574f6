package lake

import (
	"context"
	"fmt"
	"strings"
	"time"

	"tapedeck/pipeline/market"
)

// Entry is one line of an inventory: the objects of one table and date.
type Entry struct {
	Folder  string // raw, processed/bars, staging/ticks …
	Date    string // 2006-01-02; empty for staging
	Objects int
	Bytes   int64
	Hours   int // different hours
}

// Ls lists what is in the lake, by folder and date, in the order of keys.
func (l *Lake) Ls(ctx context.Context) ([]Entry, error) {
	var entries []Entry
	index := map[[2]string]int{}
	hours := map[string]bool{}
	err := l.bucket.list(ctx, "", func(o object) error {
		folder, date := o.key, ""
		if i := strings.Index(o.key, "/date="); i >= 0 {
			folder, date = o.key[:i], o.key[i+len("/date="):]
			date = date[:min(len("2006-01-02"), len(date))]
		} else if strings.HasPrefix(o.key, stagingFolder) {
			folder = strings.Join(strings.SplitN(o.key, "/", 3)[:2], "/")
		} else if i := strings.IndexByte(o.key, '/'); i >= 0 {
			folder = o.key[:i]
		}
		k := [2]string{folder, date}
		n, ok := index[k]
		if !ok {
			n = len(entries)
			index[k] = n
			entries = append(entries, Entry{Folder: folder, Date: date})
		}
		e := &entries[n]
		e.Objects++
		e.Bytes += o.size
		if h, ok := parseFolder(o.key); ok {
			if id := folder + h.String(); !hours[id] {
				hours[id] = true
				e.Hours++
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the lake: %w", err)
	}
	return entries, nil
}

// Expired is what Expire removed, or would.
type Expired struct {
	Key   string
	Bytes int64
}

// Expire removes the published and merged hours that ended before now-age,
// of the tables named (all where none is). With dryRun it only says which.
// Parts, manifests and the newest seal always stay.
func (l *Lake) Expire(ctx context.Context, now market.Time, age time.Duration, dryRun bool, names ...string) ([]Expired, error) {
	if age < 24*time.Hour {
		return nil, fmt.Errorf("expire: an age of %v would remove what is still being merged; the least is a day", age)
	}
	limit := HourOf(now.Add(-age))
	folders := []string{}
	for _, t := range tables {
		if len(names) == 0 {
			folders = append(folders, t.Folder+"/")
		}
	}
	raw := len(names) == 0
	for _, n := range names {
		switch t := TableOf(n); {
		case n == "raw":
			raw = true
		case t != nil:
			folders = append(folders, t.Folder+"/")
		default:
			return nil, fmt.Errorf("expire: no table %q; it can be raw or one of the tables", n)
		}
	}
	var expired []Expired
	collect := func(folder string, keep Hour) error {
		return l.bucket.list(ctx, folder, func(o object) error {
			if h, ok := parseFolder(o.key); ok && h < limit && h != keep {
				expired = append(expired, Expired{o.key, o.size})
			}
			return nil
		})
	}
	for _, folder := range folders {
		if err := collect(folder, -1); err != nil {
			return nil, fmt.Errorf("expire: %w", err)
		}
	}
	if raw {
		// Seals first: an hour without seal is not published again, while a
		// sealed hour without its file would be.
		published, err := l.publishedEnds(ctx)
		if err != nil {
			return nil, fmt.Errorf("expire: %w", err)
		}
		last, err := l.lastSeal(ctx)
		if err != nil {
			return nil, fmt.Errorf("expire: %w", err)
		}
		if len(published) > 0 {
			if err := collect(sealFolder, last.hour); err != nil {
				return nil, fmt.Errorf("expire: %w", err)
			}
			if err := collect(rawFolder, last.hour); err != nil {
				return nil, fmt.Errorf("expire: %w", err)
			}
		}
	}
	if dryRun {
		return expired, nil
	}
	for i, e := range expired {
		if err := l.bucket.remove(ctx, e.Key); err != nil {
			return expired[:i], fmt.Errorf("expire %s: %w", e.Key, err)
		}
	}
	return expired, nil
}
