// Merging an epoch's reports. The happy path: per partition what was planned was read; per table the files of all
// workers, by its mode and by whether it publishes (P12, P13); the state snapshot's parts; what did not change is
// carried on from the manifest before.
//
// What can fail: a report that does not match the plan (ranges), the leader's clocks (takes part, L, W, batch) or the
// manifest before (an open file replaced that is not open): RESTART_PIPELINE; nothing is guessed (I7).
#include "coordinator/epoch/epoch_merge.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/planted.h"

#define EPOCH_MERGE_HORIZON_US (7 * 86400 * 1000000ll)

struct epoch_merge {
    struct epoch *epoch;
    const struct commit_context *context;
    const Foreset__Manifest *previous; // NULL: none
    struct arena *arena;
    Foreset__Manifest *manifest;
};

static enum status epoch_merge_contradiction(const struct epoch_merge *merge, struct error *err, const char *what)
{
    char copy[512];
    snprintf(copy, sizeof copy, "%s", what);
    return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "epoch %" PRIu64 ": %s", merge->epoch->number, copy);
}

// ---- Ranges ----

static bool epoch_merge_same_partition(const Foreset__Range *a, const Foreset__Range *b)
{
    return a->source == b->source && a->has_to == b->has_to && a->partition == b->partition &&
           strcmp(a->topic ? a->topic : "", b->topic ? b->topic : "") == 0;
}

static const Foreset__Range *epoch_merge_previous(const struct epoch_merge *merge, const Foreset__Range *range)
{
    for (size_t i = 0; merge->previous && i < merge->previous->n_ranges; i++) {
        const Foreset__Range *old = merge->previous->ranges[i];
        if (old->has_to && epoch_merge_same_partition(old, range)) return old;
    }
    return NULL;
}

static const Foreset__Range *epoch_merge_report(const struct epoch_merge *merge, const Foreset__Range *range)
{
    for (size_t i = 0; i < merge->epoch->worker_count; i++) {
        const Foreset__Prepared *prepared = merge->epoch->reports[i].prepared->prepared;
        for (size_t j = 0; j < prepared->n_ranges; j++) {
            if (prepared->ranges[j]->has_to && epoch_merge_same_partition(prepared->ranges[j], range))
                return prepared->ranges[j];
        }
    }
    return NULL;
}

static enum status epoch_merge_partition(struct epoch_merge *merge, const Foreset__Range *planned, struct error *err)
{
    Foreset__Range *range = arena_alloc(merge->arena, sizeof *range);
    *range = *planned;
    const Foreset__Range *old = epoch_merge_previous(merge, planned);
    range->last = old && !planned->has_gap_from ? old->last : NULL; // the record before a gap may be gone too
    if (old && old->to != planned->from && !planned->has_gap_from) {
        return epoch_merge_contradiction(
            merge, err,
            arena_printf(merge->arena, "partition %d begins at %" PRId64 ", the epoch before ended at %" PRId64,
                         planned->partition, planned->from, old->to));
    }
    if (planned->to > planned->from) {
        const Foreset__Range *report = epoch_merge_report(merge, planned);
        if (!report || report->from != planned->from || report->to != planned->to) {
            return epoch_merge_contradiction(merge, err,
                                             arena_printf(merge->arena,
                                                          "partition %d was planned as [%" PRId64 ", %" PRId64
                                                          "), read [%" PRId64 ", %" PRId64 ")",
                                                          planned->partition, planned->from, planned->to,
                                                          report ? report->from : -1, report ? report->to : -1));
        }
        if (report->last) range->last = report->last;
    }
    merge->manifest->ranges[merge->manifest->n_ranges++] = range;
    return STATUS_OK;
}

