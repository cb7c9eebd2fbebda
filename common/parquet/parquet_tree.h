// A file's schema as a tree of Spark types: LIST, MAP and their legacy forms (LogicalTypes.md, backward compatibility
// rules) are folded into arrays and maps. Each node knows the levels that tell its values from its leaves' levels.
#ifndef FORESET_PARQUET_PARQUET_TREE_H
#define FORESET_PARQUET_PARQUET_TREE_H

#include "common/columnar/type.h"
#include "common/parquet/parquet_metadata.h"

// How a leaf's physical values become values of its Spark type.
enum parquet_convert {
    PARQUET_CONVERT_COPY, // same bits
    PARQUET_CONVERT_INT8,
    PARQUET_CONVERT_INT16,
    PARQUET_CONVERT_UINT8,
    PARQUET_CONVERT_UINT16,
    PARQUET_CONVERT_UINT32,
    PARQUET_CONVERT_UINT64,
    PARQUET_CONVERT_MILLIS,
    PARQUET_CONVERT_NANOS,
    PARQUET_CONVERT_INT96,
    PARQUET_CONVERT_DECIMAL, // of whatever physical type
    PARQUET_CONVERT_FLOAT16,
    PARQUET_CONVERT_BYTES, // byte arrays of either kind to string or binary
};

struct parquet_node {
    const char *name;
    const struct type *type;
    bool optional;
    uint8_t def;      // level from which the node is not null
    uint8_t rep;      // array, map: the level of its elements' repetition; else the parent's
    uint8_t item_def; // array, map: level from which an element is there
    uint32_t child_count;
    struct parquet_node *children; // struct: fields; array: element; map: key, value
    uint32_t first_leaf;           // of the leaves below, in the order of the file's column chunks
    // Leaves:
    bool leaf;
    enum parquet_physical physical;
    uint32_t fixed_length;
    enum parquet_convert convert;
    const char *rebase_zone;               // of dates and times to be rebased (parquet_rebase.h); NULL: they are not
    const struct parquet_element *refused; // a type without a place in Spark: may be there, not be read; NULL: none
};

struct parquet_tree {
    struct parquet_node root; // a struct
    uint32_t leaf_count;
    const struct parquet_node **leaves;
};

// Nodes live in the metadata's arena.
enum status parquet_tree_build(struct parquet_metadata *metadata, struct parquet_tree *ret_tree,
                               struct error *err) MUST_USE;

#endif
