"""The end of the local key-value store is damaged: torn by a crash, or after it was decided? The tables tell.

Each record of the log in turn is the last one and has a flipped byte or a missing end. If a table has an epoch that the
records before do not know, the run is refused, names file and offset, and changes nothing; --adopt goes on from the
tables. So is it where the pipeline's id is lost. Else the record was torn: the run goes on by itself. The tables are
right at the end in every case.

So with a whole store that is an old copy, and with a table of which the last commits are gone.
"""

import json
import re
import shutil
import struct

import delta_log
import foreset
import pytest
import readers

SQL = """SET pipeline.name = damage;
CREATE OR REFRESH STREAMING TABLE lines AS
SELECT id FROM STREAM read_files('in', format => 'json', schema => 'id INT', maxFilesPerTrigger => 1);
CREATE OR REFRESH STREAMING TABLE total TBLPROPERTIES ('output.mode' = 'complete') AS
SELECT count(*) AS n FROM STREAM lines;
"""
FILES = 3
HEAD = 16
RECORD = struct.Struct("<IIQ")
ENTRY = struct.Struct("<BBHIqq")


class Case:
    def __init__(self, folder):
        self.folder, self.warehouse = folder, folder / "wh"
        self.kv = self.warehouse / "_foreset" / "damage" / "kv.log"

    def make(self):
        (self.folder / "in").mkdir(parents=True)
        for number in range(FILES):
            self.add(number)
        (self.folder / "p.sql").write_text(SQL)
        return self

    def add(self, number):
        (self.folder / "in" / f"{number}.json").write_text(json.dumps({"id": number}) + "\n")

    def run(self, *args, **kwargs):
        return foreset.run("run", self.folder / "p.sql", "--warehouse", self.warehouse, "--available-now", "--progress",
                           "none", *args, **kwargs)

    def restore(self):
        shutil.rmtree(self.folder)
        shutil.copytree(self.folder.with_name("backup"), self.folder)

    def known(self):
        """The last epoch that a table has."""
        tables = [self.warehouse / name for name in ("lines", "total")]
        return max([txn for table in tables if delta_log.exists(table)
                    for _, _, txn in delta_log.txn_versions(table)], default=0)

    def check(self, files=FILES):
        ids = [row["id"] for row in readers.read_pyarrow(self.warehouse / "lines").to_pylist()]
        assert sorted(ids) == list(range(files))
        assert readers.read_pyarrow(self.warehouse / "total").to_pylist() == [{"n": files}]


def records(log):
    """[(where it begins, where it ends, {key: value put})]"""
    at, found = HEAD, []
    while at < len(log):
        _, size, _ = RECORD.unpack_from(log, at)
        entry, end, puts = at + RECORD.size + 12, at + RECORD.size + size, {}
        while entry < end:
            kind, _, key_size, value_size, _, _ = ENTRY.unpack_from(log, entry)
            key = log[entry + ENTRY.size:entry + ENTRY.size + key_size].decode()
            entry += ENTRY.size + key_size + value_size
            if kind == 0:
                puts[key.rsplit("/", 1)[1]] = log[entry - value_size:entry].decode()
        found.append((at, end, puts))
        at = end
    return found


