// Cleaning. The happy path: read the manifests that are there; a data file of (epoch, generation) that the decided
// manifest of its epoch does not name is deleted; so is a state snapshot part, fill or part of a manifest's list that
// no kept manifest reaches, and a manifest that is neither among the last CLEAN_MANIFESTS_MIN nor young nor named by a
// table's last commit.
//
// Every delete asks all of P24: the generation is below ours or the attempt was ours and is over (its epoch is
// decided); the manifest of the epoch is decided, readable and does not name the file; a linearizable read has just
// shown that we lead; the file is older than the grace. Is the manifest gone, the file stays: VACUUM decides.
//
// What can fail: anything; then this run ends and the next one goes on. A crash between two deletes loses nothing.
#include "coordinator/commit/clean.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/failpoint.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/delta/delta_path.h"
#include "coordinator/commit/adopt.h"

// Names as hashes: one manifest names what the one before did and a little more, so thousands of them are read one at a
// time and only what they name is kept. Two names of one hash: the file stays, as if it were named.
enum { CLEAN_SETTLE_MIN = 64 << 10 };
struct clean_names {
    VECTOR(uint64_t) items; // ascending, each once, after clean_names_settle
    size_t settle_at;
};
struct clean_kept { // one decided manifest that stays
    uint64_t epoch;
    uint64_t name; // its hash
};
struct clean_state {
    struct clean *clean;
    VECTOR(struct clean_kept) kept; // descending by epoch
    VECTOR(uint64_t) lists;         // hashes of parts of lists whose elements are known already, with list and number
    VECTOR(uint64_t) commits;       // hashes of names of older manifests, which a table's last commit names
    struct clean_names parts;       // that a kept manifest reaches
    struct clean_names *tables;     // for each log: data files that a kept manifest names
    int64_t now_us;
};

static uint64_t clean_hash(const char *name)
{
    return hash_64(name, strlen(name), 0);
}

