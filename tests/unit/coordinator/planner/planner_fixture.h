// What the planner's tests share: one compilation in an arena, and its plan as text.
#ifndef FORESET_PLANNER_FIXTURE_H
#define FORESET_PLANNER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "coordinator/planner/planner.h"

#define FIXTURE_FILES "read_files('in', format => 'json', schema => 'id STRING, k STRING, v INT, ts TIMESTAMP')"

struct fixture {
    struct arena arena;
    const Foreset__Plan *plan;
    const char *const *warnings;
    struct text printed;
    struct error err;
};

static inline enum status fixture_try(struct fixture *fixture, const char *sql, const struct planner_options *options)
{
    static const struct planner_options defaults = {.file_name = "p.sql", .directory = "/srv"};
    memset(fixture, 0, sizeof *fixture);
    arena_init(&fixture->arena, 0);
    Foreset__Plan *plan = NULL;
    enum status status =
        planner_compile(sql, options ? options : &defaults, &fixture->arena, &plan, &fixture->warnings, &fixture->err);
    fixture->plan = plan;
    if (status == STATUS_OK) planner_print(plan, &fixture->printed);
    return status;
}

static inline void fixture_compile(struct fixture *fixture, const char *sql)
{
    if (fixture_try(fixture, sql, NULL) != STATUS_OK) fail_msg("%s\n%s", sql, fixture->err.message);
}

static inline void fixture_end(struct fixture *fixture)
{
    text_deinit(&fixture->printed);
    arena_deinit(&fixture->arena);
}

// Each of the lines stands in the printed plan, in this order.
static inline void fixture_expect(const struct fixture *fixture, const char *const *lines)
{
    const char *at = text_str(&fixture->printed);
    for (; *lines; lines++) {
        const char *found = strstr(at, *lines);
        if (!found) fail_msg("\"%s\" is not (or too early) in\n%s", *lines, text_str(&fixture->printed));
        at = found + strlen(*lines);
    }
}

#endif
