// Changes. The plan that a manifest names stands in the state store as plans/<hash>.pb.
//
// The happy path: the plan is the one of the last decided epoch: nothing. Else: the differences in words; what loses
// nothing goes on; columns that a table lacks are added to it by a commit of their own (P23), before anything else of
// the new plan; a new table over one that was there is filled from it (pipeline_fill). A full refresh is an epoch of
// its own: decided like any other, it empties every table by one commit and names no ranges and no state, so that the
// next epoch begins at the beginning (P18, P19 make it exactly once).
// What can fail: the old plan's file is gone or damaged: the difference cannot be told, so only a full refresh goes on.
#include "coordinator/pipeline/pipeline_change.h"

#include <stdio.h>
#include <string.h>

#include "common/base/hash.h"
#include "common/plan/plan_file.h"
#include "common/plan/plan_source.h"
#include "coordinator/commit/decide.h"
#include "coordinator/commit/table_put.h"
#include "coordinator/pipeline/change_lineage.h"
#include "coordinator/pipeline/pipeline_fill.h"

void pipeline_change_deinit(struct pipeline_change *change)
{
    text_deinit(&change->differences);
    vector_deinit(&change->fills);
}

// ---- Comparing ----

static bool pipeline_change_stateful(const Foreset__Node *node)
{
    return node->name &&
           (node->kind == FORESET__NODE__KIND__DEDUP || node->kind == FORESET__NODE__KIND__AGGREGATE_FINAL ||
            node->kind == FORESET__NODE__KIND__LIMIT);
}

static const Foreset__Node *pipeline_change_node(const Foreset__Plan *plan, uint32_t table, const char *name)
{
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Node *node = plan->nodes[i];
        if (pipeline_change_stateful(node) && node->table == table && strcmp(node->name, name) == 0) return node;
    }
    return NULL;
}

static void pipeline_change_state(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text, bool *loses)
{
    for (size_t i = 0; i < old->n_nodes; i++) {
        const Foreset__Node *before = old->nodes[i];
        uint32_t number;
        if (!pipeline_change_stateful(before)) continue;
        const Foreset__Table *table = plan_source_table(plan, old->tables[before->table]->name, NULL, &number);
        if (!table) continue; // said with the table
        const Foreset__Node *now = pipeline_change_node(plan, number, before->name);
        if (now && change_lineage_same(old, before, plan, now)) continue;
        text_printf(text, "table %s: the state of %s %s\n", table->name, before->name,
                    now ? "does not fit its new definition" : "is used no more");
        *loses = true;
    }
}

void pipeline_change_states(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text)
{
    uint32_t number;
    for (size_t i = 0; i < old->n_nodes; i++) {
        const Foreset__Node *before = old->nodes[i], *now = NULL;
        if (!pipeline_change_stateful(before)) continue;
        const Foreset__Table *table = plan_source_table(plan, old->tables[before->table]->name, NULL, &number);
        if (table) now = pipeline_change_node(plan, number, before->name);
        bool same = now && change_lineage_same(old, before, plan, now);
        text_printf(text, "state of %s in table %s: %s\n", before->name, old->tables[before->table]->name,
                    same  ? "keep"
                    : now ? "rebuild (its definition changes)"
                          : "drop (nothing uses it any more)");
    }
    for (size_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Node *now = plan->nodes[i];
        if (!pipeline_change_stateful(now)) continue;
        const char *table = plan->tables[now->table]->name;
        bool there = plan_source_table(old, table, NULL, &number) && pipeline_change_node(old, number, now->name);
        if (!there) text_printf(text, "state of %s in table %s: new, begins empty\n", now->name, table);
    }
}

// ---- Nodes by name: their numbers change with the plan ----

static const char *pipeline_change_key(const Foreset__Node *node)
{
    return node->kind == FORESET__NODE__KIND__SOURCE ? node->source->name : node->name;
}

