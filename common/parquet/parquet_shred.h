// Rows of a batch to the leaves' values with definition and repetition levels (Dremel, Melnik et al. 2010), of
// whatever nesting. Flat columns without nulls cost nothing: their slots point into the batch.
#ifndef FORESET_PARQUET_PARQUET_SHRED_H
#define FORESET_PARQUET_PARQUET_SHRED_H

#include "common/columnar/batch.h"
#include "common/parquet/parquet_bytes.h"

// A leaf's share of some rows.
struct parquet_slots {
    const struct column *column; // the leaf
    const uint32_t *rows;        // rows of the values that are there; NULL: first, first + 1, …
    uint32_t first;
    uint32_t value_count;
    const uint8_t *def; // NULL: all at the leaf's greatest level
    const uint8_t *rep; // NULL: all zero
    uint32_t level_count;
    uint32_t row_count;
};
typedef enum status (*parquet_shred_emit)(void *context, uint32_t leaf, const struct parquet_slots *slots,
                                          struct error *err);

#define PARQUET_SHRED_DEPTH_MAX (2 * TYPE_NESTING_MAX + 2)

struct parquet_shred {
    struct {
        struct parquet_bytes def, rep, rows;
    } scratch[PARQUET_SHRED_DEPTH_MAX];
};
void parquet_shred_init(struct parquet_shred *shred, struct budget *budget);
void parquet_shred_deinit(struct parquet_shred *shred);
// Rows from..to-1 of the batch's selection; calls emit once a leaf, in the schema's order.
enum status parquet_shred_rows(struct parquet_shred *shred, const struct batch *batch, uint32_t from, uint32_t to,
                               parquet_shred_emit emit, void *context, struct error *err) MUST_USE;

#endif
