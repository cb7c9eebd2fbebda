// The leader of a flow under test: reports of all workers as one, and the manifest (see the header). It fails by
// assertion.
#include "tests/unit/worker/lane/flow_reports.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/hash.h"

static bool part_has(const Foreset__SnapshotPart *part, uint32_t shard)
{
    if (shard < part->shard_first || shard > part->shard_last) return false;
    return !part->has_shards || (part->shards.data[shard / 8] >> (shard % 8) & 1);
}

// Parts whose every shard newer bases cover are dead.
static void drop_dead_parts(struct flow *flow)
{
    size_t left = 0;
    for (size_t i = 0; i < flow->parts.count; i++) {
        const Foreset__SnapshotPart *part = flow->parts.items[i];
        bool dead = true;
        for (uint32_t shard = 0; shard < flow->plan.shards && dead; shard++) {
            bool covered = !part_has(part, shard);
            for (size_t k = i + 1; k < flow->parts.count && !covered; k++) {
                const Foreset__SnapshotPart *newer = flow->parts.items[k];
                covered = newer->is_base && newer->epoch > part->epoch && part_has(newer, shard) &&
                          strcmp(newer->operator_, part->operator_) == 0;
            }
            dead = covered;
        }
        if (!dead) flow->parts.items[left++] = flow->parts.items[i];
    }
    flow->parts.count = left;
}

static void take_parts(struct flow *flow, const struct dataflow_event *event, uint32_t number)
{
    struct dataflow_frozen *frozen = event->frozen;
    struct error err;
    assert_int_equal(dataflow_frozen_complete(frozen, &err), STATUS_OK);
    for (size_t i = 0; i < frozen->part_count; i++) {
        Foreset__SnapshotPart *part = &frozen->parts[i].meta;
        char key[64];
        assert_int_equal(dataflow_part_encode(&frozen->parts[i], &err), STATUS_OK);
        part->size_bytes = frozen->parts[i].size;
        snprintf(key, sizeof key, "part-%llu-%u-%zu", (unsigned long long)event->epoch, number, i);
        part->checksum = hash_64(frozen->parts[i].bytes->data, frozen->parts[i].size, 0);
        memory_free(part->key);
        part->key = memory_strdup(key);
        assert_int_equal(objstore_put(flow->state, key, frozen->parts[i].bytes->data, frozen->parts[i].size, &err),
                         STATUS_OK);
        vector_push(&flow->parts, part);
    }
}

#define APPEND(flow, to, from, field)                                                                                  \
    append((flow), (void ***)&(to)->field, &(to)->n_##field, (void **)(from)->field, (from)->n_##field)
static void append(struct flow *flow, void ***items, size_t *count, void **more, size_t more_count)
{
    void **grown = arena_calloc(&flow->arena, *count + more_count + 1, sizeof *grown);
    if (*count) memcpy(grown, *items, *count * sizeof *grown);
    if (more_count) memcpy(grown + *count, more, more_count * sizeof *grown);
    *items = grown;
    *count += more_count;
}

static void merge_maxima(Foreset__TableEpoch *to, const Foreset__TableEpoch *from)
{
    for (size_t i = 0; i < from->n_maxima; i++) {
        bool found = false;
        for (size_t k = 0; k < to->n_maxima; k++) {
            if (to->maxima[k]->node != from->maxima[i]->node) continue;
            found = true;
            if (from->maxima[i]->event_time_us > to->maxima[k]->event_time_us) to->maxima[k] = from->maxima[i];
        }
        if (!found) to->maxima[to->n_maxima++] = from->maxima[i];
    }
}

static void merge_table(struct flow *flow, Foreset__TableEpoch *to, const Foreset__TableEpoch *from)
{
    assert_int_equal(to->takes_part, from->takes_part);
    assert_int_equal(to->publishes, from->publishes);
    assert_int_equal(to->batch, from->batch);
    assert_true(to->late_us == from->late_us && to->watermark_us == from->watermark_us);
    to->rows_in += from->rows_in;
    to->rows_out += from->rows_out;
    to->rows_late += from->rows_late;
    to->rows_dead += from->rows_dead;
    to->content_hash += from->content_hash;
    APPEND(flow, to, from, adds);
    APPEND(flow, to, from, removes);
    APPEND(flow, to, from, open);
    APPEND(flow, to, from, dead_letters);
    merge_maxima(to, from);
}

// All workers' reports as one, as the leader merges them.
static Foreset__Prepared *merge_reports(struct flow *flow, struct dataflow_event *const *events)
{
    Foreset__Prepared *merged = arena_calloc(&flow->arena, 1, sizeof *merged);
    *merged = *events[0]->frozen->prepared;
    merged->tables = arena_calloc(&flow->arena, merged->n_tables + 1, sizeof *merged->tables);
    for (size_t t = 0; t < merged->n_tables; t++) {
        const Foreset__TableEpoch *first = events[0]->frozen->prepared->tables[t];
        Foreset__TableEpoch *table = merged->tables[t] = arena_calloc(&flow->arena, 1, sizeof *table);
        *table = *first;
        table->maxima = arena_calloc(&flow->arena, flow->plan.n_nodes + 1, sizeof *table->maxima);
        if (first->n_maxima) memcpy(table->maxima, first->maxima, first->n_maxima * sizeof *table->maxima);
        for (uint32_t i = 1; i < flow->workers; i++) merge_table(flow, table, events[i]->frozen->prepared->tables[t]);
    }
    for (uint32_t i = 1; i < flow->workers; i++) APPEND(flow, merged, events[i]->frozen->prepared, ranges);
    return merged;
}

void flow_reports_take(struct flow *flow, struct dataflow_event **events)
{
    flow->prepared = merge_reports(flow, events);
    for (uint32_t i = 0; i < flow->workers; i++) {
        take_parts(flow, events[i], i);
        vector_push(&flow->kept, events[i]->frozen);
        events[i]->frozen = NULL;
    }
    drop_dead_parts(flow);
    flow->manifest.epoch = events[0]->epoch;
    flow->manifest.tables = flow->prepared->tables;
    flow->manifest.n_tables = flow->prepared->n_tables;
    flow->manifest.parts = flow->parts.items;
    flow->manifest.n_parts = flow->parts.count;
}
