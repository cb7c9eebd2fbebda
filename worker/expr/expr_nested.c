// Structs, elements of arrays and maps, sizes, array() and map(). Raises INVALID_ARRAY_INDEX,
// INVALID_ARRAY_INDEX_IN_ELEMENT_AT, INVALID_INDEX_OF_ZERO, NULL_MAP_KEY, DUPLICATED_MAP_KEY.
#include "worker/expr/expr_nested.h"

#include <string.h>

#include "worker/expr/expr_families.h"

enum expr_outcome expr_nested_return(struct expr_row *row, const struct column *column, uint32_t at,
                                     struct expr_datum *ret)
{
    if (column_is_null(column, at) || column->type->kind == TYPE_VOID) return EXPR_NULL;
    if (!row->builder) {
        *ret = expr_datum_of(column, at);
        return EXPR_VALUE;
    }
    return column_builder_copy(row->builder, column, at, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

struct expr_nested_list expr_nested_list_of(const struct expr_datum *datum)
{
    const struct column *column = datum->nested.column;
    uint32_t from = (uint32_t)column->offsets[datum->nested.row];
    return (struct expr_nested_list){column->children[0], column->type->child_count > 1 ? column->children[1] : NULL,
                                     from, (uint32_t)column->offsets[datum->nested.row + 1] - from};
}

uint64_t expr_nested_bytes(const struct column *column, uint32_t row)
{
    const struct type *type = column->type;
    if (column_is_null(column, row) || type->kind == TYPE_VOID) return 1;
    if (type_width(type)) return type_width(type);
    if (type_is_string_like(type)) return column_slice(column, row).length + sizeof(int32_t);
    bool is_struct = type->kind == TYPE_STRUCT;
    uint32_t from = is_struct ? row : (uint32_t)column->offsets[row];
    uint32_t to = is_struct ? row + 1 : (uint32_t)column->offsets[row + 1];
    uint64_t bytes = sizeof(int32_t);
    for (uint32_t i = 0; i < type->child_count; i++) {
        for (uint32_t at = from; at < to; at++) bytes += expr_nested_bytes(column->children[i], at);
    }
    return bytes;
}

static enum status make_struct(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *type = call->step->type;
    bool named = call->step->name[0] == 'n';
    struct column **children = memory_calloc(type->child_count + (size_t)1, sizeof *children);
    for (uint32_t i = 0; i < type->child_count; i++) {
        struct expr_value *value = &call->args[named ? 2 * i + 1 : i];
        if (value->constant && !call->constant) {
            TRY(expr_vector_expand(call->frame->budget, value->column, call->length, &children[i], err));
        } else {
            children[i] = column_ref(value->column);
        }
    }
    call->result = column_create_nested(type, call->length, 0, NULL, NULL, children);
    memory_free(children);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < type->child_count; i++) column_unref(children[i]);
    memory_free(children);
    return status;
}

static enum status struct_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    bool named = step->name[0] == 'n', good = step->type->kind == TYPE_STRUCT;
    good = good && step->arg_count == step->type->child_count * (named ? 2u : 1u);
    for (uint32_t i = 0; good && i < step->type->child_count; i++) {
        good = steps[step->args[named ? 2 * i + 1 : i]].type == step->type->children[i].type;
    }
    return good
               ? STATUS_OK
               : error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the plan's %s does not fit its type", step->name);
}

