// The local key-value store: <dir>/kv.log, append-only (P25). Contract: kv.h.
//
// File: 16 bytes of head, then records (kv_record.h). Head: "FORESETKV" 00 01, then the writer's version (3 bytes), the
// least reader (1 byte; common/base/format_version.h) and a check over these four; five zeros are of 0.1.0. A
// transaction is one record;
// compaction writes the content, an item a record, into kv.log.new, fsyncs, renames it over kv.log and fsyncs the
// directory. Happy path: compares under the lock, one write, one fdatasync, then memory is changed.
//
// Opening changes nothing on the disk. The first transaction writes the whole content into a new log, as compaction
// does: the process before may have ended at an fsync that failed, and then what can be read is not on the disk. What
// can fail:
//   - a crash inside the write leaves a torn last record: the new log is without it. Only the last record can be torn,
//     because each is synced before the next is written; so damage with a whole record behind it is STATUS_CORRUPT.
//     A whole last record that was damaged later looks the same: kv_torn tells, and the caller asks the tables;
//   - no space: the record is cut off again and the call fails, the store goes on;
//   - fsync fails, or the cut does: whether the record is there is unknown (STATUS_UNKNOWN); every later call fails;
//   - compaction fails before its rename: the old log stays in use, it is tried again once the log has doubled. The
//     first new log fails: so does the transaction.
// <dir>/kv.lock is flocked while the store is open, and names the process.
#include "common/kv/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/failpoint.h"
#include "common/base/format_version.h"
#include "common/base/hash.h"
#include "common/base/log.h"
#include "common/base/text.h"
#include "common/base/vector.h"
#include "common/kv/kv_record.h"

#define KV_LOCAL_RECORD_MAX  ((KV_OPS_MAX + 1) * (KV_VALUE_BYTES_MAX + 2048u))
#define KV_LOCAL_COMPACT_MIN (1u << 20)
enum { KV_LOCAL_HEAD = 16, KV_LOCAL_KEY_MAX = 1024 };
enum { KV_LOCAL_MAGIC = 11, KV_LOCAL_VERSION = KV_LOCAL_HEAD - KV_LOCAL_MAGIC };
static const char kv_local_magic[KV_LOCAL_MAGIC] = "FORESETKV\0\1";

struct kv_watch {
    char *prefix;
    kv_watch_fn on_news;
    void *argument;
};
struct kv_local {
    struct kv base;
    pthread_mutex_t lock;
    char *dir;
    int dir_fd, lock_fd, log_fd;
    uint64_t log_size;   // whole records
    uint64_t live_bytes; // what a compacted log would take, without record heads
    uint64_t compact_at;
    uint64_t torn_at; // byte of the file that was opened, behind which nothing could be read; 0: all could be
    bool renewed;     // the log was written by this process
    int64_t revision;
    int64_t lease;                     // greatest granted
    VECTOR(int64_t) leases;            // granted and not revoked
    VECTOR(struct kv_watch *) watches; // told under the lock
    bool dead;                         // an fsync failed
    char died_of[256];
    VECTOR(struct kv_record_item) items; // ascending by key
};

// ---- content in memory

