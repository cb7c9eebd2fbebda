// Rows as bytes: keys and rows of state. Little-endian, self-delimiting per column, with no padding: two rows are equal
// by Spark's grouping equality exactly if their canonical bytes are equal. Part of the state's format.
#ifndef FORESET_STATE_ROW_CODEC_H
#define FORESET_STATE_ROW_CODEC_H

#include "common/columnar/column.h"

// Appends row `row` of the columns. canonical: -0.0 becomes 0.0, NaNs become one, so that bytes can be compared.
void row_codec_encode(struct column *const *columns, uint32_t count, uint32_t row, bool canonical, struct text *bytes);
// Appends one value to each builder. *ret_used: bytes read. STATUS_CORRUPT if they are not a row of these types.
enum status row_codec_decode(const struct type *const *types, uint32_t count, struct slice bytes,
                             struct column_builder *const *builders, size_t *ret_used, struct error *err) MUST_USE;

#endif
