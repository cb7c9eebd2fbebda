// Numbers as text.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/columnar/number_text.h"

static double as_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void doubles_round_trip(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 3);
    for (int i = 0; i < 200000; i++) {
        double value = as_double(random_u64(&random)), back = 0;
        if (!isfinite(value)) continue;
        if (i % 3 == 0) value = (double)(int64_t)random_below(&random, 1000000) / 100;
        if (i % 101 == 0) value = as_double(random_below(&random, 1000000)); // subnormal
        char out[NUMBER_TEXT_SIZE];
        size_t length = number_text_format_json(value, out);
        assert_true(number_text_parse_double(out, length, &back));
        assert_true(value == back && strtod(out, NULL) == value);
        length = number_text_format_double(value, out);
        assert_true(number_text_parse_double(out, length, &back));
        assert_true(value == back);
    }
}

static void reading_is_exactly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {"9007199254740993",
                                        "0.1",
                                        "1e23",
                                        "8.5e22",
                                        "2.2250738585072011e-308",
                                        "1e-400",
                                        "1e400",
                                        "123456789012345678901234567890",
                                        "0.000000000000000000000000000001e30",
                                        "1.00000000000000011102230246251565404236316680908203125",
                                        "9007199254740992e1",
                                        "4.9406564584124654e-324",
                                        "2.4703282292062327e-324",
                                        "-0",
                                        "-0.0e5",
                                        "00012.50"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 1;
        float single = 1;
        assert_true(number_text_parse_double(texts[i], strlen(texts[i]), &value));
        assert_true(value == strtod(texts[i], NULL) && signbit(value) == signbit(strtod(texts[i], NULL)));
        assert_true(number_text_parse_float(texts[i], strlen(texts[i]), &single));
        assert_true(single == strtof(texts[i], NULL));
    }
    struct random random;
    random_init(&random, 5);
    for (int i = 0; i < 100000; i++) {
        char out[80];
        int length = snprintf(
            out, sizeof out, "%llu.%llue%d", (unsigned long long)(random_u64(&random) >> random_below(&random, 64)),
            (unsigned long long)random_below(&random, 1000000), (int)random_below(&random, 640) - 330);
        double value = 0;
        assert_true(number_text_parse_double(out, (size_t)length, &value));
        assert_true(value == strtod(out, NULL));
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",     "-",  ".",  "e5",  "1e", "1e+", "1.2.3",
                                        "0x10", " 1", "1 ", "NaN", "1d", "--1"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        double value = 0;
        assert_false(number_text_parse_double(texts[i], strlen(texts[i]), &value));
    }
    double value = 0;
    assert_true(number_text_cast_double(" -iNf ", 6, &value) && value < 0 && isinf(value));
    assert_true(number_text_cast_double("nan", 3, &value) && isnan(value));
    assert_true(number_text_cast_double("1.5d", 4, &value) && value == 1.5);
    assert_false(number_text_cast_double("d", 1, &value));
    assert_false(number_text_cast_double("", 0, &value));
}

static void java_forms(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *wanted;
    } cases[] = {{0, "0.0"},
                 {-0.0, "-0.0"},
                 {1, "1.0"},
                 {100, "100.0"},
                 {1e7, "1.0E7"},
                 {1234567.5, "1234567.5"},
                 {0.001, "0.001"},
                 {0.0001, "1.0E-4"},
                 {1.5e-10, "1.5E-10"},
                 {123456789, "1.23456789E8"},
                 {5e-324, "4.9E-324"},
                 {1.7976931348623157e308, "1.7976931348623157E308"},
                 {(double)INFINITY, "Infinity"},
                 {2e23, "2.0E23"},
                 {299.99, "299.99"},
                 {0.07, "0.07"},
                 {1e14 + 0.5, "1.000000000000005E14"},
                 {0.1 + 0.2, "0.30000000000000004"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char out[NUMBER_TEXT_SIZE];
        number_text_format_double(cases[i].value, out);
        assert_string_equal(out, cases[i].wanted);
    }
    char out[NUMBER_TEXT_SIZE];
    number_text_format_float(0.1f, out);
    assert_string_equal(out, "0.1");
    number_text_format_float(1.17549435e-38f, out);
    assert_string_equal(out, "1.1754944E-38");
    number_text_format_float(16777216.0f, out);
    assert_string_equal(out, "1.6777216E7");
}

static void decimals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint8_t precision, scale;
        const char *wanted; // NULL: not a number; "overflow"
    } cases[] = {{"12.345", 10, 2, "12.35"},
                 {"-12.345", 10, 2, "-12.35"},
                 {"0.004", 10, 2, "0.00"},
                 {"1e3", 10, 0, "1000"},
                 {"999.995", 5, 2, "overflow"},
                 {"999.994", 5, 2, "999.99"},
                 {"1e-50", 38, 18, "0.000000000000000000"},
                 {"99999999999999999999999999999999999999", 38, 0, "99999999999999999999999999999999999999"},
                 {"100000000000000000000000000000000000000", 38, 0, "overflow"},
                 {"0e999999999", 3, 1, "0.0"},
                 {"1e999999999", 3, 1, "overflow"},
                 {".5", 3, 0, "1"},
                 {"5.", 3, 0, "5"},
                 {"abc", 3, 0, NULL},
                 {"00000000000000000000000000000000000000000000000001.50", 3, 1, "1.5"},
                 {"0.05e1", 3, 1, "0.5"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        __int128 value = 0;
        bool overflow = false;
        char out[NUMBER_TEXT_SIZE];
        bool ok = number_text_parse_decimal(cases[i].text, strlen(cases[i].text), cases[i].precision, cases[i].scale,
                                            &value, &overflow);
        if (ok != (cases[i].wanted != NULL)) fail_msg("%s", cases[i].text);
        if (!ok) continue;
        if (overflow)
            strcpy(out, "overflow");
        else
            number_text_format_decimal(value, cases[i].scale, out);
        assert_string_equal(out, cases[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_round_trip),
        cmocka_unit_test(reading_is_exactly_rounded),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(java_forms),
        cmocka_unit_test(decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
