// Confinement to directories and variables: see confine.h. What can fail: a path that leads elsewhere (USAGE), a file
// that cannot be opened (USAGE, with errno's text), a path that cannot be resolved (refused: what is not understood is
// not allowed).
#include "common/base/confine.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/base/vector.h"

static struct {
    pthread_mutex_t lock;
    bool active;
    VECTOR(char *) roots, closed; // as given: they are resolved when a path is judged, and may be made later
    VECTOR(char *) variables;
} confined = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- Paths

bool confine_inside(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    if (length > 1 && directory[length - 1] == '/') length--;
    if (length == 1 && *directory == '/') return true;
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

// The parts of `rest` appended to a resolved directory. False: one is "..".
static bool confine_append(struct text *whole, const char *rest)
{
    while (*rest) {
        size_t length = strcspn(rest, "/");
        if (length == 2 && rest[0] == '.' && rest[1] == '.') return false;
        if (length > 0 && !(length == 1 && rest[0] == '.')) {
            if (whole->length > 1) text_append_char(whole, '/');
            text_append(whole, rest, length);
        }
        rest += length + (rest[length] == '/');
    }
    return true;
}

char *confine_resolve(const char *path)
{
    char real[PATH_MAX], part[PATH_MAX];
    struct text whole = {0};
    size_t length = strlen(path);
    if (*path != '/' || length >= sizeof part) return NULL;
    memcpy(part, path, length + 1);
    for (;;) {
        while (length > 1 && part[length - 1] == '/') length--; // lstat would follow a link that ends in '/'
        part[length] = '\0';
        if (realpath(part, real)) break;
        struct stat found;
        // A link that leads nowhere is there, though what it names is not: writing would make that.
        if ((errno != ENOENT && errno != ENOTDIR) || lstat(part, &found) == 0) return NULL;
        while (length > 1 && part[length - 1] != '/') length--;
    }
    text_append_str(&whole, real);
    if (confine_append(&whole, path + length)) return text_take(&whole);
    text_deinit(&whole);
    return NULL;
}

// ---- What is allowed

static bool confine_known(char *const *items, size_t count, const char *path)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(items[i], path) == 0) return true;
    }
    return false;
}

void confine_allow(const char *path)
{
    pthread_mutex_lock(&confined.lock);
    if (confined.active && !confine_known(confined.roots.items, confined.roots.count, path))
        vector_push(&confined.roots, memory_strdup(path));
    pthread_mutex_unlock(&confined.lock);
}

void confine_close(const char *path)
{
    pthread_mutex_lock(&confined.lock);
    if (confined.active && !confine_known(confined.closed.items, confined.closed.count, path))
        vector_push(&confined.closed, memory_strdup(path));
    pthread_mutex_unlock(&confined.lock);
}

static enum status confine_start_path(const char *path, struct error *err)
{
    struct stat found;
    if (*path != '/')
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "--allow-path %s: give an absolute path", path);
    if (stat(path, &found) != 0) return error_set_errno(err, ERROR_USAGE, "--allow-path %s", path);
    if (!S_ISDIR(found.st_mode))
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "--allow-path %s: it is not a directory", path);
    confine_allow(path);
    return STATUS_OK;
}

static enum status confine_start_variable(const char *name, struct error *err)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_";
    size_t length = strspn(name, letters);
    bool prefix = length > 0 && strcmp(name + length, "*") == 0;
    if (length == 0 || (name[length] && !prefix)) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "--allow-env %s: expected the name of a variable, or a prefix and '*', e.g. KAFKA_*", name);
    }
    pthread_mutex_lock(&confined.lock);
    vector_push(&confined.variables, memory_strdup(name));
    pthread_mutex_unlock(&confined.lock);
    return STATUS_OK;
}

static enum status confine_start_list(const char *list, enum status (*one)(const char *, struct error *),
                                      struct error *err)
{
    enum status status = STATUS_OK;
    char *copy = memory_strdup(list ? list : ""), *rest = NULL;
    for (char *item = strtok_r(copy, ",", &rest); item && status == STATUS_OK; item = strtok_r(NULL, ",", &rest))
        status = one(item, err);
    memory_free(copy);
    return status;
}

enum status confine_start(const char *paths, const char *variables, struct error *err)
{
    confined.active = true;
    enum status status = confine_start_list(paths, confine_start_path, err);
    if (status == STATUS_OK) status = confine_start_list(variables, confine_start_variable, err);
    return status;
}

bool confine_active(void)
{
    pthread_mutex_lock(&confined.lock);
    bool active = confined.active;
    pthread_mutex_unlock(&confined.lock);
    return active;
}

