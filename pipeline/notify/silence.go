package notify

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/market"
)

// SilencePrefix is what the keys of silences on the topic rules begin with.
const SilencePrefix = "silence/"

// Labels are what a silence may match, beyond nothing at all.
var labels = []string{"rule", "symbol", "severity", "state", "sector"}

// Silence keeps alerts that match all of its labels from being sent until it ends.
type Silence struct {
	ID      string            `json:"id"`
	Match   map[string]string `json:"match"` // rule, symbol, severity, state, sector → value or glob (* ?)
	Until   market.Time       `json:"until"`
	Note    string            `json:"note,omitempty"`
	Edited  market.Time       `json:"edited"`
	By      string            `json:"by"`
	Removed bool              `json:"removed,omitempty"` // taken back before its end
}

// Validate says what is wrong with a silence, if anything.
func (s *Silence) Validate() error {
	switch {
	case s.ID == "" || strings.ContainsAny(s.ID, " \t\n/"):
		return errors.New("a silence needs an id without spaces")
	case s.Until <= 0:
		return errors.New("a silence needs an end")
	case len(s.Match) == 0:
		return fmt.Errorf("a silence without a label would silence everything; give one of %s", strings.Join(labels, ", "))
	}
	for label, pattern := range s.Match {
		if !slices.Contains(labels, label) {
			return fmt.Errorf("%q is not a label; one of %s", label, strings.Join(labels, ", "))
		}
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%s: %q is not a value or a pattern such as NV*", label, pattern)
		}
	}
	return nil
}

// Matches says whether all labels are an alert's.
func (s *Silence) Matches(a *market.Alert) bool {
	for label, pattern := range s.Match {
		value := ""
		switch label {
		case "rule":
			value = a.Rule
		case "symbol":
			value = a.Symbol
		case "severity":
			value = a.Severity.String()
		case "state":
			value = a.State.String()
		case "sector":
			company, _ := market.Lookup(a.Symbol)
			value = company.Sector
		}
		// A slash is nothing special in a name.
		hit, err := path.Match(strings.ReplaceAll(pattern, "/", "\x01"), strings.ReplaceAll(value, "/", "\x01"))
		if err != nil || !hit {
			return false
		}
	}
	return len(s.Match) > 0
}

// Active says whether the silence holds at a time.
func (s *Silence) Active(now market.Time) bool { return !s.Removed && now < s.Until }

// EncodeSilence is the form on the topic.
func EncodeSilence(s *Silence) []byte {
	data, _ := json.Marshal(s) // texts and numbers: it cannot fail
	return data
}

// DecodeSilence reads what EncodeSilence writes; unknown fields are skipped.
func DecodeSilence(data []byte, s *Silence) error {
	*s = Silence{}
	if err := json.Unmarshal(data, s); err != nil {
		return fmt.Errorf("read silence: %w", err)
	}
	if err := s.Validate(); err != nil {
		return fmt.Errorf("read silence: %w", err)
	}
	return nil
}

// Silences are those that are known, safe for concurrent use. The zero value is empty.
type Silences struct {
	mu  sync.RWMutex
	set map[string]Silence
}

// Take takes a record of the topic rules. It is false where the key is not a
// silence's; an empty value forgets the silence.
func (b *Silences) Take(key, value []byte) (bool, error) {
	id, ok := strings.CutPrefix(string(key), SilencePrefix)
	if !ok {
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(value) == 0 {
		delete(b.set, id)
		return true, nil
	}
	var s Silence
	if err := DecodeSilence(value, &s); err != nil {
		return true, err
	}
	if b.set == nil {
		b.set = map[string]Silence{}
	}
	b.set[s.ID] = s
	return true, nil
}

// Of is the silence that keeps an alert from being sent now, if there is one.
func (b *Silences) Of(a *market.Alert, now time.Time) (Silence, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	for _, s := range b.set {
		if s.Active(market.At(now)) && s.Matches(a) {
			return s, true
		}
	}
	return Silence{}, false
}

// All lists the silences, the ones that end first in front.
func (b *Silences) All() []Silence {
	b.mu.RLock()
	defer b.mu.RUnlock()
	list := make([]Silence, 0, len(b.set))
	for _, s := range b.set {
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y Silence) int {
		if x.Until != y.Until {
			return int(min(max(int64(x.Until)-int64(y.Until), -1), 1))
		}
		return strings.Compare(x.ID, y.ID)
	})
	return list
}