static int clean_compare(const void *a, const void *b)
{
    uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

static void clean_names_settle(struct clean_names *names)
{
    size_t count = 0;
    if (names->items.count == 0) return;
    qsort(names->items.items, names->items.count, sizeof(uint64_t), clean_compare);
    for (size_t i = 0; i < names->items.count; i++) {
        if (count == 0 || names->items.items[count - 1] != names->items.items[i])
            names->items.items[count++] = names->items.items[i];
    }
    names->items.count = count;
}

static void clean_names_add(struct clean_names *names, const char *name)
{
    if (names->items.count >= CLEAN_SETTLE_MIN && names->items.count >= names->settle_at) {
        clean_names_settle(names);
        names->settle_at = 2 * names->items.count;
    }
    vector_push(&names->items, clean_hash(name));
}

static bool clean_names_has(const struct clean_names *names, const char *name)
{
    uint64_t hash = clean_hash(name);
    if (names->items.count == 0) return false;
    return bsearch(&hash, names->items.items, names->items.count, sizeof hash, clean_compare) != NULL;
}

static bool clean_is_old(const struct clean_state *state, const struct objstore_entry *entry)
{
    return entry->modified_us + state->clean->grace_us < state->now_us;
}

// One file, with the proof of P24 just before.
static enum status clean_delete(struct clean *clean, struct objstore *store, const char *key, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(FAILPOINT("clean.before", err));
    if (!FORESET_BUG("clean-by-old-leader")) TRY(meta_store_leads(clean->context->meta, err));
    log_debug("clean", "store=%s key=%s", store->url ? store->url : "", key);
    TRY(objstore_remove(store, key, err));
    clean->deleted++;
    TRY(FAILPOINT("clean.after", err));
out:
    return status;
}

// ---- Manifests ----

static const struct clean_kept *clean_kept_of(const struct clean_state *state, uint64_t epoch)
{
    size_t low = 0, high = state->kept.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (state->kept.items[middle].epoch == epoch) return &state->kept.items[middle];
        if (state->kept.items[middle].epoch > epoch) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static void clean_name_files(struct clean_names *names, Foreset__DataFile **files, size_t count)
{
    for (size_t i = 0; i < count; i++) clean_names_add(names, files[i]->path);
}

static void clean_name_table(struct clean_names *names, const struct table_log *log, const Foreset__TableEpoch *table)
{
    if (log->dead_letters) {
        clean_name_files(names, table->dead_letters, table->n_dead_letters);
        clean_name_files(names, table->dead_letters_pending, table->n_dead_letters_pending);
        return;
    }
    clean_name_files(names, table->adds, table->n_adds);
    clean_name_files(names, table->removes, table->n_removes);
    clean_name_files(names, table->open, table->n_open);
    if (!FORESET_BUG("pending-not-kept")) clean_name_files(names, table->pending, table->n_pending);
}

static void clean_keep_names(struct clean_state *state, const struct manifest *manifest)
{
    const struct table_logs *logs = state->clean->logs;
    for (size_t i = 0; i < manifest->body->n_parts; i++) clean_names_add(&state->parts, manifest->body->parts[i]->key);
    for (size_t i = 0; i < manifest->body->n_files; i++) {
        if (manifest->body->files[i]->fill) clean_names_add(&state->parts, manifest->body->files[i]->fill);
    }
    for (size_t i = 0; i < manifest->body->n_lists; i++) {
        const Foreset__ManifestList *list = manifest->body->lists[i];
        for (size_t k = 0; k < list->n_parts && !FORESET_BUG("list-not-kept"); k++)
            clean_names_add(&state->parts, list->parts[k]->key);
    }
    for (size_t i = 0; i < logs->count; i++) {
        const Foreset__TableEpoch *table = manifest_table(manifest, logs->items[i].number);
        if (table) clean_name_table(&state->tables[i], &logs->items[i], table);
    }
}

static void clean_keep(struct clean_state *state, const struct manifest *manifest)
{
    struct clean_kept kept = {manifest->body->epoch, clean_hash(manifest->record.name)};
    vector_push(&state->kept, kept);
    for (size_t i = 0; i < manifest->body->n_replaced; i++) // a table's last commit may name it (P26)
        vector_push(&state->commits, clean_hash(manifest->body->replaced[i]));
    clean_keep_names(state, manifest);
}

// Manifests share most parts of their lists: each is read once for a table, by the newest manifest that names it. Names
// of files that were read are not of interest.
static enum status clean_list_read(void *context, const Foreset__ManifestList *list,
                                   const Foreset__ManifestListPart *part, struct buffer **ret_bytes, struct error *err)
{
    struct clean_state *state = context;
    const struct commit_context *commit = state->clean->context;
    struct manifest_list_store store = {commit->state, commit->seam};
    bool dead = list->kind == FORESET__MANIFEST_LIST__KIND__DEAD_LETTERS ||
                list->kind == FORESET__MANIFEST_LIST__KIND__DEAD_LETTERS_PENDING;
    uint64_t known = hash_64(part->key, strlen(part->key), 2 * (uint64_t)list->number + dead);
    *ret_bytes = NULL;
    if (list->kind == FORESET__MANIFEST_LIST__KIND__SEEN) return STATUS_OK;
    for (size_t i = 0; i < state->lists.count; i++) {
        if (state->lists.items[i] == known) return STATUS_OK;
    }
    enum status status = manifest_list_store_read(&store, list, part, ret_bytes, err);
    if (status == STATUS_OK) vector_push(&state->lists, known);
    return status;
}

static enum status clean_get(struct clean_state *state, const struct meta_record *record,
                             struct manifest **ret_manifest, struct error *err)
{
    const struct commit_context *context = state->clean->context;
    const struct manifest_list_reader reader = {clean_list_read, state};
    return manifest_get_parts(context->state, record, context->seam, &reader, ret_manifest, err);
}

// What a table's last commit names is kept however old it is: without the kv store, --adopt goes on from there. Its
// data files, state parts and fill are kept with it. Epochs that commit nothing may have left it far behind the chain.
static enum status clean_keep_commit(struct clean_state *state, struct table_log *log, struct error *err)
{
    const struct commit_context *context = state->clean->context;
    struct meta_record record = {0};
    struct manifest *manifest = NULL;
    struct error lost = {0};
    bool exists = false;
    enum status status = STATUS_OK;
    TRY(table_log_refresh(log, &exists, err));
    if (exists) TRY(adopt_scan(log, context->pipeline_id, &record, err));
    if (record.epoch == 0 || clean_kept_of(state, record.epoch)) goto out;
    status = clean_get(state, &record, &manifest, &lost);
    if (status == STATUS_OK) {
        uint64_t name = clean_hash(record.name);
        vector_push(&state->commits, name);
        clean_keep_names(state, manifest);
    } else if (status == STATUS_CORRUPT) {
        status = STATUS_OK; // gone or damaged: nothing more can be kept of it
    } else if (err) {
        *err = lost;
    }
out:
    delta_table_close(log->table); // thousands of files may be in it
    log->table = NULL;
    manifest_unref(manifest);
    return status;
}

static enum status clean_keep_commits(struct clean_state *state, const struct manifest *newest, struct error *err)
{
    enum status status = STATUS_OK;
    const struct table_logs *logs = state->clean->logs;
    for (size_t i = 0; i < logs->count && status == STATUS_OK; i++) {
        struct table_log *log = &logs->items[i];
        const Foreset__TableEpoch *table = manifest_table(newest, log->number);
        if (log->dead_letters || !table || clean_kept_of(state, table->commit_epoch)) continue;
        if (table->commit_epoch > 0) status = clean_keep_commit(state, log, err);
    }
    return status;
}

// The oldest epoch whose files wait to be published: a replay (P26) needs its manifest and the one before.
static uint64_t clean_waiting(const struct manifest *newest)
{
    uint64_t oldest = UINT64_MAX;
    for (size_t i = 0; i < newest->body->n_tables; i++) {
        const Foreset__TableEpoch *table = newest->body->tables[i];
        for (size_t k = 0; k < table->n_pending; k++)
            oldest = table->pending[k]->epoch < oldest ? table->pending[k]->epoch : oldest;
        for (size_t k = 0; k < table->n_dead_letters_pending; k++)
            oldest = table->dead_letters_pending[k]->epoch < oldest ? table->dead_letters_pending[k]->epoch : oldest;
    }
    return oldest;
}

// Follows the chain from the last decided manifest back, as far as it is there. Only this chain was decided.
static enum status clean_read_chain(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct meta_record record = clean->last;
    struct manifest *newest = NULL;
    uint64_t waiting = UINT64_MAX;
    enum status status = STATUS_OK;
    while (record.epoch > 0 && state->kept.count < CLEAN_MANIFESTS_MAX) {
        struct manifest *manifest = NULL;
        struct error lost = {0};
        status = clean_get(state, &record, &manifest, &lost);
        if (status == STATUS_CORRUPT && newest) status = STATUS_OK; // the end of what is kept
        if (status != STATUS_OK && err) *err = lost;
        if (status != STATUS_OK || !manifest) break;
        clean_keep(state, manifest);
        if (!newest) {
            newest = manifest_ref(manifest);
            waiting = clean_waiting(newest);
        }
        bool more = state->kept.count < CLEAN_MANIFESTS_MIN || manifest->body->epoch > clean->published ||
                    manifest->body->epoch >= waiting ||
                    manifest->body->timestamp_us + 2 * clean->grace_us >= state->now_us;
        more = more && manifest_previous(manifest, &record);
        manifest_unref(manifest);
        if (!more) break;
    }
    if (status == STATUS_OK && newest) status = clean_keep_commits(state, newest, err);
    manifest_unref(newest);
    return status;
}

static bool clean_is_commit(const struct clean_state *state, const char *name)
{
    uint64_t hash = clean_hash(name);
    for (size_t i = 0; i < state->commits.count; i++) {
        if (state->commits.items[i] == hash) return true;
    }
    return false;
}

static enum status clean_manifests(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct objstore_list list = {0};
    enum status status = objstore_list(clean->context->state, "manifests/", NULL, &list, err);
    uint64_t oldest = state->kept.items[state->kept.count - 1].epoch;
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        uint64_t epoch, generation;
        if (!manifest_name_parse(entry->key, &epoch, &generation) || !clean_is_old(state, entry)) continue;
        if (epoch > clean->published || epoch > clean->last.epoch) continue; // might still be decided, or put
        // What recovery carried over to a changed plan: workers that come may still be assigned it.
        if (epoch == clean->last.epoch && generation == clean->context->generation) continue;
        const struct clean_kept *kept = clean_kept_of(state, epoch);
        if (epoch >= oldest && (!kept || kept->name == clean_hash(entry->key))) continue;
        if (clean_is_commit(state, entry->key)) continue;
        status = clean_delete(clean, clean->context->state, entry->key, err);
    }
    objstore_list_deinit(&list);
    return status;
}

// ---- State snapshot parts ----

static enum status clean_parts(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct objstore_list list = {0};
    enum status status = objstore_list(clean->context->state, "state/", NULL, &list, err);
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        uint64_t epoch, generation;
        if (!manifest_part_parse(entry->key, "state/part-", &epoch, &generation) || !clean_is_old(state, entry))
            continue;
        bool running = generation > clean->context->generation || epoch > clean->last.epoch;
        if (running && !FORESET_BUG("clean-by-old-leader")) continue;
        if (clean_names_has(&state->parts, entry->key)) continue;
        status = clean_delete(clean, clean->context->state, entry->key, err);
    }
    objstore_list_deinit(&list);
    return status;
}

