"""read_files and modification times: a file from the future hides none of today's, and what is too old is said."""

import json
import os
import re
import time

import foreset
import pytest
import readers

DAY = 86400
SQL = """SET pipeline.name = times;
CREATE OR REFRESH STREAMING TABLE lines AS
SELECT id FROM STREAM read_files('in', format => 'json', schema => 'id STRING');
"""


class Folder:
    def __init__(self, folder):
        self.folder = folder
        (folder / "in").mkdir()
        (folder / "p.sql").write_text(SQL)

    def add(self, name, days):
        """A file that was modified so many days from now."""
        path = self.folder / "in" / name
        path.write_text(json.dumps({"id": name}) + "\n")
        os.utime(path, (time.time() + days * DAY,) * 2)

    def run(self):
        run = foreset.run("run", self.folder / "p.sql", "--warehouse", self.folder / "wh", "--available-now",
                          "--progress", "none").check()
        return run.stderr

    def rows(self):
        return sorted(row["id"] for row in readers.read_pyarrow(self.folder / "wh" / "lines").to_pylist())


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


@pytest.mark.parametrize("future", [1 / 24, 30, 3650])
def test_a_file_from_the_future_hides_no_file_of_today(folder, future):
    folder.add("a", -1)
    folder.add("future", future)
    folder.run()
    for number, days in enumerate([0, -1, -6, future, future / 2, future + 1]):
        folder.add(f"b{number}", days)
        folder.run()
    assert folder.rows() == sorted(["a", "future"] + [f"b{number}" for number in range(6)])
    folder.run()
    assert len(folder.rows()) == 8  # none twice


def test_files_below_the_horizon_are_counted_and_said(folder):
    folder.add("now", 0)
    assert "are not looked at" not in folder.run()
    folder.add("old1", -8)
    folder.add("old2", -80)
    assert re.search(r"source lines/source-\d: 2 files were last modified before 20\S+Z and are not looked at",
                     folder.run())
    assert folder.rows() == ["now"]
    os.utime(folder.folder / "in" / "old1")
    assert "1 file was last modified" in folder.run()
    assert folder.rows() == ["now", "old1"]
