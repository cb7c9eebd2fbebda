// Arrays and maps as wholes: search, order, sets, joins of lists, conversions. Equality is Spark's (null = null, NaN =
// NaN).
#include <stdlib.h>
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_arithmetic_row.h"
#include "worker/expr/expr_families.h"
#include "worker/expr/expr_index.h"
#include "worker/expr/expr_nested.h"

#define ARRAY_LENGTH_MAX 10000000

static bool put(struct expr_row *row, uint32_t child, const struct column *column, uint32_t at)
{
    return column_builder_copy(column_builder_child(row->builder, child), column, at, row->err) == STATUS_OK;
}

static enum expr_outcome finish(struct expr_row *row)
{
    return column_builder_nested(row->builder, row->err) == STATUS_OK ? EXPR_VALUE : EXPR_BROKEN;
}

static const struct column *argument(const struct expr_row *row, uint32_t arg, uint32_t *ret_at)
{
    const struct expr_value *value = &row->call->args[arg];
    *ret_at = expr_index(value, row->row);
    return value->column;
}

static bool element_is(const struct expr_nested_list *list, uint32_t i, const struct column *value, uint32_t at)
{
    return column_compare(list->elements, list->from + i, value, at) == 0;
}

static enum expr_outcome row_array_contains(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    uint32_t at;
    const struct column *value = argument(row, 1, &at);
    bool null = false;
    for (uint32_t i = 0; i < list.count; i++) {
        if (column_is_null(list.elements, list.from + i)) {
            null = true;
        } else if (element_is(&list, i, value, at)) {
            return expr_row_int(ret, 1);
        }
    }
    return null ? EXPR_NULL : expr_row_int(ret, 0);
}

static enum expr_outcome row_array_position(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    uint32_t at;
    const struct column *value = argument(row, 1, &at);
    for (uint32_t i = 0; i < list.count; i++) {
        if (element_is(&list, i, value, at)) return expr_row_int(ret, i + 1);
    }
    return expr_row_int(ret, 0);
}

