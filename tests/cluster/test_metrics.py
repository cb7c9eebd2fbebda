"""What a coordinator's /metrics says of a cluster that has worked: two workers, rows that cross between them."""

import json
import re

import pytest
from cluster import wait_until
from test_commands import Local

SQL = """SET pipeline.name = counted;
SET pipeline.trigger = 100 milliseconds;
CREATE STREAMING TABLE lines AS
SELECT * FROM STREAM read_files('{folder}', format => 'json', schema => 'n INT, s STRING');
CREATE STREAMING TABLE once AS SELECT * FROM STREAM lines DROP DUPLICATES ON (n);
"""
ROWS, FILES = 4000, 4
LINE = re.compile(r'^(\w+)(?:\{(.*)\})? (\S+)$')


def parse(text):
    """Samples by name: [(labels, value)]; every one below the HELP and TYPE of its family, each family once."""
    samples, types, family = {}, {}, None
    for line in text.splitlines():
        if line.startswith("# HELP "):
            family = line.split()[2]
            assert family not in types and len(line.split()) > 3, line
        elif line.startswith("# TYPE "):
            assert line.split()[2] == family, line
            types[family] = line.split()[3]
        else:
            name, labels, value = LINE.match(line).groups()
            suffix = name.removeprefix(family)
            assert suffix in (("_bucket", "_sum", "_count") if types[family] == "histogram" else ("",)), line
            labels = dict(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels or ""))
            samples.setdefault(name, []).append((labels, float(value)))
    for family, kind in types.items():
        assert kind != "counter" or family.endswith("_total"), family
        assert not family.endswith("_total") or kind == "counter", family
    return samples


@pytest.fixture(scope="module")
def worked(tmp_path_factory):
    """A cluster whose pipeline has published every row, and what it says then."""
    directory = tmp_path_factory.mktemp("metrics")
    rows = directory / "rows"
    rows.mkdir()
    for file in range(FILES):
        (directory / f"{file}.json").write_text("".join(f'{{"n": {n}, "s": "{n:0100}"}}\n' for n in range(ROWS)))
    (directory / "counted.sql").write_text(SQL.format(folder=rows))
    with Local(directory) as local:
        local.start()
        for name in ("w1", "w2"):
            local.worker(name)
        wait_until(lambda: local.run("workers", "list").stdout.count("active") == 2, 30, "both workers")
        assert local.run("pipelines", "apply", directory / "counted.sql").returncode == 0

        def both():
            status = json.loads(local.get("/api/v1/pipelines/counted")[1])["pipelines"][0]["status"] or {}
            return status.get("state") == "running" and [w["shards"] for w in status["workers"]] == [128, 128]
        wait_until(both, 30, "both workers hold shards")
        for file in range(FILES):
            (directory / f"{file}.json").rename(rows / f"{file}.json")

        def settled():
            samples = parse(local.get("/metrics")[1])
            out = {labels["table"]: value for labels, value in samples.get("foreset_table_rows_out_total", [])}
            crossed = [sum(value for _, value in samples.get(f"foreset_exchange_credit_{way}_bytes_total", []))
                       for way in ("sent", "received")]  # both ends have said all of it
            done = [out[t] for t in sorted(out)] == [ROWS * FILES, ROWS]
            told = [value for _, value in samples.get("foreset_worker_rpc_sent_total", [])]  # each second
            return samples if done and 0 < crossed[0] == crossed[1] and len(told) == 2 and min(told) > 0 else None
        samples = wait_until(settled, 60, f"all rows\n{local.coordinator.text()}")
        yield local, samples


def by(samples, name, label):
    return {labels[label]: value for labels, value in samples[name]}


def test_rows_that_crossed_are_counted(worked):
    samples = worked[1]
    rows = by(samples, "foreset_exchange_sent_rows_total", "worker")
    # Each worker owns half of the keys: about half of all rows cross, each with at least its four bytes.
    assert 0.3 * ROWS * FILES < sum(rows.values()) < 0.7 * ROWS * FILES, rows
    sent = sum(by(samples, "foreset_exchange_sent_bytes_total", "worker").values())
    received = sum(by(samples, "foreset_exchange_received_bytes_total", "worker").values())
    assert abs(sent - received) < 1000  # beats go on
    assert 16 * sum(rows.values()) < sent < 40 * sum(rows.values())  # the keys' hashes, not rows of 100 bytes
    assert sum(by(samples, "foreset_exchange_sent_frames_total", "worker").values()) > 0
    assert sum(by(samples, "foreset_exchange_dropped_frames_total", "worker").values()) == 0


def test_rows_of_files_are_rows_in(worked):
    assert worked[1]["foreset_rows_in_total"][0][1] == ROWS * FILES


