// Deletion vectors: Delta protocol, Deletion Vectors; the path is the example of the Delta protocol.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/compress/crc32.h"
#include "common/delta/delta_vector.h"
#include "tests/unit/lib/unit_folder.h"

static struct error err;

static void put_u16(struct text *text, uint16_t value)
{
    text_append(text, (const char *)&value, sizeof value);
}

static void put_u32(struct text *text, uint32_t value)
{
    text_append(text, (const char *)&value, sizeof value);
}

// Magic, number of bitmaps, and the first one's high word.
static void put_head(struct text *text, uint32_t bitmaps)
{
    put_u32(text, 1681511377);
    put_u32(text, bitmaps);
    put_u32(text, 0);
    put_u32(text, 0);
}

static enum status parse(const struct text *text, struct delta_vector *vector)
{
    return delta_vector_parse((const uint8_t *)text->data, text->length, 1 << 20, vector, &err);
}

static void an_inline_one_reads(void **state)
{
    (void)state;
    static const uint64_t expected[] = {3, 4, 7, 11, 18, 29};
    struct delta_deletion_vector dv = {"i", "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L", false, 0, 44, 6};
    struct delta_vector vector;
    assert_int_equal(delta_vector_read(NULL, &dv, 100, &vector, &err), STATUS_OK);
    assert_int_equal(vector.rows.count, 6);
    assert_memory_equal(vector.rows.items, expected, sizeof expected);
    delta_vector_deinit(&vector);
    dv.cardinality = 5;
    assert_int_equal(delta_vector_read(NULL, &dv, 100, &vector, &err), STATUS_CORRUPT);
    dv.cardinality = 6;
    assert_int_equal(delta_vector_read(NULL, &dv, 5, &vector, &err), STATUS_CORRUPT);
    dv.storage_type = "q";
    assert_int_equal(delta_vector_read(NULL, &dv, 100, &vector, &err), STATUS_UNSUPPORTED);
}

// Three containers, of each kind one, in a bitmap of its own high word.
static void put_three_kinds(struct text *text)
{
    uint8_t bits[8192] = {0};
    put_head(text, 2);
    put_u32(text, 12347 | 2u << 16);
    text_append_char(text, 1 << 2); // the third is runs
    put_u16(text, 0), put_u16(text, 2 - 1);
    put_u16(text, 1), put_u16(text, 5000 - 1);
    put_u16(text, 9), put_u16(text, 4 - 1);
    put_u16(text, 7), put_u16(text, 65535);
    for (unsigned i = 0; i < 5000; i++) bits[i / 8] |= (uint8_t)(1u << (i % 8));
    text_append(text, (const char *)bits, sizeof bits);
    put_u16(text, 2);
    put_u16(text, 10), put_u16(text, 1);
    put_u16(text, 20), put_u16(text, 1);
    put_u32(text, 3); // second bitmap
    put_u32(text, 12346), put_u32(text, 1);
    put_u16(text, 0), put_u16(text, 0);
    put_u32(text, 16);
    put_u16(text, 5);
}

static void every_kind_of_container_is_read(void **state)
{
    (void)state;
    struct text text = {0};
    struct delta_vector vector;
    put_three_kinds(&text);
    assert_int_equal(parse(&text, &vector), STATUS_OK);
    assert_int_equal(vector.rows.count, 2 + 5000 + 4 + 1);
    assert_int_equal(vector.rows.items[1], 65535);
    assert_int_equal(vector.rows.items[2], 65536);
    assert_int_equal(vector.rows.items[5001], 65536 + 4999);
    assert_int_equal(vector.rows.items[5002], 9 * 65536 + 10);
    assert_int_equal(vector.rows.items[5005], 9 * 65536 + 21);
    assert_true(vector.rows.items[5006] == (UINT64_C(3) << 32) + 5);
    delta_vector_deinit(&vector);
    text_deinit(&text);
}

