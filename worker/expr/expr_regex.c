// LIKE by a matcher of our own; RLIKE, regexp_*, split and str_to_map by PCRE2 (UTF-8, JIT, its default limits), which
// is given Java's patterns in its own words.
// Patterns are compiled once as long as they stay the same. Raises INVALID_PARAMETER_VALUE for bad patterns and group
// numbers, INVALID_FORMAT for bad escapes, DUPLICATED_MAP_KEY.
#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <string.h>

#include "common/base/vector.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_regex_java.h"
#include "worker/expr/expr_utf8.h"

struct regex_state {
    struct text pattern; // the one compiled
    pcre2_code *code;
    pcre2_match_data *match;
    uint32_t groups;
    struct expr_row *row; // at work
    pcre2_match_context *limits;
    pcre2_jit_stack *stack; // made when the thread's own was too small
    bool tried;
    char why[128];    // it is no pattern
    bool unsupported; // for Java it is one
};

#define REGEX_MAX         2         // patterns of one call
#define REGEX_STEPS_MAX   10000000u // PCRE2's default: a tenth of a second
#define REGEX_HEAP_KIB    65536u    // where there is no JIT
#define REGEX_STACK_FIRST (64u << 10)
#define REGEX_STACK_MAX   (16u << 20)
typedef VECTOR(struct slice) slice_vector;

static void regex_state_free(void *state)
{
    struct regex_state *regexes = state;
    for (size_t i = 0; i < REGEX_MAX; i++) {
        text_deinit(&regexes[i].pattern);
        pcre2_code_free(regexes[i].code);
        pcre2_match_data_free(regexes[i].match);
        pcre2_match_context_free(regexes[i].limits);
        pcre2_jit_stack_free(regexes[i].stack);
    }
    memory_free(regexes);
}

static void regex_compile(struct regex_state *regex, struct slice pattern)
{
    int code;
    PCRE2_SIZE at;
    struct text text = {0};
    text_reset(&regex->pattern);
    text_append(&regex->pattern, pattern.data, pattern.length);
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->match);
    regex->code = NULL;
    regex->match = NULL;
    regex->tried = true;
    regex->unsupported = false;
    const char *refusal = expr_regex_java(pattern, &text);
    if (refusal) {
        snprintf(regex->why, sizeof regex->why, "%s", refusal);
        regex->unsupported = strstr(refusal, "not supported") != NULL;
    } else {
        regex->code =
            pcre2_compile((PCRE2_SPTR)text_str(&text), text.length, PCRE2_UTF | PCRE2_NO_UTF_CHECK, &code, &at, NULL);
        if (!regex->code) pcre2_get_error_message(code, (PCRE2_UCHAR *)regex->why, sizeof regex->why);
        regex->unsupported = !regex->code && code != PCRE2_ERROR_QUANTIFIER_INVALID;
    }
    if (regex->code) {
        pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);
        if (!regex->limits) {
            regex->limits = pcre2_match_context_create(NULL);
            pcre2_set_match_limit(regex->limits, REGEX_STEPS_MAX);
            pcre2_set_heap_limit(regex->limits, REGEX_HEAP_KIB);
        }
        regex->match = pcre2_match_data_create_from_pattern(regex->code, NULL);
        pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &regex->groups);
    }
    text_deinit(&text);
}

// A literal pattern of a form that Java has and that is not built here is refused before anything is read; one that
// Java refuses is the rows' error.
static enum status regex_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    step->state = memory_calloc(REGEX_MAX, sizeof(struct regex_state));
    step->state_free = regex_state_free;
    for (uint32_t i = 1; i < step->arg_count && i <= (strcmp(step->name, "str_to_map") == 0 ? 2 : 1); i++) {
        const struct column *pattern = expr_step_literal(steps, step->args[i]);
        if (!pattern || pattern->type->kind != TYPE_STRING) continue;
        struct regex_state *regex = (struct regex_state *)step->state + i - 1;
        regex_compile(regex, column_slice(pattern, 0));
        if (!regex->unsupported) continue;
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "%s: the regular expression '%.200s': %s", step->name,
                         text_str(&regex->pattern), regex->why);
    }
    return STATUS_OK;
}

// NULL: the row has failed.
static struct regex_state *regex_at(struct expr_row *row, size_t number, struct slice pattern)
{
    struct regex_state *regex = (struct regex_state *)row->call->step->state + number;
    bool same = regex->tried && regex->pattern.length == pattern.length &&
                memcmp(text_str(&regex->pattern), pattern.data, pattern.length) == 0;
    if (!same) regex_compile(regex, pattern);
    regex->row = row;
    if (regex->code) return regex;
    expr_row_fail(row, "INVALID_PARAMETER_VALUE.PATTERN",
                  "The value of parameter `regexp` in %s is invalid: '%.*s': %s", row->call->step->name,
                  pattern.length > 200 ? 200 : (int)pattern.length, pattern.data, regex->why);
    return NULL;
}

