// Constants that can never work are refused before anything is read, where Spark fails whatever the rows, with its
// condition and their place; where Spark gives rows, they are not. What Spark does was asked of Spark 4.1.1.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "coordinator/planner/planner.h"
#include "worker/expr/expr_check.h"

#define LEGACY     "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"
#define REGEX      "INVALID_PARAMETER_VALUE.PATTERN"
#define BRANCH(of) "CASE WHEN n < 0 THEN CAST(" of " AS STRING) ELSE 'k' END"
#define DEAD(of)   "CASE WHEN false THEN CAST(" of " AS STRING) ELSE 'k' END"

static const struct {
    const char *select, *condition; // NULL: runs
} cases[] = {
    {"to_timestamp(x, 'YYYY-MM-DD')", LEGACY},
    {BRANCH("to_timestamp(x, 'YYYY-MM-DD')"), LEGACY},
    {DEAD("to_timestamp(x, 'YYYY-MM-DD')"), NULL},
    {"if(false, to_timestamp(x, 'YYYY'), NULL)", NULL},
    {"to_timestamp(CAST(NULL AS STRING), 'YYYY')", NULL},
    {"coalesce('k', CAST(to_timestamp(x, 'YYYY') AS STRING))", NULL},
    {"to_date(x, 'bbb')", "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"},
    {"date_format(d, 'bbb')", "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"},
    {"try_to_timestamp(x, 'YYYY')", LEGACY},
    {"from_unixtime(n, 'YYYY')", LEGACY},
    {"unix_timestamp(x, 'YYYY')", LEGACY},
    {"to_timestamp(d, 'YYYY')", NULL},
    {"to_timestamp(x, x)", NULL},
    {"to_timestamp(x, 'yyyy-MM-dd')", NULL},
    {"x RLIKE '('", REGEX},
    {BRANCH("x RLIKE '('"), REGEX},
    {"n < 0 AND x RLIKE '('", REGEX},
    {"false AND x RLIKE '('", NULL},
    {"x RLIKE NULL", NULL},
    {"regexp_replace(x, '(', '')", NULL},
    {"regexp_replace('x', '(', '')", REGEX},
    {"regexp_extract(x, '(a)', 2)", NULL},
    {"split('a', '(')", REGEX},
    {"x RLIKE '[a-z&&[^b]]'", ""},
    {"regexp_extract(x, '[a[b]]', 0)", ""},
    {DEAD("regexp_replace(x, '[[:alpha:]]', '')"), ""},
    {"x LIKE 'a!b' ESCAPE '!'", "INVALID_FORMAT.ESC_IN_THE_MIDDLE"},
    {BRANCH("x ILIKE 'a!' ESCAPE '!'"), "INVALID_FORMAT.ESC_AT_THE_END"},
    {"from_utc_timestamp(d, 'Mars/Phobos')", "INVALID_TIMEZONE"},
    {BRANCH("to_utc_timestamp(d, 'Mars/Phobos')"), "INVALID_TIMEZONE"},
    {"from_utc_timestamp(d, x)", NULL},
    {"convert_timezone('Mars/Phobos', CAST(d AS TIMESTAMP_NTZ))", NULL},
    {"1 / 0", "DIVIDE_BY_ZERO"},
    {BRANCH("1 / 0"), NULL},
    {"coalesce(n, 1 / 0)", NULL},
    {"n + CAST('abc' AS INT)", "CAST_INVALID_INPUT"},
    {"try_cast('abc' AS INT)", NULL},
    {"url_decode('%zz')", "CANNOT_DECODE_URL"},
    {"map(1, 2, 1, 3)", "DUPLICATED_MAP_KEY"},
    {"repeat('x', 1000000000)", "VALUE_SIZE_LIMIT_EXCEEDED"},
    {"array_repeat(array_repeat(repeat('x', 1000000), 60), 1000000)", "VALUE_SIZE_LIMIT_EXCEEDED"},
    {"flatten(array(sequence(1, 8000000), sequence(1, 8000000), sequence(1, 8000000), sequence(2, 8000000), "
     "sequence(3, 8000000), sequence(4, 8000000), sequence(5, 8000000), sequence(6, 8000000)))",
     "ROW_SIZE_LIMIT_EXCEEDED"},
    {"CAST(x AS INT)", NULL},
    {"extract(FOO FROM d)", "INVALID_EXTRACT_FIELD"},
    {"from_json(x, 'map<int,int>')", "DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE"},
    {"from_json(x, 'a DATE', map('dateFormat', 'bbb'))", "INVALID_DATETIME_PATTERN.WITH_SUGGESTION"},
    {"regexp_replace(x, 'a', 'b', 0)", "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE"},
    {"mask(x, 'ab')", "DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE"},
};

static enum status compile(const char *query, struct error *err)
{
    struct arena arena;
    Foreset__Plan *plan;
    arena_init(&arena, 0);
    const struct planner_options options = {
        .file_name = "p.sql", .directory = "/tmp", .warehouse = "/tmp/w", .check = expr_check_plan};
    enum status status = planner_compile(query, &options, &arena, &plan, NULL, err);
    arena_deinit(&arena);
    return status;
}

static void constants_are_refused_where_spark_fails_for_every_row(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char query[600];
        struct error err = {0};
        snprintf(query, sizeof query,
                 "CREATE STREAMING TABLE t AS\nSELECT %s AS r FROM STREAM read_files('/tmp', format => 'json', "
                 "schema => 'x STRING, n INT, d TIMESTAMP') AS i;",
                 cases[i].select);
        enum status status = compile(query, &err);
        if ((status == STATUS_OK) != !cases[i].condition) fail_msg("%s: %s", cases[i].select, err.message);
        if (status == STATUS_OK) continue;
        if (strcmp(err.condition, cases[i].condition) != 0) fail_msg("%s: %s", cases[i].select, err.condition);
        if (strncmp(err.message, "p.sql:2:", 8) != 0) fail_msg("%s: %s", cases[i].select, err.message);
        assert_int_equal(err.class, ERROR_USAGE);
    }
}

static void every_place_of_a_plan_is_looked_at(void **state)
{
    (void)state;
    static const char *const queries[] = {
        "SELECT x"
        "%s WHERE x RLIKE '('",
        "SELECT count(*) AS n, x%s WATERMARK d DELAY OF INTERVAL 1 HOUR GROUP BY window(d, '1 hour'), x HAVING x RLIKE "
        "'('",
        "SELECT max(x RLIKE '(') AS n, d%s WATERMARK d DELAY OF INTERVAL 1 HOUR GROUP BY d",
        "SELECT count(*) FILTER (WHERE x RLIKE '(') AS n, d%s WATERMARK d DELAY OF INTERVAL 1 HOUR GROUP BY d",
    };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char query[700], head[400];
        struct error err = {0};
        snprintf(head, sizeof head, " FROM STREAM read_files('/tmp', format => 'json', schema => '%s')",
                 "x STRING, n INT, d TIMESTAMP");
        char *at = strstr(queries[i], "%s");
        snprintf(query, sizeof query, "CREATE STREAMING TABLE t AS\n%.*s%s%s;", (int)(at - queries[i]), queries[i],
                 head, at + 2);
        assert_int_not_equal(compile(query, &err), STATUS_OK);
        if (strcmp(err.condition, REGEX) != 0) fail_msg("%s: %s", query, err.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_refused_where_spark_fails_for_every_row),
        cmocka_unit_test(every_place_of_a_plan_is_looked_at),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
