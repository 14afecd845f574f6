#include "rdkafka.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

typedef struct td_acks {
  _Atomic int64_t pending[TD_SLOTS];
  _Atomic int64_t acked, failed;
  _Atomic int32_t first_err, first_partition;
} td_acks;

int td_consume(rd_kafka_queue_t *q, td_record *records, rd_kafka_message_t **messages, int n) {
  ssize_t got = rd_kafka_consume_batch_queue(q, 0, messages, (size_t)n);
  for (ssize_t i = 0; i < got; i++) {
    rd_kafka_message_t *m = messages[i];
    td_record *r = &records[i];
    int type;
    r->offset = m->offset;
    r->topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;
    r->partition = m->partition;
    r->err = m->err;
    r->key = m->key;
    r->key_len = (int32_t)m->key_len;
    r->value = m->payload;
    r->value_len = (int32_t)m->len;
    r->headers = NULL;
    r->headers_cnt = 0;
    if (m->err) {
      r->timestamp = 0;
      continue;
    }
    r->timestamp = rd_kafka_message_timestamp(m, &type);
    if (rd_kafka_message_headers(m, &r->headers) == 0)
      r->headers_cnt = (int32_t)rd_kafka_header_cnt(r->headers);
  }
  return (int)(got < 0 ? 0 : got);
}

void td_release(rd_kafka_message_t **messages, int n) {
  for (int i = 0; i < n; i++) rd_kafka_message_destroy(messages[i]);
}

static void failed(td_acks *acks, int err, int32_t partition) {
  int32_t none = 0;
  if (atomic_compare_exchange_strong(&acks->first_err, &none, err)) acks->first_partition = partition;
  atomic_fetch_add(&acks->failed, 1);
}

rd_kafka_t *td_producer(rd_kafka_conf_t *conf, char *errbuf, size_t size) {
  rd_kafka_conf_set_events(conf, TD_EVENT_DR | TD_EVENT_ERROR | TD_EVENT_STATS);
  rd_kafka_conf_set_log_cb(conf, NULL); // never to stderr; errors come as events
  return rd_kafka_new(TD_PRODUCER, conf, errbuf, size);
}

static void delivered(td_acks *acks, rd_kafka_event_t *ev) {
  const rd_kafka_message_t *m;
  _Atomic int64_t *slot = NULL;
  int64_t n = 0, acked = 0; // of one slot in a row
  while ((m = rd_kafka_event_message_next(ev))) {
    if (m->err)
      failed(acks, m->err, m->partition);
    else
      acked++;
    if (m->_private != slot) {
      if (slot) atomic_fetch_sub(slot, n);
      slot = m->_private;
      n = 0;
    }
    n++;
  }
  atomic_fetch_add(&acks->acked, acked);
  if (slot) atomic_fetch_sub(slot, n);
}

int td_poll(rd_kafka_t *rk, rd_kafka_queue_t *q, void *acks, int *fatal, char *errbuf, size_t size, char **stats) {
  rd_kafka_event_t *ev;
  while ((ev = rd_kafka_queue_poll(q, 0))) {
    int err = 0;
    switch (rd_kafka_event_type(ev)) {
    case TD_EVENT_DR:
      delivered(acks, ev);
      break;
    case TD_EVENT_ERROR:
      err = rd_kafka_event_error(ev);
      *fatal = rd_kafka_event_error_is_fatal(ev);
      if (*fatal)
        err = rd_kafka_fatal_error(rk, errbuf, size);
      else
        snprintf(errbuf, size, "%s", rd_kafka_event_error_string(ev));
      break;
    }
    if (rd_kafka_event_type(ev) == TD_EVENT_STATS) *stats = strdup(rd_kafka_event_stats(ev));
    rd_kafka_event_destroy(ev);
    if (err || *stats) return err;
  }
  return 0;
}

enum { CHUNK = 512 }; // messages on the stack: 36 kB

