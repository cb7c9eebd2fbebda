// Spark's schema JSON: see delta_schema_json.h. {"type":"struct","fields":[{"name","type","nullable","metadata"}]}; a
// type is a name, or an object of type struct, array (elementType, containsNull) or map (keyType, valueType,
// valueContainsNull).
#include "common/delta/delta_schema_json.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/vector.h"

static const struct {
    const char *name;
    enum type_kind kind;
} schema_names[] = {
    {"string", TYPE_STRING},  {"long", TYPE_BIGINT},         {"integer", TYPE_INT},
    {"short", TYPE_SMALLINT}, {"byte", TYPE_TINYINT},        {"float", TYPE_FLOAT},
    {"double", TYPE_DOUBLE},  {"boolean", TYPE_BOOLEAN},     {"binary", TYPE_BINARY},
    {"date", TYPE_DATE},      {"timestamp", TYPE_TIMESTAMP}, {"timestamp_ntz", TYPE_TIMESTAMP_NTZ},
    {"void", TYPE_VOID},      {"null", TYPE_VOID},
};

// Metadata of a field that asks something of writers. identity columns: a prefix of several keys.
static const char *const schema_refused[] = {"delta.invariants",
                                             "delta.generationExpression",
                                             "delta.identity.start",
                                             "delta.identity.step",
                                             "CURRENT_DEFAULT",
                                             "__CHAR_VARCHAR_TYPE_STRING",
                                             NULL};

struct schema_read {
    struct arena *arena;
    struct error *err;
};

static enum status schema_bad(const struct schema_read *read, const char *where, const char *what)
{
    return error_set(read->err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the table's schema: %s %s", where, what);
}

static enum status schema_read_fields(const struct schema_read *read, const json_t *list, unsigned depth,
                                      struct delta_field **ret_fields, uint32_t *ret_count);

static enum status schema_read_name(const struct schema_read *read, const char *name, const char *where,
                                    const struct type **ret_type)
{
    unsigned precision, scale;
    char end;
    for (size_t i = 0; i < sizeof schema_names / sizeof *schema_names; i++) {
        if (strcmp(name, schema_names[i].name) != 0) continue;
        *ret_type = type_of(schema_names[i].kind);
        return STATUS_OK;
    }
    if (strcmp(name, "decimal") == 0) {
        *ret_type = type_decimal(10, 0);
        return STATUS_OK;
    }
    if (sscanf(name, "decimal(%2u,%2u%c", &precision, &scale, &end) == 3 && end == ')' && precision >= 1 &&
        precision <= DECIMAL_PRECISION_MAX && scale <= precision) {
        *ret_type = type_decimal((uint8_t)precision, (uint8_t)scale);
        return STATUS_OK;
    }
    return error_set(read->err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "the table's column '%s' has the type '%s', which is not supported yet", where, name);
}

static const struct type *schema_struct_type(const struct delta_field *fields, uint32_t count)
{
    struct field *list = memory_calloc(count, sizeof *list);
    for (uint32_t i = 0; i < count; i++) list[i] = (struct field){fields[i].name, fields[i].type};
    const struct type *type = type_struct(list, count);
    memory_free(list);
    return type;
}

// The type of a field; of nested types the children too.
static enum status schema_read_type(const struct schema_read *read, const json_t *json, unsigned depth,
                                    struct delta_field *field)
{
    enum status status = STATUS_OK;
    if (json_is_string(json)) return schema_read_name(read, json_string_value(json), field->name, &field->type);
    const char *kind = json_string_value(json_object_get(json, "type"));
    if (!kind) return schema_bad(read, field->name, "has no type");
    if (depth >= TYPE_NESTING_MAX) return schema_bad(read, field->name, "is nested too deep");
    if (strcmp(kind, "struct") == 0) {
        TRY(schema_read_fields(read, json_object_get(json, "fields"), depth + 1, &field->children,
                               &field->child_count));
        field->type = schema_struct_type(field->children, field->child_count);
    } else if (strcmp(kind, "array") == 0) {
        field->child_count = 1;
        field->children = arena_calloc(read->arena, 1, sizeof *field->children);
        field->children[0].name = "element";
        field->children[0].nullable = !json_is_false(json_object_get(json, "containsNull"));
        TRY(schema_read_type(read, json_object_get(json, "elementType"), depth + 1, &field->children[0]));
        field->type = type_array(field->children[0].type);
    } else if (strcmp(kind, "map") == 0) {
        field->child_count = 2;
        field->children = arena_calloc(read->arena, 2, sizeof *field->children);
        field->children[0].name = "key";
        field->children[1].name = "value";
        field->children[1].nullable = !json_is_false(json_object_get(json, "valueContainsNull"));
        TRY(schema_read_type(read, json_object_get(json, "keyType"), depth + 1, &field->children[0]));
        TRY(schema_read_type(read, json_object_get(json, "valueType"), depth + 1, &field->children[1]));
        field->type = type_map(field->children[0].type, field->children[1].type);
    } else {
        TRY(error_set(read->err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "the table's column '%s' has the type '%s', which is not supported yet", field->name, kind));
    }
out:
    return status;
}

static void schema_read_metadata(const struct schema_read *read, const json_t *metadata, struct delta_field *field)
{
    const char *physical = json_string_value(json_object_get(metadata, "delta.columnMapping.physicalName"));
    if (physical) field->physical_name = arena_strdup(read->arena, physical);
    json_int_t id = json_integer_value(json_object_get(metadata, "delta.columnMapping.id"));
    field->column_id = id > 0 && id <= INT32_MAX ? (int32_t)id : 0;
    field->type_changed = json_object_get(metadata, "delta.typeChanges") != NULL;
    for (const char *const *at = schema_refused; *at && !field->refused; at++) {
        if (json_object_get(metadata, *at)) field->refused = *at;
    }
}

static enum status schema_read_fields(const struct schema_read *read, const json_t *list, unsigned depth,
                                      struct delta_field **ret_fields, uint32_t *ret_count)
{
    if (!json_is_array(list)) return schema_bad(read, "'fields'", "is not a list");
    size_t count = json_array_size(list);
    struct delta_field *fields = arena_calloc(read->arena, count, sizeof *fields);
    for (size_t i = 0; i < count; i++) {
        const json_t *json = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(json, "name"));
        if (!name) return schema_bad(read, "a field", "has no name");
        fields[i].name = arena_strdup(read->arena, name);
        fields[i].nullable = !json_is_false(json_object_get(json, "nullable"));
        schema_read_metadata(read, json_object_get(json, "metadata"), &fields[i]);
        enum status status = schema_read_type(read, json_object_get(json, "type"), depth, &fields[i]);
        if (status != STATUS_OK) return status;
    }
    *ret_fields = fields;
    *ret_count = (uint32_t)count;
    return STATUS_OK;
}

