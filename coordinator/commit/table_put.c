// Putting (P19). The happy path: read the log's new entries; its txn is the manifest's `prev`; put the next version if
// absent; done.
//
// Before every attempt, also every retry, the new entries are read again, for between two attempts
//   1. another commit may have taken the version: somebody's OPTIMIZE, or a put of ours whose outcome was unknown;
//   2. a successor may have put this very epoch: the leader that was paused here finds txn = e and is done;
//   3. schema, protocol or the table itself may have changed.
// What other writers did since our last commit is looked at each time too (table_others): their appends, deletes and
// compactions are respected. Removes name what is live in the log, never what a manifest remembers; update mode's files
// are repaired beside them (table_repair).
// What can fail:
// - a RESTORE since our last commit, or that commit is no longer in the log; in update mode a change of a file that
//   holds open groups; a file of the epoch that is gone: BLOCKED, with the commands that resolve it;
// - txn ≥ e, but the commit that holds e names another manifest; txn neither prev nor ≥ e (RESTORE, an older copy of
// the
//   table, foreign use of our appId); the table carries another pipeline's id, or its schema no longer fits: BLOCKED;
// - outcome unknown: read that version; ours is known by its fresh txnId;
// - _last_checkpoint at or above the version we would take: the log was cleaned beneath us: open it anew;
// - the store does not answer: TABLE_PUT_TRIES times with a pause, then RETRY: recovery puts it.
#include "coordinator/commit/table_put.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/delta/delta_path.h"
#include "coordinator/commit/table_repair.h"

enum { TABLE_PUT_TRIES = 30, TABLE_PUT_SCAN_MAX = 10000 };
#define TABLE_PUT_BACKOFF_US 100000

struct table_put {
    struct table_log *log;
    const struct manifest *manifest;
    const Foreset__TableEpoch *table;
    uint64_t epoch, prev;
    Foreset__DataFile **adds;
    size_t add_count;
    bool overwrite;
    const char *what; // for messages, after the table's name
    char decided[80];
    struct random *random;
    struct arena arena;         // of the attempt
    struct table_repair repair; // of the attempt; update mode
};

static enum status table_put_blocked(const struct table_put *put, struct error *err, const char *reason, unsigned ways)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", reason);
    return table_log_blocked(put->log, put->what, copy, ways, err);
}

// ---- The commit's content ----

static struct delta_map table_put_partition(const Foreset__DataFile *file, struct arena *arena)
{
    struct delta_map map = {.count = (uint32_t)file->n_partition_values};
    map.items = arena_calloc(arena, map.count + 1, sizeof *map.items);
    for (uint32_t i = 0; i < map.count; i++) {
        map.items[i] = (struct delta_pair){file->partition_values[i]->column, file->partition_values[i]->value};
    }
    return map;
}

static const char *table_put_path(const char *key, struct arena *arena)
{
    struct text text = {0};
    delta_path_encode(key, &text);
    const char *path = arena_strdup(arena, text_str(&text));
    text_deinit(&text);
    return path;
}

struct delta_add table_put_add(const Foreset__DataFile *file, int64_t modified_ms, struct arena *arena)
{
    return (struct delta_add){.path = table_put_path(file->path, arena),
                              .partition_values = table_put_partition(file, arena),
                              .size_bytes = (int64_t)file->size_bytes,
                              .modified_ms = file->has_modified_ms ? file->modified_ms : modified_ms,
                              .data_change = true,
                              .stats = file->stats && file->stats[0] ? file->stats : NULL,
                              .base_row_id = INT64_MIN,
                              .default_row_commit_version = INT64_MIN};
}

static void table_put_files(const struct table_put *put, struct arena *arena, int64_t now_ms,
                            struct delta_commit_content *content)
{
    size_t copies = put->repair.adds.count;
    struct delta_add *adds = arena_calloc(arena, put->add_count + copies + 1, sizeof *adds);
    for (size_t i = 0; i < put->add_count; i++) adds[i] = table_put_add(put->adds[i], now_ms, arena);
    for (size_t i = 0; i < copies; i++) adds[put->add_count + i] = put->repair.adds.items[i];
    content->adds = adds;
    content->add_count = (uint32_t)(put->add_count + copies);
}

