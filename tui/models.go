package tui

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tapedeck/pipeline/live"
	"tapedeck/pipeline/market"
)

// Models are the trained models of a data directory and what can be done with them.
type Models interface {
	// Versions are all that there are, the newest of each model first.
	Versions(ctx context.Context) ([]ModelVersion, error)
	// Promote puts a version in use and makes its model the champion.
	Promote(ctx context.Context, name, version string) error
	// Train begins a training in the background; the pipeline says how it goes.
	Train(ctx context.Context, name string) error
	// Record judges the newest day's forecasts of a model for a horizon in seconds.
	Record(ctx context.Context, name string, horizon int32) (ModelRecord, error)
}

// ModelVersion is one trained model.
type ModelVersion struct {
	Name, Version string
	InUse         bool
	Champion      bool
	Made          market.Time
	From, To      market.Time // the history it was trained on
	Symbols, Rows int
	Took          time.Duration
	Curves        []LearningCurve
	Importance    []FeatureShare // the largest first
	Scores        []market.Score // walk-forward over history
}

// LearningCurve is the error by round or epoch.
type LearningCurve struct {
	Horizon           int32 // seconds; 0: all
	Train, Validation []float64
	Best              int // index of what was kept
}

// FeatureShare is the part that a feature has in what a model does.
type FeatureShare struct {
	Feature string
	Share   float64
}

// models is view 5: what every model's forecasts are worth, and what it is
// made of.
type models struct {
	desk *Desk

	focus    int // 0 scoreboard, 1 versions
	cursor   [2]int
	versions []ModelVersion
	err      error
	request  int // the answer that is awaited
	at       time.Time
	confirm  *ModelVersion // that is to be put in use, if the analyst says so again
	busy     string
	record   modelRecord // of the row that was opened
}

const versionsEvery = 5 * time.Second

type versionsAre struct {
	request  int
	versions []ModelVersion
	err      error
}

type modelDone struct {
	said string
	err  error
}

func newModels(d *Desk) *models { return &models{desk: d, record: modelRecord{desk: d}} }

func (v *models) Keys() []Action {
	if v.confirm != nil {
		return []Action{Enter, Escape}
	}
	if v.record.open {
		return []Action{MoveDown, MoveUp, Enter, Sort, NextPane, Escape}
	}
	keys := []Action{MoveDown, MoveUp}
	if len(v.versions) > 0 {
		keys = append(keys, NextPane)
	}
	if v.focus == 1 {
		keys = append(keys, Pin)
	} else {
		keys = append(keys, Enter)
	}
	return append(keys, RunAgain, Escape)
}

// Word of the keys that mean something else here.
func (v *models) Word(a Action) string {
	switch {
	case v.confirm != nil && a == Enter:
		return "yes, put it in use"
	case v.confirm != nil && a == Escape:
		return "no"
	case v.record.open && a == Enter:
		return "on the chart"
	case v.record.open && a == NextPane:
		return "plot"
	case v.record.open && a == Escape:
		return "scoreboard"
	case a == Enter:
		return "details"
	case a == Pin:
		return "put in use"
	case a == RunAgain:
		return "train"
	}
	return ""
}

func (v *models) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case Tick:
		if msg.Now.Sub(v.at) > versionsEvery && v.request == 0 && v.desk.State.View == "models" {
			return v.ask(msg.Now)
		}
	case versionsAre:
		if msg.request == v.request {
			v.request, v.versions, v.err = 0, msg.versions, msg.err
		}
	case modelRecordIs:
		v.record.take(msg)
	case modelDone:
		v.busy = ""
		if msg.err != nil {
			v.desk.Say(Warn, msg.err.Error())
		} else {
			v.desk.Say(Text, msg.said)
		}
		return v.ask(v.desk.Now())
	case Open:
		return v.ask(v.desk.Now())
	case Do:
		return v.do(msg.Action)
	}
	return nil
}

// ask for the versions.
func (v *models) ask(now time.Time) tea.Cmd {
	source := v.desk.Data.Models
	if source == nil {
		return nil
	}
	v.at, v.request = now, v.desk.Request()
	request := v.request
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		versions, err := source.Versions(ctx)
		return versionsAre{request, versions, err}
	}
}

