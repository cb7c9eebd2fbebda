// SORT: the rows of an epoch, ordered at the marker. Complete mode only, behind an EXCHANGE to one lane. Stable.
#include <stdlib.h>

#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

struct sort_operator {
    struct operator base;
    struct expr **exprs;
    uint32_t key_count;
    VECTOR(struct batch *) batches; // of the epoch, flat
};

struct sort_context {
    struct column **keys;
    Foreset__SortKey *const *specs;
    uint32_t count;
};

static void sort_close(struct operator* op)
{
    struct sort_operator *sort = (struct sort_operator *)op;
    for (uint32_t i = 0; sort->exprs && i < sort->key_count; i++) expr_destroy(sort->exprs[i]);
    for (size_t i = 0; i < sort->batches.count; i++) batch_unref(sort->batches.items[i]);
    vector_deinit(&sort->batches);
    memory_free(sort->exprs);
    operator_deinit(op);
    memory_free(sort);
}

static enum status sort_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct sort_operator *sort = (struct sort_operator *)op;
    struct batch *flat;
    enum status status = batch_flatten(op->host->budget, batch, &flat, err);
    if (status == STATUS_OK) vector_push(&sort->batches, flat);
    return status;
}

static int sort_compare(const void *a, const void *b, void *context)
{
    const struct sort_context *sort = context;
    uint32_t row_a = *(const uint32_t *)a, row_b = *(const uint32_t *)b;
    for (uint32_t i = 0; i < sort->count; i++) {
        const struct column *key = sort->keys[i];
        bool null_a = column_is_null(key, row_a), null_b = column_is_null(key, row_b);
        if (null_a || null_b) {
            if (null_a && null_b) continue;
            return null_a == sort->specs[i]->nulls_last ? 1 : -1;
        }
        int order = column_compare(key, row_a, key, row_b);
        if (order) return sort->specs[i]->descending ? -order : order;
    }
    return row_a < row_b ? -1 : row_a > row_b;
}

static enum status sort_concat(struct sort_operator *sort, struct batch **ret_batch, struct error *err)
{
    struct operator* op = & sort->base;
    uint32_t count = op->schema->child_count, rows = 0;
    size_t batches = sort->batches.count;
    struct column **parts = memory_calloc(batches + 1, sizeof *parts);
    struct column **columns = memory_calloc(count + (size_t)1, sizeof *columns);
    enum status status = STATUS_OK;
    for (size_t b = 0; b < batches; b++) rows += sort->batches.items[b]->row_count;
    for (uint32_t i = 0; i < count; i++) {
        for (size_t b = 0; b < batches; b++) parts[b] = sort->batches.items[b]->columns[i];
        TRY(column_concat(op->host->budget, parts, (uint32_t)batches, &columns[i], err));
    }
    *ret_batch = batch_create(op->schema, rows, columns);
    memset(columns, 0, count * sizeof *columns);
out:
    for (uint32_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    memory_free(parts);
    return status;
}

// Rows of `whole` in the given order, in batches.
static enum status sort_emit(struct sort_operator *sort, const struct batch *whole, const uint32_t *order,
                             struct error *err)
{
    struct operator* op = & sort->base;
    uint32_t count = op->schema->child_count;
    enum status status = STATUS_OK;
    for (uint32_t from = 0; from < whole->row_count && status == STATUS_OK; from += BATCH_ROWS_MAX) {
        uint32_t rows = whole->row_count - from < BATCH_ROWS_MAX ? whole->row_count - from : BATCH_ROWS_MAX;
        struct column **columns = memory_calloc(count + (size_t)1, sizeof *columns);
        uint32_t made = 0;
        while (made < count && status == STATUS_OK) {
            status = column_gather(op->host->budget, whole->columns[made], order + from, rows, &columns[made], err);
            if (status == STATUS_OK) made++;
        }
        if (status == STATUS_OK) {
            struct batch *batch = batch_create(op->schema, rows, columns);
            status = operator_emit(op, batch, err);
            batch_unref(batch);
        } else {
            while (made > 0) column_unref(columns[--made]);
        }
        memory_free(columns);
    }
    return status;
}

static enum status sort_all(struct sort_operator *sort, struct error *err)
{
    struct operator* op = & sort->base;
    struct expr_errors errors = {0};
    struct expr_context context = {.budget = op->host->budget,
                                   .timestamp_us = op->epoch.timestamp_us,
                                   .errors = &errors,
                                   .random_seed = operator_random_seed(op)};
    struct batch *whole = NULL, *left = NULL;
    struct column **keys = memory_calloc(sort->key_count + (size_t)1, sizeof *keys);
    uint32_t *order = NULL;
    uint32_t made = 0;
    enum status status = STATUS_OK;
    TRY(sort_concat(sort, &whole, err));
    for (; made < sort->key_count; made++) TRY(expr_eval(sort->exprs[made], whole, &context, &keys[made], err));
    TRY(operator_settle(op, whole, &errors, &left, err));
    order = memory_alloc(whole->row_count * sizeof *order);
    for (uint32_t i = 0; i < whole->row_count; i++) order[i] = i;
    struct sort_context by = {.keys = keys, .specs = op->plan_node->sort_keys, .count = sort->key_count};
    qsort_r(order, whole->row_count, sizeof *order, sort_compare, &by);
    TRY(sort_emit(sort, whole, order, err));
out:
    while (made > 0) column_unref(keys[--made]);
    memory_free(keys);
    memory_free(order);
    expr_errors_deinit(&errors);
    batch_unref(whole);
    batch_unref(left);
    return status;
}

static enum status sort_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    (void)marker;
    struct sort_operator *sort = (struct sort_operator *)op;
    enum status status = sort->batches.count ? sort_all(sort, err) : STATUS_OK;
    for (size_t i = 0; i < sort->batches.count; i++) batch_unref(sort->batches.items[i]);
    vector_reset(&sort->batches);
    return status;
}

static const struct operator_ops sort_ops = {
    .difference = OPERATOR_COUNTS_ITSELF,
    .close = sort_close, .on_batch = sort_on_batch, .on_marker = sort_on_marker};

enum status sort_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct sort_operator *sort = memory_calloc(1, sizeof *sort);
    struct operator* op = & sort->base;
    enum status status = STATUS_OK;
    TRY(operator_init(op, &sort_ops, host, node, err));
    op->errors_fail = true; // complete mode: an aggregate stands below
    sort->key_count = (uint32_t)op->plan_node->n_sort_keys;
    sort->exprs = memory_calloc(sort->key_count + (size_t)1, sizeof *sort->exprs);
    for (uint32_t i = 0; i < sort->key_count; i++) {
        TRY(expr_compile(host->plan, op->plan_node->sort_keys[i]->expr, op->inputs[0], host->budget, &sort->exprs[i],
                         err));
    }
    *ret_op = op;
out:
    if (status != STATUS_OK) sort_close(op);
    return status;
}
