"""What happens to a topic between two runs and during one: records deleted up to the position or beyond it, the topic
deleted or created again, an unclean election, offsets without records, a broker that stands still or lost its disk."""

import shutil
import signal
import time

import delta_log
import foreset
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from deltalake import DeltaTable
from kafka_broker import KafkaBroker, KafkaCluster

counter = iter(range(1000))

BRONZE = """CREATE OR REFRESH STREAMING TABLE t AS
SELECT CAST(value AS STRING) AS v, partition, offset, timestamp
FROM STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{topic}', {options}startingOffsets => '{start}');
"""


class Bronze:
    """One bronze table over a topic of its own."""

    def __init__(self, directory, broker, partitions=2, options="", start="earliest", config=None):
        self.broker, self.topic = broker, f"topic-{next(counter)}"
        self.warehouse = directory / "warehouse"
        self.table = self.warehouse / "t"
        self.file = directory / "bronze.sql"
        broker.create_topic(self.topic, partitions, config)
        self.write(options, start)
        self.args = ["run", self.file, "--warehouse", self.warehouse, "--kafka", f"bootstrap.servers={broker.address}"]

    def write(self, options="", start="earliest"):
        self.file.write_text(BRONZE.format(topic=self.topic, options=options, start=start))

    def produce(self, values, partition=0, **kwargs):
        self.broker.produce(self.topic, values, partition, **kwargs)

    def run(self, *args, timeout=90):
        return foreset.run(*self.args, "--available-now", *args, timeout=timeout)

    def values(self):
        if not delta_log.exists(self.table):
            return []
        return sorted(DeltaTable(str(self.table)).to_pyarrow_table().column("v").to_pylist())

    def recreate(self, partitions=2, config=None):
        self.broker.delete_topic(self.topic)
        self.broker.create_topic(self.topic, partitions, config)


def named(prefix, count):
    return [f"{prefix}{i:05d}" for i in range(count)]


LOST = "failOnDataLoss => 'false', "


@pytest.mark.parametrize("options", ["", LOST])
@pytest.mark.parametrize("kept", [0, 1, 5])
def test_what_was_read_may_expire(broker, tmp_path, options, kept):
    """Records deleted up to the position, or up to a few before it: nothing is lost, so the run goes on."""
    bronze = Bronze(tmp_path, broker, options=options)
    bronze.produce(named("a", 100))
    bronze.run().check()
    broker.delete_records(bronze.topic, {0: 100 - kept})
    bronze.run().check()
    bronze.produce(named("b", 20))
    bronze.produce(named("c", 20), partition=1)
    bronze.run().check()
    assert bronze.values() == sorted(named("a", 100) + named("b", 20) + named("c", 20))


@pytest.mark.parametrize("options", ["", LOST])
def test_unread_records_expire_while_stopped(broker, tmp_path, options):
    bronze = Bronze(tmp_path, broker, options=options)
    bronze.produce(named("a", 100))
    bronze.run().check()
    bronze.produce(named("b", 20))
    broker.delete_records(bronze.topic, {0: 105})
    done = bronze.run()
    if options:
        done.check()
        assert bronze.values() == sorted(named("a", 100) + named("b", 20)[5:])
        assert "100" in done.stderr and "105" in done.stderr and bronze.topic in done.stderr
    else:
        done.check(foreset.EXIT_FAILED)
        assert bronze.values() == named("a", 100)
        assert bronze.topic in done.stderr and "failOnDataLoss" in done.stderr


@pytest.mark.parametrize("options", ["", LOST])
def test_unread_records_expire_while_a_run_reads(broker, tmp_path, options):
    """The epochs that were planned over them are planned again: behind a gap, or not at all."""
    bronze = Bronze(tmp_path, broker, partitions=1, options=options + "maxOffsetsPerTrigger => 1000, ")
    bronze.produce(named("a", 20000), size=2000)
    running = foreset.Run([*bronze.args, "--set", "pipeline.trigger=100 milliseconds", "--memory", "128M"])
    try:
        running.wait_for(lambda: len(bronze.values()) >= 2000, what="the first epochs")
        broker.delete_records(bronze.topic, {0: 19000})
        if options:
            running.wait_for(lambda: "a19999" in bronze.values()[-1], what="the last record")
            running.drain().check()
        else:
            running.wait(60).check(foreset.EXIT_FAILED)
            assert "failOnDataLoss" in running.stderr and bronze.topic in running.stderr
    finally:
        running.kill()
    values = bronze.values()
    assert len(set(values)) == len(values)
    read = [value for value in named("a", 20000) if value in set(values)]
    assert read == values
    head = named("a", 20000)[:len(values) - (1000 if options else 0)]
    assert values[:len(head)] == head


