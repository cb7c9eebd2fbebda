// Intervals: what is read, and how they are printed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/sql/sql_interval.h"

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"30 seconds", 30000000},
        {"1 minute", 60000000},
        {"1 hour 30 minutes", 5400000000},
        {"INTERVAL 5 MINUTES", 300000000},
        {" 1  day ", 86400000000},
        {"2 weeks", 1209600000000},
        {"1.5 seconds", 1500000},
        {"-5 minutes", -300000000},
        {"- 5 minutes", -300000000},
        {"250 milliseconds", 250000},
        {"7 microseconds", 7},
        {"5minutes", 300000000},
        {"0 seconds", 0},
        {"1 minute -1 second", 59000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int64_t us = -1;
        assert_true(sql_interval_parse_us(cases[i].text, &us));
        assert_int_equal(us, cases[i].us);
    }
}

static void what_is_no_duration_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "5",
                                        "minutes",
                                        "5 minuets",
                                        "1.5 minutes",
                                        "interval",
                                        "1 month",
                                        "five minutes",
                                        "99999999999999999999 seconds",
                                        "9223372036854775807 seconds",
                                        "1 minute 5"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t us = -1;
        assert_false(sql_interval_parse_us(texts[i], &us));
        assert_int_equal(us, -1);
    }
}

static void durations_are_printed_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        int64_t us;
        const char *text;
    } cases[] = {{0, "0 seconds"},
                 {60000000, "1 minute"},
                 {5400000000, "1 hour 30 minutes"},
                 {1500000, "1 second 500 milliseconds"},
                 {-300000000, "-5 minutes"},
                 {86400000000, "1 day"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct text text = {0};
        sql_interval_print(cases[i].us, &text);
        assert_string_equal(text_str(&text), cases[i].text);
        text_deinit(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(what_is_no_duration_is_refused),
        cmocka_unit_test(durations_are_printed_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
