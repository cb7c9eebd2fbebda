// Files of a Delta log: see delta_log.h; Delta protocol, Checkpoints, Last Checkpoint File.
// Listing starts at the version that _last_checkpoint names; if no whole checkpoint turns up there, all is listed: the
// hint may be missing, broken or too new, and counts only where its checkpoint exists. Names that are not of the log
// are ignored. Incomplete multi-part checkpoints, and those that the caller found damaged, are not used; but they prove
// that their version existed, so a log that does not reach it by other files is damaged (STATUS_CORRUPT names the
// file), and so is one whose commits have a gap.
#include "common/delta/delta_log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/delta/delta_action_json.h"
#include "common/delta/delta_path.h"

enum { DELTA_LOG_PARTS_MAX = 10000 };
#define DELTA_LOG_FOLDER "_delta_log/"
#define DELTA_LOG_PREFIX "_delta_log/0" // a version of 20 digits begins with 0: leaves _sidecars out
#define DELTA_LOG_HINT   "_delta_log/_last_checkpoint"

// ---- one commit

void delta_log_commit_destroy(struct delta_commit *commit)
{
    if (!commit) return;
    vector_deinit(&commit->actions);
    arena_deinit(&commit->arena);
    memory_free(commit);
}

enum status delta_log_commit_parse(const char *bytes, size_t size, int64_t version, struct delta_commit **ret_commit,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_commit *commit = memory_calloc(1, sizeof *commit);
    commit->version = version;
    arena_init(&commit->arena, 0);
    unsigned long number = 0;
    if (size == 0) {
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                      "version %ld is an empty file: its writer did not finish it", (long)version));
    }
    for (const char *at = bytes, *end = bytes + size, *next; at < end; at = next) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        next = stop ? stop + 1 : end;
        size_t length = (size_t)((stop ? stop : end) - at);
        number++;
        while (length && (at[length - 1] == '\r' || at[length - 1] == ' ')) length--;
        if (length == 0) continue;
        struct delta_action action;
        status = delta_action_json_read(at, length, &commit->arena, &action, err);
        if (status != STATUS_OK) {
            if (err) (void)error_prefix(err, "version %ld, line %lu", (long)version, number);
            goto out;
        }
        if (action.kind != DELTA_ACTION_UNKNOWN) vector_push(&commit->actions, action);
    }
    for (size_t i = 0; i < commit->actions.count && !commit->info; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_COMMIT_INFO) commit->info = &action->commit_info;
    }
    *ret_commit = commit;
    commit = NULL;
out:
    delta_log_commit_destroy(commit);
    return status;
}

enum status delta_log_commit_read(struct objstore *store, int64_t version, struct delta_commit **ret_commit,
                                  struct error *err)
{
    char key[DELTA_PATH_NAME_SIZE];
    struct buffer *bytes = NULL;
    delta_path_commit(version, key);
    enum status status = objstore_get(store, key, &bytes, err);
    if (status != STATUS_OK) return status;
    status = delta_log_commit_parse((const char *)bytes->data, bytes->size_bytes, version, ret_commit, err);
    if (status != STATUS_OK && err) (void)error_prefix(err, "log of %s, %s", store->url, key);
    buffer_unref(bytes);
    return status;
}

// The version that _last_checkpoint names; -1: missing or unreadable.
static enum status delta_log_hint(struct objstore *store, int64_t *ret_version, struct error *err)
{
    struct buffer *bytes = NULL;
    int64_t version = -1;
    enum status status = objstore_get(store, DELTA_LOG_HINT, &bytes, err);
    if (status == STATUS_NOT_FOUND) {
        *ret_version = -1;
        return STATUS_OK;
    }
    if (status != STATUS_OK) return status;
    if (!delta_action_json_hint((const char *)bytes->data, bytes->size_bytes, &version)) version = -1;
    buffer_unref(bytes);
    *ret_version = version;
    return STATUS_OK;
}

// ---- names

enum delta_log_kind { DELTA_LOG_OTHER, DELTA_LOG_COMMIT, DELTA_LOG_CHECKPOINT, DELTA_LOG_PART };
struct delta_log_name {
    enum delta_log_kind kind;
    int64_t version;
    unsigned part, parts; // DELTA_LOG_PART
};

