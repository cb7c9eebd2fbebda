"""What two workers cost against one: CPU a row, rows a second, bytes exchanged, epochs by phase, moves, idle memory.

Everything runs on this machine over loopback: etcd, one coordinator, workers of one lane each, a broker for the
medallion. A run's seconds go from its first epoch's plan to its last publication; CPU is the kernel's figure of all
workers and the coordinator, etcd (which does not fsync here) and broker left out. Median of --runs by seconds. Rows are
counted in the tables: a run that lacks some ends the bench.
"""

import argparse
import json
import os
import pathlib
import random
import shutil
import statistics
import sys
import tempfile
import types
import urllib.error
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import delta_log  # noqa: E402
import foreset  # noqa: E402
from cluster import Process, lasts, wait_until  # noqa: E402
from kafka_broker import KafkaBroker, free_ports  # noqa: E402
from medallion import DEAD_LETTERS, TABLES  # noqa: E402

HERE = types.SimpleNamespace(wrapper=[], address="127.0.0.1")
PAGE, TICKS = os.sysconf("SC_PAGESIZE"), os.sysconf("SC_CLK_TCK")
TOPIC, PARTITIONS = "user-events", 4
FILES_SQL = """SET pipeline.name = files;
SET pipeline.trigger = 200 milliseconds;
CREATE STREAMING TABLE events AS SELECT *, to_timestamp(_event_time) AS event_time
FROM STREAM read_files('{folder}', format => 'json', schema => 'user_id STRING, action STRING, page STRING,
                       element STRING, amount DOUBLE, _event_time STRING, _event_id STRING');
"""
KEYS_SQL = """SET pipeline.name = keys;
SET pipeline.trigger = 100 milliseconds;
CREATE STREAMING TABLE once AS
SELECT * FROM STREAM read_files('{folder}', format => 'json', schema => 'n BIGINT') DROP DUPLICATES ON (n);
"""


class Table:
    COLUMNS = ("", "seconds (all runs)", "rows/s", "against one", "CPU-s per million rows", "against one",
               "bytes exchanged a row", "epochs: ms read, prepare, decide, publish", "peak MiB a worker")

    def __init__(self):
        print("| " + " | ".join(self.COLUMNS) + " |\n" + "|---" * len(self.COLUMNS) + "|", flush=True)

    def row(self, *cells):
        cells = [*cells, *[""] * (len(self.COLUMNS) - len(cells))]
        print("| " + " | ".join(cells) + " |", flush=True)


