// Decisions about peers: each role by each command, numbers that belong to a certificate, names, and what is logged.
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/access/access.h"
#include "tests/unit/lib/unit_folder.h"

static char path[1024];

static struct access *open_tls(enum access_role self)
{
    const struct access_config config = {.self = self, .name = "p1", .tls = true};
    struct access *access = NULL;
    struct error err;
    assert_int_equal(access_open(&config, &access, &err), STATUS_OK);
    assert_null(access_token_text(access));
    return access;
}

static struct access *open_token(enum access_role self)
{
    const struct access_config config = {.self = self, .name = "p1", .token_file = path};
    struct access *access = NULL;
    struct error err;
    snprintf(path, sizeof path, "%s/token", unit_folder_create());
    assert_int_equal(access_open(&config, &access, &err), STATUS_OK);
    return access;
}

static struct rpc_identity certificate(const char *common_name, const char *organization)
{
    return (struct rpc_identity){
        .tls = true, .address = "10.0.0.9:4000", .common_name = common_name, .organization = organization};
}

static enum status ask(struct access *access, const struct rpc_identity *from, const char *verb, const char *option,
                       struct error *err)
{
    Foreset__AdminRequest request = FORESET__ADMIN_REQUEST__INIT;
    Foreset__Property property = FORESET__PROPERTY__INIT, *options[] = {&property};
    property.key = (char *)option;
    property.value = "true";
    request.version = "1";
    request.verb = (char *)verb;
    request.options = options;
    request.n_options = option ? 1 : 0;
    return access_command(access, from, &request, err);
}

static const char *const organizations[] = {"foreset:reader", "foreset:operator",    "foreset:admin",
                                            "foreset:worker", "foreset:coordinator", "foreset:nobody"};
static const unsigned had[] = {ACCESS_READER, ACCESS_OPERATOR, ACCESS_ADMIN, ACCESS_WORKER, ACCESS_COORDINATOR, 0};

static void each_role_may_what_the_table_says(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    for (size_t r = 0; r < 6; r++) {
        const struct rpc_identity from = certificate("somebody", organizations[r]);
        for (size_t i = 0; access_rule_at(i); i++) {
            const struct access_rule *rule = access_rule_at(i);
            struct error err = {0};
            bool may = access_role_includes(had[r], rule->role);
            assert_int_equal(ask(access, &from, rule->verb, rule->option, &err), may ? STATUS_OK : STATUS_INVALID);
            if (may) continue;
            assert_non_null(strstr(err.message, "CN=somebody"));
            assert_non_null(strstr(err.message, had[r] ? "needs the role " : "has no role"));
        }
    }
    access_close(access);
}

static void what_the_table_does_not_have_nobody_may(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    const struct rpc_identity admin = certificate("a", "foreset:admin");
    struct error err;
    assert_int_equal(ask(access, &admin, "pipelines destroy", NULL, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "pipelines destroy"));
    assert_int_equal(ask(access, &admin, "", NULL, &err), STATUS_INVALID);
    access_close(access);
}

static void a_certificate_without_any_name_has_no_role(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    const struct rpc_identity from = certificate(NULL, NULL);
    struct error err;
    assert_int_equal(ask(access, &from, "cluster status", NULL, &err), STATUS_INVALID);
    assert_int_equal(access_known(access, &from, &err), STATUS_INVALID);
    assert_int_equal(access_message(access, &from, 70000, ENVELOPE_CLUSTER, &err), STATUS_INVALID);
    assert_int_equal(access_worker_name(access, &from, "", &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "has no role"));
    access_close(access);
}

// The option counts, whatever command it comes with: the coordinator might read it there one day.
static void an_option_for_admins_is_so_with_every_command(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    const struct rpc_identity from = certificate("o", "foreset:operator");
    static const char *const verbs[] = {"pipelines start", "pipelines retry", "pipelines list", "pipelines apply"};
    struct error err;
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        assert_int_equal(ask(access, &from, verbs[i], "table", &err), STATUS_OK);
        assert_int_equal(ask(access, &from, verbs[i], "overwrite", &err), STATUS_INVALID);
        assert_int_equal(ask(access, &from, verbs[i], "full-refresh", &err), STATUS_INVALID);
    }
    access_close(access);
}

