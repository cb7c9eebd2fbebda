// Who is there, who may come, who may go: the leader of a cluster on a fake seam, with a kv store in a folder.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/vector.h"
#include "common/rpc/cluster_message.h"
#include "coordinator/cluster/cluster.h"
#include "tests/unit/lib/unit_folder.h"

#define SECOND 1000000ll

struct told { // the last Welcome to a peer
    uint32_t peer;
    bool refused, final, may_go;
    char refusal[300];
    size_t serves;
};
struct fixture {
    int64_t now_us;
    struct clock clock;
    struct random random;
    struct seam seam;
    VECTOR(struct seam_job *) jobs;
    struct kv *kv;
    struct cluster *cluster;
    struct seam_role role;
    struct told told;
    const char *said;       // by the pipeline that runs
    char leaving[64];       // names that it was told last
    unsigned leaving_count; // times
    uint32_t hung_up;
    uint32_t owner; // of the name w1; 0: any process may bear it
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
    assert_int_equal(message->body_case, FORESET__CLUSTER__BODY_WELCOME);
    const Foreset__Welcome *welcome = message->welcome;
    fixture->told = (struct told){.peer = peer,
                                  .refused = welcome->refusal != NULL,
                                  .final = welcome->final,
                                  .may_go = welcome->may_go,
                                  .serves = welcome->n_serves};
    if (welcome->refusal) snprintf(fixture->told.refusal, sizeof fixture->told.refusal, "%s", welcome->refusal);
    cluster_message_destroy(message);
}

static void fixture_spawn(struct seam *seam, struct seam_job *job)
{
    vector_push(&fixture_of(seam)->jobs, job);
}

static void fixture_sleep(struct seam *seam, int64_t us)
{
    fixture_of(seam)->now_us += us;
}

static bool fixture_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

static enum status fixture_start(void *context, const struct definition *definition, const struct cluster_start *start,
                                 struct error *err)
{
    (void)context, (void)definition, (void)start, (void)err;
    return STATUS_OK;
}

static void fixture_abandon(void *context, uint64_t channel)
{
    (void)context, (void)channel;
}

static void fixture_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    struct fixture *fixture = context;
    (void)channel;
    fixture->leaving[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(fixture->leaving);
        snprintf(fixture->leaving + length, sizeof fixture->leaving - length, "%s ", workers[i]);
    }
    fixture->leaving_count++;
}

static char *fixture_status(void *context, uint64_t channel)
{
    const char *said = ((struct fixture *)context)->said;
    (void)channel;
    return said ? memory_strdup(said) : NULL;
}

static void fixture_dial(void *context, uint32_t worker, const char *url)
{
    (void)context, (void)worker, (void)url;
}

static void fixture_hangup(void *context, uint32_t worker)
{
    ((struct fixture *)context)->hung_up = worker;
}

static void fixture_end(void *context, const char *why)
{
    (void)context;
    fail_msg("%s", why);
}

// A definition is there, as somebody applied it.
static void fixture_define(struct fixture *fixture)
{
    struct definition definition = {0};
    struct text json = {0};
    struct error err = {0};
    definition_init(&definition);
    definition.name = "p";
    definition.instance = "6f1a8c1e-0000-4000-8000-000000000001";
    definition.file_name = "p.sql";
    definition.directory = "/";
    definition.sql = "SELECT 1";
    definition.version = 1;
    definition_json_pack(&definition, &json);
    const struct kv_op op = {KV_PUT, "foreset/cluster/definitions/p", json.data, json.length, 0};
    assert_int_equal(kv_txn(fixture->kv, NULL, 0, &op, 1, &err), STATUS_OK);
    text_deinit(&json);
    definition_deinit(&definition);
}

static void fixture_pass(struct fixture *fixture, int64_t us)
{
    fixture->now_us += us;
    for (unsigned i = 0; i < 8; i++) { // the lease is kept at each tick: there is always another job
        fixture->role.tick(fixture->role.role);
        if (fixture->jobs.count == 0) return;
        struct seam_job *job = fixture->jobs.items[0];
        vector_remove(&fixture->jobs, 0);
        job->run(job);
        job->done(job);
    }
}

static enum status fixture_worker_name(void *context, uint32_t worker, const char *name, struct error *err)
{
    const struct fixture *fixture = context;
    if (fixture->owner == 0 || fixture->owner == worker || strcmp(name, "w1") != 0) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "CN=w2, the worker calls itself w1");
}

