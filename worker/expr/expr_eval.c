// Evaluation: steps over frames, with memos, narrowed scopes and dictionary frames. A row that raises is recorded and
// null. Fails with STATUS_NO_MEMORY, or with what a kernel says; memos of a failed batch are dropped with the batch.
#include <stdarg.h>
#include <string.h>

#include "worker/expr/expr_program.h"

#define BOUND_ROW_MAX (256ull << 20)
#define BOUND_ROW_MIN (8ull << 20)

void expr_errors_deinit(struct expr_errors *errors)
{
    for (size_t i = 0; i < errors->items.count; i++) memory_free(errors->items.items[i].message);
    vector_deinit(&errors->items);
}

void expr_errors_add(struct expr_errors *errors, uint32_t row, const char *condition, const char *message)
{
    if (!errors) return;
    if (errors->items.count && errors->items.items[errors->items.count - 1].row == row) return;
    struct expr_row_error item = {.row = row, .message = memory_strdup(message)};
    snprintf(item.condition, sizeof item.condition, "%s", condition);
    vector_push(&errors->items, item);
}

static bool errors_sorted(const struct expr_errors *errors)
{
    for (size_t i = 1; i < errors->items.count; i++) {
        if (errors->items.items[i - 1].row >= errors->items.items[i].row) return false;
    }
    return true;
}

// Rising rows, the first error of each kept: a merge sort, because it is stable.
void expr_errors_sort(struct expr_errors *errors)
{
    if (!errors || errors_sorted(errors)) return;
    size_t count = errors->items.count;
    struct expr_row_error *from = errors->items.items, *to = memory_alloc(count * sizeof *to), *spare = to;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t mid = low + width < count ? low + width : count;
            size_t high = low + 2 * width < count ? low + 2 * width : count;
            size_t a = low, b = mid;
            for (size_t at = low; at < high; at++) {
                bool take_a = a < mid && (b >= high || from[a].row <= from[b].row);
                to[at] = take_a ? from[a++] : from[b++];
            }
        }
        struct expr_row_error *swap = from;
        from = to;
        to = swap;
    }
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (kept && from[kept - 1].row == from[i].row) {
            memory_free(from[i].message);
        } else {
            from[kept++] = from[i];
        }
    }
    if (from == spare) memcpy(errors->items.items, from, kept * sizeof *from);
    errors->items.count = kept;
    memory_free(spare);
}

void expr_raise(struct expr_call *call, uint32_t row, const char *condition, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    if (call->constant) {
        for (uint32_t k = 0; k < call->scope->count; k++) {
            uint32_t at = call->scope->rows ? call->scope->rows[k] : k;
            expr_errors_add(call->frame->errors, at, condition, message);
        }
    } else {
        expr_errors_add(call->frame->errors, row, condition, message);
    }
    if (expr_vector_null_at(call, row, NULL) != STATUS_OK) call->broken = true;
}

void expr_bound_init(struct expr_bound *bound, struct budget *parent, uint64_t memory_bytes, uint32_t lanes)
{
    uint64_t row = memory_bytes && memory_bytes / 8 < BOUND_ROW_MAX ? memory_bytes / 8 : BOUND_ROW_MAX;
    if (row < BOUND_ROW_MIN) row = BOUND_ROW_MIN;
    uint64_t batch = memory_bytes ? memory_bytes / 4 / (lanes ? lanes : 1) : row;
    if (batch < BOUND_ROW_MIN) batch = BOUND_ROW_MIN;
    bound->row_bytes_max = row;
    bound->batch_bytes_max = batch < row ? batch : row;
    bound->value_bytes_max = bound->row_bytes_max / 4;
    if (bound->value_bytes_max > EXPR_VALUE_BYTES_MAX) bound->value_bytes_max = EXPR_VALUE_BYTES_MAX;
    budget_init(&bound->budget, "one evaluation", parent, 0);
    expr_bound_begin(bound, BATCH_ROWS_MAX);
}

