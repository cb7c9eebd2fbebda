// The record that was read last of a partition, read again: is it still there (P7)? A consumer handle of its own, so it
// may run beside the catalog's other work.
#ifndef FORESET_KAFKA_KAFKA_EVIDENCE_H
#define FORESET_KAFKA_KAFKA_EVIDENCE_H

#include "common/kafka/kafka_client.h"

struct rd_kafka_message_s;

enum kafka_evidence_verdict {
    KAFKA_EVIDENCE_UNKNOWN,
    KAFKA_EVIDENCE_HELD,  // the same record
    KAFKA_EVIDENCE_OTHER, // another record, or the partition ends before it: created again, or cut off
    KAFKA_EVIDENCE_GONE,  // compacted or expired: nothing to compare, and the partition reaches beyond it
};
struct kafka_evidence_item {
    const char *topic;
    int32_t partition;
    int64_t offset, timestamp_ms;
    uint64_t hash;
    enum kafka_evidence_verdict verdict; // out
};

uint64_t kafka_evidence_hash(const struct rd_kafka_message_s *message); // over key and value

struct kafka_evidence;
// Connects at the first check. ERROR_USAGE for options that librdkafka does not know.
enum status kafka_evidence_open(const Foreset__Source *source, struct kafka_evidence **ret_evidence,
                                struct error *err) MUST_USE;
void kafka_evidence_close(struct kafka_evidence *evidence); // NULL allowed
// Blocks; one thread at a time. Fails (RETRY) where a broker does not answer in time or has no such topic, and
// (FAIL_PIPELINE) for credentials; the verdicts are void then.
enum status kafka_evidence_check(struct kafka_evidence *evidence, struct kafka_evidence_item *items, size_t count,
                                 int timeout_ms, struct error *err) MUST_USE;

#endif
