// Rows as bytes: every type comes back; equal rows have equal canonical bytes; cut and altered bytes are refused, never
// followed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <math.h>

#include <cmocka.h>

#include "worker/state/row_codec.h"

#define TYPE                                                                                                           \
    "struct<b:boolean,t:tinyint,i:int,l:bigint,f:float,d:double,s:string,x:binary,n:decimal(20,3),"                    \
    "a:array<struct<k:string,v:int>>,m:map<string,bigint>,w:struct<start:timestamp,end:timestamp>>"

static struct column_builder *child(struct column_builder *builder, uint32_t at)
{
    return column_builder_child(builder, at);
}

#define OK(call) assert_int_equal((call), STATUS_OK)

static struct column *sample(const struct type *type)
{
    struct column_builder *row = column_builder_create(NULL, type);
    struct column *column;
    struct error err;
    uint8_t yes = 1;
    int8_t tiny = -3;
    int32_t integer = 77;
    int64_t big = INT64_MIN, start = 0, end = 60000000;
    float real = -0.0f;
    double nan = NAN;
    __int128 decimal = -((__int128)1 << 70);
    OK(column_builder_fixed(child(row, 0), &yes, &err));
    OK(column_builder_fixed(child(row, 1), &tiny, &err));
    OK(column_builder_fixed(child(row, 2), &integer, &err));
    OK(column_builder_fixed(child(row, 3), &big, &err));
    OK(column_builder_fixed(child(row, 4), &real, &err));
    OK(column_builder_fixed(child(row, 5), &nan, &err));
    OK(column_builder_bytes(child(row, 6), "h\xC3\xA9", 3, &err));
    OK(column_builder_bytes(child(row, 7), "\xFF\x00", 2, &err));
    OK(column_builder_fixed(child(row, 8), &decimal, &err));
    for (int i = 0; i < 2; i++) {
        struct column_builder *element = child(child(row, 9), 0);
        OK(column_builder_null(child(element, 0), &err));
        OK(column_builder_fixed(child(element, 1), &integer, &err));
        OK(column_builder_nested(element, &err));
    }
    OK(column_builder_nested(child(row, 9), &err));
    OK(column_builder_nested(child(row, 10), &err)); // an empty map
    OK(column_builder_fixed(child(child(row, 11), 0), &start, &err));
    OK(column_builder_fixed(child(child(row, 11), 1), &end, &err));
    OK(column_builder_nested(child(row, 11), &err));
    OK(column_builder_nested(row, &err));
    OK(column_builder_null(row, &err));
    OK(column_builder_finish(row, &column, &err));
    column_builder_destroy(row);
    return column;
}

static enum status decode(const struct type *type, struct slice bytes, struct column **ret_column)
{
    struct column_builder *builder = column_builder_create(NULL, type);
    struct error err;
    size_t used = 0;
    enum status status = row_codec_decode(&type, 1, bytes, &builder, &used, &err);
    if (status == STATUS_OK && used != bytes.length) status = STATUS_CORRUPT;
    if (status == STATUS_OK) OK(column_builder_finish(builder, ret_column, &err));
    column_builder_destroy(builder);
    return status;
}

static void every_type_comes_back(void **state)
{
    (void)state;
    const struct type *type;
    struct error err;
    OK(type_parse(TYPE, &type, &err));
    struct column *column = sample(type), *back;
    for (uint32_t row = 0; row < 2; row++) {
        struct text bytes = {0}, before = {0}, after = {0};
        row_codec_encode(&column, 1, row, false, &bytes);
        OK(decode(type, slice_of(bytes.data, bytes.length), &back));
        column_json(column, row, &before);
        column_json(back, 0, &after);
        assert_string_equal(text_str(&before), text_str(&after));
        column_unref(back);
        text_deinit(&bytes);
        text_deinit(&before);
        text_deinit(&after);
    }
    column_unref(column);
}

static void cut_bytes_are_refused_and_altered_ones_never_followed(void **state)
{
    (void)state;
    const struct type *type;
    struct error err;
    OK(type_parse(TYPE, &type, &err));
    struct column *column = sample(type), *back;
    struct text bytes = {0};
    row_codec_encode(&column, 1, 0, false, &bytes);
    for (size_t length = 0; length < bytes.length; length++) {
        char *copy = memory_strndup(bytes.data, length); // its own block: a sanitizer sees a step beyond
        assert_int_equal(decode(type, slice_of(copy, length), &back), STATUS_CORRUPT);
        memory_free(copy);
    }
    for (size_t bit = 0; bit < bytes.length * 8; bit++) {
        char *copy = memory_strndup(bytes.data, bytes.length);
        copy[bit / 8] = (char)(copy[bit / 8] ^ (1 << bit % 8));
        if (decode(type, slice_of(copy, bytes.length), &back) == STATUS_OK) column_unref(back);
        memory_free(copy);
    }
    text_deinit(&bytes);
    column_unref(column);
}

static void equal_numbers_have_equal_canonical_bytes(void **state)
{
    (void)state;
    const double values[] = {0.0, -0.0, NAN, -NAN};
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_DOUBLE));
    struct column *column;
    struct error err;
    struct text bytes[4] = {0};
    for (int i = 0; i < 4; i++) OK(column_builder_fixed(builder, &values[i], &err));
    OK(column_builder_finish(builder, &column, &err));
    for (uint32_t i = 0; i < 4; i++) row_codec_encode(&column, 1, i, true, &bytes[i]);
    assert_memory_equal(bytes[0].data, bytes[1].data, 9);
    assert_memory_equal(bytes[2].data, bytes[3].data, 9);
    assert_memory_not_equal(bytes[0].data, bytes[2].data, 9);
    for (int i = 0; i < 4; i++) text_deinit(&bytes[i]);
    column_unref(column);
    column_builder_destroy(builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_comes_back),
        cmocka_unit_test(cut_bytes_are_refused_and_altered_ones_never_followed),
        cmocka_unit_test(equal_numbers_have_equal_canonical_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