// The new plan's node that is a source or watermark of the old one; n_nodes: it is there no more.
static uint32_t pipeline_change_same(const Foreset__Plan *old, uint32_t number, const Foreset__Plan *plan)
{
    const Foreset__Node *before = number < old->n_nodes ? old->nodes[number] : NULL;
    const char *name = before ? pipeline_change_key(before) : NULL;
    uint32_t i = 0;
    for (; name && i < plan->n_nodes; i++) {
        const Foreset__Node *now = plan->nodes[i];
        const char *key = pipeline_change_key(now);
        if (now->kind != before->kind || !key || strcmp(key, name) != 0) continue;
        if (now->kind == FORESET__NODE__KIND__SOURCE && now->source->kind != before->source->kind) continue;
        if (plan_source_is_fill(now) && strcmp(now->source->path, before->source->path) != 0) continue;
        if (strcmp(plan->tables[now->table]->name, old->tables[before->table]->name) == 0) return i;
    }
    return (uint32_t)plan->n_nodes;
}

void pipeline_change_carry(const Foreset__Plan *old, const Foreset__Plan *plan, Foreset__Manifest *manifest)
{
    for (size_t i = 0; i < manifest->n_ranges; i++)
        manifest->ranges[i]->source = pipeline_change_same(old, manifest->ranges[i]->source, plan);
    for (size_t i = 0; i < manifest->n_files; i++)
        manifest->files[i]->source = pipeline_change_same(old, manifest->files[i]->source, plan);
    for (size_t i = 0; i < manifest->n_lists; i++) {
        Foreset__ManifestList *list = manifest->lists[i];
        if (list->kind != FORESET__MANIFEST_LIST__KIND__SEEN) continue;
        list->number = pipeline_change_same(old, list->number, plan);
        if (list->number == plan->n_nodes) list->number = UINT32_MAX; // gone: its parts are nobody's
    }
    for (size_t i = 0; i < manifest->n_tables; i++) {
        Foreset__TableEpoch *table = manifest->tables[i];
        for (size_t k = 0; k < table->n_maxima; k++)
            table->maxima[k]->node = pipeline_change_same(old, table->maxima[k]->node, plan);
    }
}

static void pipeline_change_sources(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text, bool *loses)
{
    for (uint32_t i = 0; i < old->n_nodes; i++) {
        const Foreset__Node *before = old->nodes[i];
        if (before->kind != FORESET__NODE__KIND__SOURCE) continue;
        if (plan_source_is_fill(before)) continue; // one that is not read to the end is the manifest's to tell
        if (pipeline_change_same(old, i, plan) < plan->n_nodes) continue;
        text_printf(text, "source %s: its position cannot be carried on\n", before->source->name);
        *loses = true;
    }
}

// Columns that come lose nothing: the table gets them, and the rows before have null. In update mode the rows in state
// would lack them.
static void pipeline_change_columns(const Foreset__Table *before, const Foreset__Table *now, struct text *text,
                                    bool *loses)
{
    const struct type *old = NULL, *schema = NULL;
    struct error err;
    if (strcmp(before->schema, now->schema) == 0) return;
    bool kept = now->mode != FORESET__TABLE__MODE__UPDATE && type_parse(before->schema, &old, &err) == STATUS_OK &&
                type_parse(now->schema, &schema, &err) == STATUS_OK;
    for (uint32_t i = 0; kept && i < old->child_count; i++) {
        int at = type_field_find(schema, old->children[i].name);
        kept = at >= 0 && schema->children[at].type == old->children[i].type;
    }
    if (!kept) {
        text_printf(text, "table %s: columns change from %s to %s\n", before->name, before->schema, now->schema);
        *loses = true;
        return;
    }
    for (uint32_t i = 0; i < schema->child_count; i++) {
        if (type_field_find(old, schema->children[i].name) >= 0) continue;
        text_printf(text, "table %s: gets the column %s %s, null in the rows before\n", now->name,
                    schema->children[i].name, schema->children[i].type->text);
    }
    if (schema->child_count == old->child_count) text_printf(text, "table %s: its columns change places\n", now->name);
}

