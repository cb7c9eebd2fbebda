// Every streaming case of the conformance data compiles, or is refused as its case.json or later.txt says.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/coordinator/planner/planner_fixture.h"

static char *read_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return NULL;
    char *bytes = memory_calloc(1, 1 << 16);
    size_t length = fread(bytes, 1, (1 << 16) - 1, file);
    bytes[length] = '\0';
    fclose(file);
    return bytes;
}

// The word that later.txt asks of the refusal; NULL: the case is not there.
static bool later_word(const char *later, const char *name, char word[64])
{
    const char *line = strstr(later, name);
    return line && sscanf(line + strlen(name), " %63s", word) == 1;
}

static void check_case(const char *directory, const char *name, const char *later)
{
    char path[1024], word[64];
    struct fixture fixture;
    snprintf(path, sizeof path, "%s/%s/pipeline.sql", directory, name);
    char *sql = read_file(path);
    snprintf(path, sizeof path, "%s/%s/case.json", directory, name);
    char *description = read_file(path);
    assert_true(sql && description);
    enum status status = fixture_try(&fixture, sql, NULL);
    const char *error = strstr(description, "\"error\": \"");
    if (later_word(later, name, word)) {
        if (status != STATUS_UNSUPPORTED || !strcasestr(fixture.err.message, word))
            fail_msg("%s is not refused by \"%s\": %s", name, word, fixture.err.message);
    } else if (error && strstr(description, "\"error_phase\": \"analysis\"")) {
        size_t length = strcspn(error + 10, "\"");
        if (status != STATUS_INVALID || strncmp(fixture.err.condition, error + 10, length) != 0)
            fail_msg("%s: %s", name, fixture.err.message);
    } else if (status != STATUS_OK) {
        fail_msg("%s: %s", name, fixture.err.message);
    }
    fixture_end(&fixture);
    memory_free(sql);
    memory_free(description);
}

static void every_streaming_case_compiles_or_is_refused_by_name(void **state)
{
    (void)state;
    const char *data = getenv("FORESET_TEST_DATA");
    char directory[512];
    snprintf(directory, sizeof directory, "%s/conformance/stream", data ? data : "../shared/data");
    DIR *folder = opendir(directory);
    if (!folder) {
        if (getenv("CI") && strcmp(getenv("CI"), "true") == 0) fail_msg("%s is missing", directory);
        print_message("%s is missing: nothing to check\n", directory);
        skip();
    }
    char *later = read_file("tests/conformance/later.txt");
    assert_non_null(later);
    int cases = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        check_case(directory, entry->d_name, later);
        cases++;
    }
    assert_true(cases > 50);
    memory_free(later);
    closedir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_streaming_case_compiles_or_is_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
