// Versions of what Foreset stores and reads again (docs/STATE.md, "Changing a stored format"). A stored file or value
// says which version of the program wrote it and which format a reader has to know at least ("least reader"). What is
// of before that says nothing: it is of format 1, written by 0.1.0.
#ifndef FORESET_BASE_FORMAT_VERSION_H
#define FORESET_BASE_FORMAT_VERSION_H

#include <stdint.h>

#include "common/base/error.h"

enum format_kind {
    FORMAT_MANIFEST,      // manifests/*.pb
    FORMAT_MANIFEST_LIST, // lists that a manifest names instead of holding them
    FORMAT_PLAN,          // plans/*.pb
    FORMAT_FILL,          // fills/*.pb
    FORMAT_STATE_PART,    // parts of operators' state
    FORMAT_KV_LOG,        // kv.log
    FORMAT_PIPELINE_KEYS, // the kv store's values of a pipeline
    FORMAT_CLUSTER_KEYS,  // the kv store's values of the cluster
    FORMAT_KINDS
};

struct format_info {
    const char *name; // for messages and docs/STATE.md
    uint32_t reads;   // greatest least reader that this program accepts
    uint32_t writes;  // least reader of what this program writes
};
struct format_info format_version_info(enum format_kind kind);

enum { FORMAT_VERSION_TEXT = 16 };            // "255.255.255" and NUL
const char *format_version_program(void);     // "0.1.0"
uint32_t format_version_program_packed(void); // for heads of fixed size: major << 16 | minor << 8 | patch
void format_version_unpack(uint32_t packed, char ret_text[FORMAT_VERSION_TEXT]); // 0: "0.1.0", the first one
// "<major>.<minor>.<patch>", each below 256 and without leading zeros; a suffix as in "1.0.0-rc1" is passed over.
bool format_version_parse(const char *text, uint32_t *ret_packed);

// Whether this program may read it. writer NULL and least_reader 0: it says nothing, so it
// is of 0.1.0. STATUS_UNSUPPORTED: a newer
// program wrote it in a format that this one does not know. STATUS_CORRUPT: the version fields are damaged. Both
// FAIL_PIPELINE and begin with what the format string names.
enum status format_version_check(enum format_kind kind, const char *writer, uint32_t least_reader, struct error *err,
                                 const char *format, ...) MUST_USE PRINTF_LIKE(5, 6);
// The same for a packed version of the writer; 0 and 0: it says nothing.
enum status format_version_check_packed(enum format_kind kind, uint32_t writer, uint32_t least_reader,
                                        struct error *err, const char *format, ...) MUST_USE PRINTF_LIKE(5, 6);

// The stamp of a key-value store's prefix, "<writer> <format>=<least reader> …", speaks for all keys below it and for
// all files that they name: a program that cannot read them is refused before it changes anything. old: the stamp that
// is there, checked, or NULL; what it holds of greater numbers stays, with its writer.
enum { FORMAT_VERSION_STAMP = 200 };
void format_version_stamp(const char *old, char ret_stamp[FORMAT_VERSION_STAMP]);
enum status format_version_check_stamp(const char *stamp, struct error *err, const char *format, ...) MUST_USE
    PRINTF_LIKE(3, 4);

#endif
