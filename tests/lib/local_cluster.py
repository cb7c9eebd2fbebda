"""A cluster on the loopback, without a broker: etcd, one coordinator, workers, a person's commands; certificates.

For what a person sees of it. Every process writes its log to a file of its own; everything ends with the `with`.
"""

import json
import os
import re
import subprocess
import types
import urllib.error
import urllib.request

import foreset
from cluster import Process, wait_until
from kafka_broker import free_ports

HERE = types.SimpleNamespace(wrapper=[], address="127.0.0.1")
SQL = """SET pipeline.name = numbers;
CREATE STREAMING TABLE lines AS SELECT * FROM STREAM read_files('{folder}', format => 'json', schema => 'n INT');
"""


def sql(folder, extra=""):
    """A pipeline that reads two rows of a folder; its path."""
    rows = folder / "rows"
    rows.mkdir(parents=True, exist_ok=True)
    (rows / "a.json").write_text('{"n": 1}\n{"n": 2}\n')
    path = folder / "numbers.sql"
    path.write_text(SQL.format(folder=rows) + extra)
    return path


def etcd_members(directory, count):
    """Processes of one etcd, and the URLs of its clients."""
    ports = free_ports(2 * count)
    clients = [f"http://127.0.0.1:{port}" for port in ports[:count]]
    peers = [f"http://127.0.0.1:{port}" for port in ports[count:]]
    cluster = ",".join(f"m{i}={peer}" for i, peer in enumerate(peers))
    return [Process(HERE, ["etcd", "--name", f"m{i}", "--data-dir", directory / f"etcd{i}", "--listen-client-urls",
                           clients[i], "--advertise-client-urls", clients[i], "--listen-peer-urls", peers[i],
                           "--initial-advertise-peer-urls", peers[i], "--initial-cluster", cluster,
                           "--unsafe-no-fsync", "--heartbeat-interval", "100", "--election-timeout", "500"],
                    directory / f"etcd{i}.log") for i in range(count)], clients


