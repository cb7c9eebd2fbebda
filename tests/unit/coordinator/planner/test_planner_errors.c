// Every message of binder and planner: condition, line and column, words, hint.
#include <stdio.h>

#include "common/plan/plan_secret.h"
#include "tests/unit/coordinator/planner/planner_fixture.h"

#define T             "CREATE STREAMING TABLE t AS\n"
#define F             " FROM STREAM " FIXTURE_FILES
#define W             F " WATERMARK ts DELAY OF INTERVAL 1 MINUTE"
#define K(options)    T "SELECT value FROM STREAM read_kafka(" options ")"
#define P(properties) "CREATE STREAMING TABLE t TBLPROPERTIES (" properties ") AS\n"

static const struct {
    const char *sql, *condition, *place, *words, *hint;
} cases[] = {
    // names
    {T "SELECT idd" F, "UNRESOLVED_COLUMN.WITH_SUGGESTION", "p.sql:2:8:", "no column idd", "did you mean id?"},
    {T "SELECT x.id FROM (SELECT id" F ") y", "UNRESOLVED_COLUMN.WITH_SUGGESTION", "p.sql:2:8:", "x.id",
     "Columns here: id"},
    {T "SELECT id.x" F, "INVALID_EXTRACT_BASE_FIELD_TYPE", "p.sql:2:8:", "has no fields", NULL},
    {T "SELECT s.b FROM (SELECT struct(id AS a) AS s" F ")", "FIELD_NOT_FOUND", "p.sql:2:8:", "no field b",
     "its fields: a"},
    {T "SELECT a FROM (SELECT id AS a, k AS a" F ")", "AMBIGUOUS_REFERENCE", "p.sql:2:8:", "2 columns are named a",
     NULL},
    {T "SELECT id.*" F, "CANNOT_RESOLVE_STAR_EXPAND", "p.sql:2:8:", "type string", NULL},
    {T "SELECT * EXCEPT (q)" F, "EXCEPT_RESOLVED_COLUMNS_WITHOUT_MATCH", "p.sql:2:8:", "EXCEPT names q", NULL},
    {T "SELECT uper(k) AS k" F, "UNRESOLVED_ROUTINE", "p.sql:2:8:", "unknown function uper", NULL},
    {T "SELECT transform_keys(k) AS k" F, "", "p.sql:2:8:", "transform_keys", NULL},
    {T "SELECT explode(array(1)) AS x" F, "", "p.sql:2:8:", "explode", NULL},
    {T "SELECT id FROM STREAM silvr; CREATE STREAMING TABLE silver AS SELECT id" F, "TABLE_OR_VIEW_NOT_FOUND",
     "p.sql:2:16:", "silvr", "did you mean silver?"},
    {T "SELECT id FROM STREAM t", "", "p.sql:2:23:", "reads itself", NULL},
    {T "SELECT id" F "; CREATE STREAMING TABLE T AS SELECT id" F, "TABLE_OR_VIEW_ALREADY_EXISTS",
     "p.sql:2:", "defined twice", NULL},
    // types
    {T "SELECT id" F " WHERE v", "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "p.sql:2:", "WHERE takes a condition", NULL},
    {T "SELECT CAST(v AS DATE) AS d" F, "DATATYPE_MISMATCH.CAST_WITH_FUNC_SUGGESTION", "p.sql:2:8:", "cannot be cast",
     "date_from_unix_date"},
    {T "SELECT v = ts AS d" F, "DATATYPE_MISMATCH.BINARY_OP_DIFF_TYPES", "p.sql:2:10:", "", NULL},
    {T "SELECT NULL AS n" F, "", "p.sql:2:1:", "cannot hold", "CAST(x AS STRING)"},
    {T "SELECT v + 1" F, "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "p.sql:2:1:", "\"v + 1\"", "AS name"},
    {T "SELECT id, k AS ID" F, "COLUMN_ALREADY_EXISTS", "p.sql:2:1:", "named ID", "EXCEPT"},
    {T "SELECT named_struct('a b', v) AS s" F, "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES",
     "p.sql:2:1:", "column s has a field \"a b\"", "named_struct"},
    {T "SELECT array(named_struct('x', named_struct('semi;colon', v))) AS s" F,
     "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "p.sql:2:1:", "column s.x has a field \"semi;colon\"", NULL},
    {T "SELECT map('k', named_struct('a', v, 'A', v)) AS m" F, "COLUMN_ALREADY_EXISTS",
     "p.sql:2:1:", "two fields that are named A but for case", "rename one"},
    {T "SELECT id" F " UNION ALL SELECT id, k" F, "NUM_COLUMNS_MISMATCH", "p.sql:2:", "1 columns with 2 columns", NULL},
    {T "SELECT ts" F " UNION ALL SELECT v" F, "INCOMPATIBLE_COLUMN_TYPE", "p.sql:2:", "timestamp on one side and int",
     NULL},
    // aggregates
    {T "SELECT id, count(*) AS n" W " GROUP BY k", "MISSING_AGGREGATION", "p.sql:2:8:", "id is neither grouped",
     "first(id)"},
    {T "SELECT id, count(*) AS n" W, "MISSING_GROUP_BY", "p.sql:2:8:", "no GROUP BY", NULL},
    {T "SELECT k" W " WHERE count(*) > 1", "INVALID_WHERE_CONDITION", "p.sql:2:", "WHERE", "HAVING"},
    {T "SELECT sum(count(*)) AS n" W, "NESTED_AGGREGATE_FUNCTION", "p.sql:2:8:", "inside another", NULL},
    {T "SELECT count(*) AS n" W " GROUP BY sum(v)", "GROUP_BY_AGGREGATE", "p.sql:2:", "GROUP BY", NULL},
    {T "SELECT k, count(*) AS n" W " GROUP BY 3", "GROUP_BY_POS_OUT_OF_RANGE", "p.sql:2:", "the select list has 2",
     NULL},
    {T "SELECT window(ts, '1 hour') AS a, window(ts, '2 hours') AS b" W, "_LEGACY_ERROR_TEMP_1039",
     "p.sql:2:35:", "two different time windows", NULL},
    {T "SELECT id" W " WHERE window(ts, '1 hour').start > '2024-01-01'", "", "p.sql:2:", "cannot stand in WHERE", NULL},
    {T "SELECT window(ts, 'x') AS w" W, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "p.sql:2:19:", "duration",
     "window(time, '5 minutes')"},
    {T "SELECT window(ts, '1 hour', '2 hours') AS w" W, "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION",
     "p.sql:2:29:", "slide", NULL},
    {T "SELECT window(v, '1 hour') AS w" W, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "p.sql:2:15:", "TIMESTAMP",
     NULL},
    {T "SELECT count(*) AS n" W " GROUP BY session_window(ts, '5 minutes')", "",
     "p.sql:2:", "session_window is not built yet", NULL},
    {P("'output.mode' = 'update'") "SELECT count(*) AS n" W " GROUP BY session_window(ts, '5 minutes')",
     "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION", "p.sql:2:", "update mode", NULL},
    // output modes
    {T "SELECT k, count(*) AS n" F " GROUP BY k", "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
     "p.sql:2:1:", "without a WATERMARK", "GROUP BY window"},
    {T "SELECT k, count(*) AS n" W " GROUP BY k", "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
     "p.sql:2:1:", "not among the groups", "'complete' or 'update'"},
    {T "SELECT DISTINCT k" F, "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION", "p.sql:2:1:", "append mode",
     "DROP DUPLICATES ON"},
    {P("'output.mode' = 'complete'") "SELECT id" F, "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION",
     "p.sql:1:1:", "no aggregate", "appended"},
    {T "SELECT id" F " ORDER BY id", "_LEGACY_ERROR_TEMP_3102", "p.sql:2:", "ORDER BY on a stream", NULL},
    {P("'output.mode' = 'update'") "SELECT id" F " LIMIT 3", "_LEGACY_ERROR_TEMP_3102", "p.sql:2:", "LIMIT", NULL},
    {P("'output.mode' = 'complete'") "SELECT count(DISTINCT id) AS n" F, "_LEGACY_ERROR_TEMP_3102",
     "p.sql:2:8:", "DISTINCT", "approx_count_distinct"},
    {P("'output.mode' = 'complete'") "SELECT max(n) AS m FROM (SELECT k, count(*) AS n" F " GROUP BY k)",
     "_LEGACY_ERROR_TEMP_3102", "p.sql:1:1:", "append mode only", "table of its own"},
    {P("'output.mode' = 'update'") "SELECT count(*) AS n" F " GROUP BY k", "", "p.sql:2:1:", "group key k is not among",
     "select list"},
    {P("'output.mode' = 'complete'") "SELECT count(*) AS n" F "; CREATE STREAMING TABLE u AS SELECT * FROM STREAM t",
     "", "p.sql:2:", "in complete mode", "append mode"},
    // watermarks
    {T "SELECT id" F " WATERMARK id DELAY OF INTERVAL 1 MINUTE", "EVENT_TIME_IS_NOT_ON_TIMESTAMP_TYPE",
     "p.sql:2:", "type string", "to_timestamp"},
    {T "SELECT id" F " WATERMARK date_trunc('hour', ts) DELAY OF INTERVAL 1 MINUTE",
     "REQUIRES_EXPLICIT_NAME_IN_WATERMARK_CLAUSE", "p.sql:2:", "needs a name", "AS event_time"},
    {T "SELECT id" F " DROP DUPLICATES WITHIN WATERMARK ON (id)", "_LEGACY_ERROR_TEMP_3102",
     "p.sql:2:", "needs a WATERMARK", "WATERMARK ts"},
    {T "SELECT id FROM (SELECT *" W ") WATERMARK ts DELAY OF INTERVAL 1 HOUR", "", "p.sql:2:", "second WATERMARK",
     NULL},
    {T "SELECT id" F " DROP DUPLICATES ON (upper(id))", "", "p.sql:2:", "name of a column", "sub-query"},
    // joins and static sides
    {T "SELECT 1 AS a" F " JOIN STREAM t2 ON true", "", "p.sql:2:", "stream-stream join (JOIN) is not built yet", NULL},
    {T "SELECT 1 AS a" F " LEFT JOIN read_files('x', schema => 'a INT') ON true", "",
     "p.sql:2:", "stream-static join (LEFT JOIN) is not built yet", NULL},
    {T "SELECT a FROM read_files('x', schema => 'a INT')", "", "p.sql:2:15:", "without STREAM",
     "FROM STREAM read_files"},
    {T "SELECT 1 AS a", "", "p.sql:2:1:", "no FROM", NULL},
    // sources
    {K("bootstrapServer => 'h:1', subscribe => 'x'"), "", "p.sql:2:37:", "no option bootstrapServer",
     "bootstrapServers"},
    {K("bootstrapServers => 'h:1', topic => 'x'"), "", "p.sql:2:64:", "no option topic", "subscribe"},
    {K("bootstrapServers => 'h:1', security.protocol => 'SSL'"), "", "p.sql:2:64:", "security.protocol",
     "`kafka.security.protocol`"},
    {K("subscribe => 'x'"), "", "p.sql:2:19:", "bootstrapServers", NULL},
    {K("bootstrapServers => 'h:1'"), "", "p.sql:2:19:", "subscribe and assign", NULL},
    {K("bootstrapServers => 'h:1', subscribePattern => 'x'"), "", "p.sql:2:84:", "subscribePattern is not built yet",
     NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', maxOffsetsPerTrigger => 0"), "", "p.sql:2:106:", "greater than 0",
     NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', startingOffsets => 'first'"), "",
     "p.sql:2:101:", "'earliest', 'latest'", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', failOnDataLoss => 'no'"), "", "p.sql:2:100:", "true or false",
     NULL},
    {K("bootstrapServers => 'h:1', subscribe => upper('x')"), "", "p.sql:2:77:", "a literal", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => secret('PW')"), "",
     "p.sql:2:", "where the secret is", "secret('env:NAME')"},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => secret('file:pw')"), "",
     "p.sql:2:", "absolute", "secret('file:/path')"},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => secret('env:')"), "",
     "p.sql:2:", "where the secret is", NULL},
    {K("bootstrapServers => 'h:1', subscribe => secret('env:T')"), "", "p.sql:2:77:", "properties kafka.* alone", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'a\\0b'"), "", "p.sql:2:77:", "no NUL", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.kerberos.kinit.cmd` => 'id'"), "",
     "p.sql:2:82:", "runs a command", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', kafka.plugin.library.paths => '/x'"), "",
     "p.sql:2:82:", "loads a library", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `KAFKA.Group.Id` => 'g'"), "", "p.sql:2:82:", "groupIdPrefix",
     NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.security.protocl` => 'SSL'"), "",
     "p.sql:2:82:", "did you mean kafka.security.protocol?", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.security.protocol` => 'TLS'"), "", "p.sql:2:82:", "TLS",
     NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.security.protocol` => 'SASL_SSL'"), "",
     "p.sql:2:19:", "needs kafka.sasl.mechanism", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.jaas.config` => 'x'"), "",
     "p.sql:2:82:", "kafka.sasl.username and kafka.sasl.password", NULL},
    {K("bootstrapServers => 'h:1', subscribe => 'x', Subscribe => 'y'"), "", "p.sql:2:82:", "given twice", NULL},
    {T "SELECT a FROM STREAM read_file('x')", "UNRESOLVABLE_TABLE_VALUED_FUNCTION", "p.sql:2:15:", "read_file",
     "did you mean read_files?"},
    {T "SELECT a FROM STREAM read_files('x', format => 'csv', schema => 'a INT')", "",
     "p.sql:2:15:", "csv is not built yet", NULL},
    {T "SELECT a FROM STREAM read_files('x', schema => 'a INTT')", "UNSUPPORTED_DATATYPE", "p.sql:2:48:", "INTT", NULL},
    {T "SELECT a FROM STREAM read_files('x')", "", "p.sql:2:15:", "schema", NULL},
    // settings and properties
    {"SET pipeline.trigge = 5 seconds;" T "SELECT id" F, "", "p.sql:1:5:", "no setting pipeline.trigge",
     "did you mean pipeline.trigger?"},
    {"SET spark.sql.shuffle.partitions = 2;" T "SELECT id" F, "", "p.sql:1:5:", "no setting", "settings of Spark"},
    {"SET pipeline.trigger = 5;" T "SELECT id" F, "", "p.sql:1:24:", "an interval", "30 seconds"},
    {"SET pipeline.on_error = skip;" T "SELECT id" F, "", "p.sql:1:25:", "fail or dead_letters", NULL},
    {"SET pipeline.shards = 0;" T "SELECT id" F, "", "p.sql:1:23:", "from 1 to", NULL},
    {"SET pipeline.name = 'a/b';" T "SELECT id" F, "", "p.sql:1:21:", "letters, digits", NULL},
    {"SET pipeline.shards = 4", "", "p.sql:1:1:", "makes no table", NULL},
    {P("'output.mod' = 'append'") "SELECT id" F, "", "p.sql:1:41:", "no table property", "'output.mode'"},
    {P("'output.mode' = 'upsert'") "SELECT id" F, "", "p.sql:1:41:", "append, update or complete", NULL},
    {P("'delta.enableChangeDataFeed' = 'true'") "SELECT id" F, "",
     "p.sql:1:41:", "delta.enableChangeDataFeed is not built yet", NULL},
    {P("'state.backend' = 'rocksdb'") "SELECT id" F, "", "p.sql:1:41:", "rocksdb' is not built yet", NULL},
    {P("'trigger.interval' = 'soon'") "SELECT id" F, "", "p.sql:1:41:", "an interval", NULL},
    {P("'merge.keys' = 'id'") "SELECT id" F, "", "p.sql:1:1:", "belongs to update mode", NULL},
    {P("'delta.appendOnly' = 'true', 'output.mode' = 'update'") "SELECT k, count(*) AS n" F " GROUP BY k", "",
     "p.sql:1:1:", "take rows away", NULL},
    {"CREATE STREAMING TABLE t PARTITIONED BY (d) AS\nSELECT id" F, "COLUMN_NOT_DEFINED_IN_TABLE",
     "p.sql:1:41:", "PARTITIONED BY d", NULL},
    {"CREATE STREAMING TABLE t PARTITIONED BY (id) AS\nSELECT id" F, "ALL_PARTITION_COLUMNS_NOT_ALLOWED",
     "p.sql:1:41:", "not partitioned by", NULL},
    {"CREATE STREAMING TABLE t (id INT, q INT) AS\nSELECT id" F, "", "p.sql:1:35:", "no column q", NULL},
    {"CREATE STREAMING TABLE t (CONSTRAINT c EXPECT (w > 0)) AS\nSELECT v" F, "UNRESOLVED_COLUMN.WITH_SUGGESTION",
     "p.sql:1:48:", "w", NULL},
    {"CREATE STREAMING TABLE t (CONSTRAINT c EXPECT (v + 1) ON VIOLATION FAIL UPDATE) AS\nSELECT v" F,
     "DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", "p.sql:1:50:", "EXPECT takes a condition", NULL},
    {"CREATE STREAMING TABLE t (CONSTRAINT c EXPECT (v > 0), CONSTRAINT C EXPECT (v > 1)) AS\nSELECT v" F,
     "CONSTRAINT_ALREADY_EXISTS", "p.sql:1:56:", "two constraints are named C", NULL},
    {"CREATE STREAMING TABLE t (CONSTRAINT c EXPECT (v > 0) ON VIOLATION QUARANTINE) AS\nSELECT v" F, "",
     "p.sql:1:27:", "QUARANTINE is not built yet", NULL},
    {"CREATE STREAMING TABLE t (s STRUCT<a: INT NOT NULL> NOT NULL) AS\nSELECT named_struct('a', 1) AS s" F, "",
     "p.sql:1:43:", "NOT NULL inside a column's type is not built yet", NULL},
    {"CREATE STREAMING TABLE t (s ARRAY<STRUCT<a INT NOT NULL>>) AS\nSELECT array(named_struct('a', 1)) AS s" F, "",
     "p.sql:1:48:", "NOT NULL inside a column's type is not built yet", NULL},
    {T "SELECT id" F " IDENTIFIED BY x UNION ALL SELECT id" F " IDENTIFIED BY x", "",
     "p.sql:2:", "two sources are IDENTIFIED BY x", NULL},
};

