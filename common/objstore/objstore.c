// Opening an object store by URL, and what is the same for every store.
// Promises: an address that no store serves is refused by name; what cannot be opened says which directory and why.
#include "common/objstore/objstore.h"

#include <string.h>

#include "common/base/confine.h"
#include "common/base/text.h"
#include "common/objstore/objstore_local.h"

void objstore_list_deinit(struct objstore_list *list)
{
    for (size_t i = 0; i < list->entries.count; i++) memory_free(list->entries.items[i].key);
    vector_deinit(&list->entries);
}

void objstore_close(struct objstore *store)
{
    if (store) store->ops->close(store);
}

static int objstore_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// The path of a file: URL, its %XX decoded. NULL if it names a host or holds a broken escape or a NUL.
static char *objstore_file_path(const char *rest)
{
    if (strncmp(rest, "//", 2) == 0) {
        rest += 2;
        if (strncmp(rest, "localhost/", 10) == 0) rest += 9;
    }
    if (*rest != '/') return NULL;
    char *path = memory_alloc(strlen(rest) + 1);
    size_t length = 0;
    for (const char *at = rest; *at; at++) {
        if (*at != '%') {
            path[length++] = *at;
            continue;
        }
        int high = objstore_hex(at[1]);
        int low = high < 0 ? -1 : objstore_hex(at[2]);
        if (low < 0 || (high == 0 && low == 0)) {
            memory_free(path);
            return NULL;
        }
        path[length++] = (char)(high * 16 + low);
        at += 2;
    }
    path[length] = '\0';
    return path;
}

// Length of the scheme of "scheme:…" (two letters or more), 0 if it is a path.
static size_t objstore_scheme(const char *url)
{
    size_t length = strspn(url, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return length > 1 && url[length] == ':' && (url[length + 1] == '/' || strncmp(url, "dbfs:", 5) == 0) ? length : 0;
}

char *objstore_path(const char *url)
{
    size_t scheme = objstore_scheme(url);
    if (scheme == 0) return *url ? memory_strdup(url) : NULL;
    return scheme == 4 && strncmp(url, "file", 4) == 0 ? objstore_file_path(url + 5) : NULL;
}

// Judged before anything is made, and once more by what was opened: a link may have been changed in between.
enum status objstore_open_confined(const char *what, const char *url, bool create, struct objstore **ret_store,
                                   struct error *err)
{
    enum status status = STATUS_OK;
    struct objstore *store = NULL;
    char *path = confine_active() ? objstore_path(url) : NULL;
    if (path) TRY(confine_check_path(what, path, err));
    TRY(objstore_open(url, create, &store, err));
    if (path) status = confine_check_path(what, path, err);
    if (status == STATUS_OK) {
        *ret_store = store;
    } else {
        objstore_close(store);
    }
out:
    memory_free(path);
    return status;
}

enum status objstore_open(const char *url, bool create, struct objstore **ret_store, struct error *err)
{
    if (!*url) return error_set(err, STATUS_INVALID, ERROR_USAGE, "the address of a directory is empty");
    size_t scheme = objstore_scheme(url);
    if (scheme == 0) return objstore_local_open(url, create, ret_store, err);
    if (scheme != 4 || strncmp(url, "file", 4) != 0) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                         "%s: storage of kind '%.*s' is not supported yet; use a local directory or file:///path", url,
                         (int)scheme, url);
    }
    char *path = objstore_file_path(url + 5);
    if (!path) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s: not a valid file address; write file:///path", url);
    }
    enum status status = objstore_local_open(path, create, ret_store, err);
    memory_free(path);
    return status;
}