// Parts of manifests' lists. As with manifests: what recovery carried over to a changed plan is of the last epoch and
// of this generation, and the next decision may name its parts.
static enum status clean_lists(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct objstore_list list = {0};
    enum status status = objstore_list(clean->context->state, "lists/", NULL, &list, err);
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        uint64_t epoch, generation;
        if (!manifest_part_parse(entry->key, "lists/list-", &epoch, &generation) || !clean_is_old(state, entry))
            continue;
        if (generation > clean->context->generation || epoch > clean->last.epoch) continue;
        if (epoch == clean->last.epoch && generation == clean->context->generation) continue;
        if (clean_names_has(&state->parts, entry->key)) continue;
        status = clean_delete(clean, clean->context->state, entry->key, err);
    }
    objstore_list_deinit(&list);
    return status;
}

// Of this generation no manifest may name one yet.
static enum status clean_fills(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct objstore_list list = {0};
    enum status status = objstore_list(clean->context->state, "fills/", NULL, &list, err);
    for (size_t i = 0; status == STATUS_OK && i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        uint64_t epoch, generation;
        if (!manifest_part_parse(entry->key, "fills/fill-", &epoch, &generation) || !clean_is_old(state, entry))
            continue;
        if (generation >= clean->context->generation || clean_names_has(&state->parts, entry->key)) continue;
        status = clean_delete(clean, clean->context->state, entry->key, err);
    }
    objstore_list_deinit(&list);
    return status;
}

