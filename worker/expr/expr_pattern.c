// Dates and times by pattern and by zone: to_timestamp, to_date, date_format, from_unixtime, unix_timestamp;
// timestampadd and timestampdiff; shifts between zones. Raises CANNOT_PARSE_TIMESTAMP, the conditions of bad patterns,
// INVALID_TIMEZONE.
#include <string.h>

#include "common/columnar/datetime_zone.h"
#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_arithmetic_row.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_datetime.h"
#include "worker/expr/expr_datetime_format.h"
#include "worker/expr/expr_families.h"

#define DEFAULT_PATTERN "yyyy-MM-dd HH:mm:ss"

// The pattern last compiled: a step's pattern is nearly always a literal.
struct pattern_state {
    struct text pattern;
    const char *bad;
    bool compiled;
    struct expr_datetime_format format;
};

static void pattern_state_free(void *state)
{
    struct pattern_state *pattern = state;
    text_deinit(&pattern->pattern);
    memory_free(pattern);
}

static enum status pattern_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    (void)steps;
    (void)err;
    step->state = memory_calloc(1, sizeof(struct pattern_state));
    step->state_free = pattern_state_free;
    return STATUS_OK;
}

// NULL: the row has failed.
static const struct expr_datetime_format *pattern_of(struct expr_row *row, struct slice pattern, bool parsing)
{
    struct pattern_state *state = row->call->step->state;
    bool same = state->compiled && state->pattern.length == pattern.length &&
                memcmp(text_str(&state->pattern), pattern.data, pattern.length) == 0;
    if (!same) {
        text_reset(&state->pattern);
        text_append(&state->pattern, pattern.data, pattern.length);
        state->bad = expr_datetime_format_compile(pattern, parsing, &state->format);
        state->compiled = true;
    }
    if (!state->bad) return &state->format;
    expr_row_fail(row, state->bad, "the datetime pattern '%.*s' is not supported", (int)pattern.length, pattern.data);
    return NULL;
}

static enum expr_outcome row_date_format(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct expr_datetime_format *format = pattern_of(row, args[1].s, false);
    if (!format) return EXPR_FAIL;
    text_reset(&row->text);
    expr_datetime_format_print(format, args[0].i, &row->text);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome row_from_unixtime(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct expr_datetime_format *format =
        pattern_of(row, expr_row_args(row) == 2 ? args[1].s : slice_str(DEFAULT_PATTERN), false);
    if (!format) return EXPR_FAIL;
    int64_t us = (int64_t)((uint64_t)args[0].i * 1000000); // Spark's wraps too
    text_reset(&row->text);
    expr_datetime_format_print(format, us, &row->text);
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum expr_outcome cannot_parse(struct expr_row *row, struct slice text)
{
    if (row->call->step->name[0] == 't' && row->call->step->name[1] == 'r') return EXPR_NULL; // try_
    return expr_row_fail(row, "CANNOT_PARSE_TIMESTAMP",
                         "Text '%.*s' could not be parsed. Use `try_to_timestamp` to tolerate it and "
                         "return NULL instead.",
                         text.length > 200 ? 200 : (int)text.length, text.data);
}

static enum expr_outcome parse_text(struct expr_row *row, struct slice text, struct slice pattern,
                                    struct expr_datum *ret)
{
    const struct expr_datetime_format *format = pattern_of(row, pattern, true);
    if (!format) return EXPR_FAIL;
    return expr_datetime_format_parse(format, text, &ret->i) ? EXPR_VALUE : cannot_parse(row, text);
}

static int64_t to_days(int64_t us)
{
    return expr_datetime_floor(us, DATETIME_DAY_US);
}

// to_timestamp, to_date and the like with a pattern; times that are no text are cast.
static enum expr_outcome row_to_time(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *from = expr_arg_type(row->call, 0), *to = row->call->step->type;
    if (from->kind != TYPE_STRING || expr_row_args(row) == 1) {
        return expr_cast_value(row, from, to, row->call->step->try_cast, &args[0], ret);
    }
    enum expr_outcome outcome = parse_text(row, args[0].s, args[1].s, ret);
    if (outcome == EXPR_VALUE && to->kind == TYPE_DATE) ret->i = to_days(ret->i);
    return outcome;
}

// Without a pattern it is a cast, with the cast's kernels.
static enum status to_time_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    step->try_cast = strncmp(step->name, "try_", 4) == 0;
    if (step->arg_count == 1 && steps[step->args[0]].type != step->type) return expr_cast_bind(step, steps, err);
    return pattern_bind(step, steps, err);
}

static enum expr_outcome row_unix_timestamp(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    uint32_t count = expr_row_args(row);
    if (count == 0) return expr_row_int(ret, expr_datetime_floor(row->call->frame->context->timestamp_us, 1000000));
    const struct type *from = expr_arg_type(row->call, 0);
    if (from->kind == TYPE_DATE) return expr_row_int(ret, args[0].i * 86400);
    if (from->kind != TYPE_STRING) return expr_row_int(ret, args[0].i / 1000000); // toward zero, as Spark has it
    enum expr_outcome outcome = parse_text(row, args[0].s, count == 2 ? args[1].s : slice_str(DEFAULT_PATTERN), ret);
    if (outcome == EXPR_VALUE) ret->i = expr_datetime_floor(ret->i, 1000000);
    return outcome;
}

struct unit {
    const char *name;
    int64_t us; // 0: months
    int64_t months;
};
static const struct unit units[] = {{"YEAR", 0, 12},
                                    {"QUARTER", 0, 3},
                                    {"MONTH", 0, 1},
                                    {"WEEK", 7 * DATETIME_DAY_US, 0},
                                    {"DAY", DATETIME_DAY_US, 0},
                                    {"DAYOFYEAR", DATETIME_DAY_US, 0},
                                    {"HOUR", INT64_C(3600000000), 0},
                                    {"MINUTE", 60000000, 0},
                                    {"SECOND", 1000000, 0},
                                    {"MILLISECOND", 1000, 0},
                                    {"MICROSECOND", 1, 0}};

static const struct unit *unit_find(struct slice name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (slice_equal_nocase(name, slice_str(units[i].name))) return &units[i];
    }
    return NULL;
}

