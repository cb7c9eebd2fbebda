// Clocks of tables: W, L, batches, intervals, no-data epochs (SQL.md, Batches and watermarks; P10, P12).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "coordinator/epoch/epoch_clock.h"

#define SECOND 1000000ll

struct fixture {
    Foreset__Plan plan;
    Foreset__Node nodes[2];
    Foreset__Table tables[2];
    Foreset__Node *node_list[2];
    Foreset__Table *table_list[2];
    uint32_t watermarks[2];
    struct epoch_clock clock;
};

// Table 0: two WATERMARK nodes with 10 s and 0 s delay. Table 1: none, an interval of 60 s.
static int setup(void **state)
{
    static struct fixture fixture;
    foreset__plan__init(&fixture.plan);
    for (uint32_t i = 0; i < 2; i++) {
        foreset__node__init(&fixture.nodes[i]);
        foreset__table__init(&fixture.tables[i]);
        fixture.node_list[i] = &fixture.nodes[i];
        fixture.table_list[i] = &fixture.tables[i];
        fixture.watermarks[i] = i;
    }
    fixture.nodes[0].delay_us = 10 * SECOND;
    fixture.plan.n_nodes = fixture.plan.n_tables = 2;
    fixture.plan.nodes = fixture.node_list;
    fixture.plan.tables = fixture.table_list;
    fixture.tables[0].n_watermarks = 2;
    fixture.tables[0].watermarks = fixture.watermarks;
    fixture.tables[0].no_data_epochs = true;
    fixture.tables[1].has_interval_us = true;
    fixture.tables[1].interval_us = 60 * SECOND;
    epoch_clock_init(&fixture.clock, &fixture.plan, NULL);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    epoch_clock_deinit(&((struct fixture *)*state)->clock);
    return 0;
}

static bool pass(struct fixture *fixture, uint32_t table, bool took_part, bool publishes, int64_t timestamp_us)
{
    struct epoch_clock_facts facts = {.took_part = took_part,
                                      .publishes = publishes,
                                      .candidate_us = epoch_clock_candidate(&fixture->clock, table),
                                      .timestamp_us = timestamp_us};
    return epoch_clock_pass(&fixture->clock, table, &facts);
}

static void first_batch_has_w_of_1970(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(epoch_clock_candidate(&fixture->clock, 0), 0);
    pass(fixture, 0, true, true, 1);
    assert_int_equal(fixture->clock.tables[0].watermark_us, 0);
    assert_int_equal(fixture->clock.tables[0].late_us, 0);
    assert_int_equal(fixture->clock.tables[0].batch, 0);
}

static void silent_node_counts_as_1970(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, 0, true, true, 1);
    assert_true(epoch_clock_maximum(&fixture->clock, 0, 100 * SECOND));
    assert_int_equal(epoch_clock_candidate(&fixture->clock, 0), 0);
    assert_true(epoch_clock_maximum(&fixture->clock, 1, 95 * SECOND));
    assert_int_equal(epoch_clock_candidate(&fixture->clock, 0), 90 * SECOND);
}

static void w_is_cut_to_milliseconds_and_never_falls(void **state)
{
    struct fixture *fixture = *state;
    epoch_clock_maximum(&fixture->clock, 0, 100 * SECOND + 1999);
    epoch_clock_maximum(&fixture->clock, 1, 200 * SECOND);
    pass(fixture, 0, true, true, 1);
    assert_int_equal(fixture->clock.tables[0].watermark_us, 90 * SECOND + 1000);
    epoch_clock_maximum(&fixture->clock, 0, 50 * SECOND);
    assert_int_equal(epoch_clock_candidate(&fixture->clock, 0), 90 * SECOND + 1000);
}

static void events_before_1970_do_not_move_w(void **state)
{
    struct fixture *fixture = *state;
    epoch_clock_maximum(&fixture->clock, 0, -5);
    epoch_clock_maximum(&fixture->clock, 1, -5);
    assert_int_equal(epoch_clock_candidate(&fixture->clock, 0), 0);
}

static void l_is_w_of_the_batch_before(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, 0, true, true, 1);
    epoch_clock_maximum(&fixture->clock, 0, 100 * SECOND);
    epoch_clock_maximum(&fixture->clock, 1, 100 * SECOND);
    pass(fixture, 0, true, true, 2);
    assert_int_equal(fixture->clock.tables[0].late_us, 0);
    assert_int_equal(fixture->clock.tables[0].watermark_us, 90 * SECOND);
    pass(fixture, 0, false, true, 3); // does not take part: stands still
    pass(fixture, 0, true, true, 4);
    assert_int_equal(fixture->clock.tables[0].late_us, 90 * SECOND);
    assert_int_equal(fixture->clock.tables[0].batch, 2);
}

