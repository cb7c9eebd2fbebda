// Calls: operators and functions through function_resolve, the forms that are made of others (BETWEEN, CASE x WHEN,
// struct), aggregates and time windows.
#include <string.h>
#include <strings.h>

#include "common/plan/function_table.h"
#include "coordinator/bind/bind.h"
#include "coordinator/sql/sql_interval.h"

#define WINDOW_OVERLAP_MAX 100000 // sliding windows that one row lies in

// The call in function_resolve's own form.
static enum status resolve(struct bind_env *env, const struct sql_expr *at, const char *name,
                           struct bind_expr *const *args, uint32_t count, struct function_binding *ret_binding,
                           struct error *err)
{
    struct arena *arena = env->context->arena;
    const struct type **types = arena_alloc(arena, (count + 1) * sizeof *types);
    const Foreset__Expr **literals = arena_calloc(arena, count + 1, sizeof *literals);
    size_t bytes = 0; // a struct of structs of structs doubles with each view
    for (uint32_t i = 0; i < count; i++) {
        types[i] = args[i]->type;
        if (types[i]->child_count) bytes += strlen(types[i]->text);
        if (args[i]->kind != BIND_LITERAL) continue;
        Foreset__Expr *literal = arena_alloc(arena, sizeof *literal);
        bind_expr_fill_literal(arena, &args[i]->value, literal);
        literals[i] = literal;
    }
    if (bytes > TYPE_TEXT_BYTES_MAX) {
        return sql_text_error(env->context->text, at ? at->offset : 0, STATUS_INVALID, NULL,
                              "name the fields that are needed", err,
                              "the types of what %.100s is given take %zu bytes of text, the limit is %u", name, bytes,
                              TYPE_TEXT_BYTES_MAX);
    }
    struct function_call call = {.name = name, .arg_count = count, .arg_types = types, .literals = literals};
    enum status status = function_resolve(&call, arena, ret_binding, err);
    if (status == STATUS_OK) return status;
    return sql_text_locate(env->context->text, at ? at->offset : 0, NULL, err);
}

static void add_args(struct bind_context *context, struct bind_expr *expr, struct bind_expr *const *args,
                     uint32_t count, const struct function_binding *binding)
{
    expr->deterministic = binding->deterministic;
    for (uint32_t i = 0; i < count; i++) {
        bind_expr_add(context, expr, bind_expr_cast(context, args[i], binding->arg_types[i]));
    }
}

enum status bind_call_resolve(struct bind_env *env, const struct sql_expr *at, const char *name,
                              struct bind_expr *const *args, uint32_t count, struct bind_expr **ret_expr,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct function_binding binding;
    TRY(resolve(env, at, name, args, count, &binding, err));
    struct bind_expr *expr = bind_expr_new(env->context, BIND_CALL, binding.type, at);
    expr->function = binding.name;
    add_args(env->context, expr, args, count, &binding);
    *ret_expr = expr;
out:
    return status;
}

// The arguments, with * expanded; for count(*) none.
static enum status bind_args(struct bind_env *env, const struct sql_expr *call, bind_named_list *list,
                             struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < call->args.count; i++) {
        const struct sql_expr *arg = call->args.items[i];
        const char *name = i < call->arg_names.count ? call->arg_names.items[i] : NULL;
        if (arg->kind == SQL_EXPR_STAR) {
            if (strcasecmp(call->name, "count") == 0 && arg->names.count == 0 && call->args.count == 1 &&
                !call->distinct)
                continue;
            TRY(bind_scope_star(env, arg, list, err));
            continue;
        }
        struct bind_named item = {.name = name, .offset = arg->offset};
        TRY(bind_expression(env, arg, &item.expr, err));
        if (!item.name && arg->kind == SQL_EXPR_COLUMN) item.name = arg->names.items[arg->names.count - 1];
        if (!item.name && arg->kind == SQL_EXPR_FIELD) item.name = arg->name;
        sql_list_push(env->context->arena, list, item);
    }
out:
    return status;
}

static struct bind_expr **plain_args(struct bind_context *context, const bind_named_list *list, uint32_t extra)
{
    struct bind_expr **args = arena_calloc(context->arena, list->count + extra + 1, sizeof *args);
    for (uint32_t i = 0; i < list->count; i++) args[i] = list->items[i].expr;
    return args;
}

// struct(a, b AS x) is named_struct('a', a, 'x', b).
static enum status bind_struct(struct bind_env *env, const struct sql_expr *call, const bind_named_list *list,
                               struct bind_expr **ret_expr, struct error *err)
{
    struct bind_context *context = env->context;
    struct bind_expr **args = arena_calloc(context->arena, list->count * 2 + 1, sizeof *args);
    for (uint32_t i = 0; i < list->count; i++) {
        const char *name = list->items[i].name ? list->items[i].name : arena_printf(context->arena, "col%u", i + 1);
        args[2 * i] = bind_expr_string(context, name, call);
        args[2 * i + 1] = list->items[i].expr;
    }
    return bind_call_resolve(env, call, "named_struct", args, list->count * 2, ret_expr, err);
}

