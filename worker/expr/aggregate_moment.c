// Variance, deviation, skewness, kurtosis, covariance, correlation: Spark's one-pass central moments and their merge.
// What can fail: corr of values that do not vary (DIVIDE_BY_ZERO).
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "worker/expr/aggregate_private.h"

struct moment_state {
    double n, avg, m2, m3, m4;
};
struct pair_state {
    double n, avg_x, avg_y, ck, mk_x, mk_y;
};

static enum status moment_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)aggregate;
    (void)err;
    const double *values = input->args[0]->f64;
    for (uint32_t k = 0; k < input->count; k++) {
        const uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct moment_state *s = aggregate_state(input, i);
        double n = s->n + 1, delta = values[row] - s->avg, delta_n = delta / n;
        double m2 = s->m2 + delta * (delta - delta_n);
        double delta2 = delta * delta, delta_n2 = delta_n * delta_n;
        double m3 = s->m3 - 3.0 * delta_n * m2 + delta * (delta2 - delta_n2);
        s->m4 = s->m4 - 4.0 * delta_n * m3 - 6.0 * delta_n2 * m2 + delta * (delta * delta2 - delta_n * delta_n2);
        s->m3 = m3;
        s->m2 = m2;
        s->avg += delta_n;
        s->n = n;
    }
    return STATUS_OK;
}

static void moment_save(const struct aggregate *aggregate, const void *state, struct text *bytes)
{
    (void)aggregate;
    text_append(bytes, state, sizeof(struct moment_state));
}

static bool moment_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct moment_state *a = state, b;
    (void)aggregate;
    if (!aggregate_codec_take(reader, &b, sizeof b)) return false;
    double n = a->n + b.n, delta = b.avg - a->avg, delta_n = n == 0 ? 0 : delta / n;
    double m2 = a->m2 + b.m2 + delta * delta_n * a->n * b.n;
    double m3 = a->m3 + b.m3 + delta_n * delta_n * delta * a->n * b.n * (a->n - b.n) +
                3.0 * delta_n * (a->n * b.m2 - b.n * a->m2);
    a->m4 = a->m4 + b.m4 + delta_n * delta_n * delta_n * delta * a->n * b.n * (a->n * a->n - a->n * b.n + b.n * b.n) +
            6.0 * delta_n * delta_n * (a->n * a->n * b.m2 + b.n * b.n * a->m2) +
            4.0 * delta_n * (a->n * b.m3 - b.n * a->m3);
    a->m3 = m3;
    a->m2 = m2;
    a->avg += delta_n * b.n;
    a->n = n;
    return true;
}

static enum status moment_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                                 struct error *err)
{
    const struct moment_state *s = state;
    const char *name = aggregate->function->name;
    double value;
    if (s->n == 0) return column_builder_null(builder, err);
    if (strcmp(name, "var_pop") == 0 || strcmp(name, "stddev_pop") == 0) {
        value = s->m2 / s->n;
    } else if (strcmp(name, "skewness") == 0) {
        if (s->m2 == 0) return column_builder_null(builder, err);
        value = sqrt(s->n) * s->m3 / sqrt(s->m2 * s->m2 * s->m2);
    } else if (strcmp(name, "kurtosis") == 0) {
        if (s->m2 == 0) return column_builder_null(builder, err);
        value = s->n * s->m4 / (s->m2 * s->m2) - 3.0;
    } else {
        if (s->n == 1) return column_builder_null(builder, err);
        value = s->m2 / (s->n - 1);
    }
    if (name[0] == 's' && name[1] == 't') value = sqrt(value);
    return column_builder_fixed(builder, &value, err);
}