static struct regex_state *regex_of(struct expr_row *row, struct slice pattern)
{
    return regex_at(row, 0, pattern);
}

static int match_once(struct regex_state *regex, struct slice s, size_t from)
{
    return pcre2_match(regex->code, (PCRE2_SPTR)(s.data ? s.data : ""), s.length, from, PCRE2_NO_UTF_CHECK,
                       regex->match, regex->limits);
}

// A pattern that remembers a place for each character of a long text needs more than the thread's stack.
static bool match_widen(struct regex_state *regex)
{
    regex->stack = pcre2_jit_stack_create(REGEX_STACK_FIRST, REGEX_STACK_MAX, NULL);
    if (regex->stack && regex->limits) pcre2_jit_stack_assign(regex->limits, NULL, regex->stack);
    return regex->stack && regex->limits;
}

// The next match at or behind `from`. ret_found: [start, end)
static bool match_next(struct regex_state *regex, struct slice s, size_t from, size_t *ret_start, size_t *ret_end)
{
    if (from > s.length) return false;
    int count = match_once(regex, s, from);
    if (count == PCRE2_ERROR_JIT_STACKLIMIT && !regex->stack && match_widen(regex)) count = match_once(regex, s, from);
    if (count < 0 && count != PCRE2_ERROR_NOMATCH) // no answer is not "no match"
        regex->row->refused = "the regular expression needs too many steps for this text";
    if (count < 0) return false;
    PCRE2_SIZE *vector = pcre2_get_ovector_pointer(regex->match);
    *ret_start = vector[0];
    *ret_end = vector[1];
    return true;
}

// Where to look behind a match: an empty one is stepped over by a character.
static size_t match_behind(struct slice s, size_t start, size_t end)
{
    if (end > start || end >= s.length) return end + (end == start);
    return end + expr_utf8_size(s.data + end, s.length - end);
}

// Java looks a UTF-16 unit behind an empty match, so between the halves of a character beyond U+FFFF, too: whether the
// pattern is empty there once more, two characters that are no letters tell. Overwrites the match.
static bool match_again(struct regex_state *regex, struct slice s, size_t start, size_t end)
{
    static const char halves[] = "\xEE\x80\x80\xEE\x80\x80";
    const size_t middle = (sizeof halves - 1) / 2;
    if (end > start || end >= s.length || expr_utf8_size(s.data + end, s.length - end) < 4) return false;
    int count = pcre2_match(regex->code, (PCRE2_SPTR)halves, sizeof halves - 1, middle,
                            PCRE2_ANCHORED | PCRE2_NO_UTF_CHECK, regex->match, NULL);
    return count >= 0 && pcre2_get_ovector_pointer(regex->match)[1] == middle;
}

static enum expr_outcome row_rlike(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    size_t start, end;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    return expr_row_int(ret, match_next(regex, args[0].s, 0, &start, &end));
}

static enum expr_outcome row_regexp_count(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    size_t start, end, from = 0;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    ret->i = 0;
    for (; match_next(regex, args[0].s, from, &start, &end); from = match_behind(args[0].s, start, end))
        ret->i += 1 + match_again(regex, args[0].s, start, end);
    return EXPR_VALUE;
}

static enum expr_outcome row_regexp_instr(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    size_t start, end;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    if (!match_next(regex, args[0].s, 0, &start, &end)) return expr_row_int(ret, 0);
    return expr_row_int(ret, (int64_t)expr_utf8_count(slice_of(args[0].s.data, start)) + 1);
}

static enum expr_outcome row_regexp_substr(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    size_t start, end;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    if (!match_next(regex, args[0].s, 0, &start, &end)) return EXPR_NULL;
    return expr_row_string(ret, args[0].s.data + start, end - start);
}

static struct slice group_of(const struct regex_state *regex, struct slice s, int64_t group)
{
    PCRE2_SIZE *vector = pcre2_get_ovector_pointer(regex->match);
    if (vector[2 * group] == PCRE2_UNSET) return slice_of("", 0);
    return slice_of(s.data + vector[2 * group], vector[2 * group + 1] - vector[2 * group]);
}

