"""Stored data of earlier versions: the program goes on from what 0.1.0 left, with the same results."""

import collections
import fcntl
import json
import pathlib
import shutil
import tarfile
import tempfile

import foreset
import pytest
from deltalake import DeltaTable

PLACE = pathlib.Path("/tmp/foreset-stored-0.1.0")  # plans hold absolute paths


@pytest.fixture
def kept():
    """The folder as the killed process left it; one test at a time, as there is one place."""
    with open(pathlib.Path(tempfile.gettempdir()) / "foreset-stored-0.1.0.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(PLACE, ignore_errors=True)
        PLACE.mkdir()
        with tarfile.open(foreset.data("stored-0.1.0", "kept.tar.gz")) as archive:
            foreset.unpack(archive, PLACE)
        yield PLACE
        shutil.rmtree(PLACE)


def read(directory):
    """What the pipeline makes of the input, file by file."""
    rows = []
    for path in sorted((directory / "in").iterdir()):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["id"], row["k"], int(row["n"])) for row in rows if row["n"] != "x"]


def table(directory, name):
    return DeltaTable(str(directory / "wh" / name)).to_pyarrow_table().to_pylist()


def go_on(directory):
    foreset.run("run", directory / "p.sql", "--warehouse", directory / "wh", "--available-now", "--lanes", "2",
                timeout=60).check()


def check(directory):
    first = read(directory)
    assert sorted(tuple(row.values()) for row in table(directory, "first")) == sorted(first)
    assert sorted(tuple(row.values()) for row in table(directory, "slow")) == sorted(
        (name, k, 10 // n) for name, k, n in first if n)
    assert len(table(directory, "slow__dead_letters")) == sum(n == 0 for _, _, n in first)
    once = [row["id"] for row in table(directory, "once")]
    assert sorted(once) == sorted({name for name, _, _ in first})
    counts = collections.defaultdict(lambda: [0, 0])
    for _, k, n in first:
        counts[k][0] += 1
        counts[k][1] += n
    assert {row["k"]: [row["c"], row["s"]] for row in table(directory, "counts")} == dict(counts)


def test_a_run_goes_on_from_what_0_1_0_left_and_again(kept):
    assert len(table(kept, "first")) == 57 and len(table(kept, "slow")) == 35  # epoch 3 is pending
    go_on(kept)
    check(kept)
    (kept / "in" / "6.json").write_text(json.dumps({"id": "new", "k": "a", "n": "5"}) + "\n")
    go_on(kept)
    check(kept)


def test_the_files_of_its_unfinished_batch_are_named_when_one_is_gone(kept):
    for path in (kept / "wh" / "_foreset" / "kept" / "manifests").glob("*3-2-*"):
        path.unlink()
    run = foreset.run("run", kept / "p.sql", "--warehouse", kept / "wh", "--available-now", timeout=60)
    assert run.returncode == foreset.EXIT_FAILED
    assert "the manifest of the decided epoch 3 is gone" in run.stderr
