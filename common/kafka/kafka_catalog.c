// The catalog of a read_kafka source.
// Happy path: metadata of the topics, then first and end offset of each partition.
// Failures: broker away (RETRY), credentials (FAIL_PIPELINE), topic missing (FAIL_PIPELINE: the operator creates it and
// starts again), startingOffsets that name a partition which is not there or an offset that does not exist
// (FAIL_PIPELINE).
#include "common/kafka/kafka_catalog.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/clock.h"
#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/kafka/kafka_offsets_json.h"

#define TOPICS_MAX       256u
#define FIRST_SLICE_MS   500  // an unreachable broker is known this soon; a slow one gets three times as long each time
#define COMMIT_SLICE_MS  50   // how soon a wait for the group sees that no broker is there
#define FIRST_CONTACT_MS 4000 // the first attempt of all: trouble is told soon

struct kafka_catalog {
    struct kafka_client *client;
    VECTOR(char *) topics;
    struct kafka_offsets assigned; // assign =>: only these partitions
    bool assign;
    struct kafka_offsets starts; // startingOffsets as JSON
    int64_t start_default;       // KAFKA_OFFSET_EARLIEST, _LATEST, or 0 with starts
    bool tried;
    int64_t deadline_us; // of the poll at hand

    // Progress told to the group. One commit at a time: librdkafka sends one again by itself, and an older one that
    // arrives after a newer one would win.
    rd_kafka_queue_t *answers;                // of commits
    bool committing;                          // one is on its way
    rd_kafka_topic_partition_list_t *waiting; // the newest progress that came meanwhile, NULL if none
    rd_kafka_resp_err_t refused, told;        // what the last commit got; what was last returned of that
};

static const char *kafka_catalog_intern(struct kafka_catalog *catalog, const char *topic)
{
    for (size_t i = 0; i < catalog->topics.count; i++) {
        if (strcmp(catalog->topics.items[i], topic) == 0) return catalog->topics.items[i];
    }
    char *copy = memory_strdup(topic);
    vector_push(&catalog->topics, copy);
    return copy;
}

static enum status kafka_catalog_topics(struct kafka_catalog *catalog, const Foreset__Source *source, struct error *err)
{
    const char *subscribe = kafka_client_option(source, "subscribe"), *assign = kafka_client_option(source, "assign");
    if (!subscribe == !assign) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "source %s: give exactly one of subscribe => 'topic[,topic]' and assign => '{\"topic\":[0]}'",
                         source->name);
    }
    if (assign) {
        catalog->assign = true;
        enum status status = kafka_assign_parse("assign", assign, &catalog->assigned, err);
        for (size_t i = 0; status == STATUS_OK && i < catalog->assigned.items.count; i++) {
            kafka_catalog_intern(catalog, catalog->assigned.items.items[i].topic);
        }
        return status;
    }
    char *copy = memory_strdup(subscribe), *save = NULL;
    for (char *topic = strtok_r(copy, ", ", &save); topic; topic = strtok_r(NULL, ", ", &save)) {
        kafka_catalog_intern(catalog, topic);
    }
    memory_free(copy);
    if (catalog->topics.count > 0 && catalog->topics.count <= TOPICS_MAX) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "subscribe => '%s' names %zu topics; 1 to %u are possible",
                     subscribe, catalog->topics.count, TOPICS_MAX);
}

static enum status kafka_catalog_starts(struct kafka_catalog *catalog, const Foreset__Source *source, struct error *err)
{
    const char *starts = kafka_client_option(source, "startingOffsets");
    catalog->start_default = KAFKA_OFFSET_LATEST; // Spark's default for a stream
    if (!starts || strcasecmp(starts, "latest") == 0) return STATUS_OK;
    if (strcasecmp(starts, "earliest") == 0) {
        catalog->start_default = KAFKA_OFFSET_EARLIEST;
        return STATUS_OK;
    }
    if (*starts != '{') {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "startingOffsets => '%s': expected 'earliest', 'latest' or {\"topic\":{\"0\":23}}", starts);
    }
    return kafka_offsets_parse("startingOffsets", starts, &catalog->starts, err);
}

enum status kafka_catalog_open(const Foreset__Source *source, const char *pipeline, struct kafka_catalog **ret_catalog,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct kafka_catalog *catalog = memory_calloc(1, sizeof *catalog);
    char group[300];
    const char *prefix = kafka_client_option(source, "groupIdPrefix");
    snprintf(group, sizeof group, "%s-%s", prefix ? prefix : "foreset", pipeline);
    const struct kafka_client_property extra[] = {
        {"group.id", group}, {"enable.auto.commit", "false"}, {"allow.auto.create.topics", "false"}};
    TRY(kafka_catalog_topics(catalog, source, err));
    TRY(kafka_catalog_starts(catalog, source, err));
    TRY(kafka_client_consumer(source, extra, sizeof extra / sizeof *extra, &catalog->client, err));
    catalog->answers = rd_kafka_queue_new(catalog->client->handle);
    *ret_catalog = catalog;
    return STATUS_OK;
out:
    kafka_catalog_close(catalog);
    return status;
}

