// Loads the operators' state from the parts that a manifest names, oldest first. Each record goes to the lane that owns
// its shard now, so the number of lanes may differ from when it was written; then every operator writes a base at its
// next freeze. What can fail: a part that is missing, cut off or altered (FAIL_PIPELINE naming it); state beyond
// memory; a part whose operator the plan no longer has (the pipeline was changed without dropping its state, P23).
#include "common/base/hash.h"
#include "common/base/planted.h"
#include "worker/lane/lane_private.h"
#include "worker/snapshot/snapshot_part.h"

static bool node_by_name(struct lane_group *group, const char *name, uint32_t *ret_node)
{
    struct text text = {0};
    bool found = false;
    for (uint32_t i = 0; i < group->plan->n_nodes && !found; i++) {
        const struct operator* op = group->lanes[0].nodes[i].op;
        if (!op || !op->ops->load || strcmp(operator_name(op, &text), name) != 0) continue;
        *ret_node = i;
        found = true;
    }
    text_deinit(&text);
    return found;
}

static bool range_is_a_lanes(struct lane_group *group, const Foreset__SnapshotPart *part)
{
    for (uint32_t i = 0; i < group->lane_count; i++) {
        const struct operator_host *host = &group->lanes[i].host;
        if (host->shard_first == part->shard_first && host->shard_last == part->shard_last) return true;
    }
    return false;
}

static void clear_shards(struct lane_group *group, uint32_t node, const Foreset__SnapshotPart *part)
{
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct operator* op = group->lanes[i].nodes[node].op;
        op->ops->load_clear(op, part->shard_first, part->shard_last);
    }
}

static enum status load_records(struct lane_group *group, uint32_t node, struct snapshot_reader *reader,
                                struct error *err)
{
    uint32_t shards = group->plan->shards;
    for (;;) {
        struct snapshot_record record;
        bool end;
        enum status status = snapshot_reader_next(reader, &record, &end, err);
        if (status != STATUS_OK || end) return status;
        if (record.shard >= shards) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "it holds shard %u of %u", record.shard, shards);
        }
        struct operator* op = group->lanes[exchange_lane_of(record.shard, shards, group->lane_count)].nodes[node].op;
        struct operator_record handed = {
            .shard = record.shard, .key = record.key, .value = record.value, .removed = record.removed};
        status = op->ops->load(op, &handed, err);
        if (status != STATUS_OK) return status;
    }
}

static enum status load_part(struct lane_group *group, const Foreset__SnapshotPart *part, struct error *err)
{
    struct buffer *bytes = NULL;
    struct snapshot_reader reader;
    uint32_t node;
    enum status status = STATUS_OK;
    if (!node_by_name(group, part->operator_, &node)) {
        return error_set(
            err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
            "the state holds operator %s, which the pipeline no longer has; drop its state by applying the change",
            part->operator_);
    }
    if (!range_is_a_lanes(group, part)) {
        for (uint32_t i = 0; i < group->lane_count; i++) group->lanes[i].host.rebase = true;
    }
    TRY(objstore_get(group->args.state, part->key, &bytes, err));
    bool whole = bytes->size_bytes == part->size_bytes && hash_64(bytes->data, bytes->size_bytes, 0) == part->checksum;
    if (!whole && !FORESET_BUG("snapshot-unchecked")) {
        status =
            error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "its size or checksum differs from the manifest's");
        goto out;
    }
    TRY(snapshot_reader_open(&reader, bytes->data, bytes->size_bytes, err));
    if (part->is_base) clear_shards(group, node, part);
    TRY(load_records(group, node, &reader, err));
out:
    buffer_unref(bytes);
    if (status != STATUS_OK) error_prefix(err, "state snapshot part %s of %s: ", part->key, part->operator_);
    return status;
}

enum status lane_load(struct lane_group *group, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; group->from && i < group->from->n_parts; i++) TRY(load_part(group, group->from->parts[i], err));
    for (uint32_t i = 0; i < group->lane_count; i++) {
        struct lane *lane = &group->lanes[i];
        for (uint32_t k = 0; k < group->plan->n_nodes; k++) {
            struct operator* op = lane->nodes[k].op;
            if (!op || !op->ops->load_end) continue;
            const struct table_clock *clock = &lane->clocks[lane->nodes[k].plan_node->table];
            TRY(op->ops->load_end(op, clock->open ? clock->batch : -1,
                                  clock->open ? clock->late_us : clock->watermark_us, err));
        }
    }
out:
    return status;
}
