// DEDUP: the first row of each key passes (null equals null), in the order in which rows come. Behind an EXCHANGE by
// its keys. Late rows (event time <= L) are dropped first, also where the event time is no key (SQL.md,
// Batches 4). A key leaves the state at the end of a batch: with the event time among the keys when time <= W;
// within watermark when first time + delay <= W; else never. State: 128-bit seeded hashes; the low half is the
// exchange's hash, which gives the shard. Frozen as an append-only run of what is new; what has expired is evicted
// again after loading.
#include "common/base/hash.h"
#include "worker/exchange/exchange.h"
#include "worker/exchange/exchange_routing.h"
#include "worker/expr/expr.h"
#include "worker/operator/dedup_fresh.h"
#include "worker/state/row_codec.h"

#define PROBE_GROUP    16u
#define HASH_SEED_HIGH 0x6465647570ull
#define HASH_NULL_KEY  0x6E756C6Cull

struct dedup_operator {
    struct operator base;
    struct expr **exprs;
    struct column **keys;
    uint32_t key_count;
    const struct type *keys_type; // of batches that ask
    struct dedup_table table;
    struct text name, scratch;
    struct dedup_fresh fresh; // since the last freeze
    struct state_history history;
    uint64_t *low;
    struct hash128 *hashes;
    uint32_t capacity;
};

static void dedup_close(struct operator* op)
{
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    for (uint32_t i = 0; dedup->exprs && i < dedup->key_count; i++) expr_destroy(dedup->exprs[i]);
    memory_free(dedup->exprs);
    memory_free(dedup->keys);
    memory_free(dedup->low);
    memory_free(dedup->hashes);
    dedup_fresh_deinit(&dedup->fresh);
    dedup_table_deinit(&dedup->table);
    text_deinit(&dedup->name);
    text_deinit(&dedup->scratch);
    operator_deinit(op);
    memory_free(dedup);
}

// The column of event times: among the keys, or another column of the input; NULL: there is none.
static const struct column *dedup_time(const struct dedup_operator *dedup, const struct batch *batch)
{
    const Foreset__Node *node = dedup->base.plan_node;
    if (!node->has_watermark) return NULL;
    const struct column *column = NULL;
    if (node->has_event_time) {
        column = dedup->keys[node->event_time];
    } else if (node->has_late_column) {
        column = batch->columns[node->late_column];
    }
    return column;
}

// A row's event time; a window's is its end. False: null.
static bool time_of(const struct column *time, uint32_t row, int64_t *ret_us)
{
    if (column_is_null(time, row)) return false;
    if (time->type->kind == TYPE_STRUCT) return time_of(time->children[1], row, ret_us);
    *ret_us = time->i64[row];
    return true;
}

static int64_t dedup_expiry(const struct dedup_operator *dedup, const struct column *time, uint32_t row)
{
    const Foreset__Node *node = dedup->base.plan_node;
    int64_t at = 0;
    if (!time) return DEDUP_NEVER;
    bool known = time_of(time, row, &at);
    if (node->within_watermark) return at + node->delay_us; // a null time counts as 1970, as in Spark
    return node->has_event_time && known ? at : DEDUP_NEVER;
}

static void dedup_room(struct dedup_operator *dedup, uint32_t rows)
{
    if (dedup->capacity >= rows) return;
    dedup->capacity = rows > BATCH_ROWS_MAX ? rows : BATCH_ROWS_MAX;
    dedup->low = memory_realloc(dedup->low, dedup->capacity * sizeof *dedup->low);
    dedup->hashes = memory_realloc(dedup->hashes, dedup->capacity * sizeof *dedup->hashes);
}

static void dedup_hash(struct dedup_operator *dedup, const struct batch *batch)
{
    uint64_t seed = dedup->base.host->hash_seed;
    dedup_room(dedup, batch->row_count);
    exchange_hash(batch, dedup->keys, dedup->key_count, seed, dedup->low);
    bool one_string = dedup->key_count == 1 && type_is_string_like(dedup->keys[0]->type);
    for (uint32_t i = 0; i < batch->row_count; i++) {
        uint32_t row = batch_row(batch, i);
        uint64_t high;
        if (one_string && !column_is_null(dedup->keys[0], row)) {
            struct slice slice = column_slice(dedup->keys[0], row);
            high = hash_128(slice.data, slice.length, seed ^ HASH_SEED_HIGH).high;
        } else if (one_string) {
            high = hash_mix(seed, HASH_NULL_KEY);
        } else {
            text_reset(&dedup->scratch);
            row_codec_encode(dedup->keys, dedup->key_count, row, true, &dedup->scratch);
            high = hash_128(dedup->scratch.data, dedup->scratch.length, seed ^ HASH_SEED_HIGH).high;
        }
        dedup->hashes[i] = (struct hash128){.low = dedup->low[i], .high = high};
    }
}

