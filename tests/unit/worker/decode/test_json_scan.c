// What the cases do not show: learning, dictionaries, cut-off text, options, lines, refusals.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "worker/decode/json_context.h"

static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};

static struct json_scan *made(const char *ddl, const struct json_scan_options *options, struct budget *budget)
{
    struct json_scan *scan = NULL;
    const struct type *type = NULL;
    struct json_scan_options none = {0};
    assert_int_equal(type_parse_ddl(ddl, &type, NULL), STATUS_OK);
    assert_int_equal(json_scan_create(type, options ? options : &none, budget, &scan, NULL), STATUS_OK);
    return scan;
}

static struct column *texts(const char *const *values, uint32_t count, enum type_kind kind)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(kind));
    struct column *column = NULL;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(column_builder_bytes(builder, values[i], strlen(values[i]), NULL), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &column, NULL), STATUS_OK);
    column_builder_destroy(builder);
    return column;
}

static void assert_scan(struct json_scan *scan, const char *json, const char *wanted, bool wanted_bad)
{
    struct column *text = texts(&json, 1, TYPE_BINARY), *column = NULL;
    struct text found = {0};
    struct error err = {0};
    uint8_t bad = 9;
    assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, &bad, NULL, &err), STATUS_OK);
    column_json(column, 0, &found);
    if (strcmp(text_str(&found), wanted) != 0) fail_msg("%s: %s, wanted %s", json, text_str(&found), wanted);
    if (bad != wanted_bad) fail_msg("%s: bad %u", json, bad);
    text_deinit(&found);
    column_unref(column);
    column_unref(text);
}

static void odd_records(void **state)
{
    (void)state;
    struct json_scan *scan = made("a INT, s STRING, b BINARY, v VOID, d DATE, t STRUCT<x: INT>", NULL, NULL);
#define REST "\"b\":null,\"v\":null,\"d\":null,\"t\":null}"
    assert_scan(scan, "{\"a\":1,\"a\":\"x\",\"s\":\"p\",\"s\":\"q\"}", "{\"a\":1,\"s\":\"q\"," REST, true);
    assert_scan(scan, "{\"a\":1,\"a\":null}", "{\"a\":null,\"s\":null," REST, false);
    assert_scan(scan, "{\"a\":null,\"a\":5 , \"s\":null,\"s\":\"\\u0041\"}", "{\"a\":5,\"s\":\"A\"," REST, false);
    assert_scan(scan, "{\"t\":{\"x\":1},\"t\":{\"x\":2}}",
                "{\"a\":null,\"s\":null,\"b\":null,\"v\":null,\"d\":null,\"t\":{\"x\":2}}", false);
    assert_scan(scan, "{\"b\":\"/wA Beg==\"}", "{\"a\":null,\"s\":null,\"b\":null,\"v\":null,\"d\":null,\"t\":null}",
                true);
    assert_scan(scan, "{\"b\":\"/wAB\\neg==\",\"v\":[1,{}],\"d\":\"19782\"}",
                "{\"a\":null,\"s\":null,\"b\":\"/wABeg==\",\"v\":null,\"d\":\"19782-01-01\",\"t\":null}", false);
    assert_scan(scan, "{\"d\":\"-1\"}", "{\"a\":null,\"s\":null,\"b\":null,\"v\":null,\"d\":\"1969-12-31\",\"t\":null}",
                false);
    assert_scan(scan, "{\"s\":\"a\tb\"}", "{\"a\":null,\"s\":null," REST, true);
    assert_scan(scan, "{\"s\":\"\\ud83d\\ude00\\udc00x\\ud800\"}", "{\"a\":null,\"s\":\"\xf0\x9f\x98\x80?x?\"," REST,
                false);
    assert_scan(scan, "{\"s\":\"\xc3\x28\"}", "{\"a\":null,\"s\":\"\xef\xbf\xbd(\"," REST, false);
    assert_scan(scan, "{\"s\":{'k' : \"\\u0001\\/\\b\", \"n\":-0,\"f\":1.50e0}}",
                "{\"a\":null,\"s\":\"{\\\"k\\\":\\\"\\\\u0001/\\\\b\\\",\\\"n\\\":0,\\\"f\\\":1.5}\"," REST, false);
    assert_scan(scan, "{\"a\":2147483648}", "{\"a\":null,\"s\":null," REST, true);
    assert_scan(scan, "{\"a\":-2147483648}", "{\"a\":-2147483648,\"s\":null," REST, false);
    assert_scan(scan, "{\"t\":{\"x\":1}", "{\"a\":null,\"s\":null," REST, true);
    assert_scan(scan, "{\"t\":{\"x\":tru},\"a\":1}", "{\"a\":null,\"s\":null," REST, true);
    json_scan_destroy(scan);
}

