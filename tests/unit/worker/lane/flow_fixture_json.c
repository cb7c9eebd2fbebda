// The fixture of data flow tests (see the header). Everything fails by assertion.
#include "tests/unit/worker/lane/flow_fixture.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "common/base/thread.h"
#include "tests/unit/worker/lane/flow_reports.h"

#define PARTITIONS_MAX 4

uint32_t flow_workers = 1, flow_source_opens;

// ---- the scripted source ----
static struct {
    VECTOR(struct flow_row) rows;
} partitions[PARTITIONS_MAX];

struct script_source {
    struct source base;
    const struct type *schema;
    Foreset__Range *const *ranges;
    size_t count, at;
    int64_t next;
    bool begun;
};

void flow_rows(uint32_t partition, const struct flow_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) vector_push(&partitions[partition].rows, rows[i]);
}

void flow_rows_forget(void)
{
    for (size_t i = 0; i < PARTITIONS_MAX; i++) vector_deinit(&partitions[i].rows);
}

static void script_close(struct source *source)
{
    memory_free(source);
}

static enum status script_plan(struct source *source, uint64_t epoch, Foreset__Range *const *ranges, size_t count,
                               struct error *err)
{
    (void)epoch;
    (void)err;
    struct script_source *script = (struct script_source *)source;
    script->ranges = ranges;
    script->count = count;
    script->at = 0;
    script->begun = false;
    return STATUS_OK;
}

static void put_text(struct column_builder *builder, const char *text)
{
    struct error err;
    enum status status =
        text ? column_builder_bytes(builder, text, strlen(text), &err) : column_builder_null(builder, &err);
    assert_int_equal(status, STATUS_OK);
}

static struct batch *script_batch(const struct type *schema, const struct flow_row *rows, uint32_t count)
{
    struct column_builder *builders[4];
    struct column *columns[4];
    struct error err;
    for (uint32_t i = 0; i < 4; i++) builders[i] = column_builder_create(NULL, schema->children[i].type);
    for (uint32_t i = 0; i < count; i++) {
        put_text(builders[0], rows[i].id);
        put_text(builders[1], rows[i].k);
        assert_int_equal(column_builder_fixed(builders[2], &rows[i].v, &err), STATUS_OK);
        enum status status = rows[i].ts == FLOW_NULL ? column_builder_null(builders[3], &err)
                                                     : column_builder_fixed(builders[3], &rows[i].ts, &err);
        assert_int_equal(status, STATUS_OK);
    }
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(column_builder_finish(builders[i], &columns[i], &err), STATUS_OK);
        column_builder_destroy(builders[i]);
    }
    return batch_create(schema, count, columns);
}

// Two rows a batch, so that batches are many.
static enum status script_poll(struct source *source, uint64_t epoch, enum source_result *ret_result,
                               struct batch **ret_batch, struct error *err)
{
    (void)epoch;
    (void)err;
    struct script_source *script = (struct script_source *)source;
    while (script->at < script->count) {
        Foreset__Range *range = script->ranges[script->at];
        if (!script->begun) script->next = range->from;
        script->begun = true;
        if (script->next < range->to) {
            int64_t count = range->to - script->next < 2 ? 1 : 2;
            assert_true((size_t)(script->next + count) <= partitions[range->partition].rows.count);
            *ret_batch =
                script_batch(script->schema, partitions[range->partition].rows.items + script->next, (uint32_t)count);
            *ret_result = SOURCE_BATCH;
            script->next += count;
            return STATUS_OK;
        }
        script->at++;
        script->begun = false;
    }
    *ret_result = SOURCE_DONE;
    return STATUS_OK;
}

static const Foreset__Range *const *script_evidence(struct source *source, size_t *ret_count)
{
    struct script_source *script = (struct script_source *)source;
    *ret_count = script->count;
    return (const Foreset__Range *const *)script->ranges;
}

static const struct source_ops script_ops = {
    .close = script_close, .plan = script_plan, .poll = script_poll, .evidence = script_evidence};

