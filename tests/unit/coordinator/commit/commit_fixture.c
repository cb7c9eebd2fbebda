// The fixture of commit tests (see the header). Everything fails by assertion.
#include "tests/unit/coordinator/commit/commit_fixture.h"

#include <sys/stat.h>
#include <unistd.h>

#include "common/delta/delta_checkpoint.h"
#include "common/delta/delta_path.h"
#include "common/delta/delta_schema_json.h"

// ---- Clock and seam ----

static int64_t fixture_now(struct clock *clock)
{
    return ((struct commit_fixture *)((char *)clock - offsetof(struct commit_fixture, clock)))->now_us;
}

static struct commit_fixture *fixture_of(struct seam *seam)
{
    return (struct commit_fixture *)((char *)seam - offsetof(struct commit_fixture, seam));
}

static void fixture_sleep(struct seam *seam, int64_t us)
{
    fixture_of(seam)->now_us += us;
    fixture_of(seam)->sleeps++;
}

static bool fixture_stopping(struct seam *seam)
{
    (void)seam;
    return false;
}

// ---- A store that hooks into log entries ----

struct hooked_store {
    struct objstore base;
    struct objstore *inner;
    struct commit_fixture *fixture;
};

static struct objstore *inner_of(struct objstore *store)
{
    return ((struct hooked_store *)store)->inner;
}

static void hooked_close(struct objstore *store)
{
    objstore_close(inner_of(store));
    memory_free(store->url);
    memory_free(store);
}

static enum status hooked_put(struct objstore *store, const char *key, const void *bytes, size_t size,
                              struct error *err)
{
    return objstore_put(inner_of(store), key, bytes, size, err);
}

static enum status hooked_put_if_absent(struct objstore *store, const char *key, const void *bytes, size_t size,
                                        struct error *err)
{
    struct commit_fixture *fixture = ((struct hooked_store *)store)->fixture;
    size_t length = strlen(key);
    bool entry = strncmp(key, "_delta_log/", 11) == 0 && strcmp(key + length - 5, ".json") == 0;
    if (!entry || !fixture->hook) return objstore_put_if_absent(inner_of(store), key, bytes, size, err);
    fixture->hooked++;
    return fixture->hook(fixture, inner_of(store), key, bytes, size, err);
}

static enum status hooked_get(struct objstore *store, const char *key, struct buffer **ret_bytes, struct error *err)
{
    struct commit_fixture *fixture = ((struct hooked_store *)store)->fixture;
    if (fixture->read_hint && strcmp(key, "_delta_log/_last_checkpoint") == 0) fixture->read_hint(fixture);
    return objstore_get(inner_of(store), key, ret_bytes, err);
}

static enum status hooked_get_range(struct objstore *store, const char *key, uint64_t offset, uint64_t length,
                                    struct buffer **ret_bytes, struct error *err)
{
    return inner_of(store)->ops->get_range(inner_of(store), key, offset, length, ret_bytes, err);
}

static enum status hooked_stat(struct objstore *store, const char *key, struct objstore_entry *ret_entry,
                               struct error *err)
{
    return inner_of(store)->ops->stat(inner_of(store), key, ret_entry, err);
}

static enum status hooked_list(struct objstore *store, const char *prefix, const char *after,
                               struct objstore_list *ret_list, struct error *err)
{
    return objstore_list(inner_of(store), prefix, after, ret_list, err);
}

static enum status hooked_remove(struct objstore *store, const char *key, struct error *err)
{
    return objstore_remove(inner_of(store), key, err);
}

static const struct objstore_ops *real_ops; // of the local store: a writer does not say whose it is

static enum status hooked_create(struct objstore *store, const char *key, struct objstore_writer **ret_writer,
                                 struct error *err)
{
    return real_ops->create(inner_of(store), key, ret_writer, err);
}

static enum status hooked_write(struct objstore_writer *writer, const void *bytes, size_t size, struct error *err)
{
    return real_ops->write(writer, bytes, size, err);
}