static void epoch_merge_files(struct epoch_merge *merge, const Foreset__Range *planned)
{
    Foreset__FilesPosition *position = NULL;
    for (size_t i = 0; i < merge->manifest->n_files; i++) {
        if (merge->manifest->files[i]->source == planned->source) position = merge->manifest->files[i];
    }
    ASSERT(position);
    merge->manifest->ranges[merge->manifest->n_ranges++] = (Foreset__Range *)planned;
    if (position->fill) {
        position->next += FORESET_BUG("fill-read-twice") ? 0 : planned->n_files;
        return;
    }
    size_t old = position->n_seen;
    uint64_t *seen = arena_calloc(merge->arena, old + planned->n_files + 1, sizeof *seen);
    int64_t *times = arena_calloc(merge->arena, old + planned->n_files + 1, sizeof *times), newest = INT64_MIN;
    size_t count = 0;
    for (size_t i = 0; i < planned->n_files; i++)
        newest = planned->file_times_us[i] > newest ? planned->file_times_us[i] : newest;
    // A file from the future hides nothing that comes now; a clock that was set back lowers nothing.
    if (newest > merge->epoch->timestamp_us) newest = merge->epoch->timestamp_us;
    if (newest > INT64_MIN + EPOCH_MERGE_HORIZON_US && newest - EPOCH_MERGE_HORIZON_US > position->horizon_us) {
        position->horizon_us = newest - EPOCH_MERGE_HORIZON_US;
    }
    for (size_t i = 0; i < old; i++) {
        if (position->seen_times_us[i] < position->horizon_us) continue;
        seen[count] = position->seen[i];
        times[count++] = position->seen_times_us[i];
    }
    for (size_t i = 0; i < planned->n_files; i++) {
        seen[count] = hash_64(planned->files[i], strlen(planned->files[i]), 0);
        times[count++] = planned->file_times_us[i];
    }
    position->seen = seen;
    position->seen_times_us = times;
    position->n_seen = position->n_seen_times_us = count;
}

static const Foreset__FilesPosition *epoch_merge_stood(const struct epoch_merge *merge, uint32_t source)
{
    for (size_t i = 0; merge->previous && i < merge->previous->n_files; i++) {
        if (merge->previous->files[i]->source == source) return merge->previous->files[i];
    }
    return NULL;
}

static void epoch_merge_files_begin(struct epoch_merge *merge)
{
    const Foreset__Plan *plan = merge->context->plan;
    merge->manifest->files = arena_calloc(merge->arena, plan->n_nodes + 1, sizeof *merge->manifest->files);
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        if (plan->nodes[i]->kind != FORESET__NODE__KIND__SOURCE) continue;
        const Foreset__Source *source = plan->nodes[i]->source;
        const Foreset__FilesPosition *stood = epoch_merge_stood(merge, i);
        bool fills = stood && stood->fill && stood->next < stood->count; // one that is read to the end is let go
        if (source->kind != FORESET__SOURCE__KIND__FILES && !fills) continue;
        Foreset__FilesPosition *position = arena_alloc(merge->arena, sizeof *position);
        foreset__files_position__init(position);
        position->source = i;
        position->horizon_us = INT64_MIN;
        if (stood) *position = *stood;
        merge->manifest->files[merge->manifest->n_files++] = position;
    }
}

static enum status epoch_merge_ranges(struct epoch_merge *merge, struct error *err)
{
    size_t old = merge->previous ? merge->previous->n_ranges : 0;
    merge->manifest->ranges =
        arena_calloc(merge->arena, old + merge->epoch->cut.count + 1, sizeof *merge->manifest->ranges);
    epoch_merge_files_begin(merge);
    for (size_t i = 0; i < merge->epoch->cut.count; i++) {
        const Foreset__Range *planned = merge->epoch->cut.ranges[i];
        if (planned->n_files > 0) {
            epoch_merge_files(merge, planned);
            continue;
        }
        enum status status = epoch_merge_partition(merge, planned, err);
        if (status != STATUS_OK) return status;
    }
    for (size_t i = 0; i < old; i++) { // a partition that this epoch's plan did not know keeps its place
        const Foreset__Range *range = merge->previous->ranges[i];
        bool known = !range->has_to;
        for (size_t j = 0; !known && j < merge->epoch->cut.count; j++) {
            known = epoch_merge_same_partition(range, merge->epoch->cut.ranges[j]);
        }
        if (known) continue;
        Foreset__Range *kept = arena_alloc(merge->arena, sizeof *kept);
        *kept = *range;
        kept->from = kept->to;
        kept->has_gap_from = false;
        merge->manifest->ranges[merge->manifest->n_ranges++] = kept;
    }
    return STATUS_OK;
}

// ---- Tables ----

struct epoch_merge_list {
    Foreset__DataFile **items;
    size_t count;
};

static void epoch_merge_append(struct epoch_merge *merge, struct epoch_merge_list *list, Foreset__DataFile **files,
                               size_t count)
{
    Foreset__DataFile **items = arena_calloc(merge->arena, list->count + count + 1, sizeof *items);
    if (list->count > 0) memcpy(items, list->items, list->count * sizeof *items);
    if (count > 0) memcpy(items + list->count, files, count * sizeof *items);
    list->items = items;
    list->count += count;
}

