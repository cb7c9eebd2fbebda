// A small JSON reader that copies values in Jackson's normal form: no blanks, numbers as Java prints them, strings
// escaped anew. Reading is lenient where Spark's is: single quotes; text behind the first value is not looked at.
#include "worker/expr/expr_json_text.h"

#include <ctype.h>
#include <string.h>

#include "common/columnar/number_text.h"
#include "worker/expr/expr_utf8.h"

#define DEPTH_MAX 1000

struct reader {
    const char *at, *end;
    int depth;
};

static void blanks(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at) reader->at++;
}

static bool take(struct reader *reader, char c)
{
    blanks(reader);
    if (reader->at >= reader->end || *reader->at != c) return false;
    reader->at++;
    return true;
}

static bool hex4(struct reader *reader, uint32_t *ret_unit)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++, reader->at++) {
        if (reader->at >= reader->end || !isxdigit((unsigned char)*reader->at)) return false;
        unsigned char c = (unsigned char)*reader->at;
        unit = unit << 4 | (uint32_t)(isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
    }
    *ret_unit = unit;
    return true;
}

static bool escape(struct reader *reader, struct text *text)
{
    static const char from[] = "\"\\/bfnrt'", to[] = "\"\\/\b\f\n\r\t'";
    char bytes[4];
    uint32_t unit, low;
    if (reader->at >= reader->end) return false;
    char c = *reader->at++;
    if (c != 'u') {
        const char *found = c ? strchr(from, c) : NULL;
        if (!found) return false;
        text_append_char(text, to[found - from]);
        return true;
    }
    if (!hex4(reader, &unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && reader->end - reader->at >= 6 && reader->at[0] == '\\' &&
        reader->at[1] == 'u') {
        reader->at += 2;
        if (!hex4(reader, &low)) return false;
        unit = 0x10000 + ((unit & 0x3FF) << 10) + (low & 0x3FF);
    }
    text_append(text, bytes, expr_utf8_encode(unit, bytes));
    return true;
}

// A string's content, unescaped.
static bool read_string(struct reader *reader, struct text *text)
{
    blanks(reader);
    if (reader->at >= reader->end || (*reader->at != '"' && *reader->at != '\'')) return false;
    char quote = *reader->at++;
    while (reader->at < reader->end && *reader->at != quote) {
        char c = *reader->at++;
        if (c == '\\') {
            if (!escape(reader, text)) return false;
        } else if ((unsigned char)c < 0x20) {
            return false;
        } else {
            text_append_char(text, c);
        }
    }
    return reader->at++ < reader->end;
}

static bool read_number(struct reader *reader, struct text *text)
{
    const char *start = reader->at;
    bool real = false;
    if (*reader->at == '-') reader->at++;
    const char *digits = reader->at;
    while (reader->at < reader->end && isdigit((unsigned char)*reader->at)) reader->at++;
    if (reader->at == digits || (*digits == '0' && reader->at - digits > 1)) return false;
    if (reader->at < reader->end && *reader->at == '.') {
        const char *fraction = ++reader->at;
        real = true;
        while (reader->at < reader->end && isdigit((unsigned char)*reader->at)) reader->at++;
        if (reader->at == fraction) return false;
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        real = true;
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-')) reader->at++;
        const char *exponent = reader->at;
        while (reader->at < reader->end && isdigit((unsigned char)*reader->at)) reader->at++;
        if (reader->at == exponent) return false;
    }
    if (reader->at < reader->end && (isalnum((unsigned char)*reader->at) || *reader->at == '.')) return false;
    if (!text) return true;
    char buffer[NUMBER_TEXT_SIZE];
    double value;
    if (real && number_text_parse_double(start, (size_t)(reader->at - start), &value)) {
        text_append(text, buffer, number_text_format_double(value, buffer));
    } else {
        bool minus_zero = reader->at - start == 2 && start[0] == '-' && start[1] == '0';
        text_append(text, start + minus_zero, (size_t)(reader->at - start) - minus_zero);
    }
    return true;
}

static bool read_word(struct reader *reader, struct text *text)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(reader->end - reader->at) < length || memcmp(reader->at, words[i], length) != 0) continue;
        reader->at += length;
        if (reader->at < reader->end && isalnum((unsigned char)*reader->at)) return false;
        if (text) text_append(text, words[i], length);
        return true;
    }
    return false;
}

static bool copy_value(struct reader *reader, struct text *text);

