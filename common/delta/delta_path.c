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

void delta_path_encode(const char *key, struct text *text)
{
    delta_path_escape_chars(key, "% \"#<>?[\\]^`{|}", text);
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

enum status delta_path_decode(const char *path, struct text *text, struct error *err)
{
    if (delta_path_absolute(path)) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                         "the file %s lies outside its table (a shallow clone): such tables cannot be read yet", path);
    }
    size_t start = text->length;
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
    const char *key = text_str(text) + start;
    if (!*key || *key == '/' || strcmp(key, "..") == 0 || strncmp(key, "../", 3) == 0 || strstr(key, "/../")) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the file name %s leaves its table", path);
    }
    return STATUS_OK;
}
