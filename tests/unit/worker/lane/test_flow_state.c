// State across restarts (P11): when a base replaces the deltas, that both load to the same, and that nothing damaged is
// ever loaded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"

#define MANY 70000 // beyond what is not worth a base

static void restart(struct flow *flow, uint32_t lanes)
{
    flow_close(flow);
    flow->lanes = lanes;
    flow_open(flow);
}

static size_t bases(const struct flow *flow)
{
    size_t count = 0;
    for (size_t i = 0; i < flow->parts.count; i++) count += flow->parts.items[i]->is_base ? 1 : 0;
    return count;
}

// MANY ids in the first ten minutes.
static void many_rows(struct flow *flow, const char *prefix, int64_t step_us)
{
    VECTOR(struct flow_row) rows = {0};
    for (int i = 0; i < MANY; i++) {
        struct flow_row row = {arena_printf(&flow->arena, "%s%d", prefix, i), "x", i, i * step_us};
        vector_push(&rows, row);
    }
    flow_epoch(flow, rows.items, rows.count);
    vector_deinit(&rows);
}

static void dedup_writes_a_base_when_expired_keys_outweigh_the_living(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_WITHIN);
    flow_open(&flow);
    many_rows(&flow, "a", 1000);
    assert_int_equal(bases(&flow), 0);
    flow_epoch(&flow, (struct flow_row[]){{"new", "x", 1, 600 * MINUTE}}, 1); // the next batch forgets the many
    flow_epoch(&flow, (struct flow_row[]){{"newer", "x", 2, 600 * MINUTE}}, 1);
    flow_epoch(&flow, (struct flow_row[]){{"newest", "x", 3, 600 * MINUTE}}, 1);
    assert_int_equal(bases(&flow), 1);
    uint64_t entries = 0;
    for (size_t i = 0; i < flow.parts.count; i++) entries += flow.parts.items[i]->entries;
    assert_int_equal(entries, 3);
    restart(&flow, 1);
    flow_epoch(&flow,
               (struct flow_row[]){{"new", "x", 4, 600 * MINUTE}, {"newest", "x", 5, 600 * MINUTE}, {"a7", "x", 6, 0}},
               3);
    assert_string_equal(flow_batch(&flow, "t"), "");
    assert_int_equal(flow_report(&flow, 0)->rows_late, 1);
    flow_deinit(&flow);
}

static void groups_write_a_base_when_removed_ones_outweigh_the_living(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_window(&flow, FORESET__TABLE__MODE__APPEND);
    flow_open(&flow);
    many_rows(&flow, "a", FLOW_WINDOW_US); // a group each
    assert_int_equal(bases(&flow), 0);
    int64_t last = MANY * FLOW_WINDOW_US;
    flow_epoch(&flow, (struct flow_row[]){{"b", "x", 7, last}}, 1); // those due are removed
    assert_int_equal(bases(&flow), 1);
    restart(&flow, 1);
    flow_epoch(&flow, (struct flow_row[]){{"b", "x", 8, last}, {"b", "x", 8, last + 3 * FLOW_WINDOW_US}}, 2);
    flow_no_data(&flow); // the last window that was open comes out whole, across base and delta
    struct text row = {0};
    text_printf(&row, "\"n\":2,\"total\":15}");
    assert_non_null(strstr(flow_batch(&flow, "t"), text_str(&row)));
    text_deinit(&row);
    flow_deinit(&flow);
}

static void a_small_state_is_not_left_in_many_deltas(void **state)
{
    (void)state;
    struct flow flow;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    size_t most = 0, rewritten = 0;
    for (int i = 0; i < 200; i++) {
        struct flow_row row = {arena_printf(&flow.arena, "%d", i), "x", i, 0};
        flow_epoch(&flow, &row, 1);
        if (flow.parts.count > most) most = flow.parts.count;
        rewritten += flow.parts.count == 1 && i > 0;
    }
    assert_true(most <= 100);
    assert_true(rewritten >= 1 && rewritten <= 10); // rarely enough to be cheap
    restart(&flow, 2);
    flow_epoch(&flow, (struct flow_row[]){{"0", "x", 1, 0}, {"199", "x", 1, 0}, {"200", "x", 9, 0}}, 3);
    assert_string_equal(flow_batch(&flow, "t"), "{\"v\":9}");
    flow_deinit(&flow);
}

