// Whole plans on a lane group, lane by lane without threads: what each batch emits, what is reported, what survives a
// restart.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"

static void stateless_rows_pass_filter_and_project_into_files(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    flow_source(&flow, 0);
    Foreset__Node *project =
        flow_node(&flow, FORESET__NODE__KIND__PROJECT, 0, flow_last(&flow), "struct<v:int,id:string>");
    flow_exprs(&flow, project, 2, flow_column(&flow, 2, "int"), flow_column(&flow, 0, "string"));
    Foreset__Table *table = flow_table(&flow, "bronze", FORESET__TABLE__MODE__APPEND);
    flow_uint(&flow, &table->sources, &table->n_sources, 0);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}, {NULL, "x", 3, FLOW_NULL}}, 3);
    assert_string_equal(flow_batch(&flow, "bronze"),
                        "{\"v\":1,\"id\":\"a\"}\n{\"v\":2,\"id\":\"b\"}\n{\"v\":3,\"id\":null}");
    Foreset__TableEpoch *report = flow_report(&flow, 0);
    assert_true(report->takes_part && report->publishes);
    assert_int_equal(report->rows_in, 3);
    assert_int_equal(report->rows_out, 3);
    assert_int_equal(report->n_adds, 1);
    assert_int_equal(report->adds[0]->rows, 3);
    assert_int_equal(strncmp(report->adds[0]->path, "part-1-1-2-0-0-", 15), 0);
    assert_non_null(strstr(report->adds[0]->path, ".zstd.parquet"));
    assert_non_null(strstr(report->adds[0]->stats, "\"numRecords\":3"));
    flow_deinit(&flow);
}

static void an_epoch_without_the_tables_input_leaves_it_alone(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    flow_run(&flow, NULL, 0, false, 0xF);
    assert_false(flow_report(&flow, 0)->takes_part);
    assert_false(flow_report(&flow, 0)->publishes);
    assert_int_equal(flow_batches(&flow, "t"), 1);
    flow_deinit(&flow);
}

static void dedup_keeps_the_first_row_and_null_equals_null(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 3, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(
        &flow,
        (struct flow_row[]){{"a", "x", 1, 0}, {"a", "x", 2, 0}, {NULL, "x", 3, 0}, {"b", "x", 4, 0}, {NULL, "x", 5, 0}},
        5);
    assert_string_equal(flow_batch(&flow, "t"), "{\"v\":1}\n{\"v\":3}\n{\"v\":4}");
    flow_epoch(&flow, (struct flow_row[]){{"b", "x", 6, 0}, {"c", "x", 7, 0}}, 2);
    assert_string_equal(flow_batch(&flow, "t"), "{\"v\":7}");
    flow_deinit(&flow);
}

static void state_survives_a_restart_on_another_number_of_lanes(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 3, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}, {NULL, "x", 3, 0}}, 3);
    flow_epoch(&flow, (struct flow_row[]){{"c", "x", 4, 0}}, 1);
    for (uint32_t lanes = 1; lanes <= 5; lanes += 2) {
        flow_close(&flow);
        flow.lanes = lanes;
        flow_open(&flow);
        char fresh[8] = {'n', (char)('0' + lanes), 0};
        struct flow_row rows[] = {{"a", "x", 5, 0},
                                  {"c", "x", 6, 0},
                                  {arena_strdup(&flow.arena, fresh), "x", (int32_t)lanes + 10, 0},
                                  {NULL, "x", 8, 0},
                                  {"b", "x", 9, 0}};
        flow_epoch(&flow, rows, 5);
        char expected[32];
        snprintf(expected, sizeof expected, "{\"v\":%u}", lanes + 10);
        assert_string_equal(flow_batch(&flow, "t"), expected);
    }
    flow_deinit(&flow);
}

static void an_unfrozen_epoch_leaves_no_trace(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    flow_rows(0, (struct flow_row[]){{"b", "x", 2, 0}, {"c", "x", 3, 0}}, 2);
    flow_plan(&flow, (struct flow_range[]){{0, 1, 3}}, 1, false, 0xF);
    lane_group_step(flow.dataflow, 0); // read, never frozen
    flow_close(&flow);
    struct objstore_list files = {0};
    struct error err;
    assert_int_equal(objstore_list(flow.stores[0], "", NULL, &files, &err), STATUS_OK);
    assert_int_equal(files.entries.count, 1);
    objstore_list_deinit(&files);
    flow_open(&flow);
    flow_run(&flow, (struct flow_range[]){{0, 1, 3}}, 1, false, 0xF);
    assert_string_equal(flow_batch(&flow, "t"), "{\"v\":2}\n{\"v\":3}");
    flow_deinit(&flow);
}

