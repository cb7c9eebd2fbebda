// Queries to operators: their order, which columns stay the same ones, where event time is marked, what is shared.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/bind/bind.h"
#include "coordinator/sql/sql_parse.h"
#include "tests/unit/lib/unit_arena.h"

#define FILES                                                                                                          \
    "STREAM read_files('in', format => 'json', schema => 'id STRING, v INT, ts TIMESTAMP, s STRUCT<a: INT, B: "        \
    "STRING>')"

static struct sql_text text;

static enum status no_table(void *data, const struct sql_name *name, const struct bind_table **ret_table,
                            struct error *err)
{
    (void)data, (void)name, (void)ret_table, (void)err;
    return STATUS_OK;
}

static const char *const *no_names(void *data)
{
    static const char *const names[] = {NULL};
    (void)data;
    return names;
}

static struct bind_node *bound(const char *query)
{
    const char *sql = arena_printf(&unit_arena, "CREATE STREAMING TABLE t AS %s", query);
    text = (struct sql_text){"t.sql", sql, strlen(sql)};
    struct bind_context *context = arena_calloc(&unit_arena, 1, sizeof *context);
    *context = (struct bind_context){.text = &text,
                                     .arena = &unit_arena,
                                     .directory = "/w",
                                     .find_table = no_table,
                                     .table_names = no_names,
                                     .marks = arena_calloc(&unit_arena, 1, sizeof(uint32_t))};
    struct sql_script *script = NULL;
    struct bind_node *node = NULL;
    struct error err = {0};
    if (sql_parse_script(&text, &unit_arena, &script, &err) != STATUS_OK) fail_msg("%s", err.message);
    if (bind_query(context, script->statements.items[0]->query, &node, &err) != STATUS_OK) fail_msg("%s", err.message);
    return node;
}

// The operators from the table down to the source: "project filter source".
static const char *chain(const struct bind_node *node)
{
    static const char *const names[] = {"source", "table",     "filter", "project", "watermark", "window",
                                        "dedup",  "aggregate", "union",  "sort",    "limit"};
    const char *whole = names[node->kind];
    while (node->inputs.count == 1) {
        node = node->inputs.items[0];
        whole = arena_printf(&unit_arena, "%s %s", whole, names[node->kind]);
    }
    return whole;
}

static void operators_stand_in_sparks_order(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"SELECT id FROM " FILES " WHERE v > 0", "project filter source"},
        {"SELECT id FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR DROP DUPLICATES ON (id) WHERE v > 0", "project"
                                                                                                               " filter"
                                                                                                               " dedup "
                                                                                                               "waterma"
                                                                                                               "rk "
                                                                                                               "sourc"
                                                                                                               "e"},
        {"SELECT id, count(*) FROM " FILES " WHERE v > 0 GROUP BY id HAVING count(*) > 1", "project filter aggregate "
                                                                                           "filter source"},
        {"SELECT window, count(*) FROM " FILES " GROUP BY window(ts, '1 hour')", "project aggregate project filter "
                                                                                 "source"},
        {"SELECT window, count(*) FROM " FILES " GROUP BY window(ts, '2 hours', '1 hour')", "project aggregate window "
                                                                                            "filter source"},
        {"SELECT DISTINCT id FROM " FILES " ORDER BY id LIMIT 5", "limit sort aggregate project source"},
        {"SELECT id FROM " FILES " ORDER BY v", "project sort project source"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(chain(bound(cases[i][0])), cases[i][1]);
}

static void a_column_passed_on_stays_the_same_column(void **state)
{
    (void)state;
    const struct bind_node *node = bound("SELECT id, v AS w, ts AS ts FROM " FILES);
    const struct bind_node *source = node->inputs.items[0];
    assert_ptr_equal(node->columns.items[0], source->columns.items[0]);
    assert_ptr_not_equal(node->columns.items[1], source->columns.items[1]);
    assert_ptr_equal(node->columns.items[2], source->columns.items[2]);
}

static void event_time_is_marked_through_aliases_windows_and_unions(void **state)
{
    (void)state;
    static const struct {
        const char *query;
        bool marked;
    } cases[] = {
        {"SELECT ts FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR", true},
        {"SELECT ts AS other FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR", true},
        {"SELECT window(ts, '1 hour') AS w FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR", true},
        {"SELECT window_time(w) AS t FROM (SELECT window(ts, '1 hour') AS w FROM " FILES " WATERMARK ts DELAY OF "
         "INTERVAL 1 HOUR)",
         true},
        {"SELECT a FROM (SELECT ts AS a FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR UNION ALL SELECT ts "
         "FROM " FILES ")",
         true},
        {"SELECT ts FROM " FILES, false},
        {"SELECT date_trunc('hour', ts) AS h FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 HOUR", false},
        {"SELECT w.start AS s FROM (SELECT window(ts, '1 hour') AS w FROM " FILES " WATERMARK ts DELAY OF INTERVAL 1 "
         "HOUR)",
         false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct bind_node *node = bound(cases[i].query);
        if (node->columns.items[0]->event_time != cases[i].marked) fail_msg("%s", cases[i].query);
    }
}

static void the_left_side_of_between_is_shared(void **state)
{
    (void)state;
    const struct bind_node *node = bound("SELECT length(id) BETWEEN 1 AND 5 AS b FROM " FILES);
    const struct bind_expr *both = node->exprs.items[0];
    assert_string_equal(both->function, "and");
    assert_ptr_equal(both->args.items[0]->args.items[0], both->args.items[1]->args.items[0]);
}

static void equal_aggregates_are_kept_once(void **state)
{
    (void)state;
    const struct bind_node *node = bound("SELECT count(*) AS n, count(*) + sum(v) AS m, sum(v) AS s FROM " FILES);
    assert_int_equal(node->inputs.items[0]->aggregates.count, 2);
}

static void fields_and_stars_are_found_in_any_case(void **state)
{
    (void)state;
    const struct bind_node *node = bound("SELECT S.b, q.*, s.* FROM (SELECT s, ID FROM " FILES ") Q");
    static const char *const names[] = {"b", "s", "ID", "a", "B"};
    assert_int_equal(node->columns.count, 5);
    for (uint32_t i = 0; i < 5; i++) assert_string_equal(node->columns.items[i]->name, names[i]);
    assert_string_equal(node->columns.items[0]->type->text, "string");
}

static void a_union_takes_the_wider_types(void **state)
{
    (void)state;
    const struct bind_node *node = bound("SELECT v AS x FROM " FILES " UNION ALL SELECT 5L FROM " FILES);
    assert_string_equal(node->columns.items[0]->type->text, "bigint");
    assert_string_equal(node->columns.items[0]->name, "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(operators_stand_in_sparks_order, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_column_passed_on_stays_the_same_column, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(event_time_is_marked_through_aliases_windows_and_unions, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(the_left_side_of_between_is_shared, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(equal_aggregates_are_kept_once, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(fields_and_stars_are_found_in_any_case, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_union_takes_the_wider_types, unit_arena_setup, unit_arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
