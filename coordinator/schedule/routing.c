// Routing. Nothing fails. The same dealing serves shards and partitions: keep, take from those above their share, give
// to those below it.
#include "coordinator/schedule/routing.h"

#include <string.h>

#include "common/base/hash.h"

#define ROUTING_NOBODY UINT32_MAX

void routing_init(struct routing *routing, uint32_t shards)
{
    *routing = (struct routing){.shards = shards};
    routing->shard_lanes = memory_calloc(shards + (size_t)1, sizeof *routing->shard_lanes);
    for (uint32_t i = 0; i < shards; i++) routing->shard_lanes[i] = ROUTING_NOBODY;
}

void routing_deinit(struct routing *routing)
{
    vector_deinit(&routing->workers);
    vector_deinit(&routing->partitions);
    vector_deinit(&routing->partition_counts);
    memory_free(routing->shard_lanes);
    *routing = (struct routing){0};
}

// By old lane: its new number, or nobody.
static uint32_t *routing_map(const struct routing *routing, const struct routing_worker *workers, size_t count)
{
    uint32_t *map = memory_calloc(routing->lanes + (size_t)1, sizeof *map);
    for (uint32_t i = 0; i < routing->lanes; i++) map[i] = ROUTING_NOBODY;
    for (size_t i = 0; i < routing->workers.count; i++) {
        const struct routing_worker *old = &routing->workers.items[i];
        for (size_t j = 0; j < count; j++) {
            if (workers[j].incarnation != old->incarnation || strcmp(workers[j].name, old->name) != 0) continue;
            for (uint32_t k = 0; k < old->lanes && k < workers[j].lanes; k++)
                map[old->lane_first + k] = workers[j].lane_first + k;
        }
    }
    return map;
}

static uint32_t routing_least(const uint32_t *counts, uint32_t lanes)
{
    uint32_t least = 0;
    for (uint32_t i = 1; i < lanes; i++) {
        if (counts[i] < counts[least]) least = i;
    }
    return least;
}

// holders[i]: the lane that holds thing i. Afterwards everybody holds count / lanes of them, or one more.
static void routing_deal(uint32_t *holders, size_t count, size_t stride, uint32_t *counts, uint32_t lanes)
{
    size_t share = count / lanes, more = count % lanes; // so many lanes may hold one more
    memset(counts, 0, lanes * sizeof *counts);
    for (size_t i = 0; i < count; i++) {
        if (holders[i * stride] != ROUTING_NOBODY) counts[holders[i * stride]]++;
    }
    size_t above = 0;
    for (uint32_t lane = 0; lane < lanes; lane++) above += counts[lane] > share;
    for (size_t i = count; i-- > 0;) { // from the end, so that what stays is the same at every change
        uint32_t lane = holders[i * stride];
        if (lane == ROUTING_NOBODY || counts[lane] <= share) continue;
        if (counts[lane] == share + 1 && above <= more) continue;
        if (counts[lane] == share + 1) above--;
        counts[lane]--;
        holders[i * stride] = ROUTING_NOBODY;
    }
    for (size_t i = 0; i < count; i++) {
        if (holders[i * stride] != ROUTING_NOBODY) continue;
        holders[i * stride] = routing_least(counts, lanes);
        counts[holders[i * stride]]++;
    }
}

