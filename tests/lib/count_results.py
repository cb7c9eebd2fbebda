#!/usr/bin/env python3
"""Adds up JUnit files: count_results.py PHASE=FILE...  The last line printed is `N passed, N failed[, N skipped]`.

ctest knows programs, not the tests in them: a testcase that holds cmocka's report counts as many tests as cmocka ran.
A phase whose file is missing or broken counts as one failure. With CI set, a skipped test is a failure: exit 1.
Standard library only.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CMOCKA = {word: re.compile(rf"\[\s*{word}\s*\] (\d+) test\(s\)", re.I) for word in ("PASSED", "FAILED", "SKIPPED")}
SELF_COUNTED = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def counts_of(case):
    """(passed, failed, skipped) of one <testcase>."""
    text = "".join(case.itertext())
    broken = case.find("failure") is not None or case.find("error") is not None or case.get("status") == "fail"
    if found := SELF_COUNTED.findall(text):
        passed, failed = map(int, found[-1])
        return passed, max(failed, int(broken)), 0
    passed, failed, skipped = (sum(map(int, CMOCKA[word].findall(text))) for word in CMOCKA)
    if passed or failed or skipped:
        return passed, max(failed, int(broken)), skipped
    if broken:
        return 0, 1, 0
    if case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
        return 0, 0, 1
    return 1, 0, 0


def main():
    total = [0, 0, 0]
    failures, skips = [], []
    for argument in sys.argv[1:]:
        phase, _, path = argument.partition("=")
        try:
            cases = list(ElementTree.parse(path).getroot().iter("testcase"))
        except (OSError, ElementTree.ParseError) as problem:
            total[1] += 1
            failures.append(f"{phase}: no result ({problem})")
            continue
        for case in cases:
            counts = counts_of(case)
            name = f"{phase}: {case.get('classname') or ''} {case.get('name')}"
            total = [a + b for a, b in zip(total, counts)]
            failures += [name] * bool(counts[1])
            skips += [name] * bool(counts[2])
    for word, names in (("FAILED", failures), ("SKIPPED", skips)):
        for name in names:
            print(f"{word} {name}")
    if skips and os.environ.get("CI"):
        print("nothing may be skipped where CI is set")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or (skips and os.environ.get("CI")) else 0


if __name__ == "__main__":
    sys.exit(main())
