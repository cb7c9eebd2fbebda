"""Measures ceiling, bronze and medallion over one topic on one real broker, latency at a fixed rate, and single parts,
and prints one table.

Every figure of a run is that of the median of --runs runs (by seconds) in fresh warehouses; the seconds of all runs
stand beside it. rows/s counts the whole life of the process, start and last fsync included; CPU and memory are the
kernel's figures of that process (wait4), so the broker's are not in them. A run whose bronze table does not hold every
event ends the bench: speed of wrong tables is no figure.
"""

import argparse
import datetime
import glob
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import delta_log  # noqa: E402
import foreset  # noqa: E402
import latency  # noqa: E402
from kafka_broker import KafkaBroker  # noqa: E402
from medallion import DEAD_LETTERS, TABLES  # noqa: E402

TOPIC, SMALL_TOPIC, PARTITIONS = "user-events", "user-events-small", 4
LIMIT = "maxOffsetsPerTrigger => 100000,"
LIMITED = ", maxOffsetsPerTrigger 100000"
MEDALLION = "bronze + silver + gold"
START_RUNS = 5
COLUMNS = ("", "seconds (all runs)", "rows/s", "of the ceiling", "CPU-s per million rows", "of it beyond librdkafka",
           "peak MiB", "lane stop ms: longest (median), longest on CPU", "other")


class Figures:
    """What one process took."""

    def __init__(self, command, cwd):
        with tempfile.TemporaryFile() as output:
            self.begun_at = time.time()
            begin = time.monotonic()
            process = subprocess.Popen([str(c) for c in command], stdin=subprocess.DEVNULL, stdout=output,
                                       stderr=output, cwd=cwd)
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            self.wall_s = time.monotonic() - begin
            output.seek(0)
            self.output = output.read().decode(errors="replace")
        if process.returncode != 0:
            sys.exit(f"{' '.join(map(str, command))}: exit {process.returncode}\n{self.output[-3000:]}")
        self.cpu_s = usage.ru_utime + usage.ru_stime
        self.rss_mib = usage.ru_maxrss / 1024
        self.all_runs = [self.wall_s]

    def progress(self):
        return [p for p in foreset.json_lines(self.output) if "batchId" in p]

    def lane_stops(self, field="laneStopMs"):
        """Milliseconds by epoch: the longest of its lanes."""
        return sorted({p["epoch"]: p[field] for p in self.progress()}.values())

    def first_row_ms(self):
        """From the process's start to the first row read."""
        said = [p["firstRowTimestamp"] for p in self.progress() if "firstRowTimestamp" in p]
        return (datetime.datetime.fromisoformat(said[0].replace("Z", "+00:00")).timestamp() - self.begun_at) * 1000


def rows_in(table):
    if not delta_log.exists(table):
        return 0
    return sum(json.loads(add["stats"])["numRecords"] for add in delta_log.active_files(table).values())


class Table:
    def __init__(self):
        print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|", flush=True)

    def row(self, name, **cells):
        names = ("seconds", "rate", "ratio", "cpu", "engine", "rss", "stop", "other")
        print("| " + " | ".join([name, *(cells.get(cell, "") for cell in names)]) + " |", flush=True)

    def run(self, name, figures, events, ceiling=None, other=""):
        all_runs = " ".join(f"{seconds:.2f}" for seconds in sorted(figures.all_runs))
        cells = {"seconds": f"{figures.wall_s:.2f} ({all_runs})", "rate": f"{events / figures.wall_s:,.0f}",
                 "other": other}
        if figures.cpu_s:
            cells |= {"cpu": f"{figures.cpu_s / events * 1e6:.3f}", "rss": f"{figures.rss_mib:,.0f}"}
        stops = figures.lane_stops()
        if stops:
            on_cpu = figures.lane_stops("laneStopCpuMs")[-1]
            cells["stop"] = f"{stops[-1]:.2f} ({statistics.median(stops):.2f}), {on_cpu:.2f}"
            cells["other"] = f"{len(stops)} epochs"
        if ceiling:
            cells["ratio"] = f"{events / figures.wall_s / ceiling.rate:.2f}"
            if stops:
                cells["engine"] = f"{(figures.cpu_s / events - ceiling.cpu_s / ceiling.events) * 1e9:.0f} ns/row"
        self.row(name, **cells)


