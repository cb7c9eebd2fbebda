// to_json, get_json_object, json_array_length, json_object_keys: JSON as text.
#include <math.h>
#include <string.h>
#include <strings.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_json_text.h"

static void write_value(const struct column *column, uint32_t row, bool keep_nulls, struct text *text);

// Java's BigDecimal.toString: with an exponent where more than six zeros would follow the point.
static void write_decimal(__int128 value, int scale, struct text *text)
{
    char digits[NUMBER_TEXT_SIZE];
    size_t length = number_text_format_decimal(value, 0, digits), sign = digits[0] == '-';
    int exponent = (int)(length - sign) - 1 - scale;
    if (exponent >= -6) {
        length = number_text_format_decimal(value, (uint8_t)scale, digits);
        text_append(text, digits, length);
        return;
    }
    text_append(text, digits, sign + 1);
    if (length - sign > 1) text_append_char(text, '.');
    text_append(text, digits + sign + 1, length - sign - 1);
    text_printf(text, "E%d", exponent);
}

static void write_scalar(const struct column *column, uint32_t row, struct text *text)
{
    struct expr_datum datum = expr_datum_of(column, row);
    char buffer[DATETIME_TEXT_SIZE];
    switch (column->type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (!isfinite(datum.d)) {
            text_append_char(text, '"');
            expr_cast_text_append(column->type, &datum, text);
            text_append_char(text, '"');
            return;
        }
        break;
    case TYPE_STRING: text_append_json(text, datum.s.data, datum.s.length); return;
    case TYPE_BINARY: {
        struct text base64 = {0};
        column_json(column, row, &base64);
        text_append(text, text_str(&base64), base64.length);
        text_deinit(&base64);
        return;
    }
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        datetime_text_format_json(datum.i, column->type->kind == TYPE_TIMESTAMP, buffer);
        text_append_json(text, buffer, strlen(buffer));
        return;
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: break;
    case TYPE_DECIMAL: write_decimal(datum.n, column->type->scale, text); return;
    default:
        text_append_char(text, '"');
        expr_cast_text_append(column->type, &datum, text);
        text_append_char(text, '"');
        return;
    }
    expr_cast_text_append(column->type, &datum, text);
}

static void write_struct(const struct column *column, uint32_t row, bool keep_nulls, struct text *text)
{
    bool first = true;
    text_append_char(text, '{');
    for (uint32_t i = 0; i < column->type->child_count; i++) {
        bool null = column_is_null(column->children[i], row) || column->children[i]->type->kind == TYPE_VOID;
        if (null && !keep_nulls) continue;
        if (!first) text_append_char(text, ',');
        first = false;
        const char *name = column->type->children[i].name;
        text_append_json(text, name, strlen(name));
        text_append_char(text, ':');
        write_value(column->children[i], row, keep_nulls, text);
    }
    text_append_char(text, '}');
}

// A key that is no string is written as text; a struct as "[a,b]", as Spark's row prints.
static void write_key(const struct column *keys, uint32_t at, struct text *text)
{
    struct text name = {0};
    struct expr_datum datum = expr_datum_of(keys, at);
    if (keys->type->kind == TYPE_STRUCT) {
        text_append_char(&name, '[');
        for (uint32_t i = 0; i < keys->type->child_count; i++) {
            struct expr_datum child = expr_datum_of(keys->children[i], at);
            if (i) text_append_char(&name, ',');
            if (child.null) {
                text_append_str(&name, "null");
            } else {
                expr_cast_text_append(keys->children[i]->type, &child, &name);
            }
        }
        text_append_char(&name, ']');
    } else {
        expr_cast_text_append(keys->type, &datum, &name);
    }
    text_append_json(text, text_str(&name), name.length);
    text_deinit(&name);
}

static void write_value(const struct column *column, uint32_t row, bool keep_nulls, struct text *text)
{
    enum type_kind kind = column->type->kind;
    if (column_is_null(column, row) || kind == TYPE_VOID) {
        text_append_str(text, "null");
    } else if (kind == TYPE_STRUCT) {
        write_struct(column, row, keep_nulls, text);
    } else if (kind == TYPE_ARRAY || kind == TYPE_MAP) {
        text_append_char(text, kind == TYPE_ARRAY ? '[' : '{');
        for (int32_t at = column->offsets[row]; at < column->offsets[row + 1]; at++) {
            if (at > column->offsets[row]) text_append_char(text, ',');
            if (kind == TYPE_MAP) {
                write_key(column->children[0], (uint32_t)at, text);
                text_append_char(text, ':');
            }
            write_value(column->children[kind == TYPE_MAP], (uint32_t)at, keep_nulls, text);
        }
        text_append_char(text, kind == TYPE_ARRAY ? ']' : '}');
    } else {
        write_scalar(column, row, text);
    }
}

static enum expr_outcome row_to_json(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    write_value(args[0].nested.column, args[0].nested.row, row->call->step->state != NULL, &row->text);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

// step->state: not NULL if fields that are null are written (ignoreNullFields = false)
static enum status to_json_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    static const char keep_nulls;
    if (step->arg_count < 2) return STATUS_OK;
    const struct expr_step *map = &steps[step->args[1]];
    for (uint32_t i = 0; map->kind == EXPR_CALL && strcmp(map->name, "map") == 0 && i + 1 < map->arg_count; i += 2) {
        const struct column *name = expr_step_literal(steps, map->args[i]),
                            *value = expr_step_literal(steps, map->args[i + 1]);
        bool known = name && value && slice_equal_nocase(column_slice(name, 0), slice_str("ignoreNullFields"));
        if (!known)
            return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                             "to_json: only the option ignoreNullFields is supported");
        if (slice_equal_nocase(column_slice(value, 0), slice_str("false")))
            step->state = (void *)(uintptr_t)&keep_nulls;
    }
    return STATUS_OK;
}

static enum expr_outcome row_get_json_object(struct expr_row *row, const struct expr_datum *args,
                                             struct expr_datum *ret)
{
    struct expr_json_step steps[EXPR_JSON_STEPS_MAX];
    size_t count;
    if (!expr_json_text_path(args[1].s, steps, &count)) return EXPR_NULL;
    text_reset(&row->text);
    if (!expr_json_text_get(args[0].s, steps, count, &row->text)) return EXPR_NULL;
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_json_array_length(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret)
{
    (void)row;
    ret->i = expr_json_text_length(args[0].s);
    return ret->i < 0 ? EXPR_NULL : EXPR_VALUE;
}

static bool key_add(void *context, struct slice name)
{
    struct text *names = context;
    text_append(names, name.data, name.length);
    text_append_char(names, '\0');
    return true;
}

static enum expr_outcome row_json_object_keys(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    (void)ret;
    text_reset(&row->text);
    if (!expr_json_text_keys(args[0].s, key_add, &row->text)) return EXPR_NULL;
    struct column_builder *names = column_builder_child(row->builder, 0);
    for (size_t at = 0; at < row->text.length;) {
        size_t length = strlen(row->text.data + at);
        if (column_builder_bytes(names, row->text.data + at, length, row->err) != STATUS_OK) return EXPR_BROKEN;
        at += length + 1;
    }
    return column_builder_nested(row->builder, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

const struct expr_function expr_json_write_functions[] = {
    {"to_json", NULL, row_to_json, to_json_bind, 0},
    {"get_json_object", NULL, row_get_json_object, NULL, 0},
    {"json_array_length", NULL, row_json_array_length, NULL, 0},
    {"json_object_keys", NULL, row_json_object_keys, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
