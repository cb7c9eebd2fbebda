// AGGREGATE_PARTIAL: groups the rows of an epoch on this lane, so that the exchange carries groups and not rows. At the
// marker (or when the table has grown) each group goes out as its keys and one BINARY column of aggregate states. Rows
// that are late by L are dropped here (SQL.md, Batches 4: a window when its end <= L, a time when it is <= L; null
// never); complete mode drops none. Rows whose arguments raise are dead letters, like those of any expression below an
// aggregate.
#include "worker/exchange/exchange.h"
#include "worker/operator/aggregate_group.h"
#include "worker/state/row_codec.h"

#define PARTIAL_GROUPS_MAX (128u << 10)

struct partial_rewrite {
    struct arena arena;     // rewritten aggregates, for the operator's life
    VECTOR(uint32_t) roots; // arguments that are evaluated here
    uint32_t first_expr;
};

struct partial_operator {
    struct operator base;
    struct partial_rewrite rewrite;
    const struct type *widened; // the input and those arguments
    struct aggregate_group group;
    struct expr **exprs; // keys, then arguments that may raise
    struct column **columns;
    uint32_t expr_count;
    struct key_table table;
    struct text name, key;
    uint64_t *hashes;
    void **states;
    uint32_t capacity;
    bool tests_late;
};

static void partial_free(void *context, struct key_entry *entry)
{
    aggregate_group_free(&((struct partial_operator *)context)->group, entry);
}

static void partial_close(struct operator* op)
{
    struct partial_operator *partial = (struct partial_operator *)op;
    key_table_deinit(&partial->table, partial_free, partial);
    for (uint32_t i = 0; partial->exprs && i < partial->expr_count; i++) expr_destroy(partial->exprs[i]);
    memory_free(partial->exprs);
    memory_free(partial->columns);
    aggregate_group_deinit(&partial->group);
    arena_deinit(&partial->rewrite.arena);
    vector_deinit(&partial->rewrite.roots);
    text_deinit(&partial->name);
    text_deinit(&partial->key);
    memory_free(partial->hashes);
    memory_free(partial->states);
    operator_deinit(op);
    memory_free(partial);
}

// ---- groups out ----
static enum status partial_emit_groups(struct partial_operator *partial, struct column_builder **builders,
                                       struct error *err)
{
    struct batch *batch;
    enum status status = batch_build(partial->base.schema, builders, &batch, err);
    if (status != STATUS_OK) return status;
    status = operator_emit(&partial->base, batch, err);
    batch_unref(batch);
    return status;
}

static enum status partial_flush(struct partial_operator *partial, struct error *err)
{
    struct key_table *table = &partial->table;
    struct operator* op = & partial->base;
    if (table->count == 0) return STATUS_OK;
    uint32_t keys = partial->group.key_count, count = keys + 1;
    struct column_builder **builders = memory_calloc(count, sizeof *builders);
    struct text states = {0};
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < count; i++) {
        builders[i] = column_builder_create(op->host->budget, op->schema->children[i].type);
    }
    for (uint64_t i = 0; i <= table->mask; i++) {
        const struct key_entry *entry = table->slots[i].entry;
        size_t used;
        if (!entry) continue;
        TRY(row_codec_decode(partial->group.key_types, keys, key_entry_key(table, entry), builders, &used, err));
        text_reset(&states);
        aggregate_group_save(&partial->group, entry, &states);
        TRY(column_builder_bytes(builders[keys], text_str(&states), states.length, err));
        if (column_builder_length(builders[keys]) < BATCH_ROWS_MAX) continue;
        TRY(partial_emit_groups(partial, builders, err));
    }
    if (column_builder_length(builders[keys])) TRY(partial_emit_groups(partial, builders, err));
    key_table_clear(table, partial_free, partial);
out:
    for (uint32_t i = 0; i < count; i++) column_builder_destroy(builders[i]);
    memory_free(builders);
    text_deinit(&states);
    return status;
}

// ---- rows in ----
static enum status partial_without_late(struct partial_operator *partial, struct batch *batch, struct batch **ret_batch,
                                        struct error *err)
{
    struct operator* op = & partial->base;
    const struct column *key = partial->columns[op->plan_node->event_time];
    struct buffer *selection;
    enum status status = buffer_create(op->host->budget, batch->row_count * sizeof(uint32_t), &selection, err);
    if (status != STATUS_OK) return status;
    uint32_t *rows = (uint32_t *)(void *)selection->data;
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        if (aggregate_group_time(key, row) > op->epoch.late_us) rows[count++] = row;
    }
    op->counts.rows_late += batch->row_count - count;
    *ret_batch = count ? batch_select(batch, selection, count) : NULL;
    if (count == 0) buffer_unref(selection);
    return STATUS_OK;
}

