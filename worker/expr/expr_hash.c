// Spark's XxHash64 and Murmur3_x86_32 over values: integers of up to 32 bits as int, others as long, decimals of up to
// 18 digits as long, larger ones and texts as bytes, nested values element by element. Cannot fail.
#include "worker/expr/expr_hash.h"

#include <string.h>

#include "common/base/hash.h"

static inline uint32_t rotate_32(uint32_t value, int by)
{
    return value << by | value >> (32 - by);
}

static uint32_t murmur_mix(uint32_t hash, uint32_t block)
{
    block *= 0xcc9e2d51u;
    block = rotate_32(block, 15) * 0x1b873593u;
    return rotate_32(hash ^ block, 13) * 5 + 0xe6546b64u;
}

static uint32_t murmur_finish(uint32_t hash, uint32_t length)
{
    hash ^= length;
    hash = (hash ^ hash >> 16) * 0x85ebca6bu;
    hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
    return hash ^ hash >> 16;
}

static uint32_t murmur_int(uint32_t value, uint32_t seed)
{
    return murmur_finish(murmur_mix(seed, value), 4);
}

static uint32_t murmur_long(uint64_t value, uint32_t seed)
{
    return murmur_finish(murmur_mix(murmur_mix(seed, (uint32_t)value), (uint32_t)(value >> 32)), 8);
}

// The tail byte by byte, each as a block of its own, sign-extended: Spark's hashUnsafeBytes.
static uint32_t murmur_bytes(const char *bytes, size_t length, uint32_t seed)
{
    uint32_t hash = seed;
    size_t at = 0;
    for (; at + 4 <= length; at += 4) {
        uint32_t block;
        memcpy(&block, bytes + at, 4);
        hash = murmur_mix(hash, block);
    }
    for (; at < length; at++) hash = murmur_mix(hash, (uint32_t)(int32_t)(signed char)bytes[at]);
    return murmur_finish(hash, (uint32_t)length);
}

// A 128-bit integer as Java's BigInteger.toByteArray: big-endian, as short as it can be.
static size_t big_integer(__int128 value, char bytes[16])
{
    size_t length = 16;
    while (length > 1) {
        int top = (int)(value >> (8 * (length - 1))) & 0xFF, next = (int)(value >> (8 * (length - 2))) & 0x80;
        if ((top == 0 && !next) || (top == 0xFF && next)) {
            length--;
        } else {
            break;
        }
    }
    for (size_t i = 0; i < length; i++) bytes[i] = (char)(value >> (8 * (length - 1 - i)));
    return length;
}

// What is hashed of a value that is not nested: 4 or 8 bytes in *ret_word, or bytes.
enum shape { SHAPE_INT, SHAPE_LONG, SHAPE_BYTES };
static enum shape shape_of(const struct column *column, uint32_t row, uint64_t *ret_word, struct slice *ret_bytes,
                           char scratch[16])
{
    float single;
    double real;
    uint32_t half;
    int32_t narrow;
    __int128 decimal;
    switch (column->type->kind) {
    case TYPE_BOOLEAN: *ret_word = column->boolean[row]; return SHAPE_INT;
    case TYPE_TINYINT: narrow = column->i8[row]; break;
    case TYPE_SMALLINT: narrow = column->i16[row]; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: narrow = column->i32[row]; break;
    case TYPE_FLOAT:
        single = column->f32[row] == 0 ? 0.0f : column->f32[row];
        memcpy(&half, &single, sizeof half);
        *ret_word = single != single ? 0x7fc00000u : half;
        return SHAPE_INT;
    case TYPE_DOUBLE:
        real = column->f64[row] == 0 ? 0.0 : column->f64[row];
        memcpy(ret_word, &real, sizeof *ret_word);
        if (real != real) *ret_word = 0x7ff8000000000000ull;
        return SHAPE_LONG;
    case TYPE_DECIMAL:
        decimal = column->i128[row];
        *ret_word = (uint64_t)decimal;
        if (column->type->precision <= 18) return SHAPE_LONG;
        *ret_bytes = slice_of(scratch, big_integer(decimal, scratch));
        return SHAPE_BYTES;
    case TYPE_STRING:
    case TYPE_BINARY: *ret_bytes = column_slice(column, row); return SHAPE_BYTES;
    default: *ret_word = (uint64_t)column->i64[row]; return SHAPE_LONG;
    }
    *ret_word = (uint32_t)narrow;
    return SHAPE_INT;
}

// A value folded into `seed`, by xxHash64 or (murmur, 32 bits) Murmur3; nulls leave it as it is.
static uint64_t hash_value(const struct column *column, uint32_t row, uint64_t seed, bool murmur)
{
    if (column_is_null(column, row) || column->type->kind == TYPE_VOID) return seed;
    if (column->type->kind >= TYPE_STRUCT) {
        bool is_struct = column->type->kind == TYPE_STRUCT, is_map = column->type->kind == TYPE_MAP;
        uint32_t from = is_struct ? 0 : (uint32_t)column->offsets[row];
        uint32_t to = is_struct ? column->type->child_count : (uint32_t)column->offsets[row + 1];
        for (uint32_t i = from; i < to; i++) {
            seed = hash_value(column->children[is_struct ? i : 0], is_struct ? row : i, seed, murmur);
            if (is_map) seed = hash_value(column->children[1], i, seed, murmur);
        }
        return seed;
    }
    uint64_t word = 0;
    struct slice bytes = {NULL, 0};
    char scratch[16];
    enum shape shape = shape_of(column, row, &word, &bytes, scratch);
    if (murmur) {
        uint32_t seed_32 = (uint32_t)seed;
        if (shape == SHAPE_INT) return murmur_int((uint32_t)word, seed_32);
        if (shape == SHAPE_LONG) return murmur_long(word, seed_32);
        return murmur_bytes(bytes.data, bytes.length, seed_32);
    }
    uint32_t narrow = (uint32_t)word; // integers are hashed as their little-endian bytes
    if (shape == SHAPE_INT) return hash_xxh64(&narrow, sizeof narrow, seed);
    if (shape == SHAPE_LONG) return hash_xxh64(&word, sizeof word, seed);
    return hash_xxh64(bytes.data, bytes.length, seed);
}

uint64_t expr_hash_xx64(const struct column *column, uint32_t row, uint64_t seed)
{
    return hash_value(column, row, seed, false);
}

uint32_t expr_hash_murmur3(const struct column *column, uint32_t row, uint32_t seed)
{
    return (uint32_t)hash_value(column, row, seed, true);
}
