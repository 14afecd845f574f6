package pipeline

import (
	"context"
	"time"

	"tapedeck/pipeline/kafka"
	"tapedeck/pipeline/live"
)

// clusterStage is the name under which a process says how the cluster does.
const clusterStage = "kafka"

// clusterEvery is the time between two looks at the cluster. A broker that is
// gone is noticed by the others after some seconds.
const clusterEvery = 2 * time.Second

// describer is what says how the cluster is.
type describer interface {
	Describe(ctx context.Context) (kafka.Cluster, error)
}

// watchCluster says in the status of the stage kafka how the brokers and the
// copies of the partitions do, until ctx is done.
func watchCluster(ctx context.Context, log describer, status *stageStatus, looks <-chan time.Time) {
	last := ""
	for {
		cluster, err := log.Describe(ctx)
		switch trouble := cluster.Trouble(); {
		case ctx.Err() != nil:
			return
		case err != nil:
			status.trouble("the cluster does not say how it is: " + err.Error())
		case trouble != "":
			status.trouble(trouble)
			if trouble != last {
				status.notice(live.Trouble, trouble)
			}
			last = trouble
		default:
			if last != "" {
				status.notice(live.OK, "every broker is back, and all copies are in step")
			}
			last = ""
			status.describe(cluster.Sentence())
		}
		select {
		case <-ctx.Done():
			return
		case <-looks:
		}
	}
}
