"""The expression cases with other rows and literals equal what Spark answers while the test runs, or are refused.

A few in every run, many in a long one; FORESET_SPARK_SEED and FORESET_SPARK_CASES as in test_spark_stream.py.
"""

import os
import random

import pytest
import spark_expr
from expr_case import judge

SEED = int(os.environ.get("FORESET_SPARK_SEED", "1"))
CASES = int(os.environ.get("FORESET_SPARK_CASES", "500" if os.environ.get("FORESET_LONG") else "40"))


# Once wrong here.
FOUND = ["a + 1 / z", "1 / z + a", "a + 1 / 0", "NULL + 1 / 0", "a IN (1 / z)", "nullif(a, 1 / z)",
         "greatest(a, 1 / z)",
         "make_date(CAST(a AS INT), 1, CAST(b AS INT))", "typeof(1 / z)", "from_unixtime(9223372036854775807)",
         "to_date(b, 'MONDAY')", "b LIKE 'x%%_a' ESCAPE '%'", "b LIKE 'x%é_a'", "like(b, 'x', 'xy')",
         "str_to_map('a:1,a:2')", "str_to_map('a1b2c', '[0-9]', ':')", "split('ab', '')", "format_number(d, 10)",
         "format_number(d, '##################.###')", "format_string('%.2f|%,d|%5s|', 1.005D, 1234567, b)",
         "regexp_count('x😀', 'a*')", "size(regexp_extract_all('x😀', '(a*)', 1))",
         r"regexp_count('x😀y', '\\b')", "regexp_count('x😀', '(?=😀)')", "regexp_extract_all('😀b', '(b?)', 1)",
         "make_timestamp(12, 13, 3, 12, 0, 0, 'MONDAY')", "make_timestamp(2024, 7, 3, 12, 0, 0, 'Europe/Berlin')",
         "make_timestamp(-290307, 1, 1, 0, 0, 0, 'Europe/Berlin')"]


@pytest.mark.parametrize("select", FOUND)
def test_found_earlier(select):
    rows = [{"a": None, "b": "x%é_a", "z": 0, "d": 1234567.891}]
    for case in spark_expr.answered(select, "a DOUBLE, b STRING, z INT, d DOUBLE", rows):
        assert judge(case) == "equal"


def test_equals_spark_or_is_refused():
    wrong, equal = [], 0
    for case in spark_expr.mutants(random.Random(SEED), CASES):
        verdict = judge(case)
        equal += verdict == "equal"
        if verdict.startswith("wrong"):
            wrong.append(f"{case['id']} {case.get('select') or case['query']} over {case.get('rows')}: {verdict}")
    assert equal
    assert not wrong, "\n".join(wrong)
