"""What bad input gets: one message that says what, where and what to do, its exit code, nothing lost or repeated."""

import os
import re
import signal
import socket

import delta_log
import foreset
import pyarrow as pa
import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from deltalake import write_deltalake
from kafka_broker import free_ports
from medallion import Medallion

EVENTS = 4000
counter = iter(range(1000))

BRONZE = """CREATE OR REFRESH STREAMING TABLE t AS
SELECT CAST(value AS STRING) AS v, partition, offset
FROM STREAM read_kafka(bootstrapServers => 'x:1', subscribe => '{topic}', {options}startingOffsets => 'earliest');
"""


@pytest.fixture
def topic(broker):
    name = f"bad-{next(counter)}"
    broker.create_topic(name, 2)
    foreset.produce(broker.address, name, f"user-events:{EVENTS}:3", "--key", "user_id")
    return name


class Small:
    """One bronze table over a topic."""

    def __init__(self, directory, address, topic, options=""):
        self.warehouse = directory / "warehouse"
        self.table = self.warehouse / "t"
        self.file = directory / "small.sql"
        self.file.write_text(BRONZE.format(topic=topic, options=options))
        self.args = ["run", self.file, "--warehouse", self.warehouse, "--kafka", f"bootstrap.servers={address}"]

    def run(self, *args, timeout=90, **kwargs):
        return foreset.run(*self.args, "--available-now", *args, timeout=timeout, **kwargs)

    def rows(self):
        from deltalake import DeltaTable
        return DeltaTable(str(self.table)).to_pyarrow_table().num_rows

    def state(self):
        return self.warehouse / "_foreset" / "small"


def refused(done, code, *words):
    done.check(code)
    said = [line for line in done.stderr.strip().splitlines() if not line.startswith("{")]  # no progress
    assert len(said) <= 12, f"more than one clear message: {done.stderr}"
    for word in words:
        assert re.search(word, done.stderr, re.I), f"{word!r} is not in: {done.stderr}"


@pytest.mark.parametrize("sql, words", [
    ("CREATE OR REFRESH STREAMING TABEL t AS SELECT 1", ["TABLE"]),
    ("CREATE OR REFRESH STREAMING TABLE t AS SELECT nosuch FROM STREAM read_files('in', format => 'json', "
     "schema => 'a INT')", ["nosuch"]),
    ("CREATE OR REFRESH STREAMING TABLE t AS SELECT a FROM STREAM read_files('in', fromat => 'json', "
     "schema => 'a INT')", ["fromat", "format"]),
    ("CREATE OR REFRESH STREAMING TABLE t AS SELECT nosuch(a) FROM STREAM read_files('in', format => 'json', "
     "schema => 'a INT')", ["nosuch"]),
    ("SET pipeline.triger = 1 second; CREATE OR REFRESH STREAMING TABLE t AS SELECT a FROM STREAM read_files('in', "
     "format => 'json', schema => 'a INT')", ["pipeline.triger", "pipeline.trigger"]),
    ("CREATE OR REFRESH STREAMING TABLE t TBLPROPERTIES ('delta.nosuch' = '1') AS SELECT a FROM STREAM "
     "read_files('in', format => 'json', schema => 'a INT')", ["delta.nosuch"]),
    ("CREATE OR REFRESH STREAMING TABLE t AS SELECT a FROM STREAM read_kafka(subscribe => 'x')", ["bootstrapServers"]),
])
def test_wrong_sql_names_file_line_and_column(tmp_path, sql, words):
    (tmp_path / "in").mkdir()
    (tmp_path / "p.sql").write_text(sql + ";\n")
    for command in (["run", "p.sql", "--available-now", "--warehouse", "w"], ["plan", "p.sql"]):
        refused(foreset.run(*command, cwd=tmp_path), foreset.EXIT_USAGE, r"p\.sql:\d+:\d+", *words)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("args, word", [
    (["run"], "FILE"), (["run", "nosuch.sql"], r"nosuch\.sql"), (["run", "x.sql", "--nosuch"], "--nosuch"),
    (["nosuch"], "nosuch"), (["tables", "show"], "PATH"), (["broker"], "--topic"),
])
def test_wrong_usage(tmp_path, args, word):
    (tmp_path / "x.sql").write_text("")
    refused(foreset.run(*args, cwd=tmp_path), foreset.EXIT_USAGE, word)


def test_show_of_a_folder_that_is_no_table(tmp_path):
    refused(foreset.run("tables", "show", tmp_path), foreset.EXIT_FAILED, re.escape(str(tmp_path)))


def test_unreachable_broker_is_told_at_once_and_given_up_later(tmp_path):
    address = f"127.0.0.1:{free_ports(1)[0]}"
    running = foreset.Run([*Small(tmp_path, address, "x").args, "--available-now"])
    running.wait_for(lambda: "notice:" in running.stderr, 5, "the notice")
    assert running.running()
    notice = next(line for line in running.stderr.splitlines() if line.startswith("notice:"))
    assert address in notice and "refused" in notice and "Trying again for 20 s" in notice
    refused(running.wait(40), foreset.EXIT_FAILED, address, "refused", "check that the broker runs")


