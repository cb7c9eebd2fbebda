// Who holds what: equal shares, and only what must move moves (P22).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/random.h"
#include "coordinator/schedule/routing.h"

enum { SHARDS = 256 };

static struct routing_worker worker(uint64_t incarnation, uint32_t lanes)
{
    struct routing_worker made = {.incarnation = incarnation, .lanes = lanes};
    snprintf(made.name, sizeof made.name, "w%u", (unsigned)incarnation);
    return made;
}

// By shard: the incarnation of its worker.
static void holders(const struct routing *routing, uint64_t *ret)
{
    for (uint32_t i = 0; i < routing->shards; i++)
        ret[i] = routing->workers.items[routing_worker_of(routing, routing->shard_lanes[i])].incarnation;
}

static void assert_even(const struct routing *routing)
{
    uint32_t *counts = memory_calloc(routing->lanes, sizeof *counts);
    for (uint32_t i = 0; i < routing->shards; i++) counts[routing->shard_lanes[i]]++;
    for (uint32_t i = 0; i < routing->lanes; i++) {
        assert_true(counts[i] == routing->shards / routing->lanes || counts[i] == routing->shards / routing->lanes + 1);
    }
    memory_free(counts);
}

static void a_joining_worker_takes_its_share_and_nothing_else_moves(void **state)
{
    (void)state;
    struct routing routing;
    routing_init(&routing, SHARDS);
    struct routing_worker workers[] = {worker(1, 1), worker(2, 1), worker(3, 2)};
    routing_change(&routing, workers, 2);
    assert_even(&routing);
    uint64_t before[SHARDS], after[SHARDS];
    holders(&routing, before);
    routing_change(&routing, workers, 3);
    holders(&routing, after);
    assert_even(&routing);
    size_t moved = 0;
    for (size_t i = 0; i < SHARDS; i++) {
        if (before[i] == after[i]) continue;
        assert_int_equal(after[i], 3);
        moved++;
    }
    assert_int_equal(moved, SHARDS / 2); // two of four lanes
    assert_int_equal(routing.version, 2);
    routing_deinit(&routing);
}

static void a_gone_workers_shards_go_to_the_others_and_nothing_else_moves(void **state)
{
    (void)state;
    struct routing routing;
    routing_init(&routing, SHARDS);
    struct routing_worker workers[] = {worker(1, 1), worker(2, 1), worker(3, 1)};
    routing_change(&routing, workers, 3);
    uint64_t before[SHARDS], after[SHARDS];
    holders(&routing, before);
    struct routing_worker left[] = {workers[0], workers[2]};
    routing_change(&routing, left, 2);
    holders(&routing, after);
    assert_even(&routing);
    for (size_t i = 0; i < SHARDS; i++) assert_true(before[i] == after[i] || before[i] == 2);
    routing_deinit(&routing);
}

static void another_incarnation_of_a_worker_is_another_worker(void **state)
{
    (void)state;
    struct routing routing;
    routing_init(&routing, 4);
    struct routing_worker workers[] = {worker(1, 1), worker(2, 1)};
    routing_change(&routing, workers, 2);
    uint64_t before[4], after[4];
    holders(&routing, before);
    workers[0].incarnation = 9;
    routing_change(&routing, workers, 2);
    holders(&routing, after);
    for (size_t i = 0; i < 4; i++) assert_int_equal(after[i], before[i] == 1 ? 9 : before[i]);
    routing_deinit(&routing);
}

static void partitions_are_spread_and_stay_where_they_are(void **state)
{
    (void)state;
    struct routing routing;
    routing_init(&routing, SHARDS);
    struct routing_worker workers[] = {worker(1, 2), worker(2, 2)};
    routing_change(&routing, workers, 2);
    uint32_t lanes[8];
    for (int32_t p = 0; p < 8; p++) lanes[p] = routing_lane_of(&routing, 0, "events", p);
    for (int32_t p = 0; p < 8; p++) assert_int_equal(routing_lane_of(&routing, 0, "events", p), lanes[p]);
    assert_int_equal(routing_partitions_of(&routing, 0), 4);
    assert_int_equal(routing_partitions_of(&routing, 1), 4);
    uint32_t other = routing_lane_of(&routing, 0, "others", 0); // a ninth
    assert_int_equal(routing_partitions_of(&routing, routing_worker_of(&routing, other)), 5);
    routing_change(&routing, workers, 1);
    assert_int_equal(routing_partitions_of(&routing, 0), 9);
    for (int32_t p = 0; p < 8; p++) {
        if (lanes[p] < 2) assert_int_equal(routing_lane_of(&routing, 0, "events", p), lanes[p]);
    }
    routing_deinit(&routing);
}

// Whoever comes and goes: shares stay even, and no more moves than shares change.
static void shares_stay_even_whoever_comes_and_goes(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 7);
    struct routing routing;
    routing_init(&routing, SHARDS);
    struct routing_worker workers[8];
    size_t count = 0;
    uint64_t next = 1;
    for (unsigned round = 0; round < 500; round++) {
        if (count == 0 || (count < 8 && random_chance(&random, 0.5))) {
            workers[count++] = worker(next++, 1 + (uint32_t)random_below(&random, 3));
        } else if (count > 1) {
            size_t gone = random_below(&random, count);
            memmove(&workers[gone], &workers[gone + 1], (count - gone - 1) * sizeof *workers);
            count--;
        }
        uint64_t before[SHARDS] = {0}, after[SHARDS];
        if (routing.workers.count > 0) holders(&routing, before);
        size_t held_before = routing.workers.count;
        routing_change(&routing, workers, count);
        holders(&routing, after);
        assert_even(&routing);
        for (size_t i = 0; i < SHARDS && held_before > 0; i++) {
            bool stays = false;
            for (size_t k = 0; k < count; k++) stays = stays || workers[k].incarnation == before[i];
            // Between two workers that stay nothing moves when nobody but a newcomer gains.
            if (stays && count > held_before && before[i] != after[i]) assert_int_equal(after[i], next - 1);
        }
    }
    routing_deinit(&routing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_joining_worker_takes_its_share_and_nothing_else_moves),
        cmocka_unit_test(a_gone_workers_shards_go_to_the_others_and_nothing_else_moves),
        cmocka_unit_test(another_incarnation_of_a_worker_is_another_worker),
        cmocka_unit_test(partitions_are_spread_and_stay_where_they_are),
        cmocka_unit_test(shares_stay_even_whoever_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