static size_t kv_local_find(const struct kv_local *kv, const char *key, bool *ret_found)
{
    size_t low = 0, high = kv->items.count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(kv->items.items[middle].key, key);
        if (order == 0) {
            *ret_found = true;
            return middle;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    *ret_found = false;
    return low;
}

static const struct kv_record_item *kv_local_look(const struct kv_local *kv, const char *key)
{
    bool found;
    size_t at = kv_local_find(kv, key, &found);
    return found ? &kv->items.items[at] : NULL;
}

static uint64_t kv_local_item_bytes(const struct kv_record_item *item)
{
    return KV_RECORD_ENTRY_HEAD + strlen(item->key) + item->size;
}

static void kv_local_delete(struct kv_local *kv, const char *key)
{
    bool found;
    size_t at = kv_local_find(kv, key, &found);
    if (!found) return;
    struct kv_record_item *item = &kv->items.items[at];
    kv->live_bytes -= kv_local_item_bytes(item);
    memory_free(item->key);
    memory_free(item->bytes);
    vector_remove(&kv->items, at);
}

// An item with the content given; key and bytes are copied.
static void kv_local_put(struct kv_local *kv, const struct kv_record_item *content)
{
    bool found;
    kv_local_delete(kv, content->key);
    size_t at = kv_local_find(kv, content->key, &found);
    struct kv_record_item item = *content;
    item.key = memory_strdup(content->key);
    item.bytes = memory_alloc(content->size);
    if (content->size) memcpy(item.bytes, content->bytes, content->size);
    vector_push(&kv->items, item);
    memmove(kv->items.items + at + 1, kv->items.items + at, (kv->items.count - 1 - at) * sizeof item);
    kv->items.items[at] = item;
    kv->live_bytes += kv_local_item_bytes(&item);
}

static void kv_local_clear(struct kv_local *kv)
{
    while (kv->items.count) kv_local_delete(kv, kv->items.items[kv->items.count - 1].key);
    vector_deinit(&kv->items);
}

// ---- records

// Takes over one record. False: its checksum holds, but its content makes no sense.
static bool kv_local_apply(struct kv_local *kv, struct slice payload)
{
    int64_t revision;
    uint32_t count;
    memcpy(&revision, payload.data, 8);
    memcpy(&count, payload.data + 8, 4);
    if (revision < kv->revision) return false;
    const char *at = payload.data + 12, *end = payload.data + payload.length;
    for (uint32_t i = 0; i < count; i++) {
        uint16_t key_size;
        uint32_t size;
        char key[KV_LOCAL_KEY_MAX + 1];
        if (end - at < KV_RECORD_ENTRY_HEAD) return false;
        memcpy(&key_size, at + 2, 2);
        memcpy(&size, at + 4, 4);
        uint64_t whole = (uint64_t)KV_RECORD_ENTRY_HEAD + key_size + size;
        if (key_size > KV_LOCAL_KEY_MAX || (uint64_t)(end - at) < whole) return false;
        struct kv_record_item item = {.key = key, .size = size, .leased = at[1] != 0};
        memcpy(&item.create_revision, at + 8, 8);
        memcpy(&item.mod_revision, at + 16, 8);
        memcpy(key, at + KV_RECORD_ENTRY_HEAD, key_size);
        key[key_size] = '\0';
        item.bytes = (char *)(uintptr_t)(at + KV_RECORD_ENTRY_HEAD + key_size); // read only
        if (*at == KV_PUT) {
            kv_local_put(kv, &item);
        } else {
            kv_local_delete(kv, key);
        }
        at += whole;
    }
    kv->revision = revision;
    return at == end;
}

static bool kv_local_write_all(int fd, const char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t wrote = pwrite(fd, bytes, size, (off_t)offset);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        bytes += wrote;
        offset += (uint64_t)wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static enum status kv_local_die(struct kv_local *kv, const char *what, struct error *err)
{
    kv->dead = true;
    snprintf(kv->died_of, sizeof kv->died_of, "%s failed: %s", what, strerrordesc_np(errno));
    (void)error_set_errno(
        err, ERROR_FAIL_PIPELINE,
        "%s/kv.log: %s failed, so it is unknown what is on the disk; check the disk, then start again", kv->dir, what);
    if (err) err->code = STATUS_UNKNOWN;
    return STATUS_UNKNOWN;
}

static enum status kv_local_check_alive(const struct kv_local *kv, struct error *err)
{
    if (!kv->dead) return STATUS_OK;
    return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                     "%s/kv.log: %s; nothing more is decided by this process: check the disk, then start again",
                     kv->dir, kv->died_of);
}

// ---- the head

static uint8_t kv_local_version_check(const uint8_t *version)
{
    return (uint8_t)(hash_64(version, KV_LOCAL_VERSION - 1, 0) | 1); // never 0
}

static void kv_local_write_head(char head[KV_LOCAL_HEAD])
{
    uint32_t writer = format_version_program_packed();
    uint8_t version[KV_LOCAL_VERSION] = {(uint8_t)(writer >> 16), (uint8_t)(writer >> 8), (uint8_t)writer,
                                         (uint8_t)format_version_info(FORMAT_KV_LOG).writes};
    version[KV_LOCAL_VERSION - 1] = kv_local_version_check(version);
    memcpy(head, kv_local_magic, KV_LOCAL_MAGIC);
    memcpy(head + KV_LOCAL_MAGIC, version, KV_LOCAL_VERSION);
}

// ---- compaction

static bool kv_local_sync(int fd, bool content)
{
    for (;;) {
        int result = content ? fdatasync(fd) : fsync(fd);
        if (result == 0 || errno != EINTR) return result == 0;
    }
}

// The whole content as records of a new log. One record an item, so that none outgrows the limit.
static bool kv_local_compact_write(const struct kv_local *kv, int fd, uint64_t *ret_size)
{
    struct text record = {0};
    uint64_t offset = KV_LOCAL_HEAD;
    char head[KV_LOCAL_HEAD];
    kv_local_write_head(head);
    bool done = kv_local_write_all(fd, head, KV_LOCAL_HEAD, 0);
    for (size_t i = 0; i <= kv->items.count && done; i++) { // the last one holds the revision only
        kv_record_begin(&record, kv->revision);
        if (i < kv->items.count) kv_record_add(&record, KV_PUT, &kv->items.items[i]);
        kv_record_end(&record, offset);
        done = kv_local_write_all(fd, record.data, record.length, offset);
        offset += record.length;
    }
    text_deinit(&record);
    *ret_size = offset;
    return done && kv_local_sync(fd, false);
}

// A new log in place of the old one. False with errno: the old one stays; *ret_placed: it does not, but the directory
// could not be synced.
static bool kv_local_replace(struct kv_local *kv, bool *ret_placed)
{
    uint64_t size = 0;
    *ret_placed = false;
    int fd = openat(kv->dir_fd, "kv.log.new", O_RDWR | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) return false;
    if (!kv_local_compact_write(kv, fd, &size) || renameat(kv->dir_fd, "kv.log.new", kv->dir_fd, "kv.log") != 0) {
        int saved = errno;
        (void)unlinkat(kv->dir_fd, "kv.log.new", 0);
        close(fd);
        errno = saved;
        return false;
    }
    if (kv->log_fd >= 0) close(kv->log_fd);
    kv->log_fd = fd;
    kv->log_size = size;
    kv->compact_at = KV_LOCAL_COMPACT_MIN + 4 * kv->live_bytes;
    *ret_placed = true;
    return kv_local_sync(kv->dir_fd, false);
}

// Content is small against the log: a new log in its place.
static enum status kv_local_compact(struct kv_local *kv, struct error *err)
{
    bool placed = false;
    kv->compact_at = kv->log_size * 2; // until then, if this does not work out
    if (kv_local_replace(kv, &placed)) return STATUS_OK;
    if (placed) return kv_local_die(kv, "fsync of the directory", err);
    log_debug("kv_compact_failed", "dir=%s errno=%d", kv->dir, errno);
    return STATUS_OK;
}

// Before this process writes the first record.
static enum status kv_local_renew(struct kv_local *kv, struct error *err)
{
    bool placed = false;
    kv->renewed = kv_local_replace(kv, &placed);
    if (kv->renewed) return STATUS_OK;
    if (placed) return kv_local_die(kv, "fsync of the directory", err);
    (void)error_set_errno(err, ERROR_FAIL_PIPELINE, "writing %s/kv.log.new", kv->dir);
    if (err) err->code = STATUS_ERROR;
    return STATUS_ERROR;
}

// The durable step: one record at the end of the log.
static enum status kv_local_append(struct kv_local *kv, struct text *record, struct error *err)
{
    enum status status = FAILPOINT("kv_append.before", err);
    if (status == STATUS_OK && !kv->renewed) status = kv_local_renew(kv, err);
    if (status != STATUS_OK) return status;
    kv_record_end(record, kv->log_size);
    if (!kv_local_write_all(kv->log_fd, record->data, record->length, kv->log_size)) {
        (void)error_set_errno(err, ERROR_FAIL_PIPELINE, "writing %s/kv.log", kv->dir);
        if (ftruncate(kv->log_fd, (off_t)kv->log_size) != 0) return kv_local_die(kv, "cutting off a torn record", err);
        if (err) err->code = STATUS_ERROR;
        return STATUS_ERROR;
    }
    if (!kv_local_sync(kv->log_fd, true)) return kv_local_die(kv, "fdatasync", err);
    kv->log_size += record->length;
    return STATUS_OK;
}

// ---- operations

static struct kv_local *kv_local_of(struct kv *kv)
{
    return (struct kv_local *)kv;
}

static struct kv_value kv_local_value(const struct kv_record_item *item)
{
    struct kv_value value = {.size = item->size,
                             .create_revision = item->create_revision,
                             .mod_revision = item->mod_revision,
                             .bytes = memory_alloc(item->size)};
    if (item->size) memcpy(value.bytes, item->bytes, item->size);
    return value;
}

static bool kv_local_begins(const char *key, const char *prefix)
{
    return strncmp(key, prefix, strlen(prefix)) == 0;
}

static enum status kv_local_get(struct kv *base, const char *key, struct kv_value *ret_value, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK) {
        const struct kv_record_item *item = kv_local_look(kv, key);
        *ret_value = item ? kv_local_value(item) : (struct kv_value){0};
    }
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static enum status kv_local_list(struct kv *base, const char *prefix, struct kv_list *ret_list, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    bool found;
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK) {
        size_t from = kv_local_find(kv, prefix, &found), end = from;
        while (end < kv->items.count && kv_local_begins(kv->items.items[end].key, prefix)) end++;
        *ret_list = (struct kv_list){.count = end - from, .revision = kv->revision};
        ret_list->items = memory_alloc((end - from) * sizeof *ret_list->items);
        for (size_t i = from; i < end; i++) {
            const struct kv_record_item *item = &kv->items.items[i];
            ret_list->items[i - from] = (struct kv_item){memory_strdup(item->key), kv_local_value(item)};
        }
    }
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static bool kv_local_holds(const struct kv_local *kv, const struct kv_compare *compare)
{
    const struct kv_record_item *item = kv_local_look(kv, compare->key);
    switch (compare->kind) {
    case KV_ABSENT: return !item;
    case KV_VALUE_IS:
        return item && item->size == compare->size &&
               (item->size == 0 || memcmp(item->bytes, compare->bytes, item->size) == 0);
    case KV_CREATE_REVISION_IS: return (item ? item->create_revision : 0) == compare->revision;
    case KV_MOD_REVISION_IS: return (item ? item->mod_revision : 0) == compare->revision;
    }
    return false;
}

static bool kv_local_lease_lives(const struct kv_local *kv, int64_t lease)
{
    for (size_t i = 0; i < kv->leases.count; i++) {
        if (kv->leases.items[i] == lease) return true;
    }
    return false;
}

static enum status kv_local_lease_gone(const struct kv_local *kv, int64_t lease, struct error *err)
{
    return error_set(err, STATUS_NOT_FOUND, ERROR_FENCED, "%s: lease %ld was never granted, or is revoked", kv->dir,
                     (long)lease);
}

static enum status kv_local_check_ops(const struct kv_local *kv, const struct kv_op *ops, size_t count,
                                      struct error *err)
{
    if (count > KV_OPS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "%s/kv.log: %zu operations in a transaction, at most %u", kv->dir, count, KV_OPS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        if (strlen(ops[i].key) > KV_LOCAL_KEY_MAX || ops[i].size > KV_VALUE_BYTES_MAX) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                             "%s/kv.log: key '%.64s': %zu bytes of key and %zu of value, at most %d and %u", kv->dir,
                             ops[i].key, strlen(ops[i].key), ops[i].size, KV_LOCAL_KEY_MAX, KV_VALUE_BYTES_MAX);
        }
        if (ops[i].lease != 0 && !kv_local_lease_lives(kv, ops[i].lease)) {
            return kv_local_lease_gone(kv, ops[i].lease, err);
        }
    }
    return STATUS_OK;
}

