// From a plan's expressions to steps. Checks every index, type and function name, because plans cross the network.
// Fails with STATUS_CORRUPT for a malformed plan and STATUS_UNSUPPORTED for a function without a kernel.
#include <stdlib.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/columnar/number_text.h"
#include "worker/expr/expr_cast.h"
#include "worker/expr/expr_program.h"

#define TABLE_EMPTY UINT32_MAX

struct compiler {
    const Foreset__Plan *plan;
    struct expr_program *program;
    uint32_t *step_of;   // plan index -> step; UINT32_MAX: not reached
    uint32_t *table;     // hash-consing: steps by hash
    uint32_t table_size; // power of two
    uint32_t at;         // the plan's expression being compiled
};

bool expr_compile_has(enum expr_shortcut shortcut)
{
    static const char *const names[] = {"scan", "cast", "dictionary", "constant", "share", "eager"};
    const char *without = getenv("FORESET_WITHOUT");
    return !without || !strstr(without, names[__builtin_ctz(shortcut)]);
}

static enum status malformed(struct error *err, uint32_t index, const char *what)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the plan's expression %u is malformed: %s", index,
                     what);
}

static enum status mark_reached(const struct compiler *compiler, const uint32_t *roots, uint32_t count,
                                uint8_t *reached, struct error *err)
{
    const Foreset__Plan *plan = compiler->plan;
    for (uint32_t i = 0; i < count; i++) {
        if (roots[i] >= plan->n_exprs) return malformed(err, roots[i], "there is no such expression");
        reached[roots[i]] = 1;
    }
    for (uint32_t i = (uint32_t)plan->n_exprs; i-- > 0;) {
        if (!reached[i]) continue;
        const Foreset__Expr *expr = plan->exprs[i];
        for (size_t j = 0; j < expr->n_args; j++) {
            if (expr->args[j] >= i) return malformed(err, i, "an argument does not stand before it");
            reached[expr->args[j]] = 1;
        }
    }
    return STATUS_OK;
}

static enum status decimal_literal(const Foreset__Expr *expr, uint32_t index, __int128 *ret_value, struct error *err)
{
    unsigned __int128 value = 0;
    size_t at = expr->bytes.len && (expr->bytes.data[0] == '-' || expr->bytes.data[0] == '+');
    if (at == expr->bytes.len || expr->bytes.len > 40) return malformed(err, index, "a decimal literal has no digits");
    bool negative = expr->bytes.data[0] == '-';
    for (; at < expr->bytes.len; at++) {
        if (expr->bytes.data[at] < '0' || expr->bytes.data[at] > '9')
            return malformed(err, index, "not a decimal literal");
        value = value * 10 + (unsigned)(expr->bytes.data[at] - '0');
    }
    *ret_value = negative ? -(__int128)value : (__int128)value;
    return STATUS_OK;
}

static enum status literal_step(struct compiler *compiler, const Foreset__Expr *expr, uint32_t index,
                                struct expr_step *step, struct error *err)
{
    struct expr_datum datum = {.null = !(expr->has_boolean || expr->has_integer || expr->has_real || expr->has_bytes)};
    enum status status = STATUS_OK;
    bool fits = true;
    switch (step->type->kind) {
    case TYPE_BOOLEAN:
        fits = expr->has_boolean;
        datum.i = expr->boolean;
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        fits = expr->has_real;
        datum.d = expr->real;
        break;
    case TYPE_DECIMAL:
        fits = expr->has_bytes;
        if (!datum.null && fits) status = decimal_literal(expr, index, &datum.n, err);
        break;
    case TYPE_STRING:
    case TYPE_BINARY:
        fits = expr->has_bytes;
        datum.s = slice_of((const char *)expr->bytes.data, expr->bytes.len);
        break;
    case TYPE_STRUCT:
    case TYPE_ARRAY:
    case TYPE_MAP:
    case TYPE_VOID: fits = datum.null; break;
    default: fits = expr->has_integer; datum.i = expr->integer;
    }
    if (status != STATUS_OK) return status;
    if (!fits && !datum.null) return malformed(err, index, "a literal has the value of another type");
    return expr_vector_single(compiler->program->budget, step->type, &datum, &step->literal, err);
}