static void two_epochs_run_at_once_and_rows_of_the_later_wait(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_window(&flow, FORESET__TABLE__MODE__APPEND);
    flow_open(&flow);
    flow_rows(0, (struct flow_row[]){{"a", "x", 1, MINUTE}, {"b", "x", 2, 2 * MINUTE}, {"c", "x", 4, 30 * MINUTE}}, 3);
    flow_plan(&flow, (struct flow_range[]){{0, 0, 2}}, 1, false, 0xF);
    flow_plan(&flow, (struct flow_range[]){{0, 2, 3}}, 1, false, 0xF);
    for (uint32_t i = 0; i < 20; i++) flow_step(&flow); // both read; no watermark is there yet
    flow_watermarks(&flow, 1);
    flow_wait(&flow, 1);
    assert_int_equal(flow_report(&flow, 0)->rows_in, 2);
    assert_int_equal(flow_report(&flow, 0)->maxima[0]->event_time_us, 2 * MINUTE);
    flow_watermarks(&flow, 2);
    flow_wait(&flow, 2);
    assert_int_equal(flow_report(&flow, 0)->rows_in, 1);
    flow_no_data(&flow);
    assert_string_equal(flow_batch(&flow, "t"), "{\"start\":\"1970-01-01T00:00:00.000000Z\",\"n\":2,\"total\":3}");
    flow_deinit(&flow);
}

static void complete_mode_emits_everything_and_keeps_its_hash(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_window(&flow, FORESET__TABLE__MODE__COMPLETE);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, MINUTE}, {"b", "x", 2, 30 * MINUTE}}, 2);
    uint64_t hash = flow_report(&flow, 0)->content_hash;
    assert_true(flow_report(&flow, 0)->overwrite);
    flow_epoch(&flow, (struct flow_row[]){{"c", "x", 4, FLOW_NULL}}, 1);
    assert_true(flow_report(&flow, 0)->content_hash == hash);
    flow_epoch(&flow, (struct flow_row[]){{"c", "x", 4, 2 * MINUTE}}, 1); // long late: kept
    assert_false(flow_report(&flow, 0)->content_hash == hash);
    assert_string_equal(flow_batch(&flow, "t"), "{\"start\":\"1970-01-01T00:00:00.000000Z\",\"n\":2,\"total\":5}\n"
                                                "{\"start\":\"1970-01-01T00:30:00.000000Z\",\"n\":1,\"total\":2}");
    flow_deinit(&flow);
}

static void a_global_aggregate_has_its_row_from_the_first_batch_on(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_total(&flow);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}}, 2);
    assert_string_equal(flow_batch(&flow, "t"), "{\"n\":2,\"total\":3}");
    assert_int_equal(flow_report(&flow, 0)->n_adds, 1);
    flow_deinit(&flow);
}

static void update_mode_replaces_open_files_and_closes_those_of_evicted_groups(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, MINUTE}}, 1);
    Foreset__TableEpoch *report = flow_report(&flow, 0);
    assert_int_equal(report->n_adds, 1);
    assert_true(report->adds[0]->open);
    assert_int_equal(report->n_open, 1);
    char *first = arena_strdup(&flow.arena, report->adds[0]->path);
    flow_epoch(&flow, (struct flow_row[]){{"b", "x", 2, MINUTE}, {"b", "x", 2, 40 * MINUTE}}, 2);
    report = flow_report(&flow, 0);
    assert_int_equal(report->n_removes, 1);
    assert_string_equal(report->removes[0]->path, first);
    assert_string_equal(flow_batch(&flow, "t"), "{\"start\":\"1970-01-01T00:00:00.000000Z\",\"n\":2,\"total\":3}\n"
                                                "{\"start\":\"1970-01-01T00:40:00.000000Z\",\"n\":1,\"total\":2}");
    flow_no_data(&flow); // W = 30 minutes: the first window is evicted, its row closes
    report = flow_report(&flow, 0);
    assert_string_equal(flow_batch(&flow, "t"), "");
    uint64_t open = 0, closed = 0;
    for (size_t i = 0; i < report->n_adds; i++) *(report->adds[i]->open ? &open : &closed) += report->adds[i]->rows;
    assert_int_equal(closed, 1);
    uint64_t standing = 0;
    for (size_t i = 0; i < report->n_open; i++) standing += report->open[i]->rows;
    assert_int_equal(standing, 1);
    assert_int_equal(report->n_removes, 1);
    flow_deinit(&flow);
}

