// The conformance cases of aggregates in the form SELECT [key,] f(args) [FILTER (WHERE …)] [AS name], … FROM input
// [GROUP BY key]: arguments bound by the planner, states updated, saved, merged into an empty state and read. Other
// forms are the planner's business and are tested there. A case may fail only if aggregate_cases_later.txt names it.
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "common/plan/function_table.h"
#include "coordinator/planner/planner.h"
#include "tests/unit/lib/unit_data.h"
#include "tests/unit/worker/expr/expr_cases_json.h"
#include "worker/decode/json_scan.h"
#include "worker/expr/expr.h"

#define ITEMS_MAX  8
#define GROUPS_MAX 64

struct item {
    char function[64]; // "": the group key
    char *arguments;
    char *filter;
    bool distinct;
};
struct query {
    struct item items[ITEMS_MAX];
    size_t count;
    char *key; // NULL: one group
};
struct run {
    const char *later;
    unsigned passed, failed, skipped, surprises;
};

static char *trimmed(const char *from, size_t length)
{
    while (length && isspace((unsigned char)*from)) from++, length--;
    while (length && isspace((unsigned char)from[length - 1])) length--;
    return memory_strndup(from, length);
}

// Index of the first `mark` outside of parentheses and quotes, or the length.
static size_t top_level(const char *text, const char *mark)
{
    int depth = 0;
    size_t i = 0;
    for (; text[i]; i++) {
        if (text[i] == '\'') {
            for (i++; text[i] && text[i] != '\''; i++) {
            }
            if (!text[i]) break;
            continue;
        }
        if (depth == 0 && strncasecmp(text + i, mark, strlen(mark)) == 0) return i;
        depth += (text[i] == '(') - (text[i] == ')');
    }
    return i;
}

static bool parse_item(char *text, const char *key, struct item *item)
{
    size_t as = top_level(text, " AS ");
    text[as] = 0;
    if (key && strcasecmp(text, key) == 0) return true;
    size_t name = 0;
    while (isalnum((unsigned char)text[name]) || text[name] == '_') name++;
    if (!name || name >= sizeof item->function || text[name] != '(') return false;
    memcpy(item->function, text, name);
    const char *from = text + name + 1;
    size_t length = top_level(from, ")");
    const char *rest = from + length + (from[length] != 0);
    while (*rest == ' ') rest++;
    if (strncasecmp(from, "DISTINCT ", 9) == 0) {
        item->distinct = true;
        from += 9;
        length -= 9;
    }
    item->arguments = trimmed(from, length);
    if (strncasecmp(rest, "FILTER (WHERE ", 14) == 0) {
        item->filter = trimmed(rest + 14, top_level(rest + 14, ")"));
        rest += 14 + top_level(rest + 14, ")") + 1;
    }
    return *rest == 0;
}

static bool parse_query(const char *text, struct query *query)
{
    if (strncasecmp(text, "SELECT ", 7) != 0) return false;
    text += 7;
    size_t from = top_level(text, " FROM ");
    if (!text[from]) return false;
    char *list = trimmed(text, from);
    const char *rest = text + from + 6;
    bool good = strncasecmp(rest, "input", 5) == 0;
    rest += 5;
    if (good && strncasecmp(rest, " GROUP BY ", 10) == 0) {
        query->key = trimmed(rest + 10, strlen(rest + 10));
        good = strpbrk(query->key, ", (") == NULL && !isdigit((unsigned char)query->key[0]) &&
               strcasecmp(query->key, "ALL") != 0;
    } else {
        good = good && *rest == 0;
    }
    for (char *at = list; good && *at;) {
        size_t end = top_level(at, ",");
        char *item = trimmed(at, end);
        good = query->count < ITEMS_MAX && parse_item(item, query->key, &query->items[query->count]);
        query->count++;
        memory_free(item);
        at += end + (at[end] == ',');
    }
    memory_free(list);
    return good;
}