// Planted: what the manifest remembers goes, whether it is live or not.
static void table_put_remembered(const struct table_put *put, struct arena *arena, int64_t now_ms,
                                 struct delta_commit_content *content)
{
    size_t count = put->table->n_removes;
    struct delta_remove *removes = arena_calloc(arena, count + 1, sizeof *removes);
    for (size_t i = 0; i < count; i++) {
        struct delta_add *add = arena_alloc(arena, sizeof *add);
        *add = table_put_add(put->table->removes[i], now_ms, arena);
        removes[i] = delta_commit_remove_of(add, now_ms, true);
    }
    content->removes = removes;
    content->remove_count = (uint32_t)count;
}

static void table_put_removes(const struct table_put *put, struct arena *arena, int64_t now_ms,
                              struct delta_commit_content *content)
{
    if (!put->overwrite) {
        content->removes = put->repair.removes.items;
        content->remove_count = (uint32_t)put->repair.removes.count;
        if (put->log->updates && FORESET_BUG("removes-remembered")) table_put_remembered(put, arena, now_ms, content);
        return;
    }
    size_t max = put->log->table->file_count, count = 0;
    struct delta_remove *removes = arena_calloc(arena, max + 1, sizeof *removes);
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    while (count < max && (add = delta_table_next_file(put->log->table, &cursor)))
        removes[count++] = delta_commit_remove_of(add, now_ms, true);
    content->removes = removes;
    content->remove_count = (uint32_t)count;
}

static const char *table_put_ranges(const struct table_put *put, struct arena *arena)
{
    struct text text = {0};
    text_append_char(&text, '[');
    bool first = true;
    for (size_t i = 0; i < put->manifest->body->n_ranges; i++) {
        const Foreset__Range *range = put->manifest->body->ranges[i];
        if (!range->has_to || range->from == range->to) continue;
        if (!first) text_append_char(&text, ',');
        first = false;
        text_printf(&text, "{\"source\":%u,\"topic\":", range->source);
        text_append_json(&text, range->topic ? range->topic : "", range->topic ? strlen(range->topic) : 0);
        text_printf(&text, ",\"partition\":%d,\"from\":%" PRId64 ",\"to\":%" PRId64 "}", range->partition, range->from,
                    range->to);
    }
    text_append_char(&text, ']');
    const char *ranges = arena_strdup(arena, text_str(&text));
    text_deinit(&text);
    return ranges;
}

static void table_put_metrics(const struct table_put *put, struct arena *arena, struct delta_commit_content *content)
{
    uint64_t rows = 0, bytes = 0;
    for (size_t i = 0; i < put->add_count; i++) {
        rows += put->adds[i]->rows;
        bytes += put->adds[i]->size_bytes;
    }
    size_t violations = put->log->dead_letters ? 0 : put->table->n_violations;
    struct delta_pair *metrics = arena_calloc(arena, 4 + violations, sizeof *metrics);
    metrics[0] = (struct delta_pair){"numAddedFiles", arena_printf(arena, "%u", content->add_count)};
    metrics[1] = (struct delta_pair){"numRemovedFiles", arena_printf(arena, "%u", content->remove_count)};
    metrics[2] = (struct delta_pair){"numOutputRows", arena_printf(arena, "%" PRIu64, rows)};
    metrics[3] = (struct delta_pair){"numOutputBytes", arena_printf(arena, "%" PRIu64, bytes)};
    for (size_t i = 0; i < violations; i++) {
        const Foreset__Violation *violation = put->table->violations[i];
        metrics[4 + i] = (struct delta_pair){arena_printf(arena, "violations.%s", violation->constraint),
                                             arena_printf(arena, "%" PRIu64, violation->rows)};
    }
    content->info.metrics = (struct delta_map){metrics, (uint32_t)(4 + violations)};
    struct delta_pair *parameters = arena_calloc(arena, 4, sizeof *parameters);
    static const char *const modes[] = {"", "Append", "Update", "Complete"};
    parameters[0] = (struct delta_pair){"outputMode", put->log->dead_letters ? "Append" : modes[put->log->plan->mode]};
    parameters[1] = (struct delta_pair){"queryId", put->log->context->pipeline_id};
    parameters[2] = (struct delta_pair){"epochId", arena_printf(arena, "%" PRIu64, put->epoch)};
    parameters[3] = (struct delta_pair){TABLE_OTHERS_HELD, put->repair.still_held};
    content->info.parameters = (struct delta_map){parameters, put->repair.still_held ? 4 : 3};
}

