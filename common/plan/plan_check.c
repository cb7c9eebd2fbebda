// Checks of plans. One rule a line; what is wrong is named by the node's or expression's number. Pure; a plan of n
// nodes and m expressions takes n + m steps, and as many again for the columns that each node reads.
#include "common/plan/plan_check.h"

#include <string.h>

#include "common/base/format_version.h"
#include "common/base/memory.h"
#include "common/columnar/type.h"

static enum status plan_refuse(struct error *err, const char *what, size_t number, const char *rule)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "the plan that the leader sent cannot be run: %s %zu: %s; are all processes of one version?", what,
                     number, rule);
}

// ---- Expressions ----

static const char *plan_expr_rule(const Foreset__Plan *plan, size_t number)
{
    const Foreset__Expr *expr = plan->exprs[number];
    const struct type *type = NULL;
    struct error ignored;
    if (expr->n_args > PLAN_CHECK_ARGS_MAX) return "too many arguments";
    for (size_t i = 0; i < expr->n_args; i++) {
        if (expr->args[i] >= number) return "an argument stands behind it";
    }
    if (type_parse(expr->type, &type, &ignored) != STATUS_OK) return "its type is none";
    switch (expr->kind) {
    case FORESET__EXPR__KIND__COLUMN: return expr->has_ordinal && expr->n_args == 0 ? NULL : "a column without number";
    case FORESET__EXPR__KIND__LITERAL: return expr->n_args == 0 ? NULL : "a literal with arguments";
    case FORESET__EXPR__KIND__CALL: return expr->function ? NULL : "a call of nothing";
    case FORESET__EXPR__KIND__CAST: return expr->n_args == 1 ? NULL : "a cast of not one argument";
    case FORESET__EXPR__KIND__FIELD: break;
    default: return "its kind is none";
    }
    if (expr->n_args != 1 || !expr->has_ordinal) return "a field of not one struct";
    if (type_parse(plan->exprs[expr->args[0]]->type, &type, &ignored) != STATUS_OK)
        return "its argument's type is none";
    return type->kind == TYPE_STRUCT && expr->ordinal < type->child_count ? NULL : "a field that its struct lacks";
}

// Every column that the marked expressions read is one of the input, of its type. One walk for all of a node.
static bool plan_reads(const Foreset__Plan *plan, const struct type *input, bool *seen)
{
    for (size_t i = plan->n_exprs; i-- > 0;) { // arguments stand before whoever uses them
        if (!seen[i]) continue;
        const Foreset__Expr *expr = plan->exprs[i];
        for (size_t k = 0; k < expr->n_args; k++) seen[expr->args[k]] = true;
        if (expr->kind != FORESET__EXPR__KIND__COLUMN) continue;
        const struct type *type = NULL;
        struct error ignored;
        if (expr->ordinal >= input->child_count || type_parse(expr->type, &type, &ignored) != STATUS_OK) return false;
        if (input->children[expr->ordinal].type != type) return false;
    }
    return true;
}

static bool plan_reads_all(const Foreset__Plan *plan, const Foreset__Node *node, const struct type *input)
{
    bool *seen = memory_calloc(plan->n_exprs + 1, sizeof *seen);
    for (size_t i = 0; i < node->n_exprs; i++) seen[node->exprs[i]] = true;
    for (size_t i = 0; i < node->n_sort_keys; i++) seen[node->sort_keys[i]->expr] = true;
    // Those of the final half are read from states, by the partial one's input.
    bool states = node->kind == FORESET__NODE__KIND__AGGREGATE_FINAL;
    for (size_t i = 0; i < node->n_aggregates && !states; i++) {
        const Foreset__Aggregate *aggregate = node->aggregates[i];
        for (size_t k = 0; k < aggregate->n_args; k++) seen[aggregate->args[k]] = true;
        if (aggregate->has_filter) seen[aggregate->filter] = true;
    }
    bool reads = plan_reads(plan, input, seen);
    memory_free(seen);
    return reads;
}

// ---- Nodes ----

static const char *plan_node_numbers(const Foreset__Plan *plan, size_t number)
{
    const Foreset__Node *node = plan->nodes[number];
    if (node->table >= plan->n_tables) return "of a table that is not there";
    for (size_t i = 0; i < node->n_inputs; i++) {
        if (node->inputs[i] >= number) return "an input stands behind it";
    }
    for (size_t i = 0; i < node->n_exprs; i++) {
        if (node->exprs[i] >= plan->n_exprs) return "an expression that is not there";
    }
    for (size_t i = 0; i < node->n_sort_keys; i++) {
        if (node->sort_keys[i]->expr >= plan->n_exprs) return "a sort key that is not there";
    }
    for (size_t i = 0; i < node->n_aggregates; i++) {
        const Foreset__Aggregate *aggregate = node->aggregates[i];
        for (size_t k = 0; k < aggregate->n_args; k++) {
            if (aggregate->args[k] >= plan->n_exprs) return "an aggregate's argument that is not there";
        }
        if (aggregate->has_filter && aggregate->filter >= plan->n_exprs)
            return "an aggregate's filter that is not there";
    }
    return NULL;
}

