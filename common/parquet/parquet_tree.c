// Schema of a file to a tree. Fails with STATUS_CORRUPT on elements that make no tree. Types that Spark has no place
// for (times of day, Parquet's interval, decimals of more than 38 digits) get the type void and are refused if wanted.
#include "common/parquet/parquet_tree.h"

#include <string.h>

#include "common/base/vector.h"

struct levels {
    uint8_t def, rep;
};

struct build {
    struct parquet_metadata *metadata;
    uint32_t next; // element
    uint32_t depth;
    const char *zone; // for rebasing
    VECTOR(const struct parquet_node *) leaves;
};

static enum status corrupt(struct error *err, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "not a readable Parquet file: %s", what);
}

static bool is_decimal(const struct parquet_element *element)
{
    return element->logical == PARQUET_LOGICAL_DECIMAL || element->converted == PARQUET_DECIMAL;
}

static bool set_type(struct parquet_node *node, const struct type *type, enum parquet_convert convert)
{
    node->type = type;
    node->convert = convert;
    return true;
}

static bool set_decimal(struct parquet_node *node, const struct parquet_element *element)
{
    int32_t precision = element->precision, scale = element->scale;
    if (precision < 1 || precision > DECIMAL_PRECISION_MAX || scale < 0 || scale > precision) return false;
    return set_type(node, type_decimal((uint8_t)precision, (uint8_t)scale), PARQUET_CONVERT_DECIMAL);
}

static bool set_int32(struct parquet_node *node, const struct parquet_element *element)
{
    int32_t converted = element->converted;
    if (element->logical == PARQUET_LOGICAL_INTEGER) {
        int32_t size = element->int_bits == 8 ? 0 : element->int_bits == 16 ? 1 : 2;
        converted = (element->int_signed ? PARQUET_INT_8 : PARQUET_UINT_8) + size;
    }
    if (element->logical == PARQUET_LOGICAL_DATE) converted = PARQUET_DATE;
    if (element->logical == PARQUET_LOGICAL_TIME) converted = PARQUET_TIME_MILLIS;
    switch (converted) {
    case PARQUET_INT_8: return set_type(node, type_of(TYPE_TINYINT), PARQUET_CONVERT_INT8);
    case PARQUET_INT_16: return set_type(node, type_of(TYPE_SMALLINT), PARQUET_CONVERT_INT16);
    case PARQUET_UINT_8: return set_type(node, type_of(TYPE_SMALLINT), PARQUET_CONVERT_UINT8);
    case PARQUET_UINT_16: return set_type(node, type_of(TYPE_INT), PARQUET_CONVERT_UINT16);
    case PARQUET_UINT_32: return set_type(node, type_of(TYPE_BIGINT), PARQUET_CONVERT_UINT32);
    case PARQUET_DATE: return set_type(node, type_of(TYPE_DATE), PARQUET_CONVERT_COPY);
    case PARQUET_TIME_MILLIS: return false;
    default: return set_type(node, type_of(TYPE_INT), PARQUET_CONVERT_COPY);
    }
}

static bool set_int64(struct parquet_node *node, const struct parquet_element *element)
{
    if (element->logical == PARQUET_LOGICAL_TIMESTAMP) {
        enum parquet_convert convert = element->time_unit == PARQUET_MILLIS  ? PARQUET_CONVERT_MILLIS
                                       : element->time_unit == PARQUET_NANOS ? PARQUET_CONVERT_NANOS
                                                                             : PARQUET_CONVERT_COPY;
        return set_type(node, type_of(element->utc ? TYPE_TIMESTAMP : TYPE_TIMESTAMP_NTZ), convert);
    }
    if (element->logical == PARQUET_LOGICAL_TIME) return false;
    bool is_unsigned = element->logical == PARQUET_LOGICAL_INTEGER && !element->int_signed;
    if (is_unsigned) return set_type(node, type_decimal(20, 0), PARQUET_CONVERT_UINT64);
    switch (element->converted) {
    case PARQUET_TIMESTAMP_MILLIS: return set_type(node, type_of(TYPE_TIMESTAMP), PARQUET_CONVERT_MILLIS);
    case PARQUET_TIMESTAMP_MICROS: return set_type(node, type_of(TYPE_TIMESTAMP), PARQUET_CONVERT_COPY);
    case PARQUET_UINT_64: return set_type(node, type_decimal(20, 0), PARQUET_CONVERT_UINT64);
    case PARQUET_TIME_MICROS: return false;
    default: return set_type(node, type_of(TYPE_BIGINT), PARQUET_CONVERT_COPY);
    }
}