static enum status schema_parse(const char *json, json_t **ret_root, struct error *err)
{
    json_error_t wrong;
    json_t *root = json_loads(json ? json : "{\"type\":\"struct\",\"fields\":[]}", 0, &wrong);
    const char *kind = json_string_value(json_object_get(root, "type"));
    if (kind && strcmp(kind, "struct") == 0) {
        *ret_root = root;
        return STATUS_OK;
    }
    enum status status =
        error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the table's schema is not a struct in JSON: %s",
                  root ? "another type" : wrong.text);
    json_decref(root);
    return status;
}

enum status delta_schema_json_read(const char *json, struct arena *arena, struct delta_schema *ret_schema,
                                   struct error *err)
{
    json_t *root = NULL;
    struct schema_read read = {arena, err};
    struct delta_schema schema = {0};
    enum status status = schema_parse(json, &root, err);
    if (status != STATUS_OK) return status;
    status = schema_read_fields(&read, json_object_get(root, "fields"), 0, &schema.fields, &schema.field_count);
    json_decref(root);
    if (status != STATUS_OK) return status;
    schema.type = schema_struct_type(schema.fields, schema.field_count);
    *ret_schema = schema;
    return STATUS_OK;
}

// ---- writing

static enum status schema_write_type(const struct type *type, const char *where, struct text *text, struct error *err);

static enum status schema_write_field(const struct field *field, bool nullable, struct text *text, struct error *err)
{
    text_append_str(text, "{\"name\":");
    text_append_json(text, field->name, strlen(field->name));
    text_append_str(text, ",\"type\":");
    enum status status = schema_write_type(field->type, field->name, text, err);
    text_printf(text, ",\"nullable\":%s,\"metadata\":{}}", nullable ? "true" : "false");
    return status;
}

