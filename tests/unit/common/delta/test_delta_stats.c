// add.stats and partition values: Delta protocol, Per-file Statistics, Partition Value Serialization.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "common/delta/delta_stats.h"

static struct error err;

static const struct type *parse(const char *text)
{
    const struct type *type = NULL;
    assert_int_equal(type_parse(text, &type, &err), STATUS_OK);
    return type;
}

static void assert_stats(const char *schema, const struct parquet_column_stats *stats, uint32_t count, int32_t columns,
                         const char *expected)
{
    struct text text = {0};
    delta_stats_write(parse(schema), 10, stats, count, columns, &text);
    assert_string_equal(text_str(&text), expected);
    text_deinit(&text);
}

static struct parquet_column_stats of_strings(const char *min, const char *max)
{
    return (struct parquet_column_stats){.type = type_of(TYPE_STRING),
                                         .has_min_max = true,
                                         .min_bytes = {min, strlen(min)},
                                         .max_bytes = {max, strlen(max)}};
}

static void numbers_dates_and_times_are_bounded(void **state)
{
    (void)state;
    struct parquet_column_stats stats[] = {
        {.type = type_of(TYPE_BIGINT), .has_min_max = true, .min.i64 = INT64_MIN, .max.i64 = INT64_MAX},
        {.type = type_of(TYPE_DOUBLE), .has_min_max = true, .min.f64 = -0.5, .max.f64 = 1e22},
        {.type = type_of(TYPE_DATE), .has_min_max = true, .min.i64 = -1, .max.i64 = 19723},
        {.type = type_of(TYPE_TIMESTAMP),
         .has_min_max = true,
         .min.i64 = -1,
         .max.i64 = 1700003000008997,
         .null_count = 2},
        {.type = type_of(TYPE_TIMESTAMP_NTZ), .has_min_max = true, .min.i64 = 0, .max.i64 = 999},
        {.type = type_decimal(10, 2), .has_min_max = true, .min.i128 = -5, .max.i128 = 12345},
    };
    assert_stats(
        "struct<a:bigint,b:double,c:date,d:timestamp,e:timestamp_ntz,f:decimal(10,2)>", stats, 6, -1,
        "{\"numRecords\":10,\"minValues\":{\"a\":-9223372036854775808,\"b\":-0.5,\"c\":\"1969-12-31\","
        "\"d\":\"1969-12-31T23:59:59.999Z\",\"e\":\"1970-01-01T00:00:00.000\",\"f\":-0.05},"
        "\"maxValues\":{\"a\":9223372036854775807,\"b\":1e22,\"c\":\"2024-01-01\",\"d\":\"2023-11-14T23:03:20.009Z\","
        "\"e\":\"1970-01-01T00:00:00.001\",\"f\":123.45},"
        "\"nullCount\":{\"a\":0,\"b\":0,\"c\":0,\"d\":2,\"e\":0,\"f\":0}}");
}

static void what_has_no_safe_bound_is_left_out(void **state)
{
    (void)state;
    struct parquet_column_stats stats[] = {
        {.type = type_of(TYPE_DOUBLE), .has_min_max = true, .min.f64 = -INFINITY, .max.f64 = 1},
        {.type = type_of(TYPE_STRING), .null_count = 10},
        {.type = type_of(TYPE_BOOLEAN), .has_min_max = true, .max.i64 = 1},
        {.type = type_of(TYPE_BINARY)},
        {.type = type_of(TYPE_DATE), .has_min_max = true, .min.i64 = 0, .max.i64 = 2932896}, // the year 9999
    };
    assert_stats("struct<a:double,b:string,c:boolean,d:binary,e:date>", stats, 5, -1,
                 "{\"numRecords\":10,\"minValues\":{\"a\":\"-Infinity\",\"c\":false,\"e\":\"1970-01-01\"},"
                 "\"maxValues\":{\"a\":1.0,\"c\":true,\"e\":\"9999-12-31\"},"
                 "\"nullCount\":{\"a\":0,\"b\":10,\"c\":0,\"d\":0,\"e\":0}}");
}

// Readers take a bound that is missing beside others for one that no value meets.
static void a_column_without_a_bound_takes_those_of_the_file_with_it(void **state)
{
    (void)state;
    static const char none[] = "{\"numRecords\":10,\"nullCount\":{\"a\":0,\"b\":0}}";
    struct parquet_column_stats stats[] = {{.type = type_of(TYPE_INT), .has_min_max = true},
                                           {.type = type_of(TYPE_DOUBLE)}}; // a NaN was seen
    assert_stats("struct<a:int,b:double>", stats, 2, -1, none);
    assert_stats("struct<a:int,b:double>", stats, 2, 1,
                 "{\"numRecords\":10,\"minValues\":{\"a\":0},\"maxValues\":{\"a\":0},\"nullCount\":{\"a\":0}}");
    stats[1] = (struct parquet_column_stats){.type = type_of(TYPE_DATE), .has_min_max = true, .max.i64 = 2932897};
    assert_stats("struct<a:int,b:date>", stats, 2, -1, none);
}

