// From a bound query to plan nodes: columns get their ordinals, state its exchanges, stateful operators their watermark
// fields (proto/plan.proto binds). Fails only where a name that identifies state is taken twice.
#include <stdio.h>

#include "common/plan/plan_check.h"
#include "common/plan/plan_source.h"
#include "coordinator/planner/planner_private.h"

#define TEXT_MAX 160u // of an expression's SQL that is kept for messages

// One table while it is emitted.
struct emit {
    struct planner *planner;
    struct planner_table *table;
    Foreset__Table *message;
    uint32_t mark;                      // of the node at hand: a shared expression becomes one Expr
    uint32_t *column_exprs;             // per column of its input: its Expr + 1
    struct bind_column *const *columns; // of its input
    uint32_t column_count;
    uint32_t sources, watermarks, dedups, aggregates, limits, sorts;
    SQL_LIST(const char *) names;
    bool single; // rows are on one lane
};

static void *new_array(struct emit *emit, size_t count, size_t size)
{
    return arena_calloc(emit->planner->arena, count + 1, size);
}

static uint32_t ordinal_of(const struct emit *emit, const struct bind_column *column)
{
    for (uint32_t i = 0; i < emit->column_count; i++) {
        if (emit->columns[i] == column) return i;
    }
    ASSERT(emit->column_count == UINT32_MAX); // unreachable: every column that is read is among the input's
    return 0;
}

static char *source_text(struct planner *planner, const struct bind_expr *expr)
{
    struct text text = {0};
    bool blank = false;
    for (uint32_t i = expr->start; i < expr->end && text.length < TEXT_MAX; i++) {
        char c = planner->text.bytes[i];
        bool space = c == ' ' || (c >= '\t' && c <= '\r');
        if (!space && blank) text_append_char(&text, ' ');
        if (!space) text_append_char(&text, c);
        blank = space && text.length;
    }
    while (text.length && !text_utf8_valid((const uint8_t *)text_str(&text), text.length))
        text.data[--text.length] = '\0';
    char *copy = arena_strdup(planner->arena, text_str(&text));
    text_deinit(&text);
    return copy;
}

static uint32_t add_expr(struct planner *planner, Foreset__Expr *expr, uint32_t offset)
{
    sql_list_push(planner->arena, &planner->expr_offsets, offset);
    sql_list_push(planner->arena, &planner->exprs, expr);
    return planner->exprs.count - 1;
}

static uint32_t emit_column(struct emit *emit, const struct bind_column *column)
{
    uint32_t ordinal = ordinal_of(emit, column);
    if (emit->column_exprs[ordinal]) return emit->column_exprs[ordinal] - 1;
    Foreset__Expr *message = arena_alloc(emit->planner->arena, sizeof *message);
    foreset__expr__init(message);
    message->kind = FORESET__EXPR__KIND__COLUMN;
    message->type = (char *)column->type->text;
    message->has_ordinal = true;
    message->ordinal = ordinal;
    emit->column_exprs[ordinal] = add_expr(emit->planner, message, 0) + 1;
    return emit->column_exprs[ordinal] - 1;
}

static uint32_t emit_expr(struct emit *emit, struct bind_expr *expr)
{
    struct planner *planner = emit->planner;
    if (expr->kind == BIND_COLUMN) return emit_column(emit, expr->column);
    if (!bind_expr_visit(expr, emit->mark)) return expr->index;
    Foreset__Expr *message = arena_alloc(planner->arena, sizeof *message);
    if (expr->kind == BIND_LITERAL) {
        bind_expr_fill_literal(planner->arena, &expr->value, message);
        return expr->index = add_expr(planner, message, expr->offset);
    }
    foreset__expr__init(message);
    message->type = (char *)expr->type->text;
    message->args = new_array(emit, expr->args.count, sizeof *message->args);
    for (uint32_t i = 0; i < expr->args.count; i++) message->args[i] = emit_expr(emit, expr->args.items[i]);
    message->n_args = expr->args.count;
    switch (expr->kind) {
    case BIND_FIELD:
        message->kind = FORESET__EXPR__KIND__FIELD;
        message->has_ordinal = true;
        message->ordinal = expr->ordinal;
        break;
    case BIND_CAST:
        message->kind = FORESET__EXPR__KIND__CAST;
        message->has_try_ = expr->try_cast;
        message->try_ = expr->try_cast;
        break;
    default:
        ASSERT(expr->kind == BIND_CALL);
        message->kind = FORESET__EXPR__KIND__CALL;
        message->function = (char *)expr->function;
    }
    if (expr->end > expr->start) message->text = source_text(planner, expr);
    return expr->index = add_expr(planner, message, expr->offset);
}