def test_credits_are_given_back(worked):
    samples = worked[1]
    assert all(value > 1 << 20 for value in by(samples, "foreset_exchange_credit_bytes", "worker").values())
    given = sum(by(samples, "foreset_exchange_credit_sent_bytes_total", "worker").values())
    taken = sum(by(samples, "foreset_exchange_credit_received_bytes_total", "worker").values())
    assert given == taken > 0
    assert set(by(samples, "foreset_exchange_outstanding_bytes", "worker").values()) == {0}
    assert set(by(samples, "foreset_exchange_waiting_frames", "worker").values()) == {0}
    assert len(samples["foreset_exchange_stalled_seconds_total"]) == 2


def test_epochs_are_in_every_phase_as_often_as_published(worked):
    samples = worked[1]
    published = samples["foreset_epochs_published_total"][0][1]
    phases = {"read", "prepare", "decide", "publish"}
    counts = by(samples, "foreset_epoch_phase_seconds_count", "phase")
    assert published > 0 and counts == {phase: published for phase in phases}
    assert samples["foreset_epoch_seconds_count"][0][1] == published
    whole = samples["foreset_epoch_seconds_sum"][0][1]
    sums = by(samples, "foreset_epoch_phase_seconds_sum", "phase")
    assert sum(sums.values()) == pytest.approx(whole, abs=1e-3) and min(sums.values()) > 0
    for phase in phases:
        steps = [(float(labels["le"]), value) for labels, value in samples["foreset_epoch_phase_seconds_bucket"]
                 if labels["phase"] == phase]
        assert steps == sorted(steps) and steps[-1] == (float("inf"), published)


def test_state_and_its_snapshot(worked):
    samples = worked[1]
    (operator, entries), = by(samples, "foreset_state_entries", "operator").items()
    assert operator.startswith("once/") and entries == ROWS
    assert by(samples, "foreset_state_snapshot_entries", "operator") == {operator: ROWS}
    written = samples["foreset_state_snapshot_written_bytes_total"][0][1]
    assert written >= by(samples, "foreset_state_snapshot_bytes", "operator")[operator] >= 16 * ROWS
    assert samples["foreset_state_snapshot_seconds_total"][0][1] > 0
    assert samples["foreset_data_sync_seconds_total"][0][1] > 0


def test_commits_take_time_by_table(worked):
    samples = worked[1]
    commits, seconds = (by(samples, name, "table") for name in ("foreset_table_commits_total",
                                                               "foreset_table_put_seconds_total"))
    assert set(commits) == {"lines", "once"} and min(commits.values()) > 0 and min(seconds.values()) > 0


def test_memory_by_budget(worked):
    used = {(labels["worker"], labels["budget"]): value for labels, value in worked[1]["foreset_memory_used_bytes"]}
    peak = {(labels["worker"], labels["budget"]): value for labels, value in worked[1]["foreset_memory_peak_bytes"]}
    assert set(used) == {(w, b) for w in ("w1", "w2") for b in ("sources", "exchange", "state", "writers")}
    for worker in ("w1", "w2"):
        assert used[worker, "state"] >= 16 * ROWS / 3  # a hash for each key it owns
        assert used[worker, "exchange"] == 0 < peak[worker, "exchange"]
        assert peak[worker, "writers"] > 0
    limits = {labels["budget"]: value for labels, value in worked[1]["foreset_memory_limit_bytes"]}
    assert 0 < limits["state"] < limits["sources"] == 256 << 20


def test_processes(worked):
    local, samples = worked
    for name in ("foreset_worker_resident_memory_bytes", "foreset_worker_cpu_seconds_total",
                 "foreset_worker_rpc_sent_total", "foreset_worker_rpc_received_bytes_total"):
        assert set(by(samples, name, "worker")) == {"w1", "w2"} and min(by(samples, name, "worker").values()) > 0, name
    for name in ("dropped", "malformed", "unacknowledged", "errors"):
        assert set(by(samples, f"foreset_worker_rpc_{name}_total", "worker").values()) == {0}, name
    assert samples["process_resident_memory_bytes"][0][1] > 1 << 20
    assert samples["process_cpu_seconds_total"][0][1] > 0


def test_the_api_has_what_the_metrics_have(worked):
    local, samples = worked
    status = json.loads(local.get("/api/v1/pipelines/counted")[1])["pipelines"][0]["status"]
    assert {w["name"]: w["exchange"]["rowsSent"] for w in status["workers"]} == by(
        samples, "foreset_exchange_sent_rows_total", "worker")
    assert status["phases"]["publish"]["count"] >= samples["foreset_epochs_published_total"][0][1]
    workers = json.loads(local.get("/api/v1/workers")[1])["workers"]
    assert all(w["network"]["errors"] == 0 and w["residentBytes"] > 0 and w["cpuSeconds"] > 0 for w in workers)


def test_what_a_stranger_sends_is_counted(worked):
    import socket
    local, _ = worked
    with socket.create_connection(("127.0.0.1", local.port)) as stranger:
        stranger.sendall(b"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n" * 4)
        wait_until(lambda: parse(local.get("/metrics")[1])["foreset_rpc_malformed_total"][0][1] >= 1, 20, "counted")
