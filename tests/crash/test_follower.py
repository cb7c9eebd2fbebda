"""The judge of the kills sees what it must see: tables are spoilt one way at a time, each is told."""

import json
import os
import shutil

import delta_log
import foreset
import pytest
from follower import Follower
from medallion import Medallion

counter = iter(range(100))


@pytest.fixture(scope="module")
def good(broker, tmp_path_factory):
    """A medallion of several epochs."""
    topic = f"follower-{os.getpid()}"
    broker.create_topic(topic, 2)
    foreset.produce(broker.address, topic, "user-events:3000:3", "--key", "user_id")
    medallion = Medallion(tmp_path_factory.mktemp("follower"), broker.address, topic, 500)
    medallion.run().check()
    return medallion


@pytest.fixture
def medallion(good, tmp_path):
    copy = Medallion(tmp_path, good.broker, good.topic, 500)
    shutil.copytree(good.warehouse, copy.warehouse)
    return copy


def log_file(medallion, table, version=None):
    version = delta_log.latest_version(medallion.path(table)) if version is None else version
    return medallion.path(table) / "_delta_log" / f"{version:020}.json"


def rewrite(medallion, table, change):
    """Changes the actions of a table's newest commit in place; change(actions) gives the new ones."""
    file = log_file(medallion, table)
    actions = [json.loads(line) for line in file.read_text().splitlines()]
    file.write_text("".join(json.dumps(action) + "\n" for action in change(actions)))


def without_an_add(actions):
    add = next(action for action in actions if "add" in action)
    return [action for action in actions if action is not add]


def drop_rows(medallion, table):
    rewrite(medallion, table, without_an_add)


def repeat_rows(medallion, table):
    """A file of the newest commit once more, as an attempt that was aborted would leave it."""
    def change(actions):
        add = next(action["add"] for action in actions if "add" in action)
        root = medallion.path(table)
        name = delta_log.plain_path(add)
        copy = name.replace("part-", "part-9", 1)
        shutil.copy(root / name, root / copy)
        return [*actions, {"add": {**add, "path": add["path"].replace("part-", "part-9", 1)}}]
    rewrite(medallion, table, change)


def delete_file(medallion, table):
    name = sorted(delta_log.active_files(medallion.path(table)))[0]
    (medallion.path(table) / name).unlink()


def same_txn_again(medallion, table):
    before = delta_log.txn_versions(medallion.path(table))[-2][2]
    rewrite(medallion, table, lambda actions: [{"txn": {**a["txn"], "version": before}} if "txn" in a else a
                                               for a in actions])


def lose_a_version(medallion, table):
    log_file(medallion, table, delta_log.latest_version(medallion.path(table)) - 1).unlink()


def test_good_tables_are_good(good):
    follower = Follower(good)
    assert follower.check() == []
    assert follower.counts["bronze"] == 3000 and follower.counts["gold"] >= 1
    assert follower.check() == []


def test_tables_that_are_only_created_are_good(medallion):
    for table in medallion.made():
        for version in range(1, delta_log.latest_version(medallion.path(table)) + 1):
            log_file(medallion, table, version).unlink()
    assert Follower(medallion).check() == []


@pytest.mark.parametrize("table", ["bronze", "silver", "gold"])
@pytest.mark.parametrize("spoil, words", [
    (drop_rows, "miss|missing|removed"), (repeat_rows, "besides|no record|repeats|unexpected"),
    (delete_file, "bytes"), (same_txn_again, "txn"), (lose_a_version, "version")])
def test_spoilt(medallion, table, spoil, words):
    spoil(medallion, table)
    found = Follower(medallion).check()
    assert any(word in text for text in found for word in words.split("|")), found