// A full refresh: the table stays the same table, its columns become those of the plan.
static enum status table_put_metadata(const struct table_put *put, struct text *schema,
                                      struct delta_metadata *ret_metadata, struct error *err)
{
    const Foreset__Table *plan = put->log->plan;
    enum status status = delta_schema_json_write_not_null(put->log->schema, (const char *const *)plan->not_null,
                                                          plan->n_not_null, schema, err);
    if (status != STATUS_OK) return status;
    *ret_metadata = put->log->table->metadata;
    ret_metadata->schema_string = text_str(schema);
    ret_metadata->partition_columns = (struct delta_strings){(const char **)put->log->plan->partition_columns,
                                                             (uint32_t)put->log->plan->n_partition_columns, true};
    return STATUS_OK;
}

static enum status table_put_encode(const struct table_put *put, const char *txn_id, struct text *bytes,
                                    struct error *err)
{
    struct arena arena;
    arena_init(&arena, 0);
    int64_t now_ms = clock_wall_us(put->log->context->seam->clock) / 1000;
    struct delta_commit_content content = {0};
    table_put_files(put, &arena, now_ms, &content);
    table_put_removes(put, &arena, now_ms, &content);
    struct delta_manifest_ref ref = {put->epoch, put->manifest->record.name, put->manifest->record.hash};
    content.info = (struct delta_commit_info){.timestamp_ms = now_ms,
                                              .operation = "STREAMING UPDATE",
                                              .read_version = put->log->table->version,
                                              .is_blind_append = content.remove_count == 0,
                                              .txn_id = txn_id,
                                              .pipeline_id = put->log->context->pipeline_id,
                                              .pipeline = put->log->context->pipeline,
                                              .table = put->log->name,
                                              .epoch_first = put->epoch,
                                              .epoch_last = put->epoch,
                                              .manifests = &ref,
                                              .manifest_count = 1,
                                              .generation = put->manifest->body->generation,
                                              .ranges = table_put_ranges(put, &arena)};
    table_put_metrics(put, &arena, &content);
    struct delta_txn txn = {put->log->app_id, (int64_t)put->epoch, now_ms};
    content.txns = &txn;
    content.txn_count = 1;
    struct delta_metadata metadata;
    struct text schema = {0};
    enum status status = STATUS_OK;
    if (put->log->replaces) {
        status = table_put_metadata(put, &schema, &metadata, err);
        content.metadata = &metadata;
    }
    if (status == STATUS_OK) status = delta_commit_encode(&content, bytes, err);
    text_deinit(&schema);
    arena_deinit(&arena);
    return status;
}

// ---- Whether it is there already ----

// A commit of before a replay names the manifest that was replaced: the same files, unless this table's were lost.
static bool table_put_names(const struct table_put *put, const struct delta_manifest_ref *ref)
{
    const Foreset__Manifest *body = put->manifest->body;
    if (ref->epoch != put->epoch) return false;
    if (ref->hash == put->manifest->record.hash) return true;
    if (put->log->dead_letters ? put->table->dead_letters_replayed : put->table->replayed) return false;
    for (size_t i = 0; i < body->n_replaced_hashes; i++) {
        if (ref->hash == body->replaced_hashes[i]) return true;
    }
    return false;
}

