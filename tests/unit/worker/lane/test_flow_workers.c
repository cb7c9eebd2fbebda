// One pipeline on several workers: what the network may do to their frames, and moves of shards and partitions while
// it runs (P2, P9, P14, P22).
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/hash.h"
#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"
#include "worker/exchange/exchange_frame.h"
#include "worker/lane/lane_private.h"

#define IDS    24
#define EPOCHS 3
#define ROWS   (IDS / EPOCHS)

// ---- What the network may do ----
enum fault { FAULT_NONE, FAULT_LOSE, FAULT_REPEAT, FAULT_DAMAGE, FAULT_FORGET };

static struct {
    enum fault fault;
    uint64_t at, count;                           // the frame that is hit, of `kind`; frames of the kind so far
    int kind;                                     // 0: any but beats
    bool hit[FLOW_WORKERS_MAX][FLOW_WORKERS_MAX]; // FORGET: frames behind the forgotten one are numbered anew
    bool keep;                                    // all frames, for a later attempt
    VECTOR(struct text) kept;
} wire;

static int kind_of(const struct text *frame)
{
    return (uint8_t)frame->data[4];
}

static uint64_t sequence_of(const struct text *frame)
{
    struct exchange_frame parsed;
    struct error err;
    assert_int_equal(exchange_frame_parse(frame->data, frame->length, &parsed, &err), STATUS_OK);
    return parsed.sequence;
}

static enum flow_link_fate wire_fate(void *context, uint32_t from, uint32_t to, struct text *frame)
{
    (void)context;
    int kind = kind_of(frame);
    if (wire.keep) {
        struct text copy = {0};
        text_append(&copy, frame->data, frame->length);
        vector_push(&wire.kept, copy);
    }
    if (wire.hit[from][to]) exchange_frame_number(frame, sequence_of(frame) - 1);
    if (kind == EXCHANGE_FRAME_BEAT || (wire.kind && kind != wire.kind)) return FLOW_LINK_DELIVER;
    if (wire.fault == FAULT_NONE || wire.count++ != wire.at) return FLOW_LINK_DELIVER;
    switch (wire.fault) {
    case FAULT_LOSE: return FLOW_LINK_LOSE;
    case FAULT_REPEAT: return FLOW_LINK_REPEAT;
    case FAULT_FORGET: wire.hit[from][to] = true; return FLOW_LINK_LOSE;
    default: frame->data[wire.at * 7919 % frame->length] ^= 0x10; return FLOW_LINK_DELIVER;
    }
}

static void wire_set(struct flow *flow, enum fault fault, int kind, uint64_t at)
{
    memset(wire.hit, 0, sizeof wire.hit);
    wire.fault = fault;
    wire.kind = kind;
    wire.at = at;
    wire.count = 0;
    flow->link.fate = wire_fate;
}

// ---- A flow over three workers ----
static void rows_of(struct flow *flow)
{
    for (int i = 0; i < IDS; i++) {
        for (uint32_t partition = 0; partition < 3; partition++) {
            struct flow_row row = {arena_printf(&flow->arena, "id-%d", i), "x", i, 0};
            flow_rows(partition, &row, 1);
        }
    }
}

static bool windows; // the rows themselves cross, not their keys alone

static void start(struct flow *flow, uint32_t workers, uint32_t lanes)
{
    flow_workers = workers;
    flow_init(flow, lanes, false);
    if (windows) {
        plan_window(flow, FORESET__TABLE__MODE__UPDATE);
    } else {
        plan_dedup(flow, DEDUP_FOREVER);
    }
    flow_open(flow);
    rows_of(flow);
}

static void run_epoch(struct flow *flow, int64_t epoch)
{
    int64_t from = epoch * ROWS, to = from + ROWS;
    flow_run(flow, (struct flow_range[]){{0, from, to}, {1, from, to}, {2, from, to}}, 3, false, 0xF);
}

