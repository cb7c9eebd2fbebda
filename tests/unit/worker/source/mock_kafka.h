// A mock cluster in this process, filled by a real producer. For tests of the source and the catalog.
#ifndef FORESET_TESTS_MOCK_KAFKA_H
#define FORESET_TESTS_MOCK_KAFKA_H

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <stdio.h>
#include <string.h>

#include "common/base/error.h"

struct mock_kafka {
    rd_kafka_t *handle;
    rd_kafka_mock_cluster_t *cluster;
    char brokers[256];
};

static inline void mock_kafka_start(struct mock_kafka *mock, const char *topic, int partitions)
{
    char reason[256];
    mock->handle = rd_kafka_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), reason, sizeof reason);
    ASSERT(mock->handle);
    mock->cluster = rd_kafka_mock_cluster_new(mock->handle, 1);
    ASSERT(mock->cluster);
    snprintf(mock->brokers, sizeof mock->brokers, "%s", rd_kafka_mock_cluster_bootstraps(mock->cluster));
    rd_kafka_resp_err_t code = rd_kafka_mock_topic_create(mock->cluster, topic, partitions, 1);
    ASSERT(!code);
}

static inline void mock_kafka_stop(struct mock_kafka *mock)
{
    rd_kafka_mock_cluster_destroy(mock->cluster);
    rd_kafka_destroy(mock->handle);
}

// Sends `count` records "<prefix><i>" with key "k<i>" to one partition and waits until they are there.
static inline void mock_kafka_fill(struct mock_kafka *mock, const char *topic, int partition, const char *prefix,
                                   int count)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", mock->brokers, reason, sizeof reason);
    rd_kafka_t *producer = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    ASSERT(producer);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(producer, topic, NULL);
    for (int i = 0; i < count; i++) {
        char key[32], value[64];
        snprintf(key, sizeof key, "k%d", i);
        snprintf(value, sizeof value, "%s%d", prefix, i);
        int failed =
            rd_kafka_produce(handle, partition, RD_KAFKA_MSG_F_COPY, value, strlen(value), key, strlen(key), NULL);
        ASSERT(!failed);
        rd_kafka_poll(producer, 0);
    }
    rd_kafka_resp_err_t code = rd_kafka_flush(producer, 20000);
    ASSERT(!code);
    rd_kafka_topic_destroy(handle);
    rd_kafka_destroy(producer);
}

#endif
