// Actions as JSON lines: see delta_action_json.h. commitInfo is free-form, so there a field of a strange type is left
// out; everywhere else it is an error, because it decides what the table holds.
#include "common/delta/delta_action_json.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct delta_json {
    struct arena *arena;
    const char *action; // for messages
    bool lenient;
    struct error *err;
};

static enum status delta_json_bad(const struct delta_json *json, const char *key, const char *wanted)
{
    return error_set(json->err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "log action %s: field '%s' is not %s",
                     json->action, key, wanted);
}

// The field, NULL if absent or null.
static const json_t *delta_json_field(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

static enum status delta_json_string(const struct delta_json *json, const json_t *object, const char *key,
                                     bool required, const char **ret_value)
{
    const json_t *value = delta_json_field(object, key);
    if (json_is_string(value)) {
        *ret_value = arena_strndup(json->arena, json_string_value(value), json_string_length(value));
    } else if ((value && !json->lenient) || (!value && required)) {
        return delta_json_bad(json, key, "a text");
    }
    return STATUS_OK;
}

static enum status delta_json_i64(const struct delta_json *json, const json_t *object, const char *key, bool required,
                                  int64_t *ret_value)
{
    const json_t *value = delta_json_field(object, key);
    if (json_is_integer(value)) {
        *ret_value = json_integer_value(value);
        return STATUS_OK;
    }
    if (json_is_real(value)) { // 1.0E3, as some writers put large numbers
        double real = json_real_value(value);
        if (floor(real) == real && fabs(real) < 9e15) {
            *ret_value = (int64_t)real;
            return STATUS_OK;
        }
    }
    if ((value && !json->lenient) || (!value && required)) return delta_json_bad(json, key, "a whole number");
    return STATUS_OK;
}

static enum status delta_json_i32(const struct delta_json *json, const json_t *object, const char *key, bool required,
                                  int32_t *ret_value)
{
    int64_t wide = *ret_value;
    enum status status = delta_json_i64(json, object, key, required, &wide);
    if (status != STATUS_OK) return status;
    if (wide < INT32_MIN || wide > INT32_MAX) return delta_json_bad(json, key, "a 32-bit number");
    *ret_value = (int32_t)wide;
    return STATUS_OK;
}

static enum status delta_json_bool(const struct delta_json *json, const json_t *object, const char *key,
                                   bool *ret_value)
{
    const json_t *value = delta_json_field(object, key);
    if (json_is_boolean(value)) {
        *ret_value = json_is_true(value);
    } else if (value && !json->lenient) {
        return delta_json_bad(json, key, "true or false");
    }
    return STATUS_OK;
}

// A value as text: a string's content, else its JSON.
static const char *delta_json_text(const struct delta_json *json, const json_t *value)
{
    if (json_is_null(value)) return NULL;
    if (json_is_string(value)) return arena_strndup(json->arena, json_string_value(value), json_string_length(value));
    size_t size = json_dumpb(value, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY);
    char *text = arena_alloc(json->arena, size + 1);
    size_t wrote = json_dumpb(value, text, size, JSON_COMPACT | JSON_ENCODE_ANY);
    text[wrote <= size ? wrote : 0] = '\0';
    return text;
}

static enum status delta_json_map(const struct delta_json *json, const json_t *object, const char *key,
                                  struct delta_map *ret_map)
{
    const json_t *value = delta_json_field(object, key);
    if (!json_is_object(value)) {
        return value && !json->lenient ? delta_json_bad(json, key, "a map") : STATUS_OK;
    }
    ret_map->count = 0;
    ret_map->items = arena_calloc(json->arena, json_object_size(value), sizeof *ret_map->items);
    void *item = json_object_iter((json_t *)(uintptr_t)value);
    for (; item; item = json_object_iter_next((json_t *)(uintptr_t)value, item)) {
        ret_map->items[ret_map->count++] = (struct delta_pair){arena_strdup(json->arena, json_object_iter_key(item)),
                                                               delta_json_text(json, json_object_iter_value(item))};
    }
    return STATUS_OK;
}

static enum status delta_json_strings(const struct delta_json *json, const json_t *object, const char *key,
                                      bool required, struct delta_strings *ret_strings)
{
    const json_t *value = delta_json_field(object, key);
    if (!value && !required) return STATUS_OK;
    if (!json_is_array(value)) return delta_json_bad(json, key, "a list");
    size_t count = json_array_size(value);
    ret_strings->present = true;
    ret_strings->items = arena_calloc(json->arena, count, sizeof *ret_strings->items);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(value, i);
        if (!json_is_string(item)) return delta_json_bad(json, key, "a list of texts");
        ret_strings->items[i] = arena_strndup(json->arena, json_string_value(item), json_string_length(item));
    }
    ret_strings->count = (uint32_t)count;
    return STATUS_OK;
}

