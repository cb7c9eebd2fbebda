"""Random streaming queries with Spark's answers to them, laid out as the conformance cases are.

A Relation is a piece of Foreset's SQL beside the function that builds Spark's DataFrame of it; what Spark has SQL for
is one text for both. make(random, directory) writes one case: input files, pipeline.sql, case.json, and what each of
Spark's batches emitted. Where Spark refuses the query, case.json says so. Rows crowd around window borders, watermarks
and each other; some repeat, some miss a field.
"""

import dataclasses
import datetime
import itertools
import json
import os
import tempfile
from collections.abc import Callable

import encode
import readers

SCHEMA = "id STRING, k STRING, v INT, ts TIMESTAMP"
FIRST_MTIME = 1_700_000_000
_views = itertools.count()


@dataclasses.dataclass
class Relation:
    sql: str
    frame: Callable  # folders by name → DataFrame
    measured: bool = False  # it has a watermark
    tables: tuple = ()  # CREATE statements of the tables it reads


def source(name):
    def frame(folders):
        return readers.spark().readStream.schema(SCHEMA).option("maxFilesPerTrigger", 1).json(str(folders[name]))
    options = f"format => 'json', schema => '{SCHEMA}', maxFilesPerTrigger => 1"
    return Relation(f"STREAM read_files('{name}', {options})", frame)


def select(relation, columns, rest=""):
    """SELECT columns FROM relation rest, as a relation in brackets."""
    def frame(folders):
        view = f"relation_{next(_views)}"
        relation.frame(folders).createOrReplaceTempView(view)
        return readers.spark().sql(f"SELECT {columns} FROM {view} {rest}")
    return dataclasses.replace(relation, sql=f"(SELECT {columns} FROM {relation.sql}{' ' + rest if rest else ''})",
                               frame=frame)


def table(relation, name):
    """A stateless relation as a table of its own; to Spark it stays one query."""
    create = f"CREATE OR REFRESH STREAMING TABLE {name} AS\n{relation.sql[1:-1]};\n"
    return dataclasses.replace(relation, sql=f"STREAM {name}", tables=relation.tables + (create,))


def watermark(relation, minutes):
    return dataclasses.replace(relation, sql=f"{relation.sql} WATERMARK ts DELAY OF INTERVAL {minutes} MINUTES",
                               frame=lambda folders: relation.frame(folders).withWatermark("ts", f"{minutes} minutes"),
                               measured=True)


def dedup(relation, keys, within):
    def frame(folders):
        below = relation.frame(folders)
        return below.dropDuplicatesWithinWatermark(keys) if within else below.dropDuplicates(keys)
    words = "DROP DUPLICATES WITHIN WATERMARK" if within else "DROP DUPLICATES"
    return dataclasses.replace(relation, sql=f"{relation.sql} {words} ON ({', '.join(keys)})", frame=frame)


def union(left, right):
    return Relation(f"({left.sql[1:-1]} UNION ALL {right.sql[1:-1]})",
                    lambda folders: left.frame(folders).union(right.frame(folders)), left.measured or right.measured,
                    left.tables + right.tables)


# ---- What is asked ----

FILTERS = ["v > 0", "k IS NOT NULL", "id <> 'a'", "v <> 3 OR v IS NULL", "ts IS NOT NULL",
           "ts > TIMESTAMP'2026-01-01 10:05:00'"]
AGGREGATES = ["count(*) AS n", "sum(v) AS s", "min(v) AS mi", "max(id) AS ma", "avg(v) AS av", "count(v) AS c",
              "max(ts) AS mt", "sum(v) FILTER (WHERE k = 'x') AS sx", "count_if(v > 2) AS ci"]
WINDOWS = ["window(ts, '5 minutes')", "window(ts, '10 minutes', '5 minutes')",
           "window(ts, '10 minutes', '10 minutes', '3 minutes')"]
WINDOW = "window.start AS ws, window.end AS we"


def _rows(random, name):
    """One stream with what may stand below an aggregate."""
    relation = source(name)
    if random.random() < 0.4:
        relation = select(relation, "*", f"WHERE {random.choice(FILTERS)}")
    elif random.random() < 0.15:
        relation = select(relation, "id, k, v, ts + INTERVAL 90 SECONDS AS ts")
    if random.random() < 0.25:
        below = relation if relation.sql.startswith("(") else select(relation, "*")
        relation = table(below, f"silver_{name}")
        if random.random() < 0.4:
            relation = select(relation, "*", f"WHERE {random.choice(FILTERS)}")
    if random.random() < 0.85:
        relation = watermark(relation, random.choice([0, 1, 5, 10, 10, 30]))
    return relation


def _below(random):
    if random.random() < 0.2:
        relation = union(*(select(_rows(random, name), "id, k, v, ts") for name in ("input_a", "input_b")))
    else:
        relation = _rows(random, "input")
    if random.random() < 0.5:
        keys = random.choice([["id"], ["id", "ts"], ["k", "ts"], ["id", "k"], ["ts"]])
        relation = dedup(relation, keys, relation.measured and random.random() < 0.4)
    return relation