static void over(struct emit *emit, struct bind_column *const *columns, uint32_t count)
{
    emit->mark = bind_expr_walk(&emit->planner->bind);
    emit->column_exprs = arena_calloc(emit->planner->arena, count + 1, sizeof *emit->column_exprs);
    emit->columns = columns;
    emit->column_count = count;
}

uint32_t planner_emit_expr(struct planner *planner, struct bind_expr *expr, struct bind_column *const *columns,
                           uint32_t count)
{
    struct emit emit = {.planner = planner};
    over(&emit, columns, count);
    return emit_expr(&emit, expr);
}

static char *schema_text(struct emit *emit, struct bind_column *const *columns, uint32_t count)
{
    struct field *fields = new_array(emit, count, sizeof *fields);
    for (uint32_t i = 0; i < count; i++) fields[i] = (struct field){columns[i]->name, columns[i]->type};
    return (char *)type_struct(fields, count)->text;
}

static Foreset__Node *new_node(struct emit *emit, Foreset__Node__Kind kind, uint32_t input, uint32_t input_count)
{
    Foreset__Node *node = arena_alloc(emit->planner->arena, sizeof *node);
    foreset__node__init(node);
    node->kind = kind;
    node->table = emit->table->index;
    node->inputs = new_array(emit, input_count ? input_count : 1, sizeof *node->inputs);
    if (input_count == 1) node->inputs[node->n_inputs++] = input;
    return node;
}

static uint32_t add_node(struct emit *emit, Foreset__Node *node)
{
    sql_list_push(emit->planner->arena, &emit->planner->nodes, node);
    return emit->planner->nodes.count - 1;
}

static void emit_exprs(struct emit *emit, Foreset__Node *node, struct bind_expr *const *exprs, uint32_t count)
{
    node->exprs = new_array(emit, count, sizeof *node->exprs);
    for (uint32_t i = 0; i < count; i++) node->exprs[i] = emit_expr(emit, exprs[i]);
    node->n_exprs = count;
}

// Names identify state across changes of the text: they are unique within a table.
static enum status claim_name(struct emit *emit, const char *identity, const char *kind, uint32_t *count,
                              uint32_t offset, char **ret_name, struct error *err)
{
    const char *name = identity ? identity : arena_printf(emit->planner->arena, "%s-%u", kind, ++*count);
    for (uint32_t i = 0; i < emit->names.count; i++) {
        if (strcmp(emit->names.items[i], name) != 0) continue;
        return sql_text_error(&emit->planner->text, offset, STATUS_INVALID, NULL,
                              "every IDENTIFIED BY has a name of its own", err,
                              "IDENTIFIED BY %.100s stands twice in table %.100s", name, emit->table->name);
    }
    sql_list_push(emit->planner->arena, &emit->names, name);
    *ret_name = (char *)name;
    return STATUS_OK;
}

static uint32_t emit_exchange(struct emit *emit, uint32_t input, struct bind_column *const *columns, uint32_t count,
                              struct bind_column *const *keys, uint32_t key_count)
{
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__EXCHANGE, input, 1);
    over(emit, columns, count);
    node->schema = schema_text(emit, columns, count);
    node->exprs = new_array(emit, key_count, sizeof *node->exprs);
    for (uint32_t i = 0; i < key_count; i++) {
        node->exprs[i] = emit_expr(emit, bind_expr_reference(&emit->planner->bind, keys[i], NULL));
    }
    node->n_exprs = key_count;
    emit->single = key_count == 0;
    return add_node(emit, node);
}

static uint32_t emit_single(struct emit *emit, uint32_t input, const struct bind_node *of)
{
    return emit->single ? input : emit_exchange(emit, input, of->columns.items, of->columns.count, NULL, 0);
}

static enum status emit_node(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index, struct error *err);

static Foreset__Property *new_property(struct emit *emit, const char *key, const char *value)
{
    Foreset__Property *property = arena_alloc(emit->planner->arena, sizeof *property);
    foreset__property__init(property);
    property->key = arena_strdup(emit->planner->arena, key);
    property->value = arena_strdup(emit->planner->arena, value);
    return property;
}

