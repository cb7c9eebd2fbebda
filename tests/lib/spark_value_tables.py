"""Tables whose subject is values: partition columns, every type at its bounds, nesting, Parquet's forms, statistics."""

from spark_recipe import table


SPECIAL = ["plain", " space ", "a/b", "50%", "%41", "a:b", "a=b", "a+b", "a#b?c&d", "ünï", "日本", "😀", "q'uote",
           'dq"', "back\\slash",
           "{[]}", "tab\there", "new\nline", "*<>|^", "__HIVE_DEFAULT_PARTITION__x", "..", "\x01\x7f"]


def text(value):
    """A string literal of Spark's SQL."""
    return "'" + "".join(f"\\u{ord(c):04x}" if ord(c) < 32 or c in "'\\\x7f" else c for c in value) + "'"


def special_rows():
    rows = ", ".join(f"({i}, {text(v)}, {text(v[::-1])})" for i, v in enumerate(SPECIAL))
    return f"{rows}, (98, '', 'x'), (99, NULL, NULL)"


@table()
def partition_strings(t):
    t.create("id INT, p STRING, `q r:s` STRING", "PARTITIONED BY (p, `q r:s`)", columnMapping__mode="name")
    t.insert(special_rows())


@table()
def partition_folders(t):
    """The same in folders named after the columns: the file's path in the log is escaped twice."""
    t.create("id INT, p STRING, `ü+%:` STRING", "PARTITIONED BY (p, `ü+%:`)")
    t.insert(special_rows())


PARTITION_VALUES = {
    "b": ("BOOLEAN", "true", "false"), "y": ("TINYINT", "-128", "127"), "h": ("SMALLINT", "-32768", "32767"),
    "i": ("INT", "-2147483648", "2147483647"), "l": ("BIGINT", "-9223372036854775808L", "9223372036854775807L"),
    "f": ("FLOAT", "CAST('-Infinity' AS FLOAT)", "CAST(1.5e10 AS FLOAT)"),
    "d": ("DOUBLE", "CAST('NaN' AS DOUBLE)", "-1.5E-7D"),
    "dec": ("DECIMAL(38,10)", "-1234567890.0000000001", "0.5"), "e": ("DECIMAL(4,0)", "-9999", "0"),
    "day": ("DATE", "DATE'0001-01-01'", "DATE'9999-12-31'"),
    "ts": ("TIMESTAMP", "TIMESTAMP'1969-12-31 23:59:59.999999'", "TIMESTAMP'2024-02-29 12:30:00'"),
    "n": ("TIMESTAMP_NTZ", "TIMESTAMP_NTZ'1900-01-01 00:00:00'", "TIMESTAMP_NTZ'2024-02-29 12:30:00.123456'"),
    "x": ("BINARY", "X'414243'", "X'2F25'"),
}


def partition_types_of(t):
    t.create("id INT, " + ", ".join(f"{name} {kind}" for name, (kind, _, _) in PARTITION_VALUES.items()),
             f"PARTITIONED BY ({', '.join(PARTITION_VALUES)})")
    rows = [", ".join(value[at] for value in PARTITION_VALUES.values()) for at in (1, 2)]
    return t.insert(f"(1, {rows[0]}), (2, {rows[1]}), (3{', NULL' * len(PARTITION_VALUES)})")


@table(where=("y = -128", "day > DATE'2000-01-01'", "ts IS NULL", "dec < 0", "b",
              "n = TIMESTAMP_NTZ'1900-01-01 00:00:00'"))
def partition_types(t):
    partition_types_of(t)


@table()
def partition_times_without_zone(t):
    t.set(spark__databricks__delta__write__utcTimestampPartitionValues="false")
    partition_types_of(t).need("Z" not in t.actions("add")[0]["partitionValues"]["ts"], "the zone is written")


@table()
def only_partition_columns_differ(t):
    t.write("SELECT id, CAST(id AS STRING) AS p FROM range(3)", partition_by=["p"])
    t.sql("DELETE FROM $T WHERE p = '1'")


