"""The expression cases with other rows and literals equal what Spark answers while the test runs, or are refused.

A few in every run, many in a long one; FORESET_SPARK_SEED and FORESET_SPARK_CASES as in test_spark_stream.py.
"""

import os
import random

import spark_expr
from expr_case import judge

SEED = int(os.environ.get("FORESET_SPARK_SEED", "1"))
CASES = int(os.environ.get("FORESET_SPARK_CASES", "500" if os.environ.get("FORESET_LONG") else "40"))


def test_equals_spark_or_is_refused():
    wrong, equal = [], 0
    for case in spark_expr.mutants(random.Random(SEED), CASES):
        verdict = judge(case)
        equal += verdict == "equal"
        if verdict.startswith("wrong"):
            wrong.append(f"{case['id']} {case.get('select') or case['query']} over {case.get('rows')}: {verdict}")
    assert equal
    assert not wrong, "\n".join(wrong)
