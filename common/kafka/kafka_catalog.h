// What there is to read of a read_kafka source: its partitions and their first and end offsets, the offsets to start
// at, and the report of progress to a consumer group. Blocking; one thread at a time. Used by the leader when it plans
// epochs (P4–P7).
#ifndef FORESET_KAFKA_KAFKA_CATALOG_H
#define FORESET_KAFKA_KAFKA_CATALOG_H

#include "common/base/vector.h"
#include "common/kafka/kafka_client.h"

struct kafka_catalog_partition {
    const char *topic; // owned by the catalog, stays valid until it is closed
    char topic_id[40]; // base64 (KIP-516); "": librdkafka before 2.3, or a broker that tells none
    int32_t partition;
    int64_t low;   // first offset that exists
    int64_t high;  // end: the next offset to be written (of committed records where isolation.level asks for it)
    int64_t start; // where reading begins if the pipeline has not read this partition yet (startingOffsets)
};
struct kafka_catalog_partitions {
    VECTOR(struct kafka_catalog_partition) items; // by topic, then partition
};

struct kafka_catalog;
// Checks the options (subscribe | assign, startingOffsets, …; ERROR_USAGE) and makes the handle; connects in the
// background. pipeline: its name, for the group.
enum status kafka_catalog_open(const Foreset__Source *source, const char *pipeline, struct kafka_catalog **ret_catalog,
                               struct error *err) MUST_USE;
void kafka_catalog_close(struct kafka_catalog *catalog);
// Asks the brokers. first: no epoch of this pipeline has been planned yet, so startingOffsets holds for every
// partition; else partitions that appear start at their earliest offset (P6). Errors: broker not reachable (RETRY),
// credentials (FAIL_PIPELINE), topic missing (FAIL_PIPELINE), startingOffsets outside what exists (FAIL_PIPELINE).
enum status kafka_catalog_poll(struct kafka_catalog *catalog, bool first, int timeout_ms,
                               struct kafka_catalog_partitions *ret_partitions, struct error *err) MUST_USE;
// Commits next offsets to the group `<groupIdPrefix or "foreset">-<pipeline>` for lag tools (P20). Never read back.
// timeout_ms 0: on its way when this returns; the next poll or report takes the answer. Else it waits that long at most
// for the group to have them and what was on its way before (count may be 0), as closing drops what is. Errors: what
// the group says, or that it does not answer (RETRY), once until it changes.
struct kafka_catalog_progress {
    const char *topic;
    int32_t partition;
    int64_t next;
};
enum status kafka_catalog_report(struct kafka_catalog *catalog, const struct kafka_catalog_progress *progress,
                                 size_t count, int timeout_ms, struct error *err) MUST_USE;

#endif
