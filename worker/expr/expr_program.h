// Inside worker/expr: compiled steps, their evaluation over a frame of rows, and what kernels are called with.
//
//   expr_eval
//     frame: the rows of one batch (or the entries of one dictionary), a memo per step
//       expr_step_eval(step, scope)          scope: which of the frame's rows are wanted
//         a step that depends on one dictionary-coded column is evaluated on the dictionary's used entries
//         strict kernels: arguments first, then kernel(call); lazy kernels evaluate their arguments themselves, in
//         narrower scopes where a branch may raise
#ifndef FORESET_EXPR_EXPR_PROGRAM_H
#define FORESET_EXPR_EXPR_PROGRAM_H

#include <stdio.h>

#include "worker/expr/expr.h"

#define EXPR_DEPTH_MAX 512u // nesting of one expression: evaluation recurses
#define EXPR_STEPS_MAX 100000u

enum expr_step_kind { EXPR_COLUMN, EXPR_LITERAL, EXPR_CALL, EXPR_CAST, EXPR_FIELD };

struct expr_call;
struct expr_step;
typedef enum status (*expr_kernel)(struct expr_call *call, struct error *err);

// What a row function returns.
enum expr_outcome { EXPR_VALUE, EXPR_NULL, EXPR_FAIL, EXPR_BROKEN };
struct expr_datum;
struct expr_row;
typedef enum expr_outcome (*expr_row_function)(struct expr_row *row, const struct expr_datum *args,
                                               struct expr_datum *ret);

#define EXPR_LAZY       1u  // evaluates its arguments itself
#define EXPR_INFALLIBLE 2u  // never raises, and is cheap: may be evaluated on rows that do not need it
#define EXPR_TOLERANT   4u  // may return a value for null arguments: sees the nulls
#define EXPR_VOLATILE   8u  // rand, uuid: differs from row to row
#define EXPR_CHEAP      16u // not worth the way over a dictionary
#define EXPR_FIRST      32u // tolerant, but a null first argument makes the result null

// A function's kernel: whole columns (kernel) or one row (row). bind (NULL allowed) runs at compile time: checks types
// and literals, may choose step->kernel and prepare step->state (freed by step->state_free).
struct expr_function {
    const char *name;
    expr_kernel kernel;
    expr_row_function row;
    enum status (*bind)(struct expr_step *step, const struct expr_step *steps, struct error *err);
    uint32_t flags;
};
const struct expr_function *expr_function_find(const char *name); // expr_function.c; NULL: no kernel

struct expr_step {
    enum expr_step_kind kind;
    uint8_t flags; // EXPR_INFALLIBLE etc., of this step with all below it for INFALLIBLE and VOLATILE
    bool try_cast;
    uint16_t depth;
    const struct type *type;
    uint32_t *args;
    uint32_t arg_count;
    uint32_t ordinal;
    uint32_t source;  // the first of the plan's expressions that it was made of
    int32_t leaf;     // the one column step that the value depends on; LEAF_NONE: constant; LEAF_MANY: several
    const char *name; // function
    const struct expr_function *function;
    expr_kernel kernel;
    struct column *literal; // one value
    void *state;
    void (*state_free)(void *state);
};
#define EXPR_LEAF_NONE (-1)
#define EXPR_LEAF_MANY (-2)

// A value over a frame's rows: a column of frame->length values, or one value for all (a column of one).
struct expr_value {
    struct column *column;
    bool constant;
};

// The wanted rows of a frame, rising; rows NULL: all.
struct expr_scope {
    const struct expr_scope *parent;
    uint64_t id;
    const uint32_t *rows;
    uint32_t count;
};

