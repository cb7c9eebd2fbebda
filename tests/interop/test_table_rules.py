"""What a table that others made asks of a writer: spelling of its columns, constraints, properties, features."""

import json
import shutil

import delta_log
import duckdb
import foreset
import polars
import pyarrow as pa
import pyarrow.parquet as parquet
import pytest
from deltalake import DeltaTable, write_deltalake

TABLE = """CREATE OR REFRESH STREAMING TABLE t{columns}{clauses} AS SELECT {select}
FROM STREAM read_files('in', format => 'json', schema => '{schema}');
"""


class Lake:
    """A pipeline over a folder of JSON files."""

    def __init__(self, directory):
        self.directory, self.table, self.files = directory, directory / "w" / "t", 0
        (directory / "in").mkdir()

    def add(self, *records):
        self.files += 1
        text = "".join(json.dumps(record) + "\n" for record in records)
        (self.directory / "in" / f"{self.files:03}.json").write_text(text)

    def run(self, *args, code=0, columns="", clauses="", select="*", schema="id BIGINT, v STRING", sql=None):
        path = self.directory / "p.sql"
        path.write_text(sql or TABLE.format(columns=columns, clauses=clauses, select=select, schema=schema))
        return foreset.run("run", path, "--available-now", "--warehouse", self.directory / "w", "--progress", "json",
                           *args, timeout=90).check(code)

    def rows(self, table=None):
        return DeltaTable(str(table or self.table)).to_pyarrow_table().to_pylist()

    def letters(self):
        table = self.directory / "w" / "t__dead_letters"
        return self.rows(table) if delta_log.exists(table) else []

    def adds(self):
        return [action["add"] for _, actions in delta_log.commits(self.table) for action in actions if "add" in action]


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


# ---- Spelling ----

@pytest.mark.parametrize("mode", ["append", "complete"])
def test_an_adopted_table_keeps_the_spelling_of_its_columns(lake, mode):
    there = pa.table({"Id": pa.array([], pa.int64()), "Part": pa.array([], pa.string()), "N": pa.array([], pa.int64())})
    write_deltalake(str(lake.table), there, partition_by=["Part"])
    lake.add({"id": 1, "v": "x"}, {"id": 2, "v": "y"})
    clauses = f" PARTITIONED BY (part) TBLPROPERTIES ('output.mode' = '{mode}')"
    if mode == "append":
        lake.run("--adopt=t", clauses=clauses, select="id, v AS part, id AS n")
    else:
        lake.run("--adopt=t", clauses=clauses, sql=TABLE.format(
            columns="", clauses=clauses, select="max(id) AS id, v AS part, count(*) AS n",
            schema="id BIGINT, v STRING").replace(";", " GROUP BY v;"))
    found = {row["Part"]: (row["Id"], row["N"] is not None) for row in lake.rows()}
    assert found == {"x": (1, True), "y": (2, True)}
    for add in lake.adds():
        assert list(add["partitionValues"]) == ["Part"] and add["path"].startswith("Part=")
        stats = json.loads(add["stats"])
        assert set(stats["nullCount"]) == {"Id", "N"} == set(stats["minValues"])
        assert parquet.read_schema(lake.table / delta_log.plain_path(add)).names == ["Id", "N"]
    assert sorted(polars.read_delta(str(lake.table))["Id"].to_list()) == [1, 2]
    names = [str(lake.table / name) for name in delta_log.active_files(lake.table)]
    assert sorted(duckdb.sql(f'SELECT "Id" FROM read_parquet({names})').fetchall()) == [(1,), (2,)]


def test_a_text_whose_spelling_changes_goes_on_with_the_spelling_of_the_table(lake):
    lake.add({"id": 1, "v": "x"})
    lake.run(select="id AS a, v")
    lake.add({"id": 2, "v": "y"})
    lake.run(select="id AS A, v AS V")
    assert sorted((row["a"], row["v"]) for row in lake.rows()) == [(1, "x"), (2, "y")]
    for name in delta_log.active_files(lake.table):
        assert parquet.read_schema(lake.table / name).names == ["a", "v"]


def test_a_full_refresh_takes_the_new_spelling(lake):
    lake.add({"id": 1, "v": "x"})
    lake.run(select="id AS a")
    lake.run("--full-refresh", select="id AS A")
    assert lake.rows() == [{"A": 1}]
    lake.add({"id": 2, "v": "x"})
    lake.run(select="id AS A")
    assert sorted(row["A"] for row in lake.rows()) == [1, 2]


