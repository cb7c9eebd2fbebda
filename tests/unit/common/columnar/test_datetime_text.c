// Dates and timestamps as text.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/columnar/datetime_text.h"

static void calendar_round_trips(void **state)
{
    (void)state;
    for (int64_t days = -800000; days < 3000000; days += 13) {
        struct datetime_civil civil = datetime_text_civil(days);
        assert_int_equal(datetime_text_days(civil.year, civil.month, civil.day), days);
        assert_true(civil.day <= datetime_text_month_days(civil.year, civil.month));
    }
    assert_int_equal(datetime_text_days(2000, 3, 1), 11017);
}

static void dates_as_cast(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {{"2024-02-29", "2024-02-29"},
                 {"2023-02-29", NULL},
                 {" 2024-1-5 ", "2024-01-05"},
                 {"2024", "2024-01-01"},
                 {"2024-03", "2024-03-01"},
                 {"2024-03-04T12", "2024-03-04"},
                 {"2024-03-04 what", "2024-03-04"},
                 {"2024-03x", NULL},
                 {"2024-03 ", "2024-03-01"},
                 {"2024-03 x", NULL},
                 {"24-01-01", NULL},
                 {"", NULL},
                 {"12024-01-01", "+12024-01-01"},
                 {"-0044-03-15", "-0044-03-15"},
                 {"2024-013-1", NULL},
                 {"2024-01-01-", NULL},
                 {"0000-01-01", "0000-01-01"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int32_t days = 0;
        char out[DATETIME_TEXT_SIZE];
        bool ok = datetime_text_parse_date(cases[i].text, strlen(cases[i].text), &days);
        if (ok != (cases[i].wanted != NULL)) fail_msg("date %s", cases[i].text);
        if (!ok) continue;
        datetime_text_format_date(days, out);
        assert_string_equal(out, cases[i].wanted);
    }
}

static void timestamps_as_cast(void **state)
{
    (void)state;
    static const struct {
        const char *text, *wanted;
    } cases[] = {
        {"2024-01-02T03:04:05.678Z", "2024-01-02 03:04:05.678"},
        {"2024-01-02 03:04:05", "2024-01-02 03:04:05"},
        {"2024-01-02T03:04:05.1234567", "2024-01-02 03:04:05.123456"},
        {"2024-01-02T03:04:05.Z", "2024-01-02 03:04:05"},
        {"2024-01-02T03:04:05+05:30", "2024-01-01 21:34:05"},
        {"2024-01-02T03:04:05-0530", "2024-01-02 08:34:05"},
        {"2024-01-02T03:04:05 UTC", "2024-01-02 03:04:05"},
        {"2024-01-02T03:04:05GMT+1", "2024-01-02 02:04:05"},
        {"2024-01-02T03:04:05+1:30", "2024-01-02 01:34:05"},
        {"2024-01-02T03:04:05+19:00", NULL},
        {"2024-01-02T3:4:5", "2024-01-02 03:04:05"},
        {"2024-01-02T03:04", "2024-01-02 03:04:00"},
        {"2024-01-02T03", "2024-01-02 03:00:00"},
        {"2024-01-02", "2024-01-02 00:00:00"},
        {"2024-01", "2024-01-01 00:00:00"},
        {"2024", "2024-01-01 00:00:00"},
        {"12:30", "1970-01-11 12:30:00"},
        {"T12:30:01.5", "1970-01-11 12:30:01.5"},
        {"2024-01-02T24:00:00", NULL},
        {"2024-01-02T23:60:00Z", NULL},
        {"2023-02-29T00:00:00Z", NULL},
        {"2024-01-02X03:04:05Z", NULL},
        {"2024-01-02T03:04:05.12x", NULL},
        {"1960-12-31T23:59:59.999999Z", "1960-12-31 23:59:59.999999"},
        {"", NULL},
        {"now", NULL},
        {"294248-01-01T00:00:00Z", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = 0;
        char out[DATETIME_TEXT_SIZE];
        bool ok = datetime_text_parse_timestamp(cases[i].text, strlen(cases[i].text), 10, &us);
        if (ok != (cases[i].wanted != NULL)) fail_msg("timestamp %s", cases[i].text);
        if (!ok) continue;
        datetime_text_format_timestamp(us, out);
        assert_string_equal(out, cases[i].wanted);
    }
}

static void ntz_takes_a_zone_only_in_casts(void **state)
{
    (void)state;
    int64_t us = 0;
    const char *text = "2024-01-02T03:04:05+05:30";
    assert_false(datetime_text_parse_timestamp_ntz(text, strlen(text), false, &us));
    assert_true(datetime_text_parse_timestamp_ntz(text, strlen(text), true, &us));
    char out[DATETIME_TEXT_SIZE];
    datetime_text_format_iso(us, out);
    assert_string_equal(out, "2024-01-02T03:04:05.000000Z");
    assert_false(datetime_text_parse_timestamp_ntz("12:30", 5, true, &us));
}

static void named_zones_are_known(void **state)
{
    (void)state;
    int64_t us = 0;
    const char *text = "1970-01-01 09:00:01 Asia/Tokyo ", *summer = "2024-07-01T12:00:00America/New_York";
    assert_true(datetime_text_parse_timestamp(text, strlen(text), 0, &us));
    assert_int_equal(us, 1000000);
    assert_true(datetime_text_parse_timestamp(summer, strlen(summer), 0, &us));
    assert_int_equal(us, INT64_C(1719849600000000));
    assert_false(datetime_text_parse_timestamp("1970-01-01 09:00:01 Asia/Toky", 29, 0, &us));
}

static void extremes_print(void **state)
{
    (void)state;
    char out[DATETIME_TEXT_SIZE];
    datetime_text_format_iso(INT64_MIN, out);
    assert_string_equal(out, "-290308-12-21T19:59:05.224192Z");
    datetime_text_format_timestamp(INT64_MAX, out);
    assert_string_equal(out, "+294247-01-10 04:00:54.775807");
    datetime_text_format_json(1500, true, out);
    assert_string_equal(out, "1970-01-01T00:00:00.001Z");
    datetime_text_format_interval(type_of(TYPE_INTERVAL_DAY_TIME), -(DATETIME_DAY_US + 1500000), out);
    assert_string_equal(out, "INTERVAL '-1 00:00:01.5' DAY TO SECOND");
    datetime_text_format_interval(type_of(TYPE_INTERVAL_YEAR_MONTH), -14, out);
    assert_string_equal(out, "INTERVAL '-1-2' YEAR TO MONTH");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(calendar_round_trips),  cmocka_unit_test(dates_as_cast),
        cmocka_unit_test(timestamps_as_cast),    cmocka_unit_test(ntz_takes_a_zone_only_in_casts),
        cmocka_unit_test(named_zones_are_known), cmocka_unit_test(extremes_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