static enum status delta_json_read_dv(const struct delta_json *json, const json_t *object,
                                      const struct delta_deletion_vector **ret_dv)
{
    enum status status = STATUS_OK;
    const json_t *value = delta_json_field(object, "deletionVector");
    if (!value) return STATUS_OK;
    if (!json_is_object(value)) return delta_json_bad(json, "deletionVector", "an object");
    struct delta_deletion_vector *dv = arena_calloc(json->arena, 1, sizeof *dv);
    TRY(delta_json_string(json, value, "storageType", true, &dv->storage_type));
    TRY(delta_json_string(json, value, "pathOrInlineDv", true, &dv->path_or_inline_dv));
    dv->has_offset = delta_json_field(value, "offset") != NULL;
    TRY(delta_json_i32(json, value, "offset", false, &dv->offset));
    TRY(delta_json_i32(json, value, "sizeInBytes", true, &dv->size_bytes));
    TRY(delta_json_i64(json, value, "cardinality", true, &dv->cardinality));
    *ret_dv = dv;
out:
    return status;
}

static enum status delta_json_read_add(const struct delta_json *json, const json_t *object, struct delta_add *add)
{
    enum status status = STATUS_OK;
    add->data_change = true;
    add->base_row_id = add->default_row_commit_version = INT64_MIN;
    TRY(delta_json_string(json, object, "path", true, &add->path));
    TRY(delta_json_map(json, object, "partitionValues", &add->partition_values));
    TRY(delta_json_i64(json, object, "size", true, &add->size_bytes));
    TRY(delta_json_i64(json, object, "modificationTime", false, &add->modified_ms));
    TRY(delta_json_bool(json, object, "dataChange", &add->data_change));
    TRY(delta_json_string(json, object, "stats", false, &add->stats));
    TRY(delta_json_map(json, object, "tags", &add->tags));
    TRY(delta_json_read_dv(json, object, &add->deletion_vector));
    TRY(delta_json_i64(json, object, "baseRowId", false, &add->base_row_id));
    TRY(delta_json_i64(json, object, "defaultRowCommitVersion", false, &add->default_row_commit_version));
    TRY(delta_json_string(json, object, "clusteringProvider", false, &add->clustering_provider));
    if (add->size_bytes < 0) TRY(delta_json_bad(json, "size", "a size"));
out:
    return status;
}

static enum status delta_json_read_remove(const struct delta_json *json, const json_t *object,
                                          struct delta_remove *remove)
{
    enum status status = STATUS_OK;
    remove->data_change = true;
    remove->base_row_id = remove->default_row_commit_version = INT64_MIN;
    TRY(delta_json_string(json, object, "path", true, &remove->path));
    TRY(delta_json_i64(json, object, "deletionTimestamp", false, &remove->deletion_ms));
    TRY(delta_json_bool(json, object, "dataChange", &remove->data_change));
    TRY(delta_json_bool(json, object, "extendedFileMetadata", &remove->extended));
    TRY(delta_json_map(json, object, "partitionValues", &remove->partition_values));
    TRY(delta_json_i64(json, object, "size", false, &remove->size_bytes));
    TRY(delta_json_read_dv(json, object, &remove->deletion_vector));
    TRY(delta_json_i64(json, object, "baseRowId", false, &remove->base_row_id));
    TRY(delta_json_i64(json, object, "defaultRowCommitVersion", false, &remove->default_row_commit_version));
out:
    return status;
}

