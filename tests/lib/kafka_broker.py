"""A real Kafka broker (KRaft, one node) on the loopback, from the jars that deploy/deps.sh --test fetched.

Promises: its own port, kept over kill and restart; ready means that it answered a metadata request; topics are
created by name and partition count only. A broker that dies or does not come up raises with the end of its log.
Alone:  kafka_broker.py --dir DIR [--topic NAME:PARTITIONS]... [--address-file FILE]   runs until SIGTERM or SIGINT.
"""

import argparse
import base64
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid

from confluent_kafka import Consumer, ElectionType, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

CACHE = pathlib.Path(os.environ.get("FORESET_CACHE") or
                     pathlib.Path(os.environ.get("XDG_CACHE_HOME", pathlib.Path.home() / ".cache")) / "foreset")
READY_SECONDS_MAX = 120

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://{host}:{port},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://{host}:{port},SASL://127.0.0.1:{sasl}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
listener.name.sasl.sasl.enabled.mechanisms=PLAIN
listener.name.sasl.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
  user_tester="right";
inter.broker.listener.name=PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
auto.create.topics.enable=false
num.partitions=1
log.retention.ms=-1
log.cleaner.dedupe.buffer.size=16777216
socket.request.max.bytes=104857600
"""


def free_ports(count):
    """Ports that nobody listens on now; all are held until the last is found, so they differ."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [sock.getsockname()[1] for sock in sockets]
    finally:
        for sock in sockets:
            sock.close()