static uint32_t dedup_shard(const struct dedup_operator *dedup, struct hash128 hash)
{
    return exchange_shard(hash.low, dedup->base.host->plan->shards);
}

static enum status dedup_probe(struct dedup_operator *dedup, const struct batch *batch, const struct column *time,
                               uint32_t *rows, uint32_t *ret_count, struct error *err)
{
    uint32_t count = 0;
    int64_t late_us = dedup->base.epoch.late_us;
    for (uint32_t from = 0; from < batch->row_count; from += PROBE_GROUP) {
        uint32_t end = batch->row_count - from > PROBE_GROUP ? from + PROBE_GROUP : batch->row_count;
        for (uint32_t i = from; i < end; i++) {
            dedup_table_prefetch(&dedup->table, dedup_shard(dedup, dedup->hashes[i]), dedup->hashes[i]);
        }
        for (uint32_t i = from; i < end; i++) {
            uint32_t row = batch_row(batch, i);
            int64_t at;
            if (time && time_of(time, row, &at) && at <= late_us) {
                dedup->base.counts.rows_late++;
                continue;
            }
            struct dedup_entry entry = {dedup->hashes[i], dedup_expiry(dedup, time, row)};
            bool added;
            enum status status =
                dedup_table_add(&dedup->table, dedup_shard(dedup, entry.key), entry.key, entry.expiry_us, &added, err);
            if (status != STATUS_OK) return status;
            if (!added) continue;
            status = dedup_fresh_add(&dedup->fresh, &entry, err);
            if (status != STATUS_OK) return status;
            rows[count++] = row;
        }
    }
    *ret_count = count;
    return STATUS_OK;
}

// ---- keys of rows that stay with another worker's lane ----
const struct type *dedup_operator_keys_type(const struct operator* op)
{
    return ((const struct dedup_operator *)op)->keys_type;
}

static enum status dedup_keys_times(const struct column *time, const struct batch *rows, struct budget *budget,
                                    struct column **ret_column, struct error *err)
{
    struct buffer *values = NULL, *validity = NULL;
    uint32_t nulls = 0, count = rows->row_count;
    enum status status = STATUS_OK;
    TRY(buffer_create(budget, count * sizeof(int64_t), &values, err));
    TRY(buffer_create(budget, (count + (size_t)7) / 8, &validity, err));
    memset(validity->data, 0, (count + (size_t)7) / 8);
    for (uint32_t i = 0; i < count; i++) {
        int64_t at = 0;
        bool known = time && time_of(time, batch_row(rows, i), &at);
        ((int64_t *)(void *)values->data)[i] = at;
        validity->data[i >> 3] = (uint8_t)(validity->data[i >> 3] | (unsigned)known << (i & 7));
        nulls += !known;
    }
    *ret_column = column_create(type_of(TYPE_BIGINT), count, nulls, validity, values, NULL);
    return STATUS_OK;
out:
    buffer_unref(values);
    buffer_unref(validity);
    return status;
}

static enum status dedup_keys_columns(struct dedup_operator *dedup, const struct batch *rows, struct batch **ret_keys,
                                      struct error *err)
{
    struct buffer *low = NULL, *high = NULL;
    struct column *columns[3] = {NULL};
    uint32_t count = rows->row_count;
    struct budget *budget = dedup->base.host->budget;
    enum status status = STATUS_OK;
    TRY(buffer_create(budget, count * sizeof(uint64_t), &low, err));
    TRY(buffer_create(budget, count * sizeof(uint64_t), &high, err));
    if (dedup->base.plan_node->has_watermark)
        TRY(dedup_keys_times(dedup_time(dedup, rows), rows, budget, &columns[2], err));
    dedup_hash(dedup, rows);
    for (uint32_t i = 0; i < count; i++) {
        ((uint64_t *)(void *)low->data)[i] = dedup->hashes[i].low;
        ((uint64_t *)(void *)high->data)[i] = dedup->hashes[i].high;
    }
    columns[0] = column_create(type_of(TYPE_BIGINT), count, 0, NULL, low, NULL);
    columns[1] = column_create(type_of(TYPE_BIGINT), count, 0, NULL, high, NULL);
    *ret_keys = batch_create(dedup->keys_type, count, columns);
    return STATUS_OK;
out:
    buffer_unref(low);
    buffer_unref(high);
    column_unref(columns[2]);
    return status;
}

