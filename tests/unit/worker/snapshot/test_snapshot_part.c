// State snapshot parts: what is written comes back by shard; whatever bytes are altered or cut, reading refuses them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/random.h"
#include "worker/snapshot/snapshot_part.h"

static struct buffer *sample(size_t *ret_size, bool is_base)
{
    struct snapshot_writer writer = {0};
    struct buffer *bytes;
    struct error err;
    uint64_t entries;
    snapshot_writer_add(&writer, 200, slice_str("late"), slice_str("1"));
    snapshot_writer_add(&writer, 3, slice_str("a"), slice_str(""));
    snapshot_writer_remove(&writer, 3, slice_str("b"));
    snapshot_writer_add(&writer, 0, slice_str(""), slice_str("value of the empty key"));
    snapshot_writer_add(&writer, 200, slice_str("later"), slice_str("2"));
    assert_int_equal(snapshot_writer_finish(&writer, is_base, NULL, &bytes, ret_size, &entries, &err), STATUS_OK);
    assert_int_equal(entries, 5);
    snapshot_writer_deinit(&writer);
    return bytes;
}

static enum status read_all(const void *bytes, size_t size, struct text *seen)
{
    struct snapshot_reader reader;
    struct error err;
    enum status status = snapshot_reader_open(&reader, bytes, size, &err);
    for (bool end = false; status == STATUS_OK && !end;) {
        struct snapshot_record record;
        status = snapshot_reader_next(&reader, &record, &end, &err);
        if (status != STATUS_OK || end) {
            break;
        }
        text_printf(seen, "%u:%.*s%s%.*s;", record.shard, (int)record.key.length, record.key.data,
                    record.removed ? "!" : "=", (int)record.value.length, record.value.data);
    }
    return status;
}

static void records_come_back_by_shard_in_the_order_written(void **state)
{
    (void)state;
    struct text seen = {0};
    size_t size;
    struct buffer *bytes = sample(&size, false);
    assert_int_equal(read_all(bytes->data, size, &seen), STATUS_OK);
    assert_string_equal(text_str(&seen), "0:=value of the empty key;3:a=;3:b!;200:late=1;200:later=2;");
    text_deinit(&seen);
    buffer_unref(bytes);
}

static void an_empty_base_is_a_part(void **state)
{
    (void)state;
    struct snapshot_writer writer = {0};
    struct snapshot_reader reader;
    struct buffer *bytes;
    struct error err;
    size_t size;
    uint64_t entries;
    assert_int_equal(snapshot_writer_finish(&writer, true, NULL, &bytes, &size, &entries, &err), STATUS_OK);
    assert_int_equal(snapshot_reader_open(&reader, bytes->data, size, &err), STATUS_OK);
    assert_true(reader.is_base && reader.entries == 0);
    buffer_unref(bytes);
    snapshot_writer_deinit(&writer);
}

static void every_cut_is_noticed(void **state)
{
    (void)state;
    size_t size;
    struct buffer *bytes = sample(&size, true);
    for (size_t length = 0; length < size; length++) {
        struct text seen = {0};
        assert_int_equal(read_all(bytes->data, length, &seen), STATUS_CORRUPT);
        text_deinit(&seen);
    }
    buffer_unref(bytes);
}

static void every_flipped_bit_is_noticed(void **state)
{
    (void)state;
    size_t size;
    struct buffer *bytes = sample(&size, true);
    for (size_t bit = 0; bit < size * 8; bit++) {
        struct text seen = {0};
        bytes->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(read_all(bytes->data, size, &seen), STATUS_CORRUPT);
        bytes->data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        text_deinit(&seen);
    }
    buffer_unref(bytes);
}

enum { SHARDS = 3, HEAD = 32 + SHARDS * 32 };

// As a newer program would have written it.
static void set_version(struct buffer *bytes, uint32_t writer, uint32_t least, uint32_t flags)
{
    memcpy(bytes->data + 24, &writer, 4);
    memcpy(bytes->data + 28, &least, 4);
    memcpy(bytes->data + 12, &flags, 4);
    uint64_t hash = hash_64(bytes->data, HEAD, 0);
    memcpy(bytes->data + HEAD, &hash, 8);
}

static void a_part_of_a_newer_program_is_refused_by_name(void **state)
{
    (void)state;
    struct snapshot_reader reader;
    struct error err;
    size_t size;
    struct buffer *bytes = sample(&size, true);
    uint32_t reads = format_version_info(FORMAT_STATE_PART).reads;
    for (uint32_t least = 1; least < reads + 4; least++) {
        set_version(bytes, 0x090807, least, least > reads ? 0xFF01 : 1); // flags that it alone knows
        enum status wanted = least <= reads ? STATUS_OK : STATUS_UNSUPPORTED;
        assert_int_equal(snapshot_reader_open(&reader, bytes->data, size, &err), wanted);
        if (wanted != STATUS_OK)
            assert_non_null(strstr(err.message, "the part was written by Foreset 9.8.7 in state-part format"));
    }
    static const uint32_t damaged[][2] = {{0, 0}, {0, 1}, {0x000100, 0}, {0x01000000, 1}, {0x000100, 100000}};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        set_version(bytes, damaged[i][0], damaged[i][1], 1);
        assert_int_equal(snapshot_reader_open(&reader, bytes->data, size, &err), STATUS_CORRUPT);
    }
    buffer_unref(bytes);
}

// The same part without writer and least reader.
static void a_part_of_the_first_version_is_read(void **state)
{
    (void)state;
    struct text seen = {0}, expected = {0};
    size_t size;
    struct buffer *bytes = sample(&size, true);
    assert_int_equal(read_all(bytes->data, size, &expected), STATUS_OK);
    memcpy(bytes->data, "FSNP0001", 8);
    memmove(bytes->data + 24, bytes->data + 32, size - 32);
    for (size_t i = 0; i < SHARDS; i++) {
        uint64_t offset;
        memcpy(&offset, bytes->data + 24 + i * 32 + 8, 8);
        offset -= 8;
        memcpy(bytes->data + 24 + i * 32 + 8, &offset, 8);
    }
    uint64_t hash = hash_64(bytes->data, HEAD - 8, 0);
    memcpy(bytes->data + HEAD - 8, &hash, 8);
    assert_int_equal(read_all(bytes->data, size - 8, &seen), STATUS_OK);
    assert_string_equal(text_str(&seen), text_str(&expected));
    text_deinit(&seen);
    text_deinit(&expected);
    buffer_unref(bytes);
}

static void a_refused_budget_leaves_nothing_behind(void **state)
{
    (void)state;
    struct snapshot_writer writer = {0};
    struct budget budget;
    struct buffer *bytes;
    struct error err;
    size_t size;
    uint64_t entries;
    budget_init(&budget, "test", NULL, 16);
    snapshot_writer_add(&writer, 1, slice_str("a"), slice_str("b"));
    assert_int_equal(snapshot_writer_finish(&writer, false, &budget, &bytes, &size, &entries, &err), STATUS_NO_MEMORY);
    assert_int_equal(writer.places.count, 0);
    assert_int_equal(budget.used_bytes, 0);
    snapshot_writer_deinit(&writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_by_shard_in_the_order_written),
        cmocka_unit_test(an_empty_base_is_a_part),
        cmocka_unit_test(every_cut_is_noticed),
        cmocka_unit_test(every_flipped_bit_is_noticed),
        cmocka_unit_test(a_part_of_a_newer_program_is_refused_by_name),
        cmocka_unit_test(a_part_of_the_first_version_is_read),
        cmocka_unit_test(a_refused_budget_leaves_nothing_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