static bool set_bytes(struct parquet_node *node, const struct parquet_element *element)
{
    bool text = element->logical == PARQUET_LOGICAL_STRING || element->logical == PARQUET_LOGICAL_ENUM ||
                element->logical == PARQUET_LOGICAL_JSON || element->converted == PARQUET_UTF8 ||
                element->converted == PARQUET_ENUM || element->converted == PARQUET_JSON;
    return set_type(node, type_of(text ? TYPE_STRING : TYPE_BINARY), PARQUET_CONVERT_BYTES);
}

static bool set_leaf_type(struct parquet_node *node, const struct parquet_element *element)
{
    bool decimal = is_decimal(element);
    switch (node->physical) {
    case PARQUET_BOOLEAN: return set_type(node, type_of(TYPE_BOOLEAN), PARQUET_CONVERT_COPY);
    case PARQUET_INT32: return decimal ? set_decimal(node, element) : set_int32(node, element);
    case PARQUET_INT64: return decimal ? set_decimal(node, element) : set_int64(node, element);
    case PARQUET_INT96: return set_type(node, type_of(TYPE_TIMESTAMP), PARQUET_CONVERT_INT96);
    case PARQUET_FLOAT: return set_type(node, type_of(TYPE_FLOAT), PARQUET_CONVERT_COPY);
    case PARQUET_DOUBLE: return set_type(node, type_of(TYPE_DOUBLE), PARQUET_CONVERT_COPY);
    case PARQUET_BYTE_ARRAY: return decimal ? set_decimal(node, element) : set_bytes(node, element);
    case PARQUET_FIXED:
        if (element->converted == PARQUET_INTERVAL) return false;
        if (element->logical == PARQUET_LOGICAL_FLOAT16) {
            return element->fixed_length == 2 && set_type(node, type_of(TYPE_FLOAT), PARQUET_CONVERT_FLOAT16);
        }
        return decimal ? set_decimal(node, element) : set_bytes(node, element);
    }
    return false;
}

static enum status build_leaf(struct build *build, const struct parquet_element *element, struct parquet_node *node,
                              struct error *err)
{
    if (element->physical < PARQUET_BOOLEAN || element->physical > PARQUET_FIXED || element->fixed_length < 0 ||
        (element->physical == PARQUET_FIXED && element->fixed_length == 0)) {
        return corrupt(err, "a column has an unknown physical type");
    }
    node->leaf = true;
    node->physical = (enum parquet_physical)element->physical;
    node->fixed_length = node->physical == PARQUET_FIXED ? (uint32_t)element->fixed_length : 0;
    if (!set_leaf_type(node, element)) {
        node->type = type_of(TYPE_VOID);
        node->refused = element;
    }
    bool int96 = node->physical == PARQUET_INT96, time = node->type->kind == TYPE_TIMESTAMP;
    bool legacy = int96 ? build->metadata->legacy_int96 : build->metadata->legacy_times;
    if (legacy && (time || node->type->kind == TYPE_DATE)) node->rebase_zone = build->zone;
    node->first_leaf = (uint32_t)build->leaves.count;
    vector_push(&build->leaves, node);
    return STATUS_OK;
}

static enum status build_node(struct build *build, struct levels levels, struct parquet_node *node, struct error *err);

