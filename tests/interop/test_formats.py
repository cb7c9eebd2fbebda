"""Stored formats of a later version are refused by name before anything is touched, on a standalone run and on a
cluster; and what was released keeps its place (docs/STATE.md, "Changing a stored format").

The later version is build/foreset_future: it writes one format number more of what FORESET_FUTURE names.
"""

import hashlib
import json
import re
import subprocess

import delta_log
import foreset
import pytest
from cluster import Process, wait_until
from deltalake import DeltaTable
from local_cluster import HERE, Local

SQL = """SET pipeline.name = p;
CREATE OR REFRESH STREAMING TABLE once AS
SELECT id, k FROM STREAM read_files('{folder}/in', format => 'json', schema => 'id INT, k STRING',
                                    maxFilesPerTrigger => 1)
DROP DUPLICATES ON (id);
CREATE OR REFRESH STREAMING TABLE counts TBLPROPERTIES ('output.mode' = 'update') AS
SELECT k, count(*) AS n FROM STREAM once GROUP BY k;
"""
ADDED = """CREATE OR REFRESH STREAMING TABLE copy AS SELECT id FROM STREAM once;
"""
KINDS = ("manifest", "manifest-list", "plan", "fill", "state-part", "kv-log", "pipeline-keys", "cluster-keys")


def future():
    path = foreset.binary().with_name("foreset_future")
    if not path.exists():
        pytest.fail(f"{path} is not built: cmake --preset release -DFORESET_TESTS=ON && cmake --build --preset release")
    return path


def tree(folder):
    """Every file with what is in it. kv.lock holds the number of the process that looked last."""
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file() and path.name != "kv.lock"}


class Case:
    def __init__(self, folder):
        self.folder, self.warehouse, self.files = folder, folder / "wh", 0
        (folder / "in").mkdir(parents=True)
        (folder / "p.sql").write_text(SQL.format(folder=folder))
        for _ in range(3):
            self.add()

    def add(self):
        rows = [{"id": 4 * self.files + i, "k": "ab"[i % 2]} for i in range(6)]  # two of them are in the next file too
        path = self.folder / "in" / f"{self.files}.tmp"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        path.rename(path.with_suffix(".json"))
        self.files += 1

    def ids(self):
        return list(range(4 * self.files + 2))

    def run(self, program=None, ahead=None):
        env = {"FORESET_FUTURE": ahead} if ahead else None
        return foreset.run("run", self.folder / "p.sql", "--warehouse", self.warehouse, "--available-now", "--progress",
                           "none", program=program, env=env, timeout=60)

    def check(self):
        def column(table, name):
            return DeltaTable(str(self.warehouse / table)).to_pyarrow_table()[name].to_pylist()
        assert sorted(column("once", "id")) == self.ids()
        assert sum(column("counts", "n")) == len(self.ids())
        if (self.warehouse / "copy").exists():
            assert sorted(column("copy", "id")) == self.ids()


def refusal(kind):
    ours = 2 if kind == "manifest" else 1
    return re.compile(rf"was written by Foreset 9\.8\.7 in {kind} format {ours + 1}; this program "
                      rf"\(\d+\.\d+\.\d+\) reads formats up to {ours}: use Foreset 9\.8\.7 or newer")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_refuses_what_a_later_version_left_and_touches_nothing(tmp_path, kind):
    case = Case(tmp_path)
    case.run(future(), kind).check()
    case.check()
    case.add()
    before = tree(tmp_path)
    run = case.run()
    assert run.returncode == foreset.EXIT_FAILED
    assert refusal(kind).search(run.stderr), run.stderr
    assert tree(tmp_path) == before
    case.run(future(), kind).check()  # the later version goes on from it
    case.check()


def test_a_later_version_with_the_same_formats_is_no_matter(tmp_path):
    case = Case(tmp_path)
    case.run(future()).check()
    case.add()
    run = case.run().check()
    assert "changed" not in run.stderr  # nor is the plan another one
    case.add()
    case.run(future()).check()
    case.check()


@pytest.mark.parametrize("kind", ["plan", "state-part"])
def test_a_file_of_a_later_version_is_named_where_no_stamp_says_so(tmp_path, kind):
    case = Case(tmp_path)
    case.run(future(), f"files:{kind}").check()
    case.add()
    if kind == "plan":  # it is read where it differs
        (case.folder / "p.sql").write_text((case.folder / "p.sql").read_text() + ADDED)
    versions = {table: delta_log.latest_version(case.warehouse / table) for table in ("once", "counts")}
    run = case.run()
    assert run.returncode == foreset.EXIT_FAILED
    assert refusal(kind).search(run.stderr), run.stderr
    assert {"plan": "plans/", "state-part": "state/part-"}[kind] in run.stderr
    assert {table: delta_log.latest_version(case.warehouse / table) for table in versions} == versions
    case.run(future(), f"files:{kind}").check()
    case.check()


