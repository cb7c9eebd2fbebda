"""What stops a pipeline names what helps, and that helps: tables that others restored, lost state, a hole in a log."""

import os
import pathlib
import shutil

import foreset
import pytest
from deltalake import DeltaTable
from test_replay import TABLES, Pair


@pytest.fixture
def pair(broker, tmp_path):
    made = Pair(broker, tmp_path, "")
    for _ in range(2):
        made.produce()
        made.ours.run().check()
        made.alone.run().check()
    return made


def restore(pair, table):
    found = DeltaTable(str(pair.ours.warehouse / table))
    found.restore(found.version() - 1)


def check_refreshed(pair):
    """Everything is there again; dead letters have the numbers of the epochs that wrote them."""
    for table in TABLES:
        ours, alone = pair.ours.rows(table), pair.alone.rows(table)
        assert len(ours) == len(alone) and (ours == alone or table == "bronze__dead_letters"), table


def test_tables_that_were_restored_are_told_in_one_message(pair):
    restored = ("bronze", "clean", "per_user")
    for table in restored:
        restore(pair, table)
    blocked = pair.ours.run()
    blocked.check(foreset.EXIT_BLOCKED)
    for word in (*(f"{table}: its version" for table in restored), "3 tables are blocked", "--adopt", "--overwrite",
                 "--abandon-table=TABLE", "foreset pipelines adopt ours"):
        assert word in blocked.stderr, f"no {word} in: {blocked.stderr[-1500:]}"
    one = pair.ours.run("--adopt=clean")
    one.check(foreset.EXIT_BLOCKED)
    assert "2 tables are blocked" in one.stderr
    pair.ours.run("--adopt=bronze").check(foreset.EXIT_BLOCKED)
    last = pair.ours.run()
    last.check(foreset.EXIT_BLOCKED)
    assert "table per_user: its version" in last.stderr and "tables are blocked" not in last.stderr
    pair.ours.run("--adopt").check()
    pair.produce()
    pair.ours.run().check()


def test_restored_dead_letters_are_adopted(pair):
    restore(pair, "bronze__dead_letters")
    left = pair.ours.rows("bronze__dead_letters")
    pair.produce()
    blocked = pair.ours.run()
    blocked.check(foreset.EXIT_BLOCKED)
    assert "--adopt=bronze__dead_letters" in blocked.stderr, blocked.stderr[-1500:]
    pair.ours.run("--adopt=bronze__dead_letters").check()
    pair.alone.run().check()
    found = pair.ours.rows("bronze__dead_letters")
    assert len(left) < len(found) < len(pair.alone.rows("bronze__dead_letters"))
    assert set(left) <= set(found)
    for table in TABLES:
        assert table == "bronze__dead_letters" or pair.ours.rows(table) == pair.alone.rows(table)


@pytest.mark.parametrize("table", ["bronze", "first_of_user", "bronze__dead_letters"])
def test_overwrite_of_an_append_table_is_refused(pair, table):
    refused = pair.ours.run(f"--overwrite={table}")
    refused.check(foreset.EXIT_FAILED)
    assert "append mode" in refused.stderr and f"--adopt={table}" in refused.stderr
    pair.ours.run().check()


@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_lost_state_part_names_full_refresh_which_helps(pair, how):
    parts = sorted((pair.ours.warehouse / "_foreset" / "ours" / "state").glob("part-*"), key=os.path.getsize)
    for part in parts:
        part.unlink() if how == "gone" else part.write_bytes(part.read_bytes()[:-1])
    pair.produce()
    failed = pair.ours.run()
    failed.check(foreset.EXIT_FAILED)
    assert "--full-refresh" in failed.stderr and "state snapshot part" in failed.stderr
    pair.ours.run("--full-refresh").check()
    pair.alone.run().check()
    check_refreshed(pair)


def test_a_missing_commit_names_what_helps_which_helps(pair):
    table = pair.ours.warehouse / "clean"
    pair.produce()
    pair.ours.run().check()
    pair.alone.run().check()
    sorted((table / "_delta_log").glob("*.json"))[-2].unlink()  # above the last log checkpoint
    for args in ((), ("--full-refresh",)):  # no option reads a log with a hole in it
        failed = pair.ours.run(*args)
        failed.check(foreset.EXIT_FAILED)
        for word in ("table clean: ", "move ", "--full-refresh", "--abandon-table=clean"):
            assert word in failed.stderr, failed.stderr[-1500:]
    shutil.move(str(table), str(pathlib.Path(str(table) + "-damaged")))
    blocked = pair.ours.run()
    blocked.check(foreset.EXIT_BLOCKED)
    assert "--full-refresh" in blocked.stderr
    pair.ours.run("--full-refresh").check()
    check_refreshed(pair)
