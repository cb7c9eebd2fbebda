"""Measures ceiling, bronze and medallion over one topic on one real broker, and prints one table.

Every figure is the median of --runs runs in fresh warehouses. rows/s counts the whole life of the process, start and
last fsync included; CPU and memory are the kernel's figures of that process (wait4), so the broker's are not in them.
A run whose bronze table does not hold every event ends the bench: speed of wrong tables is no figure.
"""

import argparse
import glob
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

import delta_log  # noqa: E402
import foreset  # noqa: E402
from kafka_broker import KafkaBroker  # noqa: E402
from medallion import DEAD_LETTERS, TABLES  # noqa: E402

TOPIC, PARTITIONS = "user-events", 4
LIMIT = "maxOffsetsPerTrigger => 100000, "


class Figures:
    """What one process took."""

    def __init__(self, command, cwd):
        with tempfile.TemporaryFile() as output:
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


def rows_in(table):
    if not delta_log.exists(table):
        return 0
    return sum(json.loads(add["stats"])["numRecords"] for add in delta_log.active_files(table).values())


class Bench:
    def __init__(self, args, directory, broker):
        self.args, self.directory, self.broker = args, pathlib.Path(directory), broker
        self.medallion = (foreset.ROOT / "deploy" / "examples" / "medallion.sql").read_text()
        assert LIMIT in self.medallion

    def median(self, measure):
        runs = sorted((measure() for _ in range(self.args.runs)), key=lambda figures: figures.wall_s)
        return runs[len(runs) // 2]

    def ceiling(self):
        binary = foreset.binary().parent / "tests" / "bench" / "bench_ceiling"

        def measure():
            figures = Figures([binary, self.broker.address, TOPIC, PARTITIONS, self.args.events], self.directory)
            figures.wall_s = json.loads(figures.output.strip().splitlines()[-1])["wall_s"]
            return figures
        return self.median(measure)

    def pipeline(self, sql, events):
        """One run of a text over the whole topic; its tables are thrown away."""
        warehouse = self.directory / "warehouse"
        shutil.rmtree(warehouse, ignore_errors=True)
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

    def start_seconds(self):
        """Start to end over a topic of one event: start, one epoch, one commit a table."""
        self.broker.create_topic("one-event", 1)
        foreset.produce(self.broker.address, "one-event", "user-events:1:1", "--key", "user_id")
        sql = self.medallion.replace("'user-events'", "'one-event'")
        return self.median(lambda: self.pipeline(sql, 1)).wall_s

    def spark(self):
        program = pathlib.Path(__file__).with_name("spark_medallion.py")
        out = self.directory / "spark"
        figures = Figures([sys.executable, program, self.broker.address, TOPIC, out], self.directory)
        figures.wall_s = json.loads(figures.output.strip().splitlines()[-1])["total_s"]
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


def longest(progress_text, field):
    """The greatest value of a field anywhere in the progress objects; None if nobody reports it."""
    values = [float(v) for v in re.findall(rf'"{field}"\s*:\s*([\d.]+)', progress_text)]
    return max(values, default=None)


def print_row(name, figures, events, ceiling):
    rate = events / figures.wall_s
    ratio = f"{rate * ceiling.wall_s / events:.2f}"
    print(f"| {name} | {figures.wall_s:.2f} | {rate:,.0f} | {ratio} | {figures.cpu_s / events * 1e6:.3f} | "
          f"{figures.rss_mib:,.0f} |", flush=True)


def print_parts(directory):
    """Small benches of single parts, where they are built; each prints lines of its own."""
    for binary in sorted(glob.glob(str(foreset.binary().parent / "tests" / "bench" / "bench_*"))):
        if os.access(binary, os.X_OK) and not os.path.isdir(binary) and not binary.endswith("bench_ceiling"):
            print(Figures([binary], directory).output.strip(), flush=True)


def bench(args, directory):
    with KafkaBroker(f"{directory}/kafka", heap="1g") as broker:
        broker.create_topic(TOPIC, PARTITIONS)
        produced = Figures([foreset.binary(), "produce", "--brokers", broker.address, "--topic", TOPIC, "--key",
                            "user_id", "--generate", f"user-events:{args.events}:7"], directory)
        here = Bench(args, directory, broker)
        bronze = here.medallion[:here.medallion.index(";\n", here.medallion.index("read_kafka")) + 2]
        print(f"{args.events:,} events, {PARTITIONS} partitions, {os.cpu_count()} CPUs, median of {args.runs}\n")
        print("| | seconds | rows/s | of the ceiling | CPU-s per million rows | peak MiB |\n|---|---|---|---|---|---|")
        ceiling = here.ceiling()
        print_row("produce", produced, args.events, ceiling)
        print_row("librdkafka alone (ceiling)", ceiling, args.events, ceiling)
        stops = []
        for name, sql in (("bronze", bronze), ("bronze + silver + gold", here.medallion)):
            for limit, text in (("", sql.replace(LIMIT, "")), (", maxOffsetsPerTrigger 100000", sql)):
                figures = here.median(lambda text=text: here.pipeline(text, args.events))
                print_row(name + limit, figures, args.events, ceiling)
                stops.append(longest(figures.output, "laneStopMs"))
        if args.spark:
            print_row("Spark + Delta, bronze + silver + gold", here.spark(), args.events, ceiling)
        print(f"\nstart to end over one event: {here.start_seconds() * 1000:.0f} ms")
        stops = [stop for stop in stops if stop is not None]
        stop = f"{max(stops):.1f} ms" if stops else "not reported"
        print(f"longest stop of a lane at a marker: {stop}")
        print(f"disk, fsynced: {statistics.median(fsynced_mb_per_s(directory) for _ in range(3)):,.0f} MB/s")
        print_parts(directory)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--spark", action="store_true")
    parser.add_argument("foreset", nargs="*", help="further arguments of foreset run, behind --")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("FORESET_BENCH_DIR")) as directory:
        bench(args, directory)


if __name__ == "__main__":
    main()
