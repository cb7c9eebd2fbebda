// A version of a Delta table: see delta_table.h.
// Open: find the segment, take over the checkpoint's actions, then each commit's. Update: read the commits behind the
// version held one by one until one is missing, check what they ask for, then take them over all at once.
// What can fail: files of the log vanish while they are read (another process cleans it): open starts over, at most
// three times; a checkpoint is damaged, or a sidecar of it is missing: open goes on from an older one and the commits,
// says so in `warning`, and refuses, naming the file, where those do not reach its version; a commit that an existing
// checkpoint says was cleaned before it was read: STATUS_CONFLICT. A newer commit
// with a protocol or a schema that readers here do not know is refused and the table stays where it was.
#include "common/delta/delta_table.h"

#include <string.h>

#include "common/delta/delta_checkpoint.h"
#include "common/delta/delta_feature.h"
#include "common/delta/delta_files.h"

enum { DELTA_TABLE_TRIES = 3, DELTA_TABLE_SKIP_MAX = 64 };

// ---- state of one version

// Protocol, metaData and schema, with their texts in an arena of their own: replaced as a whole.
struct delta_table_head {
    struct arena arena;
    bool has_protocol, has_metadata;
    struct delta_protocol protocol;
    struct delta_metadata metadata;
    struct delta_schema schema;
};

static const char *table_copy_text(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static void table_copy_strings(struct arena *arena, const struct delta_strings *from, struct delta_strings *to)
{
    *to = *from;
    to->items = arena_calloc(arena, from->count, sizeof *to->items);
    for (uint32_t i = 0; i < from->count; i++) to->items[i] = arena_strdup(arena, from->items[i]);
}

static void table_copy_map(struct arena *arena, const struct delta_map *from, struct delta_map *to)
{
    to->count = from->count;
    to->items = arena_calloc(arena, from->count, sizeof *to->items);
    for (uint32_t i = 0; i < from->count; i++) {
        to->items[i].key = arena_strdup(arena, from->items[i].key);
        to->items[i].value = table_copy_text(arena, from->items[i].value);
    }
}

static void table_head_protocol(struct delta_table_head *head, const struct delta_protocol *protocol)
{
    head->has_protocol = true;
    head->protocol = *protocol;
    table_copy_strings(&head->arena, &protocol->reader_features, &head->protocol.reader_features);
    table_copy_strings(&head->arena, &protocol->writer_features, &head->protocol.writer_features);
}

static void table_head_metadata(struct delta_table_head *head, const struct delta_metadata *metadata)
{
    struct arena *arena = &head->arena;
    struct delta_metadata *to = &head->metadata;
    head->has_metadata = true;
    *to = *metadata;
    to->id = table_copy_text(arena, metadata->id);
    to->name = table_copy_text(arena, metadata->name);
    to->description = table_copy_text(arena, metadata->description);
    to->format_provider = table_copy_text(arena, metadata->format_provider);
    to->schema_string = table_copy_text(arena, metadata->schema_string);
    table_copy_map(arena, &metadata->format_options, &to->format_options);
    table_copy_map(arena, &metadata->configuration, &to->configuration);
    table_copy_strings(arena, &metadata->partition_columns, &to->partition_columns);
}

// Reads the schema and checks that readers here obey what the table asks.
static enum status table_head_check(struct delta_table_head *head, const struct delta_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    if (!head->has_protocol || !head->has_metadata) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "%s: the log holds no %s", table->store->url,
                         head->has_protocol ? "metaData" : "protocol");
    }
    TRY(delta_feature_check_read(&head->protocol, &head->metadata, err));
    TRY(delta_schema_json_read(head->metadata.schema_string, &head->arena, &head->schema, err));
    for (uint32_t i = 0; i < head->metadata.partition_columns.count; i++) {
        const char *name = head->metadata.partition_columns.items[i];
        if (type_field_find(head->schema.type, name) >= 0) continue;
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "partition column '%s' is not in the schema", name));
    }
out:
    if (status != STATUS_OK && err) (void)error_prefix(err, "%s", table->store->url);
    return status;
}

