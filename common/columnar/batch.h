// A column batch: columns of one struct type, with an optional selection of rows. Counted and immutable.
// An operator that filters makes a new batch over the same columns with a smaller selection: no value is copied.
#ifndef FORESET_COLUMNAR_BATCH_H
#define FORESET_COLUMNAR_BATCH_H

#include "common/columnar/column.h"

#define BATCH_ROWS_MAX  16384u
#define BATCH_BYTES_MAX (4u << 20)

struct batch {
    _Atomic uint32_t refs;
    uint32_t tag;              // of whoever made it, for whom it is made; 0. Not kept by what is made from it
    uint32_t column_rows;      // length of every column
    uint32_t row_count;        // selected rows: == column_rows if selection is NULL
    const uint32_t *selection; // rising row numbers, row_count of them; NULL = all
    struct buffer *selection_buffer;
    // The raw source records behind the rows, row number for row number (same column_rows): key, value, topic,
    // partition, offset, timestamp as far as the source has them. What dead letters are made of. NULL once gathered.
    struct batch *origin;
    const struct type *schema; // struct type
    uint32_t column_count;
    struct column *columns[];
};

// Takes the columns (each counted once for the batch).
struct batch *batch_create(const struct type *schema, uint32_t column_rows, struct column *const *columns);
// A batch of what the builders hold, one builder for each of the schema's columns, all of one length; they are reset.
// After a failure they can only be destroyed.
enum status batch_build(const struct type *schema, struct column_builder *const *builders, struct batch **ret_batch,
                        struct error *err) MUST_USE;
// As batch_create, over the rows of `parent`: shares its selection and its origin. For projections.
struct batch *batch_derive(const struct batch *parent, const struct type *schema, struct column *const *columns);
void batch_origin_set(struct batch *batch, struct batch *origin); // counts it; only while the batch has one holder
// The same columns and origin, other selection; selection_buffer holds row_count uint32 and is taken.
// NULL with row_count == column_rows: all.
struct batch *batch_select(const struct batch *batch, struct buffer *selection_buffer, uint32_t row_count);
// `count` of the selected rows, from the `from`-th on, over the same columns.
enum status batch_part(struct budget *budget, const struct batch *batch, uint32_t from, uint32_t count,
                       struct batch **ret_batch, struct error *err) MUST_USE;
struct batch *batch_ref(struct batch *batch);
void batch_unref(struct batch *batch); // NULL allowed
// The i-th selected row's number in the columns.
static inline uint32_t batch_row(const struct batch *batch, uint32_t i)
{
    return batch->selection ? batch->selection[i] : i;
}
// A batch without selection: itself (counted) if it has none, else gathered.
enum status batch_flatten(struct budget *budget, struct batch *batch, struct batch **ret_batch,
                          struct error *err) MUST_USE;
uint64_t batch_bytes(const struct batch *batch);
void batch_json(const struct batch *batch, uint32_t i, struct text *text); // the i-th selected row as a JSON object

#endif