static void every_error_names_condition_place_and_remedy(void **state)
{
    (void)state;
    int failed = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct fixture fixture;
        enum status status = fixture_try(&fixture, cases[i].sql, NULL);
        const char *message = fixture.err.message, *hint = strstr(message, "hint: ");
        bool good = (status == STATUS_INVALID || status == STATUS_UNSUPPORTED) && fixture.err.class == ERROR_USAGE &&
                    strcmp(fixture.err.condition, cases[i].condition) == 0 &&
                    strncmp(message, cases[i].place, strlen(cases[i].place)) == 0 && strstr(message, cases[i].words) &&
                    strstr(message, "^") && (!cases[i].hint || (hint && strstr(hint, cases[i].hint)));
        if (strstr(message, "not built yet") && status != STATUS_UNSUPPORTED) good = false;
        if (!good) {
            failed++;
            print_error("%s\nexpected [%s] %s … %s … hint %s; found [%s]\n%s\n\n", cases[i].sql, cases[i].condition,
                        cases[i].place, cases[i].words, cases[i].hint ? cases[i].hint : "-", fixture.err.condition,
                        message);
        }
        fixture_end(&fixture);
    }
    assert_int_equal(failed, 0);
}

#define LONG64      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAMED(name) "CREATE STREAMING TABLE " name " AS SELECT id" F ";"

