"""What a pipeline's text can reach: tables stay in the warehouse and out of one another, state is its user's alone, and
a secret is in nothing that is kept or shown."""

import os
import re
import stat

import pytest

import foreset

SECRET = "hunter2-and-more"
SOURCE = "SELECT * FROM STREAM read_files('in', format => 'json', schema => 'n INT')"


class Lake:
    def __init__(self, directory):
        self.directory, self.warehouse = directory, directory / "warehouse"
        self.file = directory / "p.sql"
        (directory / "in").mkdir()
        (directory / "in" / "a.json").write_text('{"n": 1}\n')

    def run(self, *sql, verb="run", flags=()):
        self.file.write_text(";\n".join(sql))
        more = ("--available-now",) if verb == "run" else ()
        return foreset.run(verb, self.file, "--warehouse", self.warehouse, *more, *flags)

    def outside(self):
        """What is in the folder of the warehouse beside it, the text and its input."""
        return sorted(p.name for p in self.directory.iterdir() if p.name not in ("warehouse", "p.sql", "in"))


@pytest.fixture
def lake(tmp_path):
    return Lake(tmp_path)


def table(name, extra=""):
    return f"CREATE OR REFRESH STREAMING TABLE {name} {extra} AS {SOURCE}"


NAMES = ["`../escaped`", "`..`.escaped", "a.`../../escaped`", "`a/b`", "`..%2Fescaped/x`", "`.`", "`.hidden`",
         "a.`_delta_log`",
         "`_foreset`.p", "`e\u0301`", "`" + "a" * 242 + "`", "`a\tb`"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_name_leads_nowhere(lake, name, verb):
    done = lake.run(table(name), verb=verb)
    done.check(foreset.EXIT_USAGE)
    assert "p.sql:1:" in done.stderr and "the table's name" in done.stderr, done.stderr
    assert lake.outside() == [] and not lake.warehouse.exists()


def test_an_encoded_name_is_a_name(lake):
    lake.run(table("`..%2Fescaped`".replace("..", "x"))).check()
    assert lake.outside() == [] and (lake.warehouse / "x%2fescaped" / "_delta_log").is_dir()


@pytest.mark.parametrize("first, second", [("a", "a.b"), ("\u00c4", "\u00e4"), ("a", "A")])
def test_two_names_are_two_places(lake, first, second):
    quoted = [name if name.isascii() else f"`{name}`" for name in (first, second)]
    lake.run(table(quoted[0]), table(quoted[1]), verb="plan").check(foreset.EXIT_USAGE)


def test_links_make_no_two_tables_one(lake):
    lake.warehouse.mkdir()
    (lake.warehouse / "real").mkdir()
    (lake.warehouse / "other").symlink_to("real")
    done = lake.run(table("real"), table("other"))
    done.check(foreset.EXIT_USAGE)
    assert "in one another" in done.stderr, done.stderr
    (lake.warehouse / "gone").symlink_to(lake.directory / "nowhere")
    done = lake.run(table("gone"))
    done.check(foreset.EXIT_USAGE)
    assert "leads nowhere" in done.stderr and lake.outside() == [], done.stderr


def test_no_table_inside_another_pipelines_table(lake):
    lake.run("SET pipeline.name = first", table("outer_one")).check()
    for place in ("outer_one/inner", "outer_one/_delta_log/inner"):
        done = lake.run("SET pipeline.name = second", table("t", f"LOCATION '{lake.warehouse}/{place}'"))
        done.check(foreset.EXIT_USAGE)
        assert "Delta table" in done.stderr, done.stderr
    assert lake.run("SET pipeline.name = third", table("beside")).check()


def test_no_table_in_the_state_and_no_state_in_a_table(lake):
    state = lake.directory / "state"
    done = lake.run(table("t", f"LOCATION '{state}/t'"), flags=("--state", state))
    done.check(foreset.EXIT_USAGE)
    assert "neither may lie inside the other" in done.stderr, done.stderr
    done = lake.run(table("t"), flags=("--state", lake.warehouse / "t" / "state"))
    done.check(foreset.EXIT_USAGE)
    assert lake.outside() == []


def test_the_state_is_its_users_alone_and_tables_are_not(lake):
    before = os.umask(0o022)
    try:
        lake.run("SET pipeline.name = p", table("t")).check()
    finally:
        os.umask(before)
    state = lake.warehouse / "_foreset" / "p"
    modes = {path: stat.S_IMODE(path.lstat().st_mode) for path in [state, *state.rglob("*")]}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {0o700}, modes
    assert {mode for path, mode in modes.items() if path.is_file()} == {0o600}, modes
    assert len(modes) > 4
    entry = next((lake.warehouse / "t").glob("*.parquet"))
    assert stat.S_IMODE(entry.stat().st_mode) == 0o644


def files_with(directory, text):
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


@pytest.mark.parametrize("how", ["literal", "env", "file"])
def test_a_secret_is_in_nothing_that_stays(broker, tmp_path, how):
    """The broker takes it, so it was used; and neither state, tables, log nor any output holds it."""
    topic = f"secret-{how}"
    broker.create_topic(topic, 1)
    foreset.produce(broker.address, topic, "user-events:50:3")
    place, warehouse = tmp_path / "secrets" / "password", tmp_path / "warehouse"
    place.parent.mkdir()
    place.write_text("right\n")
    given = {"literal": "'right'", "env": "secret('env:KAFKA_SECRET')", "file": f"secret('file:{place}')"}[how]
    sql = tmp_path / "p.sql"
    sql.write_text(f"""CREATE OR REFRESH STREAMING TABLE t AS SELECT CAST(value AS STRING) AS v FROM STREAM read_kafka(
bootstrapServers => '{broker.sasl_address}', subscribe => '{topic}', startingOffsets => 'earliest',
kafka.debug => 'all',
`kafka.security.protocol` => 'SASL_PLAINTEXT', `kafka.sasl.mechanism` => 'PLAIN', `kafka.sasl.username` => 'tester',
`kafka.sasl.password` => {given});""")
    env = {"KAFKA_SECRET": "right", "FORESET_LOG": "debug"}
    planned = foreset.run("plan", sql, "--warehouse", warehouse, env=env).check()
    done = foreset.run("run", sql, "--warehouse", warehouse, "--available-now", "--progress", "json", env=env).check()
    said = planned.stdout + planned.stderr + done.stdout + done.stderr
    assert ("secret('env:NAME')" in done.stderr) == (how == "literal")
    assert not re.search(r"\bright\b", said.replace("the address is right", "")), said[:4000]
    assert "kafka.sasl.password=***" in planned.stdout
    assert "rdkafka" in done.stderr
    kept = [path for path in warehouse.rglob("*") if path.is_file() and re.search(rb"\bright\b", path.read_bytes())]
    assert kept == []
    assert files_with(warehouse / "_foreset", "kafka.sasl.password"), "the plan is kept, with the name of the property"
    # changed, the password is no other pipeline
    if how == "literal":
        sql.write_text(sql.read_text().replace("'right'", "secret('env:KAFKA_SECRET')"))
        foreset.run("run", sql, "--warehouse", warehouse, "--available-now", env=env).check()


@pytest.mark.parametrize("name, value, word", [
    ("sasl.kerberos.kinit.cmd", "touch {marker}", "runs a command"),
    ("plugin.library.paths", "{marker}", "loads a library"),
    ("ssl.engine.location", "{marker}", "loads a library"), ("group.id", "x", "groupIdPrefix"),
    ("sasl.jaas.config", f"x password=\"{SECRET}\";", "kafka.sasl.password"),
    ("ssl.truststore.location", "/a.jks", "kafka.ssl.ca.location"),
    ("security.protocol", "SASL_SSL", "kafka.sasl.mechanism"),
    ("securty.protocol", "SSL", "did you mean kafka.security.protocol")])
def test_properties_are_refused_everywhere(tmp_path, name, value, word):
    """By plan and run in the text, by --kafka of both, and by produce and consume; nothing runs."""
    marker = tmp_path / "marker"
    value = value.format(marker=marker)
    source = "bootstrapServers => '127.0.0.1:1', subscribe => 'x'"
    sql = tmp_path / "p.sql"
    quoted = value.replace("'", "\\'")
    commands = []
    for verb in ("plan", "run"):
        flags = ("--warehouse", tmp_path / "w")
        commands.append((verb, f", `kafka.{name}` => '{quoted}'", flags))
        commands.append((verb, "", (*flags, "--kafka", f"{name}={value}")))
    for verb, extra, flags in commands:
        sql.write_text(f"CREATE STREAMING TABLE t AS SELECT value FROM STREAM read_kafka({source}{extra})")
        done = foreset.run(verb, sql, *flags)
        done.check(foreset.EXIT_USAGE)
        assert word in done.stderr and SECRET not in done.stderr, done.stderr
    brokers = ("--brokers", "127.0.0.1:1", "--topic", "x", "--kafka", f"{name}={value}")
    for args in (("produce", *brokers, "--generate", "user-events:1"), ("consume", *brokers, "--group", "g")):
        done = foreset.run(*args)
        done.check(foreset.EXIT_USAGE)
        assert word in done.stderr and SECRET not in done.stderr, done.stderr
    assert not marker.exists()
