// See unit_data.h.
#include "tests/unit/lib/unit_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

const char *unit_data_path(const char *name)
{
    static char path[4096];
    const char *data = getenv("FORESET_TEST_DATA"), *ci = getenv("CI");
    snprintf(path, sizeof path, "%s/%s", data && *data ? data : "../shared/data", name);
    if (access(path, R_OK) == 0) return path;
    if (ci && *ci) fail_msg("%s is missing; set FORESET_TEST_DATA", path);
    print_message("%s is missing; set FORESET_TEST_DATA\n", path);
    skip();
    return NULL;
}

bool unit_data_append(const char *path, struct text *text)
{
    char block[4096];
    size_t length;
    FILE *file = fopen(path, "rb");
    if (!file) return false;
    while ((length = fread(block, 1, sizeof block, file)) > 0) text_append(text, block, length);
    bool good = !ferror(file);
    fclose(file);
    return good;
}
