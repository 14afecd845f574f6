package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
)

// statusesRead is how many of the newest records of the topic status are
// looked at: each stage of each process writes one a second.
const statusesRead = 500

// statuses are what every stage of every process said last.
func statuses(ctx context.Context, log *kafka.Client) ([]live.Status, error) {
	if log == nil {
		return nil, nil
	}
	records, err := log.ReadLast(ctx, kafka.Status, 0, statusesRead)
	if err != nil {
		return nil, fmt.Errorf("read what the stages say of themselves: %w", err)
	}
	newest := map[string]live.Status{}
	for i := range records {
		var s live.Status
		if live.DecodeStatus(records[i].Value, &s) == nil {
			newest[string(records[i].Key)] = s
		}
	}
	var all []live.Status
	for _, s := range newest {
		all = append(all, s)
	}
	return all, nil
}

// ruleStates is how the rules do in the running pipeline, by name; empty where
// none runs.
func ruleStates(ctx context.Context, log *kafka.Client) (map[string]live.Rule, []live.Pending, error) {
	all, err := statuses(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	rules, pending := live.RulesOf(all, time.Now())
	by := make(map[string]live.Rule, len(rules))
	for _, r := range rules {
		by[r.Name] = r
	}
	return by, pending, nil
}

// ruleColumns are the columns of a rule's state: alerts today, symbols that fire
// and that wait, ns an evaluation, and their share of what is planned for one;
// other programs get the share of a core, too.
func ruleColumns(table bool) []string {
	if table {
		return []string{"today", "firing", "pending", "ns", "of plan"}
	}
	return []string{"today", "firing", "pending", "ns", "of_plan", "of_core"}
}

// ruleCells are the cells of these columns; NaN is what nobody knows now.
func ruleCells(states map[string]live.Rule, name string, table bool) []any {
	r, known := states[name]
	today, firing, pending, each, plan, core := math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN(), math.NaN()
	if known {
		today, firing, pending = float64(r.Today), float64(r.Firing), float64(r.Pending)
	}
	if known && r.Each > 0 {
		each, core = math.Round(r.Each), r.Share()
		if r.Planned > 0 {
			plan = math.Round(1000*r.Each/r.Planned) / 1000
		}
	}
	if !table {
		return []any{today, firing, pending, each, plan, core}
	}
	share := "-"
	if !math.IsNaN(plan) {
		share = fmt.Sprintf("%.0f %%", 100*plan)
	}
	return []any{today, firing, pending, each, share}
}

// writePending lists the alerts that wait.
func (a *alertsOptions) writePending(ctx context.Context, log *kafka.Client, out io.Writer) error {
	_, pending, err := ruleStates(ctx, log)
	if err != nil {
		return err
	}
	g := grid{names: []string{"symbol", "severity", "rule", "since", "due"}}
	for _, p := range pending {
		if (a.rule == "" || p.Rule == a.rule) && (a.symbol == "" || p.Symbol == a.symbol) && p.Severity >= a.least {
			g.add(p.Symbol, p.Severity.String(), p.Rule, p.Since, p.Due)
		}
	}
	if len(g.rows) == 0 && a.format == "table" {
		_, err := fmt.Fprintln(out, "no alert is pending")
		return err
	}
	return g.write(out, a.format)
}
