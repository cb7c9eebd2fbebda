// Spark's JSON forms of partitions and offsets: {"topic":{"0":23,"1":-1}} (−1 latest, −2 earliest) and {"topic":[0,1]}.
#ifndef FORESET_KAFKA_KAFKA_OFFSETS_JSON_H
#define FORESET_KAFKA_KAFKA_OFFSETS_JSON_H

#include "common/base/vector.h"
#include "common/base/error.h"
#include <stdint.h>

#define KAFKA_OFFSET_LATEST   (-1)
#define KAFKA_OFFSET_EARLIEST (-2)

struct kafka_offset {
    char *topic; // memory_free
    int32_t partition;
    int64_t offset; // or a timestamp in milliseconds, or unused
};
struct kafka_offsets {
    VECTOR(struct kafka_offset) items;
};
void kafka_offsets_deinit(struct kafka_offsets *offsets);
// option: its name, for the message.
enum status kafka_offsets_parse(const char *option, const char *json, struct kafka_offsets *ret_offsets,
                                struct error *err) MUST_USE;
enum status kafka_assign_parse(const char *option, const char *json, struct kafka_offsets *ret_offsets,
                               struct error *err) MUST_USE;

#endif