static void check_epoch(struct flow *flow)
{
    if (flow->failed) fail_msg("%s", flow->err.message);
    assert_int_equal(flow_report(flow, 0)->rows_in, 3 * ROWS);
    assert_int_equal(flow_report(flow, 0)->rows_out, ROWS);
}

// True: the flow failed, as it must after such a fault, at the latest when the beats came.
static bool noticed(enum fault fault, int kind, uint64_t at, struct error *ret_err, uint64_t *ret_count)
{
    struct flow flow;
    start(&flow, 3, 1);
    wire_set(&flow, fault, kind, at);
    for (int64_t epoch = 0; epoch < EPOCHS && !flow.failed; epoch++) run_epoch(&flow, epoch);
    *ret_count = wire.count;
    wire.fault = FAULT_NONE;
    while (!flow_is_still(&flow) && !flow.failed) flow.seen = flow.events.count;
    for (size_t i = 0; i < flow.events.count && !flow.failed; i++) {
        if (flow.events.items[i]->kind != DATAFLOW_FAILED) continue;
        flow.failed = true;
        flow.err = flow.events.items[i]->err;
    }
    bool failed = flow.failed;
    *ret_err = flow.err;
    flow_deinit(&flow);
    return failed;
}

static void every_one_of(enum fault fault, int kind, const char *word)
{
    struct error err = {0};
    uint64_t count, ignored;
    assert_false(noticed(fault, kind, UINT64_MAX, &err, &count));
    assert_true(count >= 6);
    for (uint64_t at = 0; at < count; at++) {
        if (!noticed(fault, kind, at, &err, &ignored))
            fail_msg("frame %llu of %llu, kind %d", (unsigned long long)at + 1, (unsigned long long)count, kind);
        assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
        if (word && !strstr(err.message, word)) fail_msg("%s", err.message);
    }
}

static void any_lost_frame_restarts_the_pipeline(void **state)
{
    (void)state;
    every_one_of(FAULT_LOSE, 0, "(P9)");
}

static void any_damaged_frame_restarts_the_pipeline(void **state)
{
    (void)state;
    every_one_of(FAULT_DAMAGE, 0, "frame of another worker");
}

// A worker that never sent a batch numbers its frames without a gap: the marker tells.
static void a_forgotten_batch_is_found_by_its_marker(void **state)
{
    (void)state;
    windows = true;
    every_one_of(FAULT_FORGET, EXCHANGE_FRAME_BATCH, "(P9)");
    windows = false;
    every_one_of(FAULT_FORGET, EXCHANGE_FRAME_KEYS, "(P9)");
}

static void a_forgotten_answer_is_found_by_what_follows(void **state)
{
    (void)state;
    every_one_of(FAULT_FORGET, EXCHANGE_FRAME_ANSWER, "(P9)");
}

static void a_frame_that_comes_twice_is_dropped(void **state)
{
    (void)state;
    struct error err = {0};
    uint64_t count, ignored;
    assert_false(noticed(FAULT_REPEAT, 0, UINT64_MAX, &err, &count));
    for (uint64_t at = 0; at < count; at++) {
        if (noticed(FAULT_REPEAT, 0, at, &err, &ignored)) fail_msg("%s", err.message);
    }
}

