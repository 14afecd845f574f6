package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store"
	"tapedeck/tui"
)

// groupBook is the groups as they stand on the topic rules, beside the rules:
// lists, and saved queries with what they gave last. The rulebook's lock guards
// it.
type groupBook struct {
	members map[string]market.Group // who is in it, by name
	queries map[string]market.Group // the statements, by "query:NAME"
}

// take takes a record of the topic; false where it is none of a group.
func (g *groupBook) take(key, value []byte) bool {
	name, isQuery := strings.CutPrefix(string(key), market.QueryPrefix)
	to := &g.queries
	if isQuery {
		name = market.QueryGroup + name
	} else {
		var isGroup bool
		if name, isGroup = strings.CutPrefix(string(key), market.GroupPrefix); !isGroup {
			return false
		}
		to = &g.members
	}
	if *to == nil {
		*to = map[string]market.Group{}
	}
	var group market.Group
	switch {
	case len(value) == 0:
		delete(*to, name)
	case market.DecodeGroup(value, &group) != nil || group.Name != name || isQuery != (group.SQL != ""):
		return true // the pipeline passes it over, too
	case group.Deleted:
		delete(*to, name)
	default:
		(*to)[name] = group
	}
	return true
}

// group is one group with all that is known of it. A saved query was edited
// when its statement was.
func (g *groupBook) group(name string) (market.Group, bool) {
	members, isList := g.members[name]
	query, isQuery := g.queries[name]
	if isQuery {
		query.Symbols = members.Symbols
		return query, true
	}
	return members, isList
}

