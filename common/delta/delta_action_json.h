// Actions as JSON lines: what a commit file holds.
// Reading: unknown fields and actions are ignored; a known field of the wrong type, or a required one missing, is
// STATUS_CORRUPT with the field's name. Input is hostile: nesting and sizes are bounded by the line.
// Writing: what is absent is not written; the order of fields is fixed.
#ifndef FORESET_DELTA_DELTA_ACTION_JSON_H
#define FORESET_DELTA_DELTA_ACTION_JSON_H

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/delta/delta_action.h"

// One line (without its line end); texts are put into the arena.
enum status delta_action_json_read(const char *line, size_t length, struct arena *arena,
                                   struct delta_action *ret_action, struct error *err) MUST_USE;
// Appends one line with its '\n'. UNKNOWN and CDC cannot be written.
void delta_action_json_write(const struct delta_action *action, struct text *text);
// The version in the content of _last_checkpoint; false: it makes no sense.
bool delta_action_json_hint(const char *bytes, size_t size, int64_t *ret_version);

#endif