// The table takes the head over.
static void table_head_install(struct delta_table *table, struct delta_table_head *head)
{
    arena_deinit(&table->arena);
    table->arena = head->arena;
    table->protocol = head->protocol;
    table->metadata = head->metadata;
    table->schema = head->schema;
}

static void table_txn(struct delta_table *table, const struct delta_txn *txn)
{
    for (size_t i = 0; i < table->txns.count; i++) {
        struct delta_txn *old = &table->txns.items[i];
        if (strcmp(old->app_id, txn->app_id) != 0) continue;
        old->version = txn->version;
        old->last_updated_ms = txn->last_updated_ms;
        return;
    }
    struct delta_txn copy = *txn;
    copy.app_id = memory_strdup(txn->app_id);
    vector_push(&table->txns, copy);
}

static void table_domain_free(struct delta_domain *domain)
{
    memory_free((void *)(uintptr_t)domain->domain);
    memory_free((void *)(uintptr_t)domain->configuration);
}

static void table_domain(struct delta_table *table, const struct delta_domain *domain)
{
    for (size_t i = 0; i < table->domains.count; i++) {
        if (strcmp(table->domains.items[i].domain, domain->domain) != 0) continue;
        table_domain_free(&table->domains.items[i]);
        vector_remove(&table->domains, i);
        break;
    }
    if (domain->removed) return;
    struct delta_domain copy = {memory_strdup(domain->domain),
                                domain->configuration ? memory_strdup(domain->configuration) : NULL, false};
    vector_push(&table->domains, copy);
}

// Everything but protocol and metaData.
static void table_apply(struct delta_table *table, const struct delta_action *action)
{
    switch (action->kind) {
    case DELTA_ACTION_ADD:
        if (table->files) delta_files_add(table->files, &action->add);
        break;
    case DELTA_ACTION_REMOVE:
        if (table->files) delta_files_remove(table->files, &action->remove);
        break;
    case DELTA_ACTION_TXN: table_txn(table, &action->txn); break;
    case DELTA_ACTION_DOMAIN: table_domain(table, &action->domain); break;
    case DELTA_ACTION_COMMIT_INFO:
    case DELTA_ACTION_PROTOCOL:
    case DELTA_ACTION_METADATA:
    case DELTA_ACTION_CDC:
    case DELTA_ACTION_SIDECAR:
    case DELTA_ACTION_CHECKPOINT_METADATA:
    case DELTA_ACTION_UNKNOWN: break;
    }
}

static void table_count_files(struct delta_table *table)
{
    if (table->files) table->file_count = delta_files_count(table->files, &table->file_bytes);
}

// A commit is a set: within it, removes go first, so that a path removed and added again stays.
static void table_apply_commit(struct delta_table *table, const struct delta_commit *commit)
{
    for (size_t i = 0; i < commit->actions.count; i++) {
        if (commit->actions.items[i].kind == DELTA_ACTION_REMOVE) table_apply(table, &commit->actions.items[i]);
    }
    for (size_t i = 0; i < commit->actions.count; i++) {
        if (commit->actions.items[i].kind != DELTA_ACTION_REMOVE) table_apply(table, &commit->actions.items[i]);
    }
    table->version = commit->version;
}

static void table_head_commit(struct delta_table_head *head, const struct delta_commit *commit)
{
    for (size_t i = 0; i < commit->actions.count; i++) {
        const struct delta_action *action = &commit->actions.items[i];
        if (action->kind == DELTA_ACTION_PROTOCOL) table_head_protocol(head, &action->protocol);
        if (action->kind == DELTA_ACTION_METADATA) table_head_metadata(head, &action->metadata);
    }
}

// ---- opening

struct delta_table_opening {
    struct delta_table *table;
    struct delta_table_head head;
    VECTOR(char *) sidecars;
};

static enum status table_visit(void *context, const struct delta_action *action, struct error *err)
{
    struct delta_table_opening *opening = context;
    if (action->kind == DELTA_ACTION_PROTOCOL) table_head_protocol(&opening->head, &action->protocol);
    if (action->kind == DELTA_ACTION_METADATA) table_head_metadata(&opening->head, &action->metadata);
    if (action->kind == DELTA_ACTION_SIDECAR) {
        if (strchr(action->sidecar.path, '/')) {
            return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE, "the sidecar %s lies outside its table",
                             action->sidecar.path);
        }
        struct text key = {0};
        text_printf(&key, "_delta_log/_sidecars/%s", action->sidecar.path);
        vector_push(&opening->sidecars, text_take(&key));
    }
    table_apply(opening->table, action);
    return STATUS_OK;
}

