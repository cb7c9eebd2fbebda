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