void expr_bound_begin(struct expr_bound *bound, uint32_t rows)
{
    uint64_t most = rows > 1 ? bound->batch_bytes_max : bound->row_bytes_max;
    bound->budget.limit_bytes = bound->budget.used_bytes + most;
    bound->budget.refused = false;
}

bool expr_bound_met(const struct expr_bound *bound)
{
    return bound && bound->budget.refused;
}

uint64_t expr_scope_id(struct expr_frame *frame)
{
    return ++frame->program->scope_ids;
}

static bool scope_within(const struct expr_scope *scope, uint64_t id)
{
    for (; scope; scope = scope->parent) {
        if (scope->id == id) return true;
    }
    return false;
}

static void memos_clear(struct expr_memo *memos, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        expr_value_free(&memos[i].value);
        memos[i].scope_id = 0;
    }
}

static enum status eval_field(struct expr_frame *frame, const struct expr_step *step, const struct expr_scope *scope,
                              struct expr_value *ret_value, struct error *err)
{
    struct expr_value parent;
    enum status status = expr_step_eval(frame, step->args[0], scope, &parent, err);
    if (status != STATUS_OK) return status;
    const uint8_t *nulls = parent.column->null_count ? parent.column->validity : NULL;
    struct column *column = NULL;
    status = expr_vector_mask(frame->budget, parent.column->children[step->ordinal], nulls, &column, err);
    if (status == STATUS_OK) *ret_value = (struct expr_value){column, parent.constant};
    column_unref(parent.column);
    return status;
}

static enum status call_finish(struct expr_call *call, enum status status, struct expr_value *ret_value,
                               struct error *err)
{
    if (status == STATUS_OK && call->broken) {
        status = error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "no memory left for the nulls of failed rows");
    }
    buffer_unref(call->validity);
    if (status != STATUS_OK) {
        column_unref(call->result);
        return status;
    }
    ASSERT(call->result && call->result->type == call->step->type && call->result->length == call->length);
    *ret_value = (struct expr_value){call->result, call->constant};
    return STATUS_OK;
}

static enum status constant_null(struct expr_frame *frame, const struct expr_step *step, struct expr_value *ret_value,
                                 struct error *err)
{
    struct column *column;
    enum status status = column_create_nulls(frame->budget, step->type, 1, &column, err);
    if (status == STATUS_OK) *ret_value = (struct expr_value){column, true};
    return status;
}

// Drops the rows where the value is null.
static void scope_without_nulls(const struct expr_call *call, const struct expr_value *value, struct expr_scope *scope,
                                uint32_t **rows)
{
    if (value->constant || value->column->null_count == 0) return;
    if (!*rows) *rows = memory_alloc((call->row_count + (size_t)1) * sizeof **rows);
    uint32_t count = 0;
    for (uint32_t k = 0; k < scope->count; k++) {
        uint32_t row = scope->rows ? scope->rows[k] : k;
        (*rows)[count] = row;
        count += !column_is_null(value->column, row);
    }
    *scope =
        (struct expr_scope){.parent = call->scope, .id = expr_scope_id(call->frame), .rows = *rows, .count = count};
}