static enum status schema_write_nested(const struct type *type, const char *where, struct text *text, struct error *err)
{
    enum status status = STATUS_OK;
    switch (type->kind) {
    case TYPE_STRUCT:
        text_append_str(text, "{\"type\":\"struct\",\"fields\":[");
        for (uint32_t i = 0; i < type->child_count; i++) {
            if (i) text_append_char(text, ',');
            TRY(schema_write_field(&type->children[i], true, text, err));
        }
        text_append_str(text, "]}");
        break;
    case TYPE_ARRAY:
        text_append_str(text, "{\"type\":\"array\",\"elementType\":");
        TRY(schema_write_type(type->children[0].type, where, text, err));
        text_append_str(text, ",\"containsNull\":true}");
        break;
    case TYPE_MAP:
        text_append_str(text, "{\"type\":\"map\",\"keyType\":");
        TRY(schema_write_type(type->children[0].type, where, text, err));
        text_append_str(text, ",\"valueType\":");
        TRY(schema_write_type(type->children[1].type, where, text, err));
        text_append_str(text, ",\"valueContainsNull\":true}");
        break;
    default:
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                      "column '%s' has the type %s, which a Delta table cannot hold; cast it to another type", where,
                      type->text));
    }
out:
    return status;
}

static enum status schema_write_type(const struct type *type, const char *where, struct text *text, struct error *err)
{
    if (type->kind == TYPE_DECIMAL) {
        text_printf(text, "\"decimal(%u,%u)\"", type->precision, type->scale);
        return STATUS_OK;
    }
    for (size_t i = 0; i < sizeof schema_names / sizeof *schema_names; i++) {
        if (schema_names[i].kind != type->kind || type->kind == TYPE_VOID) continue;
        text_printf(text, "\"%s\"", schema_names[i].name);
        return STATUS_OK;
    }
    return schema_write_nested(type, where, text, err);
}

enum status delta_schema_json_write(const struct type *schema, struct text *text, struct error *err)
{
    return schema_write_type(schema, "", text, err);
}

enum status delta_schema_json_write_not_null(const struct type *schema, const char *const *not_null, size_t count,
                                             struct text *text, struct error *err)
{
    enum status status = STATUS_OK;
    text_append_str(text, "{\"type\":\"struct\",\"fields\":[");
    for (uint32_t i = 0; i < schema->child_count; i++) {
        bool nullable = true;
        for (size_t n = 0; n < count && nullable; n++)
            nullable = strcasecmp(not_null[n], schema->children[i].name) != 0;
        if (i) text_append_char(text, ',');
        TRY(schema_write_field(&schema->children[i], nullable, text, err));
    }
    text_append_str(text, "]}");
out:
    return status;
}

enum status delta_schema_json_extend(const char *old_json, const struct type *wanted, struct text *text,
                                     bool *ret_changed, struct error *err)
{
    enum status status = STATUS_OK;
    json_t *root = NULL;
    struct arena arena;
    struct delta_schema old;
    struct text added = {0};
    bool changed = false;
    arena_init(&arena, 0);
    TRY(delta_schema_json_read(old_json, &arena, &old, err));
    TRY(schema_parse(old_json, &root, err));
    json_t *fields = json_object_get(root, "fields");
    for (uint32_t i = 0; i < wanted->child_count; i++) {
        const struct field *field = &wanted->children[i];
        int at = type_field_find(old.type, field->name);
        if (at >= 0 && old.type->children[at].type != field->type) {
            TRY(error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                          "column '%s' is %s in the table and %s in the query; a column's type cannot be changed",
                          field->name, old.type->children[at].type->text, field->type->text));
        }
        if (at >= 0) continue;
        text_reset(&added);
        TRY(schema_write_field(field, true, &added, err));
        json_array_append_new(fields, json_loads(text_str(&added), 0, NULL));
        changed = true;
    }
    size_t size = json_dumpb(root, NULL, 0, JSON_COMPACT);
    text_reserve(text, size + 1);
    json_dumpb(root, text->data + text->length, size, JSON_COMPACT);
    text->length += size;
    text->data[text->length] = '\0';
    *ret_changed = changed;
out:
    json_decref(root);
    arena_deinit(&arena);
    text_deinit(&added);
    return status;
}
