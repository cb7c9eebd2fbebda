// Endpoints and links: every message, whole, in order, whoever is there first; and what is lost is counted.
#include "tests/unit/common/rpc/inbox.h"
#include "tests/unit/common/rpc/raw_socket.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { MESSAGES = 5000, SENDERS = 8 };

static char folder[] = "/tmp/foreset-rpc-XXXXXX";

// Each kind of address twice: what two ends listen at.
static const char *address(unsigned kind, unsigned end)
{
    static char urls[2][128];
    if (kind == 0) return end ? "inproc://test-b" : "inproc://test-a";
    if (kind == 1) return "tcp://127.0.0.1:0";
    snprintf(urls[end], sizeof urls[end], "ipc://%s/%u", folder, end);
    return urls[end];
}

static void messages_arrive_in_order_both_ways(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 3; kind++) {
        struct inbox boxes[2];
        struct rpc *rpcs[2];
        for (unsigned i = 0; i < 2; i++) {
            inbox_init(&boxes[i]);
            boxes[i].peer = 2 - i;
            rpcs[i] = inbox_open(&boxes[i], address(kind, i), i + 1);
        }
        for (unsigned i = 0; i < 2; i++) inbox_dial(rpcs[i], 2 - i, rpc_url(rpcs[1 - i]), RPC_PUSH);
        for (uint32_t i = 0; i < 2 * MESSAGES; i++) inbox_send(rpcs[i % 2], 2 - i % 2, 0, i / 2, 20 + i % 300);
        for (unsigned i = 0; i < 2; i++) {
            INBOX_AWAIT(inbox_count(&boxes[i]) == MESSAGES);
            assert_false(boxes[i].wrong);
            assert_int_equal(boxes[i].gaps, 0);
            assert_int_equal(rpc_counters(rpcs[i])->received, MESSAGES);
        }
        for (unsigned i = 0; i < 2; i++) rpc_close(rpcs[i]);
    }
}

static void messages_wait_for_who_is_not_there_yet(void **state)
{
    (void)state;
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *first = inbox_open(&boxes[0], "inproc://test-a", 1);
    inbox_dial(first, 2, "inproc://test-b", RPC_PUSH);
    for (uint32_t i = 0; i < 10; i++) inbox_send(first, 2, 0, i, 100);
    struct rpc *second = inbox_open(&boxes[1], "inproc://test-b", 2);
    INBOX_AWAIT(inbox_count(&boxes[1]) == 10);
    assert_false(boxes[1].wrong);
    rpc_close(first);
    rpc_close(second);
}

static void large_messages_arrive_whole(void **state)
{
    (void)state;
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "inproc://test-a", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    inbox_dial(from, 2, rpc_url(to), RPC_PUSH);
    for (uint32_t i = 0; i < 3; i++) inbox_send(from, 2, 0, i, 64u << 20);
    INBOX_AWAIT(inbox_count(&boxes[1]) == 3);
    assert_false(boxes[1].wrong);
    assert_int_equal(rpc_counters(to)->received_bytes, 3ull * (64u << 20));
    rpc_close(from);
    rpc_close(to);
}

// What a connection brings in one turn is bounded; an acknowledgement due at the end of a turn goes all the same.
static void a_long_row_of_large_messages_keeps_its_connection(void **state)
{
    (void)state;
    for (unsigned kind = 1; kind < 3; kind++) {
        for (unsigned requests = 0; requests < 2; requests++) inbox_send_row(address(kind, 0), NULL, NULL, requests);
    }
}

static void a_peer_that_comes_back_is_found_again(void **state)
{
    (void)state;
    char url[128];
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "inproc://test-a", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    snprintf(url, sizeof url, "%s", rpc_url(to));
    inbox_dial(from, 2, url, RPC_PUSH);
    uint32_t number = 0;
    for (int round = 0; round < 3; round++) {
        uint64_t before = inbox_count(&boxes[1]);
        // What is sent into the old connection is lost, so it is sent until something comes.
        INBOX_AWAIT((inbox_send(from, 2, 0, number++, 100), inbox_count(&boxes[1]) > before + 5));
        rpc_close(to);
        to = inbox_open(&boxes[1], url, 2);
    }
    assert_false(boxes[1].wrong);
    rpc_close(from);
    rpc_close(to);
}

