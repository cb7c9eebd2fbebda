// Where an endpoint listens: the socket, the greeter that accepts, and who gets in.
//
// What can fail: the address cannot be had (said at once). A connection beyond a bound is closed, or takes the place of
// the oldest that has not said who it is: whoever means well does that within milliseconds. Descriptors that the
// process needs for etcd and stores stay free; where no other is left, one that is kept for this accepts and closes, so
// that nobody waits in vain.
#include "common/rpc/rpc_listener.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/hash.h"
#include "common/base/memory.h"
#include "common/rpc/rpc_loop.h"
#include "common/rpc/rpc_tls_session.h"

enum {
    RPC_LISTENER_BACKLOG = 4096,   // who finds it full is silently made to wait a second and more
    RPC_LISTENER_ACCEPTS_MAX = 32, // before those that are here have their turn
    RPC_LISTENER_DESCRIPTORS_FALLBACK = 1024,
    RPC_LISTENER_COUNT_US = 250000, // between two counts of the open descriptors
    RPC_LISTENER_SERVING_MAX = RPC_LOOPS_MAX - 1,
};

union rpc_listener_address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
    struct sockaddr_un local;
};

// ---- Bounds ----

static void rpc_listener_bounds(struct rpc_listener *listener)
{
    struct rlimit limit = {0};
    unsigned descriptors = RPC_LISTENER_DESCRIPTORS_FALLBACK;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        descriptors = limit.rlim_cur < INT32_MAX ? (unsigned)limit.rlim_cur : INT32_MAX;
    unsigned kept = descriptors / 4 < RPC_DESCRIPTORS_KEPT ? descriptors / 4 : RPC_DESCRIPTORS_KEPT;
    unsigned half = (descriptors - kept) / 2;
    listener->descriptors_max = descriptors - kept;
    listener->connections_max = descriptors - 2 * kept < RPC_CONNECTIONS_MAX ? half : RPC_CONNECTIONS_MAX;
    if (descriptors >= RPC_CONNECTIONS_MAX + 2 * RPC_DESCRIPTORS_KEPT) listener->connections_max = RPC_CONNECTIONS_MAX;
    listener->address_max = listener->connections_max / 4 * 3;
    listener->greetings_max = listener->connections_max / 4;
    listener->greetings_address_max = listener->greetings_max / 2;
}

static unsigned rpc_listener_place(const struct rpc_listener *listener, const union rpc_listener_address *address)
{
    uint64_t hash = 0;
    if (address->any.sa_family == AF_INET) {
        hash = hash_64(&address->four.sin_addr, sizeof address->four.sin_addr, listener->seed);
    } else if (address->any.sa_family == AF_INET6) { // who has one address has all of its network
        hash = hash_64(&address->six.sin6_addr, IN6_IS_ADDR_V4MAPPED(&address->six.sin6_addr) ? 16 : 8, listener->seed);
    }
    return (unsigned)(hash % RPC_LOOP_ADDRESSES);
}

// The oldest greeting of that place loses its own; place RPC_LOOP_ADDRESSES: of the place that has most.
static void rpc_listener_displace(struct rpc_listener *listener, unsigned place)
{
    struct rpc_connection *oldest = NULL;
    if (place == RPC_LOOP_ADDRESSES) {
        unsigned most = 0;
        for (const struct rpc_connection *at = listener->loops[0].connections; at; at = at->next) {
            if (listener->greeting_by_address[at->place] <= most) continue;
            place = at->place;
            most = listener->greeting_by_address[place];
        }
    }
    for (struct rpc_connection *at = listener->loops[0].connections; at; at = at->next) {
        if (at->place == place) oldest = at;
    }
    if (!oldest) return;
    atomic_fetch_add(&listener->rpc->counters.connections_refused, 1);
    rpc_connection_close(oldest, "it has not said who it is, and others wait: too many connections at once");
}

// As many as the process has open, about; other threads open and close them meanwhile.
static bool rpc_listener_has_descriptors(struct rpc_listener *listener, int fd)
{
    int64_t now = clock_boot_us(clock_system());
    unsigned connections = atomic_load(&listener->connections);
    if (now - listener->counted_us >= RPC_LISTENER_COUNT_US) {
        DIR *folder = opendir("/proc/self/fd");
        unsigned count = 0;
        while (folder && readdir(folder)) count++;
        if (folder) closedir(folder);
        listener->descriptors = count > connections ? count - connections : 0;
        listener->counted_us = now;
    }
    return (unsigned)fd < listener->descriptors_max && listener->descriptors + connections < listener->descriptors_max;
}

