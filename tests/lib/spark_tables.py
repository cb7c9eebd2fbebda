"""Delta tables of every kind that Spark writes, made by Spark when a test asks for them: one function a table.

make(folder) makes all of TABLES below folder. A table is made under another name than the one it is read by, so that
neither reader can know anything of it but what lies on disk. Every table is tiny; a subject that needs many commits
lowers the checkpoint interval instead.

A function that raises is kept as the table's failure, so that one subject cannot take the others with it.
"""

import concurrent.futures
import functools
import os
import pathlib
import time

import readers
import spark_feature_tables  # noqa: F401 – registers its tables, as the next two do
import spark_log_tables  # noqa: F401
import spark_value_tables  # noqa: F401
from spark_recipe import TABLES, Table, log_files  # noqa: F401

WORKERS = 2


# Each job is tiny and planned once: neither generated code nor adaptive plans pay for themselves. VACUUM, RESTORE and
# DROP FEATURE list files in as many tasks as the last setting says: 10,000 if nobody says otherwise.
SETTINGS = {"spark.sql.codegen.wholeStage": "false", "spark.sql.codegen.factoryMode": "NO_CODEGEN",
            "spark.sql.adaptive.enabled": "false", "spark.sql.shuffle.partitions": "1",
            "spark.databricks.delta.snapshotPartitions": "1",
            "spark.sql.sources.parallelPartitionDiscovery.parallelism": "2"}


def _session(**more):
    session = readers.spark().newSession()
    for name, value in {**SETTINGS, **more}.items():
        session.conf.set(name, value)
    return session


def _make_one(name, recipe, folder):
    begin, making, done = time.monotonic(), folder / "making" / name, folder / name
    failure = None
    try:
        recipe.make(Table(_session(), making))
        making.rename(done)
    except Exception as error:  # noqa: BLE001 – shown by the test of this table
        failure = f"{type(error).__name__}: {str(error)[:2000]}"
    return done, failure, time.monotonic() - begin


def make(folder, names=None):
    """{name: (path, failure or None, seconds)} for all tables, or those named."""
    folder = pathlib.Path(folder)
    (folder / "making").mkdir(parents=True)
    # Hundreds of tiny jobs, each planned once: the JVM's first compiler is enough, and the second one costs minutes.
    os.environ.setdefault("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
    readers.spark()
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        made = {name: pool.submit(_make_one, name, recipe, folder)
                for name, recipe in TABLES.items() if names is None or name in names}
        return {name: future.result() for name, future in made.items()}


@functools.cache
def reading_session():
    """Shows what is stored: not the blanks that Spark adds to a CHAR as it reads."""
    return _session(**{"spark.sql.readSideCharPadding": "false"})


def read(path, version=None, where=None):
    """What Spark reads, as an Arrow table. The session's cache knows nothing of the path: it was made under another."""
    reader = reading_session().read.format("delta")
    if version is not None:
        reader = reader.option("versionAsOf", version)
    frame = reader.load(str(path))
    return (frame.where(where) if where else frame).toArrow()
