// Positions. The happy path: the offers of the sources come in, an epoch's share is cut, the position moves on.
//
// What can fail (all FAIL_PIPELINE, P7):
// - a partition's end lies below the position: truncated, or the topic was created again;
// - its first offset lies above the position: rows are gone;
// - a partition that was read is not there any more.
// With failOnDataLoss => false that is noted instead: reading goes on behind the gap, at the new topic's first offset,
// without the partition.
#include "coordinator/epoch/epoch_position.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/hash.h"
#include "common/base/planted.h"
#include "common/base/text.h"
#include "common/plan/plan_source.h"

enum {
    EPOCH_POSITION_FILES_MAX = 10000,
    EPOCH_POSITION_FILL_BYTES = 4 << 20,   // of lines: they go into messages and the manifest
    EPOCH_POSITION_NAMES_BYTES = 16 << 20, // of names, whatever maxFilesPerTrigger says: the same
};

static const char *epoch_position_option(const Foreset__Source *source, const char *key)
{
    for (size_t i = 0; i < source->n_options; i++) {
        if (strcmp(source->options[i]->key, key) == 0) return source->options[i]->value;
    }
    return NULL;
}

static enum status epoch_position_limit(const Foreset__Source *source, const char *key, uint64_t *ret_limit,
                                        struct error *err)
{
    const char *text = epoch_position_option(source, key);
    if (!text) return STATUS_OK;
    if (!text_parse_u64(text, ret_limit) || *ret_limit == 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "source %s: %s => '%s' is not a number above 0",
                         source->name, key, text);
    }
    return STATUS_OK;
}

static void epoch_position_load(struct epoch_position *position, const Foreset__Manifest *from)
{
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; j < from->n_ranges; j++) {
            const Foreset__Range *range = from->ranges[j];
            if (range->source != source->node || !range->has_to) continue;
            struct epoch_position_partition partition = {.topic = memory_strdup(range->topic ? range->topic : ""),
                                                         .partition = range->partition,
                                                         .next = range->to + (FORESET_BUG("offset-off-by-one") ? 1 : 0),
                                                         .end = range->to,
                                                         .gap_from = -1};
            if (range->last) {
                partition.has_evidence = true;
                partition.evidence = *range->last;
            }
            if (range->topic_id)
                snprintf(partition.topic_id, sizeof partition.topic_id, "%s", range->topic_id);
            vector_push(&source->partitions, partition);
        }
        for (size_t j = 0; j < from->n_files; j++) {
            const Foreset__FilesPosition *files = from->files[j];
            if (files->source != source->node) continue;
            source->horizon_us = files->horizon_us;
            for (size_t k = 0; k < files->n_seen && k < files->n_seen_times_us; k++) {
                struct epoch_position_seen seen = {files->seen[k], files->seen_times_us[k]};
                vector_push(&source->seen, seen);
                if (seen.time_us > source->newest_us) source->newest_us = seen.time_us;
            }
        }
    }
}

// An epoch of a fill is no bigger than the epochs that wrote it might be.
static void epoch_position_limit_fills(struct epoch_position *position, const Foreset__Plan *plan)
{
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *fill = &position->sources[i];
        const Foreset__Table *read = NULL;
        if (fill->plan->kind == FORESET__SOURCE__KIND__TABLE)
            read = plan_source_table(plan, NULL, fill->plan->path, NULL);
        for (size_t j = 0; read && j < position->count; j++) {
            const struct epoch_position_source *source = &position->sources[j];
            bool feeds = false;
            for (size_t k = 0; k < read->n_sources; k++) feeds |= read->sources[k] == source->node;
            if (feeds && source->rows_max > 0 && (fill->rows_max == 0 || source->rows_max < fill->rows_max))
                fill->rows_max = source->rows_max;
            if (feeds && source->files_max > 0 && (fill->files_max == 0 || source->files_max < fill->files_max))
                fill->files_max = source->files_max;
        }
    }
}

