// The invariants. I1, I2: at every commit the table's live files hold exactly the reference's rows of that epoch. I3:
// every file that a decision or a commit names exists whole and durable; nothing that is still needed is deleted. I4:
// epochs rise by one, ranges go on where they ended. I5: one decision per epoch, nothing undecided is visible. I8: what
// cleaning leaves is bounded.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/delta/delta_log.h"
#include "tests/sim/sim.h"

static const char *const check_urls[SIM_PIPELINES_MAX][SIM_CONTENTS] = {
    {"sim://p0/rows", "sim://p0/counts", "sim://p0/windows", "sim://p0/slow", "sim://p0/latest", "sim://p0/chain",
     "sim://p0/copy", "sim://p0/slow__dead_letters"},
    {"sim://p1/rows", "sim://p1/counts", "sim://p1/windows", "sim://p1/slow", "sim://p1/latest", "sim://p1/chain",
     "sim://p1/copy", "sim://p1/slow__dead_letters"},
    {"sim://p2/rows", "sim://p2/counts", "sim://p2/windows", "sim://p2/slow", "sim://p2/latest", "sim://p2/chain",
     "sim://p2/copy", "sim://p2/slow__dead_letters"}};

struct check_file {
    char *path;
    struct sim_content content, foreign; // all rows; those that others appended
    uint64_t epoch;                      // that decided it; 0: another writer's, or a copy (P13)
    bool live, was_live;                 // a commit has added it
};
struct check_table {
    VECTOR(struct check_file) files;
    struct sim_content content, foreign;
    struct sim_content lost; // what the reference has and others have taken away, or brought back (then it is negative)
    int64_t version;
    uint64_t epoch; // of its last commit of ours
    bool disturbed; // by others, since then
};
static struct check {
    struct check_table tables[SIM_CONTENTS];
    Foreset__Manifest *last;
    VECTOR(char *) names; // of decided manifests, by epoch from 1
} checks[SIM_PIPELINES_MAX];
static struct check *check; // the one that is looked at
static uint32_t check_pipeline;

static void check_choose(uint32_t pipeline)
{
    check_pipeline = pipeline;
    check = &checks[pipeline];
}

static void check_table_reset(struct check_table *table)
{
    for (size_t i = 0; i < table->files.count; i++) memory_free(table->files.items[i].path);
    vector_deinit(&table->files);
    *table = (struct check_table){.version = -1};
}

void sim_check_reset(void)
{
    for (uint32_t p = 0; p < SIM_PIPELINES_MAX; p++) {
        check_choose(p);
        for (size_t i = 0; i < SIM_CONTENTS; i++) check_table_reset(&check->tables[i]);
        for (size_t i = 0; i < check->names.count; i++) memory_free(check->names.items[i]);
        vector_deinit(&check->names);
        if (check->last) foreset__manifest__free_unpacked(check->last, NULL);
        check->last = NULL;
    }
}

static struct check_file *check_find(struct check_table *table, const char *path)
{
    for (size_t i = 0; i < table->files.count; i++) {
        if (strcmp(table->files.items[i].path, path) == 0) return &table->files.items[i];
    }
    return NULL;
}

static void check_sum(struct sim_content *sum, const struct sim_content *part, bool adds)
{
    sum->rows += adds ? part->rows : -part->rows;
    sum->hash += adds ? part->hash : -part->hash;
}

static bool check_equal(const struct sim_content *a, const struct sim_content *b)
{
    return a->rows == b->rows && a->hash == b->hash;
}

// The file's rows; fails if it is not there, torn, or would not survive a power cut.
static struct sim_content check_read(const char *url, const char *path, const char *who,
                                     struct sim_content *ret_foreign)
{
    struct sim_content content = {0}, foreign = {0};
    *ret_foreign = foreign;
    const struct sim_object *object = sim_store_look(url, path);
    size_t count = 0;
    const struct sim_row *rows = object ? sim_plan_decode(object->bytes, object->size, &count) : NULL;
    if (!rows) {
        sim_core_fail("I3: %s names %s|%s, which is %s", who, url, path, object ? "not whole" : "not there");
        return content;
    }
    if (!object->durable) sim_core_fail("I3: %s names %s|%s, which a power cut would lose", who, url, path);
    for (size_t i = 0; i < count; i++) {
        content.rows++;
        content.hash += sim_plan_hash(&rows[i]);
        if (!(rows[i].key & SIM_OTHERS_KEY)) continue;
        foreign.rows++;
        foreign.hash += sim_plan_hash(&rows[i]);
    }
    *ret_foreign = foreign;
    return content;
}

