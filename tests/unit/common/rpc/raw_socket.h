// The other end without Foreset: plain TCP, to say what no endpoint says.
#ifndef FORESET_TEST_RAW_SOCKET_H
#define FORESET_TEST_RAW_SOCKET_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/rpc/rpc_frame.h"
#include "tests/unit/common/rpc/inbox.h"

enum { RAW_SOCKET_WAIT_S = 60 };

static inline struct sockaddr_in raw_socket_address(unsigned port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// To an endpoint at tcp://127.0.0.1:PORT.
static inline int raw_socket_connect(const char *url)
{
    const struct sockaddr_in address = raw_socket_address((unsigned)atoi(strrchr(url, ':') + 1));
    const struct timeval wait = {.tv_sec = RAW_SOCKET_WAIT_S};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait), 0);
    return fd;
}

static inline int raw_socket_listen(unsigned *ret_port)
{
    struct sockaddr_in address = raw_socket_address(0);
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static inline bool raw_socket_send(int fd, const void *bytes, size_t size)
{
    return send(fd, bytes, size, MSG_NOSIGNAL) == (ssize_t)size;
}

static inline bool raw_socket_receive(int fd, void *bytes, size_t size)
{
    return size == 0 || recv(fd, bytes, size, MSG_WAITALL) == (ssize_t)size;
}

// Whether the other side closes; what it still says is dropped. The test fails when it does not for a minute.
static inline bool raw_socket_is_closed(int fd)
{
    char bytes[4096];
    ssize_t count;
    while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) continue;
    return count == 0 || errno == ECONNRESET;
}

static inline bool raw_socket_send_frame(int fd, enum rpc_frame_kind kind, const void *bytes, uint32_t size)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame frame = {.kind = kind, .sender = 5, .size = size};
    rpc_frame_write(&frame, header);
    return raw_socket_send(fd, header, sizeof header) && raw_socket_send(fd, bytes, size);
}

static inline bool raw_socket_receive_frame(int fd, struct rpc_frame *ret_frame, void *bytes, size_t capacity)
{
    uint8_t header[RPC_FRAME_BYTES];
    return raw_socket_receive(fd, header, sizeof header) && rpc_frame_read(header, ret_frame) == RPC_FRAME_OK &&
           ret_frame->size <= capacity && raw_socket_receive(fd, bytes, ret_frame->size);
}

#endif
