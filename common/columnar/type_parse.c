// Type text and DDL column lists to types, by recursive descent. Spark's grammar (SqlBaseParser.g4: dataType,
// colTypeList). Fails with PARSE_SYNTAX_ERROR or UNSUPPORTED_DATATYPE and the place in the text; nothing is left behind
// then.
#include <string.h>

#include "common/base/vector.h"
#include "common/columnar/type.h"

struct type_parser {
    const char *text;
    const char *at;
    int depth;
};
typedef VECTOR(struct field) field_vector;

static enum status parse_type(struct type_parser *parser, const struct type **ret_type, struct error *err);

static void skip_space(struct type_parser *parser)
{
    while (*parser->at == ' ' || (*parser->at >= '\t' && *parser->at <= '\r')) parser->at++;
}

static enum status refuse(const struct type_parser *parser, const char *wanted, struct error *err)
{
    enum status status = error_set(
        err, STATUS_INVALID, ERROR_USAGE, "type text \"%.200s\", character %zu: %s is expected, \"%.40s\" is there",
        parser->text, (size_t)(parser->at - parser->text) + 1, wanted, *parser->at ? parser->at : "the end");
    if (err) memcpy(err->condition, "PARSE_SYNTAX_ERROR", sizeof "PARSE_SYNTAX_ERROR");
    return status;
}

static bool accept(struct type_parser *parser, char c)
{
    skip_space(parser);
    if (*parser->at != c) return false;
    parser->at++;
    return true;
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static struct slice peek_word(struct type_parser *parser)
{
    skip_space(parser);
    const char *end = parser->at;
    while (is_word_char(*end)) end++;
    return slice_of(parser->at, (size_t)(end - parser->at));
}

static bool accept_word(struct type_parser *parser, const char *word)
{
    struct slice found = peek_word(parser);
    if (!slice_equal_nocase(found, slice_str(word))) return false;
    parser->at += found.length;
    return true;
}

static enum status parse_name(struct type_parser *parser, char **ret_name, struct error *err)
{
    skip_space(parser);
    if (*parser->at != '`') {
        struct slice word = peek_word(parser);
        if (word.length == 0) return refuse(parser, "a field name (odd ones in backticks)", err);
        parser->at += word.length;
        *ret_name = memory_strndup(word.data, word.length);
        return STATUS_OK;
    }
    struct text name = {0};
    for (parser->at++;; parser->at++) {
        if (!*parser->at) {
            text_deinit(&name);
            return refuse(parser, "a closing backtick", err);
        }
        if (*parser->at == '`' && *++parser->at != '`') break;
        text_append_char(&name, *parser->at);
    }
    if (name.length == 0) {
        text_deinit(&name);
        return refuse(parser, "a field name between the backticks", err);
    }
    *ret_name = text_take(&name);
    return STATUS_OK;
}

// COMMENT 'text': quotes are doubled or escaped by a backslash; the text itself is of no use here.
static enum status skip_comment(struct type_parser *parser, struct error *err)
{
    skip_space(parser);
    char quote = *parser->at;
    if (quote != '\'' && quote != '"') return refuse(parser, "a quoted comment", err);
    for (parser->at++; *parser->at; parser->at++) {
        if (*parser->at == '\\' && parser->at[1]) {
            parser->at++;
        } else if (*parser->at == quote) {
            if (parser->at[1] != quote) {
                parser->at++;
                return STATUS_OK;
            }
            parser->at++;
        }
    }
    return refuse(parser, "the end of the comment", err);
}

// One "name [:] type [NOT NULL] [COMMENT 'x']". NOT NULL is read and dropped: every field is nullable.
static enum status parse_field(struct type_parser *parser, field_vector *fields, struct error *err)
{
    char *name = NULL;
    const struct type *type = NULL;
    enum status status = STATUS_OK;
    TRY(parse_name(parser, &name, err));
    accept(parser, ':');
    TRY(parse_type(parser, &type, err));
    if (accept_word(parser, "not") && !accept_word(parser, "null")) TRY(refuse(parser, "NULL behind NOT", err));
    if (accept_word(parser, "comment")) TRY(skip_comment(parser, err));
    for (size_t i = 0; i < fields->count; i++) {
        if (strcmp(fields->items[i].name, name) == 0) {
            status = error_set(err, STATUS_INVALID, ERROR_USAGE, "type text \"%.200s\": the field %s is there twice",
                               parser->text, name);
            if (err) memcpy(err->condition, "COLUMN_ALREADY_EXISTS", sizeof "COLUMN_ALREADY_EXISTS");
            goto out;
        }
    }
    vector_push(fields, ((struct field){name, type}));
    name = NULL;
out:
    memory_free(name);
    return status;
}

// Fields up to `close` ('\0': the end of the text), which is consumed.
static enum status parse_fields(struct type_parser *parser, char close, const struct type **ret_type, struct error *err)
{
    field_vector fields = {0};
    enum status status = STATUS_OK;
    skip_space(parser);
    if (*parser->at != close) {
        do {
            TRY(parse_field(parser, &fields, err));
        } while (accept(parser, ','));
    }
    skip_space(parser);
    if (*parser->at != close) TRY(refuse(parser, close ? "',' or '>'" : "',' or the end", err));
    if (close) parser->at++;
    *ret_type = type_struct(fields.items, (uint32_t)fields.count);
out:
    for (size_t i = 0; i < fields.count; i++) memory_free((void *)(uintptr_t)fields.items[i].name);
    vector_deinit(&fields);
    return status;
}

static bool parse_small(struct type_parser *parser, uint32_t *ret_value)
{
    skip_space(parser);
    const char *from = parser->at;
    uint32_t value = 0;
    while (*parser->at >= '0' && *parser->at <= '9' && parser->at - from < 4) {
        value = value * 10 + (uint32_t)(*parser->at++ - '0');
    }
    *ret_value = value;
    return parser->at > from;
}

static enum status parse_decimal(struct type_parser *parser, const struct type **ret_type, struct error *err)
{
    uint32_t precision = 10, scale = 0;
    if (accept(parser, '(')) {
        if (!parse_small(parser, &precision)) return refuse(parser, "the precision", err);
        if (accept(parser, ',') && !parse_small(parser, &scale)) return refuse(parser, "the scale", err);
        if (!accept(parser, ')')) return refuse(parser, "')'", err);
    }
    if (precision < 1 || precision > DECIMAL_PRECISION_MAX || scale > precision) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "decimal(%u,%u): the precision must be 1 to %d, the scale 0 to the precision", precision,
                         scale, DECIMAL_PRECISION_MAX);
    }
    *ret_type = type_decimal((uint8_t)precision, (uint8_t)scale);
    return STATUS_OK;
}