static enum status script_open(const struct source_open_args *args, struct source **ret_source, struct error *err)
{
    struct script_source *script = memory_calloc(1, sizeof *script);
    script->base.ops = &script_ops;
    __atomic_fetch_add(&flow_source_opens, 1, __ATOMIC_RELAXED);
    assert_int_equal(type_parse(args->plan->nodes[args->node]->schema, &script->schema, err), STATUS_OK);
    *ret_source = &script->base;
    return STATUS_OK;
}

// ---- plans ----
static void *make(struct flow *flow, size_t size)
{
    return arena_calloc(&flow->arena, 1, size);
}

void flow_init(struct flow *flow, uint32_t lanes, bool threaded)
{
    memset(flow, 0, sizeof *flow);
    flow_rows_forget();
    arena_init(&flow->arena, 0);
    foreset__plan__init(&flow->plan);
    flow->plan.pipeline = "test";
    flow->plan.sql_hash = "0000000000000000";
    flow->plan.shards = 256;
    flow->plan.version = 1;
    flow->lanes = lanes;
    flow->workers = flow_workers;
    flow->threaded = threaded;
    flow->generation = 1;
    foreset__routing__init(&flow->routing);
    random_init(&flow->random, 7);
    flow->now_us = 1000000;
    pthread_mutex_init(&flow->lock, NULL);
    pthread_cond_init(&flow->came, NULL);
    flow_link_init(&flow->link, flow);
    strcpy(flow->dir, access("/dev/shm", W_OK) == 0 ? "/dev/shm/foreset-flow-XXXXXX" : "/tmp/foreset-flow-XXXXXX");
    assert_non_null(mkdtemp(flow->dir));
    setenv("FORESET_RECORD", flow->dir, 1);
    foreset__manifest__init(&flow->manifest);
    flow->manifest.pipeline_id = flow->manifest.pipeline = "test";
    flow->manifest.plan_hash = "0";
}

uint32_t flow_column(struct flow *flow, uint32_t ordinal, const char *type)
{
    Foreset__Expr *expr = make(flow, sizeof *expr);
    foreset__expr__init(expr);
    expr->kind = FORESET__EXPR__KIND__COLUMN;
    expr->type = (char *)type;
    expr->has_ordinal = true;
    expr->ordinal = ordinal;
    vector_push(&flow->exprs, expr);
    return (uint32_t)flow->exprs.count - 1;
}

uint32_t flow_integer(struct flow *flow, const char *type, int64_t value)
{
    Foreset__Expr *expr = make(flow, sizeof *expr);
    foreset__expr__init(expr);
    expr->kind = FORESET__EXPR__KIND__LITERAL;
    expr->type = (char *)type;
    expr->has_integer = true;
    expr->integer = value;
    vector_push(&flow->exprs, expr);
    return (uint32_t)flow->exprs.count - 1;
}

uint32_t flow_text(struct flow *flow, const char *value)
{
    Foreset__Expr *expr = make(flow, sizeof *expr);
    foreset__expr__init(expr);
    expr->kind = FORESET__EXPR__KIND__LITERAL;
    expr->type = "string";
    expr->has_bytes = true;
    expr->bytes.data = (uint8_t *)(uintptr_t)value;
    expr->bytes.len = strlen(value);
    vector_push(&flow->exprs, expr);
    return (uint32_t)flow->exprs.count - 1;
}

uint32_t flow_cast(struct flow *flow, uint32_t arg, const char *type)
{
    Foreset__Expr *expr = make(flow, sizeof *expr);
    foreset__expr__init(expr);
    expr->kind = FORESET__EXPR__KIND__CAST;
    expr->type = (char *)type;
    flow_uint(flow, &expr->args, &expr->n_args, arg);
    vector_push(&flow->exprs, expr);
    return (uint32_t)flow->exprs.count - 1;
}