static bool epoch_merge_has(const struct epoch_merge_list *list, const char *path)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->path, path) == 0) return true;
    }
    return false;
}

// What the workers reported of one table.
struct epoch_merge_share {
    struct epoch_merge_list adds, removes, dead;
    uint64_t content_hash;
    bool has_content_hash, overwrite;
};

static enum status epoch_merge_check(struct epoch_merge *merge, const Foreset__TableEpoch *report, struct error *err)
{
    const struct epoch_table *table = &merge->epoch->tables[report->table];
    const Foreset__Table *plan = merge->context->plan->tables[report->table];
    bool took = !report->has_takes_part || (bool)report->takes_part == table->took_part;
    bool publishes = !report->has_publishes || (bool)report->publishes == table->publishes;
    bool late =
        plan->n_watermarks == 0 || !report->has_late_us || !table->took_part || report->late_us == table->late_us;
    bool mark = plan->n_watermarks == 0 || !report->has_watermark_us || !table->took_part ||
                report->watermark_us == table->watermark_us;
    bool batch = !report->has_batch || !table->took_part || report->batch == table->batch;
    if (took && publishes && late && mark && batch) return STATUS_OK;
    return epoch_merge_contradiction(merge, err,
                                     arena_printf(merge->arena,
                                                  "table %s: the worker saw takes_part=%d publishes=%d L=%" PRId64
                                                  " W=%" PRId64 " batch=%" PRId64 ", the leader %d %d %" PRId64
                                                  " %" PRId64 " %" PRId64,
                                                  plan->name, report->takes_part, report->publishes, report->late_us,
                                                  report->watermark_us, report->batch, table->took_part,
                                                  table->publishes, table->late_us, table->watermark_us, table->batch));
}

static void epoch_merge_violations(struct epoch_merge *merge, const Foreset__TableEpoch *report,
                                   Foreset__TableEpoch *out)
{
    if (report->n_violations == 0) return;
    Foreset__Violation **all =
        arena_calloc(merge->arena, out->n_violations + report->n_violations, sizeof *out->violations);
    for (size_t i = 0; i < out->n_violations; i++) all[i] = out->violations[i];
    out->violations = all;
    for (size_t i = 0; i < report->n_violations; i++) {
        Foreset__Violation *found = NULL;
        for (size_t k = 0; k < out->n_violations && !found; k++) {
            if (strcmp(all[k]->constraint, report->violations[i]->constraint) == 0) found = all[k];
        }
        if (!found) {
            found = all[out->n_violations++] = arena_alloc(merge->arena, sizeof *found);
            foreset__violation__init(found);
            found->constraint = report->violations[i]->constraint;
        }
        found->rows += report->violations[i]->rows;
    }
}

static enum status epoch_merge_shares(struct epoch_merge *merge, uint32_t number, Foreset__TableEpoch *out,
                                      struct epoch_merge_share *share, struct error *err)
{
    for (size_t i = 0; i < merge->epoch->worker_count; i++) {
        const Foreset__Prepared *prepared = merge->epoch->reports[i].prepared->prepared;
        for (size_t j = 0; j < prepared->n_tables; j++) {
            const Foreset__TableEpoch *report = prepared->tables[j];
            if (report->table != number) continue;
            enum status status = epoch_merge_check(merge, report, err);
            if (status != STATUS_OK) return status;
            epoch_merge_append(merge, &share->adds, report->adds, report->n_adds);
            epoch_merge_append(merge, &share->removes, report->removes, report->n_removes);
            epoch_merge_append(merge, &share->dead, report->dead_letters, report->n_dead_letters);
            share->overwrite |= (bool)report->overwrite;
            share->has_content_hash |= (bool)report->has_content_hash;
            share->content_hash += report->content_hash;
            out->rows_in += report->rows_in;
            out->rows_out += report->rows_out;
            out->rows_late += report->rows_late;
            out->rows_dead += report->rows_dead;
            out->bytes_out += report->bytes_out;
            out->rows_malformed += report->rows_malformed;
            out->rows_violated += report->rows_violated;
            epoch_merge_violations(merge, report, out);
            out->rows_filtered += report->rows_filtered;
            out->rows_duplicate += report->rows_duplicate;
            out->rows_grouped += report->rows_grouped;
            out->rows_expanded += report->rows_expanded;
            out->rows_unaccounted += report->rows_unaccounted;
            out->offsets_empty += report->offsets_empty;
        }
    }
    for (size_t i = 0; i < share->adds.count; i++) merge->epoch->bytes += share->adds.items[i]->size_bytes;
    return STATUS_OK;
}

