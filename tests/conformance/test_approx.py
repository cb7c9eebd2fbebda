"""approx_count_distinct against what Spark 4.1 answered for the strings g_0 … g_(n-1), default precision."""

import json

import foreset
from deltalake import DeltaTable

# (g, n, Spark's answer): counted linearly, corrected by the measured bias, and beyond 5 m = 2560.
ANSWERS = [(3105, 435, 451), (1564, 448, 442), (3879, 453, 461), (812, 584, 602), (3514, 598, 632), (3902, 614, 629),
         (2364, 648, 664), (3947, 929, 944), (3786, 2502, 2667), (1492, 2644, 2788), (3079, 2953, 2909),
         (4625, 2975, 2830), (2072, 1304, 1386), (5173, 1411, 1433), (4018, 1426, 1508), (188, 1616, 1664),
         (604, 1828, 1863), (4872, 2004, 1982), (2175, 2025, 1973), (4550, 2450, 2324)]


def test_counts_are_those_of_spark(tmp_path):
    (tmp_path / "in").mkdir()
    with open(tmp_path / "in" / "1.jsonl", "w") as out:
        for g, n, _ in ANSWERS:
            out.writelines(json.dumps({"g": g, "v": f"{g}_{i}"}) + "\n" for i in range(n))
    (tmp_path / "p.sql").write_text(
        "CREATE OR REFRESH STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'complete') AS SELECT g, "
        "approx_count_distinct(v) AS a FROM STREAM read_files('in', format => 'json', schema => 'g INT, v STRING') "
        "GROUP BY g;\n")
    foreset.run("run", "p.sql", "--available-now", "--warehouse", "w", cwd=tmp_path).check()
    found = {row["g"]: row["a"] for row in DeltaTable(str(tmp_path / "w" / "t")).to_pyarrow_table().to_pylist()}
    assert found == {g: answer for g, _, answer in ANSWERS}
