// Recovery. The happy path: the pipeline's id; the generation raised, so that nothing of an earlier attempt can be
// decided any more; the last decided record; each table there and ours; every decided, unpublished epoch put, in order;
// published. What was not decided never happened: its files are found by cleaning.
//
// What can fail:
// - any store does not answer: RETRY, from the start;
// - a manifest that was decided is gone or damaged: FAIL_PIPELINE, with its name;
// - a table belongs to somebody else (P1): FAIL_PIPELINE; with --adopt it is taken over, position and all;
// - a table cannot take a decided epoch, others restored it, changed what update mode's state answers for, or removed
//   files that are not published yet: BLOCKED; --adopt takes the table as it is, --overwrite lets the state win;
// - another process leads by now: FENCED.
// A crash anywhere: the next recovery does it again; every step finds what is done already.
#include "coordinator/commit/recover.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "coordinator/commit/adopt.h"
#include "coordinator/commit/table_put.h"
#include "coordinator/commit/table_repair.h"

#define RECOVER_KEEP_EPOCHS 32

// --adopt=TABLE of a pipeline that lives in another of its tables: that one table is taken over, nothing else changes.
static enum status recover_takes_one(const struct recover *recover, bool *ret_one, struct error *err)
{
    char id[37] = "";
    *ret_one = false;
    if (!recover->adopt_table) return STATUS_OK;
    enum status status = meta_store_id(recover->context->meta, id, err);
    for (size_t i = 0; status == STATUS_OK && i < recover->logs->count && !*ret_one; i += 2) {
        bool exists = false;
        struct table_log *log = &recover->logs->items[i];
        status = table_log_refresh(log, &exists, err);
        const char *owner = status == STATUS_OK && exists ? delta_table_property(log->table, "foreset.pipeline") : NULL;
        *ret_one = owner && strcmp(owner, id) == 0;
    }
    return status;
}

static enum status recover_identity(struct recover *recover, uint64_t *ret_floor, struct error *err)
{
    enum status status = STATUS_OK;
    struct commit_context *context = recover->context;
    struct meta_record adopted = {0};
    char id[37] = "";
    struct meta_record last = {0};
    bool takes_one = false;
    TRY(meta_store_last(context->meta, &last, err));
    if (last.epoch == 0 && recover->adopt) TRY(recover_takes_one(recover, &takes_one, err));
    if (last.epoch == 0 && recover->adopt && !takes_one)
        TRY(adopt_find(recover->logs, context, id, &adopted, ret_floor, err));
    if (id[0] == '\0') random_uuid(&recover->random, id);
    char holds[37] = "";
    if (adopted.epoch > 0) {
        TRY(meta_store_adopt(context->meta, id, &adopted, err));
        snprintf(holds, sizeof holds, "%s", id);
    } else {
        TRY(meta_store_id(context->meta, holds, err));
        if (holds[0] == '\0') TRY(meta_store_create(context->meta, id, holds, err));
    }
    snprintf(context->pipeline_id, sizeof context->pipeline_id, "%s", holds);
out:
    return status;
}

static bool recover_adopts(const struct recover *recover, const struct table_log *log)
{
    return recover->adopt && (!recover->adopt_table || strcmp(recover->adopt_table, log->name) == 0);
}

// A misspelt table would leave the one that was meant as it is, without a word.
static enum status recover_knows(const struct recover *recover, const char *option, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    struct text names = {0};
    for (size_t i = 0; name && i < recover->logs->count; i++) {
        const struct table_log *log = &recover->logs->items[i];
        if (strcmp(log->name, name) == 0) goto out;
        if (!log->dead_letters) text_printf(&names, "%s%s", names.length > 0 ? ", " : "", log->name);
    }
    if (name)
        status = error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                           "--%s=%s: the pipeline has no table of this name; its tables: %s. Nothing was changed",
                           option, name, text_str(&names));
out:
    text_deinit(&names);
    return status;
}

// In append mode the pipeline's rows cannot win: what others deleted stays deleted.
static enum status recover_may_overwrite(const struct recover *recover, struct error *err)
{
    const char *name = recover->overwrite ? recover->overwrite_table : NULL;
    for (size_t i = 0; name && i < recover->logs->count; i++) {
        const struct table_log *log = &recover->logs->items[i];
        if (strcmp(log->name, name) != 0) continue;
        if (log->updates || (!log->dead_letters && log->plan->mode == FORESET__TABLE__MODE__COMPLETE)) return STATUS_OK;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "--overwrite=%s: the table is in append mode, so its earlier rows are nowhere else and cannot "
                         "be written again: what other writers removed stays removed. Nothing was changed. After a "
                         "RESTORE use --adopt=%s, to read all sources again --full-refresh",
                         name, name);
    }
    return STATUS_OK;
}

