// The files of a table in an epoch: one per combination of partition values, a bounded number open.
#include "tests/unit/worker/sink/sink_fixture.h"

#include "worker/sink/partition_sink.h"

static char *columns[] = {(char *)"k"};

static struct partition_sink *open_sink(struct sink_fixture *fixture, size_t partition_columns)
{
    static Foreset__Table table;
    struct partition_sink *sink = NULL;
    table = (Foreset__Table)FORESET__TABLE__INIT;
    table.name = (char *)"t";
    table.partition_columns = columns;
    table.n_partition_columns = partition_columns;
    assert_int_equal(partition_sink_create(&table, sink_fixture_type("struct<k:string,v:int>"), &fixture->args, &sink,
                                           &fixture->err),
                     STATUS_OK);
    return sink;
}

static void write_rows(struct sink_fixture *fixture, struct partition_sink *sink, uint32_t *sequence,
                       const struct sink_row *rows, uint32_t count)
{
    struct batch *batch = sink_fixture_batch(rows, count);
    enum status status = partition_sink_write(sink, 1, sequence, batch, &fixture->err);
    if (status != STATUS_OK) fail_msg("%s", fixture->err.message);
    batch_unref(batch);
}

static struct partition_sink_files finish(struct sink_fixture *fixture, struct partition_sink *sink)
{
    struct partition_sink_files files = {0};
    assert_int_equal(partition_sink_finish(sink, 77, &files, &fixture->err), STATUS_OK);
    return files;
}

static void files_free(struct partition_sink_files *files)
{
    for (size_t i = 0; i < files->items.count; i++) foreset__data_file__free_unpacked(files->items.items[i], NULL);
    vector_deinit(&files->items);
}

static void rows_go_to_the_file_of_their_partition_without_its_column(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 1);
    uint32_t sequence = 0;
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"a", 1}, {"b", 2}, {"a", 3}, {NULL, 4}}, 4);
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"b", 5}}, 1);
    struct partition_sink_files files = finish(fixture, sink);
    assert_int_equal(files.items.count, 3);
    static const char *const rows[] = {"{\"v\":1}\n{\"v\":3}", "{\"v\":2}\n{\"v\":5}", "{\"v\":4}"};
    static const char *const values[] = {"a", "b", NULL};
    for (size_t i = 0; i < 3; i++) {
        const Foreset__DataFile *file = files.items.items[i];
        assert_string_equal(sink_fixture_read(fixture, fixture->store, file->path), rows[i]);
        assert_int_equal(file->n_partition_values, 1);
        assert_string_equal(file->partition_values[0]->column, "k");
        if (values[i]) {
            assert_string_equal(file->partition_values[0]->value, values[i]);
        } else {
            assert_null(file->partition_values[0]->value);
        }
        assert_int_equal(file->modified_ms, 77);
    }
    files_free(&files);
    partition_sink_destroy(sink);
}

static void a_table_without_partitions_has_one_file_an_epoch(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 0);
    uint32_t sequence = 0;
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"a", 1}}, 1);
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"b", 2}}, 1);
    struct partition_sink_files files = finish(fixture, sink);
    assert_int_equal(files.items.count, 1);
    assert_int_equal(sequence, 1);
    assert_string_equal(sink_fixture_read(fixture, fixture->store, files.items.items[0]->path),
                        "{\"k\":\"a\",\"v\":1}\n{\"k\":\"b\",\"v\":2}");
    files_free(&files);
    files = finish(fixture, sink); // nothing is left for the next epoch
    assert_int_equal(files.items.count, 0);
    files_free(&files);
    partition_sink_destroy(sink);
}

static void the_file_written_to_longest_ago_makes_room(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 1);
    uint32_t sequence = 0;
    char names[PARTITION_SINK_OPEN_MAX + 1][8];
    for (uint32_t i = 0; i <= PARTITION_SINK_OPEN_MAX; i++) {
        snprintf(names[i], sizeof names[i], "p%u", i);
        struct sink_row row = {names[i], (int32_t)i};
        write_rows(fixture, sink, &sequence, &row, 1); // the last one closes that of p0
    }
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"p1", 100}}, 1); // goes on in its file
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"p0", 101}}, 1); // begins another, closes that of p2
    struct partition_sink_files files = finish(fixture, sink);
    assert_int_equal(files.items.count, PARTITION_SINK_OPEN_MAX + 2);
    assert_int_equal(sequence, PARTITION_SINK_OPEN_MAX + 2);
    uint64_t rows = 0, of_first = 0;
    for (size_t i = 0; i < files.items.count; i++) {
        rows += files.items.items[i]->rows;
        of_first += strcmp(files.items.items[i]->partition_values[0]->value, "p0") == 0;
        assert_int_equal(files.items.items[i]->modified_ms, 77);
    }
    assert_int_equal(rows, PARTITION_SINK_OPEN_MAX + 3);
    assert_int_equal(of_first, 2);
    files_free(&files);
    partition_sink_destroy(sink);
}

