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
    const char *given = getenv("FORESET_TEST_DATA");
    if (given && *given) {
        snprintf(path, sizeof path, "%s/%s", given, name);
        if (access(path, R_OK) == 0) return path;
    }
    snprintf(path, sizeof path, "tests/data/%s", name);
    if (access(path, R_OK) != 0) fail_msg("%s is missing: run the test from the top of the tree", path);
    return path;
}

const char *unit_corpus_path(const char *name)
{
    static char path[4096];
    const char *given = getenv("FORESET_TEST_DATA");
    snprintf(path, sizeof path, "%s/%s", given && *given ? given : "../shared/data", name);
    if (access(path, R_OK) == 0) return path;
    print_message("optional corpus missing: %s (FORESET_TEST_DATA)\n", name);
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
