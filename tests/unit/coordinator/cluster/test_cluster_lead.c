// Two coordinators on one kv store whose leases do not run out: what a leader's end, told by the network, changes.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/vector.h"
#include "coordinator/cluster/cluster.h"
#include "tests/unit/lib/unit_folder.h"

#define SECOND 1000000ll

struct coordinator {
    struct fixture *fixture;
    struct seam seam;
    struct random random;
    VECTOR(struct seam_job *) jobs;
    struct cluster *cluster;
    struct seam_role role;
    char watched[64];
};
struct fixture {
    int64_t now_us;
    struct clock clock;
    struct kv *kv;
    struct coordinator both[2];
};

static int64_t fixture_now(struct clock *clock)
{
    return ((struct fixture *)((char *)clock - offsetof(struct fixture, clock)))->now_us;
}

static void fixture_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    (void)seam, (void)peer, (void)bytes, (void)size;
}

static void fixture_spawn(struct seam *seam, struct seam_job *job)
{
    vector_push(&((struct coordinator *)((char *)seam - offsetof(struct coordinator, seam)))->jobs, job);
}

static bool fixture_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

static void fixture_watch(void *context, const char *url)
{
    struct coordinator *coordinator = context;
    snprintf(coordinator->watched, sizeof coordinator->watched, "%s", url ? url : "");
}

static void fixture_end(void *context, const char *why)
{
    (void)context;
    fail_msg("%s", why);
}

static void put(struct fixture *fixture, const char *key, const char *value, int64_t lease)
{
    struct error err = {0};
    const struct kv_op op = {KV_PUT, key, value, strlen(value), lease};
    assert_int_equal(kv_txn(fixture->kv, NULL, 0, &op, 1, &err), STATUS_OK);
}

static bool is_there(struct fixture *fixture, const char *key)
{
    struct error err = {0};
    struct kv_value value = {0};
    assert_int_equal(kv_get(fixture->kv, key, &value, &err), STATUS_OK);
    bool there = value.create_revision != 0;
    kv_value_deinit(&value);
    return there;
}

// A leader key of a pipeline that is led by `candidate`.
static void put_leader(struct fixture *fixture, const char *pipeline, const char *candidate)
{
    struct error err = {0};
    char key[96], value[96];
    int64_t lease = 0;
    assert_int_equal(fixture->kv->ops->lease_grant(fixture->kv, 3000, &lease, &err), STATUS_OK);
    snprintf(key, sizeof key, "foreset/pipelines/%s/leader", pipeline);
    snprintf(value, sizeof value, "%s %lld", candidate, (long long)lease);
    put(fixture, key, value, lease);
}

static void run(struct coordinator *coordinator)
{
    for (unsigned i = 0; i < 20; i++) {
        coordinator->role.tick(coordinator->role.role);
        while (coordinator->jobs.count > 0) {
            struct seam_job *job = coordinator->jobs.items[0];
            vector_remove(&coordinator->jobs, 0);
            job->run(job);
            job->done(job);
        }
    }
}

static bool leads(struct coordinator *coordinator)
{
    // Who leads watches nobody; who stands by watches whoever leads.
    struct error err = {0};
    struct kv_value value = {0};
    char name[16];
    snprintf(name, sizeof name, "c%d ", (int)(coordinator - coordinator->fixture->both) + 1);
    assert_int_equal(kv_get(coordinator->fixture->kv, "foreset/cluster/leader", &value, &err), STATUS_OK);
    bool found = value.size > 3 && memcmp(value.bytes, name, 3) == 0;
    kv_value_deinit(&value);
    return found && !*coordinator->watched;
}