// CASE x WHEN a THEN b …: x is one shared expression, compared with each a.
static enum status bind_simple_case(struct bind_env *env, const struct sql_expr *call, const bind_named_list *list,
                                    struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr **args = arena_calloc(env->context->arena, list->count + 1, sizeof *args);
    uint32_t count = list->count - 1;
    for (uint32_t i = 0; i < count; i++) {
        args[i] = list->items[i + 1].expr;
        if (i % 2 || i + 1 == count) continue;
        struct bind_expr *pair[2] = {list->items[0].expr, args[i]};
        TRY(bind_call_resolve(env, call->args.items[i + 1], "=", pair, 2, &args[i], err));
    }
    status = bind_call_resolve(env, call, "case", args, count, ret_expr, err);
out:
    return status;
}

static enum status bind_between(struct bind_env *env, const struct sql_expr *call, const bind_named_list *list,
                                struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr *low[2] = {list->items[0].expr, list->items[1].expr},
                     *high[2] = {list->items[0].expr, list->items[2].expr};
    struct bind_expr *both[2] = {NULL, NULL};
    TRY(bind_call_resolve(env, call, ">=", low, 2, &both[0], err));
    TRY(bind_call_resolve(env, call, "<=", high, 2, &both[1], err));
    status = bind_call_resolve(env, call, "and", both, 2, ret_expr, err);
out:
    return status;
}

static enum status bind_aggregate(struct bind_env *env, const struct sql_expr *call,
                                  const struct function_binding *binding, struct bind_expr *const *args, uint32_t count,
                                  struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_text *text = env->context->text;
    if (env->inside_aggregate) {
        return sql_text_error(text, call->offset, STATUS_INVALID, "NESTED_AGGREGATE_FUNCTION",
                              "aggregate in a sub-query first", err, "an aggregate cannot stand inside another one");
    }
    if (!env->aggregates_allowed) {
        return sql_text_error(text, call->offset, STATUS_INVALID,
                              strcmp(env->place, "WHERE") == 0 ? "INVALID_WHERE_CONDITION" : "GROUP_BY_AGGREGATE",
                              strcmp(env->place, "WHERE") == 0 ? "HAVING filters groups" : NULL, err,
                              "an aggregate cannot stand in %s", env->place);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!args[i]->has_aggregate) continue;
        return sql_text_error(text, call->offset, STATUS_INVALID, "NESTED_AGGREGATE_FUNCTION", NULL, err,
                              "an aggregate cannot stand inside another one");
    }
    if (!binding->deterministic) {
        return sql_text_error(text, call->offset, STATUS_INVALID, "AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION",
                              NULL, err, "an aggregate over a value that is not deterministic");
    }
    struct bind_expr *expr = bind_expr_new(env->context, BIND_AGGREGATE, binding->type, call);
    expr->function = binding->name;
    add_args(env->context, expr, args, count, binding);
    expr->deterministic = expr->has_aggregate = true;
    expr->distinct = call->distinct;
    if (call->filter) {
        struct bind_env inner = *env;
        inner.inside_aggregate = true;
        inner.place = "FILTER";
        TRY(bind_expression_boolean(&inner, call->filter, &expr->filter, err));
    }
    *ret_expr = expr;
out:
    return status;
}

static enum status refuse_class(struct bind_env *env, const struct sql_expr *call,
                                const struct function_binding *binding, struct error *err)
{
    const struct sql_text *text = env->context->text;
    if (binding->class == FUNCTION_GENERATOR) {
        return sql_text_error(text, call->offset, STATUS_UNSUPPORTED, NULL, "elements can be taken one by one: a[0]",
                              err, "%s, a function that makes several rows of one (a generator), is not built yet",
                              binding->name);
    }
    if (binding->class != FUNCTION_AGGREGATE && (call->distinct || call->filter)) {
        return sql_text_error(text, call->offset, STATUS_INVALID, "INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX",
                              NULL, err, "%s is no aggregate: DISTINCT and FILTER do not go with it", call->name);
    }
    return STATUS_OK;
}

