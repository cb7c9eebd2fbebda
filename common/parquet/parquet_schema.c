// Parquet schema of a Spark struct type (parquet.thrift, LogicalTypes.md). Fails with STATUS_UNSUPPORTED on types
// that have no place in Parquet: void, intervals, structs without fields.
#include "common/parquet/parquet_schema.h"

#include "common/base/vector.h"

#define PARTS_MAX (TYPE_NESTING_MAX * 3)

struct build {
    struct parquet_schema *schema;
    VECTOR(struct parquet_leaf) leaves;
    const char *parts[PARTS_MAX];
    uint32_t part_count;
};

uint32_t parquet_schema_decimal_bytes(uint8_t precision)
{
    unsigned __int128 limit = 1;
    for (unsigned i = 0; i < precision; i++) limit *= 10;
    uint32_t bytes = 1;
    while (bytes < 16 && ((unsigned __int128)1 << (8 * bytes - 1)) < limit) bytes++;
    return bytes;
}

struct annotation {
    enum parquet_physical physical;
    enum parquet_converted converted;
    enum parquet_logical logical;
    int8_t int_bits;
};

static bool annotate(const struct type *type, struct annotation *ret)
{
    static const struct annotation by_kind[] = {
        [TYPE_BOOLEAN] = {PARQUET_BOOLEAN, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_TINYINT] = {PARQUET_INT32, PARQUET_INT_8, PARQUET_LOGICAL_INTEGER, 8},
        [TYPE_SMALLINT] = {PARQUET_INT32, PARQUET_INT_16, PARQUET_LOGICAL_INTEGER, 16},
        [TYPE_INT] = {PARQUET_INT32, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_BIGINT] = {PARQUET_INT64, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_FLOAT] = {PARQUET_FLOAT, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_DOUBLE] = {PARQUET_DOUBLE, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_STRING] = {PARQUET_BYTE_ARRAY, PARQUET_UTF8, PARQUET_LOGICAL_STRING, 0},
        [TYPE_BINARY] = {PARQUET_BYTE_ARRAY, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE, 0},
        [TYPE_DATE] = {PARQUET_INT32, PARQUET_DATE, PARQUET_LOGICAL_DATE, 0},
        [TYPE_TIMESTAMP] = {PARQUET_INT64, PARQUET_TIMESTAMP_MICROS, PARQUET_LOGICAL_TIMESTAMP, 0},
        [TYPE_TIMESTAMP_NTZ] = {PARQUET_INT64, PARQUET_TIMESTAMP_MICROS, PARQUET_LOGICAL_TIMESTAMP, 0},
    };
    switch (type->kind) {
    case TYPE_DECIMAL:
        ret->physical = type->precision <= 9 ? PARQUET_INT32 : type->precision <= 18 ? PARQUET_INT64 : PARQUET_FIXED;
        ret->converted = PARQUET_DECIMAL;
        ret->logical = PARQUET_LOGICAL_DECIMAL;
        ret->int_bits = 0;
        return true;
    case TYPE_VOID:
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME:
    case TYPE_STRUCT:
    case TYPE_ARRAY:
    case TYPE_MAP: return false;
    default: *ret = by_kind[type->kind]; return true;
    }
}

static void put_logical(struct thrift_writer *out, const struct type *type, const struct annotation *annotation)
{
    if (annotation->logical == PARQUET_LOGICAL_NONE) return;
    thrift_put_struct(out, 10);
    thrift_put_struct(out, (int)annotation->logical);
    switch (annotation->logical) {
    case PARQUET_LOGICAL_DECIMAL:
        thrift_put_i32(out, 1, type->scale);
        thrift_put_i32(out, 2, type->precision);
        break;
    case PARQUET_LOGICAL_TIMESTAMP:
        thrift_put_bool(out, 1, type->kind == TYPE_TIMESTAMP);
        thrift_put_struct(out, 2);
        thrift_put_struct(out, PARQUET_MICROS);
        thrift_end(out);
        thrift_end(out);
        break;
    case PARQUET_LOGICAL_INTEGER:
        thrift_put_i8(out, 1, annotation->int_bits);
        thrift_put_bool(out, 2, true);
        break;
    default: break;
    }
    thrift_end(out);
    thrift_end(out);
}

static void put_group(struct build *build, const char *name, enum parquet_repetition repetition, uint32_t children,
                      enum parquet_converted converted, enum parquet_logical logical)
{
    struct thrift_writer out;
    thrift_writer_init(&out, &build->schema->elements);
    build->schema->element_count++;
    thrift_put_i32(&out, 3, (int32_t)repetition);
    thrift_put_binary(&out, 4, name, strlen(name));
    thrift_put_i32(&out, 5, (int32_t)children);
    if (converted != PARQUET_CONVERTED_NONE) thrift_put_i32(&out, 6, (int32_t)converted);
    if (logical != PARQUET_LOGICAL_NONE) {
        thrift_put_struct(&out, 10);
        thrift_put_struct(&out, (int)logical);
        thrift_end(&out);
        thrift_end(&out);
    }
    thrift_end(&out);
}

static const char *join_path(struct build *build)
{
    struct text path = {0};
    for (uint32_t i = 0; i < build->part_count; i++) {
        if (i) text_append_char(&path, '.');
        text_append_str(&path, build->parts[i]);
    }
    char *copy = arena_strndup(&build->schema->arena, text_str(&path), path.length);
    text_deinit(&path);
    return copy;
}

