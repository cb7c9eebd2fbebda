// nng behind rpc.h: one PULL socket to receive, one PUSH socket and a sending thread per peer. PUSH and PULL neither
// drop nor resend; the sending thread takes the wait away from the role. (Pairs in polyamorous mode drop when a peer is
// slow.)
//
// What can fail: the address cannot be listened at or dialled (said at once); a send that fails for RPC_SEND_MS is
// dropped, the receiver sees the gap in the numbers and the pipeline's attempt is restarted (P15).
#include "common/rpc/rpc.h"

#include <nng/nng.h>
#include <nng/protocol/pipeline0/pull.h>
#include <nng/protocol/pipeline0/push.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/memory.h"
#include "common/base/thread.h"

enum { RPC_PEERS_MAX = 256, RPC_SEND_MS = 5000, RPC_BUFFERED = 1024 };

struct rpc_mail {
    struct mail mail;
    nng_msg *message; // NULL: end
};
struct rpc_peer {
    uint32_t number;
    nng_socket socket;
    struct mailbox mailbox;
    pthread_t thread;
};
struct rpc {
    uint32_t self;
    nng_socket socket;
    pthread_t thread;
    void (*received)(void *context, uint32_t peer, const void *bytes, size_t size);
    void *context;
    struct rpc_peer *peers[RPC_PEERS_MAX];
    unsigned peer_count;
};

static enum status rpc_failed(struct error *err, const char *what, const char *url, int code)
{
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "cannot %s %s: %s", what, url, nng_strerror(code));
}

static void *rpc_receive(void *argument)
{
    struct rpc *rpc = argument;
    for (;;) {
        nng_msg *message = NULL;
        int code = nng_recvmsg(rpc->socket, &message, 0);
        if (code == NNG_ECLOSED) return NULL;
        if (code != 0) continue;
        uint32_t peer;
        if (nng_msg_trim_u32(message, &peer) == 0) {
            rpc->received(rpc->context, peer, nng_msg_body(message), nng_msg_len(message));
        }
        nng_msg_free(message);
    }
}

static void *rpc_transmit(void *argument)
{
    struct rpc_peer *peer = argument;
    for (;;) {
        struct rpc_mail *mail = (struct rpc_mail *)mailbox_wait(&peer->mailbox, -1);
        if (!mail) continue;
        nng_msg *message = mail->message;
        memory_free(mail);
        if (!message) return NULL;
        int code = nng_sendmsg(peer->socket, message, 0);
        if (code != 0) {
            log_debug("rpc_send_failed", "peer=%u error=\"%s\"", peer->number, nng_strerror(code));
            nng_msg_free(message);
        }
    }
}

enum status rpc_open(const char *url, uint32_t self,
                     void (*received)(void *context, uint32_t peer, const void *bytes, size_t size), void *context,
                     struct rpc **ret_rpc, struct error *err)
{
    struct rpc *rpc = memory_calloc(1, sizeof *rpc);
    rpc->self = self;
    rpc->received = received;
    rpc->context = context;
    int code = nng_pull0_open(&rpc->socket);
    if (code != 0) {
        memory_free(rpc);
        return rpc_failed(err, "open a socket for", url, code);
    }
    code = nng_listen(rpc->socket, url, NULL, 0);
    if (code != 0) {
        nng_close(rpc->socket);
        memory_free(rpc);
        return rpc_failed(err, "listen at", url, code);
    }
    thread_create(&rpc->thread, "rpc-receive", rpc_receive, rpc);
    *ret_rpc = rpc;
    return STATUS_OK;
}

enum status rpc_dial(struct rpc *rpc, uint32_t peer, const char *url, struct error *err)
{
    ASSERT(rpc->peer_count < RPC_PEERS_MAX);
    struct rpc_peer *at = memory_calloc(1, sizeof *at);
    at->number = peer;
    int code = nng_push0_open(&at->socket);
    if (code == 0) code = nng_socket_set_ms(at->socket, NNG_OPT_SENDTIMEO, RPC_SEND_MS);
    if (code == 0) code = nng_dial(at->socket, url, NULL, NNG_FLAG_NONBLOCK);
    if (code != 0) {
        nng_close(at->socket);
        memory_free(at);
        return rpc_failed(err, "dial", url, code);
    }
    mailbox_init(&at->mailbox);
    thread_create(&at->thread, "rpc-send", rpc_transmit, at);
    rpc->peers[rpc->peer_count++] = at;
    return STATUS_OK;
}

static void rpc_post(struct rpc_peer *peer, nng_msg *message)
{
    struct rpc_mail *mail = memory_calloc(1, sizeof *mail);
    mail->message = message;
    mailbox_post(&peer->mailbox, &mail->mail);
}

void rpc_send(struct rpc *rpc, uint32_t peer, const void *bytes, size_t size)
{
    for (unsigned i = 0; i < rpc->peer_count; i++) {
        if (rpc->peers[i]->number != peer) continue;
        nng_msg *message = NULL;
        int code = nng_msg_alloc(&message, 0);
        if (code == 0) code = nng_msg_append_u32(message, rpc->self);
        if (code == 0) code = nng_msg_append(message, bytes, size);
        ASSERT(code == 0);
        rpc_post(rpc->peers[i], message);
        return;
    }
}

static void rpc_peer_close(struct rpc_peer *peer)
{
    nng_close(peer->socket);
    rpc_post(peer, NULL);
    thread_join(peer->thread);
    mailbox_deinit(&peer->mailbox);
    memory_free(peer);
}

void rpc_close(struct rpc *rpc)
{
    if (!rpc) return;
    for (unsigned i = 0; i < rpc->peer_count; i++) rpc_peer_close(rpc->peers[i]);
    nng_close(rpc->socket);
    thread_join(rpc->thread);
    memory_free(rpc);
}