// ---- Decisions ----

static void check_files(const Foreset__Manifest *manifest, uint32_t table, Foreset__DataFile **files, size_t count)
{
    uint64_t epoch = manifest->epoch, generation = manifest->generation;
    char who[64];
    snprintf(who, sizeof who, "the manifest of epoch %" PRIu64, epoch);
    for (size_t i = 0; i < count; i++) {
        struct check_file *file = check_find(&check->tables[table], files[i]->path);
        if (file && (file->was_live || sim_others_may_block(check_pipeline))) { // others may have taken it away since
            file->epoch = epoch;
            continue;
        }
        struct sim_content foreign;
        struct sim_content content = check_read(check_urls[check_pipeline][table], files[i]->path, who, &foreign);
        uint64_t of_epoch = 0, of_generation = 0;
        bool named = manifest_part_parse(files[i]->path, "part-", &of_epoch, &of_generation);
        if (!named || of_epoch > epoch ||
            (of_epoch == epoch && of_generation != generation &&
             !(manifest->n_replaced > 0 && of_generation > generation))) {
            sim_core_fail("P2: the manifest of epoch %" PRIu64 ", generation %" PRIu64 ", names %s", epoch, generation,
                          files[i]->path);
        }
        if (file) {
            file->epoch = epoch;
            continue;
        }
        struct check_file fresh = {memory_strdup(files[i]->path), content, foreign, epoch, false, false};
        vector_push(&check->tables[table].files, fresh);
    }
}

static void check_parts(const Foreset__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_parts; i++) {
        const Foreset__SnapshotPart *part = manifest->parts[i];
        const struct sim_object *object = sim_store_look(sim_plan_state_url(check_pipeline), part->key);
        if (!object || !object->durable || object->size != part->size_bytes ||
            hash_64(object->bytes, object->size, 0) != part->checksum) {
            sim_core_fail("I3: the manifest of epoch %" PRIu64 " names state part %s, which is %s", manifest->epoch,
                          part->key, object ? "not whole or not durable" : "not there");
        }
    }
}

static void check_fills(const Foreset__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_files; i++) {
        const Foreset__FilesPosition *position = manifest->files[i];
        if (!position->fill || position->next >= position->count) continue;
        const struct sim_object *object = sim_store_look(sim_plan_state_url(check_pipeline), position->fill);
        if (!object || !object->durable) {
            sim_core_fail("I3: the manifest of epoch %" PRIu64 " names %s, which is %s", manifest->epoch,
                          position->fill, object ? "not durable" : "not there");
        }
    }
}

static enum status check_list_read(void *context, const Foreset__ManifestList *list,
                                   const Foreset__ManifestListPart *part, struct buffer **ret_bytes, struct error *err)
{
    const Foreset__Manifest *manifest = context;
    const struct sim_object *object = sim_store_look(sim_plan_state_url(check_pipeline), part->key);
    (void)list;
    if (!object || !object->durable) {
        sim_core_fail("I3: the manifest of epoch %" PRIu64 " names %s, which is %s", manifest->epoch, part->key,
                      object ? "not durable" : "not there");
        return error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "part %s", part->key);
    }
    sim->list_parts++;
    enum status status = buffer_create(NULL, object->size, ret_bytes, err);
    if (status == STATUS_OK) memcpy((*ret_bytes)->data, object->bytes, object->size);
    return status;
}

static void check_lists(Foreset__Manifest *manifest)
{
    const struct manifest_list_reader reader = {check_list_read, manifest};
    struct error err;
    if (manifest_list_expand(manifest, &reader, &err) != STATUS_OK)
        sim_core_fail("I3: the manifest of epoch %" PRIu64 " is not whole: %s", manifest->epoch, err.message);
}

static void check_manifest_files(const Foreset__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_tables; i++) {
        const Foreset__TableEpoch *table = manifest->tables[i];
        check_files(manifest, table->table, table->adds, table->n_adds);
        check_files(manifest, table->table, table->pending, table->n_pending);
        if (table->table != SIM_SLOW) continue;
        check_files(manifest, SIM_DEAD, table->dead_letters, table->n_dead_letters);
        check_files(manifest, SIM_DEAD, table->dead_letters_pending, table->n_dead_letters_pending);
    }
}

