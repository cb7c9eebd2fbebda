// Object store in a local directory (P16, P25).
//
// Happy path of a commit: unnamed file (O_TMPFILE), write, fsync, link(2) to the name, fsync of the directory. link
// never replaces, and the name shows only whole, durable content. Where the file system has no O_TMPFILE: a temporary
// name. A data file is written under its final name (nobody knows it yet); the descriptor that wrote it stays open
// until sync, so that a write-back error cannot get lost between closing and fsync. What can fail:
//   - disk full, read-only, not a directory: the call fails with the directory's name, nothing of that name is visible;
//   - fsync of a directory after the name is there: the name is made once more and the directory synced again, a few
//   times; then the outcome is unknown (STATUS_UNKNOWN): the caller reads, and what it finds counts after settle only;
//   - fsync of a directory may lose every name that was new in it, also those of other threads: a later sync that
//   succeeds proves nothing for them. So a name counts as durable only if no sync failed since it was made;
//   - fsync of a data file: final for that file (P16); it is not synced a second time;
//   - a crash: at most a file ".<name>.<random>.tmp" or an unnamed data file is left, which no reader takes.
// Folders are objstore_folder's.
#include "common/objstore/objstore_local.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/planted.h"
#include "common/base/random.h"
#include "common/base/text.h"
#include "common/objstore/objstore_folder.h"

enum {
    OBJSTORE_DEPTH_MAX = 64,        // folders below the root
    OBJSTORE_SYNC_TRIES = 3,        // a name is made so often, each time with a sync of its directory
    OBJSTORE_UNSYNCED_MAX = 256,    // finished files whose descriptors wait for sync; beyond, finish syncs at once
    OBJSTORE_WRITE_BUFFER = 1 << 18 // small writes of a data file are gathered
};

struct objstore_unsynced {
    char *key;
    uint64_t sync_failures; // when its name was made
    int fd;
};
struct objstore_local {
    struct objstore base;
    int root_fd;
    struct objstore_folders folders;
    pthread_mutex_t lock; // random and unsynced
    struct random random;
    VECTOR(struct objstore_unsynced) unsynced;
};
struct objstore_writer {
    struct objstore_local *store;
    char *key;
    uint64_t sync_failures; // when its name was made
    int fd;
    bool finished;
    bool failed;
    size_t buffered;
    uint8_t *buffer;
};

static struct objstore_local *objstore_local_of(struct objstore *store)
{
    return (struct objstore_local *)store;
}

// The name of a new file is durable with its directory.
static bool objstore_local_sync_folder(int folder, uint64_t sync_failures)
{
    return FORESET_BUG("directory-not-synced") || objstore_folder_sync(folder, sync_failures);
}

static bool objstore_local_write_all(int fd, const void *bytes, size_t size)
{
    const uint8_t *at = bytes;
    while (size > 0) {
        ssize_t wrote = write(fd, at, size);
        if (wrote < 0 && errno == EINTR) continue;
        if (wrote <= 0) return false;
        at += wrote;
        size -= (size_t)wrote;
    }
    return true;
}

static void objstore_local_temporary(struct objstore_local *store, const char *name, char ret_temporary[NAME_MAX + 1])
{
    pthread_mutex_lock(&store->lock);
    uint64_t number = random_u64(&store->random);
    pthread_mutex_unlock(&store->lock);
    snprintf(ret_temporary, NAME_MAX + 1, ".%.200s.%016lx.tmp", name, (unsigned long)number);
}

// A new file with the whole content, fsynced. temporary[0] is NUL if it has no name yet (O_TMPFILE).
static int objstore_local_stage(struct objstore_local *store, int folder, const char *name, bool named,
                                const void *bytes, size_t size, char temporary[NAME_MAX + 1])
{
    int fd = -1;
    mode_t mode = objstore_folder_file_mode(&store->folders);
    temporary[0] = '\0';
    if (!named) fd = objstore_folder_openat(folder, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, mode);
    if (fd < 0) {
        objstore_local_temporary(store, name, temporary);
        fd = objstore_folder_openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (fd < 0) return -1;
    }
    if (objstore_local_write_all(fd, bytes, size) && objstore_folder_fsync(fd) == 0) return fd;
    int saved = errno;
    if (temporary[0]) unlinkat(folder, temporary, 0);
    close(fd);
    errno = saved;
    return -1;
}

