"""The medallion once more, independently: a consumer of its own reads the topic, DuckDB's SQL makes the tables.

bronze = the topic's records; silver = user_id and action not null, one row per _event_id; gold = one minute windows.
A value that is no number leaves amount null and keeps the rest, text that is no JSON leaves all null (PERMISSIVE).
Each check_* returns a list of differences, empty when all is equal, so that one message can tell them all.
Silver may keep any of several records with one _event_id when they come from different partitions: what is checked is
that there is exactly one, and that it is one of the topic's.
"""

import time

import duckdb
import pyarrow as pa
from confluent_kafka import Consumer, KafkaError, TopicPartition

CONSUME_SECONDS_MAX = 60

SCHEMA = pa.schema([("key", pa.binary()), ("value", pa.binary()), ("partition", pa.int32()), ("offset", pa.int64()),
                    ("timestamp", pa.timestamp("us", "UTC"))])

BRONZE_COLUMNS = ("kafka_key", "user_id", "action", "page", "element", "amount", "_event_time", "_event_id", "topic",
                  "partition", "offset", "kafka_timestamp", "event_time")
SILVER_COLUMNS = (*BRONZE_COLUMNS, "event_date", "action_category")
GOLD_KEYS = ("window_start", "window_end", "action_category")

BRONZE = """
CREATE TABLE bronze AS
SELECT decode(key) AS kafka_key, json ->> '$.user_id' AS user_id, json ->> '$.action' AS action,
       json ->> '$.page' AS page, json ->> '$.element' AS element,
       CASE WHEN json_type(json, '$.amount') IN ('DOUBLE', 'BIGINT', 'UBIGINT')
            THEN CAST(json ->> '$.amount' AS DOUBLE) END AS amount,
       json ->> '$._event_time' AS _event_time, json ->> '$._event_id' AS _event_id,
       topic, partition, "offset", timestamp AS kafka_timestamp,
       TRY_CAST(json ->> '$._event_time' AS TIMESTAMPTZ) AS event_time
FROM (SELECT *, CASE WHEN json_valid(text) THEN CAST(text AS JSON) END AS json
      FROM (SELECT *, try(decode(value)) AS text FROM records))
"""

# A time that cannot be read raises under ANSI rules: such rows are dead letters, not bronze.
DEAD = "CREATE TABLE dead AS SELECT * FROM bronze WHERE event_time IS NULL AND _event_time IS NOT NULL"
NOT_DEAD = "DELETE FROM bronze WHERE event_time IS NULL AND _event_time IS NOT NULL"

SILVER_CANDIDATES = """
CREATE VIEW candidates AS
SELECT *, CAST(event_time AS DATE) AS event_date,
       CASE WHEN action IN ('page_view', 'scroll') THEN 'engagement'
            WHEN action IN ('click', 'hover') THEN 'interaction'
            WHEN action IN ('purchase', 'add_to_cart') THEN 'conversion' ELSE 'other' END AS action_category
FROM bronze WHERE user_id IS NOT NULL AND action IS NOT NULL
"""

GOLD = """
SELECT date_trunc('minute', event_time) AS window_start,
       date_trunc('minute', event_time) + INTERVAL 1 MINUTE AS window_end, action_category,
       count(*) AS event_count, sum(CASE WHEN amount IS NOT NULL THEN amount ELSE 0 END) AS total_revenue,
       avg(amount) AS avg_order_value
FROM {silver} WHERE event_time IS NOT NULL GROUP BY ALL
"""


class TopicReader:
    """Reads a topic on and on, each record once, from the start of its log."""

    def __init__(self, broker, topic):
        self.topic = topic
        self.next = {}  # {partition: offset} to be fetched next
        self.early = []  # fetched beyond what was asked for
        self.consumer = Consumer({"bootstrap.servers": broker, "group.id": "reference", "enable.auto.commit": False,
                                  "auto.offset.reset": "error", "enable.partition.eof": False,
                                  "queued.min.messages": 500000, "log_level": 0})

    def log_ends(self):
        found = self.consumer.list_topics(self.topic, timeout=10).topics[self.topic].partitions
        return {p: self.consumer.get_watermark_offsets(TopicPartition(self.topic, p), timeout=10)[1] for p in found}

    def read(self, ends):
        """Every record below the ends {partition: next offset} that was not given before, as an Arrow table."""
        fresh = [p for p, end in ends.items() if end > 0 and p not in self.next]
        if fresh:
            self.consumer.incremental_assign([TopicPartition(self.topic, p, 0) for p in fresh])
            self.next.update(dict.fromkeys(fresh, 0))
        chunks = [self._chunk(self.early, ends)]
        progress = time.monotonic()
        while any(self.next[p] < end for p, end in ends.items() if p in self.next):
            messages = self.consumer.consume(20000, 0.1)  # it waits for as many, or that long
            if messages:
                progress = time.monotonic()
            elif time.monotonic() > progress + CONSUME_SECONDS_MAX:
                raise TimeoutError(f"{self.topic}: no more records, at {self.next} of {ends}")
            for message in messages:
                if not message.error():
                    self.next[message.partition()] = message.offset() + 1
            chunks.append(self._chunk(messages, ends))
        return pa.concat_tables(chunks)

    def _chunk(self, messages, ends):
        rows, early = [], []
        for message in messages:
            if message.error():
                if message.error().retriable() or message.error().code() == KafkaError._ALL_BROKERS_DOWN:
                    continue  # a broker that is down for a while
                raise RuntimeError(message.error())
            if message.offset() < ends.get(message.partition(), 0):
                rows.append((message.key(), message.value(), message.partition(), message.offset(),
                             message.timestamp()[1] * 1000))
            else:
                early.append(message)
        self.early = early if messages is self.early else self.early + early
        columns = list(zip(*rows)) if rows else [[] for _ in SCHEMA]
        return pa.table([pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types)], schema=SCHEMA)

    def close(self):
        self.consumer.close()


