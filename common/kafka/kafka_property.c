// Kafka properties: the list, and its checks. What can fail: a name or value that is refused, with what to write.
// The list holds every property of librdkafka 2.0.2 and of later versions, and those of the JVM client that users bring
// along; a test compares it with the linked library.
#include "common/kafka/kafka_property.h"

#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/text.h"

#define VALUE_BYTES_MAX (64u << 10)

#define SAY_PRODUCER "it is a property of producers, and this reads"
#define SAY_OFFSETS  "Foreset decides itself which offsets count, together with the rows"
#define SAY_NEEDLESS "not needed: leave it out"
#define SAY_PROGRAMS "it is set by programs, not by text"
#define SAY_EVENTS   "Foreset takes no events of this kind"
#define SAY_MEMORY   "a pipeline derives it from its memory (SET pipeline.memory, --memory)"
#define SAY_GROUP    "a pipeline joins no consumer group"
#define SAY_TLS      "not needed: leave it out; OpenSSL does TLS here"
#define SAY_LIBRARY  "it loads a library into the server; a key is given by kafka.ssl.key.location or kafka.ssl.key.pem"
#define SAY_TOKEN                                                                                                      \
    "not needed: leave it out; a token comes by kafka.sasl.oauthbearer.method => 'oidc', "                             \
    "kafka.sasl.oauthbearer.token.endpoint.url, kafka.sasl.oauthbearer.client.id and "                                 \
    "kafka.sasl.oauthbearer.client.secret"

