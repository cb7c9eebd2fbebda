// Topics as catalogs. Errors are common/kafka's.
#include "coordinator/pipeline/topic_catalog.h"

#include <stdio.h>

#include "common/kafka/kafka_catalog.h"
#include "common/kafka/kafka_evidence.h"

enum { TOPIC_CATALOG_TIMEOUT_MS = 10000, TOPIC_CATALOG_REPORT_MS = 5000, TOPIC_CATALOG_VERIFY_MS = 5000 };

struct topic_catalog {
    struct catalog base;
    struct kafka_catalog *kafka;
    const Foreset__Source *source;
    struct kafka_evidence *evidence; // from the first verify on
};

static void topic_catalog_close(struct catalog *base)
{
    kafka_catalog_close(((struct topic_catalog *)base)->kafka);
    kafka_evidence_close(((struct topic_catalog *)base)->evidence);
    memory_free(base);
}

static enum status topic_catalog_poll(struct catalog *base, bool first, struct catalog_offer *offer, struct error *err)
{
    struct topic_catalog *catalog = (struct topic_catalog *)base;
    struct kafka_catalog_partitions found = {0};
    enum status status = kafka_catalog_poll(catalog->kafka, first, TOPIC_CATALOG_TIMEOUT_MS, &found, err);
    for (size_t i = 0; status == STATUS_OK && i < found.items.count; i++) {
        const struct kafka_catalog_partition *partition = &found.items.items[i];
        struct catalog_partition offered = {.topic = memory_strdup(partition->topic),
                                            .partition = partition->partition,
                                            .low = partition->low,
                                            .end = partition->high,
                                            .start = partition->start};
        snprintf(offered.topic_id, sizeof offered.topic_id, "%s", partition->topic_id);
        vector_push(&offer->partitions, offered);
    }
    vector_deinit(&found.items);
    return status;
}

static enum status topic_catalog_report(struct catalog *base, Foreset__Range *const *ranges, size_t count, bool last,
                                        struct error *err)
{
    struct kafka_catalog_progress *progress = memory_calloc(count + 1, sizeof *progress);
    for (size_t i = 0; i < count; i++) {
        progress[i] = (struct kafka_catalog_progress){ranges[i]->topic, ranges[i]->partition, ranges[i]->to};
    }
    enum status status = kafka_catalog_report(((struct topic_catalog *)base)->kafka, progress, count,
                                              last ? TOPIC_CATALOG_REPORT_MS : 0, err);
    memory_free(progress);
    return status;
}

static enum status topic_catalog_verify(struct catalog *base, const Foreset__Range *const *ranges, size_t count,
                                        enum catalog_evidence *ret_evidence, struct error *err)
{
    struct topic_catalog *catalog = (struct topic_catalog *)base;
    struct kafka_evidence_item *items = memory_calloc(count + 1, sizeof *items);
    enum status status = STATUS_OK;
    if (!catalog->evidence) TRY(kafka_evidence_open(catalog->source, &catalog->evidence, err));
    for (size_t i = 0; i < count; i++) {
        items[i] = (struct kafka_evidence_item){.topic = ranges[i]->topic,
                                                .partition = ranges[i]->partition,
                                                .offset = ranges[i]->last->offset,
                                                .timestamp_ms = ranges[i]->last->timestamp_ms,
                                                .hash = ranges[i]->last->hash};
    }
    TRY(kafka_evidence_check(catalog->evidence, items, count, TOPIC_CATALOG_VERIFY_MS, err));
    for (size_t i = 0; i < count; i++) {
        bool held = items[i].verdict == KAFKA_EVIDENCE_HELD, other = items[i].verdict == KAFKA_EVIDENCE_OTHER;
        ret_evidence[i] = held ? CATALOG_EVIDENCE_HELD : other ? CATALOG_EVIDENCE_OTHER : CATALOG_EVIDENCE_GONE;
    }
out:
    memory_free(items);
    return status;
}

enum status topic_catalog_open(void *context, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                               struct error *err)
{
    static const struct catalog_ops ops = {.close = topic_catalog_close,
                                           .poll = topic_catalog_poll,
                                           .report = topic_catalog_report,
                                           .verify = topic_catalog_verify};
    const Foreset__Source *source = plan->nodes[node]->source;
    (void)context;
    if (source->kind == FORESET__SOURCE__KIND__FILES) return files_catalog_open(source->path, ret_catalog, err);
    if (source->kind != FORESET__SOURCE__KIND__KAFKA) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE, "source %s: no such kind outside the simulator",
                         source->name);
    }
    struct kafka_catalog *kafka = NULL;
    enum status status = kafka_catalog_open(source, plan->pipeline, &kafka, err);
    if (status != STATUS_OK) return status;
    struct topic_catalog *catalog = memory_calloc(1, sizeof *catalog);
    catalog->base.ops = &ops;
    catalog->kafka = kafka;
    catalog->source = source;
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}
