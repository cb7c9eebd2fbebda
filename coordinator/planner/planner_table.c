// What CREATE STREAMING TABLE says besides its query: properties, columns, constraints, partitions, place; checked
// against what the Delta writer can hold.
#include <stdio.h>
#include <strings.h>

#include "common/delta/delta_path.h"
#include "common/plan/function_table.h"
#include "coordinator/planner/planner_private.h"
#include "coordinator/sql/sql_interval.h"

enum { PARTITION_NAME_MAX = 228, PARTITION_COLUMNS_MAX = 60 }; // folders below a table: 64 at most

static const char *const own_properties[] = {"output.mode", "merge.keys",    "trigger.interval",
                                             "dlq.table",   "state.backend", "schema.evolution"};
static const char *const delta_properties[] = {
    "delta.appendOnly",
    "delta.checkpointInterval",
    "delta.dataSkippingNumIndexedCols",
    "delta.dataSkippingStatsColumns",
    "delta.logRetentionDuration",
    "delta.deletedFileRetentionDuration",
    "delta.parquet.compression.codec",
    "delta.setTransactionRetentionDuration",
    "delta.minReaderVersion",
    "delta.minWriterVersion",
    "delta.targetFileSize",
};
#define INVALID_IN_NAMES " ,;{}()\n\t=" // of columns, without column mapping
#define OWN              (sizeof own_properties / sizeof *own_properties)
#define DELTA            (sizeof delta_properties / sizeof *delta_properties)

static enum status fail(struct planner *planner, uint32_t offset, const char *condition, const char *hint,
                        struct error *err, const char *message)
{
    return sql_text_error(&planner->text, offset, STATUS_INVALID, condition, hint, err, "%s", message);
}

static const char *canonical(const char *key)
{
    for (size_t i = 0; i < OWN; i++) {
        if (strcasecmp(own_properties[i], key) == 0) return own_properties[i];
    }
    for (size_t i = 0; i < DELTA; i++) {
        if (strcasecmp(delta_properties[i], key) == 0) return delta_properties[i];
    }
    return NULL;
}

static enum status unknown_property(struct planner *planner, const struct sql_option *option, struct error *err)
{
    const char *names[OWN + DELTA + 1] = {NULL};
    for (size_t i = 0; i < OWN; i++) names[i] = own_properties[i];
    for (size_t i = 0; i < DELTA; i++) names[OWN + i] = delta_properties[i];
    const char *near = text_nearest(option->key, names);
    const char *hint = near ? arena_printf(planner->arena, "did you mean '%s'?", near)
                            : "known: output.mode, merge.keys, trigger.interval, dlq.table, schema.evolution, delta.…";
    if (strncasecmp(option->key, "delta.", 6) == 0) {
        return sql_text_error(&planner->text, option->offset, STATUS_UNSUPPORTED, NULL, near ? hint : NULL, err,
                              "the Delta property %.100s is not built yet", option->key);
    }
    return sql_text_error(&planner->text, option->offset, STATUS_INVALID, NULL, hint, err,
                          "there is no table property %.100s", option->key);
}

const char *planner_table_property(const struct planner_table *table, const char *key)
{
    for (uint32_t i = 0; i < table->properties.count; i++) {
        if (strcmp(table->properties.items[i].key, key) == 0) return table->properties.items[i].value;
    }
    return NULL;
}

static bool one_of(const char *value, const char *const *words)
{
    for (; *words; words++) {
        if (strcasecmp(value, *words) == 0) return true;
    }
    return false;
}

static enum status unbuilt_value(struct planner *planner, const struct planner_property *property, struct error *err)
{
    return sql_text_error(&planner->text, property->offset, STATUS_UNSUPPORTED, NULL, NULL, err,
                          "'%s' = '%.60s' is not built yet", property->key, property->value);
}

