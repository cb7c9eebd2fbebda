// The yardstick: how fast librdkafka alone hands over a topic. One consumer handle, batches off its queue, bytes left
// untouched. Usage: bench_ceiling BROKERS TOPIC PARTITIONS ROWS; prints one JSON object. Any error ends it with 1: a
// ceiling measured over a partial topic would flatter everything held against it.
// The queue must hold a second of input on librdkafka < 2.2, where a full one parks its partition for that long.
#include <librdkafka/rdkafka.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCH_MESSAGES_MAX = 10000, POLL_MS = 1000, IDLE_POLLS_MAX = 60 };

static const char *const properties[][2] = {
    {"group.id", "ceiling"},
    {"enable.auto.commit", "false"},
    {"auto.offset.reset", "error"},
    {"queued.min.messages", "1000000"},
    {"queued.max.messages.kbytes", "262144"},
    {"fetch.message.max.bytes", "4194304"},
    {"check.crcs", "false"},
};

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

static rd_kafka_t *consumer_create(const char *brokers)
{
    char message[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    bool good = rd_kafka_conf_set(conf, "bootstrap.servers", brokers, message, sizeof message) == RD_KAFKA_CONF_OK;
    for (size_t i = 0; good && i < sizeof properties / sizeof properties[0]; i++)
        good = rd_kafka_conf_set(conf, properties[i][0], properties[i][1], message, sizeof message) == RD_KAFKA_CONF_OK;
    rd_kafka_t *consumer = good ? rd_kafka_new(RD_KAFKA_CONSUMER, conf, message, sizeof message) : NULL;
    if (!consumer) {
        fprintf(stderr, "ceiling: %s\n", message);
        exit(1);
    }
    rd_kafka_poll_set_consumer(consumer);
    return consumer;
}

static void assign(rd_kafka_t *consumer, const char *topic, int partitions)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(partitions);
    for (int partition = 0; partition < partitions; partition++)
        rd_kafka_topic_partition_list_add(list, topic, partition)->offset = RD_KAFKA_OFFSET_BEGINNING;
    rd_kafka_resp_err_t failed = rd_kafka_assign(consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (failed) {
        fprintf(stderr, "ceiling: assign: %s\n", rd_kafka_err2str(failed));
        exit(1);
    }
}

// Consumes exactly `want` rows; the bytes of their values.
static size_t consume(rd_kafka_t *consumer, long want)
{
    static rd_kafka_message_t *messages[BATCH_MESSAGES_MAX];
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(consumer);
    size_t bytes = 0;
    int idle = 0;
    for (long rows = 0; rows < want;) {
        ssize_t count = rd_kafka_consume_batch_queue(queue, POLL_MS, messages, BATCH_MESSAGES_MAX);
        idle = count > 0 ? 0 : idle + 1;
        if (idle > IDLE_POLLS_MAX) {
            fprintf(stderr, "ceiling: %ld of %ld rows, then nothing\n", rows, want);
            exit(1);
        }
        for (ssize_t i = 0; i < count; i++) {
            if (messages[i]->err) {
                fprintf(stderr, "ceiling: %s\n", rd_kafka_message_errstr(messages[i]));
                exit(1);
            }
            rows++;
            bytes += messages[i]->len;
            rd_kafka_message_destroy(messages[i]);
        }
    }
    rd_kafka_queue_destroy(queue);
    return bytes;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: bench_ceiling BROKERS TOPIC PARTITIONS ROWS\n");
        return 2;
    }
    long rows = strtol(argv[4], NULL, 10);
    rd_kafka_t *consumer = consumer_create(argv[1]);
    double begin = seconds_of(CLOCK_MONOTONIC);
    assign(consumer, argv[2], (int)strtol(argv[3], NULL, 10));
    size_t bytes = consume(consumer, rows);
    double wall = seconds_of(CLOCK_MONOTONIC) - begin;
    double cpu = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    printf("{\"rows\": %ld, \"bytes\": %zu, \"wall_s\": %.3f, \"cpu_s\": %.3f}\n", rows, bytes, wall, cpu);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    return 0;
}