BOUNDS = """b BOOLEAN, y TINYINT, h SMALLINT, i INT, l BIGINT, f FLOAT, d DOUBLE, s STRING, x BINARY, day DATE,
    ts TIMESTAMP, n TIMESTAMP_NTZ, d1 DECIMAL(9,2), d2 DECIMAL(18,0), d3 DECIMAL(38,38), d4 DECIMAL(20,0)"""
NINES = "0." + 38 * "9"
BOUND_ROWS = f"""
    (true, -128, -32768, -2147483648, -9223372036854775808L, CAST('-Infinity' AS FLOAT), CAST('NaN' AS DOUBLE), '', X'',
     DATE'0001-01-01', TIMESTAMP'0001-01-01 00:00:00', TIMESTAMP_NTZ'0001-01-01 00:00:00', -9999999.99,
     -999999999999999999, -{NINES}, -99999999999999999999),
    (false, 127, 32767, 2147483647, 9223372036854775807L, CAST(3.4028235e38 AS FLOAT), 4.9E-324D,
     'ü日😀 "\\\\\\n', X'00FF80', DATE'9999-12-31', TIMESTAMP'9999-12-31 23:59:59.999999',
     TIMESTAMP_NTZ'9999-12-31 23:59:59.999999', 9999999.99, 999999999999999999, {NINES}, 99999999999999999999),
    (NULL, 0, 0, 0, 0, CAST(1.4e-45 AS FLOAT), -0.0D, repeat('long ', 100), X'', DATE'1582-10-15',
     TIMESTAMP'1582-10-15 00:00:00', TIMESTAMP_NTZ'1969-12-31 23:59:59.999999', 0, 0, CAST(0 AS DECIMAL(38,38)), 0),
    (NULL{15 * ", NULL"})"""


@table(where=("y < 0", "l = 9223372036854775807L", "d = 4.9E-324D", "s = ''", "day >= DATE'1582-10-15'", "d3 > 0",
              "x = X''", "ts < TIMESTAMP'1000-01-01 00:00:00'", "b IS NULL", "isnan(d)", "f > 1",
              "s > 'long long long long long long long lon'"))
def bounds(t):
    t.create(BOUNDS).insert(BOUND_ROWS)


@table(where=("y < 0", "s LIKE 'long%'", "d4 = 99999999999999999999", "n IS NOT NULL AND h = 0"))
def bounds_mapped_by_id(t):
    t.create(BOUNDS, columnMapping__mode="id").insert(BOUND_ROWS)


@table()
def bounds_legacy_format(t):
    t.set(spark__sql__parquet__writeLegacyFormat="true").create(BOUNDS).insert(BOUND_ROWS)


@table()
def bounds_pages_v2(t):
    t.session.conf.set("parquet.writer.version", "v2")
    t.create(BOUNDS).insert(BOUND_ROWS)


@table()
def bounds_without_dictionary(t):
    t.session.conf.set("parquet.enable.dictionary", "false")
    t.session.conf.set("parquet.writer.version", "v2")
    t.create(BOUNDS).insert(BOUND_ROWS)


@table()
def decimals(t):
    kinds = [(1, 0), (1, 1), (4, 2), (9, 0), (9, 9), (10, 3), (18, 18), (19, 0), (19, 19), (27, 5), (38, 0), (38, 37)]
    t.create(", ".join(f"d{p}_{s} DECIMAL({p},{s})" for p, s in kinds))
    digit = lambda p, s, d: (d * (p - s) or "0") + ("." + d * s if s else "")  # noqa: E731
    t.insert(", ".join(f"({', '.join(sign + digit(p, s, d) for p, s in kinds)})" for sign in ("", "-") for d in "190")
             + f", (NULL{', NULL' * (len(kinds) - 1)})")


