"""What a person sees of a cluster: commands, refusals, HTTP, TLS. One machine, loopback, no broker."""

import json
import os
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor

import foreset
import pytest
import readers
from cluster import wait_until
from local_cluster import Certificates, Local, sql


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    with Local(tmp_path_factory.mktemp("local")) as made:
        yield made.start()


def test_a_pipeline_from_plan_to_delete(local, tmp_path):
    path = sql(tmp_path)
    local.worker("w1")
    planned = local.run("pipelines", "plan", path)
    assert planned.returncode == 0 and "new pipeline" in planned.stdout, planned
    applied = local.run("pipelines", "apply", path, "--set", "pipeline.trigger=100 milliseconds")
    assert applied.returncode == 0 and "version 1" in applied.stdout, applied

    def described():
        done = local.run("pipelines", "describe", "numbers", "--output", "json")
        return json.loads(done.stdout)["pipelines"][0]
    wait_until(lambda: [t["rowsOut"] for t in (described()["status"] or {}).get("tables", [])] == [2], 30,
               "both rows are written")
    assert described()["state"] == "running"
    for words in (("pipelines", "list"), ("pipelines", "describe", "numbers"), ("epochs",), ("lag", "numbers"),
                  ("shards",), ("workers", "list"), ("workers", "describe", "w1"), ("cluster", "status")):
        done = local.run(*words)
        assert done.returncode == 0 and done.stdout, (words, done)
    again = local.run("pipelines", "plan", path, "--set", "pipeline.trigger=100 milliseconds")
    assert "no difference" in again.stdout
    assert local.run("pipelines", "delete", "numbers").returncode == 2  # it runs
    assert local.run("pipelines", "stop", "numbers", "--drain").returncode == 0
    wait_until(lambda: described()["state"] == "stopped", 30, local.coordinator.text())
    assert local.run("pipelines", "delete", "numbers").returncode == 0
    assert local.run("pipelines", "describe", "numbers").returncode == 2


GROWN = """SET pipeline.name = grown;
SET pipeline.trigger = 100 milliseconds;
CREATE STREAMING TABLE lines AS SELECT * FROM STREAM read_files('{folder}', format => 'json', schema => 'n INT',
                                                                maxFilesPerTrigger => 1);
"""
FILES = 400


def test_a_table_that_is_filled_is_said(tmp_path):
    """While a new table is filled all streams stand still: who asks for their lag hears why."""
    path, folder = tmp_path / "grown.sql", tmp_path / "rows"
    folder.mkdir()
    for i in range(FILES):
        (folder / f"{i}.json").write_text(f'{{"n": {i}}}\n')
    path.write_text(GROWN.format(folder=folder))
    (tmp_path / "cluster").mkdir()
    with Local(tmp_path / "cluster") as made:
        worker = made.start().worker("w1")

        def fills_while_it_stands():  # the worker goes on for a moment between two questions
            worker.signal(signal.SIGSTOP)
            found = (made.described("grown")["status"] or {}).get("fills", [])
            if not found:
                worker.signal(signal.SIGCONT)
            return found
        assert made.run("pipelines", "apply", path, "--available-now").returncode == 0
        wait_until(lambda: made.described("grown")["state"] == "stopped", 60, made.coordinator.text())
        copy = "CREATE STREAMING TABLE copy AS SELECT n FROM STREAM lines;"
        path.write_text(GROWN.format(folder=folder) + copy)
        more = tmp_path / "more.sql"
        more.write_text(path.read_text() + copy.replace("copy", "more"))
        worker.signal(signal.SIGSTOP)
        assert made.run("pipelines", "apply", path, "--available-now").returncode == 0
        fill, = wait_until(fills_while_it_stands, 60, made.coordinator.text())
        with ThreadPoolExecutor() as pool:
            lag = pool.submit(made.run, "lag", "grown")
            plan = pool.submit(made.run, "pipelines", "plan", more)
        worker.signal(signal.SIGCONT)
        assert (fill["table"], fill["from"], fill["files"], fill["planned"] < FILES) == ("copy", "lines", FILES, True)
        assert "table copy is being filled from lines" in lag.result().stdout
        refused = "table copy is being filled: wait until that is done\napply needs --full-refresh"
        assert refused in plan.result().stdout
        wait_until(lambda: made.described("grown")["state"] == "stopped", 60, made.coordinator.text())
        assert readers.read_deltalake(made.warehouse / "copy").num_rows == FILES


