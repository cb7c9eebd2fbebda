// Endpoints: whatever a connection brings, only whole frames of ours are delivered, what comes back are frames of ours,
// and the connection ends. By a real socket, so that pieces, halves and what follows a fault are in it too.
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/rpc/rpc.h"
#include "common/rpc/rpc_frame.h"
#include "common/rpc/rpc_url.h"
#include "tests/fuzz/fuzz.h"

enum { MESSAGE_BYTES_MAX = 4096 };

static void received(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    (void)from;
    (void)context;
    (void)peer;
    uint8_t copy[MESSAGE_BYTES_MAX];
    ASSERT(size <= sizeof copy);
    memcpy(copy, bytes, size);
}

static void requested(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    (void)context;
    ASSERT(size <= MESSAGE_BYTES_MAX);
    if (size % 2) {
        rpc_refuse(request, "odd");
    } else {
        rpc_reply(request, bytes, size);
    }
}

static struct rpc *rpc;
static char folder[] = "/tmp/foreset-fuzz-XXXXXX";

static void close_endpoint(void)
{
    rpc_close(rpc);
    rmdir(folder);
}

// Lives as long as the process.
static struct sockaddr_un endpoint(void)
{
    static struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (address.sun_path[0]) return address;
    char url[64];
    ASSERT(mkdtemp(folder));
    snprintf(address.sun_path, sizeof address.sun_path, "%s/s", folder);
    snprintf(url, sizeof url, "ipc://%s", address.sun_path);
    const struct rpc_config config = {
        .url = url, .self = 1, .message_bytes_max = MESSAGE_BYTES_MAX, .received = received, .requested = requested};
    struct error err;
    ASSERT(rpc_open(&config, &rpc, &err) == STATUS_OK);
    ASSERT(atexit(close_endpoint) == 0);
    return address;
}

static bool read_whole(int fd, uint8_t *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        ssize_t count = recv(fd, bytes + at, size - at, 0);
        if (count <= 0) return false;
        at += (size_t)count;
    }
    return true;
}

static void converse(const uint8_t *bytes, size_t size)
{
    const struct sockaddr_un address = endpoint();
    uint8_t header[RPC_FRAME_BYTES], body[MESSAGE_BYTES_MAX];
    struct rpc_frame frame;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    if (size > 0 && send(fd, bytes, size, MSG_NOSIGNAL) < 0) size = 0; // it may have hung up already
    shutdown(fd, SHUT_WR);
    while (read_whole(fd, header, sizeof header)) {
        ASSERT(rpc_frame_read(header, &frame) == RPC_FRAME_OK && frame.size <= sizeof body);
        ASSERT(frame.kind == RPC_FRAME_PONG || frame.kind == RPC_FRAME_REPLY || frame.kind == RPC_FRAME_REFUSED);
        if (!read_whole(fd, body, frame.size)) break;
    }
    close(fd);
}

static void parse_url(const uint8_t *bytes, size_t size)
{
    char url[256];
    struct rpc_url parsed;
    struct error err;
    if (size >= sizeof url) return;
    memcpy(url, bytes, size);
    url[size] = 0;
    if (rpc_url_parse(url, size % 2, &parsed, &err) == STATUS_OK) ASSERT(strlen(parsed.host) < sizeof parsed.host);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint8_t header[RPC_FRAME_BYTES];
    struct rpc_frame frame;
    if (size >= RPC_FRAME_BYTES && rpc_frame_read(bytes, &frame) == RPC_FRAME_OK) {
        rpc_frame_write(&frame, header);
        ASSERT(memcmp(header, bytes, sizeof header) == 0);
    }
    parse_url(bytes, size);
    if (size <= 64 << 10) converse(bytes, size);
    return 0;
}
