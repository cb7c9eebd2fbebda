// Kafka records to columns. Fails only by memory (budget of the source). A record whose timestamp does not fit has a
// null there; where the timestamp is wanted, the row is an error (SQL.md, Bad rows).
#include "worker/source/kafka_rows.h"

#include <librdkafka/rdkafka.h>
#include <string.h>

#include "common/base/text.h"
#include "common/base/vector.h"
#include "worker/expr/expr.h"

#define VALUE_BYTES_MIN  (256u << 10)
#define TIMESTAMP_MS_MAX (INT64_MAX / 1000) // what a TIMESTAMP, in microseconds, can hold
#define MEMORY_SHARE     128u               // of the memory for one batch's payload: several are under way on each lane

enum kafka_column { KEY, VALUE, TOPIC, PARTITION, OFFSET, TIMESTAMP, TIMESTAMP_TYPE, HEADERS, COLUMN_COUNT };
static const char *const column_names[COLUMN_COUNT] = {"key",    "value",     "topic",         "partition",
                                                       "offset", "timestamp", "timestampType", "headers"};

struct bytes_rows { // a nullable binary column being filled
    struct buffer *bytes, *offsets, *validity;
    size_t used;
    uint32_t nulls;
};

struct kafka_rows {
    struct budget *budget;
    const struct type *schema;     // wanted
    const struct type *raw_schema; // of the origin: every column (headers only if wanted)
    uint32_t raw_count;
    int wanted[COLUMN_COUNT]; // schema's column i is raw column wanted[i]
    bool with_headers, with_timestamp;
    uint32_t count;
    size_t value_bytes_max, value_bytes_last; // payload of a batch: at most, and of the last one
    struct bytes_rows key, value;
    struct buffer *topics, *partitions, *offsets, *timestamps, *timestamp_types;
    struct buffer *timestamp_validity; // NULL: all fit
    uint32_t timestamp_nulls;
    struct expr_errors errors; // of the batch being filled, then of the finished one
    struct column_builder *headers;
    VECTOR(const char *) topic_names; // dictionary of the batch being filled
};

static const struct type *kafka_rows_column_type(int column)
{
    switch (column) {
    case KEY:
    case VALUE: return type_of(TYPE_BINARY);
    case TOPIC: return type_of(TYPE_STRING);
    case OFFSET: return type_of(TYPE_BIGINT);
    case TIMESTAMP: return type_of(TYPE_TIMESTAMP);
    case HEADERS: {
        const struct field fields[] = {{"key", type_of(TYPE_STRING)}, {"value", type_of(TYPE_BINARY)}};
        return type_array(type_struct(fields, 2));
    }
    default: return type_of(TYPE_INT);
    }
}

static enum status bytes_rows_begin(struct bytes_rows *rows, struct budget *budget, size_t guess, struct error *err)
{
    enum status status = STATUS_OK;
    rows->used = 0;
    rows->nulls = 0;
    TRY(buffer_create(budget, guess, &rows->bytes, err));
    TRY(buffer_create(budget, (BATCH_ROWS_MAX + 1) * sizeof(int32_t), &rows->offsets, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX / 8, &rows->validity, err));
    memset(rows->validity->data, 0xFF, BATCH_ROWS_MAX / 8);
    ((int32_t *)(void *)rows->offsets->data)[0] = 0;
out:
    return status;
}

static void bytes_rows_drop(struct bytes_rows *rows)
{
    buffer_unref(rows->bytes);
    buffer_unref(rows->offsets);
    buffer_unref(rows->validity);
    memset(rows, 0, sizeof *rows);
}

static enum status bytes_rows_append(struct bytes_rows *rows, uint32_t row, const void *bytes, size_t size,
                                     struct error *err)
{
    if (!bytes) {
        rows->validity->data[row >> 3] &= (uint8_t) ~(1u << (row & 7));
        rows->nulls++;
    } else {
        if (rows->used + size > rows->bytes->size_bytes) {
            size_t want = rows->bytes->size_bytes / 2 * 3;
            enum status status = buffer_grow(rows->bytes, want > rows->used + size ? want : rows->used + size, err);
            if (status != STATUS_OK) return status;
        }
        memcpy(rows->bytes->data + rows->used, bytes, size);
        rows->used += size;
    }
    ((int32_t *)(void *)rows->offsets->data)[row + 1] = (int32_t)rows->used;
    return STATUS_OK;
}

