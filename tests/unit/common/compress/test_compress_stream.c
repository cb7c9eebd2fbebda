// Streams of several members come out whole, whatever the pieces they arrive in; cut or damaged ones are never taken
// for whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <bzlib.h>
#include <cmocka.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/compress/compress_stream.h"

#define MEMBERS 3u

static const enum compress_stream_kind kinds[] = {COMPRESS_STREAM_GZIP, COMPRESS_STREAM_ZLIB, COMPRESS_STREAM_BZIP2,
                                                  COMPRESS_STREAM_ZSTD};

static void pack(enum compress_stream_kind kind, const char *plain, size_t size, struct text *out)
{
    char buffer[8192];
    size_t written = sizeof buffer;
    if (kind == COMPRESS_STREAM_ZSTD) {
        written = ZSTD_compress(buffer, sizeof buffer, plain, size, 3);
        assert_false(ZSTD_isError(written));
    } else if (kind == COMPRESS_STREAM_BZIP2) {
        unsigned room = sizeof buffer;
        assert_int_equal(BZ2_bzBuffToBuffCompress(buffer, &room, (char *)(uintptr_t)plain, (unsigned)size, 9, 0, 0),
                         BZ_OK);
        written = room;
    } else {
        z_stream zlib = {.next_in = (Bytef *)(uintptr_t)plain,
                         .avail_in = (uInt)size,
                         .next_out = (Bytef *)buffer,
                         .avail_out = sizeof buffer};
        assert_int_equal(
            deflateInit2(&zlib, 6, Z_DEFLATED, kind == COMPRESS_STREAM_GZIP ? 31 : 15, 8, Z_DEFAULT_STRATEGY), Z_OK);
        assert_int_equal(deflate(&zlib, Z_FINISH), Z_STREAM_END);
        written = sizeof buffer - zlib.avail_out;
        deflateEnd(&zlib);
    }
    text_append(out, buffer, written);
}

// Decodes in pieces of these sizes; false: damaged, or not whole at the end.
static bool unpack(enum compress_stream_kind kind, const struct text *packed, size_t size, size_t in_piece,
                   size_t out_piece, struct text *out)
{
    struct compress_stream *stream = NULL;
    struct error err = {0};
    uint8_t buffer[4096];
    size_t at = 0;
    bool good = true;
    text_reset(out);
    assert_int_equal(compress_stream_create(kind, &stream, &err), STATUS_OK);
    for (size_t steps = 0; good; steps++) {
        size_t given = size - at < in_piece ? size - at : in_piece, used, written;
        good = compress_stream_decode(stream, (const uint8_t *)text_str(packed) + at, given, buffer, out_piece, &used,
                                      &written, &err) == STATUS_OK;
        if (!good) break;
        at += used;
        text_append(out, (const char *)buffer, written);
        if (!used && !written && at == size) break;
        assert_true(steps < 1000000);
    }
    good = good && compress_stream_whole(stream);
    compress_stream_destroy(stream);
    return good;
}

static void make(enum compress_stream_kind kind, struct text *plain, struct text *packed)
{
    text_reset(plain);
    text_reset(packed);
    for (unsigned member = 0; member < MEMBERS; member++) {
        struct text part = {0};
        for (unsigned i = 0; i < 200; i++) text_printf(&part, "{\"id\":\"%u-%u\"}\n", member, i * 7919 % 1000);
        pack(kind, text_str(&part), part.length, packed);
        text_append(plain, text_str(&part), part.length);
        text_deinit(&part);
    }
    pack(kind, "", 0, packed); // an empty member
}

static void members_are_joined_in_pieces_of_any_size(void **state)
{
    (void)state;
    static const size_t pieces[] = {1, 7, 100, 4096};
    struct text plain = {0}, packed = {0}, out = {0};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        make(kinds[k], &plain, &packed);
        for (size_t i = 0; i < 16; i++) {
            assert_true(unpack(kinds[k], &packed, packed.length, pieces[i / 4], pieces[i % 4], &out));
            assert_int_equal(out.length, plain.length);
            assert_memory_equal(out.data, plain.data, plain.length);
        }
    }
    text_deinit(&plain);
    text_deinit(&packed);
    text_deinit(&out);
}