uint32_t flow_call(struct flow *flow, const char *function, const char *type, uint32_t a, uint32_t b)
{
    Foreset__Expr *expr = make(flow, sizeof *expr);
    foreset__expr__init(expr);
    expr->kind = FORESET__EXPR__KIND__CALL;
    expr->function = (char *)function;
    expr->type = (char *)type;
    flow_uint(flow, &expr->args, &expr->n_args, a);
    flow_uint(flow, &expr->args, &expr->n_args, b);
    vector_push(&flow->exprs, expr);
    return (uint32_t)flow->exprs.count - 1;
}

void flow_uint(struct flow *flow, uint32_t **list, size_t *count, uint32_t value)
{
    uint32_t *grown = arena_calloc(&flow->arena, *count + 1, sizeof *grown);
    if (*count) memcpy(grown, *list, *count * sizeof *grown);
    grown[(*count)++] = value;
    *list = grown;
}

Foreset__Node *flow_node(struct flow *flow, enum _Foreset__Node__Kind kind, uint32_t table, uint32_t input,
                         const char *schema)
{
    Foreset__Node *node = make(flow, sizeof *node);
    foreset__node__init(node);
    node->kind = kind;
    node->table = table;
    node->schema = (char *)schema;
    if (kind != FORESET__NODE__KIND__SOURCE) flow_uint(flow, &node->inputs, &node->n_inputs, input);
    vector_push(&flow->nodes, node);
    return node;
}

uint32_t flow_last(const struct flow *flow)
{
    return (uint32_t)flow->nodes.count - 1;
}

uint32_t flow_source(struct flow *flow, uint32_t table)
{
    Foreset__Node *node = flow_node(flow, FORESET__NODE__KIND__SOURCE, table, 0, FLOW_SCHEMA);
    node->source = make(flow, sizeof *node->source);
    foreset__source__init(node->source);
    node->source->kind = FORESET__SOURCE__KIND__NUMBERS;
    node->source->name = "script";
    return flow_last(flow);
}

void flow_exprs(struct flow *flow, Foreset__Node *node, uint32_t count, ...)
{
    va_list args;
    va_start(args, count);
    for (uint32_t i = 0; i < count; i++) flow_uint(flow, &node->exprs, &node->n_exprs, va_arg(args, uint32_t));
    va_end(args);
}

void flow_aggregate(struct flow *flow, Foreset__Node *node, const char *function, const char *type, int arg)
{
    Foreset__Aggregate *aggregate = make(flow, sizeof *aggregate);
    foreset__aggregate__init(aggregate);
    aggregate->function = (char *)function;
    aggregate->type = (char *)type;
    if (arg >= 0) flow_uint(flow, &aggregate->args, &aggregate->n_args, (uint32_t)arg);
    Foreset__Aggregate **grown = arena_calloc(&flow->arena, node->n_aggregates + 1, sizeof *grown);
    if (node->n_aggregates) memcpy(grown, node->aggregates, node->n_aggregates * sizeof *grown);
    grown[node->n_aggregates++] = aggregate;
    node->aggregates = grown;
}

Foreset__Table *flow_table(struct flow *flow, const char *name, enum _Foreset__Table__Mode mode)
{
    uint32_t number = (uint32_t)flow->tables.count;
    const char *schema = flow->nodes.items[flow_last(flow)]->schema;
    flow_node(flow, FORESET__NODE__KIND__TABLE, number, flow_last(flow), schema);
    Foreset__Table *table = make(flow, sizeof *table);
    foreset__table__init(table);
    table->name = (char *)name;
    table->schema = (char *)schema;
    table->mode = mode;
    table->node = flow_last(flow);
    table->url = "";
    vector_push(&flow->tables, table);
    return table;
}

// ---- running ----
static struct objstore *flow_store(void *context, uint32_t table, bool dead_letters)
{
    struct flow *flow = ((struct flow_worker *)context)->flow;
    return dead_letters ? flow->dead[table] : flow->stores[table];
}