# ---- Constraints of our own ----

def test_not_null_is_in_the_schema_and_rows_without_it_are_dead_letters(lake):
    lake.add({"id": 1, "v": "x"}, {"v": "none"}, {"id": 3})
    lake.run(columns=" (id BIGINT NOT NULL, v STRING COMMENT 'text')")
    fields = {field["name"]: field["nullable"] for field in
              json.loads(delta_log.metadata(lake.table)["schemaString"])["fields"]}
    assert fields == {"id": False, "v": True}
    assert sorted(row["id"] for row in lake.rows()) == [1, 3]
    [letter] = lake.letters()
    assert letter["class"] == "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"
    assert letter["message"] == "table t: NOT NULL column id is null; the row went to t__dead_letters"
    lake.run("--full-refresh", columns=" (id BIGINT NOT NULL, v STRING NOT NULL)")
    assert [row["id"] for row in lake.rows()] == [1]
    assert all(not field["nullable"] for field in
               json.loads(delta_log.metadata(lake.table)["schemaString"])["fields"])


def test_an_empty_partition_value_breaks_not_null_too(lake):
    lake.add({"id": 1, "v": ""}, {"id": 2, "v": "x"})
    lake.run(columns=" (id BIGINT, v STRING NOT NULL)", clauses=" PARTITIONED BY (v)")
    assert [row["id"] for row in lake.rows()] == [2] and len(lake.letters()) == 1


@pytest.mark.parametrize("mode", ["complete", "update"])
def test_not_null_above_an_aggregate(lake, mode):
    lake.add({"id": 1, "v": "x"}, {"id": None, "v": "y"})
    sql = TABLE.format(columns=" (v STRING, m BIGINT NOT NULL)", clauses=f" TBLPROPERTIES ('output.mode' = '{mode}')",
                       select="v, max(id) AS m", schema="id BIGINT, v STRING").replace(";", " GROUP BY v;")
    lake.run(sql=sql)
    assert lake.rows() == [{"v": "x", "m": 1}]
    [letter] = lake.letters()
    assert json.loads(letter["row"]) == {"v": "y", "m": None}
    lake.add({"id": 2, "v": "y"})
    lake.run(sql=sql)
    assert sorted((row["v"], row["m"]) for row in lake.rows()) == [("x", 1), ("y", 2)]


def violations(done):
    return sum(epoch["observedMetrics"]["violations"] for epoch in done.progress)


def test_expect_without_an_action_keeps_the_row_and_counts(lake):
    lake.add({"id": 1, "v": "x"}, {"id": -1, "v": "y"}, {"id": None, "v": "z"}, {"id": 7, "v": None})
    columns = " (id BIGINT, v STRING, CONSTRAINT positive EXPECT (id > 0), CONSTRAINT named EXPECT (v IS NOT NULL))"
    done = lake.run(columns=columns)
    assert len(lake.rows()) == 4 and lake.letters() == [] and violations(done) == 3
    assert [epoch["observedMetrics"]["constraints"] for epoch in done.progress] == [{"positive": 2, "named": 1}]
    metrics = [info["operationMetrics"] for _, info in delta_log.commit_infos(str(lake.table))
               if "operationMetrics" in info]
    assert metrics[-1]["violations.positive"] == "2" and metrics[-1]["violations.named"] == "1"
    lake.add({"id": 2, "v": "x"})
    assert violations(lake.run(columns=columns)) == 0


def test_fail_update_stops_the_pipeline_and_names_the_constraint(lake):
    columns = " (CONSTRAINT positive EXPECT (id > 0) ON VIOLATION FAIL UPDATE)"
    lake.add({"id": 1, "v": "x"})
    lake.run(columns=columns)
    lake.add({"id": 2, "v": "y"}, {"id": -3, "v": "z"})
    done = lake.run(columns=columns, code=foreset.EXIT_FAILED)
    assert ("table t: [EXPECTATION_VIOLATION] constraint positive EXPECT (id > 0) ON VIOLATION FAIL UPDATE is violated"
            in done.stderr)
    assert '{"id":-3,"v":"z"}' in done.stderr
    assert [row["id"] for row in lake.rows()] == [1]
    lake.run(columns=columns.replace("FAIL UPDATE", "DROP ROW"))
    assert sorted(row["id"] for row in lake.rows()) == [1, 2]


