"""A changed file applied while rows come (P23): what would lose state is refused and disturbs nothing; a column and a
table come at a border, with positions and state kept."""

import foreset
import readers
from cluster import Cluster, wait_until
from medallion import Medallion
from reference import Reference
from test_pipelines import apply

EVENTS = 20000
COLUMN = ("AS _bronze_ingested_at", "AS _bronze_ingested_at, offset * 2 AS twice")
TABLE = """
CREATE OR REFRESH STREAMING TABLE streaming.extra AS
SELECT partition, offset FROM STREAM read_kafka(bootstrapServers => 'kafka-broker-1:9092', subscribe => 'events',
                                                startingOffsets => 'earliest');
CREATE OR REFRESH STREAMING TABLE streaming.copy AS
SELECT partition, offset FROM STREAM streaming.bronze.user_events;
"""
LOSING = [
    ("window(event_time, '1 minute')", "window(event_time, '2 minutes')", "streaming.gold.realtime_dashboard: rebuild"),
    (" DROP DUPLICATES ON (_event_id)", "", "streaming.silver.user_events: drop"),
    ("offset, timestamp AS kafka_timestamp", "timestamp AS kafka_timestamp", None),
]


def produce(cluster, rate):
    """Every run gives the same events, so that all of a second run's are duplicates."""
    return foreset.Run(["produce", "--brokers", cluster.broker.address, "--topic", "events", "--key", "user_id",
                        "--generate", f"user-events:{EVENTS}:8", "--rate", rate])


def text_of(medallion, *changes, extra=""):
    text = medallion.pipeline.read_text()
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text + extra


def plan(cluster, medallion, path):
    return cluster.command("pipelines", "plan", path, "--set", f"pipeline.warehouse={medallion.warehouse}", "--kafka",
                           f"bootstrap.servers={cluster.broker.address}", "--kafka",
                           "security.protocol=plaintext")["message"]


def stands(cluster):
    return {(p["source"], p["partition"]): p["next"] for p in cluster.said("partitions") or []}


def refused(cluster, medallion, directory):
    """What loses state: said by plan, refused by apply, and the pipeline does not notice."""
    for i, (old, new, state) in enumerate(LOSING):
        changed = directory / f"losing-{i}.sql"
        changed.write_text(text_of(medallion, (old, new)))
        said = plan(cluster, medallion, changed)
        assert "apply needs --full-refresh: it would lose state" in said and (not state or state in said), said
        done = cluster.command("pipelines", "apply", changed, "--set", f"pipeline.warehouse={medallion.warehouse}",
                               check=False)
        assert done.returncode == 2 and "--full-refresh" in done.stderr, done
    assert cluster.pipeline()["version"] == 1 and cluster.said("restarts") == 0


def test_a_changed_file_goes_on_where_it_was(tmp_path):
    with Cluster(tmp_path / "cluster", coordinators=1, workers=2, members=1) as cluster:
        cluster.start_workers("w1", "w2")
        cluster.broker.create_topic("events", 4)
        medallion = Medallion(tmp_path / "medallion", cluster.broker.address, "events", 10000, "500 milliseconds")
        apply(cluster, medallion)
        first = produce(cluster, 8000)
        wait_until(lambda: (cluster.said("published") or 0) >= 2, 30, cluster.logs())
        refused(cluster, medallion, tmp_path)
        first.wait()
        second = produce(cluster, 4000)
        # A column, a table, and one over a table that has rows come while rows come.
        medallion.pipeline.write_text(text_of(medallion, COLUMN, extra=TABLE))
        said = plan(cluster, medallion, medallion.pipeline)
        for words in ("streaming.bronze.user_events: gets the column twice bigint", "table streaming.extra: is new",
                      "table streaming.copy: is new; the rows that streaming.bronze.user_events has come first",
                      "table streaming.silver.user_events: keep", "table streaming.gold.realtime_dashboard: keep"):
            assert words in said, said
        assert "version 2" in apply(cluster, medallion)["message"]
        assert second.running(), "rows came during the change"
        second.wait()
        ends = cluster.broker.ends("events")
        sources = ("streaming.bronze.user_events/source-1", "streaming.extra/source-1")
        wait_until(lambda: stands(cluster) == {(s, p): end for s in sources for p, end in ends.items()}, 60,
                   f"everything is read by both\n{stands(cluster)}\n{cluster.logs()}")
        cluster.command("pipelines", "stop", "user_events", "--drain")
        wait_until(lambda: cluster.pipeline()["state"] == "stopped", 60, cluster.logs())
        assert medallion.check_structure() == []
        bronze, silver, gold = (medallion.read(table) for table in ("bronze", "silver", "gold"))
        twice = [(r["offset"], r["twice"]) for r in bronze.select(["offset", "twice"]).to_pylist()]
        assert {value for offset, value in twice if value is not None and value != 2 * offset} == set()
        assert 0 < sum(value is None for _, value in twice) < len(twice)
        assert Reference(cluster.broker.address, "events").check(bronze.drop_columns(["twice"]),
                                                                 silver.drop_columns(["twice"]), gold) == []
        extra = readers.read_deltalake(medallion.warehouse / "streaming" / "extra").to_pylist()
        wanted = {(p, offset) for p, end in ends.items() for offset in range(end)}
        assert len(extra) == len(wanted) and {(r["partition"], r["offset"]) for r in extra} == wanted
        copied = readers.read_deltalake(medallion.warehouse / "streaming" / "copy").select(["partition", "offset"])
        order = [("partition", "ascending"), ("offset", "ascending")]
        assert copied.sort_by(order) == bronze.select(["partition", "offset"]).sort_by(order)
