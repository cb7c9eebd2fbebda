"""Error at call N: every call by which the program writes to its store fails once, and then also from some call on.

The real program runs under tests/lib/store_faults.c. Whatever fails: the run ends, its exit code is one of
docs/ERRORS.md, its message names a path and the reason, and after a run without faults the tables hold each row once.
The shim also notes every call, so that a model of a file system without mercy can say what a power cut would leave: a
name is durable when its folder was synced after the name was made; what a failed sync had before it is lost, until it
is made again. At the end every file that a table or the store needs is durable in that model.

Short form: a sample of the calls, drawn by a seed that is printed. FORESET_LONG=1: all of them.
"""

import collections
import errno
import json
import os
import pathlib
import random
import shutil
import subprocess
from concurrent import futures

import delta_log
import foreset
import pytest
import readers

LONG = bool(os.environ.get("FORESET_LONG"))
SEED = int(os.environ.get("FORESET_SEED") or random.SystemRandom().randrange(1 << 30))
SECONDS_MAX = 120  # of one run; the longest gives up after a dozen attempts with pauses in between
CALLS = ["fsync", "fdatasync", "write", "pwrite", "link", "rename", "open", "mkdir", "close", "ftruncate"]
ERRORS = ["EIO", "ENOSPC", "EMFILE", "EDQUOT", "EINTR"]
SAMPLES_ONCE = 3  # of each call and error
AT_ONCE = 6  # they wait more than they run
FAILED_TEXTS = {"ENOSPC": ["disk is full", "No space left"], "EDQUOT": ["disk is full", "Disk quota exceeded"]}
SQL = """SET pipeline.name = faults;
CREATE OR REFRESH STREAMING TABLE bronze.lines PARTITIONED BY (k) AS
SELECT id, k FROM STREAM read_files('in', format => 'json', schema => 'id INT, k STRING', maxFilesPerTrigger => 1);
CREATE OR REFRESH STREAMING TABLE gold.sums TBLPROPERTIES ('output.mode' = 'complete') AS
SELECT k, count(*) AS n, sum(id) AS total FROM STREAM bronze.lines GROUP BY k;
CREATE OR REFRESH STREAMING TABLE gold.latest TBLPROPERTIES ('output.mode' = 'update') AS
SELECT k, max(id) AS last FROM STREAM bronze.lines GROUP BY k;
"""
ROWS = [(10 * file + row, f"k{row % 2}") for file in range(1, 4) for row in range(4)]
KEYS = sorted({key for _, key in ROWS})
TABLES = {
    "bronze/lines": sorted(ROWS),
    "gold/sums": sorted((k, len([1 for _, o in ROWS if o == k]), sum(i for i, o in ROWS if o == k)) for k in KEYS),
    "gold/latest": sorted((k, max(i for i, o in ROWS if o == k)) for k in KEYS),
}


@pytest.fixture(scope="module")
def shim(tmp_path_factory):
    library = tmp_path_factory.mktemp("shim") / "store_faults.so"
    source = pathlib.Path(__file__).resolve().parents[1] / "lib" / "store_faults.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o", library, source], check=True)
    return library


class Case:
    """A small pipeline in a folder of its own."""

    def __init__(self, folder, shim):
        self.folder, self.shim = folder, shim
        self.warehouse, self.log = folder / "wh", folder / "calls.log"
        (folder / "in").mkdir(parents=True)
        for number in range(3):
            lines = [json.dumps({"id": i, "k": k}) + "\n" for i, k in ROWS[4 * number:4 * number + 4]]
            (folder / "in" / f"{number}.json").write_text("".join(lines))
        (folder / "p.sql").write_text(SQL)

    def run(self, call="", at=0, times=0, error="EIO"):
        faults = {"LD_PRELOAD": str(self.shim), "STORE_FAULTS_BELOW": str(self.warehouse), "STORE_FAULTS_CALL": call,
                  "STORE_FAULTS_LOG": str(self.log), "STORE_FAULTS_AT": str(at), "STORE_FAULTS_TIMES": str(times),
                  "STORE_FAULTS_ERRNO": str(getattr(errno, error))}
        return foreset.run("run", self.folder / "p.sql", "--warehouse", self.warehouse, "--available-now", "--lanes",
                           "2", "--progress", "none", env=faults, timeout=SECONDS_MAX)

    def calls(self):
        """How often each call was made so far."""
        counted = collections.Counter(call for call, *_ in self.noted())
        counted["open"] += counted.pop("create", 0)
        return counted

    def noted(self):
        for line in self.log.read_text().splitlines():
            call, result, number, inode, path, other = line.split("\t")
            yield call, int(result), int(number), int(inode), path, other

    def check_tables(self):
        for name, expected in TABLES.items():
            rows = [tuple(row.values()) for row in readers.read_pyarrow(self.warehouse / name).to_pylist()]
            assert sorted(rows) == expected, name

    # ---- What a power cut would leave

    def needed(self):
        """Every name that must be there: logs, what they show, decided manifests, the key-value store, their folders.

        A manifest whose folder could not be synced is never decided: it stays as an orphan until it is cleaned.
        """
        names = {self.warehouse / name / "_delta_log" / f"{version:020}.json"
                 for name in TABLES for version, _ in delta_log.commits(self.warehouse / name)}
        names |= {self.warehouse / name / path for name in TABLES
                  for path in delta_log.active_files(self.warehouse / name)}
        state = self.warehouse / "_foreset" / "faults"
        decided = (state / "kv.log").read_bytes()  # each decision is a record that names its manifest
        manifests = {path for path in state.glob("manifests/*.pb") if f"manifests/{path.name}".encode() in decided}
        assert manifests
        names |= manifests | {state / "kv.log"}
        for name in list(names):
            names |= {parent for parent in name.parents if self.warehouse in parent.parents}
        return names

    def check_durable(self):
        names, contents = {}, {}  # path or inode: "new", "durable" or "lost"
        for call, result, number, inode, path, other in self.noted():
            if result < 0 and (call not in ("fsync", "fdatasync") or number == errno.EINTR):
                continue
            if call in ("create", "link", "rename", "mkdir"):
                names[path] = "new"
            if call == "rename":
                names.pop(other, None)
            if call in ("write", "pwrite", "ftruncate") and contents.get(inode) != "lost":
                contents[inode] = "new"
            if call == "create":
                contents[inode] = "new"
            if call in ("fsync", "fdatasync"):
                became = "durable" if result == 0 else "lost"
                if contents.get(inode) == "new":
                    contents[inode] = became
                for name in names:
                    if os.path.dirname(name) == path and names[name] == "new":
                        names[name] = became
            if call == "unlink":
                names.pop(path, None)
        for name in self.needed():
            assert names.get(str(name)) == "durable", f"{name}: the name is {names.get(str(name))}"
            if name.is_file():
                state = contents.get(name.stat().st_ino)
                assert state == "durable", f"{name}: the content is {state}"


