// Routings (see the header). What can fail: a message that contradicts itself.
#include "worker/exchange/exchange_routing.h"

#include <string.h>

#include "worker/exchange/exchange.h"

#define LANES_MAX 65536u

static struct exchange_routing *routing_alloc(uint32_t shards, uint32_t lanes, uint32_t workers)
{
    struct exchange_routing *routing = memory_calloc(1, sizeof *routing);
    routing->shards = shards;
    routing->lanes = lanes;
    routing->workers = workers;
    routing->shard_lanes = memory_calloc(shards, sizeof *routing->shard_lanes);
    routing->lane_workers = memory_calloc(lanes, sizeof *routing->lane_workers);
    return routing;
}

struct exchange_routing *exchange_routing_alone(uint32_t lane_count, uint32_t shards)
{
    struct exchange_routing *routing = routing_alloc(shards, lane_count, 1);
    routing->lane_count = lane_count;
    for (uint32_t shard = 0; shard < shards; shard++) {
        routing->shard_lanes[shard] = exchange_lane_of(shard, shards, lane_count);
    }
    return routing;
}

static enum status routing_check(const Foreset__Routing *message, uint32_t worker, uint32_t lane_count, uint32_t shards,
                                 uint32_t *ret_lanes, struct error *err)
{
    uint64_t lanes = 0;
    for (size_t i = 0; i < message->n_workers; i++) {
        if (message->workers[i]->lane_first != lanes || message->workers[i]->lanes == 0) lanes = LANES_MAX + 1ull;
        lanes += message->workers[i]->lanes;
    }
    bool fits = lanes > 0 && lanes <= LANES_MAX && message->n_shard_lanes == shards;
    for (size_t i = 0; fits && i < message->n_shard_lanes; i++) fits = message->shard_lanes[i] < lanes;
    if (!fits) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "routing %llu contradicts itself: %zu workers, %zu shards of %u",
                         (unsigned long long)message->version, message->n_workers, message->n_shard_lanes, shards);
    }
    if (worker >= message->n_workers || message->workers[worker]->lanes != lane_count) {
        return error_set(err, STATUS_INVALID, ERROR_RESTART_PIPELINE,
                         "routing %llu gives worker %u of %zu another number of lanes than its %u",
                         (unsigned long long)message->version, worker, message->n_workers, lane_count);
    }
    *ret_lanes = (uint32_t)lanes;
    return STATUS_OK;
}

enum status exchange_routing_create(const Foreset__Routing *message, uint32_t worker, uint32_t lane_count,
                                    uint32_t shards, struct exchange_routing **ret_routing, struct error *err)
{
    uint32_t lanes = 0;
    enum status status = routing_check(message, worker, lane_count, shards, &lanes, err);
    if (status != STATUS_OK) return status;
    struct exchange_routing *routing = routing_alloc(shards, lanes, (uint32_t)message->n_workers);
    routing->version = message->version;
    routing->worker = worker;
    routing->lane_first = message->workers[worker]->lane_first;
    routing->lane_count = lane_count;
    memcpy(routing->shard_lanes, message->shard_lanes, shards * sizeof *routing->shard_lanes);
    for (uint32_t i = 0; i < routing->workers; i++) {
        const Foreset__RoutingWorker *at = message->workers[i];
        for (uint32_t k = 0; k < at->lanes; k++) routing->lane_workers[at->lane_first + k] = i;
    }
    *ret_routing = routing;
    return STATUS_OK;
}

void exchange_routing_destroy(struct exchange_routing *routing)
{
    if (!routing) return;
    memory_free(routing->shard_lanes);
    memory_free(routing->lane_workers);
    memory_free(routing);
}
