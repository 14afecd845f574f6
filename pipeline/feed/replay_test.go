package feed

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tapedeck/pipeline/market"
)

// tape is a sink that remembers everything.
type tape struct {
	ticks   []market.Tick
	rows    []int64
	at      []time.Time // when each tick came
	clocks  []market.Clock
	order   []string // one line for each tick, clock and reject, in order
	rejects []string
	said    []Condition
	flushes int
	fail    error
}

func (s *tape) Tick(t *market.Tick, row int64) error {
	s.ticks, s.rows, s.at = append(s.ticks, *t), append(s.rows, row), append(s.at, time.Now())
	s.order = append(s.order, fmt.Sprintf("%d %s %s %g x%d", row, t.Symbol, t.Time, t.Price, t.Size))
	return s.fail
}

func (s *tape) Clock(c market.Clock) error {
	s.clocks = append(s.clocks, c)
	s.order = append(s.order, fmt.Sprintf("clock %s %v", c.Time, c.End))
	return nil
}

func (s *tape) Flush() error    { s.flushes++; return nil }
func (s *tape) Say(c Condition) { s.said = append(s.said, c) }

func (s *tape) Reject(row int64, symbol, reason string, line []byte) error {
	s.rejects = append(s.rejects, fmt.Sprintf("%d|%s|%s|%s", row, symbol, reason, line))
	s.order = append(s.order, fmt.Sprintf("%d rejected", row))
	return nil
}

func (s *tape) saidText() string {
	var b strings.Builder
	for _, c := range s.said {
		fmt.Fprintln(&b, c.Text)
	}
	return b.String()
}

func writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func zstded(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	io.WriteString(w, text)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func play(t testing.TB, cfg ReplayConfig) *tape {
	t.Helper()
	r, err := NewReplay(cfg)
	if err != nil {
		t.Fatal(err)
	}
	var out tape
	if err := r.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

const twoTrades = "time_ms,symbol,price,size,exchange,condition,suspicious\n" +
	"1381132800464,SPY,167.4100,100,P,20002000,0\n" +
	"1381132801465,IBM,184.02,1400,Q,0,0\n"

func TestReplayReadsEveryForm(t *testing.T) {
	want := []string{
		"clock 2013-10-07T08:00:00.000Z false",
		"1 SPY 2013-10-07T08:00:00.464Z 167.41 x100",
		"clock 2013-10-07T08:00:01.000Z false",
		"2 IBM 2013-10-07T08:00:01.465Z 184.02 x1400",
		"clock 2013-10-07T08:00:01.465Z true",
	}
	forms := map[string]struct{ name, content string }{
		"plain":         {"a.csv", twoTrades},
		"no last end":   {"a.csv", strings.TrimSuffix(twoTrades, "\n")},
		"gzip":          {"a.csv.gz", gzipped(t, twoTrades)},
		"gzip members":  {"a.gz", gzipped(t, twoTrades[:80]) + gzipped(t, twoTrades[80:])},
		"zstd":          {"a.csv.zst", zstded(t, twoTrades)},
		"wrong name":    {"a.csv", gzipped(t, twoTrades)},
		"bom":           {"a.csv", "\ufeff" + twoTrades},
		"crlf":          {"a.csv", strings.ReplaceAll(twoTrades, "\n", "\r\n")},
		"cr":            {"a.csv", strings.ReplaceAll(twoTrades, "\n", "\r")},
		"cr without":    {"a.csv", strings.TrimSuffix(strings.ReplaceAll(twoTrades, "\n", "\r"), "\r")},
		"blank lines":   {"a.csv", "\n" + strings.ReplaceAll(twoTrades, "\n", "\n\n")},
		"header twice":  {"a.csv", "time,symbol,price,size\n1381132800464,SPY,167.41,100\ntime,symbol,price,size\n1381132801465,IBM,184.02,1400\n"},
		"quoted":        {"a.csv", "\"Time\",\"Symbol\",\"Price\",\"Volume\",\"Note\"\n\"2013-10-07T08:00:00.464Z\",\"SPY\",\"167.41\",\"100\",\"a, \"\"b\"\"\nand more\"\n2013-10-07 08:00:01.465,IBM,184.02,1400,x\n"},
		"semicolons":    {"a.csv", "TIMESTAMP;SYMBOL;PRICE;SIZE\n1381132800.464;spy;167.41;100\n1381132801.465;ibm;184.02;1400.0\n"},
		"tabs, µs":      {"a.csv", "symbol\ttime\tsize\tprice\nSPY\t1381132800464000\t100\t167.41\nIBM\t1381132801465000\t1400\t184.02\n"},
		"the lake's":    {"a.csv", "symbol,time,price,size,bid,ask,exchange,condition,source,received,partition,offset\nSPY,2013-10-07T08:00:00.464000Z,167.41,100,,,P,,sim,,3,17\nIBM,2013-10-07T08:00:01.465000Z,184.02,1400,184.01,184.03,Q,,sim,2013-10-07T08:00:01.465000Z,4,1\n"},
		"spaces around": {"a.csv", " time , symbol , price , size \n 1381132800464 , SPY , 167.41 , 100 \n 1381132801465, IBM, 184.02, 1400\n"},
	}
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			out := play(t, ReplayConfig{Inputs: []string{writeFile(t, form.name, form.content)}})
			if !slices.Equal(out.order, want) {
				t.Errorf("got  %q\nwant %q\nrejects %q", out.order, want, out.rejects)
			}
		})
	}
}

