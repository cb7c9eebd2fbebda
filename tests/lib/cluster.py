"""A cluster on hosts of its own (network.py): etcd members, a Kafka broker, coordinators, workers, a person's commands.

Every process writes its log to a file of its own; what a test must wait for is asked with wait_until.
"""

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import foreset
from kafka_broker import KafkaBroker
from network import Network

FAULT = re.compile(r"(ERROR|WARNING): \w+Sanitizer|: runtime error: |" + foreset.UNACCOUNTED)
CONTROL_PORT, ETCD_PORT, ETCD_PEER_PORT, HTTP_PORT = 7400, 2379, 2380, 7480


def lasts(seconds):
    """How long a fault itself lasts; never a stand-in for something that could be asked."""
    threading.Event().wait(seconds)


def wait_until(condition, seconds, what):
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what}")
        lasts(0.05)


class Process:
    """One process on a host; started again under the same name with start()."""

    def __init__(self, host, command, log, env=None):
        self.host, self.command, self.log, self.env = host, [str(c) for c in command], pathlib.Path(log), env or {}
        self.process = None

    def start(self):
        environment = {**os.environ, "ASAN_OPTIONS": "exitcode=99", "UBSAN_OPTIONS": "exitcode=99",
                       "TSAN_OPTIONS": os.environ.get("TSAN_OPTIONS", "exitcode=99"), **self.env}
        if os.environ.get("FORESET_PRELOAD"):
            environment["LD_PRELOAD"] = os.environ["FORESET_PRELOAD"]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([*self.host.wrapper, *self.command], stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env=environment)
        return self

    def running(self):
        return self.process is not None and self.process.poll() is None

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def kill(self):
        self.signal(signal.SIGKILL)
        if self.process:
            self.process.wait()

    def stop(self, timeout=30):
        self.signal(signal.SIGTERM)
        if self.process:
            return self.process.wait(timeout)
        return None

    def text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Etcd:
    def __init__(self, cluster, count):
        self.cluster = cluster
        self.hosts = [cluster.network.host(f"e{i + 1}") for i in range(count)]
        self.members = []
        self.lives = 0
        self.make()

    def make(self):
        self.lives += 1
        peers = ",".join(f"{h.name}=http://{h.address}:{ETCD_PEER_PORT}" for h in self.hosts)
        for host in self.hosts:
            data = self.cluster.directory / f"etcd-{host.name}-{self.lives}"
            self.members.append(Process(host, [
                "etcd", "--name", host.name, "--data-dir", data,
                "--listen-client-urls", f"http://{host.address}:{ETCD_PORT},http://127.0.0.1:{ETCD_PORT}",
                "--advertise-client-urls", f"http://{host.address}:{ETCD_PORT}",
                "--listen-peer-urls", f"http://{host.address}:{ETCD_PEER_PORT}",
                "--initial-advertise-peer-urls", f"http://{host.address}:{ETCD_PEER_PORT}",
                "--initial-cluster", peers, "--initial-cluster-token", f"life-{self.lives}",
                "--unsafe-no-fsync", "--heartbeat-interval", "100", "--election-timeout", "500"],
                self.cluster.directory / f"{host.name}.log"))

    def start(self):
        for member in self.members:
            member.start()

    def wipe(self):
        """All members die and come back with nothing."""
        for member in self.members:
            member.kill()
        self.members = []
        self.make()
        self.start()

    def urls(self):
        return ",".join(f"http://{h.address}:{ETCD_PORT}" for h in self.hosts)