// Whole content under a name that may be there, with the modification time given (NULL: now). Where the directory
// cannot be synced the name is made once more: a second sync alone would not prove that it is on the disk.
static enum status objstore_local_replace(struct objstore_local *store, int folder, const char *name, const char *key,
                                          const struct timespec *modified, const void *bytes, size_t size,
                                          struct error *err)
{
    char temporary[NAME_MAX + 1];
    for (unsigned attempt = 0; attempt < OBJSTORE_SYNC_TRIES; attempt++) {
        uint64_t sync_failures = objstore_folder_sync_failures();
        int fd = objstore_local_stage(store, folder, name, true, bytes, size, temporary);
        if (fd < 0) return objstore_folder_fail(&store->folders, "writing", key, err);
        const struct timespec times[] = {{.tv_nsec = UTIME_OMIT}, modified ? *modified : (struct timespec){0}};
        if (modified) (void)futimens(fd, times);
        close(fd);
        if (renameat(folder, temporary, folder, name) != 0) {
            enum status status = objstore_folder_fail(&store->folders, "renaming to", key, err);
            unlinkat(folder, temporary, 0);
            return status;
        }
        if (objstore_local_sync_folder(folder, sync_failures)) return STATUS_OK;
    }
    (void)error_set_errno(err, ERROR_FAIL_PIPELINE, "fsync of the directory of %s/%s", store->base.url, key);
    if (err) err->code = STATUS_UNKNOWN;
    return STATUS_UNKNOWN;
}

static enum status objstore_local_put(struct objstore *base, const char *key, const void *bytes, size_t size,
                                      struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int folder;
    const char *name;
    enum status status = objstore_folder_open(&store->folders, "writing", key, true, &folder, &name, err);
    if (status != STATUS_OK) return status;
    status = objstore_local_replace(store, folder, name, key, NULL, bytes, size, err);
    close(folder);
    return status;
}

// link(2) of a staged file. On NFS the reply can get lost after the link was made: the link count tells.
static bool objstore_local_link(int fd, int folder, const char *temporary, const char *name)
{
    struct stat before, after;
    if (fstat(fd, &before) != 0) return false;
    int result;
    if (temporary[0]) {
        result = linkat(folder, temporary, folder, name, 0);
    } else {
        char self[64];
        snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
        result = linkat(AT_FDCWD, self, folder, name, AT_SYMLINK_FOLLOW);
    }
    if (result == 0) return true;
    int saved = errno;
    bool linked = fstat(fd, &after) == 0 && after.st_nlink == before.st_nlink + 1;
    errno = saved;
    return linked;
}

static enum status objstore_local_put_staged(struct objstore_local *store, int folder, const char *name, bool named,
                                             const char *key, const void *bytes, size_t size, struct error *err)
{
    char temporary[NAME_MAX + 1];
    uint64_t sync_failures = objstore_folder_sync_failures();
    int fd = objstore_local_stage(store, folder, name, named, bytes, size, temporary);
    if (fd < 0) return objstore_folder_fail(&store->folders, "writing", key, err);
    enum status status = STATUS_OK;
    bool linked = objstore_local_link(fd, folder, temporary, name);
    int saved = errno;
    if (temporary[0]) unlinkat(folder, temporary, 0);
    close(fd);
    if (linked) {
        if (!objstore_local_sync_folder(folder, sync_failures)) {
            status = objstore_local_replace(store, folder, name, key, NULL, bytes, size, err);
            if (status != STATUS_OK && err) err->code = STATUS_UNKNOWN;
            if (status != STATUS_OK) status = STATUS_UNKNOWN; // the name is there
        }
    } else if (saved == EEXIST) {
        status = error_set(err, STATUS_EXISTS, ERROR_RETRY, "%s/%s is there already", store->base.url, key);
    } else if (!named) { // no /proc, or a file system that cannot link an unnamed file
        status = objstore_local_put_staged(store, folder, name, true, key, bytes, size, err);
    } else {
        errno = saved;
        status = objstore_folder_fail(&store->folders, "linking", key, err);
    }
    return status;
}

static enum status objstore_local_put_if_absent(struct objstore *base, const char *key, const void *bytes, size_t size,
                                                struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int folder;
    const char *name;
    enum status status = objstore_folder_open(&store->folders, "writing", key, true, &folder, &name, err);
    if (status != STATUS_OK) return status;
    struct stat present;
    if (fstatat(folder, name, &present, AT_SYMLINK_NOFOLLOW) == 0) { // cheap answer; link(2) below is what decides
        status = error_set(err, STATUS_EXISTS, ERROR_RETRY, "%s/%s is there already", base->url, key);
    } else {
        status = objstore_local_put_staged(store, folder, name, false, key, bytes, size, err);
    }
    close(folder);
    return status;
}