// boardRow is a model's record for one horizon.
type boardRow struct {
	model   *live.Model
	horizon int32
	score   *market.Score // as it was made; nil: nothing came due yet
	filled  *market.Score // over history
	first   bool          // of its model
}

// rows are the scoreboard.
func (v *models) rows() []boardRow {
	var out []boardRow
	for _, m := range v.desk.models() {
		horizons := map[int32]*boardRow{}
		at := func(h int32) *boardRow {
			if horizons[h] == nil {
				horizons[h] = &boardRow{model: m, horizon: h}
			}
			return horizons[h]
		}
		for i := range m.Live {
			at(m.Live[i].Horizon).score = &m.Live[i]
		}
		for i := range m.Filled {
			at(m.Filled[i].Horizon).filled = &m.Filled[i]
		}
		if len(horizons) == 0 {
			at(0)
		}
		begin := len(out)
		for _, r := range horizons {
			out = append(out, *r)
		}
		slices.SortFunc(out[begin:], func(a, b boardRow) int { return cmp.Compare(a.horizon, b.horizon) })
		out[begin].first = true
	}
	return out
}

// models are those that the pipeline speaks of, the champion first.
func (d *Desk) models() []*live.Model {
	var out []*live.Model
	for i := range d.Frame.Statuses {
		s := &d.Frame.Statuses[i]
		if s.Away(d.Now()) {
			continue
		}
		for k := range s.Models {
			out = append(out, &s.Models[k])
		}
	}
	slices.SortStableFunc(out, func(a, b *live.Model) int {
		if a.Champion != b.Champion {
			if a.Champion {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	return out
}

func (v *models) do(a Action) tea.Cmd {
	if v.record.open && v.confirm == nil {
		v.record.do(a)
		return nil
	}
	rows, at := len(v.rows()), &v.cursor[v.focus]
	if v.focus == 1 {
		rows = len(v.versions)
	}
	switch a {
	case MoveDown:
		*at++
	case MoveUp:
		*at--
	case Top:
		*at = 0
	case Bottom:
		*at = rows - 1
	case NextPane, PreviousPane:
		if len(v.versions) > 0 {
			v.focus = 1 - v.focus
		}
		return nil
	case Enter:
		switch {
		case v.confirm != nil:
			return v.promote()
		case v.focus == 0:
			if list := v.rows(); v.cursor[0] < len(list) {
				return v.record.show(list[v.cursor[0]].model.Name, list[v.cursor[0]].horizon)
			}
		}
	case Pin:
		if v.focus == 1 && v.cursor[1] < len(v.versions) && v.desk.Data.Models != nil {
			chosen := v.versions[v.cursor[1]]
			if chosen.InUse && chosen.Champion {
				v.desk.Say(Muted, chosen.Name+" "+chosen.Version+" is in use already")
				return nil
			}
			v.confirm = &chosen
		}
	case RunAgain:
		return v.train()
	case Escape:
		if v.confirm != nil {
			v.confirm = nil
			return nil
		}
		v.desk.Post(Open{})
	}
	*at = max(min(*at, rows-1), 0)
	return nil
}

// promote puts the chosen version in use; the one before stays, and is put
// back in the same way.
func (v *models) promote() tea.Cmd {
	chosen, source := *v.confirm, v.desk.Data.Models
	v.confirm, v.busy = nil, "putting "+chosen.Name+" "+chosen.Version+" in use"
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err := source.Promote(ctx, chosen.Name, chosen.Version)
		return modelDone{chosen.Name + " " + chosen.Version + " is in use from the next minute on; the version before stays in the list", err}
	}
}

// train begins a training of the model under the cursor.
func (v *models) train() tea.Cmd {
	source := v.desk.Data.Models
	if source == nil {
		return nil
	}
	name := "xgboost"
	if rows := v.rows(); v.focus == 0 && v.cursor[0] < len(rows) {
		name = rows[v.cursor[0]].model.Name
	} else if v.focus == 1 && v.cursor[1] < len(v.versions) {
		name = v.versions[v.cursor[1]].Name
	}
	v.busy = "starting to train " + name
	return func() tea.Msg {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		err := source.Train(ctx, name)
		return modelDone{name + " is being trained in the background; what is in use stays until it is done", err}
	}
}

func (v *models) View(w, h int) string {
	c := newCanvas(v.desk.Theme, w, h)
	rows := v.rows()
	if v.record.open && v.confirm == nil {
		return v.record.view(rows, w, h)
	}
	for i := range v.cursor {
		v.cursor[i] = max(0, v.cursor[i])
	}
	v.summary(c)
	v.scoreboard(c, rows, max(h/2, 6))
	if len(rows) > 0 && c.left() > 4 {
		c.end()
		v.verdict(c, &rows[min(v.cursor[0], len(rows)-1)])
	}
	if c.left() > 4 && len(v.versions) > 0 {
		c.end()
		v.list(c)
	}
	return c.String()
}

// summary says what is drawn and how fast it comes, or why there is nothing yet.
func (v *models) summary(c *canvas) {
	c.gap(1)
	if v.confirm != nil {
		c.put(c.on(Accent), "put "+v.confirm.Name+" "+v.confirm.Version+" in use as champion?")
		c.gap(2)
		c.muted("enter: yes · esc: no")
		c.end()
		c.end()
		return
	}
	busy, share := v.busy, 0.0
	waiting := ""
	for i := range v.desk.Frame.Statuses {
		s := &v.desk.Frame.Statuses[i]
		if s.Away(v.desk.Now()) {
			continue
		}
		switch s.Stage {
		case "train":
			busy, share = s.Text, s.Progress
		case "predict":
			waiting = s.Text
		}
	}
	all := v.desk.models()
	if len(all) > 0 {
		m := all[0]
		c.put(c.bold(Text), m.Name)
		switch {
		case m.Down:
			c.put(c.on(Warn), "  "+m.Text)
		case m.Made == 0:
			c.muted("  is in use; its first forecasts come when the minute has ended")
		default:
			c.text("  " + integer(int64(m.Symbols)) + " symbols a minute")
			p50, p99 := latency(seconds(m.Delay.P50)), latency(seconds(m.Delay.P99))
			for _, text := range [...]string{" · a forecast stands " + p50 + " after its bar, 99 of 100 within " + p99, " · " + p50 + " after the bar, 99 % " + p99, " · " + p50} {
				if c.fits(text) {
					c.muted(text)
					break
				}
			}
		}
	} else if busy == "" {
		if waiting == "" {
			waiting = "no model has predicted anything here yet: tapedeck train makes one"
		}
		c.muted(waiting)
	}
	if len(all) > 0 || busy == "" {
		c.end()
	}
	c.gap(1)
	if share > 0 {
		busy += ", " + strconv.Itoa(int(share*100)) + " %"
	}
	c.cell(c.on(Accent), busy, c.room())
	c.end()
}

func seconds(v float64) time.Duration { return time.Duration(v * float64(time.Second)) }

// scoreboard is a row for every model and horizon.
func (v *models) scoreboard(c *canvas, rows []boardRow, limit int) {
	if len(rows) == 0 {
		return
	}
	wide, medium := c.width >= 150, c.width >= 100
	c.gap(3)
	c.cell(c.on(Muted), "model", 12)
	c.cell(c.on(Muted), "ahead", 8)
	c.number(c.on(Muted), "came due", 10)
	c.gap(3)
	c.cell(c.on(Muted), "better than no change", 26)
	if medium {
		c.cell(c.on(Muted), "right direction", 24)
	}
	c.cell(c.on(Muted), "inside 80 %", 13)
	if wide {
		c.cell(c.on(Muted), "better than drift", 26)
	}
	if medium {
		c.cell(c.on(Muted), "over history", 14)
	}
	c.end()
	top := max(0, min(v.cursor[0]-(limit-4), len(rows)-(limit-3)))
	for i := top; i < len(rows) && c.y < limit; i++ {
		r := &rows[i]
		selected := v.focus == 0 && i == v.cursor[0]
		mark := " "
		if selected {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		name, star := "", " "
		if r.first || i == top {
			name = r.model.Name
			if r.model.Champion {
				star = "★"
			}
		}
		c.put(c.on(Predict), star)
		c.gap(1)
		c.cell(c.bold(Text), name, 12)
		c.cell(c.on(Text), ahead(r.horizon), 8)
		s := r.score
		if s == nil {
			s = &market.Score{Skill: nothing, Drift: nothing, Direction: nothing, Coverage: nothing}
		}
		c.number(c.on(Text), shares(int64(s.N)), 10)
		c.gap(3)
		c.cell(c.on(worth(s.Skill, 0)), interval(s.Skill, true), 26)
		if medium {
			c.cell(c.on(worth(s.Direction, 0.5)), interval(s.Direction, false), 24)
		}
		c.cell(c.on(covered(s.Coverage)), interval(market.Estimate{Value: s.Coverage.Value, Low: math.NaN(), High: math.NaN()}, false), 13)
		if wide {
			c.cell(c.on(worth(s.Drift, 0)), interval(s.Drift, true), 26)
		}
		if medium && r.filled != nil {
			c.cell(c.on(Muted), interval(r.filled.Skill, true), min(26, c.room()))
		}
		c.end()
		c.set(Plain)
	}
}

var nothing = market.Estimate{Value: math.NaN(), Low: math.NaN(), High: math.NaN()}

// worth of an estimate against what knows nothing: colour only where luck is unlikely.
func worth(e market.Estimate, zero float64) Role {
	switch {
	case e.Low > zero:
		return Up
	case e.High < zero:
		return Down
	}
	return Muted
}

func covered(e market.Estimate) Role {
	if e.Low > 0.82 || e.High < 0.78 {
		return Warn
	}
	return Text
}

// interval writes +0.8 % (+0.5 … +1.1).
func interval(e market.Estimate, sign bool) string {
	if math.IsNaN(e.Value) {
		return "–"
	}
	number := func(v float64) string {
		if sign {
			return signed(v*100, 1)
		}
		return strconv.FormatFloat(v*100, 'f', 1, 64)
	}
	if math.IsNaN(e.Low) || math.IsNaN(e.High) {
		return number(e.Value) + " %"
	}
	return number(e.Value) + " % (" + number(e.Low) + " … " + number(e.High) + ")"
}

// ahead writes a horizon: 5 min.
func ahead(horizon int32) string {
	switch {
	case horizon == 0:
		return "–"
	case horizon%3600 == 0:
		return strconv.Itoa(int(horizon/3600)) + " h"
	}
	return strconv.Itoa(int(horizon/60)) + " min"
}

// verdict says in words what the row under the cursor means.
func (v *models) verdict(c *canvas, r *boardRow) {
	m := r.model
	say := func(role Role, text string) {
		for _, line := range wrapCells(text, c.width-4) {
			c.gap(3)
			c.put(c.on(role), line)
			c.end()
		}
	}
	s, over := r.score, ""
	if s == nil || s.N == 0 {
		s, over = r.filled, " over history, where it was made as if it were then"
	}
	switch {
	case s == nil || s.N == 0:
		say(Muted, m.Name+" has no record yet: a forecast is judged when its time has come")
	case s.Skilful():
		say(Text, fmt.Sprintf("%s, %s ahead%s: its squared error is %.1f %% below that of “no change” (95 %%: %.1f to %.1f). It is drawn in full.",
			m.Name, ahead(r.horizon), over, 100*s.Skill.Value, 100*s.Skill.Low, 100*s.Skill.High))
	default:
		say(Text, fmt.Sprintf("%s, %s ahead%s: not shown to be better than “no change”, as most forecasts of prices are not. Its mean is drawn muted; its band holds %s of what comes.",
			m.Name, ahead(r.horizon), over, share(s.Coverage.Value)))
	}
	if m.Down {
		say(Warn, m.Text)
	}
	line := "version " + m.Version
	if m.Trained != 0 {
		line += " · trained " + v.moment(m.Trained)
	}
	if m.Learned > 0 {
		line += " on " + integer(int64(m.Learned)) + " symbols, " + v.moment(m.From) + " to " + v.moment(m.To)
	}
	if m.Calls > 0 {
		line += " · " + plural(int(m.Calls), "call") + ", " + latency(seconds(m.Latency.P50)) + " each, " + plural(int(m.Failures), "failure")
	}
	say(Muted, line)
	i := slices.IndexFunc(v.versions, func(x ModelVersion) bool { return x.Name == m.Name && x.Version == m.Version })
	if i >= 0 {
		v.made(c, &v.versions[i], r.horizon)
	}
}

func (v *models) moment(t market.Time) string {
	return t.Std().In(v.desk.Zone()).Format("2 Jan 15:04")
}

func share(v float64) string {
	if math.IsNaN(v) {
		return "an unknown share"
	}
	return strconv.FormatFloat(v*100, 'f', 0, 64) + " %"
}

// made shows what a version is made of: its learning curve and features.
func (v *models) made(c *canvas, x *ModelVersion, horizon int32) {
	for i := range x.Curves {
		l := &x.Curves[i]
		if l.Horizon != 0 && l.Horizon != horizon || len(l.Validation) < 2 || c.left() < 3 {
			continue
		}
		c.end()
		for _, part := range [...]struct {
			name   string
			values []float64
			role   Role
		}{{"fitted", l.Train, Muted}, {"held out", l.Validation, Predict}} {
			if len(part.values) < 2 {
				continue
			}
			c.gap(3)
			c.cell(c.on(Muted), "error, "+part.name, 16)
			v.curve(c, part.values, part.role)
			c.muted(fmt.Sprintf("  %.4f → %.4f", part.values[0], part.values[len(part.values)-1]))
			if part.name == "held out" && l.Best < len(part.values) {
				c.muted(fmt.Sprintf(", best %.4f at %d of %d", part.values[l.Best], l.Best+1, len(part.values)))
			}
			c.end()
		}
		break
	}
	if len(x.Importance) == 0 || c.left() < 4 {
		return
	}
	c.end()
	columns := max(1, min(2, (c.width-4)/48))
	shown := min(len(x.Importance), columns*max(1, min(4, c.left()-2)))
	for i := 0; i < shown; i++ {
		if i%columns == 0 {
			c.gap(3)
		}
		f := &x.Importance[i]
		c.cell(c.on(Muted), f.Feature, 18)
		n := int(math.Round(f.Share / x.Importance[0].Share * 18))
		c.put(c.on(Predict), strings.Repeat("▂", max(n, 1)))
		c.gap(19 - max(n, 1))
		c.number(c.on(Text), strconv.FormatFloat(100*f.Share, 'f', 0, 64)+" %", 5)
		c.gap(4)
		if i%columns == columns-1 || i == shown-1 {
			c.end()
		}
	}
}

// curve draws an error by round as a spark line.
func (v *models) curve(c *canvas, values []float64, role Role) {
	floats := make([]float32, len(values))
	for i, x := range values {
		floats[i] = float32(x)
	}
	for _, h := range spark(floats, min(40, max(10, c.width-60), len(values)), nil) {
		c.put(c.on(role), levels[h])
	}
}

// list is every version that lies in the data directory.
func (v *models) list(c *canvas) {
	c.gap(1)
	c.put(c.bold(Text), "versions")
	c.gap(2)
	if v.err != nil {
		c.put(c.on(Warn), v.err.Error())
	} else {
		c.muted("tab: to them · p puts one in use, and the one before back again")
	}
	c.end()
	room := c.left()
	top := max(0, min(v.cursor[1]-room+1, len(v.versions)-room))
	for i := top; i < len(v.versions) && !c.full(); i++ {
		x := &v.versions[i]
		mark := " "
		if v.focus == 1 && i == v.cursor[1] {
			c.set(Selection)
			mark = "▌"
		}
		c.put(c.on(Accent), mark)
		state := " "
		switch {
		case x.Champion && x.InUse:
			state = "★"
		case x.InUse:
			state = "●"
		}
		c.put(c.on(Predict), state)
		c.gap(1)
		c.cell(c.bold(Text), x.Name, 12)
		c.cell(c.on(Text), x.Version, 24)
		c.cell(c.on(Muted), "trained "+v.moment(x.Made), 24)
		if c.room() > 40 {
			c.cell(c.on(Muted), integer(int64(x.Rows))+" rows in "+span(x.Took), c.room())
		}
		c.end()
		c.set(Plain)
	}
}
