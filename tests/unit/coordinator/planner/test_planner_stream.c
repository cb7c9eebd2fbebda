// Every streaming case of the conformance data compiles, or is refused as its case.json or later.txt says.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/coordinator/planner/planner_fixture.h"
#include "tests/unit/lib/unit_data.h"

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
    struct text sql = {0}, description_text = {0};
    assert_true(unit_data_append(path, &sql));
    snprintf(path, sizeof path, "%s/%s/case.json", directory, name);
    assert_true(unit_data_append(path, &description_text));
    const char *description = text_str(&description_text);
    enum status status = fixture_try(&fixture, text_str(&sql), NULL);
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
    text_deinit(&sql);
    text_deinit(&description_text);
}

static void every_streaming_case_compiles_or_is_refused_by_name(void **state)
{
    (void)state;
    const char *directory = unit_data_path("conformance/stream");
    DIR *folder = opendir(directory);
    assert_non_null(folder);
    struct text later = {0};
    assert_true(unit_data_append("tests/conformance/later.txt", &later));
    int cases = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] < '0' || entry->d_name[0] > '9') continue;
        check_case(directory, entry->d_name, text_str(&later));
        cases++;
    }
    assert_true(cases > 50);
    text_deinit(&later);
    closedir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_streaming_case_compiles_or_is_refused_by_name)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
