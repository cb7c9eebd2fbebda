// A pipeline on the leader: what it plans and when, how many epochs run at once, what every kind of trouble does, how
// it ends (P2, P4, P5, P10, P12, P15, P20).
#include "tests/unit/coordinator/pipeline/pipeline_fixture.h"

#include "common/kv/kv.h"
#include "common/rpc/control_message.h"

static struct planned *plan_of(struct pipeline_fixture *fixture, uint64_t epoch)
{
    for (size_t i = 0; i < fixture->plans.count; i++) {
        if (fixture->plans.items[i].epoch == epoch) return &fixture->plans.items[i];
    }
    fail_msg("epoch %llu was not planned", (unsigned long long)epoch);
    return NULL;
}

static void available_now(struct pipeline_fixture *fixture, int64_t end0, int64_t end1)
{
    fixture->config.available_now = true;
    fixture->ends[0] = end0;
    fixture->ends[1] = end1;
    pipeline_fixture_start(fixture);
}

static void assert_outcome(struct pipeline_fixture *fixture, enum pipeline_outcome outcome, const char *words)
{
    assert_true(fixture->ended);
    if (fixture->outcome != outcome || !strstr(fixture->err.message, words)) {
        fail_msg("outcome %d: %s", (int)fixture->outcome, fixture->err.message);
    }
}

// ---- What is planned ----

static void available_now_reads_what_was_there_at_the_start_and_ends(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    fixture->ends[0] = 1000; // it came later
    pipeline_fixture_release(fixture, false, true);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_rows(fixture), 15);
    assert_int_equal(fixture->published, 1);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
    assert_int_equal(fixture->reported[0], 10); // before it ended
    assert_true(fixture->reported_last);
    assert_true(fixture->stopped);
}

static void a_run_that_finds_nothing_runs_nothing(void **state)
{
    struct pipeline_fixture *fixture = *state;
    available_now(fixture, 0, 0);
    pipeline_fixture_pump(fixture);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, 0);
}

static void a_second_run_goes_on_where_the_first_ended(void **state)
{
    struct pipeline_fixture *fixture = *state;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    pipeline_fixture_stop(fixture);
    available_now(fixture, 12, 5);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, 1);
    assert_int_equal(fixture->plans.items[0].epoch, 2);
    assert_int_equal(fixture->plans.items[0].from[0], 10);
    assert_int_equal(fixture->plans.items[0].rows, 2);
    assert_int_equal(pipeline_fixture_txn(fixture), 2);
}

static void a_backlog_begins_with_a_million_rows(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    available_now(fixture, 20000000, 20000000);
    pipeline_fixture_pump(fixture);
    assert_int_equal(plan_of(fixture, 1)->rows, 1000000);
}

static void an_epoch_is_bounded_by_what_was_done_per_trigger_of_late(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    fixture->ends[0] = fixture->ends[1] = 100000000;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
    pipeline_fixture_pass(fixture, 4 * SECOND); // a million rows in four seconds
    pipeline_fixture_release(fixture, true, true);
    pipeline_fixture_pass(fixture, 2 * TRIGGER_US);
    for (size_t i = 2; i < fixture->plans.count && i < 3; i++) {
        uint64_t rows = fixture->plans.items[i].rows; // 250,000 a second, ten seconds
        assert_true(rows > 1000000 && rows <= 2600000);
    }
    assert_true(fixture->plans.count >= 3);
}

static void without_input_nothing_is_planned(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 10 * TRIGGER_US);
    assert_int_equal(fixture->plans.count, 0);
    assert_true(fixture->polls >= 9 && fixture->polls <= 12); // asked at each trigger
    assert_false(fixture->ended);
}