// A string as Jackson's byte generator writes it: characters beyond the basic plane as two escapes.
static void append_string(struct text *text, struct slice s)
{
    struct text part = {0};
    text_append_char(text, '"');
    for (size_t at = 0; at < s.length;) {
        size_t size = expr_utf8_size(s.data + at, s.length - at);
        if (size == 4) {
            uint32_t c = expr_utf8_decode(s.data + at, size);
            text_printf(text, "\\u%04X\\u%04X", 0xD7C0u + (c >> 10), 0xDC00u + (c & 0x3FF));
        } else {
            text_reset(&part);
            text_append_json(&part, s.data + at, size);
            text_append(text, part.data + 1, part.length - 2);
        }
        at += size;
    }
    text_append_char(text, '"');
    text_deinit(&part);
}

static bool copy_string(struct reader *reader, struct text *text)
{
    struct text content = {0};
    bool good = read_string(reader, &content);
    if (good && text) append_string(text, slice_of(text_str(&content), content.length));
    text_deinit(&content);
    return good;
}

static bool copy_members(struct reader *reader, char close, struct text *text)
{
    bool first = true, object = close == '}';
    if (text) text_append_char(text, object ? '{' : '[');
    if (++reader->depth > DEPTH_MAX) return false;
    while (!take(reader, close)) {
        if (!first && !take(reader, ',')) return false;
        if (!first && text) text_append_char(text, ',');
        first = false;
        if (object) {
            if (!copy_string(reader, text) || !take(reader, ':')) return false;
            if (text) text_append_char(text, ':');
        }
        if (!copy_value(reader, text)) return false;
    }
    reader->depth--;
    if (text) text_append_char(text, close);
    return true;
}

// Reads one value; text NULL: only reads.
static bool copy_value(struct reader *reader, struct text *text)
{
    blanks(reader);
    if (reader->at >= reader->end) return false;
    switch (*reader->at) {
    case '{': reader->at++; return copy_members(reader, '}', text);
    case '[': reader->at++; return copy_members(reader, ']', text);
    case '"':
    case '\'': return copy_string(reader, text);
    case 't':
    case 'f':
    case 'n': return read_word(reader, text);
    default: return read_number(reader, text);
    }
}

bool expr_json_text_path(struct slice path, struct expr_json_step *ret_steps, size_t *ret_count)
{
    size_t at = 1, count = 0;
    if (!path.length || path.data[0] != '$') return false;
    while (at < path.length) {
        if (count == EXPR_JSON_STEPS_MAX) return false;
        struct expr_json_step *step = &ret_steps[count++];
        if (path.data[at] == '.') {
            size_t from = ++at;
            while (at < path.length && path.data[at] != '.' && path.data[at] != '[') at++;
            if (at == from) return false;
            *step = (struct expr_json_step){EXPR_JSON_NAME, slice_of(path.data + from, at - from), 0};
            if (step->name.length == 1 && step->name.data[0] == '*')
                return false; // wildcard of members: Spark finds nothing
            continue;
        }
        const char *close = path.data[at] == '[' ? memchr(path.data + at, ']', path.length - at) : NULL;
        if (!close) return false;
        struct slice inner = slice_of(path.data + at + 1, (size_t)(close - path.data) - at - 1);
        at = (size_t)(close - path.data) + 1;
        if (inner.length == 1 && inner.data[0] == '*') {
            *step = (struct expr_json_step){.kind = EXPR_JSON_ALL};
        } else if (inner.length > 2 && inner.data[0] == '\'' && inner.data[inner.length - 1] == '\'') {
            *step = (struct expr_json_step){EXPR_JSON_NAME, slice_of(inner.data + 1, inner.length - 2), 0};
        } else {
            *step = (struct expr_json_step){.kind = EXPR_JSON_INDEX};
            if (!inner.length || inner.length > 9) return false;
            for (size_t i = 0; i < inner.length; i++) {
                if (!isdigit((unsigned char)inner.data[i])) return false;
                step->index = step->index * 10 + (inner.data[i] - '0');
            }
        }
    }
    *ret_count = count;
    return true;
}

struct getter {
    const struct expr_json_step *steps;
    size_t count;
};

// Results of the path below this value: how many, appended with commas between. raw: a string result goes without
// quotes.
static bool walk(struct reader *reader, const struct getter *getter, size_t step, bool raw, struct text *text,
                 int *found);

static bool walk_leaf(struct reader *reader, bool raw, struct text *text, int *found)
{
    blanks(reader);
    struct text value = {0};
    bool is_string = reader->at < reader->end && (*reader->at == '"' || *reader->at == '\'');
    bool good = raw && is_string ? read_string(reader, &value) : copy_value(reader, &value);
    if (good) {
        if (*found) text_append_char(text, ',');
        text_append(text, text_str(&value), value.length);
        (*found)++;
    }
    text_deinit(&value);
    return good;
}

