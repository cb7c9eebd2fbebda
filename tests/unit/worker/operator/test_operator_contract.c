// The contract of an operator (P11), one operator after the other without a lane: what begin, on_batch, on_marker and
// freeze each do, and what they leave to the others.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"
#include "worker/lane/lane_private.h"

#define OPERATORS_MAX 6

// Operators in a row: what one emits the next takes at once.
struct bench {
    struct flow flow; // plan and stores
    struct operator_host host;
    struct budget state_budget;
    struct random random;
    uint32_t shard_lanes[256], shard_slots[256];
    struct operator* ops[OPERATORS_MAX];
    size_t count;
    uint64_t emitted[OPERATORS_MAX]; // rows
    struct text rows;                // of the last one, as JSON
    int64_t maximum_us;
    struct error err;
};

static struct bench *bench_of(struct operator* op)
{
    return op->host->lane_context;
}

static enum status bench_emit(struct operator* op, struct batch *batch, struct error *err)
{
    struct bench *bench = bench_of(op);
    size_t at = 0;
    while (bench->ops[at] != op) at++;
    bench->emitted[at] += batch->row_count;
    if (at + 1 < bench->count) return operator_give(bench->ops[at + 1], 0, batch, err);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (bench->rows.length) text_append_char(&bench->rows, ' ');
        batch_json(batch, i, &bench->rows);
    }
    return STATUS_OK;
}

static void bench_maximum(struct operator* op, int64_t event_time_us)
{
    if (event_time_us > bench_of(op)->maximum_us) bench_of(op)->maximum_us = event_time_us;
}

static struct objstore *bench_store(void *context, uint32_t table, bool dead_letters)
{
    struct bench *bench = context;
    (void)dead_letters;
    if (!bench->flow.stores[table]) {
        assert_int_equal(objstore_open(bench->flow.dir, true, &bench->flow.stores[table], &bench->err), STATUS_OK);
    }
    return bench->flow.stores[table];
}

// The plan is made; opens its operators of these kinds, in order.
static void bench_open(struct bench *bench, size_t count, const enum _Foreset__Node__Kind *kinds)
{
    struct flow *flow = &bench->flow;
    flow->plan.exprs = flow->exprs.items;
    flow->plan.n_exprs = flow->exprs.count;
    flow->plan.nodes = flow->nodes.items;
    flow->plan.n_nodes = flow->nodes.count;
    flow->plan.tables = flow->tables.items;
    flow->plan.n_tables = flow->tables.count;
    budget_init(&flow->budget, "test", NULL, 0);
    budget_init(&bench->state_budget, "state", &flow->budget, 0);
    random_init(&bench->random, 3);
    for (uint32_t i = 0; i < 256; i++) bench->shard_slots[i] = i;
    bench->host = (struct operator_host){.plan = &flow->plan,
                                         .lanes = 1,
                                         .shard_lanes = bench->shard_lanes,
                                         .shard_slots = bench->shard_slots,
                                         .shard_count = 256,
                                         .generation = 1,
                                         .incarnation = 2,
                                         .hash_seed = 77,
                                         .budget = &flow->budget,
                                         .state_budget = &bench->state_budget,
                                         .writer_budget = &flow->budget,
                                         .random = &bench->random,
                                         .table_store = bench_store,
                                         .store_context = bench,
                                         .lane_context = bench,
                                         .emit = bench_emit,
                                         .maximum = bench_maximum};
    for (size_t i = 0; i < count; i++) {
        uint32_t node = 0;
        while (flow->nodes.items[node]->kind != kinds[i]) node++;
        enum status status = operator_table_open(&bench->host, node, &bench->ops[bench->count++], &bench->err);
        if (status != STATUS_OK) fail_msg("%s", bench->err.message);
    }
}

static void bench_close(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++) bench->ops[i]->ops->close(bench->ops[i]);
    text_deinit(&bench->rows);
    flow_deinit(&bench->flow); // and that nothing was kept
}

static void bench_begin(struct bench *bench, uint64_t epoch, int64_t late_us)
{
    text_reset(&bench->rows);
    memset(bench->emitted, 0, sizeof bench->emitted);
    for (size_t i = 0; i < bench->count; i++) {
        struct operator* op = bench->ops[i];
        op->epoch = (struct operator_epoch){.epoch = epoch, .batch = (int64_t)epoch - 1, .late_us = late_us};
        if (op->ops->begin) assert_int_equal(op->ops->begin(op, &bench->err), STATUS_OK);
    }
}

