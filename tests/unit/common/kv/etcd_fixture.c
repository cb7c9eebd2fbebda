// A real etcd for tests. Contract: etcd_fixture.h. Heartbeats are short, so that elections take tenths of seconds.
#include "tests/unit/common/kv/etcd_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "common/http/http_client.h"

#define ETCD_FIXTURE_WAIT_US 60000000

static const char *etcd_fixture_program(void)
{
    static char found[256];
    const char *named = getenv("FORESET_ETCD"), *path = getenv("PATH");
    if (named) return access(named, X_OK) == 0 ? named : NULL;
    for (const char *at = path ? path : ""; *at; at += strcspn(at, ":"), at += *at == ':') {
        snprintf(found, sizeof found, "%.*s/etcd", (int)strcspn(at, ":"), at);
        if (access(found, X_OK) == 0) return found;
    }
    return NULL;
}

bool etcd_fixture_found(void)
{
    if (etcd_fixture_program()) return true;
    print_message("no etcd: set FORESET_ETCD, or install etcd-server (deploy/deps.sh --test)\n");
    if (getenv("CI")) fail_msg("CI must have etcd");
    return false;
}

static int etcd_fixture_port(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    close(fd);
    return ntohs(address.sin_port);
}

static void etcd_fixture_shell(const struct etcd_fixture *etcd, const char *command)
{
    char line[2048];
    snprintf(line, sizeof line, "cd %s && (%s) >shell.log 2>&1", etcd->dir, command);
    if (system(line) != 0) fail_msg("%s", line);
}

// A test authority, one certificate for servers (etcd's gateway uses it as a client too), one for clients.
static void etcd_fixture_certificates(const struct etcd_fixture *etcd)
{
    etcd_fixture_shell(
        etcd, "openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=test-ca && "
              "printf 'subjectAltName=IP:127.0.0.1,DNS:localhost\\nextendedKeyUsage=serverAuth,clientAuth\\n' >ext && "
              "for n in server client; do "
              "openssl req -newkey rsa:2048 -nodes -keyout $n.key -out $n.csr -subj /CN=$n && "
              "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $n.pem "
              "|| exit 1; done && "
              "openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other");
}

static void etcd_fixture_exec(const struct etcd_fixture *etcd, int member, pid_t parent)
{
    char name[16], data[32], client[64], peer[64], initial[256] = "", token[32], log[16];
    snprintf(name, sizeof name, "m%d", member);
    snprintf(data, sizeof data, "m%d.data", member);
    snprintf(token, sizeof token, "test-%d-%d", etcd->peer_port[0], etcd->generation);
    snprintf(client, sizeof client, "http%s://127.0.0.1:%d", etcd->tls ? "s" : "", etcd->client_port[member]);
    snprintf(peer, sizeof peer, "http://127.0.0.1:%d", etcd->peer_port[member]);
    for (int i = 0; i < etcd->count; i++) {
        size_t length = strlen(initial);
        snprintf(initial + length, sizeof initial - length, "%sm%d=http://127.0.0.1:%d", i ? "," : "", i,
                 etcd->peer_port[i]);
    }
    const char *args[] = {"etcd",
                          "--name",
                          name,
                          "--data-dir",
                          data,
                          "--listen-client-urls",
                          client,
                          "--advertise-client-urls",
                          client,
                          "--listen-peer-urls",
                          peer,
                          "--initial-advertise-peer-urls",
                          peer,
                          "--initial-cluster",
                          initial,
                          "--initial-cluster-token",
                          token,
                          "--heartbeat-interval",
                          "50",
                          "--election-timeout",
                          "500",
                          "--unsafe-no-fsync",
                          "--client-cert-auth",
                          "--trusted-ca-file",
                          "ca.pem",
                          "--cert-file",
                          "server.pem",
                          "--key-file",
                          "server.key",
                          NULL};
    size_t count = sizeof args / sizeof *args;
    if (!etcd->tls) args[count - 8] = NULL;
    snprintf(log, sizeof log, "m%d.log", member);
    if (chdir(etcd->dir) != 0) _exit(127);
    int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); // the test ended before that
    execv(etcd_fixture_program(), (char *const *)(uintptr_t)args);
    _exit(127);
}

void etcd_fixture_member_start(struct etcd_fixture *etcd, int member)
{
    pid_t parent = getpid();
    etcd->pid[member] = fork();
    assert_true(etcd->pid[member] >= 0);
    if (etcd->pid[member] == 0) etcd_fixture_exec(etcd, member, parent);
}

void etcd_fixture_member_kill(struct etcd_fixture *etcd, int member)
{
    if (etcd->pid[member] <= 0) return;
    kill(etcd->pid[member], SIGKILL);
    assert_int_equal(waitpid(etcd->pid[member], NULL, 0), etcd->pid[member]);
    etcd->pid[member] = 0;
}

void etcd_fixture_member_pause(struct etcd_fixture *etcd, int member)
{
    int state = 0;
    kill(etcd->pid[member], SIGSTOP);
    assert_int_equal(waitpid(etcd->pid[member], &state, WUNTRACED), etcd->pid[member]);
    assert_true(WIFSTOPPED(state));
}

