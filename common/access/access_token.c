// A token's file. It appears whole, by link(2) of a file of its own: a process that dies while it makes it, or another
// one that makes it too, leaves no half of a token.
//
// What can fail: no home folder; a folder or file that cannot be made; a file that others may read, that belongs to
// another user, that is no regular file (a symbolic link would let another user choose what is read), or that holds
// something else. All are refused with the path and what to do; nothing is ever overwritten.
#include "common/access/access_token.h"

#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/random.h"

enum status access_token_path(const char *path, char ret_path[ACCESS_TOKEN_PATH_SIZE], struct error *err)
{
    struct passwd entry, *found = NULL;
    char buffer[4096];
    const char *home = getenv("HOME");
    if (!path && (!home || *home != '/') && getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
        home = found->pw_dir;
    if (!path && (!home || *home != '/')) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "this user has no home folder that would hold the token: give --token-file FILE");
    }
    size_t length = (size_t)(path ? snprintf(ret_path, ACCESS_TOKEN_PATH_SIZE, "%s", path)
                                  : snprintf(ret_path, ACCESS_TOKEN_PATH_SIZE, "%s/.foreset/token", home));
    if (length >= ACCESS_TOKEN_PATH_SIZE)
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "the path of the token file is too long");
    return STATUS_OK;
}

static enum status access_token_unsafe(const struct access_token *token, const struct stat *stat, struct error *err)
{
    if (!S_ISREG(stat->st_mode))
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "token file %s: not a regular file", token->path);
    if (stat->st_uid != geteuid()) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "token file %s belongs to the user with number %u, this process runs as %u: give --token-file "
                         "FILE",
                         token->path, (unsigned)stat->st_uid, (unsigned)geteuid());
    }
    if (stat->st_mode & (S_IRWXG | S_IRWXO)) {
        return error_set(
            err, STATUS_INVALID, ERROR_USAGE,
            "token file %s: other users may read or write it (mode %o), so they may know the token; remove "
            "the file, and start the processes again: the first one makes a new token",
            token->path, (unsigned)(stat->st_mode & 07777));
    }
    return STATUS_OK;
}

static enum status access_token_fill(int file, struct access_token *token, struct error *err)
{
    char bytes[ACCESS_TOKEN_LENGTH_MAX + 2] = "";
    size_t length = 0;
    ssize_t count;
    while ((count = read(file, bytes + length, sizeof bytes - 1 - length)) > 0) length += (size_t)count;
    if (count < 0) return error_set_errno(err, ERROR_USAGE, "token file %s cannot be read", token->path);
    if (length > 0 && bytes[length - 1] == '\n') bytes[--length] = '\0';
    size_t valid = strspn(bytes, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~+/=");
    if (valid != length || length < ACCESS_TOKEN_LENGTH_MIN || length > ACCESS_TOKEN_LENGTH_MAX) {
        explicit_bzero(bytes, sizeof bytes);
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "token file %s: expected one line of %d to %d letters, digits and -._~+/=", token->path,
                         ACCESS_TOKEN_LENGTH_MIN, ACCESS_TOKEN_LENGTH_MAX);
    }
    memcpy(token->text, bytes, length + 1);
    explicit_bzero(bytes, sizeof bytes);
    return STATUS_OK;
}

enum status access_token_read(const char *path, struct access_token *ret_token, struct error *err)
{
    enum status status = STATUS_OK;
    struct access_token token = {0};
    struct stat stat;
    int file = -1;
    TRY(access_token_path(path, token.path, err));
    file = open(token.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK); // a FIFO would make it wait
    if (file < 0) {
        bool missing = errno == ENOENT;
        status = error_set_errno(err, ERROR_USAGE, "token file %s cannot be read", token.path);
        if (missing) status = error_set(err, STATUS_NOT_FOUND, ERROR_USAGE, "no token file %s", token.path);
        goto out;
    }
    if (fstat(file, &stat) != 0) TRY(error_set_errno(err, ERROR_USAGE, "token file %s", token.path));
    TRY(access_token_unsafe(&token, &stat, err));
    TRY(access_token_fill(file, &token, err));
    *ret_token = token;
out:
    if (file >= 0) close(file);
    explicit_bzero(token.text, sizeof token.text);
    return status;
}

static enum status access_token_write(const char *path, const char *own, struct error *err)
{
    static const char digits[] = "0123456789abcdef";
    uint8_t secret[ACCESS_TOKEN_LENGTH / 2];
    char line[ACCESS_TOKEN_LENGTH + 1];
    int file = open(own, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (file < 0) {
        return error_set_errno(err, ERROR_USAGE, "token file %s cannot be made: mend its folder, or give --token-file",
                               path);
    }
    random_secret(secret, sizeof secret);
    for (size_t i = 0; i < sizeof secret; i++) {
        line[2 * i] = digits[secret[i] >> 4];
        line[2 * i + 1] = digits[secret[i] & 15];
    }
    line[ACCESS_TOKEN_LENGTH] = '\n';
    bool written = write(file, line, sizeof line) == (ssize_t)sizeof line && fsync(file) == 0;
    enum status status =
        written ? STATUS_OK : error_set_errno(err, ERROR_USAGE, "token file %s cannot be written", path);
    close(file);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(line, sizeof line);
    if (status == STATUS_OK && link(own, path) != 0 && errno != EEXIST) // EEXIST: another process was faster
        status = error_set_errno(err, ERROR_USAGE, "token file %s cannot be made", path);
    unlink(own);
    return status;
}

enum status access_token_make(const char *path, struct access_token *ret_token, struct error *err)
{
    char own[ACCESS_TOKEN_PATH_SIZE + 64], folder[ACCESS_TOKEN_PATH_SIZE];
    enum status status = access_token_read(path, ret_token, err);
    if (status != STATUS_NOT_FOUND) return status;
    status = access_token_path(path, folder, err);
    if (status != STATUS_OK) return status;
    struct random random;
    random_init_system(&random);
    snprintf(own, sizeof own, "%s.%016llx", folder, (unsigned long long)random_u64(&random));
    char full[ACCESS_TOKEN_PATH_SIZE];
    memcpy(full, folder, sizeof full);
    char *slash = strrchr(folder, '/');
    if (slash && slash > folder) {
        *slash = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST) // its parents are the user's to make
            return error_set_errno(err, ERROR_USAGE, "the folder %s of the token file cannot be made", folder);
    }
    status = access_token_write(full, own, err);
    return status == STATUS_OK ? access_token_read(path, ret_token, err) : status;
}

bool access_token_equal(const struct access_token *token, const char *given)
{
    size_t length = strlen(token->text); // no secret
    if (!given || length == 0 || strlen(given) != length) return false;
    unsigned char differs = 0;
    for (size_t i = 0; i < length; i++) {
        differs = (unsigned char)(differs | ((unsigned char)token->text[i] ^ (unsigned char)given[i]));
        __asm__ volatile("" : "+r"(differs)); // so that no compiler finds an early way out
    }
    return differs == 0;
}
