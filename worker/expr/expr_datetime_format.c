// Patterns to tokens, tokens to text and back. Strict as java.time's resolver is: widths, ranges and the whole text
// must fit.
#include "worker/expr/expr_datetime_format.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/columnar/datetime_zone.h"
#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_datetime.h"

static const char *const months[] = {"January", "February", "March",     "April",   "May",      "June",
                                     "July",    "August",   "September", "October", "November", "December"};
static const char *const days[] = {"Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"};
static const char *const quarters[] = {"1st quarter", "2nd quarter", "3rd quarter", "4th quarter"};

#define BAD_LEGACY  "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"
#define BAD_LETTER  "INVALID_DATETIME_PATTERN.ILLEGAL_CHARACTER"
#define BAD_PATTERN "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"

// Spark refuses what Java reads otherwise than the SimpleDateFormat of old.
static const char *letter_check(char letter, size_t count, bool parsing)
{
    static const struct {
        char letter;
        uint8_t max;
    } limits[] = {{'G', 4}, {'y', 6}, {'M', 4}, {'L', 4}, {'d', 2}, {'D', 3}, {'H', 2}, {'k', 2},
                  {'K', 2}, {'h', 2}, {'m', 2}, {'s', 2}, {'S', 9}, {'a', 1}, {'E', 4}, {'F', 1},
                  {'Q', 4}, {'q', 4}, {'X', 5}, {'x', 5}, {'Z', 5}, {'z', 4}, {'V', 2}, {'O', 4}};
    if (strchr("AnNpB", letter)) return BAD_LETTER;
    if (strchr("ec", letter)) return BAD_LETTER;
    if (parsing && strchr("EF", letter)) return BAD_LEGACY;
    if (parsing && strchr("qQ", letter)) return BAD_LETTER;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        if (limits[i].letter != letter) continue;
        if (letter == 'V' && count != 2) return BAD_PATTERN;
        if (letter == 'O' && count != 1 && count != 4) return BAD_PATTERN;
        if (count <= limits[i].max) return NULL;
        return strchr("LQqxVO", letter) ? BAD_PATTERN : BAD_LEGACY;
    }
    return BAD_PATTERN;
}

static bool push(struct expr_datetime_format *format, char letter, size_t count, const char *text, size_t length)
{
    if (format->count == EXPR_DATETIME_TOKENS_MAX || length >= sizeof format->tokens[0].text) return false;
    struct expr_datetime_token *token = &format->tokens[format->count++];
    token->letter = letter;
    token->count = (uint8_t)count;
    memcpy(token->text, text, length);
    token->text[length] = 0;
    return true;
}

// Quoted text from `at` (behind the quote) on; returns the index behind the closing quote, 0 if there is none.
static size_t push_quoted(struct expr_datetime_format *format, struct slice pattern, size_t at)
{
    if (at < pattern.length && pattern.data[at] == '\'') return push(format, '\'', 1, "'", 1) ? at + 1 : 0;
    for (; at < pattern.length; at++) {
        if (pattern.data[at] == '\'') {
            bool doubled = at + 1 < pattern.length && pattern.data[at + 1] == '\'';
            if (!doubled) return at + 1;
            at++;
        }
        if (!push(format, '\'', 1, pattern.data + at, 1)) return 0;
    }
    return 0;
}

// Letters of weeks are looked for before anything else is found wrong.
static bool week_based(struct slice pattern)
{
    bool quoted = false;
    for (size_t at = 0; at < pattern.length; at++) {
        if (pattern.data[at] == '\'') quoted = !quoted;
        if (!quoted && memchr("YWwu", pattern.data[at], 4)) return true;
    }
    return false;
}

const char *expr_datetime_format_compile(struct slice pattern, bool parsing, struct expr_datetime_format *ret_format)
{
    int depth = 0;
    ret_format->count = 0;
    if (week_based(pattern)) return BAD_LEGACY;
    for (size_t at = 0; at < pattern.length;) {
        char c = pattern.data[at];
        size_t count = 1;
        if (isalpha((unsigned char)c)) {
            while (at + count < pattern.length && pattern.data[at + count] == c) count++;
            const char *bad = letter_check(c, count, parsing);
            if (bad) return bad;
            if (!push(ret_format, c, count, "", 0)) return BAD_PATTERN;
            at += count;
        } else if (c == '\'') {
            at = push_quoted(ret_format, pattern, at + 1);
            if (!at) return BAD_PATTERN;
        } else if (c == '{' || c == '}' || c == '#') {
            return BAD_PATTERN;
        } else {
            depth += (c == '[') - (c == ']');
            if (depth < 0) return BAD_PATTERN;
            if (!push(ret_format, c == '[' || c == ']' ? c : '\'', 1, &c, 1)) return BAD_PATTERN;
            at++;
        }
    }
    for (; depth > 0; depth--) { // an open section ends with the pattern
        if (!push(ret_format, ']', 1, "]", 1)) return BAD_PATTERN;
    }
    return NULL;
}

