package feed

import (
	"bytes"
	"encoding/csv"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tapedeck/pipeline/market"
)

// scanAll cuts text into rows and also says which were bad.
func scanAll(t *testing.T, r io.Reader) (rows []string, bad int) {
	s := newRowScanner(r)
	if err := s.detect(); err != nil {
		return nil, 0
	}
	line := int64(0)
	for {
		row, err := s.next()
		if row == nil {
			if err != io.EOF {
				t.Fatalf("ended with %v", err)
			}
			return rows, bad
		}
		if s.line < line {
			t.Fatalf("line %d after line %d", s.line, line)
		}
		line = s.line
		if err != nil {
			bad++
		}
		rows = append(rows, string(row))
	}
}

func FuzzRowScanner(f *testing.F) {
	f.Add("a,b\n1,2\r\n\"x\ny\",z\n")
	f.Add("a\rb\rc")
	f.Add("\ufeffa,\"b\n1,2\n3,\"4\n")
	f.Add("\"\"\"\"\n,\n\"")
	f.Fuzz(func(t *testing.T, text string) {
		rows, _ := scanAll(t, strings.NewReader(text))
		slow, _ := scanAll(t, iotest.OneByteReader(strings.NewReader(text)))
		if !slices.Equal(rows, slow) {
			t.Fatalf("the rows depend on how the bytes come: %q and %q", rows, slow)
		}
		kept := strings.NewReplacer("\r", "", "\n", "")
		if got, want := kept.Replace(strings.Join(rows, "")), kept.Replace(strings.TrimPrefix(text, "\ufeff")); got != want &&
			!strings.HasPrefix(text, "\xff\xfe") && !strings.HasPrefix(text, "\xfe\xff") {
			t.Fatalf("bytes were lost: %q of %q", got, want)
		}
	})
}

// FuzzSplitRow compares with encoding/csv on what both accept.
func FuzzSplitRow(f *testing.F) {
	f.Add(`a,"b ""c""",,d`)
	f.Add(`"",""`)
	f.Fuzz(func(t *testing.T, row string) {
		if strings.ContainsAny(row, "\r\n") {
			return
		}
		fields, err := splitRow(nil, []byte(row), ',')
		want, wantErr := csv.NewReader(strings.NewReader(row)).Read()
		if err != nil || wantErr != nil {
			return
		}
		if !slices.EqualFunc(fields, want, func(a []byte, b string) bool { return string(a) == b }) {
			t.Fatalf("%q: got %q, encoding/csv has %q", row, fields, want)
		}
	})
}

func FuzzRowParser(f *testing.F) {
	f.Add("time,symbol,price,size,bid,ask,exchange,condition", "2013-10-07T08:00:00.464Z,SPY,167.41,100,1,2,Q,x")
	f.Add("time_ms,symbol,price,size", "1381132800464,SPY,167.41,1e3")
	f.Add("timestamp;symbol;price;volume", "1381132800.464;spy;.5;")
	f.Fuzz(func(t *testing.T, header, row string) {
		p, err := newRowParser([]byte(header))
		if err != nil {
			return
		}
		var tick market.Tick
		line := []byte(row)
		if err := p.parse(line, &tick); err == nil {
			if err := tick.Validate(); err != nil {
				t.Fatalf("accepted %+v: %v", tick, err)
			}
		}
		if !bytes.Equal(line, []byte(row)) {
			t.Fatal("the row's bytes were changed")
		}
	})
}

func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"167.4100", "0.1", ".5", "5.", "1e3", "-2", "123456789012345.", "999999999999999999999", "+1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fast, ok := parseNumber([]byte(s))
		slow, okSlow := parseNumberSlow([]byte(s))
		if ok != okSlow || ok && fast != slow {
			t.Fatalf("%q: %v %v, strconv has %v %v", s, fast, ok, slow, okSlow)
		}
	})
}