static void who_has_ended_is_told_at_once_and_once(void **state)
{
    (void)state;
    char url[128];
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "tcp://127.0.0.1:0", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    snprintf(url, sizeof url, "%s", rpc_url(to));
    inbox_dial(from, 2, url, RPC_PUSH);
    uint32_t number = 0;
    for (uint64_t round = 1; round <= 3; round++) {
        uint64_t before = inbox_count(&boxes[1]);
        INBOX_AWAIT((inbox_send(from, 2, 0, number++, 100), inbox_count(&boxes[1]) > before));
        int64_t began_us = clock_boot_us(clock_system());
        rpc_close(to); // nothing is sent meanwhile
        INBOX_AWAIT(inbox_refusals(&boxes[0]) == round);
        assert_true(clock_boot_us(clock_system()) - began_us < 2000000); // not when an idle link pings
        assert_int_equal(boxes[0].refused_peer, 2);
        to = inbox_open(&boxes[1], url, 2);
    }
    rpc_close(from);
    rpc_close(to);
    assert_int_equal(boxes[0].refused, 3);
}

static void who_is_watched_needs_no_messages(void **state)
{
    (void)state;
    char url[128];
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "tcp://127.0.0.1:0", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    snprintf(url, sizeof url, "%s", rpc_url(to));
    inbox_dial(from, 2, url, RPC_WATCH);
    for (uint64_t round = 1; round <= 2; round++) {
        INBOX_AWAIT(rpc_counters(to)->connections > 0); // comes back to who has come back
        rpc_close(to);
        INBOX_AWAIT(inbox_refusals(&boxes[0]) == round);
        to = inbox_open(&boxes[1], url, 2);
    }
    assert_int_equal(inbox_count(&boxes[1]), 0);
    rpc_close(from);
    rpc_close(to);
}

// It takes the message and ends the connection without a word about it.
static void what_may_not_have_arrived_is_told_when_the_other_side_is_there_again(void **state)
{
    (void)state;
    unsigned port;
    char url[64];
    struct inbox box;
    inbox_init(&box);
    const struct rpc_config config = {
        .url = "tcp://127.0.0.1:0", .self = 1, .received = inbox_received, .lost = inbox_lost, .context = &box};
    struct rpc *from = NULL;
    struct error err;
    assert_int_equal(rpc_open(&config, &from, &err), STATUS_OK);
    int listener = raw_socket_listen(&port);
    snprintf(url, sizeof url, "tcp://127.0.0.1:%u", port);
    inbox_dial(from, 2, url, RPC_PUSH);
    inbox_send(from, 2, 0, 0, 100);
    for (int round = 0; round < 2; round++) {
        struct rpc_frame frame;
        uint8_t bytes[100];
        int fd = accept(listener, NULL, NULL);
        assert_true(fd >= 0);
        assert_true(raw_socket_receive_frame(fd, &frame, bytes, sizeof bytes));
        assert_int_equal(frame.kind, RPC_FRAME_PING); // of who has just connected
        assert_true(raw_socket_send_frame(fd, RPC_FRAME_PONG, NULL, 0));
        if (round == 0) {
            assert_true(raw_socket_receive_frame(fd, &frame, bytes, sizeof bytes));
            assert_int_equal(frame.kind, RPC_FRAME_MESSAGE);
            assert_int_equal(inbox_losses(&box), 0);
        } else {
            INBOX_AWAIT(inbox_losses(&box) == 1);
            assert_int_equal(box.lost_silently, 0);
        }
        close(fd);
    }
    rpc_close(from);
    close(listener);
}

// What is cancelled may end by itself at the same moment (nng takes its dialer along then).
static void a_peer_is_hung_up_while_it_is_dialled(void **state)
{
    (void)state;
    char url[128];
    struct inbox box;
    inbox_init(&box);
    struct rpc *gone = inbox_open(&box, "tcp://127.0.0.1:0", 2);
    snprintf(url, sizeof url, "%s", rpc_url(gone));
    rpc_close(gone);
    struct rpc *from = inbox_open(&box, "tcp://127.0.0.1:0", 1);
    for (int64_t i = 0; i < 1000; i++) {
        inbox_dial(from, 2, url, RPC_WATCH);
        for (int64_t until_us = clock_boot_us(clock_system()) + i % 200; clock_boot_us(clock_system()) < until_us;) {
        }
        rpc_hangup(from, 2);
    }
    rpc_close(from);
}

