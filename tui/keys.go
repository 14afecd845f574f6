package tui

import (
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
)

// Action is what a key means.
type Action uint8

// The actions, in the order of the help.
const (
	None Action = iota
	View1
	View2
	View3
	View4
	View5
	View6
	View7
	NextPane
	PreviousPane
	MoveLeft
	MoveDown
	MoveUp
	MoveRight
	Top
	Bottom
	HalfDown
	HalfUp
	Enter
	Escape
	Filter
	Command
	Help
	Quit
	Sort
	Reverse
	Favourite
	AlertMe
	ChartIt
	IntervalDown
	IntervalUp
	ZoomOut
	ZoomIn
	Scale
	Indicators
	Compare
	NextModel
	NextHorizon
	Toggle
	Snooze
	Silence
	Edit
	Create
	Delete
	Undo
	Backtest
	RunAgain
	Export
	Copy
	Pin
	Interrupt

	Submit
	Complete
	CompleteBack
	ChooseNext
	ChoosePrevious
	SearchHistory
	TextBacktest
	TextUndo
	TextRedo
	TextHelp
	actions
)

// focus is which of the two tables a key is looked up in.
type focus uint8

const (
	commandFocus focus = 1 << iota
	textFocus
)

// binding is one row of the key table: the keys, what they mean, the word
// for the footer, the sentence for the help.
type binding struct {
	keys   []string
	action Action
	focus  focus
	word   string
	help   string
	group  string
}

