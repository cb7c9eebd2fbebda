// Repairing (see the header). The happy path, nobody else wrote: the live files with the names of the replaced open
// files go, nothing is read. After another writer's OPTIMIZE of open files its result is copied once (file_filter) and
// the copy takes its place in the same commit as the epoch's own files.
//
// Which files are held follows from the log alone: those that the pipeline's last commit names as held, and, commit by
// commit of other writers since, every file added by a commit that removed an open or held file. So a crash anywhere
// finds the same answer, and a commit that comes between two attempts is seen by the next.
//
// What can fail: reading and writing files (file_filter). A held file or one of the epoch's own is gone: BLOCKED.
#include "coordinator/commit/table_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/delta/delta_commit.h"
#include "common/delta/delta_path.h"
#include "coordinator/commit/table_put.h"

void table_repair_deinit(struct table_repair *repair)
{
    vector_deinit(&repair->open);
    vector_deinit(&repair->held);
    vector_deinit(&repair->removes);
    vector_deinit(&repair->adds);
    *repair = (struct table_repair){0};
}

// ---- Sets of names, by hash ----

struct repair_names {
    uint64_t *slots; // 0: free
    size_t capacity, used;
};

static size_t repair_slot(const struct repair_names *names, uint64_t hash)
{
    size_t at = hash & (names->capacity - 1);
    while (names->slots[at] && names->slots[at] != hash) at = (at + 1) & (names->capacity - 1);
    return at;
}

static uint64_t repair_hash(const char *key)
{
    uint64_t hash = hash_64(key, strlen(key), 0);
    return hash ? hash : 1;
}

static void repair_names_add(struct repair_names *names, const char *key)
{
    if (names->used * 2 >= names->capacity) {
        struct repair_names grown = {.capacity = names->capacity ? names->capacity * 2 : 64, .used = names->used};
        grown.slots = memory_calloc(grown.capacity, sizeof *grown.slots);
        for (size_t i = 0; i < names->capacity; i++) {
            if (names->slots[i]) grown.slots[repair_slot(&grown, names->slots[i])] = names->slots[i];
        }
        memory_free(names->slots);
        *names = grown;
    }
    uint64_t hash = repair_hash(key);
    size_t at = repair_slot(names, hash);
    names->used += names->slots[at] == 0;
    names->slots[at] = hash;
}

static bool repair_names_have(const struct repair_names *names, const char *key)
{
    return names->used > 0 && names->slots[repair_slot(names, repair_hash(key))] != 0;
}

// ---- What the log says ----

struct repair_look {
    struct repair_names replaced, kept; // open files before the epoch: those that go, those that stay
    struct repair_names held;
    struct repair_names appended; // by other writers, since the pipeline's last commit, with nothing removed
    bool all_held;
};

static void repair_look_deinit(struct repair_look *look)
{
    memory_free(look->replaced.slots);
    memory_free(look->kept.slots);
    memory_free(look->held.slots);
    memory_free(look->appended.slots);
}

static void repair_look_lines(struct repair_look *look, const char *held)
{
    look->all_held = held && strcmp(held, "*") == 0;
    while (held && *held && !look->all_held) {
        size_t length = strcspn(held, "\n");
        char *key = memory_strndup(held, length);
        repair_names_add(&look->held, key);
        memory_free(key);
        held += length + (held[length] == '\n');
    }
}

static bool repair_is_open(const struct repair_look *look, const char *key)
{
    return repair_names_have(&look->replaced, key) || repair_names_have(&look->kept, key);
}

static void repair_look_commit(struct repair_look *look, const struct table_others_commit *commit,
                               struct table_repair *repair)
{
    bool touches = false;
    for (size_t i = 0; i < commit->removes.count; i++) {
        const char *key = commit->removes.items[i];
        if (!repair_is_open(look, key) && !repair_names_have(&look->held, key)) continue;
        touches = true;
        if (commit->rewrite || repair->changed_version > 0) continue;
        repair->changed_version = commit->version;
        repair->changed_key = arena_strdup(repair->arena, key);
        snprintf(repair->changed_operation, sizeof repair->changed_operation, "%s", commit->operation);
    }
    for (size_t i = 0; touches && i < commit->adds.count; i++) {
        if (!repair_is_open(look, commit->adds.items[i])) repair_names_add(&look->held, commit->adds.items[i]);
    }
}

static void repair_look(struct repair_look *look, const struct table_others *others, struct table_repair *repair)
{
    for (size_t i = 0; i < repair->goes_count; i++) repair_names_add(&look->replaced, repair->goes[i]->path);
    for (size_t i = 0; i < repair->stays_count; i++) repair_names_add(&look->kept, repair->stays[i]->path);
    repair_look_lines(look, others->held);
    look->all_held = look->all_held || others->restored > 0 || others->cleaned;
    for (size_t i = 0; i < others->appended.count; i++) repair_names_add(&look->appended, others->appended.items[i]);
    for (size_t i = 0; i < others->commits.count; i++) repair_look_commit(look, &others->commits.items[i], repair);
}

