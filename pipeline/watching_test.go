package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
)

// looks answers with one cluster after the other, and then ends the watching.
type looks struct {
	answers []func() (kafka.Cluster, error)
	asked   int
	before  func() // each answer but the first
	end     context.CancelFunc
}

func (l *looks) Describe(context.Context) (kafka.Cluster, error) {
	if l.asked > 0 {
		l.before()
	}
	if l.asked == len(l.answers) {
		l.end()
		return kafka.Cluster{}, context.Canceled
	}
	l.asked++
	return l.answers[l.asked-1]()
}

func TestClusterIsWatched(t *testing.T) {
	cluster := func(away bool, inSync ...int32) func() (kafka.Cluster, error) {
		return func() (kafka.Cluster, error) {
			return kafka.Cluster{
				Brokers: []kafka.Node{{ID: 1}, {ID: 2}, {ID: 3, Away: away}}, MinInSync: 2,
				Topics: []kafka.TopicState{{Parts: []kafka.PartitionState{{Leader: 1, Replicas: []int32{1, 2, 3}, InSync: inSync}}}},
			}, nil
		}
	}
	ctx, end := context.WithCancel(t.Context())
	status := &stageStatus{stage: clusterStage}
	var said []live.Status
	l := &looks{end: end, before: func() { said = append(said, status.report(time.Now())) }, answers: []func() (kafka.Cluster, error){
		cluster(false, 1, 2, 3), cluster(true, 1, 2), cluster(true, 1, 2), cluster(false, 1, 2, 3),
		func() (kafka.Cluster, error) { return kafka.Cluster{}, errors.New("no answer in time") },
	}}
	ticks := make(chan time.Time)
	close(ticks)
	watchCluster(ctx, l, status, ticks)
	const away = "broker 3 is away; fewer copies in step than there should be of 1 of 1 partitions, which go on"
	want := []struct {
		level live.Level
		text  string
	}{
		{live.OK, "3 brokers (1 leads 1, 2 leads 0, 3 leads 0), 1 partition, all copies in step"},
		{live.Trouble, away}, {live.Trouble, away},
		{live.OK, "3 brokers (1 leads 1, 2 leads 0, 3 leads 0), 1 partition, all copies in step"},
		{live.Trouble, "the cluster does not say how it is: no answer in time"},
	}
	if len(said) != len(want) {
		t.Fatalf("%d reports, want %d", len(said), len(want))
	}
	for i, w := range want {
		if said[i].Level != w.level || said[i].Text != w.text {
			t.Errorf("look %d: %v %q, want %v %q", i, said[i].Level, said[i].Text, w.level, w.text)
		}
	}
	events := said[len(said)-1].Events
	if len(events) != 2 || events[0].Text != away || events[1].Level != live.OK {
		t.Errorf("the events: %+v", events)
	}
}