static void query_deinit(struct query *query)
{
    for (size_t i = 0; i < query->count && i < ITEMS_MAX; i++) {
        memory_free(query->items[i].arguments);
        memory_free(query->items[i].filter);
    }
    memory_free(query->key);
}

static uint32_t plan_append(Foreset__Plan *plan, struct arena *arena, Foreset__Expr expr)
{
    Foreset__Expr **exprs = arena_alloc(arena, (plan->n_exprs + 1) * sizeof *exprs);
    memcpy(exprs, plan->exprs, plan->n_exprs * sizeof *exprs);
    exprs[plan->n_exprs] = arena_alloc(arena, sizeof expr);
    *exprs[plan->n_exprs] = expr;
    plan->exprs = exprs;
    return (uint32_t)plan->n_exprs++;
}

static uint32_t plan_cast(Foreset__Plan *plan, struct arena *arena, uint32_t from, const struct type *to)
{
    if (strcmp(plan->exprs[from]->type, to->text) == 0) return from;
    Foreset__Expr expr = FORESET__EXPR__INIT;
    expr.kind = FORESET__EXPR__KIND__CAST;
    expr.type = (char *)(uintptr_t)to->text;
    expr.args = arena_alloc(arena, sizeof *expr.args);
    expr.args[0] = from;
    expr.n_args = 1;
    return plan_append(plan, arena, expr);
}

// The item as an aggregate; the plan is the item's own.
static enum status bind_item(const struct item *item, const struct type *input, struct arena *arena,
                             struct aggregate **ret_aggregate, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots = NULL;
    const char *const *names;
    size_t count = 0;
    struct text list = {0};
    bool star = strcmp(item->arguments, "*") == 0;
    text_append_str(&list, star ? "1" : item->arguments);
    if (item->filter) text_printf(&list, ", %s", item->filter);
    TRY(planner_compile_select(text_str(&list), input, arena, &plan, &roots, &names, &count, err));
    uint32_t arg_count = star ? 0 : (uint32_t)count - (item->filter != NULL);
    const struct type *types[8] = {NULL};
    const Foreset__Expr *literals[8] = {NULL};
    assert_true(arg_count <= 8);
    for (uint32_t i = 0; i < arg_count; i++) {
        TRY(type_parse(plan->exprs[roots[i]]->type, &types[i], err));
        if (plan->exprs[roots[i]]->kind == FORESET__EXPR__KIND__LITERAL) literals[i] = plan->exprs[roots[i]];
    }
    struct function_call call = {
        .name = item->function, .arg_count = arg_count, .arg_types = types, .literals = literals};
    struct function_binding binding;
    TRY(function_resolve(&call, arena, &binding, err));
    Foreset__Aggregate message = FORESET__AGGREGATE__INIT;
    message.function = (char *)(uintptr_t)binding.name;
    message.type = (char *)(uintptr_t)binding.type->text;
    message.args = arena_alloc(arena, (arg_count + 1) * sizeof *message.args);
    message.n_args = arg_count;
    message.has_distinct = message.distinct = item->distinct;
    for (uint32_t i = 0; i < arg_count; i++) message.args[i] = plan_cast(plan, arena, roots[i], binding.arg_types[i]);
    if (item->filter) {
        message.has_filter = true;
        message.filter = roots[count - 1];
    }
    TRY(aggregate_compile(plan, &message, input, NULL, ret_aggregate, err));
out:
    text_deinit(&list);
    return status;
}

// Group number of each row, by the key's text.
static uint32_t group_rows(const struct batch *batch, const char *key, uint32_t *group_of, uint32_t *first_row)
{
    if (!key) {
        memset(group_of, 0, batch->column_rows * sizeof *group_of);
        return 1;
    }
    int ordinal = type_field_find(batch->schema, key);
    uint32_t groups = 0;
    const struct column *column = batch->columns[ordinal];
    for (uint32_t row = 0; row < batch->column_rows; row++) {
        uint32_t group = 0;
        while (group < groups && column_compare(column, first_row[group], column, row) != 0) group++;
        assert_true(group < GROUPS_MAX);
        if (group == groups) first_row[groups++] = row;
        group_of[row] = group;
    }
    return groups;
}

