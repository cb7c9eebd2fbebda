// Literals: strings with Spark's escapes, numbers with suffixes, typed literals, intervals.
// Fails with INVALID_NUMERIC_LITERAL_RANGE, DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION, INVALID_TYPED_LITERAL,
// PARSE_SYNTAX_ERROR.
#include <math.h>
#include <stdlib.h>
#include <strings.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "coordinator/sql/sql_interval.h"
#include "coordinator/sql/sql_parser.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static void append_utf8(struct text *text, uint32_t code)
{
    if (code >= 0xD800 && code <= 0xDFFF) code = 0xFFFD;
    if (code < 0x80) {
        text_append_char(text, (char)code);
    } else if (code < 0x800) {
        text_append_char(text, (char)(0xC0 | code >> 6));
        text_append_char(text, (char)(0x80 | (code & 0x3F)));
    } else if (code < 0x10000) {
        text_append_char(text, (char)(0xE0 | code >> 12));
        text_append_char(text, (char)(0x80 | (code >> 6 & 0x3F)));
        text_append_char(text, (char)(0x80 | (code & 0x3F)));
    } else {
        text_append_char(text, (char)(0xF0 | code >> 18));
        text_append_char(text, (char)(0x80 | (code >> 12 & 0x3F)));
        text_append_char(text, (char)(0x80 | (code >> 6 & 0x3F)));
        text_append_char(text, (char)(0x80 | (code & 0x3F)));
    }
}

// \uXXXX or \UXXXXXXXX at bytes[0] == 'u' or 'U'; the bytes read, 0 if it is none.
static size_t unescape_code(struct slice bytes, struct text *text)
{
    size_t digits = bytes.data[0] == 'u' ? 4 : 8;
    if (bytes.length <= digits) return 0;
    uint32_t code = 0;
    for (size_t i = 1; i <= digits; i++) {
        int digit = hex_digit(bytes.data[i]);
        if (digit < 0) return 0;
        code = code << 4 | (uint32_t)digit;
    }
    if (code > 0x10FFFF) return 0;
    if (code >= 0xD800 && code < 0xDC00 && bytes.length > 10 && bytes.data[5] == '\\' && bytes.data[6] == 'u') {
        uint32_t low = 0;
        for (size_t i = 7; i < 11; i++) low = low << 4 | (uint32_t)(hex_digit(bytes.data[i]) & 15);
        if (low >= 0xDC00 && low < 0xE000) {
            append_utf8(text, 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00));
            return 11;
        }
    }
    append_utf8(text, code);
    return digits + 1;
}

// What stands behind a backslash; returns the bytes read.
static size_t unescape(struct slice bytes, struct text *text)
{
    char c = bytes.data[0];
    if (c == 'u' || c == 'U') {
        size_t used = unescape_code(bytes, text);
        if (used) return used;
    }
    if (bytes.length >= 3 && (c == '0' || c == '1') && bytes.data[1] >= '0' && bytes.data[1] <= '7' &&
        bytes.data[2] >= '0' && bytes.data[2] <= '7') {
        text_append_char(text, (char)((c - '0') * 64 + (bytes.data[1] - '0') * 8 + (bytes.data[2] - '0')));
        return 3;
    }
    switch (c) {
    case '0': text_append_char(text, '\0'); break;
    case 'b': text_append_char(text, '\b'); break;
    case 'n': text_append_char(text, '\n'); break;
    case 'r': text_append_char(text, '\r'); break;
    case 't': text_append_char(text, '\t'); break;
    case 'Z': text_append_char(text, '\x1A'); break;
    case '%': text_append_str(text, "\\%"); break;
    case '_': text_append_str(text, "\\_"); break;
    default: text_append_char(text, c);
    }
    return 1;
}

// Length in bytes of a ${name} at the start; 0: the text starts otherwise. Spark replaces it in the text of a query by
// a setting of that name; Foreset has no such settings, so the name becomes empty text. Names of other kinds (env:X,
// spark.x) stay.
static size_t variable_length(struct slice rest)
{
    if (rest.length < 4 || rest.data[0] != '$' || rest.data[1] != '{') return 0;
    for (size_t i = 2; i < rest.length; i++) {
        char c = rest.data[i];
        if (c == '}' && i > 2) return i + 1;
        if (c == ' ' || (c >= '\t' && c <= '\r') || c == ':' || c == '.') return 0;
    }
    return 0;
}

