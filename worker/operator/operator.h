// An operator: one node of the plan on one lane (P11). It is driven by its lane alone, so nothing in it is locked.
//
// Life of an epoch, in this order:
//   begin       once, before the epoch's first batch or marker
//   on_batch    any number of times, by input; what it makes goes to operator_emit at once or at the marker
//   on_marker   once, when the marker of every input is there: flush partial results, emit what W makes due, evict
//   (the lane forwards the marker)
//   freeze      the changes of state since the last freeze, and for a TABLE its files
// Rows of a later epoch are never given before freeze of this one. A failure of any call fails the lane; the operator
// is then only closed. Batches are borrowed for the call; an operator that keeps one counts it.
#ifndef FORESET_OPERATOR_OPERATOR_H
#define FORESET_OPERATOR_OPERATOR_H

#include "common/base/random.h"
#include "common/base/vector.h"
#include "common/columnar/batch.h"
#include "common/objstore/objstore.h"
#include "proto/control.pb-c.h"

struct operator;
struct file_sink_rest; // worker/sink/file_sink.h
struct snapshot_late;  // worker/snapshot/snapshot_part.h
struct expr_errors;
struct expr_context;
struct expr_bound;

// Where a table's clock stands (P10, P12). L, W, timestamp and number are those of the batch, which may span epochs.
struct operator_epoch {
    uint64_t epoch;
    int64_t batch;        // number of the table's batch that this epoch's rows belong to
    int64_t late_us;      // L
    int64_t timestamp_us; // current_timestamp()
};
struct operator_marker {
    uint64_t epoch;
    int64_t batch;
    int64_t watermark_us; // W
    bool takes_part;      // SQL.md, Batches 2
    bool publishes;       // the batch ends here; false also where there is none
    bool no_data;
    int64_t timestamp_us; // planned time of the epoch
};

// One snapshot part's worth of changes, in the part format (worker/snapshot).
struct operator_part {
    struct buffer *bytes;       // NULL: `late` makes them
    struct snapshot_late *late; // taken by whoever takes the part
    size_t size_bytes;
    uint64_t entries;
    bool is_base;
};
// What a TABLE operator made in an epoch, this lane's share. The strings are the protobuf's own (malloc).
struct operator_table {
    VECTOR(Foreset__DataFile *) files;
    VECTOR(struct file_sink_rest) rest; // of files: what is completed off the lane
    VECTOR(Foreset__DataFile *) dead_letters;
    VECTOR(Foreset__DataFile *) open; // update mode: new open files of the slices below
    VECTOR(uint64_t) slices;          // update mode: keys of the slices that were touched
    uint64_t rows_out, bytes_out;
    uint64_t content_hash; // complete mode: order-free
    struct text rows;      // FORESET_RECORD: rows as JSON, comma separated
};
struct operator_frozen {
    VECTOR(struct operator_part) parts;
    struct operator_table *table; // TABLE only
    uint64_t entries;             // of the state, alive
};

// Counted by operators, collected per table and epoch by the lane.
struct operator_counts {
    uint64_t rows_late, rows_dead, rows_malformed, rows_violated;
    uint64_t *violations; // rows_violated by constraint of the table; NULL: none was violated
    uint64_t rows_filtered, rows_duplicate, rows_grouped, rows_expanded, rows_unaccounted, offsets_empty;
};

// What became of the rows that an operator got and neither passed on, nor counted as late or dead. The lane counts what
// goes in and out.
enum operator_difference {
    OPERATOR_PASSES_ALL, // no row goes missing
    OPERATOR_FILTERS,
    OPERATOR_DROPS_DUPLICATES,
    OPERATOR_GROUPS,      // what it passes on are no rows of its input
    OPERATOR_COUNTS_ITSELF // or makes rows of another kind
};

#define OPERATOR_NO_SLOT UINT32_MAX
// What the lane gives its operators.
struct operator_host {
    const Foreset__Plan *plan;
    const Foreset__Manifest *from; // the manifest that state comes from; NULL: none
    uint32_t lane, lanes;          // numbered over all workers that share the pipeline
    const uint32_t *shard_lanes;   // by shard: the lane that owns it
    uint32_t *shard_slots;         // by shard: its place among this lane's shards; elsewhere's: OPERATOR_NO_SLOT
    uint32_t shard_count;          // of this lane
    uint64_t generation, incarnation, hash_seed;
    struct budget *budget;        // batches, writers
    struct expr_bound *bound;     // of what rows make of themselves; NULL: none
    struct budget *state_budget;  // state tables
    struct budget *writer_budget; // open files
    struct random *random;        // names of files
    bool record;                  // FORESET_RECORD is set: TABLE operators keep their rows as JSON
    struct objstore *(*table_store)(void *context, uint32_t table, bool dead_letters);
    void *store_context;
    bool rebase;         // state was loaded from very many parts: the next freeze writes bases
    const bool *rewrite; // by table, update mode: open files of another routing stand; the next publication replaces
                         // every one
    void *lane_context;
    enum status (*emit)(struct operator* op, struct batch *batch, struct error *err);
    // Rows whose evaluation raised: to the dead letters of op's table, in the epoch that op is in.
    enum status (*dead)(struct operator* op, const struct batch *batch, const struct expr_errors *errors,
                        struct error *err);
    void (*maximum)(struct operator* op, int64_t event_time_us); // WATERMARK: greatest event time of the epoch
    enum status (*send)(struct operator* op, uint32_t lane, struct batch *batch, struct error *err); // EXCHANGE
    // DEDUP, to another worker's lane that asked: of `count` keys those at rows[passed] (rising) had not been seen.
    enum status (*answer)(struct operator* op, uint32_t lane, const uint32_t *rows, uint32_t passed, uint32_t count,
                          struct error *err);
};