func (g *groupBook) names() []string {
	names := slices.Collect(maps.Keys(g.queries))
	for name := range g.members {
		if _, both := g.queries[name]; !both {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// errNoGroup says that there is no group of that name.
var errNoGroup = errors.New("there is no such group")

// Groups is every group that stands, by name.
func (b *rulebook) Groups() []market.Group {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []market.Group
	for _, name := range b.groups.names() {
		g, _ := b.groups.group(name)
		out = append(out, g)
	}
	return out
}

// Group is the group of that name. The error says which may have been meant.
func (b *rulebook) Group(name string) (market.Group, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if g, ok := b.groups.group(name); ok {
		return g, nil
	}
	if near := nearest(name, b.groups.names(), 1); len(near) > 0 {
		return market.Group{}, fmt.Errorf("%w: %q; did you mean %q?", errNoGroup, name, near[0])
	}
	return market.Group{}, fmt.Errorf("%w: %q; see tapedeck groups ls", errNoGroup, name)
}

// groupNames are the names that a rule may watch: groups that stand, and lists
// and saved queries of the analyst's own, which are shared with the rule.
func (b *rulebook) groupNames() []string {
	b.mu.Lock()
	names := b.groups.names()
	b.mu.Unlock()
	if b.own != nil {
		names = append(names, b.own.names()...)
	}
	if names == nil {
		names = []string{} // nil would leave them unchecked
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// SetGroup makes a group or changes it. One with a statement is a saved query;
// symbols beside the statement are what it gave, nil if it was not asked. What
// stands already is not written again.
func (b *rulebook) SetGroup(ctx context.Context, g market.Group) error {
	if !market.ValidGroup(g.Name) || strings.HasPrefix(g.Name, market.QueryGroup) != (g.SQL != "") {
		return usageError{fmt.Errorf("%q is no name of a group: at most 60 letters, digits, spaces and signs, without , / ! * ? and :", printable(g.Name))}
	}
	if err := g.SetSymbols(g.Symbols); err != nil {
		return usageError{err}
	}
	before, err := b.Group(g.Name)
	known := err == nil
	var records []market.Group
	if g.SQL != "" && (!known || before.SQL != g.SQL) {
		records = append(records, market.Group{Name: g.Name, SQL: g.SQL})
	}
	if (g.SQL == "" || g.Symbols != nil) && (!known || !slices.Equal(before.Symbols, g.Symbols)) {
		records = append(records, market.Group{Name: g.Name, Symbols: g.Symbols})
	}
	return b.writeGroups(ctx, records)
}

// RemoveGroup takes a group away. One that a rule watches is kept.
func (b *rulebook) RemoveGroup(ctx context.Context, name string) error {
	g, err := b.Group(name)
	if err != nil {
		return err
	}
	if rules := b.watching(name); len(rules) > 0 {
		return fmt.Errorf("the group %q is watched by %s: change or remove what watches it first", name, quotedList(rules))
	}
	var records []market.Group
	if g.SQL != "" {
		records = append(records, market.Group{Name: name, SQL: g.SQL, Deleted: true})
	}
	return b.writeGroups(ctx, append(records, market.Group{Name: name, Deleted: true}))
}

// watching are the rules that watch a group.
func (b *rulebook) watching(group string) (rules []string) {
	for _, r := range b.List() {
		if slices.Contains(alert.Groups(r.Watch), group) {
			rules = append(rules, r.Name)
		}
	}
	return rules
}

func quotedList(names []string) string {
	var quoted []string
	for _, name := range names {
		quoted = append(quoted, fmt.Sprintf("%q", printable(name)))
	}
	return strings.Join(quoted, ", ")
}

// writeGroups writes records of groups, with who and when.
func (b *rulebook) writeGroups(ctx context.Context, records []market.Group) error {
	if len(records) == 0 {
		return nil
	}
	b.edit.Lock()
	defer b.edit.Unlock()
	if err := b.open(); err != nil {
		return err
	}
	var err error
	for i := range records {
		g := &records[i]
		g.Edited, g.EditedBy = market.At(b.now()), b.by
		if err == nil {
			err = b.producer.ProduceContext(ctx, kafka.Rules, 0, []byte(g.Key()), market.EncodeGroup(g))
		}
	}
	if err == nil {
		err = b.producer.Flush(ctx)
	}
	if err != nil {
		b.abandon(ctx)
		return fmt.Errorf("write the group: %w", err)
	}
	return b.refresh(ctx)
}

// share writes the analyst's own lists and saved queries that a rule watches
// and nobody has shared yet, so that the pipeline knows them before the rule.
func (b *rulebook) share(ctx context.Context, rule market.Rule) error {
	for _, name := range alert.Groups(rule.Watch) {
		if _, err := b.Group(name); err == nil || b.own == nil {
			continue
		}
		g, err := b.own.group(name)
		if err == nil {
			err = b.SetGroup(ctx, g)
		}
		if err != nil {
			return fmt.Errorf("share what the rule watches: %w", err)
		}
	}
	return nil
}

// keepShared writes what the analyst changed in his own lists and saved queries
// that he has shared; those that others shared last are left alone.
func (b *rulebook) keepShared(ctx context.Context) error {
	for _, name := range b.own.readNames() {
		shared, err := b.Group(name)
		if err != nil || shared.EditedBy != b.by {
			continue
		}
		g, err := b.own.group(name)
		if err != nil || g.SQL == shared.SQL && (g.SQL != "" || slices.Equal(g.Symbols, shared.Symbols)) {
			continue
		}
		if err := b.SetGroup(ctx, g); err != nil {
			return err
		}
	}
	return nil
}

// ownLists are an analyst's watchlists and saved queries, as his screen keeps
// them.
type ownLists struct {
	state   string // the screen's state file
	queries tui.SavedQueries

	mu    sync.Mutex
	read  time.Time // when known was read
	known []string
}

func (p *place) ownLists() *ownLists {
	return &ownLists{state: p.mine("screen.json"), queries: tui.SavedQueriesIn(p.own)}
}

func (l *ownLists) lists() []tui.Watchlist {
	lists, _ := tui.ReadWatchlists(l.state) // where it cannot be read the screen says so
	return lists
}

// namesKept is how long names holds: it is asked with every key that is typed.
const namesKept = time.Second

// names are those that a rule can watch: lists as they are called, saved
// queries as "query:NAME".
func (l *ownLists) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.read) > namesKept {
		l.known, l.read = l.readNames(), now
	}
	return l.known
}

func (l *ownLists) readNames() (names []string) {
	for _, list := range l.lists() {
		if market.ValidGroup(list.Name) {
			names = append(names, list.Name)
		}
	}
	saved, _ := l.queries.Names()
	for _, name := range saved {
		names = append(names, market.QueryGroup+name)
	}
	return names
}

// group is an own list or saved query as a group.
func (l *ownLists) group(name string) (market.Group, error) {
	if query, ok := strings.CutPrefix(name, market.QueryGroup); ok {
		statement, err := l.queries.Open(query)
		return market.Group{Name: name, SQL: statement}, err
	}
	for _, list := range l.lists() {
		if list.Name == name {
			g := market.Group{Name: name}
			return g, g.SetSymbols(list.Symbols)
		}
	}
	return market.Group{}, fmt.Errorf("your screen has no watchlist “%s”", name)
}

// symbolsOf runs a saved query in the dialect of tapedeck sql and gives its
// column symbol.
func symbolsOf(ctx context.Context, db *store.DB, sql string) (symbols []string, err error) {
	rows, err := db.Query(ctx, sql, store.Options{Limit: market.MaxGroup + 1})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	at := slices.IndexFunc(rows.Columns(), func(c store.Column) bool { return strings.EqualFold(c.Name, "symbol") })
	if at < 0 {
		return nil, errors.New("the query gives no column symbol: write SELECT symbol FROM …")
	}
	symbols = []string{}
	for rows.Next() {
		switch v := rows.Values()[at].(type) {
		case string:
			symbols = append(symbols, v)
		case nil:
		default:
			return nil, fmt.Errorf("the column symbol of the query is no text but %T", v)
		}
	}
	return symbols, rows.Err()
}

// askSymbols asks saved queries for the pipeline. SQL is opened for each
// asking: between two it would only hold memory.
func (h *held) askSymbols(c Config) func(context.Context, string) ([]string, error) {
	return func(ctx context.Context, sql string) ([]string, error) {
		db, err := openStore(ctx, c, h.place, h.lake, h.log, discard())
		if err != nil {
			return nil, err
		}
		symbols, err := symbolsOf(ctx, db, sql)
		return symbols, errors.Join(err, db.Close())
	}
}

// membersOf are the symbols of the groups that rules watch, for a trial: as
// they stand, or as the analyst's own list or query has them now.
func (b *rulebook) membersOf(ctx context.Context, db *store.DB, rules ...market.Rule) (map[string][]string, error) {
	all := map[string][]string{}
	for _, rule := range rules {
		for _, name := range alert.Groups(rule.Watch) {
			g, err := b.Group(name)
			if err != nil && b.own != nil {
				g, err = b.own.group(name)
			}
			if err == nil && g.SQL != "" && g.Symbols == nil { // not asked yet
				g.Symbols, err = symbolsOf(ctx, db, g.SQL)
			}
			if err != nil {
				return nil, fmt.Errorf("find whom the rule watches: %w", err)
			}
			all[name] = g.Symbols
		}
	}
	return all, nil
}

// fileOf is rules as a file, with the groups that they watch.
func (b *rulebook) fileOf(rules ...market.Rule) alert.File {
	file := alert.File{Rules: rules}
	for _, g := range b.Groups() {
		if slices.ContainsFunc(rules, func(r market.Rule) bool { return slices.Contains(alert.Groups(r.Watch), g.Name) }) {
			file.Groups = append(file.Groups, g)
		}
	}
	return file
}