// ---- watches

// Tells what a transaction did; held[i]: the key of ops[i] was there before.
static void kv_local_tell(const struct kv_local *kv, const struct kv_op *ops, size_t count, const bool *held)
{
    for (size_t i = 0; i < kv->watches.count; i++) {
        const struct kv_watch *watch = kv->watches.items[i];
        struct kv_event events[KV_OPS_MAX];
        struct kv_watch_news news = {.events = events, .revision = kv->revision};
        for (size_t j = 0; j < count; j++) {
            const struct kv_record_item *item = kv_local_look(kv, ops[j].key);
            if (!kv_local_begins(ops[j].key, watch->prefix) || (!item && !held[j])) continue;
            events[news.count++] = (struct kv_event){.key = ops[j].key,
                                                     .bytes = item ? item->bytes : NULL,
                                                     .size = item ? item->size : 0,
                                                     .removed = !item,
                                                     .create_revision = item ? item->create_revision : 0,
                                                     .mod_revision = kv->revision};
        }
        if (news.count > 0) watch->on_news(watch->argument, &news);
    }
}

// There is no history: who asks for what is past is told to list again.
static enum status kv_local_watch(struct kv *base, const char *prefix, int64_t from_revision, kv_watch_fn on_news,
                                  void *argument, struct kv_watch **ret_watch, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK) {
        struct kv_watch *watch = memory_alloc(sizeof *watch);
        *watch = (struct kv_watch){memory_strdup(prefix), on_news, argument};
        vector_push(&kv->watches, watch);
        *ret_watch = watch;
        struct kv_watch_news news = {.revision = kv->revision, .lost = true};
        if (from_revision != 0 && from_revision <= kv->revision) on_news(argument, &news);
    }
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static void kv_local_watch_stop(struct kv *base, struct kv_watch *watch)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    for (size_t i = 0; i < kv->watches.count; i++) {
        if (kv->watches.items[i] != watch) continue;
        vector_remove(&kv->watches, i);
        break;
    }
    pthread_mutex_unlock(&kv->lock);
    memory_free(watch->prefix);
    memory_free(watch);
}

