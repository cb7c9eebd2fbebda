// A growing block of bytes that counts in a budget. Bytes reserved behind size may be written past by up to
// BUFFER_PADDING, so that packers store whole words.
#ifndef FORESET_PARQUET_PARQUET_BYTES_H
#define FORESET_PARQUET_PARQUET_BYTES_H

#include <string.h>

#include "common/base/memory.h"

struct parquet_bytes {
    struct budget *budget;
    struct buffer *buffer; // NULL until the first reserve
    uint8_t *data;
    size_t size, capacity;
};

static inline void parquet_bytes_init(struct parquet_bytes *bytes, struct budget *budget)
{
    *bytes = (struct parquet_bytes){.budget = budget};
}
static inline void parquet_bytes_deinit(struct parquet_bytes *bytes)
{
    buffer_unref(bytes->buffer);
    *bytes = (struct parquet_bytes){.budget = bytes->budget};
}
enum status parquet_bytes_grow(struct parquet_bytes *bytes, size_t extra, struct error *err) MUST_USE;
// Room for extra more bytes.
static inline MUST_USE enum status parquet_bytes_reserve(struct parquet_bytes *bytes, size_t extra, struct error *err)
{
    if (__builtin_expect(bytes->capacity - bytes->size >= extra, 1)) return STATUS_OK;
    return parquet_bytes_grow(bytes, extra, err);
}
static inline MUST_USE enum status parquet_bytes_append(struct parquet_bytes *bytes, const void *data, size_t size,
                                                        struct error *err)
{
    enum status status = parquet_bytes_reserve(bytes, size, err);
    if (status != STATUS_OK || size == 0) return status;
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return STATUS_OK;
}

#endif
