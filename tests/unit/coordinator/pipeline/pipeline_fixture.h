// A pipeline on a fake seam: its time, its jobs, its network, its source and its one worker are the test's. kv store,
// state and tables are real directories.
#ifndef FORESET_TEST_PIPELINE_FIXTURE_H
#define FORESET_TEST_PIPELINE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/vector.h"
#include "coordinator/pipeline/pipeline.h"
#include "proto/control.pb-c.h"

#define SECOND     1000000ll
#define PARTITIONS 2
#define TRIGGER_US (10 * SECOND)
#define WORKER     7u // its peer number

struct planned { // an EpochPlan as the worker got it
    uint64_t epoch, generation;
    uint64_t rows;
    bool no_data, last, publishes; // publishes: of t0
    int64_t timestamp_us;
    int64_t at_us, from[PARTITIONS];
};
struct post { // on its way to the pipeline
    struct text bytes;
};

struct pipeline_fixture {
    char folder[64];
    struct arena arena;
    int64_t now_us;
    int64_t wall_shift_us; // how far the wall clock was set
    struct clock clock;
    struct random random;
    struct seam seam;
    VECTOR(struct seam_job *) jobs;
    bool hold_jobs; // no job runs
    struct kv *kv;
    struct objstore *state;
    // The plan: SOURCE 0 → TABLE 1 (t0, append); with a watermark also WATERMARK 2 → TABLE 3 (t1, append, stateful).
    Foreset__Plan plan;
    Foreset__Node nodes[4], *node_list[4];
    Foreset__Source source;
    Foreset__Table tables[2], *table_list[2];
    struct pipeline_config config;
    struct pipeline *pipeline;
    struct seam_role role;
    // The source.
    int64_t lows[PARTITIONS], ends[PARTITIONS];
    enum error_class source_class; // what a poll fails with …
    bool source_fails;             // … if it does
    unsigned polls, verifies;
    enum catalog_evidence evidence;  // what the record that was read last is now …
    bool verify_fails, silent_topic; // … if the source says that; silent_topic: the ranges carry no evidence
    int64_t reported[PARTITIONS];    // up to where it was told that all is published
    bool reported_last;              // it was told that nothing follows
    // The worker.
    uint64_t rows_in;     // read, as its heartbeats say
    bool mute;            // says nothing at all
    bool hold_read;       // keeps its ReadDone back
    bool hold_prepared;   // keeps its Prepared back
    uint64_t fails_epoch; // says Failed of this epoch instead of Prepared; 0: of none
    enum error_class fails_class;
    size_t piece_bytes;                               // what is longer goes in pieces; 0: none is that long
    unsigned pieces;                                  // so many went. The one with these numbers, from 1, 0: none:
    unsigned lost_piece, repeated_piece, stale_piece; // is lost; comes twice; comes as one of an earlier attempt before
    uint64_t generation, sequence, peer_incarnation;
    unsigned assigns, aborts;
    bool stopped;       // it was told that the pipeline is over
    int64_t maximum_us; // greatest event time, with a watermark
    VECTOR(struct planned) plans;
    VECTOR(struct post) posts;
    VECTOR(struct post) held_read, held_prepared;
    // How it ended.
    bool ended;
    enum pipeline_outcome outcome;
    struct error err;
    uint64_t published; // epochs, as progress told
    unsigned notices;
};

int pipeline_fixture_setup(void **state);
int pipeline_fixture_teardown(void **state);
void pipeline_fixture_watermark(struct pipeline_fixture *fixture, int64_t delay_us); // before start
void pipeline_fixture_start(struct pipeline_fixture *fixture);
void pipeline_fixture_stop(struct pipeline_fixture *fixture); // as a crash: the next start recovers
// Lets everything happen that can, without time.
void pipeline_fixture_pump(struct pipeline_fixture *fixture);
// One job or message of it; true if there is more.
bool pipeline_fixture_step(struct pipeline_fixture *fixture);
// The oldest message that is on its way.
void pipeline_fixture_deliver(struct pipeline_fixture *fixture);
void pipeline_fixture_job(struct pipeline_fixture *fixture); // the next job alone
// Lets time pass; ends early if the pipeline does.
void pipeline_fixture_pass(struct pipeline_fixture *fixture, int64_t us);
void pipeline_fixture_drain(struct pipeline_fixture *fixture);
void pipeline_fixture_release(struct pipeline_fixture *fixture, bool read,
                              bool prepared); // what is held; holds no more
// A message of the worker, as it would say it now.
void pipeline_fixture_say(struct pipeline_fixture *fixture, Foreset__Control *control, uint64_t epoch);
// The worker says Failed; unreached, NULL or a peer number: nothing goes through to that one.
void pipeline_fixture_fail(struct pipeline_fixture *fixture, enum error_class class, const uint32_t *unreached,
                           uint64_t epoch);
uint64_t pipeline_fixture_rows(const struct pipeline_fixture *fixture); // planned since the last Assign
// Epochs that table t0's log holds: the txn of its last commit; 0: none.
uint64_t pipeline_fixture_txn(struct pipeline_fixture *fixture);

#endif