// ---- transactions

static struct kv_record_item kv_local_op_item(const struct kv_local *kv, const struct kv_op *op, int64_t revision)
{
    const struct kv_record_item *old = kv_local_look(kv, op->key);
    struct kv_record_item item = {.key = (char *)(uintptr_t)op->key, // read only
                                  .bytes = (void *)(uintptr_t)op->bytes,
                                  .size = op->kind == KV_PUT ? op->size : 0,
                                  .create_revision = old ? old->create_revision : revision,
                                  .mod_revision = revision,
                                  .leased = op->lease != 0,
                                  .lease = op->lease};
    return item;
}

// The file does not tell whose lease it is: it does not outlive the process.
static void kv_local_mark_leases(struct kv_local *kv, const struct kv_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool found;
        size_t at = kv_local_find(kv, ops[i].key, &found);
        if (found) kv->items.items[at].lease = ops[i].lease;
    }
}

static enum status kv_local_txn_locked(struct kv_local *kv, const struct kv_op *ops, size_t count, struct error *err)
{
    struct text record = {0};
    int64_t revision = kv->revision + 1;
    bool held[KV_OPS_MAX];
    kv_record_begin(&record, revision);
    for (size_t i = 0; i < count; i++) {
        held[i] = kv_local_look(kv, ops[i].key) != NULL;
        struct kv_record_item item = kv_local_op_item(kv, &ops[i], revision);
        kv_record_add(&record, ops[i].kind, &item);
    }
    enum status status = kv_local_append(kv, &record, err);
    if (status == STATUS_OK) {
        struct slice payload = slice_of(record.data + KV_RECORD_HEAD, record.length - KV_RECORD_HEAD);
        ASSERT(kv_local_apply(kv, payload));
        kv_local_mark_leases(kv, ops, count);
        kv_local_tell(kv, ops, count, held);
        status = FAILPOINT("kv_append.after", err);
        if (status == STATUS_OK && kv->log_size > kv->compact_at) status = kv_local_compact(kv, err);
    }
    text_deinit(&record);
    return status;
}

