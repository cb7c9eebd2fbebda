// Who holds what (P22), as a worker sees it: lanes numbered over all workers that share the pipeline, the worker of
// each lane and the lane of each shard. Immutable once made.
#ifndef FORESET_EXCHANGE_EXCHANGE_ROUTING_H
#define FORESET_EXCHANGE_EXCHANGE_ROUTING_H

#include "common/base/error.h"
#include "common/base/memory.h"
#include "proto/control.pb-c.h"

struct exchange_routing {
    uint64_t version;
    uint32_t shards, lanes, workers; // lanes of all workers
    uint32_t worker;                 // this one
    uint32_t lane_first, lane_count; // this worker's
    uint32_t *shard_lanes;           // by shard
    uint32_t *lane_workers;          // by lane
};
// The leader's routing. One that contradicts itself, this worker's lanes or the plan's shards is RESTART_PIPELINE.
enum status exchange_routing_create(const Foreset__Routing *message, uint32_t worker, uint32_t lane_count,
                                    uint32_t shards, struct exchange_routing **ret_routing, struct error *err) MUST_USE;
// One worker that holds everything: shards in contiguous ranges.
struct exchange_routing *exchange_routing_alone(uint32_t lane_count, uint32_t shards);
void exchange_routing_destroy(struct exchange_routing *routing); // NULL allowed
static inline bool exchange_routing_is_here(const struct exchange_routing *routing, uint32_t lane)
{
    return lane - routing->lane_first < routing->lane_count;
}

// Sets of shards: bit s of byte s / 8.
static inline bool exchange_routing_has(const uint8_t *set, uint32_t shard)
{
    return set[shard >> 3] >> (shard & 7) & 1;
}
static inline void exchange_routing_put(uint8_t *set, uint32_t shard)
{
    set[shard >> 3] = (uint8_t)(set[shard >> 3] | 1u << (shard & 7));
}
static inline size_t exchange_routing_set_size(uint32_t shards)
{
    return (shards + (size_t)7) / 8;
}

#endif