static bool delta_log_digits(const char *text, size_t count, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        value = value * 10 + (uint64_t)(text[i] - '0');
    }
    *ret_value = value;
    return true;
}

static bool delta_log_ends(const char *name, const char *end)
{
    size_t length = strlen(name), tail = strlen(end);
    return length >= tail && strcmp(name + length - tail, end) == 0;
}

static struct delta_log_name delta_log_name_of(const char *key)
{
    struct delta_log_name name = {0};
    uint64_t version, part, parts;
    const char *rest = key + strlen(DELTA_LOG_FOLDER);
    if (strlen(rest) < 25 || *rest != '0' || !delta_log_digits(rest, 20, &version) || version > INT64_MAX) return name;
    name.version = (int64_t)version;
    rest += 20;
    if (strcmp(rest, ".json") == 0) {
        name.kind = DELTA_LOG_COMMIT;
    } else if (strcmp(rest, ".checkpoint.parquet") == 0) {
        name.kind = DELTA_LOG_CHECKPOINT;
    } else if (strncmp(rest, ".checkpoint.", 12) == 0) {
        rest += 12;
        if (strlen(rest) == 29 && delta_log_digits(rest, 10, &part) && rest[10] == '.' &&
            delta_log_digits(rest + 11, 10, &parts) && strcmp(rest + 21, ".parquet") == 0) {
            if (part < 1 || part > parts || parts > DELTA_LOG_PARTS_MAX) return name;
            name.kind = DELTA_LOG_PART;
            name.part = (unsigned)part;
            name.parts = (unsigned)parts;
        } else if (rest[36 < strlen(rest) ? 36 : 0] == '.' &&
                   (delta_log_ends(rest, ".parquet") || delta_log_ends(rest, ".json"))) {
            name.kind = DELTA_LOG_CHECKPOINT; // V2: .<uuid>.parquet or .json
        }
    }
    return name;
}

enum status delta_log_checkpoint_beyond(struct objstore *store, int64_t floor, int64_t *ret_version, struct error *err)
{
    int64_t hint;
    struct objstore_list list = {0};
    char prefix[DELTA_PATH_NAME_SIZE];
    enum status status = delta_log_hint(store, &hint, err);
    if (status != STATUS_OK) return status;
    if (hint <= floor) {
        *ret_version = -1;
        return STATUS_OK;
    }
    snprintf(prefix, sizeof prefix, DELTA_LOG_FOLDER "%020ld.checkpoint.", (long)hint);
    status = objstore_list(store, prefix, NULL, &list, err);
    if (status != STATUS_OK) return status;
    bool found = false;
    for (size_t i = 0; i < list.entries.count && !found; i++) {
        found = delta_log_name_of(list.entries.items[i].key).kind >= DELTA_LOG_CHECKPOINT;
    }
    objstore_list_deinit(&list);
    *ret_version = found ? hint : -1;
    return STATUS_OK;
}

static void delta_log_part_key(int64_t version, unsigned part, unsigned parts, char ret_key[2 * DELTA_PATH_NAME_SIZE])
{
    snprintf(ret_key, 2 * DELTA_PATH_NAME_SIZE, DELTA_LOG_FOLDER "%020ld.checkpoint.%010u.%010u.parquet", (long)version,
             part, parts);
}

static int delta_log_key_order(const void *key, const void *entry)
{
    return strcmp(key, ((const struct objstore_entry *)entry)->key);
}

static bool delta_log_listed(const struct objstore_list *list, const char *key)
{
    return bsearch(key, list->entries.items, list->entries.count, sizeof *list->entries.items, delta_log_key_order) !=
           NULL;
}

// The first part that is not listed; 0: all are.
static unsigned delta_log_part_missing(const struct objstore_list *list, const struct delta_log_name *name)
{
    char key[2 * DELTA_PATH_NAME_SIZE];
    for (unsigned part = 1; part <= name->parts; part++) {
        delta_log_part_key(name->version, part, name->parts, key);
        if (!delta_log_listed(list, key)) return part;
    }
    return 0;
}

