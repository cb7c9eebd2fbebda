// Encoders. The packers store whole 64-bit words and rely on the padding behind parquet_bytes.
#include "common/parquet/parquet_encode.h"

#include "common/parquet/parquet_bitpack.h"

#define LITERAL_GROUPS_MAX 63 // their header stays one byte; parquet-mr writes no longer ones either

size_t parquet_encode_varint(uint8_t *out, uint64_t value)
{
    size_t length = 0;
    while (value >= 0x80) {
        out[length++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[length++] = (uint8_t)value;
    return length;
}

// Values from i on as a group, zeros behind the end.
PARQUET_INLINE void load_group(uint64_t *group, const void *values, uint32_t size, uint32_t i, uint32_t count)
{
    uint32_t n = count - i < PARQUET_GROUP ? count - i : PARQUET_GROUP;
    for (uint32_t k = 0; k < n; k++) {
        group[k] = size == 1 ? ((const uint8_t *)values)[i + k] : ((const uint32_t *)values)[i + k];
    }
    for (uint32_t k = n; k < PARQUET_GROUP; k++) group[k] = 0;
}

PARQUET_INLINE uint32_t value_at(const void *values, uint32_t size, uint32_t i)
{
    return size == 1 ? ((const uint8_t *)values)[i] : ((const uint32_t *)values)[i];
}

// Whether count values from i on are equal.
PARQUET_INLINE bool is_run(const void *values, uint32_t size, uint32_t i, uint32_t count)
{
    if (value_at(values, size, i) != value_at(values, size, i + count - 1)) return false;
    const uint8_t *bytes = (const uint8_t *)values + (size_t)i * size;
    return memcmp(bytes, bytes + size, (size_t)(count - 1) * size) == 0;
}

PARQUET_INLINE uint8_t *put_literals(uint8_t *at, const void *values, uint32_t size, uint32_t from, uint32_t to,
                                     uint32_t width, uint32_t count)
{
    while (from < to) {
        uint32_t groups = (to - from + PARQUET_GROUP - 1) / PARQUET_GROUP;
        if (groups > LITERAL_GROUPS_MAX) groups = LITERAL_GROUPS_MAX;
        *at++ = (uint8_t)(groups << 1 | 1);
        for (uint32_t g = 0; g < groups; g++, from += PARQUET_GROUP, at += width) {
            uint64_t group[PARQUET_GROUP];
            load_group(group, values, size, from, count);
            parquet_bitpack_put(at, group, width);
        }
    }
    return at;
}

PARQUET_INLINE uint8_t *put_hybrid(uint8_t *at, const void *values, uint32_t size, uint32_t count, uint32_t width)
{
    uint32_t i = 0, literals = 0;
    while (i < count) {
        uint32_t step = count - i < PARQUET_GROUP ? count - i : PARQUET_GROUP;
        if (!is_run(values, size, i, step) || (step < PARQUET_GROUP && literals < i)) {
            i += step;
            continue;
        }
        uint32_t run_end = i + step, value = value_at(values, size, i);
        while (run_end < count && value_at(values, size, run_end) == value) run_end++;
        at = put_literals(at, values, size, literals, i, width, count);
        at += parquet_encode_varint(at, (uint64_t)(run_end - i) << 1);
        for (uint32_t bits = 0; bits < width; bits += 8) *at++ = (uint8_t)(value >> bits);
        i = literals = run_end;
    }
    return put_literals(at, values, size, literals, count, width, count);
}

static enum status reserve_hybrid(struct parquet_bytes *out, uint32_t count, uint32_t width, struct error *err)
{
    // A group costs its packed bytes or, as a run, a header of at most 5 bytes and a value of at most 4.
    return parquet_bytes_reserve(out, ((size_t)count / PARQUET_GROUP + 2) * (width + 9), err);
}

enum status parquet_encode_hybrid8(struct parquet_bytes *out, const uint8_t *values, uint32_t count, uint32_t width,
                                   struct error *err)
{
    enum status status = reserve_hybrid(out, count, width, err);
    if (status != STATUS_OK) return status;
    out->size = (size_t)(put_hybrid(out->data + out->size, values, 1, count, width) - out->data);
    return STATUS_OK;
}

enum status parquet_encode_hybrid32(struct parquet_bytes *out, const uint32_t *values, uint32_t count, uint32_t width,
                                    struct error *err)
{
    enum status status = reserve_hybrid(out, count, width, err);
    if (status != STATUS_OK) return status;
    out->size = (size_t)(put_hybrid(out->data + out->size, values, 4, count, width) - out->data);
    return STATUS_OK;
}

enum status parquet_encode_booleans(struct parquet_bytes *out, const uint8_t *values, uint32_t count, struct error *err)
{
    enum status status = parquet_bytes_reserve(out, (size_t)count / PARQUET_GROUP + 1, err);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < count; i += PARQUET_GROUP) {
        uint64_t group[PARQUET_GROUP];
        load_group(group, values, 1, i, count);
        parquet_bitpack_put(out->data + out->size++, group, 1);
    }
    return STATUS_OK;
}