void kafka_catalog_close(struct kafka_catalog *catalog)
{
    if (!catalog) return;
    if (catalog->answers) rd_kafka_queue_destroy(catalog->answers);
    if (catalog->waiting) rd_kafka_topic_partition_list_destroy(catalog->waiting);
    kafka_client_close(catalog->client);
    for (size_t i = 0; i < catalog->topics.count; i++) memory_free(catalog->topics.items[i]);
    vector_deinit(&catalog->topics);
    kafka_offsets_deinit(&catalog->assigned);
    kafka_offsets_deinit(&catalog->starts);
    memory_free(catalog);
}

static bool kafka_catalog_wants(const struct kafka_catalog *catalog, const char *topic, int32_t partition)
{
    if (!catalog->assign) return true;
    for (size_t i = 0; i < catalog->assigned.items.count; i++) {
        const struct kafka_offset *item = &catalog->assigned.items.items[i];
        if (item->partition == partition && strcmp(item->topic, topic) == 0) return true;
    }
    return false;
}

static int kafka_catalog_left_ms(const struct kafka_catalog *catalog)
{
    int64_t left_ms = (catalog->deadline_us - clock_boot_us(clock_system())) / 1000;
    return left_ms < 1 ? 1 : left_ms > INT32_MAX ? INT32_MAX : (int)left_ms;
}

// In slices, so that trouble which librdkafka knows of is told before the time is up.
static rd_kafka_resp_err_t kafka_catalog_metadata(struct kafka_catalog *catalog, rd_kafka_topic_t *topic,
                                                  const struct rd_kafka_metadata **ret_metadata)
{
    for (int slice_ms = FIRST_SLICE_MS;; slice_ms *= 3) {
        int left_ms = kafka_catalog_left_ms(catalog);
        bool last = slice_ms >= left_ms;
        rd_kafka_resp_err_t code =
            rd_kafka_metadata(catalog->client->handle, 0, topic, ret_metadata, last ? left_ms : slice_ms);
        // Trouble may be over by now where it was known before: a broker that has just come up is slow to answer.
        bool enough = !catalog->tried || slice_ms >= 4 * FIRST_SLICE_MS;
        if (!code || last || (kafka_client_troubled(catalog->client) && enough)) return code;
    }
}

static enum status kafka_catalog_topic_partitions(struct kafka_catalog *catalog, const char *topic,
                                                  struct kafka_catalog_partitions *ret, struct error *err)
{
    rd_kafka_t *handle = catalog->client->handle;
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic_handle = rd_kafka_topic_new(handle, topic, NULL);
    if (!topic_handle) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "Kafka topic '%s': %s", topic,
                         rd_kafka_err2str(rd_kafka_last_error()));
    }
    rd_kafka_resp_err_t code = kafka_catalog_metadata(catalog, topic_handle, &metadata);
    rd_kafka_topic_destroy(topic_handle);
    if (code)
        return kafka_client_fail(catalog->client, "asking for the topic's partitions", rd_kafka_err2str(code), err);
    enum status status = STATUS_OK;
    const struct rd_kafka_metadata_topic *found = metadata->topic_cnt == 1 ? &metadata->topics[0] : NULL;
    if (!found || found->err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
        (found->err == RD_KAFKA_RESP_ERR_NO_ERROR && found->partition_cnt == 0)) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                           "Kafka topic '%s' does not exist at %s; create it, or check subscribe/assign", topic,
                           catalog->client->brokers);
    } else if (found->err == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED) {
        status = error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                           "Kafka topic '%s' at %s: not authorised; give this user READ and DESCRIBE", topic,
                           catalog->client->brokers);
    } else if (found->err) {
        status = kafka_client_fail(catalog->client, topic, rd_kafka_err2str(found->err), err);
    } else {
        for (int i = 0; i < found->partition_cnt; i++) {
            struct kafka_catalog_partition item = {.topic = topic, .partition = found->partitions[i].id};
            if (kafka_catalog_wants(catalog, topic, item.partition)) vector_push(&ret->items, item);
        }
    }
    rd_kafka_metadata_destroy(metadata);
    return status;
}