// A cut is whole only between members, and then holds whole members.
static void a_cut_is_never_taken_for_the_whole(void **state)
{
    (void)state;
    struct text plain = {0}, packed = {0}, out = {0};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        make(kinds[k], &plain, &packed);
        unsigned whole = 0;
        for (size_t size = 0; size < packed.length; size++) whole += unpack(kinds[k], &packed, size, 4096, 4096, &out);
        assert_int_equal(whole, MEMBERS + 1);
    }
    text_deinit(&plain);
    text_deinit(&packed);
    text_deinit(&out);
}

static void damage_and_bytes_behind_the_end_are_seen(void **state)
{
    (void)state;
    struct text plain = {0}, packed = {0}, out = {0};
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        make(kinds[k], &plain, &packed);
        for (size_t at = 0; at < packed.length; at += 3) {
            packed.data[at] ^= 0x55;
            bool good = unpack(kinds[k], &packed, packed.length, 4096, 4096, &out);
            // zstd's frames have no checksum here: other bytes may come out, never a crash.
            if (good && kinds[k] != COMPRESS_STREAM_ZSTD) assert_memory_equal(out.data, plain.data, plain.length);
            packed.data[at] ^= 0x55;
        }
        text_append_str(&packed, "garbage");
        assert_false(unpack(kinds[k], &packed, packed.length, 4096, 4096, &out));
    }
    text_deinit(&plain);
    text_deinit(&packed);
    text_deinit(&out);
}

static void names_and_first_bytes_say_what_a_file_is(void **state)
{
    (void)state;
    assert_int_equal(compress_stream_kind_of("a/b.json.gz"), COMPRESS_STREAM_GZIP);
    assert_int_equal(compress_stream_kind_of("b.deflate"), COMPRESS_STREAM_ZLIB);
    assert_int_equal(compress_stream_kind_of("b.bz2"), COMPRESS_STREAM_BZIP2);
    assert_int_equal(compress_stream_kind_of("b.zst"), COMPRESS_STREAM_ZSTD);
    assert_int_equal(compress_stream_kind_of("b.json.snappy"), COMPRESS_STREAM_REFUSED);
    assert_int_equal(compress_stream_kind_of("b.lz4"), COMPRESS_STREAM_REFUSED);
    assert_int_equal(compress_stream_kind_of("gz"), COMPRESS_STREAM_PLAIN);
    static const struct {
        const char *bytes;
        size_t size;
        const char *what;
    } files[] = {{"{\"a\":1}", 7, NULL},
                 {"\xef\xbb\xbf{", 4, NULL},
                 {"", 0, NULL},
                 {"{", 1, NULL},
                 {"PAR1\0", 5, "Parquet"},
                 {"PK\x03\x04", 4, "ZIP"},
                 {"\xff\xfe{\0", 4, "UTF-16"},
                 {"\xfe\xff\0{", 4, "UTF-16"},
                 {"{\0\"\0", 4, "UTF-16"},
                 {"\0{\0\"", 4, "UTF-16"},
                 {"\xff\xfe\0\0", 4, "UTF-32"},
                 {"{\0\0\0", 4, "UTF-32"},
                 {"\0\0\0{", 4, "UTF-32"},
                 {"\x1f\x8b\x08", 3, "gzip"}};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *what = compress_stream_foreign((const uint8_t *)files[i].bytes, files[i].size);
        if (!what != !files[i].what || (what && !strstr(what, files[i].what))) fail_msg("file %zu: %s", i, what);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_are_joined_in_pieces_of_any_size),
        cmocka_unit_test(a_cut_is_never_taken_for_the_whole),
        cmocka_unit_test(damage_and_bytes_behind_the_end_are_seen),
        cmocka_unit_test(names_and_first_bytes_say_what_a_file_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