// With restarts after every epoch or none the batches are the same.
static const char *batches_of(bool restarts, struct text *text)
{
    struct flow flow;
    flow_init(&flow, 2, false);
    plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
    flow_open(&flow);
    text_reset(text);
    for (int i = 0; i < 12; i++) {
        struct flow_row rows[3];
        for (int k = 0; k < 3; k++) rows[k] = (struct flow_row){"a", "x", i + k, (i * 7 + k * 11) % 60 * MINUTE};
        flow_epoch(&flow, rows, 3);
        text_printf(text, "%s\n--\n", flow_batch(&flow, "t"));
        if (restarts) restart(&flow, 1 + (uint32_t)i % 4);
    }
    flow_deinit(&flow);
    return text_str(text);
}

static void restarts_change_no_batch(void **state)
{
    (void)state;
    struct text calm = {0}, restless = {0};
    assert_string_equal(batches_of(false, &calm), batches_of(true, &restless));
    text_deinit(&calm);
    text_deinit(&restless);
}

static void one_changed_byte_of_a_part_is_refused_wherever_it_is(void **state)
{
    (void)state;
    struct flow flow;
    struct error err = {0};
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}, {"b", "x", 2, 0}}, 2);
    flow_close(&flow);
    struct buffer *bytes = NULL;
    const char *key = flow.parts.items[0]->key;
    assert_int_equal(objstore_get(flow.state, key, &bytes, &err), STATUS_OK);
    for (size_t at = 0; at < bytes->size_bytes; at++) {
        bytes->data[at] ^= 1;
        assert_int_equal(objstore_put(flow.state, key, bytes->data, bytes->size_bytes, &err), STATUS_OK);
        if (flow_try_open(&flow, &err) != STATUS_CORRUPT) fail_msg("byte %zu of %zu", at, (size_t)bytes->size_bytes);
        assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
        assert_non_null(strstr(err.message, key));
        bytes->data[at] ^= 1;
    }
    assert_int_equal(objstore_put(flow.state, key, bytes->data, bytes->size_bytes, &err), STATUS_OK);
    assert_int_equal(flow_try_open(&flow, &err), STATUS_OK);
    buffer_unref(bytes);
    flow_deinit(&flow);
}

static void another_lanes_part_under_the_same_name_is_refused(void **state)
{
    (void)state;
    struct flow flow;
    struct error err = {0};
    struct buffer *bytes = NULL;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 0}}, 1);
    flow_epoch(&flow, (struct flow_row[]){{"b", "x", 2, 0}}, 1);
    flow_close(&flow);
    assert_int_equal(objstore_get(flow.state, flow.parts.items[1]->key, &bytes, &err), STATUS_OK);
    assert_int_equal(objstore_put(flow.state, flow.parts.items[0]->key, bytes->data, bytes->size_bytes, &err),
                     STATUS_OK); // whole, but the other epoch's
    assert_int_equal(flow_try_open(&flow, &err), STATUS_CORRUPT);
    buffer_unref(bytes);
    flow_deinit(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dedup_writes_a_base_when_expired_keys_outweigh_the_living),
        cmocka_unit_test(groups_write_a_base_when_removed_ones_outweigh_the_living),
        cmocka_unit_test(a_small_state_is_not_left_in_many_deltas),
        cmocka_unit_test(restarts_change_no_batch),
        cmocka_unit_test(one_changed_byte_of_a_part_is_refused_wherever_it_is),
        cmocka_unit_test(another_lanes_part_under_the_same_name_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
