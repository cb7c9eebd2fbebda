// Hashes: XXH3 for keys and checksums, XXH64 because Spark's xxhash64() is that one. All are fixed for ever: files and
// state snapshots hold them.
#ifndef FORESET_BASE_HASH_H
#define FORESET_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t low, high;
};
uint64_t hash_64(const void *bytes, size_t length, uint64_t seed);
uint64_t hash_xxh64(const void *bytes, size_t length, uint64_t seed);
struct hash128 hash_128(const void *bytes, size_t length, uint64_t seed);
// hash_64 (seed 0) over bytes that come in pieces: the digest does not depend on how they were cut.
struct hash_stream;
struct hash_stream *hash_stream_create(void);
void hash_stream_destroy(struct hash_stream *stream); // NULL allowed
void hash_stream_add(struct hash_stream *stream, const void *bytes, size_t length);
uint64_t hash_stream_digest(const struct hash_stream *stream);
// A cheap mix of one word; for combining column hashes.
static inline uint64_t hash_mix(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)(a ^ 0x9E3779B97F4A7C15ull) * (b ^ 0xD6E8FEB86659FD93ull);
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

#endif
