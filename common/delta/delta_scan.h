// The rows of one version of a table, as batches: data files one after the other, partition columns filled in.
#ifndef FORESET_DELTA_DELTA_SCAN_H
#define FORESET_DELTA_DELTA_SCAN_H

#include "common/columnar/batch.h"
#include "common/delta/delta_table.h"

struct delta_scan;
// wanted: columns by name (struct type, types as in the table); NULL: all. The table must have its files loaded.
enum status delta_scan_create(struct delta_table *table, const struct type *wanted, struct budget *budget,
                              struct delta_scan **ret_scan, struct error *err) MUST_USE;
// The rows of these files alone, one after the other; the adds and their texts are borrowed. The table's own need not
// be loaded.
enum status delta_scan_create_files(struct delta_table *table, const struct type *wanted, const struct delta_add *adds,
                                    size_t count, struct budget *budget, struct delta_scan **ret_scan,
                                    struct error *err) MUST_USE;
const struct type *delta_scan_schema(const struct delta_scan *scan);
// *ret_batch NULL at the end. Errors name the file.
enum status delta_scan_next(struct delta_scan *scan, struct batch **ret_batch, struct error *err) MUST_USE;
void delta_scan_destroy(struct delta_scan *scan);

#endif