static struct parquet_node *make_children(struct build *build, struct parquet_node *node, uint32_t count)
{
    node->child_count = count;
    node->children = arena_calloc(&build->metadata->arena, count, sizeof *node->children);
    return node->children;
}

static enum status build_struct(struct build *build, uint32_t count, struct levels levels, struct parquet_node *node,
                                struct error *err)
{
    enum status status = STATUS_OK;
    struct field *fields = NULL;
    node->first_leaf = (uint32_t)build->leaves.count;
    make_children(build, node, count);
    for (uint32_t i = 0; i < count; i++) TRY(build_node(build, levels, &node->children[i], err));
    if (build->leaves.count == node->first_leaf) TRY(corrupt(err, "a group has no columns"));
    fields = memory_calloc(count, sizeof *fields);
    for (uint32_t i = 0; i < count; i++) fields[i] = (struct field){node->children[i].name, node->children[i].type};
    node->type = type_struct(fields, count);
out:
    memory_free(fields);
    return status;
}

static bool is_repeated_group(const struct parquet_element *element, bool *ret_map)
{
    *ret_map = element->logical == PARQUET_LOGICAL_MAP || element->converted == PARQUET_MAP ||
               element->converted == PARQUET_MAP_KEY_VALUE;
    bool list = element->logical == PARQUET_LOGICAL_LIST || element->converted == PARQUET_LIST;
    return (list || *ret_map) && element->children == 1;
}

static enum status build_repeated(struct build *build, bool map, struct levels levels, struct parquet_node *node,
                                  struct error *err);

// The element of a repeated element as if it stood alone: a required node.
static enum status build_item(struct build *build, const struct parquet_element *repeated, struct levels levels,
                              struct parquet_node *node, struct error *err)
{
    node->name = "element";
    node->def = levels.def;
    node->rep = levels.rep;
    bool map;
    if (repeated->physical >= 0) return build_leaf(build, repeated, node, err);
    if (is_repeated_group(repeated, &map)) return build_repeated(build, map, levels, node, err);
    return build_struct(build, (uint32_t)repeated->children, levels, node, err);
}

static bool name_ends(struct slice name, const char *end)
{
    size_t length = strlen(end);
    return name.length >= length && memcmp(name.data + name.length - length, end, length) == 0;
}

// Whether a LIST's repeated group is itself the element (two-level form) and not just the list around it.
static bool repeated_is_element(const struct build *build, const struct parquet_element *repeated)
{
    if (repeated->physical >= 0 || repeated->children != 1) return true;
    if (build->next >= build->metadata->element_count) return true;
    const struct parquet_element *inner = &build->metadata->elements[build->next];
    if (inner->repetition == PARQUET_REPEATED) return true;
    return slice_equal(repeated->name, slice_str("array")) || name_ends(repeated->name, "_tuple");
}

static enum status build_map(struct build *build, struct levels levels, struct parquet_node *node, struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_node *children = make_children(build, node, 2);
    TRY(build_node(build, levels, &children[0], err));
    TRY(build_node(build, levels, &children[1], err));
    node->type = type_map(children[0].type, children[1].type);
out:
    return status;
}

// An annotated group around one repeated element: array or map.
static enum status build_repeated(struct build *build, bool map, struct levels levels, struct parquet_node *node,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct parquet_node *item;
    node->first_leaf = (uint32_t)build->leaves.count;
    if (build->next >= build->metadata->element_count) return corrupt(err, "its schema ends within a list");
    const struct parquet_element *repeated = &build->metadata->elements[build->next];
    if (repeated->repetition != PARQUET_REPEATED || (repeated->physical < 0 && repeated->children < 1)) {
        return corrupt(err, "a list's or map's only child is not repeated");
    }
    build->next++;
    levels.def++;
    levels.rep++;
    node->rep = levels.rep;
    node->item_def = levels.def;
    if (map && repeated->physical < 0 && repeated->children == 2) {
        TRY(build_map(build, levels, node, err));
        goto out;
    }
    item = make_children(build, node, 1);
    if (repeated_is_element(build, repeated)) {
        TRY(build_item(build, repeated, levels, item, err));
    } else {
        TRY(build_node(build, levels, item, err));
    }
    node->type = type_array(item->type);
out:
    return status;
}

