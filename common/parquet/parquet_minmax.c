// Extremes of a column. Nothing can fail.
#include "common/parquet/parquet_minmax.h"

#include <math.h>
#include <string.h>

#include "common/parquet/parquet_bitpack.h"

void parquet_minmax_deinit(struct parquet_minmax *minmax)
{
    text_deinit(&minmax->min_bytes);
    text_deinit(&minmax->max_bytes);
}

void parquet_minmax_reset(struct parquet_minmax *minmax)
{
    minmax->any = minmax->nan = false;
    text_reset(&minmax->min_bytes);
    text_reset(&minmax->max_bytes);
}

PARQUET_CLONES static void range(const int64_t *values, uint32_t count, int64_t *ret_least, int64_t *ret_greatest)
{
    int64_t least = values[0], greatest = values[0];
    for (uint32_t i = 1; i < count; i++) {
        least = values[i] < least ? values[i] : least;
        greatest = values[i] > greatest ? values[i] : greatest;
    }
    *ret_least = least;
    *ret_greatest = greatest;
}

void parquet_minmax_ints(struct parquet_minmax *minmax, const int64_t *values, uint32_t count)
{
    int64_t least, greatest;
    if (count == 0) return;
    range(values, count, &least, &greatest);
    if (!minmax->any || least < minmax->min.i64) minmax->min.i64 = least;
    if (!minmax->any || greatest > minmax->max.i64) minmax->max.i64 = greatest;
    minmax->any = true;
}

// -0.0 before 0.0, as readers have it that order floats by their bits.
static inline bool before(double a, double b)
{
    return a < b || (a <= b && signbit(a) > signbit(b));
}

void parquet_minmax_double(struct parquet_minmax *minmax, double value)
{
    if (isnan(value)) {
        minmax->nan = true;
        return;
    }
    if (!minmax->any || before(value, minmax->min.f64)) minmax->min.f64 = value;
    if (!minmax->any || before(minmax->max.f64, value)) minmax->max.f64 = value;
    minmax->any = true;
}

void parquet_minmax_decimal(struct parquet_minmax *minmax, __int128 value)
{
    if (!minmax->any || value < minmax->min.i128) minmax->min.i128 = value;
    if (!minmax->any || value > minmax->max.i128) minmax->max.i128 = value;
    minmax->any = true;
}

int parquet_minmax_compare(struct slice a, struct slice b)
{
    size_t common = a.length < b.length ? a.length : b.length;
    int order = common ? memcmp(a.data, b.data, common) : 0;
    if (order) return order < 0 ? -1 : 1;
    return a.length < b.length ? -1 : a.length > b.length;
}

static void keep(struct text *text, struct slice value)
{
    text_reset(text);
    text_append(text, value.length ? value.data : "", value.length);
}

void parquet_minmax_bytes(struct parquet_minmax *minmax, struct slice value)
{
    if (value.length > PARQUET_MINMAX_BYTES_MAX) value.length = PARQUET_MINMAX_BYTES_MAX;
    struct slice min = slice_of(text_str(&minmax->min_bytes), minmax->min_bytes.length);
    struct slice max = slice_of(text_str(&minmax->max_bytes), minmax->max_bytes.length);
    if (!minmax->any || parquet_minmax_compare(value, min) < 0) keep(&minmax->min_bytes, value);
    if (!minmax->any || parquet_minmax_compare(value, max) > 0) keep(&minmax->max_bytes, value);
    minmax->any = true;
}

void parquet_minmax_merge(struct parquet_minmax *into, const struct parquet_minmax *from,
                          enum parquet_physical physical)
{
    into->nan |= from->nan;
    if (!from->any) return;
    switch (physical) {
    case PARQUET_BYTE_ARRAY:
        parquet_minmax_bytes(into, slice_of(text_str(&from->min_bytes), from->min_bytes.length));
        parquet_minmax_bytes(into, slice_of(text_str(&from->max_bytes), from->max_bytes.length));
        break;
    case PARQUET_FLOAT:
    case PARQUET_DOUBLE:
        parquet_minmax_double(into, from->min.f64);
        parquet_minmax_double(into, from->max.f64);
        break;
    case PARQUET_FIXED:
        parquet_minmax_decimal(into, from->min.i128);
        parquet_minmax_decimal(into, from->max.i128);
        break;
    default: parquet_minmax_ints(into, &from->min.i64, 1); parquet_minmax_ints(into, &from->max.i64, 1);
    }
}
