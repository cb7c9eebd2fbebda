// etcd's JSON. Contract: kv_etcd_json.h; the messages are those of etcd's api/etcdserverpb/rpc.proto (3.4), and of
// grpc-gateway for errors ({"error", "message", "code"}) and streams ({"result": …} or {"error": …}, a line each).
#include "common/kv/kv_etcd_json.h"

#include <inttypes.h>
#include <jansson.h>

#include "common/base/base64.h"

// ---- writing

static void kv_etcd_field(struct text *json, const char *name, const void *bytes, size_t size)
{
    text_printf(json, "\"%s\":\"", name);
    base64_append(json, bytes, size);
    text_append_char(json, '"');
}

void kv_etcd_json_range(struct text *json, struct slice key, struct slice end, int64_t limit, int64_t revision)
{
    text_append_char(json, '{');
    kv_etcd_field(json, "key", key.data, key.length);
    if (end.length > 0) {
        text_append_char(json, ',');
        kv_etcd_field(json, "range_end", end.data, end.length);
    }
    if (limit > 0) text_printf(json, ",\"limit\":\"%" PRId64 "\"", limit);
    if (revision > 0) text_printf(json, ",\"revision\":\"%" PRId64 "\"", revision);
    text_append_str(json, ",\"serializable\":false}");
}

static void kv_etcd_compare(struct text *json, const struct kv_compare *compare)
{
    text_append_char(json, '{');
    kv_etcd_field(json, "key", compare->key, strlen(compare->key));
    text_append_str(json, ",\"result\":\"EQUAL\",");
    switch (compare->kind) {
    case KV_VALUE_IS:
        text_append_str(json, "\"target\":\"VALUE\",");
        kv_etcd_field(json, "value", compare->bytes, compare->size);
        break;
    case KV_ABSENT: text_append_str(json, "\"target\":\"CREATE\",\"create_revision\":\"0\""); break;
    case KV_CREATE_REVISION_IS:
        text_printf(json, "\"target\":\"CREATE\",\"create_revision\":\"%" PRId64 "\"", compare->revision);
        break;
    case KV_MOD_REVISION_IS:
        text_printf(json, "\"target\":\"MOD\",\"mod_revision\":\"%" PRId64 "\"", compare->revision);
        break;
    }
    text_append_char(json, '}');
}

static void kv_etcd_op(struct text *json, const struct kv_op *op)
{
    text_append_str(json, op->kind == KV_PUT ? "{\"request_put\":{" : "{\"request_delete_range\":{");
    kv_etcd_field(json, "key", op->key, strlen(op->key));
    if (op->kind == KV_PUT) {
        text_append_char(json, ',');
        kv_etcd_field(json, "value", op->bytes, op->size);
        if (op->lease != 0) text_printf(json, ",\"lease\":\"%" PRId64 "\"", op->lease);
    }
    text_append_str(json, "}}");
}

void kv_etcd_json_txn(struct text *json, const struct kv_compare *compares, size_t compare_count,
                      const struct kv_op *ops, size_t op_count)
{
    text_append_str(json, "{\"compare\":[");
    for (size_t i = 0; i < compare_count; i++) {
        if (i > 0) text_append_char(json, ',');
        kv_etcd_compare(json, &compares[i]);
    }
    text_append_str(json, "],\"success\":[");
    for (size_t i = 0; i < op_count; i++) {
        if (i > 0) text_append_char(json, ',');
        kv_etcd_op(json, &ops[i]);
    }
    text_append_str(json, "]}");
}

void kv_etcd_json_watch(struct text *json, struct slice key, struct slice end, int64_t from_revision)
{
    text_append_str(json, "{\"create_request\":{");
    kv_etcd_field(json, "key", key.data, key.length);
    text_append_char(json, ',');
    kv_etcd_field(json, "range_end", end.data, end.length);
    if (from_revision > 0) text_printf(json, ",\"start_revision\":\"%" PRId64 "\"", from_revision);
    text_append_str(json, "}}");
}

void kv_etcd_json_login(struct text *json, const char *user, const char *password)
{
    text_append_str(json, "{\"name\":");
    text_append_json(json, user, strlen(user));
    text_append_str(json, ",\"password\":");
    text_append_json(json, password, strlen(password));
    text_append_char(json, '}');
}

// ---- reading

static enum status kv_etcd_corrupt(const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "the answer is not etcd's (%s); the address must be a client URL of etcd 3.4 or later", what);
}

static enum status kv_etcd_load(struct slice json, json_t **ret_root, struct error *err)
{
    json_error_t error;
    json_t *root = json_loadb(json.data, json.length, 0, &error);
    if (json_is_object(root)) {
        *ret_root = root;
        return STATUS_OK;
    }
    json_decref(root);
    return kv_etcd_corrupt("no JSON object", err);
}