// bindings is the one key table. It feeds dispatch, footer and help. The keys
// survive SSH, tmux, macOS Terminal, PuTTY and Windows Terminal; the extra
// ones after the first are never required.
var bindings = [...]binding{
	{[]string{"1"}, View1, commandFocus, "board", "board: watchlist, chart, events", "views"},
	{[]string{"2"}, View2, commandFocus, "chart", "chart of the symbol", "views"},
	{[]string{"3"}, View3, commandFocus, "alerts", "alerts and rules", "views"},
	{[]string{"4"}, View4, commandFocus, "sql", "questions to the history", "views"},
	{[]string{"5"}, View5, commandFocus, "models", "models and their record", "views"},
	{[]string{"6"}, View6, commandFocus, "pipeline", "how the pipeline does", "views"},
	{[]string{"7"}, View7, commandFocus, "grid", "small charts and heat map", "views"},

	{[]string{"j", "down"}, MoveDown, commandFocus, "down", "down", "moving"},
	{[]string{"k", "up"}, MoveUp, commandFocus, "up", "up", "moving"},
	{[]string{"h", "left"}, MoveLeft, commandFocus, "group", "left: group, cross-hair, column", "moving"},
	{[]string{"l", "right"}, MoveRight, commandFocus, "group", "right", "moving"},
	{[]string{"g", "home"}, Top, commandFocus, "top", "to the top, the oldest", "moving"},
	{[]string{"G", "end"}, Bottom, commandFocus, "bottom", "to the bottom, to now", "moving"},
	{[]string{"ctrl+d", "pgdown"}, HalfDown, commandFocus, "half down", "half a page down", "moving"},
	{[]string{"ctrl+u", "pgup"}, HalfUp, commandFocus, "half up", "half a page up", "moving"},
	{[]string{"tab"}, NextPane, commandFocus, "pane", "next pane", "moving"},
	{[]string{"shift+tab"}, PreviousPane, commandFocus, "pane", "previous pane", "moving"},
	{[]string{"enter"}, Enter, commandFocus | textFocus, "open", "open what is under the cursor", "moving"},
	{[]string{"esc"}, Escape, commandFocus | textFocus, "back", "cancel, then back; nothing typed is lost", "moving"},

	{[]string{"/"}, Filter, commandFocus, "filter", "filter as you type; on a chart go to a moment", "finding"},
	{[]string{":"}, Command, commandFocus, "command", "command line: AAPL GP, apple, watch tech …", "finding"},
	{[]string{"s"}, Sort, commandFocus, "sort", "sort by the next column", "finding"},
	{[]string{"S"}, Reverse, commandFocus, "reverse", "reverse the order", "finding"},
	{[]string{"f"}, Favourite, commandFocus, "favourite", "favourite on or off", "finding"},
	{[]string{"a"}, AlertMe, commandFocus, "alert me", "alert me when …", "finding"},
	{[]string{"c"}, ChartIt, commandFocus, "chart", "chart it", "finding"},

	{[]string{","}, IntervalDown, commandFocus, "interval", "shorter interval", "charts"},
	{[]string{"."}, IntervalUp, commandFocus, "interval", "longer interval", "charts"},
	{[]string{"-"}, ZoomOut, commandFocus, "zoom", "zoom out", "charts"},
	{[]string{"=", "+"}, ZoomIn, commandFocus, "zoom", "zoom in", "charts"},
	{[]string{"%"}, Scale, commandFocus, "scale", "price, per cent, logarithm", "charts"},
	{[]string{"o"}, Indicators, commandFocus, "indicators", "indicators", "charts"},
	{[]string{"v"}, Compare, commandFocus, "compare", "compare with another symbol", "charts"},
	{[]string{"m"}, NextModel, commandFocus, "model", "next model", "charts"},
	{[]string{"M"}, NextHorizon, commandFocus, "horizon", "next horizon", "charts"},

	{[]string{"space"}, Toggle, commandFocus, "acknowledge", "acknowledge, toggle; on charts candles or a line", "working"},
	{[]string{"z"}, Snooze, commandFocus, "snooze", "snooze", "working"},
	{[]string{"i"}, Silence, commandFocus, "silence", "silence", "working"},
	{[]string{"e"}, Edit, commandFocus, "edit", "edit", "working"},
	{[]string{"n"}, Create, commandFocus, "new", "new", "working"},
	{[]string{"d"}, Delete, commandFocus, "delete", "delete; u brings it back", "working"},
	{[]string{"u"}, Undo, commandFocus, "undo", "undo", "working"},
	{[]string{"b"}, Backtest, commandFocus, "back-test", "back-test", "working"},
	{[]string{"r"}, RunAgain, commandFocus, "again", "run again", "working"},
	{[]string{"x"}, Export, commandFocus, "export", "export", "working"},
	{[]string{"y"}, Copy, commandFocus, "copy", "copy", "working"},
	{[]string{"p"}, Pin, commandFocus, "pin", "pin to the board", "working"},

	{[]string{"?"}, Help, commandFocus, "help", "this page", "always"},
	{[]string{"q"}, Quit, commandFocus, "quit", "quit", "always"},
	{[]string{"ctrl+c"}, Interrupt, commandFocus | textFocus, "cancel", "cancel the work in hand; twice quits", "always"},

	{[]string{"ctrl+j", "f5"}, Submit, commandFocus | textFocus, "run", "run, arm, save", "writing"},
	{[]string{"tab"}, Complete, textFocus, "complete", "take the completion, else next field", "writing"},
	{[]string{"shift+tab"}, CompleteBack, textFocus, "", "previous field", "writing"},
	{[]string{"ctrl+n", "down"}, ChooseNext, textFocus, "choose", "choose the next", "writing"},
	{[]string{"ctrl+p", "up"}, ChoosePrevious, textFocus, "choose", "choose the previous", "writing"},
	{[]string{"ctrl+r"}, SearchHistory, textFocus, "history", "history", "writing"},
	{[]string{"ctrl+t"}, TextBacktest, textFocus, "back-test", "back-test", "writing"},
	{[]string{"ctrl+z", "ctrl+_", "ctrl+/"}, TextUndo, textFocus, "undo", "undo", "writing"},
	{[]string{"ctrl+y"}, TextRedo, textFocus, "redo", "redo", "writing"},
	{[]string{"ctrl+g"}, TextHelp, textFocus, "help", "help", "writing"},
}

// helpGroups in the order of the page.
var helpGroups = [...]string{"views", "moving", "finding", "charts", "working", "always", "writing"}

// actionOf is what a key means in a focus; None leaves it to the text.
func actionOf(k tea.Key, f focus) Action {
	name := k.String()
	if name == " " {
		name = "space"
	}
	for i := range bindings {
		if bindings[i].focus&f != 0 && slices.Contains(bindings[i].keys, name) {
			return bindings[i].action
		}
	}
	return None
}

// bindingOf finds the row of an action.
func bindingOf(a Action) *binding {
	for i := range bindings {
		if bindings[i].action == a {
			return &bindings[i]
		}
	}
	return nil
}

// label is the key as the footer writes it: ctrl-d.
func (b *binding) label() string { return strings.ReplaceAll(b.keys[0], "+", "-") }

func (a Action) String() string {
	if b := bindingOf(a); b != nil {
		return b.word
	}
	return "none"
}