static enum status kv_local_txn(struct kv *base, const struct kv_compare *compares, size_t compare_count,
                                const struct kv_op *ops, size_t op_count, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK) status = kv_local_check_ops(kv, ops, op_count, err);
    for (size_t i = 0; i < compare_count && status == STATUS_OK; i++) {
        if (kv_local_holds(kv, &compares[i])) continue;
        status = error_set(err, STATUS_CONFLICT, ERROR_RETRY, "%s/kv.log: key '%s' is not as expected", kv->dir,
                           compares[i].key);
    }
    if (status == STATUS_OK && op_count > 0) status = kv_local_txn_locked(kv, ops, op_count, err);
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static enum status kv_local_lease_grant(struct kv *base, int64_t ttl_ms, int64_t *ret_lease, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    (void)ttl_ms; // the lock stands in for it: the lease lives as long as the process
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK) {
        vector_push(&kv->leases, ++kv->lease);
        *ret_lease = kv->lease;
    }
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static enum status kv_local_lease_keepalive(struct kv *base, int64_t lease, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK && !kv_local_lease_lives(kv, lease)) status = kv_local_lease_gone(kv, lease, err);
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static enum status kv_local_revoke_locked(struct kv_local *kv, int64_t lease, struct error *err)
{
    enum status status = kv_local_check_alive(kv, err);
    if (status == STATUS_OK && !kv_local_lease_lives(kv, lease)) status = kv_local_lease_gone(kv, lease, err);
    while (status == STATUS_OK) {
        struct kv_op ops[KV_OPS_MAX];
        size_t count = 0;
        for (size_t i = 0; i < kv->items.count && count < KV_OPS_MAX; i++) {
            const struct kv_record_item *item = &kv->items.items[i];
            if (item->lease == lease) ops[count++] = (struct kv_op){.kind = KV_DELETE, .key = memory_strdup(item->key)};
        }
        if (count > 0) status = kv_local_txn_locked(kv, ops, count, err);
        for (size_t i = 0; i < count; i++) memory_free((void *)(uintptr_t)ops[i].key);
        if (count == 0) break;
    }
    for (size_t i = kv->leases.count; i > 0 && status == STATUS_OK; i--) {
        if (kv->leases.items[i - 1] == lease) vector_remove(&kv->leases, i - 1);
    }
    return status;
}

