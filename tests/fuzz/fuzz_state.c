// Operators that load their state: a part whose checksums hold but whose records are hostile gives an error or a state
// that the operator can go on with: its marker, what it emits, its freeze. The first byte picks the operator, the rest
// is a state snapshot part, mended (fuzz_part.h).
#include <stdio.h>
#include <stdlib.h>

#include "common/base/random.h"
#include "common/columnar/batch.h"
#include "coordinator/planner/planner.h"
#include "tests/fuzz/fuzz_part.h"
#include "worker/lane/lane_private.h"
#include "worker/snapshot/snapshot_part.h"

#define FUZZ_READ                                                                                                      \
    "FROM STREAM read_files('in', format => 'json', schema => 'k STRING, n INT, d DOUBLE, e DECIMAL(20,3), "           \
    "t TIMESTAMP, b BINARY, x BOOLEAN') "
#define FUZZ_AGGREGATES                                                                                                \
    "count(*) AS c, sum(n) AS s, avg(d) AS a, sum(e) AS se, min(k) AS mk, max(b) AS mb, first(k) AS f, "               \
    "bool_and(x) AS ba, max_by(k, n) AS by, collect_list(k) AS li, collect_set(n) AS st, stddev_samp(d) AS sd, "       \
    "approx_count_distinct(k) AS cd "

static const char fuzz_sql[] =
    "SET pipeline.shards = 1;"
    "CREATE OR REFRESH STREAMING TABLE s AS SELECT * " FUZZ_READ "DROP DUPLICATES ON (k);"
    "CREATE OR REFRESH STREAMING TABLE w AS SELECT * " FUZZ_READ
    "WATERMARK t DELAY OF INTERVAL 1 MINUTE DROP DUPLICATES ON (k, t);"
    "CREATE OR REFRESH STREAMING TABLE c TBLPROPERTIES ('output.mode' = 'complete') AS SELECT k, " FUZZ_AGGREGATES
        FUZZ_READ "GROUP BY k;"
    "CREATE OR REFRESH STREAMING TABLE u TBLPROPERTIES ('output.mode' = 'update') AS SELECT n, " FUZZ_AGGREGATES
        FUZZ_READ "GROUP BY n HAVING count(*) > 1;"
    "CREATE OR REFRESH STREAMING TABLE g AS SELECT window.start AS ws, k, " FUZZ_AGGREGATES FUZZ_READ
    "WATERMARK t DELAY OF INTERVAL 1 MINUTE GROUP BY window(t, '1 minute'), k;"
    "CREATE OR REFRESH STREAMING TABLE l AS SELECT k " FUZZ_READ "LIMIT 10;";

static struct arena fuzz_arena;
static Foreset__Plan *fuzz_plan;
static struct text fuzz_out;

static enum status fuzz_emit(struct operator* op, struct batch *batch, struct error *err)
{
    (void)op;
    (void)err;
    text_reset(&fuzz_out);
    for (uint32_t i = 0; i < batch->row_count; i++) batch_json(batch, i, &fuzz_out);
    return STATUS_OK;
}

static enum status fuzz_dead(struct operator* op, const struct batch *batch, const struct expr_errors *errors,
                             struct error *err)
{
    (void)op;
    (void)batch;
    (void)errors;
    (void)err;
    return STATUS_OK;
}

static void fuzz_maximum(struct operator* op, int64_t event_time_us)
{
    (void)op;
    (void)event_time_us;
}