static void epochs_follow_the_trigger(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    for (int i = 0; i < 50; i++) {
        fixture->ends[0] += 10;
        pipeline_fixture_pass(fixture, SECOND);
    }
    assert_true(fixture->plans.count >= 4 && fixture->plans.count <= 6);
    for (size_t i = 2; i < fixture->plans.count; i++) {
        int64_t apart_us = fixture->plans.items[i].at_us - fixture->plans.items[i - 1].at_us;
        assert_true(apart_us >= TRIGGER_US - SECOND / 5 && apart_us <= TRIGGER_US + SECOND / 5);
        assert_int_equal(fixture->plans.items[i].rows, 100);
    }
}

static void two_epochs_run_at_once_and_the_third_waits(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = fixture->hold_prepared = true;
    available_now(fixture, 20000000, 0);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->plans.count, 2);
    pipeline_fixture_release(fixture, true, false); // read, but not prepared: they still run
    assert_int_equal(fixture->plans.count, 2);
    pipeline_fixture_release(fixture, false, true);
    assert_true(fixture->plans.count > 2);
}

static void at_most_ten_epochs_wait_for_their_decision_and_their_tables(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    available_now(fixture, 1000000000, 0);
    pipeline_fixture_pump(fixture);
    fixture->hold_jobs = true; // nothing is decided, however much the worker prepares
    pipeline_fixture_release(fixture, true, true);
    assert_int_equal(fixture->plans.count, 10);
    fixture->hold_jobs = false;
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_rows(fixture), 1000000000);
    for (size_t i = 0; i < fixture->plans.count; i++) assert_true(fixture->plans.items[i].rows <= 50000000);
}

static void a_no_data_epoch_runs_if_a_watermark_would_move(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_watermark(fixture, 10 * SECOND);
    fixture->maximum_us = 100 * SECOND;
    available_now(fixture, 10, 0);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, 2);
    assert_false(fixture->plans.items[0].no_data);
    assert_true(fixture->plans.items[1].no_data); // W moves to 90 s
    pipeline_fixture_stop(fixture);
    available_now(fixture, 10, 0);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, 0); // and none again
}

// ---- A table with an interval ----

static void a_table_publishes_at_its_interval_and_at_the_end(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->tables[0].has_interval_us = true;
    fixture->tables[0].interval_us = 3 * TRIGGER_US;
    pipeline_fixture_start(fixture);
    for (int i = 0; i < 50; i++) {
        fixture->ends[0] += 10;
        pipeline_fixture_pass(fixture, SECOND);
    }
    assert_true(plan_of(fixture, 1)->publishes); // the first batch at the first epoch end
    assert_false(plan_of(fixture, 2)->publishes);
    assert_false(plan_of(fixture, 3)->publishes);
    assert_true(plan_of(fixture, 4)->publishes);
    size_t planned = fixture->plans.count;
    assert_false(fixture->plans.items[planned - 1].publishes);
    pipeline_fixture_drain(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, planned + 1); // reads nothing, publishes what is unfinished
    assert_int_equal(fixture->plans.items[planned].rows, 0);
    assert_true(fixture->plans.items[planned].publishes);
    assert_int_equal(pipeline_fixture_txn(fixture), fixture->plans.items[planned].epoch);
}

static void a_clock_that_is_set_back_stops_no_table_with_an_interval(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->tables[0].has_interval_us = true;
    fixture->tables[0].interval_us = 3 * TRIGGER_US;
    pipeline_fixture_start(fixture);
    size_t planned = 0, published = 0;
    int64_t timestamp_us = 0;
    for (int step = 0; step < 3; step++) {
        for (int i = 0; i < 50; i++) {
            fixture->ends[0] += 10;
            pipeline_fixture_pass(fixture, SECOND);
        }
        size_t before = published;
        for (; planned < fixture->plans.count; planned++) {
            published += fixture->plans.items[planned].publishes;
            assert_true(fixture->plans.items[planned].timestamp_us > timestamp_us);
            timestamp_us = fixture->plans.items[planned].timestamp_us;
        }
        assert_true(published > before);
        fixture->wall_shift_us -= 3600 * SECOND;
    }
}

// ---- Draining ----

