// Bound expressions: making, comparing and rewriting them.
#include "coordinator/bind/bind.h"

struct bind_column *bind_expr_column(struct bind_context *context, const char *name, const struct type *type,
                                     bool event_time)
{
    struct bind_column *column = arena_calloc(context->arena, 1, sizeof *column);
    *column = (struct bind_column){.id = context->next_id++, .name = name, .type = type, .event_time = event_time};
    return column;
}

struct bind_expr *bind_expr_new(struct bind_context *context, enum bind_kind kind, const struct type *type,
                                const struct sql_expr *at)
{
    struct bind_expr *expr = arena_calloc(context->arena, 1, sizeof *expr);
    expr->kind = kind;
    expr->type = type;
    expr->deterministic = true;
    expr->depth = 1;
    if (at) {
        expr->offset = at->offset;
        expr->start = at->start;
        expr->end = at->end;
    }
    return expr;
}

struct bind_expr *bind_expr_reference(struct bind_context *context, struct bind_column *column,
                                      const struct sql_expr *at)
{
    struct bind_expr *expr = bind_expr_new(context, BIND_COLUMN, column->type, at);
    expr->column = column;
    return expr;
}

struct bind_expr *bind_expr_literal(struct bind_context *context, const struct sql_value *value,
                                    const struct sql_expr *at)
{
    struct bind_expr *expr = bind_expr_new(context, BIND_LITERAL, value->type, at);
    expr->value = *value;
    return expr;
}

struct bind_expr *bind_expr_string(struct bind_context *context, const char *text, const struct sql_expr *at)
{
    return bind_expr_literal(context, &(struct sql_value){.type = type_of(TYPE_STRING), .bytes = slice_str(text)}, at);
}

struct bind_expr *bind_expr_integer(struct bind_context *context, enum type_kind kind, int64_t value,
                                    const struct sql_expr *at)
{
    return bind_expr_literal(context, &(struct sql_value){.type = type_of(kind), .integer = value}, at);
}

struct bind_expr *bind_expr_boolean(struct bind_context *context, bool value, const struct sql_expr *at)
{
    return bind_expr_literal(context, &(struct sql_value){.type = type_of(TYPE_BOOLEAN), .boolean = value}, at);
}

struct bind_expr *bind_expr_field(struct bind_context *context, struct bind_expr *of, uint32_t ordinal,
                                  const struct sql_expr *at)
{
    struct bind_expr *expr = bind_expr_new(context, BIND_FIELD, of->type->children[ordinal].type, at);
    expr->ordinal = ordinal;
    bind_expr_add(context, expr, of);
    return expr;
}

void bind_expr_add(struct bind_context *context, struct bind_expr *expr, struct bind_expr *arg)
{
    sql_list_push(context->arena, &expr->args, arg);
    expr->deterministic = expr->deterministic && arg->deterministic;
    expr->has_aggregate = expr->has_aggregate || arg->has_aggregate;
    if (arg->depth >= expr->depth) expr->depth = arg->depth + 1;
}

uint32_t bind_expr_walk(struct bind_context *context)
{
    return ++*context->marks;
}

bool bind_expr_visit(struct bind_expr *expr, uint32_t mark)
{
    if (expr->mark == mark) return false;
    expr->mark = mark;
    return true;
}

// A whole number that fits becomes a literal of the wider type at once.
static bool widen(struct bind_context *context, const struct sql_value *from, const struct type *type,
                  struct sql_value *ret_value)
{
    if (from->null || !type_is_integral(from->type) || !type_is_numeric(type)) return false;
    *ret_value = (struct sql_value){.type = type};
    if (type_is_integral(type)) {
        ret_value->integer = from->integer;
        return type->kind > from->type->kind;
    }
    if (type->kind == TYPE_DOUBLE || type->kind == TYPE_FLOAT) {
        int64_t exact = type->kind == TYPE_DOUBLE ? INT64_C(1) << 53 : 1 << 24;
        ret_value->real = (double)from->integer;
        return from->integer <= exact && from->integer >= -exact;
    }
    int64_t digits = 1;
    for (uint64_t rest = from->integer < 0 ? -(uint64_t)from->integer : (uint64_t)from->integer; rest >= 10; rest /= 10)
        digits++;
    static const char zeros[DECIMAL_PRECISION_MAX + 1] = "00000000000000000000000000000000000000";
    ret_value->bytes = slice_str(
        from->integer ? arena_printf(context->arena, "%lld%.*s", (long long)from->integer, type->scale, zeros) : "0");
    return digits + type->scale <= type->precision;
}