static enum status check_property(struct planner *planner, struct planner_table *table,
                                  const struct planner_property *property, struct error *err)
{
    static const char *const modes[] = {"append", "update", "complete", NULL};
    static const char *const codecs[] = {"zstd", "snappy", "gzip", "lz4_raw", "none", "uncompressed", NULL};
    static const char *const booleans[] = {"true", "false", NULL};
    const char *key = property->key, *value = property->value, *wanted = NULL;
    int64_t number = 0;
    if (strcmp(key, "output.mode") == 0) {
        if (!one_of(value, modes))
            wanted = "append, update or complete";
        else
            table->declared = (value[0] | 32) == 'a'   ? FORESET__TABLE__MODE__APPEND
                              : (value[0] | 32) == 'u' ? FORESET__TABLE__MODE__UPDATE
                                                       : FORESET__TABLE__MODE__COMPLETE;
    } else if (strcmp(key, "trigger.interval") == 0) {
        if (!sql_interval_parse_us(value, &number) || number <= 0) wanted = "an interval ('1 minute')";
    } else if (strcmp(key, "state.backend") == 0) {
        if (strcasecmp(value, "rocksdb") == 0) return unbuilt_value(planner, property, err);
        if (strcasecmp(value, "memory") != 0) wanted = "memory";
    } else if (strcmp(key, "schema.evolution") == 0) {
        if (strcasecmp(value, "rescue") == 0 || strcasecmp(value, "add") == 0)
            return unbuilt_value(planner, property, err);
        if (strcasecmp(value, "fail") != 0) wanted = "fail";
    } else if (strcmp(key, "delta.appendOnly") == 0) {
        if (!one_of(value, booleans)) wanted = "true or false";
    } else if (strcmp(key, "delta.parquet.compression.codec") == 0) {
        if (!one_of(value, codecs)) wanted = "zstd, snappy, gzip, lz4_raw or none";
    } else if (strcmp(key, "delta.checkpointInterval") == 0) {
        if (!text_parse_i64(value, &number) || number < 1) wanted = "a number of commits from 1";
    } else if (strcmp(key, "delta.dataSkippingNumIndexedCols") == 0) {
        if (!text_parse_i64(value, &number) || number < -1) wanted = "a number of columns, or -1 for all";
    } else if (strcmp(key, "delta.logRetentionDuration") == 0 ||
               strcmp(key, "delta.deletedFileRetentionDuration") == 0) {
        if (!sql_interval_parse_us(value, &number) || number < 0) wanted = "an interval ('interval 30 days')";
    } else if (strcmp(key, "merge.keys") != 0 && strcmp(key, "dlq.table") != 0) {
        return unbuilt_value(planner, property, err);
    }
    if (!wanted) return STATUS_OK;
    return fail(planner, property->offset, NULL, NULL, err,
                arena_printf(planner->arena, "'%s' is %s, not '%.60s'", key, wanted, value));
}

enum status planner_table_properties(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_options *options = &table->statement->properties;
    table->declared = FORESET__TABLE__MODE__APPEND;
    for (uint32_t i = 0; i < options->items.count; i++) {
        const struct sql_option *option = &options->items.items[i];
        struct planner_property property = {canonical(option->key), option->text, option->offset};
        if (!property.key) return unknown_property(planner, option, err);
        TRY(check_property(planner, table, &property, err));
        sql_list_push(planner->arena, &table->properties, property);
    }
    const char *append_only = planner_table_property(table, "delta.appendOnly");
    if (append_only && strcasecmp(append_only, "true") == 0 && table->declared != FORESET__TABLE__MODE__APPEND) {
        status = fail(planner, table->statement->offset, NULL, NULL, err,
                      "delta.appendOnly = true, but update and complete mode take rows away");
    }
out:
    return status;
}

static enum status check_constraints(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_context *context = &planner->bind;
    for (uint32_t i = 0; i < table->statement->constraints.count; i++) {
        const struct sql_constraint *constraint = &table->statement->constraints.items[i];
        if (constraint->violation == SQL_VIOLATION_QUARANTINE) {
            return sql_text_error(&planner->text, constraint->offset, STATUS_UNSUPPORTED, NULL,
                                  "ON VIOLATION DROP ROW or FAIL UPDATE, or no action to count", err,
                                  "a constraint with QUARANTINE is not built yet");
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcasecmp(table->statement->constraints.items[k].name, constraint->name) != 0) continue;
            return fail(planner, constraint->offset, "CONSTRAINT_ALREADY_EXISTS", NULL, err,
                        arena_printf(planner->arena, "two constraints are named %.100s", constraint->name));
        }
        struct bind_scope scope = {0};
        for (uint32_t c = 0; c < table->node->columns.count; c++) {
            struct bind_scope_item item = {.name = table->node->columns.items[c]->name,
                                           .column = table->node->columns.items[c]};
            sql_list_push(planner->arena, &scope.items, item);
        }
        struct bind_env env = {.context = context, .scope = &scope, .place = "EXPECT"};
        struct bind_expr *expect = NULL;
        TRY(bind_expression_boolean(&env, constraint->expect, &expect, err));
        if (constraint->violation == SQL_VIOLATION_DROP_ROW) {
            table->node = bind_node_filter(context, table->node, expect);
        } else {
            struct planner_constraint kept = {constraint, expect};
            sql_list_push(planner->arena, &table->constraints, kept);
        }
    }
