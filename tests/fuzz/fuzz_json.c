// The JSON scanner on hostile text: as records of a batch (cut at 0xff) and as a file of lines, under several options.
// Every instruction set must give the same rows, and what a scan learned must not change them.
#include "tests/fuzz/fuzz.h"
#include "worker/decode/json_context.h"

#define FUZZ_SCHEMA                                                                                                    \
    "a INT, s STRING, b BINARY, d DOUBLE, f FLOAT, n DECIMAL(20,3), t TIMESTAMP, z TIMESTAMP_NTZ, y DATE, x BOOLEAN, " \
    "k TINYINT, l ARRAY<STRUCT<i: BIGINT, s: STRING>>, m MAP<STRING, ARRAY<INT>>, o STRUCT<i: SMALLINT, v: VOID>, "    \
    "_corrupt_record STRING"

#define FUZZ_SIZE_MAX (64u << 10)

static const struct json_scan_options fuzz_options[] = {
    {.strict = true},
    {.exact_text = true, .mode = JSON_QUARANTINE},
    {.allow_comments = true,
     .allow_unquoted_names = true,
     .allow_leading_zeros = true,
     .allow_any_escape = true,
     .allow_control = true},
};

static void scan_batch(struct json_scan *scan, const uint8_t *data, size_t size, struct text *text)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_BINARY));
    struct column *records = NULL, *column = NULL;
    for (size_t from = 0; from <= size;) {
        const uint8_t *end = memchr(data + from, 0xff, size - from);
        size_t length = end ? (size_t)(end - data) - from : size - from;
        ASSERT(column_builder_bytes(builder, data + from, length, NULL) == STATUS_OK);
        from += length + 1;
    }
    ASSERT(column_builder_finish(builder, &records, NULL) == STATUS_OK);
    column_builder_destroy(builder);
    uint8_t *bad = memory_alloc(records->length);
    ASSERT(json_scan_batch(scan, records, NULL, 0, &column, bad, NULL, NULL) == STATUS_OK);
    for (uint32_t i = 0; i < column->length; i++) {
        column_json(column, i, text);
        text_append_char(text, bad[i] ? '!' : '.');
        ASSERT(column_compare(column, i, column, i) == 0);
    }
    memory_free(bad);
    column_unref(column);
    column_unref(records);
}

static void scan_lines(struct json_scan *scan, const uint8_t *data, size_t size, struct text *text)
{
    uint8_t *padded = memory_calloc(1, size + BUFFER_PADDING);
    if (size) memcpy(padded, data, size);
    for (size_t used = 0;;) {
        struct json_lines lines = {0};
        ASSERT(json_scan_lines(scan, padded + used, size - used, true, &lines, NULL) == STATUS_OK);
        used += lines.used;
        for (uint32_t i = 0; lines.batch && i < lines.batch->row_count; i++) batch_json(lines.batch, i, text);
        for (uint32_t i = 0; i < lines.bad_count; i++) text_printf(text, "!%u", lines.bad[i].first_row);
        batch_unref(lines.batch);
        if (!lines.batch && used == size) break;
    }
    memory_free(padded);
}

static void scan_all(const struct type *type, const struct json_scan_options *options, const uint8_t *bytes,
                     size_t size)
{
    static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};
    struct text first = {0}, text = {0};
    for (size_t i = 0; i < sizeof simds / sizeof *simds; i++) {
        struct json_scan *scan = NULL;
        if (!json_kernel_set(simds[i])) continue;
        ASSERT(json_scan_create(type, options, NULL, &scan, NULL) == STATUS_OK);
        text_reset(&text);
        scan_batch(scan, bytes, size, &text);
        size_t once = text.length;
        scan_batch(scan, bytes, size, &text); // again, with what was learned
        ASSERT(text.length == 2 * once && memcmp(text.data, text.data + once, once) == 0);
        scan_lines(scan, bytes, size, &text);
        text_append_char(&text, json_scan_valid(bytes, size) ? 'v' : '-');
        json_scan_destroy(scan);
        if (i == 0)
            text_append(&first, text_str(&text), text.length);
        else
            ASSERT(strcmp(text_str(&first), text_str(&text)) == 0);
    }
    text_deinit(&first);
    text_deinit(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const struct type *type = NULL;
    if (size > FUZZ_SIZE_MAX) return 0;
    ASSERT(type_parse_ddl(FUZZ_SCHEMA, &type, NULL) == STATUS_OK);
    for (size_t i = 0; i < sizeof fuzz_options / sizeof *fuzz_options; i++)
        scan_all(type, &fuzz_options[i], bytes, size);
    return 0;
}
