// The manifest of several workers' reports: which parts of the state live on, whatever the routings they were written
// under, and which open files of update mode stand.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "coordinator/epoch/epoch_merge.h"

#define SHARDS  16u
#define WORKERS 3u

struct world {
    Foreset__Plan plan;
    Foreset__Table table, *tables[1];
    struct random random;
    struct seam seam;
    struct commit_context context;
};

static void world_init(struct world *world, uint64_t seed)
{
    memset(world, 0, sizeof *world);
    foreset__plan__init(&world->plan);
    world->plan.pipeline = world->plan.sql_hash = (char *)"p";
    world->plan.shards = SHARDS;
    foreset__table__init(&world->table);
    world->table.name = world->table.schema = world->table.url = (char *)"t";
    world->table.mode = FORESET__TABLE__MODE__UPDATE;
    world->table.has_stateful = world->table.stateful = true;
    world->tables[0] = &world->table;
    world->plan.tables = world->tables;
    random_init(&world->random, seed);
    world->seam.random = &world->random;
    world->context =
        (struct commit_context){.pipeline = "p", .generation = 1, .plan = &world->plan, .seam = &world->seam};
    strcpy(world->context.pipeline_id, "00000000-0000-4000-8000-000000000000");
}

static Foreset__Control *empty_report(void)
{
    Foreset__Control *control = memory_calloc(1, sizeof *control);
    foreset__control__init(control);
    control->body_case = FORESET__CONTROL__BODY_PREPARED;
    control->prepared = memory_calloc(1, sizeof *control->prepared);
    foreset__prepared__init(control->prepared);
    return control;
}

static struct epoch *begin(const struct world *world, uint64_t number)
{
    struct epoch *epoch = epoch_create(number, &world->plan, WORKERS);
    for (uint32_t i = 0; i < WORKERS; i++) epoch->reports[i].prepared = empty_report();
    return epoch;
}

static struct manifest *merged(struct world *world, struct epoch *epoch, struct manifest *previous)
{
    struct manifest *manifest = NULL;
    struct error err = {0};
    enum status status = epoch_merge(epoch, &world->context, previous, &manifest, &err);
    if (status != STATUS_OK) fail_msg("%s", err.message);
    manifest_unref(previous);
    epoch_destroy(epoch);
    return manifest;
}

// ---- Parts ----
static bool covers(const Foreset__SnapshotPart *part, uint32_t shard)
{
    if (shard < part->shard_first || shard > part->shard_last) return false;
    return !part->has_shards || part->shards.data[shard / 8] >> (shard % 8) & 1;
}

// A worker's part over these shards: as a range where they are one, and half of those as a set all the same.
static void add_part(struct world *world, struct epoch *epoch, uint32_t worker, const char *operator_name, uint16_t set)
{
    Foreset__Prepared *prepared = epoch->reports[worker].prepared->prepared;
    Foreset__SnapshotPart *part = memory_calloc(1, sizeof *part);
    char key[64];
    foreset__snapshot_part__init(part);
    snprintf(key, sizeof key, "%llu-%u-%s", (unsigned long long)epoch->number, worker, operator_name);
    part->operator_ = memory_strdup(operator_name);
    part->key = memory_strdup(key);
    part->epoch = epoch->number;
    part->is_base = random_below(&world->random, 3) == 0;
    part->shard_first = set ? (uint32_t)__builtin_ctz(set) : 1;
    part->shard_last = set ? 31 - (uint32_t)__builtin_clz(set) : 0;
    bool range = set && (uint32_t)__builtin_popcount(set) == part->shard_last - part->shard_first + 1;
    if (!range || random_below(&world->random, 2)) {
        part->has_shards = true;
        part->shards.len = sizeof set;
        part->shards.data = memory_alloc(sizeof set);
        memcpy(part->shards.data, &set, sizeof set);
    }
    prepared->parts = memory_realloc(prepared->parts, (prepared->n_parts + 1) * sizeof *prepared->parts);
    prepared->parts[prepared->n_parts++] = part;
}

// By shard and operator: since the newest base, every part that covers it must be there; one whose shards all have a
// newer base must not.
struct expected {
    char key[64];
    uint16_t live; // shards without a newer base
};

