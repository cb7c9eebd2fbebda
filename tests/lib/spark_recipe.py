"""What a recipe of tests/lib/spark_*_tables.py is, and the table that it makes."""

import dataclasses
import json
import pathlib

TABLES = {}  # name → Recipe


@dataclasses.dataclass(frozen=True)
class Recipe:
    make: callable
    versions: bool = False  # every version is read too, not only the latest
    damaged: bool = False   # Spark cannot read the table either
    where: tuple = ()       # conditions that both readers apply


def table(**options):
    """Registers a function as the recipe of the table that it is named after."""
    def register(make):
        TABLES[make.__name__.replace("_", "-")] = Recipe(make, **options)
        return make
    return register


def log_files(path, suffix):
    return sorted((pathlib.Path(path) / "_delta_log").glob(f"*{suffix}"))


class Table:
    """A table while it is made. The session is its own: what is set here is set for no other table."""

    def __init__(self, session, path):
        self.session, self.path = session, pathlib.Path(path)
        self.log = self.path / "_delta_log"

    def set(self, **settings):
        """Settings of Spark; of Delta with the prefix delta_. Underscores become dots."""
        for name, value in settings.items():
            self.session.conf.set(name.replace("__", "."), value)
        return self

    def sql(self, *statements):
        """Statements in which $T is this table."""
        for statement in statements:
            self.session.sql(statement.replace("$T", f"delta.`{self.path}`"))
        return self

    def create(self, columns, clause="", **properties):
        """Properties are named without `delta.`; a dot in a name is written as two underscores."""
        listed = ", ".join(f"'delta.{name.replace('__', '.')}' = '{value}'" for name, value in properties.items())
        return self.sql(f"CREATE TABLE $T ({columns}) USING delta {clause}"
                        + (f" TBLPROPERTIES ({listed})" if listed else ""))

    def insert(self, *groups):
        """One commit a group of rows, each written as in VALUES."""
        return self.sql(*(f"INSERT INTO $T VALUES {rows}" for rows in groups))

    def write(self, query, mode="append", partition_by=(), **options):
        """One commit of one file (a partition) with the query's rows."""
        writer = self.session.sql(query).coalesce(1).write.format("delta").mode(mode).options(**options)
        if partition_by:
            writer = writer.partitionBy(*partition_by)
        writer.save(str(self.path))
        return self

    def commit_path(self, version):
        return self.log / f"{version:020}.json"

    def edit(self, version, change):
        """Rewrites one commit of the log: change(actions) → actions."""
        path = self.commit_path(version)
        actions = change([json.loads(line) for line in path.read_text().splitlines()])
        path.write_text("".join(json.dumps(action) + "\n" for action in actions))
        # Spark's checksums of the old content: the file system's, and the version's state.
        for crc in (self.log / f".{path.name}.crc", self.log / f"{version:020}.crc"):
            crc.unlink(missing_ok=True)
        return self

    def forget_checksums(self):
        """Removes what lets Spark know a version's protocol and schema without its log."""
        for crc in self.log.glob("*.crc"):
            crc.unlink()
        return self

    def checkpoints(self, pattern="*checkpoint*"):
        found = sorted(p for p in self.log.glob(pattern) if not p.name.startswith((".", "_")))
        if not found:
            raise AssertionError(f"Spark wrote no {pattern} into {self.log}")
        return found

    def need(self, condition, what):
        """The table is what its name says; a recipe that makes something else tests nothing."""
        if not condition:
            raise AssertionError(f"{self.path.name}: {what}")
        return self

    def actions(self, kind):
        return [action[kind] for path in log_files(self.path, ".json") if path.stem.isdigit()
                for action in map(json.loads, path.read_text().splitlines()) if kind in action]