static void a_drain_publishes_what_runs_and_plans_no_more(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
    fixture->ends[0] = 1000;
    pipeline_fixture_drain(fixture);
    assert_false(fixture->ended); // it waits for what runs
    pipeline_fixture_release(fixture, false, true);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(fixture->plans.count, 1);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void a_drain_of_an_idle_pipeline_ends_at_once(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
    pipeline_fixture_drain(fixture);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
}

static void a_drain_before_any_worker_came_ends_too(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->mute = true;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
    pipeline_fixture_drain(fixture);
    pipeline_fixture_pass(fixture, 2 * SECOND);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
}

// Another worker, which never gets as far as an Assign's answer.
static void another_registers(struct pipeline_fixture *fixture)
{
    Foreset__Register body = FORESET__REGISTER__INIT;
    body.name = (char *)"other";
    body.lanes = 1;
    body.memory_bytes = 1 << 30;
    body.version = (char *)"1";
    body.url = (char *)"tcp://127.0.0.1:1";
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.incarnation = 99;
    control.body_case = FORESET__CONTROL__BODY_REGISTER_;
    control.register_ = &body;
    struct text bytes = {0};
    assert_int_equal(control_message_pack(&control, &bytes, &fixture->err), STATUS_OK);
    fixture->role.message(fixture->role.role, WORKER + 1, bytes.data, bytes.length);
    text_deinit(&bytes);
}

static void shares_are_dealt_when_nobody_has_come_for_a_while(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->config.gather_us = SECOND;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 600000);
    another_registers(fixture);
    pipeline_fixture_pass(fixture, 600000);
    assert_int_equal(fixture->assigns, 0); // it came 0.6 s ago
    pipeline_fixture_pass(fixture, 600000);
    assert_int_equal(fixture->assigns, 1);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "assigning"); // both, and one is still to answer
}

// ---- Trouble ----

static void an_attempt_that_fails_is_made_again_in_a_new_generation(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 1;
    fixture->fails_class = ERROR_RETRY;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    assert_false(fixture->ended);
    assert_int_equal(fixture->aborts, 1);
    uint64_t generation = fixture->generation;
    fixture->fails_epoch = 0;
    pipeline_fixture_pass(fixture, 10 * SECOND);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_true(fixture->generation > generation);
    assert_int_equal(plan_of(fixture, 1)->rows, 15); // the same rows again
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void an_attempt_that_fails_again_and_again_is_given_up(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 1;
    fixture->fails_class = ERROR_RESTART_PIPELINE;
    available_now(fixture, 10, 5);
    pipeline_fixture_pass(fixture, 600 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "given up after 12 attempts");
    assert_non_null(strstr(fixture->err.message, "the worker says so"));
    assert_int_equal(fixture->assigns, 13);
}

static void a_decision_in_between_begins_the_count_anew(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_class = ERROR_RETRY;
    pipeline_fixture_start(fixture);
    for (uint64_t epoch = 1; epoch <= 30; epoch++) { // every epoch needs two attempts
        fixture->fails_epoch = epoch;
        fixture->ends[0] += 10;
        pipeline_fixture_pass(fixture, TRIGGER_US + SECOND);
        fixture->fails_epoch = 0;
        pipeline_fixture_pass(fixture, TRIGGER_US + 5 * SECOND);
        assert_false(fixture->ended);
    }
    assert_int_equal(pipeline_fixture_txn(fixture), 30);
}

static void an_error_of_the_data_fails_the_pipeline_with_its_words(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 1;
    fixture->fails_class = ERROR_FAIL_PIPELINE;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    assert_outcome(fixture, PIPELINE_FAILED, "the worker says so");
    assert_int_equal(fixture->assigns, 1);
    assert_int_equal(pipeline_fixture_txn(fixture), 0);
}

static void an_error_of_the_data_is_final_only_behind_what_is_decided(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 2; // runs beside epoch 1, which is not decided yet
    fixture->fails_class = ERROR_FAIL_PIPELINE;
    fixture->hold_read = true;
    available_now(fixture, 1500000, 0);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->assigns, 1); // the attempt is over; another one, epoch by epoch
    fixture->hold_read = false;
    pipeline_fixture_pass(fixture, 10 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "the worker says so");
    assert_int_equal(fixture->assigns, 2);
    assert_int_equal(pipeline_fixture_txn(fixture), 1); // what could be decided was, and is published
}

