// Values as JSON, in the encoding of the conformance cases: see README.md.
#include <string.h>

#include "common/base/base64.h"
#include "common/columnar/column.h"
#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"

static void append_double(double value, struct text *text)
{
    char out[NUMBER_TEXT_SIZE];
    size_t length = number_text_format_json(value, out);
    if (out[0] == 'N' || out[length - 1] == 'y') {
        text_append_json(text, out, length);
    } else {
        text_append(text, out, length);
    }
}

static void append_base64(struct slice slice, struct text *text)
{
    text_append_char(text, '"');
    base64_append(text, slice.data, slice.length);
    text_append_char(text, '"');
}

static void append_struct(const struct column *column, uint32_t row, struct text *text)
{
    text_append_char(text, '{');
    for (uint32_t i = 0; i < column->type->child_count; i++) {
        const char *name = column->type->children[i].name;
        if (i) text_append_char(text, ',');
        text_append_json(text, name, strlen(name));
        text_append_char(text, ':');
        column_json(column->children[i], row, text);
    }
    text_append_char(text, '}');
}

static void append_array(const struct column *column, uint32_t row, struct text *text)
{
    text_append_char(text, '[');
    for (int32_t at = column->offsets[row]; at < column->offsets[row + 1]; at++) {
        if (at > column->offsets[row]) text_append_char(text, ',');
        column_json(column->children[0], (uint32_t)at, text);
    }
    text_append_char(text, ']');
}

// [[key,value],…], sorted by key: an insertion sort, maps are small. Of a repeated key (from_json keeps them) the last.
static void append_map(const struct column *column, uint32_t row, struct text *text)
{
    const struct column *keys = column->children[0];
    uint32_t from = (uint32_t)column->offsets[row], count = (uint32_t)column->offsets[row + 1] - from;
    uint32_t *order = memory_alloc(count * sizeof *order);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = i;
        for (; at > 0 && column_compare(keys, order[at - 1], keys, from + i) > 0; at--) order[at] = order[at - 1];
        order[at] = from + i;
    }
    text_append_char(text, '[');
    bool first = true;
    for (uint32_t i = 0; i < count; i++) {
        if (i + 1 < count && column_compare(keys, order[i], keys, order[i + 1]) == 0) continue;
        text_append_str(text, first ? "[" : ",[");
        first = false;
        column_json(keys, order[i], text);
        text_append_char(text, ',');
        column_json(column->children[1], order[i], text);
        text_append_char(text, ']');
    }
    text_append_char(text, ']');
    memory_free(order);
}

static void append_quoted(const char *out, size_t length, struct text *text)
{
    text_append_char(text, '"');
    text_append(text, out, length);
    text_append_char(text, '"');
}

static void append_scalar(const struct column *column, uint32_t row, struct text *text)
{
    char out[DATETIME_TEXT_SIZE > NUMBER_TEXT_SIZE ? DATETIME_TEXT_SIZE : NUMBER_TEXT_SIZE];
    switch (column->type->kind) {
    case TYPE_BOOLEAN: text_append_str(text, column->boolean[row] ? "true" : "false"); break;
    case TYPE_TINYINT: text_printf(text, "%d", column->i8[row]); break;
    case TYPE_SMALLINT: text_printf(text, "%d", column->i16[row]); break;
    case TYPE_INT: text_printf(text, "%d", column->i32[row]); break;
    case TYPE_BIGINT: text_printf(text, "%lld", (long long)column->i64[row]); break;
    case TYPE_FLOAT: append_double((double)column->f32[row], text); break;
    case TYPE_DOUBLE: append_double(column->f64[row], text); break;
    case TYPE_DECIMAL:
        append_quoted(out, number_text_format_decimal(column->i128[row], column->type->scale, out), text);
        break;
    case TYPE_DATE: {
        size_t length = datetime_text_format_date(column->i32[row], out), plus = out[0] == '+';
        append_quoted(out + plus, length - plus, text); // years beyond 9999 have no plus in the cases' form
        break;
    }
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: append_quoted(out, datetime_text_format_iso(column->i64[row], out), text); break;
    case TYPE_INTERVAL_YEAR_MONTH:
        append_quoted(out, datetime_text_format_interval(column->type, column->i32[row], out), text);
        break;
    case TYPE_INTERVAL_DAY_TIME:
        append_quoted(out, datetime_text_format_interval(column->type, column->i64[row], out), text);
        break;
    default: text_append_str(text, "null"); break;
    }
}

void column_json(const struct column *column, uint32_t row, struct text *text)
{
    if (column_is_null(column, row)) {
        text_append_str(text, "null");
        return;
    }
    switch (column->type->kind) {
    case TYPE_STRING: {
        struct slice slice = column_slice(column, row);
        text_append_json(text, slice.data, slice.length);
        break;
    }
    case TYPE_BINARY: append_base64(column_slice(column, row), text); break;
    case TYPE_STRUCT: append_struct(column, row, text); break;
    case TYPE_ARRAY: append_array(column, row, text); break;
    case TYPE_MAP: append_map(column, row, text); break;
    default: append_scalar(column, row, text); break;
    }
}