// A table that comes, or reads another one that it did not read.
static void pipeline_change_new(const Foreset__Plan *old, const Foreset__Plan *plan, uint32_t table, struct text *text)
{
    const char *name = plan->tables[table]->name;
    bool known = plan_source_table(old, name, NULL, NULL), filled = false;
    for (uint32_t i = 0; i < plan->n_nodes; i++) {
        const Foreset__Table *read = plan->nodes[i]->table == table ? pipeline_fill_wanted(old, plan, i) : NULL;
        if (!read) continue;
        text_printf(text, "table %s: %s %s has come first, then its stream goes on\n", name,
                    known ? "reads one more; the rows that" : "is new; the rows that", read->name);
        filled = true;
    }
    if (!known && !filled) text_printf(text, "table %s: is new; what it reads begins at its start\n", name);
}

// What a table that stays reads no more, or at more places than before: of the rows since then nobody would know which
// it has, and of the places which is new.
static void pipeline_change_reads(const Foreset__Plan *old, const Foreset__Plan *plan, uint32_t before, uint32_t now,
                                  struct text *text, bool *loses)
{
    uint32_t number;
    for (uint32_t i = 0; i < old->n_tables; i++) {
        uint32_t had = pipeline_fill_reads(old, before, i);
        if (had == 0 || !plan_source_table(plan, old->tables[i]->name, NULL, &number)) continue;
        uint32_t has = pipeline_fill_reads(plan, now, number);
        if (has == had) continue;
        text_printf(text, "table %s: reads %s at %u places, not %u: its rows would be missed or come twice\n",
                    plan->tables[now]->name, old->tables[i]->name, has, had);
        *loses = true;
    }
}

static void pipeline_change_tables(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text, bool *loses)
{
    uint32_t number;
    for (uint32_t i = 0; i < old->n_tables; i++) {
        const Foreset__Table *before = old->tables[i], *now = plan_source_table(plan, before->name, NULL, &number);
        if (!now || number != i) {
            text_printf(text, "table %s: %s\n", before->name,
                        now ? "stands at another place; write new tables behind the others" : "is made no more");
            *loses = true;
            continue;
        }
        pipeline_change_columns(before, now, text, loses);
        pipeline_change_reads(old, plan, i, number, text, loses);
        if (before->mode != now->mode || before->n_partition_columns != now->n_partition_columns ||
            strcmp(before->url, now->url) != 0) {
            text_printf(text, "table %s: its mode, partition columns or place change\n", before->name);
            *loses = true;
        }
    }
    for (uint32_t i = 0; i < plan->n_tables; i++) pipeline_change_new(old, plan, i, text);
}

void pipeline_change_compare(const Foreset__Plan *old, const Foreset__Plan *plan, struct text *text, bool *ret_loses)
{
    *ret_loses = false;
    if (old->shards != plan->shards) {
        text_printf(text, "pipeline.shards changes from %u to %u\n", old->shards, plan->shards);
        *ret_loses = true;
    }
    pipeline_change_tables(old, plan, text, ret_loses);
    pipeline_change_sources(old, plan, text, ret_loses);
    pipeline_change_state(old, plan, text, ret_loses);
    if (text->length == 0 && strcmp(old->sql_hash, plan->sql_hash) != 0) {
        text_append_str(text, "the text changed; tables, sources and state go on as they are\n");
    }
}

// ---- Against the last decided epoch ----

static void pipeline_change_name(const char *hash, char key[64])
{
    snprintf(key, 64, "plans/%.32s.pb", hash);
}

static enum status pipeline_change_load(const struct commit_context *context, const char *hash,
                                        Foreset__Plan **ret_plan, struct error *err)
{
    char key[64];
    struct buffer *bytes = NULL;
    pipeline_change_name(hash, key);
    enum status status = objstore_get(context->state, key, &bytes, err);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) return status;
    status = plan_file_unpack(bytes->data, bytes->size_bytes, key, hash, ret_plan, err);
    buffer_unref(bytes);
    return status == STATUS_UNSUPPORTED ? status : STATUS_OK; // a damaged one is as good as gone
}