static enum status objstore_local_read_open(struct objstore_local *store, const char *key, int *ret_fd,
                                            struct stat *ret_stat, struct error *err)
{
    int folder;
    const char *name;
    enum status status = objstore_folder_open(&store->folders, "reading", key, false, &folder, &name, err);
    if (status != STATUS_OK) return status;
    int fd = objstore_folder_openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0);
    if (fd < 0 || fstat(fd, ret_stat) != 0) {
        status = objstore_folder_fail(&store->folders, "reading", key, err);
    } else if (!S_ISREG(ret_stat->st_mode)) {
        status =
            error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "reading %s/%s: it is not a file", store->base.url, key);
    }
    close(folder);
    if (status == STATUS_OK) {
        *ret_fd = fd;
    } else if (fd >= 0) {
        close(fd);
    }
    return status;
}

static enum status objstore_local_read(struct objstore_local *store, int fd, const char *key, uint64_t offset,
                                       uint64_t length, struct buffer **ret_bytes, struct error *err)
{
    struct buffer *buffer = NULL;
    enum status status = buffer_create(NULL, length, &buffer, err);
    if (status != STATUS_OK) return status;
    uint64_t done = 0;
    while (done < length) {
        ssize_t got = pread(fd, buffer->data + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            status = objstore_folder_fail(&store->folders, "reading", key, err);
            break;
        }
        if (got == 0) {
            status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                               "reading %s/%s: it ends after %lu bytes, %lu wanted", store->base.url, key,
                               (unsigned long)(offset + done), (unsigned long)(offset + length));
            break;
        }
        done += (uint64_t)got;
    }
    if (status != STATUS_OK) {
        buffer_unref(buffer);
        return status;
    }
    *ret_bytes = buffer;
    return STATUS_OK;
}

static enum status objstore_local_get(struct objstore *base, const char *key, struct buffer **ret_bytes,
                                      struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int fd;
    struct stat found;
    enum status status = objstore_local_read_open(store, key, &fd, &found, err);
    if (status != STATUS_OK) return status;
    status = objstore_local_read(store, fd, key, 0, (uint64_t)found.st_size, ret_bytes, err);
    close(fd);
    return status;
}

static enum status objstore_local_get_range(struct objstore *base, const char *key, uint64_t offset, uint64_t length,
                                            struct buffer **ret_bytes, struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int fd;
    struct stat found;
    enum status status = objstore_local_read_open(store, key, &fd, &found, err);
    if (status != STATUS_OK) return status;
    uint64_t size = (uint64_t)found.st_size;
    if (offset > size || length > size - offset) {
        status = error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                           "reading %s/%s: bytes %lu to %lu wanted, but it has %lu", base->url, key,
                           (unsigned long)offset, (unsigned long)(offset + length), (unsigned long)size);
    } else {
        status = objstore_local_read(store, fd, key, offset, length, ret_bytes, err);
    }
    close(fd);
    return status;
}

static enum status objstore_local_settle(struct objstore *base, const char *key, struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    struct buffer *bytes = NULL;
    struct stat found;
    const char *name;
    int fd = -1, folder = -1;
    enum status status = STATUS_OK;
    TRY(objstore_local_read_open(store, key, &fd, &found, err));
    TRY(objstore_local_read(store, fd, key, 0, (uint64_t)found.st_size, &bytes, err));
    TRY(objstore_folder_open(&store->folders, "writing", key, true, &folder, &name, err));
    TRY(objstore_local_replace(store, folder, name, key, &found.st_mtim, bytes->data, (size_t)found.st_size, err));
out:
    buffer_unref(bytes);
    if (fd >= 0) close(fd);
    if (folder >= 0) close(folder);
    return status;
}

static int64_t objstore_local_modified_us(const struct stat *found)
{
    return (int64_t)found->st_mtim.tv_sec * 1000000 + found->st_mtim.tv_nsec / 1000;
}

