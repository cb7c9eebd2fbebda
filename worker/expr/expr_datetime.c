// Dates and times in UTC: fields, truncation, arithmetic, epochs, windows. Time zones other than UTC and offsets are
// refused by the functions that take one. Raises DATETIME_FIELD_OUT_OF_BOUNDS, ARITHMETIC_OVERFLOW and what each says.
#include <math.h>
#include <string.h>
#include <strings.h>

#include "common/columnar/datetime_zone.h"
#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_arithmetic_row.h"
#include "worker/expr/expr_datetime.h"
#include "worker/expr/expr_decimal.h"
#include "worker/expr/expr_families.h"

int64_t expr_datetime_floor(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t expr_datetime_weekday(int64_t days) // 0 Monday … 6 Sunday
{
    return ((days + 3) % 7 + 7) % 7;
}

// ISO week of a day; *ret_year: the week's year.
int64_t expr_datetime_week(int64_t days, int64_t *ret_year)
{
    int64_t thursday = days - expr_datetime_weekday(days) + 3;
    struct datetime_civil civil = datetime_text_civil(thursday);
    *ret_year = civil.year;
    return (thursday - datetime_text_days(civil.year, 1, 1)) / 7 + 1;
}

enum time_part {
    YEAR,
    YEAR_OF_WEEK,
    QUARTER,
    MONTH,
    WEEK,
    DAY,
    DAY_OF_WEEK,
    DAY_OF_WEEK_ISO,
    DAY_OF_YEAR,
    HOUR,
    MINUTE,
    SECOND,
    WEEKDAY
};

static int64_t date_field(enum time_part field, int64_t days)
{
    int64_t year;
    switch (field) {
    case DAY_OF_WEEK: return (expr_datetime_weekday(days) + 1) % 7 + 1;
    case DAY_OF_WEEK_ISO: return expr_datetime_weekday(days) + 1;
    case WEEKDAY: return expr_datetime_weekday(days);
    case WEEK: return expr_datetime_week(days, &year);
    case YEAR_OF_WEEK: expr_datetime_week(days, &year); return year;
    default: break;
    }
    struct datetime_civil civil = datetime_text_civil(days);
    switch (field) {
    case YEAR: return civil.year;
    case QUARTER: return (civil.month - 1) / 3 + 1;
    case MONTH: return civil.month;
    case DAY: return civil.day;
    default: return days - datetime_text_days(civil.year, 1, 1) + 1;
    }
}

#define DATE_FIELD(name, field)                                                                                        \
    static enum expr_outcome name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)         \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        return expr_row_int(ret, date_field(field, args[0].i));                                                        \
    }
DATE_FIELD(row_year, YEAR)
DATE_FIELD(row_quarter, QUARTER)
DATE_FIELD(row_month, MONTH)
DATE_FIELD(row_weekofyear, WEEK)
DATE_FIELD(row_day, DAY)
DATE_FIELD(row_dayofweek, DAY_OF_WEEK)
DATE_FIELD(row_weekday, WEEKDAY)
DATE_FIELD(row_dayofyear, DAY_OF_YEAR)

static int64_t time_field(enum time_part field, int64_t us)
{
    int64_t second = expr_datetime_floor(us, 1000000);
    int64_t of_day = second - expr_datetime_floor(second, 86400) * 86400;
    return field == HOUR ? of_day / 3600 : field == MINUTE ? of_day / 60 % 60 : of_day % 60;
}

#define TIME_FIELD(name, field)                                                                                        \
    static enum expr_outcome name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)         \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        return expr_row_int(ret, time_field(field, args[0].i));                                                        \
    }
TIME_FIELD(row_hour, HOUR)
TIME_FIELD(row_minute, MINUTE)
TIME_FIELD(row_second, SECOND)

