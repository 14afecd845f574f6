package market

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"unique"
)

// The forms of what is rare enough for encoding/json: alerts, rules,
// predictions and dead letters. Severities and states are written as words,
// times as microseconds, numbers that are not there as null.

// MarshalText writes the severity's name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads info, warning or critical; nothing is info.
func (s *Severity) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*s = Info
		return nil
	}
	return fromName(severityNames[:], text, "severity", (*uint8)(s))
}

// MarshalText writes the state's name.
func (s AlertState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads pending, firing, resolved or once.
func (s *AlertState) UnmarshalText(text []byte) error {
	return fromName(alertStateNames[:], text, "alert state", (*uint8)(s))
}

func fromName(names []string, text []byte, what string, v *uint8) error {
	for i, name := range names {
		if name == string(text) {
			*v = uint8(i)
			return nil
		}
	}
	return fmt.Errorf("%q is not a %s; one of %v", clip(string(text)), what, names)
}

// number is a float64 whose NaN is JSON's null.
type number float64

func (n number) MarshalJSON() ([]byte, error) { return appendFloat(nil, float64(n)), nil }

func (n *number) UnmarshalJSON(data []byte) error {
	*n = number(math.NaN())
	if string(data) == "null" {
		return nil
	}
	return json.Unmarshal(data, (*float64)(n))
}

type alertRecord struct {
	ID        string     `json:"id"`
	Symbol    string     `json:"symbol"`
	Time      Time       `json:"time"`
	Rule      string     `json:"rule"`
	Revision  int32      `json:"revision"`
	Severity  Severity   `json:"severity"`
	State     AlertState `json:"state"`
	Value     number     `json:"value"`
	Threshold number     `json:"threshold"`
	Message   string     `json:"message"`
	Notify    []string   `json:"notify,omitempty"`
}

// EncodeAlert is a as JSON, the form of the alerts topic.
func EncodeAlert(a *Alert) []byte {
	return encode(alertRecord{a.ID, a.Symbol, a.Time, a.Rule, a.Revision, a.Severity, a.State,
		number(a.Value), number(a.Threshold), a.Message, a.Notify})
}

// DecodeAlert reads what EncodeAlert writes.
func DecodeAlert(data []byte, a *Alert) error {
	r := alertRecord{Value: number(math.NaN()), Threshold: number(math.NaN())}
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read alert: %w", err)
	}
	if r.ID == "" || r.Rule == "" || r.Time == 0 {
		return fmt.Errorf("read alert: id, rule or time is missing")
	}
	*a = Alert{r.ID, r.Symbol, r.Time, r.Rule, r.Revision, r.Severity, r.State,
		float64(r.Value), float64(r.Threshold), r.Message, r.Notify}
	return nil
}

type ruleRecord struct {
	Name        string   `json:"name"`
	Watch       []string `json:"watch,omitempty"`
	When        string   `json:"when"`
	For         string   `json:"for,omitempty"`
	Repeat      string   `json:"repeat,omitempty"`
	Cooldown    string   `json:"cooldown,omitempty"`
	KeepFiring  string   `json:"keep_firing,omitempty"`
	Expires     Time     `json:"expires,omitempty"`
	Severity    Severity `json:"severity"`
	Notify      []string `json:"notify,omitempty"`
	Note        string   `json:"note,omitempty"`
	Disabled    bool     `json:"disabled,omitempty"`
	Deleted     bool     `json:"deleted,omitempty"`
	Revision    int32    `json:"revision"`
	Edited      Time     `json:"edited,omitempty"`
	EditedBy    string   `json:"edited_by,omitempty"`
	Description string   `json:"description,omitempty"`
}

// RuleVersion is the form of rules on the topic and in files that this version
// writes. Records and files without one are of the first form.
const RuleVersion = 1

// ErrNewer: a rule has a form that this version does not know.
var ErrNewer = errors.New("it was written by a newer tapedeck: install that one")