static void structs_are_mirrored_and_lists_left_out(void **state)
{
    (void)state;
    struct parquet_column_stats stats[] = {
        {.type = type_of(TYPE_INT), .has_min_max = true, .min.i64 = 1, .max.i64 = 2},
        {.type = type_of(TYPE_INT), .null_count = 10},
        {.type = type_of(TYPE_STRING)},
        {.type = type_of(TYPE_INT)},
        {.type = type_of(TYPE_INT), .has_min_max = true, .min.i64 = 5, .max.i64 = 6},
    };
    assert_stats(
        "struct<s:struct<`a.b`:int,c:struct<d:int>>,m:map<string,int>,z:int>", stats, 5, -1,
        "{\"numRecords\":10,\"minValues\":{\"s\":{\"a.b\":1},\"z\":5},\"maxValues\":{\"s\":{\"a.b\":2},\"z\":6},"
        "\"nullCount\":{\"s\":{\"a.b\":0,\"c\":{\"d\":10}},\"z\":0}}");
    assert_stats("struct<s:struct<`a.b`:int,c:struct<d:int>>,m:map<string,int>,z:int>", stats, 5, 1,
                 "{\"numRecords\":10,\"minValues\":{\"s\":{\"a.b\":1}},\"maxValues\":{\"s\":{\"a.b\":2}},"
                 "\"nullCount\":{\"s\":{\"a.b\":0}}}");
    assert_stats("struct<z:int>", stats, 1, 0, "{\"numRecords\":10}");
}

static void long_strings_are_cut_and_the_maximum_stays_above(void **state)
{
    (void)state;
#define A32 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define E32                                                                                                            \
    "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4" \
    "\xC3\xA4\xC3\xA4"                                                                                                 \
    "\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4\xC3\xA4" \
    "\xC3\xA4\xC3\xA4"
#define LAST "\xF4\x8F\xBF\xBF"
    static const char *const cases[][2] = {
        {A32, A32},
        {A32 "b", A32 "\x7F"},
        {A32 "\xC3\xA4", A32 LAST},
        {A32 "\x7F", A32 LAST},
        {A32 LAST "b", A32 LAST "\x7F"},
        {E32 "x", E32 "\x7F"},
        {A32 LAST, A32 LAST},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct parquet_column_stats stats = of_strings(cases[i][0], cases[i][0]);
        struct text expected = {0};
        size_t prefix = strncmp(cases[i][0], E32, 64) == 0 ? 64 : 32;
        text_append_str(&expected, "{\"numRecords\":10,\"minValues\":{\"s\":");
        text_append_json(&expected, cases[i][0], prefix);
        text_append_str(&expected, "},\"maxValues\":{\"s\":");
        text_append_json(&expected, cases[i][1], strlen(cases[i][1]));
        text_append_str(&expected, "},\"nullCount\":{\"s\":0}}");
        assert_stats("struct<s:string>", &stats, 1, 32, text_str(&expected));
        text_deinit(&expected);
        assert_true(strcmp(cases[i][1], cases[i][0]) >= 0);
    }
}

static void rows_are_found_at_the_top_only(void **state)
{
    (void)state;
    uint64_t rows = 0;
    assert_true(delta_stats_rows("{\"minValues\":{\"numRecords\":3,\"a\":\"\\\"{\"},\"numRecords\": 42}", &rows));
    assert_int_equal(rows, 42);
    assert_false(delta_stats_rows("{\"minValues\":{\"numRecords\":3}}", &rows));
    assert_false(delta_stats_rows("{\"a\":\"numRecords\"", &rows));
    assert_false(delta_stats_rows("", &rows));
}

static void assert_partition(const char *type_text, const char *value, const char *written)
{
    const struct type *type = parse(type_text);
    struct column *column = NULL;
    struct text text = {0};
    bool is_null = true;
    assert_int_equal(delta_stats_partition_column(NULL, type, value, 3, &column, &err), STATUS_OK);
    assert_int_equal(column->length, 3);
    assert_int_equal(delta_stats_partition_text(column, 2, &text, &is_null, &err), STATUS_OK);
    if (written) {
        assert_false(is_null);
        assert_string_equal(text_str(&text), written);
    } else {
        assert_true(is_null);
    }
    text_deinit(&text);
    column_unref(column);
}

static void partition_values_are_texts_both_ways(void **state)
{
    (void)state;
    assert_partition("string", "a b/c", "a b/c");
    assert_partition("string", "", NULL);
    assert_partition("int", NULL, NULL);
    assert_partition("tinyint", "-128", "-128");
    assert_partition("bigint", "9223372036854775807", "9223372036854775807");
    assert_partition("boolean", "true", "true");
    assert_partition("date", "2024-02-29", "2024-02-29");
    assert_partition("decimal(10,2)", "1.5", "1.50");
    assert_partition("double", "1.5", "1.5");
    assert_partition("timestamp", "1970-01-01T00:00:00.123456Z", "1970-01-01T00:00:00.123456Z");
    assert_partition("timestamp", "2020-01-01 12:00:00", "2020-01-01T12:00:00.000000Z");
    assert_partition("timestamp_ntz", "2020-01-01 12:00:00.5", "2020-01-01 12:00:00.5");
}

static void wrong_partition_values_are_refused(void **state)
{
    (void)state;
    struct column *column = NULL;
    assert_int_equal(delta_stats_partition_column(NULL, type_of(TYPE_TINYINT), "128", 1, &column, &err),
                     STATUS_CORRUPT);
    assert_int_equal(delta_stats_partition_column(NULL, type_of(TYPE_DATE), "x", 1, &column, &err), STATUS_CORRUPT);
    assert_int_equal(delta_stats_partition_column(NULL, parse("array<int>"), "x", 1, &column, &err), STATUS_CORRUPT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_dates_and_times_are_bounded),
        cmocka_unit_test(what_has_no_safe_bound_is_left_out),
        cmocka_unit_test(a_column_without_a_bound_takes_those_of_the_file_with_it),
        cmocka_unit_test(structs_are_mirrored_and_lists_left_out),
        cmocka_unit_test(long_strings_are_cut_and_the_maximum_stays_above),
        cmocka_unit_test(rows_are_found_at_the_top_only),
        cmocka_unit_test(partition_values_are_texts_both_ways),
        cmocka_unit_test(wrong_partition_values_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
