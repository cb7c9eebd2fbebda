// What travels between a data flow and its worker. Messages inside were allocated block by block with memory_alloc.
#include "worker/lane/dataflow.h"

void dataflow_frozen_destroy(struct dataflow_frozen *frozen)
{
    if (!frozen) return;
    if (frozen->prepared) foreset__prepared__free_unpacked(frozen->prepared, NULL);
    for (size_t i = 0; i < frozen->part_count; i++) {
        memory_free(frozen->parts[i].meta.operator_);
        memory_free(frozen->parts[i].meta.key);
        memory_free(frozen->parts[i].meta.shards.data);
        buffer_unref(frozen->parts[i].bytes);
    }
    memory_free(frozen->parts);
    memory_free(frozen);
}

void dataflow_event_destroy(struct dataflow_event *event)
{
    if (!event) return;
    if (event->read_done) foreset__read_done__free_unpacked(event->read_done, NULL);
    dataflow_frozen_destroy(event->frozen);
    memory_free(event);
}
