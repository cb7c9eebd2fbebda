// Deals an epoch plan out to the lanes. A Kafka partition goes to the lane that the plan names, or else always to the
// same one (a live handle is never assigned anew, P8); the files of a range go round. Fails on a plan that names nodes
// which are no sources, or lanes of another worker.
#include "common/base/hash.h"
#include "worker/lane/lane_private.h"

static void share_add(struct lane_plan *plan, uint32_t lane, uint32_t node, Foreset__Range *range)
{
    struct lane_share *share = &plan->shares[(size_t)lane * plan->nodes + node];
    share->ranges = memory_realloc(share->ranges, (share->count + 1) * sizeof *share->ranges);
    share->ranges[share->count++] = range;
}

static uint32_t lane_of_range(const Foreset__Range *range, const struct exchange_routing *routing)
{
    uint32_t lanes = routing->lane_count;
    if (range->has_lane) return range->lane - routing->lane_first;
    uint64_t topic = range->topic ? hash_64(range->topic, strlen(range->topic), 0) : 0;
    return (uint32_t)((topic % lanes + (uint64_t)range->partition) % lanes);
}

// The lane's part of a range of files: a range of its own over the same names.
static void deal_files(struct lane_plan *plan, Foreset__Range *range)
{
    for (uint32_t lane = 0; lane < plan->lanes && lane < range->n_files; lane++) {
        Foreset__Range *part = memory_alloc(sizeof *part);
        foreset__range__init(part);
        part->source = range->source;
        part->files = memory_calloc(range->n_files, sizeof *part->files);
        part->file_times_us = memory_calloc(range->n_files, sizeof *part->file_times_us);
        for (size_t i = lane; i < range->n_files; i += plan->lanes) {
            if (i < range->n_file_times_us) part->file_times_us[part->n_file_times_us++] = range->file_times_us[i];
            part->files[part->n_files++] = range->files[i];
        }
        plan->made = memory_realloc(plan->made, (plan->made_count + 1) * sizeof *plan->made);
        plan->made[plan->made_count++] = part;
        share_add(plan, lane, range->source, part);
    }
}

enum status lane_plan_create(const Foreset__Plan *plan, uint64_t epoch, const Foreset__EpochPlan *epoch_plan,
                             const struct exchange_routing *routing, struct lane_plan **ret_plan, struct error *err)
{
    for (size_t i = 0; i < epoch_plan->n_ranges; i++) {
        const Foreset__Range *range = epoch_plan->ranges[i];
        uint32_t source = range->source;
        if (range->has_lane && !exchange_routing_is_here(routing, range->lane)) {
            return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                             "the plan of epoch %llu names lane %u; this worker's are %u, from %u on",
                             (unsigned long long)epoch, range->lane, routing->lane_count, routing->lane_first);
        }
        if (source < plan->n_nodes && plan->nodes[source]->kind == FORESET__NODE__KIND__SOURCE) continue;
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "the plan of epoch %llu names node %u, which is no source", (unsigned long long)epoch, source);
    }
    struct lane_plan *made = memory_calloc(1, sizeof *made);
    atomic_init(&made->refs, 1);
    made->epoch = epoch;
    made->lanes = routing->lane_count;
    made->nodes = (uint32_t)plan->n_nodes;
    made->shares = memory_calloc((size_t)made->lanes * plan->n_nodes + 1, sizeof *made->shares);
    size_t size = foreset__epoch_plan__get_packed_size(epoch_plan);
    uint8_t *packed = memory_alloc(size);
    foreset__epoch_plan__pack(epoch_plan, packed);
    made->plan = foreset__epoch_plan__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(made->plan);
    for (size_t i = 0; i < made->plan->n_ranges; i++) {
        Foreset__Range *range = made->plan->ranges[i];
        if (plan_source_has_files(plan->nodes[range->source]->source) && !range->has_lane) {
            deal_files(made, range);
        } else {
            share_add(made, lane_of_range(range, routing), range->source, range);
        }
    }
    *ret_plan = made;
    return STATUS_OK;
}

struct lane_plan *lane_plan_ref(struct lane_plan *plan)
{
    atomic_fetch_add_explicit(&plan->refs, 1, memory_order_relaxed);
    return plan;
}

void lane_plan_unref(struct lane_plan *plan)
{
    if (!plan || atomic_fetch_sub_explicit(&plan->refs, 1, memory_order_acq_rel) != 1) return;
    for (size_t i = 0; i < (size_t)plan->lanes * plan->nodes; i++) memory_free(plan->shares[i].ranges);
    for (size_t i = 0; i < plan->made_count; i++) { // names belong to the plan's own range
        memory_free(plan->made[i]->files);
        memory_free(plan->made[i]->file_times_us);
        memory_free(plan->made[i]);
    }
    memory_free(plan->made);
    memory_free(plan->shares);
    foreset__epoch_plan__free_unpacked(plan->plan, NULL);
    memory_free(plan);
}
