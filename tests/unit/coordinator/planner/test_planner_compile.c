// The seed's medallion to its plan, field by field; settings, places, sources, state.
#include <stdio.h>

#include "tests/unit/coordinator/planner/planner_fixture.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("%s is missing", path);
    char *bytes = memory_calloc(1, 1 << 16);
    assert_true(fread(bytes, 1, (1 << 16) - 1, file) > 0);
    fclose(file);
    return bytes;
}

static void the_medallion_compiles(void **state)
{
    (void)state;
    struct fixture fixture;
    char *sql = read_file("deploy/examples/medallion.sql");
    fixture_compile(&fixture, sql);
    memory_free(sql);
    const Foreset__Plan *plan = fixture.plan;
    assert_string_equal(plan->pipeline, "user_events");
    assert_int_equal(plan->trigger_us, 30000000);
    assert_int_equal(plan->shards, 256);
    assert_int_equal(strlen(plan->sql_hash), 16);
    assert_int_equal(plan->n_tables, 3);
    const Foreset__Table *bronze = plan->tables[0], *silver = plan->tables[1], *gold = plan->tables[2];
    assert_string_equal(bronze->name, "streaming.bronze.user_events");
    assert_string_equal(bronze->url, "file:///var/lib/foreset/warehouse/streaming/bronze/user_events");
    assert_string_equal(bronze->dead_letters, "streaming.bronze.user_events__dead_letters");
    assert_string_equal(bronze->dead_letters_url, "file:///var/lib/foreset/warehouse/streaming/bronze/"
                                                  "user_events__dead_letters");
    assert_int_equal(bronze->n_sources, 1);
    assert_false(bronze->stateful);
    assert_true(silver->stateful && !silver->no_data_epochs);
    assert_int_equal(silver->n_sources, 2); // through stateless bronze, and what it is filled from if it comes later
    assert_int_equal(silver->sources[0], bronze->sources[0]);
    assert_int_equal(plan->nodes[silver->sources[1]]->source->kind, FORESET__SOURCE__KIND__TABLE);
    assert_string_equal(plan->nodes[silver->sources[1]]->source->path, bronze->url);
    assert_string_equal(silver->partition_columns[0], "event_date");
    assert_int_equal(gold->mode, FORESET__TABLE__MODE__COMPLETE);
    assert_int_equal(gold->interval_us, 60000000);
    assert_int_equal(gold->n_sources, 1); // silver is stateful: gold follows it; but for a fill
    assert_int_equal(gold->n_stateful_inputs, 1);
    assert_int_equal(gold->stateful_inputs[0], 1);
    assert_int_equal(gold->n_watermarks, 1);
    assert_false(gold->no_data_epochs); // complete mode
    assert_string_equal(gold->schema, "struct<window_start:timestamp,window_end:timestamp,action_category:string,event_"
                                      "count:bigint,"
                                      "total_revenue:double,avg_order_value:double>");
    fixture_end(&fixture);
}

static void every_index_points_back(void **state)
{
    (void)state;
    struct fixture fixture;
    char *sql = read_file("deploy/examples/medallion.sql");
    fixture_compile(&fixture, sql);
    memory_free(sql);
    const Foreset__Plan *plan = fixture.plan;
    for (uint32_t i = 0; i < plan->n_exprs; i++) {
        const struct type *type = NULL;
        assert_int_equal(type_parse(plan->exprs[i]->type, &type, NULL), STATUS_OK);
        for (size_t a = 0; a < plan->exprs[i]->n_args; a++) assert_true(plan->exprs[i]->args[a] < i);
    }
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const struct type *type = NULL;
        assert_int_equal(type_parse(plan->nodes[i]->schema, &type, NULL), STATUS_OK);
        assert_true(type->child_count > 0);
        for (size_t k = 0; k < plan->nodes[i]->n_inputs; k++) assert_true(plan->nodes[i]->inputs[k] < i);
        for (size_t k = 0; k < plan->nodes[i]->n_exprs; k++) assert_true(plan->nodes[i]->exprs[k] < plan->n_exprs);
    }
    size_t size = foreset__plan__get_packed_size(plan);
    uint8_t *bytes = memory_alloc(size);
    foreset__plan__pack(plan, bytes);
    Foreset__Plan *again = foreset__plan__unpack(NULL, size, bytes);
    assert_non_null(again);
    struct text printed = {0};
    planner_print(again, &printed);
    assert_string_equal(text_str(&printed), text_str(&fixture.printed));
    text_deinit(&printed);
    foreset__plan__free_unpacked(again, NULL);
    memory_free(bytes);
    fixture_end(&fixture);
}

