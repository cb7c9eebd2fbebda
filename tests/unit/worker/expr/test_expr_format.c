// format_number and format_string: every rule of DecimalFormat's patterns and of Formatter's conversions, answered by
// Spark 4.1 (Java 17), and what Spark refuses.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/planner/planner.h"
#include "worker/expr/expr.h"
#include "worker/expr/expr_program.h"

struct sample {
    const char *expression;
    const char *answer; // NULL: null
};
static const struct sample samples[] = {
    {"format_number(1234567.891D, 2)", "1,234,567.89"},
    {"format_number(2.675D, 2)", "2.67"},
    {"format_number(0.125D, 2)", "0.12"},
    {"format_number(0.375D, 2)", "0.38"},
    {"format_number(CAST(0.125 AS DECIMAL(10,3)), 2)", "0.12"},
    {"format_number(CAST(-0.375 AS DECIMAL(10,3)), 2)", "-0.38"},
    {"format_number(99.995D, 2)", "100.00"},
    {"format_number(999999.5D, 0)", "1,000,000"},
    {"format_number(-0.4D, 0)", "-0"},
    {"format_number(-0.0D, 1)", "-0.0"},
    {"format_number(CAST(0.1 AS FLOAT), 20)", "0.10000000149011612000"},
    {"format_number(1e20D, 1)", "100,000,000,000,000,000,000.0"},
    {"format_number(9223372036854775807, 0)", "9,223,372,036,854,775,807"},
    {"format_number(CAST(-5 AS TINYINT), 3)", "-5.000"},
    {"format_number(CAST(99999999999999999999999999999999999999 AS DECIMAL(38,0)), 1)",
     "99,999,999,999,999,999,999,999,999,999,999,999,999.0"},
    {"format_number(1, -1)", NULL},
    {"format_number(double('NaN'), 2)", "NaN"},
    {"format_number(double('-Infinity'), 2)", "-∞"},
    {"format_number(4.9e-324D, 2)", "0.00"},
    {"format_number(12332.123456D, '')", "12,332"},
    {"format_number(12332.123456D, '#.##')", "12332.12"},
    {"format_number(12332.123456D, '#,###.0#')", "12,332.12"},
    {"format_number(1234567, '#,##')", "1,23,45,67"},
    {"format_number(0.25D, '#,###.00')", ".25"},
    {"format_number(0.25D, '.00')", ".25"},
    {"format_number(0, '#')", "0"},
    {"format_number(5, '000.0')", "005.0"},
    {"format_number(5, '#.')", "5."},
    {"format_number(0.256D, '##.#%')", "25.6%"},
    {"format_number(0.25D, '0.0‰')", "250.0‰"},
    {"format_number(9223372036854775807, '#,##0%')", "922,337,203,685,477,580,700%"},
    {"format_number(-12.5D, '$#,##0.00')", "-$12.50"},
    {"format_number(-12.5D, '¤¤0.0')", "-USD12.5"},
    {"format_number(-12.5D, '0.00;(0.00)')", "(12.50)"},
    {"format_number(-12.5D, '0.00;0.00')", "-12.50"},
    {"format_number(double('-Infinity'), '0.0;(0.0)')", "(∞)"},
    {"format_number(double('NaN'), 'x0')", "NaN"},
    {"format_number(7, \"#'#'0''\")", "7#'"},
    {"format_number(-7, 'abc')", "-abc7"},
    {"format_number(-7, '-0')", "--7"},
    {"format_number(12345.678D, '0.###E0')", "1.235E4"},
    {"format_number(12345.678D, '##0.##E0')", "12.346E3"},
    {"format_number(-0.00012D, '00.#E00')", "-12E-05"},
    {"format_number(0D, '0.0E0')", "0.0E0"},
    {"format_number(CAST(1234.5 AS DECIMAL(10,3)), '0.###E0')", "1.234E3"},
    {"format_number(-5, '0E0E')", "5E0"},
    {"format_string('%d|%5d|%-5d|%05d|%+d|% d', 42, 42, 42, 42, 42, 42)", "42|   42|42   |00042|+42| 42"},
    {"format_string('%,d|%(,d|%(012d', -1234567, -1234567, -1234567)", "-1,234,567|(1,234,567)|(0001234567)"},
    {"format_string('%x|%X|%#x|%010x|%o|%#o', 255, 255, 255, 255, 8, 8)", "ff|FF|0xff|00000000ff|10|010"},
    {"format_string('%x|%x|%x', CAST(-1 AS TINYINT), CAST(-1 AS SMALLINT), -1)", "ff|ffff|ffffffff"},
    {"format_string('%x', -1L)", "ffffffffffffffff"},
    {"format_string('%d %s', DATE'2020-01-01', TIMESTAMP'1970-01-01 00:00:01')", "18262 1000000"},
    {"format_string('%.2f|%.1f|%.0f', 1.005D, 0.25D, 2.5D)", "1.01|0.3|3"},
    {"format_string('%,.2f|%(,.2f|%+010.1f', 1234567.891D, -1234567.891D, 9.96D)",
     "1,234,567.89|(1,234,567.89)|+0000010.0"},
    {"format_string('%#.0f|%.20f|%f', 1.5D, 0.1D, CAST(0.1 AS FLOAT))", "2.|0.10000000000000000000|0.100000"},
    {"format_string('%e|%.0E|%#.0e|%012.2e', 12345.678D, 0.00015D, 5D, -5e-120D)",
     "1.234568e+04|2E-04|5.e+00|-005.00e-120"},
    {"format_string('%g|%.3g|%g|%g|%G', 123456D, 999.5D, 0.0001D, 0.00001D, 1e7D)",
     "123456|1.00e+03|0.000100000|1.00000e-05|1.00000E+07"},
    {"format_string('%g|%e|%.1f', 0D, 0D, -0.0D)", "0.00000|0.000000e+00|-0.0"},
    {"format_string('%f|%5.1f|%010f|%(f|%E', double('NaN'), double('NaN'), double('Infinity'), double('-Infinity'), "
     "double('Infinity'))",
     "NaN|  NaN|  Infinity|(Infinity)|INFINITY"},
    {"format_string('%s|%S|%10s|%-10s|%.2s', 'äöü', 'straße', 'äöü', '日本', '日本語')",
     "äöü|STRASSE|       äöü|日本        |日本"},
    {"format_string('%3s|%.1s|%.2s', '😀', '😀x', '😀x')", " 😀|?|😀"},
    {"format_string('%s|%5s|%d|%.2f|%b|%c|%X', NULL, NULL, NULL, NULL, NULL, NULL, NULL)",
     "null| null|null|nu|false|null|NULL"},
    {"format_string('%b|%B|%b|%.1b', true, false, 'x', true)", "true|FALSE|true|t"},
    {"format_string('%c|%C|%3c|%c', 97, 223, CAST(98 AS TINYINT), 128512)", "a|SS|  b|😀"},
    {"format_string('%h|%h|%h|%H|%h', 'abc', -1L, 1.5D, true, CAST(0.1 AS FLOAT))", "4ed2cbb4|0|3ff80000|4CF|3dcccccd"},
    {"format_string('%s|%s|%s|%s', 1e7D, CAST(0.1 AS FLOAT), 1.50, CAST(0.0000001 AS DECIMAL(10,9)))",
     "1.0E7|0.1|1.50|1.00E-7"},
    {"format_string('%2$s %1$s %<s %s %s', 'a', 'b')", "b a a a b"},
    {"format_string('%%|%5%|%-3%|%n', 1)", "%|    %|%  |\n"},
    {"format_string('no arguments')", "no arguments"},
    {"format_string(CAST(NULL AS STRING), 1)", NULL},
    {"printf('%d-%s', 7, 'x')", "7-x"},
    {"CAST(length(format_number(1, 341)) AS STRING)", "342"},
    {"CAST(length(format_number(1.0, 341)) AS STRING)", "343"},
};

