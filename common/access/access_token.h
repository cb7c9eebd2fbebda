// The token of one user's processes: without TLS whoever shows it may do everything. A file of mode 0600 in the user's
// home folder, made by the first process that needs it; the others of this user read it, so that none needs a flag.
//
// The default is ~/.foreset/token, always: XDG_RUNTIME_DIR is set in a login session and not for a service, is emptied
// at logout, and would give one user two tokens.
#ifndef FORESET_ACCESS_ACCESS_TOKEN_H
#define FORESET_ACCESS_ACCESS_TOKEN_H

#include "common/base/error.h"

#define ACCESS_TOKEN_LENGTH     64  // of those that are made here: 256 random bits as hexadecimal digits
#define ACCESS_TOKEN_LENGTH_MIN 32  // of those that somebody else made
#define ACCESS_TOKEN_LENGTH_MAX 256 // the same
#define ACCESS_TOKEN_PATH_SIZE  4096

struct access_token {
    char path[ACCESS_TOKEN_PATH_SIZE]; // where it was looked for
    char text[ACCESS_TOKEN_LENGTH_MAX + 1];
};

// path NULL: the default. ERROR_USAGE: no home folder to derive it from.
enum status access_token_path(const char *path, char ret_path[ACCESS_TOKEN_PATH_SIZE], struct error *err) MUST_USE;
// STATUS_NOT_FOUND: no such file. ERROR_USAGE: it is another user's, others may read it, or it holds no token.
enum status access_token_read(const char *path, struct access_token *ret_token, struct error *err) MUST_USE;
// As access_token_read; makes the file where it is missing, with its folder (mode 0700). Two processes that make it at
// once end with the same token.
enum status access_token_make(const char *path, struct access_token *ret_token, struct error *err) MUST_USE;
// Whether they are the same, in a time that depends on their lengths alone. given NULL: no.
bool access_token_equal(const struct access_token *token, const char *given);

#endif
