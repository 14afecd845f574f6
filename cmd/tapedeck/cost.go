package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"tapedeck/pipeline/cost"
	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/market"
	"tapedeck/store/lake"
)

// costSpan is how far back usage counts for a rate: long enough for the hourly
// rhythm of publishing and merging.
const costSpan = 24 * time.Hour

// ledger is where the processes of a data directory note what they used.
func (p *place) ledger() *cost.Ledger { return &cost.Ledger{Path: p.path("usage.jsonl")} }

// meter counts what this process asks of S3 through a lake.
func (p *place) meter(by string, l *lake.Lake) *cost.Meter {
	return &cost.Meter{Ledger: p.ledger(), By: by, Read: func() cost.Usage {
		r := l.Requests()
		return cost.Usage{Puts: r.Puts, Gets: r.Gets, Wrote: r.Sent, Read: r.Read, Failed: r.Failed}
	}}
}

// noteUsage counts what this process asks of S3 from now on; the returned
// function ends that and writes down the rest.
func (p *place) noteUsage(by string, l *lake.Lake, logger *slog.Logger) func() {
	ctx, cancel := context.WithCancel(context.Background())
	var counting sync.WaitGroup
	counting.Go(func() { p.meter(by, l).Run(ctx, time.Minute, logger) })
	return func() {
		cancel()
		counting.Wait()
	}
}

// costSetup is what of the settings costs money.
func costSetup(c Config, data string) cost.Setup {
	s := cost.Setup{
		S3: strings.HasPrefix(c.lakeLocation(data), "s3://"), Class: c.S3.Class, FlushAge: c.Archive.FlushAge,
		Instance: c.Cost.Instance, Disk: float64(c.Cost.Disk) / 1e9, Endpoint: c.Cost.Endpoint, PublicIPs: c.Cost.Addresses,
	}
	if s.Instance != "" {
		s.Boxes = 1
	}
	if s.Endpoint != "" {
		s.Endpoints = 1
	}
	if c.Cost.Broker != "" {
		s.Broker, s.Brokers = c.Cost.Broker, len(c.Kafka.Brokers)
	}
	return s
}

// readPrices reads the table of a file, or the built-in one.
func readPrices(path string) (cost.Prices, error) {
	if path == "" {
		return cost.DefaultPrices()
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return cost.Prices{}, usageError{fmt.Errorf("read the prices: %w", err)}
	}
	p, err := cost.ReadPrices(data)
	if err != nil {
		return p, usageError{fmt.Errorf("%s: %w", path, err)}
	}
	return p, nil
}

// stored sums up what lies in the lake.
func stored(entries []lake.Entry, now time.Time) cost.Stored {
	var s cost.Stored
	days := map[string]int64{}
	old, today := now.UTC().AddDate(0, 0, -30).Format(time.DateOnly), now.UTC().Format(time.DateOnly)
	for _, e := range entries {
		s.Objects += int64(e.Objects)
		s.Bytes += e.Bytes
		switch e.Folder {
		case "raw":
			s.Raw += e.Bytes
		case "processed/ticks":
			s.Ticks += e.Bytes
		}
		if e.Date == "" {
			continue
		}
		days[e.Date] += e.Bytes
		if e.Date < old {
			s.Old += e.Bytes
		}
	}
	s.Days = len(days)
	newest := ""
	for day, bytes := range days {
		if day < today && day > newest { // today is not whole yet
			newest, s.PerDay = day, bytes
		}
	}
	return s
}

// logBytes is about what a cluster keeps, all copies together: records times
// the size of the newest ones, before compression.
func logBytes(ctx context.Context, log *kafka.Client, copies int) (int64, error) {
	var total int64
	for _, topic := range kafka.Topics() {
		offsets, err := log.Offsets(ctx, topic)
		if err != nil {
			return 0, err
		}
		var count, sampled, bytes int64
		for partition, r := range offsets {
			count += r.High - r.Low
			if sampled >= 100 || r.High == r.Low {
				continue
			}
			records, err := log.ReadLast(ctx, topic, int32(partition), 20)
			if err != nil {
				return 0, err
			}
			for i := range records {
				sampled++
				bytes += int64(len(records[i].Key) + len(records[i].Value) + 20)
			}
		}
		if sampled > 0 {
			total += count * bytes / sampled
		}
	}
	return total * int64(max(1, copies)), nil
}

// bill is what the pipeline of a data directory costs.
func bill(ctx context.Context, c Config, p *place, prices cost.Prices, l *lake.Lake, log *kafka.Client, now time.Time) (cost.Summary, error) {
	entries, err := l.Ls(ctx)
	if err != nil {
		return cost.Summary{}, err
	}
	used, over, err := p.ledger().Sum(now.Add(-costSpan))
	if err != nil {
		return cost.Summary{}, err
	}
	setup := costSetup(c, p.dir)
	if setup.Brokers > 0 && log != nil {
		if setup.LogBytes, err = logBytes(ctx, log, cmp.Or(c.Kafka.Replication, 3)); err != nil {
			return cost.Summary{}, fmt.Errorf("measure the log: %w", err)
		}
	}
	return cost.Bill(&prices, setup, stored(entries, now), used, over)
}

// watchCost writes down what is used and, now and then, what that costs, for
// screens to show: listing the lake costs requests, too.
func watchCost(ctx context.Context, c Config, h *held, logger *slog.Logger) {
	prices, err := readPrices(c.Cost.Prices)
	if err != nil {
		logger.Warn("costs are not shown", "error", err)
		return
	}
	for wait := 2 * time.Minute; ; wait = 15 * time.Minute {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		s, err := bill(ctx, c, h.place, prices, h.lake, h.log, time.Now())
		if err == nil {
			err = h.place.writeJSON("cost.json", s)
		}
		if err != nil && ctx.Err() == nil {
			logger.Warn("costs are not shown", "error", err)
		}
	}
}

// costText is what the pipeline costs as it last said; "" where it has not.
func (p *place) costText(now market.Time) string {
	info, err := os.Stat(p.path("cost.json"))
	if err != nil || now.Std().Sub(info.ModTime()) > time.Hour {
		return ""
	}
	data, err := os.ReadFile(p.path("cost.json"))
	var s cost.Summary
	if err != nil || json.Unmarshal(data, &s) != nil || s.Over == 0 || s.Hour == 0 {
		return ""
	}
	text := s.Text()
	if len(s.Advice) > 0 {
		text += fmt.Sprintf(" · %s a month could be saved: tapedeck cost", cost.Dollars(s.Advice[0].Saves))
	}
	return text
}
