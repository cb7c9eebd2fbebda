// The pipeline that the simulator runs: numbered rows in a few partitions, and one table of every kind:
// rows (append), counts per key (complete), windows by event time (append, with a watermark), every other row with a
// trigger interval (append, pending files, dead letters), the greatest number per key (update, open files), and wide
// windows over what the windows table emits (a chained table, whose end takes two no-data epochs). A table that comes
// later copies the one with the interval: its files, published or not, then its stream (P23).
// Everything about a row follows from its partition and number.
#include <string.h>

#include "common/base/hash.h"
#include "common/delta/delta_action_json.h"
#include "tests/sim/sim.h"

#define SIM_MAGIC 0x73696D726F777331ull

// ---- Rows ----

int64_t sim_plan_event_time(uint32_t partition, int64_t number)
{
    uint64_t jitter = hash_64(&number, sizeof number, partition) % 3000000;
    return 1000 * SIM_SECOND + number * 150000 + (int64_t)jitter; // up to 3 s out of order; some come late
}

bool sim_plan_chained(void)
{
    return sim->knobs.workers == 1;
}

bool sim_plan_is_dead(int64_t number)
{
    return number % 13 == 5;
}

bool sim_plan_is_slow(int64_t number)
{
    return number % 2 == 0 && !sim_plan_is_dead(number);
}

int64_t sim_plan_total(uint32_t pipeline, uint32_t partition)
{
    uint64_t salt = 7 + partition + 100 * (uint64_t)pipeline;
    int64_t least = (200 + 40 * (int64_t)partition) / (pipeline + 1);
    return least + (int64_t)(hash_64(&sim->seed, sizeof sim->seed, salt) % 200);
}

int64_t sim_plan_end(uint32_t pipeline, uint32_t partition)
{
    int64_t total = sim_plan_total(pipeline, partition);
    int64_t span_us = sim->knobs.faults_until_us + 5 * SIM_SECOND; // the last rows come when faults have stopped
    int64_t end = (int64_t)((double)total * (double)sim->now_us / (double)span_us);
    if (partition == 0 && sim->now_us < span_us / 3) end = 0; // silent at first: it holds no event back
    return end < total ? end : total;
}

uint64_t sim_plan_hash(const struct sim_row *row)
{
    return hash_64(row, sizeof *row, 0x726F77);
}

void sim_plan_encode(const struct sim_row *rows, size_t count, struct text *ret_bytes)
{
    uint64_t head[2] = {SIM_MAGIC, count};
    text_reset(ret_bytes);
    text_append(ret_bytes, (const char *)head, sizeof head);
    if (count > 0) text_append(ret_bytes, (const char *)rows, count * sizeof *rows);
    uint64_t hash = hash_64(ret_bytes->data, ret_bytes->length, 0);
    text_append(ret_bytes, (const char *)&hash, sizeof hash);
}

const struct sim_row *sim_plan_decode(const void *bytes, size_t size, size_t *ret_count)
{
    uint64_t head[2], hash;
    const char *data = bytes;
    if (size < sizeof head + sizeof hash) return NULL;
    memcpy(head, data, sizeof head);
    if (head[0] != SIM_MAGIC || size != sizeof head + head[1] * sizeof(struct sim_row) + sizeof hash) return NULL;
    memcpy(&hash, data + size - sizeof hash, sizeof hash);
    if (hash != hash_64(data, size - sizeof hash, 0)) return NULL;
    *ret_count = head[1];
    return (const struct sim_row *)(data + sizeof head);
}

const struct sim_row *sim_plan_filled(uint32_t pipeline, const char *line, size_t *ret_count)
{
    struct delta_action action = {0};
    struct arena arena;
    struct error err;
    const struct sim_object *object = NULL;
    arena_init(&arena, 0);
    if (delta_action_json_read(line, strcspn(line, "\n"), &arena, &action, &err) == STATUS_OK)
        object = sim_store_look(sim->plans[pipeline]->tables[SIM_SLOW]->url, action.add.path);
    arena_deinit(&arena);
    return object ? sim_plan_decode(object->bytes, object->size, ret_count) : NULL;
}

// ---- The source ----

