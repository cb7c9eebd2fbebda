// Gathered physical values. Nothing can fail but what the budget refuses.
#include "common/parquet/parquet_store.h"

static uint32_t width_of(const struct parquet_node *leaf)
{
    switch (leaf->physical) {
    case PARQUET_BOOLEAN: return 1;
    case PARQUET_INT32:
    case PARQUET_FLOAT: return 4;
    case PARQUET_INT64:
    case PARQUET_DOUBLE: return 8;
    case PARQUET_INT96: return 12;
    case PARQUET_FIXED: return leaf->fixed_length;
    case PARQUET_BYTE_ARRAY: break;
    }
    return 0;
}

void parquet_store_init(struct parquet_store *store, const struct parquet_node *leaf, struct budget *budget)
{
    *store = (struct parquet_store){.width = width_of(leaf)};
    parquet_bytes_init(&store->data, budget);
    parquet_bytes_init(&store->ends, budget);
    parquet_bytes_init(&store->indices, budget);
}

void parquet_store_deinit(struct parquet_store *store)
{
    parquet_bytes_deinit(&store->data);
    parquet_bytes_deinit(&store->ends);
    parquet_bytes_deinit(&store->indices);
}

void parquet_store_reset(struct parquet_store *store)
{
    store->count = 0;
    store->coded = false;
    store->data.size = store->ends.size = store->indices.size = 0;
}

struct slice parquet_store_value(const struct parquet_store *store, uint32_t i)
{
    if (store->width) return slice_of((const char *)store->data.data + (size_t)i * store->width, store->width);
    const uint32_t *ends = (const uint32_t *)(const void *)store->ends.data;
    uint32_t from = i ? ends[i - 1] : 0;
    if (!store->data.size) return slice_of("", 0); // nothing but empty strings: there may be no block
    return slice_of((const char *)store->data.data + from, ends[i] - from);
}

bool parquet_store_utf8(const struct parquet_store *store)
{
    const uint32_t *ends = (const uint32_t *)(const void *)store->ends.data;
    const uint8_t *bytes = store->data.data;
    if (store->data.size == 0) return true;
    if (!text_utf8_valid(bytes, store->data.size)) return false;
    // Valid as a whole; no value may begin within a character.
    for (uint32_t i = 0; i + 1 < store->count; i++) {
        if (ends[i] < store->data.size && (bytes[ends[i]] & 0xC0) == 0x80) return false;
    }
    return true;
}