static void append_string(const struct sql_parser *parser, const struct sql_token *token, struct text *text)
{
    const char *bytes = parser->text->bytes + token->offset;
    bool raw = bytes[0] != '\'' && bytes[0] != '"'; // r'…'
    char quote = raw ? '\0' : bytes[0];
    for (size_t i = raw ? 2 : 1; i + 1 < token->length; i++) {
        size_t variable = variable_length(slice_of(bytes + i, token->length - 1 - i));
        if (variable) {
            i += variable - 1;
        } else if (!raw && bytes[i] == '\\' && i + 2 < token->length) {
            i += unescape(slice_of(bytes + i + 1, token->length - 2 - i), text);
        } else {
            text_append_char(text, bytes[i]);
            if (bytes[i] == quote) i++;
        }
    }
}

enum status sql_literal_string(struct sql_parser *parser, struct slice *ret_value, struct error *err)
{
    if (sql_parser_peek(parser, 0)->kind != SQL_TOKEN_STRING) return sql_parser_refuse(parser, "a string", NULL, err);
    struct text text = {0};
    uint32_t start = sql_parser_offset(parser);
    for (; sql_parser_peek(parser, 0)->kind == SQL_TOKEN_STRING; parser->at++)
        append_string(parser, sql_parser_peek(parser, 0), &text);
    *ret_value = slice_of(arena_strndup(parser->arena, text_str(&text), text.length), text.length);
    text_deinit(&text);
    if (text_utf8_valid((const uint8_t *)ret_value->data, ret_value->length)) return STATUS_OK;
    return sql_text_error(parser->text, start, STATUS_INVALID, "PARSE_SYNTAX_ERROR", "binary data is written as X'…'",
                          err, "this string is not valid UTF-8");
}

static enum status range_error(struct sql_parser *parser, const char *type, struct error *err)
{
    const struct sql_token *token = sql_parser_peek(parser, 0);
    return sql_text_error(parser->text, token->offset, STATUS_INVALID, "INVALID_NUMERIC_LITERAL_RANGE", NULL, err,
                          "the number %.*s does not fit into %s", (int)(token->length > 60 ? 60 : token->length),
                          parser->text->bytes + token->offset, type);
}

// digits[.digits][e…] to an exact decimal: its digits without leading zeros, and its scale.
static enum status decimal_value(struct sql_parser *parser, struct slice digits, bool negative,
                                 struct sql_value *ret_value, struct error *err)
{
    struct text text = {0};
    int64_t scale = 0, exponent = 0;
    bool fraction = false;
    for (size_t i = 0; i < digits.length; i++) {
        char c = digits.data[i];
        if (c == 'e' || c == 'E') {
            exponent = strtoll(digits.data + i + 1, NULL, 10);
            break;
        }
        if (c == '.') {
            fraction = true;
            continue;
        }
        scale += fraction;
        if (text.length || c != '0') text_append_char(&text, c);
    }
    scale = exponent > 100000 || exponent < -100000 ? INT32_MAX : scale - exponent;
    for (; scale < 0 && text.length <= DECIMAL_PRECISION_MAX; scale++) text_append_char(&text, '0');
    int64_t precision = (int64_t)text.length > scale ? (int64_t)text.length : scale;
    if (precision < 1) precision = 1;
    if (precision > DECIMAL_PRECISION_MAX) {
        text_deinit(&text);
        return sql_text_error(parser->text, sql_parser_offset(parser), STATUS_INVALID,
                              "DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION",
                              "a DOUBLE is written with the suffix D or an exponent", err,
                              "this decimal has more than %d digits", DECIMAL_PRECISION_MAX);
    }
    const char *unscaled =
        arena_printf(parser->arena, "%s%s", negative && text.length ? "-" : "", text.length ? text_str(&text) : "0");
    text_deinit(&text);
    *ret_value =
        (struct sql_value){.type = type_decimal((uint8_t)precision, (uint8_t)scale), .bytes = slice_str(unscaled)};
    return STATUS_OK;
}

