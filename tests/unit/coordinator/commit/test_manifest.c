// Manifests as files: what is damaged, cut or another's is never loaded.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "coordinator/commit/manifest.h"

static struct manifest *make(uint64_t epoch)
{
    struct random random;
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    random_init(&random, epoch);
    body.pipeline_id = (char *)"00000000-0000-4000-8000-000000000000";
    body.pipeline = (char *)"p";
    body.plan_hash = (char *)"0123456789abcdef";
    body.epoch = epoch;
    body.generation = 3;
    return manifest_create(&body, &random);
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    struct error err;
    struct text bytes = {0};
    struct manifest *manifest = make(7), *back = NULL;
    manifest_encode(manifest, &bytes);
    assert_int_equal(manifest_decode(bytes.data, bytes.length, manifest->record.name, &manifest->record, &back, &err),
                     0);
    assert_int_equal(back->body->epoch, 7);
    assert_int_equal(back->record.hash, manifest->record.hash);
    manifest_unref(back);
    manifest_unref(manifest);
    text_deinit(&bytes);
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct manifest *manifest = make(7);
    manifest_encode(manifest, &bytes);
    for (size_t i = 0; i < bytes.length * 8; i++) {
        struct error err;
        struct manifest *back = NULL;
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
        enum status status = manifest_decode(bytes.data, bytes.length, "m", &manifest->record, &back, &err);
        assert_int_equal(status, STATUS_CORRUPT);
        assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
    }
    manifest_unref(manifest);
    text_deinit(&bytes);
}

static void every_cut_is_seen(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct manifest *manifest = make(7);
    manifest_encode(manifest, &bytes);
    for (size_t size = 0; size < bytes.length; size++) {
        struct error err;
        struct manifest *back = NULL;
        assert_int_equal(manifest_decode(bytes.data, size, "m", NULL, &back, &err), STATUS_CORRUPT);
    }
    manifest_unref(manifest);
    text_deinit(&bytes);
}

static void another_epochs_file_is_refused(void **state)
{
    (void)state;
    struct error err;
    struct text bytes = {0};
    struct manifest *manifest = make(7), *other = make(8), *back = NULL;
    manifest_encode(other, &bytes);
    enum status status = manifest_decode(bytes.data, bytes.length, "m", &manifest->record, &back, &err);
    assert_int_equal(status, STATUS_CORRUPT);
    manifest_unref(manifest);
    manifest_unref(other);
    text_deinit(&bytes);
}

static void names_tell_epoch_and_generation(void **state)
{
    (void)state;
    uint64_t epoch = 0, generation = 0;
    struct manifest *manifest = make(7);
    assert_true(manifest_name_parse(manifest->record.name, &epoch, &generation));
    assert_int_equal(epoch, 7);
    assert_int_equal(generation, 3);
    assert_true(manifest_part_parse("part-12-4-99-0-1-x.zstd.parquet", "part-", &epoch, &generation));
    assert_int_equal(epoch, 12);
    assert_int_equal(generation, 4);
    assert_false(manifest_part_parse("part-x.parquet", "part-", &epoch, &generation));
    assert_false(manifest_part_parse("part-00000-3a2b-c000.snappy.parquet", "part-", &epoch, &generation));
    manifest_unref(manifest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(another_epochs_file_is_refused),
        cmocka_unit_test(names_tell_epoch_and_generation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
