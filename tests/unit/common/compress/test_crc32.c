// CRC-32 against its definition, over every short length and alignment.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/compress/crc32.h"

static uint32_t bit_by_bit(uint32_t crc, const uint8_t *bytes, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0);
    }
    return ~crc;
}

static void crc_is_right_at_every_length(void **state)
{
    uint8_t bytes[1100];
    struct random random;
    (void)state;
    random_init(&random, 3);
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)random_u64(&random);
    for (size_t length = 0; length < 1024; length++) {
        size_t at = length % 17;
        uint32_t start = (uint32_t)length * 2654435761u;
        assert_int_equal(crc32_update(start, bytes + at, length), bit_by_bit(start, bytes + at, length));
    }
}

static void crc_of_parts_equals_crc_of_whole(void **state)
{
    static const char text[] =
        "The quick brown fox jumps over the lazy dog, then does it again and again and again, tirelessly.";
    (void)state;
    uint32_t whole = crc32_update(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        uint32_t parts = crc32_update(crc32_update(0, text, cut), text + cut, sizeof text - cut);
        assert_int_equal(parts, whole);
    }
    assert_int_equal(crc32_update(0, "123456789", 9), 0xCBF43926);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(crc_is_right_at_every_length),
        cmocka_unit_test(crc_of_parts_equals_crc_of_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
