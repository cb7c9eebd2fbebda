// Growth by doubling. Fails with STATUS_NO_MEMORY when the budget refuses; the content stays as it was.
#include "common/parquet/parquet_bytes.h"

#define FIRST_CAPACITY 1024

enum status parquet_bytes_grow(struct parquet_bytes *bytes, size_t extra, struct error *err)
{
    size_t want = bytes->size + extra;
    if (want <= bytes->capacity) return STATUS_OK;
    size_t capacity = bytes->capacity ? bytes->capacity * 2 : FIRST_CAPACITY;
    if (capacity < want) capacity = want;
    enum status status = bytes->buffer ? buffer_grow(bytes->buffer, capacity, err)
                                       : buffer_create(bytes->budget, capacity, &bytes->buffer, err);
    if (status != STATUS_OK) return status;
    bytes->data = bytes->buffer->data;
    bytes->capacity = capacity;
    return STATUS_OK;
}
