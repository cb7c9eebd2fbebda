// Table logs. The happy path: open at the latest version once, then read only the commits that are new.
// What can fail:
// - the log was cleaned past what we hold: open anew;
// - the table belongs to another pipeline, or to nobody and has rows: refused, saying whose it is (P1);
// - somebody changed protocol, constraints or schema so that our files do not fit: refused by name (P17);
// - version 0 is taken in the same moment: read it, check it like any other.
#include "coordinator/commit/table_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/delta/delta_feature.h"
#include "common/delta/delta_path.h"
#include "common/plan/dead_letters.h"
#include "coordinator/commit/replay.h"
#include "coordinator/commit/table_shape.h"

enum { TABLE_LOG_TRIES = 8, TABLE_LOG_PROPERTIES_MAX = 128 };
#define TABLE_LOG_BACKOFF_US 100000
#define TABLE_LOG_PROPERTY   "foreset.pipeline"

void table_log_init(struct table_log *log, const struct commit_context *context, uint32_t number, bool dead_letters)
{
    const Foreset__Table *plan = context->plan->tables[number];
    *log = (struct table_log){.context = context, .plan = plan, .number = number, .dead_letters = dead_letters};
    log->name = dead_letters ? plan->dead_letters : plan->name;
    log->url = dead_letters ? plan->dead_letters_url : plan->url;
    log->updates = !dead_letters && plan->mode == FORESET__TABLE__MODE__UPDATE && plan->stateful;
    log->others.with_files = log->updates;
}

void table_log_deinit(struct table_log *log)
{
    delta_table_close(log->table);
    objstore_close(log->store);
    table_others_deinit(&log->others);
    log->table = NULL;
    log->store = NULL;
}

enum status table_log_open_store(struct table_log *log, struct error *err)
{
    enum status status = STATUS_OK;
    snprintf(log->app_id, sizeof log->app_id, "%s/%s", log->context->pipeline_id, log->name);
    if (!log->store) TRY(store_opener_open(log->context->stores, log->url, true, &log->store, err));
    if (!log->schema) TRY(type_parse(log->dead_letters ? DEAD_LETTERS_SCHEMA : log->plan->schema, &log->schema, err));
out:
    return status;
}

static enum status table_log_follow(struct table_log *log, struct error *err)
{
    struct delta_commits commits = {0};
    enum status status = delta_table_update(log->table, &commits, err);
    for (size_t i = 0; status == STATUS_OK && i < commits.items.count; i++)
        table_others_take(&log->others, commits.items.items[i], log->app_id);
    delta_table_commits_deinit(&commits);
    return status;
}