static const char *const refused[] = {
    "format_number(1, '0.#0')",    "format_number(1, '#0#')",      "format_number(1, '0,')",
    "format_number(1, '%0%')",     "format_number(1, ';0')",       "format_number(1, '0.0.0')",
    "format_number(1, \"0'\")",    "format_number(1, '0E')",       "format_string('%d', 1.5D)",
    "format_string('%d', '1')",    "format_string('%f', 1)",       "format_string('%f', 1.5)",
    "format_string('%c', 97L)",    "format_string('%c', 1114112)", "format_string('%s %s', 1)",
    "format_string('%3$s', 1, 2)", "format_string('%<s', 1)",      "format_string('%y', 1)",
    "format_string('%D', 1)",      "format_string('100%')",        "format_string('%-d', 1)",
    "format_string('%-05d', 1)",   "format_string('%+ d', 1)",     "format_string('%++d', 1)",
    "format_string('%#d', 1)",     "format_string('%,x', 1)",      "format_string('%05s', 1)",
    "format_string('%.2d', 1)",    "format_string('%.s', 1)",      "format_string('%5n')",
    "format_string('%0$s', 1)",
};

static struct batch *one_row(const struct type *schema)
{
    struct error err;
    struct column *column = NULL;
    int32_t value = 1;
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_INT));
    assert_int_equal(column_builder_fixed(builder, &value, &err), STATUS_OK);
    assert_int_equal(column_builder_finish(builder, &column, &err), STATUS_OK);
    column_builder_destroy(builder);
    return batch_create(schema, 1, &column);
}

