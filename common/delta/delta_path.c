// Names in a Delta log: see delta_path.h.
#include "common/delta/delta_path.h"

#include <stdio.h>
#include <string.h>

#include "common/delta/delta_action.h"

void delta_path_commit(int64_t version, char ret_key[DELTA_PATH_NAME_SIZE])
{
    snprintf(ret_key, DELTA_PATH_NAME_SIZE, "_delta_log/%020ld.json", (long)version);
}

void delta_path_checkpoint(int64_t version, char ret_key[DELTA_PATH_NAME_SIZE])
{
    snprintf(ret_key, DELTA_PATH_NAME_SIZE, "_delta_log/%020ld.checkpoint.parquet", (long)version);
}

static void delta_path_percent(char c, struct text *text)
{
    static const char digits[] = "0123456789ABCDEF";
    text_append_char(text, '%');
    text_append_char(text, digits[(uint8_t)c >> 4]);
    text_append_char(text, digits[(uint8_t)c & 15]);
}

static void delta_path_escape_chars(const char *value, const char *special, struct text *text)
{
    for (; *value; value++) {
        if ((uint8_t)*value < 0x20 || *value == 0x7F || strchr(special, *value)) {
            delta_path_percent(*value, text);
        } else {
            text_append_char(text, *value);
        }
    }
}

// Beyond ASCII all is encoded: java.net.URI, with which Spark reads the path, takes letters there but no spaces
// (U+00A0, U+2003, U+3000) and no control characters.
void delta_path_encode(const char *key, struct text *text)
{
    for (; *key; key++) {
        if ((uint8_t)*key <= 0x20 || (uint8_t)*key >= 0x7F || strchr("%\"#<>?[\\]^`{|}", *key)) {
            delta_path_percent(*key, text);
        } else {
            text_append_char(text, *key);
        }
    }
}

void delta_path_escape(const char *value, struct text *text)
{
    if (!*value) {
        text_append_str(text, "__HIVE_DEFAULT_PARTITION__");
        return;
    }
    delta_path_escape_chars(value, "\"#%'*/:=?\\{[]^", text);
}

void delta_path_partition(const char *const *columns, const char *const *values, uint32_t count, struct text *text)
{
    for (uint32_t i = 0; i < count; i++) {
        delta_path_escape(columns[i], text);
        text_append_char(text, '=');
        delta_path_escape(values[i] ? values[i] : "", text);
        text_append_char(text, '/');
    }
}

static int delta_path_hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

// "scheme:/…" or "/…"
static bool delta_path_absolute(const char *path)
{
    if (*path == '/') return true;
    size_t length = strspn(path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return length > 0 && path[length] == ':' && path[length + 1] == '/';
}

static enum status delta_path_unescape(const char *path, struct text *text, struct error *err)
{
    for (const char *at = path; *at; at++) {
        if (*at != '%') {
            text_append_char(text, *at);
            continue;
        }
        int high = delta_path_hex(at[1]), low = high < 0 ? -1 : delta_path_hex(at[2]);
        if (low < 0 || (high == 0 && low == 0)) {
            return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the file name %s has a broken %%XX", path);
        }
        text_append_char(text, (char)(high * 16 + low));
        at += 2;
    }
    return STATUS_OK;
}

// Appends the parts of a path joined by '/', without empty ones and ".". False: a part is "..", or there is no part.
static bool delta_path_parts(const char *path, struct text *text)
{
    size_t start = text->length;
    while (*path) {
        size_t length = strcspn(path, "/");
        if (length == 2 && path[0] == '.' && path[1] == '.') return false;
        if (length > 0 && !(length == 1 && *path == '.')) {
            if (text->length > start) text_append_char(text, '/');
            text_append(text, path, length);
        }
        path += length + (path[length] == '/');
    }
    return text->length > start;
}

// The key of an absolute path within root, which is absolute too. False: it lies elsewhere.
static bool delta_path_inside(const char *path, const char *root, struct text *text)
{
    struct text file = {0}, folder = {0};
    bool inside = root && *root == '/' && *path == '/' && delta_path_parts(path, &file);
    if (inside && root[1]) inside = delta_path_parts(root, &folder);
    size_t length = folder.length;
    inside = inside && strncmp(text_str(&file), text_str(&folder), length) == 0;
    if (inside && length > 0) inside = text_str(&file)[length++] == '/';
    if (inside) text_append_str(text, text_str(&file) + length);
    text_deinit(&file);
    text_deinit(&folder);
    return inside;
}

// "file:/x", "file:///x" and "/x" as "/x"; NULL: of another store.
static const char *delta_path_local(const char *path)
{
    if (*path == '/') return path;
    if (strncasecmp(path, "file:/", 6) != 0) return NULL;
    return strncmp(path + 5, "//", 2) == 0 ? (path[7] == '/' ? path + 7 : NULL) : path + 5;
}

enum status delta_path_decode(const char *path, const char *root, struct text *text, struct error *err)
{
    enum status status = STATUS_OK;
    struct text plain = {0};
    bool absolute = delta_path_absolute(path);
    const char *local = absolute ? delta_path_local(path) : path;
    if (local) TRY(delta_path_unescape(local, &plain, err));
    if (absolute) {
        if (local && delta_path_inside(text_str(&plain), root, text)) goto out;
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                      "the file %s lies outside its table (a shallow clone): such tables cannot be read yet", path));
    }
    if (text_str(&plain)[0] == '/' || !delta_path_parts(text_str(&plain), text)) {
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the file name %s leaves its table", path));
    }
out:
    text_deinit(&plain);
    return status;
}