// Results of one aggregate as JSON text per group. False: err tells, or the first row error.
static bool fold(struct aggregate *aggregate, const struct batch *batch, const uint32_t *group_of, uint32_t groups,
                 char **results, struct error *err)
{
    uint32_t size = aggregate_state_size(aggregate);
    char *blocks = memory_calloc(groups, size), *merged = memory_calloc(groups, size);
    void **states = memory_calloc(batch->column_rows + 1, sizeof *states);
    struct expr_errors errors = {0};
    struct expr_context context = {.timestamp_us = INT64_C(1795348800000000), .errors = &errors};
    struct text text = {0};
    struct column *column = NULL;
    struct column_builder *builder = column_builder_create(NULL, aggregate_type(aggregate));
    for (uint32_t row = 0; row < batch->column_rows; row++) states[row] = blocks + (size_t)group_of[row] * size;
    bool good = aggregate_update(aggregate, batch, states, 0, &context, err) == STATUS_OK;
    if (good && errors.items.count) {
        good = false;
        snprintf(err->condition, sizeof err->condition, "%s", errors.items.items[0].condition);
    }
    for (uint32_t group = 0; group < groups && good; group++) {
        size_t used = 0;
        text_reset(&text);
        aggregate_save(aggregate, blocks + (size_t)group * size, &text);
        good = aggregate_merge(aggregate, merged + (size_t)group * size, text_str(&text), text.length, &used, err) ==
                   STATUS_OK &&
               used == text.length &&
               aggregate_result(aggregate, merged + (size_t)group * size, builder, err) == STATUS_OK;
    }
    if (good) good = column_builder_finish(builder, &column, err) == STATUS_OK;
    for (uint32_t group = 0; group < groups && good; group++) {
        text_reset(&text);
        column_json(column, group, &text);
        results[group] = memory_strdup(text_str(&text));
    }
    for (uint32_t group = 0; group < groups; group++) {
        aggregate_free(aggregate, blocks + (size_t)group * size);
        aggregate_free(aggregate, merged + (size_t)group * size);
    }
    column_unref(column);
    column_builder_destroy(builder);
    text_deinit(&text);
    expr_errors_deinit(&errors);
    memory_free(blocks);
    memory_free(merged);
    memory_free(states);
    return good;
}

static bool condition_matches(const char *expected, const char *actual)
{
    size_t length = strcspn(expected, ".");
    return strncmp(expected, actual, length) == 0 && (actual[length] == 0 || actual[length] == '.');
}

// Each group's row is found among the expected ones, each at most once.
static void match_groups(const struct expr_case *item, size_t count, uint32_t groups,
                         char *results[ITEMS_MAX][GROUPS_MAX], char *why, size_t size)
{
    bool taken[GROUPS_MAX] = {false};
    char expected[200];
    if (item->row_count != groups) snprintf(why, size, "%u groups, expected %zu", groups, item->row_count);
    for (uint32_t group = 0; group < groups && !why[0]; group++) {
        size_t row = 0;
        for (; row < item->row_count; row++) {
            size_t i = 0;
            while (!taken[row] && i < count && expr_cases_json_equal(item, row, i, results[i][group])) i++;
            if (i == count) break;
        }
        if (row < item->row_count) {
            taken[row] = true;
        } else {
            snprintf(why, size, "no row has %s, %s (the first: %s)", results[0][group], results[count - 1][group],
                     expr_cases_json_expected(item, 0, count - 1, expected, sizeof expected));
        }
    }
}

