// A set of a list's elements by hash, so that what compares each with each is no quadratic work on a hostile row.
// Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_INDEX_H
#define FORESET_EXPR_EXPR_INDEX_H

#include "worker/expr/expr_nested.h"

struct expr_index {
    const struct column *elements;
    struct buffer *hashes; // of [from, from + count)
    struct buffer *slots;  // element - from + 1; 0: free
    uint32_t from, mask;
};
// An empty set for elements [from, from + count). Fails with STATUS_NO_MEMORY.
enum status expr_index_init(struct expr_index *index, struct budget *budget, const struct column *elements,
                            uint32_t from, uint32_t count, struct error *err) MUST_USE;
void expr_index_deinit(struct expr_index *index); // zeroed: allowed
// False: an equal one (null = null, NaN = NaN) is there already. `at` is one of those that init named.
bool expr_index_add(struct expr_index *index, uint32_t at);
// An element of another column of the same type, with its hash (expr_index_hash).
bool expr_index_has(const struct expr_index *index, const struct column *column, uint32_t at, uint64_t hash);
uint64_t expr_index_hash(const struct expr_index *index, uint32_t at); // of one that init named

#endif