enum status dedup_operator_keys(struct operator* op, const struct batch *rows, struct batch **ret_keys,
                                struct error *err)
{
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    for (uint32_t i = 0; i < dedup->key_count; i++) { // the lane asks only where keys are columns
        const Foreset__Expr *expr = op->host->plan->exprs[op->plan_node->exprs[i]];
        dedup->keys[i] = rows->columns[expr->ordinal];
    }
    return dedup_keys_columns(dedup, rows, ret_keys, err);
}

static enum status dedup_on_keys(struct dedup_operator *dedup, const struct batch *keys, struct error *err)
{
    struct operator* op = & dedup->base;
    struct buffer *rows = NULL;
    uint32_t count = 0;
    enum status status = STATUS_OK;
    dedup_room(dedup, keys->row_count);
    for (uint32_t i = 0; i < keys->row_count; i++) {
        dedup->hashes[i] =
            (struct hash128){.low = (uint64_t)keys->columns[0]->i64[i], .high = (uint64_t)keys->columns[1]->i64[i]};
        if (op->host->shard_lanes[dedup_shard(dedup, dedup->hashes[i])] == op->host->lane) continue;
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "lane %u asked lane %u for a key that is not in its shards (P22)", keys->tag - 1,
                         op->host->lane);
    }
    const struct column *time = op->plan_node->has_watermark ? keys->columns[2] : NULL;
    bool timed = op->plan_node->has_event_time || op->plan_node->has_late_column;
    TRY(buffer_create(op->host->budget, keys->row_count * sizeof(uint32_t), &rows, err));
    TRY(dedup_probe(dedup, keys, timed ? time : NULL, (uint32_t *)(void *)rows->data, &count, err));
    TRY(op->host->answer(op, keys->tag - 1, (const uint32_t *)(const void *)rows->data, count, keys->row_count, err));
out:
    buffer_unref(rows);
    return status;
}

static enum status dedup_on_batch(struct operator* op, uint32_t input, struct batch *batch, struct error *err)
{
    (void)input;
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    if (batch->tag && batch->schema == dedup->keys_type) return dedup_on_keys(dedup, batch, err);
    struct expr_errors errors = {0};
    struct expr_context context = operator_context(op, batch, &errors);
    struct batch *left = NULL, *passed = NULL;
    struct buffer *rows = NULL;
    uint32_t made = 0, count = 0;
    enum status status = STATUS_OK;
    for (; made < dedup->key_count; made++) {
        TRY(expr_eval(dedup->exprs[made], batch, &context, &dedup->keys[made], err));
    }
    TRY(operator_settle(op, batch, &errors, &left, err));
    if (!left) goto out;
    TRY(buffer_create(op->host->budget, left->row_count * sizeof(uint32_t), &rows, err));
    dedup_hash(dedup, left);
    TRY(dedup_probe(dedup, left, dedup_time(dedup, left), (uint32_t *)(void *)rows->data, &count, err));
    if (count == 0) goto out;
    passed = batch_select(left, rows, count);
    rows = NULL;
    TRY(operator_emit(op, passed, err));
out:
    while (made > 0) column_unref(dedup->keys[--made]);
    expr_errors_deinit(&errors);
    buffer_unref(rows);
    batch_unref(left);
    batch_unref(passed);
    return status;
}

static enum status dedup_on_marker(struct operator* op, const struct operator_marker *marker, struct error *err)
{
    (void)err;
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    if (marker->publishes && op->plan_node->has_watermark) dedup_table_evict(&dedup->table, marker->watermark_us);
    return STATUS_OK;
}