static enum status objstore_local_stat(struct objstore *base, const char *key, struct objstore_entry *ret_entry,
                                       struct error *err)
{
    int fd;
    struct stat found;
    enum status status = objstore_local_read_open(objstore_local_of(base), key, &fd, &found, err);
    if (status != STATUS_OK) return status;
    close(fd);
    *ret_entry =
        (struct objstore_entry){memory_strdup(key), (uint64_t)found.st_size, objstore_local_modified_us(&found)};
    return STATUS_OK;
}

static enum status objstore_local_remove(struct objstore *base, const char *key, struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int folder;
    const char *name;
    struct error found = {0};
    enum status status = objstore_folder_open(&store->folders, "removing", key, false, &folder, &name, &found);
    if (status == STATUS_NOT_FOUND) return STATUS_OK;
    if (status != STATUS_OK) {
        if (err) *err = found;
        return status;
    }
    if (unlinkat(folder, name, 0) != 0 && errno != ENOENT) {
        status = objstore_folder_fail(&store->folders, "removing", key, err);
    }
    close(folder);
    return status;
}

// ---- listing

struct objstore_walk {
    struct objstore_local *store;
    const char *prefix, *after;
    struct objstore_list *list;
    struct text path; // of the folder being read, with '/' at its end; empty: the root
    unsigned depth;
};

static bool objstore_walk_wanted(const struct objstore_walk *walk, const char *key, bool folder)
{
    size_t prefix = strlen(walk->prefix), length = strlen(key);
    if (strncmp(key, walk->prefix, length < prefix && folder ? length : prefix) != 0) return false;
    if (!walk->after) return true;
    if (!folder) return strcmp(key, walk->after) > 0;
    return strncmp(key, walk->after, length) >= 0; // a folder whose every key is <= after can be left out
}

static enum status objstore_walk_folder(struct objstore_walk *walk, int fd, struct error *err);

static enum status objstore_walk_entry(struct objstore_walk *walk, int fd, const char *name, struct error *err)
{
    enum status status = STATUS_OK;
    size_t before = walk->path.length;
    text_append_str(&walk->path, name);
    struct stat found;
    const char *key = text_str(&walk->path);
    if (!objstore_walk_wanted(walk, key, true)) goto out;
    if (fstatat(fd, name, &found, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT)
            TRY(objstore_folder_fail(&walk->store->folders, "listing", key, err)); // gone meanwhile: not there
        goto out;
    }
    if (S_ISREG(found.st_mode) && objstore_walk_wanted(walk, key, false)) {
        struct objstore_entry entry = {memory_strdup(key), (uint64_t)found.st_size, objstore_local_modified_us(&found)};
        vector_push(&walk->list->entries, entry);
    } else if (S_ISDIR(found.st_mode) && walk->depth < OBJSTORE_DEPTH_MAX) {
        int next = objstore_folder_openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0);
        if (next < 0 && errno == ENOENT) goto out;
        if (next < 0) TRY(objstore_folder_fail(&walk->store->folders, "listing", key, err));
        text_append_char(&walk->path, '/');
        TRY(objstore_walk_folder(walk, next, err));
    }
out:
    walk->path.length = before;
    if (walk->path.data) walk->path.data[before] = '\0';
    return status;
}

// Takes fd.
static enum status objstore_walk_folder(struct objstore_walk *walk, int fd, struct error *err)
{
    enum status status = STATUS_OK;
    DIR *folder = fdopendir(fd);
    if (!folder) {
        status = objstore_folder_fail(&walk->store->folders, "listing", text_str(&walk->path), err);
        close(fd);
        return status;
    }
    walk->depth++;
    struct dirent *entry;
    while (status == STATUS_OK && (errno = 0, entry = readdir(folder))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        status = objstore_walk_entry(walk, fd, entry->d_name, err);
    }
    if (status == STATUS_OK && errno != 0) {
        status = objstore_folder_fail(&walk->store->folders, "listing", text_str(&walk->path), err);
    }
    walk->depth--;
    closedir(folder);
    return status;
}

static int objstore_local_order(const void *a, const void *b)
{
    return strcmp(((const struct objstore_entry *)a)->key, ((const struct objstore_entry *)b)->key);
}

