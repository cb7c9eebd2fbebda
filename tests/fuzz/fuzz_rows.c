// Expressions over hostile rows: the first line is a select list, each other line a row. Any text gives a plan or an
// error with words, any row a value or an error with a condition, and what they make stays within the bound.
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz.h"
#include "worker/expr/expr.h"

enum { FUZZ_ROWS_MAX = 64, FUZZ_LIST_MAX = 100, FUZZ_SQL_MAX = 2000 };
#define FUZZ_ROWS_SCHEMA "n BIGINT, s STRING, d DOUBLE, a ARRAY<STRING>, y BINARY, t TIMESTAMP"

// n and d are what the line begins with, a its words, t a time far away for most of them.
static void fuzz_row(struct column_builder *const *builders, struct slice line)
{
    struct error err;
    int64_t n = 0;
    for (size_t i = 0; i < line.length && i < 18 && line.data[i] >= '0' && line.data[i] <= '9'; i++)
        n = n * 10 + (line.data[i] - '0');
    double d = (double)n * 1e280;
    int64_t t = (int64_t)((uint64_t)n * 0x9E3779B97F4A7C15ull);
    bool text = text_utf8_valid((const uint8_t *)line.data, line.length);
    enum status status = column_builder_fixed(builders[0], &n, &err);
    if (status == STATUS_OK) {
        status = text ? column_builder_bytes(builders[1], line.data, line.length, &err)
                      : column_builder_null(builders[1], &err);
    }
    if (status == STATUS_OK) status = column_builder_fixed(builders[2], &d, &err);
    struct column_builder *words = column_builder_child(builders[3], 0);
    for (size_t at = 0, count = 0; text && at < line.length && count < FUZZ_LIST_MAX && status == STATUS_OK; count++) {
        const char *blank = memchr(line.data + at, ' ', line.length - at);
        size_t length = blank ? (size_t)(blank - line.data) - at : line.length - at;
        status = column_builder_bytes(words, line.data + at, length, &err);
        at += length + 1;
    }
    if (status == STATUS_OK) status = column_builder_nested(builders[3], &err);
    if (status == STATUS_OK) status = column_builder_bytes(builders[4], line.data, line.length, &err);
    if (status == STATUS_OK) status = column_builder_fixed(builders[5], &t, &err);
    ASSERT(status == STATUS_OK);
}

static struct batch *fuzz_batch(const struct type *schema, struct slice rows)
{
    struct column_builder *builders[6];
    struct column *columns[6];
    struct error err;
    uint32_t count = 0;
    ASSERT(schema->child_count == 6);
    for (uint32_t c = 0; c < 6; c++) builders[c] = column_builder_create(NULL, schema->children[c].type);
    for (size_t at = 0; at < rows.length && count < FUZZ_ROWS_MAX; count++) {
        const char *end = memchr(rows.data + at, '\n', rows.length - at);
        size_t length = end ? (size_t)(end - rows.data) - at : rows.length - at;
        fuzz_row(builders, slice_of(rows.data + at, length));
        at += length + 1;
    }
    for (uint32_t c = 0; c < 6; c++) {
        ASSERT(column_builder_finish(builders[c], &columns[c], &err) == STATUS_OK);
        column_builder_destroy(builders[c]);
    }
    return batch_create(schema, count, columns);
}

// A row that is null by an error has words for it; every value can be read.
static void fuzz_look(const struct batch *batch, const struct column *column, const struct expr_errors *errors)
{
    struct text json = {.limit = FUZZ_BYTES_MAX};
    for (uint32_t row = 0; row < batch->column_rows; row++) {
        text_reset(&json);
        column_json(column, row, &json);
    }
    for (size_t i = 0; i < errors->items.count; i++)
        ASSERT(errors->items.items[i].condition[0] && errors->items.items[i].message[0]);
    text_deinit(&json);
}

static void fuzz_eval(struct expr *expr, const struct batch *batch, struct budget *budget, struct expr_bound *bound)
{
    struct expr_errors errors = {0};
    struct expr_context context = {.budget = &bound->budget, .bound = bound, .errors = &errors, .random_seed = 1};
    struct column *column = NULL;
    struct error err;
    expr_bound_begin(bound, batch->row_count);
    if (expr_eval(expr, batch, &context, &column, &err) == STATUS_OK)
        fuzz_look(batch, column, &errors);
    else
        ASSERT(err.message[0]);
    ASSERT(budget->peak_bytes <= FUZZ_MEMORY_MAX);
    column_unref(column);
    expr_errors_deinit(&errors);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    const char *text = (const char *)bytes, *line = size ? memchr(text, '\n', size) : NULL;
    if (size > FUZZ_BYTES_MAX || !line || line - text > FUZZ_SQL_MAX || memchr(text, 0, (size_t)(line - text)))
        return 0;
    struct arena arena;
    struct budget budget;
    struct expr_bound bound;
    struct error err;
    const struct type *schema;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots;
    const char *const *names;
    size_t count = 0;
    arena_init(&arena, 0);
    budget_init(&budget, "memory", NULL, FUZZ_MEMORY_MAX);
    expr_bound_init(&bound, &budget, FUZZ_MEMORY_MAX, 1);
    ASSERT(type_parse_ddl(FUZZ_ROWS_SCHEMA, &schema, &err) == STATUS_OK);
    const char *select = arena_strndup(&arena, text, (size_t)(line - text));
    struct batch *batch = fuzz_batch(schema, slice_of(line + 1, size - (size_t)(line + 1 - text)));
    if (planner_compile_select(select, schema, &arena, &plan, &roots, &names, &count, &err) == STATUS_OK) {
        struct expr **exprs = memory_calloc(count + 1, sizeof *exprs);
        if (expr_compile_list(plan, roots, (uint32_t)count, schema, &budget, exprs, &err) == STATUS_OK) {
            for (size_t i = 0; i < count; i++) fuzz_eval(exprs[i], batch, &budget, &bound);
        }
        for (size_t i = 0; i < count; i++) expr_destroy(exprs[i]);
        memory_free(exprs);
    }
    batch_unref(batch);
    ASSERT(budget.used_bytes == 0);
    arena_deinit(&arena);
    return 0;
}
