// add.stats (Delta protocol, Per-file Statistics) and partition values (Partition Value Serialization).
#ifndef FORESET_DELTA_DELTA_STATS_H
#define FORESET_DELTA_DELTA_STATS_H

#include "common/columnar/column.h"
#include "common/parquet/parquet_writer.h"

#define DELTA_STATS_COLUMNS 32 // default of delta.dataSkippingNumIndexedCols

// file_schema: the struct type that the Parquet writer was created with (without partition columns); stats: of that
// writer, in leaf order. Appends one JSON object. columns_max: leaf columns with statistics, -1 all.
void delta_stats_write(const struct type *file_schema, uint64_t rows, const struct parquet_column_stats *stats,
                       uint32_t stats_count, int32_t columns_max, struct text *text);
// The same of the leaves that are chosen (NULL: all).
void delta_stats_write_chosen(const struct type *file_schema, uint64_t rows, const struct parquet_column_stats *stats,
                              uint32_t stats_count, int32_t columns_max, const bool *chosen, struct text *text);
// numRecords of a stats JSON; false: none.
bool delta_stats_rows(const char *stats, uint64_t *ret_rows);

// A partition value as text of partitionValues. *ret_null: it is null (the empty string counts as null), nothing is
// appended. STATUS_UNSUPPORTED for types that cannot partition (nested).
enum status delta_stats_partition_text(const struct column *column, uint32_t row, struct text *text, bool *ret_null,
                                       struct error *err) MUST_USE;
// The text (NULL: null) as `count` equal rows of a column of this type.
enum status delta_stats_partition_column(struct budget *budget, const struct type *type, const char *value,
                                         uint32_t count, struct column **ret_column, struct error *err) MUST_USE;

#endif
