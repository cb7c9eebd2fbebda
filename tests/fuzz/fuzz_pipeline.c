// Control messages of a worker, into the leader of a pipeline: whatever comes, it is dropped, restarts the attempt or
// fails the pipeline; what passes goes through merging, deciding and putting. Input: records. Bits of the flags: 1 a
// message of this attempt and the next in order, 2 of the epoch that waits for it, 4 with the ranges that were planned,
// 8 with numbers of tables that there are, 16 first time goes on, 32 from another worker.
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/kv/kv.h"
#include "coordinator/pipeline/pipeline.h"
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz_role.h"

enum { FUZZ_WORKER = 7, FUZZ_OTHER = 8, FUZZ_RECORDS_MAX = 64, FUZZ_EPOCHS = 64 };
#define FUZZ_EVENTS "STREAM read_kafka(bootstrapServers => 'b:9092', subscribe => 'e', startingOffsets => 'earliest')"

static const char fuzz_sql[] =
    "SET pipeline.name = fuzz; SET pipeline.trigger = 1 second;"
    "CREATE OR REFRESH STREAMING TABLE b AS SELECT CAST(value AS STRING) AS k, timestamp AS t FROM " FUZZ_EVENTS ";"
    "CREATE OR REFRESH STREAMING TABLE u TBLPROPERTIES ('output.mode' = 'update') AS SELECT k, count(*) AS c FROM "
    "STREAM b GROUP BY k;"
    "CREATE OR REFRESH STREAMING TABLE g AS SELECT window.start AS ws, count(*) AS c FROM STREAM b "
    "WATERMARK t DELAY OF INTERVAL 1 MINUTE GROUP BY window(t, '1 minute');"
    "CREATE OR REFRESH STREAMING TABLE f PARTITIONED BY (p) AS SELECT * FROM STREAM read_files('/in', format => "
    "'json', schema => 'n INT, p STRING');";

static struct fuzz_role role;
static struct arena fuzz_arena;
static Foreset__Plan *fuzz_plan;
static struct pipeline *fuzz_pipeline;
static char fuzz_folder[64];
static uint64_t generation, incarnation, sequence;
static struct {
    Foreset__Control *plan;
    bool read, prepared; // it was said so
} planned[FUZZ_EPOCHS];
static size_t planned_count; // in this attempt
static int64_t fuzz_end;     // of each partition

static int fuzz_remove(const char *path, const struct stat *found, int kind, struct FTW *walk)
{
    (void)found, (void)kind, (void)walk;
    return remove(path);
}

static void fuzz_forget(void)
{
    nftw(fuzz_folder, fuzz_remove, 16, FTW_DEPTH | FTW_PHYS);
}

static void fuzz_prepare(void)
{
    struct error err = {0};
    if (fuzz_plan) return;
    snprintf(fuzz_folder, sizeof fuzz_folder, "%s/foreset-fuzz-%d", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp",
             (int)getpid());
    ASSERT(atexit(fuzz_forget) == 0);
    const struct planner_setting warehouse = {"pipeline.warehouse", fuzz_folder};
    const struct planner_options options = {
        .file_name = "fuzz.sql", .directory = "/fuzz", .settings = &warehouse, .setting_count = 1};
    arena_init(&fuzz_arena, 0);
    if (planner_compile(fuzz_sql, &options, &fuzz_arena, &fuzz_plan, NULL, &err) == STATUS_OK) return;
    fprintf(stderr, "%s\n", err.message);
    abort();
}

// ---- What the leader asks ----

static void fuzz_catalog_close(struct catalog *catalog)
{
    memory_free(catalog);
}

static enum status fuzz_catalog_poll(struct catalog *catalog, bool first, struct catalog_offer *offer,
                                     struct error *err)
{
    (void)catalog, (void)first, (void)err;
    for (int32_t i = 0; i < 2; i++) {
        struct catalog_partition partition = {.topic = memory_strdup("e"), .partition = i, .end = fuzz_end};
        vector_push(&offer->partitions, partition);
    }
    return STATUS_OK;
}

