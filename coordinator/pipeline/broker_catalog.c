// What Kafka offers. Fails as kafka_catalog does; a report that fails is the caller's to count, nothing depends on it.
#include "coordinator/pipeline/broker_catalog.h"

#include "common/kafka/kafka_catalog.h"

#define POLL_MS 10000

struct broker_catalog {
    struct catalog base;
    struct kafka_catalog *kafka;
};

static void broker_catalog_close(struct catalog *base)
{
    struct broker_catalog *catalog = (struct broker_catalog *)base;
    kafka_catalog_close(catalog->kafka);
    memory_free(catalog);
}

static enum status broker_catalog_poll(struct catalog *base, bool first, struct catalog_offer *offer, struct error *err)
{
    struct broker_catalog *catalog = (struct broker_catalog *)base;
    struct kafka_catalog_partitions found = {0};
    enum status status = kafka_catalog_poll(catalog->kafka, first, POLL_MS, &found, err);
    for (size_t i = 0; status == STATUS_OK && i < found.items.count; i++) {
        const struct kafka_catalog_partition *item = &found.items.items[i];
        struct catalog_partition partition = {.topic = memory_strdup(item->topic),
                                              .partition = item->partition,
                                              .low = item->low,
                                              .end = item->high,
                                              .start = item->start};
        vector_push(&offer->partitions, partition);
    }
    vector_deinit(&found.items);
    return status;
}

static enum status broker_catalog_report(struct catalog *base, Foreset__Range *const *ranges, size_t count, struct error *err)
{
    struct broker_catalog *catalog = (struct broker_catalog *)base;
    struct kafka_catalog_progress *progress = memory_calloc(count, sizeof *progress);
    for (size_t i = 0; i < count; i++) {
        progress[i] = (struct kafka_catalog_progress){ranges[i]->topic, ranges[i]->partition, ranges[i]->to};
    }
    enum status status = kafka_catalog_report(catalog->kafka, progress, count, err);
    memory_free(progress);
    return status;
}

enum status broker_catalog_open(const Foreset__Source *source, const char *pipeline, struct catalog **ret_catalog,
                                struct error *err)
{
    static const struct catalog_ops ops = {
        .close = broker_catalog_close, .poll = broker_catalog_poll, .report = broker_catalog_report};
    struct broker_catalog *catalog = memory_calloc(1, sizeof *catalog);
    catalog->base.ops = &ops;
    enum status status = kafka_catalog_open(source, pipeline, &catalog->kafka, err);
    if (status != STATUS_OK) {
        memory_free(catalog);
        return status;
    }
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}
