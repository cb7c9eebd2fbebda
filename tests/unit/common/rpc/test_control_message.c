// Control messages: a damaged one is refused, never guessed.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "common/rpc/control_message.h"

static void pack(struct text *bytes)
{
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__Failed failed = FORESET__FAILED__INIT;
    failed.message = (char *)"disk full";
    control.generation = 5;
    control.epoch = 9;
    control.body_case = FORESET__CONTROL__BODY_FAILED;
    control.failed = &failed;
    struct error err;
    assert_int_equal(control_message_pack(&control, bytes, &err), STATUS_OK);
}

static void comes_back_as_it_was(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct error err;
    Foreset__Control *control = NULL;
    pack(&bytes);
    assert_int_equal(control_message_unpack(bytes.data, bytes.length, &control, &err), STATUS_OK);
    assert_int_equal(control->generation, 5);
    assert_string_equal(control->failed->message, "disk full");
    assert_string_equal(control_message_kind(control), "failed");
    control_message_destroy(control);
    text_deinit(&bytes);
}

static void every_flipped_bit_and_cut_is_seen(void **state)
{
    (void)state;
    struct text bytes = {0};
    struct error err;
    Foreset__Control *control = NULL;
    pack(&bytes);
    for (size_t i = 0; i < bytes.length * 8; i++) {
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
        assert_int_equal(control_message_unpack(bytes.data, bytes.length, &control, &err), STATUS_CORRUPT);
        bytes.data[i / 8] = (char)(bytes.data[i / 8] ^ (1 << i % 8));
    }
    for (size_t size = 0; size < bytes.length; size++) {
        assert_int_equal(control_message_unpack(bytes.data, size, &control, &err), STATUS_CORRUPT);
    }
    text_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(comes_back_as_it_was),
                                       cmocka_unit_test(every_flipped_bit_and_cut_is_seen)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
