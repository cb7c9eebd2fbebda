// Types: interning, Spark's text, DDL.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/columnar/type.h"

static const struct type *parsed(const char *text)
{
    const struct type *type = NULL;
    struct error err = {0};
    assert_int_equal(type_parse(text, &type, &err), STATUS_OK);
    return type;
}

static void equal_types_are_one_pointer(void **state)
{
    (void)state;
    struct field fields[] = {{"start", type_of(TYPE_TIMESTAMP)}, {"end", type_of(TYPE_TIMESTAMP)}};
    assert_ptr_equal(type_struct(fields, 2),
                     parsed("STRUCT<start: TIMESTAMP, `end` timestamp_ltz NOT NULL COMMENT 'x'>"));
    assert_ptr_equal(type_decimal(10, 0), parsed(" Dec "));
    assert_ptr_equal(type_array(type_of(TYPE_BIGINT)), parsed("array<long>"));
    assert_string_equal(type_struct(fields, 2)->text, "struct<start:timestamp,end:timestamp>");
}

static void text_reads_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"void",
                                        "int",
                                        "decimal(38,18)",
                                        "struct<>",
                                        "map<string,array<struct<a:int>>>",
                                        "struct<`a b`:int,`1x`:date,`q``q`:binary>",
                                        "interval year to month",
                                        "interval day to second",
                                        "struct<a:timestamp_ntz,A:tinyint>"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) assert_string_equal(parsed(texts[i])->text, texts[i]);
}

static void ddl_lists_columns(void **state)
{
    (void)state;
    const struct type *type = NULL;
    struct error err = {0};
    assert_int_equal(
        type_parse_ddl("user_id STRING, amount DOUBLE NOT NULL COMMENT 'it''s, a > b', `x y`: MAP<INT,REAL>", &type,
                       &err),
        STATUS_OK);
    assert_string_equal(type->text, "struct<user_id:string,amount:double,`x y`:map<int,float>>");
    assert_int_equal(type_field_find(type, "AMOUNT"), 1);
    assert_int_equal(type_field_find(type, "amoun"), -1);
    assert_int_equal(type_parse_ddl("struct<a:int>", &type, &err), STATUS_OK);
    assert_int_equal(type->child_count, 1);
    assert_int_equal(type_parse_ddl("struct int", &type, &err), STATUS_OK);
    assert_string_equal(type->children[0].name, "struct");
}

static void wrong_text_names_the_place(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",
                                        "int int",
                                        "array<int",
                                        "decimal(39,1)",
                                        "decimal(5,6)",
                                        "decimal(5",
                                        "strin",
                                        "struct<a>",
                                        "struct<`a:int>",
                                        "struct<a:int,a:int>",
                                        "map<int>",
                                        "varchar(3)",
                                        "interval day to month"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct type *type = NULL;
        struct error err = {0};
        assert_int_not_equal(type_parse(wrong[i], &type, &err), STATUS_OK);
        assert_null(type);
        assert_true(strlen(err.message) > 10);
    }
}

static void deep_nesting_is_refused(void **state)
{
    (void)state;
    struct text text = {0};
    for (int i = 0; i < 10000; i++) text_append_str(&text, "array<");
    const struct type *type = NULL;
    assert_int_equal(type_parse(text_str(&text), &type, NULL), STATUS_INVALID);
    text_deinit(&text);
}

static void *intern_many(void *argument)
{
    const struct type **found = argument;
    for (uint32_t i = 0; i < 1000; i++) {
        const struct type *type = type_decimal((uint8_t)(1 + i % 38), 0);
        found[i] = type_map(type, type_array(type_decimal((uint8_t)(1 + i / 38), 1)));
    }
    return NULL;
}

static void interning_is_thread_safe(void **state)
{
    (void)state;
    static const struct type *found[4][1000];
    pthread_t threads[4];
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, intern_many, found[i]);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    for (int i = 1; i < 4; i++) assert_memory_equal(found[0], found[i], sizeof found[0]);
}

static void intervals_keep_their_fields(void **state)
{
    (void)state;
    const struct type *parsed = NULL;
    struct error err;
    assert_int_equal(type_parse("INTERVAL HOUR TO MINUTE", &parsed, &err), STATUS_OK);
    assert_ptr_equal(parsed, type_interval(INTERVAL_HOUR, INTERVAL_MINUTE));
    assert_string_equal(parsed->text, "interval hour to minute");
    assert_string_equal(type_interval(INTERVAL_DAY, INTERVAL_DAY)->text, "interval day");
    assert_ptr_equal(type_interval(INTERVAL_DAY, INTERVAL_SECOND), type_of(TYPE_INTERVAL_DAY_TIME));
    assert_ptr_equal(type_interval_wider(type_interval(INTERVAL_DAY, INTERVAL_DAY), parsed),
                     type_interval(INTERVAL_DAY, INTERVAL_MINUTE));
    assert_int_equal(type_parse("interval minute to hour", &parsed, &err), STATUS_INVALID);
    assert_int_equal(type_parse("interval month to day", &parsed, &err), STATUS_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_types_are_one_pointer), cmocka_unit_test(text_reads_back),
        cmocka_unit_test(ddl_lists_columns),           cmocka_unit_test(wrong_text_names_the_place),
        cmocka_unit_test(deep_nesting_is_refused),     cmocka_unit_test(interning_is_thread_safe),
        cmocka_unit_test(intervals_keep_their_fields)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
