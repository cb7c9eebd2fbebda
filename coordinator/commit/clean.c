// Cleaning. The happy path: read the manifests that are there; a data file of (epoch, generation) that the decided
// manifest of its epoch does not name is deleted; so is a state snapshot part that no kept manifest reaches, and a
// manifest that is neither among the last CLEAN_MANIFESTS_MIN nor young.
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
#include "common/base/log.h"
#include "common/base/planted.h"
#include "common/delta/delta_path.h"

struct clean_names {
    VECTOR(const char *) items; // sorted once filled
};
struct clean_kept { // one decided manifest that stays
    uint64_t epoch;
    struct manifest *manifest;
};
struct clean_state {
    struct clean *clean;
    VECTOR(struct clean_kept) kept; // ascending by epoch
    struct clean_names parts;       // that a kept manifest reaches
    int64_t now_us;
};

static int clean_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void clean_names_sort(struct clean_names *names)
{
    if (names->items.count > 0) qsort(names->items.items, names->items.count, sizeof(char *), clean_compare);
}

static bool clean_names_has(const struct clean_names *names, const char *name)
{
    if (names->items.count == 0) return false;
    return bsearch(&name, names->items.items, names->items.count, sizeof(char *), clean_compare) != NULL;
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

static struct manifest *clean_manifest(struct clean_state *state, uint64_t epoch)
{
    for (size_t i = 0; i < state->kept.count; i++) {
        if (state->kept.items[i].epoch == epoch) return state->kept.items[i].manifest;
    }
    return NULL;
}

static void clean_keep(struct clean_state *state, struct manifest *manifest)
{
    struct clean_kept kept = {manifest->body->epoch, manifest};
    vector_push(&state->kept, kept);
    for (size_t i = 0; i < manifest->body->n_parts; i++)
        vector_push(&state->parts.items, manifest->body->parts[i]->key);
}

// Follows the chain from the last decided manifest back, as far as it is there. Only this chain was decided.
static enum status clean_read_chain(struct clean_state *state, struct error *err)
{
    struct clean *clean = state->clean;
    struct meta_record record = clean->last;
    enum status status = STATUS_OK;
    while (record.epoch > 0 && state->kept.count < CLEAN_MANIFESTS_MAX) {
        struct manifest *manifest = NULL;
        struct error lost = {0};
        status = manifest_get(clean->context->state, &record, clean->context->seam, &manifest, &lost);
        if (status != STATUS_OK && (status != STATUS_CORRUPT || state->kept.count == 0)) {
            if (err) *err = lost;
            return status;
        }
        if (status != STATUS_OK) return STATUS_OK; // the end of what is kept
        clean_keep(state, manifest);
        bool enough = state->kept.count >= CLEAN_MANIFESTS_MIN && manifest->body->epoch <= clean->published;
        if (enough && manifest->body->timestamp_us + 2 * clean->grace_us < state->now_us) break;
        const char *previous = manifest->body->previous;
        record = (struct meta_record){.hash = manifest->body->previous_hash};
        if (!previous || !manifest_name_parse(previous, &record.epoch, &record.generation)) break;
        snprintf(record.name, sizeof record.name, "%s", previous);
    }
    return STATUS_OK;
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
        const struct manifest *kept = clean_manifest(state, epoch);
        if (epoch >= oldest && (!kept || strcmp(kept->record.name, entry->key) == 0)) continue;
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

// ---- Data files ----

static void clean_name_files(struct clean_names *names, Foreset__DataFile **files, size_t count)
{
    for (size_t i = 0; i < count; i++) vector_push(&names->items, files[i]->path);
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
        const char *slash = strrchr(entry->key, '/'), *name = slash ? slash + 1 : entry->key;
        uint64_t epoch, generation;
        if (!manifest_part_parse(name, "part-", &epoch, &generation) || !clean_is_old(state, entry)) continue;
        bool running = generation > clean->context->generation || epoch > clean->last.epoch;
        bool known = clean_manifest(state, epoch) != NULL;
        if (FORESET_BUG("clean-by-old-leader")) known = !running || (running = false, true);
        if (FORESET_BUG("clean-undecided") && epoch > clean->last.epoch) known = !(running = false);
        if (running || !known || clean_names_has(names, entry->key)) continue;
        TRY(clean_delete(clean, log->store, entry->key, err));
    }
out:
    objstore_list_deinit(&list);
    return status;
}

static enum status clean_table(struct clean_state *state, struct table_log *log, struct error *err)
{
    const Foreset__Table *table = state->clean->context->plan->tables[log->number];
    struct clean_names names = {0};
    struct text folder = {0};
    enum status status = STATUS_OK;
    for (size_t i = 0; i < state->kept.count; i++) {
        const Foreset__TableEpoch *kept = manifest_table(state->kept.items[i].manifest, log->number);
        if (kept) clean_name_table(&names, log, kept);
    }
    clean_names_sort(&names);
    if (log->dead_letters && names.items.count == 0) goto out; // there may be no such table
    TRY(table_log_open_store(log, err));
    TRY(clean_prefix(state, log, "part-", &names, err));
    if (table->n_partition_columns > 0) {
        delta_path_escape(table->partition_columns[0], &folder);
        text_append_char(&folder, '=');
        TRY(clean_prefix(state, log, text_str(&folder), &names, err));
    }
out:
    text_deinit(&folder);
    vector_deinit(&names.items);
    return status;
}

enum status clean_run(struct clean *clean, struct error *err)
{
    enum status status = STATUS_OK;
    struct clean_state state = {.clean = clean, .now_us = clock_wall_us(clean->context->seam->clock)};
    if (clean->last.epoch == 0) return STATUS_OK;
    TRY(lease_check(clean->context->meta->lease, "cleaning", err));
    TRY(clean_read_chain(&state, err));
    if (state.kept.count == 0) goto out;
    clean_names_sort(&state.parts);
    TRY(clean_parts(&state, err));
    for (size_t i = 0; i < clean->logs->count; i++) TRY(clean_table(&state, &clean->logs->items[i], err));
    TRY(clean_manifests(&state, err));
out:
    for (size_t i = 0; i < state.kept.count; i++) manifest_unref(state.kept.items[i].manifest);
    vector_deinit(&state.kept);
    vector_deinit(&state.parts.items);
    return status;
}
