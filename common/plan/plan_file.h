// A plan in the state store, plans/<hash>.pb: the packed message, with secrets in plain words masked (plan_secret.h).
// Its hash leaves the version fields out, which are packed last, so that it names the same plan whichever version of
// the program made it.
#ifndef FORESET_PLAN_PLAN_FILE_H
#define FORESET_PLAN_PLAN_FILE_H

#include "common/base/text.h"
#include "proto/plan.pb-c.h"

#define PLAN_FILE_HASH 17

void plan_file_hash(const Foreset__Plan *plan, char ret_hash[PLAN_FILE_HASH]);
void plan_file_stamp(Foreset__Plan *plan); // version fields of this program; they are static texts
void plan_file_pack(const Foreset__Plan *plan, struct text *ret_bytes);
// STATUS_UNSUPPORTED: a newer program wrote it. STATUS_CORRUPT: it is damaged, or not the plan of that hash. Both name
// the file. Free the message with foreset__plan__free_unpacked.
enum status plan_file_unpack(const void *bytes, size_t size, const char *name, const char *hash,
                             Foreset__Plan **ret_plan, struct error *err) MUST_USE;

#endif
