// Spark's data types. Types are interned for the process's life: two equal types are the same pointer,
// so types are compared with ==. Every field is nullable, as in a streaming table.
#ifndef FORESET_COLUMNAR_TYPE_H
#define FORESET_COLUMNAR_TYPE_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/text.h"

enum type_kind {
    TYPE_VOID, // the type of a bare NULL
    TYPE_BOOLEAN,
    TYPE_TINYINT,
    TYPE_SMALLINT,
    TYPE_INT,
    TYPE_BIGINT,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DECIMAL,
    TYPE_STRING,
    TYPE_BINARY,
    TYPE_DATE,                // days since 1970-01-01, int32
    TYPE_TIMESTAMP,           // microseconds since 1970 UTC, int64
    TYPE_TIMESTAMP_NTZ,       // microseconds, no zone, int64
    TYPE_INTERVAL_YEAR_MONTH, // months, int32
    TYPE_INTERVAL_DAY_TIME,   // microseconds, int64
    TYPE_STRUCT,
    TYPE_ARRAY,
    TYPE_MAP,
};

enum interval_field {
    INTERVAL_YEAR,
    INTERVAL_MONTH,
    INTERVAL_DAY,
    INTERVAL_HOUR,
    INTERVAL_MINUTE,
    INTERVAL_SECOND,
};

struct field {
    const char *name;
    const struct type *type;
};

struct type {
    enum type_kind kind;
    uint8_t precision;    // decimal, 1..38
    uint8_t scale;        // decimal
    uint8_t first, last;  // interval: enum interval_field, both of one kind
    uint32_t child_count; // struct: fields; array: 1 ("element"); map: 2 ("key", "value")
    const struct field *children;
    const char *text; // Spark's simple string: "struct<start:timestamp,end:timestamp>", "decimal(10,2)"; interned
};

#define TYPE_NESTING_MAX      64
#define DECIMAL_PRECISION_MAX 38

const struct type *type_of(enum type_kind kind); // the types without parameters; intervals of all their fields
// first <= last, both year or month, or neither.
const struct type *type_interval(enum interval_field first, enum interval_field last);
const struct type *type_interval_wider(const struct type *a, const struct type *b); // of one kind
int64_t type_interval_unit(enum interval_field field);                              // months, or microseconds
const struct type *type_decimal(uint8_t precision, uint8_t scale);
const struct type *type_struct(const struct field *fields, uint32_t count); // names are copied
const struct type *type_array(const struct type *element);
const struct type *type_map(const struct type *key, const struct type *value);

// Of a type's text: types that double their parts end here. 10,000 columns with names of 15 characters fit.
#define TYPE_TEXT_BYTES_MAX (256u << 10)
const struct type *type_known(const char *text); // by its canonical text, if it has been made before; else NULL
// Parses a type ("int", "DECIMAL(10,2)", "struct<a:int,`odd name`:array<string>>", "STRUCT<a: INT>"), any case, Spark's
// aliases (long, integer, byte, short, real, dec, numeric, timestamp_ltz). Errors name the place in the text.
enum status type_parse(const char *text, const struct type **ret_type, struct error *err) MUST_USE;
// Parses a DDL column list ("user_id STRING, amount DOUBLE NOT NULL COMMENT 'x'"), or "struct<…>", to a struct type.
enum status type_parse_ddl(const char *text, const struct type **ret_struct, struct error *err) MUST_USE;

int type_field_find(const struct type *struct_type, const char *name); // exact, else ASCII case-insensitive; -1: none
uint32_t type_width(const struct type *type);   // bytes of one value in a fixed-width column; 0: variable or nested
bool type_is_integral(const struct type *type); // tinyint..bigint
bool type_is_numeric(const struct type *type);  // integral, float, double, decimal
static inline bool type_is_string_like(const struct type *type)
{
    return type->kind == TYPE_STRING || type->kind == TYPE_BINARY;
}

#endif
