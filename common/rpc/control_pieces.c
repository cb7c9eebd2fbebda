// Control messages in pieces (P15). The happy path of the sender: pack; a small message is one frame, a large one is
// cut and each piece is a message of its own. Of the receiver: pieces are appended as they come; the last one makes the
// message.
//
// What can fail:
// - the message is larger than CONTROL_WHOLE_BYTES_MAX: FAIL_PIPELINE at the sender; a repeat would not help;
// - a piece or a message is missing, or the pieces make no message: RESTART_PIPELINE;
// - the budget refuses the message's bytes: its error.
// The attempt's end forgets pieces (control_pieces_reset), and what is of another attempt never comes here (P2).
#include "common/rpc/control_pieces.h"

#include <inttypes.h>
#include <string.h>

static enum status control_pieces_cut(const Foreset__Control *control, const struct text *whole, size_t piece_bytes,
                                      control_pieces_frame frame, void *context, struct error *err)
{
    enum status status = STATUS_OK;
    struct text bytes = {0};
    Foreset__Piece piece = FORESET__PIECE__INIT;
    Foreset__Control message = FORESET__CONTROL__INIT;
    message.generation = control->generation;
    message.incarnation = control->incarnation;
    message.epoch = control->epoch;
    message.sequence = control->sequence;
    message.body_case = FORESET__CONTROL__BODY_PIECE;
    message.piece = &piece;
    piece.size_bytes = whole->length;
    for (size_t at = 0; at < whole->length; piece.number++) {
        size_t left = whole->length - at;
        piece.bytes.data = (uint8_t *)whole->data + at;
        piece.bytes.len = left < piece_bytes ? left : piece_bytes;
        at += piece.bytes.len;
        piece.has_last = piece.last = at == whole->length;
        TRY(control_message_pack(&message, &bytes, err));
        frame(context, bytes.data, bytes.length);
    }
out:
    text_deinit(&bytes);
    return status;
}

enum status control_pieces_send(const Foreset__Control *control, size_t piece_bytes, struct text *scratch,
                                control_pieces_frame frame, void *context, struct error *err)
{
    if (piece_bytes == 0) piece_bytes = CONTROL_PIECE_BYTES;
    enum status status = control_message_pack_whole(control, CONTROL_WHOLE_BYTES_MAX, scratch, err);
    if (status != STATUS_OK) return status;
    // An Assign begins an attempt: no piece of it would belong to one.
    bool whole = scratch->length <= piece_bytes || control->body_case == FORESET__CONTROL__BODY_ASSIGN;
    if (whole && scratch->length <= CONTROL_MESSAGE_BYTES_MAX) {
        frame(context, scratch->data, scratch->length);
    } else if (whole) {
        return error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE, "control message %s of %zu bytes, the limit is %u",
                         control_message_kind(control), scratch->length, CONTROL_MESSAGE_BYTES_MAX);
    } else {
        status = control_pieces_cut(control, scratch, piece_bytes, frame, context, err);
    }
    if (scratch->length > CONTROL_PIECE_BYTES) text_deinit(scratch); // large ones are rare: their memory is given back
    return status;
}

void control_pieces_reset(struct control_pieces *pieces)
{
    if (pieces->size_bytes > 0) budget_give(pieces->budget, pieces->size_bytes);
    text_deinit(&pieces->bytes);
    *pieces = (struct control_pieces){0};
}

static enum status control_pieces_missing(uint64_t expected, uint32_t next, const Foreset__Control *control,
                                          struct error *err)
{
    if (control->body_case == FORESET__CONTROL__BODY_PIECE) {
        return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE,
                         "message %" PRIu64 ", piece %u is missing, message %" PRIu64 ", piece %u came", expected, next,
                         control->sequence, control->piece->number);
    }
    return error_set(err, STATUS_ERROR, ERROR_RESTART_PIPELINE, "message %" PRIu64 " is missing, %" PRIu64 " came",
                     expected, control->sequence);
}

