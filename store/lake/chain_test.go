package lake

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// eachLake runs a test over a lake in a directory and one in S3. reopen opens
// the same lake anew, as another process would.
func eachLake(t *testing.T, config Config, test func(t *testing.T, reopen func() *Lake)) {
	open := func(t *testing.T, location string, config Config) *Lake {
		t.Helper()
		l, err := Open(t.Context(), location, config, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		return l
	}
	t.Run("directory", func(t *testing.T) {
		dir := t.TempDir()
		test(t, func() *Lake { return open(t, dir, config) })
	})
	t.Run("s3", func(t *testing.T) {
		config.S3, config.Cache = fakeS3(t), t.TempDir()
		test(t, func() *Lake { return open(t, "s3://lake/prefix", config) })
	})
}

var nine, _ = market.ParseTime("2026-11-20T09:00:00Z")

// fakeLog gives the record of every offset: a numbered tick, here and there a
// clock or something that cannot be read. 600 records make an hour.
type fakeLog struct{ partition int32 }

func (g fakeLog) record(offset int64) (produced market.Time, value []byte) {
	produced = nine + market.Time(offset)*6e6
	switch offset % 20 {
	case 7:
		return produced, market.AppendClock(nil, market.Clock{Time: produced, Source: "sim"})
	case 13:
		return produced, []byte("{broken")
	}
	tick := market.Tick{Symbol: fmt.Sprintf("S%d", offset%5), Time: produced - market.Time(offset%3)*3600e6, Price: 1 + float64(offset)/4, Size: offset, Source: "sim"}
	return produced, market.AppendTick(nil, &tick)
}

// rows is how many of the offsets below end are ticks.
func (g fakeLog) rows(end int64) (n int64) {
	for o := range end {
		if o%20 != 7 && o%20 != 13 {
			n++
		}
	}
	return n
}

// carry appends the offsets from next to end, flushing at random.
func (g fakeLog) carry(t *testing.T, c *Chain, end int64, flushEvery int64) {
	t.Helper()
	for o := c.Next(); o < end; o++ {
		produced, value := g.record(o)
		err := c.Append(o, produced, nil, value)
		if err == nil && (o+1)%flushEvery == 0 {
			err = c.Flush(t.Context())
		}
		if errors.Is(err, ErrBehind) {
			o = c.Next() - 1
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Flush(t.Context()); err != nil && !errors.Is(err, ErrBehind) {
		t.Fatal(err)
	}
}

func openChain(t *testing.T, l *Lake, p int32) *Chain {
	t.Helper()
	c, _, err := l.OpenPartition(t.Context(), Ticks, "topic-1", p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestChainGoesOnWhereItEnded(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		l := reopen()
		c := openChain(t, l, 3)
		fakeLog{}.carry(t, c, 500, 100)
		produced, value := fakeLog{}.record(500)
		if err := c.Append(500, produced, nil, value); err != nil {
			t.Fatal(err)
		}
		if rows, bytes, oldest := c.Pending(); rows != 1 || bytes == 0 || oldest.IsZero() {
			t.Errorf("pending: %d rows, %d bytes, %v", rows, bytes, oldest)
		}
		// What was not flushed is lost with the process, and read again.
		c, next, err := reopen().OpenPartition(t.Context(), Ticks, "topic-1", 3)
		if err != nil || next != 500 || c.Durable() != 500 {
			t.Fatalf("reopened at %d, %v", next, err)
		}
		if _, _, err := reopen().OpenPartition(t.Context(), Ticks, "topic-2", 3); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("another topic: %v", err)
		}
		if err := reopen().Adopt(t.Context(), Ticks, "topic-2"); err != nil {
			t.Fatal(err)
		}
		if _, next, err := reopen().OpenPartition(t.Context(), Ticks, "topic-2", 3); next != 0 || err != nil {
			t.Errorf("adopted topic: %d, %v", next, err)
		}
		if _, _, err := reopen().OpenPartition(t.Context(), Ticks, "topic-1", 3); !errors.Is(err, ErrUnknownTopic) {
			t.Errorf("the topic before: %v", err)
		}
	})
}

func TestTwoWritersMakeOneChain(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		a, b := openChain(t, reopen(), 0), openChain(t, reopen(), 0)
		random := rand.New(rand.NewPCG(1, 2))
		const end = 1500
		behind := 0
		for a.Durable() < end || b.Durable() < end {
			for _, c := range []*Chain{a, b} {
				to := min(c.Next()+random.Int64N(200), end)
				for o := c.Next(); o < to; o++ {
					produced, value := fakeLog{}.record(o)
					if err := c.Append(o, produced, nil, value); err != nil {
						t.Fatal(err)
					}
				}
				err := c.Flush(t.Context())
				if errors.Is(err, ErrBehind) {
					behind++
					if err := c.Append(end+100, nine, nil, nil); !errors.Is(err, ErrBehind) {
						t.Fatalf("a record was taken before the seek: %v", err)
					}
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
		if behind == 0 {
			t.Error("the writers never met")
		}
		accountFor(t, reopen(), map[int32]int64{0: end})
	})
}

// accountFor counts every tick of the parts of partitions that end where told.
func accountFor(t *testing.T, l *Lake, ends map[int32]int64) {
	t.Helper()
	for p, end := range ends {
		s, err := l.chainsFrom(t.Context(), Ticks, "topic-1", nil)
		if err != nil {
			t.Fatal(err)
		}
		var at, rows, skipped, clocks int64
		seen := map[string]int{}
		for _, h := range s[p] {
			if h.Start != at {
				t.Fatalf("a part starts at %d, the one before ended at %d", h.Start, at)
			}
			at = h.End
			rows, skipped, clocks = rows+h.Rows, skipped+h.Skipped, clocks+h.Clocks
			body, err := l.openBody(t.Context(), partKey(Ticks, "topic-1", p, h.Start))
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(body)
			if err != nil {
				t.Fatal(err)
			}
			body.Close()
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			for _, line := range lines[1:] {
				seen[line[strings.LastIndexByte(line, ',')+1:]]++
			}
		}
		if at != end || rows+skipped+clocks != end || rows != (fakeLog{}).rows(end) {
			t.Errorf("partition %d: ends at %d of %d, %d rows, %d skipped, %d clocks", p, at, end, rows, skipped, clocks)
		}
		if int64(len(seen)) != rows {
			t.Errorf("partition %d: %d different offsets in %d rows", p, len(seen), rows)
		}
		for offset, n := range seen {
			if n != 1 {
				t.Errorf("offset %s stands %d times", offset, n)
			}
		}
	}
}

func TestGap(t *testing.T) {
	eachLake(t, Config{}, func(t *testing.T, reopen func() *Lake) {
		c := openChain(t, reopen(), 0)
		if err := c.Gap(5, 10); err == nil {
			t.Error("a gap beyond the end was taken")
		}
		if err := c.Gap(0, 100); err != nil {
			t.Fatal(err)
		}
		fakeLog{}.carry(t, c, 120, 1000)
		h, err := reopen().readHead(t.Context(), partKey(Ticks, "topic-1", 0, 0))
		if err != nil || h.Missing != 100 || h.End != 120 {
			t.Errorf("%+v, %v", h, err)
		}
	})
}

func TestHoursAreSealedPublishedAndCleared(t *testing.T) {
	for _, compression := range []string{"", "gzip", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			eachLake(t, Config{Grace: time.Nanosecond, Compression: compression}, func(t *testing.T, reopen func() *Lake) {
				l := reopen()
				logEnds := map[int32]int64{0: 1500, 1: 700, 2: 0}
				for p, end := range logEnds {
					fakeLog{}.carry(t, openChain(t, l, p), end, 137)
				}
				first := HourOf(nine)
				seal := func(now market.Time, want ...Hour) {
					t.Helper()
					got, err := reopen().Seal(t.Context(), now, logEnds)
					if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
						t.Errorf("sealed %v, %v; want %v", got, err, want)
					}
				}
				seal((first + 1).Start()) // too early
				seal((first + 1).Start().Add(time.Minute), first)
				logEnds[1] = 701
				seal((first + 2).Start().Add(time.Minute)) // partition 1 has records that are not here
				logEnds[1] = 700
				seal((first + 2).Start().Add(time.Minute), first+1)

				var before map[Hour][]byte
				for range 2 { // the same bytes whoever publishes
					l := reopen()
					if _, err := l.Publish(t.Context()); err != nil {
						t.Fatal(err)
					}
					now := map[Hour][]byte{}
					for _, h := range []Hour{first, first + 1} {
						data, _, err := readAll(t.Context(), l.bucket, l.rawKey(h))
						if err != nil {
							t.Fatal(err)
						}
						now[h] = data
						if before != nil && !bytes.Equal(data, before[h]) {
							t.Errorf("hour %s differs", h)
						}
						if before == nil {
							if err := l.bucket.remove(t.Context(), l.rawKey(h)); err != nil {
								t.Fatal(err)
							}
						}
					}
					before = now
				}
				if compression == "" {
					text := string(before[first]) + string(before[first+1])
					lines := strings.Count(text, "\n") - 2
					if want := (fakeLog{}).rows(1200) + (fakeLog{}).rows(700); int64(lines) != want {
						t.Errorf("%d rows are published, not %d", lines, want)
					}
					if !strings.HasPrefix(text, market.TickCSVHeader+"\nS0,2026-11-20T09:00:00.000000Z,1,0,") {
						t.Errorf("it begins %q", text[:200])
					}
				}
				// Nothing is cleared that is not merged.
				if n, err := reopen().Clear(t.Context(), Ticks); n != 0 || err != nil {
					t.Errorf("%d parts were cleared before they were merged, %v", n, err)
				}
				m, err := reopen().Merge(t.Context(), Ticks)
				if want := (fakeLog{}).rows(1500) + (fakeLog{}).rows(700); err != nil || m.Rows != want {
					t.Fatalf("merged %+v, %v; want %d rows", m, err, want)
				}
				time.Sleep(time.Microsecond) // beyond the grace
				n, err := reopen().Clear(t.Context(), Ticks)
				if n == 0 || err != nil {
					t.Errorf("cleared %d, %v", n, err)
				}
				// The chain goes on, and the hour that is not sealed is still there.
				c, next, err := reopen().OpenPartition(t.Context(), Ticks, "topic-1", 0)
				if err != nil || next != 1500 {
					t.Fatalf("the chain ends at %d, %v", next, err)
				}
				fakeLog{}.carry(t, c, 2000, 99)
				logEnds[0] = 2000
				seal((first + 4).Start().Add(time.Minute), first+2, first+3)
				if hours, err := reopen().Publish(t.Context()); len(hours) != 2 || err != nil {
					t.Errorf("published %v, %v", hours, err)
				}
			})
		})
	}
}

