// The engine around the kernels: selections, branches, shared steps, dictionaries, row errors, want of memory, bad
// plans.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/planner/planner.h"
#include "worker/expr/expr.h"
#include "worker/expr/expr_program.h"

#define ROWS 64

struct fixture {
    struct arena arena;
    const struct type *schema;
    struct batch
        *batch; // n INT (row number), s STRING plain ("7", "x" at every 8th), d STRING dictionary ("1", "x", null)
    Foreset__Plan *plan;
    const uint32_t *roots;
    size_t root_count;
    struct expr *exprs[4];
    struct expr_errors errors;
    struct expr_context context;
    struct error err;
};

static struct column *dictionary_column(void)
{
    static const char *const entries[] = {"1", "x", "never"};
    struct error err;
    struct column *dictionary = NULL;
    struct buffer *indices = NULL, *validity = NULL;
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(column_builder_bytes(builder, entries[i], strlen(entries[i]), &err), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &dictionary, &err), STATUS_OK);
    column_builder_destroy(builder);
    assert_int_equal(buffer_create(NULL, ROWS * sizeof(uint32_t), &indices, &err), STATUS_OK);
    assert_int_equal(buffer_create(NULL, ROWS / 8, &validity, &err), STATUS_OK);
    memset(validity->data, 0xff, ROWS / 8);
    uint32_t *to = (uint32_t *)(void *)indices->data, nulls = 0;
    for (uint32_t row = 0; row < ROWS; row++) {
        to[row] = row % 8 == 3;
        if (row % 16 != 5) continue;
        validity->data[row / 8] = (uint8_t)(validity->data[row / 8] & ~(1u << row % 8));
        to[row] = 0;
        nulls++;
    }
    return column_create_dictionary(type_of(TYPE_STRING), ROWS, nulls, validity, indices, dictionary);
}

static void fixture_up(struct fixture *f)
{
    struct column *columns[3] = {NULL};
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 0);
    assert_int_equal(type_parse_ddl("n INT, s STRING, d STRING", &f->schema, &f->err), STATUS_OK);
    struct column_builder *n = column_builder_create(NULL, type_of(TYPE_INT));
    struct column_builder *s = column_builder_create(NULL, type_of(TYPE_STRING));
    for (int32_t row = 0; row < ROWS; row++) {
        const char *text = row % 8 == 0 ? "x" : "7";
        assert_int_equal(column_builder_fixed(n, &row, &f->err), STATUS_OK);
        assert_int_equal(column_builder_bytes(s, text, 1, &f->err), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(n, &columns[0], &f->err), STATUS_OK);
    assert_int_equal(column_builder_finish(s, &columns[1], &f->err), STATUS_OK);
    column_builder_destroy(n);
    column_builder_destroy(s);
    columns[2] = dictionary_column();
    f->batch = batch_create(f->schema, ROWS, columns);
    f->context = (struct expr_context){.timestamp_us = 1, .errors = &f->errors, .random_seed = 1};
}

static void fixture_down(struct fixture *f)
{
    for (size_t i = 0; i < f->root_count; i++) expr_destroy(f->exprs[i]);
    expr_errors_deinit(&f->errors);
    batch_unref(f->batch);
    arena_deinit(&f->arena);
}

static void compile(struct fixture *f, const char *select)
{
    const char *const *names;
    enum status status =
        planner_compile_select(select, f->schema, &f->arena, &f->plan, &f->roots, &names, &f->root_count, &f->err);
    if (status != STATUS_OK) fail_msg("%s", f->err.message);
    status = expr_compile_list(f->plan, f->roots, (uint32_t)f->root_count, f->schema, NULL, f->exprs, &f->err);
    if (status != STATUS_OK) fail_msg("%s", f->err.message);
}

static struct column *eval(struct fixture *f, size_t root)
{
    struct column *column = NULL;
    enum status status = expr_eval(f->exprs[root], f->batch, &f->context, &column, &f->err);
    if (status != STATUS_OK) fail_msg("%s", f->err.message);
    assert_int_equal(column->length, ROWS);
    return column;
}

static void select_rows(struct fixture *f, uint32_t from, uint32_t step)
{
    struct buffer *selection;
    uint32_t count = 0;
    assert_int_equal(buffer_create(NULL, ROWS * sizeof(uint32_t), &selection, &f->err), STATUS_OK);
    for (uint32_t row = from; row < ROWS; row += step) ((uint32_t *)(void *)selection->data)[count++] = row;
    struct batch *selected = batch_select(f->batch, selection, count);
    batch_unref(f->batch);
    f->batch = selected;
}

static void a_failing_row_is_null_and_recorded_once(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f, "CAST(s AS INT) + CAST(s AS INT) * 2");
    struct column *column = eval(&f, 0);
    assert_int_equal(f.errors.items.count, ROWS / 8);
    for (size_t i = 0; i < f.errors.items.count; i++) {
        assert_int_equal(f.errors.items.items[i].row, i * 8);
        assert_string_equal(f.errors.items.items[i].condition, "CAST_INVALID_INPUT");
        assert_true(column_is_null(column, (uint32_t)i * 8));
    }
    assert_int_equal(column->i32[1], 21);
    column_unref(column);
    fixture_down(&f);
}

