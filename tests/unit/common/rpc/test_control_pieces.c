// Messages in pieces (P15): whatever is lost, repeated, moved or of another message, the whole comes out as it went in
// or not at all.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "common/base/random.h"
#include "common/rpc/control_pieces.h"

enum { PIECE = 64, FRAMES_MAX = 64 };
struct frames {
    struct text items[FRAMES_MAX];
    size_t count;
};

static void keep(void *context, const void *bytes, size_t size)
{
    struct frames *frames = context;
    assert_true(frames->count < FRAMES_MAX);
    text_append(&frames->items[frames->count++], bytes, size);
}

static void drop(struct frames *frames)
{
    for (size_t i = 0; i < frames->count; i++) text_deinit(&frames->items[i]);
    frames->count = 0;
}

// A Failed with a message of so many bytes.
static void send_sized(struct frames *frames, uint64_t sequence, size_t size)
{
    struct error err;
    struct text scratch = {0}, words = {0};
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__Failed failed = FORESET__FAILED__INIT;
    for (size_t i = 0; i < size; i++) text_append_char(&words, (char)('a' + i % 26));
    failed.message = (char *)text_str(&words);
    control.generation = 5;
    control.incarnation = 7;
    control.epoch = 9;
    control.sequence = sequence;
    control.body_case = FORESET__CONTROL__BODY_FAILED;
    control.failed = &failed;
    assert_int_equal(control_pieces_send(&control, PIECE, &scratch, keep, frames, &err), STATUS_OK);
    text_deinit(&scratch);
    text_deinit(&words);
}

static struct budget budget;

static enum status take(struct control_pieces *pieces, uint64_t *sequence, const struct text *frame,
                        enum control_pieces_step *ret_step, size_t *ret_size)
{
    struct error err = {0};
    Foreset__Control *control = NULL;
    assert_int_equal(control_message_unpack(frame->data, frame->length, &control, &err), STATUS_OK);
    enum status status = control_pieces_take(pieces, sequence, &budget, &control, ret_step, &err);
    if (status != STATUS_OK) assert_int_equal(err.class, ERROR_RESTART_PIPELINE);
    if (status == STATUS_OK && *ret_step == CONTROL_PIECES_WHOLE) {
        assert_int_equal(control->body_case, FORESET__CONTROL__BODY_FAILED);
        assert_int_equal(control->epoch, 9);
        *ret_size = strlen(control->failed->message);
    }
    control_message_destroy(control);
    return status;
}

static void a_message_of_any_size_comes_out_as_it_went_in(void **state)
{
    (void)state;
    struct control_pieces pieces = {0};
    uint64_t sequence = 0;
    for (size_t size = 0; size < 1200; size++) {
        struct frames frames = {0};
        size_t came = 0, wholes = 0;
        send_sized(&frames, sequence + 1, size);
        for (size_t i = 0; i < frames.count; i++) {
            enum control_pieces_step step;
            assert_int_equal(take(&pieces, &sequence, &frames.items[i], &step, &came), STATUS_OK);
            assert_int_equal(step, i + 1 == frames.count ? CONTROL_PIECES_WHOLE : CONTROL_PIECES_MORE);
            wholes += step == CONTROL_PIECES_WHOLE;
        }
        assert_int_equal(wholes, 1);
        assert_int_equal(came, size);
        assert_int_equal(budget.used_bytes, 0);
        if (size < 10) assert_int_equal(frames.count, 1);
        drop(&frames);
    }
    control_pieces_reset(&pieces);
}

// Three messages, the middle one in pieces; frames are lost, repeated, swapped.
static void what_is_lost_or_moved_restarts_and_what_is_repeated_is_dropped(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 23500);
    for (unsigned round = 0; round < 20000; round++) {
        struct frames frames = {0};
        struct control_pieces pieces = {0};
        uint64_t sequence = 0;
        size_t order[2 * FRAMES_MAX], count = 0, came = 0, wholes = 0, next = 0;
        send_sized(&frames, 1, 3);
        send_sized(&frames, 2, 1 + random_below(&random, 900));
        send_sized(&frames, 3, random_below(&random, 300));
        for (size_t i = 0; i < frames.count; i++) {
            if (!random_chance(&random, 0.03)) order[count++] = i;
            if (random_chance(&random, 0.1)) order[count++] = random_below(&random, i + 1);
        }
        bool failed = false;
        for (size_t i = 0; i < count && !failed; i++) {
            enum control_pieces_step step;
            uint64_t before = sequence;
            failed = take(&pieces, &sequence, &frames.items[order[i]], &step, &came) != STATUS_OK;
            assert_true(failed == (order[i] > next)); // exactly when something before it did not come
            if (failed) break;
            assert_true((step == CONTROL_PIECES_REPEAT) == (order[i] < next));
            if (order[i] == next) next++;
            wholes += step == CONTROL_PIECES_WHOLE;
            assert_int_equal(sequence - before, step == CONTROL_PIECES_WHOLE);
        }
        assert_int_equal(wholes, sequence);
        control_pieces_reset(&pieces);
        assert_int_equal(budget.used_bytes, 0);
        drop(&frames);
    }
}