static struct column *bytes_rows_column(struct bytes_rows *rows, uint32_t count)
{
    struct buffer *validity = rows->nulls ? rows->validity : NULL;
    if (!validity) buffer_unref(rows->validity);
    struct column *column =
        column_create(type_of(TYPE_BINARY), count, rows->nulls, validity, rows->bytes, rows->offsets);
    memset(rows, 0, sizeof *rows);
    return column;
}

static void kafka_rows_forget_errors(struct kafka_rows *rows)
{
    for (size_t i = 0; i < rows->errors.items.count; i++) memory_free(rows->errors.items.items[i].message);
    vector_deinit(&rows->errors.items);
}

static enum status kafka_rows_begin(struct kafka_rows *rows, struct error *err)
{
    enum status status = STATUS_OK;
    struct budget *budget = rows->budget;
    rows->count = 0;
    kafka_rows_forget_errors(rows);
    vector_reset(&rows->topic_names);
    TRY(bytes_rows_begin(&rows->key, budget, BATCH_ROWS_MAX * 8, err));
    TRY(bytes_rows_begin(&rows->value, budget, rows->value_bytes_last / 16 * 17, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX * sizeof(uint32_t), &rows->topics, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX * sizeof(int32_t), &rows->partitions, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX * sizeof(int64_t), &rows->offsets, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX * sizeof(int64_t), &rows->timestamps, err));
    TRY(buffer_create(budget, BATCH_ROWS_MAX * sizeof(int32_t), &rows->timestamp_types, err));
out:
    return status;
}

static void kafka_rows_drop(struct kafka_rows *rows)
{
    bytes_rows_drop(&rows->key);
    bytes_rows_drop(&rows->value);
    struct buffer **buffers[] = {&rows->topics,     &rows->partitions,      &rows->offsets,
                                 &rows->timestamps, &rows->timestamp_types, &rows->timestamp_validity};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
        buffer_unref(*buffers[i]);
        *buffers[i] = NULL;
    }
    rows->timestamp_nulls = 0;
    rows->count = 0;
}

static size_t kafka_rows_value_max(const struct budget *budget)
{
    uint64_t limit = budget && budget->limit_bytes ? budget->limit_bytes : UINT64_MAX;
    uint64_t share = limit / MEMORY_SHARE;
    return share < VALUE_BYTES_MIN ? VALUE_BYTES_MIN : share < BATCH_BYTES_MAX ? (size_t)share : BATCH_BYTES_MAX;
}

enum status kafka_rows_create(const struct type *schema, bool with_headers, struct budget *budget,
                              struct kafka_rows **ret_rows, struct error *err)
{
    struct kafka_rows *rows = memory_calloc(1, sizeof *rows);
    rows->budget = budget;
    rows->schema = schema;
    rows->value_bytes_max = kafka_rows_value_max(budget);
    rows->value_bytes_last = rows->value_bytes_max / 2;
    ASSERT(schema->child_count <= COLUMN_COUNT);
    struct field fields[COLUMN_COUNT];
    for (int i = 0; i < COLUMN_COUNT; i++) fields[i] = (struct field){column_names[i], kafka_rows_column_type(i)};
    rows->with_timestamp = type_field_find(schema, "timestamp") >= 0;
    rows->with_headers = with_headers || type_field_find(schema, "headers") >= 0;
    rows->raw_count = rows->with_headers ? COLUMN_COUNT : COLUMN_COUNT - 1;
    rows->raw_schema = type_struct(fields, rows->raw_count);
    for (uint32_t i = 0; i < schema->child_count; i++) {
        rows->wanted[i] = type_field_find(rows->raw_schema, schema->children[i].name);
        if (rows->wanted[i] < 0 || fields[rows->wanted[i]].type != schema->children[i].type) {
            enum status status =
                error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "read_kafka has no column '%s' of type %s",
                          schema->children[i].name, schema->children[i].type->text);
            memory_free(rows);
            return status;
        }
    }
    if (rows->with_headers) rows->headers = column_builder_create(budget, kafka_rows_column_type(HEADERS));
    *ret_rows = rows;
    return STATUS_OK;
}