static void bench_rows(struct bench *bench, const struct flow_row *rows, uint32_t count)
{
    const struct type *schema;
    struct column_builder *builders[4];
    struct column *columns[4];
    struct error *err = &bench->err;
    assert_int_equal(type_parse(FLOW_SCHEMA, &schema, err), STATUS_OK);
    for (uint32_t c = 0; c < 4; c++) builders[c] = column_builder_create(NULL, schema->children[c].type);
    for (uint32_t i = 0; i < count; i++) {
        enum status status = rows[i].id ? column_builder_bytes(builders[0], rows[i].id, strlen(rows[i].id), err)
                                        : column_builder_null(builders[0], err);
        if (status == STATUS_OK) status = column_builder_bytes(builders[1], rows[i].k, strlen(rows[i].k), err);
        if (status == STATUS_OK) status = column_builder_fixed(builders[2], &rows[i].v, err);
        if (status == STATUS_OK) {
            status = rows[i].ts == FLOW_NULL ? column_builder_null(builders[3], err)
                                             : column_builder_fixed(builders[3], &rows[i].ts, err);
        }
        assert_int_equal(status, STATUS_OK);
    }
    for (uint32_t c = 0; c < 4; c++) {
        assert_int_equal(column_builder_finish(builders[c], &columns[c], err), STATUS_OK);
        column_builder_destroy(builders[c]);
    }
    struct batch *batch = batch_create(schema, count, columns);
    if (operator_give(bench->ops[0], 0, batch, err) != STATUS_OK) fail_msg("%s", err->message);
    batch_unref(batch);
}

// The marker passes all of them, then they freeze. Returns the entries of the state of the last but one, or else of
// the last.
static uint64_t bench_end(struct bench *bench, const struct operator_marker *marker, struct operator_frozen *ret_last)
{
    uint64_t entries = 0;
    for (size_t i = 0; i < bench->count; i++) {
        struct operator* op = bench->ops[i];
        struct operator_frozen frozen = {0};
        if (op->ops->on_marker) assert_int_equal(op->ops->on_marker(op, marker, &bench->err), STATUS_OK);
        if (op->ops->freeze) assert_int_equal(op->ops->freeze(op, &frozen, &bench->err), STATUS_OK);
        for (size_t k = 0; k < frozen.parts.count; k++) entries += frozen.parts.items[k].entries;
        if (ret_last && i + 1 == bench->count) {
            *ret_last = frozen;
        } else {
            operator_frozen_deinit(&frozen);
        }
    }
    return entries;
}

static uint64_t bench_publish(struct bench *bench, uint64_t epoch, int64_t watermark_us)
{
    return bench_end(bench,
                     &(struct operator_marker){.epoch = epoch,
                                               .batch = (int64_t)epoch - 1,
                                               .watermark_us = watermark_us,
                                               .takes_part = true,
                                               .publishes = true},
                     NULL);
}

static uint64_t bench_go_on(struct bench *bench, uint64_t epoch, int64_t watermark_us)
{
    return bench_end(bench,
                     &(struct operator_marker){
                         .epoch = epoch, .batch = (int64_t)epoch - 1, .watermark_us = watermark_us, .takes_part = true},
                     NULL);
}

// ---- WATERMARK ----

static void a_watermark_measures_what_passes_and_passes_it(void **state)
{
    (void)state;
    struct bench bench = {.maximum_us = INT64_MIN};
    flow_init(&bench.flow, 1, false);
    plan_dedup(&bench.flow, DEDUP_TIME);
    bench_open(&bench, 1, (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__WATERMARK});
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, FLOW_NULL}}, 1);
    assert_true(bench.maximum_us == INT64_MIN); // a null time says nothing
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 2, -5}, {"a", "x", 3, FLOW_NULL}, {"a", "x", 4, -9}}, 3);
    assert_int_equal(bench.maximum_us, -5);
    assert_int_equal(bench.emitted[0], 4); // late or not
    bench_close(&bench);
}

// ---- DEDUP ----

static void dedup_open(struct bench *bench, enum dedup_kind kind)
{
    memset(bench, 0, sizeof *bench);
    flow_init(&bench->flow, 1, false);
    plan_dedup(&bench->flow, kind);
    bench_open(bench, 1, (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__DEDUP});
}

