// One assignment of a worker: the plan it runs, its stores and its data flow. Made at Assign, gone after Abort or the
// next Assign; never used again for another generation (P2).
#ifndef FORESET_WORKER_SESSION_H
#define FORESET_WORKER_SESSION_H

#include <pthread.h>

#include "common/rpc/control_pieces.h"
#include "worker/worker.h"

#define SESSION_NAME_SIZE 64 // longer names are cut

struct session_table {
    struct objstore *data;
    struct objstore *dead_letters; // NULL until a lane asks for it
};
struct session {
    const struct worker_config *config;
    struct seam *seam;
    Foreset__Control *assign;   // holds plan and manifest
    Foreset__Control *rerouted; // the newest Assign of a move (P22); NULL: none
    uint64_t generation, incarnation;
    uint64_t routing_version;
    struct objstore *state;
    Foreset__Manifest *from; // that the newest Assign names; NULL: from the beginning
    struct session_table *tables;
    size_t table_count;
    pthread_mutex_t lock;  // dead_letters are opened by whichever lane comes first; who the other workers are
    bool receives;         // under lock: `flow` may take frames
    unsigned receiving;    // under lock: calls of session_receive that are in `flow`
    pthread_cond_t idle;   // receiving is 0
    struct dataflow *flow; // set by session_open
    // The worker's bookkeeping, on its own thread only.
    uint64_t sequence_in, sequence_out;
    struct control_pieces pieces; // of a message that comes in pieces
    unsigned jobs;                // running
    bool opened, failed;          // failed: reported, waits for the leader
    bool closing;
    struct dataflow_counters counted; // filled by session_close: what the data flow had counted
};

// Takes the message. Only fills the struct; session_open does the work.
struct session *session_create(const struct worker_config *config, struct seam *seam, Foreset__Control *assign,
                               uint64_t incarnation);
const Foreset__Plan *session_plan(const struct session *session);
// Blocking, in a job: opens the stores, then the data flow, which loads its state.
enum status session_open(struct session *session, struct error *err) MUST_USE;
// Blocking, in a job: goes on under the routing of a later Assign of the same generation (P22). Takes the message.
enum status session_reroute(struct session *session, Foreset__Control *assign, struct error *err) MUST_USE;
// Blocking, in a job: stops the data flow, closes the stores. The worker may still look at its bookkeeping. Once or
// more.
void session_close(struct session *session);
// What the data flow counted so far. On the worker's thread; false: it is not open, or it exchanges nothing.
bool session_counters(const struct session *session, struct dataflow_counters *ret_counters);
void session_destroy(struct session *session); // on the worker's thread
// A frame of another worker, for the data flow. Any thread; dropped unless the data flow is open and knows the sender.
void session_receive(struct session *session, uint32_t peer, const void *bytes, size_t size);
// A worker of the present routing by its number; false: there is none.
bool session_peer_name(struct session *session, uint32_t peer, char ret_name[SESSION_NAME_SIZE]);
// Root of a table; opened. dead_letters: its dead letter table, opened at first use. NULL: it cannot be opened
// (logged).
struct objstore *session_table_store(void *context, uint32_t table, bool dead_letters);

#endif