// Every record that was read is in one of the counts; else rows are lost, or come twice, by a fault of this program.
static void epoch_merge_accounted(const struct epoch_merge *merge, const Foreset__TableEpoch *table)
{
    if (table->rows_unaccounted == 0) return;
    log_error("rows_unaccounted", "pipeline=%s table=%s epoch=%" PRIu64 " rows=%" PRId64, merge->context->pipeline,
              merge->context->plan->tables[table->table]->name, merge->epoch->number, (int64_t)table->rows_unaccounted);
}

static void epoch_merge_append_table(struct epoch_merge *merge, Foreset__TableEpoch *out,
                                     const Foreset__TableEpoch *old, const struct epoch_merge_share *share,
                                     bool publishes)
{
    struct epoch_merge_list files = {0};
    if (old && !FORESET_BUG("pending-dropped")) epoch_merge_append(merge, &files, old->pending, old->n_pending);
    epoch_merge_append(merge, &files, share->adds.items, share->adds.count);
    if (publishes) {
        out->adds = files.items;
        out->n_adds = files.count;
    } else {
        out->pending = files.items;
        out->n_pending = files.count;
    }
}

// whole: the table does not hold what was written last, whatever the hashes say.
static void epoch_merge_complete_table(Foreset__TableEpoch *out, const Foreset__TableEpoch *old,
                                       const struct epoch_merge_share *share, bool whole)
{
    bool changed = share->overwrite;
    if (share->has_content_hash && !whole) {
        bool was_empty = !old || !old->has_content_hash;
        bool same = old && old->has_content_hash && old->content_hash == share->content_hash;
        changed = changed && !same && !(was_empty && share->adds.count == 0);
    }
    out->has_content_hash = share->has_content_hash || (old && old->has_content_hash);
    out->content_hash = share->has_content_hash ? share->content_hash : old ? old->content_hash : 0;
    if (!changed) return;
    out->has_overwrite = out->overwrite = true;
    out->adds = share->adds.items;
    out->n_adds = share->adds.count;
}

static bool epoch_merge_same_slice(const Foreset__DataFile *add, const Foreset__DataFile *old)
{
    if (!add->open || add->has_slice_key != old->has_slice_key) return false;
    return add->has_slice_key ? add->slice_key == old->slice_key : add->slice == old->slice;
}

// Open files hold the rows of groups in state, one per slice of shards; closed files are for good (P13).
static enum status epoch_merge_update_table(struct epoch_merge *merge, Foreset__TableEpoch *out,
                                            const Foreset__TableEpoch *old, struct epoch_merge_share *share,
                                            struct error *err)
{
    struct epoch_merge_list before = {old ? old->open : NULL, old ? old->n_open : 0}, removes = {0}, open = {0};
    for (size_t i = 0; i < share->removes.count; i++) {
        if (epoch_merge_has(&before, share->removes.items[i]->path)) continue;
        return epoch_merge_contradiction(
            merge, err,
            arena_printf(merge->arena, "file %s is replaced but was not open", share->removes.items[i]->path));
    }
    for (size_t i = 0; i < before.count; i++) {
        bool replaced = epoch_merge_has(&share->removes, before.items[i]->path);
        for (size_t j = 0; !replaced && j < share->adds.count; j++) {
            replaced = epoch_merge_same_slice(share->adds.items[j], before.items[i]);
        }
        epoch_merge_append(merge, replaced ? &removes : &open, &before.items[i], 1);
    }
    for (size_t i = 0; i < share->adds.count; i++) {
        if (share->adds.items[i]->open) epoch_merge_append(merge, &open, &share->adds.items[i], 1);
    }
    out->adds = share->adds.items;
    out->n_adds = share->adds.count;
    out->removes = removes.items;
    out->n_removes = removes.count;
    out->open = open.items;
    out->n_open = open.count;
    return STATUS_OK;
}