// ---- the segment

void delta_log_segment_deinit(struct delta_segment *segment)
{
    for (size_t i = 0; i < segment->checkpoint_keys.count; i++) memory_free(segment->checkpoint_keys.items[i]);
    vector_deinit(&segment->checkpoint_keys);
}

void delta_log_skip_add(struct delta_log_skip *skip, const char *key)
{
    vector_push(&skip->keys, memory_strdup(key));
}

void delta_log_skip_deinit(struct delta_log_skip *skip)
{
    for (size_t i = 0; i < skip->keys.count; i++) memory_free(skip->keys.items[i]);
    vector_deinit(&skip->keys);
}

static bool delta_log_skips(const struct delta_log_skip *skip, const char *key)
{
    for (size_t i = 0; skip && i < skip->keys.count; i++) {
        if (strcmp(skip->keys.items[i], key) == 0) return true;
    }
    return false;
}

// The newest whole checkpoint at or below version. A single file goes before parts of the same version.
static void delta_log_choose_checkpoint(const struct objstore_list *list, int64_t version,
                                        const struct delta_log_skip *skip, struct delta_segment *segment)
{
    struct delta_log_name best = {.version = -1};
    const char *best_key = NULL;
    for (size_t i = 0; i < list->entries.count; i++) {
        const char *key = list->entries.items[i].key;
        struct delta_log_name name = delta_log_name_of(key);
        if (name.kind < DELTA_LOG_CHECKPOINT || name.version > version || delta_log_skips(skip, key)) continue;
        if (name.kind == DELTA_LOG_PART && (name.part != 1 || delta_log_part_missing(list, &name) > 0)) continue;
        bool better = name.version > best.version || (best.kind == DELTA_LOG_PART && name.kind == DELTA_LOG_CHECKPOINT);
        if (!better) continue;
        best = name;
        best_key = key;
    }
    segment->checkpoint_version = best.version;
    if (best.kind == DELTA_LOG_CHECKPOINT) vector_push(&segment->checkpoint_keys, memory_strdup(best_key));
    for (unsigned part = 1; best.kind == DELTA_LOG_PART && part <= best.parts; part++) {
        char key[2 * DELTA_PATH_NAME_SIZE];
        delta_log_part_key(best.version, part, best.parts, key);
        vector_push(&segment->checkpoint_keys, memory_strdup(key));
    }
}

// Which commits are there: the greatest, and from where they run without a gap up to `version`.
static enum status delta_log_check_commits(const struct objstore *store, const struct objstore_list *list,
                                           int64_t version, struct delta_segment *segment, struct error *err)
{
    int64_t next = segment->checkpoint_version + 1;
    segment->first_commit = next;
    for (size_t i = 0; i < list->entries.count; i++) {
        struct delta_log_name name = delta_log_name_of(list->entries.items[i].key);
        if (name.kind != DELTA_LOG_COMMIT) continue;
        if (name.version > segment->latest_listed) segment->latest_listed = name.version;
        if (name.version < next || name.version > version) continue;
        if (name.version != next) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                             "log of %s: version %ld is missing (%ld is there); the log is damaged: restore "
                             "_delta_log/%020ld.json or a log checkpoint from version %ld on",
                             store->url, (long)next, (long)name.version, (long)next, (long)next);
        }
        next++;
    }
    segment->last_commit = next - 1;
    segment->version = next - 1;
    return STATUS_OK;
}

// A checkpoint that could not be used is newer than what the other files give.
static enum status delta_log_check_reach(const struct objstore *store, const struct objstore_list *list,
                                         const struct delta_segment *segment, struct error *err)
{
    const char *newest = NULL;
    struct delta_log_name newest_name = {.version = segment->version};
    for (size_t i = 0; i < list->entries.count; i++) {
        struct delta_log_name name = delta_log_name_of(list->entries.items[i].key);
        if (name.kind < DELTA_LOG_CHECKPOINT || name.version <= newest_name.version) continue;
        newest_name = name;
        newest = list->entries.items[i].key;
    }
    if (!newest) return STATUS_OK;
    char part[2 * DELTA_PATH_NAME_SIZE] = "";
    unsigned missing = newest_name.kind == DELTA_LOG_PART ? delta_log_part_missing(list, &newest_name) : 0;
    if (missing) delta_log_part_key(newest_name.version, missing, newest_name.parts, part);
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "log of %s: %s %s, and the other files of the log only reach version %ld; the log is damaged",
                     store->url, missing ? part : newest, missing ? "is missing" : "cannot be used",
                     (long)segment->version);
}

