// `foreset plan`: per table its operators from source to sink, cut into stages at exchanges, with state and when it
// expires. Works on the plan message alone, so that it prints what a cluster runs just as well. Secrets are never
// shown.
#include <string.h>

#include "common/columnar/type.h"
#include "common/kafka/kafka_property.h"
#include "common/plan/plan_source.h"
#include "coordinator/planner/planner.h"
#include "coordinator/sql/sql_interval.h"

#define LITERAL_SHOWN_BYTES 60u

#define DEPTH_MAX      200  // of an expression that is printed
#define EXPR_BYTES_MAX 4000 // of what one operator's expressions print

static const char *const mode_names[] = {"?", "append", "update", "complete"};

struct printer {
    const Foreset__Plan *plan;
    struct text *text;
    size_t node_start; // where the operator at hand begins in text
};

static const struct type *input_type(const Foreset__Plan *plan, const Foreset__Node *node)
{
    const struct type *type = NULL;
    if (node->n_inputs == 0 || node->inputs[0] >= plan->n_nodes) return NULL;
    if (type_parse(plan->nodes[node->inputs[0]]->schema, &type, NULL) != STATUS_OK) return NULL;
    return type->kind == TYPE_STRUCT ? type : NULL;
}

static void print_expr(struct printer *printer, uint32_t index, const struct type *input, int depth);

// A string, cut at LITERAL_SHOWN_BYTES, between characters.
static void print_bytes(ProtobufCBinaryData bytes, struct text *text)
{
    size_t shown = bytes.len;
    if (shown > LITERAL_SHOWN_BYTES) {
        for (shown = LITERAL_SHOWN_BYTES; shown > 0 && (bytes.data[shown] & 0xC0) == 0x80;) shown--;
    }
    text_printf(text, "'%.*s%s'", (int)shown, (const char *)bytes.data, shown < bytes.len ? "…" : "");
}

static void print_literal(struct printer *printer, const Foreset__Expr *expr)
{
    struct text *text = printer->text;
    if (expr->has_boolean)
        text_append_str(text, expr->boolean ? "true" : "false");
    else if (expr->has_integer && strstr(expr->type, "interval"))
        sql_interval_print(expr->integer, text);
    else if (expr->has_integer)
        text_printf(text, "%lld", (long long)expr->integer);
    else if (expr->has_real)
        text_printf(text, "%.17g", expr->real);
    else if (expr->has_bytes)
        print_bytes(expr->bytes, text);
    else
        text_append_str(text, "NULL");
}

static void print_window(struct printer *printer, const Foreset__Expr *expr, const struct type *input, int depth)
{
    text_append_str(printer->text, "window(");
    print_expr(printer, expr->args[0], input, depth + 1);
    for (size_t i = 1; i < expr->n_args; i++) {
        const Foreset__Expr *arg = printer->plan->exprs[expr->args[i]];
        if (i == 2 || (i == 3 && arg->integer == 0)) continue; // a tumbling window's slide is its duration
        text_append_str(printer->text, ", ");
        sql_interval_print(arg->integer, printer->text);
    }
    text_append_char(printer->text, ')');
}

static void print_call(struct printer *printer, const Foreset__Expr *expr, const struct type *input, int depth)
{
    struct text *text = printer->text;
    bool symbol = expr->function[0] < 'A' || strcmp(expr->function, "and") == 0 || strcmp(expr->function, "or") == 0;
    if (strcmp(expr->function, "window") == 0 && expr->n_args == 4) {
        print_window(printer, expr, input, depth);
        return;
    }
    if (symbol && expr->n_args == 2 && expr->function[0] != '[') {
        text_append_char(text, '(');
        print_expr(printer, expr->args[0], input, depth + 1);
        text_printf(text, " %s ", expr->function);
        print_expr(printer, expr->args[1], input, depth + 1);
        text_append_char(text, ')');
        return;
    }
    text_printf(text, "%s(", expr->function);
    for (size_t i = 0; i < expr->n_args; i++) {
        if (i) text_append_str(text, ", ");
        print_expr(printer, expr->args[i], input, depth + 1);
    }
    text_append_char(text, ')');
}