static void a_number_that_is_dialled_again_leads_elsewhere(void **state)
{
    (void)state;
    struct inbox boxes[3];
    struct rpc *rpcs[3];
    for (unsigned i = 0; i < 3; i++) {
        inbox_init(&boxes[i]);
        rpcs[i] = inbox_open(&boxes[i], "tcp://127.0.0.1:0", i);
    }
    inbox_dial(rpcs[0], 7, rpc_url(rpcs[1]), RPC_PUSH);
    inbox_send(rpcs[0], 7, 0, 0, 100);
    INBOX_AWAIT(inbox_count(&boxes[1]) == 1);
    inbox_dial(rpcs[0], 7, rpc_url(rpcs[1]), RPC_PUSH); // the same: nothing happens
    inbox_send(rpcs[0], 7, 0, 1, 100);
    INBOX_AWAIT(inbox_count(&boxes[1]) == 2);
    assert_int_equal(rpc_counters(rpcs[1])->connections, 1);
    inbox_dial(rpcs[0], 7, rpc_url(rpcs[2]), RPC_PUSH);
    inbox_send(rpcs[0], 7, 0, 2, 100);
    INBOX_AWAIT(inbox_count(&boxes[2]) == 1);
    rpc_hangup(rpcs[0], 7);
    rpc_hangup(rpcs[0], 7);
    inbox_send(rpcs[0], 7, 0, 3, 100);
    assert_int_equal(rpc_counters(rpcs[0])->dropped_unknown, 1);
    for (unsigned i = 0; i < 3; i++) rpc_close(rpcs[i]);
    assert_int_equal(boxes[1].count, 2);
    assert_int_equal(boxes[2].count, 1);
}

struct sender {
    struct rpc *rpc;
    uint32_t stream, messages, peers;
    pthread_t thread;
};

static void *send_all(void *argument)
{
    const struct sender *sender = argument;
    for (uint32_t i = 0; i < sender->messages; i++) {
        inbox_send(sender->rpc, 10 + (sender->peers ? i % sender->peers : 0), sender->stream, i, 16 + i % 5000);
    }
    return NULL;
}

static void start_senders(struct sender senders[SENDERS], struct rpc *rpc, uint32_t messages, uint32_t peers)
{
    for (uint32_t i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.rpc = rpc, .stream = i, .messages = messages, .peers = peers};
        thread_create(&senders[i].thread, "sender", send_all, &senders[i]);
    }
}

static void concurrent_senders_each_keep_their_order(void **state)
{
    (void)state;
    struct sender senders[SENDERS];
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "inproc://test-a", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    inbox_dial(from, 10, rpc_url(to), RPC_PUSH);
    start_senders(senders, from, MESSAGES, 0);
    for (unsigned i = 0; i < SENDERS; i++) thread_join(senders[i].thread);
    INBOX_AWAIT(inbox_count(&boxes[1]) == SENDERS * MESSAGES);
    assert_false(boxes[1].wrong);
    assert_int_equal(boxes[1].gaps, 0);
    rpc_close(from);
    rpc_close(to);
}

static uint64_t all_fates(const struct rpc_counters *counters)
{
    return counters->sent + counters->dropped_unknown + counters->dropped_full + counters->dropped_late +
           counters->dropped_hangup + counters->unacknowledged;
}

