// State snapshot parts for fuzz targets: makes hostile bytes pass the checks at the door, so that what stands behind
// them is reached. Nothing can fail; bytes that are too short stay as they are.
#ifndef FORESET_FUZZ_FUZZ_PART_H
#define FORESET_FUZZ_FUZZ_PART_H

#include "common/base/hash.h"
#include "tests/fuzz/fuzz.h"

enum { FUZZ_PART_HEADER = 24, FUZZ_PART_VERSION = 8, FUZZ_PART_INDEX = 32, FUZZ_PART_SHARDS_MAX = 64 };

static inline uint32_t fuzz_part_u32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return value;
}

// Lays the shards out one behind the other: each keeps its size while it fits, the last takes what is left.
static inline void fuzz_part_lay_out(uint8_t *bytes, size_t size, size_t header, uint32_t shards, size_t head)
{
    uint64_t at = head, entries = 0;
    uint32_t lowest = 0;
    for (uint32_t i = 0; i < shards; i++) {
        uint8_t *index = bytes + header + (size_t)i * FUZZ_PART_INDEX;
        uint32_t shard = fuzz_part_u32(index), count = fuzz_part_u32(index + 4);
        uint64_t length;
        memcpy(&length, index + 16, sizeof length);
        if (shard < lowest || shard > lowest + 1000) shard = lowest;
        if (count == 0 || count > 1000) count = 1;
        if (length > size - at || i + 1 == shards) length = size - at;
        uint64_t hash = hash_64(bytes + at, length, 0);
        memcpy(index, &shard, sizeof shard);
        memcpy(index + 4, &count, sizeof count);
        memcpy(index + 8, &at, sizeof at);
        memcpy(index + 16, &length, sizeof length);
        memcpy(index + 24, &hash, sizeof hash);
        at += length;
        entries += count;
        lowest = shard + 1;
    }
    memcpy(bytes + 16, &entries, sizeof entries);
}

// Of the second format where the bytes say so and are long enough, else of the first.
static inline void fuzz_part_mend(uint8_t *bytes, size_t size)
{
    size_t header = FUZZ_PART_HEADER;
    if (size < header + sizeof(uint64_t)) return;
    bool second = memcmp(bytes, "FSNP0002", 8) == 0 && size >= header + FUZZ_PART_VERSION + sizeof(uint64_t);
    if (second) header += FUZZ_PART_VERSION;
    size_t room = (size - header - sizeof(uint64_t)) / FUZZ_PART_INDEX;
    uint32_t shards = fuzz_part_u32(bytes + 8), flags = fuzz_part_u32(bytes + 12) & 1;
    if (shards > room) shards = (uint32_t)room;
    if (shards > FUZZ_PART_SHARDS_MAX) shards = FUZZ_PART_SHARDS_MAX;
    size_t head = header + (size_t)shards * FUZZ_PART_INDEX + sizeof(uint64_t);
    if (!second) memcpy(bytes, "FSNP0001", 8);
    if (second) memcpy(bytes + FUZZ_PART_HEADER, "\0\1\0\0\1\0\0\0", 8); // 0.1.0, format 1
    memcpy(bytes + 8, &shards, sizeof shards);
    memcpy(bytes + 12, &flags, sizeof flags);
    fuzz_part_lay_out(bytes, size, header, shards, head);
    uint64_t hash = hash_64(bytes, head - sizeof hash, 0);
    memcpy(bytes + head - sizeof hash, &hash, sizeof hash);
}

#endif
