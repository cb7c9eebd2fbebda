// Which Kafka properties may be given: the whole list of the linked library is classified, and each refusal says what
// to write instead.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <librdkafka/rdkafka.h>

#include "common/kafka/kafka_property.h"

static void must_be_known(const char *name)
{
    if (!kafka_property_find(name)) fail_msg("librdkafka's property %s is not classified", name);
}

static void every_property_of_the_linked_library_is_classified(void **state)
{
    (void)state;
    size_t count = 0, found = 0;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    const char **pairs = rd_kafka_conf_dump(conf, &count);
    for (size_t i = 0; i < count; i += 2) must_be_known(pairs[i]);
    rd_kafka_conf_dump_free(pairs, count);
    rd_kafka_conf_destroy(conf);
    rd_kafka_topic_conf_t *topic = rd_kafka_topic_conf_new();
    pairs = rd_kafka_topic_conf_dump(topic, &count);
    for (size_t i = 0; i < count; i += 2) must_be_known(pairs[i]);
    rd_kafka_conf_dump_free(pairs, count);
    rd_kafka_topic_conf_destroy(topic);
    // The dump lacks what has no value: the table of its documentation has all.
    char *text = NULL, line[4096], name[256];
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    rd_kafka_conf_properties_show(file);
    fclose(file);
    file = fmemopen(text, size, "r");
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "%255[a-z0-9._]%*[ ]%*1[|]", name) != 1 || !strchr(line, '|')) continue;
        must_be_known(name);
        found++;
    }
    fclose(file);
    free(text);
    assert_true(found > 150);
}

static void the_list_has_each_name_once_and_a_reason_for_each_refusal(void **state)
{
    (void)state;
    size_t count;
    const struct kafka_property *all = kafka_property_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) assert_true(strcmp(all[i - 1].name, all[i].name) < 0);
        bool allowed = all[i].kind == KAFKA_PROPERTY_ALLOWED || all[i].kind == KAFKA_PROPERTY_FILE;
        if (!allowed && !(all[i].say && *all[i].say)) fail_msg("%s is refused without a reason", all[i].name);
    }
}

