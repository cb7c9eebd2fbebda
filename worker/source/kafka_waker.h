// Wakes librdkafka's broker thread. Before 2.2 a partition whose queue is full is parked and its broker thread sleeps
// for up to a second, however soon the queue is drained: throughput becomes queue size per second. Any request to the
// broker ends that sleep, so a small thread of our own asks for a partition's end offset when its queue has run low.
// Newer versions have fetch.queue.backoff.ms, and need none of this.
#ifndef FORESET_SOURCE_KAFKA_WAKER_H
#define FORESET_SOURCE_KAFKA_WAKER_H

#include <stdint.h>

struct rd_kafka_s;
struct kafka_waker;
struct kafka_waker *kafka_waker_create(struct rd_kafka_s *handle);
void kafka_waker_destroy(struct kafka_waker *waker); // NULL allowed; before the handle
// Never blocks; at most one request is under way, others are dropped. topic must live as long as the waker.
void kafka_waker_wake(struct kafka_waker *waker, const char *topic, int32_t partition);

#endif
