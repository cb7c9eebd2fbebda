// Fresh keys of a DEDUP: every one comes back from the parts, once, in its shard; a part can be made twice; nothing of
// the operator's own budget stays with what was handed over.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "worker/exchange/exchange.h"
#include "worker/operator/dedup_fresh.h"

#define SHARDS 16u
#define KEYS   1100000u // more than one part

static struct dedup_entry key_of(uint32_t number)
{
    struct dedup_entry entry = {{hash_mix(number, 7), number}, 1000 + number};
    return entry;
}

static void read_part(struct operator_part *part, bool timed, uint8_t *seen)
{
    struct buffer *bytes = NULL, *again = NULL;
    size_t size, size_again;
    struct error err;
    assert_int_equal(part->late->encode(part->late, &bytes, &size, &err), STATUS_OK);
    assert_int_equal(part->late->encode(part->late, &again, &size_again, &err), STATUS_OK);
    assert_int_equal(size, size_again);
    assert_memory_equal(bytes->data, again->data, size);
    struct snapshot_reader reader;
    assert_int_equal(snapshot_reader_open(&reader, bytes->data, size, &err), STATUS_OK);
    assert_int_equal(reader.entries, part->entries);
    for (bool end = false; !end;) {
        struct snapshot_record record;
        assert_int_equal(snapshot_reader_next(&reader, &record, &end, &err), STATUS_OK);
        if (end) break;
        struct hash128 key;
        int64_t expiry_us;
        assert_int_equal(record.key.length, sizeof key);
        assert_int_equal(record.value.length, timed ? sizeof expiry_us : 0);
        memcpy(&key, record.key.data, sizeof key);
        assert_int_equal(record.shard, exchange_shard(key.low, SHARDS));
        assert_true(key.high < KEYS && key.low == hash_mix(key.high, 7));
        if (timed) memcpy(&expiry_us, record.value.data, sizeof expiry_us);
        if (timed) assert_int_equal(expiry_us, 1000 + (int64_t)key.high);
        assert_int_equal(seen[key.high]++, 0);
    }
    buffer_unref(bytes);
    buffer_unref(again);
}

static void every_key_comes_back_once_from_its_shard(void **state)
{
    (void)state;
    Foreset__Plan plan = FORESET__PLAN__INIT;
    plan.shards = SHARDS;
    for (unsigned timed = 0; timed < 2; timed++) {
        struct budget process, own;
        struct error err;
        struct state_history history = {0};
        struct operator_frozen frozen = {0};
        struct dedup_fresh fresh;
        budget_init(&process, "memory", NULL, 0);
        budget_init(&own, "state", &process, 0);
        struct operator_host host = {.plan = &plan, .budget = &process, .state_budget = &own};
        dedup_fresh_init(&fresh, timed, &own, "t/dedup-1");
        for (uint32_t i = 0; i < KEYS; i++) {
            struct dedup_entry entry = key_of(i);
            assert_int_equal(dedup_fresh_add(&fresh, &entry, &err), STATUS_OK);
        }
        assert_int_equal(fresh.count, KEYS);
        dedup_fresh_freeze(&fresh, &host, &history, &frozen);
        assert_int_equal(fresh.count, 0);
        assert_int_equal(own.used_bytes, 0);
        assert_true(frozen.parts.count > 1);
        assert_int_equal(history.entries, KEYS);
        dedup_fresh_deinit(&fresh);
        uint8_t *seen = memory_calloc(KEYS, 1);
        for (size_t i = 0; i < frozen.parts.count; i++) read_part(&frozen.parts.items[i], timed, seen);
        for (uint32_t i = 0; i < KEYS; i++) assert_int_equal(seen[i], 1);
        memory_free(seen);
        operator_frozen_deinit(&frozen);
        assert_int_equal(process.used_bytes, 0);
    }
}

static void nothing_new_makes_no_part(void **state)
{
    (void)state;
    struct dedup_fresh fresh;
    struct state_history history = {0};
    struct operator_frozen frozen = {0};
    struct operator_host host = {0};
    dedup_fresh_init(&fresh, false, NULL, "t/dedup-1");
    dedup_fresh_freeze(&fresh, &host, &history, &frozen);
    assert_int_equal(frozen.parts.count, 0);
    operator_frozen_deinit(&frozen);
    dedup_fresh_deinit(&fresh);
}

static void a_full_budget_names_the_operator(void **state)
{
    (void)state;
    struct budget own;
    struct error err = {0};
    struct dedup_fresh fresh;
    budget_init(&own, "state", NULL, 1 << 20);
    dedup_fresh_init(&fresh, false, &own, "silver/dedup-1");
    enum status status = STATUS_OK;
    for (uint32_t i = 0; status == STATUS_OK; i++) {
        struct dedup_entry entry = key_of(i);
        status = dedup_fresh_add(&fresh, &entry, &err);
    }
    assert_int_equal(status, STATUS_NO_MEMORY);
    assert_non_null(strstr(err.message, "state of silver/dedup-1"));
    dedup_fresh_deinit(&fresh);
    assert_int_equal(own.used_bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_comes_back_once_from_its_shard),
        cmocka_unit_test(nothing_new_makes_no_part),
        cmocka_unit_test(a_full_budget_names_the_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
