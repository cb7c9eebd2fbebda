// Signals, by a self-pipe so that a wait cannot miss one.
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "common/base/error.h"

static atomic_int signals_count;
static atomic_bool signals_hangup;
static int signals_pipe[2] = {-1, -1};

static void signals_on(int number)
{
    (void)number;
    if (atomic_fetch_add(&signals_count, 1) > 0) _exit(130);
    int saved = errno;
    ssize_t ignored = write(signals_pipe[1], "x", 1);
    (void)ignored;
    errno = saved;
}

static void signals_on_hangup(int number)
{
    (void)number;
    int saved = errno;
    atomic_store(&signals_hangup, true);
    ssize_t ignored = write(signals_pipe[1], "h", 1);
    (void)ignored;
    errno = saved;
}

void signals_catch_reload(void)
{
    struct sigaction action = {.sa_handler = signals_on_hangup, .sa_flags = SA_RESTART};
    sigaction(SIGHUP, &action, NULL);
}

bool signals_reload(void)
{
    return atomic_exchange(&signals_hangup, false);
}

void signals_catch(void)
{
    if (signals_pipe[0] >= 0) return;
    int failed = pipe2(signals_pipe, O_CLOEXEC | O_NONBLOCK);
    ASSERT(!failed);
    struct sigaction action = {.sa_handler = signals_on, .sa_flags = SA_RESTART};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
}

bool signals_caught(void)
{
    return atomic_load(&signals_count) > 0;
}

void signals_notify(void)
{
    ssize_t ignored = write(signals_pipe[1], "n", 1);
    (void)ignored;
}

bool signals_wait(int timeout_ms)
{
    struct pollfd poll_fd = {.fd = signals_pipe[0], .events = POLLIN};
    char bytes[16];
    poll(&poll_fd, 1, timeout_ms);
    while (read(signals_pipe[0], bytes, sizeof bytes) > 0) continue;
    return signals_caught();
}
