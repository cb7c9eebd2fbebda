"""P24: what an aborted attempt left is deleted once it is old, nothing else ever is; a kill in between does no harm.

Ages are made, not waited for: the modification times of everything in the warehouse are set back by two hours.
"""

import os
import signal
import time

import delta_log
import foreset
import pytest
from medallion import Medallion

EVENTS = 6000
TWO_HOURS = 7200
counter = iter(range(100))


@pytest.fixture
def medallion(broker, tmp_path):
    topic = f"cleaning-{os.getpid()}-{next(counter)}"
    broker.create_topic(topic, 2)
    made = Medallion(tmp_path, broker.address, topic, 1000)
    grow(made)
    return made


def grow(medallion):
    foreset.produce(medallion.broker, medallion.topic, f"user-events:{EVENTS}:{next(counter)}", "--key", "user_id")


def age(medallion):
    old = time.time() - TWO_HOURS
    for path in medallion.warehouse.rglob("*"):
        os.utime(path, (old, old))


def orphans(medallion):
    """Data files that no table names."""
    found = set()
    for table in medallion.made():
        removed = {action["remove"]["path"] for _, actions in delta_log.commits(medallion.path(table))
                   for action in actions if "remove" in action}
        named, present = delta_log.visible_and_present(medallion.path(table))
        found |= {(table, name) for name in present - named - removed}
    return found


def abort_attempt(medallion):
    """A run that dies after the third epoch's files are durable and before it is decided; then one that finishes.

    Files of epochs that were decided and not yet put are named by no log at the kill either: the next run puts them.
    """
    killed = medallion.run(failpoints="manifest_put.before@3=kill")
    assert killed.returncode == -signal.SIGKILL
    unnamed = orphans(medallion)
    medallion.run().check()
    left = orphans(medallion)
    assert left and left <= unnamed
    return left


def test_young_files_stay(medallion):
    left = abort_attempt(medallion)
    grow(medallion)
    medallion.run().check()
    assert orphans(medallion) == left


def test_old_files_of_an_aborted_attempt_go(medallion):
    abort_attempt(medallion)
    age(medallion)
    grow(medallion)
    medallion.run().check()
    assert orphans(medallion) == set()
    assert medallion.check_structure() == []
    assert medallion.check() == []


@pytest.mark.parametrize("point", ["clean.before", "clean.after"])
def test_killed_while_cleaning(medallion, point):
    abort_attempt(medallion)
    age(medallion)
    grow(medallion)
    killed = medallion.run(failpoints=f"{point}=kill")
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-2000:]
    assert medallion.check_structure() == []
    medallion.run().check()
    medallion.run().check()
    assert medallion.check_structure() == []
    assert medallion.check() == []