def test_fail_update_names_the_record(lake, broker):
    from confluent_kafka import Producer
    broker.create_topic("expect", 1)
    producer = Producer({"bootstrap.servers": broker.address})
    for value in (b"1", b"-2", b"3"):
        producer.produce("expect", value, partition=0)
    assert producer.flush(30) == 0
    sql = ("CREATE OR REFRESH STREAMING TABLE t (CONSTRAINT positive EXPECT (n > 0) ON VIOLATION FAIL UPDATE) AS "
           "SELECT CAST(CAST(value AS STRING) AS INT) AS n FROM STREAM read_kafka(bootstrapServers => 'x:1', "
           "subscribe => 'expect', startingOffsets => 'earliest');\n")
    done = lake.run("--kafka", f"bootstrap.servers={broker.address}", sql=sql, code=foreset.EXIT_FAILED)
    assert "is violated by the record of topic expect, partition 0, offset 1: {\"n\":-2}" in done.stderr


def test_a_constraint_that_raises_is_a_dead_letter(lake):
    lake.add({"id": 0, "v": "x"}, {"id": 5, "v": "y"})
    done = lake.run(columns=" (CONSTRAINT ratio EXPECT (10 DIV id > 5) ON VIOLATION FAIL UPDATE)",
                    code=foreset.EXIT_FAILED)
    assert "constraint ratio" in done.stderr
    done = lake.run(columns=" (CONSTRAINT ratio EXPECT (10 DIV id > 5))")
    assert [row["id"] for row in lake.rows()] == [5] and violations(done) == 1
    assert [letter["class"] for letter in lake.letters()] == ["DIVIDE_BY_ZERO"]


# ---- Tables of others ----

LONG = {"name": "id", "type": "long", "nullable": True, "metadata": {}}
TEXT = {"name": "v", "type": "string", "nullable": True, "metadata": {}}


def with_metadata(field, **metadata):
    return {**field, "metadata": {key.replace("__DOT__", "."): value for key, value in metadata.items()}}


def foreign(lake, fields=(LONG, TEXT), configuration=None, partitions=(), features=None, domains=()):
    """A table's first commit, as another writer would make it."""
    (lake.table / "_delta_log").mkdir(parents=True)
    protocol = {"minReaderVersion": 1, "minWriterVersion": 4}
    if features is not None:
        readers = [feature for feature in features if feature in ("columnMapping", "deletionVectors", "v2Checkpoint")]
        protocol = {"minReaderVersion": 3 if readers else 1, "minWriterVersion": 7, "writerFeatures": features}
        if readers:
            protocol["readerFeatures"] = readers
    metadata = {"id": "5f1f7b0e-1111-4222-8333-444455556666", "format": {"provider": "parquet", "options": {}},
                "schemaString": json.dumps({"type": "struct", "fields": list(fields)}),
                "partitionColumns": list(partitions), "configuration": configuration or {}, "createdTime": 1}
    lines = [{"commitInfo": {"operation": "CREATE TABLE"}}, {"protocol": protocol}, {"metaData": metadata}]
    lines += [{"domainMetadata": domain} for domain in domains]
    (lake.table / "_delta_log" / f"{0:020}.json").write_text("".join(json.dumps(line) + "\n" for line in lines))


def struct(*fields):
    return {"type": "struct", "fields": list(fields)}