static enum status build_any(struct build *build, const struct parquet_element *element, struct levels levels,
                             struct parquet_node *node, struct error *err)
{
    enum status status = STATUS_OK;
    bool map;
    if (element->repetition == PARQUET_REPEATED) { // a repeated field without annotation: an array that is never null
        node->rep = ++levels.rep;
        node->item_def = ++levels.def;
        node->first_leaf = (uint32_t)build->leaves.count;
        struct parquet_node *item = make_children(build, node, 1);
        TRY(build_item(build, element, levels, item, err));
        node->type = type_array(item->type);
    } else if (element->physical >= 0) {
        TRY(build_leaf(build, element, node, err));
    } else if (is_repeated_group(element, &map)) {
        TRY(build_repeated(build, map, levels, node, err));
    } else {
        TRY(build_struct(build, (uint32_t)element->children, levels, node, err));
    }
out:
    return status;
}

static enum status build_node(struct build *build, struct levels levels, struct parquet_node *node, struct error *err)
{
    enum status status = STATUS_OK;
    const struct parquet_metadata *metadata = build->metadata;
    if (build->next >= metadata->element_count) return corrupt(err, "its schema ends within a group");
    const struct parquet_element *element = &metadata->elements[build->next++];
    if (element->repetition < PARQUET_REQUIRED || element->repetition > PARQUET_REPEATED ||
        (element->physical < 0 &&
         (element->children < 1 || (uint32_t)element->children > metadata->element_count - build->next))) {
        return corrupt(err, "a schema element is damaged");
    }
    if (build->depth >= TYPE_NESTING_MAX) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the Parquet file nests columns deeper than %d levels", TYPE_NESTING_MAX);
    }
    build->depth++;
    node->name = arena_strndup(&build->metadata->arena, element->name.data, element->name.length);
    node->optional = element->repetition == PARQUET_OPTIONAL;
    levels.def = (uint8_t)(levels.def + node->optional);
    node->def = levels.def;
    node->rep = levels.rep;
    TRY(build_any(build, element, levels, node, err));
    build->depth--;
out:
    return status;
}

enum status parquet_tree_build(struct parquet_metadata *metadata, struct parquet_tree *ret_tree, struct error *err)
{
    enum status status = STATUS_OK;
    struct build build = {.metadata = metadata, .next = 1};
    struct parquet_tree tree = {.root = {.name = ""}};
    const struct parquet_element *root = &metadata->elements[0];
    struct slice zone = metadata->spark_zone;
    build.zone = zone.data ? arena_strndup(&metadata->arena, zone.data, zone.length) : "UTC";
    if (root->physical >= 0 || root->children < 0 || (uint32_t)root->children >= metadata->element_count) {
        TRY(corrupt(err, "its schema has no root"));
    }
    uint64_t children = 0; // checked before anything is made of the numbers
    for (uint32_t i = 0; i < metadata->element_count; i++) {
        if (metadata->elements[i].children > 0) children += (uint32_t)metadata->elements[i].children;
    }
    if (children != metadata->element_count - 1u) TRY(corrupt(err, "its schema is no tree"));
    if (root->children == 0) { // rows without columns
        tree.root.type = type_struct(NULL, 0);
    } else {
        TRY(build_struct(&build, (uint32_t)root->children, (struct levels){0, 0}, &tree.root, err));
    }
    tree.leaf_count = (uint32_t)build.leaves.count;
    tree.leaves = arena_calloc(&metadata->arena, tree.leaf_count, sizeof *tree.leaves);
    if (tree.leaf_count) memcpy(tree.leaves, build.leaves.items, tree.leaf_count * sizeof *tree.leaves);
    *ret_tree = tree;
out:
    vector_deinit(&build.leaves);
    return status;
}
