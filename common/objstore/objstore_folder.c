// Folders of a local object store (P16). Keys are walked folder by folder without following symbolic links, so that no
// key leads out of the root.
//
// A folder is durable when its parent was synced after it was made. The first time that a store writes into a folder it
// makes sure of that, also where the folder is there already: the process that made it may have died before its sync.
// What can fail:
//   - the sync of the parent: the new folder is removed again, so that the next attempt makes its entry once more. A
//     second sync alone would prove nothing: the kernel may have dropped the entry and would say that all is well;
//   - a crash between mkdir and sync: the folder is there and not known to be durable; the next process syncs it;
//   - disk full, read-only, not a directory: the call fails with the path and what to do.
#include "common/objstore/objstore_folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

enum {
    FOLDER_KEY_MAX = 4000,
    FOLDER_DEPTH_MAX = 64, // below the root
    FOLDER_FLAGS = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC
};

// Roots of stores and what is above them, for the whole process: every table of a pipeline is a store of its own.
static struct {
    pthread_mutex_t lock;
    VECTOR(uint64_t) durable;
} folder_roots = {.lock = PTHREAD_MUTEX_INITIALIZER};

void objstore_folder_init(struct objstore_folders *folders, const char *url, int root_fd)
{
    *folders = (struct objstore_folders){.url = url, .root_fd = root_fd};
    pthread_mutex_init(&folders->lock, NULL);
}

void objstore_folder_deinit(struct objstore_folders *folders)
{
    vector_deinit(&folders->durable);
    pthread_mutex_destroy(&folders->lock);
}

int objstore_folder_openat(int folder, const char *name, int flags, mode_t mode)
{
    for (;;) {
        int fd = openat(folder, name, flags, mode);
        if (fd >= 0 || errno != EINTR) return fd;
    }
}

mode_t objstore_folder_file_mode(const struct objstore_folders *folders)
{
    return folders->private ? 0600 : 0666;
}

int objstore_folder_fsync(int fd)
{
    for (;;) {
        int result = fsync(fd);
        if (result == 0 || errno != EINTR) return result;
    }
}

static _Atomic uint64_t folder_sync_failures;
static _Atomic int folder_sync_errno; // of the last one

uint64_t objstore_folder_sync_failures(void)
{
    return atomic_load(&folder_sync_failures);
}

bool objstore_folder_sync(int folder, uint64_t failures)
{
    if (objstore_folder_fsync(folder) != 0) {
        atomic_store(&folder_sync_errno, errno);
        atomic_fetch_add(&folder_sync_failures, 1);
        return false;
    }
    if (atomic_load(&folder_sync_failures) == failures) return true;
    errno = atomic_load(&folder_sync_errno); // another thread's
    return false;
}

enum status objstore_folder_fail(const struct objstore_folders *folders, const char *what, const char *key,
                                 struct error *err)
{
    const char *url = folders->url;
    switch (errno) {
    case ENOSPC:
    case EDQUOT:
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "%s %s/%s: the disk is full (or the quota used up); free space and start again", what, url,
                         key);
    case EROFS:
    case EACCES:
    case EPERM:
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "%s %s/%s: the directory is read-only or not permitted (%s); check its owner, mode and mount",
                         what, url, key, strerrorname_np(errno));
    case ENOTDIR:
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "%s %s/%s: a part of this path is a file or a symbolic link, not a directory", what, url, key);
    case ELOOP:
        return error_set(err, STATUS_ERROR, ERROR_FAIL_PIPELINE,
                         "%s %s/%s: it is a symbolic link; links inside a table or state directory are not followed",
                         what, url, key);
    case EINTR:
    case EMFILE:
    case ENFILE: return error_set_errno(err, ERROR_RETRY, "%s %s/%s", what, url, key);
    default: return error_set_errno(err, ERROR_FAIL_PIPELINE, "%s %s/%s", what, url, key);
    }
}

// ---- Sets of folders that are durable

static size_t folder_find(const uint64_t *hashes, size_t count, uint64_t hash)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (hashes[middle] < hash) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static bool folder_known(const uint64_t *hashes, size_t count, uint64_t hash)
{
    size_t at = folder_find(hashes, count, hash);
    return at < count && hashes[at] == hash;
}

static void folder_learn(struct objstore_folders *folders, uint64_t hash)
{
    size_t at = folder_find(folders->durable.items, folders->durable.count, hash);
    if (at < folders->durable.count && folders->durable.items[at] == hash) return;
    vector_push(&folders->durable, hash);
    uint64_t *items = folders->durable.items;
    memmove(items + at + 1, items + at, (folders->durable.count - 1 - at) * sizeof *items);
    items[at] = hash;
}

// ---- Below a root

static bool folder_key_valid(const char *key)
{
    size_t length = strlen(key);
    if (length == 0 || length > FOLDER_KEY_MAX) return false;
    unsigned depth = 0;
    for (const char *part = key;; part++) {
        const char *end = strchrnul(part, '/');
        size_t size = (size_t)(end - part);
        if (size == 0 || size > NAME_MAX || ++depth > FOLDER_DEPTH_MAX) return false;
        if (part[0] == '.' && (size == 1 || (size == 2 && part[1] == '.'))) return false;
        if (!*end) return true;
        part = end;
    }
}

// A partition's folder: its siblings are made durable by the same sync, so that thousands of them cost one.
static void folder_learn_siblings(struct objstore_folders *folders, int parent, const char *path, size_t length)
{
    int fd = objstore_folder_openat(parent, ".", FOLDER_FLAGS, 0);
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder && fd >= 0) close(fd);
    if (!folder) return;
    char sibling[FOLDER_KEY_MAX + NAME_MAX + 2];
    memcpy(sibling, path, length);
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        if (!strchr(entry->d_name, '=')) continue;
        int wrote = snprintf(sibling + length, NAME_MAX + 1, "%s", entry->d_name);
        folder_learn(folders, hash_64(sibling, length + (size_t)wrote, 0));
    }
    closedir(folder);
}

