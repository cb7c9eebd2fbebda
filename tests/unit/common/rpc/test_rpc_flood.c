// Ten thousand connections that never say who they are, a thousand from each of ten addresses, against a process that
// may open 256 files: a rightful client does not notice, and the process has no more threads than before.
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "tests/unit/common/rpc/raw_socket.h"

enum { ADDRESSES = 10, OF_EACH = 1000, OPEN_MAX_OF_US = 800, THREADS_MAX = 8, DESCRIPTORS = 256 };
#define DEADLINE_US 30000000

static void answer(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    (void)context;
    rpc_reply(request, bytes, size);
}

// In a process of its own: says its URL, and lives until it is killed.
static void serve(int to)
{
    struct inbox box;
    struct rpc *rpc = NULL;
    struct error err = {0};
    const struct rlimit limit = {DESCRIPTORS, DESCRIPTORS};
    const struct rpc_config config = {
        .url = "tcp://127.0.0.1:0", .self = 1, .received = inbox_received, .requested = answer, .context = &box};
    inbox_init(&box);
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || rpc_open(&config, &rpc, &err) != STATUS_OK) _exit(1);
    if (write(to, rpc_url(rpc), strlen(rpc_url(rpc)) + 1) < 0) _exit(1);
    for (;;) pause();
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
    unsigned port;
    _Atomic bool done;
    unsigned made;
};

static void *run_flood(void *argument)
{
    struct flood *flood = argument;
    int open_ones[OPEN_MAX_OF_US];
    const struct sockaddr_in to = raw_socket_address(flood->port);
    for (unsigned i = 0; i < OPEN_MAX_OF_US; i++) open_ones[i] = -1;
    for (unsigned i = 0; i < ADDRESSES * OF_EACH; i++) {
        struct sockaddr_in from = raw_socket_address(0);
        from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + i % ADDRESSES);
        int *fd = &open_ones[i % OPEN_MAX_OF_US];
        if (*fd >= 0) close(*fd);
        *fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (bind(*fd, (const struct sockaddr *)&from, sizeof from) != 0) continue;
        if (connect(*fd, (const struct sockaddr *)&to, sizeof to) != 0) continue;
        flood->made++;
        if (i % 3 == 1) raw_socket_send(*fd, "FRST", 4); // a slow one
        if (i % 3 == 2) raw_socket_send(*fd, "GET / HTTP/1.1\r\n\r\n", 18);
    }
    for (unsigned i = 0; i < OPEN_MAX_OF_US; i++) {
        if (open_ones[i] >= 0) close(open_ones[i]);
    }
    atomic_store(&flood->done, true);
    return NULL;
}

static void a_rightful_client_does_not_notice_a_flood(void **state)
{
    (void)state;
    int ends[2];
    char url[64] = "";
    pthread_t thread;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t process = fork(); // before any thread of this one
    if (process == 0) serve(ends[1]);
    assert_true(read(ends[0], url, sizeof url - 1) > 0);
    unsigned threads = count_in(process, "task"), asked = 0;
    struct flood flood = {.port = (unsigned)atoi(strrchr(url, ':') + 1)};
    thread_create(&thread, "flood", run_flood, &flood);
    for (bool last = false; !last; asked++) {
        struct error err = {0};
        void *reply = NULL;
        size_t size = 0;
        last = atomic_load(&flood.done);
        if (rpc_call(url, NULL, "hello", 5, DEADLINE_US, &reply, &size, &err) != STATUS_OK) fail_msg("%s", err.message);
        memory_free(reply);
        assert_int_equal(count_in(process, "task"), threads);
        assert_true(count_in(process, "fd") <= DESCRIPTORS - RPC_DESCRIPTORS_KEPT);
    }
    thread_join(thread);
    assert_true(threads <= THREADS_MAX && asked > 1);
    assert_int_equal(flood.made, ADDRESSES * OF_EACH);
    assert_int_equal(waitpid(process, NULL, WNOHANG), 0); // it lives
    kill(process, SIGKILL);
    waitpid(process, NULL, 0);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_rightful_client_does_not_notice_a_flood)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