static void repair_live(struct table_repair *repair, const struct repair_look *look, const struct delta_table *table)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    struct text key = {0};
    size_t stays = 0;
    struct error ignored;
    while ((add = delta_table_next_file(table, &cursor))) {
        text_reset(&key);
        if (delta_path_decode(add->path, table->store->url, &key, &ignored) != STATUS_OK) {
            text_reset(&key);
            text_append_str(&key, add->path);
        }
        const char *name = text_str(&key);
        if (repair_names_have(&look->replaced, name)) {
            vector_push(&repair->open, add);
        } else if (repair_names_have(&look->kept, name)) {
            stays++;
        } else if (repair_names_have(&look->held, name) ||
                   (look->all_held && !repair_names_have(&look->appended, name))) {
            vector_push(&repair->held, add);
        }
    }
    repair->absent = stays < look->kept.used;
    text_deinit(&key);
}

// Nobody else removed anything since our last commit, which left nothing held: the open files are live by their names.
// False: all live files have to be looked at.
static bool repair_undisturbed(struct table_repair *repair, const struct table_log *log)
{
    const struct table_others *others = &log->others;
    if (others->commits.count > 0 || others->held || others->restored > 0 || others->cleaned) return false;
    struct text path = {0};
    for (size_t i = 0; i < repair->goes_count; i++) {
        text_reset(&path);
        delta_path_encode(repair->goes[i]->path, &path);
        const struct delta_add *add = delta_table_find_file(log->table, text_str(&path));
        if (add) vector_push(&repair->open, add);
    }
    text_deinit(&path);
    if (repair->open.count == repair->goes_count) return true;
    vector_reset(&repair->open);
    return false;
}

void table_repair_find(struct table_repair *ret_repair, struct table_log *log, const Foreset__TableEpoch *table,
                       uint64_t epoch, struct arena *arena)
{
    struct repair_look look = {0};
    *ret_repair = (struct table_repair){.arena = arena};
    ret_repair->goes = table->removes;
    ret_repair->goes_count = epoch > 0 ? table->n_removes : 0;
    ret_repair->stays = arena_calloc(arena, table->n_open + 1, sizeof *ret_repair->stays);
    for (size_t i = 0; i < table->n_open; i++) {
        if (epoch == 0 || table->open[i]->epoch != epoch) ret_repair->stays[ret_repair->stays_count++] = table->open[i];
    }
    if (repair_undisturbed(ret_repair, log)) return;
    repair_look(&look, &log->others, ret_repair);
    repair_live(ret_repair, &look, log->table);
    repair_look_deinit(&look);
}

enum status table_repair_changed(const struct table_repair *repair, const struct table_log *log, const char *what,
                                 struct error *err)
{
    char reason[400];
    snprintf(reason, sizeof reason,
             "its version %" PRId64 " (%s) changed rows of the file %.200s, which holds groups that the pipeline still "
             "updates",
             repair->changed_version, repair->changed_operation[0] ? repair->changed_operation : "no operation given",
             repair->changed_key);
    return table_log_blocked(log, what, reason, TABLE_LOG_ADOPT | TABLE_LOG_OVERWRITE, err);
}

// ---- Copies ----

static int64_t repair_now(const struct table_log *log)
{
    return clock_wall_us(log->context->seam->clock) / 1000;
}

static struct delta_add *repair_adds(const struct table_repair *repair, Foreset__DataFile *const *files, size_t count,
                                     int64_t now_ms)
{
    struct delta_add *adds = arena_calloc(repair->arena, count + 1, sizeof *adds);
    for (size_t i = 0; i < count; i++) adds[i] = table_put_add(files[i], now_ms, repair->arena);
    return adds;
}

