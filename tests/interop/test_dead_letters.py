"""Dead letters (SQL.md, Bad rows): what is kept of a row that raised, where, in which epoch, and never twice."""

import base64
import itertools
import json

import delta_log
import foreset
import pytest
from confluent_kafka import Producer
from deltalake import DeltaTable

COLUMNS = ["epoch", "failed_at", "topic", "partition", "offset", "timestamp", "key", "value", "headers", "row", "class",
           "message"]
counter = itertools.count()


def rows(table):
    if not delta_log.exists(table):
        return []
    return DeltaTable(str(table)).to_pyarrow_table().to_pylist()


class Pipeline:
    def __init__(self, directory, sql, *args):
        self.directory, self.warehouse = directory, directory / "warehouse"
        (directory / "p.sql").write_text(sql)
        self.args = ["run", directory / "p.sql", "--available-now", "--warehouse", self.warehouse, "--progress", "json",
                     *args]

    def run(self, *args, **kwargs):
        return foreset.run(*self.args, *args, timeout=90, **kwargs)

    def table(self, name):
        return rows(self.warehouse / name)

    def dead(self, name):
        return rows(self.warehouse / f"{name}__dead_letters")


# ---- Files ----

def file_of(directory, name, *records):
    (directory / "in").mkdir(exist_ok=True)
    (directory / "in" / name).write_text("".join(json.dumps(record) + "\n" for record in records))


SOURCE = "STREAM read_files('in', format => 'json', schema => 'id STRING, n STRING', maxFilesPerTrigger => 1)"
NUMBERS = f"CREATE OR REFRESH STREAMING TABLE numbers AS SELECT id, CAST(n AS INT) AS n FROM {SOURCE};\n"
CHAIN = NUMBERS + """CREATE OR REFRESH STREAMING TABLE inverse AS SELECT id, 100 DIV n AS i FROM STREAM numbers;
CREATE OR REFRESH STREAMING TABLE doubled AS SELECT id, n * 2 AS d FROM STREAM numbers;
"""


def test_a_row_of_a_file_is_kept_as_json_and_the_others_pass(tmp_path):
    file_of(tmp_path, "1.json", {"id": "a", "n": "1"}, {"id": "b", "n": "x"}, {"id": "c", "n": None})
    pipeline = Pipeline(tmp_path, NUMBERS)
    pipeline.run().check()
    assert sorted((row["id"], row["n"]) for row in pipeline.table("numbers")) == [("a", 1), ("c", None)]
    [letter] = pipeline.dead("numbers")
    assert list(letter) == COLUMNS
    assert json.loads(letter["row"]) == {"id": "b", "n": "x"}
    assert (letter["class"], letter["epoch"]) == ("CAST_INVALID_INPUT", 1)
    assert "'x'" in letter["message"]
    assert all(letter[name] is None for name in COLUMNS[2:9])
    assert letter["failed_at"] is not None


def test_the_class_is_whole(tmp_path):
    file_of(tmp_path, "1.json", {"id": "2024", "n": "YYYY"})
    pipeline = Pipeline(tmp_path, f"CREATE OR REFRESH STREAMING TABLE t AS SELECT to_date(id, n) AS d FROM {SOURCE};")
    pipeline.run().check()
    assert [letter["class"] for letter in pipeline.dead("t")] == [
        "INCONSISTENT_BEHAVIOR_CROSS_VERSION.DATETIME_PATTERN_RECOGNITION"]


def test_every_table_has_dead_letters_of_its_own_and_only_if_it_needs_them(tmp_path):
    file_of(tmp_path, "1.json", {"id": "a", "n": "1"}, {"id": "b", "n": "x"}, {"id": "c", "n": "0"})
    pipeline = Pipeline(tmp_path, CHAIN)
    pipeline.run().check()
    assert [json.loads(letter["row"])["id"] for letter in pipeline.dead("numbers")] == ["b"]
    assert [json.loads(letter["row"])["id"] for letter in pipeline.dead("inverse")] == ["c"]
    assert [letter["class"] for letter in pipeline.dead("inverse")] == ["DIVIDE_BY_ZERO"]
    assert not delta_log.exists(pipeline.warehouse / "doubled__dead_letters")
    assert sorted(row["id"] for row in pipeline.table("inverse")) == ["a"]
    assert sorted(row["id"] for row in pipeline.table("doubled")) == ["a", "c"]


