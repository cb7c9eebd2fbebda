"""One expression case of the conformance data, run as a stateless pipeline over a file, and judged.

judge(case) gives "equal", "refused: …" (not built yet, said before it started) or "wrong: …". A result that differs is
wrong, and so is one where Spark raises; nothing in between.
"""

import datetime
import json
import math
import pathlib
import re
import tempfile

import delta_log
import encode
import foreset
from deltalake import DeltaTable

CASES_MADE = "2026-11-22"
SCRATCH = "/dev/shm" if pathlib.Path("/dev/shm").is_dir() else None


OWN = pathlib.Path(__file__).parent / "cases_values.jsonl"


def load():
    paths = [foreset.data("conformance", "expr", "cases.jsonl"), OWN]
    return [json.loads(line) for path in paths for line in path.read_text().split("\n") if line]


def _today():
    return datetime.datetime.now(datetime.timezone.utc).date().isoformat()


def input_text(case):
    if "input" in case:
        return case["input"]
    return "".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) + "\n" for row in case["rows"])


def pipeline(case, mode):
    schema = case["schema"].replace("\\", "\\\\").replace("'", "\\'")
    source = f"STREAM read_files('input', format => 'json', schema => '{schema}') AS input"
    query = case.get("query") or f"SELECT {case['select']} FROM input"
    query = re.sub(r"\bFROM input\b", lambda _: f"FROM {source}", query)
    return f"CREATE OR REFRESH STREAMING TABLE t TBLPROPERTIES ('output.mode' = '{mode}') AS\n{query};\n"


def _on_days(expected, days):
    """The expected rows for each day: a time of day without a date takes the day on which it is read, and Spark's was
    the day the cases were made."""
    text = json.dumps(expected)
    return [json.loads(text.replace(f'"{CASES_MADE}T', f'"{day}T')) for day in days]


def same(expected, actual, approx):
    if isinstance(expected, dict):
        return isinstance(actual, dict) and expected.keys() == actual.keys() and \
            all(same(expected[key], actual[key], approx) for key in expected)
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and \
            all(same(e, a, approx) for e, a in zip(expected, actual))
    if isinstance(expected, bool) or isinstance(actual, bool) or not isinstance(expected, (int, float)):
        return type(expected) is type(actual) and expected == actual
    if not isinstance(actual, (int, float)):
        return False
    if approx:
        return math.isclose(expected, actual, rel_tol=1e-12, abs_tol=1e-300)
    return expected == actual and math.copysign(1, expected) == math.copysign(1, actual)


def _run(case, mode, directory):
    (directory / "input").mkdir(exist_ok=True)
    (directory / "input" / "1.jsonl").write_text(input_text(case), encoding="utf-8", newline="")
    (directory / "p.sql").write_text(pipeline(case, mode), encoding="utf-8", newline="")
    return foreset.run("run", "p.sql", "--available-now", "--warehouse", "w", "--lanes", 1, "--memory", "256M", "--set",
                       "pipeline.on_error=fail", cwd=directory, timeout=60)


def _rounded_text(row):
    """What rows are sorted by where doubles may differ in their last place."""
    return encode.text({name: float(f"{v:.6g}") if isinstance(v, float) else v for name, v in row.items()})


def _compare(case, table, days):
    kinds = delta_log.columns(table)
    if kinds != case["types"]:
        return f"wrong: types {kinds}, Spark has {case['types']}"
    actual = encode.rows(DeltaTable(str(table)).to_pyarrow_table())
    order = _rounded_text if case.get("approx") else encode.text
    actual = sorted(actual, key=order)
    wanted = [sorted(rows, key=order) for rows in _on_days(case["expected"], days)]
    expected = wanted[0]
    if not any(same(rows, actual, case.get("approx")) for rows in wanted):
        return f"wrong: {encode.text(actual)[:300]}, Spark has {encode.text(expected)[:300]}"
    return "equal"


def _judge_error(case, done):
    condition = case["error"].split(".")[0]
    if done.returncode == foreset.EXIT_DONE:
        return f"wrong: no error, Spark raises {case['error']}"
    if case["error_phase"] == "analysis" or condition in done.stderr:
        return "equal"
    word = "refused" if done.returncode == foreset.EXIT_USAGE else "wrong"
    return f"{word}: {done.stderr.strip()[:300]}, Spark raises {case['error']}"


def judge(case):
    with tempfile.TemporaryDirectory(dir=SCRATCH) as scratch:
        directory = pathlib.Path(scratch)
        days = {_today()}
        done = _run(case, "append", directory)
        if done.returncode == foreset.EXIT_USAGE and "query" in case:
            done = _run(case, "complete", directory)
        if done.returncode not in (foreset.EXIT_DONE, foreset.EXIT_FAILED, foreset.EXIT_USAGE):
            return f"wrong: exit {done.returncode}: {done.stderr.strip()[:300]}"
        if "error" in case:
            return _judge_error(case, done)
        if done.returncode == foreset.EXIT_USAGE:
            return f"refused: {done.stderr.strip()[:300]}"
        if done.returncode == foreset.EXIT_FAILED:
            return f"wrong: it fails: {done.stderr.strip()[:300]}"
        return _compare(case, directory / "w" / "t", sorted(days | {_today()}))