static void a_piece_of_another_message_does_not_fit(void **state)
{
    (void)state;
    struct frames one = {0}, other = {0};
    struct control_pieces pieces = {0};
    enum control_pieces_step step;
    uint64_t sequence = 0;
    size_t came;
    send_sized(&one, 1, 700);
    send_sized(&other, 1, 300);
    assert_int_equal(take(&pieces, &sequence, &one.items[0], &step, &came), STATUS_OK);
    assert_int_equal(take(&pieces, &sequence, &other.items[1], &step, &came), STATUS_CORRUPT); // another size
    control_pieces_reset(&pieces);
    drop(&other);
    send_sized(&other, 1, 700);
    Foreset__Control *control = NULL;
    struct error err;
    for (size_t i = 0; i < one.count; i++) { // same size, one byte differs: the whole's checksum shows it
        assert_int_equal(control_message_unpack(other.items[i].data, other.items[i].length, &control, &err), STATUS_OK);
        if (i == 2) control->piece->bytes.data[5] ^= 1;
        enum status status = control_pieces_take(&pieces, &sequence, &budget, &control, &step, &err);
        assert_int_equal(status, i + 1 == one.count ? STATUS_CORRUPT : STATUS_OK);
        control_message_destroy(control);
    }
    assert_int_equal(sequence, 0);
    assert_int_equal(budget.used_bytes, 0);
    drop(&one);
    drop(&other);
    control_pieces_reset(&pieces);
}

static void a_whole_message_in_the_midst_of_one_in_pieces_restarts(void **state)
{
    (void)state;
    struct frames frames = {0};
    struct control_pieces pieces = {0};
    enum control_pieces_step step;
    uint64_t sequence = 0;
    size_t came;
    send_sized(&frames, 1, 700);
    size_t small = frames.count;
    send_sized(&frames, 1, 2);
    assert_int_equal(take(&pieces, &sequence, &frames.items[0], &step, &came), STATUS_OK);
    assert_int_equal(take(&pieces, &sequence, &frames.items[small], &step, &came), STATUS_ERROR);
    control_pieces_reset(&pieces);
    drop(&frames);
}

static void memory_is_counted_and_bounded(void **state)
{
    (void)state;
    struct frames frames = {0};
    struct control_pieces pieces = {0};
    struct budget small;
    struct error err;
    Foreset__Control *control = NULL;
    enum control_pieces_step step;
    uint64_t sequence = 0;
    send_sized(&frames, 1, 700);
    budget_init(&small, "small", NULL, 100);
    assert_int_equal(control_message_unpack(frames.items[0].data, frames.items[0].length, &control, &err), STATUS_OK);
    assert_int_equal(control_pieces_take(&pieces, &sequence, &small, &control, &step, &err), STATUS_NO_MEMORY);
    assert_int_equal(control_pieces_take(&pieces, &sequence, &budget, &control, &step, &err), STATUS_OK);
    assert_true(budget.used_bytes > 700);
    control_pieces_reset(&pieces);
    assert_int_equal(budget.used_bytes, 0);
    control->piece->size_bytes = CONTROL_WHOLE_BYTES_MAX + 1ull;
    assert_int_equal(control_pieces_take(&pieces, &sequence, &budget, &control, &step, &err), STATUS_CORRUPT);
    control_message_destroy(control);
    control_pieces_reset(&pieces);
    drop(&frames);
}

static void a_message_beyond_the_limit_is_an_error_with_its_size(void **state)
{
    (void)state;
    struct error err = {0};
    struct text scratch = {0};
    struct frames frames = {0};
    Foreset__Control control = FORESET__CONTROL__INIT;
    Foreset__Failed failed = FORESET__FAILED__INIT;
    char *words = memory_alloc(CONTROL_WHOLE_BYTES_MAX + 2u);
    memset(words, 'x', CONTROL_WHOLE_BYTES_MAX + 1u);
    words[CONTROL_WHOLE_BYTES_MAX + 1u] = '\0';
    failed.message = words;
    control.body_case = FORESET__CONTROL__BODY_FAILED;
    control.failed = &failed;
    assert_int_equal(control_pieces_send(&control, 0, &scratch, keep, &frames, &err), STATUS_INVALID);
    assert_int_equal(err.class, ERROR_FAIL_PIPELINE);
    assert_non_null(strstr(err.message, "the limit is"));
    assert_int_equal(frames.count, 0);
    memory_free(words);
    text_deinit(&scratch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_message_of_any_size_comes_out_as_it_went_in),
                                       cmocka_unit_test(what_is_lost_or_moved_restarts_and_what_is_repeated_is_dropped),
                                       cmocka_unit_test(a_piece_of_another_message_does_not_fit),
                                       cmocka_unit_test(a_whole_message_in_the_midst_of_one_in_pieces_restarts),
                                       cmocka_unit_test(memory_is_counted_and_bounded),
                                       cmocka_unit_test(a_message_beyond_the_limit_is_an_error_with_its_size)};
    budget_init(&budget, "test", NULL, 0);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
