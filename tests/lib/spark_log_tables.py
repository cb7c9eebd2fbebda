"""Tables whose subject is the log: operations, checkpoints, names of files, damage."""

import os
import shutil
import time

from spark_recipe import log_files, table

DAY_S = 86400


# ---- operations

@table(versions=True)
def appends(t):
    t.create("id INT, name STRING").insert("(1, 'a'), (2, 'b')", "(3, NULL)")
    t.write("SELECT 1 AS id, 'x' AS name LIMIT 0").insert("(4, '')")


@table(versions=True)
def overwrites(t):
    t.write("SELECT id, 'old' AS name FROM range(5)").write("SELECT id, 'new' AS name FROM range(3)", "overwrite")
    t.write("SELECT id + 10 AS id, 'part' AS name FROM range(2)", "overwrite", replaceWhere="id >= 10 OR name = 'new'")


@table(versions=True)
def deletes_updates_merges(t):
    t.write("SELECT CAST(id AS INT) AS id, id * 10 AS v FROM range(8)").sql("DELETE FROM $T WHERE id IN (2, 3)")
    t.sql("UPDATE $T SET v = -v WHERE id > 5", "MERGE INTO $T t USING (SELECT * FROM VALUES (1, 99L), (50, 5L) AS "
          "s(id, v)) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT *")
    t.sql("DELETE FROM $T")


@table(versions=True)
def restored(t):
    t.create("id INT").insert("(1), (2)").write("SELECT CAST(id + 100 AS INT) AS id FROM range(3)", "overwrite")
    t.sql("RESTORE TABLE $T TO VERSION AS OF 1").insert("(7)")


@table(versions=True)
def optimized(t):
    t.create("id INT, p INT", "PARTITIONED BY (p)").insert("(1, 0), (2, 1)", "(3, 0), (4, 1), (5, NULL)")
    t.sql("OPTIMIZE $T", "OPTIMIZE $T ZORDER BY (id)").insert("(6, 0)")
    t.need(len([r for r in t.actions("remove") if not r["dataChange"]]) > 1, "OPTIMIZE removed nothing")


@table()
def vacuumed(t):
    t.set(spark__databricks__delta__retentionDurationCheck__enabled="false")
    t.write("SELECT id FROM range(4)").write("SELECT id + 10 AS id FROM range(4)", "overwrite")
    t.sql("VACUUM $T RETAIN 0 HOURS").write("SELECT id + 20 AS id FROM range(2)")
    t.need(len(list(t.path.glob("*.parquet"))) == 2, "VACUUM removed nothing")


@table(versions=True)
def repartitioned(t):
    query = "SELECT CAST(id AS INT) AS id, CAST(id % 2 AS INT) AS a, CAST(id % 3 AS STRING) AS b FROM range(6)"
    t.write(query, partition_by=["a"]).write(query, "overwrite", ["b"], overwriteSchema="true")
    t.write(query, "overwrite", ["b", "a"], overwriteSchema="true").write(query, "overwrite", overwriteSchema="true")


@table(versions=True)
def schema_evolved(t):
    t.set(spark__databricks__delta__schema__autoMerge__enabled="true")
    t.write("SELECT 1 AS id, named_struct('a', 1) AS s, array(named_struct('x', 1)) AS l")
    t.write("SELECT 2 AS id, named_struct('a', 2, 'b', 'two') AS s, array(named_struct('x', 2, 'y', 'z')) AS l, "
            "2.5D AS d")
    t.write("SELECT 3 AS id, named_struct('c', 1L, 'd', array(1)) AS only_new")
    t.sql("ALTER TABLE $T ADD COLUMNS (first STRING COMMENT 'it''s first' FIRST, s.mid DATE AFTER a)")


@table()
def case_of_names(t):
    t.write("SELECT 1 AS Id, named_struct('Inner', 1) AS Nested")
    t.write("SELECT 2 AS iD, named_struct('iNNER', 2) AS nESTED")


@table()
def streamed(t):
    source = t.path.with_name("stream-source")
    t.session.range(5).write.format("delta").save(str(source))
    stream = t.session.readStream.format("delta").load(str(source)).writeStream.format("delta")
    stream = stream.trigger(availableNow=True).option("checkpointLocation", str(t.path.with_name("stream-checkpoint")))
    stream.start(str(t.path)).awaitTermination()
    t.need(t.actions("txn"), "no txn")