static enum status table_log_read(struct table_log *log, bool *ret_exists, struct error *err)
{
    enum status status = table_log_open_store(log, err);
    if (status != STATUS_OK) return status;
    if (log->table && (!log->others.known || (log->needs_files && !log->with_files))) {
        delta_table_close(log->table);
        log->table = NULL;
    }
    if (log->table) {
        status = table_log_follow(log, err);
        if (status == STATUS_OK) {
            *ret_exists = true;
            return STATUS_OK;
        }
        if (status != STATUS_CONFLICT) return status;
        delta_table_close(log->table);
        log->table = NULL;
    }
    bool whole = log->plan->mode == FORESET__TABLE__MODE__COMPLETE && !log->dead_letters;
    log->with_files = log->needs_files || log->updates || whole;
    log->others.known = false;
    status = delta_table_open(log->store, DELTA_VERSION_LATEST, log->with_files ? DELTA_LOAD_FILES : DELTA_LOAD_STATE,
                              &log->table, err);
    if (status == STATUS_OK && log->table->warning) {
        log_warn("log_checkpoint_damaged", "table=%s version=%ld skipped=\"%s\"", log->name, (long)log->table->version,
                 log->table->warning);
    }
    *ret_exists = status == STATUS_OK;
    log->others.root = log->store->url;
    if (status == STATUS_OK) status = table_others_find(&log->others, log->table, log->app_id, err);
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

// No option reads a log with a hole in it: a full refresh needs the table's version too, or no log at all.
static enum status table_log_damaged(const struct table_log *log, struct error *err)
{
    struct error why = *err;
    return error_set(err, STATUS_CORRUPT, why.class,
                     "table %s: %.500s. Bring the file back from a copy; or move %s away and run with --full-refresh, "
                     "which reads the sources again; or give the table up with --abandon-table=%s",
                     log->name, why.message, log->url, log->plan->name);
}

enum status table_log_refresh(struct table_log *log, bool *ret_exists, struct error *err)
{
    enum status status = table_log_read(log, ret_exists, err);
    return status == STATUS_CORRUPT ? table_log_damaged(log, err) : status;
}

// ---- Putting ----

static enum status table_log_leads(const void *lease, struct error *err)
{
    return lease_check(lease, "a put", err);
}

enum status table_log_settle(struct table_log *log, int64_t version, struct error *err)
{
    char key[DELTA_PATH_NAME_SIZE];
    delta_path_commit(version, key);
    struct error trouble = {0};
    enum status status = objstore_settle(log->store, key, &trouble);
    if (status == STATUS_OK || status == STATUS_NOT_FOUND) return STATUS_OK; // cleaned: a log checkpoint has it
    if (err) *err = trouble;
    return status;
}

// Whoever made the version that is there: nobody builds on it before it is durable.
static enum status table_log_unknown(struct table_log *log, int64_t version, struct error *err)
{
    struct error trouble = {0};
    enum status status = table_log_settle(log, version, &trouble);
    if (status == STATUS_OK) return STATUS_UNKNOWN;
    *err = trouble;
    if (status != STATUS_UNKNOWN) return status;
    err->code = STATUS_ERROR;
    return STATUS_ERROR;
}

enum status table_log_put(struct table_log *log, int64_t version, const struct text *bytes, struct error *err)
{
    enum status status = delta_commit_put_guarded(log->store, version, bytes->data, bytes->length, table_log_leads,
                                                  log->context->meta->lease, err);
    return status == STATUS_UNKNOWN ? table_log_unknown(log, version, err) : status;
}

// ---- Version 0 ----

static void table_log_configuration(const struct table_log *log, struct delta_pair *pairs, uint32_t *ret_count)
{
    uint32_t count = 0;
    for (size_t i = 0; i < log->plan->n_properties && count < TABLE_LOG_PROPERTIES_MAX; i++) {
        const Foreset__Property *property = log->plan->properties[i];
        if (strncmp(property->key, "delta.", 6) != 0) continue;
        pairs[count++] = (struct delta_pair){property->key, property->value};
    }
    pairs[count++] = (struct delta_pair){TABLE_LOG_PROPERTY, log->context->pipeline_id};
    *ret_count = count;
}

static enum status table_log_encode_first(struct table_log *log, struct random *random, struct text *bytes,
                                          struct error *err)
{
    enum status status = STATUS_OK;
    struct text schema = {0};
    struct delta_pair pairs[TABLE_LOG_PROPERTIES_MAX + 1];
    struct delta_protocol protocol;
    struct delta_metadata metadata = {.name = log->name, .schema_string = ""};
    char table_id[37], txn_id[37];
    random_uuid(random, table_id);
    random_uuid(random, txn_id);
    int64_t now_ms = clock_wall_us(log->context->seam->clock) / 1000;
    TRY(delta_schema_json_write_not_null(log->schema, (const char *const *)log->plan->not_null,
                                         log->dead_letters ? 0 : log->plan->n_not_null, &schema, err));
    delta_feature_protocol(log->schema, &protocol);
    metadata.id = table_id;
    metadata.schema_string = text_str(&schema);
    metadata.description = log->dead_letters ? NULL : log->plan->comment;
    metadata.created_time_ms = now_ms;
    metadata.configuration.items = pairs;
    table_log_configuration(log, pairs, &metadata.configuration.count);
    metadata.partition_columns.present = true;
    if (!log->dead_letters) {
        metadata.partition_columns.items = (const char **)log->plan->partition_columns;
        metadata.partition_columns.count = (uint32_t)log->plan->n_partition_columns;
    }
    struct delta_commit_content content = {.protocol = &protocol, .metadata = &metadata};
    content.info = (struct delta_commit_info){.timestamp_ms = now_ms,
                                              .operation = "CREATE TABLE",
                                              .read_version = -1,
                                              .is_blind_append = true,
                                              .txn_id = txn_id,
                                              .pipeline_id = log->context->pipeline_id,
                                              .pipeline = log->context->pipeline,
                                              .table = log->name,
                                              .generation = log->context->generation};
    TRY(delta_commit_encode(&content, bytes, err));
out:
    text_deinit(&schema);
    return status;
}

static enum status table_log_create(struct table_log *log, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    TRY(FAILPOINT("create_table.before", err));
    TRY(lease_check(log->context->meta->lease, "creating a table", err));
    TRY(table_log_encode_first(log, random, &bytes, err));
    status = table_log_put(log, 0, &bytes, err);
    // Whoever made version 0, and whether an unknown outcome happened: the caller reads and checks it.
    if (status == STATUS_EXISTS || status == STATUS_UNKNOWN) status = STATUS_OK;
    if (status != STATUS_OK) goto out;
    TRY(FAILPOINT("create_table.after", err));
out:
    text_deinit(&bytes);
    return status;
}

// ---- Whose it is ----

static enum status table_log_take_over(struct table_log *log, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    struct delta_metadata metadata = log->table->metadata;
    struct delta_pair *pairs = memory_alloc((metadata.configuration.count + 2) * sizeof *pairs);
    uint32_t count = 0;
    for (uint32_t i = 0; i < metadata.configuration.count; i++) {
        const char *key = metadata.configuration.items[i].key;
        if (strcmp(key, TABLE_LOG_PROPERTY) == 0 || strcmp(key, TABLE_SHAPE_ADOPTED) == 0) continue;
        pairs[count++] = metadata.configuration.items[i];
    }
    pairs[count++] = (struct delta_pair){TABLE_LOG_PROPERTY, log->context->pipeline_id};
    pairs[count++] = (struct delta_pair){TABLE_SHAPE_ADOPTED, "true"};
    metadata.configuration = (struct delta_map){pairs, count};
    char txn_id[37];
    random_uuid(random, txn_id);
    struct delta_commit_content content = {.metadata = &metadata};
    content.info = (struct delta_commit_info){.timestamp_ms = clock_wall_us(log->context->seam->clock) / 1000,
                                              .operation = "SET TBLPROPERTIES",
                                              .read_version = log->table->version,
                                              .txn_id = txn_id};
    TRY(delta_commit_encode(&content, &bytes, err));
    status = table_log_put(log, log->table->version + 1, &bytes, err);
    if (status == STATUS_EXISTS || status == STATUS_UNKNOWN || status == STATUS_CONFLICT) status = STATUS_OK;
out:
    memory_free(pairs);
    text_deinit(&bytes);
    return status;
}

uint64_t table_log_txn(const struct table_log *log)
{
    int64_t version = 0;
    return delta_table_txn(log->table, log->app_id, &version) && version > 0 ? (uint64_t)version : 0;
}

enum status table_log_accept(struct table_log *log, uint64_t epoch, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    char txn_id[37];
    int64_t now_ms = clock_wall_us(log->context->seam->clock) / 1000;
    struct delta_txn txn = {log->app_id, (int64_t)epoch, now_ms};
    struct delta_pair held = {TABLE_OTHERS_HELD, "*"};
    struct delta_commit_content content = {.txns = &txn, .txn_count = 1};
    random_uuid(random, txn_id);
    content.info = (struct delta_commit_info){.timestamp_ms = now_ms,
                                              .operation = "ADOPT",
                                              .parameters = {&held, log->updates ? 1 : 0},
                                              .read_version = log->table->version,
                                              .is_blind_append = true,
                                              .txn_id = txn_id};
    TRY(delta_commit_encode(&content, &bytes, err));
    TRY(table_log_put(log, log->table->version + 1, &bytes, err));
out:
    text_deinit(&bytes);
    if (status == STATUS_EXISTS || status == STATUS_UNKNOWN) err->class = ERROR_RETRY; // recovery looks again
    return status;
}

// ---- What blocks ----

static void table_log_way(struct text *text, const struct table_log *log, const char *aim, const char *option,
                          const char *verb, const char *table)
{
    text_printf(text, "; to %s: --%s=%s (cluster: foreset pipelines %s %s --table %s)", aim, option, table, verb,
                log->context->pipeline, table);
}

enum status table_log_blocked(const struct table_log *log, const char *what, const char *reason, unsigned ways,
                              struct error *err)
{
    struct text text = {0};
    text_printf(&text,
                "table %s%s: %s. Nothing is lost. Set the table right and run again (cluster: foreset pipelines "
                "retry %s)",
                log->name, what, reason, log->context->pipeline);
    if (ways & TABLE_LOG_ADOPT) table_log_way(&text, log, "accept it as it is", "adopt", "adopt", log->name);
    if (ways & TABLE_LOG_OVERWRITE)
        table_log_way(&text, log, "let the pipeline's rows win", "overwrite", "retry --overwrite", log->name);
    if (ways & TABLE_LOG_REPLAY)
        table_log_way(&text, log, "read the epoch again and write it once more", "replay", "retry --replay",
                      log->plan->name);
    if (ways & TABLE_LOG_REFRESH)
        text_printf(&text, "; to read the sources again: --full-refresh (cluster: foreset pipelines apply FILE "
                           "--full-refresh)");
    table_log_way(&text, log, "give it up", "abandon-table", "abandon-table", log->plan->name);
    enum status status = error_set(err, STATUS_ERROR, ERROR_BLOCKED, "%s", text_str(&text));
    text_deinit(&text);
    return status;
}

enum { TABLE_LOG_NAMED_MAX = 3 };

enum status table_log_look(const struct table_log *log, Foreset__DataFile *const *files, size_t count, const char *role,
                           struct error *err)
{
    enum status status = STATUS_OK;
    struct text gone = {0};
    size_t missing = 0;
    for (size_t i = 0; i < count; i++) {
        struct objstore_entry entry = {0};
        status = log->store->ops->stat(log->store, files[i]->path, &entry, err);
        memory_free(entry.key);
        if (status == STATUS_OK) continue;
        if (status != STATUS_NOT_FOUND) goto out;
        if (missing++ < TABLE_LOG_NAMED_MAX) text_printf(&gone, "%s%s", missing > 1 ? ", " : "", files[i]->path);
    }
    status = STATUS_OK;
    if (missing == 0) goto out;
    char reason[900], obstacle[200];
    const char *more = missing > TABLE_LOG_NAMED_MAX ? ", …" : "";
    bool stays = replay_obstacle(log->context->plan, log->number, obstacle, sizeof obstacle);
    snprintf(
        reason, sizeof reason,
        "%zu of the files that %s %s gone: %s%s. Another writer's VACUUM with a short retention does that. Bring %s "
        "back from a copy%s%s",
        missing, role, text_plural(missing, "is", "are"), text_str(&gone), more, text_plural(missing, "it", "them"),
        stays ? ". --replay cannot help here: " : ", or replay the epoch where the source still has its rows",
        obstacle);
    status = table_log_blocked(log, "", reason, TABLE_LOG_REFRESH | (stays ? 0u : TABLE_LOG_REPLAY), err);
out:
    text_deinit(&gone);
    return status;
}

enum status table_log_check_others(const struct table_log *log, const char *what, struct error *err)
{
    char reason[200];
    const struct table_others *others = &log->others;
    unsigned ways = TABLE_LOG_ADOPT | (log->updates ? TABLE_LOG_OVERWRITE : 0u);
    if (log->replaces) return STATUS_OK; // a full refresh leaves nothing of what is there
    if (others->restored > 0) {
        snprintf(reason, sizeof reason,
                 "its version %" PRId64 " restored an earlier one: rows that the pipeline wrote may be missing, or "
                 "come back",
                 others->restored);
        return table_log_blocked(log, what, reason, ways, err);
    }
    if (!others->cleaned) return STATUS_OK;
    snprintf(reason, sizeof reason,
             "the pipeline's last commit is no longer in its log: what other writers did since cannot be told");
    return table_log_blocked(log, what, reason, ways, err);
}

// ---- Whose it is, with rows ----

static enum status table_log_has_rows(struct table_log *log, bool *ret_rows, struct error *err)
{
    struct delta_table *table = NULL;
    enum status status = delta_table_open(log->store, log->table->version, DELTA_LOAD_FILES, &table, err);
    if (status != STATUS_OK) return status;
    *ret_rows = table->file_count > 0;
    delta_table_close(table);
    return STATUS_OK;
}

static enum status table_log_refuse(struct table_log *log, const char *owner, struct error *err)
{
    bool rows = true;
    if (!owner) {
        enum status status = table_log_has_rows(log, &rows, err);
        if (status != STATUS_OK) return status;
    }
    return error_set(
        err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
        "%s %s%s; this pipeline is %s. Use another name or LOCATION, or take the table over with --adopt=%s", log->url,
        owner  ? "belongs to the pipeline "
        : rows ? "has rows and belongs to no pipeline"
               : "is there already, empty, and belongs to no pipeline",
        owner ? owner : "", log->context->pipeline_id, log->name);
}

enum status table_log_admit(struct table_log *log, bool adopt, bool columns, struct error *err)
{
    enum status status = STATUS_OK;
    const char *owner = delta_table_property(log->table, TABLE_LOG_PROPERTY);
    if (owner && strcmp(owner, log->context->pipeline_id) == 0) return STATUS_OK;
    if (!adopt) TRY(table_log_refuse(log, owner, err));
    TRY(delta_table_check_write(log->table, log->plan->mode != FORESET__TABLE__MODE__APPEND, err));
    TRY(delta_feature_check_adopt(&log->table->metadata, err));
    if (columns) {
        TRY(delta_table_check_schema(log->table, log->schema, (const char *const *)log->plan->partition_columns,
                                     (uint32_t)log->plan->n_partition_columns, err));
    }
out:
    return status == STATUS_OK ? status : error_prefix(err, "table %s", log->name);
}

// *ret_again: it was changed, look once more.
static enum status table_log_check_owner(struct table_log *log, bool adopt, struct random *random, bool *ret_again,
                                         struct error *err)
{
    const char *owner = delta_table_property(log->table, TABLE_LOG_PROPERTY);
    if (owner && strcmp(owner, log->context->pipeline_id) == 0) return STATUS_OK;
    if (!adopt) return table_log_refuse(log, owner, err);
    *ret_again = true;
    return table_log_take_over(log, random, err);
}

enum status table_log_ensure(struct table_log *log, bool adopt, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    for (unsigned attempt = 0; attempt < TABLE_LOG_TRIES; attempt++) {
        bool exists = false, again = false;
        TRY(table_log_refresh(log, &exists, err));
        if (!exists) {
            TRY(table_log_create(log, random, err));
            continue;
        }
        TRY(table_log_check_owner(log, adopt, random, &again, err));
        if (!again) return STATUS_OK;
        log->context->seam->ops->sleep(log->context->seam, TABLE_LOG_BACKOFF_US);
    }
    return error_set(err, STATUS_ERROR, ERROR_RETRY, "table %s at %s does not come into being", log->name, log->url);
out:
    return error_prefix(err, "table %s", log->name);
}

// ---- Columns that come ----

static enum status table_log_extended(const struct table_log *log, struct text *schema, bool *ret_changed,
                                      struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_protocol need;
    TRY(delta_schema_json_extend(log->table->metadata.schema_string, log->schema, schema, ret_changed, err));
    delta_feature_protocol(log->schema, &need);
    if (!*ret_changed || need.min_reader_version <= log->table->protocol.min_reader_version) goto out;
    status = error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                       "a new column is of a type that the table's protocol does not know (timestamp_ntz); cast it, or "
                       "start again with --full-refresh");
out:
    return status;
}

