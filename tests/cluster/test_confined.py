"""What the text of a pipeline can reach on a server: the warehouse, the directories and variables that the operator
allows, and never the state. Secrets are in nothing that is kept or shown."""

import json
import re
import subprocess

import foreset
import pytest
from cluster import wait_until
from local_cluster import Local, sql

PASSWORD = re.compile(r"\bright\b")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder of the server: what it allows, and what it does not."""
    directory = tmp_path_factory.mktemp("confined")
    for folder in ("allowed", "denied", "cluster"):
        (directory / folder).mkdir()
    for folder in ("allowed", "denied"):
        (directory / folder / "password").write_text("right\n")
        (directory / folder / "rows").mkdir()
        (directory / folder / "rows" / "a.json").write_text('{"n": 1}\n')
    (directory / "allowed" / "link").symlink_to(directory / "denied")
    (directory / "allowed" / "key").symlink_to(directory / "denied" / "password")
    return directory


@pytest.fixture(scope="module")
def local(place):
    allow = ["--allow-path", place / "allowed", "--allow-env", "NOTHING", "--allow-env", "KAFKA_*"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_SECRET", "right")
        patch.setenv("OTHER_SECRET", "right")
        with Local(place / "cluster", allow=allow) as made:
            made.start().worker("w1")
            yield made


def files(path):
    return f"CREATE STREAMING TABLE t AS SELECT * FROM STREAM read_files('{path}', format => 'json', schema => 'n INT')"


def located(path):
    return ("CREATE STREAMING TABLE t LOCATION '{}' AS SELECT value FROM STREAM read_kafka(bootstrapServers => "
            "'127.0.0.1:1', subscribe => 'x')").format(path)


def kafka(options):
    return ("CREATE STREAMING TABLE t AS SELECT value FROM STREAM read_kafka(bootstrapServers => '127.0.0.1:1', "
            f"subscribe => 'x', kafka.security.protocol => 'SASL_SSL', kafka.sasl.mechanism => 'PLAIN', "
            f"kafka.sasl.username => 'u', {options})")


PASS = "kafka.sasl.password => secret('env:KAFKA_SECRET')"
REFUSED = [
    (files("{place}/denied/rows"), "not below a directory that this server allows"),
    (files("{place}/allowed/../denied/rows"), "which leads to"),
    (files("{place}/allowed/link/rows"), "which leads to"),
    (files("file://{place}/denied/rows"), "--allow-path"),
    (files("/proc/self"), "--allow-path"),
    (files("../../../../../../etc"), "--allow-path"),
    (files("{place}/cluster/state"), "--allow-path"),
    (located("{place}/denied/t"), "table t"),
    (located("{place}/allowed/link/t"), "which leads to"),
    (located("{place}//cluster/warehouse/../../denied/t"), "which leads to"),
    (located("file://{place}/cluster/%2e%2e/denied/t"), "which leads to"),
    (located("{place}/cluster/state/t"), "--allow-path"),
    (kafka("kafka.sasl.password => secret('env:OTHER_SECRET')"), "--allow-env"),
    (kafka("kafka.sasl.password => secret('env:FORESET_ETCD_PASSWORD')"), "--allow-env"),
    (kafka("kafka.sasl.password => secret('file:{place}/denied/password')"), "--allow-path"),
    (kafka("kafka.sasl.password => secret('file:{place}/allowed/key')"), "which leads to"),
    (kafka("kafka.sasl.password => secret('file:/proc/self/environ')"), "--allow-path"),
    (kafka(PASS + ", kafka.ssl.ca.location => '/etc/ssl/certs'"), "kafka.ssl.ca.location: /etc/ssl/certs"),
    (kafka(PASS + ", kafka.ssl.keystore.location => '{place}/allowed/link/a.p12'"), "which leads to"),
    (kafka(PASS + ", kafka.sasl.kerberos.kinit.cmd => 'id'"), "runs a command"),
    (kafka("kafka.sasl.password => 'right'"), "secret('env:NAME')"),
    (kafka(PASS + ", kafka.ssl.key.pem => '-----BEGIN PRIVATE KEY----- right'"), "secret('env:NAME')"),
]


@pytest.mark.parametrize("text, words", REFUSED)
def test_what_is_not_allowed_is_refused(local, place, tmp_path, text, words):
    path = tmp_path / "p.sql"
    path.write_text(text.replace("{place}", str(place)))
    for verb in ("plan", "apply"):
        done = local.run("pipelines", verb, path)
        assert done.returncode == foreset.EXIT_USAGE and words in done.stderr, done
        assert not PASSWORD.search(done.stderr + done.stdout), done
    assert sorted(p.name for p in (place / "denied").iterdir()) == ["password", "rows"]
    assert local.said("pipelines", "list")["pipelines"] == []


def test_a_warehouse_of_the_text_is_below_what_is_allowed(local, place, tmp_path):
    path = tmp_path / "p.sql"
    path.write_text(files(place / "allowed" / "rows"))
    done = local.run("pipelines", "plan", path, "--set", f"pipeline.warehouse={place}/denied")
    assert done.returncode == foreset.EXIT_USAGE and "pipeline.warehouse" in done.stderr, done
    done = local.run("pipelines", "plan", path, "--set", f"pipeline.warehouse={place}/allowed/lake")
    assert done.returncode == 0, done
    done = local.run("pipelines", "plan", path, "--kafka", "sasl.password=right")
    assert done.returncode == 0, done  # no source of Kafka takes it
    path.write_text(kafka("kafka.client.id => 'x'").replace("PLAIN", "GSSAPI"))
    done = local.run("pipelines", "apply", path, "--kafka", "sasl.password=right")
    assert done.returncode == foreset.EXIT_USAGE and "plain words" in done.stderr, done


def etcd_dump(local):
    return subprocess.run(["etcdctl", "--endpoints", local.etcd_urls, "get", "", "--prefix"], capture_output=True,
                          check=True).stdout


def test_what_is_allowed_runs_and_keeps_no_secret(local, place, broker, tmp_path):
    """Two sources of a broker that wants the password, by a variable and by a file; then all is searched."""
    for topic in ("confined-a", "confined-b"):
        broker.create_topic(topic, 1)
        foreset.produce(broker.address, topic, "user-events:40:3")
    path = tmp_path / "p.sql"
    read = ("CREATE STREAMING TABLE {} {} AS SELECT CAST(value AS STRING) AS v FROM STREAM read_kafka("
            f"bootstrapServers => '{broker.sasl_address}', subscribe => '{{}}', startingOffsets => 'earliest', "
            "kafka.debug => 'all', "
            "kafka.security.protocol => 'SASL_PLAINTEXT', kafka.sasl.mechanism => 'PLAIN', kafka.sasl.username => "
            "'tester', kafka.sasl.password => {});\n")
    path.write_text("SET pipeline.name = both; SET pipeline.trigger = 100 milliseconds;\n" +
                    read.format("by_variable", "", "confined-a", "secret('env:KAFKA_SECRET')") +
                    read.format("by_file", f"LOCATION '{place}/allowed/elsewhere'", "confined-b",
                                f"secret('file:{place}/allowed/password')"))
    applied = local.run("pipelines", "apply", path)
    assert applied.returncode == 0, applied
    wait_until(lambda: local.rows_out("both") == {"by_variable": 40, "by_file": 40}, 60,
               f"rows\n{local.coordinator.text()[-3000:]}\n{local.workers[0].text()[-3000:]}")
    assert (place / "allowed" / "elsewhere" / "_delta_log").is_dir()
    said = [local.run("pipelines", "describe", "both", "--output", "json").stdout,
            local.run("pipelines", "plan", path).stdout,
            local.get("/api/v1/pipelines/both")[1], local.get("/metrics")[1], applied.stdout, local.coordinator.text(),
            local.workers[0].text()]
    assert local.run("pipelines", "stop", "both", "--drain").returncode == 0
    wait_until(lambda: local.described("both")["state"] == "stopped", 60, local.coordinator.text()[-3000:])
    stored = etcd_dump(local)
    assert b"KAFKA_SECRET" in stored  # the name is
    for text in [*said, stored.decode(errors="replace")]:
        found = PASSWORD.search(text.replace("the address is right", "").replace("token=right", ""))
        assert not found, text[max(0, found.start() - 300):found.end() + 300]
    folders = [local.warehouse, local.state, place / "allowed" / "elsewhere"]
    kept = [p for folder in folders for p in folder.rglob("*") if p.is_file() and b"right\n" in p.read_bytes()]
    assert kept == []
    assert local.run("pipelines", "delete", "both").returncode == 0


def test_a_worker_has_its_own_list(tmp_path_factory):
    """The leader allows a folder that the worker does not: the worker reads nothing of it, and names the flag."""
    directory = tmp_path_factory.mktemp("strict")
    (directory / "cluster").mkdir()
    with Local(directory / "cluster") as local:
        local.start()
        local.allow = []
        local.worker("w1")
        path = sql(directory / "text")
        assert local.run("pipelines", "apply", path).returncode == 0
        wait_until(lambda: "--allow-path" in json.dumps(local.described()), 60,
                   f"the reason\n{local.coordinator.text()[-3000:]}")
        assert sum(local.rows_out().values()) == 0