static void no_data_epoch_is_due_until_w_stands(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, 0, true, true, 1);
    assert_false(epoch_clock_moves(&fixture->clock));
    epoch_clock_maximum(&fixture->clock, 0, 100 * SECOND);
    epoch_clock_maximum(&fixture->clock, 1, 100 * SECOND);
    assert_true(epoch_clock_moves(&fixture->clock));
    pass(fixture, 0, true, true, 2);
    assert_false(epoch_clock_moves(&fixture->clock));
    fixture->tables[0].no_data_epochs = false; // complete mode alone
    epoch_clock_maximum(&fixture->clock, 0, 300 * SECOND);
    epoch_clock_maximum(&fixture->clock, 1, 300 * SECOND);
    assert_false(epoch_clock_moves(&fixture->clock));
}

static void interval_counts_from_the_last_publishing_epoch(void **state)
{
    struct fixture *fixture = *state;
    assert_true(epoch_clock_publishes(&fixture->clock, 1, 5 * SECOND, false)); // the first batch
    assert_true(pass(fixture, 1, true, true, 5 * SECOND));
    assert_false(epoch_clock_publishes(&fixture->clock, 1, 64 * SECOND, false));
    assert_true(epoch_clock_publishes(&fixture->clock, 1, 65 * SECOND, false));
    assert_true(epoch_clock_publishes(&fixture->clock, 1, 6 * SECOND, true)); // the run ends
    assert_false(pass(fixture, 1, true, false, 10 * SECOND));
    assert_true(epoch_clock_any_open(&fixture->clock));
    assert_false(pass(fixture, 1, true, false, 20 * SECOND));
    assert_int_equal(fixture->clock.tables[1].batch, 1);
    assert_int_equal(fixture->clock.tables[1].timestamp_us, 10 * SECOND);
    assert_true(pass(fixture, 1, false, true, 70 * SECOND)); // unfinished: publishes though nothing came
    assert_false(epoch_clock_any_open(&fixture->clock));
}

static void a_trigger_that_comes_a_little_early_publishes_what_has_its_interval(void **state)
{
    struct fixture *fixture = *state;
    assert_true(pass(fixture, 1, true, true, 100 * SECOND));
    fixture->plan.trigger_us = 60 * SECOND;
    assert_true(epoch_clock_publishes(&fixture->clock, 1, 160 * SECOND - 1000, false));
    assert_false(epoch_clock_publishes(&fixture->clock, 1, 130 * SECOND, false)); // a backlog: epochs follow each other
    fixture->plan.trigger_us = 1 * SECOND;
    assert_true(epoch_clock_publishes(&fixture->clock, 1, 160 * SECOND - 1000, false));
    assert_false(epoch_clock_publishes(&fixture->clock, 1, 159 * SECOND, false));
    fixture->plan.trigger_us = 300 * SECOND; // longer than the interval
    assert_false(epoch_clock_publishes(&fixture->clock, 1, 130 * SECOND, false));
}

static void nothing_unfinished_publishes_nothing(void **state)
{
    struct fixture *fixture = *state;
    assert_false(pass(fixture, 1, false, true, 5 * SECOND));
    assert_int_equal(fixture->clock.tables[1].batch, -1);
}

static void unknown_node_is_told(void **state)
{
    struct fixture *fixture = *state;
    assert_false(epoch_clock_maximum(&fixture->clock, 7, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(first_batch_has_w_of_1970, setup, teardown),
        cmocka_unit_test_setup_teardown(silent_node_counts_as_1970, setup, teardown),
        cmocka_unit_test_setup_teardown(w_is_cut_to_milliseconds_and_never_falls, setup, teardown),
        cmocka_unit_test_setup_teardown(events_before_1970_do_not_move_w, setup, teardown),
        cmocka_unit_test_setup_teardown(l_is_w_of_the_batch_before, setup, teardown),
        cmocka_unit_test_setup_teardown(no_data_epoch_is_due_until_w_stands, setup, teardown),
        cmocka_unit_test_setup_teardown(interval_counts_from_the_last_publishing_epoch, setup, teardown),
        cmocka_unit_test_setup_teardown(a_trigger_that_comes_a_little_early_publishes_what_has_its_interval, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(nothing_unfinished_publishes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_node_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
