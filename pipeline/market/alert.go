package market

// Severity of an alert, mildest first.
type Severity uint8

// The severities.
const (
	Info Severity = iota
	Warning
	Critical
)

var severityNames = [...]string{"info", "warning", "critical"}

func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return "info"
}

// AlertState is where an alert stands: a pending alert's condition holds but
// not yet for long enough; a once alert needs no end.
type AlertState uint8

// The states of an alert.
const (
	Pending AlertState = iota
	Firing
	Resolved
	Once
)

var alertStateNames = [...]string{"pending", "firing", "resolved", "once"}

func (s AlertState) String() string {
	if int(s) < len(alertStateNames) {
		return alertStateNames[s]
	}
	return "firing"
}

// Alert says that a rule's condition began or ceased to hold for a symbol.
type Alert struct {
	ID        string // identity: the same transition gives the same ID in every run
	Symbol    string
	Time      Time // event time of the transition
	Rule      string
	Revision  int32 // of the rule
	Severity  Severity
	State     AlertState
	Value     float64 // what the condition's left side was; NaN where it has none
	Threshold float64 // what it was compared with; NaN where it has none
	Message   string
	Notify    []string // targets, by name
}

// Rule is an alert rule as its author wrote it. Package alert gives it meaning.
type Rule struct {
	Name        string   // unique; also the key on the rules topic
	Watch       []string // symbols, globs, sector:NAME, group:NAME; empty is all
	When        string   // the condition
	For         string   // how long it must hold, e.g. "10s"; empty is at once
	Repeat      string   // once, once per bar, once per bar close, every time
	Cooldown    string   // shortest time between two alerts of one symbol
	KeepFiring  string   // how long the condition must be false before it resolves
	Expires     Time     // 0 is never
	Severity    Severity
	Notify      []string
	Note        string
	Disabled    bool
	Deleted     bool
	Revision    int32
	Edited      Time
	EditedBy    string
	Description string
}

// Prediction is one forecast of a symbol's price. Its identity is
// (Symbol, Model, Version, Bar, Horizon).
type Prediction struct {
	Symbol     string
	Model      string
	Version    string
	Made       Time    // when the forecast was made
	Bar        Time    // start of the last bar that it used
	Horizon    int32   // seconds ahead of the end of that bar
	Base       float64 // close of that bar
	Mean       float64
	Low, High  float64 // the 80 % interval
	BackFilled bool    // made afterwards over history, with no look ahead
}

// DeadLetter is a message that could not be used, and why.
type DeadLetter struct {
	Topic     string
	Partition int32
	Offset    int64
	Received  Time
	Reason    string
	Value     []byte // the original bytes
}
