// Encoders against decoders: hybrid runs of every width, differences with every wrap.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/parquet/parquet_decode.h"
#include "common/parquet/parquet_delta.h"
#include "common/parquet/parquet_encode.h"
#include "common/parquet/parquet_values.h"

#define COUNT_MAX 3000

static void indices_of_every_width_come_back(void **state)
{
    static uint32_t values[COUNT_MAX], back[COUNT_MAX];
    struct random random;
    struct error err;
    (void)state;
    random_init(&random, 2);
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t width = (uint32_t)random_below(&random, 33), count = (uint32_t)random_below(&random, COUNT_MAX);
        double repeat = random_unit(&random);
        uint64_t bound = 1ull << width;
        for (uint32_t i = 0; i < count; i++) {
            values[i] = i && random_chance(&random, repeat) ? values[i - 1] : (uint32_t)random_below(&random, bound);
        }
        struct parquet_bytes bytes;
        parquet_bytes_init(&bytes, NULL);
        assert_int_equal(parquet_encode_hybrid32(&bytes, values, count, width, &err), STATUS_OK);
        struct parquet_hybrid_in in;
        parquet_decode_hybrid(&in, bytes.data, bytes.size, width);
        for (uint32_t at = 0; at < count;) { // in odd steps
            uint32_t step = 1 + (uint32_t)random_below(&random, 100);
            if (step > count - at) step = count - at;
            assert_true(parquet_decode_hybrid_next(&in, back + at, step));
            at += step;
        }
        if (count) assert_memory_equal(values, back, count * sizeof *values);
        if (width) assert_ptr_equal(in.at, in.end);
        if (width && count) {
            assert_true(parquet_decode_hybrid_ended(&in));
            in.end += width; // a group more than the run has
            assert_false(parquet_decode_hybrid_ended(&in));
        }
        parquet_bytes_deinit(&bytes);
    }
}

// A page whose header cuts its values off, with a dictionary at hand: no encoding may make values of nothing.
static void an_empty_page_has_no_values(void **state)
{
    static const struct parquet_node leaves[] = {
        {.name = "b", .physical = PARQUET_BOOLEAN},    {.name = "i", .physical = PARQUET_INT32},
        {.name = "l", .physical = PARQUET_INT64},      {.name = "n", .physical = PARQUET_INT96},
        {.name = "f", .physical = PARQUET_FLOAT},      {.name = "d", .physical = PARQUET_DOUBLE},
        {.name = "s", .physical = PARQUET_BYTE_ARRAY}, {.name = "x", .physical = PARQUET_FIXED, .fixed_length = 3},
    };
    static const uint8_t one[16] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof leaves / sizeof *leaves; i++) {
        for (int32_t encoding = PARQUET_PLAIN; encoding <= PARQUET_BYTE_STREAM_SPLIT; encoding++) {
            struct parquet_values values;
            struct parquet_store dictionary, store;
            struct error err;
            parquet_values_init(&values, &leaves[i], NULL);
            parquet_store_init(&dictionary, &leaves[i], NULL);
            parquet_store_init(&store, &leaves[i], NULL);
            assert_int_equal(parquet_values_open(&values, PARQUET_PLAIN, one, sizeof one, 1, &err), STATUS_OK);
            assert_int_equal(parquet_values_next(&values, 1, NULL, &dictionary, &err), STATUS_OK);
            enum status status = parquet_values_open(&values, encoding, one, 0, 1, &err);
            if (status == STATUS_OK) {
                assert_int_equal(parquet_values_next(&values, 0, &dictionary, &store, &err), STATUS_OK);
                status = parquet_values_next(&values, 1, &dictionary, &store, &err);
            }
            assert_true(status == STATUS_CORRUPT || status == STATUS_UNSUPPORTED);
            parquet_store_deinit(&store);
            parquet_store_deinit(&dictionary);
            parquet_values_deinit(&values);
        }
    }
}

