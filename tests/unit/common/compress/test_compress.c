// Codecs: round trips, and decoders against damaged input.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/random.h"
#include "common/compress/compress.h"

static const enum compress_codec codecs[] = {COMPRESS_NONE, COMPRESS_SNAPPY, COMPRESS_GZIP, COMPRESS_ZSTD,
                                             COMPRESS_LZ4_RAW};
#define CODECS         (sizeof codecs / sizeof *codecs)
#define SIZE_MAX_TRIED 100000u

struct block {
    uint8_t *raw, *packed, *back;
    size_t packed_size;
};

static struct block block_create(void)
{
    return (struct block){memory_alloc(SIZE_MAX_TRIED), memory_alloc(2 * SIZE_MAX_TRIED), memory_alloc(SIZE_MAX_TRIED),
                          0};
}

static void block_destroy(struct block *block)
{
    memory_free(block->raw);
    memory_free(block->packed);
    memory_free(block->back);
}

static void block_pack(struct block *block, struct compress *compress, enum compress_codec codec, size_t size)
{
    struct error err;
    size_t bound = compress_bound(codec, size);
    assert_true(bound <= 2 * SIZE_MAX_TRIED);
    assert_int_equal(
        compress_encode(compress, codec, 0, block->raw, size, block->packed, bound, &block->packed_size, &err),
        STATUS_OK);
}

static void what_was_packed_comes_back(void **state)
{
    static const size_t sizes[] = {0, 1, 7, 64, 1000, 65536, SIZE_MAX_TRIED};
    struct block block = block_create();
    struct compress *compress = compress_create();
    struct random random;
    struct error err;
    (void)state;
    random_init(&random, 11);
    for (size_t c = 0; c < CODECS; c++) {
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            for (size_t i = 0; i < sizes[s]; i++) block.raw[i] = (uint8_t)random_below(&random, s % 2 ? 256 : 3);
            block_pack(&block, compress, codecs[c], sizes[s]);
            memset(block.back, 0xAA, SIZE_MAX_TRIED);
            assert_int_equal(
                compress_decode(compress, codecs[c], block.packed, block.packed_size, block.back, sizes[s], &err),
                STATUS_OK);
            assert_memory_equal(block.raw, block.back, sizes[s]);
        }
    }
    compress_destroy(compress);
    block_destroy(&block);
}

static void another_size_than_announced_is_damage(void **state)
{
    struct block block = block_create();
    struct compress *compress = compress_create();
    struct error err;
    (void)state;
    memset(block.raw, 'x', 1000);
    for (size_t c = 0; c < CODECS; c++) {
        block_pack(&block, compress, codecs[c], 1000);
        for (size_t size = 998; size <= 1002; size += 4) {
            assert_int_equal(
                compress_decode(compress, codecs[c], block.packed, block.packed_size, block.back, size, &err),
                STATUS_CORRUPT);
        }
    }
    compress_destroy(compress);
    block_destroy(&block);
}

static void damaged_blocks_never_write_past_their_size(void **state)
{
    struct block block = block_create();
    struct compress *compress = compress_create();
    struct random random;
    struct error err;
    (void)state;
    random_init(&random, 5);
    for (size_t c = 1; c <= CODECS; c++) {
        enum compress_codec codec = c == CODECS ? COMPRESS_LZ4_HADOOP : codecs[c];
        for (int round = 0; round < 2000; round++) {
            for (size_t i = 0; i < 500; i++) block.raw[i] = (uint8_t)random_below(&random, 4);
            block_pack(&block, compress, c == CODECS ? COMPRESS_LZ4_RAW : codec, 500);
            for (uint64_t k = 1 + random_below(&random, 4); k > 0; k--) {
                block.packed[random_below(&random, block.packed_size)] = (uint8_t)random_u64(&random);
            }
            memset(block.back, 0x5A, 600);
            (void)!compress_decode(compress, codec, block.packed, random_below(&random, block.packed_size + 1),
                                   block.back, 500, &err);
            for (size_t i = 500; i < 600; i++) assert_int_equal(block.back[i], 0x5A);
        }
    }
    compress_destroy(compress);
    block_destroy(&block);
}

static void gzip_members_may_follow_one_another(void **state)
{
    struct block block = block_create();
    struct compress *compress = compress_create();
    struct error err;
    size_t first, second;
    (void)state;
    assert_int_equal(compress_encode(compress, COMPRESS_GZIP, 0, "one ", 4, block.packed, 1000, &first, &err),
                     STATUS_OK);
    assert_int_equal(compress_encode(compress, COMPRESS_GZIP, 0, "two", 3, block.packed + first, 1000, &second, &err),
                     STATUS_OK);
    assert_int_equal(compress_decode(compress, COMPRESS_GZIP, block.packed, first + second, block.back, 7, &err),
                     STATUS_OK);
    assert_memory_equal(block.back, "one two", 7);
    compress_destroy(compress);
    block_destroy(&block);
}

static void hadoop_blocks_carry_their_sizes(void **state)
{
    struct block block = block_create();
    struct compress *compress = compress_create();
    struct error err;
    (void)state;
    memset(block.raw, 'h', 200);
    uint8_t framed[400];
    size_t at = 0;
    for (int i = 0; i < 2; i++) {
        block_pack(&block, compress, COMPRESS_LZ4_RAW, 200);
        uint8_t head[8] = {0, 0, 0, 200, 0, 0, 0, (uint8_t)block.packed_size};
        memcpy(framed + at, head, 8);
        memcpy(framed + at + 8, block.packed, block.packed_size);
        at += 8 + block.packed_size;
    }
    assert_int_equal(compress_decode(compress, COMPRESS_LZ4_HADOOP, framed, at, block.back, 400, &err), STATUS_OK);
    for (size_t i = 0; i < 400; i++) assert_int_equal(block.back[i], 'h');
    assert_int_equal(compress_decode(compress, COMPRESS_LZ4_HADOOP, framed, at - 1, block.back, 400, &err),
                     STATUS_CORRUPT);
    size_t size;
    assert_int_equal(compress_encode(compress, COMPRESS_LZ4_HADOOP, 0, framed, at, block.packed, 1000, &size, &err),
                     STATUS_ERROR);
    compress_destroy(compress);
    block_destroy(&block);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_packed_comes_back),
        cmocka_unit_test(another_size_than_announced_is_damage),
        cmocka_unit_test(damaged_blocks_never_write_past_their_size),
        cmocka_unit_test(gzip_members_may_follow_one_another),
        cmocka_unit_test(hadoop_blocks_carry_their_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
