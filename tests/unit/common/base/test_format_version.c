// Versions of stored formats: what is older or equal is read, what is newer is refused by name, damage is damage.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/format_version.h"
#include "common/base/text.h"

static void versions_are_three_numbers_and_perhaps_a_suffix(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint32_t packed; // 0: refused
    } cases[] = {{"0.1.0", 0x000100},
                 {"1.0.0", 0x010000},
                 {"255.255.255", 0xFFFFFF},
                 {"1.2.3-rc1", 0x010203},
                 {"2.0.0+b.7", 0x020000},
                 {"256.0.0", 0},
                 {"0.0.0", 0},
                 {"01.0.0", 0},
                 {"1.0", 0},
                 {"1.0.0.", 0},
                 {"1.0.0 ", 0},
                 {"", 0},
                 {"-1.0.0", 0},
                 {"1..0", 0},
                 {"1.0.x", 0},
                 {"1.0.0-\n", 0},
                 {"1000.0.0", 0},
                 {"1.0.0x", 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t packed = 0;
        assert_int_equal(format_version_parse(cases[i].text, &packed), cases[i].packed != 0);
        assert_int_equal(packed, cases[i].packed);
    }
}

// Every pair of numbers: the version that reads decides, not the one that wrote.
static void what_is_newer_is_refused_by_name(void **state)
{
    (void)state;
    for (int kind = 0; kind < FORMAT_KINDS; kind++) {
        struct format_info info = format_version_info((enum format_kind)kind);
        struct error err;
        char wanted[256];
        assert_true(info.writes >= 1 && info.writes <= info.reads);
        for (uint32_t least = 1; least < info.reads + 4; least++) {
            enum status status = format_version_check((enum format_kind)kind, "9.8.7", least, &err, "file %s", "a/b");
            assert_int_equal(status, least <= info.reads ? STATUS_OK : STATUS_UNSUPPORTED);
            enum status packed =
                format_version_check_packed((enum format_kind)kind, 0x090807, least, &err, "file %s", "a/b");
            assert_int_equal(packed, status);
            if (status == STATUS_OK) continue;
            snprintf(wanted, sizeof wanted,
                     "file a/b was written by Foreset 9.8.7 in %s format %u; this program (%s) reads formats up to %u: "
                     "use Foreset 9.8.7 or newer",
                     info.name, least, format_version_program(), info.reads);
            assert_string_equal(err.message, wanted);
            assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
        }
    }
}

static void what_says_nothing_is_of_the_first_version(void **state)
{
    (void)state;
    struct error err;
    assert_int_equal(format_version_check(FORMAT_PLAN, NULL, 0, &err, "x"), STATUS_OK);
    assert_int_equal(format_version_check_packed(FORMAT_PLAN, 0, 0, &err, "x"), STATUS_OK);
}

static void damaged_fields_are_damage_and_not_the_future(void **state)
{
    (void)state;
    struct error err;
    static const char *const writers[] = {
        "", "1", "1.0", "x.y.z", "999.0.0", "1.0.0\n", "1.0.0-aaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof writers / sizeof *writers; i++)
        assert_int_equal(format_version_check(FORMAT_PLAN, writers[i], 1, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check(FORMAT_PLAN, "0.1.0", 0, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check(FORMAT_PLAN, NULL, 1, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check(FORMAT_PLAN, "0.1.0", UINT32_MAX, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check_packed(FORMAT_PLAN, 1u << 24 | 1, 1, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check_packed(FORMAT_PLAN, 0, 1, &err, "x"), STATUS_CORRUPT);
    assert_int_equal(format_version_check_packed(FORMAT_PLAN, 0x000100, 0, &err, "x"), STATUS_CORRUPT);
    assert_non_null(strstr(err.message, "x: its version fields are damaged"));
}

static void stamps_are_read_as_they_are_written(void **state)
{
    (void)state;
    struct error err;
    char stamp[FORMAT_VERSION_STAMP], again[FORMAT_VERSION_STAMP], text[FORMAT_VERSION_TEXT];
    format_version_stamp(NULL, stamp);
    assert_int_equal(format_version_check_stamp(stamp, &err, "key %s", "k"), STATUS_OK);
    format_version_stamp(stamp, again);
    assert_string_equal(again, stamp);
    assert_int_equal(format_version_check_stamp("0.1.0 of-the-future=9", &err, "key k"), STATUS_OK);
    assert_int_equal(format_version_check_stamp("9.8.7 plan=77", &err, "key %s", "k"), STATUS_UNSUPPORTED);
    assert_non_null(strstr(err.message, "key k was written by Foreset 9.8.7 in plan format 77;"));
    static const char *const damaged[] = {"",
                                          " ",
                                          "1.0.0",
                                          "1.0.0 ",
                                          "1.0.0 x",
                                          "1.0.0 plan=",
                                          "plan=1",
                                          "x plan=1",
                                          "1.0.0 =1",
                                          "1.0.0 plan=0",
                                          "1.0.0 plan=-1",
                                          "1.0.0 plan=99999",
                                          "1.0.0 plan=1 ",
                                          "1.0.0  plan=1",
                                          "1.0.0 PLAN=1",
                                          "1.0.0 plan=1,fill=1"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        assert_int_equal(format_version_check_stamp(damaged[i], &err, "k"), STATUS_CORRUPT);
    format_version_unpack(format_version_program_packed(), text);
    assert_string_equal(text, format_version_program());
}

// A program that reads more than it writes takes over: what is there already stays in its format.
static void a_stamp_keeps_its_greater_numbers_and_their_writer(void **state)
{
    (void)state;
    struct error err;
    char stamp[FORMAT_VERSION_STAMP];
    format_version_stamp("9.8.7 plan=77 fill=1", stamp);
    assert_memory_equal(stamp, "9.8.7 ", 6);
    assert_non_null(strstr(stamp, " plan=77"));
    assert_int_equal(format_version_check_stamp(stamp, &err, "k"), STATUS_UNSUPPORTED);
    format_version_stamp("0.0.9 plan=1", stamp);
    assert_memory_equal(stamp, format_version_program(), strlen(format_version_program()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_are_three_numbers_and_perhaps_a_suffix),
        cmocka_unit_test(what_is_newer_is_refused_by_name),
        cmocka_unit_test(what_says_nothing_is_of_the_first_version),
        cmocka_unit_test(damaged_fields_are_damage_and_not_the_future),
        cmocka_unit_test(stamps_are_read_as_they_are_written),
        cmocka_unit_test(a_stamp_keeps_its_greater_numbers_and_their_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
