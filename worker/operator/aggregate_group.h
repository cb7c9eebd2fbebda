// What AGGREGATE_PARTIAL and AGGREGATE_FINAL share: group keys as canonical bytes, the states of all aggregates in one
// payload.
#ifndef FORESET_OPERATOR_AGGREGATE_GROUP_H
#define FORESET_OPERATOR_AGGREGATE_GROUP_H

#include "worker/expr/expr.h"
#include "worker/operator/operator.h"
#include "worker/state/key_table.h"

struct aggregate_group {
    struct aggregate **aggregates;
    uint32_t *offsets; // of each state in the payload
    uint32_t count;
    uint32_t payload_size;
    uint32_t key_count;
    const struct type **key_types; // NULL-terminated
};
// Compiles aggregates of a plan over rows of `input`; key types are the first columns of `schema`.
enum status aggregate_group_init(struct aggregate_group *group, struct operator_host *host, const Foreset__Plan *plan,
                                 Foreset__Aggregate *const *aggregates, size_t count, const struct type *input,
                                 uint32_t key_count, const struct type *schema, struct error *err) MUST_USE;
void aggregate_group_deinit(struct aggregate_group *group);
void aggregate_group_free(const struct aggregate_group *group, struct key_entry *entry);
void aggregate_group_save(const struct aggregate_group *group, const struct key_entry *entry, struct text *bytes);
// Folds saved states into the entry's.
enum status aggregate_group_merge(struct aggregate_group *group, struct key_entry *entry, struct slice bytes,
                                  struct error *err) MUST_USE;
// A key's event time (a window's end); INT64_MAX: null, never late, never due.
int64_t aggregate_group_time(const struct column *key, uint32_t row);

// Lists and sets grow with their group: asked once a batch whether what they hold is more than there is. The error
// names table and keys.
enum status aggregate_group_held(const struct operator* op, uint64_t keys, struct error *err) MUST_USE;
// What an aggregate failed with, with table and keys where it was memory.
enum status aggregate_group_failed(const struct operator* op, uint64_t keys, enum status status, struct error *err);

#endif
