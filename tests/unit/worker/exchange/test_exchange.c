// Channels of an exchange: counts that must match, credit that comes back, shards that are dealt out without gap or
// overlap.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/exchange/exchange.h"
#include "worker/exchange/exchange_routing.h"

static struct batch *one_row(void)
{
    struct column *column;
    struct error err;
    const struct field field = {"v", type_of(TYPE_INT)};
    assert_int_equal(column_create_nulls(NULL, field.type, 1, &column, &err), STATUS_OK);
    return batch_create(type_struct(&field, 1), 1, &column);
}

static void a_gap_a_repeat_and_a_wrong_count_restart_the_pipeline(void **state)
{
    (void)state;
    struct error err;
    struct exchange_inlet inlet = {0};
    assert_int_equal(exchange_seen(&inlet, 0, 5, &err), STATUS_OK);
    assert_int_equal(exchange_seen(&inlet, 0, 5, &err), STATUS_CORRUPT); // a repeat
    assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
    assert_int_equal(exchange_seen(&inlet, 2, 5, &err), STATUS_CORRUPT); // a gap
    assert_int_equal(exchange_marker(&inlet, 2, 5, &err), STATUS_CORRUPT);
    assert_int_equal(exchange_marker(&inlet, 1, 6, &err), STATUS_CORRUPT);
    assert_int_equal(exchange_marker(&inlet, 1, 5, &err), STATUS_OK);
    assert_int_equal(exchange_seen(&inlet, 0, 1, &err), STATUS_OK); // the next epoch counts anew
}

static void credit_is_apart_for_two_epochs_and_comes_back(void **state)
{
    (void)state;
    struct exchange_channel channel = {0};
    struct batch *batch = one_row();
    uint64_t bytes = exchange_sent(&channel, 7, batch);
    assert_false(exchange_has_credit(&channel, 7, bytes));
    assert_true(exchange_has_credit(&channel, 8, bytes));
    assert_true(exchange_taken(&channel, 7, bytes, bytes)); // the sender was out of credit
    assert_true(exchange_has_credit(&channel, 7, bytes));
    batch_unref(batch);
}

static void one_worker_alone_holds_every_shard_in_contiguous_ranges(void **state)
{
    (void)state;
    for (uint32_t lanes = 1; lanes <= 300; lanes++) {
        struct exchange_routing *routing = exchange_routing_alone(lanes, 256);
        for (uint32_t shard = 0; shard < 256; shard++) {
            assert_true(exchange_routing_is_here(routing, routing->shard_lanes[shard]));
            assert_true(shard == 0 || routing->shard_lanes[shard] >= routing->shard_lanes[shard - 1]);
        }
        exchange_routing_destroy(routing);
    }
    assert_int_equal(exchange_shard(0, 256), 0);
    assert_int_equal(exchange_shard(UINT64_MAX, 256), 255);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_a_repeat_and_a_wrong_count_restart_the_pipeline),
        cmocka_unit_test(credit_is_apart_for_two_epochs_and_comes_back),
        cmocka_unit_test(one_worker_alone_holds_every_shard_in_contiguous_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