func TestReplayFillsATick(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	out := play(t, ReplayConfig{Source: "tape", Now: func() time.Time { return now }, Inputs: []string{
		writeFile(t, "a.csv", "time,symbol,price,size,bid,ask,exchange,condition\n2025-11-20T14:30:00.123456Z,brk.b,500.5,,500,501.25,Q,@ F\n")}})
	want := market.Tick{Symbol: "BRK.B", Time: market.At(time.Date(2025, 11, 20, 14, 30, 0, 123456000, time.UTC)), Price: 500.5,
		Bid: 500, Ask: 501.25, Exchange: "Q", Condition: "@ F", Source: "tape", Received: market.At(now)}
	if len(out.ticks) != 1 || out.ticks[0] != want {
		t.Errorf("got %+v, want %+v", out.ticks, want)
	}
}

func TestReplayHeaderErrors(t *testing.T) {
	for name, c := range map[string]struct{ content, want string }{
		"empty":      {"", "the file is empty"},
		"no price":   {"time,symbol,size\n1,A,1\n", "no column price"},
		"no time":    {"date,symbol,price,size\n1,A,1,1\n", "time, time_ms, timestamp"},
		"twice":      {"time,symbol,price,size,price\n1,A,1,1\n", "columns 3 and 5 are both called \"price\""},
		"no rows":    {"time,symbol,price,size\n\n", "no rows"},
		"all bad":    {"time,symbol,price,size\nx,A,1,1\ny,B,1,1\n", `line 2: column time (1) is "x", expected a time such as`},
		"zip":        {"PK\x03\x04....", "a zip archive"},
		"parquet":    {"PAR1....", "a Parquet file"},
		"utf-16":     {"\xff\xfet\x00i\x00m\x00e\x00", "UTF-16"},
		"torn gzip":  {"\x1f\x8b\x08\x00", "unpack gzip"},
		"endless":    {strings.Repeat("time", 100_000), "longer than"},
		"open quote": {"time,symbol,price,\"size\n1,A,1,1\n", "quote"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := NewReplay(ReplayConfig{Inputs: []string{writeFile(t, "trades.csv", c.content)}})
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "trades.csv") {
				t.Errorf("got %v, want it to name the file and %q", err, c.want)
			}
		})
	}
	for name, cfg := range map[string]ReplayConfig{
		"no input":       {},
		"missing":        {Inputs: []string{filepath.Join(t.TempDir(), "none.csv")}},
		"empty folder":   {Inputs: []string{t.TempDir()}},
		"negative speed": {Inputs: []string{writeFile(t, "a.csv", twoTrades)}, Speed: -1},
		"a device":       {Inputs: []string{os.DevNull}},
	} {
		if _, err := NewReplay(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestReplayBadRowsKeepTheirBytes(t *testing.T) {
	long := strings.Repeat("x", maxRow+10)
	content := "time_ms,symbol,price,size\n" +
		"1381132800464,SPY,167.41,100\n" +
		"1381132800465,SPY,abc,100\n" +
		"1381132800465,SPY\n" +
		"\"1381132800465,SPY,1,1\n" +
		"1381132800466,S PY,1,1\n" +
		"1381132800466,SPY,1,-5\n" +
		"1381132800466,SPY,NaN,5\n" +
		"12:30,SPY,1,5\n" +
		long + "\n" +
		"1381132800467,\"SP\"Y,1,5\n" +
		"1381132800468,SPY,167.43,300\r\n" +
		"\xff\xfe\x00"
	out := play(t, ReplayConfig{Inputs: []string{writeFile(t, "a.csv", content)}})
	want := []string{
		`2|SPY|a.csv line 3: column price (3) is "abc", expected a number above zero|1381132800465,SPY,abc,100`,
		`3||a.csv line 4: the row has 2 columns, the header has 4|1381132800465,SPY`,
		`4||a.csv line 5: a quote is opened and not closed|"1381132800465,SPY,1,1`,
		`5||a.csv line 6: column symbol (2) is "S PY", expected 1 to 24 letters, digits and .-=^/_&|1381132800466,S PY,1,1`,
		`6|SPY|a.csv line 7: column size (4) is "-5", expected a whole number of shares|1381132800466,SPY,1,-5`,
		`7|SPY|a.csv line 8: column price (3) is "NaN", expected a number above zero|1381132800466,SPY,NaN,5`,
		`8|SPY|a.csv line 9: column time_ms (1) is "12:30", expected milliseconds since 1970|12:30,SPY,1,5`,
		`9||a.csv line 10: the row is longer than 262144 bytes|` + long[:maxRow],
		`10||a.csv line 10: the row is longer than 262144 bytes|` + long[maxRow:],
		`11||a.csv line 11: a closing quote is followed by more text|1381132800467,"SP"Y,1,5`,
		"13||a.csv line 13: the row has 1 columns, the header has 4|\xff\xfe\x00",
	}
	if !slices.Equal(out.rejects, want) {
		for i := range max(len(out.rejects), len(want)) {
			t.Logf("%.200q", append(slices.Clone(out.rejects), "", "", "", "", "", "", "", "", "", "", "")[i])
		}
		t.Errorf("rejected %d rows, want %d", len(out.rejects), len(want))
	}
	if !slices.Equal(out.rows, []int64{1, 12}) {
		t.Errorf("rows %v, want 1 and 12", out.rows)
	}
	last := out.said[len(out.said)-1]
	if !strings.Contains(last.Text, "11 of them unreadable") || !strings.Contains(last.Text, "line 3") {
		t.Errorf("said %q", last.Text)
	}
}

func TestReplayMergesByTime(t *testing.T) {
	head := "time_ms,symbol,price,size\n"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"2.csv":      head + "2000,B,1,1\n1500,B,2,1\nbad\n4000,B,3,1\n", // its second row is late, its third bad
		"1.csv.gz":   gzipped(t, head+"1000,A,1,1\n2000,A,2,1\n3000,A,3,1\n"),
		"3.csv":      head + "9000,C,1,1\n",
		"empty.csv":  head,
		"notes.text": "not this",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	out := play(t, ReplayConfig{Inputs: []string{dir}})
	var got []string
	for i, tick := range out.ticks {
		got = append(got, fmt.Sprintf("%d:%s@%d", out.rows[i], tick.Symbol, tick.Time.Millis()))
	}
	want := []string{"1:A@1000", "2:A@2000", "3:B@2000", "4:B@1500", "6:A@3000", "7:B@4000", "8:C@9000"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	var clocks []int64
	for _, c := range out.clocks {
		clocks = append(clocks, c.Time.Millis())
	}
	if want := []int64{1000, 2000, 3000, 4000, 5000, 6000, 7000, 8000, 9000, 9000}; !slices.Equal(clocks, want) {
		t.Errorf("clocks %v, want %v", clocks, want)
	}
	again := play(t, ReplayConfig{Inputs: []string{dir}, Speed: 1e6})
	if !slices.Equal(again.order, out.order) {
		t.Errorf("a second run differs: %q", again.order)
	}
}

func TestReplayManyInputsStayInOrder(t *testing.T) {
	var inputs []string
	for i := range 40 {
		var b strings.Builder
		b.WriteString("time_ms,symbol,price,size\n")
		for j := range 50 {
			fmt.Fprintf(&b, "%d,S%d,1,1\n", 1_000_000+int64(i*100+j*37), i)
		}
		inputs = append(inputs, writeFile(t, "a.csv", b.String()))
	}
	out := play(t, ReplayConfig{Inputs: inputs})
	if len(out.ticks) != 2000 {
		t.Fatalf("%d ticks", len(out.ticks))
	}
	if !slices.IsSortedFunc(out.ticks, func(a, b market.Tick) int { return int(a.Time - b.Time) }) {
		t.Error("merged ticks are out of order")
	}
}

func TestReplayIdentity(t *testing.T) {
	id := func(contents ...string) string {
		var inputs []string
		for _, c := range contents {
			inputs = append(inputs, writeFile(t, "x.csv", c))
		}
		r, err := NewReplay(ReplayConfig{Inputs: inputs})
		if err != nil {
			t.Fatal(err)
		}
		return r.ID()
	}
	other := strings.Replace(twoTrades, "167.41", "167.42", 1)
	later := strings.ReplaceAll(twoTrades, "138113280", "138113290")
	if a, b := id(twoTrades), id(twoTrades); a != b || a == "" {
		t.Errorf("the same content has identities %q and %q", a, b)
	}
	if id(twoTrades) == id(other) || id(twoTrades) == id(twoTrades, later) {
		t.Error("other content, same identity")
	}
	if id(twoTrades, later) != id(later, twoTrades) {
		t.Error("the order in which files are named changes the identity")
	}
}

func TestReplayPaces(t *testing.T) {
	for _, speed := range []float64{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			path := writeFile(t, "a.csv", "time_ms,symbol,price,size\n10500,A,1,1\n10500,A,2,1\n12500,A,3,1\n11000,A,4,1\n14700,A,5,1\n")
			begin := time.Now()
			out := play(t, ReplayConfig{Inputs: []string{path}, Speed: speed})
			for i, want := range []time.Duration{0, 0, 2000, 2000, 4200} {
				due := time.Duration(float64(want*time.Millisecond) / speed)
				if got := out.at[i].Sub(begin); got < due || got > due+batchWait {
					t.Errorf("at %g×: tick %d came after %s, due after %s", speed, i+1, got, due)
				}
			}
			if len(out.clocks) != 6 || out.flushes == 0 {
				t.Errorf("clocks %v, %d flushes", out.clocks, out.flushes)
			}
		})
	}
}

func TestReplaySkipsGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, "a.csv", "time_ms,symbol,price,size\n10500,A,1,1\n36010500,A,2,1\n36011500,A,3,1\n")
		begin := time.Now()
		paced := play(t, ReplayConfig{Inputs: []string{path}, Speed: 1})
		if took := time.Since(begin); took < 2*time.Second || took > 2*time.Second+2*batchWait {
			t.Errorf("took %s, want the pause of a second and the last second", took)
		}
		if !strings.Contains(paced.saidText(), "nothing was recorded from 1970-01-01 00:00:10 UTC to 1970-01-01 10:00:10 UTC (10h0m0s)") {
			t.Errorf("said %q", paced.saidText())
		}
		if len(paced.clocks) != 4 {
			t.Errorf("clocks %v", paced.clocks)
		}
		quick := play(t, ReplayConfig{Inputs: []string{path}})
		if !slices.Equal(quick.order, paced.order) {
			t.Errorf("paced %q\nquick %q", paced.order, quick.order)
		}
	})
}

func TestReplayResumesWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, "a.csv", "time_ms,symbol,price,size\n10000,A,1,1\n40000,A,2,1\n90000,A,3,1\n90500,A,3,1\n")
		r, err := NewReplay(ReplayConfig{Inputs: []string{path}, Speed: 1})
		if err != nil {
			t.Fatal(err)
		}
		r.Resume(3)
		begin := time.Now()
		var out tape
		if err := r.Run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took != 500*time.Millisecond || len(out.ticks) != 4 {
			t.Errorf("took %s for %d ticks, want half a second for 4", took, len(out.ticks))
		}
	})
}

// slowSink blocks in every tick.
type slowSink struct {
	tape
	delay time.Duration
}

func (s *slowSink) Tick(t *market.Tick, row int64) error {
	time.Sleep(s.delay)
	return s.tape.Tick(t, row)
}

func TestReplayDoesNotRaceAfterASlowSink(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		path := writeFile(t, "a.csv", "time_ms,symbol,price,size\n1000,A,1,1\n2000,A,2,1\n3000,A,3,1\n13000,A,3,1\n")
		r, err := NewReplay(ReplayConfig{Inputs: []string{path}, Speed: 1})
		if err != nil {
			t.Fatal(err)
		}
		out := slowSink{delay: 10 * time.Second}
		if err := r.Run(t.Context(), &out); err != nil {
			t.Fatal(err)
		}
		if got := out.at[3].Sub(out.at[2]); got < 10*time.Second {
			t.Errorf("10 s of source time took %s", got)
		}
	})
}

