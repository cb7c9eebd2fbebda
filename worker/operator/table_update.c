// Update mode's rows (see the header). Cost follows state: a touched slice is written whole, nothing is read back.
// Fails with what files and state fail with.
#include "worker/operator/table_update.h"

#include "worker/exchange/exchange.h"
#include "worker/state/row_codec.h"

static void update_save(struct operator* op, const struct key_entry *entry, struct text *bytes)
{
    (void)op;
    text_append(bytes, entry->value, entry->value_length);
}

void table_update_init(struct table_update *update, struct operator* op)
{
    update->op = op;
    keyed_state_init(&update->state, op, 0);
    update->state.save = update_save;
    uint32_t count = op->schema->child_count;
    update->builders = memory_calloc(count + (size_t)1, sizeof *update->builders);
    update->types = memory_calloc(count + (size_t)1, sizeof *update->types);
    for (uint32_t i = 0; i < count; i++) {
        update->types[i] = op->schema->children[i].type;
        update->builders[i] = column_builder_create(op->host->budget, update->types[i]);
    }
}

void table_update_deinit(struct table_update *update)
{
    for (uint32_t i = 0; update->builders && update->builders[i]; i++) column_builder_destroy(update->builders[i]);
    memory_free(update->builders);
    memory_free(update->types);
    text_deinit(&update->row);
    keyed_state_deinit(&update->state, update->op);
}

static uint32_t slice_of_hash(const struct table_update *update, uint64_t hash)
{
    const struct operator_host *host = update->op->host;
    uint32_t shard = exchange_shard(hash, host->plan->shards);
    return group_origin_slice(host->shard_slots[shard], host->shard_count);
}

enum status table_update_put(struct table_update *update, const struct batch *batch, struct error *err)
{
    const struct batch *origin = batch->origin;
    ASSERT(origin && origin->schema == group_origin_type());
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        uint64_t hash = (uint64_t)origin->columns[0]->i64[row];
        struct key_entry *entry;
        bool added;
        enum status status =
            key_table_get(&update->state.table, hash, column_slice(origin->columns[1], row), &entry, &added, err);
        if (status != STATUS_OK) return status;
        text_reset(&update->row);
        row_codec_encode(batch->columns, batch->column_count, row, false, &update->row);
        status =
            key_table_value_set(&update->state.table, entry, slice_of(text_str(&update->row), update->row.length), err);
        if (status != STATUS_OK) return status;
        if (!column_is_null(origin->columns[2], row)) {
            key_table_expire_at(&update->state.table, entry, origin->columns[2]->i64[row]);
        }
        entry->batch = update->op->epoch.batch;
        key_table_touch(&update->state.table, entry);
        update->touched[slice_of_hash(update, hash)] = true;
    }
    return STATUS_OK;
}

struct update_writer {
    struct table_update *update;
    struct partition_sink *sink;
    uint32_t *sequence;
    uint64_t epoch;
};

static enum status write_built(struct update_writer *writer, struct error *err)
{
    struct table_update *update = writer->update;
    struct batch *batch;
    if (column_builder_length(update->builders[0]) == 0) return STATUS_OK;
    enum status status = batch_build(update->op->schema, update->builders, &batch, err);
    if (status != STATUS_OK) return status;
    status = partition_sink_write(writer->sink, writer->epoch, writer->sequence, batch, err);
    batch_unref(batch);
    return status;
}

static enum status write_entry(struct update_writer *writer, const struct key_entry *entry, struct error *err)
{
    struct table_update *update = writer->update;
    size_t used;
    enum status status = row_codec_decode(update->types, update->op->schema->child_count,
                                          slice_of(entry->value, entry->value_length), update->builders, &used, err);
    if (status != STATUS_OK) return status;
    return column_builder_length(update->builders[0]) < BATCH_ROWS_MAX ? STATUS_OK : write_built(writer, err);
}

static enum status write_closed(struct update_writer *writer, const struct operator_marker *marker, struct error *err)
{
    struct table_update *update = writer->update;
    struct key_entries due = {0};
    enum status status = STATUS_OK;
    key_table_due(&update->state.table, marker->watermark_us, &due);
    for (size_t i = 0; i < due.count; i++) TRY(write_entry(writer, due.items[i], err));
    TRY(write_built(writer, err));
    for (size_t i = 0; i < due.count; i++) {
        update->touched[slice_of_hash(update, due.items[i]->hash)] = true;
        keyed_state_remove(&update->state, update->op, due.items[i]);
    }
out:
    vector_deinit(&due);
    return status;
}

static enum status write_slice(struct update_writer *writer, uint32_t slice, struct error *err)
{
    struct table_update *update = writer->update;
    const struct key_table *table = &update->state.table;
    enum status status = STATUS_OK;
    for (uint64_t i = 0; table->slots && i <= table->mask; i++) {
        const struct key_entry *entry = table->slots[i].entry;
        if (entry && slice_of_hash(update, entry->hash) == slice) TRY(write_entry(writer, entry, err));
    }
    TRY(write_built(writer, err));
out:
    return status;
}

enum status table_update_publish(struct table_update *update, struct partition_sink *sink, uint32_t *sequence,
                                 const struct operator_marker *marker, int64_t modified_ms,
                                 struct operator_table *output, struct error *err)
{
    const struct operator_host *host = update->op->host;
    struct update_writer writer = {.update = update, .sink = sink, .sequence = sequence, .epoch = marker->epoch};
    struct partition_sink_files files = {0};
    enum status status = STATUS_OK;
    TRY(write_closed(&writer, marker, err));
    TRY(partition_sink_finish(sink, modified_ms, &files, err));
    for (size_t i = 0; i < files.items.count; i++) vector_push(&output->files, files.items.items[i]);
    for (uint32_t slice = 0; slice < GROUP_ORIGIN_SLICES; slice++) {
        if (!update->touched[slice]) continue;
        uint64_t key = group_origin_slice_key(host->shard_lanes, host->plan->shards, host->lane, slice);
        vector_reset(&files.items);
        TRY(write_slice(&writer, slice, err));
        TRY(partition_sink_finish(sink, modified_ms, &files, err));
        for (size_t i = 0; i < files.items.count; i++) {
            Foreset__DataFile *file = files.items.items[i];
            file->has_open = file->has_slice = file->has_slice_key = true;
            file->open = true;
            file->slice = host->lane * GROUP_ORIGIN_SLICES + slice;
            file->slice_key = key;
            vector_push(&output->open, file);
        }
        vector_push(&output->slices, key);
        update->touched[slice] = false;
    }
out:
    vector_deinit(&files.items);
    return status;
}

void table_update_loaded(struct table_update *update, int64_t batch)
{
    const struct operator_host *host = update->op->host;
    bool rewrite = host->rewrite[update->op->plan_node->table];
    update->state.history.base_next |= host->rebase;
    for (uint32_t slice = 0; slice < GROUP_ORIGIN_SLICES; slice++) update->touched[slice] = rewrite;
    const struct key_table *rows = &update->state.table;
    for (uint64_t i = 0; batch >= 0 && rows->slots && i <= rows->mask; i++) {
        const struct key_entry *entry = rows->slots[i].entry;
        if (entry && entry->batch == batch) update->touched[slice_of_hash(update, entry->hash)] = true;
    }
}