static enum status hooked_finish(struct objstore_writer *writer, struct error *err)
{
    return real_ops->finish(writer, err);
}

static void hooked_writer_close(struct objstore_writer *writer)
{
    real_ops->writer_close(writer);
}

static enum status hooked_sync(struct objstore *store, const char *const *keys, size_t count, struct error *err)
{
    return real_ops->sync(inner_of(store), keys, count, err);
}

static enum status fixture_open_store(void *context, const char *url, bool create, struct objstore **ret_store,
                                      struct error *err)
{
    static const struct objstore_ops ops = {.close = hooked_close,
                                            .put = hooked_put,
                                            .put_if_absent = hooked_put_if_absent,
                                            .get = hooked_get,
                                            .get_range = hooked_get_range,
                                            .stat = hooked_stat,
                                            .list = hooked_list,
                                            .remove = hooked_remove,
                                            .create = hooked_create,
                                            .write = hooked_write,
                                            .finish = hooked_finish,
                                            .writer_close = hooked_writer_close,
                                            .sync = hooked_sync};
    struct objstore *inner = NULL;
    enum status status = objstore_open(url, create, &inner, err);
    if (status != STATUS_OK) return status;
    real_ops = inner->ops;
    struct hooked_store *store = memory_calloc(1, sizeof *store);
    store->base = (struct objstore){.ops = &ops, .url = memory_strdup(url)};
    store->inner = inner;
    store->fixture = context;
    *ret_store = &store->base;
    return STATUS_OK;
}

// ---- Life ----

static void fixture_plan(struct commit_fixture *fixture)
{
    static const char *const names[COMMIT_TABLES] = {"t0", "t1", "t2"};
    static char *keys[] = {(char *)"k"};
    fixture->plan = (Foreset__Plan)FORESET__PLAN__INIT;
    fixture->plan.pipeline = (char *)"test";
    fixture->plan.shards = 256;
    fixture->plan.n_tables = COMMIT_TABLES;
    fixture->plan.tables = fixture->table_list;
    for (uint32_t i = 0; i < COMMIT_TABLES; i++) {
        Foreset__Table *table = fixture->table_list[i] = &fixture->tables[i];
        *table = (Foreset__Table)FORESET__TABLE__INIT;
        table->name = (char *)(uintptr_t)names[i];
        table->url = arena_printf(&fixture->arena, "%s/%s", fixture->folder, names[i]);
        table->schema = (char *)COMMIT_SCHEMA;
        table->mode = i == 1 ? FORESET__TABLE__MODE__COMPLETE : FORESET__TABLE__MODE__APPEND;
        if (i == 2) {
            table->mode = FORESET__TABLE__MODE__UPDATE;
            table->has_stateful = table->stateful = true;
            table->merge_keys = keys;
            table->n_merge_keys = 1;
        }
        table->dead_letters = arena_printf(&fixture->arena, "%s__dead_letters", names[i]);
        table->dead_letters_url = arena_printf(&fixture->arena, "%s/%s__dead_letters", fixture->folder, names[i]);
    }
}

