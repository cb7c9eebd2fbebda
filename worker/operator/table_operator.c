// TABLE: where a table's rows end. They go to Parquet files as they come (append, complete) or into the rows of update
// mode, and on to the tables behind. At the marker the epoch's files are sealed; freeze hands them over to be completed
// off the lane (P11). Rows that raised anywhere in the table's query come here too, into its dead letters. What can
// fail: the object store, memory. A file that no report names is removed when the lane closes.
#include "common/base/hash.h"
#include "worker/expr/expr.h"
#include "worker/operator/table_guard.h"
#include "worker/operator/table_update.h"
#include "worker/sink/letter_sink.h"

#define BUFFERED_SHARE     8u
#define BUFFERED_BYTES_MIN (1u << 20)
#define BUFFERED_BYTES_MAX (128u << 20)

struct table_operator {
    struct operator base;
    struct file_sink_args args;
    struct partition_sink *sink;
    struct table_guard guard;
    bool guarded;
    struct letter_sink *letters;   // made with the first
    struct operator_table *output; // of the epoch at hand
    uint32_t sequence;
    enum _Foreset__Table__Mode mode;
    struct table_update *update; // update mode on an aggregate
    uint64_t *hashes;
    uint32_t capacity;
};

static void table_close(struct operator* op)
{
    struct table_operator *table = (struct table_operator *)op;
    if (table->update) table_update_deinit(table->update);
    memory_free(table->update);
    table_guard_deinit(&table->guard);
    partition_sink_destroy(table->sink);
    letter_sink_destroy(table->letters);
    for (size_t i = 0; table->output && i < table->output->files.count; i++) {
        file_sink_discard(table->args.store, table->output->files.items[i]);
    }
    for (size_t i = 0; table->output && i < table->output->open.count; i++) {
        file_sink_discard(table->args.store, table->output->open.items[i]);
    }
    struct operator_frozen frozen = {.table = table->output};
    operator_frozen_deinit(&frozen);
    memory_free(table->hashes);
    operator_deinit(op);
    memory_free(table);
}

static struct operator_table *table_output(struct table_operator *table)
{
    if (!table->output) table->output = memory_calloc(1, sizeof *table->output);
    return table->output;
}

// Complete mode: a hash of the content that does not depend on the order of rows.
static void table_hash(struct table_operator *table, const struct batch *batch)
{
    if (table->capacity < batch->row_count) {
        table->capacity = batch->row_count > BATCH_ROWS_MAX ? batch->row_count : BATCH_ROWS_MAX;
        table->hashes = memory_realloc(table->hashes, table->capacity * sizeof *table->hashes);
    }
    memset(table->hashes, 0, batch->row_count * sizeof *table->hashes);
    for (uint32_t c = 0; c < batch->column_count; c++) {
        column_hash(batch->columns[c], batch->selection, batch->row_count, table->hashes);
    }
    for (uint32_t i = 0; i < batch->row_count; i++) table_output(table)->content_hash += hash_mix(table->hashes[i], 1);
}

static void table_record(struct table_operator *table, const struct batch *batch)
{
    struct text *rows = &table_output(table)->rows;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (rows->length) text_append_char(rows, ',');
        batch_json(batch, i, rows);
    }
}

static enum status table_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct table_operator *table = (struct table_operator *)op;
    struct batch *left = NULL;
    enum status status = STATUS_OK;
    if (table->guarded) {
        TRY(table_guard_pass(&table->guard, batch, &left, err));
        if (!left) return STATUS_OK;
        batch = left;
    }
    table_output(table)->rows_out += batch->row_count;
    if (op->host->record) table_record(table, batch);
    if (table->update) {
        TRY(table_update_put(table->update, batch, err));
    } else {
        if (table->mode == FORESET__TABLE__MODE__COMPLETE) table_hash(table, batch);
        TRY(partition_sink_write(table->sink, op->epoch.epoch, &table->sequence, batch, err));
    }
    TRY(operator_emit(op, batch, err));
out:
    batch_unref(left);
    return status;
}

static void table_count(struct operator_table *output)
{
    for (size_t i = 0; i < output->files.count; i++) output->bytes_out += output->files.items[i]->size_bytes;
    for (size_t i = 0; i < output->open.count; i++) output->bytes_out += output->open.items[i]->size_bytes;
}

static enum status table_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    struct table_operator *table = (struct table_operator *)op;
    struct operator_table *output = table_output(table);
    struct partition_sink_files files = {0};
    Foreset__DataFile *letters = NULL;
    int64_t modified_ms = marker->timestamp_us / 1000;
    enum status status = STATUS_OK;
    if (table->update && marker->publishes) {
        TRY(table_update_publish(table->update, table->sink, &table->sequence, marker, modified_ms, output, err));
    } else if (!table->update) {
        TRY(partition_sink_seal(table->sink, modified_ms, &files, err));
    }
    if (table->letters) TRY(letter_sink_finish(table->letters, marker->epoch, modified_ms, &letters, err));
    if (letters) vector_push(&output->dead_letters, letters);
    table_count(output);
out:
    for (size_t i = 0; i < files.items.count; i++) vector_push(&output->files, files.items.items[i]);
    for (size_t i = 0; i < files.rest.count; i++) vector_push(&output->rest, files.rest.items[i]);
    vector_deinit(&files.items);
    vector_deinit(&files.rest);
    return status;
}