static enum status table_log_put_columns(struct table_log *log, struct text *schema, struct random *random,
                                         struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    struct delta_metadata metadata = log->table->metadata;
    char txn_id[37];
    metadata.schema_string = text_str(schema);
    random_uuid(random, txn_id);
    struct delta_commit_content content = {.metadata = &metadata};
    content.info = (struct delta_commit_info){.timestamp_ms = clock_wall_us(log->context->seam->clock) / 1000,
                                              .operation = "ADD COLUMNS",
                                              .read_version = log->table->version,
                                              .txn_id = txn_id};
    TRY(delta_commit_encode(&content, &bytes, err));
    TRY(FAILPOINT("add_columns.before", err));
    status = table_log_put(log, log->table->version + 1, &bytes, err);
    TRY(FAILPOINT("add_columns.after", err));
    // Whoever made that version: the caller reads it and sees what is still missing.
    if (status == STATUS_EXISTS || status == STATUS_UNKNOWN || status == STATUS_CONFLICT) status = STATUS_OK;
out:
    text_deinit(&bytes);
    return status;
}

enum status table_log_extend(struct table_log *log, struct random *random, struct error *err)
{
    enum status status = STATUS_OK;
    struct text schema = {0};
    for (unsigned attempt = 0; attempt < TABLE_LOG_TRIES; attempt++) {
        bool exists = false, changed = false;
        TRY(table_log_refresh(log, &exists, err));
        ASSERT(exists);
        text_reset(&schema);
        TRY(table_log_extended(log, &schema, &changed, err));
        if (!changed) goto out;
        if (attempt > 0) log->context->seam->ops->sleep(log->context->seam, TABLE_LOG_BACKOFF_US);
        TRY(table_log_put_columns(log, &schema, random, err));
    }
    status = error_set(err, STATUS_ERROR, ERROR_RETRY, "its columns could not be added: other writers came first");
out:
    text_deinit(&schema);
    return status == STATUS_OK ? status : error_prefix(err, "table %s", log->name);
}

