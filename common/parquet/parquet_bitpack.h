// Packing of 8 integers of one bit width, least significant bit first. It stores whole 64-bit words: at most 8 bytes
// behind the packed ones are overwritten. Beside it the macro that makes a loop's AVX2 copy.
#ifndef FORESET_PARQUET_PARQUET_BITPACK_H
#define FORESET_PARQUET_PARQUET_BITPACK_H

#include <stdint.h>
#include <string.h>

#define PARQUET_GROUP  8
#define PARQUET_INLINE static inline __attribute__((always_inline))

// An AVX2 copy chosen at load time where the tool chain can and no sanitizer is in the way.
#if defined(__x86_64__) && defined(__OPTIMIZE__) && defined(__GNUC__) && !defined(__clang__) &&                        \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define PARQUET_CLONES __attribute__((target_clones("avx2", "default")))
#else
#define PARQUET_CLONES
#endif

PARQUET_INLINE void parquet_bitpack_store(uint8_t *out, uint64_t value)
{
    memcpy(out, &value, sizeof value); // little-endian targets only, as Arrow's layout
}

// Packs 8 values of width bits; writes width bytes and may spill 8 more.
PARQUET_INLINE void parquet_bitpack_put(uint8_t *out, const uint64_t *v, uint32_t width)
{
    if (width <= 8) {
        uint64_t word = 0;
        for (uint32_t i = 0; i < PARQUET_GROUP; i++) word |= v[i] << (i * width);
        parquet_bitpack_store(out, word);
        return;
    }
    if (width <= 16) {
        uint64_t low = v[0] | v[1] << width | v[2] << 2 * width | v[3] << 3 * width;
        uint64_t high = v[4] | v[5] << width | v[6] << 2 * width | v[7] << 3 * width;
        unsigned __int128 word = (unsigned __int128)high << (4 * width) | low;
        parquet_bitpack_store(out, (uint64_t)word);
        parquet_bitpack_store(out + 8, (uint64_t)(word >> 64));
        return;
    }
    uint64_t word = 0;
    uint32_t bits = 0;
    for (uint32_t i = 0; i < PARQUET_GROUP; i++) {
        word |= v[i] << bits;
        bits += width;
        if (bits < 64) continue;
        parquet_bitpack_store(out, word);
        out += 8;
        bits -= 64;
        word = bits ? v[i] >> (width - bits) : 0;
    }
    parquet_bitpack_store(out, word);
}

#endif