static enum status objstore_local_list(struct objstore *base, const char *prefix, const char *after,
                                       struct objstore_list *ret_list, struct error *err)
{
    struct objstore_list list = {0};
    struct objstore_walk walk = {.store = objstore_local_of(base), .prefix = prefix, .after = after, .list = &list};
    int fd;
    const char *name;
    enum status status;
    struct error found = {0};
    const char *slash = strrchr(prefix, '/');
    if (slash) {
        text_append(&walk.path, prefix, (size_t)(slash - prefix) + 1);
        text_append_char(&walk.path, 'x'); // any name: the folder before it is opened
        status = objstore_folder_open(&walk.store->folders, "listing", text_str(&walk.path), false, &fd, &name, &found);
        walk.path.data[--walk.path.length] = '\0';
    } else {
        fd = objstore_folder_openat(walk.store->root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
        status = fd < 0 ? objstore_folder_fail(&walk.store->folders, "listing", "", &found) : STATUS_OK;
    }
    if (status == STATUS_OK) {
        status = objstore_walk_folder(&walk, fd, err);
    } else if (status == STATUS_NOT_FOUND) {
        status = STATUS_OK; // no such folder: no keys
    } else if (err) {
        *err = found;
    }
    text_deinit(&walk.path);
    if (status != STATUS_OK) {
        objstore_list_deinit(&list);
        return status;
    }
    if (list.entries.count) {
        qsort(list.entries.items, list.entries.count, sizeof *list.entries.items, objstore_local_order);
    }
    *ret_list = list;
    return STATUS_OK;
}

// ---- data files

static enum status objstore_local_create(struct objstore *base, const char *key, struct objstore_writer **ret_writer,
                                         struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    int folder;
    const char *name;
    enum status status = objstore_folder_open(&store->folders, "creating", key, true, &folder, &name, err);
    if (status != STATUS_OK) return status;
    uint64_t sync_failures = objstore_folder_sync_failures();
    int fd = objstore_folder_openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                    objstore_folder_file_mode(&store->folders));
    if (fd < 0) status = objstore_folder_fail(&store->folders, "creating", key, err);
    close(folder);
    if (status != STATUS_OK) return status;
    struct objstore_writer *writer = memory_calloc(1, sizeof *writer);
    writer->store = store;
    writer->key = memory_strdup(key);
    writer->sync_failures = sync_failures;
    writer->fd = fd;
    writer->buffer = memory_alloc(OBJSTORE_WRITE_BUFFER);
    *ret_writer = writer;
    return STATUS_OK;
}

static enum status objstore_local_put_out(struct objstore_writer *writer, const void *bytes, size_t size,
                                          struct error *err)
{
    if (writer->failed) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE, "writing %s/%s: an earlier write of it failed",
                         writer->store->base.url, writer->key);
    }
    if (objstore_local_write_all(writer->fd, bytes, size)) return STATUS_OK;
    writer->failed = true;
    return objstore_folder_fail(&writer->store->folders, "writing", writer->key, err);
}

static enum status objstore_local_flush(struct objstore_writer *writer, struct error *err)
{
    enum status status = objstore_local_put_out(writer, writer->buffer, writer->buffered, err);
    writer->buffered = 0;
    return status;
}

static enum status objstore_local_write(struct objstore_writer *writer, const void *bytes, size_t size,
                                        struct error *err)
{
    ASSERT(!writer->finished);
    if (writer->buffered + size > OBJSTORE_WRITE_BUFFER) {
        enum status status = objstore_local_flush(writer, err);
        if (status != STATUS_OK) return status;
    }
    if (size >= OBJSTORE_WRITE_BUFFER) return objstore_local_put_out(writer, bytes, size, err);
    memcpy(writer->buffer + writer->buffered, bytes, size);
    writer->buffered += size;
    return STATUS_OK;
}

