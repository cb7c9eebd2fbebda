// Parquet writer for every common reader (docs/DELTA.md, Files): batches go in as they arrive, pages are encoded and
// compressed at once, the bytes go to a sink callback; the footer ends the file. One thread at a time.
// Encodings: dictionary for strings and low-cardinality columns with fall back, DELTA_BINARY_PACKED for integers and
// timestamps, PLAIN else. DataPageV1, statistics, page CRCs. LIST and MAP in the three-level form.
#ifndef FORESET_PARQUET_PARQUET_WRITER_H
#define FORESET_PARQUET_PARQUET_WRITER_H

#include "common/columnar/batch.h"

enum parquet_codec {
    PARQUET_UNCOMPRESSED = 0,
    PARQUET_SNAPPY = 1,
    PARQUET_GZIP = 2,
    PARQUET_ZSTD = 6,
    PARQUET_LZ4_RAW = 7
};
const char *parquet_codec_name(enum parquet_codec codec); // "zstd"

typedef enum status (*parquet_sink)(void *context, const void *bytes, size_t size, struct error *err);

struct parquet_writer_options {
    enum parquet_codec codec;      // default of a zeroed struct is uncompressed: callers set ZSTD
    int zstd_level;                // 0: 1
    uint32_t row_group_rows_max;   // 0: 1 Mi
    uint64_t row_group_bytes_max;  // 0: 128 MiB, encoded
    uint32_t page_rows_max;        // 0: 20,000
    uint32_t page_bytes_max;       // 0: 1 MiB
    uint32_t dictionary_bytes_max; // 0: 1 MiB
    bool no_delta_encoding;        // PLAIN in place of DELTA_BINARY_PACKED
    bool checkpoint;               // Delta log checkpoint: snappy is usual; map/list names as Spark writes them
};

// Statistics of one leaf column of the finished file, for Delta's add.stats.
struct parquet_column_stats {
    const char *path; // "a.b" as names joined by '.'; also leaf index order of the schema (depth first)
    const struct type *type;
    uint64_t null_count; // nulls at leaf level
    bool has_min_max;    // false: all null, NaN seen, or no order
    // A fixed value, or a string's first 512 bytes: at that length more may follow.
    union {
        int64_t i64;   // boolean, integrals, date, timestamp
        double f64;    // float and double
        __int128 i128; // decimal
    } min, max;
    struct slice min_bytes, max_bytes; // string, binary; borrowed from the writer
};

struct parquet_writer;
// schema: struct type (columns in order). budget counts the buffers.
enum status parquet_writer_create(const struct type *schema, const struct parquet_writer_options *options,
                                  struct budget *budget, parquet_sink sink, void *sink_context,
                                  struct parquet_writer **ret_writer, struct error *err) MUST_USE;
void parquet_writer_destroy(struct parquet_writer *writer); // also half-written
enum status parquet_writer_write(struct parquet_writer *writer, const struct batch *batch, struct error *err) MUST_USE;
uint64_t parquet_writer_bytes(const struct parquet_writer *writer);    // so far: sunk plus buffered
uint64_t parquet_writer_buffered(const struct parquet_writer *writer); // encoded, of the row group at hand
// Ends the row group at hand early: what is buffered goes to the sink.
enum status parquet_writer_end_group(struct parquet_writer *writer, struct error *err) MUST_USE;
uint64_t parquet_writer_rows(const struct parquet_writer *writer);
// Writes the footer; the writer stays for its statistics.
enum status parquet_writer_finish(struct parquet_writer *writer, struct error *err) MUST_USE;
uint32_t parquet_writer_stats(const struct parquet_writer *writer, const struct parquet_column_stats **ret_stats);

#endif
