// Deletion vectors: which rows of a data file are no longer there (Delta protocol, Deletion Vectors). Read only.
#ifndef FORESET_DELTA_DELTA_VECTOR_H
#define FORESET_DELTA_DELTA_VECTOR_H

#include "common/delta/delta_action.h"
#include "common/objstore/objstore.h"

struct delta_vector {
    VECTOR(uint64_t) rows; // row numbers in the file, ascending
};
// rows_max: rows of the data file. Inline ones and files below the table's root; STATUS_UNSUPPORTED for others,
// STATUS_CORRUPT where size, checksum, format or number of rows do not fit.
enum status delta_vector_read(struct objstore *store, const struct delta_deletion_vector *dv, uint64_t rows_max,
                              struct delta_vector *ret_vector, struct error *err) MUST_USE;
void delta_vector_deinit(struct delta_vector *vector);
// The bitmap alone, as it stands in a file or inline; for tests and the fuzzer.
enum status delta_vector_parse(const uint8_t *bytes, size_t size, uint64_t rows_max, struct delta_vector *ret_vector,
                               struct error *err) MUST_USE;

#endif