def test_letters_come_in_the_epoch_of_their_rows_and_once(tmp_path):
    for number in range(1, 4):
        file_of(tmp_path, f"{number}.json", {"id": f"good-{number}", "n": "1"}, {"id": f"bad-{number}", "n": "x"})
    pipeline = Pipeline(tmp_path, NUMBERS)
    pipeline.run().check()
    pipeline.run().check()  # there is nothing new
    letters = {json.loads(letter["row"])["id"]: letter["epoch"] for letter in pipeline.dead("numbers")}
    assert len(pipeline.dead("numbers")) == 3 and len(set(letters.values())) == 3
    infos = delta_log.txn_versions(pipeline.warehouse / "numbers__dead_letters")
    assert [version for version, _, _ in infos] == sorted(letters.values())


@pytest.mark.parametrize("point", ["decide.before", "decide.after", "put.before", "put.after", "prepared.after"])
def test_letters_come_once_however_the_process_ends(tmp_path, point):
    file_of(tmp_path, "1.json", {"id": "a", "n": "1"}, {"id": "b", "n": "x"})
    file_of(tmp_path, "2.json", {"id": "c", "n": "y"}, {"id": "d", "n": "2"})
    pipeline = Pipeline(tmp_path, CHAIN)
    for pass_number in (1, 2, 3):
        pipeline.run(failpoints=f"{point}@{pass_number}=kill")
    pipeline.run().check()
    assert sorted(json.loads(letter["row"])["id"] for letter in pipeline.dead("numbers")) == ["b", "c"]
    assert sorted(row["id"] for row in pipeline.table("numbers")) == ["a", "d"]


def test_on_error_fail_stops_there_and_decides_nothing_of_it(tmp_path):
    file_of(tmp_path, "1.json", {"id": "a", "n": "1"})
    pipeline = Pipeline(tmp_path, "SET pipeline.on_error = fail;\n" + NUMBERS)
    pipeline.run().check()
    file_of(tmp_path, "2.json", {"id": "b", "n": "x"})
    done = pipeline.run().check(foreset.EXIT_FAILED)
    assert "CAST_INVALID_INPUT" in done.stderr and "numbers" in done.stderr
    assert [row["id"] for row in pipeline.table("numbers")] == ["a"]
    assert pipeline.dead("numbers") == []
    file_of(tmp_path, "2.json", {"id": "b", "n": "2"})  # mended
    pipeline.run().check()
    assert sorted(row["id"] for row in pipeline.table("numbers")) == ["a", "b"]


@pytest.mark.parametrize("lanes", ["1", "3"])
def test_on_error_fail_decides_every_epoch_before_the_failing_one(tmp_path, lanes):
    for number in range(8):
        file_of(tmp_path, f"{number}.json", {"id": f"{number}", "n": "x" if number == 6 else "1"})
    pipeline = Pipeline(tmp_path, "SET pipeline.on_error = fail;\n" + NUMBERS, "--lanes", lanes)
    done = pipeline.run().check(foreset.EXIT_FAILED)
    assert "CAST_INVALID_INPUT" in done.stderr and '"id":"6"' in done.stderr and "epoch 7" in done.stderr
    assert sorted(row["id"] for row in pipeline.table("numbers")) == [f"{number}" for number in range(6)]


def kafka_numbers(topic, options=""):
    return f"""SET pipeline.on_error = fail;
CREATE OR REFRESH STREAMING TABLE numbers AS SELECT CAST(CAST(value AS STRING) AS INT) AS n
FROM STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{topic}', {options}startingOffsets => 'earliest');
"""


@pytest.mark.parametrize("bad", [(0, 37), (2, 99), (1, 0)])
def test_on_error_fail_names_the_record_and_decides_what_was_before_it(broker, tmp_path, bad):
    """Epochs of ten records of each partition: those before the record's are there, nothing else is."""
    topic = f"letters-{next(counter)}"
    broker.create_topic(topic, 3)
    for partition in range(3):
        broker.produce(topic, ["bad" if (partition, i) == bad else f"{partition * 1000 + i}" for i in range(100)],
                       partition)
    pipeline = Pipeline(tmp_path, kafka_numbers(topic, "maxOffsetsPerTrigger => 30, "), "--kafka",
                        f"bootstrap.servers={broker.address}", "--lanes", "3")
    done = pipeline.run().check(foreset.EXIT_FAILED)
    where = f"topic {topic}, partition {bad[0]}, offset {bad[1]}"
    assert where in done.stderr and "'bad'" in done.stderr, done.stderr
    epochs = bad[1] // 10
    assert sorted(row["n"] for row in pipeline.table("numbers")) == sorted(
        partition * 1000 + i for partition in range(3) for i in range(10 * epochs))