static void epoch_merge_clock(const struct epoch_merge *merge, const struct epoch_table *table,
                              Foreset__TableEpoch *out)
{
    out->has_takes_part = out->has_publishes = out->has_batch_open = true;
    out->takes_part = table->took_part;
    out->publishes = table->publishes;
    out->batch_open = table->open;
    out->has_late_us = out->has_watermark_us = true;
    out->late_us = table->late_us;
    out->watermark_us = table->watermark_us;
    if (table->batch >= 0) {
        out->has_batch = out->has_batch_timestamp_us = true;
        out->batch = table->batch;
        out->batch_timestamp_us = table->timestamp_us;
    }
    out->has_published_timestamp_us = table->published;
    out->published_timestamp_us = table->published_us;
    out->maxima = arena_calloc(merge->arena, table->maximum_count + 1, sizeof *out->maxima);
    out->n_maxima = table->maximum_count;
    for (size_t i = 0; i < table->maximum_count; i++) out->maxima[i] = &table->maxima[i];
}

static void epoch_merge_dead(struct epoch_merge *merge, Foreset__TableEpoch *out, const Foreset__TableEpoch *old,
                             const struct epoch_merge_share *share, bool publishes)
{
    struct epoch_merge_list files = {0};
    if (old) epoch_merge_append(merge, &files, old->dead_letters_pending, old->n_dead_letters_pending);
    epoch_merge_append(merge, &files, share->dead.items, share->dead.count);
    if (publishes) {
        out->dead_letters = files.items;
        out->n_dead_letters = files.count;
    } else {
        out->dead_letters_pending = files.items;
        out->n_dead_letters_pending = files.count;
    }
    out->has_dead_letters_prev = true;
    out->dead_letters_prev = old ? old->dead_letters_prev : 0;
    if (old && manifest_commits_dead_letters(old)) out->dead_letters_prev = merge->previous->epoch;
}

static enum status epoch_merge_table(struct epoch_merge *merge, uint32_t number, struct error *err)
{
    enum status status = STATUS_OK;
    const struct epoch_table *table = &merge->epoch->tables[number];
    const Foreset__Table *plan = merge->context->plan->tables[number];
    Foreset__TableEpoch *out = arena_alloc(merge->arena, sizeof *out);
    const Foreset__TableEpoch *old = NULL;
    struct epoch_merge_share share = {0};
    foreset__table_epoch__init(out);
    out->table = number;
    for (size_t i = 0; merge->previous && i < merge->previous->n_tables; i++) {
        if (merge->previous->tables[i]->table == number) old = merge->previous->tables[i];
    }
    epoch_merge_clock(merge, table, out);
    out->has_rows_in = out->has_rows_out = out->has_rows_late = out->has_rows_dead = out->has_bytes_out = true;
    out->has_rows_malformed = out->has_rows_violated = true;
    out->has_rows_filtered = out->has_rows_duplicate = out->has_rows_grouped = out->has_rows_expanded = true;
    out->has_rows_unaccounted = out->has_offsets_empty = true;
    TRY(epoch_merge_shares(merge, number, out, &share, err));
    epoch_merge_accounted(merge, out);
    if (plan->mode == FORESET__TABLE__MODE__COMPLETE) {
        epoch_merge_complete_table(out, old, &share, table->whole);
    } else if (plan->mode == FORESET__TABLE__MODE__UPDATE && plan->stateful) {
        TRY(epoch_merge_update_table(merge, out, old, &share, err));
    } else {
        epoch_merge_append_table(merge, out, old, &share, table->publishes || !table->open);
    }
    epoch_merge_dead(merge, out, old, &share, table->publishes || !table->open);
    out->has_prev = out->has_commit_epoch = true;
    out->prev = old ? old->commit_epoch : 0;
    out->commit_epoch = manifest_commits(out) ? merge->epoch->number : out->prev;
    merge->manifest->tables[merge->manifest->n_tables++] = out;
out:
    return status;
}

// ---- State snapshot parts ----

// Shards of an operator that bases cover, as far as the parts have been looked at, newest first.
struct epoch_merge_cover {
    const char *operator_name;
    uint8_t *set; // bit s of byte s / 8
};

static bool epoch_merge_part_has(const Foreset__SnapshotPart *part, uint32_t shard)
{
    if (shard < part->shard_first || shard > part->shard_last) return false;
    return !part->has_shards || (shard / 8 < part->shards.len && (part->shards.data[shard / 8] >> (shard % 8) & 1));
}

static struct epoch_merge_cover *epoch_merge_cover_of(struct epoch_merge *merge, struct epoch_merge_cover *covers,
                                                      size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(covers[i].operator_name, name) == 0) return &covers[i];
    }
    struct epoch_merge_cover *cover = &covers[(*count)++];
    cover->operator_name = name;
    cover->set = arena_calloc(merge->arena, merge->manifest->shards / 8 + (size_t)1, 1);
    return cover;
}

