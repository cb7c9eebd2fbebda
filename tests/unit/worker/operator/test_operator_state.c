// When a state's base is written anew: before its parts, which every manifest names, are many for what they hold.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "worker/operator/operator_state.h"

// After how many deltas of `each` new entries a state that began with `live` ones gets its base.
static uint32_t deltas_until_base(uint64_t live, uint64_t each)
{
    struct state_history history = {.entries = live};
    while (!operator_state_base_due(&history, live)) {
        live += each;
        history.entries += each;
        history.deltas++;
    }
    return history.deltas;
}

static void test_a_small_state_is_never_in_many_parts(void **state)
{
    (void)state;
    assert_in_range(deltas_until_base(0, 1), 10, 100);
    assert_in_range(deltas_until_base(100000, 10), 50, 200);
}

static void test_a_large_state_is_written_anew_less_often(void **state)
{
    (void)state;
    assert_true(deltas_until_base(1000000, 10) > deltas_until_base(100000, 10));
    assert_int_equal(deltas_until_base(100000000, 10), 1000);
}

static void test_dead_entries_are_compacted(void **state)
{
    (void)state;
    struct state_history history = {.entries = 400000, .deltas = 1};
    assert_true(operator_state_base_due(&history, 100000));
    assert_false(operator_state_base_due(&history, 300000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_small_state_is_never_in_many_parts),
        cmocka_unit_test(test_a_large_state_is_written_anew_less_often),
        cmocka_unit_test(test_dead_entries_are_compacted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
