// Hashes, on xxhash's inline header.
#include "common/base/hash.h"

#include "common/base/memory.h"

#define XXH_INLINE_ALL
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#include <xxhash.h>
#pragma GCC diagnostic pop

uint64_t hash_64(const void *bytes, size_t length, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes, length, seed);
}

uint64_t hash_xxh64(const void *bytes, size_t length, uint64_t seed)
{
    return XXH64(bytes, length, seed);
}

struct hash128 hash_128(const void *bytes, size_t length, uint64_t seed)
{
    XXH128_hash_t hash = XXH3_128bits_withSeed(bytes, length, seed);
    return (struct hash128){.low = hash.low64, .high = hash.high64};
}

struct hash_stream {
    XXH3_state_t state; // wants 64-byte alignment
};

struct hash_stream *hash_stream_create(void)
{
    struct hash_stream *stream = memory_alloc_aligned(_Alignof(XXH3_state_t), sizeof *stream);
    XXH3_INITSTATE(&stream->state);
    XXH3_64bits_reset(&stream->state);
    return stream;
}

void hash_stream_destroy(struct hash_stream *stream)
{
    memory_free(stream);
}

void hash_stream_add(struct hash_stream *stream, const void *bytes, size_t length)
{
    XXH3_64bits_update(&stream->state, bytes, length);
}

uint64_t hash_stream_digest(const struct hash_stream *stream)
{
    return XXH3_64bits_digest(&stream->state);
}
