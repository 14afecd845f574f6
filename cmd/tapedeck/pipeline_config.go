package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"tapedeck/pipeline"
	"tapedeck/pipeline/alert"
	"tapedeck/pipeline/clean"
	"tapedeck/pipeline/feed"
	"tapedeck/pipeline/market"
)

// pipelineConfig turns settings into what the pipeline is told.
func pipelineConfig(c Config, h *held, stages []string, once bool) (pipeline.Config, error) {
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	calendar := calendarOf(c.market())
	return pipeline.Config{
		Stages: stages, Once: once, Instance: h.instance, Host: host, Version: version,
		Sources: func(ctx context.Context, resume pipeline.Resume) ([]feed.Source, error) {
			return sources(ctx, c, resume)
		},
		Calendar:       calendar,
		Clean:          clean.Config{},
		SecondFeatures: c.Compute.SecondFeatures, SnapshotEvery: c.Compute.Snapshot,
		NewRules: newRuleEngines(calendar), DefaultRules: alert.Defaults(),
		FlushRows: c.Archive.FlushRows, FlushAge: c.Archive.FlushAge, MergeEvery: c.Archive.MergeEvery,
		Retention: cmp.Or(c.Kafka.Retention, 15*time.Minute), Embedded: h.broker != nil,
	}, nil
}

// calendarOf is the calendar of each symbol of a feed. The simulated market is
// always open, and so are currencies and coins; all else trades in New York.
func calendarOf(name string) func(symbol string) *market.Calendar {
	open, nyse := market.AlwaysOpen(), market.NYSE()
	if name == "sim" {
		return func(string) *market.Calendar { return open }
	}
	return func(symbol string) *market.Calendar {
		if n := len(symbol); n > 4 && (symbol[n-4:] == "-USD" || symbol[n-2:] == "=X") {
			return open
		}
		return nyse
	}
}

// sources opens the feed that is set.
func sources(ctx context.Context, c Config, resume pipeline.Resume) ([]feed.Source, error) {
	var source feed.Source
	var err error
	since := func(symbol string) market.Time {
		if _, known := resume.Price[symbol]; known {
			return resume.Last
		}
		return 0
	}
	switch c.Feed {
	case "sim":
		config := feed.SimConfig{Symbols: c.Sim.Symbols, Rate: c.Sim.Rate, Seed: uint64(c.Sim.Seed), Speed: 1,
			Resume: resume.Price, After: resume.Last}
		if resume.Empty && c.Sim.History {
			config.HistoryDays, config.History = 60, 3*time.Hour
		}
		source, err = feed.NewSim(config)
	case "replay":
		var speed float64
		if speed, err = parseSpeed(c.Replay.Speed); err != nil {
			break
		}
		if c.recorded() {
			source, err = recordedSource(ctx, c, speed)
			break
		}
		from, to, _ := parseBounds(c)
		var replay *feed.Replay
		replay, err = feed.NewReplay(feed.ReplayConfig{Inputs: c.Replay.Input, Speed: speed, From: from, To: to})
		if err == nil {
			source, err = replay, checkOrder(replay, resume)
		}
	case "yahoo":
		symbols := c.Yahoo.Symbols
		if len(symbols) == 0 {
			symbols = largest(1000)
		}
		source, err = feed.NewYahoo(feed.YahooConfig{Symbols: symbols, Poll: c.Yahoo.Poll, Stream: c.Yahoo.Stream != "off",
			BaseURLs: feed.YahooURLs{Query1: c.Yahoo.Query, Query2: c.Yahoo.Chart, Stream: strings.TrimPrefix(c.Yahoo.Stream, "off"), Cookie: c.Yahoo.Cookie},
			Backfill: true, Since: since})
	case "alphavantage":
		symbols := c.AlphaVantage.Symbols
		if len(symbols) == 0 {
			symbols = largest(5)
		}
		source, err = feed.NewAlphaVantage(feed.AlphaVantageConfig{Symbols: symbols, Key: c.AlphaVantage.Key, BaseURL: c.AlphaVantage.URL,
			PerDay: c.AlphaVantage.Daily, Bulk: c.AlphaVantage.Bulk, Backfill: true, Since: since})
	}
	if err != nil {
		return nil, fmt.Errorf("open the feed %s: %w", c.Feed, err)
	}
	return []feed.Source{source}, nil
}

// checkOrder refuses a recording of a day older than what the log holds: its
// ticks would all come too late.
func checkOrder(replay *feed.Replay, resume pipeline.Resume) error {
	if resume.Empty || resume.Begun(replay.ID()) || replay.Begins() > resume.Last.Add(-24*time.Hour) {
		return nil
	}
	const layout = "2006-01-02 15:04"
	return fmt.Errorf("the input begins at %s UTC, and the log here has come to %s already; replay an older day into a directory of its own with --data DIR, or play several days at once, each with --input, and they are taken in order",
		replay.Begins().Std().Format(layout), resume.Last.Std().Format(layout))
}

// largest are the n symbols of the universe with the most volume.
func largest(n int) []string {
	var symbols []string
	for _, company := range market.Companies() {
		if len(symbols) == n {
			break
		}
		symbols = append(symbols, company.Symbol)
	}
	return symbols
}