// txn says that the epoch is in the log: the commit that holds it must name our manifest.
static enum status table_put_verify(struct table_put *put, struct error *err)
{
    int64_t latest = put->log->table->version;
    for (int64_t version = latest; version > 0 && version > latest - TABLE_PUT_SCAN_MAX; version--) {
        struct delta_commit *commit = NULL;
        enum status status = delta_commit_read(put->log->store, version, &commit, err);
        if (status == STATUS_NOT_FOUND) break; // cleaned from here on
        if (status != STATUS_OK) return status;
        const struct delta_commit_info *info = commit->info;
        bool ours = info && info->pipeline_id && strcmp(info->pipeline_id, put->log->context->pipeline_id) == 0 &&
                    info->manifest_count > 0 && info->epoch_first <= put->epoch && put->epoch <= info->epoch_last;
        bool same = false;
        for (uint32_t i = 0; ours && i < info->manifest_count; i++) {
            if (table_put_names(put, &info->manifests[i])) same = true;
        }
        delta_log_commit_destroy(commit);
        if (same) return table_log_settle(put->log, version, err); // by a put that did not learn its outcome
        if (ours)
            return table_put_blocked(put, err, "its log holds this epoch from another manifest", TABLE_LOG_REFRESH);
    }
    uint64_t published = 0;
    enum status status = meta_store_published(put->log->context->meta, &published, err);
    if (status != STATUS_OK) return status;
    if (published >= put->epoch) return STATUS_OK;
    return table_put_blocked(put, err, "its log says that the epoch is there, but no commit names its manifest",
                             TABLE_LOG_REFRESH);
}

// What other writers did since our last commit. ERROR_BLOCKED: not what the epoch can be put upon.
static enum status table_put_beside(struct table_put *put, struct error *err)
{
    enum status status = STATUS_OK;
    table_repair_deinit(&put->repair);
    if (put->prev > 0) TRY(table_log_check_others(put->log, put->what, err));
    if (!put->log->updates || put->overwrite) return STATUS_OK;
    table_repair_find(&put->repair, put->log, put->table, put->epoch, &put->arena);
    if (put->repair.changed_version == 0 || put->prev == 0) return STATUS_OK;
    return table_repair_changed(&put->repair, put->log, put->what, err);
out:
    return status;
}

// Off the hot path: in recovery, for files of earlier epochs, and once somebody's VACUUM is in the log.
static enum status table_put_look_files(const struct table_put *put, struct error *err)
{
    size_t count = 0;
    if (FORESET_BUG("files-not-looked-at")) return STATUS_OK;
    bool all = put->log->looks || put->log->others.vacuumed > 0;
    Foreset__DataFile **files = memory_calloc(put->add_count + 1, sizeof *files);
    for (size_t i = 0; i < put->add_count; i++) {
        if (all || put->adds[i]->epoch != put->epoch) files[count++] = put->adds[i];
    }
    char role[64];
    snprintf(role, sizeof role, "epoch %" PRIu64 " names", put->epoch);
    enum status status = count > 0 ? table_log_look(put->log, files, count, role, err) : STATUS_OK;
    memory_free(files);
    return status;
}

// Planted: a file that is live counts as an epoch that is there.
static bool table_put_has_file(const struct table_put *put)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    while ((add = delta_table_next_file(put->log->table, &cursor))) {
        if (strcmp(add->path, put->adds[0]->path) == 0) return true;
    }
    return false;
}

// *ret_there: nothing more to do.
static enum status table_put_look(struct table_put *put, bool *ret_there, struct error *err)
{
    int64_t version = 0;
    bool has = delta_table_txn(put->log->table, put->log->app_id, &version);
    uint64_t txn = has && version > 0 ? (uint64_t)version : 0;
    *ret_there = false;
    if (FORESET_BUG("dedupe-by-path") && put->add_count > 0) {
        *ret_there = table_put_has_file(put);
        return STATUS_OK;
    }
    if (txn >= put->epoch) {
        *ret_there = true;
        return table_put_verify(put, err);
    }
    if (txn != put->prev) {
        char reason[160];
        snprintf(reason, sizeof reason,
                 "its last transaction is epoch %" PRIu64 ", expected %" PRIu64
                 " (restored to an older version, or replaced?)",
                 txn, put->prev);
        return table_put_blocked(put, err, reason, TABLE_LOG_ADOPT | TABLE_LOG_REFRESH);
    }
    bool removes = put->overwrite || put->table->n_removes > 0;
    if (table_log_check(put->log, removes && !put->log->dead_letters, err) != STATUS_OK) {
        return table_put_blocked(put, err, err->message, TABLE_LOG_REFRESH);
    }
    return table_put_look_files(put, err);
}

