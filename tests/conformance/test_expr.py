"""Every expression case is equal to Spark or refused before it starts; a different result is never right.

One test a category: it fails with each wrong case, and prints how many are equal and how many are still refused.
FORESET_EXPR_REFUSED=1 prints the refusals too.
"""

import collections
import concurrent.futures
import os

import foreset
import pytest
from expr_case import judge, load

CASES = collections.defaultdict(list)
for one in load():
    CASES[one["category"]].append(one)


def test_cases_are_there():
    foreset.data("conformance", "expr", "cases.jsonl")
    assert CASES


@pytest.mark.parametrize("category", sorted(CASES))
def test_equals_spark_or_is_refused(category):
    cases = CASES[category]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        verdicts = list(pool.map(judge, cases))
    count = collections.Counter(verdict.split(":")[0] for verdict in verdicts)
    print(f"{category}: {count['equal']} equal, {count['refused']} refused, {count['wrong']} wrong")
    shown = ("wrong", "refused") if os.environ.get("FORESET_EXPR_REFUSED") else ("wrong",)
    lines = [f"{case['id']} {case.get('select') or case['query']} — {verdict}"
             for case, verdict in zip(cases, verdicts) if verdict.startswith(shown)]
    print(*lines, sep="\n")
    assert count["equal"] and not count["wrong"], "\n".join(lines[:40])
