"""The leader reports what is published to a consumer group, as in standalone mode (tests/interop)."""

from cluster import Cluster, wait_until
from medallion import Medallion
from test_pipelines import EVENTS, apply, produce


def test_consumer_groups_shows_the_lag_of_a_cluster(tmp_path):
    with Cluster(tmp_path / "cluster", coordinators=2, workers=2, members=1) as cluster:
        broker = cluster.broker
        cluster.start_workers("w1", "w2")
        broker.create_topic("events", 4)
        medallion = Medallion(tmp_path / "medallion", broker.address, "events", 10000, "1 second")
        apply(cluster, medallion)
        producer = produce(cluster, "events", 5, rate=20000)
        producer.wait()
        ends = broker.ends("events")
        wait_until(lambda: broker.group("foreset-user_events")
                   == {("events", p): (end, end, 0) for p, end in ends.items()}, 60,
                   f"the group stands at the topic's ends\n{cluster.logs()}")
        cluster.command("pipelines", "stop", medallion.name, "--drain")
        wait_until(lambda: cluster.pipeline(medallion.name)["state"] == "stopped", 60, cluster.logs())
        assert medallion.check() == []
        produce(cluster, "events", 6, rate=20000).wait()
        behind = broker.group("foreset-user_events")
        assert {key: offset for key, (offset, _, _) in behind.items()} == {("events", p): e for p, e in ends.items()}
        assert sum(lag for _, _, lag in behind.values()) == EVENTS
        # Another leader goes on reporting.
        cluster.command("pipelines", "start", medallion.name)
        cluster.processes[cluster.leader()].kill()
        more = broker.ends("events")
        wait_until(lambda: broker.group("foreset-user_events")
                   == {("events", p): (end, end, 0) for p, end in more.items()}, 60,
                   f"the next leader reports\n{cluster.logs()}")