static bool recover_is_ahead(const struct recover *recover, uint64_t txn)
{
    return recover->last && txn > recover->last->body->epoch;
}

// A table has an epoch that the store does not know: the store is an old copy. Its positions are behind the table, so
// neither --adopt nor --overwrite helps here: every row read since would come twice. With --adopt a local store was
// left behind already (torn_store.c); this is etcd's, or a run without --adopt.
static enum status recover_old_store(const struct recover *recover, const struct table_log *log, uint64_t txn,
                                     struct error *err)
{
    return error_set(err, STATUS_ERROR, ERROR_BLOCKED,
                     "table %s: its last transaction is epoch %" PRIu64 ", but the pipeline's key-value store knows "
                     "no epoch after %" PRIu64 ": the store is older than the table, as after a restore from a copy. "
                     "Nothing is lost. Restore the newest copy of the store, or run with --adopt to go on from the "
                     "manifests that the tables' logs name (cluster: let etcd's data go and adopt, "
                     "docs/OPERATIONS.md)",
                     log->name, txn, recover->last->body->epoch);
}

// A table that cannot be taken is refused before any table is made or changed.
static enum status recover_admit(struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    bool refresh = recover->full_refresh && recover->last;
    for (size_t i = 0; i < recover->logs->count; i += 2) {
        struct table_log *log = &recover->logs->items[i];
        bool exists = false;
        if (log->abandoned) continue;
        TRY(table_log_refresh(log, &exists, err));
        if (exists) TRY(table_log_admit(log, recover_adopts(recover, log), !refresh && !log->extends, err));
        if (exists && recover_is_ahead(recover, table_log_txn(log)))
            TRY(recover_old_store(recover, log, table_log_txn(log), err));
    }
out:
    return status;
}

static enum status recover_tables(struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    if (recover->abandon_table) TRY(meta_store_abandon(recover->context->meta, recover->abandon_table, err));
    TRY(table_logs_read_abandoned(recover->logs, err));
    TRY(recover_admit(recover, err));
    for (size_t i = 0; i < recover->logs->count; i += 2) { // dead letter tables come with their first rows
        struct table_log *log = &recover->logs->items[i];
        const Foreset__TableEpoch *epoch =
            recover->last && !recover->renumbered ? manifest_table(recover->last, log->number) : NULL;
        bool adopt = recover_adopts(recover, log);
        bool exists = false;
        if (log->abandoned) continue;
        TRY(table_log_refresh(log, &exists, err));
        bool refreshes = recover->full_refresh && recover->last;
        if (!exists && epoch && epoch->commit_epoch > 0 && !refreshes) {
            status = error_set(err, STATUS_NOT_FOUND, ERROR_BLOCKED,
                               "table %s: its log at %s is gone, though the pipeline wrote it in epoch %" PRIu64
                               ". Bring it back, start again with --full-refresh, or give it up with "
                               "--abandon-table=%s",
                               log->name, log->url, epoch->commit_epoch, log->name);
            goto out;
        }
        TRY(table_log_ensure(log, adopt, &recover->random, err));
        if (log->extends) TRY(table_log_extend(log, &recover->random, err));
        TRY(table_log_settle(log, log->table->version, err)); // whoever made it may have ended before it was durable
    }
out:
    return status;
}

static bool recover_overwrites(const struct recover *recover, const struct table_log *log)
{
    return recover->overwrite && (!recover->overwrite_table || strcmp(recover->overwrite_table, log->name) == 0);
}

// What a log is to be before anything more is put.
struct recover_expected {
    const Foreset__TableEpoch *epoch; // of the first unpublished epoch, else of the last decided one; NULL: not in it
    uint64_t put;                     // that epoch, if it is unpublished; else 0
    uint64_t txn;
};

static struct recover_expected recover_expected_of(const struct recover *recover, const struct manifest *manifest,
                                                   const struct table_log *log)
{
    bool all = recover->published >= manifest->body->epoch;
    struct recover_expected expected = {.epoch = manifest_table(manifest, log->number)};
    if (!expected.epoch) return expected;
    if (!all) expected.put = manifest->body->epoch;
    if (!log->dead_letters) {
        expected.txn = all ? expected.epoch->commit_epoch : expected.epoch->prev;
    } else {
        bool wrote = all && manifest_commits_dead_letters(expected.epoch);
        expected.txn = wrote ? manifest->body->epoch : expected.epoch->dead_letters_prev;
    }
    return expected;
}