// "interval year to month", "interval day to second" and their parts.
static enum status parse_interval(struct type_parser *parser, const struct type **ret_type, struct error *err)
{
    static const char *const units[] = {"year", "month", "day", "hour", "minute", "second"};
    int from = -1, to = -1;
    for (int i = 0; i < 6 && from < 0; i++) {
        if (accept_word(parser, units[i])) from = i;
    }
    if (from < 0) return refuse(parser, "YEAR, MONTH, DAY, HOUR, MINUTE or SECOND behind INTERVAL", err);
    if (accept_word(parser, "to")) {
        for (int i = from + 1; i < 6 && to < 0; i++) {
            if (accept_word(parser, units[i])) to = i;
        }
        if (to < 0 || (from < 2) != (to < 2)) return refuse(parser, "a smaller unit of the same kind behind TO", err);
    }
    *ret_type = type_interval((enum interval_field)from, (enum interval_field)(to < 0 ? from : to));
    return STATUS_OK;
}

static enum status parse_nested(struct type_parser *parser, enum type_kind kind, const struct type **ret_type,
                                struct error *err)
{
    const struct type *first = NULL, *second = NULL;
    enum status status = STATUS_OK;
    if (!accept(parser, '<')) return refuse(parser, "'<'", err);
    if (kind == TYPE_STRUCT) return parse_fields(parser, '>', ret_type, err);
    TRY(parse_type(parser, &first, err));
    if (kind == TYPE_MAP) {
        if (!accept(parser, ',')) return refuse(parser, "',' and the value's type", err);
        TRY(parse_type(parser, &second, err));
    }
    if (!accept(parser, '>')) return refuse(parser, "'>'", err);
    *ret_type = kind == TYPE_MAP ? type_map(first, second) : type_array(first);
out:
    return status;
}