static void check_manifest(Foreset__Manifest *manifest)
{
    check_lists(manifest);
    if (sim->failed) return;
    check_manifest_files(manifest);
    check_parts(manifest);
    check_fills(manifest);
    sim_model_decide(check_pipeline, manifest);
}

// ---- Replays (P26) ----

// Files that were decided and are in no log: those that the new manifests name count, no others.
static void check_forget(void)
{
    for (size_t i = 0; i < SIM_CONTENTS; i++) {
        struct check_table *table = &check->tables[i];
        for (size_t k = 0; k < table->files.count; k++) {
            struct check_file *file = &table->files.items[k];
            if (!file->was_live && file->epoch > table->epoch) file->epoch = 0;
        }
    }
}

static void check_same(const Foreset__Manifest *was, const Foreset__Manifest *now)
{
    bool same = was->epoch == now->epoch && was->n_ranges == now->n_ranges && was->n_parts == now->n_parts &&
                was->n_tables == now->n_tables && was->timestamp_us == now->timestamp_us;
    for (size_t i = 0; same && i < was->n_ranges; i++)
        same = was->ranges[i]->from == now->ranges[i]->from && was->ranges[i]->to == now->ranges[i]->to;
    if (!same) sim_core_fail("I5: the replay of epoch %" PRIu64 " changes more than its files", was->epoch);
}

// Other manifests for the last epochs, down to the first that keeps its own.
static void check_replaced(const struct meta_record *last)
{
    VECTOR(struct manifest *) chain = {0};
    struct meta_record wanted = *last;
    while (wanted.epoch > 0 && !sim->failed && strcmp(wanted.name, check->names.items[wanted.epoch - 1]) != 0) {
        const struct sim_object *object = sim_store_look(sim_plan_state_url(check_pipeline), wanted.name);
        struct manifest *manifest = NULL;
        struct error err;
        bool says = false;
        if (!object ||
            manifest_decode(object->bytes, object->size, wanted.name, &wanted, &manifest, &err) != STATUS_OK) {
            sim_core_fail("I3: epoch %" PRIu64 " is replayed, its manifest %s is damaged or not there", wanted.epoch,
                          wanted.name);
            break;
        }
        vector_push(&chain, manifest);
        for (size_t i = 0; i < manifest->body->n_replaced; i++)
            says = says || strcmp(manifest->body->replaced[i], check->names.items[wanted.epoch - 1]) == 0;
        if (!says) sim_core_fail("I5: epoch %" PRIu64 " is decided again: %s", wanted.epoch, wanted.name);
        if (!manifest_previous(manifest, &wanted)) break;
    }
    if (chain.count == 0) sim_core_fail("I5: epoch %" PRIu64 " is decided again: %s", last->epoch, last->name);
    if (!sim->failed) {
        check_same(check->last, chain.items[0]->body);
        check_forget();
        foreset__manifest__free_unpacked(check->last, NULL);
        check->last = foreset__manifest__unpack(NULL, chain.items[0]->packed_size, chain.items[0]->packed);
    }
    for (size_t i = chain.count; i > 0 && !sim->failed; i--) {
        const struct manifest *manifest = chain.items[i - 1];
        sim_core_trace("epoch %" PRIu64 " is replayed: %s", manifest->body->epoch, manifest->record.name);
        memory_free(check->names.items[manifest->body->epoch - 1]);
        check->names.items[manifest->body->epoch - 1] = memory_strdup(manifest->record.name);
        check_lists(manifest->body);
        if (!sim->failed) check_manifest_files(manifest->body);
        sim->replays++;
    }
    for (size_t i = 0; i < chain.count; i++) manifest_unref(chain.items[i]);
    vector_deinit(&chain);
}