static void print_number(struct text *text, int64_t value, size_t width)
{
    char digits[24];
    size_t at = sizeof digits;
    uint64_t rest = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    do {
        digits[--at] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    while (sizeof digits - at < width && at > 1) digits[--at] = '0';
    if (value < 0) digits[--at] = '-';
    text_append(text, digits + at, sizeof digits - at);
}

static void print_year(struct text *text, int64_t year, size_t count)
{
    if (year <= 0) year = 1 - year; // year of era
    if (count == 2) {
        print_number(text, year % 100, 2);
        return;
    }
    if (count >= 4 && year >= 10000) text_append_char(text, '+');
    print_number(text, year, count);
}

static void print_zone(const struct expr_datetime_token *token, struct text *text)
{
    static const char *const offsets[] = {"+00", "+0000", "+00:00", "+0000", "+00:00"};
    switch (token->letter) {
    case 'X': text_append_char(text, 'Z'); break;
    case 'x': text_append_str(text, offsets[token->count - 1]); break;
    case 'Z': text_append_str(text, token->count < 4 ? "+0000" : token->count == 4 ? "GMT" : "Z"); break;
    case 'z': text_append_str(text, token->count < 4 ? "UTC" : "Coordinated Universal Time"); break;
    case 'V': text_append_str(text, "UTC"); break;
    default: text_append_str(text, "GMT");
    }
}

static void print_name(struct text *text, const char *name, size_t count)
{
    text_append(text, name, count >= 4 ? strlen(name) : 3);
}

static void print_date(const struct expr_datetime_token *token, int64_t day, struct text *text)
{
    struct datetime_civil civil = datetime_text_civil(day);
    uint32_t quarter = (civil.month - 1) / 3;
    switch (token->letter) {
    case 'G':
        text_append_str(text, token->count < 4 ? (civil.year > 0 ? "AD" : "BC")
                              : civil.year > 0 ? "Anno Domini"
                                               : "Before Christ");
        break;
    case 'y': print_year(text, civil.year, token->count); break;
    case 'M':
    case 'L':
        if (token->count > 2) {
            print_name(text, months[civil.month - 1], token->count);
        } else {
            print_number(text, civil.month, token->count);
        }
        break;
    case 'd': print_number(text, civil.day, token->count); break;
    case 'D': print_number(text, day - datetime_text_days(civil.year, 1, 1) + 1, token->count); break;
    case 'E': print_name(text, days[expr_datetime_weekday(day)], token->count); break;
    case 'F': print_number(text, (civil.day - 1) % 7 + 1, token->count); break;
    default: // Q, q
        if (token->count > 3) {
            text_append_str(text, quarters[quarter]);
        } else {
            if (token->count == 3) text_append_char(text, 'Q');
            print_number(text, quarter + 1, token->count == 2 ? 2 : 1);
        }
    }
}

static void print_token(const struct expr_datetime_token *token, int64_t day, int64_t rest_us, struct text *text)
{
    int64_t second = rest_us / 1000000, hour = second / 3600, half = hour % 12;
    char fraction[16];
    switch (token->letter) {
    case '[':
    case ']': break;
    case '\'': text_append_str(text, token->text); break;
    case 'H': print_number(text, hour, token->count); break;
    case 'k': print_number(text, hour ? hour : 24, token->count); break;
    case 'K': print_number(text, half, token->count); break;
    case 'h': print_number(text, half ? half : 12, token->count); break;
    case 'm': print_number(text, second / 60 % 60, token->count); break;
    case 's': print_number(text, second % 60, token->count); break;
    case 'a': text_append_str(text, hour < 12 ? "AM" : "PM"); break;
    case 'S':
        snprintf(fraction, sizeof fraction, "%06lld000", (long long)(rest_us % 1000000));
        text_append(text, fraction, token->count);
        break;
    case 'X':
    case 'x':
    case 'Z':
    case 'z':
    case 'V':
    case 'O': print_zone(token, text); break;
    default: print_date(token, day, text);
    }
}

void expr_datetime_format_print(const struct expr_datetime_format *format, int64_t us, struct text *text)
{
    int64_t day = expr_datetime_floor(us, DATETIME_DAY_US), rest = us - day * DATETIME_DAY_US;
    for (size_t i = 0; i < format->count; i++) print_token(&format->tokens[i], day, rest, text);
}

struct fields {
    int64_t year, month, day, day_of_year, hour, half_hour, minute, second, fraction_us;
    int pm;  // -1: not given
    int era; // 0 BC, 1 AD, -1 not given
    bool has_zone;
    char zone[40];
};

struct reader {
    struct slice text;
    size_t at;
};

static size_t digits_ahead(const struct reader *reader)
{
    size_t count = 0;
    while (reader->at + count < reader->text.length && isdigit((unsigned char)reader->text.data[reader->at + count]))
        count++;
    return count;
}

static bool read_number(struct reader *reader, size_t min, size_t max, int64_t *ret_value)
{
    size_t have = digits_ahead(reader);
    if (have > max) have = max;
    if (have < min || have == 0 || have > 18) return false;
    *ret_value = 0;
    for (size_t i = 0; i < have; i++) *ret_value = *ret_value * 10 + (reader->text.data[reader->at++] - '0');
    return true;
}

// Digits that the fixed-width number tokens right behind token i need.
static size_t reserved_width(const struct expr_datetime_format *format, size_t i)
{
    size_t width = 0;
    for (size_t j = i + 1; j < format->count; j++) {
        const struct expr_datetime_token *token = &format->tokens[j];
        bool number =
            strchr("dDHkKhms", token->letter) || ((token->letter == 'M' || token->letter == 'L') && token->count <= 2);
        if (token->letter == 'S') return width + token->count;
        if (!number || token->count < 2) return width;
        width += token->count;
    }
    return width;
}

static bool read_year(struct reader *reader, size_t count, size_t reserved, int64_t *ret_year)
{
    bool plus = reader->at < reader->text.length && reader->text.data[reader->at] == '+' && count >= 4;
    reader->at += plus;
    if (count == 2) {
        if (!read_number(reader, 2, 2, ret_year)) return false;
        *ret_year += 2000;
        return true;
    }
    size_t have = digits_ahead(reader), take = have > reserved ? have - reserved : 0;
    if (count >= 4 && !plus && take > count) return false; // strict: more digits need the sign
    return read_number(reader, count >= 3 ? count : 1, take ? take : 1, ret_year);
}

static bool read_name(struct reader *reader, const char *const *names, size_t count, bool full, int64_t *ret_index)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = full ? strlen(names[i]) : 3;
        if (reader->text.length - reader->at < length ||
            strncasecmp(reader->text.data + reader->at, names[i], length) != 0)
            continue;
        reader->at += length;
        *ret_index = (int64_t)i + 1;
        return true;
    }
    return false;
}

