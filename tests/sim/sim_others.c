// Other writers: between any two steps of the pipelines somebody compacts, appends to or deletes from their tables;
// more seldom restores one, changes rows that update mode still updates, or removes files that are decided and not yet
// put. Each is one commit, whole and at once, as a put-if-absent is. Also how the simulator's data files are filtered.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/delta/delta_commit.h"
#include "tests/sim/sim.h"

enum { OTHERS_FILES_MAX = 256 };

struct sim_taken { // what a VACUUM removed, until it is brought back
    uint32_t pipeline;
    char *url, *key;
    struct text bytes;
};
static struct {
    bool hurt[SIM_PIPELINES_MAX]; // something was done that must block
    uint64_t files, rows;
    VECTOR(struct sim_taken) taken;
} others;

void sim_others_reset(void)
{
    for (size_t i = 0; i < others.taken.count; i++) {
        memory_free(others.taken.items[i].url);
        memory_free(others.taken.items[i].key);
        text_deinit(&others.taken.items[i].bytes);
    }
    vector_deinit(&others.taken);
    memset(&others, 0, sizeof others);
}

bool sim_others_may_block(uint32_t pipeline)
{
    return others.hurt[pipeline];
}

void sim_others_bring_back(uint32_t pipeline)
{
    for (size_t i = 0; i < others.taken.count; i++) {
        struct sim_taken *taken = &others.taken.items[i];
        if (taken->pipeline != pipeline) continue;
        sim_core_trace("%s|%s is brought back", taken->url, taken->key);
        sim_store_foreign(taken->url, taken->key, taken->bytes.data, taken->bytes.length);
        taken->pipeline = SIM_PIPELINES_MAX;
    }
}

// ---- A commit ----

struct others_commit {
    uint32_t pipeline, table;
    const char *url;
    struct arena arena;
    VECTOR(struct delta_remove) removes;
    VECTOR(struct delta_add) adds;
    VECTOR(struct sim_row) rows; // of the file that is added
};

static struct others_commit others_begin(uint32_t pipeline, uint32_t table)
{
    struct others_commit commit = {
        .pipeline = pipeline, .table = table, .url = sim->plans[pipeline]->tables[table]->url};
    arena_init(&commit.arena, 0);
    return commit;
}

static void others_add(struct others_commit *commit, const char *path, bool changes)
{
    struct delta_add add = {.path = arena_strdup(&commit->arena, path),
                            .size_bytes = 1,
                            .data_change = changes,
                            .base_row_id = INT64_MIN,
                            .default_row_commit_version = INT64_MIN};
    vector_push(&commit->adds, add);
}

static void others_remove(struct others_commit *commit, const char *path, bool changes)
{
    struct delta_add add = {
        .path = arena_strdup(&commit->arena, path), .base_row_id = INT64_MIN, .default_row_commit_version = INT64_MIN};
    vector_push(&commit->removes, delta_commit_remove_of(&add, 1, changes));
}

static void others_add_rows(struct others_commit *commit, bool changes)
{
    struct text bytes = {0};
    char path[32];
    snprintf(path, sizeof path, "f-%" PRIu64, others.files++);
    sim_plan_encode(commit->rows.items, commit->rows.count, &bytes);
    sim_store_foreign(commit->url, path, bytes.data, bytes.length);
    others_add(commit, path, changes);
    text_deinit(&bytes);
}

static void others_end(struct others_commit *commit, const char *operation)
{
    int64_t version = sim_check_version(commit->pipeline, commit->table) + 1;
    char txn_id[37], key[64];
    struct text bytes = {0};
    struct error err;
    random_uuid(&sim->random, txn_id);
    struct delta_commit_content content = {
        .removes = commit->removes.items,
        .remove_count = (uint32_t)commit->removes.count,
        .adds = commit->adds.items,
        .add_count = (uint32_t)commit->adds.count,
        .info = {
            .operation = operation, .read_version = version - 1, .engine_info = SIM_OTHERS_ENGINE, .txn_id = txn_id}};
    enum status status = delta_commit_encode(&content, &bytes, &err);
    ASSERT(status == STATUS_OK);
    snprintf(key, sizeof key, "_delta_log/%020" PRId64 ".json", version);
    sim_core_trace("others: %s of %s, version %" PRId64, operation, commit->url, version);
    sim_store_foreign(commit->url, key, bytes.data, bytes.length);
    text_deinit(&bytes);
}

static void others_deinit(struct others_commit *commit)
{
    vector_deinit(&commit->removes);
    vector_deinit(&commit->adds);
    vector_deinit(&commit->rows);
    arena_deinit(&commit->arena);
}

// ---- What they do ----

static void others_read(struct others_commit *commit, const char *path)
{
    const struct sim_object *object = sim_store_look(commit->url, path);
    size_t count = 0;
    const struct sim_row *rows = object ? sim_plan_decode(object->bytes, object->size, &count) : NULL;
    for (size_t i = 0; rows && i < count; i++) vector_push(&commit->rows, rows[i]);
}