static void from_json_is_computed_once(void **state)
{
    (void)state;
    struct fixture fixture;
    char *sql = read_file("deploy/examples/medallion.sql");
    fixture_compile(&fixture, sql);
    memory_free(sql);
    uint32_t calls = 0;
    for (uint32_t i = 0; i < fixture.plan->n_exprs; i++) {
        const Foreset__Expr *expr = fixture.plan->exprs[i];
        calls += expr->function && strcmp(expr->function, "from_json") == 0;
    }
    assert_int_equal(calls, 1);
    fixture_end(&fixture);
}

static const Foreset__Node *find_node(const struct fixture *fixture, enum _Foreset__Node__Kind kind)
{
    for (uint32_t i = 0; i < fixture->plan->n_nodes; i++) {
        if (fixture->plan->nodes[i]->kind == kind) return fixture->plan->nodes[i];
    }
    return NULL;
}

static void deduplication_says_when_keys_expire(void **state)
{
    (void)state;
    static const struct {
        const char *modifiers;
        bool has_watermark, has_event_time, within;
        int late_column, event_time;
    } cases[] = {
        {"DROP DUPLICATES ON (id)", false, false, false, -1, -1},
        {"WATERMARK ts DELAY OF INTERVAL 1 HOUR DROP DUPLICATES ON (id, ts)", true, true, false, -1, 1},
        {"WATERMARK ts DELAY OF INTERVAL 1 HOUR DROP DUPLICATES ON (id)", true, false, false, 3, -1},
        {"WATERMARK ts DELAY OF INTERVAL 1 HOUR DROP DUPLICATES WITHIN WATERMARK ON (id)", true, false, true, 3, -1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        char sql[512];
        snprintf(sql, sizeof sql, "CREATE STREAMING TABLE t AS SELECT * FROM STREAM " FIXTURE_FILES " %s",
                 cases[i].modifiers);
        fixture_compile(&fixture, sql);
        const Foreset__Node *node = find_node(&fixture, FORESET__NODE__KIND__DEDUP);
        assert_int_equal(node->has_watermark, cases[i].has_watermark);
        assert_int_equal(node->has_event_time, cases[i].has_event_time);
        assert_int_equal(node->within_watermark, cases[i].within);
        if (cases[i].event_time >= 0) assert_int_equal(node->event_time, cases[i].event_time);
        assert_int_equal(node->has_late_column ? (int)node->late_column : -1, cases[i].late_column);
        if (cases[i].within) assert_int_equal(node->delay_us, 3600000000);
        assert_int_equal(fixture.plan->tables[0]->no_data_epochs, cases[i].has_watermark);
        assert_string_equal(node->name, "dedup-1");
        fixture_end(&fixture);
    }
}

static void a_window_key_is_event_time(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_compile(&fixture, "CREATE STREAMING TABLE t AS SELECT k, window.end AS e, count(*) AS n FROM "
                              "STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR GROUP BY k, window(ts, "
                              "'5 minutes', '5 minutes', '1 minute')");
    static const enum _Foreset__Node__Kind kinds[] = {FORESET__NODE__KIND__AGGREGATE_PARTIAL,
                                                      FORESET__NODE__KIND__AGGREGATE_FINAL};
    for (size_t i = 0; i < 2; i++) {
        const Foreset__Node *node = find_node(&fixture, kinds[i]);
        assert_true(node->has_event_time && node->event_time == 1 && node->event_time_is_window && node->has_watermark);
        assert_int_equal(node->n_aggregates, 1);
    }
    for (uint32_t i = 0; i < fixture.plan->n_exprs; i++) {
        const Foreset__Expr *expr = fixture.plan->exprs[i];
        if (!expr->function || strcmp(expr->function, "window") != 0) continue;
        static const int64_t values[] = {300000000, 300000000, 60000000};
        assert_int_equal(expr->n_args, 4);
        for (size_t a = 0; a < 3; a++) {
            assert_string_equal(fixture.plan->exprs[expr->args[a + 1]]->type, "bigint");
            assert_int_equal(fixture.plan->exprs[expr->args[a + 1]]->integer, values[a]);
        }
    }
    fixture_end(&fixture);
}

static void complete_mode_neither_tests_nor_expires(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_compile(&fixture, "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'complete') AS SELECT window, "
                              "count(*) AS n FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR GROUP "
                              "BY window(ts, '5 minutes')");
    const Foreset__Node *node = find_node(&fixture, FORESET__NODE__KIND__AGGREGATE_FINAL);
    assert_false(node->has_watermark || node->has_event_time);
    const Foreset__Table *table = fixture.plan->tables[0];
    assert_false(table->no_data_epochs);
    const Foreset__Node *last = fixture.plan->nodes[fixture.plan->nodes[table->node]->inputs[0]];
    assert_int_equal(last->kind, FORESET__NODE__KIND__EXCHANGE);
    assert_int_equal(last->n_exprs, 0);
    fixture_end(&fixture);
}

static void update_mode_has_its_keys(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_compile(&fixture, "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'update') AS SELECT count(*) AS "
                              "n, upper(k) AS big, window.end AS e FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF "
                              "INTERVAL 1 HOUR GROUP "
                              "BY window(ts, '5 "
                              "minutes'), upper(k)");
    const Foreset__Table *table = fixture.plan->tables[0];
    assert_int_equal(table->mode, FORESET__TABLE__MODE__UPDATE);
    assert_int_equal(table->n_merge_keys, 2);
    assert_string_equal(table->merge_keys[0], "e");
    assert_string_equal(table->merge_keys[1], "big");
    assert_true(table->no_data_epochs);
    fixture_end(&fixture);
    fixture_compile(&fixture, "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'update') AS SELECT id FROM "
                              "STREAM " FIXTURE_FILES);
    assert_int_equal(fixture.plan->tables[0]->mode, FORESET__TABLE__MODE__APPEND); // nothing is ever changed
    fixture_end(&fixture);
}

static void settings_come_from_the_text_and_flags_win(void **state)
{
    (void)state;
    static const char sql[] = "SET pipeline.warehouse = wh/x/;SET pipeline.trigger = available-now;SET "
                              "pipeline.on_error = fail;"
                              "SET pipeline.shards = 16;SET pipeline.lanes = 2;"
                              "CREATE STREAMING TABLE `Sales 2024`.`a=b` AS SELECT id FROM STREAM " FIXTURE_FILES;
    struct fixture fixture;
    fixture_compile(&fixture, sql);
    assert_string_equal(fixture.plan->pipeline, "p");
    assert_int_equal(fixture.plan->trigger_us, 0);
    assert_int_equal(fixture.plan->shards, 16);
    assert_true(fixture.plan->on_error_fail);
    assert_string_equal(fixture.plan->tables[0]->url, "file:///srv/wh/x/sales 2024/a%3Db");
    assert_string_equal(fixture.plan->tables[0]->name, "sales 2024.a=b");
    fixture_end(&fixture);
    static const struct planner_setting settings[] = {{"pipeline.shards", "8"}, {"pipeline.name", "other"}};
    struct planner_options options = {.file_name = "dir/p q.sql",
                                      .directory = "/w",
                                      .warehouse = "s3://bucket/a",
                                      .settings = settings,
                                      .setting_count = 2};
    assert_int_equal(fixture_try(&fixture, sql, &options), STATUS_OK);
    assert_string_equal(fixture.plan->pipeline, "other");
    assert_int_equal(fixture.plan->shards, 8);
    assert_string_equal(fixture.plan->tables[0]->url, "s3://bucket/a/sales 2024/a%3Db");
    fixture_end(&fixture);
}

static void the_configuration_file_stands_below_the_text(void **state)
{
    (void)state;
    static const char sql[] =
        "SET pipeline.shards = 16;CREATE STREAMING TABLE t AS SELECT id FROM STREAM " FIXTURE_FILES;
    static const struct planner_setting file[] = {{"pipeline.shards", "8"}, {"pipeline.trigger", "5 seconds"}};
    struct planner_options options = {.file_name = "p.sql", .directory = "/w", .defaults = file, .default_count = 2};
    struct fixture fixture;
    assert_int_equal(fixture_try(&fixture, sql, &options), STATUS_OK);
    assert_int_equal(fixture.plan->shards, 16);
    assert_int_equal(fixture.plan->trigger_us, 5000000);
    fixture_end(&fixture);
}

static void kafka_options_are_canonical_and_overridden(void **state)
{
    (void)state;
    static const char sql[] = "CREATE STREAMING TABLE t AS SELECT value::string AS v FROM STREAM "
                              "read_kafka(bootstrapservers => 'prod:9092', SUBSCRIBE => 'x',"
                              " `kafka.sasl.password` => secret('env:PW'), startingOffsets => 'earliest')";
    static const struct planner_setting kafka[] = {{"bootstrap.servers", "test:1"}, {"security.protocol", "PLAINTEXT"}};
    struct planner_options options = {.file_name = "p.sql", .directory = "/w", .kafka = kafka, .kafka_count = 2};
    struct fixture fixture;
    assert_int_equal(fixture_try(&fixture, sql, &options), STATUS_OK);
    const Foreset__Source *source = fixture.plan->nodes[0]->source;
    static const char *const expected[][2] = {{"bootstrapServers", "test:1"},
                                              {"subscribe", "x"},
                                              {"kafka.sasl.password", "secret('env:PW')"},
                                              {"startingOffsets", "earliest"},
                                              {"kafka.security.protocol", "PLAINTEXT"}};
    assert_int_equal(source->n_options, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(source->options[i]->key, expected[i][0]);
        assert_string_equal(source->options[i]->value, expected[i][1]);
    }
    assert_string_equal(source->name, "t/source-1");
    assert_string_equal(fixture.plan->nodes[0]->schema, "struct<value:binary>");
    assert_null(strstr(text_str(&fixture.printed), "env:PW"));
    fixture_end(&fixture);
}

static void tables_may_stand_in_any_order(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_compile(&fixture, "CREATE STREAMING TABLE b AS SELECT * FROM STREAM a; CREATE TEMPORARY VIEW v AS SELECT "
                              "id FROM STREAM " FIXTURE_FILES "; CREATE STREAMING TABLE a AS SELECT id FROM v");
    assert_string_equal(fixture.plan->tables[0]->name, "a");
    assert_string_equal(fixture.plan->tables[1]->name, "b");
    fixture_end(&fixture);
}

static void state_without_bound_is_warned_of(void **state)
{
    (void)state;
    struct fixture fixture;
    fixture_compile(&fixture, "CREATE STREAMING TABLE t AS SELECT *\nFROM STREAM " FIXTURE_FILES " DROP DUPLICATES ON "
                              "(id)");
    assert_non_null(strstr(fixture.warnings[0], "p.sql:2:"));
    assert_non_null(strstr(fixture.warnings[0], "keeps every key for ever"));
    assert_null(fixture.warnings[1]);
    fixture_end(&fixture);
    fixture_compile(&fixture, "CREATE STREAMING TABLE t AS SELECT * FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY "
                              "OF INTERVAL 1 HOUR "
                              "DROP DUPLICATES ON "
                              "(id, ts)");
    assert_null(fixture.warnings[0]);
    fixture_end(&fixture);
}

static void expressions_compile_over_given_columns(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena, 0);
    const struct type *input = NULL;
    struct error err = {0};
    Foreset__Plan *plan = NULL;
    uint32_t root = 0;
    assert_int_equal(type_parse_ddl("a INT, b STRUCT<c: STRING>", &input, &err), STATUS_OK);
    assert_int_equal(planner_compile_expression("a + 1 > 2 AND b.c LIKE 'x%'", input, &arena, &plan, &root, &err),
                     STATUS_OK);
    assert_string_equal(plan->exprs[root]->type, "boolean");
    const uint32_t *roots = NULL;
    const char *const *names = NULL;
    size_t count = 0;
    assert_int_equal(
        planner_compile_select("*, b.c, a * 2L AS d, a  +  1", input, &arena, &plan, &roots, &names, &count, &err),
        STATUS_OK);
    static const char *const expected[] = {"a", "b", "c", "d", "a + 1"};
    assert_int_equal(count, 5);
    for (size_t i = 0; i < count; i++) assert_string_equal(names[i], expected[i]);
    assert_string_equal(plan->exprs[roots[3]]->type, "bigint");
    assert_int_equal(planner_compile_expression("count(*)", input, &arena, &plan, &root, &err), STATUS_INVALID);
    arena_deinit(&arena);
}

