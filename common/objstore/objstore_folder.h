// Folders of a local object store, and what its files do with them: each folder that is written into is durable in its
// parent before anything in it counts. Any thread.
#ifndef FORESET_OBJSTORE_OBJSTORE_FOLDER_H
#define FORESET_OBJSTORE_OBJSTORE_FOLDER_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/base/error.h"
#include "common/base/vector.h"

struct objstore_folders {
    const char *url; // of the store, for messages; borrowed
    int root_fd;     // borrowed
    bool private;    // new folders are for this user alone
    pthread_mutex_t lock;
    VECTOR(uint64_t) durable; // hashes of folders that are durable in their parents, ascending
};
void objstore_folder_init(struct objstore_folders *folders, const char *url, int root_fd);
void objstore_folder_deinit(struct objstore_folders *folders);

// The message for errno on a key, with what to do about it where that is known.
enum status objstore_folder_fail(const struct objstore_folders *folders, const char *what, const char *key,
                                 struct error *err);

// Opens the folder of a key; *ret_name points at its last part. With create, missing folders are made, and all of them
// are durable.
enum status objstore_folder_open(struct objstore_folders *folders, const char *what, const char *key, bool create,
                                 int *ret_fd, const char **ret_name, struct error *err) MUST_USE;

// mkdir -p of a store's root, durably. path is absolute.
enum status objstore_folder_make(char *path, struct error *err) MUST_USE;

// System calls that go on when a signal or a network file system interrupts them.
int objstore_folder_openat(int folder, const char *name, int flags, mode_t mode);
int objstore_folder_fsync(int fd);
mode_t objstore_folder_file_mode(const struct objstore_folders *folders); // of a new file, before the umask

// Failed syncs of directories in this process. One may lose every name that was new in its directory, also those that
// another thread or store made there, and a later sync that succeeds proves nothing for them.
uint64_t objstore_folder_sync_failures(void);
// Whether the names that were made when there were so many failures are durable; else errno says why not.
bool objstore_folder_sync(int folder, uint64_t failures);

#endif
