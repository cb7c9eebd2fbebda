// Inside worker/expr: an aggregate at work, and the table of functions.
#ifndef FORESET_EXPR_AGGREGATE_PRIVATE_H
#define FORESET_EXPR_AGGREGATE_PRIVATE_H

#include <stdio.h>

#include "worker/expr/expr.h"

// Rows to fold: for k < count, i = picks ? picks[k] : k; row = rows ? rows[i] : i; state = states[i] + offset.
struct aggregate_input {
    const struct column *args[2];
    const uint32_t *rows;
    const uint32_t *picks;
    uint32_t count;
    void *const *states;
    uint32_t offset;
};
static inline uint32_t aggregate_pick(const struct aggregate_input *input, uint32_t k)
{
    return input->picks ? input->picks[k] : k;
}
static inline uint32_t aggregate_row(const struct aggregate_input *input, uint32_t i)
{
    return input->rows ? input->rows[i] : i;
}
static inline void *aggregate_state(const struct aggregate_input *input, uint32_t i)
{
    return (char *)input->states[i] + input->offset;
}

#define AGGREGATE_KEEPS_NULLS 1u // sees rows whose argument is null

struct aggregate_reader {
    const uint8_t *at;
    size_t left;
};

struct aggregate_function {
    const char *name;
    uint32_t state_size;
    uint32_t flags;
    enum status (*update)(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err);
    void (*save)(const struct aggregate *aggregate, const void *state, struct text *bytes);
    // false: malformed
    bool (*merge)(struct aggregate *aggregate, void *state, struct aggregate_reader *reader);
    enum status (*result)(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                          struct error *err);
    void (*release)(const struct aggregate *aggregate, void *state); // NULL: the state owns nothing
};

struct aggregate {
    const struct aggregate_function *function;
    const struct type *type;
    const struct type *arg_types[2];
    uint32_t arg_count;
    struct expr *args[2];
    struct expr *filter;
    struct budget *budget;
    bool ignore_nulls; // first, last
    bool distinct;     // the states are sets of arguments; function folds them at the result
    uint8_t precision; // approx_count_distinct: registers = 2^precision
};

// Families, each ended by a row without a name. find: by name and argument type; NULL: not there.
const struct aggregate_function *aggregate_number_find(const char *name, const struct type *arg);
const struct aggregate_function *aggregate_value_find(const char *name, const struct type *arg);
const struct aggregate_function *aggregate_moment_find(const char *name);
const struct aggregate_function *aggregate_collect_find(const char *name);
const struct aggregate_function *aggregate_sketch_find(const char *name);
extern const struct aggregate_function aggregate_collect_distinct; // stands in for a DISTINCT one

// One value as bytes, and back into a builder. normal: equal values have equal bytes (NaN and -0.0 are normalised).
void aggregate_codec_write(const struct column *column, uint32_t row, bool normal, struct text *bytes);
enum status aggregate_codec_read(struct aggregate_reader *reader, const struct type *type,
                                 struct column_builder *builder, bool *ret_good, struct error *err) MUST_USE;
bool aggregate_codec_take(struct aggregate_reader *reader, void *to, size_t size);
void aggregate_codec_put_size(struct text *bytes, uint64_t size);
bool aggregate_codec_take_size(struct aggregate_reader *reader, uint64_t *ret_size);

#endif
