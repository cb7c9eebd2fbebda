// Faults of a file system, preloaded into the real program: the N-th call of a kind below a folder fails with an errno,
// once, a few times or from then on; or every write is short. Each call is noted, so that a test can tell what was
// durable: one line "call result errno inode path other" with tabs between. Environment:
//   STORE_FAULTS_BELOW  folder; calls on other paths pass
//   STORE_FAULTS_LOG    file that the calls are noted in
//   STORE_FAULTS_CALL   fsync, fdatasync, write, pwrite, link, rename, open, mkdir, close, ftruncate, unlink; "short":
//                       all writes and pwrites take one byte of ten
//   STORE_FAULTS_AT     which of these calls, from 1
//   STORE_FAULTS_TIMES  how many of them fail
//   STORE_FAULTS_ERRNO  a number
// Calls go to the kernel directly, so that nothing here depends on the order of libraries.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    const char *below, *call;
    long at, times;
    int number, log_fd;
    atomic_long count;
} faults = {.log_fd = -1};

__attribute__((constructor)) static void begin(void)
{
    const char *at = getenv("STORE_FAULTS_AT"), *times = getenv("STORE_FAULTS_TIMES");
    const char *number = getenv("STORE_FAULTS_ERRNO"), *log = getenv("STORE_FAULTS_LOG");
    faults.below = getenv("STORE_FAULTS_BELOW");
    faults.call = getenv("STORE_FAULTS_CALL");
    faults.at = at ? atol(at) : 0;
    faults.times = times ? atol(times) : 0;
    faults.number = number ? atoi(number) : EIO;
    if (log) faults.log_fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
}

static bool is_below(const char *path)
{
    size_t length = faults.below ? strlen(faults.below) : 0;
    return length > 0 && strncmp(path, faults.below, length) == 0;
}

static void path_of(int fd, char path[PATH_MAX])
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t length = syscall(SYS_readlinkat, AT_FDCWD, self, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
}

static void path_at(int folder, const char *name, char path[PATH_MAX])
{
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    char parent[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (!getcwd(parent, sizeof parent)) parent[0] = '\0';
    } else {
        path_of(folder, parent);
    }
    snprintf(path, PATH_MAX, "%.2000s/%.1000s", parent, name);
}

static bool fails(const char *call)
{
    if (!faults.call || strcmp(call, faults.call) != 0) return false;
    long number = atomic_fetch_add(&faults.count, 1) + 1;
    return number >= faults.at && number < faults.at + faults.times;
}

static unsigned long inode_of(int fd)
{
    struct stat found;
    return fd >= 0 && fstat(fd, &found) == 0 ? (unsigned long)found.st_ino : 0;
}

static void note(const char *call, long result, unsigned long inode, const char *path, const char *other)
{
    int saved = errno;
    char line[2 * PATH_MAX];
    int length = snprintf(line, sizeof line, "%s\t%ld\t%d\t%lu\t%.3000s\t%.3000s\n", call, result,
                          result < 0 ? saved : 0, inode, path, other);
    if (faults.log_fd >= 0) (void)!syscall(SYS_write, faults.log_fd, line, (size_t)length);
    errno = saved;
}

static int fail(void)
{
    errno = faults.number;
    return -1;
}

static int on_fd(const char *call, long number, int fd)
{
    char path[PATH_MAX];
    path_of(fd, path);
    if (!is_below(path)) return (int)syscall(number, fd);
    unsigned long inode = inode_of(fd);
    bool closes = number == SYS_close, broken = fails(call);
    int result = broken && !closes ? fail() : (int)syscall(number, fd);
    if (broken && closes) result = fail(); // the descriptor is gone all the same, as Linux has it
    note(call, result, inode, path, "");
    return result;
}

