"""Seconds from a record's time in Kafka (the producer's clock) to the gold commit that counts it, at a fixed rate.

The medallion runs with a trigger of one second, gold's interval the same. Which epoch read a record stands in bronze's
commits (`ranges`), which epochs gold has seen in gold's (`epochs`); a commit is visible when it was first listed.
Records of the first seconds are left out: the pipeline starts then. A record that no commit covers raises.
"""

import bisect
import dataclasses
import pathlib
import statistics
import threading
import time

import delta_log
import foreset
from confluent_kafka import Consumer, TopicPartition
from medallion import TABLES

TOPIC, PARTITIONS = "latency", 4
POLL_S = 0.01
WARM_UP_S = 3
DRAIN_SECONDS_MAX = 60


@dataclasses.dataclass
class Seen:
    p50: float
    p99: float
    longest: float
    rows: int
    commits: int


class Watcher(threading.Thread):
    """When each version of a table was first listed."""

    def __init__(self, table):
        super().__init__(daemon=True)
        self.log, self.seen, self.ended = pathlib.Path(table) / "_delta_log", {}, threading.Event()

    def run(self):
        while not self.ended.wait(POLL_S):
            if self.log.exists():
                now = time.time()
                for version in delta_log.versions(self.log.parent):
                    self.seen.setdefault(version, now)


def pipeline_text(medallion):
    for old, new in (("'user-events'", f"'{TOPIC}'"), ("pipeline.trigger = 30 seconds", "pipeline.trigger = 1 second"),
                     ("'trigger.interval' = '1 minute'", "'trigger.interval' = '1 second'"),
                     ("maxOffsetsPerTrigger => 100000, ", "")):
        assert old in medallion, old
        medallion = medallion.replace(old, new)
    return medallion


def records(broker):
    """{partition: [timestamp of offset 0, 1, …]} in seconds."""
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "latency", "enable.partition.eof": True,
                         "auto.offset.reset": "earliest", "enable.auto.commit": False})
    consumer.assign([TopicPartition(TOPIC, partition, 0) for partition in range(PARTITIONS)])
    times, left = {partition: [] for partition in range(PARTITIONS)}, PARTITIONS
    while left:
        for message in consumer.consume(10000, 1):
            if message.error():
                left -= 1
            else:
                times[message.partition()].append(message.timestamp()[1] / 1000)
    consumer.close()
    return times


def covered(warehouse):
    """{partition: [(first offset behind it, epoch)] ascending}."""
    ends = {partition: [] for partition in range(PARTITIONS)}
    for _, info in delta_log.commit_infos(warehouse / TABLES["bronze"]):
        for span in info.get("ranges") or []:
            ends[span["partition"]].append((span["to"], info["epochs"][1]))
    return ends


def rows_read(warehouse):
    return sum(bounds[-1][0] for bounds in covered(warehouse).values() if bounds)


def gold_times(warehouse, seen):
    """[(last epoch that a gold commit counts, when it was seen)] ascending."""
    return [(info["epochs"][1], seen[version])
            for version, info in delta_log.commit_infos(warehouse / TABLES["gold"]) if info.get("epochs")]


def delays(times, ends, gold):
    """Seconds of every record behind the warm-up."""
    begin = min(stamps[0] for stamps in times.values() if stamps) + WARM_UP_S
    epochs, visible = [epoch for epoch, _ in gold], [at for _, at in gold]
    found = []
    for partition, stamps in times.items():
        bounds = [to for to, _ in ends[partition]]
        for offset, stamp in enumerate(stamps):
            if stamp < begin:
                continue
            epoch = ends[partition][bisect.bisect_right(bounds, offset)][1]
            found.append(visible[bisect.bisect_left(epochs, epoch)] - stamp)
    return found


def measure(medallion, broker, directory, rate, seconds):
    warehouse = pathlib.Path(directory) / "latency"
    file = pathlib.Path(directory) / "latency.sql"
    file.write_text(pipeline_text(medallion))
    broker.create_topic(TOPIC, PARTITIONS)
    watcher = Watcher(warehouse / TABLES["gold"])
    watcher.start()
    run = foreset.Run(["run", file, "--warehouse", warehouse, "--progress", "none", "--kafka",
                       f"bootstrap.servers={broker.address}", "--kafka", "security.protocol=plaintext"])
    run.wait_for(lambda: delta_log.exists(warehouse / TABLES["gold"]), what="gold's first version")
    foreset.produce(broker.address, TOPIC, f"user-events:{rate * seconds}:7", "--key", "user_id", "--rate", rate)
    run.wait_for(lambda: rows_read(warehouse) == rate * seconds, DRAIN_SECONDS_MAX, "bronze with every row")
    run.drain(DRAIN_SECONDS_MAX).check()
    watcher.ended.set()
    watcher.join()
    watcher.seen.update({v: time.time() for v in delta_log.versions(watcher.log.parent) if v not in watcher.seen})
    found = delays(records(broker), covered(warehouse), gold_times(warehouse, watcher.seen))
    cuts = statistics.quantiles(found, n=100)
    return Seen(cuts[49], cuts[98], max(found), len(found), len(watcher.seen))