static enum status delta_log_segment_of(const struct objstore *store, const struct objstore_list *list, int64_t version,
                                        const struct delta_log_skip *skip, struct delta_segment *ret_segment,
                                        struct error *err)
{
    struct delta_segment segment = {.latest_listed = -1};
    delta_log_choose_checkpoint(list, version, skip, &segment);
    enum status status = delta_log_check_commits(store, list, version, &segment, err);
    if (status == STATUS_OK && version == DELTA_VERSION_LATEST) {
        status = delta_log_check_reach(store, list, &segment, err);
    }
    if (status == STATUS_OK && segment.version < 0 && segment.latest_listed < 0) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                           "%s is not a Delta table: it has no _delta_log with a version in it", store->url);
    } else if (status == STATUS_OK && segment.version < 0) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
                           "%s: version %ld cannot be rebuilt, its part of the log was cleaned; the latest is %ld",
                           store->url, (long)version, (long)segment.latest_listed);
    } else if (status == STATUS_OK && version != DELTA_VERSION_LATEST && segment.version != version) {
        status = error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "%s: there is no version %ld, the latest is %ld",
                           store->url, (long)version, (long)segment.version);
    }
    if (status != STATUS_OK) {
        delta_log_segment_deinit(&segment);
        return status;
    }
    *ret_segment = segment;
    return STATUS_OK;
}

enum status delta_log_segment_find(struct objstore *store, int64_t version, const struct delta_log_skip *skip,
                                   struct delta_segment *ret_segment, struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore_list list = {0};
    int64_t hint;
    if (version < 0) {
        TRY(error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "%s: there is no version %ld", store->url,
                      (long)version));
    }
    TRY(delta_log_hint(store, &hint, err));
    if (hint >= 0 && hint <= version && !(skip && skip->keys.count)) {
        char after[DELTA_PATH_NAME_SIZE];
        snprintf(after, sizeof after, DELTA_LOG_FOLDER "%020ld", (long)hint);
        TRY(objstore_list(store, DELTA_LOG_PREFIX, after, &list, err));
        struct delta_segment segment = {0};
        delta_log_choose_checkpoint(&list, version, skip, &segment);
        bool usable = segment.checkpoint_version >= hint;
        delta_log_segment_deinit(&segment);
        if (usable) {
            TRY(delta_log_segment_of(store, &list, version, skip, ret_segment, err));
            goto out;
        }
        objstore_list_deinit(&list);
    }
    TRY(objstore_list(store, DELTA_LOG_PREFIX, NULL, &list, err));
    if (hint >= 0 && list.entries.count == 0) { // not "no table": a table must not be made over what was one
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                      "log of %s: _delta_log/_last_checkpoint names version %ld, but no commit and no log checkpoint "
                      "is there; restore them, or remove that file if there is no table",
                      store->url, (long)hint));
    }
    TRY(delta_log_segment_of(store, &list, version, skip, ret_segment, err));
out:
    objstore_list_deinit(&list);
    return status;
}

enum status delta_log_versions(struct objstore *store, struct delta_versions *ret_versions, struct error *err)
{
    struct objstore_list list = {0};
    enum status status = objstore_list(store, DELTA_LOG_PREFIX, NULL, &list, err);
    if (status != STATUS_OK) return status;
    struct delta_versions versions = {0};
    for (size_t i = 0; i < list.entries.count; i++) {
        struct delta_log_name name = delta_log_name_of(list.entries.items[i].key);
        if (name.kind == DELTA_LOG_COMMIT) vector_push(&versions.items, name.version);
    }
    objstore_list_deinit(&list);
    *ret_versions = versions;
    return STATUS_OK;
}
