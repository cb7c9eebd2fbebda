"""Files that are decided and not published yet, and that somebody's VACUUM removed: `--replay` reads the epoch again
from the sources and writes it again (docs/EPOCHS.md, P26).

Two pipelines read the same topic: `ours` loses files, `alone` does not. What the tables hold must be equal.
"""

import json
import os
import pathlib
import signal

import foreset
import pytest
import readers
from deltalake import DeltaTable

EVENTS, LIMIT, PARTITIONS = 1500, 300, 2
SQL = """
SET pipeline.name = {name};
CREATE OR REFRESH STREAMING TABLE bronze PARTITIONED BY (action) {interval} AS
SELECT data.*, CAST(data.amount AS STRING) AS text,
       CAST(substring(data.user_id, 2) AS INT) % 7 / (offset % 50) AS ratio, partition, offset,
       current_timestamp() AS read_at
FROM (SELECT *, from_json(CAST(value AS STRING),
                          'user_id STRING, action STRING, amount DOUBLE, _event_time STRING, _event_id STRING') AS data
      FROM STREAM read_kafka(bootstrapServers => '{broker}', subscribe => '{topic}', startingOffsets => 'earliest',
                             maxOffsetsPerTrigger => {limit}));
CREATE OR REFRESH STREAMING TABLE clean AS
SELECT user_id, action, partition, offset, read_at FROM STREAM bronze WHERE action <> 'purchase';
CREATE OR REFRESH STREAMING TABLE per_user TBLPROPERTIES ('output.mode' = 'update') AS
SELECT user_id, count(*) AS events, max(offset) AS last FROM STREAM bronze GROUP BY user_id;
CREATE OR REFRESH STREAMING TABLE first_of_user AS
SELECT user_id FROM (SELECT user_id FROM STREAM bronze) DROP DUPLICATES ON (user_id);
"""
TABLES = ("bronze", "bronze__dead_letters", "clean", "per_user", "first_of_user")
LOST_ONCE = ("bronze", "clean", "bronze__dead_letters")
counter = iter(range(1000))


class Pipeline:
    def __init__(self, directory, broker, topic, name, interval):
        self.warehouse = directory / name
        self.file = directory / f"{name}.sql"
        self.file.write_text(SQL.format(name=name, broker=broker, topic=topic, limit=LIMIT, interval=interval))

    def run(self, *args, **kwargs):
        return foreset.run("run", self.file, "--warehouse", self.warehouse, "--available-now", "--memory", "512M",
                           "--lanes", "2", *args, **kwargs)

    def rows(self, table):
        path = self.warehouse / table
        if not (path / "_delta_log").exists():
            return []
        found = DeltaTable(str(path)).to_pyarrow_table()
        hidden = {"read_at", "failed_at"}  # of the run
        columns = sorted(c for c in found.column_names if c not in hidden)
        return sorted(map(tuple, zip(*(found[c].to_pylist() for c in columns))), key=repr)

    def unpublished(self, table):
        """Data files that no log names."""
        path = self.warehouse / table
        named = set()
        if (path / "_delta_log").exists():
            named = {f for f in DeltaTable(str(path)).file_uris()}
        found = [p for p in path.rglob("part-*.parquet") if str(p) not in {n.replace("file://", "") for n in named}]
        return [p for p in found if "_delta_log" not in p.parts]


class Pair:
    def __init__(self, broker, directory, interval):
        self.broker, self.topic = broker.address, f"replay-{directory.name}-{next(counter)}"
        broker.create_topic(self.topic, PARTITIONS)
        self.ours, self.alone = (Pipeline(directory, self.broker, self.topic, n, interval) for n in ("ours", "alone"))
        self.seed = 0

    def produce(self, events=EVENTS):
        self.seed += 1
        foreset.produce(self.broker, self.topic, f"user-events:{events}:{self.seed}", "--key", "user_id")

    def check(self):
        for table in TABLES:
            ours, alone = self.ours.rows(table), self.alone.rows(table)
            assert ours == alone, f"{table}: {len(ours)} rows, expected {len(alone)}: {list({*ours} ^ {*alone})[:4]}"
        assert self.ours.rows("bronze") and self.ours.rows("bronze__dead_letters")


@pytest.fixture(params=["", "TBLPROPERTIES ('trigger.interval' = '1 hour')"], ids=["each epoch", "pending"])
def pair(request, broker, tmp_path):
    made = Pair(broker, tmp_path, request.param)
    made.produce()
    return made


def lose(pair, table, point):
    """Runs until the point, then removes what the table has not published."""
    killed = pair.ours.run(failpoints=f"{point}=kill")
    assert killed.returncode == -signal.SIGKILL
    gone = pair.ours.unpublished(table)
    assert gone, "nothing waits to be published"
    for file in gone:
        file.unlink()
    return gone


@pytest.mark.parametrize("table", LOST_ONCE)
@pytest.mark.parametrize("point", ["decide.after", "decide.after@4", "put.after@3"])
def test_files_that_are_gone_are_written_again(pair, table, point):
    pair.alone.run().check()
    killed = pair.ours.run(failpoints=f"{point}=kill")
    assert killed.returncode == -signal.SIGKILL
    gone = pair.ours.unpublished(table)
    for file in gone:
        file.unlink()
    blocked = pair.ours.run()
    if blocked.returncode == 0:  # what was gone was no decided epoch's
        pair.check()
        return
    blocked.check(foreset.EXIT_BLOCKED)
    name = table.removesuffix("__dead_letters")
    for word in (f"--replay={name}", f"foreset pipelines retry --replay ours --table {name}"):
        assert word in blocked.stderr, blocked.stderr[-1500:]
    replayed = pair.ours.run(f"--replay={name}")
    replayed.check()
    assert "replayed: " in replayed.stderr
    pair.check()
    pair.produce()
    pair.ours.run().check()
    pair.alone.run().check()
    pair.check()