// The manifest of the epoch that the table has by now, where it is ahead of the others.
static enum status recover_ahead(struct recover *recover, struct table_log *log, uint64_t txn,
                                 struct manifest **ret_manifest, struct error *err)
{
    struct meta_record record;
    enum status status = meta_store_decided(recover->context->meta, txn, &record, err);
    if (status != STATUS_OK) return error_prefix(err, "table %s", log->name);
    return manifest_get(recover->context->state, &record, recover->context->seam, ret_manifest, err);
}

static enum status recover_overwrite(struct recover *recover, struct table_log *log,
                                     const struct recover_expected *expected, uint64_t txn, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_repair repair = {0};
    struct manifest *ahead = NULL;
    struct arena arena;
    const Foreset__TableEpoch *epoch = expected->epoch;
    uint64_t put = expected->put;
    arena_init(&arena, 0);
    if (put > 0 && txn >= put) {
        TRY(recover_ahead(recover, log, txn, &ahead, err));
        epoch = manifest_table(ahead, log->number);
        put = 0;
    }
    table_repair_find(&repair, log, epoch, put, &arena);
    TRY(table_repair_overwrite(&repair, log, txn, &recover->random, err));
out:
    table_repair_deinit(&repair);
    arena_deinit(&arena);
    manifest_unref(ahead);
    return status;
}

// Whether others left the table so that the pipeline can go on.
static enum status recover_beside(struct table_log *log, const struct recover_expected *expected, struct error *err)
{
    struct table_repair repair = {0};
    struct arena arena;
    enum status status = table_log_check_others(log, "", err);
    if (status != STATUS_OK || !log->updates) return status;
    arena_init(&arena, 0);
    table_repair_find(&repair, log, expected->epoch, expected->put, &arena);
    if (repair.changed_version > 0) status = table_repair_changed(&repair, log, "", err);
    table_repair_deinit(&repair);
    arena_deinit(&arena);
    return status;
}

static enum status recover_mismatch(const struct table_log *log, uint64_t txn, uint64_t expected, struct error *err)
{
    char reason[300];
    snprintf(reason, sizeof reason,
             "its last transaction is epoch %" PRIu64 ", the pipeline wrote %" PRIu64
             ": it was restored to an older version, or replaced",
             txn, expected);
    return table_log_blocked(log, "", reason, TABLE_LOG_ADOPT | (log->updates ? TABLE_LOG_OVERWRITE : 0u), err);
}

// Tables that others changed are told together, so that one look is enough.
enum { RECOVER_BLOCKED_NAMED_MAX = 4 };
struct recover_blocked {
    size_t count;
    bool overwrite; // it helps some of them
    struct error first;
    struct text reasons;
};

static void recover_collect(struct recover_blocked *blocked, const struct table_log *log, const struct error *err)
{
    const char *end = strstr(err->message, ". Nothing is lost"), *begin = strstr(err->message, ": ");
    if (blocked->count == 0) blocked->first = *err;
    blocked->overwrite = blocked->overwrite || strstr(err->message, "--overwrite=") != NULL;
    if (blocked->count++ >= RECOVER_BLOCKED_NAMED_MAX || !begin) return;
    begin += 2;
    size_t length = end && end > begin ? (size_t)(end - begin) : strlen(begin);
    text_printf(&blocked->reasons, "%s%s: %.*s", blocked->count > 1 ? "; " : "", log->name,
                (int)(length < 140 ? length : 140), begin);
}

static enum status recover_tell_blocked(const struct recover *recover, struct recover_blocked *blocked,
                                        struct error *err)
{
    const char *pipeline = recover->context->pipeline;
    struct text ways = {0};
    if (blocked->count == 0) return STATUS_OK;
    *err = blocked->first;
    if (blocked->count == 1) return err->code;
    if (blocked->count > RECOVER_BLOCKED_NAMED_MAX)
        text_printf(&blocked->reasons, "; and %zu more", blocked->count - RECOVER_BLOCKED_NAMED_MAX);
    if (blocked->overwrite)
        text_printf(&ways,
                    "; to let the pipeline's rows win in update mode: --overwrite[=TABLE] (foreset pipelines retry "
                    "--overwrite %s [--table TABLE])",
                    pipeline);
    enum status status =
        error_set(err, STATUS_ERROR, ERROR_BLOCKED,
                  "%zu tables are blocked: %s. Nothing is lost. Set them right and run again "
                  "(cluster: foreset pipelines retry %s); to accept all of them as they are: --adopt, "
                  "one: --adopt=TABLE (foreset pipelines adopt %s [--table TABLE])%s; to give one up: "
                  "--abandon-table=TABLE (foreset pipelines abandon-table %s --table TABLE)",
                  blocked->count, text_str(&blocked->reasons), pipeline, pipeline, text_str(&ways), pipeline);
    text_deinit(&ways);
    return status;
}

