// Role maps: names in certificates to roles, byte by byte; one wrong line refuses the whole file.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "common/access/access_map.h"
#include "tests/unit/lib/unit_folder.h"

static struct access_map *parse(const char *text)
{
    struct access_map *map = NULL;
    struct error err = {0};
    if (access_map_parse(text, "test.map", &map, &err) != STATUS_OK) fail_msg("%s", err.message);
    return map;
}

static unsigned roles(const struct access_map *map, const char *organization, const char *const *names)
{
    const struct rpc_identity from = {
        .tls = true, .common_name = "somebody", .organization = organization, .alternative_names = names};
    return access_map_roles(map, &from);
}

static void the_default_map_takes_our_own_names(void **state)
{
    (void)state;
    struct access_map *map = NULL;
    struct error err;
    assert_int_equal(access_map_open(NULL, &map, &err), STATUS_OK);
    assert_int_equal(roles(map, "foreset:reader", NULL), ACCESS_READER);
    assert_int_equal(roles(map, "foreset:operator", NULL), ACCESS_OPERATOR);
    assert_int_equal(roles(map, "foreset:admin", NULL), ACCESS_ADMIN);
    assert_int_equal(roles(map, "foreset:worker", NULL), ACCESS_WORKER);
    assert_int_equal(roles(map, "foreset:coordinator", NULL), ACCESS_COORDINATOR);
    static const char *const others[] = {"foreset",        "foreset:", "foreset:admin ", "Foreset:admin",
                                         "foreset:admin,", "",         "foreset:root",   NULL};
    for (size_t i = 0; others[i]; i++) assert_int_equal(roles(map, others[i], NULL), 0);
    assert_int_equal(roles(map, NULL, NULL), 0);
    assert_int_equal(roles(map, NULL, (const char *const[]){"URI:foreset:admin", "DNS:foreset:admin", NULL}), 0);
    const struct rpc_identity plain = {.organization = "foreset:admin"}; // no certificate of ours
    assert_int_equal(access_map_roles(map, &plain), 0);
    access_map_destroy(map);
}

static void a_file_maps_organizations_and_alternative_names(void **state)
{
    (void)state;
    struct access_map *map = parse("# who may what\n"
                                   "  O=data-eng -> operator\r\n"
                                   "\n"
                                   "URI:spiffe://example.org/a->b -> admin\n"
                                   "DNS:w1.example.org → worker\n"
                                   "DNS:w1.example.org -> reader\n"
                                   "IP:10.0.0.1 -> coordinator");
    assert_int_equal(roles(map, "data-eng", NULL), ACCESS_OPERATOR);
    assert_int_equal(roles(map, "data-eng2", NULL), 0);
    assert_int_equal(roles(map, "foreset:admin", NULL), 0); // a file stands instead of the default
    assert_int_equal(roles(map, NULL, (const char *const[]){"DNS:x", "URI:spiffe://example.org/a->b", NULL}),
                     ACCESS_ADMIN);
    assert_int_equal(roles(map, "data-eng", (const char *const[]){"DNS:w1.example.org", NULL}),
                     ACCESS_OPERATOR | ACCESS_WORKER | ACCESS_READER);
    assert_int_equal(roles(map, NULL, (const char *const[]){"DNS:10.0.0.1", "IP:10.0.0.10", NULL}), 0);
    access_map_destroy(map);
}

static void a_wrong_line_refuses_the_file(void **state)
{
    (void)state;
    static const char *const wrong[][2] = {{"O=a -> operator\nO=b\n", "line 2"},
                                           {"O=a ->\n", "a role is"},
                                           {"O=a -> root\n", "a role is"},
                                           {"O=a -> Admin\n", "a role is"},
                                           {"O=a -> reader, admin\n", "a role is"},
                                           {"O= -> admin\n", "begins with"},
                                           {"-> admin\n", "begins with"},
                                           {"CN=a -> admin\n", "begins with"},
                                           {"* -> admin\n", "begins with"},
                                           {"# nothing\n\n", "no role"},
                                           {"", "no role"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct access_map *map = NULL;
        struct error err;
        assert_int_equal(access_map_parse(wrong[i][0], "test.map", &map, &err), STATUS_INVALID);
        assert_int_equal(err.class, ERROR_USAGE);
        assert_null(map);
        assert_non_null(strstr(err.message, "test.map"));
        if (!strstr(err.message, wrong[i][1])) fail_msg("%zu: %s", i, err.message);
    }
}

static void a_file_that_others_may_write_is_refused(void **state)
{
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s/roles.map", unit_folder_create());
    struct access_map *map = NULL;
    struct error err;
    assert_int_not_equal(access_map_open(path, &map, &err), STATUS_OK);
    assert_non_null(strstr(err.message, path));
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs("O=a -> reader\n", file);
    fclose(file);
    static const mode_t unsafe[] = {0620, 0602, 0666, 0777};
    for (size_t i = 0; i < sizeof unsafe / sizeof *unsafe; i++) {
        assert_int_equal(chmod(path, unsafe[i]), 0);
        assert_int_equal(access_map_open(path, &map, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "chmod go-w"));
    }
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(access_map_open(path, &map, &err), STATUS_OK);
    assert_int_equal(roles(map, "a", NULL), ACCESS_READER);
    access_map_destroy(map);
    assert_int_not_equal(access_map_open("/dev", &map, &err), STATUS_OK);
    unit_folder_remove();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_default_map_takes_our_own_names),
        cmocka_unit_test(a_file_maps_organizations_and_alternative_names),
        cmocka_unit_test(a_wrong_line_refuses_the_file),
        cmocka_unit_test(a_file_that_others_may_write_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
