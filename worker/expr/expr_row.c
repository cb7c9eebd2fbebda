// Row functions: a function of one row's values, run over a call's rows. For what is not worth a kernel of its own.
// Fails with STATUS_NO_MEMORY; a row that raises is null and has its error recorded.
#include <stdarg.h>
#include <string.h>

#include "worker/expr/expr_program.h"

enum expr_outcome expr_row_fail(struct expr_row *row, const char *condition, const char *format, ...)
{
    char message[512];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    expr_raise(row->call, row->row, condition, "%s", message);
    return EXPR_FAIL;
}

uint64_t expr_row_bytes_max(const struct expr_row *row)
{
    const struct expr_bound *bound = row->call->frame->context->bound;
    return bound ? bound->value_bytes_max : EXPR_VALUE_BYTES_MAX;
}

enum expr_outcome expr_row_too_large(struct expr_row *row)
{
    return expr_row_fail(row, "VALUE_SIZE_LIMIT_EXCEEDED",
                         "%s makes a value of more than %llu bytes, which is the limit of one value; make it shorter, "
                         "or filter such rows out",
                         row->call->step->name ? row->call->step->name : "a cast",
                         (unsigned long long)expr_row_bytes_max(row));
}

enum expr_outcome expr_row_too_much(struct expr_row *row, const char *what)
{
    return expr_row_fail(row, "ROW_WORK_LIMIT_EXCEEDED", "%s: %s; use shorter arguments, or filter such rows out",
                         row->call->step->name, what);
}

uint32_t expr_row_args(const struct expr_row *row)
{
    return row->call->step->arg_count;
}

const struct column *expr_step_literal(const struct expr_step *steps, uint32_t step)
{
    const struct column *column = steps[step].literal;
    return column && !column_is_null(column, 0) && column->type->kind != TYPE_VOID ? column : NULL;
}

struct expr_datum expr_datum_of(const struct column *column, uint32_t row)
{
    struct expr_datum datum = {.null = column_is_null(column, row)};
    if (datum.null) return datum;
    switch (column->type->kind) {
    case TYPE_VOID: datum.null = true; break;
    case TYPE_BOOLEAN: datum.i = column->boolean[row]; break;
    case TYPE_TINYINT: datum.i = column->i8[row]; break;
    case TYPE_SMALLINT: datum.i = column->i16[row]; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: datum.i = column->i32[row]; break;
    case TYPE_BIGINT:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: datum.i = column->i64[row]; break;
    case TYPE_FLOAT: datum.d = (double)column->f32[row]; break;
    case TYPE_DOUBLE: datum.d = column->f64[row]; break;
    case TYPE_DECIMAL: memcpy(&datum.n, column->i128 + row, sizeof datum.n); break;
    case TYPE_STRING:
    case TYPE_BINARY: datum.s = column_slice(column, row); break;
    default: datum.nested.column = column; datum.nested.row = row;
    }
    return datum;
}

// The value as its column holds it, in place; to: 16 bytes.
static void datum_store(const struct type *type, const struct expr_datum *datum, void *to)
{
    switch (type->kind) {
    case TYPE_BOOLEAN:
    case TYPE_TINYINT: *(int8_t *)to = (int8_t)datum->i; break;
    case TYPE_SMALLINT: *(int16_t *)to = (int16_t)datum->i; break;
    case TYPE_INT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: *(int32_t *)to = (int32_t)datum->i; break;
    case TYPE_FLOAT: *(float *)to = (float)datum->d; break;
    case TYPE_DOUBLE: *(double *)to = datum->d; break;
    case TYPE_DECIMAL: memcpy(to, &datum->n, sizeof datum->n); break;
    default: *(int64_t *)to = datum->i;
    }
}

enum status expr_datum_append(struct column_builder *builder, const struct type *type, const struct expr_datum *datum,
                              struct error *err)
{
    if (datum->null || type->kind == TYPE_VOID) return column_builder_null(builder, err);
    if (type_is_string_like(type)) return column_builder_bytes(builder, datum->s.data, datum->s.length, err);
    if (type_width(type) == 0) return column_builder_copy(builder, datum->nested.column, datum->nested.row, err);
    _Alignas(16) char bytes[16];
    datum_store(type, datum, bytes);
    return column_builder_fixed(builder, bytes, err);
}

struct row_output {
    struct buffer *values;
    struct buffer *offsets;
    size_t used;   // bytes of strings
    uint32_t done; // rows with an offset
    uint32_t width;
};

static enum status output_bytes(struct expr_call *call, struct row_output *output, uint32_t row, struct slice slice,
                                struct error *err)
{
    int32_t *offsets = (int32_t *)(void *)output->offsets->data;
    for (; output->done < row; output->done++) offsets[output->done + 1] = (int32_t)output->used;
    if (output->used + slice.length > INT32_MAX) {
        return error_set(err, STATUS_NO_MEMORY, ERROR_FAIL_PIPELINE, "%s makes more than 2 GiB of text in one batch",
                         call->step->name);
    }
    if (output->used + slice.length > output->values->size_bytes) {
        size_t size = output->values->size_bytes * 2 + slice.length;
        enum status status = buffer_grow(output->values, size, err);
        if (status != STATUS_OK) return status;
    }
    if (slice.length) memcpy(output->values->data + output->used, slice.data, slice.length);
    output->used += slice.length;
    offsets[row + 1] = (int32_t)output->used;
    output->done = row + 1;
    return STATUS_OK;
}

