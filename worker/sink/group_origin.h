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

// A slice's number names the number of lanes, the lane and the slice on it.
static inline uint32_t group_origin_slice(uint32_t lanes, uint32_t lane, uint32_t slice)
{
    return lanes << 18 | lane << 4 | slice;
}
static inline uint32_t group_origin_slice_lanes(uint32_t slice)
{
    return slice >> 18;
}
static inline uint32_t group_origin_slice_lane(uint32_t slice)
{
    return slice >> 4 & 0x3FFF;
}

#endif
