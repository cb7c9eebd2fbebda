"""The medallion on a cluster: two coordinators, three workers, three etcd members, a broker, each on a host of its own.

Rows come at a fixed rate while something happens; at the end everything is drained, and the tables equal the reference.
What goes on after each fault is measured at the tables: bronze's log must grow again within RESUME_SECONDS_MAX.
"""

import collections
import os
import signal
import threading
import time

import delta_log
import foreset
from cluster import Cluster, lasts, wait_until
from medallion import Medallion

EVENTS = int(os.environ.get("FORESET_CLUSTER_EVENTS", 60000))
RATE = 4000
RESUME_SECONDS_MAX = 40  # of a loaded machine; what it was is printed


class Running:
    """A cluster that runs the medallion while a producer writes at a fixed rate."""

    def __init__(self, directory, topic="events", partitions=6, trigger="1 second", **kwargs):
        self.cluster = Cluster(directory / "cluster", **kwargs)
        self.topic = topic
        self.partitions, self.trigger = partitions, trigger
        self.directory = directory
        self.resumed, self.gaps, self.restarts = {}, {}, None
        self.producer, self.flows = None, False

    def __enter__(self):
        self.cluster.__enter__()
        try:
            self.cluster.broker.create_topic(self.topic, self.partitions)
            self.medallion = Medallion(self.directory / "medallion", self.cluster.broker.address, self.topic,
                                       100000, trigger=self.trigger)
            self.medallion.warehouse = self.cluster.warehouse
        except BaseException:
            self.cluster.close()
            raise
        return self

    def __exit__(self, kind, *_):
        if self.producer:
            self.producer.kill()
        if kind:
            print(self.cluster.logs(40))
        self.cluster.__exit__(kind)

    def apply(self):
        return self.cluster.command("pipelines", "apply", self.medallion.pipeline, "--kafka",
                                    f"bootstrap.servers={self.cluster.broker.address}", "--kafka",
                                    "security.protocol=plaintext")

    def produce(self, events, seed, rate=RATE):
        """In the background; returns what join() ends with."""
        args = ["produce", "--brokers", self.cluster.broker.address, "--topic", self.topic, "--key", "user_id",
                "--generate", f"user-events:{events}:{seed}"]
        self.producer = foreset.Run([*args, *(["--rate", str(rate)] if rate else [])])
        return self.producer

    def flow(self, seed, rate=RATE):
        """Rows at a fixed rate for as long as the test takes; finish() ends it."""
        self.produce(rate * 3600, seed, rate)
        self.flows = True

    def version(self):
        path = self.medallion.path("bronze")
        return delta_log.latest_version(path) if delta_log.exists(path) else -1

    def goes_on(self, what, seconds=RESUME_SECONDS_MAX):
        """Bronze grows again; says how long that took."""
        begin, before = time.monotonic(), self.version()
        # What was decided before the fault may still be put after it: the second new version is of a later epoch.
        wait_until(lambda: self.version() >= before + 2, seconds, f"output goes on after: {what}")
        self.resumed[what] = time.monotonic() - begin
        self.gaps[what] = self.gap(before)
        print(f"{what}: output went on after {self.resumed[what]:.1f} s, longest gap {self.gaps[what]:.1f} s",
              flush=True)

    def gap(self, version):
        """The longest time between two commits of bronze from this version on."""
        log = self.medallion.path("bronze") / "_delta_log"
        at = [(log / f"{v:020}.json").stat().st_mtime for v in range(max(version, 0), self.version() + 1)]
        return max([b - a for a, b in zip(at, at[1:])], default=0)

    def in_flight(self):
        """Epochs that are planned and not published; 0 while nobody knows."""
        said = (self.cluster.pipeline() or {}).get("status") or {}
        return max(0, said.get("planned", 0) - said.get("published", 0))

    def finish(self, seconds=120):
        """Everything produced is read within so long; drained; equal to the reference."""
        if self.flows:
            self.producer.signal(signal.SIGTERM)
            self.producer.wait()
            self.produce(1000, 99, rate=0)
        self.producer.wait()
        assert self.producer.returncode == 0, self.producer.stderr
        ends = self.cluster.broker.ends(self.topic)
        wait_until(lambda: {p["partition"]: p["next"] for p in self.cluster.said("partitions") or []} == ends, seconds,
                   f"everything is read, up to {ends}")
        self.restarts = self.cluster.said("restarts")
        self.cluster.command("pipelines", "stop", "user_events", "--drain")
        wait_until(lambda: (self.cluster.pipeline() or {}).get("state") == "stopped", 60,
                   f"drained\n{self.cluster.logs()}")
        assert self.medallion.check_structure() == []
        assert self.medallion.check() == []