static void flow_notify(void *context, struct dataflow_event *event)
{
    struct flow_worker *worker = context;
    struct flow *flow = worker->flow;
    pthread_mutex_lock(&flow->lock);
    vector_push(&flow->events, event);
    pthread_cond_signal(&flow->came);
    pthread_mutex_unlock(&flow->lock);
}

static void flow_send(void *context, uint32_t worker, const void *bytes, size_t size)
{
    struct flow_worker *from = context;
    flow_link_send(&from->flow->link, from->index, worker, bytes, size);
}

static struct objstore *open_store(struct flow *flow, const char *name, uint32_t number)
{
    char path[128];
    struct objstore *store;
    struct error err;
    snprintf(path, sizeof path, "%s/%s%u", flow->dir, name, number);
    assert_int_equal(objstore_open(path, true, &store, &err), STATUS_OK);
    return store;
}

// Where the lane of the routing before is now; UINT32_MAX: its worker is gone.
static uint32_t lane_now(const struct flow *flow, const uint32_t *order_before, uint32_t lane)
{
    for (uint32_t i = 0; i < flow->workers; i++) {
        if (flow->order[i] == order_before[lane / flow->lanes]) return i * flow->lanes + lane % flow->lanes;
    }
    return UINT32_MAX;
}

// Shards at random, so that no lane's are a range. order_before: of the routing that this one follows; NULL: none.
static void make_routing(struct flow *flow, const uint32_t *order_before)
{
    Foreset__Routing *routing = &flow->routing;
    const uint32_t *lanes_before = routing->shard_lanes;
    uint32_t lanes = flow->lanes * flow->workers;
    routing->version++;
    routing->workers = arena_calloc(&flow->arena, flow->workers, sizeof *routing->workers);
    routing->n_workers = flow->workers;
    for (uint32_t i = 0; i < flow->workers; i++) {
        Foreset__RoutingWorker *worker = make(flow, sizeof *worker);
        foreset__routing_worker__init(worker);
        worker->name = worker->url = "";
        worker->peer = flow->order[i];
        worker->lane_first = i * flow->lanes;
        worker->lanes = flow->lanes;
        routing->workers[i] = worker;
    }
    routing->shard_lanes = arena_calloc(&flow->arena, flow->plan.shards, sizeof *routing->shard_lanes);
    routing->n_shard_lanes = flow->plan.shards;
    for (uint32_t i = 0; i < flow->plan.shards; i++) {
        uint32_t stays = order_before ? lane_now(flow, order_before, lanes_before[i]) : UINT32_MAX;
        bool moves = stays == UINT32_MAX || random_below(&flow->random, 8) == 0;
        routing->shard_lanes[i] = moves ? (uint32_t)random_below(&flow->random, lanes) : stays;
    }
}

static enum status open_worker(struct flow *flow, uint32_t index, struct error *err)
{
    struct flow_worker *worker = &flow->at[flow->order[index]];
    *worker = (struct flow_worker){.flow = flow, .index = flow->order[index]};
    struct dataflow_open_args args = {.plan = &flow->plan,
                                      .from = flow->manifest.epoch ? &flow->manifest : NULL,
                                      .generation = flow->generation,
                                      .incarnation = 2,
                                      .hash_seed = 77,
                                      .lanes = flow->lanes,
                                      .worker_index = index,
                                      .worker_count = flow->workers,
                                      .routing = flow->routing.version ? &flow->routing : NULL,
                                      .budget = &flow->budget,
                                      .state = flow->state,
                                      .table_store = flow_store,
                                      .notify = flow_notify,
                                      .send = flow_send,
                                      .context = worker};
    struct lane_group_options options = {
        .stepped = !flow->threaded, .source = script_open, .seed = 5 + 1000 * worker->index};
    return lane_group_open_with(&args, &options, &worker->dataflow, err);
}