static enum expr_outcome row_array(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct column_builder *elements = column_builder_child(row->builder, 0);
    const struct type *type = row->call->step->type->children[0].type;
    for (uint32_t i = 0; i < expr_row_args(row); i++) {
        if (expr_datum_append(elements, type, &args[i], row->err) != STATUS_OK) return EXPR_BROKEN;
    }
    return column_builder_nested(row->builder, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

static bool same_key(const struct expr_row *row, uint32_t a, uint32_t b)
{
    const struct expr_value *x = &row->call->args[a], *y = &row->call->args[b];
    return column_compare(x->column, expr_index(x, row->row), y->column, expr_index(y, row->row)) == 0;
}

static enum expr_outcome row_map(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    uint32_t count = expr_row_args(row);
    const struct type *type = row->call->step->type;
    for (uint32_t i = 0; i < count; i += 2) {
        if (args[i].null) return expr_row_fail(row, "NULL_MAP_KEY", "Cannot use null as map key.");
        for (uint32_t j = 0; j < i; j += 2) {
            if (same_key(row, i, j)) return expr_row_fail(row, "DUPLICATED_MAP_KEY", "Duplicate map key was found.");
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct column_builder *child = column_builder_child(row->builder, i % 2);
        if (expr_datum_append(child, type->children[i % 2].type, &args[i], row->err) != STATUS_OK) return EXPR_BROKEN;
    }
    return column_builder_nested(row->builder, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

static enum expr_outcome map_element(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list map = expr_nested_list_of(&args[0]);
    const struct expr_value *key = &row->call->args[1];
    for (uint32_t i = 0; i < map.count; i++) {
        if (column_compare(map.elements, map.from + i, key->column, expr_index(key, row->row)) != 0) continue;
        return expr_nested_return(row, map.values, map.from + i, ret);
    }
    return EXPR_NULL;
}

static enum expr_outcome row_element(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    if (expr_arg_type(row->call, 0)->kind == TYPE_MAP) return map_element(row, args, ret);
    struct expr_nested_list array = expr_nested_list_of(&args[0]);
    int64_t index = args[1].i;
    if (index >= 0 && index < array.count)
        return expr_nested_return(row, array.elements, array.from + (uint32_t)index, ret);
    return expr_row_fail(row, "INVALID_ARRAY_INDEX",
                         "The index %lld is out of bounds. The array has %u elements. Use the SQL function "
                         "`get()` to tolerate it and return NULL instead.",
                         (long long)index, array.count);
}

static enum expr_outcome row_get(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list array = expr_nested_list_of(&args[0]);
    int64_t index = args[1].i;
    if (index < 0 || index >= array.count) return EXPR_NULL;
    return expr_nested_return(row, array.elements, array.from + (uint32_t)index, ret);
}

static enum expr_outcome row_element_at(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    if (expr_arg_type(row->call, 0)->kind == TYPE_MAP) return map_element(row, args, ret);
    struct expr_nested_list array = expr_nested_list_of(&args[0]);
    int64_t index = args[1].i;
    if (index == 0)
        return expr_row_fail(row, "INVALID_INDEX_OF_ZERO", "The index 0 is invalid. An index shall be < 0 or > 0.");
    int64_t at = index > 0 ? index - 1 : (int64_t)array.count + index;
    if (at >= 0 && at < array.count) return expr_nested_return(row, array.elements, array.from + (uint32_t)at, ret);
    if (row->call->step->name[0] == 't') return EXPR_NULL;
    return expr_row_fail(row, "INVALID_ARRAY_INDEX_IN_ELEMENT_AT",
                         "The index %lld is out of bounds. The array has %u elements. Use "
                         "`try_element_at` to tolerate it and return NULL instead.",
                         (long long)index, array.count);
}

static enum status nested_size(struct expr_call *call, struct error *err)
{
    struct buffer *values;
    enum status status = expr_vector_values(call, sizeof(int32_t), &values, err);
    if (status != STATUS_OK) return status;
    const struct column *column = call->args[0].column;
    int32_t *out = (int32_t *)(void *)values->data;
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        out[row] = expr_valid_at(call, row) ? column->offsets[row + 1] - column->offsets[row] : 0;
    }
    expr_vector_finish(call, values);
    return STATUS_OK;
}

static enum status typeof_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    const char *text = steps[step->args[0]].type->text;
    struct expr_datum datum = {.null = false};
    datum.s = slice_str(text);
    return expr_vector_single(NULL, type_of(TYPE_STRING), &datum, &step->literal, err);
}

static enum status nested_typeof(struct expr_call *call, struct error *err)
{
    return expr_vector_expand(call->frame->budget, call->step->literal, call->length, &call->result, err);
}

const struct expr_function expr_nested_functions[] = {
    {"struct", make_struct, NULL, struct_bind, EXPR_TOLERANT},
    {"named_struct", make_struct, NULL, struct_bind, EXPR_TOLERANT},
    {"array", NULL, row_array, NULL, EXPR_TOLERANT},
    {"map", NULL, row_map, NULL, EXPR_TOLERANT},
    {"[]", NULL, row_element, NULL, 0},
    {"get", NULL, row_get, NULL, 0},
    {"element_at", NULL, row_element_at, NULL, 0},
    {"try_element_at", NULL, row_element_at, NULL, 0},
    {"size", nested_size, NULL, NULL, 0},
    {"array_size", nested_size, NULL, NULL, 0},
    {"typeof", nested_typeof, NULL, typeof_bind, EXPR_LAZY | EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
