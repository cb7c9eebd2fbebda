"""Tables whose subject is a table feature of the Delta protocol."""

from spark_log_tables import checkpointed
from spark_recipe import table


@table(versions=True)
def deletion_vectors(t):
    t.create("id INT, v STRING", enableDeletionVectors="true")
    t.write("SELECT CAST(id AS INT) AS id, 'a' AS v FROM range(10)")
    t.write("SELECT CAST(id + 10 AS INT) AS id, 'b' AS v FROM range(10)")
    t.sql("DELETE FROM $T WHERE id % 5 = 1", "DELETE FROM $T WHERE id IN (0, 19)",
          "UPDATE $T SET v = 'c' WHERE id = 2 OR id = 12", "DELETE FROM $T WHERE id >= 10 AND id < 20 AND v = 'b'")
    t.need(sum("deletionVector" in add for add in t.actions("add")) > 3, "few deletion vectors")
    t.sql("REORG TABLE $T APPLY (PURGE)").insert("(30, 'd')")


@table()
def deletion_vector_containers(t):
    """Arrays, bitmaps and runs of the roaring bitmap, in several buckets of 65,536 rows."""
    t.create("id BIGINT", enableDeletionVectors="true").write("SELECT id FROM range(0, 270000, 1, 1)")
    t.sql("DELETE FROM $T WHERE (id < 65536 AND id % 2 = 0) OR (id >= 65536 AND id < 140000) OR "
          "(id >= 200000 AND id % 1000 = 7)")
    t.need(any("deletionVector" in add for add in t.actions("add")), "no deletion vector")


@table(versions=True)
def deletion_vectors_and_mapping(t):
    t.create("id INT, p STRING, v INT", "PARTITIONED BY (p)", enableDeletionVectors="true",
             columnMapping__mode="name")
    t.write("SELECT CAST(id AS INT) AS id, CAST(id % 2 AS STRING) AS p, CAST(id AS INT) AS v FROM range(10)")
    t.sql("DELETE FROM $T WHERE id IN (1, 2, 3)", "ALTER TABLE $T RENAME COLUMN v TO w", "DELETE FROM $T WHERE w = 4",
          "ALTER TABLE $T DROP COLUMN w", "ALTER TABLE $T ADD COLUMN w BIGINT").insert("(20, '0', 5)")


def mapped(t, mode):
    t.create("id INT, s STRUCT<a: INT, b: STRUCT<c: STRING, d: INT>>, l ARRAY<STRUCT<x: INT, y: INT>>, "
             "m MAP<STRING, STRUCT<k: INT, j: INT>>, gone STRING, n TIMESTAMP_NTZ, p DATE", "PARTITIONED BY (p)",
             columnMapping__mode=mode)
    row = ("({0}, named_struct('a', {0}, 'b', named_struct('c', 'c{0}', 'd', {0})), array(named_struct('x', {0}, 'y', "
           "1)), map('k', named_struct('k', {0}, 'j', 2)), 'gone', TIMESTAMP_NTZ'2024-02-29 01:02:03.000004', "
           "DATE'2024-01-0{0}')")
    t.insert(row.format(1))
    t.sql("ALTER TABLE $T RENAME COLUMN id TO `key`", "ALTER TABLE $T RENAME COLUMN s.b.c TO see",
          "ALTER TABLE $T RENAME COLUMN l.element.x TO ex", "ALTER TABLE $T RENAME COLUMN m.value.k TO kay",
          "ALTER TABLE $T RENAME COLUMN p TO `part of`").insert(row.format(2))
    t.sql("ALTER TABLE $T DROP COLUMNS (gone, s.b.d, l.element.y)",
          "ALTER TABLE $T ADD COLUMNS (gone BIGINT, s.b.d DATE)")
    t.sql("INSERT INTO $T SELECT 3, s, l, m, n, `part of`, 3L FROM $T WHERE `key` = 1")


@table(versions=True)
def mapping_by_name(t):
    mapped(t, "name")


@table(versions=True)
def mapping_by_id(t):
    mapped(t, "id")