static enum status emit_source(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__SOURCE, 0, 0);
    Foreset__Source *source = arena_alloc(emit->planner->arena, sizeof *source);
    foreset__source__init(source);
    source->kind = bound->source->kind;
    source->name = (char *)(bound->identity ? bound->identity
                                            : arena_printf(emit->planner->arena, "%s/source-%u", emit->table->name,
                                                           ++emit->sources));
    for (uint32_t i = 0; i < emit->planner->nodes.count; i++) {
        const Foreset__Node *other = emit->planner->nodes.items[i];
        if (!other->source || strcmp(other->source->name, source->name) != 0) continue;
        status = sql_text_error(&emit->planner->text, bound->offset, STATUS_INVALID, NULL,
                                "every source has a name of its own", err, "two sources are IDENTIFIED BY %.100s",
                                source->name);
        goto out;
    }
    source->options = new_array(emit, bound->source->options.count, sizeof *source->options);
    for (uint32_t i = 0; i < bound->source->options.count; i++) {
        source->options[source->n_options++] =
            new_property(emit, bound->source->options.items[i].key, bound->source->options.items[i].value);
    }
    source->path = (char *)bound->source->path;
    source->file_schema = bound->source->file_schema ? (char *)bound->source->file_schema->text : NULL;
    node->source = source;
    node->schema = schema_text(emit, bound->columns.items, bound->columns.count);
    *ret_index = add_node(emit, node);
    emit->message->sources[emit->message->n_sources++] = *ret_index;
out:
    return status;
}

// Filter, project, watermark, sliding window, sort, limit: one input, one node.
static enum status emit_simple(struct emit *emit, const struct bind_node *bound, Foreset__Node__Kind kind,
                               uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    const struct bind_node *below = bound->inputs.items[0];
    uint32_t input = 0;
    TRY(emit_node(emit, below, &input, err));
    if (kind == FORESET__NODE__KIND__SORT || kind == FORESET__NODE__KIND__LIMIT)
        input = emit_single(emit, input, below);
    Foreset__Node *node = new_node(emit, kind, input, 1);
    over(emit, below->columns.items, below->columns.count);
    node->schema = schema_text(emit, bound->columns.items, bound->columns.count);
    emit_exprs(emit, node, bound->exprs.items, bound->exprs.count);
    if (kind == FORESET__NODE__KIND__WATERMARK) {
        const char *identity =
            bound->identity ? arena_printf(emit->planner->arena, "%s/watermark", bound->identity) : NULL;
        TRY(claim_name(emit, identity, "watermark", &emit->watermarks, bound->offset, &node->name, err));
        node->has_delay_us = true;
        node->delay_us = bound->delay_us;
    } else if (kind == FORESET__NODE__KIND__WINDOW) {
        node->has_window_us = node->has_slide_us = node->has_offset_us = true;
        node->window_us = bound->window_us;
        node->slide_us = bound->slide_us;
        node->offset_us = bound->offset_us;
    } else if (kind == FORESET__NODE__KIND__LIMIT) {
        TRY(claim_name(emit, NULL, "limit", &emit->limits, bound->offset, &node->name, err));
        node->has_limit = true;
        node->limit = bound->limit;
    }
    node->sort_keys = new_array(emit, bound->sort_keys.count, sizeof *node->sort_keys);
    for (uint32_t i = 0; i < bound->sort_keys.count; i++) {
        Foreset__SortKey *key = arena_alloc(emit->planner->arena, sizeof *key);
        foreset__sort_key__init(key);
        key->expr = emit_expr(emit, bound->sort_keys.items[i].expr);
        key->has_descending = key->has_nulls_last = true;
        key->descending = bound->sort_keys.items[i].descending;
        key->nulls_last = bound->sort_keys.items[i].nulls_last;
        node->sort_keys[node->n_sort_keys++] = key;
    }
    *ret_index = add_node(emit, node);
    if (kind == FORESET__NODE__KIND__WATERMARK) emit->message->watermarks[emit->message->n_watermarks++] = *ret_index;
out:
    return status;
}

// The late test and the expiry: by a key that carries event time, else (deduplication only) by a column beside the
// keys.
static void set_event_time(Foreset__Node *node, struct bind_column *const *keys, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (!keys[i] || !keys[i]->event_time) continue;
        node->has_event_time = node->has_has_watermark = node->has_watermark = true;
        node->event_time = i;
        node->has_event_time_is_window = true;
        node->event_time_is_window = keys[i]->type->kind == TYPE_STRUCT;
        return;
    }
}