enum status epoch_position_init(struct epoch_position *position, const Foreset__Plan *plan,
                                const Foreset__Manifest *from, struct error *err)
{
    enum status status = STATUS_OK;
    *position = (struct epoch_position){.sources = memory_calloc(plan->n_nodes + 1, sizeof *position->sources)};
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        if (plan->nodes[i]->kind != FORESET__NODE__KIND__SOURCE) continue;
        struct epoch_position_source *source = &position->sources[position->count++];
        source->node = i;
        source->plan = plan->nodes[i]->source;
        source->horizon_us = INT64_MIN;
        source->newest_us = INT64_MIN;
        const char *fail = epoch_position_option(source->plan, "failOnDataLoss");
        source->fail_on_data_loss = !fail || strcasecmp(fail, "false") != 0;
        TRY(epoch_position_limit(source->plan, "maxOffsetsPerTrigger", &source->rows_max, err));
        TRY(epoch_position_limit(source->plan, "maxFilesPerTrigger", &source->files_max, err));
    }
    epoch_position_limit_fills(position, plan);
    if (from) epoch_position_load(position, from);
out:
    return status;
}

void epoch_position_fill(struct epoch_position *position, uint32_t node, const Foreset__Fill *fill,
                         const Foreset__Manifest *from)
{
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        if (source->node != node) continue;
        source->fill = fill;
        for (size_t j = 0; j < from->n_files; j++) {
            if (from->files[j]->source == node) source->fill_next = source->fill_end = from->files[j]->next;
        }
    }
}

void epoch_position_unfill(struct epoch_position *position)
{
    for (size_t i = 0; i < position->count; i++) position->sources[i].fill = NULL;
}

static uint64_t epoch_position_fill_left(const struct epoch_position_source *source)
{
    return source->fill ? source->fill->n_adds - source->fill_next : 0;
}

static void epoch_position_drop_waiting(struct epoch_position_source *source)
{
    for (size_t i = 0; i < source->waiting.count; i++) memory_free(source->waiting.items[i].name);
    vector_reset(&source->waiting);
}

void epoch_position_deinit(struct epoch_position *position)
{
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; j < source->partitions.count; j++) memory_free(source->partitions.items[j].topic);
        vector_deinit(&source->partitions);
        vector_deinit(&source->seen);
        epoch_position_drop_waiting(source);
        vector_deinit(&source->waiting);
        text_deinit(&source->note);
    }
    memory_free(position->sources);
    *position = (struct epoch_position){0};
}

// ---- Offers ----

void epoch_position_replaced(struct epoch_position *position, uint32_t node, const char *topic, int32_t partition,
                             const Foreset__Evidence *evidence)
{
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; source->node == node && j < source->partitions.count; j++) {
            struct epoch_position_partition *at = &source->partitions.items[j];
            bool same = at->has_evidence && at->evidence.offset == evidence->offset &&
                        at->evidence.hash == evidence->hash && at->evidence.timestamp_ms == evidence->timestamp_ms;
            if (same && at->partition == partition && strcmp(at->topic, topic) == 0) at->replaced = true;
        }
    }
}

static void epoch_position_jump(struct epoch_position_source *source, struct epoch_position_partition *partition,
                                const struct catalog_partition *offer)
{
    if (partition->gap_from < 0) partition->gap_from = partition->next;
    partition->next = offer->low;
    partition->end = offer->end;
    partition->has_evidence = partition->replaced = false;
    text_printf(&source->note, "; reading goes on at offset %" PRId64 "\n", offer->low);
}

// Of a topic that was created again, however many records it has by now.
static bool epoch_position_is_other(const struct epoch_position_partition *partition,
                                    const struct catalog_partition *offer)
{
    bool known = *partition->topic_id && *offer->topic_id;
    return known && strcmp(partition->topic_id, offer->topic_id) != 0;
}

