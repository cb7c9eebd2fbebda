// One leaf of a file as a stream of rows: pages are found, checked, decompressed and decoded as rows are asked for.
#ifndef FORESET_PARQUET_PARQUET_STREAM_H
#define FORESET_PARQUET_PARQUET_STREAM_H

#include "common/columnar/column.h"
#include "common/compress/compress.h"
#include "common/parquet/parquet_values.h"

#define PARQUET_STREAM_AHEAD 512

struct parquet_stream {
    const struct parquet_node *leaf;
    uint8_t max_def, max_rep;
    struct budget *budget;
    struct compress *compress;

    // The column chunk.
    const struct parquet_chunk_meta *chunk;
    const uint8_t *bytes; // its pages
    size_t end, at;       // at: next page header
    uint64_t chunk_left;  // levels in pages not opened yet
    struct parquet_store dictionary;
    bool levels_measured; // of V2: their length is in the header, which no checksum covers
    bool has_dictionary;
    struct column *dictionary_column; // strings only; made when first asked for
    // The page.
    struct parquet_bytes page; // decompressed
    uint32_t page_left;        // levels
    struct parquet_hybrid_in def_in, rep_in;
    struct parquet_values values;
    // Levels read ahead of the rows, since a row ends where the next begins.
    uint32_t ahead_at, ahead_count;
    uint32_t ahead_def[PARQUET_STREAM_AHEAD], ahead_rep[PARQUET_STREAM_AHEAD];
    // What the last call gave.
    struct parquet_bytes def, rep; // a byte a level
    uint32_t level_count;
    struct parquet_store store; // values whose def is max_def
};

void parquet_stream_init(struct parquet_stream *stream, const struct parquet_node *leaf, struct compress *compress,
                         struct budget *budget);
void parquet_stream_deinit(struct parquet_stream *stream);
// bytes: from the chunk's first page on, to its end at least (borrowed until the next call).
enum status parquet_stream_chunk(struct parquet_stream *stream, const struct parquet_chunk_meta *chunk,
                                 const uint8_t *bytes, size_t size, struct error *err) MUST_USE;
// Exactly count rows of the chunk, or STATUS_CORRUPT.
enum status parquet_stream_rows(struct parquet_stream *stream, uint32_t count, struct error *err) MUST_USE;
// The dictionary as a string column (borrowed).
enum status parquet_stream_dictionary(struct parquet_stream *stream, struct column **ret_column,
                                      struct error *err) MUST_USE;

#endif
