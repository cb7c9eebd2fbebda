"""Who may do what, for real: tokens without TLS, what HTTP shows without one, and what the log says of who did it."""

import json
import os
import re
import stat
import subprocess
import urllib.error
import urllib.request

import foreset
import pytest
from cluster import wait_until
from local_cluster import Local, sql

SECRET = "abracadabra-of-a-row"


def rules():
    """docs/SECURITY.md, Commands by role: [(command, {role: may})]."""
    text = (foreset.ROOT / "docs" / "SECURITY.md").read_text().split("## Commands by role")[1].split("## HTTP")[0]
    found = []
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 5 and cells[0].startswith("`"):
            reader, operator, admin, others = (cell == "yes" for cell in cells[1:])
            found.append((cells[0].strip("`"), {"reader": reader, "operator": operator, "admin": admin,
                                                "worker": others, "coordinator": others}))
    return found


COMMANDS = [command for command, _ in rules()]


def words(command, path):
    """The command with what it needs beside; nothing that it names is there."""
    arguments = {"pipelines plan": [path], "pipelines apply": [path], "workers describe": ["nobody"],
                 "workers drain": ["nobody"], "workers undrain": ["nobody"]}
    verb = command.split(" --")[0]
    if verb in ("pipelines list", "workers list", "epochs", "lag", "shards", "cluster status"):
        return command.split()
    table = ["--table", "t"] if verb == "pipelines abandon-table" else []
    return [*command.split(), *arguments.get(verb, ["nobody"]), *table]


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """One user's cluster, started without a flag for it; its pipeline has failed over a row, and holds a secret."""
    directory = tmp_path_factory.mktemp("local")
    with Local(directory) as made:
        made.start()
        made.worker("w1")
        rows = directory / "rows"
        rows.mkdir()
        (rows / "a.json").write_text(json.dumps({"n": 1, "s": SECRET}) + "\n")
        (directory / "failing.sql").write_text(f"""SET pipeline.name = failing;
SET pipeline.on_error = 'fail';
CREATE STREAMING TABLE t (s STRING) AS SELECT concat('{SECRET}', CAST(CAST(s AS INT) AS STRING)) AS s
FROM STREAM read_files('{rows}', format => 'json', schema => 'n INT, s STRING');
""")
        applied = made.run("pipelines", "apply", directory / "failing.sql")
        assert applied.returncode == 0, applied
        wait_until(lambda: made.described("failing")["state"] == "failed", 60, made.coordinator.text())
        yield made


def outsider(local, *words, token=None):
    """The same command of another user: another home."""
    home = local.directory / "outsider"
    home.mkdir(exist_ok=True)
    env = {"HOME": str(home), "FORESET_TOKEN_FILE": ""}
    if token is not None:
        path = home / "token"
        path.unlink(missing_ok=True)
        path.write_text(token + "\n")
        path.chmod(0o600)
        env["FORESET_TOKEN_FILE"] = str(path)
    return local.run(*words, env=env)


def test_the_first_role_makes_the_token(local):
    path = local.directory / "home" / ".foreset" / "token"
    assert re.fullmatch("[0-9a-f]{64}", path.read_text().strip())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert "w1" in local.active()


def test_every_command_is_in_the_table():
    listed = {command.split(" --")[0] for command in COMMANDS}
    helped = set()
    for group in ("pipelines", "workers", "epochs", "lag", "shards", "cluster"):
        done = subprocess.run([str(foreset.binary()), group, "--help"], capture_output=True, text=True, timeout=30)
        assert done.returncode == 0, done
        if f"usage: foreset {group} COMMAND" not in done.stdout:
            helped.add(group)
            continue
        for line in done.stdout.splitlines()[1:]:
            if match := re.match(r"  ([a-z-]+) {2,}\S", line):
                helped.add(f"{group} {match[1]}")
    assert listed == helped


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("token", [None, "0" * 64, "right"])
def test_each_command_with_each_token(local, command, token, tmp_path):
    path = sql(tmp_path) if "plan" in command else tmp_path / "empty.sql"
    path.touch()
    right = token == "right"
    done = outsider(local, *words(command, path), token=local.token() if right else token)
    home = str(local.directory / "home" / ".foreset" / "token")
    if right:  # it is looked at: it succeeds, or names what is not there
        assert "token" not in done.stderr and (done.returncode == 0 or "nobody" in done.stderr or "sql" in done.stderr)
        return
    assert done.returncode == 2 and done.stdout == "", done
    assert ("wrong token" if token else "no token") in done.stderr and home in done.stderr, done
    assert "0" * 64 not in done.stderr


