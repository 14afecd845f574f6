// The few functions of librdkafka that this package calls itself, once a batch
// instead of once a record. Their declarations are those of librdkafka's public
// header, which Go modules cannot share; the library itself comes with
// confluent-kafka-go. All are part of its stable ABI since 1.6.

#ifndef TAPEDECK_RDKAFKA_H
#define TAPEDECK_RDKAFKA_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

// Weak, so that cgo's trial link of this package alone succeeds; the strong
// references of confluent-kafka-go bring the definitions into the binary.
#if defined(__APPLE__)
#define TD_RDKAFKA extern
#else
#define TD_RDKAFKA extern __attribute__((weak))
#endif

typedef struct rd_kafka_s rd_kafka_t;
typedef struct rd_kafka_topic_s rd_kafka_topic_t;
typedef struct rd_kafka_queue_s rd_kafka_queue_t;
typedef struct rd_kafka_error_s rd_kafka_error_t;
typedef struct rd_kafka_conf_s rd_kafka_conf_t;
typedef struct rd_kafka_event_s rd_kafka_event_t; // really rd_kafka_op_s
typedef struct rd_kafka_headers_s rd_kafka_headers_t;
typedef struct rd_kafka_topic_conf_s rd_kafka_topic_conf_t;
typedef struct rd_kafka_topic_partition_list_s rd_kafka_topic_partition_list_t;
typedef struct rd_kafka_topic_partition_s rd_kafka_topic_partition_t;

typedef struct rd_kafka_message_s {
  int err;
  rd_kafka_topic_t *rkt;
  int32_t partition;
  void *payload;
  size_t len;
  void *key;
  size_t key_len;
  int64_t offset;
  void *_private;
} rd_kafka_message_t;

enum {
  TD_PRODUCER = 0,
  TD_EVENT_DR = 0x1,
  TD_EVENT_ERROR = 0x8,
  TD_EVENT_STATS = 0x40,
  TD_MSG_F_COPY = 0x2,
  TD_MSG_F_PARTITION = 0x8,
  TD_ERR_QUEUE_FULL = -184,
  TD_VTYPE_END = 0,
  TD_VTYPE_RKT = 2,
  TD_VTYPE_PARTITION = 3,
  TD_VTYPE_VALUE = 4,
  TD_VTYPE_KEY = 5,
  TD_VTYPE_OPAQUE = 6,
  TD_VTYPE_MSGFLAGS = 7,
  TD_VTYPE_HEADERS = 10,
};

