// Replay (P26). The happy path, over several attempts of the pipeline:
//   1. recovery finds files that are decided, not published and gone (replay_find); nothing has been put yet;
//   2. the manifest of the epoch before, without state, is stored for the workers, and the epochs are planned again
//      with the ranges, the time and the publications that their manifests say (pipeline_replay.c);
//   3. what the workers report is compared with what was decided: last records, rows read and written (replay_take);
//   4. manifests are stored that name the new files in place of the old ones, for each epoch that is not published and
//      for the last one, which carries what waits to be published; one transaction makes them the decided ones;
//   5. the attempt starts over: recovery looks again, and puts.
// A crash before the transaction: the old manifests hold, the new files and manifests are orphans that cleaning finds;
// the next run with --replay begins again, one without it is BLOCKED again. Behind it: recovery goes on at 5.
//
// A table of the epoch that has been put already names the old manifest in its log: the new one says which ones it
// replaces, and which tables got other files, for these must not name the old one (table_put.c).
// What can fail:
// - the rows depend on more than the ranges (state, rand, a fill), the plan was changed since, a manifest is gone, the
//   sources do not have the ranges any more, or give other rows: BLOCKED, nothing was changed;
// - a store does not answer: RETRY; another process leads: FENCED.
#include "coordinator/commit/replay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/planted.h"

// ---- What a table is made of ----

static void replay_mark(const Foreset__Plan *plan, uint32_t table, bool *nodes)
{
    for (size_t i = plan->n_nodes; i > 0; i--) {
        const Foreset__Node *node = plan->nodes[i - 1];
        if (node->kind == FORESET__NODE__KIND__TABLE && node->table == table) nodes[i - 1] = true;
        for (size_t k = 0; nodes[i - 1] && k < node->n_inputs; k++) nodes[node->inputs[k]] = true;
    }
}

static const char *replay_state_of(const Foreset__Node *node)
{
    switch (node->kind) {
    case FORESET__NODE__KIND__DEDUP: return "DROP DUPLICATES";
    case FORESET__NODE__KIND__AGGREGATE_PARTIAL:
    case FORESET__NODE__KIND__AGGREGATE_FINAL: return "an aggregate";
    case FORESET__NODE__KIND__LIMIT: return "LIMIT";
    case FORESET__NODE__KIND__SORT: return "ORDER BY";
    default: return NULL;
    }
}

// The first function of the node's expressions that gives something else each time; NULL: no such function.
static const char *replay_random_of(const Foreset__Plan *plan, const Foreset__Node *node, bool *marks)
{
    static const char *const names[] = {"rand", "randn", "uuid"};
    memset(marks, 0, plan->n_exprs * sizeof *marks);
    for (size_t i = 0; i < node->n_exprs; i++) marks[node->exprs[i]] = true;
    for (size_t i = plan->n_exprs; i > 0; i--) {
        const Foreset__Expr *expr = plan->exprs[i - 1];
        if (!marks[i - 1]) continue;
        for (size_t k = 0; k < expr->n_args; k++) marks[expr->args[k]] = true;
        for (size_t k = 0; expr->function && k < sizeof names / sizeof *names; k++) {
            if (strcmp(expr->function, names[k]) == 0) return names[k];
        }
    }
    return NULL;
}

bool replay_obstacle(const Foreset__Plan *plan, uint32_t table, char *ret_why, size_t size)
{
    bool *nodes = memory_calloc(plan->n_nodes + 1, sizeof *nodes);
    bool *marks = memory_calloc(plan->n_exprs + 1, sizeof *marks);
    ret_why[0] = '\0';
    if (plan->tables[table]->mode != FORESET__TABLE__MODE__APPEND)
        snprintf(ret_why, size, "only tables in append mode can be replayed");
    replay_mark(plan, table, nodes);
    for (size_t i = 0; i < plan->n_nodes && !ret_why[0]; i++) {
        if (!nodes[i]) continue;
        const char *state = replay_state_of(plan->nodes[i]);
        const char *function = state ? NULL : replay_random_of(plan, plan->nodes[i], marks);
        if (state)
            snprintf(ret_why, size, "its rows depend on the state of %s, not on the epoch's records alone", state);
        if (function) snprintf(ret_why, size, "%s() gives other values each time", function);
    }
    memory_free(nodes);
    memory_free(marks);
    return ret_why[0] != '\0';
}

