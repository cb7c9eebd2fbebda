// plan and apply compile in a job: the role answers and keeps its lease meanwhile, one text at a time, each command is
// answered once.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/vector.h"
#include "coordinator/cluster/cluster.h"
#include "tests/unit/lib/unit_folder.h"

struct fixture {
    int64_t now_us;
    struct clock clock;
    struct random random;
    struct seam seam;
    VECTOR(struct seam_job *) jobs;
    struct kv *kv;
    struct cluster *cluster;
    struct seam_role role;
    unsigned compiled, answers[64], exits[64];
    char last[400];
    bool stops; // the compiler refuses
};
static struct fixture *fixture;

static int64_t now(struct clock *clock)
{
    (void)clock;
    return fixture->now_us;
}

static void host_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    (void)seam, (void)peer, (void)bytes, (void)size;
}

static void host_spawn(struct seam *seam, struct seam_job *job)
{
    (void)seam;
    vector_push(&fixture->jobs, job);
}

static bool host_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

// The text is the pipeline's name.
static enum status host_compile(void *context, const struct definition *definition, struct arena *arena,
                                Foreset__Plan **ret_plan, const char *const **ret_warnings, struct error *err)
{
    (void)context;
    fixture->compiled++;
    if (fixture->stops) return error_set(err, STATUS_INVALID, ERROR_USAGE, "compiling this pipeline takes too long");
    Foreset__Plan *plan = arena_alloc(arena, sizeof *plan);
    foreset__plan__init(plan);
    plan->pipeline = arena_strdup(arena, definition->sql);
    plan->sql_hash = plan->pipeline;
    *ret_plan = plan;
    *ret_warnings = NULL;
    return STATUS_OK;
}

static enum status host_start(void *context, const struct definition *definition, const struct cluster_start *start,
                              struct error *err)
{
    (void)context, (void)definition, (void)start, (void)err;
    return STATUS_OK;
}

static void host_channel(void *context, uint64_t channel)
{
    (void)context, (void)channel;
}

static void host_leaving(void *context, uint64_t channel, const char *const *workers, size_t count)
{
    (void)context, (void)channel, (void)workers, (void)count;
}

static char *host_status(void *context, uint64_t channel)
{
    (void)context, (void)channel;
    return NULL;
}

static void host_watch(void *context, const char *url)
{
    (void)context, (void)url;
}

static void host_reply(void *context, void *token, const Foreset__AdminReply *reply)
{
    (void)context;
    size_t number = (size_t)token;
    fixture->answers[number]++;
    fixture->exits[number] = reply->exit_code;
    snprintf(fixture->last, sizeof fixture->last, "%s", reply->message ? reply->message : "");
}

static void host_end(void *context, const char *why)
{
    (void)context;
    fail_msg("%s", why);
}

static void job_run(size_t at)
{
    struct seam_job *job = fixture->jobs.items[at];
    vector_remove(&fixture->jobs, at);
    job->run(job);
    job->done(job);
}

static void run(void)
{
    for (unsigned i = 0; i < 20; i++) {
        fixture->role.tick(fixture->role.role);
        while (fixture->jobs.count) job_run(0);
    }
}

static int setup(void **state)
{
    (void)state;
    static const struct seam_ops ops = {.send = host_send, .spawn = host_spawn, .stopping = host_stopping};
    struct error err = {0};
    fixture = memory_calloc(1, sizeof *fixture);
    fixture->now_us = 1700000000000000;
    fixture->clock = (struct clock){.wall_us = now, .boot_us = now};
    random_init(&fixture->random, 1);
    fixture->seam = (struct seam){.ops = &ops, .clock = &fixture->clock, .random = &fixture->random};
    assert_int_equal(kv_local_open(unit_folder_create(), &fixture->kv, &err), STATUS_OK);
    const struct cluster_config config = {.name = "c",
                                          .url = "tcp://c",
                                          .version = "1",
                                          .kv = fixture->kv,
                                          .kv_name = "kv",
                                          .lease_ttl_us = 3000000,
                                          .host = {.compile = host_compile,
                                                   .start = host_start,
                                                   .drain = host_channel,
                                                   .abandon = host_channel,
                                                   .leaving = host_leaving,
                                                   .status = host_status,
                                                   .watch = host_watch,
                                                   .reply = host_reply,
                                                   .fenced = host_end,
                                                   .lost = host_end}};
    assert_int_equal(cluster_create(&config, &fixture->seam, &fixture->cluster, &err), STATUS_OK);
    cluster_role(fixture->cluster, &fixture->role);
    run();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    for (size_t i = 0; i < fixture->jobs.count; i++) fixture->jobs.items[i]->drop(fixture->jobs.items[i]);
    vector_deinit(&fixture->jobs);
    cluster_destroy(fixture->cluster);
    kv_close(fixture->kv);
    memory_free(fixture);
    unit_folder_remove();
    return 0;
}