enum status flow_try_open(struct flow *flow, struct error *err)
{
    enum status status = STATUS_OK;
    flow->plan.exprs = flow->exprs.items;
    flow->plan.n_exprs = flow->exprs.count;
    flow->plan.nodes = flow->nodes.items;
    flow->plan.n_nodes = flow->nodes.count;
    flow->plan.tables = flow->tables.items;
    flow->plan.n_tables = flow->tables.count;
    for (uint32_t t = 0; t < flow->tables.count && !flow->stores[t]; t++) {
        flow->stores[t] = open_store(flow, "table", t);
        flow->dead[t] = open_store(flow, "dead", t);
    }
    if (!flow->state) flow->state = open_store(flow, "state", 0);
    flow->epoch = flow->manifest.epoch;
    for (uint32_t i = 0; i < FLOW_WORKERS_MAX; i++) flow->order[i] = i;
    flow_link_order(&flow->link, flow->order);
    if (flow->workers > 1 || flow->routing.version) make_routing(flow, NULL);
    for (uint32_t i = 0; i < flow->workers; i++) TRY(open_worker(flow, i, err));
    flow->dataflow = flow->at[0].dataflow;
    if (flow->threaded) flow_link_start(&flow->link);
out:
    return status;
}

static bool in_order(const struct flow *flow, uint32_t process)
{
    for (uint32_t i = 0; i < flow->workers; i++) {
        if (flow->order[i] == process) return true;
    }
    return false;
}

void flow_move(struct flow *flow, const uint32_t *order, uint32_t workers, bool stays)
{
    uint32_t before[FLOW_WORKERS_MAX];
    struct error err = {0};
    flow_link_stop(&flow->link);
    memcpy(before, flow->order, sizeof before);
    memcpy(flow->order, order, workers * sizeof *order);
    flow->workers = workers;
    flow_link_order(&flow->link, flow->order);
    bool follows = stays && flow->routing.version;
    make_routing(flow, follows ? before : NULL);
    const Foreset__Manifest *from = flow->manifest.epoch ? &flow->manifest : NULL;
    for (uint32_t i = 0; i < FLOW_WORKERS_MAX; i++) {
        if (in_order(flow, i) || !flow->at[i].dataflow) continue;
        flow->at[i].dataflow->ops->close(flow->at[i].dataflow);
        flow->at[i].dataflow = NULL;
    }
    for (uint32_t i = 0; i < workers; i++) {
        struct dataflow *dataflow = flow->at[order[i]].dataflow;
        enum status status =
            dataflow ? dataflow->ops->reroute(dataflow, &flow->routing, i, from, &err) : open_worker(flow, i, &err);
        if (status != STATUS_OK) fail_msg("%s", err.message);
    }
    flow->dataflow = flow->at[order[0]].dataflow;
    if (flow->threaded) flow_link_start(&flow->link);
}

void flow_open(struct flow *flow)
{
    struct error err = {0};
    if (flow->budget.name == NULL) budget_init(&flow->budget, "test", NULL, 0);
    enum status status = flow_try_open(flow, &err);
    if (status != STATUS_OK) fail_msg("%s", err.message);
}

static void drop_events(struct flow *flow)
{
    for (size_t i = 0; i < flow->events.count; i++) dataflow_event_destroy(flow->events.items[i]);
    flow->events.count = 0;
}

void flow_close(struct flow *flow)
{
    flow_link_stop(&flow->link);
    for (uint32_t i = 0; i < FLOW_WORKERS_MAX; i++) {
        if (flow->at[i].dataflow) flow->at[i].dataflow->ops->close(flow->at[i].dataflow);
        flow->at[i].dataflow = NULL;
    }
    flow_link_reset(&flow->link);
    flow->dataflow = NULL;
    drop_events(flow);
}

