// Who holds what: the lanes, shards and Kafka partitions of one pipeline over its workers (P22). Pure.
//
// Lanes are numbered over all workers, in the order of the workers. Capacity is counted in lanes: every lane gets its
// equal share of shards and of partitions. A change moves only what must move: what a gone worker held, and as much as
// the shares of those who stay or come differ from what they hold.
#ifndef FORESET_SCHEDULE_ROUTING_H
#define FORESET_SCHEDULE_ROUTING_H

#include "common/base/memory.h"
#include "common/base/vector.h"
#include "proto/control.pb-c.h"

#define ROUTING_NAME_SIZE 64
#define ROUTING_URL_SIZE  256

struct routing_worker {
    char name[ROUTING_NAME_SIZE];
    char url[ROUTING_URL_SIZE];
    uint64_t incarnation; // another one is another worker
    uint32_t peer, lanes;
    uint32_t lane_first; // set by routing_change
};
struct routing_partition {
    uint32_t source; // SOURCE node
    uint64_t topic;  // its hash
    int32_t partition;
    uint32_t lane;
};
struct routing {
    uint64_t version; // 0: nobody holds anything yet
    VECTOR(struct routing_worker) workers;
    uint32_t lanes, shards;
    uint32_t *shard_lanes;                         // by shard
    VECTOR(struct routing_partition) partitions;   // in the order in which they were first dealt
    VECTOR(uint32_t) partition_counts;             // by lane
};

void routing_init(struct routing *routing, uint32_t shards);
void routing_deinit(struct routing *routing);

// Deals everything to these workers (at least one, each with at least one lane) and raises the version. Workers that
// were there before, by name and incarnation, keep what they hold as far as their share allows.
void routing_change(struct routing *routing, const struct routing_worker *workers, size_t count);
size_t routing_shards_of(const struct routing *routing, size_t worker);
size_t routing_partitions_of(const struct routing *routing, size_t worker);

// The lane that reads a partition; one not seen before goes to the lane that reads least.
uint32_t routing_lane_of(struct routing *routing, uint32_t source, const char *topic, int32_t partition);
// The same of one that was dealt; false: it was not.
bool routing_find(const struct routing *routing, uint32_t source, const char *topic, int32_t partition,
                  uint32_t *ret_lane);
size_t routing_worker_of(const struct routing *routing, uint32_t lane);
// As it goes into Assign; lives in the arena.
Foreset__Routing *routing_message(const struct routing *routing, struct arena *arena);

#endif