@table()
def converted(t):
    t.session.sql("SELECT id, id % 2 AS p, CAST(NULL AS STRING) AS n FROM range(4)").write.partitionBy("p").parquet(
        str(t.path))
    t.sql(f"CONVERT TO DELTA parquet.`{t.path}` PARTITIONED BY (p BIGINT)")


@table()
def no_rows(t):
    t.create("id INT, s STRUCT<a: INT>")


# ---- logs and checkpoints

def checkpointed(t, interval=3, commits=5, **properties):
    """Commits with one row each; a checkpoint every `interval` of them."""
    t.create("id INT, p STRING", "PARTITIONED BY (p)", checkpointInterval=interval, **properties)
    return t.insert(*(f"({i}, {'NULL' if i == 2 else repr(f'p {i % 2}')})" for i in range(commits)))


@table(versions=True)
def checkpoint_classic(t):
    checkpointed(t, 2).sql("DELETE FROM $T WHERE id = 1").checkpoints("*.checkpoint.parquet")


@table()
def checkpoint_multi_part(t):
    t.set(spark__databricks__delta__checkpoint__partSize="2")
    checkpointed(t, 4)
    t.checkpoints("*.checkpoint.*.*.parquet")


@table()
def checkpoint_v2_json(t):
    t.set(spark__databricks__delta__checkpointV2__topLevelFileFormat="json",
          spark__databricks__delta__checkpoint__partSize="2")
    checkpointed(t, 4, checkpointPolicy="v2").checkpoints("*.checkpoint.*-*.json")
    t.need(len(list((t.log / "_sidecars").glob("*.parquet"))) > 1, "fewer than two sidecars")


@table()
def checkpoint_v2_parquet(t):
    t.set(spark__databricks__delta__checkpointV2__topLevelFileFormat="parquet",
          spark__databricks__delta__checkpoint__partSize="2")
    checkpointed(t, 4, checkpointPolicy="v2").checkpoints("*.checkpoint.*-*.parquet")
    for path in log_files(t.path, ".json"):
        if path.stem.isdigit() and int(path.stem) < 4:
            path.unlink()  # only the checkpoint knows them


@table()
def checkpoint_of_everything(t):
    """What a checkpoint has to carry: deletion vectors, physical names, partitions, domains, transactions."""
    t.create("id BIGINT, `p a` STRING, s STRUCT<a: INT>", "PARTITIONED BY (`p a`)", checkpointInterval=6,
             columnMapping__mode="name", enableDeletionVectors="true", enableRowTracking="true",
             checkpoint__writeStatsAsStruct="true", checkpoint__writeStatsAsJson="false")
    t.write("SELECT id, CAST(id % 2 AS STRING) AS `p a`, named_struct('a', CAST(id AS INT)) AS s FROM range(6)",
            txnAppId="me", txnVersion="7")
    t.sql("DELETE FROM $T WHERE id = 3", "ALTER TABLE $T RENAME COLUMN `p a` TO `p/b`",
          "ALTER TABLE $T RENAME COLUMN s.a TO z")
    t.insert("(100, NULL, NULL)", "(101, 'x', named_struct('z', 1))")
    t.checkpoints("*00006.checkpoint*")
    for version in range(6):
        t.commit_path(version).unlink()


@table()
def log_cleaned(t):
    """Spark itself removes the old commits: their files are older than the retention."""
    checkpointed(t, 3, 5, logRetentionDuration="interval 1 days",
                 deletedFileRetentionDuration="interval 1 days")
    old = time.time() - 5 * DAY_S
    for path in t.log.iterdir():
        if path.is_file():
            os.utime(path, (old, old))
    t.insert("(6, 'six')")
    t.need(t.checkpoints("*06.checkpoint.parquet") and not t.commit_path(0).exists(), "the log was not cleaned")


@table()
def only_checkpoint(t):
    checkpointed(t, 5).checkpoints("*05.checkpoint.parquet")
    for version in range(5):
        t.commit_path(version).unlink()


@table()
def last_checkpoint_corrupt(t):
    checkpointed(t, 3).checkpoints()
    (t.log / "_last_checkpoint").write_text('{"version":3,"si')
    (t.log / "._last_checkpoint.crc").unlink(missing_ok=True)


@table()
def last_checkpoint_empty(t):
    checkpointed(t, 3).checkpoints()
    (t.log / "_last_checkpoint").write_bytes(b"")
    (t.log / "._last_checkpoint.crc").unlink(missing_ok=True)


@table()
def last_checkpoint_missing(t):
    checkpointed(t, 3).checkpoints()
    (t.log / "_last_checkpoint").unlink()
    for version in range(3):
        t.commit_path(version).unlink()