static void rows_that_are_not_selected_raise_nothing(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    select_rows(&f, 1, 8);
    compile(&f, "CAST(s AS INT), 10 / (n % 8), CAST(d AS INT)");
    for (size_t i = 0; i < 3; i++) column_unref(eval(&f, i));
    assert_int_equal(f.errors.items.count, 0);
    fixture_down(&f);
}

static void branches_run_only_where_they_are_reached(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f, "CASE WHEN n % 8 = 0 THEN -1 ELSE CAST(s AS INT) END, n % 8 = 0 OR CAST(s AS INT) = 7, "
                "coalesce(if(n % 8 = 0, 0, NULL), CAST(s AS INT)), if(s = 'x', 0, 1 / if(s = 'x', 0, 1))");
    struct column *column = eval(&f, 0);
    assert_int_equal(column->i32[8], -1);
    assert_int_equal(column->i32[9], 7);
    column_unref(column);
    for (size_t i = 1; i < 4; i++) column_unref(eval(&f, i));
    assert_int_equal(f.errors.items.count, 0);
    fixture_down(&f);
}

static void behind_a_null_argument_nothing_is_asked(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f,
            "nullif(n % 8, 0) + 1 / (n % 8), make_date(nullif(n % 8, 0), 1, CAST(s AS INT)), "
            "nullif(s, 'x') IN ('a', CAST(CAST(s AS INT) AS STRING)), typeof(1 / (n % 8)) || ' ' || (NULL + 1 / 0)");
    for (size_t i = 0; i < 4; i++) {
        struct column *column = eval(&f, i);
        assert_int_equal(f.errors.items.count, 0);
        for (uint32_t row = 0; row < ROWS; row++) assert_int_equal(column_is_null(column, row), row % 8 == 0 || i == 3);
        column_unref(column);
    }
    fixture_down(&f);
    fixture_up(&f);
    compile(&f, "1 / (n % 8) + nullif(n % 8, 0)"); // the left side comes first
    column_unref(eval(&f, 0));
    assert_int_equal(f.errors.items.count, ROWS / 8);
    fixture_down(&f);
}

static void dictionaries_stay_dictionaries(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f, "upper(d), CASE WHEN d IN ('x') THEN 'letter' WHEN d IS NULL THEN 'none' ELSE 'digit' END");
    struct column *upper = eval(&f, 0), *class = eval(&f, 1);
    assert_non_null(upper->indices);
    assert_non_null(class->indices);
    assert_true(slice_equal(column_slice(upper, 3), slice_str("X")));
    assert_true(column_is_null(upper, 5));
    assert_int_equal(upper->null_count, ROWS / 16);
    assert_true(slice_equal(column_slice(class, 3), slice_str("letter")));
    assert_true(slice_equal(column_slice(class, 5), slice_str("none")));
    assert_true(slice_equal(column_slice(class, 6), slice_str("digit")));
    column_unref(upper);
    column_unref(class);
    fixture_down(&f);
}

static void only_entries_that_rows_have_may_raise(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f, "CAST(d AS INT) + 1"); // "never" is in the dictionary, but in no row
    struct column *column = eval(&f, 0);
    assert_int_equal(f.errors.items.count, ROWS / 8);
    assert_int_equal(f.errors.items.items[0].row, 3);
    assert_non_null(strstr(f.errors.items.items[0].message, "'x'"));
    assert_int_equal(column->i32[0], 2);
    assert_true(column_is_null(column, 5));
    column_unref(column);
    fixture_down(&f);
}

static void equal_expressions_are_one_step(void **state)
{
    (void)state;
    struct fixture f;
    fixture_up(&f);
    compile(&f, "CAST(s AS INT) + 1, CAST(s AS INT) + 1 > 3");
    struct column *first = eval(&f, 0);
    size_t errors = f.errors.items.count;
    struct column *second = eval(&f, 1);
    assert_int_equal(f.errors.items.count, errors);
    assert_int_equal(f.exprs[0]->program->step_count, 6); // s, the cast, 1, +, 3, >
    column_unref(first);
    column_unref(second);
    fixture_down(&f);
}

static void filters_keep_true_rows_of_the_selection(void **state)
{
    (void)state;
    struct fixture f;
    struct buffer *selection = NULL;
    uint32_t count = 0;
    fixture_up(&f);
    select_rows(&f, 1, 2);
    compile(&f, "d = 'x' AND n > 10"); // null where d is null
    assert_int_equal(expr_filter(f.exprs[0], f.batch, &f.context, &selection, &count, &f.err), STATUS_OK);
    const uint32_t *rows = (const uint32_t *)(const void *)selection->data;
    assert_int_equal(count, 7);
    for (uint32_t i = 0; i < count; i++) assert_int_equal(rows[i], 11 + 8 * i);
    buffer_unref(selection);
    fixture_down(&f);
}

