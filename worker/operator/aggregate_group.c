// Shared by both halves of an aggregation. Fails where an aggregate does not compile and on states that are not what
// was saved.
#include "worker/operator/aggregate_group.h"

enum status aggregate_group_init(struct aggregate_group *group, struct operator_host *host, const Foreset__Plan *plan,
                                 Foreset__Aggregate *const *aggregates, size_t count, const struct type *input,
                                 uint32_t key_count, const struct type *schema, struct error *err)
{
    enum status status = STATUS_OK;
    ASSERT(key_count <= schema->child_count);
    group->key_count = key_count;
    group->key_types = memory_calloc(key_count + (size_t)1, sizeof *group->key_types);
    for (uint32_t k = 0; k < key_count; k++) group->key_types[k] = schema->children[k].type;
    group->aggregates = memory_calloc(count + 1, sizeof *group->aggregates);
    group->offsets = memory_calloc(count + 1, sizeof *group->offsets);
    for (uint32_t i = 0; i < count; i++) {
        TRY(aggregate_compile(plan, aggregates[i], input, host->budget, &group->aggregates[i], err));
        group->count++;
        group->offsets[i] = group->payload_size;
        group->payload_size += (aggregate_state_size(group->aggregates[i]) + 15u) & ~15u;
    }
out:
    return status;
}

void aggregate_group_deinit(struct aggregate_group *group)
{
    for (uint32_t i = 0; i < group->count; i++) aggregate_destroy(group->aggregates[i]);
    memory_free(group->aggregates);
    memory_free(group->offsets);
    memory_free(group->key_types);
}

void aggregate_group_free(const struct aggregate_group *group, struct key_entry *entry)
{
    for (uint32_t i = 0; i < group->count; i++)
        aggregate_free(group->aggregates[i], entry->payload + group->offsets[i]);
}

void aggregate_group_save(const struct aggregate_group *group, const struct key_entry *entry, struct text *bytes)
{
    for (uint32_t i = 0; i < group->count; i++) {
        aggregate_save(group->aggregates[i], entry->payload + group->offsets[i], bytes);
    }
}

enum status aggregate_group_merge(struct aggregate_group *group, struct key_entry *entry, struct slice bytes,
                                  struct error *err)
{
    for (uint32_t i = 0; i < group->count; i++) {
        size_t used = 0;
        enum status status = aggregate_merge(group->aggregates[i], entry->payload + group->offsets[i], bytes.data,
                                             bytes.length, &used, err);
        if (status != STATUS_OK) return status;
        bytes = slice_of(bytes.data + used, bytes.length - used);
    }
    if (bytes.length == 0) return STATUS_OK;
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%zu bytes are left behind the states of a group",
                     bytes.length);
}

int64_t aggregate_group_time(const struct column *key, uint32_t row)
{
    if (column_is_null(key, row)) return INT64_MAX;
    if (key->type->kind == TYPE_STRUCT) return aggregate_group_time(key->children[1], row);
    return key->i64[row];
}

enum status aggregate_group_failed(const struct operator* op, uint64_t keys, enum status status, struct error *err)
{
    if (status != STATUS_NO_MEMORY || !err) return status;
    return error_prefix(err,
                        "table %s: the aggregates of %llu keys (collect_list and collect_set grow with their group)",
                        operator_table_of(op)->name, (unsigned long long)keys);
}

enum status aggregate_group_held(const struct operator* op, uint64_t keys, struct error *err)
{
    const struct budget *budget = op->host->budget;
    uint64_t used = budget ? budget->used_bytes : 0;
    if (!budget || !budget->limit_bytes || used <= budget->limit_bytes) return STATUS_OK;
    enum status status = error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE,
                                   "%llu of %llu bytes are in use; group by more, or give more --memory",
                                   (unsigned long long)used, (unsigned long long)budget->limit_bytes);
    return aggregate_group_failed(op, keys, status, err);
}