static void print_field(struct printer *printer, const Foreset__Expr *expr, const struct type *input, int depth)
{
    const struct type *of = NULL;
    print_expr(printer, expr->args[0], input, depth + 1);
    bool known = type_parse(printer->plan->exprs[expr->args[0]]->type, &of, NULL) == STATUS_OK &&
                 expr->ordinal < of->child_count;
    text_printf(printer->text, ".%s", known ? of->children[expr->ordinal].name : "?");
}

static void print_expr(struct printer *printer, uint32_t index, const struct type *input, int depth)
{
    bool long_enough = printer->text->length - printer->node_start > EXPR_BYTES_MAX;
    if (index >= printer->plan->n_exprs || depth > DEPTH_MAX || long_enough) {
        text_append_str(printer->text, "…");
        return;
    }
    const Foreset__Expr *expr = printer->plan->exprs[index];
    switch (expr->kind) {
    case FORESET__EXPR__KIND__COLUMN:
        text_append_str(printer->text,
                        input && expr->ordinal < input->child_count ? input->children[expr->ordinal].name : "?");
        break;
    case FORESET__EXPR__KIND__LITERAL: print_literal(printer, expr); break;
    case FORESET__EXPR__KIND__CALL: print_call(printer, expr, input, depth); break;
    case FORESET__EXPR__KIND__CAST:
        text_append_str(printer->text, expr->try_ ? "try_cast(" : "cast(");
        print_expr(printer, expr->args[0], input, depth + 1);
        text_printf(printer->text, " as %s)", expr->type);
        break;
    default: print_field(printer, expr, input, depth);
    }
}

static void print_list(struct printer *printer, const uint32_t *exprs, size_t count, const struct type *input)
{
    for (size_t i = 0; i < count; i++) {
        if (i) text_append_str(printer->text, ", ");
        print_expr(printer, exprs[i], input, 0);
    }
}

// name = expression, the name alone where it is the same column.
static void print_project(struct printer *printer, const Foreset__Node *node)
{
    const struct type *input = input_type(printer->plan, node), *output = NULL;
    if (type_parse(node->schema, &output, NULL) != STATUS_OK) return;
    for (size_t i = 0; i < node->n_exprs && i < output->child_count; i++) {
        const Foreset__Expr *expr = printer->plan->exprs[node->exprs[i]];
        const char *name = output->children[i].name;
        if (i) text_append_str(printer->text, ", ");
        bool same = expr->kind == FORESET__EXPR__KIND__COLUMN && input && expr->ordinal < input->child_count &&
                    strcmp(input->children[expr->ordinal].name, name) == 0;
        text_append_str(printer->text, name);
        if (same) continue;
        text_append_str(printer->text, " = ");
        print_expr(printer, node->exprs[i], input, 0);
    }
}

static bool is_secret(const char *key, const char *value)
{
    return kafka_property_is_reference(value) || kafka_property_option_is_secret(key);
}

static void print_source(struct printer *printer, const Foreset__Node *node)
{
    static const char *const kinds[] = {"?", "read_kafka", "read_files", "numbers"};
    const Foreset__Source *source = node->source;
    text_printf(printer->text, "%s \"%s\"", kinds[source->kind <= 3 ? source->kind : 0], source->name);
    if (source->path) text_printf(printer->text, " %s", source->path);
    for (size_t i = 0; i < source->n_options; i++) {
        const char *key = source->options[i]->key, *value = source->options[i]->value;
        if (strcmp(key, "path") == 0 || strcmp(key, "schema") == 0) continue;
        text_printf(printer->text, " %s=%s", key, is_secret(key, value) ? "***" : value);
    }
    text_printf(printer->text, " → %s", node->schema);
}

static void print_aggregates(struct printer *printer, const Foreset__Node *node)
{
    const struct type *input = input_type(printer->plan, node);
    for (size_t i = 0; i < node->n_aggregates; i++) {
        const Foreset__Aggregate *aggregate = node->aggregates[i];
        text_printf(printer->text, "%s%s(", i ? ", " : "", aggregate->function);
        if (aggregate->n_args == 0) text_append_char(printer->text, '*');
        print_list(printer, aggregate->args, aggregate->n_args, input);
        text_append_char(printer->text, ')');
        if (!aggregate->has_filter) continue;
        text_append_str(printer->text, " where ");
        print_expr(printer, aggregate->filter, input, 0);
    }
}

