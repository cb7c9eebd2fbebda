// A batch as bytes between processes: the selected rows alone, columns one after the other, gathered straight into the
// frame. Little-endian; the schema is not in it (both ends know it), that of the origin is, as text.
//
//   u32 rows   u8 has origin   columns…   [u16 length, the origin's type as text, columns…]
//   column     u8 flags: 1 validity follows, 2 dictionary-coded, 4 the same as column u16 of the batch (origin only)
//     validity   a bitmap, LSB first
//     void       nothing
//     fixed      the values
//     string     numbers (lengths, a null's is 0), then the bytes
//     dictionary u32 entries, numbers (lengths), bytes, then numbers (indices, a null's is 0)
//     struct     its columns
//     array, map numbers (lengths, a null's is 0), then its columns over all elements
//   numbers    u8 width: 1, 2 or 4 bytes each, as the greatest needs
#ifndef FORESET_COLUMNAR_BATCH_WIRE_H
#define FORESET_COLUMNAR_BATCH_WIRE_H

#include "common/columnar/batch.h"

#define BATCH_WIRE_ROWS_MAX     (1u << 20) // of a batch
#define BATCH_WIRE_ELEMENTS_MAX (1u << 24) // of an array or map column

// Appends selected rows [from, from + count) of the batch. STATUS_INVALID: more elements than allowed; nothing of use
// was appended then.
enum status batch_wire_put(const struct batch *batch, uint32_t from, uint32_t count, struct text *bytes,
                           struct error *err) MUST_USE;
// Hostile bytes give STATUS_CORRUPT, nothing worse. STATUS_NO_MEMORY by the budget.
enum status batch_wire_get(const void *bytes, size_t size, const struct type *schema, struct budget *budget,
                           struct batch **ret_batch, struct error *err) MUST_USE;

#endif
