// What a changed SQL file loses and what it keeps: columns that come, state whose keys stay the same column.
#include "coordinator/pipeline/pipeline_change.h"
#include "tests/unit/coordinator/planner/planner_fixture.h"

#define BRONZE                                                                                                         \
    "CREATE OR REFRESH STREAMING TABLE b AS SELECT %s FROM STREAM read_files('in', format => 'json', "                 \
    "schema => 'id STRING, k STRING, v INT, ts TIMESTAMP');"
#define SILVER "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM (SELECT * FROM STREAM b) DROP DUPLICATES ON (%s);"
#define GOLD                                                                                                           \
    "CREATE OR REFRESH STREAMING TABLE g TBLPROPERTIES ('output.mode' = '%s') AS SELECT %s FROM STREAM s GROUP BY k;"

struct shape {
    const char *bronze, *key, *mode, *gold;
};
static const struct shape base = {"id, k, v", "id", "complete", "k, sum(v) AS total"};

static const char *sql_of(struct arena *arena, const struct shape *shape)
{
    char *bronze = arena_printf(arena, BRONZE, shape->bronze), *silver = arena_printf(arena, SILVER, shape->key);
    return arena_printf(arena, "%s\n%s\n%s", bronze, silver, arena_printf(arena, GOLD, shape->mode, shape->gold));
}

// The differences from base to `shape`, or between two shapes.
static bool loses(const struct shape *from, const struct shape *to, struct text *text)
{
    struct fixture old, now;
    struct arena arena;
    bool lost = false;
    arena_init(&arena, 0);
    fixture_compile(&old, sql_of(&arena, from));
    fixture_compile(&now, sql_of(&arena, to));
    text_reset(text);
    pipeline_change_compare(old.plan, now.plan, text, &lost);
    fixture_end(&old);
    fixture_end(&now);
    arena_deinit(&arena);
    return lost;
}

static void a_column_that_comes_is_added_and_state_stays(void **state)
{
    (void)state;
    struct text text = {0};
    const struct shape behind = {"id, k, v, ts", "id", "complete", "k, sum(v) AS total"};
    const struct shape before = {"upper(k) AS shout, ts, id, k, v", "id", "complete", "k, sum(v) AS total"};
    assert_false(loses(&base, &behind, &text));
    assert_non_null(strstr(text_str(&text), "table b: gets the column ts timestamp"));
    assert_non_null(strstr(text_str(&text), "table s: gets the column ts timestamp"));
    assert_false(loses(&base, &before, &text));
    assert_non_null(strstr(text_str(&text), "table b: gets the column shout string"));
    assert_null(strstr(text_str(&text), "state"));
    text_deinit(&text);
}

static void a_key_that_is_made_otherwise_loses_its_state(void **state)
{
    (void)state;
    struct text text = {0};
    const struct shape other_key = {"id, k, v", "k", "complete", "k, sum(v) AS total"};
    const struct shape more_keys = {"id, k, v", "id, k", "complete", "k, sum(v) AS total"};
    const struct shape other_sum = {"id, k, v", "id", "complete", "k, sum(v + 1) AS total"};
    assert_true(loses(&base, &other_key, &text));
    assert_non_null(strstr(text_str(&text), "table s: the state of dedup-1"));
    assert_true(loses(&base, &more_keys, &text));
    assert_true(loses(&base, &other_sum, &text));
    assert_non_null(strstr(text_str(&text), "table g: the state of aggregate-1"));
    text_deinit(&text);
}

static void a_column_that_goes_or_changes_its_type_is_refused(void **state)
{
    (void)state;
    struct text text = {0};
    const struct shape gone = {"id, k", "id", "complete", "k, count(*) AS total"};
    const struct shape other_type = {"id, k, CAST(v AS BIGINT) AS v", "id", "complete", "k, sum(v) AS total"};
    assert_true(loses(&base, &gone, &text));
    assert_non_null(strstr(text_str(&text), "table b: columns change from"));
    assert_true(loses(&base, &other_type, &text));
    assert_non_null(strstr(text_str(&text), "table b: columns change from"));
    text_deinit(&text);
}

// Its state holds the rows as they were emitted.
static void a_column_in_update_mode_is_refused(void **state)
{
    (void)state;
    struct text text = {0};
    const struct shape from = {"id, k, v", "id", "update", "k, sum(v) AS total"};
    const struct shape to = {"id, k, v", "id", "update", "k, sum(v) AS total, 1 AS one"};
    const struct shape complete = {"id, k, v", "id", "complete", "k, sum(v) AS total, 1 AS one"};
    assert_true(loses(&from, &to, &text));
    assert_false(loses(&base, &complete, &text));
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_that_comes_is_added_and_state_stays),
        cmocka_unit_test(a_key_that_is_made_otherwise_loses_its_state),
        cmocka_unit_test(a_column_that_goes_or_changes_its_type_is_refused),
        cmocka_unit_test(a_column_in_update_mode_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