static enum status emit_dedup(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    const struct bind_node *below = bound->inputs.items[0];
    uint32_t input = 0;
    TRY(emit_node(emit, below, &input, err));
    input =
        emit_exchange(emit, input, below->columns.items, below->columns.count, bound->keys.items, bound->keys.count);
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__DEDUP, input, 1);
    over(emit, below->columns.items, below->columns.count);
    node->schema = schema_text(emit, bound->columns.items, bound->columns.count);
    node->exprs = new_array(emit, bound->keys.count, sizeof *node->exprs);
    for (uint32_t i = 0; i < bound->keys.count; i++) {
        node->exprs[node->n_exprs++] =
            emit_expr(emit, bind_expr_reference(&emit->planner->bind, bound->keys.items[i], NULL));
    }
    set_event_time(node, bound->keys.items, bound->keys.count);
    struct bind_column *time = bind_node_event_time(bound);
    if (!node->has_event_time && time) {
        node->has_has_watermark = node->has_watermark = node->has_late_column = true;
        node->late_column = ordinal_of(emit, time);
    }
    if (bound->within_watermark) {
        node->has_within_watermark = node->within_watermark = node->has_delay_us = true;
        node->delay_us = bound->delay_us;
    }
    TRY(claim_name(emit, bound->identity, "dedup", &emit->dedups, bound->offset, &node->name, err));
    *ret_index = add_node(emit, node);
out:
    return status;
}

static void emit_functions(struct emit *emit, Foreset__Node *node, const struct bind_node *bound)
{
    node->aggregates = new_array(emit, bound->aggregates.count, sizeof *node->aggregates);
    for (uint32_t i = 0; i < bound->aggregates.count; i++) {
        const struct bind_expr *from = bound->aggregates.items[i];
        Foreset__Aggregate *aggregate = arena_alloc(emit->planner->arena, sizeof *aggregate);
        foreset__aggregate__init(aggregate);
        aggregate->function = (char *)from->function;
        aggregate->type = (char *)from->type->text;
        aggregate->args = new_array(emit, from->args.count, sizeof *aggregate->args);
        for (uint32_t a = 0; a < from->args.count; a++)
            aggregate->args[aggregate->n_args++] = emit_expr(emit, from->args.items[a]);
        if (from->filter) {
            aggregate->has_filter = true;
            aggregate->filter = emit_expr(emit, from->filter);
        }
        aggregate->has_distinct = aggregate->distinct = from->distinct;
        node->aggregates[node->n_aggregates++] = aggregate;
    }
}

static enum status emit_aggregate(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index,
                                  struct error *err)
{
    enum status status = STATUS_OK;
    const struct bind_node *below = bound->inputs.items[0];
    uint32_t input = 0, keys = bound->exprs.count;
    struct bind_context *context = &emit->planner->bind;
    TRY(emit_node(emit, below, &input, err));
    struct bind_column **key_columns = new_array(emit, keys, sizeof(struct bind_column *));
    struct bind_column **middle = new_array(emit, keys + 1, sizeof(struct bind_column *));
    for (uint32_t i = 0; i < keys; i++) {
        middle[i] = bound->columns.items[i];
        key_columns[i] = bound->exprs.items[i]->kind == BIND_COLUMN ? bound->exprs.items[i]->column : NULL;
    }
    middle[keys] = bind_expr_column(context, "_states", type_of(TYPE_BINARY), false);
    bool timed = emit->table->declared != FORESET__TABLE__MODE__COMPLETE; // complete mode tests and evicts nothing
    Foreset__Node *partial = new_node(emit, FORESET__NODE__KIND__AGGREGATE_PARTIAL, input, 1);
    over(emit, below->columns.items, below->columns.count);
    partial->schema = schema_text(emit, middle, keys + 1);
    emit_exprs(emit, partial, bound->exprs.items, keys);
    emit_functions(emit, partial, bound);
    if (timed) set_event_time(partial, key_columns, keys);
    input = emit_exchange(emit, add_node(emit, partial), middle, keys + 1, middle, keys);
    Foreset__Node *final = new_node(emit, FORESET__NODE__KIND__AGGREGATE_FINAL, input, 1);
    over(emit, middle, keys + 1);
    final->schema = schema_text(emit, bound->columns.items, bound->columns.count);
    final->exprs = new_array(emit, keys, sizeof *final->exprs);
    for (uint32_t i = 0; i < keys; i++)
        final->exprs[final->n_exprs++] = emit_expr(emit, bind_expr_reference(context, middle[i], NULL));
    final->aggregates = partial->aggregates;
    final->n_aggregates = partial->n_aggregates;
    if (timed) set_event_time(final, key_columns, keys);
    TRY(claim_name(emit, NULL, "aggregate", &emit->aggregates, bound->offset, &final->name, err));
    *ret_index = add_node(emit, final);
out:
    return status;
}