static void peers_come_and_go_while_others_send(void **state)
{
    (void)state;
    enum { PEERS = 4, ROUNDS = 60 };
    struct sender senders[SENDERS];
    struct inbox boxes[2];
    inbox_init(&boxes[0]);
    inbox_init(&boxes[1]);
    struct rpc *from = inbox_open(&boxes[0], "inproc://test-a", 1);
    struct rpc *to = inbox_open(&boxes[1], "tcp://127.0.0.1:0", 2);
    struct rpc *other = inbox_open(&boxes[0], "inproc://test-b", 3);
    start_senders(senders, from, MESSAGES, PEERS);
    for (uint32_t i = 0; i < ROUNDS; i++) {
        inbox_dial(from, 10 + i % PEERS, i % 3 ? rpc_url(to) : "inproc://test-b", RPC_PUSH);
        if (i % 5 == 4) rpc_hangup(from, 10 + (i / 5) % PEERS);
    }
    for (unsigned i = 0; i < SENDERS; i++) thread_join(senders[i].thread);
    for (uint32_t i = 0; i < PEERS; i++) rpc_hangup(from, 10 + i);
    assert_int_equal(all_fates(rpc_counters(from)), SENDERS * MESSAGES); // none is forgotten, none counted twice
    rpc_close(from);
    rpc_close(to);
    rpc_close(other);
}

static void what_waits_for_nobody_is_bounded_in_bytes_and_time(void **state)
{
    (void)state;
    struct inbox box;
    inbox_init(&box);
    const struct rpc_config config = {.url = "inproc://test-a",
                                      .self = 1,
                                      .received = inbox_received,
                                      .lost = inbox_lost,
                                      .context = &box,
                                      .queue_bytes_max = 64 << 10,
                                      .deadline_us = 100000};
    struct rpc *from = NULL;
    struct error err;
    assert_int_equal(rpc_open(&config, &from, &err), STATUS_OK);
    const struct rpc_counters *counters = rpc_counters(from);
    inbox_dial(from, 10, "inproc://test-b", RPC_PUSH);
    for (uint32_t i = 0; i < 200; i++) inbox_send(from, 10, 0, i, 1000);
    assert_in_range(counters->dropped_full, 200 - 66, 200 - 60);
    INBOX_AWAIT(all_fates(counters) == 200);
    assert_int_equal(counters->dropped_late, 200 - counters->dropped_full);
    INBOX_AWAIT(inbox_losses(&box) == counters->dropped_late);
    assert_int_equal(box.lost_silently, box.lost);
    struct rpc *to = inbox_open(&box, "inproc://test-b", 2);
    uint32_t number = 200;
    INBOX_AWAIT((inbox_send(from, 10, 0, number++, 100), inbox_count(&box) > 0));
    rpc_close(from);
    rpc_close(to);
}

static void an_address_that_cannot_be_had_is_told(void **state)
{
    (void)state;
    struct inbox box;
    struct rpc *second = NULL;
    struct error err = {0};
    inbox_init(&box);
    struct rpc_config config = {.self = 1, .received = inbox_received, .context = &box};
    for (unsigned kind = 0; kind < 3; kind++) {
        struct rpc *rpc = inbox_open(&box, address(kind, 0), 1);
        config.url = rpc_url(rpc);
        assert_int_equal(rpc_open(&config, &second, &err), STATUS_ERROR);
        assert_non_null(strstr(err.message, rpc_url(rpc)));
        assert_non_null(strstr(err.message, "another process listens there"));
        rpc_close(rpc);
    }
    config.url = "tcp://192.0.2.1:7400";
    assert_int_equal(rpc_open(&config, &second, &err), STATUS_ERROR);
    assert_non_null(strstr(err.message, "no address of this machine"));
    assert_null(second);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); // sockets are gone with their endpoints
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_arrive_in_order_both_ways),
        cmocka_unit_test(messages_wait_for_who_is_not_there_yet),
        cmocka_unit_test(large_messages_arrive_whole),
        cmocka_unit_test(a_long_row_of_large_messages_keeps_its_connection),
        cmocka_unit_test(a_peer_that_comes_back_is_found_again),
        cmocka_unit_test(who_has_ended_is_told_at_once_and_once),
        cmocka_unit_test(who_is_watched_needs_no_messages),
        cmocka_unit_test(what_may_not_have_arrived_is_told_when_the_other_side_is_there_again),
        cmocka_unit_test(a_peer_is_hung_up_while_it_is_dialled),
        cmocka_unit_test(a_number_that_is_dialled_again_leads_elsewhere),
        cmocka_unit_test(concurrent_senders_each_keep_their_order),
        cmocka_unit_test(peers_come_and_go_while_others_send),
        cmocka_unit_test(what_waits_for_nobody_is_bounded_in_bytes_and_time),
        cmocka_unit_test(an_address_that_cannot_be_had_is_told)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
