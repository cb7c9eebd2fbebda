// AGGREGATE_FINAL: the groups of this lane's shards, for as long as they live. Behind AGGREGATE_PARTIAL and an
// EXCHANGE. At the end of the table's batch (SQL.md, Batches 4):
//   append    emits and removes groups whose window ends, or whose time is, <= W
//   update    emits the groups that the batch touched with their new values; what is due by W is then removed silently
//   complete  emits every group; removes none
// A global aggregate has its one group from the first batch on, rows or not; update mode emits it in every batch.
// In update mode each row's group travels in batch->origin (worker/sink/group_origin.h) up to the TABLE (P13).
// An error in a result (overflow) fails the pipeline (SQL.md, Bad rows).
#include "worker/exchange/exchange.h"
#include "worker/operator/aggregate_group.h"
#include "worker/operator/operator_state.h"
#include "worker/sink/group_origin.h"
#include "worker/state/row_codec.h"

struct final_operator {
    struct operator base;
    struct aggregate_group group;
    struct keyed_state state;
    VECTOR(struct key_entry *) touched; // in the unfinished batch; update mode
    struct column_builder **builders;   // keys, results, then origin's three
    uint64_t *hashes;
    uint32_t capacity;
    enum _Foreset__Table__Mode mode;
    bool expires;
};

static void final_free(void *context, struct key_entry *entry)
{
    aggregate_group_free(&((struct final_operator *)context)->group, entry);
}

static void final_save(struct operator* op, const struct key_entry *entry, struct text *bytes)
{
    aggregate_group_save(&((struct final_operator *)op)->group, entry, bytes);
}

static enum status final_restore(struct operator* op, struct key_entry *entry, struct slice bytes, struct error *err)
{
    return aggregate_group_merge(&((struct final_operator *)op)->group, entry, bytes, err);
}

static void final_close(struct operator* op)
{
    struct final_operator *final = (struct final_operator *)op;
    keyed_state_deinit(&final->state, op);
    for (uint32_t i = 0; final->builders && i < op->schema->child_count + 3; i++) {
        column_builder_destroy(final->builders[i]);
    }
    memory_free(final->builders);
    memory_free(final->hashes);
    vector_deinit(&final->touched);
    aggregate_group_deinit(&final->group);
    operator_deinit(op);
    memory_free(final);
}

// ---- rows in ----
static void final_touch(struct final_operator *final, struct key_entry *entry, int64_t batch)
{
    key_table_touch(&final->state.table, entry);
    if (entry->batch == batch) return;
    entry->batch = batch;
    if (final->mode == FORESET__TABLE__MODE__UPDATE) vector_push(&final->touched, entry);
}

static enum status final_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct final_operator *final = (struct final_operator *)op;
    uint32_t keys = final->group.key_count;
    struct text *key = &final->state.scratch;
    enum status status = STATUS_OK;
    if (final->capacity < batch->row_count) {
        final->capacity = batch->row_count > BATCH_ROWS_MAX ? batch->row_count : BATCH_ROWS_MAX;
        final->hashes = memory_realloc(final->hashes, final->capacity * sizeof *final->hashes);
    }
    exchange_hash(batch, batch->columns, keys, op->host->hash_seed, final->hashes);
    for (uint32_t i = 0; i < batch->row_count; i++) key_table_prefetch(&final->state.table, final->hashes[i]);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        struct key_entry *entry;
        bool added;
        text_reset(key);
        row_codec_encode(batch->columns, keys, row, true, key);
        TRY(key_table_get(&final->state.table, final->hashes[i], slice_of(text_str(key), key->length), &entry, &added,
                          err));
        if (added && final->expires) {
            key_table_expire_at(&final->state.table, entry,
                                aggregate_group_time(batch->columns[op->plan_node->event_time], row));
        }
        TRY(aggregate_group_merge(&final->group, entry, column_slice(batch->columns[keys], row), err));
        final_touch(final, entry, op->epoch.batch);
    }
    TRY(aggregate_group_held(op, final->state.table.count, err));
out:
    return status;
}

