// Keyed state against a naive list: random adds, removals and evictions give the same content; changes are told
// exactly.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "worker/state/dedup_table.h"
#include "worker/state/key_table.h"

#define KEYS 500

// Few hashes, so that probes run into each other and wrap round the end.
static uint64_t bad_hash(uint32_t key)
{
    return UINT64_MAX - key % 7;
}

static struct slice key_text(uint32_t key, char text[16])
{
    snprintf(text, 16, "key-%u", key);
    return slice_str(text);
}

static void random_adds_and_removals_leave_what_a_list_holds(void **state)
{
    (void)state;
    struct key_table table;
    struct random random;
    struct error err;
    bool there[KEYS] = {0};
    char text[16];
    uint64_t count = 0;
    random_init(&random, 3);
    key_table_init(&table, NULL, "t/state", 8);
    for (int step = 0; step < 20000; step++) {
        uint32_t key = (uint32_t)random_below(&random, KEYS);
        struct key_entry *entry = key_table_find(&table, bad_hash(key), key_text(key, text));
        assert_true((entry != NULL) == there[key]);
        bool added = false;
        if (there[key] && random_below(&random, 2)) {
            key_table_remove(&table, entry);
            there[key] = false;
            count--;
        } else {
            assert_int_equal(key_table_get(&table, bad_hash(key), key_text(key, text), &entry, &added, &err),
                             STATUS_OK);
            assert_true(added == !there[key]);
            if (added) assert_int_equal(*(uint64_t *)(void *)entry->payload, 0);
            *(uint64_t *)(void *)entry->payload = key;
            count += added;
            there[key] = true;
        }
        assert_int_equal(table.count, count);
    }
    for (uint32_t key = 0; key < KEYS; key++) {
        struct key_entry *entry = key_table_find(&table, bad_hash(key), key_text(key, text));
        assert_true((entry != NULL) == there[key]);
        if (entry) assert_int_equal(*(uint64_t *)(void *)entry->payload, key);
    }
    key_table_deinit(&table, NULL, NULL);
}

static void changes_are_told_once_and_only_persisted_keys_are_removed(void **state)
{
    (void)state;
    struct key_table table;
    struct key_entry *a, *b;
    struct error err;
    bool added;
    key_table_init(&table, NULL, "t/state", 8);
    assert_int_equal(key_table_get(&table, 1, slice_str("a"), &a, &added, &err), STATUS_OK);
    assert_int_equal(key_table_get(&table, 2, slice_str("b"), &b, &added, &err), STATUS_OK);
    key_table_touch(&table, a);
    key_table_touch(&table, a);
    key_table_touch(&table, b);
    assert_int_equal(table.dirty.count, 2);
    key_table_remove(&table, a); // nobody has heard of it yet
    assert_int_equal(table.dirty.count, 1);
    assert_ptr_equal(table.dirty.items[0], b);
    assert_int_equal(table.removed.count, 0);
    key_table_changes_reset(&table);
    key_table_remove(&table, b);
    assert_int_equal(table.removed.count, 1);
    assert_int_equal(table.removed.items[0].hash, 2);
    key_table_deinit(&table, NULL, NULL);
}

static void a_full_budget_is_named_and_given_back(void **state)
{
    (void)state;
    struct key_table table;
    struct budget budget;
    struct error err = {0};
    char text[16];
    enum status status = STATUS_OK;
    budget_init(&budget, "state", NULL, 1u << 20);
    key_table_init(&table, &budget, "gold/aggregate-1", 64);
    for (uint32_t key = 0; status == STATUS_OK && key < 100000; key++) {
        struct key_entry *entry;
        bool added;
        status = key_table_get(&table, key * 77ull, key_text(key, text), &entry, &added, &err);
    }
    assert_int_equal(status, STATUS_NO_MEMORY);
    assert_non_null(strstr(err.message, "gold/aggregate-1"));
    key_table_deinit(&table, NULL, NULL);
    assert_int_equal(budget.used_bytes, 0);
}

static void dedup_evicts_exactly_what_is_due(void **state)
{
    (void)state;
    struct dedup_table table;
    struct random random;
    struct error err;
    int64_t expiry[KEYS];
    random_init(&random, 9);
    for (int round = 0; round < 50; round++) {
        dedup_table_init(&table, 2, true, NULL, "t/dedup");
        for (uint32_t key = 0; key < KEYS; key++) {
            expiry[key] = random_below(&random, 10) ? (int64_t)random_below(&random, 100) : DEDUP_NEVER;
            struct hash128 hash = {.low = bad_hash(key), .high = key};
            bool added;
            assert_int_equal(dedup_table_add(&table, key % 2, hash, expiry[key], &added, &err), STATUS_OK);
            assert_true(added);
        }
        uint64_t due = 0;
        for (uint32_t key = 0; key < KEYS; key++) due += expiry[key] <= 50;
        assert_int_equal(dedup_table_evict(&table, 50), due);
        assert_int_equal(dedup_table_evict(&table, 50), 0);
        for (uint32_t key = 0; key < KEYS; key++) {
            struct hash128 hash = {.low = bad_hash(key), .high = key};
            bool added;
            assert_int_equal(dedup_table_add(&table, key % 2, hash, DEDUP_NEVER, &added, &err), STATUS_OK);
            assert_true(added == (expiry[key] <= 50));
        }
        dedup_table_deinit(&table);
    }
}

// What is added is counted, all of it.
static void dedup_counts_all_it_holds(void **state)
{
    (void)state;
    struct dedup_table table;
    struct budget budget;
    struct error err = {0};
    bool added;
    budget_init(&budget, "state", NULL, 1 << 20);
    dedup_table_init(&table, 1, true, &budget, "silver/dedup-1");
    enum status status = STATUS_OK;
    for (uint64_t key = 1; status == STATUS_OK; key++) {
        status = dedup_table_add(&table, 0, (struct hash128){hash_mix(key, 5), key}, DEDUP_NEVER, &added, &err);
    }
    assert_int_equal(status, STATUS_NO_MEMORY);
    assert_true(table.count * sizeof(struct dedup_entry) > budget.used_bytes / 2);
    assert_non_null(strstr(err.message, "silver/dedup-1 holds"));
    assert_null(strstr(err.message, ": :"));
    dedup_table_deinit(&table);
    assert_int_equal(budget.used_bytes, 0);
}

static void a_hash_of_zeros_is_a_key_like_any_other(void **state)
{
    (void)state;
    struct dedup_table table;
    struct error err;
    bool added;
    dedup_table_init(&table, 1, false, NULL, "t/dedup");
    assert_int_equal(dedup_table_add(&table, 0, (struct hash128){0, 0}, DEDUP_NEVER, &added, &err), STATUS_OK);
    assert_true(added);
    assert_int_equal(dedup_table_add(&table, 0, (struct hash128){0, 0}, DEDUP_NEVER, &added, &err), STATUS_OK);
    assert_false(added);
    dedup_table_deinit(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_adds_and_removals_leave_what_a_list_holds),
        cmocka_unit_test(changes_are_told_once_and_only_persisted_keys_are_removed),
        cmocka_unit_test(a_full_budget_is_named_and_given_back),
        cmocka_unit_test(dedup_evicts_exactly_what_is_due),
        cmocka_unit_test(dedup_counts_all_it_holds),
        cmocka_unit_test(a_hash_of_zeros_is_a_key_like_any_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
