// One column chunk being written: values come in, full pages are encoded and compressed at once, only compressed pages
// and the dictionary are kept until the row group ends (the dictionary page stands first in the file).
//
//   strings, float, double   dictionary; PLAIN when it does not help (tried after 4096 values, and a page) or is large
//   integers, dates, times   DELTA_BINARY_PACKED, or PLAIN by option
//   boolean, long decimals   PLAIN
#ifndef FORESET_PARQUET_PARQUET_CHUNK_H
#define FORESET_PARQUET_PARQUET_CHUNK_H

#include "common/base/vector.h"
#include "common/compress/compress.h"
#include "common/parquet/parquet_delta.h"
#include "common/parquet/parquet_dictionary.h"
#include "common/parquet/parquet_minmax.h"
#include "common/parquet/parquet_schema.h"
#include "common/parquet/parquet_shred.h"
#include "common/parquet/parquet_writer.h"

#define PARQUET_CHUNK_STEP 1024 // integers widened at a time
#define PARQUET_CHUNK_HEAD 64   // room before a page's values, so that short levels are put there and nothing is copied

// What the chunks of one writer share: options with every default filled in, and room to work in.
struct parquet_scratch {
    struct parquet_writer_options options;
    struct budget *budget;
    struct compress *compress;
    struct parquet_bytes body;   // an encoded page
    struct parquet_bytes packed; // a compressed page
    struct text header;
    int64_t ints[PARQUET_CHUNK_STEP];
};

enum parquet_mode { PARQUET_MODE_PLAIN, PARQUET_MODE_BOOLEAN, PARQUET_MODE_DICTIONARY, PARQUET_MODE_DELTA };

struct parquet_page {
    struct buffer *buffer; // header and compressed body
    uint32_t size;
};

struct parquet_chunk {
    const struct parquet_leaf *leaf;
    struct parquet_scratch *scratch;
    enum parquet_mode mode;
    bool dictionary_hopeless;   // outlives the row group: do not try again
    uint32_t dictionary_trials; // passed

    // The page being filled.
    uint32_t row_count, level_count, value_count;
    struct parquet_bytes def, rep; // a byte a level; absent levels (max 0) are not kept
    struct parquet_bytes values;   // behind PARQUET_CHUNK_HEAD: PLAIN bytes, booleans as bytes, or indices
    struct parquet_delta delta;

    // The chunk.
    struct parquet_dictionary dictionary;
    struct column *map_source; // the batch dictionary that map translates to this dictionary's indices
    struct parquet_bytes map;
    VECTOR(struct parquet_page) pages;
    struct parquet_page dictionary_page;
    bool ending; // no page will follow
    bool codec_settled;
    enum parquet_codec codec;
    uint64_t level_total, value_total;
    uint64_t raw_bytes, packed_bytes; // headers included
    int32_t plain_pages, delta_pages, dictionary_pages;
    struct parquet_minmax minmax;
};

void parquet_chunk_init(struct parquet_chunk *chunk, const struct parquet_leaf *leaf, struct parquet_scratch *scratch);
void parquet_chunk_deinit(struct parquet_chunk *chunk);
void parquet_chunk_reset(struct parquet_chunk *chunk); // for the next row group
// Rows must fit in what is left of page_rows_max, or the page has been ended before.
enum status parquet_chunk_append(struct parquet_chunk *chunk, const struct parquet_slots *slots,
                                 struct error *err) MUST_USE;
bool parquet_chunk_page_full(const struct parquet_chunk *chunk, uint32_t more_rows);
enum status parquet_chunk_end_page(struct parquet_chunk *chunk, struct error *err) MUST_USE;
// Ends the page and makes the dictionary page; statistics are complete then.
enum status parquet_chunk_end(struct parquet_chunk *chunk, struct error *err) MUST_USE;
static inline uint32_t *parquet_chunk_indices(const struct parquet_chunk *chunk)
{
    return (uint32_t *)(void *)(chunk->values.data + PARQUET_CHUNK_HEAD);
}
uint64_t parquet_chunk_buffered(const struct parquet_chunk *chunk);

#endif