class Cluster:
    def __init__(self, directory, coordinators=2, workers=3, members=3, lanes=1, memory="512M"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.network = Network()
        self.lanes, self.memory = lanes, memory
        self.warehouse, self.state = self.directory / "warehouse", self.directory / "state"
        try:
            self.etcd = Etcd(self, members)
            kafka = self.network.host("kafka")
            self.broker = KafkaBroker(self.directory / "kafka", host=kafka.address, wrapper=kafka.wrapper)
            self.coordinators = {f"c{i + 1}": self.network.host(f"c{i + 1}") for i in range(coordinators)}
            self.worker_hosts = {f"w{i + 1}": self.network.host(f"w{i + 1}") for i in range(workers)}
            self.token = self.directory / "token"  # is sent to other addresses only where a flag says so
            self.url = ",".join(f"tcp://{h.address}:{CONTROL_PORT}" for h in self.coordinators.values())
            self.processes = {}
            allow = ["--allow-path", self.directory.parent, "--allow-env", "KAFKA_*"]  # warehouses beside its own
            for name, host in self.coordinators.items():
                self.processes[name] = Process(host, [
                    foreset.binary(), "coordinator", "--name", name, "--listen", f"tcp://{host.address}:{CONTROL_PORT}",
                    "--insecure", "--etcd", self.etcd.urls(), "--warehouse", self.warehouse, "--state", self.state,
                    "--http", f"{host.address}:{HTTP_PORT}", "--token-file", self.token, *allow],
                    self.directory / f"{name}.log")
            for name, host in self.worker_hosts.items():
                self.processes[name] = Process(host, [
                    foreset.binary(), "worker", "--name", name, "--listen", f"tcp://{host.address}:{CONTROL_PORT}",
                    "--insecure", "--coordinator", self.url, "--lanes", self.lanes, "--memory", self.memory,
                    "--token-file", self.token, *allow],
                    self.directory / f"{name}.log")
        except BaseException:
            self.network.close()
            raise

    def __enter__(self):
        try:
            self.etcd.start()
            self.broker.start()
            for name in self.coordinators:
                self.processes[name].start()
            self.wait_leader()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.end()
        finally:
            self.close()

    def end(self):
        """Whoever runs ends when asked to, with exit 0; a sanitizer found nothing in any of them, alive or dead."""
        for names in (self.worker_hosts, self.coordinators):
            running = {name: self.processes[name] for name in names if self.processes[name].running()}
            for process in running.values():
                process.signal(signal.SIGTERM)
            codes = {name: process.process.wait(60) for name, process in running.items()}
            assert set(codes.values()) <= {0}, f"ended with {codes}\n{self.logs(40)}"
        found = [f"{name}: {line}" for name, process in self.processes.items() for line in process.text().splitlines()
                 if FAULT.search(line)]
        assert not found, found[:20]

    def close(self):
        for process in [*self.processes.values(), *self.etcd.members]:
            process.kill()
        self.broker.kill()
        self.network.close()

    # ---- A person's commands ----

    def command(self, *args, check=True, coordinator=None):
        """One command line; its JSON answer, or with check=False the finished process."""
        done = subprocess.run([str(foreset.binary()), *map(str, args), "--coordinator", coordinator or self.url,
                               "--token-file", self.token, "--output", "json"], capture_output=True, text=True,
                              timeout=60)
        if not check:
            return done
        if done.returncode != 0:
            raise RuntimeError(f"foreset {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def status(self):
        done = self.command("cluster", "status", check=False)
        return json.loads(done.stdout) if done.returncode == 0 else None

    def wait_leader(self, seconds=30):
        return wait_until(self.status, seconds, "a leader")["leader"]["name"]

    def leader(self):
        return self.wait_leader()

    def start_workers(self, *names):
        for name in names:
            self.processes[name].start()
        wait_until(lambda: self.active() >= set(names), 30, f"workers {names} there")

    def active(self):
        done = self.command("workers", "list", check=False)
        workers = json.loads(done.stdout)["workers"] if done.returncode == 0 else []
        return {w["name"] for w in workers if w["state"] == "active"}

    def pipeline(self, name="user_events"):
        """What the leader says of it; None while nobody leads."""
        done = self.command("pipelines", "list", check=False)
        if done.returncode != 0:
            return None
        found = [p for p in json.loads(done.stdout)["pipelines"] if p["name"] == name]
        return found[0] if found else None

    def said(self, field, name="user_events"):
        pipeline = self.pipeline(name)
        return (pipeline or {}).get("status") and pipeline["status"].get(field)

    def events(self, *words):
        """Lines that any coordinator logged and that hold all these words."""
        lines = [line for name in self.coordinators for line in self.processes[name].text().splitlines()]
        return [line for line in lines if all(word in line for word in words)]

    def logs(self, lines=12):
        found = []
        for name, process in self.processes.items():
            found.append(f"== {name}\n" + "\n".join(process.text().splitlines()[-lines:]))
        return "\n".join(found)


def missing():
    """Why no cluster can be made here; None if one can."""
    import network
    if not shutil.which("etcd"):
        return "etcd is missing: deploy/deps.sh --test"
    return network.why_not()
