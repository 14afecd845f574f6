package notify

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"tapedeck/pipeline/market"
)

// Message is what one sending says: one alert, or several that belong together.
type Message struct {
	// ID is the alert's own identity or, of several, a hash of theirs: the same
	// alerts give the same ID in any order.
	ID      string
	Alerts  []market.Alert // at least one, oldest first
	Subject string         // a line
	Text    string         // what a person reads; 100 alerts are written out at most
}

// shown is how many alerts a text writes out; below SNS's 256 KB in any case.
const shown = 100

// NewMessage puts alerts, at least one, into words.
func NewMessage(alerts []market.Alert) *Message {
	alerts = slices.Clone(alerts)
	sort.SliceStable(alerts, func(i, j int) bool { return alerts[i].Time < alerts[j].Time })
	return &Message{ID: identity(alerts), Alerts: alerts, Subject: subject(alerts), Text: text(alerts)}
}

func identity(alerts []market.Alert) string {
	if len(alerts) == 1 {
		return alerts[0].ID
	}
	ids := make([]string, len(alerts))
	for i := range alerts {
		ids[i] = alerts[i].ID
	}
	slices.Sort(ids)
	sum := sha256.Sum256([]byte(strings.Join(ids, "\n")))
	return hex.EncodeToString(sum[:16])
}

// Severity is the gravest of the alerts.
func (m *Message) Severity() market.Severity { return gravest(m.Alerts) }

func gravest(alerts []market.Alert) market.Severity {
	worst := market.Info
	for i := range alerts {
		worst = max(worst, alerts[i].Severity)
	}
	return worst
}

// values are what the alerts have in one field, each once, in order.
func (m *Message) values(of func(*market.Alert) string) []string {
	var list []string
	seen := map[string]bool{}
	for i := range m.Alerts {
		if v := of(&m.Alerts[i]); v != "" && !seen[v] {
			seen[v] = true
			list = append(list, v)
		}
	}
	return list
}

func subject(alerts []market.Alert) string {
	a := &alerts[0]
	mark := "[" + gravest(alerts).String() + "] "
	if len(alerts) == 1 {
		if a.State == market.Resolved {
			mark = "[resolved] "
		}
		return mark + headline(a)
	}
	rules := map[string]bool{}
	resolved := 0
	var symbols []string
	for i := range alerts {
		rules[alerts[i].Rule] = true
		if alerts[i].State == market.Resolved {
			resolved++
		}
		if len(symbols) < 3 && alerts[i].Symbol != "" && !slices.Contains(symbols, alerts[i].Symbol) {
			symbols = append(symbols, alerts[i].Symbol)
		}
	}
	if resolved == len(alerts) {
		mark = "[resolved] "
	}
	what := a.Rule
	if len(rules) > 1 {
		what = fmt.Sprintf("%d rules", len(rules))
	}
	names := strings.Join(symbols, ", ")
	if names != "" {
		names = " (" + names
		if len(alerts) > len(symbols) {
			names += ", ..."
		}
		names += ")"
	}
	return fmt.Sprintf("%s%s: %d alerts%s", mark, what, len(alerts), names)
}

func headline(a *market.Alert) string {
	if a.Message != "" {
		return a.Message
	}
	return strings.TrimSpace(a.Symbol + " " + a.Rule)
}

// text reads well in an e-mail: what happened first, then where to look.
func text(alerts []market.Alert) string {
	var b strings.Builder
	if len(alerts) == 1 {
		a := &alerts[0]
		fmt.Fprintf(&b, "%s\n\n", headline(a))
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(&b, "%-10s %s\n", name, value)
			}
		}
		line("Rule", fmt.Sprintf("%s (revision %d)", a.Rule, a.Revision))
		line("Symbol", a.Symbol)
		line("Severity", a.Severity.String())
		line("State", a.State.String())
		line("Time", clock(a.Time))
		line("Value", figure(a.Value))
		line("Threshold", figure(a.Threshold))
		line("Alert", a.ID)
		return b.String()
	}
	fmt.Fprintf(&b, "%d alerts, %s to %s\n\n", len(alerts), clock(alerts[0].Time), clock(alerts[len(alerts)-1].Time))
	for i := range alerts {
		if i == shown {
			fmt.Fprintf(&b, "and %d more\n", len(alerts)-shown)
			break
		}
		a := &alerts[i]
		fmt.Fprintf(&b, "%s  %-8s  %s\n", a.Time.Std().UTC().Format("15:04:05"), a.Severity, clip(headline(a), 300))
	}
	return b.String()
}

func clock(t market.Time) string { return t.Std().UTC().Format("2006-01-02 15:04:05 UTC") }

func figure(v float64) string {
	if v != v {
		return ""
	}
	return strings.TrimRight(strings.TrimRight(fmt.Sprintf("%.6f", v), "0"), ".")
}

// clip shortens text to n bytes at most, at the end of a character.
func clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 3 && !startsRune(text[n-3]) {
		n--
	}
	return text[:n-3] + "..."
}

func startsRune(b byte) bool { return b&0xC0 != 0x80 }

// JSON is the form for programs: {"id","subject","text","count","alerts":[…]},
// the alerts as on the alerts topic.
func (m *Message) JSON() []byte {
	alerts := make([]json.RawMessage, len(m.Alerts))
	for i := range m.Alerts {
		alerts[i] = market.EncodeAlert(&m.Alerts[i])
	}
	data, err := json.Marshal(struct {
		ID      string            `json:"id"`
		Subject string            `json:"subject"`
		Text    string            `json:"text"`
		Count   int               `json:"count"`
		Alerts  []json.RawMessage `json:"alerts"`
	}{m.ID, m.Subject, m.Text, len(alerts), alerts})
	if err != nil { // EncodeAlert wrote something that is not JSON: it cannot
		panic(err)
	}
	return data
}