static enum status table_put_refresh(struct table_put *put, struct error *err)
{
    bool exists = false;
    enum status status = table_log_refresh(put->log, &exists, err);
    if (status != STATUS_OK || exists) return status;
    if (put->prev == 0) { // dead letter tables come into being with their first rows
        return table_log_ensure(put->log, false, put->random, err);
    }
    return table_put_blocked(put, err, "there is no table any more", TABLE_LOG_REFRESH);
}

// ---- One attempt ----

enum table_put_step { TABLE_PUT_DONE, TABLE_PUT_AGAIN };

static enum status table_put_settle(struct table_put *put, int64_t version, const char *txn_id, bool *ret_ours,
                                    struct error *err)
{
    struct delta_commit *commit = NULL;
    enum status status = delta_commit_read(put->log->store, version, &commit, err);
    *ret_ours = false;
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    *ret_ours = delta_commit_is(commit, txn_id);
    delta_log_commit_destroy(commit);
    return STATUS_OK;
}

static enum status table_put_attempt(struct table_put *put, unsigned attempt, enum table_put_step *ret_step,
                                     struct table_put_result *ret_result, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    bool there = false;
    char txn_id[37];
    TRY(lease_check(put->log->context->meta->lease, "a put", err));
    TRY(table_put_refresh(put, err));
    bool blind = FORESET_BUG("txn-not-rechecked") || FORESET_BUG("put-timeout-is-failure");
    if (attempt == 0 || !blind) TRY(table_put_look(put, &there, err));
    *ret_result = (struct table_put_result){.committed = true, .version = put->log->table->version};
    *ret_step = TABLE_PUT_DONE;
    if (there) goto out;
    TRY(table_put_beside(put, err));
    if (put->log->updates && !put->overwrite)
        TRY(table_repair_make(&put->repair, put->log, put->manifest, put->random, err));
    int64_t version = put->log->table->version + 1;
    random_uuid(put->random, txn_id);
    TRY(table_put_encode(put, txn_id, &bytes, err));
    status = table_log_put(put->log, version, &bytes, err);
    if (status == STATUS_OK) {
        ret_result->version = version;
    } else if (status == STATUS_UNKNOWN) {
        bool ours = false;
        TRY(table_put_settle(put, version, txn_id, &ours, err));
        if (FORESET_BUG("put-timeout-is-success")) ours = true;
        if (FORESET_BUG("put-timeout-is-failure")) ours = false;
        if (!ours) *ret_step = TABLE_PUT_AGAIN;
        ret_result->version = version;
    } else if (status == STATUS_EXISTS || status == STATUS_CONFLICT) {
        *ret_step = TABLE_PUT_AGAIN;
        if (status == STATUS_CONFLICT) {
            delta_table_close(put->log->table);
            put->log->table = NULL;
        }
        status = STATUS_OK;
    }
out:
    text_deinit(&bytes);
    return status;
}

static bool table_put_prepare(struct table_put *put, struct table_log *log, const struct manifest *manifest)
{
    *put = (struct table_put){.log = log, .manifest = manifest, .table = manifest_table(manifest, log->number)};
    snprintf(put->decided, sizeof put->decided, ", epoch %" PRIu64 " is decided but cannot be put",
             manifest->body->epoch);
    put->what = put->decided;
    if (FORESET_BUG("dedupe-by-path")) log->needs_files = true;
    if (!put->table) return false;
    put->epoch = manifest->body->epoch;
    if (log->dead_letters) {
        put->prev = put->table->dead_letters_prev;
        put->adds = put->table->dead_letters;
        put->add_count = put->table->n_dead_letters;
        put->overwrite = put->table->dead_letters_overwrite;
        if (put->overwrite) log->needs_files = true;
        return manifest_commits_dead_letters(put->table);
    }
    put->prev = put->table->prev;
    put->adds = put->table->adds;
    put->add_count = put->table->n_adds;
    put->overwrite = put->table->overwrite;
    if (put->overwrite) log->needs_files = true;
    log->replaces = put->table->schema_hash != NULL;
    return manifest_commits(put->table);
}

