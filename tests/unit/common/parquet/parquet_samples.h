// What the Parquet tests share: files into memory, random types and batches, writing to memory, rows as JSON.
#ifndef FORESET_TESTS_PARQUET_SAMPLES_H
#define FORESET_TESTS_PARQUET_SAMPLES_H

#include "common/base/random.h"
#include "common/parquet/parquet_reader.h"
#include "common/parquet/parquet_writer.h"

struct buffer *parquet_samples_file(const char *path, size_t *ret_size); // NULL: not readable

// A struct type of 1 to 6 random columns; nesting at most depth deep.
const struct type *parquet_samples_schema(struct random *random, unsigned depth);
// rows random rows with nulls; strings are dictionary-coded by chance; a selection by chance.
struct batch *parquet_samples_batch(struct random *random, const struct type *schema, uint32_t rows);

// A file in memory.
struct parquet_samples_sink {
    struct buffer *buffer;
    size_t size;
};
enum status parquet_samples_put(void *sink, const void *bytes, size_t size, struct error *err);
// Writes the batches as one file; the caller frees sink->buffer.
enum status parquet_samples_write(const struct type *schema, const struct parquet_writer_options *options,
                                  struct batch *const *batches, uint32_t count, struct parquet_samples_sink *sink,
                                  struct error *err);
// The file read by ranges, all but its last eight bytes when they are wanted.
struct parquet_input parquet_samples_input(struct parquet_samples_sink *file);
// All rows as JSON lines, projected to wanted (NULL: as stored).
enum status parquet_samples_read(struct parquet_reader *reader, const struct type *wanted, struct text *ret_rows,
                                 struct error *err);
// Of a file in memory; read by ranges it must give the same.
enum status parquet_samples_rows(struct buffer *file, size_t size, const struct type *wanted, struct text *ret_rows,
                                 struct error *err);

#endif