TOO_LATE = {"message.timestamp.after.max.ms": str(2**63 - 1), "message.timestamp.before.max.ms": str(2**63 - 1)}
FITS_MS = (2**63 - 1) // 1000


def kafka_times(topic, columns, settings=""):
    return f"""{settings}CREATE OR REFRESH STREAMING TABLE times AS SELECT CAST(value AS STRING) AS v{columns}
FROM STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{topic}', startingOffsets => 'earliest');
"""


@pytest.fixture
def times_topic(broker):
    """Milliseconds, nanoseconds, the greatest of all, the greatest that fits and the one behind it."""
    topic = f"letters-{next(counter)}"
    broker.create_topic(topic, 1, TOO_LATE)
    stamps = [1700000000000, 1700000000000 * 10**6, 2**63 - 1, FITS_MS, FITS_MS + 1, 1700000000001]
    broker.produce(topic, [str(stamp) for stamp in stamps], timestamps=stamps)
    return topic, stamps


def test_a_timestamp_that_does_not_fit_is_a_dead_letter(broker, times_topic, tmp_path):
    topic, stamps = times_topic
    pipeline = Pipeline(tmp_path, kafka_times(topic, ", unix_micros(timestamp) AS us"), "--kafka",
                        f"bootstrap.servers={broker.address}")
    pipeline.run().check()
    fit = [stamp for stamp in stamps if stamp <= FITS_MS]
    assert [(row["v"], row["us"]) for row in pipeline.table("times")] == [(str(stamp), stamp * 1000) for stamp in fit]
    letters = pipeline.dead("times")
    assert [(letter["offset"], letter["value"]) for letter in letters] == [
        (offset, str(stamp).encode()) for offset, stamp in enumerate(stamps) if stamp > FITS_MS]
    for letter in letters:
        assert letter["timestamp"] is None and letter["class"] == "ARITHMETIC_OVERFLOW"
        assert letter["value"].decode() in letter["message"] and letter["topic"] == topic


def test_a_timestamp_that_nobody_reads_may_be_anything(broker, times_topic, tmp_path):
    topic, stamps = times_topic
    pipeline = Pipeline(tmp_path, kafka_times(topic, ", CAST(CAST(value AS STRING) AS BIGINT) + 1 AS more"), "--kafka",
                        f"bootstrap.servers={broker.address}")
    pipeline.run().check()
    assert [row["v"] for row in pipeline.table("times")] == [str(stamp) for stamp in stamps if stamp < 2**63 - 1]
    [letter] = pipeline.dead("times")  # BIGINT overflows: its letter has no timestamp
    assert letter["offset"] == 2 and letter["timestamp"] is None


def test_a_timestamp_that_does_not_fit_fails_where_that_is_wanted(broker, times_topic, tmp_path):
    topic, _ = times_topic
    pipeline = Pipeline(tmp_path, kafka_times(topic, ", timestamp", "SET pipeline.on_error = fail;\n"), "--kafka",
                        f"bootstrap.servers={broker.address}")
    done = pipeline.run().check(foreset.EXIT_FAILED)
    assert f"topic {topic}, partition 0, offset 1" in done.stderr and "1700000000000000000 ms" in done.stderr


def test_on_error_fail_of_a_run_publishes_what_came_before(broker, tmp_path):
    """A long run's epochs hold what came by their trigger: the rows before the bad one must not be cut with it."""
    topic = f"letters-{next(counter)}"
    broker.create_topic(topic, 1)
    pipeline = Pipeline(tmp_path, kafka_numbers(topic))
    args = [arg for arg in pipeline.args if arg != "--available-now"]
    running = foreset.Run([*args, "--kafka", f"bootstrap.servers={broker.address}", "--set",
                           "pipeline.trigger=200 milliseconds"])
    try:
        broker.produce(topic, ["1", "2", "3"])
        running.wait_for(lambda: pipeline.table("numbers"), what="the first rows")
        broker.produce(topic, ["4", "5"])
        broker.produce(topic, ["bad"])
        running.wait(60).check(foreset.EXIT_FAILED)
    finally:
        running.kill()
    assert f"topic {topic}, partition 0, offset 5" in running.stderr
    assert {1, 2, 3} <= {row["n"] for row in pipeline.table("numbers")} <= {1, 2, 3, 4, 5}


