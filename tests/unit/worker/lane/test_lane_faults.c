// What lanes do when a mail between them is lost, repeated or overtaken, and when one of them stands still (P9, P14).
// Mails and time are taken over by the linker: mailbox_post and clock_system are this file's.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "tests/unit/worker/lane/flow_fixture.h"
#include "tests/unit/worker/lane/flow_plans.h"
#include "worker/lane/lane_private.h"

enum fault { FAULT_NONE, FAULT_LOSE, FAULT_REPEAT, FAULT_OVERTAKE };

static struct {
    enum fault fault;
    int kind;       // of mail
    uint64_t at;    // the number of the mail that is hit
    uint64_t count; // mails of the kind so far
    struct mailbox *mailbox;
    struct mail *kept; // waits for the next to overtake it
} wire;

void __real_mailbox_post(struct mailbox *mailbox, struct mail *mail);
void __wrap_mailbox_post(struct mailbox *mailbox, struct mail *mail);

static void wire_drop(struct mail *mail)
{
    batch_unref(((struct lane_mail_batch *)mail)->batch);
    memory_free(mail);
}

static void wire_repeat(struct mailbox *mailbox, const struct mail *mail)
{
    struct lane_mail_batch *again = memory_alloc(sizeof *again);
    *again = *(const struct lane_mail_batch *)mail;
    if (again->batch) batch_ref(again->batch);
    again->credit_bytes = 0;
    __real_mailbox_post(mailbox, &again->mail);
}

void __wrap_mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
    bool hit = wire.fault != FAULT_NONE && mail->kind == wire.kind && wire.count++ == wire.at;
    if (hit && wire.fault == FAULT_LOSE) {
        wire_drop(mail);
        return;
    }
    if (hit && wire.fault == FAULT_OVERTAKE) {
        wire.mailbox = mailbox;
        wire.kept = mail;
        return;
    }
    if (hit) wire_repeat(mailbox, mail);
    __real_mailbox_post(mailbox, mail);
    if (wire.kept && mailbox == wire.mailbox && mail->kind == wire.kind) {
        __real_mailbox_post(mailbox, wire.kept);
        wire.kept = NULL;
    }
}

// Three epochs of rows on two lanes, with one mail of the first hit. True: the flow noticed, as it must.
static bool noticed(enum fault fault, int kind, uint64_t at, struct error *ret_err)
{
    struct flow flow;
    wire.fault = FAULT_NONE;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    for (int i = 0; i < 24; i++) {
        for (uint32_t partition = 0; partition < 2; partition++) {
            struct flow_row row = {arena_printf(&flow.arena, "%u-%d", partition, i), "x", i, 0};
            flow_rows(partition, &row, 1);
        }
    }
    wire.count = 0;
    wire.at = at;
    wire.kind = kind;
    wire.fault = fault;
    for (int64_t from = 0; from < 24 && !flow.failed; from += 8) {
        flow_run(&flow, (struct flow_range[]){{0, from, from + 8}, {1, from, from + 8}}, 2, false, 0xF);
    }
    wire.fault = FAULT_NONE;
    if (wire.kept) wire_drop(wire.kept);
    wire.kept = NULL;
    bool failed = flow.failed;
    *ret_err = flow.err;
    flow_deinit(&flow);
    return failed;
}

static uint64_t mails_of(int kind)
{
    struct error err;
    assert_false(noticed(FAULT_REPEAT, kind, UINT64_MAX, &err));
    assert_true(wire.count >= 6);
    return wire.count;
}

static void every_one_of(enum fault fault, int kind, uint64_t count)
{
    for (uint64_t at = 0; at < count; at++) {
        struct error err = {0};
        if (!noticed(fault, kind, at, &err))
            fail_msg("mail %llu of %llu", (unsigned long long)at + 1, (unsigned long long)count);
        assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
        assert_non_null(strstr(err.message, "(P9)"));
    }
}

static void a_lost_batch_restarts_the_pipeline(void **state)
{
    (void)state;
    every_one_of(FAULT_LOSE, LANE_MAIL_BATCH, mails_of(LANE_MAIL_BATCH));
}

static void a_repeated_batch_restarts_the_pipeline(void **state)
{
    (void)state;
    every_one_of(FAULT_REPEAT, LANE_MAIL_BATCH, mails_of(LANE_MAIL_BATCH));
}

static void a_batch_that_overtakes_restarts_the_pipeline(void **state)
{
    (void)state;
    every_one_of(FAULT_OVERTAKE, LANE_MAIL_BATCH, mails_of(LANE_MAIL_BATCH));
}

