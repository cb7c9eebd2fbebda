// Topics as catalogs. Errors are common/kafka's.
#include "coordinator/pipeline/topic_catalog.h"

#include "common/kafka/kafka_catalog.h"

enum { TOPIC_CATALOG_TIMEOUT_MS = 10000, TOPIC_CATALOG_REPORT_MS = 5000 };

struct topic_catalog {
    struct catalog base;
    struct kafka_catalog *kafka;
};

static void topic_catalog_close(struct catalog *base)
{
    kafka_catalog_close(((struct topic_catalog *)base)->kafka);
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

enum status topic_catalog_open(void *context, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                               struct error *err)
{
    static const struct catalog_ops ops = {
        .close = topic_catalog_close, .poll = topic_catalog_poll, .report = topic_catalog_report};
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
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}
