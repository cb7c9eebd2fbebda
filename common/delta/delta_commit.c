// One commit: see delta_commit.h, Delta protocol, Actions, P19.
// Happy path: encode, put version N if absent, done. What can fail: another writer has N (STATUS_EXISTS); the log was
// cleaned past N, so that an old number would be taken a second time (STATUS_CONFLICT, nothing put); the outcome is
// unknown (STATUS_UNKNOWN): the caller reads N and compares txnId.
#include "common/delta/delta_commit.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/delta/delta_action_json.h"
#include "common/delta/delta_path.h"

static enum status commit_invalid(const char *what, const char *which, struct error *err)
{
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "a commit for the Delta log is wrong: %s%s", what,
                     which);
}

static int commit_text_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// A text that is there twice among count of them, NULL if none is. Sorts the list.
static const char *commit_repeated(const char **texts, size_t count)
{
    if (count < 2) return NULL;
    qsort(texts, count, sizeof *texts, commit_text_order);
    for (size_t i = 1; i < count; i++) {
        if (strcmp(texts[i - 1], texts[i]) == 0) return texts[i];
    }
    return NULL;
}

static enum status commit_check_paths(const struct delta_commit_content *content, struct error *err)
{
    size_t files = (size_t)content->add_count + content->remove_count;
    const char **paths = memory_calloc(files + content->txn_count, sizeof *paths);
    const char **apps = paths + files;
    size_t count = 0;
    for (uint32_t i = 0; i < content->add_count; i++) paths[count++] = content->adds[i].path;
    // the same file with another deletion vector may be removed and added
    for (uint32_t i = 0; i < content->remove_count; i++) {
        if (!content->removes[i].deletion_vector) paths[count++] = content->removes[i].path;
    }
    for (uint32_t i = 0; i < content->txn_count; i++) apps[i] = content->txns[i].app_id;
    const char *twice = commit_repeated(paths, count);
    const char *app_twice = commit_repeated(apps, content->txn_count);
    enum status status = STATUS_OK;
    if (twice) status = commit_invalid("the file is named twice: ", twice, err);
    if (!twice && app_twice) status = commit_invalid("two txn of one appId: ", app_twice, err);
    memory_free(paths);
    return status;
}

static enum status commit_check(const struct delta_commit_content *content, struct error *err)
{
    if (!content->info.txn_id || !*content->info.txn_id) return commit_invalid("it has no txnId", "", err);
    if (!content->info.operation) return commit_invalid("it has no operation", "", err);
    for (uint32_t i = 0; i < content->add_count; i++) {
        if (content->adds[i].size_bytes < 0) return commit_invalid("negative size of ", content->adds[i].path, err);
    }
    const struct delta_metadata *metadata = content->metadata;
    for (uint32_t i = 0; i < content->add_count && metadata; i++) {
        if (content->adds[i].partition_values.count == metadata->partition_columns.count) continue;
        return commit_invalid("partition values do not fit the partition columns: ", content->adds[i].path, err);
    }
    return commit_check_paths(content, err);
}

static void commit_write(const struct delta_commit_content *content, struct text *text)
{
    struct delta_action action = {.kind = DELTA_ACTION_COMMIT_INFO, .commit_info = content->info};
    delta_action_json_write(&action, text);
    if (content->protocol) {
        action = (struct delta_action){.kind = DELTA_ACTION_PROTOCOL, .protocol = *content->protocol};
        delta_action_json_write(&action, text);
    }
    if (content->metadata) {
        action = (struct delta_action){.kind = DELTA_ACTION_METADATA, .metadata = *content->metadata};
        delta_action_json_write(&action, text);
    }
    for (uint32_t i = 0; i < content->txn_count; i++) {
        action = (struct delta_action){.kind = DELTA_ACTION_TXN, .txn = content->txns[i]};
        delta_action_json_write(&action, text);
    }
    for (uint32_t i = 0; i < content->remove_count; i++) {
        action = (struct delta_action){.kind = DELTA_ACTION_REMOVE, .remove = content->removes[i]};
        delta_action_json_write(&action, text);
    }
    for (uint32_t i = 0; i < content->add_count; i++) {
        action = (struct delta_action){.kind = DELTA_ACTION_ADD, .add = content->adds[i]};
        delta_action_json_write(&action, text);
    }
}

enum status delta_commit_encode(const struct delta_commit_content *content, struct text *ret_text, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_commit *commit = NULL;
    struct text text = {0};
    TRY(commit_check(content, err));
    commit_write(content, &text);
    TRY(delta_log_commit_parse(text_str(&text), text.length, 0, &commit, err));
    size_t expected = 1 + (size_t)content->txn_count + content->remove_count + content->add_count;
    expected += (content->protocol ? 1u : 0u) + (content->metadata ? 1u : 0u);
    if (commit->actions.count != expected || !delta_commit_is(commit, content->info.txn_id)) {
        TRY(commit_invalid("it does not read back as written", "", err));
    }
    text_append(ret_text, text_str(&text), text.length);
out:
    delta_log_commit_destroy(commit);
    text_deinit(&text);
    return status;
}

enum status delta_commit_put(struct objstore *store, int64_t version, const char *bytes, size_t size, struct error *err)
{
    return delta_commit_put_guarded(store, version, bytes, size, NULL, NULL, err);
}

enum status delta_commit_put_guarded(struct objstore *store, int64_t version, const char *bytes, size_t size,
                                     delta_commit_guard guard, const void *context, struct error *err)
{
    enum status status = STATUS_OK;
    char key[DELTA_PATH_NAME_SIZE];
    int64_t hint;
    TRY(delta_log_checkpoint_beyond(store, version - 1, &hint, err));
    if (hint >= version) {
        TRY(error_set(
            err, STATUS_CONFLICT, ERROR_RETRY,
            "%s: version %ld is not put: there is a log checkpoint of version %ld, so that number was used before",
            store->url, (long)version, (long)hint));
    }
    TRY(FAILPOINT("put.before", err));
    delta_path_commit(version, key);
    if (guard) TRY(guard(context, err));
    TRY(objstore_put_if_absent(store, key, bytes, size, err));
    TRY(FAILPOINT("put.after", err));
out:
    return status;
}

enum status delta_commit_read(struct objstore *store, int64_t version, struct delta_commit **ret_commit,
                              struct error *err)
{
    return delta_log_commit_read(store, version, ret_commit, err);
}

bool delta_commit_is(const struct delta_commit *commit, const char *txn_id)
{
    return commit->info && commit->info->txn_id && strcmp(commit->info->txn_id, txn_id) == 0;
}

struct delta_remove delta_commit_remove_of(const struct delta_add *add, int64_t deletion_ms, bool data_change)
{
    return (struct delta_remove){.path = add->path,
                                 .deletion_ms = deletion_ms,
                                 .data_change = data_change,
                                 .extended = true,
                                 .partition_values = add->partition_values,
                                 .size_bytes = add->size_bytes,
                                 .deletion_vector = add->deletion_vector,
                                 .base_row_id = add->base_row_id,
                                 .default_row_commit_version = add->default_row_commit_version};
}