static void update_mode_on_other_lanes_rewrites_every_open_file(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
    flow_open(&flow);
    struct flow_row rows[12];
    for (int i = 0; i < 12; i++) rows[i] = (struct flow_row){"a", "x", 1, i * 5 * MINUTE};
    flow_epoch(&flow, rows, 12);
    size_t before = flow_report(&flow, 0)->n_open;
    flow_close(&flow);
    flow.lanes = 3;
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 58 * MINUTE}}, 1);
    Foreset__TableEpoch *report = flow_report(&flow, 0);
    assert_int_equal(report->n_removes, before);
    uint64_t rows_added = 0, standing = 0;
    for (size_t i = 0; i < report->n_open; i++) standing += report->open[i]->rows;
    for (size_t i = 0; i < report->n_adds; i++) rows_added += report->adds[i]->rows;
    assert_int_equal(standing, 3); // W is 45 minutes: nine windows are closed
    assert_int_equal(rows_added, 12);
    flow_deinit(&flow);
}

static void an_interval_makes_one_batch_of_several_epochs(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    Foreset__Table *table = plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
    table->has_interval_us = true;
    table->interval_us = 60000000;
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, MINUTE}}, 1);
    assert_int_equal(flow_report(&flow, 0)->batch, 0);
    flow_rows(0, (struct flow_row[]){{"a", "x", 2, 2 * MINUTE}, {"a", "x", 4, 40 * MINUTE}, {"a", "x", 8, 3 * MINUTE}},
              3);
    flow_run(&flow, (struct flow_range[]){{0, 1, 2}}, 1, false, 0);
    assert_false(flow_report(&flow, 0)->publishes);
    assert_true(flow_report(&flow, 0)->batch_open);
    assert_int_equal(flow_report(&flow, 0)->n_adds, 0);
    flow_run(&flow, (struct flow_range[]){{0, 2, 3}}, 1, false, 0);
    flow_close(&flow); // the unfinished batch is part of the state
    flow_open(&flow);
    flow_run(&flow, (struct flow_range[]){{0, 3, 4}}, 1, false, 0xF);
    Foreset__TableEpoch *report = flow_report(&flow, 0);
    assert_true(report->publishes && !report->batch_open);
    assert_int_equal(report->batch, 1);
    assert_true(report->batch_timestamp_us < report->published_timestamp_us);
    assert_int_equal(report->watermark_us, 0); // the value of the batch's start
    assert_string_equal(flow_batch(&flow, "t"), "{\"start\":\"1970-01-01T00:00:00.000000Z\",\"n\":3,\"total\":11}\n"
                                                "{\"start\":\"1970-01-01T00:40:00.000000Z\",\"n\":1,\"total\":4}");
    assert_int_equal(flow_batches(&flow, "t"), 2);
    flow_deinit(&flow);
}

static void a_table_behind_a_stateful_one_takes_part_when_that_emits(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_node(&flow, FORESET__NODE__KIND__PROJECT, 1, flow_last(&flow), "struct<w:int>");
    flow_exprs(&flow, flow.nodes.items[flow_last(&flow)], 1, flow_column(&flow, 0, "int"));
    Foreset__Table *behind = flow_table(&flow, "behind", FORESET__TABLE__MODE__APPEND);
    flow_uint(&flow, &behind->stateful_inputs, &behind->n_stateful_inputs, 0);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    assert_true(flow_report(&flow, 1)->takes_part);
    assert_string_equal(flow_batch(&flow, "behind"), "{\"w\":1}");
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 2, 0}}, 1);
    assert_true(flow_report(&flow, 0)->takes_part);
    assert_false(flow_report(&flow, 1)->takes_part);
    assert_int_equal(flow_batches(&flow, "t"), 2);
    assert_int_equal(flow_batches(&flow, "behind"), 1);
    flow_deinit(&flow);
}

