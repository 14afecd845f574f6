package market

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Group is a named set of symbols that alert rules may watch: a list that
// somebody keeps, or what a saved query gave when it was last asked. Groups lie
// on the rules topic, beside the rules.
type Group struct {
	Name     string   // "tech", or "query:NAME" for a saved query
	Symbols  []string // in order, each once
	SQL      string   // of a saved query's own record: the statement whose column symbol says who is in it
	Deleted  bool
	Edited   Time
	EditedBy string
}

// Keys of groups on the rules topic. The statement of a saved query and what
// it gave have a record each: the one is edited, the other is computed.
const (
	GroupPrefix = "group/" // + name: who is in it
	QueryPrefix = "query/" // + name without "query:": the statement
	QueryGroup  = "query:" // before the name of a saved query, among groups
)

// MaxGroup is the most symbols that a group has.
const MaxGroup = 10_000

// maxGroupName bounds a group's name, in bytes.
const maxGroupName = 60

// ValidGroup says whether a group can have that name; "query:" before it
// counts as a part of it.
func ValidGroup(name string) bool {
	bare := strings.TrimPrefix(name, QueryGroup)
	return bare != "" && len(bare) <= maxGroupName && strings.TrimSpace(bare) == bare &&
		!strings.ContainsFunc(bare, func(r rune) bool { return unicode.IsControl(r) || strings.ContainsRune(",/!*?:", r) })
}

// Key is where the group lies on the rules topic: its statement, if it has
// one, else its symbols.
func (g *Group) Key() string {
	if g.SQL != "" {
		return QueryPrefix + strings.TrimPrefix(g.Name, QueryGroup)
	}
	return GroupPrefix + g.Name
}

// SetSymbols makes symbols the group's, in order and each once. The error
// names the first that is none, or says that there are too many.
func (g *Group) SetSymbols(symbols []string) error {
	sorted := slices.Clone(symbols)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	if len(sorted) > MaxGroup {
		return fmt.Errorf("group %q: %d symbols are more than %d", clip(g.Name), len(sorted), MaxGroup)
	}
	for _, s := range sorted {
		if !ValidSymbol(s) {
			return fmt.Errorf("group %q: %q is no symbol", clip(g.Name), clip(s))
		}
	}
	g.Symbols = sorted
	return nil
}

type groupRecord struct {
	Name     string   `json:"name"`
	Symbols  []string `json:"symbols,omitempty"`
	SQL      string   `json:"sql,omitempty"`
	Deleted  bool     `json:"deleted,omitempty"`
	Edited   Time     `json:"edited,omitempty"`
	EditedBy string   `json:"edited_by,omitempty"`
}

// EncodeGroup is g as JSON, the form of the rules topic.
func EncodeGroup(g *Group) []byte { return encode(groupRecord(*g)) }

// DecodeGroup reads what EncodeGroup writes.
func DecodeGroup(data []byte, g *Group) error {
	var r groupRecord
	if err := json.Unmarshal(data, &r); err != nil {
		return fmt.Errorf("read group: %w", err)
	}
	if !ValidGroup(r.Name) {
		return fmt.Errorf("read group: %q is no name of a group", clip(r.Name))
	}
	list := r.Symbols
	r.Symbols = nil
	read := Group(r)
	if err := read.SetSymbols(list); err != nil {
		return fmt.Errorf("read group: %w", err)
	}
	*g = read
	return nil
}
