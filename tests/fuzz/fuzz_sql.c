// The SQL front end: any text gives a tree or an error with a place.
#include "coordinator/sql/sql_parse.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size > SQL_TEXT_SIZE_MAX) return 0;
    struct arena arena;
    arena_init(&arena, 0);
    const char *copy = arena_strndup(&arena, (const char *)bytes, size);
    struct sql_text text = {.name = "fuzz.sql", .bytes = copy, .length = size};
    struct sql_script *script = NULL;
    struct sql_expr *expr = NULL;
    struct error err;
    if (sql_parse_script(&text, &arena, &script, &err) != STATUS_OK)
        ASSERT(err.message[0] && err.class == ERROR_USAGE);
    if (sql_parse_expression(&text, &arena, &expr, &err) != STATUS_OK)
        ASSERT(err.message[0] && err.class == ERROR_USAGE);
    arena_deinit(&arena);
    return 0;
}
