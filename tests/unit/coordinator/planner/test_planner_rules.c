// Where filters, columns and projections end up.
#include <stdio.h>

#include "tests/unit/coordinator/planner/planner_fixture.h"

static const struct {
    const char *name, *sql;
    const char *lines[10];
} cases[] = {
    {"only read columns are read",
     "CREATE STREAMING TABLE t AS SELECT upper(k) AS k FROM STREAM " FIXTURE_FILES " WHERE v > 0",
     {"struct<k:string,v:int>\n", "filter (v > 0)\n", "project k = upper(k)\n", "table t\n"}},
    {"count(*) alone reads one column",
     "CREATE STREAMING TABLE t TBLPROPERTIES (output.mode = complete) AS SELECT count(*) AS n FROM "
     "STREAM " FIXTURE_FILES,
     {"struct<v:int>\n", "partial aggregate: count(*)\n", "exchange to one lane\n", "final aggregate\n", "table t\n"}},
    {"a filter goes below the watermark",
     "CREATE STREAMING TABLE t AS SELECT id, ts FROM (SELECT * FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF "
     "INTERVAL 1 MINUTE) WHERE v "
     "> 0 AND ts > '2024-01-01' "
     "AND k = 'a'",
     {"filter ((v > 0) and (k = 'a'))\n", "watermark ts, delay 1 minute\n",
      "filter (ts > cast('2024-01-01' as timestamp))\n"}},
    {"also through a computed column",
     "CREATE STREAMING TABLE t AS SELECT id, ts FROM (SELECT *, v * 2 AS w FROM STREAM " FIXTURE_FILES " WATERMARK ts "
     "DELAY OF "
     "INTERVAL 1 "
     "MINUTE) WHERE "
     "w > 3",
     {"filter ((v * 2) > 3)\n", "watermark ts"}},
    {"without a watermark nothing is computed twice",
     "CREATE STREAMING TABLE t AS SELECT w FROM (SELECT length(k) AS w FROM STREAM " FIXTURE_FILES ") WHERE w > 3",
     {"project w = length(k)\n", "filter (w > 3)\n", "table t\n"}},
    {"what is random stays above",
     "CREATE STREAMING TABLE t AS SELECT id FROM (SELECT * FROM STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF "
     "INTERVAL 1 MINUTE) WHERE "
     "rand() > 0.5",
     {"watermark ts", "filter (rand()"}},
    {"into both sides of a union",
     "CREATE STREAMING TABLE t AS SELECT i FROM (SELECT id AS i, v FROM STREAM " FIXTURE_FILES
     " WATERMARK ts DELAY OF INTERVAL 1 MINUTE UNION ALL SELECT k, 5L FROM STREAM " FIXTURE_FILES ") WHERE v > 3",
     {"filter (cast(v as bigint) > 3)\n", "watermark ts", "project i = id\n", "filter (5 > 3)\n", "project i = k\n",
      "union of 2 inputs"}},
    {"HAVING on a key goes below the aggregate",
     "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'update') AS SELECT k, count(*) AS n FROM "
     "STREAM " FIXTURE_FILES " GROUP BY k HAVING k = 'a' AND count(*) > 1",
     {"filter (k = 'a')\n", "partial aggregate by k", "final aggregate\n", "filter (count_0 > 1)\n"}},
    {"a filter stays above a deduplication",
     "CREATE STREAMING TABLE t AS SELECT id FROM (SELECT * FROM STREAM " FIXTURE_FILES ") DROP DUPLICATES ON (id) "
     "WHERE v > 0",
     {"struct<id:string,v:int>\n", "exchange by hash of id\n", "drop duplicates on id\n", "filter (v > 0)\n",
      "project id\n"}},
    {"projections merge",
     "CREATE STREAMING TABLE t AS SELECT b + 1 AS c FROM (SELECT v + 1 AS b FROM STREAM " FIXTURE_FILES ")",
     {"→ struct<v:int>\n      1  project c = ((v + 1) + 1)\n", "table t\n"}},
    {"but not where that computes twice",
     "CREATE STREAMING TABLE t AS SELECT b + b AS c FROM (SELECT v + 1 AS b FROM STREAM " FIXTURE_FILES ")",
     {"project b = (v + 1)\n", "project c = (b + b)\n"}},
    {"an alias is read by its neighbours",
     "CREATE STREAMING TABLE t AS SELECT v + 1 AS a, a * 2 AS b FROM STREAM " FIXTURE_FILES,
     {"project a = (v + 1), b = ((v + 1) * 2)\n"}},
    {"sliding windows are an operator",
     "CREATE STREAMING TABLE t AS SELECT window.start AS s, sum(v) AS v FROM STREAM " FIXTURE_FILES " WATERMARK ts "
     "DELAY OF INTERVAL "
     "1 MINUTE GROUP BY "
     "window(ts, '10 "
     "minutes', '5 "
     "minutes')",
     {"filter isnotnull(ts)\n", "sliding window over ts, 10 minutes every 5 minutes\n", "partial aggregate by window",
      "kept until the watermark passes window.end"}},
    {"the time of a window keeps its watermark",
     "CREATE STREAMING TABLE t AS SELECT window, count(*) AS n FROM (SELECT window_time(window) AS wt FROM "
     "STREAM " FIXTURE_FILES " WATERMARK ts DELAY OF INTERVAL 1 MINUTE GROUP BY window(ts, '5 minutes')) GROUP BY "
     "window(wt, '1 hour')",
     {"state aggregate-1", "project wt = window_time(window)\n", "partial aggregate by window",
      "state aggregate-2: one entry per group, kept until the watermark passes window.end"}},
    {"ORDER BY a column that is not shown",
     "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'complete') AS SELECT k FROM STREAM " FIXTURE_FILES " GRO"
     "UP "
     "BY "
     "k "
     "ORDE"
     "R "
     "BY "
     "sum("
     "v) "
     "DESC"
     " LIM"
     "IT "
     "2",
     {"exchange to one lane\n", "sort by sum(v) desc\n", "limit 2\n", "project k\n", "table t\n"}},
    {"LIMIT in append mode keeps a count",
     "CREATE STREAMING TABLE t AS SELECT id FROM STREAM " FIXTURE_FILES " LIMIT 3",
     {"exchange to one lane\n", "limit 3\n", "state limit-1: rows passed so far"}},
    {"DISTINCT is an aggregate of nothing",
     "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'update') AS SELECT DISTINCT k, v FROM "
     "STREAM " FIXTURE_FILES,
     {"rows are replaced by: k, v\n", "partial aggregate by k, v\n", "final aggregate\n"}},
    {"a constraint drops rows",
     "CREATE STREAMING TABLE t (CONSTRAINT c EXPECT (w > 0) ON VIOLATION DROP ROW) AS SELECT v AS w FROM "
     "STREAM " FIXTURE_FILES,
     {"filter (v > 0)\n", "project w = v\n"}},
    {"columns take their defined types",
     "CREATE STREAMING TABLE t (W BIGINT, ID STRING) AS SELECT id, v AS w FROM STREAM " FIXTURE_FILES,
     {"columns: struct<W:bigint,ID:string>", "project W = cast(v as bigint), ID = id\n"}},
    {"an event time that is computed",
     "CREATE STREAMING TABLE t AS SELECT window.start AS s, count(*) AS n FROM STREAM " FIXTURE_FILES " WATERMARK "
     "to_timestamp(id)"
     " AS et DELAY OF "
     "INTERVAL 1 "
     "MINUTE GROUP BY "
     "window(et, '1 "
     "hour')",
     {"project et = to_timestamp(id)\n", "watermark et", "kept until the watermark passes window.end"}},
    {"a view is unfolded",
     "CREATE TEMPORARY VIEW v AS SELECT id FROM STREAM " FIXTURE_FILES " WHERE v > 1; CREATE STREAMING TABLE t AS WITH "
     "w AS (SELECT * FROM v) SELECT * FROM w x WHERE "
     "x.id = 'a'",
     {"filter ((v > 1) and (id = 'a'))\n", "project id\n", "table t\n"}},
};

static void plans_are_shaped_as_expected(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        if (fixture_try(&fixture, cases[i].sql, NULL) != STATUS_OK)
            fail_msg("%s: %s", cases[i].name, fixture.err.message);
        fixture_expect(&fixture, cases[i].lines);
        fixture_end(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(plans_are_shaped_as_expected)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
