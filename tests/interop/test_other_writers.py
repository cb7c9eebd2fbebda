"""Other writers on our tables, real ones: deltalake and Spark compact, append, delete, merge, restore and vacuum,
between runs and while a run stands still at a failpoint (docs/DELTA.md, Others may write too).

Two pipelines read the same topic epoch by epoch: `ours`, on whose tables others write, and `alone`, on whose nobody
does. What others may not change must be equal in both after every run.
"""

import pathlib
import signal

import delta_log
import foreset
import pyarrow as pa
import pytest
import readers
from deltalake import DeltaTable, write_deltalake

EVENTS, LIMIT, PARTITIONS = 1500, 700, 2
TABLES = ("events", "per_user", "per_window", "per_action")
STATE = ("per_user", "per_window")  # update mode
KEYS = {"per_user": ["user_id"], "per_window": ["minute", "action"]}
SQL = """
SET pipeline.name = {name};
CREATE OR REFRESH STREAMING TABLE events AS
SELECT data.*, partition, offset, to_timestamp(data._event_time) AS event_time
FROM (SELECT *, from_json(CAST(value AS STRING),
                          'user_id STRING, action STRING, amount DOUBLE, _event_time STRING, _event_id STRING') AS data
      FROM STREAM read_kafka(bootstrapServers => '{broker}', subscribe => '{topic}', startingOffsets => 'earliest',
                             maxOffsetsPerTrigger => {limit}));
CREATE OR REFRESH STREAMING TABLE per_user TBLPROPERTIES ('output.mode' = 'update') AS
SELECT user_id, count(*) AS events, min(offset) AS first, max(offset) AS last FROM STREAM events GROUP BY user_id;
CREATE OR REFRESH STREAMING TABLE per_window PARTITIONED BY (action) TBLPROPERTIES ('output.mode' = 'update') AS
SELECT window.start AS minute, action, count(*) AS events FROM STREAM events
WATERMARK event_time DELAY OF INTERVAL 1 SECOND GROUP BY window(event_time, '{window}'), action;
CREATE OR REFRESH STREAMING TABLE per_action TBLPROPERTIES ('output.mode' = 'complete') AS
SELECT action, count(*) >= 1 AS any FROM STREAM events GROUP BY action;
"""
counter = iter(range(1000))


class Pipeline:
    def __init__(self, directory, broker, topic, name):
        self.warehouse = directory / name
        self.file = directory / f"{name}.sql"
        self.file.write_text(SQL.format(name=name, broker=broker, topic=topic, limit=LIMIT, window="2 seconds"))

    def start(self, *args, **kwargs):
        return foreset.Run(["run", self.file, "--warehouse", self.warehouse, "--available-now", "--memory", "512M",
                            "--lanes", "2", *args], **kwargs)

    def run(self, *args, **kwargs):
        return self.start(*args, **kwargs).wait()

    def path(self, table):
        return str(self.warehouse / table)

    def rows(self, table, reader="deltalake"):
        found = readers.READERS[reader](self.path(table))
        return sorted(map(tuple, zip(*(found[c].to_pylist() for c in found.column_names))), key=repr)


class Pair:
    def __init__(self, broker, directory):
        self.broker, self.topic = broker.address, f"others-{directory.name}-{next(counter)}"
        broker.create_topic(self.topic, PARTITIONS)
        self.ours, self.alone = (Pipeline(directory, self.broker, self.topic, n) for n in ("ours", "alone"))
        self.seed = 0

    def produce(self, events=EVENTS):
        self.seed += 1
        foreset.produce(self.broker, self.topic, f"user-events:{events}:{self.seed}", "--key", "user_id")

    def step(self, *args, **kwargs):
        """More events, through both."""
        self.produce()
        self.ours.run(*args, **kwargs).check()
        self.alone.run().check()

    def check(self, tables=TABLES, reader="deltalake"):
        for table in tables:
            ours, alone = self.ours.rows(table, reader), self.alone.rows(table)
            assert ours == alone, f"{table}: {len(ours)} rows, expected {len(alone)}: {set(ours) ^ set(alone)}"


@pytest.fixture
def pair(broker, tmp_path):
    made = Pair(broker, tmp_path)
    made.step()
    return made


def compact(path):
    return DeltaTable(path).optimize.compact()


def z_order(path):
    columns = [name for name in delta_log.columns(path) if name != "action"]
    return DeltaTable(path).optimize.z_order(columns[:1])


def vacuum(path):
    DeltaTable(path).vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True)


def compact_and_vacuum(path):
    compact(path)
    vacuum(path)


def compact_and_checkpoint(path):
    compact(path)
    DeltaTable(path).create_checkpoint()


