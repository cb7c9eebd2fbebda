// Every conformance case of expressions that is a select list, from text to values: parser, binder, planner, JSON scan,
// kernels. A case may fail only if expr_cases_later.txt names it (its id, then why), and must fail if it does.
// FORESET_EXPR_VERBOSE=1 prints every failure; FORESET_EXPR_CASE=<id or category> runs some.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "tests/unit/lib/unit_data.h"
#include "tests/unit/worker/expr/expr_cases_judge.h"

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

static void run_case(const struct expr_case *item, void *context)
{
    struct run *run = context;
    char why[700] = "";
    if (!item->select || strcmp(item->category, "json_source") == 0) return;
    if (run->only && strcmp(run->only, item->id) != 0 && strcmp(run->only, item->category) != 0) return;
    expr_cases_judge(item, EXPR_CASES_AS_READ, why, sizeof why);
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
    assert_true(expr_cases_json_read("tests/conformance/cases_values.jsonl", run_case, &run));
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