static const struct kafka_property properties[] = {
    {"acks", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"allow.auto.create.topics", KAFKA_PROPERTY_OWN, false, "a topic that is missing is refused, never created"},
    {"api.version.fallback.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"api.version.request", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"api.version.request.timeout.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"auto.commit.enable", KAFKA_PROPERTY_OWN, false, SAY_OFFSETS},
    {"auto.commit.interval.ms", KAFKA_PROPERTY_OWN, false, SAY_OFFSETS},
    {"auto.include.jmx.reporter", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"auto.offset.reset", KAFKA_PROPERTY_TUNED, false,
     "a pipeline begins at the option startingOffsets, and goes on from what it decided"},
    {"background_event_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"batch.num.messages", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"batch.size", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"bootstrap.servers", KAFKA_PROPERTY_OWN, false,
     "write bootstrapServers => 'host:9092' (--brokers of a command, --kafka bootstrap.servers=host:9092 of a "
     "pipeline)"},
    {"broker.address.family", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"broker.address.ttl", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"broker.version.fallback", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"buffer.memory", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"builtin.features", KAFKA_PROPERTY_OWN, false, "it describes librdkafka and cannot be set"},
    {"check.crcs", KAFKA_PROPERTY_TUNED, false, "a pipeline always checks them"},
    {"client.dns.lookup", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"client.id", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"client.rack", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"client.software.name", KAFKA_PROPERTY_OWN, false, "Foreset sets it"},
    {"client.software.version", KAFKA_PROPERTY_OWN, false, "Foreset sets it"},
    {"closesocket_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"compression.codec", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"compression.level", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"compression.type", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"connect_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"connections.max.idle.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"consume.callback.max.messages", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"consume_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"coordinator.query.interval.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"debug", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"default.api.timeout.ms", KAFKA_PROPERTY_FOREIGN, false, "write kafka.socket.timeout.ms"},
    {"default_topic_conf", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"delivery.report.only.error", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"delivery.timeout.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"dr_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"dr_msg_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"enable.auto.commit", KAFKA_PROPERTY_OWN, false, SAY_OFFSETS},
    {"enable.auto.offset.store", KAFKA_PROPERTY_OWN, false, SAY_OFFSETS},
    {"enable.gapless.guarantee", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"enable.idempotence", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"enable.metrics.push", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"enable.partition.eof", KAFKA_PROPERTY_OWN, false, "Foreset needs it set to know the end of a partition"},
    {"enable.random.seed", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"enable.sasl.oauthbearer.unsecure.jwt", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"enable.sparse.connections", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"enable.ssl.certificate.verification", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"enable_sasl_queue", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"enabled_events", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"error_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"exclude.internal.topics", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"fetch.error.backoff.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"fetch.max.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"fetch.max.wait.ms", KAFKA_PROPERTY_FOREIGN, false,
     "write kafka.fetch.wait.max.ms to consume; a pipeline sets it itself"},
    {"fetch.message.max.bytes", KAFKA_PROPERTY_TUNED, false, SAY_MEMORY},
    {"fetch.min.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"fetch.queue.backoff.ms", KAFKA_PROPERTY_TUNED, false,
     "a pipeline reads each planned range at once, so it sets this itself"},
    {"fetch.wait.max.ms", KAFKA_PROPERTY_TUNED, false,
     "a pipeline reads each planned range at once, so it sets this itself"},
    {"group.id", KAFKA_PROPERTY_OWN, false,
     "a pipeline reports its progress to the group <groupIdPrefix>-<pipeline>: write groupIdPrefix; consume takes "
     "--group"},
    {"group.instance.id", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"group.protocol", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"group.protocol.type", KAFKA_PROPERTY_OWN, false, "Foreset sets it"},
    {"group.remote.assignor", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"heartbeat.interval.ms", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"https.ca.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"https.ca.pem", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"interceptor.classes", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"interceptors", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"internal.leave.group.on.close", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"internal.termination.signal", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"isolation.level", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"key.deserializer", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"key.serializer", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"linger.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"log.connection.close", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"log.queue", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"log.thread.name", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"log_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"log_level", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"max.block.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"max.in.flight", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"max.in.flight.requests.per.connection", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"max.partition.fetch.bytes", KAFKA_PROPERTY_TUNED, false, SAY_MEMORY},
    {"max.poll.interval.ms", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"max.poll.records", KAFKA_PROPERTY_OWN, false,
     "not needed: leave it out; a pipeline plans epochs by maxOffsetsPerTrigger and its memory"},
    {"max.request.size", KAFKA_PROPERTY_FOREIGN, false, "write kafka.message.max.bytes"},
    {"message.copy.max.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"message.max.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"message.send.max.retries", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"message.timeout.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"metadata.broker.list", KAFKA_PROPERTY_OWN, false,
     "write bootstrapServers => 'host:9092' (--brokers of a command, --kafka bootstrap.servers=host:9092 of a "
     "pipeline)"},
    {"metadata.max.age.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"metadata.recovery.rebootstrap.trigger.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"metadata.recovery.strategy", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"metadata.request.timeout.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"metric.reporters", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"metrics.num.samples", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"metrics.recording.level", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"metrics.sample.window.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"msg_order_cmp", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"oauthbearer_token_refresh_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"offset.store.method", KAFKA_PROPERTY_OWN, false, SAY_OFFSETS},
    {"offset.store.path", KAFKA_PROPERTY_OWN, false, "it would write files; Foreset keeps offsets with the tables"},
    {"offset.store.sync.interval.ms", KAFKA_PROPERTY_OWN, false,
     "it would write files; Foreset keeps offsets with the tables"},
    {"offset_commit_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"opaque", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"open_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"partition.assignment.strategy", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"partitioner", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"partitioner.class", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"partitioner_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"plugin.library.paths", KAFKA_PROPERTY_CODE, false, "it loads a library into the server"},
    {"produce.offset.report", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"queue.buffering.backpressure.threshold", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"queue.buffering.max.kbytes", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"queue.buffering.max.messages", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"queue.buffering.max.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"queued.max.messages.kbytes", KAFKA_PROPERTY_TUNED, false, SAY_MEMORY},
    {"queued.min.messages", KAFKA_PROPERTY_TUNED, false, SAY_MEMORY},
    {"queuing.strategy", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"rebalance_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"receive.buffer.bytes", KAFKA_PROPERTY_FOREIGN, false, "write kafka.socket.receive.buffer.bytes"},
    {"receive.message.max.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"reconnect.backoff.jitter.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"reconnect.backoff.max.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"reconnect.backoff.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"request.required.acks", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"request.timeout.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"resolve_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"retries", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"retry.backoff.max.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"retry.backoff.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.client.callback.handler.class", KAFKA_PROPERTY_FOREIGN, false, SAY_TOKEN},
    {"sasl.jaas.config", KAFKA_PROPERTY_FOREIGN, true,
     "write what it names as kafka.sasl.username and kafka.sasl.password (a Kerberos login: "
     "kafka.sasl.kerberos.principal and kafka.sasl.kerberos.keytab; OAuth: kafka.sasl.oauthbearer.*)"},
    {"sasl.kerberos.keytab", KAFKA_PROPERTY_FILE, false, NULL},
    {"sasl.kerberos.kinit.cmd", KAFKA_PROPERTY_CODE, false,
     "it runs a command as the user of the server; give kafka.sasl.kerberos.keytab and kafka.sasl.kerberos.principal, "
     "and kinit runs with them"},
    {"sasl.kerberos.min.time.before.relogin", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.kerberos.principal", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.kerberos.service.name", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.kerberos.ticket.renew.jitter", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.kerberos.ticket.renew.window.factor", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.callback.handler.class", KAFKA_PROPERTY_FOREIGN, false, SAY_TOKEN},
    {"sasl.login.class", KAFKA_PROPERTY_FOREIGN, false, SAY_TOKEN},
    {"sasl.login.connect.timeout.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.read.timeout.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.refresh.buffer.seconds", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.refresh.min.period.seconds", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.refresh.window.factor", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.refresh.window.jitter", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.retry.backoff.max.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.login.retry.backoff.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.mechanism", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.mechanisms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.algorithm", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.aud", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.exp.seconds", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.iss", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.jti.include", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.nbf.seconds", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.claim.sub", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.assertion.file", KAFKA_PROPERTY_FILE, false, NULL},
    {"sasl.oauthbearer.assertion.jwt.template.file", KAFKA_PROPERTY_FILE, false, NULL},
    {"sasl.oauthbearer.assertion.private.key.file", KAFKA_PROPERTY_FILE, false, NULL},
    {"sasl.oauthbearer.assertion.private.key.passphrase", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.oauthbearer.assertion.private.key.pem", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.oauthbearer.client.credentials.client.id", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.client.credentials.client.secret", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.oauthbearer.client.id", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.client.secret", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.oauthbearer.clock.skew.seconds", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.config", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.oauthbearer.expected.audience", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.expected.issuer", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.extensions", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.grant.type", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.jwks.endpoint.refresh.ms", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.jwks.endpoint.url", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.metadata.authentication.type", KAFKA_PROPERTY_CODE, false,
     "it sends the credentials of the server's machine to the broker; use client credentials of your own"},
    {"sasl.oauthbearer.method", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.scope", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.scope.claim.name", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"sasl.oauthbearer.sub.claim.name", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.oauthbearer.token.endpoint.url", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"sasl.password", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"sasl.server.callback.handler.class", KAFKA_PROPERTY_FOREIGN, false, SAY_TOKEN},
    {"sasl.username", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"security.protocol", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"security.providers", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"send.buffer.bytes", KAFKA_PROPERTY_FOREIGN, false, "write kafka.socket.send.buffer.bytes"},
    {"session.timeout.ms", KAFKA_PROPERTY_TUNED, false, SAY_GROUP},
    {"share.acknowledgement.mode", KAFKA_PROPERTY_OWN, false,
     "not needed: leave it out; a pipeline plans epochs by maxOffsetsPerTrigger and its memory"},
    {"socket.blocking.max.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.connection.setup.timeout.max.ms", KAFKA_PROPERTY_FOREIGN, false,
     "write kafka.socket.connection.setup.timeout.ms"},
    {"socket.connection.setup.timeout.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.keepalive.enable", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.max.fails", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.nagle.disable", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.receive.buffer.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.send.buffer.bytes", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket.timeout.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"socket_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"ssl.ca.certificate.stores", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.ca.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"ssl.ca.pem", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.certificate.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"ssl.certificate.pem", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.certificate.verify_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"ssl.cipher.suites", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.crl.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"ssl.curves.list", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.enabled.protocols", KAFKA_PROPERTY_FOREIGN, false,
     "not needed: TLS 1.2 and later are agreed with the broker; kafka.ssl.cipher.suites narrows it"},
    {"ssl.endpoint.identification.algorithm", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.engine.factory.class", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"ssl.engine.id", KAFKA_PROPERTY_CODE, false, SAY_LIBRARY},
    {"ssl.engine.location", KAFKA_PROPERTY_CODE, false, SAY_LIBRARY},
    {"ssl.key.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"ssl.key.password", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"ssl.key.pem", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"ssl.keymanager.algorithm", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"ssl.keystore.certificate.chain", KAFKA_PROPERTY_FOREIGN, false, "write kafka.ssl.certificate.pem"},
    {"ssl.keystore.key", KAFKA_PROPERTY_FOREIGN, true, "write kafka.ssl.key.pem"},
    {"ssl.keystore.location", KAFKA_PROPERTY_FILE, false, NULL},
    {"ssl.keystore.password", KAFKA_PROPERTY_ALLOWED, true, NULL},
    {"ssl.keystore.type", KAFKA_PROPERTY_FOREIGN, false,
     "not needed: kafka.ssl.ca.location takes PEM, kafka.ssl.keystore.location takes PKCS#12"},
    {"ssl.protocol", KAFKA_PROPERTY_FOREIGN, false,
     "not needed: TLS 1.2 and later are agreed with the broker; kafka.ssl.cipher.suites narrows it"},
    {"ssl.provider", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"ssl.providers", KAFKA_PROPERTY_CODE, false, SAY_LIBRARY},
    {"ssl.secure.random.implementation", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"ssl.sigalgs.list", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"ssl.trustmanager.algorithm", KAFKA_PROPERTY_FOREIGN, false, SAY_TLS},
    {"ssl.truststore.certificates", KAFKA_PROPERTY_FOREIGN, false, "write kafka.ssl.ca.pem"},
    {"ssl.truststore.location", KAFKA_PROPERTY_FOREIGN, false,
     "write kafka.ssl.ca.location => '/path/ca.pem', a PEM file: keytool -exportcert -rfc -keystore truststore.jks "
     "-alias ALIAS -file ca.pem"},
    {"ssl.truststore.password", KAFKA_PROPERTY_FOREIGN, true,
     "not needed: the PEM file of kafka.ssl.ca.location has no password"},
    {"ssl.truststore.type", KAFKA_PROPERTY_FOREIGN, false,
     "not needed: kafka.ssl.ca.location takes PEM, kafka.ssl.keystore.location takes PKCS#12"},
    {"ssl_ca", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"ssl_certificate", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"ssl_engine_callback_data", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"ssl_key", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"statistics.interval.ms", KAFKA_PROPERTY_OWN, false, SAY_EVENTS},
    {"stats_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"sticky.partitioning.linger.ms", KAFKA_PROPERTY_PRODUCER, false, SAY_PRODUCER},
    {"test.mock.broker.rtt", KAFKA_PROPERTY_OWN, false,
     "it replaces the brokers by simulated ones; for tests there is foreset broker"},
    {"test.mock.num.brokers", KAFKA_PROPERTY_OWN, false,
     "it replaces the brokers by simulated ones; for tests there is foreset broker"},
    {"throttle_cb", KAFKA_PROPERTY_FOREIGN, false, SAY_PROGRAMS},
    {"topic.blacklist", KAFKA_PROPERTY_OWN, false, "name the topics to read in subscribe"},
    {"topic.metadata.propagation.max.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"topic.metadata.refresh.fast.cnt", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"topic.metadata.refresh.fast.interval.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"topic.metadata.refresh.interval.ms", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"topic.metadata.refresh.sparse", KAFKA_PROPERTY_ALLOWED, false, NULL},
    {"transaction.timeout.ms", KAFKA_PROPERTY_OWN, false, "produce writes without transactions"},
    {"transactional.id", KAFKA_PROPERTY_OWN, false, "produce writes without transactions"},
    {"value.deserializer", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
    {"value.serializer", KAFKA_PROPERTY_FOREIGN, false, SAY_NEEDLESS},
};
enum { PROPERTY_COUNT = sizeof properties / sizeof *properties };

const struct kafka_property *kafka_property_all(size_t *ret_count)
{
    *ret_count = PROPERTY_COUNT;
    return properties;
}

const struct kafka_property *kafka_property_find(const char *name)
{
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        if (strcasecmp(properties[i].name, name) == 0) return &properties[i];
    }
    return NULL;
}

bool kafka_property_is_reference(const char *value)
{
    size_t length = strlen(value);
    return strncasecmp(value, "secret('", 8) == 0 && length > 10 && strcmp(value + length - 2, "')") == 0;
}

bool kafka_property_option_is_secret(const char *key)
{
    static const char *const words[] = {"password", "passphrase", "secret", "jaas", "credential", "token", "private"};
    const struct kafka_property *property = kafka_property_find(strncasecmp(key, "kafka.", 6) == 0 ? key + 6 : key);
    if (property) return property->secret;
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcasestr(key, words[i])) return true;
    }
    return false;
}

static enum status property_unknown(const char *name, struct error *err)
{
    const char *names[PROPERTY_COUNT + 1];
    size_t count = 0;
    for (size_t i = 0; i < PROPERTY_COUNT; i++) {
        bool hidden = properties[i].kind == KAFKA_PROPERTY_FOREIGN || properties[i].kind == KAFKA_PROPERTY_CODE;
        if (!hidden) names[count++] = properties[i].name;
    }
    names[count] = NULL;
    const char *near = text_nearest(name, names);
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "unknown Kafka property kafka.%.100s%s%s%s", name,
                     near ? "; did you mean kafka." : "; the properties are those of librdkafka's CONFIGURATION.md",
                     near ? near : "", near ? "?" : "");
}

static enum status property_refuse(const struct kafka_property *property, enum kafka_property_use use,
                                   struct error *err)
{
    const char *name = property->name, *say = property->say;
    switch (property->kind) {
    case KAFKA_PROPERTY_ALLOWED:
    case KAFKA_PROPERTY_FILE: return STATUS_OK;
    case KAFKA_PROPERTY_TUNED:
        if (use != KAFKA_USE_SOURCE) return STATUS_OK;
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the Kafka property kafka.%s cannot be set: %s", name, say);
    case KAFKA_PROPERTY_OWN:
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the Kafka property kafka.%s cannot be set: %s", name, say);
    case KAFKA_PROPERTY_PRODUCER:
        if (use == KAFKA_USE_PRODUCE) return STATUS_OK;
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the Kafka property kafka.%s has no use here: %s", name,
                         say);
    case KAFKA_PROPERTY_CODE:
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the Kafka property kafka.%s is not allowed: %s", name, say);
    case KAFKA_PROPERTY_FOREIGN: break;
    }
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "kafka.%s is not a property of librdkafka: %s", name, say);
}

static enum status property_check_mechanism(const char *name, const char *value, struct error *err)
{
    static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "GSSAPI", NULL};
    for (size_t i = 0; mechanisms[i]; i++) {
        if (strcasecmp(mechanisms[i], value) == 0) return STATUS_OK;
    }
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "kafka.%s takes one of PLAIN, SCRAM-SHA-256, SCRAM-SHA-512, OAUTHBEARER and GSSAPI, not \"%.60s\"",
                     name, value);
}

// librdkafka puts these into the command line of kinit, which a shell runs.
static enum status property_check_kerberos(const char *name, const char *value, struct error *err)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/@-";
    size_t good = strspn(value, safe);
    if (value[good] == '\0' && *value != '\0' && *value != '-') return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "kafka.%s takes letters, digits, '.', '_', '/', '@' and '-' (not first), because kinit is called "
                     "with it; \"%.60s\" is not allowed",
                     name, value);
}

static enum status property_check_characters(const struct kafka_property *property, const char *value,
                                             struct error *err)
{
    size_t length = strlen(value);
    bool pem = length > 0 && strcmp(property->name + strlen(property->name) - 4, ".pem") == 0;
    if (length > VALUE_BYTES_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "kafka.%s: the value has %zu bytes, at most %u are possible",
                         property->name, length, VALUE_BYTES_MAX);
    }
    for (size_t i = 0; i < length; i++) {
        bool line = value[i] == '\n' || value[i] == '\r' || value[i] == '\t';
        if (((unsigned char)value[i] >= ' ' && value[i] != 0x7F) || (pem && line)) continue;
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "kafka.%s: the value has a control character (0x%02X) at byte %zu", property->name,
                         (unsigned)(unsigned char)value[i], i + 1);
    }
    if (pem && !strstr(value, "-----BEGIN ")) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "kafka.%s takes the text of a PEM file (-----BEGIN …), not a path; a path is given by "
                         "kafka.%.*s.location",
                         property->name, (int)(strlen(property->name) - 4), property->name);
    }
    return STATUS_OK;
}

