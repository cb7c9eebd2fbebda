// Lines of the log: one event a line, every value whole.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/log.h"

static int redirect(FILE *file)
{
    int kept = dup(STDERR_FILENO);
    assert_true(kept >= 0);
    assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
    return kept;
}

// What one call writes, behind the time.
static const char *PRINTF_LIKE(3, 4) line_of(bool json, const char *event, const char *format, ...)
{
    static char line[8192];
    char pairs[4000];
    va_list args;
    va_start(args, format);
    vsnprintf(pairs, sizeof pairs, format, args);
    va_end(args);
    FILE *file = tmpfile();
    assert_non_null(file);
    int kept = redirect(file);
    log_level_set(LOG_LEVEL_INFO);
    log_json(json);
    log_info(event, "%s", pairs);
    dup2(kept, STDERR_FILENO);
    close(kept);
    rewind(file);
    size_t size = fread(line, 1, sizeof line - 1, file);
    line[size] = 0;
    fclose(file);
    assert_memory_equal(line, json ? "{\"ts\":\"" : "ts=", json ? 7 : 3);
    return strstr(line, json ? "\"level\"" : "level=");
}

static void pairs_stand_as_they_are(void **state)
{
    (void)state;
    assert_string_equal(line_of(false, "decided", "epoch=%d pipeline=%s", 7, "p"),
                        "level=info event=decided epoch=7 pipeline=p\n");
    assert_string_equal(line_of(true, "decided", "epoch=%d pipeline=%s", 7, "p"),
                        "\"level\":\"info\",\"event\":\"decided\",\"epoch\":\"7\",\"pipeline\":\"p\"}\n");
}

static void quotes_inside_a_value_are_escaped(void **state)
{
    (void)state;
    const char *why = "\")\" is expected, \"x\"";
    assert_string_equal(line_of(false, "failed", "error=\"%s\" worker=w1", why),
                        "level=info event=failed error=\"\\\")\\\" is expected, \\\"x\\\"\" worker=w1\n");
    assert_string_equal(line_of(true, "failed", "error=\"%s\" worker=w1", why),
                        "\"level\":\"info\",\"event\":\"failed\",\"error\":\"\\\")\\\" is expected, \\\"x\\\"\","
                        "\"worker\":\"w1\"}\n");
}

static void a_line_stays_a_line(void **state)
{
    (void)state;
    assert_string_equal(line_of(false, "failed", "error=\"%s\"", "a\nb"),
                        "level=info event=failed error=\"a\\u000ab\"\n");
    assert_string_equal(line_of(false, "odd", "no pair\nat all"),
                        "level=info event=odd text=\"no pair\\u000aat all\"\n");
}

static void what_is_too_long_is_cut_and_still_closed(void **state)
{
    (void)state;
    char longest[3900];
    memset(longest, '"', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    const char *line = line_of(true, "failed", "error=\"%s\"", longest);
    assert_string_equal(line + strlen(line) - 5, "\\\"\"}\n");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    int kept = redirect(file);
    log_level_set(LOG_LEVEL_WARN);
    log_info("quiet", "a=%d", 1);
    dup2(kept, STDERR_FILENO);
    close(kept);
    fseek(file, 0, SEEK_END);
    assert_int_equal(ftell(file), 0);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_stand_as_they_are), cmocka_unit_test(quotes_inside_a_value_are_escaped),
        cmocka_unit_test(a_line_stays_a_line), cmocka_unit_test(what_is_too_long_is_cut_and_still_closed),
        cmocka_unit_test(what_is_below_the_level_is_not_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
