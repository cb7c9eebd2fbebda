// Spark's ordering of two values.
#include <math.h>
#include <string.h>

#include "common/columnar/column.h"

#define COMPARE(a, b) ((a) < (b) ? -1 : (a) > (b))

static int compare_double(double a, double b)
{
    if (isnan(a) || isnan(b)) return (isnan(a) != 0) - (isnan(b) != 0);
    return COMPARE(a, b);
}

static int compare_slice(struct slice a, struct slice b)
{
    size_t length = a.length < b.length ? a.length : b.length;
    int order = length ? memcmp(a.data, b.data, length) : 0;
    return order ? (order < 0 ? -1 : 1) : COMPARE(a.length, b.length);
}

static int compare_nested(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b)
{
    if (a->type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < a->type->child_count; i++) {
            int order = column_compare(a->children[i], row_a, b->children[i], row_b);
            if (order) return order;
        }
        return 0;
    }
    int32_t length_a = a->offsets[row_a + 1] - a->offsets[row_a];
    int32_t length_b = b->offsets[row_b + 1] - b->offsets[row_b];
    for (int32_t k = 0; k < length_a && k < length_b; k++) {
        for (uint32_t i = 0; i < a->type->child_count; i++) {
            int order = column_compare(a->children[i], (uint32_t)(a->offsets[row_a] + k), b->children[i],
                                       (uint32_t)(b->offsets[row_b] + k));
            if (order) return order;
        }
    }
    return COMPARE(length_a, length_b);
}

int column_compare(const struct column *a, uint32_t row_a, const struct column *b, uint32_t row_b)
{
    bool null_a = column_is_null(a, row_a), null_b = column_is_null(b, row_b);
    if (null_a || null_b) return (int)null_b - (int)null_a;
    switch (a->type->kind) {
    case TYPE_VOID: return 0;
    case TYPE_BOOLEAN: return COMPARE(a->boolean[row_a], b->boolean[row_b]);
    case TYPE_TINYINT: return COMPARE(a->i8[row_a], b->i8[row_b]);
    case TYPE_SMALLINT: return COMPARE(a->i16[row_a], b->i16[row_b]);
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: return COMPARE(a->i32[row_a], b->i32[row_b]);
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: return COMPARE(a->i64[row_a], b->i64[row_b]);
    case TYPE_FLOAT: return compare_double((double)a->f32[row_a], (double)b->f32[row_b]);
    case TYPE_DOUBLE: return compare_double(a->f64[row_a], b->f64[row_b]);
    case TYPE_DECIMAL: return COMPARE(a->i128[row_a], b->i128[row_b]);
    case TYPE_STRING:
    case TYPE_BINARY: return compare_slice(column_slice(a, row_a), column_slice(b, row_b));
    case TYPE_STRUCT:
    case TYPE_ARRAY:
    case TYPE_MAP: return compare_nested(a, row_a, b, row_b);
    }
    return 0;
}