static const char *expr_name(const struct printer *printer, const Foreset__Node *node, uint32_t key)
{
    const struct type *input = input_type(printer->plan, node);
    if (!input || key >= node->n_exprs) return "?";
    const Foreset__Expr *expr = printer->plan->exprs[node->exprs[key]];
    return expr->kind == FORESET__EXPR__KIND__COLUMN && expr->ordinal < input->child_count
               ? input->children[expr->ordinal].name
               : "?";
}

// What the operator keeps, and when it lets go.
static void print_state(struct printer *printer, const Foreset__Node *node)
{
    struct text *text = printer->text;
    const Foreset__Table *table = printer->plan->tables[node->table];
    if (node->kind == FORESET__NODE__KIND__LIMIT && table->mode != FORESET__TABLE__MODE__COMPLETE) {
        text_printf(text, "\n         state %s: rows passed so far, kept for ever", node->name);
    }
    if (node->kind != FORESET__NODE__KIND__DEDUP && node->kind != FORESET__NODE__KIND__AGGREGATE_FINAL) return;
    bool dedup = node->kind == FORESET__NODE__KIND__DEDUP;
    text_printf(text, "\n         state %s: one entry per %s, ", node->name, dedup ? "key" : "group");
    if (node->within_watermark) {
        text_append_str(text, "kept until the watermark passes its first event time + ");
        sql_interval_print(node->delay_us, text);
    } else if (node->has_event_time) {
        text_printf(text, "kept until the watermark passes %s%s", expr_name(printer, node, node->event_time),
                    node->event_time_is_window ? ".end" : "");
    } else {
        text_append_str(text, "kept for ever");
    }
    if (node->has_late_column) text_append_str(text, "; rows below the watermark are dropped");
}

static void print_sort(struct printer *printer, const Foreset__Node *node)
{
    const struct type *input = input_type(printer->plan, node);
    for (size_t i = 0; i < node->n_sort_keys; i++) {
        if (i) text_append_str(printer->text, ", ");
        print_expr(printer, node->sort_keys[i]->expr, input, 0);
        if (node->sort_keys[i]->descending) text_append_str(printer->text, " desc");
    }
}

static void print_node(struct printer *printer, const Foreset__Node *node)
{
    struct text *text = printer->text;
    const struct type *input = input_type(printer->plan, node);
    printer->node_start = text->length;
    switch (node->kind) {
    case FORESET__NODE__KIND__SOURCE: print_source(printer, node); break;
    case FORESET__NODE__KIND__FILTER:
        text_append_str(text, "filter ");
        print_list(printer, node->exprs, node->n_exprs, input);
        break;
    case FORESET__NODE__KIND__PROJECT:
        text_append_str(text, "project ");
        print_project(printer, node);
        break;
    case FORESET__NODE__KIND__WATERMARK:
        text_append_str(text, "watermark ");
        print_list(printer, node->exprs, node->n_exprs, input);
        text_append_str(text, ", delay ");
        sql_interval_print(node->delay_us, text);
        break;
    case FORESET__NODE__KIND__WINDOW:
        text_append_str(text, "sliding window over ");
        print_list(printer, node->exprs, node->n_exprs, input);
        text_append_str(text, ", ");
        sql_interval_print(node->window_us, text);
        text_append_str(text, " every ");
        sql_interval_print(node->slide_us, text);
        break;
    case FORESET__NODE__KIND__EXCHANGE:
        text_append_str(text, node->n_exprs ? "exchange by hash of " : "exchange to one lane");
        print_list(printer, node->exprs, node->n_exprs, input);
        break;
    case FORESET__NODE__KIND__DEDUP:
        text_append_str(text, "drop duplicates on ");
        print_list(printer, node->exprs, node->n_exprs, input);
        break;
    case FORESET__NODE__KIND__AGGREGATE_PARTIAL:
        text_append_str(text, node->n_exprs ? "partial aggregate by " : "partial aggregate");
        print_list(printer, node->exprs, node->n_exprs, input);
        if (node->n_aggregates) text_append_str(text, ": ");
        print_aggregates(printer, node);
        break;
    case FORESET__NODE__KIND__AGGREGATE_FINAL: text_append_str(text, "final aggregate"); break;
    case FORESET__NODE__KIND__UNION: text_printf(text, "union of %zu inputs", node->n_inputs); break;
    case FORESET__NODE__KIND__SORT:
        text_append_str(text, "sort by ");
        print_sort(printer, node);
        break;
    case FORESET__NODE__KIND__LIMIT: text_printf(text, "limit %llu", (unsigned long long)node->limit); break;
    case FORESET__NODE__KIND__TABLE: text_printf(text, "table %s", printer->plan->tables[node->table]->name); break;
    default: text_append_str(text, "?");
    }
    print_state(printer, node);
}

