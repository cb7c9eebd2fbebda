"""Kills at random moments while a topic grows: process, broker, both; tables equal the reference of what is decided.

Short form: a dozen kills in half a minute. FORESET_LONG=1: at least FORESET_KILLS (200) kills, until the medallion has
run for FORESET_KILL_SECONDS (600), time between the runs not counted; the producer goes on all the while at
FORESET_KILL_RATE events a second. After every kill the tables are judged by what is new in them (lib/follower.py), at
the end as a whole. The seed (FORESET_SEED, else drawn) is printed; moments follow from it, though the program's own
timing does not.
"""

import collections
import os
import pathlib
import random
import re
import signal
import subprocess
import time

import foreset
import pytest
from follower import Follower
from kafka_broker import KafkaBroker
from medallion import Medallion
from reference import Reference

LONG = bool(os.environ.get("FORESET_LONG"))
KILLS = int(os.environ.get("FORESET_KILLS", "200" if LONG else "12"))
SECONDS = float(os.environ.get("FORESET_KILL_SECONDS", "600" if LONG else "25"))
RATE = int(os.environ.get("FORESET_KILL_RATE", "2000"))
# A run at the trigger takes less than what is produced meanwhile. Every second run takes that backlog at full speed
# (available-now plans one epoch behind the other), so that many epochs are in flight at once.
OFFSETS_PER_EPOCH, TRIGGER = 150, "200 milliseconds"
PLANNED = re.compile(r"event=epoch_planned .*?epoch=(\d+)")
BROKER_KILLS = 10 if LONG else 2
MANIFEST_BYTES_MAX = 1 << 20  # every epoch writes one, so what restarts leave behind must not gather in it


@pytest.fixture
def own_broker(tmp_path):
    with KafkaBroker(tmp_path / "kafka") as running:
        yield running


@pytest.fixture
def dice():
    seed = int(os.environ.get("FORESET_SEED") or random.SystemRandom().randrange(2**32))
    print(f"FORESET_SEED={seed}")
    return random.Random(seed)


@pytest.fixture
def growing(own_broker, tmp_path):
    """A medallion of many small epochs over a topic that a producer fills at a fixed rate until it is told to end."""
    own_broker.create_topic("growing", 4)
    producer = foreset.Run(["produce", "--brokers", own_broker.address, "--topic", "growing", "--key", "user_id",
                            "--rate", RATE, "--generate", "user-events:1000000000:13"])
    medallion = Medallion(tmp_path / "medallion", own_broker.address, "growing", OFFSETS_PER_EPOCH, TRIGGER)
    medallion.producer, medallion.peak = producer, 0
    yield medallion
    producer.kill()


def run_for(running, seconds):
    """Lets a process run; False if it ended by itself before."""
    try:
        running.process.wait(seconds)
        return False
    except subprocess.TimeoutExpired:
        return True


def finish(medallion):
    """The producer ends, one run takes the rest: every event that was delivered is in the tables."""
    medallion.producer.drain(SECONDS + 120).check()
    delivered = int(re.search(r"delivered (\d+), failed 0", medallion.producer.stdout)[1])
    medallion.limit_offsets(20 * OFFSETS_PER_EPOCH)  # what is left may be thousands of small epochs
    medallion.run().check()
    reference = Reference(medallion.broker, medallion.topic)
    assert reference.counts()["records"] == delivered
    assert medallion.check_structure() == []
    assert medallion.check(reference, "pyarrow") == []  # deltalake takes 20 ms a file
    return delivered


def in_flight(running):
    """Epochs that a run had planned and not published when it ended."""
    planned = [int(number) for number in PLANNED.findall(running.stderr)]
    published = max([line["epoch"] for line in running.progress], default=0)
    return sum(number > published for number in planned)