static int setup(void **state)
{
    static const struct seam_ops ops = {
        .send = fixture_send, .spawn = fixture_spawn, .sleep = fixture_sleep, .stopping = fixture_stopping};
    struct fixture *fixture = memory_calloc(1, sizeof *fixture);
    struct error err = {0};
    fixture->now_us = 1700000000 * SECOND;
    fixture->clock = (struct clock){.wall_us = fixture_now, .boot_us = fixture_now};
    random_init(&fixture->random, 1);
    fixture->seam = (struct seam){.ops = &ops, .clock = &fixture->clock, .random = &fixture->random};
    assert_int_equal(kv_local_open(unit_folder_create(), &fixture->kv, &err), STATUS_OK);
    fixture_define(fixture);
    const struct cluster_config config = {.name = "c1",
                                          .url = "tcp://c1",
                                          .version = "1",
                                          .kv = fixture->kv,
                                          .kv_name = "kv",
                                          .host = {.start = fixture_start,
                                                   .abandon = fixture_abandon,
                                                   .leaving = fixture_leaving,
                                                   .status = fixture_status,
                                                   .worker_name = fixture_worker_name,
                                                   .dial = fixture_dial,
                                                   .hangup = fixture_hangup,
                                                   .fenced = fixture_end,
                                                   .lost = fixture_end,
                                                   .unreadable = fixture_end},
                                          .context = fixture};
    assert_int_equal(cluster_create(&config, &fixture->seam, &fixture->cluster, &err), STATUS_OK);
    cluster_role(fixture->cluster, &fixture->role);
    fixture_pass(fixture, 0);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < fixture->jobs.count; i++) fixture->jobs.items[i]->drop(fixture->jobs.items[i]);
    vector_deinit(&fixture->jobs);
    cluster_destroy(fixture->cluster);
    kv_close(fixture->kv);
    unit_folder_remove();
    memory_free(fixture);
    return 0;
}

struct hello {
    const char *name, *url, *version;
    uint64_t incarnation;
    bool leaving;
};

// Says hello and returns the answer. Each name has a URL and version of its own, where none is given.
static const struct told *hello(struct fixture *fixture, uint32_t peer, struct hello from)
{
    struct text bytes = {0};
    char url[64];
    snprintf(url, sizeof url, "tcp://%s", from.name);
    Foreset__Hello body = FORESET__HELLO__INIT;
    body.name = (char *)from.name;
    body.url = (char *)(from.url ? from.url : url);
    body.version = (char *)(from.version ? from.version : "1");
    body.incarnation = from.incarnation ? from.incarnation : peer;
    body.has_leaving = body.leaving = from.leaving;
    Foreset__Cluster message = FORESET__CLUSTER__INIT;
    message.body_case = FORESET__CLUSTER__BODY_HELLO;
    message.hello = &body;
    cluster_message_pack(&message, &bytes);
    fixture->told = (struct told){0};
    fixture->role.message(fixture->role.role, peer, bytes.data, bytes.length);
    text_deinit(&bytes);
    assert_int_equal(fixture->told.peer, peer);
    return &fixture->told;
}

static void a_worker_serves_what_runs(void **state)
{
    const struct told *told = hello(*state, 11, (struct hello){.name = "w1"});
    assert_false(told->refused);
    assert_int_equal(told->serves, 1);
}

static void another_version_is_refused_for_good(void **state)
{
    const struct told *told = hello(*state, 11, (struct hello){.name = "w1", .version = "2"});
    assert_true(told->refused && told->final);
    assert_non_null(strstr(told->refusal, "of version 2"));
}

static void a_name_that_is_another_certificates_is_refused_for_good(void **state)
{
    struct fixture *fixture = *state;
    fixture->owner = 12;
    const struct told *told = hello(fixture, 11, (struct hello){.name = "w1"});
    assert_true(told->refused && told->final);
    assert_non_null(strstr(told->refusal, "CN=w2, the worker calls itself w1"));
    assert_false(hello(fixture, 12, (struct hello){.name = "w1"})->refused); // nobody else has it
    assert_true(hello(fixture, 11, (struct hello){.name = "w1", .url = "tcp://w1"})->final);
    assert_int_equal(fixture->hung_up, 0); // nor does the other one lose its place
}

static void a_name_that_cannot_be_one_is_refused_for_good(void **state)
{
    static const char *const wrong[] = {
        "",      "a b",  "a/b",
        "a\\b",  "a\"b", "a\nb",
        "a\x7f", "\xff", "0123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct told *told = hello(*state, 11, (struct hello){.name = wrong[i]});
        assert_true(told->refused && told->final);
        assert_non_null(strstr(told->refusal, "1 to 63 bytes"));
    }
    assert_false(hello(*state, 11, (struct hello){.name = "w-1_.\xc3\xa9:", .url = "tcp://w"})->refused);
}

