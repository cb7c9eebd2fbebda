// Messages between two ends: all of them, in order, whoever is there first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/thread.h"
#include "common/rpc/rpc.h"

enum { MESSAGES = 5000 };

struct end {
    struct mailbox done;
    uint32_t next, peer;
    bool wrong;
};

static void received(void *context, uint32_t peer, const void *bytes, size_t size)
{
    struct end *end = context;
    uint32_t number;
    if (size != sizeof number) {
        end->wrong = true;
        return;
    }
    memcpy(&number, bytes, sizeof number);
    if (number != end->next || peer != end->peer) end->wrong = true;
    if (++end->next == MESSAGES) mailbox_wake(&end->done);
}

static void messages_arrive_in_order_both_ways(void **state)
{
    (void)state;
    struct end ends[2] = {{.peer = 2}, {.peer = 1}};
    struct rpc *rpcs[2];
    struct error err;
    mailbox_init(&ends[0].done);
    mailbox_init(&ends[1].done);
    assert_int_equal(rpc_open("inproc://test-a", 1, received, &ends[0], &rpcs[0], &err), STATUS_OK);
    assert_int_equal(rpc_dial(rpcs[0], 2, "inproc://test-b", &err), STATUS_OK); // nobody listens there yet
    uint32_t first = 0;
    rpc_send(rpcs[0], 2, &first, sizeof first);
    assert_int_equal(rpc_open("inproc://test-b", 2, received, &ends[1], &rpcs[1], &err), STATUS_OK);
    assert_int_equal(rpc_dial(rpcs[1], 1, "inproc://test-a", &err), STATUS_OK);
    for (uint32_t i = 0; i < MESSAGES; i++) {
        if (i > 0) rpc_send(rpcs[0], 2, &i, sizeof i);
        rpc_send(rpcs[1], 1, &i, sizeof i);
    }
    mailbox_wait(&ends[0].done, 20000000);
    if (ends[1].next < MESSAGES) mailbox_wait(&ends[1].done, 20000000);
    rpc_close(rpcs[0]);
    rpc_close(rpcs[1]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ends[i].next, MESSAGES);
        assert_false(ends[i].wrong);
        mailbox_deinit(&ends[i].done);
    }
}

static void taken_address_is_told(void **state)
{
    (void)state;
    struct end end = {0};
    struct rpc *rpc, *second;
    struct error err = {0};
    assert_int_equal(rpc_open("inproc://test-c", 1, received, &end, &rpc, &err), STATUS_OK);
    assert_int_equal(rpc_open("inproc://test-c", 1, received, &end, &second, &err), STATUS_ERROR);
    assert_non_null(strstr(err.message, "inproc://test-c"));
    rpc_close(rpc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(messages_arrive_in_order_both_ways),
                                       cmocka_unit_test(taken_address_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
