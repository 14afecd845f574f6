package alert

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/market"
)

// event is one line of a script.
type event struct {
	line  int
	apply func(*Engine, func(*market.Alert)) error
	want  []string // alerts, as told
}

// readScript reads a script of the domain:
//
//	start 2025-11-20T14:30:00Z          times below count from here
//	market nyse                         or open (always; the default)
//	rule NAME                           its fields follow, indented: when, for, repeat, cooldown, keep, watch, expires, revision
//	drop NAME
//	group NAME [AAPL …]                 who is in it from now on
//	tick AAPL 100 x50 @3s [until 9s]    a price; repeated each second with until
//	bar AAPL 1m 100 101 99 100.5 x500 @0s [rev 1]
//	predict AAPL lstm 99 100 101 @0s
//	endpoint down @5s                   or up
//	clock @10s [until 20s]
//	expect firing AAPL NAME @10s [message TEXT]     what the event above told, in order
func readScript(t *testing.T, text string) (events []*event, calendar *market.Calendar) {
	t.Helper()
	calendar = market.AlwaysOpen()
	start, _ := market.ParseTime("2025-11-20T15:00:00Z")
	at := func(s string) market.Time {
		d, err := time.ParseDuration(strings.TrimPrefix(s, "@"))
		if err != nil {
			t.Fatal(err)
		}
		return start.Add(d)
	}
	number := func(s string) float64 {
		v, err := strconv.ParseFloat(strings.TrimPrefix(s, "x"), 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	var rule *market.Rule
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if line[0] == ' ' {
			value := strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), words[0]))
			switch words[0] {
			case "when":
				rule.When = value
			case "for":
				rule.For = value
			case "repeat":
				rule.Repeat = value
			case "cooldown":
				rule.Cooldown = value
			case "keep":
				rule.KeepFiring = value
			case "watch":
				rule.Watch = words[1:]
			case "expires":
				rule.Expires = at(value)
			case "revision":
				rule.Revision = int32(number(value))
			default:
				t.Fatalf("line %d: a rule has no %q", i+1, words[0])
			}
			continue
		}
		name := strings.TrimSpace(strings.TrimPrefix(line, words[0]))
		add := func(apply func(*Engine, func(*market.Alert)) error) {
			events = append(events, &event{line: i + 1, apply: apply})
		}
		switch words[0] {
		case "start":
			start, _ = market.ParseTime(name)
		case "market":
			if name == "nyse" {
				calendar = market.NYSE()
			}
		case "rule":
			r := &market.Rule{Name: name, Revision: 1}
			for _, d := range Defaults() {
				if d.Name == name {
					*r = d
				}
			}
			rule = r
			add(func(e *Engine, _ func(*market.Alert)) error { return e.SetRule(*r) })
		case "drop":
			add(func(e *Engine, _ func(*market.Alert)) error { return e.SetRule(market.Rule{Name: name, Deleted: true}) })
		case "group":
			add(func(e *Engine, _ func(*market.Alert)) error { e.SetGroup(words[1], words[2:]); return nil })
		case "tick":
			tick := market.Tick{Symbol: words[1], Price: number(words[2]), Size: int64(number(words[3])), Time: at(words[4])}
			last := tick.Time
			if len(words) > 6 {
				last = at(words[6])
			}
			for ; tick.Time <= last; tick.Time = tick.Time.Add(time.Second) {
				one := tick
				add(func(e *Engine, emit func(*market.Alert)) error { e.Tick(&one, emit); return nil })
			}
		case "bar":
			interval, err := market.ParseInterval(words[2])
			if err != nil {
				t.Fatal(err)
			}
			b := market.Bar{Symbol: words[1], Interval: interval, Open: number(words[3]), High: number(words[4]), Low: number(words[5]),
				Close: number(words[6]), VWAP: number(words[6]), Volume: int64(number(words[7])), Trades: 1, Time: at(words[8])}
			last := b.Time
			if len(words) > 10 && words[9] == "rev" {
				b.Revision = int32(number(words[10]))
			} else if len(words) > 10 {
				last = at(words[10])
			}
			for ; b.Time <= last; b.Time = b.Time.Add(interval.Length()) {
				one := b
				add(func(e *Engine, emit func(*market.Alert)) error { e.Bar(&one, emit); return nil })
			}
		case "predict":
			p := market.Prediction{Symbol: words[1], Model: words[2], Low: number(words[3]), Mean: number(words[4]), High: number(words[5]), Made: at(words[6])}
			add(func(e *Engine, _ func(*market.Alert)) error { e.SetPrediction(&p); return nil })
		case "endpoint":
			up, since := words[1] == "up", at(words[2])
			add(func(e *Engine, _ func(*market.Alert)) error { e.SetEndpoint(up, since); return nil })
		case "clock":
			now := at(words[1])
			last := now
			if len(words) > 3 {
				last = at(words[3])
			}
			for ; now <= last; now = now.Add(time.Second) {
				one := now
				add(func(e *Engine, emit func(*market.Alert)) error { e.Clock(one, emit); return nil })
			}
		case "expect":
			last := events[len(events)-1]
			head, message, _ := strings.Cut(name, " message ")
			place := strings.LastIndex(head, " @")
			when := at(strings.TrimSpace(head[place:]))
			want := fmt.Sprintf("%s at %s", strings.TrimSpace(head[:place]), when)
			if message != "" {
				want += ": " + message
			}
			last.want = append(last.want, want)
		default:
			t.Fatalf("line %d: %q is not known", i+1, words[0])
		}
	}
	return events, calendar
}

func told(a *market.Alert) string {
	symbol := a.Symbol
	if symbol == "" {
		symbol = "-"
	}
	return fmt.Sprintf("%s %s %s at %s: %s", a.State, symbol, a.Rule, a.Time, a.Message)
}

func scripts(t testing.TB) []string {
	names, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(names) == 0 {
		t.Fatal("no scripts", err)
	}
	return names
}

func TestScripts(t *testing.T) {
	for _, name := range scripts(t) {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			events, calendar := readScript(t, string(text))
			e := New(Config{Calendar: func(string) *market.Calendar { return calendar }})
			ids := map[string]string{}
			for _, ev := range events {
				var got []string
				if err := ev.apply(e, func(a *market.Alert) {
					if other, ok := ids[a.ID]; ok {
						t.Errorf("line %d: %s and %s have one ID", ev.line, told(a), other)
					}
					ids[a.ID] = told(a)
					got = append(got, told(a))
				}); err != nil {
					t.Fatalf("line %d: %v", ev.line, err)
				}
				for i := range max(len(got), len(ev.want)) {
					switch {
					case i >= len(got):
						t.Errorf("line %d: missing: %s", ev.line, ev.want[i])
					case i >= len(ev.want):
						t.Errorf("line %d: too much: %s", ev.line, got[i])
					case got[i] != ev.want[i] && !strings.HasPrefix(got[i], ev.want[i]+": "):
						t.Errorf("line %d:\n got %s\nwant %s", ev.line, got[i], ev.want[i])
					}
				}
			}
		})
	}
}