func TestReplayStops(t *testing.T) {
	path := writeFile(t, "a.csv", twoTrades)
	r, err := NewReplay(ReplayConfig{Inputs: []string{path}, Speed: 1})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("the log is full")
	if err := r.Run(t.Context(), &tape{fail: broken}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the sink's error", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx, &tape{}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
}

func TestReplayGoesOnPastADamagedFile(t *testing.T) {
	var b strings.Builder
	b.WriteString("time_ms,symbol,price,size\n")
	for i := range 5000 {
		fmt.Fprintf(&b, "%d,A,%d.%d,1\n", 1000+i, i%97+1, i*7919%1000)
	}
	whole := gzipped(t, b.String())
	torn := writeFile(t, "torn.csv.gz", whole[:len(whole)/2])
	good := writeFile(t, "good.csv", "time_ms,symbol,price,size\n1000,B,1,1\n900000,B,2,1\n")
	r, err := NewReplay(ReplayConfig{Inputs: []string{torn, good}})
	if err != nil {
		t.Fatal(err)
	}
	var out tape
	if err = r.Run(t.Context(), &out); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "torn.csv.gz") {
		t.Errorf("got %v, want ErrDamaged that names the file", err)
	}
	if n := len(out.ticks); n < 1000 || out.ticks[n-1].Symbol != "B" {
		t.Errorf("%d ticks", n)
	}
	if len(out.clocks) == 0 || !out.clocks[len(out.clocks)-1].End {
		t.Error("no end clock")
	}
	if last := out.said[len(out.said)-1]; last.Level != Trouble {
		t.Errorf("said %+v at the end", last)
	}
}