// A null argument makes the result null, and as in Spark nothing behind it is asked: an argument that can raise runs
// where those before it are not null (EXPR_FIRST: where the first is not), and nowhere beside a null in the text. A
// constant that raises does so at once: Spark folds it.
static enum status eval_args(struct expr_call *call, bool *ret_null, struct error *err)
{
    enum status status = STATUS_OK;
    const struct expr_step *step = call->step;
    bool strict = !(step->flags & EXPR_TOLERANT);
    struct expr_scope narrow = *call->scope;
    uint32_t *rows = NULL, last = step->arg_count;
    while (last > 0 && call->steps[step->args[last - 1]].flags & EXPR_INFALLIBLE) last--; // none behind can raise
    for (uint32_t i = 0; i < step->arg_count && strict && !*ret_null; i++) {
        const struct expr_step *arg = &call->steps[step->args[i]];
        *ret_null = arg->kind == EXPR_LITERAL && column_is_null(arg->literal, 0);
    }
    for (uint32_t i = 0; i < step->arg_count && !*ret_null; i++) {
        const struct expr_step *arg = &call->steps[step->args[i]];
        bool everywhere = arg->flags & EXPR_INFALLIBLE || arg->leaf == EXPR_LEAF_NONE || !rows;
        const struct expr_scope *scope = everywhere ? call->scope : &narrow;
        TRY(expr_step_eval(call->frame, step->args[i], scope, &call->args[i], err));
        call->constant = call->constant && call->args[i].constant;
        *ret_null = strict && call->args[i].constant && column_is_null(call->args[i].column, 0);
        if (i + 1 < last && (strict || (i == 0 && step->flags & EXPR_FIRST)))
            scope_without_nulls(call, &call->args[i], &narrow, &rows);
    }
out:
    memory_free(rows);
    return status;
}

static enum status eval_strict(struct expr_call *call, struct expr_value *ret_value, struct error *err)
{
    enum status status = STATUS_OK;
    const struct expr_step *step = call->step;
    bool null_arg = false;
    struct expr_value few[4] = {{NULL, false}};
    call->args = step->arg_count <= 4 ? few : memory_calloc(step->arg_count, sizeof *call->args);
    call->constant = !(step->flags & EXPR_VOLATILE);
    TRY(eval_args(call, &null_arg, err));
    if (null_arg) {
        TRY(constant_null(call->frame, step, ret_value, err));
        goto out;
    }
    if (call->constant) {
        call->length = call->row_count = 1;
        call->rows = NULL;
        if (call->scope->count == 0) call->row_count = 0;
    }
    if (!(step->flags & EXPR_TOLERANT)) TRY(expr_vector_validity(call, err));
    status = step->kernel(call, err);
    status = call_finish(call, status, ret_value, err);
    call->validity = NULL;
out:
    for (uint32_t i = 0; i < step->arg_count; i++) expr_value_free(&call->args[i]);
    if (call->args != few) memory_free(call->args);
    return status;
}

static enum status eval_call(struct expr_frame *frame, const struct expr_step *step, const struct expr_scope *scope,
                             struct expr_value *ret_value, struct error *err)
{
    struct expr_call call = {
        .frame = frame,
        .step = step,
        .steps = frame->program->steps,
        .scope = scope,
        .length = frame->length,
        .rows = scope->rows,
        .row_count = scope->count,
    };
    if (!(step->flags & EXPR_LAZY)) return eval_strict(&call, ret_value, err);
    enum status status = step->kernel(&call, err);
    return call_finish(&call, status, ret_value, err);
}