static enum status pipeline_change_store(const struct commit_context *context, struct error *err)
{
    char key[64];
    struct text packed = {0};
    plan_file_pack(context->plan, &packed);
    pipeline_change_name(context->plan_hash, key);
    enum status status = objstore_put(context->state, key, packed.data, packed.length, err);
    text_deinit(&packed);
    if (status == STATUS_UNKNOWN) err->class = ERROR_RETRY;
    return status;
}

// One after the other: the rows of both would come in an order in which nobody had them.
static void pipeline_change_unfinished(struct pipeline_change *change, const Foreset__Manifest *last, bool *loses)
{
    if (change->fills.count == 0 || !pipeline_fill_unfinished(last)) return;
    text_append_str(&change->differences,
                    "another table is being filled: run the pipeline as it was until that is done\n");
    *loses = true;
}

enum status pipeline_change_check(struct recover *recover, struct error *err)
{
    struct pipeline_change *change = recover->compare_context;
    if (!recover->last) return STATUS_OK;
    if (change->full_refresh) { // with nothing left to put, tables may be missing, restored, others
        uint64_t published = 0;
        enum status read = meta_store_published(recover->context->meta, &published, err);
        if (read != STATUS_OK) return read;
        recover->renumbered = published >= recover->last->body->epoch;
    }
    const struct commit_context *context = recover->context;
    const char *hash = recover->last->body->plan_hash;
    Foreset__Plan *old = NULL;
    bool loses = false;
    if (strcmp(hash, context->plan_hash) == 0) return STATUS_OK;
    enum status status = pipeline_change_load(context, hash, &old, err);
    if (status != STATUS_OK) return status;
    if (old) {
        pipeline_change_compare(old, context->plan, &change->differences, &loses);
        for (size_t i = 0; !loses && i < recover->logs->count; i += 2) recover->logs->items[i].extends = true;
        if (!loses) pipeline_change_carry(old, context->plan, recover->last->body);
        for (uint32_t i = 0; i < context->plan->n_nodes; i++) {
            if (pipeline_fill_wanted(old, context->plan, i)) vector_push(&change->fills, i);
        }
        if (!loses) pipeline_change_unfinished(change, recover->last->body, &loses);
        foreset__plan__free_unpacked(old, NULL);
    } else {
        text_printf(&change->differences, "the plan of epoch %llu (plans/%s.pb) is gone: what changed cannot be told\n",
                    (unsigned long long)recover->last->body->epoch, hash);
        loses = true;
    }
    if (!loses || (change->full_refresh && recover->renumbered)) return STATUS_OK;
    if (change->full_refresh) {
        return error_set(
            err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
            "epoch %llu is decided but not yet published: run the pipeline once more as it was, then with the "
            "change and --full-refresh",
            (unsigned long long)recover->last->body->epoch);
    }
    return error_set(
        err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
        "the pipeline was changed so that state or rows would be lost:\n%.700sundo the change, or start the whole "
        "pipeline anew with --full-refresh",
        text_str(&change->differences));
}

// ---- Starting anew ----

// Last epoch in a dead letter table's log; 0: there is none yet.
static enum status pipeline_change_dead_letters(struct recover *recover, uint32_t table, uint64_t *ret_epoch,
                                                struct error *err)
{
    struct table_log *log = table_logs_at(recover->logs, table, true);
    bool exists = false;
    *ret_epoch = 0;
    if (!log->url) return STATUS_OK;
    enum status status = table_log_refresh(log, &exists, err);
    if (status == STATUS_OK && exists) *ret_epoch = table_log_txn(log);
    return status;
}

