// --where by the SQL engine: the text is bound and compiled as a pipeline's WHERE is.
#include "cli/table_where.h"

#include <string.h>

#include "common/base/clock.h"
#include "coordinator/planner/planner.h"
#include "worker/expr/expr.h"

struct table_where {
    struct arena arena;
    struct expr *expr;
    int64_t timestamp_us;
};

static void table_where_destroy(void *filter)
{
    struct table_where *where = filter;
    if (!where) return;
    expr_destroy(where->expr);
    arena_deinit(&where->arena);
    memory_free(where);
}

static enum status table_where_create(const char *expression, const struct type *schema, void **ret_filter,
                                      struct error *err)
{
    enum status status = STATUS_OK;
    struct table_where *where = memory_calloc(1, sizeof *where);
    Foreset__Plan *plan = NULL;
    uint32_t root = 0;
    arena_init(&where->arena, 0);
    where->timestamp_us = clock_wall_us(clock_system());
    TRY(planner_compile_expression(expression, schema, &where->arena, &plan, &root, err));
    TRY(expr_compile(plan, root, schema, NULL, &where->expr, err));
    if (expr_type(where->expr)->kind != TYPE_BOOLEAN) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "--where: '%s' is of type %s, not a condition", expression,
                      expr_type(where->expr)->text));
    }
    *ret_filter = where;
    where = NULL;
out:
    table_where_destroy(where);
    return status;
}

static enum status table_where_apply(void *filter, struct batch *batch, struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_where *where = filter;
    struct expr_errors errors = {0};
    struct expr_context context = {.timestamp_us = where->timestamp_us, .errors = &errors};
    struct buffer *selection = NULL;
    uint32_t count = 0;
    TRY(expr_filter(where->expr, batch, &context, &selection, &count, err));
    if (errors.items.count) {
        const struct expr_row_error *first = &errors.items.items[0];
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "--where: [%s] %s", first->condition, first->message));
    }
    if (!selection) TRY(buffer_create(NULL, sizeof(uint32_t), &selection, err));
    *ret_batch = batch_select(batch, selection, count);
    selection = NULL;
out:
    buffer_unref(selection);
    expr_errors_deinit(&errors);
    return status;
}

const struct table_filter_ops *table_where_ops(void)
{
    static const struct table_filter_ops ops = {table_where_create, table_where_apply, table_where_destroy};
    return &ops;
}
