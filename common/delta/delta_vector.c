// Reading deletion vectors: see delta_vector.h.
// In a file: byte 0 version 1; at the offset u32 BE size, data, u32 BE CRC-32 of the data. Data: u32 LE magic, u64 LE
// number of bitmaps, then each: u32 LE high word, a 32-bit Roaring bitmap in the portable format. (Its specification:
// cookie, number of containers, run flags, (key, cardinality − 1) pairs, offsets, containers: sorted arrays, bitsets,
// runs.) Every size is checked against the bytes there are; the number of rows is bounded by what the containers hold.
#include "common/delta/delta_vector.h"

#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "common/compress/crc32.h"
#include "common/delta/delta_path.h"

enum {
    VECTOR_MAGIC = 1681511377,
    VECTOR_MAGIC_NATIVE = 1681511376,
    ROARING_COOKIE = 12347, // with runs; the upper half is the number of containers − 1
    ROARING_COOKIE_NO_RUNS = 12346,
    ROARING_ARRAY_MAX = 4096, // values of an array container; more: a bitset
    ROARING_BITSET_BYTES = 8192,
    ROARING_CONTAINERS_MAX = 65536,
    ROARING_OFFSETS_FROM = 4 // containers, with runs, from which on there are offsets
};

struct vector_read {
    const uint8_t *at, *end;
    struct delta_vector *vector;
    uint64_t rows_max;
};

// False: more rows than the file has; a few bytes of runs could name billions.
static bool vector_push_row(struct vector_read *read, uint64_t row)
{
    if (read->vector->rows.count >= read->rows_max) return false;
    vector_push(&read->vector->rows, row);
    return true;
}

static bool vector_take(struct vector_read *read, size_t size, const uint8_t **ret_bytes)
{
    if ((size_t)(read->end - read->at) < size) return false;
    *ret_bytes = read->at;
    read->at += size;
    return true;
}

static bool vector_u32(struct vector_read *read, uint32_t *ret_value)
{
    const uint8_t *bytes;
    if (!vector_take(read, 4, &bytes)) return false;
    memcpy(ret_value, bytes, 4);
    return true;
}

static uint16_t vector_u16(const uint8_t *bytes, size_t index)
{
    uint16_t value;
    memcpy(&value, bytes + index * 2, 2);
    return value;
}

static bool vector_array(struct vector_read *read, uint64_t base, uint32_t count)
{
    const uint8_t *values;
    if (!vector_take(read, (size_t)count * 2, &values)) return false;
    for (uint32_t i = 0; i < count; i++) {
        if (i && vector_u16(values, i) <= vector_u16(values, i - 1)) return false;
        if (!vector_push_row(read, base + vector_u16(values, i))) return false;
    }
    return true;
}

static bool vector_bitset(struct vector_read *read, uint64_t base, uint32_t count)
{
    const uint8_t *bits;
    size_t before = read->vector->rows.count;
    if (!vector_take(read, ROARING_BITSET_BYTES, &bits)) return false;
    for (uint32_t i = 0; i < ROARING_BITSET_BYTES * 8; i++) {
        if ((bits[i >> 3] >> (i & 7) & 1) && !vector_push_row(read, base + i)) return false;
    }
    return read->vector->rows.count - before == count;
}

static bool vector_runs(struct vector_read *read, uint64_t base)
{
    const uint8_t *head, *runs;
    int64_t last = -1;
    if (!vector_take(read, 2, &head) || !vector_take(read, (size_t)vector_u16(head, 0) * 4, &runs)) return false;
    for (uint32_t i = 0; i < vector_u16(head, 0); i++) {
        uint32_t from = vector_u16(runs, 2 * (size_t)i), to = from + vector_u16(runs, 2 * (size_t)i + 1);
        if ((int64_t)from <= last || to > UINT16_MAX) return false;
        for (uint32_t value = from; value <= to; value++) {
            if (!vector_push_row(read, base + value)) return false;
        }
        last = to;
    }
    return true;
}

