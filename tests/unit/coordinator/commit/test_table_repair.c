// Update mode beside other writers (P13, P19): a model of groups in state, their open and closed files, and of other
// writers who compact, append and delete between any two steps. After every put each group has one row, the last.
#include "tests/unit/coordinator/commit/commit_fixture.h"

#include "common/base/failpoint.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_scan.h"
#include "common/parquet/parquet_writer.h"
#include "coordinator/commit/table_repair.h"

enum { SLICES = 3, GROUPS_MAX = 400, ROWS_MAX = 4096, SEEDS = 24, STEPS = 10 };

struct group {
    int key, value; // value: as written last
    uint32_t slice;
    bool open, gone;
};
static struct model {
    struct commit_fixture *fixture;
    struct random random;
    struct group groups[GROUPS_MAX];
    int group_count, files, appended;
    uint64_t epoch, prev;
    Foreset__DataFile *open[SLICES];
    bool compacts_first; // somebody's OPTIMIZE comes between look and put
} * model;

struct row {
    char key[16];
    int value;
};
struct rows {
    VECTOR(struct row) items;
};

// ---- Files ----

static enum status sink(void *context, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    text_append(context, bytes, size);
    return STATUS_OK;
}

static void write_rows(const char *path, const struct rows *rows)
{
    struct commit_fixture *fixture = model->fixture;
    const struct type *schema = NULL;
    struct parquet_writer *writer = NULL;
    struct parquet_writer_options options = {.codec = PARQUET_ZSTD};
    struct text bytes = {0};
    struct batch *batch = NULL;
    struct error *err = &fixture->err;
    assert_int_equal(type_parse(COMMIT_SCHEMA, &schema, err), STATUS_OK);
    struct column_builder *builders[2] = {column_builder_create(NULL, schema->children[0].type),
                                          column_builder_create(NULL, schema->children[1].type)};
    for (size_t i = 0; i < rows->items.count; i++) {
        const struct row *row = &rows->items.items[i];
        assert_int_equal(column_builder_bytes(builders[0], row->key, strlen(row->key), err), STATUS_OK);
        assert_int_equal(column_builder_fixed(builders[1], &row->value, err), STATUS_OK);
    }
    assert_int_equal(batch_build(schema, builders, &batch, err), STATUS_OK);
    assert_int_equal(parquet_writer_create(schema, &options, NULL, sink, &bytes, &writer, err), STATUS_OK);
    assert_int_equal(parquet_writer_write(writer, batch, err), STATUS_OK);
    assert_int_equal(parquet_writer_finish(writer, err), STATUS_OK);
    struct objstore *store = commit_fixture_store(fixture, "t2");
    assert_int_equal(objstore_put(store, path, bytes.data, bytes.length, err), STATUS_OK);
    objstore_close(store);
    parquet_writer_destroy(writer);
    batch_unref(batch);
    column_builder_destroy(builders[0]);
    column_builder_destroy(builders[1]);
    text_deinit(&bytes);
}

static void scan_rows(struct delta_scan *scan, struct rows *rows)
{
    struct batch *batch = NULL;
    for (;;) {
        if (delta_scan_next(scan, &batch, &model->fixture->err) != STATUS_OK)
            fail_msg("%s", model->fixture->err.message);
        if (!batch) break;
        for (uint32_t i = 0; i < batch->row_count; i++) {
            struct slice key = column_slice(batch->columns[0], batch_row(batch, i));
            struct row row = {.value = batch->columns[1]->i32[batch_row(batch, i)]};
            memcpy(row.key, key.data, key.length);
            vector_push(&rows->items, row);
        }
        batch_unref(batch);
    }
    delta_scan_destroy(scan);
}

static Foreset__DataFile *data_file(const struct rows *rows, bool open, uint32_t slice)
{
    struct arena *arena = &model->fixture->arena;
    Foreset__DataFile *file = arena_calloc(arena, 1, sizeof *file);
    foreset__data_file__init(file);
    file->path = arena_printf(arena, "part-%d-1-1-0-%d-11111111-2222-4333-8444-555555555555.zstd.parquet",
                              (int)model->epoch, model->files++);
    file->size_bytes = 1;
    file->rows = rows->items.count;
    file->stats = (char *)"";
    file->epoch = model->epoch;
    file->generation = 1;
    file->has_open = file->has_slice = open;
    file->open = open;
    file->slice = slice;
    write_rows(file->path, rows);
    return file;
}

// ---- The pipeline's epochs ----

