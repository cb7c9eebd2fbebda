// format_number(x, d) and format_number(x, pattern): java.text.DecimalFormat with the symbols of Locale.US. Integrals
// and decimals are exact; a double has the digits that Java prints, and is rounded half even by its exact value. Raises
// INVALID_PARAMETER_VALUE for a malformed pattern, where Spark lets Java's exception through.
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/expr/expr_digits.h"
#include "worker/expr/expr_families.h"

#define FRACTION_MAX      100000 // decimals asked for: as many zeros in every row
#define FLOATING_INTEGER  309    // DecimalFormat's limits for all but decimals
#define FLOATING_FRACTION 340

#define PER_MILLE "\xE2\x80\xB0"
#define CURRENCY  "\xC2\xA4"
#define INFINITE  "\xE2\x88\x9E"

enum affix { POSITIVE_PREFIX, POSITIVE_SUFFIX, NEGATIVE_PREFIX, NEGATIVE_SUFFIX };

struct number_pattern {
    int64_t integer_min, integer_max, fraction_min, fraction_max, exponent_min;
    int64_t grouping;
    int32_t multiplier; // a power of ten
    bool exponential, point_always;
    // Affixes stand at the front of the row's text as applyPattern keeps them: a quote before what has a meaning.
    struct text *affixes;
    struct {
        size_t from, to;
    } affix[4];
};

// The walk over a pattern: prefix, number, suffix; then over the negative one, of which only the affixes count.
struct pattern_walk {
    struct slice pattern;
    size_t at, next; // next: where the negative pattern starts
    enum { PREFIX, NUMBER, SUFFIX } phase;
    bool negative, quoted, numbered; // numbered: the prefix is over
    int32_t multiplier;
    int64_t left, zeros, right, point, grouping; // '#' before the zeros, '0', '#' behind; -1: none
    struct number_pattern *number;
    const char *problem;
};

static bool starts(const struct pattern_walk *walk, const char *with)
{
    size_t length = strlen(with);
    return walk->pattern.length - walk->at >= length && memcmp(walk->pattern.data + walk->at, with, length) == 0;
}

static void problem(struct pattern_walk *walk, const char *text)
{
    if (!walk->problem) walk->problem = text;
}

static void multiply(struct pattern_walk *walk, int32_t power, const char *sign)
{
    if (walk->multiplier) problem(walk, "Too many percent/per mille characters");
    walk->multiplier = power;
    text_append_char(walk->number->affixes, '\'');
    text_append_str(walk->number->affixes, sign);
    walk->at += strlen(sign);
}

static void walk_quote(struct pattern_walk *walk)
{
    walk->at++;
    if (starts(walk, "'")) {
        text_append_str(walk->number->affixes, "''");
        walk->at++;
    } else {
        walk->quoted = !walk->quoted;
    }
}

static void end_prefix(struct pattern_walk *walk)
{
    walk->number->affix[walk->negative ? NEGATIVE_PREFIX : POSITIVE_PREFIX].to = walk->number->affixes->length;
    walk->numbered = true;
}

static void walk_affix(struct pattern_walk *walk)
{
    char c = walk->pattern.data[walk->at];
    if (c == '\'') {
        walk_quote(walk);
    } else if (!walk->quoted && c && strchr("#0,.", c)) {
        if (!walk->numbered) end_prefix(walk);
        walk->phase = NUMBER;
    } else if (!walk->quoted && c == ';') {
        if (walk->phase == PREFIX || walk->negative) problem(walk, "Unquoted special character ';'");
        walk->next = walk->at + 1;
        walk->at = walk->pattern.length;
    } else if (!walk->quoted && c == '%') {
        multiply(walk, 2, "%");
    } else if (!walk->quoted && starts(walk, PER_MILLE)) {
        multiply(walk, 3, PER_MILLE);
    } else if (!walk->quoted && starts(walk, CURRENCY)) {
        text_append_str(walk->number->affixes, starts(walk, CURRENCY CURRENCY) ? "USD" : "$");
        walk->at += strlen(starts(walk, CURRENCY CURRENCY) ? CURRENCY CURRENCY : CURRENCY);
    } else {
        if (!walk->quoted && c == '-') text_append_char(walk->number->affixes, '\'');
        text_append_char(walk->number->affixes, c);
        walk->at++;
    }
}