static const Foreset__Node *plan_partial(const Foreset__Plan *plan, const Foreset__Node *node)
{
    const Foreset__Node *at = plan->nodes[node->inputs[0]];
    while (at->kind == FORESET__NODE__KIND__EXCHANGE && at->n_inputs == 1) at = plan->nodes[at->inputs[0]];
    return at->kind == FORESET__NODE__KIND__AGGREGATE_PARTIAL ? at : NULL;
}

static const char *plan_node_source(const Foreset__Node *node)
{
    if (!node->source || node->n_inputs != 0) return "a source without what it reads, or with inputs";
    if (node->source->kind == FORESET__SOURCE__KIND__TABLE)
        return node->source->path ? NULL : "a table without a place";
    if (node->source->kind != FORESET__SOURCE__KIND__FILES) return NULL;
    return node->source->path && node->source->file_schema ? NULL : "files without folder or columns";
}

// What each kind needs besides one input.
static const char *plan_node_kind(const Foreset__Plan *plan, size_t number, const struct type *schema,
                                  const struct type *input)
{
    const Foreset__Node *node = plan->nodes[number];
    bool stateful = node->name != NULL;
    switch (node->kind) {
    case FORESET__NODE__KIND__FILTER: return node->n_exprs == 1 ? NULL : "a filter of not one expression";
    case FORESET__NODE__KIND__PROJECT:
        return node->n_exprs == schema->child_count ? NULL : "as many expressions as columns are needed";
    case FORESET__NODE__KIND__WATERMARK: return node->n_exprs == 1 ? NULL : "a watermark without time";
    case FORESET__NODE__KIND__WINDOW:
        if (node->n_exprs != 1 || node->window_us <= 0 || node->slide_us <= 0) return "a window without size";
        return schema->child_count == input->child_count + 1 ? NULL : "a window appends one column";
    case FORESET__NODE__KIND__DEDUP:
        if (node->n_exprs == 0 || !stateful) return "keys and a name are needed";
        if (node->has_late_column && node->late_column >= input->child_count) return "a late test of no column";
        return !node->has_event_time || node->event_time < node->n_exprs ? NULL : "event time is no key";
    case FORESET__NODE__KIND__AGGREGATE_PARTIAL:
        if (schema->child_count != node->n_exprs + 1) return "keys and one column of states are needed";
        return !node->has_event_time || node->event_time < node->n_exprs ? NULL : "event time is no key";
    case FORESET__NODE__KIND__AGGREGATE_FINAL: {
        const Foreset__Node *partial = plan_partial(plan, node);
        if (!partial || !stateful) return "a partial aggregate before it and a name are needed";
        return !node->has_event_time || node->event_time < partial->n_exprs ? NULL : "event time is no key";
    }
    case FORESET__NODE__KIND__LIMIT: return stateful && node->has_limit ? NULL : "a limit without number or name";
    case FORESET__NODE__KIND__TABLE:
        return plan->tables[node->table]->node == number ? NULL : "its table says that another node is it";
    case FORESET__NODE__KIND__EXCHANGE:
    case FORESET__NODE__KIND__SORT: return NULL;
    default: return "its kind is none";
    }
}

static const char *plan_node_rule(const Foreset__Plan *plan, size_t number)
{
    const Foreset__Node *node = plan->nodes[number];
    const struct type *schema = NULL, *input = NULL;
    struct error ignored;
    const char *rule = plan_node_numbers(plan, number);
    if (rule) return rule;
    if (type_parse(node->schema, &schema, &ignored) != STATUS_OK || schema->kind != TYPE_STRUCT)
        return "its columns are none";
    if (node->kind == FORESET__NODE__KIND__SOURCE) return plan_node_source(node);
    if (node->kind == FORESET__NODE__KIND__UNION) return node->n_inputs > 0 ? NULL : "a union of nothing";
    if (node->n_inputs != 1) return "one input is needed";
    if (type_parse(plan->nodes[node->inputs[0]]->schema, &input, &ignored) != STATUS_OK) return "its input is none";
    rule = plan_node_kind(plan, number, schema, input);
    if (rule) return rule;
    return plan_reads_all(plan, node, input) ? NULL : "a column that its input lacks";
}

// ---- Tables ----

