package live

import (
	"encoding/json"
	"fmt"

	"tapedeck/pipeline/market"
)

// Level says how well a stage is.
type Level uint8

// The levels, best first.
const (
	OK      Level = iota
	Working       // well, but busy with something that ends: catching up, training, replaying
	Trouble       // impaired; it mends itself, or somebody should look
	Failed        // stopped by an error
)

var levelNames = [...]string{"ok", "working", "trouble", "failed"}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return levelNames[Trouble]
}

// MarshalText writes the level's name.
func (l Level) MarshalText() ([]byte, error) { return []byte(l.String()), nil }

// UnmarshalText reads ok, working, trouble or failed; nothing is ok, and a
// word of a later version is trouble.
func (l *Level) UnmarshalText(text []byte) error {
	*l = Trouble
	if len(text) == 0 {
		*l = OK
	}
	for i, name := range levelNames {
		if name == string(text) {
			*l = Level(i)
		}
	}
	return nil
}

// Status is how one stage of one instance does. Each writes one a second to
// the topic status. Rates are per second over about the last second; totals
// count since the process started.
type Status struct {
	Instance string      `json:"instance"` // the process's slot, unique on the cluster
	PID      int         `json:"pid,omitempty"`
	Stage    string      `json:"stage"` // feed, compute, archive, publish, predict, notify …
	Host     string      `json:"host,omitempty"`
	Version  string      `json:"version,omitempty"`
	Time     market.Time `json:"time"`            // wall clock of the writer
	Ended    bool        `json:"ended,omitempty"` // what it was to do is done, and it tells no more

	In      float64          `json:"in"`                // records read per second
	Out     float64          `json:"out"`               // records written per second
	Total   int64            `json:"total"`             // records read
	Lag     int64            `json:"lag"`               // records not read yet
	LagAge  float64          `json:"lag_age,omitempty"` // seconds since the oldest of them was written, or since this process began to look
	Errors  int64            `json:"errors,omitempty"`
	Drops   int64            `json:"drops,omitempty"`   // left out by a newest-wins hand-over
	Reasons map[string]int64 `json:"reasons,omitempty"` // dead letters by reason
	Alerts  map[string]int64 `json:"alerts,omitempty"`  // raised, by severity
	Written int64            `json:"written,omitempty"` // records written
	Moves   int64            `json:"moves,omitempty"`   // rebalances of the stage's groups

	Level    Level   `json:"level,omitempty"`
	Text     string  `json:"text,omitempty"`     // the state in words: "kafka: broker 2 away for 12 s, retrying"
	Progress float64 `json:"progress,omitempty"` // 0 … 1 of the work that Text names; 0 where there is none

	Source  string    `json:"source,omitempty"` // of a feed, in words: "simulated", "replay of ticks.csv.gz ×10"
	Feeds   []Feed    `json:"feeds,omitempty"`
	Flush   *Flush    `json:"flush,omitempty"` // the newest write to the lake
	Models  []Model   `json:"models,omitempty"`
	Rules   []Rule    `json:"rules,omitempty"` // of compute, by name
	Memory  int64     `json:"memory,omitempty"`
	Events  []Notice  `json:"events,omitempty"`  // the newest few, repeated for a while; readers drop repeats
	Pending []Pending `json:"pending,omitempty"` // of compute: alerts that wait, those that are due first
}

// Feed is the condition of one source.
type Feed struct {
	Name   string  `json:"name"`
	Level  Level   `json:"level,omitempty"`
	Text   string  `json:"text,omitempty"` // "rate limited, next try in 12 s"
	Rate   float64 `json:"rate,omitempty"` // ticks per second
	Market string  `json:"market,omitempty"`
}

// Flush is one write to the lake.
type Flush struct {
	Time  market.Time `json:"time"`
	Table string      `json:"table,omitempty"`
	Rows  int64       `json:"rows"`
	Bytes int64       `json:"bytes,omitempty"`
	Files int         `json:"files,omitempty"`
	Count int64       `json:"count,omitempty"` // writes since the process began
	Total int64       `json:"total,omitempty"` // their rows
}

// Notice is something worth a line among the events: "hour 13 published,
// 3,600,212 ticks".
type Notice struct {
	Time   market.Time `json:"time"`
	Level  Level       `json:"level,omitempty"`
	Stage  string      `json:"stage,omitempty"`
	Symbol string      `json:"symbol,omitempty"` // where it concerns one
	Text   string      `json:"text"`
}

// EncodeStatus is the form on the topic.
func EncodeStatus(s *Status) []byte {
	data, err := json.Marshal(s)
	if err != nil { // a NaN rate: the only value that JSON has no word for
		clean := *s
		clean.In, clean.Out, clean.LagAge, clean.Progress = finite(s.In), finite(s.Out), finite(s.LagAge), finite(s.Progress)
		clean.Feeds = append([]Feed(nil), s.Feeds...)
		for i := range clean.Feeds {
			clean.Feeds[i].Rate = finite(clean.Feeds[i].Rate)
		}
		data, _ = json.Marshal(&clean)
	}
	return data
}

func finite(v float64) float64 {
	if v-v != 0 {
		return 0
	}
	return v
}

// DecodeStatus reads what EncodeStatus writes; unknown fields are skipped.
func DecodeStatus(data []byte, s *Status) error {
	*s = Status{}
	if err := json.Unmarshal(data, s); err != nil {
		return fmt.Errorf("read status: %w", err)
	}
	if s.Stage == "" {
		return fmt.Errorf("read status: it names no stage")
	}
	return nil
}
