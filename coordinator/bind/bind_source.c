// Sources: read_kafka(…) and read_files(…): their options by their known names, with values checked, and their columns.
// An option that is unknown gets the nearest known one; one that Spark knows and Foreset lacks is refused by name.
#include <strings.h>

#include "common/kafka/kafka_property.h"
#include "common/plan/function_table.h"
#include "coordinator/bind/bind.h"

#define SECRET_REFERENCE_MAX 1000u

enum option_kind {
    OPTION_TEXT,
    OPTION_POSITIVE, // whole number > 0
    OPTION_BOOLEAN,
    OPTION_OFFSETS, // earliest, latest, {"topic":{"0":23}}
    OPTION_UNBUILT,
};
struct option_known {
    const char *key;
    enum option_kind kind;
};
static const struct option_known kafka_options[] = {
    {"bootstrapServers", OPTION_TEXT},
    {"subscribe", OPTION_TEXT},
    {"assign", OPTION_TEXT},
    {"startingOffsets", OPTION_OFFSETS},
    {"maxOffsetsPerTrigger", OPTION_POSITIVE},
    {"failOnDataLoss", OPTION_BOOLEAN},
    {"includeHeaders", OPTION_BOOLEAN},
    {"groupIdPrefix", OPTION_TEXT},
    {"subscribePattern", OPTION_UNBUILT},
    {"startingTimestamp", OPTION_UNBUILT},
    {"startingOffsetsByTimestamp", OPTION_UNBUILT},
    {"endingOffsets", OPTION_UNBUILT},
    {"endingTimestamp", OPTION_UNBUILT},
    {"endingOffsetsByTimestamp", OPTION_UNBUILT},
    {"minOffsetsPerTrigger", OPTION_UNBUILT},
    {"maxTriggerDelay", OPTION_UNBUILT},
    {"minPartitions", OPTION_UNBUILT},
    {NULL, OPTION_TEXT},
};
static const struct option_known file_options[] = {
    {"path", OPTION_TEXT}, {"format", OPTION_TEXT}, {"schema", OPTION_TEXT}, {"maxFilesPerTrigger", OPTION_POSITIVE},
    {NULL, OPTION_TEXT},
};

static enum status fail(struct bind_context *context, uint32_t offset, const char *hint, struct error *err,
                        const char *message)
{
    return sql_text_error(context->text, offset, STATUS_INVALID, NULL, hint, err, "%s", message);
}

static bool text_printable(const char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7F) return false;
    }
    return true;
}

// secret('file:/path') and secret('env:NAME') stay as they are written; a worker resolves them.
static enum status secret_text(struct bind_context *context, const struct sql_expr *call, const char **ret_text,
                               struct error *err)
{
    const struct sql_expr *arg = call->args.count == 1 ? call->args.items[0] : NULL;
    bool string = arg && arg->kind == SQL_EXPR_LITERAL && !arg->value.null && arg->value.type->kind == TYPE_STRING;
    const char *where = string ? arg->value.bytes.data : "";
    if (strncmp(where, "file:", 5) == 0 && where[5] != '/') {
        return fail(context, call->offset, "secret('file:/path')", err, "the path of a secret's file is absolute");
    }
    if ((strncmp(where, "file:", 5) == 0 || (strncmp(where, "env:", 4) == 0 && where[4])) && text_printable(where) &&
        strlen(where) < SECRET_REFERENCE_MAX) {
        *ret_text = arena_printf(context->arena, "secret('%s')", where);
        return STATUS_OK;
    }
    return fail(context, call->offset, "secret('env:NAME') or secret('file:/path')", err,
                "secret takes one string that says where the secret is");
}

