// One pass over the pattern (java.util.regex.Pattern, Java 17). What both read alike is copied; what PCRE2 reads
// otherwise is written in other words: line ends of Java's for . ^ $ \Z, ASCII case folding, \b by Unicode letters,
// octal and \u escapes, properties by name, inline flags, comments. Classes within classes and a few rare forms are
// refused.
#include "worker/expr/expr_regex_java.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/error.h"
#include "worker/expr/expr_utf8.h"

#define GROUP_DEPTH_MAX 200u

enum { FLAG_I = 1, FLAG_D = 2, FLAG_M = 4, FLAG_S = 8, FLAG_U = 16, FLAG_X = 32 };

#define LINE_ENDS "\\n\\r\\x{85}\\x{2028}\\x{2029}"
#define WORD      "[\\p{L}\\p{Nd}_]"

struct java {
    struct slice pattern;
    size_t at;
    struct text *out;
    unsigned flags, depth, groups;
    unsigned saved[GROUP_DEPTH_MAX]; // flags around the open groups
    const char *refusal;
};

static bool refuse(struct java *java, const char *why)
{
    if (!java->refusal) java->refusal = why;
    return false;
}

static int peek(const struct java *java)
{
    return java->at < java->pattern.length ? (unsigned char)java->pattern.data[java->at] : -1;
}

static int peek_behind(const struct java *java, size_t skip)
{
    return java->at + skip < java->pattern.length ? (unsigned char)java->pattern.data[java->at + skip] : -1;
}