TD_RDKAFKA rd_kafka_topic_t *rd_kafka_topic_new(rd_kafka_t *, const char *, rd_kafka_topic_conf_t *);
TD_RDKAFKA void rd_kafka_topic_destroy(rd_kafka_topic_t *);
TD_RDKAFKA const char *rd_kafka_topic_name(const rd_kafka_topic_t *);
TD_RDKAFKA int rd_kafka_produce_batch(rd_kafka_topic_t *, int32_t, int, rd_kafka_message_t *, int);
TD_RDKAFKA int rd_kafka_producev(rd_kafka_t *, ...);
TD_RDKAFKA rd_kafka_headers_t *rd_kafka_headers_new(size_t);
TD_RDKAFKA void rd_kafka_headers_destroy(rd_kafka_headers_t *);
TD_RDKAFKA int rd_kafka_header_add(rd_kafka_headers_t *, const char *, ssize_t, const void *, ssize_t);
TD_RDKAFKA int rd_kafka_header_get_all(const rd_kafka_headers_t *, size_t, const char **, const void **, size_t *);
TD_RDKAFKA size_t rd_kafka_header_cnt(const rd_kafka_headers_t *);
TD_RDKAFKA int rd_kafka_message_headers(const rd_kafka_message_t *, rd_kafka_headers_t **);
TD_RDKAFKA int64_t rd_kafka_message_timestamp(const rd_kafka_message_t *, int *);
TD_RDKAFKA void rd_kafka_message_destroy(rd_kafka_message_t *);
TD_RDKAFKA ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *, int, rd_kafka_message_t **, size_t);
TD_RDKAFKA rd_kafka_queue_t *rd_kafka_queue_new(rd_kafka_t *);
TD_RDKAFKA rd_kafka_queue_t *rd_kafka_queue_get_partition(rd_kafka_t *, const char *, int32_t);
TD_RDKAFKA void rd_kafka_queue_forward(rd_kafka_queue_t *, rd_kafka_queue_t *);
TD_RDKAFKA void rd_kafka_queue_destroy(rd_kafka_queue_t *);
TD_RDKAFKA void rd_kafka_queue_io_event_enable(rd_kafka_queue_t *, int, const void *, size_t);
TD_RDKAFKA rd_kafka_topic_partition_list_t *rd_kafka_topic_partition_list_new(int);
TD_RDKAFKA rd_kafka_topic_partition_t *rd_kafka_topic_partition_list_add(rd_kafka_topic_partition_list_t *, const char *, int32_t);
TD_RDKAFKA int rd_kafka_topic_partition_list_set_offset(rd_kafka_topic_partition_list_t *, const char *, int32_t, int64_t);
TD_RDKAFKA void rd_kafka_topic_partition_list_destroy(rd_kafka_topic_partition_list_t *);
TD_RDKAFKA rd_kafka_error_t *rd_kafka_incremental_assign(rd_kafka_t *, const rd_kafka_topic_partition_list_t *);
TD_RDKAFKA const char *rd_kafka_error_string(const rd_kafka_error_t *);
TD_RDKAFKA void rd_kafka_error_destroy(rd_kafka_error_t *);
TD_RDKAFKA const char *rd_kafka_err2str(int);
TD_RDKAFKA int rd_kafka_get_watermark_offsets(rd_kafka_t *, const char *, int32_t, int64_t *, int64_t *);
TD_RDKAFKA rd_kafka_conf_t *rd_kafka_conf_new(void);
TD_RDKAFKA void rd_kafka_conf_destroy(rd_kafka_conf_t *);
TD_RDKAFKA int rd_kafka_conf_set(rd_kafka_conf_t *, const char *, const char *, char *, size_t);
TD_RDKAFKA void rd_kafka_conf_set_events(rd_kafka_conf_t *, int);
TD_RDKAFKA void rd_kafka_conf_set_log_cb(rd_kafka_conf_t *, void (*)(const rd_kafka_t *, int, const char *, const char *));
TD_RDKAFKA rd_kafka_t *rd_kafka_new(int, rd_kafka_conf_t *, char *, size_t);
TD_RDKAFKA void rd_kafka_destroy(rd_kafka_t *);
TD_RDKAFKA rd_kafka_queue_t *rd_kafka_queue_get_main(rd_kafka_t *);
TD_RDKAFKA rd_kafka_queue_t *rd_kafka_queue_get_consumer(rd_kafka_t *);
TD_RDKAFKA rd_kafka_event_t *rd_kafka_queue_poll(rd_kafka_queue_t *, int);
TD_RDKAFKA int rd_kafka_event_type(const rd_kafka_event_t *);
TD_RDKAFKA int rd_kafka_event_error(rd_kafka_event_t *);
TD_RDKAFKA int rd_kafka_event_error_is_fatal(rd_kafka_event_t *);
TD_RDKAFKA const char *rd_kafka_event_error_string(rd_kafka_event_t *);
TD_RDKAFKA const char *rd_kafka_event_stats(rd_kafka_event_t *);
TD_RDKAFKA const rd_kafka_message_t *rd_kafka_event_message_next(rd_kafka_event_t *);
TD_RDKAFKA void rd_kafka_event_destroy(rd_kafka_event_t *);
TD_RDKAFKA int rd_kafka_fatal_error(rd_kafka_t *, char *, size_t);

// td_record is a consumed record; its pointers belong to the message it came from.
typedef struct td_record {
  int64_t offset;
  int64_t timestamp; // ms
  const char *topic;
  const void *key;   // NULL: none
  const void *value; // NULL: none (a tombstone); with err: its text
  rd_kafka_headers_t *headers;
  int32_t key_len, value_len, headers_cnt, partition, err;
} td_record;

// td_consume takes up to n records off a queue without waiting.
int td_consume(rd_kafka_queue_t *q, td_record *records, rd_kafka_message_t **messages, int n);
// td_release gives the messages of td_consume back.
void td_release(rd_kafka_message_t **messages, int n);

// A record to produce; offsets into the batch's buffer. A length of -1: none.
typedef struct td_item {
  int32_t partition, slot;
  int32_t key_len, value_len, headers_cnt;
  int64_t at; // of the key; the value follows, then headers: (int32 length, bytes) for name and value each
} td_item;

// The counters of a producer, shared with Go (acks in producer.go), which
// allocates them: outside Go's memory, zeroed.
enum { TD_SLOTS = 64 };

// td_producer makes a producer of conf, which it takes over when it succeeds;
// NULL and the error's text in errbuf when not.
rd_kafka_t *td_producer(rd_kafka_conf_t *conf, char *errbuf, size_t size);
// td_poll counts the delivery reports that have come; it stops at an error or
// at statistics (which the caller frees). An error
// comes up: its code, and its text in errbuf.
int td_poll(rd_kafka_t *rk, rd_kafka_queue_t *main, void *acks, int *fatal, char *errbuf, size_t size, char **stats);
// td_produce enqueues items in order and returns how many were taken: fewer
// than n when librdkafka's queue is full. Failures are counted in acks.
int td_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, void *acks, const td_item *items, int n, const char *buf);
// td_assign starts reading a partition at offset; returns NULL or the error's text in errbuf.
const char *td_assign(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t offset, char *errbuf, size_t size);

#endif
