// PLAIN strings, the hot path of ids and other texts without a dictionary. Fails only when the budget refuses.
#include "common/parquet/parquet_strings.h"

// Copies whole words up to this length, which is safe within BUFFER_PADDING on either side.
#define WIDE_COPY 32u

static inline uint32_t slot_row(const struct parquet_slots *slots, uint32_t i)
{
    return slots->rows ? slots->rows[i] : slots->first + i;
}

bool parquet_strings_padded(const struct column *column)
{
    const struct buffer *buffer = column->buffers[1];
    if (!buffer || !column->bytes || column->indices) return false;
    const uint8_t *end = column->bytes + column->offsets[column->length];
    return column->bytes >= buffer->data && end <= buffer->data + buffer->size_bytes;
}

static size_t total_bytes(const struct parquet_slots *slots)
{
    const struct column *column = slots->column;
    size_t total = (size_t)slots->value_count * sizeof(uint32_t);
    if (!slots->rows && !column->indices) {
        return total + (size_t)(column->offsets[slots->first + slots->value_count] - column->offsets[slots->first]);
    }
    for (uint32_t i = 0; i < slots->value_count; i++) total += column_slice(column, slot_row(slots, i)).length;
    return total;
}

static inline uint64_t big_endian(const char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

// As parquet_minmax_compare, eight bytes at a time: neighbours often share a long prefix (times, ids).
static inline int compare(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length, at = 0;
    for (; at + sizeof(uint64_t) <= common; at += sizeof(uint64_t)) {
        uint64_t x = big_endian(a.data + at), y = big_endian(b.data + at);
        if (x != y) return x < y ? -1 : 1;
    }
    for (; at < common; at++) {
        if (a.data[at] != b.data[at]) return (uint8_t)a.data[at] < (uint8_t)b.data[at] ? -1 : 1;
    }
    return a.length < b.length ? -1 : a.length > b.length;
}

enum status parquet_strings_append(struct parquet_bytes *out, struct parquet_minmax *minmax,
                                   const struct parquet_slots *slots, struct error *err)
{
    enum status status = STATUS_OK;
    if (slots->value_count == 0) return STATUS_OK;
    const struct column *column = slots->column;
    bool wide = parquet_strings_padded(column);
    struct slice least = column_slice(column, slot_row(slots, 0)), greatest = least;
    TRY(parquet_bytes_reserve(out, total_bytes(slots), err));
    uint8_t *at = out->data + out->size;
    for (uint32_t i = 0; i < slots->value_count; i++) {
        struct slice value = column_slice(column, slot_row(slots, i));
        uint32_t length = (uint32_t)value.length;
        memcpy(at, &length, sizeof length);
        at += sizeof length;
        if (wide && length <= WIDE_COPY) {
            memcpy(at, value.data, WIDE_COPY);
        } else if (length) {
            memcpy(at, value.data, length);
        }
        at += length;
        if (compare(value, greatest) > 0) {
            greatest = value;
        } else if (compare(value, least) < 0) {
            least = value;
        }
    }
    out->size = (size_t)(at - out->data);
    parquet_minmax_bytes(minmax, least);
    parquet_minmax_bytes(minmax, greatest);
out:
    return status;
}
