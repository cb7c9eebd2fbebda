// Values as text: CAST(… AS STRING). Cannot fail.
#include <ctype.h>
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "worker/expr/expr_cast.h"

const char *expr_cast_type_name(const struct type *type, char *buffer, size_t size)
{
    size_t i = 0;
    for (; type->text[i] && i + 1 < size; i++) buffer[i] = (char)toupper((unsigned char)type->text[i]);
    buffer[i] = 0;
    return buffer;
}

static void child_append(const struct column *column, uint32_t row, struct text *text)
{
    struct expr_datum datum = expr_datum_of(column, row);
    if (datum.null) {
        text_append_str(text, "null");
    } else {
        expr_cast_text_append(column->type, &datum, text);
    }
}

static void nested_append(const struct expr_datum *value, struct text *text)
{
    const struct column *column = value->nested.column;
    enum type_kind kind = column->type->kind;
    bool is_struct = kind == TYPE_STRUCT;
    uint32_t from = is_struct ? 0 : (uint32_t)column->offsets[value->nested.row];
    uint32_t to = is_struct ? column->type->child_count : (uint32_t)column->offsets[value->nested.row + 1];
    text_append_char(text, kind == TYPE_ARRAY ? '[' : '{');
    for (uint32_t i = from; i < to; i++) {
        if (i > from) text_append_str(text, ", ");
        child_append(column->children[is_struct ? i : 0], is_struct ? value->nested.row : i, text);
        if (kind != TYPE_MAP) continue;
        text_append_str(text, " -> ");
        child_append(column->children[1], i, text);
    }
    text_append_char(text, kind == TYPE_ARRAY ? ']' : '}');
}

void expr_cast_text_append(const struct type *type, const struct expr_datum *value, struct text *text)
{
    char buffer[DATETIME_TEXT_SIZE > NUMBER_TEXT_SIZE ? DATETIME_TEXT_SIZE : NUMBER_TEXT_SIZE];
    size_t length = 0;
    switch (type->kind) {
    case TYPE_VOID: text_append_str(text, "null"); return;
    case TYPE_BOOLEAN: text_append_str(text, value->i ? "true" : "false"); return;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: length = number_text_format_i64(value->i, buffer); break;
    case TYPE_FLOAT: length = number_text_format_float((float)value->d, buffer); break;
    case TYPE_DOUBLE: length = number_text_format_double(value->d, buffer); break;
    case TYPE_DECIMAL: length = number_text_format_decimal(value->n, type->scale, buffer); break;
    case TYPE_BINARY: text_append_utf8(text, value->s.data, value->s.length); return;
    case TYPE_STRING: text_append(text, value->s.data, value->s.length); return;
    case TYPE_DATE: length = datetime_text_format_date((int32_t)value->i, buffer); break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: length = datetime_text_format_timestamp(value->i, buffer); break;
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME: length = datetime_text_format_interval(type, value->i, buffer); break;
    default: nested_append(value, text); return;
    }
    text_append(text, buffer, length);
}