static enum status epoch_position_end(struct epoch_position_source *source, struct epoch_position_partition *partition,
                                      const struct catalog_partition *offer, struct error *err)
{
    partition->met = true;
    bool other = epoch_position_is_other(partition, offer);
    if (other && source->fail_on_data_loss) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "topic %s was deleted and created again: partition %d was read up to offset %" PRId64
                         " of the topic with id %s, and this one has id %s. Start again with --full-refresh, or set "
                         "failOnDataLoss => false to go on with it",
                         offer->topic, offer->partition, partition->next, partition->topic_id, offer->topic_id);
    }
    if (*offer->topic_id) memcpy(partition->topic_id, offer->topic_id, sizeof partition->topic_id);
    if (offer->end < partition->next || partition->replaced || other) {
        if (source->fail_on_data_loss) {
            return error_set(
                err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                "topic %s, partition %d ends at offset %" PRId64 ", but %" PRId64
                " was read before: it was truncated or created again. Start again with --full-refresh, put the topic "
                "back, or set failOnDataLoss => false to go on with it",
                offer->topic, offer->partition, offer->end, partition->next);
        }
        text_printf(&source->note,
                    "source %s: topic %s, partition %d was truncated or created again: it holds offsets %" PRId64
                    " to %" PRId64 ", and was read up to %" PRId64,
                    source->plan->name, offer->topic, offer->partition, offer->low, offer->end - 1,
                    partition->next - 1);
        epoch_position_jump(source, partition, offer);
        source->resets++;
        return STATUS_OK;
    }
    if (offer->low > partition->next) {
        if (source->fail_on_data_loss) {
            return error_set(
                err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                "topic %s, partition %d begins at offset %" PRId64 ", but reading was to go on at %" PRId64
                ": rows were deleted before they were read. Set failOnDataLoss => false to go on without them",
                offer->topic, offer->partition, offer->low, partition->next);
        }
        text_printf(&source->note,
                    "source %s: topic %s, partition %d: offsets %" PRId64 " to %" PRId64
                    " were deleted before they were read",
                    source->plan->name, offer->topic, offer->partition, partition->next, offer->low - 1);
        epoch_position_jump(source, partition, offer);
    }
    // Deleted after it was read: nothing is lost, and nothing is left to compare.
    if (partition->has_evidence && partition->evidence.offset < offer->low) partition->has_evidence = false;
    partition->end = offer->end;
    return STATUS_OK;
}

// Partitions that were read and are not offered any more.
static enum status epoch_position_missing(struct epoch_position_source *source, struct error *err)
{
    for (size_t i = 0; i < source->partitions.count; i++) {
        struct epoch_position_partition *partition = &source->partitions.items[i];
        if (partition->met) continue;
        if (source->fail_on_data_loss) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                             "source %s: topic %s, partition %d was read before and is not there any more; was the "
                             "topic deleted, or created again with fewer partitions? Start again with --full-refresh, "
                             "or set failOnDataLoss => false to go on without it",
                             source->plan->name, partition->topic, partition->partition);
        }
        if (partition->end <= partition->next) continue;
        text_printf(&source->note,
                    "source %s: topic %s, partition %d is not there any more: offsets %" PRId64 " to %" PRId64
                    " were deleted before they were read\n",
                    source->plan->name, partition->topic, partition->partition, partition->next, partition->end - 1);
        partition->end = partition->next;
        source->resets++;
    }
    return STATUS_OK;
}

static struct epoch_position_partition *epoch_position_find(struct epoch_position_source *source, const char *topic,
                                                            int32_t number)
{
    for (size_t i = 0; i < source->partitions.count; i++) {
        struct epoch_position_partition *partition = &source->partitions.items[i];
        if (partition->partition == number && strcmp(partition->topic, topic) == 0) return partition;
    }
    return NULL;
}

