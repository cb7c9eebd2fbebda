// One data file: its name, its content, what is left of it when something fails.
#include "tests/unit/worker/sink/sink_fixture.h"

#include "common/base/hash.h"

static Foreset__DataFile *write_file(struct sink_fixture *fixture, uint64_t epoch, uint32_t sequence)
{
    struct file_sink *sink = NULL;
    Foreset__DataFile *file = NULL;
    struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}, {NULL, 2}, {"c", 3}}, 3);
    fixture->args.schema = sink_fixture_type("struct<k:string,v:int>");
    assert_int_equal(file_sink_open(&fixture->args, "", epoch, sequence, &sink, &fixture->err), STATUS_OK);
    assert_int_equal(file_sink_write(sink, batch, &fixture->err), STATUS_OK);
    assert_int_equal(file_sink_finish(sink, 1234, &file, &fixture->err), STATUS_OK);
    file_sink_close(sink);
    batch_unref(batch);
    return file;
}

static void a_file_is_named_by_epoch_generation_incarnation_lane_and_sequence(void **state)
{
    struct sink_fixture *fixture = *state;
    Foreset__DataFile *file = write_file(fixture, 9, 2);
    assert_int_equal(strncmp(file->path, "part-9-3-4-5-2-", 15), 0);
    assert_int_equal(strlen(file->path), 15 + 36 + strlen(".zstd.parquet"));
    assert_int_equal(file->epoch, 9);
    assert_int_equal(file->generation, 3);
    foreset__data_file__free_unpacked(file, NULL);
}

static void a_report_says_what_the_file_holds(void **state)
{
    struct sink_fixture *fixture = *state;
    Foreset__DataFile *file = write_file(fixture, 1, 0);
    struct buffer *bytes = NULL;
    assert_int_equal(objstore_get(fixture->store, file->path, &bytes, &fixture->err), STATUS_OK);
    assert_int_equal(file->size_bytes, bytes->size_bytes);
    assert_true(file->checksum == hash_64(bytes->data, bytes->size_bytes, 0));
    assert_int_equal(file->rows, 3);
    assert_int_equal(file->modified_ms, 1234);
    assert_non_null(strstr(file->stats, "\"numRecords\":3"));
    assert_non_null(strstr(file->stats, "\"minValues\":{\"k\":\"a\",\"v\":1}"));
    assert_non_null(strstr(file->stats, "\"nullCount\":{\"k\":1,\"v\":0}"));
    assert_string_equal(sink_fixture_read(fixture, fixture->store, file->path),
                        "{\"k\":\"a\",\"v\":1}\n{\"k\":null,\"v\":2}\n{\"k\":\"c\",\"v\":3}");
    buffer_unref(bytes);
    foreset__data_file__free_unpacked(file, NULL);
}

static void two_attempts_at_one_epoch_never_write_the_same_file(void **state)
{
    struct sink_fixture *fixture = *state;
    Foreset__DataFile *first = write_file(fixture, 1, 0);
    struct file_sink *sink = NULL;
    fixture->args.generation++;
    random_init(&fixture->random, 7); // even if chance repeats itself
    enum status status = file_sink_open(&fixture->args, "", 1, 0, &sink, &fixture->err);
    if (status != STATUS_OK) fail_msg("%s", fixture->err.message);
    file_sink_close(sink); // the second attempt is given up: only its own file goes
    assert_string_equal(sink_fixture_read(fixture, fixture->store, first->path),
                        "{\"k\":\"a\",\"v\":1}\n{\"k\":null,\"v\":2}\n{\"k\":\"c\",\"v\":3}");
    foreset__data_file__free_unpacked(first, NULL);
}

static void a_file_that_is_not_finished_is_removed(void **state)
{
    struct sink_fixture *fixture = *state;
    struct file_sink *sink = NULL;
    fixture->args.schema = sink_fixture_type("struct<k:string,v:int>");
    assert_int_equal(file_sink_open(&fixture->args, "", 1, 0, &sink, &fixture->err), STATUS_OK);
    assert_int_equal(sink_fixture_objects(fixture), 1);
    file_sink_close(sink);
    assert_int_equal(sink_fixture_objects(fixture), 0);
}

// ---- A store that fails ----

static struct objstore_ops failing_ops;
static const struct objstore_ops *failing_below;
static int failing_writes_left, failing_finishes_left;

static enum status failing_write(struct objstore_writer *writer, const void *bytes, size_t size, struct error *err)
{
    if (failing_writes_left-- <= 0) return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "the disk is full");
    return failing_below->write(writer, bytes, size, err);
}

