// Value encoders (Encodings.md): the RLE/bit-packed hybrid of levels and dictionary indices, booleans. They append to
// parquet_bytes and fail only when the budget refuses.
#ifndef FORESET_PARQUET_PARQUET_ENCODE_H
#define FORESET_PARQUET_PARQUET_ENCODE_H

#include "common/parquet/parquet_bytes.h"
#include "common/parquet/parquet_format.h"

static inline uint32_t parquet_encode_width(uint64_t max)
{
    return max ? 64 - (uint32_t)__builtin_clzll(max) : 0;
}
size_t parquet_encode_varint(uint8_t *out, uint64_t value); // at most 10 bytes; returns their number
// Runs and groups of 8; the last group is padded. Width 0 still has its run header.
enum status parquet_encode_hybrid8(struct parquet_bytes *out, const uint8_t *values, uint32_t count, uint32_t width,
                                   struct error *err) MUST_USE;
enum status parquet_encode_hybrid32(struct parquet_bytes *out, const uint32_t *values, uint32_t count, uint32_t width,
                                    struct error *err) MUST_USE;
enum status parquet_encode_booleans(struct parquet_bytes *out, const uint8_t *values, uint32_t count,
                                    struct error *err) MUST_USE;

#endif
