"""Certificates that change while processes run: SIGHUP reads them and the lists; who is revoked is put out."""

import re
import signal
import subprocess

import pytest
from cluster import wait_until
from local_cluster import Certificates, Local


def count(process, event):
    return len(re.findall(rf"event={event}\b", process.text()))


def reread(process, event):
    before = count(process, event)
    process.signal(signal.SIGHUP)
    wait_until(lambda: count(process, event) > before, 30, f"{event}\n{process.text()}")


def shown(local, tls):
    """The certificate that the coordinator shows, as PEM."""
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{local.port}", "-CAfile",
                           tls.directory / "ca.pem"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60)
    return re.search("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", done.stdout, re.DOTALL).group()


@pytest.fixture
def local(tmp_path):
    tls = Certificates(tmp_path / "certificates")
    crl = ["--tls-crl", tls.revocation_list("list")]
    with Local(tmp_path, tls=tls) as made:
        made.coordinator.command += crl
        made.start()
        for name in ("w1", "w2"):
            made.worker(name, "--lanes", "1", "--memory", "256M", *crl)
        wait_until(lambda: made.active() == {"w1", "w2"}, 30, made.coordinator.text())
        yield made


def test_sighup_reads_new_certificates_and_keeps_the_old_ones_when_they_are_wrong(local):
    at = local.tls.directory
    first = shown(local, local.tls)
    assert first in (at / "c1.pem").read_text()
    (at / "c1.pem").unlink()
    local.tls.flags("c1")
    assert shown(local, local.tls) == first
    reread(local.coordinator, "certificates_read")
    second = shown(local, local.tls)
    assert second != first and second in (at / "c1.pem").read_text()
    good = (at / "list.pem").read_text()
    (at / "list.pem").write_text("no list")
    for process in (local.coordinator, *local.workers):
        reread(process, "certificates_kept")
        assert "list.pem holds no revocation list" in process.text()
    assert shown(local, local.tls) == second
    assert local.active() == {"w1", "w2"}
    (at / "list.pem").write_text(good)
    for process in (local.coordinator, *local.workers):
        reread(process, "certificates_read")
    assert local.active() == {"w1", "w2"}


def test_who_is_revoked_is_put_out_and_the_others_stay(local):
    local.tls.revocation_list("list", "w2")
    for process in (local.coordinator, local.workers[0]):
        reread(process, "certificates_read")
    wait_until(lambda: "its own is refused now: its authority revoked it (CN=w2" in local.coordinator.text(), 30,
               local.coordinator.text())
    wait_until(lambda: local.active() == {"w1"}, 60, local.coordinator.text())
    wait_until(lambda: any(int(value) > 0 for value in re.findall(
        r"^foreset_rpc_handshakes_failed_total (\d+)$", local.get("/metrics")[1], re.MULTILINE)), 30, "w2 tries again")
    assert "(CN=w1" not in local.coordinator.text()


def test_a_command_line_refuses_a_coordinator_that_is_revoked(local):
    lists = local.tls.revocation_list("of-command-lines", "c1")
    good = local.tls.directory / "list.pem"
    assert local.run("cluster", "status", "--tls-crl", good).returncode == 0
    for done in (local.run("cluster", "status", "--tls-crl", lists),
                 local.run("cluster", "status", env={"FORESET_TLS_CRL": str(lists)})):
        assert done.returncode == 1 and "its authority revoked it (CN=c1" in done.stderr, done
