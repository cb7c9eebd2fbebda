"""What bad input gets: one clear message, on the command line and in the log, that names the place and the cure; and
no harm to what runs. One machine, loopback, no broker. Needs root for mounts of a worker's own.
"""

import subprocess

import delta_log
import foreset
import pytest
from cluster import wait_until
from local_cluster import Certificates, Local, sql


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """One cluster with one worker that runs one pipeline; no test may harm it."""
    directory = tmp_path_factory.mktemp("local")
    with Local(directory) as made:
        made.start()
        made.worker("w1")
        running(made, directory)
        yield made
        add(directory, "last", 4)
        wait_until(lambda: rows(made) == 6, 30, f"it still runs\n{made.coordinator.text()}")


def running(local, directory):
    applied = local.run("pipelines", "apply", sql(directory), "--set", "pipeline.trigger=100 milliseconds")
    assert applied.returncode == 0, applied
    wait_until(lambda: local.rows_out() == {"lines": 2}, 30, f"both rows are written\n{local.coordinator.text()}")


def add(directory, name, count):
    """A file of rows for the pipeline; whole when it appears."""
    (directory / name).write_text("".join('{"n": 1}\n' for _ in range(count)))
    (directory / name).rename(directory / "rows" / f"{name}.json")


def rows(local):
    """In the table, whoever wrote them."""
    import deltalake
    return deltalake.DeltaTable(local.warehouse / "lines").to_pyarrow_table().num_rows


def other_version(directory):
    """The program, calling itself another version."""
    ours = subprocess.run([foreset.binary(), "--version"], capture_output=True, text=True).stdout.split()[1]
    theirs = ours[:-1] + ("8" if ours[-1] != "8" else "7")
    path = directory / "foreset-other"
    path.write_bytes(foreset.binary().read_bytes().replace(ours.encode() + b"\0", theirs.encode() + b"\0"))
    path.chmod(0o755)
    said = subprocess.run([path, "--version"], capture_output=True, text=True).stdout
    assert said.split()[1] == theirs, said
    return path, ours, theirs


def test_roles_of_different_versions(local, tmp_path):
    binary, ours, theirs = other_version(tmp_path)
    worker = local.worker("older", binary=binary)
    assert worker.process.wait(30) == 2
    words = f"worker older is of version {theirs}, the coordinator of {ours}: run the same version everywhere"
    assert words in worker.text() and words in local.coordinator.text()
    assert words in local.run("cluster", "status").stdout
    assert {"worker": "older", "why": words} in local.said("cluster", "status")["refused"]
    done = local.run("pipelines", "list", binary=binary)
    assert done.returncode == 2 and theirs in done.stderr and ours in done.stderr, done
    standby = local.second_coordinator("c2", binary=binary)
    wait_until(lambda: "version_differs" in standby.text(), 30, "the standby says that it is of another version")
    assert standby.stop() == 0


def test_two_workers_of_one_name(local):
    second = local.worker("w1")
    wait_until(lambda: local.said("cluster", "status")["refused"], 30, "the command line says so")
    assert "another worker named w1 runs at tcp://127.0.0.1:" in local.run("cluster", "status").stdout
    assert second.process.wait(60) == 3
    for log in (second.text(), local.coordinator.text()):
        assert "another worker named w1" in log and "give this one another --name, or stop that one" in log
    assert local.takes_part() == {"w1"} and local.described()["status"]["restarts"] == 0


def test_another_number_of_shards(local):
    path = local.directory / "numbers.sql"
    flags = ["--set", "pipeline.trigger=100 milliseconds", "--set", "pipeline.shards=16"]
    planned = local.run("pipelines", "plan", path, *flags)
    assert planned.returncode == 0 and "apply needs --full-refresh" in planned.stdout
    for said in (planned.stdout, (refused := local.run("pipelines", "apply", path, *flags)).stderr):
        assert "pipeline.shards changes from 256 to 16" in said and "--full-refresh" in said
    assert refused.returncode == 2 and "numbers" in refused.stderr
    assert local.described()["version"] == 1 and local.described()["state"] == "running"


def test_shards_change_with_a_full_refresh(tmp_path):
    with Local(tmp_path) as local:
        local.start()
        local.worker("w1")
        running(local, tmp_path)
        done = local.run("pipelines", "apply", tmp_path / "numbers.sql", "--set", "pipeline.trigger=100 milliseconds",
                         "--set", "pipeline.shards=16", "--full-refresh")
        assert done.returncode == 0, done
        wait_until(lambda: local.described()["version"] == 2 and local.rows_out() == {"lines": 2}, 30,
                   f"read once more\n{local.coordinator.text()}")
        assert rows(local) == 2 and local.said("shards")["pipelines"][0]["status"]["shards"][-1]["last"] == 15