static void dedup_emits_at_once_and_nothing_at_the_marker(void **state)
{
    (void)state;
    struct bench bench;
    dedup_open(&bench, DEDUP_FOREVER);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, 0}, {"a", "x", 2, 0}, {"b", "x", 3, 0}}, 3);
    assert_int_equal(bench.emitted[0], 2);
    bench_rows(&bench, (struct flow_row[]){{"b", "x", 4, 0}}, 1);
    bench_publish(&bench, 1, 0);
    assert_int_equal(bench.emitted[0], 2);
    bench_close(&bench);
}

static void dedup_tests_late_rows_by_L_and_counts_them(void **state)
{
    (void)state;
    struct bench bench;
    dedup_open(&bench, DEDUP_LATE_ONLY);
    bench_begin(&bench, 1, 100); // W may be anywhere: it is not asked
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, 99}, {"b", "x", 2, 100}, {"c", "x", 3, 101}}, 3);
    assert_int_equal(bench.emitted[0], 1);
    assert_int_equal(bench.ops[0]->counts.rows_late, 2);
    bench_rows(&bench, (struct flow_row[]){{"d", "x", 4, FLOW_NULL}}, 1); // no time: never late
    assert_int_equal(bench.emitted[0], 2);
    bench_close(&bench);
}

static void dedup_forgets_at_W_when_its_batch_ends_and_not_before(void **state)
{
    (void)state;
    struct bench bench;
    dedup_open(&bench, DEDUP_TIME);
    const struct flow_row row = {"a", "x", 1, 50};
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &row, 1);
    bench_go_on(&bench, 1, 1000); // the batch goes on
    bench_begin(&bench, 2, 0);
    bench_rows(&bench, &row, 1);
    assert_int_equal(bench.emitted[0], 0);
    bench_publish(&bench, 2, 49); // W below it
    bench_begin(&bench, 3, 0);
    bench_rows(&bench, &row, 1);
    assert_int_equal(bench.emitted[0], 0);
    bench_publish(&bench, 3, 50);
    bench_begin(&bench, 4, 0);
    bench_rows(&bench, &row, 1);
    assert_int_equal(bench.emitted[0], 1);
    bench_close(&bench);
}

static void dedup_freezes_what_is_new_alone(void **state)
{
    (void)state;
    struct bench bench;
    dedup_open(&bench, DEDUP_FOREVER);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}, {"a", "x", 3, 0}}, 3);
    assert_int_equal(bench_publish(&bench, 1, 0), 2);
    bench_begin(&bench, 2, 0);
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, 0}, {"c", "x", 2, 0}}, 2);
    assert_int_equal(bench_publish(&bench, 2, 0), 1);
    bench_begin(&bench, 3, 0);
    bench_rows(&bench, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    assert_int_equal(bench_publish(&bench, 3, 0), 0);
    bench_close(&bench);
}

// ---- AGGREGATE_PARTIAL, AGGREGATE_FINAL ----

enum { WINDOW, PARTIAL, FINAL };

static void window_open(struct bench *bench, enum _Foreset__Table__Mode mode)
{
    memset(bench, 0, sizeof *bench);
    flow_init(&bench->flow, 1, false);
    plan_window(&bench->flow, mode);
    bench_open(bench, 3,
               (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__WINDOW, FORESET__NODE__KIND__AGGREGATE_PARTIAL,
                                             FORESET__NODE__KIND__AGGREGATE_FINAL});
}

#define GROUP_0(n, total)                                                                                              \
    "{\"window\":{\"start\":\"1970-01-01T00:00:00.000000Z\",\"end\":\"1970-01-01T00:05:00.000000Z\"},\"n\":" #n        \
    ",\"total\":" #total "}"
#define GROUP_1(n, total)                                                                                              \
    "{\"window\":{\"start\":\"1970-01-01T00:05:00.000000Z\",\"end\":\"1970-01-01T00:10:00.000000Z\"},\"n\":" #n        \
    ",\"total\":" #total "}"

static const struct flow_row in_0 = {"a", "x", 1, MINUTE}, in_1 = {"a", "x", 10, 6 * MINUTE};

static void partial_results_go_on_at_the_marker_once(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__APPEND);
    bench_begin(&bench, 1, 0);
    for (int i = 0; i < 100; i++) bench_rows(&bench, &in_0, 1);
    bench_rows(&bench, &in_1, 1);
    assert_int_equal(bench.emitted[PARTIAL], 0);
    bench_publish(&bench, 1, 0);
    assert_int_equal(bench.emitted[PARTIAL], 2); // one row a group
    bench_begin(&bench, 2, 0);
    bench_publish(&bench, 2, 0);
    assert_int_equal(bench.emitted[PARTIAL], 0);
    bench_close(&bench);
}

