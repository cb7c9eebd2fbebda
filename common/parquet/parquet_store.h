// Physical values gathered for a batch, or of a dictionary.
#ifndef FORESET_PARQUET_PARQUET_STORE_H
#define FORESET_PARQUET_PARQUET_STORE_H

#include "common/parquet/parquet_bytes.h"
#include "common/parquet/parquet_tree.h"

// Physical values one after the other: fixed width (booleans 1 byte, INT96 12), or bytes with their ends. While
// `coded`, byte arrays are indices of a dictionary instead.
struct parquet_store {
    uint32_t width; // 0: byte arrays
    uint32_t count;
    bool coded;
    struct parquet_bytes data;
    struct parquet_bytes ends;    // uint32_t: end of each byte array in data
    struct parquet_bytes indices; // uint32_t
};
void parquet_store_init(struct parquet_store *store, const struct parquet_node *leaf, struct budget *budget);
void parquet_store_deinit(struct parquet_store *store);
void parquet_store_reset(struct parquet_store *store);
struct slice parquet_store_value(const struct parquet_store *store, uint32_t i); // of fixed width: its bytes
// Whether all byte arrays (not coded) are valid UTF-8.
bool parquet_store_utf8(const struct parquet_store *store);

#endif