# ---- Respected ----

@pytest.mark.parametrize("act", [compact, z_order, compact_and_vacuum, compact_and_checkpoint])
def test_compactions_between_runs(pair, act):
    """Four of them, as in every mode each row stays one."""
    for _ in range(4):
        for table in TABLES:
            act(pair.ours.path(table))
        pair.check()
        pair.step()
        pair.check()
    for reader in ("polars", "duckdb"):
        pair.check(reader=reader)


def test_closed_groups_stay_where_they_were_compacted(pair):
    """The watermark has closed most windows by then: their rows are in the compacted files alone."""
    for _ in range(3):
        pair.step()
    for _ in range(3):
        compact_and_vacuum(pair.ours.path("per_window"))
        pair.step()
    pair.check()
    assert len(pair.ours.rows("per_window")) > 20


def other_rows(path, count=1):
    """Rows of other keys, as somebody else would append them."""
    schema = DeltaTable(path).to_pyarrow_table().schema
    values = {"string": lambda i: f"other-{i}", "bool": lambda i: True, "double": float, "int32": int, "int64": int,
              "timestamp[us, tz=UTC]": lambda i: 1_000_000 * i}
    return pa.table([pa.array([values[str(f.type).replace("large_", "")](i) for i in range(count)], f.type)
                     for f in schema], schema=schema)


@pytest.mark.parametrize("table", ["events", *STATE])
def test_appended_rows_stay_and_come_once(pair, table):
    path = pair.ours.path(table)
    rows = other_rows(path)
    write_deltalake(path, rows, mode="append")
    for _ in range(3):
        pair.step()
        compact(path)
        found = pair.ours.rows(table)
        mine = [row for row in found if "other-0" in row]
        assert len(mine) == 1 and sorted(set(found) - set(mine), key=repr) == pair.alone.rows(table)
        assert len(found) == len(pair.alone.rows(table)) + 1


def test_a_delete_from_an_append_table_stays(pair):
    DeltaTable(pair.ours.path("events")).delete("partition = 0")
    pair.step()
    left = [row for row in pair.ours.rows("events") if row not in pair.alone.rows("events")]
    assert left == []
    assert 0 < len(pair.ours.rows("events")) < len(pair.alone.rows("events"))
    pair.check([*STATE, "per_action"])


def test_a_merge_into_an_append_table_stays(pair):
    table = DeltaTable(pair.ours.path("events"))
    source = table.to_pyarrow_table().slice(0, 1).set_column(0, "user_id", pa.array(["merged"]))
    (table.merge(source, "t._event_id = s._event_id", source_alias="s", target_alias="t")
     .when_matched_update_all().execute())
    pair.step()
    assert sum("merged" in row for row in pair.ours.rows("events")) == 1
    assert len(pair.ours.rows("events")) == len(pair.alone.rows("events"))


@pytest.mark.parametrize("change", ["delete", "append", "overwrite"])
def test_a_complete_table_is_written_whole_after_a_change(pair, change):
    """Its result stays the same, so nothing but the change makes the pipeline write it."""
    path = pair.ours.path("per_action")
    version = DeltaTable(path).version()
    pair.step()
    assert DeltaTable(path).version() == version  # an unchanged result makes no commit
    if change == "delete":
        DeltaTable(path).delete()
    else:
        write_deltalake(path, other_rows(path), mode=change)
    assert pair.ours.rows("per_action") != pair.alone.rows("per_action")
    pair.step()
    pair.check()
    compact(path)
    version = DeltaTable(path).version()
    pair.step()
    pair.check()
    assert DeltaTable(path).version() == version  # nor does a compaction


def test_a_complete_table_that_changes_while_the_pipeline_runs(pair):
    path = pair.ours.path("per_action")
    pair.produce(3 * LIMIT)
    run = pair.ours.start(failpoints="decide.before=stop")
    run.wait_stopped()
    DeltaTable(path).delete()
    run.signal(signal.SIGCONT)
    run.wait().check()
    pair.alone.run().check()
    pair.check()


# ---- Blocked, and what resolves it ----

def assert_ways(run, *words):
    run.check(foreset.EXIT_BLOCKED)
    for word in (*words, "--abandon-table=", "foreset pipelines retry", "foreset pipelines abandon-table"):
        assert word in run.stderr, f"no {word} in: {run.stderr[-2000:]}"