static enum status kv_local_lease_revoke(struct kv *base, int64_t lease, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    pthread_mutex_lock(&kv->lock);
    enum status status = kv_local_revoke_locked(kv, lease, err);
    pthread_mutex_unlock(&kv->lock);
    return status;
}

// The lock keeps the directory this process's: the store cannot be another one later.
static enum status kv_local_identity(struct kv *base, struct kv_identity *ret_identity, struct error *err)
{
    (void)base;
    (void)err;
    *ret_identity = (struct kv_identity){0};
    return STATUS_OK;
}

static bool kv_local_torn(struct kv *base, struct text *ret_where)
{
    const struct kv_local *kv = kv_local_of(base);
    if (kv->torn_at == 0 || kv->renewed) return false;
    text_printf(ret_where, "%s/kv.log at byte %llu", kv->dir, (unsigned long long)kv->torn_at);
    return true;
}

// The damaged log stays beside the new one, as it was.
static enum status kv_local_forget(struct kv *base, struct error *err)
{
    struct kv_local *kv = kv_local_of(base);
    enum status status = STATUS_OK;
    pthread_mutex_lock(&kv->lock);
    if (linkat(kv->dir_fd, "kv.log", kv->dir_fd, "kv.log.damaged", 0) == 0 || errno == EEXIST) {
        kv_local_clear(kv);
        kv->torn_at = 0; // the first transaction writes a new log
    } else {
        status = error_set_errno(err, ERROR_FAIL_PIPELINE, "keeping %s/kv.log as kv.log.damaged", kv->dir);
    }
    pthread_mutex_unlock(&kv->lock);
    return status;
}

