// Adopting. Manifests that were only prepared never count: only what a table's log names was decided for sure.
// What can fail: the newest manifest is gone or is not the one named (hash): FAIL_PIPELINE, with its name.
#include "coordinator/commit/adopt.h"

#include <stdio.h>
#include <string.h>

enum { ADOPT_SCAN_MAX = 10000 };

enum status adopt_scan(struct table_log *log, const char *id, struct meta_record *record, struct error *err)
{
    for (int64_t version = log->table->version; version > 0 && version > log->table->version - ADOPT_SCAN_MAX;
         version--) {
        struct delta_commit *commit = NULL;
        enum status status = delta_commit_read(log->store, version, &commit, err);
        if (status == STATUS_NOT_FOUND) return STATUS_OK;
        if (status != STATUS_OK) return status;
        const struct delta_commit_info *info = commit->info;
        bool found = info && info->pipeline_id && strcmp(info->pipeline_id, id) == 0 && info->manifest_count > 0;
        for (uint32_t i = 0; found && i < info->manifest_count; i++) {
            if (info->manifests[i].epoch <= record->epoch) continue;
            *record = (struct meta_record){
                .epoch = info->manifests[i].epoch, .generation = info->generation, .hash = info->manifests[i].hash};
            snprintf(record->name, sizeof record->name, "%s", info->manifests[i].name);
        }
        delta_log_commit_destroy(commit);
        if (found) return STATUS_OK; // the newest of this table
    }
    return STATUS_OK;
}

static enum status adopt_generation(struct commit_context *context, uint64_t *floor, struct error *err)
{
    struct objstore_list list = {0};
    enum status status = objstore_list(context->state, "manifests/", NULL, &list, err);
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        uint64_t epoch, generation;
        if (!manifest_name_parse(list.entries.items[i].key, &epoch, &generation)) continue;
        if (generation > *floor) *floor = generation;
    }
    objstore_list_deinit(&list);
    return status;
}

enum status adopt_find(struct table_logs *logs, struct commit_context *context, char ret_id[37],
                       struct meta_record *ret_record, uint64_t *ret_generation, struct error *err)
{
    enum status status = STATUS_OK;
    struct meta_record record = {0};
    struct manifest *manifest = NULL;
    char id[37] = "";
    for (size_t i = 0; i < logs->count; i += 2) {
        bool exists = false;
        struct table_log *log = &logs->items[i];
        TRY(table_log_refresh(log, &exists, err));
        const char *owner = exists ? delta_table_property(log->table, "foreset.pipeline") : NULL;
        if (!owner || strlen(owner) != 36) continue;
        if (id[0] && strcmp(id, owner) != 0) {
            status =
                error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                          "--adopt: table %s belongs to the pipeline %s, the others to %s; they cannot go on together. "
                          "Move that table away, or give it another name or LOCATION, and adopt the others",
                          log->name, owner, id);
            goto out;
        }
        snprintf(id, sizeof id, "%s", owner);
        TRY(adopt_scan(log, id, &record, err));
    }
    if (record.epoch > 0) {
        uint64_t floor = record.generation;
        TRY(manifest_get(context->state, &record, context->seam, &manifest, err));
        TRY(adopt_generation(context, &floor, err));
        *ret_record = record;
        *ret_generation = floor;
    }
    snprintf(ret_id, 37, "%s", id);
out:
    manifest_unref(manifest);
    return status;
}
