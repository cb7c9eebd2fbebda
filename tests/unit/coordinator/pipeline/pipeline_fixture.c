// The fixture of pipeline tests (see the header). Everything fails by assertion.
#include "tests/unit/coordinator/pipeline/pipeline_fixture.h"

#include <sys/stat.h>

#include "common/delta/delta_table.h"
#include "common/kv/kv.h"
#include "common/rpc/control_pieces.h"

#define SCHEMA    "struct<v:int>"
#define STEPS_MAX 100000

// ---- Time, jobs, network ----

static int64_t fixture_now(struct clock *clock)
{
    return ((struct pipeline_fixture *)((char *)clock - offsetof(struct pipeline_fixture, clock)))->now_us;
}

static int64_t fixture_wall(struct clock *clock)
{
    const struct pipeline_fixture *fixture =
        (struct pipeline_fixture *)((char *)clock - offsetof(struct pipeline_fixture, clock));
    return fixture->now_us + fixture->wall_shift_us;
}

static struct pipeline_fixture *fixture_of(struct seam *seam)
{
    return (struct pipeline_fixture *)((char *)seam - offsetof(struct pipeline_fixture, seam));
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

// ---- The worker ----

static struct post fixture_pack(struct pipeline_fixture *fixture, Foreset__Control *control, uint64_t epoch)
{
    struct post post = {0};
    control->generation = fixture->generation;
    control->incarnation = fixture->peer_incarnation;
    control->epoch = epoch;
    assert_int_equal(control_message_pack(control, &post.bytes, &fixture->err), STATUS_OK);
    return post;
}

static void fixture_push(struct pipeline_fixture *fixture, const void *bytes, size_t size)
{
    struct post post = {0};
    text_append(&post.bytes, bytes, size);
    vector_push(&fixture->posts, post);
}

// The same piece with other bytes, of the generation before.
static void fixture_stale(struct pipeline_fixture *fixture, const void *bytes, size_t size)
{
    struct text stale = {0};
    Foreset__Control *control = NULL;
    assert_int_equal(control_message_unpack(bytes, size, &control, &fixture->err), STATUS_OK);
    control->generation--;
    control->piece->bytes.data[0] ^= 1;
    assert_int_equal(control_message_pack(control, &stale, &fixture->err), STATUS_OK);
    fixture_push(fixture, stale.data, stale.length);
    control_message_destroy(control);
    text_deinit(&stale);
}

static void fixture_frame(void *context, const void *bytes, size_t size)
{
    struct pipeline_fixture *fixture = context;
    fixture->pieces++;
    if (fixture->pieces == fixture->lost_piece) return;
    if (fixture->pieces == fixture->stale_piece) fixture_stale(fixture, bytes, size);
    fixture_push(fixture, bytes, size);
    if (fixture->pieces == fixture->repeated_piece) fixture_push(fixture, bytes, size);
}

// On its way now, and numbered so. Takes the post.
static void fixture_post(struct pipeline_fixture *fixture, struct post post)
{
    Foreset__Control *control = NULL;
    assert_int_equal(control_message_unpack(post.bytes.data, post.bytes.length, &control, &fixture->err), STATUS_OK);
    control->sequence = ++fixture->sequence;
    if (fixture->piece_bytes > 0 && control->body_case == FORESET__CONTROL__BODY_PREPARED) {
        assert_int_equal(
            control_pieces_send(control, fixture->piece_bytes, &post.bytes, fixture_frame, fixture, &fixture->err),
            STATUS_OK);
        text_deinit(&post.bytes);
    } else {
        assert_int_equal(control_message_pack(control, &post.bytes, &fixture->err), STATUS_OK);
        vector_push(&fixture->posts, post);
    }
    control_message_destroy(control);
}

void pipeline_fixture_say(struct pipeline_fixture *fixture, Foreset__Control *control, uint64_t epoch)
{
    if (!fixture->mute) fixture_post(fixture, fixture_pack(fixture, control, epoch));
}

static void worker_register(struct pipeline_fixture *fixture)
{
    Foreset__Register body = FORESET__REGISTER__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    body.name = (char *)"worker";
    body.url = (char *)"tcp://worker";
    body.lanes = 1;
    body.memory_bytes = 1 << 20;
    body.version = (char *)"1";
    control.body_case = FORESET__CONTROL__BODY_REGISTER_;
    control.register_ = &body;
    fixture->sequence = 0;
    pipeline_fixture_say(fixture, &control, 0);
    fixture->sequence = 0;
}

static void worker_assigned(struct pipeline_fixture *fixture, const Foreset__Control *assign)
{
    Foreset__Assigned body = FORESET__ASSIGNED__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    control.body_case = FORESET__CONTROL__BODY_ASSIGNED;
    control.assigned = &body;
    fixture->generation = assign->generation;
    fixture->sequence = 0;
    fixture->assigns++;
    pipeline_fixture_say(fixture, &control, 0);
}

static void worker_read_done(struct pipeline_fixture *fixture, uint64_t epoch, const Foreset__EpochPlan *plan)
{
    Foreset__ReadDone body = FORESET__READ_DONE__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__Maximum maximum = FORESET__MAXIMUM__INIT, *maxima[] = {&maximum};
    uint32_t took_part[2] = {0};
    if (plan->n_sources > 0) took_part[body.n_took_part++] = 0;
    if (fixture->plan.n_tables > 1 && (plan->n_sources > 0 || plan->no_data)) took_part[body.n_took_part++] = 1;
    body.took_part = took_part;
    if (fixture->plan.n_tables > 1 && plan->n_sources > 0) {
        maximum.node = 2;
        maximum.event_time_us = fixture->maximum_us;
        body.maxima = maxima;
        body.n_maxima = 1;
    }
    control.body_case = FORESET__CONTROL__BODY_READ_DONE;
    control.read_done = &body;
    struct post post = fixture_pack(fixture, &control, epoch);
    if (fixture->hold_read) {
        vector_push(&fixture->held_read, post);
    } else {
        fixture_post(fixture, post);
    }
}

// The bytes of a data file that the worker reports.
static void worker_file(struct pipeline_fixture *fixture, const char *path)
{
    struct objstore *store = NULL;
    char folder[128];
    snprintf(folder, sizeof folder, "%s/t0", fixture->folder);
    assert_int_equal(objstore_open(folder, true, &store, &fixture->err), STATUS_OK);
    assert_int_equal(objstore_put(store, path, "row", 3, &fixture->err), STATUS_OK);
    objstore_close(store);
}

static void worker_prepared(struct pipeline_fixture *fixture, uint64_t epoch, const Foreset__EpochPlan *plan)
{
    Foreset__Prepared body = FORESET__PREPARED__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__TableEpoch table = FORESET__TABLE_EPOCH__INIT, *tables[] = {&table};
    Foreset__DataFile file = FORESET__DATA_FILE__INIT, *files[] = {&file};
    char path[96];
    snprintf(path, sizeof path, "part-%llu-%llu-1-0-0-x.parquet", (unsigned long long)epoch,
             (unsigned long long)fixture->generation);
    file.path = path;
    file.rows = file.size_bytes = 1;
    file.stats = (char *)"{\"numRecords\":1}";
    file.epoch = epoch;
    file.generation = fixture->generation;
    if (plan->n_ranges > 0) {
        worker_file(fixture, path);
        table.adds = files;
        table.n_adds = 1;
    }
    body.tables = tables;
    body.n_tables = 1;
    Foreset__Evidence last[PARTITIONS], *planned[PARTITIONS];
    for (size_t i = 0; i < plan->n_ranges; i++) {
        Foreset__Range *range = plan->ranges[i];
        planned[i] = range->last;
        if (fixture->silent_topic || range->to <= range->from) continue;
        foreset__evidence__init(&last[i]);
        last[i].offset = range->to - 1;
        range->last = &last[i];
    }
    body.ranges = plan->ranges;
    body.n_ranges = plan->n_ranges;
    control.body_case = FORESET__CONTROL__BODY_PREPARED;
    control.prepared = &body;
    struct post post = fixture_pack(fixture, &control, epoch);
    for (size_t i = 0; i < plan->n_ranges; i++) plan->ranges[i]->last = planned[i];
    if (fixture->hold_prepared || fixture->hold_read) {
        vector_push(&fixture->held_prepared, post);
    } else {
        fixture_post(fixture, post);
    }
}

void pipeline_fixture_fail(struct pipeline_fixture *fixture, enum error_class class, const uint32_t *unreached,
                           uint64_t epoch)
{
    Foreset__Failed body = FORESET__FAILED__INIT;
    Foreset__Control control = FORESET__CONTROL__INIT;
    body.class_ = (Foreset__ErrorClass) class;
    body.message = (char *)"the worker says so";
    body.has_unreached = unreached != NULL;
    body.unreached = unreached ? *unreached : 0;
    control.body_case = FORESET__CONTROL__BODY_FAILED;
    control.failed = &body;
    pipeline_fixture_say(fixture, &control, epoch);
}

static void worker_plan(struct pipeline_fixture *fixture, const Foreset__Control *control)
{
    const Foreset__EpochPlan *plan = control->plan;
    struct planned planned = {.epoch = control->epoch,
                              .generation = control->generation,
                              .no_data = plan->no_data,
                              .last = plan->last,
                              .publishes = plan->tables[0]->publishes,
                              .timestamp_us = plan->timestamp_us,
                              .at_us = fixture->now_us};
    for (size_t i = 0; i < plan->n_ranges; i++) {
        planned.rows += (uint64_t)(plan->ranges[i]->to - plan->ranges[i]->from);
        planned.from[plan->ranges[i]->partition] = plan->ranges[i]->from;
    }
    vector_push(&fixture->plans, planned);
    if (fixture->mute) return;
    worker_read_done(fixture, control->epoch, plan);
    if (control->epoch == fixture->fails_epoch) {
        pipeline_fixture_fail(fixture, fixture->fails_class, NULL, control->epoch);
    } else {
        worker_prepared(fixture, control->epoch, plan);
    }
}

static void posts_free(struct post *posts, size_t count)
{
    for (size_t i = 0; i < count; i++) text_deinit(&posts[i].bytes);
}

static void worker_forget(struct pipeline_fixture *fixture)
{
    posts_free(fixture->held_read.items, fixture->held_read.count);
    posts_free(fixture->held_prepared.items, fixture->held_prepared.count);
    fixture->held_read.count = fixture->held_prepared.count = 0;
}

static void fixture_send(struct seam *seam, uint32_t peer, const void *bytes, size_t size)
{
    struct pipeline_fixture *fixture = fixture_of(seam);
    Foreset__Control *control = NULL;
    if (peer != WORKER) return; // another one, which is deaf
    assert_int_equal(control_message_unpack(bytes, size, &control, &fixture->err), STATUS_OK);
    if (control->body_case == FORESET__CONTROL__BODY_ASSIGN) {
        worker_forget(fixture);
        fixture->plans.count = 0;
        worker_assigned(fixture, control);
    } else if (control->body_case == FORESET__CONTROL__BODY_PLAN) {
        worker_plan(fixture, control);
    } else if (control->body_case == FORESET__CONTROL__BODY_ABORT_) {
        fixture->aborts++;
        fixture->stopped = control->abort_->stop;
        worker_forget(fixture);
        worker_register(fixture);
    }
    control_message_destroy(control);
}

// ---- The source ----

struct fixture_catalog {
    struct catalog base;
    struct pipeline_fixture *fixture;
};

static void catalog_close(struct catalog *catalog)
{
    memory_free(catalog);
}

static enum status catalog_poll(struct catalog *catalog, bool first, struct catalog_offer *offer, struct error *err)
{
    struct pipeline_fixture *fixture = ((struct fixture_catalog *)catalog)->fixture;
    (void)first;
    fixture->polls++;
    if (fixture->source_fails) return error_set(err, STATUS_ERROR, fixture->source_class, "the broker does not answer");
    for (int32_t i = 0; i < PARTITIONS; i++) {
        struct catalog_partition partition = {
            .topic = memory_strdup(""), .partition = i, .low = fixture->lows[i], .end = fixture->ends[i]};
        vector_push(&offer->partitions, partition);
    }
    return STATUS_OK;
}

static enum status catalog_report(struct catalog *catalog, Foreset__Range *const *ranges, size_t count, bool last,
                                  struct error *err)
{
    struct pipeline_fixture *fixture = ((struct fixture_catalog *)catalog)->fixture;
    (void)err;
    fixture->reported_last = last;
    for (size_t i = 0; i < count; i++) fixture->reported[ranges[i]->partition] = ranges[i]->to;
    return STATUS_OK;
}

static enum status catalog_verify(struct catalog *catalog, const Foreset__Range *const *ranges, size_t count,
                                  enum catalog_evidence *ret_evidence, struct error *err)
{
    struct pipeline_fixture *fixture = ((struct fixture_catalog *)catalog)->fixture;
    fixture->verifies++;
    if (fixture->verify_fails) return error_set(err, STATUS_ERROR, ERROR_RETRY, "the broker does not answer");
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(ranges[i]->last->offset, ranges[i]->to - 1); // the record before the range to be decided
        ret_evidence[i] = fixture->evidence;
    }
    return STATUS_OK;
}

