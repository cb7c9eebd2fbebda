// The files of a table version by (path, deletion vector), as log replay reconciles them: the later action wins.
// Private to common/delta.
#ifndef FORESET_DELTA_DELTA_FILES_H
#define FORESET_DELTA_DELTA_FILES_H

#include "common/base/memory.h"
#include "common/delta/delta_action.h"

struct delta_files;
struct delta_files *delta_files_create(bool keep_removes);
void delta_files_destroy(struct delta_files *files);                                   // NULL allowed
void delta_files_add(struct delta_files *files, const struct delta_add *add);          // copied
void delta_files_remove(struct delta_files *files, const struct delta_remove *remove); // copied if kept
uint64_t delta_files_count(const struct delta_files *files, uint64_t *ret_bytes);      // live ones
// The live file of this path that has no deletion vector; NULL: none.
const struct delta_add *delta_files_find_add(const struct delta_files *files, const char *path);
// The next live file or tombstone from slot *at on; NULL at the end.
const struct delta_add *delta_files_next_add(const struct delta_files *files, size_t *at);
const struct delta_remove *delta_files_next_remove(const struct delta_files *files, size_t *at);

#endif
