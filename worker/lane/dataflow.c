// What travels between a data flow and its worker. Messages inside were allocated block by block with memory_alloc.
#include "worker/lane/dataflow.h"

enum status dataflow_frozen_complete(struct dataflow_frozen *frozen, struct error *err)
{
    if (!frozen->late) return STATUS_OK;
    enum status status = frozen->late->ops->run(frozen->late, err);
    for (size_t i = 0; status == STATUS_OK && i < frozen->prepared->n_tables; i++) {
        Foreset__TableEpoch *table = frozen->prepared->tables[i];
        table->bytes_out = 0;
        for (size_t k = 0; k < table->n_adds; k++) table->bytes_out += table->adds[k]->size_bytes;
    }
    return status;
}

enum status dataflow_part_encode(struct dataflow_part *part, struct error *err)
{
    return part->bytes ? STATUS_OK : part->late->encode(part->late, &part->bytes, &part->size, err);
}

void dataflow_part_forget(struct dataflow_part *part)
{
    if (!part->late) return;
    buffer_unref(part->bytes);
    part->bytes = NULL;
}

void dataflow_frozen_destroy(struct dataflow_frozen *frozen)
{
    if (!frozen) return;
    if (frozen->prepared) foreset__prepared__free_unpacked(frozen->prepared, NULL);
    for (size_t i = 0; i < frozen->part_count; i++) {
        memory_free(frozen->parts[i].meta.operator_);
        memory_free(frozen->parts[i].meta.key);
        memory_free(frozen->parts[i].meta.shards.data);
        buffer_unref(frozen->parts[i].bytes);
        if (frozen->parts[i].late) frozen->parts[i].late->destroy(frozen->parts[i].late);
    }
    if (frozen->late) frozen->late->ops->destroy(frozen->late);
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
