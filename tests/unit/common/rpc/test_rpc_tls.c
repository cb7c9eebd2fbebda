// TLS with certificates on both sides: who has none of ours gets nothing, and is told which side refused what.
#include "tests/unit/common/rpc/certificates.h"
#include "tests/unit/common/rpc/raw_socket.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/rpc/rpc_tls_session.h"

#define DEADLINE_US 60000000
enum {
    SLOW_BYTES_MAX = 10000,
    TURN_MESSAGES_MAX = 40
}; // more than are read from one connection before others have their turn

static int make_certificates(void **state)
{
    (void)state;
    if (!mkdtemp(certificates_folder)) return -1;
    make_authority("ours");
    make_authority("theirs");
    make_certificate("coordinator", "ours", "foreset", "subjectAltName=DNS:localhost,DNS:*.example.org", 30);
    make_certificate("worker", "ours", "anything", "", 30);
    make_certificate("stranger", "theirs", "localhost", "subjectAltName=DNS:localhost", 30);
    make_certificate("expired", "ours", "localhost", "subjectAltName=DNS:localhost", -1);
    make_certificate("by_name", "ours", "localhost", "", 30);
    make_certificate("by_number", "ours", "127.0.0.1", "", 30);
    make_certificate("member", "ours", "w1/O=workers", "subjectAltName=URI:spiffe://a/w1", 30);
    make_certificate("revoked", "ours", "w2", "", 30);
    make_certificate("by_ip", "ours", "127.0.0.1", "subjectAltName=IP:127.0.0.1", 30);
    return 0;
}

static void answer(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    (void)context;
    rpc_reply(request, bytes, size);
}

static struct rpc *open_with(struct inbox *box, const char *url, const struct rpc_tls *tls)
{
    const struct rpc_config config = {.url = url,
                                      .self = 1,
                                      .tls = tls,
                                      .received = inbox_received,
                                      .requested = answer,
                                      .context = box,
                                      .deadline_us = 2000000};
    struct rpc *rpc = NULL;
    struct error err = {0};
    inbox_init(box);
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    return rpc;
}

static enum status ask(const char *url, const struct rpc_tls *tls, struct error *err)
{
    void *reply = NULL;
    size_t size = 0;
    const struct rpc_credentials credentials = {.tls = tls};
    enum status status = rpc_call(url, &credentials, "hello", 5, DEADLINE_US, &reply, &size, err);
    if (status == STATUS_OK) assert_memory_equal(reply, "hello", 5);
    memory_free(reply);
    return status;
}

// The URL of an endpoint at 127.0.0.1 by another name for the host.
static const char *by_host(const struct rpc *rpc, const char *scheme, const char *host)
{
    static char url[128];
    snprintf(url, sizeof url, "%s://%s%s", scheme, host, strrchr(rpc_url(rpc), ':'));
    return url;
}

static void messages_and_requests_pass(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "coordinator"), mine = tls_of("ours", "worker");
    struct inbox box, own;
    struct error err = {0};
    struct rpc *rpc = open_with(&box, "tls+tcp://127.0.0.1:0", &ours);
    struct rpc *worker = open_with(&own, "inproc://worker", &mine);
    const char *url = by_host(rpc, "tls+tcp", "localhost");
    inbox_dial(worker, 1, url, RPC_PUSH);
    for (uint32_t i = 0; i < 500; i++) inbox_send(worker, 1, 0, i, 8 + i * 100);
    inbox_send(worker, 1, 0, 500, 64 << 20);
    INBOX_AWAIT(inbox_count(&box) == 501);
    assert_false(box.wrong);
    if (ask(url, &mine, &err) != STATUS_OK) fail_msg("%s", err.message);
    rpc_close(worker);
    rpc_close(rpc);
}

static void a_long_row_of_large_messages_keeps_its_connection(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "by_ip"), mine = tls_of("ours", "worker");
    for (unsigned requests = 0; requests < 2; requests++)
        inbox_send_row("tls+tcp://127.0.0.1:0", &ours, &mine, requests);
}

// Who receives waits within each message until the next one has been sent: so each read finds one frame, and a turn of
// reads ends at a frame that the test chooses.
struct turns {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned received, sent;
};

