// The SQL front end: any text gives a plan or an error with words; plans are printed, expressions are bound.
#include "coordinator/planner/planner.h"
#include "coordinator/sql/sql_parse.h"
#include "tests/fuzz/fuzz.h"

static void fuzz_pipeline(const char *sql, struct arena *arena)
{
    static const struct planner_options options = {.file_name = "fuzz.sql", .directory = "/fuzz"};
    Foreset__Plan *plan = NULL;
    const char *const *warnings = NULL;
    struct error err;
    if (planner_compile(sql, &options, arena, &plan, &warnings, &err) == STATUS_OK) {
        struct text text = {0};
        planner_print(plan, &text);
        text_deinit(&text);
    } else {
        ASSERT(err.message[0] && err.class == ERROR_USAGE);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > FUZZ_BYTES_MAX) return 0;
    struct arena arena;
    arena_init(&arena, 0);
    const char *sql = arena_strndup(&arena, (const char *)bytes, size);
    struct sql_text text = {.name = "fuzz.sql", .bytes = sql, .length = size};
    struct sql_script *script = NULL;
    const struct type *input = NULL;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots = NULL;
    const char *const *names = NULL;
    size_t count = 0;
    struct error err;
    if (sql_parse_script(&text, &arena, &script, &err) != STATUS_OK) ASSERT(err.message[0] && err.class == ERROR_USAGE);
    fuzz_pipeline(sql, &arena);
    ASSERT(type_parse_ddl("a INT, b STRING, c ARRAY<STRUCT<x: INT>>, m MAP<STRING, INT>, t TIMESTAMP", &input, &err) ==
           STATUS_OK);
    if (planner_compile_select(sql, input, &arena, &plan, &roots, &names, &count, &err) != STATUS_OK)
        ASSERT(err.message[0]);
    arena_deinit(&arena);
    return 0;
}