static void push_group(struct rows *rows, const struct group *group)
{
    struct row row = {.value = group->value};
    snprintf(row.key, sizeof row.key, "k%d", group->key);
    vector_push(&rows->items, row);
}

// New groups, new values and the ends of some, in one slice; its open file, NULL where no group is left in it.
static Foreset__DataFile *move_slice(uint32_t slice, struct rows *closed)
{
    struct rows open = {0};
    for (int i = 0; i < 2 && model->group_count < GROUPS_MAX; i++) {
        struct group fresh = {.key = model->group_count, .slice = slice, .open = true};
        model->groups[model->group_count++] = fresh;
    }
    for (int i = 0; i < model->group_count; i++) {
        struct group *group = &model->groups[i];
        if (!group->open || group->slice != slice) continue;
        if (random_chance(&model->random, 0.5)) group->value++;
        if (random_chance(&model->random, 0.2)) {
            group->open = false;
            push_group(closed, group);
        } else {
            push_group(&open, group);
        }
    }
    Foreset__DataFile *file = open.items.count > 0 ? data_file(&open, true, slice) : NULL;
    vector_deinit(&open.items);
    return file;
}

static struct manifest *next_epoch(void)
{
    struct commit_fixture *fixture = model->fixture;
    struct rows closed = {0};
    Foreset__DataFile *adds[SLICES + 1], *removes[SLICES], *open[SLICES];
    Foreset__TableEpoch table = FORESET__TABLE_EPOCH__INIT, *list[] = {&table};
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    uint64_t touched = 1 + random_below(&model->random, (1u << SLICES) - 1);
    model->epoch++;
    table.table = 2;
    table.adds = adds;
    table.removes = removes;
    table.open = open;
    for (uint32_t i = 0; i < SLICES; i++) {
        if (touched >> i & 1) {
            Foreset__DataFile *file = move_slice(i, &closed);
            if (model->open[i]) removes[table.n_removes++] = model->open[i];
            if (file) adds[table.n_adds++] = file;
            model->open[i] = file;
        }
        if (model->open[i]) open[table.n_open++] = model->open[i];
    }
    if (closed.items.count > 0) adds[table.n_adds++] = data_file(&closed, false, 0);
    vector_deinit(&closed.items);
    table.has_prev = table.has_commit_epoch = true;
    table.prev = model->prev;
    table.commit_epoch = model->prev = model->epoch;
    body.pipeline_id = fixture->context.pipeline_id;
    body.pipeline = (char *)"test";
    body.plan_hash = fixture->context.plan_hash;
    body.epoch = model->epoch;
    body.generation = fixture->context.generation;
    body.tables = list;
    body.n_tables = 1;
    struct manifest *manifest = NULL;
    struct error err;
    assert_int_equal(manifest_create(&body, NULL, &fixture->random, &manifest, &err), STATUS_OK);
    return manifest;
}

// ---- Other writers ----

struct look {
    struct objstore *store;
    struct delta_table *table;
    VECTOR(const struct delta_add *) live;
};

static struct look look_in(void)
{
    struct look look = {.store = commit_fixture_store(model->fixture, "t2")};
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    struct error *err = &model->fixture->err;
    assert_int_equal(delta_table_open(look.store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &look.table, err), STATUS_OK);
    while ((add = delta_table_next_file(look.table, &cursor))) vector_push(&look.live, add);
    return look;
}

static void look_out(struct look *look)
{
    vector_deinit(&look->live);
    delta_table_close(look->table);
    objstore_close(look->store);
}

static void read_file(const struct look *look, const struct delta_add *add, struct rows *rows)
{
    struct delta_scan *scan = NULL;
    assert_int_equal(delta_scan_create_files(look->table, NULL, add, 1, NULL, &scan, &model->fixture->err), STATUS_OK);
    scan_rows(scan, rows);
}

static struct delta_add foreign_file(const struct rows *rows, bool changes)
{
    const char *path = arena_printf(&model->fixture->arena, "foreign %d.parquet", model->files++); // a name to encode
    struct text encoded = {0};
    write_rows(path, rows);
    delta_path_encode(path, &encoded);
    struct delta_add add = {.path = arena_strdup(&model->fixture->arena, text_str(&encoded)),
                            .size_bytes = 1,
                            .data_change = changes,
                            .base_row_id = INT64_MIN,
                            .default_row_commit_version = INT64_MIN};
    text_deinit(&encoded);
    return add;
}

