// Plans that came from elsewhere: the planner's pass, each broken rule is refused by its name.
#include "common/plan/plan_check.h"
#include "tests/unit/coordinator/planner/planner_fixture.h"

static const char sql[] =
    "CREATE OR REFRESH STREAMING TABLE b PARTITIONED BY (k) AS SELECT id, k, v, ts FROM STREAM " FIXTURE_FILES
    " DROP DUPLICATES ON (id);"
    "CREATE OR REFRESH STREAMING TABLE g AS SELECT window.start AS ws, k, count(*) AS c FROM STREAM b WATERMARK ts "
    "DELAY OF INTERVAL 1 MINUTE GROUP BY window(ts, '1 minute', '30 seconds'), k;"
    "CREATE OR REFRESH STREAMING TABLE c TBLPROPERTIES ('output.mode' = 'complete') AS SELECT k, sum(v) AS s FROM "
    "STREAM b GROUP BY k ORDER BY s DESC LIMIT 3;";

static Foreset__Node *node_of(const Foreset__Plan *plan, Foreset__Node__Kind kind)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        if (plan->nodes[i]->kind == kind) return plan->nodes[i];
    }
    fail_msg("the plan has no node of kind %d", (int)kind);
    return NULL;
}

static void refused(const Foreset__Plan *plan, const char *words)
{
    struct error err = {0};
    assert_int_equal(plan_check(plan, &err), STATUS_CORRUPT);
    if (!strstr(err.message, words)) fail_msg("\"%s\" is not in: %s", words, err.message);
}

static void what_the_planner_makes_passes(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err;
    fixture_compile(&fixture, sql);
    assert_int_equal(plan_check(fixture.plan, &err), STATUS_OK);
    fixture_end(&fixture);
}

#define BREAKS(field, value, words)                                                                                    \
    do {                                                                                                               \
        __typeof__(field) saved = field;                                                                               \
        field = value;                                                                                                 \
        refused(plan, words);                                                                                          \
        field = saved;                                                                                                 \
    } while (0)

static void each_broken_rule_is_named(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err;
    fixture_compile(&fixture, sql);
    Foreset__Plan *plan = (Foreset__Plan *)fixture.plan;
    Foreset__Node *dedup = node_of(plan, FORESET__NODE__KIND__DEDUP);
    BREAKS(plan->n_nodes, PLAN_CHECK_NODES_MAX + 1, "too many"); // before anything of them is read
    BREAKS(plan->n_exprs, PLAN_CHECK_EXPRS_MAX + 1, "too many");
    BREAKS(plan->n_tables, PLAN_CHECK_TABLES_MAX + 1, "too many");
    BREAKS(dedup->inputs[0], (uint32_t)plan->n_nodes, "an input stands behind it");
    BREAKS(dedup->n_inputs, 0, "one input is needed");
    BREAKS(dedup->exprs[0], (uint32_t)plan->n_exprs, "an expression that is not there");
    BREAKS(dedup->table, 3, "of a table that is not there");
    BREAKS(dedup->n_exprs, 0, "keys and a name are needed");
    BREAKS(dedup->name, NULL, "keys and a name are needed");
    BREAKS(dedup->schema, (char *)"int", "its columns are none");
    BREAKS(dedup->kind, (Foreset__Node__Kind)99, "its kind is none");
    Foreset__Node *window = node_of(plan, FORESET__NODE__KIND__WINDOW);
    BREAKS(window->window_us, 0, "a window without size");
    Foreset__Node *source = node_of(plan, FORESET__NODE__KIND__SOURCE);
    BREAKS(source->source, NULL, "a source without what it reads");
    BREAKS(source->source->path, NULL, "files without folder");
    Foreset__Node *partial = node_of(plan, FORESET__NODE__KIND__AGGREGATE_PARTIAL);
    BREAKS(partial->kind, FORESET__NODE__KIND__SORT, "a partial aggregate before it");
    BREAKS(plan->tables[0]->node, 0, "its node is none");
    BREAKS(plan->tables[0]->partition_columns[0], (char *)"x", "a partition column that it lacks");
    BREAKS(plan->tables[1]->watermarks[0], 0, "it names a watermark that is none");
    BREAKS(plan->shards, 0, "shards");
    BREAKS(plan->exprs[0]->type, (char *)"nothing", "its type is none");
    size_t column = 0;
    while (plan->exprs[column]->kind != FORESET__EXPR__KIND__COLUMN) column++;
    BREAKS(plan->exprs[column]->ordinal, 1000, "a column that its input lacks");
    if (plan_check(plan, &err) != STATUS_OK) fail_msg("not as it was: %s", err.message);
    fixture_end(&fixture);
}

static void a_manifest_names_what_the_plan_has(void **state)
{
    (void)state;
    struct fixture fixture;
    struct error err = {0};
    fixture_compile(&fixture, sql);
    Foreset__TableEpoch table = FORESET__TABLE_EPOCH__INIT, *tables[] = {&table};
    Foreset__SnapshotPart part = FORESET__SNAPSHOT_PART__INIT, *parts[] = {&part};
    Foreset__Manifest manifest = FORESET__MANIFEST__INIT;
    manifest.tables = tables;
    manifest.parts = parts;
    manifest.n_tables = manifest.n_parts = 1;
    part.shard_last = fixture.plan->shards - 1;
    assert_int_equal(plan_check_manifest(fixture.plan, &manifest, &err), STATUS_OK);
    part.shard_last++;
    assert_int_equal(plan_check_manifest(fixture.plan, &manifest, &err), STATUS_CORRUPT);
    part.shard_last = 0;
    table.table = 3;
    assert_int_equal(plan_check_manifest(fixture.plan, &manifest, &err), STATUS_CORRUPT);
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_planner_makes_passes),
        cmocka_unit_test(each_broken_rule_is_named),
        cmocka_unit_test(a_manifest_names_what_the_plan_has),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
