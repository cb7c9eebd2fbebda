// Spark's schema JSON (metaData.schemaString) <-> struct type.
#ifndef FORESET_DELTA_DELTA_SCHEMA_JSON_H
#define FORESET_DELTA_DELTA_SCHEMA_JSON_H

#include "common/base/memory.h"
#include "common/columnar/type.h"

// A column with what its metadata says, where a reader or writer must know it.
struct delta_field {
    const char *name;
    const struct type *type;
    bool nullable;
    const char *physical_name;    // column mapping; NULL: none
    int32_t column_id;            // column mapping; 0: none
    const char *refused;          // metadata that no writer here can obey ("delta.invariants", …); NULL: none
    bool type_changed;            // delta.typeChanges: files may hold a narrower type
    struct delta_field *children; // of a struct; arrays and maps have the fields of their element (key, value) here
    uint32_t child_count;
};
struct delta_schema {
    const struct type *type; // struct
    struct delta_field *fields;
    uint32_t field_count;
};

// json NULL: no columns. STATUS_CORRUPT for text that is no schema, STATUS_UNSUPPORTED for types that are not here
// (variant, geometry, …) by name. Strings stay in the arena.
enum status delta_schema_json_read(const char *json, struct arena *arena, struct delta_schema *ret_schema,
                                   struct error *err) MUST_USE;
// Every field nullable, metadata empty. Refuses what a Delta table cannot hold (void, intervals), naming the column.
enum status delta_schema_json_write(const struct type *schema, struct text *text, struct error *err) MUST_USE;
// The same with these top-level columns NOT NULL (ASCII case-insensitive).
enum status delta_schema_json_write_not_null(const struct type *schema, const char *const *not_null, size_t count,
                                             struct text *text, struct error *err) MUST_USE;
// The old schema's JSON, its fields and their metadata unchanged, with the columns of `wanted` that it lacks added at
// the end (add-column evolution). STATUS_INVALID if a column is there with another type, naming both.
enum status delta_schema_json_extend(const char *old_json, const struct type *wanted, struct text *text,
                                     bool *ret_changed, struct error *err) MUST_USE;

#endif
