// Files and variables that a source may name on a server, and what librdkafka logs of secrets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/confine.h"
#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/kafka/kafka_client.h"

#define SECRET "hunter2-is-long"

static char directory[64], path[128];

static const char *below(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", directory, name);
    return path;
}

static int setup(void **state)
{
    (void)state;
    snprintf(directory, sizeof directory, "/tmp/foreset-secret-XXXXXX");
    assert_non_null(mkdtemp(directory));
    assert_int_equal(mkdir(below("allowed"), 0700), 0);
    FILE *file = fopen(below("allowed/password"), "we");
    fputs(SECRET "\n", file);
    fclose(file);
    file = fopen(below("outside"), "we");
    fputs(SECRET "\n", file);
    fclose(file);
    char target[128];
    snprintf(target, sizeof target, "%s/outside", directory);
    assert_int_equal(symlink(target, below("allowed/link")), 0);
    assert_int_equal(mkfifo(below("allowed/fifo"), 0600), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    static const char *const files[] = {"allowed/password", "allowed/link", "allowed/fifo", "outside"};
    confine_end();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(below(files[i]));
    rmdir(below("allowed"));
    rmdir(directory);
    return 0;
}

static enum status resolve(const char *reference, struct error *err)
{
    char text[256], *value = NULL;
    snprintf(text, sizeof text, "secret('%s')", reference);
    enum status status = kafka_client_secret(text, &value, err);
    if (status == STATUS_OK) assert_string_equal(value, SECRET);
    if (status != STATUS_OK && strstr(err->message, SECRET)) fail_msg("a secret is shown: %s", err->message);
    memory_free(value);
    return status;
}

static void a_standalone_run_reads_what_its_user_may(void **state)
{
    (void)state;
    struct error err;
    char reference[160];
    setenv("FORESET_TEST_SECRET", SECRET, 1);
    assert_int_equal(resolve("env:FORESET_TEST_SECRET", &err), STATUS_OK);
    snprintf(reference, sizeof reference, "file:%s", below("outside"));
    assert_int_equal(resolve(reference, &err), STATUS_OK);
    snprintf(reference, sizeof reference, "file://%s", below("allowed/link"));
    assert_int_equal(resolve(reference, &err), STATUS_OK);
}

static void a_server_reads_below_its_directories_alone(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"outside", "--allow-path"},
                                         {"allowed/../outside", "--allow-path"},
                                         {"allowed/link", "leads to"},
                                         {"allowed//../allowed/../outside", "--allow-path"},
                                         {"allowed/fifo", "not a regular file"},
                                         {"allowed", "not a regular file"},
                                         {"allowed/nothing", "No such file"},
                                         {"allowedx", "--allow-path"}};
    struct error err;
    char reference[200];
    assert_int_equal(confine_start(below("allowed"), "KAFKA_*,ONE", &err), STATUS_OK);
    snprintf(reference, sizeof reference, "file:%s", below("allowed/password"));
    assert_int_equal(resolve(reference, &err), STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        snprintf(reference, sizeof reference, "file:%s", below(bad[i][0]));
        if (resolve(reference, &err) == STATUS_OK) fail_msg("%s was read", reference);
        if (!strstr(err.message, bad[i][1])) fail_msg("%s: %s", reference, err.message);
    }
    assert_int_not_equal(resolve("file:/proc/self/environ", &err), STATUS_OK);
    assert_int_not_equal(resolve("file:relative", &err), STATUS_OK);
    assert_int_not_equal(resolve("file:/etc/passwd", &err), STATUS_OK);
}

static void a_server_reads_the_variables_that_it_allows(void **state)
{
    (void)state;
    static const char *const bad[] = {"env:FORESET_ETCD_PASSWORD", "env:ONES", "env:KAFK", "env:", "env:PATH"};
    struct error err;
    setenv("KAFKA_PASSWORD", SECRET, 1);
    setenv("ONE", SECRET, 1);
    setenv("ONES", SECRET, 1);
    assert_int_equal(confine_start(NULL, "KAFKA_*,ONE", &err), STATUS_OK);
    assert_int_equal(resolve("env:KAFKA_PASSWORD", &err), STATUS_OK);
    assert_int_equal(resolve("env:ONE", &err), STATUS_OK);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (resolve(bad[i], &err) == STATUS_OK) fail_msg("%s was read", bad[i]);
        assert_non_null(strstr(err.message, "--allow-env"));
    }
}

static Foreset__Property option_of(const char *key, const char *value)
{
    Foreset__Property property = FORESET__PROPERTY__INIT;
    property.key = (char *)(uintptr_t)key;
    property.value = (char *)(uintptr_t)value;
    return property;
}

static const char *uses = "PLAINTEXT";