static enum status control_pieces_begin(struct control_pieces *pieces, const Foreset__Piece *piece,
                                        struct budget *budget, struct error *err)
{
    enum status status = STATUS_OK;
    if (piece->size_bytes > CONTROL_WHOLE_BYTES_MAX) {
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                         "a message in pieces of %" PRIu64 " bytes, the limit is %u", piece->size_bytes,
                         CONTROL_WHOLE_BYTES_MAX);
    }
    TRY(budget_take(budget, piece->size_bytes, err));
    pieces->budget = budget;
    pieces->size_bytes = piece->size_bytes;
    text_reserve(&pieces->bytes, pieces->size_bytes);
out:
    return status;
}

// All pieces are here. The whole must be what each piece said of it.
static enum status control_pieces_join(struct control_pieces *pieces, Foreset__Control **control, struct error *err)
{
    const Foreset__Control *piece = *control;
    Foreset__Control *whole = NULL;
    enum status status =
        control_message_unpack_whole(pieces->bytes.data, pieces->bytes.length, CONTROL_WHOLE_BYTES_MAX, &whole, err);
    if (status != STATUS_OK) return status;
    if (whole->generation != piece->generation || whole->incarnation != piece->incarnation ||
        whole->epoch != piece->epoch || whole->sequence != piece->sequence ||
        whole->body_case == FORESET__CONTROL__BODY_PIECE) {
        control_message_destroy(whole);
        return error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE, "message %" PRIu64 " is not that of its pieces",
                         piece->sequence);
    }
    control_message_destroy(*control);
    *control = whole;
    return STATUS_OK;
}

static enum status control_pieces_append(struct control_pieces *pieces, struct budget *budget,
                                         Foreset__Control **control, enum control_pieces_step *ret_step,
                                         struct error *err)
{
    enum status status = STATUS_OK;
    const Foreset__Piece *piece = (*control)->piece;
    bool last = piece->has_last && piece->last;
    if (piece->number == 0 && pieces->next == 0) TRY(control_pieces_begin(pieces, piece, budget, err));
    bool fits = piece->size_bytes == pieces->size_bytes && piece->bytes.len > 0 &&
                piece->bytes.len <= pieces->size_bytes - pieces->bytes.length &&
                last == (pieces->bytes.length + piece->bytes.len == pieces->size_bytes);
    if (!fits) {
        status = error_set(err, STATUS_CORRUPT, ERROR_RESTART_PIPELINE,
                           "message %" PRIu64 ", piece %u: %zu bytes of %" PRIu64 ", after %zu of %zu bytes",
                           (*control)->sequence, piece->number, piece->bytes.len, piece->size_bytes,
                           pieces->bytes.length, pieces->size_bytes);
        goto out;
    }
    text_append(&pieces->bytes, (const char *)piece->bytes.data, piece->bytes.len);
    pieces->next++;
    *ret_step = CONTROL_PIECES_MORE;
    if (!last) goto out;
    status = control_pieces_join(pieces, control, err);
    control_pieces_reset(pieces);
    if (status == STATUS_OK) *ret_step = CONTROL_PIECES_WHOLE;
out:
    return status;
}

enum status control_pieces_take(struct control_pieces *pieces, uint64_t *sequence, struct budget *budget,
                                Foreset__Control **control, enum control_pieces_step *ret_step, struct error *err)
{
    enum status status = STATUS_OK;
    const Foreset__Control *message = *control;
    bool is_piece = message->body_case == FORESET__CONTROL__BODY_PIECE;
    uint32_t number = is_piece ? message->piece->number : 0;
    bool repeat =
        message->sequence <= *sequence || (is_piece && message->sequence == *sequence + 1 && number < pieces->next);
    if (repeat) {
        *ret_step = CONTROL_PIECES_REPEAT;
        return STATUS_OK;
    }
    bool follows = message->sequence == *sequence + 1 && (is_piece ? number == pieces->next : pieces->next == 0);
    if (!follows) return control_pieces_missing(*sequence + 1, pieces->next, message, err);
    *ret_step = CONTROL_PIECES_WHOLE;
    if (is_piece) TRY(control_pieces_append(pieces, budget, control, ret_step, err));
    if (*ret_step == CONTROL_PIECES_WHOLE) ++*sequence;
out:
    return status;
}
