// Happy path: assign each partition at its evidence's offset, one fetch brings the record, unassign. The fetch is
// small: a broker gives one batch at least, to one partition after another.
// What can happen: the offset is out of range, or the end comes first: the first and end offsets decide (a leader that
// was just elected answers only when it knows its end); the record is compacted away: the next one comes; an old
// record of the assignment before: ignored, as its offset is another one.
#include "common/kafka/kafka_evidence.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/memory.h"

#define HASH_SEED 0u
#define SLICE_MS  1

struct kafka_evidence {
    struct kafka_client *client;
    int64_t deadline_us; // of the check at hand
};

uint64_t kafka_evidence_hash(const rd_kafka_message_t *message)
{
    uint64_t hash = hash_64(message->key ? message->key : "", message->key ? message->key_len : 0, HASH_SEED);
    return hash_mix(hash,
                    hash_64(message->payload ? message->payload : "", message->payload ? message->len : 0, HASH_SEED));
}

enum status kafka_evidence_open(const Foreset__Source *source, struct kafka_evidence **ret_evidence, struct error *err)
{
    const char *isolation = kafka_client_option(source, "kafka.isolation.level");
    const struct kafka_client_property extra[] = {
        {"group.id", "foreset"}, // librdkafka wants one; nothing is ever committed with it
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "error"},
        {"enable.partition.eof", "true"},
        {"check.crcs", "true"},
        {"queued.min.messages", "1"},
        {"queued.max.messages.kbytes", "64"},
        {"fetch.message.max.bytes", "65536"},
        {"fetch.wait.max.ms", "10"},
        {"fetch.error.backoff.ms", "50"},
        {"allow.auto.create.topics", "false"},
        {"isolation.level", isolation ? isolation : "read_uncommitted"},
    };
    struct kafka_evidence *evidence = memory_calloc(1, sizeof *evidence);
    enum status status = kafka_client_consumer(source, extra, sizeof extra / sizeof *extra, &evidence->client, err);
    if (status != STATUS_OK) {
        memory_free(evidence);
        return status;
    }
    // No rd_kafka_poll_set_consumer: rd_kafka_poll, which serves errors, must not meet records.
    *ret_evidence = evidence;
    return STATUS_OK;
}

void kafka_evidence_close(struct kafka_evidence *evidence)
{
    if (!evidence) return;
    kafka_client_close(evidence->client);
    memory_free(evidence);
}

static int kafka_evidence_left_ms(const struct kafka_evidence *evidence)
{
    int64_t left_ms = (evidence->deadline_us - clock_boot_us(clock_system())) / 1000;
    return left_ms < 1 ? 1 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

// Those that are still unknown, each at its offset; none: nothing is fetched any more.
static enum status kafka_evidence_assign(struct kafka_evidence *evidence, const struct kafka_evidence_item *items,
                                         size_t count, struct error *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)count);
    for (size_t i = 0; i < count; i++) {
        if (items[i].verdict == KAFKA_EVIDENCE_UNKNOWN)
            rd_kafka_topic_partition_list_add(list, items[i].topic, items[i].partition)->offset = items[i].offset;
    }
    rd_kafka_resp_err_t code = rd_kafka_assign(evidence->client->handle, list->cnt > 0 ? list : NULL);
    rd_kafka_topic_partition_list_destroy(list);
    if (!code) return STATUS_OK;
    return kafka_client_fail(evidence->client, "assigning partitions", rd_kafka_err2str(code), err);
}

// The record does not come: what the partition holds now decides. Unknown: it holds the offset after all.
static enum status kafka_evidence_judge(struct kafka_evidence *evidence, struct kafka_evidence_item *item,
                                        struct error *err)
{
    int64_t low, high;
    rd_kafka_resp_err_t code = rd_kafka_query_watermark_offsets(evidence->client->handle, item->topic, item->partition,
                                                                &low, &high, kafka_evidence_left_ms(evidence));
    if (code) return kafka_client_fail(evidence->client, "asking for offsets", rd_kafka_err2str(code), err);
    if (high <= item->offset) {
        item->verdict = KAFKA_EVIDENCE_OTHER;
    } else if (low > item->offset) {
        item->verdict = KAFKA_EVIDENCE_GONE;
    }
    return STATUS_OK;
}