@pytest.mark.parametrize("table", STATE)
@pytest.mark.parametrize("compacted", [False, True])
def test_a_delete_of_open_groups_blocks_until_the_state_wins(pair, table, compacted):
    path = pair.ours.path(table)
    if compacted:
        compact(path)
    DeltaTable(path).delete("events >= 1")
    pair.produce()
    assert_ways(pair.ours.run(), f"--overwrite={table}", f"retry --overwrite ours --table {table}",
                f"--adopt={table}", "DELETE")
    other = "per_user" if table == "per_window" else "per_window"
    assert_ways(pair.ours.run(f"--overwrite={other}"), f"--overwrite={table}")
    pair.ours.run(f"--overwrite={table}").check()
    pair.alone.run().check()
    if table == "per_user" or not compacted:  # of closed windows' rows the state knows nothing: they stay deleted
        pair.check([t for t in TABLES if t != "per_window"] if table == "per_window" else TABLES)
    keys = DeltaTable(path).to_pyarrow_table(columns=KEYS[table]).to_pylist()
    assert len(keys) == len({repr(k) for k in keys})
    pair.step()
    keys = DeltaTable(path).to_pyarrow_table(columns=KEYS[table]).to_pylist()
    assert len(keys) == len({repr(k) for k in keys})


def test_an_update_of_open_groups_blocks_until_it_is_adopted(pair):
    path = pair.ours.path("per_user")
    DeltaTable(path).update(updates={"events": "0"})
    assert_ways(pair.ours.run(), "--adopt=per_user", "foreset pipelines adopt ours --table per_user", "UPDATE")
    pair.produce()
    pair.ours.run("--adopt=per_user").check()
    pair.alone.run().check()
    pair.step()
    users = DeltaTable(path).to_pyarrow_table(columns=["user_id"])["user_id"].to_pylist()
    assert len(users) == len(set(users))
    ours, alone = ({row[0]: row for row in p.rows("per_user")} for p in (pair.ours, pair.alone))
    written = {user for user, row in ours.items() if row[1] != 0}
    assert written and all(ours[user] == alone[user] for user in written)


@pytest.mark.parametrize("table", TABLES)
def test_a_restore_blocks_until_it_is_adopted(pair, table):
    path = pair.ours.path(table)
    before = {t: DeltaTable(pair.ours.path(t)).version() for t in TABLES}
    write_deltalake(path, other_rows(path), mode="append")
    DeltaTable(path).restore(max(before[table] - 1, 1))
    restored = pair.ours.rows(table)
    pair.produce()
    assert_ways(pair.ours.run(), f"--adopt={table}", f"foreset pipelines adopt ours --table {table}", "restored")
    assert pair.ours.rows(table) == restored
    pair.ours.run(f"--adopt={table}").check()
    pair.alone.run().check()
    pair.check([t for t in TABLES if t != table])
    found = pair.ours.rows(table)
    if table == "events":
        assert set(restored) < set(found) <= set(pair.alone.rows(table)) and len(found) == len(set(found))
    if table in STATE:
        keys = DeltaTable(path).to_pyarrow_table(columns=KEYS[table]).to_pylist()
        assert len(keys) == len({repr(k) for k in keys})
    pair.step()


@pytest.mark.parametrize("table", STATE)
def test_a_restored_table_in_update_mode_can_be_overwritten(pair, table):
    path = pair.ours.path(table)
    DeltaTable(path).restore(max(DeltaTable(path).version() - 1, 1))
    assert_ways(pair.ours.run(), f"--adopt={table}")
    pair.ours.run(f"--overwrite={table}").check()
    pair.step()
    if table == "per_user":
        pair.check()


def test_a_log_cleaned_past_our_commit_blocks_until_it_is_adopted(pair):
    path = pathlib.Path(pair.ours.path("per_user"))
    compact(str(path))
    DeltaTable(str(path)).create_checkpoint()
    for commit in (path / "_delta_log").glob("*.json"):
        commit.unlink()
    pair.produce()
    assert_ways(pair.ours.run(), "--adopt=per_user", "no longer in its log")
    pair.ours.run("--adopt=per_user").check()
    pair.alone.run().check()
    pair.check([t for t in TABLES if t != "per_user"])
    users = DeltaTable(str(path)).to_pyarrow_table(columns=["user_id"])["user_id"].to_pylist()
    assert len(users) == len(set(users))


@pytest.mark.parametrize("table, brought_back", [("events", True), ("per_user", True), ("per_user", False)])
def test_files_of_a_decided_epoch_that_a_vacuum_removed_are_named(pair, table, brought_back):
    pair.produce()
    killed = pair.ours.run(failpoints="decide.after=kill")
    assert killed.returncode == -signal.SIGKILL
    path = pair.ours.path(table)
    before = {p: p.read_bytes() for p in pathlib.Path(path).rglob("*.parquet") if "_delta_log" not in p.parts}
    vacuum(path)
    gone = [p for p in before if not p.exists()]
    assert gone
    blocked = pair.ours.run()
    assert_ways(blocked, "--full-refresh", "VACUUM")
    assert any(p.name in blocked.stderr for p in gone)
    pair.ours.rows(table)  # readers open it all the same
    for file in gone if brought_back else ():
        file.write_bytes(before[file])
    pair.ours.run(*([] if brought_back else ["--full-refresh"])).check()
    pair.alone.run().check()
    pair.check(TABLES if brought_back else ["events", "per_user", "per_action"])  # epochs decide which rows are late


