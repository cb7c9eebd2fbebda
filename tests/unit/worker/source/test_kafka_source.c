// The Kafka source against a mock cluster: exactly the planned ranges, evidence, and what a changed topic gives.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/thread.h"
#include "tests/unit/worker/source/mock_kafka.h"
#include "worker/source/source.h"

#define TOPIC       "events"
#define DEADLINE_US 30000000

struct fixture {
    struct mock_kafka mock;
    struct mailbox mailbox;
    Foreset__Plan plan;
    Foreset__Node node, *nodes[1];
    Foreset__Source source;
    Foreset__Property brokers, subscribe, *options[2];
    struct source *opened;
};

static void wake(void *context)
{
    mailbox_wake(context);
}

static int setup(void **state)
{
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    mock_kafka_start(&fixture->mock, TOPIC, 2);
    mailbox_init(&fixture->mailbox);
    fixture->plan = (Foreset__Plan)FORESET__PLAN__INIT;
    fixture->node = (Foreset__Node)FORESET__NODE__INIT;
    fixture->source = (Foreset__Source)FORESET__SOURCE__INIT;
    fixture->brokers = (Foreset__Property)FORESET__PROPERTY__INIT;
    fixture->subscribe = (Foreset__Property)FORESET__PROPERTY__INIT;
    fixture->brokers.key = (char *)(uintptr_t) "bootstrapServers";
    fixture->brokers.value = fixture->mock.brokers;
    fixture->subscribe.key = (char *)(uintptr_t) "subscribe";
    fixture->subscribe.value = (char *)(uintptr_t)TOPIC;
    fixture->options[0] = &fixture->brokers;
    fixture->options[1] = &fixture->subscribe;
    fixture->source.kind = FORESET__SOURCE__KIND__KAFKA;
    fixture->source.name = (char *)(uintptr_t) "bronze/source-1";
    fixture->source.n_options = 2;
    fixture->source.options = fixture->options;
    fixture->node.kind = FORESET__NODE__KIND__SOURCE;
    fixture->node.schema = (char *)(uintptr_t) "struct<value:binary,offset:bigint,topic:string>";
    fixture->node.source = &fixture->source;
    fixture->nodes[0] = &fixture->node;
    fixture->plan.n_nodes = 1;
    fixture->plan.nodes = fixture->nodes;
    *state = fixture;
    return 0;
}

static void open_source(struct fixture *fixture)
{
    struct source_open_args args = {
        .plan = &fixture->plan, .queue_bytes_max = 64u << 20, .wake = wake, .wake_context = &fixture->mailbox};
    struct error err;
    assert_int_equal(kafka_source_open(&args, &fixture->opened, &err), STATUS_OK);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    if (fixture->opened) fixture->opened->ops->close(fixture->opened);
    mock_kafka_stop(&fixture->mock);
    mailbox_deinit(&fixture->mailbox);
    memory_free(fixture);
    return 0;
}

static Foreset__Range range_of(int partition, int64_t from, int64_t to)
{
    Foreset__Range range = FORESET__RANGE__INIT;
    range.topic = (char *)(uintptr_t)TOPIC;
    range.has_partition = range.has_from = range.has_to = true;
    range.partition = partition;
    range.from = from;
    range.to = to;
    return range;
}

// Reads an epoch to its end; rows' values joined by ' '.
static enum status read_epoch(struct fixture *fixture, uint64_t epoch, Foreset__Range *ranges, size_t count,
                              struct text *values, struct error *err)
{
    Foreset__Range *pointers[4];
    for (size_t i = 0; i < count; i++) pointers[i] = &ranges[i];
    enum status status = fixture->opened->ops->plan(fixture->opened, epoch, pointers, count, err);
    int64_t until = clock_boot_us(clock_system()) + DEADLINE_US;
    while (status == STATUS_OK) {
        enum source_result result = SOURCE_WAITING;
        struct batch *batch = NULL;
        status = fixture->opened->ops->poll(fixture->opened, epoch, &result, &batch, err);
        if (status != STATUS_OK || result == SOURCE_DONE) break;
        if (result == SOURCE_WAITING) {
            assert_true(clock_boot_us(clock_system()) < until);
            mailbox_wait(&fixture->mailbox, 10000);
            continue;
        }
        for (uint32_t i = 0; i < batch->row_count; i++) {
            struct slice value = column_slice(batch->columns[0], i);
            text_printf(values, "%.*s ", (int)value.length, value.data);
        }
        assert_non_null(batch->origin);
        assert_int_equal(batch->origin->column_rows, batch->column_rows);
        batch_unref(batch);
    }
    return status;
}

static void epochs_read_exactly_their_ranges(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 10);
    open_source(fixture);
    struct text values = {0};
    struct error err;
    Foreset__Range first[] = {range_of(0, 0, 4), range_of(1, 0, 0)};
    assert_int_equal(read_epoch(fixture, 1, first, 2, &values, &err), STATUS_OK);
    assert_string_equal(text_str(&values), "a0 a1 a2 a3 ");
    Foreset__Range second[] = {range_of(0, 4, 10), range_of(1, 0, 0)};
    text_reset(&values);
    assert_int_equal(read_epoch(fixture, 2, second, 2, &values, &err), STATUS_OK);
    assert_string_equal(text_str(&values), "a4 a5 a6 a7 a8 a9 ");
    size_t count;
    const Foreset__Range *const *evidence = fixture->opened->ops->evidence(fixture->opened, &count);
    assert_int_equal(count, 2);
    assert_int_equal(evidence[0]->last->offset, 9);
    assert_null(evidence[1]->last);
    text_deinit(&values);
}