static enum status option_text(struct bind_context *context, const struct sql_expr *value, const char **ret_text,
                               struct error *err)
{
    if (value->kind == SQL_EXPR_CALL && strcasecmp(value->name, "secret") == 0)
        return secret_text(context, value, ret_text, err);
    const struct sql_value *literal = &value->value;
    if (value->kind == SQL_EXPR_LITERAL && !literal->null) {
        if (literal->type->kind == TYPE_STRING && memchr(literal->bytes.data, 0, literal->bytes.length))
            return fail(context, value->offset, NULL, err, "an option's value holds no NUL character");
        if (literal->type->kind == TYPE_STRING)
            *ret_text = literal->bytes.data;
        else if (literal->type->kind == TYPE_BOOLEAN)
            *ret_text = literal->boolean ? "true" : "false";
        else if (type_is_integral(literal->type))
            *ret_text = arena_printf(context->arena, "%lld", (long long)literal->integer);
        else
            *ret_text = arena_strndup(context->arena, context->text->bytes + value->start, value->end - value->start);
        return STATUS_OK;
    }
    return fail(context, value->offset, "'text', 100000, true, or secret('env:NAME')", err,
                "an option's value is a literal");
}

const char *bind_source_kafka_key(struct arena *arena, const char *key)
{
    if (strncasecmp(key, "kafka.", 6) == 0) key += 6;
    if (strcasecmp(key, "bootstrap.servers") == 0 || strcasecmp(key, "bootstrapServers") == 0)
        return "bootstrapServers";
    const struct kafka_property *property = kafka_property_find(key);
    return arena_printf(arena, "kafka.%s", property ? property->name : key);
}

// A property that the text gives: at its place. A secret in plain words is warned of: whoever reads the file has it.
static enum status kafka_option(struct bind_context *context, const struct sql_option *option, const char *key,
                                const char *value, struct error *err)
{
    if (kafka_property_check(KAFKA_USE_SOURCE, key + 6, value, err) != STATUS_OK)
        return sql_text_locate(context->text, option->offset, NULL, err);
    bool literal = kafka_property_option_is_secret(key) && *value && !kafka_property_is_reference(value);
    if (literal && context->warn) {
        struct sql_place place = sql_text_place(context->text, option->offset);
        context->warn(context->data,
                      arena_printf(context->arena,
                                   "%s:%u:%u: %s is written in the text, where everybody who may read it sees it; "
                                   "write secret('env:NAME') or secret('file:/path')",
                                   context->text->name, place.line, place.column, key));
    }
    return STATUS_OK;
}

static const char *kafka_get(const void *context, const char *name)
{
    const struct bind_source *source = context;
    for (uint32_t i = 0; i < source->options.count; i++) {
        const char *key = source->options.items[i].key;
        if (strncmp(key, "kafka.", 6) == 0 && strcmp(key + 6, name) == 0) return source->options.items[i].value;
    }
    return NULL;
}

// What --kafka and the configuration file give, and all together.
static enum status kafka_check(struct bind_context *context, const struct sql_relation *relation,
                               struct bind_source *source, struct error *err)
{
    for (size_t i = 0; i < context->kafka_count; i++) {
        const struct bind_option *option = &context->kafka[i];
        if (strncmp(option->key, "kafka.", 6) != 0) continue;
        enum status status = kafka_property_check(KAFKA_USE_SOURCE, option->key + 6, option->value, err);
        if (status != STATUS_OK) return error_prefix(err, "--kafka %.100s", option->key + 6);
    }
    if (kafka_property_check_together(kafka_get, source, err) != STATUS_OK)
        return sql_text_locate(context->text, relation->offset, NULL, err);
    return STATUS_OK;
}

