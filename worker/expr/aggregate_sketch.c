// approx_count_distinct: HyperLogLog++ over Spark's xxhash64 with seed 42. Registers are one byte each and are made
// with the first row. Where registers are still empty and the raw estimate is at most 2.5 m, and above 5 m, the figures
// equal Spark's. Between, the raw estimate is corrected by a curve of our own: at the default precision it was measured
// from Spark's answers and is off by one at most in what was measured; at others it may differ by a fraction of the
// error.
#include <math.h>
#include <string.h>

#include "worker/expr/aggregate_private.h"
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

// Bias of the raw estimate over m, by estimate over m from 0.7 in steps of 0.1: the mean of 1500 runs over random
// hashes with m = 4096. Over m it hardly depends on m.
static double bias_over_m(double estimate_over_m)
{
    static const double table[] = {
        0.7000, 0.6418, 0.5560, 0.4833, 0.4216, 0.3682, 0.3224, 0.2825, 0.2476, 0.2167, 0.1894, 0.1658,
        0.1450, 0.1267, 0.1109, 0.0971, 0.0850, 0.0739, 0.0645, 0.0561, 0.0489, 0.0420, 0.0362, 0.0305,
        0.0257, 0.0223, 0.0197, 0.0170, 0.0145, 0.0123, 0.0105, 0.0089, 0.0076, 0.0065, 0.0049, 0.0046,
        0.0030, 0.0032, 0.0027, 0.0019, 0.0017, 0.0016, 0.0014, 0.0014, 0.0014,
    };
    const size_t last = sizeof table / sizeof table[0] - 1;
    double place = (estimate_over_m - 0.7) * 10;
    if (place <= 0) return estimate_over_m;
    size_t at = (size_t)place;
    if (at >= last) return 0;
    return table[at] + (table[at + 1] - table[at]) * (place - (double)at);
}

// Bias at precision 9 by raw estimate, from 1280 (2.5 m) in steps of 16: least squares over what Spark 4.1 answered for
// 2,646 sets of distinct strings.
static double bias_default(double estimate)
{
    static const double table[] = {
        32.1, 30.1, 28.8, 27.4, 26.3, 25.2, 24.5, 23.6, 22.2, 21.5, 20.1, 19.0, 17.8, 16.9, 15.7, 15.1, 13.9,
        13.1, 12.2, 11.7, 10.5, 10.2, 9.0,  8.4,  7.7,  7.3,  6.4,  6.2,  5.6,  5.0,  4.6,  4.5,  3.6,  3.8,
        3.0,  2.3,  1.6,  0.8,  0.3,  0.3,  -0.2, -0.6, -1.2, -1.3, -1.8, -1.9, -2.3, -1.7, -2.3, -3.1, -3.6,
        -4.2, -5.0, -4.8, -4.5, -5.0, -5.2, -5.4, -5.9, -6.3, -5.8, -5.7, -5.0, -5.4, -5.3, -5.4, -5.4, -6.0,
        -5.3, -5.0, -5.5, -6.4, -6.6, -7.4, -8.2, -8.2, -7.6, -7.6, -7.4, -7.3, -7.5,
    };
    double place = (estimate - 1280) / 16;
    size_t at = (size_t)place;
    ASSERT(place >= 0 && at + 1 < sizeof table / sizeof table[0]);
    return table[at] + (table[at + 1] - table[at]) * (place - (double)at);
}

static double bias_of(double estimate, unsigned precision)
{
    double m = (double)(1u << precision);
    if (precision == 9 && estimate >= 2.5 * m) return bias_default(estimate);
    return m * bias_over_m(estimate / m);
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
    double corrected = precision < 19 && raw < 5.0 * m ? raw - bias_of(raw, precision) : raw;
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