def damaged(log, begin, end, how):
    if how == "torn":
        return log[:begin + (end - begin) // 2]
    spoilt = bytearray(log[:end])
    spoilt[end - 3] ^= 0x20
    return bytes(spoilt)


@pytest.fixture(scope="module", params=["ended", "killed between decision and commit"])
def case(request, tmp_path_factory):
    """A warehouse after its run, and its records."""
    case = Case(tmp_path_factory.mktemp("damage") / "made").make()
    case.run(failpoints=None if request.param == "ended" else "decide.after@2=kill")
    shutil.copytree(case.folder, case.folder.with_name("backup"))
    return case


@pytest.mark.parametrize("how", ["torn", "flipped"])
def test_a_damaged_end_is_torn_unless_a_table_knows_more(case, how):
    case.restore()
    log, known, last, named, refused, went_on = case.kv.read_bytes(), case.known(), 0, False, 0, 0
    for number, (begin, end, puts) in enumerate(records(log)):
        case.restore()
        case.kv.write_bytes(damaged(log, begin, end, how))
        left = case.kv.read_bytes()
        run = case.run()
        about = f"record {number} of {records(log)}: {run}\n{run.stderr}"
        if known > last:
            refused += 1
            assert run.returncode == foreset.EXIT_FAILED, about
            assert re.search(rf"kv\.log at byte {begin} is damaged", run.stderr) and "--adopt" in run.stderr, about
            assert case.kv.read_bytes() == left, about
            assert case.run().returncode == foreset.EXIT_FAILED
            case.run("--adopt").check()
        elif not named:  # tables without an epoch, as several epochs may be decided at once: another pipeline's?
            refused += 1
            assert run.returncode == foreset.EXIT_FAILED and "--adopt" in run.stderr, about
            case.run("--adopt").check()
        else:
            went_on += 1
            assert run.returncode == foreset.EXIT_DONE, about
        named = named or "id" in puts
        case.check()
        case.add(FILES)
        case.run().check()
        case.check(FILES + 1)
        last = int(puts["last"].split()[0]) if "last" in puts else last
    assert refused > 0 and went_on > 0


@pytest.mark.parametrize("behind", [1, 2])
@pytest.mark.parametrize("way", ["--overwrite", "--full-refresh", "--adopt"])
def test_an_old_copy_of_the_store_makes_no_row_come_twice(tmp_path, way, behind):
    case = Case(tmp_path / "made").make()
    case.run().check()
    old = case.kv.read_bytes()
    for number in range(FILES, FILES + behind):
        case.add(number)
        case.run().check()
    case.kv.write_bytes(old)
    case.add(FILES + behind)
    for args in [(), (way,)] if way != "--adopt" else [()]:
        run = case.run(*args)
        assert run.returncode == foreset.EXIT_BLOCKED, f"{run}\n{run.stderr}"
        assert "store is older than the table" in run.stderr and "--adopt" in run.stderr, run.stderr
        case.check(FILES + behind)
    case.run("--adopt").check()
    case.check(FILES + behind + 1)
    case.run().check()
    case.check(FILES + behind + 1)


COUNTS = """SET pipeline.name = damage;
CREATE OR REFRESH STREAMING TABLE counts TBLPROPERTIES ('output.mode' = 'update') AS
SELECT id % 10 AS k, count(*) AS n FROM STREAM read_files('in', format => 'json', schema => 'id INT',
                                                        maxFilesPerTrigger => 1) GROUP BY id % 10;
"""


@pytest.mark.parametrize("lost", [1, 2])
@pytest.mark.parametrize("way", ["--overwrite", "--adopt"])
def test_a_table_that_lost_its_last_commits_has_each_group_once(tmp_path, way, lost):
    case = Case(tmp_path / "made").make()
    (case.folder / "p.sql").write_text(COUNTS)
    case.add(10)
    case.run().check()
    table = case.warehouse / "counts"
    for commit in sorted((table / "_delta_log").glob("*.json"))[-lost:]:
        commit.unlink()
    case.add(20)
    run = case.run()
    assert run.returncode == foreset.EXIT_BLOCKED and way in run.stderr, run.stderr
    case.run(way).check()
    case.add(11)
    case.add(12)
    case.add(21)
    case.run().check()
    rows = {row["k"]: row["n"] for row in readers.read_pyarrow(table).to_pylist()}
    assert rows == {0: 3, 1: 3, 2: 2}
    assert readers.read_pyarrow(table).num_rows == len(rows)


@pytest.mark.parametrize("option", ["--adopt", "--overwrite", "--abandon-table"])
def test_an_option_for_a_table_that_the_pipeline_does_not_have_changes_nothing(tmp_path, option):
    case = Case(tmp_path / "made").make()
    case.run().check()
    case.add(FILES)
    run = case.run(f"{option}=nope")
    assert run.returncode == foreset.EXIT_FAILED, run.stderr
    assert f"{option}=nope" in run.stderr and "its tables: lines, total" in run.stderr, run.stderr
    case.check(FILES)
    right = {"--adopt": "--adopt=lines", "--overwrite": "--overwrite=total", "--abandon-table": "--adopt=lines"}
    case.run(right[option]).check()
    case.check(FILES + 1)