// A column that others made NOT NULL while the workers run: they do not look at it.
static enum status table_log_check_nulls(const struct table_log *log, struct error *err)
{
    const struct delta_schema *schema = &log->table->schema;
    for (uint32_t i = 0; log->shape && i < schema->field_count; i++) {
        bool known = schema->fields[i].nullable || type_field_find(log->schema, schema->fields[i].name) < 0;
        for (size_t k = 0; k < log->shape->n_not_null && !known; k++)
            known = strcasecmp(log->shape->not_null[k], schema->fields[i].name) == 0;
        if (known) continue;
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "its column '%s' has become NOT NULL since the pipeline started; start the pipeline again",
                         schema->fields[i].name);
    }
    return STATUS_OK;
}

enum status table_log_check(struct table_log *log, bool removes, struct error *err)
{
    enum status status = STATUS_OK;
    const char *owner = delta_table_property(log->table, TABLE_LOG_PROPERTY);
    if (!owner || strcmp(owner, log->context->pipeline_id) != 0) {
        return error_set(
            err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
            "it carries the pipeline id %s, not ours (%s): another pipeline has taken it over. Stop that one and "
            "take the table back with --adopt=%s, or use another name or LOCATION",
            owner ? owner : "(none)", log->context->pipeline_id, log->name);
    }
    uint32_t partitions = log->dead_letters ? 0 : (uint32_t)log->plan->n_partition_columns;
    TRY(delta_table_check_write(log->table, removes, err));
    if (log->replaces) goto out;
    TRY(table_log_check_nulls(log, err));
    TRY(delta_table_check_schema(log->table, log->schema, (const char *const *)log->plan->partition_columns, partitions,
                                 err));
out:
    return status;
}