void confine_end(void)
{
    pthread_mutex_lock(&confined.lock);
    confined.active = false;
    for (size_t i = 0; i < confined.roots.count; i++) memory_free(confined.roots.items[i]);
    for (size_t i = 0; i < confined.closed.count; i++) memory_free(confined.closed.items[i]);
    for (size_t i = 0; i < confined.variables.count; i++) memory_free(confined.variables.items[i]);
    vector_deinit(&confined.roots);
    vector_deinit(&confined.closed);
    vector_deinit(&confined.variables);
    pthread_mutex_unlock(&confined.lock);
}

// ---- Judging

static bool confine_below_any(const char *real, char *const *directories, size_t count)
{
    bool below = false;
    for (size_t i = 0; i < count && !below; i++) {
        char *directory = confine_resolve(directories[i]);
        below = directory && confine_inside(real, directory);
        memory_free(directory);
    }
    return below;
}

// The kernel's folders give away what a process holds: its environment, its memory, its descriptors.
static bool confine_of_kernel(const char *real)
{
    return confine_inside(real, "/proc") || confine_inside(real, "/sys") || confine_inside(real, "/dev");
}

static enum status confine_judge(const char *what, const char *path, const char *real, struct error *err)
{
    pthread_mutex_lock(&confined.lock);
    bool below =
        real && !confine_of_kernel(real) && confine_below_any(real, confined.roots.items, confined.roots.count);
    bool shut = below && confine_below_any(real, confined.closed.items, confined.closed.count);
    pthread_mutex_unlock(&confined.lock);
    if (shut) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "%s: %.300s lies in the state store, which a pipeline's text cannot name", what, path);
    }
    if (below) return STATUS_OK;
    bool moved = real && strcmp(real, path) != 0;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "%s: %.300s%s%.200s is not below a directory that this server allows: the warehouse, and those "
                     "of --allow-path",
                     what, path, moved ? ", which leads to " : "", moved ? real : "");
}

enum status confine_check_path(const char *what, const char *path, struct error *err)
{
    if (!confine_active()) return STATUS_OK;
    char *real = confine_resolve(path);
    enum status status = confine_judge(what, path, real, err);
    memory_free(real);
    return status;
}

enum status confine_check_fd(const char *what, int fd, const char *path, struct error *err)
{
    char self[64], real[PATH_MAX];
    if (!confine_active()) return STATUS_OK;
    snprintf(self, sizeof self, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(self, real, sizeof real - 1);
    if (length < 0) return error_set_errno(err, ERROR_USAGE, "%s: %s: reading %s", what, path, self);
    real[length] = '\0';
    return confine_judge(what, path, real, err);
}

enum status confine_open(const char *what, const char *path, int *ret_fd, struct error *err)
{
    enum status status = STATUS_OK;
    struct stat found;
    bool active = confine_active();
    TRY(confine_check_path(what, path, err));
    // O_NONBLOCK: a FIFO would hold the thread until somebody writes.
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (active ? O_NONBLOCK : 0));
    if (fd < 0) return error_set_errno(err, ERROR_USAGE, "%s: %s", what, path);
    status = confine_check_fd(what, fd, path, err);
    if (status == STATUS_OK && active && (fstat(fd, &found) != 0 || !S_ISREG(found.st_mode)))
        status = error_set(err, STATUS_INVALID, ERROR_USAGE, "%s: %s is not a regular file", what, path);
    if (status == STATUS_OK) {
        *ret_fd = fd;
    } else {
        close(fd);
    }
out:
    return status;
}

enum status confine_check_variable(const char *name, struct error *err)
{
    pthread_mutex_lock(&confined.lock);
    bool allowed = !confined.active;
    bool own = confined.active && strncmp(name, "FORESET_", 8) == 0; // passwords of etcd, for example
    for (size_t i = 0; i < confined.variables.count && !allowed && !own; i++) {
        const char *known = confined.variables.items[i];
        size_t length = strlen(known);
        bool prefix = known[length - 1] == '*';
        allowed = prefix ? strncmp(known, name, length - 1) == 0 : strcmp(known, name) == 0;
    }
    pthread_mutex_unlock(&confined.lock);
    if (allowed) return STATUS_OK;
    return error_set(err, STATUS_INVALID, ERROR_USAGE,
                     "secret('env:%.100s'): this server does not allow that variable; its operator allows it by "
                     "--allow-env %.100s, or a prefix such as KAFKA_*",
                     name, name);
}