static void request(size_t number, const char *verb, const char *sql)
{
    Foreset__Cluster *message = memory_alloc(sizeof *message);
    foreset__cluster__init(message);
    message->body_case = FORESET__CLUSTER__BODY_REQUEST;
    message->request = memory_alloc(sizeof *message->request);
    foreset__admin_request__init(message->request);
    message->request->verb = memory_strdup(verb);
    message->request->version = memory_strdup("1");
    if (sql) {
        message->request->has_text = true;
        message->request->text = (ProtobufCBinaryData){strlen(sql), (uint8_t *)memory_strdup(sql)};
    }
    fixture->role.event(fixture->role.role, cluster_request_event((void *)number, message));
}

static void the_role_goes_on_while_a_text_is_compiled(void **state)
{
    (void)state;
    request(1, "pipelines plan", "p");
    assert_int_equal(fixture->compiled, 0); // not on the role's thread
    assert_int_equal(fixture->jobs.count, 1);
    request(2, "cluster status", NULL);
    assert_int_equal(fixture->answers[2], 1);
    for (unsigned i = 0; i < 20; i++) { // the lease is kept beside it
        fixture->now_us += 500000;
        fixture->role.tick(fixture->role.role);
        while (fixture->jobs.count > 1) job_run(1);
    }
    request(3, "cluster status", NULL);
    assert_int_equal(fixture->exits[3], 0);
    assert_int_equal(fixture->answers[1], 0);
    job_run(0);
    assert_int_equal(fixture->answers[1], 1);
    assert_non_null(strstr(fixture->last, "new pipeline"));
}

static void texts_wait_for_each_other_and_each_is_answered(void **state)
{
    (void)state;
    for (size_t i = 1; i < 40; i++) request(i, i % 2 ? "pipelines apply" : "pipelines plan", i % 3 ? "p" : "q");
    assert_int_equal(fixture->jobs.count, 1); // one at a time
    unsigned busy = 0;
    for (size_t i = 1; i < 40; i++) busy += fixture->answers[i];
    assert_true(busy > 0 && busy < 30); // too many do not wait
    assert_non_null(strstr(fixture->last, "try again"));
    run();
    for (size_t i = 1; i < 40; i++) assert_int_equal(fixture->answers[i], 1);
}

// Two versions at once: the second is compared with the first, not with what was there before.
static void what_is_applied_meanwhile_is_compared_with(void **state)
{
    (void)state;
    request(1, "pipelines apply", "p");
    run();
    assert_non_null(strstr(fixture->last, "version 1"));
    request(2, "pipelines apply", "p");
    request(3, "pipelines apply", "p");
    run();
    assert_non_null(strstr(fixture->last, "version"));
    assert_int_equal(fixture->exits[2], 0);
    assert_int_equal(fixture->exits[3], 0);
    assert_true(fixture->compiled >= 5); // each with what it replaces
}

static void a_text_that_is_refused_is_answered_and_the_next_one_compiled(void **state)
{
    (void)state;
    fixture->stops = true;
    request(1, "pipelines apply", "p");
    request(2, "pipelines plan", "q");
    run();
    assert_int_equal(fixture->exits[1], 2);
    assert_int_equal(fixture->answers[2], 1);
    assert_non_null(strstr(fixture->last, "takes too long"));
}

static void what_waits_at_the_end_is_freed(void **state)
{
    (void)state;
    for (size_t i = 1; i < 5; i++) request(i, "pipelines apply", "p");
    assert_int_equal(fixture->compiled, 0);
}

int main(void)
{
#define FACT(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        FACT(the_role_goes_on_while_a_text_is_compiled),
        FACT(texts_wait_for_each_other_and_each_is_answered),
        FACT(what_is_applied_meanwhile_is_compared_with),
        FACT(a_text_that_is_refused_is_answered_and_the_next_one_compiled),
        FACT(what_waits_at_the_end_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