static enum status repair_filter(struct table_repair *repair, struct table_log *log, const struct delta_add *by,
                                 size_t by_count, uint64_t epoch, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    size_t count = repair->held.count;
    int64_t now_ms = repair_now(log);
    struct file_filter_rest *rests = memory_calloc(count + 1, sizeof *rests);
    struct text still = {0};
    const struct file_filter_args args = {.table = log->table,
                                          .plan = log->plan,
                                          .by = by,
                                          .by_count = by_count,
                                          .files = repair->held.items,
                                          .count = count,
                                          .epoch = epoch,
                                          .generation = log->context->generation,
                                          .modified_ms = now_ms,
                                          .random = random,
                                          .budget = log->context->budget,
                                          .arena = repair->arena};
    file_filter filter = log->context->filter ? log->context->filter : file_filter_run;
    status = filter(&args, rests, err);
    if (status == STATUS_NOT_FOUND) {
        char reason[400];
        snprintf(reason, sizeof reason, "a file is gone: %.300s", err->message);
        status = table_log_blocked(log, "", reason, TABLE_LOG_REFRESH, err);
    }
    if (status != STATUS_OK) goto out;
    for (size_t i = 0; i < count; i++) {
        const struct delta_add *from = repair->held.items[i], *left = from;
        if (rests[i].matched > 0) {
            vector_push(&repair->removes, delta_commit_remove_of(from, now_ms, true));
            left = rests[i].any ? &rests[i].add : NULL;
            if (left) vector_push(&repair->adds, *left);
        }
        if (!left) continue;
        struct text key = {0};
        TRY(delta_path_decode(left->path, log->store->url, &key, err)); // it was read a moment ago
        text_printf(&still, "%s%s", still.length > 0 ? "\n" : "", text_str(&key));
        text_deinit(&key);
    }
    if (repair->absent && still.length > 0) repair->still_held = arena_strdup(repair->arena, text_str(&still));
out:
    text_deinit(&still);
    memory_free(rests);
    return status;
}

enum status table_repair_make(struct table_repair *repair, struct table_log *log, const struct manifest *manifest,
                              struct random *random, struct error *err)
{
    int64_t now_ms = repair_now(log);
    const Foreset__TableEpoch *table = manifest_table(manifest, log->number);
    for (size_t i = 0; i < repair->open.count; i++)
        vector_push(&repair->removes, delta_commit_remove_of(repair->open.items[i], now_ms, true));
    if (repair->held.count == 0 || FORESET_BUG("held-ignored")) return STATUS_OK;
    const struct delta_add *by = repair_adds(repair, table->adds, table->n_adds, now_ms);
    return repair_filter(repair, log, by, table->n_adds, manifest->body->epoch, random, err);
}

// ---- The state wins ----

static bool repair_is_at(const struct table_log *log, const struct delta_add *add, const char *path)
{
    struct text key = {0};
    struct error ignored;
    bool same =
        delta_path_decode(add->path, log->store->url, &key, &ignored) == STATUS_OK && strcmp(text_str(&key), path) == 0;
    text_deinit(&key);
    return same;
}

// The open file as it was written: one that is live with a deletion vector is replaced by itself.
static void repair_revive(struct table_repair *repair, const struct table_log *log, Foreset__DataFile *file,
                          int64_t now_ms)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *live;
    bool whole = false;
    while ((live = delta_table_next_file(log->table, &cursor))) {
        if (!repair_is_at(log, live, file->path)) continue;
        whole = !live->deletion_vector;
        if (!whole) vector_push(&repair->removes, delta_commit_remove_of(live, now_ms, true));
    }
    if (!whole) vector_push(&repair->adds, table_put_add(file, now_ms, repair->arena));
}

static enum status repair_commit(const struct table_repair *repair, struct table_log *log, uint64_t txn,
                                 struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    char txn_id[37];
    int64_t now_ms = repair_now(log);
    struct delta_txn ours = {log->app_id, (int64_t)txn, now_ms};
    random_uuid(random, txn_id);
    struct delta_commit_content content = {.txns = &ours,
                                           .txn_count = 1,
                                           .removes = repair->removes.items,
                                           .remove_count = (uint32_t)repair->removes.count,
                                           .adds = repair->adds.items,
                                           .add_count = (uint32_t)repair->adds.count};
    content.info = (struct delta_commit_info){
        .timestamp_ms = now_ms, .operation = "OVERWRITE", .read_version = log->table->version, .txn_id = txn_id};
    TRY(delta_commit_encode(&content, &bytes, err));
    TRY(table_log_put(log, log->table->version + 1, &bytes, err));
out:
    text_deinit(&bytes);
    if (status == STATUS_EXISTS || status == STATUS_UNKNOWN) err->class = ERROR_RETRY; // recovery looks again
    return status;
}

enum status table_repair_overwrite(struct table_repair *repair, struct table_log *log, uint64_t txn,
                                   struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    int64_t now_ms = repair_now(log);
    size_t count = 0;
    Foreset__DataFile **open = arena_calloc(repair->arena, repair->goes_count + repair->stays_count + 1, sizeof *open);
    for (size_t i = 0; i < repair->goes_count; i++) open[count++] = repair->goes[i];
    for (size_t i = 0; i < repair->stays_count; i++) open[count++] = repair->stays[i];
    TRY(table_log_look(log, open, count, "the pipeline's rows are in", err));
    for (size_t i = 0; i < count; i++) repair_revive(repair, log, open[i], now_ms);
    repair->absent = false;
    if (repair->held.count > 0) {
        const struct delta_add *by = repair_adds(repair, open, count, now_ms);
        TRY(repair_filter(repair, log, by, count, txn, random, err));
    }
    TRY(repair_commit(repair, log, txn, random, err));
out:
    return status;
}