// All that is alive: there is little of it, or there are very many parts.
static enum status dedup_freeze_base(struct dedup_operator *dedup, struct operator_frozen *frozen, struct error *err)
{
    const struct operator_host *host = dedup->base.host;
    uint32_t shards = dedup->table.shard_count;
    uint64_t *counts = memory_calloc(shards + (size_t)1, sizeof *counts);
    for (uint32_t shard = 0; shard < shards; shard++) counts[shard] = dedup->table.shards[shard].count;
    // Where no key ever expires, none is written with its expiry.
    struct snapshot_fixed fixed = {.key_size = sizeof(struct hash128),
                                   .value_size = dedup->fresh.timed ? sizeof(int64_t) : 0};
    enum status status = STATUS_OK;
    TRY(snapshot_fixed_create(&fixed, true, 0, shards, counts, host->budget, err));
    for (uint32_t shard = 0; shard < shards; shard++) {
        struct dedup_entry entry;
        uint64_t at = 0;
        while (dedup_table_next(&dedup->table.shards[shard], &at, &entry)) {
            snapshot_fixed_add(&fixed, &entry.key, &entry.expiry_us);
        }
    }
    snapshot_fixed_finish(&fixed);
    operator_state_part_take(&fixed, true, &dedup->history, frozen);
    dedup_fresh_reset(&dedup->fresh);
out:
    memory_free(counts);
    return status;
}

static enum status dedup_freeze(struct operator* op, struct operator_frozen *frozen, struct error *err)
{
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    frozen->entries = dedup->table.count;
    if (operator_state_base_due(&dedup->history, dedup->table.count)) return dedup_freeze_base(dedup, frozen, err);
    dedup_fresh_freeze(&dedup->fresh, op->host, &dedup->history, frozen);
    return STATUS_OK;
}

static enum status dedup_load(struct operator* op, const struct operator_record *record, struct error *err)
{
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    struct hash128 key;
    int64_t expiry_us = DEDUP_NEVER;
    bool added;
    if (record->removed || record->key.length != sizeof key ||
        (record->value.length != sizeof expiry_us && record->value.length != 0)) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state of %s: a record has the wrong size",
                         text_str(&dedup->name));
    }
    memcpy(&key, record->key.data, sizeof key);
    memcpy(&expiry_us, record->value.data, record->value.length);
    if (exchange_shard(key.low, op->host->plan->shards) != record->shard) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "state of %s: a record is in the wrong shard",
                         text_str(&dedup->name));
    }
    // A key that expired and came again is in a later run with a later time, which is the one that stands.
    dedup->history.entries++;
    return dedup_table_put(&dedup->table, record->shard, key, expiry_us, &added, err);
}

static void dedup_load_clear(struct operator* op, const uint8_t *shards)
{
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    for (uint32_t shard = 0; shard < dedup->table.shard_count; shard++) {
        if (exchange_routing_has(shards, shard)) dedup_table_clear(&dedup->table, shard);
    }
}

static enum status dedup_load_end(struct operator* op, int64_t batch, int64_t evicted_us, struct error *err)
{
    (void)batch;
    (void)err;
    struct dedup_operator *dedup = (struct dedup_operator *)op;
    if (op->plan_node->has_watermark) dedup_table_evict(&dedup->table, evicted_us);
    dedup->history.base_next |= op->host->rebase;
    return STATUS_OK;
}

static const struct operator_ops dedup_ops = {
    .difference = OPERATOR_DROPS_DUPLICATES,
    .close = dedup_close,
    .on_batch = dedup_on_batch,
    .on_marker = dedup_on_marker,
    .freeze = dedup_freeze,
    .load = dedup_load,
    .load_clear = dedup_load_clear,
    .load_end = dedup_load_end,
};

enum status dedup_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op, struct error *err)
{
    struct dedup_operator *dedup = memory_calloc(1, sizeof *dedup);
    struct operator* op = & dedup->base;
    enum status status = STATUS_OK;
    TRY(operator_init(op, &dedup_ops, host, node, err));
    dedup->key_count = (uint32_t)op->plan_node->n_exprs;
    TRY(type_parse(op->plan_node->has_watermark ? "struct<low:bigint,high:bigint,time:bigint>"
                                                : "struct<low:bigint,high:bigint>",
                   &dedup->keys_type, err));
    dedup->exprs = memory_calloc(dedup->key_count + (size_t)1, sizeof *dedup->exprs);
    dedup->keys = memory_calloc(dedup->key_count + (size_t)1, sizeof *dedup->keys);
    dedup_table_init(&dedup->table, host->plan->shards, op->plan_node->has_watermark, host->state_budget,
                     operator_name(op, &dedup->name));
    dedup_fresh_init(&dedup->fresh, op->plan_node->has_watermark, host->state_budget, text_str(&dedup->name));
    ASSERT(!op->plan_node->has_event_time || op->plan_node->event_time < dedup->key_count);
    TRY(expr_compile_list(host->plan, op->plan_node->exprs, dedup->key_count, op->inputs[0], host->budget, dedup->exprs,
                          err));
    *ret_op = op;
out:
    if (status != STATUS_OK) dedup_close(op);
    return status;
}
