// A planned move (P22) on one worker: the flow goes on under another routing, at a border where nothing runs.
//
// The happy path: the lanes stop; what hangs on who is who is made anew (numbers of lanes, channels, the receiving
// ends' inputs, the other workers); each lane drops the shards that it no longer owns and gets those that came from the
// parts of the border's manifest; the lanes go on. State that stays is not touched, sources keep their handles.
//
// What can fail: a routing that contradicts itself or is not newer, an epoch that still runs, a manifest that is not
// the border's (RESTART_PIPELINE); parts that are missing or broken, memory (lane_load.c). The flow is then good for
// nothing but to be closed: the worker reports, and the next generation loads everything anew.
#include "common/base/planted.h"
#include "worker/lane/lane_private.h"

static enum status move_check(struct lane_group *group, const struct exchange_routing *routing,
                              const Foreset__Manifest *from, struct error *err)
{
    uint64_t border = from ? from->epoch : 0;
    bool runs = false;
    pthread_mutex_lock(&group->lock);
    bool failed = group->failed;
    for (uint32_t i = 0; i < LANE_EPOCHS_MAX; i++) runs = runs || group->epochs[i].epoch != 0;
    pthread_mutex_unlock(&group->lock);
    for (uint32_t i = 0; i < group->lane_count; i++) runs = runs || group->lanes[i].last_planned != border;
    if (failed)
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "a move came to a data flow that has failed");
    if (routing->version <= group->routing->version) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE, "routing %llu came after routing %llu (P22)",
                         (unsigned long long)routing->version, (unsigned long long)group->routing->version);
    }
    if (runs) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "routing %llu came at epoch %llu, which is no border here: %llu was planned (P22)",
                         (unsigned long long)routing->version, (unsigned long long)border,
                         (unsigned long long)group->lanes[0].last_planned);
    }
    return STATUS_OK;
}

// The operators forget what went away; `came` gets what the lane owns now and did not before.
static void move_shards(struct lane *lane, uint8_t *came)
{
    const struct exchange_routing *routing = lane->group->routing;
    struct operator_host *host = &lane->host;
    uint8_t *gone = memory_calloc(exchange_routing_set_size(routing->shards), 1);
    uint32_t number = routing->lane_first + lane->index;
    for (uint32_t shard = 0; shard < routing->shards; shard++) {
        bool before = host->shard_slots[shard] != OPERATOR_NO_SLOT, now = routing->shard_lanes[shard] == number;
        if (before && !now && !FORESET_BUG("move-keeps-state")) exchange_routing_put(gone, shard);
        if (now && !before && !FORESET_BUG("move-without-state")) exchange_routing_put(came, shard);
    }
    for (uint32_t i = 0; i < lane->group->plan->n_nodes; i++) {
        struct operator* op = lane->nodes[i].op;
        if (op && op->ops->load_clear) op->ops->load_clear(op, gone);
    }
    memory_free(gone);
}

static void move_lane(struct lane *lane, uint8_t *came)
{
    struct lane_group *group = lane->group;
    move_shards(lane, came);
    lane_query_close(lane); // nothing runs: none is open
    lane_route(lane);
    lane->host.from = group->from;
    memory_free(lane->channels);
    memory_free(lane->inlets);
    lane_channels(lane);
    for (uint32_t i = 0; i < lane->node_count; i++) {
        struct lane_node *node = &lane->nodes[i];
        if (node->op && node->op->ops->rerouted) node->op->ops->rerouted(node->op);
        if (!node->receiver) continue;
        for (uint32_t k = 0; k < node->input_count; k++) {
            ASSERT(node->inputs[k].head == node->inputs[k].items.count && !node->inputs[k].at_marker);
            vector_deinit(&node->inputs[k].items);
        }
        memory_free(node->inputs);
        node->input_count = lane->host.lanes;
        node->inputs = memory_calloc(node->input_count, sizeof *node->inputs);
    }
    for (uint32_t i = 0; i < lane->source_count; i++) lane->sources[i].moved = true;
}

enum status lane_move(struct dataflow *flow, const Foreset__Routing *message, uint32_t worker_index,
                      const Foreset__Manifest *from, struct error *err)
{
    struct lane_group *group = (struct lane_group *)flow;
    struct exchange_routing *routing = NULL, *old = group->routing;
    uint8_t *came = memory_calloc(exchange_routing_set_size(group->plan->shards), 1);
    enum status status = STATUS_OK;
    TRY(exchange_routing_create(message, worker_index, group->lane_count, group->plan->shards, &routing, err));
    lane_group_halt(group);
    TRY(move_check(group, routing, from, err));
    pthread_mutex_lock(&group->gate);
    lane_remote_close(group);
    group->routing = routing;
    lane_remote_open(group);
    routing = NULL;
    lane_group_continue(group, from);
    for (uint32_t i = 0; i < group->lane_count; i++) move_lane(&group->lanes[i], came);
    exchange_routing_destroy(old);
    pthread_mutex_unlock(&group->gate);
    TRY(lane_load(group, came, err));
    lane_group_start(group);
out:
    exchange_routing_destroy(routing);
    memory_free(came);
    return status;
}