int commit_fixture_setup(void **state)
{
    static const struct seam_ops seam_ops = {.sleep = fixture_sleep, .stopping = fixture_stopping};
    struct commit_fixture *fixture = memory_calloc(1, sizeof *fixture);
    bool memory = access("/dev/shm", W_OK) == 0; // nothing here is about what a power cut leaves
    snprintf(fixture->folder, sizeof fixture->folder, "%s/test_commit_XXXXXX", memory ? "/dev/shm" : "/tmp");
    assert_non_null(mkdtemp(fixture->folder));
    arena_init(&fixture->arena, 0);
    fixture->now_us = 1700000000000000;
    fixture->clock = (struct clock){.wall_us = fixture_now, .boot_us = fixture_now};
    random_init(&fixture->random, 1);
    fixture->seam = (struct seam){.ops = &seam_ops, .clock = &fixture->clock, .random = &fixture->random};
    fixture->opener = (struct store_opener){fixture_open_store, fixture};
    fixture_plan(fixture);
    char path[96];
    snprintf(path, sizeof path, "%s/_state", fixture->folder);
    assert_int_equal(objstore_open(path, true, &fixture->state, &fixture->err), STATUS_OK);
    snprintf(path, sizeof path, "%s/_kv", fixture->folder);
    assert_int_equal(mkdir(path, 0755), 0);
    assert_int_equal(kv_local_open(path, &fixture->kv, &fixture->err), STATUS_OK);
    lease_init(&fixture->lease, &fixture->clock, 0);
    assert_int_equal(
        meta_store_init(&fixture->meta, fixture->kv, &fixture->seam, &fixture->lease, "test", &fixture->err),
        STATUS_OK);
    fixture->context = (struct commit_context){.pipeline = "test",
                                               .plan = &fixture->plan,
                                               .plan_hash = "0123456789abcdef",
                                               .seam = &fixture->seam,
                                               .meta = &fixture->meta,
                                               .state = fixture->state,
                                               .stores = &fixture->opener};
    bool won = false;
    assert_int_equal(meta_store_campaign(&fixture->meta, "me", &won, &fixture->err), STATUS_OK);
    assert_true(won);
    table_logs_init(&fixture->logs, &fixture->context);
    *state = fixture;
    return 0;
}

int commit_fixture_teardown(void **state)
{
    struct commit_fixture *fixture = *state;
    char command[96];
    fixture->hook = NULL;
    fixture->read_hint = NULL;
    manifest_unref(fixture->last);
    table_logs_deinit(&fixture->logs);
    kv_close(fixture->kv);
    objstore_close(fixture->state);
    snprintf(command, sizeof command, "rm -rf %s", fixture->folder);
    arena_deinit(&fixture->arena);
    memory_free(fixture);
    return system(command);
}

void commit_fixture_reopen(struct commit_fixture *fixture)
{
    table_logs_deinit(&fixture->logs);
    table_logs_init(&fixture->logs, &fixture->context);
}

void commit_fixture_begin(struct commit_fixture *fixture)
{
    char id[37];
    struct error *err = &fixture->err;
    assert_int_equal(meta_store_create(&fixture->meta, "11111111-2222-4333-8444-555555555555", id, err), STATUS_OK);
    snprintf(fixture->context.pipeline_id, sizeof fixture->context.pipeline_id, "%s", id);
    assert_int_equal(meta_store_raise(&fixture->meta, 0, &fixture->context.generation, err), STATUS_OK);
    for (uint32_t i = 0; i < COMMIT_TABLES; i++) {
        enum status status = table_log_ensure(table_logs_at(&fixture->logs, i, false), false, &fixture->random, err);
        if (status != STATUS_OK) fail_msg("%s", err->message);
    }
}

// ---- Epochs ----

// Its bytes are there, as of a worker that has prepared it.
static Foreset__DataFile **fixture_file(struct commit_fixture *fixture, const char *table, const char *path,
                                        uint64_t epoch)
{
    struct objstore *store = commit_fixture_store(fixture, table);
    assert_int_equal(objstore_put(store, path, "rows", 4, &fixture->err), STATUS_OK);
    objstore_close(store);
    Foreset__DataFile *file = arena_calloc(&fixture->arena, 1, sizeof *file);
    Foreset__DataFile **list = arena_calloc(&fixture->arena, 1, sizeof *list);
    foreset__data_file__init(file);
    file->path = arena_strdup(&fixture->arena, path);
    file->size_bytes = 100;
    file->rows = 10;
    file->stats = (char *)"{\"numRecords\":10}";
    file->epoch = epoch;
    file->generation = fixture->context.generation;
    list[0] = file;
    return list;
}

