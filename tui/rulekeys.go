package tui

import (
	"context"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/market"
)

// do takes an action of either focus.
func (v *ruleView) do(a Action) tea.Cmd {
	if v.desk.Data.Rules == nil {
		if a == Escape {
			v.desk.Post(Open{})
		}
		return nil
	}
	if a == Escape && v.trial.running() {
		v.trial.cancel()
		return nil
	}
	switch v.mode {
	case rulesPicked:
		v.pickDo(a)
		return nil
	case rulesWritten:
		if v.writing {
			return v.writeDo(a)
		}
		return v.readDo(a)
	case rulesTried:
		return v.trialDo(a)
	}
	return v.listDo(a)
}

func (v *ruleView) pickDo(a Action) {
	all := ruleTemplates()
	switch a {
	case MoveDown:
		v.pick++
	case MoveUp:
		v.pick--
	case Top:
		v.pick = 0
	case Bottom:
		v.pick = len(all) - 1
	case Enter, Edit, Create:
		v.begin(market.Rule{}, v.filled(all[min(v.pick, len(all)-1)]))
	case Escape:
		v.mode = rulesListed
	}
	v.pick = max(min(v.pick, len(all)-1), 0)
}

// writeDo is the form in text focus.
func (v *ruleView) writeDo(a Action) tea.Cmd {
	f := v.form
	switch a {
	case Submit:
		f.popup.close()
		return v.save()
	case Complete:
		if f.take() || f.correct() {
			break
		}
		if text, at := f.cursor(); f.at != ruleSeverity && at > 0 && at <= len(text) && wordRune(text[at-1]) {
			if f.complete(v.desk, false); f.popup.open() {
				return nil
			}
		}
		f.next(1)
	case CompleteBack:
		f.next(-1)
	case ChooseNext, ChoosePrevious:
		n := 1
		if a == ChoosePrevious {
			n = -1
		}
		switch {
		case f.popup.open():
			f.popup.choose(n)
		case f.at == ruleSeverity:
			f.choose(n)
		case f.at == ruleWhen && f.when.vertical(n):
		default:
			f.next(n)
		}
		return nil
	case Enter:
		switch {
		case f.popup.open() && f.popup.chosen >= 0:
			f.take()
		case f.at == ruleWhen:
			f.when.newline()
		default:
			f.next(1)
		}
		f.popup.close()
	case TextUndo:
		f.undo()
	case TextRedo:
		f.redo()
	case TextHelp:
		f.complete(v.desk, true)
		return nil
	case TextBacktest:
		return v.try(f.rule())
	case Escape:
		if f.popup.open() {
			f.popup.close()
		} else {
			v.writing = false
			v.desk.Keep()
		}
		return nil
	default:
		return nil
	}
	v.check()
	return nil
}

// readDo is the form in command focus.
func (v *ruleView) readDo(a Action) tea.Cmd {
	switch a {
	case Edit, Enter:
		v.writing = true
	case Submit:
		return v.save()
	case Backtest:
		return v.try(v.form.rule())
	case MoveDown:
		v.form.next(1)
	case MoveUp:
		v.form.next(-1)
	case Delete:
		f := v.form
		v.drop(f)
		v.form, v.mode = nil, rulesListed
		v.desk.Say(Muted, "the draft of “"+clip(f.title(), 40)+"” is thrown away")
		v.settle()
		v.desk.Keep()
	case Escape:
		v.leave()
	}
	return nil
}

func (v *ruleView) listDo(a Action) tea.Cmd {
	row, ok := v.row()
	name := row.rule.Name
	switch a {
	case MoveDown:
		v.cursor++
	case MoveUp:
		v.cursor--
	case Top:
		v.cursor = 0
	case Bottom:
		v.cursor = len(v.rows()) - 1
	case HalfDown:
		v.cursor += 10
	case HalfUp:
		v.cursor -= 10
	case Create, AlertMe:
		v.mode, v.pick = rulesPicked, 0
		return nil
	case Enter, Edit:
		if ok {
			v.edit(row)
		}
		return nil
	case Copy:
		if ok {
			r := row.rule
			r.Name, r.Revision, r.Edited, r.EditedBy, r.Deleted = v.free(r.Name), 0, 0, "", false
			v.begin(market.Rule{}, r)
			v.form.at = ruleName
		}
		return nil
	case Backtest, RunAgain:
		if ok {
			r, _ := v.shown()
			return v.try(r)
		}
	case Toggle:
		return v.toggle(row, ok)
	case Delete:
		switch {
		case ok && row.form != nil:
			v.drop(row.form)
			v.desk.Say(Muted, "the draft of “"+clip(row.form.title(), 40)+"” is thrown away")
			v.desk.Keep()
		case ok:
			return v.change("deleting", func(ctx context.Context, rules Rules) ruleEdited {
				if err := rules.Remove(ctx, name); err != nil {
					return ruleEdited{err: err}
				}
				return ruleEdited{said: "“" + name + "” is deleted for everybody · u brings it back", names: []string{name}}
			})
		}
	case Undo:
		return v.undoLast()
	case Escape:
		v.desk.Post(Open{})
		return nil
	}
	v.hold = ""
	v.settle()
	if row, ok := v.row(); ok {
		v.hold = row.rule.Name
	}
	return nil
}
