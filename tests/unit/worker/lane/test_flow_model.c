// The stream rules (tests/data/conformance/stream/README.md) written down once more in a few lines, against random
// rows: event times at, just below and above every border, nulls, before 1970; one lane and several, stepped and
// threaded, with restarts.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"

#define SEEDS       40
#define EPOCHS      7
#define KEYS        5
#define WINDOWS_MAX 4096

struct model_window {
    int64_t start, n, total;
    bool touched;
};
struct model {
    int64_t late, watermark, top;
    bool any, first;
    struct { // dedup: (id, ts) → expiry
        int id;
        int64_t ts, expiry;
    } keys[WINDOWS_MAX];
    size_t key_count;
    struct model_window windows[WINDOWS_MAX];
    size_t window_count;
    char *lines[WINDOWS_MAX];
    size_t line_count;
};
static struct model model;
static const char *const ids[KEYS] = {"a", "b", "c", "d", NULL};

static int64_t floor_to(int64_t value, int64_t unit)
{
    int64_t rest = value % unit;
    return value - (rest < 0 ? rest + unit : rest);
}

PRINTF_LIKE(1, 2) static void model_line(const char *format, ...)
{
    char line[160];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    model.lines[model.line_count++] = memory_strdup(line);
}

static void model_dedup_row(enum dedup_kind kind, int id, const struct flow_row *row)
{
    bool timed = kind != DEDUP_FOREVER, null = row->ts == FLOW_NULL;
    if (timed && !null && row->ts <= model.late) return;
    for (size_t i = 0; i < model.key_count; i++) {
        if (model.keys[i].id == id && (kind != DEDUP_TIME || model.keys[i].ts == row->ts)) return;
    }
    int64_t expiry = INT64_MAX;
    if (kind == DEDUP_TIME && !null) expiry = row->ts;
    if (kind == DEDUP_WITHIN) expiry = (null ? 0 : row->ts) + FLOW_DELAY_US;
    model.keys[model.key_count].id = id;
    model.keys[model.key_count].ts = row->ts;
    model.keys[model.key_count++].expiry = expiry;
    model_line("{\"v\":%d}", row->v);
}

static void model_dedup_end(void)
{
    size_t left = 0;
    for (size_t i = 0; i < model.key_count; i++) {
        if (model.keys[i].expiry > model.watermark) model.keys[left++] = model.keys[i];
    }
    model.key_count = left;
}

static void model_window_row(enum _Foreset__Table__Mode mode, const struct flow_row *row)
{
    if (row->ts == FLOW_NULL) return;
    int64_t start = floor_to(row->ts, FLOW_WINDOW_US);
    if (mode != FORESET__TABLE__MODE__COMPLETE && start + FLOW_WINDOW_US <= model.late) return;
    struct model_window *window = NULL;
    for (size_t i = 0; i < model.window_count; i++) {
        if (model.windows[i].start == start) window = &model.windows[i];
    }
    if (!window) {
        window = &model.windows[model.window_count++];
        *window = (struct model_window){.start = start};
    }
    window->n++;
    window->total += row->v;
    window->touched = true;
}

static void model_window_end(enum _Foreset__Table__Mode mode)
{
    size_t left = 0;
    for (size_t i = 0; i < model.window_count; i++) {
        struct model_window *window = &model.windows[i];
        bool due = mode != FORESET__TABLE__MODE__COMPLETE && window->start + FLOW_WINDOW_US <= model.watermark;
        bool emit =
            mode == FORESET__TABLE__MODE__COMPLETE || (mode == FORESET__TABLE__MODE__UPDATE ? window->touched : due);
        if (emit) {
            time_t seconds = window->start / 1000000;
            struct tm parts;
            char text[40];
            gmtime_r(&seconds, &parts);
            strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
            model_line("{\"start\":\"%s.000000Z\",\"n\":%lld,\"total\":%lld}", text, (long long)window->n,
                       (long long)window->total);
        }
        window->touched = false;
        if (!due) model.windows[left++] = *window;
    }
    model.window_count = left;
}