// ---- Data files ----

// Files below one prefix of a table; a partitioned table's lie in folders "<column>=<value>/".
static enum status clean_prefix(struct clean_state *state, struct table_log *log, const char *prefix,
                                const struct clean_names *names, struct error *err)
{
    struct clean *clean = state->clean;
    struct objstore_list list = {0};
    enum status status = STATUS_OK;
    TRY(objstore_list(log->store, prefix, NULL, &list, err));
    for (size_t i = 0; i < list.entries.count; i++) {
        const struct objstore_entry *entry = &list.entries.items[i];
        uint64_t epoch, generation;
        if (!manifest_data_parse(entry->key, &epoch, &generation) || !clean_is_old(state, entry)) continue;
        bool running = generation > clean->context->generation || epoch > clean->last.epoch;
        bool known = clean_kept_of(state, epoch) != NULL;
        if (FORESET_BUG("clean-by-old-leader")) known = !running || (running = false, true);
        if (FORESET_BUG("clean-undecided") && epoch > clean->last.epoch) known = !(running = false);
        if (running || !known || clean_names_has(names, entry->key)) continue;
        TRY(clean_delete(clean, log->store, entry->key, err));
    }
out:
    objstore_list_deinit(&list);
    return status;
}

static enum status clean_table(struct clean_state *state, size_t number, struct error *err)
{
    struct table_log *log = &state->clean->logs->items[number];
    const Foreset__Plan *plan = state->clean->plan ? state->clean->plan : state->clean->context->plan;
    const Foreset__Table *table = plan->tables[log->number];
    struct clean_names *names = &state->tables[number];
    struct text folder = {0};
    enum status status = STATUS_OK;
    clean_names_settle(names);
    if (log->dead_letters && names->items.count == 0) goto out; // there may be no such table
    TRY(table_log_open_store(log, err));
    TRY(clean_prefix(state, log, "part-", names, err));
    if (table->n_partition_columns > 0) {
        delta_path_escape(table->partition_columns[0], &folder);
        text_append_char(&folder, '=');
        TRY(clean_prefix(state, log, text_str(&folder), names, err));
    }
out:
    text_deinit(&folder);
    return status;
}

enum status clean_run(struct clean *clean, struct error *err)
{
    enum status status = STATUS_OK;
    struct clean_state state = {.clean = clean, .now_us = clock_wall_us(clean->context->seam->clock)};
    if (clean->last.epoch == 0) return STATUS_OK;
    TRY(lease_check(clean->context->meta->lease, "cleaning", err));
    state.tables = memory_calloc(clean->logs->count + 1, sizeof *state.tables);
    TRY(clean_read_chain(&state, err));
    if (state.kept.count == 0) goto out;
    clean_names_settle(&state.parts);
    TRY(clean_parts(&state, err));
    TRY(clean_lists(&state, err));
    TRY(clean_fills(&state, err));
    for (size_t i = 0; i < clean->logs->count; i++) TRY(clean_table(&state, i, err));
    TRY(clean_manifests(&state, err));
out:
    for (size_t i = 0; state.tables && i < clean->logs->count; i++) vector_deinit(&state.tables[i].items);
    memory_free(state.tables);
    vector_deinit(&state.kept);
    vector_deinit(&state.lists);
    vector_deinit(&state.commits);
    vector_deinit(&state.parts.items);
    return status;
}