struct sim_catalog {
    struct catalog base;
    struct sim_process *process;
    uint32_t pipeline;
};

static void sim_catalog_close(struct catalog *catalog)
{
    memory_free(catalog);
}

static enum status sim_catalog_poll(struct catalog *catalog, bool first, struct catalog_offer *offer, struct error *err)
{
    uint32_t pipeline = ((struct sim_catalog *)catalog)->pipeline;
    struct sim_process *process = ((struct sim_catalog *)catalog)->process;
    enum sim_fault fault;
    (void)first;
    enum status status = sim_core_call(process, false, &fault, err);
    if (status == STATUS_OK) status = sim_core_effect(process, fault, err);
    if (status != STATUS_OK) return status;
    for (uint32_t i = 0; i < sim->knobs.partitions; i++) {
        if (i == 2 && sim->now_us < 10 * SIM_SECOND) continue; // a partition that is added later (P6)
        struct catalog_partition partition = {
            .topic = memory_strdup(""), .partition = (int32_t)i, .end = sim_plan_end(pipeline, i)};
        vector_push(&offer->partitions, partition);
    }
    return STATUS_OK;
}

enum status sim_plan_catalog(void *process, const Foreset__Plan *plan, uint32_t node, struct catalog **ret_catalog,
                             struct error *err)
{
    static const struct catalog_ops ops = {.close = sim_catalog_close, .poll = sim_catalog_poll};
    (void)node;
    (void)err;
    struct sim_catalog *catalog = memory_calloc(1, sizeof *catalog);
    catalog->pipeline = sim_plan_number(plan);
    catalog->base.ops = &ops;
    catalog->process = process;
    *ret_catalog = &catalog->base;
    return STATUS_OK;
}

// ---- The plan ----

static Foreset__Node *sim_plan_node(Foreset__Node__Kind kind, uint32_t table, const char *name, uint32_t input)
{
    Foreset__Node *node = arena_alloc(&sim->arena, sizeof *node);
    foreset__node__init(node);
    node->kind = kind;
    node->table = table;
    node->schema = (char *)"struct<key:bigint,value:bigint>";
    node->name = (char *)name;
    if (kind != FORESET__NODE__KIND__SOURCE) {
        node->n_inputs = 1;
        node->inputs = arena_alloc(&sim->arena, sizeof *node->inputs);
        node->inputs[0] = input;
    }
    return node;
}

uint32_t sim_plan_number(const Foreset__Plan *plan)
{
    return (uint32_t)(plan->pipeline[1] - '0');
}

uint32_t sim_plan_of_url(const char *url)
{
    static const char scheme[] = "sim://p";
    if (strncmp(url, scheme, sizeof scheme - 1) != 0) return UINT32_MAX;
    return (uint32_t)(url[sizeof scheme - 1] - '0');
}

const char *sim_plan_state_url(uint32_t pipeline)
{
    static const char *const urls[SIM_PIPELINES_MAX] = {"sim://p0/state", "sim://p1/state", "sim://p2/state"};
    return urls[pipeline];
}

static Foreset__Table *sim_plan_table(uint32_t pipeline, const char *name, Foreset__Table__Mode mode, bool stateful)
{
    Foreset__Table *table = arena_alloc(&sim->arena, sizeof *table);
    foreset__table__init(table);
    table->name = (char *)name;
    table->url = arena_printf(&sim->arena, "sim://p%u/%s", pipeline, name);
    table->schema = (char *)"struct<key:bigint,value:bigint>";
    table->mode = mode;
    table->has_stateful = table->stateful = stateful;
    table->n_sources = 1;
    table->sources = arena_calloc(&sim->arena, 1, sizeof *table->sources);
    return table;
}

static void sim_plan_marked(Foreset__Table *table, uint32_t node)
{
    table->n_watermarks = 1;
    table->watermarks = arena_calloc(&sim->arena, 1, sizeof *table->watermarks);
    table->watermarks[0] = node;
    table->has_no_data_epochs = table->no_data_epochs = true;
}