struct manifest *commit_fixture_manifest(struct commit_fixture *fixture, const struct commit_epoch *epoch)
{
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    Foreset__TableEpoch tables[COMMIT_TABLES], *list[COMMIT_TABLES];
    body.pipeline_id = fixture->context.pipeline_id;
    body.pipeline = (char *)"test";
    body.plan_hash = fixture->context.plan_hash;
    body.epoch = epoch->epoch;
    body.generation = fixture->context.generation;
    body.timestamp_us = fixture->now_us;
    if (fixture->last) body.previous = fixture->last->record.name;
    body.has_previous_hash = fixture->last != NULL;
    body.previous_hash = fixture->last ? fixture->last->record.hash : 0;
    body.tables = list;
    body.n_tables = COMMIT_TABLES;
    for (uint32_t i = 0; i < COMMIT_TABLES; i++) {
        Foreset__TableEpoch *table = list[i] = &tables[i];
        foreset__table_epoch__init(table);
        table->table = i;
        table->has_prev = true;
        table->prev = epoch->prev[i];
        bool commits = epoch->adds[i] || epoch->overwrite[i];
        table->has_commit_epoch = true;
        table->commit_epoch = commits ? epoch->epoch : epoch->prev[i];
        if (epoch->adds[i]) {
            table->adds = fixture_file(fixture, fixture->tables[i].name, epoch->adds[i], epoch->epoch);
            table->n_adds = 1;
        }
        table->has_overwrite = true;
        table->overwrite = epoch->overwrite[i];
        if (i > 0 || !epoch->dead_letters) continue;
        table->dead_letters = fixture_file(fixture, "t0__dead_letters", epoch->dead_letters, epoch->epoch);
        table->n_dead_letters = 1;
    }
    struct manifest *manifest = NULL;
    struct error err;
    assert_int_equal(manifest_create(&body, NULL, &fixture->random, &manifest, &err), STATUS_OK);
    return manifest;
}

struct manifest *commit_fixture_decide(struct commit_fixture *fixture, const struct commit_epoch *epoch)
{
    struct error *err = &fixture->err;
    struct manifest *manifest = commit_fixture_manifest(fixture, epoch);
    assert_int_equal(manifest_put(manifest, fixture->state, &fixture->seam, err), STATUS_OK);
    assert_int_equal(
        meta_store_decide(&fixture->meta, fixture->context.generation, &fixture->decided, &manifest->record, 1, err),
        STATUS_OK);
    fixture->decided = manifest->record;
    manifest_unref(fixture->last);
    fixture->last = manifest_ref(manifest);
    return manifest;
}

enum status commit_fixture_put(struct commit_fixture *fixture, uint32_t table, const struct manifest *manifest,
                               struct table_put_result *ret_result)
{
    struct table_put_result result;
    return table_put_run(table_logs_at(&fixture->logs, table, false), manifest, &fixture->random,
                         ret_result ? ret_result : &result, &fixture->err);
}

// ---- Behind everybody's back ----

struct objstore *commit_fixture_store(struct commit_fixture *fixture, const char *table)
{
    char path[128];
    struct objstore *store = NULL;
    snprintf(path, sizeof path, "%s/%s", fixture->folder, table);
    assert_int_equal(objstore_open(path, true, &store, &fixture->err), STATUS_OK);
    return store;
}

static struct delta_table *fixture_table(struct commit_fixture *fixture, struct objstore *store)
{
    struct delta_table *table = NULL;
    enum status status = delta_table_open(store, DELTA_VERSION_LATEST, DELTA_LOAD_FILES, &table, &fixture->err);
    return status == STATUS_OK ? table : NULL;
}

int64_t commit_fixture_version(struct commit_fixture *fixture, const char *table)
{
    struct objstore *store = commit_fixture_store(fixture, table);
    struct delta_table *open = fixture_table(fixture, store);
    int64_t version = open ? open->version : -1;
    delta_table_close(open);
    objstore_close(store);
    return version;
}

