"""What a run says, and where every record goes (docs/OPERATIONS.md): counts, closing lines, logs, Spark's progress."""

import datetime
import json
import re
import signal
import subprocess

import delta_log
import foreset
import pytest
from confluent_kafka import Producer

SOURCE = "STREAM read_files('in', format => 'json', schema => '{schema}', maxFilesPerTrigger => 1)"
ROWS = SOURCE.format(schema="id STRING, k STRING, n STRING, t TIMESTAMP")
PROGRESS = {"id": str, "runId": str, "name": str, "timestamp": str, "batchId": int, "batchDuration": int,
            "numInputRows": int, "inputRowsPerSecond": float, "processedRowsPerSecond": float, "durationMs": dict,
            "eventTime": dict, "stateOperators": list, "sources": list, "sink": dict, "observedMetrics": dict}


def minute(number):
    return f"2026-01-01T{number // 60:02}:{number % 60:02}:00Z"


class Pipeline:
    def __init__(self, directory, sql):
        self.directory, self.warehouse = directory, directory / "warehouse"
        (directory / "p.sql").write_text(sql)
        (directory / "in").mkdir(exist_ok=True)
        self.args = ["run", directory / "p.sql", "--warehouse", self.warehouse]

    def add(self, name, lines):
        made = [line if isinstance(line, str) else json.dumps(line) for line in lines]
        (self.directory / "in" / name).write_text("".join(f"{line}\n" for line in made))

    def run(self, *args, **kwargs):
        return foreset.run(*self.args, "--available-now", *args, timeout=90, **kwargs)

    def counts(self, *args):
        """{table: {count: total}} over a run, from its JSON progress."""
        totals = {}
        for line in self.run("--progress", "json", *args).check().progress:
            table = totals.setdefault(line["name"], {"in": 0, "out": 0})
            table["in"] += line["numInputRows"]
            table["out"] += line["sink"]["numOutputRows"]
            for name, value in line["observedMetrics"].items():
                table[name] = table.get(name, 0) + value
        return totals


def adds_up(counts, grouped):
    written = counts["grouped"] if grouped else counts["out"]
    left = counts["in"] + counts["expanded"]
    return left == written + counts["filtered"] + counts["duplicates"] + counts["late"] + counts["deadLetters"]


EVERY_WAY = f"""
CREATE OR REFRESH STREAMING TABLE lines AS SELECT id, k, n, t FROM {ROWS};
CREATE OR REFRESH STREAMING TABLE numbers AS SELECT id, k, CAST(n AS INT) AS n, t FROM STREAM lines WHERE k <> 'skip';
CREATE OR REFRESH STREAMING TABLE once AS SELECT * FROM STREAM numbers DROP DUPLICATES ON (id);
CREATE OR REFRESH STREAMING TABLE good (CONSTRAINT small EXPECT (n < 90) ON VIOLATION DROP ROW) AS
SELECT id, n FROM STREAM numbers;
CREATE OR REFRESH STREAMING TABLE sliding AS
SELECT window.start AS s, count(*) AS c FROM STREAM numbers WATERMARK t DELAY OF INTERVAL 1 MINUTE
GROUP BY window(t, '4 minutes', '1 minute');
CREATE OR REFRESH STREAMING TABLE busy AS
SELECT k, count(*) AS c FROM STREAM numbers WATERMARK t DELAY OF INTERVAL 1 MINUTE
GROUP BY k, window(t, '1 minute') HAVING count(*) > 1;
CREATE OR REFRESH STREAMING TABLE both AS
SELECT id FROM STREAM once UNION ALL SELECT id FROM STREAM good;
"""


@pytest.mark.parametrize("lanes", [1, 3])
def test_every_record_is_in_one_count(tmp_path, lanes):
    pipeline = Pipeline(tmp_path, EVERY_WAY)
    expected = {"read": 0, "skipped": 0, "dead": 0, "duplicates": 0, "dropped": 0}
    seen = set()
    for number in range(6):
        rows = []
        for i in range(40):
            row = {"id": f"id-{(number * 17 + i) % 50}", "k": "skip" if i % 7 == 0 else f"k{i % 3}",
                   "n": "x" if i % 11 == 1 else str(i + 60),
                   "t": minute(3 * number + i % 5 - (30 if i == 9 else 0) + 60)}
            rows.append(row if i != 13 else {**row, "t": None})
            expected["read"] += 1
            if row["k"] == "skip":
                expected["skipped"] += 1
            elif row["n"] == "x":
                expected["dead"] += 1
            else:
                expected["duplicates"] += row["id"] in seen
                seen.add(row["id"])
                expected["dropped"] += int(row["n"]) >= 90
        pipeline.add(f"{number}.json", [*rows, "{torn"])
    counts = pipeline.counts("--lanes", lanes)
    lines, numbers = counts["lines"], counts["numbers"]
    assert lines["in"] == lines["out"] == expected["read"] + 6 and lines["malformed"] == 6
    # k <> 'skip' is not true for the six torn lines, whose columns are null
    assert (numbers["filtered"], numbers["deadLetters"]) == (expected["skipped"] + 6, expected["dead"])
    assert counts["once"]["duplicates"] == expected["duplicates"]
    assert counts["good"]["filtered"] == expected["dropped"]
    assert counts["sliding"]["expanded"] > 3 * counts["sliding"]["grouped"] // 4 - 100
    assert counts["sliding"]["late"] > 0 and counts["sliding"]["filtered"] > 0  # a null time lies in no window
    assert counts["both"]["in"] == counts["once"]["out"] + counts["good"]["out"] == counts["both"]["out"]
    for name, found in counts.items():
        assert found["unaccounted"] == 0, name
        assert adds_up(found, name in ("sliding", "busy")), (name, found)