static enum expr_outcome row_array_remove(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    uint32_t at;
    const struct column *value = argument(row, 1, &at);
    for (uint32_t i = 0; i < list.count; i++) {
        if (!element_is(&list, i, value, at) && !put(row, 0, list.elements, list.from + i)) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_array_add(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    if (args[0].null) return EXPR_NULL;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    uint32_t at;
    const struct column *value = argument(row, 1, &at);
    bool front = strcmp(row->call->step->name, "array_prepend") == 0;
    if (front && !put(row, 0, value, at)) return EXPR_BROKEN;
    for (uint32_t i = 0; i < list.count; i++) {
        if (!put(row, 0, list.elements, list.from + i)) return EXPR_BROKEN;
    }
    if (!front && !put(row, 0, value, at)) return EXPR_BROKEN;
    return finish(row);
}

struct order {
    const struct column *elements;
    bool descending, nulls_first;
};

static int order_compare(const void *a, const void *b, void *context)
{
    const struct order *order = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    bool null_x = column_is_null(order->elements, x), null_y = column_is_null(order->elements, y);
    if (null_x || null_y) {
        if (null_x == null_y) return x < y ? -1 : x > y;
        return null_x == order->nulls_first ? -1 : 1;
    }
    int result = column_compare(order->elements, x, order->elements, y);
    if (result == 0) return x < y ? -1 : x > y;
    return order->descending ? -result : result;
}

static enum expr_outcome row_sort(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    bool array_sort = row->call->step->name[0] == 'a';
    bool descending = !array_sort && expr_row_args(row) == 2 && !args[1].i;
    struct order order = {list.elements, descending, !array_sort && !descending};
    uint32_t *places = memory_alloc((list.count + (size_t)1) * sizeof *places);
    for (uint32_t i = 0; i < list.count; i++) places[i] = list.from + i;
    qsort_r(places, list.count, sizeof *places, order_compare, &order);
    bool good = true;
    for (uint32_t i = 0; i < list.count && good; i++) good = put(row, 0, list.elements, places[i]);
    memory_free(places);
    return good ? finish(row) : EXPR_BROKEN;
}

static enum status index_of(struct expr_row *row, const struct expr_nested_list *list, struct expr_index *index)
{
    return expr_index_init(index, row->call->frame->budget, list->elements, list->from, list->count, row->err);
}

static bool found_in(const struct expr_nested_list *list, uint32_t count, const struct column *value, uint32_t at)
{
    for (uint32_t i = 0; i < count; i++) {
        if (element_is(list, i, value, at)) return true;
    }
    return false;
}

static enum expr_outcome row_array_distinct(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    struct expr_index seen;
    if (index_of(row, &list, &seen) != STATUS_OK) return EXPR_BROKEN;
    bool good = true;
    for (uint32_t at = list.from; at < list.from + list.count && good; at++)
        good = !expr_index_add(&seen, at) || put(row, 0, list.elements, at);
    expr_index_deinit(&seen);
    return good ? finish(row) : EXPR_BROKEN;
}

static enum expr_outcome row_array_compact(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    for (uint32_t i = 0; i < list.count; i++) {
        if (!column_is_null(list.elements, list.from + i) && !put(row, 0, list.elements, list.from + i))
            return EXPR_BROKEN;
    }
    return finish(row);
}

// array_union, array_intersect, array_except: distinct elements in order of their first appearance
static enum expr_outcome row_array_pair(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list a = expr_nested_list_of(&args[0]), b = expr_nested_list_of(&args[1]);
    char kind = row->call->step->name[6]; // u, i, e
    struct expr_index in_a = {0}, in_b = {0};
    bool good = index_of(row, &a, &in_a) == STATUS_OK && index_of(row, &b, &in_b) == STATUS_OK;
    for (uint32_t at = b.from; at < b.from + b.count && good && kind != 'u'; at++) expr_index_add(&in_b, at);
    for (uint32_t at = a.from; at < a.from + a.count && good; at++) {
        if (!expr_index_add(&in_a, at)) continue;
        if (kind != 'u' && expr_index_has(&in_b, a.elements, at, expr_index_hash(&in_a, at)) != (kind == 'i')) continue;
        good = put(row, 0, a.elements, at);
    }
    for (uint32_t at = b.from; at < b.from + b.count && good && kind == 'u'; at++) {
        if (!expr_index_add(&in_b, at)) continue;
        if (expr_index_has(&in_a, b.elements, at, expr_index_hash(&in_b, at))) continue;
        good = put(row, 0, b.elements, at);
    }
    expr_index_deinit(&in_a);
    expr_index_deinit(&in_b);
    return good ? finish(row) : EXPR_BROKEN;
}

static enum expr_outcome row_arrays_overlap(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list a = expr_nested_list_of(&args[0]), b = expr_nested_list_of(&args[1]);
    struct expr_index in_a = {0}, in_b = {0};
    bool null = false, found = false;
    bool good = index_of(row, &a, &in_a) == STATUS_OK && index_of(row, &b, &in_b) == STATUS_OK;
    for (uint32_t at = b.from; at < b.from + b.count && good; at++) {
        null = null || column_is_null(b.elements, at);
        expr_index_add(&in_b, at);
    }
    for (uint32_t at = a.from; at < a.from + a.count && good && !found; at++) {
        bool is_null = column_is_null(a.elements, at);
        null = null || is_null;
        found = !is_null && expr_index_has(&in_b, a.elements, at, expr_index_hash(&in_a, at));
    }
    expr_index_deinit(&in_a);
    expr_index_deinit(&in_b);
    if (!good) return EXPR_BROKEN;
    if (found) return expr_row_int(ret, 1);
    return null && a.count && b.count ? EXPR_NULL : expr_row_int(ret, 0);
}

static enum expr_outcome row_array_extreme(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    int sign = row->call->step->name[7] == 'a' ? 1 : -1; // array_max, array_min
    uint32_t best = UINT32_MAX;
    for (uint32_t i = list.from; i < list.from + list.count; i++) {
        if (column_is_null(list.elements, i)) continue;
        if (best == UINT32_MAX || column_compare(list.elements, i, list.elements, best) * sign > 0) best = i;
    }
    return best == UINT32_MAX ? EXPR_NULL : expr_nested_return(row, list.elements, best, ret);
}

static enum expr_outcome row_array_join(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    bool first = true;
    text_reset(&row->text);
    for (uint32_t i = list.from; i < list.from + list.count; i++) {
        bool null = column_is_null(list.elements, i);
        if (null && expr_row_args(row) < 3) continue;
        struct slice text = null ? args[2].s : column_slice(list.elements, i);
        if (!first) text_append(&row->text, args[1].s.data, args[1].s.length);
        text_append(&row->text, text.data, text.length);
        first = false;
    }
    return expr_row_string(ret, text_str(&row->text), row->text.length);
}

static enum status array_join_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    const struct type *element = steps[step->args[0]].type->children[0].type;
    if (element->kind == TYPE_STRING || element->kind == TYPE_VOID) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                     "array_join of %s is not supported; cast the array to array<string>", element->text);
}

