// One compilation: text, settings, views, tables in the order in which they read each other, plan.
// The same for a single expression or select list over given columns, for tools that filter and show rows.
#include <stdio.h>
#include <strings.h>

#include "common/base/hash.h"
#include "common/plan/plan_check.h"
#include "common/plan/plan_file.h"
#include "coordinator/planner/planner_private.h"
#include "coordinator/sql/sql_parse.h"

#define TABLE_DEPTH_MAX 100u
#define VIEWS_MAX       5000u // of one pipeline; tables: PLAN_CHECK_TABLES_MAX

static enum status compile_table(struct planner *planner, struct planner_table *table, struct error *err);

static const char *lower_joined(struct arena *arena, const struct sql_name *name)
{
    const char *whole = name->parts.items[0];
    for (uint32_t i = 1; i < name->parts.count; i++) whole = arena_printf(arena, "%s.%s", whole, name->parts.items[i]);
    char *copy = arena_strdup(arena, whole);
    for (char *c = copy; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c | 32);
    }
    return copy;
}

// A table that stands further down is compiled first.
static enum status find_table(void *data, const struct sql_name *name, const struct bind_table **ret_table,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct planner *planner = data;
    const char *wanted = lower_joined(planner->arena, name);
    for (uint32_t i = 0; i < planner->tables.count; i++) {
        struct planner_table *table = planner->tables.items[i];
        if (strcmp(table->name, wanted) != 0) continue;
        if (table->progress == PLANNER_BINDING) {
            return sql_text_error(&planner->text, name->offset, STATUS_INVALID, NULL, NULL, err,
                                  "table %.200s reads itself, directly or through others", wanted);
        }
        if (table->progress == PLANNER_WAITING) {
            struct bind_context saved = planner->bind;
            if (++planner->bind.depth > TABLE_DEPTH_MAX) {
                return sql_text_error(&planner->text, name->offset, STATUS_INVALID, NULL,
                                      "write tables before those that read them", err,
                                      "more than %u tables read each other backwards", TABLE_DEPTH_MAX);
            }
            memset(&planner->bind.views, 0, sizeof planner->bind.views); // without the WITH names around the reader
            for (uint32_t v = 0; v < planner->view_count; v++)
                sql_list_push(planner->arena, &planner->bind.views, saved.views.items[v]);
            TRY(compile_table(planner, table, err));
            saved.next_id = planner->bind.next_id;
            planner->bind = saved;
        }
        *ret_table = &table->readers_view;
    }
out:
    return status;
}

static const char *const *table_names(void *data)
{
    struct planner *planner = data;
    SQL_LIST(const char *) names = {0};
    for (uint32_t i = 0; i < planner->tables.count; i++)
        sql_list_push(planner->arena, &names, planner->tables.items[i]->name);
    for (uint32_t i = 0; i < planner->bind.views.count; i++) {
        sql_list_push(planner->arena, &names, lower_joined(planner->arena, &planner->bind.views.items[i].name));
    }
    sql_list_push(planner->arena, &names, (const char *)NULL);
    return names.items;
}

static enum status compile_table(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    table->progress = PLANNER_BINDING;
    TRY(planner_table_properties(planner, table, err));
    planner->bind.update_mode = table->declared == FORESET__TABLE__MODE__UPDATE;
    TRY(bind_query(&planner->bind, table->statement->query, &table->node, err));
    TRY(planner_table_shape(planner, table, err));
    TRY(planner_mode_check(planner, table, err));
    TRY(planner_emit_table(planner, table, err));
    struct bind_table *view = &table->readers_view;
    view->name = table->name;
    view->index = table->index;
    view->refusal = table->declared == FORESET__TABLE__MODE__APPEND   ? NULL
                    : table->declared == FORESET__TABLE__MODE__UPDATE ? "the table is in update mode"
                                                                      : "the table is in complete mode";
    for (uint32_t i = 0; i < table->node->columns.count; i++)
        sql_list_push(planner->arena, &view->columns, table->node->columns.items[i]);
    table->progress = PLANNER_DONE;
out:
    return status;
}

