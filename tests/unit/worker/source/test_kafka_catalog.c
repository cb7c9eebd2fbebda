// The catalog against a mock cluster: partitions, offsets, where to start, and each refusal.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/kafka/kafka_catalog.h"
#include "tests/unit/worker/source/mock_kafka.h"

#define TOPIC      "events"
#define TIMEOUT_MS 15000

enum { OFFSET_COMMIT = 8 }; // Kafka's key of the request

static struct mock_kafka mock;

static int setup(void **state)
{
    (void)state;
    mock_kafka_start(&mock, TOPIC, 2);
    mock_kafka_fill(&mock, TOPIC, 0, "a", 5);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mock_kafka_stop(&mock);
    return 0;
}

static enum status poll_with(const char *const *pairs, bool first, struct kafka_catalog_partitions *partitions,
                             struct error *err)
{
    Foreset__Property properties[8], *options[8];
    Foreset__Source source = FORESET__SOURCE__INIT;
    source.name = (char *)(uintptr_t) "bronze/source-1";
    source.options = options;
    for (; pairs[2 * source.n_options]; source.n_options++) {
        Foreset__Property *property = &properties[source.n_options];
        *property = (Foreset__Property)FORESET__PROPERTY__INIT;
        property->key = (char *)(uintptr_t)pairs[2 * source.n_options];
        property->value = (char *)(uintptr_t)pairs[2 * source.n_options + 1];
        options[source.n_options] = property;
    }
    struct kafka_catalog *catalog = NULL;
    enum status status = kafka_catalog_open(&source, "p", &catalog, err);
    if (status == STATUS_OK) status = kafka_catalog_poll(catalog, first, TIMEOUT_MS, partitions, err);
    kafka_catalog_close(catalog);
    return status;
}

static void partitions_come_with_their_ends_and_starts(void **state)
{
    (void)state;
    struct kafka_catalog_partitions found = {0};
    struct error err;
    const char *earliest[] = {"bootstrapServers", mock.brokers, "subscribe", TOPIC,
                              "startingOffsets",  "earliest",   NULL};
    assert_int_equal(poll_with(earliest, true, &found, &err), STATUS_OK);
    assert_int_equal(found.items.count, 2);
    assert_int_equal(found.items.items[0].high, 5);
    assert_int_equal(found.items.items[0].start, 0);
    assert_int_equal(found.items.items[1].high, 0);
    vector_deinit(&found.items);
    const char *latest[] = {"bootstrapServers", mock.brokers, "subscribe", TOPIC, NULL};
    assert_int_equal(poll_with(latest, true, &found, &err), STATUS_OK);
    assert_int_equal(found.items.items[0].start, 5);
    vector_deinit(&found.items);
    assert_int_equal(poll_with(latest, false, &found, &err),
                     STATUS_OK); // a new partition starts at its earliest offset
    assert_int_equal(found.items.items[0].start, 0);
    vector_deinit(&found.items);
}

static void starting_offsets_per_partition_are_honoured_and_checked(void **state)
{
    (void)state;
    struct kafka_catalog_partitions found = {0};
    struct error err;
    const char *good[] = {"bootstrapServers",
                          mock.brokers,
                          "subscribe",
                          TOPIC,
                          "startingOffsets",
                          "{\"events\":{\"0\":3,\"1\":-2}}",
                          NULL};
    assert_int_equal(poll_with(good, true, &found, &err), STATUS_OK);
    assert_int_equal(found.items.items[0].start, 3);
    vector_deinit(&found.items);
    const char *beyond[] = {"bootstrapServers",
                            mock.brokers,
                            "subscribe",
                            TOPIC,
                            "startingOffsets",
                            "{\"events\":{\"0\":9,\"1\":-2}}",
                            NULL};
    assert_int_not_equal(poll_with(beyond, true, &found, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "[0, 5)"));
    const char *partly[] = {"bootstrapServers",       mock.brokers, "subscribe", TOPIC, "startingOffsets",
                            "{\"events\":{\"0\":1}}", NULL};
    assert_int_not_equal(poll_with(partly, true, &found, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "every partition"));
}

static void assign_reads_only_what_it_names(void **state)
{
    (void)state;
    struct kafka_catalog_partitions found = {0};
    struct error err;
    const char *one[] = {"bootstrapServers", mock.brokers, "assign", "{\"events\":[1]}", NULL};
    assert_int_equal(poll_with(one, true, &found, &err), STATUS_OK);
    assert_int_equal(found.items.count, 1);
    assert_int_equal(found.items.items[0].partition, 1);
    vector_deinit(&found.items);
    const char *missing[] = {"bootstrapServers", mock.brokers, "assign", "{\"events\":[7]}", NULL};
    assert_int_equal(poll_with(missing, true, &found, &err), STATUS_NOT_FOUND);
}

