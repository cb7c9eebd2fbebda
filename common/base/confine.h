// Which files, directories and environment variables the text of a pipeline may make this process use. Process-wide:
// set once at start, before threads; without a set everything is allowed (a standalone run does what its user may).
//
// A path is judged by where it really leads: every symbolic link is resolved, and what does not exist yet is judged by
// the directory that does. A file that is read is judged again after it was opened, by its descriptor, so that a link
// changed in between opens nothing. Errors are ERROR_USAGE with the path as given and the flag that would allow it.
#ifndef FORESET_BASE_CONFINE_H
#define FORESET_BASE_CONFINE_H

#include <stdbool.h>

#include "common/base/error.h"

// paths: directories, separated by commas. variables: names, or prefixes that end in '*', separated by commas.
// ERROR_USAGE for a directory that is not absolute or does not exist, and for a variable's name that cannot be one.
enum status confine_start(const char *paths, const char *variables, struct error *err) MUST_USE;
bool confine_active(void);
void confine_end(void); // everything is allowed again
// Further roots (the warehouse), and directories below them that stay closed (the state store): no-ops where
// confine_start was not called. Any thread; a directory that is known already is not added again. It need not exist.
void confine_allow(const char *path);
void confine_close(const char *path);

// what: for the message, e.g. "LOCATION" or "secret('file:…')". path: absolute.
enum status confine_check_path(const char *what, const char *path, struct error *err) MUST_USE;
enum status confine_check_variable(const char *name, struct error *err) MUST_USE;
// Opens a regular file for reading (O_CLOEXEC). Where nothing is confined, whatever open() opens.
enum status confine_open(const char *what, const char *path, int *ret_fd, struct error *err) MUST_USE;
// A descriptor that is open already (a directory's, for example): does it lie where it may?
enum status confine_check_fd(const char *what, int fd, const char *path, struct error *err) MUST_USE;

// Where a path really leads: symbolic links resolved as far as the path exists, the rest appended without "." and empty
// parts. NULL: it is not absolute, too long, or passes through a link that leads nowhere or a ".." that does not exist.
char *confine_resolve(const char *path); // memory_free
// Both as confine_resolve gives them: is path directory itself, or below it?
bool confine_inside(const char *path, const char *directory);

#endif
