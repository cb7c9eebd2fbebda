// The object store of a local directory. See objstore.h for the contract.
#ifndef FORESET_OBJSTORE_OBJSTORE_LOCAL_H
#define FORESET_OBJSTORE_OBJSTORE_LOCAL_H

#include "common/objstore/objstore.h"

// path: absolute or relative to the working directory.
enum status objstore_local_open(const char *path, bool create, struct objstore **ret_store, struct error *err) MUST_USE;

#endif