static void aliases_that_double_each_other_stay_small(void **state)
{
    (void)state;
    struct text sql = {0};
    text_append_str(&sql, "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'complete') AS SELECT sum(v) + "
                          "sum(v) AS a0");
    for (int i = 1; i < 60; i++) text_printf(&sql, ", (a%d + a%d) %% 7 AS a%d", i - 1, i - 1, i);
    text_append_str(&sql, " FROM (SELECT v + v AS v FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF INTERVAL 1 "
                          "MINUTE)"
                          " HAVING a59 > 0 AND sum(v) > 0");
    struct fixture fixture;
    fixture_compile(&fixture, text_str(&sql));
    assert_true(fixture.plan->n_exprs < 1000);
    assert_true(fixture.printed.length < 100000);
    fixture_end(&fixture);
    text_deinit(&sql);
}

static void many_queries_unite(void **state)
{
    (void)state;
    struct text sql = {0};
    text_append_str(&sql, "CREATE STREAMING TABLE t AS SELECT v FROM STREAM " FIXTURE_FILES);
    for (int i = 0; i < 1000; i++) text_append_str(&sql, " UNION ALL SELECT v FROM STREAM " FIXTURE_FILES);
    struct fixture fixture;
    fixture_compile(&fixture, text_str(&sql));
    assert_int_equal(fixture.plan->tables[0]->n_sources, 1001);
    fixture_end(&fixture);
    text_deinit(&sql);
}

