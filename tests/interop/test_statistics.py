"""Statistics in front of real readers: whatever they skip by add.stats and by row groups, a pushed filter gives the
rows that the same filter gives after all has been read. And `tables analyze`, which puts right what older versions
wrote."""

import base64
import datetime
import decimal
import json
import math
import os
import pathlib
import random
import struct

import delta_log
import foreset
import pytest
import readers

FILES, ROWS = 6, 25
PREDICATES, SPARK_PREDICATES = 90, 12
OPERATIONS = ["<", "<=", "=", ">=", ">", "!="]
EPOCH = datetime.datetime(1970, 1, 1)


def decimals(precision, scale):
    limit = 10 ** precision - 1

    def value(rng, centre):
        width = 10 ** rng.randrange(1, precision + 1)
        number = max(-limit, min(limit, int(centre * limit) + rng.randrange(-width, width)))
        return decimal.Decimal(number).scaleb(-scale, decimal.Context(prec=40))
    return value


def integers(bits):
    half = 2 ** (bits - 1)
    return lambda rng, centre: max(-half, min(half - 1, int(centre * half) + rng.randrange(-half // 4, half // 4)))


def floats(narrow):
    def value(rng, centre):
        found = rng.choice([0.0, -0.0, centre * 100, centre * 100 + rng.random(), math.inf, -math.inf, math.nan]
                           if rng.random() < 0.04 else [0.0, -0.0, centre * 100, centre * 1e-3 + rng.random()])
        return struct.unpack("f", struct.pack("f", found))[0] if narrow else found
    return value


LETTERS = ["a", "b", "Z", "é", "中", "\uffff", "\U0001f600", "\U0010ffff", "\x7f", "'", '"', "\\", "\n", "\ud7ff"]


def strings(rng, centre):
    """Around the borders at which bounds are cut: 32 characters and 64 bytes."""
    letter = LETTERS[int((centre + 1) / 2 * (len(LETTERS) - 1))]
    shared = letter * rng.choice([0, 1, 15, 16, 21, 31, 32, 33, 63, 64, 65, 400])
    return shared + "".join(rng.choice(LETTERS) for _ in range(rng.randrange(3)))


def dates(rng, centre):
    return datetime.date(1970, 1, 1) + datetime.timedelta(int(centre * 700000) + rng.randrange(-9000, 9000))


def times(rng, centre):
    return EPOCH + datetime.timedelta(microseconds=int(centre * 6e16) + rng.randrange(-5000, 5000))


COLUMNS = {
    "i8": ("TINYINT", integers(8)), "i16": ("SMALLINT", integers(16)), "i32": ("INT", integers(32)),
    "i64": ("BIGINT", integers(64)), "d4": ("DECIMAL(4,2)", decimals(4, 2)), "d9": ("DECIMAL(9,0)", decimals(9, 0)),
    "d18": ("DECIMAL(18,6)", decimals(18, 6)), "d19": ("DECIMAL(19,19)", decimals(19, 19)),
    "d38": ("DECIMAL(38,10)", decimals(38, 10)), "f32": ("FLOAT", floats(True)), "f64": ("DOUBLE", floats(False)),
    "flag": ("BOOLEAN", lambda rng, centre: rng.random() * 2 - 1 < centre),
    "raw": ("BINARY", lambda rng, centre: bytes([int((centre + 1) * 127)] * rng.randrange(3) + [rng.randrange(256)])),
    "hollow": ("INT", lambda rng, centre: None if centre < 0.2 else rng.randrange(100)),
    "text": ("STRING", strings), "day": ("DATE", dates), "instant": ("TIMESTAMP", times),
    "local": ("TIMESTAMP_NTZ", times), "s.d": ("DECIMAL(12,3)", decimals(12, 3)), "s.text": ("STRING", strings),
    "s.t.instant": ("TIMESTAMP", times),
}
SCHEMA = ", ".join(["id BIGINT"] + [f"{name} {kind}" for name, (kind, _) in COLUMNS.items() if "." not in name] +
                   ["s STRUCT<d: DECIMAL(12,3), text: STRING, t: STRUCT<instant: TIMESTAMP>>"])


def json_text(value):
    if isinstance(value, float):
        return json.dumps(value) if math.isfinite(value) else f'"{json.dumps(value)}"'
    if isinstance(value, datetime.datetime):
        return f'"{value.isoformat(timespec="microseconds")}"'
    if isinstance(value, datetime.date):
        return f'"{value.isoformat()}"'
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, bytes):
        return json.dumps(base64.b64encode(value).decode())
    return json.dumps(value, ensure_ascii=False)


def row_text(number, row):
    members = [f'"id":{number}'] + [f'"{name}":{json_text(row[name])}' for name in COLUMNS if "." not in name]
    deep = f'{{"instant":{json_text(row["s.t.instant"])}}}'
    nested = f'{{"d":{json_text(row["s.d"])},"text":{json_text(row["s.text"])},"t":{deep}}}'
    return "{" + ",".join(members) + f',"s":{nested}}}'


def write_input(folder, rng):
    """Files that lean to one side each, so that there is something to skip; all values, by column."""
    values = {name: [] for name in COLUMNS}
    folder.mkdir(exist_ok=True)
    number = 0
    for file in range(FILES):
        lean = {name: rng.uniform(-1, 1) for name in COLUMNS}
        lines = []
        for _ in range(ROWS):
            row = {name: None if rng.random() < 0.1 else make(rng, lean[name]) for name, (_, make) in COLUMNS.items()}
            for name, value in row.items():
                values[name].append(value)
            lines.append(row_text(number, row))
            number += 1
        path = folder / f"{file:03}.json"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.utime(path, (1_700_000_000 + 60 * file,) * 2)
    return values


def write_table(directory, seed):
    """Through the program: a data file for each input file."""
    directory.mkdir()
    values = write_input(directory / "in", random.Random(seed))
    (directory / "p.sql").write_text(
        "CREATE OR REFRESH STREAMING TABLE t AS SELECT * FROM STREAM read_files('in', format => 'json', "
        f"schema => '{SCHEMA}', maxFilesPerTrigger => 1);\n")
    foreset.run("run", "p.sql", "--available-now", "--warehouse", "w", "--lanes", 1, cwd=directory).check()
    path = directory / "w" / "t"
    assert len(delta_log.active_files(path)) == FILES
    return path, values


def predicates(values, rng):
    """(column, operation, value): values of the data, so that bounds are met exactly."""
    found = []
    for number in range(PREDICATES):
        column = list(COLUMNS)[number % len(COLUMNS)]
        if rng.random() < 0.1:
            found.append((column, rng.choice(["null", "not null"]), None))
            continue
        value = rng.choice([v for v in values[column] if v is not None])
        if isinstance(value, str) and rng.random() < 0.3:
            value = value[:rng.randrange(len(value) + 1)]
        if isinstance(value, datetime.datetime) and rng.random() < 0.5:
            value = value.replace(microsecond=value.microsecond // 1000 * 1000)  # what a reader takes for the maximum
        found.append((column, rng.choice(OPERATIONS), value))
    return found


def arrow_type(column):
    import pyarrow as pa
    kind = COLUMNS[column][0]
    if kind.startswith("DECIMAL"):
        return pa.decimal128(*map(int, kind[8:-1].split(",")))
    return {"BOOLEAN": pa.bool_(), "BINARY": pa.binary(), "TINYINT": pa.int8(), "SMALLINT": pa.int16(),
            "INT": pa.int32(), "BIGINT": pa.int64(), "FLOAT": pa.float32(), "DOUBLE": pa.float64(),
            "STRING": pa.string(), "DATE": pa.date32(), "TIMESTAMP": pa.timestamp("us", "UTC"),
            "TIMESTAMP_NTZ": pa.timestamp("us")}[kind]


def apply(left, operation, right):
    return {"<": left < right, "<=": left <= right, "=": left == right, ">=": left >= right, ">": left > right,
            "!=": left != right}[operation]


def ids(table):
    return sorted(table.column("id").to_pylist())


class Deltalake:
    """Files are skipped by add.stats, row groups by their footer's."""

    def __init__(self, path):
        from deltalake import DeltaTable
        self.dataset = DeltaTable(str(path)).to_pyarrow_dataset()
        self.all = self.dataset.to_table()

    def filter(self, column, operation, value):
        import pyarrow as pa
        import pyarrow.dataset as dataset
        field = dataset.field(*column.split("."))
        if operation in ("null", "not null"):
            return field.is_null() if operation == "null" else field.is_valid()
        if isinstance(value, datetime.datetime) and COLUMNS[column][0] == "TIMESTAMP":
            value = value.replace(tzinfo=datetime.timezone.utc)
        return apply(field, operation, pa.scalar(value, arrow_type(column)))

    def both(self, *predicate):
        expression = self.filter(*predicate)
        return ids(self.dataset.to_table(filter=expression, columns=["id"])), ids(self.all.filter(expression))


class Polars:
    def __init__(self, path):
        import polars
        self.scan = lambda: polars.scan_delta(str(path))
        self.all = self.scan().collect()

    def both(self, column, operation, value):
        import polars
        first, *rest = column.split(".")
        field = polars.col(first)
        for name in rest:
            field = field.struct.field(name)
        if operation in ("null", "not null"):
            expression = field.is_null() if operation == "null" else field.is_not_null()
        else:
            kind = self.all.schema[first]
            for name in rest:
                kind = next(f.dtype for f in kind.fields if f.name == name)
            if isinstance(value, datetime.datetime) and getattr(kind, "time_zone", None):
                value = value.replace(tzinfo=datetime.timezone.utc)
            expression = apply(field, operation, polars.lit(value, dtype=kind))
        return (sorted(self.scan().filter(expression).select("id").collect()["id"]),
                sorted(self.all.filter(expression)["id"]))


class Duckdb:
    """Row groups are skipped by their footer's statistics."""

    def __init__(self, path):
        import duckdb
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'")
        names = ", ".join(f"'{pathlib.Path(path) / name}'" for name in sorted(delta_log.active_files(path)))
        self.source = f"read_parquet([{names}])"
        self.db.execute(f"CREATE TABLE loaded AS SELECT * FROM {self.source}")

    def both(self, column, operation, value):
        kind = COLUMNS[column][0].replace("TIMESTAMP_NTZ", "TIMESTAMP_").replace("TIMESTAMP", "TIMESTAMPTZ")
        kind = kind.replace("TIMESTAMPTZ_", "TIMESTAMP").replace("STRING", "VARCHAR").replace("BINARY", "BLOB")
        if operation in ("null", "not null"):
            where, parameters = f"{column} IS {operation}", []
        else:
            text = value if isinstance(value, (str, bytes)) else json_text(value).strip('"')
            where, parameters = f"{column} {operation} CAST(? AS {kind})", [text]
        return tuple(sorted(row[0] for row in self.db.execute(f"SELECT id FROM {source} WHERE {where}",
                                                              parameters).fetchall())
                     for source in (self.source, "loaded"))


class Spark:
    def __init__(self, path):
        self.session = readers.spark()
        self.session.conf.set("spark.sql.inMemoryColumnarStorage.partitionPruning", "false")
        self.scan = lambda: self.session.read.format("delta").load(str(path))
        self.all = self.scan().cache()
        self.all.count()

    def both(self, column, operation, value):
        from pyspark.sql import functions as f
        field = f.col(column)
        if operation in ("null", "not null"):
            expression = field.isNull() if operation == "null" else field.isNotNull()
        else:
            text = value if isinstance(value, (str, bytes)) else json_text(value).strip('"')
            literal = f.lit(bytearray(text) if isinstance(text, bytes) else text)
            expression = apply(field, operation, literal.cast(COLUMNS[column][0]))
        # Another plan than the cached one, or Spark would read the cache here too.
        pushed = self.scan().withColumn("other", f.lit(1)).where(expression)
        return (sorted(row[0] for row in pushed.select("id").collect()),
                sorted(row[0] for row in self.all.where(expression).select("id").collect()))


READERS = {"deltalake": Deltalake, "polars": Polars, "duckdb": Duckdb, "spark": Spark}


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    made = {}

    def table(seed):
        if seed not in made:
            made[seed] = write_table(tmp_path_factory.mktemp("statistics") / "made", seed)
        return made[seed]
    return table


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_pushed_filter_loses_no_rows(tables, reader, seed):
    path, values = tables(seed)
    asked = READERS[reader](path)
    chosen = predicates(values, random.Random(seed))
    if reader == "spark":
        chosen = random.Random(seed).sample(chosen, SPARK_PREDICATES)
    wrong, matched = [], 0
    for predicate in chosen:
        pushed, after = asked.both(*predicate)
        matched += bool(after)
        if pushed != after:
            wrong.append((predicate, sorted(set(after) - set(pushed)), sorted(set(pushed) - set(after))))
    assert wrong == [], f"{len(wrong)} of {len(chosen)} predicates: {wrong[:5]}"
    assert matched > len(chosen) / 2, "the predicates find nothing"


# ---- tables analyze

GROUPS, INPUTS, SLOW_INPUTS = 40, 6, 30


def write_groups(folder, numbers, rng):
    folder.mkdir(exist_ok=True)
    for number in numbers:
        lines = []
        for _ in range(60):  # groups of either sign
            group = rng.randrange(GROUPS)
            lines.append(json.dumps({"k": f"k{group}", "v": rng.randrange(1, 99999) / (-100 if group % 2 else 100)}))
        path = folder / f"{number:03}.json"
        path.write_text("\n".join(lines) + "\n")
        os.utime(path, (1_700_000_000 + 60 * number,) * 2)


def largest(folder):
    found = {}
    for path in folder.iterdir():
        for line in path.read_text().splitlines():
            row = json.loads(line, parse_float=decimal.Decimal, parse_int=decimal.Decimal)
            found[row["k"]] = max(found.get(row["k"], row["v"]), row["v"])
    return found


def rows(path):
    from deltalake import DeltaTable
    table = DeltaTable(str(path)).to_pyarrow_table()
    return dict(zip(table.column("k").to_pylist(), table.column("top").to_pylist(), strict=True))


def negative(path):
    """Rows that deltalake finds by a pushed filter."""
    import pyarrow as pa
    import pyarrow.dataset as dataset
    from deltalake import DeltaTable
    wanted = dataset.field("top") < pa.scalar(decimal.Decimal("0.00"), pa.decimal128(9, 2))
    return DeltaTable(str(path)).to_pyarrow_dataset().to_table(filter=wanted).num_rows


def swap_bounds(path):
    """The log as older versions wrote it: of a decimal column with both signs, the bounds change places."""
    for commit in sorted((path / "_delta_log").glob("*.json")):
        lines = []
        for line in commit.read_text().splitlines():
            action = json.loads(line)
            if "add" in action:
                stats = json.loads(action["add"]["stats"], parse_float=str)
                low, high = stats["minValues"], stats["maxValues"]
                low["top"], high["top"] = high["top"], low["top"]
                text = json.dumps(stats)
                for value in (low["top"], high["top"]):
                    text = text.replace(f'"{value}"', value)
                action["add"]["stats"] = text
                line = json.dumps(action)
            lines.append(line)
        commit.write_text("\n".join(lines) + "\n")


class Updating:
    """A pipeline whose epochs replace files of its table."""

    def __init__(self, directory):
        self.directory, self.input, self.path = directory, directory / "in", directory / "w" / "g"
        write_groups(self.input, range(INPUTS), random.Random(7))
        (directory / "p.sql").write_text(
            "CREATE OR REFRESH STREAMING TABLE g TBLPROPERTIES ('output.mode' = 'update') AS SELECT k, max(v) AS top "
            "FROM STREAM read_files('in', format => 'json', schema => 'k STRING, v DECIMAL(9,2)', "
            "maxFilesPerTrigger => 1) GROUP BY k;\n")

    def start(self):
        return foreset.Run(["run", "p.sql", "--available-now", "--warehouse", "w", "--lanes", 1], cwd=self.directory)

    def run(self):
        self.start().wait().check()
        return self

    def check(self):
        assert rows(self.path) == largest(self.input)

    def analyze(self, *args):
        done = foreset.run("tables", "analyze", self.path, "--format", "json", *args).check()
        return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def swapped(tmp_path):
    made = Updating(tmp_path).run()
    made.check()
    swap_bounds(made.path)
    return made


def test_wrong_statistics_are_named_and_put_right(swapped):
    right = sum(top < 0 for top in largest(swapped.input).values())
    assert negative(swapped.path) < right, "the swapped bounds lose nothing, this test shows nothing"
    live, version = delta_log.active_files(swapped.path), len(list((swapped.path / "_delta_log").glob("*.json")))
    *files, total = swapped.analyze("--dry-run")
    assert {f["path"] for f in files} <= set(live) and all(not f["mended"] and "top" in f["reason"] for f in files)
    assert total == {"version": version - 1, "files": len(live), "rows": len(largest(swapped.input)),
                     "right": len(live) - len(files), "wrong": len(files), "missing": 0, "mended": 0}
    assert files and len(list((swapped.path / "_delta_log").glob("*.json"))) == version
    *files, total = swapped.analyze()
    assert all(f["mended"] for f in files) and total["mended"] == len(files) and total["version"] == version
    assert negative(swapped.path) == right
    again = delta_log.active_files(swapped.path)
    assert set(again) == set(live) and all(again[f]["partitionValues"] == live[f]["partitionValues"] for f in live)
    assert swapped.analyze() == [{**total, "right": len(live), "wrong": 0, "mended": 0}]
    swapped.check()
    write_groups(swapped.input, range(INPUTS, 2 * INPUTS), random.Random(8))
    swapped.run().check()  # the pipeline removes what was added again
    assert {rows(swapped.path)[k] for k in rows(swapped.path)} == set(largest(swapped.input).values())


def test_a_running_pipeline_is_not_disturbed(swapped):
    write_groups(swapped.input, range(INPUTS, SLOW_INPUTS), random.Random(9))
    running, analyses = swapped.start(), []
    while running.running():
        analyses.append(swapped.analyze()[-1])
    running.wait().check()
    assert analyses, "the pipeline ended before the first analysis"
    swapped.check()
    total = swapped.analyze()[-1]
    assert total["wrong"] == total["missing"] == total["mended"] == 0
    swapped.run().check()


def test_the_command_explains_itself(tmp_path):
    assert "--dry-run" in foreset.run("tables", "analyze", "--help").check().stdout
    foreset.run("tables", "analyze").check(foreset.EXIT_USAGE)
    foreset.run("tables", "analyze", "a", "b").check(foreset.EXIT_USAGE)
    foreset.run("tables", "analyze", tmp_path, "--format", "xml").check(foreset.EXIT_USAGE)
    assert "not a Delta table" in foreset.run("tables", "analyze", tmp_path).check(foreset.EXIT_FAILED).stderr