// One 32-bit Roaring bitmap in the portable format.
static bool vector_bitmap(struct vector_read *read, uint64_t high)
{
    uint32_t cookie, count;
    const uint8_t *flags = NULL, *keys, *offsets;
    if (!vector_u32(read, &cookie)) return false;
    if ((cookie & 0xFFFF) == ROARING_COOKIE) {
        count = (cookie >> 16) + 1;
        if (!vector_take(read, (count + 7) / 8, &flags)) return false;
    } else if (cookie != ROARING_COOKIE_NO_RUNS || !vector_u32(read, &count) || count > ROARING_CONTAINERS_MAX) {
        return false;
    }
    if (!vector_take(read, (size_t)count * 4, &keys)) return false;
    if ((!flags || count >= ROARING_OFFSETS_FROM) && !vector_take(read, (size_t)count * 4, &offsets)) return false;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t key = vector_u16(keys, 2 * (size_t)i), cardinality = vector_u16(keys, 2 * (size_t)i + 1) + 1u;
        if (i && key <= vector_u16(keys, 2 * (size_t)i - 2)) return false;
        uint64_t base = high << 32 | (uint64_t)key << 16;
        bool is_run = flags && (flags[i >> 3] >> (i & 7) & 1);
        bool good = is_run                             ? vector_runs(read, base)
                    : cardinality <= ROARING_ARRAY_MAX ? vector_array(read, base, cardinality)
                                                       : vector_bitset(read, base, cardinality);
        if (!good) return false;
    }
    return true;
}

static bool vector_bitmaps(struct vector_read *read)
{
    uint32_t low, high, key;
    int64_t last = -1;
    if (!vector_u32(read, &low) || !vector_u32(read, &high) || high != 0) return false;
    for (uint32_t i = 0; i < low; i++) {
        if (!vector_u32(read, &key) || (int64_t)key <= last || !vector_bitmap(read, key)) return false;
        last = key;
    }
    return read->at == read->end;
}

static enum status vector_corrupt(const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "deletion vector: %s", what);
}

enum status delta_vector_parse(const uint8_t *bytes, size_t size, uint64_t rows_max, struct delta_vector *ret_vector,
                               struct error *err)
{
    struct delta_vector vector = {0};
    struct vector_read read = {bytes, bytes + size, &vector, rows_max};
    uint32_t magic = 0;
    if (vector_u32(&read, &magic) && magic == VECTOR_MAGIC_NATIVE) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "deletion vector of the native kind is not supported");
    }
    if (magic != VECTOR_MAGIC || !vector_bitmaps(&read)) {
        delta_vector_deinit(&vector);
        return vector_corrupt("its bitmap is damaged", err);
    }
    *ret_vector = vector;
    return STATUS_OK;
}

void delta_vector_deinit(struct delta_vector *vector)
{
    vector_deinit(&vector->rows);
}

// ---- where it is

