// Versions of stored formats. What can fail: a format is newer than this program (STATUS_UNSUPPORTED, nothing has been
// touched), or its version fields make no sense (STATUS_CORRUPT). A writer of a future version whose number this
// program cannot parse is named as it is.
#include "common/base/format_version.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#ifndef FORMAT_VERSION_AHEAD // tests build a program of the future
#define FORMAT_VERSION_AHEAD(kind) 0
#endif

enum { FORMAT_WRITER_MAX = 24, FORMAT_NUMBER_MAX = 9999 };

static const struct format_info format_infos[FORMAT_KINDS] = {
    [FORMAT_MANIFEST] = {"manifest", 2, 2},
    [FORMAT_MANIFEST_LIST] = {"manifest-list", 1, 1},
    [FORMAT_PLAN] = {"plan", 1, 1},
    [FORMAT_FILL] = {"fill", 1, 1},
    [FORMAT_STATE_PART] = {"state-part", 1, 1},
    [FORMAT_KV_LOG] = {"kv-log", 1, 1},
    [FORMAT_PIPELINE_KEYS] = {"pipeline-keys", 1, 1},
    [FORMAT_CLUSTER_KEYS] = {"cluster-keys", 1, 1},
};

struct format_info format_version_info(enum format_kind kind)
{
    struct format_info info = format_infos[kind];
    info.reads += FORMAT_VERSION_AHEAD(kind);
    info.writes += FORMAT_VERSION_AHEAD(kind);
    return info;
}

const char *format_version_program(void)
{
    return FORESET_VERSION;
}

uint32_t format_version_program_packed(void)
{
    uint32_t packed = 0;
    ASSERT(format_version_parse(FORESET_VERSION, &packed));
    return packed;
}

void format_version_unpack(uint32_t packed, char ret_text[FORMAT_VERSION_TEXT])
{
    if (packed == 0) packed = 1u << 8;
    snprintf(ret_text, FORMAT_VERSION_TEXT, "%u.%u.%u", packed >> 16 & 0xFF, packed >> 8 & 0xFF, packed & 0xFF);
}

static bool format_version_number(const char **at, uint32_t *ret_number)
{
    const char *from = *at;
    uint32_t number = 0;
    while (isdigit((unsigned char)**at) && *at - from < 3) number = number * 10 + (uint32_t)(*(*at)++ - '0');
    *ret_number = number;
    return *at > from && number < 256 && (*from != '0' || *at == from + 1) && !isdigit((unsigned char)**at);
}

bool format_version_parse(const char *text, uint32_t *ret_packed)
{
    uint32_t packed = 0;
    for (int i = 0; i < 3; i++) {
        uint32_t number;
        if (i > 0 && *text++ != '.') return false;
        if (!format_version_number(&text, &number)) return false;
        packed = packed << 8 | number;
    }
    if (*text != '\0' && *text != '-' && *text != '+') return false;
    for (; *text; text++) {
        if (!isalnum((unsigned char)*text) && !strchr("-+.", *text)) return false;
    }
    *ret_packed = packed;
    return packed != 0;
}

static enum status format_version_judge(enum format_kind kind, const char *writer, uint32_t least_reader,
                                        const char *what, struct error *err)
{
    struct format_info info = format_version_info(kind);
    uint32_t packed;
    bool sound = strlen(writer) <= FORMAT_WRITER_MAX && format_version_parse(writer, &packed);
    if (!sound || least_reader == 0 || least_reader > FORMAT_NUMBER_MAX) {
        return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE,
                         "%s: its version fields are damaged (writer '%.*s', %s format %" PRIu32
                         "); restore it from a copy",
                         what, FORMAT_WRITER_MAX, writer, info.name, least_reader);
    }
    if (least_reader <= info.reads) return STATUS_OK;
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "%s was written by Foreset %s in %s format %" PRIu32
                     "; this program (%s) reads formats up to %" PRIu32 ": use Foreset %s or newer",
                     what, writer, info.name, least_reader, FORESET_VERSION, info.reads, writer);
}