// The frames of one attempt into the next one.
static void replay(uint64_t generation, bool moves)
{
    struct flow flow;
    start(&flow, 3, 1);
    wire_set(&flow, FAULT_NONE, 0, 0);
    wire.keep = true;
    run_epoch(&flow, 0);
    check_epoch(&flow);
    wire.keep = false;
    if (moves) {
        flow_move(&flow, (uint32_t[]){0, 1, 2}, 3, false);
    } else {
        flow_close(&flow);
        flow.generation = generation;
        flow.manifest.epoch = 0; // the same epoch once more
        flow.manifest.n_parts = flow.parts.count = 0;
        flow.prepared = NULL;
        flow_open(&flow);
    }
    for (size_t i = 0; i < wire.kept.count; i++) {
        struct exchange_frame frame;
        struct error err;
        assert_int_equal(exchange_frame_parse(wire.kept.items[i].data, wire.kept.items[i].length, &frame, &err),
                         STATUS_OK);
        for (uint32_t to = 0; to < 3; to++) {
            uint32_t from = frame.sender; // one lane each
            if (from != to) flow_link_inject(&flow.link, from, to, wire.kept.items[i].data, wire.kept.items[i].length);
        }
        text_deinit(&wire.kept.items[i]);
    }
    vector_deinit(&wire.kept);
    run_epoch(&flow, moves ? 1 : 0);
    check_epoch(&flow);
    const struct lane_group *group = (const struct lane_group *)flow.dataflow;
    assert_true(group->dropped_old > 3);
    flow_deinit(&flow);
}

static void frames_of_an_earlier_generation_are_dropped(void **state)
{
    (void)state;
    replay(2, false);
}

static void frames_of_an_earlier_routing_are_dropped(void **state)
{
    (void)state;
    replay(1, true);
}

static void a_sender_gets_its_credit_back(void **state)
{
    (void)state;
    struct flow flow;
    flow_workers = 2;
    flow_init(&flow, 1, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    budget_init(&flow.budget, "test", NULL, 32u << 20);
    flow_open(&flow);
    uint64_t credit = ((const struct lane_group *)flow.dataflow)->credit_bytes;
    for (int i = 0; i < 80000; i++) {
        struct flow_row row = {arena_printf(&flow.arena, "a rather long identifier, number %d", i), "x", i, 0};
        flow_rows(0, &row, 1);
    }
    flow_run(&flow, &(struct flow_range){0, 0, 80000}, 1, false, 0xF);
    if (flow.failed) fail_msg("%s", flow.err.message);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 80000);
    assert_true(flow.link.bytes > 3 * credit); // else no credit was needed
    struct dataflow_counters counters;
    flow.dataflow->ops->counters(flow.dataflow, &counters);
    assert_true(counters.bytes_sent > 3 * credit && counters.bytes_sent < flow.link.bytes);
    assert_true(counters.rows_sent > 30000 && counters.rows_sent < 50000); // half of the shards are the other's
    assert_true(counters.frames_received > 10 && counters.bytes_received > 0);
    assert_int_equal(counters.frames_dropped, 0);
    for (uint32_t i = 0; i < 2; i++) {
        struct lane *lane = &((struct lane_group *)flow.at[i].dataflow)->lanes[0];
        for (uint32_t k = 0; k < 2; k++) {
            while (flow_step(&flow)) {
            }
            assert_int_equal(atomic_load(&lane->channels[k].outstanding_bytes[0]), 0);
            assert_int_equal(atomic_load(&lane->channels[k].outstanding_bytes[1]), 0);
        }
    }
    flow_deinit(&flow);
}

static void threads_on_three_workers_lose_and_repeat_nothing_over_moves(void **state)
{
    (void)state;
    struct flow flow;
    static const uint32_t orders[4][3] = {{0, 1, 2}, {1, 2, 0}, {2, 0, 1}, {0, 1, 2}}, workers[4] = {3, 2, 3, 1};
    flow_workers = 1;
    flow_init(&flow, 2, true);
    plan_dedup(&flow, DEDUP_FOREVER);
    budget_init(&flow.budget, "test", NULL, 64u << 20);
    flow_open(&flow);
    for (uint32_t p = 0; p < 4; p++) {
        for (int i = 0; i < 10000; i++) { // each id comes once from every partition
            struct flow_row row = {arena_printf(&flow.arena, "id-%d", i), "x", i, 0};
            flow_rows(p, &row, 1);
        }
    }
    for (int64_t from = 0; from < 10000; from += 2500) {
        struct flow_range ranges[4];
        flow_move(&flow, orders[from / 2500], workers[from / 2500], from > 0);
        for (uint32_t p = 0; p < 4; p++) ranges[p] = (struct flow_range){p, from, from + 2500};
        flow_run(&flow, ranges, 4, false, 0xF);
        if (flow.failed) fail_msg("%s", flow.err.message);
        assert_int_equal(flow_report(&flow, 0)->rows_in, 10000);
        assert_int_equal(flow_report(&flow, 0)->rows_out, 2500);
        assert_int_equal(flow.prepared->n_ranges, 4);
    }
    flow_deinit(&flow);
}

