// Dead letters: what is kept of a row that raised, and of which epoch.
#include "tests/unit/worker/sink/sink_fixture.h"

#include "worker/expr/expr.h"
#include "worker/sink/letter_sink.h"

#define RECORD "struct<key:binary,value:binary,topic:string,partition:int,offset:bigint,timestamp:timestamp>"

static void put_bytes(struct column_builder *builder, const char *text)
{
    struct error err;
    assert_int_equal(column_builder_bytes(builder, text, strlen(text), &err), STATUS_OK);
}

// Raw records "v0", "v1", … of topic "events", partition 3, offsets from 10; the second has no key.
static struct batch *records(uint32_t count)
{
    const struct type *type = sink_fixture_type(RECORD);
    struct column_builder *builders[6];
    struct column *made[6];
    struct error err;
    for (uint32_t c = 0; c < 6; c++) builders[c] = column_builder_create(NULL, type->children[c].type);
    for (uint32_t i = 0; i < count; i++) {
        char value[8];
        int32_t partition = 3;
        int64_t offset = 10 + i, timestamp_us = 1000000 * (int64_t)i;
        snprintf(value, sizeof value, "v%u", i);
        if (i == 1) {
            assert_int_equal(column_builder_null(builders[0], &err), STATUS_OK);
        } else {
            put_bytes(builders[0], "key");
        }
        put_bytes(builders[1], value);
        put_bytes(builders[2], "events");
        assert_int_equal(column_builder_fixed(builders[3], &partition, &err), STATUS_OK);
        assert_int_equal(column_builder_fixed(builders[4], &offset, &err), STATUS_OK);
        assert_int_equal(column_builder_fixed(builders[5], &timestamp_us, &err), STATUS_OK);
    }
    for (uint32_t c = 0; c < 6; c++) {
        assert_int_equal(column_builder_finish(builders[c], &made[c], &err), STATUS_OK);
        column_builder_destroy(builders[c]);
    }
    return batch_create(type, count, made);
}

static void raise(struct expr_errors *errors, uint32_t row, const char *message)
{
    struct expr_row_error error = {.row = row, .condition = "CAST_INVALID_INPUT", .message = memory_strdup(message)};
    vector_push(&errors->items, error);
}

static Foreset__DataFile *finish(struct sink_fixture *fixture, struct letter_sink *letters, uint64_t epoch)
{
    Foreset__DataFile *file = NULL;
    assert_int_equal(letter_sink_finish(letters, epoch, 5, &file, &fixture->err), STATUS_OK);
    return file;
}

static void a_row_with_its_kafka_record_keeps_the_record(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}, {"b", 2}, {"c", 3}}, 3);
    struct batch *origin = records(3);
    struct expr_errors errors = {0};
    batch_origin_set(batch, origin);
    raise(&errors, 0, "first");
    raise(&errors, 1, "second");
    assert_int_equal(letter_sink_add(letters, 8, 2000000, batch, &errors, &fixture->err), STATUS_OK);
    Foreset__DataFile *file = finish(fixture, letters, 8);
    assert_int_equal(file->rows, 2);
    assert_int_equal(file->epoch, 8);
    assert_string_equal(
        sink_fixture_read(fixture, fixture->store, file->path),
        "{\"epoch\":8,\"failed_at\":\"1970-01-01T00:00:02.000000Z\",\"topic\":\"events\",\"partition\":3,\"offset\":10,"
        "\"timestamp\":\"1970-01-01T00:00:00.000000Z\",\"key\":\"a2V5\",\"value\":\"djA=\",\"headers\":null,"
        "\"row\":null,\"class\":\"CAST_INVALID_INPUT\",\"message\":\"first\"}\n"
        "{\"epoch\":8,\"failed_at\":\"1970-01-01T00:00:02.000000Z\",\"topic\":\"events\",\"partition\":3,\"offset\":11,"
        "\"timestamp\":\"1970-01-01T00:00:01.000000Z\",\"key\":null,\"value\":\"djE=\",\"headers\":null,"
        "\"row\":null,\"class\":\"CAST_INVALID_INPUT\",\"message\":\"second\"}");
    foreset__data_file__free_unpacked(file, NULL);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    batch_unref(origin);
    letter_sink_destroy(letters);
}

static void a_row_without_a_record_is_kept_as_json(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}, {"b", 2}}, 2);
    struct expr_errors errors = {0};
    raise(&errors, 1, "no number");
    assert_int_equal(letter_sink_add(letters, 1, 0, batch, &errors, &fixture->err), STATUS_OK);
    Foreset__DataFile *file = finish(fixture, letters, 1);
    const char *rows = sink_fixture_read(fixture, fixture->store, file->path);
    assert_non_null(strstr(rows, "\"row\":\"{\\\"k\\\":\\\"b\\\",\\\"v\\\":2}\""));
    assert_non_null(strstr(rows, "\"topic\":null,\"partition\":null,\"offset\":null"));
    assert_null(strstr(rows, "\\\"a\\\""));
    foreset__data_file__free_unpacked(file, NULL);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    letter_sink_destroy(letters);
}

