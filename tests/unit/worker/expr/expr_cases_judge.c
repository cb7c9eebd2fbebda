// The judge: planner, compiler and kernels over the case's rows; what they give beside what Spark gave.
#include "tests/unit/worker/expr/expr_cases_judge.h"

#include <stdio.h>
#include <string.h>

#include "coordinator/planner/planner.h"
#include "worker/expr/expr.h"

// When Spark computed the cases (2026-11-22): a time without a date takes that day.
#define ORACLE_TIME_US INT64_C(1795348800000000)
#define REPEATS        5u

static bool condition_matches(const char *expected, const char *actual)
{
    size_t length = strcspn(expected, ".");
    return strncmp(expected, actual, length) == 0 && (actual[length] == 0 || actual[length] == '.');
}

struct view {
    struct batch *batch;
    const uint32_t *case_rows; // the case's row of each selected row
};

static void judge_values(const struct expr_case *item, const struct view *view, struct column **columns, size_t count,
                         char *why, size_t size)
{
    struct text text = {0};
    char expected[200];
    for (uint32_t k = 0; k < view->batch->row_count && !why[0]; k++) {
        for (size_t i = 0; i < count && !why[0]; i++) {
            uint32_t row = view->case_rows[k];
            text_reset(&text);
            column_json(columns[i], batch_row(view->batch, k), &text);
            if (expr_cases_json_equal(item, row, i, text_str(&text))) continue;
            snprintf(why, size, "row %u column %zu: %.150s, expected %s", row, i, text_str(&text),
                     expr_cases_json_expected(item, row, i, expected, sizeof expected));
        }
    }
    text_deinit(&text);
}

static void judge_batch(const struct expr_case *item, const struct view *view, struct expr **exprs, size_t count,
                        char *why, size_t size)
{
    struct error err = {0};
    struct expr_errors errors = {0};
    struct expr_context context = {.timestamp_us = ORACLE_TIME_US, .errors = &errors, .random_seed = 1};
    struct column **columns = memory_calloc(count + 1, sizeof *columns);
    for (size_t i = 0; i < count && !why[0]; i++) {
        if (expr_eval(exprs[i], view->batch, &context, &columns[i], &err) == STATUS_OK) continue;
        if (item->error && condition_matches(item->error, err.condition)) goto out;
        snprintf(why, size, "evaluation: %s %s", err.condition, err.message);
    }
    if (why[0]) goto out;
    const struct expr_row_error *first = errors.items.count ? &errors.items.items[0] : NULL;
    if (item->error && !condition_matches(item->error, first ? first->condition : "none")) {
        snprintf(why, size, "error %s, expected %s", first ? first->condition : "none", item->error);
    } else if (!item->error && first) {
        snprintf(why, size, "row %u: %s: %s", first->row, first->condition, first->message);
    } else if (!item->error) {
        judge_values(item, view, columns, count, why, size);
    }
out:
    for (size_t i = 0; i < count; i++) column_unref(columns[i]);
    memory_free(columns);
    expr_errors_deinit(&errors);
}

// Rows of a batch as a batch of their own; strings coded if they were, or none.
static struct batch *rows_of(const struct batch *batch, const uint32_t *rows, uint32_t count, bool plain)
{
    struct column **columns = memory_calloc(batch->column_count + (size_t)1, sizeof *columns);
    for (uint32_t i = 0; i < batch->column_count; i++) {
        struct error err;
        enum status status = column_gather(NULL, batch->columns[i], rows, count, &columns[i], &err);
        ASSERT(status == STATUS_OK);
        if (!plain || !columns[i]->indices) continue;
        struct column_builder *builder = column_builder_create(NULL, columns[i]->type);
        for (uint32_t k = 0; k < count; k++) {
            status = column_builder_copy(builder, columns[i], k, &err);
            ASSERT(status == STATUS_OK);
        }
        column_unref(columns[i]);
        status = column_builder_finish(builder, &columns[i], &err);
        ASSERT(status == STATUS_OK);
        column_builder_destroy(builder);
    }
    struct batch *made = batch_create(batch->schema, count, columns);
    memory_free(columns);
    return made;
}

