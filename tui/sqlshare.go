package tui

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// SharedQuery is a statement that all analysts of a pipeline can open by its
// name, and who changed it last.
type SharedQuery struct {
	Name      string
	Statement string
	By        string
	At        market.Time
	Before    string // who had changed it before By; "" is nobody
}

// Queries are the statements that analysts share. Its methods may be called at
// the same time.
type Queries interface {
	// Shared are all that there are, in any order. It answers at once.
	Shared() []SharedQuery
	// Share gives all analysts a statement under a name, in place of what had
	// it before. It may take long.
	Share(ctx context.Context, name, statement string) error
	// Unshare takes one away. It may take long.
	Unshare(ctx context.Context, name string) error
}

const shareTimeout = 10 * time.Second

// sqlShared is what came of sharing a query, or of taking it back.
type sqlShared struct {
	name    string
	removed bool
	err     error
}

// share is the verbs share and unshare: what is in the editor, for all.
func (v *sqlView) share(name string, remove bool) tea.Cmd {
	q, text := v.desk.Data.Queries, v.tab().editor.String()
	_, err := SavedQueries{Dir: "."}.path(name)
	switch {
	case q == nil:
		v.desk.Say(Warn, "nothing is shared here: there is no pipeline that others look at")
		return nil
	case err != nil:
		v.desk.Say(Warn, err.Error())
		return nil
	case remove && !slices.ContainsFunc(q.Shared(), func(s SharedQuery) bool { return s.Name == name }):
		v.desk.Say(Warn, "no query “"+name+"” is shared")
		return nil
	case !remove && strings.TrimSpace(text) == "":
		v.desk.Say(Warn, "there is nothing to share: the editor is empty")
		return nil
	}
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), shareTimeout)
		defer cancel()
		if remove {
			return sqlShared{name, true, q.Unshare(ctx, name)}
		}
		return sqlShared{name, false, q.Share(ctx, name, strings.TrimRight(text, "\n"))}
	}
}

func (v *sqlView) shared(msg sqlShared) {
	switch {
	case msg.err != nil:
		v.desk.Say(Warn, msg.err.Error())
	case msg.removed:
		v.desk.Say(Muted, "the query “"+msg.name+"” is not shared any more; who has opened it keeps it")
	default:
		v.desk.Say(Muted, "shared · everybody opens it with :open "+msg.name)
	}
}

// sharedMark stands in the list of queries between a name and who shared it.
const sharedMark = " · shared by "

// sharedNames are the shared queries as the list shows them.
func (v *sqlView) sharedNames() (names []string) {
	if v.desk.Data.Queries == nil {
		return nil
	}
	all := v.desk.Data.Queries.Shared()
	slices.SortFunc(all, func(a, b SharedQuery) int { return cmp.Compare(a.Name, b.Name) })
	for _, s := range all {
		names = append(names, s.Name+sharedMark+s.By)
	}
	return names
}

// sharedQuery finds one by its name.
func (v *sqlView) sharedQuery(name string) (SharedQuery, bool) {
	if v.desk.Data.Queries != nil {
		for _, s := range v.desk.Data.Queries.Shared() {
			if s.Name == name {
				return s, true
			}
		}
	}
	return SharedQuery{}, false
}

// openNamed opens what a name means: one's own query, else the one that is
// shared under it. An item of the list says itself which it is.
func (v *sqlView) openNamed(item string) tea.Cmd {
	name, _, others := strings.Cut(item, sharedMark)
	shared, ok := v.sharedQuery(name)
	if others && ok {
		return func() tea.Msg { return sqlNames{name: name, open: shared.Statement, shared: &shared} }
	}
	q := v.savedQueries()
	return func() tea.Msg {
		text, err := q.Open(name)
		if err != nil && ok {
			return sqlNames{name: name, open: shared.Statement, shared: &shared}
		}
		return sqlNames{name: name, open: text, err: err}
	}
}

// said is who changed a shared query, and when.
func (s SharedQuery) said(d *Desk) string {
	text := "shared by " + s.By + ", " + s.At.Std().In(d.Zone()).Format("2 Jan 15:04")
	if s.Before != "" && s.Before != s.By {
		text += ", before that by " + s.Before
	}
	return text + " · :share " + s.Name + " changes it for everybody, :save NAME keeps your own"
}