static enum status pipeline_change_refresh(struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    const struct commit_context *context = recover->context;
    struct manifest *manifest = NULL;
    struct arena arena;
    arena_init(&arena, 0);
    Foreset__Manifest body = FORESET__MANIFEST__INIT;
    body.pipeline_id = (char *)context->pipeline_id;
    body.pipeline = (char *)context->pipeline;
    body.epoch = recover->last->body->epoch + 1;
    body.generation = context->generation;
    body.plan_version = context->plan->version;
    body.plan_hash = (char *)context->plan_hash;
    body.shards = context->plan->shards;
    body.hash_seed = hash_64(context->pipeline_id, 36, 0);
    body.routing_version = 1;
    body.timestamp_us = recover->last->body->timestamp_us + 1;
    body.previous = recover->last->record.name;
    body.has_previous_hash = true;
    body.previous_hash = recover->last->record.hash;
    body.n_tables = context->plan->n_tables;
    body.tables = arena_calloc(&arena, body.n_tables + 1, sizeof *body.tables);
    for (uint32_t i = 0; i < body.n_tables; i++) {
        Foreset__TableEpoch *table = body.tables[i] = arena_alloc(&arena, sizeof *table);
        foreset__table_epoch__init(table);
        table->table = i;
        table->has_prev = table->has_commit_epoch = table->has_overwrite = table->overwrite = true;
        bool exists = false; // recovery may have put epochs of which the log was not read again
        TRY(table_log_refresh(table_logs_at(recover->logs, i, false), &exists, err));
        table->prev = table_log_txn(table_logs_at(recover->logs, i, false));
        table->commit_epoch = body.epoch;
        table->schema_hash = (char *)context->plan_hash; // the commit brings the plan's columns along
        table->has_dead_letters_prev = true;
        TRY(pipeline_change_dead_letters(recover, i, &table->dead_letters_prev, err));
        table->has_dead_letters_overwrite = table->dead_letters_overwrite = table->dead_letters_prev > 0;
    }
    TRY(manifest_create(&body, recover->last, &recover->random, &manifest, err));
    struct decide decide = {.context = context,
                            .logs = recover->logs,
                            .manifests = {manifest},
                            .count = 1,
                            .previous = recover->last->record};
    TRY(decide_run(&decide, err));
    for (size_t i = 0; i < recover->logs->count; i++) {
        struct table_put_result result;
        TRY(table_put_run(&recover->logs->items[i], manifest, &recover->random, &result, err));
    }
    TRY(meta_store_publish(context->meta, body.epoch, 0, err));
    manifest_unref(recover->last);
    recover->last = manifest_ref(manifest);
    recover->published = body.epoch;
out:
    manifest_unref(manifest);
    arena_deinit(&arena);
    return status;
}

// Workers read the manifest that they go on from. What was carried over to a changed plan is stored for them under a
// name of this generation, so that cleaning finds it. No decision names it.
static enum status pipeline_change_store_carried(struct pipeline_change *change, struct recover *recover,
                                                 struct error *err)
{
    const struct commit_context *context = recover->context;
    Foreset__Manifest body = *recover->last->body;
    body.generation = context->generation;
    struct manifest *manifest = NULL;
    enum status status = STATUS_OK;
    TRY(manifest_create(&body, recover->last, &recover->random, &manifest, err));
    TRY(manifest_put(manifest, context->state, context->seam, err));
    change->carried = manifest->record;
out:
    manifest_unref(manifest);
    return status;
}

enum status pipeline_change_run(struct pipeline_change *change, struct recover *recover, struct error *err)
{
    enum status status = STATUS_OK;
    if (recover->last) {
        bool same = strcmp(recover->last->body->plan_hash, recover->context->plan_hash) == 0;
        if (!same) TRY(pipeline_change_store(recover->context, err));
        if (change->full_refresh) TRY(pipeline_change_refresh(recover, err));
        for (size_t i = 0; !change->full_refresh && i < change->fills.count; i++)
            TRY(pipeline_fill_begin(recover, change->fills.items[i], err));
        if (!same && !change->full_refresh) TRY(pipeline_change_store_carried(change, recover, err));
    } else {
        TRY(pipeline_change_store(recover->context, err));
    }
out:
    return status;
}