static const struct {
    const char *sql, *words;
} places[] = {
    // names that leave the warehouse, or hide in it
    {NAMED("`../escaped`"), "'/'"},
    {NAMED("a.`..`"), "leave its folder"},
    {NAMED("`..`.`..`.x"), "leave its folder"},
    {NAMED("`.`"), "leave its folder"},
    {NAMED("`a/b`"), "'/'"},
    {NAMED("`a\\b`"), "'\\'"},
    {NAMED("`.hidden`"), "begins with '.'"},
    {NAMED("a.`_Delta_Log`"), "keep for themselves"},
    {NAMED("`_foreset`.p"), "keep for themselves"},
    {NAMED("`_change_data`"), "keep for themselves"},
    {NAMED("`a\nb`"), "control character"},
    {NAMED("`a\x7f`"), "control character"},
    {NAMED("`a\xc2\x85`"), "control character"},
    {NAMED(LONG64 LONG64 LONG64 LONG64), "too long"},
    {NAMED(LONG64 LONG64 LONG64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), "255 bytes"},
    {NAMED("`e\xcc\x81`"), "composed characters"},                // e and an accent: NFD of é
    {NAMED("`\xe2\x84\xab`"), "composed characters"},             // the sign of ångström
    {NAMED("`\xe1\x84\x80\xe1\x85\xa1`"), "composed characters"}, // Hangul in letters
    {NAMED("`a\xe2\x80\x8b`"), "may store as another"},           // no width
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = '../x') AS SELECT id" F, "empty part"},
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = 'a..b') AS SELECT id" F, "empty part"},
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = 'a/b') AS SELECT id" F, "'/'"},
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = '_delta_log') AS SELECT id" F, "keep for themselves"},
    // two in one place, or one in the other
    {NAMED("`\xc3\x84`") NAMED("`\xc3\xa4`"), "same place"}, // Ä and ä
    {NAMED("a.b") NAMED("`a.b`"), "defined twice"},
    {NAMED("a") NAMED("a.b"), "table a.b would be stored inside table a"},
    {NAMED("a.b.c") NAMED("a.b"), "table a.b.c would be stored inside table a.b"},
    {NAMED("a") "CREATE STREAMING TABLE b LOCATION '/srv/warehouse/a' AS SELECT id" F, "same place"},
    {NAMED("a") "CREATE STREAMING TABLE b LOCATION '/srv//warehouse/./x/../A/' AS SELECT id" F, "same place"},
    {NAMED("a") "CREATE STREAMING TABLE b LOCATION '/srv/warehouse/a/_delta_log/x' AS SELECT id" F, "log of a Delta"},
    {NAMED("a") "CREATE STREAMING TABLE b LOCATION '/srv/warehouse/a/x' AS SELECT id" F, "inside table a"},
    {NAMED("a") "CREATE STREAMING TABLE b LOCATION '/srv/warehouse' AS SELECT id" F, "inside table b"},
    {NAMED("a") NAMED("a__dead_letters"), "same place"},
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = 't') AS SELECT id" F, "same place"},
    {"CREATE STREAMING TABLE t TBLPROPERTIES ('dlq.table' = 't.x') AS SELECT id" F, "inside table t"},
};