void sim_check_decided(uint32_t pipeline, const char *record)
{
    char key[64];
    check_choose(pipeline);
    snprintf(key, sizeof key, "foreset/pipelines/p%u/generation", pipeline);
    uint64_t epoch = 0, generation = 0, hash = 0, first = check->names.count + 1;
    char name[META_NAME_SIZE] = "";
    bool read = sscanf(record, "%" SCNu64 " %" SCNu64 " %" SCNx64 " %127s", &epoch, &generation, &hash, name) == 4;
    if (read && epoch > 0 && epoch + 1 == first) {
        struct meta_record last = {epoch, generation, hash, ""};
        snprintf(last.name, sizeof last.name, "%s", name);
        check_replaced(&last);
        return;
    }
    if (!read || epoch < first) {
        sim_core_fail("I5: epoch %" PRIu64 " is decided again: %s", epoch, record);
        return;
    }
    const char *holds = sim_kv_look(key);
    if (!holds || strtoull(holds, NULL, 10) != generation) {
        sim_core_fail("P18: epoch %" PRIu64 " is decided in generation %" PRIu64 ", though it is %s", epoch, generation,
                      holds ? holds : "none");
    }
    // Several epochs of one transaction: the chain leads back from the last.
    VECTOR(struct manifest *) chain = {0};
    struct meta_record wanted = {.epoch = epoch, .generation = generation, .hash = hash};
    snprintf(wanted.name, sizeof wanted.name, "%s", name);
    while (wanted.epoch >= first && !sim->failed) {
        const struct sim_object *object = sim_store_look(sim_plan_state_url(check_pipeline), wanted.name);
        struct manifest *manifest = NULL;
        struct error err;
        if (!object ||
            manifest_decode(object->bytes, object->size, wanted.name, &wanted, &manifest, &err) != STATUS_OK) {
            sim_core_fail("I3: epoch %" PRIu64 " is decided, its manifest %s is %s", wanted.epoch, wanted.name,
                          object ? "damaged" : "not there");
            break;
        }
        vector_push(&chain, manifest);
        wanted = (struct meta_record){.hash = manifest->body->previous_hash};
        if (manifest->body->epoch == first) break;
        snprintf(wanted.name, sizeof wanted.name, "%s", manifest->body->previous);
        if (!manifest_name_parse(wanted.name, &wanted.epoch, &wanted.generation)) break;
    }
    if (!sim->failed && (chain.count == 0 || chain.items[chain.count - 1]->body->epoch != first)) {
        sim_core_fail("I4: epoch %" PRIu64 " is decided, %" PRIu64 " was expected", epoch, first);
    }
    for (size_t i = chain.count; i > 0 && !sim->failed; i--) {
        sim_core_trace("epoch %" PRIu64 " is decided in generation %" PRIu64, chain.items[i - 1]->body->epoch,
                       generation);
        vector_push(&check->names, memory_strdup(chain.items[i - 1]->record.name));
        check_manifest(chain.items[i - 1]->body);
        sim->decisions++;
    }
    if (chain.count > 0 && !sim->failed) {
        if (check->last) foreset__manifest__free_unpacked(check->last, NULL);
        check->last = foreset__manifest__unpack(NULL, chain.items[0]->packed_size, chain.items[0]->packed);
    }
    for (size_t i = 0; i < chain.count; i++) manifest_unref(chain.items[i]);
    vector_deinit(&chain);
}

// ---- Commits ----

// Chooses the pipeline too; -1: this is no table.
static int check_table_of(const char *url)
{
    uint32_t pipeline = sim_plan_of_url(url);
    if (pipeline >= SIM_PIPELINES_MAX) return -1;
    check_choose(pipeline);
    for (int i = 0; i < SIM_CONTENTS; i++) {
        if (strcmp(check_urls[check_pipeline][i], url) == 0) return i;
    }
    return -1;
}

// Files that no manifest names: others', and copies of theirs that update mode makes (P13).
static struct check_file *check_unnamed(struct check_table *table, const char *path, bool own)
{
    if (own && strncmp(path, "rest-", 5) != 0) return NULL;
    struct check_file fresh = {.path = memory_strdup(path)};
    vector_push(&table->files, fresh);
    return &table->files.items[table->files.count - 1];
}

static void check_add(uint32_t number, const char *path, bool own, int64_t version)
{
    struct check_table *table = &check->tables[number];
    struct check_file *file = check_find(table, path);
    const char *url = check_urls[check_pipeline][number];
    bool again = file && (file->live || (own && file->was_live && number != SIM_LATEST));
    if (!file) file = check_unnamed(table, path, own);
    if (!file || again) {
        sim_core_fail("I5: %s version %" PRId64 " adds %s, which %s", url, version, path,
                      file ? "is there already" : "no decided manifest names");
        return;
    }
    file->content = check_read(url, file->path, url, &file->foreign);
    file->live = file->was_live = true;
    check_sum(&table->content, &file->content, true);
    check_sum(&table->foreign, &file->foreign, true);
}