def test_a_token_that_others_may_read_is_refused(local):
    home = local.directory / "outsider"
    outsider(local, "cluster", "status", token=local.token())
    (home / "token").chmod(0o644)
    done = local.run("cluster", "status", env={"FORESET_TOKEN_FILE": str(home / "token")})
    assert done.returncode == 2 and "other users may read" in done.stderr and local.token() not in done.stderr, done
    command = ["worker", "--name", "w", "--listen", "tcp://127.0.0.1:0", "--coordinator", local.url]
    done = subprocess.run([str(foreset.binary()), *command, "--token-file", str(home / "token")],
                          capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and "other users may read" in done.stderr, done


def test_a_worker_without_the_token_hears_why(local):
    before = local.active()
    stranger = local.worker("stranger", "--lanes", "1", "--memory", "256M", "--token-file",
                            local.directory / "another-token")
    wait_until(lambda: "event=refused" in stranger.text(), 30, stranger.text())
    assert "wrong token: the coordinator c1 takes the one in" in stranger.text()
    assert local.active() == before and stranger.running()
    wait_until(lambda: "what=\"cluster message\"" in local.coordinator.text(), 30, "the coordinator logs it too")
    assert stranger.stop() == 0


def test_this_users_token_does_not_go_over_the_network(local):
    done = local.run("cluster", "status", url="tcp://192.0.2.1:7400", env={"FORESET_TOKEN_FILE": ""})
    assert done.returncode == 1  # not reached; nothing was sent
    command = ["worker", "--name", "w", "--listen", "tcp://127.0.0.1:0", "--coordinator", "tcp://192.0.2.1:7400"]
    done = subprocess.run([str(foreset.binary()), *command], capture_output=True, text=True, timeout=30,
                          env={**os.environ, **local.environment()})
    assert done.returncode == 2 and "would go over the network" in done.stderr, done


def logged(local, *parts):
    return [line for line in local.coordinator.text().splitlines() if all(part in line for part in parts)]


def test_commands_and_refusals_are_logged_with_who_sent_them(local):
    path = local.directory / "failing.sql"
    local.run("pipelines", "plan", path, "--set", f"pipeline.trigger={SECRET}")
    local.run("pipelines", "stop", "nobody\" exit=0 \"", "--drain")
    local.run("lag", "failing")
    outsider(local, "pipelines", "delete", "failing", token="1" * 64)
    who = 'from="127.0.0.1:'
    line, = logged(local, "event=command ", 'verb="pipelines plan"', who, "set:pipeline.trigger")
    assert "coordinator=c1" in line and "token=right" in line and line.endswith("exit=2")
    begun, = logged(local, "event=command_begins ", "set:pipeline.trigger")
    assert re.search(r"id=\d+", begun)[0] == re.search(r"id=\d+", line)[0]
    line, = logged(local, "event=command ", 'verb="pipelines stop"', 'names="nobody? exit=0 ?"')
    assert line.endswith('options="drain" exit=2')
    assert logged(local, "event=command ", 'verb="lag"', 'names="failing"', who)[0].endswith("exit=0")
    assert logged(local, "event=refused ", who, "token=wrong", "what=request", "why=")
    assert local.token() not in local.coordinator.text() and "1" * 64 not in local.coordinator.text()
    for line in logged(local, "event=command"):
        assert SECRET not in line, line


# ---- HTTP ----

SHOWN = {"name", "pipeline", "worker", "table", "topic", "source", "state", "desired", "version", "id", "errorClass",
         "budget"}


def http(local, path, token=None, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{local.http_port}{path}", method=method)
    if token is not None:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as err:
        return err.code, err.read().decode()


def texts(document, member=None):
    """(member, text) of every text in a document."""
    if isinstance(document, str):
        yield member, document
    for key, value in document.items() if isinstance(document, dict) else []:
        yield from texts(value, key)
    for value in document if isinstance(document, list) else []:
        yield from texts(value, None if isinstance(value, str) else member)


API = ["cluster", "pipelines", "pipelines/failing", "workers", "workers/w1", "epochs", "epochs/failing", "lag",
       "shards"]


@pytest.mark.parametrize("path", API)
def test_http_without_a_token_shows_names_numbers_and_states(local, path):
    status, body = http(local, f"/api/v1/{path}")
    assert status == 200 and SECRET not in body and str(local.directory) not in body and "://" not in body, body
    for member, text in texts(json.loads(body)):
        assert text == "(hidden)" or member in SHOWN, (member, text)
    status, whole = http(local, f"/api/v1/{path}", token=local.token())
    assert status == 200 and "(hidden)" not in whole
    assert list(json.loads(whole)) == list(json.loads(body))


def test_http_with_the_token_shows_everything(local):
    public = json.loads(http(local, "/api/v1/pipelines/failing")[1])["pipelines"][0]
    whole = json.loads(http(local, "/api/v1/pipelines/failing", token=local.token())[1])["pipelines"][0]
    assert SECRET in whole["sql"] and SECRET in whole["error"] and whole["errorClass"] == "FAIL_PIPELINE"
    assert (public["sql"], public["error"], public["errorClass"]) == ("(hidden)", "(hidden)", "FAIL_PIPELINE")
    assert (public["name"], public["state"], public["version"]) == ("failing", "failed", 1)


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/readyz", "/api/v1/nothing", "/api/v1/pipelines/nobody"])
def test_what_answers_without_a_token_holds_no_text_of_rows_or_places(local, path):
    body = http(local, path)[1]
    assert SECRET not in body and str(local.directory) not in body and "://" not in body and local.token() not in body


@pytest.mark.parametrize("path", ["/metrics", "/healthz", "/api/v1/cluster", "/nothing"])
def test_a_wrong_token_is_refused_over_http(local, path):
    status, body = http(local, path, token="2" * 64)
    assert status == 401 and "wrong token" in json.loads(body)["error"]
    assert logged(local, "event=refused", "what=http", 'from="127.0.0.1:')


@pytest.mark.parametrize("address, flags, message", [
    ("0.0.0.0:0", (), "--insecure"),
    ("127.0.0.1:0", ("--http-tls-cert", "cert.pem"), "the key is missing"),
    ("127.0.0.1:0", ("--http-tls-cert", "/nonexistent.pem", "--http-tls-key", "/nonexistent.pem"), "/nonexistent.pem"),
    ("127.0.0.1:0", ("--http-token-file", "/proc/token"), "/proc/token"),
    ("127.0.0.1:0", ("--role-map", "/nonexistent.map"), "--tls-ca"),
])
def test_wrong_flags_are_refused_when_it_starts(tmp_path, address, flags, message):
    done = subprocess.run([str(foreset.binary()), "coordinator", "--name", "c", "--listen", "tcp://127.0.0.1:0",
                           "--etcd", "http://127.0.0.1:1", "--warehouse", str(tmp_path / "w"), "--state",
                           str(tmp_path / "s"), "--http", address, *flags], capture_output=True, text=True, timeout=30)
    assert done.returncode == 2 and message in done.stderr, done


def test_https_with_a_token_of_its_own(tmp_path):
    import ssl
    from local_cluster import Certificates
    ours = Certificates(tmp_path / "certificates")
    ours.flags("http")
    files = [str(tmp_path / "certificates" / f"http.{end}") for end in ("pem", "key")]
    token = tmp_path / "http-token"
    with Local(tmp_path) as made:
        made.coordinator.command += ["--http-tls-cert", files[0], "--http-tls-key", files[1], "--http-token-file",
                                     str(token)]
        made.start()
        context = ssl.create_default_context(cafile=str(tmp_path / "certificates" / "ca.pem"))
        context.check_hostname = False  # its name is the CN; this program's is in the alternative names

        def get(path, bearer):
            request = urllib.request.Request(f"https://127.0.0.1:{made.http_port}{path}")
            request.add_header("Authorization", f"Bearer {bearer}")
            try:
                with urllib.request.urlopen(request, timeout=10, context=context) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as err:
                return err.code, err.read().decode()
        status, body = get("/api/v1/cluster", token.read_text().strip())
        assert status == 200 and json.loads(body)["leader"]["url"] == made.url
        assert get("/api/v1/cluster", made.token())[0] == 401  # the roles' token is another one
        assert stat.S_IMODE(token.stat().st_mode) == 0o600