// Z85: 5 characters are 4 bytes, big-endian (ZeroMQ RFC 32). Characters beyond whole groups are an error.
static bool vector_z85(const char *text, size_t length, struct text *bytes)
{
    static const char digits[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
    if (length % 5 != 0) return false;
    for (size_t i = 0; i < length; i += 5) {
        uint64_t word = 0;
        for (size_t j = i; j < i + 5; j++) {
            const char *digit = text[j] ? strchr(digits, text[j]) : NULL;
            if (!digit) return false;
            word = word * 85 + (uint64_t)(digit - digits);
        }
        if (word > UINT32_MAX) return false;
        char group[4] = {(char)(word >> 24), (char)(word >> 16), (char)(word >> 8), (char)word};
        text_append(bytes, group, sizeof group);
    }
    return true;
}

static enum status vector_inline(const struct delta_deletion_vector *dv, struct delta_vector *ret_vector,
                                 struct error *err)
{
    struct text bytes = {0};
    enum status status;
    size_t size = (size_t)dv->size_bytes;
    if (!vector_z85(dv->path_or_inline_dv, strlen(dv->path_or_inline_dv), &bytes) || bytes.length < size) {
        status = vector_corrupt("its inline text is not Z85 of its size", err);
    } else {
        status =
            delta_vector_parse((const uint8_t *)text_str(&bytes), size, (uint64_t)dv->cardinality, ret_vector, err);
    }
    text_deinit(&bytes);
    return status;
}

// "<prefix><20 characters of Z85>" is [prefix/]deletion_vector_<uuid>.bin
static bool vector_key(const char *path, struct text *key)
{
    struct text uuid = {0};
    size_t length = strlen(path);
    bool good = length >= 20 && vector_z85(path + length - 20, 20, &uuid);
    if (good) {
        if (length > 20) text_printf(key, "%.*s/", (int)(length - 20), path);
        text_append_str(key, "deletion_vector_");
        for (size_t i = 0; i < 16; i++) {
            bool dash = i == 4 || i == 6 || i == 8 || i == 10;
            text_printf(key, dash ? "-%02x" : "%02x", (unsigned)(uint8_t)uuid.data[i]);
        }
        text_append_str(key, ".bin");
    }
    text_deinit(&uuid);
    return good;
}

static uint32_t vector_big_endian(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static enum status vector_file(struct objstore *store, const struct delta_deletion_vector *dv,
                               struct delta_vector *ret_vector, struct error *err)
{
    enum status status = STATUS_OK;
    struct text key = {0};
    struct buffer *bytes = NULL;
    size_t size = (size_t)dv->size_bytes;
    if (*dv->storage_type == 'p') {
        TRY(delta_path_decode(dv->path_or_inline_dv, store->url, &key, err));
    } else if (!vector_key(dv->path_or_inline_dv, &key)) {
        TRY(vector_corrupt("its path is not Z85 of a uuid", err));
    }
    uint64_t offset = dv->has_offset ? (uint64_t)dv->offset : 1;
    TRY(store->ops->get_range(store, text_str(&key), offset, size + 8, &bytes, err));
    if (vector_big_endian(bytes->data) != size) TRY(vector_corrupt("its size is not the one in the log", err));
    if (crc32_update(0, bytes->data + 4, size) != vector_big_endian(bytes->data + 4 + size)) {
        TRY(vector_corrupt("its checksum is wrong", err));
    }
    TRY(delta_vector_parse(bytes->data + 4, size, (uint64_t)dv->cardinality, ret_vector, err));
out:
    buffer_unref(bytes);
    text_deinit(&key);
    return status;
}

enum status delta_vector_read(struct objstore *store, const struct delta_deletion_vector *dv, uint64_t rows_max,
                              struct delta_vector *ret_vector, struct error *err)
{
    struct delta_vector vector = {0};
    enum status status;
    if (dv->size_bytes < 0 || dv->offset < 0) return vector_corrupt("its size or offset is negative", err);
    if (dv->cardinality < 0 || (uint64_t)dv->cardinality > rows_max) {
        return vector_corrupt("it holds more rows than its file", err);
    }
    if (strcmp(dv->storage_type, "i") == 0) {
        status = vector_inline(dv, &vector, err);
    } else if (strcmp(dv->storage_type, "u") == 0 || strcmp(dv->storage_type, "p") == 0) {
        status = vector_file(store, dv, &vector, err);
    } else {
        status = error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                           "deletion vector of storage type '%s' is not supported", dv->storage_type);
    }
    if (status == STATUS_OK && (uint64_t)vector.rows.count != (uint64_t)dv->cardinality) {
        delta_vector_deinit(&vector);
        status = vector_corrupt("it holds another number of rows than the log says", err);
    }
    if (status == STATUS_OK) *ret_vector = vector;
    return status;
}