static enum status recover_expect_log(struct recover *recover, const struct manifest *manifest, struct table_log *log,
                                      struct recover_blocked *blocked, struct error *err)
{
    enum status status = STATUS_OK;
    bool exists = log->table != NULL;
    struct recover_expected expected = recover_expected_of(recover, manifest, log);
    if (log->abandoned || recover->full_refresh || (log->dead_letters && expected.txn == 0)) return STATUS_OK;
    if (log->dead_letters) TRY(table_log_refresh(log, &exists, err));
    uint64_t txn = exists ? table_log_txn(log) : expected.txn;
    bool ahead = expected.put > 0 && txn > recover->published, fits = txn == expected.txn || ahead;
    if (!exists || (fits && txn == 0)) return STATUS_OK;
    if (recover_is_ahead(recover, txn)) return recover_old_store(recover, log, txn, err);
    if (!fits) log->others.cleaned = true; // its log is not ours to the end: any file may hold rows of open groups
    status = fits ? recover_beside(log, &expected, err) : recover_mismatch(log, txn, expected.txn, err);
    if (status == STATUS_OK || err->class != ERROR_BLOCKED) return status;
    uint64_t accepted = ahead ? txn : expected.txn;
    if (recover_adopts(recover, log)) {
        log_info("adopted", "table=%s why=\"%s\"", log->name, err->message);
        return table_log_accept(log, accepted, &recover->random, err);
    }
    if (!log->updates || !recover_overwrites(recover, log)) {
        recover_collect(blocked, log, err);
        return STATUS_OK;
    }
    log_info("overwritten", "table=%s why=\"%s\"", log->name, err->message);
    return recover_overwrite(recover, log, &expected, accepted, err);
out:
    return status;
}

// What each table must be before anything more is put: its txn is what the first unpublished epoch, else the last
// decided one, says of it, and nobody restored it or changed what update mode's state answers for. It shows here, even
// if the next epochs do not write the table.
static enum status recover_expect(struct recover *recover, const struct meta_record *last, struct error *err)
{
    enum status status = STATUS_OK;
    struct meta_record record = *last;
    struct manifest *manifest = NULL;
    struct recover_blocked blocked = {0};
    if (recover->published < last->epoch)
        TRY(meta_store_decided(recover->context->meta, recover->published + 1, &record, err));
    TRY(manifest_get(recover->context->state, &record, recover->context->seam, &manifest, err));
    for (size_t i = 0; i < recover->logs->count; i++)
        TRY(recover_expect_log(recover, manifest, &recover->logs->items[i], &blocked, err));
    TRY(recover_tell_blocked(recover, &blocked, err));
out:
    text_deinit(&blocked.reasons);
    manifest_unref(manifest);
    return status;
}

static enum status recover_put(struct recover *recover, uint64_t epoch, struct error *err)
{
    enum status status = STATUS_OK;
    struct meta_record record;
    struct manifest *manifest = NULL;
    TRY(meta_store_decided(recover->context->meta, epoch, &record, err));
    TRY(manifest_get(recover->context->state, &record, recover->context->seam, &manifest, err));
    for (size_t i = 0; i < recover->logs->count; i++) {
        struct table_put_result result;
        status = table_put_run(&recover->logs->items[i], manifest, &recover->random, &result, err);
        if (status != STATUS_OK && err->class == ERROR_BLOCKED && recover->full_refresh) { // it is about to be emptied
            log_info("not_put", "table=%s epoch=%" PRIu64 " why=\"%s\"", recover->logs->items[i].name, epoch,
                     err->message);
            status = STATUS_OK;
        }
        if (status != STATUS_OK) goto out;
    }
    TRY(meta_store_publish(recover->context->meta, epoch, RECOVER_KEEP_EPOCHS, err));
    recover->put++;
out:
    manifest_unref(manifest);
    return status;
}

