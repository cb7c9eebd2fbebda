// Frames of another worker: any bytes are dropped or fail the data flow with RESTART_PIPELINE, and what passes is taken
// through the operators behind the exchanges. Input: records of u16 length and a frame; seven of eight are mended, so
// that checksums, generation, routing and sequence do not stop them at the door.
#include <stdio.h>
#include <stdlib.h>

#include "common/base/hash.h"
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz.h"
#include "worker/lane/lane_private.h"

#define FUZZ_FRAMES_MAX 64
#define FUZZ_STEPS_MAX  1000
#define FUZZ_READ                                                                                                      \
    "FROM STREAM read_files('in', format => 'json', schema => 'k STRING, n INT, d DOUBLE, e DECIMAL(20,3), "           \
    "t TIMESTAMP, b BINARY, x BOOLEAN, l ARRAY<STRUCT<a: STRING, m: MAP<STRING, INT>>>') "

static const char fuzz_sql[] =
    "CREATE OR REFRESH STREAMING TABLE s AS SELECT * " FUZZ_READ "DROP DUPLICATES ON (k);"
    "CREATE OR REFRESH STREAMING TABLE b AS SELECT k, n FROM STREAM s;"
    "CREATE OR REFRESH STREAMING TABLE u TBLPROPERTIES ('output.mode' = 'update') AS SELECT n, count(*) AS c, "
    "sum(e) AS se, max_by(k, n) AS mk, collect_set(n) AS st " FUZZ_READ "GROUP BY n;"
    "CREATE OR REFRESH STREAMING TABLE g AS SELECT window.start AS ws, avg(d) AS a, first(k) AS f " FUZZ_READ
    "WATERMARK t DELAY OF INTERVAL 1 MINUTE GROUP BY window(t, '1 minute');"
    "CREATE OR REFRESH STREAMING TABLE l AS SELECT k " FUZZ_READ "LIMIT 10;";

static struct arena fuzz_arena;
static Foreset__Plan *fuzz_plan;
static bool fuzz_failed;

static enum status fuzz_create(struct objstore *store, const char *key, struct objstore_writer **ret_writer,
                               struct error *err)
{
    (void)store;
    (void)ret_writer;
    return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "%s: no file here", key);
}

static struct objstore *fuzz_store(void *context, uint32_t table, bool dead_letters)
{
    static const struct objstore_ops ops = {.create = fuzz_create};
    static struct objstore store = {.ops = &ops};
    (void)context;
    (void)table;
    (void)dead_letters;
    return &store;
}

static void fuzz_notify(void *context, struct dataflow_event *event)
{
    (void)context;
    fuzz_failed = fuzz_failed || event->kind == DATAFLOW_FAILED;
    dataflow_event_destroy(event);
}

static void fuzz_send(void *context, uint32_t worker, const void *bytes, size_t size)
{
    struct exchange_frame frame;
    struct error err;
    (void)context;
    ASSERT(worker == 1 && exchange_frame_parse(bytes, size, &frame, &err) == STATUS_OK);
}

static void fuzz_prepare(void)
{
    static const struct planner_options options = {.file_name = "fuzz.sql", .directory = "/fuzz"};
    struct error err = {0};
    if (fuzz_plan) return;
    arena_init(&fuzz_arena, 0);
    if (planner_compile(fuzz_sql, &options, &fuzz_arena, &fuzz_plan, NULL, &err) != STATUS_OK) {
        fprintf(stderr, "%s\n", err.message);
        abort();
    }
}

// The first of two workers, each with one lane.
static struct lane_group *fuzz_open(struct budget *budget)
{
    static Foreset__RoutingWorker workers[2], *pointers[2] = {&workers[0], &workers[1]};
    Foreset__Routing routing = FORESET__ROUTING__INIT;
    struct dataflow *flow = NULL;
    struct error err;
    for (uint32_t i = 0; i < 2; i++) {
        foreset__routing_worker__init(&workers[i]);
        workers[i].name = workers[i].url = (char *)"";
        workers[i].lane_first = i;
        workers[i].lanes = 1;
    }
    routing.version = 1;
    routing.workers = pointers;
    routing.n_workers = 2;
    routing.shard_lanes = memory_calloc(fuzz_plan->shards, sizeof *routing.shard_lanes);
    routing.n_shard_lanes = fuzz_plan->shards;
    for (uint32_t i = 1; i < fuzz_plan->shards; i += 2) routing.shard_lanes[i] = 1;
    struct dataflow_open_args args = {.plan = fuzz_plan,
                                      .generation = 1,
                                      .incarnation = 1,
                                      .hash_seed = 1,
                                      .lanes = 1,
                                      .worker_count = 2,
                                      .routing = &routing,
                                      .budget = budget,
                                      .table_store = fuzz_store,
                                      .notify = fuzz_notify,
                                      .send = fuzz_send};
    ASSERT(lane_group_open_with(&args, &(struct lane_group_options){.stepped = true, .seed = 1}, &flow, &err) ==
           STATUS_OK);
    memory_free(routing.shard_lanes);
    return (struct lane_group *)flow;
}

