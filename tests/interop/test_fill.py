"""A table that is added later reads an existing one: what that one has comes first, then its stream goes on, each row
once (P23). The reference knows nothing of when a table came: it holds for the end."""

import base64
import json
import random
import signal

import delta_log
import foreset
import pytest
import readers
from cluster import wait_until
from medallion import Medallion
from reference import Reference

EVENTS, LIMIT = 3000, 500
BEGIN = "CREATE OR REFRESH STREAMING TABLE"


class Growing:
    """The medallion, of which only the first tables are made at first."""

    def __init__(self, broker, directory, topic, tables, replace=()):
        self.broker, self.topic, self.sent = broker, topic, 0
        broker.create_topic(topic, 3)
        self.medallion = Medallion(directory, broker.address, topic, LIMIT)
        self.text = self.medallion.pipeline.read_text()
        for old, new in replace:
            assert old in self.text, old
            self.text = self.text.replace(old, new)
        parts = self.text.split(BEGIN)
        self.medallion.pipeline.write_text(BEGIN.join(parts[:1 + tables]))
        self.produce()

    def produce(self):
        self.sent += 1
        foreset.produce(self.broker.address, self.topic, f"user-events:{EVENTS}:{self.sent}", "--key", "user_id")

    def produce_for_three_decisions(self):
        """One transaction decides up to eight epochs, if they are ready: after two of them some are left."""
        while self.sent < 17 * 2 * LIMIT / EVENTS:  # a fill's epoch is as big as two of the stream
            self.produce()

    def grow(self):
        self.medallion.pipeline.write_text(self.text)

    def check(self):
        assert self.medallion.check_structure() == []
        assert self.medallion.check(Reference(self.broker.address, self.topic)) == []


@pytest.mark.parametrize("tables", [1, 2])
def test_the_other_tables_come_later(broker, tmp_path, tables):
    growing = Growing(broker, tmp_path, f"fill-{tables}", tables)
    growing.medallion.run().check()
    growing.grow()
    growing.produce()
    run = growing.medallion.run().check()
    names = ("streaming.silver.user_events", "streaming.gold.realtime_dashboard")
    over = ("streaming.bronze.user_events", "streaming.silver.user_events")
    epochs = 2 * EVENTS // LIMIT  # of the stream, before and after; the fill's come between, of whole files
    assert run.progress[-1]["epoch"] >= epochs + epochs // 4, "epochs of a fill are no bigger than others"
    said = f"table {names[tables - 1]}: is new; the rows that {over[tables - 1]} has come first"
    assert said in run.stderr, run.stderr[-3000:]
    growing.check()
    versions = growing.medallion.versions()
    assert "is new" not in growing.medallion.run().check().stderr
    assert growing.medallion.versions() == versions, "what came once does not come again"
    growing.produce()
    growing.medallion.run().check()
    growing.check()


# Where a kill falls: the list stored but nothing decided; an epoch of the fill read, prepared, decided, put; the last
# of them and the first of the stream.
KILLS = ["recover.after@1", "plan.after@1", "poll.after@1", "poll.after@4", "decide.before@1", "decide.after@1",
         "put.before@1", "put.after@2", "plan.after@5", "plan.after@8"]


@pytest.mark.parametrize("point", KILLS)
def test_killed_while_it_is_filled(broker, tmp_path, point):
    growing = Growing(broker, tmp_path, f"fill-{point.replace('@', '-')}", 1)
    growing.medallion.run().check()
    growing.grow()
    growing.produce()
    assert growing.medallion.run(failpoints=f"{point}=kill").returncode == -signal.SIGKILL
    assert growing.medallion.check_structure() == []
    assert growing.medallion.run(failpoints=f"{point}=kill").returncode in (foreset.EXIT_DONE, -signal.SIGKILL)
    growing.medallion.run().check()
    growing.check()


def test_what_is_written_but_not_published_comes_too(broker, tmp_path):
    """Bronze publishes once an hour; it is killed between, so its rows stand in no log yet when silver comes."""
    late = [("streaming.bronze.user_events AS",
             "streaming.bronze.user_events TBLPROPERTIES ('trigger.interval' = '1 hour') AS"),
            ("pipeline.trigger = 30 seconds", "pipeline.trigger = 100 milliseconds")]
    growing = Growing(broker, tmp_path, "fill-pending", 1, late)
    growing.produce_for_three_decisions()
    run = growing.medallion.start(failpoints="decide.after@3=kill")
    wait_until(lambda: not run.running(), 60, "killed")
    assert run.wait().returncode == -signal.SIGKILL
    bronze = growing.medallion.path("bronze")
    assert len(list(bronze.glob("part-*.parquet"))) > len(delta_log.active_files(bronze)), "some wait for the hour"
    growing.grow()
    growing.medallion.run().check()
    growing.check()