static void no_table_leaves_its_place_or_takes_anothers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        struct fixture fixture;
        if (fixture_try(&fixture, places[i].sql, NULL) == STATUS_OK)
            fail_msg("%s\nis accepted, at %s", places[i].sql, fixture.plan->tables[0]->url);
        if (!strstr(fixture.err.message, places[i].words))
            fail_msg("%s\n\"%s\" is not in: %s", places[i].sql, places[i].words, fixture.err.message);
        assert_int_equal(fixture.err.class, ERROR_USAGE);
        fixture_end(&fixture);
    }
}

static void names_of_folders_stay(void **state)
{
    (void)state;
    static const char *const good[] = {
        NAMED("a.b.c") NAMED("a.b.d"),
        NAMED("a") NAMED("ab"),
        NAMED("_mine"),
        NAMED("`a b-c`"),
        NAMED("`\xc3\xa9t\xc3\xa9`"),
        NAMED("`\xe5\xa3\xb2\xe4\xb8\x8a`") NAMED("`\xe9\xa1\xa7\xe5\xae\xa2`"),
        NAMED("`\xe0\xa4\xb9\xe0\xa4\xbf`"), // Devanagari writes its vowels as marks
        NAMED(LONG64 LONG64 LONG64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        "CREATE STREAMING TABLE a TBLPROPERTIES ('dlq.table' = 'bad.rows') AS SELECT id" F
        "; CREATE STREAMING TABLE b TBLPROPERTIES ('dlq.table' = 'bad.rows') AS SELECT id" F};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct fixture fixture;
        fixture_compile(&fixture, good[i]);
        assert_int_equal(strncmp(fixture.plan->tables[0]->url, "file:///srv/warehouse/", 22), 0);
        fixture_end(&fixture);
    }
}