static enum status catalog_open(void *context, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                                struct error *err)
{
    static const struct catalog_ops ops = {
        .close = catalog_close, .poll = catalog_poll, .report = catalog_report, .verify = catalog_verify};
    (void)plan;
    (void)node;
    (void)err;
    struct fixture_catalog *catalog = memory_calloc(1, sizeof *catalog);
    catalog->base.ops = &ops;
    catalog->fixture = context;
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}

// ---- What the pipeline tells ----

static void fixture_progress(void *context, const struct pipeline_progress *progress)
{
    ((struct pipeline_fixture *)context)->published = progress->manifest->body->epoch;
}

static void fixture_notice(void *context, const char *text)
{
    (void)text;
    ((struct pipeline_fixture *)context)->notices++;
}

static void fixture_ended(void *context, enum pipeline_outcome outcome, const struct error *err)
{
    struct pipeline_fixture *fixture = context;
    fixture->ended = true;
    fixture->outcome = outcome;
    if (err) fixture->err = *err;
}

// ---- Life ----

static Foreset__Node *fixture_node(struct pipeline_fixture *fixture, uint32_t at, enum _Foreset__Node__Kind kind,
                                   uint32_t table, uint32_t input)
{
    Foreset__Node *node = fixture->node_list[at] = &fixture->nodes[at];
    foreset__node__init(node);
    node->kind = kind;
    node->table = table;
    node->schema = (char *)SCHEMA;
    node->name = (char *)"node";
    if (kind != FORESET__NODE__KIND__SOURCE) {
        node->inputs = arena_calloc(&fixture->arena, 1, sizeof *node->inputs);
        node->inputs[0] = input;
        node->n_inputs = 1;
    }
    fixture->plan.n_nodes = at + 1;
    return node;
}