static enum status output_row(struct expr_call *call, struct row_output *output, struct expr_row *row,
                              enum expr_outcome outcome, const struct expr_datum *datum, struct error *err)
{
    enum status status = STATUS_OK;
    if (outcome == EXPR_NULL) TRY(expr_vector_null_at(call, row->row, err));
    if (outcome == EXPR_BROKEN) return err && err->code != STATUS_OK ? err->code : STATUS_NO_MEMORY;
    if (output->offsets) {
        TRY(output_bytes(call, output, row->row, outcome == EXPR_VALUE ? datum->s : slice_of("", 0), err));
    } else if (output->width) {
        struct expr_datum zero = {.null = false};
        zero.n = 0;
        datum_store(call->step->type, outcome == EXPR_VALUE ? datum : &zero,
                    output->values->data + (size_t)row->row * output->width);
    } else if (outcome != EXPR_VALUE) {
        TRY(column_builder_null(row->builder, err));
    }
out:
    return status;
}

// Met below the function, which knows nothing of it and may have begun a value.
static enum expr_outcome refuse_row(struct expr_row *row)
{
    const char *refused = row->refused;
    row->refused = NULL;
    text_reset(&row->text);
    if (row->builder) column_builder_truncate(row->builder, row->row);
    return refused ? expr_row_too_much(row, refused) : expr_row_too_large(row);
}

// Runs the function over the rows, with every argument fetched; nulls of strict functions are skipped.
static enum status run_rows(struct expr_call *call, struct row_output *output, struct expr_row *row, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t count = call->step->arg_count;
    bool tolerant = call->step->flags & EXPR_TOLERANT;
    struct expr_datum *args = memory_calloc(count + (size_t)1, sizeof *args);
    for (uint32_t i = 0; i < count; i++) {
        if (call->args[i].constant) args[i] = expr_datum_of(call->args[i].column, 0);
    }
    for (uint32_t k = 0; k < call->row_count; k++) {
        struct expr_datum ret = {.null = false};
        row->row = expr_row_at(call, k);
        if (row->builder) {
            while (column_builder_length(row->builder) < row->row) TRY(column_builder_null(row->builder, err));
        }
        enum expr_outcome outcome = EXPR_NULL;
        if (tolerant || expr_valid_at(call, row->row)) {
            for (uint32_t i = 0; i < count; i++) {
                if (!call->args[i].constant) args[i] = expr_datum_of(call->args[i].column, row->row);
            }
            outcome = call->step->function->row(row, args, &ret);
            if (row->text.over || row->refused) outcome = refuse_row(row);
        }
        TRY(output_row(call, output, row, outcome, &ret, err));
    }
out:
    memory_free(args);
    return status;
}

static enum status finish_strings(struct expr_call *call, struct row_output *output)
{
    int32_t *offsets = (int32_t *)(void *)output->offsets->data;
    for (; output->done < call->length; output->done++) offsets[output->done + 1] = (int32_t)output->used;
    uint32_t null_count = expr_vector_null_count(call->validity, call->length);
    call->result =
        column_create(call->step->type, call->length, null_count, call->validity, output->values, output->offsets);
    call->validity = NULL;
    output->values = output->offsets = NULL;
    return STATUS_OK;
}

enum status expr_row_kernel(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = call->step->type;
    struct row_output output = {.width = type_width(type)};
    struct expr_row row = {.call = call, .err = err};
    bool strings = type_is_string_like(type);
    row.text.limit = expr_row_bytes_max(&row);
    if (strings) {
        TRY(expr_vector_values(call, 16, &output.values, err));
        TRY(buffer_create(call->frame->budget, ((size_t)call->length + 1) * sizeof(int32_t), &output.offsets, err));
        ((int32_t *)(void *)output.offsets->data)[0] = 0;
    } else if (output.width) {
        TRY(expr_vector_values(call, output.width, &output.values, err));
    } else {
        row.builder = column_builder_create(call->frame->budget, type);
    }
    TRY(run_rows(call, &output, &row, err));
    if (strings) {
        TRY(finish_strings(call, &output));
    } else if (output.width) {
        expr_vector_finish(call, output.values);
        output.values = NULL;
    } else {
        while (column_builder_length(row.builder) < call->length) TRY(column_builder_null(row.builder, err));
        TRY(column_builder_finish(row.builder, &call->result, err));
    }
out:
    text_deinit(&row.text);
    column_builder_destroy(row.builder);
    buffer_unref(output.values);
    buffer_unref(output.offsets);
    return status;
}
