// Parquet reader, for what parquet_writer writes, for log checkpoints of Spark and delta-rs (nested, snappy and zstd,
// dictionary) and for data files of other writers as the README has them. What it cannot read it
// refuses by name (STATUS_UNSUPPORTED). Input is hostile: every count and offset is checked against the bytes there
// are.
#ifndef FORESET_PARQUET_PARQUET_READER_H
#define FORESET_PARQUET_PARQUET_READER_H

#include "common/columnar/batch.h"

// Where a file's bytes come from, when not all of them shall be in memory. context lives as long as the reader.
struct parquet_input {
    enum status (*read)(void *context, uint64_t offset, uint64_t length, struct buffer **ret_bytes, struct error *err);
    void *context;
    uint64_t size_bytes;
    uint64_t tail_bytes; // read at opening, eight at least; 0: as many as hold most footers and whole small files
};

struct parquet_reader;
// Of the file, a row group's chunks of the columns wanted are in memory at a time, counted in the budget.
enum status parquet_reader_open(const struct parquet_input *input, struct budget *budget,
                                struct parquet_reader **ret_reader, struct error *err) MUST_USE;
// A file that is in memory; its first size bytes. The reader takes a reference.
enum status parquet_reader_open_bytes(struct buffer *bytes, size_t size, struct budget *budget,
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