static const char *const day_names[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
static const char *const month_names[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static enum expr_outcome row_dayname(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_string(ret, day_names[expr_datetime_weekday(args[0].i)], 3);
}

static enum expr_outcome row_monthname(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_string(ret, month_names[date_field(MONTH, args[0].i) - 1], 3);
}

struct field_name {
    const char *name;
    enum time_part field;
};
static const struct field_name field_names[] = {
    {"year", YEAR},
    {"y", YEAR},
    {"years", YEAR},
    {"yr", YEAR},
    {"yrs", YEAR},
    {"yearofweek", YEAR_OF_WEEK},
    {"quarter", QUARTER},
    {"qtr", QUARTER},
    {"month", MONTH},
    {"mon", MONTH},
    {"mons", MONTH},
    {"months", MONTH},
    {"week", WEEK},
    {"w", WEEK},
    {"weeks", WEEK},
    {"day", DAY},
    {"d", DAY},
    {"days", DAY},
    {"dayofweek", DAY_OF_WEEK},
    {"dow", DAY_OF_WEEK},
    {"dayofweek_iso", DAY_OF_WEEK_ISO},
    {"dow_iso", DAY_OF_WEEK_ISO},
    {"doy", DAY_OF_YEAR},
    {"hour", HOUR},
    {"h", HOUR},
    {"hours", HOUR},
    {"hr", HOUR},
    {"hrs", HOUR},
    {"minute", MINUTE},
    {"m", MINUTE},
    {"min", MINUTE},
    {"mins", MINUTE},
    {"minutes", MINUTE},
    {"second", SECOND},
    {"s", SECOND},
    {"sec", SECOND},
    {"seconds", SECOND},
    {"secs", SECOND},
    {NULL, YEAR},
};

static int64_t interval_field(enum time_part field, const struct type *type, int64_t value)
{
    if (type->kind == TYPE_INTERVAL_YEAR_MONTH) return field == YEAR ? value / 12 : value % 12;
    int64_t second = value / 1000000;
    return field == DAY ? second / 86400 : field == HOUR ? second / 3600 % 24 : second / 60 % 60;
}

static enum expr_outcome row_date_part(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    const struct type *type = expr_arg_type(row->call, 1);
    const struct field_name *entry = field_names;
    while (entry->name && !slice_equal_nocase(slice_str(entry->name), args[0].s)) entry++;
    if (!entry->name) return expr_row_fail(row, "INVALID_EXTRACT_FIELD", "there is no such field");
    bool interval = type->kind == TYPE_INTERVAL_DAY_TIME || type->kind == TYPE_INTERVAL_YEAR_MONTH;
    if (entry->field == SECOND) {
        int64_t minute =
            interval ? args[1].i % 60000000 : args[1].i - expr_datetime_floor(args[1].i, 60000000) * 60000000;
        ret->n = minute;
        return EXPR_VALUE;
    }
    if (interval) return expr_row_int(ret, interval_field(entry->field, type, args[1].i));
    bool time = type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
    return expr_row_int(ret, time ? time_field(entry->field, args[1].i) : date_field(entry->field, args[1].i));
}

// The first day of the unit that holds `days`: "year", "quarter", "month", "week". False: another unit.
static bool truncate_days(struct slice unit, int64_t days, int64_t *ret_days)
{
    static const char *const units[] = {"year", "yyyy", "yy", "quarter", "month", "mon", "mm", "week"};
    size_t which = 0;
    while (which < 8 && !slice_equal_nocase(unit, slice_str(units[which]))) which++;
    struct datetime_civil civil = datetime_text_civil(days);
    switch (which) {
    case 0:
    case 1:
    case 2: *ret_days = datetime_text_days(civil.year, 1, 1); return true;
    case 3: *ret_days = datetime_text_days(civil.year, (civil.month - 1) / 3 * 3 + 1, 1); return true;
    case 4:
    case 5:
    case 6: *ret_days = datetime_text_days(civil.year, civil.month, 1); return true;
    case 7: *ret_days = days - expr_datetime_weekday(days); return true;
    default: return false;
    }
}

static enum expr_outcome row_trunc(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return truncate_days(args[1].s, args[0].i, &ret->i) ? EXPR_VALUE : EXPR_NULL;
}

static enum expr_outcome row_date_trunc(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    static const struct {
        const char *name;
        int64_t us;
    } units[] = {{"day", DATETIME_DAY_US}, {"dd", DATETIME_DAY_US}, {"hour", INT64_C(3600000000)},
                 {"minute", 60000000},     {"second", 1000000},     {"millisecond", 1000},
                 {"microsecond", 1}};
    (void)row;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (!slice_equal_nocase(args[0].s, slice_str(units[i].name))) continue;
        return expr_row_int(ret, expr_datetime_floor(args[1].i, units[i].us) * units[i].us);
    }
    int64_t days;
    if (!truncate_days(args[0].s, expr_datetime_floor(args[1].i, DATETIME_DAY_US), &days)) return EXPR_NULL;
    return expr_row_int(ret, days * DATETIME_DAY_US);
}

static enum expr_outcome date_result(struct expr_row *row, int64_t days, struct expr_datum *ret)
{
    if (days != (int32_t)days)
        return expr_row_fail(row, "ARITHMETIC_OVERFLOW", "integer overflow in %s", row->call->step->name);
    return expr_row_int(ret, days);
}

static enum expr_outcome row_date_add(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    bool swapped = expr_arg_type(row->call, 0)->kind != TYPE_DATE;                     // 1 + DATE'…'
    return expr_row_int(ret, (int32_t)(uint32_t)(args[swapped].i + args[!swapped].i)); // wraps, as Spark's does
}

static enum expr_outcome row_date_sub(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, (int32_t)(uint32_t)(args[0].i - args[1].i));
}