static void a_cut_bitmap_is_refused_at_every_byte(void **state)
{
    (void)state;
    struct text text = {0};
    struct delta_vector vector;
    put_three_kinds(&text);
    for (size_t size = 0; size < text.length; size++) {
        uint8_t *cut = malloc(size + 1); // so that a read beyond shows
        memcpy(cut, text.data, size);
        assert_int_equal(delta_vector_parse(cut, size, 1 << 20, &vector, &err), STATUS_CORRUPT);
        free(cut);
    }
    text_append_char(&text, 0);
    assert_int_equal(parse(&text, &vector), STATUS_CORRUPT);
    text_deinit(&text);
}

static void a_few_bytes_cannot_name_billions_of_rows(void **state)
{
    (void)state;
    struct text text = {0};
    struct delta_vector vector;
    put_head(&text, 1);
    put_u32(&text, 12347 | 999u << 16);
    for (int i = 0; i < 125; i++) text_append_char(&text, (char)0xFF);
    for (uint16_t i = 0; i < 1000; i++) put_u16(&text, i), put_u16(&text, UINT16_MAX);
    for (int i = 0; i < 1000; i++) put_u32(&text, 0);
    for (int i = 0; i < 1000; i++) put_u16(&text, 1), put_u16(&text, 0), put_u16(&text, UINT16_MAX);
    assert_int_equal(delta_vector_parse((uint8_t *)text.data, text.length, 1000, &vector, &err), STATUS_CORRUPT);
    text_deinit(&text);
}

static void a_file_is_found_by_its_uuid_and_checked(void **state)
{
    (void)state;
    struct objstore *store;
    struct text text = {0}, file = {0};
    struct delta_vector vector;
    assert_int_equal(objstore_open(unit_folder_create(), true, &store, &err), STATUS_OK);
    put_three_kinds(&text);
    uint32_t size = __builtin_bswap32((uint32_t)text.length);
    uint32_t sum = __builtin_bswap32(crc32_update(0, text.data, text.length));
    text_append_char(&file, 1);
    text_append_str(&file, "other");
    text_append(&file, (char *)&size, 4);
    text_append(&file, text.data, text.length);
    text_append(&file, (char *)&sum, 4);
    const char *key = "ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin";
    struct delta_deletion_vector dv = {"u", "ab^-aqEH.-t@S}K{vb[*k^", true, 6, (int32_t)text.length, 5007};
    assert_int_equal(objstore_put(store, key, file.data, file.length, &err), STATUS_OK);
    assert_int_equal(delta_vector_read(store, &dv, 1 << 20, &vector, &err), STATUS_OK);
    assert_int_equal(vector.rows.count, 5007);
    delta_vector_deinit(&vector);
    struct text absolute = {0};
    text_printf(&absolute, "file://%s/%s", store->url, key);
    struct delta_deletion_vector by_path = dv;
    by_path.storage_type = "p";
    by_path.path_or_inline_dv = text_str(&absolute);
    assert_int_equal(delta_vector_read(store, &by_path, 1 << 20, &vector, &err), STATUS_OK);
    assert_int_equal(vector.rows.count, 5007);
    delta_vector_deinit(&vector);
    by_path.path_or_inline_dv = "file:///elsewhere/deletion_vector.bin";
    assert_int_equal(delta_vector_read(store, &by_path, 1 << 20, &vector, &err), STATUS_UNSUPPORTED);
    text_deinit(&absolute);
    dv.size_bytes--;
    assert_int_equal(delta_vector_read(store, &dv, 1 << 20, &vector, &err), STATUS_CORRUPT);
    dv.size_bytes++;
    file.data[100] ^= 1;
    assert_int_equal(objstore_put(store, key, file.data, file.length, &err), STATUS_OK);
    assert_int_equal(delta_vector_read(store, &dv, 1 << 20, &vector, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.message, "checksum"));
    dv.path_or_inline_dv = "short";
    assert_int_equal(delta_vector_read(store, &dv, 1 << 20, &vector, &err), STATUS_CORRUPT);
    objstore_close(store);
    text_deinit(&text);
    text_deinit(&file);
    unit_folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_inline_one_reads),
        cmocka_unit_test(every_kind_of_container_is_read),
        cmocka_unit_test(a_cut_bitmap_is_refused_at_every_byte),
        cmocka_unit_test(a_few_bytes_cannot_name_billions_of_rows),
        cmocka_unit_test(a_file_is_found_by_its_uuid_and_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
