// Statements: what they hold, and every message of the statement and relation parser with its place and hint.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "coordinator/sql/sql_parse.h"
#include "tests/unit/lib/unit_arena.h"

static const struct sql_script *parsed(const char *sql)
{
    struct sql_text *text = arena_calloc(&unit_arena, 1, sizeof *text);
    *text = (struct sql_text){"t.sql", sql, strlen(sql)};
    struct sql_script *script = NULL;
    struct error err = {0};
    if (sql_parse_script(text, &unit_arena, &script, &err) != STATUS_OK) fail_msg("%s", err.message);
    return script;
}

static void settings_take_their_text_as_it_stands(void **state)
{
    (void)state;
    const struct sql_script *script = parsed("SET pipeline.trigger = 30 seconds; -- default\n"
                                             "SET pipeline.warehouse = file:///var/lib/x;\nSET pipeline.name = 'a b';");
    assert_int_equal(script->statements.count, 3);
    assert_string_equal(script->statements.items[0]->key, "pipeline.trigger");
    assert_string_equal(script->statements.items[0]->value, "30 seconds");
    assert_string_equal(script->statements.items[1]->value, "file:///var/lib/x");
    assert_string_equal(script->statements.items[2]->value, "a b");
}

static void a_table_holds_all_its_clauses(void **state)
{
    (void)state;
    const struct sql_statement *table = parsed("CREATE OR REFRESH STREAMING TABLE a.b.c (id STRING COMMENT 'x', v INT, "
                                               "CONSTRAINT ok EXPECT (v > 0) ON VIOLATION DROP ROW)"
                                               " USING DELTA PARTITIONED BY (d, e) COMMENT 'about' LOCATION '/data/c' "
                                               "TBLPROPERTIES ('output.mode' = 'update', delta.x = 5)"
                                               " AS SELECT 1")
                                            ->statements.items[0];
    assert_int_equal(table->kind, SQL_STATEMENT_TABLE);
    assert_int_equal(table->name.parts.count, 3);
    assert_int_equal(table->columns.count, 2);
    assert_int_equal(table->constraints.items[0].violation, SQL_VIOLATION_DROP_ROW);
    assert_string_equal(table->partitioned_by.parts.items[1], "e");
    assert_string_equal(table->comment, "about");
    assert_string_equal(table->location, "/data/c");
    assert_string_equal(table->properties.items.items[1].key, "delta.x");
    assert_string_equal(table->properties.items.items[1].text, "5");
}

static void a_relation_holds_its_modifiers(void **state)
{
    (void)state;
    const struct sql_relation *from = parsed("CREATE STREAMING TABLE t AS SELECT * FROM STREAM(read_kafka(subscribe => "
                                             "'x', kafka.security.protocol => 'SSL',"
                                             " `kafka.group.id` => 'g')) WATERMARK to_timestamp(ts) AS et DELAY OF "
                                             "INTERVAL 5 MINUTES"
                                             " DROP DUPLICATES WITHIN WATERMARK ON (id, et) IDENTIFIED BY first AS s")
                                          ->statements.items[0]
                                          ->query->from;
    assert_true(from->stream);
    assert_int_equal(from->kind, SQL_RELATION_FUNCTION);
    assert_string_equal(from->options.items.items[1].key, "kafka.security.protocol");
    assert_string_equal(from->options.items.items[2].key, "kafka.group.id");
    assert_string_equal(from->watermark->name, "et");
    assert_int_equal(from->watermark->delay_us, 300000000);
    assert_true(from->dedup->within_watermark);
    assert_int_equal(from->dedup->columns.count, 2);
    assert_string_equal(from->identity, "first");
    assert_string_equal(from->alias, "s");
}

static void a_query_holds_its_clauses(void **state)
{
    (void)state;
    const struct sql_query *query = parsed("CREATE STREAMING TABLE t AS WITH x AS (SELECT 1 AS a) SELECT DISTINCT a AS "
                                           "b, c d, * EXCEPT (e) FROM STREAM x AS y WHERE a"
                                           " GROUP BY a, 2 HAVING b ORDER BY a DESC, b ASC NULLS LAST LIMIT 5")
                                        ->statements.items[0]
                                        ->query;
    assert_int_equal(query->ctes.count, 1);
    assert_true(query->distinct);
    assert_string_equal(query->items.items[1].alias, "d");
    assert_int_equal(query->items.items[2].expr->except.count, 1);
    assert_int_equal(query->group_by.count, 2);
    assert_true(query->order_by.items[0].descending && query->order_by.items[0].nulls_last);
    assert_true(!query->order_by.items[1].descending && query->order_by.items[1].nulls_last);
    assert_non_null(query->limit);
}