// ---- Moves ----
static void state_that_moves_arrives_and_what_stays_is_not_read(void **state)
{
    (void)state;
    struct flow flow;
    start(&flow, 1, 2);
    run_epoch(&flow, 0);
    flow_move(&flow, (uint32_t[]){0, 1}, 2, false);
    struct error err = {0};
    run_epoch(&flow, 1);
    check_epoch(&flow);
    // The same shards, other numbers of lanes: nothing moves, so that no part is needed.
    for (size_t i = 0; i < flow.parts.count; i++) {
        assert_int_equal(objstore_put(flow.state, flow.parts.items[i]->key, "broken", 6, &err), STATUS_OK);
    }
    Foreset__Routing *routing = &flow.routing;
    routing->version++;
    const Foreset__Manifest *from = &flow.manifest;
    for (uint32_t i = 0; i < 2; i++) {
        struct dataflow *dataflow = flow.at[i].dataflow;
        if (dataflow->ops->reroute(dataflow, routing, i, from, &err) != STATUS_OK) fail_msg("%s", err.message);
    }
    run_epoch(&flow, 2);
    check_epoch(&flow);
    for (uint32_t shard = 0; shard < 256; shard++) routing->shard_lanes[shard] = (routing->shard_lanes[shard] + 1) % 4;
    routing->version++;
    assert_int_equal(flow.dataflow->ops->reroute(flow.dataflow, routing, 0, from, &err), STATUS_CORRUPT); // now it is
    flow_deinit(&flow);
}

// Bases are written under one routing, deltas under the next, and both are loaded under a third.
static void a_base_clears_its_own_shards_alone(void **state)
{
    (void)state;
    struct flow flow;
    flow_workers = 2;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_WITHIN);
    flow_open(&flow);
    VECTOR(struct flow_row) rows = {0};
    for (int i = 0; i < 4 * 70000; i++) { // beyond what is not worth a base, on each lane
        struct flow_row row = {arena_printf(&flow.arena, "old-%d", i), "x", i, i};
        vector_push(&rows, row);
    }
    flow_epoch(&flow, rows.items, rows.count);
    vector_reset(&rows);
    for (int i = 0; i < 40; i++) {
        struct flow_row row = {arena_printf(&flow.arena, "new-%d", i), "x", i, 600 * MINUTE};
        vector_push(&rows, row);
    }
    flow_epoch(&flow, rows.items, 20); // the next batch forgets the old ones
    flow_move(&flow, (uint32_t[]){0, 1, 2}, 3, true);
    flow_epoch(&flow, rows.items, 21);
    flow_epoch(&flow, rows.items, 22); // bases of the lanes that forgot
    size_t bases = 0;
    for (size_t i = 0; i < flow.parts.count; i++) bases += flow.parts.items[i]->is_base ? 1 : 0;
    assert_true(bases >= 2);
    flow_epoch(&flow, rows.items, 30);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 8);
    flow_move(&flow, (uint32_t[]){2, 0}, 2, false);
    flow_epoch(&flow, rows.items, 40);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 10);
    flow_close(&flow);
    flow.workers = 3;
    flow_open(&flow);
    flow_epoch(&flow, rows.items, 40);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 0);
    vector_deinit(&rows);
    flow_deinit(&flow);
}