static void judge_layout(const struct expr_case *item, enum expr_cases_layout layout, struct batch *batch,
                         struct expr **exprs, size_t count, char *why, size_t size)
{
    uint32_t rows = batch->row_count, total = rows * REPEATS;
    uint32_t *order = memory_calloc(total + (size_t)1, sizeof *order);
    for (uint32_t i = 0; i < total; i++) order[i] = i % (rows ? rows : 1);
    struct view view = {batch, order};
    bool made = layout == EXPR_CASES_PLAIN || layout == EXPR_CASES_REPEATED || layout == EXPR_CASES_SELECTED;
    if (made) view.batch = rows_of(batch, order, layout == EXPR_CASES_PLAIN ? rows : total, layout == EXPR_CASES_PLAIN);
    if (layout == EXPR_CASES_SELECTED) {
        struct buffer *selection = NULL;
        struct error err;
        enum status status = buffer_create(NULL, (total + (size_t)1) * sizeof(uint32_t), &selection, &err);
        ASSERT(status == STATUS_OK);
        uint32_t *chosen = (uint32_t *)(void *)selection->data, kept = 0;
        for (uint32_t i = 0; i < total; i += 2) chosen[kept++] = i;
        struct batch *selected = batch_select(view.batch, selection, kept);
        batch_unref(view.batch);
        view.batch = selected;
        for (uint32_t i = 0; i < kept; i++) order[i] = order[2 * i];
    }
    if (layout != EXPR_CASES_ALONE) judge_batch(item, &view, exprs, count, why, size);
    for (uint32_t row = 0; row < rows && layout == EXPR_CASES_ALONE; row++) {
        struct view one = {rows_of(batch, &order[row], 1, false), &order[row]};
        if (!why[0]) judge_batch(item, &one, exprs, count, why, size);
        batch_unref(one.batch);
    }
    if (made) batch_unref(view.batch);
    memory_free(order);
}

void expr_cases_judge(const struct expr_case *item, enum expr_cases_layout layout, char *why, size_t size)
{
    struct error err = {0};
    struct arena arena;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots;
    const char *const *names;
    size_t count = 0;
    struct batch *batch = NULL;
    struct expr **exprs = NULL;
    arena_init(&arena, 0);
    if (!expr_cases_json_batch(item, &batch, &err)) {
        snprintf(why, size, "input: %s", err.message);
        goto out;
    }
    if (planner_compile_select(item->select, batch->schema, &arena, &plan, &roots, &names, &count, &err) != STATUS_OK) {
        bool expected = item->error && condition_matches(item->error, err.condition);
        if (!expected) snprintf(why, size, "planner: %s %s", err.condition, err.message);
        goto out;
    }
    exprs = memory_calloc(count + 1, sizeof *exprs);
    if (expr_compile_list(plan, roots, (uint32_t)count, batch->schema, NULL, exprs, &err) != STATUS_OK) {
        bool expected = item->error && condition_matches(item->error, err.condition);
        if (!expected) snprintf(why, size, "compile: %s %s", err.condition, err.message);
        goto out;
    }
    for (size_t i = 0; i < count && !why[0] && !item->error; i++) {
        const char *type = expr_cases_json_type(item, i);
        if (!type || strcmp(type, expr_type(exprs[i])->text) != 0) {
            snprintf(why, size, "type %s, expected %s", expr_type(exprs[i])->text, type ? type : "none");
        }
    }
    if (!item->error && batch->row_count != item->row_count)
        snprintf(why, size, "%u rows, expected %zu", batch->row_count, item->row_count);
    if (!why[0]) judge_layout(item, layout, batch, exprs, count, why, size);
out:
    for (size_t i = 0; i < count && exprs; i++) expr_destroy(exprs[i]);
    memory_free(exprs);
    batch_unref(batch);
    arena_deinit(&arena);
}
