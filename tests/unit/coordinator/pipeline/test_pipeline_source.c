// A pipeline whose source gives nothing while an epoch waits for it: notices, questions and the limit (P7).
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

// ---- The record before each range (P7) ----

static void run_to(struct pipeline_fixture *fixture, int64_t end)
{
    fixture->config.available_now = true;
    fixture->ends[0] = end;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
}

static void loss_is_allowed(struct pipeline_fixture *fixture)
{
    static Foreset__Property property, *options[] = {&property};
    foreset__property__init(&property);
    property.key = (char *)"failOnDataLoss";
    property.value = (char *)"False";
    fixture->source.options = options;
    fixture->source.n_options = 1;
}

static void the_first_epoch_has_nothing_to_compare_and_each_later_one_has(void **state)
{
    struct pipeline_fixture *fixture = *state;
    run_to(fixture, 10);
    assert_int_equal(fixture->verifies, 0);
    pipeline_fixture_stop(fixture);
    run_to(fixture, 20);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->verifies, 1);
    pipeline_fixture_stop(fixture);
    fixture->evidence = CATALOG_EVIDENCE_GONE; // compacted: the end alone is compared
    run_to(fixture, 30);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_txn(fixture), 3);
}

static void an_epoch_behind_another_record_is_not_decided(void **state)
{
    struct pipeline_fixture *fixture = *state;
    run_to(fixture, 10);
    pipeline_fixture_stop(fixture);
    fixture->evidence = CATALOG_EVIDENCE_OTHER;
    run_to(fixture, 20);
    assert_outcome(fixture, PIPELINE_FAILED, "the record at offset 9 is not the one that was read before");
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void of_two_epochs_in_flight_the_one_before_is_decided(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    run_to(fixture, 1500000);
    assert_int_equal(fixture->plans.count, 2);
    fixture->evidence = CATALOG_EVIDENCE_OTHER; // at the first one's end
    pipeline_fixture_release(fixture, false, true);
    pipeline_fixture_pump(fixture);
    assert_outcome(fixture, PIPELINE_FAILED, "the record at offset 999999 is not the one");
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void where_loss_is_allowed_the_new_topic_is_read_from_its_beginning(void **state)
{
    struct pipeline_fixture *fixture = *state;
    loss_is_allowed(fixture);
    run_to(fixture, 10);
    pipeline_fixture_stop(fixture);
    fixture->evidence = CATALOG_EVIDENCE_OTHER;
    run_to(fixture, 25);
    fixture->evidence = CATALOG_EVIDENCE_HELD;
    pipeline_fixture_pass(fixture, 5 * SECOND);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.items[0].epoch, 2);
    assert_int_equal(fixture->plans.items[0].from[0], 0);
    assert_int_equal(fixture->plans.items[0].rows, 25);
    assert_true(fixture->notices > 0);
    assert_int_equal(pipeline_fixture_txn(fixture), 2);
}

static void a_topic_that_shrank_while_an_epoch_read_is_planned_again(void **state)
{
    struct pipeline_fixture *fixture = *state;
    loss_is_allowed(fixture);
    fixture->hold_read = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pass_reading(fixture, 1, true);
    fixture->ends[0] = 4;
    fixture->hold_read = false;                  // but what it held back is not released
    pipeline_fixture_pass(fixture, 20 * SECOND); // the next question to the source shows it
    assert_false(fixture->ended);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
    assert_int_equal(fixture->plans.items[0].rows, 4);
}

static void nothing_is_decided_while_the_source_does_not_answer(void **state)
{
    struct pipeline_fixture *fixture = *state;
    run_to(fixture, 10);
    pipeline_fixture_stop(fixture);
    fixture->verify_fails = true;
    fixture->notices = 0;
    run_to(fixture, 20);
    pipeline_fixture_pass(fixture, 30 * SECOND);
    assert_false(fixture->ended);
    assert_int_equal(fixture->notices >= 1, true);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
    fixture->verify_fails = false;
    pipeline_fixture_pass(fixture, 2 * SECOND);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_txn(fixture), 2);
    pipeline_fixture_stop(fixture);
    fixture->verify_fails = true;
    run_to(fixture, 30);
    pipeline_fixture_pass(fixture, 62 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "does not answer");
    assert_int_equal(pipeline_fixture_txn(fixture), 2);
}

// Retention went on while the attempt read: what is gone shows only if the sources are asked again.
static void an_attempt_that_starts_over_asks_again_and_reads_no_further(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 1;
    fixture->fails_class = ERROR_RESTART_PIPELINE;
    fixture->ends[1] = 5;
    run_to(fixture, 10);
    fixture->fails_epoch = 0;
    fixture->ends[0] = 1000;
    pipeline_fixture_pass(fixture, 10 * SECOND);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.items[0].rows, 15);
    assert_int_equal(fixture->polls, 2);
}

static void records_that_are_gone_when_an_attempt_starts_over_are_data_loss(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->ends[1] = 5;
    run_to(fixture, 10);
    pipeline_fixture_stop(fixture);
    fixture->fails_epoch = 2;
    fixture->fails_class = ERROR_RESTART_PIPELINE;
    run_to(fixture, 20);
    assert_false(fixture->ended);
    fixture->lows[0] = 15;
    pipeline_fixture_pass(fixture, 10 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "failOnDataLoss");
}

#define FACT(name) cmocka_unit_test_setup_teardown(name, pipeline_fixture_setup, pipeline_fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FACT(an_epoch_that_gets_no_rows_is_told_and_its_sources_are_asked_again),
        FACT(the_first_epoch_has_nothing_to_compare_and_each_later_one_has),
        FACT(an_epoch_behind_another_record_is_not_decided),
        FACT(of_two_epochs_in_flight_the_one_before_is_decided),
        FACT(where_loss_is_allowed_the_new_topic_is_read_from_its_beginning),
        FACT(a_topic_that_shrank_while_an_epoch_read_is_planned_again),
        FACT(nothing_is_decided_while_the_source_does_not_answer),
        FACT(an_attempt_that_starts_over_asks_again_and_reads_no_further),
        FACT(records_that_are_gone_when_an_attempt_starts_over_are_data_loss),
        FACT(a_drain_that_reads_goes_on_and_one_that_does_not_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
