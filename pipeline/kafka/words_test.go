package kafka

import "testing"

func TestClusterInWords(t *testing.T) {
	part := func(leader int32, inSync ...int32) PartitionState {
		return PartitionState{Leader: leader, Replicas: []int32{1, 2, 3}, InSync: inSync}
	}
	three := []Node{{ID: 1, Rack: "zone-a"}, {ID: 2}, {ID: 3}}
	twoAway := []Node{{ID: 1}, {ID: 2, Away: true}, {ID: 3}}
	for _, c := range []struct {
		name              string
		brokers           []Node
		parts             []PartitionState
		sentence, trouble string
	}{
		{"well", three, []PartitionState{part(1, 1, 2, 3), part(2, 1, 2, 3), part(1, 1, 2, 3)},
			"3 brokers (1 leads 2, 2 leads 1, 3 leads 0), 3 partitions, all copies in step", ""},
		{"one away", twoAway, []PartitionState{part(1, 1, 3), part(3, 1, 3)},
			"3 brokers (1 leads 1, 2 is away, 3 leads 1), 2 partitions, 2 with too few copies in step",
			"broker 2 is away; fewer copies in step than there should be of 2 of 2 partitions, which go on"},
		{"back, behind", three, []PartitionState{part(1, 1, 3), part(3, 1, 2, 3)},
			"3 brokers (1 leads 1, 2 leads 0, 3 leads 1), 2 partitions, 1 with too few copies in step",
			"fewer copies in step than there should be of 1 of 2 partitions, which go on, broker 2 is catching up"},
		{"two away", []Node{{ID: 1}, {ID: 2, Away: true}, {ID: 3, Away: true}}, []PartitionState{part(1, 1), part(-1)},
			"3 brokers (1 leads 1, 2 is away, 3 is away), 2 partitions, 2 with too few copies in step",
			"brokers 2 and 3 are away; no leader for 1 of 2 partitions: they can be neither read nor written; " +
				"not enough copies in step to write to 1 of 2 partitions: feeds wait"},
		{"one broker", []Node{{ID: 1}}, []PartitionState{{Leader: 1, Replicas: []int32{1}, InSync: []int32{1}}},
			"1 broker (1 leads 1), 1 partition, all copies in step", ""},
	} {
		cluster := Cluster{Brokers: c.brokers, Topics: []TopicState{{Parts: c.parts}}, MinInSync: min(2, len(c.brokers))}
		if got := cluster.Sentence(); got != c.sentence {
			t.Errorf("%s: %q, want %q", c.name, got, c.sentence)
		}
		if got := cluster.Trouble(); got != c.trouble {
			t.Errorf("%s: trouble %q, want %q", c.name, got, c.trouble)
		}
	}
}
