// Loads the operators' state from the parts that a manifest names, oldest first: of each part the shards that this
// worker is to get, each into the lane that owns it now. So the routing may differ from the one a part was written
// under: a base clears its own shards, as far as they are loaded, and no others. What can fail: a part that is missing,
// cut off or altered (FAIL_PIPELINE naming it); state beyond memory; a part whose operator the plan no longer has (the
// pipeline was changed without dropping its state, P23).
#include "common/base/hash.h"
#include "common/base/planted.h"
#include "worker/lane/lane_private.h"
#include "worker/snapshot/snapshot_part.h"

#define PARTS_PER_STATE 128u // on average; of more, bases are made

struct load {
    struct lane_group *group;
    const uint8_t *wanted; // shards
    uint8_t *covers;       // of the part at hand: what it covers and is wanted
};

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

static bool part_covers(const Foreset__SnapshotPart *part, uint32_t shard)
{
    if (shard < part->shard_first || shard > part->shard_last) return false;
    return !part->has_shards || (shard / 8 < part->shards.len && exchange_routing_has(part->shards.data, shard));
}

// False: nothing of the part is wanted.
static bool load_covers(struct load *load, const Foreset__SnapshotPart *part)
{
    bool any = false;
    memset(load->covers, 0, exchange_routing_set_size(load->group->plan->shards));
    for (uint32_t shard = 0; shard < load->group->plan->shards; shard++) {
        if (!exchange_routing_has(load->wanted, shard) || !part_covers(part, shard)) continue;
        exchange_routing_put(load->covers, shard);
        any = true;
    }
    return any;
}

static enum status load_records(struct load *load, uint32_t node, struct snapshot_reader *reader, struct error *err)
{
    const struct lane_group *group = load->group;
    uint32_t shards = group->plan->shards;
    reader->wanted = load->covers;
    reader->wanted_shards = shards;
    for (;;) {
        struct snapshot_record record;
        bool end;
        enum status status = snapshot_reader_next(reader, &record, &end, err);
        if (status != STATUS_OK || end) return status;
        if (record.shard >= shards) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "it holds shard %u of %u", record.shard, shards);
        }
        uint32_t lane = group->routing->shard_lanes[record.shard] - group->routing->lane_first;
        ASSERT(lane < group->lane_count);
        struct operator* op = group->lanes[lane].nodes[node].op;
        struct operator_record handed = {
            .shard = record.shard, .key = record.key, .value = record.value, .removed = record.removed};
        status = op->ops->load(op, &handed, err);
        if (status != STATUS_OK) return status;
    }
}

static enum status load_part(struct load *load, const Foreset__SnapshotPart *part, struct error *err)
{
    struct lane_group *group = load->group;
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
    if (!load_covers(load, part)) return STATUS_OK;
    TRY(objstore_get(group->args.state, part->key, &bytes, err));
    bool whole = bytes->size_bytes == part->size_bytes && hash_64(bytes->data, bytes->size_bytes, 0) == part->checksum;
    if (!whole && !FORESET_BUG("snapshot-unchecked")) {
        status =
            error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "its size or checksum differs from the manifest's");
        goto out;
    }
    TRY(snapshot_reader_open(&reader, bytes->data, bytes->size_bytes, err));
    for (uint32_t i = 0; part->is_base && i < group->lane_count; i++) {
        struct operator* op = group->lanes[i].nodes[node].op;
        op->ops->load_clear(op, load->covers);
    }
    TRY(load_records(load, node, &reader, err));
out:
    buffer_unref(bytes);
    bool lost = status == STATUS_NOT_FOUND || status == STATUS_CORRUPT;
    if (status != STATUS_OK)
        (void)error_prefix(err, "state snapshot part %s%s of %s", part->key,
                           lost ? " (restore it from a copy, or start again with --full-refresh)" : "",
                           part->operator_);
    return status;
}

// State that lies in very many parts is written as bases at the next freeze.
static void load_rebase(struct lane_group *group)
{
    size_t states = 0;
    for (uint32_t k = 0; k < group->plan->n_nodes; k++) {
        const struct operator* op = group->lanes[0].nodes[k].op;
        if (op && op->ops->load) states += group->lanes[0].host.lanes;
    }
    bool many = group->from && group->from->n_parts > PARTS_PER_STATE * states;
    for (uint32_t i = 0; i < group->lane_count; i++) group->lanes[i].host.rebase = many;
}

enum status lane_load(struct lane_group *group, const uint8_t *wanted, struct error *err)
{
    enum status status = STATUS_OK;
    struct load load = {.group = group, .wanted = wanted};
    load.covers = memory_calloc(exchange_routing_set_size(group->plan->shards), 1);
    load_rebase(group);
    for (size_t i = 0; group->from && i < group->from->n_parts; i++) TRY(load_part(&load, group->from->parts[i], err));
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
    memory_free(load.covers);
    return status;
}