@table(versions=True)
def mapping_added_later(t):
    t.write("SELECT 1 AS a, 'x' AS b, 7 AS p", partition_by=["p"])
    t.sql("ALTER TABLE $T SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name', 'delta.minReaderVersion' = '2', "
          "'delta.minWriterVersion' = '5')", "ALTER TABLE $T RENAME COLUMN a TO b2",
          "ALTER TABLE $T RENAME COLUMN b TO a", "ALTER TABLE $T RENAME COLUMN p TO q").insert("(2, 'y', 8)")


@table()
def mapping_of_strange_names(t):
    t.create("`a b` INT, `c,d;e` INT, `{f}(g)` INT, `h=i` INT, `j\tk\nl` INT, `m.n` INT, `ü/%20` INT, "
             "s STRUCT<`x y`: INT, `.z`: INT>", "PARTITIONED BY (`h=i`, `ü/%20`)", columnMapping__mode="name")
    t.insert("(1, 2, 3, 4, 5, 6, 7, named_struct('x y', 8, '.z', 9))")


@table(versions=True)
def change_data_feed(t):
    t.create("id INT, v STRING", enableChangeDataFeed="true").insert("(1, 'a'), (2, 'b'), (3, 'c')")
    t.sql("UPDATE $T SET v = 'z' WHERE id = 2", "DELETE FROM $T WHERE id = 1")
    t.need((t.path / "_change_data").exists() and t.actions("cdc"), "no change data")


@table()
def clustered(t):
    t.create("id INT, name STRING", "CLUSTER BY (id)").insert("(3, 'c'), (1, 'a')", "(2, 'b')").sql("OPTIMIZE $T")
    t.need(t.actions("domainMetadata"), "no domain")


@table()
def not_null(t):
    t.create("id INT NOT NULL, s STRUCT<a: INT NOT NULL, b: STRING> NOT NULL")
    t.insert("(1, named_struct('a', 1, 'b', NULL))")


@table()
def check_constraint(t):
    t.create("id INT").sql("ALTER TABLE $T ADD CONSTRAINT positive CHECK (id > 0)").insert("(1), (2)")


@table()
def generated_columns(t):
    t.create("ts TIMESTAMP, day DATE GENERATED ALWAYS AS (CAST(ts AS DATE)), "
             "twice INT GENERATED ALWAYS AS (id * 2), id INT", "PARTITIONED BY (day)")
    t.sql("INSERT INTO $T (ts, id) VALUES (TIMESTAMP'2024-03-01 12:00:00', 4), (NULL, NULL)")


@table()
def identity_columns(t):
    t.create("id BIGINT GENERATED ALWAYS AS IDENTITY (START WITH -5 INCREMENT BY 3), "
             "other BIGINT GENERATED BY DEFAULT AS IDENTITY, v STRING")
    t.sql("INSERT INTO $T (v) VALUES ('a'), ('b')", "INSERT INTO $T (other, v) VALUES (77, 'c')")


@table()
def column_defaults(t):
    t.create("id INT, v STRING DEFAULT 'none', d DATE DEFAULT DATE'2024-01-01'",
             feature__allowColumnDefaults="supported")
    t.sql("INSERT INTO $T (id) VALUES (1)", "ALTER TABLE $T ALTER COLUMN v SET DEFAULT 'later'",
          "INSERT INTO $T (id) VALUES (2)")


WIDENINGS = [("TINYINT", "-128", ("SMALLINT", "INT", "BIGINT", "DECIMAL(10,0)", "DECIMAL(12,2)", "DOUBLE")),
             ("SMALLINT", "-32768", ("INT", "BIGINT", "DECIMAL(10,0)", "DECIMAL(20,5)", "DOUBLE")),
             ("INT", "-2147483648", ("BIGINT", "DECIMAL(10,0)", "DECIMAL(38,18)", "DOUBLE")),
             ("BIGINT", "-9223372036854775808L", ("DECIMAL(20,0)", "DECIMAL(38,10)")),
             ("FLOAT", "CAST(1.1 AS FLOAT)", ("DOUBLE",)),
             ("DECIMAL(5,2)", "-999.99", ("DECIMAL(7,2)", "DECIMAL(9,4)", "DECIMAL(18,2)", "DECIMAL(19,3)",
                                          "DECIMAL(38,20)")),
             ("DECIMAL(18,4)", "99999999999999.9999", ("DECIMAL(20,4)", "DECIMAL(38,20)")),
             ("DATE", "DATE'1582-10-04'", ("TIMESTAMP_NTZ",))]