static int32_t leaf_of_args(const struct expr_program *program, const struct expr_step *step)
{
    int32_t leaf = EXPR_LEAF_NONE;
    for (uint32_t i = 0; i < step->arg_count; i++) {
        int32_t below = program->steps[step->args[i]].leaf;
        if (below == EXPR_LEAF_NONE || below == leaf) continue;
        if (leaf != EXPR_LEAF_NONE) return EXPR_LEAF_MANY;
        leaf = below;
    }
    return leaf;
}

static enum status call_step(struct compiler *compiler, const Foreset__Expr *expr, uint32_t index,
                             struct expr_step *step, struct error *err)
{
    const struct expr_step *steps = compiler->program->steps;
    if (!expr->function) return malformed(err, index, "a call names no function");
    step->function = expr_function_find(expr->function);
    if (!step->function) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "function %s is not supported yet", expr->function);
    }
    step->name = step->function->name;
    step->flags = (uint8_t)step->function->flags;
    step->kernel = step->function->row ? expr_row_kernel : step->function->kernel;
    if (step->function->bind) {
        enum status status = step->function->bind(step, steps, err);
        if (status != STATUS_OK) return status;
    }
    ASSERT(step->kernel);
    return STATUS_OK;
}

static enum status column_step(struct compiler *compiler, const Foreset__Expr *expr, uint32_t index,
                               struct expr_step *step, struct error *err)
{
    const struct type *input = compiler->program->input;
    step->ordinal = expr->ordinal;
    if (!expr->has_ordinal || (input && expr->ordinal >= input->child_count))
        return malformed(err, index, "there is no such column");
    if (input && input->children[expr->ordinal].type != step->type)
        return malformed(err, index, "the column has another type");
    step->flags = EXPR_INFALLIBLE;
    step->leaf = (int32_t)compiler->program->step_count;
    return STATUS_OK;
}

static enum status field_step(struct compiler *compiler, const Foreset__Expr *expr, uint32_t index,
                              struct expr_step *step, struct error *err)
{
    if (step->arg_count != 1) return malformed(err, index, "a field needs one struct");
    const struct expr_step *parent = &compiler->program->steps[step->args[0]];
    step->ordinal = expr->ordinal;
    bool exists = parent->type->kind == TYPE_STRUCT && expr->has_ordinal && expr->ordinal < parent->type->child_count;
    if (!exists || parent->type->children[expr->ordinal].type != step->type) {
        return malformed(err, index, "the struct has no such field");
    }
    step->flags = parent->flags & (EXPR_INFALLIBLE | EXPR_VOLATILE);
    bool of_column = parent->kind == EXPR_COLUMN || (parent->kind == EXPR_FIELD && parent->leaf >= 0);
    step->leaf = of_column ? (int32_t)compiler->program->step_count : parent->leaf;
    return STATUS_OK;
}

// Flags that depend on what stands below.
static void settle_flags(const struct expr_program *program, struct expr_step *step)
{
    for (uint32_t i = 0; i < step->arg_count; i++) {
        uint8_t below = program->steps[step->args[i]].flags;
        if (!(below & EXPR_INFALLIBLE)) step->flags &= (uint8_t)~EXPR_INFALLIBLE;
        if (below & EXPR_VOLATILE) step->flags |= EXPR_VOLATILE;
    }
    if (!expr_compile_has(EXPR_SHORTCUT_EAGER)) step->flags &= (uint8_t)~EXPR_INFALLIBLE;
    if (!expr_compile_has(EXPR_SHORTCUT_DICTIONARY)) step->flags |= EXPR_CHEAP;
    step->leaf = step->flags & EXPR_VOLATILE ? EXPR_LEAF_MANY : leaf_of_args(program, step);
}

static uint64_t step_hash(const struct expr_step *step)
{
    uint64_t hash = hash_mix((uint64_t)step->kind, (uint64_t)(uintptr_t)step->type);
    hash = hash_mix(hash, step->ordinal + ((uint64_t)step->try_cast << 32));
    hash = hash_mix(hash, (uint64_t)(uintptr_t)step->function);
    return hash_64(step->args, step->arg_count * sizeof *step->args, hash);
}

