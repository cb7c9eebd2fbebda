"""The medallion on Spark Structured Streaming + Delta, once over a topic: spark_medallion.py BROKERS TOPIC OUT.

Each table is a query of its own, one after the other, as a user of Spark runs them; prints seconds as one JSON object,
without the start of the session. The yardstick of tests/bench; nothing of the product is in it.
"""

import glob
import json
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "lib"))

from kafka_broker import CACHE  # noqa: E402
from pyspark.sql import SparkSession, functions as f  # noqa: E402

EVENT = ("user_id STRING, action STRING, page STRING, element STRING, amount DOUBLE, _event_time STRING, "
         "_event_id STRING")
CATEGORY = ("CASE WHEN action IN ('page_view', 'scroll') THEN 'engagement' WHEN action IN ('click', 'hover') THEN "
            "'interaction' WHEN action IN ('purchase', 'add_to_cart') THEN 'conversion' ELSE 'other' END")


def session():
    jars = [jar for jar in glob.glob(str(CACHE / "spark-jars" / "*.jar"))
            if not pathlib.Path(jar).name.startswith(("hadoop-", "scala-", "slf4j-", "log4j-", "jackson-", "parquet-"))]
    return (SparkSession.builder.master("local[2]").appName("medallion").config("spark.driver.memory", "6g")
            .config("spark.jars", ",".join(jars)).config("spark.sql.shuffle.partitions", "4")
            .config("spark.ui.enabled", "false").config("spark.ui.showConsoleProgress", "false")
            .config("spark.sql.session.timeZone", "UTC").config("spark.driver.host", "127.0.0.1")
            .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
            .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
            .getOrCreate())


def run(table, out, name, mode="append"):
    (table.writeStream.format("delta").outputMode(mode).option("checkpointLocation", f"{out}/_checkpoints/{name}")
     .trigger(availableNow=True).start(f"{out}/{name}").awaitTermination())
    return time.monotonic()


def main():
    brokers, topic, out = sys.argv[1:]
    spark = session()
    spark.sparkContext.setLogLevel("ERROR")
    begin = time.monotonic()
    records = (spark.readStream.format("kafka").option("kafka.bootstrap.servers", brokers).option("subscribe", topic)
               .option("startingOffsets", "earliest").load())
    data = f.from_json(f.col("value").cast("string"), EVENT).alias("data")
    bronze = (records.select(f.col("key").cast("string").alias("kafka_key"), data, "topic", "partition", "offset",
                             f.col("timestamp").alias("kafka_timestamp"))
              .select("kafka_key", "data.*", "topic", "partition", "offset", "kafka_timestamp")
              .withColumn("event_time", f.to_timestamp("_event_time"))
              .withColumn("_bronze_ingested_at", f.current_timestamp()))
    bronze_end = run(bronze, out, "bronze")
    silver = (spark.readStream.format("delta").load(f"{out}/bronze")
              .where("user_id IS NOT NULL AND action IS NOT NULL").dropDuplicates(["_event_id"])
              .withColumn("event_date", f.col("event_time").cast("date"))
              .withColumn("action_category", f.expr(CATEGORY))
              .withColumn("_silver_processed_at", f.current_timestamp()))
    silver_end = run(silver, out, "silver")
    gold = (spark.readStream.format("delta").load(f"{out}/silver").withWatermark("event_time", "5 minutes")
            .groupBy(f.window("event_time", "1 minute"), "action_category")
            .agg(f.count("*").alias("event_count"), f.sum(f.coalesce("amount", f.lit(0))).alias("total_revenue"),
                 f.avg("amount").alias("avg_order_value"))
            .select(f.col("window.start").alias("window_start"), f.col("window.end").alias("window_end"),
                    "action_category", "event_count", "total_revenue", "avg_order_value"))
    gold_end = run(gold, out, "gold", "complete")
    print(json.dumps({"bronze_s": bronze_end - begin, "silver_s": silver_end - bronze_end,
                      "gold_s": gold_end - silver_end, "total_s": gold_end - begin}))
    spark.stop()


if __name__ == "__main__":
    main()