static void bad_options_are_usage_errors(void **state)
{
    (void)state;
    struct kafka_catalog_partitions found = {0};
    struct error err;
    const char *nothing[] = {"bootstrapServers", mock.brokers, NULL};
    assert_int_not_equal(poll_with(nothing, true, &found, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_USAGE);
    const char *no_broker[] = {"subscribe", TOPIC, NULL};
    assert_int_not_equal(poll_with(no_broker, true, &found, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "bootstrapServers"));
    const char *unknown[] = {"bootstrapServers", mock.brokers, "subscribe", TOPIC, "kafka.nonsense", "1", NULL};
    assert_int_not_equal(poll_with(unknown, true, &found, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "nonsense"));
    const char *secret[] = {"bootstrapServers",
                            mock.brokers,
                            "subscribe",
                            TOPIC,
                            "kafka.sasl.password",
                            "secret('env:FORESET_TEST_UNSET')",
                            NULL};
    assert_int_not_equal(poll_with(secret, true, &found, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "FORESET_TEST_UNSET"));
}

// No more than a broker and the topic.
static struct kafka_catalog *open_plain(char *brokers)
{
    Foreset__Property broker = FORESET__PROPERTY__INIT, topic = FORESET__PROPERTY__INIT, *options[] = {&broker, &topic};
    broker.key = (char *)(uintptr_t) "bootstrapServers";
    broker.value = brokers;
    topic.key = (char *)(uintptr_t) "subscribe";
    topic.value = (char *)(uintptr_t)TOPIC;
    Foreset__Source source = FORESET__SOURCE__INIT;
    source.name = (char *)(uintptr_t) "s";
    source.n_options = 2;
    source.options = options;
    struct kafka_catalog *catalog = NULL;
    struct error err;
    assert_int_equal(kafka_catalog_open(&source, "p", &catalog, &err), STATUS_OK);
    return catalog;
}

static void an_unreachable_broker_can_be_tried_again(void **state)
{
    (void)state;
    struct kafka_catalog_partitions found = {0};
    struct error err;
    struct kafka_catalog *catalog = open_plain((char *)(uintptr_t) "127.0.0.1:1");
    assert_int_not_equal(kafka_catalog_poll(catalog, true, 500, &found, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_RETRY);
    assert_non_null(strstr(err.message, "127.0.0.1:1"));
    kafka_catalog_close(catalog);
}

static int64_t committed(void)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", mock.brokers, reason, sizeof reason);
    rd_kafka_conf_set(conf, "group.id", "foreset-p", reason, sizeof reason);
    rd_kafka_t *consumer = rd_kafka_new(RD_KAFKA_CONSUMER, conf, reason, sizeof reason);
    rd_kafka_topic_partition_list_t *offsets = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(offsets, TOPIC, 0);
    assert_int_equal(rd_kafka_committed(consumer, offsets, TIMEOUT_MS), 0);
    int64_t offset = offsets->elems[0].offset;
    rd_kafka_topic_partition_list_destroy(offsets);
    rd_kafka_destroy(consumer);
    return offset;
}

// The first commit is sent again, so a second one beside it would be overtaken; the last is not lost by the close.
static void the_group_ends_with_the_last_report(void **state)
{
    (void)state;
    struct error err;
    rd_kafka_mock_push_request_errors(mock.cluster, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS);
    struct kafka_catalog *catalog = open_plain(mock.brokers);
    for (int64_t next = 1; next <= 4; next++) {
        struct kafka_catalog_progress progress = {TOPIC, 0, next};
        assert_int_equal(kafka_catalog_report(catalog, &progress, 1, 0, &err), STATUS_OK);
    }
    assert_int_equal(kafka_catalog_report(catalog, NULL, 0, TIMEOUT_MS, &err), STATUS_OK);
    struct kafka_catalog_progress last = {TOPIC, 0, 5};
    assert_int_equal(committed(), 4);
    assert_int_equal(kafka_catalog_report(catalog, &last, 1, TIMEOUT_MS, &err), STATUS_OK);
    kafka_catalog_close(catalog);
    assert_int_equal(committed(), 5);
}

static void a_group_that_refuses_is_told_once(void **state)
{
    (void)state;
    struct error err;
    rd_kafka_mock_push_request_errors(mock.cluster, OFFSET_COMMIT, 2, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
                                      RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    struct kafka_catalog *catalog = open_plain(mock.brokers);
    struct kafka_catalog_progress progress = {TOPIC, 0, 1};
    assert_int_not_equal(kafka_catalog_report(catalog, &progress, 1, TIMEOUT_MS, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "the group was not told"));
    assert_int_equal(kafka_catalog_report(catalog, &progress, 1, TIMEOUT_MS, &err), STATUS_OK);
    assert_int_equal(kafka_catalog_report(catalog, &progress, 1, TIMEOUT_MS, &err), STATUS_OK); // it took this one
    // Nobody waits: the answer that a poll takes is told by the next report.
    struct kafka_catalog_partitions found = {0};
    enum status status = STATUS_OK;
    rd_kafka_mock_push_request_errors(mock.cluster, OFFSET_COMMIT, 1, RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED);
    for (int i = 0; i < 1000 && status == STATUS_OK; i++) {
        progress.next = 1 + i % 5;
        status = kafka_catalog_report(catalog, &progress, 1, 0, &err);
        assert_int_equal(kafka_catalog_poll(catalog, false, TIMEOUT_MS, &found, &err), STATUS_OK);
        vector_deinit(&found.items);
        found = (struct kafka_catalog_partitions){0};
    }
    assert_int_not_equal(status, STATUS_OK);
    kafka_catalog_close(catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(partitions_come_with_their_ends_and_starts),
        cmocka_unit_test(starting_offsets_per_partition_are_honoured_and_checked),
        cmocka_unit_test(assign_reads_only_what_it_names),
        cmocka_unit_test(bad_options_are_usage_errors),
        cmocka_unit_test(an_unreachable_broker_can_be_tried_again),
        cmocka_unit_test(the_group_ends_with_the_last_report),
        cmocka_unit_test(a_group_that_refuses_is_told_once),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