class KafkaBroker:
    """host and wrapper: another address than the loopback, and the command that puts a process where that is."""

    def __init__(self, directory, heap="512m", host="127.0.0.1", wrapper=()):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.heap, self.wrapper = heap, list(wrapper)
        self.port, sasl, controller = free_ports(3)
        self.address = f"{host}:{self.port}"
        self.sasl_address = f"127.0.0.1:{sasl}"  # SASL_PLAINTEXT, PLAIN, user tester with password right
        self.log_path = self.directory / "broker.log"
        self.process = None
        self.properties = self.directory / "server.properties"
        self.properties.write_text(PROPERTIES.format(host=host, port=self.port, sasl=sasl, controller=controller,
                                                     logs=self.directory / "logs"))

    def _java(self, main, *args, heap):
        jars = CACHE / "kafka-jars"
        if not any(jars.glob("kafka_2.13-*.jar")):
            raise FileNotFoundError(f"no Kafka jars in {jars}: run deploy/deps.sh --test")
        return [*self.wrapper, "java", f"-Xmx{heap}", f"-Xms{heap}", "-XX:+UseSerialGC",
                "-Dlog4j2.level=WARN", "-cp", f"{jars}/*", main, *args]

    def format(self):
        # "-" as its first letter would make the id an option
        cluster = base64.b64encode(uuid.uuid4().bytes, b"xy").decode().rstrip("=")
        done = subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", cluster, "-c",
                                         str(self.properties), heap="128m"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=READY_SECONDS_MAX)
        if done.returncode != 0:
            raise RuntimeError(f"kafka storage format failed: {done.stdout[-2000:]}")

    def start(self):
        if not (self.directory / "logs").exists():
            self.format()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self._java("kafka.Kafka", str(self.properties), heap=self.heap),
                                            stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            self.wait_ready()
        except BaseException:
            self.kill()
            raise
        return self

    def admin(self):
        return AdminClient({"bootstrap.servers": self.address, "reconnect.backoff.max.ms": 200,
                            "log_level": 0, "socket.connection.setup.timeout.ms": 2000})

    def wait_ready(self):
        deadline = time.monotonic() + READY_SECONDS_MAX
        admin = self.admin()
        while True:
            if self.process.poll() is not None:
                raise RuntimeError(f"the broker ended with {self.process.returncode}: {self.log_tail()}")
            try:
                admin.list_topics(timeout=1)
                return
            except KafkaException:
                if time.monotonic() > deadline:
                    raise TimeoutError(f"broker not ready in {READY_SECONDS_MAX} s: {self.log_tail()}") from None

    def log_tail(self):
        return self.log_path.read_text(errors="replace")[-3000:]

    def create_topic(self, name, partitions=1, config=None):
        topic = NewTopic(name, num_partitions=partitions, replication_factor=1, config=config or {})
        admin = self.admin()
        admin.create_topics([topic], request_timeout=30)[name].result(60)
        self._wait_partitions(name, partitions)

    def add_partitions(self, name, total):
        admin = self.admin()
        admin.create_partitions([NewPartitions(name, total)])[name].result(60)
        self._wait_partitions(name, total)

    def delete_topic(self, name):
        admin = self.admin()
        admin.delete_topics([name], request_timeout=30)[name].result(60)

    def delete_records(self, name, before):
        """before: {partition: first offset that stays}"""
        admin = self.admin()  # its futures end with it
        futures = admin.delete_records([TopicPartition(name, p, offset) for p, offset in before.items()])
        for future in futures.values():
            future.result(30)

    def produce(self, name, values, partition=0, size=0, timestamps=None, key=None, **config):
        """Values as text, padded by a header to `size` bytes; timestamps: one for each, in milliseconds. config: more
        properties of the producer."""
        producer = Producer({"bootstrap.servers": self.address, "linger.ms": 5, "log_level": 0, **config})
        failed = []
        for i, value in enumerate(values):
            arguments = {"timestamp": timestamps[i]} if timestamps else {}
            if size:
                arguments["headers"] = {"padding": b"x" * size}
            while True:
                try:
                    producer.produce(name, value, key, partition=partition, **arguments,
                                     on_delivery=lambda err, _: err and failed.append(err))
                    break
                except BufferError:
                    producer.poll(0.1)
        left = producer.flush(60)
        if left or failed:
            raise RuntimeError(f"{name}/{partition}: {left} records not sent, {failed[:1]}")

    def ends(self, name):
        """{partition: next offset to be written}"""
        consumer = Consumer({"bootstrap.servers": self.address, "group.id": "ends", "log_level": 0})
        try:
            partitions = consumer.list_topics(name, timeout=10).topics[name].partitions
            return {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=10)[1] for p in partitions}
        finally:
            consumer.close()

    def group(self, name):
        """What kafka-consumer-groups --describe says of a group: {(topic, partition): (offset, end, lag)}."""
        done = subprocess.run(self._java("org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
                                         "--bootstrap-server", self.address, "--describe", "--group", name,
                                         heap="128m"),
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=READY_SECONDS_MAX)
        found = {}
        for line in done.stdout.splitlines():
            words = line.split()
            if len(words) > 5 and words[0] == name and words[2].isdigit() and words[3].isdigit():
                found[words[1], int(words[2])] = tuple(int(word) for word in words[3:6])
        return found

    def _wait_partitions(self, name, partitions):
        """Creation is acknowledged before every leader is known; producers and offset queries need the leaders."""
        deadline = time.monotonic() + 60
        admin = self.admin()
        while True:
            topic = admin.list_topics(topic=name, timeout=10).topics[name]
            if len(topic.partitions) == partitions and all(p.leader >= 0 for p in topic.partitions.values()):
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"topic {name}: {len(topic.partitions)} of {partitions} partitions have a leader")

    def kill(self):
        """kill -9; the data stays for the next start()."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        if self.process:
            self.process.wait()
        self.process = None

    def restart(self):
        self.kill()
        return self.start()

    def stop(self):
        if not self.process:
            return
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        self.kill()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        # Tests throw the data away, so there is nothing an orderly shutdown would save.
        self.kill()


CLUSTER_PROPERTIES = """\
process.roles={role}
node.id={node}
controller.quorum.voters=1@127.0.0.1:{controller}
listeners={listener}
{advertised}controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={logs}
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
min.insync.replicas=1
broker.session.timeout.ms=1500
broker.heartbeat.interval.ms=300
replica.lag.time.max.ms=1500
auto.create.topics.enable=false
log.cleaner.dedupe.buffer.size=16777216
"""


class KafkaCluster(KafkaBroker):
    """A controller (node 1) and brokers (nodes 2, 3, ...) in processes of their own; topics have two replicas."""

    def __init__(self, directory, nodes=3, heap="256m"):
        self.directory = pathlib.Path(directory)
        self.heap, self.wrapper, self.processes = heap, [], {}
        self.ports = dict(zip(range(1, nodes + 1), free_ports(nodes)))
        self.address = ",".join(f"127.0.0.1:{port}" for node, port in self.ports.items() if node > 1)
        self.cluster_id = base64.b64encode(uuid.uuid4().bytes, b"xy").decode().rstrip("=")
        for node, port in self.ports.items():
            (self.directory / str(node)).mkdir(parents=True)
            listener = f"{'CONTROLLER' if node == 1 else 'PLAINTEXT'}://127.0.0.1:{port}"
            (self.directory / str(node) / "server.properties").write_text(CLUSTER_PROPERTIES.format(
                role="controller" if node == 1 else "broker", node=node, controller=self.ports[1], listener=listener,
                advertised="" if node == 1 else f"advertised.listeners={listener}\n",
                logs=self.directory / str(node) / "logs"))

    def start_broker(self, node):
        folder = self.directory / str(node)
        if not (folder / "logs").exists():
            subprocess.run(self._java("kafka.tools.StorageTool", "format", "-t", self.cluster_id, "-c",
                                      str(folder / "server.properties"), heap="128m"),
                           check=True, stdout=subprocess.DEVNULL, timeout=READY_SECONDS_MAX)
        with open(folder / "broker.log", "ab") as log:
            self.processes[node] = subprocess.Popen(
                self._java("kafka.Kafka", str(folder / "server.properties"), heap=self.heap), stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True)

    def start(self):
        try:
            for node in self.ports:
                self.start_broker(node)
            self._wait(lambda: len(self.admin().list_topics(timeout=2).brokers) == len(self.ports) - 1, "every broker")
        except BaseException:
            self.kill()
            raise
        return self

    def kill(self, node=None):
        for number in [node] if node else list(self.processes):
            process = self.processes.pop(number)
            process.send_signal(signal.SIGKILL)
            process.wait()

    def create_topic(self, name, partitions=1, config=None):
        topic = NewTopic(name, num_partitions=partitions, replication_factor=2,
                         config={"unclean.leader.election.enable": "true", **(config or {})})
        admin = self.admin()
        admin.create_topics([topic], request_timeout=30)[name].result(60)
        self._wait_partitions(name, partitions)

    def replicas(self, name):
        """(leader, follower) of partition 0."""
        partition = self.admin().list_topics(topic=name, timeout=10).topics[name].partitions[0]
        [follower] = [node for node in partition.replicas if node != partition.leader]
        return partition.leader, follower

    def wait_in_sync(self, name, nodes):
        self._wait(lambda: sorted(self.admin().list_topics(topic=name, timeout=5).topics[name].partitions[0].isrs)
                   == sorted(nodes), f"in-sync replicas {nodes}")

    def elect_unclean(self, name, leader):
        """Until `leader`, which was not in sync, leads."""
        def leads():
            admin = self.admin()
            if admin.list_topics(topic=name, timeout=5).topics[name].partitions[0].leader == leader:
                return True
            admin.elect_leaders(ElectionType.UNCLEAN, [TopicPartition(name, 0)]).result(10)
            return False
        self._wait(leads, f"the election of {leader}")

    def _wait(self, condition, what):
        deadline = time.monotonic() + READY_SECONDS_MAX
        while True:
            try:
                if condition():
                    return
            except KafkaException:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what}: not in {READY_SECONDS_MAX} s")
            try:
                code = self.processes[1].wait(0.1)
                raise RuntimeError(f"the controller ended with {code}")
            except subprocess.TimeoutExpired:
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dir", required=True)
    parser.add_argument("--topic", action="append", default=[])
    parser.add_argument("--address-file")
    parser.add_argument("--heap", default="512m")
    args = parser.parse_args()
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    with KafkaBroker(args.dir, args.heap) as broker:
        for topic in args.topic:
            name, _, partitions = topic.partition(":")
            broker.create_topic(name, int(partitions or 1))
        print(broker.address, flush=True)
        if args.address_file:
            partial = pathlib.Path(args.address_file + ".part")
            partial.write_text(broker.address + "\n")
            partial.rename(args.address_file)
        while not ended.wait(1):
            if broker.process.poll() is not None:
                print(f"the broker ended: {broker.log_tail()}", file=sys.stderr)
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