func TestReplayRowsOfHistory(t *testing.T) {
	ticks := []market.Tick{
		{Symbol: "A", Time: 1_000_000, Price: 1, Size: 1, Source: "sim"},
		{Symbol: "A", Time: 2_000_000, Price: -1, Size: 1},
		{Symbol: "A", Time: 3_000_000, Price: 3, Size: 1},
	}
	i := 0
	r, err := NewReplayRows("history", "day 1", func(_ context.Context, t *market.Tick) (bool, error) {
		if i == len(ticks) {
			return false, nil
		}
		*t = ticks[i]
		i++
		return true, nil
	}, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out tape
	if err := r.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	if r.Name() != "history" || r.ID() != "day 1" || out.ticks[0].Source != "history" || !slices.Equal(out.rows, []int64{1, 3}) || len(out.rejects) != 1 {
		t.Errorf("ticks %+v, rows %v, rejects %q", out.ticks, out.rows, out.rejects)
	}
}

func TestReplayOfARecordedDay(t *testing.T) {
	path := filepath.FromSlash("../../../shared/data/ticks/2013-10-07/ticks.csv.gz")
	if _, err := os.Stat(path); err != nil {
		t.Skip("../shared is missing: the recorded day is not checked")
	}
	r, err := NewReplay(ReplayConfig{Inputs: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	out := countingSink{symbols: make(map[string]int)}
	if err := r.Run(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	want := map[string]int{"SPY": 250601, "BAC": 88172, "AIG": 25351, "IBM": 24293}
	if out.ticks != 388_417 || out.row != 388_417 || !reflect.DeepEqual(out.symbols, want) {
		t.Errorf("%d ticks, last row %d, %v", out.ticks, out.row, out.symbols)
	}
}

// countingSink only counts.
type countingSink struct {
	ticks   int
	row     int64
	symbols map[string]int
}

func (s *countingSink) Tick(t *market.Tick, row int64) error {
	s.ticks++
	s.row = row
	if s.symbols != nil {
		s.symbols[t.Symbol]++
	}
	return nil
}
func (s *countingSink) Clock(market.Clock) error { return nil }
func (s *countingSink) Flush() error             { return nil }
func (s *countingSink) Say(Condition)            {}

func benchmarkRows(n int) string {
	var b strings.Builder
	b.WriteString("time_ms,symbol,price,size,exchange,condition,suspicious\n")
	symbols := []string{"SPY", "IBM", "AIG", "BAC", "AAPL", "MSFT"}
	for i := range n {
		fmt.Fprintf(&b, "%d,%s,%d.%04d,%d,P,20002000,0\n", 1381132800464+int64(i)*3, symbols[i*7%6], 100+i%90, i*7919%10000, i%9*100+100)
	}
	return b.String()
}

func BenchmarkReplay(b *testing.B) {
	const rows = 200_000
	text := benchmarkRows(rows)
	run := func(path string) func(b *testing.B) {
		return func(b *testing.B) {
			r, err := NewReplay(ReplayConfig{Inputs: []string{path}})
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if err := r.Run(context.Background(), &countingSink{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
		}
	}
	b.Run("plain", run(writeFile(b, "a.csv", text)))
	b.Run("gzip", run(writeFile(b, "a.csv.gz", gzipped(b, text))))
	b.Run("zstd", run(writeFile(b, "a.csv.zst", zstded(b, text))))
	b.Run("encoding-csv", func(b *testing.B) { // what it is measured against: the fields alone
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			r := csv.NewReader(strings.NewReader(text))
			r.ReuseRecord = true
			for {
				if _, err := r.Read(); err == io.EOF {
					break
				} else if err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(rows)*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
	})
}
