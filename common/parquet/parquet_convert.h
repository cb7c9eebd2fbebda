// Physical values of a file to values of Spark types, and those to wider types.
#ifndef FORESET_PARQUET_PARQUET_CONVERT_H
#define FORESET_PARQUET_PARQUET_CONVERT_H

#include "common/parquet/parquet_tree.h"

// Whether values of `from` can be given as `to`: integers and floats widened, decimals rescaled up, dates as timestamps
// without zone, strings and binaries as one another.
bool parquet_convert_fits(const struct type *from, const struct type *to);
// One value of a fixed-width leaf, given as `to`; false when it is out of range.
bool parquet_convert_value(const struct parquet_node *leaf, const struct type *to, struct slice physical,
                           uint8_t ret_value[16]);

#endif
