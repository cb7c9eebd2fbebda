"""One Delta table through five readers that nobody here wrote, each giving an Arrow table in one normal form.

Normal form: columns in the order of the table's schema, text as string, timestamps as UTC microseconds. READERS maps a
name to read(path) → pyarrow.Table. pyarrow and DuckDB know no Delta: they read the Parquet files that the log names,
and partition values come from the log.
"""

import functools
import glob
import json
import os
import pathlib
import tempfile

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as dataset

import delta_log
from kafka_broker import CACHE


def _normal_type(kind):
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.string()
    if pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.binary()
    if pa.types.is_dictionary(kind):
        return _normal_type(kind.value_type)
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", "UTC" if kind.tz else None)
    if pa.types.is_large_list(kind) or pa.types.is_list(kind):
        return pa.list_(_normal_type(kind.value_type))
    if pa.types.is_struct(kind):
        return pa.struct([pa.field(f.name, _normal_type(f.type)) for f in kind])
    return kind


def normal(table, columns):
    table = table.select(columns)
    return table.cast(pa.schema([pa.field(f.name, _normal_type(f.type)) for f in table.schema]))


def _schema_columns(path):
    return list(delta_log.columns(path))


PARTITION_TYPES = {"string": pa.string(), "date": pa.date32(), "int": pa.int32(), "bigint": pa.int64(),
                   "boolean": pa.bool_(), "timestamp": pa.timestamp("us", "UTC"), "smallint": pa.int16(),
                   "tinyint": pa.int8(), "double": pa.float64(), "float": pa.float32()}


def _partition_types(columns, add):
    return {name: PARTITION_TYPES[columns[name]] for name in add["partitionValues"]}


def read_deltalake(path):
    from deltalake import DeltaTable
    return normal(DeltaTable(str(path)).to_pyarrow_table(), _schema_columns(path))


def read_polars(path):
    import polars
    return normal(polars.scan_delta(str(path)).collect().to_arrow(), _schema_columns(path))


def _text_as(text, kind):
    value = pa.array([None if text in (None, "") else text], pa.string())
    if pa.types.is_timestamp(kind):
        value = pc.cast(pc.replace_substring(value, "Z", ""), pa.timestamp("us")).cast(kind)
    return pc.cast(value, kind)[0]


def read_files(path, adds, columns):
    """The rows of these files: adds {file: add action}, columns {name: simple type} of the table."""
    groups = {}  # files with the same partition values are read together
    for name, add in sorted(adds.items()):
        groups.setdefault(tuple(sorted(add["partitionValues"].items())), {})[str(pathlib.Path(path) / name)] = add
    parts = []
    for files in groups.values():
        part = dataset.dataset(list(files), format="parquet").to_table()
        stats = [json.loads(add["stats"]).get("numRecords", 0) if add.get("stats") else None for add in files.values()]
        assert None in stats or sum(stats) == part.num_rows, f"stats say {stats} rows, there are {part.num_rows}"
        add = next(iter(files.values()))
        for column, kind in _partition_types(columns, add).items():
            value = _text_as(add["partitionValues"][column], kind)
            part = part.append_column(column, pa.repeat(value, part.num_rows))
        parts.append(normal(part, list(columns)))
    return pa.concat_tables(parts)


def read_pyarrow(path):
    adds = delta_log.active_files(path)
    return read_files(path, adds, delta_log.columns(path)) if adds else read_deltalake(path)


def read_duckdb(path):
    import duckdb
    files = delta_log.active_files(path)
    if not files:
        return read_deltalake(path)
    types = _partition_types(delta_log.columns(path), next(iter(files.values())))
    db = duckdb.connect()
    db.execute("SET TimeZone = 'UTC'")
    names = sorted(files)
    values = {"filename": pa.array([str(pathlib.Path(path) / name) for name in names])}
    for column, kind in types.items():
        texts = [files[name]["partitionValues"][column] for name in names]
        values[column] = pa.array([_text_as(text, kind).as_py() for text in texts], kind)
    db.register("added", pa.table(values))
    columns = ", ".join(f'{"added" if c in types else "data"}."{c}"' for c in _schema_columns(path))
    found = db.sql(f"SELECT {columns} FROM read_parquet(?, filename = true, hive_partitioning = false) AS data "
                   "JOIN added USING (filename)", params=[values["filename"].to_pylist()])
    return normal(found.to_arrow_table(), _schema_columns(path))


@functools.cache
def spark():
    """One session a process: it takes seconds to start and a gigabyte to keep."""
    from pyspark.sql import SparkSession
    jars = [j for j in glob.glob(str(CACHE / "spark-jars" / "*.jar"))
            if os.path.basename(j).startswith(("delta-", "unitycatalog-"))]
    if not jars:
        raise FileNotFoundError(f"no Delta jars in {CACHE / 'spark-jars'}: run deploy/deps.sh --test")
    session = (SparkSession.builder.master("local[2]").appName("readers")
               .config("spark.driver.memory", "2g").config("spark.jars", ",".join(jars))
               .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
               .config("spark.sql.shuffle.partitions", "2").config("spark.databricks.delta.snapshotPartitions", "2")
               .config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1")
               .config("spark.driver.maxResultSize", "0")
               .config("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
               .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
               .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
               .getOrCreate())
    session.sparkContext.setLogLevel("ERROR")
    return session


def read_spark(path):
    """What Spark read, as it writes it to Parquet: collecting millions of rows takes more memory than the JVM has."""
    with tempfile.TemporaryDirectory() as folder:
        spark().read.format("delta").load(str(path)).write.mode("overwrite").parquet(folder)
        return normal(dataset.dataset(folder, format="parquet").to_table(), _schema_columns(path))


READERS = {"deltalake": read_deltalake, "polars": read_polars, "pyarrow": read_pyarrow, "duckdb": read_duckdb,
           "spark": read_spark}