static const struct {
    const char *name, *value;
    const char *words[3];
} refused[] = {
    // runs code
    {"sasl.kerberos.kinit.cmd", "touch /tmp/x", {"not allowed", "runs a command", "kafka.sasl.kerberos.keytab"}},
    {"SASL.Kerberos.Kinit.Cmd", "touch /tmp/x", {"kafka.sasl.kerberos.kinit.cmd", "runs a command"}},
    {"plugin.library.paths", "/tmp/evil", {"not allowed", "loads a library"}},
    {"ssl.engine.location", "/tmp/evil.so", {"not allowed", "loads a library", "kafka.ssl.key.location"}},
    {"ssl.engine.id", "x", {"not allowed"}},
    {"ssl.providers", "x", {"not allowed"}},
    {"sasl.kerberos.principal", "a; touch /tmp/x", {"kinit is called", "letters, digits"}},
    {"sasl.kerberos.principal", "$(id)", {"kinit is called"}},
    {"sasl.kerberos.principal", "-c", {"kinit is called"}},
    {"sasl.kerberos.keytab", "/tmp/\"`id`", {"kinit is called"}},
    {"sasl.kerberos.service.name", "k|id", {"kinit is called"}},
    // Foreset's own
    {"group.id", "mine", {"cannot be set", "groupIdPrefix"}},
    {"enable.auto.commit", "true", {"cannot be set", "together with the rows"}},
    {"auto.offset.reset", "earliest", {"cannot be set", "startingOffsets"}},
    {"queued.max.messages.kbytes", "9", {"cannot be set", "--memory"}},
    {"bootstrap.servers", "h:1", {"bootstrapServers => 'host:9092'"}},
    {"metadata.broker.list", "h:1", {"bootstrapServers => 'host:9092'"}},
    {"offset.store.path", "/tmp", {"would write files"}},
    {"test.mock.num.brokers", "3", {"cannot be set"}},
    {"statistics.interval.ms", "1", {"cannot be set"}},
    {"acks", "all", {"no use here", "producers"}},
    {"rebalance_cb", "0x1", {"set by programs"}},
    // the JVM's
    {"sasl.jaas.config",
     "org.apache.kafka.X required username=\"u\" password=\"hunter2\";",
     {"not a property of librdkafka", "kafka.sasl.username", "kafka.sasl.password"}},
    {"ssl.truststore.location", "/a.jks", {"kafka.ssl.ca.location", "keytool"}},
    {"ssl.truststore.password", "hunter2", {"not needed", "no password"}},
    {"ssl.keystore.key", "hunter2", {"kafka.ssl.key.pem"}},
    {"ssl.keystore.location", "/a/client.jks", {"PKCS#12", "keytool -importkeystore"}},
    {"ssl.ca.location", "/a/ca.jks", {"takes PEM", "openssl pkcs12"}},
    {"max.poll.records", "500", {"not needed", "leave it out"}},
    {"sasl.login.callback.handler.class", "x.Y", {"not needed", "oauthbearer.token.endpoint.url"}},
    {"key.deserializer", "x.Y", {"not needed"}},
    {"fetch.max.wait.ms", "1", {"kafka.fetch.wait.max.ms"}},
    // unknown, and wrong values
    {"security.protocl", "SSL", {"unknown Kafka property", "did you mean kafka.security.protocol?"}},
    {"no.such.property.at.all.in.the.world", "1", {"unknown Kafka property", "CONFIGURATION.md"}},
    {"", "1", {"unknown Kafka property"}},
    {"security.protocol", "TLS", {"security.protocol", "TLS"}},
    {"security.protocol", "secret('env:X')", {"no secret", "write its value"}},
    {"isolation.level", "dirty", {"isolation.level", "dirty"}},
    {"socket.timeout.ms", "soon", {"socket.timeout.ms"}},
    {"socket.timeout.ms", "1", {"socket.timeout.ms", "range"}},
    {"sasl.mechanism", "SCRAM-SHA-1", {"SCRAM-SHA-256", "\"SCRAM-SHA-1\""}},
    {"sasl.mechanisms", "PLAIN,GSSAPI", {"one of PLAIN"}},
    {"client.id", "a\nb", {"control character", "0x0A", "byte 2"}},
    {"sasl.password", "hunter2\x01", {"control character", "byte 8"}},
    {"ssl.ca.location", "/a\x7f", {"control character"}},
    {"ssl.key.pem", "/path/hunter2.pem", {"text of a PEM file", "kafka.ssl.key.location"}},
};

static void what_is_refused_says_what_to_write(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct error err = {0};
        enum status status = kafka_property_check(KAFKA_USE_SOURCE, refused[i].name, refused[i].value, &err);
        if (status == STATUS_OK) fail_msg("%s = %s is allowed", refused[i].name, refused[i].value);
        assert_int_equal(err.class, ERROR_USAGE);
        for (size_t k = 0; k < 3 && refused[i].words[k]; k++) {
            if (!strstr(err.message, refused[i].words[k]))
                fail_msg("%s: \"%s\" is not in: %s", refused[i].name, refused[i].words[k], err.message);
        }
        if (strstr(err.message, "hunter2")) fail_msg("%s: a secret is shown: %s", refused[i].name, err.message);
    }
}

static void what_may_be_given_is_allowed(void **state)
{
    (void)state;
    static const char *const allowed[][2] = {
        {"security.protocol", "SASL_SSL"},
        {"Security.Protocol", "sasl_ssl"},
        {"sasl.mechanism", "scram-sha-512"},
        {"sasl.password", "secret('env:X')"},
        {"sasl.password", "äö p"},
        {"ssl.key.pem", "-----BEGIN PRIVATE KEY-----\nMII=\n-----END PRIVATE KEY-----"},
        {"ssl.ca.location", "/etc/ssl/ca.pem"},
        {"ssl.ca.location", "probe"},
        {"ssl.keystore.location", "/etc/client.p12"},
        {"sasl.kerberos.principal", "kafka/host.example.org@EXAMPLE.ORG"},
        {"isolation.level", "read_committed"},
        {"client.rack", "eu-1a"}};
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++) {
        struct error err = {0};
        if (kafka_property_check(KAFKA_USE_SOURCE, allowed[i][0], allowed[i][1], &err) != STATUS_OK)
            fail_msg("%s", err.message);
    }
    struct error err = {0};
    assert_int_equal(kafka_property_check(KAFKA_USE_PRODUCE, "acks", "1", &err), STATUS_OK);
    assert_int_equal(kafka_property_check(KAFKA_USE_CONSUME, "auto.offset.reset", "latest", &err), STATUS_OK);
    assert_int_not_equal(kafka_property_check(KAFKA_USE_PRODUCE, "plugin.library.paths", "x", &err), STATUS_OK);
    assert_int_not_equal(kafka_property_check(KAFKA_USE_CONSUME, "group.id", "x", &err), STATUS_OK);
}