static int epoch_position_seen_compare(const void *a, const void *b)
{
    const struct epoch_position_seen *left = a, *right = b;
    return left->hash < right->hash ? -1 : left->hash > right->hash;
}

static bool epoch_position_was_seen(const struct epoch_position_source *source, uint64_t hash)
{
    struct epoch_position_seen key = {.hash = hash};
    return source->seen.count > 0 &&
           bsearch(&key, source->seen.items, source->seen.count, sizeof key, epoch_position_seen_compare);
}

static uint64_t epoch_position_name_hash(const char *name)
{
    return hash_64(name, strlen(name), 0);
}

static void epoch_position_files(struct epoch_position_source *source, const struct catalog_offer *offer)
{
    epoch_position_drop_waiting(source);
    if (source->seen.count > 1) {
        qsort(source->seen.items, source->seen.count, sizeof *source->seen.items, epoch_position_seen_compare);
    }
    source->below = 0;
    for (size_t i = 0; i < offer->files.count; i++) {
        const struct catalog_file *file = &offer->files.items[i];
        if (file->time_us < source->horizon_us) {
            source->below++;
            continue;
        }
        if (epoch_position_was_seen(source, epoch_position_name_hash(file->name))) continue;
        struct catalog_file waiting = {memory_strdup(file->name), file->time_us};
        vector_push(&source->waiting, waiting);
    }
}

enum status epoch_position_offer(struct epoch_position_source *source, const struct catalog_offer *offer,
                                 struct error *err)
{
    for (size_t i = 0; i < source->partitions.count; i++) source->partitions.items[i].met = false;
    for (size_t i = 0; i < offer->partitions.count; i++) {
        const struct catalog_partition *partition = &offer->partitions.items[i];
        struct epoch_position_partition *at = epoch_position_find(source, partition->topic, partition->partition);
        if (at) {
            enum status status = epoch_position_end(source, at, partition, err);
            if (status != STATUS_OK) return error_prefix(err, "source %s", source->plan->name);
            continue;
        }
        struct epoch_position_partition fresh = {.topic = memory_strdup(partition->topic),
                                                 .partition = partition->partition,
                                                 .next = partition->start,
                                                 .end = partition->end,
                                                 .gap_from = -1,
                                                 .met = true};
        memcpy(fresh.topic_id, partition->topic_id, sizeof fresh.topic_id);
        if (fresh.end < fresh.next) fresh.end = fresh.next;
        vector_push(&source->partitions, fresh);
    }
    enum status status = epoch_position_missing(source, err);
    if (status != STATUS_OK) return status;
    if (source->plan->kind == FORESET__SOURCE__KIND__FILES) epoch_position_files(source, offer);
    return STATUS_OK;
}

void epoch_position_end_at(struct epoch_position_source *source, const struct epoch_position_end *ends, size_t count)
{
    for (size_t i = 0; i < source->partitions.count; i++) {
        struct epoch_position_partition *partition = &source->partitions.items[i];
        int64_t end = partition->next; // it came after the ends were fixed
        for (size_t j = 0; j < count; j++) {
            if (ends[j].partition == partition->partition && strcmp(ends[j].topic, partition->topic) == 0)
                end = ends[j].end;
        }
        if (end < partition->next) end = partition->next;
        if (partition->end > end) partition->end = end;
    }
}

bool epoch_position_has_input(const struct epoch_position *position)
{
    return epoch_position_lag(position) > 0;
}

uint64_t epoch_position_lag(const struct epoch_position *position)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < position->count; i++) {
        const struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; j < source->partitions.count; j++) {
            lag += (uint64_t)(source->partitions.items[j].end - source->partitions.items[j].next);
        }
        lag += source->waiting.count + epoch_position_fill_left(source);
    }
    return lag;
}