static enum status fuzz_catalog_open(void *context, const Foreset__Plan *plan, uint32_t node,
                                     struct catalog **ret_catalog, struct error *err)
{
    static const struct catalog_ops ops = {.close = fuzz_catalog_close, .poll = fuzz_catalog_poll};
    (void)context, (void)plan, (void)node, (void)err;
    *ret_catalog = memory_calloc(1, sizeof **ret_catalog);
    (*ret_catalog)->ops = &ops;
    return STATUS_OK;
}

static enum status fuzz_store_open(void *context, const char *url, bool create, struct objstore **ret_store,
                                   struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}

static void fuzz_forget_plans(void)
{
    for (size_t i = 0; i < planned_count; i++) control_message_destroy(planned[i].plan);
    memset(planned, 0, sizeof planned);
    planned_count = 0;
}

static void fuzz_sent(struct fuzz_role *from, uint32_t peer, const void *bytes, size_t size)
{
    Foreset__Control *control = NULL;
    struct error err;
    (void)from;
    ASSERT(control_message_unpack(bytes, size, &control, &err) == STATUS_OK);
    if (peer == FUZZ_WORKER && control->body_case == FORESET__CONTROL__BODY_ASSIGN) {
        generation = control->generation;
        sequence = 0;
        fuzz_forget_plans();
    }
    bool plan = peer == FUZZ_WORKER && control->body_case == FORESET__CONTROL__BODY_PLAN;
    if (plan && planned_count < FUZZ_EPOCHS) {
        planned[planned_count++].plan = control;
    } else {
        control_message_destroy(control);
    }
}

static void fuzz_said(void *context, const char *json)
{
    (void)context;
    ASSERT(json[0] == '{');
}

// ---- What a worker says ----

static void fuzz_say(uint32_t peer, Foreset__Control *control)
{
    size_t size = foreset__control__get_packed_size(control);
    uint8_t *bytes = memory_alloc(size + 1);
    foreset__control__pack(control, bytes);
    fuzz_role_control(&role, peer, bytes, size);
    memory_free(bytes);
}

static void fuzz_register(void)
{
    Foreset__Register body = FORESET__REGISTER__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    body.name = (char *)"w";
    body.url = (char *)"tcp://w:1";
    body.version = (char *)"1";
    body.lanes = 1;
    control.incarnation = incarnation;
    control.generation = generation;
    control.body_case = FORESET__CONTROL__BODY_REGISTER_;
    control.register_ = &body;
    fuzz_say(FUZZ_WORKER, &control);
}

static void fuzz_alive(bool assigned)
{
    Foreset__Assigned body = FORESET__ASSIGNED__INIT;
    Foreset__Heartbeat beat = FORESET__HEARTBEAT__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.incarnation = incarnation;
    control.generation = generation;
    control.sequence = ++sequence;
    control.body_case = assigned ? FORESET__CONTROL__BODY_ASSIGNED : FORESET__CONTROL__BODY_HEARTBEAT;
    if (assigned) control.assigned = &body;
    if (!assigned) control.heartbeat = &beat;
    fuzz_say(FUZZ_WORKER, &control);
}

// What an honest worker would say besides.
static void fuzz_go_on(void)
{
    if (strcmp(pipeline_state_name(fuzz_pipeline), "gathering") == 0) {
        fuzz_register();
        fuzz_role_pump(&role);
    }
    fuzz_alive(strcmp(pipeline_state_name(fuzz_pipeline), "assigning") == 0);
    fuzz_role_pump(&role);
}

static void fuzz_mend_prepared(Foreset__Prepared *prepared, const Foreset__EpochPlan *plan, uint8_t flags)
{
    if (flags & 4 && plan) {
        prepared->ranges = plan->ranges; // borrowed: given back by the caller
        prepared->n_ranges = plan->n_ranges;
    }
    for (size_t i = 0; flags & 8 && i < prepared->n_tables; i++) {
        Foreset__TableEpoch *table = prepared->tables[i];
        table->table = (uint32_t)i % (uint32_t)fuzz_plan->n_tables;
        table->has_takes_part = table->has_publishes = table->has_late_us = table->has_watermark_us = false;
    }
}

