// The type of update mode's origin columns, names of slices. Nothing fails.
#include "worker/sink/group_origin.h"

#include "common/base/hash.h"

const struct type *group_origin_type(void)
{
    const struct field fields[] = {
        {"hash", type_of(TYPE_BIGINT)}, {"key", type_of(TYPE_BINARY)}, {"expiry", type_of(TYPE_TIMESTAMP)}};
    return type_struct(fields, 3);
}

uint64_t group_origin_slice_key(const uint32_t *shard_lanes, uint32_t shards, uint32_t lane, uint32_t slice)
{
    uint32_t count = 0, slot = 0;
    for (uint32_t shard = 0; shard < shards; shard++) count += shard_lanes[shard] == lane;
    size_t size = (shards + (size_t)7) / 8;
    uint8_t *set = memory_calloc(size + 1, 1);
    for (uint32_t shard = 0; shard < shards; shard++) {
        if (shard_lanes[shard] != lane) continue;
        if (group_origin_slice(slot++, count) == slice)
            set[shard >> 3] = (uint8_t)(set[shard >> 3] | 1u << (shard & 7));
    }
    uint64_t key = hash_64(set, size, 0);
    memory_free(set);
    return key;
}
