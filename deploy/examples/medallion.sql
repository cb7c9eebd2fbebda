-- The medallion: one Kafka topic of user events through bronze, silver and gold.
-- deploy/quickstart.sh runs it as it stands against a local broker: --warehouse and --kafka override where it reads and writes.

SET pipeline.name = user_events;
SET pipeline.warehouse = file:///var/lib/foreset/warehouse;      -- or s3://bucket/prefix; also --warehouse
SET pipeline.trigger = 30 seconds;                               -- default 10 seconds; also available-now

CREATE OR REFRESH STREAMING TABLE streaming.bronze.user_events AS
SELECT CAST(key AS STRING) AS kafka_key, data.*, topic, partition, offset, timestamp AS kafka_timestamp,
       to_timestamp(data._event_time) AS event_time, current_timestamp() AS _bronze_ingested_at
FROM (SELECT *, from_json(CAST(value AS STRING),
        'user_id STRING, action STRING, page STRING, element STRING, amount DOUBLE, _event_time STRING, _event_id STRING') AS data
      FROM STREAM read_kafka(bootstrapServers => 'kafka-broker-1:9092', subscribe => 'user-events',
                             startingOffsets => 'earliest', maxOffsetsPerTrigger => 100000,
                             `kafka.security.protocol` => 'SASL_SSL', `kafka.sasl.mechanism` => 'SCRAM-SHA-512',
                             `kafka.sasl.username` => 'foreset', `kafka.sasl.password` => secret('env:KAFKA_PASSWORD')));

CREATE OR REFRESH STREAMING TABLE streaming.silver.user_events PARTITIONED BY (event_date) AS
SELECT *, CAST(event_time AS DATE) AS event_date,
       CASE WHEN action IN ('page_view', 'scroll') THEN 'engagement' WHEN action IN ('click', 'hover') THEN 'interaction'
            WHEN action IN ('purchase', 'add_to_cart') THEN 'conversion' ELSE 'other' END AS action_category,
       current_timestamp() AS _silver_processed_at
FROM (SELECT * FROM STREAM streaming.bronze.user_events WHERE user_id IS NOT NULL AND action IS NOT NULL)
     DROP DUPLICATES ON (_event_id);

CREATE OR REFRESH STREAMING TABLE streaming.gold.realtime_dashboard
TBLPROPERTIES ('output.mode' = 'complete', 'trigger.interval' = '1 minute') AS
SELECT window.start AS window_start, window.end AS window_end, action_category, count(*) AS event_count,
       sum(CASE WHEN amount IS NOT NULL THEN amount ELSE 0 END) AS total_revenue, avg(amount) AS avg_order_value
FROM STREAM streaming.silver.user_events WATERMARK event_time DELAY OF INTERVAL 5 MINUTES
GROUP BY window(event_time, '1 minute'), action_category;
