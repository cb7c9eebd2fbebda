// From a Spark struct type to Parquet's schema: leaves with their levels, and the SchemaElement list of the footer.
// Every field is optional but map keys. LIST and MAP in the three-level form (LogicalTypes.md): list.element,
// key_value.key/value. Types that Parquet or Delta cannot hold are refused by name.
#ifndef FORESET_PARQUET_PARQUET_SCHEMA_H
#define FORESET_PARQUET_PARQUET_SCHEMA_H

#include "common/base/memory.h"
#include "common/columnar/type.h"
#include "common/parquet/parquet_format.h"
#include "common/parquet/thrift.h"

struct parquet_leaf {
    const struct type *type;
    enum parquet_physical physical;
    uint32_t fixed_length; // PARQUET_FIXED
    uint8_t max_def, max_rep;
    uint32_t part_count;
    const char **parts; // path_in_schema
    const char *path;   // the parts joined by '.'
};

struct parquet_schema {
    struct arena arena;
    const struct type *type;
    struct parquet_leaf *leaves;
    uint32_t leaf_count;
    uint32_t element_count;
    struct text elements; // the footer's SchemaElements, root first
};

enum status parquet_schema_init(struct parquet_schema *schema, const struct type *type, struct error *err) MUST_USE;
void parquet_schema_deinit(struct parquet_schema *schema); // zeroed: nothing happens
uint32_t parquet_schema_decimal_bytes(uint8_t precision);  // of the shortest two's complement integer

#endif