static int produce_plain(rd_kafka_topic_t *rkt, td_acks *acks, const td_item *items, int n, const char *buf) {
  rd_kafka_message_t m[CHUNK];
  for (int done = 0; done < n;) {
    int k = n - done < CHUNK ? n - done : CHUNK;
    for (int i = 0; i < k; i++) {
      const td_item *it = &items[done + i];
      const char *p = buf + it->at;
      size_t key_len = it->key_len < 0 ? 0 : (size_t)it->key_len;
      memset(&m[i], 0, sizeof m[i]);
      m[i].partition = it->partition;
      m[i].key = it->key_len < 0 ? NULL : (void *)p;
      m[i].key_len = key_len;
      m[i].payload = it->value_len < 0 ? NULL : (void *)(p + key_len);
      m[i].len = it->value_len < 0 ? 0 : (size_t)it->value_len;
      m[i]._private = (void *)&acks->pending[it->slot];
    }
    if (rd_kafka_produce_batch(rkt, -1, TD_MSG_F_COPY | TD_MSG_F_PARTITION, m, k) < k)
      for (int i = 0; i < k; i++) {
        if (m[i].err == TD_ERR_QUEUE_FULL) return done + i; // and so are all that follow
        if (m[i].err) {
          failed(acks, m[i].err, m[i].partition);
          atomic_fetch_sub(&acks->pending[items[done + i].slot], 1);
        }
      }
    done += k;
  }
  return n;
}

// produce_one enqueues a record with headers; 0 when the queue is full.
static int produce_one(rd_kafka_t *rk, rd_kafka_topic_t *rkt, td_acks *acks, const td_item *it, const char *buf) {
  const char *p = buf + it->at;
  const char *key = it->key_len < 0 ? NULL : p;
  size_t key_len = it->key_len < 0 ? 0 : (size_t)it->key_len;
  p += key_len;
  const char *value = it->value_len < 0 ? NULL : p;
  size_t value_len = it->value_len < 0 ? 0 : (size_t)it->value_len;
  p += value_len;
  rd_kafka_headers_t *headers = rd_kafka_headers_new((size_t)it->headers_cnt);
  for (int i = 0; i < it->headers_cnt; i++) {
    int32_t name_len, len;
    memcpy(&name_len, p, sizeof name_len);
    const char *name = p + sizeof name_len;
    p = name + name_len;
    memcpy(&len, p, sizeof len);
    p += sizeof len;
    rd_kafka_header_add(headers, name, name_len, p, len);
    p += len;
  }
  int err = rd_kafka_producev(rk, TD_VTYPE_RKT, rkt, TD_VTYPE_PARTITION, (int)it->partition,
                              TD_VTYPE_VALUE, value, value_len, TD_VTYPE_KEY, key, key_len,
                              TD_VTYPE_MSGFLAGS, (int)TD_MSG_F_COPY, TD_VTYPE_HEADERS, headers,
                              TD_VTYPE_OPAQUE, (void *)&acks->pending[it->slot], TD_VTYPE_END);
  if (!err) return 1;
  rd_kafka_headers_destroy(headers);
  if (err == TD_ERR_QUEUE_FULL) return 0;
  failed(acks, err, it->partition);
  atomic_fetch_sub(&acks->pending[it->slot], 1);
  return 1;
}

int td_produce(rd_kafka_t *rk, rd_kafka_topic_t *rkt, void *acks, const td_item *items, int n, const char *buf) {
  for (int done = 0; done < n;) {
    int k = done;
    while (k < n && items[k].headers_cnt == 0) k++;
    if (k > done) {
      int taken = produce_plain(rkt, acks, items + done, k - done, buf);
      done += taken;
      if (done < k) return done;
    } else {
      if (!produce_one(rk, rkt, acks, &items[done], buf)) return done;
      done++;
    }
  }
  return n;
}

const char *td_assign(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t offset, char *errbuf, size_t size) {
  rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
  rd_kafka_topic_partition_list_add(list, topic, partition);
  rd_kafka_topic_partition_list_set_offset(list, topic, partition, offset);
  rd_kafka_error_t *error = rd_kafka_incremental_assign(rk, list);
  rd_kafka_topic_partition_list_destroy(list);
  if (!error) return NULL;
  snprintf(errbuf, size, "%s", rd_kafka_error_string(error));
  rd_kafka_error_destroy(error);
  return errbuf;
}
