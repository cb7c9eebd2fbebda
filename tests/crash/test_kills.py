"""Kills at random moments while a topic grows: process, broker, both; tables equal the reference of what is decided.

Short form: a dozen kills in half a minute. FORESET_LONG=1: FORESET_KILLS (200) kills over a medallion that runs for at
least FORESET_KILL_SECONDS (600). The seed (FORESET_SEED, else drawn) is printed; moments follow from it, though the
program's own timing does not.
"""

import collections
import os
import random
import signal
import subprocess
import time

import foreset
import pytest
from kafka_broker import KafkaBroker
from medallion import Medallion

LONG = bool(os.environ.get("FORESET_LONG"))
KILLS = int(os.environ.get("FORESET_KILLS", "200" if LONG else "12"))
SECONDS = float(os.environ.get("FORESET_KILL_SECONDS", "600" if LONG else "25"))
RATE = int(os.environ.get("FORESET_KILL_RATE", "10000"))
CHECK_EVERY = 20 if LONG else 4


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
    """A medallion of many small epochs over a topic that a producer fills at a fixed rate meanwhile."""
    own_broker.create_topic("growing", 4)
    count = int(RATE * SECONDS)
    producer = foreset.Run(["produce", "--brokers", own_broker.address, "--topic", "growing", "--key", "user_id",
                            "--rate", RATE, "--generate", f"user-events:{count}:13"])
    medallion = Medallion(tmp_path / "medallion", own_broker.address, "growing", 20000, "200 milliseconds")
    medallion.producer, medallion.count = producer, count
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
    medallion.producer.wait(SECONDS + 120).check()
    medallion.run().check()
    assert medallion.check_structure() == []
    assert medallion.check() == []
    assert sum(medallion.ends().values()) == medallion.count


def kill_once(medallion, dice, pause):
    """One run, killed at a random moment; how many epochs it had in flight."""
    running = medallion.start()
    try:
        assert run_for(running, dice.uniform(0.05, 2 * pause)), running.check()
    finally:
        running.kill()
    assert medallion.check_structure() == []
    return medallion.epochs_in_flight()


def test_killed_at_random_moments(growing, dice):
    in_flight = collections.Counter()
    begin, pause = time.monotonic(), SECONDS / KILLS
    for number in range(1, KILLS + 1):
        in_flight[kill_once(growing, dice, pause)] += 1
        if number % CHECK_EVERY == 0 and growing.made() == ["bronze", "silver", "gold"]:
            growing.run("--set", "pipeline.trigger=1 second").check()
            assert growing.check_decided() == [], f"after kill {number}"
    while time.monotonic() < begin + SECONDS and growing.producer.running():
        in_flight[kill_once(growing, dice, pause)] += 1
    finish(growing)
    print(f"{sum(in_flight.values())} kills in {time.monotonic() - begin:.0f} s; "
          f"epochs in flight at the kill: {dict(sorted(in_flight.items()))}")


def test_broker_killed_and_restarted(growing, own_broker, dice):
    running = growing.start()
    try:
        for _ in range(5 if LONG else 2):
            run_for(running, dice.uniform(1, 4))
            own_broker.kill()
            run_for(running, dice.uniform(0.1, 2))
            own_broker.start()
            if not running.running():
                running.check(foreset.EXIT_FAILED)
                running = growing.start()
        growing.producer.wait(SECONDS + 120).check()
        running.drain().check()
    finally:
        running.kill()
    finish(growing)


def test_broker_and_process_killed_together(growing, own_broker, dice):
    for _ in range(5 if LONG else 2):
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
