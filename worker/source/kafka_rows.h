// Kafka records to columns: payloads are copied out of librdkafka's fetch buffers, since one live message pins its
// whole fetch.
#ifndef FORESET_SOURCE_KAFKA_ROWS_H
#define FORESET_SOURCE_KAFKA_ROWS_H

#include "common/columnar/batch.h"

struct rd_kafka_message_s;
struct kafka_rows;
struct expr_errors; // worker/expr/expr.h
// schema: the columns wanted, of key, value, topic, partition, offset, timestamp, timestampType, headers (any case).
// with_headers: the raw records carry them in any case, for dead letters.
enum status kafka_rows_create(const struct type *schema, bool with_headers, struct budget *budget,
                              struct kafka_rows **ret_rows, struct error *err) MUST_USE;
void kafka_rows_destroy(struct kafka_rows *rows); // NULL allowed
size_t kafka_rows_count(const struct kafka_rows *rows);
size_t kafka_rows_room(const struct kafka_rows *rows); // records that still fit; 0: finish first
// topic: stays valid until kafka_rows_finish.
enum status kafka_rows_append(struct kafka_rows *rows, const struct rd_kafka_message_s *message, const char *topic,
                              struct error *err) MUST_USE;
// Rows of the last finished batch that cannot be made, as source.h has it.
struct expr_errors *kafka_rows_errors(struct kafka_rows *rows);
// A batch of the schema with the raw records as origin; the rows begin anew.
enum status kafka_rows_finish(struct kafka_rows *rows, struct batch **ret_batch, struct error *err) MUST_USE;

#endif