static enum expr_outcome bad_unit(struct expr_row *row, struct slice name)
{
    return expr_row_fail(row, "INVALID_PARAMETER_VALUE.DATETIME_UNIT", "%.*s is no unit of time", (int)name.length,
                         name.data);
}

static enum expr_outcome row_timestampadd(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct unit *unit = unit_find(args[0].s);
    if (!unit) return bad_unit(row, args[0].s);
    int64_t by;
    bool bad = false;
    if (unit->months) {
        bad = __builtin_mul_overflow(args[1].i, unit->months, &by) || by > 10000000 || by < -10000000;
        int64_t day = to_days(args[2].i), moved = bad ? 0 : expr_arithmetic_row_add_months(day, by);
        bad = bad || __builtin_mul_overflow(moved, DATETIME_DAY_US, &ret->i);
        bad = bad || __builtin_add_overflow(ret->i, args[2].i - day * DATETIME_DAY_US, &ret->i);
    } else {
        bad = __builtin_mul_overflow(args[1].i, unit->us, &by) || __builtin_add_overflow(args[2].i, by, &ret->i);
    }
    if (!bad) return EXPR_VALUE;
    return expr_row_fail(row, "DATETIME_OVERFLOW", "Datetime operation overflow: timestampadd");
}

// Whole months from a to b, as LocalDateTime.until: first the end is moved a day where the times cross, then days count
// as 1/32 of a month.
static int64_t months_between(int64_t a, int64_t b)
{
    int64_t day_a = to_days(a), day_b = to_days(b);
    int64_t time_a = a - day_a * DATETIME_DAY_US, time_b = b - day_b * DATETIME_DAY_US;
    if (day_b > day_a && time_b < time_a) day_b--;
    if (day_b < day_a && time_b > time_a) day_b++;
    struct datetime_civil x = datetime_text_civil(day_a), y = datetime_text_civil(day_b);
    int64_t packed_x = (x.year * 12 + (int64_t)x.month) * 32 + (int64_t)x.day;
    int64_t packed_y = (y.year * 12 + (int64_t)y.month) * 32 + (int64_t)y.day;
    return (packed_y - packed_x) / 32;
}

static enum expr_outcome row_timestampdiff(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct unit *unit = unit_find(args[0].s);
    if (!unit) return bad_unit(row, args[0].s);
    if (unit->months) return expr_row_int(ret, months_between(args[1].i, args[2].i) / unit->months);
    return expr_row_int(ret, (args[2].i - args[1].i) / unit->us);
}

static enum expr_outcome shift_zone(struct expr_row *row, struct slice zone, int64_t us, bool to_utc,
                                    struct expr_datum *ret)
{
    int32_t offset;
    if (!datetime_zone_offset(zone.data, zone.length, expr_datetime_floor(us, 1000000), to_utc, &offset)) {
        return expr_row_fail(row, "INVALID_TIMEZONE", "The timezone: %.*s is invalid.", (int)zone.length, zone.data);
    }
    return expr_row_int(ret, us + (to_utc ? -1 : 1) * (int64_t)offset * 1000000);
}

static enum expr_outcome row_from_utc(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return shift_zone(row, args[1].s, args[0].i, false, ret);
}

static enum expr_outcome row_to_utc(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return shift_zone(row, args[1].s, args[0].i, true, ret);
}

// convert_timezone([source,] target, time without zone)
static enum expr_outcome row_convert_timezone(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    bool source = expr_row_args(row) == 3;
    *ret = args[source ? 2 : 1];
    enum expr_outcome outcome = source ? shift_zone(row, args[0].s, ret->i, true, ret) : EXPR_VALUE;
    if (outcome != EXPR_VALUE) return outcome;
    return shift_zone(row, args[source ? 1 : 0].s, ret->i, false, ret);
}

const struct expr_function expr_pattern_functions[] = {
    {"to_timestamp", NULL, row_to_time, to_time_bind, 0},
    {"try_to_timestamp", NULL, row_to_time, to_time_bind, 0},
    {"to_timestamp_ntz", NULL, row_to_time, to_time_bind, 0},
    {"to_date", NULL, row_to_time, to_time_bind, 0},
    {"try_to_date", NULL, row_to_time, to_time_bind, 0},
    {"date_format", NULL, row_date_format, pattern_bind, 0},
    {"from_unixtime", NULL, row_from_unixtime, pattern_bind, 0},
    {"unix_timestamp", NULL, row_unix_timestamp, pattern_bind, 0},
    {"to_unix_timestamp", NULL, row_unix_timestamp, pattern_bind, 0},
    {"timestampadd", NULL, row_timestampadd, NULL, 0},
    {"timestampdiff", NULL, row_timestampdiff, NULL, 0},
    {"from_utc_timestamp", NULL, row_from_utc, NULL, 0},
    {"to_utc_timestamp", NULL, row_to_utc, NULL, 0},
    {"convert_timezone", NULL, row_convert_timezone, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