# ---- While a run reads ----

def long_run(bronze, *args):
    return foreset.Run([*bronze.args, "--set", "pipeline.trigger=200 milliseconds", *args])


def backlog(bronze, prefix="a"):
    """More than the queues hold, so that the run is in the middle of it for some time."""
    bronze.produce(named(prefix, 20000), size=2000)


@pytest.mark.parametrize("refill", [0, 50])
def test_a_topic_created_again_while_a_run_reads_stops_it(broker, tmp_path, refill):
    bronze = Bronze(tmp_path, broker, partitions=1, options="maxOffsetsPerTrigger => 1000, ")
    backlog(bronze)
    running = long_run(bronze, "--memory", "128M")
    try:
        running.wait_for(lambda: len(bronze.values()) >= 2000, what="the first epochs")
        bronze.recreate(1)
        if refill:
            bronze.produce(named("b", refill))
        running.wait(20).check(foreset.EXIT_FAILED)
    finally:
        running.kill()
    # asked in between, the broker has no such topic
    assert bronze.topic in running.stderr
    assert "--full-refresh" in running.stderr or "does not exist" in running.stderr
    assert bronze.values() == named("a", len(bronze.values()))


def test_a_topic_deleted_while_a_run_reads_stops_it(broker, tmp_path):
    bronze = Bronze(tmp_path, broker, partitions=1, options="maxOffsetsPerTrigger => 1000, ")
    backlog(bronze)
    running = long_run(bronze, "--memory", "128M")
    try:
        running.wait_for(lambda: len(bronze.values()) >= 2000, what="the first epochs")
        broker.delete_topic(bronze.topic)
        running.wait(20).check(foreset.EXIT_FAILED)
    finally:
        running.kill()
    assert bronze.topic in running.stderr and "does not exist" in running.stderr
    assert bronze.values() == named("a", len(bronze.values()))


@pytest.mark.parametrize("busy", [True, False])
def test_a_drain_ends_though_the_broker_stands_still(tmp_path, busy):
    """A broker that holds its connections and answers nothing: the drain says what it waited for, and ends."""
    with KafkaBroker(tmp_path / "kafka") as broker:
        bronze = Bronze(tmp_path, broker, partitions=1, options="maxOffsetsPerTrigger => 1000, ")
        if busy:
            backlog(bronze)
        else:
            bronze.produce(named("a", 100))
        running = long_run(bronze, "--memory", "128M")
        try:
            running.wait_for(lambda: len(bronze.values()) >= (2000 if busy else 100), what="the first epochs")
            broker.process.send_signal(signal.SIGSTOP)
            running.drain(30)
        finally:
            running.kill()
        broker.process.send_signal(signal.SIGCONT)
        if running.returncode != foreset.EXIT_DONE:
            running.check(foreset.EXIT_FAILED)
            assert bronze.topic in running.stderr and "drain" in running.stderr and "Nothing is lost" in running.stderr
        values = bronze.values()
        assert values == named("a", len(values))
        bronze.run().check()
        assert bronze.values() == named("a", 20000 if busy else 100)


# ---- Created again and filled beyond the position ----

def published(bronze, count):
    return lambda: len(bronze.values()) >= count


@pytest.mark.parametrize("options", ["", LOST])
@pytest.mark.parametrize("same", [False, True])
def test_a_topic_created_again_between_two_polls(broker, tmp_path, options, same):
    """Filled beyond the position before anybody looked: the record before the next range is another one.
    same: with the same values, as of a producer that was started over; only their times differ."""
    bronze = Bronze(tmp_path, broker, partitions=1, options=options)
    bronze.produce(named("a", 100))
    running = foreset.Run([*bronze.args, "--set", "pipeline.trigger=8 seconds"])
    try:
        running.wait_for(published(bronze, 100), what="the first epoch")
        bronze.recreate(1)
        bronze.produce(named("a" if same else "b", 150))
        if options:
            running.wait_for(published(bronze, 250), what="the new topic's records")
            running.drain().check()
        else:
            running.wait(40).check(foreset.EXIT_FAILED)
    finally:
        running.kill()
    if options:
        assert bronze.values() == sorted(named("a", 100) + named("a" if same else "b", 150))
        assert bronze.topic in running.stderr and "created again" in running.stderr
    else:
        assert bronze.values() == named("a", 100)
        assert bronze.topic in running.stderr and "created again" in running.stderr and "offset 99" in running.stderr
    bronze.write(LOST)
    bronze.run().check()  # whoever stopped there may go on
    assert bronze.values() == sorted(named("a", 100) + named("a" if same else "b", 150))