static enum expr_outcome row_datediff(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    return expr_row_int(ret, args[0].i - args[1].i);
}

static enum expr_outcome row_add_months(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    return date_result(row, expr_arithmetic_row_add_months(args[0].i, args[1].i), ret);
}

static enum expr_outcome row_last_day(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    struct datetime_civil civil = datetime_text_civil(args[0].i);
    return expr_row_int(ret,
                        datetime_text_days(civil.year, civil.month, datetime_text_month_days(civil.year, civil.month)));
}

static enum expr_outcome row_next_day(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    static const char *const names[7][3] = {
        {"mo", "mon", "monday"}, {"tu", "tue", "tuesday"},  {"we", "wed", "wednesday"}, {"th", "thu", "thursday"},
        {"fr", "fri", "friday"}, {"sa", "sat", "saturday"}, {"su", "sun", "sunday"}};
    for (int64_t day = 0; day < 7; day++) {
        for (size_t i = 0; i < 3; i++) {
            if (!slice_equal_nocase(args[1].s, slice_str(names[day][i]))) continue;
            int64_t ahead = (day - expr_datetime_weekday(args[0].i) + 7) % 7;
            return date_result(row, args[0].i + (ahead ? ahead : 7), ret);
        }
    }
    return expr_row_fail(row, "ILLEGAL_DAY_OF_WEEK", "Illegal input for day of week: %.*s", (int)args[1].s.length,
                         args[1].s.data);
}

static enum expr_outcome row_months_between(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t days[2], rest[2];
    struct datetime_civil civil[2];
    bool last[2];
    for (int i = 0; i < 2; i++) {
        days[i] = expr_datetime_floor(args[i].i, DATETIME_DAY_US);
        rest[i] = (args[i].i - days[i] * DATETIME_DAY_US) / 1000000;
        civil[i] = datetime_text_civil(days[i]);
        last[i] = civil[i].day == datetime_text_month_days(civil[i].year, civil[i].month);
    }
    double months = (double)((civil[0].year - civil[1].year) * 12 + (int64_t)civil[0].month - (int64_t)civil[1].month);
    if (civil[0].day == civil[1].day || (last[0] && last[1])) {
        ret->d = months;
        return EXPR_VALUE;
    }
    int64_t seconds = ((int64_t)civil[0].day - (int64_t)civil[1].day) * 86400 + rest[0] - rest[1];
    ret->d = months + (double)seconds / (31.0 * 86400);
    bool round_off = expr_row_args(row) < 3 || args[2].i;
    if (round_off) ret->d = floor(ret->d * 1e8 + 0.5) / 1e8;
    return EXPR_VALUE;
}

