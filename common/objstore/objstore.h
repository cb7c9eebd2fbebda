// Object store: where files live (local directory; S3 behind the same contract). Blocking calls, any thread.
// Keys are relative paths with '/' ("_delta_log/00000000000000000000.json"); "..", empty parts and a leading '/' are
// refused. Every call may fail with STATUS_UNKNOWN when the outcome is not known (timeout); the caller settles it by
// reading.
#ifndef FORESET_OBJSTORE_OBJSTORE_H
#define FORESET_OBJSTORE_OBJSTORE_H

#include "common/base/memory.h"
#include "common/base/vector.h"

struct objstore_entry {
    char *key; // relative to the store's root
    uint64_t size_bytes;
    int64_t modified_us; // wall clock
};
struct objstore_list {
    VECTOR(struct objstore_entry) entries; // ascending by key
};
void objstore_list_deinit(struct objstore_list *list);

// A file being written. It is invisible to readers of other names; nothing is durable before sync.
struct objstore_writer;

struct objstore {
    const struct objstore_ops *ops;
    char *url; // for messages
};
struct objstore_ops {
    void (*close)(struct objstore *store);
    // Whole object, replacing any. Durable (file and directory fsynced) when it returns.
    enum status (*put)(struct objstore *store, const char *key, const void *bytes, size_t size, struct error *err);
    // Put if absent, atomic against every other process: STATUS_EXISTS if the key is there. Durable when it returns.
    // Local: temporary file, fsync, link(2), unlink, fsync of the directory.
    enum status (*put_if_absent)(struct objstore *store, const char *key, const void *bytes, size_t size,
                                 struct error *err);
    // The whole object into a buffer; STATUS_NOT_FOUND.
    enum status (*get)(struct objstore *store, const char *key, struct buffer **ret_bytes, struct error *err);
    // length bytes from offset (fewer at the end is an error); for Parquet footers and pages.
    enum status (*get_range)(struct objstore *store, const char *key, uint64_t offset, uint64_t length,
                             struct buffer **ret_bytes, struct error *err);
    enum status (*stat)(struct objstore *store, const char *key, struct objstore_entry *ret_entry, struct error *err);
    // Keys that start with prefix (a plain string prefix) and are > after (NULL: all), ascending; recursive.
    enum status (*list)(struct objstore *store, const char *prefix, const char *after, struct objstore_list *ret_list,
                        struct error *err);
    enum status (*remove)(struct objstore *store, const char *key, struct error *err); // absent is OK
    // Streamed writing of a new object. The key must be new (uuid in it).
    enum status (*create)(struct objstore *store, const char *key, struct objstore_writer **ret_writer,
                          struct error *err);
    enum status (*write)(struct objstore_writer *writer, const void *bytes, size_t size, struct error *err);
    // Ends writing. Afterwards sync makes it durable; close frees the writer, and removes the object if finish was not
    // called.
    enum status (*finish)(struct objstore_writer *writer, struct error *err);
    void (*writer_close)(struct objstore_writer *writer);
    // Makes finished objects durable: fsync of each file and of their directories. An fsync error is final for that
    // file: it must be written anew under a new name (P16), never synced again.
    enum status (*sync)(struct objstore *store, const char *const *keys, size_t count, struct error *err);
    // The object was found by reading after a put whose outcome is unknown, or that another process made: its content
    // and name are made once more, then synced. Only for objects that nobody changes. NULL: what is read is durable.
    enum status (*settle)(struct objstore *store, const char *key, struct error *err);
    // From now on what is made is for this user alone; so is the root, where it is ours. NULL: the store has no modes.
    void (*set_private)(struct objstore *store);
};

// file:///path, /path, relative path (made absolute); s3://bucket/prefix is refused by name until it is built.
// create: make the directory when missing. Errors say which directory and why (missing, read-only, not a directory).
enum status objstore_open(const char *url, bool create, struct objstore **ret_store, struct error *err) MUST_USE;
void objstore_close(struct objstore *store);
// The same, where the text of a pipeline named the directory: only where this process may (common/base/confine.h).
// what: for the message.
enum status objstore_open_confined(const char *what, const char *url, bool create, struct objstore **ret_store,
                                   struct error *err) MUST_USE;
// The local path of an address, decoded; NULL: it has none. memory_free.
char *objstore_path(const char *url);

static inline MUST_USE enum status objstore_put(struct objstore *s, const char *key, const void *bytes, size_t size,
                                                struct error *err)
{
    return s->ops->put(s, key, bytes, size, err);
}
static inline MUST_USE enum status objstore_put_if_absent(struct objstore *s, const char *key, const void *bytes,
                                                          size_t size, struct error *err)
{
    return s->ops->put_if_absent(s, key, bytes, size, err);
}
static inline MUST_USE enum status objstore_get(struct objstore *s, const char *key, struct buffer **ret,
                                                struct error *err)
{
    return s->ops->get(s, key, ret, err);
}
static inline MUST_USE enum status objstore_list(struct objstore *s, const char *prefix, const char *after,
                                                 struct objstore_list *ret, struct error *err)
{
    return s->ops->list(s, prefix, after, ret, err);
}
static inline MUST_USE enum status objstore_settle(struct objstore *s, const char *key, struct error *err)
{
    return s->ops->settle ? s->ops->settle(s, key, err) : STATUS_OK;
}
// For the state store: 0700 and 0600, whatever the umask. Before anything is written.
static inline void objstore_set_private(struct objstore *s)
{
    if (s->ops->set_private) s->ops->set_private(s);
}
static inline MUST_USE enum status objstore_remove(struct objstore *s, const char *key, struct error *err)
{
    return s->ops->remove(s, key, err);
}

#endif
