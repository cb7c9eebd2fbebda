// Lists of manifests in parts, by a model: what is read back is what was written, whatever epochs add, publish, take
// away and forget; few parts; an epoch writes in proportion to what it adds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "coordinator/commit/manifest.h"

enum { TABLES = 3 };

struct stored { // the state store
    char *key;
    struct text bytes;
};
struct model {
    struct random random;
    VECTOR(struct stored) files;
    struct manifest *last;
    uint64_t epoch, names, bytes, part_bytes;
    uint64_t read_every;
    size_t parts_most;
    Foreset__TableEpoch tables[TABLES];
    Foreset__FilesPosition position;
    struct arena arena;
};

static void model_store(struct model *model, const struct manifest *manifest)
{
    for (size_t i = 0; i < manifest->parts.items.count; i++) {
        struct stored file = {.key = memory_strdup(manifest->parts.items.items[i].key)};
        text_append(&file.bytes, manifest->parts.items.items[i].bytes.data,
                    manifest->parts.items.items[i].bytes.length);
        model->part_bytes += file.bytes.length;
        vector_push(&model->files, file);
    }
    model->bytes = manifest->packed_size;
}

static enum status model_read(void *context, const Foreset__ManifestList *list, const Foreset__ManifestListPart *part,
                              struct buffer **ret_bytes, struct error *err)
{
    struct model *model = context;
    (void)list;
    for (size_t i = 0; i < model->files.count; i++) {
        const struct text *bytes = &model->files.items[i].bytes;
        if (strcmp(model->files.items[i].key, part->key) != 0) continue;
        assert_int_equal(buffer_create(NULL, bytes->length, ret_bytes, err), STATUS_OK);
        memcpy((*ret_bytes)->data, bytes->data, bytes->length);
        return STATUS_OK;
    }
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s is gone", part->key);
}

static void model_deinit(struct model *model)
{
    manifest_unref(model->last);
    for (size_t i = 0; i < model->files.count; i++) {
        memory_free(model->files.items[i].key);
        text_deinit(&model->files.items[i].bytes);
    }
    vector_deinit(&model->files);
    arena_deinit(&model->arena);
    manifest_split_limits(0, 0, 0);
}

static void model_init(struct model *model, uint64_t seed)
{
    memset(model, 0, sizeof *model);
    random_init(&model->random, seed);
    model->read_every = 1;
    arena_init(&model->arena, 0);
    for (uint32_t i = 0; i < TABLES; i++) {
        foreset__table_epoch__init(&model->tables[i]);
        model->tables[i].table = i;
    }
    foreset__files_position__init(&model->position);
    model->position.source = 7;
    model->position.horizon_us = INT64_MIN;
}

static Foreset__DataFile *model_file(struct model *model)
{
    Foreset__DataFile *file = arena_alloc(&model->arena, sizeof *file);
    foreset__data_file__init(file);
    file->path = arena_printf(&model->arena, "part-%llu", (unsigned long long)model->names++);
    file->stats = arena_printf(&model->arena, "{\"numRecords\":%llu}", (unsigned long long)random_u64(&model->random));
    file->epoch = model->epoch;
    return file;
}

static void model_append(struct model *model, Foreset__DataFile ***files, size_t *count, size_t more)
{
    Foreset__DataFile **all = arena_calloc(&model->arena, *count + more + 1, sizeof *all);
    if (*count) memcpy(all, *files, *count * sizeof *all);
    for (size_t i = 0; i < more; i++) all[*count + i] = model_file(model);
    *files = all;
    *count += more;
}

