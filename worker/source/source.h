// A source on one lane: reads planned ranges of one SOURCE node as batches. Non-blocking; the lane polls it.
// Contract with the lane: source_plan gives the epoch's share; poll returns batches in offset order per partition until
// every range has reached its end, then SOURCE_DONE with evidence; the next source_plan may follow at once (ranges go
// on where the last ended: one live handle, never sought or paused, P8). Prefetching beyond `to` is the source's own
// affair.
#ifndef FORESET_SOURCE_SOURCE_H
#define FORESET_SOURCE_SOURCE_H

#include "common/columnar/batch.h"
#include "proto/control.pb-c.h"

struct expr_errors; // worker/expr/expr.h

enum source_result {
    SOURCE_BATCH,   // *ret_batch is set (schema: the SOURCE node's; origin: the raw records)
    SOURCE_WAITING, // nothing there yet; poll again (the source wakes the lane's mailbox when it can, else within 10
                    // ms)
    SOURCE_DONE,    // every range of the planned epoch is read to its end
};

struct source {
    const struct source_ops *ops;
};
struct source_ops {
    void (*close)(struct source *source);
    // ranges[count] of this source for one epoch; for a partition seen for the first time (or after a recovery) `from`
    // is where reading starts and range->last the evidence to check (P7).
    enum status (*plan)(struct source *source, uint64_t epoch, Foreset__Range *const *ranges, size_t count,
                        struct error *err);
    enum status (*poll)(struct source *source, uint64_t epoch, enum source_result *ret_result, struct batch **ret_batch,
                        struct error *err);
    // After SOURCE_DONE: the evidence of each range, in the order planned; valid until the next plan.
    const Foreset__Range *const *(*evidence)(struct source *source, size_t *ret_count);
    // Rows of the batch that the last poll returned which cannot be made (their cells are null): dead letters, or the
    // pipeline fails. The lane takes the items out. NULL: the source has none.
    struct expr_errors *(*errors)(struct source *source);
    // Malformed records since the last call (files); NULL: the source decodes nothing.
    uint64_t (*malformed)(struct source *source);
};

struct source_open_args {
    const Foreset__Plan *plan;
    uint32_t node; // SOURCE node
    uint32_t lane;
    struct budget *budget;
    uint64_t queue_bytes_max;    // what its queues may take in all; it counts them in the budget
    void (*wake)(void *context); // may be called from any thread
    void *wake_context;
};
// One per kind; worker/lane/operator_table.c picks by Source.kind.
typedef enum status (*source_open)(const struct source_open_args *args, struct source **ret_source, struct error *err);
enum status kafka_source_open(const struct source_open_args *args, struct source **ret_source,
                              struct error *err) MUST_USE;
enum status files_source_open(const struct source_open_args *args, struct source **ret_source,
                              struct error *err) MUST_USE;
enum status table_source_open(const struct source_open_args *args, struct source **ret_source,
                              struct error *err) MUST_USE;

#endif
