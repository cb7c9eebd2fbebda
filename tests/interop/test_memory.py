"""--memory is a contract: a backlog goes through under a hard limit of 1.1 times that.

FORESET_LONG=1: five million events under 1 GiB. Short form: fewer events under less memory.
"""

import os

import foreset
from medallion import Medallion
from memory_limit import MemoryLimit

LONG = bool(os.environ.get("FORESET_LONG"))
EVENTS = 5_000_000 if LONG else 400_000
MEMORY_MIB = 1024 if LONG else 512


def test_backlog_survives_the_hard_limit(broker, tmp_path):
    broker.create_topic("backlog", 4)
    foreset.produce(broker.address, "backlog", f"user-events:{EVENTS}:21", "--key", "user_id")
    medallion = Medallion(tmp_path, broker.address, "backlog", EVENTS)
    with MemoryLimit(MEMORY_MIB * 1024 * 1024 * 11 // 10) as limit:
        running = medallion.start("--available-now", "--memory", f"{MEMORY_MIB}M", wrapper=limit.wrapper)
        peak = 0

        def ended():
            nonlocal peak
            peak = max(peak, limit.peak_bytes(running.process.pid))
            return not running.running()
        running.wait_for(ended, 600, "the end of the backlog")
        running.check()
    print(f"peak {peak / 2**20:.0f} MiB of {MEMORY_MIB} MiB, limit held by {limit.group or 'the record of the peak'}")
    assert peak <= limit.limit_bytes
    assert medallion.check() == []