static void model_begin(void)
{
    int64_t mark = model.any ? floor_to(model.top, 1000) - FLOW_DELAY_US : 0;
    model.late = model.watermark;
    if (!model.first && mark > model.watermark) model.watermark = mark;
    model.first = false;
    for (size_t i = 0; i < model.line_count; i++) memory_free(model.lines[i]);
    model.line_count = 0;
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static const char *model_batch(struct flow *flow)
{
    struct text text = {0};
    qsort(model.lines, model.line_count, sizeof *model.lines, compare_lines);
    for (size_t i = 0; i < model.line_count; i++) text_printf(&text, "%s%s", i ? "\n" : "", model.lines[i]);
    const char *kept = arena_strdup(&flow->arena, text_str(&text));
    text_deinit(&text);
    return kept;
}

// Event times around the borders of windows, of W and of L.
static int64_t random_time(struct random *random)
{
    static const int64_t near[] = {-1000, -1, 0, 1, 999, 1000};
    uint64_t pick = random_below(random, 10);
    if (pick == 0) return FLOW_NULL;
    int64_t base = (int64_t)random_below(random, 14) * 150 * 1000000; // half windows
    if (pick == 1) base = model.watermark;
    if (pick == 2) base = model.late;
    if (pick == 3) base = -base;
    return base + near[random_below(random, sizeof near / sizeof *near)];
}

struct model_case {
    bool dedup;
    enum dedup_kind kind;
    enum _Foreset__Table__Mode mode;
};

static void model_epoch(struct flow *flow, const struct model_case *at, struct random *random, int32_t *value)
{
    struct flow_row rows[12];
    uint32_t picked[12], count = 1 + (uint32_t)random_below(random, 12);
    for (uint32_t i = 0; i < count; i++) {
        picked[i] = (uint32_t)random_below(random, KEYS);
        rows[i] = (struct flow_row){ids[picked[i]], "x", (*value)++, random_time(random)};
    }
    model_begin();
    for (uint32_t i = 0; i < count; i++) {
        if (at->dedup) {
            model_dedup_row(at->kind, (int)picked[i], &rows[i]);
        } else {
            model_window_row(at->mode, &rows[i]);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        if (rows[i].ts != FLOW_NULL && (!model.any || rows[i].ts > model.top)) model.top = rows[i].ts;
        if (rows[i].ts != FLOW_NULL) model.any = true;
    }
    at->dedup ? model_dedup_end() : model_window_end(at->mode);
    flow_epoch(flow, rows, count);
    assert_string_equal(flow_batch(flow, "t"), model_batch(flow));
}

// A no-data epoch while the watermark moves.
static void model_no_data(struct flow *flow, const struct model_case *at)
{
    bool moves = model.any && floor_to(model.top, 1000) - FLOW_DELAY_US > model.watermark;
    size_t before = flow_batches(flow, "t");
    bool joins = flow->tables.items[0]->no_data_epochs && moves;
    if (joins) {
        model_begin();
        at->dedup ? model_dedup_end() : model_window_end(at->mode);
    }
    flow_no_data(flow);
    assert_int_equal(flow_batches(flow, "t"), before + joins);
    if (joins) assert_string_equal(flow_batch(flow, "t"), model_batch(flow));
}

// Other processes, in another order, at a border.
static void move(struct flow *flow, struct random *random)
{
    uint32_t order[FLOW_WORKERS_MAX] = {0, 1, 2}, workers = 1 + (uint32_t)random_below(random, FLOW_WORKERS_MAX);
    for (uint32_t i = FLOW_WORKERS_MAX - 1; i > 0; i--) {
        uint32_t at = (uint32_t)random_below(random, i + 1), kept = order[i];
        order[i] = order[at];
        order[at] = kept;
    }
    flow_move(flow, order, workers, random_below(random, 2));
}

static void run_case(const struct model_case *at, uint64_t seed, bool threaded)
{
    struct flow flow;
    struct random random;
    int32_t value = 0;
    random_init(&random, seed);
    memset(&model, 0, sizeof model);
    model.first = true;
    flow_workers = 1 + (uint32_t)(seed / 2 % FLOW_WORKERS_MAX);
    flow_init(&flow, 1 + (uint32_t)(seed % 4), threaded);
    if (at->dedup) {
        plan_dedup(&flow, at->kind);
    } else {
        plan_window(&flow, at->mode);
    }
    flow_open(&flow);
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        if (random_below(&random, 4) == 0) {
            flow_close(&flow);
            flow.lanes = 1 + (uint32_t)random_below(&random, 5);
            flow.workers = 1 + (uint32_t)random_below(&random, FLOW_WORKERS_MAX);
            flow_open(&flow);
        } else if (random_below(&random, 3) == 0) {
            move(&flow, &random);
        }
        model_epoch(&flow, at, &random, &value);
        if (random_below(&random, 3) == 0) model_no_data(&flow, at);
    }
    model_begin();
    flow_deinit(&flow);
}

static void run_all(const struct model_case *at)
{
    for (uint64_t seed = 0; seed < SEEDS; seed++) run_case(at, seed, seed % 2);
}

static void dedup_without_a_watermark(void **state)
{
    (void)state;
    run_all(&(struct model_case){.dedup = true, .kind = DEDUP_FOREVER});
}

static void dedup_whose_time_is_no_key_drops_late_rows_and_keeps_keys(void **state)
{
    (void)state;
    run_all(&(struct model_case){.dedup = true, .kind = DEDUP_LATE_ONLY});
}

static void dedup_with_its_time_forgets_keys_at_the_watermark(void **state)
{
    (void)state;
    run_all(&(struct model_case){.dedup = true, .kind = DEDUP_TIME});
}

static void dedup_within_watermark_forgets_after_the_delay(void **state)
{
    (void)state;
    run_all(&(struct model_case){.dedup = true, .kind = DEDUP_WITHIN});
}

static void windows_in_append_mode(void **state)
{
    (void)state;
    run_all(&(struct model_case){.mode = FORESET__TABLE__MODE__APPEND});
}

static void windows_in_update_mode(void **state)
{
    (void)state;
    run_all(&(struct model_case){.mode = FORESET__TABLE__MODE__UPDATE});
}

static void windows_in_complete_mode(void **state)
{
    (void)state;
    run_all(&(struct model_case){.mode = FORESET__TABLE__MODE__COMPLETE});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dedup_without_a_watermark),
        cmocka_unit_test(dedup_whose_time_is_no_key_drops_late_rows_and_keeps_keys),
        cmocka_unit_test(dedup_with_its_time_forgets_keys_at_the_watermark),
        cmocka_unit_test(dedup_within_watermark_forgets_after_the_delay),
        cmocka_unit_test(windows_in_append_mode),
        cmocka_unit_test(windows_in_update_mode),
        cmocka_unit_test(windows_in_complete_mode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