static enum status failing_finish(struct objstore_writer *writer, struct error *err)
{
    if (failing_finishes_left-- <= 0) return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "the disk is full");
    return failing_below->finish(writer, err);
}

static enum status write_failing(struct sink_fixture *fixture, int writes, int finishes)
{
    struct file_sink *sink = NULL;
    Foreset__DataFile *file = NULL;
    struct batch *batch = sink_fixture_batch((struct sink_row[]){{"a", 1}}, 1);
    failing_below = fixture->store->ops;
    failing_ops = *failing_below;
    failing_ops.write = failing_write;
    failing_ops.finish = failing_finish;
    failing_writes_left = writes;
    failing_finishes_left = finishes;
    fixture->store->ops = &failing_ops;
    fixture->args.schema = sink_fixture_type("struct<k:string,v:int>");
    enum status status = file_sink_open(&fixture->args, "", 1, 0, &sink, &fixture->err);
    if (status == STATUS_OK) status = file_sink_write(sink, batch, &fixture->err);
    if (status == STATUS_OK) status = file_sink_finish(sink, 0, &file, &fixture->err);
    file_sink_close(sink);
    fixture->store->ops = failing_below;
    batch_unref(batch);
    if (status == STATUS_OK) {
        foreset__data_file__free_unpacked(file, NULL);
    } else {
        assert_null(file);
        assert_string_equal(fixture->err.message, "the disk is full");
    }
    return status;
}

static void every_write_that_fails_fails_the_file_and_leaves_none(void **state)
{
    struct sink_fixture *fixture = *state;
    int writes = 0;
    while (write_failing(fixture, writes, 1) != STATUS_OK) {
        assert_int_equal(sink_fixture_objects(fixture), 0);
        writes++;
        assert_true(writes < 100);
    }
    assert_true(writes > 0);
    assert_int_equal(sink_fixture_objects(fixture), 1);
}

static void an_end_that_fails_fails_the_file_and_leaves_none(void **state)
{
    struct sink_fixture *fixture = *state;
    assert_int_not_equal(write_failing(fixture, 1000, 0), STATUS_OK);
    assert_int_equal(sink_fixture_objects(fixture), 0);
}

// ---- Properties ----

static enum status properties(struct sink_fixture *fixture, const char *key, const char *value)
{
    Foreset__Property property = FORESET__PROPERTY__INIT, *list[] = {&property};
    Foreset__Table table = FORESET__TABLE__INIT;
    property.key = (char *)(uintptr_t)key;
    property.value = (char *)(uintptr_t)value;
    table.name = (char *)(uintptr_t) "t";
    table.properties = list;
    table.n_properties = 1;
    return file_sink_properties(&table, &fixture->args, &fixture->err);
}

static void codec_and_statistics_follow_the_tables_properties(void **state)
{
    struct sink_fixture *fixture = *state;
    assert_int_equal(properties(fixture, "other", "x"), STATUS_OK);
    assert_int_equal(fixture->args.codec, PARQUET_ZSTD);
    assert_int_equal(fixture->args.stats_columns, 32);
    assert_int_equal(properties(fixture, "delta.parquet.compression.codec", "SNAPPY"), STATUS_OK);
    assert_int_equal(fixture->args.codec, PARQUET_SNAPPY);
    assert_int_equal(properties(fixture, "delta.dataSkippingNumIndexedCols", "-1"), STATUS_OK);
    assert_int_equal(fixture->args.stats_columns, -1);
}

static void a_wrong_property_is_named(void **state)
{
    struct sink_fixture *fixture = *state;
    assert_int_equal(properties(fixture, "delta.parquet.compression.codec", "brotli"), STATUS_INVALID);
    assert_non_null(strstr(fixture->err.message, "table t: delta.parquet.compression.codec = 'brotli'"));
    assert_int_equal(properties(fixture, "delta.dataSkippingNumIndexedCols", "-2"), STATUS_INVALID);
    assert_non_null(strstr(fixture->err.message, "'-2'"));
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, sink_fixture_setup, sink_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_file_is_named_by_epoch_generation_incarnation_lane_and_sequence),
        FACT(a_report_says_what_the_file_holds),
        FACT(two_attempts_at_one_epoch_never_write_the_same_file),
        FACT(a_file_that_is_not_finished_is_removed),
        FACT(every_write_that_fails_fails_the_file_and_leaves_none),
        FACT(an_end_that_fails_fails_the_file_and_leaves_none),
        FACT(codec_and_statistics_follow_the_tables_properties),
        FACT(a_wrong_property_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