def test_a_change_that_failed_can_be_taken_back(tmp_path):
    """The new table cannot be filled, as a file is gone: nothing was decided with it, so the old text goes on."""
    path, folder = tmp_path / "grown.sql", tmp_path / "rows"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()

    def add(name):
        (folder / f"{name}.json").write_text('{"n": 1}\n')
    add("a")
    old = GROWN.format(folder=folder)
    new = old + "CREATE STREAMING TABLE copy AS SELECT n FROM STREAM lines;"
    with Local(tmp_path / "cluster") as made:
        def apply(text):
            path.write_text(text)
            assert made.run("pipelines", "apply", path).returncode == 0
        made.start().worker("w1")
        apply(old)
        lines = made.warehouse / "lines"
        wait_until(lambda: made.rows_out("grown") == {"lines": 1}, 30, made.coordinator.text())
        file, = lines.glob("part-*.parquet")
        kept = file.read_bytes()
        file.unlink()
        apply(new)
        wait_until(lambda: made.described("grown")["state"] == "failed", 30, made.coordinator.text())
        assert file.name in made.described("grown")["error"]
        apply(old)
        add("b")
        wait_until(lambda: made.rows_out("grown") == {"lines": 1}, 30, made.coordinator.text())
        file.write_bytes(kept)
        apply(new)
        wait_until(lambda: made.rows_out("grown").get("copy") == 2, 30, made.coordinator.text())
        assert readers.read_deltalake(lines).num_rows == readers.read_deltalake(made.warehouse / "copy").num_rows == 2


def test_http_answers_what_the_command_line_answers(local):
    status, body = local.get("/api/v1/cluster")
    assert status == 200 and json.loads(body)["leader"]["name"] == "c1"
    assert local.get("/healthz")[0] == 200 and local.get("/readyz")[0] == 200
    status, metrics = local.get("/metrics")
    assert status == 200 and "\nforeset_leader 1\n" in metrics and "\nforeset_kv_up 1\n" in metrics
    for line in metrics.splitlines():
        assert line.startswith("#") or len(line.rsplit(" ", 1)) == 2 and float(line.rsplit(" ", 1)[1]) is not None, line
    assert local.get("/api/v1/pipelines/nobody")[0] == 404
    assert local.get("/nothing")[0] == 404
    assert local.get("/api/v1/cluster", method="POST")[0] == 405


REFUSED = [
    (("pipelines", "start", "nobody"), 2, "there is no pipeline nobody"),
    (("workers", "drain", "nobody"), 2, "there is no worker nobody"),
    (("pipelines", "apply", "/nonexistent.sql"), 2, "No such file"),
    (("pipelines", "aply", "x"), 2, "did you mean 'apply'"),
    (("pipelines", "list", "--output", "xml"), 2, "expected table or json"),
]


@pytest.mark.parametrize("words, code, message", REFUSED)
def test_refused(local, words, code, message):
    done = local.run(*words)
    assert done.returncode == code and message in done.stderr, done


def test_wrong_sql_is_shown_with_its_place(local, tmp_path):
    path = tmp_path / "wrong.sql"
    path.write_text("CREATE STREAMING TABLE t AS SELEC 1;\n")
    done = local.run("pipelines", "apply", path)
    assert done.returncode == 2 and "wrong.sql:1:" in done.stderr, done


