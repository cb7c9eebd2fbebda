// The values of one page, decoded from whatever encoding into a store.
#ifndef FORESET_PARQUET_PARQUET_VALUES_H
#define FORESET_PARQUET_PARQUET_VALUES_H

#include "common/parquet/parquet_decode.h"
#include "common/parquet/parquet_store.h"

// The values of one page. Borrowed: the page's bytes.
struct parquet_values {
    const struct parquet_node *leaf;
    enum parquet_encoding encoding;
    const uint8_t *at, *end;
    struct parquet_hybrid_in hybrid;
    struct parquet_delta_in delta;
    uint32_t bit;      // PLAIN booleans
    uint32_t split_at; // BYTE_STREAM_SPLIT
    uint32_t string_at, string_count;
    struct parquet_bytes lengths;  // DELTA_*_BYTE_ARRAY: int64_t a value
    struct parquet_bytes prefixes; // DELTA_BYTE_ARRAY
    struct parquet_bytes previous;
};
void parquet_values_init(struct parquet_values *values, const struct parquet_node *leaf, struct budget *budget);
void parquet_values_deinit(struct parquet_values *values);
// count: at most that many values are in the page.
enum status parquet_values_open(struct parquet_values *values, int32_t encoding, const uint8_t *bytes, size_t size,
                                uint32_t count, struct error *err) MUST_USE;
// Appends the next count values to store. dictionary: of the chunk, NULL if there is none.
enum status parquet_values_next(struct parquet_values *values, uint32_t count, const struct parquet_store *dictionary,
                                struct parquet_store *store, struct error *err) MUST_USE;

#endif