static void walk_exponent(struct pattern_walk *walk)
{
    struct number_pattern *number = walk->number;
    if (number->exponential) problem(walk, "Multiple exponential symbols");
    number->exponential = true;
    number->exponent_min = 0;
    for (walk->at++; starts(walk, "0"); walk->at++) number->exponent_min++;
    if (walk->left + walk->zeros < 1 || number->exponent_min < 1) problem(walk, "Malformed exponent");
    walk->phase = SUFFIX;
}

static void walk_number(struct pattern_walk *walk)
{
    char c = walk->pattern.data[walk->at];
    bool digit = c == '#' || c == '0';
    if (walk->negative) {
        if (digit || c == ',' || c == '.' || c == 'E') {
            walk->at++;
        } else {
            walk->phase = SUFFIX;
        }
        return;
    }
    if (c == 'E') {
        walk_exponent(walk);
        return;
    }
    if (c == '0' && walk->right) problem(walk, "Unexpected '0'");
    if (c == '.' && walk->point >= 0) problem(walk, "Multiple decimal separators");
    if (digit) {
        (*(c == '0' ? &walk->zeros : walk->zeros ? &walk->right : &walk->left))++;
        if (walk->grouping >= 0 && walk->point < 0) walk->grouping++;
    } else if (c == ',') {
        walk->grouping = 0;
    } else if (c == '.') {
        walk->point = walk->left + walk->zeros + walk->right;
    } else {
        walk->phase = SUFFIX;
        return;
    }
    walk->at++;
}

static void take_digits(struct pattern_walk *walk)
{
    struct number_pattern *number = walk->number;
    if (walk->zeros == 0 && walk->left > 0 && walk->point >= 0) { // "#.##" is "0.##"
        int64_t whole = walk->point ? walk->point : 1;
        walk->right = walk->left - whole;
        walk->left = whole - 1;
        walk->zeros = 1;
    }
    bool misplaced =
        walk->point < 0 ? walk->right > 0 : walk->point < walk->left || walk->point > walk->left + walk->zeros;
    if (misplaced || walk->grouping == 0) problem(walk, "Misplaced digits or separators");
    int64_t total = walk->left + walk->zeros + walk->right, point = walk->point >= 0 ? walk->point : total;
    number->multiplier = walk->multiplier;
    number->integer_min = point - walk->left;
    number->integer_max = number->exponential ? walk->left + number->integer_min : INT32_MAX;
    number->fraction_max = total - point;
    number->fraction_min = walk->point >= 0 ? walk->left + walk->zeros - point : 0;
    number->grouping = walk->grouping > 0 ? walk->grouping : 0;
    number->point_always = walk->point == 0 || walk->point == total;
}

static void walk_pattern(struct pattern_walk *walk)
{
    struct number_pattern *number = walk->number;
    enum affix prefix = walk->negative ? NEGATIVE_PREFIX : POSITIVE_PREFIX;
    walk->phase = PREFIX;
    walk->at = walk->next;
    walk->numbered = false;
    walk->multiplier = 0;
    walk->point = walk->grouping = -1;
    number->affix[prefix].from = number->affixes->length;
    while (walk->at < walk->pattern.length && !walk->problem) {
        if (walk->phase == NUMBER) {
            walk_number(walk);
        } else {
            walk_affix(walk);
        }
    }
    if (!walk->numbered) end_prefix(walk);
    number->affix[prefix + 1].from = number->affix[prefix].to;
    number->affix[prefix + 1].to = number->affixes->length;
    if (walk->quoted) problem(walk, "Open quote");
    if (!walk->negative) take_digits(walk);
}

static bool same_affix(const struct number_pattern *number, enum affix a, enum affix b)
{
    const char *text = text_str(number->affixes);
    return slice_equal(slice_of(text + number->affix[a].from, number->affix[a].to - number->affix[a].from),
                       slice_of(text + number->affix[b].from, number->affix[b].to - number->affix[b].from));
}