UNKNOWN = [("pipelines describe", ()), ("pipelines start", ()), ("pipelines stop", ()), ("pipelines delete", ()),
           ("pipelines retry", ()), ("pipelines retry", ("--overwrite", "--table", "t")),
           ("pipelines adopt", ()), ("pipelines abandon-table", ("--table", "t")),
           ("epochs", ()), ("lag", ()), ("shards", ())]


@pytest.mark.parametrize("verb, flags", UNKNOWN, ids=[verb for verb, _ in UNKNOWN])
def test_an_unknown_pipeline(local, verb, flags):
    done = local.run(*verb.split(), "nobody", *flags)
    assert done.returncode == 2 and done.stdout == "", done
    assert "there is no pipeline nobody; `foreset pipelines list` shows those that are applied" in done.stderr


@pytest.mark.parametrize("path", ["pipelines/nobody", "workers/nobody"])
def test_an_unknown_name_over_http(local, path):
    status, body = local.get(f"/api/v1/{path}")
    assert status == 404 and "nobody" in body


def test_a_worker_that_does_not_find_the_coordinator(local):
    worker = local.worker("lost", coordinator="tcp://127.0.0.1:1")
    wait_until(lambda: "coordinator_unreachable" in worker.text(), 30, "it says so")
    assert "worker=lost coordinator=tcp://127.0.0.1:1" in worker.text() and "nobody listens at" in worker.text()
    assert worker.stop() == 0 and "lost" not in local.active()


def role(name, flags, wrong):
    """The process with one flag's value replaced, until it ends by itself."""
    command = [str(foreset.binary()), name, *map(str, flags)]
    command[command.index(wrong[0]) + 1] = wrong[1]
    return subprocess.run(command, capture_output=True, text=True, timeout=30)


@pytest.mark.parametrize("flags, message", [
    (("--coordinator", "http://127.0.0.1:7400"), "tcp://"),
    (("--listen", "http://127.0.0.1:7400"), "tcp://"),
    (("--listen", "tcp://127.0.0.1:99999"), "99999"),
])
def test_a_worker_with_a_wrong_url(flags, message):
    right = ["--name", "wrong", "--listen", "tcp://127.0.0.1:0", "--coordinator", "tcp://127.0.0.1:1", "--lanes", "1"]
    done = role("worker", right, flags)
    assert done.returncode == 2 and flags[1] in done.stderr and message in done.stderr, done


@pytest.mark.parametrize("flags, message", [
    (("--etcd", "127.0.0.1:2379"), "http://host:2379"),
    (("--warehouse", "s3://bucket/lake"), "s3://bucket/lake: storage of kind 's3' is not supported yet"),
    (("--state", "/proc/nowhere"), "/proc/nowhere"),
    (("--listen", "nonsense"), "nonsense"),
    (("--http", "nonsense"), "nonsense"),
])
def test_a_coordinator_with_a_wrong_url(tmp_path, flags, message):
    right = ["--name", "wrong", "--listen", "tcp://127.0.0.1:0", "--etcd", "http://127.0.0.1:1", "--warehouse",
             tmp_path / "warehouse", "--state", tmp_path / "state", "--http", "127.0.0.1:0"]
    done = role("coordinator", right, flags)
    assert done.returncode == 2 and message in done.stderr, done


def test_a_coordinator_that_does_not_find_etcd(tmp_path):
    with Local(tmp_path) as local:
        local.coordinator.start()  # etcd is not
        wait_until(lambda: "kv_trouble" in local.coordinator.text(), 30, "the log says so")
        status, body = local.get("/readyz")
        done = local.run("cluster", "status")
        assert done.returncode == 1 and status == 503
        for said in (done.stderr, local.coordinator.text()):
            assert local.etcd_urls in said and "onnect" in said, said
        for member in local.members:
            member.start()
        wait_until(lambda: local.run("cluster", "status").returncode == 0, 30, "it goes on by itself")


def test_etcd_without_quorum(tmp_path):
    with Local(tmp_path, members=3) as local:
        local.start()
        local.worker("w1")
        running(local, tmp_path)
        for member in local.members[:2]:
            member.kill()
        wait_until(lambda: local.get("/readyz")[0] == 503, 60, "/readyz says so")
        add(tmp_path, "meanwhile", 3)
        done = local.run("cluster", "status")
        said = done.stderr if done.returncode else done.stdout
        assert "etcd" in said and "quorum" in said, done
        assert "etcd" in local.get("/readyz")[1]
        wait_until(lambda: local.run("pipelines", "list").returncode == 1, 30, "nobody leads without the lease")
        done = local.run("pipelines", "list")
        assert done.returncode == 1 and "quorum" in done.stderr, done
        assert "kv_trouble" in local.coordinator.text()
        assert rows(local) == 2  # nothing is decided
        for member in local.members[:2]:
            member.start()
        wait_until(lambda: local.get("/readyz")[0] == 200, 60, "ready again")
        wait_until(lambda: rows(local) == 5, 60, f"output goes on\n{local.coordinator.text()}")
        assert "kv_back" in local.coordinator.text()


