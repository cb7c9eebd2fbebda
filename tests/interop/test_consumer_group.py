"""Kafka's own tool shows how far a pipeline is: its offsets are reported to a consumer group (P20)."""

import foreset
from cluster import wait_until
from kafka_broker import KafkaBroker
from medallion import Medallion


def produce(broker, topic, events, seed):
    done = foreset.Run(["produce", "--brokers", broker.address, "--topic", topic, "--key", "user_id", "--generate",
                        f"user-events:{events}:{seed}"]).wait()
    assert done.returncode == 0, done.stderr


def test_consumer_groups_shows_the_lag(tmp_path):
    with KafkaBroker(tmp_path / "kafka") as broker:
        broker.create_topic("events", 3)
        produce(broker, "events", 3000, 1)
        read = broker.ends("events")
        medallion = Medallion(tmp_path / "medallion", broker.address, "events", 500)
        assert broker.group("foreset-user_events") == {}
        assert medallion.run().returncode == 0
        found = broker.group("foreset-user_events")
        assert found == {("events", p): (end, end, 0) for p, end in read.items()}
        produce(broker, "events", 700, 2)
        behind = broker.group("foreset-user_events")
        ends = broker.ends("events")
        assert behind == {("events", p): (read[p], end, end - read[p]) for p, end in ends.items()}
        assert sum(lag for _, _, lag in behind.values()) == 700
        # While it runs the lag goes down; what the group says is never read back.
        admin = broker.admin()
        admin.delete_consumer_groups(["foreset-user_events"])["foreset-user_events"].result(30)
        run = medallion.start()
        wait_until(lambda: broker.group("foreset-user_events")
                   == {("events", p): (end, end, 0) for p, end in ends.items()}, 60, "the running one reports")
        run.drain().check()
        assert medallion.check() == []
