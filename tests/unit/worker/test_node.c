// A worker process among the others: which leader it follows, and how it leaves. Time and network are the test's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/rpc/cluster_message.h"
#include "worker/node.h"

#define SECOND 1000000ll

struct fixture {
    int64_t now_us;
    struct clock clock;
    struct random random;
    struct seam seam;
    struct node *node;
    struct seam_role role;
    unsigned hellos, leaving_hellos, left;
    uint32_t leader;
    unsigned served, dropped;
};

static struct fixture *fixture_of(struct seam *seam)
{
    return (struct fixture *)((char *)seam - offsetof(struct fixture, seam));
}

static int64_t fixture_now(struct clock *clock)
{
    return ((struct fixture *)((char *)clock - offsetof(struct fixture, clock)))->now_us;
}

static void fixture_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct fixture *fixture = fixture_of(seam);
    Foreset__Cluster *message = NULL;
    struct error err;
    assert_int_equal(cluster_message_unpack(bytes, size, &message, &err), STATUS_OK);
    assert_int_equal(message->body_case, FORESET__CLUSTER__BODY_HELLO);
    if (peer == 1) fixture->hellos++;
    if (peer == 1 && message->hello->leaving) fixture->leaving_hellos++;
    cluster_message_destroy(message);
}

static void fixture_follow(void *context, uint32_t leader, const char *url)
{
    (void)url;
    ((struct fixture *)context)->leader = leader;
}

static void fixture_serve(void *context, uint64_t channel, const char *pipeline, uint32_t leader)
{
    (void)channel, (void)pipeline, (void)leader;
    ((struct fixture *)context)->served++;
}

static void fixture_drop(void *context, uint64_t channel)
{
    (void)channel;
    ((struct fixture *)context)->dropped++;
}

static void fixture_refused(void *context, const char *why, bool final)
{
    (void)context, (void)why, (void) final;
}

static void fixture_left(void *context)
{
    ((struct fixture *)context)->left++;
}

static int setup(void **state)
{
    static const struct seam_ops ops = {.send = fixture_send};
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    fixture->now_us = 1700000000 * SECOND;
    fixture->clock = (struct clock){.wall_us = fixture_now, .boot_us = fixture_now};
    random_init(&fixture->random, 1);
    fixture->seam = (struct seam){.ops = &ops, .clock = &fixture->clock, .random = &fixture->random};
    const struct node_config config = {.name = "w1",
                                       .url = "tcp://w1",
                                       .version = "1",
                                       .lanes = 1,
                                       .coordinator_count = 2,
                                       .follow = fixture_follow,
                                       .serve = fixture_serve,
                                       .drop = fixture_drop,
                                       .refused = fixture_refused,
                                       .left = fixture_left,
                                       .context = fixture};
    fixture->node = node_create(&config, &fixture->seam);
    node_role(fixture->node, &fixture->role);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    node_destroy(fixture->node);
    memory_free(fixture);
    return 0;
}

static void welcome(struct fixture *fixture, uint32_t peer, uint64_t term, bool may_go)
{
    struct text bytes = {0};
    Foreset__Served served = FORESET__SERVED__INIT, *serves[] = {&served};
    served.channel = 77;
    served.pipeline = (char *)"p";
    Foreset__Welcome body = FORESET__WELCOME__INIT;
    body.term = term;
    body.url = (char *)"tcp://leader";
    body.serves = serves;
    body.n_serves = 1;
    body.has_may_go = body.may_go = may_go;
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_WELCOME;
    message.welcome = &body;
    cluster_message_pack(&message, &bytes);
    fixture->role.message(fixture->role.role, peer, bytes.data, bytes.length);
    text_deinit(&bytes);
}

// Lets time pass; the leader, if there is one, answers twice a second.
static void pass(struct fixture *fixture, int64_t us, uint32_t leader)
{
    for (int64_t until = fixture->now_us + us; fixture->now_us < until; fixture->now_us += SECOND / 10) {
        fixture->role.tick(fixture->role.role);
        if (leader != 0 && (until - fixture->now_us) % (SECOND / 2) == 0) welcome(fixture, leader, leader, false);
    }
}

static void leave(struct fixture *fixture)
{
    fixture->role.event(fixture->role.role, node_leave_event());
}

static void a_higher_term_is_followed_and_a_lower_one_is_not(void **state)
{
    struct fixture *fixture = *state;
    welcome(fixture, 2, 5, false);
    assert_int_equal(fixture->leader, 2);
    assert_int_equal(fixture->served, 1);
    welcome(fixture, 1, 4, false);
    assert_int_equal(fixture->leader, 2);
    welcome(fixture, 1, 6, false);
    assert_int_equal(fixture->leader, 1);
    assert_int_equal(fixture->dropped, 1); // everything is served anew
    assert_int_equal(fixture->served, 2);
}

static void who_leaves_says_so_until_it_may_go(void **state)
{
    struct fixture *fixture = *state;
    welcome(fixture, 1, 1, true); // to who does not leave this means nothing
    assert_int_equal(fixture->left, 0);
    leave(fixture);
    pass(fixture, 10 * SECOND, 1);
    assert_in_range(fixture->leaving_hellos, 45, 55); // five a second
    assert_int_equal(fixture->left, 0);
    welcome(fixture, 1, 1, true);
    welcome(fixture, 1, 1, true);
    assert_int_equal(fixture->left, 1);
}

static void who_leaves_without_a_leader_goes_at_once(void **state)
{
    struct fixture *fixture = *state;
    leave(fixture);
    fixture->role.tick(fixture->role.role);
    assert_int_equal(fixture->left, 1);
}

static void who_leaves_waits_three_seconds_for_a_leader_that_is_silent(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, SECOND, 1);
    pass(fixture, 60 * SECOND, 0);
    leave(fixture);
    pass(fixture, 2 * SECOND, 0);
    assert_int_equal(fixture->left, 0);
    pass(fixture, 2 * SECOND, 0);
    assert_int_equal(fixture->left, 1);
}

static void who_leaves_waits_twenty_seconds_at_most(void **state)
{
    struct fixture *fixture = *state;
    pass(fixture, SECOND, 1);
    leave(fixture);
    pass(fixture, 19 * SECOND, 1);
    assert_int_equal(fixture->left, 0);
    pass(fixture, 2 * SECOND, 1);
    assert_int_equal(fixture->left, 1);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_higher_term_is_followed_and_a_lower_one_is_not),
        FACT(who_leaves_says_so_until_it_may_go),
        FACT(who_leaves_without_a_leader_goes_at_once),
        FACT(who_leaves_waits_three_seconds_for_a_leader_that_is_silent),
        FACT(who_leaves_waits_twenty_seconds_at_most),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