static void optimize(void)
{
    struct look look = look_in();
    struct rows rows = {0};
    VECTOR(struct delta_remove) removes = {0};
    for (size_t i = 0; i < look.live.count; i++) {
        if (!random_chance(&model->random, 0.6)) continue;
        read_file(&look, look.live.items[i], &rows);
        vector_push(&removes, delta_commit_remove_of(look.live.items[i], 1, false));
    }
    if (removes.count > 0) {
        struct delta_add add = foreign_file(&rows, false);
        commit_fixture_foreign_commit(model->fixture, "t2", "OPTIMIZE", removes.items, (uint32_t)removes.count, &add,
                                      1);
    }
    vector_deinit(&removes);
    vector_deinit(&rows.items);
    look_out(&look);
}

static void append(void)
{
    struct rows rows = {0};
    struct row row = {.value = 7};
    snprintf(row.key, sizeof row.key, "x%d", model->appended++);
    vector_push(&rows.items, row);
    struct delta_add add = foreign_file(&rows, true);
    commit_fixture_foreign_commit(model->fixture, "t2", "WRITE", NULL, 0, &add, 1);
    vector_deinit(&rows.items);
}

static struct group *group_of(const struct row *row)
{
    int key = 0;
    return sscanf(row->key, "k%d", &key) == 1 ? &model->groups[key] : NULL;
}

// A file of closed groups alone, as the pipeline wrote it, loses its first row. One that somebody compacted may hold
// rows of open groups: a change of it blocks.
static void delete_closed(void)
{
    struct look look = look_in();
    for (size_t i = 0; i < look.live.count; i++) {
        struct rows rows = {0};
        bool closed = strncmp(look.live.items[i]->path, "part-", 5) == 0;
        read_file(&look, look.live.items[i], &rows);
        for (size_t k = 0; k < rows.items.count; k++) {
            struct group *group = group_of(&rows.items.items[k]);
            closed = closed && group && !group->open;
        }
        if (closed && rows.items.count > 1) {
            group_of(&rows.items.items[0])->gone = true;
            vector_remove(&rows.items, 0);
            struct delta_add add = foreign_file(&rows, true);
            struct delta_remove remove = delta_commit_remove_of(look.live.items[i], 1, true);
            commit_fixture_foreign_commit(model->fixture, "t2", "DELETE", &remove, 1, &add, 1);
            i = look.live.count;
        }
        vector_deinit(&rows.items);
    }
    look_out(&look);
}

static void others_write(void)
{
    uint64_t what = random_below(&model->random, 5);
    if (what <= 1) optimize();
    if (what == 2) append();
    if (what == 3) delete_closed();
    if (random_chance(&model->random, 0.3)) commit_fixture_reopen(model->fixture); // another process goes on
}

static enum status optimize_first(struct commit_fixture *fixture, struct objstore *inner, const char *key,
                                  const void *bytes, size_t size, struct error *err)
{
    fixture->hook = NULL;
    optimize();
    return objstore_put_if_absent(inner, key, bytes, size, err);
}

// ---- What must hold ----

static int row_order(const void *a, const void *b)
{
    return strcmp(((const struct row *)a)->key, ((const struct row *)b)->key);
}

static void expected_rows(struct rows *rows)
{
    for (int i = 0; i < model->group_count; i++) {
        if (!model->groups[i].gone) push_group(rows, &model->groups[i]);
    }
    for (int i = 0; i < model->appended; i++) {
        struct row row = {.value = 7};
        snprintf(row.key, sizeof row.key, "x%d", i);
        vector_push(&rows->items, row);
    }
    if (rows->items.count) qsort(rows->items.items, rows->items.count, sizeof(struct row), row_order);
}

static void check_table(uint64_t seed)
{
    struct look look = look_in();
    struct rows found = {0}, expected = {0};
    for (size_t i = 0; i < look.live.count; i++) read_file(&look, look.live.items[i], &found);
    if (found.items.count) qsort(found.items.items, found.items.count, sizeof(struct row), row_order);
    expected_rows(&expected);
    if (found.items.count != expected.items.count)
        fail_msg("seed %d, epoch %d: %zu rows, expected %zu", (int)seed, (int)model->epoch, found.items.count,
                 expected.items.count);
    for (size_t i = 0; i < found.items.count; i++) {
        const struct row *a = &found.items.items[i], *b = &expected.items.items[i];
        if (strcmp(a->key, b->key) != 0 || a->value != b->value)
            fail_msg("seed %d, epoch %d: %s = %d, expected %s = %d", (int)seed, (int)model->epoch, a->key, a->value,
                     b->key, b->value);
    }
    vector_deinit(&found.items);
    vector_deinit(&expected.items);
    look_out(&look);
}