static enum status property_check_file(const char *name, const char *value, struct error *err)
{
    size_t length = strlen(value);
    bool jks = (length > 4 && strcasecmp(value + length - 4, ".jks") == 0) ||
               (length > 9 && strcasecmp(value + length - 9, ".keystore") == 0) ||
               (length > 11 && strcasecmp(value + length - 11, ".truststore") == 0);
    if (!jks) return STATUS_OK;
    return error_set(
        err, STATUS_INVALID, ERROR_USAGE,
        "kafka.%s takes %s, not the JVM's key store %.200s; keytool -importkeystore -srckeystore FILE.jks "
        "-destkeystore FILE.p12 -deststoretype PKCS12 converts it, openssl pkcs12 -in FILE.p12 makes PEM of "
        "it",
        name, strstr(name, "keystore") ? "PKCS#12" : "PEM", value);
}

// What librdkafka itself says of a value: number, range, one of a list. Only for names that are allowed, because it
// loads what plugin.library.paths names here already.
static enum status property_check_value(const struct kafka_property *property, const char *value, struct error *err)
{
    char reason[512];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_res_t result = rd_kafka_conf_set(conf, property->name, value, reason, sizeof reason);
    rd_kafka_conf_destroy(conf);
    if (result == RD_KAFKA_CONF_OK) return STATUS_OK;
    if (result == RD_KAFKA_CONF_UNKNOWN) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "kafka.%s: the librdkafka in use (%s) does not have it yet",
                         property->name, rd_kafka_version_str());
    }
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "kafka.%s: %s", property->name,
                     property->secret ? "librdkafka refuses its value" : reason);
}