static void an_address_that_cannot_be_one_is_refused_for_good(void **state)
{
    static char longer[300];
    memset(longer, 'a', sizeof longer - 1);
    const char *wrong[] = {"tcp://a b", "tcp://a\" roles=admin", "tcp://a\nlevel=info",
                           "tcp://a\\", "tcp://\xc3\xa9",        longer};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct told *told = hello(*state, 11, (struct hello){.name = "w1", .url = wrong[i]});
        assert_true(told->refused && told->final);
        assert_non_null(strstr(told->refusal, "the URL of worker w1"));
    }
    assert_false(hello(*state, 11, (struct hello){.name = "w1", .url = "ipc:///run/a.sock"})->refused);
}

static void a_name_is_taken_while_its_process_is_heard(void **state)
{
    struct fixture *fixture = *state;
    hello(fixture, 11, (struct hello){.name = "w1"});
    const struct told *told = hello(fixture, 12, (struct hello){.name = "w1", .url = "tcp://elsewhere"});
    assert_true(told->refused && !told->final);
    fixture_pass(fixture, 5 * SECOND);
    assert_false(hello(fixture, 12, (struct hello){.name = "w1", .url = "tcp://elsewhere"})->refused);
    assert_int_equal(fixture->hung_up, 11);
}

static void the_name_of_a_process_that_has_ended_is_free_at_once(void **state)
{
    struct fixture *fixture = *state;
    hello(fixture, 11, (struct hello){.name = "w1"});
    fixture->role.gone(fixture->role.role, 11);
    assert_false(hello(fixture, 12, (struct hello){.name = "w1", .url = "tcp://elsewhere"})->refused);
}

static void who_comes_from_the_same_address_takes_the_place(void **state)
{
    struct fixture *fixture = *state;
    hello(fixture, 11, (struct hello){.name = "w1"});
    assert_false(hello(fixture, 12, (struct hello){.name = "w1"})->refused);
    assert_int_equal(fixture->hung_up, 11);
}

static void a_worker_that_leaves_goes_when_it_holds_nothing(void **state)
{
    struct fixture *fixture = *state;
    const struct hello leaves = {.name = "w1", .leaving = true};
    hello(fixture, 12, (struct hello){.name = "w2"});
    hello(fixture, 11, (struct hello){.name = "w1"});
    unsigned before = fixture->leaving_count;
    fixture->said = "{\"workers\":[{\"name\":\"w1\",\"takesPart\":true,\"partitions\":1,\"shards\":8}]}";
    assert_false(hello(fixture, 11, leaves)->may_go);
    assert_string_equal(fixture->leaving, "w1 ");
    for (unsigned i = 0; i < 5; i++) {
        fixture_pass(fixture, SECOND);
        hello(fixture, 12, (struct hello){.name = "w2"});
        assert_false(hello(fixture, 11, leaves)->may_go);
    }
    fixture->said = "{\"workers\":[{\"name\":\"w1\",\"takesPart\":false,\"partitions\":0,\"shards\":0}]}";
    assert_true(hello(fixture, 11, leaves)->may_go);
    assert_int_equal(fixture->leaving_count, before + 1); // told once
    fixture->role.gone(fixture->role.role, 11);
    assert_string_equal(fixture->leaving, ""); // the next process of this name holds again
}

static void what_was_said_before_it_left_lets_nobody_go(void **state)
{
    struct fixture *fixture = *state;
    const struct hello leaves = {.name = "w1", .leaving = true};
    hello(fixture, 12, (struct hello){.name = "w2"});
    hello(fixture, 11, (struct hello){.name = "w1"});
    fixture->said = "{\"workers\":[]}"; // it may be given something this very moment
    assert_false(hello(fixture, 11, leaves)->may_go);
    fixture_pass(fixture, SECOND);
    assert_true(hello(fixture, 11, leaves)->may_go);
}

static void who_leaves_last_goes_at_once(void **state)
{
    struct fixture *fixture = *state;
    fixture->said = "{\"workers\":[{\"name\":\"w1\",\"takesPart\":true,\"partitions\":1,\"shards\":8}]}";
    hello(fixture, 11, (struct hello){.name = "w1"});
    assert_true(hello(fixture, 11, (struct hello){.name = "w1", .leaving = true})->may_go);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FACT(a_worker_serves_what_runs),
        FACT(another_version_is_refused_for_good),
        FACT(a_name_that_is_another_certificates_is_refused_for_good),
        FACT(a_name_that_cannot_be_one_is_refused_for_good),
        FACT(an_address_that_cannot_be_one_is_refused_for_good),
        FACT(a_name_is_taken_while_its_process_is_heard),
        FACT(the_name_of_a_process_that_has_ended_is_free_at_once),
        FACT(who_comes_from_the_same_address_takes_the_place),
        FACT(a_worker_that_leaves_goes_when_it_holds_nothing),
        FACT(what_was_said_before_it_left_lets_nobody_go),
        FACT(who_leaves_last_goes_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
