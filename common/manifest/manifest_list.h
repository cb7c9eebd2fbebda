// Lists of a manifest that are kept in files of their own (docs/STATE.md, "Lists of a manifest"): a part's file is
// magic, packed message, the message's hash; the manifest names it with size and checksum.
#ifndef FORESET_MANIFEST_MANIFEST_LIST_H
#define FORESET_MANIFEST_MANIFEST_LIST_H

#include "common/base/text.h"
#include "common/objstore/objstore.h"
#include "common/rpc/seam.h"
#include "proto/manifest.pb-c.h"

// Where a list is in a manifest's message. SEEN: files is NULL; else seen and times_us are.
struct manifest_list_view {
    size_t *count, *times_count;
    Foreset__DataFile ***files;
    uint64_t **seen;
    int64_t **times_us;
};
typedef Foreset__ManifestList__Kind manifest_list_kind;
#define MANIFEST_LIST_KINDS 5
// False: the manifest has no such table or source.
bool manifest_list_view(const Foreset__Manifest *manifest, manifest_list_kind kind, uint32_t number,
                        struct manifest_list_view *ret_view);

void manifest_list_encode(Foreset__ManifestListFile *file, struct text *ret_bytes); // stamps it
// STATUS_CORRUPT, STATUS_UNSUPPORTED: FAIL_PIPELINE, with the part's name. Free with free_unpacked.
enum status manifest_list_decode(const void *bytes, size_t size, const Foreset__ManifestListPart *part, bool seen,
                                 Foreset__ManifestListFile **ret_file, struct error *err) MUST_USE;

// How parts are got. OK with NULL: this one is left out, and the list is not whole then.
struct manifest_list_reader {
    enum status (*read)(void *context, const Foreset__ManifestList *list, const Foreset__ManifestListPart *part,
                        struct buffer **ret_bytes, struct error *err);
    void *context;
};
// Puts the elements of the parts in front of those that the manifest holds. `lists` stays: it says where the elements
// came from. Once for a message.
enum status manifest_list_expand(Foreset__Manifest *manifest, const struct manifest_list_reader *reader,
                                 struct error *err) MUST_USE;

// Blocking. Parts from the state store; retries while it does not answer.
struct manifest_list_store {
    struct objstore *state;
    struct seam *seam;
};
enum status manifest_list_store_read(void *store, const Foreset__ManifestList *list,
                                     const Foreset__ManifestListPart *part, struct buffer **ret_bytes,
                                     struct error *err) MUST_USE;

#endif
