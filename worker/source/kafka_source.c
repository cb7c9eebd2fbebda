// The Kafka source of one lane: one consumer handle for its partitions, each with a queue of its own, so that a
// partition is polled only while its range is unfinished and prefetching is bounded by librdkafka per partition (P8: no
// pause, no seek).
//
// Happy path: plan → (first time) assign at the planned offsets → poll each unfinished partition's queue → payloads are
// copied into column buffers and messages destroyed in the same pass → SOURCE_DONE when each range has seen a record ≥
// its end or partition EOF ≥ its end (P6). Failures: the record that the evidence names is another one (P7: the topic
// was made anew or truncated, FAIL_PIPELINE); offsets do not rise (RESTART_PIPELINE); offset out of range, or the
// partition is gone (RESTART_PIPELINE: the leader asks again and plans a gap, or refuses); credentials (FAIL_PIPELINE);
// a broker that is away only makes the source wait.
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/base/vector.h"
#include "common/kafka/kafka_client.h"
#include "common/kafka/kafka_evidence.h"
#include "worker/source/kafka_rows.h"
#include "worker/source/kafka_waker.h"
#include "worker/source/source.h"

#define POLL_MESSAGES_MAX     4096u
#define PARTITION_BYTES_MIN   (512u << 10)
#define RECORD_OVERHEAD_BYTES 256u // librdkafka's own for each queued record
#define FETCH_BYTES_MIN       (64u << 10)
#define FETCH_BYTES_MAX       (4u << 20)
#define SILENCE_US_MAX        60000000ll // as long as the leader waits for an answer

struct kafka_partition {
    char *topic;
    int32_t partition;
    rd_kafka_queue_t *queue;
    int64_t next;         // next offset to deliver
    int64_t to;           // end of the planned range
    int64_t eof;          // greatest EOF offset seen; −1
    int64_t check_offset; // P7: the first record must be this one …
    uint64_t check_hash;  // … with this hash and timestamp; check_offset −1: nothing to check
    int64_t check_ms;
    bool finished;
    uint64_t got_messages, got_bytes; // so far: the mean size of a record
    Foreset__Range range;             // as planned, with evidence filled in
    Foreset__Evidence evidence;
    VECTOR(rd_kafka_message_t *) held; // read beyond `to` (only behind a gap in offsets): first rows of the next epoch
};

struct kafka_source {
    struct source base;
    struct source_open_args args;
    const Foreset__Source *source;
    const struct type *schema;
    struct kafka_client *client; // NULL until the first plan
    struct kafka_waker *waker;   // NULL where librdkafka needs none
    uint64_t reserved_bytes;     // of the budget, for all queues
    uint64_t queue_bytes;        // payload that a partition's queue holds at most …
    uint64_t queue_records;      // … and how many records
    VECTOR(struct kafka_partition *) partitions;
    VECTOR(const Foreset__Range *) evidence;
    size_t turn; // which partition is polled next
    size_t unfinished;
    int64_t silent_us; // since when no broker can be reached; 0: one can
    struct kafka_rows *rows;
    rd_kafka_message_t *messages[POLL_MESSAGES_MAX];
};

static void kafka_partition_destroy(struct kafka_partition *partition)
{
    for (size_t i = 0; i < partition->held.count; i++) rd_kafka_message_destroy(partition->held.items[i]);
    vector_deinit(&partition->held);
    if (partition->queue) {
        rd_kafka_queue_cb_event_enable(partition->queue, NULL, NULL); // the handle may outlive the source
        rd_kafka_queue_destroy(partition->queue);
    }
    memory_free(partition->topic);
    memory_free(partition);
}

static void kafka_source_disconnect(struct kafka_source *source)
{
    kafka_waker_destroy(source->waker); // it borrows the partitions' topics
    source->waker = NULL;
    for (size_t i = 0; i < source->partitions.count; i++) kafka_partition_destroy(source->partitions.items[i]);
    vector_reset(&source->partitions);
    kafka_client_close(source->client);
    source->client = NULL;
    budget_give(source->args.budget, source->reserved_bytes);
    source->reserved_bytes = 0;
}

static void kafka_source_close(struct source *base)
{
    struct kafka_source *source = (struct kafka_source *)base;
    kafka_source_disconnect(source);
    vector_deinit(&source->partitions);
    vector_deinit(&source->evidence);
    kafka_rows_destroy(source->rows);
    memory_free(source);
}

static void kafka_source_on_queue(rd_kafka_t *handle, void *opaque)
{
    (void)handle;
    struct kafka_source *source = opaque;
    source->args.wake(source->args.wake_context);
}