static void receive_in_turn(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes,
                            size_t size)
{
    struct turns *turns = context;
    (void)peer;
    (void)from;
    (void)bytes;
    (void)size;
    pthread_mutex_lock(&turns->lock);
    turns->received++;
    pthread_cond_broadcast(&turns->changed);
    while (turns->sent <= turns->received) pthread_cond_wait(&turns->changed, &turns->lock);
    pthread_mutex_unlock(&turns->lock);
}

struct dialled {
    int fd;
    struct rpc_tls_session *session; // NULL: plain
};

static void flush_dialled(const struct dialled *dialled)
{
    const uint8_t *bytes;
    size_t size = rpc_tls_session_output(dialled->session, &bytes);
    if (size > 0) assert_true(raw_socket_send(dialled->fd, bytes, size));
    rpc_tls_session_sent(dialled->session, size);
}

static void feed_dialled(const struct dialled *dialled)
{
    char bytes[16384];
    ssize_t size = recv(dialled->fd, bytes, sizeof bytes, 0);
    assert_true(size > 0);
    rpc_tls_session_feed(dialled->session, bytes, (size_t)size);
}

static struct dialled dial_raw(const char *url, struct rpc_tls_context *context)
{
    struct dialled dialled = {.fd = raw_socket_connect(url)};
    if (!context) return dialled;
    dialled.session = rpc_tls_session_create(context, "127.0.0.1");
    while (rpc_tls_session_handshake(dialled.session) == RPC_TLS_MORE) {
        flush_dialled(&dialled);
        feed_dialled(&dialled);
    }
    flush_dialled(&dialled);
    return dialled;
}

static void send_empty(const struct dialled *dialled, enum rpc_frame_kind kind)
{
    uint8_t header[RPC_FRAME_BYTES];
    const struct rpc_frame frame = {.kind = kind, .sender = 5};
    rpc_frame_write(&frame, header);
    if (!dialled->session) {
        assert_true(raw_socket_send(dialled->fd, header, sizeof header));
        return;
    }
    assert_int_equal(rpc_tls_session_write(dialled->session, header, sizeof header), RPC_TLS_DONE);
    flush_dialled(dialled);
}

static void expect_pong(const struct dialled *dialled)
{
    uint8_t header[RPC_FRAME_BYTES] = {0};
    struct rpc_frame frame = {0};
    if (!dialled->session) assert_true(raw_socket_receive(dialled->fd, header, sizeof header));
    for (size_t at = 0, size = 0; dialled->session && at < sizeof header; at += size) {
        enum rpc_tls_step step;
        while ((step = rpc_tls_session_read(dialled->session, header + at, sizeof header - at, &size)) == RPC_TLS_MORE)
            feed_dialled(dialled);
        assert_int_equal(step, RPC_TLS_DONE);
    }
    assert_int_equal(rpc_frame_read(header, &frame), RPC_FRAME_OK);
    assert_int_equal(frame.kind, RPC_FRAME_PONG);
}

// messages one by one, then a PING, whose answer comes wherever the turn ends.
static void ping_behind(const char *url, struct rpc_tls_context *context, struct turns *turns, unsigned messages)
{
    struct dialled dialled = dial_raw(url, context);
    turns->sent = turns->received = 0;
    for (unsigned i = 0; i <= messages; i++) {
        send_empty(&dialled, i < messages ? RPC_FRAME_MESSAGE : RPC_FRAME_PING);
        pthread_mutex_lock(&turns->lock);
        turns->sent++;
        pthread_cond_broadcast(&turns->changed);
        while (i < messages && turns->received <= i) pthread_cond_wait(&turns->changed, &turns->lock);
        pthread_mutex_unlock(&turns->lock);
    }
    expect_pong(&dialled);
    rpc_tls_session_destroy(dialled.session);
    close(dialled.fd);
}