REFUSED = {
    "check": ({"configuration": {"delta.constraints.positive": "id > 0"}}, "positive"),
    "check feature": ({"configuration": {"delta.constraints.c": "id > 0"}, "features": ["checkConstraints"]}, "'c'"),
    "invariant": ({"fields": [with_metadata(LONG, delta__DOT__invariants='{"expression":{"expression":"id > 0"}}'),
                              TEXT]}, "delta.invariants"),
    "varchar": ({"fields": [LONG, with_metadata(TEXT, __CHAR_VARCHAR_TYPE_STRING="varchar(3)")]}, "varchar(n)"),
    "char": ({"fields": [LONG, with_metadata(TEXT, __CHAR_VARCHAR_TYPE_STRING="char(3)")]}, "char(n)"),
    "generated": ({"fields": [LONG, with_metadata(TEXT, delta__DOT__generationExpression="CAST(id AS STRING)")]},
                  "delta.generationExpression"),
    "identity": ({"fields": [with_metadata(LONG, delta__DOT__identity__DOT__start=1, delta__DOT__identity__DOT__step=1),
                             TEXT], "features": ["identityColumns"]}, "delta.identity.start"),
    "default": ({"fields": [LONG, with_metadata(TEXT, CURRENT_DEFAULT="'x'")], "features": ["allowColumnDefaults"]},
                "CURRENT_DEFAULT"),
    "row tracking": ({"features": ["rowTracking", "domainMetadata"]}, "rowTracking"),
    "row tracking property": ({"configuration": {"delta.enableRowTracking": "true"}}, "delta.enableRowTracking"),
    "in-commit timestamps": ({"configuration": {"delta.enableInCommitTimestamps": "true"},
                              "features": ["inCommitTimestamp"]}, "delta.enableInCommitTimestamps"),
    "column mapping": ({"configuration": {"delta.columnMapping.mode": "name"}, "features": ["columnMapping"]},
                       "delta.columnMapping.mode"),
    "iceberg": ({"configuration": {"delta.enableIcebergCompatV2": "true"}}, "delta.enableIcebergCompatV2"),
    "unknown feature": ({"features": ["somethingNew"]}, "somethingNew"),
    "types": ({"fields": [{**LONG, "type": "integer"}, TEXT]}, "column 'id' is int in the table"),
    "missing not null": ({"fields": [LONG, TEXT, {**TEXT, "name": "w", "nullable": False}]}, "'w' is NOT NULL"),
    "partitions": ({"partitions": ["v"]}, "partitioned by"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_cannot_be_enforced_is_refused_by_name_and_nothing_is_written(lake, name):
    made, words = REFUSED[name]
    foreign(lake, **made)
    before = {path: path.read_bytes() for path in lake.table.rglob("*") if path.is_file()}
    lake.add({"id": 1, "v": "x"})
    sql = ("CREATE OR REFRESH STREAMING TABLE first AS SELECT id FROM STREAM read_files('in', format => 'json', schema "
           "=> 'id BIGINT');\n" + TABLE.format(columns="", clauses="", select="*", schema="id BIGINT, v STRING"))
    done = lake.run("--adopt=t", sql=sql, code=foreset.EXIT_FAILED)
    assert words in done.stderr and "table t" in done.stderr
    assert before == {path: path.read_bytes() for path in lake.table.rglob("*") if path.is_file()}
    assert not delta_log.exists(lake.directory / "w" / "first")  # refused before any table is made


NESTED = {"struct": struct({**LONG, "name": "x", "nullable": False}),
          "array": {"type": "array", "elementType": "long", "containsNull": False},
          "map": {"type": "map", "keyType": "string", "valueType": "long", "valueContainsNull": False},
          "deep": {"type": "array", "containsNull": True,
                   "elementType": struct({**LONG, "name": "x", "nullable": False})}}
QUERIES = {"struct": "named_struct('x', id)", "array": "array(id)", "map": "map('k', id)",
           "deep": "array(named_struct('x', id))"}


@pytest.mark.parametrize("kind", sorted(NESTED))
def test_nested_not_null_is_refused_by_name(lake, kind):
    foreign(lake, fields=[{"name": "s", "type": NESTED[kind], "nullable": True, "metadata": {}}])
    lake.add({"id": 1, "v": "x"})
    done = lake.run("--adopt=t", select=QUERIES[kind] + " AS s", code=foreset.EXIT_FAILED)
    assert "'s." in done.stderr and "NOT NULL" in done.stderr
    assert delta_log.latest_version(lake.table) == 0


def test_not_null_of_an_adopted_table_is_enforced(lake):
    foreign(lake, fields=[{**LONG, "name": "Id", "nullable": False}, TEXT])
    lake.add({"id": 1, "v": "x"}, {"v": "none"})
    lake.run("--adopt=t")
    assert [row["Id"] for row in lake.rows()] == [1]
    [letter] = lake.letters()
    assert letter["class"] == "DELTA_NOT_NULL_CONSTRAINT_VIOLATED"
    lake.add({"id": None, "v": "again"})
    lake.run()
    assert [row["Id"] for row in lake.rows()] == [1] and len(lake.letters()) == 2


def test_an_empty_table_of_others_is_not_taken_without_adopt(lake):
    foreign(lake)
    lake.add({"id": 1, "v": "x"})
    done = lake.run(code=foreset.EXIT_FAILED)
    assert "empty" in done.stderr and "--adopt=t" in done.stderr
    assert delta_log.latest_version(lake.table) == 0
    lake.run("--adopt=t")
    assert lake.rows() == [{"id": 1, "v": "x"}]


def test_an_append_only_table_takes_rows_and_no_removes(lake):
    foreign(lake, configuration={"delta.appendOnly": "true"})
    lake.add({"id": 1, "v": "x"})
    done = lake.run("--adopt=t", clauses=" TBLPROPERTIES ('output.mode' = 'complete')",
                    sql=TABLE.format(columns="", clauses=" TBLPROPERTIES ('output.mode' = 'complete')",
                                     select="max(id) AS id, v", schema="id BIGINT, v STRING")
                    .replace(";", " GROUP BY v;"), code=foreset.EXIT_FAILED)
    assert "append-only" in done.stderr and delta_log.latest_version(lake.table) == 0
    shutil.rmtree(lake.directory / "w" / ".foreset", ignore_errors=True)
    lake.run("--adopt=t")
    assert lake.rows() == [{"id": 1, "v": "x"}]


# ---- Properties of adopted tables ----

PROPERTIES = {"delta.checkpointPolicy": "v2", "delta.checkpointInterval": "none",
              "delta.checkpoint.writeStatsAsStruct": "true", "delta.parquet.compression.codec": "brotli",
              "delta.dataSkippingNumIndexedCols": "many", "delta.setTransactionRetentionDuration": "interval 7 days",
              "delta.compatibility.symlinkFormatManifest.enabled": "true",
              "delta.universalFormat.enabledFormats": "iceberg"}


@pytest.mark.parametrize("key", sorted(PROPERTIES))
def test_a_property_that_cannot_be_heeded_is_refused_by_name(lake, key):
    foreign(lake, configuration={key: PROPERTIES[key]})
    lake.add({"id": 1, "v": "x"})
    done = lake.run("--adopt=t", code=foreset.EXIT_FAILED)
    assert f"{key} = '{PROPERTIES[key]}'" in done.stderr and delta_log.latest_version(lake.table) == 0


def codec(lake, add):
    """Of a column of many equal texts; a chunk that does not get smaller is stored as it is."""
    columns = parquet.read_metadata(lake.table / delta_log.plain_path(add)).row_group(0)
    return columns.column(1).compression


PLAN = (" TBLPROPERTIES ('delta.parquet.compression.codec' = 'gzip', 'delta.dataSkippingNumIndexedCols' = '1', "
        "'delta.checkpointInterval' = '100')")


def test_an_adopted_table_keeps_its_own_properties(lake):
    foreign(lake, configuration={"delta.parquet.compression.codec": "snappy", "delta.dataSkippingNumIndexedCols": "2",
                                 "delta.checkpointInterval": "3", "delta.checkpoint.writeStatsAsJson": "false"})
    for number in range(4):
        lake.add(*({"id": number, "v": f"{'x' * 30}{number}{row}"} for row in range(300)))
        lake.run("--adopt=t", clauses=PLAN)
    assert {codec(lake, add) for add in lake.adds()} == {"SNAPPY"}
    assert {tuple(json.loads(add["stats"])["minValues"]) for add in lake.adds()} == {("id", "v")}
    assert (lake.table / "_delta_log" / f"{3:020}.checkpoint.parquet").exists()
    adds = parquet.read_table(lake.table / "_delta_log" / f"{3:020}.checkpoint.parquet")["add"].to_pylist()
    assert {add["stats"] for add in adds if add} == {None}


def test_a_table_of_our_own_has_the_properties_of_the_plan(lake):
    lake.add(*({"id": 1, "v": f"{'x' * 30}{row}"} for row in range(300)))
    lake.run(clauses=PLAN)
    [add] = lake.adds()
    assert codec(lake, add) == "GZIP" and list(json.loads(add["stats"])["minValues"]) == ["id"]


def test_columns_named_for_statistics_are_those_with_bounds(lake):
    fields = [LONG, TEXT, {"name": "S", "type": struct({**LONG, "name": "x"}, {**LONG, "name": "y"}), "nullable": True,
                           "metadata": {}}]
    foreign(lake, fields=fields, configuration={"delta.dataSkippingStatsColumns": "v, `S`.`y`"})
    lake.add({"id": 1, "v": "x"})
    lake.run("--adopt=t", select="id, v, named_struct('x', id, 'y', id) AS S")
    [add] = lake.adds()
    stats = json.loads(add["stats"])
    assert stats["minValues"] == stats["maxValues"] == {"v": "x", "S": {"y": 1}}
    assert stats["nullCount"] == {"v": 0, "S": {"y": 0}}
