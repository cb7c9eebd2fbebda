"""Runs the program under test: exit codes, JSON progress, failpoints, kill at any moment.

The executable is $FORESET_BIN or build/foreset. Everything a run printed is kept in files, never in pipes, so that a
run that is killed or stalls can neither block nor lose what it said.
"""

import json
import os
import pathlib
import signal
import subprocess
import tarfile
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CORPORA = pathlib.Path(os.environ.get("FORESET_TEST_DATA") or ROOT.parent / "shared" / "data")

EXIT_DONE, EXIT_FAILED, EXIT_USAGE, EXIT_FENCED, EXIT_BLOCKED, EXIT_SECOND_SIGNAL = 0, 1, 2, 3, 4, 130
RUN_SECONDS_MAX = 300


def binary():
    path = pathlib.Path(os.environ.get("FORESET_BIN") or ROOT / "build" / "foreset")
    if not path.exists():
        raise FileNotFoundError(f"{path} is not built: cmake --build build")
    return path


def data(*parts):
    """A path of tests/data, or its counterpart in FORESET_TEST_DATA, where that holds a larger set of cases."""
    given = os.environ.get("FORESET_TEST_DATA")
    larger = pathlib.Path(given).joinpath(*parts) if given else None
    path = larger if larger and larger.exists() else ROOT.joinpath("tests", "data", *parts)
    if not path.exists():
        raise FileNotFoundError(f"test data missing: {path}")
    return path


def corpus(*parts):
    """A path of the optional corpora that others made (tests/README.md); the test is skipped where it is missing."""
    path = CORPORA.joinpath(*parts)
    if not path.exists():
        import pytest
        pytest.skip(f"optional corpus missing: {parts[0]} (FORESET_TEST_DATA)")
    return path


def unpack(archive, target):
    """Extracts an open tar file; with the safe filter where this Python has it (3.11.4)."""
    archive.extractall(target, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))


def json_lines(text):
    """The JSON objects among the lines of text: progress stands on stderr between messages for people."""
    found = []
    for line in text.splitlines():
        if line.startswith("{"):
            try:
                found.append(json.loads(line))
            except ValueError:
                continue
    return found


UNACCOUNTED = "event=rows_unaccounted"  # records in none of the counts: docs/OPERATIONS.md, Where every record goes


class Run:
    """One process of the program."""

    def __init__(self, args, env=None, failpoints=None, cwd=None, wrapper=(), program=None):
        environment = {**os.environ, **(env or {})}
        environment.pop("FORESET_FAILPOINTS", None)
        if failpoints:
            environment["FORESET_FAILPOINTS"] = failpoints
        # A sanitizer's finding must not look like one of the program's own exit codes.
        environment.setdefault("ASAN_OPTIONS", "exitcode=99")
        environment.setdefault("UBSAN_OPTIONS", "exitcode=99")
        environment.setdefault("TSAN_OPTIONS", "exitcode=99")
        if os.environ.get("FORESET_PRELOAD"):
            environment["LD_PRELOAD"] = os.environ["FORESET_PRELOAD"]
        self.args = [str(a) for a in args]
        self._out, self._err = tempfile.TemporaryFile(), tempfile.TemporaryFile()
        self.process = subprocess.Popen([*wrapper, str(program or binary()), *self.args], stdin=subprocess.DEVNULL,
                                        stdout=self._out, stderr=self._err, env=environment, cwd=cwd)

    @staticmethod
    def _text(file):
        return os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0).decode(errors="replace")

    @property
    def stdout(self):
        return self._text(self._out)

    @property
    def stderr(self):
        return self._text(self._err)

    @property
    def progress(self):
        return [p for p in json_lines(self.stderr) if "batchId" in p]

    @property
    def returncode(self):
        return self.process.returncode

    def running(self):
        return self.process.poll() is None

    def wait(self, timeout=RUN_SECONDS_MAX):
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.send_signal(signal.SIGABRT)
            self.process.wait()
            raise TimeoutError(f"{self} did not end in {timeout} s\n{self.stderr[-4000:]}") from None
        return self

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def wait_stopped(self, seconds=60):
        """Until the process stands still at a failpoint that says =stop; false if it ended first."""
        def stopped():
            return pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"
        return self.wait_for(lambda: self.running() and stopped(), seconds, "standing still at a failpoint")

    def kill(self):
        self.signal(signal.SIGKILL)
        self.process.wait()
        return self

    def drain(self, timeout=RUN_SECONDS_MAX):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def wait_for(self, condition, seconds=60, what="condition"):
        """Until condition() is true; false if the process ended first; an error when time is up."""
        deadline = time.monotonic() + seconds
        while not condition():
            try:
                self.process.wait(0.02)
                return bool(condition())
            except subprocess.TimeoutExpired:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError(f"{what} did not hold within {seconds} s\n{self.stderr[-4000:]}")
        return True

    def check(self, code=EXIT_DONE):
        assert self.returncode == code, f"{self}: exit {self.returncode}, wanted {code}\n{self.stderr[-4000:]}"
        assert UNACCOUNTED not in self.stderr, f"{self}: rows in none of the counts\n{self.stderr[-4000:]}"
        return self

    def __str__(self):
        return "foreset " + " ".join(self.args)


def run(*args, timeout=RUN_SECONDS_MAX, **kwargs):
    return Run(args, **kwargs).wait(timeout)


def failpoints():
    """Every named point; a durable step has <step>.before and <step>.after."""
    return run("--list-failpoints").check().stdout.split()


def produce(broker, topic, generate, *args):
    """generate: user-events:COUNT:SEED; extra args as the command takes them."""
    return run("produce", "--brokers", broker, "--topic", topic, "--generate", generate, *args).check()
