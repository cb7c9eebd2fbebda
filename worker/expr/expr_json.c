// from_json by the JSON scanner: a batch at a time. A bad record leaves nulls and is counted; in mode QUARANTINE it is
// also the row's error (MALFORMED_RECORD_IN_PARSING); in mode FAILFAST the first one fails the batch.
#include <string.h>
#include <strings.h>

#include "common/columnar/datetime_text.h"
#include "worker/decode/json_scan.h"
#include "worker/expr/expr_datetime.h"
#include "worker/expr/expr_datetime_format.h"
#include "worker/expr/expr_families.h"

// Patterns of timestampFormat, timestampNTZFormat and dateFormat, as the scanner calls them.
struct json_formats {
    struct expr_datetime_format timestamp, timestamp_ntz, date;
};

static bool parse_timestamp(void *context, const char *text, size_t length, int64_t *ret_us)
{
    return expr_datetime_format_parse(&((struct json_formats *)context)->timestamp, slice_of(text, length), ret_us);
}

static bool parse_timestamp_ntz(void *context, const char *text, size_t length, int64_t *ret_us)
{
    return expr_datetime_format_parse(&((struct json_formats *)context)->timestamp_ntz, slice_of(text, length), ret_us);
}

static bool parse_date(void *context, const char *text, size_t length, int32_t *ret_days)
{
    int64_t us;
    if (!expr_datetime_format_parse(&((struct json_formats *)context)->date, slice_of(text, length), &us)) return false;
    *ret_days = (int32_t)expr_datetime_floor(us, DATETIME_DAY_US);
    return true;
}

struct json_state {
    struct json_scan *scan; // made at the first batch, which has the budget
    struct json_scan_options options;
    struct json_formats formats;
    struct arena arena; // option values
    const struct type *type;
};

static void json_state_free(void *state)
{
    struct json_state *json = state;
    json_scan_destroy(json->scan);
    arena_deinit(&json->arena);
    memory_free(json);
}

// The options that are not the scanner's. *ret_taken: it was one.
static enum status read_format(struct json_state *json, struct slice name, struct slice pattern, bool *ret_taken,
                               struct error *err)
{
    struct expr_datetime_format *format = NULL;
    if (slice_equal_nocase(name, slice_str("timestampFormat"))) {
        format = &json->formats.timestamp;
        json->options.parse_timestamp = parse_timestamp;
    } else if (slice_equal_nocase(name, slice_str("timestampNTZFormat"))) {
        format = &json->formats.timestamp_ntz;
        json->options.parse_timestamp_ntz = parse_timestamp_ntz;
    } else if (slice_equal_nocase(name, slice_str("dateFormat"))) {
        format = &json->formats.date;
        json->options.parse_date = parse_date;
    }
    *ret_taken = format != NULL;
    if (!format) return STATUS_OK;
    json->options.parse_context = &json->formats;
    const char *bad = expr_datetime_format_compile(pattern, true, format);
    if (!bad) return STATUS_OK;
    enum status status =
        error_set(err, STATUS_INVALID, ERROR_USAGE, "from_json: the pattern '%.*s' of %.*s is not supported",
                  (int)pattern.length, pattern.data, (int)name.length, name.data);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", bad);
    return status;
}

static enum status read_options(struct json_state *json, const struct expr_step *map, const struct expr_step *steps,
                                struct error *err)
{
    if (map->kind != EXPR_CALL || strcmp(map->name, "map") != 0) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE,
                         "the options of from_json must be map('name', 'value', …) of literals");
    }
    for (uint32_t i = 0; i + 1 < map->arg_count; i += 2) {
        const struct column *name = expr_step_literal(steps, map->args[i]),
                            *value = expr_step_literal(steps, map->args[i + 1]);
        if (!name || !value || name->type->kind != TYPE_STRING || value->type->kind != TYPE_STRING) {
            return error_set(err, STATUS_INVALID, ERROR_USAGE, "the options of from_json must be string literals");
        }
        struct slice name_text = column_slice(name, 0), value_text = column_slice(value, 0);
        bool taken;
        enum status status = read_format(json, name_text, value_text, &taken, err);
        if (status == STATUS_OK && !taken)
            status = json_scan_option(&json->options, arena_strndup(&json->arena, name_text.data, name_text.length),
                                      arena_strndup(&json->arena, value_text.data, value_text.length), err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

static enum status from_json_bind(struct expr_step *step, const struct expr_step *steps, struct error *err)
{
    if (step->arg_count < 2) return error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "from_json needs a schema");
    struct json_state *json = memory_calloc(1, sizeof *json);
    arena_init(&json->arena, 4096);
    json->type = step->type;
    step->state = json;
    step->state_free = json_state_free;
    // CAST(value AS STRING) of bytes: the scanner takes the bytes and checks their UTF-8 itself
    const struct expr_step *text = &steps[step->args[0]];
    bool of_bytes = text->kind == EXPR_CAST && steps[text->args[0]].type->kind == TYPE_BINARY;
    if (of_bytes && expr_compile_has(EXPR_SHORTCUT_SCAN)) step->args[0] = text->args[0];
    enum status status = STATUS_OK;
    struct json_scan *scan = NULL;
    if (step->arg_count > 2) TRY(read_options(json, &steps[step->args[2]], steps, err));
    TRY(json_scan_create(json->type, &json->options, NULL, &scan, err)); // the schema is one that JSON gives
    json_scan_destroy(scan);
out:
    return status;
}

static enum status scan_rows(struct expr_call *call, struct json_scan *scan, const struct column *text, uint8_t *bad,
                             uint32_t *ret_bad_count, struct error *err)
{
    return json_scan_batch(scan, text, call->rows, call->row_count, &call->result, bad, ret_bad_count, err);
}

static enum status from_json(struct expr_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    struct json_state *json = call->step->state;
    struct expr_value text = {NULL, false};
    uint8_t *bad = memory_alloc((size_t)call->length + 1);
    uint32_t bad_count = 0;
    TRY(expr_step_eval(call->frame, call->step->args[0], call->scope, &text, err));
    if (text.constant && call->length != 1) {
        struct column *expanded;
        TRY(expr_vector_expand(call->frame->budget, text.column, call->length, &expanded, err));
        expr_value_free(&text);
        text = (struct expr_value){expanded, false};
    }
    if (!json->scan) TRY(json_scan_create(json->type, &json->options, call->frame->budget, &json->scan, err));
    int64_t day_us = INT64_C(86400000000), now_us = call->frame->context->timestamp_us;
    json_scan_today(json->scan, (int32_t)(now_us / day_us - (now_us % day_us < 0)));
    TRY(scan_rows(call, json->scan, text.column, bad, &bad_count, err));
    call->frame->context->rows_malformed += bad_count;
    if (!bad_count || json->options.mode != JSON_QUARANTINE) goto out;
    for (uint32_t k = 0; k < call->row_count; k++) {
        uint32_t row = expr_row_at(call, k);
        if (!bad[row]) continue;
        struct slice record = column_slice(text.column, expr_index(&text, row));
        expr_raise(call, row, "MALFORMED_RECORD_IN_PARSING", "Malformed record in JSON: %.*s",
                   record.length > 200 ? 200 : (int)record.length, record.data);
    }
out:
    expr_value_free(&text);
    memory_free(bad);
    return status;
}

const struct expr_function expr_json_functions[] = {
    {"from_json", from_json, NULL, from_json_bind, EXPR_LAZY | EXPR_TOLERANT},
    {NULL, NULL, NULL, NULL, 0},
};
