// Random logs with random damage: either the state equals that of the undamaged log, or the refusal names a file
// that is damaged or missing. Damage that no reader can see is left out: the newest commits gone, a commit cut
// between lines.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/delta/delta_checkpoint.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_table.h"
#include "tests/unit/lib/unit_folder.h"

enum { LOGS = 60, VERSIONS_MAX = 14, FILES_MAX = 24, DAMAGE_MAX = 3, KEY_SIZE = 160 };
#define UUID     "01234567-89ab-cdef-0123-456789abcdef"
#define PROTOCOL "{\"protocol\":{\"minReaderVersion\":1,\"minWriterVersion\":2}}\n"
#define METADATA                                                                                                       \
    "{\"metaData\":{\"id\":\"m\",\"format\":{\"provider\":\"parquet\",\"options\":{}},\"schemaString\":\"{\\\"type\\"  \
    "\":\\\"struct\\\",\\\"fields\\\":[{\\\"name\\\":\\\"a\\\",\\\"type\\\":\\\"long\\\",\\\"nullable\\\":true,"       \
    "\\\"metadata\\\":{}}]}\",\"partitionColumns\":[],\"configuration\":{}}}\n"

struct model {
    uint64_t random;
    int64_t latest;
    bool live[FILES_MAX];
    int64_t oldest_commit; // commits below were cleaned
    VECTOR(char *) damaged;
};

static const char *folder;
static struct objstore *store;
static struct error err;

static uint32_t roll(struct model *model, uint32_t below)
{
    model->random ^= model->random << 13;
    model->random ^= model->random >> 7;
    model->random ^= model->random << 17;
    return (uint32_t)((model->random >> 16) % below);
}

static void put(const char *key, const void *bytes, size_t size)
{
    assert_int_equal(objstore_put(store, key, bytes, size, &err), STATUS_OK);
}

static struct buffer *get(const char *key)
{
    struct buffer *bytes = NULL;
    return objstore_get(store, key, &bytes, &err) == STATUS_OK ? bytes : NULL;
}

// ---- making a log

static void make_commit(struct model *model, int64_t version)
{
    struct text text = {0};
    char key[DELTA_PATH_NAME_SIZE];
    if (version == 0) text_append_str(&text, PROTOCOL METADATA);
    uint32_t file = roll(model, FILES_MAX);
    if (model->live[file]) {
        text_printf(&text, "{\"remove\":{\"path\":\"f%u\",\"deletionTimestamp\":1,\"dataChange\":true}}\n", file);
    } else {
        text_printf(&text,
                    "{\"add\":{\"path\":\"f%u\",\"partitionValues\":{},\"size\":%u,\"modificationTime\":1,"
                    "\"dataChange\":true}}\n",
                    file, file + 1);
    }
    model->live[file] = !model->live[file];
    text_printf(&text, "{\"txn\":{\"appId\":\"p\",\"version\":%ld}}\n", (long)version);
    delta_path_commit(version, key);
    put(key, text_str(&text), text.length);
    text_deinit(&text);
}

// The classic checkpoint under other names: twice as two parts (the same actions come twice), or as the sidecar of a
// checkpoint of version 2.
static void rename_checkpoint(int64_t version, bool parts)
{
    char classic[DELTA_PATH_NAME_SIZE], key[KEY_SIZE];
    delta_path_checkpoint(version, classic);
    struct buffer *bytes = get(classic);
    for (int part = 1; parts && part <= 2; part++) {
        snprintf(key, sizeof key, "_delta_log/%020ld.checkpoint.%010d.%010d.parquet", (long)version, part, 2);
        put(key, bytes->data, bytes->size_bytes);
    }
    if (!parts) {
        char main[1400];
        snprintf(key, sizeof key, "_delta_log/_sidecars/side%ld.parquet", (long)version);
        put(key, bytes->data, bytes->size_bytes);
        snprintf(key, sizeof key, "_delta_log/%020ld.checkpoint." UUID ".json", (long)version);
        snprintf(main, sizeof main,
                 "{\"checkpointMetadata\":{\"version\":%ld}}\n" PROTOCOL METADATA
                 "{\"txn\":{\"appId\":\"p\",\"version\":%ld}}\n"
                 "{\"sidecar\":{\"path\":\"side%ld.parquet\",\"sizeInBytes\":%zu,\"modificationTime\":1}}\n",
                 (long)version, (long)version, (long)version, bytes->size_bytes);
        put(key, main, strlen(main));
    }
    buffer_unref(bytes);
    assert_int_equal(objstore_remove(store, classic, &err), STATUS_OK);
}

