package pipeline

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/market"
)

// BenchmarkAlertBurst is 100,000 alerts at once: a source as fast as it can
// be, a rule that speaks at each of its ticks, from the first row to the last
// alert on the topic and in the archive. Beside it, in the same run, the same
// without the rule.
func BenchmarkAlertBurst(b *testing.B) {
	const ticks = 100_000
	told := func(rules ...market.Rule) (Report, time.Duration) {
		log := newLog(b)
		config := testConfig(shortStory{n: ticks}, func() Rules {
			return alert.New(alert.Config{Calendar: func(string) *market.Calendar { return market.NYSE() }})
		})
		config.Sources = func(context.Context, Resume) ([]feed.Source, error) { return []feed.Source{shortStory{n: ticks}}, nil }
		config.DefaultRules, config.SnapshotEvery, config.FlushRows = rules, 5*time.Second, 100_000
		start := time.Now()
		report, err := Run(b.Context(), config, log, &memoryLake{}, slog.New(slog.DiscardHandler))
		if err != nil {
			b.Fatal(err)
		}
		return report, time.Since(start)
	}
	var with, without time.Duration
	for b.Loop() {
		report, took := told(market.Rule{Name: "burst", When: "price > 1", Repeat: "every time", Revision: 1})
		if report.Alerts != ticks {
			b.Fatalf("%d alerts", report.Alerts)
		}
		with += took
		_, took = told()
		without += took
	}
	n := float64(b.N)
	b.ReportMetric(ticks*n/with.Seconds(), "alerts/s")
	b.ReportMetric(with.Seconds()/n, "s")
	b.ReportMetric(with.Seconds()/without.Seconds(), "x-without")
	b.ReportMetric(0, "ns/op")
}