static enum status delta_json_read_metadata(const struct delta_json *json, const json_t *object,
                                            struct delta_metadata *metadata)
{
    enum status status = STATUS_OK;
    const json_t *format = delta_json_field(object, "format");
    TRY(delta_json_string(json, object, "id", true, &metadata->id));
    TRY(delta_json_string(json, object, "name", false, &metadata->name));
    TRY(delta_json_string(json, object, "description", false, &metadata->description));
    if (json_is_object(format)) {
        TRY(delta_json_string(json, format, "provider", false, &metadata->format_provider));
        TRY(delta_json_map(json, format, "options", &metadata->format_options));
    }
    TRY(delta_json_string(json, object, "schemaString", false, &metadata->schema_string));
    TRY(delta_json_strings(json, object, "partitionColumns", false, &metadata->partition_columns));
    TRY(delta_json_map(json, object, "configuration", &metadata->configuration));
    TRY(delta_json_i64(json, object, "createdTime", false, &metadata->created_time_ms));
out:
    return status;
}

static enum status delta_json_read_protocol(const struct delta_json *json, const json_t *object,
                                            struct delta_protocol *protocol)
{
    enum status status = STATUS_OK;
    TRY(delta_json_i32(json, object, "minReaderVersion", true, &protocol->min_reader_version));
    TRY(delta_json_i32(json, object, "minWriterVersion", true, &protocol->min_writer_version));
    TRY(delta_json_strings(json, object, "readerFeatures", false, &protocol->reader_features));
    TRY(delta_json_strings(json, object, "writerFeatures", false, &protocol->writer_features));
out:
    return status;
}

// [{epoch, name, hash}]; what is not of this form is not ours and left out.
static void delta_json_read_manifests(const struct delta_json *json, const json_t *list, struct delta_commit_info *info)
{
    size_t count = json_array_size(list);
    struct delta_manifest_ref *refs = arena_calloc(json->arena, count, sizeof *refs);
    for (size_t i = 0; i < count; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *hash = json_string_value(json_object_get(item, "hash"));
        if (!name || !hash || strlen(hash) != 16 || strspn(hash, "0123456789abcdef") != 16) continue;
        refs[info->manifest_count++] =
            (struct delta_manifest_ref){(uint64_t)json_integer_value(json_object_get(item, "epoch")),
                                        arena_strdup(json->arena, name), strtoull(hash, NULL, 16)};
    }
    info->manifests = refs;
}

static enum status delta_json_read_commit_info(const struct delta_json *json, const json_t *object,
                                               struct delta_commit_info *info)
{
    enum status status = STATUS_OK;
    int64_t epochs[2] = {0, 0}, generation = 0;
    info->read_version = -1;
    TRY(delta_json_i64(json, object, "timestamp", false, &info->timestamp_ms));
    TRY(delta_json_i64(json, object, "inCommitTimestamp", false, &info->in_commit_timestamp_ms));
    TRY(delta_json_string(json, object, "operation", false, &info->operation));
    TRY(delta_json_map(json, object, "operationParameters", &info->parameters));
    TRY(delta_json_map(json, object, "operationMetrics", &info->metrics));
    TRY(delta_json_i64(json, object, "readVersion", false, &info->read_version));
    TRY(delta_json_bool(json, object, "isBlindAppend", &info->is_blind_append));
    TRY(delta_json_string(json, object, "isolationLevel", false, &info->isolation_level));
    TRY(delta_json_string(json, object, "engineInfo", false, &info->engine_info));
    TRY(delta_json_string(json, object, "txnId", false, &info->txn_id));
    TRY(delta_json_string(json, object, "userMetadata", false, &info->user_metadata));
    TRY(delta_json_string(json, object, "pipelineId", false, &info->pipeline_id));
    TRY(delta_json_string(json, object, "pipeline", false, &info->pipeline));
    TRY(delta_json_string(json, object, "table", false, &info->table));
    TRY(delta_json_i64(json, object, "generation", false, &generation));
    const json_t *pair = delta_json_field(object, "epochs");
    for (size_t i = 0; i < 2 && json_array_size(pair) == 2; i++)
        epochs[i] = json_integer_value(json_array_get(pair, i));
    info->epoch_first = epochs[0] > 0 ? (uint64_t)epochs[0] : 0;
    info->epoch_last = epochs[1] > 0 ? (uint64_t)epochs[1] : 0;
    info->generation = generation > 0 ? (uint64_t)generation : 0;
    delta_json_read_manifests(json, delta_json_field(object, "manifests"), info);
    const json_t *ranges = delta_json_field(object, "ranges");
    info->ranges = ranges ? delta_json_text(json, ranges) : NULL;
out:
    return status;
}

