"""Holds a medallion's tables against the topic after every kill: only what is new since the last look is read.

Each table is judged by its own newest commit, whose commitInfo tells up to which offsets it stands (`ranges`): after a
kill the three may stand at different epochs. The records of the topic come from a consumer of its own, the expected
rows from DuckDB (reference.py's SQL). check() returns a list of differences, empty when there are none:

- the log has no gap, `txn` rises under one appId, no file is added twice, every visible file is there with its size;
- bronze: the new rows equal the topic's records of the new range (dead letters aside), none missing, none twice;
- silver: the new rows are records of the new range, no _event_id ever twice, none that bronze's records have missing;
- gold: every version equals the groups of silver's rows below its offsets.

Judging only what is new rests on bronze and silver never removing a file, which is checked too. What was judged
before and changes later is left to the full comparison at the end of a test.
"""

import itertools

import delta_log
import duckdb
import pyarrow as pa
import readers
import reference
from medallion import TABLES

NAMES = {"bronze": reference.BRONZE_COLUMNS, "silver": reference.SILVER_COLUMNS}


class FollowedTable:
    """One table's log, read on from where the last look ended."""

    def __init__(self, path, keeps_versions):
        self.path, self.keeps_versions = path, keeps_versions
        self.version = -1
        self.columns = {}  # {name: simple type}
        self.active, self.added = {}, {}  # {file: add action}; what came since the last look
        self.txn, self.removed = None, 0
        self.ends = {}  # {partition: next offset} of its newest commit
        self.versions = []  # (version, ends, active) of the new ones, where they are kept

    def read(self):
        """What is wrong with the commits that are new."""
        found = []
        self.added = {}
        for version in itertools.count(self.version + 1):
            actions = delta_log.commit(self.path, version)
            if actions is None:
                break
            found += self._apply(version, actions)
            self.version = version
        later = delta_log.versions(self.path)
        if later and later[-1] != self.version:
            found.append(f"{self.path}: version {self.version + 1} is missing, {later[-1]} is there")
        return found + self._files()

    def _apply(self, version, actions):
        found = []
        for kind, action in sorted(((kind, a) for line in actions for kind, a in line.items()),
                                   key=lambda pair: pair[0] != "remove"):
            if kind == "metaData":
                self.columns = delta_log.columns_of(action)
            if kind == "commitInfo" and "ranges" in action:
                self.ends = {r["partition"]: r["to"] for r in action["ranges"]}
            if kind in ("remove", "add", "txn"):
                found += [f"{self.path}: version {version} {text}" for text in getattr(self, "_" + kind)(action)]
        if self.keeps_versions and self.ends:
            self.versions.append((version, self.ends, dict(self.active)))
        return found

    def _remove(self, action):
        self.removed += 1
        path = delta_log.plain_path(action)
        return [] if self.active.pop(path, None) else [f"removes {path}, which is not there"]

    def _add(self, action):
        path = delta_log.plain_path(action)
        found = [f"adds {path} a second time"] if path in self.active else []
        self.active[path] = self.added[path] = action
        return found

    def _txn(self, action):
        before, self.txn = self.txn, (action["appId"], action["version"])
        if before and (before[0] != self.txn[0] or before[1] >= self.txn[1]):
            return [f"has txn {self.txn} after {before}"]
        return []

    def _files(self):
        """Visible files that are missing or have another size."""
        found = []
        for path, add in self.active.items():
            file = self.path / path
            size = file.stat().st_size if file.exists() else None
            if size != add["size"]:
                found.append(f"{file}: the log says {add['size']} bytes, there are {size}")
        return found[:3]