out:
    return status;
}

// (a INT, b STRING): the query's columns by name, in this order, cast to these types.
static enum status apply_definitions(struct planner *planner, struct planner_table *table, struct error *err)
{
    struct bind_context *context = &planner->bind;
    const struct sql_statement *statement = table->statement;
    if (statement->columns.count == 0) return STATUS_OK;
    SQL_LIST(struct bind_named) items = {0};
    for (uint32_t i = 0; i < statement->columns.count; i++) {
        const struct sql_column_definition *definition = &statement->columns.items[i];
        struct bind_column *column = NULL;
        for (uint32_t c = 0; c < table->node->columns.count; c++) {
            if (strcasecmp(table->node->columns.items[c]->name, definition->name) == 0)
                column = table->node->columns.items[c];
        }
        if (!column)
            return fail(planner, definition->offset, NULL, NULL, err,
                        arena_printf(planner->arena, "the query has no column %.100s", definition->name));
        if (!function_can_cast(column->type, definition->type, false)) {
            return fail(planner, definition->offset, NULL, NULL, err,
                        arena_printf(planner->arena,
                                     "the query's %.60s is of type %.150s, which does not become %.150s", column->name,
                                     column->type->text, definition->type->text));
        }
        struct bind_named item = {bind_expr_cast(context, bind_expr_reference(context, column, NULL), definition->type),
                                  definition->name, definition->offset};
        sql_list_push(planner->arena, &items, item);
    }
    if (items.count != table->node->columns.count) {
        return fail(planner, statement->columns.items[0].offset, NULL, NULL, err,
                    arena_printf(planner->arena, "%u columns are defined, the query has %u", items.count,
                                 table->node->columns.count));
    }
    table->node = bind_node_project(context, table->node, items.items, items.count, statement->offset);
    return STATUS_OK;
}

static bool holds_kind(const struct type *type, enum type_kind kind)
{
    if (type->kind == kind) return true;
    for (uint32_t i = 0; i < type->child_count; i++) {
        if (holds_kind(type->children[i].type, kind)) return true;
    }
    return false;
}