static void check_action(uint32_t number, const struct delta_action *action, bool own, int64_t version)
{
    struct check_table *table = &check->tables[number];
    if (action->kind == DELTA_ACTION_ADD) {
        check_add(number, action->add.path, own, version);
    } else if (action->kind == DELTA_ACTION_REMOVE) {
        struct check_file *file = check_find(table, action->remove.path);
        if (!file || !file->live) {
            sim_core_fail("I3: %s version %" PRId64 " removes %s, which is not there",
                          check_urls[check_pipeline][number], version, action->remove.path);
            return;
        }
        check_sum(&table->content, &file->content, false);
        check_sum(&table->foreign, &file->foreign, false);
        file->live = false;
    }
}

// What the table is to hold: the reference's rows, less those that others took away, and those that others appended.
// A complete table is written whole; update mode's groups come back.
static struct sim_content check_wanted(uint32_t number, uint64_t epoch)
{
    struct check_table *table = &check->tables[number];
    struct sim_content want = sim_model_at(check_pipeline, number, epoch);
    if (number != SIM_COUNTS) check_sum(&want, &table->foreign, true);
    if (number != SIM_COUNTS && number != SIM_LATEST) check_sum(&want, &table->lost, false);
    return want;
}

static void check_others(uint32_t number)
{
    struct check_table *table = &check->tables[number];
    table->disturbed = true;
    table->lost = sim_model_at(check_pipeline, number, table->epoch);
    check_sum(&table->lost, &table->foreign, true);
    check_sum(&table->lost, &table->content, false);
}

static void check_epoch(uint32_t number, uint64_t epoch, const struct sim_content *foreign)
{
    struct check_table *table = &check->tables[number];
    const char *url = check_urls[check_pipeline][number];
    int64_t version = table->version;
    struct sim_content want = check_wanted(number, epoch);
    table->epoch = epoch;
    table->disturbed = false;
    sim_core_trace("%s version %" PRId64 ": epoch %" PRIu64 ", %" PRIu64 " rows", url, version, epoch, want.rows);
    if (!check_equal(&want, &table->content)) {
        sim_core_fail(
            "I1: %s version %" PRId64 ", epoch %" PRIu64 ": %" PRIu64 " rows, the reference has %" PRIu64 "%s", url,
            version, epoch, table->content.rows, want.rows, want.rows == table->content.rows ? ", others" : "");
    }
    if (number != SIM_COUNTS && !check_equal(foreign, &table->foreign))
        sim_core_fail("I2: %s version %" PRId64 ": rows that others appended are gone", url, version);
}

static void check_commit(uint32_t number, const struct delta_commit *commit)
{
    struct check_table *table = &check->tables[number];
    struct sim_content foreign = table->foreign;
    const struct delta_commit_info *info = commit->info;
    bool own = !info || !info->engine_info || strcmp(info->engine_info, SIM_OTHERS_ENGINE) != 0;
    for (int pass = 0; pass < 2; pass++) { // a commit is a set: removes first
        for (size_t i = 0; i < commit->actions.count && !sim->failed; i++) {
            const struct delta_action *action = &commit->actions.items[i];
            if ((action->kind == DELTA_ACTION_REMOVE) == (pass == 0)) check_action(number, action, own, table->version);
        }
    }
    uint64_t epoch = info ? info->epoch_last : 0;
    if (sim->failed) return;
    if (!own) {
        check_others(number);
    } else if (epoch == 0 && info && strcmp(info->operation, "OVERWRITE") == 0) {
        check_epoch(number, table->epoch, &foreign);
    } else if (epoch > 0 && (epoch <= table->epoch || epoch > sim_model_epoch(check_pipeline))) {
        sim_core_fail("I5: %s version %" PRId64 " is epoch %" PRIu64 ", after %" PRIu64 "; decided are %" PRIu64,
                      check_urls[check_pipeline][number], table->version, epoch, table->epoch,
                      sim_model_epoch(check_pipeline));
    } else if (epoch > 0) {
        check_epoch(number, epoch, &foreign);
    }
}

void sim_check_commit(const char *url, const char *key)
{
    int number = check_table_of(url);
    const struct sim_object *object = sim_store_look(url, key);
    struct delta_commit *commit = NULL;
    struct error err;
    int64_t version = 0;
    if (number < 0 || sim->failed || sscanf(key, "_delta_log/%" SCNd64, &version) != 1) return;
    struct check_table *table = &check->tables[number];
    if (version != table->version + 1) {
        sim_core_fail("I5: %s gets version %" PRId64 " after %" PRId64, url, version, table->version);
        return;
    }
    if (delta_log_commit_parse((const char *)object->bytes, object->size, version, &commit, &err) != STATUS_OK) {
        sim_core_fail("I3: %s version %" PRId64 ": %s", url, version, err.message);
        return;
    }
    table->version = version;
    sim->commits++;
    check_commit((uint32_t)number, commit);
    delta_log_commit_destroy(commit);
}