def etcd(local, *args):
    return subprocess.run(["etcdctl", "--endpoints", local.etcd_urls, *args, "-w", "json"], capture_output=True,
                          text=True, check=True).stdout


def kept(local):
    """etcd's revision and all that is in it: a lease that runs out is a revision too, so it is waited for."""
    said = json.loads(etcd(local, "get", "", "--prefix"))
    return said["header"]["revision"], said["kvs"]


def lasting(local):
    return not any(kv.get("lease") for kv in kept(local)[1])


class Cluster(Local):
    """Of the later version: coordinator and worker."""

    def __init__(self, directory, ahead):
        super().__init__(directory)
        self.env = {**self.environment(), "FORESET_FUTURE": ahead}
        self.coordinator = self.make_coordinator("c1", self.url, binary=future())
        self.coordinator.env = self.env

    def later_worker(self):
        command = [future(), "worker", "--name", "w1", "--listen", "tcp://127.0.0.1:0", "--coordinator", self.url,
                   "--lanes", "1", "--memory", "256M", *self.allow]
        self.workers.append(Process(HERE, command, self.directory / "later.log", self.env).start())

    def present(self):
        """The program under test, which must end by itself; what it says."""
        coordinator = self.second_coordinator(f"c{2 + len(self.others)}")
        assert coordinator.process.wait(30) == 1, coordinator.text()
        return coordinator.text()


@pytest.mark.parametrize("kind", ["cluster-keys", "state-part"])
def test_a_coordinator_refuses_what_a_later_version_left_and_touches_nothing(tmp_path, kind):
    with Cluster(tmp_path, kind) as local:
        case = Case(tmp_path / "case")
        case.warehouse = local.warehouse
        local.start()
        local.later_worker()
        applied = local.run("pipelines", "apply", case.folder / "p.sql", binary=future())
        assert applied.returncode == 0, applied
        wait_until(lambda: delta_log.exists(case.warehouse / "counts") and
                   len(DeltaTable(str(case.warehouse / "once")).to_pyarrow_table()) == len(case.ids()), 30,
                   f"all is read\n{local.coordinator.text()}")
        local.coordinator.stop()
        local.workers[0].kill()
        wait_until(lambda: lasting(local), 60, "leases have run out")
        before, files = kept(local), (tree(local.warehouse), tree(local.state))
        said = local.present()
        assert refusal(kind).search(said), said
        etcd(local, "put", "foreset/cluster/format", "9.8.7 plan")
        damaged = kept(local)
        said = local.present()
        assert "kv key foreset/cluster/format: its version fields are damaged" in said
        assert kept(local) == damaged and damaged[0] == before[0] + 1
        assert (tree(local.warehouse), tree(local.state)) == files


def test_every_format_is_in_the_docs_and_in_the_tests(tmp_path):
    source = (foreset.ROOT / "common" / "base" / "format_version.c").read_text()
    names = re.findall(r'\[FORMAT_\w+\] = \{"([a-z-]+)"', source)
    assert tuple(names) == KINDS
    docs = (foreset.ROOT / "docs" / "STATE.md").read_text()
    for name in names:
        assert f"| `{name}` |" in docs, name


def fields(text):
    """Message, number, label, type and name of every field of a .proto file."""
    found, where = set(), []
    for line in text.splitlines():
        line = line.split("//")[0].strip()
        opened = re.match(r"(message|enum|oneof) (\w+) \{", line)
        field = re.match(r"(?:(required|optional|repeated) )?([\w.]+ )?(\w+) = (\d+)", line)
        if opened:
            where.append(opened[2])
        elif line.startswith("}"):
            where.pop()
        elif field and where:
            found.add(" ".join((".".join(where), field[4], field[1] or "-", (field[2] or "-").strip(), field[3])))
    return found


def test_fields_that_were_released_stay_what_they_were():
    """A field is never taken for another thing: it stays, or its number is reserved."""
    for released in sorted((foreset.ROOT / "tests" / "data").glob("stored-*/fields.txt")):
        text = "\n".join((foreset.ROOT / "proto" / name).read_text() for name in ("plan.proto", "manifest.proto"))
        now = fields(text)
        for field in released.read_text().splitlines():
            message, number = field.split()[:2]
            body = re.search(rf"message {message.split('.')[-1]} \{{(.*?)\n\}}", text, re.S)
            reserved = body and re.search(rf"reserved [\d, ]*\b{number}\b", body[1])
            assert field in now or reserved, f"{released.parent.name}: {field}"
        numbers = [(line.split()[0], line.split()[1]) for line in now]
        assert len(numbers) == len(set(numbers))