static enum status unknown_option(struct bind_context *context, const struct option_known *known, const char *function,
                                  const struct sql_option *option, struct error *err)
{
    const char *names[40];
    size_t count = 0;
    for (; known[count].key && count < 39; count++) names[count] = known[count].key;
    names[count] = NULL;
    const char *near = text_nearest(option->key, names);
    static const char *const foreign[][2] = {{"topic", "subscribe"},
                                             {"topics", "subscribe"},
                                             {"brokers", "bootstrapServers"},
                                             {"bootstrap_servers", "bootstrapServers"},
                                             {"connector", "nothing: the function names it"}};
    for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++) {
        if (strcasecmp(option->key, foreign[i][0]) == 0) near = foreign[i][1];
    }
    const char *hint = near ? arena_printf(context->arena, "did you mean %s?", near) : NULL;
    if (!near && strchr(option->key, '.'))
        hint = arena_printf(context->arena, "properties of librdkafka are written `kafka.%s`", option->key);
    return sql_text_error(context->text, option->offset, STATUS_INVALID, NULL, hint, err, "%s has no option %.100s",
                          function, option->key);
}

static enum status check_value(struct bind_context *context, const struct option_known *known, const char *value,
                               uint32_t offset, struct error *err)
{
    int64_t number;
    const char *wanted = NULL;
    if (known->kind == OPTION_UNBUILT) {
        return sql_text_error(context->text, offset, STATUS_UNSUPPORTED, NULL, NULL, err,
                              "the option %s is not built yet", known->key);
    }
    if (known->kind == OPTION_POSITIVE && (!text_parse_i64(value, &number) || number <= 0))
        wanted = "a whole number greater than 0";
    if (known->kind == OPTION_BOOLEAN && strcasecmp(value, "true") != 0 && strcasecmp(value, "false") != 0)
        wanted = "true or false";
    if (known->kind == OPTION_OFFSETS && strcasecmp(value, "earliest") != 0 && strcasecmp(value, "latest") != 0 &&
        value[0] != '{') {
        wanted = "'earliest', 'latest' or JSON per partition ('{\"topic\":{\"0\":23}}')";
    }
    if (!wanted) return STATUS_OK;
    return sql_text_error(context->text, offset, STATUS_INVALID, NULL, NULL, err, "%s takes %s, not \"%.100s\"",
                          known->key, wanted, value);
}

static void set_option(struct bind_context *context, struct bind_source *source, const char *key, const char *value)
{
    for (uint32_t i = 0; i < source->options.count; i++) {
        if (strcasecmp(source->options.items[i].key, key) != 0) continue;
        source->options.items[i].value = value;
        return;
    }
    struct bind_option option = {key, value};
    sql_list_push(context->arena, &source->options, option);
}

static const char *get_option(const struct bind_source *source, const char *key)
{
    for (uint32_t i = 0; i < source->options.count; i++) {
        if (strcmp(source->options.items[i].key, key) == 0) return source->options.items[i].value;
    }
    return NULL;
}

static enum status read_option(struct bind_context *context, const struct option_known *known, const char *function,
                               const struct sql_option *option, struct bind_source *source, struct error *err)
{
    enum status status = STATUS_OK;
    const char *value = NULL, *key = option->key;
    TRY(option_text(context, option->value, &value, err));
    bool kafka = known == kafka_options;
    if (kafka && strncasecmp(key, "kafka.", 6) == 0) {
        key = bind_source_kafka_key(context->arena, key);
        if (strncmp(key, "kafka.", 6) == 0) TRY(kafka_option(context, option, key, value, err));
    } else {
        if (kafka && strcasecmp(key, "bootstrap.servers") == 0) key = "bootstrapServers";
        if (kafka_property_is_reference(value) && !(kafka && strcasecmp(key, "bootstrapServers") == 0)) {
            status = fail(context, option->value->offset, "a literal", err,
                          "secret(…) is for bootstrapServers and properties kafka.* alone");
            goto out;
        }
        uint32_t at = 0;
        while (known[at].key && strcasecmp(known[at].key, key) != 0) at++;
        if (!known[at].key) return unknown_option(context, known, function, option, err);
        TRY(check_value(context, &known[at], value, option->value->offset, err));
        key = known[at].key;
        if (known[at].kind == OPTION_OFFSETS && value[0] != '{') value = (value[0] | 32) == 'e' ? "earliest" : "latest";
    }
    if (get_option(source, key)) {
        status = sql_text_error(context->text, option->offset, STATUS_INVALID, NULL, NULL, err,
                                "the option %.100s is given twice", key);
        goto out;
    }
    set_option(context, source, key, value);
out:
    return status;
}

