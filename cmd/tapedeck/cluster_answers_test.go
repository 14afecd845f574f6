package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
)

// openLog opens a client of the cluster's log.
func (c *cluster) openLog() *kafka.Client {
	c.t.Helper()
	config := kafka.DefaultConfig()
	config.Brokers, config.Replication = strings.Split(c.brokers, ","), 3
	log, err := kafka.Open(config, slog.New(slog.DiscardHandler))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { log.Close() })
	return log
}

// TestClusterAnswers kills each broker of three in turn with kill -9. What a
// stage or a screen asks the cluster is answered all the while, by one client
// that lives through it all, and by a new one.
func TestClusterAnswers(t *testing.T) {
	if needCluster(t) {
		t.Skip("not in the short form")
	}
	c := newCluster(t)
	log := c.openLog()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute)
	defer cancel()
	if _, err := log.EnsureTopics(ctx); err != nil {
		t.Fatal(err)
	}
	ask := func(log *kafka.Client, when string) {
		t.Helper()
		questions := []struct {
			name string
			ask  func() error
		}{
			{"Describe", func() error { _, err := log.Describe(ctx); return err }},
			{"Offsets", func() error { _, err := log.Offsets(ctx, kafka.Ticks); return err }},
			{"Committed", func() error { _, err := log.Committed(ctx, "compute", kafka.Ticks); return err }},
			{"TopicID", func() error { _, err := log.TopicID(ctx, kafka.Ticks); return err }},
			{"Differences", func() error { _, err := log.Differences(ctx); return err }},
		}
		var each []string
		for _, q := range questions {
			began := time.Now()
			if err := q.ask(); err != nil {
				t.Errorf("%s, %s: %v", when, q.name, err)
			}
			each = append(each, fmt.Sprintf("%s %.1f s", q.name, time.Since(began).Seconds()))
		}
		t.Logf("%s: %s", when, strings.Join(each, ", "))
	}
	ask(log, "all three are there")
	for n := 1; n <= 3; n++ {
		c.must("kill", fmt.Sprint(n))
		ask(log, fmt.Sprintf("broker %d has just been killed", n))
		ask(c.openLog(), fmt.Sprintf("broker %d has just been killed, a new client", n))
		c.must("start", fmt.Sprint(n))
		ask(log, fmt.Sprintf("broker %d is back", n))
		for {
			cluster, err := log.Describe(ctx)
			if err == nil && cluster.Trouble() == "" {
				break
			}
			if pause(ctx) != nil {
				t.Fatalf("broker %d is back, and yet: %q, %v", n, cluster.Trouble(), err)
			}
		}
	}
}
