// Least and greatest value of a column, as Parquet's TypeDefinedOrder has it: integers and decimals by value, strings
// by unsigned bytes, -0.0 before 0.0. A NaN makes the pair unusable, since readers differ in where they sort it.
#ifndef FORESET_PARQUET_PARQUET_MINMAX_H
#define FORESET_PARQUET_PARQUET_MINMAX_H

#include "common/base/text.h"
#include "common/columnar/type.h"
#include "common/parquet/parquet_format.h"

// Bytes of a string that are kept: longer than any bound made of them, so that a value of this length or more is cut
// in every bound, whatever follows.
#define PARQUET_MINMAX_BYTES_MAX 512u

// The member is the physical type's, not the Spark type's: a decimal of at most 18 digits is an i64.
union parquet_extreme {
    int64_t i64; // boolean, INT32, INT64
    double f64;
    __int128 i128; // FIXED
};

struct parquet_minmax {
    bool any; // a value was seen
    bool nan;
    union parquet_extreme min, max;
    struct text min_bytes, max_bytes; // strings; the first PARQUET_MINMAX_BYTES_MAX bytes
};

void parquet_minmax_deinit(struct parquet_minmax *minmax);
void parquet_minmax_reset(struct parquet_minmax *minmax);
void parquet_minmax_ints(struct parquet_minmax *minmax, const int64_t *values, uint32_t count);
void parquet_minmax_double(struct parquet_minmax *minmax, double value);
void parquet_minmax_decimal(struct parquet_minmax *minmax, __int128 value);
// -1, 0, 1 by unsigned bytes, the shorter first.
int parquet_minmax_compare(struct slice a, struct slice b);
void parquet_minmax_bytes(struct parquet_minmax *minmax, struct slice value);
// Both of a column of this physical type.
void parquet_minmax_merge(struct parquet_minmax *into, const struct parquet_minmax *from,
                          enum parquet_physical physical);

#endif
