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
    struct manifest *manifest = NULL;
    struct error err;
    assert_int_equal(manifest_create(&body, NULL, &random, &manifest, &err), STATUS_OK);
    return manifest;
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

// Names that other writers give, the random parts drawn so that they look most like ours: digits alone.
static void names_of_other_writers_are_never_ours(void **state)
{
    (void)state;
    static const char *const shapes[] = {
        "part-%05u-%08u-%04u-4%03u-8%03u-%012u-c000.snappy.parquet",       // Spark, delta-rs
        "part-%05u-%08u-%04u-4%03u-8%03u-%012u.c000.snappy.parquet",       // Spark
        "part-%05u-%08u-%04u-4%03u-8%03u-%012u.c000.zstd.parquet",         // Databricks
        "part-%05u-tid-%08u%04u4%03u8%03u-%012u-%u-1-c000.snappy.parquet", // Databricks
        "part-%u-%u-%u-%u-%u-%u.parquet",                                  // Flink and its like
        "part-%u-%u",
        "part-%08u-%04u-4%03u-8%03u-%012u-%u.snappy.parquet", // Flink: part-<uuid>-<n>
        "part-%u-%u-%u-%u-%u-%08u-0000-4000-8000-000000000000-c000.zstd.parquet",
        "data_%u.parquet",
        "%08u-%04u-4%03u-8%03u-%012u.parquet", // DuckDB, Trino
        "%u-%08u-%04u-4%03u-8%03u-%012u-0.parquet",
        "part-%u.parquet",
        "%u-%u.parquet",
        "part-%u-%u-%u-%u-%u-%08u-0000-1000-8000-000000000000.zstd.parquet",  // another kind of UUID
        "part-0%u-%u-%u-%u-%u-%08u-0000-4000-8000-000000000000.zstd.parquet", // a leading zero
    };
    uint64_t epoch, generation;
    struct random random;
    char name[160];
    random_init(&random, 5);
    for (unsigned round = 0; round < 20000; round++) {
        const char *shape = shapes[round % (sizeof shapes / sizeof *shapes)];
        unsigned n[6];
        for (size_t i = 0; i < 6; i++) n[i] = (unsigned)random_below(&random, round % 3 ? 10 : 1000);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(name, sizeof name, shape, n[0], n[1], n[2], n[3], n[4], n[5]);
#pragma GCC diagnostic pop
        if (manifest_data_parse(name, &epoch, &generation)) fail_msg("taken for ours: %s", name);
    }
    assert_true(manifest_data_parse("d=1/part-7-2-99-1-0-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet", &epoch,
                                    &generation));
    assert_true(epoch == 7 && generation == 2);
    assert_true(manifest_data_parse("rest-8-3-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a11.zstd.parquet", &epoch, &generation));
    assert_true(epoch == 8 && generation == 3);
    assert_false(
        manifest_data_parse("part-7-2-99-1-0-0b3cbc1f-0e6e-4a49-8b3e-6a0c1f3c0a1.zstd.parquet", &epoch, &generation));
}

// What no epoch of a real size has: one file's statistics as large as a manifest.
static void one_that_is_too_large_is_refused_with_count_and_limit(void **state)
{
    (void)state;
    struct random random;
    struct error err = {0};
    struct manifest *manifest = NULL;
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    Foreset__TableEpoch table = FORESET__TABLE_EPOCH__INIT, *tables[] = {&table};
    Foreset__DataFile file = FORESET__DATA_FILE__INIT, *files[] = {&file, &file, &file};
    random_init(&random, 1);
    body.pipeline_id = body.pipeline = body.plan_hash = (char *)"x";
    body.epoch = 7;
    body.tables = tables;
    body.n_tables = 1;
    table.table = 4;
    table.open = files;
    table.n_open = 3;
    file.path = (char *)"part";
    size_t size = MANIFEST_PACKED_MAX / 3;
    char *stats = memory_alloc(size + 1);
    memset(stats, 'x', size);
    stats[size] = '\0';
    file.stats = stats;
    assert_int_equal(manifest_create(&body, NULL, &random, &manifest, &err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "epoch 7: its manifest has"));
    assert_non_null(strstr(err.message, "table number 4 alone has 3 files"));
    stats[size - 1000] = '\0';
    assert_int_equal(manifest_create(&body, NULL, &random, &manifest, &err), STATUS_OK);
    struct text bytes = {0};
    struct manifest *back = NULL;
    manifest_encode(manifest, &bytes); // what may be written can be read
    assert_int_equal(manifest_decode(bytes.data, bytes.length, "m", &manifest->record, &back, &err), STATUS_OK);
    text_deinit(&bytes);
    manifest_unref(back);
    manifest_unref(manifest);
    memory_free(stats);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_back_as_it_was),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(every_cut_is_seen),
        cmocka_unit_test(another_epochs_file_is_refused),
        cmocka_unit_test(one_that_is_too_large_is_refused_with_count_and_limit),
        cmocka_unit_test(names_tell_epoch_and_generation),
        cmocka_unit_test(names_of_other_writers_are_never_ours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
