"""A table that is added later reads an existing one: what that one has comes first, then its stream goes on, each row
once (P23). The reference knows nothing of when a table came: it holds for the end."""

import signal

import delta_log
import foreset
import pytest
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
    run = growing.medallion.start(failpoints="decide.after@5=kill")
    wait_until(lambda: not run.running(), 60, "killed")
    assert run.wait().returncode == -signal.SIGKILL
    bronze = growing.medallion.path("bronze")
    assert len(list(bronze.glob("part-*.parquet"))) > len(delta_log.active_files(bronze)), "some wait for the hour"
    growing.grow()
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
