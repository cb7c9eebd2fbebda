// Spark's schema JSON, and names in the log.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/delta/delta_path.h"
#include "common/delta/delta_schema_json.h"
#include "tests/unit/lib/unit_arena.h"

static struct error err;

static const struct type *parse(const char *text)
{
    const struct type *type = NULL;
    assert_int_equal(type_parse(text, &type, &err), STATUS_OK);
    return type;
}

static void a_schema_written_reads_back(void **state)
{
    (void)state;
    const struct type *type =
        parse("struct<a:tinyint,b:smallint,c:int,d:bigint,e:float,f:double,g:decimal(38,18),h:string,i:binary,j:date,"
              "k:timestamp,l:timestamp_ntz,m:boolean,n:struct<x:array<map<string,struct<`odd \"name`:int>>>>>");
    struct text text = {0};
    struct delta_schema schema;
    assert_int_equal(delta_schema_json_write(type, &text, &err), STATUS_OK);
    assert_int_equal(delta_schema_json_read(text_str(&text), &unit_arena, &schema, &err), STATUS_OK);
    assert_ptr_equal(schema.type, type);
    assert_int_equal(schema.field_count, 14);
    assert_true(schema.fields[13].children[0].nullable);
    text_deinit(&text);
}

static void a_column_that_delta_cannot_hold_is_named(void **state)
{
    (void)state;
    struct text text = {0};
    struct field field = {"how_long", type_of(TYPE_INTERVAL_DAY_TIME)};
    assert_int_equal(delta_schema_json_write(type_struct(&field, 1), &text, &err), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "how_long"));
    field = (struct field){"nothing", type_of(TYPE_VOID)};
    assert_int_equal(delta_schema_json_write(type_struct(&field, 1), &text, &err), STATUS_UNSUPPORTED);
    text_deinit(&text);
}

static void metadata_of_columns_is_kept_where_it_matters(void **state)
{
    (void)state;
    struct delta_schema schema;
    const char *json =
        "{\"type\":\"struct\",\"fields\":["
        "{\"name\":\"a\",\"type\":\"integer\",\"nullable\":false,\"metadata\":{\"delta.invariants\":\"x\"}},"
        "{\"name\":\"b\",\"type\":{\"type\":\"array\",\"elementType\":{\"type\":\"struct\",\"fields\":[{\"name\":\"c\","
        "\"type\":"
        "\"decimal(5,2)\",\"nullable\":true,\"metadata\":{\"delta.columnMapping.id\":4,\"delta.columnMapping."
        "physicalName\":"
        "\"col-9\"}}]},\"containsNull\":false},\"nullable\":true,\"metadata\":{\"comment\":\"hi\"}}]}";
    assert_int_equal(delta_schema_json_read(json, &unit_arena, &schema, &err), STATUS_OK);
    assert_ptr_equal(schema.type, parse("struct<a:int,b:array<struct<c:decimal(5,2)>>>"));
    assert_false(schema.fields[0].nullable);
    assert_string_equal(schema.fields[0].refused, "delta.invariants");
    const struct delta_field *c = &schema.fields[1].children[0].children[0];
    assert_string_equal(c->physical_name, "col-9");
    assert_int_equal(c->column_id, 4);
}

static void what_is_no_schema_is_refused(void **state)
{
    (void)state;
    struct delta_schema schema;
    static const char *const corrupt[] = {"",
                                          "7",
                                          "{}",
                                          "{\"type\":\"array\"}",
                                          "{\"type\":\"struct\"}",
                                          "{\"type\":\"struct\",\"fields\":[{\"type\":\"string\"}]}",
                                          "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\"}]}"};
    for (size_t i = 0; i < sizeof corrupt / sizeof *corrupt; i++) {
        assert_int_equal(delta_schema_json_read(corrupt[i], &unit_arena, &schema, &err), STATUS_CORRUPT);
    }
    static const char *const unknown[] = {"variant",     "decimal(39,2)", "decimal(3,4)",
                                          "decimal(3,2", "geometry(1)",   "udt"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++) {
        struct text json = {0};
        text_printf(&json, "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":\"%s\"}]}", unknown[i]);
        assert_int_equal(delta_schema_json_read(text_str(&json), &unit_arena, &schema, &err), STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, unknown[i]));
        text_deinit(&json);
    }
    struct text deep = {0};
    text_append_str(&deep, "{\"type\":\"struct\",\"fields\":[{\"name\":\"a\",\"type\":");
    for (int i = 0; i < 100; i++) text_append_str(&deep, "{\"type\":\"array\",\"elementType\":");
    text_append_str(&deep, "\"string\"");
    for (int i = 0; i < 100; i++) text_append_char(&deep, '}');
    text_append_str(&deep, "}]}");
    assert_int_equal(delta_schema_json_read(text_str(&deep), &unit_arena, &schema, &err), STATUS_CORRUPT);
    text_deinit(&deep);
}