static enum status objstore_local_finish(struct objstore_writer *writer, struct error *err)
{
    struct objstore_local *store = writer->store;
    enum status status = objstore_local_flush(writer, err);
    if (status != STATUS_OK) return status;
    // Begins to write it out, so that one fsync finds the others' pages on their way. It tells nothing: fsync does.
    (void)!sync_file_range(writer->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    pthread_mutex_lock(&store->lock);
    if (store->unsynced.count < OBJSTORE_UNSYNCED_MAX) {
        struct objstore_unsynced item = {memory_strdup(writer->key), writer->sync_failures, writer->fd};
        vector_push(&store->unsynced, item);
        writer->fd = -1;
    }
    pthread_mutex_unlock(&store->lock);
    if (writer->fd >= 0 && objstore_folder_fsync(writer->fd) != 0) {
        writer->failed = true;
        return objstore_folder_fail(&store->folders, "fsync of", writer->key, err);
    }
    writer->finished = true;
    return STATUS_OK;
}

static void objstore_local_writer_close(struct objstore_writer *writer)
{
    if (!writer) return;
    if (writer->fd >= 0) close(writer->fd);
    if (!writer->finished) {
        struct error ignored; // what cannot be removed is never named by a commit
        (void)objstore_local_remove(&writer->store->base, writer->key, &ignored);
    }
    memory_free(writer->key);
    memory_free(writer->buffer);
    memory_free(writer);
}

// The descriptor that wrote the file, else -1; the caller owns it. *ret_sync_failures: when its name was made, 0 where
// that is not known.
static int objstore_local_unsynced_take(struct objstore_local *store, const char *key, uint64_t *ret_sync_failures)
{
    int fd = -1;
    *ret_sync_failures = 0;
    pthread_mutex_lock(&store->lock);
    for (size_t i = 0; i < store->unsynced.count; i++) {
        if (strcmp(store->unsynced.items[i].key, key) != 0) continue;
        fd = store->unsynced.items[i].fd;
        *ret_sync_failures = store->unsynced.items[i].sync_failures;
        memory_free(store->unsynced.items[i].key);
        vector_remove(&store->unsynced, i);
        break;
    }
    pthread_mutex_unlock(&store->lock);
    return fd;
}

// Whether an earlier key of the same sync lies in the same folder: then that folder comes later or was done.
static bool objstore_local_folder_again(const char *const *keys, size_t count, size_t at)
{
    const char *slash = strrchr(keys[at], '/');
    size_t length = slash ? (size_t)(slash - keys[at]) : 0;
    for (size_t i = at + 1; i < count; i++) {
        const char *other = strrchr(keys[i], '/');
        if ((other ? (size_t)(other - keys[i]) : 0) == length && memcmp(keys[i], keys[at], length) == 0) return true;
    }
    return false;
}

// The content of each file. *ret_sync_failures: when the oldest of the names was made.
static enum status objstore_local_sync_files(struct objstore_local *store, const char *const *keys, size_t count,
                                             uint64_t *ret_sync_failures, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count; i++) {
        uint64_t sync_failures;
        int fd = objstore_local_unsynced_take(store, keys[i], &sync_failures);
        struct stat found;
        if (sync_failures < *ret_sync_failures) *ret_sync_failures = sync_failures;
        if (fd < 0) {
            enum status opened =
                objstore_local_read_open(store, keys[i], &fd, &found, status == STATUS_OK ? err : NULL);
            if (opened != STATUS_OK) {
                if (status == STATUS_OK) status = opened;
                continue;
            }
        }
        if (objstore_folder_fsync(fd) != 0 && status == STATUS_OK)
            status = objstore_folder_fail(&store->folders, "fsync of", keys[i], err);
        close(fd);
    }
    return status;
}

// Makes the name once more, of a file that no reader knows yet.
static enum status objstore_local_rename_again(struct objstore_local *store, const char *key, struct error *err)
{
    int folder;
    const char *name;
    char temporary[NAME_MAX + 1];
    enum status status = objstore_folder_open(&store->folders, "renaming", key, false, &folder, &name, err);
    if (status != STATUS_OK) return status;
    objstore_local_temporary(store, name, temporary);
    if (renameat(folder, name, folder, temporary) != 0 || renameat(folder, temporary, folder, name) != 0)
        status = objstore_folder_fail(&store->folders, "renaming", key, err);
    close(folder);
    return status;
}

// sync_failures: before the names were made.
static enum status objstore_local_sync_folders(struct objstore_local *store, const char *const *keys, size_t count,
                                               uint64_t sync_failures, struct error *err)
{
    enum status status = STATUS_OK;
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        int folder;
        const char *name;
        if (objstore_local_folder_again(keys, count, i)) continue;
        status = objstore_folder_open(&store->folders, "fsync of", keys[i], false, &folder, &name, err);
        if (status != STATUS_OK) break;
        if (!objstore_local_sync_folder(folder, sync_failures))
            status = objstore_folder_fail(&store->folders, "fsync of the directory of", keys[i], err);
        close(folder);
    }
    return status;
}

