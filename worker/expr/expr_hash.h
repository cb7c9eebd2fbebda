// Spark's hash functions over typed values. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_HASH_H
#define FORESET_EXPR_EXPR_HASH_H

#include "common/columnar/column.h"

// xxhash64(value) with a seed: the hash so far (42 at the start). A null leaves it as it is.
uint64_t expr_hash_xx64(const struct column *column, uint32_t row, uint64_t seed);
// hash(value), Murmur3 32 bit.
uint32_t expr_hash_murmur3(const struct column *column, uint32_t row, uint32_t seed);

#endif