static void judge(const struct expr_case *item, const struct query *query, char *why, size_t size)
{
    struct error err = {0};
    struct arena arena;
    struct batch *batch = NULL;
    uint32_t first_row[GROUPS_MAX], groups = 0, *group_of = NULL;
    char *results[ITEMS_MAX][GROUPS_MAX] = {{NULL}};
    arena_init(&arena, 0);
    bool good = expr_cases_json_batch(item, &batch, &err);
    if (good && query->key && type_field_find(batch->schema, query->key) < 0) {
        snprintf(err.condition, sizeof err.condition, "FORM");
        good = false;
    }
    if (good) {
        group_of = memory_calloc(batch->column_rows + 1, sizeof *group_of);
        groups = group_rows(batch, query->key, group_of, first_row);
    }
    for (size_t i = 0; i < query->count && good; i++) {
        struct aggregate *aggregate = NULL;
        if (!query->items[i].function[0]) {
            for (uint32_t group = 0; group < groups; group++) {
                struct text text = {0};
                column_json(batch->columns[type_field_find(batch->schema, query->key)], first_row[group], &text);
                results[i][group] = text_take(&text);
            }
            continue;
        }
        good = bind_item(&query->items[i], batch->schema, &arena, &aggregate, &err) == STATUS_OK;
        if (good && !item->error && strcmp(expr_cases_json_type(item, i), aggregate_type(aggregate)->text) != 0) {
            snprintf(why, size, "type %s, expected %s", aggregate_type(aggregate)->text, expr_cases_json_type(item, i));
        }
        good = good && fold(aggregate, batch, group_of, groups, results[i], &err);
        aggregate_destroy(aggregate);
    }
    // aggregates inside of other expressions, and errors of the query around them, are the planner's
    bool other_form = strcmp(err.condition, "GROUP_BY_AGGREGATE") == 0 || strcmp(err.condition, "FORM") == 0;
    if (!good && other_form) {
        snprintf(why, size, "form");
    } else if (!good && !(item->error && condition_matches(item->error, err.condition))) {
        snprintf(why, size, "%s %s", err.condition, err.message);
    }
    if (good && item->error) snprintf(why, size, "no error, expected %s", item->error);
    if (good && !item->error && !why[0]) match_groups(item, query->count, groups, results, why, size);
    for (size_t i = 0; i < ITEMS_MAX; i++) {
        for (size_t group = 0; group < GROUPS_MAX; group++) memory_free(results[i][group]);
    }
    memory_free(group_of);
    batch_unref(batch);
    arena_deinit(&arena);
}

static void run_case(const struct expr_case *item, void *context)
{
    struct run *run = context;
    struct query query = {0};
    char why[700] = "";
    if (strcmp(item->category, "aggregate") != 0) return;
    if (!item->query || !parse_query(item->query, &query)) {
        run->skipped++;
        query_deinit(&query);
        return;
    }
    judge(item, &query, why, sizeof why);
    query_deinit(&query);
    if (strcmp(why, "form") == 0) {
        run->skipped++;
        return;
    }
    bool later = expr_cases_json_listed(run->later, item->id), passed = why[0] == 0;
    run->passed += passed;
    run->failed += !passed;
    run->surprises += passed == later;
    if (passed && later) printf("%s passes: strike it from aggregate_cases_later.txt\n", item->id);
    if (!passed && (!later || getenv("FORESET_EXPR_VERBOSE"))) printf("%s [%s] %s\n", item->id, item->query, why);
}

static void every_aggregate_equals_spark(void **state)
{
    (void)state;
    struct run run = {0};
    struct text later = {0};
    const char *path = unit_data_path("conformance/expr/cases.jsonl");
    assert_true(unit_data_append("tests/unit/worker/expr/aggregate_cases_later.txt", &later));
    run.later = text_str(&later);
    assert_true(expr_cases_json_read(path, run_case, &run));
    printf("aggregates: %u passed %u failed, %u of other forms\n", run.passed, run.failed, run.skipped);
    text_deinit(&later);
    assert_int_equal(run.surprises, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_aggregate_equals_spark)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