static bool read_fraction(struct reader *reader, size_t max, int64_t *ret_us)
{
    size_t have = digits_ahead(reader);
    int64_t value;
    if (have > max) have = max;
    if (!read_number(reader, 1, have, &value)) return false;
    for (; have < 6; have++) value *= 10;
    for (; have > 6; have--) value /= 10;
    *ret_us = value;
    return true;
}

static bool read_zone(struct reader *reader, struct fields *fields)
{
    size_t length = 0;
    while (reader->at + length < reader->text.length && length + 1 < sizeof fields->zone) {
        char c = reader->text.data[reader->at + length];
        if (!isalnum((unsigned char)c) && !strchr("+-:/_", c)) break;
        fields->zone[length++] = c;
    }
    fields->zone[length] = 0;
    fields->has_zone = length > 0;
    reader->at += length;
    return length > 0;
}

static bool read_marker(struct reader *reader, const char *first, const char *second, int *ret_which)
{
    if (reader->text.length - reader->at < 2) return false;
    bool is_first = strncasecmp(reader->text.data + reader->at, first, 2) == 0;
    if (!is_first && strncasecmp(reader->text.data + reader->at, second, 2) != 0) return false;
    *ret_which = !is_first;
    reader->at += 2;
    return true;
}

static bool read_token(const struct expr_datetime_format *format, size_t i, struct reader *reader,
                       struct fields *fields)
{
    const struct expr_datetime_token *token = &format->tokens[i];
    size_t count = token->count, length = strlen(token->text), max = count == 1 ? 18 : count;
    switch (token->letter) {
    case '\'':
        if (reader->text.length - reader->at < length) return false;
        if (strncasecmp(reader->text.data + reader->at, token->text, length) != 0) return false;
        reader->at += length;
        return true;
    case 'G': return read_marker(reader, "BC", "AD", &fields->era);
    case 'y': return read_year(reader, count, reserved_width(format, i), &fields->year);
    case 'M':
    case 'L':
        return count > 2 ? read_name(reader, months, 12, count > 3, &fields->month)
                         : read_number(reader, count, max, &fields->month);
    case 'd': return read_number(reader, count, max, &fields->day);
    case 'D': return read_number(reader, count, 3, &fields->day_of_year);
    case 'H': return read_number(reader, count, max, &fields->hour) && fields->hour <= 23;
    case 'k':
        if (!read_number(reader, count, max, &fields->hour) || fields->hour < 1 || fields->hour > 24) return false;
        fields->hour %= 24;
        return true;
    case 'K': return read_number(reader, count, max, &fields->half_hour) && fields->half_hour <= 11;
    case 'h':
        if (!read_number(reader, count, max, &fields->half_hour) || fields->half_hour < 1 || fields->half_hour > 12)
            return false;
        fields->half_hour %= 12;
        return true;
    case 'm': return read_number(reader, count, max, &fields->minute) && fields->minute <= 59;
    case 's': return read_number(reader, count, max, &fields->second) && fields->second <= 59;
    case 'S': return read_fraction(reader, count, &fields->fraction_us);
    case 'a': return read_marker(reader, "AM", "PM", &fields->pm);
    default: return read_zone(reader, fields);
    }
}

