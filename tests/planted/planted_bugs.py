#!/usr/bin/env python3
"""Plants every bug of planted.txt in turn and fails unless its test finds it: planted_bugs.py BUILD-FOLDER.

Each test must pass without a bug. Every FORESET_BUG in the tree must be planted somewhere: here or in the simulator.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
TIMEOUT_S = 240


def table():
    for line in (ROOT / "tests/planted/planted.txt").read_text().splitlines():
        if line and not line.startswith("#"):
            bug, test = line.split()[:2]
            yield bug, test


def simulated():
    return set(re.findall(r'^    "([a-z-]+)",', (ROOT / "tests/sim/planted.c").read_text(), re.M))


def run(folder, test, bug=""):
    """(passed, the tests that failed)"""
    environment = dict(os.environ, FORESET_PLANTED_BUG=bug)
    try:
        done = subprocess.run([folder / f"planted_{test}"], env=environment, timeout=TIMEOUT_S, text=True,
                              errors="replace", stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    except subprocess.TimeoutExpired:
        return False, ["it does not end"]
    failed = sorted(set(re.findall(r"^\[  FAILED  \] (\w+)$", done.stdout, re.M)))
    return done.returncode == 0, failed or [f"exit {done.returncode}"]


def unplanted():
    """Bugs in the tree that nobody plants."""
    known = {bug for bug, _ in table()}
    known |= simulated()
    found = set()
    for folder in ("common", "worker", "coordinator", "cli", "tests/sim"):
        for path in (ROOT / folder).rglob("*.c"):
            found |= set(re.findall(r'FORESET_BUG\("([^"]+)"\)', path.read_text()))
    return sorted(found - known), sorted(known - found)


def main():
    folder = pathlib.Path(sys.argv[1])
    missed = 0
    sound = {}
    for bug, test in table():
        if test == "sim":  # the test sim_planted runs it
            if bug not in simulated():
                print(f"{bug:24} is to be planted in the simulator, which does not know it")
                missed += 1
            continue
        if test not in sound:
            sound[test], failed = run(folder, test)
            if not sound[test]:
                print(f"{test} fails without any bug: {', '.join(failed)}")
                missed += 1
        passed, failed = run(folder, test, bug)
        missed += passed
        print(f"{bug:24} {'NOT FOUND by' if passed else 'found by'} {test}: {', '.join(failed)}", flush=True)
    nobodys, gone = unplanted()
    for bug in nobodys:
        print(f"{bug:24} stands in the code, but nothing plants it")
    for bug in gone:
        print(f"{bug:24} is to be planted, but stands nowhere in the code")
    return 1 if missed or nobodys or gone else 0


if __name__ == "__main__":
    sys.exit(main())
