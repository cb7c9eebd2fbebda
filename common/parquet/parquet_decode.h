// Decoders of integer streams (Encodings.md), for hostile input: they never leave [at, end) and say false when the
// bytes run out or make no sense.
#ifndef FORESET_PARQUET_PARQUET_DECODE_H
#define FORESET_PARQUET_PARQUET_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/parquet/parquet_bitpack.h"

bool parquet_decode_varint(const uint8_t **at, const uint8_t *end, uint64_t *ret_value);

// RLE/bit-packed hybrid of values of at most 32 bits. Width 0 gives zeros without reading.
struct parquet_hybrid_in {
    const uint8_t *at, *end;
    uint32_t width;
    uint64_t run_left;
    uint32_t run_value;
    bool literal;
    uint32_t group_at; // next of the group below
    uint64_t group[PARQUET_GROUP];
};
void parquet_decode_hybrid(struct parquet_hybrid_in *in, const uint8_t *bytes, size_t size, uint32_t width);
bool parquet_decode_hybrid_next(struct parquet_hybrid_in *in, uint32_t *out, uint32_t count);
// Whether the bytes end with the run that the last value came from.
bool parquet_decode_hybrid_ended(const struct parquet_hybrid_in *in);

// DELTA_BINARY_PACKED.
struct parquet_delta_in {
    const uint8_t *at, *end;
    bool narrow;
    bool started;   // the first value is out
    uint64_t left;  // values
    uint32_t minis; // in a block
    uint32_t mini_values;
    uint32_t mini;      // the current one
    uint32_t mini_left; // values left in it
    const uint8_t *widths;
    int64_t least, last;
    uint32_t group_at;
    uint64_t group[PARQUET_GROUP];
};
bool parquet_decode_delta(struct parquet_delta_in *in, const uint8_t *bytes, size_t size, bool narrow);
bool parquet_decode_delta_next(struct parquet_delta_in *in, int64_t *out, uint32_t count);
// Where the stream ends; only after its last value.
const uint8_t *parquet_decode_delta_end(const struct parquet_delta_in *in);

#endif