def test_a_file_larger_than_the_memory(tmp_path):
    """Of a file a row group is in memory at a time, not the file."""
    memory, noise = 128 << 20, random.Random(1)
    (tmp_path / "in").mkdir()
    with (tmp_path / "in" / "1.json").open("w") as rows:
        for number in range(190_000):  # about 1000 bytes a row, of which three quarters cannot be compressed
            rows.write(json.dumps({"id": number, "text": base64.b64encode(noise.randbytes(750)).decode()}) + "\n")
    first = (f"{BEGIN} first AS SELECT id, text FROM STREAM read_files('in', format => 'json', "
             "schema => 'id BIGINT, text STRING');\n")
    pipeline, warehouse = tmp_path / "p.sql", tmp_path / "warehouse"
    command = ["run", pipeline, "--available-now", "--warehouse", warehouse, "--lanes", "1", "--memory", str(memory)]
    pipeline.write_text(first)
    foreset.run(*command).check()
    assert max(file.stat().st_size for file in (warehouse / "first").glob("*.parquet")) > memory
    pipeline.write_text(first + f"{BEGIN} second AS SELECT id, text FROM STREAM first;\n")
    foreset.run(*command).check()
    wanted, found = (readers.read_deltalake(warehouse / name).sort_by("id") for name in ("first", "second"))
    assert found.num_rows == 190_000 and found.equals(wanted)


def test_a_fill_waits_for_no_trigger(broker, tmp_path):
    hourly = [("pipeline.trigger = 30 seconds", "pipeline.trigger = 1 hour")]
    growing = Growing(broker, tmp_path, "fill-trigger", 1, hourly)
    growing.medallion.run().check()
    growing.grow()
    run = growing.medallion.start()
    silver = "streaming.silver.user_events"
    run.wait_for(lambda: sum(p["name"] == silver for p in run.progress) > EVENTS / LIMIT / 2, 60, "several epochs")
    run.drain().check()
    growing.medallion.run().check()
    growing.check()


def test_a_table_that_others_have_rewritten(broker, tmp_path):
    """Compacted, and its old files gone: its rows are the same."""
    from deltalake import DeltaTable
    growing = Growing(broker, tmp_path, "fill-compacted", 1)
    growing.medallion.run().check()
    table = DeltaTable(str(growing.medallion.path("bronze")))
    assert table.optimize.compact()["numFilesRemoved"] > 1
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    growing.grow()
    growing.medallion.run().check()
    growing.check()


TOGETHER = """
CREATE OR REFRESH STREAMING TABLE streaming.together AS
SELECT window.start AS start, source, count(*) AS rows
FROM (SELECT 'b' AS source, event_time FROM STREAM streaming.bronze.user_events
      UNION ALL SELECT 's' AS source, event_time FROM STREAM streaming.silver.user_events
      UNION ALL SELECT 'again' AS source, event_time FROM STREAM streaming.silver.user_events)
     WATERMARK event_time DELAY OF INTERVAL 10 MILLISECONDS
GROUP BY window(event_time, '20 milliseconds'), source;
"""


def together(medallion):
    rows = readers.read_deltalake(medallion.warehouse / "streaming" / "together").to_pylist()
    return sorted((r["start"], r["source"], r["rows"]) for r in rows)


def test_late_is_what_was_late(broker, tmp_path):
    """A window over three streams: one that comes later has the rows of one that was there from the start, late ones
    left out likewise: an epoch of the fill is one of those that wrote the rows."""
    growing = Growing(broker, tmp_path / "later", "fill-together", 2)
    early = Medallion(tmp_path / "early", broker.address, "fill-together", LIMIT, name="early")
    text = early.pipeline.read_text().split(BEGIN)
    early.pipeline.write_text(BEGIN.join(text[:3]) + TOGETHER)
    run = early.run().check()
    assert sum(p["observedMetrics"]["late"] for p in run.progress if p["name"] == "streaming.together") > 0
    growing.medallion.run().check()
    growing.medallion.pipeline.write_text(growing.medallion.pipeline.read_text() + TOGETHER)
    growing.medallion.run().check()
    assert together(early) == together(growing.medallion) != []
    growing.produce()
    early.run().check()
    growing.medallion.run().check()
    assert together(early) == together(growing.medallion)