@pytest.mark.parametrize("refill", [0, 40, 100, 150])
@pytest.mark.parametrize("options", ["", LOST])
def test_a_topic_created_again_while_stopped(broker, tmp_path, options, refill):
    bronze = Bronze(tmp_path, broker, partitions=2, options=options)
    bronze.produce(named("a", 100))
    bronze.produce(named("c", 10), partition=1)
    bronze.run().check()
    bronze.recreate(2)
    if refill:
        bronze.produce(named("b", refill))
    done = bronze.run()
    if options:
        done.check()
        bronze.produce(named("d", 5), partition=1)
        bronze.produce(named("e", 5))
        bronze.run().check()
        bronze.run().check()
        wanted = named("a", 100) + named("c", 10) + named("b", refill) + named("d", 5) + named("e", 5)
        assert bronze.values() == sorted(wanted)
        assert bronze.topic in done.stderr
    else:
        done.check(foreset.EXIT_FAILED)
        assert bronze.topic in done.stderr and "--full-refresh" in done.stderr
        assert bronze.values() == sorted(named("a", 100) + named("c", 10))


@pytest.mark.parametrize("options", ["", LOST])
def test_fewer_partitions_after_a_topic_was_created_again(broker, tmp_path, options):
    bronze = Bronze(tmp_path, broker, partitions=3, options=options)
    for partition in range(3):
        bronze.produce(named(f"a{partition}-", 20), partition=partition)
    bronze.run().check()
    bronze.recreate(1)
    bronze.produce(named("b", 30))
    done = bronze.run()
    first = [value for partition in range(3) for value in named(f"a{partition}-", 20)]
    if options:
        done.check()
        broker.add_partitions(bronze.topic, 3)
        bronze.produce(named("c", 5), partition=2)
        bronze.run().check()
        assert bronze.values() == sorted(first + named("b", 30) + named("c", 5))
    else:
        done.check(foreset.EXIT_FAILED)
        assert bronze.topic in done.stderr and bronze.values() == sorted(first)


# ---- Offsets that hold no record ----

def transactional(broker, topic, values, commit, partition=0):
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": f"{topic}-{commit}", "log_level": 0})
    producer.init_transactions(30)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value, partition=partition)
    producer.flush(30)
    if commit:
        producer.commit_transaction(30)
    else:
        producer.abort_transaction(30)


@pytest.mark.parametrize("isolation", ["read_committed", "read_uncommitted"])
@pytest.mark.parametrize("tail", [True, False])
def test_epochs_end_at_markers_and_aborted_records(broker, tmp_path, isolation, tail):
    """The offset before the position may be a marker's: the evidence is the last record that was read."""
    bronze = Bronze(tmp_path, broker, partitions=1, options=f"`kafka.isolation.level` => '{isolation}', ")
    wanted = []
    for turn in range(3):
        transactional(broker, bronze.topic, named(f"c{turn}-", 20), True)
        wanted += named(f"c{turn}-", 20)
        if tail:
            transactional(broker, bronze.topic, named(f"x{turn}-", 20), False)
            wanted += named(f"x{turn}-", 20) if isolation == "read_uncommitted" else []
        bronze.run().check()
        assert bronze.values() == sorted(wanted)
    bronze.recreate(1)
    for turn in range(4):
        transactional(broker, bronze.topic, named(f"n{turn}-", 20), True)
        transactional(broker, bronze.topic, named(f"m{turn}-", 20), False)
    bronze.run().check(foreset.EXIT_FAILED)
    assert bronze.values() == sorted(wanted)