bool epoch_position_anchors(const struct epoch_position *position)
{
    for (size_t i = 0; i < position->count; i++) {
        const Foreset__Source *plan = position->sources[i].plan;
        if (plan->kind != FORESET__SOURCE__KIND__KAFKA) continue;
        const char *start = epoch_position_option(plan, "startingOffsets");
        if (!start || strcmp(start, "earliest") != 0) return true; // Spark's default is latest
    }
    return false;
}

// ---- Cutting ----

static void epoch_position_range(struct epoch_position_source *source, struct epoch_position_partition *partition,
                                 uint64_t rows, struct arena *arena, struct epoch_position_cut *cut)
{
    Foreset__Range *range = arena_alloc(arena, sizeof *range);
    foreset__range__init(range);
    range->source = source->node;
    range->topic = arena_strdup(arena, partition->topic);
    if (*partition->topic_id) range->topic_id = arena_strdup(arena, partition->topic_id);
    range->has_partition = range->has_from = range->has_to = true;
    range->partition = partition->partition;
    range->from = partition->next;
    range->to = partition->next + (int64_t)rows;
    if (rows > 0) {
        if (partition->has_evidence) {
            range->last = arena_alloc(arena, sizeof *range->last);
            *range->last = partition->evidence;
            partition->has_evidence = false;
        }
        partition->next = range->to;
        cut->rows += rows;
    }
    if (partition->gap_from >= 0) {
        range->has_gap_from = true;
        range->gap_from = partition->gap_from;
        partition->gap_from = -1;
    }
    cut->ranges[cut->count++] = range;
}

// Spark's sharing: each partition its part of the limit by lag, rounded down, but one row at least.
static uint64_t epoch_position_share(uint64_t limit, uint64_t lag, uint64_t total)
{
    if (total <= limit) return lag;
    uint64_t share = (uint64_t)((unsigned __int128)limit * lag / total);
    return share == 0 && lag > 0 ? 1 : share;
}

// A range of so many files, counted in the cut; the caller names them.
static Foreset__Range *epoch_position_files_range(const struct epoch_position_source *source, size_t count,
                                                  struct arena *arena, struct epoch_position_cut *cut)
{
    Foreset__Range *range = arena_alloc(arena, sizeof *range);
    foreset__range__init(range);
    range->source = source->node;
    range->n_files = range->n_file_times_us = count;
    range->files = arena_calloc(arena, count, sizeof *range->files);
    range->file_times_us = arena_calloc(arena, count, sizeof *range->file_times_us);
    cut->files += count;
    cut->ranges[cut->count++] = range;
    return range;
}

static const Foreset__Range *epoch_position_bound_of(const struct epoch_position_bound *bound,
                                                     const struct epoch_position_source *source,
                                                     const struct epoch_position_partition *partition)
{
    for (size_t i = 0; i < bound->count; i++) {
        const Foreset__Range *range = bound->ranges[i];
        if (range->source != source->node || range->has_to != (partition != NULL)) continue;
        if (!partition) return range;
        if (range->partition == partition->partition && strcmp(range->topic, partition->topic) == 0) return range;
    }
    return NULL;
}

static void epoch_position_cut_files(struct epoch_position_source *source, const struct epoch_position_bound *bound,
                                     struct arena *arena, struct epoch_position_cut *cut)
{
    uint64_t max = source->files_max ? source->files_max : EPOCH_POSITION_FILES_MAX;
    if (bound) {
        const Foreset__Range *range = epoch_position_bound_of(bound, source, NULL);
        max = range ? range->n_files : 0;
    }
    size_t count = 0, bytes = 0;
    while (count < source->waiting.count && count < max && bytes < EPOCH_POSITION_NAMES_BYTES)
        bytes += strlen(source->waiting.items[count++].name);
    if (count == 0) return;
    Foreset__Range *range = epoch_position_files_range(source, count, arena, cut);
    for (size_t i = 0; i < count; i++) {
        struct catalog_file *file = &source->waiting.items[i];
        range->files[i] = arena_strdup(arena, file->name);
        range->file_times_us[i] = file->time_us;
        struct epoch_position_seen seen = {epoch_position_name_hash(file->name), file->time_us};
        vector_push(&source->seen, seen);
        if (file->time_us > source->newest_us) source->newest_us = file->time_us;
        memory_free(file->name);
    }
    source->waiting.count -= count;
    memmove(source->waiting.items, source->waiting.items + count,
            source->waiting.count * sizeof *source->waiting.items);
}

