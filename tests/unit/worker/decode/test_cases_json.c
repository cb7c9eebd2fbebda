// The conformance cases that the scanner alone decides, against Spark's answers: every json_source case, and the json
// cases that select from_json(…), from_json(…).field or from_json(…) IS NULL. In every instruction set of the machine.
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/columnar/datetime_text.h"
#include "tests/unit/lib/unit_data.h"
#include "worker/decode/json_context.h"

static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};

struct query {
    char column[64]; // the input's column, or "" when `literal` is the text
    char literal[4096];
    char schema[1024];
    char option[4][2][128];
    size_t option_count;
    char suffix[64];
};

// A single-quoted SQL literal at *at.
static bool take_literal(const char **at, char *out, size_t size)
{
    size_t length = 0;
    if (**at != '\'') return false;
    for ((*at)++; **at && **at != '\''; (*at)++) {
        if (**at == '\\' || length + 1 >= size) return false;
        out[length++] = **at;
    }
    out[length] = '\0';
    return *(*at)++ == '\'';
}

static bool take(const char **at, const char *text)
{
    size_t length = strlen(text);
    while (**at == ' ') (*at)++;
    if (strncmp(*at, text, length) != 0) return false;
    *at += length;
    while (**at == ' ') (*at)++;
    return true;
}

// from_json(column | 'text', 'schema'[, map('k', 'v', …)]) [.field | IS NULL] AS r
static bool parse_query(const char *select, struct query *query)
{
    const char *at = select;
    memset(query, 0, sizeof *query);
    if (!take(&at, "from_json(")) return false;
    if (!take_literal(&at, query->literal, sizeof query->literal)) {
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz_");
        memcpy(query->column, at, length);
        at += length;
        if (length == 0) return false;
    }
    if (!take(&at, ",") || !take_literal(&at, query->schema, sizeof query->schema)) return false;
    if (take(&at, ",") && take(&at, "map(")) {
        do {
            char(*option)[128] = query->option[query->option_count++];
            if (!take_literal(&at, option[0], 128) || !take(&at, ",") || !take_literal(&at, option[1], 128))
                return false;
        } while (take(&at, ","));
        if (!take(&at, ")")) return false;
    }
    if (!take(&at, ")")) return false;
    const char *as = strstr(at, "AS r");
    if (!as || as[4]) return false;
    snprintf(query->suffix, sizeof query->suffix, "%.*s", (int)(as - at), at);
    for (size_t i = strlen(query->suffix); i > 0 && query->suffix[i - 1] == ' '; i--) query->suffix[i - 1] = '\0';
    return query->suffix[0] == '\0' || strcmp(query->suffix, "IS NULL") == 0 ||
           (query->suffix[0] == '.' &&
            strspn(query->suffix + 1, "abcdefghijklmnopqrstuvwxyz") == strlen(query->suffix) - 1);
}

static bool same(const json_t *a, const json_t *b)
{
    if (json_is_real(a) || json_is_real(b)) {
        double x = json_number_value(a), y = json_number_value(b);
        return json_is_number(a) && json_is_number(b) && x == y && signbit(x) == signbit(y);
    }
    if (json_is_array(a) && json_is_array(b) && json_array_size(a) == json_array_size(b)) {
        for (size_t i = 0; i < json_array_size(a); i++) {
            if (!same(json_array_get(a, i), json_array_get(b, i))) return false;
        }
        return true;
    }
    if (json_is_object(a) && json_is_object(b) && json_object_size(a) == json_object_size(b)) {
        const char *name;
        json_t *value;
        json_object_foreach((json_t *)(uintptr_t)a, name, value)
        {
            if (!json_object_get(b, name) || !same(value, json_object_get(b, name))) return false;
        }
        return true;
    }
    return json_equal(a, b);
}

static void check_value(const char *id, uint32_t row, const struct column *column, const json_t *wanted)
{
    struct text text = {0};
    column_json(column, row, &text);
    json_t *found = json_loads(text_str(&text), JSON_DECODE_ANY, NULL);
    if (!found || !same(found, wanted)) {
        char *dump = json_dumps(wanted, JSON_ENCODE_ANY | JSON_COMPACT);
        fail_msg("%s (%s), row %u: Spark gives %s, the scan %s", id, json_scan_simd(), row, dump, text_str(&text));
    }
    json_decref(found);
    text_deinit(&text);
}

static const char *text_of(const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? text : "";
}

// Plain columns of the select list ("v AS r, w"); expressions are another part's to check.
static void check_source_row(const json_t *test, const struct batch *batch, uint32_t row, const json_t *wanted)
{
    char list[1024], *at = list;
    snprintf(list, sizeof list, "%s", text_of(test, "select"));
    while (at) {
        char *next = strstr(at, ", ");
        if (next) {
            *next = '\0';
            next += 2;
        }
        char *as = strstr(at, " AS ");
        if (as) *as = '\0';
        int column = type_field_find(batch->schema, at);
        if (column >= 0) {
            check_value(text_of(test, "id"), row, batch->columns[column], json_object_get(wanted, as ? as + 4 : at));
        }
        at = next;
    }
}