// The input's columns and behind them the arguments.
static struct batch *partial_widen(struct partial_operator *partial, struct batch *batch)
{
    if (partial->widened == batch->schema) return batch_ref(batch);
    uint32_t count = partial->widened->child_count, keys = partial->group.key_count;
    struct column **columns = memory_calloc(count, sizeof *columns);
    for (uint32_t i = 0; i < count; i++) {
        bool own = i < batch->column_count;
        columns[i] = column_ref(own ? batch->columns[i] : partial->columns[keys + i - batch->column_count]);
    }
    struct batch *widened = batch_derive(batch, partial->widened, columns);
    memory_free(columns);
    return widened;
}

static enum status partial_fold(struct partial_operator *partial, struct batch *batch, struct expr_context *context,
                                struct error *err)
{
    struct operator* op = & partial->base;
    struct batch *widened = partial_widen(partial, batch);
    enum status status = STATUS_OK;
    if (partial->capacity < batch->row_count) {
        partial->capacity = batch->row_count > BATCH_ROWS_MAX ? batch->row_count : BATCH_ROWS_MAX;
        partial->hashes = memory_realloc(partial->hashes, partial->capacity * sizeof *partial->hashes);
        partial->states = memory_realloc(partial->states, partial->capacity * sizeof *partial->states);
    }
    uint32_t keys = partial->group.key_count;
    exchange_hash(batch, partial->columns, keys, op->host->hash_seed, partial->hashes);
    for (uint32_t i = 0; i < batch->row_count; i++) key_table_prefetch(&partial->table, partial->hashes[i]);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        struct key_entry *entry;
        bool added;
        text_reset(&partial->key);
        row_codec_encode(partial->columns, keys, batch_row(batch, i), true, &partial->key);
        TRY(key_table_get(&partial->table, partial->hashes[i], slice_of(text_str(&partial->key), partial->key.length),
                          &entry, &added, err));
        partial->states[i] = entry->payload;
    }
    for (uint32_t i = 0; i < partial->group.count; i++) {
        status = aggregate_update(partial->group.aggregates[i], widened, partial->states, partial->group.offsets[i],
                                  context, err);
        TRY(aggregate_group_failed(op, partial->table.count, status, err));
    }
    if (partial->table.count > PARTIAL_GROUPS_MAX) TRY(partial_flush(partial, err));
out:
    batch_unref(widened);
    return status;
}

static enum status partial_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct partial_operator *partial = (struct partial_operator *)op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct batch *left = NULL, *timely = NULL;
    uint32_t made = 0;
    enum status status = STATUS_OK;
    for (; made < partial->expr_count; made++) {
        TRY(expr_eval(partial->exprs[made], batch, &context, &partial->columns[made], err));
    }
    TRY(operator_settle(op, batch, &errors, &left, err));
    if (left && partial->tests_late) {
        TRY(partial_without_late(partial, left, &timely, err));
    } else if (left) {
        timely = batch_ref(left);
    }
    context.budget = op->host->budget; // states change from here on: nothing is given again
    context.bound = NULL;
    if (timely) TRY(partial_fold(partial, timely, &context, err));
    op->counts.rows_malformed += context.rows_malformed;
out:
    while (made > 0) column_unref(partial->columns[--made]);
    expr_errors_deinit(&errors);
    batch_unref(left);
    batch_unref(timely);
    return status;
}

static enum status partial_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    (void)marker;
    return partial_flush((struct partial_operator *)op, err);
}

static const struct operator_ops partial_ops = {
    .difference = OPERATOR_GROUPS,
    .close = partial_close, .on_batch = partial_on_batch, .on_marker = partial_on_marker};

// An argument that is more than a column is evaluated here, once, into a column behind the input's, so that a row that
// raises counts nowhere; the aggregate then reads that column.
static uint32_t partial_argument(struct partial_operator *partial, Foreset__Plan *plan, uint32_t arg)
{
    struct partial_rewrite *rewrite = &partial->rewrite;
    enum _Foreset__Expr__Kind kind = plan->exprs[arg]->kind;
    if (kind == FORESET__EXPR__KIND__COLUMN || kind == FORESET__EXPR__KIND__LITERAL) return arg;
    for (size_t i = 0; i < rewrite->roots.count; i++) {
        if (rewrite->roots.items[i] == arg) return rewrite->first_expr + (uint32_t)i;
    }
    Foreset__Expr *column = arena_alloc(&rewrite->arena, sizeof *column);
    foreset__expr__init(column);
    column->kind = FORESET__EXPR__KIND__COLUMN;
    column->type = plan->exprs[arg]->type;
    column->has_ordinal = true;
    column->ordinal = partial->base.inputs[0]->child_count + (uint32_t)rewrite->roots.count;
    plan->exprs[plan->n_exprs] = column;
    vector_push(&rewrite->roots, arg);
    return (uint32_t)plan->n_exprs++;
}