class Local:
    def __init__(self, directory, tls=None, members=1, allow=None):
        self.directory, self.tls = directory, tls
        self.allow = ["--allow-path", directory.parent] if allow is None else allow
        self.port, self.http_port = free_ports(2)
        self.scheme = "tls+tcp" if tls else "tcp"
        self.url = f"{self.scheme}://127.0.0.1:{self.port}"
        self.members, clients = etcd_members(directory, members)
        self.etcd = self.members[0]
        self.etcd_urls = ",".join(clients)
        self.warehouse, self.state = directory / "warehouse", directory / "state"
        self.others = []
        self.coordinator = self.make_coordinator("c1", self.url, "--http", f"127.0.0.1:{self.http_port}")
        self.workers = []

    def environment(self):
        """A user of its own: the token is where that user's processes look for it without a flag."""
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        return {"HOME": str(home), "FORESET_TOKEN_FILE": ""}

    def token(self):
        return (self.directory / "home" / ".foreset" / "token").read_text().strip()

    def certificates(self, name, tls=None):
        tls = tls or self.tls
        return tls.flags(name) if tls else []

    def make_coordinator(self, name, url, *flags, binary=None, etcd=None):
        return Process(HERE, [binary or foreset.binary(), "coordinator", "--name", name, "--listen", url, "--etcd",
                              etcd or self.etcd_urls, "--warehouse", self.warehouse, "--state", self.state,
                              *self.allow, *flags, *self.certificates(name)], self.directory / f"{name}.log",
                       self.environment())

    def second_coordinator(self, name, **kwargs):
        port, = free_ports(1)
        self.others.append(self.make_coordinator(name, f"{self.scheme}://127.0.0.1:{port}", **kwargs))
        return self.others[-1].start()

    def worker(self, name, *flags, binary=None, coordinator=None, tls=None, wrapper=(), certificates=None):
        port, = free_ports(1)
        host = types.SimpleNamespace(wrapper=list(wrapper), address="127.0.0.1")
        self.workers.append(Process(host, [binary or foreset.binary(), "worker", "--name", name, "--listen",
                                           f"{self.scheme}://127.0.0.1:{port}", "--coordinator",
                                           coordinator or self.url, *self.certificates(certificates or name, tls),
                                           *self.allow,
                                           *(flags or ("--lanes", "1", "--memory", "256M"))],
                                    self.directory / f"{name}-{len(self.workers)}.log", self.environment()))
        return self.workers[-1].start()

    def run(self, *args, url=None, certificates="cli", binary=None, env=None):
        return subprocess.run([str(binary or foreset.binary()), *map(str, args), "--coordinator", url or self.url,
                               *map(str, self.certificates(certificates))],
                              capture_output=True, text=True, timeout=60,
                              env={**os.environ, **self.environment(), **(env or {})})

    def said(self, *args):
        """A command's JSON."""
        done = self.run(*args, "--output", "json")
        if done.returncode != 0:
            raise RuntimeError(f"foreset {' '.join(map(str, args))}: exit {done.returncode}: {done.stderr}")
        return json.loads(done.stdout)

    def described(self, name="numbers"):
        return self.said("pipelines", "describe", name)["pipelines"][0]

    def rows_out(self, name="numbers"):
        """By table, since its leader leads."""
        return {table["name"]: table["rowsOut"] for table in (self.described(name)["status"] or {}).get("tables", [])}

    def takes_part(self, name="numbers"):
        return {worker["name"] for worker in (self.described(name)["status"] or {}).get("workers", [])
                if worker["takesPart"]}

    def active(self):
        return {worker["name"] for worker in self.said("workers", "list")["workers"] if worker["state"] == "active"}

    def get(self, path, method="GET"):
        request = urllib.request.Request(f"http://127.0.0.1:{self.http_port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as err:
            return err.code, err.read().decode()

    def start(self):
        for member in self.members:
            member.start()
        self.coordinator.start()
        wait_until(lambda: self.run("cluster", "status").returncode == 0, 30,
                   f"a leader\n{self.coordinator.text()}")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in [*self.workers, *self.others, self.coordinator, *self.members]:
            process.signal(18)  # SIGCONT: a stopped one could not be waited for
            process.kill()
        for process in [self.coordinator, *self.others]:
            assert foreset.UNACCOUNTED not in process.text(), process.text()[-4000:]


class Certificates:
    """An authority and what it signed, made by openssl."""

    def __init__(self, directory):
        self.directory = directory
        directory.mkdir()
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days",
                     "2", "-subj", "/CN=test authority")

    def openssl(self, *args):
        subprocess.run(["openssl", *args], cwd=self.directory, check=True, capture_output=True)

    def flags(self, name, organization=None, names="IP:127.0.0.1", common_name=None):
        """A certificate whose CN is its file's name. Its role, where none is given: by that name, as tests use them."""
        role = "coordinator" if re.fullmatch(r"c\d", name) else "admin" if name == "cli" else "worker"
        if not (self.directory / f"{name}.pem").exists():
            (self.directory / f"{name}.ext").write_text(f"subjectAltName={names}\n")
            self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr",
                         "-subj", f"/O={organization or 'foreset:' + role}/CN={common_name or name}")
            self.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                         "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")
        at = self.directory
        return ["--tls-ca", at / "ca.pem", "--tls-cert", at / f"{name}.pem", "--tls-key", at / f"{name}.key"]

    def revocation_list(self, name, *revoked):
        """A file with the authority's list, which names these certificates; its path."""
        (self.directory / f"{name}.index").write_text("")
        (self.directory / f"{name}.cnf").write_text(
            f"[ca]\ndefault_ca=d\n[d]\ndatabase={name}.index\ndefault_md=sha256\ndefault_crl_days=2\n")
        ca = ["ca", "-config", f"{name}.cnf", "-cert", "ca.pem", "-keyfile", "ca.key"]
        for certificate in revoked:
            self.openssl(*ca, "-revoke", f"{certificate}.pem")
        self.openssl(*ca, "-gencrl", "-out", f"{name}.pem")
        return self.directory / f"{name}.pem"