// Tokens from *at to the section's end or the format's. An optional section that does not match reads nothing.
static bool read_tokens(const struct expr_datetime_format *format, size_t *at, struct reader *reader,
                        struct fields *fields, int depth)
{
    while (*at < format->count && format->tokens[*at].letter != ']') {
        if (format->tokens[*at].letter != '[') {
            if (!read_token(format, *at, reader, fields)) return false;
            (*at)++;
            continue;
        }
        struct reader saved_reader = *reader;
        struct fields saved_fields = *fields;
        size_t inner = *at + 1;
        if (depth > 8) return false;
        if (!read_tokens(format, &inner, reader, fields, depth + 1)) {
            *reader = saved_reader;
            *fields = saved_fields;
        }
        int open = 1;
        for (inner = *at + 1; inner < format->count && open > 0; inner++) {
            open += (format->tokens[inner].letter == '[') - (format->tokens[inner].letter == ']');
        }
        *at = inner;
    }
    return true;
}

static bool resolve(struct fields *fields, int64_t *ret_us)
{
    int64_t day;
    if (fields->era == 0) fields->year = 1 - fields->year;
    if (fields->day_of_year) {
        day = datetime_text_days(fields->year, 1, 1) + fields->day_of_year - 1;
        if (datetime_text_civil(day).year != fields->year) return false;
    } else {
        if (fields->month < 1 || fields->month > 12 || fields->day < 1) return false;
        if (fields->day > datetime_text_month_days(fields->year, (uint32_t)fields->month)) return false;
        day = datetime_text_days(fields->year, (uint32_t)fields->month, (uint32_t)fields->day);
    }
    if (fields->half_hour >= 0) fields->hour = fields->half_hour + (fields->pm == 1 ? 12 : 0);
    int64_t seconds = day * 86400 + fields->hour * 3600 + fields->minute * 60 + fields->second;
    int32_t offset = 0;
    if (fields->has_zone && !datetime_zone_offset(fields->zone, strlen(fields->zone), seconds, true, &offset))
        return false;
    return !__builtin_mul_overflow(seconds - offset, INT64_C(1000000), ret_us) &&
           !__builtin_add_overflow(*ret_us, fields->fraction_us, ret_us);
}

bool expr_datetime_format_parse(const struct expr_datetime_format *format, struct slice text, int64_t *ret_us)
{
    struct fields fields = {.year = 1970, .month = 1, .day = 1, .half_hour = -1, .pm = -1, .era = -1};
    struct reader reader = {.text = text};
    size_t at = 0;
    if (!read_tokens(format, &at, &reader, &fields, 0) || reader.at != text.length) return false;
    return resolve(&fields, ret_us);
}