// A folder is synced after the last of its files. Where some folder's sync failed since the names were made they are
// made once more, a few times.
static enum status objstore_local_sync(struct objstore *base, const char *const *keys, size_t count, struct error *err)
{
    struct objstore_local *store = objstore_local_of(base);
    uint64_t made = UINT64_MAX;
    if (count == 0) return STATUS_OK;
    enum status status = objstore_local_sync_files(store, keys, count, &made, err);
    if (status != STATUS_OK) return status;
    for (unsigned attempt = 0; attempt < OBJSTORE_SYNC_TRIES; attempt++) {
        uint64_t now = objstore_folder_sync_failures();
        for (size_t i = 0; i < count && now != made; i++) {
            status = objstore_local_rename_again(store, keys[i], err);
            if (status != STATUS_OK) return status;
        }
        made = now;
        status = objstore_local_sync_folders(store, keys, count, made, err);
        if (status == STATUS_OK) return STATUS_OK;
    }
    return status;
}

// ---- opening

static void objstore_local_close(struct objstore *base)
{
    struct objstore_local *store = objstore_local_of(base);
    for (size_t i = 0; i < store->unsynced.count; i++) {
        close(store->unsynced.items[i].fd);
        memory_free(store->unsynced.items[i].key);
    }
    vector_deinit(&store->unsynced);
    objstore_folder_deinit(&store->folders);
    if (store->root_fd >= 0) close(store->root_fd);
    pthread_mutex_destroy(&store->lock);
    memory_free(store->base.url);
    memory_free(store);
}

// A root of another user's keeps its mode: whoever made it decides who may enter.
static void objstore_local_set_private(struct objstore *base)
{
    struct objstore_local *store = objstore_local_of(base);
    struct stat found;
    store->folders.private = true;
    if (fstat(store->root_fd, &found) == 0 && (found.st_mode & 0077) != 0) (void)fchmod(store->root_fd, 0700);
}

static const struct objstore_ops objstore_local_ops = {
    .close = objstore_local_close,
    .put = objstore_local_put,
    .put_if_absent = objstore_local_put_if_absent,
    .get = objstore_local_get,
    .get_range = objstore_local_get_range,
    .stat = objstore_local_stat,
    .list = objstore_local_list,
    .remove = objstore_local_remove,
    .create = objstore_local_create,
    .write = objstore_local_write,
    .finish = objstore_local_finish,
    .writer_close = objstore_local_writer_close,
    .sync = objstore_local_sync,
    .settle = objstore_local_settle,
    .set_private = objstore_local_set_private,
};

static enum status objstore_local_check(const char *path, bool create, struct error *err)
{
    struct stat found;
    if (stat(path, &found) != 0) {
        if (errno == ENOENT) {
            return error_set(err, STATUS_NOT_FOUND, ERROR_FAIL_PIPELINE, "the directory %s does not exist", path);
        }
        if (errno == ENOTDIR) {
            return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                             "%s: a part of this path is a file, not a directory", path);
        }
        return error_set_errno(err, ERROR_FAIL_PIPELINE, "opening the directory %s", path);
    }
    if (!S_ISDIR(found.st_mode)) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "%s is not a directory", path);
    }
    if (create && faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) != 0) {
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "the directory %s cannot be written (%s); check its owner, mode and mount", path,
                         errno == EROFS ? "its file system is read-only" : "permission denied");
    }
    return STATUS_OK;
}

// The absolute path without '/' at its end.
static char *objstore_local_absolute(const char *path)
{
    struct text text = {0};
    if (*path != '/') {
        char here[PATH_MAX];
        ASSERT(getcwd(here, sizeof here));
        text_append_str(&text, here);
        text_append_char(&text, '/');
    }
    text_append_str(&text, path);
    while (text.length > 1 && text.data[text.length - 1] == '/') text.data[--text.length] = '\0';
    return text_take(&text);
}

enum status objstore_local_open(const char *path, bool create, struct objstore **ret_store, struct error *err)
{
    enum status status = STATUS_OK;
    int fd = -1;
    char *absolute = objstore_local_absolute(path);
    if (create) TRY(objstore_folder_make(absolute, err));
    TRY(objstore_local_check(absolute, create, err));
    fd = objstore_folder_openat(AT_FDCWD, absolute, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) TRY(error_set_errno(err, ERROR_FAIL_PIPELINE, "opening the directory %s", absolute));
    struct objstore_local *store = memory_calloc(1, sizeof *store);
    store->base.ops = &objstore_local_ops;
    store->base.url = absolute;
    store->root_fd = fd;
    objstore_folder_init(&store->folders, absolute, fd);
    pthread_mutex_init(&store->lock, NULL);
    random_init_system(&store->random);
    absolute = NULL;
    *ret_store = &store->base;
out:
    memory_free(absolute);
    return status;
}