// What waits when the attempt starts over must not be cut into one epoch with the rows that fail.
static void epochs_before_the_one_that_fails_are_planned_again_as_they_were(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_read = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    assert_int_equal(plan_of(fixture, 1)->rows, 10);
    fixture->ends[0] = 30;
    fixture->ends[1] = 5;
    fixture->fails_epoch = 2;
    fixture->fails_class = ERROR_FAIL_PIPELINE;
    pipeline_fixture_pass(fixture, TRIGGER_US);
    fixture->hold_read = false;
    fixture->ends[0] = 100; // it came meanwhile
    pipeline_fixture_pass(fixture, SECOND);
    pipeline_fixture_pass(fixture, 3 * TRIGGER_US);
    assert_outcome(fixture, PIPELINE_FAILED, "the worker says so");
    assert_int_equal(plan_of(fixture, 1)->rows, 10);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void after_the_epoch_that_failed_several_run_at_once_again(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->fails_epoch = 2;
    fixture->fails_class = ERROR_FAIL_PIPELINE;
    fixture->hold_read = true;
    available_now(fixture, 4000000, 0);
    pipeline_fixture_pump(fixture);
    fixture->hold_read = false;
    fixture->fails_epoch = 0; // the second attempt has more luck
    fixture->hold_prepared = true;
    pipeline_fixture_pass(fixture, 2 * SECOND);
    assert_int_equal(fixture->plans.count, 1);
    pipeline_fixture_release(fixture, false, true);
    pipeline_fixture_pump(fixture);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_rows(fixture), 4000000);
    assert_int_equal(plan_of(fixture, 1)->rows, 1000000);
}

static void a_table_that_cannot_take_what_is_decided_blocks_the_pipeline(void **state)
{
    struct pipeline_fixture *fixture = *state;
    char command[96];
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    pipeline_fixture_stop(fixture);
    snprintf(command, sizeof command, "rm -rf %s/t0", fixture->folder);
    assert_int_equal(system(command), 0);
    available_now(fixture, 20, 5);
    pipeline_fixture_pump(fixture);
    assert_outcome(fixture, PIPELINE_BLOCKED, "table t0");
    assert_int_equal(fixture->plans.count, 1); // of the first run: nothing was planned
}

static void a_put_that_fails_ends_the_pipeline_and_the_next_run_puts_it(void **state)
{
    struct pipeline_fixture *fixture = *state;
    char command[160];
    fixture->hold_prepared = true;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    fixture->hold_jobs = true;
    pipeline_fixture_release(fixture, false, true);
    pipeline_fixture_job(fixture); // decides
    snprintf(command, sizeof command, "cd %s/t0 && mv _delta_log kept && touch _delta_log", fixture->folder);
    assert_int_equal(system(command), 0);
    fixture->hold_jobs = false;
    pipeline_fixture_pass(fixture, 60 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "t0");
    pipeline_fixture_stop(fixture);
    snprintf(command, sizeof command, "cd %s/t0 && mv -f kept/ x && rm _delta_log && mv x _delta_log", fixture->folder);
    assert_int_equal(system(command), 0);
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    assert_outcome(fixture, PIPELINE_DONE, "");
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void another_leader_fences(void **state)
{
    struct pipeline_fixture *fixture = *state;
    struct kv_op remove = {.kind = KV_DELETE, .key = "foreset/pipelines/test/leader"};
    fixture->hold_prepared = true;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    assert_int_equal(kv_txn(fixture->kv, NULL, 0, &remove, 1, &fixture->err), STATUS_OK);
    pipeline_fixture_release(fixture, false, true);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_FENCED);
    assert_int_equal(pipeline_fixture_txn(fixture), 0); // it could not decide
}