void kafka_rows_destroy(struct kafka_rows *rows)
{
    if (!rows) return;
    kafka_rows_drop(rows);
    kafka_rows_forget_errors(rows);
    if (rows->headers) column_builder_destroy(rows->headers);
    vector_deinit(&rows->topic_names);
    memory_free(rows);
}

size_t kafka_rows_count(const struct kafka_rows *rows)
{
    return rows->count;
}

size_t kafka_rows_room(const struct kafka_rows *rows)
{
    return rows->value.used >= rows->value_bytes_max ? 0 : BATCH_ROWS_MAX - rows->count;
}

static uint32_t kafka_rows_topic(struct kafka_rows *rows, const char *topic)
{
    for (size_t i = rows->topic_names.count; i-- > 0;) {
        if (rows->topic_names.items[i] == topic || strcmp(rows->topic_names.items[i], topic) == 0) return (uint32_t)i;
    }
    vector_push(&rows->topic_names, topic);
    return (uint32_t)rows->topic_names.count - 1;
}

static enum status kafka_rows_append_headers(struct column_builder *builder, const rd_kafka_message_t *message,
                                             struct error *err)
{
    enum status status = STATUS_OK;
    rd_kafka_headers_t *headers = NULL;
    // Spark gives null, not an empty array, to a record without headers.
    if (rd_kafka_message_headers(message, &headers)) return column_builder_null(builder, err);
    struct column_builder *element = column_builder_child(builder, 0);
    struct text key = {0};
    const char *name;
    const void *value;
    size_t size;
    for (size_t i = 0; !rd_kafka_header_get_all(headers, i, &name, &value, &size); i++) {
        struct column_builder *values = column_builder_child(element, 1);
        text_reset(&key);
        text_append_utf8(&key, name, strlen(name)); // a STRING, whatever its producer wrote
        TRY(column_builder_bytes(column_builder_child(element, 0), text_str(&key), key.length, err));
        TRY(value ? column_builder_bytes(values, value, size, err) : column_builder_null(values, err));
        TRY(column_builder_nested(element, err));
    }
    TRY(column_builder_nested(builder, err));
out:
    text_deinit(&key);
    return status;
}

static enum status kafka_rows_timestamp(struct kafka_rows *rows, uint32_t row, int64_t timestamp_ms, struct error *err)
{
    int64_t *timestamps = (int64_t *)(void *)rows->timestamps->data;
    bool fits = timestamp_ms >= -TIMESTAMP_MS_MAX && timestamp_ms <= TIMESTAMP_MS_MAX;
    timestamps[row] = fits ? timestamp_ms * 1000 : 0;
    if (__builtin_expect(fits, 1)) return STATUS_OK;
    if (!rows->timestamp_validity) {
        enum status status = buffer_create(rows->budget, BATCH_ROWS_MAX / 8, &rows->timestamp_validity, err);
        if (status != STATUS_OK) return status;
        memset(rows->timestamp_validity->data, 0xFF, BATCH_ROWS_MAX / 8);
    }
    rows->timestamp_validity->data[row >> 3] &= (uint8_t) ~(1u << (row & 7));
    rows->timestamp_nulls++;
    if (!rows->with_timestamp) return STATUS_OK;
    struct text message = {0};
    text_printf(&message,
                "the record's timestamp, %lld ms since 1970, does not fit a TIMESTAMP, which holds microseconds up to "
                "the year 294247. Kafka's timestamps are milliseconds: correct the producer",
                (long long)timestamp_ms);
    struct expr_row_error error = {
        .row = row, .condition = "ARITHMETIC_OVERFLOW", .message = memory_strdup(text_str(&message))};
    text_deinit(&message);
    vector_push(&rows->errors.items, error);
    return STATUS_OK;
}

struct expr_errors *kafka_rows_errors(struct kafka_rows *rows)
{
    return &rows->errors;
}