#define EPOCH_OF(name, expression)                                                                                     \
    static enum expr_outcome name(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)         \
    {                                                                                                                  \
        (void)row;                                                                                                     \
        const int64_t us = args[0].i;                                                                                  \
        return expr_row_int(ret, expression);                                                                          \
    }
EPOCH_OF(row_unix_seconds, expr_datetime_floor(us, 1000000))
EPOCH_OF(row_unix_millis, expr_datetime_floor(us, 1000))
EPOCH_OF(row_same, us)

static enum expr_outcome scaled(struct expr_row *row, int64_t value, int64_t unit, struct expr_datum *ret)
{
    if (!__builtin_mul_overflow(value, unit, &ret->i)) return EXPR_VALUE;
    return expr_row_fail(row, "ARITHMETIC_OVERFLOW", "long overflow in %s", row->call->step->name);
}

static enum expr_outcome row_timestamp_seconds(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret)
{
    const struct type *type = expr_arg_type(row->call, 0);
    if (type_is_integral(type)) return scaled(row, args[0].i, 1000000, ret);
    if (type->kind == TYPE_DECIMAL) {
        __int128 us;
        bool exact = type->scale <= 6;
        if (!exact && args[0].n % (__int128)expr_decimal_powers[type->scale - 6] != 0) {
            return expr_row_fail(row, "ROUNDING_NECESSARY", "Rounding necessary: a timestamp has six decimal places");
        }
        if (!expr_decimal_rescale(args[0].n, type->scale, 6, 38, &us) || us != (int64_t)us) {
            return expr_row_fail(row, "ARITHMETIC_OVERFLOW", "long overflow in timestamp_seconds");
        }
        return expr_row_int(ret, (int64_t)us);
    }
    if (!isfinite(args[0].d)) return EXPR_NULL;
    double us = args[0].d * 1e6;
    return expr_row_int(ret, us >= 9.2233720368547758e18    ? INT64_MAX
                             : us <= -9.2233720368547758e18 ? INT64_MIN
                                                            : (int64_t)us);
}

static enum expr_outcome row_timestamp_millis(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    return scaled(row, args[0].i, 1000, ret);
}

static enum expr_outcome row_now(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)args;
    return expr_row_int(ret, row->call->frame->context->timestamp_us);
}

static enum expr_outcome row_today(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)args;
    return expr_row_int(ret, expr_datetime_floor(row->call->frame->context->timestamp_us, DATETIME_DAY_US));
}

static enum expr_outcome row_timezone(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    (void)args;
    return expr_row_string(ret, "UTC", 3);
}

static enum expr_outcome field_fail(struct expr_row *row, const char *what)
{
    return expr_row_fail(row, "DATETIME_FIELD_OUT_OF_BOUNDS.WITH_SUGGESTION",
                         "Invalid value for %s. If you want NULL, use a try_ "
                         "function.",
                         what);
}

static enum expr_outcome row_make_date(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t year = args[0].i, month = args[1].i, day = args[2].i;
    if (year < -290307 || year > 294247) return field_fail(row, "year");
    if (month < 1 || month > 12) return field_fail(row, "month");
    if (day < 1 || day > datetime_text_month_days(year, (uint32_t)month)) return field_fail(row, "day of month");
    return date_result(row, datetime_text_days(year, (uint32_t)month, (uint32_t)day), ret);
}

static enum expr_outcome timestamp_fail(struct expr_row *row, const char *what)
{
    return row->call->step->name[0] == 't' ? EXPR_NULL : field_fail(row, what);
}

static enum expr_outcome zone_fail(struct expr_row *row, struct slice zone)
{
    if (row->call->step->name[0] == 't') return EXPR_NULL;
    return expr_row_fail(row, "INVALID_TIMEZONE", "The timezone: %.*s is invalid.", (int)zone.length, zone.data);
}