// A 64-bit number, as string or as number; absent is 0.
static bool kv_etcd_number(const json_t *object, const char *name, int64_t *ret_number)
{
    const json_t *field = json_object_get(object, name);
    *ret_number = json_is_integer(field) ? json_integer_value(field) : 0;
    if (!field || json_is_integer(field)) return true;
    return json_is_string(field) && text_parse_i64(json_string_value(field), ret_number);
}

static bool kv_etcd_header(const json_t *root, struct kv_etcd_header *ret_header)
{
    const json_t *header = json_object_get(root, "header");
    const json_t *cluster = json_object_get(header, "cluster_id");
    *ret_header = (struct kv_etcd_header){0};
    if (!json_is_object(header)) return false;
    if (json_is_integer(cluster)) {
        ret_header->cluster = (uint64_t)json_integer_value(cluster);
    } else if (cluster &&
               !(json_is_string(cluster) && text_parse_u64(json_string_value(cluster), &ret_header->cluster))) {
        return false;
    }
    return kv_etcd_number(header, "revision", &ret_header->revision);
}

// Base64 of a field; absent is empty. *ret_bytes: memory_free.
static bool kv_etcd_bytes(const json_t *object, const char *name, char **ret_bytes, size_t *ret_size)
{
    const json_t *field = json_object_get(object, name);
    if (!field) return base64_read("", 0, ret_bytes, ret_size);
    if (!json_is_string(field)) return false;
    return base64_read(json_string_value(field), json_string_length(field), ret_bytes, ret_size);
}

// Of a mvccpb.KeyValue. A key with a NUL in it is nobody's here.
static bool kv_etcd_item(const json_t *kv, struct kv_item *ret_item)
{
    struct kv_item item = {0};
    char *bytes = NULL;
    size_t key_size = 0;
    if (kv_etcd_bytes(kv, "key", &item.key, &key_size) && strlen(item.key) == key_size && key_size > 0 &&
        kv_etcd_bytes(kv, "value", &bytes, &item.value.size) &&
        kv_etcd_number(kv, "create_revision", &item.value.create_revision) &&
        kv_etcd_number(kv, "mod_revision", &item.value.mod_revision)) {
        item.value.bytes = bytes;
        *ret_item = item;
        return true;
    }
    memory_free(item.key);
    memory_free(bytes);
    return false;
}

enum status kv_etcd_json_read_range(struct slice json, struct kv_etcd_header *ret_header, struct kv_list *list,
                                    bool *ret_more, struct error *err)
{
    json_t *root = NULL;
    enum status status = kv_etcd_load(json, &root, err);
    if (status != STATUS_OK) return status;
    const json_t *kvs = json_object_get(root, "kvs");
    if (!kv_etcd_header(root, ret_header)) status = kv_etcd_corrupt("a range without header", err);
    size_t count = json_array_size(kvs);
    if (count > 0) list->items = memory_realloc(list->items, (list->count + count) * sizeof *list->items);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (kv_etcd_item(json_array_get(kvs, i), &list->items[list->count])) {
            list->count++;
        } else {
            status = kv_etcd_corrupt("a key or value cannot be read", err);
        }
    }
    *ret_more = json_is_true(json_object_get(root, "more"));
    json_decref(root);
    return status;
}

enum status kv_etcd_json_read_txn(struct slice json, struct kv_etcd_header *ret_header, bool *ret_succeeded,
                                  struct error *err)
{
    json_t *root = NULL;
    enum status status = kv_etcd_load(json, &root, err);
    if (status != STATUS_OK) return status;
    if (!kv_etcd_header(root, ret_header)) status = kv_etcd_corrupt("a transaction without header", err);
    *ret_succeeded = json_is_true(json_object_get(root, "succeeded"));
    json_decref(root);
    return status;
}

enum status kv_etcd_json_read_lease(struct slice json, struct kv_etcd_header *ret_header, int64_t *ret_lease,
                                    int64_t *ret_ttl_s, struct error *err)
{
    json_t *root = NULL;
    enum status status = kv_etcd_load(json, &root, err);
    if (status != STATUS_OK) return status;
    const json_t *lease = json_object_get(root, "result"); // of a stream
    if (!lease) lease = root;
    if (!kv_etcd_header(lease, ret_header) || !kv_etcd_number(lease, "ID", ret_lease) || *ret_lease == 0 ||
        !kv_etcd_number(lease, "TTL", ret_ttl_s)) {
        status = kv_etcd_corrupt("a lease without header, ID or TTL", err);
    }
    json_decref(root);
    return status;
}

enum status kv_etcd_json_read_header(struct slice json, struct kv_etcd_header *ret_header, struct error *err)
{
    bool succeeded;
    return kv_etcd_json_read_txn(json, ret_header, &succeeded, err);
}