// The oldest epoch of which this was not said yet; NULL: none.
static const Foreset__Control *fuzz_due(bool prepared)
{
    for (size_t i = 0; i < planned_count; i++) {
        bool *said = prepared ? &planned[i].prepared : &planned[i].read;
        if (*said) continue;
        *said = true;
        return planned[i].plan;
    }
    return NULL;
}

static void fuzz_record(uint8_t flags, const uint8_t *bytes, size_t size)
{
    uint32_t peer = flags & 32 ? FUZZ_OTHER : FUZZ_WORKER;
    Foreset__Control *control = foreset__control__unpack(NULL, size, bytes);
    if (!control) {
        fuzz_role_control(&role, peer, bytes, size);
        return;
    }
    bool prepared = control->body_case == FORESET__CONTROL__BODY_PREPARED;
    bool reports = prepared || control->body_case == FORESET__CONTROL__BODY_READ_DONE;
    const Foreset__Control *due = reports && flags & 2 ? fuzz_due(prepared) : NULL;
    if (flags & 1) {
        control->generation = generation;
        control->incarnation = incarnation;
        control->sequence = ++sequence;
    }
    if (due) control->epoch = due->epoch;
    Foreset__Prepared saved = FORESET__PREPARED__INIT;
    if (prepared) {
        saved = *control->prepared;
        fuzz_mend_prepared(control->prepared, due ? due->plan : NULL, flags);
    }
    fuzz_say(peer, control);
    if (prepared) {
        control->prepared->ranges = saved.ranges;
        control->prepared->n_ranges = saved.n_ranges;
    }
    foreset__control__free_unpacked(control, NULL);
}

static void fuzz_converse(const uint8_t *bytes, size_t size)
{
    struct fuzz_records records = {bytes, size};
    uint8_t flags;
    for (int i = 0; i < FUZZ_RECORDS_MAX && fuzz_records_next(&records, &flags, &bytes, &size); i++) {
        if (flags & 16) {
            role.now_us += 1000000;
            fuzz_end += 3;
            fuzz_go_on();
        }
        fuzz_record(flags, bytes, size);
        fuzz_role_pump(&role);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct error err;
    struct kv *kv = NULL;
    struct objstore *state = NULL;
    char path[96];
    fuzz_prepare();
    fuzz_forget();
    fuzz_role_init(&role);
    role.sent = fuzz_sent;
    generation = sequence = 0;
    incarnation = 5;
    fuzz_end = 3;
    snprintf(path, sizeof path, "%s/kv", fuzz_folder);
    ASSERT(mkdir(fuzz_folder, 0700) == 0 && mkdir(path, 0700) == 0);
    ASSERT(kv_local_open(path, &kv, &err) == STATUS_OK);
    snprintf(path, sizeof path, "%s/state", fuzz_folder);
    ASSERT(objstore_open(path, true, &state, &err) == STATUS_OK);
    const struct pipeline_config config = {.process = "fuzz",
                                           .plan = fuzz_plan,
                                           .state_url = path,
                                           .kv = kv,
                                           .state = state,
                                           .stores = {fuzz_store_open, NULL},
                                           .catalogs = {fuzz_catalog_open, NULL},
                                           .said = fuzz_said};
    ASSERT(pipeline_create(&config, &role.seam, &fuzz_pipeline, &err) == STATUS_OK);
    pipeline_role(fuzz_pipeline, &role.role);
    fuzz_role_pump(&role);
    fuzz_go_on();
    fuzz_converse(bytes, size);
    fuzz_role_deinit(&role);
    pipeline_destroy(fuzz_pipeline);
    objstore_close(state);
    kv_close(kv);
    fuzz_forget_plans();
    return 0;
}