static Foreset__Aggregate **partial_aggregates(struct partial_operator *partial, Foreset__Plan *plan)
{
    const Foreset__Node *node = partial->base.plan_node;
    struct arena *arena = &partial->rewrite.arena;
    Foreset__Aggregate **aggregates = arena_calloc(arena, node->n_aggregates + 1, sizeof *aggregates);
    for (size_t i = 0; i < node->n_aggregates; i++) {
        Foreset__Aggregate *copy = arena_alloc(arena, sizeof *copy);
        *copy = *node->aggregates[i];
        copy->args = arena_calloc(arena, copy->n_args + 1, sizeof *copy->args);
        for (size_t k = 0; k < copy->n_args; k++)
            copy->args[k] = partial_argument(partial, plan, node->aggregates[i]->args[k]);
        if (copy->has_filter) copy->filter = partial_argument(partial, plan, copy->filter);
        aggregates[i] = copy;
    }
    return aggregates;
}

static enum status partial_compile(struct partial_operator *partial, struct error *err)
{
    struct operator* op = & partial->base;
    const Foreset__Node *node = op->plan_node;
    struct partial_rewrite *rewrite = &partial->rewrite;
    Foreset__Plan plan = *op->host->plan;
    size_t most = plan.n_exprs + 1;
    for (size_t i = 0; i < node->n_aggregates; i++) most += node->aggregates[i]->n_args + 1;
    arena_init(&rewrite->arena, 4096);
    plan.exprs = arena_calloc(&rewrite->arena, most, sizeof *plan.exprs);
    memcpy(plan.exprs, op->host->plan->exprs, plan.n_exprs * sizeof *plan.exprs);
    rewrite->first_expr = (uint32_t)plan.n_exprs;
    Foreset__Aggregate **aggregates = partial_aggregates(partial, &plan);
    uint32_t inputs = op->inputs[0]->child_count, keys = (uint32_t)node->n_exprs;
    partial->expr_count = keys + (uint32_t)rewrite->roots.count;
    partial->exprs = memory_calloc(partial->expr_count + (size_t)1, sizeof *partial->exprs);
    partial->columns = memory_calloc(partial->expr_count + (size_t)1, sizeof *partial->columns);
    uint32_t *roots = arena_calloc(&rewrite->arena, partial->expr_count + (size_t)1, sizeof *roots);
    struct field *fields = arena_calloc(&rewrite->arena, inputs + rewrite->roots.count + 1, sizeof *fields);
    for (uint32_t i = 0; i < keys; i++) roots[i] = node->exprs[i];
    for (uint32_t i = 0; i < inputs; i++) fields[i] = op->inputs[0]->children[i];
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < rewrite->roots.count; i++) {
        roots[keys + i] = rewrite->roots.items[i];
        fields[inputs + i].name = arena_printf(&rewrite->arena, "_argument_%u", i);
        TRY(type_parse(plan.exprs[roots[keys + i]]->type, &fields[inputs + i].type, err));
    }
    partial->widened = type_struct(fields, inputs + (uint32_t)rewrite->roots.count);
    TRY(expr_compile_list(op->host->plan, roots, partial->expr_count, op->inputs[0], op->host->budget, partial->exprs,
                          err));
    TRY(aggregate_group_init(&partial->group, op->host, &plan, aggregates, node->n_aggregates, partial->widened, keys,
                             op->schema, err));
out:
    return status;
}

enum status partial_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                  struct error *err)
{
    struct partial_operator *partial = memory_calloc(1, sizeof *partial);
    struct operator* op = & partial->base;
    enum status status = STATUS_OK;
    TRY(operator_init(op, &partial_ops, host, node, err));
    const Foreset__Node *plan_node = op->plan_node;
    ASSERT(op->schema->child_count == plan_node->n_exprs + 1 && plan_node->n_inputs == 1);
    partial->tests_late = plan_node->has_watermark && plan_node->has_event_time &&
                          operator_table_of(op)->mode != FORESET__TABLE__MODE__COMPLETE;
    ASSERT(!plan_node->has_event_time || plan_node->event_time < plan_node->n_exprs);
    TRY(partial_compile(partial, err));
    key_table_init(&partial->table, host->state_budget, operator_name(op, &partial->name), partial->group.payload_size);
    *ret_op = op;
out:
    if (status != STATUS_OK) partial_close(op);
    return status;
}