static void columns_are_added_and_old_ones_stay_as_they_are(void **state)
{
    (void)state;
    const char *old = "{\"type\":\"struct\",\"fields\":[{\"name\":\"Id\",\"type\":\"long\",\"nullable\":false,"
                      "\"metadata\":{\"comment\":\"key\"}}]}";
    struct text text = {0};
    bool changed;
    assert_int_equal(delta_schema_json_extend(old, parse("struct<id:bigint>"), &text, &changed, &err), STATUS_OK);
    assert_false(changed);
    text_reset(&text);
    assert_int_equal(delta_schema_json_extend(old, parse("struct<id:bigint,n:string>"), &text, &changed, &err),
                     STATUS_OK);
    assert_true(changed);
    assert_string_equal(text_str(&text),
                        "{\"type\":\"struct\",\"fields\":[{\"name\":\"Id\",\"type\":\"long\",\"nullable\":false,"
                        "\"metadata\":{\"comment\":\"key\"}},{\"name\":\"n\",\"type\":\"string\","
                        "\"nullable\":true,\"metadata\":{}}]}");
    assert_int_equal(delta_schema_json_extend(old, parse("struct<id:int>"), &text, &changed, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "bigint"));
    text_deinit(&text);
}

static void a_path_is_encoded_once_and_decoded_once(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"part-1.zstd.parquet", "part-1.zstd.parquet"},
                                           {"p=a%25percent/x y", "p=a%2525percent/x%20y"},
                                           {"a:b/c\"d#e", "a:b/c%22d%23e"},
                                           {"\xC3\xA4[1]\xE3\x80\x80\x7F", "%C3%A4%5B1%5D%E3%80%80%7F"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        struct text text = {0};
        delta_path_encode(pairs[i][0], &text);
        assert_string_equal(text_str(&text), pairs[i][1]);
        text_reset(&text);
        assert_int_equal(delta_path_decode(pairs[i][1], NULL, &text, &err), STATUS_OK);
        assert_string_equal(text_str(&text), pairs[i][0]);
        text_deinit(&text);
    }
}

static void paths_outside_the_table_are_refused(void **state)
{
    (void)state;
    struct text text = {0};
    static const char *const unsupported[] = {"/etc/passwd",     "file:/x",         "s3a://b/k",      "/lake",
                                              "/lake/t",         "/lake/t/",        "/lake/t/../u/x", "/lake/tx/y",
                                              "file://lake/t/x", "s3://b/lake/t/x", "/Lake/t/x"};
    static const char *const corrupt[] = {"..",   "../x", "a/%2e%2e/x", "%2Fetc", "a%", "a%0",
                                          "a%zz", "%00",  "",           ".",      "./", "/lake/t/a%"};
    for (size_t i = 0; i < sizeof unsupported / sizeof *unsupported; i++) {
        text_reset(&text);
        assert_int_equal(delta_path_decode(unsupported[i], "/lake/t", &text, &err), STATUS_UNSUPPORTED);
    }
    for (size_t i = 0; i < sizeof corrupt / sizeof *corrupt; i++) {
        text_reset(&text);
        assert_int_equal(delta_path_decode(corrupt[i], "/lake/t", &text, &err), STATUS_CORRUPT);
    }
    text_deinit(&text);
}

static void a_path_inside_the_table_may_be_spelled_otherwise(void **state)
{
    (void)state;
    struct text text = {0};
    static const char *const cases[][3] = {{"./x", "/lake/t", "x"},
                                           {"././p=1//x", "/lake/t", "p=1/x"},
                                           {"p=1/./x", "/lake/t", "p=1/x"},
                                           {"..x/...", "/lake/t", "..x/..."},
                                           {"/lake/t/x", "/lake/t", "x"},
                                           {"//lake//./t/x", "/lake/t", "x"},
                                           {"file:/lake/t/p=1/x%2520y", "/lake/t", "p=1/x%20y"},
                                           {"file:///lake/t/x", "/lake/./t", "x"},
                                           {"FILE:///lake/t/x", "/lake//t", "x"},
                                           {"/a%20b/t/x", "/a b/t", "x"},
                                           {"file:///x", "/", "x"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        text_reset(&text);
        assert_int_equal(delta_path_decode(cases[i][0], cases[i][1], &text, &err), STATUS_OK);
        assert_string_equal(text_str(&text), cases[i][2]);
    }
    text_deinit(&text);
}

static void names_are_escaped_as_hive_does(void **state)
{
    (void)state;
    struct text text = {0};
    delta_path_escape("a/b=c {d}\xC3\xA4", &text);
    assert_string_equal(text_str(&text), "a%2Fb%3Dc %7Bd}\xC3\xA4");
    text_reset(&text);
    delta_path_escape("", &text);
    assert_string_equal(text_str(&text), "__HIVE_DEFAULT_PARTITION__");
    text_reset(&text);
    delta_path_partition((const char *const[]){"p", "q"}, (const char *const[]){"a/b", NULL}, 2, &text);
    assert_string_equal(text_str(&text), "p=a%2Fb/q=__HIVE_DEFAULT_PARTITION__/");
    text_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_schema_written_reads_back, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_column_that_delta_cannot_hold_is_named, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(metadata_of_columns_is_kept_where_it_matters, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(what_is_no_schema_is_refused, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(columns_are_added_and_old_ones_stay_as_they_are, unit_arena_setup,
                                        unit_arena_teardown),
        cmocka_unit_test_setup_teardown(a_path_is_encoded_once_and_decoded_once, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test_setup_teardown(paths_outside_the_table_are_refused, unit_arena_setup, unit_arena_teardown),
        cmocka_unit_test(a_path_inside_the_table_may_be_spelled_otherwise),
        cmocka_unit_test_setup_teardown(names_are_escaped_as_hive_does, unit_arena_setup, unit_arena_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
