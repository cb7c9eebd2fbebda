// Runs a fuzz target over kept inputs: files, or folders of them, given as arguments; "corpus:X" is X of the optional
// corpora (tests/README.md), which may be missing. Any other path that is missing or holds no file is an error, so that
// a moved folder is noticed. The only findings are the ones of sanitizers and assertions.
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/base/text.h"
#include "tests/fuzz/fuzz.h"

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) return -1;
    uint8_t *bytes = memory_alloc(FUZZ_BYTES_MAX);
    size_t size = fread(bytes, 1, FUZZ_BYTES_MAX, file);
    fclose(file);
    uint8_t *exact = memory_alloc(size); // a read past the end must be seen
    memcpy(exact, bytes, size);
    LLVMFuzzerTestOneInput(exact, size);
    memory_free(exact);
    memory_free(bytes);
    return 1;
}

// How many files were run; -1 if the path cannot be read.
static int replay_path(const char *path)
{
    struct stat info;
    if (stat(path, &info) != 0) return -1;
    if (!S_ISDIR(info.st_mode)) return replay_file(path);
    DIR *folder = opendir(path);
    if (!folder) return -1;
    int count = 0;
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (entry->d_name[0] == '.') continue;
        struct text inner = {0};
        text_printf(&inner, "%s/%s", path, entry->d_name);
        int inner_count = replay_path(text_str(&inner));
        text_deinit(&inner);
        if (inner_count > 0) count += inner_count;
    }
    closedir(folder);
    return count;
}

// Whether an argument's inputs ran.
static bool replay_argument(const char *argument)
{
    bool corpus = strncmp(argument, "corpus:", 7) == 0;
    const char *folder = getenv("FORESET_TEST_DATA");
    struct text path = {0};
    if (corpus)
        text_printf(&path, "%s/%s", folder && *folder ? folder : "../shared/data", argument + 7);
    else
        text_printf(&path, "%s", argument);
    int count = replay_path(text_str(&path));
    bool optional = corpus && count < 0;
    printf("%s: %d inputs%s\n", text_str(&path), count < 0 ? 0 : count, optional ? " (optional corpus missing)" : "");
    text_deinit(&path);
    return count > 0 || optional;
}

int main(int argc, char **argv)
{
    int passed = 0, failed = 0;
    for (int i = 1; i < argc; i++) {
        if (replay_argument(argv[i]))
            passed++;
        else
            failed++;
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed || passed == 0;
}
