// Control messages of a leader, into a worker that runs a data flow: what comes is dropped or fails the attempt.
// Input: records. Bits of the flags: 1 of this attempt and the next in order, 2 with a plan and a routing that the
// planner and a leader would make, 4 of the next epoch, 8 time goes on.
#include <stdio.h>

#include "common/plan/plan_check.h"
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz_role.h"
#include "worker/lane/lane_group.h"
#include "worker/worker.h"

enum { FUZZ_LEADER = 3, FUZZ_RECORDS_MAX = 64, FUZZ_STEPS_MAX = 500 };
#define FUZZ_READ "STREAM read_files('/nowhere', format => 'json', schema => 'k STRING, n INT, t TIMESTAMP')"

static const char fuzz_sql[] =
    "SET pipeline.name = fuzz;"
    "CREATE OR REFRESH STREAMING TABLE s AS SELECT * FROM " FUZZ_READ " DROP DUPLICATES ON (k);"
    "CREATE OR REFRESH STREAMING TABLE g TBLPROPERTIES ('trigger.interval' = '1 minute') AS SELECT window.start AS ws, "
    "count(*) AS c FROM STREAM s WATERMARK t DELAY OF INTERVAL 1 MINUTE GROUP BY window(t, '1 minute');"
    "CREATE OR REFRESH STREAMING TABLE u TBLPROPERTIES ('output.mode' = 'update') AS SELECT n, sum(n) AS x FROM "
    "STREAM s GROUP BY n;";

static struct fuzz_role role;
static struct arena fuzz_arena;
static Foreset__Plan *fuzz_plan;
static struct budget fuzz_budget;
static struct dataflow *fuzz_flow; // the last that was opened
static VECTOR(struct dataflow_event *) fuzz_events;
static uint64_t generation, incarnation, sequence, epoch;

static void fuzz_prepare(void)
{
    static const struct planner_options options = {.file_name = "fuzz.sql", .directory = "/fuzz"};
    struct error err = {0};
    if (fuzz_plan) return;
    arena_init(&fuzz_arena, 0);
    if (planner_compile(fuzz_sql, &options, &fuzz_arena, &fuzz_plan, NULL, &err) == STATUS_OK) return;
    fprintf(stderr, "%s\n", err.message);
    abort();
}

// ---- A store that holds nothing and takes nothing ----

static enum status fuzz_none(const char *key, struct error *err)
{
    return error_set(err, STATUS_NOT_FOUND, ERROR_RESTART_PIPELINE, "%s: no file here", key);
}

static enum status fuzz_get(struct objstore *store, const char *key, struct buffer **ret_bytes, struct error *err)
{
    (void)store, (void)ret_bytes;
    return fuzz_none(key, err);
}

static enum status fuzz_create(struct objstore *store, const char *key, struct objstore_writer **ret_writer,
                               struct error *err)
{
    (void)store, (void)ret_writer;
    return fuzz_none(key, err);
}

static enum status fuzz_sync(struct objstore *store, const char *const *keys, size_t count, struct error *err)
{
    (void)store, (void)keys, (void)count, (void)err;
    return STATUS_OK;
}

static void fuzz_close(struct objstore *store)
{
    (void)store;
}

static enum status fuzz_store_open(void *context, const char *url, bool create, struct objstore **ret_store,
                                   struct error *err)
{
    static char name[] = "fuzz";
    static const struct objstore_ops ops = {
        .get = fuzz_get, .create = fuzz_create, .sync = fuzz_sync, .close = fuzz_close};
    static struct objstore store = {.ops = &ops, .url = name};
    (void)context, (void)url, (void)create, (void)err;
    *ret_store = &store;
    return STATUS_OK;
}

// ---- The data flow: the real one, in steps ----

static enum status fuzz_flow_open(const struct dataflow_open_args *args, struct dataflow **ret_flow, struct error *err)
{
    static const struct lane_group_options options = {.stepped = true, .seed = 1};
    enum status status = plan_check(args->plan, err);
    if (status != STATUS_OK) return status;
    // Of other plans the check is what is tried: functions over types that do not fit are the planner's promise.
    if (strcmp(args->plan->sql_hash, fuzz_plan->sql_hash) != 0)
        return error_set(err, STATUS_UNSUPPORTED, ERROR_RESTART_PIPELINE, "not our plan");
    status = lane_group_open_with(args, &options, ret_flow, err);
    if (status == STATUS_OK) fuzz_flow = *ret_flow;
    return status;
}