static void fuzz_step(struct lane_group *group)
{
    for (int i = 0; i < FUZZ_STEPS_MAX && lane_group_step(&group->base, 0); i++) {
    }
}

static void fuzz_plan_epoch(struct lane_group *group, uint64_t number)
{
    Foreset__EpochPlan plan = FORESET__EPOCH_PLAN__INIT;
    Foreset__Watermark watermark = FORESET__WATERMARK__INIT;
    uint32_t sources[64];
    struct error err;
    plan.timestamp_us = 1000000 * (int64_t)number;
    plan.routing_version = 1;
    plan.sources = sources;
    for (uint32_t i = 0; i < fuzz_plan->n_nodes && plan.n_sources < 64; i++) {
        if (fuzz_plan->nodes[i]->kind == FORESET__NODE__KIND__SOURCE) sources[plan.n_sources++] = i;
    }
    ASSERT(group->base.ops->plan(&group->base, number, &plan, &err) == STATUS_OK);
    ASSERT(group->base.ops->watermark(&group->base, number, &watermark, &err) == STATUS_OK);
    fuzz_step(group);
}

static void fuzz_limit(uint8_t *frame, size_t at, size_t size, uint64_t below)
{
    uint64_t value = 0;
    memcpy(&value, frame + at, size);
    value %= below;
    memcpy(frame + at, &value, size);
}

static void fuzz_mend(const struct lane_group *group, uint8_t *frame, size_t *size)
{
    uint64_t one = 1, zero = 0, sequence = group->peers[1].expected, hash;
    memcpy(frame, "FSX1", 4);
    frame[4] = (uint8_t)(1 + frame[4] % EXCHANGE_FRAME_ANSWERED);
    frame[5] &= 1;
    memcpy(frame + 6, &zero, 2);
    memcpy(frame + 24, &one, 8);
    memcpy(frame + 32, &one, 8);
    memcpy(frame + 40, &sequence, 8);
    fuzz_limit(frame, 48, 8, 12);
    fuzz_limit(frame, 56, 4, group->exchange_count + 1);
    fuzz_limit(frame, 60, 4, 3);
    fuzz_limit(frame, 64, 4, 3);
    memcpy(frame + 68, &zero, 4);
    bool answers = frame[4] == EXCHANGE_FRAME_ANSWER;
    if (frame[4] != EXCHANGE_FRAME_BATCH && frame[4] != EXCHANGE_FRAME_KEYS && !answers) *size = EXCHANGE_FRAME_HEAD;
    uint64_t asked = 8 * (*size - EXCHANGE_FRAME_HEAD); // a bit for each
    if (answers && asked > 0) memcpy(frame + 80, &asked, 8);
    if (answers) fuzz_limit(frame, 72, 8, asked + 1);
    hash = hash_64(frame + EXCHANGE_FRAME_HEAD, *size - EXCHANGE_FRAME_HEAD, 0);
    memcpy(frame + 16, &hash, 8);
    hash = hash_64(frame + 16, EXCHANGE_FRAME_HEAD - 16, frame[4]);
    memcpy(frame + 8, &hash, 8);
}

static void fuzz_frame(struct lane_group *group, const uint8_t *bytes, size_t length)
{
    size_t size = length < EXCHANGE_FRAME_HEAD ? EXCHANGE_FRAME_HEAD : length;
    uint8_t *frame = memory_calloc(size, 1);
    memcpy(frame, bytes, length);
    if (frame[7] & 7) fuzz_mend(group, frame, &size);
    group->base.ops->receive(&group->base, 1, frame, size);
    memory_free(frame);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct budget budget;
    fuzz_prepare();
    budget_init(&budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    fuzz_failed = false;
    struct lane_group *group = fuzz_open(&budget);
    fuzz_plan_epoch(group, 1);
    for (int i = 0; i < FUZZ_FRAMES_MAX && size >= 2 && !fuzz_failed; i++) {
        size_t length = (size_t)(bytes[0] | bytes[1] << 8);
        if (length > size - 2) length = size - 2;
        fuzz_frame(group, bytes + 2, length);
        if (i % 3 == 2) fuzz_step(group);
        if (i == 7 && !fuzz_failed) fuzz_plan_epoch(group, 2); // what came for it has waited
        bytes += 2 + length;
        size -= 2 + length;
    }
    fuzz_step(group);
    group->base.ops->close(&group->base);
    ASSERT(atomic_load(&budget.used_bytes) == 0);
    return 0;
}