static enum status emit_union(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__UNION, 0, bound->inputs.count + 1);
    for (uint32_t i = 0; i < bound->inputs.count; i++) {
        TRY(emit_node(emit, bound->inputs.items[i], &node->inputs[i], err));
        node->n_inputs++;
    }
    emit->single = false;
    node->schema = schema_text(emit, bound->columns.items, bound->columns.count);
    *ret_index = add_node(emit, node);
out:
    return status;
}

static void add_index(uint32_t *list, size_t *count, uint32_t index)
{
    for (size_t i = 0; i < *count; i++) {
        if (list[i] == index) return;
    }
    list[(*count)++] = index;
}

// A table that is added later is filled with the rows that the one it reads has by then (P23). Whether it was added
// later is no matter of the text, so the place for those rows is always there, and mostly stays empty.
static uint32_t emit_fill(struct emit *emit, const Foreset__Table *read)
{
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__SOURCE, 0, 0);
    Foreset__Source *source = arena_alloc(emit->planner->arena, sizeof *source);
    foreset__source__init(source);
    source->kind = FORESET__SOURCE__KIND__TABLE;
    uint32_t before = 0;
    for (uint32_t i = 0; i < emit->planner->nodes.count; i++) {
        const Foreset__Node *other = emit->planner->nodes.items[i];
        if (other->table == emit->table->index && plan_source_is_fill(other))
            before += other->source->path == read->url;
    }
    source->name =
        (char *)arena_printf(emit->planner->arena, "%s/fill-%u from %s", emit->table->name, before + 1, read->name);
    source->path = read->url;
    node->source = source;
    node->schema = read->schema;
    uint32_t index = add_node(emit, node);
    emit->message->sources[emit->message->n_sources++] = index;
    return index;
}

// A stateful table stands for itself; a stateless one for what it reads.
static uint32_t emit_table_read(struct emit *emit, const struct bind_node *bound)
{
    const Foreset__Table *read = emit->planner->plan_tables.items[bound->table];
    if (read->stateful) {
        add_index(emit->message->stateful_inputs, &emit->message->n_stateful_inputs, bound->table);
    } else {
        for (size_t i = 0; i < read->n_sources; i++)
            add_index(emit->message->sources, &emit->message->n_sources, read->sources[i]);
        for (size_t i = 0; i < read->n_stateful_inputs; i++) {
            add_index(emit->message->stateful_inputs, &emit->message->n_stateful_inputs, read->stateful_inputs[i]);
        }
    }
    emit->single = false;
    uint32_t fill = emit_fill(emit, read);
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__UNION, 0, 2);
    node->inputs[node->n_inputs++] = read->node;
    node->inputs[node->n_inputs++] = fill;
    node->schema = read->schema;
    return add_node(emit, node);
}

static enum status emit_node(struct emit *emit, const struct bind_node *bound, uint32_t *ret_index, struct error *err)
{
    const struct bind_context *context = &emit->planner->bind;
    enum status status = bind_node_cost(context, bound->offset, err);
    if (status == STATUS_OK)
        status = bind_node_width(context, bound->columns.items, bound->columns.count, bound->offset, err);
    if (status != STATUS_OK) return status;
    if (emit->planner->nodes.count > PLAN_CHECK_NODES_MAX) {
        return sql_text_error(&emit->planner->text, bound->offset, STATUS_INVALID, NULL,
                              "make a table of what is read several times", err,
                              "this pipeline has more than %u operators", PLAN_CHECK_NODES_MAX);
    }
    switch (bound->kind) {
    case BIND_NODE_SOURCE: return emit_source(emit, bound, ret_index, err);
    case BIND_NODE_TABLE: *ret_index = emit_table_read(emit, bound); return STATUS_OK;
    case BIND_NODE_FILTER: return emit_simple(emit, bound, FORESET__NODE__KIND__FILTER, ret_index, err);
    case BIND_NODE_PROJECT: return emit_simple(emit, bound, FORESET__NODE__KIND__PROJECT, ret_index, err);
    case BIND_NODE_WATERMARK: return emit_simple(emit, bound, FORESET__NODE__KIND__WATERMARK, ret_index, err);
    case BIND_NODE_WINDOW: return emit_simple(emit, bound, FORESET__NODE__KIND__WINDOW, ret_index, err);
    case BIND_NODE_SORT: return emit_simple(emit, bound, FORESET__NODE__KIND__SORT, ret_index, err);
    case BIND_NODE_LIMIT: return emit_simple(emit, bound, FORESET__NODE__KIND__LIMIT, ret_index, err);
    case BIND_NODE_DEDUP: return emit_dedup(emit, bound, ret_index, err);
    case BIND_NODE_AGGREGATE: return emit_aggregate(emit, bound, ret_index, err);
    case BIND_NODE_UNION: return emit_union(emit, bound, ret_index, err);
    }
    return STATUS_ERROR;
}

