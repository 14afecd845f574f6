// Package kafka is the log between the stages: topics that are written once
// and read by whoever wants to, on a Kafka cluster or on the embedded broker.
// Code above it cannot tell which.
//
// It promises that an acknowledged record is kept, that records of one
// partition are read in order and none is skipped, that a producer blocks
// rather than drops, and that memory stays bounded whatever is asked of it.
// It does not promise that a record is seen once: after a crash a worker says
// itself where to go on, and what it writes again is dropped by identity.
//
// The client is librdkafka, by confluent-kafka-go; the hot paths call it once a
// batch (batch.c). The embedded broker is kfake with its data on disk: right
// for one box, not a replacement for a cluster.
package kafka
