// What a changed SQL file loses and what it keeps: columns that come, state whose keys stay the same column.
#include "common/plan/plan_source.h"
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

// ---- Tables and sources that come, and nodes that get other numbers ----

#define OWN                                                                                                            \
    "CREATE OR REFRESH STREAMING TABLE n AS SELECT id FROM STREAM read_files('other', format => 'json', "              \
    "schema => 'id STRING');"
#define MARKED                                                                                                         \
    "CREATE OR REFRESH STREAMING TABLE m AS SELECT window.start AS s, count(*) AS c FROM (SELECT * FROM STREAM b %s) " \
    "WATERMARK ts "                                                                                                    \
    "DELAY OF INTERVAL 1 MINUTE GROUP BY window(ts, '1 minute');"

static void compile_two(struct fixture *old, const char *before, struct fixture *now, const char *after)
{
    struct arena arena;
    arena_init(&arena, 0);
    const char *bronze = arena_printf(&arena, BRONZE, "id, k, v, ts");
    fixture_compile(old, arena_printf(&arena, "%s\n%s", bronze, before));
    fixture_compile(now, arena_printf(&arena, "%s\n%s", bronze, after));
    arena_deinit(&arena);
}

static bool loses_between(const char *before, const char *after, struct text *text, struct text *states)
{
    struct fixture old, now;
    bool lost = false;
    compile_two(&old, before, &now, after);
    text_reset(text);
    text_reset(states);
    pipeline_change_compare(old.plan, now.plan, text, &lost);
    pipeline_change_states(old.plan, now.plan, states);
    fixture_end(&old);
    fixture_end(&now);
    return lost;
}

static void a_table_may_come(void **state)
{
    (void)state;
    struct text text = {0}, states = {0};
    assert_false(loses_between("", OWN, &text, &states));
    assert_non_null(strstr(text_str(&text), "table n: is new; what it reads begins at its start"));
    assert_false(loses_between("", "CREATE OR REFRESH STREAMING TABLE n AS SELECT id FROM STREAM b;", &text, &states));
    assert_non_null(strstr(text_str(&text), "table n: is new; the rows that b has come first"));
    assert_true(loses_between("CREATE OR REFRESH STREAMING TABLE n AS SELECT id FROM STREAM b;", "", &text, &states));
    text_deinit(&text);
    text_deinit(&states);
}

// What it reads from now on is filled; what it reads no more, or at one more place, would be missed or come twice.
static void a_table_may_read_one_more(void **state)
{
    (void)state;
    struct text text = {0}, states = {0};
    const char *from_s = "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b;"
                         "CREATE OR REFRESH STREAMING TABLE n AS SELECT id FROM STREAM s;";
    const char *both =
        "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b;"
        "CREATE OR REFRESH STREAMING TABLE n AS SELECT k AS id FROM STREAM b UNION ALL SELECT id FROM STREAM s;";
    const char *twice =
        "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b;"
        "CREATE OR REFRESH STREAMING TABLE n AS SELECT k AS id FROM STREAM s UNION ALL SELECT id FROM STREAM s;";
    assert_false(loses_between(from_s, both, &text, &states));
    assert_string_equal(text_str(&text),
                        "table n: reads one more; the rows that b has come first, then its stream goes on\n");
    assert_false(loses_between(both, both, &text, &states));
    assert_int_equal(text.length, 0);
    assert_true(loses_between(both, from_s, &text, &states));
    assert_non_null(strstr(text_str(&text), "table n: reads b at 0 places, not 1"));
    assert_true(loses_between(from_s, twice, &text, &states));
    assert_non_null(strstr(text_str(&text), "table n: reads s at 2 places, not 1"));
    text_deinit(&text);
    text_deinit(&states);
}

static void a_table_does_not_go(void **state)
{
    (void)state;
    struct text text = {0}, states = {0};
    assert_true(loses_between(OWN, "", &text, &states));
    assert_non_null(strstr(text_str(&text), "table n: is made no more"));
    text_deinit(&text);
    text_deinit(&states);
}