// ---- Sources that do not answer ----

static void a_source_that_never_answered_fails_after_20_seconds(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->source_fails = true;
    fixture->source_class = ERROR_RETRY;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 18 * SECOND);
    assert_false(fixture->ended);
    assert_true(fixture->polls > 10);
    pipeline_fixture_pass(fixture, 4 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "the broker does not answer");
}

static void a_source_that_answered_before_is_given_60_seconds(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 2 * SECOND);
    fixture->source_fails = true;
    fixture->source_class = ERROR_RETRY;
    pipeline_fixture_pass(fixture, 60 * SECOND);
    assert_false(fixture->ended);
    pipeline_fixture_pass(fixture, 20 * SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "the broker does not answer");
}

static void a_source_that_answers_again_goes_on(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 2 * SECOND);
    fixture->source_fails = true;
    fixture->source_class = ERROR_RETRY;
    for (int i = 0; i < 5; i++) {
        pipeline_fixture_pass(fixture, 50 * SECOND);
        fixture->source_fails = false;
        fixture->ends[0] += 10;
        pipeline_fixture_pass(fixture, 12 * SECOND);
        fixture->source_fails = true;
    }
    assert_false(fixture->ended);
    assert_int_equal(pipeline_fixture_rows(fixture), 50);
    assert_int_equal(fixture->assigns, 1); // nothing was started over
}

static void a_source_that_refuses_fails_at_once(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->source_fails = true;
    fixture->source_class = ERROR_FAIL_PIPELINE;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    assert_outcome(fixture, PIPELINE_FAILED, "the broker does not answer");
}

// ---- Workers and messages ----

static void a_silent_worker_starts_the_attempt_over(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    fixture->mute = true;
    pipeline_fixture_pass(fixture, SECOND);
    assert_int_equal(fixture->aborts, 0);
    pipeline_fixture_pass(fixture, 2 * SECOND);
    assert_int_equal(fixture->aborts, 1);
    assert_false(fixture->ended);
}

static void a_worker_that_was_only_paused_may_be_silent_longer(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    for (unsigned pauses = 1; pauses < 8; pauses++) { // given up after 2, 4 and 8 s, then always 8
        int64_t least = pauses < 3 ? (2 * SECOND) << (pauses - 1) : 8 * SECOND;
        fixture->mute = true;
        pipeline_fixture_pass(fixture, least - SECOND);
        assert_int_equal(fixture->aborts, pauses - 1);
        pipeline_fixture_pass(fixture, 2 * SECOND);
        assert_int_equal(fixture->aborts, pauses);
        fixture->mute = false;
        pipeline_fixture_pass(fixture, 5 * SECOND); // it speaks again, and is taken on again
        assert_int_equal(fixture->assigns, pauses + 1);
    }
    pipeline_fixture_pass(fixture, 601 * SECOND);
    fixture->mute = true;
    pipeline_fixture_pass(fixture, 3 * SECOND);
    assert_int_equal(fixture->aborts, 8);
}

static void a_worker_that_has_ended_starts_the_attempt_over_at_once(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    fixture->role.gone(fixture->role.role, WORKER + 1); // somebody else
    assert_int_equal(fixture->aborts, 0);
    fixture->mute = true;
    fixture->role.gone(fixture->role.role, WORKER);
    pipeline_fixture_pass(fixture, SECOND);
    assert_int_equal(fixture->aborts, 1);
    assert_int_equal(fixture->assigns, 1); // and nothing is given to who is not there
    assert_string_equal(pipeline_state_name(fixture->pipeline), "gathering");
}

