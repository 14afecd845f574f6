package kafka

import (
	"os"
	"testing"

	"tapedeck/pipeline/kafka/kafkatest"
)

// TestRealKafka holds a real Kafka, started from its Maven Central jars, to the
// same contract as the embedded broker.
func TestRealKafka(t *testing.T) {
	if os.Getenv("TAPEDECK_TEST_KAFKA") != "1" {
		t.Skip("a real Kafka is tested when TAPEDECK_TEST_KAFKA=1 is set")
	}
	addr := kafkatest.Start(t)
	runLogContract(t, testLog{config: func() Config {
		cfg := DefaultConfig()
		cfg.Brokers, cfg.Replication = []string{addr}, 1
		return cfg
	}})
}
