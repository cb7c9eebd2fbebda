// The file of a manifest in the state store: magic, packed message, the message's hash. Read by name and hash, as a
// decision or an Assign gives them.
#ifndef FORESET_MANIFEST_MANIFEST_FILE_H
#define FORESET_MANIFEST_MANIFEST_FILE_H

#include "common/base/text.h"
#include "common/objstore/objstore.h"
#include "common/rpc/seam.h"
#include "proto/manifest.pb-c.h"

#define MANIFEST_BYTES_MAX  (256u << 20)
#define MANIFEST_PACKED_MAX (MANIFEST_BYTES_MAX - 16u) // of the message in the file

// Which manifest a file must be.
struct manifest_file {
    const char *name; // in the state store
    uint64_t epoch, generation, hash;
};

// What its magic says: 1, as 0.1.0 knows it; 2: it may name parts of lists, which 0.1.0 would pass over.
uint32_t manifest_file_format(const Foreset__Manifest *manifest);
void manifest_file_encode(const void *packed, size_t size, uint64_t hash, uint32_t format, struct text *ret_bytes);
// STATUS_CORRUPT, FAIL_PIPELINE: says what is wrong; STATUS_UNSUPPORTED: a newer program wrote it. any: whatever
// manifest it is; only the name is looked at.
// ret_packed points into bytes. Free the message with foreset__manifest__free_unpacked.
enum status manifest_file_decode(const void *bytes, size_t size, const struct manifest_file *file, bool any,
                                 Foreset__Manifest **ret_manifest, const void **ret_packed, size_t *ret_packed_size,
                                 struct error *err) MUST_USE;
// Blocking. Retries while the store does not answer. STATUS_CORRUPT, FAIL_PIPELINE: gone or damaged, with its path.
enum status manifest_file_read(struct objstore *state, const struct manifest_file *file, struct seam *seam,
                               struct buffer **ret_bytes, struct error *err) MUST_USE;
// Both: reads, checks, unpacks. Parts of lists are not read: workers need nothing of them.
enum status manifest_file_get(struct objstore *state, const struct manifest_file *file, struct seam *seam,
                              Foreset__Manifest **ret_manifest, struct error *err) MUST_USE;

#endif