static const char *rpc_listener_refuses(struct rpc_listener *listener, int fd, unsigned place,
                                        const struct rpc_identity *from)
{
    if (!rpc_guard_allows(&listener->rpc->guard, from)) return "its address sent too many malformed frames lately";
    if (atomic_load(&listener->by_address[place]) >= listener->address_max)
        return "too many connections from its address";
    if (listener->greeting_by_address[place] >= listener->greetings_address_max) {
        rpc_listener_displace(listener, place);
    } else if (atomic_load(&listener->greetings) >= listener->greetings_max) {
        rpc_listener_displace(listener, RPC_LOOP_ADDRESSES);
    }
    if (atomic_load(&listener->connections) >= listener->connections_max) return "too many connections";
    if (!rpc_listener_has_descriptors(listener, fd))
        return "too few descriptors are left (raise ulimit -n, or LimitNOFILE=)";
    return NULL;
}

// ---- Accepting ----

static void rpc_listener_admit(struct rpc_listener *listener, int fd, const union rpc_listener_address *address)
{
    struct rpc *rpc = listener->rpc;
    struct rpc_identity from = {0};
    const int yes = 1;
    unsigned place = rpc_listener_place(listener, address);
    rpc_who_address(&address->any, &from);
    const char *why = rpc_listener_refuses(listener, fd, place, &from);
    if (why) {
        close(fd);
        atomic_fetch_add(&rpc->counters.connections_refused, 1);
        rpc_tell_refused(rpc, &from, why);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes); // not for a local socket
    struct rpc_tls_context *context = listener->secure ? rpc_tls_store_get(&rpc->tls) : NULL;
    struct rpc_tls_session *session = context ? rpc_tls_session_create(context, NULL) : NULL;
    rpc_tls_unref(context);
    struct rpc_connection *connection = rpc_connection_create(listener, fd, rpc_who_create(&from), session);
    connection->place = place;
    atomic_fetch_add(&listener->connections, 1);
    atomic_fetch_add(&listener->by_address[place], 1);
    atomic_fetch_add(&listener->greetings, 1);
    listener->greeting_by_address[place]++;
    atomic_fetch_add(&rpc->counters.connections, 1);
    rpc_loop_admit(&listener->loops[0], connection);
}

static void rpc_listener_watch(struct rpc_listener *listener, bool accepts)
{
    struct epoll_event event = {.events = accepts ? EPOLLIN : 0, .data.ptr = NULL};
    epoll_ctl(listener->loops[0].epoll, EPOLL_CTL_MOD, listener->fd, &event);
    listener->paused = !accepts;
}

// No descriptor is left: the spare one accepts and closes. Where another thread takes it, nothing is accepted until the
// next tick.
static void rpc_listener_exhausted(struct rpc_listener *listener)
{
    struct rpc *rpc = listener->rpc;
    union rpc_listener_address address = {.any = {.sa_family = AF_UNIX}};
    struct rpc_identity from = {0};
    socklen_t size = sizeof address;
    atomic_fetch_add(&rpc->counters.errors, 1);
    if (listener->spare >= 0) close(listener->spare);
    int fd = accept4(listener->fd, &address.any, &size, SOCK_CLOEXEC);
    if (fd >= 0) {
        close(fd);
        rpc_who_address(&address.any, &from);
        atomic_fetch_add(&rpc->counters.connections_refused, 1);
        rpc_tell_refused(rpc, &from, "no descriptor is left (raise ulimit -n, or LimitNOFILE=)");
    }
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (fd < 0 || listener->spare < 0) rpc_listener_watch(listener, false);
}

static void rpc_listener_accept(struct rpc_listener *listener)
{
    for (int i = 0; i < RPC_LISTENER_ACCEPTS_MAX; i++) {
        union rpc_listener_address address = {.any = {.sa_family = AF_UNIX}};
        socklen_t size = sizeof address;
        int fd = accept4(listener->fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        bool exhausted = fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM);
        if (exhausted) rpc_listener_exhausted(listener);
        if (fd < 0 && errno == ECONNABORTED) continue;
        if (fd < 0) return;
        rpc_listener_admit(listener, fd, &address);
    }
}

static void *rpc_listener_run(void *argument)
{
    struct rpc_loop *loop = argument;
    struct rpc_listener *listener = loop->listener;
    while (rpc_loop_turn(loop, rpc_listener_accept)) {
        if (listener->paused) rpc_listener_watch(listener, true);
    }
    return NULL;
}

// ---- Opening ----

static enum status rpc_listener_failed(const char *url, int code, struct error *err)
{
    char reason[128];
    const char *help = code == EADDRINUSE                 ? ": another process listens there"
                       : code == EADDRNOTAVAIL            ? ": no address of this machine"
                       : code == EPERM || code == EACCES  ? ": not allowed for this user"
                       : code == EMFILE || code == ENFILE ? ": raise ulimit -n"
                                                          : "";
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot listen at %s: %s%s", url,
                     strerror_r(code, reason, sizeof reason), help);
}

static int rpc_listener_bind(struct rpc_listener *listener, const struct sockaddr *address, socklen_t size)
{
    const int yes = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address, size) != 0) {
        int code = errno;
        close(fd);
        return code;
    }
    listener->fd = fd;
    return 0;
}

// A socket file that a process left when it ended is in nobody's use.
static void rpc_listener_remove_stale(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool stale =
        fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 && errno == ECONNREFUSED;
    if (fd >= 0) close(fd);
    if (stale) unlink(address->sun_path);
}

