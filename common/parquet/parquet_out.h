// The plan of what is read: which nodes of the file become which columns of the wanted type.
#ifndef FORESET_PARQUET_PARQUET_OUT_H
#define FORESET_PARQUET_PARQUET_OUT_H

#include "common/parquet/parquet_tree.h"

struct parquet_out {
    const struct type *type;
    const struct parquet_node *node; // NULL: not in the file, gives nulls
    uint32_t leaf;                   // whose levels tell the node's shape
    uint32_t child_count;
    struct parquet_out *children;
};

// Plans `type` from node; marks the leaves that must be read. Fields are found by name, exact before case-insensitive.
enum status parquet_out_plan(struct arena *arena, const struct parquet_node *node, const struct type *type,
                             bool *needed, struct parquet_out *ret_out, struct error *err) MUST_USE;

#endif
