// A torn kv store. An epoch is put into a table only when its decision is durable, so a table with a later epoch than
// the store shows that the part which cannot be read was whole once: to cut it off would decide that epoch twice. With
// --adopt a store that is whole is compared too: an old copy would read again what the tables have.
// What can fail: a table's log cannot be read: its error, nothing is changed.
#include "coordinator/commit/torn_store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "coordinator/commit/adopt.h"
#include "coordinator/commit/table_logs.h"

struct torn_store {
    struct commit_context context; // with the id that a table's owner has
    uint64_t last;                 // the last epoch that the store knows
    uint64_t known;                // the last that a table knows
    const char *table;
};

static enum status torn_store_table(struct torn_store *torn, struct table_log *log, const char *id, struct error *err)
{
    enum status status = STATUS_OK;
    struct meta_record record = {0};
    bool exists = false;
    TRY(table_log_refresh(log, &exists, err));
    const char *owner = exists ? delta_table_property(log->table, "foreset.pipeline") : NULL;
    if (!owner || strlen(owner) != 36 || (id[0] && strcmp(id, owner) != 0)) goto out;
    TRY(adopt_scan(log, owner, &record, err));
    snprintf(log->app_id, sizeof log->app_id, "%s/%s", owner, log->name);
    uint64_t txn = table_log_txn(log);
    uint64_t epoch = record.epoch > txn ? record.epoch : txn;
    if (epoch > torn->known) {
        torn->known = epoch;
        torn->table = log->name;
    }
out:
    return status;
}

enum status torn_store_check(const struct commit_context *context, bool adopt, struct error *err)
{
    enum status status = STATUS_OK;
    struct text where = {0};
    struct torn_store torn = {.context = *context};
    struct table_logs logs = {0};
    struct meta_record last;
    char id[37] = "";
    bool is_torn = kv_torn(context->meta->kv, &where);
    if (!is_torn && !(adopt && context->meta->kv->ops->forget)) goto out;
    TRY(meta_store_last(context->meta, &last, err));
    TRY(meta_store_id(context->meta, id, err));
    if (!is_torn && id[0] == '\0') goto out; // nothing to leave behind
    table_logs_init(&logs, &torn.context);
    for (size_t i = 0; i < logs.count; i++) {
        if (logs.items[i].dead_letters) continue; // they may be absent, and their tables know as much
        TRY(torn_store_table(&torn, &logs.items[i], id, err));
    }
    torn.last = last.epoch;
    if (torn.known <= torn.last) {
        if (is_torn) log_warn("kv_torn", "at=\"%s\" epoch=%" PRIu64, text_str(&where), torn.last);
    } else if (adopt) {
        log_warn(is_torn ? "kv_damaged" : "kv_old", "at=\"%s\" epoch=%" PRIu64 " adopted=%" PRIu64,
                 is_torn ? text_str(&where) : "kv.log", torn.last, torn.known);
        TRY(context->meta->kv->ops->forget(context->meta->kv, err));
    } else {
        status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                           "%s is damaged: up to there epoch %" PRIu64
                           " is the last that was decided, but table %s has epoch "
                           "%" PRIu64 ". Restore the file from a copy, or run with --adopt to go on from what the "
                           "tables' logs name",
                           text_str(&where), torn.last, torn.table, torn.known);
    }
out:
    table_logs_deinit(&logs);
    text_deinit(&where);
    return status;
}