static void kv_local_close(struct kv *base)
{
    struct kv_local *kv = kv_local_of(base);
    ASSERT(kv->watches.count == 0);
    kv_local_clear(kv);
    vector_deinit(&kv->leases);
    vector_deinit(&kv->watches);
    if (kv->log_fd >= 0) close(kv->log_fd);
    if (kv->lock_fd >= 0) close(kv->lock_fd); // the lock goes with it
    if (kv->dir_fd >= 0) close(kv->dir_fd);
    pthread_mutex_destroy(&kv->lock);
    memory_free(kv->dir);
    memory_free(kv);
}

static const struct kv_ops kv_local_ops = {
    .close = kv_local_close,
    .get = kv_local_get,
    .txn = kv_local_txn,
    .lease_grant = kv_local_lease_grant,
    .lease_keepalive = kv_local_lease_keepalive,
    .lease_revoke = kv_local_lease_revoke,
    .list = kv_local_list,
    .watch = kv_local_watch,
    .watch_stop = kv_local_watch_stop,
    .identity = kv_local_identity,
    .torn = kv_local_torn,
    .forget = kv_local_forget,
};

// ---- opening

static enum status kv_local_lock(struct kv_local *kv, struct error *err)
{
    kv->lock_fd = openat(kv->dir_fd, "kv.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (kv->lock_fd < 0) return error_set_errno(err, ERROR_FAIL_PIPELINE, "opening %s/kv.lock", kv->dir);
    while (flock(kv->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EINTR) continue;
        if (errno != EWOULDBLOCK) return error_set_errno(err, ERROR_FAIL_PIPELINE, "locking %s/kv.lock", kv->dir);
        char text[32] = {0};
        ssize_t got = pread(kv->lock_fd, text, sizeof text - 1, 0);
        long pid = got > 0 ? strtol(text, NULL, 10) : 0;
        return error_set(err, STATUS_EXISTS, ERROR_FENCED,
                         "another process runs this pipeline (pid %ld, lock %s/kv.lock); stop it first", pid, kv->dir);
    }
    char text[32];
    int length = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(kv->lock_fd, 0) != 0 || !kv_local_write_all(kv->lock_fd, text, (size_t)length, 0)) {
        return error_set_errno(err, ERROR_FAIL_PIPELINE, "writing %s/kv.lock", kv->dir);
    }
    return STATUS_OK;
}

static enum status kv_local_corrupt(const struct kv_local *kv, uint64_t offset, const char *why, struct error *err)
{
    return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                     "%s/kv.log is damaged at byte %lu (%s), not by a crash of this program; restore it from a copy, "
                     "or move it away and run with --adopt to go on from the manifests that the tables' logs name",
                     kv->dir, (unsigned long)offset, why);
}

static enum status kv_local_check_version(const struct kv_local *kv, const uint8_t *version, struct error *err)
{
    static const uint8_t silent[KV_LOCAL_VERSION] = {0};
    uint32_t writer = (uint32_t)version[0] << 16 | (uint32_t)version[1] << 8 | version[2];
    if (memcmp(version, silent, KV_LOCAL_VERSION) == 0) return STATUS_OK;
    if (version[KV_LOCAL_VERSION - 1] != kv_local_version_check(version))
        return kv_local_corrupt(kv, KV_LOCAL_MAGIC, "its version fields", err);
    return format_version_check_packed(FORMAT_KV_LOG, writer, version[3], err, "%s/kv.log", kv->dir);
}