static void sim_plan_tables(Foreset__Plan *plan, uint32_t pipeline)
{
    plan->n_tables = SIM_COPY;
    plan->tables = arena_calloc(&sim->arena, SIM_TABLES, sizeof *plan->tables);
    plan->tables[SIM_ROWS] = sim_plan_table(pipeline, "rows", FORESET__TABLE__MODE__APPEND, false);
    plan->tables[SIM_COUNTS] = sim_plan_table(pipeline, "counts", FORESET__TABLE__MODE__COMPLETE, true);
    plan->tables[SIM_WINDOWS] = sim_plan_table(pipeline, "windows", FORESET__TABLE__MODE__APPEND, true);
    plan->tables[SIM_SLOW] = sim_plan_table(pipeline, "slow", FORESET__TABLE__MODE__APPEND, false);
    plan->tables[SIM_LATEST] = sim_plan_table(pipeline, "latest", FORESET__TABLE__MODE__UPDATE, true);
    plan->tables[SIM_CHAIN] = sim_plan_table(pipeline, "chain", FORESET__TABLE__MODE__APPEND, true);
    Foreset__Table *chain = plan->tables[SIM_CHAIN], *slow = plan->tables[SIM_SLOW];
    sim_plan_marked(plan->tables[SIM_WINDOWS], SIM_NODE_WATERMARK);
    sim_plan_marked(chain, SIM_NODE_CHAIN_WATERMARK);
    chain->n_sources = 0;
    chain->n_stateful_inputs = 1;
    chain->stateful_inputs = arena_calloc(&sim->arena, 1, sizeof *chain->stateful_inputs);
    chain->stateful_inputs[0] = SIM_WINDOWS;
    slow->has_interval_us = true;
    slow->interval_us = SIM_INTERVAL_US;
    slow->dead_letters = (char *)"slow__dead_letters";
    slow->dead_letters_url = arena_printf(&sim->arena, "sim://p%u/slow__dead_letters", pipeline);
}

bool sim_plan_grown(const Foreset__Plan *plan)
{
    return plan->n_tables > SIM_COPY;
}

// The same plan with one table more.
static Foreset__Plan *sim_plan_grow(const Foreset__Plan *plan, uint32_t pipeline)
{
    Foreset__Plan *grown = arena_alloc(&sim->arena, sizeof *grown);
    Foreset__Table *copy = sim_plan_table(pipeline, "copy", FORESET__TABLE__MODE__APPEND, false);
    *grown = *plan;
    grown->tables = arena_calloc(&sim->arena, SIM_TABLES, sizeof *grown->tables);
    memcpy(grown->tables, plan->tables, plan->n_tables * sizeof *grown->tables);
    grown->tables[grown->n_tables++] = copy;
    grown->nodes = arena_calloc(&sim->arena, SIM_NODE_COUNT, sizeof *grown->nodes);
    memcpy(grown->nodes, plan->nodes, plan->n_nodes * sizeof *grown->nodes);
    Foreset__Node *fill = sim_plan_node(FORESET__NODE__KIND__SOURCE, SIM_COPY, NULL, 0);
    fill->source = arena_alloc(&sim->arena, sizeof *fill->source);
    foreset__source__init(fill->source);
    fill->source->kind = FORESET__SOURCE__KIND__TABLE;
    fill->source->name = (char *)"copy/fill-1";
    fill->source->path = plan->tables[SIM_SLOW]->url;
    Foreset__Node *both = sim_plan_node(FORESET__NODE__KIND__UNION, SIM_COPY, NULL, SIM_NODE_TABLES + SIM_SLOW);
    both->n_inputs = 2;
    both->inputs = arena_calloc(&sim->arena, 2, sizeof *both->inputs);
    both->inputs[0] = SIM_NODE_TABLES + SIM_SLOW;
    both->inputs[1] = SIM_NODE_FILL;
    grown->nodes[SIM_NODE_FILL] = fill;
    grown->nodes[SIM_NODE_UNION] = both;
    grown->nodes[SIM_NODE_COPY] = sim_plan_node(FORESET__NODE__KIND__TABLE, SIM_COPY, NULL, SIM_NODE_UNION);
    grown->n_nodes = SIM_NODE_COUNT;
    copy->node = SIM_NODE_COPY;
    copy->n_sources = 2;
    copy->sources = arena_calloc(&sim->arena, 2, sizeof *copy->sources);
    copy->sources[0] = SIM_NODE_SOURCE;
    copy->sources[1] = SIM_NODE_FILL;
    return grown;
}

