// Versions of stored formats. What can fail: a format is newer than this program (STATUS_UNSUPPORTED, nothing has been
// touched), or its version fields make no sense (STATUS_CORRUPT). A writer of a future version whose number this
// program cannot parse is named as it is.
#include "common/base/format_version.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "common/base/text.h"

#ifndef FORMAT_VERSION_AHEAD // tests build a program of the future
#define FORMAT_VERSION_AHEAD(kind) 0
#endif

enum { FORMAT_WRITER_MAX = 24, FORMAT_NUMBER_MAX = 9999 };

static const struct format_info format_infos[FORMAT_KINDS] = {
    [FORMAT_MANIFEST] = {"manifest", 1, 1},
    [FORMAT_MANIFEST_LIST] = {"manifest list", 1, 1},
    [FORMAT_PLAN] = {"plan", 1, 1},
    [FORMAT_FILL] = {"fill", 1, 1},
    [FORMAT_STATE_PART] = {"state part", 1, 1},
    [FORMAT_KV_LOG] = {"kv log", 1, 1},
    [FORMAT_PIPELINE_KEYS] = {"pipeline keys", 1, 1},
    [FORMAT_CLUSTER_KEYS] = {"cluster keys", 1, 1},
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

void format_version_stamp(enum format_kind kind, char ret_stamp[FORMAT_VERSION_STAMP])
{
    snprintf(ret_stamp, FORMAT_VERSION_STAMP, "%s %" PRIu32, FORESET_VERSION, format_version_info(kind).writes);
}

enum status format_version_check_stamp(enum format_kind kind, const char *stamp, struct error *err, const char *format,
                                       ...)
{
    char what[512], writer[FORMAT_WRITER_MAX + 1] = "";
    uint64_t least = 0;
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    const char *space = strchr(stamp, ' ');
    bool sound = space && (size_t)(space - stamp) <= FORMAT_WRITER_MAX && text_parse_u64(space + 1, &least);
    if (sound) memcpy(writer, stamp, (size_t)(space - stamp));
    return format_version_judge(kind, writer, sound && least <= FORMAT_NUMBER_MAX ? (uint32_t)least : 0, what, err);
}
