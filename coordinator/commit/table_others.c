// What others did. A commit is judged by its operation and by its actions, because commitInfo is optional:
// - every add and remove has dataChange = false: a rewrite (OPTIMIZE, REORG, Z-ORDER);
// - operation RESTORE, or an add that changes rows and names a file that an earlier commit removed, or one of this
//   program's own files: a restore. A file that the same commit removes is another matter: it gets a deletion vector;
// - operation VACUUM START, VACUUM END: files may be gone;
// - anything else that adds or removes with dataChange = true: a change.
// What can fail: the store. That the pipeline's last commit was cleaned from the log is a result, not a failure.
#include "coordinator/commit/table_others.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/delta/delta_path.h"
#include "coordinator/commit/manifest.h"

enum { OTHERS_SCAN_MAX = 10000 };

static void others_forget(struct table_others *others)
{
    for (size_t i = 0; i < others->commits.count; i++) {
        struct table_others_commit *commit = &others->commits.items[i];
        for (size_t k = 0; k < commit->adds.count; k++) memory_free(commit->adds.items[k]);
        for (size_t k = 0; k < commit->removes.count; k++) memory_free(commit->removes.items[k]);
        vector_deinit(&commit->adds);
        vector_deinit(&commit->removes);
    }
    for (size_t i = 0; i < others->appended.count; i++) memory_free(others->appended.items[i]);
    vector_reset(&others->commits);
    vector_reset(&others->appended);
    vector_reset(&others->removed);
    memory_free(others->held);
    others->held = NULL;
    others->cleaned = false;
    others->restored = others->changed = others->vacuumed = 0;
}

void table_others_deinit(struct table_others *others)
{
    others_forget(others);
    vector_deinit(&others->commits);
    vector_deinit(&others->appended);
    vector_deinit(&others->removed);
    *others = (struct table_others){0};
}

bool table_others_is_own(const struct delta_commit *commit, const char *app_id)
{
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_TXN && strcmp(action->txn.app_id, app_id) == 0) return true;
    }
    return false;
}

bool table_others_is_own_name(const char *path)
{
    uint64_t epoch, generation;
    return manifest_data_parse(path, &epoch, &generation);
}

// ---- One commit ----

static const char *others_operation(const struct delta_commit *commit)
{
    return commit->info && commit->info->operation ? commit->info->operation : "";
}

static uint64_t others_hash(const char *path)
{
    return hash_64(path, strlen(path), 0);
}

static bool others_removes(const struct delta_commit *commit, const char *path)
{
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_REMOVE && strcmp(action->remove.path, path) == 0) return true;
    }
    return false;
}

static bool others_was_removed(const struct table_others *others, const char *path)
{
    uint64_t hash = others_hash(path);
    for (size_t i = 0; i < others->removed.count; i++) {
        if (others->removed.items[i] == hash) return true;
    }
    return false;
}

static bool others_restores(const struct table_others *others, const struct delta_commit *commit)
{
    if (strncasecmp(others_operation(commit), "RESTORE", 7) == 0) return true;
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind != DELTA_ACTION_ADD || !action->add.data_change) continue;
        const char *path = action->add.path;
        bool again = table_others_is_own_name(path) || others_was_removed(others, path);
        if (again && !others_removes(commit, path)) return true;
    }
    return false;
}

static char *others_key(const struct table_others *others, const char *path)
{
    struct text text = {0};
    struct error ignored;
    const char *root = others->root ? others->root : "";
    if (delta_path_decode(path, root, &text, &ignored) == STATUS_OK) return text_take(&text);
    text_deinit(&text); // outside the table: no file of the pipeline
    return memory_strdup(path);
}

static void others_keep(struct table_others *others, const struct delta_commit *commit, bool rewrite)
{
    struct table_others_commit kept = {.version = commit->version, .rewrite = rewrite};
    snprintf(kept.operation, sizeof kept.operation, "%s", others_operation(commit));
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_ADD) vector_push(&kept.adds, others_key(others, action->add.path));
        if (action->kind == DELTA_ACTION_REMOVE) vector_push(&kept.removes, others_key(others, action->remove.path));
    }
    vector_push(&others->commits, kept);
}

static void others_note_removed(struct table_others *others, const struct delta_commit *commit)
{
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_REMOVE) vector_push(&others->removed, others_hash(action->remove.path));
    }
}

void table_others_take(struct table_others *others, const struct delta_commit *commit, const char *app_id)
{
    if (table_others_is_own(commit, app_id)) {
        const char *held = commit->info ? delta_action_map_get(&commit->info->parameters, TABLE_OTHERS_HELD) : NULL;
        others_forget(others);
        others->held = held ? memory_strdup(held) : NULL;
        others->known = true;
        others_note_removed(others, commit);
        return;
    }
    bool changes = false, removes = false;
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        removes = removes || action->kind == DELTA_ACTION_REMOVE;
        changes = changes || (action->kind == DELTA_ACTION_ADD && action->add.data_change) ||
                  (action->kind == DELTA_ACTION_REMOVE && action->remove.data_change);
    }
    bool restores = others_restores(others, commit);
    if (restores && !FORESET_BUG("restore-ignored")) others->restored = commit->version;
    if (changes) others->changed = commit->version;
    if (strncasecmp(others_operation(commit), "VACUUM", 6) == 0) others->vacuumed = commit->version;
    if (!removes && !restores && others->with_files) { // what comes back is not new: it may hold open groups
        for (size_t i = 0; i < commit->actions.count; i++) {
            const struct delta_action *action = &commit->actions.items[i];
            if (action->kind == DELTA_ACTION_ADD && action->add.data_change)
                vector_push(&others->appended, others_key(others, action->add.path));
        }
    }
    if (!removes) return;
    if (others->with_files) others_keep(others, commit, !changes);
    others_note_removed(others, commit);
}

// ---- The log backwards ----

enum status table_others_find(struct table_others *others, const struct delta_table *table, const char *app_id,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_commits commits = {0};
    int64_t txn = 0;
    bool wrote = delta_table_txn(table, app_id, &txn) && txn > 0, found = false;
    others_forget(others);
    for (int64_t version = table->version; wrote && !found && version > 0; version--) {
        struct delta_commit *commit = NULL;
        if (commits.items.count == OTHERS_SCAN_MAX) break;
        status = delta_log_commit_read(table->store, version, &commit, err);
        if (status == STATUS_NOT_FOUND) break; // cleaned from here on
        if (status != STATUS_OK) goto out;
        found = table_others_is_own(commit, app_id);
        vector_push(&commits.items, commit);
    }
    status = STATUS_OK;
    for (size_t i = commits.items.count; i > 0; i--) table_others_take(others, commits.items.items[i - 1], app_id);
    others->cleaned = wrote && !found;
    if (!wrote && table->files && table->file_count > 0) others->changed = table->version;
    others->known = true;
out:
    delta_table_commits_deinit(&commits);
    return status;
}