#if RD_KAFKA_VERSION >= 0x020300ff
static void kafka_catalog_take_ids(const rd_kafka_DescribeTopics_result_t *result,
                                   struct kafka_catalog_partitions *partitions)
{
    size_t count = 0;
    const rd_kafka_TopicDescription_t **topics = rd_kafka_DescribeTopics_result_topics(result, &count);
    for (size_t i = 0; i < count; i++) {
        const char *name = rd_kafka_TopicDescription_name(topics[i]);
        const rd_kafka_Uuid_t *id = rd_kafka_TopicDescription_topic_id(topics[i]);
        const rd_kafka_error_t *failed = rd_kafka_TopicDescription_error(topics[i]);
        bool none = rd_kafka_Uuid_most_significant_bits(id) == 0 && rd_kafka_Uuid_least_significant_bits(id) == 0;
        if (none || (failed && rd_kafka_error_code(failed) != RD_KAFKA_RESP_ERR_NO_ERROR)) continue;
        for (size_t k = 0; k < partitions->items.count; k++) {
            struct kafka_catalog_partition *item = &partitions->items.items[k];
            if (strcmp(item->topic, name) == 0)
                snprintf(item->topic_id, sizeof item->topic_id, "%s", rd_kafka_Uuid_base64str(id));
        }
    }
}

// Which topics these are: one that was created again has another id, however many records it has by now. A broker that
// does not answer this leaves them unknown; evidence (kafka_evidence.h) is compared all the same.
static void kafka_catalog_ids(struct kafka_catalog *catalog, struct kafka_catalog_partitions *partitions)
{
    rd_kafka_t *handle = catalog->client->handle;
    rd_kafka_queue_t *queue = rd_kafka_queue_new(handle);
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(handle, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_TopicCollection_t *names =
        rd_kafka_TopicCollection_of_topic_names((const char **)catalog->topics.items, catalog->topics.count);
    char why[128];
    (void)rd_kafka_AdminOptions_set_request_timeout(options, kafka_catalog_left_ms(catalog), why, sizeof why);
    rd_kafka_DescribeTopics(handle, names, options, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, kafka_catalog_left_ms(catalog));
    const rd_kafka_DescribeTopics_result_t *result = event ? rd_kafka_event_DescribeTopics_result(event) : NULL;
    if (result && !rd_kafka_event_error(event)) kafka_catalog_take_ids(result, partitions);
    if (event) rd_kafka_event_destroy(event);
    rd_kafka_TopicCollection_destroy(names);
    rd_kafka_AdminOptions_destroy(options);
    rd_kafka_queue_destroy(queue);
}
#else
static void kafka_catalog_ids(struct kafka_catalog *catalog, struct kafka_catalog_partitions *partitions)
{
    (void)catalog;
    (void)partitions;
}
#endif

static int kafka_catalog_order(const void *a, const void *b)
{
    const struct kafka_catalog_partition *left = a, *right = b;
    int by_topic = strcmp(left->topic, right->topic);
    return by_topic ? by_topic : (left->partition > right->partition) - (left->partition < right->partition);
}

// startingOffsets for one partition; out-of-range offsets are an error as in Spark, never a silent reset.
static enum status kafka_catalog_start(const struct kafka_catalog *catalog, struct kafka_catalog_partition *item,
                                       struct error *err)
{
    int64_t start = catalog->start_default;
    if (catalog->starts.items.count > 0) {
        bool found = false;
        for (size_t i = 0; i < catalog->starts.items.count; i++) {
            const struct kafka_offset *given = &catalog->starts.items.items[i];
            if (given->partition != item->partition || strcmp(given->topic, item->topic) != 0) continue;
            start = given->offset;
            found = true;
        }
        if (!found) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                             "startingOffsets says nothing of partition %s/%d; name every partition", item->topic,
                             item->partition);
        }
    }
    if (start == KAFKA_OFFSET_EARLIEST) start = item->low;
    if (start == KAFKA_OFFSET_LATEST) start = item->high;
    if (start < item->low || start > item->high) {
        return error_set(
            err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
            "startingOffsets: offset %lld of %s/%d does not exist: the partition holds [%lld, %lld); name an "
            "offset in it, -2 (earliest) or -1 (latest)",
            (long long)start, item->topic, item->partition, (long long)item->low, (long long)item->high);
    }
    item->start = start;
    return STATUS_OK;
}

