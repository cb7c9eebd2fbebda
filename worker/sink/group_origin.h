// What AGGREGATE_FINAL and TABLE agree on in update mode (P13): which group a row belongs to, and how slices are
// numbered. Rows come with their group in batch->origin, which FILTER and PROJECT above the aggregate hand through row
// for row.
#ifndef FORESET_SINK_GROUP_ORIGIN_H
#define FORESET_SINK_GROUP_ORIGIN_H

#include "common/columnar/batch.h"

#define GROUP_ORIGIN_SLICES 4u // of one lane

// struct<hash:bigint,key:binary,expiry:timestamp>: the exchange hash and canonical bytes of the group keys, and the
// time at which the group is evicted (null: never). What AGGREGATE_FINAL sets as origin in update mode.
const struct type *group_origin_type(void);

// The slice of a shard by its place among its lane's shards.
static inline uint32_t group_origin_slice(uint32_t slot, uint32_t shard_count)
{
    return slot * GROUP_ORIGIN_SLICES / shard_count;
}
// Names a slice by the set of its shards, whatever the routing: two slices of one key hold the same groups.
uint64_t group_origin_slice_key(const uint32_t *shard_lanes, uint32_t shards, uint32_t lane, uint32_t slice);

#endif