// ---- groups out ----
static enum status final_emit_built(struct final_operator *final, struct error *err)
{
    struct operator* op = & final->base;
    uint32_t count = op->schema->child_count;
    bool update = final->mode == FORESET__TABLE__MODE__UPDATE;
    struct batch *batch = NULL, *origin = NULL;
    enum status status = STATUS_OK;
    if (column_builder_length(final->builders[count]) == 0) return STATUS_OK;
    TRY(batch_build(op->schema, final->builders, &batch, err));
    TRY(batch_build(group_origin_type(), final->builders + count, &origin, err));
    if (update) batch_origin_set(batch, origin);
    TRY(operator_emit(op, batch, err));
out:
    batch_unref(batch);
    batch_unref(origin);
    return status;
}

static enum status final_build(struct final_operator *final, const struct key_entry *entry, struct error *err)
{
    struct operator* op = & final->base;
    uint32_t keys = final->group.key_count, count = op->schema->child_count;
    struct slice key = key_entry_key(&final->state.table, entry);
    struct column_builder **builders = final->builders;
    size_t used;
    enum status status = STATUS_OK;
    TRY(row_codec_decode(final->group.key_types, keys, key, builders, &used, err));
    for (uint32_t i = 0; i < final->group.count; i++) {
        TRY(aggregate_result(final->group.aggregates[i], entry->payload + final->group.offsets[i], builders[keys + i],
                             err));
    }
    int64_t hash = (int64_t)entry->hash;
    TRY(column_builder_fixed(builders[count], &hash, err));
    TRY(column_builder_bytes(builders[count + 1], key.data, key.length, err));
    if (entry->expiry_us == INT64_MAX) {
        TRY(column_builder_null(builders[count + 2], err));
    } else {
        TRY(column_builder_fixed(builders[count + 2], &entry->expiry_us, err));
    }
    if (column_builder_length(builders[count]) >= BATCH_ROWS_MAX) TRY(final_emit_built(final, err));
out:
    return status;
}

static enum status final_emit_all(struct final_operator *final, struct error *err)
{
    struct key_table *table = &final->state.table;
    enum status status = STATUS_OK;
    for (uint64_t i = 0; table->slots && i <= table->mask; i++) {
        if (table->slots[i].entry) TRY(final_build(final, table->slots[i].entry, err));
    }
    TRY(final_emit_built(final, err));
out:
    return status;
}

static enum status final_emit_touched(struct final_operator *final, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < final->touched.count; i++) TRY(final_build(final, final->touched.items[i], err));
    TRY(final_emit_built(final, err));
    vector_reset(&final->touched);
out:
    return status;
}

// Removes what is due by W; `emit`: as results.
static enum status final_evict(struct final_operator *final, int64_t watermark_us, bool emit, struct error *err)
{
    struct key_entries due = {0};
    enum status status = STATUS_OK;
    key_table_due(&final->state.table, watermark_us, &due);
    for (size_t i = 0; emit && i < due.count; i++) TRY(final_build(final, due.items[i], err));
    if (emit) TRY(final_emit_built(final, err));
    for (size_t i = 0; i < due.count; i++) keyed_state_remove(&final->state, &final->base, due.items[i]);
out:
    vector_deinit(&due);
    return status;
}

static enum status final_global(struct final_operator *final, int64_t batch, struct error *err)
{
    struct key_entry *entry;
    bool added;
    enum status status = key_table_get(&final->state.table, 0, slice_of("", 0), &entry, &added, err);
    if (status == STATUS_OK) final_touch(final, entry, batch);
    return status;
}

static enum status final_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    struct final_operator *final = (struct final_operator *)op;
    enum status status = STATUS_OK;
    bool first_shard = op->host->shard_lanes[0] == op->host->lane;
    if (marker->takes_part && final->group.key_count == 0 && first_shard) TRY(final_global(final, marker->batch, err));
    if (!marker->publishes) goto out;
    switch (final->mode) {
    case FORESET__TABLE__MODE__COMPLETE: TRY(final_emit_all(final, err)); break;
    case FORESET__TABLE__MODE__UPDATE:
        TRY(final_emit_touched(final, err));
        TRY(final_evict(final, marker->watermark_us, false, err));
        break;
    default: TRY(final_evict(final, marker->watermark_us, true, err)); break;
    }
