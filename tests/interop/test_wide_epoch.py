"""An epoch whose report is larger than one frame: 23,500 partition values × 60 columns out of one file (P15)."""

import json

import delta_log
import foreset
import pytest
from cluster import wait_until
from local_cluster import Local

ROWS, TEXTS, COLUMNS = 23500, 32, 60  # the first 32 columns have statistics: texts make them large
FRAME = 64 << 20


def name(k):
    return f"measurement_{k}"


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """SQL file and input; removed before the others, as 23,500 files are many."""
    directory = tmp_path_factory.mktemp("wide")
    (directory / "in").mkdir()
    rest = "".join(f', "{name(k)}": true' for k in range(TEXTS, COLUMNS))
    with open(directory / "in" / "a.json", "w", encoding="utf-8") as file:
        for row in range(ROWS):
            texts = ", ".join(f'"{name(k)}": "{f"column {k} of row {row} ":.<34}"' for k in range(TEXTS))
            file.write(f'{{"p": {row}, {texts}{rest}}}\n')
    schema = ", ".join(["p INT", *(f"{name(k)} {'STRING' if k < TEXTS else 'BOOLEAN'}" for k in range(COLUMNS))])
    (directory / "wide.sql").write_text(f"""SET pipeline.name = wide;
CREATE OR REFRESH STREAMING TABLE wide PARTITIONED BY (p) AS
SELECT * FROM STREAM read_files('{directory}/in', format => 'json', schema => '{schema}');
""")
    return directory


def check(table):
    _, actions = delta_log.commits(table)[-1]
    adds = [action["add"] for action in actions if "add" in action]
    assert sorted(int(add["partitionValues"]["p"]) for add in adds) == list(range(ROWS))
    assert all(json.loads(add["stats"])["numRecords"] == 1 for add in adds)
    statistics = sum(len(add["stats"]) + len(add["path"]) for add in adds)
    assert statistics > FRAME, "not more than a frame: the test shows nothing"


def test_one_file_holds_it_all_in_one_process_and_the_next_run_goes_on(wide, tmp_path):
    def run():
        return foreset.run("run", wide / "wide.sql", "--warehouse", tmp_path / "wh", "--available-now",
                           "--progress", "json", timeout=900).check()
    first = run()
    assert [line["numInputRows"] for line in first.progress] == [ROWS]
    check(tmp_path / "wh" / "wide")
    assert run().progress == []


def test_one_file_holds_it_all_on_a_cluster_of_two_workers(wide, tmp_path):
    with Local(tmp_path) as local:
        local.start()
        for worker in ("w1", "w2"):
            local.worker(worker, "--lanes", "1", "--memory", "1G")
        wait_until(lambda: local.active() == {"w1", "w2"}, 30, local.coordinator.text())
        assert local.run("pipelines", "apply", wide / "wide.sql", "--available-now").returncode == 0
        wait_until(lambda: local.described("wide")["state"] == "stopped", 300, local.coordinator.text())
        check(local.warehouse / "wide")