void flow_deinit(struct flow *flow)
{
    flow_close(flow);
    char command[128];
    for (size_t i = 0; i < flow->kept.count; i++) dataflow_frozen_destroy(flow->kept.items[i]);
    assert_int_equal(atomic_load(&flow->budget.used_bytes), 0);
    for (uint32_t t = 0; t < FLOW_TABLES_MAX; t++) {
        if (flow->stores[t]) objstore_close(flow->stores[t]);
        if (flow->dead[t]) objstore_close(flow->dead[t]);
    }
    if (flow->state) objstore_close(flow->state);
    vector_deinit(&flow->kept);
    vector_deinit(&flow->parts);
    vector_deinit(&flow->events);
    vector_deinit(&flow->exprs);
    vector_deinit(&flow->nodes);
    vector_deinit(&flow->tables);
    arena_deinit(&flow->arena);
    pthread_mutex_destroy(&flow->lock);
    pthread_cond_destroy(&flow->came);
    flow_link_deinit(&flow->link);
    snprintf(command, sizeof command, "rm -rf %s", flow->dir);
    assert_int_equal(system(command), 0);
    flow_rows_forget();
}

// A worker's plan: its own ranges, each with the lane that reads it, and the sources that read anywhere.
static void plan_worker(struct flow *flow, uint32_t worker, Foreset__EpochPlan *plan, Foreset__Range *const *ranges,
                        size_t count)
{
    Foreset__Range own[PARTITIONS_MAX], *pointers[PARTITIONS_MAX];
    uint32_t reads = 0;
    plan->ranges = pointers;
    plan->n_ranges = plan->n_sources = 0;
    plan->sources = &reads; // node 0
    for (size_t i = 0; i < count; i++) {
        uint32_t lane = (uint32_t)ranges[i]->partition % (flow->workers * flow->lanes);
        if (ranges[i]->to > ranges[i]->from) plan->n_sources = 1;
        if (lane / flow->lanes != worker) continue;
        own[plan->n_ranges] = *ranges[i];
        own[plan->n_ranges].has_lane = flow->routing.version != 0;
        own[plan->n_ranges].lane = lane;
        plan->ranges[plan->n_ranges] = &own[plan->n_ranges];
        plan->n_ranges++;
    }
    struct error err;
    struct dataflow *dataflow = flow->at[flow->order[worker]].dataflow;
    assert_int_equal(dataflow->ops->plan(dataflow, flow->epoch, plan, &err), STATUS_OK);
}

void flow_plan(struct flow *flow, const struct flow_range *ranges, size_t count, bool no_data, int publishes)
{
    Foreset__EpochPlan plan = FORESET__EPOCH_PLAN__INIT;
    Foreset__Range storage[PARTITIONS_MAX], *pointers[PARTITIONS_MAX];
    Foreset__TablePlan tables[FLOW_TABLES_MAX], *table_pointers[FLOW_TABLES_MAX];
    for (size_t i = 0; i < count; i++) {
        foreset__range__init(&storage[i]);
        storage[i].source = 0;
        storage[i].has_partition = storage[i].has_from = storage[i].has_to = true;
        storage[i].partition = (int32_t)ranges[i].partition;
        storage[i].from = ranges[i].from;
        storage[i].to = ranges[i].to;
        pointers[i] = &storage[i];
    }
    for (uint32_t t = 0; t < flow->tables.count; t++) {
        foreset__table_plan__init(&tables[t]);
        tables[t].table = t;
        tables[t].publishes = publishes >> t & 1;
        table_pointers[t] = &tables[t];
    }
    plan.tables = table_pointers;
    plan.n_tables = flow->tables.count;
    plan.has_no_data = true;
    plan.no_data = no_data;
    plan.timestamp_us = flow->now_us += 1000000;
    plan.routing_version = flow->routing.version;
    flow->epoch++;
    for (uint32_t i = 0; i < flow->workers; i++) {
        plan_worker(flow, i, &plan, pointers, count);
        // Another worker's rows may be here before this one's plan.
        for (uint32_t k = 0; !flow->threaded && i + 1 < flow->workers && k < 8; k++) flow_step(flow);
    }
}