static void begin(struct commit_fixture *fixture, uint64_t seed)
{
    model = memory_calloc(1, sizeof *model);
    model->fixture = fixture;
    random_init(&model->random, seed);
    commit_fixture_begin(fixture);
}

static void put_well(struct manifest *manifest)
{
    if (commit_fixture_put(model->fixture, 2, manifest, NULL) != STATUS_OK)
        fail_msg("epoch %d: %s", (int)model->epoch, model->fixture->err.message);
}

static void one_seed(uint64_t seed)
{
    void *state = NULL;
    assert_int_equal(commit_fixture_setup(&state), 0);
    begin(state, seed);
    for (int step = 0; step < STEPS; step++) {
        others_write();
        struct manifest *manifest = next_epoch();
        if (random_chance(&model->random, 0.3)) model->fixture->hook = optimize_first;
        put_well(manifest);
        check_table(seed);
        if (random_chance(&model->random, 0.2)) put_well(manifest); // as after a crash: it is there
        manifest_unref(manifest);
    }
    memory_free(model);
    assert_int_equal(commit_fixture_teardown(&state), 0);
}

static void each_group_has_one_row_whatever_others_compact_append_and_delete(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) one_seed(seed);
}

// ---- By hand ----

static void put_next(void)
{
    struct manifest *manifest = next_epoch();
    put_well(manifest);
    manifest_unref(manifest);
}

static void without_other_writers_removes_are_the_open_files_and_nothing_is_read(void **state)
{
    begin(*state, 5);
    for (int i = 0; i < 4; i++) put_next();
    struct objstore *store = commit_fixture_store(model->fixture, "t2");
    struct objstore_list list = {0};
    assert_int_equal(objstore_list(store, "rest-", NULL, &list, &model->fixture->err), STATUS_OK);
    assert_int_equal(list.entries.count, 0);
    objstore_list_deinit(&list);
    objstore_close(store);
    check_table(5);
    memory_free(model);
}

// Somebody deletes the row of a group that is in state, wherever it lies.
static void delete_open(void)
{
    struct look look = look_in();
    bool done = false;
    for (size_t i = 0; i < look.live.count && !done; i++) {
        struct rows rows = {0};
        read_file(&look, look.live.items[i], &rows);
        for (size_t k = 0; k < rows.items.count && !done; k++) {
            const struct group *group = group_of(&rows.items.items[k]);
            if (!group || !group->open) continue;
            vector_remove(&rows.items, k);
            struct delta_remove remove = delta_commit_remove_of(look.live.items[i], 1, true);
            struct delta_add add = foreign_file(&rows, true);
            commit_fixture_foreign_commit(model->fixture, "t2", "DELETE", &remove, 1, &add, rows.items.count > 0);
            done = true;
        }
        vector_deinit(&rows.items);
    }
    assert_true(done);
    look_out(&look);
}

static void assert_ways(const char *words)
{
    const char *message = model->fixture->err.message;
    assert_int_equal(model->fixture->err.class, ERROR_BLOCKED);
    const char *const wanted[] = {words,
                                  "--adopt=t2",
                                  "foreset pipelines adopt test --table t2",
                                  "--overwrite=t2",
                                  "foreset pipelines retry --overwrite test --table t2",
                                  "--abandon-table=t2"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        if (!strstr(message, wanted[i])) fail_msg("%s is not in: %s", wanted[i], message);
    }
}

static struct manifest *blocked(void)
{
    struct commit_fixture *fixture = model->fixture;
    struct manifest *manifest = next_epoch();
    assert_int_not_equal(table_put_check(table_logs_at(&fixture->logs, 2, false), manifest, &fixture->err), STATUS_OK);
    assert_ways("before epoch");
    assert_int_not_equal(commit_fixture_put(fixture, 2, manifest, NULL), STATUS_OK);
    assert_ways("which holds groups that the pipeline still updates");
    return manifest;
}