def test_an_error_above_an_aggregate_always_fails(tmp_path):
    file_of(tmp_path, "1.json", {"id": "a", "n": "1"})
    sql = ("CREATE OR REFRESH STREAMING TABLE s TBLPROPERTIES ('output.mode' = 'complete') AS "
           f"SELECT 1 DIV (count(*) - 1) AS x FROM {SOURCE};\n")
    done = Pipeline(tmp_path, sql).run().check(foreset.EXIT_FAILED)
    assert "DIVIDE_BY_ZERO" in done.stderr


# ---- Kafka ----

RECORDS = [  # key, value, headers
    (b"k0", b'{"id": "a", "n": 1}', None),
    (b"k1", b'{"id": "b", "n": ', [("trace", b"\x00\xff")]),
    (None, b'{"id": "c", "n": "12"}', None),
    (b"k3", b'{"id": "d", "n": 4}', None),
    (b"", b"\xff\xfe not even text", None),
]


@pytest.fixture
def topic(broker):
    name = f"letters-{next(counter)}"
    broker.create_topic(name, 1)
    producer = Producer({"bootstrap.servers": broker.address})
    for key, value, headers in RECORDS:
        producer.produce(name, value, key, partition=0, headers=headers or [])
    assert producer.flush(30) == 0
    return name


def kafka_sql(topic, mode):
    options = f", map('mode', '{mode}')" if mode else ""
    return f"""CREATE OR REFRESH STREAMING TABLE t AS SELECT offset, data.id, data.n
FROM (SELECT *, from_json(CAST(value AS STRING), 'id STRING, n INT'{options}) AS data
      FROM STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{topic}', includeHeaders => true,
                             startingOffsets => 'earliest'));
"""


def kafka_pipeline(broker, tmp_path, *args, **kwargs):
    return Pipeline(tmp_path, kafka_sql(*args, **kwargs), "--kafka", f"bootstrap.servers={broker.address}")


def test_quarantine_keeps_malformed_records_byte_by_byte(broker, topic, tmp_path):
    pipeline = kafka_pipeline(broker, tmp_path, topic, "QUARANTINE")
    done = pipeline.run().check()
    letters = {letter["offset"]: letter for letter in pipeline.dead("t")}
    good = {row["offset"]: (row["id"], row["n"]) for row in pipeline.table("t")}
    assert good[0] == ("a", 1) and good[3] == ("d", 4)
    assert {1, 4} <= set(letters) and set(good) | set(letters) == {0, 1, 2, 3, 4} and not set(good) & set(letters)
    for offset, letter in letters.items():
        key, value, headers = RECORDS[offset]
        assert (letter["topic"], letter["partition"], letter["key"], letter["value"]) == (topic, 0, key, value)
        assert letter["row"] is None and letter["timestamp"] is not None and letter["class"]
    assert letters[1]["headers"] == [{"key": "trace", "value": b"\x00\xff"}]
    assert done.progress
    assert "\ufffd" in letters[4]["message"] or letters[4]["message"].isascii()


def test_permissive_gives_nulls_and_no_letters(broker, topic, tmp_path):
    pipeline = kafka_pipeline(broker, tmp_path, topic, "")
    pipeline.run().check()
    found = {row["offset"]: (row["id"], row["n"]) for row in pipeline.table("t")}
    assert set(found) == {0, 1, 2, 3, 4}
    assert found[0] == ("a", 1) and found[4] == (None, None)
    assert not delta_log.exists(pipeline.warehouse / "t__dead_letters")


def test_failfast_stops_at_a_malformed_record(broker, topic, tmp_path):
    pipeline = kafka_pipeline(broker, tmp_path, topic, "FAILFAST")
    done = pipeline.run().check(foreset.EXIT_FAILED)
    assert "FAILFAST" in done.stderr and "t/source-1" in done.stderr
    assert pipeline.table("t") == []


def test_letters_are_shown_by_tables_show(broker, topic, tmp_path):
    pipeline = kafka_pipeline(broker, tmp_path, topic, "QUARANTINE")
    pipeline.run().check()
    shown = foreset.run("tables", "show", pipeline.warehouse / "t__dead_letters", "--columns", "offset,value",
                        "--order-by", "offset", "--format", "json").check().stdout
    values = {row["offset"]: base64.b64decode(row["value"]) for row in foreset.json_lines(shown)}
    assert all(values[offset] == RECORDS[offset][1] for offset in values) and len(values) == len(pipeline.dead("t"))