// What the queues may take is split: a quarter for payload, the rest for what librdkafka keeps beside each record, so
// that small records, whose payload weighs least, are bounded too. All of it is taken from the budget at once.
static void kafka_source_reserve(struct kafka_source *source, size_t count)
{
    uint64_t share = source->args.queue_bytes_max / (count ? count : 1);
    if (share < PARTITION_BYTES_MIN) share = PARTITION_BYTES_MIN;
    source->queue_bytes = share / 4;
    source->queue_records = (share - source->queue_bytes) / RECORD_OVERHEAD_BYTES;
    source->reserved_bytes = share * count;
    budget_force(source->args.budget, source->reserved_bytes);
}

static enum status kafka_source_connect(struct kafka_source *source, Foreset__Range *const *ranges, size_t count,
                                        struct error *err)
{
    char queue_kbytes[24], queue_records[24], fetch_bytes[24];
    kafka_source_reserve(source, count);
    uint64_t fetch = source->queue_bytes / 4;
    if (fetch < FETCH_BYTES_MIN) fetch = FETCH_BYTES_MIN;
    if (fetch > FETCH_BYTES_MAX) fetch = FETCH_BYTES_MAX;
    snprintf(queue_kbytes, sizeof queue_kbytes, "%llu", (unsigned long long)source->queue_bytes >> 10);
    snprintf(queue_records, sizeof queue_records, "%llu", (unsigned long long)source->queue_records);
    snprintf(fetch_bytes, sizeof fetch_bytes, "%llu", (unsigned long long)fetch);
    const struct kafka_client_property extra[] = {
        {"group.id", "foreset"}, // librdkafka wants one; nothing is ever committed with it
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", FORESET_BUG("offset-reset-latest") ? "latest" : "error"},
        {"enable.partition.eof", "true"},
        {"check.crcs", "true"},
        {"queued.min.messages", queue_records},
        {"queued.max.messages.kbytes", queue_kbytes},
        {"fetch.message.max.bytes", fetch_bytes},
        {"fetch.wait.max.ms", "100"},
#if RD_KAFKA_VERSION >= 0x020200ff
        {"fetch.queue.backoff.ms", "20"},
#endif
        {"isolation.level", kafka_client_option(source->source, "kafka.isolation.level")
                                ? kafka_client_option(source->source, "kafka.isolation.level")
                                : "read_uncommitted"},
    };
    enum status status =
        kafka_client_consumer(source->source, extra, sizeof extra / sizeof *extra, &source->client, err);
    if (status != STATUS_OK) return status;
    rd_kafka_t *handle = source->client->handle;
#if RD_KAFKA_VERSION < 0x020200ff
    source->waker = kafka_waker_create(handle);
#endif
    rd_kafka_poll_set_consumer(handle);
    // Where a topic may be created again the leader finds that out before it decides, and plans the new one.
    const char *fails = kafka_client_option(source->source, "failOnDataLoss");
    bool checks = !fails || strcasecmp(fails, "false") != 0;
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        struct kafka_partition *partition = memory_calloc(1, sizeof *partition);
        vector_push(&source->partitions, partition);
        partition->topic = memory_strdup(ranges[i]->topic);
        partition->partition = ranges[i]->partition;
        partition->next = ranges[i]->from + (FORESET_BUG("offset-off-by-one") ? 1 : 0);
        partition->check_offset = -1;
        partition->eof = -1;
        if (checks && ranges[i]->last && ranges[i]->last->offset < ranges[i]->from) {
            partition->check_offset = ranges[i]->last->offset;
            partition->check_hash = ranges[i]->last->hash;
            partition->check_ms = ranges[i]->last->timestamp_ms;
        }
        int64_t start = partition->check_offset >= 0 ? partition->check_offset : partition->next;
        rd_kafka_topic_partition_list_add(list, partition->topic, partition->partition)->offset = start;
        partition->queue = rd_kafka_queue_get_partition(handle, partition->topic, partition->partition);
        rd_kafka_queue_forward(partition->queue, NULL);
        rd_kafka_queue_cb_event_enable(partition->queue, kafka_source_on_queue, source);
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(handle, list);
    rd_kafka_topic_partition_list_destroy(list);
    if (code) return kafka_client_fail(source->client, "assigning partitions", rd_kafka_err2str(code), err);
    return STATUS_OK;
}

static struct kafka_partition *kafka_source_find(const struct kafka_source *source, const Foreset__Range *range)
{
    for (size_t i = 0; i < source->partitions.count; i++) {
        struct kafka_partition *partition = source->partitions.items[i];
        if (partition->partition == range->partition && strcmp(partition->topic, range->topic) == 0) return partition;
    }
    return NULL;
}

