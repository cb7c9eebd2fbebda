"""The shared expression cases with other rows and other literals, answered by Spark.

mutants(random, count) yields cases as the shared ones are: rows and literals come from other cases, rows of the same
type, literals of the same category. A case that raises has one row, as there; the rows beside it are another case.
"""

import collections
import os
import re
import tempfile

import encode
import expr_case
import readers

LITERAL = re.compile(r"'(?:[^'\\]|\\.)*'|(?<![\w.'])\d+(?![\w.'])")
EDGES = ["0", "1", "2", "3", "7", "10", "31", "100", "127", "128", "32767", "2147483647", "9223372036854775807"]
UNREPEATABLE = re.compile(r"rand|uuid|current_|now\(|localtimestamp|version")
WITHOUT = {"explode", "json_source"}  # not built yet; its own text is the input


def _columns(schema):
    """DDL → [(name, type)], at the top level."""
    parts, depth = [""], 0
    for character in schema:
        depth += (character in "<(") - (character in ">)")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    fields = [part.strip().split(None, 1) for part in parts]
    return [(field[0].strip("`"), field[1].upper()) for field in fields if len(field) == 2]


class Mutants:
    def __init__(self, random):
        self.random = random
        self.cases = [case for case in expr_case.load() if case["category"] not in WITHOUT
                      and not UNREPEATABLE.search(case.get("select") or case["query"])]
        self.values, self.literals = collections.defaultdict(list), collections.defaultdict(list)
        for case in self.cases:
            for row in case.get("rows", []):
                for name, kind in _columns(case["schema"]):
                    if name in row:
                        self.values[kind].append(row[name])
                        self.values[case["category"], kind].append(row[name])
            for literal in LITERAL.findall(case.get("select", "")):
                self.literals[case["category"], literal[0] == "'"].append(literal)

    def _literal(self, category, old):
        if old[0] != "'" and self.random.random() < 0.5:
            return self.random.choice(EDGES)
        return self.random.choice(self.literals[category, old[0] == "'"])

    def _row(self, case):
        row = {}
        for name, kind in _columns(case["schema"]):
            values = self.values[(case["category"], kind) if self.random.random() < 0.6 else kind]
            if values and self.random.random() < 0.95:
                row[name] = self.random.choice(values)
        return row

    def one(self):
        case = self.random.choice(self.cases)
        new = {name: case[name] for name in ("id", "category", "schema", "select", "query", "input", "rows", "approx",
                                             "ordered") if name in case}
        share = self.random.choice([0, 0.3, 0.6])
        if "select" in new:
            new["select"] = LITERAL.sub(lambda found: self._literal(case["category"], found[0])
                                        if self.random.random() < share else found[0], case["select"])
        if "input" not in new:
            new["rows"] = [self._row(case) for _ in range(self.random.choice([1, 4, 10]))]
        return new


def _arrow(frame):
    try:
        return frame.toArrow()
    except ValueError as error:
        if "null type field" in str(error):  # a map whose keys are void
            raise TypeError(str(error)) from error
        raise


def _ask(case):
    from pyspark.errors import PySparkException
    spark = readers.spark()
    with tempfile.TemporaryDirectory(dir=expr_case.SCRATCH) as folder:
        path = os.path.join(folder, "input.jsonl")
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(expr_case.input_text(case))
        phase = "analysis"
        try:
            spark.read.schema(case["schema"]).json(path).createOrReplaceTempView("input")
            frame = spark.sql(case.get("query") or f"SELECT {case['select']} FROM input")
            types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
            phase = "runtime"
            return {"expected": encode.rows(_arrow(frame)), "types": types}
        except PySparkException as error:
            return {"error": error.getCondition() or "", "error_phase": phase}


def _answered(case):
    answer = _ask(case)
    if answer.get("error_phase") != "runtime" or len(case.get("rows", [])) < 2 or "query" in case:
        return [case | answer]
    alone = [(row, _ask(case | {"rows": [row]})) for row in case["rows"]]
    good = case | {"rows": [row for row, found in alone if "expected" in found]}
    bad = [case | {"rows": [row]} | found for row, found in alone if "error" in found]
    return bad[:1] + ([good | _ask(good)] if good["rows"] else [])


def answered(select, schema, rows):
    """A case of one's own."""
    return _answered({"id": select, "category": "own", "schema": schema, "rows": rows, "select": f"{select} AS r"})


def mutants(random, count):
    from py4j.protocol import Py4JError
    source = Mutants(random)
    for _ in range(count):
        try:
            yield from _answered(source.one())
        except (TypeError, Py4JError):
            continue  # a result of a type that cases do not have (intervals, binary), or a fault within Spark
