"""A changed pipeline file that adds a column: the tables get it, every reader sees it, no state is lost."""

import signal

import delta_log
import foreset
import pytest
from medallion import Medallion

EVENTS = 3000
OLD, NEW = "_event_id STRING'", "referrer STRING, _event_id STRING'"


def grown(broker, directory, topic):
    """The medallion, run, given a column in the middle of bronze, with the same events once more to read."""
    broker.create_topic(topic, 2)
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:8", "--key", "user_id")
    medallion = Medallion(directory, broker.address, topic, 1000)
    medallion.run().check()
    before = {table: medallion.read(table) for table in ("bronze", "silver")}
    text = medallion.pipeline.read_text()
    assert OLD in text
    medallion.pipeline.write_text(text.replace(OLD, NEW))
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:8", "--key", "user_id")
    return medallion, before


@pytest.fixture(scope="module")
def evolved(broker, tmp_path_factory):
    medallion, before = grown(broker, tmp_path_factory.mktemp("evolution"), "evolution")
    return medallion, before, medallion.run()


def test_the_differences_are_said(evolved):
    _, _, run = evolved
    run.check()
    assert "user_events: gets the column referrer string, null in the rows before" in run.stderr


# Those that read Delta: pyarrow and DuckDB are handed files of either schema, and know nothing of the table's.
@pytest.mark.parametrize("reader", ["deltalake", "polars", "spark"])
@pytest.mark.parametrize("table", ["bronze", "silver"])
def test_readers_see_the_column_at_the_end(evolved, reader, table):
    medallion, before, _ = evolved
    after = medallion.read(table, reader)
    assert after.schema.names == [*before[table].schema.names, "referrer"]
    assert after.column("referrer").null_count == after.num_rows


def check_rows(medallion, before):
    assert medallion.read("bronze").num_rows == 2 * before["bronze"].num_rows
    ids = medallion.read("silver").column("_event_id")
    assert medallion.read("silver").num_rows == before["silver"].num_rows + ids.null_count - \
        before["silver"].column("_event_id").null_count
    assert medallion.check_structure() == []


def check_commits(medallion):
    for table in ("bronze", "silver"):
        operations = [info["operation"] for _, info in delta_log.commit_infos(medallion.path(table))]
        assert operations.count("ADD COLUMNS") == 1


def test_dedup_still_knows_the_keys(evolved):
    medallion, before, _ = evolved
    check_rows(medallion, before)


def test_one_commit_brings_the_column(evolved):
    medallion, _, _ = evolved
    check_commits(medallion)


@pytest.mark.parametrize("nth", (1, 2))
@pytest.mark.parametrize("point", ("add_columns.before", "add_columns.after"))
def test_killed_at_the_commit_that_brings_it(broker, tmp_path, point, nth):
    medallion, before = grown(broker, tmp_path, f"evolution-{point}-{nth}")
    assert medallion.run(failpoints=f"{point}@{nth}=kill").returncode == -signal.SIGKILL
    assert medallion.check_structure() == []
    medallion.run().check()
    check_rows(medallion, before)
    check_commits(medallion)


def test_a_second_run_changes_nothing(evolved):
    medallion, _, _ = evolved
    versions = medallion.versions()
    assert "gets the column" not in medallion.run().check().stderr
    assert medallion.versions() == versions
