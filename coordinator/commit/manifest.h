// Manifests: the record of one prepared epoch, as an immutable counted object, and as a checked file in the state
// store.
#ifndef FORESET_COMMIT_MANIFEST_H
#define FORESET_COMMIT_MANIFEST_H

#include "common/base/text.h"
#include "common/manifest/manifest_file.h"
#include "common/manifest/manifest_list.h"
#include "coordinator/commit/manifest_split.h"
#include "coordinator/meta/meta_store.h"

struct manifest {
    _Atomic uint32_t refs;
    Foreset__Manifest *body; // whole: with the elements of its lists' parts
    void *packed;            // as stored: without them
    size_t packed_size;
    uint32_t format;             // of its file: manifest_file_format
    struct manifest_parts parts; // of its own, which its put stores before it; none of one that was read
    struct meta_record record;   // epoch, generation, hash of packed, name
};

// Packs and takes a deep copy; the message is borrowed. Names are drawn with random. previous: whose parts of lists it
// may name again, which must be stored before it; NULL: none. FAIL_PIPELINE: larger than a manifest may be
// (MANIFEST_BYTES_MAX).
enum status manifest_create(const Foreset__Manifest *body, const struct manifest *previous, struct random *random,
                            struct manifest **ret_manifest, struct error *err) MUST_USE;
struct manifest *manifest_ref(struct manifest *manifest);
void manifest_unref(struct manifest *manifest); // NULL allowed

// The file: magic, packed message, its hash.
void manifest_encode(const struct manifest *manifest, struct text *ret_bytes);
// STATUS_CORRUPT says what is wrong. record: what the file must be (NULL: whatever it is; the record is then taken from
// it and from name). The body is as stored: manifest_list_expand makes it whole.
enum status manifest_decode(const void *bytes, size_t size, const char *name, const struct meta_record *record,
                            struct manifest **ret_manifest, struct error *err) MUST_USE;

// Blocking. Puts its parts alone.
enum status manifest_put_parts(const struct manifest *manifest, struct objstore *state, struct seam *seam,
                               struct error *err) MUST_USE;
// Blocking. Puts its parts, then the manifest, each absent until now; an unknown outcome is settled by reading.
enum status manifest_put(const struct manifest *manifest, struct objstore *state, struct seam *seam,
                         struct error *err) MUST_USE;
// Blocking. Reads and checks the manifest that a record names; retries while the store does not answer.
enum status manifest_get(struct objstore *state, const struct meta_record *record, struct seam *seam,
                         struct manifest **ret_manifest, struct error *err) MUST_USE;
// The same with other parts of lists than the store's, or fewer (cleaning).
enum status manifest_get_parts(struct objstore *state, const struct meta_record *record, struct seam *seam,
                               const struct manifest_list_reader *reader, struct manifest **ret_manifest,
                               struct error *err) MUST_USE;

const Foreset__TableEpoch *manifest_table(const struct manifest *manifest, uint32_t table); // NULL: not in it
// Whether the epoch changes the table's log, or its dead letters'.
bool manifest_commits(const Foreset__TableEpoch *table);
bool manifest_commits_dead_letters(const Foreset__TableEpoch *table);

// The record of the manifest before, as this one names it. False: it is the first.
bool manifest_previous(const struct manifest *manifest, struct meta_record *ret_record);

// Objects of the state store, which is ours alone: "manifests/<epoch>-<generation>-<uuid>.pb",
// "state/part-<epoch>-<generation>-…"; false if it is not such a name.
bool manifest_name_parse(const char *name, uint64_t *ret_epoch, uint64_t *ret_generation);
bool manifest_part_parse(const char *key, const char *prefix, uint64_t *ret_epoch, uint64_t *ret_generation);
// Data files of a table, where others write too: whole names of ours alone,
// "part-<epoch>-<generation>-<incarnation>-<lane>-<sequence>-<uuid>.<codec>.parquet" and
// "rest-<epoch>-<generation>-<uuid>.<codec>.parquet" (a repair's), in any folder. What is not one is not ours: never
// deleted, never counted to an epoch.
bool manifest_data_parse(const char *path, uint64_t *ret_epoch, uint64_t *ret_generation);

#endif