static enum status kafka_catalog_fill(struct kafka_catalog *catalog, bool first,
                                      struct kafka_catalog_partitions *partitions, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < catalog->topics.count; i++) {
        TRY(kafka_catalog_topic_partitions(catalog, catalog->topics.items[i], partitions, err));
    }
    if (partitions->items.count > 0)
        qsort(partitions->items.items, partitions->items.count, sizeof *partitions->items.items, kafka_catalog_order);
    for (size_t i = 0; i < catalog->assigned.items.count; i++) {
        const struct kafka_offset *wanted = &catalog->assigned.items.items[i];
        bool found = false;
        for (size_t j = 0; j < partitions->items.count; j++) {
            const struct kafka_catalog_partition *item = &partitions->items.items[j];
            found = found || (item->partition == wanted->partition && strcmp(item->topic, wanted->topic) == 0);
        }
        if (!found) {
            return error_set(
                err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                "assign names partition %s/%d, which does not exist at %s; take it out, or give the topic more "
                "partitions",
                wanted->topic, wanted->partition, catalog->client->brokers);
        }
    }
    kafka_catalog_ids(catalog, partitions);
    for (size_t i = 0; i < partitions->items.count; i++) {
        struct kafka_catalog_partition *item = &partitions->items.items[i];
        rd_kafka_resp_err_t code =
            rd_kafka_query_watermark_offsets(catalog->client->handle, item->topic, item->partition, &item->low,
                                             &item->high, kafka_catalog_left_ms(catalog));
        if (code) return kafka_client_fail(catalog->client, "asking for offsets", rd_kafka_err2str(code), err);
        item->start = item->low;
        if (first) TRY(kafka_catalog_start(catalog, item, err));
    }
out:
    return status;
}

static void kafka_catalog_on_commit(rd_kafka_t *handle, rd_kafka_resp_err_t code,
                                    rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct kafka_catalog *catalog = opaque;
    (void)handle;
    (void)offsets;
    catalog->committing = false;
    catalog->refused = code;
    if (!code) kafka_client_works(catalog->client);
}

// Takes answers for timeout_ms at most, then sends what waits for its turn.
static void kafka_catalog_serve(struct kafka_catalog *catalog, int timeout_ms)
{
    rd_kafka_queue_poll_callback(catalog->answers, timeout_ms);
    if (catalog->committing || !catalog->waiting) return;
    rd_kafka_resp_err_t code = rd_kafka_commit_queue(catalog->client->handle, catalog->waiting, catalog->answers,
                                                     kafka_catalog_on_commit, catalog);
    catalog->committing = !code;
    if (code) catalog->refused = code;
    rd_kafka_topic_partition_list_destroy(catalog->waiting);
    catalog->waiting = NULL;
}

enum status kafka_catalog_poll(struct kafka_catalog *catalog, bool first, int timeout_ms,
                               struct kafka_catalog_partitions *ret_partitions, struct error *err)
{
    struct kafka_catalog_partitions partitions = {0};
    if (!catalog->tried && timeout_ms > FIRST_CONTACT_MS) timeout_ms = FIRST_CONTACT_MS;
    catalog->deadline_us = clock_boot_us(clock_system()) + timeout_ms * 1000ll;
    enum status status = kafka_catalog_fill(catalog, first, &partitions, err);
    catalog->tried = true;
    kafka_catalog_serve(catalog, 0);
    if (status != STATUS_OK) {
        vector_deinit(&partitions.items);
        return status;
    }
    kafka_client_works(catalog->client);
    *ret_partitions = partitions;
    return STATUS_OK;
}

enum status kafka_catalog_report(struct kafka_catalog *catalog, const struct kafka_catalog_progress *progress,
                                 size_t count, int timeout_ms, struct error *err)
{
    int64_t deadline_us = clock_boot_us(clock_system()) + timeout_ms * 1000ll;
    if (count > 0) { // the later one says more
        if (catalog->waiting) rd_kafka_topic_partition_list_destroy(catalog->waiting);
        catalog->waiting = rd_kafka_topic_partition_list_new((int)count);
    }
    for (size_t i = 0; i < count; i++) {
        rd_kafka_topic_partition_list_add(catalog->waiting, progress[i].topic, progress[i].partition)->offset =
            progress[i].next;
    }
    if (timeout_ms > 0)
        kafka_client_works(catalog->client); // of trouble since the last poll nobody told it that it is over
    kafka_catalog_serve(catalog, 0);
    while ((catalog->committing || catalog->waiting) && clock_boot_us(clock_system()) < deadline_us) {
        if (kafka_client_troubled(catalog->client)) break;
        kafka_catalog_serve(catalog, COMMIT_SLICE_MS);
    }
    if (timeout_ms > 0 && (catalog->committing || catalog->waiting)) catalog->refused = RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (catalog->refused == catalog->told) return STATUS_OK; // trouble is told once
    catalog->told = catalog->refused;
    if (!catalog->refused) return STATUS_OK;
    return error_set(
        err, STATUS_ERROR, ERROR_RETRY,
        "Kafka at %s: the group was not told how far the pipeline is: %s. Rows are not concerned; lag tools "
        "are behind",
        catalog->client->brokers, rd_kafka_err2str(catalog->refused));
}
