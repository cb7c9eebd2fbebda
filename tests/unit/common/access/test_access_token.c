// Token files: made once, whole and for their user alone; whatever could be known to others is refused, never mended.
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/access/access_token.h"
#include "tests/unit/lib/unit_folder.h"

enum { MAKERS = 8 };

static char path[1024];

static int setup(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "%s/token", unit_folder_create());
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_folder_remove();
    return 0;
}

static void put(const char *text, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static void it_is_made_once_for_the_user_alone(void **state)
{
    (void)state;
    struct access_token first = {0}, second = {0};
    struct error err = {0};
    struct stat stat_of;
    assert_int_equal(access_token_read(path, &first, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    mode_t mask = umask(0);
    assert_int_equal(access_token_make(path, &first, &err), STATUS_OK);
    umask(mask);
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0600);
    assert_int_equal(strlen(first.text), ACCESS_TOKEN_LENGTH);
    assert_int_equal(strspn(first.text, "0123456789abcdef"), ACCESS_TOKEN_LENGTH);
    assert_int_equal(access_token_make(path, &second, &err), STATUS_OK);
    assert_string_equal(first.text, second.text);
    assert_string_equal(second.path, path);
    unlink(path);
    assert_int_equal(access_token_make(path, &second, &err), STATUS_OK);
    assert_string_not_equal(first.text, second.text);
}

static void the_default_is_below_the_home_folder(void **state)
{
    (void)state;
    struct access_token token = {0};
    struct error err;
    struct stat stat_of;
    char folder[1024], wanted[1100], *home = getenv("HOME") ? strdup(getenv("HOME")) : NULL;
    snprintf(folder, sizeof folder, "%.*s", (int)(strrchr(path, '/') - path), path);
    setenv("HOME", folder, 1);
    setenv("XDG_RUNTIME_DIR", "/nonexistent", 1);
    assert_int_equal(access_token_make(NULL, &token, &err), STATUS_OK);
    snprintf(wanted, sizeof wanted, "%s/.foreset/token", folder);
    assert_string_equal(token.path, wanted);
    snprintf(wanted, sizeof wanted, "%s/.foreset", folder);
    assert_int_equal(stat(wanted, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 07777, 0700);
    setenv("HOME", "/nonexistent/home", 1);
    assert_int_not_equal(access_token_make(NULL, &token, &err), STATUS_OK);
    assert_int_equal(err.class, ERROR_USAGE);
    assert_non_null(strstr(err.message, "/nonexistent/home/.foreset"));
    if (home) setenv("HOME", home, 1);
    free(home);
}

struct maker {
    pthread_t thread;
    struct access_token token;
    enum status status;
};

static void *make(void *argument)
{
    struct maker *maker = argument;
    maker->status = access_token_make(path, &maker->token, NULL);
    return NULL;
}

static void those_that_make_it_at_once_have_the_same(void **state)
{
    (void)state;
    for (int round = 0; round < 50; round++) {
        static struct maker makers[MAKERS];
        unlink(path);
        for (int i = 0; i < MAKERS; i++) assert_int_equal(pthread_create(&makers[i].thread, NULL, make, &makers[i]), 0);
        for (int i = 0; i < MAKERS; i++) pthread_join(makers[i].thread, NULL);
        for (int i = 0; i < MAKERS; i++) {
            assert_int_equal(makers[i].status, STATUS_OK);
            assert_string_equal(makers[i].token.text, makers[0].token.text);
        }
    }
    char command[1100];
    snprintf(command, sizeof command, "test \"$(ls -A %.*s)\" = token", (int)(strrchr(path, '/') - path), path);
    assert_int_equal(system(command), 0); // nothing else is left
}

#define GOOD "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void what_others_may_know_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = {0640, 0604, 0620, 0602, 0644, 0666};
    struct access_token token = {0};
    struct error err;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        put(GOOD "\n", modes[i]);
        assert_int_equal(access_token_make(path, &token, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
        assert_non_null(strstr(err.message, path));
        assert_null(strstr(err.message, GOOD));
    }
    put(GOOD "\n", 0600);
    assert_int_equal(access_token_make(path, &token, &err), STATUS_OK);
    assert_string_equal(token.text, GOOD);
    if (geteuid() == 0) { // only root can give a file away
        assert_int_equal(chown(path, 12345, (gid_t)-1), 0);
        assert_int_equal(access_token_make(path, &token, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "12345"));
    }
    char other[1100];
    snprintf(other, sizeof other, "%s.other", path);
    assert_int_equal(rename(path, other), 0);
    assert_int_equal(symlink(other, path), 0);
    assert_int_not_equal(access_token_make(path, &token, &err), STATUS_OK);
    unlink(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(access_token_make(path, &token, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "regular file"));
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(access_token_make(path, &token, &err), STATUS_INVALID);
}

static void what_holds_no_token_is_refused_and_kept(void **state)
{
    (void)state;
    static char longer[ACCESS_TOKEN_LENGTH_MAX + 2];
    memset(longer, 'a', ACCESS_TOKEN_LENGTH_MAX + 1);
    const char *wrong[] = {"",
                           "\n",
                           "short\n",
                           GOOD "\n" GOOD "\n",
                           GOOD " \n",
                           "0123456789abcdef 0123456789abcdef\n",
                           "0123456789abcdef0123456789abcde\n",
                           longer};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct access_token token = {0};
        struct error err;
        char kept[600] = "";
        put(wrong[i], 0600);
        assert_int_equal(access_token_make(path, &token, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "expected one line"));
        assert_int_equal(*token.text, 0);
        FILE *file = fopen(path, "re");
        assert_int_equal(fread(kept, 1, sizeof kept - 1, file), strlen(wrong[i]));
        fclose(file);
        assert_string_equal(kept, wrong[i]);
    }
}

static void only_the_same_is_equal(void **state)
{
    (void)state;
    struct access_token token = {.text = GOOD}, none = {0}, longest = {0};
    char given[ACCESS_TOKEN_LENGTH_MAX + 3];
    assert_true(access_token_equal(&token, GOOD));
    assert_false(access_token_equal(&token, NULL));
    assert_false(access_token_equal(&token, ""));
    assert_false(access_token_equal(&none, ""));
    assert_false(access_token_equal(&token, GOOD "a"));
    for (size_t i = 0; i < sizeof GOOD - 1; i++) {
        snprintf(given, sizeof given, "%s", GOOD);
        given[i] ^= 1;
        assert_false(access_token_equal(&token, given));
        given[i] = '\0';
        assert_false(access_token_equal(&token, given));
    }
    memset(longest.text, 'a', ACCESS_TOKEN_LENGTH_MAX);
    memset(given, 'a', sizeof given);
    given[ACCESS_TOKEN_LENGTH_MAX] = '\0';
    assert_true(access_token_equal(&longest, given));
    given[ACCESS_TOKEN_LENGTH_MAX] = 'a';
    given[ACCESS_TOKEN_LENGTH_MAX + 1] = '\0';
    assert_false(access_token_equal(&longest, given));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_is_made_once_for_the_user_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(the_default_is_below_the_home_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(those_that_make_it_at_once_have_the_same, setup, teardown),
        cmocka_unit_test_setup_teardown(what_others_may_know_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(what_holds_no_token_is_refused_and_kept, setup, teardown),
        cmocka_unit_test(only_the_same_is_equal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