@pytest.mark.parametrize("url, code, message", [
    ("tcp://127.0.0.1:1", 1, "127.0.0.1:1"),
    ("http://127.0.0.1:7400", 2, "tcp://"),
    ("nonsense", 2, "nonsense"),
])
def test_a_coordinator_that_is_none(local, url, code, message):
    done = local.run("cluster", "status", url=url)
    assert done.returncode == code and message in done.stderr, done


def test_the_second_worker_of_a_name_is_refused(local):
    local.worker("twin")
    wait_until(lambda: "twin" in local.run("workers", "list").stdout, 30, "the first")
    second = local.worker("twin")
    assert second.process.wait(60) == 3
    assert "another worker named twin" in second.text()


@pytest.mark.parametrize("flags, message", [
    (("--lanes", "4", "--memory", "100M"), "too little"),
    (("--lanes", "0"), "expected a number from 1"),
    (("--memory", "much"), "expected bytes"),
])
def test_a_worker_that_cannot_work(local, flags, message):
    worker = local.worker("small", *flags)
    assert worker.process.wait(30) == 2 and message in worker.text()


def test_other_machines_are_not_listened_to_without_tls():
    for role in (("worker", "--coordinator", "tcp://127.0.0.1:1"), ("coordinator", "--etcd", "http://127.0.0.1:1")):
        done = subprocess.run([str(foreset.binary()), *role, "--name", "x", "--listen", "tcp://0.0.0.0:0"],
                              capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and "--insecure" in done.stderr, done


def test_etcd_away_is_told(tmp_path):
    with Local(tmp_path) as local:
        local.start()
        local.etcd.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: local.get("/readyz")[0] == 503, 60, "not ready without etcd")
        finally:
            local.etcd.signal(signal.SIGCONT)
        wait_until(lambda: local.get("/readyz")[0] == 200, 60, "ready again by itself")


def test_tls_between_all_roles(tmp_path):
    ours, others = Certificates(tmp_path / "ours"), Certificates(tmp_path / "others")
    with Local(tmp_path, tls=ours) as local:
        local.start()
        local.worker("w1")
        wait_until(lambda: "active" in local.run("workers", "list").stdout, 30, local.coordinator.text())
        plain = subprocess.run([str(foreset.binary()), "cluster", "status", "--coordinator",
                                f"tcp://127.0.0.1:{local.port}"], capture_output=True, text=True, timeout=60,
                               env={**os.environ, **local.environment()})
        assert plain.returncode == 1 and plain.stderr, plain
        stranger = subprocess.run([str(foreset.binary()), "cluster", "status", "--coordinator", local.url,
                                   *map(str, others.flags("cli"))], capture_output=True, text=True, timeout=60)
        assert stranger.returncode == 1 and "certificate" in stranger.stderr, stranger


def test_no_secret_is_told(tmp_path):
    """etcd's password is in no log, no process title, no answer."""
    with Local(tmp_path) as local:
        local.etcd.start()
        endpoint = local.etcd_urls

        def etcdctl(*words):
            return subprocess.run(["etcdctl", "--endpoints", endpoint, *words], capture_output=True, text=True,
                                  env={**os.environ, "ETCDCTL_API": "3"}).returncode == 0
        wait_until(lambda: etcdctl("endpoint", "health"), 30, "etcd is there")
        for words in (("user", "add", "root:s3cret-word"), ("user", "grant-role", "root", "root"), ("auth", "enable")):
            assert etcdctl(*words), words
        local.coordinator.env |= {"FORESET_ETCD_PASSWORD": "s3cret-word", "FORESET_ETCD_USER": "root"}
        local.coordinator.start()
        wait_until(lambda: local.run("cluster", "status").returncode == 0, 30, "a leader")
        title = (foreset.pathlib.Path("/proc") / str(local.coordinator.process.pid) / "cmdline").read_bytes()
        assert b"s3cret-word" not in title
        assert "s3cret-word" not in local.coordinator.text() + local.run("cluster", "status").stdout
        assert local.coordinator.stop() == 0