static void make_log(struct model *model)
{
    char key[KEY_SIZE];
    int64_t oldest = -1;
    model->latest = 1 + roll(model, VERSIONS_MAX);
    for (int64_t version = 0; version <= model->latest; version++) {
        make_commit(model, version);
        if (roll(model, 3) > 0) continue;
        assert_int_equal(delta_checkpoint_write(store, version, 1, NULL, &err), STATUS_OK);
        uint32_t form = roll(model, 3);
        if (form > 0) rename_checkpoint(version, form == 1);
        if (oldest < 0) oldest = version;
    }
    if (oldest >= 0 && roll(model, 2)) { // cleaned up to the oldest checkpoint
        model->oldest_commit = oldest + 1;
        for (int64_t version = 0; version <= oldest; version++) {
            delta_path_commit(version, key);
            assert_int_equal(objstore_remove(store, key, &err), STATUS_OK);
        }
    }
}

// ---- damage

static void damaged(struct model *model, const char *key)
{
    vector_push(&model->damaged, memory_strdup(key));
}

static void damage_hint(struct model *model)
{
    static const char *const hints[] = {"{\"version\":99}", "{\"version\":0}",  "",
                                        "no json",          "{\"version\":-4}", "{\"version\":9223372036854775807}"};
    const char *hint = hints[roll(model, 6)];
    if (roll(model, 4) == 0) {
        assert_int_equal(objstore_remove(store, "_delta_log/_last_checkpoint", &err), STATUS_OK);
    } else {
        put("_delta_log/_last_checkpoint", hint, strlen(hint));
    }
}

static void damage_bytes(struct model *model, const char *key)
{
    struct buffer *bytes = get(key);
    if (!bytes || bytes->size_bytes < 16) {
        buffer_unref(bytes);
        return;
    }
    size_t size = bytes->size_bytes;
    uint8_t *copy = memory_alloc(size);
    memcpy(copy, bytes->data, size);
    buffer_unref(bytes);
    bool json = strstr(key, ".json") != NULL;
    uint32_t how = json ? 0 : roll(model, 4);
    if (how == 0) { // cut, not between two lines
        uint32_t whole = (uint32_t)size;
        do size = 1 + roll(model, whole - 1);
        while (json && (copy[size - 1] == '\n' || copy[size] == '\n'));
        if (roll(model, 6) == 0) size = 0;
    } else if (how == 1) { // the footer
        memset(copy + size - 8, 0, 8);
    } else if (how == 2) { // the body
        size_t at = 4 + roll(model, (uint32_t)size / 2);
        copy[at] = (uint8_t)(copy[at] ^ (1u << roll(model, 8)));
    } else {
        memset(copy, 'x', size);
    }
    put(key, copy, size);
    damaged(model, key);
    memory_free(copy);
}

static void damage(struct model *model)
{
    struct objstore_list list = {0};
    if (roll(model, 4) == 0) {
        damage_hint(model);
        return;
    }
    assert_int_equal(objstore_list(store, "_delta_log/", NULL, &list, &err), STATUS_OK);
    const char *key = list.entries.items[roll(model, (uint32_t)list.entries.count)].key;
    char newest[DELTA_PATH_NAME_SIZE];
    delta_path_commit(model->latest, newest);
    bool hint = strstr(key, "_last_checkpoint") != NULL, is_newest = strcmp(key, newest) == 0;
    if (!hint && !is_newest && roll(model, 2)) {
        damaged(model, key);
        assert_int_equal(objstore_remove(store, key, &err), STATUS_OK);
    } else if (!hint) {
        damage_bytes(model, key);
    }
    objstore_list_deinit(&list);
}