class Bench:
    def __init__(self, args, directory, broker):
        self.args, self.directory, self.broker = args, pathlib.Path(directory), broker
        self.medallion = (foreset.ROOT / "deploy" / "examples" / "medallion.sql").read_text()
        assert LIMIT in self.medallion
        self.bronze = self.medallion[:self.medallion.index(";\n", self.medallion.index("read_kafka")) + 2]

    def median(self, measure, runs=None):
        made = sorted((measure() for _ in range(runs or self.args.runs)), key=lambda figures: figures.wall_s)
        made[len(made) // 2].all_runs = [figures.wall_s for figures in made]
        return made[len(made) // 2]

    def produce(self, topic, events):
        self.broker.create_topic(topic, PARTITIONS)
        return Figures([foreset.binary(), "produce", "--brokers", self.broker.address, "--topic", topic, "--key",
                        "user_id", "--generate", f"user-events:{events}:7"], self.directory)

    def ceiling(self):
        binary = foreset.binary().parent / "tests" / "bench" / "bench_ceiling"

        def measure():
            figures = Figures([binary, self.broker.address, TOPIC, PARTITIONS, self.args.events], self.directory)
            figures.wall_s = json.loads(figures.output.strip().splitlines()[-1])["wall_s"]
            return figures
        figures = self.median(measure)
        figures.events, figures.rate = self.args.events, self.args.events / figures.wall_s
        return figures

    def pipeline(self, sql, events):
        """One run of a text over the whole topic; its tables are thrown away."""
        warehouse = self.directory / "warehouse"
        shutil.rmtree(warehouse, ignore_errors=True)
        os.sync()  # what earlier runs left to be written is not this one's
        file = self.directory / "bench.sql"
        file.write_text(sql)
        figures = Figures([foreset.binary(), "run", file, "--available-now", "--warehouse", warehouse, "--progress",
                           "json", "--kafka", f"bootstrap.servers={self.broker.address}", "--kafka",
                           "security.protocol=plaintext", *self.args.foreset], self.directory)
        rows = rows_in(warehouse / TABLES["bronze"]) + rows_in(warehouse / DEAD_LETTERS)
        if rows != events:
            sys.exit(f"bronze and its dead letters hold {rows} of {events} events")
        shutil.rmtree(warehouse)
        return figures

    def start(self):
        """Over a topic of one event: milliseconds to the first row, and to the end (one epoch, one commit a table)."""
        self.broker.create_topic("one-event", 1)
        foreset.produce(self.broker.address, "one-event", "user-events:1:1", "--key", "user_id")
        sql = self.medallion.replace("'user-events'", "'one-event'")
        runs = [self.pipeline(sql, 1) for _ in range(START_RUNS)]
        return sorted(run.first_row_ms() for run in runs), sorted(run.wall_s * 1000 for run in runs)

    def spark(self):
        program = pathlib.Path(__file__).with_name("spark_medallion.py")
        out = self.directory / "spark"
        figures = Figures([sys.executable, program, self.broker.address, SMALL_TOPIC, out], self.directory)
        figures.wall_s = json.loads(figures.output.strip().splitlines()[-1])["total_s"]
        figures.all_runs = [figures.wall_s]
        figures.cpu_s = 0  # the kernel does not tell of the JVM
        shutil.rmtree(out, ignore_errors=True)
        return figures


def fsynced_mb_per_s(directory, megabytes=512):
    path = pathlib.Path(directory) / "fsync"
    block = os.urandom(1 << 20)
    begin = time.monotonic()
    with open(path, "wb") as file:
        for _ in range(megabytes):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    seconds = time.monotonic() - begin
    path.unlink()
    return megabytes * 1.048576 / seconds


def small_fsync_ms(directory, count=200):
    """Of 4 KiB appended each time: the median and the worst of a hundred, as a commit or a decision costs it."""
    path, taken = pathlib.Path(directory) / "fsync", []
    with open(path, "wb", buffering=0) as file:
        for _ in range(count):
            file.write(bytes(4096))
            begin = time.monotonic()
            os.fsync(file.fileno())
            taken.append((time.monotonic() - begin) * 1000)
    path.unlink()
    return statistics.median(taken), statistics.quantiles(taken, n=100)[-1]


def parts(table, directory):
    """Small benches of single parts, where they are built: the last figure of each name counts (the best instruction
    set stands last)."""
    for binary in sorted(glob.glob(str(foreset.binary().parent / "tests" / "bench" / "bench[_-]*"))):
        if not os.access(binary, os.X_OK) or os.path.isdir(binary) or binary.endswith("bench_ceiling"):
            continue
        said = dict(line.split(maxsplit=1) for line in Figures([binary], directory).output.strip().splitlines())
        name = next(key for key in said if key.endswith("_ns_per_row")).removesuffix("_ns_per_row")
        rest = ", ".join(f"{key.removeprefix(name + '_')} {value}" for key, value in said.items()
                         if not key.endswith("_ns_per_row"))
        table.row(f"{name}, one core", other=f"{said[name + '_ns_per_row']} ns/row ({rest})")


def bench(args, directory):
    with KafkaBroker(f"{directory}/kafka", heap="1g") as broker:
        here = Bench(args, directory, broker)
        produced = here.produce(TOPIC, args.events)
        print(f"{args.events:,} events, {PARTITIONS} partitions, {os.cpu_count()} CPUs, median of {args.runs} runs\n")
        table = Table()
        ceiling = here.ceiling()
        table.run("produce", produced, args.events)
        table.run("librdkafka alone (ceiling)", ceiling, args.events, ceiling)
        for name, sql in (("bronze", here.bronze), (MEDALLION, here.medallion)):
            for limit, text in (("", sql.replace(LIMIT, "")), (LIMITED, sql)):
                figures = here.median(lambda text=text: here.pipeline(text, args.events))
                table.run(name + limit, figures, args.events, ceiling)
        if args.spark:
            here.produce(SMALL_TOPIC, args.spark_events)
            sql = here.medallion.replace(LIMIT, "").replace("'user-events'", f"'{SMALL_TOPIC}'")
            small = here.median(lambda: here.pipeline(sql, args.spark_events))
            table.run(f"{MEDALLION}, {args.spark_events:,} events", small, args.spark_events)
            spark = here.spark()
            table.run(f"Spark + Delta, {MEDALLION}, {args.spark_events:,} events", spark, args.spark_events,
                      other=f"{spark.wall_s / small.wall_s:.0f} times the seconds of the row above")
        first, whole = here.start()
        table.row("start, one event", other=f"first row read after {statistics.median(first):.0f} ms (longest of "
                  f"{START_RUNS}: {first[-1]:.0f}); all done after {statistics.median(whole):.0f} ms")
        seen = latency.measure(here.medallion, broker, directory, args.rate, args.rate_seconds)
        table.row(f"Kafka → visible in gold, 1 s epochs, {args.rate:,} rows/s for {args.rate_seconds} s",
                  other=f"p50 {seen.p50:.2f} s, p99 {seen.p99:.2f} s, longest {seen.longest:.2f} s "
                        f"({seen.rows:,} rows, {seen.commits} commits)")
        parts(table, directory)
        table.row("disk, 512 MiB and one fsync", other=", ".join(
            f"{rate:,.0f}" for rate in sorted(fsynced_mb_per_s(directory) for _ in range(3))) + " MB/s")
        median, worst = small_fsync_ms(directory)
        table.row("disk, fsync of 4 KiB appended", other=f"median {median:.2f} ms, p99 {worst:.2f} ms")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=20_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--spark", action="store_true", help="Spark + Delta beside it, on a smaller topic")
    parser.add_argument("--spark-events", type=int, default=2_000_000)
    parser.add_argument("--rate", type=int, default=20_000, help="rows/s of the latency run")
    parser.add_argument("--rate-seconds", type=int, default=30)
    parser.add_argument("foreset", nargs="*", help="further arguments of foreset run, behind --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("FORESET_BENCH_DIR")) as directory:
        bench(args, directory)


if __name__ == "__main__":
    main()