static enum expr_outcome row_make_timestamp(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    int64_t year = args[0].i, month = args[1].i, day = args[2].i, us = (int64_t)args[5].n;
    int32_t offset = 0;
    struct slice zone = expr_row_args(row) == 7 ? args[6].s : slice_of("UTC", 3);
    bool known = datetime_zone_offset(zone.data, zone.length, 0, true, &offset); // Spark looks at it before the fields
    if (!known) return zone_fail(row, zone);
    if (year < -290307 || year > 294247) return timestamp_fail(row, "year");
    if (month < 1 || month > 12) return timestamp_fail(row, "month");
    if (day < 1 || day > datetime_text_month_days(year, (uint32_t)month)) return timestamp_fail(row, "day of month");
    if (args[3].i < 0 || args[3].i > 23) return timestamp_fail(row, "hour");
    if (args[4].i < 0 || args[4].i > 59) return timestamp_fail(row, "minute");
    if (us < 0 || us > 60000000) {
        if (us > 60000000 && us < 61000000 && row->call->step->name[0] != 't') {
            return expr_row_fail(row, "INVALID_FRACTION_OF_SECOND",
                                 "The fraction of sec must be zero. Valid range is [0, 60].");
        }
        return timestamp_fail(row, "second");
    }
    int64_t seconds =
        datetime_text_days(year, (uint32_t)month, (uint32_t)day) * 86400 + args[3].i * 3600 + args[4].i * 60;
    known = datetime_zone_offset(zone.data, zone.length, seconds, true, &offset);
    if (!known) return zone_fail(row, zone);
    return expr_row_int(ret, (seconds - offset) * 1000000 + us);
}

static enum expr_outcome row_make_dt_interval(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    static const int64_t units[] = {DATETIME_DAY_US, INT64_C(3600000000), 60000000};
    __int128 us = 0;
    for (uint32_t i = 0; i < expr_row_args(row); i++) us += i < 3 ? (__int128)args[i].i * units[i] : args[i].n;
    if (us != (int64_t)us) return expr_row_fail(row, "INTERVAL_ARITHMETIC_OVERFLOW", "the interval is too long");
    return expr_row_int(ret, (int64_t)us);
}

static enum expr_outcome row_make_ym_interval(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    int64_t months = 0;
    if (expr_row_args(row) > 0) months += args[0].i * 12;
    if (expr_row_args(row) > 1) months += args[1].i;
    if (months != (int32_t)months)
        return expr_row_fail(row, "INTERVAL_ARITHMETIC_OVERFLOW", "the interval is too long");
    return expr_row_int(ret, months);
}

// window(time, duration, slide, start): the one tumbling window of a time, as struct<start,end>.
static enum status datetime_window(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *starts = NULL, *ends = NULL;
    int64_t duration = call->args[1].column->i64[0],
            offset = call->step->arg_count > 3 ? call->args[3].column->i64[0] : 0;
    const int64_t *a = call->args[0].column->i64;
    TRY(expr_vector_values(call, sizeof(int64_t), &starts, err));
    TRY(expr_vector_values(call, sizeof(int64_t), &ends, err));
    int64_t *start = (int64_t *)(void *)starts->data, *end = (int64_t *)(void *)ends->data;
    EXPR_UNARY_LOOP(call, a, int64_t, {
        start[row] =
            (int64_t)((uint64_t)expr_datetime_floor(x - offset, duration) * (uint64_t)duration + (uint64_t)offset);
        end[row] = (int64_t)((uint64_t)start[row] + (uint64_t)duration);
    });
    const struct type *type = call->step->type;
    struct column *children[2] = {column_create(type->children[0].type, call->length, 0, NULL, starts, NULL),
                                  column_create(type->children[1].type, call->length, 0, NULL, ends, NULL)};
    call->result = column_create_nested(type, call->length, expr_vector_null_count(call->validity, call->length),
                                        call->validity, NULL, children);
    call->validity = NULL;
    return STATUS_OK;
out:
    buffer_unref(starts);
    buffer_unref(ends);
    return status;
}

