// Where a path really leads, and what a server allows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/confine.h"
#include "common/base/memory.h"

static char root[64];
static char buffers[4][4608];

// One of four buffers by turns.
static const char *below(const char *name)
{
    static unsigned next;
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, sizeof buffers[0], "%s%s", root, name);
    return buffer;
}

static int setup(void **state)
{
    (void)state;
    snprintf(root, sizeof root, "/tmp/foreset-confine-XXXXXX");
    assert_non_null(mkdtemp(root));
    static const char *const folders[] = {"/lake", "/lake/a", "/lake/state", "/extra", "/lakes", "/secret"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) assert_int_equal(mkdir(below(folders[i]), 0700), 0);
    assert_int_equal(symlink(below("/secret"), below("/lake/out")), 0);
    assert_int_equal(symlink("a", below("/lake/in")), 0);
    assert_int_equal(symlink("state", below("/lake/to_state")), 0);
    assert_int_equal(symlink("/nowhere/at/all", below("/lake/dangling")), 0);
    assert_int_equal(symlink(below("/lake"), below("/linked")), 0);
    assert_int_equal(symlink("loop", below("/lake/loop")), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    confine_end();
    static const char *const links[] = {"/lake/out",      "/lake/in",   "/lake/to_state",
                                        "/lake/dangling", "/lake/loop", "/linked"};
    static const char *const folders[] = {"/lake/a", "/lake/state", "/lake", "/extra", "/lakes", "/secret"};
    for (size_t i = 0; i < sizeof links / sizeof *links; i++) assert_int_equal(unlink(below(links[i])), 0);
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) assert_int_equal(rmdir(below(folders[i])), 0);
    return rmdir(root);
}

static void start(void)
{
    struct error err;
    assert_int_equal(confine_start(below("/extra"), NULL, &err), STATUS_OK);
    confine_allow(below("/linked")); // the warehouse, by another name
    confine_allow(below("/linked"));
    confine_close(below("/lake/state"));
}

static void what_lies_below_a_root_is_allowed(void **state)
{
    (void)state;
    static const char *const good[] = {
        "/lake",     "/lake/",         "/lake/a",     "/lake/b/c/d",       "/lake//a/./b",
        "/lake/in",  "/lake/in/x",     "/linked/new", "/extra/ca.pem",     "/lake/a/../b",
        "/lake/...", "/lake/stateful", "/lake/..a",   "/secret/../lake/a", "/lake/é"};
    struct error err = {0};
    start();
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        if (confine_check_path("x", below(good[i]), &err) != STATUS_OK) fail_msg("%s: %s", good[i], err.message);
    }
}

static void what_leads_elsewhere_is_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {{"", "--allow-path"},
                                         {"/", "--allow-path"},
                                         {"/lakes", "--allow-path"},
                                         {"/secret", "--allow-path"},
                                         {"/lake/..", "--allow-path"},
                                         {"/lake/../secret/x", "--allow-path"},
                                         {"/lake/a/../../secret", "--allow-path"},
                                         {"/lake/out", "which leads to"},
                                         {"/lake/out/key", "which leads to"},
                                         {"/lake/in/../../secret", "--allow-path"},
                                         {"/lake/dangling", "--allow-path"},
                                         {"/lake/dangling/x", "--allow-path"},
                                         {"/lake/loop", "--allow-path"},
                                         {"/lake/new/../../secret", "--allow-path"},
                                         {"/lake/state", "state store"},
                                         {"/lake/state/plans/x.pb", "state store"},
                                         {"/lake/to_state", "state store"},
                                         {"/linked/to_state/x", "state store"},
                                         {"/lake/a/../state", "state store"}};
    static const char *const kernel[] = {
        "/proc/self/environ", "/proc/self/root/etc/passwd", "/dev/stdin", "/sys", "relative", "../lake/a", "",
        "/etc/passwd"};
    struct error err = {0};
    start();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (confine_check_path("LOCATION", below(bad[i][0]), &err) == STATUS_OK) fail_msg("%s is allowed", bad[i][0]);
        assert_int_equal(err.class, ERROR_USAGE);
        if (!strstr(err.message, bad[i][1])) fail_msg("%s: %s", bad[i][0], err.message);
        assert_int_equal(strncmp(err.message, "LOCATION: ", 10), 0);
    }
    for (size_t i = 0; i < sizeof kernel / sizeof *kernel; i++)
        assert_int_not_equal(confine_check_path("x", kernel[i], &err), STATUS_OK);
    char *longest = memory_alloc(9000);
    snprintf(longest, 9000, "%s/lake/%08000d", root, 1);
    assert_int_not_equal(confine_check_path("x", longest, &err), STATUS_OK);
    memory_free(longest);
    confine_allow("/"); // even then
    assert_int_equal(confine_check_path("x", "/etc/passwd", &err), STATUS_OK);
    static const char *const never[] = {"/proc/self/environ", "/proc/1/mem", "/sys/kernel", "/dev/null", "/dev/shm/x"};
    for (size_t i = 0; i < 5; i++) assert_int_not_equal(confine_check_path("x", never[i], &err), STATUS_OK);
}

static void nothing_is_confined_before_the_start(void **state)
{
    (void)state;
    struct error err;
    confine_allow(below("/lake")); // no-op
    assert_int_equal(confine_check_path("x", "/etc/passwd", &err), STATUS_OK);
    assert_int_equal(confine_check_variable("HOME", &err), STATUS_OK);
    assert_int_equal(confine_start(NULL, NULL, &err), STATUS_OK);
    assert_int_not_equal(confine_check_path("x", below("/lake"), &err), STATUS_OK);
    assert_int_not_equal(confine_check_variable("HOME", &err), STATUS_OK);
}

static void wrong_flags_are_refused(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"relative", NULL}, {"/does/not/exist", NULL}, {"/etc/passwd", NULL}, {NULL, "*"},
        {NULL, "A=B"},      {NULL, "A,B C"},           {NULL, "A*B"},         {NULL, "A**"}};
    struct error err = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_not_equal(confine_start(bad[i][0], bad[i][1], &err), STATUS_OK);
        assert_int_equal(strncmp(err.message, bad[i][0] ? "--allow-path " : "--allow-env ", 12), 0);
        confine_end();
    }
    assert_int_equal(confine_start(NULL, "FORESET_*,ALL_*", &err), STATUS_OK);
    assert_int_equal(confine_check_variable("ALL_OF_IT", &err), STATUS_OK);
    assert_int_not_equal(confine_check_variable("FORESET_ETCD_PASSWORD", &err), STATUS_OK); // our own secrets never
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_lies_below_a_root_is_allowed, setup, teardown),
        cmocka_unit_test_setup_teardown(what_leads_elsewhere_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_confined_before_the_start, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_flags_are_refused, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