enum status kafka_rows_append(struct kafka_rows *rows, const rd_kafka_message_t *message, const char *topic,
                              struct error *err)
{
    enum status status = STATUS_OK;
    if (!rows->value.bytes) {
        kafka_rows_drop(rows);
        TRY(kafka_rows_begin(rows, err));
    }
    uint32_t row = rows->count;
    ASSERT_DEBUG(row < BATCH_ROWS_MAX);
    TRY(bytes_rows_append(&rows->key, row, message->key, message->key_len, err));
    TRY(bytes_rows_append(&rows->value, row, message->payload, message->len, err));
    rd_kafka_timestamp_type_t kind;
    int64_t timestamp_ms = rd_kafka_message_timestamp(message, &kind);
    ((uint32_t *)(void *)rows->topics->data)[row] = kafka_rows_topic(rows, topic);
    ((int32_t *)(void *)rows->partitions->data)[row] = message->partition;
    ((int64_t *)(void *)rows->offsets->data)[row] = message->offset;
    TRY(kafka_rows_timestamp(rows, row, timestamp_ms, err));
    // Spark: 0 CreateTime, 1 LogAppendTime, −1 none.
    ((int32_t *)(void *)rows->timestamp_types->data)[row] =
        kind == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE ? -1 : (int32_t)kind - 1;
    if (rows->with_headers) TRY(kafka_rows_append_headers(rows->headers, message, err));
    rows->count++;
out:
    return status;
}

static enum status kafka_rows_topic_column(struct kafka_rows *rows, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *dictionary = NULL;
    struct column_builder *builder = column_builder_create(rows->budget, type_of(TYPE_STRING));
    for (size_t i = 0; i < rows->topic_names.count; i++) {
        const char *topic = rows->topic_names.items[i];
        TRY(column_builder_bytes(builder, topic, strlen(topic), err));
    }
    TRY(column_builder_finish(builder, &dictionary, err));
    *ret_column = column_create_dictionary(type_of(TYPE_STRING), rows->count, 0, NULL, rows->topics, dictionary);
    rows->topics = NULL;
out:
    column_builder_destroy(builder);
    return status;
}

static struct column *kafka_rows_fixed(struct kafka_rows *rows, int column, struct buffer **values)
{
    struct column *made = column_create(kafka_rows_column_type(column), rows->count, 0, NULL, *values, NULL);
    *values = NULL;
    return made;
}

enum status kafka_rows_finish(struct kafka_rows *rows, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *raw[COLUMN_COUNT] = {0}, *wanted[COLUMN_COUNT];
    TRY(kafka_rows_topic_column(rows, &raw[TOPIC], err));
    if (rows->with_headers) TRY(column_builder_finish(rows->headers, &raw[HEADERS], err));
    rows->value_bytes_last /= 2; // an epoch's last batch may be short
    if (rows->value.used > rows->value_bytes_last) rows->value_bytes_last = rows->value.used;
    if (rows->value_bytes_last < VALUE_BYTES_MIN) rows->value_bytes_last = VALUE_BYTES_MIN;
    raw[KEY] = bytes_rows_column(&rows->key, rows->count);
    raw[VALUE] = bytes_rows_column(&rows->value, rows->count);
    raw[PARTITION] = kafka_rows_fixed(rows, PARTITION, &rows->partitions);
    raw[OFFSET] = kafka_rows_fixed(rows, OFFSET, &rows->offsets);
    raw[TIMESTAMP] = column_create(kafka_rows_column_type(TIMESTAMP), rows->count, rows->timestamp_nulls,
                                   rows->timestamp_validity, rows->timestamps, NULL);
    rows->timestamp_validity = rows->timestamps = NULL;
    rows->timestamp_nulls = 0;
    raw[TIMESTAMP_TYPE] = kafka_rows_fixed(rows, TIMESTAMP_TYPE, &rows->timestamp_types);
    for (uint32_t i = 0; i < rows->schema->child_count; i++) wanted[i] = column_ref(raw[rows->wanted[i]]);
    struct batch *origin = batch_create(rows->raw_schema, rows->count, raw);
    struct batch *batch = batch_create(rows->schema, rows->count, wanted);
    batch_origin_set(batch, origin);
    batch_unref(origin);
    rows->count = 0;
    *ret_batch = batch;
    return STATUS_OK;
out:
    column_unref(raw[TOPIC]);
    return status;
}
