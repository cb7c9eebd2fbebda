"""Random streaming queries beside Spark itself: each batch emits the same rows, and what Spark refuses is refused.

A few in every run, a hundred in a long one. FORESET_SPARK_SEED and FORESET_SPARK_CASES choose what is asked; a failure
names its seed.
"""

import os
import random

import pytest
import spark_stream
from stream_case import StreamCase, check_batches, check_refused, same

SEED = int(os.environ.get("FORESET_SPARK_SEED", "1"))
CASES = int(os.environ.get("FORESET_SPARK_CASES", "100" if os.environ.get("FORESET_LONG") else "6"))


@pytest.mark.parametrize("seed", range(SEED, SEED + CASES))
def test_equals_spark(seed, tmp_path):
    spark_stream.make(random.Random(seed), tmp_path / "case")
    case = StreamCase(tmp_path / "case", tmp_path / "run")
    print((case.source / "pipeline.sql").read_text())
    done = case.run()
    facts = case.tables["gold"]
    if "error" in facts:
        print(facts["words"])
        check_refused(case, done)
        return
    done.check()
    same("columns", [f"{name} {kind}" for name, kind in facts["columns"].items()],
         [f"{name} {kind}" for name, kind in case.actual_columns("gold").items()])
    check_batches(case, "gold")