// Records one after the other. A bad one is the torn tail if no whole record follows it.
static enum status kv_local_replay(struct kv_local *kv, const struct buffer *log, struct error *err)
{
    uint64_t at = KV_LOCAL_HEAD;
    struct slice payload;
    while (at < log->size_bytes && kv_record_at(log, at, &payload)) {
        if (!kv_local_apply(kv, payload)) return kv_local_corrupt(kv, at, "a record makes no sense", err);
        at += KV_RECORD_HEAD + payload.length;
    }
    for (uint64_t next = at + 1; next < log->size_bytes; next++) {
        if (!kv_record_at(log, next, &payload)) continue;
        return kv_local_corrupt(kv, at, "whole records follow a broken one", err);
    }
    if (log->size_bytes - at > KV_LOCAL_RECORD_MAX) {
        return kv_local_corrupt(kv, at, "more than one record is unreadable", err);
    }
    kv->torn_at = at < log->size_bytes ? at : 0;
    kv->log_size = at;
    return STATUS_OK;
}

static enum status kv_local_load(struct kv_local *kv, struct error *err)
{
    enum status status = STATUS_OK;
    struct buffer *log = NULL;
    struct stat found;
    kv->log_fd = openat(kv->dir_fd, "kv.log", O_RDWR | O_NOFOLLOW | O_CLOEXEC);
    if (kv->log_fd < 0 && errno == ENOENT) return STATUS_OK; // a new store
    if (kv->log_fd < 0 || fstat(kv->log_fd, &found) != 0) {
        TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "opening %s/kv.log", kv->dir));
    }
    size_t size = (size_t)found.st_size;
    TRY(buffer_create(NULL, size, &log, err));
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(kv->log_fd, log->data + done, size - done, (off_t)done);
        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO; // it became shorter
        if (got <= 0) TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "reading %s/kv.log", kv->dir));
        done += (size_t)got;
    }
    bool head_fits = memcmp(log->data, kv_local_magic, size < KV_LOCAL_MAGIC ? size : KV_LOCAL_MAGIC) == 0;
    if (size <= KV_LOCAL_HEAD) {
        char zeros[KV_LOCAL_HEAD] = {0}; // size was durable before the content
        if (!head_fits && memcmp(log->data, zeros, size) != 0) {
            TRY(kv_local_corrupt(kv, 0, "not a log of this program", err));
        }
    } else {
        if (!head_fits) TRY(kv_local_corrupt(kv, 0, "not a log of this program", err));
        TRY(kv_local_check_version(kv, log->data + KV_LOCAL_MAGIC, err));
        log->size_bytes = size;
        TRY(kv_local_replay(kv, log, err));
    }
out:
    buffer_unref(log);
    return status;
}

// The holders of leased keys are dead, as the lock shows.
static void kv_local_drop_leased(struct kv_local *kv)
{
    bool any = false;
    for (size_t i = kv->items.count; i > 0; i--) {
        if (!kv->items.items[i - 1].leased) continue;
        any = true;
        kv_local_delete(kv, kv->items.items[i - 1].key);
    }
    if (any) kv->revision++;
}

enum status kv_local_open(const char *dir, struct kv **ret_kv, struct error *err)
{
    enum status status = STATUS_OK;
    struct kv_local *kv = memory_calloc(1, sizeof *kv);
    kv->base.ops = &kv_local_ops;
    kv->dir = memory_strdup(dir);
    kv->dir_fd = kv->lock_fd = kv->log_fd = -1;
    pthread_mutex_init(&kv->lock, NULL);
    kv->dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (kv->dir_fd < 0) {
        TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "opening the directory %s of the local store", dir));
    }
    TRY(kv_local_lock(kv, err));
    TRY(kv_local_load(kv, err));
    kv_local_drop_leased(kv);
    *ret_kv = &kv->base;
out:
    if (status != STATUS_OK) kv_local_close(&kv->base);
    return status;
}
