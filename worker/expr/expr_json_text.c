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

static size_t skip_spaces(struct slice path, size_t at)
{
    while (at < path.length && path.data[at] && strchr(" \t\n\v\f\r", path.data[at])) at++;
    return at;
}

// ['name'] or ['*']: the characters up to the next ', which must be '].
static bool path_quoted(struct slice path, size_t *at, struct expr_json_step *step)
{
    size_t from = skip_spaces(path, *at + 2), end = from;
    while (end < path.length && path.data[end] != '\'') end++;
    if (end == from || path.length - end < 2 || memcmp(path.data + end, "']", 2) != 0) return false;
    *at = end + 2;
    *step = (struct expr_json_step){EXPR_JSON_NAME, slice_of(path.data + from, end - from), 0};
    if (end - from == 1 && path.data[from] == '*') step->kind = EXPR_JSON_NOTHING;
    return true;
}

static bool path_subscript(struct slice path, size_t *at, struct expr_json_step *step)
{
    size_t i = *at + 1;
    if (path.length - i >= 2 && memcmp(path.data + i, "*]", 2) == 0) {
        *step = (struct expr_json_step){.kind = EXPR_JSON_ALL};
        *at = i + 2;
        return true;
    }
    i = skip_spaces(path, i);
    *step = (struct expr_json_step){.kind = EXPR_JSON_INDEX};
    size_t from = i;
    for (; i < path.length && isdigit((unsigned char)path.data[i]); i++) {
        if (__builtin_mul_overflow(step->index, 10, &step->index) ||
            __builtin_add_overflow(step->index, path.data[i] - '0', &step->index))
            return false;
    }
    if (i == from || i >= path.length || path.data[i] != ']') return false;
    *at = i + 1;
    return true;
}

// .name, .* : blanks before a name are not of it, those behind it are.
static bool path_named(struct slice path, size_t *at, struct expr_json_step *step)
{
    size_t from = skip_spaces(path, *at + 1), end = from;
    if (*at + 1 < path.length && path.data[*at + 1] == '*') {
        *step = (struct expr_json_step){.kind = EXPR_JSON_NOTHING};
        *at += 2;
        return true;
    }
    while (end < path.length && path.data[end] != '.' && path.data[end] != '[') end++;
    *step = (struct expr_json_step){EXPR_JSON_NAME, slice_of(path.data + from, end - from), 0};
    *at = end;
    return end > from;
}

bool expr_json_text_path(struct slice path, struct expr_json_step *ret_steps, size_t *ret_count)
{
    size_t at = 1, count = 0;
    if (!path.length || path.data[0] != '$') return false;
    while (at < path.length) {
        size_t behind = skip_spaces(path, at);
        if (behind == path.length) break;
        if (count == EXPR_JSON_STEPS_MAX) return false;
        struct expr_json_step *step = &ret_steps[count++];
        bool quoted = path.length - behind >= 2 && memcmp(path.data + behind, "['", 2) == 0;
        bool any = path.length - behind >= 2 && memcmp(path.data + behind, ".*", 2) == 0;
        if (quoted || any) at = behind; // these two may stand behind blanks
        bool good = quoted                 ? path_quoted(path, &at, step)
                    : path.data[at] == '.' ? path_named(path, &at, step)
                                           : path.data[at] == '[' && path_subscript(path, &at, step);
        if (!good) return false;
    }
    *ret_count = count;
    return true;
}

// Spark's evaluatePath: how strings are written, and whether arrays at the end are taken apart.
enum style { STYLE_RAW, STYLE_QUOTED, STYLE_FLAT };

// Where values go: commas stand between those of one array.
struct output {
    struct text *text;
    int count;
};

struct getter {
    const struct expr_json_step *steps;
    size_t count;
};

static bool walk(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                 struct output *output, bool *ret_dirty);

static void next_value(struct output *output)
{
    if (output->count++) text_append_char(output->text, ',');
}

static bool at_null(const struct reader *reader)
{
    return reader->end - reader->at >= 4 && memcmp(reader->at, "null", 4) == 0;
}

// Elements of the array at hand, each walked on from `step`; *ret_found: of how many something was written.
static bool walk_elements(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                          struct output *output, int *ret_found)
{
    bool good = ++reader->depth <= DEPTH_MAX;
    *ret_found = 0;
    for (bool first = true; good && !take(reader, ']'); first = false) {
        bool dirty = false;
        good = (first || take(reader, ',')) && walk(reader, getter, step, style, output, &dirty);
        *ret_found += dirty;
    }
    reader->depth--;
    return good;
}