// The table's nodes stand in order; a new stage begins behind an exchange.
static void print_nodes(struct printer *printer, uint32_t table)
{
    const Foreset__Plan *plan = printer->plan;
    unsigned stage = 0;
    bool begin = true;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Node *node = plan->nodes[i];
        if (node->table != table || plan_source_is_fill(node)) continue;
        if (begin || node->n_inputs == 0) text_printf(printer->text, "  stage %u\n", ++stage);
        begin = node->kind == FORESET__NODE__KIND__EXCHANGE;
        text_printf(printer->text, "    %3u  ", i);
        bool stream = plan_source_is_stream(plan, node); // what it would be filled with is no news here
        size_t inputs = stream ? 1 : node->n_inputs;
        if (stream) {
            text_append_str(printer->text, "stream");
        } else {
            print_node(printer, node);
        }
        bool previous = node->n_inputs == 1 && node->inputs[0] + 1 == i && plan->nodes[node->inputs[0]]->table == table;
        for (size_t k = 0; k < inputs && !previous; k++) {
            const Foreset__Node *from = plan->nodes[node->inputs[k]];
            text_printf(printer->text, "%s%u", k ? ", " : "  ← ", node->inputs[k]);
            if (from->table != table) text_printf(printer->text, " (%s)", plan->tables[from->table]->name);
        }
        text_append_char(printer->text, '\n');
    }
}

static void print_names(struct text *text, const char *label, char *const *names, size_t count)
{
    if (count == 0) return;
    text_printf(text, "  %s: ", label);
    for (size_t i = 0; i < count; i++) text_printf(text, "%s%s", i ? ", " : "", names[i]);
    text_append_char(text, '\n');
}

static void print_table(struct printer *printer, uint32_t index)
{
    const Foreset__Table *table = printer->plan->tables[index];
    struct text *text = printer->text;
    text_printf(text, "\ntable %s, %s mode, %s\n", table->name, mode_names[table->mode <= 3 ? table->mode : 0],
                table->url);
    text_printf(text, "  columns: %s\n", table->schema);
    print_names(text, "partitioned by", table->partition_columns, table->n_partition_columns);
    print_names(text, "rows are replaced by", table->merge_keys, table->n_merge_keys);
    if (table->has_interval_us) {
        text_append_str(text, "  published every ");
        sql_interval_print(table->interval_us, text);
        text_append_char(text, '\n');
    }
    text_printf(text, "  dead letters: %s\n", table->dead_letters ? table->dead_letters : "none");
    print_nodes(printer, index);
}

void planner_print(const Foreset__Plan *plan, struct text *text)
{
    struct printer printer = {plan, text, 0};
    text_printf(text, "pipeline %s: %zu table%s, trigger ", plan->pipeline, plan->n_tables,
                plan->n_tables == 1 ? "" : "s");
    if (plan->trigger_us)
        sql_interval_print(plan->trigger_us, text);
    else
        text_append_str(text, "available-now");
    text_printf(text, ", %u shards, bad rows %s\n", plan->shards,
                plan->on_error_fail ? "stop the pipeline" : "go to dead letters");
    for (uint32_t i = 0; i < plan->n_tables; i++) print_table(&printer, i);
}
