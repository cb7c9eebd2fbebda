// Cost of the Parquet writer on the bronze rows of the medallion example: prints ns a row and MB (of input) a second.
// bench-parquet [file [rounds]]: keeps what it wrote.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/parquet/parquet_writer.h"

#define BATCHES 32
#define ROUNDS  4 // times the batches are written
#define USERS   10000

static const char *const actions[] = {"page_view", "scroll", "click", "hover", "purchase", "add_to_cart", "login"};
static const char *const pages[] = {"/", "/pricing", "/docs", "/blog/streaming", "/checkout", "/product/1234"};
static const char *const elements[] = {"cta_button", "nav_menu", "footer_link", "hero_image", "buy_now"};
static const char *const topics[] = {"user-events"};

struct rows {
    struct column_builder *builders[14];
    const struct type *schema;
};

static struct column *words(const char *const *list, uint32_t count)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    struct column *column = NULL;
    for (uint32_t i = 0; i < count; i++) (void)!column_builder_bytes(builder, list[i], strlen(list[i]), NULL);
    (void)!column_builder_finish(builder, &column, NULL);
    column_builder_destroy(builder);
    return column;
}

// A dictionary-coded column; absent_in: one row in that many is null (0: none).
static struct column *coded(struct random *random, struct column *dictionary, uint32_t present_in)
{
    struct buffer *indices = NULL, *validity = NULL;
    (void)!buffer_create(NULL, BATCH_ROWS_MAX * 4, &indices, NULL);
    (void)!buffer_create(NULL, BATCH_ROWS_MAX / 8, &validity, NULL);
    uint32_t nulls = 0;
    memset(validity->data, 0, BATCH_ROWS_MAX / 8);
    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        bool there = present_in <= 1 || random_below(random, present_in) == 0;
        ((uint32_t *)(void *)indices->data)[i] = there ? (uint32_t)random_below(random, dictionary->length) : 0;
        if (there) validity->data[i / 8] = (uint8_t)(validity->data[i / 8] | 1u << (i % 8));
        nulls += !there;
    }
    return column_create_dictionary(type_of(TYPE_STRING), BATCH_ROWS_MAX, nulls, validity, indices,
                                    column_ref(dictionary));
}

static struct batch *make_batch(struct rows *rows, struct random *random, struct column **dictionaries, int64_t *now_us)
{
    struct column *columns[14];
    for (uint32_t i = 0; i < BATCH_ROWS_MAX; i++) {
        char user[32], id[64], iso[64];
        double skew = random_unit(random);
        int64_t time_us = (*now_us += 10), late_us = random_chance(random, 0.02) ? 1000000 : 0;
        int user_length = snprintf(user, sizeof user, "u%d", (int)(skew * skew * skew * USERS));
        int id_length = snprintf(id, sizeof id, "%s_%lld_%llu", user, (long long)(time_us / 1000),
                                 (unsigned long long)(time_us / 10 % 100000000));
        int iso_length = snprintf(iso, sizeof iso, "2026-10-01T%02d:%02d:%02d.%06d+00:00",
                                  (int)(time_us / 3600000000 % 24), (int)(time_us / 60000000 % 60),
                                  (int)((time_us - late_us) / 1000000 % 60), (int)(time_us % 1000000));
        (void)!column_builder_bytes(rows->builders[0], user, (size_t)user_length, NULL);
        (void)!column_builder_bytes(rows->builders[1], user, (size_t)user_length, NULL);
        double amount = (double)(int)(random_unit(random) * 30000) / 100;
        if (random_below(random, 7) < 2) {
            (void)!column_builder_fixed(rows->builders[5], &amount, NULL);
        } else {
            (void)!column_builder_null(rows->builders[5], NULL);
        }
        (void)!column_builder_bytes(rows->builders[6], iso, (size_t)iso_length, NULL);
        (void)!column_builder_bytes(rows->builders[7], id, (size_t)id_length, NULL);
        int32_t partition = (int32_t)(i / 4096);
        int64_t offset = time_us / 10, event_us = time_us - late_us, kafka_us = time_us / 1000 * 1000, ingested_us = 7;
        (void)!column_builder_fixed(rows->builders[9], &partition, NULL);
        (void)!column_builder_fixed(rows->builders[10], &offset, NULL);
        (void)!column_builder_fixed(rows->builders[11], &kafka_us, NULL);
        (void)!column_builder_fixed(rows->builders[12], &event_us, NULL);
        (void)!column_builder_fixed(rows->builders[13], &ingested_us, NULL);
    }
    for (uint32_t i = 0; i < 14; i++) (void)!column_builder_finish(rows->builders[i], &columns[i], NULL);
    static const uint32_t at[] = {2, 3, 4, 8}, present_in[] = {1, 1, 4, 1};
    for (uint32_t i = 0; i < 4; i++) {
        column_unref(columns[at[i]]);
        columns[at[i]] = coded(random, dictionaries[i], present_in[i]);
    }
    return batch_create(rows->schema, BATCH_ROWS_MAX, columns);
}

static enum status sink(void *context, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    if (context) fwrite(bytes, 1, size, context);
    return STATUS_OK;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    struct rows rows = {0};
    struct random random;
    int64_t now_us = 1790000000000000;
    FILE *file = argc > 1 ? fopen(argv[1], "wb") : NULL;
    random_init(&random, 1);
    if (type_parse_ddl("kafka_key STRING, user_id STRING, action STRING, page STRING, element STRING, amount DOUBLE, "
                       "_event_time STRING, _event_id STRING, topic STRING, partition INT, offset BIGINT, "
                       "kafka_timestamp TIMESTAMP, event_time TIMESTAMP, _bronze_ingested_at TIMESTAMP",
                       &rows.schema, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    for (uint32_t i = 0; i < 14; i++) rows.builders[i] = column_builder_create(NULL, rows.schema->children[i].type);
    struct column *dictionaries[] = {words(actions, 7), words(pages, 6), words(elements, 5), words(topics, 1)};
    struct batch *batches[BATCHES];
    uint64_t input_bytes = 0;
    for (uint32_t i = 0; i < BATCHES; i++) {
        batches[i] = make_batch(&rows, &random, dictionaries, &now_us);
        input_bytes += batch_bytes(batches[i]);
    }
    uint32_t rounds = argc > 2 ? (uint32_t)atoi(argv[2]) : ROUNDS;
    struct parquet_writer *writer;
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD};
    int64_t start_ns = clock_thread_cpu_ns();
    enum status status = parquet_writer_create(rows.schema, &options, NULL, sink, file, &writer, &err);
    for (uint32_t i = 0; status == STATUS_OK && i < BATCHES * rounds; i++) {
        status = parquet_writer_write(writer, batches[i % BATCHES], &err);
    }
    if (status == STATUS_OK) status = parquet_writer_finish(writer, &err);
    int64_t spent_ns = clock_thread_cpu_ns() - start_ns;
    if (status != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    double count = (double)parquet_writer_rows(writer);
    printf("parquet_ns_per_row %.1f\n", (double)spent_ns / count);
    printf("parquet_mb_per_s %.0f\n", (double)input_bytes * rounds / 1e6 / ((double)spent_ns / 1e9));
    printf("parquet_bytes_per_row %.1f\n", (double)parquet_writer_bytes(writer) / count);
    parquet_writer_destroy(writer);
    for (uint32_t i = 0; i < BATCHES; i++) batch_unref(batches[i]);
    for (uint32_t i = 0; i < 4; i++) column_unref(dictionaries[i]);
    for (uint32_t i = 0; i < 14; i++) column_builder_destroy(rows.builders[i]);
    if (file) fclose(file);
    return 0;
}