// ---- What is lost ----

struct replay_search {
    const struct replay_find *find;
    struct replay *replay;
};

static void replay_lost_add(struct replay *replay, size_t log, uint64_t epoch)
{
    size_t at = 0;
    for (size_t i = 0; i < replay->lost.count; i++) {
        const struct replay_lost *lost = &replay->lost.items[i];
        if (lost->log == log && lost->epoch == epoch) return;
        if (lost->epoch <= epoch) at = i + 1;
    }
    struct replay_lost lost = {log, epoch};
    vector_push(&replay->lost, lost);
    for (size_t i = replay->lost.count - 1; i > at; i--) replay->lost.items[i] = replay->lost.items[i - 1];
    replay->lost.items[at] = lost;
}

static enum status replay_look(struct replay_search *search, size_t number, Foreset__DataFile *const *files,
                               size_t count, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_log *log = &search->find->logs->items[number];
    if (count > 0) TRY(table_log_open_store(log, err));
    for (size_t i = 0; i < count; i++) {
        struct objstore_entry entry = {0};
        status = log->store->ops->stat(log->store, files[i]->path, &entry, err);
        memory_free(entry.key);
        if (status == STATUS_NOT_FOUND) {
            replay_lost_add(search->replay, number, files[i]->epoch);
            status = STATUS_OK;
        }
        if (status != STATUS_OK) goto out;
    }
out:
    return status == STATUS_OK ? status : error_prefix(err, "table %s", log->name);
}

// unpublished: the epoch's own files are awaited too, where the table does not have them yet.
static enum status replay_look_table(struct replay_search *search, size_t number, const struct manifest *manifest,
                                     bool unpublished, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_log *log = &search->find->logs->items[number];
    const Foreset__TableEpoch *table = manifest_table(manifest, log->number);
    const char *wanted = search->find->table;
    bool meant = !wanted || strcmp(wanted, log->name) == 0 || strcmp(wanted, log->plan->name) == 0, exists = false;
    if (!table || log->abandoned || !meant) return STATUS_OK;
    Foreset__DataFile *const *adds = log->dead_letters ? table->dead_letters : table->adds;
    size_t count = log->dead_letters ? table->n_dead_letters : table->n_adds;
    unpublished = unpublished && count > 0;
    if (unpublished) TRY(table_log_refresh(log, &exists, err));
    bool has = exists && table_log_txn(log) >= manifest->body->epoch;
    if (unpublished && !has) TRY(replay_look(search, number, adds, count, err));
    if (manifest->record.epoch < search->find->newest.epoch) goto out; // its pending files are the next one's
    if (log->dead_letters)
        TRY(replay_look(search, number, table->dead_letters_pending, table->n_dead_letters_pending, err));
    if (!log->dead_letters) TRY(replay_look(search, number, table->pending, table->n_pending, err));
out:
    return status;
}

static enum status replay_look_epoch(struct replay_search *search, uint64_t epoch, struct error *err)
{
    enum status status = STATUS_OK;
    const struct replay_find *find = search->find;
    struct meta_record record = find->newest;
    struct manifest *manifest = NULL;
    if (epoch < record.epoch) TRY(meta_store_decided(find->context->meta, epoch, &record, err));
    TRY(manifest_get(find->context->state, &record, find->context->seam, &manifest, err));
    for (size_t i = 0; i < find->logs->count; i++)
        TRY(replay_look_table(search, i, manifest, epoch > find->published, err));
out:
    manifest_unref(manifest);
    return status;
}

// ---- Whether it can be replayed ----

enum status replay_refuse(const struct replay *replay, const struct table_logs *logs, uint64_t epoch, const char *why,
                          struct error *err)
{
    char reason[800], copy[500];
    size_t log = replay->lost.items[0].log;
    for (size_t i = replay->lost.count; i > 0; i--) {
        if (replay->lost.items[i - 1].epoch == epoch) log = replay->lost.items[i - 1].log;
    }
    snprintf(copy, sizeof copy, "%s", why);
    snprintf(reason, sizeof reason,
             "files that epoch %" PRIu64 " wrote are gone, and the epoch cannot be replayed: %s. Nothing was changed. "
             "Bring the files back from a copy",
             epoch, copy);
    return table_log_blocked(&logs->items[log], "", reason, TABLE_LOG_REFRESH, err);
}

