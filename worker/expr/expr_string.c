// Strings: case, trimming, cutting, padding, searching. Positions count characters (code points), from 1. ASCII has
// fast paths; the rest goes through ICU. Nothing here raises but elt.
#include <string.h>

#include "worker/expr/expr_families.h"
#include "worker/expr/expr_icu.h"
#include "worker/expr/expr_utf8.h"

#define TOO_LONG "the text and the characters to look for are too long together"

static bool is_ascii(struct slice s)
{
    size_t i = 0;
    for (; i + 8 <= s.length; i += 8) {
        uint64_t word;
        memcpy(&word, s.data + i, 8);
        if (word & 0x8080808080808080ull) return false;
    }
    for (; i < s.length; i++) {
        if (s.data[i] & 0x80) return false;
    }
    return true;
}

static enum expr_outcome map_case(struct expr_row *row, struct slice s, bool upper, struct expr_datum *ret)
{
    text_reset(&row->text);
    if (!text_reserve(&row->text, is_ascii(s) ? s.length : s.length * 3 + 4)) return EXPR_FAIL; // refused by run_rows
    if (!is_ascii(s))
        return expr_row_string(ret, row->text.data, expr_icu_case(s, upper, row->text.data, s.length * 3 + 4));
    for (size_t i = 0; i < s.length; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool change = upper ? (unsigned)(c - 'a') < 26 : (unsigned)(c - 'A') < 26;
        row->text.data[i] = (char)(change ? c ^ 0x20 : c);
    }
    return expr_row_string(ret, row->text.data, s.length);
}

static enum expr_outcome row_upper(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return map_case(row, args[0].s, true, ret);
}

enum expr_outcome expr_string_lower(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return map_case(row, args[0].s, false, ret);
}

// Title case of words between spaces, the rest lower.
static enum expr_outcome row_initcap(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    struct expr_datum lower = {.null = false};
    struct text out = {.limit = row->text.limit};
    if (map_case(row, s, false, &lower) != EXPR_VALUE) return EXPR_FAIL;
    bool start = true;
    for (size_t at = 0; at < lower.s.length;) {
        size_t next = at + expr_utf8_size(lower.s.data + at, lower.s.length - at);
        if (start) {
            char bytes[4];
            uint32_t c = expr_utf8_decode(lower.s.data + at, next - at);
            text_append(&out, bytes, expr_utf8_encode(expr_icu_title(c), bytes));
        } else {
            text_append(&out, lower.s.data + at, next - at);
        }
        start = lower.s.data[at] == ' ';
        at = next;
    }
    text_reset(&row->text);
    text_append(&row->text, text_str(&out), out.length);
    row->text.over = row->text.over || out.over;
    text_deinit(&out);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static bool is_binary(const struct expr_row *row, uint32_t arg)
{
    return expr_arg_type(row->call, arg)->kind == TYPE_BINARY;
}

static enum expr_outcome row_length(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    return expr_row_int(ret, (int64_t)(is_binary(row, 0) ? s.length : expr_utf8_count(s)));
}

static enum expr_outcome row_octet_length(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, (int64_t)args[0].s.length);
}

static enum expr_outcome row_bit_length(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, (int64_t)args[0].s.length * 8);
}

static bool in_set(struct slice set, const char *character, size_t size)
{
    for (size_t at = 0; at < set.length;) {
        size_t width = expr_utf8_size(set.data + at, set.length - at);
        if (width == size && memcmp(set.data + at, character, size) == 0) return true;
        at += width;
    }
    return false;
}

// trim(s[, characters]): the function form of TRIM(characters FROM s)
static struct slice trim(struct slice s, struct slice set, bool left, bool right)
{
    while (left && s.length) {
        size_t size = expr_utf8_size(s.data, s.length);
        if (!in_set(set, s.data, size)) break;
        s = slice_of(s.data + size, s.length - size);
    }
    while (right && s.length) {
        size_t size = expr_utf8_last(s);
        if (!in_set(set, s.data + s.length - size, size)) break;
        s.length -= size;
    }
    return s;
}