static void others_optimize(struct others_commit *commit)
{
    size_t count = sim_check_files(commit->pipeline, commit->table);
    for (size_t i = 0; i < count; i++) {
        struct sim_check_file file = sim_check_file(commit->pipeline, commit->table, i);
        if (!file.live || !random_chance(&sim->random, 0.6)) continue;
        others_read(commit, file.path);
        others_remove(commit, file.path, false);
    }
    if (commit->removes.count == 0) return;
    others_add_rows(commit, false);
    others_end(commit, "OPTIMIZE");
}

static void others_append(struct others_commit *commit)
{
    struct sim_row row = {SIM_OTHERS_KEY | others.rows++, 1};
    vector_push(&commit->rows, row);
    others_add_rows(commit, true);
    others_end(commit, "WRITE");
}

// Whether a change of it must block: a row of it is one that update mode still updates.
static bool others_is_open(const struct others_commit *commit, const char *path)
{
    struct others_commit look = {.url = commit->url};
    bool open = false;
    others_read(&look, path);
    for (size_t i = 0; i < look.rows.count; i++) open = open || !(look.rows.items[i].key & SIM_OTHERS_KEY);
    vector_deinit(&look.rows);
    return commit->table == SIM_LATEST && open;
}

static bool others_is_foreign(const char *path)
{
    return strncmp(path, "f-", 2) == 0;
}

// A file as a whole, or all of it but one row. In update mode one that nobody but others wrote, and appended: who
// compacted it may have put more into it than is known.
static void others_delete(struct others_commit *commit, bool open)
{
    size_t count = sim_check_files(commit->pipeline, commit->table), from = random_below(&sim->random, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct sim_check_file file = sim_check_file(commit->pipeline, commit->table, (from + i) % count);
        if (!file.live || others_is_open(commit, file.path) != open) continue;
        others_read(commit, file.path);
        if (commit->table == SIM_LATEST && !open && (commit->rows.count != 1 || !others_is_foreign(file.path))) {
            vector_reset(&commit->rows);
            continue;
        }
        others_remove(commit, file.path, true);
        if (commit->rows.count > 1 && random_chance(&sim->random, 0.5)) {
            (void)vector_pop(&commit->rows);
            others_add_rows(commit, true);
        }
        others.hurt[commit->pipeline] = others.hurt[commit->pipeline] || commit->table == SIM_LATEST;
        others_end(commit, "DELETE");
        return;
    }
}

// Some files go, some that were there before come back.
static void others_restore(struct others_commit *commit)
{
    size_t count = sim_check_files(commit->pipeline, commit->table);
    for (size_t i = 0; i < count; i++) {
        struct sim_check_file file = sim_check_file(commit->pipeline, commit->table, i);
        if (!file.was_live || !sim_store_look(commit->url, file.path) || !random_chance(&sim->random, 0.3)) continue;
        if (file.live) {
            others_remove(commit, file.path, true);
        } else {
            others_add(commit, file.path, true);
        }
    }
    if (commit->removes.count + commit->adds.count == 0) return;
    others.hurt[commit->pipeline] = true;
    bool tells = commit->adds.count == 0 || random_chance(&sim->random, 0.7);
    for (size_t i = 0; i < commit->adds.count; i++) // of others' files that went long ago only the operation tells
        tells = tells || others_is_foreign(commit->adds.items[i].path);
    others_end(commit, tells ? "RESTORE" : "SOMETHING");
}

// With no retention: what is decided and in no log yet goes too.
static void others_vacuum(struct others_commit *commit)
{
    size_t count = sim_check_files(commit->pipeline, commit->table), gone = 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_check_file file = sim_check_file(commit->pipeline, commit->table, i);
        const struct sim_object *object = sim_store_look(commit->url, file.path);
        if (file.live || !file.awaited || !object) continue;
        struct sim_taken taken = {commit->pipeline, memory_strdup(commit->url), memory_strdup(file.path), {0}};
        text_append(&taken.bytes, (const char *)object->bytes, object->size);
        vector_push(&others.taken, taken);
        sim_store_vanish(commit->url, file.path);
        gone++;
    }
    others.hurt[commit->pipeline] = others.hurt[commit->pipeline] || gone > 0;
    others_end(commit, "VACUUM END");
}