static const struct {
    const char *sql, *place, *words, *hint;
    enum status code;
} refusals[] = {
    {"SELECT 1", "t.sql:1:1:", "SET or CREATE is expected", "every query makes a table", STATUS_INVALID},
    {"INSERT INTO t SELECT 1", "t.sql:1:1:", "SET or CREATE", "filled by its own query", STATUS_INVALID},
    {"DROP TABLE t", "t.sql:1:1:", "\"DROP\" is there", NULL, STATUS_INVALID},
    {"SET pipeline.name 5", "t.sql:1:19:", "\"=\" is expected", NULL, STATUS_INVALID},
    {"SET pipeline.name =", "t.sql:1:20:", "a value is expected", NULL, STATUS_INVALID},
    {"SET a = 5\nCREATE STREAMING TABLE t AS SELECT 1", "t.sql:2:1:", "\";\" behind the value", NULL, STATUS_INVALID},
    {"CREATE TABLE t (a INT) WITH ('connector' = 'kafka')", "t.sql:1:8:", "STREAMING TABLE or TEMPORARY VIEW",
     "read_kafka", STATUS_INVALID},
    {"CREATE STREAMING TABLE t WITH (connector = 'kafka') AS SELECT 1", "t.sql:1:26:", "Flink and Arroyo", "read_kafka",
     STATUS_INVALID},
    {"CREATE STREAMING TABLE t (ts TIMESTAMP, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) AS SELECT 1",
     "t.sql:1:41:", "WATERMARK FOR", "DELAY OF INTERVAL 5 SECONDS", STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM s WATERMARK FOR ts AS ts",
     "t.sql:1:62:", "WATERMARK column DELAY OF", "DELAY OF INTERVAL 5 SECONDS", STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM TABLE(TUMBLE(TABLE e, DESCRIPTOR(ts)))",
     "t.sql:1:43:", "Flink and RisingWave", "GROUP BY window", STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM s DROP DUPLICATES ON (id) WATERMARK ts DELAY OF INTERVAL 1 "
     "HOUR",
     "t.sql:1:76:", "too late or twice", "the order is", STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM s WATERMARK ts DELAY OF INTERVAL -1 HOUR",
     "t.sql:1:74:", "not negative", NULL, STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM s WATERMARK ts DELAY OF '1 hour'",
     "t.sql:1:74:", "INTERVAL n unit", "INTERVAL 10 MINUTES", STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM read_kafka(subscribe = 'x')", "t.sql:1:71:", "\"=>\"", "=>",
     STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM (SELECT 1)", "t.sql:1:43:", "not a sub-query",
     "inside the brackets", STATUS_INVALID},
    {"CREATE STREAMING TABLE t", "t.sql:1:25:", "AS and a query", "CREATE FLOW", STATUS_INVALID},
    {"CREATE STREAMING TABLE a.b.c.d AS SELECT 1", "t.sql:1:24:", "at most three parts", NULL, STATUS_INVALID},
    {"CREATE OR REPLACE STREAMING TABLE t AS SELECT 1", "t.sql:1:1:", "refreshed, not replaced", "CREATE OR REFRESH",
     STATUS_INVALID},
    {"CREATE FLOW f AS INSERT INTO t SELECT 1", "t.sql:1:1:", "CREATE FLOW", "UNION ALL", STATUS_UNSUPPORTED},
    {"APPLY CHANGES INTO t FROM STREAM s", "t.sql:1:1:", "APPLY CHANGES INTO (AUTO CDC) is not built yet", NULL,
     STATUS_UNSUPPORTED},
    {"CREATE MATERIALIZED VIEW v AS SELECT 1", "t.sql:1:1:", "a materialized view is not built yet", "complete",
     STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t CLUSTER BY (a) AS SELECT 1", "t.sql:1:26:", "CLUSTER BY", "PARTITIONED BY",
     STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t PARTITIONED BY (days(ts)) AS SELECT 1", "t.sql:1:46:", "partition transform",
     "column of the query", STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t (a INT NOT 5) AS SELECT 1", "t.sql:1:37:", "NULL", NULL, STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT 1 FROM STREAM s LATERAL VIEW explode(a) x AS y", "t.sql:1:52:", "explode",
     NULL, STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t AS SELECT a FROM STREAM s QUALIFY row_number() = 1", "t.sql:1:52:", "QUALIFY",
     "DROP DUPLICATES", STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t AS SELECT a FROM STREAM s GROUP BY CUBE (a)", "t.sql:1:61:", "CUBE", NULL,
     STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t AS SELECT a FROM STREAM s EXCEPT SELECT 1", "t.sql:1:52:", "EXCEPT is not built yet",
     NULL, STATUS_UNSUPPORTED},
    {"CREATE STREAMING TABLE t AS SELECT a FROM STREAM s WHERE",
     "t.sql:1:57:", "an expression is expected, but the text ends here", NULL, STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT a FROM", "t.sql:1:42:", "a table, read_kafka", NULL, STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT a, FROM STREAM s",
     "t.sql:1:39:", "an expression is expected, \"FROM\" is there", NULL, STATUS_INVALID},
    {"CREATE STREAMING TABLE t AS SELECT a FROM STREAM s WHERE a = 1 b", "t.sql:1:64:", "an operator, the next clause",
     NULL, STATUS_INVALID},
};