def test_a_compacted_record_is_no_evidence(broker, tmp_path):
    """The record before the position is compacted away: the run goes on, the end alone is compared."""
    bronze = Bronze(tmp_path, broker, partitions=1, config={
        "cleanup.policy": "compact", "segment.ms": "100", "min.cleanable.dirty.ratio": "0.01",
        "max.compaction.lag.ms": "100", "min.compaction.lag.ms": "0", "delete.retention.ms": "100"})
    bronze.produce(["a"] * 20, key="same")
    bronze.run().check()

    def first():  # offset of the first record that is left
        consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "first", "log_level": 0})
        try:
            consumer.assign([TopicPartition(bronze.topic, 0, 0)])
            return next(message.offset() for message in iter(lambda: consumer.poll(10), None) if not message.error())
        finally:
            consumer.close()
    deadline, count = time.monotonic() + 60, 0
    while first() < 20:  # a segment is cleaned only behind the next record
        assert time.monotonic() < deadline, "the topic was not compacted"
        bronze.produce(["b"], key="same")
        count += 1
    bronze.run().check()
    values = bronze.values()
    assert values.count("a") == 20 and 1 <= values.count("b") <= count


def test_partitions_added_while_a_run_reads(broker, tmp_path):
    bronze = Bronze(tmp_path, broker, partitions=1)
    bronze.produce(named("a", 20))
    running = long_run(bronze)
    try:
        running.wait_for(published(bronze, 20), what="the first epoch")
        broker.add_partitions(bronze.topic, 3)
        bronze.produce(named("b", 20), partition=2)
        bronze.produce(named("c", 20))
        running.wait_for(published(bronze, 60), what="the new partition")
        running.drain().check()
    finally:
        running.kill()
    assert bronze.values() == named("a", 20) + named("b", 20) + named("c", 20)


@pytest.mark.parametrize("offset, code", [(20, 0), (21, 1), (2**62, 1), (-1, 0), (-2, 0)])
def test_starting_offsets_beyond_the_end_are_refused(broker, tmp_path, offset, code):
    bronze = Bronze(tmp_path, broker, partitions=1)
    bronze.produce(named("a", 20))
    bronze.write(start=f'{{"{bronze.topic}":{{"0":{offset}}}}}')
    done = bronze.run().check(code)
    if code:
        assert str(offset) in done.stderr and "[0, 20)" in done.stderr and bronze.topic in done.stderr
    assert bronze.values() == (named("a", 20) if offset == -2 else [])


# ---- Brokers ----

@pytest.mark.long
@pytest.mark.parametrize("options", ["", LOST])
def test_a_broker_that_comes_back_with_an_empty_disk(tmp_path, options):
    with KafkaBroker(tmp_path / "kafka") as broker:
        bronze = Bronze(tmp_path, broker, partitions=1, options=options)
        bronze.produce(named("a", 100))
        bronze.run().check()
        broker.kill()
        shutil.rmtree(broker.directory / "logs")
        broker.start()
        done = bronze.run()
        done.check(foreset.EXIT_FAILED)  # the topic is not there: whatever may be lost, nobody can read it
        assert bronze.topic in done.stderr and "does not exist" in done.stderr
        broker.create_topic(bronze.topic, 1)
        bronze.produce(named("b", 120))
        done = bronze.run().check(0 if options else foreset.EXIT_FAILED)
        assert bronze.topic in done.stderr
        assert bronze.values() == sorted(named("a", 100) + (named("b", 120) if options else []))


@pytest.mark.long
@pytest.mark.parametrize("options", ["", LOST])
def test_an_unclean_election_between_two_epochs(tmp_path, options):
    """A follower that has missed the tail is elected and filled beyond the position: the tail that was read is gone."""
    with KafkaCluster(tmp_path / "kafka", 3) as cluster:
        bronze = Bronze(tmp_path, cluster, partitions=1, options=options)
        bronze.produce(named("a", 50), **{"acks": "all"})
        leader, follower = cluster.replicas(bronze.topic)
        cluster.kill(follower)
        cluster.wait_in_sync(bronze.topic, [leader])
        bronze.produce(named("b", 50), **{"acks": "1"})
        bronze.run().check()
        assert len(bronze.values()) == 100
        cluster.kill(leader)
        cluster.start_broker(follower)
        cluster.elect_unclean(bronze.topic, follower)
        bronze.produce(named("c", 80), **{"acks": "1"})  # offsets 50 to 129
        done = bronze.run().check(0 if options else foreset.EXIT_FAILED)
        assert bronze.topic in done.stderr
        tail = named("a", 50) + named("c", 80) if options else []
        assert bronze.values() == sorted(named("a", 50) + named("b", 50) + tail)