enum status kv_etcd_json_read_token(struct slice json, char **ret_token, struct error *err)
{
    json_t *root = NULL;
    enum status status = kv_etcd_load(json, &root, err);
    if (status != STATUS_OK) return status;
    const char *token = json_string_value(json_object_get(root, "token"));
    if (token && token[0]) {
        *ret_token = memory_strdup(token);
    } else {
        status = kv_etcd_corrupt("no token", err);
    }
    json_decref(root);
    return status;
}

static void kv_etcd_refusal_of(const json_t *object, struct kv_etcd_refusal *ret_refusal)
{
    const json_t *code = json_object_get(object, "code");
    const char *message = json_string_value(json_object_get(object, "message"));
    if (!code) code = json_object_get(object, "grpc_code"); // streams of 3.4
    if (!message) message = json_string_value(json_object_get(object, "error"));
    if (json_is_integer(code) && json_integer_value(code) > 0 && json_integer_value(code) <= KV_ETCD_UNAUTHENTICATED) {
        ret_refusal->code = (int)json_integer_value(code);
    }
    if (message) snprintf(ret_refusal->message, sizeof ret_refusal->message, "%s", message);
}

void kv_etcd_json_read_refusal(struct slice json, long http_code, struct kv_etcd_refusal *ret_refusal)
{
    json_t *root = NULL;
    *ret_refusal = (struct kv_etcd_refusal){.code = KV_ETCD_UNKNOWN};
    snprintf(
        ret_refusal->message, sizeof ret_refusal->message,
        "HTTP %ld without etcd's words; the address must be a client URL of etcd 3.4 or later, https if it speaks TLS",
        http_code);
    if (kv_etcd_load(json, &root, NULL) != STATUS_OK) return;
    const json_t *error = json_object_get(root, "error");
    kv_etcd_refusal_of(json_is_object(error) ? error : root, ret_refusal);
    json_decref(root);
}

static enum status kv_etcd_event(const json_t *json, struct kv_etcd_watch_line *line, struct error *err)
{
    const char *type = json_string_value(json_object_get(json, "type"));
    struct kv_item item;
    if (type && strcmp(type, "PUT") != 0 && strcmp(type, "DELETE") != 0) {
        return kv_etcd_corrupt("an event of an unknown kind", err);
    }
    if (!kv_etcd_item(json_object_get(json, "kv"), &item)) return kv_etcd_corrupt("an event cannot be read", err);
    struct kv_event event = {.key = item.key,
                             .bytes = item.value.bytes,
                             .size = item.value.size,
                             .removed = type && strcmp(type, "DELETE") == 0,
                             .create_revision = item.value.create_revision,
                             .mod_revision = item.value.mod_revision};
    if (event.removed) {
        memory_free(item.value.bytes);
        event.bytes = NULL;
        event.size = 0;
        event.create_revision = 0;
    }
    vector_push(&line->events, event);
    return STATUS_OK;
}

static enum status kv_etcd_watch_result(const json_t *result, struct kv_etcd_watch_line *line, struct error *err)
{
    const json_t *events = json_object_get(result, "events");
    const char *reason = json_string_value(json_object_get(result, "cancel_reason"));
    if (!kv_etcd_header(result, &line->header) ||
        !kv_etcd_number(result, "compact_revision", &line->compact_revision)) {
        return kv_etcd_corrupt("a watch without header", err);
    }
    line->created = json_is_true(json_object_get(result, "created"));
    line->canceled = json_is_true(json_object_get(result, "canceled"));
    if (reason) snprintf(line->cancel_reason, sizeof line->cancel_reason, "%s", reason);
    enum status status = STATUS_OK;
    for (size_t i = 0; i < json_array_size(events) && status == STATUS_OK; i++) {
        status = kv_etcd_event(json_array_get(events, i), line, err);
    }
    return status;
}

enum status kv_etcd_json_read_watch(struct slice json, struct kv_etcd_watch_line *ret_line, struct error *err)
{
    json_t *root = NULL;
    struct kv_etcd_watch_line line = {0};
    enum status status = kv_etcd_load(json, &root, err);
    if (status != STATUS_OK) return status;
    const json_t *result = json_object_get(root, "result");
    if (json_is_object(result)) {
        status = kv_etcd_watch_result(result, &line, err);
    } else {
        line.refused = true;
        kv_etcd_json_read_refusal(json, 200, &line.refusal);
    }
    json_decref(root);
    if (status == STATUS_OK) {
        *ret_line = line;
    } else {
        kv_etcd_json_watch_deinit(&line);
    }
    return status;
}

void kv_etcd_json_watch_deinit(struct kv_etcd_watch_line *line)
{
    for (size_t i = 0; i < line->events.count; i++) {
        memory_free((void *)(uintptr_t)line->events.items[i].key);
        memory_free((void *)(uintptr_t)line->events.items[i].bytes);
    }
    vector_deinit(&line->events);
}
