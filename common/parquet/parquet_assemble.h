// Rows of leaves back to columns, by the plan of parquet_out: the inverse of parquet_shred.
#ifndef FORESET_PARQUET_PARQUET_ASSEMBLE_H
#define FORESET_PARQUET_PARQUET_ASSEMBLE_H

#include "common/parquet/parquet_out.h"
#include "common/parquet/parquet_stream.h"

// A top-level column of the rows that the streams (by leaf) hold.
enum status parquet_assemble_column(const struct parquet_out *out, struct parquet_stream *streams, uint32_t rows,
                                    struct budget *budget, struct column **ret_column, struct error *err) MUST_USE;

#endif