static enum expr_outcome bad_group(struct expr_row *row, const struct regex_state *regex, int64_t group)
{
    return expr_row_fail(row, "INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX",
                         "%s: the group index must be between 0 and %u, but got %lld", row->call->step->name,
                         regex->groups, (long long)group);
}

static enum expr_outcome row_regexp_extract(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    size_t start, end;
    int64_t group = expr_row_args(row) == 3 ? args[2].i : 1;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    if (!match_next(regex, args[0].s, 0, &start, &end)) return expr_row_string(ret, "", 0);
    if (group < 0 || group > regex->groups) return bad_group(row, regex, group);
    ret->s = group_of(regex, args[0].s, group);
    return EXPR_VALUE;
}

static bool append_text(struct expr_row *row, struct slice s)
{
    return column_builder_bytes(column_builder_child(row->builder, 0), s.data, s.length, row->err) == STATUS_OK;
}

static enum expr_outcome finish_list(struct expr_row *row)
{
    return column_builder_nested(row->builder, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

static enum expr_outcome row_regexp_extract_all(struct expr_row *row, const struct expr_datum *args,
                                                struct expr_datum *ret)
{
    (void)ret;
    size_t start, end, from = 0;
    int64_t group = expr_row_args(row) == 3 ? args[2].i : 1;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    for (; match_next(regex, args[0].s, from, &start, &end); from = match_behind(args[0].s, start, end)) {
        if (group < 0 || group > regex->groups)
            return bad_group(row, regex, group); // at the first match: nothing appended yet
        if (!append_text(row, group_of(regex, args[0].s, group))) return EXPR_BROKEN;
        bool again = match_again(regex, args[0].s, start, end);
        if (again && !append_text(row, slice_of("", 0))) return EXPR_BROKEN;
    }
    return finish_list(row);
}

static enum expr_outcome bad_replacement(struct expr_row *row, const char *why)
{
    return expr_row_fail(row, "INVALID_REGEXP_REPLACE", "Could not perform regexp_replace: %s", why);
}

// ${name} behind the $: the group's text. *at is left on the }.
static enum expr_outcome append_named(struct expr_row *row, const struct regex_state *regex, struct slice s,
                                      struct slice by, size_t *at)
{
    char name[33] = "";
    size_t from = *at + 2, length = 0;
    while (from + length < by.length && isalnum((unsigned char)by.data[from + length])) length++;
    if (length == 0 || isdigit((unsigned char)by.data[from]))
        return bad_replacement(row, "a named capturing group needs a name that begins with a letter");
    if (from + length == by.length || by.data[from + length] != '}')
        return bad_replacement(row, "a named capturing group is missing its closing }");
    if (length < sizeof name) memcpy(name, by.data + from, length);
    int group = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);
    if (group <= 0) return bad_replacement(row, "there is no group of that name");
    struct slice text = group_of(regex, s, group);
    text_append(&row->text, text.data, text.length);
    *at = from + length;
    return EXPR_VALUE;
}

// Java's replacement: $1, ${name}, \x
static enum expr_outcome append_replacement(struct expr_row *row, const struct regex_state *regex, struct slice s,
                                            struct slice by)
{
    for (size_t at = 0; at < by.length; at++) {
        char c = by.data[at];
        if (c == '\\') {
            if (++at == by.length) return bad_replacement(row, "character to be escaped is missing");
            text_append_char(&row->text, by.data[at]);
        } else if (c == '$' && at + 1 < by.length && by.data[at + 1] == '{') {
            enum expr_outcome outcome = append_named(row, regex, s, by, &at);
            if (outcome != EXPR_VALUE) return outcome;
        } else if (c == '$') {
            if (at + 1 == by.length || !isdigit((unsigned char)by.data[at + 1]))
                return bad_replacement(row, "illegal group reference");
            uint32_t group = (uint32_t)(by.data[++at] - '0');
            if (group > regex->groups) return bad_replacement(row, "no such group");
            while (at + 1 < by.length && isdigit((unsigned char)by.data[at + 1])) {
                uint32_t longer = group * 10 + (uint32_t)(by.data[at + 1] - '0');
                if (longer > regex->groups) break;
                group = longer;
                at++;
            }
            struct slice text = group_of(regex, s, group);
            text_append(&row->text, text.data, text.length);
        } else {
            text_append_char(&row->text, c);
        }
    }
    return EXPR_VALUE;
}

static enum expr_outcome row_regexp_replace(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct slice s = args[0].s;
    size_t start, end, done = 0, from = 0;
    int64_t position = expr_row_args(row) == 4 ? args[3].i : 1;
    struct regex_state *regex = regex_of(row, args[1].s);
    if (!regex) return EXPR_FAIL;
    if (position < 1) return expr_row_fail(row, "INVALID_PARAMETER_VALUE.POSITION", "the position must be positive");
    from = expr_utf8_offset(s, position - 1);
    text_reset(&row->text);
    for (; match_next(regex, s, from, &start, &end); from = match_behind(s, start, end)) {
        text_append(&row->text, s.data + done, start - done);
        enum expr_outcome outcome = append_replacement(row, regex, s, args[2].s);
        if (outcome != EXPR_VALUE) return outcome;
        if (row->text.over) return EXPR_FAIL;
        done = end;
    }
    text_append(&row->text, s.data + done, s.length - done);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

// A text in parts, as Java's String.split has them: an empty match at the start gives no leading empty part; limit > 0
// bounds their number.
struct regex_parts {
    struct regex_state *regex;
    struct slice s;
    int64_t limit;
    size_t done, from;
    int64_t count;
    bool over;
};

static bool next_part(struct regex_parts *parts, struct slice *ret_part)
{
    struct slice s = parts->s;
    size_t start = 0, end = 0;
    bool characters = parts->regex->pattern.length == 0, last = s.length == 0;
    if (parts->over) return false;
    if (parts->limit > 0 && parts->count + 1 >= parts->limit) last = true;
    for (bool cut = false; !last && !cut;) {
        last = !match_next(parts->regex, s, parts->from, &start, &end);
        if (last) break;
        parts->from = match_behind(s, start, end);
        cut = end != 0 && !(characters && end == s.length);
    }
    parts->over = last;
    *ret_part = slice_of(s.data + parts->done, (last ? s.length : start) - parts->done);
    parts->done = end;
    parts->count++;
    return true;
}

static enum expr_outcome row_split(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct slice part;
    struct regex_parts parts = {.regex = regex_of(row, args[1].s), .s = args[0].s};
    if (!parts.regex) return EXPR_FAIL;
    if (expr_row_args(row) == 3) parts.limit = args[2].i;
    while (next_part(&parts, &part)) {
        if (!append_text(row, part)) return EXPR_BROKEN;
    }
    return finish_list(row);
}

// The parts of the text, each cut in two: key and value, or a key without value.
static bool read_pairs(struct regex_parts *parts, struct regex_state *key_mark, slice_vector *pairs)
{
    struct slice pair, half = slice_of(NULL, 0);
    while (next_part(parts, &pair)) {
        struct regex_parts halves = {.regex = key_mark, .s = pair, .limit = 2};
        (void)next_part(&halves, &half);
        for (size_t i = 0; i < pairs->count; i += 2) {
            if (slice_equal(pairs->items[i], half)) return false;
        }
        vector_push(pairs, half.data ? half : slice_of("", 0));
        if (!next_part(&halves, &half)) half = slice_of(NULL, 0);
        vector_push(pairs, half);
    }
    return true;
}

// str_to_map(text[, pairs' mark[, key's mark]]); marks are patterns.
static enum expr_outcome row_str_to_map(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    uint32_t count = expr_row_args(row);
    slice_vector pairs = {0};
    enum expr_outcome outcome = EXPR_VALUE;
    struct regex_parts parts = {.s = args[0].s};
    struct regex_state *key_mark = regex_at(row, 1, count > 2 ? args[2].s : slice_str(":"));
    if (key_mark) parts.regex = regex_at(row, 0, count > 1 ? args[1].s : slice_str(","));
    if (!parts.regex) return EXPR_FAIL;
    if (!read_pairs(&parts, key_mark, &pairs))
        outcome = expr_row_fail(row, "DUPLICATED_MAP_KEY", "Duplicate map key was found.");
    for (size_t i = 0; i < pairs.count && outcome == EXPR_VALUE; i++) {
        struct column_builder *child = column_builder_child(row->builder, i % 2);
        struct slice text = pairs.items[i];
        enum status status = text.data ? column_builder_bytes(child, text.data, text.length, row->err)
                                       : column_builder_null(child, row->err);
        if (status != STATUS_OK) outcome = EXPR_BROKEN;
    }
    vector_deinit(&pairs);
    return outcome == EXPR_VALUE ? finish_list(row) : outcome;
}

static size_t like_size(struct slice s, size_t at)
{
    return expr_utf8_size(s.data + at, s.length - at);
}

static bool like_escaped(struct slice pattern, size_t at, struct slice escape)
{
    return pattern.length - at > escape.length && memcmp(pattern.data + at, escape.data, escape.length) == 0;
}

// One pattern character against one of the text; *pattern_at moves behind it. '%' is the caller's.
static bool like_one(struct slice pattern, size_t *pattern_at, struct slice s, size_t at, struct slice escape,
                     size_t *ret_size)
{
    bool escaped = like_escaped(pattern, *pattern_at, escape);
    size_t from = *pattern_at + (escaped ? escape.length : 0), size = like_size(pattern, from);
    *pattern_at = from + size;
    if (at >= s.length) return false;
    *ret_size = like_size(s, at);
    if (!escaped && pattern.data[from] == '_') return true;
    return *ret_size == size && memcmp(s.data + at, pattern.data + from, size) == 0;
}

static bool like_matches(struct slice s, struct slice pattern, struct slice escape)
{
    size_t at = 0, pattern_at = 0, retry_at = 0, retry_pattern = SIZE_MAX;
    while (at < s.length || pattern_at < pattern.length) {
        bool any = pattern_at < pattern.length && pattern.data[pattern_at] == '%';
        if (any && !like_escaped(pattern, pattern_at, escape)) {
            retry_pattern = ++pattern_at;
            retry_at = at;
            continue;
        }
        size_t size = 0, next = pattern_at;
        if (pattern_at < pattern.length && like_one(pattern, &next, s, at, escape, &size)) {
            pattern_at = next;
            at += size;
            continue;
        }
        if (retry_pattern == SIZE_MAX || retry_at >= s.length) return false;
        retry_at += like_size(s, retry_at);
        at = retry_at;
        pattern_at = retry_pattern;
    }
    return true;
}

// An escape may only stand before '%', '_' or itself.
static enum expr_outcome like_check(struct expr_row *row, struct slice pattern, struct slice escape)
{
    for (size_t at = 0; at < pattern.length; at++) {
        struct slice rest = slice_of(pattern.data + at, pattern.length - at);
        if (rest.length < escape.length || memcmp(rest.data, escape.data, escape.length) != 0) continue;
        if (rest.length == escape.length) {
            return expr_row_fail(row, "INVALID_FORMAT.ESC_AT_THE_END",
                                 "The escape character is not allowed to end the pattern");
        }
        at += escape.length;
        size_t size = like_size(pattern, at);
        struct slice next = slice_of(pattern.data + at, size);
        at += size - 1;
        if (*next.data == '%' || *next.data == '_' || slice_equal(next, escape)) continue;
        return expr_row_fail(row, "INVALID_FORMAT.ESC_IN_THE_MIDDLE",
                             "The escape character is not allowed to precede '%.*s'", (int)next.length, next.data);
    }
    return EXPR_VALUE;
}

static enum expr_outcome like(struct expr_row *row, const struct expr_datum *args, struct slice s, struct slice pattern,
                              struct expr_datum *ret)
{
    struct slice escape = expr_row_args(row) == 3 ? args[2].s : slice_str("\\");
    if (pattern.length > 0 && memchr(pattern.data, *escape.data, pattern.length)) {
        enum expr_outcome outcome = like_check(row, pattern, escape);
        if (outcome != EXPR_VALUE) return outcome;
    }
    return expr_row_int(ret, like_matches(s, pattern, escape));
}

static enum expr_outcome row_like(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return like(row, args, args[0].s, args[1].s, ret);
}

static enum expr_outcome row_ilike(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_datum folded = {.null = false};
    struct text s = {0};
    expr_string_lower(row, &args[0], &folded);
    text_append(&s, folded.s.data, folded.s.length);
    expr_string_lower(row, &args[1], &folded);
    enum expr_outcome outcome = like(row, args, slice_of(text_str(&s), s.length), folded.s, ret);
    text_deinit(&s);
    return outcome;
}

const struct expr_function expr_regex_functions[] = {
    {"like", NULL, row_like, NULL, 0},
    {"ilike", NULL, row_ilike, NULL, 0},
    {"rlike", NULL, row_rlike, regex_bind, 0},
    {"regexp_replace", NULL, row_regexp_replace, regex_bind, 0},
    {"regexp_extract", NULL, row_regexp_extract, regex_bind, 0},
    {"regexp_extract_all", NULL, row_regexp_extract_all, regex_bind, 0},
    {"regexp_count", NULL, row_regexp_count, regex_bind, 0},
    {"regexp_instr", NULL, row_regexp_instr, regex_bind, 0},
    {"regexp_substr", NULL, row_regexp_substr, regex_bind, 0},
    {"split", NULL, row_split, regex_bind, 0},
    {"str_to_map", NULL, row_str_to_map, regex_bind, 0},
    {NULL, NULL, NULL, NULL, 0},
};
