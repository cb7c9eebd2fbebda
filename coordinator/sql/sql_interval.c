// Intervals as text. Spark's IntervalUtils.stringToInterval: units from microsecond to year, a week is 7 days, a day 24
// hours.
#include "coordinator/sql/sql_interval.h"

#include <string.h>
#include <strings.h>

#include "common/columnar/type.h"

#define SECOND_US INT64_C(1000000)

static const struct {
    const char *name;
    int64_t months;
    int64_t us;
    enum interval_field field;
} units[] = {
    {"year", 12, 0, INTERVAL_YEAR},
    {"month", 1, 0, INTERVAL_MONTH},
    {"week", 0, 604800 * SECOND_US, INTERVAL_DAY},
    {"day", 0, 86400 * SECOND_US, INTERVAL_DAY},
    {"hour", 0, 3600 * SECOND_US, INTERVAL_HOUR},
    {"minute", 0, 60 * SECOND_US, INTERVAL_MINUTE},
    {"second", 0, SECOND_US, INTERVAL_SECOND},
    {"millisecond", 0, 1000, INTERVAL_SECOND},
    {"microsecond", 0, 1, INTERVAL_SECOND},
};
#define UNITS (sizeof units / sizeof *units)

static size_t find_unit(struct slice word)
{
    for (size_t i = 0; i < UNITS; i++) {
        size_t length = strlen(units[i].name);
        bool plural = word.length == length + 1 && (word.data[length] | 32) == 's';
        if ((plural || word.length == length) && strncasecmp(word.data, units[i].name, length) == 0) return i;
    }
    return UNITS;
}

bool sql_interval_is_unit(struct slice word)
{
    return find_unit(word) < UNITS;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// digits[.digits] as a whole number and microparts of one; false: malformed or too large.
static bool parse_number(struct slice number, int64_t *ret_whole, int64_t *ret_micro, bool *ret_fraction)
{
    int64_t whole = 0, micro = 0;
    size_t i = 0;
    for (; i < number.length && is_digit(number.data[i]); i++) {
        if (__builtin_mul_overflow(whole, 10, &whole) || __builtin_add_overflow(whole, number.data[i] - '0', &whole))
            return false;
    }
    bool digits = i > 0;
    *ret_fraction = i < number.length && number.data[i] == '.';
    if (*ret_fraction) {
        int64_t scale = 100000;
        for (i++; i < number.length && is_digit(number.data[i]); i++, scale /= 10) {
            digits = true;
            micro += scale * (number.data[i] - '0');
        }
    }
    *ret_whole = whole;
    *ret_micro = micro;
    return digits && i == number.length;
}

bool sql_interval_add(struct sql_interval *interval, struct slice number, struct slice unit, bool negative)
{
    if (number.length && (number.data[0] == '-' || number.data[0] == '+')) {
        negative ^= number.data[0] == '-';
        number = slice_of(number.data + 1, number.length - 1);
    }
    int64_t whole, micro, amount;
    bool fraction;
    size_t at = find_unit(unit);
    if (at == UNITS || !parse_number(number, &whole, &micro, &fraction)) return false;
    if (fraction && units[at].us != SECOND_US) return false;
    if (negative) {
        whole = -whole;
        micro = -micro;
    }
    interval->fields |= 1u << units[at].field;
    if (units[at].months) {
        interval->has_months = true;
        return !__builtin_mul_overflow(whole, units[at].months, &amount) &&
               !__builtin_add_overflow(interval->months, amount, &interval->months);
    }
    interval->has_us = true;
    return !__builtin_mul_overflow(whole, units[at].us, &amount) && !__builtin_add_overflow(amount, micro, &amount) &&
           !__builtin_add_overflow(interval->us, amount, &interval->us);
}

static struct slice next_word(const char **at)
{
    while (**at == ' ' || (**at >= '\t' && **at <= '\r')) (*at)++;
    const char *start = *at;
    while (**at && **at != ' ' && !(**at >= '\t' && **at <= '\r')) (*at)++;
    return slice_of(start, (size_t)(*at - start));
}

// "5minutes" and "5 minutes" are both read.
static void split_number(struct slice *word, struct slice *unit)
{
    size_t i = 0;
    while (i < word->length &&
           (is_digit(word->data[i]) || word->data[i] == '.' || word->data[i] == '-' || word->data[i] == '+'))
        i++;
    *unit = slice_of(word->data + i, word->length - i);
    word->length = i;
}

bool sql_interval_parse(const char *text, struct sql_interval *ret_interval)
{
    struct sql_interval interval = {0};
    const char *at = text;
    struct slice word = next_word(&at), unit;
    if (slice_equal_nocase(word, slice_str("interval"))) word = next_word(&at);
    if (word.length == 0) return false;
    for (; word.length; word = next_word(&at)) {
        split_number(&word, &unit);
        if (word.length == 1 && (*word.data == '-' || *word.data == '+') && unit.length == 0) {
            bool negative = *word.data == '-';
            word = next_word(&at);
            split_number(&word, &unit);
            if (unit.length == 0) unit = next_word(&at);
            if (!sql_interval_add(&interval, word, unit, negative)) return false;
            continue;
        }
        if (unit.length == 0) unit = next_word(&at);
        if (!sql_interval_add(&interval, word, unit, false)) return false;
    }
    *ret_interval = interval;
    return true;
}

bool sql_interval_parse_us(const char *text, int64_t *ret_us)
{
    struct sql_interval interval;
    if (!sql_interval_parse(text, &interval) || interval.months) return false;
    *ret_us = interval.us;
    return true;
}

void sql_interval_print(int64_t us, struct text *text)
{
    if (us == 0) text_append_str(text, "0 seconds");
    if (us < 0) text_append_char(text, '-');
    uint64_t left = us < 0 ? -(uint64_t)us : (uint64_t)us;
    bool first = true;
    for (size_t i = 3; i < UNITS; i++) {
        uint64_t count = left / (uint64_t)units[i].us;
        left %= (uint64_t)units[i].us;
        if (!count) continue;
        text_printf(text, "%s%llu %s%s", first ? "" : " ", (unsigned long long)count, units[i].name,
                    count == 1 ? "" : "s");
        first = false;
    }
}