out:
    return status;
}

// ---- state ----
static enum status final_freeze(struct operator* op, struct operator_frozen *frozen, struct error *err)
{
    return keyed_state_freeze(&((struct final_operator *)op)->state, op, frozen, err);
}

static enum status final_load(struct operator* op, const struct operator_record *record, struct error *err)
{
    return keyed_state_load(&((struct final_operator *)op)->state, op, record, err);
}

static void final_load_clear(struct operator* op, const uint8_t *shards)
{
    keyed_state_clear(&((struct final_operator *)op)->state, op, shards);
}

static enum status final_load_end(struct operator* op, int64_t batch, int64_t evicted_us, struct error *err)
{
    (void)evicted_us;
    (void)err;
    struct final_operator *final = (struct final_operator *)op;
    struct key_table *table = &final->state.table;
    final->state.history.base_next |= op->host->rebase;
    vector_reset(&final->touched);
    for (uint64_t i = 0; batch >= 0 && table->slots && i <= table->mask; i++) {
        struct key_entry *entry = table->slots[i].entry;
        bool touched = entry && entry->batch == batch && final->mode == FORESET__TABLE__MODE__UPDATE;
        if (touched) vector_push(&final->touched, entry);
    }
    return STATUS_OK;
}

static const struct operator_ops final_ops = {
    .difference = OPERATOR_COUNTS_ITSELF,
    .close = final_close,
    .on_batch = final_on_batch,
    .on_marker = final_on_marker,
    .freeze = final_freeze,
    .load = final_load,
    .load_clear = final_load_clear,
    .load_end = final_load_end,
};

// The AGGREGATE_PARTIAL that feeds this node, through its EXCHANGE.
static uint32_t partial_of(const Foreset__Plan *plan, uint32_t node)
{
    uint32_t at = plan->nodes[node]->inputs[0];
    while (plan->nodes[at]->kind == FORESET__NODE__KIND__EXCHANGE) at = plan->nodes[at]->inputs[0];
    return at;
}

enum status final_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct final_operator *final = memory_calloc(1, sizeof *final);
    struct operator* op = & final->base;
    enum status status = STATUS_OK;
    TRY(operator_init(op, &final_ops, host, node, err));
    const Foreset__Node *plan_node = op->plan_node;
    ASSERT(plan_node->n_inputs == 1 && op->inputs[0]->child_count >= 1);
    uint32_t keys = op->inputs[0]->child_count - 1;
    const Foreset__Node *partial = host->plan->nodes[partial_of(host->plan, node)];
    const struct type *rows;
    ASSERT(partial->kind == FORESET__NODE__KIND__AGGREGATE_PARTIAL && partial->n_inputs == 1);
    TRY(type_parse(host->plan->nodes[partial->inputs[0]]->schema, &rows, err));
    TRY(aggregate_group_init(&final->group, host, host->plan, partial->aggregates, partial->n_aggregates, rows, keys,
                             op->schema, err));
    ASSERT(op->schema->child_count == keys + final->group.count);
    final->mode = operator_table_of(op)->mode;
    final->expires =
        plan_node->has_watermark && plan_node->has_event_time && final->mode != FORESET__TABLE__MODE__COMPLETE;
    ASSERT(!final->expires || plan_node->event_time < keys);
    keyed_state_init(&final->state, op, final->group.payload_size);
    final->state.save = final_save;
    final->state.restore = final_restore;
    final->state.free_payload = final_free;
    uint32_t count = op->schema->child_count;
    final->builders = memory_calloc(count + (size_t)3, sizeof *final->builders);
    for (uint32_t i = 0; i < count + 3; i++) {
        const struct type *type =
            i < count ? op->schema->children[i].type : group_origin_type()->children[i - count].type;
        final->builders[i] = column_builder_create(host->budget, type);
    }
    *ret_op = op;
out:
    if (status != STATUS_OK) final_close(op);
    return status;
}
