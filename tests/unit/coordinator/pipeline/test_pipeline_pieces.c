// A worker's report in pieces (P15): lost, repeated and of an earlier attempt.
#include "tests/unit/coordinator/pipeline/pipeline_fixture.h"

#include "common/kv/kv.h"
#include "common/rpc/control_message.h"

static void available_now(struct pipeline_fixture *fixture, int64_t end0, int64_t end1)
{
    fixture->config.available_now = true;
    fixture->ends[0] = end0;
    fixture->ends[1] = end1;
    pipeline_fixture_start(fixture);
}

// One epoch, whose report comes in pieces; how many, and how many attempts it took.
static unsigned in_pieces(struct pipeline_fixture *fixture)
{
    fixture->piece_bytes = 16;
    available_now(fixture, 10, 5);
    pipeline_fixture_pass(fixture, 10 * SECOND);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
    assert_true(fixture->pieces > 4);
    return fixture->assigns;
}

static void a_report_may_come_in_pieces(void **state)
{
    assert_int_equal(in_pieces(*state), 1);
}

static void a_lost_piece_of_a_report_restarts_the_attempt(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->lost_piece = 3;
    assert_int_equal(in_pieces(fixture), 2);
}

static void a_repeated_piece_of_a_report_is_dropped(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->repeated_piece = 3;
    assert_int_equal(in_pieces(fixture), 1);
}

static void a_piece_of_an_earlier_attempt_is_dropped(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->stale_piece = 3;
    assert_int_equal(in_pieces(fixture), 1);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, pipeline_fixture_setup, pipeline_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_report_may_come_in_pieces),
        FACT(a_lost_piece_of_a_report_restarts_the_attempt),
        FACT(a_repeated_piece_of_a_report_is_dropped),
        FACT(a_piece_of_an_earlier_attempt_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
