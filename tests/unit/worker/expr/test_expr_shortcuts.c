// No shortcut changes a result: every conformance case of expressions is Spark's with each way of evaluation that is
// faster than the plain one left out, with all of them left out, and with its rows laid out in every way.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "tests/unit/lib/unit_data.h"
#include "tests/unit/worker/expr/expr_cases_judge.h"

struct run {
    const char *later, *without;
    enum expr_cases_layout layout;
    unsigned cases, wrong;
};

static void run_case(const struct expr_case *item, void *context)
{
    struct run *run = context;
    char why[700] = "";
    if (!item->select || strcmp(item->category, "json_source") == 0) return;
    if (expr_cases_json_listed(run->later, item->id)) return;
    expr_cases_judge(item, run->layout, why, sizeof why);
    run->cases++;
    if (!why[0]) return;
    run->wrong++;
    printf("without '%s', layout %d: %s [%s] %s\n", run->without, (int)run->layout, item->id, item->select, why);
}

static void run_without(const char *without, enum expr_cases_layout layout, unsigned *ret_wrong)
{
    struct text later = {0};
    assert_true(unit_data_append("tests/unit/worker/expr/expr_cases_later.txt", &later));
    struct run run = {.later = text_str(&later), .without = without, .layout = layout};
    assert_int_equal(setenv("FORESET_WITHOUT", without, 1), 0);
    assert_true(expr_cases_json_read(unit_data_path("conformance/expr/cases.jsonl"), run_case, &run));
    assert_true(expr_cases_json_read("tests/conformance/cases_values.jsonl", run_case, &run));
    assert_int_equal(unsetenv("FORESET_WITHOUT"), 0);
    assert_true(run.cases > 0);
    *ret_wrong += run.wrong;
    text_deinit(&later);
}

static void every_case_is_the_same_without_a_shortcut(void **state)
{
    (void)state;
    static const char *const each[] = {
        "scan",  "cast",  "dictionary", "constant",
        "share", "eager", "coded",      "scan cast dictionary constant share eager coded",
    };
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        run_without(each[i], EXPR_CASES_AS_READ, &wrong);
        run_without(each[i], EXPR_CASES_REPEATED, &wrong);
    }
    assert_int_equal(wrong, 0);
}

static void every_case_is_the_same_in_every_layout(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (int layout = 0; layout < EXPR_CASES_LAYOUTS; layout++) run_without("", (enum expr_cases_layout)layout, &wrong);
    assert_int_equal(wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_is_the_same_without_a_shortcut),
        cmocka_unit_test(every_case_is_the_same_in_every_layout),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