static void a_partition_that_stays_keeps_its_handle(void **state)
{
    (void)state;
    struct flow flow;
    start(&flow, 3, 1); // partition p is lane p's
    flow_source_opens = 0;
    run_epoch(&flow, 0);
    assert_int_equal(flow_source_opens, 3);
    flow_move(&flow, (uint32_t[]){0, 1, 2}, 3, false); // all shards move, the partitions do not
    run_epoch(&flow, 1);
    check_epoch(&flow);
    assert_int_equal(flow_source_opens, 3);
    flow_deinit(&flow);
}

static void a_move_that_is_none_is_refused(void **state)
{
    (void)state;
    struct flow flow;
    struct error err = {0};
    start(&flow, 2, 1);
    run_epoch(&flow, 0);
    const struct dataflow_ops *ops = flow.dataflow->ops;
    assert_int_equal(ops->reroute(flow.dataflow, &flow.routing, 0, &flow.manifest, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "P22"));
    flow.routing.version++;
    flow.manifest.epoch--;
    assert_int_equal(ops->reroute(flow.dataflow, &flow.routing, 0, &flow.manifest, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "no border"));
    flow.manifest.epoch++;
    assert_int_equal(ops->reroute(flow.dataflow, &flow.routing, 2, &flow.manifest, &err), STATUS_INVALID);
    flow.routing.shard_lanes[7] = 2;
    assert_int_equal(ops->reroute(flow.dataflow, &flow.routing, 0, &flow.manifest, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "contradicts itself"));
    assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
    Foreset__EpochPlan plan = FORESET__EPOCH_PLAN__INIT;
    plan.routing_version = flow.routing.version;
    assert_int_equal(ops->plan(flow.dataflow, flow.epoch + 1, &plan, &err), STATUS_INVALID); // not its routing
    flow_deinit(&flow);
}

// ---- Update mode's files over moves (P13) ----
struct table_files {
    VECTOR(Foreset__DataFile *) live;
};

static void table_apply(struct table_files *files, const Foreset__TableEpoch *report)
{
    for (size_t i = 0; i < report->n_removes; i++) {
        size_t at = 0;
        while (at < files->live.count && strcmp(files->live.items[at]->path, report->removes[i]->path) != 0) at++;
        if (at == files->live.count) fail_msg("%s is removed, and is not there", report->removes[i]->path);
        assert_true(files->live.items[at]->open);
        vector_remove(&files->live, at);
    }
    for (size_t i = 0; i < report->n_adds; i++) vector_push(&files->live, report->adds[i]);
}

static void table_check(const struct table_files *files, const Foreset__TableEpoch *report, uint64_t groups)
{
    uint64_t rows = 0;
    size_t open = 0;
    for (size_t i = 0; i < files->live.count; i++) {
        rows += files->live.items[i]->rows;
        open += files->live.items[i]->open ? 1 : 0;
    }
    assert_int_equal(rows, groups);
    assert_int_equal(open, report->n_open);
}

// Windows of five minutes from `base` on, two rows each; the ids do not matter.
static void update_rows(struct flow *flow, int first, int count)
{
    struct flow_row rows[64];
    for (int i = 0; i < 2 * count; i++) {
        int64_t ts = (first + i % count) * FLOW_WINDOW_US + MINUTE;
        rows[i] = (struct flow_row){"a", "x", 1, ts};
    }
    flow_epoch(flow, rows, (size_t)(2 * count));
}

