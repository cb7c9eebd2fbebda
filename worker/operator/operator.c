// What operators share: the common part, rows that raised, names. Fails where expression errors are to fail the
// pipeline, and on memory.
#include "worker/operator/operator.h"

#include <string.h>

#include "common/base/hash.h"
#include "worker/expr/expr.h"
#include "worker/sink/file_sink.h"
#include "worker/snapshot/snapshot_part.h"

#define SETTLE_ROW_BYTES_MAX 300u // of a row in a message

// An aggregate below, in the same table: what raises above it fails the pipeline (SQL.md, Bad rows).
static bool above_aggregate(const Foreset__Plan *plan, uint32_t node)
{
    const Foreset__Node *at = plan->nodes[node];
    for (size_t i = 0; i < at->n_inputs; i++) {
        const Foreset__Node *input = plan->nodes[at->inputs[i]];
        if (input->table != at->table || input->kind == FORESET__NODE__KIND__SOURCE) continue;
        if (input->kind == FORESET__NODE__KIND__AGGREGATE_FINAL || above_aggregate(plan, at->inputs[i])) return true;
    }
    return false;
}

enum status operator_init(struct operator* op, const struct operator_ops *ops, struct operator_host *host,
                          uint32_t node, struct error *err)
{
    const Foreset__Node *plan_node = host->plan->nodes[node];
    op->ops = ops;
    op->host = host;
    op->node = node;
    op->plan_node = plan_node;
    op->inputs = memory_calloc(plan_node->n_inputs + 1, sizeof *op->inputs);
    op->above_aggregate = above_aggregate(host->plan, node);
    op->errors_fail = host->plan->on_error_fail || op->above_aggregate;
    enum status status = STATUS_OK;
    TRY(type_parse(plan_node->schema, &op->schema, err));
    for (size_t i = 0; i < plan_node->n_inputs; i++) {
        ASSERT(plan_node->inputs[i] < node);
        TRY(type_parse(host->plan->nodes[plan_node->inputs[i]]->schema, &op->inputs[i], err));
    }
out:
    return status;
}

void operator_deinit(struct operator* op)
{
    memory_free(op->inputs);
}

const Foreset__Table *operator_table_of(const struct operator* op)
{
    return op->host->plan->tables[op->plan_node->table];
}

const char *operator_name(const struct operator* op, struct text *text)
{
    text_reset(text);
    const char *name = op->plan_node->name && *op->plan_node->name ? op->plan_node->name : "output";
    text_printf(text, "%s/%s", operator_table_of(op)->name, name);
    return text_str(text);
}

uint64_t operator_random_seed(const struct operator* op)
{
    uint64_t seed = hash_mix(op->host->hash_seed, op->epoch.epoch);
    return hash_mix(hash_mix(seed, op->host->lane), op->node);
}

static enum status without_errors(struct operator* op, struct batch *batch, const struct expr_errors *errors,
                                  struct batch **ret_batch, struct error *err)
{
    struct buffer *selection;
    enum status status = buffer_create(op->host->budget, batch->row_count * sizeof(uint32_t), &selection, err);
    if (status != STATUS_OK) return status;
    uint32_t *rows = (uint32_t *)(void *)selection->data;
    uint32_t count = 0;
    size_t next = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        while (next < errors->items.count && errors->items.items[next].row < row) next++;
        if (next < errors->items.count && errors->items.items[next].row == row) continue;
        rows[count++] = row;
    }
    if (count == 0) {
        buffer_unref(selection);
        *ret_batch = NULL;
        return STATUS_OK;
    }
    *ret_batch = batch_select(batch, selection, count);
    return STATUS_OK;
}

// Which record it was: of Kafka its topic, partition and offset, else the row as it came here.
static void settle_where(const struct batch *batch, uint32_t row, struct text *where)
{
    const struct batch *origin = batch->origin;
    int topic = origin ? type_field_find(origin->schema, "topic") : -1;
    int partition = origin ? type_field_find(origin->schema, "partition") : -1;
    int offset = origin ? type_field_find(origin->schema, "offset") : -1;
    if (topic >= 0 && partition >= 0 && offset >= 0) {
        struct slice name = column_slice(origin->columns[topic], row);
        text_printf(where, "topic %.*s, partition %d, offset %lld", (int)name.length, name.data,
                    origin->columns[partition]->i32[row], (long long)origin->columns[offset]->i64[row]);
        return;
    }
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (batch_row(batch, i) != row) continue;
        text_append_str(where, "row ");
        batch_json(batch, i, where);
        break;
    }
    if (where->length > SETTLE_ROW_BYTES_MAX) {
        where->length = SETTLE_ROW_BYTES_MAX;
        where->data[where->length] = '\0';
        text_utf8_clean(where->data); // the cut may have split a character
        where->length = strlen(where->data);
        text_append_str(where, "...");
    }
}