// Struct fields at every level are held to what top-level columns are.
static enum status check_fields(struct planner *planner, const struct planner_table *table, const char *path,
                                const struct type *type, struct error *err)
{
    uint32_t offset = table->statement->query->offset;
    for (uint32_t i = 0; i < type->child_count; i++) {
        const char *name = type->children[i].name;
        bool named = type->kind == TYPE_STRUCT;
        if (named && (name[0] == '\0' || strpbrk(name, INVALID_IN_NAMES))) {
            return fail(planner, offset, "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES",
                        "give the field another name: named_struct('name', …) or CAST(… AS STRUCT<name: type>)", err,
                        arena_printf(planner->arena,
                                     "column %.100s has a field \"%.100s\", a name that Delta does not take", path,
                                     name));
        }
        for (uint32_t k = 0; named && k < i; k++) {
            if (strcasecmp(type->children[k].name, name) != 0) continue;
            return fail(planner, offset, "COLUMN_ALREADY_EXISTS", "rename one or leave it out", err,
                        arena_printf(planner->arena, "column %.100s has two fields that are named %.100s but for case",
                                     path, name));
        }
        const char *inner = named ? arena_printf(planner->arena, "%s.%s", path, name) : path;
        enum status status = check_fields(planner, table, inner, type->children[i].type, err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status check_column(struct planner *planner, const struct planner_table *table, uint32_t at,
                                struct error *err)
{
    const struct bind_column *column = table->node->columns.items[at];
    uint32_t offset = table->statement->query->offset;
    if (column->name[0] == '\0' || strpbrk(column->name, INVALID_IN_NAMES)) {
        return fail(planner, offset, "DELTA_INVALID_CHARACTERS_IN_COLUMN_NAMES", "give it a name: … AS name", err,
                    arena_printf(planner->arena,
                                 "column %u of the query has the name \"%.100s\", which Delta does not take", at + 1,
                                 column->name));
    }
    for (uint32_t i = 0; i < at; i++) {
        if (strcasecmp(table->node->columns.items[i]->name, column->name) != 0) continue;
        return fail(planner, offset, "COLUMN_ALREADY_EXISTS",
                    "rename one: … AS other, or leave it out: * EXCEPT (name)", err,
                    arena_printf(planner->arena, "two columns of the query are named %.100s", column->name));
    }
    bool interval =
        holds_kind(column->type, TYPE_INTERVAL_DAY_TIME) || holds_kind(column->type, TYPE_INTERVAL_YEAR_MONTH);
    if (interval || holds_kind(column->type, TYPE_VOID)) {
        return fail(planner, offset, NULL, "cast it: CAST(x AS STRING)", err,
                    arena_printf(planner->arena, "column %.100s is of type %.150s, which a Delta table cannot hold",
                                 column->name, column->type->text));
    }
    return check_fields(planner, table, column->name, column->type, err);
}

// A partition's folder is "column=value", 255 bytes at most, and a null is __HIVE_DEFAULT_PARTITION__.
static bool partition_name_fits(const char *name)
{
    struct text folder = {0};
    delta_path_escape(name, &folder);
    size_t length = folder.length;
    text_deinit(&folder);
    return length <= PARTITION_NAME_MAX;
}

static enum status check_partitions(struct planner *planner, const struct planner_table *table, struct error *err)
{
    const struct sql_name *by = &table->statement->partitioned_by;
    for (uint32_t i = 0; i < by->parts.count; i++) {
        const struct bind_column *column = NULL;
        for (uint32_t c = 0; c < table->node->columns.count; c++) {
            if (strcasecmp(table->node->columns.items[c]->name, by->parts.items[i]) == 0)
                column = table->node->columns.items[c];
        }
        if (!column)
            return fail(planner, by->offset, "COLUMN_NOT_DEFINED_IN_TABLE", NULL, err,
                        arena_printf(planner->arena, "PARTITIONED BY %.100s: the query has no such column",
                                     by->parts.items[i]));
        if (column->type->kind >= TYPE_STRUCT || column->type->kind == TYPE_BINARY)
            return fail(planner, by->offset, "INVALID_PARTITION_COLUMN_DATA_TYPE", NULL, err,
                        arena_printf(planner->arena,
                                     "PARTITIONED BY %.100s: a table cannot be partitioned by a value of type %.100s",
                                     column->name, column->type->text));
        if (!partition_name_fits(column->name))
            return fail(planner, by->offset, NULL, "give it a shorter name: … AS name", err,
                        arena_printf(planner->arena,
                                     "PARTITIONED BY %.60s…: the column's name is too long for a folder, the limit is "
                                     "%d bytes",
                                     column->name, PARTITION_NAME_MAX));
    }
    if (by->parts.count > PARTITION_COLUMNS_MAX)
        return fail(planner, by->offset, NULL, NULL, err,
                    arena_printf(planner->arena, "PARTITIONED BY %u columns: at most %d are possible", by->parts.count,
                                 PARTITION_COLUMNS_MAX));
    if (by->parts.count && by->parts.count == table->node->columns.count) {
        return fail(planner, by->offset, "ALL_PARTITION_COLUMNS_NOT_ALLOWED", NULL, err,
                    "a table needs a column that it is not partitioned by");
    }
    return STATUS_OK;
}

enum status planner_table_shape(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(apply_definitions(planner, table, err));
    TRY(check_constraints(planner, table, err));
    for (uint32_t i = 0; i < table->node->columns.count; i++) TRY(check_column(planner, table, i, err));
    status = check_partitions(planner, table, err);
out:
    return status;
}

// A path segment as Hive escapes partition values: %XX for what is special there, lower-cased.
static void append_segment(struct text *url, const char *name)
{
    for (const char *c = name; *c; c++) {
        char lower = *c >= 'A' && *c <= 'Z' ? (char)(*c | 32) : *c;
        if ((unsigned char)lower < 0x20 || lower == 0x7F || strchr("\"#%'*/:=?\\{[]^", lower))
            text_printf(url, "%%%02X", (unsigned)(unsigned char)lower);
        else
            text_append_char(url, lower);
    }
}

static const char *table_url(struct planner *planner, const char *const *parts, uint32_t count, const char *suffix)
{
    struct text url = {0};
    text_append_str(&url, planner->warehouse);
    for (uint32_t i = 0; i < count; i++) {
        text_append_char(&url, '/');
        append_segment(&url, parts[i]);
    }
    text_append_str(&url, suffix);
    const char *copy = arena_strdup(planner->arena, text_str(&url));
    text_deinit(&url);
    return copy;
}

// dlq.table, else <table>__dead_letters beside the table.
static enum status fill_dead_letters(struct planner *planner, const struct planner_table *table,
                                     Foreset__Table *message, struct error *err)
{
    const struct sql_name *name = &table->statement->name;
    const char *given = planner_table_property(table, "dlq.table");
    if (!given) {
        message->dead_letters = arena_printf(planner->arena, "%s__dead_letters", message->name);
        message->dead_letters_url =
            table->statement->location
                ? arena_printf(planner->arena, "%s__dead_letters", message->url)
                : (char *)table_url(planner, name->parts.items, name->parts.count, "__dead_letters");
        return STATUS_OK;
    }
    SQL_LIST(const char *) parts = {0};
    char *copy = arena_strdup(planner->arena, given), *rest = NULL;
    for (char *part = copy; part; part = rest) {
        rest = strchr(part, '.');
        if (rest) *rest++ = '\0';
        sql_list_push(planner->arena, &parts, (const char *)part);
    }
    if (parts.count < 1 || parts.count > 3)
        return fail(planner, table->statement->offset, NULL, NULL, err,
                    "'dlq.table' is a table's name of one to three parts");
    enum status status = planner_place_name(planner, parts.items, parts.count, false, table->statement->offset, err);
    if (status != STATUS_OK) return status;
    message->dead_letters = arena_strdup(planner->arena, given);
    for (char *c = message->dead_letters; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c | 32);
    }
    message->dead_letters_url = (char *)table_url(planner, parts.items, parts.count, "");
    return STATUS_OK;
}

static const char *column_name(const struct planner_table *table, const char *name)
{
    for (uint32_t i = 0; i < table->node->columns.count; i++) {
        if (strcasecmp(table->node->columns.items[i]->name, name) == 0) return table->node->columns.items[i]->name;
    }
    return NULL;
}

static void fill_lists(struct planner *planner, const struct planner_table *table, Foreset__Table *message)
{
    const struct sql_name *by = &table->statement->partitioned_by;
    message->partition_columns = arena_calloc(planner->arena, by->parts.count + 1, sizeof *message->partition_columns);
    for (uint32_t i = 0; i < by->parts.count; i++) {
        message->partition_columns[message->n_partition_columns++] = (char *)column_name(table, by->parts.items[i]);
    }
    const struct sql_statement *statement = table->statement;
    message->not_null = arena_calloc(planner->arena, statement->columns.count + 1, sizeof *message->not_null);
    for (uint32_t i = 0; i < statement->columns.count; i++) {
        if (!statement->columns.items[i].not_null) continue;
        message->not_null[message->n_not_null++] = (char *)statement->columns.items[i].name;
    }
    message->properties = arena_calloc(planner->arena, table->properties.count + 1, sizeof *message->properties);
    for (uint32_t i = 0; i < table->properties.count; i++) {
        Foreset__Property *property = arena_alloc(planner->arena, sizeof *property);
        foreset__property__init(property);
        property->key = (char *)table->properties.items[i].key;
        property->value = (char *)table->properties.items[i].value;
        message->properties[message->n_properties++] = property;
    }
}

enum status planner_table_fill(struct planner *planner, struct planner_table *table, Foreset__Table *message,
                               struct error *err)
{
    const struct sql_statement *statement = table->statement;
    bool own_letters = !planner_table_property(table, "dlq.table");
    enum status status = planner_place_name(planner, statement->name.parts.items, statement->name.parts.count,
                                            own_letters, statement->name.offset, err);
    if (status != STATUS_OK) return status;
    foreset__table__init(message);
    message->name = (char *)table->name;
    message->mode = table->mode;
    message->url = statement->location
                       ? (char *)planner_settings_url(planner, statement->location)
                       : (char *)table_url(planner, statement->name.parts.items, statement->name.parts.count, "");
    message->comment = (char *)statement->comment;
    const char *interval = planner_table_property(table, "trigger.interval");
    message->has_interval_us = interval && sql_interval_parse_us(interval, &message->interval_us);
    fill_lists(planner, table, message);
    return fill_dead_letters(planner, table, message, err);
}