static uint64_t epoch_position_source_lag(const struct epoch_position_source *source)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < source->partitions.count; i++) {
        lag += (uint64_t)(source->partitions.items[i].end - source->partitions.items[i].next);
    }
    return lag;
}

static void epoch_position_begin(struct epoch_position *position, struct arena *arena, struct epoch_position_cut *cut)
{
    size_t max = 0;
    for (size_t i = 0; i < position->count; i++) max += position->sources[i].partitions.count + 1;
    *cut = (struct epoch_position_cut){.ranges = arena_calloc(arena, max + 1, sizeof *cut->ranges)};
}

struct epoch_position_room { // what an epoch of a fill may still take
    uint64_t rows, files, bytes;
};

static void epoch_position_use(uint64_t *left, uint64_t used)
{
    *left -= used < *left ? used : *left;
}

// The next file, and those that belong to it.
static void epoch_position_fill_more(struct epoch_position_source *source, struct epoch_position_room *room)
{
    const Foreset__Fill *fill = source->fill;
    do {
        epoch_position_use(&room->rows, fill->rows[source->fill_end]);
        epoch_position_use(&room->bytes, strlen(fill->adds[source->fill_end]));
        epoch_position_use(&room->files, 1);
        source->fill_end++;
    } while (source->fill_end < fill->n_adds && fill->joined[source->fill_end]);
}

// The earliest epoch that some fill has files of beyond those that are taken; UINT64_MAX: none.
static uint64_t epoch_position_fill_epoch(const struct epoch_position *position)
{
    uint64_t least = UINT64_MAX;
    for (size_t i = 0; i < position->count; i++) {
        const struct epoch_position_source *source = &position->sources[i];
        bool more = source->fill && source->fill_end < source->fill->n_adds;
        if (more && source->fill->epochs[source->fill_end] < least) least = source->fill->epochs[source->fill_end];
    }
    return least;
}

static void epoch_position_cut_fill(struct epoch_position_source *source, struct arena *arena,
                                    struct epoch_position_cut *cut)
{
    size_t count = source->fill_end - source->fill_next;
    if (count == 0) return;
    Foreset__Range *range = epoch_position_files_range(source, count, arena, cut);
    for (size_t i = 0; i < count; i++) {
        range->files[i] = arena_strdup(arena, source->fill->adds[source->fill_next + i]);
        cut->fill_rows += source->fill->rows[source->fill_next + i];
    }
    source->fill_next = source->fill_end;
}

bool epoch_position_is_filling(const struct epoch_position *position)
{
    for (size_t i = 0; i < position->count; i++) {
        if (epoch_position_fill_left(&position->sources[i]) > 0) return true;
    }
    return false;
}

static void epoch_position_limit_to(uint64_t *limit, uint64_t other)
{
    if (other > 0 && other < *limit) *limit = other;
}

