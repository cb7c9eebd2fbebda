// A pipeline whose source gives nothing while an epoch waits for it: what is told, asked and given up (P7).
#include "tests/unit/coordinator/pipeline/pipeline_fixture.h"

static void assert_outcome(struct pipeline_fixture *fixture, enum pipeline_outcome outcome, const char *words)
{
    assert_true(fixture->ended);
    if (fixture->outcome != outcome || !strstr(fixture->err.message, words))
        fail_msg("outcome %d: %s", (int)fixture->outcome, fixture->err.message);
}

// The worker speaks, and its source gives nothing, or a row a second.
static void pass_reading(struct pipeline_fixture *fixture, int64_t seconds, bool reads)
{
    for (int64_t i = 0; i < seconds && !fixture->ended; i++) {
        if (reads) fixture->rows_in++;
        pipeline_fixture_pass(fixture, SECOND);
    }
}

static void an_epoch_that_gets_no_rows_is_told_and_its_sources_are_asked_again(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pass_reading(fixture, 30, true);
    assert_int_equal(fixture->notices, 0);
    fixture->ends[0] = 20;
    pass_reading(fixture, 11, true); // two epochs run: no third is planned, whatever the trigger
    unsigned polls = fixture->polls;
    pass_reading(fixture, 12, false);
    assert_int_equal(fixture->notices, 1);
    assert_true(fixture->polls > polls);
    assert_false(fixture->ended);
    fixture->ends[0] = 3; // the topic was created again meanwhile
    pass_reading(fixture, 6, false);
    assert_outcome(fixture, PIPELINE_FAILED, "ends at offset 3");
}

static void a_drain_that_reads_goes_on_and_one_that_does_not_ends(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pass_reading(fixture, 1, true);
    pipeline_fixture_drain(fixture);
    pass_reading(fixture, 60, true);
    assert_false(fixture->ended);
    pass_reading(fixture, 12, false);
    assert_outcome(fixture, PIPELINE_FAILED, "the drain was given up after 10 s without progress");
    assert_non_null(strstr(fixture->err.message, "epoch 1"));
    assert_non_null(strstr(fixture->err.message, "offsets 0 to 9"));
    assert_int_equal(pipeline_fixture_txn(fixture), 0);
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, pipeline_fixture_setup, pipeline_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(an_epoch_that_gets_no_rows_is_told_and_its_sources_are_asked_again),
        FACT(a_drain_that_reads_goes_on_and_one_that_does_not_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
