// What the kv store holds of a pipeline: its id, leader, generation, the records of decided epochs, the published mark.
// All functions block: jobs only. A write whose outcome is unknown is settled inside, by a linearizable read.
#ifndef FORESET_META_META_STORE_H
#define FORESET_META_META_STORE_H

#include "common/kv/kv.h"
#include "common/rpc/seam.h"
#include "coordinator/meta/lease.h"

#define META_NAME_SIZE   128
#define META_KEY_SIZE    320
#define META_LEADER_SIZE 256
#define META_DECIDE_MAX  8 // epochs in one transaction
#define META_REPLACE_MAX 16

// A decided epoch: which manifest it is. epoch 0: none yet.
struct meta_record {
    uint64_t epoch, generation, hash;
    char name[META_NAME_SIZE]; // of the body in the state store
};

struct meta_store {
    struct kv *kv;
    struct seam *seam;
    struct lease *lease;
    char prefix[META_KEY_SIZE - 64]; // "foreset/pipelines/<name>/"
    bool format_read;                // and this program can read what is below it
};
enum status meta_store_init(struct meta_store *meta, struct kv *kv, struct seam *seam, struct lease *lease,
                            const char *pipeline, struct error *err) MUST_USE;

// The same below any other prefix, which ends in '/'.
void meta_store_init_at(struct meta_store *meta, struct kv *kv, struct seam *seam, struct lease *lease,
                        const char *prefix);

// Stands for election under `name` (unique per incarnation). *ret_won false: another leads. RETRY errors: ask again.
// STATUS_UNSUPPORTED, STATUS_CORRUPT: a newer program wrote what is there, or its stamp is damaged; nothing is written.
enum status meta_store_campaign(struct meta_store *meta, const char *name, bool *ret_won, struct error *err) MUST_USE;
// Who leads, in the words of its campaign; "": nobody.
enum status meta_store_leader(struct meta_store *meta, char ret_name[META_LEADER_SIZE], struct error *err) MUST_USE;
// One put or delete that happens only while we lead. Repeated when its outcome is unknown: `op` must not mind.
// A try whose answer was lost happens no more once a later call has succeeded.
enum status meta_store_as_leader(struct meta_store *meta, const struct kv_op *op, struct error *err) MUST_USE;
// Gives the lease back, if we hold one: the next leader need not wait for it to run out. Nothing more may be asked.
void meta_store_resign(struct meta_store *meta);
// The process that leads as `name` has ended: gives its lease back for it. `process`: the name of a process, which
// leads under some incarnation of its own ("<name>-<16 digits>"). Does another lead, or nobody: nothing. Was that
// wrong, the deposed one is fenced (P3): its next transaction compares in vain.
enum status meta_store_depose(struct meta_store *meta, const char *name, bool process, struct error *err) MUST_USE;
// Renews the lease; ERROR_FENCED if it is gone.
enum status meta_store_keepalive(struct meta_store *meta, struct error *err) MUST_USE;

// ret_id "" if the pipeline does not exist yet.
enum status meta_store_id(struct meta_store *meta, char ret_id[37], struct error *err) MUST_USE;
// First writer wins; ret_id is the one that holds.
enum status meta_store_create(struct meta_store *meta, const char *id, char ret_id[37], struct error *err) MUST_USE;
// Raises the generation above itself and above `floor`; only the leader can (P2).
enum status meta_store_raise(struct meta_store *meta, uint64_t floor, uint64_t *ret_generation,
                             struct error *err) MUST_USE;

enum status meta_store_last(struct meta_store *meta, struct meta_record *ret_record, struct error *err) MUST_USE;
enum status meta_store_decided(struct meta_store *meta, uint64_t epoch, struct meta_record *ret_record,
                               struct error *err) MUST_USE;
// The one commit point (P18): leader key is mine, generation is mine, last decided is `previous` ⇒ records, last = the
// greatest. ERROR_FENCED if that does not hold any more.
enum status meta_store_decide(struct meta_store *meta, uint64_t generation, const struct meta_record *previous,
                              const struct meta_record *records, size_t count, struct error *err) MUST_USE;
// A replay (P26): other manifests for epochs that are decided: leader key is mine, generation is mine, last decided is
// `old` ⇒ these records, last = the greatest, which is of old's epoch.
enum status meta_store_replace(struct meta_store *meta, uint64_t generation, const struct meta_record *old,
                               const struct meta_record *records, size_t count, struct error *err) MUST_USE;
// Records written outside the protocol's run: what --adopt found. Only where nothing is decided.
enum status meta_store_adopt(struct meta_store *meta, const char *id, const struct meta_record *record,
                             struct error *err) MUST_USE;
enum status meta_store_published(struct meta_store *meta, uint64_t *ret_epoch, struct error *err) MUST_USE;
// Moves the mark up to `epoch` and forgets records older than `keep` epochs before it (P20).
enum status meta_store_publish(struct meta_store *meta, uint64_t epoch, uint64_t keep, struct error *err) MUST_USE;
// A linearizable proof of leading, for deletes (P24).
enum status meta_store_leads(struct meta_store *meta, struct error *err) MUST_USE;

// Tables that a person gave up (--abandon-table): nothing is put into them any more.
enum status meta_store_abandon(struct meta_store *meta, const char *table, struct error *err) MUST_USE;
enum status meta_store_abandoned(struct meta_store *meta, const char *table, bool *ret_abandoned,
                                 struct error *err) MUST_USE;

#endif
