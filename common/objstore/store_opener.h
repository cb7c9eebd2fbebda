// Opens object stores by address: the part of the seam that both roles share. Production: objstore_open.
#ifndef FORESET_OBJSTORE_STORE_OPENER_H
#define FORESET_OBJSTORE_STORE_OPENER_H

#include "common/objstore/objstore.h"

struct store_opener {
    enum status (*open)(void *context, const char *url, bool create, struct objstore **ret_store, struct error *err);
    void *context;
};

static inline MUST_USE enum status store_opener_open(const struct store_opener *opener, const char *url, bool create,
                                                     struct objstore **ret_store, struct error *err)
{
    return opener->open(opener->context, url, create, ret_store, err);
}

#endif