static void add_column(struct bind_context *context, struct bind_node *node, const char *name, const struct type *type)
{
    sql_list_push(context->arena, &node->columns, bind_expr_column(context, name, type, false));
}

static enum status bind_kafka(struct bind_context *context, const struct sql_relation *relation, struct bind_node *node,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_source *source = node->source;
    source->kind = FORESET__SOURCE__KIND__KAFKA;
    for (uint32_t i = 0; i < relation->options.items.count; i++) {
        const struct sql_option *option = &relation->options.items.items[i];
        if (!option->key) {
            status = fail(context, option->offset, "read_kafka(bootstrapServers => 'host:9092', subscribe => 'topic')",
                          err, "read_kafka takes options by name");
            goto out;
        }
        TRY(read_option(context, kafka_options, "read_kafka", option, source, err));
    }
    for (size_t i = 0; i < context->kafka_count; i++)
        set_option(context, source, context->kafka[i].key, context->kafka[i].value);
    TRY(kafka_check(context, relation, source, err));
    if (!get_option(source, "bootstrapServers")) {
        status = fail(context, relation->offset, "bootstrapServers => 'host:9092'", err,
                      "read_kafka needs the option bootstrapServers");
        goto out;
    }
    bool subscribe = get_option(source, "subscribe") != NULL, assign = get_option(source, "assign") != NULL;
    if (subscribe == assign) {
        status = fail(context, relation->offset, "subscribe => 'topic' or assign => '{\"topic\":[0,1]}'", err,
                      "read_kafka needs exactly one of subscribe and assign");
        goto out;
    }
    struct field header[2] = {{"key", type_of(TYPE_STRING)}, {"value", type_of(TYPE_BINARY)}};
    const char *headers = get_option(source, "includeHeaders");
    add_column(context, node, "key", type_of(TYPE_BINARY));
    add_column(context, node, "value", type_of(TYPE_BINARY));
    add_column(context, node, "topic", type_of(TYPE_STRING));
    add_column(context, node, "partition", type_of(TYPE_INT));
    add_column(context, node, "offset", type_of(TYPE_BIGINT));
    add_column(context, node, "timestamp", type_of(TYPE_TIMESTAMP));
    add_column(context, node, "timestampType", type_of(TYPE_INT));
    if (headers && strcasecmp(headers, "true") == 0)
        add_column(context, node, "headers", type_array(type_struct(header, 2)));
out:
    return status;
}

// Relative paths start at the SQL file's folder; file:// is taken off.
static enum status absolute_path(struct bind_context *context, uint32_t offset, const char *path, const char **ret_path,
                                 struct error *err)
{
    if (strncmp(path, "file://", 7) == 0)
        path += 7;
    else if (strncmp(path, "file:", 5) == 0)
        path += 5;
    else if (strstr(path, "://")) {
        return sql_text_error(context->text, offset, STATUS_UNSUPPORTED, NULL, "a local directory", err,
                              "read_files from %.100s is not built yet", path);
    }
    while (path[0] == '.' && path[1] == '/') path += 2;
    const char *directory = context->directory ? context->directory : "";
    *ret_path = path[0] == '/' ? path : arena_printf(context->arena, "%s/%s", directory, path);
    return STATUS_OK;
}

