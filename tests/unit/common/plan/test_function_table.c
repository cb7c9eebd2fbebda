// Resolution of functions: Spark's ANSI types, and the words for what does not fit. The wide matrix is held by the
// conformance cases (tests/unit/worker/expr); here stand the rules that other code relies on.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/plan/function_table.h"
#include "tests/unit/lib/unit_arena.h"

// Resolves name(types…); types end with NULL. The result's type, or the error's condition.
static const char *resolve(struct function_binding *binding, const char *name, ...)
{
    static struct error err;
    const struct type *types[8];
    struct function_call call = {.name = name, .arg_types = types};
    const Foreset__Expr *literals[8] = {NULL};
    va_list args;
    va_start(args, name);
    for (const char *text = va_arg(args, const char *); text; text = va_arg(args, const char *)) {
        assert_int_equal(type_parse(text, &types[call.arg_count++], &err), STATUS_OK);
    }
    va_end(args);
    call.literals = literals;
    error_clear(&err);
    enum status status = function_resolve(&call, &unit_arena, binding, &err);
    if (status == STATUS_OK) return binding->type->text;
    return status == STATUS_UNSUPPORTED ? "unsupported" : err.condition;
}

static void decimals_follow_sparks_precision(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "+", "decimal(10,2)", "decimal(5,3)", NULL), "decimal(12,3)");
    assert_string_equal(resolve(&b, "*", "decimal(10,2)", "decimal(10,2)", NULL), "decimal(21,4)");
    assert_string_equal(resolve(&b, "/", "decimal(38,18)", "decimal(38,18)", NULL), "decimal(38,6)");
    assert_string_equal(resolve(&b, "%", "decimal(10,2)", "decimal(5,3)", NULL), "decimal(5,3)");
    assert_string_equal(resolve(&b, "+", "decimal(10,2)", "bigint", NULL), "decimal(23,2)");
    assert_ptr_equal(b.arg_types[1], type_decimal(20, 0));
    assert_string_equal(resolve(&b, "+", "decimal(10,2)", "double", NULL), "double");
}

static void division_of_integers_is_double_and_div_is_bigint(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "/", "int", "int", NULL), "double");
    assert_ptr_equal(b.arg_types[0], type_of(TYPE_DOUBLE));
    assert_string_equal(resolve(&b, "div", "int", "smallint", NULL), "bigint");
    assert_string_equal(resolve(&b, "div", "double", "double", NULL), "DATATYPE_MISMATCH.BINARY_OP_WRONG_TYPE");
}

static void strings_are_promoted_to_the_other_sides_type(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "+", "string", "int", NULL), "bigint");
    assert_string_equal(resolve(&b, "=", "string", "date", NULL), "boolean");
    assert_ptr_equal(b.arg_types[0], type_of(TYPE_DATE));
    assert_string_equal(resolve(&b, "=", "int", "boolean", NULL), "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
    assert_string_equal(resolve(&b, "coalesce", "int", "date", NULL), "DATATYPE_MISMATCH.DATA_DIFF_TYPES");
    assert_string_equal(resolve(&b, "greatest", "string", "int", NULL), "DATATYPE_MISMATCH.DATA_DIFF_TYPES");
}

static void case_takes_the_wider_of_its_results(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "case", "boolean", "int", "decimal(2,1)", NULL), "decimal(11,1)");
    assert_ptr_equal(b.arg_types[1], type_decimal(11, 1));
    assert_ptr_equal(b.arg_types[0], type_of(TYPE_BOOLEAN));
    assert_string_equal(resolve(&b, "case", "int", "int", NULL), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
}

static void dates_take_days_and_intervals(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "+", "date", "int", NULL), "date");
    assert_string_equal(b.name, "date_add");
    assert_string_equal(resolve(&b, "-", "timestamp", "interval day to second", NULL), "timestamp");
    assert_string_equal(resolve(&b, "-", "timestamp", "timestamp", NULL), "interval day to second");
    assert_string_equal(resolve(&b, "+", "timestamp", "int", NULL), "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES");
}

static void aliases_resolve_to_one_name_in_any_case(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "UCASE", "string", NULL), "string");
    assert_string_equal(b.name, "upper");
    assert_string_equal(resolve(&b, "mean", "int", NULL), "double");
    assert_string_equal(b.name, "avg");
    assert_int_equal(b.class, FUNCTION_AGGREGATE);
}

static void unknown_names_are_told_from_unbuilt_ones(void **state)
{
    (void)state;
    struct function_binding b;
    assert_string_equal(resolve(&b, "uper", "string", NULL), "UNRESOLVED_ROUTINE");
    assert_string_equal(resolve(&b, "percentile", "int", "double", NULL), "unsupported");
    assert_string_equal(resolve(&b, "upper", NULL), "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
    assert_string_equal(resolve(&b, "upper", "string", "string", NULL), "WRONG_NUM_ARGS.WITHOUT_SUGGESTION");
    assert_string_equal(resolve(&b, "year", "array<int>", NULL), "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE");
}

static void casts_between_numbers_and_dates_are_refused(void **state)
{
    (void)state;
    assert_false(function_can_cast(type_of(TYPE_INT), type_of(TYPE_DATE), false));
    assert_false(function_can_cast(type_of(TYPE_DATE), type_of(TYPE_INT), true));
    assert_false(function_can_cast(type_of(TYPE_TIMESTAMP_NTZ), type_of(TYPE_BIGINT), false));
    assert_true(function_can_cast(type_of(TYPE_STRING), type_of(TYPE_DATE), false));
    assert_true(function_can_cast(type_array(type_of(TYPE_INT)), type_array(type_of(TYPE_STRING)), false));
    assert_false(function_can_cast(type_array(type_of(TYPE_INT)), type_array(type_of(TYPE_DATE)), false));
}

static void random_functions_are_not_deterministic(void **state)
{
    (void)state;
    struct function_binding b;
    resolve(&b, "rand", NULL);
    assert_false(b.deterministic);
    resolve(&b, "current_timestamp", NULL);
    assert_true(b.deterministic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decimals_follow_sparks_precision),
        cmocka_unit_test(division_of_integers_is_double_and_div_is_bigint),
        cmocka_unit_test(strings_are_promoted_to_the_other_sides_type),
        cmocka_unit_test(case_takes_the_wider_of_its_results),
        cmocka_unit_test(dates_take_days_and_intervals),
        cmocka_unit_test(aliases_resolve_to_one_name_in_any_case),
        cmocka_unit_test(unknown_names_are_told_from_unbuilt_ones),
        cmocka_unit_test(casts_between_numbers_and_dates_are_refused),
        cmocka_unit_test(random_functions_are_not_deterministic),
    };
    return cmocka_run_group_tests(tests, unit_arena_setup, unit_arena_teardown);
}
