// Hashes of values, a loop per type. Equal values hash equal whatever their encoding: a dictionary is hashed once and
// looked up; -0.0 hashes as 0.0 and every NaN as one NaN. Not Spark's hash(): this one stays inside the process, but
// exchange and state keys may outlive it, so its values are part of the state's format.
#include <math.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/columnar/column.h"

#define HASH_NULL                UINT64_C(0x6E756C6C6E756C6C)
#define HASH_DICTIONARY_ON_STACK 512u

static inline uint64_t double_bits(double value)
{
    uint64_t bits;
    if (value == 0.0) value = 0.0; // -0.0
    if (isnan(value)) return UINT64_C(0x7FF8000000000000);
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline uint64_t decimal_bits(__int128 value)
{
    return hash_mix((uint64_t)value, (uint64_t)(value >> 64));
}

static uint64_t hash_row(const struct column *column, uint32_t row, uint64_t hash);

static uint64_t hash_nested_row(const struct column *column, uint32_t row, uint64_t hash)
{
    const struct type *type = column->type;
    if (type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < type->child_count; i++) hash = hash_row(column->children[i], row, hash);
        return hash;
    }
    uint32_t from = (uint32_t)column->offsets[row], to = (uint32_t)column->offsets[row + 1];
    hash = hash_mix(hash, to - from);
    for (uint32_t at = from; at < to; at++) {
        for (uint32_t i = 0; i < type->child_count; i++) hash = hash_row(column->children[i], at, hash);
    }
    return hash;
}

static uint64_t hash_slice(struct slice slice)
{
    return hash_64(slice.data, slice.length, 0);
}

static uint64_t hash_row(const struct column *column, uint32_t row, uint64_t hash)
{
    if (column_is_null(column, row)) return hash_mix(hash, HASH_NULL);
    switch (column->type->kind) {
    case TYPE_VOID: return hash_mix(hash, HASH_NULL);
    case TYPE_BOOLEAN: return hash_mix(hash, column->boolean[row]);
    case TYPE_TINYINT: return hash_mix(hash, (uint64_t)column->i8[row]);
    case TYPE_SMALLINT: return hash_mix(hash, (uint64_t)column->i16[row]);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: return hash_mix(hash, (uint64_t)column->i32[row]);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: return hash_mix(hash, (uint64_t)column->i64[row]);
    case TYPE_FLOAT: return hash_mix(hash, double_bits((double)column->f32[row]));
    case TYPE_DOUBLE: return hash_mix(hash, double_bits(column->f64[row]));
    case TYPE_DECIMAL: return hash_mix(hash, decimal_bits(column->i128[row]));
    case TYPE_STRING:
    case TYPE_BINARY: return hash_mix(hash, hash_slice(column_slice(column, row)));
    case TYPE_STRUCT:
    case TYPE_ARRAY:
    case TYPE_MAP: return hash_nested_row(column, row, hash);
    }
    return hash;
}

// One loop per type: `value` is the row's 64-bit image.
#define HASH_LOOP(value)                                                                                               \
    do {                                                                                                               \
        for (uint32_t i = 0; i < count; i++) {                                                                         \
            uint32_t row = rows ? rows[i] : i;                                                                         \
            hashes[i] = hash_mix(hashes[i], column_is_null(column, row) ? HASH_NULL : (value));                        \
        }                                                                                                              \
    } while (0)

static void hash_dictionary(const struct column *column, const uint32_t *rows, uint32_t count, uint64_t *hashes)
{
    uint64_t on_stack[HASH_DICTIONARY_ON_STACK];
    uint32_t size = column->dictionary->length;
    if (size > count) {
        HASH_LOOP(hash_slice(column_slice(column, row)));
        return;
    }
    uint64_t *entries = size <= HASH_DICTIONARY_ON_STACK ? on_stack : memory_alloc(size * sizeof *entries);
    for (uint32_t i = 0; i < size; i++) entries[i] = hash_slice(column_slice(column->dictionary, i));
    HASH_LOOP(entries[column->indices[row]]);
    if (entries != on_stack) memory_free(entries);
}

void column_hash(const struct column *column, const uint32_t *rows, uint32_t count, uint64_t *hashes)
{
    switch (column->type->kind) {
    case TYPE_VOID: HASH_LOOP(HASH_NULL); break;
    case TYPE_BOOLEAN: HASH_LOOP(column->boolean[row]); break;
    case TYPE_TINYINT: HASH_LOOP((uint64_t)column->i8[row]); break;
    case TYPE_SMALLINT: HASH_LOOP((uint64_t)column->i16[row]); break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: HASH_LOOP((uint64_t)column->i32[row]); break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: HASH_LOOP((uint64_t)column->i64[row]); break;
    case TYPE_FLOAT: HASH_LOOP(double_bits((double)column->f32[row])); break;
    case TYPE_DOUBLE: HASH_LOOP(double_bits(column->f64[row])); break;
    case TYPE_DECIMAL: HASH_LOOP(decimal_bits(column->i128[row])); break;
    case TYPE_STRING:
    case TYPE_BINARY:
        if (column->indices) {
            hash_dictionary(column, rows, count, hashes);
        } else {
            HASH_LOOP(hash_slice(column_slice(column, row)));
        }
        break;
    case TYPE_STRUCT:
        if (column->null_count == 0) {
            for (uint32_t k = 0; k < column->type->child_count; k++) {
                column_hash(column->children[k], rows, count, hashes);
            }
            break;
        }
        __attribute__((fallthrough)); // null structs hide their fields
    case TYPE_ARRAY:
    case TYPE_MAP:
        for (uint32_t i = 0; i < count; i++) hashes[i] = hash_row(column, rows ? rows[i] : i, hashes[i]);
        break;
    }
}