static void a_worker_that_was_said_to_have_ended_and_lives_is_taken_on_again(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    uint64_t generation = fixture->generation;
    fixture->hold_prepared = false;
    fixture->role.gone(fixture->role.role, WORKER);
    pipeline_fixture_pass(fixture, TRIGGER_US + SECOND); // it registers, as it is let go
    assert_int_equal(fixture->assigns, 2);
    assert_true(fixture->generation > generation);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void a_worker_that_came_back_anew_starts_the_attempt_over(void **state)
{
    struct pipeline_fixture *fixture = *state;
    Foreset__Register body = FORESET__REGISTER__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    fixture->hold_prepared = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, SECOND);
    fixture->peer_incarnation = 6;
    body.name = (char *)"worker";
    body.lanes = 1;
    body.version = (char *)"1";
    control.body_case = FORESET__CONTROL__BODY_REGISTER_;
    control.register_ = &body;
    pipeline_fixture_say(fixture, &control, 0);
    fixture->hold_prepared = false;
    pipeline_fixture_pass(fixture, 30 * SECOND);
    assert_int_equal(fixture->assigns, 2);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

// The other one registers all the time and hears nothing: a link that carries one way.
static void pass_with_a_deaf_one(struct pipeline_fixture *fixture, int64_t us)
{
    for (int64_t passed = 0; passed < us; passed += SECOND / 2) {
        another_registers(fixture);
        pipeline_fixture_pass(fixture, SECOND / 2);
    }
}

static void a_worker_that_does_not_answer_is_left_out_for_a_while(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->config.gather_us = SECOND;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pass_with_a_deaf_one(fixture, 3 * SECOND);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "assigning");
    pass_with_a_deaf_one(fixture, 4 * SECOND);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "running");
    unsigned assigns = fixture->assigns;
    pass_with_a_deaf_one(fixture, 15 * SECOND); // once more with it, and again without, for 10 s
    assert_int_equal(fixture->assigns, assigns + 2);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "running");
    fixture->ends[0] = 30;
    pass_with_a_deaf_one(fixture, 40 * SECOND);
    assert_int_equal(pipeline_fixture_txn(fixture), 2);
    assert_false(fixture->ended);
}

static void of_two_that_do_not_reach_each_other_one_is_left_out(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->config.gather_us = SECOND;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pass_with_a_deaf_one(fixture, 2 * SECOND);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "assigning"); // both
    const uint32_t other = WORKER + 1;
    pipeline_fixture_fail(fixture, ERROR_RESTART_PIPELINE, &other, 0);
    pass_with_a_deaf_one(fixture, 2 * SECOND + SECOND / 2);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "running");
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
    assert_false(fixture->ended);
}