static enum status open_with(const char *key, const char *value, bool check, struct error *err)
{
    Foreset__Property properties[] = {option_of("bootstrapServers", "127.0.0.1:1"), option_of(key, value),
                                      option_of("kafka.security.protocol", uses)};
    Foreset__Property *options[] = {&properties[0], &properties[1], &properties[2]};
    Foreset__Source source = FORESET__SOURCE__INIT;
    source.name = (char *)(uintptr_t) "t/source-1";
    source.options = options;
    source.n_options = 3;
    struct kafka_client *client = NULL;
    const struct kafka_client_property group = {"group.id", "g"};
    if (check) return kafka_client_check(&source, err);
    enum status status = kafka_client_consumer(&source, &group, 1, &client, err);
    kafka_client_close(client);
    return status;
}

// A plan that another version made, or that somebody put into etcd, is checked again where it is used.
static void a_plan_is_not_trusted(void **state)
{
    (void)state;
    struct error err;
    assert_int_not_equal(open_with("kafka.plugin.library.paths", "/tmp/none", false, &err), STATUS_OK);
    assert_non_null(strstr(err.message, "loads a library"));
    assert_int_not_equal(open_with("kafka.sasl.kerberos.kinit.cmd", "true", false, &err), STATUS_OK);
    setenv("KAFKA_BAD", "hunter2\n" SECRET, 1);
    assert_int_not_equal(open_with("kafka.client.id", "secret('env:KAFKA_BAD')", false, &err), STATUS_OK);
    assert_null(strstr(err.message, "hunter2"));
    assert_int_equal(confine_start(below("allowed"), NULL, &err), STATUS_OK);
    // What the protocol does not use is not looked for.
    assert_int_equal(open_with("kafka.sasl.password", "secret('env:HOME')", true, &err), STATUS_OK);
    assert_int_equal(open_with("kafka.sasl.password", "secret('env:HOME')", false, &err), STATUS_OK);
    uses = "SASL_SSL";
    for (int check = 0; check < 2; check++) {
        assert_int_not_equal(open_with("kafka.ssl.ca.location", "/etc/passwd", check, &err), STATUS_OK);
        assert_non_null(strstr(err.message, "--allow-path"));
        assert_int_not_equal(open_with("kafka.ssl.key.location", below("allowed/link"), check, &err), STATUS_OK);
        assert_int_not_equal(open_with("kafka.sasl.password", "secret('env:HOME')", check, &err), STATUS_OK);
        assert_int_not_equal(open_with("kafka.sasl.password", "secret('file:/etc/hostname')", check, &err), STATUS_OK);
    }
    assert_int_equal(open_with("kafka.ssl.ca.location", below("allowed/password"), true, &err), STATUS_OK);
}

static void what_librdkafka_says_has_no_secret(void **state)
{
    (void)state;
    char log[160];
    int kept = dup(STDERR_FILENO);
    snprintf(log, sizeof log, "%s", below("outside"));
    assert_non_null(freopen(log, "we", stderr));
    log_level_set(LOG_LEVEL_DEBUG);
    setenv("KAFKA_TEST", SECRET, 1);
    struct error err = {0};
    Foreset__Property properties[] = {option_of("bootstrapServers", "127.0.0.1:1"),
                                      option_of("kafka.debug", "all"),
                                      option_of("kafka.security.protocol", "sasl_plaintext"),
                                      option_of("kafka.sasl.mechanism", "PLAIN"),
                                      option_of("kafka.sasl.username", "secret('env:KAFKA_TEST')"),
                                      option_of("kafka.sasl.password", SECRET),
                                      option_of("kafka.client.id", "secret('env:KAFKA_TEST')")};
    Foreset__Property *options[7];
    for (size_t i = 0; i < 7; i++) options[i] = &properties[i];
    Foreset__Source source = FORESET__SOURCE__INIT;
    source.name = (char *)(uintptr_t) "t/source-1";
    source.options = options;
    source.n_options = 7;
    struct kafka_client *client = NULL;
    const struct kafka_client_property group = {"group.id", "g"};
    enum status status = kafka_client_consumer(&source, &group, 1, &client, &err);
    kafka_client_close(client);
    log_level_set(LOG_LEVEL_WARN);
    fflush(stderr);
    dup2(kept, STDERR_FILENO);
    close(kept);
    assert_int_equal(status, STATUS_OK);
    FILE *file = fopen(log, "re");
    char line[8192];
    size_t lines = 0, masked = 0;
    while (fgets(line, sizeof line, file)) {
        lines++;
        masked += strstr(line, "***") != NULL;
        if (strstr(line, SECRET)) fail_msg("a secret is in the log: %s", line);
    }
    fclose(file);
    assert_true(lines > 3);
    assert_true(masked > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_standalone_run_reads_what_its_user_may, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_reads_below_its_directories_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_server_reads_the_variables_that_it_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_plan_is_not_trusted, setup, teardown),
        cmocka_unit_test_setup_teardown(what_librdkafka_says_has_no_secret, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