static enum status recover_check(const struct recover *recover, struct table_log *log, struct error *err)
{
    bool exists = false;
    if (log->abandoned || (recover->full_refresh && recover->last)) return STATUS_OK;
    log->replaces = false;
    enum status status = table_log_refresh(log, &exists, err);
    if (status == STATUS_OK) status = table_log_check(log, log->plan->mode != FORESET__TABLE__MODE__APPEND, err);
    if (status != STATUS_OK) return error_prefix(err, "table %s", log->name);
    if (recover_overwrites(recover, log)) log->others.changed = log->table->version; // complete mode writes it whole
    return STATUS_OK;
}

// What was written and waits to be published is there.
static enum status recover_look(const struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; recover->last && !recover->renumbered && i < recover->last->body->n_tables; i++) {
        const Foreset__TableEpoch *table = recover->last->body->tables[i];
        struct table_log *log = table_logs_at(recover->logs, table->table, false);
        struct table_log *dead = table_logs_at(recover->logs, table->table, true);
        if (log->abandoned || recover->full_refresh || FORESET_BUG("files-not-looked-at")) continue;
        if (table->n_pending > 0)
            TRY(table_log_look(log, table->pending, table->n_pending, "wait to be published", err));
        if (table->n_dead_letters_pending == 0) continue;
        TRY(table_log_open_store(dead, err));
        TRY(table_log_look(dead, table->dead_letters_pending, table->n_dead_letters_pending, "wait to be published",
                           err));
    }
out:
    return status;
}

// What is lost has to be written again before anything is put.
static enum status recover_replay(struct recover *recover, const struct meta_record *last, struct error *err)
{
    if (!recover->replay || recover->full_refresh || recover->renumbered || last->epoch == 0) return STATUS_OK;
    const struct replay_find find = {.context = recover->context,
                                     .logs = recover->logs,
                                     .random = &recover->random,
                                     .table = recover->replay_table,
                                     .newest = *last,
                                     .published = recover->published};
    return replay_find(&find, &recover->replays, err);
}

enum status recover_run(struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    struct commit_context *context = recover->context;
    struct meta_record last = {0};
    uint64_t floor = 0;
    manifest_unref(recover->last);
    recover->last = NULL;
    TRY(FAILPOINT("recover.before", err));
    TRY(lease_check(context->meta->lease, "recovery", err));
    TRY(recover_knows(recover, "adopt", recover->adopt ? recover->adopt_table : NULL, err));
    TRY(recover_knows(recover, "overwrite", recover->overwrite ? recover->overwrite_table : NULL, err));
    TRY(recover_may_overwrite(recover, err));
    TRY(recover_knows(recover, "replay", recover->replay ? recover->replay_table : NULL, err));
    TRY(recover_knows(recover, "abandon-table", recover->abandon_table, err));
    TRY(recover_identity(recover, &floor, err));
    TRY(meta_store_raise(context->meta, floor, &context->generation, err));
    TRY(meta_store_last(context->meta, &last, err));
    if (last.epoch > 0) TRY(manifest_get(context->state, &last, context->seam, &recover->last, err));
    if (recover->last && strcmp(recover->last->body->pipeline_id, context->pipeline_id) != 0) {
        status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                           "manifest %s is of the pipeline %s, not of ours (%s): the state store (--state) and the "
                           "key-value store (--meta, "
                           "etcd) are not of the same pipeline. Give those that belong together",
                           last.name, recover->last->body->pipeline_id, context->pipeline_id);
        goto out;
    }
    TRY(recover->compare(recover, err));
    for (size_t i = 0; i < recover->logs->count; i++) recover->logs->items[i].looks = true;
    TRY(recover_tables(recover, err));
    TRY(meta_store_published(context->meta, &recover->published, err));
    if (last.epoch > 0 && !recover->renumbered) TRY(recover_expect(recover, &last, err));
    TRY(recover_replay(recover, &last, err));
    if (recover->replays) goto out;
    if (FORESET_BUG("no-roll-forward")) recover->published = last.epoch;
    while (recover->published < last.epoch) {
        TRY(recover_put(recover, recover->published + 1, err));
        recover->published++;
    }
    for (size_t i = 0; i < recover->logs->count; i += 2) TRY(recover_check(recover, &recover->logs->items[i], err));
    TRY(recover_look(recover, err));
    TRY(FAILPOINT("recover.after", err));
out:
    return status;
}