static bool step_equal(const struct expr_step *a, const struct expr_step *b)
{
    if (a->kind != b->kind || a->type != b->type || a->ordinal != b->ordinal || a->try_cast != b->try_cast)
        return false;
    if (a->function != b->function || a->arg_count != b->arg_count) return false;
    if (memcmp(a->args, b->args, a->arg_count * sizeof *a->args) != 0) return false;
    if (a->kind != EXPR_LITERAL) return true;
    bool null_a = column_is_null(a->literal, 0), null_b = column_is_null(b->literal, 0);
    if (null_a || null_b || a->type->kind == TYPE_VOID) return null_a && null_b;
    if (a->type->kind == TYPE_DOUBLE || a->type->kind == TYPE_FLOAT) {
        return memcmp(a->literal->values, b->literal->values, type_width(a->type)) == 0; // -0.0 is not 0.0
    }
    return column_compare(a->literal, 0, b->literal, 0) == 0;
}

static void step_deinit(struct expr_step *step)
{
    column_unref(step->literal);
    if (step->state_free) step->state_free(step->state);
    memset(step, 0, sizeof *step);
}

// The step becomes the next one, or is dropped for an equal one before it.
static uint32_t step_intern(struct compiler *compiler, struct expr_step *step)
{
    struct expr_program *program = compiler->program;
    uint32_t slot = (uint32_t)step_hash(step) & (compiler->table_size - 1);
    for (; compiler->table[slot] != TABLE_EMPTY; slot = (slot + 1) & (compiler->table_size - 1)) {
        uint32_t at = compiler->table[slot];
        bool apart = step->flags & EXPR_VOLATILE || program->forget_results;
        if (apart || !step_equal(&program->steps[at], step)) continue;
        step_deinit(step);
        return at;
    }
    compiler->table[slot] = program->step_count;
    program->steps[program->step_count] = *step;
    return program->step_count++;
}

static enum status step_compile(struct compiler *compiler, uint32_t index, struct error *err)
{
    struct expr_program *program = compiler->program;
    const Foreset__Expr *expr = compiler->plan->exprs[index];
    struct expr_step step = {.source = index, .leaf = EXPR_LEAF_NONE, .arg_count = (uint32_t)expr->n_args};
    enum status status = STATUS_OK;
    TRY(type_parse(expr->type, &step.type, err));
    step.args = arena_alloc(&program->arena, (expr->n_args + 1) * sizeof *step.args);
    for (size_t i = 0; i < expr->n_args; i++) {
        step.args[i] = compiler->step_of[expr->args[i]];
        uint16_t below = program->steps[step.args[i]].depth;
        if (below >= step.depth) step.depth = (uint16_t)(below + 1);
    }
    if (step.depth > EXPR_DEPTH_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "an expression is nested more than %u deep", EXPR_DEPTH_MAX);
    }
    switch (expr->kind) {
    case FORESET__EXPR__KIND__COLUMN:
        step.kind = EXPR_COLUMN;
        TRY(column_step(compiler, expr, index, &step, err));
        break;
    case FORESET__EXPR__KIND__LITERAL:
        step.kind = EXPR_LITERAL;
        step.flags = EXPR_INFALLIBLE;
        TRY(literal_step(compiler, expr, index, &step, err));
        break;
    case FORESET__EXPR__KIND__FIELD:
        step.kind = EXPR_FIELD;
        TRY(field_step(compiler, expr, index, &step, err));
        break;
    case FORESET__EXPR__KIND__CAST:
        step.kind = EXPR_CAST;
        step.try_cast = expr->try_;
        step.name = "cast";
        if (step.arg_count != 1) return malformed(err, index, "a cast needs one argument");
        if (program->steps[step.args[0]].type == step.type) {
            compiler->step_of[index] = step.args[0];
            return STATUS_OK;
        }
        TRY(expr_cast_bind(&step, program->steps, err));
        settle_flags(program, &step);
        break;
    default:
        step.kind = EXPR_CALL;
        TRY(call_step(compiler, expr, index, &step, err));
        settle_flags(program, &step);
    }
    compiler->step_of[index] = step_intern(compiler, &step);
    return STATUS_OK;