// Lane 0 is an epoch ahead: its rows of it wait until lane 1's marker of this one is there.
static void rows_of_the_next_epoch_wait_for_the_markers_of_all_lanes(void **state)
{
    (void)state;
    struct flow flow;
    wire.fault = FAULT_NONE;
    flow_init(&flow, 2, false);
    plan_dedup(&flow, DEDUP_FOREVER);
    flow_open(&flow);
    for (int i = 0; i < 16; i++) {
        for (uint32_t partition = 0; partition < 2; partition++) {
            struct flow_row row = {arena_printf(&flow.arena, "%u-%d", partition, i), "x", i, 0};
            flow_rows(partition, &row, 1);
        }
    }
    flow_plan(&flow, (struct flow_range[]){{0, 0, 4}, {1, 0, 4}}, 2, false, 0xF);
    flow_plan(&flow, (struct flow_range[]){{0, 4, 16}, {1, 4, 16}}, 2, false, 0xF);
    for (int i = 0; i < 20; i++) lane_group_step(flow.dataflow, 0);
    flow_watermarks(&flow, 1);
    flow_watermarks(&flow, 2);
    flow_wait(&flow, 1);
    assert_false(flow.failed);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 8);
    flow_wait(&flow, 2);
    assert_false(flow.failed);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 24);
    flow_deinit(&flow);
}

// ---- Standing still ----

static int64_t fake_now_us;

static int64_t fake_us(struct clock *clock)
{
    (void)clock;
    return fake_now_us;
}

struct clock *__wrap_clock_system(void);

struct clock *__wrap_clock_system(void)
{
    static struct clock clock = {.wall_us = fake_us, .boot_us = fake_us};
    return &clock;
}

// Lane 0 reads until the channel to lane 1, which does nothing, has no credit left.
static void flow_that_stands(struct flow *flow)
{
    wire.fault = FAULT_NONE;
    fake_now_us = 1000000;
    flow_init(flow, 2, false);
    plan_dedup(flow, DEDUP_FOREVER);
    budget_init(&flow->budget, "test", NULL, 32u << 20);
    flow_open(flow);
    for (int i = 0; i < 40000; i++) {
        struct flow_row row = {arena_printf(&flow->arena, "id-%d", i), "x", i, 0};
        flow_rows(0, &row, 1);
    }
    flow_plan(flow, (struct flow_range[]){{0, 0, 40000}}, 1, false, 0xF);
    lane_group_step(flow->dataflow, 1);
    while (lane_group_step(flow->dataflow, 0)) {
    }
    assert_int_equal(flow->events.count, 0);
}

static void a_source_without_credit_waits_59_seconds_and_goes_on(void **state)
{
    (void)state;
    struct flow flow;
    flow_that_stands(&flow);
    fake_now_us += LANE_STALL_US - 1000000;
    assert_false(lane_group_step(flow.dataflow, 0));
    assert_int_equal(flow.events.count, 0);
    assert_true(lane_group_step(flow.dataflow, 1)); // takes what has come: credit is there again
    assert_true(lane_group_step(flow.dataflow, 0));
    fake_now_us += LANE_STALL_US - 1000000; // another wait, not the same one
    flow_wait(&flow, 1);
    assert_false(flow.failed);
    assert_int_equal(flow_report(&flow, 0)->rows_out, 40000);
    flow_deinit(&flow);
}

static void a_source_without_credit_for_60_seconds_fails_the_pipeline(void **state)
{
    (void)state;
    struct flow flow;
    flow_that_stands(&flow);
    fake_now_us += LANE_STALL_US;
    lane_group_step(flow.dataflow, 0);
    assert_int_equal(flow.events.count, 1);
    assert_int_equal(flow.events.items[0]->kind, DATAFLOW_FAILED);
    assert_int_equal(flow.events.items[0]->err.class, ERROR_FAIL_PIPELINE);
    assert_int_equal(flow.events.items[0]->err.code, STATUS_NO_MEMORY);
    assert_non_null(strstr(flow.events.items[0]->err.message, "60 s"));
    assert_non_null(strstr(flow.events.items[0]->err.message, "--memory"));
    flow_deinit(&flow);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_batch_restarts_the_pipeline),
        cmocka_unit_test(a_repeated_batch_restarts_the_pipeline),
        cmocka_unit_test(a_batch_that_overtakes_restarts_the_pipeline),
        cmocka_unit_test(rows_of_the_next_epoch_wait_for_the_markers_of_all_lanes),
        cmocka_unit_test(a_source_without_credit_waits_59_seconds_and_goes_on),
        cmocka_unit_test(a_source_without_credit_for_60_seconds_fails_the_pipeline),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