static void an_answer_goes_wherever_a_turn_ends(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "by_ip"), mine = tls_of("ours", "worker");
    struct rpc_tls_context *context = NULL;
    struct turns turns = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct error err = {0};
    assert_int_equal(rpc_tls_load(&mine, &context, &err), STATUS_OK);
    for (unsigned secure = 0; secure < 2; secure++) {
        const struct rpc_config config = {.url = secure ? "tls+tcp://127.0.0.1:0" : "tcp://127.0.0.1:0",
                                          .tls = secure ? &ours : NULL,
                                          .received = receive_in_turn,
                                          .context = &turns};
        struct rpc *rpc = NULL;
        if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
        for (unsigned messages = 0; messages < TURN_MESSAGES_MAX; messages++)
            ping_behind(rpc_url(rpc), secure ? context : NULL, &turns, messages);
        assert_int_equal(rpc_counters(rpc)->errors, 0);
        rpc_close(rpc);
    }
    rpc_tls_unref(context);
}

static void expect_refusal(const char *listener, const char *host, const struct rpc_tls *tls, const char *words)
{
    const struct rpc_tls theirs = tls_of("ours", listener);
    struct inbox box;
    struct error err = {0};
    struct rpc *rpc = open_with(&box, "tls+tcp://127.0.0.1:0", &theirs);
    assert_int_equal(ask(by_host(rpc, "tls+tcp", host), tls, &err), STATUS_ERROR);
    if (!strstr(err.message, words)) fail_msg("\"%s\" without \"%s\"", err.message, words);
    assert_int_equal(rpc_counters(rpc)->requests, 0);
    rpc_close(rpc);
}

static void the_dialling_side_refuses_what_it_cannot_trust(void **state)
{
    (void)state;
    const struct rpc_tls mine = tls_of("ours", "worker"), elsewhere = tls_of("theirs", "worker");
    expect_refusal("coordinator", "localhost", &elsewhere, "this side refused the certificate of tls+tcp://localhost:");
    expect_refusal("coordinator", "localhost", &elsewhere, "not signed by a known authority");
    expect_refusal("expired", "localhost", &mine, "it has expired");
    expect_refusal("coordinator", "127.0.0.1", &mine, "DNS:*.example.org, not to 127.0.0.1");
    expect_refusal("by_ip", "localhost", &mine, "IP:127.0.0.1, not to localhost");
}

static void names_are_compared_as_documented(void **state)
{
    (void)state;
    static const struct {
        const char *listener, *host, *server_name;
    } cases[] = {{"coordinator", "localhost", NULL},        {"by_name", "localhost", NULL},
                 {"by_number", "127.0.0.1", NULL},          {"by_ip", "127.0.0.1", NULL},
                 {"coordinator", "127.0.0.1", "localhost"}, {"coordinator", "127.0.0.1", "a.example.org"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct rpc_tls theirs = tls_of("ours", cases[i].listener);
        struct rpc_tls mine = tls_of("ours", "worker");
        struct inbox box;
        struct error err = {0};
        mine.server_name = cases[i].server_name;
        struct rpc *rpc = open_with(&box, "tls+tcp://127.0.0.1:0", &theirs);
        if (ask(by_host(rpc, "tls+tcp", cases[i].host), &mine, &err) != STATUS_OK) fail_msg("%s", err.message);
        rpc_close(rpc);
    }
}

static void the_listening_side_refuses_what_it_cannot_trust(void **state)
{
    (void)state;
    // The stranger trusts us, but shows a certificate of another authority; the other's is out of its time.
    struct rpc_tls stranger = tls_of("ours", "stranger"), expired = tls_of("ours", "expired");
    expect_refusal("coordinator", "localhost", &stranger, "not signed by an authority that is known there");
    expect_refusal("coordinator", "localhost", &expired, "it has expired");
}

// The other side as openssl's client: without a certificate.
static void who_shows_no_certificate_gets_no_frame_read(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "coordinator");
    struct inbox box;
    struct rpc *rpc = open_with(&box, "tls+tcp://127.0.0.1:0", &ours);
    const char *port = strrchr(rpc_url(rpc), ':') + 1;
    const char *ping = "FRST\\001\\002\\000\\000\\000\\000\\000\\005\\000\\000\\000\\000";
    run("(printf '%s'; cat /dev/zero) | openssl s_client -connect 127.0.0.1:%s -CAfile ours.pem -tls1_2 -quiet "
        ">answer; test ! -s answer",
        ping, port);
    // The same with one is answered. Zeros before the answer was read could end in a reset that takes it along.
    run(": >answer; (printf '%s'; n=0; until grep -q FRST answer || [ $((n += 1)) -gt 1000 ]; do sleep 0.05; done; "
        "cat /dev/zero) | openssl s_client -connect 127.0.0.1:%s -CAfile ours.pem -tls1_2 -quiet "
        "-cert worker.pem -key worker.key >answer; grep -q FRST answer",
        ping, port);
    INBOX_AWAIT(rpc_counters(rpc)->malformed == 1); // the zeros behind it
    rpc_close(rpc);
}

