// Lists inside of columns, as the nested families read them. Inside worker/expr.
#ifndef FORESET_EXPR_EXPR_NESTED_H
#define FORESET_EXPR_EXPR_NESTED_H

#include "worker/expr/expr_program.h"

struct expr_nested_list {
    const struct column *elements; // a map's keys
    const struct column *values;   // a map's values
    uint32_t from, count;          // in elements and values
};
struct expr_nested_list expr_nested_list_of(const struct expr_datum *datum);
uint64_t expr_nested_bytes(const struct column *column, uint32_t row); // of one value, its parts included
// The value as the row's result: appended to the builder for nested types, else in *ret.
enum expr_outcome expr_nested_return(struct expr_row *row, const struct column *column, uint32_t at,
                                     struct expr_datum *ret);

#endif