def decimal_dictionary(t):
    t.write("SELECT CAST(id % 5 AS DECIMAL(9,2)) AS a, CAST(id % 7 AS DECIMAL(18,3)) - 3 AS b, "
            "CAST((id % 11) * 123456789 AS DECIMAL(38,6)) AS c, IF(id % 3 = 0, NULL, CAST(id AS DECIMAL(20,0))) AS d "
            "FROM range(500)")


@table()
def decimal_dictionaries(t):
    decimal_dictionary(t)


@table()
def decimal_dictionaries_v2(t):
    t.session.conf.set("parquet.writer.version", "v2")
    decimal_dictionary(t)


ALL = ("1Y", "2S", "3", "4L", "1.5F", "2.5D", "true", "'text'", "X'0102'", "1.25", "DATE'2024-01-02'",
       "TIMESTAMP'2024-01-02 03:04:05'", "TIMESTAMP_NTZ'2024-01-02 03:04:05'")


def nested_of(t):
    columns = [part for i, v in enumerate(ALL) for part in (
        f"array({v}, NULL, {v}) AS a{i}", f"map('k', {v}, 'n', NULL) AS m{i}", f"map({v}, {i}) AS k{i}")]
    fields = ", ".join(f"'f{i}', {v}" for i, v in enumerate(ALL))
    t.write(f"SELECT 1 AS id, {', '.join(columns)}, named_struct({fields}) AS s")
    t.write("SELECT 1 AS id, array(array(1, NULL), NULL, array()) AS aa, "
            "array(named_struct('x', 1, 'l', array('p', NULL))) AS al, "
            "map('a', map(1, array(named_struct('q', 1)))) AS mm, "
            "named_struct('s', named_struct('t', named_struct('u', map('z', array(1.5D))))) AS ss, "
            "array(map('a', 1), NULL, map()) AS am", mergeSchema="true")
    t.write("SELECT 2 AS id, CAST(NULL AS ARRAY<ARRAY<INT>>) AS aa, "
            "CAST(array() AS ARRAY<STRUCT<x: INT, l: ARRAY<STRING>>>) AS al, "
            "CAST(map() AS MAP<STRING, MAP<INT, ARRAY<STRUCT<q: INT>>>>) AS mm, "
            "named_struct('s', CAST(NULL AS STRUCT<t: STRUCT<u: MAP<STRING, ARRAY<DOUBLE>>>>)) AS ss")


@table()
def nested(t):
    nested_of(t)


@table()
def nested_legacy_format(t):
    t.set(spark__sql__parquet__writeLegacyFormat="true")
    nested_of(t)


@table()
def nested_pages_v2(t):
    t.session.conf.set("parquet.writer.version", "v2")
    nested_of(t)


def times_as(t, kind, old):
    t.set(spark__sql__parquet__outputTimestampType=kind)
    times = (old, "1970-01-01 00:00:00", "1969-12-31 23:59:59.999", "2024-02-29 01:02:03.456",
             "2200-01-01 00:00:00.001")
    rows = ", ".join(f"({i}, TIMESTAMP'{time}')" for i, time in enumerate(times))
    t.write("SELECT id, ts, array(ts, NULL) AS l, map(id, ts) AS m, named_struct('ts', ts) AS s "
            f"FROM VALUES {rows}, (6, NULL) AS v(id, ts)")


@table()
def times_int96(t):
    times_as(t, "INT96", "1900-01-01 00:00:00.001")


@table()
def times_millis(t):
    times_as(t, "TIMESTAMP_MILLIS", "1800-01-01 00:00:00.001")


@table()
def times_micros(t):
    times_as(t, "TIMESTAMP_MICROS", "1800-01-01 00:00:00.000001")


@table()
def times_mixed(t):
    for kind in ("INT96", "TIMESTAMP_MILLIS", "TIMESTAMP_MICROS"):
        times_as(t, kind, "1950-01-01 00:00:00.001")