static void a_message_that_quotes_bytes_that_are_no_text_is_text(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}}, 1);
    struct expr_errors errors = {0};
    raise(&errors, 0, "\xFF\xFE no text, cut off: \xC3");
    assert_int_equal(letter_sink_add(letters, 1, 0, batch, &errors, &fixture->err), STATUS_OK);
    Foreset__DataFile *file = finish(fixture, letters, 1);
    assert_true(text_utf8_valid((const uint8_t *)file->stats, strlen(file->stats)));
    assert_non_null(strstr(sink_fixture_read(fixture, fixture->store, file->path),
                           "\"message\":\"\xEF\xBF\xBD\xEF\xBF\xBD no text, cut off: \xEF\xBF\xBD\""));
    foreset__data_file__free_unpacked(file, NULL);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    letter_sink_destroy(letters);
}

static void rows_that_are_not_selected_are_no_letters(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct batch *whole = sink_fixture_batch((struct sink_row[]){{"a", 1}, {"b", 2}, {"c", 3}}, 3);
    struct buffer *selection = NULL;
    struct expr_errors errors = {0};
    assert_int_equal(buffer_create(NULL, 2 * sizeof(uint32_t), &selection, &fixture->err), STATUS_OK);
    memcpy(selection->data, (uint32_t[]){0, 2}, 2 * sizeof(uint32_t));
    struct batch *batch = batch_select(whole, selection, 2);
    raise(&errors, 1, "filtered away");
    raise(&errors, 2, "here");
    assert_int_equal(letter_sink_add(letters, 1, 0, batch, &errors, &fixture->err), STATUS_OK);
    Foreset__DataFile *file = finish(fixture, letters, 1);
    assert_int_equal(file->rows, 1);
    assert_non_null(strstr(sink_fixture_read(fixture, fixture->store, file->path), "\\\"v\\\":3"));
    foreset__data_file__free_unpacked(file, NULL);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    batch_unref(whole);
    letter_sink_destroy(letters);
}

static void letters_of_a_later_epoch_wait_for_it(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        for (uint64_t i = 0; i < epoch; i++) {
            struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}}, 1);
            struct expr_errors errors = {0};
            raise(&errors, 0, "x");
            assert_int_equal(letter_sink_add(letters, epoch, 0, batch, &errors, &fixture->err), STATUS_OK);
            expr_errors_deinit(&errors);
            batch_unref(batch);
        }
    }
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        Foreset__DataFile *file = finish(fixture, letters, epoch);
        assert_int_equal(file->rows, epoch);
        assert_int_equal(file->epoch, epoch);
        foreset__data_file__free_unpacked(file, NULL);
    }
    assert_null(finish(fixture, letters, 3)); // none: no file
    letter_sink_destroy(letters);
}

static void many_letters_are_one_file(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct sink_row rows[100] = {0};
    struct batch *batch = sink_fixture_batch(rows, 100);
    struct expr_errors errors = {0};
    for (uint32_t i = 0; i < 100; i++) raise(&errors, i, "x");
    for (int i = 0; i < 50; i++) {
        assert_int_equal(letter_sink_add(letters, 1, 0, batch, &errors, &fixture->err), STATUS_OK);
    }
    Foreset__DataFile *file = finish(fixture, letters, 1);
    assert_int_equal(file->rows, 5000);
    foreset__data_file__free_unpacked(file, NULL);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    letter_sink_destroy(letters);
}

static void letters_that_were_not_handed_over_are_removed(void **state)
{
    struct sink_fixture *fixture = *state;
    struct letter_sink *letters = letter_sink_create(&fixture->args);
    struct sink_row rows[2000] = {0};
    struct batch *batch = sink_fixture_batch(rows, 2000);
    struct expr_errors errors = {0};
    for (uint32_t i = 0; i < 2000; i++) raise(&errors, i, "x");
    assert_int_equal(letter_sink_add(letters, 1, 0, batch, &errors, &fixture->err), STATUS_OK);
    assert_int_equal(sink_fixture_objects(fixture), 1);
    expr_errors_deinit(&errors);
    batch_unref(batch);
    letter_sink_destroy(letters);
    assert_int_equal(sink_fixture_objects(fixture), 0);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, sink_fixture_setup, sink_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_row_with_its_kafka_record_keeps_the_record),
        FACT(a_row_without_a_record_is_kept_as_json),
        FACT(a_message_that_quotes_bytes_that_are_no_text_is_text),
        FACT(rows_that_are_not_selected_are_no_letters),
        FACT(letters_of_a_later_epoch_wait_for_it),
        FACT(many_letters_are_one_file),
        FACT(letters_that_were_not_handed_over_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