def test_silent_broker_is_told_within_seconds(tmp_path):
    """One that takes the connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        running = foreset.Run([*Small(tmp_path, address, "x").args, "--available-now"])
        running.wait_for(lambda: "notice:" in running.stderr, 8, "the notice")
        running.kill()
    assert address in running.stderr


SASL = {"security.protocol": "sasl_plaintext", "sasl.mechanism": "PLAIN", "sasl.username": "tester",
        "sasl.password": "right"}


def sasl_args(**changed):
    given = {**SASL, **{key.replace("_", "."): value for key, value in changed.items()}}
    return [arg for key, value in given.items() for arg in ("--kafka", f"{key}={value}")]


def test_right_credentials_pass(broker, topic, tmp_path):
    small = Small(tmp_path, broker.sasl_address, topic)
    small.run(*sasl_args()).check()
    assert small.rows() == EVENTS


@pytest.mark.parametrize("changed", [{"sasl_password": "wrong"}, {"sasl_username": "nobody"},
                                     {"sasl_mechanism": "SCRAM-SHA-256"}, {"security_protocol": "plaintext"}])
def test_wrong_credentials(broker, topic, tmp_path, changed):
    done = Small(tmp_path, broker.sasl_address, topic).run(*sasl_args(**changed))
    refused(done, foreset.EXIT_FAILED, broker.sasl_address, "kafka.security.protocol|check that the broker runs")
    said = done.stderr.replace("the address is right", "").replace(str(tmp_path), "")
    assert "right" not in said and "wrong" not in said


def test_missing_topic(broker, tmp_path):
    refused(Small(tmp_path, broker.address, "no-such-topic").run(), foreset.EXIT_FAILED, "no-such-topic")


def test_wrong_security_protocol(broker, topic, tmp_path):
    done = Small(tmp_path, broker.address, topic).run("--kafka", "security.protocol=ssl")
    refused(done, foreset.EXIT_FAILED, "ssl")


def test_unknown_kafka_property(broker, topic, tmp_path):
    done = Small(tmp_path, broker.address, topic).run("--kafka", "no.such.property=1")
    refused(done, foreset.EXIT_USAGE, r"no\.such\.property")


def test_recreated_topic_stops_and_nothing_is_decided(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.run().check()
    broker.delete_topic(topic)
    broker.create_topic(topic, 2)
    foreset.produce(broker.address, topic, "user-events:8000:99", "--key", "user_id")
    version = delta_log.latest_version(small.table)
    refused(small.run(), foreset.EXIT_FAILED, topic, "truncated|recreated|created again|new")
    assert delta_log.latest_version(small.table) == version


def delete_records(broker, topic, before):
    admin = AdminClient({"bootstrap.servers": broker.address})
    futures = admin.delete_records([TopicPartition(topic, p, offset) for p, offset in before.items()])
    for future in futures.values():
        future.result(30)


def ends(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker.address, "group.id": "ends"})
    try:
        return {p: consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=10)[1] for p in (0, 1)}
    finally:
        consumer.close()


@pytest.mark.parametrize("fail_on_loss", [True, False])
def test_lost_records(broker, topic, tmp_path, fail_on_loss):
    small = Small(tmp_path, broker.address, topic, "" if fail_on_loss else "failOnDataLoss => 'false', ")
    small.run().check()
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:4", "--key", "user_id")
    delete_records(broker, topic, {p: end - 10 for p, end in ends(broker, topic).items()})
    done = small.run()
    if fail_on_loss:
        refused(done, foreset.EXIT_FAILED, topic, "failOnDataLoss")
        assert small.rows() == EVENTS
    else:
        done.check()
        assert small.rows() == EVENTS + 20


def test_table_of_another_kind_is_refused_and_untouched(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    write_deltalake(str(small.table), pa.table({"x": [1, 2, 3]}))
    refused(small.run(), foreset.EXIT_FAILED, "--adopt", re.escape(str(small.table)))
    assert delta_log.latest_version(small.table) == 0


def test_table_of_another_pipeline_is_refused(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.run().check()
    version = delta_log.latest_version(small.table)
    refused(small.run("--set", "pipeline.name=other"), foreset.EXIT_FAILED, "pipeline")
    assert delta_log.latest_version(small.table) == version


def test_files_where_folders_should_be(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.warehouse.write_text("not a folder")
    refused(small.run(), foreset.EXIT_FAILED, re.escape(str(small.warehouse)))


def test_full_disk_loses_nothing_decided(broker, tmp_path):
    """A limit on file size stands for a full disk: the write fails with an error either way."""
    topic = f"bad-{next(counter)}"
    broker.create_topic(topic, 2)
    foreset.produce(broker.address, topic, "user-events:60000:5", "--key", "user_id")
    small = Small(tmp_path, broker.address, topic)
    limited = foreset.Run([*small.args, "--available-now"],
                          wrapper=["bash", "-c", 'ulimit -f 64; trap "" XFSZ; exec "$@"', "limited"]).wait(90)
    refused(limited, foreset.EXIT_FAILED, re.escape(str(small.warehouse)), "ulimit -f", "nothing decided is lost")
    small.run().check()
    assert small.rows() == 60000


def test_two_processes_on_one_pipeline(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    first = foreset.Run([*small.args, "--set", "pipeline.trigger=1 second"])
    try:
        first.wait_for(lambda: delta_log.exists(small.table) and delta_log.active_files(small.table),
                       what="first commit")
        refused(small.run(), foreset.EXIT_FENCED, "small")
        assert first.running()
        first.drain().check()
    finally:
        first.kill()
    assert small.rows() == EVENTS


def test_second_signal_ends_at_once(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    running = foreset.Run([*small.args, "--set", "pipeline.trigger=1 second"])
    running.wait_for(lambda: delta_log.exists(small.table), what="the table")
    running.signal(signal.SIGINT)
    running.signal(signal.SIGINT)
    running.wait(30)
    assert running.returncode in (foreset.EXIT_SECOND_SIGNAL, foreset.EXIT_DONE), running.stderr
    small.run().check()
    assert small.rows() == EVENTS


def newest(folder):
    return max((p for p in folder.rglob("*") if p.is_file()), key=lambda p: (p.stat().st_mtime_ns, p.name))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_damaged_manifest_is_never_loaded(broker, topic, tmp_path, damage):
    small = Small(tmp_path, broker.address, topic)
    small.run().check()
    manifest = newest(small.state() / "manifests")
    data = bytearray(manifest.read_bytes())
    data[len(data) // 2] ^= 0xFF
    manifest.write_bytes({"flip": bytes(data), "cut": bytes(data[:len(data) // 2]), "empty": b""}[damage])
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:6", "--key", "user_id")
    refused(small.run(), foreset.EXIT_FAILED, re.escape(manifest.name))
    assert small.rows() == EVENTS


def test_damaged_state_is_never_loaded(broker, topic, tmp_path):
    medallion = Medallion(tmp_path, broker.address, topic, 1000)
    medallion.run().check()
    parts = [p for p in (medallion.warehouse / "_foreset" / "user_events" / "state").rglob("*") if p.is_file()]
    assert parts
    for part in parts:
        data = bytearray(part.read_bytes())
        data[len(data) // 2] ^= 0xFF
        part.write_bytes(data)
    versions = medallion.versions()
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:6", "--key", "user_id")
    done = medallion.run()
    done.check(foreset.EXIT_FAILED)
    assert any(part.name in done.stderr for part in parts), done.stderr
    assert medallion.versions() == versions


def test_lost_kv_store_goes_on_from_the_newest_manifest(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.run().check()
    for store in small.state().glob("kv.*"):
        store.unlink()
    foreset.produce(broker.address, topic, f"user-events:{EVENTS}:6", "--key", "user_id")
    done = small.run()
    if done.returncode != foreset.EXIT_DONE:
        refused(done, foreset.EXIT_FAILED, "--adopt")
        small.run("--adopt").check()
    assert small.rows() == 2 * EVENTS


def test_more_state_than_memory(broker, tmp_path):
    topic = f"bad-{next(counter)}"
    broker.create_topic(topic, 2)
    foreset.produce(broker.address, topic, "user-events:2000000:5", "--key", "user_id")
    medallion = Medallion(tmp_path, broker.address, topic, 500000)
    done = medallion.run("--memory", "128M")
    refused(done, foreset.EXIT_FAILED, "memory", "dedup|duplicates|state|queue")
    medallion.run("--memory", "1G").check()
    assert medallion.check() == []


def test_changed_file_shows_the_difference_and_refuses_lost_state(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.run().check()
    small.file.write_text(small.file.read_text().replace("SELECT CAST", "SELECT 1 AS one, CAST"))
    done = small.run()
    if done.returncode != foreset.EXIT_DONE:
        refused(done, foreset.EXIT_FAILED, "full-refresh")
    small.run("--full-refresh").check()
    assert small.rows() == EVENTS
    assert "one" in delta_log.columns(small.table)


def test_read_only_warehouse(broker, topic, tmp_path):
    small = Small(tmp_path, broker.address, topic)
    small.warehouse.mkdir()
    small.warehouse.chmod(0o555)
    # root may write everywhere unless it gives that right up
    wrapper = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    done = foreset.Run([*small.args, "--available-now"], wrapper=wrapper).wait(60)
    refused(done, foreset.EXIT_FAILED, re.escape(str(small.warehouse)), "check who may write there")