static enum expr_outcome row_trim(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const char *name = row->call->step->name;
    struct slice set = expr_row_args(row) == 2 ? args[1].s : slice_of(" ", 1);
    if (args[0].s.length * (uint64_t)set.length > EXPR_WORK_MAX) return expr_row_too_much(row, TOO_LONG);
    ret->s = trim(args[0].s, set, name[0] != 'r', name[0] != 'l');
    return EXPR_VALUE;
}

// Characters [from, to) of a string, or bytes of a binary.
static struct slice cut(const struct expr_row *row, struct slice s, int64_t from, int64_t to)
{
    if (from < 0) from = 0;
    if (to <= from) return slice_of(s.data, 0);
    if (is_binary(row, 0)) {
        int64_t length = (int64_t)s.length;
        if (from > length) from = length;
        if (to > length) to = length;
        return slice_of(s.data + from, (size_t)(to - from));
    }
    size_t start = expr_utf8_offset(s, from);
    struct slice rest = slice_of(s.data + start, s.length - start);
    return slice_of(rest.data, expr_utf8_offset(rest, to - from));
}

static int64_t units(const struct expr_row *row, struct slice s)
{
    return (int64_t)(is_binary(row, 0) ? s.length : expr_utf8_count(s));
}

static enum expr_outcome row_substring(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    int64_t position = args[1].i, length = expr_row_args(row) == 3 ? args[2].i : INT32_MAX;
    int64_t start = position > 0 ? position - 1 : position < 0 ? units(row, s) + position : 0;
    int64_t end = start + length;
    ret->s = cut(row, s, start, end);
    return EXPR_VALUE;
}

static enum expr_outcome row_left(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    ret->s = cut(row, args[0].s, 0, args[1].i);
    return EXPR_VALUE;
}

static enum expr_outcome row_right(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t count = units(row, args[0].s);
    ret->s = args[1].i <= 0 ? slice_of("", 0) : cut(row, args[0].s, count - args[1].i, count);
    return EXPR_VALUE;
}

static const char *find(struct slice s, struct slice wanted)
{
    return wanted.length == 0 ? s.data : memmem(s.data, s.length, wanted.data, wanted.length);
}

static enum expr_outcome row_replace(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s, search = args[1].s, by = expr_row_args(row) == 3 ? args[2].s : slice_of("", 0);
    if (search.length == 0) {
        ret->s = s;
        return EXPR_VALUE;
    }
    text_reset(&row->text);
    while (s.length) {
        const char *at = find(s, search);
        if (!at) break;
        text_append(&row->text, s.data, (size_t)(at - s.data));
        text_append(&row->text, by.data, by.length);
        s.length -= (size_t)(at - s.data) + search.length;
        s.data = at + search.length;
        if (row->text.over) return EXPR_FAIL;
    }
    text_append(&row->text, s.data, s.length);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

// Position of wanted in s at or behind character `from` (0-based), 1-based; 0: not there.
static int64_t locate(struct slice s, struct slice wanted, int64_t from)
{
    size_t start = expr_utf8_offset(s, from);
    struct slice rest = slice_of(s.data + start, s.length - start);
    const char *at = find(rest, wanted);
    if (!at) return 0;
    return (int64_t)expr_utf8_count(slice_of(s.data, (size_t)(at - s.data))) + 1;
}

static enum expr_outcome row_instr(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, locate(args[0].s, args[1].s, 0));
}

static enum expr_outcome row_locate(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    bool has_start = expr_row_args(row) == 3;
    if (has_start && args[2].null) return expr_row_int(ret, 0);
    if (args[0].null || args[1].null) return EXPR_NULL;
    int64_t start = has_start ? args[2].i : 1;
    if (start >= 1 && args[0].s.length == 0) return expr_row_int(ret, 1); // wherever the search begins
    return expr_row_int(ret, start < 1 ? 0 : locate(args[1].s, args[0].s, start - 1));
}

static enum expr_outcome row_startswith(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct slice s = args[0].s, p = args[1].s;
    return expr_row_int(ret, s.length >= p.length && memcmp(s.data, p.data, p.length) == 0);
}

static enum expr_outcome row_endswith(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct slice s = args[0].s, p = args[1].s;
    return expr_row_int(ret, s.length >= p.length && memcmp(s.data + s.length - p.length, p.data, p.length) == 0);
}