// Ways that are faster than the plain one and never change a result. So that a test can hold both beside each other,
// FORESET_WITHOUT="scan cast …" in the environment compiles programs without some; nothing asks later, row by row.
enum expr_shortcut {
    EXPR_SHORTCUT_SCAN = 1,       // scan: from_json of CAST(bytes AS STRING) reads the bytes
    EXPR_SHORTCUT_CAST = 2,       // cast: casts of whole columns
    EXPR_SHORTCUT_DICTIONARY = 4, // dictionary: a step runs once per entry, texts stay coded
    EXPR_SHORTCUT_CONSTANT = 8,   // constant: a step over constants runs once for all rows
    EXPR_SHORTCUT_SHARE = 16,     // share: equal steps are one, results are kept for a batch
    EXPR_SHORTCUT_EAGER = 32,     // eager: what cannot raise runs on rows that do not need it
};
// expr_compile_list that says at which of the plan's expressions it failed. input NULL: columns are not checked, the
// program is not for batches.
enum status expr_compile_located(const Foreset__Plan *plan, const uint32_t *roots, uint32_t count,
                                 const struct type *input, struct budget *budget, struct expr **ret_exprs,
                                 uint32_t *ret_failed, struct error *err) MUST_USE;
bool expr_compile_has(enum expr_shortcut shortcut); // at compile time

struct expr_memo {
    struct expr_value value;
    uint64_t scope_id; // 0: empty
};

struct expr_program {
    uint32_t refs;
    struct expr_step *steps;
    uint32_t step_count;
    struct budget *budget;
    const struct type *input;
    bool expand_literals, forget_results; // without EXPR_SHORTCUT_CONSTANT, EXPR_SHORTCUT_SHARE
    struct arena arena;                   // names, args
    // The batch at work, so that roots compiled together share steps; dropped when every root has run.
    struct batch *batch;
    struct expr_memo *memos;
    uint32_t root_count;
    uint32_t roots_done;
    uint64_t root_scope; // scope id of the batch's selection
    uint64_t scope_ids;
};

struct expr {
    struct expr_program *program;
    uint32_t root;
    uint32_t index; // among the roots
};

struct expr_frame {
    struct expr_program *program;
    struct expr_context *context;
    struct budget *budget;
    struct expr_errors *errors;
    const struct batch *batch;
    uint32_t length;
    int32_t leaf; // dictionary frame: this step's value is leaf_column
    struct column *leaf_column;
    struct expr_memo *memos;
};

// What a strict kernel gets. If every argument is constant, length is 1 and the result stands for all rows.
struct expr_call {
    struct expr_frame *frame;
    const struct expr_step *step;
    const struct expr_step *steps; // all, to look at arguments' types and literals
    const struct expr_scope *scope;
    uint32_t length;
    const uint32_t *rows; // NULL: all of length
    uint32_t row_count;
    struct expr_value *args;
    bool constant;
    struct buffer *validity; // of the result so far; NULL: all valid. Not TOLERANT: the arguments' nulls are in it
    bool broken;             // a null could not be recorded for want of memory
    struct column *result;   // the kernel's duty
};

// expr_eval.c
enum status expr_step_eval(struct expr_frame *frame, uint32_t step, const struct expr_scope *scope,
                           struct expr_value *ret_value, struct error *err) MUST_USE;
// A step that depends on no column, over one row.
enum status expr_step_constant(struct expr_program *program, uint32_t step, struct expr_errors *errors,
                               struct column **ret_column, struct error *err) MUST_USE;
uint64_t expr_scope_id(struct expr_frame *frame);
// The row's error, and null for the row. printf-like; keeps the first error of a row.
void expr_raise(struct expr_call *call, uint32_t row, const char *condition, const char *format, ...) PRINTF_LIKE(4, 5);
void expr_errors_add(struct expr_errors *errors, uint32_t row, const char *condition, const char *message);
void expr_errors_sort(struct expr_errors *errors);

static inline const struct type *expr_arg_type(const struct expr_call *call, uint32_t arg)
{
    return call->steps[call->step->args[arg]].type;
}

