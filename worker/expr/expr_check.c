// Constants and literals of a plan, looked at before anything is read. A walk from each root down knows whether Spark
// evaluates what it meets: not behind a null literal, not in a branch that its optimiser drops. Fails with
// STATUS_INVALID, ERROR_USAGE and Spark's condition, or as compilation does.
#include "worker/expr/expr_check.h"

#include <string.h>

#include "common/base/clock.h"
#include "common/base/vector.h"
#include "worker/expr/expr_program.h"

#define CHECK_BYTES_MAX (256u << 20) // of the constants of one operator
#define CHECK_TIME_US   10000000     // of all

// Functions that Spark gives a literal to when the query starts, whatever the rows: the literal arguments that are
// needed for it, and whether the first argument must be text.
struct probe {
    const char *name;
    uint32_t needed;
    bool of_text;
    bool in_branches; // in branches that no row reaches, too
};
static const struct probe probes[] = {
    {"to_timestamp", 2, true, true},
    {"try_to_timestamp", 2, true, true},
    {"to_timestamp_ntz", 2, true, true},
    {"to_date", 2, true, true},
    {"try_to_date", 2, true, true},
    {"date_format", 2, false, true},
    {"from_unixtime", 2, false, true},
    {"unix_timestamp", 2, true, true},
    {"to_unix_timestamp", 2, true, true},
    {"rlike", 2, false, true},
    {"like", 6, false, true},
    {"ilike", 6, false, true},
    {"from_utc_timestamp", 2, false, true},
    {"to_utc_timestamp", 2, false, true},
    {"elt", 1, false, false},
};
// Conditions that a literal alone is to blame for.
static const char *const blamed[] = {"INCONSISTENT_BEHAVIOR_CROSS_VERSION.",
                                     "INVALID_DATETIME_PATTERN.",
                                     "INVALID_PARAMETER_VALUE.",
                                     "INVALID_FORMAT.",
                                     "INVALID_TIMEZONE",
                                     "INVALID_ARRAY_INDEX"};

struct check {
    struct expr_program *program;
    uint8_t *constant; // by step: depends on nothing but literals
    uint8_t *seen;     // by step: 1 unconditionally, 2 in a branch
    uint32_t at;       // the step refused
    int64_t until_us;  // boot clock
};

static bool named(const struct expr_step *step, const char *name)
{
    return step->name && strcmp(step->name, name) == 0;
}

// raise_error and what asks the clock are no constants for Spark's optimiser either.
static void find_constants(struct check *check)
{
    for (uint32_t i = 0; i < check->program->step_count; i++) {
        const struct expr_step *step = &check->program->steps[i];
        bool constant = step->kind == EXPR_LITERAL || step->arg_count > 0;
        if (step->flags & EXPR_VOLATILE || named(step, "raise_error") || named(step, "assert_true")) constant = false;
        for (uint32_t k = 0; k < step->arg_count && constant; k++) constant = check->constant[step->args[k]];
        check->constant[i] = constant;
    }
}

static enum status refuse(struct check *check, uint32_t index, const struct expr_row_error *found, struct error *err)
{
    check->at = index;
    enum status status = error_set(err, STATUS_INVALID, ERROR_USAGE, "%s; this holds for every row", found->message);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", found->condition);
    return status;
}

// A value for an argument that rows give. None is blamed for what the function raises.
static enum status filler(const struct type *type, struct column **ret_column, struct error *err)
{
    struct expr_datum datum = {.null = type->kind >= TYPE_STRUCT || type->kind == TYPE_VOID, .s = slice_of("", 0)};
    if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) datum.d = 0;
    return expr_vector_single(NULL, type, &datum, ret_column, err);
}

// Calls the step's row function with its literals and fillers.
static enum status probe_call(struct check *check, uint32_t index, struct expr_errors *errors, struct error *err)
{
    enum status status = STATUS_OK;
    const struct expr_step *step = &check->program->steps[index];
    struct expr_context context = {.errors = errors};
    struct expr_frame frame = {.program = check->program, .context = &context, .errors = errors, .length = 1};
    struct expr_scope scope = {.id = 1, .count = 1};
    struct expr_value values[4] = {{NULL, true}, {NULL, true}, {NULL, true}, {NULL, true}};
    struct expr_call call = {.frame = &frame,
                             .step = step,
                             .steps = check->program->steps,
                             .scope = &scope,
                             .length = 1,
                             .row_count = 1,
                             .args = values,
                             .constant = true};
    for (uint32_t i = 0; i < step->arg_count; i++) {
        const struct expr_step *arg = &check->program->steps[step->args[i]];
        if (arg->kind == EXPR_LITERAL)
            values[i].column = column_ref(arg->literal);
        else
            TRY(filler(arg->type, &values[i].column, err));
    }
    TRY(step->kernel(&call, err));
    column_unref(call.result);
    buffer_unref(call.validity);
out:
    for (uint32_t i = 0; i < step->arg_count; i++) column_unref(values[i].column);
    return status;
}