static enum status real_value(struct sql_parser *parser, const char *digits, bool negative, bool single,
                              struct sql_value *ret_value, struct error *err)
{
    double real = 0;
    float narrow = 0;
    bool good = single ? number_text_parse_float(digits, strlen(digits), &narrow)
                       : number_text_parse_double(digits, strlen(digits), &real);
    if (single) real = (double)narrow;
    if (!good || isinf(real)) return range_error(parser, single ? "FLOAT" : "DOUBLE", err);
    *ret_value =
        (struct sql_value){.type = type_of(single ? TYPE_FLOAT : TYPE_DOUBLE), .real = negative ? -real : real};
    return STATUS_OK;
}

// Whole digits of an integral type: kind TYPE_VOID chooses int, bigint or decimal by size, as Spark does.
static enum status integer_value(struct sql_parser *parser, struct slice digits, bool negative, enum type_kind kind,
                                 struct sql_value *ret_value, struct error *err)
{
    int64_t value = 0;
    bool overflow = false;
    for (size_t i = 0; i < digits.length && !overflow; i++) {
        int digit = digits.data[i] - '0';
        overflow = __builtin_mul_overflow(value, 10, &value) || __builtin_sub_overflow(value, digit, &value);
    }
    if (!negative && !overflow) overflow = __builtin_sub_overflow((int64_t)0, value, &value);
    if (kind == TYPE_VOID) {
        if (overflow) return decimal_value(parser, digits, negative, ret_value, err);
        kind = value >= INT32_MIN && value <= INT32_MAX ? TYPE_INT : TYPE_BIGINT;
    }
    int64_t most = kind == TYPE_TINYINT    ? INT8_MAX
                   : kind == TYPE_SMALLINT ? INT16_MAX
                   : kind == TYPE_INT      ? INT32_MAX
                                           : INT64_MAX;
    if (overflow || value > most || value < -most - 1) return range_error(parser, type_of(kind)->text, err);
    *ret_value = (struct sql_value){.type = type_of(kind), .integer = value};
    return STATUS_OK;
}

enum status sql_literal_number(struct sql_parser *parser, bool negative, struct sql_value *ret_value, struct error *err)
{
    const struct sql_token *token = sql_parser_peek(parser, 0);
    char *digits = sql_parser_copy(parser, token->offset, token->offset + token->length);
    size_t length = token->length;
    char last = (char)(digits[length - 1] | 32);
    bool suffix = strchr("lsyfd", last) != NULL;
    bool big = suffix && last == 'd' && length > 1 && (digits[length - 2] | 32) == 'b';
    if (suffix) length -= big ? 2 : 1;
    digits[length] = '\0';
    bool whole = strspn(digits, "0123456789") == length;
    bool exponent = strpbrk(digits, "eE") != NULL;
    enum status status = STATUS_OK;
    if (big) {
        TRY(decimal_value(parser, slice_of(digits, length), negative, ret_value, err));
    } else if (suffix && (last == 'f' || last == 'd')) {
        TRY(real_value(parser, digits, negative, last == 'f', ret_value, err));
    } else if (whole) {
        enum type_kind kind = !suffix       ? TYPE_VOID
                              : last == 'l' ? TYPE_BIGINT
                              : last == 's' ? TYPE_SMALLINT
                                            : TYPE_TINYINT;
        TRY(integer_value(parser, slice_of(digits, length), negative, kind, ret_value, err));
    } else if (suffix) {
        status = range_error(parser, "an integral type: it has a fraction", err);
        goto out;
    } else if (exponent) {
        TRY(real_value(parser, digits, negative, false, ret_value, err));
    } else {
        TRY(decimal_value(parser, slice_of(digits, length), negative, ret_value, err));
    }
    parser->at++;
out:
    return status;
}

static enum status typed_error(struct sql_parser *parser, uint32_t offset, const char *type, const char *text,
                               const char *hint, struct error *err)
{
    return sql_text_error(parser->text, offset, STATUS_INVALID, "INVALID_TYPED_LITERAL", hint, err,
                          "\"%.100s\" is no value of type %s", text, type);
}

