// Thrift's compact protocol: round trips and hostile input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/parquet/thrift.h"

static void values_of_every_kind_come_back(void **state)
{
    struct text text = {0};
    struct thrift_writer out;
    struct thrift_reader in;
    struct thrift_field field = {0}, element = {0};
    (void)state;
    thrift_writer_init(&out, &text);
    thrift_put_bool(&out, 1, true);
    thrift_put_i8(&out, 2, -7);
    thrift_put_i64(&out, 30, INT64_MIN); // a step of more than 15 has its number written out
    thrift_put_list(&out, 31, THRIFT_I32, 20);
    for (int32_t i = 0; i < 20; i++) thrift_item_i32(&out, -i * 1000);
    thrift_put_struct(&out, 32);
    thrift_put_binary(&out, 1, "abc", 3);
    thrift_end(&out);
    thrift_end(&out);

    thrift_reader_init(&in, text.data, text.length);
    assert_true(thrift_begin(&in));
    assert_true(thrift_next(&in, &field));
    assert_true(thrift_get_bool(&in, field));
    assert_true(thrift_next(&in, &field));
    assert_int_equal(thrift_get_i32(&in, field), -7);
    assert_true(thrift_next(&in, &field));
    assert_int_equal(field.id, 30);
    assert_true(thrift_get_int(&in, field) == INT64_MIN);
    assert_true(thrift_next(&in, &field));
    assert_int_equal(thrift_get_list(&in, field, &element), 20);
    for (int32_t i = 0; i < 20; i++) assert_int_equal(thrift_get_i32(&in, element), -i * 1000);
    assert_true(thrift_next(&in, &field));
    assert_true(thrift_begin(&in));
    assert_true(thrift_next(&in, &field));
    assert_true(slice_equal(thrift_get_binary(&in, field), slice_str("abc")));
    assert_false(thrift_next(&in, &field));
    assert_false(thrift_next(&in, &field));
    assert_false(in.bad);
    assert_ptr_equal(in.at, in.end);
    text_deinit(&text);
}

static void unknown_fields_are_skipped_whole(void **state)
{
    struct text text = {0};
    struct thrift_writer out;
    struct thrift_reader in;
    struct thrift_field field = {0};
    (void)state;
    thrift_writer_init(&out, &text);
    thrift_put_list(&out, 1, THRIFT_STRUCT, 2);
    for (int i = 0; i < 2; i++) {
        thrift_item_struct(&out);
        thrift_put_bool(&out, 1, false);
        thrift_put_list(&out, 2, THRIFT_BINARY, 1);
        thrift_item_binary(&out, "x", 1);
        thrift_end(&out);
    }
    thrift_put_i32(&out, 2, 42);
    thrift_end(&out);
    thrift_reader_init(&in, text.data, text.length);
    assert_true(thrift_begin(&in));
    assert_true(thrift_next(&in, &field));
    thrift_skip(&in, field);
    assert_true(thrift_next(&in, &field));
    assert_int_equal(thrift_get_i32(&in, field), 42);
    assert_false(in.bad);
    text_deinit(&text);
}

static void a_list_longer_than_its_bytes_is_damage(void **state)
{
    static const uint8_t bytes[] = {0x19, 0xFC, 0xFF, 0xFF, 0xFF, 0xFF, 0x07, 0x00};
    struct thrift_reader in;
    struct thrift_field field = {0}, element = {0};
    (void)state;
    thrift_reader_init(&in, bytes, sizeof bytes);
    assert_true(thrift_begin(&in) && thrift_next(&in, &field));
    assert_int_equal(thrift_get_list(&in, field, &element), 0);
    assert_true(in.bad);
}

static void structs_without_end_are_damage(void **state)
{
    uint8_t bytes[1000];
    struct thrift_reader in;
    struct thrift_field field = {0};
    (void)state;
    memset(bytes, 0x1C, sizeof bytes); // field 1, struct, for ever
    thrift_reader_init(&in, bytes, sizeof bytes);
    assert_true(thrift_begin(&in) && thrift_next(&in, &field));
    thrift_skip(&in, field);
    assert_true(in.bad);
}

static void random_bytes_end(void **state)
{
    uint8_t bytes[64];
    struct random random;
    (void)state;
    random_init(&random, 1);
    for (int round = 0; round < 100000; round++) {
        struct thrift_reader in;
        struct thrift_field field;
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)random_u64(&random);
        thrift_reader_init(&in, bytes, sizeof bytes);
        thrift_begin(&in);
        while (thrift_next(&in, &field)) thrift_skip(&in, field);
        assert_true(in.at <= in.end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_every_kind_come_back),
        cmocka_unit_test(unknown_fields_are_skipped_whole),
        cmocka_unit_test(a_list_longer_than_its_bytes_is_damage),
        cmocka_unit_test(structs_without_end_are_damage),
        cmocka_unit_test(random_bytes_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
