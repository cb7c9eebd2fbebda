// Hashes: XXH3 for keys and checksums, CRC32 for Parquet pages.
#ifndef FORESET_BASE_HASH_H
#define FORESET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};
uint64_t hash_64(const void *bytes, size_t length, uint64_t seed);
struct hash128 hash_128(const void *bytes, size_t length, uint64_t seed);
// A cheap mix of one word; for combining column hashes.
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15ull) * (b ^ 0xD6E8FEB86659FD93ull);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