def test_the_closing_lines_tell_the_counts(tmp_path):
    pipeline = Pipeline(tmp_path, "SET pipeline.name = p;\n" + EVERY_WAY)
    pipeline.add("1.json", [{"id": "a", "k": "x", "n": "1", "t": minute(1)}, {"id": "b", "k": "skip", "n": "1"}, "{"])
    run = pipeline.run().check()
    lines = run.stderr.splitlines()
    done, = [i for i, line in enumerate(lines) if line.startswith("done: ")]
    assert re.fullmatch(r"done: pipeline p read 3 rows in \d+ epochs?, \d+\.\d s; tables in file://"
                        + re.escape(str(pipeline.warehouse)), lines[done])
    assert lines[done + 1] == "  lines: in 3, written 3, malformed 1"
    assert lines[done + 2] == "  numbers: in 3, written 1, filtered 2"
    assert "epoch 1 " not in run.stderr and run.stdout == ""


def test_a_run_that_reads_nothing_says_why(tmp_path, broker):
    broker.create_topic("said-empty", 2)
    broker.create_topic("said-full", 1)
    broker.produce("said-full", [b"x"] * 5)
    source = "STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{}'{})"

    def said(name, topic, options=""):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        sql = f"CREATE OR REFRESH STREAMING TABLE t AS SELECT value FROM {source.format(topic, options)};\n"
        run = Pipeline(folder, sql).run("--kafka", f"bootstrap.servers={broker.address}").check()
        return [line for line in run.stderr.splitlines() if line.startswith("nothing was read")]

    assert said("a", "said-empty", ", startingOffsets => 'earliest'") == ["nothing was read: topic said-empty is empty"]
    assert said("b", "said-full") == ["nothing was read: startingOffsets of topic said-full is latest: only records "
                                      "that come later are read"]
    assert said("c", "said-full", ", startingOffsets => 'earliest'") == []
    assert said("c", "said-full", ", startingOffsets => 'earliest'") == ["nothing was read: topic said-full has no "
                                                                         "record that was not read before"]
    files = Pipeline(tmp_path, f"CREATE OR REFRESH STREAMING TABLE t AS SELECT id FROM {ROWS};\n")
    assert f"nothing was read: {tmp_path}/in has no files\n" in files.run().check().stderr


def test_offsets_without_a_record_are_counted(tmp_path, broker):
    broker.create_topic("said-gaps", 1)
    producer = Producer({"bootstrap.servers": broker.address, "transactional.id": "said"})
    producer.init_transactions()
    for number, commits in enumerate([True, False, True]):
        producer.begin_transaction()
        for i in range(5):
            producer.produce("said-gaps", b"%d-%d" % (number, i))
        producer.flush()
        producer.commit_transaction() if commits else producer.abort_transaction()
    sql = ("CREATE OR REFRESH STREAMING TABLE t AS SELECT value FROM STREAM read_kafka(bootstrapServers => 'x:1', "
           "subscribe => 'said-gaps', startingOffsets => 'earliest', kafka.isolation.level => 'read_committed');\n")
    pipeline = Pipeline(tmp_path, sql.replace("kafka.isolation.level", "`kafka.isolation.level`"))
    counts = pipeline.counts("--kafka", f"bootstrap.servers={broker.address}")["t"]
    ends = broker.ends("said-gaps")
    assert (counts["in"], counts["out"]) == (10, 10)
    assert counts["in"] + counts["emptyOffsets"] == sum(ends.values() if isinstance(ends, dict) else ends)


def monitor_stream(updates):
    """A monitor as one writes it for Spark: it knows the members of StreamingQueryProgress and nothing of Foreset."""
    rows, lines = {}, []
    for progress in updates:
        rows[progress["name"]] = rows.get(progress["name"], 0) + progress["numInputRows"]
        lag = sum(int(end) for source in progress["sources"] for topic in (source["latestOffset"] or {}).values()
                  for end in topic.values())
        lag -= sum(int(end) for source in progress["sources"] for topic in (source["endOffset"] or {}).values()
                   for end in topic.values())
        state = sum(operator["numRowsTotal"] for operator in progress["stateOperators"])
        late = sum(operator["numRowsDroppedByWatermark"] for operator in progress["stateOperators"])
        datetime.datetime.strptime(progress["timestamp"], "%Y-%m-%dT%H:%M:%S.%fZ")
        lines.append(f"{progress['id']} {progress['runId']} batch {progress['batchId']}: "
                     f"{progress['numInputRows']} rows, "
                     f"{progress['inputRowsPerSecond']:.1f}/s in, {progress['processedRowsPerSecond']:.1f}/s done, "
                     f"{progress['durationMs']['triggerExecution']} ms ({progress['durationMs']['addBatch']} writing), "
                     f"watermark {progress['eventTime'].get('watermark')}, lag {lag}, state {state}, late {late}, "
                     f"{progress['sink']['description']} {progress['sink']['numOutputRows']}")
    return rows, lines