// W candidates from the maxima of the last frozen epoch's report.
void flow_watermarks(struct flow *flow, uint64_t epoch)
{
    Foreset__Watermark message = FORESET__WATERMARK__INIT;
    Foreset__WatermarkItem items[FLOW_TABLES_MAX], *pointers[FLOW_TABLES_MAX];
    for (uint32_t t = 0; t < flow->tables.count; t++) {
        const Foreset__Table *table = flow->tables.items[t];
        if (table->n_watermarks == 0) continue;
        int64_t least = INT64_MAX;
        for (size_t i = 0; i < table->n_watermarks; i++) {
            int64_t mark = 0;
            for (size_t k = 0; flow->prepared && k < flow->prepared->tables[t]->n_maxima; k++) {
                const Foreset__Maximum *maximum = flow->prepared->tables[t]->maxima[k];
                if (maximum->node != table->watermarks[i]) continue;
                mark = maximum->event_time_us / 1000 * 1000 - flow->nodes.items[maximum->node]->delay_us;
            }
            if (mark < least) least = mark;
        }
        Foreset__WatermarkItem *item = &items[message.n_items];
        foreset__watermark_item__init(item);
        item->table = t;
        item->watermark_us = least;
        pointers[message.n_items++] = item;
    }
    message.items = pointers;
    struct error err;
    for (uint32_t i = 0; i < flow->workers; i++) {
        struct dataflow *dataflow = flow->at[flow->order[i]].dataflow;
        assert_int_equal(dataflow->ops->watermark(dataflow, epoch, &message, &err), STATUS_OK);
    }
}

static bool take_events(struct flow *flow, uint64_t epoch)
{
    struct dataflow_event *frozen[FLOW_WORKERS_MAX];
    uint32_t count = 0;
    bool found = false;
    pthread_mutex_lock(&flow->lock);
    for (size_t i = 0; i < flow->events.count && !found; i++) {
        struct dataflow_event *event = flow->events.items[i];
        if (event->kind == DATAFLOW_FAILED) {
            flow->failed = found = true;
            flow->err = event->err;
        } else if (event->kind == DATAFLOW_FROZEN && event->epoch == epoch) {
            frozen[count++] = event;
        }
    }
    if (!found && count == flow->workers) {
        found = true;
        flow_reports_take(flow, frozen);
        for (size_t i = flow->events.count; i > 0; i--) {
            struct dataflow_event *event = flow->events.items[i - 1];
            if (event->kind != DATAFLOW_FROZEN || event->epoch != epoch) continue;
            dataflow_event_destroy(event);
            vector_remove(&flow->events, i - 1);
        }
    }
    pthread_mutex_unlock(&flow->lock);
    return found;
}

bool flow_step(struct flow *flow)
{
    bool any = false;
    for (uint32_t i = 0; i < flow->workers; i++) {
        uint32_t worker = flow->workers > 1 ? (uint32_t)random_below(&flow->random, flow->workers) : 0;
        for (uint32_t lane = 0; lane < flow->lanes; lane++) {
            any = lane_group_step(flow->at[flow->order[worker]].dataflow, lane) || any;
        }
        for (uint64_t k = random_below(&flow->random, 6); flow->workers > 1 && k > 0; k--) {
            any = flow_link_deliver(&flow->link) || any;
        }
    }
    return any;
}

// With every lane looked at and every frame delivered.
bool flow_is_still(struct flow *flow)
{
    bool any = false;
    for (uint32_t i = 0; i < flow->workers; i++) {
        if (flow->workers > 1) lane_group_beat(flow->at[flow->order[i]].dataflow);
    }
    while (flow_link_deliver(&flow->link)) {
    }
    for (uint32_t i = 0; i < flow->workers; i++) {
        for (uint32_t lane = 0; lane < flow->lanes; lane++) {
            any = lane_group_step(flow->at[flow->order[i]].dataflow, lane) || any;
        }
    }
    return !any && flow->events.count == flow->seen;
}