static enum expr_outcome row_contains(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, find(args[0].s, args[1].s) != NULL);
}

static enum expr_outcome pad(struct expr_row *row, const struct expr_datum *args, bool left, struct expr_datum *ret)
{
    struct slice s = args[0].s,
                 fill = expr_row_args(row) == 3 ? args[2].s : slice_of(is_binary(row, 0) ? "\0" : " ", 1);
    int64_t wanted = args[1].i, have = units(row, s);
    if (wanted <= have || fill.length == 0) {
        ret->s = cut(row, s, 0, wanted);
        return EXPR_VALUE;
    }
    text_reset(&row->text);
    int64_t missing = wanted - have, per = units(row, fill);
    if ((uint64_t)missing / (uint64_t)per * fill.length + s.length > expr_row_bytes_max(row))
        return expr_row_too_large(row);
    if (!left) text_append(&row->text, s.data, s.length);
    for (; missing >= per; missing -= per) text_append(&row->text, fill.data, fill.length);
    struct slice part = cut(row, fill, 0, missing);
    text_append(&row->text, part.data, part.length);
    if (left) text_append(&row->text, s.data, s.length);
    return expr_row_string(ret, row->text.data, row->text.length);
}

static enum expr_outcome row_lpad(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return pad(row, args, true, ret);
}

static enum expr_outcome row_rpad(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return pad(row, args, false, ret);
}