static enum status replay_check_tables(struct replay_search *search, struct error *err)
{
    struct replay *replay = search->replay;
    for (size_t i = 0; i < replay->lost.count; i++) {
        char why[200];
        const struct table_log *log = &search->find->logs->items[replay->lost.items[i].log];
        if (!replay_obstacle(search->find->context->plan, log->number, why, sizeof why)) continue;
        return replay_refuse(replay, search->find->logs, replay->lost.items[i].epoch, why, err);
    }
    return STATUS_OK;
}

static enum status replay_check_manifest(struct replay_search *search, const struct manifest *manifest,
                                         struct error *err)
{
    const struct commit_context *context = search->find->context;
    const char *why = NULL;
    if (strcmp(manifest->body->plan_hash, context->plan_hash) != 0)
        why = "the pipeline's text was changed since; run it with the text of then";
    bool reads = manifest->body->epoch >= search->replay->first;
    for (size_t i = 0; reads && !why && i < manifest->body->n_ranges; i++) {
        const Foreset__Range *range = manifest->body->ranges[i];
        bool table = range->source < context->plan->n_nodes && search->replay->nodes[range->source] &&
                     context->plan->nodes[range->source]->source->kind == FORESET__SOURCE__KIND__TABLE;
        if (table && range->n_files > 0) why = "it filled the table from another table";
    }
    if (!why) return STATUS_OK;
    uint64_t epoch = reads ? manifest->body->epoch : search->replay->first;
    return replay_refuse(search->replay, search->find->logs, epoch, why, err);
}

// Follows the chain of manifests back to the epoch before the first.
static enum status replay_read_chain(struct replay_search *search, struct manifest **ret_before, struct error *err)
{
    enum status status = STATUS_OK;
    const struct replay_find *find = search->find;
    struct replay *replay = search->replay;
    struct meta_record record = find->newest;
    struct manifest *manifest = NULL;
    for (;;) {
        status = manifest_get(find->context->state, &record, find->context->seam, &manifest, err);
        if (status == STATUS_CORRUPT) return replay_refuse(replay, find->logs, replay->first, err->message, err);
        if (status != STATUS_OK) return status;
        uint64_t epoch = manifest->body->epoch;
        if (epoch <= replay->last) status = replay_check_manifest(search, manifest, err);
        bool more = status == STATUS_OK && epoch >= replay->first && manifest_previous(manifest, &record);
        if (epoch >= replay->first && epoch <= replay->last) {
            replay->decided[epoch - replay->first] = manifest;
        } else if (epoch + 1 == replay->first) {
            *ret_before = manifest;
        } else {
            manifest_unref(manifest);
        }
        if (!more) return status;
    }
}

// What workers begin with: the clocks and positions of the epoch before. State and open files are of other tables,
// whose rows are thrown away; they are loaded for nothing, and may be gone.
static enum status replay_store_from(struct replay_search *search, const struct manifest *before, struct error *err)
{
    enum status status = STATUS_OK;
    const struct commit_context *context = search->find->context;
    Foreset__Manifest body = *before->body;
    struct arena arena;
    arena_init(&arena, 0);
    body.generation = context->generation;
    body.n_parts = 0;
    body.n_replaced = body.n_replaced_hashes = 0;
    body.tables = arena_calloc(&arena, body.n_tables + 1, sizeof *body.tables);
    for (size_t i = 0; i < body.n_tables; i++) {
        Foreset__TableEpoch *table = body.tables[i] = arena_alloc(&arena, sizeof *table);
        *table = *before->body->tables[i];
        table->n_adds = table->n_removes = table->n_open = table->n_pending = 0;
        table->n_dead_letters = table->n_dead_letters_pending = 0;
    }
    TRY(manifest_create(&body, before, search->find->random, &search->replay->from, err));
    TRY(manifest_put(search->replay->from, context->state, context->seam, err));
out:
    arena_deinit(&arena);
    return status;
}