static int fixture_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *commit_fixture_files(struct commit_fixture *fixture, const char *table)
{
    struct objstore *store = commit_fixture_store(fixture, table);
    struct delta_table *open = fixture_table(fixture, store);
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    VECTOR(const char *) paths = {0};
    struct text text = {0};
    while (open && (add = delta_table_next_file(open, &cursor))) vector_push(&paths, add->path);
    if (paths.count) qsort(paths.items, paths.count, sizeof *paths.items, fixture_order);
    for (size_t i = 0; i < paths.count; i++) text_printf(&text, "%s%s", i ? " " : "", paths.items[i]);
    const char *kept = arena_strdup(&fixture->arena, text_str(&text));
    text_deinit(&text);
    vector_deinit(&paths);
    delta_table_close(open);
    objstore_close(store);
    return kept;
}

static void fixture_commit(struct commit_fixture *fixture, struct objstore *store, const struct delta_table *table,
                           const char *operation, struct delta_commit_content *content)
{
    struct text bytes = {0};
    char txn_id[37];
    random_uuid(&fixture->random, txn_id);
    content->info = (struct delta_commit_info){
        .timestamp_ms = 1, .operation = operation, .read_version = table->version, .txn_id = txn_id};
    assert_int_equal(delta_commit_encode(content, &bytes, &fixture->err), STATUS_OK);
    assert_int_equal(delta_commit_put(store, table->version + 1, bytes.data, bytes.length, &fixture->err), STATUS_OK);
    text_deinit(&bytes);
}

void commit_fixture_foreign(struct commit_fixture *fixture, const char *name, const char *path)
{
    struct objstore *store = commit_fixture_store(fixture, name);
    struct delta_table *table = fixture_table(fixture, store);
    struct delta_add add = {.path = path,
                            .size_bytes = 1,
                            .modified_ms = 1,
                            .data_change = true,
                            .base_row_id = INT64_MIN,
                            .default_row_commit_version = INT64_MIN};
    struct delta_commit_content content = {.adds = &add, .add_count = 1};
    fixture_commit(fixture, store, table, "WRITE", &content);
    delta_table_close(table);
    objstore_close(store);
}

void commit_fixture_foreign_commit(struct commit_fixture *fixture, const char *name, const char *operation,
                                   const struct delta_remove *removes, uint32_t remove_count,
                                   const struct delta_add *adds, uint32_t add_count)
{
    struct objstore *store = commit_fixture_store(fixture, name);
    struct delta_table *table = fixture_table(fixture, store);
    struct delta_commit_content content = {
        .removes = removes, .remove_count = remove_count, .adds = adds, .add_count = add_count};
    fixture_commit(fixture, store, table, operation, &content);
    delta_table_close(table);
    objstore_close(store);
}

void commit_fixture_foreign_metadata(struct commit_fixture *fixture, const char *name, const char *schema,
                                     const char *pipeline_id)
{
    struct objstore *store = commit_fixture_store(fixture, name);
    struct delta_table *table = fixture_table(fixture, store);
    struct delta_metadata metadata = table->metadata;
    struct delta_pair pair = {"foreset.pipeline", pipeline_id};
    struct text text = {0};
    const struct type *type;
    if (schema) {
        assert_int_equal(type_parse(schema, &type, &fixture->err), STATUS_OK);
        assert_int_equal(delta_schema_json_write(type, &text, &fixture->err), STATUS_OK);
        metadata.schema_string = text_str(&text);
    }
    if (pipeline_id) metadata.configuration = (struct delta_map){&pair, 1};
    struct delta_commit_content content = {.metadata = &metadata};
    fixture_commit(fixture, store, table, "WRITE", &content);
    text_deinit(&text);
    delta_table_close(table);
    objstore_close(store);
}

void commit_fixture_clean_log(struct commit_fixture *fixture, const char *name)
{
    struct objstore *store = commit_fixture_store(fixture, name);
    int64_t latest = commit_fixture_version(fixture, name);
    assert_int_equal(delta_checkpoint_write(store, latest, 1, NULL, &fixture->err), STATUS_OK);
    for (int64_t version = 0; version <= latest; version++) {
        char key[DELTA_PATH_NAME_SIZE];
        delta_path_commit(version, key);
        assert_int_equal(objstore_remove(store, key, &fixture->err), STATUS_OK);
    }
    objstore_close(store);
}