static int rpc_listener_bind_local(struct rpc_listener *listener, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    int code = rpc_listener_bind(listener, (const struct sockaddr *)&address, sizeof address);
    if (code == EADDRINUSE) {
        rpc_listener_remove_stale(&address);
        code = rpc_listener_bind(listener, (const struct sockaddr *)&address, sizeof address);
    }
    if (code != 0) return code;
    snprintf(listener->path, sizeof listener->path, "%s", path);
    return chmod(path, 0600) == 0 ? 0 : errno; // before anybody can connect
}

static enum status rpc_listener_bind_host(struct rpc_listener *listener, const struct rpc_url *parsed,
                                          struct error *err)
{
    const struct addrinfo hints = {.ai_family = parsed->host[0] ? AF_UNSPEC : AF_INET,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    char port[8];
    snprintf(port, sizeof port, "%u", parsed->port);
    const char *url = listener->rpc->url;
    if (getaddrinfo(parsed->host[0] ? parsed->host : NULL, port, &hints, &found) != 0) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot listen at %s: no such host", url);
    }
    int code = EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at && code != 0; at = at->ai_next)
        code = rpc_listener_bind(listener, at->ai_addr, at->ai_addrlen);
    freeaddrinfo(found);
    return code == 0 ? STATUS_OK : rpc_listener_failed(url, code, err);
}

// The port that was taken where none was asked for.
static void rpc_listener_note_url(struct rpc_listener *listener)
{
    union rpc_listener_address address;
    socklen_t size = sizeof address;
    struct rpc *rpc = listener->rpc;
    if (getsockname(listener->fd, &address.any, &size) != 0) return;
    unsigned port = ntohs(address.any.sa_family == AF_INET ? address.four.sin_port : address.six.sin6_port);
    char *colon = strrchr(rpc->url, ':');
    snprintf(colon, sizeof rpc->url - (size_t)(colon - rpc->url), ":%u", port);
}

static enum status rpc_listener_start(struct rpc_listener *listener, struct error *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned serving = processors < 1                          ? 1
                       : processors > RPC_LISTENER_SERVING_MAX ? RPC_LISTENER_SERVING_MAX
                                                               : (unsigned)processors;
    const char *url = listener->rpc->url;
    listener->spare = open("/dev/null", O_RDONLY | O_CLOEXEC);
    listener->loop_count = 1 + serving;
    for (unsigned i = listener->loop_count; i-- > 0;) { // the greeter last: it hands over to the others
        struct rpc_loop *loop = &listener->loops[i];
        if (rpc_loop_start(loop, listener, i ? "rpc-serve" : "rpc-accept", i ? rpc_loop_run : rpc_listener_run))
            continue;
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "cannot listen at %s: no thread or descriptor is left (raise ulimit -u and -n, or TasksMax= "
                         "and LimitNOFILE=)",
                         url);
    }
    if (listen(listener->fd, RPC_LISTENER_BACKLOG) != 0) return rpc_listener_failed(url, errno, err);
    if (epoll_ctl(listener->loops[0].epoll, EPOLL_CTL_ADD, listener->fd, &event) != 0)
        return rpc_listener_failed(url, errno, err);
    return STATUS_OK;
}

enum status rpc_listener_open(struct rpc *rpc, const struct rpc_url *parsed, struct rpc_listener **ret_listener,
                              struct error *err)
{
    enum status status = STATUS_OK;
    struct rpc_listener *listener = memory_calloc(1, sizeof *listener);
    listener->rpc = rpc;
    listener->fd = listener->spare = -1;
    listener->secure = parsed->scheme == RPC_URL_TLS;
    listener->seed = (uint64_t)clock_boot_us(clock_system()) ^ (uint64_t)(uintptr_t)listener;
    rpc_listener_bounds(listener);
    TRY(rpc_tls_store_check(&rpc->tls, rpc->url, err));
    if (parsed->scheme == RPC_URL_IPC) {
        int code = rpc_listener_bind_local(listener, rpc->url + strlen("ipc://"));
        if (code != 0) TRY(rpc_listener_failed(rpc->url, code, err));
    } else {
        TRY(rpc_listener_bind_host(listener, parsed, err));
        if (parsed->port == 0) rpc_listener_note_url(listener);
    }
    TRY(rpc_listener_start(listener, err));
    *ret_listener = listener;
    return STATUS_OK;
out:
    rpc_listener_close(listener);
    return status;
}

void rpc_listener_close(struct rpc_listener *listener)
{
    if (!listener) return;
    for (unsigned i = 0; i < listener->loop_count; i++) rpc_loop_stop(&listener->loops[i]); // the greeter first
    for (unsigned i = 0; i < listener->loop_count; i++) rpc_loop_deinit(&listener->loops[i]);
    if (listener->fd >= 0) close(listener->fd);
    if (listener->spare >= 0) close(listener->spare);
    if (listener->path[0]) unlink(listener->path);
    memory_free(listener);
}