// The expression's value over one row; errors: what the row raised.
static struct column *eval(const char *expression, struct arena *arena, struct expr_errors *errors)
{
    struct error err = {0};
    const struct type *schema;
    Foreset__Plan *plan;
    const uint32_t *roots;
    const char *const *names;
    size_t root_count;
    struct expr *expr = NULL;
    struct column *column = NULL;
    struct expr_context context = {.timestamp_us = 1, .errors = errors, .random_seed = 1};
    assert_int_equal(type_parse_ddl("id INT", &schema, &err), STATUS_OK);
    enum status status = planner_compile_select(expression, schema, arena, &plan, &roots, &names, &root_count, &err);
    if (status != STATUS_OK) fail_msg("%s: %s", expression, err.message);
    assert_int_equal(root_count, 1);
    status = expr_compile_list(plan, roots, 1, schema, NULL, &expr, &err);
    if (status != STATUS_OK) fail_msg("%s: %s", expression, err.message);
    struct batch *batch = one_row(schema);
    status = expr_eval(expr, batch, &context, &column, &err);
    if (status != STATUS_OK) fail_msg("%s: %s", expression, err.message);
    batch_unref(batch);
    expr_destroy(expr);
    return column;
}

static void equals_spark(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++) {
        const struct sample *sample = &samples[i];
        struct arena arena;
        struct expr_errors errors = {0};
        arena_init(&arena, 0);
        struct column *column = eval(sample->expression, &arena, &errors);
        const char *raised = errors.items.count ? errors.items.items[0].message : NULL;
        struct slice got = column_is_null(column, 0) ? slice_of(NULL, 0) : column_slice(column, 0);
        struct slice want = sample->answer ? slice_str(sample->answer) : slice_of(NULL, 0);
        if (raised || !got.data != !want.data || !slice_equal(got, want)) {
            print_message("%s: %.*s, expected %s\n", sample->expression, raised ? (int)strlen(raised) : (int)got.length,
                          raised ? raised : got.data, sample->answer ? sample->answer : "null");
            wrong++;
        }
        column_unref(column);
        expr_errors_deinit(&errors);
        arena_deinit(&arena);
    }
    assert_int_equal(wrong, 0);
}

static void refuses_what_spark_refuses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct arena arena;
        struct expr_errors errors = {0};
        arena_init(&arena, 0);
        struct column *column = eval(refused[i], &arena, &errors);
        if (errors.items.count != 1) fail_msg("%s is not refused", refused[i]);
        const char *condition = errors.items.items[0].condition;
        assert_int_equal(strncmp(condition, "INVALID_PARAMETER_VALUE", 23), 0);
        assert_int_equal(strcmp(condition, "INVALID_PARAMETER_VALUE.ZERO_INDEX") == 0,
                         strstr(refused[i], "%0$") != NULL);
        assert_true(column_is_null(column, 0));
        column_unref(column);
        expr_errors_deinit(&errors);
        arena_deinit(&arena);
    }
}

// A field of any size would let one row take all memory.
static void bounds_what_a_row_may_ask_for(void **state)
{
    (void)state;
    static const char *const expressions[] = {"format_number(1.5, 100001)", "format_string('%1000001d', 1)",
                                              "format_string('%.1000001f', 1D)", "format_string('%99999999999s', 1)"};
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++) {
        struct arena arena;
        struct expr_errors errors = {0};
        arena_init(&arena, 0);
        column_unref(eval(expressions[i], &arena, &errors));
        assert_int_equal(errors.items.count, 1);
        assert_string_equal(errors.items.items[0].condition, "INVALID_PARAMETER_VALUE");
        expr_errors_deinit(&errors);
        arena_deinit(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_spark),
        cmocka_unit_test(refuses_what_spark_refuses),
        cmocka_unit_test(bounds_what_a_row_may_ask_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