static int setup(void **state)
{
    static const struct seam_ops ops = {.send = fixture_send, .spawn = fixture_spawn, .stopping = fixture_stopping};
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    struct error err = {0};
    fixture->now_us = 1700000000 * SECOND;
    fixture->clock = (struct clock){.wall_us = fixture_now, .boot_us = fixture_now};
    assert_int_equal(kv_local_open(unit_folder_create(), &fixture->kv, &err), STATUS_OK);
    for (unsigned i = 0; i < 2; i++) {
        struct coordinator *coordinator = &fixture->both[i];
        coordinator->fixture = fixture;
        random_init(&coordinator->random, i + 1);
        coordinator->seam = (struct seam){.ops = &ops, .clock = &fixture->clock, .random = &coordinator->random};
        const struct cluster_config config = {
            .name = i == 0 ? "c1" : "c2",
            .url = i == 0 ? "tcp://c1" : "tcp://c2",
            .version = "1",
            .kv = fixture->kv,
            .kv_name = "kv",
            .lease_ttl_us = 3 * SECOND,
            .host = {.watch = fixture_watch, .fenced = fixture_end, .lost = fixture_end, .unreadable = fixture_end},
            .context = coordinator};
        assert_int_equal(cluster_create(&config, &coordinator->seam, &coordinator->cluster, &err), STATUS_OK);
        cluster_role(coordinator->cluster, &coordinator->role);
    }
    run(&fixture->both[0]);
    run(&fixture->both[1]);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (unsigned i = 0; i < 2; i++) {
        cluster_destroy(fixture->both[i].cluster);
        vector_deinit(&fixture->both[i].jobs);
    }
    kv_close(fixture->kv);
    unit_folder_remove();
    memory_free(fixture);
    return 0;
}

static void who_stands_by_watches_the_leader(void **state)
{
    struct fixture *fixture = *state;
    assert_true(leads(&fixture->both[0]));
    assert_string_equal(fixture->both[0].watched, "");
    assert_string_equal(fixture->both[1].watched, "tcp://c1");
}

static void a_leader_that_has_ended_is_followed_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct coordinator *standby = &fixture->both[1];
    run(standby);
    assert_false(leads(standby)); // its lease holds
    standby->role.gone(standby->role.role, CLUSTER_LEADER_PEER);
    run(standby);
    assert_true(leads(standby));
}

static void its_pipelines_are_free_too_and_nobody_elses(void **state)
{
    struct fixture *fixture = *state;
    struct coordinator *standby = &fixture->both[1];
    const char *const names[] = {"ours", "others", "namesakes"};
    const char *const leaders[] = {"c1-0123456789abcdef", "c3-0123456789abcdef", "c1-b-0123456789abcdef"};
    for (unsigned i = 0; i < 3; i++) {
        char key[96];
        snprintf(key, sizeof key, "foreset/cluster/definitions/%s", names[i]);
        put(fixture, key, "{}", 0);
        put_leader(fixture, names[i], leaders[i]);
    }
    standby->role.gone(standby->role.role, CLUSTER_LEADER_PEER);
    standby->role.tick(standby->role.role);
    standby->jobs.items[0]->run(standby->jobs.items[0]);
    standby->jobs.items[0]->drop(standby->jobs.items[0]);
    standby->jobs.count = 0;
    assert_false(is_there(fixture, "foreset/pipelines/ours/leader"));
    assert_true(is_there(fixture, "foreset/pipelines/others/leader"));
    assert_true(is_there(fixture, "foreset/pipelines/namesakes/leader"));
}

static void a_leader_that_was_said_to_have_ended_and_lives_stands_by(void **state)
{
    struct fixture *fixture = *state;
    struct coordinator *leader = &fixture->both[0], *standby = &fixture->both[1];
    standby->role.gone(standby->role.role, CLUSTER_LEADER_PEER);
    run(standby);
    fixture->now_us += 2 * SECOND; // its next keepalive
    run(leader);
    assert_string_equal(leader->watched, "tcp://c2");
    assert_true(leads(standby));
    assert_false(leads(leader));
}

static void another_leader_than_the_one_that_ended_stays(void **state)
{
    struct fixture *fixture = *state;
    struct coordinator *leader = &fixture->both[0], *standby = &fixture->both[1];
    standby->role.gone(standby->role.role, CLUSTER_LEADER_PEER);
    // Before the standby acts the leader has come back under a new incarnation.
    cluster_resign(leader->cluster);
    fixture->now_us += 4 * SECOND;
    run(leader);
    assert_true(leads(leader));
    run(standby);
    assert_true(leads(leader));
    assert_false(leads(standby));
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FACT(who_stands_by_watches_the_leader),
        FACT(a_leader_that_has_ended_is_followed_at_once),
        FACT(its_pipelines_are_free_too_and_nobody_elses),
        FACT(a_leader_that_was_said_to_have_ended_and_lives_stands_by),
        FACT(another_leader_than_the_one_that_ended_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