// ---- For other writers ----

size_t sim_check_files(uint32_t pipeline, uint32_t table)
{
    return checks[pipeline].tables[table].files.count;
}

struct sim_check_file sim_check_file(uint32_t pipeline, uint32_t table, size_t at)
{
    const struct check_file *file = &checks[pipeline].tables[table].files.items[at];
    return (struct sim_check_file){file->path, file->live, file->was_live, file->epoch > 0 && !file->was_live};
}

int64_t sim_check_version(uint32_t pipeline, uint32_t table)
{
    return checks[pipeline].tables[table].version;
}

uint64_t sim_check_epoch(uint32_t pipeline, uint32_t table)
{
    return checks[pipeline].tables[table].epoch;
}

// ---- Deletes ----

void sim_check_remove(const char *url, const char *key)
{
    int number = check_table_of(url);
    if (number >= 0) {
        const struct check_file *file = check_find(&check->tables[number], key);
        // Named by a decided manifest: it may go only once a later commit has removed it, and then VACUUM's time comes.
        if (file && (file->live || file->epoch > check->tables[number].epoch)) {
            sim_core_fail("I3: %s|%s is deleted, epoch %" PRIu64 " needs it", url, key, file->epoch);
        }
        if (strncmp(key, "_delta_log/", 11) == 0) sim_core_fail("I3: %s|%s is deleted", url, key);
        return;
    }
    for (size_t i = 0; check->last && i < check->last->n_parts; i++) {
        if (strcmp(check->last->parts[i]->key, key) == 0) {
            sim_core_fail("I3: state part %s is deleted, epoch %" PRIu64 " needs it", key, check->last->epoch);
        }
    }
    for (size_t i = 0; check->last && i < check->last->n_lists; i++) {
        for (size_t k = 0; k < check->last->lists[i]->n_parts; k++) {
            if (strcmp(check->last->lists[i]->parts[k]->key, key) != 0) continue;
            sim_core_fail("I3: %s is deleted, epoch %" PRIu64 " needs it", key, check->last->epoch);
        }
    }
    for (size_t i = 0; check->last && i < check->last->n_files; i++) {
        const Foreset__FilesPosition *position = check->last->files[i];
        if (position->fill && position->next < position->count && strcmp(position->fill, key) == 0)
            sim_core_fail("I3: %s is deleted, epoch %" PRIu64 " needs it", key, check->last->epoch);
    }
    size_t kept = check->names.count > 10 ? check->names.count - 10 : 0;
    for (size_t i = kept; i < check->names.count; i++) {
        if (strcmp(check->names.items[i], key) == 0)
            sim_core_fail("I3: manifest %s is deleted, one of the last ten", key);
    }
}

// ---- The end ----

bool sim_check_published(uint32_t pipeline, bool all)
{
    check_choose(pipeline);
    for (uint32_t i = 0; i < SIM_CONTENTS; i++) {
        if (!all && check->tables[i].disturbed) continue;
        struct sim_content want = check_wanted(i, sim_model_epoch(pipeline));
        if (!check_equal(&want, &check->tables[i].content)) return false;
    }
    return true;
}

void sim_check_end(bool complete)
{
    for (uint32_t p = 0; p < sim->knobs.pipelines && !sim->failed; p++) {
        bool published = sim_check_published(p, true);
        if (!complete && sim_model_complete(p) && published && p + 1 < sim->knobs.pipelines) continue;
        if (!complete) {
            sim_core_fail("I6: no end within the time: pipeline p%u decided %" PRIu64 " epochs, %s published", p,
                          sim_model_epoch(p), published ? "all" : "not all");
            return;
        }
        for (uint32_t i = 0; i < SIM_CONTENTS; i++) {
            for (size_t j = 0; j < check->tables[i].files.count; j++) {
                const struct check_file *file = &check->tables[i].files.items[j];
                struct sim_content foreign;
                if (file->live) check_read(check_urls[p][i], file->path, "a log", &foreign);
            }
        }
    }
}