static void a_change_of_open_groups_blocks_and_with_overwrite_the_state_wins(void **state)
{
    begin(*state, 11);
    for (int i = 0; i < 8; i++) {
        put_next();
        if (i % 2) optimize(); // then it lies among rows of closed groups
        delete_open();
        struct manifest *manifest = blocked();
        struct table_log *log = table_logs_at(&model->fixture->logs, 2, false);
        const Foreset__TableEpoch *table = manifest_table(manifest, 2);
        struct table_repair repair;
        struct arena arena;
        arena_init(&arena, 0);
        table_repair_find(&repair, log, table, model->epoch, &arena);
        if (table_repair_overwrite(&repair, log, table->prev, &model->random, &model->fixture->err) != STATUS_OK)
            fail_msg("%s", model->fixture->err.message);
        table_repair_deinit(&repair);
        arena_deinit(&arena);
        put_well(manifest);
        check_table(11);
        manifest_unref(manifest);
    }
    memory_free(model);
}

static void adopt_takes_the_table_as_it_is_and_groups_come_back_as_they_are_written(void **state)
{
    begin(*state, 12);
    for (int i = 0; i < 6; i++) {
        put_next();
        if (i % 2) optimize();
        delete_open();
        struct manifest *manifest = blocked();
        struct table_log *log = table_logs_at(&model->fixture->logs, 2, false);
        uint64_t prev = manifest_table(manifest, 2)->prev;
        assert_int_equal(table_log_accept(log, prev, &model->random, &model->fixture->err), STATUS_OK);
        put_well(manifest);
        manifest_unref(manifest);
        if (i % 3 == 0) optimize(); // what may hold rows of open groups goes on holding them
        for (int k = 0; k < 12; k++) put_next();
        check_table(12);
    }
    memory_free(model);
}

static void overwrite_names_an_open_file_that_is_gone(void **state)
{
    begin(*state, 13);
    for (int i = 0; i < 4; i++) put_next();
    delete_open();
    struct manifest *manifest = blocked();
    const Foreset__TableEpoch *table = manifest_table(manifest, 2);
    struct objstore *store = commit_fixture_store(model->fixture, "t2");
    const char *path = table->n_removes > 0 ? table->removes[0]->path : table->open[0]->path;
    assert_int_equal(objstore_remove(store, path, &model->fixture->err), STATUS_OK);
    objstore_close(store);
    struct table_repair repair;
    struct arena arena;
    arena_init(&arena, 0);
    struct table_log *log = table_logs_at(&model->fixture->logs, 2, false);
    table_repair_find(&repair, log, table, model->epoch, &arena);
    assert_int_not_equal(table_repair_overwrite(&repair, log, table->prev, &model->random, &model->fixture->err),
                         STATUS_OK);
    assert_int_equal(model->fixture->err.class, ERROR_BLOCKED);
    assert_non_null(strstr(model->fixture->err.message, path));
    table_repair_deinit(&repair);
    arena_deinit(&arena);
    manifest_unref(manifest);
    memory_free(model);
}

// ---- Error at step N ----

static struct {
    uint64_t at, passed;
} crash;

static enum status crash_hook(void *context, const char *name, struct error *err)
{
    (void)context;
    if (crash.passed++ != crash.at) return STATUS_OK;
    return error_set(err, STATUS_KILLED, ERROR_RESTART_PIPELINE, "killed at %s", name);
}

static void a_crash_anywhere_in_a_repair_is_made_good_by_the_next_put(void **state)
{
    begin(*state, 14);
    for (int i = 0; i < 3; i++) put_next();
    optimize();
    struct manifest *manifest = next_epoch();
    failpoint_hook_set(crash_hook, NULL);
    enum status status = STATUS_KILLED;
    unsigned crashes = 0;
    for (crash.at = 0; status == STATUS_KILLED; crash.at++) {
        crash.passed = 0;
        commit_fixture_reopen(model->fixture);
        status = commit_fixture_put(model->fixture, 2, manifest, NULL);
        crashes += status == STATUS_KILLED;
    }
    failpoint_hook_set(NULL, NULL);
    assert_int_equal(status, STATUS_OK);
    assert_true(crashes >= 4); // before and after the copy, and the put
    check_table(14);
    manifest_unref(manifest);
    memory_free(model);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, commit_fixture_setup, commit_fixture_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_group_has_one_row_whatever_others_compact_append_and_delete),
        FACT(without_other_writers_removes_are_the_open_files_and_nothing_is_read),
        FACT(a_change_of_open_groups_blocks_and_with_overwrite_the_state_wins),
        FACT(adopt_takes_the_table_as_it_is_and_groups_come_back_as_they_are_written),
        FACT(overwrite_names_an_open_file_that_is_gone),
        FACT(a_crash_anywhere_in_a_repair_is_made_good_by_the_next_put),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