static void options_are_sparks(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *json, *wanted;
        bool bad;
    } cases[] = {
        {"allowComments", "true", "/* x */{\"a\" /**/ : // y\n 1}", "{\"a\":1}", false},
        {"allowUnquotedFieldNames", "TRUE", "{a:1,b:2}", "{\"a\":1}", false},
        {"allowSingleQuotes", "false", "{'a':1}", "{\"a\":null}", true},
        {"allowNumericLeadingZeros", "true", "{\"a\":0012}", "{\"a\":12}", false},
        {"allowBackslashEscapingAnyCharacter", "true", "{\"\\a\":1}", "{\"a\":1}", false},
        {"allowUnquotedControlChars", "true", "{\"b\":\"\t\",\"a\":1}", "{\"a\":1}", false},
        {"allowNonNumericNumbers", "false", "{\"b\":NaN,\"a\":1}", "{\"a\":null}", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_scan_options options = {0};
        assert_int_equal(json_scan_option(&options, cases[i].name, cases[i].value, NULL), STATUS_OK);
        struct json_scan *scan = made("a INT", &options, NULL);
        assert_scan(scan, cases[i].json, cases[i].wanted, cases[i].bad);
        json_scan_destroy(scan);
    }
    struct json_scan_options options = {0};
    struct error err = {0};
    assert_int_equal(json_scan_option(&options, "dateFormat", "yyyy", &err), STATUS_UNSUPPORTED);
    assert_int_equal(json_scan_option(&options, "mode", "DROPMALFORMED", &err), STATUS_UNSUPPORTED);
    assert_string_equal(err.condition, "PARSE_MODE_UNSUPPORTED");
    assert_int_equal(json_scan_option(&options, "allowComments", "maybe", &err), STATUS_INVALID);
}

static void failfast_names_the_record(void **state)
{
    (void)state;
    struct json_scan_options options = {.mode = JSON_FAILFAST};
    struct json_scan *scan = made("a INT", &options, NULL);
    const char *values[] = {"{\"a\":1}", "{\"a\":oops}"};
    struct column *text = texts(values, 2, TYPE_STRING), *column = NULL;
    struct error err = {0};
    assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, NULL, NULL, &err), STATUS_INVALID);
    assert_null(column);
    assert_non_null(strstr(err.message, "oops"));
    assert_string_equal(err.condition, "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION");
    uint32_t first[] = {0};
    assert_int_equal(json_scan_batch(scan, text, first, 1, &column, NULL, NULL, &err), STATUS_OK);
    assert_true(column_is_null(column, 1));
    column_unref(column);
    column_unref(text);
    json_scan_destroy(scan);
}

static void types_that_json_cannot_give_are_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"a INTERVAL DAY", "a MAP<INT, INT>", "_corrupt_record INT"};
    for (size_t i = 0; i < 3; i++) {
        struct json_scan_options options = {0};
        struct json_scan *scan = NULL;
        const struct type *type = NULL;
        struct error err = {0};
        assert_int_equal(type_parse_ddl(wrong[i], &type, NULL), STATUS_OK);
        assert_int_not_equal(json_scan_create(type, &options, NULL, &scan, &err), STATUS_OK);
        assert_null(scan);
        assert_true(strlen(err.message) > 20);
    }
}