// Whether newer bases cover every shard of the part; a base then adds its own.
static bool epoch_merge_dead_part(const struct epoch_merge *merge, struct epoch_merge_cover *cover,
                                  const Foreset__SnapshotPart *part)
{
    bool dead = part->shard_last < merge->manifest->shards || part->shard_first > part->shard_last;
    for (uint32_t shard = 0; shard < merge->manifest->shards; shard++) {
        if (!epoch_merge_part_has(part, shard)) continue;
        unsigned bit = 1u << (shard % 8);
        dead = dead && (cover->set[shard / 8] & bit);
        if (part->is_base) cover->set[shard / 8] = (uint8_t)(cover->set[shard / 8] | bit);
    }
    return dead;
}

// All parts, oldest first, but those whose every shard a newer base of the same operator covers, by whichever lanes.
static void epoch_merge_parts(struct epoch_merge *merge)
{
    size_t old = merge->previous ? merge->previous->n_parts : 0, count = old, cover_count = 0, left = 0;
    for (size_t i = 0; i < merge->epoch->worker_count; i++)
        count += merge->epoch->reports[i].prepared->prepared->n_parts;
    Foreset__SnapshotPart **parts = arena_calloc(merge->arena, count + 1, sizeof *parts);
    struct epoch_merge_cover *covers = arena_calloc(merge->arena, count + 1, sizeof *covers);
    if (old) memcpy(parts, merge->previous->parts, old * sizeof *parts);
    for (size_t i = 0, at = old; i < merge->epoch->worker_count; i++) {
        const Foreset__Prepared *prepared = merge->epoch->reports[i].prepared->prepared;
        for (size_t k = 0; k < prepared->n_parts; k++) parts[at++] = prepared->parts[k];
    }
    for (size_t i = count; i > 0; i--) {
        struct epoch_merge_cover *cover = epoch_merge_cover_of(merge, covers, &cover_count, parts[i - 1]->operator_);
        if (epoch_merge_dead_part(merge, cover, parts[i - 1]) && i <= old) parts[i - 1] = NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (parts[i]) parts[left++] = parts[i];
    }
    merge->manifest->parts = parts;
    merge->manifest->n_parts = left;
}

static void epoch_merge_head(struct epoch_merge *merge, const struct manifest *previous)
{
    Foreset__Manifest *manifest = merge->manifest;
    const Foreset__Plan *plan = merge->context->plan;
    manifest->pipeline_id = (char *)merge->context->pipeline_id;
    manifest->pipeline = (char *)merge->context->pipeline;
    manifest->epoch = merge->epoch->number;
    manifest->generation = merge->context->generation;
    manifest->plan_version = plan->version;
    manifest->plan_hash = (char *)merge->context->plan_hash;
    manifest->shards = plan->shards;
    manifest->hash_seed = hash_64(merge->context->pipeline_id, 36, 0);
    manifest->routing_version = merge->epoch->routing_version;
    manifest->timestamp_us = merge->epoch->timestamp_us;
    manifest->has_no_data = merge->epoch->no_data;
    manifest->no_data = merge->epoch->no_data;
    manifest->has_rows_in = true;
    manifest->rows_in = merge->epoch->cut.rows;
    for (size_t i = 0; i < merge->epoch->worker_count; i++)
        manifest->rows_in += merge->epoch->reports[i].prepared->prepared->rows_read;
    if (previous) {
        manifest->previous = (char *)previous->record.name;
        manifest->has_previous_hash = true;
        manifest->previous_hash = previous->record.hash;
    }
}

enum status epoch_merge(struct epoch *epoch, const struct commit_context *context, const struct manifest *previous,
                        struct manifest **ret_manifest, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Manifest manifest = FORESET__MANIFEST__INIT;
    struct epoch_merge merge = {.epoch = epoch,
                                .context = context,
                                .previous = previous ? previous->body : NULL,
                                .arena = &epoch->arena,
                                .manifest = &manifest};
    ASSERT(epoch->number == (previous ? previous->body->epoch : 0) + 1);
    epoch_merge_head(&merge, previous);
    TRY(epoch_merge_ranges(&merge, err));
    manifest.tables = arena_calloc(&epoch->arena, epoch->table_count + 1, sizeof *manifest.tables);
    for (uint32_t i = 0; i < epoch->table_count; i++) TRY(epoch_merge_table(&merge, i, err));
    epoch_merge_parts(&merge);
    TRY(manifest_create(&manifest, previous, context->seam->random, ret_manifest, err));
out:
    return status;
}