static void tls_and_plain_do_not_meet(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "coordinator"), mine = tls_of("ours", "worker");
    struct inbox boxes[2];
    struct error err = {0};
    struct rpc *secure = open_with(&boxes[0], "tls+tcp://127.0.0.1:0", &ours);
    struct rpc *plain = open_with(&boxes[1], "tcp://127.0.0.1:0", NULL);
    assert_int_equal(ask(by_host(secure, "tcp", "localhost"), NULL, &err), STATUS_ERROR);
    assert_non_null(strstr(err.message, "or one that wants tls+tcp://"));
    assert_int_equal(ask(by_host(plain, "tls+tcp", "localhost"), &mine, &err), STATUS_ERROR);
    assert_non_null(strstr(err.message, "does not speak TLS"));
    assert_int_equal(rpc_counters(secure)->requests + rpc_counters(plain)->requests, 0);
    rpc_close(secure);
    rpc_close(plain);
}

static void a_link_waits_for_an_endpoint_it_can_trust(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "coordinator"), stranger = tls_of("theirs", "stranger");
    const struct rpc_tls mine = tls_of("ours", "worker");
    struct inbox box, own;
    char url[64], at[64];
    struct rpc *rpc = open_with(&box, "tls+tcp://127.0.0.1:0", &stranger);
    struct rpc *worker = open_with(&own, "inproc://worker", &mine);
    snprintf(url, sizeof url, "%s", by_host(rpc, "tls+tcp", "localhost"));
    snprintf(at, sizeof at, "%s", rpc_url(rpc));
    inbox_dial(worker, 1, url, RPC_REQUEST);
    inbox_send(worker, 1, 0, 0, 100);
    INBOX_AWAIT(rpc_counters(rpc)->errors + rpc_counters(worker)->dropped_late > 0);
    assert_int_equal(inbox_count(&box), 0);
    rpc_close(rpc);
    rpc = open_with(&box, at, &ours);
    uint32_t number = 1;
    INBOX_AWAIT((inbox_send(worker, 1, 0, number++, 100), inbox_count(&box) > 0));
    rpc_close(worker);
    rpc_close(rpc);
}

struct seen {
    char common_name[64], organization[64], name[64];
    bool tls;
    _Atomic unsigned refused;
    char why[512];
};

static void see(void *context, struct rpc_request *request, const void *bytes, size_t size)
{
    struct seen *seen = context;
    const struct rpc_identity *from = rpc_request_from(request);
    snprintf(seen->common_name, sizeof seen->common_name, "%s", from->common_name ? from->common_name : "");
    snprintf(seen->organization, sizeof seen->organization, "%s", from->organization ? from->organization : "");
    snprintf(seen->name, sizeof seen->name, "%s", from->alternative_names[0] ? from->alternative_names[0] : "");
    seen->tls = from->tls;
    rpc_reply(request, bytes, size);
}

static void see_refused(void *context, const struct rpc_identity *from, const char *why)
{
    struct seen *seen = context;
    assert_memory_equal(from->address, "127.0.0.1:", 10);
    if (atomic_load(&seen->refused) == 0) snprintf(seen->why, sizeof seen->why, "%s", why); // the first
    atomic_fetch_add(&seen->refused, 1);
}

static void take_nothing(void *context, uint32_t peer, const struct rpc_identity *from, const void *bytes, size_t size)
{
    (void)context;
    (void)peer;
    (void)from;
    (void)bytes;
    (void)size;
}

// A revocation list of "ours" in LIST.pem, with nothing in it yet.
static void make_list(const char *list)
{
    run("printf '[ca]\\ndefault_ca=d\\n[d]\\ndatabase=%s.index\\ndefault_md=sha256\\ndefault_crl_days=30\\n' > %s.cnf",
        list, list);
    run(": > %s.index; openssl ca -config %s.cnf -gencrl -cert ours.pem -keyfile ours.key -out %s.pem", list, list,
        list);
}

