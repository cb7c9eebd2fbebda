"""Stored data of earlier versions: the program goes on from what 0.1.0 left, with the same results."""

import collections
import fcntl
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile

import foreset
import pytest
from cluster import wait_until
from deltalake import DeltaTable
from local_cluster import Local

PLACE = pathlib.Path("/tmp/foreset-stored-0.1.0")  # plans hold absolute paths
CLUSTER_PLACE = pathlib.Path("/tmp/foreset-stored-0.1.0-etcd")


def unpacked(name, place):
    """The folder as the killed process left it; one test at a time, as there is one place."""
    with open(pathlib.Path(tempfile.gettempdir()) / f"{place.name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        with tarfile.open(foreset.data("stored-0.1.0", name)) as archive:
            foreset.unpack(archive, place)
        yield place
        shutil.rmtree(place)


@pytest.fixture
def kept():
    yield from unpacked("kept.tar.gz", PLACE)


@pytest.fixture
def kept_cluster(tmp_path):
    """An etcd with what the cluster left in it, and a cluster of the program under test that is not started yet."""
    for place in unpacked("cluster.tar.gz", CLUSTER_PLACE):
        local = Local(tmp_path, allow=["--allow-path", place])
        local.warehouse, local.state = place / "warehouse", place / "state"
        local.coordinator = local.make_coordinator("c1", local.url)
        with local:
            for member in local.members:
                member.start()
            wait_until(lambda: etcd(local, "endpoint", "health").returncode == 0, 30, "etcd answers")
            for key, value in json.loads((place / "etcd.json").read_text()).items():
                assert etcd(local, "put", "--", key, value).returncode == 0
            yield local


def etcd(local, *args):
    return subprocess.run(["etcdctl", "--endpoints", local.etcd_urls, *args], capture_output=True, text=True)


def read(directory):
    """What the pipeline makes of the input, file by file."""
    rows = []
    for path in sorted((directory / "in").iterdir()):
        rows += [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["id"], row["k"], int(row["n"])) for row in rows if row["n"] != "x"]


def table(directory, name):
    folder = "wh" if (directory / "wh").exists() else "warehouse"
    return DeltaTable(str(directory / folder / name)).to_pyarrow_table().to_pylist()


def go_on(directory):
    foreset.run("run", directory / "p.sql", "--warehouse", directory / "wh", "--available-now", "--lanes", "2",
                timeout=60).check()


def check(directory, ended=True):
    """ended: the run has ended, so that batches that wait for their interval are published."""
    first = read(directory)
    assert sorted(tuple(row.values()) for row in table(directory, "first")) == sorted(first)
    if ended:
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


def test_a_cluster_goes_on_from_the_etcd_that_0_1_0_left_and_again(kept_cluster):
    local, place = kept_cluster, CLUSTER_PLACE
    local.coordinator.start()
    wait_until(lambda: local.run("cluster", "status").returncode == 0, 30, f"a leader\n{local.coordinator.text()}")
    local.worker("w1")  # drained before, and still
    local.worker("w2")
    rows = len(read(place))
    wait_until(lambda: len(table(place, "first")) == rows, 60, f"all files are read\n{local.coordinator.text()}")
    states = {worker["name"]: worker["state"] for worker in local.said("workers", "list")["workers"]}
    assert states == {"w1": "drained", "w2": "active"}
    assert local.takes_part("kept") == {"w2"}
    (place / "in" / "6.json").write_text(json.dumps({"id": "new", "k": "a", "n": "5"}) + "\n")
    wait_until(lambda: len(table(place, "first")) == rows + 1, 30, f"it goes on\n{local.coordinator.text()}")
    assert local.run("pipelines", "stop", "kept").returncode == 0
    wait_until(lambda: local.described("kept")["state"] == "stopped", 30, local.coordinator.text())
    check(place, ended=False)