# ---- Between any two of our steps ----

STEPS = ("manifest_put.before", "decide.before", "decide.after", "put.before", "put.after", "published.before",
         "recover.before", "recover.after")


@pytest.mark.parametrize("nth", [1, 2, 4])
@pytest.mark.parametrize("point", STEPS)
def test_compactions_while_a_run_stands_still(pair, point, nth):
    pair.produce(4 * LIMIT)
    run = pair.ours.start(failpoints=f"{point}@{nth}=stop")
    if run.wait_stopped():
        for table in TABLES:
            compact(pair.ours.path(table))
        run.signal(signal.SIGCONT)
    run.wait().check()
    pair.alone.run().check()
    pair.check()
    pair.step()
    pair.check()


@pytest.mark.parametrize("point", ["rest_write.before", "rest_write.after", "put.before", "put.after"])
@pytest.mark.parametrize("nth", [1, 2])
def test_killed_in_the_repair_of_a_compacted_table(pair, point, nth):
    for _ in range(2):
        pair.step()
    for table in STATE:
        compact(pair.ours.path(table))
    pair.produce()
    killed = pair.ours.run(failpoints=f"{point}@{nth}=kill")
    assert killed.returncode in (-signal.SIGKILL, foreset.EXIT_DONE), killed.stderr[-2000:]
    assert nth > 1 or killed.returncode == -signal.SIGKILL, f"{point} was not reached"
    for table in STATE:
        compact(pair.ours.path(table))
    pair.ours.run().check()
    pair.alone.run().check()
    pair.check()


@pytest.mark.parametrize("point", ["decide.after", "put.before"])
def test_a_restore_behind_the_decision_blocks(pair, point):
    """The epoch is decided, so it waits; the table is as the RESTORE left it."""
    path = pair.ours.path("events")
    pair.produce()
    run = pair.ours.start(failpoints=f"{point}=stop")
    assert run.wait_stopped()
    DeltaTable(path).restore(max(DeltaTable(path).version() - 1, 1))
    restored = pair.ours.rows("events")
    run.signal(signal.SIGCONT)
    assert_ways(run.wait(), "--adopt=events")
    assert pair.ours.rows("events") == restored
    pair.ours.run("--adopt=events").check()
    pair.alone.run().check()
    pair.check([t for t in TABLES if t != "events"])


# ---- Spark: between runs, and while ours stands still, as its local log store checks and renames without our lock ----

def spark_sql(path, statement):
    readers.spark().sql(statement.format(table=f"delta.`{path}`")).collect()


def test_spark_compacts_between_runs_and_while_a_run_stands_still(pair):
    for point in (None, "decide.after", "put.before@2"):
        pair.produce(2 * LIMIT)
        run = pair.ours.start(failpoints=f"{point}=stop") if point else None
        if run and not run.wait_stopped():
            run = None
        for table in STATE:
            spark_sql(pair.ours.path(table), "OPTIMIZE {table}")
        if run:
            run.signal(signal.SIGCONT)
            run.wait().check()
        pair.ours.run().check()
        pair.alone.run().check()
        pair.check()
    pair.check(reader="spark")


def test_spark_deletes_merges_and_restores(pair):
    events, users, actions = (pair.ours.path(t) for t in ("events", "per_user", "per_action"))
    spark_sql(events, "DELETE FROM {table} WHERE partition = 0")
    spark_sql(actions, "DELETE FROM {table}")
    pair.step()
    pair.check([*STATE, "per_action"])
    spark_sql(users, "MERGE INTO {table} t USING (SELECT 1) s ON t.events > 0 WHEN MATCHED THEN UPDATE SET events = 0")
    assert_ways(pair.ours.run(), "--overwrite=per_user", "MERGE")
    pair.ours.run("--overwrite=per_user").check()
    pair.check([*STATE, "per_action"])
    version = DeltaTable(events).version()
    spark_sql(events, "RESTORE TABLE {table} TO VERSION AS OF " + str(version - 1))
    pair.produce()
    assert_ways(pair.ours.run(), "--adopt=events")
    pair.ours.run("--adopt=events").check()
    pair.alone.run().check()
    pair.check([*STATE, "per_action"])
