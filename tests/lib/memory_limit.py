"""A hard memory limit around one process: a cgroup of its own, v2 or v1, where this machine lets us make one.

Where it does not, the kernel's record of the peak (VmHWM) is compared with the limit instead: later, but as strict.
"""

import contextlib
import os
import pathlib

ROOT = pathlib.Path("/sys/fs/cgroup")


def _own_groups():
    """(folder of our group, file of the limit) for v2 and v1, the first that can be written wins."""
    for line in pathlib.Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            for root in (ROOT, ROOT / "unified"):
                yield root / path.lstrip("/"), "memory.max"
                yield root, "memory.max"
        elif "memory" in controllers.split(","):
            yield ROOT / "memory" / path.lstrip("/"), "memory.limit_in_bytes"
            yield ROOT / "memory", "memory.limit_in_bytes"


class MemoryLimit(contextlib.AbstractContextManager):
    def __init__(self, limit_bytes):
        self.limit_bytes = limit_bytes
        self.group = None
        for parent, file in _own_groups():
            group = parent / f"foreset-test-{os.getpid()}"
            try:
                group.mkdir()
                (group / file).write_text(str(limit_bytes))
                self.group = group
                return
            except OSError:
                with contextlib.suppress(OSError):
                    group.rmdir()

    @property
    def wrapper(self):
        """In front of a command: the process enters the group before it becomes the program."""
        if not self.group:
            return []
        return ["sh", "-c", f'echo $$ > "{self.group}/cgroup.procs" && exec "$@"', "limited"]

    def peak_bytes(self, pid):
        """Of a living process; 0 when it is gone."""
        try:
            lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)
        except (OSError, ValueError):
            return 0

    def __exit__(self, *_):
        if self.group:
            with contextlib.suppress(OSError):
                self.group.rmdir()
