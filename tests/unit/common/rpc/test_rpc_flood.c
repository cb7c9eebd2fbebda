// Thousands of connections that never say who they are, from ten addresses, against a process that may open 256 files,
// over tcp and over TLS, where a third of them makes the process sign for them: every request of a rightful client is
// answered, and the process has no more threads than before.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/rpc/rpc_tls_session.h"
#include "tests/unit/common/rpc/certificates.h"
#include "tests/unit/common/rpc/raw_socket.h"

enum {
    ADDRESSES = 10,
    OF_EACH = 1000,
    OF_EACH_SECURE = 400,
    HELLO_MAX = 4096,
    OPEN_MAX_OF_US = 800,
    THREADS_MAX = 8,
    DESCRIPTORS = 256
};
#define DEADLINE_US 30000000

static void answer(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    (void)context;
    rpc_reply(request, bytes, size);
}

struct server {
    pid_t process;
    char url[64];
};
static struct server servers[2]; // plain, secure

// In a process of its own: says its URL, and lives until it is killed.
static void serve(int to, const struct rpc_tls *tls)
{
    struct inbox box;
    struct rpc *rpc = NULL;
    struct error err = {0};
    const struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    const struct rpc_config config = {.url = tls ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
                                      .self = 1,
                                      .tls = tls,
                                      .received = inbox_received,
                                      .requested = answer,
                                      .context = &box};
    inbox_init(&box);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || rpc_open(&config, &rpc, &err) != STATUS_OK) _exit(1);
    if (write(to, rpc_url(rpc), strlen(rpc_url(rpc)) + 1) < 0) _exit(1);
    for (;;) pause();
}

// Before this process has any thread.
static int start_servers(void **state)
{
    (void)state;
    if (!mkdtemp(certificates_folder)) return -1;
    make_authority("ours");
    make_certificate("server", "ours", "127.0.0.1", "subjectAltName=IP:127.0.0.1", 30);
    make_certificate("client", "ours", "client", "", 30);
    const struct rpc_tls tls = tls_of("ours", "server");
    for (unsigned secure = 0; secure < 2; secure++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) != 0) return -1;
        servers[secure].process = fork();
        if (servers[secure].process == 0) serve(ends[1], secure ? &tls : NULL);
        if (read(ends[0], servers[secure].url, sizeof servers[secure].url - 1) <= 0) return -1;
        close(ends[0]);
        close(ends[1]);
    }
    return 0;
}

static int stop_servers(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        kill(servers[i].process, SIGKILL);
        waitpid(servers[i].process, NULL, 0);
    }
    return remove_folder(state);
}

static unsigned count_in(pid_t process, const char *folder)
{
    char path[64];
    unsigned count = 0;
    snprintf(path, sizeof path, "/proc/%d/%s", (int)process, folder);
    DIR *listed = opendir(path);
    while (listed && readdir(listed)) count++;
    if (listed) closedir(listed);
    return count > 2 ? count - 2 : 0;
}

struct flood {
    unsigned port, of_each;
    uint8_t hello[HELLO_MAX]; // what a client of TLS says first
    size_t hello_size;        // 0: no TLS
    _Atomic bool done;
    unsigned made;
};

static void *run_flood(void *argument)
{
    struct flood *flood = argument;
    int open_ones[OPEN_MAX_OF_US];
    const struct sockaddr_in to = raw_socket_address(flood->port);
    for (unsigned i = 0; i < OPEN_MAX_OF_US; i++) open_ones[i] = -1;
    for (unsigned i = 0; i < ADDRESSES * flood->of_each; i++) {
        struct sockaddr_in from = raw_socket_address(0);
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % ADDRESSES);
        int *fd = &open_ones[i % OPEN_MAX_OF_US];
        if (*fd >= 0) close(*fd);
        *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(*fd, (const struct sockaddr *)&from, sizeof from) != 0) continue;
        if (connect(*fd, (const struct sockaddr *)&to, sizeof to) != 0) continue;
        flood->made++;
        if (i % 3 == 0) raw_socket_send(*fd, flood->hello, flood->hello_size);
        if (i % 3 == 1) raw_socket_send(*fd, flood->hello_size ? "\x16\x03\x01\x02" : "FRST", 4); // a slow one
        if (i % 3 == 2) raw_socket_send(*fd, "GET / HTTP/1.1\r\n\r\n", 18);
    }
    for (unsigned i = 0; i < OPEN_MAX_OF_US; i++) {
        if (open_ones[i] >= 0) close(open_ones[i]);
    }
    atomic_store(&flood->done, true);
    return NULL;
}

static void make_hello(struct flood *flood, const struct rpc_tls *tls)
{
    struct rpc_tls_context *context = NULL;
    struct error err = {0};
    const uint8_t *bytes;
    assert_int_equal(rpc_tls_load(tls, &context, &err), STATUS_OK);
    struct rpc_tls_session *session = rpc_tls_session_create(context, "127.0.0.1");
    assert_int_equal(rpc_tls_session_handshake(session), RPC_TLS_MORE);
    flood->hello_size = rpc_tls_session_output(session, &bytes);
    assert_true(flood->hello_size > 0 && flood->hello_size <= sizeof flood->hello);
    memcpy(flood->hello, bytes, flood->hello_size);
    rpc_tls_session_destroy(session);
    rpc_tls_unref(context);
}

static void withstand(const struct server *server, const struct rpc_tls *tls)
{
    pthread_t thread;
    const struct rpc_credentials credentials = {.tls = tls};
    unsigned threads = count_in(server->process, "task"), asked = 0;
    struct flood flood = {.port = (unsigned)atoi(strrchr(server->url, ':') + 1),
                          .of_each = tls ? OF_EACH_SECURE : OF_EACH};
    if (tls) make_hello(&flood, tls);
    thread_create(&thread, "flood", run_flood, &flood);
    for (bool last = false; !last; asked++) {
        struct error err = {0};
        void *reply = NULL;
        size_t size = 0;
        last = atomic_load(&flood.done);
        if (rpc_call(server->url, &credentials, "hello", 5, DEADLINE_US, &reply, &size, &err) != STATUS_OK)
            fail_msg("%s", err.message);
        memory_free(reply);
        assert_int_equal(count_in(server->process, "task"), threads);
        assert_true(count_in(server->process, "fd") <= DESCRIPTORS - RPC_DESCRIPTORS_KEPT);
    }
    thread_join(thread);
    assert_true(threads <= THREADS_MAX && asked > 1);
    assert_int_equal(flood.made, ADDRESSES * flood.of_each);
    assert_int_equal(waitpid(server->process, NULL, WNOHANG), 0); // it lives
}

static void a_rightful_client_withstands_a_flood(void **state)
{
    (void)state;
    withstand(&servers[0], NULL);
}

static void a_rightful_client_withstands_a_flood_of_handshakes(void **state)
{
    (void)state;
    const struct rpc_tls tls = tls_of("ours", "client");
    withstand(&servers[1], &tls);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_rightful_client_withstands_a_flood),
                                       cmocka_unit_test(a_rightful_client_withstands_a_flood_of_handshakes)};
    return cmocka_run_group_tests(tests, start_servers, stop_servers);
}