static enum expr_outcome row_slice(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    int64_t start = args[1].i, length = args[2].i;
    if (start == 0) return expr_row_fail(row, "INVALID_PARAMETER_VALUE.START", "slice: arrays start at 1");
    if (length < 0)
        return expr_row_fail(row, "INVALID_PARAMETER_VALUE.LENGTH", "slice: the length must not be negative");
    int64_t from = start > 0 ? start - 1 : (int64_t)list.count + start;
    for (int64_t i = from; from >= 0 && i < list.count && i < from + length; i++) {
        if (!put(row, 0, list.elements, list.from + (uint32_t)i)) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_flatten(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    for (uint32_t i = list.from; i < list.from + list.count; i++) {
        if (column_is_null(list.elements, i)) return EXPR_NULL;
    }
    for (uint32_t i = list.from; i < list.from + list.count; i++) {
        for (int32_t j = list.elements->offsets[i]; j < list.elements->offsets[i + 1]; j++) {
            if (!put(row, 0, list.elements->children[0], (uint32_t)j)) return EXPR_BROKEN;
        }
    }
    return finish(row);
}

static enum expr_outcome row_array_repeat(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    uint32_t at;
    const struct column *value = argument(row, 0, &at);
    if (args[1].null) return EXPR_NULL;
    if (args[1].i > ARRAY_LENGTH_MAX)
        return expr_row_fail(row, "COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "array_repeat: too long");
    if (args[1].i > 0 && expr_nested_bytes(value, at) * (uint64_t)args[1].i > expr_row_bytes_max(row))
        return expr_row_too_large(row);
    for (int64_t i = 0; i < args[1].i; i++) {
        if (!put(row, 0, value, at)) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_array_reverse(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    for (uint32_t i = list.count; i-- > 0;) {
        if (!put(row, 0, list.elements, list.from + i)) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_array_concat(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    for (uint32_t arg = 0; arg < expr_row_args(row); arg++) {
        struct expr_nested_list list = expr_nested_list_of(&args[arg]);
        for (uint32_t i = 0; i < list.count; i++) {
            if (!put(row, 0, list.elements, list.from + i)) return EXPR_BROKEN;
        }
    }
    return finish(row);
}

// sequence(start, stop[, step]): integers by number, dates and timestamps by interval
static enum expr_outcome row_sequence(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    const struct type *type = expr_arg_type(row->call, 0);
    const struct type *step_type = expr_row_args(row) == 3 ? expr_arg_type(row->call, 2) : NULL;
    bool months = step_type && step_type->kind == TYPE_INTERVAL_YEAR_MONTH, date = type->kind == TYPE_DATE;
    bool time = type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
    int64_t start = args[0].i, stop = args[1].i, step = start <= stop ? 1 : -1;
    if (step_type) step = args[2].i;
    if (time && !step_type) step *= DATETIME_DAY_US;
    if (date && step_type && !months) step /= DATETIME_DAY_US;
    if ((step == 0 && start != stop) || (step > 0 && start > stop) || (step < 0 && start < stop)) {
        return expr_row_fail(row, "ILLEGAL_SEQUENCE_BOUNDARIES", "Illegal sequence boundaries");
    }
    uint64_t most = expr_row_bytes_max(row) / type_width(type);
    if (!months && step &&
        (uint64_t)(step > 0 ? stop - start : start - stop) / (step > 0 ? (uint64_t)step : 0 - (uint64_t)step) >= most)
        return expr_row_too_large(row);
    int64_t value = start, days = date ? start : start / DATETIME_DAY_US - (start % DATETIME_DAY_US < 0);
    for (int64_t n = 1; step >= 0 ? value <= stop : value >= stop; n++) {
        struct expr_datum datum = {.null = false};
        datum.i = value;
        if (n > ARRAY_LENGTH_MAX)
            return expr_row_fail(row, "COLLECTION_SIZE_LIMIT_EXCEEDED.PARAMETER", "sequence: too long");
        if (expr_datum_append(column_builder_child(row->builder, 0), type, &datum, row->err) != STATUS_OK)
            return EXPR_BROKEN;
        if (step == 0) break;
        if (!months) {
            if (__builtin_add_overflow(value, step, &value)) break;
            continue;
        }
        int64_t moved = expr_arithmetic_row_add_months(days, step * n);
        value = date ? moved : moved * DATETIME_DAY_US + (start - days * DATETIME_DAY_US);
    }
    return finish(row);
}

static enum expr_outcome row_map_part(struct expr_row *row, const struct expr_datum *args, struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list map = expr_nested_list_of(&args[0]);
    char part = row->call->step->name[4]; // k, v, e
    struct column_builder *out = column_builder_child(row->builder, 0);
    for (uint32_t i = map.from; i < map.from + map.count; i++) {
        if (part != 'e') {
            if (!put(row, 0, part == 'k' ? map.elements : map.values, i)) return EXPR_BROKEN;
            continue;
        }
        bool good = column_builder_copy(column_builder_child(out, 0), map.elements, i, row->err) == STATUS_OK &&
                    column_builder_copy(column_builder_child(out, 1), map.values, i, row->err) == STATUS_OK &&
                    column_builder_nested(out, row->err) == STATUS_OK;
        if (!good) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_map_contains_key(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    struct expr_nested_list map = expr_nested_list_of(&args[0]);
    uint32_t at;
    const struct column *key = argument(row, 1, &at);
    return expr_row_int(ret, found_in(&map, map.count, key, at));
}

// A map of keys[i], values[i]. The checks come first: nothing is appended for a row that fails.
static enum expr_outcome build_map(struct expr_row *row, const struct column *keys, uint32_t key_from,
                                   const struct column *values, uint32_t value_from, uint32_t count)
{
    struct expr_nested_list list = {keys, NULL, key_from, count};
    struct expr_index seen;
    if (index_of(row, &list, &seen) != STATUS_OK) return EXPR_BROKEN;
    bool null = false, twice = false;
    for (uint32_t at = key_from; at < key_from + count && !null && !twice; at++) {
        null = column_is_null(keys, at);
        twice = !expr_index_add(&seen, at);
    }
    expr_index_deinit(&seen);
    if (null) return expr_row_fail(row, "NULL_MAP_KEY", "Cannot use null as map key.");
    if (twice) return expr_row_fail(row, "DUPLICATED_MAP_KEY", "Duplicate map key was found.");
    for (uint32_t i = 0; i < count; i++) {
        if (!put(row, 0, keys, key_from + i) || !put(row, 1, values, value_from + i)) return EXPR_BROKEN;
    }
    return finish(row);
}

static enum expr_outcome row_map_from_arrays(struct expr_row *row, const struct expr_datum *args,
                                             struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list keys = expr_nested_list_of(&args[0]), values = expr_nested_list_of(&args[1]);
    if (keys.count != values.count)
        return expr_row_fail(row, "INTERNAL_ERROR", "map_from_arrays: the arrays have different lengths");
    return build_map(row, keys.elements, keys.from, values.elements, values.from, keys.count);
}

static enum expr_outcome row_map_from_entries(struct expr_row *row, const struct expr_datum *args,
                                              struct expr_datum *ret)
{
    (void)ret;
    struct expr_nested_list list = expr_nested_list_of(&args[0]);
    for (uint32_t i = 0; i < list.count; i++) {
        if (column_is_null(list.elements, list.from + i)) return EXPR_NULL;
    }
    return build_map(row, list.elements->children[0], list.from, list.elements->children[1], list.from, list.count);
}

#define ROW(name)                                                                                                      \
    {                                                                                                                  \
#name, NULL, row_##name, NULL, 0                                                                               \
    }
const struct expr_function expr_array_functions[] = {
    ROW(array_contains),
    ROW(array_position),
    ROW(array_remove),
    ROW(array_distinct),
    ROW(array_compact),
    ROW(arrays_overlap),
    ROW(slice),
    ROW(flatten),
    ROW(array_reverse),
    ROW(array_concat),
    ROW(sequence),
    ROW(map_contains_key),
    ROW(map_from_arrays),
    ROW(map_from_entries),
    {"array_append", NULL, row_array_add, NULL, EXPR_TOLERANT},
    {"array_prepend", NULL, row_array_add, NULL, EXPR_TOLERANT},
    {"array_sort", NULL, row_sort, NULL, 0},
    {"sort_array", NULL, row_sort, NULL, 0},
    {"array_union", NULL, row_array_pair, NULL, 0},
    {"array_intersect", NULL, row_array_pair, NULL, 0},
    {"array_except", NULL, row_array_pair, NULL, 0},
    {"array_max", NULL, row_array_extreme, NULL, 0},
    {"array_min", NULL, row_array_extreme, NULL, 0},
    {"array_join", NULL, row_array_join, array_join_bind, 0},
    {"array_repeat", NULL, row_array_repeat, NULL, EXPR_TOLERANT},
    {"map_keys", NULL, row_map_part, NULL, 0},
    {"map_values", NULL, row_map_part, NULL, 0},
    {"map_entries", NULL, row_map_part, NULL, 0},
    {NULL, NULL, NULL, NULL, 0},
};