def test_current_timestamp_is_the_one_of_then(pair):
    """`clean` kept its files, which have bronze's read_at of the first time."""
    lose(pair, "bronze", "decide.after@2")
    pair.ours.run().check(foreset.EXIT_BLOCKED)
    pair.ours.run("--replay").check()
    bronze, clean = ({(row["partition"], row["offset"]): row["read_at"] for row in
                      DeltaTable(str(pair.ours.warehouse / table)).to_pyarrow_table().to_pylist()}
                     for table in ("bronze", "clean"))
    assert clean and all(bronze[key] == at for key, at in clean.items())


@pytest.mark.parametrize("point", ["manifest_put.before", "manifest_put.after", "manifest_put.after@2", "replay.before",
                                   "replay.after", "recover.before@2", "put.before", "put.after", "published.before",
                                   "prepared.before", "plan.before"])
def test_killed_while_it_replays(pair, point):
    lose(pair, "bronze", "decide.after@3")
    pair.alone.run().check()
    killed = pair.ours.run("--replay=bronze", failpoints=f"{point}=kill")
    if killed.returncode != -signal.SIGKILL:
        killed.check()  # this replay has no such step
    pair.ours.run("--replay").check()
    pair.check()


def test_lost_again_while_it_replays(pair):
    """What was written again is gone once more before it is published."""
    lose(pair, "bronze", "decide.after@3")
    pair.alone.run().check()
    for _ in range(2):
        killed = pair.ours.run("--replay", failpoints="replay.after=kill")
        assert killed.returncode == -signal.SIGKILL
        for file in pair.ours.unpublished("bronze"):
            file.unlink()
        pair.ours.run().check(foreset.EXIT_BLOCKED)
    pair.ours.run("--replay").check()
    pair.check()


# ---- Refused ----

@pytest.mark.parametrize("table, why", [("per_user", "append mode"), ("first_of_user", "DROP DUPLICATES")])
def test_what_depends_on_state_is_refused_by_name(pair, table, why):
    lose(pair, table, "decide.after@2")
    blocked = pair.ours.run()
    blocked.check(foreset.EXIT_BLOCKED)
    assert why in blocked.stderr and f"--replay={table}" not in blocked.stderr and "--full-refresh" in blocked.stderr
    refused = pair.ours.run("--replay")
    refused.check(foreset.EXIT_BLOCKED)
    assert why in refused.stderr and "Nothing was changed" in refused.stderr
    pair.ours.run("--full-refresh").check()


def test_ranges_that_expired_are_refused_by_offset(pair, broker):
    lose(pair, "bronze", "decide.after@2")
    broker.delete_records(pair.topic, {partition: 200 for partition in range(PARTITIONS)})
    refused = pair.ours.run("--replay")
    refused.check(foreset.EXIT_BLOCKED)
    for word in ("cannot be replayed", "the broker has 200 to", "partition", "--full-refresh"):
        assert word in refused.stderr, refused.stderr[-1500:]


def test_a_topic_that_was_created_again_is_refused(pair, broker):
    lose(pair, "bronze", "decide.after@2")
    broker.delete_topic(pair.topic)
    broker.create_topic(pair.topic, PARTITIONS)
    pair.seed = 100
    pair.produce(4000)
    refused = pair.ours.run("--replay")
    assert refused.returncode in (foreset.EXIT_BLOCKED, foreset.EXIT_FAILED), refused
    assert "another" in refused.stderr or "created again" in refused.stderr, refused.stderr[-1500:]
    assert not pair.ours.rows("bronze") or len(pair.ours.rows("bronze")) < EVENTS


def test_a_misspelt_table_is_refused(pair):
    pair.ours.run("--replay=nowhere").check(foreset.EXIT_FAILED)


# ---- Files ----

def test_files_sources_are_replayed(tmp_path):
    source = tmp_path / "in"
    source.mkdir()
    for i in range(6):
        (source / f"{i}.json").write_text("".join(json.dumps({"a": 100 * i + k}) + "\n" for k in range(100)))
        os.utime(source / f"{i}.json", (1_700_000_000 + i,) * 2)
    sql = tmp_path / "files.sql"
    sql.write_text("CREATE OR REFRESH STREAMING TABLE t TBLPROPERTIES ('trigger.interval' = '1 hour') AS SELECT a "
                   f"FROM STREAM read_files('{source}', format => 'json', schema => 'a BIGINT', "
                   "maxFilesPerTrigger => 2);")
    args = ("run", sql, "--warehouse", tmp_path / "w", "--available-now", "--memory", "512M")
    killed = foreset.run(*args, failpoints="decide.after=kill")
    assert killed.returncode == -signal.SIGKILL
    log = [p for p in (tmp_path / "w" / "t").glob("part-*.parquet")]
    named = {pathlib.Path(u).name for u in DeltaTable(str(tmp_path / "w" / "t")).file_uris()}
    lost = [p for p in log if p.name not in named]
    assert lost
    for file in lost:
        file.unlink()
    foreset.run(*args).check(foreset.EXIT_BLOCKED)
    changed = source / "0.json"
    stat = changed.stat()
    os.utime(changed, (1_800_000_000,) * 2)
    refused = foreset.run(*args, "--replay")
    refused.check(foreset.EXIT_BLOCKED)
    assert "0.json" in refused.stderr and "changed" in refused.stderr
    os.utime(changed, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    foreset.run(*args, "--replay").check()
    found = readers.READERS["deltalake"](str(tmp_path / "w" / "t"))["a"].to_pylist()
    assert sorted(found) == list(range(600))