static void without_tls_the_token_is_everything(void **state)
{
    (void)state;
    struct access *access = open_token(ACCESS_COORDINATOR);
    struct rpc_identity from = {.local = true, .address = "127.0.0.1:4000", .token = access_token_text(access)};
    struct error err;
    for (size_t i = 0; access_rule_at(i); i++)
        assert_int_equal(ask(access, &from, access_rule_at(i)->verb, access_rule_at(i)->option, &err), STATUS_OK);
    assert_int_equal(access_message(access, &from, 70000, ENVELOPE_CLUSTER, &err), STATUS_OK);
    assert_int_equal(access_worker_name(access, &from, "w1", &err), STATUS_OK);
    assert_int_equal(access_peer_name(access, 70000, "w1", &err), STATUS_OK);
    from.common_name = "a"; // a claim that nobody checked
    from.organization = "foreset:admin";
    static const char *const wrong[] = {NULL, "", "0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < 3; i++) {
        from.token = wrong[i];
        assert_int_equal(ask(access, &from, "cluster status", NULL, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, wrong[i] ? "wrong token" : "no token"));
        assert_int_equal(access_message(access, &from, 70000, ENVELOPE_CONTROL, &err), STATUS_INVALID);
        assert_int_equal(access_worker_name(access, &from, "w1", &err), STATUS_INVALID);
    }
    access_close(access);
    unit_folder_remove();
}

static void messages_come_from_their_role_alone(void **state)
{
    (void)state;
    for (unsigned self = ACCESS_WORKER; self <= ACCESS_COORDINATOR; self <<= 1) {
        struct access *access = open_tls((enum access_role)self);
        for (size_t r = 0; r < 6; r++) {
            const struct rpc_identity from = certificate("somebody", organizations[r]);
            for (int kind = ENVELOPE_CLUSTER; kind <= ENVELOPE_EXCHANGE; kind++) {
                unsigned sender = self == ACCESS_COORDINATOR  ? (kind == ENVELOPE_EXCHANGE ? 0 : ACCESS_WORKER)
                                  : kind == ENVELOPE_EXCHANGE ? ACCESS_WORKER
                                                              : ACCESS_COORDINATOR;
                struct error err;
                bool may = sender != 0 && had[r] == sender;
                assert_int_equal(access_message(access, &from, 70000, (enum envelope_kind)kind, &err),
                                 may ? STATUS_OK : STATUS_INVALID);
            }
        }
        access_close(access);
    }
}

static void a_number_belongs_to_one_certificate(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    const struct rpc_identity first = certificate("w1", "foreset:worker"), second = certificate("w2", "foreset:worker");
    struct error err = {0};
    assert_int_equal(access_message(access, &first, 70001, ENVELOPE_CLUSTER, &err), STATUS_OK);
    assert_int_equal(access_message(access, &second, 70001, ENVELOPE_CONTROL, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "CN=w1"));
    assert_non_null(strstr(err.message, "CN=w2"));
    assert_int_equal(access_message(access, &second, 70002, ENVELOPE_CONTROL, &err), STATUS_OK);
    assert_int_equal(access_peer_name(access, 70001, "w1", &err), STATUS_OK);
    assert_int_equal(access_peer_name(access, 70001, "w2", &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "CN=w1"));
    assert_non_null(strstr(err.message, "calls itself w2"));
    assert_int_equal(access_peer_name(access, 70003, "w1", &err), STATUS_INVALID); // of whom nothing was heard
    for (uint32_t i = 0; i < 2 * ACCESS_PEERS_MAX; i++) {                          // new lives of w2, while w1 goes on
        assert_int_equal(access_message(access, &second, 80000 + i, ENVELOPE_CONTROL, &err), STATUS_OK);
        assert_int_equal(access_message(access, &first, 70001, ENVELOPE_CONTROL, &err), STATUS_OK);
    }
    assert_int_equal(access_message(access, &second, 70001, ENVELOPE_CONTROL, &err), STATUS_INVALID);
    access_close(access);
}