// A call in brackets, and operators that function_resolve knows.
static enum status bind_plain(struct bind_env *env, const struct sql_expr *call, const bind_named_list *list,
                              struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_expr **args = plain_args(env->context, list, 1);
    uint32_t count = list->count;
    if (call->ignore_nulls) args[count++] = bind_expr_boolean(env->context, true, call);
    struct function_binding binding = {0};
    if (count == 0 && strcasecmp(call->name, "count") == 0 && call->args.count) { // count(*)
        binding = (struct function_binding){
            .name = "count", .class = FUNCTION_AGGREGATE, .type = type_of(TYPE_BIGINT), .deterministic = true};
    } else {
        TRY(resolve(env, call, call->name, args, count, &binding, err));
    }
    TRY(refuse_class(env, call, &binding, err));
    if (binding.class == FUNCTION_AGGREGATE) return bind_aggregate(env, call, &binding, args, count, ret_expr, err);
    struct bind_expr *expr = bind_expr_new(env->context, BIND_CALL, binding.type, call);
    expr->function = binding.name;
    add_args(env->context, expr, args, count, &binding);
    *ret_expr = expr;
    if (strcmp(binding.name, "positive") == 0) *ret_expr = expr->args.items[0];
out:
    return status;
}

enum status bind_call_session(struct bind_env *env, const struct sql_expr *call, struct error *err)
{
    if (env->context->update_mode) {
        return sql_text_error(env->context->text, call->offset, STATUS_INVALID,
                              "STREAMING_OUTPUT_MODE.UNSUPPORTED_OPERATION", NULL, err,
                              "session windows do not work in update mode");
    }
    return sql_text_error(env->context->text, call->offset, STATUS_UNSUPPORTED, NULL,
                          "window(time, '5 minutes') makes windows of fixed length", err,
                          "session_window is not built yet");
}

// double('1.5'), date(x): a type's name as a function is a cast.
static const struct type *cast_function(const struct sql_expr *call)
{
    static const char *const names[] = {"boolean", "tinyint", "smallint", "int",  "bigint",    "float",
                                        "double",  "string",  "binary",   "date", "timestamp", "decimal"};
    for (size_t i = 0; i < sizeof names / sizeof *names && call->args.count == 1 && !call->is_operator; i++) {
        const struct type *type = NULL;
        if (strcasecmp(call->name, names[i]) == 0 && type_parse(names[i], &type, NULL) == STATUS_OK) return type;
    }
    return NULL;
}

enum status bind_call(struct bind_env *env, const struct sql_expr *call, struct bind_expr **ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_text *text = env->context->text;
    if (strcasecmp(call->name, "window") == 0 && !call->is_operator) return bind_call_window(env, call, ret_expr, err);
    if (strcasecmp(call->name, "session_window") == 0) return bind_call_session(env, call, err);
    if (strcasecmp(call->name, "secret") == 0) {
        return sql_text_error(text, call->offset, STATUS_INVALID, NULL, NULL, err,
                              "secret(…) stands as the value of an option of read_kafka only");
    }
    const struct type *cast = cast_function(call);
    if (cast) {
        struct sql_expr *as_cast = arena_alloc(env->context->arena, sizeof *as_cast);
        *as_cast = *call;
        as_cast->kind = SQL_EXPR_CAST;
        as_cast->type = cast;
        return bind_expression(env, as_cast, ret_expr, err);
    }
    bind_named_list list = {0};
    for (uint32_t i = 0; i < call->arg_names.count; i++) { // named arguments exist for sources only
        if (call->arg_names.items[i] && strcasecmp(call->name, "struct") != 0) {
            return sql_text_error(
                text, call->args.items[i]->offset, STATUS_UNSUPPORTED, NULL, "give the arguments by position", err,
                "an argument by name (%s) in a function call is not built yet", call->arg_names.items[i]);
        }
    }
    TRY(bind_args(env, call, &list, err));
    if (call->is_operator && strcmp(call->name, "between") == 0) return bind_between(env, call, &list, ret_expr, err);
    if (call->is_operator && strcmp(call->name, "simple_case") == 0)
        return bind_simple_case(env, call, &list, ret_expr, err);
    if (!call->is_operator && strcasecmp(call->name, "struct") == 0)
        return bind_struct(env, call, &list, ret_expr, err);
    status = bind_plain(env, call, &list, ret_expr, err);
out:
    return status;
}

// '1 minute' or INTERVAL 1 MINUTE, in microseconds.
static enum status window_duration(struct bind_env *env, const struct sql_expr *arg, const char *what, bool positive,
                                   int64_t *ret_us, struct error *err)
{
    int64_t us = 0;
    bool good = false;
    if (arg->kind == SQL_EXPR_LITERAL && !arg->value.null) {
        if (arg->value.type->kind == TYPE_STRING)
            good = sql_interval_parse_us(arg->value.bytes.data, &us);
        else if (arg->value.type->kind == TYPE_INTERVAL_DAY_TIME)
            good = (us = arg->value.integer, true);
    }
    if (good && (!positive || us > 0)) {
        *ret_us = us;
        return STATUS_OK;
    }
    return sql_text_error(env->context->text, arg->offset, STATUS_INVALID, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                          "window(time, '5 minutes')", err, "window's %s is a literal %sinterval of days or less", what,
                          positive ? "positive " : "");
}