void etcd_fixture_start(struct etcd_fixture *etcd, int members, bool tls)
{
    *etcd = (struct etcd_fixture){.count = members, .tls = tls};
    snprintf(etcd->dir, sizeof etcd->dir, "/tmp/test_etcd_XXXXXX");
    assert_non_null(mkdtemp(etcd->dir));
    if (tls) etcd_fixture_certificates(etcd);
    for (int i = 0; i < members; i++) {
        size_t length = strlen(etcd->endpoints);
        etcd->client_port[i] = etcd_fixture_port();
        etcd->peer_port[i] = etcd_fixture_port();
        snprintf(etcd->endpoints + length, sizeof etcd->endpoints - length, "%shttp%s://127.0.0.1:%d", i ? "," : "",
                 tls ? "s" : "", etcd->client_port[i]);
    }
    for (int i = 0; i < members; i++) etcd_fixture_member_start(etcd, i);
    struct kv *kv = etcd_fixture_open(etcd, 0);
    etcd_fixture_wait(kv);
    kv_close(kv);
}

void etcd_fixture_stop(struct etcd_fixture *etcd)
{
    char command[128];
    for (int i = 0; i < etcd->count; i++) etcd_fixture_member_kill(etcd, i);
    snprintf(command, sizeof command, "rm -rf %s", etcd->dir);
    if (etcd->dir[0]) assert_int_equal(system(command), 0);
}

void etcd_fixture_wipe(struct etcd_fixture *etcd)
{
    for (int i = 0; i < etcd->count; i++) etcd_fixture_member_kill(etcd, i);
    etcd_fixture_shell(etcd, "rm -rf m*.data");
    etcd->generation++;
    for (int i = 0; i < etcd->count; i++) etcd_fixture_member_start(etcd, i);
    struct kv *kv = etcd_fixture_open(etcd, 0);
    etcd_fixture_wait(kv);
    kv_close(kv);
}

struct kv_etcd_config etcd_fixture_config(const struct etcd_fixture *etcd)
{
    static char ca[96], cert[96], key[96];
    struct kv_etcd_config config = {.endpoints = etcd->endpoints};
    if (!etcd->tls) return config;
    snprintf(ca, sizeof ca, "%s/ca.pem", etcd->dir);
    snprintf(cert, sizeof cert, "%s/client.pem", etcd->dir);
    snprintf(key, sizeof key, "%s/client.key", etcd->dir);
    config.ca = ca;
    config.cert = cert;
    config.key = key;
    return config;
}

struct kv *etcd_fixture_open(const struct etcd_fixture *etcd, int64_t deadline_us)
{
    struct error err;
    struct kv *kv = NULL;
    struct kv_etcd_config config = etcd_fixture_config(etcd);
    config.deadline_us = deadline_us;
    if (kv_etcd_open(&config, &kv, &err) != STATUS_OK) fail_msg("%s", err.message);
    return kv;
}

void etcd_fixture_wait(struct kv *kv)
{
    struct error err;
    struct kv_identity identity;
    int64_t until_us = clock_boot_us(clock_system()) + ETCD_FIXTURE_WAIT_US;
    while (kv->ops->identity(kv, &identity, &err) != STATUS_OK) {
        if (err.class != ERROR_RETRY || clock_boot_us(clock_system()) > until_us) fail_msg("%s", err.message);
    }
}

static bool etcd_fixture_ask(const struct etcd_fixture *etcd, int member, const char *path, const char *body,
                             const char *token, char ret_answer[4096])
{
    char url[128], authorization[512];
    struct http_client *client = NULL;
    struct http_response response = {0};
    struct error err;
    struct kv_etcd_config tls = etcd_fixture_config(etcd);
    struct http_client_config config = {.ca = tls.ca, .cert = tls.cert, .key = tls.key};
    const char *headers[] = {"Content-Type: application/json", authorization};
    snprintf(authorization, sizeof authorization, "Authorization: %s", token ? token : "");
    snprintf(url, sizeof url, "http%s://127.0.0.1:%d%s", etcd->tls ? "s" : "", etcd->client_port[member], path);
    struct http_request request = {.method = "POST",
                                   .url = url,
                                   .headers = headers,
                                   .header_count = token ? 2 : 1,
                                   .body = body,
                                   .size = strlen(body),
                                   .deadline_us = 10000000,
                                   .answer_max = 4095};
    assert_int_equal(http_client_create(&config, &client, &err), STATUS_OK);
    bool answered = http_client_send(client, &request, &response, &err) == STATUS_OK;
    snprintf(ret_answer, 4096, "%s", answered ? text_str(&response.body) : err.message);
    answered = answered && response.code == 200;
    http_client_response_deinit(&response);
    http_client_destroy(client);
    return answered;
}

void etcd_fixture_post(const struct etcd_fixture *etcd, int member, const char *path, const char *body,
                       const char *token, char ret_answer[4096])
{
    if (!etcd_fixture_ask(etcd, member, path, body, token, ret_answer)) fail_msg("%s: %s", path, ret_answer);
}

static bool etcd_fixture_field(const char *answer, const char *name, char ret_value[32])
{
    char wanted[32];
    snprintf(wanted, sizeof wanted, "\"%s\":\"", name);
    const char *at = strstr(answer, wanted);
    if (!at) return false;
    at += strlen(wanted);
    snprintf(ret_value, 32, "%.*s", (int)strcspn(at, "\""), at);
    return true;
}

int etcd_fixture_leader(const struct etcd_fixture *etcd)
{
    for (int i = 0; i < etcd->count; i++) {
        char answer[4096], leader[32], member[32];
        if (etcd->pid[i] <= 0 || !etcd_fixture_ask(etcd, i, "/v3/maintenance/status", "{}", NULL, answer)) continue;
        if (etcd_fixture_field(answer, "leader", leader) && etcd_fixture_field(answer, "member_id", member) &&
            strcmp(leader, member) == 0) {
            return i;
        }
    }
    fail_msg("no member leads");
    return -1;
}