@table()
def checkpoint_removed(t):
    for path in checkpointed(t, 3).checkpoints():
        path.unlink()
    (t.log / "_last_checkpoint").unlink()


@table()
def log_with_strangers(t):
    """Files that are no commits: left behind by writers that died, by compaction and by people."""
    checkpointed(t, 3)
    for name in (f"{3:020}.checkpoint.parquet.tmp", f".{2:020}.json.tmp", "notes.txt", f"{9:020}.json.bak",
                 f"__tmp_path_dir/{1:020}.json", f"_commits/{7:020}.0e9bc5b1-6b1a-4c8e-9d2e-5f7a3c1b2d4e.json"):
        path = t.log / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("nothing\n")


@table(versions=True)
def protocol_raised(t):
    t.create("id INT").insert("(1)").sql("ALTER TABLE $T ADD COLUMNS (n STRING)").insert("(2, 'two')")
    t.sql("ALTER TABLE $T SET TBLPROPERTIES ('delta.feature.timestampNtz' = 'supported')")
    t.insert("(3, 'three')")
    t.need(t.actions("protocol")[-1]["minReaderVersion"] == 3, "reader version 3 was not set")


@table()
def feature_dropped(t):
    t.create("id INT", enableDeletionVectors="true").write("SELECT CAST(id AS INT) AS id FROM range(5)")
    t.sql("DELETE FROM $T WHERE id = 2", "ALTER TABLE $T DROP FEATURE deletionVectors")
    t.need("checkpointProtection" in t.actions("protocol")[-1]["writerFeatures"], "no checkpointProtection")


# ---- names of files

@table()
def file_names(t):
    """A data file may have any name: in the log it is a URI."""
    t.write("SELECT id FROM range(3)")
    name = next(t.path.glob("*.parquet")).name
    os.rename(t.path / name, t.path / "special p@#h%20 ü+.parquet")

    def renamed(actions):
        for action in actions:
            if "add" in action:
                action["add"]["path"] = "special%20p@%23h%2520%20%C3%BC+.parquet"
        return actions
    t.edit(0, renamed)


@table(versions=True)
def file_names_removed(t):
    """Names that need escaping, in adds and in removes."""
    file_names(t)
    t.write("SELECT id + 10 AS id FROM range(2)", "overwrite")
    t.need(t.actions("remove"), "nothing removed")


@table()
def random_prefixes(t):
    t.create("id INT", randomizeFilePrefixes="true", randomPrefixLength=3).insert("(1)", "(2)")


# ---- damaged: Spark refuses too

def two_commits(t):
    return t.create("id INT").insert("(1)", "(2)").forget_checksums()


def without_action(kind):
    return lambda actions: [action for action in actions if kind not in action]


@table(damaged=True)
def no_metadata(t):
    two_commits(t).edit(0, without_action("metaData"))


@table(damaged=True)
def no_protocol(t):
    two_commits(t).edit(0, without_action("protocol"))


@table(damaged=True)
def checkpoint_without_metadata(t):
    import pyarrow.parquet as pq
    path = checkpointed(t, 3).forget_checksums().checkpoints("*03.checkpoint.parquet")[0]
    found = pq.read_table(path)
    pq.write_table(found.filter(found["metaData"].is_null()), path)
    for version in range(4):
        t.commit_path(version).unlink()


@table(damaged=True)
def version_missing(t):
    two_commits(t).commit_path(1).unlink()


@table(damaged=True)
def version_zero_missing(t):
    two_commits(t).commit_path(0).unlink()


@table(damaged=True)
def no_log(t):
    shutil.rmtree(two_commits(t).log)


@table(damaged=True)
def empty_log(t):
    shutil.rmtree(two_commits(t).log)
    t.log.mkdir()


@table(damaged=True)
def data_file_missing(t):
    two_commits(t)
    next(t.path.glob("*.parquet")).unlink()


def asking(**protocol):
    return lambda actions: [{"protocol": protocol} if "protocol" in action else action for action in actions]


@table(damaged=True)
def unknown_feature(t):
    two_commits(t).edit(0, asking(minReaderVersion=3, minWriterVersion=7, readerFeatures=["featureOfTomorrow"],
                                  writerFeatures=["featureOfTomorrow"]))


@table(damaged=True)
def unknown_reader_version(t):
    two_commits(t).edit(0, asking(minReaderVersion=9, minWriterVersion=9))
