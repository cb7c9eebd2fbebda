#!/usr/bin/env python3
"""Adds up JUnit files: count_results.py PHASE=FILE...  The last line printed is `N passed, N failed[, N skipped]`.

ctest knows programs, not the tests in them: a testcase that holds cmocka's report counts as many tests as cmocka ran.
A phase whose file is missing or broken counts as one failure. With CI set a skipped test is a failure (exit 1), unless
it says that an optional corpus is missing. Standard library only.
"""

import os
import re
import sys
import xml.etree.ElementTree as ElementTree

CMOCKA = {word: re.compile(rf"\[\s*{word}\s*\] (\d+) test\(s\)", re.I) for word in ("PASSED", "FAILED", "SKIPPED")}
OPTIONAL = "optional corpus missing: "
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


def reason_of(case):
    """Why the tests of a <testcase> were skipped: the optional corpus, else the first line of what was said."""
    text = "\n".join(filter(None, [node.get("message") for node in case.iter("skipped")] + list(case.itertext())))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in lines if line.startswith(OPTIONAL)), lines[0] if lines else "")


def main():
    total = [0, 0, 0]
    failures, skips, forbidden = [], [], 0
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
            if counts[2]:
                reason = reason_of(case)
                skips.append(f"{name}: {reason}")
                forbidden += not reason.startswith(OPTIONAL)
    for word, names in (("FAILED", failures), ("SKIPPED", skips)):
        for name in names:
            print(f"{word} {name}")
    forbidden = forbidden if os.environ.get("CI") else 0
    if forbidden:
        print("where CI is set only optional corpora may be missing")
    print(f"{total[0]} passed, {total[1]} failed" + (f", {total[2]} skipped" if total[2] else ""))
    return 1 if total[1] or forbidden else 0


if __name__ == "__main__":
    sys.exit(main())