static void model_seen(struct model *model, size_t more, int64_t now_us, int64_t horizon_us)
{
    Foreset__FilesPosition *at = &model->position;
    uint64_t *seen = arena_calloc(&model->arena, at->n_seen + more + 1, sizeof *seen);
    int64_t *times = arena_calloc(&model->arena, at->n_seen + more + 1, sizeof *times);
    size_t count = 0;
    if (horizon_us > at->horizon_us) at->horizon_us = horizon_us;
    for (size_t i = 0; i < at->n_seen; i++) {
        if (at->seen_times_us[i] < at->horizon_us) continue;
        seen[count] = at->seen[i];
        times[count++] = at->seen_times_us[i];
    }
    for (size_t i = 0; i < more; i++) { // some are below the horizon already
        seen[count] = random_u64(&model->random);
        times[count++] = now_us - (int64_t)random_below(&model->random, 400);
    }
    at->seen = seen;
    at->seen_times_us = times;
    at->n_seen = at->n_seen_times_us = count;
}

static void model_body(struct model *model, Foreset__Manifest *body, Foreset__TableEpoch **tables,
                       Foreset__FilesPosition **files)
{
    foreset__manifest__init(body);
    body->pipeline_id = body->pipeline = body->plan_hash = (char *)"x";
    body->epoch = model->epoch;
    body->generation = 1;
    for (size_t i = 0; i < TABLES; i++) tables[i] = &model->tables[i];
    files[0] = &model->position;
    body->tables = tables;
    body->n_tables = TABLES;
    body->files = files;
    body->n_files = 1;
}

static void packed(const Foreset__Manifest *manifest, struct text *ret_bytes)
{
    Foreset__Manifest bare = *manifest;
    bare.n_lists = 0;
    bare.writer = NULL;
    bare.has_least_reader = false;
    text_reset(ret_bytes);
    text_reserve(ret_bytes, foreset__manifest__get_packed_size(&bare));
    ret_bytes->length = foreset__manifest__pack(&bare, (uint8_t *)ret_bytes->data);
}

// Writes the epoch, reads it back, compares; every third time goes on from what was read, as a recovery does.
static void model_write(struct model *model)
{
    struct error err = {0};
    struct manifest *manifest = NULL, *back = NULL;
    struct text bytes = {0}, want = {0}, got = {0};
    Foreset__Manifest body;
    Foreset__TableEpoch *tables[TABLES];
    Foreset__FilesPosition *files[1];
    const struct manifest_list_reader reader = {model_read, model};
    model_body(model, &body, tables, files);
    assert_int_equal(manifest_create(&body, model->last, &model->random, &manifest, &err), STATUS_OK);
    model_store(model, manifest);
    if (model->epoch % model->read_every > 0) {
        manifest_unref(model->last);
        model->last = manifest;
        return;
    }
    manifest_encode(manifest, &bytes);
    assert_int_equal(manifest_decode(bytes.data, bytes.length, "m", &manifest->record, &back, &err), STATUS_OK);
    assert_int_equal(manifest_list_expand(back->body, &reader, &err), STATUS_OK);
    packed(&body, &want);
    packed(back->body, &got);
    assert_int_equal(want.length, got.length);
    assert_memory_equal(want.data, got.data, want.length);
    packed(manifest->body, &got);
    assert_int_equal(want.length, got.length);
    assert_memory_equal(want.data, got.data, want.length);
    for (size_t i = 0; i < back->body->n_lists; i++) {
        size_t parts = back->body->lists[i]->n_parts;
        if (parts > model->parts_most) model->parts_most = parts;
        assert_in_range(parts, 1, MANIFEST_SPLIT_PARTS_MAX);
    }
    manifest_unref(model->last);
    model->last = manifest_ref(random_below(&model->random, 3) == 0 ? back : manifest);
    manifest_unref(back);
    manifest_unref(manifest);
    text_deinit(&bytes);
    text_deinit(&want);
    text_deinit(&got);
}