@table(versions=True)
def type_widening(t):
    """Every pair; rows before and behind the change, and a null."""
    pairs = [(f"c{i}_{j}", old, low, new) for i, (old, low, wider) in enumerate(WIDENINGS)
             for j, new in enumerate(wider)]
    t.create(", ".join(f"{name} {old}" for name, old, _, _ in pairs), enableTypeWidening="true",
             feature__timestampNtz="supported")
    rows = f"({', '.join(low for _, _, low, _ in pairs)}), ({', '.join('NULL' for _ in pairs)})"
    t.insert(rows).sql("ALTER TABLE $T ALTER COLUMN " + ", ".join(f"{name} TYPE {new}" for name, _, _, new in pairs))
    t.insert(rows)


@table()
def type_widening_nested(t):
    t.create("s STRUCT<a: TINYINT, d: DATE>, l ARRAY<INT>, m MAP<SMALLINT, FLOAT>, p TINYINT", "PARTITIONED BY (p)",
             enableTypeWidening="true",
             feature__timestampNtz="supported")
    row = "(named_struct('a', 1Y, 'd', DATE'2024-02-29'), array(1, NULL), map(1S, CAST(0.1 AS FLOAT)), {})"
    t.insert(row.format("-7"))
    t.sql("ALTER TABLE $T ALTER COLUMN s.a TYPE BIGINT", "ALTER TABLE $T ALTER COLUMN s.d TYPE TIMESTAMP_NTZ",
          "ALTER TABLE $T ALTER COLUMN l.element TYPE BIGINT", "ALTER TABLE $T ALTER COLUMN m.key TYPE INT",
          "ALTER TABLE $T ALTER COLUMN m.value TYPE DOUBLE", "ALTER TABLE $T ALTER COLUMN p TYPE INT")
    t.insert("(named_struct('a', 5000000000L, 'd', TIMESTAMP_NTZ'2024-01-01 00:00:01'), array(5000000000L), "
             "map(70000, 0.1D), 70000)")


@table()
def in_commit_timestamps(t):
    checkpointed(t, 3, 4, enableInCommitTimestamps="true")
    t.need("inCommitTimestamp" in t.actions("commitInfo")[-1], "no in-commit timestamp")


@table(versions=True)
def row_tracking(t):
    t.create("id INT, v STRING", enableRowTracking="true").insert("(1, 'a'), (2, 'b')")
    t.sql("UPDATE $T SET v = 'z' WHERE id = 2", "OPTIMIZE $T")
    t.need("baseRowId" in t.actions("add")[-1], "no row ids")


@table()
def append_only(t):
    t.create("id INT", appendOnly="true").insert("(1)")


@table()
def char_and_varchar(t):
    t.create("c CHAR(5), v VARCHAR(3)").insert("('ab', 'abc')")


@table()
def variant(t):
    t.create("id INT, v VARIANT").sql("INSERT INTO $T SELECT 1, parse_json('{\"a\": [1, 2.5, null]}')")


@table()
def variant_dropped(t):
    """The protocol keeps the feature when the column has gone."""
    t.create("id INT, v VARIANT", columnMapping__mode="name").sql("INSERT INTO $T SELECT 1, parse_json('1')",
                                                                 "ALTER TABLE $T DROP COLUMN v").insert("(2)")


@table()
def collations(t):
    t.set(spark__databricks__delta__schema__typeCheck__enabled="false")
    t.create("id INT, s STRING COLLATE UTF8_LCASE").insert("(1, 'Abc'), (2, NULL)")


@table()
def shallow_clone(t):
    source = t.path.with_name("clone-source")
    t.session.range(3).write.format("delta").save(str(source))
    t.sql(f"CREATE TABLE $T SHALLOW CLONE delta.`{source}`")