def reason(error):
    return FAILED_TEXTS.get(error, []) + [os.strerror(getattr(errno, error))]


def judge(case, run, error):
    """The outcome as a word for the table; raises where a promise is broken."""
    about = f"{run}: exit {run.returncode}\n{run.stderr[-3000:]}"
    assert run.returncode in (foreset.EXIT_DONE, foreset.EXIT_FAILED), about
    if run.returncode == foreset.EXIT_DONE:
        case.check_tables()
    else:
        assert str(case.warehouse) in run.stderr, f"no path: {about}"
        assert any(text in run.stderr for text in reason(error)), f"no reason ({reason(error)}): {about}"
    again = case.run()
    assert again.returncode == foreset.EXIT_DONE, f"after {about}\nagain: {again.stderr[-3000:]}"
    case.check_tables()
    case.check_durable()
    return "done" if run.returncode == foreset.EXIT_DONE else "failed"


def plan(counted, error, call):
    """[(N, how many fail)] to try. EINTR comes now and then, never for ever."""
    count = counted[call]
    once = range(1, count + 1) if LONG else draw(call, error, count, SAMPLES_ONCE)
    on = range(1, count + 1, 7) if LONG else draw(call, error, count, 1)
    if error == "EINTR":
        return [(n, 3) for n in once]
    return [(n, 1) for n in once] + ([(n, 1 << 30) for n in on] if LONG or error in ("EIO", "ENOSPC") else [])


def draw(call, error, count, samples):
    chosen = random.Random(f"{SEED} {call} {error} {samples}")
    return sorted(chosen.sample(range(1, count + 1), min(samples, count)))


@pytest.fixture(scope="module")
def counted(tmp_path_factory, shim):
    """A run without faults is right, durable, and says how many calls there are."""
    case = Case(tmp_path_factory.mktemp("plain") / "case", shim)
    case.run().check()
    case.check_tables()
    case.check_durable()
    counted = case.calls()
    print(f"\nseed {SEED}; calls of a run without faults: {dict(counted)}")
    return counted


def try_one(folder, shim, call, error, at, times):
    """(error, outcome, what is broken)"""
    case = Case(folder / f"{error}-{at}-{times}", shim)
    try:
        outcome, broken = judge(case, case.run(call, at, times, error), error), None
    except (AssertionError, TimeoutError, ValueError, OSError) as wrong:
        outcome = "WRONG"
        broken = f"{call} {error} at {at}, {'from then on' if times > 9 else f'{times} times'}: {wrong}"
    shutil.rmtree(case.folder)
    return error, outcome, broken


@pytest.mark.parametrize("call", CALLS)
def test_an_error_at_any_call_ends_with_a_message_and_leaves_right_tables(tmp_path, shim, counted, call):
    outcomes, broken = collections.defaultdict(collections.Counter), []
    with futures.ThreadPoolExecutor(AT_ONCE) as pool:
        tried = [pool.submit(try_one, tmp_path, shim, call, error, at, times)
                 for error in ERRORS for at, times in plan(counted, error, call)]
        for done in tried:
            error, outcome, wrong = done.result()
            outcomes[error][outcome] += 1
            broken += [wrong] if wrong else []
    for error, counts in outcomes.items():
        print(f"{call:10}{counted[call]:5} calls {error:7} exit 0, table right: {counts['done']:3}   exit 1 with a "
              f"message, then right: {counts['failed']:3}   WRONG: {counts['WRONG']}")
    assert outcomes
    assert not broken, f"seed {SEED}: {len(broken)} broken\n" + "\n----\n".join(broken[:20])


def test_writes_that_take_a_part_of_their_bytes_are_gone_on_with(tmp_path, shim):
    case = Case(tmp_path / "short", shim)
    case.run("short").check()
    case.check_tables()
    case.check_durable()