static enum status add_leaf(struct build *build, const char *name, const struct type *type,
                            enum parquet_repetition repetition, struct parquet_leaf levels, struct error *err)
{
    struct annotation annotation;
    if (!annotate(type, &annotation)) {
        return error_set(
            err, STATUS_UNSUPPORTED, ERROR_USAGE,
            "column %s has type %s, which Parquet files of Delta tables cannot hold: cast it to another type",
            join_path(build), type->text);
    }
    struct parquet_leaf leaf = levels;
    leaf.type = type;
    leaf.physical = annotation.physical;
    leaf.fixed_length = annotation.physical == PARQUET_FIXED ? parquet_schema_decimal_bytes(type->precision) : 0;
    leaf.part_count = build->part_count;
    leaf.parts = arena_calloc(&build->schema->arena, build->part_count, sizeof *leaf.parts);
    for (uint32_t i = 0; i < leaf.part_count; i++) {
        leaf.parts[i] = arena_strdup(&build->schema->arena, build->parts[i]);
    }
    leaf.path = join_path(build);
    vector_push(&build->leaves, leaf);

    struct thrift_writer out;
    thrift_writer_init(&out, &build->schema->elements);
    build->schema->element_count++;
    thrift_put_i32(&out, 1, (int32_t)leaf.physical);
    if (leaf.fixed_length) thrift_put_i32(&out, 2, (int32_t)leaf.fixed_length);
    thrift_put_i32(&out, 3, (int32_t)repetition);
    thrift_put_binary(&out, 4, name, strlen(name));
    if (annotation.converted != PARQUET_CONVERTED_NONE) thrift_put_i32(&out, 6, (int32_t)annotation.converted);
    if (type->kind == TYPE_DECIMAL) {
        thrift_put_i32(&out, 7, type->scale);
        thrift_put_i32(&out, 8, type->precision);
    }
    put_logical(&out, type, &annotation);
    thrift_end(&out);
    return STATUS_OK;
}

static enum status add_field(struct build *build, const char *name, const struct type *type,
                             enum parquet_repetition repetition, struct parquet_leaf levels, struct error *err);

static enum status add_repeated(struct build *build, const char *name, const struct type *type,
                                enum parquet_repetition repetition, struct parquet_leaf levels, struct error *err)
{
    enum status status = STATUS_OK;
    bool map = type->kind == TYPE_MAP;
    const char *middle = map ? "key_value" : "list";
    put_group(build, name, repetition, 1, map ? PARQUET_MAP : PARQUET_LIST,
              map ? PARQUET_LOGICAL_MAP : PARQUET_LOGICAL_LIST);
    put_group(build, middle, PARQUET_REPEATED, type->child_count, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE);
    levels.max_def++;
    levels.max_rep++;
    build->parts[build->part_count++] = middle;
    for (uint32_t i = 0; i < type->child_count; i++) {
        const char *child = !map ? "element" : i == 0 ? "key" : "value";
        enum parquet_repetition child_repetition = map && i == 0 ? PARQUET_REQUIRED : PARQUET_OPTIONAL;
        TRY(add_field(build, child, type->children[i].type, child_repetition, levels, err));
    }
    build->part_count--;
out:
    return status;
}

static enum status add_field(struct build *build, const char *name, const struct type *type,
                             enum parquet_repetition repetition, struct parquet_leaf levels, struct error *err)
{
    enum status status = STATUS_OK;
    if (build->part_count + 2 >= PARTS_MAX) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "column %s is nested deeper than %d levels",
                         build->parts[0], TYPE_NESTING_MAX);
    }
    build->parts[build->part_count++] = name;
    if (repetition == PARQUET_OPTIONAL) levels.max_def++;
    switch (type->kind) {
    case TYPE_STRUCT:
        if (type->child_count == 0) {
            TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                          "column %s is a struct without fields, which Parquet cannot hold: give it a field or drop it",
                          join_path(build)));
        }
        put_group(build, name, repetition, type->child_count, PARQUET_CONVERTED_NONE, PARQUET_LOGICAL_NONE);
        for (uint32_t i = 0; i < type->child_count; i++) {
            TRY(add_field(build, type->children[i].name, type->children[i].type, PARQUET_OPTIONAL, levels, err));
        }
        break;
    case TYPE_ARRAY:
    case TYPE_MAP: TRY(add_repeated(build, name, type, repetition, levels, err)); break;
    default: TRY(add_leaf(build, name, type, repetition, levels, err));
    }
    build->part_count--;
out:
    return status;
}

enum status parquet_schema_init(struct parquet_schema *schema, const struct type *type, struct error *err)
{
    enum status status = STATUS_OK;
    *schema = (struct parquet_schema){.type = type};
    arena_init(&schema->arena, 4096);
    struct build build = {.schema = schema};
    ASSERT(type->kind == TYPE_STRUCT);
    if (type->child_count == 0) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "a Parquet file needs at least one column"));
    }
    put_group(&build, "spark_schema", PARQUET_REQUIRED, type->child_count, PARQUET_CONVERTED_NONE,
              PARQUET_LOGICAL_NONE);
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(add_field(&build, type->children[i].name, type->children[i].type, PARQUET_OPTIONAL,
                      (struct parquet_leaf){0}, err));
    }
    schema->leaf_count = (uint32_t)build.leaves.count;
    schema->leaves = arena_calloc(&schema->arena, build.leaves.count, sizeof *schema->leaves);
    memcpy(schema->leaves, build.leaves.items, build.leaves.count * sizeof *schema->leaves);
out:
    vector_deinit(&build.leaves);
    if (status != STATUS_OK) parquet_schema_deinit(schema);
    return status;
}

void parquet_schema_deinit(struct parquet_schema *schema)
{
    text_deinit(&schema->elements);
    arena_deinit(&schema->arena);
    *schema = (struct parquet_schema){0};
}
