"""The medallion over a real broker, held against a reference and read by five readers that nobody here wrote.

FORESET_INTEROP_EVENTS (default 100000) sizes the topic; every fault of the generator is on.
"""

import json
import os
import shutil

import delta_log
import foreset
import pyarrow.parquet as pq
import pytest
import readers
from deltalake import DeltaTable
from medallion import Medallion
from reference import Reference

EVENTS = int(os.environ.get("FORESET_INTEROP_EVENTS", "100000"))
TOPIC = "medallion"


@pytest.fixture(scope="module")
def made(broker, tmp_path_factory):
    """The medallion run once to the end of the topic in at least twenty epochs."""
    broker.create_topic(TOPIC, 4)
    foreset.produce(broker.address, TOPIC, f"user-events:{EVENTS}:7", "--key", "user_id")
    medallion = Medallion(tmp_path_factory.mktemp("medallion"), broker.address, TOPIC, max(EVENTS // 25, 1))
    medallion.done = medallion.run().check()
    return medallion


@pytest.fixture(scope="module")
def reference(broker, made):
    return Reference(broker.address, TOPIC)


def test_the_generator_makes_every_fault(reference):
    assert reference.counts()["records"] == EVENTS
    assert reference.one("SELECT count(*) FROM bronze WHERE user_id IS NULL OR action IS NULL") > 0
    assert reference.one("SELECT count(*) - count(DISTINCT _event_id) FROM candidates") > 0
    assert reference.one("SELECT count(*) FROM records WHERE NOT json_valid(decode(value))") > 0
    assert reference.one("SELECT count(*) FROM records WHERE decode(value) LIKE '%\"amount\": \"n/a\"%'") > 0


@pytest.mark.parametrize("reader", readers.READERS)
def test_reader_agrees_with_the_reference(made, reference, reader):
    assert made.check(reference, reader) == []


def test_silver_is_partitioned_by_day(made):
    assert delta_log.metadata(made.path("silver"))["partitionColumns"] == ["event_date"]
    for add in delta_log.active_files(made.path("silver")).values():
        assert set(add["partitionValues"]) == {"event_date"}


def test_statistics_bound_the_values(made):
    for name, add in delta_log.active_files(made.path("bronze")).items():
        stats, data = json.loads(add["stats"]), pq.read_table(made.path("bronze") / name, partitioning=None)
        offsets = data.column("offset").to_pylist()
        assert (stats["numRecords"], stats["minValues"]["offset"], stats["maxValues"]["offset"]) == \
               (len(offsets), min(offsets), max(offsets))
        assert stats["nullCount"]["amount"] == data.column("amount").null_count


def test_every_epoch_is_one_commit_with_txn_and_commit_info(made):
    for table in made.made():
        versions = [version for version, _, _ in delta_log.txn_versions(made.path(table))]
        assert versions == sorted(set(versions))
        infos = dict(delta_log.commit_infos(made.path(table)))
        assert set(versions) <= set(infos)


def test_log_checkpoint_every_ten_commits(made):
    log = made.path("bronze") / "_delta_log"
    last = json.loads((log / "_last_checkpoint").read_text())
    assert last["version"] == delta_log.latest_version(made.path("bronze")) // 10 * 10
    checkpoint = pq.read_table(log / f"{last['version']:020}.checkpoint.parquet")
    assert checkpoint.num_rows == last["size"]
    assert {"add", "metaData", "protocol", "txn"} <= set(checkpoint.column_names)


@pytest.mark.parametrize("reader", ["deltalake", "spark", "foreset"])
def test_log_checkpoint_alone_carries_the_table(made, tmp_path, reader):
    copy = tmp_path / "copy"
    shutil.copytree(made.path("bronze"), copy)
    log = copy / "_delta_log"
    last = json.loads((log / "_last_checkpoint").read_text())["version"]
    for version in range(last + 1):
        (log / f"{version:020}.json").unlink()
    rows = made.read("bronze").num_rows
    if reader == "deltalake":
        assert DeltaTable(str(copy)).to_pyarrow_table(columns=["offset"]).num_rows == rows
    elif reader == "spark":
        assert readers.spark().read.format("delta").load(str(copy)).count() == rows
    else:
        shown = foreset.run("tables", "show", copy, "--columns", "offset", "--format", "json").check()
        assert len(foreset.json_lines(shown.stdout)) == rows


def test_spark_describes_the_history(made):
    path = made.path("gold")
    history = readers.spark().sql(f"DESCRIBE HISTORY delta.`{path}`").collect()
    assert [row["version"] for row in history] == list(range(delta_log.latest_version(path), -1, -1))
    assert all(row["operation"] and row["timestamp"] for row in history)


def test_own_show_and_history_agree(made):
    rows = foreset.json_lines(foreset.run("tables", "show", made.path("gold"), "--format", "json").check().stdout)
    assert len(rows) == made.read("gold").num_rows
    assert sum(row["event_count"] for row in rows) == made.read("silver").num_rows
    history = foreset.run("tables", "history", made.path("gold")).check().stdout
    assert str(delta_log.latest_version(made.path("gold"))) in history


def test_show_filters_orders_and_limits(made):
    shown = foreset.run("tables", "show", made.path("bronze"), "--columns", "partition,offset", "--where",
                        "partition = 1", "--order-by", "offset", "--limit", "5", "--format", "json").check().stdout
    assert foreset.json_lines(shown) == [{"partition": 1, "offset": n} for n in range(5)]


def test_run_without_new_events_changes_nothing(made):
    before = made.versions()
    made.run().check()
    assert made.versions() == before


def test_progress_counts_every_row(made):
    rows = {}
    for line in made.done.progress:
        rows[line["name"]] = rows.get(line["name"], 0) + line["numInputRows"]
    assert rows["streaming.bronze.user_events"] == EVENTS


class TestGrowing:
    """What happens to the tables after the first run; the order of the tests is their story."""

    def test_later_events_are_added(self, broker, made):
        foreset.produce(broker.address, TOPIC, f"user-events:{EVENTS // 10}:8", "--key", "user_id")
        made.run().check()
        assert made.check() == []

    def test_a_foreign_compaction_in_between_is_respected(self, broker, made):
        compacted = DeltaTable(str(made.path("bronze"))).optimize.compact()
        assert compacted["numFilesRemoved"] > 1
        foreset.produce(broker.address, TOPIC, f"user-events:{EVENTS // 10}:9", "--key", "user_id")
        made.run().check()
        assert made.check() == []

    def test_a_new_partition_is_read_from_its_start(self, broker, made):
        broker.add_partitions(TOPIC, 5)
        foreset.produce(broker.address, TOPIC, f"user-events:{EVENTS // 10}:10", "--key", "user_id")
        made.run().check()
        assert made.check() == []

    def test_consume_prints_every_record_once(self, broker, made):
        records = Reference(broker.address, TOPIC).counts()["records"]
        printed = foreset.run("consume", "--brokers", broker.address, "--topic", TOPIC, "--group", "reader",
                              "--count", records).check().stdout
        places = [(line["partition"], line["offset"]) for line in foreset.json_lines(printed)]
        assert len(places) == len(set(places)) == records