// Every record cut at every byte: never good, never read further, and the rows around it stay what they are.
static void a_cut_record_leaves_its_neighbours_alone(void **state)
{
    (void)state;
    const char *whole =
        "{\"s\": \"a\\u00e9bc\", \"n\": -12.5e1, \"l\": [1, 2], \"m\": {\"k\": \"v\"}, \"t\": {\"x\": true}}";
    size_t length = strlen(whole);
    for (size_t i = 0; i < 4; i++) {
        if (!json_kernel_set(simds[i])) continue;
        struct json_scan *scan =
            made("s STRING, n DOUBLE, l ARRAY<INT>, m MAP<STRING, STRING>, t STRUCT<x: BOOLEAN>", NULL, NULL);
        for (size_t cut = 1; cut < length; cut++) {
            char head[128];
            snprintf(head, sizeof head, "%.*s", (int)cut, whole);
            const char *values[] = {whole, head, whole + cut, whole};
            struct column *text = texts(values, 4, TYPE_BINARY), *column = NULL;
            uint8_t bad[4];
            uint32_t bad_count = 0;
            assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, bad, &bad_count, NULL), STATUS_OK);
            assert_int_equal(bad[0], 0);
            assert_int_equal(bad[1], 1);
            assert_int_equal(bad[3], 0);
            assert_int_equal(column_compare(column, 0, column, 3), 0);
            for (uint32_t field = 0; field < 5; field++) assert_true(column_is_null(column->children[field], 1));
            column_unref(column);
            column_unref(text);
        }
        json_scan_destroy(scan);
    }
}

static void few_values_leave_as_a_dictionary_and_many_do_not(void **state)
{
    (void)state;
    struct json_scan *scan = made("few STRING, long STRING, many STRING", NULL, NULL);
    struct random random;
    random_init(&random, 1);
    struct column *first = NULL;
    for (int round = 0; round < 3; round++) {
        struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_BINARY));
        struct column *text = NULL, *column = NULL;
        for (int i = 0; i < 4000; i++) {
            char line[256];
            int few = i % 7;
            int length = snprintf(line, sizeof line,
                                  "{\"few\":\"%s%d\",\"long\":\"a value of more than sixteen %d\",\"many\":\"%llx\"}",
                                  few == 3   ? "\\u0041"
                                  : few == 4 ? "A"
                                             : "v",
                                  few / 2, few, (unsigned long long)random_u64(&random));
            assert_int_equal(column_builder_bytes(builder, line, (size_t)length, NULL), STATUS_OK);
        }
        assert_int_equal(column_builder_finish(builder, &text, NULL), STATUS_OK);
        column_builder_destroy(builder);
        assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, NULL, NULL, NULL), STATUS_OK);
        struct column *few = column->children[0], *longer = column->children[1], *many = column->children[2];
        assert_non_null(few->indices);
        assert_non_null(longer->indices);
        assert_null(many->indices);
        assert_int_equal(few->dictionary->length, 6); // v0 v1 A1 A2 v2 v3
        assert_int_equal(longer->dictionary->length, 7);
        if (round == 1) assert_ptr_equal(few->dictionary, first); // no new value: the same snapshot
        if (round == 0) first = column_ref(few->dictionary);
        assert_int_equal(column_slice(few, 3).length, 2);
        assert_memory_equal(column_slice(few, 3).data, "A1", 2);
        assert_memory_equal(column_slice(few, 4).data, "A2", 2);
        column_unref(column);
        column_unref(text);
    }
    column_unref(first);
    json_scan_destroy(scan);
}

static struct json_lines scanned(struct json_scan *scan, const char *text, size_t length, bool last)
{
    struct json_lines lines = {0};
    uint8_t *bytes = memory_calloc(1, length + BUFFER_PADDING);
    memcpy(bytes, text, length);
    assert_int_equal(json_scan_lines(scan, bytes, length, last, &lines, NULL), STATUS_OK);
    memory_free(bytes);
    return lines;
}

