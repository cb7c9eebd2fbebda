// Growing strings and the small parsers.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/memory.h"
#include "common/base/text.h"

static void text_grows_and_ends_in_nul(void **state)
{
    (void)state;
    struct text text = {0};
    assert_string_equal(text_str(&text), "");
    for (int i = 0; i < 1000; i++) text_printf(&text, "%d,", i);
    text_append(&text, "a\0b", 3);
    assert_int_equal(text.length, 3893);
    assert_int_equal(strlen(text.data), 3891);
    assert_memory_equal(text.data, "0,1,2,3,", 8);
    char *taken = text_take(&text);
    assert_string_equal(text_str(&text), "");
    memory_free(taken);
}

static void json_strings_are_escaped(void **state)
{
    (void)state;
    struct text text = {0};
    text_append_json(&text, "a\"b\\c\n\x01é", 9);
    assert_string_equal(text.data, "\"a\\\"b\\\\c\\n\\u0001é\"");
    text_deinit(&text);
}

static void numbers_are_whole_or_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   " 1", "1 ", "1x", "0x10", "9223372036854775808", "-9223372036854775809",
                                      "--1"};
    int64_t value = 0;
    uint64_t bytes = 0;
    assert_true(text_parse_i64("-9223372036854775808", &value));
    assert_true(value == INT64_MIN);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(text_parse_i64(bad[i], &value));
    assert_true(text_parse_u64("18446744073709551615", &bytes));
    assert_true(bytes == UINT64_MAX);
    assert_false(text_parse_u64("18446744073709551616", &bytes));
    assert_false(text_parse_u64("-1", &bytes));
}

static void bytes_have_units(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {{"123", 123}, {"100k", 100 << 10}, {"512M", 512ull << 20}, {"1G", 1ull << 30}};
    static const char *const bad[] = {"", "M", "1X", "-1M", "1.5G", "99999999999999G"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(text_parse_bytes(good[i].text, &bytes));
        assert_true(bytes == good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(text_parse_bytes(bad[i], &bytes));
}

static void the_nearest_word_is_near(void **state)
{
    (void)state;
    static const char *const words[] = {"pipelines", "workers", "epochs", NULL};
    assert_int_equal(text_distance("kitten", "SITTING"), 3);
    assert_string_equal(text_nearest("pipelnes", words), "pipelines");
    assert_string_equal(text_nearest("WORKER", words), "workers");
    assert_null(text_nearest("topics", words));
}

static void broken_utf8_is_seen_and_replaced(void **state)
{
    (void)state;
    static const char *const broken[] = {"\x80", "\xc3", "\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"};
    struct text text = {0};
    assert_true(text_utf8_valid((const uint8_t *)"aé€😀", 10));
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        assert_false(text_utf8_valid((const uint8_t *)broken[i], strlen(broken[i])));
    text_append_utf8(&text,
                     "a\xff"
                     "é\xc3",
                     5);
    assert_string_equal(text.data, "a\xef\xbf\xbd"
                                   "é\xef\xbf\xbd");
    assert_true(text_utf8_valid((const uint8_t *)text.data, text.length));
    static const struct {
        const char *bytes;
        unsigned count; // of U+FFFD, as Spark's from_json gives
    } java[] = {{"\xe2\x82", 1},         {"\xf0\x9f\x98", 1}, {"\xed\xa0\x80", 1},
                {"\xed\xa0", 1},         {"\xc0\xaf", 2},     {"\xe0\x80\x80", 3},
                {"\xf4\x90\x80\x80", 4}, {"\xf8\x88\x80", 3}, {"\xf0\x80\x80\x80", 4},
                {"\xe2\xe2\x82", 2},     {"\xff", 1}};
    for (size_t i = 0; i < sizeof java / sizeof *java; i++) {
        text_reset(&text);
        text_append_utf8(&text, java[i].bytes, strlen(java[i].bytes));
        assert_int_equal(text.length, 3 * java[i].count);
    }
    char cut[] = "ä\xFF"
                 "b€\xC3";
    text_utf8_clean(cut);
    assert_string_equal(cut, "ä?b€?");
    text_deinit(&text);
}

static void lines_are_read_without_their_ends(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    struct text line = {0};
    assert_non_null(file);
    fputs("one\n\nlast", file);
    rewind(file);
    assert_true(text_read_line(file, &line));
    assert_string_equal(text_str(&line), "one");
    assert_true(text_read_line(file, &line));
    assert_string_equal(text_str(&line), "");
    assert_true(text_read_line(file, &line));
    assert_string_equal(text_str(&line), "last");
    assert_false(text_read_line(file, &line));
    text_deinit(&line);
    fclose(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_grows_and_ends_in_nul),       cmocka_unit_test(json_strings_are_escaped),
        cmocka_unit_test(numbers_are_whole_or_refused),     cmocka_unit_test(bytes_have_units),
        cmocka_unit_test(the_nearest_word_is_near),         cmocka_unit_test(broken_utf8_is_seen_and_replaced),
        cmocka_unit_test(lines_are_read_without_their_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