static bool walk_object(struct reader *reader, const struct getter *getter, size_t step, bool raw, struct text *text,
                        int *found)
{
    struct slice wanted = getter->steps[step].name;
    bool first = true, named = getter->steps[step].kind == EXPR_JSON_NAME, done = false;
    struct text name = {0};
    bool good = ++reader->depth <= DEPTH_MAX;
    while (good && !take(reader, '}')) {
        text_reset(&name);
        good = (first || take(reader, ',')) && read_string(reader, &name) && take(reader, ':');
        first = false;
        if (!good) break;
        bool match =
            named && !done && name.length == wanted.length && memcmp(text_str(&name), wanted.data, wanted.length) == 0;
        blanks(reader);
        bool null = match && reader->end - reader->at >= 4 && memcmp(reader->at, "null", 4) == 0;
        if (match && !null) {
            int before = *found;
            good = walk(reader, getter, step + 1, raw, text, found);
            done = *found > before;
        } else {
            good = copy_value(reader, NULL);
        }
    }
    reader->depth--;
    text_deinit(&name);
    return good;
}

static bool walk_array(struct reader *reader, const struct getter *getter, size_t step, bool raw, struct text *text,
                       int *found)
{
    const struct expr_json_step *wanted = &getter->steps[step];
    bool good = ++reader->depth <= DEPTH_MAX, all = wanted->kind == EXPR_JSON_ALL;
    struct text inner = {0};
    int inner_found = 0;
    for (int64_t index = 0; good && !take(reader, ']'); index++) {
        good = index == 0 || take(reader, ',');
        if (!good) break;
        if (all) {
            good = walk(reader, getter, step + 1, false, &inner, &inner_found);
        } else if (wanted->kind == EXPR_JSON_INDEX && index == wanted->index) {
            blanks(reader);
            bool null = reader->end - reader->at >= 4 && memcmp(reader->at, "null", 4) == 0;
            good = null ? copy_value(reader, NULL) : walk(reader, getter, step + 1, raw, text, found);
        } else {
            good = copy_value(reader, NULL);
        }
    }
    reader->depth--;
    if (good && all && inner_found > 0) { // several results are a list; one of the last wildcard stands alone
        if (*found) text_append_char(text, ',');
        if (inner_found > 1 || !raw) text_append_char(text, '[');
        text_append(text, text_str(&inner), inner.length);
        if (inner_found > 1 || !raw) text_append_char(text, ']');
        (*found)++;
    }
    text_deinit(&inner);
    return good;
}

static bool walk(struct reader *reader, const struct getter *getter, size_t step, bool raw, struct text *text,
                 int *found)
{
    if (step == getter->count) return walk_leaf(reader, raw, text, found);
    blanks(reader);
    if (reader->at >= reader->end) return false;
    if (*reader->at == '{') {
        reader->at++;
        return walk_object(reader, getter, step, raw, text, found);
    }
    if (*reader->at == '[') {
        reader->at++;
        return walk_array(reader, getter, step, raw, text, found);
    }
    return copy_value(reader, NULL);
}

bool expr_json_text_get(struct slice json, const struct expr_json_step *steps, size_t count, struct text *text)
{
    struct reader reader = {.at = json.data, .end = json.data + json.length};
    struct getter getter = {steps, count};
    int found = 0;
    return walk(&reader, &getter, 0, true, text, &found) && found > 0;
}

int64_t expr_json_text_length(struct slice json)
{
    struct reader reader = {.at = json.data, .end = json.data + json.length};
    int64_t count = 0;
    if (!take(&reader, '[')) return -1;
    while (!take(&reader, ']')) {
        if (count && !take(&reader, ',')) return -1;
        if (!copy_value(&reader, NULL)) return -1;
        count++;
    }
    return count;
}

bool expr_json_text_keys(struct slice json, bool (*key)(void *context, struct slice name), void *context)
{
    struct reader reader = {.at = json.data, .end = json.data + json.length};
    struct text name = {0};
    bool first = true, good = take(&reader, '{');
    while (good && !take(&reader, '}')) {
        text_reset(&name);
        good = (first || take(&reader, ',')) && read_string(&reader, &name) && take(&reader, ':') &&
               copy_value(&reader, NULL) && key(context, slice_of(text_str(&name), name.length));
        first = false;
    }
    text_deinit(&name);
    return good;
}