class Cluster:
    """etcd and a coordinator; workers as they are asked for."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True)
        client, peer, port, self.http_port = free_ports(4)
        self.url = f"tcp://127.0.0.1:{port}"
        self.warehouse = self.directory / "warehouse"
        self.etcd = Process(HERE, [
            "etcd", "--data-dir", self.directory / "etcd", "--listen-client-urls", f"http://127.0.0.1:{client}",
            "--advertise-client-urls", f"http://127.0.0.1:{client}", "--listen-peer-urls", f"http://127.0.0.1:{peer}",
            "--initial-advertise-peer-urls", f"http://127.0.0.1:{peer}", "--initial-cluster",
            f"default=http://127.0.0.1:{peer}", "--unsafe-no-fsync"], self.directory / "etcd.log")
        self.coordinator = Process(HERE, [
            foreset.binary(), "coordinator", "--name", "c1", "--listen", self.url, "--etcd",
            f"http://127.0.0.1:{client}", "--warehouse", self.warehouse, "--state", self.directory / "state",
            "--allow-path", self.directory, "--http",
            f"127.0.0.1:{self.http_port}"], self.directory / "c1.log")
        self.workers = []

    def __enter__(self):
        self.etcd.start()
        self.coordinator.start()
        wait_until(lambda: foreset.Run(["cluster", "status", "--coordinator", self.url]).wait().returncode == 0, 30,
                   "a leader")
        return self

    def __exit__(self, *_):
        for process in [*self.workers, self.coordinator, self.etcd]:
            process.kill()

    def start_worker(self):
        name, (port,) = f"w{len(self.workers) + 1}", free_ports(1)
        self.workers.append(Process(HERE, [
            foreset.binary(), "worker", "--name", name, "--listen", f"tcp://127.0.0.1:{port}", "--coordinator",
            self.url, "--lanes", "1", "--memory", "1G",
            "--allow-path", self.directory], self.directory / f"{name}.log").start())
        wait_until(lambda: [w["state"] for w in self.get("workers").get("workers", [])].count("active") ==
                   len(self.workers), 30, f"worker {name}")

    def get(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/api/v1/{path}", timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as err:
            if err.code != 503:  # nobody leads for a moment
                raise
            return {}

    def status(self):
        return self.get("pipelines").get("pipelines", [{}])[0].get("status") or {}

    def apply(self, sql, *args):
        file = self.directory / "bench.sql"
        file.write_text(sql)
        done = foreset.Run(["pipelines", "apply", file, "--coordinator", self.url, *args]).wait()
        if done.returncode != 0:
            sys.exit(f"apply: {done.stderr}")

    def read(self, rows, seconds=300):
        """Until so many rows are published. Every epoch there was."""
        epochs = {}

        def published():
            lasts(0.3)  # who asks often is on the same cores
            status = self.status()
            epochs.update({e["epoch"]: e for e in status.get("epochs", []) if e["state"] == "published"})
            if status.get("trouble"):
                sys.exit(f"the pipeline: {status['trouble']}")
            return status.get("rowsIn", 0) >= rows
        wait_until(published, seconds, f"{rows} rows\n{self.coordinator.text()[-2000:]}")
        return [epochs[number] for number in sorted(epochs)]


def proc(process, file):
    return pathlib.Path(f"/proc/{process.process.pid}/{file}").read_text()


def cpu_seconds(process):
    fields = proc(process, "stat").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def memory_mib(process, field):
    line = next(line for line in proc(process, "status").splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


def rows_in(table):
    if not delta_log.exists(table):
        return 0
    return sum(json.loads(add["stats"])["numRecords"] for add in delta_log.active_files(table).values())


class Figures:
    """One run over `rows` rows."""

    PHASES = ("readS", "prepareS", "decideS", "publishS")

    def __init__(self, cluster, sql, rows, *args):
        processes = [cluster.coordinator, *cluster.workers]
        before = [cpu_seconds(p) for p in processes]
        cluster.apply(sql, *args)
        epochs = cluster.read(rows)
        self.cpu_s = sum(cpu_seconds(p) for p in processes) - sum(before)
        self.rows = rows
        self.seconds = max(e["timestampMs"] / 1000 + sum(e[p] for p in self.PHASES) for e in epochs)
        self.seconds -= epochs[0]["timestampMs"] / 1000
        self.phases_ms = [statistics.mean(e[p] for e in epochs if e["rows"]) * 1000 for p in self.PHASES]
        self.epochs = len(epochs)
        lasts(1.2)  # heartbeats bring the last counts
        status = cluster.status()
        workers = status["workers"]
        if status["moves"] or status["restarts"]:
            sys.exit("a worker came late, or one was lost: this run compares nothing")
        self.exchanged = sum(w.get("exchange", {}).get("bytesSent", 0) for w in workers)
        self.crossed = sum(w.get("exchange", {}).get("rowsSent", 0) for w in workers)
        self.stalled_s = sum(w.get("exchange", {}).get("stalledS", 0) for w in workers)
        self.peak_mib = max(memory_mib(w, "VmHWM") for w in cluster.workers)


class Bench:
    def __init__(self, args, directory):
        self.args, self.directory, self.table, self.lives = args, pathlib.Path(directory), Table(), 0

    def cluster(self):
        self.lives += 1
        return Cluster(self.directory / f"life-{self.lives}")

    def once(self, workers, sql, rows, check, *args):
        with self.cluster() as cluster:
            for _ in range(workers):
                cluster.start_worker()
            figures = Figures(cluster, sql, rows, *args)
            found = sum(rows_in(cluster.warehouse / table) for table in check)
            if found != rows:
                sys.exit(f"{check} hold {found} of {rows} rows")
        shutil.rmtree(cluster.directory)
        os.sync()  # what it left to be written is not the next one's
        return figures

    def compare(self, name, sql, rows, check, *args):
        one = None
        for workers in (1, 2):
            runs = sorted((self.once(workers, sql, rows, check, *args) for _ in range(self.args.runs)),
                          key=lambda figures: figures.seconds)
            figures = runs[len(runs) // 2]
            seconds = " ".join(f"{run.seconds:.2f}" for run in runs)
            one = one or figures
            self.table.row(f"{name}, {workers} worker{'s' if workers > 1 else ''}",
                           f"{figures.seconds:.2f} ({seconds})", f"{rows / figures.seconds:,.0f}",
                           f"{one.seconds / figures.seconds:.2f} x" if workers > 1 else "",
                           f"{figures.cpu_s / rows * 1e6:.3f}",
                           f"{figures.cpu_s / one.cpu_s:.2f} x" if workers > 1 else "",
                           f"{figures.exchanged / rows:.1f} ({figures.crossed / rows:.2f} rows cross)"
                           if workers > 1 else "",
                           f"{figures.epochs}: " + ", ".join(f"{ms:.0f}" for ms in figures.phases_ms),
                           f"{figures.peak_mib:.0f}")

    def files(self):
        folder = self.directory / "files"
        write_events(folder, self.args.rows, 16)
        os.sync()
        self.compare("read_files to one table", FILES_SQL.format(folder=folder), self.args.rows, ["events"])
        shutil.rmtree(folder)

    def medallion(self):
        with KafkaBroker(self.directory / "kafka") as broker:
            broker.create_topic(TOPIC, PARTITIONS)
            foreset.produce(broker.address, TOPIC, f"user-events:{self.args.rows}:7", "--key", "user_id")
            sql = (foreset.ROOT / "deploy" / "examples" / "medallion.sql").read_text()
            sql = sql.replace("maxOffsetsPerTrigger => 100000, ", "").replace("30 seconds", "200 milliseconds")
            self.compare("Kafka: bronze + silver + gold", sql, self.args.rows, [TABLES["bronze"], DEAD_LETTERS],
                         "--kafka", f"bootstrap.servers={broker.address}", "--kafka", "security.protocol=plaintext")

    def moves(self):
        for keys in (10_000, 100_000, 1_000_000):
            folder = self.directory / "keys"
            folder.mkdir()
            (folder / "keys.json").write_text("".join(f'{{"n": {n}}}\n' for n in range(keys)))
            with self.cluster() as cluster:
                cluster.start_worker()
                cluster.apply(KEYS_SQL.format(folder=folder))
                cluster.read(keys)
                state = sum(part["bytes"] for part in cluster.status()["stateSnapshot"].values())
                cluster.start_worker()
                status = wait_until(lambda: (s := cluster.status()).get("moves") and s["lastMoveS"] > 0 and s, 60,
                                    "a move")
                self.table.row(f"half of {keys:,} keys to a second worker",
                               f"{status['lastMoveS']:.3f}, {state / 2 / 2**20:.1f} MiB of state")
            shutil.rmtree(folder)
            shutil.rmtree(cluster.directory)

    def idle(self):
        with self.cluster() as cluster:
            cluster.start_worker()
            lasts(3)
            for name, process in (("coordinator", cluster.coordinator), ("worker", cluster.workers[0])):
                self.table.row(f"idle {name}", f"{memory_mib(process, 'VmRSS'):.1f} MiB resident")
        shutil.rmtree(cluster.directory)


def write_events(folder, rows, files):
    """Events like the generator's, as JSON lines."""
    folder.mkdir()
    rng = random.Random(7)
    pages = ("/", "/pricing", "/docs", "/blog/streaming", "/checkout", "/product/1234", "/account")
    for number in range(files):
        with open(folder / f"{number:03}.json", "w") as file:
            for at in range(rows * number // files, rows * (number + 1) // files):
                user, action = f"u{int(rng.random() ** 3 * 200000)}", rng.choice(("page_view", "scroll", "click"))
                second, micro = divmod(at * 10, 1000000)
                file.write(f'{{"user_id": "{user}", "action": "{action}", "page": "{rng.choice(pages)}", '
                           f'"amount": {rng.random() * 300:.2f}, "_event_time": "2026-01-01T{second // 3600:02}:'
                           f'{second // 60 % 60:02}:{second % 60:02}.{micro:06}+00:00", "_event_id": "{user}_{at}"}}\n')


def main():
    parser = argparse.ArgumentParser(prog="tests/bench/run.sh --cluster", description=__doc__)
    parser.add_argument("--rows", type=int, default=4_000_000, help="rows of a run (default: 4000000)")
    parser.add_argument("--runs", type=int, default=3, help="of which the median counts (default: 3)")
    parser.add_argument("--only", choices=("files", "medallion", "moves", "idle"), action="append")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="foreset-bench-") as directory:
        bench = Bench(args, directory)
        for part in args.only or ("files", "medallion", "moves", "idle"):
            getattr(bench, part)()


if __name__ == "__main__":
    main()