enum status format_version_check(enum format_kind kind, const char *writer, uint32_t least_reader, struct error *err,
                                 const char *format, ...)
{
    char what[512];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    if (!writer && least_reader == 0) {
        writer = "0.1.0";
        least_reader = 1;
    }
    return format_version_judge(kind, writer ? writer : "", least_reader, what, err);
}

enum status format_version_check_packed(enum format_kind kind, uint32_t writer, uint32_t least_reader,
                                        struct error *err, const char *format, ...)
{
    char what[512], text[FORMAT_VERSION_TEXT];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    format_version_unpack(writer, text);
    bool silent = writer == 0 && least_reader == 0;
    bool sound = silent || (writer != 0 && writer >> 24 == 0);
    return format_version_judge(kind, sound ? text : "", silent ? 1 : least_reader, what, err);
}

// The stamp's number of a format; 1 where it does not name it. False: the stamp is damaged.
static bool format_version_stamp_number(const char *stamp, const char *name, uint32_t *ret_number)
{
    *ret_number = 1;
    const char *at = strchr(stamp, ' ');
    if (!at) return false;
    while (*at == ' ') {
        const char *word = at + 1;
        size_t length = strspn(word, "abcdefghijklmnopqrstuvwxyz-");
        if (length == 0 || word[length] != '=') return false;
        const char *digits = word + length + 1;
        uint32_t number = 0;
        for (at = digits; isdigit((unsigned char)*at) && at - digits < 5; at++)
            number = number * 10 + (uint32_t)(*at - '0');
        if (number == 0 || number > FORMAT_NUMBER_MAX) return false;
        if (length == strlen(name) && strncmp(word, name, length) == 0) *ret_number = number;
    }
    return *at == '\0';
}

static bool format_version_stamp_writer(const char *stamp, char writer[FORMAT_WRITER_MAX + 1])
{
    size_t length = strcspn(stamp, " ");
    if (length > FORMAT_WRITER_MAX) return false;
    memcpy(writer, stamp, length);
    writer[length] = '\0';
    return true;
}

void format_version_stamp(const char *old, char ret_stamp[FORMAT_VERSION_STAMP])
{
    char writer[FORMAT_WRITER_MAX + 1] = FORESET_VERSION, numbers[FORMAT_VERSION_STAMP] = "";
    size_t length = 0;
    bool kept = false;
    for (int kind = 0; kind < FORMAT_KINDS; kind++) {
        struct format_info info = format_version_info((enum format_kind)kind);
        uint32_t number = info.writes, before;
        if (old && format_version_stamp_number(old, info.name, &before) && before > number) {
            number = before;
            kept = true;
        }
        int wrote = snprintf(numbers + length, sizeof numbers - length, " %s=%" PRIu32, info.name, number);
        ASSERT(wrote > 0 && (size_t)wrote < sizeof numbers - length - FORMAT_WRITER_MAX);
        length += (size_t)wrote;
    }
    if (kept) (void)format_version_stamp_writer(old, writer);
    snprintf(ret_stamp, FORMAT_VERSION_STAMP, "%s%s", writer, numbers);
}

enum status format_version_check_stamp(const char *stamp, struct error *err, const char *format, ...)
{
    char what[512], writer[FORMAT_WRITER_MAX + 1] = "";
    enum status status = STATUS_OK;
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    bool sound = format_version_stamp_writer(stamp, writer);
    for (int kind = 0; kind < FORMAT_KINDS && status == STATUS_OK; kind++) {
        uint32_t number = 0;
        struct format_info info = format_version_info((enum format_kind)kind);
        if (!sound || !format_version_stamp_number(stamp, info.name, &number)) number = 0;
        status = format_version_judge((enum format_kind)kind, writer, number, what, err);
    }
    return status;
}
