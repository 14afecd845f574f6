package kafka

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/confluentinc/confluent-kafka-go/v2/kafka"
)

// Cluster is what a cluster looks like now.
type Cluster struct {
	ID         string
	Controller int32 // broker id, -1 when not known
	Brokers    []Node
	Topics     []TopicState // ours, by name; missing ones are not listed
	MinInSync  int          // copies that a record needs to be acknowledged, as configured; 0 is not known
}

// Node is a broker.
type Node struct {
	ID   int32
	Addr string // host:port
	Away bool   // it should hold partitions and does not answer the cluster
	Rack string
}

// TopicState is a topic and where its partitions are.
type TopicState struct {
	Topic
	Parts []PartitionState
}

// PartitionState is where a partition is.
type PartitionState struct {
	Partition int32
	Leader    int32   // broker id, -1: none, so it can be neither read nor written
	Replicas  []int32 // brokers that should have it
	InSync    []int32 // brokers that have all of it
}

// UnderReplicated tells whether a broker that should have the partition lacks records.
func (p PartitionState) UnderReplicated() bool { return len(p.InSync) < len(p.Replicas) }

// Describe asks the cluster about its brokers and our topics.
func (c *Client) Describe(ctx context.Context) (Cluster, error) {
	var d kafka.DescribeClusterResult
	err := c.patiently(ctx, func(ctx context.Context) (err error) {
		d, err = c.admin.DescribeCluster(ctx, within(ctx))
		return err
	})
	if err != nil {
		return Cluster{}, fmt.Errorf("describe the cluster: %w", plain(err))
	}
	cluster := Cluster{Controller: -1, MinInSync: c.cfg.minInSync()}
	if d.ClusterID != nil {
		cluster.ID = *d.ClusterID
	}
	if d.Controller != nil {
		cluster.Controller = int32(d.Controller.ID)
	}
	nodes := make(map[int32]Node)
	for _, n := range d.Nodes {
		nodes[int32(n.ID)] = node(n)
	}
	var names []string
	for _, name := range Topics() {
		names = append(names, c.cfg.Prefix+name)
	}
	var result kafka.DescribeTopicsResult
	err = c.patiently(ctx, func(ctx context.Context) (err error) {
		result, err = c.admin.DescribeTopics(ctx, kafka.NewTopicCollectionOfTopicNames(names), within(ctx))
		return err
	})
	if err != nil {
		return Cluster{}, fmt.Errorf("describe the topics: %w", plain(err))
	}
	for _, t := range result.TopicDescriptions {
		if t.Error.Code() != kafka.ErrNoError {
			continue
		}
		state := TopicState{Topic: Topic{Name: t.Name[len(c.cfg.Prefix):], ID: t.TopicID.String(), Partitions: len(t.Partitions)}}
		for _, p := range t.Partitions {
			part := PartitionState{Partition: int32(p.Partition), Leader: -1}
			if p.Leader != nil && p.Leader.ID >= 0 {
				part.Leader = int32(p.Leader.ID)
			}
			for _, r := range p.Replicas {
				part.Replicas = append(part.Replicas, int32(r.ID))
				if _, known := nodes[int32(r.ID)]; !known {
					n := node(r)
					n.Away = true
					nodes[n.ID] = n
				}
			}
			for _, r := range p.Isr {
				part.InSync = append(part.InSync, int32(r.ID))
			}
			state.Parts = append(state.Parts, part)
		}
		cluster.Topics = append(cluster.Topics, state)
	}
	for _, id := range slices.Sorted(maps.Keys(nodes)) {
		cluster.Brokers = append(cluster.Brokers, nodes[id])
	}
	return cluster, nil
}

func node(n kafka.Node) Node {
	nd := Node{ID: int32(n.ID)}
	if n.Host != "" {
		nd.Addr = fmt.Sprintf("%s:%d", n.Host, n.Port)
	}
	if n.Rack != nil {
		nd.Rack = *n.Rack
	}
	return nd
}