// applyPattern. NULL, or what is wrong. As there, a pattern without ';' is read twice.
static const char *parse(struct slice pattern, struct text *affixes, struct number_pattern *number)
{
    struct pattern_walk walk = {.pattern = pattern, .number = number};
    *number = (struct number_pattern){.affixes = affixes};
    walk_pattern(&walk);
    walk.negative = true;
    bool second = walk.next < pattern.length;
    if (second && !walk.problem) walk_pattern(&walk);
    if (walk.problem) return walk.problem;
    bool own = second && !(same_affix(number, POSITIVE_PREFIX, NEGATIVE_PREFIX) &&
                           same_affix(number, POSITIVE_SUFFIX, NEGATIVE_SUFFIX));
    if (own) return NULL;
    size_t from = affixes->length;
    text_append_str(affixes, "'-");
    for (size_t at = number->affix[POSITIVE_PREFIX].from; at < number->affix[POSITIVE_PREFIX].to; at++) {
        text_append_char(affixes, affixes->data[at]);
    }
    number->affix[NEGATIVE_PREFIX].from = from;
    number->affix[NEGATIVE_PREFIX].to = affixes->length;
    number->affix[NEGATIVE_SUFFIX] = number->affix[POSITIVE_SUFFIX];
    return NULL;
}

static void append_affix(struct text *out, const struct number_pattern *number, enum affix affix)
{
    for (size_t at = number->affix[affix].from; at < number->affix[affix].to; at++) {
        if (out->data[at] == '\'') at++;
        text_append_char(out, out->data[at]);
    }
}

static void append_digit(struct text *out, const struct expr_digits *digits, int64_t at)
{
    text_append_char(out, at >= 0 && at < digits->count ? digits->data[at] : '0');
}

static void append_plain(struct text *out, const struct number_pattern *number, const struct expr_digits *digits)
{
    int64_t whole = digits->point > number->integer_min ? digits->point : number->integer_min;
    for (int64_t left = whole; left > 0; left--) {
        append_digit(out, digits, digits->point - left);
        if (number->grouping && left > 1 && (left - 1) % number->grouping == 0) text_append_char(out, ',');
    }
    int64_t decimals = digits->count - (int64_t)digits->point;
    if (decimals > number->fraction_max) decimals = number->fraction_max;
    if (decimals < number->fraction_min) decimals = number->fraction_min;
    if (decimals <= 0 && whole <= 0) text_append_char(out, '0');
    if (decimals > 0 || number->point_always) text_append_char(out, '.');
    for (int64_t i = 0; i < decimals; i++) append_digit(out, digits, digits->point + i);
}

// A maximum of integer digits above the minimum makes the exponent a multiple of it ("##0.##E0": 12.35E3).
static void append_exponential(struct text *out, const struct number_pattern *number, const struct expr_digits *digits)
{
    int64_t exponent = digits->point, whole = number->integer_min, repeat = number->integer_max;
    if (repeat > 1 && repeat > whole) {
        exponent = (exponent >= 1 ? exponent - 1 : exponent - repeat) / repeat * repeat;
        whole = 1;
    } else {
        exponent -= whole;
    }
    int64_t total = number->integer_min + number->fraction_min;
    if (digits->count) whole = digits->point - exponent;
    if (total < whole) total = whole;
    if (total < digits->count) total = digits->count;
    for (int64_t i = 0; i < total; i++) {
        if (i == whole) text_append_char(out, '.');
        append_digit(out, digits, i);
    }
    if (number->point_always && total == whole) text_append_char(out, '.');
    if (digits->count == 0) exponent = 0;
    text_printf(out, "E%s%0*lld", exponent < 0 ? "-" : "", (int)number->exponent_min, llabs((long long)exponent));
}