def mounts(script):
    """A worker's own view of the file system."""
    return ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{script}; exec "$@"', "sh"]


UNREACHED = {
    "not mounted": "mount -t tmpfs none {warehouse}",
    "read-only": "mount --bind {warehouse} {warehouse}; mount -o remount,bind,ro {warehouse}",
    "state not mounted": "mount -t tmpfs none {state}",
}


@pytest.mark.parametrize("what", UNREACHED)
def test_a_warehouse_that_one_worker_does_not_reach(tmp_path, what):
    with Local(tmp_path) as local:
        local.start()
        local.worker("w1")
        running(local, tmp_path)
        before = delta_log.visible_and_present(local.warehouse / "lines")
        second = local.worker("w2", wrapper=mounts(UNREACHED[what].format(warehouse=local.warehouse,
                                                                         state=local.state)))

        def unfit():
            return [w["unfit"] for w in local.described()["status"]["workers"] if w["name"] == "w2" and "unfit" in w]
        wait_until(unfit, 30, f"the command line says so\n{second.text()}\n{local.coordinator.text()}")
        place = local.state if "state" in what else local.warehouse
        said = local.run("pipelines", "describe", "numbers").stdout
        for words in (said, second.text(), local.coordinator.text()):
            for part in ("w2", "numbers", str(place), "mount what the coordinators use"):
                assert part in words, (part, words)
        add(tmp_path, "more", 3)
        wait_until(lambda: rows(local) == 5, 30, f"the others go on\n{local.coordinator.text()}")
        wait_until(lambda: local.takes_part() == {"w1"}, 10, "w1 alone takes part")
        assert local.described()["status"]["restarts"] == 1
        named, present = delta_log.visible_and_present(local.warehouse / "lines")
        assert named <= present and before[0] <= named
        second.stop()
        local.worker("w2")
        wait_until(lambda: local.takes_part() == {"w1", "w2"}, 40, "mended and restarted it takes part")


def test_no_worker_reaches_the_warehouse(tmp_path):
    with Local(tmp_path) as local:
        local.start()
        first = local.worker("w1", wrapper=mounts(f"mount -t tmpfs none {local.warehouse}"))
        assert local.run("pipelines", "apply", sql(tmp_path), "--set",
                         "pipeline.trigger=100 milliseconds").returncode == 0
        wait_until(lambda: "mount what the coordinators use" in local.run("pipelines", "describe", "numbers").stdout,
                   30, f"the command line says so\n{first.text()}")
        local.worker("w2")
        wait_until(lambda: rows(local) == 2, 30, f"one that does is enough\n{local.coordinator.text()}")
        wait_until(lambda: local.takes_part() == {"w2"}, 10, "w2 alone takes part")


def test_wrong_certificates(tmp_path):
    ours, others = Certificates(tmp_path / "ours"), Certificates(tmp_path / "others")
    with Local(tmp_path, tls=ours) as local:
        local.start()
        ours.flags("misnamed", names="DNS:another.host")
        stranger, misnamed = local.worker("stranger", tls=others), local.worker("misnamed")
        unsure = local.worker("unsure", "--memory", "256M", "--tls-server-name", "another.host")
        local.worker("w1")
        wait_until(lambda: "w1" in local.active(), 30, local.coordinator.text())
        for worker, message in ((stranger, "certificate"), (unsure, "not to another.host")):
            wait_until(lambda: "coordinator_unreachable" in worker.text(), 30, worker.text())
            assert message in worker.text() and local.url in worker.text()
        # Its certificate names another host than it listens at: the coordinator reaches it only under that name.
        wait_until(lambda: "no_leader" in misnamed.text(), 30, misnamed.text())
        assert "--advertise" in misnamed.text()
        plain = local.run("cluster", "status", url=local.url.replace("tls+tcp", "tcp"))
        assert plain.returncode == 1 and "one that wants tls+tcp://" in plain.stderr, plain


@pytest.mark.parametrize("flags, message", [
    (("--tls-ca", "/nonexistent.pem"), "/nonexistent.pem"),
    (("--tls-key", "ca.pem"), "holds no private key"),
    (("--tls-cert", "cli.key"), "holds no certificate"),
])
def test_a_certificate_that_is_none(tmp_path, flags, message):
    ours = Certificates(tmp_path / "ours")
    own = list(map(str, ours.flags("cli")))
    own[own.index(flags[0]) + 1] = str(tmp_path / "ours" / flags[1])
    for command in (("worker", "--name", "w", "--listen", "tls+tcp://127.0.0.1:0", "--coordinator",
                  "tls+tcp://127.0.0.1:1", "--memory", "256M", "--lanes", "1"),
                 ("cluster", "status", "--coordinator", "tls+tcp://127.0.0.1:1")):
        done = subprocess.run([str(foreset.binary()), *command, *own], capture_output=True, text=True, timeout=60)
        assert done.returncode == 2 and message in done.stderr, done