static enum status settle_fail(const struct operator* op, const struct batch *batch, const struct expr_row_error *first,
                               struct error *err)
{
    struct text where = {0};
    settle_where(batch, first->row, &where);
    enum status status = error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "table %s: %s: [%s] %s; epoch %llu",
                                   operator_table_of(op)->name, text_str(&where), first->condition,
                                   first->message ? first->message : "", (unsigned long long)op->epoch.epoch);
    text_deinit(&where);
    if (err) {
        memcpy(err->condition, first->condition, sizeof first->condition);
        err->epoch = op->epoch.epoch;
    }
    return status;
}

enum status operator_settle(struct operator* op, struct batch *batch, struct expr_errors *errors,
                            struct batch **ret_batch, struct error *err)
{
    if (errors->items.count == 0) {
        *ret_batch = batch_ref(batch);
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct batch *left = NULL;
    if (op->errors_fail) {
        status = settle_fail(op, batch, &errors->items.items[0], err);
        goto out;
    }
    op->counts.rows_dead += errors->items.count;
    TRY(op->host->dead(op, batch, errors, err));
    TRY(without_errors(op, batch, errors, &left, err));
    *ret_batch = left;
out:
    expr_errors_deinit(errors);
    return status;
}

struct expr_context operator_context(const struct operator* op, const struct batch *batch, struct expr_errors *errors)
{
    struct expr_bound *bound = op->host->bound;
    if (bound) expr_bound_begin(bound, batch->row_count);
    return (struct expr_context){.budget = bound ? &bound->budget : op->host->budget,
                                 .bound = bound,
                                 .timestamp_us = op->epoch.timestamp_us,
                                 .errors = errors,
                                 .random_seed = operator_random_seed(op)};
}

// The row that is too large alone.
static enum status give_refused(struct operator* op, struct batch *batch, struct error *err)
{
    struct expr_errors errors = {0};
    struct expr_context context = {.bound = op->host->bound, .errors = &errors};
    struct batch *left = NULL;
    expr_bound_raise(&context, batch_row(batch, 0));
    enum status status = operator_settle(op, batch, &errors, &left, err);
    expr_errors_deinit(&errors);
    batch_unref(left);
    return status;
}

enum status operator_give(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    struct expr_bound *bound = op->host->bound;
    if (bound) bound->budget.refused = false; // what is found there afterwards is this operator's
    enum status status = op->ops->on_batch(op, input, batch, err);
    if (status != STATUS_NO_MEMORY || !expr_bound_met(bound)) return status;
    if (err) error_clear(err);
    if (batch->row_count <= 1) return give_refused(op, batch, err);
    uint32_t half = batch->row_count / 2;
    for (uint32_t k = 0; k < 2; k++) {
        struct batch *part = NULL;
        status = batch_part(op->host->budget, batch, k ? half : 0, k ? batch->row_count - half : half, &part, err);
        if (status != STATUS_OK) return status;
        status = operator_give(op, input, part, err);
        batch_unref(part);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

void operator_frozen_deinit(struct operator_frozen *frozen)
{
    for (size_t i = 0; i < frozen->parts.count; i++) {
        struct operator_part *part = &frozen->parts.items[i];
        buffer_unref(part->bytes);
        if (part->late) part->late->destroy(part->late);
    }
    vector_deinit(&frozen->parts);
    struct operator_table *table = frozen->table;
    frozen->table = NULL;
    if (!table) return;
    for (size_t i = 0; i < table->files.count; i++) foreset__data_file__free_unpacked(table->files.items[i], NULL);
    for (size_t i = 0; i < table->open.count; i++) foreset__data_file__free_unpacked(table->open.items[i], NULL);
    for (size_t i = 0; i < table->dead_letters.count; i++) {
        foreset__data_file__free_unpacked(table->dead_letters.items[i], NULL);
    }
    for (size_t i = 0; i < table->rest.count; i++) file_sink_close(table->rest.items[i].sink);
    vector_deinit(&table->rest);
    vector_deinit(&table->files);
    vector_deinit(&table->open);
    vector_deinit(&table->dead_letters);
    vector_deinit(&table->slices);
    text_deinit(&table->rows);
    memory_free(table);
}