static void others_act(uint32_t pipeline, bool hurts)
{
    uint32_t table = (uint32_t)random_below(&sim->random, SIM_COPY);
    uint64_t what = random_below(&sim->random, 10);
    bool vacuum = hurts && what >= 4 && what < 7;
    if (random_chance(&sim->random, vacuum ? 0.6 : 0.4))
        table = vacuum ? SIM_SLOW : SIM_LATEST;        // what waits; what is open
    if (table == SIM_SLOW && sim->knobs.grows) return; // a table that is filled from it must know whose files they are
    if (sim_check_epoch(pipeline, table) == 0) return;
    struct others_commit commit = others_begin(pipeline, table);
    if (hurts) {
        if (what < 4) others_restore(&commit);
        if (vacuum) others_vacuum(&commit);
        if (what >= 7 && table == SIM_LATEST) others_delete(&commit, true);
    } else {
        if (what < 5) others_optimize(&commit);
        if (what >= 5 && what < 8) others_append(&commit);
        if (what >= 8) others_delete(&commit, false);
    }
    others_deinit(&commit);
}

// Of the tables without state: what a replay writes again (P26).
static void others_clear(uint32_t pipeline)
{
    uint32_t table = random_chance(&sim->random, 0.5) ? SIM_ROWS : SIM_SLOW;
    if ((table == SIM_SLOW && sim->knobs.grows) || sim_check_epoch(pipeline, table) == 0) return;
    struct others_commit commit = others_begin(pipeline, table);
    others_vacuum(&commit);
    others_deinit(&commit);
}

void sim_others_act(void)
{
    for (uint32_t i = 0; i < sim->knobs.pipelines; i++) {
        if (sim_core_roll(sim->knobs.others)) others_act(i, false);
        if (sim_core_roll(sim->knobs.others / 12)) others_act(i, true);
        if (sim_core_roll(sim->knobs.others / 6)) others_clear(i);
    }
}

// ---- Filtering (P13) ----

static enum status others_get(struct objstore *store, const char *path, struct buffer **bytes,
                              const struct sim_row **ret_rows, size_t *ret_count, struct error *err)
{
    enum status status = objstore_get(store, path, bytes, err);
    if (status != STATUS_OK) return status;
    *ret_rows = sim_plan_decode((*bytes)->data, (*bytes)->size_bytes, ret_count);
    if (!*ret_rows) sim_core_fail("I3: file %s is not whole", path);
    return STATUS_OK;
}

static enum status others_copy(const struct file_filter_args *args, const struct text *bytes,
                               struct file_filter_rest *rest, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = args->table->store;
    struct objstore_writer *writer = NULL;
    char uuid[37];
    random_uuid(args->random, uuid);
    const char *key =
        arena_printf(args->arena, "rest-%" PRIu64 "-%" PRIu64 "-%s.zstd.parquet", args->epoch, args->generation, uuid);
    TRY(store->ops->create(store, key, &writer, err));
    TRY(store->ops->write(writer, bytes->data, bytes->length, err));
    TRY(store->ops->finish(writer, err));
    TRY(store->ops->sync(store, &key, 1, err));
    rest->any = true;
    rest->add = (struct delta_add){.path = key,
                                   .size_bytes = (int64_t)bytes->length,
                                   .data_change = true,
                                   .base_row_id = INT64_MIN,
                                   .default_row_commit_version = INT64_MIN};
out:
    if (writer) store->ops->writer_close(writer);
    return status;
}

static enum status others_filter_one(const struct file_filter_args *args, const struct delta_add *from,
                                     const struct sim_row *keys, size_t key_count, struct file_filter_rest *rest,
                                     struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *bytes = NULL;
    const struct sim_row *rows = NULL;
    struct text left = {0};
    VECTOR(struct sim_row) kept = {0};
    size_t count = 0;
    TRY(others_get(args->table->store, from->path, &bytes, &rows, &count, err));
    for (size_t i = 0; rows && i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < key_count; k++) found = found || keys[k].key == rows[i].key;
        if (!found) vector_push(&kept, rows[i]);
    }
    rest->matched = count - kept.count;
    sim_plan_encode(kept.items, kept.count, &left);
    if (rest->matched > 0 && kept.count > 0) TRY(others_copy(args, &left, rest, err));
out:
    buffer_unref(bytes);
    text_deinit(&left);
    vector_deinit(&kept);
    return status;
}

enum status sim_others_filter(const struct file_filter_args *args, struct file_filter_rest *ret_rests,
                              struct error *err)
{
    enum status status = STATUS_OK;
    VECTOR(struct sim_row) keys = {0};
    struct buffer *bytes = NULL;
    for (size_t i = 0; i < args->by_count; i++) {
        const struct sim_row *rows = NULL;
        size_t count = 0;
        TRY(others_get(args->table->store, args->by[i].path, &bytes, &rows, &count, err));
        for (size_t k = 0; rows && k < count; k++) vector_push(&keys, rows[k]);
        buffer_unref(bytes);
        bytes = NULL;
    }
    for (size_t i = 0; i < args->count; i++)
        TRY(others_filter_one(args, args->files[i], keys.items, keys.count, &ret_rests[i], err));
out:
    buffer_unref(bytes);
    vector_deinit(&keys);
    return status;
}