struct bind_expr *bind_expr_cast(struct bind_context *context, struct bind_expr *expr, const struct type *type)
{
    if (expr->type == type) return expr;
    struct bind_expr *cast = bind_expr_new(context, BIND_CAST, type, NULL);
    cast->offset = expr->offset;
    cast->start = expr->start;
    cast->end = expr->end;
    if (expr->kind == BIND_LITERAL && expr->value.null) {
        cast->kind = BIND_LITERAL;
        cast->value = (struct sql_value){.type = type, .null = true};
        return cast;
    }
    if (expr->kind == BIND_LITERAL && widen(context, &expr->value, type, &cast->value)) {
        cast->kind = BIND_LITERAL;
        return cast;
    }
    bind_expr_add(context, cast, expr);
    return cast;
}

static bool value_equal(const struct sql_value *a, const struct sql_value *b)
{
    // By bits: 0.0 and -0.0 are two literals, a NaN is one with itself. NOLINTNEXTLINE(*-suspicious-memory-comparison)
    bool same_real = memcmp(&a->real, &b->real, sizeof a->real) == 0;
    return same_real && a->null == b->null && a->boolean == b->boolean && a->integer == b->integer &&
           slice_equal(a->bytes, b->bytes);
}

// Two expressions that share much within themselves could take for ever to compare: beyond the budget they count as
// different.
#define EQUAL_BUDGET 20000

static bool equal(const struct bind_expr *a, const struct bind_expr *b, int *budget)
{
    if (a == b) return true;
    if (--*budget < 0 || !a || !b || a->kind != b->kind || a->type != b->type || a->args.count != b->args.count)
        return false;
    if (!a->deterministic || !b->deterministic || a->ordinal != b->ordinal || a->column != b->column) return false;
    if (a->depth != b->depth || a->distinct != b->distinct || a->try_cast != b->try_cast) return false;
    if ((a->function || b->function) && strcmp(a->function, b->function) != 0) return false;
    if (a->kind == BIND_LITERAL && !value_equal(&a->value, &b->value)) return false;
    if (!equal(a->filter, b->filter, budget)) return false;
    for (uint32_t i = 0; i < a->args.count; i++) {
        if (!equal(a->args.items[i], b->args.items[i], budget)) return false;
    }
    return true;
}

bool bind_expr_equal(const struct bind_expr *a, const struct bind_expr *b)
{
    int budget = EQUAL_BUDGET;
    return equal(a, b, &budget);
}

// Every shared part is rewritten once, so that sharing (and cost) stay as they are.
struct replacer {
    struct bind_context *context;
    bind_expr_rewrite rewrite;
    void *data;
    uint32_t mark;
};

static struct bind_expr *replace(struct replacer *replacer, struct bind_expr *expr)
{
    if (!expr || expr->kind == BIND_LITERAL) return expr;
    if (expr->kind == BIND_COLUMN) {
        struct bind_expr *instead = replacer->rewrite(replacer->data, expr->column);
        return instead ? instead : expr;
    }
    if (!bind_expr_visit(expr, replacer->mark)) return expr->copy;
    struct bind_expr *copy = expr;
    struct bind_expr *filter = replace(replacer, expr->filter);
    bool changed = filter != expr->filter;
    struct bind_expr **args = arena_alloc(replacer->context->arena, (expr->args.count + 1) * sizeof *args);
    for (uint32_t i = 0; i < expr->args.count; i++) {
        args[i] = replace(replacer, expr->args.items[i]);
        changed = changed || args[i] != expr->args.items[i];
    }
    if (changed) {
        copy = arena_alloc(replacer->context->arena, sizeof *copy);
        *copy = *expr;
        copy->filter = filter;
        memset(&copy->args, 0, sizeof copy->args);
        copy->depth = 1;
        for (uint32_t i = 0; i < expr->args.count; i++) bind_expr_add(replacer->context, copy, args[i]);
    }
    expr->copy = copy;
    return copy;
}

struct bind_expr *bind_expr_replace(struct bind_context *context, struct bind_expr *expr, bind_expr_rewrite rewrite,
                                    void *data)
{
    struct replacer replacer = {context, rewrite, data, bind_expr_walk(context)};
    return replace(&replacer, expr);
}

void bind_expr_fill_literal(struct arena *arena, const struct sql_value *value, Foreset__Expr *ret_expr)
{
    foreset__expr__init(ret_expr);
    ret_expr->kind = FORESET__EXPR__KIND__LITERAL;
    ret_expr->type = arena_strdup(arena, value->type->text);
    if (value->null) return;
    switch (value->type->kind) {
    case TYPE_BOOLEAN:
        ret_expr->has_boolean = true;
        ret_expr->boolean = value->boolean;
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        ret_expr->has_real = true;
        ret_expr->real = value->real;
        break;
    case TYPE_DECIMAL:
    case TYPE_STRING:
    case TYPE_BINARY:
        ret_expr->has_bytes = true;
        ret_expr->bytes.len = value->bytes.length;
        ret_expr->bytes.data = (uint8_t *)arena_strndup(arena, value->bytes.data, value->bytes.length);
        break;
    default: ret_expr->has_integer = true; ret_expr->integer = value->integer;
    }
}