void sim_plan_make(uint32_t pipeline)
{
    Foreset__Plan *plan = arena_alloc(&sim->arena, sizeof *plan);
    foreset__plan__init(plan);
    plan->pipeline = arena_printf(&sim->arena, "p%u", pipeline);
    plan->version = 1;
    plan->shards = SIM_PARTITIONS_MAX;
    plan->sql_hash = (char *)"0000000000000000";
    plan->trigger_us = 2 * SIM_SECOND;
    plan->n_nodes = SIM_NODE_TABLES + SIM_COPY;
    plan->nodes = arena_calloc(&sim->arena, plan->n_nodes, sizeof *plan->nodes);
    Foreset__Node *source = sim_plan_node(FORESET__NODE__KIND__SOURCE, SIM_ROWS, NULL, 0);
    source->source = arena_alloc(&sim->arena, sizeof *source->source);
    foreset__source__init(source->source);
    source->source->kind = FORESET__SOURCE__KIND__NUMBERS;
    source->source->name = (char *)"numbers";
    Foreset__Property *limit = arena_alloc(&sim->arena, sizeof *limit);
    foreset__property__init(limit);
    limit->key = (char *)"maxOffsetsPerTrigger";
    limit->value = (char *)"40";
    source->source->n_options = 1;
    source->source->options = arena_calloc(&sim->arena, 1, sizeof limit);
    source->source->options[0] = limit;
    plan->nodes[SIM_NODE_SOURCE] = source;
    plan->nodes[SIM_NODE_WATERMARK] = sim_plan_node(FORESET__NODE__KIND__WATERMARK, SIM_WINDOWS, "watermark", 0);
    plan->nodes[SIM_NODE_WATERMARK]->has_delay_us = true;
    plan->nodes[SIM_NODE_WATERMARK]->delay_us = SIM_DELAY_US;
    plan->nodes[SIM_NODE_COUNTS] = sim_plan_node(FORESET__NODE__KIND__AGGREGATE_FINAL, SIM_COUNTS, "counts", 0);
    plan->nodes[SIM_NODE_WINDOWS] = sim_plan_node(FORESET__NODE__KIND__AGGREGATE_FINAL, SIM_WINDOWS, "windows", 1);
    plan->nodes[SIM_NODE_LATEST] = sim_plan_node(FORESET__NODE__KIND__AGGREGATE_FINAL, SIM_LATEST, "latest", 0);
    plan->nodes[SIM_NODE_CHAIN_WATERMARK] =
        sim_plan_node(FORESET__NODE__KIND__WATERMARK, SIM_CHAIN, "watermark", SIM_NODE_WINDOWS);
    plan->nodes[SIM_NODE_CHAIN_WATERMARK]->has_delay_us = true;
    plan->nodes[SIM_NODE_CHAIN_WATERMARK]->delay_us = SIM_CHAIN_DELAY_US;
    plan->nodes[SIM_NODE_CHAIN] =
        sim_plan_node(FORESET__NODE__KIND__AGGREGATE_FINAL, SIM_CHAIN, "chain", SIM_NODE_CHAIN_WATERMARK);
    static const uint32_t inputs[SIM_COPY] = {SIM_NODE_SOURCE, SIM_NODE_COUNTS, SIM_NODE_WINDOWS,
                                              SIM_NODE_SOURCE, SIM_NODE_LATEST, SIM_NODE_CHAIN};
    sim_plan_tables(plan, pipeline);
    for (uint32_t i = 0; i < SIM_COPY; i++) {
        plan->nodes[SIM_NODE_TABLES + i] = sim_plan_node(FORESET__NODE__KIND__TABLE, i, NULL, inputs[i]);
        plan->tables[i]->node = SIM_NODE_TABLES + i;
    }
    sim->plans[pipeline] = plan;
    sim->grown[pipeline] = sim_plan_grow(plan, pipeline);
}
