// The right to lead, as far as a process can know it (P3): by a clock that never goes back and counts suspension.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "coordinator/meta/lease.h"

#define SECOND 1000000ll

struct two_clocks {
    struct clock clock;
    int64_t wall_us, boot_us;
};

static int64_t wall(struct clock *clock)
{
    return ((struct two_clocks *)clock)->wall_us;
}

static int64_t boot(struct clock *clock)
{
    return ((struct two_clocks *)clock)->boot_us;
}

static struct two_clocks clocks_at(int64_t wall_us, int64_t boot_us)
{
    return (struct two_clocks){.clock = {.wall_us = wall, .boot_us = boot}, .wall_us = wall_us, .boot_us = boot_us};
}

static void a_lease_runs_out_a_quarter_before_its_time(void **state)
{
    (void)state;
    struct two_clocks clocks = clocks_at(1000 * SECOND, 10 * SECOND);
    struct lease lease;
    lease_init(&lease, &clocks.clock, 8 * SECOND);
    assert_false(lease_valid(&lease)); // not before it was granted
    lease_renew(&lease, clocks.boot_us);
    clocks.boot_us += 6 * SECOND - 1;
    assert_true(lease_valid(&lease));
    clocks.boot_us += 1;
    assert_false(lease_valid(&lease));
    struct error err;
    assert_int_not_equal(lease_check(&lease, "a put", &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_FENCED);
}

static void a_wall_clock_that_jumps_neither_ends_nor_prolongs_it(void **state)
{
    (void)state;
    struct two_clocks clocks = clocks_at(1000 * SECOND, 10 * SECOND);
    struct lease lease;
    lease_init(&lease, &clocks.clock, 8 * SECOND);
    lease_renew(&lease, clocks.boot_us);
    clocks.wall_us += 3600 * SECOND;
    assert_true(lease_valid(&lease));
    clocks.wall_us -= 7200 * SECOND;
    clocks.boot_us += 7 * SECOND;
    assert_false(lease_valid(&lease));
}

static void what_was_lost_stays_lost_until_it_is_renewed(void **state)
{
    (void)state;
    struct two_clocks clocks = clocks_at(1000 * SECOND, 10 * SECOND);
    struct lease lease;
    lease_init(&lease, &clocks.clock, 8 * SECOND);
    lease_renew(&lease, clocks.boot_us);
    lease_lose(&lease);
    assert_false(lease_valid(&lease));
    lease_renew(&lease, clocks.boot_us);
    assert_true(lease_valid(&lease));
}

static void a_lock_stands_in_for_a_lease_without_time(void **state)
{
    (void)state;
    struct two_clocks clocks = clocks_at(1000 * SECOND, 10 * SECOND);
    struct lease lease;
    lease_init(&lease, &clocks.clock, 0);
    lease_renew(&lease, clocks.boot_us);
    clocks.boot_us += 1000000 * SECOND;
    assert_true(lease_valid(&lease));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_runs_out_a_quarter_before_its_time),
        cmocka_unit_test(a_wall_clock_that_jumps_neither_ends_nor_prolongs_it),
        cmocka_unit_test(what_was_lost_stays_lost_until_it_is_renewed),
        cmocka_unit_test(a_lock_stands_in_for_a_lease_without_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