int fsync(int fd)
{
    return on_fd("fsync", SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return on_fd("fdatasync", SYS_fdatasync, fd);
}

int close(int fd)
{
    return on_fd("close", SYS_close, fd);
}

static ssize_t writing(const char *call, int fd, const void *bytes, size_t size, off_t offset)
{
    char path[PATH_MAX];
    path_of(fd, path);
    bool here = is_below(path);
    if (here && faults.call && strcmp(faults.call, "short") == 0 && size > 1) size = size / 10 + 1;
    ssize_t result;
    if (here && fails(call)) {
        result = fail();
    } else if (offset < 0) {
        result = syscall(SYS_write, fd, bytes, size);
    } else {
        result = syscall(SYS_pwrite64, fd, bytes, size, offset);
    }
    if (here) note(call, result, inode_of(fd), path, "");
    return result;
}

ssize_t write(int fd, const void *bytes, size_t size)
{
    return writing("write", fd, bytes, size, -1);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return writing("pwrite", fd, bytes, size, offset);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    return writing("pwrite", fd, bytes, size, offset);
}

static int truncating(int fd, off_t size)
{
    char path[PATH_MAX];
    path_of(fd, path);
    if (!is_below(path)) return (int)syscall(SYS_ftruncate, fd, size);
    int result = fails("ftruncate") ? fail() : (int)syscall(SYS_ftruncate, fd, size);
    note("ftruncate", result, inode_of(fd), path, "");
    return result;
}

int ftruncate(int fd, off_t size)
{
    return truncating(fd, size);
}

int ftruncate64(int fd, off64_t size)
{
    return truncating(fd, size);
}

// The call is noted as "create" where it made a file.
static int opening(int folder, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    path_at(folder, name, path);
    if (!is_below(path)) return (int)syscall(SYS_openat, folder, name, flags, mode);
    struct stat before;
    bool named = (flags & O_TMPFILE) != O_TMPFILE;
    bool made = named && (flags & O_CREAT) && fstatat(folder, name, &before, AT_SYMLINK_NOFOLLOW) != 0;
    int result = fails("open") ? fail() : (int)syscall(SYS_openat, folder, name, flags, mode);
    note((made || !named) && result >= 0 ? "create" : "open", result, inode_of(result), path, "");
    return result;
}

#define MODE_OF(flags, mode)                                                                                           \
    mode_t mode = 0;                                                                                                   \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                             \
        va_list list;                                                                                                  \
        va_start(list, flags);                                                                                         \
        mode = va_arg(list, mode_t);                                                                                   \
        va_end(list);                                                                                                  \
    }

int openat(int folder, const char *name, int flags, ...)
{
    MODE_OF(flags, mode)
    return opening(folder, name, flags, mode);
}

int openat64(int folder, const char *name, int flags, ...)
{
    MODE_OF(flags, mode)
    return opening(folder, name, flags, mode);
}

int open(const char *name, int flags, ...)
{
    MODE_OF(flags, mode)
    return opening(AT_FDCWD, name, flags, mode);
}

int open64(const char *name, int flags, ...)
{
    MODE_OF(flags, mode)
    return opening(AT_FDCWD, name, flags, mode);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    char path[PATH_MAX];
    struct stat found = {0};
    path_at(to_fd, to, path);
    if (!is_below(path)) return (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    (void)fstatat(from_fd, from, &found, flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW);
    int result = fails("link") ? fail() : (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    note("link", result, (unsigned long)found.st_ino, path, from);
    return result;
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    char path[PATH_MAX], old[PATH_MAX];
    struct stat found = {0};
    path_at(to_fd, to, path);
    path_at(from_fd, from, old);
    if (!is_below(path)) return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    (void)fstatat(from_fd, from, &found, AT_SYMLINK_NOFOLLOW);
    int result = fails("rename") ? fail() : (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
    note("rename", result, (unsigned long)found.st_ino, path, old);
    return result;
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int mkdirat(int folder, const char *name, mode_t mode)
{
    char path[PATH_MAX];
    path_at(folder, name, path);
    if (!is_below(path)) return (int)syscall(SYS_mkdirat, folder, name, mode);
    int result = fails("mkdir") ? fail() : (int)syscall(SYS_mkdirat, folder, name, mode);
    note("mkdir", result, 0, path, "");
    return result;
}

int mkdir(const char *name, mode_t mode)
{
    return mkdirat(AT_FDCWD, name, mode);
}

int unlinkat(int folder, const char *name, int flags)
{
    char path[PATH_MAX];
    path_at(folder, name, path);
    if (!is_below(path)) return (int)syscall(SYS_unlinkat, folder, name, flags);
    int result = fails("unlink") ? fail() : (int)syscall(SYS_unlinkat, folder, name, flags);
    note("unlink", result, 0, path, "");
    return result;
}