static enum status collect(struct planner *planner, struct error *err)
{
    SQL_LIST(const char *) names = {0};
    for (uint32_t i = 0; i < planner->script->statements.count; i++) {
        const struct sql_statement *statement = planner->script->statements.items[i];
        if (statement->kind == SQL_STATEMENT_SET) continue;
        const char *name = lower_joined(planner->arena, &statement->name);
        for (uint32_t k = 0; k < names.count; k++) {
            if (strcmp(names.items[k], name) != 0) continue;
            return sql_text_error(&planner->text, statement->name.offset, STATUS_INVALID,
                                  "TABLE_OR_VIEW_ALREADY_EXISTS", NULL, err, "%.200s is defined twice", name);
        }
        sql_list_push(planner->arena, &names, name);
        bool view_too_many = planner->bind.views.count >= VIEWS_MAX;
        if (view_too_many || planner->tables.count >= PLAN_CHECK_TABLES_MAX) {
            return sql_text_error(&planner->text, statement->name.offset, STATUS_INVALID, NULL,
                                  "make several pipelines of it", err, "a pipeline has at most %u tables and %u views",
                                  PLAN_CHECK_TABLES_MAX, VIEWS_MAX);
        }
        if (statement->kind == SQL_STATEMENT_VIEW) {
            struct bind_view view = {statement->name, statement->query};
            sql_list_push(planner->arena, &planner->bind.views, view);
            continue;
        }
        struct planner_table *table = arena_calloc(planner->arena, 1, sizeof *table);
        table->statement = statement;
        table->name = name;
        sql_list_push(planner->arena, &planner->tables, table);
    }
    planner->view_count = planner->bind.views.count;
    if (planner->tables.count) return STATUS_OK;
    return sql_text_error(&planner->text, 0, STATUS_INVALID, NULL,
                          "CREATE OR REFRESH STREAMING TABLE t AS SELECT … FROM STREAM read_kafka(…)", err,
                          "this pipeline makes no table");
}

static Foreset__Plan *make_plan(struct planner *planner)
{
    Foreset__Plan *plan = arena_alloc(planner->arena, sizeof *plan);
    foreset__plan__init(plan);
    plan->pipeline = (char *)(planner->pipeline ? planner->pipeline : "");
    plan->exprs = planner->exprs.items;
    plan->n_exprs = planner->exprs.count;
    plan->nodes = planner->nodes.items;
    plan->n_nodes = planner->nodes.count;
    plan->tables = planner->plan_tables.items;
    plan->n_tables = planner->plan_tables.count;
    plan->version = 1;
    plan->shards = planner->shards ? planner->shards : 256;
    plan->on_error_fail = planner->on_error_fail;
    plan->trigger_us = planner->trigger_us;
    plan_file_stamp(plan);
    plan->settings = arena_calloc(planner->arena, planner->settings.count + 1, sizeof *plan->settings);
    for (uint32_t i = 0; i < planner->settings.count; i++) {
        Foreset__Property *property = arena_alloc(planner->arena, sizeof *property);
        foreset__property__init(property);
        property->key = (char *)planner->settings.items[i].key;
        property->value = (char *)planner->settings.items[i].value;
        plan->settings[plan->n_settings++] = property;
    }
    plan->sql_hash = arena_printf(planner->arena, "%016llx",
                                  (unsigned long long)hash_64(planner->text.bytes, planner->text.length, 0));
    return plan;
}

// What workers would refuse (plan_check), said at the line that goes too far.
static enum status check_size(struct planner *planner, const Foreset__Plan *plan, struct error *err)
{
    if (plan->n_exprs > PLAN_CHECK_EXPRS_MAX) {
        return sql_text_error(&planner->text, planner->expr_offsets.items[PLAN_CHECK_EXPRS_MAX], STATUS_INVALID, NULL,
                              "make several pipelines of it", err, "this pipeline has %zu expressions, the limit is %u",
                              plan->n_exprs, PLAN_CHECK_EXPRS_MAX);
    }
    size_t bytes = foreset__plan__get_packed_size(plan);
    if (bytes <= PLAN_CHECK_BYTES_MAX) return STATUS_OK;
    return sql_text_error(
        &planner->text, 0, STATUS_INVALID, NULL, "make several pipelines of it, or name fewer columns", err,
        "the plan of this pipeline takes %zu MiB, the limit is %u MiB", bytes >> 20, PLAN_CHECK_BYTES_MAX >> 20);
}

static enum status check_plan(struct planner *planner, const Foreset__Plan *plan, struct error *err)
{
    uint32_t at = 0;
    if (!planner->options->check) return STATUS_OK;
    enum status status = planner->options->check(plan, &at, err);
    if (status == STATUS_OK) return status;
    uint32_t offset = at < planner->expr_offsets.count ? planner->expr_offsets.items[at] : 0;
    return sql_text_locate(&planner->text, offset, NULL, err);
}

// A view is bound wherever it is used: what is said of it is said once.
static void warn(void *data, const char *line)
{
    struct planner *planner = data;
    for (uint32_t i = 0; i < planner->warnings.count; i++) {
        if (strcmp(planner->warnings.items[i], line) == 0) return;
    }
    sql_list_push(planner->arena, &planner->warnings, line);
}

