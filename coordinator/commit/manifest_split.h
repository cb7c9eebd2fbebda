// What a manifest stores of its lists: parts that the manifest before names already, parts of its own, and the rest in
// the manifest itself (docs/STATE.md, "Lists of a manifest").
#ifndef FORESET_COMMIT_MANIFEST_SPLIT_H
#define FORESET_COMMIT_MANIFEST_SPLIT_H

#include "common/base/random.h"
#include "common/base/text.h"
#include "common/base/vector.h"
#include "proto/manifest.pb-c.h"

#define MANIFEST_SPLIT_INLINE    (64u << 10)  // bytes of a list in the manifest itself
#define MANIFEST_SPLIT_OWN       (16u << 20)  // the same of what an epoch publishes: it does not grow with history
#define MANIFEST_SPLIT_PART_MAX  (128u << 20) // bytes that one part takes
#define MANIFEST_SPLIT_PARTS_MAX 64           // parts of a list

struct manifest_part { // a file that the manifest names and that its put stores first
    char *key;
    struct text bytes;
};
struct manifest_parts {
    VECTOR(struct manifest_part) items;
};
void manifest_parts_deinit(struct manifest_parts *parts);

// *ret_stored is what the manifest's file holds, in arena and body; body and previous are whole. previous: the manifest
// whose parts may be named again, NULL: none. FAIL_PIPELINE: a list needs more than MANIFEST_SPLIT_PARTS_MAX parts, or
// one element is larger than a file may be.
enum status manifest_split(const Foreset__Manifest *body, const Foreset__Manifest *previous, struct random *random,
                           struct arena *arena, Foreset__Manifest *ret_stored, struct manifest_parts *parts,
                           struct error *err) MUST_USE;
// Test seam: other limits than MANIFEST_SPLIT_INLINE, _OWN and _PART_MAX; 0: these. Per process, before threads.
void manifest_split_limits(size_t inline_bytes, size_t own_bytes, size_t part_bytes);

#endif