static bool is_letter(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_figure(int c)
{
    return c >= '0' && c <= '9';
}

static int hex_value(int c)
{
    if (is_figure(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static void put_code(struct java *java, uint32_t code)
{
    text_printf(java->out, "\\x{%x}", code);
}

// A literal character outside of a class.
static void put_literal(struct java *java, uint32_t code)
{
    bool letter = is_letter((int)code);
    if (java->flags & FLAG_I && java->flags & FLAG_U) {
        text_printf(java->out, "(?i:\\x{%x})", code);
    } else if (java->flags & FLAG_I && letter) {
        text_printf(java->out, "[%c%c]", (int)(code | 0x20), (int)(code & ~0x20u));
    } else if (letter || is_figure((int)code) || code == ' ' || code == '_') {
        text_append_char(java->out, (char)code);
    } else {
        put_code(java, code);
    }
}

static uint32_t take_character(struct java *java)
{
    const char *data = java->pattern.data + java->at;
    size_t size = expr_utf8_size(data, java->pattern.length - java->at);
    java->at += size;
    return expr_utf8_decode(data, size);
}

// Digits of an escape: at most `max`, at least `min`.
static bool take_hex(struct java *java, size_t min, size_t max, uint32_t *ret_code)
{
    size_t count = 0;
    *ret_code = 0;
    for (; count < max && hex_value(peek(java)) >= 0; count++)
        *ret_code = *ret_code << 4 | (uint32_t)hex_value(peek(java)), java->at++;
    return count >= min || refuse(java, "an escape of a character lacks hexadecimal digits");
}

static bool take_octal(struct java *java, uint32_t *ret_code)
{
    size_t count = 0;
    *ret_code = 0;
    for (; count < 3 && peek(java) >= '0' && peek(java) <= '7'; count++) {
        if (count == 2 && *ret_code > 037) break;
        *ret_code = *ret_code << 3 | (uint32_t)(peek(java) - '0');
        java->at++;
    }
    return count > 0 || refuse(java, "\\0 needs octal digits");
}

static bool take_unicode(struct java *java, uint32_t *ret_code)
{
    uint32_t low;
    if (!take_hex(java, 4, 4, ret_code)) return false;
    if (*ret_code < 0xD800 || *ret_code > 0xDFFF) return true;
    bool pair = *ret_code < 0xDC00 && peek(java) == '\\' && peek_behind(java, 1) == 'u';
    if (pair) {
        java->at += 2;
        if (!take_hex(java, 4, 4, &low)) return false;
        pair = low >= 0xDC00 && low <= 0xDFFF;
    }
    if (!pair) return refuse(java, "half of a surrogate pair (\\uD800 to \\uDFFF) is not supported");
    *ret_code = 0x10000 + ((*ret_code - 0xD800) << 10) + (low - 0xDC00);
    return true;
}

// Behind the backslash: an escape of one character. *ret_is false: it is something else, nothing is taken.
static bool take_escaped(struct java *java, bool *ret_is, uint32_t *ret_code)
{
    static const char from[] = "tnrfae", to[] = "\t\n\r\f\a\x1b";
    int c = peek(java);
    const char *known = c > 0 ? strchr(from, c) : NULL;
    *ret_is = true;
    if (c < 0) return refuse(java, "it ends with a backslash");
    if (!is_letter(c) && !is_figure(c)) {
        *ret_code = take_character(java);
        return true;
    }
    java->at++;
    if (known) {
        *ret_code = (unsigned char)to[known - from];
        return true;
    }
    switch (c) {
    case '0': return take_octal(java, ret_code);
    case 'u': return take_unicode(java, ret_code);
    case 'x':
        if (peek(java) != '{') return take_hex(java, 2, 2, ret_code);
        java->at++;
        if (!take_hex(java, 1, 6, ret_code)) return false;
        if (peek(java) != '}' || *ret_code > 0x10FFFF) return refuse(java, "\\x{…} names no character");
        java->at++;
        return true;
    case 'c':
        if (peek(java) < 0) return refuse(java, "\\c needs a character");
        *ret_code = take_character(java) ^ 64;
        return true;
    default:
        java->at--;
        *ret_is = false;
        return true;
    }
}

// ---- properties

struct property {
    const char *name;
    const char *set, *not_set; // class items
};
#define PLAIN(name, of)                                                                                                \
    {                                                                                                                  \
        name, "\\p{" of "}", "\\P{" of "}"                                                                             \
    }
static const struct property ascii_properties[] = {
    {"Lower", "a-z", "\\x{0}-`{-\\x{10FFFF}"},
    {"Upper", "A-Z", "\\x{0}-@\\[-\\x{10FFFF}"},
    {"ASCII", "\\x{0}-\\x{7F}", "\\x{80}-\\x{10FFFF}"},
    {"Alpha", "a-zA-Z", "\\x{0}-@\\[-`{-\\x{10FFFF}"},
    {"Digit", "0-9", "\\x{0}-/:-\\x{10FFFF}"},
    {"Alnum", "a-zA-Z0-9", "\\x{0}-/:-@\\[-`{-\\x{10FFFF}"},
    {"Punct", "!-/:-@\\[-`{-~", "\\x{0}- 0-9A-Za-z\\x{7F}-\\x{10FFFF}"},
    {"Graph", "!-~", "\\x{0}- \\x{7F}-\\x{10FFFF}"},
    {"Print", " -~", "\\x{0}-\\x{1F}\\x{7F}-\\x{10FFFF}"},
    {"Blank", " \\t", "\\x{0}-\\x{8}\\x{A}-\\x{1F}!-\\x{10FFFF}"},
    {"Cntrl", "\\x{0}-\\x{1F}\\x{7F}", " -~\\x{80}-\\x{10FFFF}"},
    {"XDigit", "0-9A-Fa-f", "\\x{0}-/:-@G-`g-\\x{10FFFF}"},
    {"Space", " \\x{9}-\\x{D}", "\\x{0}-\\x{8}\\x{E}-\\x{1F}!-\\x{10FFFF}"},
    {"L1", "\\x{0}-\\x{FF}", "\\x{100}-\\x{10FFFF}"},
    PLAIN("LC", "L&"),
    PLAIN("javaLowerCase", "Lowercase"),
    PLAIN("javaUpperCase", "Uppercase"),
    PLAIN("javaTitleCase", "Lt"),
    PLAIN("javaAlphabetic", "Alphabetic"),
    PLAIN("javaIdeographic", "Ideographic"),
    PLAIN("javaDigit", "Nd"),
    PLAIN("javaLetter", "L"),
};
static const struct property is_properties[] = {
    PLAIN("ALPHABETIC", "Alphabetic"),
    PLAIN("LETTER", "L"),
    PLAIN("IDEOGRAPHIC", "Ideographic"),
    PLAIN("LOWERCASE", "Lowercase"),
    PLAIN("UPPERCASE", "Uppercase"),
    PLAIN("TITLECASE", "Lt"),
    PLAIN("WHITE_SPACE", "White_Space"),
    PLAIN("WHITESPACE", "White_Space"),
    PLAIN("CONTROL", "Cc"),
    PLAIN("PUNCTUATION", "P"),
    PLAIN("DIGIT", "Nd"),
    {"ASSIGNED", "\\P{Cn}", "\\p{Cn}"},
};
static const char categories[] = " Cn Lu Ll Lt Lm Lo Mn Me Mc Nd Nl No Zs Zl Zp Cc Cf Co Pd Ps Pe Pc Po Sm Sc Sk So Pi "
                                 "Pf L M N Z C P S ";

static bool is_category(struct slice name)
{
    char padded[5];
    if (name.length < 1 || name.length > 2) return false;
    snprintf(padded, sizeof padded, " %.*s ", (int)name.length, name.data);
    return strstr(categories, padded) != NULL;
}

static const struct property *property_of(const struct property *list, size_t count, struct slice name, bool fold)
{
    for (size_t i = 0; i < count; i++) {
        struct slice known = slice_str(list[i].name);
        if (fold ? slice_equal_nocase(known, name) : slice_equal(known, name)) return &list[i];
    }
    return NULL;
}

// A script's or category's name as both know it.
static bool put_named(struct java *java, struct slice name, bool negated)
{
    for (size_t i = 0; i < name.length; i++) {
        if (!is_letter(name.data[i]) && name.data[i] != '_') return refuse(java, "the property is not known");
    }
    if (name.length == 0) return refuse(java, "the property has no name");
    text_printf(java->out, "\\%c{%.*s}", negated ? 'P' : 'p', (int)name.length, name.data);
    return true;
}

static bool put_property(struct java *java, struct slice name, bool negated)
{
    bool fold = java->flags & FLAG_I;
    const char *equals = memchr(name.data, '=', name.length);
    const struct property *property = NULL;
    if (equals) {
        struct slice key = slice_of(name.data, (size_t)(equals - name.data));
        struct slice value = slice_of(equals + 1, name.length - key.length - 1);
        bool script = slice_equal_nocase(key, slice_str("sc")) || slice_equal_nocase(key, slice_str("script"));
        bool category =
            slice_equal_nocase(key, slice_str("gc")) || slice_equal_nocase(key, slice_str("general_category"));
        if (!script && !category) return refuse(java, "properties of this kind (\\p{block=…}) are not supported");
        if (category && !is_category(value)) return refuse(java, "the category of \\p{gc=…} is not known");
        return put_named(java, value, negated);
    }
    if (name.length > 2 && strncmp(name.data, "In", 2) == 0) return refuse(java, "blocks (\\p{In…}) are not supported");
    if (name.length > 2 && strncmp(name.data, "Is", 2) == 0) {
        name = slice_of(name.data + 2, name.length - 2);
        property = property_of(is_properties, sizeof is_properties / sizeof *is_properties, name, true);
        if (!property && !is_category(name) && name.length < 3) return refuse(java, "the property is not known");
        bool emoji = name.length > 4 && strncasecmp(name.data, "emoji", 5) == 0; // of later Javas
        if (emoji) return refuse(java, "the property is not known");
        if (!property) return put_named(java, name, negated);
    }
    bool cased = slice_equal(name, slice_str("Lower")) || slice_equal(name, slice_str("Upper"));
    if (fold && cased) name = slice_str("Alpha");
    bool letters = name.length == 2 && name.data[0] == 'L' && strchr("ult", name.data[1]);
    if (fold && letters) name = slice_str("LC");
    if (!property)
        property = property_of(ascii_properties, sizeof ascii_properties / sizeof *ascii_properties, name, false);
    if (property) {
        text_append_str(java->out, negated ? property->not_set : property->set);
        return true;
    }
    if (is_category(name)) return put_named(java, name, negated);
    return refuse(java, "the property is not known");
}

// Behind \p or \P; class items are written.
static bool take_property(struct java *java, bool negated)
{
    if (peek(java) != '{') {
        struct slice one = slice_of(java->pattern.data + java->at, peek(java) < 0 ? 0 : 1);
        java->at++;
        return one.length ? put_property(java, one, negated) : refuse(java, "\\p needs a property");
    }
    const char *from = java->pattern.data + java->at + 1;
    const char *end = memchr(from, '}', java->pattern.length - java->at - 1);
    if (!end) return refuse(java, "\\p{ is not closed");
    java->at += (size_t)(end - from) + 2;
    return put_property(java, slice_of(from, (size_t)(end - from)), negated);
}

// ---- classes

static void skip_blanks(struct java *java)
{
    while (java->flags & FLAG_X && peek(java) >= 0) {
        if (strchr(" \t\n\v\f\r", peek(java)) && peek(java)) {
            java->at++;
        } else if (peek(java) == '#') {
            while (peek(java) >= 0 && peek(java) != '\n' && peek(java) != '\r') java->at++;
        } else {
            return;
        }
    }
}

static void put_range(struct java *java, uint32_t from, uint32_t to)
{
    put_code(java, from);
    if (to > from) text_append_char(java->out, '-');
    if (to > from) put_code(java, to);
}

// A range with what ASCII case folding adds to it.
static void put_folded(struct java *java, uint32_t from, uint32_t to)
{
    put_range(java, from, to);
    if (!(java->flags & FLAG_I)) return;
    for (uint32_t c = 'a'; c <= 'z'; c++) {
        uint32_t upper = c - 32;
        if (c >= from && c <= to) put_code(java, upper);
        if (upper >= from && upper <= to) put_code(java, c);
    }
}

// \d and the like in a class; false: refused.
static bool take_class_set(struct java *java)
{
    int c = peek(java);
    if (c == 'p' || c == 'P') {
        java->at++;
        return take_property(java, c == 'P');
    }
    if (c <= 0 || !strchr("dDwWsShHvV", c)) return refuse(java, "an escape that no class can hold");
    text_printf(java->out, "\\%c", c);
    java->at++;
    return true;
}

// One character of a class. *ret_is false: a set, written already.
static bool take_class_one(struct java *java, bool *ret_is, uint32_t *ret_code)
{
    *ret_is = true;
    if (peek(java) != '\\') {
        *ret_code = take_character(java);
        return true;
    }
    java->at++;
    if (!take_escaped(java, ret_is, ret_code)) return false;
    return *ret_is || take_class_set(java);
}

static bool take_class_quoted(struct java *java)
{
    for (java->at += 2; peek(java) >= 0;) {
        if (peek(java) == '\\' && peek_behind(java, 1) == 'E') {
            java->at += 2;
            return true;
        }
        uint32_t code = take_character(java);
        put_folded(java, code, code);
    }
    return true;
}

static bool take_class_item(struct java *java)
{
    bool is;
    uint32_t from, to;
    if (peek(java) == '[') return refuse(java, "a class within a class ([a[b]]) is not supported");
    if (peek(java) == '&' && peek_behind(java, 1) == '&')
        return refuse(java, "an intersection of classes ([a-z&&[^b]]) is not supported");
    if (peek(java) == '\\' && peek_behind(java, 1) == 'Q') return take_class_quoted(java);
    if (!take_class_one(java, &is, &from)) return false;
    if (!is) return true;
    to = from;
    skip_blanks(java);
    if (peek(java) == '-' && peek_behind(java, 1) >= 0 && !strchr("]", peek_behind(java, 1))) {
        if (peek_behind(java, 1) == '[') return refuse(java, "a class within a class ([a[b]]) is not supported");
        java->at++;
        skip_blanks(java);
        if (!take_class_one(java, &is, &to)) return false;
        if (!is || to < from) return refuse(java, "a range in a class goes backwards");
    }
    put_folded(java, from, to);
    return true;
}

static bool take_class(struct java *java)
{
    bool fold = java->flags & FLAG_I && java->flags & FLAG_U;
    if (fold) text_append_str(java->out, "(?i:");
    text_append_char(java->out, '[');
    java->at++;
    if (peek(java) == '^') {
        text_append_char(java->out, '^');
        java->at++;
    }
    bool first = true;
    for (skip_blanks(java); first || peek(java) != ']'; skip_blanks(java), first = false) {
        if (peek(java) < 0) return refuse(java, "a class is not closed");
        if (!take_class_item(java)) return false;
    }
    java->at++;
    text_append_str(java->out, fold ? "])" : "]");
    return true;
}

// ---- groups

static bool take_name(struct java *java)
{
    size_t from = java->at;
    if (!is_letter(peek(java))) return refuse(java, "a group's name begins with a letter");
    while (is_letter(peek(java)) || is_figure(peek(java))) java->at++;
    if (peek(java) != '>') return refuse(java, "a group's name is of letters and digits");
    java->at++;
    text_append(java->out, java->pattern.data + from, java->at - from);
    return true;
}

// Behind "(?": flags, to the ) or : that ends them.
static bool take_flags(struct java *java)
{
    static const char letters[] = "idmsux";
    unsigned flags = java->flags;
    bool off = false;
    for (;; java->at++) {
        int c = peek(java);
        const char *known = c > 0 ? strchr(letters, c) : NULL;
        if (c == '-' && !off) {
            off = true;
        } else if (known) {
            unsigned flag = 1u << (known - letters);
            flags = off ? flags & ~flag : flags | flag;
        } else if (c == 'U') {
            return refuse(java, "the flag U (classes by Unicode) is not supported");
        } else if (c == ')' || c == ':') {
            break;
        } else {
            return refuse(java, "an inline modifier is not known");
        }
    }
    bool group = peek(java) == ':';
    java->at++;
    text_append_str(java->out, group ? "(?:" : "(?:)");
    if (group) java->saved[java->depth++] = java->flags;
    java->flags = flags;
    return true;
}

static bool take_group(struct java *java)
{
    static const char *const forms[] = {"(?:", "(?=", "(?!", "(?>", "(?<=", "(?<!"};
    if (java->depth == GROUP_DEPTH_MAX) return refuse(java, "groups are nested too deep");
    struct slice rest = slice_of(java->pattern.data + java->at, java->pattern.length - java->at);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        size_t length = strlen(forms[i]);
        if (rest.length < length || memcmp(rest.data, forms[i], length) != 0) continue;
        text_append_str(java->out, forms[i]);
        java->saved[java->depth++] = java->flags;
        java->at += length;
        return true;
    }
    java->at++;
    if (peek(java) == '*') return refuse(java, "* has nothing to repeat");
    if (peek(java) == '?' && peek_behind(java, 1) != '<') {
        java->at++;
        return take_flags(java);
    }
    text_append_char(java->out, '(');
    java->saved[java->depth++] = java->flags;
    java->groups++;
    if (peek(java) != '?') return true;
    text_append_str(java->out, "?<");
    java->at += 2;
    return take_name(java);
}

// ---- what stands alone

static void put_end(struct java *java, bool lines)
{
    if (java->flags & FLAG_D)
        text_append_str(java->out, lines ? "(?=\\n|\\z)" : "(?=\\n?\\z)");
    else if (lines)
        text_append_str(java->out, "(?:(?<!\\r)(?=\\n)|(?=[\\r\\x{85}\\x{2028}\\x{2029}]|\\z))");
    else
        text_append_str(java->out, "(?:(?<!\\r)(?=\\n\\z)|(?=(?:\\r\\n|[\\r\\x{85}\\x{2028}\\x{2029}])?\\z))");
}

static void put_start(struct java *java)
{
    if (!(java->flags & FLAG_M))
        text_append_char(java->out, '^');
    else if (java->flags & FLAG_D)
        text_append_str(java->out, "(?:(?!\\z)(?:^|(?<=\\n)))");
    else
        text_append_str(java->out, "(?:(?!\\z)(?:^|(?<=[\\n\\x{85}\\x{2028}\\x{2029}])|(?<=\\r)(?!\\n)))");
}

static void put_any(struct java *java)
{
    if (java->flags & FLAG_S)
        text_append_str(java->out, "(?s:.)");
    else
        text_append_str(java->out, java->flags & FLAG_D ? "[^\\n]" : "[^" LINE_ENDS "]");
}

// A reference takes the digits that name a group opened before it; to a group that is not there it never matches.
static void take_reference(struct java *java)
{
    unsigned group = (unsigned)(peek(java) - '0');
    for (java->at++; is_figure(peek(java)); java->at++) {
        unsigned longer = group * 10 + (unsigned)(peek(java) - '0');
        if (longer > java->groups) break;
        group = longer;
    }
    if (group > java->groups)
        text_append_str(java->out, "(?!)");
    else
        text_printf(java->out, java->flags & FLAG_I ? "(?i:\\g{%u})" : "\\g{%u}", group);
}

static bool take_quoted(struct java *java)
{
    for (java->at++; peek(java) >= 0;) {
        if (peek(java) == '\\' && peek_behind(java, 1) == 'E') {
            java->at += 2;
            return true;
        }
        put_literal(java, take_character(java));
    }
    return true;
}

static bool take_boundary(struct java *java, int c)
{
    if (peek(java) == '{') return refuse(java, "\\b{g} is not supported");
    text_append_str(java->out, c == 'b' ? "(?:(?<=" WORD ")(?!" WORD ")|(?<!" WORD ")(?=" WORD "))"
                                        : "(?:(?<=" WORD ")(?=" WORD ")|(?<!" WORD ")(?!" WORD "))");
    return true;
}

static bool take_escape(struct java *java)
{
    bool is;
    uint32_t code;
    java->at++;
    if (!take_escaped(java, &is, &code)) return false;
    if (is) {
        put_literal(java, code);
        return true;
    }
    int c = peek(java);
    if (is_figure(c)) {
        take_reference(java);
        return true;
    }
    if (c == 'Q') return take_quoted(java);
    java->at++;
    if (c == 'b' || c == 'B') return take_boundary(java, c);
    if (c == 'p' || c == 'P') {
        text_append_char(java->out, '[');
        bool good = take_property(java, c == 'P');
        text_append_char(java->out, ']');
        return good;
    }
    if (c == 'Z') {
        put_end(java, false);
        return true;
    }
    if (c == 'k') {
        if (peek(java) != '<') return refuse(java, "\\k is not followed by <");
        java->at++;
        text_append_str(java->out, "\\k<");
        return take_name(java);
    }
    if (c == 'N') return refuse(java, "characters by name (\\N{…}) are not supported");
    if (!strchr("dDwWsShHvVRXAGz", c)) return refuse(java, "an escape that is not known");
    text_printf(java->out, "\\%c", c);
    return true;
}

static bool take_repetition(struct java *java)
{
    size_t from = java->at++;
    if (!is_figure(peek(java))) return refuse(java, "{ is no repetition; write \\{ for the character");
    while (is_figure(peek(java))) java->at++;
    if (peek(java) == ',') java->at++;
    while (is_figure(peek(java))) java->at++;
    if (peek(java) != '}') return refuse(java, "a repetition is not closed");
    java->at++;
    text_append(java->out, java->pattern.data + from, java->at - from);
    return true;
}

static bool take_one(struct java *java)
{
    int c = peek(java);
    switch (c) {
    case '\\': return take_escape(java);
    case '[': return take_class(java);
    case '(': return take_group(java);
    case '{': return take_repetition(java);
    case '.': put_any(java); break;
    case '^': put_start(java); break;
    case '$': put_end(java, java->flags & FLAG_M); break;
    case ')':
        if (java->depth == 0) return refuse(java, ") closes no group");
        java->flags = java->saved[--java->depth];
        text_append_char(java->out, ')');
        break;
    case '|':
    case '*':
    case '+':
    case '?': text_append_char(java->out, (char)c); break;
    default: put_literal(java, take_character(java)); return true;
    }
    java->at++;
    return true;
}

const char *expr_regex_java(struct slice pattern, struct text *ret_pattern)
{
    struct java java = {.pattern = pattern, .out = ret_pattern};
    for (skip_blanks(&java); peek(&java) >= 0; skip_blanks(&java)) {
        if (!take_one(&java)) break;
    }
    if (!java.refusal && java.depth) refuse(&java, "a group is not closed");
    return java.refusal;
}