def read_topic(broker, topic, ends=None):
    """Every record of [0, end) per partition as an Arrow table; ends {partition: end}, default the log's ends now."""
    reader = TopicReader(broker, topic)
    try:
        return reader.read(reader.log_ends() if ends is None else ends)
    finally:
        reader.close()


def differences(db, table, columns, expected, actual):
    """Rows that one side has and the other has not, as texts; expected and actual are names in db."""
    names = ", ".join(f'"{c}"' for c in columns)
    found = []
    for word, left, right in (("missing", expected, actual), ("unexpected", actual, expected)):
        rows = f"(SELECT {names} FROM {left} EXCEPT ALL SELECT {names} FROM {right})"
        count = db.execute(f"SELECT count(*) FROM {rows}").fetchall()[0][0]
        if count:
            sample = db.execute(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {rows} LIMIT 3").fetchall()
            found.append(f"{table}: {count} rows {word}, as {sample}")
    return found


def gold_differences(db, actual, silver):
    """Gold's rows (Arrow) against the groups of the silver rows that db knows by this name."""
    db.register("actual_gold", actual)
    db.execute(f"CREATE OR REPLACE TEMP TABLE gold AS {GOLD.format(silver=silver)}")
    found = differences(db, "gold", (*GOLD_KEYS, "event_count"), "gold", "actual_gold")
    on = " AND ".join(f"g.{key} IS NOT DISTINCT FROM a.{key}" for key in GOLD_KEYS)
    apart = " OR ".join(f"(g.{c} IS NULL) <> (a.{c} IS NULL) OR abs(g.{c} - a.{c}) > 1e-9 * greatest(1, abs(g.{c}))"
                        for c in ("total_revenue", "avg_order_value"))
    wrong = db.execute(f"SELECT count(*) FROM gold g JOIN actual_gold a ON {on} WHERE {apart}").fetchall()[0][0]
    return found + ([f"gold: {wrong} groups with another sum or average"] if wrong else [])


class Reference:
    """The expected tables over one topic; ends as in read_topic."""

    def __init__(self, broker, topic, ends=None):
        self.db = duckdb.connect()
        self.db.execute("SET TimeZone = 'UTC'; SET memory_limit = '6GB'; SET preserve_insertion_order = false")
        records = read_topic(broker, topic, ends)
        self.db.register("read", records)
        self.db.execute(f"CREATE VIEW records AS SELECT *, '{topic}' AS topic FROM read")
        for statement in (BRONZE, DEAD, NOT_DEAD, SILVER_CANDIDATES):
            self.db.execute(statement)

    def one(self, sql):
        return self.db.execute(sql).fetchall()[0][0]

    def check_bronze(self, actual):
        self.db.register("actual_bronze", actual)
        return (differences(self.db, "bronze", BRONZE_COLUMNS, "bronze", "actual_bronze") +
                self._not_null("bronze", "actual_bronze", "_bronze_ingested_at"))

    def _not_null(self, table, actual, column):
        nulls = self.one(f'SELECT count(*) FROM {actual} WHERE "{column}" IS NULL')
        return [f"{table}: {nulls} nulls in {column}"] if nulls else []

    def check_silver(self, actual):
        self.db.register("actual_silver", actual)
        names = ", ".join(f'"{c}"' for c in SILVER_COLUMNS)
        found = self._not_null("silver", "actual_silver", "_silver_processed_at")
        strangers = self.one(f"SELECT count(*) FROM (SELECT {names} FROM actual_silver EXCEPT ALL "
                             f"SELECT {names} FROM candidates)")
        if strangers:
            found.append(f"silver: {strangers} rows that no record of the topic gives")
        twice = self.one("SELECT count(*) - count(DISTINCT coalesce(_event_id, '(null)')) FROM actual_silver")
        if twice:
            found.append(f"silver: {twice} repeats of an _event_id")
        missing = self.one("SELECT count(*) FROM (SELECT DISTINCT _event_id FROM candidates EXCEPT "
                           "SELECT _event_id FROM actual_silver)")
        if missing:
            found.append(f"silver: {missing} _event_ids missing")
        return found

    def check_gold(self, actual, silver="actual_silver"):
        """Against the checked silver rows: which of several repeats silver kept decides what gold adds up."""
        return gold_differences(self.db, actual, silver)

    def check(self, bronze, silver, gold):
        return self.check_bronze(bronze) + self.check_silver(silver) + self.check_gold(gold)

    def counts(self):
        return {"records": self.one("SELECT count(*) FROM records"), "bronze": self.one("SELECT count(*) FROM bronze"),
                "dead": self.one("SELECT count(*) FROM dead"),
                "silver": self.one("SELECT count(DISTINCT coalesce(_event_id, '(null)')) FROM candidates")}