static bool kafka_source_same_partitions(const struct kafka_source *source, Foreset__Range *const *ranges, size_t count)
{
    if (!source->client || source->partitions.count != count) return false;
    for (size_t i = 0; i < count; i++) {
        const struct kafka_partition *partition = kafka_source_find(source, ranges[i]);
        if (!partition || partition->next != ranges[i]->from) return false;
    }
    return true;
}

static void kafka_partition_settle(struct kafka_source *source, struct kafka_partition *partition)
{
    int64_t reached = partition->next > partition->eof ? partition->next : partition->eof;
    if (partition->finished || reached < partition->to || partition->check_offset >= 0) return;
    partition->finished = true;
    partition->next = partition->to > partition->next ? partition->to : partition->next;
    source->unfinished--;
}

static enum status kafka_source_plan(struct source *base, uint64_t epoch, Foreset__Range *const *ranges, size_t count,
                                     struct error *err)
{
    struct kafka_source *source = (struct kafka_source *)base;
    ASSERT(source->unfinished == 0);
    if (!kafka_source_same_partitions(source, ranges, count)) {
        if (source->client)
            log_info("kafka_source_reopened", "epoch=%llu partitions=%zu", (unsigned long long)epoch, count);
        kafka_source_disconnect(source);
        enum status status = count ? kafka_source_connect(source, ranges, count, err) : STATUS_OK;
        if (status != STATUS_OK) return status;
    }
    vector_reset(&source->evidence);
    for (size_t i = 0; i < count; i++) {
        struct kafka_partition *partition = kafka_source_find(source, ranges[i]);
        bool fresh = partition->evidence.base.descriptor == NULL;
        partition->range = (Foreset__Range)FORESET__RANGE__INIT;
        partition->range.source = ranges[i]->source;
        partition->range.topic = partition->topic;
        partition->range.has_partition = partition->range.has_from = partition->range.has_to = true;
        partition->range.partition = partition->partition;
        partition->range.from = ranges[i]->from;
        partition->range.to = ranges[i]->to;
        partition->range.has_gap_from = ranges[i]->has_gap_from;
        partition->range.gap_from = ranges[i]->gap_from;
        if (ranges[i]->last && fresh) {
            partition->evidence = *ranges[i]->last;
            partition->evidence.base = (ProtobufCMessage)PROTOBUF_C_MESSAGE_INIT(&foreset__evidence__descriptor);
        }
        if (partition->evidence.base.descriptor) partition->range.last = &partition->evidence;
        partition->to = ranges[i]->to;
        partition->finished = false;
        source->unfinished++;
        kafka_partition_settle(source, partition);
        const Foreset__Range *range = &partition->range;
        vector_push(&source->evidence, range);
    }
    return STATUS_OK;
}

static enum status kafka_source_message_error(struct kafka_source *source, struct kafka_partition *partition,
                                              const rd_kafka_message_t *message, struct error *err)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset > partition->eof) partition->eof = message->offset;
        // The record that the evidence names is behind the end: the topic is shorter than what was read of it.
        if (partition->check_offset >= 0 && message->offset <= partition->check_offset) {
            return error_set(
                err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                "Kafka %s/%d ends at offset %lld, but offset %lld was read before: the topic was truncated or "
                "created again. Start with --full-refresh, or restore the topic",
                partition->topic, partition->partition, (long long)message->offset, (long long)partition->check_offset);
        }
        if (partition->check_offset >= 0 && message->offset > partition->check_offset) partition->check_offset = -1;
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE:
        return error_set(
            err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
            "Kafka %s/%d: offset %lld is out of range (%s): the records from there on were removed while the epoch was "
            "read; its range is planned again, as failOnDataLoss says",
            partition->topic, partition->partition, (long long)partition->next, rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "Kafka %s/%d is gone from %s while it was read: %s",
                         partition->topic, partition->partition, source->client->brokers,
                         rd_kafka_message_errstr(message));
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return kafka_client_fail(source->client, "reading", rd_kafka_message_errstr(message), err);
    default: // transport and broker states: librdkafka goes on by itself
        log_debug("kafka_waits", "topic=%s partition=%d error=\"%s\"", partition->topic, partition->partition,
                  rd_kafka_message_errstr(message));
        return STATUS_OK;
    }
}