// Each limit by its name, at the line that goes too far, before memory is taken for what is beyond.
static void what_a_text_may_cost_is_bounded(void **state)
{
    (void)state;
    struct fixture fixture;
    struct text views = {0}, wide = {0}, many = {0}, tables = {0};
    text_append_str(&views, "CREATE TEMPORARY VIEW v0 AS SELECT id AS x FROM STREAM " FIXTURE_FILES ";\n");
    for (int i = 1; i < 40; i++)
        text_printf(&views, "CREATE TEMPORARY VIEW v%d AS SELECT struct(x AS a, x AS b) AS x FROM v%d;\n", i, i - 1);
    text_append_str(&views, "CREATE STREAMING TABLE t AS SELECT x FROM v39");
    assert_int_equal(fixture_try(&fixture, text_str(&views), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "bytes of text, the limit is"));
    assert_non_null(strstr(fixture.err.message, ":15:"));
    fixture_end(&fixture);
    text_append_str(&wide, "CREATE STREAMING TABLE t AS SELECT id");
    for (int i = 0; i < 10001; i++) text_printf(&wide, ", id AS c%d", i);
    text_append_str(&wide, " FROM STREAM " FIXTURE_FILES);
    assert_int_equal(fixture_try(&fixture, text_str(&wide), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "10002 columns, at most 10000"));
    fixture_end(&fixture);
    for (int i = 0; i < 5001; i++)
        text_printf(&many, "CREATE TEMPORARY VIEW v%d AS SELECT id FROM STREAM " FIXTURE_FILES ";\n", i);
    assert_int_equal(fixture_try(&fixture, text_str(&many), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "at most 1000 tables and 5000 views"));
    fixture_end(&fixture);
    for (int i = 0; i < 1001; i++)
        text_printf(&tables, "CREATE STREAMING TABLE t%d AS SELECT id FROM STREAM " FIXTURE_FILES ";\n", i);
    assert_int_equal(fixture_try(&fixture, text_str(&tables), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, ":1001:"));
    fixture_end(&fixture);
    text_deinit(&views);
    text_deinit(&wide);
    text_deinit(&many);
    text_deinit(&tables);
}

