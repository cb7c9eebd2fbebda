// Sixteen or thirty-two bytes at once, by the instruction set that the including file is compiled for.
// lanes_special: the bytes of a block that end a plain run of a string (quote, backslash, control), and those >= 0x80,
// as masks with LANES_BITS bits a byte. lanes_gap: whether a gap's bytes stand at `at`. Blocks are read whole, up to
// LANES_WIDTH (lanes_gap: 32) bytes behind `at`.
#ifndef FORESET_DECODE_JSON_LANES_H
#define FORESET_DECODE_JSON_LANES_H

#include <stdint.h>
#include <string.h>

#include "worker/decode/json_object.h"

typedef struct {
    uint64_t special, high;
} lanes_found;

#if defined(JSON_LANES_AVX2)
#include <immintrin.h>
#define LANES_WIDTH 32
#define LANES_BITS  1

static inline lanes_found lanes_special(const uint8_t *at)
{
    __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i low = _mm256_cmpeq_epi8(_mm256_min_epu8(block, _mm256_set1_epi8(0x1f)), block);
    __m256i quote = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('"'));
    __m256i slash = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\\'));
    __m256i any = _mm256_or_si256(low, _mm256_or_si256(quote, slash));
    return (lanes_found){(uint32_t)_mm256_movemask_epi8(any), (uint32_t)_mm256_movemask_epi8(block)};
}
static inline bool lanes_gap(const uint8_t *at, const struct json_gap *gap)
{
    __m256i text = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i known = _mm256_loadu_si256((const __m256i *)(const void *)gap->bytes);
    return (~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(text, known)) & gap->mask) == 0;
}
static inline uint64_t lanes_newline(const uint8_t *at)
{
    __m256i block = _mm256_loadu_si256((const __m256i *)(const void *)at);
    __m256i feed = _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\n'));
    return (uint32_t)_mm256_movemask_epi8(_mm256_or_si256(feed, _mm256_cmpeq_epi8(block, _mm256_set1_epi8('\r'))));
}

#elif defined(JSON_LANES_SSE2)
#include <emmintrin.h>
#define LANES_WIDTH 16
#define LANES_BITS  1

static inline lanes_found lanes_special(const uint8_t *at)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i low = _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block);
    __m128i quote = _mm_cmpeq_epi8(block, _mm_set1_epi8('"'));
    __m128i slash = _mm_cmpeq_epi8(block, _mm_set1_epi8('\\'));
    __m128i any = _mm_or_si128(low, _mm_or_si128(quote, slash));
    return (lanes_found){(uint32_t)_mm_movemask_epi8(any), (uint32_t)_mm_movemask_epi8(block)};
}
static inline uint32_t lanes_equal16(const uint8_t *a, const uint8_t *b)
{
    return (uint32_t)_mm_movemask_epi8(_mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)(const void *)a),
                                                      _mm_loadu_si128((const __m128i *)(const void *)b)));
}
static inline bool lanes_gap(const uint8_t *at, const struct json_gap *gap)
{
    uint32_t equal = lanes_equal16(at, gap->bytes) | lanes_equal16(at + 16, gap->bytes + 16) << 16;
    return (~equal & gap->mask) == 0;
}
static inline uint64_t lanes_newline(const uint8_t *at)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i feed = _mm_cmpeq_epi8(block, _mm_set1_epi8('\n'));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(feed, _mm_cmpeq_epi8(block, _mm_set1_epi8('\r'))));
}

#elif defined(JSON_LANES_NEON)
#include <arm_neon.h>
#define LANES_WIDTH 16
#define LANES_BITS  4

static inline uint64_t lanes_mask(uint8x16_t bytes)
{
    return vget_lane_u64(vreinterpret_u64_u8(vshrn_n_u16(vreinterpretq_u16_u8(bytes), 4)), 0);
}
static inline lanes_found lanes_special(const uint8_t *at)
{
    uint8x16_t block = vld1q_u8(at);
    uint8x16_t any = vorrq_u8(vcltq_u8(block, vdupq_n_u8(0x20)), vceqq_u8(block, vdupq_n_u8('"')));
    any = vorrq_u8(any, vceqq_u8(block, vdupq_n_u8('\\')));
    return (lanes_found){lanes_mask(any), lanes_mask(vcgeq_u8(block, vdupq_n_u8(0x80)))};
}
static inline bool lanes_gap(const uint8_t *at, const struct json_gap *gap)
{
    return memcmp(at, gap->bytes, gap->length) == 0;
}
static inline uint64_t lanes_newline(const uint8_t *at)
{
    uint8x16_t block = vld1q_u8(at);
    return lanes_mask(vorrq_u8(vceqq_u8(block, vdupq_n_u8('\n')), vceqq_u8(block, vdupq_n_u8('\r'))));
}

#else // eight bytes in a word: no instruction set asked for
#define LANES_WIDTH 8
#define LANES_BITS  8
#define LANES_ONES  UINT64_C(0x0101010101010101)
#define LANES_HIGH  UINT64_C(0x8080808080808080)

// The high bit of each byte below n (n <= 0x80; bytes >= 0x80 are not below). Exact up to the first byte found.
static inline uint64_t lanes_below(uint64_t word, uint64_t n)
{
    return (word - LANES_ONES * n) & ~word & LANES_HIGH;
}
static inline uint64_t lanes_load(const uint8_t *at)
{
    uint64_t word;
    memcpy(&word, at, sizeof word);
    return word; // the masks' order assumes little-endian, as every supported machine is
}
static inline lanes_found lanes_special(const uint8_t *at)
{
    uint64_t word = lanes_load(at);
    uint64_t any = lanes_below(word, 0x20) | lanes_below(word ^ (LANES_ONES * '"'), 1) |
                   lanes_below(word ^ (LANES_ONES * '\\'), 1);
    return (lanes_found){any, word & LANES_HIGH};
}
static inline bool lanes_gap(const uint8_t *at, const struct json_gap *gap)
{
    return memcmp(at, gap->bytes, gap->length) == 0;
}
static inline uint64_t lanes_newline(const uint8_t *at)
{
    uint64_t word = lanes_load(at);
    return lanes_below(word ^ (LANES_ONES * '\n'), 1) | lanes_below(word ^ (LANES_ONES * '\r'), 1);
}
#endif

#endif