// The dictionary as a column of its own, with a null behind the entries if rows are null.
static enum status dictionary_leaf(struct expr_frame *frame, struct column *column, struct column **ret_leaf,
                                   struct error *err)
{
    struct column *dictionary = column->dictionary;
    if (column->null_count == 0) {
        *ret_leaf = column_ref(dictionary);
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct buffer *validity = NULL, *offsets = NULL;
    uint32_t length = dictionary->length + 1;
    TRY(buffer_create(frame->budget, expr_bitmap_size(length), &validity, err));
    TRY(buffer_create(frame->budget, (length + (size_t)1) * sizeof(int32_t), &offsets, err));
    memset(validity->data, 0xff, expr_bitmap_size(length));
    validity->data[(length - 1) >> 3] = (uint8_t)(validity->data[(length - 1) >> 3] & ~(1u << ((length - 1) & 7)));
    int32_t *to = (int32_t *)(void *)offsets->data;
    memcpy(to, dictionary->offsets, length * sizeof *to);
    to[length] = to[length - 1];
    struct buffer *values = dictionary->buffers[1] ? buffer_ref(dictionary->buffers[1]) : NULL;
    *ret_leaf = column_create(dictionary->type, length, 1, validity, values, offsets);
    (*ret_leaf)->bytes = dictionary->bytes;
    return STATUS_OK;
out:
    buffer_unref(validity);
    buffer_unref(offsets);
    return status;
}

// entry_of[row]: the entry of each row, the one behind the last for null. Rows that are not wanted have an entry too.
static void dictionary_entries(const struct column *column, uint32_t *entry_of)
{
    uint32_t null_entry = column->dictionary->length;
    for (uint32_t row = 0; row < column->length; row++) {
        entry_of[row] = column_is_null(column, row) ? null_entry : column->indices[row];
    }
}

// The entries that wanted rows have, rising.
static uint32_t dictionary_used(const uint32_t *entry_of, uint32_t entries, const struct expr_scope *scope,
                                uint32_t *used)
{
    uint32_t count = 0;
    uint8_t *seen = memory_calloc(entries + (size_t)1, 1);
    for (uint32_t k = 0; k < scope->count; k++) seen[entry_of[scope->rows ? scope->rows[k] : k]] = 1;
    for (uint32_t i = 0; i < entries; i++) {
        if (seen[i]) used[count++] = i;
    }
    memory_free(seen);
    return count;
}

static void dictionary_errors(struct expr_frame *frame, const struct expr_scope *scope, const uint32_t *entry_of,
                              struct expr_errors *errors)
{
    expr_errors_sort(errors);
    for (size_t i = 0; i < errors->items.count; i++) {
        struct expr_row_error *item = &errors->items.items[i];
        for (uint32_t k = 0; k < scope->count; k++) {
            uint32_t row = scope->rows ? scope->rows[k] : k;
            if (entry_of[row] == item->row) expr_errors_add(frame->errors, row, item->condition, item->message);
        }
    }
}

// Texts per entry, some null: the same texts as a dictionary, and the nulls as rows.
static enum status spread_nullable(struct expr_frame *frame, struct column *entries, const uint32_t *entry_of,
                                   struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *indices = NULL, *validity = NULL;
    TRY(buffer_create(frame->budget, (size_t)frame->length * sizeof(uint32_t), &indices, err));
    TRY(buffer_create(frame->budget, expr_bitmap_size(frame->length), &validity, err));
    uint32_t *to = (uint32_t *)(void *)indices->data;
    memset(validity->data, 0, expr_bitmap_size(frame->length));
    for (uint32_t row = 0; row < frame->length; row++) {
        uint32_t entry = entry_of[row], valid = (unsigned)entries->validity[entry >> 3] >> (entry & 7) & 1u;
        to[row] = valid ? entry : 0;
        validity->data[row >> 3] = (uint8_t)(validity->data[row >> 3] | valid << (row & 7));
    }
    struct buffer *values = entries->buffers[1] ? buffer_ref(entries->buffers[1]) : NULL;
    struct column *dictionary =
        column_create(entries->type, entries->length, 0, NULL, values, buffer_ref(entries->buffers[2]));
    dictionary->bytes = entries->bytes;
    dictionary->offsets = entries->offsets;
    *ret_column = column_create_dictionary(
        entries->type, frame->length, expr_vector_null_count(validity, frame->length), validity, indices, dictionary);
    return STATUS_OK;
out:
    buffer_unref(indices);
    buffer_unref(validity);
    return status;
}

// A value per entry becomes a value per row. Strings stay dictionary-coded, over the entries' results.
static enum status dictionary_spread(struct expr_frame *frame, const struct expr_value *value, const uint32_t *entry_of,
                                     struct expr_value *ret_value, struct error *err)
{
    struct column *entries = value->column, *column = NULL;
    enum status status;
    if (value->constant) {
        *ret_value = (struct expr_value){column_ref(entries), true};
        return STATUS_OK;
    }
    bool plain_strings = type_is_string_like(entries->type) && !entries->indices;
    if (plain_strings && entries->null_count) {
        status = spread_nullable(frame, entries, entry_of, &column, err);
    } else if (plain_strings) {
        struct buffer *indices;
        status = buffer_create(frame->budget, frame->length * sizeof(uint32_t), &indices, err);
        if (status != STATUS_OK) return status;
        memcpy(indices->data, entry_of, frame->length * sizeof(uint32_t));
        column = column_create_dictionary(entries->type, frame->length, 0, NULL, indices, column_ref(entries));
    } else {
        status = column_gather(frame->budget, entries, entry_of, frame->length, &column, err);
    }
    if (status == STATUS_OK) *ret_value = (struct expr_value){column, false};
    return status;
}

static enum status eval_dictionary(struct expr_frame *frame, uint32_t index, const struct expr_scope *scope,
                                   struct column *column, struct expr_value *ret_value, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_program *program = frame->program;
    struct expr_errors errors = {0};
    struct expr_value value = {NULL, false};
    uint32_t *mapped = column->null_count ? memory_alloc((size_t)frame->length * sizeof *mapped) : NULL;
    const uint32_t *entry_of = mapped ? mapped : column->indices;
    uint32_t *used = memory_alloc(((size_t)column->dictionary->length + 1) * sizeof *used);
    struct expr_frame inner = *frame;
    inner.errors = frame->errors ? &errors : NULL;
    inner.leaf = program->steps[index].leaf;
    inner.leaf_column = NULL;
    inner.memos = memory_calloc(program->step_count, sizeof *inner.memos);
    TRY(dictionary_leaf(frame, column, &inner.leaf_column, err));
    inner.length = inner.leaf_column->length;
    struct expr_scope inner_scope = {.id = expr_scope_id(frame), .count = inner.length};
    if (mapped) dictionary_entries(column, mapped);
    if (!(program->steps[index].flags & EXPR_INFALLIBLE)) { // only entries that rows have may raise
        inner_scope.rows = used;
        inner_scope.count = dictionary_used(entry_of, inner.length, scope, used);
    }
    TRY(expr_step_eval(&inner, index, &inner_scope, &value, err));
    dictionary_errors(frame, scope, entry_of, &errors);
    TRY(dictionary_spread(frame, &value, entry_of, ret_value, err));
out:
    expr_value_free(&value);
    memos_clear(inner.memos, program->step_count);
    memory_free(inner.memos);
    column_unref(inner.leaf_column);
    memory_free(mapped);
    memory_free(used);
    expr_errors_deinit(&errors);
    return status;
}

// *ret_done false: the step does not depend on one dictionary-coded column alone, or it would not pay.
static enum status try_dictionary(struct expr_frame *frame, uint32_t index, const struct expr_scope *scope,
                                  struct expr_value *ret_value, bool *ret_done, struct error *err)
{
    const struct expr_step *step = &frame->program->steps[index];
    *ret_done = false;
    if (frame->leaf >= 0 || step->leaf < 0 || step->flags & EXPR_CHEAP) return STATUS_OK;
    if (!type_is_string_like(frame->program->steps[step->leaf].type)) return STATUS_OK;
    struct expr_value leaf;
    enum status status = expr_step_eval(frame, (uint32_t)step->leaf, scope, &leaf, err);
    if (status != STATUS_OK) return status;
    if (!leaf.constant && leaf.column->indices && leaf.column->dictionary->length < scope->count / 2) {
        *ret_done = true;
        status = eval_dictionary(frame, index, scope, leaf.column, ret_value, err);
    }
    expr_value_free(&leaf);
    return status;
}

// A constant as a column of every row.
static enum status materialise(struct expr_frame *frame, struct expr_value *value, struct error *err)
{
    if (!value->constant) return STATUS_OK;
    struct column *column;
    enum status status = expr_vector_expand(frame->budget, value->column, frame->length, &column, err);
    if (status != STATUS_OK) return status;
    expr_value_free(value);
    *value = (struct expr_value){column, false};
    return STATUS_OK;
}

enum status expr_step_eval(struct expr_frame *frame, uint32_t index, const struct expr_scope *scope,
                           struct expr_value *ret_value, struct error *err)
{
    enum status status = STATUS_OK;
    const struct expr_step *step = &frame->program->steps[index];
    struct expr_memo *memo = &frame->memos[index];
    struct expr_value value = {NULL, false};
    bool done = false;
    if (step->kind == EXPR_LITERAL) {
        *ret_value = (struct expr_value){column_ref(step->literal), true};
        return frame->program->expand_literals ? materialise(frame, ret_value, err) : STATUS_OK;
    }
    if (frame->leaf == (int32_t)index) {
        *ret_value = (struct expr_value){column_ref(frame->leaf_column), false};
        return STATUS_OK;
    }
    if (step->kind == EXPR_COLUMN) {
        *ret_value = (struct expr_value){column_ref(frame->batch->columns[step->ordinal]), false};
        return STATUS_OK;
    }
    if (memo->scope_id && scope_within(scope, memo->scope_id)) {
        *ret_value = (struct expr_value){column_ref(memo->value.column), memo->value.constant};
        return STATUS_OK;
    }
    if (step->kind == EXPR_FIELD) {
        TRY(eval_field(frame, step, scope, &value, err));
    } else {
        TRY(try_dictionary(frame, index, scope, &value, &done, err));
        if (!done) TRY(eval_call(frame, step, scope, &value, err));
    }
    expr_value_free(&memo->value);
    *memo = (struct expr_memo){{column_ref(value.column), value.constant}, scope->id};
    if (frame->program->forget_results && !(step->flags & EXPR_VOLATILE)) memo->scope_id = 0;
    *ret_value = value;
out:
    return status;
}

static void program_forget(struct expr_program *program)
{
    memos_clear(program->memos, program->step_count);
    batch_unref(program->batch);
    program->batch = NULL;
    program->roots_done = 0;
}

enum status expr_step_constant(struct expr_program *program, uint32_t step, struct expr_errors *errors,
                               struct column **ret_column, struct error *err)
{
    struct expr_context context = {.budget = program->budget, .errors = errors};
    struct expr_frame frame = {
        .program = program,
        .context = &context,
        .budget = program->budget,
        .errors = errors,
        .length = 1,
        .leaf = EXPR_LEAF_NONE,
        .memos = program->memos,
    };
    struct expr_scope scope = {.id = ++program->scope_ids, .count = 1};
    struct expr_value value = {NULL, false};
    enum status status = expr_step_eval(&frame, step, &scope, &value, err);
    program_forget(program);
    expr_errors_sort(errors);
    if (status == STATUS_OK) *ret_column = value.column;
    return status;
}

static enum status eval_root(struct expr *expr, const struct batch *batch, struct expr_context *context,
                             bool keep_constant, struct expr_value *ret_value, struct error *err)
{
    struct expr_program *program = expr->program;
    if (program->batch != batch) {
        program_forget(program);
        program->batch = batch_ref((struct batch *)(uintptr_t)batch);
        program->root_scope = ++program->scope_ids;
    }
    struct expr_frame frame = {
        .program = program,
        .context = context,
        .budget = context->budget,
        .errors = context->errors,
        .batch = batch,
        .length = batch->column_rows,
        .leaf = EXPR_LEAF_NONE,
        .memos = program->memos,
    };
    struct expr_scope scope = {.id = program->root_scope, .rows = batch->selection, .count = batch->row_count};
    struct expr_value value = {NULL, false};
    enum status status = expr_step_eval(&frame, expr->root, &scope, &value, err);
    if (status == STATUS_OK && !keep_constant) status = materialise(&frame, &value, err);
    if (++program->roots_done >= program->root_count || status != STATUS_OK) program_forget(program);
    expr_errors_sort(context->errors);
    if (status != STATUS_OK) {
        expr_value_free(&value);
        return status;
    }
    *ret_value = value;
    return STATUS_OK;
}

enum status expr_eval(struct expr *expr, const struct batch *batch, struct expr_context *context,
                      struct column **ret_column, struct error *err)
{
    struct expr_value value;
    enum status status = eval_root(expr, batch, context, false, &value, err);
    if (status == STATUS_OK) *ret_column = value.column;
    return status;
}

void expr_bound_raise(struct expr_context *context, uint32_t row)
{
    char message[200];
    snprintf(message, sizeof message,
             "the expressions of this row need more than %llu bytes, which is the limit of one row; make its values "
             "shorter, or give more --memory",
             (unsigned long long)context->bound->row_bytes_max);
    expr_errors_add(context->errors, row, EXPR_ROW_CONDITION, message);
    context->bound->budget.refused = false;
}

static uint32_t filter_rows(const struct batch *batch, const struct expr_value *value, uint32_t *rows)
{
    uint32_t count = 0;
    const struct column *column = value->column;
    bool nulls = column->null_count > 0;
    for (uint32_t k = 0; k < batch->row_count; k++) {
        uint32_t row = batch_row(batch, k), at = expr_index(value, row);
        bool keep = column->boolean[at] && (!nulls || !column_is_null(column, at));
        rows[count] = row;
        count += keep;
    }
    return count;
}

static enum status filter_once(struct expr *expr, const struct batch *batch, struct expr_context *context,
                               uint32_t *rows, uint32_t *ret_count, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_value value = {NULL, false};
    *ret_count = 0;
    TRY(eval_root(expr, batch, context, true, &value, err));
    if (value.column->type->kind == TYPE_BOOLEAN) *ret_count = filter_rows(batch, &value, rows);
out:
    expr_value_free(&value);
    return status;
}

// What is kept of a batch is small however large its rows grow on the way: a batch that meets the bound is looked at in
// halves. A row that meets it alone raises.
static enum status filter_part(struct expr *expr, const struct batch *batch, struct expr_context *context,
                               uint32_t *rows, uint32_t *ret_count, struct error *err)
{
    if (context->bound) expr_bound_begin(context->bound, batch->row_count);
    enum status status = filter_once(expr, batch, context, rows, ret_count, err);
    if (status != STATUS_NO_MEMORY || !expr_bound_met(context->bound)) return status;
    if (err) error_clear(err);
    if (batch->row_count <= 1) {
        expr_bound_raise(context, batch_row(batch, 0));
        return STATUS_OK;
    }
    struct budget *budget = context->bound->budget.parent;
    uint32_t half = batch->row_count / 2, count = 0, more = 0;
    status = STATUS_OK;
    for (uint32_t k = 0; k < 2; k++) {
        struct batch *part = NULL;
        TRY(batch_part(budget, batch, k ? half : 0, k ? batch->row_count - half : half, &part, err));
        status = filter_part(expr, part, context, rows + count, &more, err);
        count += more;
        batch_unref(part);
        if (status != STATUS_OK) goto out;
    }
    *ret_count = count;
out:
    return status;
}

enum status expr_filter(struct expr *expr, const struct batch *batch, struct expr_context *context,
                        struct buffer **ret_selection, uint32_t *ret_count, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *selection = NULL;
    uint32_t count = 0;
    struct budget *budget = context->bound ? context->bound->budget.parent : context->budget;
    TRY(buffer_create(budget, (batch->row_count + (size_t)1) * sizeof(uint32_t), &selection, err));
    TRY(filter_part(expr, batch, context, (uint32_t *)(void *)selection->data, &count, err));
    expr_errors_sort(context->errors);
    *ret_selection = selection;
    *ret_count = count;
    selection = NULL;
out:
    buffer_unref(selection);
    return status;
}