static bool plan_nodes_are(const Foreset__Plan *plan, const uint32_t *numbers, size_t count,
                           enum _Foreset__Node__Kind kind)
{
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] >= plan->n_nodes || plan->nodes[numbers[i]]->kind != kind) return false;
    }
    return true;
}

static const char *plan_table_rows(const Foreset__Plan *plan, const Foreset__Table *table, const struct type *schema)
{
    for (size_t i = 0; i < table->n_not_null; i++) {
        if (type_field_find(schema, table->not_null[i]) < 0) return "a NOT NULL column that it lacks";
    }
    for (size_t i = 0; i < table->n_constraints; i++) {
        uint32_t expr = table->constraints[i]->expr;
        if (expr >= plan->n_exprs) return "a constraint that is not there";
        if (strcmp(plan->exprs[expr]->type, "boolean") != 0) return "a constraint that is no boolean";
        bool *seen = memory_calloc(plan->n_exprs + 1, sizeof *seen);
        seen[expr] = true;
        bool reads = plan_reads(plan, schema, seen);
        memory_free(seen);
        if (!reads) return "a constraint over a column that it lacks";
    }
    return NULL;
}

static const char *plan_table_rule(const Foreset__Plan *plan, size_t number)
{
    const Foreset__Table *table = plan->tables[number];
    const struct type *schema = NULL;
    struct error ignored;
    if (table->node >= plan->n_nodes || plan->nodes[table->node]->kind != FORESET__NODE__KIND__TABLE ||
        plan->nodes[table->node]->table != number)
        return "its node is none";
    if (type_parse(table->schema, &schema, &ignored) != STATUS_OK || schema->kind != TYPE_STRUCT)
        return "its columns are none";
    for (size_t i = 0; i < table->n_partition_columns; i++) {
        if (type_field_find(schema, table->partition_columns[i]) < 0) return "a partition column that it lacks";
    }
    const char *rule = plan_table_rows(plan, table, schema);
    if (rule) return rule;
    for (size_t i = 0; i < table->n_stateful_inputs; i++) {
        if (table->stateful_inputs[i] >= plan->n_tables) return "it reads a table that is not there";
    }
    if (!plan_nodes_are(plan, table->sources, table->n_sources, FORESET__NODE__KIND__SOURCE))
        return "it names a source that is none";
    if (!plan_nodes_are(plan, table->watermarks, table->n_watermarks, FORESET__NODE__KIND__WATERMARK))
        return "it names a watermark that is none";
    return table->mode >= FORESET__TABLE__MODE__APPEND && table->mode <= FORESET__TABLE__MODE__COMPLETE
               ? NULL
               : "its mode is none";
}

enum status plan_check(const Foreset__Plan *plan, struct error *err)
{
    const char *rule = NULL;
    enum status status = format_version_check(FORMAT_PLAN, plan->writer,
                                              plan->has_least_reader ? plan->least_reader : 0, err, "the plan");
    if (status != STATUS_OK) return status;
    if (plan->shards == 0 || plan->shards > PLAN_CHECK_SHARDS_MAX) return plan_refuse(err, "shards", plan->shards, "");
    if (plan->n_tables > PLAN_CHECK_TABLES_MAX) return plan_refuse(err, "tables", plan->n_tables, "too many");
    if (plan->n_nodes > PLAN_CHECK_NODES_MAX) return plan_refuse(err, "operators", plan->n_nodes, "too many");
    if (plan->n_exprs > PLAN_CHECK_EXPRS_MAX) return plan_refuse(err, "expressions", plan->n_exprs, "too many");
    for (size_t i = 0; i < plan->n_exprs; i++) {
        if ((rule = plan_expr_rule(plan, i))) return plan_refuse(err, "expression", i, rule);
    }
    for (size_t i = 0; i < plan->n_tables; i++) {
        if ((rule = plan_table_rule(plan, i))) return plan_refuse(err, "table", i, rule);
    }
    for (size_t i = 0; i < plan->n_nodes; i++) {
        if ((rule = plan_node_rule(plan, i))) return plan_refuse(err, "node", i, rule);
    }
    return STATUS_OK;
}

enum status plan_check_manifest(const Foreset__Plan *plan, const Foreset__Manifest *manifest, struct error *err)
{
    for (size_t i = 0; i < manifest->n_tables; i++) {
        if (manifest->tables[i]->table >= plan->n_tables)
            return plan_refuse(err, "table of the manifest", manifest->tables[i]->table, "the plan has none such");
    }
    for (size_t i = 0; i < manifest->n_parts; i++) {
        const Foreset__SnapshotPart *part = manifest->parts[i];
        if (part->shard_last >= plan->shards || part->shard_first > part->shard_last)
            return plan_refuse(err, "state of shard", part->shard_last, "the plan has none such");
    }
    return STATUS_OK;
}