static void append_mode_emits_what_is_due_when_the_batch_ends(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__APPEND);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    bench_rows(&bench, &in_1, 1);
    bench_publish(&bench, 1, 5 * MINUTE - 1);
    assert_string_equal(text_str(&bench.rows), "");
    bench_begin(&bench, 2, 0);
    bench_rows(&bench, &in_0, 1);
    bench_go_on(&bench, 2, 5 * MINUTE); // due, but the batch goes on
    assert_string_equal(text_str(&bench.rows), "");
    bench_begin(&bench, 3, 0);
    bench_publish(&bench, 3, 5 * MINUTE);
    assert_string_equal(text_str(&bench.rows), GROUP_0(2, 2));
    bench_begin(&bench, 4, 0);
    bench_publish(&bench, 4, 5 * MINUTE); // once
    assert_string_equal(text_str(&bench.rows), "");
    bench_close(&bench);
}

static void update_mode_emits_what_the_batch_touched_and_removes_silently(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__UPDATE);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    bench_rows(&bench, &in_0, 1);
    bench_publish(&bench, 1, 0);
    assert_string_equal(text_str(&bench.rows), GROUP_0(2, 2));
    bench_begin(&bench, 2, 0);
    bench_rows(&bench, &in_1, 1);
    bench_publish(&bench, 2, 5 * MINUTE); // the first is due: nobody sees it go
    assert_string_equal(text_str(&bench.rows), GROUP_1(1, 10));
    bench_begin(&bench, 3, 0);
    bench_rows(&bench, &in_0, 1); // not late by L: a group anew
    bench_publish(&bench, 3, 5 * MINUTE);
    assert_string_equal(text_str(&bench.rows), GROUP_0(1, 1));
    bench_close(&bench);
}

static void complete_mode_emits_every_group_every_time(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__COMPLETE);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    bench_publish(&bench, 1, 60 * MINUTE);
    assert_string_equal(text_str(&bench.rows), GROUP_0(1, 1));
    bench_begin(&bench, 2, 60 * MINUTE); // nothing is late, nothing is evicted
    bench_rows(&bench, &in_0, 1);
    bench_publish(&bench, 2, 60 * MINUTE);
    assert_string_equal(text_str(&bench.rows), GROUP_0(2, 2));
    assert_int_equal(bench.ops[PARTIAL]->counts.rows_late + bench.ops[FINAL]->counts.rows_late, 0);
    bench_close(&bench);
}

static void rows_of_a_window_that_ended_by_L_are_late(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__APPEND);
    bench_begin(&bench, 1, 5 * MINUTE);
    bench_rows(&bench, &in_0, 1);
    bench_rows(&bench, &in_1, 1);
    bench_publish(&bench, 1, 60 * MINUTE);
    assert_string_equal(text_str(&bench.rows), GROUP_1(1, 10));
    assert_int_equal(bench.ops[PARTIAL]->counts.rows_late + bench.ops[FINAL]->counts.rows_late, 1);
    bench_close(&bench);
}

static void groups_freeze_what_changed_and_what_went(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__APPEND);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    bench_rows(&bench, &in_1, 1);
    assert_int_equal(bench_publish(&bench, 1, 0), 2);
    bench_begin(&bench, 2, 0);
    bench_rows(&bench, &in_1, 1);
    assert_int_equal(bench_publish(&bench, 2, 0), 1);
    bench_begin(&bench, 3, 0);
    assert_int_equal(bench_publish(&bench, 3, 5 * MINUTE), 1); // a removal
    bench_begin(&bench, 4, 0);
    assert_int_equal(bench_publish(&bench, 4, 5 * MINUTE), 0);
    bench_close(&bench);
}

static void a_group_that_came_and_went_within_an_epoch_leaves_no_trace(void **state)
{
    (void)state;
    struct bench bench;
    window_open(&bench, FORESET__TABLE__MODE__APPEND);
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    assert_int_equal(bench_publish(&bench, 1, 60 * MINUTE), 0);
    assert_string_equal(text_str(&bench.rows), GROUP_0(1, 1));
    bench_close(&bench);
}

static void a_global_aggregate_has_a_row_if_it_takes_part(void **state)
{
    (void)state;
    struct bench bench = {0};
    flow_init(&bench.flow, 1, false);
    plan_total(&bench.flow);
    bench_open(
        &bench, 2,
        (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__AGGREGATE_PARTIAL, FORESET__NODE__KIND__AGGREGATE_FINAL});
    bench_begin(&bench, 1, 0);
    bench_end(&bench, &(struct operator_marker){.epoch = 1}, NULL); // it does not
    assert_string_equal(text_str(&bench.rows), "");
    bench_begin(&bench, 2, 0);
    bench_publish(&bench, 2, 0);
    assert_string_equal(text_str(&bench.rows), "{\"n\":0,\"total\":null}");
    bench_close(&bench);
}