func TestDamageIsFound(t *testing.T) {
	dir := t.TempDir()
	l, err := Open(t.Context(), dir, Config{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	fakeLog{}.carry(t, openChain(t, l, 0), 100, 1000)
	path := filepath.Join(dir, filepath.FromSlash(partKey(Ticks, "topic-1", 0, 0)))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, 5, 30, headSize - 2, headSize + 20, len(whole) - 1} {
		data := bytes.Clone(whole)
		data[at] ^= 0x40
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := readBody(t, l); err == nil {
			t.Errorf("a flipped bit at byte %d was not noticed", at)
		}
		if err := os.WriteFile(path, whole[:at], 0o644); err != nil {
			t.Fatal(err)
		}
		if err := readBody(t, l); err == nil {
			t.Errorf("a cut at byte %d was not noticed", at)
		}
	}
}

func readBody(t *testing.T, l *Lake) error {
	body, err := l.openBody(t.Context(), partKey(Ticks, "topic-1", 0, 0))
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(io.Discard, body)
	return err
}

func FuzzParseHead(f *testing.F) {
	h := partHead{Table: Ticks, Topic: "t", Start: 1, End: 2, Rows: 1}
	data, err := h.marshal([]byte("body"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte("short"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if h, err := parseHead(data); err == nil && h.End <= h.Start {
			t.Errorf("%+v", h)
		}
	})
}