static void update_modes_files_hold_each_group_once_over_any_move(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct flow flow;
        struct table_files files = {0};
        struct random random;
        int64_t groups = 0;
        random_init(&random, seed);
        flow_workers = 1;
        flow_init(&flow, 1 + (uint32_t)(seed % 2), false);
        plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
        flow_open(&flow);
        for (int epoch = 0; epoch < 8; epoch++) {
            int first = epoch * 3, count = 6 + (int)random_below(&random, 6); // some windows again, some new
            update_rows(&flow, first, count);
            table_apply(&files, flow_report(&flow, 0));
            groups = first + count > groups ? first + count : groups;
            table_check(&files, flow_report(&flow, 0), (uint64_t)groups);
            uint32_t turn = (uint32_t)epoch, order[3] = {turn % 3, (turn + 1) % 3, (turn + 2) % 3};
            uint32_t workers = 1 + (uint32_t)random_below(&random, 3);
            if (random_below(&random, 4) == 0) {
                flow_close(&flow);
                flow.workers = workers;
                flow_open(&flow);
            } else if (random_below(&random, 3)) {
                flow_move(&flow, order, workers, random_below(&random, 2));
            }
        }
        vector_deinit(&files.live);
        flow_deinit(&flow);
    }
}

// Each process keeps its shards, under other numbers of lanes.
static void change_places(struct flow *flow)
{
    struct error err = {0};
    uint32_t *lanes = arena_calloc(&flow->arena, 256, sizeof *lanes), kept = flow->order[0];
    for (uint32_t i = 0; i < 256; i++) lanes[i] = (flow->routing.shard_lanes[i] + 2) % 4;
    flow->routing.shard_lanes = lanes;
    flow->routing.version++;
    flow->order[0] = flow->order[1];
    flow->order[1] = kept;
    flow_link_order(&flow->link, flow->order);
    for (uint32_t i = 0; i < 2; i++) {
        struct dataflow *dataflow = flow->at[flow->order[i]].dataflow;
        enum status status = dataflow->ops->reroute(dataflow, &flow->routing, i, &flow->manifest, &err);
        if (status != STATUS_OK) fail_msg("%s", err.message);
    }
}

static void files_of_slices_that_did_not_change_are_left_alone(void **state)
{
    (void)state;
    struct flow flow;
    flow_workers = 2;
    flow_init(&flow, 2, false);
    plan_window(&flow, FORESET__TABLE__MODE__UPDATE);
    flow_open(&flow);
    update_rows(&flow, 0, 30);
    size_t open = flow_report(&flow, 0)->n_open;
    assert_true(open > 4);
    flow_move(&flow, (uint32_t[]){1, 0}, 2, false); // other shards everywhere
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 29 * FLOW_WINDOW_US}}, 1);
    assert_int_equal(flow_report(&flow, 0)->n_removes, open); // by one worker alone, each once
    change_places(&flow);
    flow_epoch(&flow, (struct flow_row[]){{"a", "x", 1, 29 * FLOW_WINDOW_US}}, 1);
    assert_int_equal(flow_report(&flow, 0)->n_removes, 1); // the touched slice's alone
    flow_deinit(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_lost_frame_restarts_the_pipeline),
        cmocka_unit_test(any_damaged_frame_restarts_the_pipeline),
        cmocka_unit_test(a_forgotten_batch_is_found_by_its_marker),
        cmocka_unit_test(a_forgotten_answer_is_found_by_what_follows),
        cmocka_unit_test(a_frame_that_comes_twice_is_dropped),
        cmocka_unit_test(frames_of_an_earlier_generation_are_dropped),
        cmocka_unit_test(frames_of_an_earlier_routing_are_dropped),
        cmocka_unit_test(a_sender_gets_its_credit_back),
        cmocka_unit_test(threads_on_three_workers_lose_and_repeat_nothing_over_moves),
        cmocka_unit_test(state_that_moves_arrives_and_what_stays_is_not_read),
        cmocka_unit_test(a_base_clears_its_own_shards_alone),
        cmocka_unit_test(a_partition_that_stays_keeps_its_handle),
        cmocka_unit_test(a_move_that_is_none_is_refused),
        cmocka_unit_test(update_modes_files_hold_each_group_once_over_any_move),
        cmocka_unit_test(files_of_slices_that_did_not_change_are_left_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
