"""kill -9, and a failing step, at every failpoint: afterwards one more run makes the tables equal the reference.

The points come from the program itself. One that the medallion never reaches must stand in unreached.txt with the test
that does reach it, so that a durable step without fire is seen.
"""

import pathlib
import signal

import foreset
import pytest
from medallion import Medallion
from reference import Reference

EVENTS = 12000
TOPIC = "failpoints"
PASSES = (1, 3)


def points():
    try:
        return foreset.failpoints()
    except (FileNotFoundError, AssertionError):
        return []


def unreached():
    lines = (pathlib.Path(__file__).parent / "unreached.txt").read_text().splitlines()
    return {line.split()[0] for line in lines if line and not line.startswith("#")}


@pytest.fixture(scope="module")
def topic(broker):
    broker.create_topic(TOPIC, 4)
    foreset.produce(broker.address, TOPIC, f"user-events:{EVENTS}:11", "--key", "user_id")
    return TOPIC


@pytest.fixture(scope="module")
def reference(broker, topic):
    return Reference(broker.address, topic)


@pytest.fixture
def medallion(broker, topic, tmp_path):
    return Medallion(tmp_path, broker.address, topic, EVENTS // 12)


def finish(medallion, reference):
    assert medallion.check_structure() == []
    medallion.run().check()
    assert medallion.check_structure() == []
    assert medallion.check(reference) == []


def test_there_are_points_before_and_after():
    names = set(points())
    for step in ("decide", "put"):
        assert {f"{step}.before", f"{step}.after"} <= names
    assert not unreached() - names


@pytest.mark.parametrize("nth", PASSES)
@pytest.mark.parametrize("point", points())
def test_killed_at(medallion, reference, point, nth):
    killed = medallion.run(failpoints=f"{point}@{nth}=kill")
    if killed.returncode == foreset.EXIT_DONE:
        assert nth > 1 or point in unreached(), f"{point} was never reached"
    else:
        assert killed.returncode == -signal.SIGKILL, killed.stderr[-3000:]
        assert nth > 1 or point not in unreached(), f"{point} is reached: take it off unreached.txt"
    finish(medallion, reference)


@pytest.mark.parametrize("point", points())
def test_failing_at(medallion, reference, point):
    """An injected error is retried or ends the run with a message; it is never swallowed into wrong tables."""
    failed = medallion.run(failpoints=f"{point}@2=error")
    assert failed.returncode in (foreset.EXIT_DONE, foreset.EXIT_FAILED, foreset.EXIT_FENCED, foreset.EXIT_BLOCKED), \
        failed.stderr[-3000:]
    assert failed.returncode == foreset.EXIT_DONE or failed.stderr.strip()
    finish(medallion, reference)


def test_killed_again_and_again_while_recovering(medallion, reference):
    for point in points():
        killed = medallion.run(failpoints=f"{point}=kill")
        assert killed.returncode in (-signal.SIGKILL, foreset.EXIT_DONE), killed.stderr[-3000:]
        assert medallion.check_structure() == []
    finish(medallion, reference)
