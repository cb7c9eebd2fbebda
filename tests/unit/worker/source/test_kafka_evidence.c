// The record that was read last, read again from a mock cluster: held, another one, none up to there, no broker.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/base/memory.h"
#include "common/kafka/kafka_evidence.h"
#include "tests/unit/worker/source/mock_kafka.h"

#define TOPIC      "events"
#define PARTITIONS 8
#define RECORDS    20
#define TIMEOUT_MS 15000

struct fixture {
    struct mock_kafka mock;
    Foreset__Source source;
    Foreset__Property brokers, *options[1];
    struct kafka_evidence *evidence;
    struct kafka_evidence_item items[PARTITIONS];
};

// What a reader saw at each partition's last offset.
static void read_all(struct fixture *fixture)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", fixture->mock.brokers, reason, sizeof reason);
    rd_kafka_conf_set(conf, "group.id", "test", reason, sizeof reason);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    assert_non_null(consumer);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) rd_kafka_topic_partition_list_add(list, TOPIC, i)->offset = RECORDS - 1;
    assert_int_equal(rd_kafka_assign(consumer, list), 0);
    rd_kafka_topic_partition_list_destroy(list);
    for (int got = 0; got < PARTITIONS;) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, TIMEOUT_MS);
        assert_non_null(message);
        if (!message->err) {
            fixture->items[message->partition] =
                (struct kafka_evidence_item){.topic = TOPIC,
                                             .partition = message->partition,
                                             .offset = message->offset,
                                             .timestamp_ms = rd_kafka_message_timestamp(message, NULL),
                                             .hash = kafka_evidence_hash(message)};
            got++;
        }
        rd_kafka_message_destroy(message);
    }
    rd_kafka_destroy_flags(consumer, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
}

static int setup(void **state)
{
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    struct error err;
    mock_kafka_start(&fixture->mock, TOPIC, PARTITIONS);
    for (int i = 0; i < PARTITIONS; i++) mock_kafka_fill(&fixture->mock, TOPIC, i, "a", RECORDS);
    fixture->source = (Foreset__Source)FORESET__SOURCE__INIT;
    fixture->brokers = (Foreset__Property)FORESET__PROPERTY__INIT;
    fixture->brokers.key = (char *)(uintptr_t) "bootstrapServers";
    fixture->brokers.value = fixture->mock.brokers;
    fixture->options[0] = &fixture->brokers;
    fixture->source.n_options = 1;
    fixture->source.options = fixture->options;
    assert_int_equal(kafka_evidence_open(&fixture->source, &fixture->evidence, &err), STATUS_OK);
    read_all(fixture);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    kafka_evidence_close(fixture->evidence);
    mock_kafka_stop(&fixture->mock);
    memory_free(fixture);
    return 0;
}

static void check(struct fixture *fixture)
{
    struct error err;
    if (kafka_evidence_check(fixture->evidence, fixture->items, PARTITIONS, TIMEOUT_MS, &err) != STATUS_OK)
        fail_msg("%s", err.message);
}

// Epoch after epoch, and while the partitions grow.
static void records_that_are_there_are_held_again_and_again(void **state)
{
    struct fixture *fixture = *state;
    for (int round = 0; round < 20; round++) {
        check(fixture);
        for (int i = 0; i < PARTITIONS; i++) assert_int_equal(fixture->items[i].verdict, KAFKA_EVIDENCE_HELD);
        mock_kafka_fill(&fixture->mock, TOPIC, round % PARTITIONS, "b", 3);
    }
}

static void every_field_is_compared(void **state)
{
    struct fixture *fixture = *state;
    fixture->items[1].hash++;
    fixture->items[2].timestamp_ms++;
    fixture->items[3].offset = RECORDS; // the end: there is no such record
    fixture->items[4].offset = 1000;
    check(fixture);
    for (int i = 0; i < PARTITIONS; i++)
        assert_int_equal(fixture->items[i].verdict, i >= 1 && i <= 4 ? KAFKA_EVIDENCE_OTHER : KAFKA_EVIDENCE_HELD);
}

static void brokers_that_do_not_answer_are_asked_again_later(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    rd_kafka_mock_broker_set_down(fixture->mock.cluster, 1);
    assert_int_not_equal(kafka_evidence_check(fixture->evidence, fixture->items, PARTITIONS, 500, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_RETRY);
    rd_kafka_mock_broker_set_up(fixture->mock.cluster, 1);
    enum status status = STATUS_ERROR;
    for (int i = 0; i < 60 && status != STATUS_OK; i++)
        status = kafka_evidence_check(fixture->evidence, fixture->items, PARTITIONS, 1000, &err);
    assert_int_equal(status, STATUS_OK);
    for (int i = 0; i < PARTITIONS; i++) assert_int_equal(fixture->items[i].verdict, KAFKA_EVIDENCE_HELD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(records_that_are_there_are_held_again_and_again, setup, teardown),
        cmocka_unit_test_setup_teardown(every_field_is_compared, setup, teardown),
        cmocka_unit_test_setup_teardown(brokers_that_do_not_answer_are_asked_again_later, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
