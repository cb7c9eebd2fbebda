// Parquet reader, for what parquet_writer writes, for log checkpoints of Spark and delta-rs (nested, snappy and zstd,
// dictionary) and for data files of other writers as the README has them. What it cannot read it
// refuses by name (STATUS_UNSUPPORTED). Input is hostile: every count and offset is checked against the bytes there
// are.
#ifndef FORESET_PARQUET_PARQUET_READER_H
#define FORESET_PARQUET_PARQUET_READER_H

#include "common/columnar/batch.h"

struct parquet_reader;
// The whole file in memory (bytes is counted by the reader).
enum status parquet_reader_open(struct buffer *bytes, size_t size, struct budget *budget,
                                struct parquet_reader **ret_reader, struct error *err) MUST_USE;
void parquet_reader_close(struct parquet_reader *reader);
const struct type *parquet_reader_schema(const struct parquet_reader *reader); // struct type, Spark types
uint64_t parquet_reader_rows(const struct parquet_reader *reader);
// Chooses columns: wanted is a struct type; each of its fields is found by name (exact, else case-insensitive), at all
// depths; missing ones give nulls; integer and float types are widened, decimals rescaled up. NULL: all as stored.
enum status parquet_reader_project(struct parquet_reader *reader, const struct type *wanted,
                                   struct error *err) MUST_USE;
// The next at most BATCH_ROWS_MAX rows; *ret_batch NULL at the end.
enum status parquet_reader_next(struct parquet_reader *reader, struct batch **ret_batch, struct error *err) MUST_USE;

#endif
