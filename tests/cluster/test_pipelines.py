"""Several pipelines share the workers: what happens to one, or to a worker, must not be seen in another's tables."""

import foreset
from cluster import Cluster, wait_until
from medallion import Medallion

EVENTS, RATE = 40000, 4000
BROKEN = """SET pipeline.name = broken;
SET pipeline.trigger = 100 milliseconds;
SET pipeline.on_error = fail;
CREATE STREAMING TABLE numbers AS
SELECT CAST(CAST(value AS STRING) AS INT) AS n
FROM STREAM read_kafka(bootstrapServers => '{broker}', subscribe => 'broken', startingOffsets => 'earliest');
"""


def apply(cluster, medallion):
    return cluster.command("pipelines", "apply", medallion.pipeline, "--set",
                           f"pipeline.warehouse={medallion.warehouse}", "--kafka",
                           f"bootstrap.servers={cluster.broker.address}", "--kafka", "security.protocol=plaintext")


def produce(cluster, topic, seed, rate=RATE):
    return foreset.Run(["produce", "--brokers", cluster.broker.address, "--topic", topic, "--key", "user_id",
                        "--generate", f"user-events:{EVENTS}:{seed}", "--rate", rate])


def takes_part(cluster, name):
    return {w["name"] for w in cluster.said("workers", name) or [] if w["takesPart"]}


def broken(cluster, directory):
    """A pipeline whose second row cannot be made."""
    cluster.broker.create_topic("broken", 1)
    from confluent_kafka import Producer
    producer = Producer({"bootstrap.servers": cluster.broker.address})
    for value in ("1", "two"):
        producer.produce("broken", value)
    producer.flush(30)
    path = directory / "broken.sql"
    path.write_text(BROKEN.format(broker=cluster.broker.address))
    return path


def test_two_pipelines_share_the_workers_and_a_third_fails(tmp_path):
    with Cluster(tmp_path / "cluster", coordinators=1, workers=2, members=1) as cluster:
        cluster.start_workers("w1", "w2")
        pipelines = []
        for topic, partitions in (("left", 4), ("right", 3)):
            cluster.broker.create_topic(topic, partitions)
            pipelines.append(Medallion(tmp_path / topic, cluster.broker.address, topic, 10000, "1 second",
                                       f"{topic}_events"))
            apply(cluster, pipelines[-1])
        producers = [produce(cluster, "left", 7), produce(cluster, "right", 8)]
        for medallion in pipelines:
            wait_until(lambda: takes_part(cluster, medallion.name) == {"w1", "w2"}, 30, "both workers work for both")
        # A third one fails over and over; its error names it, the worker, and what is wrong.
        cluster.command("pipelines", "apply", broken(cluster, tmp_path))
        for attempt in range(3):
            wait_until(lambda: cluster.pipeline("broken")["state"] == "failed", 30, cluster.logs())
            error = cluster.pipeline("broken")["error"]
            assert "worker w" in error and "CAST_INVALID_INPUT" in error and "two" in error, error
            cluster.command("pipelines", "retry" if attempt < 2 else "delete", "broken")
        # A worker hands over what it holds of both.
        cluster.command("workers", "drain", "w2")
        wait_until(lambda: [w["state"] for w in cluster.command("workers", "list")["workers"] if w["name"] == "w2"]
                   == ["drained"], 30, "w2 drained")
        assert [takes_part(cluster, medallion.name) for medallion in pipelines] == [{"w1"}, {"w1"}]
        assert cluster.processes["w2"].stop() == 0
        for medallion, producer in zip(pipelines, producers):
            producer.wait()
            assert producer.returncode == 0, producer.stderr
            ends = cluster.broker.ends(medallion.topic)
            wait_until(lambda: {p["partition"]: p["next"] for p in cluster.said("partitions", medallion.name) or []}
                       == ends, 60, f"everything is read\n{cluster.logs()}")
            assert cluster.said("restarts", medallion.name) == 0, cluster.logs(40)
            assert cluster.said("moves", medallion.name) >= 1
            cluster.command("pipelines", "stop", medallion.name, "--drain")
        for medallion in pipelines:
            wait_until(lambda: cluster.pipeline(medallion.name)["state"] == "stopped", 60, cluster.logs())
            assert medallion.check_structure() == []
            assert medallion.check() == []
