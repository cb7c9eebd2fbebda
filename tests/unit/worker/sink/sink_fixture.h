// Sinks over a directory of their own; what they wrote is read back with the Parquet reader.
#ifndef FORESET_TEST_SINK_FIXTURE_H
#define FORESET_TEST_SINK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/parquet/parquet_reader.h"
#include "worker/sink/file_sink.h"

struct sink_fixture {
    char folder[64];
    struct objstore *store;
    struct budget budget;
    struct random random;
    struct file_sink_args args;
    struct error err;
    struct text text;
};

static inline int sink_fixture_setup(void **state)
{
    struct sink_fixture *fixture = memory_calloc(1, sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_sink_XXXXXX");
    if (!mkdtemp(fixture->folder)) return 1;
    if (objstore_open(fixture->folder, true, &fixture->store, &fixture->err) != STATUS_OK) return 1;
    budget_init(&fixture->budget, "test", NULL, 0);
    random_init(&fixture->random, 7);
    fixture->args = (struct file_sink_args){.store = fixture->store,
                                            .codec = PARQUET_ZSTD,
                                            .stats_columns = 32,
                                            .budget = &fixture->budget,
                                            .random = &fixture->random,
                                            .generation = 3,
                                            .incarnation = 4,
                                            .lane = 5};
    *state = fixture;
    return 0;
}

static inline int sink_fixture_teardown(void **state)
{
    struct sink_fixture *fixture = *state;
    char command[128];
    assert_int_equal(atomic_load(&fixture->budget.used_bytes), 0); // whatever happened, nothing is kept
    objstore_close(fixture->store);
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    text_deinit(&fixture->text);
    memory_free(fixture);
    return system(command);
}

static inline const struct type *sink_fixture_type(const char *text)
{
    const struct type *type;
    struct error err;
    assert_int_equal(type_parse(text, &type, &err), STATUS_OK);
    return type;
}

struct sink_row {
    const char *k; // NULL: null
    int32_t v;
};

// struct<k:string,v:int>
static inline struct batch *sink_fixture_batch(const struct sink_row *rows, uint32_t count)
{
    const struct type *type = sink_fixture_type("struct<k:string,v:int>");
    struct column_builder *k = column_builder_create(NULL, type->children[0].type);
    struct column_builder *v = column_builder_create(NULL, type->children[1].type);
    struct column *columns[2];
    struct error err;
    for (uint32_t i = 0; i < count; i++) {
        enum status status =
            rows[i].k ? column_builder_bytes(k, rows[i].k, strlen(rows[i].k), &err) : column_builder_null(k, &err);
        assert_int_equal(status, STATUS_OK);
        assert_int_equal(column_builder_fixed(v, &rows[i].v, &err), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(k, &columns[0], &err), STATUS_OK);
    assert_int_equal(column_builder_finish(v, &columns[1], &err), STATUS_OK);
    column_builder_destroy(k);
    column_builder_destroy(v);
    return batch_create(type, count, columns);
}

// The rows of a file as JSON, joined by '\n'.
static inline const char *sink_fixture_read(struct sink_fixture *fixture, struct objstore *store, const char *path)
{
    struct buffer *bytes = NULL;
    struct parquet_reader *reader = NULL;
    struct batch *batch = NULL;
    struct error err = {0};
    text_reset(&fixture->text);
    if (objstore_get(store, path, &bytes, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(parquet_reader_open_bytes(bytes, bytes->size_bytes, NULL, &reader, &err), STATUS_OK);
    for (;;) {
        assert_int_equal(parquet_reader_next(reader, &batch, &err), STATUS_OK);
        if (!batch) break;
        for (uint32_t i = 0; i < batch->row_count; i++) {
            if (fixture->text.length) text_append_char(&fixture->text, '\n');
            batch_json(batch, i, &fixture->text);
        }
        batch_unref(batch);
    }
    parquet_reader_close(reader);
    buffer_unref(bytes);
    return text_str(&fixture->text);
}

static inline size_t sink_fixture_objects(struct sink_fixture *fixture)
{
    struct objstore_list list = {0};
    assert_int_equal(objstore_list(fixture->store, "", NULL, &list, &fixture->err), STATUS_OK);
    size_t count = list.entries.count;
    objstore_list_deinit(&list);
    return count;
}

#endif