static void fuzz_post(void *context, struct dataflow_event *event)
{
    (void)context;
    vector_push(&fuzz_events, event);
}

static void fuzz_pump(void)
{
    fuzz_role_pump(&role);
    while (fuzz_events.count > 0) {
        struct dataflow_event *event = fuzz_events.items[0];
        vector_remove(&fuzz_events, 0);
        role.role.event(role.role.role, event);
        fuzz_role_pump(&role);
    }
}

static void fuzz_step(struct worker *worker)
{
    fuzz_pump();
    for (int i = 0; i < FUZZ_STEPS_MAX; i++) {
        const char *state = worker_state_name(worker);
        bool open = strcmp(state, "running") == 0 || strcmp(state, "moving") == 0;
        if (!open || !fuzz_flow || !lane_group_step(fuzz_flow, 0)) break;
        fuzz_pump();
    }
}

// ---- What the leader says ----

static void fuzz_sent(struct fuzz_role *from, uint32_t peer, const void *bytes, size_t size)
{
    Foreset__Control *control = NULL;
    struct error err;
    (void)from, (void)peer;
    ASSERT(control_message_unpack(bytes, size, &control, &err) == STATUS_OK);
    incarnation = control->incarnation;
    control_message_destroy(control);
}

static void fuzz_say(Foreset__Control *control)
{
    size_t size = foreset__control__get_packed_size(control);
    uint8_t *bytes = memory_alloc(size + 1);
    foreset__control__pack(control, bytes);
    fuzz_role_control(&role, FUZZ_LEADER, bytes, size);
    memory_free(bytes);
}

static void fuzz_say_mended(Foreset__Control *control, uint8_t flags)
{
    bool assign = control->body_case == FORESET__CONTROL__BODY_ASSIGN;
    Foreset__Plan *plan = assign ? control->assign->plan : NULL;
    if (flags & 1) {
        bool moves = assign && strcmp(control->assign->state_url, "move") == 0;
        if (assign && !moves) sequence = 0;
        if (assign && !moves) generation++;
        control->generation = generation;
        control->incarnation = incarnation;
        control->sequence = ++sequence;
        if (assign) epoch = control->assign->from ? control->assign->from->epoch : 0;
    }
    if (assign && flags & 2) control->assign->plan = fuzz_plan; // borrowed
    if (flags & 4) control->epoch = control->body_case == FORESET__CONTROL__BODY_PLAN ? ++epoch : epoch;
    fuzz_say(control);
    if (assign) control->assign->plan = plan;
}

static void fuzz_record(uint8_t flags, const uint8_t *bytes, size_t size)
{
    Foreset__Control *control = foreset__control__unpack(NULL, size, bytes);
    if (!control) {
        fuzz_role_control(&role, FUZZ_LEADER, bytes, size);
        return;
    }
    fuzz_say_mended(control, flags);
    foreset__control__free_unpacked(control, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const uint32_t leader = FUZZ_LEADER;
    struct fuzz_records records = {bytes, size};
    uint8_t flags;
    fuzz_prepare();
    fuzz_role_init(&role);
    role.sent = fuzz_sent;
    budget_init(&fuzz_budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    generation = sequence = epoch = 0;
    fuzz_flow = NULL;
    const struct worker_config config = {.name = "w",
                                         .lanes = 1,
                                         .coordinators = &leader,
                                         .coordinator_count = 1,
                                         .flow_open = fuzz_flow_open,
                                         .stores = {fuzz_store_open, NULL},
                                         .budget = &fuzz_budget,
                                         .post = fuzz_post};
    struct worker *worker = worker_create(&config, &role.seam);
    worker_role(worker, &role.role);
    fuzz_role_pump(&role); // it registers
    for (int i = 0; i < FUZZ_RECORDS_MAX && fuzz_records_next(&records, &flags, &bytes, &size); i++) {
        if (flags & 8) role.now_us += 1000000;
        fuzz_record(flags, bytes, size);
        fuzz_step(worker);
    }
    fuzz_role_deinit(&role);
    worker_destroy(worker);
    for (size_t i = 0; i < fuzz_events.count; i++) dataflow_event_destroy(fuzz_events.items[i]);
    vector_deinit(&fuzz_events);
    ASSERT(atomic_load(&fuzz_budget.used_bytes) == 0);
    return 0;
}