static const struct {
    const char *word;
    enum type_kind kind;
} type_words[] = {
    {"void", TYPE_VOID},
    {"null", TYPE_VOID},
    {"boolean", TYPE_BOOLEAN},
    {"tinyint", TYPE_TINYINT},
    {"byte", TYPE_TINYINT},
    {"smallint", TYPE_SMALLINT},
    {"short", TYPE_SMALLINT},
    {"int", TYPE_INT},
    {"integer", TYPE_INT},
    {"bigint", TYPE_BIGINT},
    {"long", TYPE_BIGINT},
    {"float", TYPE_FLOAT},
    {"real", TYPE_FLOAT},
    {"double", TYPE_DOUBLE},
    {"string", TYPE_STRING},
    {"binary", TYPE_BINARY},
    {"date", TYPE_DATE},
    {"timestamp", TYPE_TIMESTAMP},
    {"timestamp_ltz", TYPE_TIMESTAMP},
    {"timestamp_ntz", TYPE_TIMESTAMP_NTZ},
    {"struct", TYPE_STRUCT},
    {"array", TYPE_ARRAY},
    {"map", TYPE_MAP},
    {"decimal", TYPE_DECIMAL},
    {"dec", TYPE_DECIMAL},
    {"numeric", TYPE_DECIMAL},
};

static enum status parse_word_type(struct type_parser *parser, const struct type **ret_type, struct error *err)
{
    struct slice word = peek_word(parser);
    if (word.length == 0) return refuse(parser, "a type", err);
    parser->at += word.length;
    if (slice_equal_nocase(word, slice_str("interval"))) return parse_interval(parser, ret_type, err);
    for (size_t i = 0; i < sizeof type_words / sizeof *type_words; i++) {
        if (!slice_equal_nocase(word, slice_str(type_words[i].word))) continue;
        enum type_kind kind = type_words[i].kind;
        if (kind == TYPE_DECIMAL) return parse_decimal(parser, ret_type, err);
        if (kind >= TYPE_STRUCT) return parse_nested(parser, kind, ret_type, err);
        *ret_type = type_of(kind);
        return STATUS_OK;
    }
    enum status status = error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                                   "type text \"%.200s\", character %zu: there is no type \"%.*s\"", parser->text,
                                   (size_t)(word.data - parser->text) + 1, (int)word.length, word.data);
    if (err) memcpy(err->condition, "UNSUPPORTED_DATATYPE", sizeof "UNSUPPORTED_DATATYPE");
    return status;
}

static enum status parse_type(struct type_parser *parser, const struct type **ret_type, struct error *err)
{
    if (parser->depth >= TYPE_NESTING_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "type text \"%.200s\": nested deeper than %d", parser->text,
                         TYPE_NESTING_MAX);
    }
    parser->depth++;
    enum status status = parse_word_type(parser, ret_type, err);
    parser->depth--;
    return status;
}

static enum status check_length(const char *text, struct error *err)
{
    size_t length = strlen(text);
    if (length <= TYPE_TEXT_BYTES_MAX) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "a type of %zu bytes of text, the limit is %u; use fewer fields",
                     length, TYPE_TEXT_BYTES_MAX);
}

enum status type_parse(const char *text, const struct type **ret_type, struct error *err)
{
    const struct type *known = strchr(text, '<') ? type_known(text) : NULL; // a plan names a wide one for each field
    if (known) {
        *ret_type = known;
        return STATUS_OK;
    }
    struct type_parser parser = {.text = text, .at = text};
    const struct type *type = NULL;
    enum status status = check_length(text, err);
    if (status != STATUS_OK) return status;
    TRY(parse_type(&parser, &type, err));
    skip_space(&parser);
    if (*parser.at) TRY(refuse(&parser, "the end", err));
    *ret_type = type;
out:
    return status;
}

enum status type_parse_ddl(const char *text, const struct type **ret_struct, struct error *err)
{
    struct type_parser parser = {.text = text, .at = text};
    enum status fits = check_length(text, err);
    if (fits != STATUS_OK) return fits;
    struct slice word = peek_word(&parser);
    if (slice_equal_nocase(word, slice_str("struct"))) {
        const char *behind = word.data + word.length;
        while (*behind == ' ') behind++;
        if (*behind == '<') return type_parse(text, ret_struct, err);
    }
    return parse_fields(&parser, '\0', ret_struct, err);
}