enum status table_put_run(struct table_log *log, const struct manifest *manifest, struct random *random,
                          struct table_put_result *ret_result, struct error *err)
{
    struct table_put put;
    *ret_result = (struct table_put_result){0};
    if (!table_put_prepare(&put, log, manifest) || log->abandoned) return STATUS_OK;
    put.random = random;
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < TABLE_PUT_TRIES; attempt++) {
        enum table_put_step step = TABLE_PUT_AGAIN;
        arena_init(&put.arena, 0);
        status = table_put_attempt(&put, attempt, &step, ret_result, err);
        table_repair_deinit(&put.repair);
        arena_deinit(&put.arena);
        if (status == STATUS_OK && step == TABLE_PUT_DONE) return STATUS_OK;
        if (status == STATUS_KILLED) return status;
        bool again = status == STATUS_OK || status == STATUS_UNKNOWN || err->class == ERROR_RETRY;
        if (!again || log->context->seam->ops->stopping(log->context->seam)) break;
        if (status != STATUS_OK) log->context->seam->ops->sleep(log->context->seam, TABLE_PUT_BACKOFF_US);
    }
    if (status == STATUS_OK) {
        return error_set(err, STATUS_ERROR, ERROR_RETRY,
                         "table %s, epoch %" PRIu64 ": other writers took %d versions in a row", log->name, put.epoch,
                         TABLE_PUT_TRIES);
    }
    if (err->class == ERROR_BLOCKED || err->class == ERROR_FENCED) return status;
    return error_prefix(err, "table %s, epoch %" PRIu64, log->name, put.epoch);
}

// A complete table whose result did not change may have been changed by others: its log is followed all the same.
static bool table_put_follows(const struct table_put *put)
{
    return put->table && put->table->publishes && !put->log->dead_letters &&
           put->log->plan->mode == FORESET__TABLE__MODE__COMPLETE;
}

// The next attempt's recovery sees the change and has the result written.
static enum status table_put_check_whole(const struct table_log *log, struct error *err)
{
    if (log->others.changed <= log->answered) return STATUS_OK;
    return error_set(err, STATUS_CONFLICT, ERROR_RESTART_PIPELINE,
                     "table %s: its version %" PRId64 " is another writer's: the whole result is written again",
                     log->name, log->others.changed);
}

static enum status table_put_check_there(struct table_put *put, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_log *log = put->log;
    char what[80];
    snprintf(what, sizeof what, ", before epoch %" PRIu64 " is decided", put->epoch);
    put->what = what;
    arena_init(&put->arena, 0);
    bool removes = !log->dead_letters && (put->overwrite || put->table->n_removes > 0);
    status = table_log_check(log, removes, err);
    if (status != STATUS_OK) {
        (void)error_prefix(err, "table %s", log->name);
        goto out;
    }
    TRY(table_put_beside(put, err));
    TRY(table_put_look_files(put, err));
out:
    table_repair_deinit(&put->repair);
    arena_deinit(&put->arena);
    return status;
}

enum status table_put_check(struct table_log *log, const struct manifest *manifest, struct error *err)
{
    struct table_put put;
    bool exists = false, commits = table_put_prepare(&put, log, manifest);
    if ((!commits && !table_put_follows(&put)) || log->abandoned) return STATUS_OK;
    enum status status = table_log_refresh(log, &exists, err);
    if (status != STATUS_OK) return error_prefix(err, "table %s", log->name);
    if (!commits) return table_put_check_whole(log, err);
    if (put.overwrite) log->answered = log->others.changed;
    if (exists) return table_put_check_there(&put, err);
    if (put.prev == 0 || log->dead_letters) return STATUS_OK; // those come with their first put
    return error_set(
        err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE,
        "table %s: there is no table any more at %s. Bring it back, start again with --full-refresh, or give it up "
        "with --abandon-table=%s",
        log->name, log->url, log->plan->name);
}