static void secrets_in_plain_words_are_warned_of_and_never_shown(void **state)
{
    (void)state;
    static const char *const shown[] = {
        K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => 'hunter2', nosuch => 1"),
        K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.ssl.key.pem` => r\"hunter2\" 'hunter2', nosuch => 1"),
        K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.jaas.config` => 'x password=\"hunter2\"'"),
        K("bootstrapServers => 'h:1', nosuch => 1, kafka.ssl.key.password=>/*hm*/'it''s \\'hunter2"),
        K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.ssl.key.pem` => 'hunter2\nhunter2', nosuch => 1"),
    };
    struct fixture fixture;
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++) {
        assert_int_not_equal(fixture_try(&fixture, shown[i], NULL), STATUS_OK);
        if (strstr(fixture.err.message, "hunter2")) fail_msg("a secret is shown: %s", fixture.err.message);
        fixture_end(&fixture);
    }
    fixture_compile(&fixture, K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => 'hunter2'"));
    assert_null(strstr(text_str(&fixture.printed), "hunter2"));
    assert_non_null(strstr(text_str(&fixture.printed), "kafka.sasl.password=***"));
    assert_non_null(strstr(fixture.warnings[0], "p.sql:2:"));
    assert_non_null(strstr(fixture.warnings[0], "secret('env:NAME')"));
    assert_null(strstr(fixture.warnings[0], "hunter2"));
    const char *source = NULL;
    const Foreset__Property *found = plan_secret_find(fixture.plan, &source);
    assert_non_null(found);
    assert_string_equal(source, "t/source-1");
    size_t size;
    uint8_t *packed = plan_secret_pack(fixture.plan, &size);
    assert_null(memmem(packed, size, "hunter2", 7));
    Foreset__Plan *read = foreset__plan__unpack(NULL, size, packed);
    assert_non_null(read);
    assert_null(plan_secret_find(read, &source));
    foreset__plan__free_unpacked(read, NULL);
    memory_free(packed);
    fixture_end(&fixture);
    fixture_compile(&fixture,
                    K("bootstrapServers => 'h:1', subscribe => 'x', `kafka.sasl.password` => secret('env:P')"));
    assert_null(fixture.warnings[0]);
    assert_null(plan_secret_find(fixture.plan, &source));
    fixture_end(&fixture);
}

static void flags_without_meaning_are_refused(void **state)
{
    (void)state;
    static const struct planner_setting settings[] = {{"pipeline.lane", "2"}};
    struct planner_options options = {
        .file_name = "p.sql", .directory = "/w", .settings = settings, .setting_count = 1};
    struct fixture fixture;
    assert_int_equal(fixture_try(&fixture, T "SELECT id" F, &options), STATUS_INVALID);
    assert_non_null(strstr(fixture.err.message, "did you mean pipeline.lanes?"));
    fixture_end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_error_names_condition_place_and_remedy),
        cmocka_unit_test(no_table_leaves_its_place_or_takes_anothers),
        cmocka_unit_test(names_of_folders_stay),
        cmocka_unit_test(secrets_in_plain_words_are_warned_of_and_never_shown),
        cmocka_unit_test(flags_without_meaning_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