static const struct probe *probe_of(const struct check *check, const struct expr_step *step)
{
    for (size_t i = 0; i < sizeof probes / sizeof *probes; i++) {
        const struct probe *probe = &probes[i];
        if (!named(step, probe->name) || step->arg_count > 4 || !step->function->row) continue;
        bool literal = step->arg_count > 1;
        for (uint32_t k = 0; k < step->arg_count; k++) {
            const struct expr_step *arg = &check->program->steps[step->args[k]];
            bool null = arg->kind == EXPR_LITERAL && column_is_null(arg->literal, 0);
            if (null || (probe->needed >> k & 1 && arg->kind != EXPR_LITERAL)) literal = false;
        }
        bool text = check->program->steps[step->args[0]].type->kind == TYPE_STRING;
        return literal && (text || !probe->of_text) ? probe : NULL;
    }
    return NULL;
}

static enum status check_probe(struct check *check, uint32_t index, bool branch, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_errors errors = {0};
    const struct probe *probe = probe_of(check, &check->program->steps[index]);
    if (!probe || (branch && !probe->in_branches)) return STATUS_OK;
    check->at = index;
    TRY(probe_call(check, index, &errors, err));
    for (size_t i = 0; i < errors.items.count; i++) {
        for (size_t k = 0; k < sizeof blamed / sizeof *blamed; k++) {
            if (strncmp(errors.items.items[i].condition, blamed[k], strlen(blamed[k])) != 0) continue;
            TRY(refuse(check, index, &errors.items.items[i], err));
        }
    }
out:
    expr_errors_deinit(&errors);
    return status;
}

// *ret_truth: 1 true, 0 false or null, -1 not known.
static enum status constant_truth(struct check *check, uint32_t index, int *ret_truth, struct error *err)
{
    *ret_truth = -1;
    if (!check->constant[index] || check->program->steps[index].type->kind != TYPE_BOOLEAN) return STATUS_OK;
    struct expr_errors errors = {0};
    struct column *column = NULL;
    enum status status = expr_step_constant(check->program, index, &errors, &column, err);
    if (status == STATUS_OK && !errors.items.count) *ret_truth = !column_is_null(column, 0) && column->boolean[0];
    column_unref(column);
    expr_errors_deinit(&errors);
    return status;
}

static enum status check_step(struct check *check, uint32_t index, bool branch, struct error *err);

// IF and CASE: what stands behind a condition that is false, or behind one that is true, is not there for Spark.
static enum status check_case(struct check *check, const struct expr_step *step, bool branch, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < step->arg_count; i += 2) {
        if (i + 1 == step->arg_count) return check_step(check, step->args[i], true, err);
        int truth;
        TRY(check_step(check, step->args[i], branch || i > 0, err));
        TRY(constant_truth(check, step->args[i], &truth, err));
        if (truth != 0) TRY(check_step(check, step->args[i + 1], true, err));
        if (truth == 1) break;
    }
out:
    return status;
}

static enum status check_logic(struct check *check, const struct expr_step *step, bool branch, struct error *err)
{
    enum status status = STATUS_OK;
    bool both = named(step, "and");
    for (uint32_t i = 0; i < step->arg_count; i++) {
        int truth;
        TRY(constant_truth(check, step->args[i], &truth, err));
        if (truth == !both) return STATUS_OK; // false AND x, x OR true
    }
    for (uint32_t i = 0; i < step->arg_count; i++) TRY(check_step(check, step->args[i], branch, err));
out:
    return status;
}

static bool has_null_literal(const struct check *check, const struct expr_step *step)
{
    for (uint32_t i = 0; i < step->arg_count; i++) {
        const struct expr_step *arg = &check->program->steps[step->args[i]];
        if (arg->kind == EXPR_LITERAL && column_is_null(arg->literal, 0)) return true;
    }
    return false;
}

