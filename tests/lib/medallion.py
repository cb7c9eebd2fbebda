"""The medallion (deploy/examples/medallion.sql) over a real broker, as integration tests run it.

The text is the user's own; a test changes only numbers in it: the rate limit, so that a small topic makes many epochs.
check() compares all three tables with the reference and returns the differences, empty when there are none.
"""

import pathlib
import re

import delta_log
import foreset
import readers
from reference import Reference

TABLES = {"bronze": "streaming/bronze/user_events", "silver": "streaming/silver/user_events",
          "gold": "streaming/gold/realtime_dashboard"}
DEAD_LETTERS = "streaming/bronze/user_events__dead_letters"


class Medallion:
    def __init__(self, directory, broker, topic, offsets_per_epoch=None, trigger=None, name="user_events"):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.broker, self.topic = broker, topic
        self.warehouse = self.directory / "warehouse"
        text = (foreset.ROOT / "deploy" / "examples" / "medallion.sql").read_text()
        self.name = name
        for old, new in (("pipeline.name = user_events;", f"pipeline.name = {name};"),
                         ("subscribe => 'user-events'", f"subscribe => '{topic}'"),
                         ("maxOffsetsPerTrigger => 100000", f"maxOffsetsPerTrigger => {offsets_per_epoch or 100000}"),
                         ("pipeline.trigger = 30 seconds", f"pipeline.trigger = {trigger or '30 seconds'}")):
            assert old in text, f"the medallion has no {old}"
            text = text.replace(old, new)
        self.pipeline = self.directory / "medallion.sql"
        self.pipeline.write_text(text)
        self.args = ["run", self.pipeline, "--warehouse", self.warehouse, "--kafka", f"bootstrap.servers={broker}",
                     "--kafka", "security.protocol=plaintext", "--progress", "json", "--memory", "1G"]

    def limit_offsets(self, offsets_per_epoch):
        """Another rate limit from the next start on: a change of the text that keeps all state."""
        text = re.sub(r"maxOffsetsPerTrigger => \d+", f"maxOffsetsPerTrigger => {offsets_per_epoch}",
                      self.pipeline.read_text())
        self.pipeline.write_text(text)

    def start(self, *args, **kwargs):
        return foreset.Run([*self.args, *args], **kwargs)

    def run(self, *args, timeout=foreset.RUN_SECONDS_MAX, **kwargs):
        """Until what the topic holds now is processed."""
        return self.start("--available-now", *args, **kwargs).wait(timeout)

    def path(self, table):
        return self.warehouse / TABLES[table]

    def made(self):
        return [table for table in TABLES if delta_log.exists(self.path(table))]

    def read(self, table, reader="deltalake"):
        return readers.READERS[reader](self.path(table))

    def versions(self):
        return {table: delta_log.latest_version(self.path(table)) for table in self.made()}

    def ends(self):
        """{partition: next offset} of what is visible in bronze and its dead letters."""
        import duckdb
        db = duckdb.connect()
        db.register("bronze", self.read("bronze"))
        sources = "SELECT partition, \"offset\" FROM bronze"
        dead = self.warehouse / DEAD_LETTERS
        if delta_log.exists(dead) and delta_log.active_files(dead):
            db.register("dead", readers.read_deltalake(dead))
            sources += " UNION ALL SELECT partition, \"offset\" FROM dead"
        return dict(db.execute(f"SELECT partition, max(\"offset\") + 1 FROM ({sources}) GROUP BY 1").fetchall())

    def check(self, reference=None, reader="deltalake"):
        reference = reference or Reference(self.broker, self.topic)
        return reference.check(*(self.read(table, reader) for table in TABLES))

    def check_decided(self):
        """Against the reference of what is decided, which may be less than the topic holds."""
        return self.check(Reference(self.broker, self.topic, self.ends()))

    def check_structure(self):
        """What holds at every moment, also between a kill and the restart."""
        found = []
        for table in self.made():
            path = self.path(table)
            named, present = delta_log.visible_and_present(path)
            if named - present:
                found.append(f"{table}: the log names files that are not there: {sorted(named - present)[:3]}")
            epochs = [epoch for _, _, epoch in delta_log.txn_versions(path)]
            if epochs != sorted(set(epochs)):
                found.append(f"{table}: txn versions do not rise: {epochs}")
            if len({app for _, app, _ in delta_log.txn_versions(path)}) > 1:
                found.append(f"{table}: more than one txn appId")
        return found

    def epochs_in_flight(self):
        """Epochs that left files and are in no log: what a kill interrupted."""
        found = set()
        for table in self.made():
            named, present = delta_log.visible_and_present(self.path(table))
            published = max([epoch for _, _, epoch in delta_log.txn_versions(self.path(table))], default=0)
            numbers = (int(pathlib.PurePath(name).name.split("-")[1]) for name in present - named)
            found |= {number for number in numbers if number > published}
        return len(found)
