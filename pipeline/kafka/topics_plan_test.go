package kafka

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestDifferencesAreFoundAndCorrected(t *testing.T) {
	b := openBroker(t, t.TempDir())
	t.Cleanup(func() { closeBroker(t, b) })
	open := func(change func(*Config)) *Client {
		t.Helper()
		cfg := b.Config(DefaultConfig())
		cfg.Embedded = false // its topics are made as on a cluster
		change(&cfg)
		c, err := Open(cfg, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		return c
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	differences := func(c *Client) []Difference {
		t.Helper()
		all, err := c.Differences(ctx)
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	c := open(func(*Config) {})
	if all := differences(c); len(all) != len(Topics()) || all[0].Setting != "topic" || all[0].Topic != "stock-market.ticks" {
		t.Fatalf("an empty cluster: %+v", all)
	}
	if err := c.Correct(ctx, differences(c)); err != nil {
		t.Fatal(err)
	}
	if all := differences(c); len(all) != 0 {
		t.Fatalf("after all topics were made: %+v", all)
	}

	longer := open(func(c *Config) { c.Retention = 10 * 24 * time.Hour })
	all := differences(longer)
	if len(all) != 7 { // rules and state are compacted, status keeps an hour
		t.Fatalf("another retention: %+v", all)
	}
	want := Difference{Topic: "stock-market.ticks", Setting: "retention.ms", Is: "604800000", Wanted: "864000000"}
	if all[0] != want {
		t.Errorf("%+v, want %+v", all[0], want)
	}
	if err := longer.Correct(ctx, all); err != nil {
		t.Fatal(err)
	}
	if all := differences(longer); len(all) != 0 {
		t.Errorf("after the correction: %+v", all)
	}

	// A changed partition count is refused, and nothing else is changed with it.
	wider := open(func(c *Config) { c.Partitions = 24 })
	all = differences(wider)
	err := wider.Correct(ctx, all)
	if !errors.Is(err, ErrPartitions) || !strings.Contains(err.Error(), "another kafka.prefix and rebuild") {
		t.Errorf("more partitions: %v", err)
	}
	if again := differences(wider); len(again) != len(all) || len(all) != 8+7 { // feeds and status have one partition always
		t.Errorf("%d differences before the refusal, %d after", len(all), len(again))
	}

	// More copies are for Kafka's own tool; the rest is corrected.
	copies := open(func(c *Config) { c.Replication = 3 })
	err = copies.Correct(ctx, differences(copies))
	if err == nil || !strings.Contains(err.Error(), "kafka-reassign-partitions.sh") {
		t.Errorf("more copies: %v", err)
	}
	for _, d := range differences(copies) {
		if d.Setting != "replication" {
			t.Errorf("still different: %+v", d)
		}
	}
}

func TestThreeCopiesNeedTwoInStep(t *testing.T) {
	for _, c := range []struct {
		replication, minInSync int
		want                   string
	}{{0, 0, ""}, {1, 0, ""}, {3, 0, "2"}, {3, 1, "1"}} {
		cfg := DefaultConfig()
		cfg.Replication, cfg.MinInSync = c.replication, c.minInSync
		if got := cfg.spec(Ticks).config["min.insync.replicas"]; got != c.want {
			t.Errorf("replication %d: min.insync.replicas %q, want %q", c.replication, got, c.want)
		}
	}
}