def test_progress_has_the_members_of_sparks(tmp_path, broker):
    broker.create_topic("said-progress", 2)
    for partition in range(2):
        values = [json.dumps({"k": i % 3, "t": minute(i)}).encode() for i in range(10)]
        broker.produce("said-progress", values, partition)
    sql = """CREATE OR REFRESH STREAMING TABLE raw AS
SELECT from_json(CAST(value AS STRING), 'k INT, t TIMESTAMP') AS d FROM STREAM read_kafka(bootstrapServers => 'x:1',
  subscribe => 'said-progress', startingOffsets => 'earliest', maxOffsetsPerTrigger => 6);
CREATE OR REFRESH STREAMING TABLE counted AS SELECT d.k AS k, count(*) AS n
FROM (SELECT d, d.t AS t FROM STREAM raw) WATERMARK t DELAY OF INTERVAL 1 MINUTE GROUP BY d.k, window(t, '1 minute');
"""
    pipeline = Pipeline(tmp_path, sql)
    updates = pipeline.run("--kafka", f"bootstrap.servers={broker.address}", "--progress", "json").check().progress
    for progress in updates:
        for member, kind in PROGRESS.items():
            assert isinstance(progress[member], kind), member
        for source in progress["sources"]:
            assert {"description", "startOffset", "endOffset", "latestOffset", "numInputRows", "inputRowsPerSecond",
                    "processedRowsPerSecond", "metrics"} <= source.keys()
            assert source["description"] == "KafkaV2[Subscribe[said-progress]]"
            assert source["startOffset"].keys() == {"said-progress"}
    raw = [progress for progress in updates if progress["name"] == "raw"]
    assert sum(source["numInputRows"] for progress in raw for source in progress["sources"]) == 20
    for before, after in zip(raw, raw[1:]):
        assert before["sources"][0]["endOffset"] == after["sources"][0]["startOffset"]
        assert before["runId"] == after["runId"] and before["id"] == after["id"]
    assert raw[0]["sources"][0]["latestOffset"] == {"said-progress": {"0": 10, "1": 10}}
    counted = [progress for progress in updates if progress["name"] == "counted"]
    assert {operator["operatorName"] for progress in counted for operator in progress["stateOperators"]} == {
        "stateStoreSave"}
    assert counted[-1]["stateOperators"][0]["numRowsTotal"] > 0 and "watermark" in counted[-1]["eventTime"]
    rows, lines = monitor_stream(updates)
    assert rows["raw"] == 20 and len(lines) == len(updates)


def test_a_long_run_logs_how_it_began_and_how_it_ended(tmp_path):
    sql = f"SET pipeline.name = p;\nCREATE OR REFRESH STREAMING TABLE t AS SELECT id FROM {ROWS};\n"
    pipeline = Pipeline(tmp_path, sql)
    pipeline.add("1.json", [{"id": "a"}])
    run = foreset.Run([*pipeline.args, "--log-format", "json"])
    assert run.wait_for(lambda: delta_log.exists(pipeline.warehouse / "t") and
                        delta_log.latest_version(pipeline.warehouse / "t") > 0, 60, "a commit")
    run.signal(signal.SIGHUP)  # a terminal that closes does not end it
    pipeline.add("2.json", [{"id": "b"}])
    version = delta_log.latest_version(pipeline.warehouse / "t")
    assert run.wait_for(lambda: delta_log.latest_version(pipeline.warehouse / "t") > version, 60, "another commit")
    run.drain().check()
    events = foreset.json_lines(run.stderr)
    assert events[0]["event"] == "run_started" and events[0]["pipeline"] == "p"
    assert events[-1]["event"] == "run_ended" and events[-1]["outcome"] == "done"
    assert str(events[-1]["rows_read"]) == "2"


def test_a_terminal_shows_each_table_and_then_the_end(tmp_path):
    pipeline = Pipeline(tmp_path, "SET pipeline.name = p;\n" + EVERY_WAY)
    pipeline.add("1.json", [{"id": "a", "k": "x", "n": "1"}])
    command = " ".join(map(str, [foreset.binary(), *pipeline.args, "--available-now"]))
    shown = subprocess.run(["script", "-qec", command, "/dev/null"], capture_output=True, text=True, timeout=90,
                           stdin=subprocess.DEVNULL)
    assert shown.returncode == 0, shown.stdout
    assert "watermark none yet" in shown.stdout and "1970" not in shown.stdout
    last = shown.stdout.rpartition("\x1b[J")[2].replace("\r", "")
    assert last.startswith("done: pipeline p read 1 row in ") and "\n  numbers: in 1, written 1\n" in last