static void finish_table(struct emit *emit, uint32_t input)
{
    struct planner_table *table = emit->table;
    Foreset__Table *message = emit->message;
    Foreset__Node *node = new_node(emit, FORESET__NODE__KIND__TABLE, input, 1);
    node->schema = schema_text(emit, table->node->columns.items, table->node->columns.count);
    message->schema = node->schema;
    message->node = table->plan_node = add_node(emit, node);
    bool complete = table->declared == FORESET__TABLE__MODE__COMPLETE;
    bool dedups = emit->dedups > 0;
    for (uint32_t i = 0; i < emit->planner->nodes.count; i++) { // names given by IDENTIFIED BY are not counted above
        const Foreset__Node *other = emit->planner->nodes.items[i];
        if (other->table == table->index && other->kind == FORESET__NODE__KIND__DEDUP) dedups = true;
    }
    message->has_stateful = true;
    message->stateful = dedups || emit->aggregates || (emit->limits && !complete);
    message->has_no_data_epochs = true;
    message->no_data_epochs = message->n_watermarks && (dedups || (emit->aggregates && !complete));
}

// Constraints are met at the TABLE node, over its rows.
static void emit_constraints(struct emit *emit)
{
    struct planner *planner = emit->planner;
    struct planner_table *table = emit->table;
    Foreset__Table *message = emit->message;
    message->constraints = new_array(emit, table->constraints.count, sizeof *message->constraints);
    for (uint32_t i = 0; i < table->constraints.count; i++) {
        const struct planner_constraint *kept = &table->constraints.items[i];
        Foreset__Constraint *constraint = arena_alloc(planner->arena, sizeof *constraint);
        foreset__constraint__init(constraint);
        constraint->name = (char *)kept->statement->name;
        constraint->fail = kept->statement->violation == SQL_VIOLATION_FAIL_UPDATE;
        constraint->text = (char *)kept->statement->text;
        constraint->expr =
            planner_emit_expr(planner, kept->expect, table->node->columns.items, table->node->columns.count);
        message->constraints[message->n_constraints++] = constraint;
    }
}

enum status planner_emit_table(struct planner *planner, struct planner_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    struct emit emit = {.planner = planner, .table = table};
    Foreset__Table *message = arena_alloc(planner->arena, sizeof *message);
    TRY(planner_table_fill(planner, table, message, err));
    TRY(planner_keys_fill(planner, table, message, err));
    table->node = planner_rules_push(&planner->bind, table->node);
    table->node = planner_prune(&planner->bind, table->node);
    table->node = planner_rules_collapse(&planner->bind, table->node);
    table->index = planner->plan_tables.count;
    size_t room = planner->nodes.count + planner->bind.next_id + planner->script->statements.count + 16;
    emit.message = message;
    message->sources = arena_calloc(planner->arena, room, sizeof *message->sources);
    message->stateful_inputs = arena_calloc(planner->arena, room, sizeof *message->stateful_inputs);
    message->watermarks = arena_calloc(planner->arena, room, sizeof *message->watermarks);
    uint32_t input = 0;
    TRY(emit_node(&emit, table->node, &input, err));
    if (table->mode == FORESET__TABLE__MODE__COMPLETE) input = emit_single(&emit, input, table->node);
    emit_constraints(&emit);
    finish_table(&emit, input);
    sql_list_push(planner->arena, &planner->plan_tables, message);
out:
    return status;
}