static enum status bind_files(struct bind_context *context, const struct sql_relation *relation, struct bind_node *node,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_source *source = node->source;
    source->kind = FORESET__SOURCE__KIND__FILES;
    uint32_t schema_offset = relation->offset;
    for (uint32_t i = 0; i < relation->options.items.count; i++) {
        struct sql_option option = relation->options.items.items[i];
        if (!option.key && i == 0) option.key = "path";
        if (!option.key) {
            status = fail(context, option.offset, "read_files('dir', format => 'json', schema => 'id STRING')", err,
                          "read_files takes its path first, then options by name");
            goto out;
        }
        if (strcasecmp(option.key, "schema") == 0) schema_offset = option.value->offset;
        TRY(read_option(context, file_options, "read_files", &option, source, err));
    }
    const char *path = get_option(source, "path"), *format = get_option(source, "format"),
               *schema = get_option(source, "schema");
    if (!path || !schema) {
        status = fail(context, relation->offset, "read_files('dir', format => 'json', schema => 'id STRING, v INT')",
                      err, path ? "read_files needs the option schema" : "read_files needs a path");
        goto out;
    }
    if (format && strcasecmp(format, "json") != 0) {
        status = sql_text_error(context->text, relation->offset, STATUS_UNSUPPORTED, NULL, "format => 'json'", err,
                                "read_files of format %.60s is not built yet", format);
        goto out;
    }
    TRY(absolute_path(context, relation->offset, path, &source->path, err));
    if (type_parse_ddl(schema, &source->file_schema, err) != STATUS_OK) {
        status = sql_text_locate(context->text, schema_offset, NULL, err);
        goto out;
    }
    for (uint32_t i = 0; i < source->file_schema->child_count; i++) {
        add_column(context, node, source->file_schema->children[i].name, source->file_schema->children[i].type);
    }
out:
    return status;
}

static enum status unknown_source(struct bind_context *context, const struct sql_relation *relation, struct error *err)
{
    static const char *const sources[] = {"read_kafka", "read_files", NULL};
    static const char *const unbuilt[] = {"read_kinesis", "read_pulsar", "read_pubsub", "read_statestore",
                                          "cloud_files",  "range",       "explode"};
    const char *name = relation->name.parts.items[0];
    for (size_t i = 0; i < sizeof unbuilt / sizeof *unbuilt; i++) {
        if (strcasecmp(name, unbuilt[i]) != 0) continue;
        return sql_text_error(context->text, relation->offset, STATUS_UNSUPPORTED, NULL,
                              "read_kafka(…) or read_files(…)", err, "%s in FROM is not built yet", name);
    }
    const char *near = text_nearest(name, sources);
    return sql_text_error(context->text, relation->offset, STATUS_INVALID, "UNRESOLVABLE_TABLE_VALUED_FUNCTION",
                          near ? arena_printf(context->arena, "did you mean %s?", near)
                               : "sources are read_kafka(…) and read_files(…)",
                          err, "there is no source %.100s", name);
}

enum status bind_source(struct bind_context *context, const struct sql_relation *relation, struct bind_node **ret_node,
                        struct error *err)
{
    enum status status = STATUS_OK;
    const char *name = relation->name.parts.items[0];
    bool kafka = strcasecmp(name, "read_kafka") == 0, files = strcasecmp(name, "read_files") == 0;
    if (relation->name.parts.count != 1 || (!kafka && !files)) return unknown_source(context, relation, err);
    if (!relation->stream) {
        return sql_text_error(context->text, relation->offset, STATUS_UNSUPPORTED, NULL,
                              arena_printf(context->arena, "FROM STREAM %s(…)", name), err,
                              "%s without STREAM (a static side, read once per epoch) is not built yet", name);
    }
    struct bind_node *node = bind_node_new(context, BIND_NODE_SOURCE, NULL, relation->offset);
    node->source = arena_calloc(context->arena, 1, sizeof *node->source);
    node->identity = relation->identity;
    if (kafka)
        TRY(bind_kafka(context, relation, node, err));
    else
        TRY(bind_files(context, relation, node, err));
    *ret_node = node;
out:
    return status;
}
