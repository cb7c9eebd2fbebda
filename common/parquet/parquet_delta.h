// DELTA_BINARY_PACKED (Encodings.md): differences of neighbours, less the block's least one, bit-packed.
#ifndef FORESET_PARQUET_PARQUET_DELTA_H
#define FORESET_PARQUET_PARQUET_DELTA_H

#include "common/parquet/parquet_bytes.h"
#include "common/parquet/parquet_format.h"

// One page of DELTA_BINARY_PACKED: blocks of 128 in 4 miniblocks of 32, encoded as the values come.
struct parquet_delta {
    bool narrow; // INT32: differences wrap at 32 bits
    uint32_t count;
    uint32_t pending_count;
    int64_t first, previous;
    int64_t pending[PARQUET_DELTA_BLOCK];
    struct parquet_bytes blocks;
};
void parquet_delta_init(struct parquet_delta *delta, bool narrow, struct budget *budget);
void parquet_delta_deinit(struct parquet_delta *delta);
void parquet_delta_reset(struct parquet_delta *delta);
enum status parquet_delta_append(struct parquet_delta *delta, const int64_t *values, uint32_t count,
                                 struct error *err) MUST_USE;
// Appends header and blocks to out.
enum status parquet_delta_finish(struct parquet_delta *delta, struct parquet_bytes *out, struct error *err) MUST_USE;

#endif