// ---- checking

static void check_state(const struct model *model, const struct delta_table *table, bool files, uint32_t seed)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    int64_t txn = -1;
    uint64_t count = 0;
    if (table->version != model->latest) fail_msg("seed %u: version %ld", seed, (long)table->version);
    assert_true(delta_table_txn(table, "p", &txn));
    if (txn != model->latest) fail_msg("seed %u: txn %ld", seed, (long)txn);
    assert_string_equal(table->schema.type->text, "struct<a:bigint>");
    if (!files) return;
    while ((add = delta_table_next_file(table, &cursor))) {
        unsigned file = FILES_MAX;
        if (sscanf(add->path, "f%u", &file) != 1 || file >= FILES_MAX || !model->live[file] ||
            add->size_bytes != (int64_t)file + 1)
            fail_msg("seed %u: file %s is not live", seed, add->path);
    }
    for (int i = 0; i < FILES_MAX; i++) count += model->live[i];
    if (table->file_count != count) fail_msg("seed %u: %lu files", seed, (unsigned long)table->file_count);
}

// A file of the log that the message names and that is damaged or missing.
static void check_refusal(const struct model *model, uint32_t seed)
{
    for (const char *at = strstr(err.message, "_delta_log/"); at; at = strstr(at + 1, "_delta_log/")) {
        char key[KEY_SIZE];
        size_t length = strcspn(at, " ,:;");
        snprintf(key, sizeof key, "%.*s", (int)length, at);
        if (strchr(key + 11, '.') == NULL && !strstr(key, "_last_checkpoint")) continue;
        for (size_t i = 0; i < model->damaged.count; i++) {
            if (strcmp(model->damaged.items[i], key) == 0) return;
        }
        struct buffer *bytes = get(key);
        bool there = bytes != NULL;
        buffer_unref(bytes);
        if (!there || strstr(key, "_last_checkpoint")) return;
    }
    struct objstore_list list = {0};
    struct error ignored;
    assert_int_equal(objstore_list(store, "_delta_log/0", NULL, &list, &ignored), STATUS_OK);
    if (list.entries.count > 0) fail_msg("seed %u: %s", seed, err.message); // else the damage left no log at all
    objstore_list_deinit(&list);
}

static void a_damaged_log_is_read_rightly_or_refused_by_name(void **state)
{
    (void)state;
    uint32_t read = 0, refused = 0;
    for (uint32_t seed = 1; seed <= LOGS; seed++) {
        struct model model = {.random = seed * UINT64_C(0x9E3779B97F4A7C15)};
        struct error opening;
        folder = unit_folder_create();
        assert_int_equal(objstore_open(folder, true, &store, &err), STATUS_OK);
        make_log(&model);
        for (uint32_t i = roll(&model, DAMAGE_MAX + 1); i > 0; i--) damage(&model);
        for (int files = 0; files < 2; files++) {
            struct delta_table *table = NULL;
            enum delta_table_load load = files ? DELTA_LOAD_FILES : DELTA_LOAD_STATE;
            enum status status = delta_table_open(store, DELTA_VERSION_LATEST, load, &table, &opening);
            if (status == STATUS_OK) {
                read++;
                check_state(&model, table, files, seed);
            } else {
                err = opening;
                refused++;
                check_refusal(&model, seed);
            }
            delta_table_close(table);
        }
        for (size_t i = 0; i < model.damaged.count; i++) memory_free(model.damaged.items[i]);
        vector_deinit(&model.damaged);
        objstore_close(store);
        unit_folder_remove();
    }
    assert_true(read > LOGS / 2 && refused > LOGS / 10); // both happen, else the test says little
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_damaged_log_is_read_rightly_or_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
