"""Every streaming case equals Spark: the tables' rows, their columns, and what each batch emitted."""

import difflib
import re

import foreset
import pytest
from stream_case import StreamCase, later, names

LATER = later()
CASES = names()


def same(what, expected, actual):
    if expected != actual:
        lines = list(difflib.unified_diff(expected, actual, "Spark", "Foreset", lineterm="", n=1))
        pytest.fail(f"{what}: {len(expected)} rows expected, {len(actual)} found\n" + "\n".join(lines[:60]))


def check_refused(case, done):
    """Spark refuses it before it starts: so do we, saying where."""
    done.check(foreset.EXIT_USAGE)
    assert re.search(r"pipeline\.sql:\d+:\d+", done.stderr), f"no file:line:column in: {done.stderr}"
    assert not any(case.recorded(table) for table in case.tables), "a refused pipeline published"


def check_failed(case, done):
    """Spark fails while it runs: the batches before that stand."""
    done.check(foreset.EXIT_FAILED)
    for table, facts in case.tables.items():
        if "error" in facts:
            assert facts["error"].split(".")[0] in done.stderr, f"{facts['error']} is not in: {done.stderr}"
        check_batches(case, table)


def check_batches(case, table):
    expected, actual = case.expected_batches(table), case.actual_batches(table)
    if expected is None:
        return
    for number, (want, have) in enumerate(zip(expected, actual)):
        same(f"{table}, batch {number}", want, have)
    assert len(actual) == len(expected), f"{table}: {len(actual)} batches, Spark had {len(expected)}"


def check_no_data(case, table, facts):
    if case.expected_batches(table) is not None:
        no_data = sum(1 for batch in case.recorded(table) if batch["no_data"])
        assert no_data == facts["no_data_batches"], f"{table}: {no_data} no-data batches"


def test_cases_are_there():
    foreset.data("conformance", "stream", "README.md")
    assert CASES
    assert not set(LATER) - set(CASES) or len(CASES) < 79, f"later.txt names unknown cases: {set(LATER) - set(CASES)}"


@pytest.mark.parametrize("name", [name for name in CASES if name not in LATER])
def test_equals_spark(name, tmp_path):
    case = StreamCase(name, tmp_path)
    done = case.run()
    phases = {facts.get("error_phase") for facts in case.tables.values()}
    if "analysis" in phases:
        return check_refused(case, done)
    if "runtime" in phases:
        return check_failed(case, done)
    done.check()
    for table, facts in case.tables.items():
        assert case.actual_columns(table) == facts["columns"]
        same(table, case.expected_rows(table), case.actual_rows(table))
        check_batches(case, table)
        check_no_data(case, table, facts)


@pytest.mark.parametrize("name", [name for name in CASES if name in LATER])
def test_refused_by_name_until_built(name, tmp_path):
    word, reason = LATER[name]
    done = StreamCase(name, tmp_path).run()
    assert done.returncode != 0, f"{name} runs now ({reason}): take it off later.txt"
    done.check(foreset.EXIT_USAGE)
    assert word.lower() in done.stderr.lower(), f"the message does not name {word}: {done.stderr}"
