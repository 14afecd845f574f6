package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store"
)

func newAlerts(o *options) *cobra.Command {
	a := alertsOptions{format: "table", limit: 100}
	cmd := &cobra.Command{
		Use:   "alerts",
		Short: "Show alerts, and go on as they come",
		Long: `Shows the alerts of the last day, oldest first: from the lake, and from the log
what the lake does not have yet. With --follow it goes on with each alert as it
comes, until ctrl-c.`,
		Example: `  tapedeck alerts
  tapedeck alerts --follow --format json | jq .message
  tapedeck alerts --pending
  tapedeck alerts --since 2026-11-20T14:30 --rule "price drop" --symbol NVDA`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(a.format); err != nil {
				return err
			}
			if a.severity != "" {
				if err := a.least.UnmarshalText([]byte(a.severity)); err != nil {
					return usageError{fmt.Errorf("--severity: %q is none of info, warning, critical", a.severity)}
				}
			}
			c, err := o.config()
			if err != nil {
				return err
			}
			if a.pending {
				return onLog(cmd.Context(), c, func(log *kafka.Client) error { return a.writePending(cmd.Context(), log, cmd.OutOrStdout()) })
			}
			return a.run(cmd.Context(), c, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&a.follow, "follow", "f", false, "go on as alerts come")
	flags.BoolVar(&a.pending, "pending", false, "what waits to fire now: its condition holds, not for long enough yet")
	flags.StringVar(&a.since, "since", "", "from this `TIME` on, UTC, or as long before the newest tick, such as 8h or 3d (default: a day)")
	flags.StringVar(&a.rule, "rule", "", "alerts of this `RULE` only")
	flags.StringVar(&a.symbol, "symbol", "", "alerts of this `SYMBOL` only")
	flags.StringVar(&a.severity, "severity", "", "alerts of this severity or worse: info, warning, critical")
	flags.IntVar(&a.limit, "limit", a.limit, "the newest so many; 0 is all")
	formatFlag(cmd, &a.format)
	_ = cmd.RegisterFlagCompletionFunc("severity", cobra.FixedCompletions([]string{"info", "warning", "critical"}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("rule", o.ruleNames)
	return cmd
}

type alertsOptions struct {
	format, since, rule, symbol, severity string
	least                                 market.Severity
	limit                                 int
	follow, pending                       bool
}

// run prints what is there, then what comes. Between the two nothing is
// missed and nothing comes twice: the log is followed from where its ends were
// before the question, and what the answer had already is left out.
func (a *alertsOptions) run(ctx context.Context, c Config, out, notes io.Writer) error {
	v, err := openView(ctx, c, notes)
	if err != nil {
		return err
	}
	defer v.close()
	var ends []kafka.Range
	if a.follow {
		if v.log == nil {
			return errors.New("no log can be followed here: start tapedeck, or tapedeck run, and try again")
		}
		if ends, err = v.log.Offsets(ctx, kafka.Alerts); err != nil {
			return err
		}
	}
	p := past{db: v.db, feed: c.market(), calendar: calendarOf(c.market())}
	since := market.Time(0)
	switch _, newest, err := p.recorded(ctx); {
	case errors.Is(err, errNothingRecorded):
	case err != nil:
		return err
	default:
		if since, err = pastTime(a.since, newest); err != nil {
			return usageError{fmt.Errorf("--since: %w", err)}
		}
		if a.since == "" {
			since = newest.Add(-24 * time.Hour)
		}
	}
	alerts, more, err := a.past(ctx, v.db, since)
	if err != nil {
		return err
	}
	if more > 0 && a.format == "table" {
		fmt.Fprintf(notes, "note: %s older alerts are left out; --limit 0 shows them\n", grouped(more))
	}
	lines := alertLines{out: out, format: a.format}
	if err := lines.write(alerts, !a.follow); err != nil {
		return err
	}
	if !a.follow {
		return nil
	}
	shown := map[string]bool{}
	for i := range alerts {
		shown[alerts[i].ID] = true
	}
	err = v.log.Follow(ctx, []string{kafka.Alerts}, func(_ string, partition int32, r kafka.Range) int64 {
		if int(partition) < len(ends) {
			return max(r.Low, ends[partition].High)
		}
		return r.Low
	}, func(_ string, records []kafka.Record) error {
		var news []market.Alert
		for i := range records {
			var alert market.Alert
			if market.DecodeAlert(records[i].Value, &alert) != nil || shown[alert.ID] || !a.wants(&alert) {
				continue
			}
			shown[alert.ID] = true
			news = append(news, alert)
		}
		if len(shown) > 100_000 { // a repeat comes soon or never
			clear(shown)
		}
		return lines.write(news, false)
	})
	if ctx.Err() != nil {
		return nil // asked to end
	}
	return err
}

func (a *alertsOptions) wants(alert *market.Alert) bool {
	return (a.rule == "" || alert.Rule == a.rule) && (a.symbol == "" || alert.Symbol == a.symbol) && alert.Severity >= a.least
}

// past are the newest alerts since a time, oldest first, and how many older
// ones are left out.
func (a *alertsOptions) past(ctx context.Context, db *store.DB, since market.Time) (alerts []market.Alert, more int64, err error) {
	where := fmt.Sprintf("time >= make_timestamp(%d)", since)
	quote := func(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
	if a.rule != "" {
		where += " AND rule = " + quote(a.rule)
	}
	if a.symbol != "" {
		where += " AND symbol = " + quote(a.symbol)
	}
	switch a.least {
	case market.Warning:
		where += " AND severity <> 'info'"
	case market.Critical:
		where += " AND severity = 'critical'"
	}
	rows, err := db.Query(ctx, `SELECT symbol, epoch_us(time), rule, revision, severity, state, value, threshold, message, id
		FROM alerts WHERE `+where+` ORDER BY time DESC, id DESC`, store.Options{Native: true, Limit: a.limit})
	if err != nil {
		return nil, 0, err
	}
	defer rows.Close()
	for rows.Next() {
		alerts = append(alerts, alertOf(rows.Values()))
	}
	if err := rows.Err(); err != nil {
		return nil, 0, err
	}
	if rows.More() {
		total, err := rows.Total(ctx)
		if err != nil {
			return nil, 0, err
		}
		more = total - int64(len(alerts))
	}
	slices.Reverse(alerts)
	return alerts, more, nil
}

// alertLines writes alerts as they come.
type alertLines struct {
	out    io.Writer
	format string
	begun  bool
}

// write writes some alerts. whole says that there are no more, so that columns
// can be as wide as their widest cell; else each alert is a line of its own.
func (l *alertLines) write(alerts []market.Alert, whole bool) error {
	g := grid{names: []string{"time", "symbol", "severity", "state", "rule", "revision", "value", "threshold", "message", "id"}}
	if l.format == "table" {
		g.names = []string{"time", "severity", "state", "rule", "message"}
	}
	for i := range alerts {
		a := &alerts[i]
		if l.format == "table" {
			g.add(a.Time, a.Severity.String(), a.State.String(), a.Rule, a.Message)
		} else {
			g.add(a.Time, a.Symbol, a.Severity.String(), a.State.String(), a.Rule, int64(a.Revision), a.Value, a.Threshold, a.Message, a.ID)
		}
	}
	if whole && l.format == "table" && len(alerts) == 0 {
		_, err := fmt.Fprintln(l.out, "no alerts")
		return err
	}
	if l.format == "table" && !whole {
		for _, row := range g.rows {
			if _, err := fmt.Fprintf(l.out, "%s  %-8s  %-8s  %-24s  %s\n", shownCell(row[0]), row[1], row[2], shownCell(row[3]), shownCell(row[4])); err != nil {
				return err
			}
		}
		return nil
	}
	if l.begun && l.format == "csv" {
		var text strings.Builder
		if err := g.write(&text, "csv"); err != nil {
			return err
		}
		_, rest, _ := strings.Cut(text.String(), "\n") // the header was written before
		_, err := io.WriteString(l.out, rest)
		return err
	}
	l.begun = true
	return g.write(l.out, l.format)
}

// numberOr is a value as a number, NaN where it is none.
func numberOr(v any) float64 {
	if f, ok := v.(float64); ok {
		return f
	}
	return math.NaN()
}

// alertOf reads a row of symbol, time, rule, revision, severity, state, value,
// threshold, message, id.
func alertOf(row []driver.Value) (one market.Alert) {
	one.Symbol, _ = row[0].(string)
	at, _ := row[1].(int64)
	one.Time = market.Time(at)
	one.Rule, _ = row[2].(string)
	one.Revision, _ = row[3].(int32)
	severity, _ := row[4].(string)
	_ = one.Severity.UnmarshalText([]byte(severity))
	state, _ := row[5].(string)
	_ = one.State.UnmarshalText([]byte(state))
	one.Value, one.Threshold = numberOr(row[6]), numberOr(row[7])
	one.Message, _ = row[8].(string)
	one.ID, _ = row[9].(string)
	return one
}