enum status table_operator_dead(struct operator* op, uint64_t epoch, int64_t failed_at_us, const struct batch *batch,
                                const struct expr_errors *errors, struct error *err)
{
    struct table_operator *table = (struct table_operator *)op;
    if (!table->letters) {
        struct file_sink_args args = table->args;
        args.store = op->host->table_store(op->host->store_context, op->plan_node->table, true);
        if (!args.store) {
            return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "table %s: its dead letters cannot be opened",
                             operator_table_of(op)->name);
        }
        table->letters = letter_sink_create(&args);
    }
    return letter_sink_add(table->letters, epoch, failed_at_us, batch, errors, err);
}

// An eighth of the memory for what open files buffer, over all tables and lanes; it bounds row groups, too.
static uint64_t buffered_max(const struct operator_host *host)
{
    uint64_t limit = host->budget ? host->budget->limit_bytes : 0;
    uint64_t share = limit / BUFFERED_SHARE / (host->lanes * (uint64_t)host->plan->n_tables);
    if (limit && share < BUFFERED_BYTES_MIN) return BUFFERED_BYTES_MIN;
    return limit && share < BUFFERED_BYTES_MAX ? share : BUFFERED_BYTES_MAX;
}

static enum status table_freeze(struct operator* op, struct operator_frozen *frozen, struct error *err)
{
    struct table_operator *table = (struct table_operator *)op;
    frozen->table = table->output;
    table->output = NULL;
    table->sequence = 0;
    return table->update ? keyed_state_freeze(&table->update->state, op, frozen, err) : STATUS_OK;
}

// ---- state, update mode alone ----
static enum status table_restore(struct operator* op, struct key_entry *entry, struct slice bytes, struct error *err)
{
    return key_table_value_set(&((struct table_operator *)op)->update->state.table, entry, bytes, err);
}

static enum status table_load(struct operator* op, const struct operator_record *record, struct error *err)
{
    struct table_operator *table = (struct table_operator *)op;
    if (table->update) return keyed_state_load(&table->update->state, op, record, err);
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "table %s keeps no rows but its state holds some",
                     operator_table_of(op)->name);
}

static void table_load_clear(struct operator* op, const uint8_t *shards)
{
    struct table_operator *table = (struct table_operator *)op;
    if (table->update) keyed_state_clear(&table->update->state, op, shards);
}

static enum status table_load_end(struct operator* op, int64_t batch, int64_t evicted_us, struct error *err)
{
    (void)evicted_us;
    (void)err;
    struct table_operator *table = (struct table_operator *)op;
    if (table->update) table_update_loaded(table->update, batch);
    return STATUS_OK;
}

static void table_rerouted(struct operator* op)
{
    struct table_operator *table = (struct table_operator *)op;
    table->args.lane = op->host->lane;
    partition_sink_lane(table->sink, op->host->lane);
    letter_sink_destroy(table->letters);
    table->letters = NULL;
}

static const struct operator_ops table_ops = {
    .close = table_close,
    .on_batch = table_on_batch,
    .on_marker = table_on_marker,
    .freeze = table_freeze,
    .load = table_load,
    .load_clear = table_load_clear,
    .load_end = table_load_end,
    .rerouted = table_rerouted,
};

// The columns of the files: those of the rows, as the table spells them.
static const struct type *file_columns(const Foreset__Table *plan, const struct type *rows)
{
    const struct type *spelled;
    struct error ignored;
    if (!plan->schema || type_parse(plan->schema, &spelled, &ignored) != STATUS_OK) return rows;
    bool same = spelled->kind == TYPE_STRUCT && spelled->child_count == rows->child_count;
    for (uint32_t i = 0; same && i < rows->child_count; i++) {
        same = spelled->children[i].type == rows->children[i].type &&
               strcasecmp(spelled->children[i].name, rows->children[i].name) == 0;
    }
    return same ? spelled : rows;
}

enum status table_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct table_operator *table = memory_calloc(1, sizeof *table);
    struct operator* op = & table->base;
    enum status status = STATUS_OK;
    TRY(operator_init(op, &table_ops, host, node, err));
    ASSERT(op->plan_node->n_inputs == 1);
    const Foreset__Table *plan = operator_table_of(op);
    table->mode = plan->mode;
    table->args = (struct file_sink_args){.budget = host->writer_budget,
                                          .buffered_bytes_max = buffered_max(host),
                                          .random = host->random,
                                          .generation = host->generation,
                                          .incarnation = host->incarnation,
                                          .lane = host->lane};
    table->args.store = host->table_store(host->store_context, op->plan_node->table, false);
    if (!table->args.store) {
        status =
            error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "table %s: its directory cannot be opened", plan->name);
        goto out;
    }
    TRY(file_sink_properties(plan, &table->args, err));
    TRY(partition_sink_create(plan, file_columns(plan, op->schema), &table->args, &table->sink, err));
    if (plan->mode == FORESET__TABLE__MODE__UPDATE && op->above_aggregate) {
        table->update = memory_calloc(1, sizeof *table->update);
        table_update_init(table->update, op);
        table->update->state.restore = table_restore;
    }
    op->errors_fail = host->plan->on_error_fail; // what the guard finds is settled here, also above an aggregate
    TRY(table_guard_init(&table->guard, op, table->sink, table->update == NULL, err));
    table->guarded = table_guard_needed(&table->guard);
    *ret_op = op;
out:
    if (status != STATUS_OK) table_close(op);
    return status;
}
