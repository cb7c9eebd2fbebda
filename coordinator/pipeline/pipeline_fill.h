// Filling a table that comes later, or reads one more, from what it reads (P23). Blocking parts of recovery, behind
// recover_run: every decided epoch is published by then, and nothing is in flight.
#ifndef FORESET_PIPELINE_PIPELINE_FILL_H
#define FORESET_PIPELINE_PIPELINE_FILL_H

#include "common/base/vector.h"
#include "coordinator/commit/recover.h"

struct pipeline_fill {
    uint32_t node; // SOURCE node of kind TABLE
    Foreset__Fill *lines;
};
struct pipeline_fills {
    VECTOR(struct pipeline_fill) items;
};
void pipeline_fills_deinit(struct pipeline_fills *fills);

// Pure. How often a table reads another one.
uint32_t pipeline_fill_reads(const Foreset__Plan *plan, uint32_t table, uint32_t read);
// Pure. What a SOURCE node of kind TABLE is to be filled from: the table that it stands for, where `old` has that table
// and its reader does not read it yet; NULL: it has nothing to be filled with.
const Foreset__Table *pipeline_fill_wanted(const Foreset__Plan *old, const Foreset__Plan *now, uint32_t node);
// Writes down what recover->last leaves a source to read, and says so in recover->last's positions. What counts is
// decided with the first epoch that reads of it; until then the next recovery does this again.
enum status pipeline_fill_begin(struct recover *recover, uint32_t node, struct error *err) MUST_USE;
// Pure. A fill that is not read to the end; NULL: none.
const Foreset__FilesPosition *pipeline_fill_unfinished(const Foreset__Manifest *manifest);
// Pure. The bytes of the object `key`, which names their hash, with `count` lines. STATUS_CORRUPT, STATUS_UNSUPPORTED.
enum status pipeline_fill_unpack(const void *bytes, size_t size, const char *key, uint64_t count,
                                 Foreset__Fill **ret_fill, struct error *err) MUST_USE;
// What recover->last has not read to the end. STATUS_CORRUPT, STATUS_NOT_FOUND: with the object's name.
enum status pipeline_fill_load(struct recover *recover, struct pipeline_fills *ret_fills, struct error *err) MUST_USE;

#endif