static void what_a_worker_suffers_after_the_last_epoch_fails_nothing(void **state)
{
    struct pipeline_fixture *fixture = *state;
    available_now(fixture, 10, 5);
    while (strcmp(pipeline_state_name(fixture->pipeline), "ending") != 0) {
        assert_false(fixture->ended);
        (void)pipeline_fixture_step(fixture);
    }
    assert_true(fixture->jobs.count > 0); // it has yet to end
    pipeline_fixture_fail(fixture, ERROR_RESTART_PIPELINE, NULL, 0);
    while (fixture->posts.count > 0) pipeline_fixture_deliver(fixture); // before what is yet to do
    pipeline_fixture_pump(fixture);
    assert_true(fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
}

static void heartbeat(struct pipeline_fixture *fixture)
{
    Foreset__Heartbeat body = FORESET__HEARTBEAT__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_HEARTBEAT;
    control.heartbeat = &body;
    pipeline_fixture_say(fixture, &control, 0);
    pipeline_fixture_pump(fixture);
}

static void a_lost_message_starts_the_attempt_over_and_a_repeated_one_does_not(void **state)
{
    struct pipeline_fixture *fixture = *state;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pump(fixture);
    assert_string_equal(pipeline_state_name(fixture->pipeline), "running");
    fixture->sequence--;
    heartbeat(fixture); // said a second time
    assert_int_equal(fixture->aborts, 0);
    fixture->sequence++;
    heartbeat(fixture); // one is missing before it
    assert_int_equal(fixture->aborts, 1);
}

static void messages_of_an_earlier_generation_are_dropped(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    fixture->generation--;
    pipeline_fixture_fail(fixture, ERROR_FAIL_PIPELINE, NULL, 1);
    pipeline_fixture_pump(fixture);
    assert_false(fixture->ended);
    fixture->generation++;
    fixture->sequence--;
    pipeline_fixture_release(fixture, false, true);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
}

static void damaged_messages_are_dropped(void **state)
{
    struct pipeline_fixture *fixture = *state;
    fixture->hold_prepared = true;
    available_now(fixture, 10, 5);
    pipeline_fixture_pump(fixture);
    fixture->role.message(fixture->role.role, WORKER, "garbage that is long enough", 27);
    fixture->role.message(fixture->role.role, WORKER, "", 0);
    pipeline_fixture_release(fixture, false, true);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, pipeline_fixture_setup, pipeline_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(available_now_reads_what_was_there_at_the_start_and_ends),
        FACT(a_run_that_finds_nothing_runs_nothing),
        FACT(a_second_run_goes_on_where_the_first_ended),
        FACT(a_backlog_begins_with_a_million_rows),
        FACT(an_epoch_is_bounded_by_what_was_done_per_trigger_of_late),
        FACT(without_input_nothing_is_planned),
        FACT(epochs_follow_the_trigger),
        FACT(two_epochs_run_at_once_and_the_third_waits),
        FACT(at_most_ten_epochs_wait_for_their_decision_and_their_tables),
        FACT(a_no_data_epoch_runs_if_a_watermark_would_move),
        FACT(a_table_publishes_at_its_interval_and_at_the_end),
        FACT(a_clock_that_is_set_back_stops_no_table_with_an_interval),
        FACT(a_drain_publishes_what_runs_and_plans_no_more),
        FACT(a_drain_of_an_idle_pipeline_ends_at_once),
        FACT(a_drain_before_any_worker_came_ends_too),
        FACT(shares_are_dealt_when_nobody_has_come_for_a_while),
        FACT(an_attempt_that_fails_is_made_again_in_a_new_generation),
        FACT(an_attempt_that_fails_again_and_again_is_given_up),
        FACT(a_decision_in_between_begins_the_count_anew),
        FACT(an_error_of_the_data_fails_the_pipeline_with_its_words),
        FACT(an_error_of_the_data_is_final_only_behind_what_is_decided),
        FACT(epochs_before_the_one_that_fails_are_planned_again_as_they_were),
        FACT(after_the_epoch_that_failed_several_run_at_once_again),
        FACT(a_table_that_cannot_take_what_is_decided_blocks_the_pipeline),
        FACT(a_put_that_fails_ends_the_pipeline_and_the_next_run_puts_it),
        FACT(another_leader_fences),
        FACT(a_source_that_never_answered_fails_after_20_seconds),
        FACT(a_source_that_answered_before_is_given_60_seconds),
        FACT(a_source_that_answers_again_goes_on),
        FACT(a_source_that_refuses_fails_at_once),
        FACT(a_silent_worker_starts_the_attempt_over),
        FACT(a_worker_that_was_only_paused_may_be_silent_longer),
        FACT(a_worker_that_has_ended_starts_the_attempt_over_at_once),
        FACT(a_worker_that_was_said_to_have_ended_and_lives_is_taken_on_again),
        FACT(a_worker_that_does_not_answer_is_left_out_for_a_while),
        FACT(of_two_that_do_not_reach_each_other_one_is_left_out),
        FACT(what_a_worker_suffers_after_the_last_epoch_fails_nothing),
        FACT(a_worker_that_came_back_anew_starts_the_attempt_over),
        FACT(a_lost_message_starts_the_attempt_over_and_a_repeated_one_does_not),
        FACT(messages_of_an_earlier_generation_are_dropped),
        FACT(damaged_messages_are_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