static void a_worker_bears_the_name_of_its_certificate(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    struct rpc_identity from = certificate("w1", "foreset:worker");
    struct error err = {0};
    assert_int_equal(access_worker_name(access, &from, "w1", &err), STATUS_OK);
    static const char *const others[] = {"w2", "w", "w11", "W1", ""};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_int_equal(access_worker_name(access, &from, others[i], &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "CN=w1"));
    from.common_name = NULL;
    assert_int_equal(access_worker_name(access, &from, "w1", &err), STATUS_INVALID);
    from = certificate("w1", "foreset:admin"); // the name alone is not enough
    assert_int_equal(access_worker_name(access, &from, "w1", &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "role worker"));
    access_close(access);
}

static void a_log_line_cannot_be_forged(void **state)
{
    (void)state;
    struct access *access = open_tls(ACCESS_COORDINATOR);
    char text[ACCESS_LOG_TEXT_SIZE];
    const struct rpc_identity from = certificate("x\" roles=admin\nts=1", "foreset:reader\\");
    access_identity_text(access, &from, text);
    assert_string_equal(text, "from=\"10.0.0.9:4000\" cn=\"x? roles=admin?ts=1\" organization=\"foreset:reader?\" "
                              "roles=none");
    Foreset__AdminRequest request = FORESET__ADMIN_REQUEST__INIT;
    Foreset__Property property = FORESET__PROPERTY__INIT, *options[300];
    char *names[300];
    property.key = "set:pipeline.name";
    property.value = "S3CRET";
    for (size_t i = 0; i < 300; i++) {
        names[i] = "events\" exit=0 \"";
        options[i] = &property;
    }
    request.verb = "pipelines apply";
    request.names = names;
    request.options = options;
    request.has_text = true;
    request.text = (ProtobufCBinaryData){7, (uint8_t *)"SELECT "};
    request.n_names = request.n_options = 1;
    access_command_text(&request, text);
    assert_string_equal(text, "verb=\"pipelines apply\" names=\"events? exit=0 ?\" options=\"set:pipeline.name\"");
    request.n_names = request.n_options = 300;
    access_command_text(&request, text);
    assert_true(strlen(text) < ACCESS_LOG_TEXT_SIZE);
    assert_int_equal(text[strlen(text) - 1], '"');
    unsigned quotes = 0;
    for (const char *at = text; *at; at++) quotes += *at == '"';
    assert_int_equal(quotes, 6);
    access_close(access);
}

static void refusals_are_logged_with_who_came_and_not_without_bound(void **state)
{
    (void)state;
    static char log[1 << 20];
    struct access *access = open_tls(ACCESS_COORDINATOR);
    const struct rpc_identity from = certificate("w1", "foreset:worker");
    struct error err;
    char file[1024];
    snprintf(file, sizeof file, "%s/log", unit_folder_create());
    fflush(stderr);
    int kept = dup(STDERR_FILENO), to = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(dup2(to, STDERR_FILENO) >= 0);
    for (int i = 0; i < 1000; i++) (void)!ask(access, &from, "pipelines delete", NULL, &err);
    access_refused(access, &from, "connection", "certificate expired");
    dup2(kept, STDERR_FILENO);
    close(kept);
    ssize_t size = pread(to, log, sizeof log - 1, 0);
    close(to);
    assert_true(size > 0);
    assert_non_null(strstr(log, "event=refused coordinator=p1 from=\"10.0.0.9:4000\" cn=\"w1\" "
                                "organization=\"foreset:worker\" roles=worker verb=\"pipelines delete\""));
    unsigned lines = 0;
    for (const char *at = log; (at = strchr(at, '\n')); at++) lines++;
    assert_in_range(lines, 1, 10 * ACCESS_LOG_SECOND); // however slow the machine is: ten seconds
    access_close(access);
    unit_folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_role_may_what_the_table_says),
        cmocka_unit_test(what_the_table_does_not_have_nobody_may),
        cmocka_unit_test(a_certificate_without_any_name_has_no_role),
        cmocka_unit_test(an_option_for_admins_is_so_with_every_command),
        cmocka_unit_test(without_tls_the_token_is_everything),
        cmocka_unit_test(messages_come_from_their_role_alone),
        cmocka_unit_test(a_number_belongs_to_one_certificate),
        cmocka_unit_test(a_worker_bears_the_name_of_its_certificate),
        cmocka_unit_test(a_log_line_cannot_be_forged),
        cmocka_unit_test(refusals_are_logged_with_who_came_and_not_without_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
