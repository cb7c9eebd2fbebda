// The dictionary of a column chunk: distinct values in order of appearance, kept as the bytes of the dictionary page
// (PLAIN), found by an open-addressing table. Every entry is a value of the chunk.
#ifndef FORESET_PARQUET_PARQUET_DICTIONARY_H
#define FORESET_PARQUET_PARQUET_DICTIONARY_H

#include "common/base/hash.h"
#include "common/base/text.h"
#include "common/parquet/parquet_bytes.h"

struct parquet_dictionary_slot {
    uint32_t hash;
    uint32_t number; // index + 1; 0: free
    uint32_t start;  // of the value in plain
    uint32_t length;
};

struct parquet_dictionary {
    struct parquet_bytes plain;  // entries: [u32 length][bytes], or fixed width
    struct parquet_bytes starts; // uint32_t: where each entry of variable width starts in plain
    struct parquet_bytes slots;  // struct parquet_dictionary_slot
    uint32_t count;
    uint32_t slot_mask; // slots - 1; 0: no table yet
};

void parquet_dictionary_init(struct parquet_dictionary *dictionary, struct budget *budget);
void parquet_dictionary_deinit(struct parquet_dictionary *dictionary);
void parquet_dictionary_reset(struct parquet_dictionary *dictionary);
// The indices of values, added if they are new. The table's cache misses overlap: values come in groups.
// padded: eight bytes may be read behind any value's start.
#define PARQUET_DICTIONARY_GROUP 16
enum status parquet_dictionary_group(struct parquet_dictionary *dictionary, const struct slice *values, uint32_t count,
                                     bool padded, uint32_t *ret_indices, struct error *err) MUST_USE;
enum status parquet_dictionary_bytes(struct parquet_dictionary *dictionary, struct slice value, uint32_t *ret_index,
                                     struct error *err) MUST_USE;
enum status parquet_dictionary_fixed(struct parquet_dictionary *dictionary, uint64_t bits, uint32_t width,
                                     uint32_t *ret_index, struct error *err) MUST_USE;
// An entry of variable width.
struct slice parquet_dictionary_entry(const struct parquet_dictionary *dictionary, uint32_t index);

#endif