// P7: the first record after a start is the last one that was read before.
static enum status kafka_partition_check(struct kafka_partition *partition, const rd_kafka_message_t *message,
                                         struct error *err)
{
    int64_t wanted = partition->check_offset;
    partition->check_offset = -1;
    if (message->offset != wanted) {
        log_info("kafka_evidence_gone", "topic=%s partition=%d offset=%lld first=%lld", partition->topic,
                 partition->partition, (long long)wanted, (long long)message->offset);
        return STATUS_OK;
    }
    bool same = rd_kafka_message_timestamp(message, NULL) == partition->check_ms;
    if (same && kafka_evidence_hash(message) == partition->check_hash) return STATUS_OK;
    return error_set(
        err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
        "Kafka %s/%d: the record at offset %lld is not the one that was read before: the topic was created again. "
        "Start with --full-refresh to read the new topic from its beginning",
        partition->topic, partition->partition, (long long)wanted);
}

// Takes one message: into the rows, aside for the next epoch, or dropped (before the range). *ret_taken tells whether
// the message may be destroyed now.
static enum status kafka_partition_take(struct kafka_source *source, struct kafka_partition *partition,
                                        rd_kafka_message_t *message, struct error *err)
{
    enum status status = STATUS_OK;
    bool keep = false;
    if (message->err) {
        TRY(kafka_source_message_error(source, partition, message, err));
        goto out;
    }
    if (partition->check_offset >= 0) TRY(kafka_partition_check(partition, message, err));
    if (message->offset < partition->next) {
        if (message->offset < partition->range.from) goto out; // the evidence record itself
        TRY(error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "Kafka %s/%d: offset %lld after %lld",
                      partition->topic, partition->partition, (long long)message->offset,
                      (long long)partition->next - 1));
    }
    if (message->offset >= partition->to) {
        if (message->offset > partition->eof) partition->eof = message->offset;
        vector_push(&partition->held, message);
        keep = true;
        goto out;
    }
    TRY(kafka_rows_append(source->rows, message, partition->topic, err));
    partition->next = message->offset + 1;
out:
    if (!keep) rd_kafka_message_destroy(message);
    return status;
}

static void kafka_partition_evidence(struct kafka_partition *partition, const rd_kafka_message_t *message)
{
    partition->evidence = (Foreset__Evidence)FORESET__EVIDENCE__INIT;
    partition->evidence.offset = message->offset;
    partition->evidence.timestamp_ms = rd_kafka_message_timestamp(message, NULL);
    partition->evidence.hash = kafka_evidence_hash(message);
#if RD_KAFKA_VERSION >= 0x020100ff
    partition->evidence.leader_epoch = rd_kafka_message_leader_epoch(message);
#else
    partition->evidence.leader_epoch = -1;
#endif
    partition->range.last = &partition->evidence;
}

static enum status kafka_partition_take_all(struct kafka_source *source, struct kafka_partition *partition,
                                            rd_kafka_message_t **messages, size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = count; i-- > 0;) { // evidence: the last record within the range, before it is destroyed
        if (messages[i]->err || messages[i]->offset >= partition->to || messages[i]->offset < partition->range.from)
            continue;
        kafka_partition_evidence(partition, messages[i]);
        break;
    }
    size_t i = 0;
    for (; i < count && status == STATUS_OK; i++) status = kafka_partition_take(source, partition, messages[i], err);
    for (; i < count; i++) rd_kafka_message_destroy(messages[i]);
    return status;
}

// What the last epoch read too far comes first.
static enum status kafka_partition_unhold(struct kafka_source *source, struct kafka_partition *partition,
                                          struct error *err)
{
    if (partition->held.count == 0 || partition->held.items[0]->offset >= partition->to) return STATUS_OK;
    rd_kafka_message_t **held = partition->held.items;
    size_t count = partition->held.count;
    memset(&partition->held, 0, sizeof partition->held);
    enum status status = kafka_partition_take_all(source, partition, held, count, err);
    memory_free(held);
    return status;
}

// A queue that has run low, with more to come, may be parked (kafka_waker.h).
static void kafka_partition_wake(struct kafka_source *source, struct kafka_partition *partition, ssize_t got)
{
    for (ssize_t i = 0; i < got; i++) partition->got_bytes += source->messages[i]->len + source->messages[i]->key_len;
    partition->got_messages += (uint64_t)got;
    uint64_t mean = partition->got_messages ? partition->got_bytes / partition->got_messages : 0;
    uint64_t queued = rd_kafka_queue_length(partition->queue);
    // What is missing of the range is here: a request would only keep the closing waiting for its answer.
    if (partition->next + (got > 0 ? got : 0) + (int64_t)queued >= partition->to) return;
    if (queued < source->queue_records / 2 && queued * (mean ? mean : 1) < source->queue_bytes / 2)
        kafka_waker_wake(source->waker, partition->topic, partition->partition);
}