static enum status delta_json_read_txn(const struct delta_json *json, const json_t *object, struct delta_txn *txn)
{
    enum status status = STATUS_OK;
    TRY(delta_json_string(json, object, "appId", true, &txn->app_id));
    TRY(delta_json_i64(json, object, "version", true, &txn->version));
    TRY(delta_json_i64(json, object, "lastUpdated", false, &txn->last_updated_ms));
out:
    return status;
}

static enum status delta_json_read_domain(const struct delta_json *json, const json_t *object,
                                          struct delta_domain *domain)
{
    enum status status = STATUS_OK;
    TRY(delta_json_string(json, object, "domain", true, &domain->domain));
    TRY(delta_json_string(json, object, "configuration", false, &domain->configuration));
    TRY(delta_json_bool(json, object, "removed", &domain->removed));
out:
    return status;
}

static enum status delta_json_read_sidecar(const struct delta_json *json, const json_t *object,
                                           struct delta_sidecar *sidecar)
{
    enum status status = STATUS_OK;
    TRY(delta_json_string(json, object, "path", true, &sidecar->path));
    TRY(delta_json_i64(json, object, "sizeInBytes", false, &sidecar->size_bytes));
    TRY(delta_json_i64(json, object, "modificationTime", false, &sidecar->modified_ms));
out:
    return status;
}

static const struct {
    const char *name;
    enum delta_action_kind kind;
} delta_json_kinds[] = {
    {"add", DELTA_ACTION_ADD},
    {"remove", DELTA_ACTION_REMOVE},
    {"metaData", DELTA_ACTION_METADATA},
    {"protocol", DELTA_ACTION_PROTOCOL},
    {"txn", DELTA_ACTION_TXN},
    {"commitInfo", DELTA_ACTION_COMMIT_INFO},
    {"domainMetadata", DELTA_ACTION_DOMAIN},
    {"cdc", DELTA_ACTION_CDC},
    {"sidecar", DELTA_ACTION_SIDECAR},
    {"checkpointMetadata", DELTA_ACTION_CHECKPOINT_METADATA},
};

static enum status delta_json_read_kind(const struct delta_json *json, const json_t *object,
                                        struct delta_action *action)
{
    switch (action->kind) {
    case DELTA_ACTION_ADD: return delta_json_read_add(json, object, &action->add);
    case DELTA_ACTION_REMOVE: return delta_json_read_remove(json, object, &action->remove);
    case DELTA_ACTION_METADATA: return delta_json_read_metadata(json, object, &action->metadata);
    case DELTA_ACTION_PROTOCOL: return delta_json_read_protocol(json, object, &action->protocol);
    case DELTA_ACTION_TXN: return delta_json_read_txn(json, object, &action->txn);
    case DELTA_ACTION_COMMIT_INFO: return delta_json_read_commit_info(json, object, &action->commit_info);
    case DELTA_ACTION_DOMAIN: return delta_json_read_domain(json, object, &action->domain);
    case DELTA_ACTION_SIDECAR: return delta_json_read_sidecar(json, object, &action->sidecar);
    case DELTA_ACTION_CDC:
    case DELTA_ACTION_CHECKPOINT_METADATA:
    case DELTA_ACTION_UNKNOWN: break;
    }
    return STATUS_OK;
}

