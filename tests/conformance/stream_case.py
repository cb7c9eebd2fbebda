"""One streaming case with Spark's answers: laid out for a run, run, read back and compared.

Promises: the case's own folder is never written; inputs get modification times that rise with their names, a minute
apart and all in the past; a run of `runs` sees exactly the files that Spark saw, k of every stream.
"""

import difflib
import json
import os
import pathlib
import re
import shutil

import delta_log
import encode
import foreset
import pytest
from deltalake import DeltaTable

FIRST_MTIME = 1_700_000_000


def names():
    return sorted(p.parent.name for p in foreset.data("conformance", "stream").glob("*/case.json"))


def folder_of(name):
    return foreset.data("conformance", "stream", name)


def later():
    """{case: (word that the refusal must hold, reason)} from later.txt."""
    found = {}
    for line in (pathlib.Path(__file__).parent / "later.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            case, word, reason = line.split(None, 2)
            found[case] = (word, reason)
    return found


class StreamCase:
    def __init__(self, source, directory):
        self.source = source
        self.directory = pathlib.Path(directory)
        self.warehouse = self.directory / "warehouse"
        self.record = self.directory / "record"
        self.record.mkdir(parents=True)
        self.description = json.loads((self.source / "case.json").read_text())
        self.tables = self.description["tables"]
        self.pipeline = self.directory / "pipeline.sql"
        shutil.copyfile(self.source / "pipeline.sql", self.pipeline)
        self.streams = list(self.description["inputs"])
        for folder in [p for p in self.source.iterdir() if p.is_dir() and p.name != "expected"]:
            (self.directory / folder.name).mkdir()
            if folder.name not in self.streams:
                self._show(folder.name, None)

    def _show(self, folder, count):
        """Make the first count files of a folder visible (None: all)."""
        files = sorted((self.source / folder).iterdir())
        for number, file in enumerate(files[:count]):
            target = self.directory / folder / file.name
            if not target.exists():
                shutil.copyfile(file, target)
                os.utime(target, (FIRST_MTIME + 60 * number,) * 2)

    def run(self):
        """Runs the case over all its runs; stops at the first that does not exit 0. The last run is returned."""
        seen = 0
        for count in self.description.get("runs") or [None]:
            seen = None if count is None else seen + count
            for folder in self.streams:
                self._show(folder, seen)
            args = ["run", "pipeline.sql", "--available-now", "--warehouse", self.warehouse, "--lanes", 2,
                    "--progress", "json", "--memory", "1G"]
            if any(t.get("error_phase") == "runtime" for t in self.tables.values()):
                args += ["--set", "pipeline.on_error=fail"]
            done = foreset.run(*args, cwd=self.directory, env={"FORESET_RECORD": str(self.record)}, timeout=120)
            if done.returncode != 0:
                break
        return done

    def expected_rows(self, table):
        lines = (self.source / "expected" / f"{table}.jsonl").read_text().splitlines()
        return encode.sorted_texts(json.loads(line) for line in lines if line)

    def actual_rows(self, table):
        return encode.sorted_texts(encode.rows(DeltaTable(str(self.warehouse / table)).to_pyarrow_table()))

    def actual_columns(self, table):
        return delta_log.columns(self.warehouse / table)

    def expected_batches(self, table):
        """None where Spark's batches cannot be compared (the README names the one case)."""
        path = self.source / "expected" / f"{table}.by_batch.json"
        if not path.exists():
            return None
        return [encode.sorted_texts(batch) for batch in json.loads(path.read_text())]

    def recorded(self, table):
        path = self.record / f"{table}.batches.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def actual_batches(self, table):
        batches = self.recorded(table)
        numbers = [batch["batch"] for batch in batches]
        assert numbers == list(range(len(batches))), f"{table}: batches are numbered {numbers}"
        return [encode.sorted_texts(batch["rows"]) for batch in batches]


def same(what, expected, actual):
    if expected != actual:
        lines = list(difflib.unified_diff(expected, actual, "Spark", "Foreset", lineterm="", n=1))
        pytest.fail(f"{what}: {len(expected)} rows expected, {len(actual)} found\n" + "\n".join(lines[:60]))


def check_refused(case, done):
    """Spark refuses it before it starts: so do we, saying where."""
    done.check(foreset.EXIT_USAGE)
    assert re.search(r"pipeline\.sql:\d+:\d+", done.stderr), f"no file:line:column in: {done.stderr}"
    assert not any(case.recorded(table) for table in case.tables), "a refused pipeline published"


def check_batches(case, table):
    expected, actual = case.expected_batches(table), case.actual_batches(table)
    if expected is None:
        return
    for number, (want, have) in enumerate(zip(expected, actual)):
        same(f"{table}, batch {number}", want, have)
    assert len(actual) == len(expected), f"{table}: {len(actual)} batches, Spark had {len(expected)}"