enum status kafka_property_check(enum kafka_property_use use, const char *name, const char *value, struct error *err)
{
    enum status status = STATUS_OK;
    const struct kafka_property *property = kafka_property_find(name);
    if (!property) return property_unknown(name, err);
    TRY(property_refuse(property, use, err));
    if (kafka_property_is_reference(value)) {
        // What is looked for depends on these, so a plan must show them.
        static const char *const plain[] = {"security.protocol", "sasl.mechanism", "sasl.mechanisms"};
        for (size_t i = 0; i < sizeof plain / sizeof *plain; i++) {
            if (strcmp(property->name, plain[i]) != 0) continue;
            return error_set(err, STATUS_INVALID, ERROR_USAGE, "kafka.%s is no secret: write its value", plain[i]);
        }
        goto out;
    }
    TRY(property_check_characters(property, value, err));
    if (strcmp(property->name, "sasl.mechanism") == 0 || strcmp(property->name, "sasl.mechanisms") == 0)
        TRY(property_check_mechanism(property->name, value, err));
    if (strcmp(property->name, "sasl.kerberos.principal") == 0 || strcmp(property->name, "sasl.kerberos.keytab") == 0 ||
        strcmp(property->name, "sasl.kerberos.service.name") == 0)
        TRY(property_check_kerberos(property->name, value, err));
    if (property->kind == KAFKA_PROPERTY_FILE) TRY(property_check_file(property->name, value, err));
    status = property_check_value(property, value, err);
out:
    return status;
}