static void every_refusal_names_place_and_remedy(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        struct sql_text text = {"t.sql", refusals[i].sql, strlen(refusals[i].sql)};
        struct sql_script *script = NULL;
        struct error err = {0};
        enum status status = sql_parse_script(&text, &unit_arena, &script, &err);
        bool good = status == refusals[i].code && err.class == ERROR_USAGE &&
                    strncmp(err.message, refusals[i].place, strlen(refusals[i].place)) == 0 &&
                    strstr(err.message, refusals[i].words) && strstr(err.message, "^") &&
                    (!refusals[i].hint ||
                     (strstr(err.message, "hint: ") && strstr(strstr(err.message, "hint: "), refusals[i].hint)));
        if (!good)
            fail_msg("%s\n%s\nexpected %s … %s … %s", refusals[i].sql, err.message, refusals[i].place,
                     refusals[i].words, refusals[i].hint);
    }
}

static void the_caret_stands_under_the_place(void **state)
{
    (void)state;
    const char *sql = "-- ä\nCREATE STREAMING TABLE t AS\n\tSELECT 'ü', FROM STREAM s";
    struct sql_text text = {"t.sql", sql, strlen(sql)};
    struct sql_script *script = NULL;
    struct error err = {0};
    assert_int_equal(sql_parse_script(&text, &unit_arena, &script, &err), STATUS_INVALID);
    assert_string_equal(err.message, "t.sql:3:14: [PARSE_SYNTAX_ERROR] an expression is expected, \"FROM\" is there\n"
                                     "   SELECT 'ü', FROM STREAM s\n"
                                     "               ^");
    assert_string_equal(err.condition, "PARSE_SYNTAX_ERROR");
}

static void a_text_that_is_no_text_is_refused(void **state)
{
    (void)state;
    static const char nul[] = "SET a = 'x\0y';", bad[] = "SET a = '\xff';";
    struct sql_text texts[] = {
        {"t.sql", nul, sizeof nul - 1}, {"t.sql", bad, sizeof bad - 1}, {"t.sql", nul, SQL_TEXT_SIZE_MAX + 1}};
    for (size_t i = 0; i < 3; i++) {
        struct sql_script *script = NULL;
        struct error err = {0};
        assert_int_equal(sql_parse_script(&texts[i], &unit_arena, &script, &err), STATUS_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(settings_take_their_text_as_it_stands, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_table_holds_all_its_clauses, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_relation_holds_its_modifiers, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_query_holds_its_clauses, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(every_refusal_names_place_and_remedy, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(the_caret_stands_under_the_place, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_text_that_is_no_text_is_refused, unit_arena_setup, unit_arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
