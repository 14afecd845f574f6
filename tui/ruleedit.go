package tui

import (
	"context"
	"errors"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// change runs an edit.
func (v *ruleView) change(busy string, work func(ctx context.Context, rules Rules) ruleEdited) tea.Cmd {
	rules := v.desk.Data.Rules
	if v.busy != "" {
		v.desk.Say(Muted, v.busy+": wait a moment")
		return nil
	}
	v.busy = busy
	return func() tea.Msg {
		ctx, cancel := commandContext()
		defer cancel()
		return work(ctx, rules)
	}
}

// save writes the open form, or says why not.
func (v *ruleView) save() tea.Cmd {
	f := v.form
	if v.check(); f.problem != nil {
		v.refused = "not saved: " + f.problem.Field + " is not right yet"
		return nil
	}
	if !f.changed() {
		v.refused = "nothing was changed"
		return nil
	}
	r, was := f.rule(), f.was.Name
	if was != "" && r.Name != was {
		r.Revision = 0 // of the old name
	}
	return v.change("saving", func(ctx context.Context, rules Rules) ruleEdited {
		saved, err := rules.Save(ctx, r)
		if err != nil {
			return ruleEdited{err: err}
		}
		done := ruleEdited{said: "“" + r.Name + "” is saved and in force · u undoes it", names: []string{r.Name}, after: r.Name, form: f}
		if saved.Disabled {
			done.said = "“" + r.Name + "” is saved and off · space arms it, u undoes it"
		}
		if was != "" && was != r.Name {
			if done.err = rules.Remove(ctx, was); done.err == nil {
				done.said, done.names = "“"+was+"” is now “"+r.Name+"” · u undoes it", []string{was, r.Name}
			}
		}
		return done
	})
}

func (v *ruleView) edited(msg ruleEdited) tea.Cmd {
	v.busy = ""
	if len(msg.names) > 0 && !msg.undone {
		v.undo = append(v.undo, msg.names)
		v.undo = v.undo[max(len(v.undo)-rulesUndone, 0):]
	}
	if msg.form != nil {
		v.drop(msg.form)
		if v.form == msg.form {
			v.form, v.mode, v.writing = nil, rulesListed, false
		}
	}
	if msg.err != nil {
		v.refused = msg.err.Error()
		v.desk.Say(Warn, msg.err.Error())
	} else {
		v.desk.Say(Text, msg.said)
	}
	v.after = msg.after
	v.desk.Keep()
	return v.load()
}

// toggle arms a rule, or disarms it.
func (v *ruleView) toggle(row ruleRow, ok bool) tea.Cmd {
	if !ok || row.form != nil && row.form.was.Name == "" {
		v.desk.Say(Muted, "a draft is not in force: ctrl-j in its form saves and arms it")
		return nil
	}
	name, on := row.rule.Name, row.rule.Disabled
	return v.change("writing", func(ctx context.Context, rules Rules) ruleEdited {
		if err := rules.Enable(ctx, name, on); err != nil {
			return ruleEdited{err: err}
		}
		said := "“" + name + "” is off: it gives no alerts · u undoes it"
		if on {
			said = "“" + name + "” is on · u undoes it"
		}
		return ruleEdited{said: said, names: []string{name}, after: name}
	})
}

// undoLast takes the analyst's newest edit back.
func (v *ruleView) undoLast() tea.Cmd {
	if len(v.undo) == 0 {
		v.desk.Say(Muted, "nothing was edited here since this screen opened; tapedeck rules undo goes further back")
		return nil
	}
	if v.busy != "" {
		return nil
	}
	names := v.undo[len(v.undo)-1]
	v.undo = v.undo[:len(v.undo)-1]
	return v.change("undoing", func(ctx context.Context, rules Rules) ruleEdited {
		var errs []error
		for _, name := range names {
			errs = append(errs, rules.Undo(ctx, name))
		}
		return ruleEdited{said: "the last edit of “" + strings.Join(names, "” and “") + "” is undone", names: names, after: names[0], undone: true, err: errors.Join(errs...)}
	})
}