def peak_bytes(running):
    """The most memory that a process had so far; 0 if it has ended."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", pathlib.Path(f"/proc/{running.process.pid}/status").read_text())
    except OSError:
        found = None
    return int(found[1]) * 1024 if found else 0


def largest_manifest(medallion):
    return max(path.stat().st_size for path in medallion.warehouse.glob("_foreset/*/manifests/*.pb"))


def kill_once(medallion, dice, pause, fast):
    """One run, killed at a random moment, which may be before it recovered: (seconds it ran, epochs in flight, or None
    if it had taken all there was and ended before)."""
    seconds = dice.uniform(0, 1.5) if fast else dice.uniform(0, max(4 * pause - 1.5, 1))
    running = medallion.start(*(["--available-now"] if fast else []), env={"FORESET_LOG": "debug"})
    begin = time.monotonic()
    try:
        survived = run_for(running, seconds)
        medallion.peak = max(medallion.peak, peak_bytes(running))
    finally:
        running.kill()
    if not survived:
        running.check()
        assert fast, "a run without --available-now ended by itself"
    return time.monotonic() - begin, in_flight(running) if survived else None


def test_killed_at_random_moments(growing, dice):
    planned, left, ran, checked, runs = collections.Counter(), collections.Counter(), 0.0, 0.0, 0
    follower, begin = Follower(growing), time.monotonic()
    while planned.total() < KILLS or ran < SECONDS:
        seconds, epochs = kill_once(growing, dice, SECONDS / KILLS, runs % 2 == 1)
        ran, runs = ran + seconds, runs + 1
        assert growing.producer.running(), growing.producer.stderr
        checking = time.monotonic()
        assert follower.check() == [], f"after run {runs}"
        if epochs is not None:
            planned[epochs] += 1
            left[follower.epochs_left()] += 1
        checked += time.monotonic() - checking
        if runs % 10 == 0:
            print(f"{planned.total()} kills: ran {ran:.0f} s, checked {checked:.0f} s, in flight "
                  f"{dict(sorted(planned.items()))}, judged {follower.counts}", flush=True)
    lasted = time.monotonic() - begin
    delivered = finish(growing)
    assert follower.check() == []
    print(f"{planned.total()} kills in {ran:.0f} s of running ({lasted:.0f} s in all, {checked:.0f} s of them checks), "
          f"{runs - planned.total()} runs ended before theirs; {delivered} events at {RATE}/s\n"
          f"epochs in flight at the kill (planned, not published): {dict(sorted(planned.items()))}\n"
          f"epochs with files that no log names yet: {dict(sorted(left.items()))}\njudged: {follower.counts}, "
          f"as versions {growing.versions()}\npeak memory {growing.peak / 2**20:.0f} MiB, "
          f"largest manifest {largest_manifest(growing) / 1024:.0f} KiB")
    assert max(planned) >= 2, "never two epochs in flight"
    assert largest_manifest(growing) <= MANIFEST_BYTES_MAX
    assert growing.peak <= 1.1 * 2**30, "more than --memory 1G"


def test_broker_killed_and_restarted(growing, own_broker, dice):
    running = growing.start()
    try:
        for _ in range(BROKER_KILLS):
            run_for(running, dice.uniform(1, 4))
            own_broker.kill()
            run_for(running, dice.uniform(0.1, 2))
            own_broker.start()
            if not running.running():
                running.check(foreset.EXIT_FAILED)
                running = growing.start()
        running.drain().check()
    finally:
        running.kill()
    finish(growing)


def test_broker_and_process_killed_together(growing, own_broker, dice):
    for _ in range(BROKER_KILLS):
        running = growing.start()
        run_for(running, dice.uniform(1, 3))
        own_broker.kill()
        running.kill()
        assert growing.check_structure() == []
        own_broker.start()
    finish(growing)


def test_paused_and_continued(growing, dice):
    """A stop longer than any lease: it goes on or ends fenced, never wrongly."""
    running = growing.start()
    try:
        run_for(running, 2)
        running.signal(signal.SIGSTOP)
        run_for(running, 12)
        running.signal(signal.SIGCONT)
        run_for(running, dice.uniform(0.5, 2))
        running.drain()
        assert running.returncode in (foreset.EXIT_DONE, foreset.EXIT_FENCED), running.stderr[-3000:]
    finally:
        running.kill()
    finish(growing)


def test_drained_run_leaves_equal_tables(growing):
    running = growing.start()
    try:
        running.wait_for(lambda: growing.made() == ["bronze", "silver", "gold"] and growing.versions()["bronze"] >= 5,
                         what="five bronze commits")
        running.drain().check()
    finally:
        running.kill()
    assert growing.check_structure() == []
    assert growing.check_decided() == []
    assert growing.epochs_in_flight() == 0
    finish(growing)