// A list "name", "value", …, NULL.
static const char *get(const void *context, const char *name)
{
    for (const char *const *pair = context; *pair; pair += 2) {
        if (strcmp(pair[0], name) == 0) return pair[1];
    }
    return NULL;
}

static void sasl_says_which_properties_are_missing(void **state)
{
    (void)state;
    struct error err = {0};
    const char *none[] = {"security.protocol", "SASL_SSL", NULL};
    assert_int_not_equal(kafka_property_check_together(get, none, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "SASL_SSL needs kafka.sasl.mechanism: PLAIN, SCRAM-SHA-256"));
    const char *plain[] = {
        "security.protocol", "sasl_plaintext", "sasl.mechanisms", "PLAIN", "sasl.username", "u", NULL};
    assert_int_not_equal(kafka_property_check_together(get, plain, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "kafka.sasl.password"));
    const char *oauth[] = {"security.protocol", "SASL_SSL", "sasl.mechanism", "OAUTHBEARER", NULL};
    assert_int_not_equal(kafka_property_check_together(get, oauth, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "oidc"));
    const char *file[] = {"security.protocol",
                          "SASL_SSL",
                          "sasl.mechanism",
                          "OAUTHBEARER",
                          "sasl.oauthbearer.method",
                          "oidc",
                          "sasl.oauthbearer.token.endpoint.url",
                          "file:///etc/passwd",
                          NULL};
    assert_int_not_equal(kafka_property_check_together(get, file, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "https://"));
    const char *full[] = {
        "security.protocol", "SASL_SSL", "sasl.mechanism", "PLAIN", "sasl.username", "u", "sasl.password",
        "secret('env:P')",   NULL};
    assert_int_equal(kafka_property_check_together(get, full, &err), STATUS_OK);
    const char *open[] = {"security.protocol", "PLAINTEXT", NULL}, *nothing[] = {NULL};
    assert_int_equal(kafka_property_check_together(get, open, &err), STATUS_OK);
    assert_int_equal(kafka_property_check_together(get, nothing, &err), STATUS_OK);
}

static void secrets_are_known_by_their_keys(void **state)
{
    (void)state;
    static const char *const secret[] = {"kafka.sasl.password",    "kafka.ssl.key.pem",
                                         "kafka.SSL.Key.Password", "kafka.sasl.oauthbearer.config",
                                         "kafka.sasl.jaas.config", "x.passphrase"};
    static const char *const open[] = {"kafka.sasl.username", "kafka.ssl.ca.location", "subscribe",
                                       "kafka.sasl.oauthbearer.token.endpoint.url"};
    for (size_t i = 0; i < sizeof secret / sizeof *secret; i++) assert_true(kafka_property_option_is_secret(secret[i]));
    for (size_t i = 0; i < sizeof open / sizeof *open; i++) assert_false(kafka_property_option_is_secret(open[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_property_of_the_linked_library_is_classified),
        cmocka_unit_test(the_list_has_each_name_once_and_a_reason_for_each_refusal),
        cmocka_unit_test(what_is_refused_says_what_to_write),
        cmocka_unit_test(what_may_be_given_is_allowed),
        cmocka_unit_test(sasl_says_which_properties_are_missing),
        cmocka_unit_test(secrets_are_known_by_their_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