static enum status hex_value(struct sql_parser *parser, uint32_t offset, struct slice text, struct sql_value *ret_value,
                             struct error *err)
{
    char *bytes = arena_alloc(parser->arena, text.length / 2 + 2);
    size_t length = 0, i = 0;
    int high = 0;
    if (text.length % 2) { // an odd number of digits: as if a zero stood before them
        high = hex_digit(text.data[i++]);
        if (high < 0) return typed_error(parser, offset, "X", text.data, "pairs of hexadecimal digits", err);
        bytes[length++] = (char)high;
    }
    for (; i < text.length; i += 2) {
        int low = hex_digit(text.data[i + 1]);
        high = hex_digit(text.data[i]);
        if (high < 0 || low < 0) return typed_error(parser, offset, "X", text.data, "pairs of hexadecimal digits", err);
        bytes[length++] = (char)(high << 4 | low);
    }
    bytes[length] = '\0';
    *ret_value = (struct sql_value){.type = type_of(TYPE_BINARY), .bytes = slice_of(bytes, length)};
    return STATUS_OK;
}

static enum status datetime_value(struct sql_parser *parser, uint32_t offset, const char *word, struct slice text,
                                  struct sql_value *ret_value, struct error *err)
{
    enum type_kind kind = strcasecmp(word, "date") == 0            ? TYPE_DATE
                          : strcasecmp(word, "timestamp_ntz") == 0 ? TYPE_TIMESTAMP_NTZ
                                                                   : TYPE_TIMESTAMP;
    int32_t days = 0;
    int64_t us = 0;
    bool good = kind == TYPE_DATE        ? datetime_text_parse_date(text.data, text.length, &days)
                : kind == TYPE_TIMESTAMP ? datetime_text_parse_timestamp(text.data, text.length, 0, &us)
                                         : datetime_text_parse_timestamp_ntz(text.data, text.length, false, &us);
    if (!good)
        return typed_error(parser, offset, type_of(kind)->text, text.data, "2024-01-31, or 2024-01-31 12:30:00", err);
    *ret_value = (struct sql_value){.type = type_of(kind), .integer = kind == TYPE_DATE ? days : us};
    return STATUS_OK;
}

// 'd hh:mm:ss.f' DAY TO SECOND, 'y-m' YEAR TO MONTH and the forms between, by the fields that stand there.
static bool compound_interval(const char *text, const char *from, const char *to, struct sql_interval *interval)
{
    static const char *const fields[] = {"year", "month", "day", "hour", "minute", "second"};
    size_t first = 0, last = 0;
    while (first < 6 && strcasecmp(fields[first], from) != 0) first++;
    while (last < 6 && strcasecmp(fields[last], to) != 0) last++;
    if (last == 6 || first >= last || (first < 2) != (last < 2)) return false;
    while (*text == ' ') text++;
    bool negative = *text == '-';
    if (*text == '-' || *text == '+') text++;
    for (size_t field = first; field <= last; field++) {
        size_t length = strspn(text, field == 5 ? "0123456789." : "0123456789");
        if (length == 0 || !sql_interval_add(interval, slice_of(text, length), slice_str(fields[field]), negative))
            return false;
        text += length;
        if (field == last) break;
        char separator = field == 0 ? '-' : field == 2 ? ' ' : ':';
        if (*text++ != separator) return false;
    }
    while (*text == ' ') text++;
    return *text == '\0';
}

static struct slice token_slice(const struct sql_parser *parser, uint32_t ahead)
{
    const struct sql_token *token = sql_parser_peek(parser, ahead);
    return slice_of(parser->text->bytes + token->offset, token->length);
}