def test_a_table_reads_one_more(broker, tmp_path):
    """Not a new table, but a new table in its FROM."""
    growing = Growing(broker, tmp_path, "fill-more", 2)
    ids = "CREATE OR REFRESH STREAMING TABLE streaming.ids AS SELECT 's' AS source, _event_id AS id FROM STREAM " \
          "streaming.silver.user_events"
    more = " UNION ALL SELECT 'b' AS source, _event_id AS id FROM STREAM streaming.bronze.user_events"
    text = growing.medallion.pipeline.read_text()
    growing.medallion.pipeline.write_text(text + ids + ";")
    growing.medallion.run().check()
    growing.medallion.pipeline.write_text(text + ids + more + ";")
    growing.produce()
    run = growing.medallion.run().check()
    said = "table streaming.ids: reads one more; the rows that streaming.bronze.user_events has come first"
    assert said in run.stderr
    found = readers.read_deltalake(growing.medallion.warehouse / "streaming" / "ids").to_pylist()
    for source, table in (("s", "silver"), ("b", "bronze")):
        wanted = growing.medallion.read(table).column("_event_id").to_pylist()
        assert sorted(r["id"] or "" for r in found if r["source"] == source) == sorted(i or "" for i in wanted)


def test_a_change_while_it_is_filled(broker, tmp_path):
    """What fills a table stays, and no other is filled beside it; a change that leaves it in place goes on."""
    growing = Growing(broker, tmp_path, "fill-changed", 1)
    growing.produce_for_three_decisions()
    growing.medallion.run().check()
    copy = "CREATE OR REFRESH STREAMING TABLE streaming.copy AS SELECT _event_id AS id FROM STREAM {};"
    bronze = growing.medallion.pipeline.read_text()
    growing.medallion.pipeline.write_text(bronze + copy.format("streaming.bronze.user_events"))
    assert growing.medallion.run(failpoints="decide.after@1=kill").returncode == -signal.SIGKILL
    source = bronze[bronze.index("read_kafka("):].split(";")[0][:-1]
    other = copy.format(source).replace("_event_id AS id", "CAST(key AS STRING) AS id")
    growing.medallion.pipeline.write_text(bronze + other)
    refused = growing.medallion.run().check(foreset.EXIT_FAILED)
    assert "reads streaming.bronze.user_events at 0 places, not 1" in refused.stderr, refused.stderr[-2000:]
    same = copy.format("streaming.bronze.user_events")
    growing.medallion.pipeline.write_text(bronze + same + same.replace("copy", "more"))
    refused = growing.medallion.run().check(foreset.EXIT_FAILED)
    assert "another table is being filled" in refused.stderr, refused.stderr[-2000:]
    growing.medallion.pipeline.write_text(bronze + same + "-- a word\n")
    growing.medallion.run().check()
    found = readers.read_deltalake(growing.medallion.warehouse / "streaming" / "copy").column("id").to_pylist()
    wanted = growing.medallion.read("bronze").column("_event_id").to_pylist()
    assert sorted(i or "" for i in found) == sorted(i or "" for i in wanted)


def test_a_damaged_list_is_named(broker, tmp_path):
    """Or one that is gone: nothing is read in its place, and with it back the fill goes on."""
    growing = Growing(broker, tmp_path, "fill-damaged", 1)
    growing.produce_for_three_decisions()
    growing.medallion.run().check()
    growing.grow()
    assert growing.medallion.run(failpoints="decide.after@1=kill").returncode == -signal.SIGKILL
    fill, = growing.medallion.warehouse.rglob("fills/fill-*.pb")
    kept = fill.read_bytes()
    for harm in (lambda: fill.write_bytes(kept[:-1] + bytes([kept[-1] ^ 1])), fill.unlink):
        harm()
        refused = growing.medallion.run().check(foreset.EXIT_FAILED)
        assert fill.name in refused.stderr and "--full-refresh" in refused.stderr, refused.stderr[-2000:]
    fill.write_bytes(kept)
    growing.medallion.run().check()
    growing.check()


def test_a_table_that_was_given_up_fills_none(broker, tmp_path):
    growing = Growing(broker, tmp_path, "fill-abandoned", 1)
    growing.medallion.run().check()
    growing.medallion.run("--abandon-table=streaming.bronze.user_events").check()
    growing.grow()
    refused = growing.medallion.run().check(foreset.EXIT_FAILED)
    said = "filling table streaming.silver.user_events from streaming.bronze.user_events: it was given up"
    assert said in refused.stderr, refused.stderr[-2000:]


def test_a_file_that_is_gone_is_named(broker, tmp_path):
    growing = Growing(broker, tmp_path, "fill-gone", 1)
    growing.medallion.run().check()
    bronze = growing.medallion.path("bronze")
    name = sorted(delta_log.active_files(bronze))[0]
    kept = (bronze / name).read_bytes()
    (bronze / name).unlink()
    growing.grow()
    run = growing.medallion.run()
    assert run.returncode == foreset.EXIT_FAILED
    assert name in run.stderr and "filling a new table from" in run.stderr, run.stderr[-2000:]
    (bronze / name).write_bytes(kept)
    growing.medallion.run().check()
    growing.check()