static void what_becomes_of_each_state_is_said(void **state)
{
    (void)state;
    struct text text = {0}, states = {0};
    const char *by_id = "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b DROP DUPLICATES ON (id);";
    const char *by_k = "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b DROP DUPLICATES ON (k);";
    const char *plain = "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b;";
    assert_false(loses_between(by_id, by_id, &text, &states));
    assert_string_equal(text_str(&states), "state of dedup-1 in table s: keep\n");
    assert_true(loses_between(by_id, by_k, &text, &states));
    assert_string_equal(text_str(&states), "state of dedup-1 in table s: rebuild (its definition changes)\n");
    assert_true(loses_between(by_id, plain, &text, &states));
    assert_string_equal(text_str(&states), "state of dedup-1 in table s: drop (nothing uses it any more)\n");
    assert_false(loses_between(plain, by_id, &text, &states));
    assert_string_equal(text_str(&states), "state of dedup-1 in table s: new, begins empty\n");
    text_deinit(&text);
    text_deinit(&states);
}

// Versions before fills made plans without a place for them: tables, state and what is read are the same.
static void a_plan_without_fills_is_the_same(void **state)
{
    (void)state;
    struct fixture old, now;
    struct text text = {0};
    bool lost = true;
    const char *by_id = "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM STREAM b DROP DUPLICATES ON (id);";
    compile_two(&old, by_id, &now, by_id);
    for (size_t i = 0; i < old.plan->n_nodes; i++) {
        Foreset__Node *node = old.plan->nodes[i];
        for (size_t k = 0; k < node->n_inputs; k++) {
            const Foreset__Node *input = old.plan->nodes[node->inputs[k]];
            if (plan_source_is_stream(old.plan, input)) node->inputs[k] = input->inputs[0];
        }
    }
    for (size_t i = 0; i < old.plan->n_nodes; i++) {
        if (plan_source_is_stream(old.plan, old.plan->nodes[i])) old.plan->nodes[i]->n_inputs = 0;
    }
    pipeline_change_compare(old.plan, now.plan, &text, &lost);
    assert_false(lost);
    assert_int_equal(text.length, 0);
    text_deinit(&text);
    fixture_end(&old);
    fixture_end(&now);
}

static uint32_t node_of(const Foreset__Plan *plan, Foreset__Node__Kind kind)
{
    uint32_t at = 0;
    while (plan->nodes[at]->kind != kind) at++;
    return at;
}

// A filter before the watermark moves it to another number: what the manifest says of it goes along.
static void a_manifest_says_the_same_by_the_new_numbers(void **state)
{
    (void)state;
    struct fixture old, now;
    struct arena arena;
    arena_init(&arena, 0);
    compile_two(&old, arena_printf(&arena, MARKED, ""), &now, arena_printf(&arena, MARKED, "WHERE v > 1"));
    uint32_t before = node_of(old.plan, FORESET__NODE__KIND__WATERMARK);
    uint32_t after = node_of(now.plan, FORESET__NODE__KIND__WATERMARK);
    assert_int_not_equal(before, after);
    Foreset__Maximum maximum = FORESET__MAXIMUM__INIT, *maxima[] = {&maximum};
    Foreset__TableEpoch table = FORESET__TABLE_EPOCH__INIT, *tables[] = {&table};
    Foreset__Range range = FORESET__RANGE__INIT, *ranges[] = {&range};
    Foreset__FilesPosition position = FORESET__FILES_POSITION__INIT, *files[] = {&position};
    Foreset__Manifest manifest = FORESET__MANIFEST__INIT;
    maximum.node = before;
    table.n_maxima = manifest.n_tables = manifest.n_ranges = manifest.n_files = 1;
    table.maxima = maxima;
    manifest.tables = tables;
    manifest.ranges = ranges;
    manifest.files = files;
    range.source = position.source = node_of(old.plan, FORESET__NODE__KIND__SOURCE);
    pipeline_change_carry(old.plan, now.plan, &manifest);
    assert_int_equal(maximum.node, after);
    assert_int_equal(range.source, node_of(now.plan, FORESET__NODE__KIND__SOURCE));
    assert_int_equal(position.source, range.source);
    fixture_end(&old);
    fixture_end(&now);
    arena_deinit(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_that_comes_is_added_and_state_stays),
        cmocka_unit_test(a_key_that_is_made_otherwise_loses_its_state),
        cmocka_unit_test(a_column_that_goes_or_changes_its_type_is_refused),
        cmocka_unit_test(a_column_in_update_mode_is_refused),
        cmocka_unit_test(a_table_may_come),
        cmocka_unit_test(a_table_may_read_one_more),
        cmocka_unit_test(a_table_does_not_go),
        cmocka_unit_test(what_becomes_of_each_state_is_said),
        cmocka_unit_test(a_plan_without_fills_is_the_same),
        cmocka_unit_test(a_manifest_says_the_same_by_the_new_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
