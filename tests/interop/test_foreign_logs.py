"""Tables that others laid out in unusual ways that the protocol allows: paths, schemas, features, columns beside."""

import datetime
import decimal
import json

import foreset
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

FIELDS = [{"name": name, "type": kind, "nullable": True, "metadata": {}}
          for name, kind in (("n", "integer"), ("s", "string"))]
SCHEMA = json.dumps({"type": "struct", "fields": FIELDS})
PLAIN = {"minReaderVersion": 1, "minWriterVersion": 2}


def make(folder, path, table=None, schema=SCHEMA, protocol=None, key="p/part 1.parquet"):
    """One file of two rows, named in the log as `path`."""
    table = pa.table({"n": pa.array([1, 2], pa.int32()), "s": ["a", None]}) if table is None else table
    (folder / key).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, folder / key)
    metadata = {"id": "m", "format": {"provider": "parquet", "options": {}}, "partitionColumns": [],
                "configuration": {}}
    if schema:
        metadata["schemaString"] = schema
    add = {"path": path, "partitionValues": {}, "size": (folder / key).stat().st_size, "modificationTime": 1,
           "dataChange": True}
    (folder / "_delta_log").mkdir()
    actions = [{"protocol": protocol or PLAIN}, {"metaData": metadata}, {"add": add}]
    (folder / "_delta_log" / f"{0:020}.json").write_text("\n".join(map(json.dumps, actions)) + "\n")
    return folder


def show(folder, *args):
    done = foreset.run("tables", "show", folder, "--format", "json", *args).check()
    return [json.loads(line) for line in done.stdout.splitlines()]


ROWS = [{"n": 1, "s": "a"}, {"n": 2, "s": None}]


@pytest.mark.parametrize("spelled", ["p/part%201.parquet", "./p/part%201.parquet", "p/./part%201.parquet",
                                     "{root}/p/part%201.parquet", "file://{root}/p/part%201.parquet",
                                     "file:{root}/p/part%201.parquet"])
def test_a_path_inside_the_table_may_be_spelled_in_any_way(tmp_path, spelled):
    folder = make(tmp_path / "t", spelled.format(root=tmp_path / "t"))
    assert show(folder) == ROWS
    assert show(f"{tmp_path}/./t/") == ROWS


@pytest.mark.parametrize("spelled", ["{root}x/p/part%201.parquet", "file:///elsewhere/x.parquet", "s3://b/x.parquet"])
def test_a_path_outside_is_refused_by_name(tmp_path, spelled):
    folder = make(tmp_path / "t", spelled.format(root=tmp_path / "t"))
    done = foreset.run("tables", "show", folder).check(foreset.EXIT_FAILED)
    assert "shallow clone" in done.stderr and spelled.format(root=tmp_path / "t") in done.stderr


def test_columns_without_a_place_may_lie_beside(tmp_path):
    table = pa.table({"clock": pa.array([datetime.time(1), None], pa.time64("us")), "n": pa.array([1, 2], pa.int32()),
                      "minute": pa.array([datetime.time(1), None], pa.time32("ms")), "s": ["a", None],
                      "wide": pa.array([decimal.Decimal(1), None], pa.decimal256(60, 3))})
    folder = make(tmp_path / "t", "x.parquet", table, key="x.parquet")
    assert show(folder) == ROWS
    fields = FIELDS + [{"name": "clock", "type": "long", "nullable": True, "metadata": {}}]
    folder = make(tmp_path / "u", "x.parquet", table, json.dumps({"type": "struct", "fields": fields}), key="x.parquet")
    assert "clock" in foreset.run("tables", "show", folder).check(foreset.EXIT_FAILED).stderr
    assert show(folder, "--columns", "n,s") == ROWS


def test_a_file_without_columns_is_read(tmp_path):
    folder = make(tmp_path / "t", "x.parquet", pa.table({}), key="x.parquet")
    assert show(folder) == []  # pyarrow writes no row groups then; unit tests have rows


def test_a_table_may_have_no_schema(tmp_path):
    assert show(make(tmp_path / "t", "p/part%201.parquet", schema=None)) == [{}, {}]


@pytest.mark.parametrize("feature", ["variantType", "variantType-preview", "variantShredding-preview"])
def test_features_of_variants_need_a_variant(tmp_path, feature):
    protocol = {"minReaderVersion": 3, "minWriterVersion": 7, "readerFeatures": [feature], "writerFeatures": [feature]}
    assert show(make(tmp_path / "t", "p/part%201.parquet", protocol=protocol)) == ROWS
    fields = FIELDS + [{"name": "v", "type": "variant", "nullable": True, "metadata": {}}]
    schema = json.dumps({"type": "struct", "fields": fields})
    folder = make(tmp_path / "u", "p/part%201.parquet", schema=schema, protocol=protocol)
    assert "'variant'" in foreset.run("tables", "show", folder).check(foreset.EXIT_FAILED).stderr