void routing_change(struct routing *routing, const struct routing_worker *workers, size_t count)
{
    ASSERT(count > 0);
    VECTOR(struct routing_worker) next = {0};
    uint32_t lanes = 0;
    for (size_t i = 0; i < count; i++) {
        ASSERT(workers[i].lanes > 0);
        vector_push(&next, workers[i]);
        next.items[i].lane_first = lanes;
        lanes += workers[i].lanes;
    }
    uint32_t *map = routing_map(routing, next.items, count);
    for (uint32_t i = 0; i < routing->shards; i++) {
        uint32_t lane = routing->shard_lanes[i];
        routing->shard_lanes[i] = lane == ROUTING_NOBODY ? lane : map[lane];
    }
    for (size_t i = 0; i < routing->partitions.count; i++) {
        struct routing_partition *partition = &routing->partitions.items[i];
        partition->lane = map[partition->lane];
    }
    vector_reset(&routing->partition_counts);
    for (uint32_t i = 0; i < lanes; i++) vector_push(&routing->partition_counts, 0);
    uint32_t *counts = memory_calloc(lanes, sizeof *counts);
    routing_deal(routing->shard_lanes, routing->shards, 1, counts, lanes);
    if (routing->partitions.count > 0) {
        _Static_assert(sizeof(struct routing_partition) % sizeof(uint32_t) == 0, "lanes lie at a stride");
        routing_deal(&routing->partitions.items[0].lane, routing->partitions.count,
                     sizeof(struct routing_partition) / sizeof(uint32_t), routing->partition_counts.items, lanes);
    }
    memory_free(counts);
    memory_free(map);
    vector_reset(&routing->workers);
    for (size_t i = 0; i < count; i++) vector_push(&routing->workers, next.items[i]);
    vector_deinit(&next);
    routing->lanes = lanes;
    routing->version++;
}

size_t routing_worker_of(const struct routing *routing, uint32_t lane)
{
    for (size_t i = 0; i < routing->workers.count; i++) {
        const struct routing_worker *worker = &routing->workers.items[i];
        if (lane >= worker->lane_first && lane < worker->lane_first + worker->lanes) return i;
    }
    ASSERT(false); // a lane of nobody
    return 0;
}

size_t routing_shards_of(const struct routing *routing, size_t worker)
{
    size_t found = 0;
    for (uint32_t i = 0; i < routing->shards; i++)
        found += routing_worker_of(routing, routing->shard_lanes[i]) == worker;
    return found;
}

size_t routing_partitions_of(const struct routing *routing, size_t worker)
{
    size_t found = 0;
    for (size_t i = 0; i < routing->partitions.count; i++)
        found += routing_worker_of(routing, routing->partitions.items[i].lane) == worker;
    return found;
}

static uint64_t routing_topic(const char *topic)
{
    return topic ? hash_64(topic, strlen(topic), 0) : 0;
}

bool routing_find(const struct routing *routing, uint32_t source, const char *topic, int32_t partition,
                  uint32_t *ret_lane)
{
    uint64_t hash = routing_topic(topic);
    for (size_t i = 0; i < routing->partitions.count; i++) {
        const struct routing_partition *known = &routing->partitions.items[i];
        if (known->partition != partition || known->source != source || known->topic != hash) continue;
        *ret_lane = known->lane;
        return true;
    }
    return false;
}

uint32_t routing_lane_of(struct routing *routing, uint32_t source, const char *topic, int32_t partition)
{
    ASSERT(routing->lanes > 0);
    struct routing_partition added = {.source = source, .topic = routing_topic(topic), .partition = partition};
    if (routing_find(routing, source, topic, partition, &added.lane)) return added.lane;
    added.lane = routing_least(routing->partition_counts.items, routing->lanes);
    routing->partition_counts.items[added.lane]++;
    vector_push(&routing->partitions, added);
    return added.lane;
}

Foreset__Routing *routing_message(const struct routing *routing, struct arena *arena)
{
    Foreset__Routing *message = arena_alloc(arena, sizeof *message);
    foreset__routing__init(message);
    message->version = routing->version;
    message->workers = arena_calloc(arena, routing->workers.count, sizeof *message->workers);
    message->n_workers = routing->workers.count;
    for (size_t i = 0; i < routing->workers.count; i++) {
        const struct routing_worker *from = &routing->workers.items[i];
        Foreset__RoutingWorker *to = arena_alloc(arena, sizeof *to);
        foreset__routing_worker__init(to);
        to->name = arena_strdup(arena, from->name);
        to->url = arena_strdup(arena, from->url);
        to->incarnation = from->incarnation;
        to->peer = from->peer;
        to->lane_first = from->lane_first;
        to->lanes = from->lanes;
        message->workers[i] = to;
    }
    message->n_shard_lanes = routing->shards;
    message->shard_lanes = arena_calloc(arena, routing->shards, sizeof *message->shard_lanes);
    memcpy(message->shard_lanes, routing->shard_lanes, routing->shards * sizeof *message->shard_lanes);
    return message;
}
