"""Every streaming case equals Spark: the tables' rows, their columns, and what each batch emitted."""

import foreset
import pytest
from stream_case import StreamCase, check_batches, check_refused, later, names, same, folder_of

LATER = later()
CASES = names()


def check_failed(case, done):
    """Spark fails while it runs: the batches before that stand."""
    done.check(foreset.EXIT_FAILED)
    for table, facts in case.tables.items():
        if "error" in facts:
            assert facts["error"].split(".")[0] in done.stderr, f"{facts['error']} is not in: {done.stderr}"
        check_batches(case, table)


def check_no_data(case, table, facts):
    if case.expected_batches(table) is not None:
        no_data = sum(1 for batch in case.recorded(table) if batch["no_data"])
        assert no_data == facts["no_data_batches"], f"{table}: {no_data} no-data batches"


def test_cases_are_there():
    assert CASES
    assert not set(LATER) - set(CASES) or len(CASES) < 79, f"later.txt names unknown cases: {set(LATER) - set(CASES)}"


@pytest.mark.parametrize("name", [name for name in CASES if name not in LATER])
def test_equals_spark(name, tmp_path):
    case = StreamCase(folder_of(name), tmp_path)
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
    done = StreamCase(folder_of(name), tmp_path).run()
    assert done.returncode != 0, f"{name} runs now ({reason}): take it off later.txt"
    done.check(foreset.EXIT_USAGE)
    assert word.lower() in done.stderr.lower(), f"the message does not name {word}: {done.stderr}"