// ---- TABLE ----

static void a_table_passes_rows_on_and_hands_its_files_over_when_it_freezes(void **state)
{
    (void)state;
    struct bench bench = {0};
    struct operator_frozen frozen = {0};
    flow_init(&bench.flow, 1, false);
    flow_source(&bench.flow, 0);
    flow_table(&bench.flow, "t", FORESET__TABLE__MODE__APPEND);
    bench_open(&bench, 1, (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__TABLE});
    for (uint64_t epoch = 1; epoch <= 2; epoch++) {
        char prefix[32];
        bench_begin(&bench, epoch, 0);
        bench_rows(&bench, &in_0, 1);
        bench_rows(&bench, &in_1, 1);
        assert_int_equal(bench.emitted[0], 2); // at once
        bench_end(&bench, &(struct operator_marker){.epoch = epoch, .takes_part = true}, &frozen);
        assert_non_null(frozen.table); // a stateless table writes files every epoch, published or not
        assert_int_equal(frozen.table->files.count, 1);
        assert_int_equal(frozen.table->rows_out, 2);
        assert_int_equal(frozen.table->files.items[0]->rows, 2);
        snprintf(prefix, sizeof prefix, "part-%d-1-2-0-0-", (int)epoch); // numbered anew in every epoch
        assert_int_equal(strncmp(frozen.table->files.items[0]->path, prefix, strlen(prefix)), 0);
        operator_frozen_deinit(&frozen);
        memset(&frozen, 0, sizeof frozen);
    }
    bench_begin(&bench, 3, 0);
    bench_end(&bench, &(struct operator_marker){.epoch = 3, .takes_part = true}, &frozen);
    assert_int_equal(frozen.table ? frozen.table->files.count : 0, 0);
    operator_frozen_deinit(&frozen);
    bench_close(&bench);
}

static void files_that_were_not_handed_over_are_removed(void **state)
{
    (void)state;
    struct bench bench = {0};
    struct objstore_list list = {0};
    flow_init(&bench.flow, 1, false);
    flow_source(&bench.flow, 0);
    flow_table(&bench.flow, "t", FORESET__TABLE__MODE__APPEND);
    bench_open(&bench, 1, (enum _Foreset__Node__Kind[]){FORESET__NODE__KIND__TABLE});
    bench_begin(&bench, 1, 0);
    bench_rows(&bench, &in_0, 1);
    assert_int_equal(objstore_list(bench.flow.stores[0], "part-", NULL, &list, &bench.err), STATUS_OK);
    assert_int_equal(list.entries.count, 1);
    objstore_list_deinit(&list);
    bench.ops[0]->ops->close(bench.ops[0]);
    bench.count = 0;
    assert_int_equal(objstore_list(bench.flow.stores[0], "part-", NULL, &list, &bench.err), STATUS_OK);
    assert_int_equal(list.entries.count, 0);
    objstore_list_deinit(&list);
    bench_close(&bench);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_watermark_measures_what_passes_and_passes_it),
        cmocka_unit_test(dedup_emits_at_once_and_nothing_at_the_marker),
        cmocka_unit_test(dedup_tests_late_rows_by_L_and_counts_them),
        cmocka_unit_test(dedup_forgets_at_W_when_its_batch_ends_and_not_before),
        cmocka_unit_test(dedup_freezes_what_is_new_alone),
        cmocka_unit_test(partial_results_go_on_at_the_marker_once),
        cmocka_unit_test(append_mode_emits_what_is_due_when_the_batch_ends),
        cmocka_unit_test(update_mode_emits_what_the_batch_touched_and_removes_silently),
        cmocka_unit_test(complete_mode_emits_every_group_every_time),
        cmocka_unit_test(rows_of_a_window_that_ended_by_L_are_late),
        cmocka_unit_test(groups_freeze_what_changed_and_what_went),
        cmocka_unit_test(a_group_that_came_and_went_within_an_epoch_leaves_no_trace),
        cmocka_unit_test(a_global_aggregate_has_a_row_if_it_takes_part),
        cmocka_unit_test(a_table_passes_rows_on_and_hands_its_files_over_when_it_freezes),
        cmocka_unit_test(files_that_were_not_handed_over_are_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