// Rounds to what the pattern shows. A double's shortest digits stand for it only if none of them is cut off: where they
// end in a tie, the value itself may not.
static void round_digits(const struct number_pattern *number, struct expr_digits *digits, const double *real)
{
    char text[EXPR_DIGITS_MAX];
    int64_t keep =
        number->exponential ? number->integer_max + number->fraction_max : digits->point + number->fraction_max;
    bool negative = digits->negative;
    if (keep >= digits->count) return;
    if (!real) {
        expr_digits_round(digits, keep, true);
        return;
    }
    if (number->exponential) {
        snprintf(text, sizeof text, "%.*e", (int)keep - 1, *real);
    } else {
        snprintf(text, sizeof text, "%.*f", (int)number->fraction_max, *real);
    }
    expr_digits_read(digits, text);
    digits->negative = negative;
}

static void cap(int64_t *limit, int64_t at_most)
{
    if (*limit > at_most) *limit = at_most;
}

static void format_finite(struct text *out, struct number_pattern *number, const struct type *type,
                          const struct expr_datum *datum)
{
    struct expr_digits digits;
    bool real = type->kind == TYPE_DOUBLE || type->kind == TYPE_FLOAT;
    expr_digits_of(&digits, type, datum);
    if (!real && digits.count) digits.point += number->multiplier;
    if (type->kind != TYPE_DECIMAL) {
        cap(&number->integer_min, FLOATING_INTEGER);
        cap(&number->integer_max, FLOATING_INTEGER);
        cap(&number->fraction_min, FLOATING_FRACTION);
        cap(&number->fraction_max, FLOATING_FRACTION);
    }
    round_digits(number, &digits, real ? &datum->d : NULL);
    append_affix(out, number, digits.negative ? NEGATIVE_PREFIX : POSITIVE_PREFIX);
    if (number->exponential) {
        append_exponential(out, number, &digits);
    } else {
        append_plain(out, number, &digits);
    }
    append_affix(out, number, digits.negative ? NEGATIVE_SUFFIX : POSITIVE_SUFFIX);
}

static void format_number(struct text *out, struct number_pattern *number, const struct type *type,
                          const struct expr_datum *datum)
{
    static const double factors[] = {1, 1, 100, 1000};
    struct expr_datum scaled = *datum;
    bool real = type->kind == TYPE_DOUBLE || type->kind == TYPE_FLOAT;
    if (real) scaled.d *= factors[number->multiplier];
    if (!real || isfinite(scaled.d)) {
        format_finite(out, number, type, &scaled);
    } else if (isnan(scaled.d)) {
        text_append_str(out, "NaN");
    } else {
        append_affix(out, number, scaled.d < 0 ? NEGATIVE_PREFIX : POSITIVE_PREFIX);
        text_append_str(out, INFINITE);
        append_affix(out, number, scaled.d < 0 ? NEGATIVE_SUFFIX : POSITIVE_SUFFIX);
    }
}

static enum expr_outcome row_format_number(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *type = expr_arg_type(row->call, 0);
    struct slice pattern = slice_str("#,##0");
    bool patterned = expr_arg_type(row->call, 1)->kind == TYPE_STRING;
    struct number_pattern number;
    if (patterned && args[1].s.length) pattern = args[1].s;
    if (!patterned && args[1].i < 0) return EXPR_NULL;
    text_reset(&row->text);
    const char *wrong = parse(pattern, &row->text, &number);
    if (wrong) {
        return expr_row_fail(row, "INVALID_PARAMETER_VALUE", "format_number: %s in pattern \"%.*s\"", wrong,
                             pattern.length > 200 ? 200 : (int)pattern.length, pattern.data);
    }
    if (!patterned) number.fraction_min = number.fraction_max = args[1].i;
    if (type->kind == TYPE_DECIMAL && number.fraction_min > FRACTION_MAX) {
        return expr_row_fail(row, "INVALID_PARAMETER_VALUE", "format_number: %lld decimals are more than %d",
                             (long long)number.fraction_min, FRACTION_MAX);
    }
    size_t from = row->text.length;
    format_number(&row->text, &number, type, &args[0]);
    return expr_row_string(ret, row->text.data + from, row->text.length - from);
}

const struct expr_function expr_format_number_functions[] = {
    {"format_number", NULL, row_format_number, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
