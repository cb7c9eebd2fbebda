// Every conformance case of expressions that is a select list, from text to values: parser, binder, planner, JSON scan,
// kernels. A case may fail only if expr_cases_later.txt names it (its id, then why), and must fail if it does.
// FORESET_EXPR_VERBOSE=1 prints every failure; FORESET_EXPR_CASE=<id or category> runs some.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/planner/planner.h"
#include "tests/unit/lib/unit_data.h"
#include "tests/unit/worker/expr/expr_cases_json.h"
#include "worker/expr/expr.h"

// When Spark computed the cases (2026-11-22): a time without a date takes that day.
#define ORACLE_TIME_US INT64_C(1795348800000000)

struct category {
    const char *name;
    unsigned passed, failed;
};
struct run {
    struct category categories[64];
    unsigned category_count;
    const char *later;
    unsigned surprises;
    bool verbose;
    const char *only;
};

static bool condition_matches(const char *expected, const char *actual)
{
    size_t length = strcspn(expected, ".");
    return strncmp(expected, actual, length) == 0 && (actual[length] == 0 || actual[length] == '.');
}

// The case's failure in words, or "" if it passes.
static void judge_rows(const struct expr_case *item, const struct batch *batch, struct expr **exprs, size_t count,
                       char *why, size_t size)
{
    struct error err = {0};
    struct expr_errors errors = {0};
    struct expr_context context = {.timestamp_us = ORACLE_TIME_US, .errors = &errors, .random_seed = 1};
    struct column **columns = memory_calloc(count + 1, sizeof *columns);
    struct text text = {0};
    char expected[200];
    for (size_t i = 0; i < count && !why[0]; i++) {
        if (expr_eval(exprs[i], batch, &context, &columns[i], &err) == STATUS_OK) continue;
        if (item->error && condition_matches(item->error, err.condition)) goto out;
        snprintf(why, size, "evaluation: %s %s", err.condition, err.message);
    }
    if (why[0]) goto out;
    if (item->error) {
        const char *condition = errors.items.count ? errors.items.items[0].condition : "none";
        if (!condition_matches(item->error, condition))
            snprintf(why, size, "error %s, expected %s", condition, item->error);
        goto out;
    }
    if (errors.items.count) {
        snprintf(why, size, "row %u: %s: %s", errors.items.items[0].row, errors.items.items[0].condition,
                 errors.items.items[0].message);
        goto out;
    }
    if (batch->row_count != item->row_count)
        snprintf(why, size, "%u rows, expected %zu", batch->row_count, item->row_count);
    for (uint32_t row = 0; row < batch->row_count && !why[0]; row++) {
        for (size_t i = 0; i < count && !why[0]; i++) {
            text_reset(&text);
            column_json(columns[i], row, &text);
            if (expr_cases_json_equal(item, row, i, text_str(&text))) continue;
            snprintf(why, size, "row %u column %zu: %.150s, expected %s", row, i, text_str(&text),
                     expr_cases_json_expected(item, row, i, expected, sizeof expected));
        }
    }
out:
    for (size_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    text_deinit(&text);
    expr_errors_deinit(&errors);
}

static void judge(const struct expr_case *item, char *why, size_t size)
{
    struct error err = {0};
    struct arena arena;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots;
    const char *const *names;
    size_t count = 0;
    struct batch *batch = NULL;
    struct expr **exprs = NULL;
    arena_init(&arena, 0);
    if (!expr_cases_json_batch(item, &batch, &err)) {
        snprintf(why, size, "input: %s", err.message);
        goto out;
    }
    if (planner_compile_select(item->select, batch->schema, &arena, &plan, &roots, &names, &count, &err) != STATUS_OK) {
        bool expected = item->error && condition_matches(item->error, err.condition);
        if (!expected) snprintf(why, size, "planner: %s %s", err.condition, err.message);
        goto out;
    }
    exprs = memory_calloc(count + 1, sizeof *exprs);
    if (expr_compile_list(plan, roots, (uint32_t)count, batch->schema, NULL, exprs, &err) != STATUS_OK) {
        bool expected = item->error && condition_matches(item->error, err.condition);
        if (!expected) snprintf(why, size, "compile: %s %s", err.condition, err.message);
        goto out;
    }
    for (size_t i = 0; i < count && !why[0] && !item->error; i++) {
        const char *type = expr_cases_json_type(item, i);
        if (!type || strcmp(type, expr_type(exprs[i])->text) != 0) {
            snprintf(why, size, "type %s, expected %s", expr_type(exprs[i])->text, type ? type : "none");
        }
    }
    if (!why[0]) judge_rows(item, batch, exprs, count, why, size);
out:
    for (size_t i = 0; i < count && exprs; i++) expr_destroy(exprs[i]);
    memory_free(exprs);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void run_case(const struct expr_case *item, void *context)
{
    struct run *run = context;
    char why[700] = "";
    if (!item->select || strcmp(item->category, "json_source") == 0) return;
    if (run->only && strcmp(run->only, item->id) != 0 && strcmp(run->only, item->category) != 0) return;
    judge(item, why, sizeof why);
    unsigned at = 0;
    while (at < run->category_count && strcmp(run->categories[at].name, item->category) != 0) at++;
    if (at == run->category_count) run->categories[run->category_count++].name = memory_strdup(item->category);
    bool passed = why[0] == 0, later = expr_cases_json_listed(run->later, item->id);
    run->categories[at].passed += passed;
    run->categories[at].failed += !passed;
    if (passed == later) run->surprises++;
    if (passed && later) printf("%s passes: strike it from expr_cases_later.txt\n", item->id);
    if (!passed && (run->verbose || !later)) printf("%s [%s] %s\n", item->id, item->select, why);
}

static void every_case_equals_spark(void **state)
{
    (void)state;
    struct run run = {.verbose = getenv("FORESET_EXPR_VERBOSE") != NULL, .only = getenv("FORESET_EXPR_CASE")};
    struct text later = {0};
    const char *path = unit_data_path("conformance/expr/cases.jsonl");
    assert_true(unit_data_append("tests/unit/worker/expr/expr_cases_later.txt", &later));
    run.later = text_str(&later);
    assert_true(expr_cases_json_read(path, run_case, &run));
    unsigned passed = 0, failed = 0;
    for (unsigned i = 0; i < run.category_count; i++) {
        printf("%-14s %4u passed %4u failed\n", run.categories[i].name, run.categories[i].passed,
               run.categories[i].failed);
        passed += run.categories[i].passed;
        failed += run.categories[i].failed;
    }
    printf("%-14s %4u passed %4u failed\n", "all", passed, failed);
    for (unsigned i = 0; i < run.category_count; i++) memory_free((char *)(uintptr_t)run.categories[i].name);
    text_deinit(&later);
    assert_int_equal(run.surprises, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_equals_spark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