static void put_on_list(const char *list, const char *name)
{
    run("openssl ca -config %s.cnf -revoke %s.pem -cert ours.pem -keyfile ours.key", list, name);
    run("openssl ca -config %s.cnf -gencrl -cert ours.pem -keyfile ours.key -out %s.pem", list, list);
}

// A list that is read again shuts out who was let in before; a list that is damaged changes nothing.
static void names_are_known_until_they_are_revoked(void **state)
{
    (void)state;
    struct rpc_tls ours = tls_of("ours", "coordinator");
    const struct rpc_tls mine = tls_of("ours", "member");
    struct seen seen = {0};
    struct error err = {0};
    struct rpc *rpc = NULL;
    make_list("list");
    ours.crl_file = path("list.pem");
    const struct rpc_config config = {.url = "tls+tcp://127.0.0.1:0",
                                      .tls = &ours,
                                      .received = take_nothing,
                                      .requested = see,
                                      .refused_connection = see_refused,
                                      .context = &seen};
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    const char *url = by_host(rpc, "tls+tcp", "localhost");
    if (ask(url, &mine, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_true(seen.tls);
    assert_string_equal(seen.common_name, "w1");
    assert_string_equal(seen.organization, "workers");
    assert_string_equal(seen.name, "URI:spiffe://a/w1");
    run("cp list.pem good.pem; printf 'no list' > list.pem");
    assert_int_equal(rpc_reload(rpc, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "list.pem holds no revocation list"));
    if (ask(url, &mine, &err) != STATUS_OK) fail_msg("%s", err.message);
    put_on_list("list", "member");
    if (rpc_reload(rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(ask(url, &mine, &err), STATUS_ERROR);
    assert_non_null(strstr(err.message, "its authority revoked it"));
    INBOX_AWAIT(atomic_load(&seen.refused) == 1);
    assert_non_null(strstr(seen.why, "its authority revoked it (CN=w1"));
    const struct rpc_tls other = tls_of("ours", "worker");
    if (ask(url, &other, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(rpc_counters(rpc)->handshakes_failed, 1);
    rpc_close(rpc);
}

static struct rpc *open_dialling(struct inbox *box, const char *url, const char *to, const struct rpc_tls *tls)
{
    struct rpc *rpc = open_with(box, url, tls);
    inbox_dial(rpc, 1, to, RPC_PUSH);
    inbox_send(rpc, 1, 0, 0, 100);
    INBOX_AWAIT(rpc_counters(rpc)->sent == 1);
    return rpc;
}

// A list that is read again ends a connection of who is on it, and no other.
static void who_is_revoked_is_put_out(void **state)
{
    (void)state;
    struct rpc_tls ours = tls_of("ours", "by_ip");
    const struct rpc_tls left = tls_of("ours", "revoked"), stays = tls_of("ours", "worker");
    struct seen seen = {0};
    struct inbox boxes[2];
    struct error err = {0};
    struct rpc *rpc = NULL;
    make_list("listening");
    ours.crl_file = path("listening.pem");
    const struct rpc_config config = {.url = "tls+tcp://127.0.0.1:0",
                                      .tls = &ours,
                                      .received = take_nothing,
                                      .refused_connection = see_refused,
                                      .context = &seen};
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    struct rpc *first = open_dialling(&boxes[0], "inproc://revoked", rpc_url(rpc), &left);
    struct rpc *second = open_dialling(&boxes[1], "inproc://stays", rpc_url(rpc), &stays);
    put_on_list("listening", "revoked");
    if (rpc_reload(rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    INBOX_AWAIT(atomic_load(&seen.refused) > 0);
    if (!strstr(seen.why, "read again, and its own is refused now: its authority revoked it (CN=w2"))
        fail_msg("%s", seen.why);
    inbox_send(first, 1, 0, 1, 100);
    inbox_send(second, 1, 0, 1, 100);
    INBOX_AWAIT(rpc_counters(second)->sent == 2);
    INBOX_AWAIT(rpc_counters(first)->dropped_late + rpc_counters(first)->unacknowledged == 1);
    assert_int_equal(rpc_counters(second)->reconnected, 0);
    assert_int_equal(rpc_counters(rpc)->received, 3);
    rpc_close(first);
    rpc_close(second);
    rpc_close(rpc);
}

// The same of the side that dials: who is dialled gets nothing more.
static void nothing_goes_to_who_is_revoked(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "by_ip");
    struct rpc_tls mine = tls_of("ours", "worker");
    struct inbox boxes[2];
    struct error err = {0};
    make_list("dialling");
    mine.crl_file = path("dialling.pem");
    struct rpc *rpc = open_with(&boxes[0], "tls+tcp://127.0.0.1:0", &ours);
    struct rpc *dialling = open_dialling(&boxes[1], "inproc://dialling", rpc_url(rpc), &mine);
    if (rpc_reload(dialling, &err) != STATUS_OK) fail_msg("%s", err.message);
    inbox_send(dialling, 1, 0, 1, 100);
    INBOX_AWAIT(rpc_counters(dialling)->sent == 2);
    assert_int_equal(rpc_counters(dialling)->reconnected, 0);
    put_on_list("dialling", "by_ip");
    if (rpc_reload(dialling, &err) != STATUS_OK) fail_msg("%s", err.message);
    inbox_send(dialling, 1, 0, 2, 100);
    INBOX_AWAIT(rpc_counters(dialling)->dropped_late == 1);
    assert_int_equal(rpc_counters(rpc)->received, 2);
    rpc_close(dialling);
    rpc_close(rpc);
}

// Why the endpoint says that it refused whoever the command connects.
static void expect_reason(const struct rpc_tls *tls, const char *client, const char *words)
{
    struct seen seen = {0};
    struct error err = {0};
    struct rpc *rpc = NULL;
    const struct rpc_config config = {.url = "tls+tcp://127.0.0.1:0",
                                      .tls = tls,
                                      .received = take_nothing,
                                      .requested = see,
                                      .refused_connection = see_refused,
                                      .context = &seen};
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    run("openssl s_client -connect %s %s </dev/null || true", strstr(rpc_url(rpc), "127."), client);
    INBOX_AWAIT(atomic_load(&seen.refused) == 1);
    if (!strstr(seen.why, words)) fail_msg("\"%s\" without \"%s\"", seen.why, words);
    assert_int_equal(rpc_counters(rpc)->handshakes_failed, 1);
    rpc_close(rpc);
}

static void every_refused_peer_is_told_with_the_reason(void **state)
{
    (void)state;
    struct rpc_tls ours = tls_of("ours", "by_ip");
    make_list("reasons");
    put_on_list("reasons", "member");
    ours.crl_file = path("reasons.pem");
    expect_reason(&ours, "", "its certificate is refused: it shows none");
    expect_reason(&ours, "-cert expired.pem -key expired.key",
                  "its certificate is refused: it has expired (CN=localhost, DNS:localhost): renew it");
    expect_reason(&ours, "-cert stranger.pem -key stranger.key",
                  "its certificate is refused: it is not signed by a known authority (CN=localhost, DNS:localhost, "
                  "signed by CN=theirs)");
    expect_reason(&ours, "-cert member.pem -key member.key",
                  "its certificate is refused: its authority revoked it (CN=w1");
    expect_reason(&ours, "-tls1_1 -cipher ALL:@SECLEVEL=0", "no TLS: unsupported protocol");
}

// Who says little, slowly, gains no time by it.
static void who_does_not_come_to_the_point_is_closed(void **state)
{
    (void)state;
    const struct rpc_tls ours = tls_of("ours", "by_ip"), mine = tls_of("ours", "worker");
    static const uint8_t hello[] = {0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3}; // 16 KiB are announced
    struct rpc_tls_context *context = NULL;
    struct seen seen = {0};
    struct error err = {0};
    struct rpc *rpc = NULL;
    const struct rpc_config config = {.url = "tls+tcp://127.0.0.1:0",
                                      .tls = &ours,
                                      .greeting_us = 300000,
                                      .received = take_nothing,
                                      .requested = see,
                                      .refused_connection = see_refused,
                                      .context = &seen};
    if (rpc_open(&config, &rpc, &err) != STATUS_OK) fail_msg("%s", err.message);
    assert_int_equal(rpc_tls_load(&mine, &context, &err), STATUS_OK);
    struct dialled silent = dial_raw(rpc_url(rpc), NULL), slow = dial_raw(rpc_url(rpc), NULL);
    assert_true(raw_socket_send(slow.fd, hello, sizeof hello));
    unsigned sent = 0;
    while (sent < SLOW_BYTES_MAX && raw_socket_send(slow.fd, "", 1)) {
        thread_sleep_us(5000);
        sent++;
    }
    assert_true(sent < SLOW_BYTES_MAX); // it was closed meanwhile
    assert_true(raw_socket_is_closed(silent.fd));
    INBOX_AWAIT(atomic_load(&seen.refused) == 2);
    assert_string_equal(seen.why, "its TLS handshake took too long");
    atomic_store(&seen.refused, 0);
    struct dialled secure = dial_raw(rpc_url(rpc), context); // the handshake alone is not enough
    assert_true(raw_socket_is_closed(secure.fd));
    INBOX_AWAIT(atomic_load(&seen.refused) == 1);
    assert_string_equal(seen.why, "it sent nothing in time");
    assert_int_equal(rpc_counters(rpc)->handshakes_failed, 2);
    rpc_tls_session_destroy(secure.session);
    close(silent.fd);
    close(slow.fd);
    close(secure.fd);
    rpc_tls_unref(context);
    rpc_close(rpc);
}

static void expect_bad_file(const struct rpc_tls *tls, const char *words)
{
    struct inbox box;
    struct rpc *rpc = NULL;
    struct error err = {0};
    inbox_init(&box);
    const struct rpc_config config = {
        .url = "tls+tcp://127.0.0.1:0", .tls = tls, .received = inbox_received, .context = &box};
    assert_int_equal(rpc_open(&config, &rpc, &err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_USAGE);
    if (!strstr(err.message, words)) fail_msg("\"%s\" without \"%s\"", err.message, words);
}

static void bad_files_are_named(void **state)
{
    (void)state;
    struct rpc_tls tls = tls_of("ours", "worker");
    run("printf 'no certificate' > text.pem; : > empty.pem");
    expect_bad_file(NULL, "needs three PEM files");
    tls.ca_file = path("nowhere.pem");
    expect_bad_file(&tls, "nowhere.pem: No such file");
    tls.ca_file = path("text.pem");
    expect_bad_file(&tls, "text.pem holds no certificates");
    tls.ca_file = path("ours.key");
    expect_bad_file(&tls, "ours.key holds no certificates");
    tls = tls_of("ours", "worker");
    tls.certificate_file = path("empty.pem");
    expect_bad_file(&tls, "the certificate file");
    tls.certificate_file = path("worker.key");
    expect_bad_file(&tls, "worker.key holds no certificate");
    tls = tls_of("ours", "worker");
    tls.key_file = path("worker.pem");
    expect_bad_file(&tls, "worker.pem holds no private key");
    tls.key_file = NULL;
    expect_bad_file(&tls, "the key is missing");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages_and_requests_pass),
                                       cmocka_unit_test(an_answer_goes_wherever_a_turn_ends),
                                       cmocka_unit_test(a_long_row_of_large_messages_keeps_its_connection),
                                       cmocka_unit_test(the_dialling_side_refuses_what_it_cannot_trust),
                                       cmocka_unit_test(names_are_compared_as_documented),
                                       cmocka_unit_test(the_listening_side_refuses_what_it_cannot_trust),
                                       cmocka_unit_test(who_shows_no_certificate_gets_no_frame_read),
                                       cmocka_unit_test(tls_and_plain_do_not_meet),
                                       cmocka_unit_test(a_link_waits_for_an_endpoint_it_can_trust),
                                       cmocka_unit_test(names_are_known_until_they_are_revoked),
                                       cmocka_unit_test(who_is_revoked_is_put_out),
                                       cmocka_unit_test(nothing_goes_to_who_is_revoked),
                                       cmocka_unit_test(every_refused_peer_is_told_with_the_reason),
                                       cmocka_unit_test(who_does_not_come_to_the_point_is_closed),
                                       cmocka_unit_test(bad_files_are_named)};
    return cmocka_run_group_tests(tests, make_certificates, remove_folder);
}