void flow_wait(struct flow *flow, uint64_t epoch)
{
    flow->seen = 0;
    while (!take_events(flow, epoch)) {
        if (flow->threaded) {
            pthread_mutex_lock(&flow->lock);
            while (flow->events.count == flow->seen) pthread_cond_wait(&flow->came, &flow->lock);
            flow->seen = flow->events.count;
            pthread_mutex_unlock(&flow->lock);
            continue;
        }
        flow->seen = flow->events.count;
        bool any = flow_step(flow);
        assert_true(any || !flow_is_still(flow)); // else it would hang
    }
}

void flow_run(struct flow *flow, const struct flow_range *ranges, size_t count, bool no_data, int publishes)
{
    flow_plan(flow, ranges, count, no_data, publishes);
    flow_watermarks(flow, flow->epoch);
    flow_wait(flow, flow->epoch);
}

void flow_epoch(struct flow *flow, const struct flow_row *rows, size_t count)
{
    int64_t from = (int64_t)partitions[0].rows.count;
    flow_rows(0, rows, count);
    // A range that adds nothing still counts where a file is empty; the script says so with an empty range elsewhere.
    flow_run(flow, &(struct flow_range){0, from, from + (int64_t)count}, 1, false, 0xF);
    if (flow->failed) fail_msg("%s", flow->err.message);
}

void flow_no_data(struct flow *flow)
{
    flow_run(flow, NULL, 0, true, 0xF);
    if (flow->failed) fail_msg("%s", flow->err.message);
}

Foreset__TableEpoch *flow_report(struct flow *flow, uint32_t table)
{
    return flow->prepared->tables[table];
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// Rows of the last batch, of all workers together; *ret_count: batches. Each worker writes its own line of a batch.
static json_t *recorded(struct flow *flow, const char *table, size_t *ret_count)
{
    char path[160], *line = NULL;
    size_t room = 0;
    json_t *batches = json_array(), *last = NULL;
    snprintf(path, sizeof path, "%s/%s.batches.jsonl", flow->dir, table);
    FILE *file = fopen(path, "r");
    while (file && getline(&line, &room, file) > 0) {
        json_t *one = json_loads(line, 0, NULL);
        assert_non_null(one);
        size_t batch = (size_t)json_integer_value(json_object_get(one, "batch"));
        while (json_array_size(batches) <= batch) json_array_append_new(batches, json_null());
        json_t *there = json_array_get(batches, batch);
        if (json_is_null(there)) {
            json_array_set(batches, batch, one);
        } else {
            assert_true(json_equal(json_object_get(there, "epoch"), json_object_get(one, "epoch")));
            json_array_extend(json_object_get(there, "rows"), json_object_get(one, "rows"));
        }
        json_decref(one);
    }
    free(line);
    if (file) fclose(file);
    *ret_count = json_array_size(batches);
    for (size_t i = 0; i < *ret_count; i++) assert_false(json_is_null(json_array_get(batches, i)));
    if (*ret_count) last = json_incref(json_array_get(batches, *ret_count - 1));
    json_decref(batches);
    return last;
}

const char *flow_batch(struct flow *flow, const char *table)
{
    size_t count;
    json_t *last = recorded(flow, table, &count);
    if (!last) return "-";
    json_t *rows = json_object_get(last, "rows");
    size_t row_count = json_array_size(rows);
    char **texts = memory_calloc(row_count + 1, sizeof *texts);
    for (size_t i = 0; i < row_count; i++) texts[i] = json_dumps(json_array_get(rows, i), JSON_COMPACT);
    qsort(texts, row_count, sizeof *texts, compare_text);
    struct text text = {0};
    for (size_t i = 0; i < row_count; i++) {
        text_printf(&text, "%s%s", i ? "\n" : "", texts[i]);
        free(texts[i]);
    }
    memory_free(texts);
    json_decref(last);
    const char *kept = arena_strdup(&flow->arena, text_str(&text));
    text_deinit(&text);
    return kept;
}

size_t flow_batches(struct flow *flow, const char *table)
{
    size_t count;
    json_decref(recorded(flow, table, &count));
    return count;
}
