"""Dates and times that Spark writes in its LEGACY modes and as INT96, read as Spark reads them: the calendar is Julian
before 1582-10-15, and before 1900 a zone's offset is another in either calendar."""

import json

import foreset
import pyarrow.parquet as pq
import pytest
import readers

# A moment every three years or so, from long before the Julian day 0 until after 2300; more around the changes.
STEP_US, FROM_US, TO_US = 98_765_432_123_457, -300_000_000_000_000_000, 10_500_000_000_000_000
BORDERS_S = [-12_219_292_800, -2_208_988_800, -62_135_596_800, -17_987_443_200, -210_866_803_200, 0]
ZONES = ["UTC", "America/Los_Angeles", "Europe/Paris", "Asia/Kathmandu", "Asia/Hong_Kong", "Australia/Lord_Howe",
         "Africa/Casablanca", "Pacific/Apia", "+05:30"]
MODES = ["INT96", "TIMESTAMP_MICROS", "TIMESTAMP_MILLIS"]


@pytest.fixture(scope="module")
def session():
    spark = readers.spark()
    names = ["spark.sql.parquet.datetimeRebaseModeInWrite", "spark.sql.parquet.int96RebaseModeInWrite",
             "spark.sql.parquet.outputTimestampType", "spark.sql.session.timeZone"]
    before = {name: spark.conf.get(name) for name in names}
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


def write(spark, path, zone, kind, mode, moments):
    spark.conf.set("spark.sql.parquet.datetimeRebaseModeInWrite", mode)
    spark.conf.set("spark.sql.parquet.int96RebaseModeInWrite", mode)
    spark.conf.set("spark.sql.parquet.outputTimestampType", kind)
    spark.conf.set("spark.sql.session.timeZone", zone)
    frame = spark.createDataFrame([(n, us) for n, us in enumerate(moments)], "n INT, us LONG")
    frame.selectExpr("n", "timestamp_micros(us) AS t", "CAST(timestamp_micros(us) AS DATE) AS d",
                     "array(CAST(timestamp_micros(us) AS DATE), NULL) AS days",
                     "named_struct('t', timestamp_micros(us)) AS s") \
         .repartition(1).write.format("delta").mode("overwrite").save(str(path))
    spark.conf.set("spark.sql.session.timeZone", "UTC")


def by_spark(spark, path):
    frame = spark.read.format("delta").load(str(path)).selectExpr(
        "n", "CAST(t AS STRING)", "CAST(d AS STRING)", "CAST(days[0] AS STRING)", "CAST(s.t AS STRING)")
    return {row[0]: tuple(row[1:]) for row in frame.collect()}


def plain(text):
    """As CAST to STRING has it."""
    text = text.replace("T", " ").removesuffix("Z")
    return text.rstrip("0").rstrip(".") if "." in text else text


def by_foreset(path):
    done = foreset.run("tables", "show", path, "--format", "json").check()
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return {r["n"]: (plain(r["t"]), r["d"], r["days"][0], plain(r["s"]["t"])) for r in rows}


def footer_keys(path):
    [file] = path.glob("part-*.parquet")
    return {key.decode() for key in pq.read_metadata(file).metadata or {}}


def check(spark, path):
    wanted, found = by_spark(spark, path), by_foreset(path)
    wrong = [(n, wanted[n], found.get(n)) for n in wanted if wanted[n] != found.get(n)]
    assert wrong == [], f"{len(wrong)} of {len(wanted)}: {wrong[:5]}"
    return wanted


def moments(zone_number):
    spread = list(range(FROM_US + zone_number * 7_654_321_987, TO_US, STEP_US))
    around = range(-90_000_000_001, 90_000_000_000, 7_777_777_777)
    return spread + [s * 1_000_000 + us for s in BORDERS_S for us in around]


@pytest.mark.parametrize("zone", ZONES)
def test_legacy_files_show_the_dates_that_were_written(session, tmp_path, zone):
    kind = MODES[ZONES.index(zone) % len(MODES)]
    write(session, tmp_path / "t", zone, kind, "LEGACY", moments(ZONES.index(zone)))
    key = "org.apache.spark.legacyINT96" if kind == "INT96" else "org.apache.spark.legacyDateTime"
    assert key in footer_keys(tmp_path / "t")
    assert len(check(session, tmp_path / "t")) > 3000


@pytest.mark.parametrize("kind", MODES)
def test_corrected_files_are_taken_as_they_are(session, tmp_path, kind):
    write(session, tmp_path / "t", "America/Los_Angeles", kind, "CORRECTED", moments(0))
    assert not {k for k in footer_keys(tmp_path / "t") if "legacy" in k}
    check(session, tmp_path / "t")