static void start(struct planner *planner, const struct planner_options *options, const char *sql, const char *name,
                  struct arena *arena)
{
    *planner = (struct planner){.options = options, .arena = arena};
    planner->text = (struct sql_text){name, arena_strdup(arena, sql), strlen(sql)};
    planner->bind = (struct bind_context){.text = &planner->text,
                                          .arena = arena,
                                          .directory = options->directory,
                                          .find_table = find_table,
                                          .table_names = table_names,
                                          .warn = warn,
                                          .marks = arena_calloc(arena, 1, sizeof(uint32_t)),
                                          .stop = options->stop,
                                          .stop_context = options->stop_context,
                                          .data = planner};
}

enum status planner_compile(const char *sql, const struct planner_options *options, struct arena *arena,
                            Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    enum status status = STATUS_OK;
    struct planner *planner = arena_calloc(arena, 1, sizeof *planner);
    start(planner, options, sql, options->file_name ? options->file_name : "pipeline.sql", arena);
    struct bind_option *kafka = arena_calloc(arena, options->kafka_count + 1, sizeof *kafka);
    for (size_t i = 0; i < options->kafka_count; i++) {
        kafka[i] = (struct bind_option){bind_source_kafka_key(arena, options->kafka[i].key),
                                        arena_strdup(arena, options->kafka[i].value)};
    }
    planner->bind.kafka = kafka;
    planner->bind.kafka_count = options->kafka_count;
    TRY(sql_parse_script(&planner->text, arena, &planner->script, err));
    TRY(planner_settings_read(planner, err));
    TRY(collect(planner, err));
    for (uint32_t i = 0; i < planner->tables.count; i++) {
        if (planner->tables.items[i]->progress == PLANNER_WAITING)
            TRY(compile_table(planner, planner->tables.items[i], err));
    }
    TRY(planner_place_check(planner, err));
    Foreset__Plan *plan = make_plan(planner);
    TRY(check_size(planner, plan, err));
    TRY(check_plan(planner, plan, err));
    *ret_plan = plan;
    if (ret_warnings) {
        sql_list_push(arena, &planner->warnings, (const char *)NULL);
        *ret_warnings = planner->warnings.items;
    }
out:
    return status;
}

static const struct planner_options no_options;

static struct bind_scope scope_of(struct planner *planner, const struct type *input, struct bind_column ***ret_columns)
{
    struct bind_scope scope = {0};
    *ret_columns = arena_calloc(planner->arena, input->child_count + 1, sizeof **ret_columns);
    for (uint32_t i = 0; i < input->child_count; i++) {
        struct bind_column *column =
            bind_expr_column(&planner->bind, input->children[i].name, input->children[i].type, false);
        struct bind_scope_item item = {.name = column->name, .column = column};
        (*ret_columns)[i] = column;
        sql_list_push(planner->arena, &scope.items, item);
    }
    return scope;
}

enum status planner_compile_expression(const char *text, const struct type *input, struct arena *arena,
                                       Foreset__Plan **ret_plan, uint32_t *ret_root, struct error *err)
{
    enum status status = STATUS_OK;
    struct planner *planner = arena_calloc(arena, 1, sizeof *planner);
    start(planner, &no_options, text, "expression", arena);
    struct sql_expr *parsed = NULL;
    struct bind_expr *bound = NULL;
    struct bind_column **columns = NULL;
    TRY(sql_parse_expression(&planner->text, arena, &parsed, err));
    struct bind_scope scope = scope_of(planner, input, &columns);
    struct bind_env env = {.context = &planner->bind, .scope = &scope, .place = "this expression"};
    TRY(bind_expression(&env, parsed, &bound, err));
    uint32_t root = planner_emit_expr(planner, bound, columns, input->child_count);
    *ret_plan = make_plan(planner);
    *ret_root = root;
out:
    return status;
}

enum status planner_compile_select(const char *select_list, const struct type *input, struct arena *arena,
                                   Foreset__Plan **ret_plan, const uint32_t **ret_roots, const char *const **ret_names,
                                   size_t *ret_count, struct error *err)
{
    enum status status = STATUS_OK;
    struct planner *planner = arena_calloc(arena, 1, sizeof *planner);
    start(planner, &no_options, select_list, "select list", arena);
    struct sql_query *query = NULL;
    bind_named_list items = {0};
    struct bind_column **columns = NULL;
    TRY(sql_parse_select_list(&planner->text, arena, &query, err));
    struct bind_scope scope = scope_of(planner, input, &columns);
    TRY(bind_query_list(&planner->bind, query, &scope, &items, err));
    uint32_t *roots = arena_calloc(arena, items.count + 1, sizeof *roots);
    const char **names = arena_calloc(arena, items.count + 1, sizeof *names);
    for (uint32_t i = 0; i < items.count; i++) {
        roots[i] = planner_emit_expr(planner, items.items[i].expr, columns, input->child_count);
        names[i] = items.items[i].name;
    }
    *ret_plan = make_plan(planner);
    *ret_roots = roots;
    *ret_names = names;
    *ret_count = items.count;
out:
    return status;
}