static enum status replay_begin(struct replay_search *search, struct error *err)
{
    enum status status = STATUS_OK;
    struct replay *replay = search->replay;
    struct manifest *before = NULL;
    const Foreset__Plan *plan = search->find->context->plan;
    TRY(replay_check_tables(search, err));
    replay->first = replay->last = replay->lost.items[0].epoch;
    for (size_t i = 0; i < replay->lost.count; i++) {
        const struct replay_lost *lost = &replay->lost.items[i];
        if (lost->epoch >= replay->first + REPLAY_EPOCHS_MAX) break;
        replay->last = lost->epoch;
        replay_mark(plan, search->find->logs->items[lost->log].number, replay->nodes);
    }
    replay->decided = memory_calloc(replay->last - replay->first + 1, sizeof *replay->decided);
    replay->again = memory_calloc(replay->last - replay->first + 1, sizeof *replay->again);
    TRY(replay_read_chain(search, &before, err));
    ASSERT(replay->decided[0] && (before || replay->first == 1));
    if (before) TRY(replay_store_from(search, before, err));
out:
    manifest_unref(before);
    return status;
}

enum status replay_find(const struct replay_find *find, struct replay **ret_replay, struct error *err)
{
    enum status status = STATUS_OK;
    struct replay *replay = memory_calloc(1, sizeof *replay);
    struct replay_search search = {find, replay};
    replay->newest = find->newest;
    replay->published = find->published;
    replay->nodes = memory_calloc(find->context->plan->n_nodes + 1, sizeof *replay->nodes);
    uint64_t first = find->published < find->newest.epoch ? find->published + 1 : find->newest.epoch;
    for (uint64_t epoch = first; epoch > 0 && epoch <= find->newest.epoch; epoch++)
        TRY(replay_look_epoch(&search, epoch, err));
    if (replay->lost.count > 0) {
        TRY(replay_begin(&search, err));
        *ret_replay = replay;
        replay = NULL;
    }
out:
    replay_destroy(replay);
    return status;
}

void replay_destroy(struct replay *replay)
{
    if (!replay) return;
    for (uint64_t i = 0; replay->decided && i <= replay->last - replay->first; i++) manifest_unref(replay->decided[i]);
    for (uint64_t i = 0; replay->again && i <= replay->last - replay->first; i++) manifest_unref(replay->again[i]);
    manifest_unref(replay->from);
    vector_deinit(&replay->lost);
    memory_free(replay->decided);
    memory_free(replay->again);
    memory_free(replay->nodes);
    memory_free(replay);
}

// ---- Whether it is the same ----

// The files that an epoch wrote for one log, published at once or not; in the arena.
struct replay_files {
    Foreset__DataFile **items;
    size_t count;
    uint64_t rows;
};

static void replay_files_of(Foreset__DataFile *const *files, size_t count, uint64_t epoch, struct replay_files *found)
{
    for (size_t i = 0; i < count; i++) {
        if (files[i]->epoch != epoch) continue;
        found->items[found->count++] = files[i];
        found->rows += files[i]->rows;
    }
}

static struct replay_files replay_written(const struct manifest *manifest, uint32_t table, bool dead_letters,
                                          struct arena *arena)
{
    struct replay_files found = {0};
    const Foreset__TableEpoch *of = manifest_table(manifest, table);
    uint64_t epoch = manifest->body->epoch;
    if (!of) return found;
    size_t max = of->n_adds + of->n_pending + of->n_dead_letters + of->n_dead_letters_pending;
    found.items = arena_calloc(arena, max + 1, sizeof *found.items);
    if (dead_letters) {
        replay_files_of(of->dead_letters, of->n_dead_letters, epoch, &found);
        replay_files_of(of->dead_letters_pending, of->n_dead_letters_pending, epoch, &found);
    } else {
        replay_files_of(of->adds, of->n_adds, epoch, &found);
        replay_files_of(of->pending, of->n_pending, epoch, &found);
    }
    return found;
}

static const Foreset__Range *replay_range(const struct manifest *manifest, const Foreset__Range *wanted)
{
    for (size_t i = 0; i < manifest->body->n_ranges; i++) {
        const Foreset__Range *range = manifest->body->ranges[i];
        bool same = range->source == wanted->source && range->has_to && range->partition == wanted->partition;
        if (same && strcmp(range->topic ? range->topic : "", wanted->topic ? wanted->topic : "") == 0) return range;
    }
    return NULL;
}