static bool given(kafka_property_get get, const void *context, const char *name)
{
    const char *value = get(context, name);
    return value && *value;
}

static enum status oauth_check(kafka_property_get get, const void *context, struct error *err)
{
    const char *method = get(context, "sasl.oauthbearer.method"),
               *unsecure = get(context, "enable.sasl.oauthbearer.unsecure.jwt");
    bool oidc = method && strcasecmp(method, "oidc") == 0, plain = unsecure && strcasecmp(unsecure, "true") == 0;
    if (oidc && !given(get, context, "sasl.oauthbearer.token.endpoint.url")) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "kafka.sasl.oauthbearer.method oidc needs kafka.sasl.oauthbearer.token.endpoint.url");
    }
    const char *url = get(context, "sasl.oauthbearer.token.endpoint.url");
    if (url && strncasecmp(url, "https://", 8) != 0 && strncasecmp(url, "http://", 7) != 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "kafka.sasl.oauthbearer.token.endpoint.url takes an https:// address, not \"%.100s\"", url);
    }
    if (oidc || plain) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "the mechanism OAUTHBEARER needs kafka.sasl.oauthbearer.method => 'oidc', with "
                     "kafka.sasl.oauthbearer.token.endpoint.url, kafka.sasl.oauthbearer.client.id and "
                     "kafka.sasl.oauthbearer.client.secret");
}

enum status kafka_property_check_together(kafka_property_get get, const void *context, struct error *err)
{
    const char *protocol = get(context, "security.protocol"), *mechanism = get(context, "sasl.mechanism");
    if (!mechanism) mechanism = get(context, "sasl.mechanisms");
    if (!protocol || strncasecmp(protocol, "sasl_", 5) != 0) return STATUS_OK;
    if (!mechanism) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "kafka.security.protocol %.20s needs kafka.sasl.mechanism: PLAIN, SCRAM-SHA-256 or "
                         "SCRAM-SHA-512 (with kafka.sasl.username and kafka.sasl.password), OAUTHBEARER, or GSSAPI "
                         "for Kerberos",
                         protocol);
    }
    bool password = strcasecmp(mechanism, "PLAIN") == 0 || strncasecmp(mechanism, "SCRAM-", 6) == 0;
    if (password && !(given(get, context, "sasl.username") && given(get, context, "sasl.password"))) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "the mechanism %.20s needs kafka.sasl.username and kafka.sasl.password (as "
                         "secret('env:NAME') or secret('file:/path'))",
                         mechanism);
    }
    return strcasecmp(mechanism, "OAUTHBEARER") == 0 ? oauth_check(get, context, err) : STATUS_OK;
}
