// JSON scan of the seed's event: nanoseconds of CPU a row, from Kafka-like payload bytes to seven columns.
// Usage: bench-json [ROUNDS]. Prints json_ns_per_row for each instruction set the machine has, the best one last.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/random.h"
#include "common/columnar/datetime_text.h"
#include "worker/decode/json_context.h"

#define BENCH_BATCHES 16u
#define BENCH_SCHEMA                                                                                                   \
    "user_id STRING, action STRING, page STRING, element STRING, amount DOUBLE, _event_time STRING, _event_id STRING"

// One event of the shape and the shares of the seed's producer.
static void event(struct random *random, uint64_t number, struct text *text)
{
    static const char *const actions[] = {"page_view", "page_view", "page_view", "page_view",   "scroll",   "scroll",
                                          "click",     "click",     "hover",     "add_to_cart", "purchase", "search"};
    static const char *const pages[] = {"/",         "/pricing",      "/docs",    "/blog/streaming",
                                        "/checkout", "/product/1234", "/account", "/caf\\u00e9"};
    static const char *const elements[] = {"cta_button", "nav_menu", "footer_link", "hero_image", "buy_now"};
    char when[DATETIME_TEXT_SIZE];
    double unit = random_unit(random);
    int user = (int)(unit * unit * unit * 200000);
    const char *action = actions[random_below(random, 12)];
    int64_t at = INT64_C(1767225600000000) + (int64_t)number * 100;
    size_t length = datetime_text_format_iso(at, when);
    text_printf(text, "{\"user_id\": \"u%d\", \"action\": \"%s\", \"page\": \"%s\", ", user, action,
                pages[random_below(random, 8)]);
    if (!strcmp(action, "click") || !strcmp(action, "hover")) {
        text_printf(text, "\"element\": \"%s\", ", elements[random_below(random, 5)]);
    }
    if (!strcmp(action, "purchase") || !strcmp(action, "add_to_cart")) {
        text_printf(text, "\"amount\": %.2f, ", random_unit(random) * 300);
    }
    text_printf(text, "\"_event_time\": \"%.*s+00:00\", \"_event_id\": \"%.*s_u%d_%llu\"}", (int)length - 1, when,
                (int)length - 1, when, user, (unsigned long long)number);
}

static void measure(struct column *const *batches, uint64_t rounds, const char *simd, uint64_t bytes)
{
    struct json_scan_options options = {0};
    const struct type *type = NULL;
    struct json_scan *scan = NULL;
    struct error err = {0};
    if (!json_kernel_set(simd)) return;
    if (type_parse_ddl(BENCH_SCHEMA, &type, &err) || json_scan_create(type, &options, NULL, &scan, &err)) abort();
    int64_t best = INT64_MAX;
    for (uint64_t round = 0; round < rounds; round++) {
        int64_t before = clock_thread_cpu_ns();
        for (uint32_t i = 0; i < BENCH_BATCHES; i++) {
            struct column *column = NULL;
            uint32_t bad = 0;
            if (json_scan_batch(scan, batches[i], NULL, 0, &column, NULL, &bad, &err) || bad) abort();
            column_unref(column);
        }
        int64_t took = clock_thread_cpu_ns() - before;
        if (took < best) best = took;
    }
    double rows = (double)BENCH_BATCHES * BATCH_ROWS_MAX;
    printf("json_simd %s\njson_ns_per_row %.1f\njson_mb_per_s %.0f\n", simd, (double)best / rows,
           (double)bytes / (double)best * 1000);
    json_scan_destroy(scan);
}

int main(int argc, char **argv)
{
    static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};
    uint64_t rounds = argc > 1 ? strtoull(argv[1], NULL, 10) : 20, bytes = 0;
    struct column *batches[BENCH_BATCHES];
    struct random random;
    struct text text = {0};
    random_init(&random, 7);
    for (uint32_t i = 0; i < BENCH_BATCHES; i++) {
        struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_BINARY));
        for (uint32_t row = 0; row < BATCH_ROWS_MAX; row++) {
            text_reset(&text);
            event(&random, (uint64_t)i * BATCH_ROWS_MAX + row, &text);
            bytes += text.length;
            if (column_builder_bytes(builder, text.data, text.length, NULL)) abort();
        }
        if (column_builder_finish(builder, &batches[i], NULL)) abort();
        column_builder_destroy(builder);
    }
    text_deinit(&text);
    printf("json_bytes_per_row %.1f\n", (double)bytes / BENCH_BATCHES / BATCH_ROWS_MAX);
    for (size_t i = 0; i < sizeof simds / sizeof *simds; i++) measure(batches, rounds, simds[i], bytes);
    for (uint32_t i = 0; i < BENCH_BATCHES; i++) column_unref(batches[i]);
    return 0;
}
