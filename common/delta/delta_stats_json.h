// add.stats held against what a file holds (Delta protocol, Per-file Statistics).
#ifndef FORESET_DELTA_DELTA_STATS_JSON_H
#define FORESET_DELTA_DELTA_STATS_JSON_H

#include "common/delta/delta_stats.h"

// Whether every bound and count that the text gives is true of the file; what it leaves out is no fault. file_schema,
// rows, stats: as for delta_stats_write. False: ret_reason (reset first) says the first fault.
bool delta_stats_json_true(const char *json, const struct type *file_schema, uint64_t rows,
                           const struct parquet_column_stats *stats, uint32_t stats_count, struct text *ret_reason);

#endif
