"""--memory is a contract: a backlog goes through under a hard limit of 1.1 times that, as one epoch.

FORESET_LONG=1: five million events, under 1 GiB and under 512 MiB. Short form: a million under 256 MiB.
"""

import os

import foreset
import pytest
from medallion import Medallion
from memory_limit import MemoryLimit

LONG = bool(os.environ.get("FORESET_LONG"))
EVENTS = 5_000_000 if LONG else 1_000_000


@pytest.fixture(scope="module")
def backlog(broker):
    broker.create_topic("backlog", 4)
    foreset.produce(broker.address, "backlog", f"user-events:{EVENTS}:21", "--key", "user_id")
    return broker


@pytest.mark.parametrize("memory_mib", [1024, 512] if LONG else [256])
def test_backlog_survives_the_hard_limit(backlog, tmp_path, memory_mib):
    medallion = Medallion(tmp_path, backlog.address, "backlog", EVENTS)
    with MemoryLimit(memory_mib * 1024 * 1024 * 11 // 10) as limit:
        running = medallion.start("--available-now", "--memory", f"{memory_mib}M", wrapper=limit.wrapper)
        peak = 0

        def ended():
            nonlocal peak
            peak = max(peak, limit.peak_bytes(running.process.pid))
            return not running.running()
        running.wait_for(ended, 600, "the end of the backlog")
        running.check()
    print(f"peak {peak / 2**20:.0f} MiB of {memory_mib} MiB, limit held by {limit.group or 'the record of the peak'}")
    assert 0 < peak <= limit.limit_bytes
    assert medallion.check() == []