out:
    step_deinit(&step);
    return status;
}

static void program_unref(struct expr_program *program)
{
    if (--program->refs) return;
    for (uint32_t i = 0; i < program->step_count; i++) {
        if (program->memos) column_unref(program->memos[i].value.column);
        step_deinit(&program->steps[i]);
    }
    batch_unref(program->batch);
    memory_free(program->memos);
    memory_free(program->steps);
    arena_deinit(&program->arena);
    memory_free(program);
}

static enum status compile_steps(struct compiler *compiler, const uint32_t *roots, uint32_t count, struct error *err)
{
    size_t exprs = compiler->plan->n_exprs;
    enum status status = STATUS_OK;
    uint8_t *reached = memory_calloc(exprs + 1, 1);
    TRY(mark_reached(compiler, roots, count, reached, err));
    uint32_t reached_count = 0;
    for (size_t i = 0; i < exprs; i++) reached_count += reached[i];
    if (reached_count > EXPR_STEPS_MAX) {
        TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "a query has more than %u expressions", EXPR_STEPS_MAX));
    }
    compiler->table_size = 16;
    while (compiler->table_size < 2 * reached_count) compiler->table_size *= 2;
    compiler->table = memory_alloc(compiler->table_size * sizeof *compiler->table);
    memset(compiler->table, 0xff, compiler->table_size * sizeof *compiler->table);
    compiler->program->steps = memory_calloc(reached_count + (size_t)1, sizeof *compiler->program->steps);
    for (uint32_t i = 0; i < exprs; i++) {
        compiler->at = i;
        if (reached[i]) TRY(step_compile(compiler, i, err));
    }
    compiler->program->memos =
        memory_calloc(compiler->program->step_count + (size_t)1, sizeof *compiler->program->memos);
out:
    memory_free(reached);
    return status;
}

enum status expr_compile_located(const Foreset__Plan *plan, const uint32_t *roots, uint32_t count,
                                 const struct type *input, struct budget *budget, struct expr **ret_exprs,
                                 uint32_t *ret_failed, struct error *err)
{
    struct expr_program *program = memory_calloc(1, sizeof *program);
    struct compiler compiler = {.plan = plan, .program = program};
    program->refs = 1;
    program->budget = budget;
    program->input = input;
    program->root_count = count;
    program->expand_literals = !expr_compile_has(EXPR_SHORTCUT_CONSTANT);
    program->forget_results = !expr_compile_has(EXPR_SHORTCUT_SHARE);
    arena_init(&program->arena, 0);
    compiler.step_of = memory_alloc((plan->n_exprs + 1) * sizeof *compiler.step_of);
    enum status status = compile_steps(&compiler, roots, count, err);
    if (status != STATUS_OK) *ret_failed = compiler.at;
    for (uint32_t i = 0; i < count && status == STATUS_OK; i++) {
        struct expr *expr = memory_calloc(1, sizeof *expr);
        *expr = (struct expr){.program = program, .root = compiler.step_of[roots[i]], .index = i};
        program->refs++;
        ret_exprs[i] = expr;
    }
    memory_free(compiler.step_of);
    memory_free(compiler.table);
    program_unref(program);
    return status;
}

enum status expr_compile_list(const Foreset__Plan *plan, const uint32_t *roots, uint32_t count,
                              const struct type *input, struct budget *budget, struct expr **ret_exprs,
                              struct error *err)
{
    uint32_t failed;
    return expr_compile_located(plan, roots, count, input, budget, ret_exprs, &failed, err);
}

enum status expr_compile(const Foreset__Plan *plan, uint32_t root, const struct type *input, struct budget *budget,
                         struct expr **ret_expr, struct error *err)
{
    return expr_compile_list(plan, &root, 1, input, budget, ret_expr, err);
}

void expr_destroy(struct expr *expr)
{
    if (!expr) return;
    program_unref(expr->program);
    memory_free(expr);
}

const struct type *expr_type(const struct expr *expr)
{
    return expr->program->steps[expr->root].type;
}