def query(random):
    """(relation in brackets, mode) of one table."""
    below = _below(random)
    where = f"WHERE {random.choice(FILTERS)}" if random.random() < 0.3 else ""
    having = " HAVING " + random.choice(["count(*) > 1", "sum(v) > 3"]) if random.random() < 0.3 else ""
    mode = random.choice(["append", "append", "update", "complete"])
    aggregates = ", ".join(random.sample(AGGREGATES, random.choice([1, 2, 3])))
    window = random.choice(WINDOWS)
    match random.choice(["rows", "window", "window", "window and key", "key", "expression", "time", "global",
                         "two windows", "aggregate dedup", "distinct"]):
        case "rows":
            columns = random.choice(["*", "id, k", "id, k, v, ts", "upper(k) AS u, v + 1 AS w"])
            return select(below, columns, where), "append"
        case "window":
            return select(below, f"{WINDOW}, {aggregates}", f"{where} GROUP BY {window}{having}"), mode
        case "window and key":
            return select(below, f"{WINDOW}, k, {aggregates}", f"{where} GROUP BY {window}, k{having}"), mode
        case "key":
            return select(below, f"k, {aggregates}", f"{where} GROUP BY k{having}"), mode
        case "expression":
            return select(below, f"v % 3 AS g, {aggregates}", f"{where} GROUP BY v % 3{having}"), mode
        case "time":
            return select(below, f"ts, {aggregates}", f"{where} GROUP BY ts{having}"), mode
        case "global":
            return select(below, aggregates, where + having), mode
        case "two windows":
            first = select(below, "window AS w, count(*) AS n, sum(v) AS s", f"{where} GROUP BY {window}{having}")
            second = select(first, "window_time(w) AS wt, n, s")
            return select(second, f"{WINDOW}, sum(n) AS n, sum(s) AS s, count(*) AS windows",
                          "GROUP BY window(wt, '15 minutes')"), mode
        case "aggregate dedup":
            first = select(below, "window.start AS ws, k, count(*) AS n", f"{where} GROUP BY {window}, k{having}")
            return select(dedup(first, ["k"], False), "k"), "append"  # which window comes first is Spark's own
        case "distinct":
            return select(below, random.choice(["DISTINCT k, v", "DISTINCT ts", "DISTINCT id"]), where), mode


# ---- What comes ----

def _iso(time):
    return time.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _time(random, now):
    time = now
    kind = random.random()
    if kind < 0.3:
        time -= datetime.timedelta(seconds=random.choice([60, 300, 600, 601, 900, 1800]))
    elif kind < 0.6:
        time += datetime.timedelta(seconds=random.randrange(-400, 400))
    if random.random() < 0.3:
        time = time.replace(second=0, minute=time.minute - time.minute % 5)
    if random.random() < 0.15:
        time += datetime.timedelta(microseconds=random.choice([1, 999, 1000, -1, -1000, 500_000]))
    return time


def files(random, count):
    now = datetime.datetime(2026, 1, 1, 10)
    for _ in range(count):
        if random.random() < 0.75:
            now += datetime.timedelta(seconds=random.choice([30, 60, 300, 420, 600, 900, 3600]))
        rows = []
        for _ in range(random.choice([0, 1, 2, 3, 5, 8])):
            row = {"id": random.choice("abcde"), "k": random.choice("xy"), "v": random.randrange(-3, 10),
                   "ts": _iso(_time(random, now))}
            rows.append({name: None if random.random() < 0.06 else value for name, value in row.items()})
        if rows and random.random() < 0.4:
            rows.append(dict(random.choice(rows)))
        yield "".join(json.dumps(row) + "\n" for row in rows)


# ---- What Spark answers ----

def answer(relation, mode, inputs, runs):
    """(column types, rows by batch). inputs: texts of the files by folder; runs: how many of them each run finds."""
    batches = {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: os.path.join(scratch, name) for name in inputs}
        for folder in folders.values():
            os.mkdir(folder)
        shown = 0
        for count in runs:
            for name, texts in inputs.items():
                for number in range(shown, shown + count):
                    path = os.path.join(folders[name], f"{number + 1:04}.jsonl")
                    with open(path, "w", encoding="utf-8") as file:
                        file.write(texts[number])
                    os.utime(path, (FIRST_MTIME + 60 * number,) * 2)
            shown += count
            frame = relation.frame(folders)
            writer = frame.writeStream.outputMode(mode)
            writer.option("checkpointLocation", os.path.join(scratch, "checkpoint"))
            writer.foreachBatch(lambda rows, batch: batches.update({batch: encode.rows(rows.toArrow())}))
            writer.trigger(availableNow=True).start().awaitTermination()
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    return types, [batches[number] for number in range(len(batches))]


def make(random, directory):
    from pyspark.errors import PySparkException
    relation, mode = query(random)
    count = random.choice([3, 4, 5])
    text = "".join(relation.tables) + relation.sql
    names = [name for name in ("input", "input_a", "input_b") if f"'{name}'" in text]
    inputs = {name: list(files(random, count)) for name in names}
    runs = [count] if random.random() < 0.7 else [1, count - 1]
    facts = {"mode": mode}
    try:
        facts["columns"], batches = answer(relation, mode, inputs, runs)
    except PySparkException as error:
        facts.update(error=error.getCondition() or type(error).__name__, error_phase="analysis", words=str(error)[:400])
        batches = []
    for name, texts in inputs.items():
        (directory / name).mkdir(parents=True)
        for number, text in enumerate(texts):
            (directory / name / f"{number + 1:04}.jsonl").write_text(text)
    properties = "" if mode == "append" else f" TBLPROPERTIES ('output.mode' = '{mode}')"
    gold = f"CREATE OR REFRESH STREAMING TABLE gold{properties} AS\n{relation.sql[1:-1]};\n"
    (directory / "pipeline.sql").write_text("".join(relation.tables) + gold)
    (directory / "expected").mkdir()
    (directory / "expected" / "gold.by_batch.json").write_text(json.dumps(batches))
    case = {"inputs": dict.fromkeys(names, count), "tables": {"gold": facts}}
    (directory / "case.json").write_text(json.dumps(case | ({"runs": runs} if len(runs) > 1 else {})))