static enum status table_open_checkpoint(struct delta_table_opening *opening, const struct delta_segment *segment,
                                         struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = opening->table->store;
    bool files = opening->table->files != NULL;
    for (size_t i = 0; i < segment->checkpoint_keys.count; i++) {
        TRY(delta_checkpoint_read(store, segment->checkpoint_keys.items[i], files, table_visit, opening, err));
    }
    for (size_t i = 0; files && i < opening->sidecars.count; i++) {
        TRY(delta_checkpoint_read(store, opening->sidecars.items[i], true, table_visit, opening, err));
    }
out:
    return status;
}

// What an attempt to open came to.
struct delta_table_attempt {
    bool segment_found;
    char *checkpoint; // the checkpoint that failed, by its first file; NULL: something else did
};

static enum status table_start(struct delta_table_opening *opening, const struct delta_segment *segment,
                               struct delta_table_attempt *attempt, struct error *err)
{
    if (segment->checkpoint_keys.count == 0) return STATUS_OK;
    const char *key = segment->checkpoint_keys.items[0];
    bool damaged = true;
    enum status status = table_open_checkpoint(opening, segment, err);
    if (status == STATUS_OK && (!opening->head.has_protocol || !opening->head.has_metadata)) {
        // JSON may have been cut between two lines; whole Parquet was written like this, and Spark refuses it, too
        damaged = strstr(key, ".json") != NULL;
        status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "log checkpoint %s/%s: it holds no %s",
                           opening->table->store->url, key, opening->head.has_protocol ? "metaData" : "protocol");
    }
    if (status != STATUS_OK && damaged) attempt->checkpoint = memory_strdup(key);
    return status;
}

static enum status table_open_once(struct objstore *store, int64_t version, enum delta_table_load load,
                                   const struct delta_log_skip *skip, struct delta_table **ret_table,
                                   struct delta_table_attempt *attempt, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_segment segment = {0};
    struct delta_table *table = memory_calloc(1, sizeof *table);
    struct delta_table_opening opening = {.table = table};
    table->store = store;
    table->load = load;
    arena_init(&table->arena, 0);
    arena_init(&opening.head.arena, 0);
    if (load & DELTA_LOAD_FILES) table->files = delta_files_create(load == DELTA_LOAD_REMOVES);
    TRY(delta_log_segment_find(store, version, skip, &segment, err));
    attempt->segment_found = true;
    table->checkpoint_version = segment.checkpoint_version;
    TRY(table_start(&opening, &segment, attempt, err));
    for (int64_t at = segment.first_commit; at <= segment.last_commit; at++) {
        struct delta_commit *commit;
        TRY(delta_log_commit_read(store, at, &commit, err));
        table_head_commit(&opening.head, commit);
        table_apply_commit(table, commit);
        delta_log_commit_destroy(commit);
    }
    table->version = segment.version;
    TRY(table_head_check(&opening.head, table, err));
    table_head_install(table, &opening.head);
    table_count_files(table);
    *ret_table = table;
out:
    if (status != STATUS_OK) {
        arena_deinit(&opening.head.arena);
        delta_table_close(table);
    }
    for (size_t i = 0; i < opening.sidecars.count; i++) memory_free(opening.sidecars.items[i]);
    vector_deinit(&opening.sidecars);
    delta_log_segment_deinit(&segment);
    return status;
}

// Whether an older checkpoint may do where this one failed.
static bool table_damage(enum status status)
{
    return status == STATUS_CORRUPT || status == STATUS_NOT_FOUND || status == STATUS_UNSUPPORTED;
}

// A listed file that vanished, or a listing that was taken while others wrote: look again.
static bool table_look_again(enum status status, const struct delta_table_attempt *attempt)
{
    return attempt->segment_found ? status == STATUS_NOT_FOUND : status == STATUS_CORRUPT;
}

