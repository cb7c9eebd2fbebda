"""Interval expressions as Spark 4.1 prints them, and their types: an interval keeps the fields it was written with."""

import foreset
from deltalake import DeltaTable

# (expression, CAST(… AS STRING), typeof(…))
ANSWERS = [
    ("INTERVAL '1' DAY", "INTERVAL '1' DAY", "interval day"),
    ("INTERVAL 1 DAY 2 HOURS", "INTERVAL '1 02' DAY TO HOUR", "interval day to hour"),
    ("INTERVAL 3 WEEKS", "INTERVAL '21' DAY", "interval day"),
    ("INTERVAL 1500 MILLISECONDS", "INTERVAL '01.5' SECOND", "interval second"),
    ("INTERVAL '100:30' MINUTE TO SECOND", "INTERVAL '100:30' MINUTE TO SECOND", "interval minute to second"),
    ("INTERVAL '-1 02:03:04.5' DAY TO SECOND", "INTERVAL '-1 02:03:04.5' DAY TO SECOND", "interval day to second"),
    ("INTERVAL '1 02' DAY TO HOUR", "INTERVAL '1 02' DAY TO HOUR", "interval day to hour"),
    ("INTERVAL '-25' HOUR", "INTERVAL '-25' HOUR", "interval hour"),
    ("INTERVAL '1-2' YEAR TO MONTH", "INTERVAL '1-2' YEAR TO MONTH", "interval year to month"),
    ("INTERVAL 14 MONTHS", "INTERVAL '14' MONTH", "interval month"),
    ("INTERVAL '1 hour 30 minutes'", "INTERVAL '01:30' HOUR TO MINUTE", "interval hour to minute"),
    ("INTERVAL 1 DAY + INTERVAL 2 HOUR", "INTERVAL '1 02' DAY TO HOUR", "interval day to hour"),
    ("INTERVAL 1 YEAR + INTERVAL 1 MONTH", "INTERVAL '1-1' YEAR TO MONTH", "interval year to month"),
    ("INTERVAL 2 DAY / 4", "INTERVAL '0 12:00:00' DAY TO SECOND", "interval day to second"),
    ("-INTERVAL 2 HOUR", "INTERVAL '-02' HOUR", "interval hour"),
    ("DATE'2024-01-05' - DATE'2024-01-01'", "INTERVAL '4' DAY", "interval day"),
    ("TIMESTAMP'2024-01-05 12:00:00' - TIMESTAMP'2024-01-01 00:00:00'",
     "INTERVAL '4 12:00:00' DAY TO SECOND", "interval day to second"),
    ("DATE'2024-01-05' + (DATE'2024-01-05' - DATE'2024-01-01')", "2024-01-09", "date"),
    ("DATE'2024-01-05' + INTERVAL 36 HOURS", "2024-01-06 12:00:00", "timestamp"),
    ("coalesce(CAST(NULL AS INTERVAL DAY), INTERVAL 2 HOURS)", "INTERVAL '0 02' DAY TO HOUR", "interval day to hour"),
    ("greatest(INTERVAL 1 DAY, INTERVAL 30 HOUR)", "INTERVAL '1 06' DAY TO HOUR", "interval day to hour"),
    ("INTERVAL 1 DAY = INTERVAL 24 HOUR", "true", "boolean"),
    ("CAST(INTERVAL '-1 02:03:04' DAY TO SECOND AS INTERVAL DAY)", "INTERVAL '-1' DAY", "interval day"),
    ("CAST(INTERVAL '14' MONTH AS INTERVAL YEAR)", "INTERVAL '1' YEAR", "interval year"),
    ("CAST(5 AS INTERVAL MONTH)", "INTERVAL '5' MONTH", "interval month"),
    ("CAST(5 AS INTERVAL HOUR TO SECOND)", "INTERVAL '00:00:05' HOUR TO SECOND", "interval hour to second"),
    ("CAST(INTERVAL '1 02' DAY TO HOUR AS INT)", "26", "int"),
    ("CAST(INTERVAL '-1 02:03:04.9' DAY TO SECOND AS BIGINT)", "-93784", "bigint"),
    ("CAST(INTERVAL '5.25' SECOND AS DECIMAL(10,1))", "5.3", "decimal(10,1)"),
    ("CAST(INTERVAL '90' MINUTE AS DECIMAL(10,2))", "90.00", "decimal(10,2)"),
    ("array(INTERVAL 1 DAY, INTERVAL 2 HOUR)",
     "[INTERVAL '1 00' DAY TO HOUR, INTERVAL '0 02' DAY TO HOUR]", "array<interval day to hour>"),
    ("INTERVAL '-0.5' SECOND", "INTERVAL '-00.5' SECOND", "interval second")]


def test_intervals_keep_their_fields(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "1.jsonl").write_text('{"id": 1}\n')
    columns = ", ".join(f"CAST({text} AS STRING) AS r{i}, typeof({text}) AS t{i}"
                        for i, (text, _, _) in enumerate(ANSWERS))
    (tmp_path / "p.sql").write_text(f"CREATE OR REFRESH STREAMING TABLE t AS SELECT {columns} "
                                    "FROM STREAM read_files('in', format => 'json', schema => 'id INT');\n")
    foreset.run("run", "p.sql", "--available-now", "--warehouse", "w", cwd=tmp_path).check()
    (row,) = DeltaTable(str(tmp_path / "w" / "t")).to_pyarrow_table().to_pylist()
    assert [(text, row[f"r{i}"], row[f"t{i}"]) for i, (text, _, _) in enumerate(ANSWERS)] == ANSWERS