static void a_limit_counts_over_the_whole_stream(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 2, false);
    flow_source(&flow, 0);
    flow_node(&flow, FORESET__NODE__KIND__EXCHANGE, 0, flow_last(&flow), FLOW_SCHEMA);
    Foreset__Node *limit = flow_node(&flow, FORESET__NODE__KIND__LIMIT, 0, flow_last(&flow), FLOW_SCHEMA);
    limit->has_limit = true;
    limit->limit = 3;
    limit->name = "limit-1";
    Foreset__Table *table = flow_table(&flow, "t", FORESET__TABLE__MODE__APPEND);
    table->has_stateful = table->stateful = true;
    flow_uint(&flow, &table->sources, &table->n_sources, 0);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}}, 2);
    flow_close(&flow);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"c", "x", 3, 0}, {"d", "x", 4, 0}}, 2);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 1);
    flow_epoch(&flow, (struct flow_row[]){{"e", "x", 5, 0}}, 1);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 0);
    assert_string_equal(flow_batch(&flow, "t"), "");
    flow_deinit(&flow);
}

static void state_beyond_its_share_of_memory_fails_naming_the_operator(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    budget_init(&flow.budget, "test", NULL, 24u << 20);
    flow_open(&flow);
    VECTOR(struct flow_row) rows = {0};
    for (int i = 0; i < 600000; i++) {
        struct flow_row row = {arena_printf(&flow.arena, "%d", i), "x", i, 0};
        vector_push(&rows, row);
    }
    flow_rows(0, rows.items, rows.count);
    flow_plan(&flow, (struct flow_range[]){{0, 0, 600000}}, 1, false, 0xF);
    flow_wait(&flow, 1);
    assert_true(flow.failed);
    assert_int_equal(flow.err.code, STATUS_NO_MEMORY);
    assert_int_equal(flow.err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(flow.err.message, "t/dedup-1"));
    vector_deinit(&rows);
    flow_deinit(&flow);
}

static void four_threads_with_little_credit_lose_and_repeat_nothing(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 4, true);
    plan_dedup(&flow, DEDUP_FOREVER);
    budget_init(&flow.budget, "test", NULL, 64u << 20);
    flow_open(&flow);
    struct flow_range ranges[4];
    for (uint32_t p = 0; p < 4; p++) {
        for (int i = 0; i < 10000; i++) { // each id comes once from every partition
            struct flow_row row = {arena_printf(&flow.arena, "id-%d", i), "x", i, 0};
            flow_rows(p, &row, 1);
        }
    }
    for (int64_t from = 0; from < 10000; from += 2500) {
        for (uint32_t p = 0; p < 4; p++) ranges[p] = (struct flow_range){p, from, from + 2500};
        flow_run(&flow, ranges, 4, false, 0xF);
        assert_false(flow.failed);
        assert_int_equal(flow_report(&flow, 0)->rows_in, 10000);
        assert_int_equal(flow_report(&flow, 0)->rows_out, 2500);
        assert_int_equal(flow.prepared->n_ranges, 4);
    }
    flow_deinit(&flow);
}

static void a_broken_part_is_refused_by_name(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    flow_close(&flow);
    struct error err = {0};
    assert_int_equal(flow.parts.count, 1);
    assert_int_equal(objstore_put(flow.state, flow.parts.items[0]->key, "broken", 6, &err), STATUS_OK);
    assert_int_equal(flow_try_open(&flow, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.message, flow.parts.items[0]->key));
    flow_deinit(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stateless_rows_pass_filter_and_project_into_files),
        cmocka_unit_test(an_epoch_without_the_tables_input_leaves_it_alone),
        cmocka_unit_test(dedup_keeps_the_first_row_and_null_equals_null),
        cmocka_unit_test(state_survives_a_restart_on_another_number_of_lanes),
        cmocka_unit_test(an_unfrozen_epoch_leaves_no_trace),
        cmocka_unit_test(two_epochs_run_at_once_and_rows_of_the_later_wait),
        cmocka_unit_test(complete_mode_emits_everything_and_keeps_its_hash),
        cmocka_unit_test(a_global_aggregate_has_its_row_from_the_first_batch_on),
        cmocka_unit_test(update_mode_replaces_open_files_and_closes_those_of_evicted_groups),
        cmocka_unit_test(update_mode_on_other_lanes_rewrites_every_open_file),
        cmocka_unit_test(an_interval_makes_one_batch_of_several_epochs),
        cmocka_unit_test(a_table_behind_a_stateful_one_takes_part_when_that_emits),
        cmocka_unit_test(a_limit_counts_over_the_whole_stream),
        cmocka_unit_test(state_beyond_its_share_of_memory_fails_naming_the_operator),
        cmocka_unit_test(four_threads_with_little_credit_lose_and_repeat_nothing),
        cmocka_unit_test(a_broken_part_is_refused_by_name),
    };
    int failed = 0;
    for (flow_workers = 1; flow_workers <= FLOW_WORKERS_MAX; flow_workers++)
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}