// The damaged checkpoint is the cause of whatever came behind it, so its error goes first.
static enum status table_open_failed(const struct error *first, enum status status, struct error *err)
{
    if (!err) return status;
    struct error last = *err;
    return error_set(err, status == STATUS_NOT_FOUND ? STATUS_CORRUPT : status, last.class,
                     "%s; nor can the table be read without it: %s", first->message, last.message);
}

enum status delta_table_open(struct objstore *store, int64_t version, enum delta_table_load load,
                             struct delta_table **ret_table, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_log_skip skip = {0};
    struct error first = {0}, last = {0};
    for (unsigned looks = 1;;) {
        struct delta_table_attempt attempt = {0};
        status = table_open_once(store, version, load, &skip, ret_table, &attempt, &last);
        if (status != STATUS_OK && looks < DELTA_TABLE_TRIES && table_look_again(status, &attempt)) {
            looks++;
            memory_free(attempt.checkpoint);
            continue;
        }
        if (!attempt.checkpoint || !table_damage(status) || skip.keys.count == DELTA_TABLE_SKIP_MAX) {
            memory_free(attempt.checkpoint);
            break;
        }
        if (skip.keys.count == 0) first = last;
        delta_log_skip_add(&skip, attempt.checkpoint);
        memory_free(attempt.checkpoint);
        looks = 1;
    }
    if (status != STATUS_OK && skip.keys.count > 0) status = table_open_failed(&first, status, &last);
    if (status != STATUS_OK && err) *err = last;
    if (status == STATUS_OK && skip.keys.count > 0) (*ret_table)->warning = memory_strdup(first.message);
    delta_log_skip_deinit(&skip);
    return status;
}

void delta_table_close(struct delta_table *table)
{
    if (!table) return;
    for (size_t i = 0; i < table->txns.count; i++) memory_free((void *)(uintptr_t)table->txns.items[i].app_id);
    for (size_t i = 0; i < table->domains.count; i++) table_domain_free(&table->domains.items[i]);
    vector_deinit(&table->txns);
    vector_deinit(&table->domains);
    delta_files_destroy(table->files);
    arena_deinit(&table->arena);
    memory_free(table->warning);
    memory_free(table);
}

// ---- updating

void delta_table_commits_deinit(struct delta_commits *commits)
{
    for (size_t i = 0; i < commits->items.count; i++) delta_log_commit_destroy(commits->items.items[i]);
    vector_deinit(&commits->items);
}

// Commits behind `version` until one is missing.
static enum status table_read_on(const struct delta_table *table, struct delta_commits *commits, struct error *err)
{
    for (;;) {
        struct delta_commit *commit;
        struct error missing;
        int64_t next = table->version + 1 + (int64_t)commits->items.count;
        enum status status = delta_log_commit_read(table->store, next, &commit, &missing);
        if (status == STATUS_NOT_FOUND) return STATUS_OK;
        if (status != STATUS_OK) {
            if (err) *err = missing;
            return status;
        }
        vector_push(&commits->items, commit);
    }
}

static enum status table_read_new(const struct delta_table *table, struct delta_commits *commits, struct error *err)
{
    int64_t hint;
    enum status status = table_read_on(table, commits, err);
    if (status != STATUS_OK) return status;
    status = delta_log_checkpoint_beyond(table->store, table->version + (int64_t)commits->items.count, &hint, err);
    if (status != STATUS_OK || hint <= table->version + (int64_t)commits->items.count) return status;
    status = table_read_on(table, commits, err); // it may have been written just now
    if (status != STATUS_OK || hint <= table->version + (int64_t)commits->items.count) return status;
    return error_set(err, STATUS_CONFLICT, ERROR_RETRY,
                     "%s: the log was cleaned: version %ld is gone, but there is a log checkpoint of version %ld",
                     table->store->url, (long)(table->version + 1 + (int64_t)commits->items.count), (long)hint);
}