static void what_was_not_handed_over_is_removed(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 1);
    uint32_t sequence = 0;
    for (int i = 0; i < 40; i++) {
        char name[8];
        snprintf(name, sizeof name, "p%d", i);
        struct sink_row row = {name, i};
        write_rows(fixture, sink, &sequence, &row, 1);
    }
    assert_int_equal(sink_fixture_objects(fixture), 40); // finished or open
    partition_sink_destroy(sink);
    assert_int_equal(sink_fixture_objects(fixture), 0);
}

static void a_missing_partition_column_is_named(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = NULL;
    Foreset__Table table = FORESET__TABLE__INIT;
    table.name = (char *)"t";
    table.partition_columns = columns;
    table.n_partition_columns = 1;
    assert_int_equal(
        partition_sink_create(&table, sink_fixture_type("struct<v:int>"), &fixture->args, &sink, &fixture->err),
        STATUS_INVALID);
    assert_string_equal(fixture->err.message, "table t has no partition column k");
}

static void a_value_that_no_path_may_hold_is_escaped(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 1);
    uint32_t sequence = 0;
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"../x", 1}}, 1);
    struct partition_sink_files files = finish(fixture, sink);
    assert_string_equal(files.items.items[0]->partition_values[0]->value, "../x");
    assert_null(strstr(files.items.items[0]->path, "../"));
    assert_string_equal(sink_fixture_read(fixture, fixture->store, files.items.items[0]->path), "{\"v\":1}");
    files_free(&files);
    partition_sink_destroy(sink);
}

static bool file_there(struct sink_fixture *fixture, const char *key)
{
    struct objstore_entry entry;
    if (fixture->store->ops->stat(fixture->store, key, &entry, &fixture->err) != STATUS_OK) return false;
    memory_free(entry.key);
    return true;
}

static void sealed_files_are_completed_one_by_one_and_what_is_not_is_removed(void **state)
{
    struct sink_fixture *fixture = *state;
    struct partition_sink *sink = open_sink(fixture, 1);
    struct partition_sink_files files = {0};
    uint32_t sequence = 0;
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"a", 1}, {"b", 2}, {"a", 3}}, 3);
    assert_int_equal(partition_sink_seal(sink, 77, &files, &fixture->err), STATUS_OK);
    write_rows(fixture, sink, &sequence, (struct sink_row[]){{"a", 9}}, 1); // the next epoch's: another file
    partition_sink_destroy(sink);
    assert_int_equal(files.items.count, 2);
    assert_int_equal(files.rest.count, 2);
    struct file_sink_rest *first = &files.rest.items[0], *second = &files.rest.items[1];
    assert_int_equal(first->file->rows, 2);
    assert_string_equal(first->file->partition_values[0]->value, "a");
    assert_int_equal(file_sink_complete(first->sink, first->file, &fixture->err), STATUS_OK);
    file_sink_close(first->sink);
    assert_string_equal(sink_fixture_read(fixture, fixture->store, first->file->path), "{\"v\":1}\n{\"v\":3}");
    assert_true(first->file->size_bytes > 0 && first->file->checksum != 0);
    assert_non_null(strstr(first->file->stats, "\"numRecords\":2"));
    file_sink_close(second->sink);
    assert_false(file_there(fixture, second->file->path));
    vector_deinit(&files.rest);
    files_free(&files);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, sink_fixture_setup, sink_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(rows_go_to_the_file_of_their_partition_without_its_column),
        FACT(a_table_without_partitions_has_one_file_an_epoch),
        FACT(the_file_written_to_longest_ago_makes_room),
        FACT(what_was_not_handed_over_is_removed),
        FACT(a_missing_partition_column_is_named),
        FACT(a_value_that_no_path_may_hold_is_escaped),
        FACT(sealed_files_are_completed_one_by_one_and_what_is_not_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