struct operator_record { // of a snapshot part
    uint32_t shard;
    struct slice key;
    struct slice value;
    bool removed;
};

struct operator_ops {
    enum operator_difference difference;
    void (*close)(struct operator* op);                           // frees it; also half-opened
    enum status (*begin)(struct operator* op, struct error *err); // op->epoch is set; NULL: nothing to do
    enum status (*on_batch)(struct operator* op, uint32_t input, struct batch *batch, struct error *err);
    enum status (*on_marker)(struct operator* op, const struct operator_marker *marker,
                             struct error *err); // NULL: nothing
    // W as operators behind see it (SQL.md, Batches 4); NULL: unchanged.
    int64_t (*output_watermark)(struct operator* op, int64_t watermark_us);
    enum status (*freeze)(struct operator* op, struct operator_frozen *frozen, struct error *err); // NULL: no state
    // Loading, before the first begin or between two epochs: parts oldest first, only shards that came; a base's shards
    // are cleared before it. load_end: `batch` is the table's unfinished batch (-1: none), evicted_us the W up to which
    // the state had been evicted. NULL: no state.
    enum status (*load)(struct operator* op, const struct operator_record *record, struct error *err);
    void (*load_clear)(struct operator* op, const uint8_t *shards); // a set (worker/exchange/exchange_routing.h)
    enum status (*load_end)(struct operator* op, int64_t batch, int64_t evicted_us, struct error *err);
    void (*rerouted)(struct operator* op); // the host's lanes and shards are others now; NULL: nothing hangs on them
};

struct operator
{
    const struct operator_ops *ops;
    struct operator_host *host;
    uint32_t node; // index into plan->nodes
    const Foreset__Node *plan_node;
    const struct type *schema;  // of the output
    const struct type **inputs; // schema of each input
    struct operator_epoch epoch;
    struct operator_counts counts; // since the last marker; the lane takes and clears them
    bool errors_fail;     // a row that raises fails the pipeline: pipeline.on_error = fail, or above an aggregate
    bool above_aggregate; // an AGGREGATE_FINAL of the same table stands below
    void *lane_node;      // the lane's own
};

// Fills the common part; `op` is the first member of the operator's own struct.
enum status operator_init(struct operator* op, const struct operator_ops *ops, struct operator_host *host,
                          uint32_t node, struct error *err) MUST_USE;
void operator_deinit(struct operator* op);
static inline MUST_USE enum status operator_emit(struct operator* op, struct batch *batch, struct error *err)
{
    return op->host->emit(op, batch, err);
}
// Settles the rows that raised: fails, or sends them to the dead letters and gives the batch without them. Clears
// errors. *ret_batch is counted; NULL if no row is left.
enum status operator_settle(struct operator* op, struct batch *batch, struct expr_errors *errors,
                            struct batch **ret_batch, struct error *err) MUST_USE;
// Gives a batch to on_batch; one that needs more memory than a batch may take is given again in halves, and a row that
// is too large alone is settled as one that raised. An operator evaluates before it does anything else, so that a batch
// given again is given once.
enum status operator_give(struct operator* op, uint32_t input, struct batch *batch, struct error *err) MUST_USE;
// What on_batch evaluates expressions over the batch with.
struct expr_context operator_context(const struct operator* op, const struct batch *batch, struct expr_errors *errors);
// "<table>/<name>": what snapshot parts are kept under. Static text of the plan's life, made in operator_init.
const char *operator_name(const struct operator* op, struct text *text);
const Foreset__Table *operator_table_of(const struct operator* op);
uint64_t operator_random_seed(const struct operator* op); // for rand() and uuid(): per (epoch, lane, node)
void operator_frozen_deinit(struct operator_frozen *frozen);

// One opener per kind; worker/lane/operator_table.c picks by Node.kind.
typedef enum status (*operator_open)(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                     struct error *err);
enum status filter_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                 struct error *err) MUST_USE;
enum status project_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                  struct error *err) MUST_USE;
enum status watermark_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                    struct error *err) MUST_USE;
enum status window_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                 struct error *err) MUST_USE;
enum status dedup_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                struct error *err) MUST_USE;
enum status partial_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                  struct error *err) MUST_USE;
enum status final_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                struct error *err) MUST_USE;
enum status pass_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                               struct error *err) MUST_USE;
enum status sort_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                               struct error *err) MUST_USE;
enum status limit_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                struct error *err) MUST_USE;
enum status exchange_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                   struct error *err) MUST_USE;
enum status table_operator_open(struct operator_host *host, uint32_t node, struct operator** ret_op,
                                struct error *err) MUST_USE;

// What a lane asks with, whose DEDUP over the same columns does not own the keys: hashes, and event times where they
// expire. A batch of this type, tagged with the asking lane + 1, is answered (host.answer) instead of passed on.
const struct type *dedup_operator_keys_type(const struct operator* op);
enum status dedup_operator_keys(struct operator* op, const struct batch *rows, struct batch **ret_keys,
                                struct error *err) MUST_USE;

// Rows of `epoch` that raised, for the table whose TABLE operator this is; any operator of the table on the same lane.
enum status table_operator_dead(struct operator* op, uint64_t epoch, int64_t failed_at_us, const struct batch *batch,
                                const struct expr_errors *errors, struct error *err) MUST_USE;

#endif