static void any_refused_allocation_is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    for (uint64_t n = 1; n < 200; n++) {
        struct fixture f;
        struct budget budget;
        budget_init(&budget, "test", NULL, 0);
        fixture_up(&f);
        compile(&f, "CASE WHEN d = 'x' THEN upper(s) ELSE concat(d, s) END, CAST(s AS INT) + n, array(n, 1)[1], "
                    "named_struct('a', n, 'b', try_cast(s AS DOUBLE)).b * 2");
        f.context.budget = &budget;
        budget_fail_at(n);
        enum status status = STATUS_OK;
        for (size_t i = 0; i < f.root_count && status == STATUS_OK; i++) {
            struct column *column = NULL;
            status = expr_eval(f.exprs[i], f.batch, &f.context, &column, &f.err);
            if (status == STATUS_OK) column_unref(column);
        }
        budget_fail_at(0);
        bool failed = status != STATUS_OK;
        if (failed) assert_int_equal(status, STATUS_NO_MEMORY);
        fixture_down(&f);
        assert_int_equal(budget.used_bytes, 0);
        if (!failed) return;
    }
    fail_msg("the expressions never ran through");
}

static void malformed_plans_are_refused(void **state)
{
    (void)state;
    struct fixture f;
    struct expr *expr = NULL;
    fixture_up(&f);
    compile(&f, "n + 1, upper(s)");
    assert_int_equal(expr_compile(f.plan, (uint32_t)f.plan->n_exprs, f.schema, NULL, &expr, &f.err), STATUS_CORRUPT);
    for (size_t i = 0; i < f.plan->n_exprs; i++) {
        Foreset__Expr *step = f.plan->exprs[i];
        if (step->kind != FORESET__EXPR__KIND__COLUMN) continue;
        uint32_t ordinal = step->ordinal;
        step->ordinal = 7;
        assert_int_equal(expr_compile_list(f.plan, f.roots, 1, f.schema, NULL, &expr, &f.err), STATUS_CORRUPT);
        step->ordinal = ordinal;
        break;
    }
    Foreset__Expr *root = f.plan->exprs[f.roots[0]];
    uint32_t arg = root->args[0];
    root->args[0] = f.roots[0];
    assert_int_equal(expr_compile(f.plan, f.roots[0], f.schema, NULL, &expr, &f.err), STATUS_CORRUPT);
    root->args[0] = arg;
    root->function = (char *)(uintptr_t) "no_such";
    assert_int_equal(expr_compile(f.plan, f.roots[0], f.schema, NULL, &expr, &f.err), STATUS_UNSUPPORTED);
    fixture_down(&f);
}

static void every_prefix_of_a_saved_state_is_refused(void **state)
{
    (void)state;
    static const char *const functions[][3] = {{"sum", "bigint", "bigint"},
                                               {"max", "s", "string"},
                                               {"collect_set", "s", "array<string>"},
                                               {"approx_count_distinct", "s", "bigint"},
                                               {"first", "s", "string"}};
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        struct fixture f;
        struct aggregate *aggregate = NULL;
        struct text bytes = {0};
        void *states[ROWS], *block, *other;
        size_t used = 0;
        fixture_up(&f);
        compile(&f, i == 0 ? "CAST(n AS BIGINT)" : "s");
        Foreset__Aggregate message = FORESET__AGGREGATE__INIT;
        message.function = (char *)(uintptr_t)functions[i][0];
        message.type = (char *)(uintptr_t)functions[i][2];
        message.args = (uint32_t *)(uintptr_t)f.roots;
        message.n_args = 1;
        assert_int_equal(aggregate_compile(f.plan, &message, f.schema, NULL, &aggregate, &f.err), STATUS_OK);
        block = memory_calloc(1, aggregate_state_size(aggregate));
        for (size_t row = 0; row < ROWS; row++) states[row] = block;
        assert_int_equal(aggregate_update(aggregate, f.batch, states, 0, &f.context, &f.err), STATUS_OK);
        aggregate_save(aggregate, block, &bytes);
        for (size_t length = 0; length < bytes.length; length++) {
            other = memory_calloc(1, aggregate_state_size(aggregate));
            assert_int_equal(aggregate_merge(aggregate, other, bytes.data, length, &used, &f.err), STATUS_CORRUPT);
            aggregate_free(aggregate, other);
            memory_free(other);
        }
        aggregate_free(aggregate, block);
        memory_free(block);
        text_deinit(&bytes);
        aggregate_destroy(aggregate);
        fixture_down(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failing_row_is_null_and_recorded_once),
        cmocka_unit_test(rows_that_are_not_selected_raise_nothing),
        cmocka_unit_test(branches_run_only_where_they_are_reached),
        cmocka_unit_test(behind_a_null_argument_nothing_is_asked),
        cmocka_unit_test(dictionaries_stay_dictionaries),
        cmocka_unit_test(only_entries_that_rows_have_may_raise),
        cmocka_unit_test(equal_expressions_are_one_step),
        cmocka_unit_test(filters_keep_true_rows_of_the_selection),
        cmocka_unit_test(any_refused_allocation_is_an_error_and_leaks_nothing),
        cmocka_unit_test(malformed_plans_are_refused),
        cmocka_unit_test(every_prefix_of_a_saved_state_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