static void check_parts(const struct manifest *manifest, const struct expected *all, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (all[i].live == 0) continue;
        assert_true(at < manifest->body->n_parts);
        assert_string_equal(manifest->body->parts[at++]->key, all[i].key);
    }
    assert_int_equal(at, manifest->body->n_parts);
}

static void expect_parts(const struct epoch *epoch, struct expected *all, size_t *count)
{
    size_t old = *count;
    for (uint32_t worker = 0; worker < WORKERS; worker++) {
        const Foreset__Prepared *prepared = epoch->reports[worker].prepared->prepared;
        for (size_t i = 0; i < prepared->n_parts; i++) {
            const Foreset__SnapshotPart *part = prepared->parts[i];
            uint16_t set = 0;
            for (uint32_t shard = 0; shard < SHARDS; shard++) set = (uint16_t)(set | covers(part, shard) << shard);
            for (size_t k = 0; part->is_base && k < old; k++) all[k].live = (uint16_t)(all[k].live & ~set);
            snprintf(all[*count].key, sizeof all[*count].key, "%s", part->key);
            all[(*count)++].live = set;
        }
    }
}

static void a_part_lives_until_newer_bases_cover_its_every_shard(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct world world;
        struct manifest *manifest = NULL;
        struct expected all[200];
        size_t count = 0;
        world_init(&world, seed);
        uint16_t owns[WORKERS] = {0x00FF, 0xFF00, 0};
        for (uint64_t number = 1; number <= 30; number++) {
            if (random_below(&world.random, 5) == 0) { // another routing
                memset(owns, 0, sizeof owns);
                for (uint32_t shard = 0; shard < SHARDS; shard++) {
                    uint64_t worker = random_below(&world.random, WORKERS);
                    owns[worker] = (uint16_t)(owns[worker] | 1u << shard);
                }
            }
            struct epoch *epoch = begin(&world, number);
            for (uint32_t worker = 0; worker < WORKERS; worker++) {
                if (owns[worker] && random_below(&world.random, 2))
                    add_part(&world, epoch, worker, "t/a", owns[worker]);
            }
            expect_parts(epoch, all, &count);
            manifest = merged(&world, epoch, manifest);
            check_parts(manifest, all, count);
        }
        manifest_unref(manifest);
    }
}

static void another_operators_base_clears_nothing(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1);
    struct epoch *epoch = begin(&world, 1);
    add_part(&world, epoch, 0, "t/a", 0xFFFF);
    struct manifest *manifest = merged(&world, epoch, NULL);
    for (uint64_t number = 2; number <= 3; number++) {
        epoch = begin(&world, number);
        add_part(&world, epoch, 0, number == 2 ? "t/b" : "t/a", 0xFFFF);
        epoch->reports[0].prepared->prepared->parts[0]->is_base = true;
        manifest = merged(&world, epoch, manifest);
        assert_int_equal(manifest->body->n_parts, 2);
    }
    assert_string_equal(manifest->body->parts[0]->key, "2-0-t/b");
    assert_string_equal(manifest->body->parts[1]->key, "3-0-t/a");
    manifest_unref(manifest);
}

// ---- Complete mode ----

static struct manifest *publish_complete(struct world *world, struct manifest *previous, uint64_t hash, bool whole)
{
    struct epoch *epoch = begin(world, previous ? previous->body->epoch + 1 : 1);
    Foreset__Prepared *prepared = epoch->reports[0].prepared->prepared;
    Foreset__TableEpoch *table = memory_calloc(1, sizeof *table);
    foreset__table_epoch__init(table);
    table->has_overwrite = table->overwrite = table->has_content_hash = true;
    table->content_hash = hash;
    prepared->tables = memory_calloc(1, sizeof *prepared->tables);
    prepared->tables[prepared->n_tables++] = table;
    epoch->tables[0].whole = whole;
    return merged(world, epoch, previous);
}