static enum status window_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    bool good = step->arg_count >= 2 && step->type->kind == TYPE_STRUCT && step->type->child_count == 2;
    for (uint32_t i = 1; i < step->arg_count && good; i++) {
        const struct column *literal = expr_step_literal(steps, step->args[i]);
        good = literal && literal->type->kind == TYPE_BIGINT && (i > 1 || literal->i64[0] > 0);
    }
    if (!good)
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "window needs a duration in microseconds as literal");
    const struct column *duration = expr_step_literal(steps, step->args[1]);
    const struct column *slide = step->arg_count > 2 ? expr_step_literal(steps, step->args[2]) : duration;
    if (slide->i64[0] == duration->i64[0]) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "a sliding window is an operator, not an expression");
}

// window_time(window): the last microsecond in it
static enum expr_outcome row_window_time(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)row;
    const struct column *end = args[0].nested.column->children[1];
    if (column_is_null(end, args[0].nested.row)) return EXPR_NULL;
    return expr_row_int(ret, end->i64[args[0].nested.row] - 1);
}

const struct expr_function expr_datetime_functions[] = {
    {"year", NULL, row_year, NULL, 0},
    {"quarter", NULL, row_quarter, NULL, 0},
    {"month", NULL, row_month, NULL, 0},
    {"weekofyear", NULL, row_weekofyear, NULL, 0},
    {"day", NULL, row_day, NULL, 0},
    {"dayofweek", NULL, row_dayofweek, NULL, 0},
    {"weekday", NULL, row_weekday, NULL, 0},
    {"dayofyear", NULL, row_dayofyear, NULL, 0},
    {"hour", NULL, row_hour, NULL, 0},
    {"minute", NULL, row_minute, NULL, 0},
    {"second", NULL, row_second, NULL, 0},
    {"dayname", NULL, row_dayname, NULL, 0},
    {"monthname", NULL, row_monthname, NULL, 0},
    {"date_part", NULL, row_date_part, NULL, 0},
    {"trunc", NULL, row_trunc, NULL, 0},
    {"date_trunc", NULL, row_date_trunc, NULL, 0},
    {"date_add", NULL, row_date_add, NULL, 0},
    {"date_sub", NULL, row_date_sub, NULL, 0},
    {"datediff", NULL, row_datediff, NULL, 0},
    {"add_months", NULL, row_add_months, NULL, 0},
    {"last_day", NULL, row_last_day, NULL, 0},
    {"next_day", NULL, row_next_day, NULL, 0},
    {"months_between", NULL, row_months_between, NULL, 0},
    {"unix_seconds", NULL, row_unix_seconds, NULL, 0},
    {"unix_millis", NULL, row_unix_millis, NULL, 0},
    {"unix_micros", NULL, row_same, NULL, 0},
    {"unix_date", NULL, row_same, NULL, 0},
    {"date_from_unix_date", NULL, row_same, NULL, 0},
    {"timestamp_micros", NULL, row_same, NULL, 0},
    {"timestamp_millis", NULL, row_timestamp_millis, NULL, 0},
    {"timestamp_seconds", NULL, row_timestamp_seconds, NULL, 0},
    {"current_timestamp", NULL, row_now, NULL, EXPR_INFALLIBLE},
    {"localtimestamp", NULL, row_now, NULL, EXPR_INFALLIBLE},
    {"current_date", NULL, row_today, NULL, EXPR_INFALLIBLE},
    {"current_timezone", NULL, row_timezone, NULL, EXPR_INFALLIBLE},
    {"make_date", NULL, row_make_date, NULL, 0},
    {"make_timestamp", NULL, row_make_timestamp, NULL, 0},
    {"make_timestamp_ntz", NULL, row_make_timestamp, NULL, 0},
    {"try_make_timestamp", NULL, row_make_timestamp, NULL, 0},
    {"make_dt_interval", NULL, row_make_dt_interval, NULL, 0},
    {"make_ym_interval", NULL, row_make_ym_interval, NULL, 0},
    {"window", datetime_window, NULL, window_bind, 0},
    {"window_time", NULL, row_window_time, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