// Nothing is written: the marker of a TABLE is left out.
static struct objstore *fuzz_table_store(void *context, uint32_t table, bool dead_letters)
{
    static struct objstore store;
    (void)context;
    (void)table;
    (void)dead_letters;
    return &store;
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

static enum status fuzz_load(struct operator* op, const uint8_t *bytes, size_t size, struct error *err)
{
    struct snapshot_reader reader;
    enum status status = snapshot_reader_open(&reader, bytes, size, err);
    if (status != STATUS_OK) return status;
    const uint8_t every_shard[] = {1};
    if (reader.is_base) op->ops->load_clear(op, every_shard);
    for (;;) {
        struct snapshot_record record;
        bool end;
        status = snapshot_reader_next(&reader, &record, &end, err);
        if (status != STATUS_OK || end) return status;
        if (record.shard >= fuzz_plan->shards) return STATUS_CORRUPT; // as lane_load.c refuses it
        struct operator_record handed = {
            .shard = record.shard, .key = record.key, .value = record.value, .removed = record.removed};
        status = op->ops->load(op, &handed, err);
        if (status != STATUS_OK) return status;
    }
}

// What a lane does with an operator behind its load.
static enum status fuzz_go_on(struct operator* op, struct error *err)
{
    struct operator_marker marker = {.epoch = 2,
                                     .batch = 1,
                                     .watermark_us = 3600000000,
                                     .takes_part = true,
                                     .publishes = true,
                                     .timestamp_us = 7200000000};
    struct operator_frozen frozen = {0};
    enum status status = STATUS_OK;
    op->epoch = (struct operator_epoch){.epoch = 2, .batch = 1, .timestamp_us = marker.timestamp_us};
    if (op->ops->load_end) TRY(op->ops->load_end(op, 1, 0, err));
    if (op->plan_node->kind == FORESET__NODE__KIND__TABLE) goto out; // its files need a store
    if (op->ops->begin) TRY(op->ops->begin(op, err));
    if (op->ops->on_marker) TRY(op->ops->on_marker(op, &marker, err));
    TRY(op->ops->freeze(op, &frozen, err));
out:
    operator_frozen_deinit(&frozen);
    return status;
}

static void fuzz_operator(uint32_t node, const uint8_t *bytes, size_t size)
{
    struct budget budget;
    struct random random;
    struct operator* op = NULL;
    struct error err = {0};
    budget_init(&budget, "fuzz", NULL, FUZZ_MEMORY_MAX);
    random_init(&random, 1);
    static const uint32_t shard_lanes[1];
    static uint32_t shard_slots[1];
    static const bool rewrite[64];
    ASSERT(fuzz_plan->shards == 1 && fuzz_plan->n_tables <= 64);
    struct operator_host host = {.plan = fuzz_plan,
                                 .lanes = 1,
                                 .shard_lanes = shard_lanes,
                                 .shard_slots = shard_slots,
                                 .shard_count = 1,
                                 .rewrite = rewrite,
                                 .hash_seed = 1,
                                 .generation = 1,
                                 .budget = &budget,
                                 .state_budget = &budget,
                                 .random = &random,
                                 .table_store = fuzz_table_store,
                                 .emit = fuzz_emit,
                                 .dead = fuzz_dead,
                                 .maximum = fuzz_maximum};
    ASSERT(operator_table_open(&host, node, &op, &err) == STATUS_OK);
    enum status status = fuzz_load(op, bytes, size, &err);
    if (status == STATUS_OK) status = fuzz_go_on(op, &err);
    op->ops->close(op);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    uint32_t nodes[64], count = 0;
    if (size < 1) return 0;
    fuzz_prepare();
    for (uint32_t i = 0; i < fuzz_plan->n_nodes && count < 64; i++) {
        const Foreset__Node *node = fuzz_plan->nodes[i];
        bool update = node->kind == FORESET__NODE__KIND__TABLE &&
                      fuzz_plan->tables[node->table]->mode == FORESET__TABLE__MODE__UPDATE;
        if (update || node->kind == FORESET__NODE__KIND__DEDUP || node->kind == FORESET__NODE__KIND__LIMIT ||
            node->kind == FORESET__NODE__KIND__AGGREGATE_FINAL)
            nodes[count++] = i;
    }
    ASSERT(count > 0);
    uint8_t *mended = memory_alloc(size);
    memcpy(mended, bytes + 1, size - 1);
    const uint32_t shards = 1; // so that every record is in the right one
    if (size > FUZZ_PART_HEADER) memcpy(mended + 8, &shards, sizeof shards);
    fuzz_part_mend(mended, size - 1);
    fuzz_operator(nodes[bytes[0] % count], mended, size - 1);
    memory_free(mended);
    return 0;
}
