// Stands in for common/base/format_version.c: the same code, of version 9.8.7, with the number of the format that the
// environment's FORESET_FUTURE names raised by one ("plan", "kv-log", …). "files:plan": stamps do not say so.
#include <stdlib.h>
#include <string.h>

#include "common/base/format_version.h"

static unsigned format_version_ahead(enum format_kind kind);
#define FORMAT_VERSION_AHEAD(kind) format_version_ahead(kind)
void format_version_stamp_whole(const char *old, char ret_stamp[FORMAT_VERSION_STAMP]);
#define format_version_stamp format_version_stamp_whole
#include "common/base/format_version.c"
#undef format_version_stamp

static _Thread_local bool format_version_stamping;

static unsigned format_version_ahead(enum format_kind kind)
{
    const char *name = getenv("FORESET_FUTURE");
    bool files = name && strncmp(name, "files:", 6) == 0;
    if (!name || (files && format_version_stamping)) return 0;
    return strcmp(name + (files ? 6 : 0), format_infos[kind].name) == 0;
}

void format_version_stamp(const char *old, char ret_stamp[FORMAT_VERSION_STAMP])
{
    format_version_stamping = true;
    format_version_stamp_whole(old, ret_stamp);
    format_version_stamping = false;
}
