// How far the leader has planned, per source and partition, and the cut of the next epoch's ranges (P4, P6, P7).
#ifndef FORESET_EPOCH_EPOCH_POSITION_H
#define FORESET_EPOCH_EPOCH_POSITION_H

#include "common/base/text.h"
#include "coordinator/pipeline/catalog.h"

struct epoch_position_partition {
    char *topic;
    char topic_id[CATALOG_TOPIC_ID]; // "": unknown
    int32_t partition;
    int64_t next;
    int64_t end;       // of the newest offer
    int64_t gap_from;  // failOnDataLoss => false: offsets that are gone, until the next range; -1: none
    bool replaced;     // its evidence was found to be another record's: begins at its first offset
    bool met;          // in the newest offer
    bool has_evidence; // to be checked at the first range after a recovery (P7)
    Foreset__Evidence evidence;
};
struct epoch_position_seen {
    uint64_t hash;
    int64_t time_us;
};
struct epoch_position_source {
    uint32_t node;
    const Foreset__Source *plan;
    bool fail_on_data_loss;
    uint64_t rows_max, files_max; // per epoch; 0: no limit set
    VECTOR(struct epoch_position_partition) partitions;
    VECTOR(struct epoch_position_seen) seen; // files planned, ascending by hash
    VECTOR(struct catalog_file) waiting;     // files of the newest offer, not planned yet
    unsigned resets;                         // partitions that an offer moved back or took away
    struct text note;                        // failOnDataLoss => false: what an offer showed to be lost, in lines
    int64_t horizon_us;                      // FILES: older ones are not looked at any more
    int64_t newest_us;
    uint64_t below, below_said; // FILES: files of the newest offer below the horizon; of them told to the user
    const Foreset__Fill *fill;  // TABLE: borrowed; NULL: nothing to read
    size_t fill_next, fill_end; // of its lines: the next to plan; while an epoch is cut, the end of its share
};
// How far an epoch of an attempt that failed behind it had been planned: the next attempt cuts there again, so that the
// epoch is decided without the rows that failed.
struct epoch_position_bound {
    uint64_t epoch;
    Foreset__Range **ranges; // that read something; of partitions `to`, of files how many
    size_t count;
};
struct epoch_position {
    struct epoch_position_source *sources;
    size_t count;
    const struct epoch_position_bound *bound; // of the next cut; borrowed; NULL: none
};
enum status epoch_position_init(struct epoch_position *position, const Foreset__Plan *plan,
                                const Foreset__Manifest *from, struct error *err) MUST_USE;
// A TABLE source goes on with its fill where the manifest says. The fill is borrowed.
void epoch_position_fill(struct epoch_position *position, uint32_t node, const Foreset__Fill *fill,
                         const Foreset__Manifest *from);
void epoch_position_unfill(struct epoch_position *position);           // all is planned: lets go of them
bool epoch_position_is_filling(const struct epoch_position *position); // something of a fill waits to be planned
void epoch_position_deinit(struct epoch_position *position);

// The record that this evidence names is another one now (P7): does the partition begin with that evidence, the next
// offer is of another topic.
void epoch_position_replaced(struct epoch_position *position, uint32_t node, const char *topic, int32_t partition,
                             const Foreset__Evidence *evidence);

// Takes an offer in: new partitions, new ends, new files. Fails where the topic was truncated or rows are gone (P7).
enum status epoch_position_offer(struct epoch_position_source *source, const struct catalog_offer *offer,
                                 struct error *err) MUST_USE;
// Available-now: reads no further than these ends, which were fixed when the run began.
struct epoch_position_end {
    char *topic;
    int32_t partition;
    int64_t end;
};
void epoch_position_end_at(struct epoch_position_source *source, const struct epoch_position_end *ends, size_t count);
bool epoch_position_has_input(const struct epoch_position *position);
// Rows (and files) that wait to be planned.
uint64_t epoch_position_lag(const struct epoch_position *position);
// Some partition begins in the middle of what exists: its start must be decided before rows come (startingOffsets
// latest).
bool epoch_position_anchors(const struct epoch_position *position);

struct epoch_position_cut {
    Foreset__Range **ranges; // every known partition; those that read nothing have from = to. In the arena
    size_t count;
    uint64_t rows, files;
    uint64_t fill_rows; // in the files of fills, as far as they are known: for bounds, as nothing counts on them
    bool exhausted;     // nothing waits behind it
    bool limited;
};
// Cuts at most rows_max rows from sources without a limit of their own, shared out by lag, and moves the position on.
// While there is something to fill, only that is cut (P23): what its table's earlier epochs wrote, whole epochs.
void epoch_position_take(struct epoch_position *position, uint64_t rows_max, struct arena *arena,
                         struct epoch_position_cut *ret_cut);
// An epoch that reads nothing: all partitions with from = to.
void epoch_position_take_nothing(struct epoch_position *position, struct arena *arena,
                                 struct epoch_position_cut *ret_cut);

#endif
