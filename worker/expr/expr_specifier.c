// Reads and checks format specifiers as java.util.Formatter does. %a is not known.
#include "worker/expr/expr_specifier.h"

#include <ctype.h>
#include <string.h>

#include "worker/expr/expr_utf8.h"

static const char flag_characters[] = "-#+ 0,(<";

struct conversion {
    char name;
    bool upper; // has an upper case form
    bool number;
    bool precision;
    unsigned flags;
};
static const struct conversion conversions[] = {
    {'b', true, false, true, EXPR_FLAG_LEFT},
    {'h', true, false, true, EXPR_FLAG_LEFT},
    {'s', true, false, true, EXPR_FLAG_LEFT},
    {'c', true, false, false, EXPR_FLAG_LEFT},
    {'d', false, true, false, EXPR_FLAG_SIGNS | EXPR_FLAG_LEFT | EXPR_FLAG_ZERO | EXPR_FLAG_GROUP},
    {'o', false, true, false, EXPR_FLAG_LEFT | EXPR_FLAG_ALTERNATE | EXPR_FLAG_ZERO},
    {'x', true, true, false, EXPR_FLAG_LEFT | EXPR_FLAG_ALTERNATE | EXPR_FLAG_ZERO},
    {'f', false, true, true, EXPR_FLAG_SIGNS | EXPR_FLAG_LEFT | EXPR_FLAG_ALTERNATE | EXPR_FLAG_ZERO | EXPR_FLAG_GROUP},
    {'e', true, true, true, EXPR_FLAG_SIGNS | EXPR_FLAG_LEFT | EXPR_FLAG_ALTERNATE | EXPR_FLAG_ZERO},
    {'g', true, true, true, EXPR_FLAG_SIGNS | EXPR_FLAG_LEFT | EXPR_FLAG_ZERO | EXPR_FLAG_GROUP},
    {'%', false, false, false, EXPR_FLAG_LEFT},
    {'n', false, false, false, 0},
};

static char peek(struct slice s, size_t at)
{
    return at < s.length ? s.data[at] : 0;
}

// Digits at *at; -1 if there are none. What is too large stays so.
static int64_t read_number(struct slice s, size_t *at)
{
    int64_t value = isdigit((unsigned char)peek(s, *at)) ? 0 : -1;
    for (; isdigit((unsigned char)peek(s, *at)); ++*at) {
        if (value <= INT32_MAX) value = value * 10 + (s.data[*at] - '0');
    }
    return value;
}

const char *expr_specifier_read(struct slice s, struct expr_specifier *spec)
{
    size_t at = 1, index_end = 1;
    const char *flag;
    spec->index = read_number(s, &index_end);
    if (spec->index >= 0 && peek(s, index_end) == '$') {
        at = index_end + 1;
    } else {
        spec->index = -1;
    }
    for (; peek(s, at) && (flag = strchr(flag_characters, s.data[at])); at++) {
        unsigned bit = 1u << (flag - flag_characters);
        if (spec->flags & bit) return "a flag stands there twice";
        spec->flags |= bit;
    }
    spec->width = read_number(s, &at);
    spec->precision = -1;
    if (peek(s, at) == '.') {
        at++;
        spec->precision = read_number(s, &at);
        if (spec->precision < 0) return "a precision needs digits";
    }
    spec->conversion = peek(s, at);
    if (spec->conversion == 't' || spec->conversion == 'T') {
        spec->upper = spec->conversion == 'T';
        spec->conversion = 't';
        at++;
    }
    if (at >= s.length) return "the conversion is missing";
    spec->source = slice_of(s.data, at + expr_utf8_size(s.data + at, s.length - at));
    return NULL;
}

static const char *check_flags(const struct expr_specifier *spec, const struct conversion *known, bool absent)
{
    bool radix = known->name == 'x' || known->name == 'o', text = known->name == '%' || known->name == 'n';
    unsigned allowed = known->flags | (text ? 0 : EXPR_FLAG_PREVIOUS) | (radix && absent ? EXPR_FLAG_SIGNS : 0);
    if (spec->flags & ~allowed) return "a flag that the conversion does not take";
    if (spec->width < 0 && spec->flags & (EXPR_FLAG_LEFT | EXPR_FLAG_ZERO)) return "the flag needs a width";
    if (spec->flags & EXPR_FLAG_LEFT && spec->flags & EXPR_FLAG_ZERO) return "flags - and 0 together";
    if (spec->flags & EXPR_FLAG_PLUS && spec->flags & EXPR_FLAG_SPACE) return "flags + and blank together";
    return NULL;
}

const char *expr_specifier_check(struct expr_specifier *spec, bool absent)
{
    bool date = spec->conversion == 't'; // of its rules only those that %s shares matter: it is refused later
    char name = date ? 's' : (char)tolower((unsigned char)spec->conversion);
    const struct conversion *known = NULL;
    for (size_t i = 0; i < sizeof conversions / sizeof conversions[0]; i++) {
        if (conversions[i].name == name) known = &conversions[i];
    }
    bool upper = !date && name != spec->conversion;
    if (!known || (upper && !known->upper)) return "no such conversion";
    spec->upper = spec->upper || upper;
    if (!date) spec->conversion = name;
    if (spec->precision >= 0 && !known->precision) return "the conversion takes no precision";
    if (spec->width >= 0 && name == 'n') return "the conversion takes no width";
    if (spec->width > EXPR_SPECIFIER_WIDTH_MAX) return "the width is too large";
    if (spec->precision > (known->number ? EXPR_SPECIFIER_WIDTH_MAX : INT32_MAX)) return "the precision is too large";
    return check_flags(spec, known, absent);
}
