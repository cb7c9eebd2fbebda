// WINDOW: a row goes out once per sliding window it lies in, with the window as a last column struct<start,end>.
// The i-th window back from the row's newest goes out as a batch of its own: the columns are shared, only the window
// column and a selection are new. A null time lies in no window. Starts are floored, also before 1970, as Spark's.
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

#define WINDOW_OVERLAP_MAX 100000

struct window_operator {
    struct operator base;
    struct expr *time;
    int64_t window_us, slide_us, offset_us;
    uint32_t overlap; // windows that a row can lie in
};

static void window_close(struct operator* op)
{
    struct window_operator *window = (struct window_operator *)op;
    expr_destroy(window->time);
    operator_deinit(op);
    memory_free(window);
}

static int64_t window_newest_start(const struct window_operator *window, int64_t time_us)
{
    int64_t past = (time_us - window->offset_us) % window->slide_us;
    return time_us - (past < 0 ? past + window->slide_us : past);
}

// The rows that lie in their i-th window back, and that window's bounds.
static uint32_t window_fill(const struct window_operator *window, const struct batch *batch, const struct column *time,
                            uint32_t back, int64_t *starts, int64_t *ends, uint32_t *rows)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        if (column_is_null(time, row)) continue;
        int64_t start = window_newest_start(window, time->i64[row]) - (int64_t)back * window->slide_us;
        if (time->i64[row] >= start + window->window_us) continue;
        starts[row] = start;
        ends[row] = start + window->window_us;
        rows[count++] = row;
    }
    return count;
}

static enum status window_batch(struct window_operator *window, struct batch *batch, const struct column *time,
                                uint32_t back, struct batch **ret_batch, struct error *err)
{
    struct operator* op = & window->base;
    const struct type *type = op->schema->children[op->schema->child_count - 1].type;
    struct buffer *starts = NULL, *ends = NULL, *rows = NULL;
    struct column **columns = NULL;
    size_t bytes = (size_t)batch->column_rows * sizeof(int64_t);
    enum status status = STATUS_OK;
    TRY(buffer_create(op->host->budget, bytes, &starts, err));
    TRY(buffer_create(op->host->budget, bytes, &ends, err));
    TRY(buffer_create(op->host->budget, batch->row_count * sizeof(uint32_t), &rows, err));
    memset(starts->data, 0, bytes);
    memset(ends->data, 0, bytes);
    uint32_t count = window_fill(window, batch, time, back, (int64_t *)(void *)starts->data,
                                 (int64_t *)(void *)ends->data, (uint32_t *)(void *)rows->data);
    if (count == 0) {
        *ret_batch = NULL;
        goto out;
    }
    struct column *bounds[2] = {column_create(type->children[0].type, batch->column_rows, 0, NULL, starts, NULL),
                                column_create(type->children[1].type, batch->column_rows, 0, NULL, ends, NULL)};
    starts = ends = NULL;
    columns = memory_calloc(op->schema->child_count, sizeof *columns);
    for (uint32_t i = 0; i < batch->column_count; i++) columns[i] = column_ref(batch->columns[i]);
    columns[batch->column_count] = column_create_nested(type, batch->column_rows, 0, NULL, NULL, bounds);
    struct batch *whole = batch_derive(batch, op->schema, columns);
    *ret_batch = batch_select(whole, rows, count);
    rows = NULL;
    batch_unref(whole);
out:
    memory_free(columns);
    buffer_unref(starts);
    buffer_unref(ends);
    buffer_unref(rows);
    return status;
}

static enum status window_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct window_operator *window = (struct window_operator *)op;
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct column *time = NULL;
    struct batch *left = NULL, *out_batch = NULL;
    enum status status = STATUS_OK;
    TRY(expr_eval(window->time, batch, &context, &time, err));
    TRY(operator_settle(op, batch, &errors, &left, err));
    for (uint32_t back = 0; left && back < window->overlap; back++) {
        TRY(window_batch(window, left, time, back, &out_batch, err));
        uint32_t placed = out_batch ? out_batch->row_count : 0;
        if (back == 0) { // a row that lies in any window lies in the newest
            op->counts.rows_filtered += left->row_count - placed;
        } else {
            op->counts.rows_expanded += placed;
        }
        if (!out_batch) continue;
        TRY(operator_emit(op, out_batch, err));
        batch_unref(out_batch);
        out_batch = NULL;
    }
out:
    expr_errors_deinit(&errors);
    column_unref(time);
    batch_unref(left);
    batch_unref(out_batch);
    return status;
}

static const struct operator_ops window_ops = {
    .difference = OPERATOR_COUNTS_ITSELF, .close = window_close, .on_batch = window_on_batch};

enum status window_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct window_operator *window = memory_calloc(1, sizeof *window);
    enum status status = STATUS_OK;
    TRY(operator_init(&window->base, &window_ops, host, node, err));
    const Foreset__Node *plan_node = window->base.plan_node;
    window->window_us = plan_node->window_us;
    window->slide_us = plan_node->slide_us > 0 ? plan_node->slide_us : plan_node->window_us;
    window->offset_us = plan_node->offset_us;
    ASSERT(window->window_us > 0 && window->slide_us > 0 && plan_node->n_exprs == 1);
    ASSERT(window->base.schema->child_count == window->base.inputs[0]->child_count + 1);
    int64_t overlap = (window->window_us + window->slide_us - 1) / window->slide_us;
    if (overlap > WINDOW_OVERLAP_MAX) {
        status = error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                           "table %s: a row would lie in %lld windows, at most %d are built; give a longer slide",
                           operator_table_of(&window->base)->name, (long long)overlap, WINDOW_OVERLAP_MAX);
        goto out;
    }
    window->overlap = (uint32_t)overlap;
    TRY(expr_compile(host->plan, plan_node->exprs[0], window->base.inputs[0], host->budget, &window->time, err));
    *ret_op = &window->base;
out:
    if (status != STATUS_OK) window_close(&window->base);
    return status;
}