// Under the lock. The folder `name` of `parent` is there and durable; its path in the store is path[0..length).
static bool folder_ensure(struct objstore_folders *folders, int parent, const char *name, const char *path,
                          size_t length)
{
    uint64_t failures = objstore_folder_sync_failures();
    bool made = mkdirat(parent, name, folders->private ? 0700 : 0777) == 0;
    if (!made && errno != EEXIST) return false;
    size_t before = folders->durable.count;
    if (!made && strchr(name, '=')) folder_learn_siblings(folders, parent, path, length - strlen(name));
    if (objstore_folder_sync(parent, failures)) {
        folder_learn(folders, hash_64(path, length, 0));
        return true;
    }
    int saved = errno;
    if (made) (void)unlinkat(parent, name, AT_REMOVEDIR);
    if (folders->durable.count != before) vector_reset(&folders->durable); // they are looked at again
    errno = saved;
    return false;
}

// Opens the folder path[from..to) of `parent`.
static int folder_step(struct objstore_folders *folders, int parent, const char *path, size_t from, size_t to,
                       bool create)
{
    char name[NAME_MAX + 1];
    snprintf(name, sizeof name, "%.*s", (int)(to - from), path + from);
    if (!create) return objstore_folder_openat(parent, name, FOLDER_FLAGS, 0);
    pthread_mutex_lock(&folders->lock);
    bool durable = folder_known(folders->durable.items, folders->durable.count, hash_64(path, to, 0));
    int fd = durable ? objstore_folder_openat(parent, name, FOLDER_FLAGS, 0) : -1;
    bool gone = durable && fd < 0 && errno == ENOENT;
    if ((!durable || gone) && folder_ensure(folders, parent, name, path, to))
        fd = objstore_folder_openat(parent, name, FOLDER_FLAGS, 0);
    int saved = errno;
    pthread_mutex_unlock(&folders->lock);
    errno = saved;
    return fd;
}

enum status objstore_folder_open(struct objstore_folders *folders, const char *what, const char *key, bool create,
                                 int *ret_fd, const char **ret_name, struct error *err)
{
    if (!folder_key_valid(key)) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                         "%s: '%s' is not a valid name below %s (relative, no empty part, no '.' or '..')", what, key,
                         folders->url);
    }
    int fd = fcntl(folders->root_fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return objstore_folder_fail(folders, what, key, err);
    for (const char *part = key, *end; (end = strchr(part, '/')); part = end + 1) {
        int next = folder_step(folders, fd, key, (size_t)(part - key), (size_t)(end - key), create);
        if (next < 0) {
            enum status status = objstore_folder_fail(folders, what, key, err);
            close(fd);
            return status;
        }
        close(fd);
        fd = next;
    }
    const char *last = strrchr(key, '/');
    *ret_name = last ? last + 1 : key;
    *ret_fd = fd;
    return STATUS_OK;
}

// ---- The root

// Makes one folder durable in its parent. A parent that was there before, and that this process may not write into or
// read, holds nothing of ours.
static bool folder_sync_parent(const char *path, bool made, uint64_t failures)
{
    char *parent = memory_strdup(path);
    char *slash = strrchr(parent, '/');
    slash[slash == parent] = '\0';
    int fd = objstore_folder_openat(AT_FDCWD, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    bool hidden = fd < 0 && (errno == EACCES || errno == EPERM);
    bool foreign = hidden || (fd >= 0 && faccessat(AT_FDCWD, parent, W_OK, AT_EACCESS) != 0);
    bool done = (foreign && !made) || (fd >= 0 && objstore_folder_sync(fd, failures));
    done = done || (!made && (errno == EINVAL || errno == EROFS)); // a mount that knows no sync of folders
    int saved = errno;
    if (fd >= 0) close(fd);
    memory_free(parent);
    errno = saved;
    return done;
}

// Under the lock of folder_roots. One folder of a root's path.
static enum status folder_make_one(const char *path, struct error *err)
{
    uint64_t hash = hash_64(path, strlen(path), 0);
    uint64_t failures = objstore_folder_sync_failures();
    bool made = mkdir(path, 0777) == 0;
    struct stat found;
    if (!made && errno != EEXIST && errno != EISDIR) {
        int saved = errno;
        if (stat(path, &found) == 0) return STATUS_OK; // an automounter or a read-only parent
        errno = saved;
        return error_set_errno(err, ERROR_FAIL_PIPELINE, "creating the directory %s", path);
    }
    for (size_t i = 0; i < folder_roots.durable.count && !made; i++) {
        if (folder_roots.durable.items[i] == hash) return STATUS_OK;
    }
    if (!folder_sync_parent(path, made, failures)) {
        (void)error_set_errno(err, ERROR_FAIL_PIPELINE, "making the directory %s durable in its parent", path);
        if (made) (void)rmdir(path);
        return STATUS_ERROR;
    }
    vector_push(&folder_roots.durable, hash);
    return STATUS_OK;
}

enum status objstore_folder_make(char *path, struct error *err)
{
    enum status status = STATUS_OK;
    pthread_mutex_lock(&folder_roots.lock);
    for (char *at = path + 1; status == STATUS_OK; at++) {
        if (*at != '/' && *at != '\0') continue;
        char end = *at;
        *at = '\0';
        status = folder_make_one(path, err);
        *at = end;
        if (!end) break;
    }
    pthread_mutex_unlock(&folder_roots.lock);
    return status;
}