static enum status pair_update(struct aggregate *aggregate, const struct aggregate_input *input, struct error *err)
{
    (void)aggregate;
    (void)err;
    const double *xs = input->args[0]->f64, *ys = input->args[1]->f64;
    for (uint32_t k = 0; k < input->count; k++) {
        const uint32_t i = aggregate_pick(input, k), row = aggregate_row(input, i);
        struct pair_state *s = aggregate_state(input, i);
        double n = s->n + 1, dx = xs[row] - s->avg_x, dy = ys[row] - s->avg_y, dx_n = dx / n, dy_n = dy / n;
        double avg_y = s->avg_y + dy_n;
        s->ck += dx * (ys[row] - avg_y);
        s->mk_x += dx * (xs[row] - (s->avg_x + dx_n));
        s->mk_y += dy * (ys[row] - avg_y);
        s->avg_x += dx_n;
        s->avg_y = avg_y;
        s->n = n;
    }
    return STATUS_OK;
}

static void pair_save(const struct aggregate *aggregate, const void *state, struct text *bytes)
{
    (void)aggregate;
    text_append(bytes, state, sizeof(struct pair_state));
}

static bool pair_merge(struct aggregate *aggregate, void *state, struct aggregate_reader *reader)
{
    struct pair_state *a = state, b;
    (void)aggregate;
    if (!aggregate_codec_take(reader, &b, sizeof b)) return false;
    double n = a->n + b.n, dx = b.avg_x - a->avg_x, dy = b.avg_y - a->avg_y;
    double dx_n = n == 0 ? 0 : dx / n, dy_n = n == 0 ? 0 : dy / n;
    a->ck += b.ck + dx * dy_n * a->n * b.n;
    a->mk_x += b.mk_x + dx * dx_n * a->n * b.n;
    a->mk_y += b.mk_y + dy * dy_n * a->n * b.n;
    a->avg_x += dx_n * b.n;
    a->avg_y += dy_n * b.n;
    a->n = n;
    return true;
}

static enum status pair_result(struct aggregate *aggregate, const void *state, struct column_builder *builder,
                               struct error *err)
{
    const struct pair_state *s = state;
    const char *name = aggregate->function->name;
    if (strcmp(name, "regr_count") == 0) {
        int64_t count = (int64_t)s->n;
        return column_builder_fixed(builder, &count, err);
    }
    if (s->n == 0 || (strcmp(name, "covar_pop") != 0 && s->n == 1)) return column_builder_null(builder, err);
    // Spark's corr divides as ANSI does.
    if (strcmp(name, "corr") == 0 && sqrt(s->mk_x * s->mk_y) == 0) {
        enum status status = error_set(
            err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
            "DIVIDE_BY_ZERO: corr of values that do not vary divides by zero; keep such groups out with WHERE");
        if (err) snprintf(err->condition, sizeof err->condition, "DIVIDE_BY_ZERO");
        return status;
    }
    double value = strcmp(name, "covar_pop") == 0    ? s->ck / s->n
                   : strcmp(name, "covar_samp") == 0 ? s->ck / (s->n - 1)
                                                     : s->ck / sqrt(s->mk_x * s->mk_y);
    return column_builder_fixed(builder, &value, err);
}

#define MOMENT(name)                                                                                                   \
    {                                                                                                                  \
        name, sizeof(struct moment_state), 0, moment_update, moment_save, moment_merge, moment_result, NULL            \
    }
#define PAIR(name)                                                                                                     \
    {                                                                                                                  \
        name, sizeof(struct pair_state), 0, pair_update, pair_save, pair_merge, pair_result, NULL                      \
    }
static const struct aggregate_function functions[] = {
    MOMENT("stddev_samp"), MOMENT("stddev_pop"), MOMENT("var_samp"), MOMENT("var_pop"), MOMENT("skewness"),
    MOMENT("kurtosis"),    PAIR("covar_pop"),    PAIR("covar_samp"), PAIR("corr"),      PAIR("regr_count"),
};

const struct aggregate_function *aggregate_moment_find(const char *name)
{
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) == 0) return &functions[i];
    }
    return NULL;
}