static void lines_come_in_pieces(void **state)
{
    (void)state;
    const char *file = "\xef\xbb\xbf{\"a\":1}\r\n{\"a\":2}\r\r\n\n[{\"a\":3},{\"a\":\"x\"}]\nbad\n{\"a\":5}";
    size_t length = strlen(file);
    for (size_t piece = 30; piece <= length; piece++) {
        struct json_scan *scan = made("a INT", NULL, NULL);
        struct text found = {0};
        size_t used = 0, bad = 0;
        for (size_t step = 0; used < length && step < 100; step++) {
            bool last = used + piece >= length;
            struct json_lines lines = scanned(scan, file + used, last ? length - used : piece, last);
            for (uint32_t i = 0; lines.batch && i < lines.batch->row_count; i++) batch_json(lines.batch, i, &found);
            for (uint32_t i = 0; i < lines.bad_count; i++) bad += lines.bad[i].row_count;
            used += lines.used;
            batch_unref(lines.batch);
        }
        assert_string_equal(text_str(&found), "{\"a\":1}{\"a\":2}{\"a\":3}{\"a\":null}{\"a\":null}{\"a\":5}");
        assert_int_equal(bad, 3);
        text_deinit(&found);
        json_scan_destroy(scan);
    }
}

static void a_long_array_comes_in_several_batches(void **state)
{
    (void)state;
    struct json_scan *scan = made("a INT", NULL, NULL);
    struct text text = {0};
    uint32_t total = 0;
    text_append_str(&text, "{\"a\":-1}\n[");
    for (int i = 0; i < 40000; i++) text_printf(&text, "%s{\"a\":%d}", i ? "," : "", i);
    text_append_str(&text, "]\n");
    for (size_t used = 0; used < text.length;) {
        struct json_lines lines = scanned(scan, text.data + used, text.length - used, true);
        assert_non_null(lines.batch);
        assert_true(lines.batch->row_count <= BATCH_ROWS_MAX);
        for (uint32_t i = 0; i < lines.batch->row_count; i++) {
            assert_int_equal(lines.batch->columns[0]->i32[i], (int32_t)(total++) - 1);
        }
        used += lines.used;
        batch_unref(lines.batch);
    }
    assert_int_equal(total, 40001);
    text_deinit(&text);
    json_scan_destroy(scan);
}

static void refused_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    struct budget budget;
    const char *values[] = {"{\"s\":\"x\",\"l\":[1,2,3],\"m\":{\"k\":\"v\"}}", "{\"s\":null,\"l\":[1,null]}", "bad", "",
                            "{\"t\":{\"x\":1,\"y\":\"AQID\"}}"};
    budget_init(&budget, "test", NULL, 0);
    for (uint64_t n = 1;; n++) {
        struct json_scan *scan =
            made("s STRING, l ARRAY<INT>, m MAP<STRING, STRING>, t STRUCT<x: INT, y: BINARY>, _corrupt_record STRING",
                 NULL, &budget);
        struct column *text = texts(values, 5, TYPE_STRING), *column = NULL;
        struct error err = {0};
        budget_fail_at(n);
        enum status status = json_scan_batch(scan, text, NULL, 0, &column, NULL, NULL, &err);
        budget_fail_at(0);
        column_unref(column);
        column_unref(text);
        json_scan_destroy(scan);
        assert_int_equal(atomic_load(&budget.used_bytes), 0);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(n < 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(odd_records),
        cmocka_unit_test(options_are_sparks),
        cmocka_unit_test(failfast_names_the_record),
        cmocka_unit_test(types_that_json_cannot_give_are_refused),
        cmocka_unit_test(a_cut_record_leaves_its_neighbours_alone),
        cmocka_unit_test(few_values_leave_as_a_dictionary_and_many_do_not),
        cmocka_unit_test(lines_come_in_pieces),
        cmocka_unit_test(a_long_array_comes_in_several_batches),
        cmocka_unit_test(refused_memory_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