static void a_restart_checks_the_last_record_and_goes_on_behind_it(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 6);
    open_source(fixture);
    struct text values = {0};
    struct error err;
    Foreset__Range first = range_of(0, 0, 3);
    assert_int_equal(read_epoch(fixture, 1, &first, 1, &values, &err), STATUS_OK);
    size_t count;
    Foreset__Evidence last = *fixture->opened->ops->evidence(fixture->opened, &count)[0]->last;
    fixture->opened->ops->close(fixture->opened);
    open_source(fixture);
    Foreset__Range second = range_of(0, 3, 6);
    second.last = &last;
    text_reset(&values);
    assert_int_equal(read_epoch(fixture, 2, &second, 1, &values, &err), STATUS_OK);
    assert_string_equal(text_str(&values), "a3 a4 a5 ");
    text_deinit(&values);
}

static void another_record_at_the_evidence_offset_fails_the_pipeline(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 6);
    open_source(fixture);
    Foreset__Evidence last = FORESET__EVIDENCE__INIT;
    last.offset = 2;
    last.hash = 12345;
    Foreset__Range range = range_of(0, 3, 6);
    range.last = &last;
    struct text values = {0};
    struct error err;
    assert_int_not_equal(read_epoch(fixture, 2, &range, 1, &values, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "created again"));
    text_deinit(&values);
}

static void a_topic_shorter_than_the_evidence_fails_the_pipeline(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 3);
    open_source(fixture);
    Foreset__Evidence last = FORESET__EVIDENCE__INIT;
    last.offset = 3; // the log's end: nothing is there any more
    Foreset__Range range = range_of(0, 4, 6);
    range.last = &last;
    struct text values = {0};
    struct error err;
    assert_int_not_equal(read_epoch(fixture, 2, &range, 1, &values, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    text_deinit(&values);
}

static void an_offset_that_is_gone_is_planned_again(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 3);
    open_source(fixture);
    Foreset__Range range = range_of(0, 100, 101);
    struct text values = {0};
    struct error err;
    assert_int_not_equal(read_epoch(fixture, 1, &range, 1, &values, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
    assert_non_null(strstr(err.message, TOPIC "/0"));
    assert_non_null(strstr(err.message, "failOnDataLoss"));
    text_deinit(&values);
}

static void rows_that_arrive_while_an_epoch_runs_stay_for_the_next(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 5);
    mock_kafka_fill(&fixture->mock, TOPIC, 1, "b", 2);
    open_source(fixture);
    struct text values = {0};
    struct error err;
    Foreset__Range first[] = {range_of(0, 0, 2), range_of(1, 0, 2)};
    assert_int_equal(read_epoch(fixture, 1, first, 2, &values, &err), STATUS_OK);
    mock_kafka_fill(&fixture->mock, TOPIC, 1, "c", 3);
    Foreset__Range second[] = {range_of(1, 2, 5), range_of(0, 2, 2)};
    text_reset(&values);
    assert_int_equal(read_epoch(fixture, 2, second, 2, &values, &err), STATUS_OK);
    assert_string_equal(text_str(&values), "c0 c1 c2 ");
    text_deinit(&values);
}

// librdkafka waits for the answer to every request: one that nobody needs would hold the run's end up.
static void a_range_that_is_queued_whole_asks_the_broker_for_nothing(void **state)
{
    struct fixture *fixture = *state;
    mock_kafka_fill(&fixture->mock, TOPIC, 0, "a", 10);
    open_source(fixture);
    struct error err;
    struct text values = {0};
    Foreset__Range first[] = {range_of(0, 0, 4)}, second[] = {range_of(0, 4, 10)};
    assert_int_equal(read_epoch(fixture, 1, first, 1, &values, &err), STATUS_OK); // the rest is queued behind it
    mailbox_wait(&fixture->mailbox, 200000); // what was asked while nothing was there is answered by now
    rd_kafka_mock_broker_set_rtt(fixture->mock.cluster, 1, 5000);
    int64_t begin_us = clock_boot_us(clock_system());
    assert_int_equal(read_epoch(fixture, 2, second, 1, &values, &err), STATUS_OK);
    assert_string_equal(text_str(&values), "a0 a1 a2 a3 a4 a5 a6 a7 a8 a9 ");
    fixture->opened->ops->close(fixture->opened);
    fixture->opened = NULL;
    assert_true(clock_boot_us(clock_system()) - begin_us < 3000000);
    rd_kafka_mock_broker_set_rtt(fixture->mock.cluster, 1, 0);
    text_deinit(&values);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(epochs_read_exactly_their_ranges, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_checks_the_last_record_and_goes_on_behind_it, setup, teardown),
        cmocka_unit_test_setup_teardown(another_record_at_the_evidence_offset_fails_the_pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(a_topic_shorter_than_the_evidence_fails_the_pipeline, setup, teardown),
        cmocka_unit_test_setup_teardown(an_offset_that_is_gone_is_planned_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_range_that_is_queued_whole_asks_the_broker_for_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(rows_that_arrive_while_an_epoch_runs_stay_for_the_next, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