def test_three_workers_make_what_one_makes(tmp_path):
    with Running(tmp_path) as run:
        run.cluster.start_workers("w1", "w2", "w3")
        run.apply()
        begin = time.monotonic()
        run.produce(EVENTS, 1, rate=0)
        run.finish(120 + EVENTS / 5000)
        versions = {table: version + 1 for table, version in run.medallion.versions().items()}
        print(f"{EVENTS} events through three workers, checked after {time.monotonic() - begin:.0f} s; "
              f"commits {versions}, {run.restarts} restarts, longest gap {run.gap(1):.1f} s")
        assert not run.cluster.events("event=restart", "has ended"), run.cluster.logs()


def test_scaled_from_one_to_three_to_two(tmp_path):
    with Running(tmp_path) as run:
        cluster = run.cluster
        cluster.start_workers("w1")
        run.apply()
        run.flow(2)
        run.goes_on("start")
        cluster.start_workers("w2", "w3")
        wait_until(lambda: all(w["takesPart"] for w in cluster.said("workers") or [{"takesPart": False}])
                   and len(cluster.said("workers")) == 3, 30, "three take part")
        run.goes_on("two workers joined")
        held = {w["name"]: w["shards"] for w in cluster.said("workers")}
        assert max(held.values()) - min(held.values()) <= 1 and sum(held.values()) == 256
        cluster.command("workers", "drain", "w1")
        wait_until(lambda: [w["state"] for w in cluster.command("workers", "list")["workers"] if w["name"] == "w1"]
                   == ["drained"], 30, "w1 drained")
        assert cluster.processes["w1"].stop() == 0
        run.goes_on("a drained worker stopped")
        # A machine that stands still for seconds has other restarts; none is for what was done here.
        assert len(cluster.events("event=moving")) >= 2, cluster.logs()
        assert not cluster.events("event=restart", "has ended"), cluster.logs()
        run.finish()


def test_a_worker_that_is_asked_to_end_hands_over_first(tmp_path):
    """SIGTERM costs a move at a border, no attempt; and its name is free for the next process at once."""
    with Running(tmp_path) as run:
        cluster = run.cluster
        cluster.start_workers("w1", "w2", "w3")
        run.apply()
        run.flow(8)
        run.goes_on("start")
        wait_until(lambda: [w["takesPart"] for w in cluster.said("workers") or []] == [True] * 3, 30, "all take part")
        for name in ("w2", "w1"):
            assert cluster.processes[name].stop() == 0, cluster.logs()
            wait_until(lambda: cluster.events("event=worker_left", f"worker={name}"), 30, f"{name} has left")
            run.goes_on(f"{name} asked to end")
            cluster.start_workers(name)
            run.goes_on(f"{name} came back")
        assert len(cluster.events("event=moving")) >= 4, cluster.logs()
        assert not cluster.events("event=restart", "has ended"), cluster.logs()
        run.finish()


FAULTS = ["worker killed", "leader killed", "standby killed", "worker stopped", "leader stopped past its lease",
          "leader cut from a worker", "leader cannot send to a worker", "worker cannot send to the leader",
          "worker cannot send to a worker", "leader cut from etcd", "etcd member killed", "etcd away",
          "broker restarted"]


def fault(run, what):
    """Does it; returns what undoes it."""
    cluster, processes, network = run.cluster, run.cluster.processes, run.cluster.network
    leader = cluster.leader()
    standby = next(name for name in cluster.coordinators if name != leader)
    host = network.hosts
    if what == "worker killed":
        processes["w2"].kill()
        return processes["w2"].start
    if what in ("leader killed", "standby killed"):
        killed = processes[leader if what == "leader killed" else standby]
        killed.kill()
        return killed.start
    if what in ("worker stopped", "leader stopped past its lease"):
        stopped = processes["w3" if what == "worker stopped" else leader]
        stopped.signal(signal.SIGSTOP)
        return lambda: stopped.signal(signal.SIGCONT)
    if what == "etcd member killed":
        cluster.etcd.members[0].kill()
        return cluster.etcd.members[0].start
    if what == "etcd away":
        for member in cluster.etcd.members:
            member.signal(signal.SIGSTOP)
        lasts(5)  # longer than the lease
        for member in cluster.etcd.members:
            member.signal(signal.SIGCONT)
        return lambda: None
    if what == "broker restarted":
        cluster.broker.restart()
        return lambda: None
    pairs = {"leader cut from a worker": [(leader, "w1", True)],
             "leader cannot send to a worker": [(leader, "w2", False)],
             "worker cannot send to the leader": [("w3", leader, False)],
             "worker cannot send to a worker": [("w1", "w3", False)],
             "leader cut from etcd": [(leader, e.name, True) for e in cluster.etcd.hosts]}[what]
    for a, b, both in pairs:
        network.cut(host[a], host[b], both)
    return lambda: [network.heal(host[a], host[b]) for a, b, _ in pairs]


