// approx_count_distinct: HyperLogLog++ over Spark's xxhash64 with seed 42; the figures equal Spark's. Registers are one
// byte each and are made with the first row.
#include <math.h>
#include <string.h>

#include "worker/expr/aggregate_private.h"
#include "worker/expr/aggregate_sketch_bias.h"
#include "worker/expr/expr_hash.h"

struct sketch_state {
    uint8_t *registers; // 2^precision; NULL: empty
};

static uint32_t register_count(const struct aggregate *aggregate)
{
    return 1u << aggregate->precision;
}

static enum status sketch_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)err;
    unsigned p = aggregate->precision;
    for (uint32_t k = 0; k < input->count; k++) {
        uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct sketch_state *state = aggregate_state(input, i);
        if (!state->registers) state->registers = memory_calloc(register_count(aggregate), 1);
        uint64_t hash = expr_hash_xx64(input->args[0], row, 42);
        uint64_t rest = hash << p | 1ull << (p - 1);
        uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
        uint8_t *slot = &state->registers[hash >> (64 - p)];
        if (rank > *slot) *slot = rank;
    }
    return STATUS_OK;
}

static void sketch_save(const struct aggregate *aggregate, const void *state, struct text *bytes)
{
    const struct sketch_state *sketch = state;
    text_append_char(bytes, (char)(sketch->registers != NULL));
    if (sketch->registers) text_append(bytes, (const char *)sketch->registers, register_count(aggregate));
}

static bool sketch_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct sketch_state *into = state;
    uint8_t there;
    uint32_t count = register_count(aggregate);
    if (!aggregate_codec_take(reader, &there, 1) || there > 1) return false;
    if (!there) return true;
    if (reader->left < count) return false;
    if (!into->registers) into->registers = memory_calloc(count, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (reader->at[i] > into->registers[i]) into->registers[i] = reader->at[i];
    }
    reader->at += count;
    reader->left -= count;
    return true;
}

static double linear_limit(unsigned precision)
{
    static const double limits[] = {10,   20,   40,    80,    220,   400,    900,   1800,
                                    3100, 6500, 15500, 20000, 50000, 120000, 350000};
    return limits[precision - 4];
}

static int64_t estimate(const uint8_t *registers, unsigned precision)
{
    double m = (double)(1u << precision), sum = 0, zeros = 0;
    for (uint32_t i = 0; i < 1u << precision; i++) {
        sum += 1.0 / (double)(1ull << registers[i]);
        zeros += registers[i] == 0;
    }
    double alpha = precision == 4   ? 0.673
                   : precision == 5 ? 0.697
                   : precision == 6 ? 0.709
                                    : 0.7213 / (1.0 + 1.079 / m);
    double raw = alpha * m * m / sum;
    double corrected = precision < 19 && raw < 5.0 * m ? raw - aggregate_sketch_bias(raw, precision) : raw;
    // As Spark: registers that are still empty count linearly for longer than the limits alone would have it.
    if (zeros > 0) {
        double linear = m * log(m / zeros);
        if (raw <= 2.5 * m || (precision < 19 && linear <= linear_limit(precision))) return llround(linear);
    }
    return llround(corrected);
}

static enum status sketch_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                 struct error *err)
{
    const struct sketch_state *sketch = state;
    int64_t count = sketch->registers ? estimate(sketch->registers, aggregate->precision) : 0;
    return column_builder_fixed(builder, &count, err);
}

static void sketch_release(const struct aggregate *aggregate, void *state)
{
    struct sketch_state *sketch = state;
    (void)aggregate;
    memory_free(sketch->registers);
    sketch->registers = NULL;
}

static const struct aggregate_function function = {
    "approx_count_distinct", sizeof(struct sketch_state), 0, sketch_update, sketch_save, sketch_merge, sketch_result,
    sketch_release};

const struct aggregate_function *aggregate_sketch_find(const char *name)
{
    return strcmp(name, function.name) == 0 ? &function : NULL;
}