class Follower:
    def __init__(self, medallion):
        self.medallion = medallion
        self.tables = {name: FollowedTable(medallion.path(name), name == "gold") for name in TABLES}
        self.judged = {name: {} for name in TABLES}  # {partition: next offset} up to which a table was compared
        self.topic = reference.TopicReader(medallion.broker, medallion.topic)
        self.counts = {"bronze": 0, "silver": 0, "gold": 0}  # rows, rows, versions compared
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'; SET memory_limit = '6GB'; SET preserve_insertion_order = false")
        self.db.execute("CREATE TABLE ids (id VARCHAR)")
        self.made = set()

    def check(self):
        found = []
        for name in self.medallion.made():
            found += self.tables[name].read()
        if found or "bronze" not in self.medallion.made():
            return found
        self._read_on()
        return self._bronze() + self._silver() + self._gold()

    def epochs_left(self):
        """How many epochs later than a table's last commit have left files of it."""
        found = set()
        for table in self.tables.values():
            published = table.txn[1] if table.txn else 0
            names = (p.name for p in table.path.rglob("part-*.parquet"))
            found |= {epoch for name in names if (epoch := int(name.split("-")[1])) > published}
        return len(found)

    def _read_on(self):
        """Takes over the topic's records up to the furthest table."""
        ends = {}
        for table in self.tables.values():
            for partition, end in table.ends.items():
                ends[partition] = max(ends.get(partition, 0), end)
        records = self.topic.read(ends)
        if records.num_rows == 0 and "bronze" in self.made:
            return
        with duckdb.connect() as db:
            db.execute("SET TimeZone = 'UTC'")
            db.register("read", records)
            db.execute(f"CREATE VIEW records AS SELECT *, '{self.medallion.topic}' AS topic FROM read")
            for statement in (reference.BRONZE, reference.DEAD, reference.NOT_DEAD):
                db.execute(statement)
            self._append("bronze", db.sql("SELECT * FROM bronze").to_arrow_table())
            self._create_candidates()

    def _append(self, name, rows):
        self.db.register("new_rows", rows)
        if name in self.made:
            self.db.execute(f"INSERT INTO {name} SELECT * FROM new_rows")
        else:
            self.db.execute(f"CREATE TABLE {name} AS SELECT * FROM new_rows")
        self.made.add(name)
        self.db.unregister("new_rows")

    def _create_candidates(self):
        if "candidates" not in self.made:
            self.db.execute(reference.SILVER_CANDIDATES)
            self.made.add("candidates")

    def _between(self, name):
        """SQL that picks the offsets which a table gained since it was judged."""
        before, after = self.judged[name], self.tables[name].ends
        parts = [f"(partition = {p} AND \"offset\" >= {before.get(p, 0)} AND \"offset\" < {end})"
                 for p, end in after.items() if end > before.get(p, 0)]
        return " OR ".join(parts) or "false"

    def _compare(self, name, expected):
        """Fills `wanted` and `actual` with what the table should have gained and what it did."""
        columns = ", ".join(f'"{c}"' for c in NAMES[name])
        self.db.execute(f"CREATE OR REPLACE TEMP TABLE wanted AS SELECT {columns} FROM {expected} "
                        f"WHERE {self._between(name)}")
        self.db.execute("CREATE OR REPLACE TEMP TABLE actual AS SELECT * FROM wanted WHERE false")
        if self.tables[name].added:
            self.db.register("new_rows", readers.read_files(self.tables[name].path, self.tables[name].added,
                                                            self.tables[name].columns))
            self.db.execute(f"INSERT INTO actual SELECT {columns} FROM new_rows")
            self.db.unregister("new_rows")
        self.counts[name] += self._one("SELECT count(*) FROM actual")

    def _one(self, sql):
        return self.db.execute(sql).fetchall()[0][0]

    def _many(self, what, sql):
        count = self._one(f"SELECT count(*) FROM ({sql})")
        if count == 0:
            return []
        sample = self.db.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM ({sql}) LIMIT 3").fetchall()
        return [f"{what}: {count} rows, as {sample}"]

    def _grown(self, name):
        table = self.tables[name]
        return [f"{name}: {table.removed} files removed"] if table.removed else []

    def _bronze(self):
        self._compare("bronze", "bronze")
        found = self._grown("bronze")
        found += self._many("bronze misses", "SELECT * FROM wanted EXCEPT ALL SELECT * FROM actual")
        found += self._many("bronze has besides", "SELECT * FROM actual EXCEPT ALL SELECT * FROM wanted")
        self.judged["bronze"] = self.tables["bronze"].ends
        return found

    def _silver(self):
        if "silver" not in self.medallion.made() or "candidates" not in self.made:
            return []
        self._compare("silver", "candidates")
        self.db.execute("CREATE OR REPLACE TEMP TABLE new_ids AS "
                        "SELECT coalesce(_event_id, '(null)') AS id FROM actual")
        found = self._grown("silver")
        found += self._many("silver has no record for", "SELECT * FROM actual EXCEPT ALL SELECT * FROM wanted")
        found += self._many("silver repeats", "SELECT id, count(*) FROM new_ids GROUP BY id HAVING count(*) > 1")
        found += self._many("silver repeats earlier", "SELECT id FROM ids WHERE id IN (SELECT id FROM new_ids)")
        self.db.execute("INSERT INTO ids SELECT id FROM new_ids")
        self.db.execute("CREATE OR REPLACE TEMP TABLE wanted_ids AS "
                        "SELECT DISTINCT coalesce(_event_id, '(null)') AS id FROM wanted")
        found += self._many("silver misses", "SELECT id FROM wanted_ids WHERE id NOT IN "
                            "(SELECT id FROM ids WHERE id IN (SELECT id FROM wanted_ids))")
        self._append("silver", self.db.sql("SELECT * FROM actual").to_arrow_table())
        self.judged["silver"] = self.tables["silver"].ends
        return found

    def _gold(self):
        """Versions that are further than silver wait: the puts of one epoch's tables go side by side."""
        table, silver, found, waiting = self.tables["gold"], self.tables["silver"].ends, [], []
        for version, ends, files in table.versions:
            if any(end > silver.get(partition, 0) for partition, end in ends.items()):
                waiting.append((version, ends, files))
                continue
            below = " OR ".join(f"(partition = {p} AND \"offset\" < {end})" for p, end in ends.items())
            self.db.execute(f"CREATE OR REPLACE TEMP VIEW below AS SELECT * FROM silver WHERE {below}")
            rows = (readers.read_files(table.path, files, table.columns) if files else
                    self.db.sql(f"{reference.GOLD.format(silver='below')} LIMIT 0").to_arrow_table())
            found += [f"version {version}: {text}" for text in reference.gold_differences(self.db, rows, "below")]
            self.counts["gold"] += 1
        table.versions = waiting
        return found