enum status delta_action_json_read(const char *line, size_t length, struct arena *arena,
                                   struct delta_action *ret_action, struct error *err)
{
    json_error_t wrong;
    json_t *root = json_loadb(line, length, 0, &wrong);
    if (!json_is_object(root)) {
        enum status status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "log action is not a JSON object: %s",
                                       root ? "another kind of value" : wrong.text);
        json_decref(root);
        return status;
    }
    enum status status = STATUS_OK;
    struct delta_action action = {.kind = DELTA_ACTION_UNKNOWN};
    for (size_t i = 0; i < sizeof delta_json_kinds / sizeof *delta_json_kinds; i++) {
        const json_t *object = delta_json_field(root, delta_json_kinds[i].name);
        if (!object) continue;
        struct delta_json json = {arena, delta_json_kinds[i].name, delta_json_kinds[i].kind == DELTA_ACTION_COMMIT_INFO,
                                  err};
        if (!json_is_object(object)) {
            status = delta_json_bad(&json, delta_json_kinds[i].name, "an object");
            break;
        }
        action.kind = delta_json_kinds[i].kind;
        status = delta_json_read_kind(&json, object, &action);
        break;
    }
    json_decref(root);
    if (status == STATUS_OK) *ret_action = action;
    return status;
}

// ---- writing

struct delta_out {
    struct text *text;
    bool first;
};

static struct delta_out delta_out_begin(struct text *text)
{
    text_append_char(text, '{');
    return (struct delta_out){text, true};
}

static void delta_out_end(struct delta_out *out)
{
    text_append_char(out->text, '}');
}

static void delta_out_key(struct delta_out *out, const char *key)
{
    if (!out->first) text_append_char(out->text, ',');
    out->first = false;
    text_append_json(out->text, key, strlen(key));
    text_append_char(out->text, ':');
}

static void delta_out_value(struct text *text, const char *value)
{
    if (value) {
        text_append_json(text, value, strlen(value));
    } else {
        text_append_str(text, "null");
    }
}

static void delta_out_string(struct delta_out *out, const char *key, const char *value) // NULL: nothing
{
    if (!value) return;
    delta_out_key(out, key);
    delta_out_value(out->text, value);
}

static void delta_out_i64(struct delta_out *out, const char *key, int64_t value)
{
    delta_out_key(out, key);
    text_printf(out->text, "%ld", (long)value);
}

static void delta_out_bool(struct delta_out *out, const char *key, bool value)
{
    delta_out_key(out, key);
    text_append_str(out->text, value ? "true" : "false");
}

static void delta_out_map(struct delta_out *out, const char *key, const struct delta_map *map)
{
    delta_out_key(out, key);
    struct delta_out inner = delta_out_begin(out->text);
    for (uint32_t i = 0; i < map->count; i++) {
        delta_out_key(&inner, map->items[i].key);
        delta_out_value(out->text, map->items[i].value);
    }
    delta_out_end(&inner);
}

static void delta_out_strings(struct delta_out *out, const char *key, const struct delta_strings *strings)
{
    delta_out_key(out, key);
    text_append_char(out->text, '[');
    for (uint32_t i = 0; i < strings->count; i++) {
        if (i) text_append_char(out->text, ',');
        delta_out_value(out->text, strings->items[i]);
    }
    text_append_char(out->text, ']');
}

static void delta_out_dv(struct delta_out *out, const struct delta_deletion_vector *dv)
{
    if (!dv) return;
    delta_out_key(out, "deletionVector");
    struct delta_out inner = delta_out_begin(out->text);
    delta_out_string(&inner, "storageType", dv->storage_type);
    delta_out_string(&inner, "pathOrInlineDv", dv->path_or_inline_dv);
    if (dv->has_offset) delta_out_i64(&inner, "offset", dv->offset);
    delta_out_i64(&inner, "sizeInBytes", dv->size_bytes);
    delta_out_i64(&inner, "cardinality", dv->cardinality);
    delta_out_end(&inner);
}