// EncodeRule is r as JSON, the form of the rules topic.
func EncodeRule(r *Rule) []byte { return encode(ruleRecord(*r)) }

// DecodeRule reads what EncodeRule writes. ErrNewer: a newer version wrote it.
func DecodeRule(data []byte, r *Rule) error {
	var form struct {
		Version int `json:"version"` // absent is the first; what else a newer one holds is not asked
	}
	if json.Unmarshal(data, &form) == nil && form.Version > RuleVersion {
		return fmt.Errorf("read rule: %w", ErrNewer)
	}
	var rec ruleRecord
	if err := json.Unmarshal(data, &rec); err != nil {
		return fmt.Errorf("read rule: %w", err)
	}
	if rec.Name == "" {
		return fmt.Errorf("read rule: the name is missing")
	}
	*r = Rule(rec)
	return nil
}

type predictionRecord struct {
	Symbol     string `json:"symbol"`
	Model      string `json:"model"`
	Version    string `json:"version"`
	Made       Time   `json:"made"`
	Bar        Time   `json:"bar"`
	Horizon    int32  `json:"horizon"`
	Base       number `json:"base"`
	Mean       number `json:"mean"`
	Low        number `json:"low"`
	High       number `json:"high"`
	BackFilled bool   `json:"back_filled,omitempty"`
}

// EncodePrediction is p as JSON, the form of the predictions topic.
func EncodePrediction(p *Prediction) []byte {
	return encode(predictionRecord{p.Symbol, p.Model, p.Version, p.Made, p.Bar, p.Horizon,
		number(p.Base), number(p.Mean), number(p.Low), number(p.High), p.BackFilled})
}

// DecodePrediction reads what EncodePrediction writes.
func DecodePrediction(data []byte, p *Prediction) error {
	var r predictionRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read prediction: %w", err)
	}
	if !ValidSymbol(r.Symbol) || r.Model == "" || r.Bar == 0 || r.Horizon <= 0 {
		return fmt.Errorf("read prediction: symbol, model, bar or horizon is missing")
	}
	// Thousands of them name the same few models.
	model, version := unique.Make(r.Model).Value(), unique.Make(r.Version).Value()
	*p = Prediction{r.Symbol, model, version, r.Made, r.Bar, r.Horizon,
		float64(r.Base), float64(r.Mean), float64(r.Low), float64(r.High), r.BackFilled}
	return nil
}

type deadLetterRecord struct {
	Topic     string `json:"topic"`
	Partition int32  `json:"partition"`
	Offset    int64  `json:"offset"`
	Received  Time   `json:"received"`
	Reason    string `json:"reason"`
	Value     []byte `json:"value"` // base64: the bytes may be anything
}

// EncodeDeadLetter is d as JSON, the form of the dead-letters topic.
func EncodeDeadLetter(d *DeadLetter) []byte { return encode(deadLetterRecord(*d)) }

// DecodeDeadLetter reads what EncodeDeadLetter writes.
func DecodeDeadLetter(data []byte, d *DeadLetter) error {
	var r deadLetterRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read dead letter: %w", err)
	}
	*d = DeadLetter(r)
	return nil
}

// encode marshals a record whose fields cannot fail.
func encode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("market: " + err.Error())
	}
	return data
}

// Endpoint says whether the endpoint that serves the predictions answers. It
// lies on the rules topic, since rules may ask for it.
type Endpoint struct {
	Up    bool   `json:"up"`
	Since Time   `json:"since"` // by the wall clock
	Text  string `json:"text,omitempty"`
}

// EncodeEndpoint gives the record as JSON.
func EncodeEndpoint(e *Endpoint) []byte { return encode(e) }

// DecodeEndpoint reads what EncodeEndpoint writes.
func DecodeEndpoint(data []byte, e *Endpoint) error {
	*e = Endpoint{}
	if err := json.Unmarshal(data, e); err != nil {
		return fmt.Errorf("read the endpoint's state: %w", err)
	}
	return nil
}
