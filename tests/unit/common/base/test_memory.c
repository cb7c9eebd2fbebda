// Budgets, arenas, counted buffers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/memory.h"

static void a_refused_take_leaves_nothing_behind(void **state)
{
    (void)state;
    struct budget process, lane, state_budget;
    struct error err;
    budget_init(&process, "process", NULL, 100);
    budget_init(&lane, "lane", &process, 0);
    budget_init(&state_budget, "state", &lane, 60);
    assert_int_equal(budget_take(&state_budget, 50, &err), STATUS_OK);
    assert_int_equal(budget_take(&state_budget, 20, &err), STATUS_NO_MEMORY); // its own limit
    assert_non_null(strstr(err.message, "state needs 20 bytes more but has 50 of 60"));
    assert_int_equal(budget_take(&lane, 60, &err), STATUS_NO_MEMORY); // its parent's
    assert_non_null(strstr(err.message, "process needs 60 bytes more but has 50 of 100"));
    assert_int_equal(state_budget.used_bytes, 50);
    assert_int_equal(lane.used_bytes, 50);
    assert_int_equal(process.used_bytes, 50);
    budget_force(&lane, 70); // counts beyond the limit
    assert_int_equal(process.used_bytes, 120);
    budget_give(&lane, 70);
    budget_give(&state_budget, 50);
    assert_int_equal(process.used_bytes, 0);
    assert_int_equal(process.peak_bytes, 120);
}

static void an_arena_keeps_what_was_given(void **state)
{
    (void)state;
    struct arena arena;
    char *texts[500];
    arena_init(&arena, 256);
    for (int i = 0; i < 500; i++) texts[i] = arena_printf(&arena, "%0*d", i + 1, i);
    for (int i = 0; i < 500; i++) assert_int_equal(strlen(texts[i]), i + 1);
    assert_int_equal((uintptr_t)arena_alloc(&arena, 1) % 16, 0);
    unsigned char *zeros = arena_calloc(&arena, 100, 100);
    for (size_t i = 0; i < 10000; i++) assert_int_equal(zeros[i], 0);
    assert_string_equal(arena_strndup(&arena, "abc", 2), "ab");
    arena_reset(&arena);
    assert_string_equal(arena_strdup(&arena, "again"), "again");
    arena_deinit(&arena);
}

static void a_buffer_counts_until_its_last_owner(void **state)
{
    (void)state;
    struct budget budget, other;
    struct buffer *buffer = NULL, *refused = NULL;
    struct error err;
    budget_init(&budget, "batches", NULL, 1000);
    budget_init(&other, "files", NULL, 100);
    assert_int_equal(buffer_create(&budget, 400, &buffer, &err), STATUS_OK);
    assert_int_equal((uintptr_t)buffer->data % 64, 0);
    memset(buffer->data, 7, 400 + BUFFER_PADDING); // the padding is there
    uint64_t counted = budget.used_bytes;
    assert_true(counted >= 400);
    assert_int_equal(buffer_create(&budget, 4000, &refused, &err), STATUS_NO_MEMORY);
    assert_int_equal(budget.used_bytes, counted);
    assert_ptr_equal(buffer_ref(buffer), buffer);
    buffer_unref(buffer);
    assert_int_equal(budget.used_bytes, counted);
    assert_int_equal(buffer_grow(buffer, 700, &err), STATUS_OK);
    assert_int_equal(buffer->data[399], 7);
    assert_true(budget.used_bytes >= 700);
    assert_int_equal(buffer_grow(buffer, 5000, &err), STATUS_NO_MEMORY);
    assert_int_equal(buffer->data[399], 7);
    buffer_recount(buffer, &other); // outlives the first; not refused
    assert_int_equal(budget.used_bytes, 0);
    assert_true(other.used_bytes >= 700);
    buffer_unref(buffer);
    assert_int_equal(other.used_bytes, 0);
}

static void the_nth_take_fails_once(void **state)
{
    (void)state;
    struct error err;
    budget_fail_at(2);
    assert_int_equal(budget_take(NULL, 1, &err), STATUS_OK);
    assert_int_equal(budget_take(NULL, 1, &err), STATUS_NO_MEMORY);
    assert_int_equal(budget_take(NULL, 1, &err), STATUS_OK);
    budget_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_take_leaves_nothing_behind), cmocka_unit_test(an_arena_keeps_what_was_given),
        cmocka_unit_test(a_buffer_counts_until_its_last_owner), cmocka_unit_test(the_nth_take_fails_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
