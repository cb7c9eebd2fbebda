// The fast reader of timestamps takes nothing that the general one would read otherwise, and misses no plain ISO text.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_timestamp.h"

static uint64_t next(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return *seed >> 33;
}

static void compare(struct expr_timestamp_cache *cache, const char *text, bool expected_fast)
{
    int64_t fast = 0, general = 0;
    bool took = expr_timestamp_parse_iso(cache, text, strlen(text), &fast);
    bool valid = datetime_text_parse_timestamp(text, strlen(text), 0, &general);
    if (took && (!valid || fast != general))
        fail_msg("%s: %lld, expected %lld", text, (long long)fast, (long long)general);
    if (!took && expected_fast && valid) fail_msg("%s was left to the general reader", text);
}

static void equals_the_general_reader(void **state)
{
    (void)state;
    struct expr_timestamp_cache cache = {{0}, 0};
    static const char *const zones[] = {"", "Z", "+00:00"};
    uint64_t seed = 7;
    char text[64], fraction[16];
    for (int i = 0; i < 200000; i++) {
        unsigned digits = (unsigned)next(&seed) % 7;
        snprintf(fraction, sizeof fraction, ".%06u", (unsigned)next(&seed) % 1000000);
        fraction[digits ? digits + 1 : 0] = 0;
        snprintf(text, sizeof text, "%04u-%02u-%02u%c%02u:%02u:%02u%s%s", (unsigned)next(&seed) % 10000,
                 (unsigned)next(&seed) % 14, (unsigned)next(&seed) % 33, next(&seed) % 2 ? 'T' : ' ',
                 (unsigned)next(&seed) % 25, (unsigned)next(&seed) % 61, (unsigned)next(&seed) % 61, fraction,
                 zones[next(&seed) % 3]);
        compare(&cache, text, true);
    }
}

static void one_changed_character_is_no_other_time(void **state)
{
    (void)state;
    struct expr_timestamp_cache cache = {{0}, 0};
    const char plain[] = "2024-02-29T23:59:59.123456Z";
    char text[sizeof plain];
    for (size_t at = 0; at + 1 < sizeof plain; at++) {
        for (int c = 1; c < 256; c++) {
            memcpy(text, plain, sizeof plain);
            text[at] = (char)c;
            compare(&cache, text, false);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_general_reader),
        cmocka_unit_test(one_changed_character_is_no_other_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