static Foreset__Table *fixture_table(struct pipeline_fixture *fixture, uint32_t number, uint32_t node)
{
    Foreset__Table *table = fixture->table_list[number] = &fixture->tables[number];
    foreset__table__init(table);
    table->name = arena_printf(&fixture->arena, "t%u", number);
    table->url = arena_printf(&fixture->arena, "%s/t%u", fixture->folder, number);
    table->schema = (char *)SCHEMA;
    table->mode = FORESET__TABLE__MODE__APPEND;
    table->node = node;
    table->sources = arena_calloc(&fixture->arena, 1, sizeof *table->sources);
    table->n_sources = 1;
    table->dead_letters = arena_printf(&fixture->arena, "t%u__dead_letters", number);
    table->dead_letters_url = arena_printf(&fixture->arena, "%s/t%u__dead_letters", fixture->folder, number);
    fixture->plan.n_tables = number + 1;
    return table;
}

static enum status fixture_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                      struct error *err)
{
    (void)context;
    return objstore_open(url, create, ret_store, err);
}

int pipeline_fixture_setup(void **state)
{
    struct pipeline_fixture *fixture = memory_calloc(1, sizeof *fixture);
    snprintf(fixture->folder, sizeof fixture->folder, "/tmp/test_pipeline_XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    arena_init(&fixture->arena, 0);
    random_init(&fixture->random, 1);
    fixture->now_us = 1700000000 * SECOND;
    fixture->clock = (struct clock){.wall_us = fixture_wall, .boot_us = fixture_now};
    fixture->peer_incarnation = 5;
    foreset__plan__init(&fixture->plan);
    fixture->plan.pipeline = (char *)"test";
    fixture->plan.sql_hash = (char *)"0000000000000000";
    fixture->plan.shards = 4;
    fixture->plan.version = 1;
    fixture->plan.trigger_us = TRIGGER_US;
    fixture->plan.nodes = fixture->node_list;
    fixture->plan.tables = fixture->table_list;
    Foreset__Node *source = fixture_node(fixture, 0, FORESET__NODE__KIND__SOURCE, 0, 0);
    foreset__source__init(&fixture->source);
    fixture->source.kind = FORESET__SOURCE__KIND__NUMBERS;
    fixture->source.name = (char *)"numbers";
    source->source = &fixture->source;
    fixture_node(fixture, 1, FORESET__NODE__KIND__TABLE, 0, 0);
    fixture_table(fixture, 0, 1);
    *state = fixture;
    return 0;
}

void pipeline_fixture_watermark(struct pipeline_fixture *fixture, int64_t delay_us)
{
    Foreset__Node *watermark = fixture_node(fixture, 2, FORESET__NODE__KIND__WATERMARK, 1, 0);
    watermark->has_delay_us = true;
    watermark->delay_us = delay_us;
    fixture_node(fixture, 3, FORESET__NODE__KIND__TABLE, 1, 2);
    Foreset__Table *table = fixture_table(fixture, 1, 3);
    table->has_stateful = table->stateful = table->has_no_data_epochs = table->no_data_epochs = true;
    table->watermarks = arena_calloc(&fixture->arena, 1, sizeof *table->watermarks);
    table->watermarks[0] = 2;
    table->n_watermarks = 1;
}

void pipeline_fixture_start(struct pipeline_fixture *fixture)
{
    static const struct seam_ops ops = {
        .send = fixture_send, .spawn = fixture_spawn, .sleep = fixture_sleep, .stopping = fixture_stopping};
    char path[96];
    fixture->seam = (struct seam){.ops = &ops, .clock = &fixture->clock, .random = &fixture->random};
    snprintf(path, sizeof path, "%s/kv", fixture->folder);
    (void)mkdir(path, 0755);
    assert_int_equal(kv_local_open(path, &fixture->kv, &fixture->err), STATUS_OK);
    snprintf(path, sizeof path, "%s/state", fixture->folder);
    assert_int_equal(objstore_open(path, true, &fixture->state, &fixture->err), STATUS_OK);
    fixture->config.process = "test";
    fixture->config.plan = &fixture->plan;
    fixture->config.state_url = "state";
    fixture->config.kv = fixture->kv;
    fixture->config.state = fixture->state;
    fixture->config.stores = (struct store_opener){fixture_open_store, NULL};
    fixture->config.catalogs = (struct catalog_opener){catalog_open, fixture};
    fixture->config.progress = fixture_progress;
    fixture->config.notice = fixture_notice;
    fixture->config.ended = fixture_ended;
    fixture->config.context = fixture;
    fixture->ended = false;
    assert_int_equal(pipeline_create(&fixture->config, &fixture->seam, &fixture->pipeline, &fixture->err), STATUS_OK);
    pipeline_role(fixture->pipeline, &fixture->role);
    worker_register(fixture);
}

void pipeline_fixture_stop(struct pipeline_fixture *fixture)
{
    for (size_t i = 0; i < fixture->jobs.count; i++) fixture->jobs.items[i]->drop(fixture->jobs.items[i]);
    fixture->jobs.count = 0;
    posts_free(fixture->posts.items, fixture->posts.count);
    fixture->posts.count = 0;
    worker_forget(fixture);
    pipeline_destroy(fixture->pipeline);
    fixture->pipeline = NULL;
    objstore_close(fixture->state);
    kv_close(fixture->kv);
}

int pipeline_fixture_teardown(void **state)
{
    struct pipeline_fixture *fixture = *state;
    char command[96];
    if (fixture->pipeline) pipeline_fixture_stop(fixture);
    vector_deinit(&fixture->jobs);
    vector_deinit(&fixture->plans);
    vector_deinit(&fixture->posts);
    vector_deinit(&fixture->held_read);
    vector_deinit(&fixture->held_prepared);
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return system(command);
}

// ---- Going on ----

void pipeline_fixture_job(struct pipeline_fixture *fixture)
{
    assert_true(fixture->jobs.count > 0);
    struct seam_job *job = fixture->jobs.items[0];
    vector_remove(&fixture->jobs, 0);
    job->run(job);
    job->done(job);
}

void pipeline_fixture_deliver(struct pipeline_fixture *fixture)
{
    struct post post = fixture->posts.items[0];
    vector_remove(&fixture->posts, 0);
    fixture->role.message(fixture->role.role, WORKER, post.bytes.data, post.bytes.length);
    text_deinit(&post.bytes);
}

bool pipeline_fixture_step(struct pipeline_fixture *fixture)
{
    (void)fixture->role.tick(fixture->role.role);
    if (fixture->jobs.count > 0 && !fixture->hold_jobs) {
        pipeline_fixture_job(fixture);
    } else if (fixture->posts.count > 0) {
        pipeline_fixture_deliver(fixture);
    }
    return (fixture->jobs.count > 0 && !fixture->hold_jobs) || fixture->posts.count > 0;
}

void pipeline_fixture_pump(struct pipeline_fixture *fixture)
{
    unsigned steps = 0;
    do assert_true(++steps < STEPS_MAX);
    while (pipeline_fixture_step(fixture));
}

void pipeline_fixture_pass(struct pipeline_fixture *fixture, int64_t us)
{
    int64_t until = fixture->now_us + us, heartbeat_at = fixture->now_us;
    pipeline_fixture_pump(fixture);
    while (fixture->now_us < until && !fixture->ended) {
        if (fixture->now_us >= heartbeat_at && fixture->generation > 0) {
            Foreset__Heartbeat body = FORESET__HEARTBEAT__INIT;
            Foreset__Control control = FORESET__CONTROL__INIT;
            control.body_case = FORESET__CONTROL__BODY_HEARTBEAT;
            control.heartbeat = &body;
            body.has_rows_in = true;
            body.rows_in = fixture->rows_in;
            pipeline_fixture_say(fixture, &control, 0);
            heartbeat_at = fixture->now_us + SECOND / 2;
        }
        fixture->now_us += until - fixture->now_us < SECOND / 10 ? until - fixture->now_us : SECOND / 10;
        pipeline_fixture_pump(fixture);
    }
}

void pipeline_fixture_drain(struct pipeline_fixture *fixture)
{
    fixture->role.event(fixture->role.role, pipeline_drain_event());
    pipeline_fixture_pump(fixture);
}

void pipeline_fixture_release(struct pipeline_fixture *fixture, bool read, bool prepared)
{
    size_t reads = read ? fixture->held_read.count : 0, done = prepared ? fixture->held_prepared.count : 0;
    for (size_t i = 0; i < reads || i < done; i++) {
        if (i < reads) fixture_post(fixture, fixture->held_read.items[i]);
        if (i < done) fixture_post(fixture, fixture->held_prepared.items[i]);
    }
    if (read) {
        fixture->hold_read = false;
        fixture->held_read.count = 0;
    }
    if (prepared) {
        fixture->hold_prepared = false;
        fixture->held_prepared.count = 0;
    }
    pipeline_fixture_pump(fixture);
}

uint64_t pipeline_fixture_rows(const struct pipeline_fixture *fixture)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < fixture->plans.count; i++) rows += fixture->plans.items[i].rows;
    return rows;
}

uint64_t pipeline_fixture_txn(struct pipeline_fixture *fixture)
{
    char path[96];
    struct objstore *store = NULL;
    struct delta_table *table = NULL;
    snprintf(path, sizeof path, "%s/t0", fixture->folder);
    assert_int_equal(objstore_open(path, true, &store, &fixture->err), STATUS_OK);
    uint64_t txn = 0;
    if (delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_STATE, &table, &fixture->err) == STATUS_OK) {
        if (table->txns.count > 0) txn = (uint64_t)table->txns.items[0].version;
    }
    delta_table_close(table);
    objstore_close(store);
    return txn;
}