static enum status window_spec(struct bind_env *env, const struct sql_expr *call, struct bind_window *spec,
                               struct error *err)
{
    enum status status = STATUS_OK;
    const struct sql_text *text = env->context->text;
    uint32_t count = call->args.count;
    if (count < 2 || count > 4) {
        return sql_text_error(text, call->offset, STATUS_INVALID, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", NULL, err,
                              "window takes 2 to 4 arguments (time, duration, slide, start), not %u", count);
    }
    TRY(bind_expression(env, call->args.items[0], &spec->time, err));
    TRY(window_duration(env, call->args.items[1], "duration", true, &spec->window_us, err));
    spec->slide_us = spec->window_us;
    if (count > 2) TRY(window_duration(env, call->args.items[2], "slide", true, &spec->slide_us, err));
    if (count > 3) TRY(window_duration(env, call->args.items[3], "start", false, &spec->offset_us, err));
    if (spec->slide_us > spec->window_us) {
        return sql_text_error(text, call->args.items[2]->offset, STATUS_INVALID,
                              "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION", NULL, err,
                              "window's slide is longer than its duration");
    }
    if (spec->window_us / spec->slide_us >= WINDOW_OVERLAP_MAX) {
        return sql_text_error(text, call->args.items[2]->offset, STATUS_INVALID, NULL, "a longer slide", err,
                              "every row would lie in %lld windows; the most is %d",
                              (long long)(spec->window_us / spec->slide_us), WINDOW_OVERLAP_MAX);
    }
    if (spec->offset_us >= spec->slide_us || spec->offset_us <= -spec->slide_us) {
        return sql_text_error(text, call->args.items[3]->offset, STATUS_INVALID,
                              "DATATYPE_MISMATCH.PARAMETER_CONSTRAINT_VIOLATION", NULL, err,
                              "window's start is not shorter than its slide");
    }
    const struct type *type = spec->time->type;
    bool is_window =
        type->kind == TYPE_STRUCT && type->child_count == 2 && type->children[1].type->kind == TYPE_TIMESTAMP;
    if (is_window) TRY(bind_call_resolve(env, call, "window_time", &spec->time, 1, &spec->time, err));
    if (type->kind == TYPE_DATE || type->kind == TYPE_STRING)
        spec->time = bind_expr_cast(env->context, spec->time, type_of(TYPE_TIMESTAMP));
    if (spec->time->type->kind != TYPE_TIMESTAMP) {
        return sql_text_error(text, call->args.items[0]->offset, STATUS_INVALID,
                              "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "cast it: CAST(x AS TIMESTAMP)", err,
                              "window takes a TIMESTAMP, this is of type %.200s", type->text);
    }
out:
    return status;
}

enum status bind_call_window(struct bind_env *env, const struct sql_expr *call, struct bind_expr **ret_expr,
                             struct error *err)
{
    enum status status = STATUS_OK;
    struct bind_context *context = env->context;
    struct bind_window spec = {.found = true, .offset = call->offset}, *window = env->windows;
    if (!window) {
        return sql_text_error(context->text, call->offset, STATUS_INVALID, NULL,
                              "make it a column first: SELECT window(time, '1 minute') AS w FROM …, and filter around "
                              "it",
                              err, "window(…) cannot stand in %s", env->place);
    }
    TRY(window_spec(env, call, &spec, err));
    if (window->found) {
        bool same = bind_expr_equal(window->time, spec.time) && window->window_us == spec.window_us &&
                    window->slide_us == spec.slide_us && window->offset_us == spec.offset_us;
        if (!same) {
            return sql_text_error(context->text, call->offset, STATUS_INVALID, "_LEGACY_ERROR_TEMP_1039",
                                  "write one of them in a sub-query", err, "two different time windows in one SELECT");
        }
    } else {
        static const char *const names[] = {"start", "end"};
        struct field fields[2] = {{names[0], type_of(TYPE_TIMESTAMP)}, {names[1], type_of(TYPE_TIMESTAMP)}};
        const struct bind_expr *time = spec.time;
        if (time->kind == BIND_CALL && strcmp(time->function, "window_time") == 0) time = time->args.items[0];
        bool marked = time->kind == BIND_COLUMN && time->column->event_time;
        spec.column = bind_expr_column(context, "window", type_struct(fields, 2), marked);
        *window = spec;
    }
    *ret_expr = bind_expr_reference(context, window->column, call);
out:
    return status;
}
