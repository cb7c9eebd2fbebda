// A column: Arrow's memory layout, with two differences that kernels want: booleans take one byte each (0 or 1), and
// decimals of every precision are 16-byte two's complement integers.
//
// Shapes, for a column of `length` values:
//   validity   bitmap, bit i set = value i is there (LSB first); NULL = all are there. Values under a cleared bit are
//              unspecified.
//   fixed      boolean/tinyint 1 byte, smallint 2, int/float/date/interval_ym 4,
//              bigint/double/timestamp/_ntz/interval_dt 8, decimal 16
//   string     offsets[length + 1] (int32, rising) into bytes. Bytes of a STRING are valid UTF-8.
//   dictionary (strings only) indices[length] (uint32) into `dictionary`, a plain string column without nulls;
//              an index under a cleared validity bit is 0 and must not be followed. May have no entry if all are null.
//   struct     children[i] of the same length; a null struct's children are unspecified there (test the struct first)
//   array      offsets[length + 1] into children[0];  map: the same, children[0] keys and children[1] values
// Columns are immutable once built and counted: column_ref / column_unref, from any thread.
#ifndef FORESET_COLUMNAR_COLUMN_H
#define FORESET_COLUMNAR_COLUMN_H

#include "common/base/memory.h"
#include "common/columnar/type.h"

struct column {
    _Atomic uint32_t refs;
    uint32_t length;
    const struct type *type;
    uint32_t null_count; // exact
    const uint8_t *validity;
    union {
        const void *values; // fixed width
        const uint8_t *boolean;
        const int8_t *i8;
        const int16_t *i16;
        const int32_t *i32;
        const int64_t *i64;
        const float *f32;
        const double *f64;
        const __int128 *i128;
        const uint8_t *bytes; // string, binary
    };
    const int32_t *offsets;  // string, binary, array, map
    const uint32_t *indices; // dictionary-coded string: then offsets and bytes are NULL
    struct column *dictionary;
    struct column **children;  // type->child_count of them
    struct buffer *buffers[4]; // what keeps the memory above alive (validity, values, offsets, indices); NULLs allowed
};

struct column *column_ref(struct column *column);
void column_unref(struct column *column); // NULL allowed

static inline bool column_is_null(const struct column *column, uint32_t row)
{
    return column->validity && !(column->validity[row >> 3] >> (row & 7) & 1);
}
// The bytes of a string or binary value that is not null; follows the dictionary.
static inline struct slice column_slice(const struct column *column, uint32_t row)
{
    if (column->indices) {
        row = column->indices[row];
        column = column->dictionary;
    }
    int32_t from = column->offsets[row];
    return slice_of((const char *)column->bytes + from, (size_t)(column->offsets[row + 1] - from));
}

// Takes ownership of the buffers (NULL allowed) and builds a fixed-width or string column over them.
struct column *column_create(const struct type *type, uint32_t length, uint32_t null_count, struct buffer *validity,
                             struct buffer *values, struct buffer *offsets);
struct column *column_create_dictionary(const struct type *type, uint32_t length, uint32_t null_count,
                                        struct buffer *validity, struct buffer *indices, struct column *dictionary);
// children are taken (the array itself is copied); offsets for array and map.
struct column *column_create_nested(const struct type *type, uint32_t length, uint32_t null_count,
                                    struct buffer *validity, struct buffer *offsets, struct column *const *children);
// A column of nulls.
enum status column_create_nulls(struct budget *budget, const struct type *type, uint32_t length,
                                struct column **ret_column, struct error *err) MUST_USE;
// rows[count] of a column, gathered: a plain copy (dictionary-coded strings stay so, sharing the dictionary).
enum status column_gather(struct budget *budget, const struct column *column, const uint32_t *rows, uint32_t count,
                          struct column **ret_column, struct error *err) MUST_USE;
// count columns of one type, one after the other.
enum status column_concat(struct budget *budget, struct column *const *columns, uint32_t count,
                          struct column **ret_column, struct error *err) MUST_USE;
uint64_t column_bytes(const struct column *column); // memory of the values, for budgets and metrics
// -1, 0, 1 by Spark's ordering (null first, NaN greatest and equal to itself, -0.0 = 0.0, strings by unsigned bytes).
int column_compare(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b);
// The value as JSON in the encoding of the conformance cases (see columnar/README.md); null as null.
void column_json(const struct column *column, uint32_t row, struct text *text);
// 64-bit hashes of values combined into hashes[count] (hash_mix); rows NULL: rows 0..count-1. Equal values (Spark's
// grouping equality: null = null, NaN = NaN, -0.0 = 0.0) hash equal whatever their encoding. What hashes[] holds before
// is the seed.
void column_hash(const struct column *column, const uint32_t *rows, uint32_t count, uint64_t *hashes);

// Appends values one by one and makes a column of them. For results of moderate size; hot paths write buffers.
struct column_builder;
struct column_builder *column_builder_create(struct budget *budget, const struct type *type);
void column_builder_destroy(struct column_builder *builder);
uint32_t column_builder_length(const struct column_builder *builder);
enum status column_builder_null(struct column_builder *builder, struct error *err) MUST_USE;
enum status column_builder_fixed(struct column_builder *builder, const void *value, struct error *err) MUST_USE;
enum status column_builder_bytes(struct column_builder *builder, const void *bytes, size_t length,
                                 struct error *err) MUST_USE;
// Copies a value of another column of the same type, of whatever nesting.
enum status column_builder_copy(struct column_builder *builder, const struct column *column, uint32_t row,
                                struct error *err) MUST_USE;
// For nested types: append to the children (struct: one value to each; array, map: any number), then call this once.
struct column_builder *column_builder_child(struct column_builder *builder, uint32_t child);
enum status column_builder_nested(struct column_builder *builder, struct error *err) MUST_USE;
// Drops the values behind the first `length`, and what nested ones had begun: a row that was given up half-way.
void column_builder_truncate(struct column_builder *builder, uint32_t length);
// Makes the column and resets the builder.
enum status column_builder_finish(struct column_builder *builder, struct column **ret_column,
                                  struct error *err) MUST_USE;

#endif
