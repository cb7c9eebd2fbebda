// The footer of a file being written: row groups with their column chunks, and FileMetaData.
#ifndef FORESET_PARQUET_PARQUET_FOOTER_H
#define FORESET_PARQUET_PARQUET_FOOTER_H

#include "common/parquet/parquet_chunk.h"

struct parquet_footer_offsets {
    uint64_t dictionary; // 0: no dictionary page
    uint64_t data;       // of the first data page
};

// Appends a RowGroup of ended chunks to groups.
void parquet_footer_group(struct text *groups, const struct parquet_chunk *chunks,
                          const struct parquet_footer_offsets *offsets, uint32_t count, uint64_t rows,
                          uint32_t ordinal);
// Appends FileMetaData.
void parquet_footer_file(struct text *out, const struct parquet_schema *schema, uint64_t rows, uint32_t group_count,
                         const struct text *groups);

#endif