static bool stop_at_once(void *context)
{
    return ++*(int *)context > 3;
}

static void compiling_ends_when_it_is_told_to(void **state)
{
    (void)state;
    struct fixture fixture;
    int asked = 0;
    struct planner_options options = {
        .file_name = "t.sql", .directory = "/", .stop = stop_at_once, .stop_context = &asked};
    enum status status = fixture_try(
        &fixture, "CREATE STREAMING TABLE t AS SELECT id + 1 + 2 + 3 + 4 AS x FROM STREAM " FIXTURE_FILES, &options);
    assert_int_equal(status, STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "takes too long"));
    fixture_end(&fixture);
}

static void what_unfolds_without_bound_is_refused(void **state)
{
    (void)state;
    struct fixture fixture;
    struct text views = {0}, chain = {0}, tables = {0};
    text_append_str(&views, "CREATE TEMPORARY VIEW v0 AS SELECT id FROM STREAM " FIXTURE_FILES ";");
    for (int i = 1; i < 40; i++) {
        text_printf(&views, "CREATE TEMPORARY VIEW v%d AS SELECT * FROM v%d UNION ALL SELECT * FROM v%d;", i, i - 1,
                    i - 1);
    }
    text_append_str(&views, "CREATE STREAMING TABLE t AS SELECT * FROM v39");
    assert_int_equal(fixture_try(&fixture, text_str(&views), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "unfold"));
    fixture_end(&fixture);
    text_append_str(&chain, "CREATE STREAMING TABLE t AS SELECT v AS a0");
    for (int i = 1; i < 5000; i++) text_printf(&chain, ", a%d + 1 AS a%d", i - 1, i);
    text_append_str(&chain, " FROM STREAM " FIXTURE_FILES);
    assert_int_equal(fixture_try(&fixture, text_str(&chain), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "nested deeper"));
    fixture_end(&fixture);
    for (int i = 0; i < 300; i++)
        text_printf(&tables, "CREATE STREAMING TABLE t%d AS SELECT * FROM STREAM t%d;", i, i + 1);
    text_append_str(&tables, "CREATE STREAMING TABLE t300 AS SELECT id FROM STREAM " FIXTURE_FILES);
    assert_int_equal(fixture_try(&fixture, text_str(&tables), NULL), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "read each other backwards"));
    fixture_end(&fixture);
    text_deinit(&views);
    text_deinit(&chain);
    text_deinit(&tables);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_medallion_compiles),
        cmocka_unit_test(every_index_points_back),
        cmocka_unit_test(from_json_is_computed_once),
        cmocka_unit_test(deduplication_says_when_keys_expire),
        cmocka_unit_test(a_window_key_is_event_time),
        cmocka_unit_test(complete_mode_neither_tests_nor_expires),
        cmocka_unit_test(update_mode_has_its_keys),
        cmocka_unit_test(settings_come_from_the_text_and_flags_win),
        cmocka_unit_test(the_configuration_file_stands_below_the_text),
        cmocka_unit_test(kafka_options_are_canonical_and_overridden),
        cmocka_unit_test(tables_may_stand_in_any_order),
        cmocka_unit_test(state_without_bound_is_warned_of),
        cmocka_unit_test(aliases_that_double_each_other_stay_small),
        cmocka_unit_test(many_queries_unite),
        cmocka_unit_test(what_a_text_may_cost_is_bounded),
        cmocka_unit_test(compiling_ends_when_it_is_told_to),
        cmocka_unit_test(what_unfolds_without_bound_is_refused),
        cmocka_unit_test(expressions_compile_over_given_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