static void model_epoch(struct model *model)
{
    int64_t now_us = (int64_t)model->epoch * 100;
    for (size_t i = 0; i < TABLES; i++) {
        Foreset__TableEpoch *table = &model->tables[i];
        size_t more = random_below(&model->random, 12);
        table->adds = table->dead_letters = NULL;
        table->n_adds = table->n_dead_letters = 0;
        model_append(model, &table->pending, &table->n_pending, more);
        model_append(model, &table->dead_letters_pending, &table->n_dead_letters_pending, more / 4);
        if (random_below(&model->random, 16) == 0) { // others took a file away, or a repair replaced it
            if (table->n_pending > 3)
                table->pending[random_below(&model->random, table->n_pending)] = model_file(model);
        }
        if (random_below(&model->random, 20) > 0) continue;
        table->adds = table->pending;
        table->n_adds = table->n_pending;
        table->dead_letters = table->dead_letters_pending;
        table->n_dead_letters = table->n_dead_letters_pending;
        table->pending = table->dead_letters_pending = NULL;
        table->n_pending = table->n_dead_letters_pending = 0;
    }
    model_seen(model, random_below(&model->random, 20), now_us, now_us - 3000);
}

static void what_is_read_is_what_was_written(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 24; seed++) {
        struct model model;
        model_init(&model, seed);
        size_t part = seed % 3 == 2 ? 900 : 0; // parts that are full soon
        manifest_split_limits((size_t)64 << seed % 4, seed % 2 ? 4096 : 64, part);
        for (model.epoch = 1; model.epoch <= 120; model.epoch++) {
            model_epoch(&model);
            if (part && model.tables[0].n_pending > 150) model.tables[0].n_pending = 0; // within 64 parts
            if (part && model.tables[1].n_pending > 150) model.tables[1].n_pending = 0;
            if (part && model.tables[2].n_pending > 150) model.tables[2].n_pending = 0;
            model_write(&model);
        }
        assert_true(model.parts_most > 1);
        model_deinit(&model);
    }
}

// A batch that never publishes: the manifest stays small, and all that is written is a few times what was added.
static void a_long_batch_costs_what_it_adds(void **state)
{
    (void)state;
    struct model model;
    model_init(&model, 1);
    manifest_split_limits(4096, 4096, 0);
    uint64_t added = 0, most = 0;
    model.read_every = 20;
    for (model.epoch = 1; model.epoch <= 1000; model.epoch++) {
        model_append(&model, &model.tables[0].pending, &model.tables[0].n_pending, 20);
        model_seen(&model, 20, (int64_t)model.epoch, INT64_MIN);
        model_write(&model);
        if (model.bytes > most) most = model.bytes;
    }
    for (size_t i = 0; i < model.tables[0].n_pending; i++)
        added += foreset__data_file__get_packed_size(model.tables[0].pending[i]);
    added += model.position.n_seen * 12;
    assert_in_range(most, 1, 2 * 4096 + 4096);
    assert_in_range(model.part_bytes, added / 2, 12 * added); // log2 of 1000 epochs
    assert_in_range(model.parts_most, 2, 12);
    model_deinit(&model);
}

// A part that is not there, cut, changed, another's, or that names another number is never taken.
static void what_is_not_whole_is_refused(void **state)
{
    (void)state;
    struct model model;
    struct error err = {0};
    const struct manifest_list_reader reader = {model_read, &model};
    model_init(&model, 2);
    manifest_split_limits(64, 64, 0);
    model.epoch = 1;
    model_append(&model, &model.tables[0].pending, &model.tables[0].n_pending, 3);
    model_write(&model);
    struct text *part = &model.files.items[0].bytes, bytes = {0};
    manifest_encode(model.last, &bytes);
    for (size_t i = 0; i <= part->length; i++) {
        struct manifest *back = NULL;
        if (i < part->length) part->data[i] ^= 4;
        if (i == part->length) part->length--;
        assert_int_equal(manifest_decode(bytes.data, bytes.length, "m", &model.last->record, &back, &err), STATUS_OK);
        assert_int_equal(manifest_list_expand(back->body, &reader, &err), STATUS_CORRUPT);
        assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
        assert_non_null(strstr(err.message, model.files.items[0].key));
        if (i < part->length) part->data[i] ^= 4;
        manifest_unref(back);
    }
    text_deinit(&bytes);
    model_deinit(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read_is_what_was_written),
        cmocka_unit_test(a_long_batch_costs_what_it_adds),
        cmocka_unit_test(what_is_not_whole_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