static void delta_out_row_ids(struct delta_out *out, int64_t base_row_id, int64_t commit_version)
{
    if (base_row_id != INT64_MIN) delta_out_i64(out, "baseRowId", base_row_id);
    if (commit_version != INT64_MIN) delta_out_i64(out, "defaultRowCommitVersion", commit_version);
}

static void delta_out_add(struct delta_out *out, const struct delta_add *add)
{
    delta_out_string(out, "path", add->path);
    delta_out_map(out, "partitionValues", &add->partition_values);
    delta_out_i64(out, "size", add->size_bytes);
    delta_out_i64(out, "modificationTime", add->modified_ms);
    delta_out_bool(out, "dataChange", add->data_change);
    delta_out_string(out, "stats", add->stats);
    if (add->tags.count) delta_out_map(out, "tags", &add->tags);
    delta_out_dv(out, add->deletion_vector);
    delta_out_row_ids(out, add->base_row_id, add->default_row_commit_version);
    delta_out_string(out, "clusteringProvider", add->clustering_provider);
}

static void delta_out_remove(struct delta_out *out, const struct delta_remove *remove)
{
    delta_out_string(out, "path", remove->path);
    if (remove->deletion_ms) delta_out_i64(out, "deletionTimestamp", remove->deletion_ms);
    delta_out_bool(out, "dataChange", remove->data_change);
    if (remove->extended) {
        delta_out_bool(out, "extendedFileMetadata", true);
        delta_out_map(out, "partitionValues", &remove->partition_values);
        delta_out_i64(out, "size", remove->size_bytes);
    }
    delta_out_dv(out, remove->deletion_vector);
    delta_out_row_ids(out, remove->base_row_id, remove->default_row_commit_version);
}

static void delta_out_metadata(struct delta_out *out, const struct delta_metadata *metadata)
{
    delta_out_string(out, "id", metadata->id);
    delta_out_string(out, "name", metadata->name);
    delta_out_string(out, "description", metadata->description);
    delta_out_key(out, "format");
    struct delta_out inner = delta_out_begin(out->text);
    delta_out_string(&inner, "provider", metadata->format_provider ? metadata->format_provider : "parquet");
    delta_out_map(&inner, "options", &metadata->format_options);
    delta_out_end(&inner);
    delta_out_string(out, "schemaString", metadata->schema_string);
    delta_out_strings(out, "partitionColumns", &metadata->partition_columns);
    delta_out_map(out, "configuration", &metadata->configuration);
    if (metadata->created_time_ms) delta_out_i64(out, "createdTime", metadata->created_time_ms);
}

static void delta_out_protocol(struct delta_out *out, const struct delta_protocol *protocol)
{
    delta_out_i64(out, "minReaderVersion", protocol->min_reader_version);
    delta_out_i64(out, "minWriterVersion", protocol->min_writer_version);
    if (protocol->reader_features.present) delta_out_strings(out, "readerFeatures", &protocol->reader_features);
    if (protocol->writer_features.present) delta_out_strings(out, "writerFeatures", &protocol->writer_features);
}

static void delta_out_foreset(struct delta_out *out, const struct delta_commit_info *info)
{
    struct text *text = out->text;
    delta_out_string(out, "pipelineId", info->pipeline_id);
    delta_out_string(out, "pipeline", info->pipeline);
    delta_out_string(out, "table", info->table);
    delta_out_key(out, "epoch");
    text_printf(text, "%lu", (unsigned long)info->epoch_last);
    delta_out_key(out, "epochs");
    text_printf(text, "[%lu,%lu]", (unsigned long)info->epoch_first, (unsigned long)info->epoch_last);
    delta_out_key(out, "manifests");
    text_append_char(text, '[');
    for (uint32_t i = 0; i < info->manifest_count; i++) {
        const struct delta_manifest_ref *ref = &info->manifests[i];
        text_printf(text, "%s{\"epoch\":%lu,\"name\":", i ? "," : "", (unsigned long)ref->epoch);
        delta_out_value(text, ref->name);
        text_printf(text, ",\"hash\":\"%016lx\"}", (unsigned long)ref->hash);
    }
    text_append_char(text, ']');
    delta_out_key(out, "generation");
    text_printf(text, "%lu", (unsigned long)info->generation);
    if (info->ranges) {
        delta_out_key(out, "ranges");
        text_append_str(text, info->ranges);
    }
}