static void run_source(const json_t *test)
{
    struct json_scan_options options = {.exact_text = true};
    struct error err = {0};
    const struct type *type = NULL;
    struct json_scan *scan = NULL;
    const json_t *input = json_object_get(test, "input"), *expected = json_object_get(test, "expected");
    size_t length = json_string_length(input), used = 0;
    assert_int_equal(type_parse_ddl(text_of(test, "schema"), &type, &err), STATUS_OK);
    assert_int_equal(json_scan_create(type, &options, NULL, &scan, &err), STATUS_OK);
    uint8_t *bytes = memory_calloc(1, length + BUFFER_PADDING);
    memcpy(bytes, json_string_value(input), length);
    uint32_t row = 0;
    for (;;) {
        struct json_lines lines = {0};
        assert_int_equal(json_scan_lines(scan, bytes + used, length - used, true, &lines, &err), STATUS_OK);
        used += lines.used;
        for (uint32_t i = 0; lines.batch && i < lines.batch->row_count; i++, row++) {
            const json_t *wanted = json_array_get(expected, row);
            if (!wanted) fail_msg("%s: more than the %u rows of Spark", text_of(test, "id"), row);
            check_source_row(test, lines.batch, i, wanted);
        }
        batch_unref(lines.batch);
        if (used == length && !lines.batch) break;
    }
    if (row != json_array_size(expected))
        fail_msg("%s: %u rows, Spark gives %zu", text_of(test, "id"), row, json_array_size(expected));
    memory_free(bytes);
    json_scan_destroy(scan);
}

static struct column *input_text(const json_t *test, const struct query *query)
{
    const json_t *rows = json_object_get(test, "rows");
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    struct column *column = NULL;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        const json_t *value = json_object_get(json_array_get(rows, i), query->column);
        enum status status;
        if (query->column[0] == '\0') {
            status = column_builder_bytes(builder, query->literal, strlen(query->literal), NULL);
        } else if (json_is_string(value)) {
            status = column_builder_bytes(builder, json_string_value(value), json_string_length(value), NULL);
        } else {
            status = column_builder_null(builder, NULL);
        }
        assert_int_equal(status, STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &column, NULL), STATUS_OK);
    column_builder_destroy(builder);
    return column;
}

static void check_from_json(const json_t *test, const struct query *query, const struct column *column)
{
    const json_t *expected = json_object_get(test, "expected");
    const char *id = text_of(test, "id");
    assert_int_equal(column->length, json_array_size(expected));
    for (uint32_t i = 0; i < column->length; i++) {
        const json_t *wanted = json_object_get(json_array_get(expected, i), "r");
        if (query->suffix[0] == '\0') {
            check_value(id, i, column, wanted);
        } else if (query->suffix[0] == '.') {
            int field = type_field_find(column->type, query->suffix + 1);
            assert_true(field >= 0);
            if (!column_is_null(column, i))
                check_value(id, i, column->children[field], wanted);
            else
                assert_true(json_is_null(wanted));
        } else {
            assert_int_equal(column_is_null(column, i), json_is_true(wanted));
        }
    }
}

static bool run_from_json(const json_t *test)
{
    struct json_scan_options options = {0};
    struct error err = {0};
    struct query query;
    const struct type *type = NULL;
    struct json_scan *scan = NULL;
    struct column *column = NULL;
    if (!json_object_get(test, "rows") || !parse_query(text_of(test, "select"), &query)) return false;
    for (size_t i = 0; i < query.option_count; i++) {
        if (json_scan_option(&options, query.option[i][0], query.option[i][1], &err) == STATUS_OK) continue;
        if (json_object_get(test, "error")) {
            assert_string_equal(err.condition, text_of(test, "error"));
            return true;
        }
        return false;
    }
    if (!json_object_get(test, "expected")) return false;
    if (type_parse_ddl(query.schema, &type, &err) != STATUS_OK) {
        assert_int_equal(type_parse(query.schema, &type, &err), STATUS_OK);
    }
    assert_int_equal(json_scan_create(type, &options, NULL, &scan, &err), STATUS_OK);
    json_scan_today(scan, (int32_t)datetime_text_days(2026, 11, 22)); // the day the cases were made
    struct column *text = input_text(test, &query);
    assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, NULL, NULL, &err), STATUS_OK);
    check_from_json(test, &query, column);
    column_unref(column);
    column_unref(text);
    json_scan_destroy(scan);
    return true;
}

static void every_case_gives_what_spark_gives(void **state)
{
    (void)state;
    size_t sources = 0, from_jsons = 0, others = 0;
    struct text read = {0};
    FILE *file = fopen(unit_data_path("conformance/expr/cases.jsonl"), "rb");
    assert_non_null(file);
    while (text_read_line(file, &read)) {
        const char *line = text_str(&read);
        bool source = strstr(line, "\"category\": \"json_source\"") || strstr(line, "\"category\":\"json_source\"");
        if (!source && !strstr(line, "from_json(")) continue;
        json_error_t error;
        json_t *test = json_loads(line, JSON_ALLOW_NUL, &error);
        if (!test) fail_msg("%s", error.text);
        for (size_t i = 0; i < sizeof simds / sizeof *simds; i++) {
            if (!json_kernel_set(simds[i])) continue;
            if (source) {
                run_source(test);
                sources++;
            } else if (run_from_json(test)) {
                from_jsons++;
            } else {
                others++;
            }
        }
        json_decref(test);
    }
    fclose(file);
    text_deinit(&read);
    print_message("%zu json_source runs, %zu from_json runs; %zu need more than the scanner\n", sources, from_jsons,
                  others);
    assert_true(sources >= 90 && from_jsons >= 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_case_gives_what_spark_gives)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
