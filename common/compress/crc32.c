// CRC-32: zlib's, and on x86 with PCLMULQDQ the folding of Gopal et al., "Fast CRC Computation for Generic Polynomials
// Using PCLMULQDQ Instruction" (Intel, 2009): four 128-bit lanes, then one, then Barrett's reduction. zlib's table code
// takes 0.3 to 1 ns a byte, which shows beside a Parquet page; this takes 0.05.
#include "common/compress/crc32.h"

#include <zlib.h>

#include "common/base/error.h"

static uint32_t zlib_crc(uint32_t crc, const uint8_t *bytes, size_t size)
{
    while (size > 0) {
        uInt step = size > (1u << 30) ? (1u << 30) : (uInt)size;
        crc = (uint32_t)crc32(crc, bytes, step);
        bytes += step;
        size -= step;
    }
    return crc;
}

#if defined(__x86_64__)
#include <immintrin.h>

#define CLMUL __attribute__((target("pclmul,sse4.1")))

CLMUL static inline __m128i fold(__m128i lane, __m128i factor, __m128i data)
{
    __m128i low = _mm_clmulepi64_si128(lane, factor, 0x00);
    __m128i high = _mm_clmulepi64_si128(lane, factor, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), data);
}

CLMUL static inline __m128i load(const uint8_t *bytes)
{
    return _mm_loadu_si128((const __m128i *)(const void *)bytes);
}

// size: a multiple of 16, at least 64. crc is the inner (complemented) register.
CLMUL static uint32_t clmul_crc(uint32_t crc, const uint8_t *bytes, size_t size)
{
    const __m128i by_512 = _mm_set_epi64x(0x01c6e41596, 0x0154442bd4); // x^(512±32) mod P, reflected
    const __m128i by_128 = _mm_set_epi64x(0x00ccaa009e, 0x01751997d0);
    __m128i lanes[4] = {load(bytes), load(bytes + 16), load(bytes + 32), load(bytes + 48)};
    lanes[0] = _mm_xor_si128(lanes[0], _mm_cvtsi32_si128((int)crc));
    bytes += 64;
    size -= 64;
    for (; size >= 64; bytes += 64, size -= 64) {
        for (int i = 0; i < 4; i++) lanes[i] = fold(lanes[i], by_512, load(bytes + 16 * i));
    }
    __m128i lane = lanes[0];
    for (int i = 1; i < 4; i++) lane = fold(lane, by_128, lanes[i]);
    for (; size >= 16; bytes += 16, size -= 16) lane = fold(lane, by_128, load(bytes));

    // 128 bits to 64, 64 to 32, then Barrett.
    const __m128i mask_32 = _mm_setr_epi32(~0, 0, ~0, 0);
    lane = _mm_xor_si128(_mm_srli_si128(lane, 8), _mm_clmulepi64_si128(lane, by_128, 0x10));
    __m128i low = _mm_and_si128(lane, mask_32);
    lane = _mm_xor_si128(_mm_srli_si128(lane, 4), _mm_clmulepi64_si128(low, _mm_set_epi64x(0, 0x0163cd6124), 0x00));
    const __m128i poly = _mm_set_epi64x(0x01f7011641, 0x01db710641);
    __m128i quotient = _mm_clmulepi64_si128(_mm_and_si128(lane, mask_32), poly, 0x10);
    quotient = _mm_clmulepi64_si128(_mm_and_si128(quotient, mask_32), poly, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(lane, quotient), 1);
}

uint32_t crc32_update(uint32_t crc, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    if (size >= 64 && __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1")) {
        size_t body = size & ~(size_t)15;
        crc = ~clmul_crc(~crc, at, body);
        at += body;
        size -= body;
    }
    return size ? zlib_crc(crc, at, size) : crc;
}
#else
uint32_t crc32_update(uint32_t crc, const void *bytes, size_t size)
{
    return zlib_crc(crc, bytes, size);
}
#endif