// expr_vector.c: building results.
static inline uint32_t expr_row_at(const struct expr_call *call, uint32_t i)
{
    return call->rows ? call->rows[i] : i;
}
static inline uint32_t expr_index(const struct expr_value *value, uint32_t row)
{
    return value->constant ? 0 : row;
}
static inline bool expr_value_null(const struct expr_value *value, uint32_t row)
{
    return column_is_null(value->column, expr_index(value, row));
}
static inline bool expr_valid_at(const struct expr_call *call, uint32_t row)
{
    return !call->validity || (call->validity->data[row >> 3] >> (row & 7) & 1);
}
void expr_value_free(struct expr_value *value);
size_t expr_bitmap_size(uint32_t length); // bytes, a multiple of 8
// call->validity = AND of the arguments' validities (mutable copy); NULL if none has nulls.
enum status expr_vector_validity(struct expr_call *call, struct error *err) MUST_USE;
enum status expr_vector_null_at(struct expr_call *call, uint32_t row, struct error *err) MUST_USE;
enum status expr_vector_values(struct expr_call *call, size_t width, struct buffer **ret_buffer,
                               struct error *err) MUST_USE;
// Makes call->result of the step's type from values (taken) and call->validity (taken).
void expr_vector_finish(struct expr_call *call, struct buffer *values);
uint32_t expr_vector_null_count(const struct buffer *validity, uint32_t length);
// The same values under another validity: value is null where `also` is (NULL: shared as it is).
enum status expr_vector_mask(struct budget *budget, struct column *column, const uint8_t *also,
                             struct column **ret_column, struct error *err) MUST_USE;
// A column of one value as a column of `length` equal values.
enum status expr_vector_expand(struct budget *budget, struct column *single, uint32_t length,
                               struct column **ret_column, struct error *err) MUST_USE;
// One value made of a datum, for literals: a column of length 1.
enum status expr_vector_single(struct budget *budget, const struct type *type, const struct expr_datum *datum,
                               struct column **ret_column, struct error *err) MUST_USE;
// result[row] = values[branch[row]][row]; branch UINT16_MAX: null. Strings that are all constants come out
// dictionary-coded.
#define EXPR_BRANCH_NULL UINT16_MAX
enum status expr_vector_merge(struct expr_call *call, const uint16_t *branch, const struct expr_value *values,
                              uint32_t value_count, struct error *err) MUST_USE;

// expr_row.c: one value, outside of columns.
struct expr_datum {
    bool null;
    union {
        int64_t i;  // boolean, integrals, date, timestamps, intervals
        double d;   // float, double
        __int128 n; // decimal
        struct slice s;
        struct {
            const struct column *column;
            uint32_t row;
        } nested;
    };
};
struct expr_row {
    struct expr_call *call;
    uint32_t row;
    struct text text;               // scratch: a result may point into it until the next row
    struct column_builder *builder; // results of nested type are appended here (one value), or EXPR_NULL returned
    struct error *err;              // for EXPR_BROKEN
    const char *refused;            // why the row fails whatever its function returns: set by what is deep below it
};
// A row's limits. Functions whose result is as long as a number says ask before they begin; what grows with its input
// is stopped by the limit of row->text. EXPR_FAIL, with the row's error.
uint64_t expr_row_bytes_max(const struct expr_row *row);
enum expr_outcome expr_row_too_large(struct expr_row *row);
enum expr_outcome expr_row_too_much(struct expr_row *row, const char *what); // work, not bytes
#define EXPR_WORK_MAX (1ull << 28) // steps of a function whose time is the product of its arguments' lengths
enum expr_outcome expr_row_fail(struct expr_row *row, const char *condition, const char *format, ...) PRINTF_LIKE(3, 4);
struct expr_datum expr_datum_of(const struct column *column, uint32_t row);
enum status expr_datum_append(struct column_builder *builder, const struct type *type, const struct expr_datum *datum,
                              struct error *err) MUST_USE;
enum status expr_row_kernel(struct expr_call *call,
                            struct error *err) MUST_USE; // runs step->function->row over the rows
static inline enum expr_outcome expr_row_string(struct expr_datum *ret, const char *data, size_t length)
{
    ret->s = slice_of(data, length);
    return EXPR_VALUE;
}
static inline enum expr_outcome expr_row_int(struct expr_datum *ret, int64_t value)
{
    ret->i = value;
    return EXPR_VALUE;
}
// The literal value of an argument step; NULL if the step is none or is null.
const struct column *expr_step_literal(const struct expr_step *steps, uint32_t step);
uint32_t expr_row_args(const struct expr_row *row);

#endif