def test_each_fault_in_turn(tmp_path):
    """Each fault alone, undone when the rest has gone on without it."""
    with Running(tmp_path) as run:
        run.cluster.start_workers("w1", "w2", "w3")
        run.apply()
        run.flow(3, rate=2000)
        run.goes_on("start")
        for what in FAULTS:
            undo = fault(run, what)
            run.goes_on(what)
            undo()
            wait_until(lambda: run.cluster.active() >= {"w1", "w2", "w3"}, 30, f"all workers are back after: {what}")
        run.finish()
        print({what: round(seconds, 1) for what, seconds in run.resumed.items()})


def test_etcd_wiped_and_recovered(tmp_path):
    """P21: with the kv store lost, the tables' own logs say where it goes on, once a person says so."""
    with Running(tmp_path) as run:
        cluster = run.cluster
        cluster.start_workers("w1", "w2")
        run.apply()
        run.flow(5)
        run.goes_on("start")
        cluster.etcd.wipe()
        # Whoever finds another store in etcd's place ends, and says what a person must do.
        for name in cluster.coordinators:
            wait_until(lambda: not cluster.processes[name].running(), 30, f"{name} ends\n{cluster.logs()}")
            assert cluster.processes[name].process.returncode == 1
            assert "pipelines adopt" in cluster.processes[name].text()
            cluster.processes[name].start()
        cluster.wait_leader()
        assert cluster.command("pipelines", "list")["pipelines"] == []
        wait_until(lambda: cluster.active() >= {"w1", "w2"}, 30, "workers are back")
        run.apply()
        failed = wait_until(lambda: (cluster.pipeline() or {}).get("state") == "failed" and cluster.pipeline(), 30,
                            f"tables of a pipeline that nobody knows are refused\n{cluster.logs()}")
        assert "adopt" in failed["error"], failed
        cluster.command("pipelines", "adopt", "user_events")
        run.goes_on("etcd wiped")
        run.finish()


def test_every_role_killed_again_and_again(tmp_path):
    """Every role is killed in turn, every few seconds (FORESET_LONG: 200 times); output stays exact."""
    kills = int(os.environ.get("FORESET_CLUSTER_KILLS", 200 if os.environ.get("FORESET_LONG") else 10))
    with Running(tmp_path, trigger="200 milliseconds") as run:  # so that most kills hit an epoch
        cluster, names = run.cluster, ["w1", "c1", "w2", "c2", "w3"]
        cluster.start_workers("w1", "w2", "w3")
        run.apply()
        run.flow(6, rate=2000)
        run.goes_on("start")
        begin, roles, flying = time.monotonic(), collections.Counter(), collections.Counter()
        for number in range(kills):
            name = names[number % len(names)]
            leads = name == cluster.leader()
            flying[run.in_flight()] += 1
            victim = cluster.processes[name]
            victim.kill()
            back = threading.Timer(0.3, victim.start)
            back.start()
            role = "worker" if name.startswith("w") else "leader" if leads else "standby"
            roles[role] += 1
            run.goes_on(f"kill {number + 1}: {role} {name}")
            back.join()
            if number % 10 == 9:
                assert run.medallion.check_structure() == []
        lasted = time.monotonic() - begin
        run.finish()
        times, gaps = sorted(run.resumed.values()), sorted(run.gaps.values())
        print(f"{dict(roles)} killed in {lasted:.0f} s, epochs in flight at the kill (times seen): "
              f"{dict(sorted(flying.items()))}; output went on after {times[len(times) // 2]:.1f} s (median), "
              f"{times[-1]:.1f} s (most); longest gap between two commits {gaps[len(gaps) // 2]:.1f} s (median), "
              f"{gaps[-1]:.1f} s (most); restarts of the last leader: {run.restarts}")
