// Reading, cutting and rounding of decimal digits. Nothing here fails.
#include "worker/expr/expr_digits.h"

#include <ctype.h>
#include <stdlib.h>

#include "common/columnar/column.h"
#include "common/columnar/number_text.h"

static void digits_trim(struct expr_digits *digits)
{
    while (digits->count && digits->data[digits->count - 1] == '0') digits->count--;
    if (digits->count == 0) digits->point = 0;
}

void expr_digits_read(struct expr_digits *digits, const char *text)
{
    bool behind = false;
    digits->count = digits->point = 0;
    digits->negative = *text == '-';
    for (text += *text == '-'; isdigit((unsigned char)*text) || *text == '.'; text++) {
        if (*text == '.') {
            behind = true;
            continue;
        }
        bool leading = digits->count == 0 && *text == '0';
        if (!leading && digits->count < EXPR_DIGITS_MAX) digits->data[digits->count++] = *text;
        if (behind ? leading : !leading) digits->point += behind ? -1 : 1;
    }
    if (*text == 'e' || *text == 'E') digits->point += (int32_t)strtol(text + 1, NULL, 10);
    digits_trim(digits);
}

void expr_digits_of(struct expr_digits *digits, const struct type *type, const struct expr_datum *datum)
{
    char text[NUMBER_TEXT_SIZE];
    if (type->kind == TYPE_DECIMAL) {
        number_text_format_decimal(datum->n, type->scale, text);
    } else if (type->kind == TYPE_DOUBLE || type->kind == TYPE_FLOAT) {
        number_text_format_double(datum->d, text);
    } else {
        number_text_format_i64(datum->i, text);
    }
    expr_digits_read(digits, text);
}

// Leaves the first `keep` digits; up: adds one to the last of them.
static void digits_cut(struct expr_digits *digits, int32_t keep, bool up)
{
    digits->count = keep;
    while (up && digits->count && digits->data[digits->count - 1] == '9') digits->count--;
    if (up && digits->count) digits->data[digits->count - 1]++;
    if (up && digits->count == 0) {
        digits->data[digits->count++] = '1';
        digits->point++;
    }
    digits_trim(digits);
}

void expr_digits_round(struct expr_digits *digits, int64_t keep, bool half_even)
{
    if (keep >= digits->count) return;
    if (keep < 0) {
        digits->count = digits->point = 0;
        return;
    }
    const char *cut = digits->data + keep;
    bool tie = *cut == '5' && keep + 1 == digits->count;
    bool up = *cut >= '5' && !(tie && half_even && (keep == 0 || (cut[-1] - '0') % 2 == 0));
    digits_cut(digits, (int32_t)keep, up);
}