static bool walk_leaf(struct reader *reader, const struct getter *getter, enum style style, struct output *output,
                      bool *ret_dirty)
{
    struct text value = {0};
    bool is_string = *reader->at == '"' || *reader->at == '\'';
    if (style == STYLE_FLAT && *reader->at == '[') {
        int found;
        reader->at++;
        bool good = walk_elements(reader, getter, getter->count, style, output, &found);
        *ret_dirty = found > 0;
        return good;
    }
    bool good = style == STYLE_RAW && is_string ? read_string(reader, &value) : copy_value(reader, &value);
    if (good) {
        next_value(output);
        text_append(output->text, text_str(&value), value.length);
    }
    text_deinit(&value);
    *ret_dirty = good;
    return good;
}

static bool walk_object(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                        struct output *output, bool *ret_dirty)
{
    struct slice wanted = getter->steps[step].name;
    bool first = true, named = getter->steps[step].kind == EXPR_JSON_NAME;
    struct text name = {0};
    bool good = ++reader->depth <= DEPTH_MAX;
    while (good && !take(reader, '}')) {
        text_reset(&name);
        good = (first || take(reader, ',')) && read_string(reader, &name) && take(reader, ':');
        first = false;
        if (!good) break;
        bool match = named && !*ret_dirty && slice_equal(slice_of(text_str(&name), name.length), wanted);
        blanks(reader);
        good = match && !at_null(reader) ? walk(reader, getter, step + 1, style, output, ret_dirty)
                                         : copy_value(reader, NULL);
    }
    reader->depth--;
    text_deinit(&name);
    return good;
}

static bool walk_index(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                       struct output *output, bool *ret_dirty)
{
    bool good = ++reader->depth <= DEPTH_MAX;
    bool all_next = step + 1 < getter->count && getter->steps[step + 1].kind == EXPR_JSON_ALL;
    for (int64_t index = 0; good && !take(reader, ']'); index++) {
        good = index == 0 || take(reader, ',');
        blanks(reader);
        bool wanted = good && index == getter->steps[step].index;
        if (wanted)
            good = walk(reader, getter, step + 1, all_next ? STYLE_QUOTED : style, output, ret_dirty);
        else
            good = good && copy_value(reader, NULL);
    }
    reader->depth--;
    return good;
}

// [*]: a list of what was found. One result of a wildcard that does not stand in another's list stands alone; two
// wildcards in a row make one flat list.
static bool walk_all(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                     struct output *output, bool *ret_dirty)
{
    struct text inner = {0};
    struct output list = {&inner, 0};
    int found;
    bool twice = step + 1 < getter->count && getter->steps[step + 1].kind == EXPR_JSON_ALL;
    enum style below = twice || style == STYLE_FLAT ? STYLE_FLAT : STYLE_QUOTED;
    bool good = walk_elements(reader, getter, step + (twice ? 2 : 1), below, &list, &found);
    bool brackets = twice || style == STYLE_QUOTED || found > 1;
    if (good && (found > 0 || brackets)) {
        next_value(output);
        if (brackets) text_append_char(output->text, '[');
        text_append(output->text, text_str(&inner), inner.length);
        if (brackets) text_append_char(output->text, ']');
    }
    *ret_dirty = found > 0;
    text_deinit(&inner);
    return good;
}

static bool walk(struct reader *reader, const struct getter *getter, size_t step, enum style style,
                 struct output *output, bool *ret_dirty)
{
    blanks(reader);
    if (reader->at >= reader->end) return false;
    if (step == getter->count) return walk_leaf(reader, getter, style, output, ret_dirty);
    enum expr_json_step_kind kind = getter->steps[step].kind;
    if (*reader->at == '{' && kind == EXPR_JSON_NAME) {
        reader->at++;
        return walk_object(reader, getter, step, style, output, ret_dirty);
    }
    if (*reader->at == '[' && (kind == EXPR_JSON_INDEX || kind == EXPR_JSON_ALL)) {
        reader->at++;
        return kind == EXPR_JSON_ALL ? walk_all(reader, getter, step, style, output, ret_dirty)
                                     : walk_index(reader, getter, step, style, output, ret_dirty);
    }
    return copy_value(reader, NULL);
}

bool expr_json_text_get(struct slice json, const struct expr_json_step *steps, size_t count, struct text *text)
{
    struct reader reader = {.at = json.data, .end = json.data + json.length};
    struct getter getter = {steps, count};
    struct output output = {text, 0};
    bool dirty = false;
    return walk(&reader, &getter, 0, STYLE_RAW, &output, &dirty) && dirty;
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