// Rows come as they came to the tables that were there: in the order of the epochs that wrote them, for all fills at
// once, and what one epoch wrote in one, so that a watermark finds nothing late that was not late to those.
static void epoch_position_take_fill(struct epoch_position *position, uint64_t rows_max, struct arena *arena,
                                     struct epoch_position_cut *ret_cut)
{
    struct epoch_position_room room = {rows_max, EPOCH_POSITION_FILES_MAX, EPOCH_POSITION_FILL_BYTES};
    for (size_t i = 0; i < position->count; i++) {
        const struct epoch_position_source *source = &position->sources[i];
        if (epoch_position_fill_left(source) == 0) continue;
        epoch_position_limit_to(&room.rows, source->rows_max);
        epoch_position_limit_to(&room.files, source->files_max);
    }
    epoch_position_take_nothing(position, arena, ret_cut);
    uint64_t epoch;
    while (room.rows > 0 && room.files > 0 && room.bytes > 0 &&
           (epoch = epoch_position_fill_epoch(position)) < UINT64_MAX) {
        for (size_t i = 0; i < position->count; i++) {
            struct epoch_position_source *source = &position->sources[i];
            bool more = source->fill && source->fill_end < source->fill->n_adds;
            if (more && source->fill->epochs[source->fill_end] == epoch) epoch_position_fill_more(source, &room);
        }
    }
    for (size_t i = 0; i < position->count; i++) epoch_position_cut_fill(&position->sources[i], arena, ret_cut);
    ret_cut->exhausted = !epoch_position_has_input(position);
    ret_cut->limited = !ret_cut->exhausted;
}

// As an attempt before had cut it, as far as it is there.
static void epoch_position_take_bound(struct epoch_position *position, struct arena *arena,
                                      struct epoch_position_cut *ret_cut)
{
    struct epoch_position_cut cut;
    epoch_position_begin(position, arena, &cut);
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; j < source->partitions.count; j++) {
            struct epoch_position_partition *partition = &source->partitions.items[j];
            const Foreset__Range *range = epoch_position_bound_of(position->bound, source, partition);
            int64_t to = range && range->to < partition->end ? range->to : range ? partition->end : partition->next;
            uint64_t rows = to > partition->next ? (uint64_t)(to - partition->next) : 0;
            epoch_position_range(source, partition, rows, arena, &cut);
        }
        epoch_position_cut_files(source, position->bound, arena, &cut);
    }
    cut.exhausted = !epoch_position_has_input(position);
    cut.limited = !cut.exhausted;
    *ret_cut = cut;
}

void epoch_position_take(struct epoch_position *position, uint64_t rows_max, struct arena *arena,
                         struct epoch_position_cut *ret_cut)
{
    struct epoch_position_cut cut;
    if (epoch_position_is_filling(position) && !FORESET_BUG("fill-not-awaited")) {
        epoch_position_take_fill(position, rows_max, arena, ret_cut);
        return;
    }
    if (position->bound) {
        epoch_position_take_bound(position, arena, ret_cut);
        return;
    }
    epoch_position_begin(position, arena, &cut);
    uint64_t total = 0;
    for (size_t i = 0; i < position->count; i++) {
        if (position->sources[i].rows_max == 0) total += epoch_position_source_lag(&position->sources[i]);
    }
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        uint64_t limit = source->rows_max ? source->rows_max : rows_max;
        uint64_t lag_all = source->rows_max ? epoch_position_source_lag(source) : total;
        for (size_t j = 0; j < source->partitions.count; j++) {
            struct epoch_position_partition *partition = &source->partitions.items[j];
            uint64_t lag = (uint64_t)(partition->end - partition->next);
            epoch_position_range(source, partition, epoch_position_share(limit, lag, lag_all), arena, &cut);
        }
        epoch_position_cut_files(source, NULL, arena, &cut);
    }
    cut.exhausted = !epoch_position_has_input(position);
    cut.limited = !cut.exhausted;
    *ret_cut = cut;
}

void epoch_position_take_nothing(struct epoch_position *position, struct arena *arena,
                                 struct epoch_position_cut *ret_cut)
{
    struct epoch_position_cut cut;
    epoch_position_begin(position, arena, &cut);
    for (size_t i = 0; i < position->count; i++) {
        struct epoch_position_source *source = &position->sources[i];
        for (size_t j = 0; j < source->partitions.count; j++) {
            epoch_position_range(source, &source->partitions.items[j], 0, arena, &cut);
        }
    }
    cut.exhausted = true;
    *ret_cut = cut;
}