static bool replay_same_record(const Foreset__Evidence *a, const Foreset__Evidence *b)
{
    if (!a || !b) return a == b;
    return a->offset == b->offset && a->timestamp_ms == b->timestamp_ms && a->hash == b->hash;
}

static const char *replay_compare_ranges(const struct replay *replay, const struct manifest *old,
                                         const struct manifest *again, struct arena *arena)
{
    for (size_t i = 0; i < old->body->n_ranges; i++) {
        const Foreset__Range *range = old->body->ranges[i];
        if (!replay->nodes[range->source] || !range->has_to || range->from >= range->to) continue;
        const Foreset__Range *read = replay_range(again, range);
        if (read && replay_same_record(range->last, read->last)) continue;
        return arena_printf(
            arena, "topic %s, partition %d: the last record before offset %" PRId64 " is another one than then",
            range->topic ? range->topic : "", range->partition, range->to);
    }
    return NULL;
}

static const char *replay_compare_table(const struct manifest *old, const struct manifest *again,
                                        const struct table_log *log, struct arena *arena)
{
    const Foreset__TableEpoch *then = manifest_table(old, log->number), *now = manifest_table(again, log->number);
    struct replay_files had = replay_written(old, log->number, log->dead_letters, arena);
    struct replay_files has = replay_written(again, log->number, log->dead_letters, arena);
    ASSERT(then && now);
    if (had.rows == has.rows && then->rows_in == now->rows_in && then->rows_dead == now->rows_dead &&
        then->rows_malformed == now->rows_malformed && then->rows_violated == now->rows_violated)
        return NULL;
    return arena_printf(arena,
                        "the source gave %" PRIu64 " rows, %" PRIu64 " of them for this table, %" PRIu64
                        " dead letters; then it gave %" PRIu64 ", %" PRIu64 " and %" PRIu64
                        ". Records were compacted away since, or files were changed",
                        now->rows_in, has.rows, now->rows_dead, then->rows_in, had.rows, then->rows_dead);
}

enum status replay_take(struct replay *replay, const struct table_logs *logs, struct manifest *again, struct error *err)
{
    struct arena arena;
    uint64_t epoch = again->body->epoch;
    ASSERT(epoch >= replay->first && epoch <= replay->last && !replay->again[epoch - replay->first]);
    const struct manifest *old = replay->decided[epoch - replay->first];
    arena_init(&arena, 0);
    const char *why = replay_compare_ranges(replay, old, again, &arena);
    for (size_t i = 0; !why && i < replay->lost.count; i++) {
        if (replay->lost.items[i].epoch != epoch) continue;
        const struct table_log *log = &logs->items[replay->lost.items[i].log];
        struct replay_files has = replay_written(again, log->number, log->dead_letters, &arena);
        why = replay_compare_table(old, again, log, &arena);
        replay->rows += has.rows;
        replay->files += has.count;
    }
    enum status status = why ? replay_refuse(replay, logs, epoch, why, err) : STATUS_OK;
    if (status == STATUS_OK) replay->again[epoch - replay->first] = manifest_ref(again);
    arena_deinit(&arena);
    return status;
}

bool replay_is_read(const struct replay *replay)
{
    for (uint64_t i = 0; i <= replay->last - replay->first; i++) {
        if (!replay->again[i]) return false;
    }
    return true;
}

// ---- The new manifests ----

// One list of files: what the epoch wrote gives way to what it wrote again. False: it is not in the list.
static bool replay_exchange(Foreset__DataFile ***files, size_t *count, uint64_t epoch, const struct replay_files *fresh,
                            struct arena *arena)
{
    bool found = false;
    size_t kept = 0;
    Foreset__DataFile **items = arena_calloc(arena, *count + fresh->count + 1, sizeof *items);
    for (size_t i = 0; i < *count; i++) {
        bool lost = (*files)[i]->epoch == epoch;
        if (!lost || FORESET_BUG("replay-keeps-lost")) items[kept++] = (*files)[i];
        for (size_t k = 0; lost && !found && k < fresh->count; k++) items[kept++] = fresh->items[k];
        found = found || lost;
    }
    if (!found) return false;
    *files = items;
    *count = kept;
    return true;
}

