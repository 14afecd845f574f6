package main

import (
	"testing"

	"tapedeck/pipeline/live"
)

// History that is laid down is computed before anything is learned from it.
func TestTheFirstTrainingWaitsForTheBacklog(t *testing.T) {
	var b backlog
	say := func(stage string, total, lag int64) { b.watch(live.Status{Stage: stage, Total: total, Lag: lag}) }
	for range 10 {
		say("compute", 0, 0) // nothing has come yet
		say("archive", 100, 0)
	}
	if b.worked() {
		t.Fatal("it begins before anything is there")
	}
	for _, lag := range []int64{400_000, 300, 200_000, 300, 200, 100} {
		say("compute", 1000, lag)
	}
	if b.worked() {
		t.Error("it begins while history is still coming")
	}
	say("compute", 1000, 100)
	if !b.worked() {
		t.Error("it never begins")
	}
	if !(&backlog{elsewhere: true}).worked() {
		t.Error("it waits for a stage that runs elsewhere")
	}
}
