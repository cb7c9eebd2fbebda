// Least and greatest value of a column, as Parquet's TypeDefinedOrder has it: integers and decimals by value, strings
// by unsigned bytes. A NaN makes the pair unusable, since readers differ in where they sort it.
#ifndef FORESET_PARQUET_PARQUET_MINMAX_H
#define FORESET_PARQUET_PARQUET_MINMAX_H

#include "common/base/text.h"
#include "common/columnar/type.h"

union parquet_extreme {
    int64_t i64; // boolean, integrals, date, timestamps
    double f64;
    __int128 i128; // decimal
};

struct parquet_minmax {
    bool any; // a value was seen
    bool nan;
    union parquet_extreme min, max;
    struct text min_bytes, max_bytes; // strings; kept whole
};

void parquet_minmax_deinit(struct parquet_minmax *minmax);
void parquet_minmax_reset(struct parquet_minmax *minmax);
void parquet_minmax_ints(struct parquet_minmax *minmax, const int64_t *values, uint32_t count);
void parquet_minmax_double(struct parquet_minmax *minmax, double value);
void parquet_minmax_decimal(struct parquet_minmax *minmax, __int128 value);
// -1, 0, 1 by unsigned bytes, the shorter first.
int parquet_minmax_compare(struct slice a, struct slice b);
void parquet_minmax_bytes(struct parquet_minmax *minmax, struct slice value);
void parquet_minmax_merge(struct parquet_minmax *into, const struct parquet_minmax *from, const struct type *type);

#endif