static enum status check_args(struct check *check, const struct expr_step *step, bool branch, struct error *err)
{
    enum status status = STATUS_OK;
    static const char *const first_only[] = {"coalesce", "nvl", "ifnull", "nanvl", "nvl2"};
    bool lazy = false;
    if (named(step, "case") || named(step, "if")) return check_case(check, step, branch, err);
    if (named(step, "and") || named(step, "or")) return check_logic(check, step, branch, err);
    for (size_t i = 0; i < sizeof first_only / sizeof *first_only; i++) lazy = lazy || named(step, first_only[i]);
    branch = branch || named(step, "isnull") || named(step, "isnotnull"); // what is never null is not evaluated for it
    if (!lazy && !(step->flags & EXPR_TOLERANT) && has_null_literal(check, step)) return STATUS_OK;
    for (uint32_t i = 0; i < step->arg_count; i++) {
        TRY(check_step(check, step->args[i], branch || (lazy && i > 0), err));
        const struct expr_step *arg = &check->program->steps[step->args[i]];
        if (lazy && arg->kind == EXPR_LITERAL && !column_is_null(arg->literal, 0)) break; // no other is ever asked
    }
out:
    return status;
}

// A constant is evaluated whole. One that raises in a branch may be one that no row reaches.
static enum status check_step(struct check *check, uint32_t index, bool branch, struct error *err)
{
    enum status status = STATUS_OK;
    struct expr_errors errors = {0};
    struct column *column = NULL;
    const struct expr_step *step = &check->program->steps[index];
    if (step->kind == EXPR_LITERAL || check->seen[index] == 1 || (branch && check->seen[index])) return STATUS_OK;
    check->seen[index] = branch ? 2 : 1;
    if (clock_boot_us(clock_system()) > check->until_us) {
        check->at = index;
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "the constants of this text take more than %d s to compute; write their values",
                         CHECK_TIME_US / 1000000);
    }
    if (check->constant[index]) {
        check->at = index;
        TRY(expr_step_constant(check->program, index, &errors, &column, err));
        if (!errors.items.count) goto out;
        if (!branch) TRY(refuse(check, index, &errors.items.items[0], err));
    }
    TRY(check_args(check, step, branch, err));
    TRY(check_probe(check, index, branch, err));
out:
    column_unref(column);
    expr_errors_deinit(&errors);
    return status;
}

typedef VECTOR(uint32_t) root_list;

static void roots_of(const Foreset__Node *node, root_list *roots)
{
    for (size_t i = 0; i < node->n_exprs; i++) vector_push(roots, node->exprs[i]);
    for (size_t i = 0; i < node->n_sort_keys; i++) vector_push(roots, node->sort_keys[i]->expr);
    for (size_t i = 0; i < node->n_aggregates; i++) {
        const Foreset__Aggregate *aggregate = node->aggregates[i];
        for (size_t k = 0; k < aggregate->n_args; k++) vector_push(roots, aggregate->args[k]);
        if (aggregate->has_filter) vector_push(roots, aggregate->filter);
    }
}

static enum status check_roots(const Foreset__Plan *plan, const root_list *roots, int64_t until_us, uint32_t *ret_expr,
                               struct error *err)
{
    enum status status = STATUS_OK;
    struct check check = {.until_us = until_us};
    struct budget budget;
    budget_init(&budget, "constants", NULL, CHECK_BYTES_MAX);
    struct expr **exprs = memory_calloc(roots->count + 1, sizeof *exprs);
    TRY(expr_compile_located(plan, roots->items, (uint32_t)roots->count, NULL, &budget, exprs, ret_expr, err));
    check.program = exprs[0]->program;
    check.constant = memory_calloc(check.program->step_count + (size_t)1, 1);
    check.seen = memory_calloc(check.program->step_count + (size_t)1, 1);
    find_constants(&check);
    for (size_t i = 0; i < roots->count; i++) {
        status = check_step(&check, exprs[i]->root, false, err);
        if (status == STATUS_OK) continue;
        *ret_expr = check.program->steps[check.at].source;
        if (status == STATUS_NO_MEMORY && budget.refused) {
            status = error_set(err, STATUS_INVALID, ERROR_USAGE,
                               "this constant needs more than %u MiB, which is the limit; make it shorter",
                               CHECK_BYTES_MAX >> 20);
            if (err) snprintf(err->condition, sizeof err->condition, "%s", EXPR_ROW_CONDITION);
        }
        break;
    }
out:
    for (size_t i = 0; i < roots->count; i++) expr_destroy(exprs[i]);
    memory_free(exprs);
    memory_free(check.constant);
    memory_free(check.seen);
    return status;
}

enum status expr_check_plan(const Foreset__Plan *plan, uint32_t *ret_expr, struct error *err)
{
    enum status status = STATUS_OK;
    root_list roots = {0};
    int64_t until_us = clock_boot_us(clock_system()) + CHECK_TIME_US;
    for (size_t i = 0; i < plan->n_nodes && status == STATUS_OK; i++) {
        vector_reset(&roots);
        roots_of(plan->nodes[i], &roots);
        if (roots.count) status = check_roots(plan, &roots, until_us, ret_expr, err);
    }
    vector_deinit(&roots);
    return status;
}