static enum status kafka_source_poll_partition(struct kafka_source *source, struct kafka_partition *partition,
                                               bool *ret_got, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(kafka_partition_unhold(source, partition, err));
    kafka_partition_settle(source, partition);
    if (partition->finished) goto out;
    size_t room = kafka_rows_room(source->rows);
    uint64_t missing = (uint64_t)(partition->to - partition->next) + (partition->check_offset >= 0);
    size_t want = room < POLL_MESSAGES_MAX ? room : POLL_MESSAGES_MAX;
    if (missing < want) want = (size_t)(missing ? missing : 1);
    ssize_t got = rd_kafka_consume_batch_queue(partition->queue, 0, source->messages, want);
    if (got < 0) {
        TRY(kafka_client_fail(source->client, "reading", rd_kafka_err2str(rd_kafka_last_error()), err));
    }
    if (source->waker) kafka_partition_wake(source, partition, got);
    if (got > 0) {
        *ret_got = true;
        if (source->silent_us) kafka_client_works(source->client);
        source->silent_us = 0;
        TRY(kafka_partition_take_all(source, partition, source->messages, (size_t)got, err));
    }
    kafka_partition_settle(source, partition);
out:
    return status;
}

// Nothing came. A broker that is away makes the source wait, but not for ever.
static enum status kafka_source_waits(struct kafka_source *source, struct error *err)
{
    if (!kafka_client_troubled(source->client)) {
        source->silent_us = 0;
        return STATUS_OK;
    }
    int64_t now_us = clock_boot_us(clock_system());
    if (source->silent_us == 0) source->silent_us = now_us;
    if (!source->client->fatal && now_us - source->silent_us < SILENCE_US_MAX) return STATUS_OK;
    (void)kafka_client_fail(source->client, "reading", "the broker is away or refuses this client", err);
    if (err) err->class = ERROR_FAIL_PIPELINE;
    return STATUS_ERROR;
}

static enum status kafka_source_poll(struct source *base, uint64_t epoch, enum source_result *ret_result,
                                     struct batch **ret_batch, struct error *err)
{
    (void)epoch;
    struct kafka_source *source = (struct kafka_source *)base;
    enum status status = STATUS_OK;
    bool got = true;
    while (got && source->unfinished && kafka_rows_room(source->rows) > 0) {
        got = false;
        for (size_t i = 0; i < source->partitions.count && kafka_rows_room(source->rows) > 0; i++) {
            struct kafka_partition *partition = source->partitions.items[source->turn++ % source->partitions.count];
            if (!partition->finished) TRY(kafka_source_poll_partition(source, partition, &got, err));
        }
    }
    if (kafka_rows_count(source->rows) > 0) {
        TRY(kafka_rows_finish(source->rows, ret_batch, err));
        *ret_result = SOURCE_BATCH;
    } else if (source->unfinished == 0) {
        *ret_result = SOURCE_DONE;
    } else {
        TRY(kafka_source_waits(source, err));
        *ret_result = SOURCE_WAITING;
    }
out:
    return status;
}

static const Foreset__Range *const *kafka_source_evidence(struct source *base, size_t *ret_count)
{
    struct kafka_source *source = (struct kafka_source *)base;
    *ret_count = source->evidence.count;
    return source->evidence.items;
}

static struct expr_errors *kafka_source_errors(struct source *base)
{
    return kafka_rows_errors(((struct kafka_source *)base)->rows);
}

static const struct source_ops kafka_source_ops = {.close = kafka_source_close,
                                                   .plan = kafka_source_plan,
                                                   .poll = kafka_source_poll,
                                                   .evidence = kafka_source_evidence,
                                                   .errors = kafka_source_errors};

enum status kafka_source_open(const struct source_open_args *args, struct source **ret_source, struct error *err)
{
    const Foreset__Node *node = args->plan->nodes[args->node];
    struct kafka_source *source = memory_calloc(1, sizeof *source);
    source->base.ops = &kafka_source_ops;
    source->args = *args;
    source->source = node->source;
    enum status status = STATUS_OK;
    TRY(type_parse(node->schema, &source->schema, err));
    const char *headers = kafka_client_option(source->source, "includeHeaders");
    bool with_headers = headers && strcasecmp(headers, "true") == 0;
    TRY(kafka_rows_create(source->schema, with_headers, args->budget, &source->rows, err));
    *ret_source = &source->base;
    return STATUS_OK;
out:
    kafka_source_close(&source->base);
    return status;
}