enum status delta_table_update(struct delta_table *table, struct delta_commits *ret_commits, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_commits commits = {0};
    struct delta_table_head head = {0};
    bool changed = false;
    arena_init(&head.arena, 0);
    TRY(table_read_new(table, &commits, err));
    for (size_t i = 0; i < commits.items.count; i++) table_head_commit(&head, commits.items.items[i]);
    changed = head.has_protocol || head.has_metadata;
    if (changed) {
        if (!head.has_protocol) table_head_protocol(&head, &table->protocol);
        if (!head.has_metadata) table_head_metadata(&head, &table->metadata);
        TRY(table_head_check(&head, table, err));
        table_head_install(table, &head);
    }
    for (size_t i = 0; i < commits.items.count; i++) table_apply_commit(table, commits.items.items[i]);
    table_count_files(table);
    if (ret_commits) {
        *ret_commits = commits;
        commits = (struct delta_commits){0};
    }
out:
    if (!changed || status != STATUS_OK) arena_deinit(&head.arena);
    delta_table_commits_deinit(&commits);
    return status;
}

// ---- asking

bool delta_table_txn(const struct delta_table *table, const char *app_id, int64_t *ret_version)
{
    for (size_t i = 0; i < table->txns.count; i++) {
        if (strcmp(table->txns.items[i].app_id, app_id) != 0) continue;
        *ret_version = table->txns.items[i].version;
        return true;
    }
    return false;
}

const char *delta_table_property(const struct delta_table *table, const char *key)
{
    return delta_action_map_get(&table->metadata.configuration, key);
}

enum status delta_table_check_write(const struct delta_table *table, bool removes, struct error *err)
{
    enum status status = delta_feature_check_write(&table->protocol, &table->metadata, &table->schema, removes, err);
    if (status != STATUS_OK && err) (void)error_prefix(err, "%s", table->store->url);
    return status;
}

static enum status table_check_columns(const struct delta_table *table, const struct type *schema, struct error *err)
{
    const char *url = table->store->url;
    for (uint32_t i = 0; i < schema->child_count; i++) {
        const struct field *field = &schema->children[i];
        int at = type_field_find(table->schema.type, field->name);
        if (at < 0) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%s: the table has no column '%s' (%s)", url,
                             field->name, field->type->text);
        }
        const struct type *there = table->schema.type->children[at].type;
        if (there == field->type) continue;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "%s: column '%s' is %s in the table and %s in the query", url, field->name, there->text,
                         field->type->text);
    }
    for (uint32_t i = 0; i < table->schema.field_count; i++) {
        const struct delta_field *field = &table->schema.fields[i];
        if (field->nullable || type_field_find(schema, field->name) >= 0) continue;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "%s: the table's column '%s' is NOT NULL, but the query does not give it", url, field->name);
    }
    return STATUS_OK;
}

enum status delta_table_check_schema(const struct delta_table *table, const struct type *schema,
                                     const char *const *partition_columns, uint32_t partition_count, struct error *err)
{
    enum status status = table_check_columns(table, schema, err);
    if (status != STATUS_OK) return status;
    const struct delta_strings *there = &table->metadata.partition_columns;
    bool same = there->count == partition_count;
    for (uint32_t i = 0; i < partition_count && same; i++)
        same = strcasecmp(there->items[i], partition_columns[i]) == 0;
    if (same) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                     "%s: the table is partitioned by %u columns (%s%s), the query by %u (%s%s)", table->store->url,
                     there->count, there->count ? there->items[0] : "none", there->count > 1 ? ", …" : "",
                     partition_count, partition_count ? partition_columns[0] : "none",
                     partition_count > 1 ? ", …" : "");
}

const struct delta_add *delta_table_next_file(const struct delta_table *table, struct delta_table_cursor *cursor)
{
    ASSERT(table->files);
    return delta_files_next_add(table->files, &cursor->at);
}

const struct delta_add *delta_table_find_file(const struct delta_table *table, const char *path)
{
    ASSERT(table->files);
    return delta_files_find_add(table->files, path);
}

const struct delta_remove *delta_table_next_remove(const struct delta_table *table, struct delta_table_cursor *cursor)
{
    ASSERT(table->load == DELTA_LOAD_REMOVES);
    return delta_files_next_remove(table->files, &cursor->at);
}