static void an_unchanged_result_is_written_only_where_others_changed_the_table(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1);
    world.table.mode = FORESET__TABLE__MODE__COMPLETE;
    world.plan.n_tables = 1;
    struct manifest *manifest = publish_complete(&world, NULL, 7, false);
    assert_false(manifest->body->tables[0]->overwrite); // empty, as the table is
    manifest = publish_complete(&world, manifest, 8, false);
    assert_true(manifest->body->tables[0]->overwrite);
    manifest = publish_complete(&world, manifest, 8, false);
    assert_false(manifest->body->tables[0]->overwrite);
    assert_int_equal(manifest->body->tables[0]->commit_epoch, 2);
    manifest = publish_complete(&world, manifest, 8, true);
    assert_true(manifest->body->tables[0]->overwrite);
    assert_int_equal(manifest->body->tables[0]->commit_epoch, 4);
    manifest = publish_complete(&world, manifest, 8, false);
    assert_false(manifest->body->tables[0]->overwrite);
    manifest_unref(manifest);
}

// ---- Open files ----
static void push_file(Foreset__DataFile ***files, size_t *count, const char *path, uint64_t key)
{
    Foreset__DataFile *file = memory_calloc(1, sizeof *file);
    foreset__data_file__init(file);
    file->path = memory_strdup(path);
    file->stats = memory_strdup("");
    file->has_open = file->open = file->has_slice = file->has_slice_key = true;
    file->slice = 5; // two routings may number alike
    file->slice_key = key;
    *files = memory_realloc(*files, (*count + 1) * sizeof **files);
    (*files)[(*count)++] = file;
}

static Foreset__TableEpoch *report_of(struct epoch *epoch, uint32_t worker)
{
    Foreset__Prepared *prepared = epoch->reports[worker].prepared->prepared;
    if (prepared->n_tables) return prepared->tables[0];
    prepared->tables = memory_calloc(1, sizeof *prepared->tables);
    prepared->n_tables = 1;
    Foreset__TableEpoch *table = prepared->tables[0] = memory_calloc(1, sizeof *table);
    foreset__table_epoch__init(table);
    table->has_takes_part = table->has_publishes = true;
    table->has_late_us = table->has_watermark_us = table->has_batch = true;
    return table;
}

static struct epoch *begin_table(struct world *world, uint64_t number)
{
    world->plan.n_tables = 1;
    struct epoch *epoch = begin(world, number);
    for (uint32_t i = 0; i < WORKERS; i++) report_of(epoch, i);
    return epoch;
}

static void open_files_of_other_slices_stand_whatever_their_number(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, 1);
    struct epoch *epoch = begin_table(&world, 1);
    Foreset__TableEpoch *report = report_of(epoch, 1);
    push_file(&report->adds, &report->n_adds, "old", 77);
    struct manifest *manifest = merged(&world, epoch, NULL);
    epoch = begin_table(&world, 2);
    report = report_of(epoch, 2);
    push_file(&report->adds, &report->n_adds, "new", 78);
    manifest = merged(&world, epoch, manifest);
    assert_int_equal(manifest->body->tables[0]->n_open, 2);
    epoch = begin_table(&world, 3);
    report = report_of(epoch, 0);
    push_file(&report->removes, &report->n_removes, "old", 77); // the first worker alone says so
    push_file(&report->removes, &report->n_removes, "new", 78);
    report = report_of(epoch, 2);
    push_file(&report->adds, &report->n_adds, "newer", 78);
    manifest = merged(&world, epoch, manifest);
    assert_int_equal(manifest->body->tables[0]->n_removes, 2);
    assert_int_equal(manifest->body->tables[0]->n_open, 1);
    assert_string_equal(manifest->body->tables[0]->open[0]->path, "newer");
    epoch = begin_table(&world, 4);
    report = report_of(epoch, 0);
    push_file(&report->removes, &report->n_removes, "old", 77); // once more
    struct error err = {0};
    struct manifest *none = NULL;
    assert_int_equal(epoch_merge(epoch, &world.context, manifest, &none, &err), STATUS_CORRUPT);
    assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
    epoch_destroy(epoch);
    manifest_unref(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_part_lives_until_newer_bases_cover_its_every_shard),
        cmocka_unit_test(another_operators_base_clears_nothing),
        cmocka_unit_test(an_unchanged_result_is_written_only_where_others_changed_the_table),
        cmocka_unit_test(open_files_of_other_slices_stand_whatever_their_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
