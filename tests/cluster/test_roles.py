"""Roles of certificates, for real: every row of the table in docs/SECURITY.md with every role, names, maps, the log."""

import re
import subprocess

import foreset
import pytest
from cluster import wait_until
from local_cluster import Certificates, Local, sql
from test_access import COMMANDS, logged, rules, words

ROLES = ["reader", "operator", "admin", "worker", "coordinator", "nobody"]
MAY = dict(rules())


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    directory = tmp_path_factory.mktemp("roles")
    with Local(directory, tls=Certificates(directory / "certificates")) as made:
        made.start()
        made.worker("w1")
        wait_until(lambda: "w1" in made.active(), 30, made.coordinator.text())
        yield made


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("role", ROLES)
def test_each_command_with_each_role(local, role, command, tmp_path):
    path = sql(tmp_path)
    path.write_text("this is no SQL;\n")  # who may plan and apply hears that, and nothing changes
    local.tls.flags(role, organization=f"foreset:{role}")
    done = local.run(*words(command, path), certificates=role)
    if MAY[command].get(role, False):
        assert "role" not in done.stderr, done
        assert done.returncode == 0 or "nobody" in done.stderr or "numbers.sql:1:" in done.stderr, done
        return
    assert done.returncode == 2 and done.stdout == "", done
    if role == "nobody":
        assert f"CN={role}, O=foreset:{role} has no role" in done.stderr
    else:
        assert re.search("needs the role (reader|operator|admin); the certificate of CN=" + role + " has: " + role,
                         done.stderr), done
    refused = logged(local, "event=refused", f'cn="{role}"', f'organization="foreset:{role}"')
    assert refused and all("coordinator=c1" in line and 'from="127.0.0.1:' in line for line in refused)


def test_a_worker_bears_the_name_of_its_certificate(local):
    worker = local.worker("w8", certificates="w7")
    assert worker.process.wait(30) == 2
    for text in (worker.text(), local.coordinator.text()):
        assert "made out to CN=w7, the worker calls itself w8" in text
    assert local.active() == {"w1"}
    right = local.worker("w7")
    wait_until(lambda: local.active() == {"w1", "w7"}, 30, right.text())
    assert right.stop() == 0


@pytest.mark.parametrize("role", ["reader", "admin", "coordinator", "nobody"])
def test_only_workers_join(local, role):
    name = f"as-{role}"
    local.tls.flags(name, organization=f"foreset:{role}")
    worker = local.worker(name)
    wait_until(lambda: "event=refused" in worker.text(), 30, worker.text())
    assert "joining needs the role worker" in worker.text() or "has no role" in worker.text()
    assert logged(local, "event=refused", f'cn="{name}"', 'what="cluster message"')
    assert name not in local.active() and worker.running()
    assert worker.stop() == 0


def test_a_certificate_without_names_may_nothing(local):
    at = local.tls.directory
    local.tls.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "bare.key", "-out", "bare.csr", "-subj", "/")
    local.tls.openssl("x509", "-req", "-in", "bare.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", "bare.pem", "-days", "2")
    assert (at / "bare.pem").exists()
    done = local.run("cluster", "status", certificates="bare")
    assert done.returncode == 2 and "has no role" in done.stderr, done


def test_a_worker_obeys_coordinators_alone(tmp_path):
    """The process that leads has a worker's certificate: no worker takes a word of it."""
    ours = Certificates(tmp_path / "certificates")
    ours.flags("c1", organization="foreset:worker")
    with Local(tmp_path, tls=ours) as made:
        made.start()
        worker = made.worker("w1")
        wait_until(lambda: "event=refused worker=w1" in worker.text(), 30, worker.text())
        line = next(line for line in worker.text().splitlines() if "event=refused worker=w1" in line)
        assert 'cn="c1"' in line and "roles=worker" in line and "needs the role coordinator" in line
        assert worker.running()


def test_a_role_map_instead_of_the_default(tmp_path):
    ours = Certificates(tmp_path / "certificates")
    ours.flags("ana", organization="data-eng")
    ours.flags("ben", organization="elsewhere", names="URI:spiffe://example.org/admin")
    ours.flags("cleo", organization="foreset:admin")
    roles = tmp_path / "roles.map"
    roles.write_text("O=data-eng -> operator\nURI:spiffe://example.org/admin -> admin\n"
                     "O=foreset:coordinator -> coordinator\nO=foreset:worker -> worker\n")
    with Local(tmp_path, tls=ours) as made:
        made.coordinator.command += ["--role-map", str(roles)]
        made.coordinator.start()
        for member in made.members:
            member.start()
        wait_until(lambda: made.run("cluster", "status", certificates="ana").returncode == 0, 30,
                   made.coordinator.text())
        path = sql(tmp_path)
        assert made.run("pipelines", "apply", path, certificates="ana").returncode == 0
        assert "needs the role admin" in made.run("pipelines", "apply", path, "--full-refresh",
                                                  certificates="ana").stderr
        assert made.run("pipelines", "apply", path, "--full-refresh", certificates="ben").returncode == 0
        assert "has no role" in made.run("cluster", "status", certificates="cleo").stderr
        assert logged(made, "event=command ", 'cn="ben"', 'organization="elsewhere"', "roles=admin",
                      'verb="pipelines apply"', 'options="', "full-refresh")


def test_a_wrong_role_map_is_refused_when_it_starts(tmp_path):
    ours = Certificates(tmp_path / "certificates")
    roles = tmp_path / "roles.map"
    command = ["worker", "--name", "w", "--listen", "tls+tcp://127.0.0.1:0", "--coordinator", "tls+tcp://127.0.0.1:1",
               *map(str, ours.flags("w")), "--role-map", str(roles)]
    for text, mode, message in (("O=a -> root\n", 0o600, "line 1"), ("O=a -> reader\n", 0o622, "chmod go-w")):
        roles.write_text(text)
        roles.chmod(mode)
        done = subprocess.run([str(foreset.binary()), *command], capture_output=True, text=True, timeout=30)
        assert done.returncode == 2 and str(roles) in done.stderr and message in done.stderr, done