static void replay_exchange_table(const struct replay *replay, const struct replay_lost *lost,
                                  Foreset__TableEpoch *table, struct arena *arena)
{
    bool dead_letters = lost->log % 2 == 1;
    const struct manifest *again = replay->again[lost->epoch - replay->first];
    struct replay_files fresh = replay_written(again, table->table, dead_letters, arena);
    if (dead_letters) {
        bool adds = replay_exchange(&table->dead_letters, &table->n_dead_letters, lost->epoch, &fresh, arena);
        if (adds) table->has_dead_letters_replayed = table->dead_letters_replayed = true;
        (void)replay_exchange(&table->dead_letters_pending, &table->n_dead_letters_pending, lost->epoch, &fresh, arena);
    } else {
        bool adds = replay_exchange(&table->adds, &table->n_adds, lost->epoch, &fresh, arena);
        if (adds) table->has_replayed = table->replayed = true;
        (void)replay_exchange(&table->pending, &table->n_pending, lost->epoch, &fresh, arena);
    }
}

static void replay_name_old(Foreset__Manifest *body, const struct manifest *old, struct arena *arena)
{
    size_t count = old->body->n_replaced;
    body->replaced = arena_calloc(arena, count + 1, sizeof *body->replaced);
    body->replaced_hashes = arena_calloc(arena, count + 1, sizeof *body->replaced_hashes);
    for (size_t i = 0; i < count; i++) {
        body->replaced[i] = old->body->replaced[i];
        body->replaced_hashes[i] = old->body->replaced_hashes[i];
    }
    body->replaced[count] = (char *)old->record.name;
    body->replaced_hashes[count] = old->record.hash;
    body->n_replaced = body->n_replaced_hashes = count + 1;
}

// before: the manifest of the epoch before, if it is replaced too.
static enum status replay_make(const struct replay *replay, const struct manifest *old, const struct manifest *before,
                               struct random *random, struct manifest **ret_manifest, struct error *err)
{
    Foreset__Manifest body = *old->body;
    struct arena arena;
    arena_init(&arena, 0);
    replay_name_old(&body, old, &arena);
    if (before) {
        body.previous = (char *)before->record.name;
        body.previous_hash = before->record.hash;
    }
    body.tables = arena_calloc(&arena, body.n_tables + 1, sizeof *body.tables);
    for (size_t i = 0; i < body.n_tables; i++) {
        body.tables[i] = arena_alloc(&arena, sizeof *body.tables[i]);
        *body.tables[i] = *old->body->tables[i];
        for (size_t k = 0; k < replay->lost.count; k++) {
            const struct replay_lost *lost = &replay->lost.items[k];
            if (lost->log / 2 == body.tables[i]->table && lost->epoch <= replay->last)
                replay_exchange_table(replay, lost, body.tables[i], &arena);
        }
    }
    enum status status = manifest_create(&body, old, random, ret_manifest, err);
    arena_deinit(&arena);
    return status;
}

enum status replay_put(struct replay *replay, const struct commit_context *context, struct random *random,
                       struct error *err)
{
    enum status status = STATUS_OK;
    struct manifest *made[META_REPLACE_MAX] = {0}, *old = NULL;
    struct meta_record records[META_REPLACE_MAX];
    size_t count = 0;
    uint64_t newest = replay->newest.epoch;
    uint64_t first = replay->published < newest ? replay->published + 1 : newest;
    ASSERT(newest - first < META_REPLACE_MAX);
    TRY(lease_check(context->meta->lease, "a replay", err));
    for (uint64_t epoch = first; epoch <= newest; epoch++, count++) {
        struct meta_record record = replay->newest;
        if (epoch < newest) TRY(meta_store_decided(context->meta, epoch, &record, err));
        TRY(manifest_get(context->state, &record, context->seam, &old, err));
        TRY(replay_make(replay, old, count > 0 ? made[count - 1] : NULL, random, &made[count], err));
        TRY(manifest_put(made[count], context->state, context->seam, err));
        records[count] = made[count]->record;
        manifest_unref(old);
        old = NULL;
    }
    TRY(FAILPOINT("replay.before", err));
    TRY(lease_check(context->meta->lease, "a replay", err));
    TRY(meta_store_replace(context->meta, context->generation, &replay->newest, records, count, err));
    TRY(FAILPOINT("replay.after", err));
out:
    manifest_unref(old);
    for (size_t i = 0; i < META_REPLACE_MAX; i++) manifest_unref(made[i]);
    return status;
}