static enum expr_outcome row_repeat(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    text_reset(&row->text);
    if (args[1].i > 0 && args[0].s.length * (uint64_t)args[1].i > expr_row_bytes_max(row))
        return expr_row_too_large(row);
    for (int64_t i = 0; i < args[1].i && args[0].s.length; i++)
        text_append(&row->text, args[0].s.data, args[0].s.length);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_concat(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint32_t count = expr_row_args(row);
    text_reset(&row->text);
    for (uint32_t i = 0; i < count; i++) text_append(&row->text, args[i].s.data, args[i].s.length);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static void separated(struct text *text, bool *first, struct slice separator, struct slice part)
{
    if (!*first) text_append(text, separator.data, separator.length);
    *first = false;
    text_append(text, part.data, part.length);
}

static enum expr_outcome row_concat_ws(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint32_t count = expr_row_args(row);
    bool first = true;
    if (args[0].null) return EXPR_NULL;
    text_reset(&row->text);
    for (uint32_t i = 1; i < count; i++) {
        if (args[i].null) continue;
        if (expr_arg_type(row->call, i)->kind != TYPE_ARRAY) {
            separated(&row->text, &first, args[0].s, args[i].s);
            continue;
        }
        const struct column *array = args[i].nested.column;
        for (int32_t j = array->offsets[args[i].nested.row]; j < array->offsets[args[i].nested.row + 1]; j++) {
            if (column_is_null(array->children[0], (uint32_t)j)) continue;
            separated(&row->text, &first, args[0].s, column_slice(array->children[0], (uint32_t)j));
        }
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_reverse(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    text_reset(&row->text);
    while (s.length) {
        size_t size = expr_utf8_last(s);
        text_append(&row->text, s.data + s.length - size, size);
        s.length -= size;
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum status reverse_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    (void)steps;
    if (step->type->kind != TYPE_ARRAY) return STATUS_OK;
    step->function = expr_function_find("array_reverse");
    step->kernel = expr_row_kernel;
    return step->function ? STATUS_OK
                          : error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "reverse of arrays is not supported yet");
}

static enum status concat_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    (void)steps;
    if (step->type->kind != TYPE_ARRAY) return STATUS_OK;
    step->function = expr_function_find("array_concat");
    step->kernel = expr_row_kernel;
    return step->function ? STATUS_OK
                          : error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "concat of arrays is not supported yet");
}

// translate(s, from, to): character by character; without a partner in `to` it goes
static enum expr_outcome row_translate(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    text_reset(&row->text);
    if (s.length * (uint64_t)args[1].s.length > EXPR_WORK_MAX) return expr_row_too_much(row, TOO_LONG);
    for (size_t at = 0; at < s.length;) {
        size_t size = expr_utf8_size(s.data + at, s.length - at);
        size_t from = 0, to = 0;
        bool found = false;
        while (from < args[1].s.length && !found) {
            size_t width = expr_utf8_size(args[1].s.data + from, args[1].s.length - from);
            found = width == size && memcmp(args[1].s.data + from, s.data + at, size) == 0;
            if (found) break;
            from += width;
            if (to < args[2].s.length) to += expr_utf8_size(args[2].s.data + to, args[2].s.length - to);
        }
        if (!found) {
            text_append(&row->text, s.data + at, size);
        } else if (to < args[2].s.length) {
            text_append(&row->text, args[2].s.data + to, expr_utf8_size(args[2].s.data + to, args[2].s.length - to));
        }
        at += size;
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_substring_index(struct expr_row *row, const struct expr_datum *args,
                                             struct expr_datum *ret)
{
    (void)row;
    struct slice s = args[0].s, mark = args[1].s;
    int64_t count = args[2].i;
    ret->s = slice_of(s.data, 0);
    if (count == 0 || mark.length == 0) return EXPR_VALUE;
    ret->s = s;
    if (count > 0) {
        struct slice rest = s;
        for (; count > 0; count--) {
            const char *at = find(rest, mark);
            if (!at) return EXPR_VALUE;
            if (count == 1) ret->s = slice_of(s.data, (size_t)(at - s.data));
            rest = slice_of(at + 1, s.length - (size_t)(at + 1 - s.data));
        }
        return EXPR_VALUE;
    }
    size_t end = s.length;
    for (; count < 0; count++) {
        bool found = false;
        for (size_t at = end; at-- > 0 && !found;) {
            if (at + mark.length > s.length || memcmp(s.data + at, mark.data, mark.length) != 0) continue;
            end = at;
            found = true;
        }
        if (!found) return EXPR_VALUE;
    }
    ret->s = slice_of(s.data + end + mark.length, s.length - end - mark.length);
    return EXPR_VALUE;
}

static enum expr_outcome row_overlay(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s, by = args[1].s;
    int64_t position = args[2].i, length = expr_row_args(row) == 4 ? args[3].i : -1;
    if (length < 0) length = (int64_t)expr_utf8_count(by);
    struct slice head = cut(row, s, 0, position - 1), tail = cut(row, s, position - 1 + length, INT32_MAX);
    text_reset(&row->text);
    text_append(&row->text, head.data, head.length);
    text_append(&row->text, by.data, by.length);
    text_append(&row->text, tail.data, tail.length);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

const struct expr_function expr_string_functions[] = {
    {"upper", NULL, row_upper, NULL, 0},
    {"lower", NULL, expr_string_lower, NULL, 0},
    {"initcap", NULL, row_initcap, NULL, 0},
    {"length", NULL, row_length, NULL, 0},
    {"octet_length", NULL, row_octet_length, NULL, 0},
    {"bit_length", NULL, row_bit_length, NULL, 0},
    {"trim", NULL, row_trim, NULL, 0},
    {"ltrim", NULL, row_trim, NULL, 0},
    {"rtrim", NULL, row_trim, NULL, 0},
    {"substring", NULL, row_substring, NULL, 0},
    {"substring_index", NULL, row_substring_index, NULL, 0},
    {"left", NULL, row_left, NULL, 0},
    {"right", NULL, row_right, NULL, 0},
    {"replace", NULL, row_replace, NULL, 0},
    {"instr", NULL, row_instr, NULL, 0},
    {"locate", NULL, row_locate, NULL, EXPR_TOLERANT},
    {"startswith", NULL, row_startswith, NULL, 0},
    {"endswith", NULL, row_endswith, NULL, 0},
    {"contains", NULL, row_contains, NULL, 0},
    {"lpad", NULL, row_lpad, NULL, 0},
    {"rpad", NULL, row_rpad, NULL, 0},
    {"repeat", NULL, row_repeat, NULL, 0},
    {"concat", NULL, row_concat, concat_bind, 0},
    {"concat_ws", NULL, row_concat_ws, NULL, EXPR_TOLERANT},
    {"reverse", NULL, row_reverse, reverse_bind, 0},
    {"translate", NULL, row_translate, NULL, 0},
    {"overlay", NULL, row_overlay, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