@table()
def times_of_other_zones(t):
    t.create("zone STRING, ts TIMESTAMP, n TIMESTAMP_NTZ, d DATE, p TIMESTAMP", "PARTITIONED BY (p)")
    for zone in ("America/Los_Angeles", "Asia/Beirut", "Etc/GMT+9", "Iceland", "JST"):
        t.set(spark__sql__session__timeZone=zone)
        t.insert(f"('{zone}', TIMESTAMP'2020-01-01 08:09:10', TIMESTAMP_NTZ'2020-01-01 08:09:10', DATE'2020-01-01', "
                 "TIMESTAMP'2020-07-01 08:09:10.001')")


@table()
def codecs(t):
    for codec in ("uncompressed", "snappy", "gzip", "zstd", "lz4", "lz4_raw"):
        t.set(spark__sql__parquet__compression__codec=codec)
        t.write(f"SELECT id, '{codec}' AS codec, repeat(CAST(id AS STRING), 50) AS s, id % 3 = 0 AS b FROM range(300)")


@table()
def small_pages(t):
    for name, value in (("parquet.page.size", "64"), ("parquet.page.row.count.limit", "7"),
                        ("parquet.block.size", "2048"),
                        ("parquet.dictionary.page.size", "64"), ("parquet.bloom.filter.enabled", "true")):
        t.session.conf.set(name, value)
    t.write("SELECT id, CAST(id AS STRING) AS s, IF(id % 7 = 0, NULL, array_repeat(id, CAST(id % 4 AS INT))) AS l, "
            "map(id, named_struct('a', IF(id % 2 = 0, NULL, id))) AS m FROM range(700)")


# ---- statistics

@table(where=("id = 15", "id > 25", "s = 'k29'", "big = 7", "id IS NULL", "p = 1 AND id < 5", "st.a >= 28",
              "NOT (id < 29)",
              "id IN (3, 17)", "s LIKE 'k1%'", "d > 1.0D"))
def skipping(t):
    t.create("id INT, p INT, s STRING, big BIGINT, st STRUCT<a: INT>, d DOUBLE", "PARTITIONED BY (p)",
             dataSkippingNumIndexedCols=3)
    for low in (0, 10, 20):
        t.write("SELECT CAST(id AS INT) AS id, CAST(id % 2 AS INT) AS p, concat('k', id) AS s, id AS big, "
                "named_struct('a', CAST(id AS INT)) AS st, IF(id = 11, CAST('NaN' AS DOUBLE), 0.5D) AS d "
                f"FROM range({low}, {low + 10})")
    t.insert("(NULL, NULL, NULL, NULL, NULL, NULL)")


@table(where=("s >= repeat('é', 40)", "s < repeat('a', 33)", "s = concat(repeat('😀', 40), 'x')", "id = 2"))
def skipping_truncated(t):
    """Statistics keep 32 characters of a string: the greatest is rounded up."""
    t.create("id INT, s STRING, other INT", dataSkippingStatsColumns="s")
    t.insert("(1, repeat('a', 40), 1)", "(2, concat(repeat('😀', 40), 'x'), 2)",
             "(3, concat(repeat('é', 40), 'z'), 3)")


@table(where=("id > 2", "v IS NULL"))
def without_statistics(t):
    t.set(spark__databricks__delta__stats__collect="false")
    t.create("id INT, v INT").insert("(1, NULL), (2, 2)", "(3, 3)")
    t.need(not any(add.get("stats") for add in t.actions("add")), "there are statistics")


@table(where=("id = 4", "id = 3"))
def skipping_of_deleted_rows(t):
    """Deletion vectors leave bounds that are wider than the rows."""
    t.create("id INT", enableDeletionVectors="true").write("SELECT CAST(id AS INT) AS id FROM range(5)")
    t.sql("DELETE FROM $T WHERE id = 4")


@table()
def many_columns(t):
    t.write("SELECT " + ", ".join(f"id * {i} AS c{i}" for i in range(40)) + " FROM range(3)")