static enum status kafka_evidence_take(struct kafka_evidence *evidence, struct kafka_evidence_item *item,
                                       const rd_kafka_message_t *message, bool *ret_again, struct error *err)
{
    switch (message->err) {
    case RD_KAFKA_RESP_ERR_NO_ERROR:
        if (message->offset > item->offset) item->verdict = KAFKA_EVIDENCE_GONE;
        if (message->offset != item->offset) return STATUS_OK;
        bool same = kafka_evidence_hash(message) == item->hash &&
                    rd_kafka_message_timestamp(message, NULL) == item->timestamp_ms;
        item->verdict = same ? KAFKA_EVIDENCE_HELD : KAFKA_EVIDENCE_OTHER;
        return STATUS_OK;
    case RD_KAFKA_RESP_ERR__PARTITION_EOF:
        if (message->offset > item->offset) { // nothing stands between the offset and the end any more
            item->verdict = KAFKA_EVIDENCE_GONE;
            return STATUS_OK;
        }
        break;
    case RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET:
    case RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE: break;
    case RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART:
    case RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC:
    case RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION:
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
        return kafka_client_fail(evidence->client, "reading a record again", rd_kafka_message_errstr(message), err);
    default: return STATUS_OK; // transport and broker states: librdkafka goes on by itself
    }
    enum status status = kafka_evidence_judge(evidence, item, err);
    *ret_again = *ret_again || item->verdict == KAFKA_EVIDENCE_UNKNOWN;
    return status;
}

static struct kafka_evidence_item *kafka_evidence_of(struct kafka_evidence_item *items, size_t count,
                                                     const rd_kafka_message_t *message)
{
    const char *topic = message->rkt ? rd_kafka_topic_name(message->rkt) : "";
    for (size_t i = 0; i < count; i++) {
        if (items[i].partition == message->partition && strcmp(items[i].topic, topic) == 0) return &items[i];
    }
    return NULL;
}

// The next one that is unknown, in turn; NULL: none is.
static struct kafka_evidence_item *kafka_evidence_next(struct kafka_evidence_item *items, size_t count, size_t *turn)
{
    for (size_t i = 0; i < count; i++) {
        struct kafka_evidence_item *item = &items[(*turn)++ % count];
        if (item->verdict == KAFKA_EVIDENCE_UNKNOWN) return item;
    }
    return NULL;
}

static size_t kafka_evidence_unknown(const struct kafka_evidence_item *items, size_t count)
{
    size_t unknown = 0;
    for (size_t i = 0; i < count; i++) unknown += items[i].verdict == KAFKA_EVIDENCE_UNKNOWN;
    return unknown;
}

enum status kafka_evidence_check(struct kafka_evidence *evidence, struct kafka_evidence_item *items, size_t count,
                                 int timeout_ms, struct error *err)
{
    enum status status = STATUS_OK;
    struct error ignored;
    size_t turn = 0;
    evidence->deadline_us = clock_boot_us(clock_system()) + timeout_ms * 1000ll;
    for (size_t i = 0; i < count; i++) items[i].verdict = KAFKA_EVIDENCE_UNKNOWN;
    kafka_client_works(evidence->client); // of trouble since the last check nobody told it that it is over
    TRY(kafka_evidence_assign(evidence, items, count, err));
    while (kafka_evidence_unknown(items, count) > 0) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(evidence->client->handle, SLICE_MS);
        bool again = false;
        if (message) {
            struct kafka_evidence_item *item = kafka_evidence_of(items, count, message);
            if (item && item->verdict == KAFKA_EVIDENCE_UNKNOWN)
                status = kafka_evidence_take(evidence, item, message, &again, err);
            rd_kafka_message_destroy(message);
        }
        TRY(status);
        // Old librdkafka sleeps up to a second before it fetches for a new assignment; any request wakes it, and this
        // one's answer may do without the fetch.
        struct kafka_evidence_item *next = kafka_evidence_next(items, count, &turn);
        if (!message && next) TRY(kafka_evidence_judge(evidence, next, err));
        if (again) TRY(kafka_evidence_assign(evidence, items, count, err));
        bool late = clock_boot_us(clock_system()) >= evidence->deadline_us;
        if (late || (!message && kafka_client_troubled(evidence->client)))
            TRY(kafka_client_fail(evidence->client, "reading a record again", "the brokers did not answer in time",
                                  err));
    }
    kafka_client_works(evidence->client);
out:
    if (kafka_evidence_assign(evidence, items, 0, &ignored) != STATUS_OK && status == STATUS_OK) {
        if (err) *err = ignored;
        status = ignored.code;
    }
    return status;
}
