// A worker registers under a name that is its own; another one's is not given to it.
#include "tests/unit/coordinator/pipeline/pipeline_fixture.h"

static uint32_t owner; // of the fixture's worker's name
static unsigned asked;

static enum status worker_name(void *context, uint32_t worker, const char *name, struct error *err)
{
    (void)context;
    asked++;
    assert_string_equal(name, "worker");
    if (worker == owner) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "another one's name");
}

static void start(struct pipeline_fixture *fixture)
{
    asked = 0;
    fixture->config.worker_name = worker_name;
    fixture->config.available_now = true;
    fixture->ends[0] = 10;
    pipeline_fixture_start(fixture);
    pipeline_fixture_pass(fixture, 10 * SECOND);
}

static void a_worker_of_that_name_takes_part(void **state)
{
    struct pipeline_fixture *fixture = *state;
    owner = WORKER;
    start(fixture);
    assert_true(asked > 0 && fixture->ended);
    assert_int_equal(fixture->outcome, PIPELINE_DONE);
    assert_int_equal(pipeline_fixture_txn(fixture), 1);
}

static void one_that_bears_anothers_name_takes_no_part(void **state)
{
    struct pipeline_fixture *fixture = *state;
    owner = WORKER + 1;
    start(fixture);
    assert_true(asked > 0);
    assert_int_equal(fixture->assigns, 0);
    assert_false(fixture->ended);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, pipeline_fixture_setup, pipeline_fixture_teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_worker_of_that_name_takes_part),
        FACT(one_that_bears_anothers_name_takes_no_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
