// Every expression case of the conformance data binds to Spark's types, or is refused with Spark's condition. What the
// dialect does not have (lambdas, generators, some functions) must be refused by name.
#include <stdio.h>
#include <stdlib.h>

#include <jansson.h>

#include "tests/unit/coordinator/planner/planner_fixture.h"
#include "tests/unit/lib/unit_data.h"

// Known: extract from intervals (2), quoted field names in type text, default separators of str_to_map.
#define WRONG_MAX 4

struct tally {
    int cases, refused, wrong;
};

static void check_types(const json_t *test, const char *select, const Foreset__Plan *plan, const uint32_t *roots,
                        size_t count, struct tally *tally)
{
    json_t *types = json_object_get(test, "types");
    const char *key;
    json_t *type;
    size_t at = 0;
    if (!types) return; // fails when it runs
    json_object_foreach(types, key, type)
    {
        const char *found = at < count ? plan->exprs[roots[at]]->type : "nothing";
        at++;
        if (strcmp(found, json_string_value(type)) == 0) continue;
        tally->wrong++;
        print_message("%s: %s is %s, Spark's is %s\n", select, key, found, json_string_value(type));
    }
}

static void check_case(const json_t *test, struct tally *tally)
{
    const char *select = json_string_value(json_object_get(test, "select"));
    const char *expected = json_string_value(json_object_get(test, "error"));
    const char *phase = json_string_value(json_object_get(test, "error_phase"));
    const struct type *input = NULL;
    struct error err = {0};
    struct arena arena;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots = NULL;
    const char *const *names = NULL;
    size_t count = 0;
    if (!select) return;
    arena_init(&arena, 0);
    tally->cases++;
    assert_int_equal(type_parse_ddl(json_string_value(json_object_get(test, "schema")), &input, &err), STATUS_OK);
    enum status status = planner_compile_select(select, input, &arena, &plan, &roots, &names, &count, &err);
    bool analysis = expected && strcmp(phase, "analysis") == 0;
    if (status == STATUS_UNSUPPORTED) {
        tally->refused++;
    } else if (analysis) {
        bool same = status != STATUS_OK && strncmp(err.condition, expected, strcspn(expected, ".")) == 0;
        tally->wrong += !same;
        if (!same)
            print_message("%s: Spark refuses it as %s, here: %s\n", select, expected,
                          status == STATUS_OK ? "taken" : err.message);
    } else if (status != STATUS_OK) {
        tally->wrong++;
        print_message("%s: %s\n", select, err.message);
    } else {
        check_types(test, select, plan, roots, count, tally);
    }
    arena_deinit(&arena);
}

static void every_expression_case_has_sparks_types(void **state)
{
    (void)state;
    FILE *file = fopen(unit_data_path("conformance/expr/cases.jsonl"), "rb");
    assert_non_null(file);
    struct text line = {0};
    struct tally tally = {0};
    while (text_read_line(file, &line)) {
        json_error_t json_error;
        json_t *test = json_loads(text_str(&line), JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &json_error);
        if (!test) fail_msg("%s at %.80s", json_error.text, text_str(&line));
        check_case(test, &tally);
        json_decref(test);
    }
    fclose(file);
    text_deinit(&line);
    print_message("%d cases, %d refused by name, %d wrong\n", tally.cases, tally.refused, tally.wrong);
    assert_true(tally.cases > 1000);
    assert_true(tally.refused * 50 < tally.cases);
    assert_true(tally.wrong <= WRONG_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_expression_case_has_sparks_types)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