// hardwood #901: parquet-java and pyarrow want the run header even at width 0.
static void a_constant_column_has_a_run_header(void **state)
{
    static const uint32_t zeros[300] = {0};
    struct parquet_bytes bytes;
    struct error err;
    (void)state;
    parquet_bytes_init(&bytes, NULL);
    assert_int_equal(parquet_encode_hybrid32(&bytes, zeros, 300, 0, &err), STATUS_OK);
    assert_int_equal(bytes.size, 2);
    assert_memory_equal(bytes.data, "\xD8\x04", 2); // 300 << 1
    bytes.size = 0;
    assert_int_equal(parquet_encode_hybrid32(&bytes, zeros, 1, 0, &err), STATUS_OK);
    assert_memory_equal(bytes.data, "\x02", 1);
    parquet_bytes_deinit(&bytes);
}

// polars #13883: Spark reads whole groups.
static void the_last_group_is_padded(void **state)
{
    static const uint32_t values[11] = {0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2};
    struct parquet_bytes bytes;
    struct error err;
    (void)state;
    parquet_bytes_init(&bytes, NULL);
    assert_int_equal(parquet_encode_hybrid32(&bytes, values, 11, 3, &err), STATUS_OK);
    assert_int_equal(bytes.size, 1 + 2 * 3);
    assert_int_equal(bytes.data[0], 2 << 1 | 1);
    parquet_bytes_deinit(&bytes);
}

static void differences_come_back_whatever_they_wrap(void **state)
{
    static int64_t values[COUNT_MAX], back[COUNT_MAX];
    struct random random;
    struct error err;
    (void)state;
    random_init(&random, 4);
    for (uint32_t round = 0; round < 2000; round++) {
        bool narrow = random_chance(&random, 0.5);
        uint32_t count = (uint32_t)random_below(&random, round % 10 ? 300 : COUNT_MAX),
                 shift = (uint32_t)random_below(&random, 64);
        for (uint32_t i = 0; i < count; i++) {
            values[i] = (int64_t)(random_u64(&random) >> shift);
            if (narrow) values[i] = (int32_t)(uint32_t)values[i];
        }
        struct parquet_delta delta;
        struct parquet_bytes bytes;
        parquet_bytes_init(&bytes, NULL);
        parquet_delta_init(&delta, narrow, NULL);
        for (uint32_t at = 0; at < count;) {
            uint32_t step = 1 + (uint32_t)random_below(&random, 200);
            if (step > count - at) step = count - at;
            assert_int_equal(parquet_delta_append(&delta, values + at, step, &err), STATUS_OK);
            at += step;
        }
        assert_int_equal(parquet_delta_finish(&delta, &bytes, &err), STATUS_OK);
        struct parquet_delta_in in;
        assert_true(parquet_decode_delta(&in, bytes.data, bytes.size, narrow));
        assert_int_equal(in.left, count);
        assert_true(parquet_decode_delta_next(&in, back, count));
        if (count) assert_memory_equal(values, back, count * sizeof *values);
        assert_ptr_equal(parquet_decode_delta_end(&in), bytes.data + bytes.size);
        assert_false(parquet_decode_delta_next(&in, back, 1));
        parquet_delta_deinit(&delta);
        parquet_bytes_deinit(&bytes);
    }
}

static void cut_streams_are_refused(void **state)
{
    struct parquet_delta delta;
    struct parquet_bytes bytes;
    struct error err;
    int64_t values[500], back[500];
    (void)state;
    for (int i = 0; i < 500; i++) values[i] = i * i * 37;
    parquet_bytes_init(&bytes, NULL);
    parquet_delta_init(&delta, false, NULL);
    assert_int_equal(parquet_delta_append(&delta, values, 500, &err), STATUS_OK);
    assert_int_equal(parquet_delta_finish(&delta, &bytes, &err), STATUS_OK);
    for (size_t size = 0; size + 200 < bytes.size; size++) {
        struct parquet_delta_in in;
        assert_false(parquet_decode_delta(&in, bytes.data, size, false) && parquet_decode_delta_next(&in, back, 500));
    }
    parquet_delta_deinit(&delta);
    parquet_bytes_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(indices_of_every_width_come_back),         cmocka_unit_test(an_empty_page_has_no_values),
        cmocka_unit_test(a_constant_column_has_a_run_header),       cmocka_unit_test(the_last_group_is_padded),
        cmocka_unit_test(differences_come_back_whatever_they_wrap), cmocka_unit_test(cut_streams_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