static void delta_out_commit_info(struct delta_out *out, const struct delta_commit_info *info)
{
    if (info->in_commit_timestamp_ms) delta_out_i64(out, "inCommitTimestamp", info->in_commit_timestamp_ms);
    if (info->timestamp_ms) delta_out_i64(out, "timestamp", info->timestamp_ms);
    delta_out_string(out, "operation", info->operation);
    delta_out_map(out, "operationParameters", &info->parameters);
    if (info->read_version >= 0) delta_out_i64(out, "readVersion", info->read_version);
    delta_out_string(out, "isolationLevel", info->isolation_level ? info->isolation_level : "Serializable");
    delta_out_bool(out, "isBlindAppend", info->is_blind_append);
    delta_out_map(out, "operationMetrics", &info->metrics);
    delta_out_string(out, "userMetadata", info->user_metadata);
    delta_out_string(out, "engineInfo", info->engine_info ? info->engine_info : "Foreset");
    delta_out_string(out, "txnId", info->txn_id);
    if (info->pipeline_id) delta_out_foreset(out, info);
}

static void delta_out_txn(struct delta_out *out, const struct delta_txn *txn)
{
    delta_out_string(out, "appId", txn->app_id);
    delta_out_i64(out, "version", txn->version);
    if (txn->last_updated_ms) delta_out_i64(out, "lastUpdated", txn->last_updated_ms);
}

static void delta_out_domain(struct delta_out *out, const struct delta_domain *domain)
{
    delta_out_string(out, "domain", domain->domain);
    delta_out_string(out, "configuration", domain->configuration ? domain->configuration : "");
    delta_out_bool(out, "removed", domain->removed);
}

static const char *delta_json_kind_name(enum delta_action_kind kind)
{
    for (size_t i = 0; i < sizeof delta_json_kinds / sizeof *delta_json_kinds; i++) {
        if (delta_json_kinds[i].kind == kind) return delta_json_kinds[i].name;
    }
    return NULL;
}

void delta_action_json_write(const struct delta_action *action, struct text *text)
{
    const char *name = delta_json_kind_name(action->kind);
    ASSERT(name && action->kind < DELTA_ACTION_CDC);
    struct delta_out line = delta_out_begin(text);
    delta_out_key(&line, name);
    struct delta_out out = delta_out_begin(text);
    switch (action->kind) {
    case DELTA_ACTION_ADD: delta_out_add(&out, &action->add); break;
    case DELTA_ACTION_REMOVE: delta_out_remove(&out, &action->remove); break;
    case DELTA_ACTION_METADATA: delta_out_metadata(&out, &action->metadata); break;
    case DELTA_ACTION_PROTOCOL: delta_out_protocol(&out, &action->protocol); break;
    case DELTA_ACTION_COMMIT_INFO: delta_out_commit_info(&out, &action->commit_info); break;
    case DELTA_ACTION_TXN: delta_out_txn(&out, &action->txn); break;
    case DELTA_ACTION_DOMAIN: delta_out_domain(&out, &action->domain); break;
    case DELTA_ACTION_SIDECAR:
    case DELTA_ACTION_CHECKPOINT_METADATA:
    case DELTA_ACTION_CDC:
    case DELTA_ACTION_UNKNOWN: break; // never written by Foreset
    }
    delta_out_end(&out);
    delta_out_end(&line);
    text_append_char(text, '\n');
}

bool delta_action_json_hint(const char *bytes, size_t size, int64_t *ret_version)
{
    json_t *root = json_loadb(bytes, size, 0, NULL);
    const json_t *version = json_object_get(root, "version");
    bool found = json_is_integer(version) && json_integer_value(version) >= 0;
    if (found) *ret_version = json_integer_value(version);
    json_decref(root);
    return found;
}