// number unit [number unit …] with numbers or strings as numbers.
static enum status interval_units(struct sql_parser *parser, struct sql_interval *interval, struct error *err)
{
    enum status status = STATUS_OK;
    for (;;) {
        uint32_t offset = sql_parser_offset(parser);
        bool negative = sql_parser_accept_symbol(parser, "-");
        if (!negative) (void)sql_parser_accept_symbol(parser, "+");
        struct slice number = token_slice(parser, 0);
        if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_STRING) {
            TRY(sql_literal_string(parser, &number, err));
        } else if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_NUMBER) {
            parser->at++;
        } else {
            status = sql_parser_refuse(parser, "a number and a unit (INTERVAL 5 MINUTES)", NULL, err);
            goto out;
        }
        if (!sql_interval_is_unit(token_slice(parser, 0))) {
            status = sql_parser_refuse(parser, "a unit (SECOND, MINUTE, HOUR, DAY, …)", NULL, err);
            goto out;
        }
        struct slice unit = token_slice(parser, 0);
        parser->at++;
        if (sql_parser_is_word(parser, 0, "to")) {
            parser->at++;
            struct slice last = token_slice(parser, 0);
            parser->at++;
            const char *from = arena_strndup(parser->arena, unit.data, unit.length);
            if (!compound_interval(number.data, from, arena_strndup(parser->arena, last.data, last.length), interval)) {
                status =
                    typed_error(parser, offset, "INTERVAL", arena_strndup(parser->arena, number.data, number.length),
                                "INTERVAL '1 02:03:04' DAY TO SECOND", err);
            }
            goto out;
        }
        if (!sql_interval_add(interval, number, unit, negative)) {
            status = typed_error(parser, offset, "INTERVAL", arena_strndup(parser->arena, number.data, number.length),
                                 NULL, err);
            goto out;
        }
        enum sql_token_kind next = sql_parser_peek(parser, 0)->kind;
        if ((next != SQL_TOKEN_NUMBER && next != SQL_TOKEN_STRING) || !sql_interval_is_unit(token_slice(parser, 1)))
            break;
    }
out:
    return status;
}

static enum status interval_value(struct sql_parser *parser, uint32_t offset, struct sql_value *ret_value,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    struct sql_interval interval = {0};
    if (sql_parser_peek(parser, 0)->kind == SQL_TOKEN_STRING && !sql_interval_is_unit(token_slice(parser, 1))) {
        struct slice text;
        TRY(sql_literal_string(parser, &text, err));
        if (!sql_interval_parse(text.data, &interval)) {
            status = typed_error(parser, offset, "INTERVAL", text.data,
                                 "INTERVAL 5 MINUTES, or INTERVAL '1 hour 30 minutes'", err);
            goto out;
        }
    } else {
        TRY(interval_units(parser, &interval, err));
    }
    if (interval.has_months && interval.has_us) {
        status = sql_text_error(parser->text, offset, STATUS_INVALID, "PARSE_SYNTAX_ERROR", "add two intervals instead",
                                err, "years and months do not mix with days and times in one interval");
    } else if (interval.months > INT32_MAX || interval.months < INT32_MIN) {
        status = typed_error(parser, offset, "INTERVAL", "the number of months", NULL, err);
    } else {
        unsigned first = (unsigned)__builtin_ctz(interval.fields),
                 last = 31u - (unsigned)__builtin_clz(interval.fields);
        *ret_value = (struct sql_value){.type = type_interval(first, last),
                                        .integer = interval.has_months ? interval.months : interval.us};
    }
out:
    return status;
}

enum status sql_literal_typed(struct sql_parser *parser, bool *ret_found, struct sql_value *ret_value,
                              struct error *err)
{
    static const char *const words[] = {"date", "timestamp", "timestamp_ltz", "timestamp_ntz", "x", "interval"};
    *ret_found = false;
    const char *word = NULL;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (sql_parser_is_word(parser, 0, words[i])) word = words[i];
    }
    if (!word) return STATUS_OK;
    uint32_t offset = sql_parser_offset(parser);
    enum sql_token_kind next = sql_parser_peek(parser, 1)->kind;
    bool interval = strcmp(word, "interval") == 0;
    bool sign = sql_parser_is_symbol(parser, 1, "-") || sql_parser_is_symbol(parser, 1, "+");
    bool number = next == SQL_TOKEN_NUMBER || (sign && sql_parser_peek(parser, 2)->kind == SQL_TOKEN_NUMBER &&
                                               sql_interval_is_unit(token_slice(parser, 3)));
    if (next != SQL_TOKEN_STRING && !(interval && number)) return STATUS_OK;
    *ret_found = true;
    parser->at++;
    if (interval) return interval_value(parser, offset, ret_value, err);
    enum status status = STATUS_OK;
    struct slice text;
    TRY(sql_literal_string(parser, &text, err));
    if (strcmp(word, "x") == 0) return hex_value(parser, offset, text, ret_value, err);
    return datetime_value(parser, offset, word, text, ret_value, err);
out:
    return status;
}
