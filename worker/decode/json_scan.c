// Records to rows: what a good, bad, blank or broken record leaves in the root sink, for from_json and for lines of
// files. Fails with STATUS_NO_MEMORY (budget), STATUS_UNSUPPORTED (types, at creation) and in FAILFAST mode
// STATUS_INVALID; a call that failed gives nothing, and the scan can be used again.
#include "worker/decode/json_scan.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/vector.h"
#include "worker/decode/json_object.h"
#include "worker/decode/json_text.h"

#define SCAN_LINE_GUESS 160u // bytes, before any was seen

struct json_scan {
    const struct type *type;
    struct json_scan_options options;
    char *corrupt_name;
    int corrupt; // field of bad records' text; -1: none
    struct budget *budget;
    struct json_failure failure;
    struct json_context context;
    const struct json_kernel *kernel;
    struct json_sink root;
    size_t line_bytes; // mean of the last lines
    VECTOR(struct json_bad) bad;
    struct column *rest; // rows of a long array that did not go into the last batch, from rest_row on
    uint32_t rest_row;
    VECTOR(struct json_bad) rest_bad;
    struct text repaired; // bytes that were no UTF-8, as text
};

enum record { RECORD_GOOD, RECORD_BAD, RECORD_BLANK };

static enum status check_type(const struct type *type, struct error *err)
{
    enum status status = STATUS_OK;
    if (type->kind == TYPE_INTERVAL_YEAR_MONTH || type->kind == TYPE_INTERVAL_DAY_TIME) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                         "JSON fields of type %s are not supported; read a STRING", type->text);
    }
    if (type->kind == TYPE_MAP && type->children[0].type->kind != TYPE_STRING) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "JSON gives no %s: the keys of a map must be STRING",
                         type->text);
    }
    for (uint32_t i = 0; i < type->child_count; i++) {
        TRY(check_type(type->children[i].type, err));
        for (uint32_t k = 0; type->kind == TYPE_STRUCT && k < i; k++) {
            if (strcmp(type->children[k].name, type->children[i].name) != 0) continue;
            TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "the JSON schema has the field %s twice",
                          type->children[i].name));
        }
    }
out:
    return status;
}

enum status json_scan_create(const struct type *type, const struct json_scan_options *options, struct budget *budget,
                             struct json_scan **ret_scan, struct error *err)
{
    enum status status = STATUS_OK;
    TRY(check_type(type, err));
    if (type->kind != TYPE_STRUCT && type->kind != TYPE_ARRAY && type->kind != TYPE_MAP) {
        TRY(error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                      "the JSON schema must be a struct, an array or a map, not %s", type->text));
    }
    struct json_scan *scan = memory_calloc(1, sizeof *scan);
    scan->type = type;
    scan->options = *options;
    scan->corrupt_name = memory_strdup(options->corrupt_column ? options->corrupt_column : JSON_CORRUPT_COLUMN);
    scan->options.corrupt_column = scan->corrupt_name;
    scan->budget = budget;
    scan->kernel = json_kernel_get();
    scan->line_bytes = SCAN_LINE_GUESS;
    scan->context.options = &scan->options;
    scan->context.failure = &scan->failure;
    json_sink_init(&scan->root, type, budget, &scan->failure);
    scan->corrupt = -1;
    for (uint32_t i = 0; type->kind == TYPE_STRUCT && i < type->child_count; i++) {
        if (strcmp(type->children[i].name, scan->corrupt_name) != 0) continue;
        if (type->children[i].type->kind != TYPE_STRING) {
            error_set(err, STATUS_INVALID, ERROR_USAGE, "the JSON schema's %s must be STRING", scan->corrupt_name);
            json_scan_destroy(scan);
            return STATUS_INVALID;
        }
        scan->corrupt = (int)i;
        scan->root.object->corrupt = (int32_t)i;
    }
    *ret_scan = scan;
out:
    return status;
}

void json_scan_destroy(struct json_scan *scan)
{
    if (!scan) return;
    json_sink_deinit(&scan->root);
    memory_free(scan->context.scratch);
    text_deinit(&scan->context.rewritten);
    text_deinit(&scan->repaired);
    vector_deinit(&scan->bad);
    vector_deinit(&scan->rest_bad);
    column_unref(scan->rest);
    memory_free(scan->corrupt_name);
    memory_free(scan);
}

void json_scan_today(struct json_scan *scan, int32_t days)
{
    scan->context.today = days;
}

const char *json_scan_simd(void)
{
    return json_kernel_get()->name;
}

// A row whose fields are all null: a bad record's struct; a bad array or map is null itself.
static bool put_bad_row(struct json_scan *scan, uint32_t row)
{
    struct json_sink *root = &scan->root;
    json_sink_truncate(root, row);
    if (root->kind != TYPE_STRUCT) return json_sink_null(root);
    for (uint32_t i = 0; i < root->type->child_count; i++) {
        if (!json_sink_null(&root->children[i])) return false;
    }
    if (!json_sink_room(root)) return false;
    root->length++;
    return true;
}

// Bytes as a STRING value: what is not UTF-8 becomes U+FFFD.
static bool put_text(struct json_scan *scan, struct json_sink *sink, const uint8_t *bytes, size_t length)
{
    if (text_utf8_valid(bytes, length)) return json_sink_string(sink, bytes, length);
    struct text *text = &scan->context.rewritten;
    text_reset(text);
    text_append_utf8(text, (const char *)bytes, length);
    return json_sink_string(sink, (const uint8_t *)text_str(text), text->length);
}

// The record's text into the corrupt-record field of the rows from `row` on, which hold a null there.
static bool put_corrupt(struct json_scan *scan, uint32_t row, const uint8_t *bytes, size_t length)
{
    if (scan->corrupt < 0) return true;
    struct json_sink *sink = &scan->root.children[scan->corrupt];
    uint32_t rows = scan->root.length - row;
    json_sink_truncate(sink, row);
    for (uint32_t i = 0; i < rows; i++) {
        if (!put_text(scan, sink, bytes, length)) return false;
    }
    return true;
}

// The one value that a record of from_json is. NULL: not JSON, or not what the type asks for at its root.
static const uint8_t *scan_root(struct json_scan *scan, const uint8_t *at)
{
    struct json_context *context = &scan->context;
    struct json_sink *root = &scan->root;
    if (scan->type->kind == TYPE_STRUCT) return *at == '{' ? scan->kernel->object(context, root, at) : NULL;
    bool one = *at == '{' && scan->type->kind == TYPE_ARRAY && scan->type->children[0].type->kind == TYPE_STRUCT;
    if (one) { // an object stands for an array of it
        at = scan->kernel->object(context, root->children, at);
        return at && json_sink_list(root) ? at : NULL;
    }
    if (*at == 'n') return NULL;
    uint32_t row = root->length;
    at = scan->kernel->value(context, root, at);
    return root->length > row ? at : NULL;
}

// A line that is an array: a row for each element, which must be an object.
static const uint8_t *scan_rows(struct json_scan *scan, const uint8_t *at)
{
    struct json_context *context = &scan->context;
    at = json_text_space(context, at + 1);
    if (at < context->end && *at == ']') return at + 1;
    for (;;) {
        if (at >= context->end || *at != '{') return NULL;
        context->depth = 1;
        if (!(at = scan->kernel->object(context, &scan->root, at))) return NULL;
        at = json_text_space(context, at);
        if (at >= context->end) return NULL;
        if (*at == ']') return at + 1;
        if (*at != ',') return NULL;
        at = json_text_space(context, at + 1);
    }
}

// One record into the root sink: nothing for a blank one, else its rows.
static enum record scan_record(struct json_scan *scan, const uint8_t *bytes, size_t length, bool lines)
{
    struct json_context *context = &scan->context;
    uint32_t row = scan->root.length;
    context->end = bytes + length;
    context->bad = false;
    context->depth = 0;
    const uint8_t *at = bytes;
    if (lines && length >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0) at += 3;
    if (length == 0 || *at != '{') at = json_text_space(context, at);
    if (at >= context->end) return RECORD_BLANK;
    const uint8_t *behind = lines && *at == '[' ? scan_rows(scan, at) : scan_root(scan, at);
    if (behind && behind > context->end) behind = NULL;
    if (behind && scan->options.strict && json_text_space(context, behind) < context->end) behind = NULL;
    if (scan->failure.status != STATUS_OK) return RECORD_BAD;
    if (!behind && !put_bad_row(scan, row)) return RECORD_BAD;
    if (behind && !context->bad) return RECORD_GOOD;
    put_corrupt(scan, row, bytes, length);
    return RECORD_BAD;
}

// A record of bytes that was bad and is no UTF-8 is read once more as CAST(… AS STRING) would give it.
static enum record rescan_repaired(struct json_scan *scan, uint32_t row, const struct slice *record)
{
    if (scan->options.strict || scan->context.utf8_checked || scan->failure.status != STATUS_OK) return RECORD_BAD;
    if (text_utf8_valid((const uint8_t *)record->data, record->length)) return RECORD_BAD;
    static const char padding[BUFFER_PADDING];
    text_reset(&scan->repaired);
    text_append_utf8(&scan->repaired, record->data, record->length);
    size_t length = scan->repaired.length;
    text_append(&scan->repaired, padding, sizeof padding);
    json_sink_truncate(&scan->root, row);
    return scan_record(scan, (const uint8_t *)text_str(&scan->repaired), length, false);
}

static enum status refuse_record(struct json_scan *scan, const uint8_t *bytes, size_t length, const char *what,
                                 uint64_t number, struct error *err)
{
    int shown = length > 200 ? 200 : (int)length;
    const uint8_t *first = bytes;
    while (first < bytes + length && *first && strchr(" \t\r\n", *first)) first++;
    bool array = scan->type->kind == TYPE_STRUCT && first < bytes + length && *first == '[';
    const char *condition = array ? "MALFORMED_RECORD_IN_PARSING.CANNOT_PARSE_JSON_ARRAYS_AS_STRUCTS"
                                  : "MALFORMED_RECORD_IN_PARSING.WITHOUT_SUGGESTION";
    enum status status =
        error_set(err, STATUS_INVALID, ERROR_FAIL_PIPELINE,
                  "[%s] %s %llu is no JSON of %.200s (mode FAILFAST): %.*s; mode PERMISSIVE makes nulls of it, "
                  "QUARANTINE sends it to the dead letters",
                  condition, what, (unsigned long long)number, scan->type->text, shown, (const char *)bytes);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", condition);
    return status;
}

// A column whose bytes may be read beyond their end: itself, or a copy.
static enum status padded_text(struct json_scan *scan, const struct column *text, struct column **ret_text,
                               struct error *err)
{
    const struct column *plain = text->indices ? text->dictionary : text;
    const struct buffer *buffer = plain->buffers[1];
    bool padded = plain->length == 0 || plain->offsets[plain->length] == 0;
    if (!padded && buffer && plain->bytes >= buffer->data) {
        padded = plain->bytes + plain->offsets[plain->length] <= buffer->data + buffer->size_bytes;
    }
    if (padded) {
        *ret_text = column_ref((struct column *)(uintptr_t)text);
        return STATUS_OK;
    }
    struct column_builder *builder = column_builder_create(scan->budget, text->type);
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < text->length; i++) TRY(column_builder_copy(builder, text, i, err));
    TRY(column_builder_finish(builder, ret_text, err));
out:
    column_builder_destroy(builder);
    return status;
}

static enum status scan_begin(struct json_scan *scan, uint32_t rows, struct error *err)
{
    scan->failure = (struct json_failure){.status = STATUS_OK, .err = err};
    json_sink_begin(&scan->root, rows);
    return scan->failure.status;
}

// Rows `from` to `to` come out null: nobody looks at them.
static bool put_nulls(struct json_scan *scan, uint32_t from, uint32_t to)
{
    for (; from < to; from++) {
        if (!json_sink_null(&scan->root)) return false;
    }
    return true;
}

enum status json_scan_batch(struct json_scan *scan, const struct column *text, const uint32_t *rows, uint32_t count,
                            struct column **ret_column, uint8_t *ret_bad, uint32_t *ret_bad_count, struct error *err)
{
    struct column *padded = NULL;
    enum status status = STATUS_OK;
    uint32_t bad_count = 0;
    ASSERT(type_is_string_like(text->type));
    TRY(padded_text(scan, text, &padded, err));
    TRY(scan_begin(scan, text->length, err));
    if (ret_bad) memset(ret_bad, 0, text->length);
    scan->context.utf8_checked = text->type->kind == TYPE_STRING;
    for (uint32_t i = 0; i < (rows ? count : text->length); i++) {
        uint32_t row = rows ? rows[i] : i;
        bool ok = rows ? put_nulls(scan, scan->root.length, row) : true;
        enum record record = RECORD_BLANK;
        struct slice slice = {0};
        if (ok && !column_is_null(padded, row)) {
            slice = column_slice(padded, row);
            uint32_t first = scan->root.length;
            record = scan_record(scan, (const uint8_t *)slice.data, slice.length, false);
            if (record == RECORD_BAD) record = rescan_repaired(scan, first, &slice);
        }
        if (record == RECORD_BLANK) json_sink_null(&scan->root);
        TRY(scan->failure.status);
        if (record != RECORD_BAD) continue;
        bad_count++;
        if (ret_bad) ret_bad[row] = 1;
        if (scan->options.mode == JSON_FAILFAST) {
            TRY(refuse_record(scan, (const uint8_t *)slice.data, slice.length, "row", row, err));
        }
    }
    put_nulls(scan, scan->root.length, text->length);
    TRY(scan->failure.status);
    TRY(json_sink_finish(&scan->root, ret_column, err));
    if (ret_bad_count) *ret_bad_count = bad_count;
out:
    scan->failure.err = NULL;
    if (status != STATUS_OK) json_sink_drop(&scan->root);
    column_unref(padded);
    return status;
}

// Rows [from, from + count) of the struct column as a batch, which shares the columns if it is all of them.
static enum status make_batch(struct json_scan *scan, const struct column *column, uint32_t from, uint32_t count,
                              struct batch **ret_batch, struct error *err)
{
    enum status status = STATUS_OK;
    struct column **columns = memory_calloc(scan->type->child_count + (size_t)1, sizeof *columns);
    uint32_t *rows = count < column->length ? memory_alloc(count * sizeof *rows) : NULL;
    for (uint32_t i = 0; rows && i < count; i++) rows[i] = from + i;
    for (uint32_t i = 0; i < scan->type->child_count; i++) {
        if (!rows)
            columns[i] = column_ref(column->children[i]);
        else
            TRY(column_gather(scan->budget, column->children[i], rows, count, &columns[i], err));
    }
    *ret_batch = batch_create(scan->type, count, columns);
    memory_free(rows);
    memory_free(columns);
    return STATUS_OK;
out:
    for (uint32_t i = 0; i < scan->type->child_count; i++) column_unref(columns[i]);
    memory_free(rows);
    memory_free(columns);
    return status;
}

// The next BATCH_ROWS_MAX rows of what an array left over. Until its last rows are out, the array's last byte counts as
// not used, so that the caller comes back. Its line is then no longer at hand: length 0 in its bad entries.
static enum status take_rest(struct json_scan *scan, struct json_lines *ret_lines, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t from = scan->rest_row, count = scan->rest->length - from;
    if (count > BATCH_ROWS_MAX) count = BATCH_ROWS_MAX;
    struct batch *batch = NULL;
    TRY(make_batch(scan, scan->rest, from, count, &batch, err));
    vector_reset(&scan->bad);
    for (size_t i = 0; i < scan->rest_bad.count; i++) {
        struct json_bad bad = scan->rest_bad.items[i];
        uint32_t first = bad.first_row > from ? bad.first_row : from, last = bad.first_row + bad.row_count;
        if (last > from + count) last = from + count;
        if (first >= last) continue;
        if (from > 0) bad.offset = bad.length = 0;
        bad.first_row = first - from;
        bad.row_count = last - first;
        vector_push(&scan->bad, bad);
    }
    scan->rest_row += count;
    if (scan->rest_row == scan->rest->length) {
        column_unref(scan->rest);
        scan->rest = NULL;
    }
    *ret_lines = (struct json_lines){
        .used = scan->rest ? 0 : 1, .batch = batch, .bad = scan->bad.items, .bad_count = (uint32_t)scan->bad.count};
out:
    return status;
}

static enum status lines_finish(struct json_scan *scan, size_t used, struct json_lines *ret_lines, struct error *err)
{
    enum status status = STATUS_OK;
    struct json_lines lines = {0};
    if (scan->root.length > 0) {
        scan->line_bytes = used / scan->root.length + 1;
        vector_reset(&scan->rest_bad);
        for (size_t i = 0; i < scan->bad.count; i++) vector_push(&scan->rest_bad, scan->bad.items[i]);
        scan->rest_row = 0;
        TRY(json_sink_finish(&scan->root, &scan->rest, err));
        TRY(take_rest(scan, &lines, err));
    } else {
        json_sink_drop(&scan->root);
    }
    lines.used = scan->rest ? used - 1 : used;
    *ret_lines = lines;
out:
    if (status != STATUS_OK) {
        column_unref(scan->rest);
        scan->rest = NULL;
    }
    return status;
}

enum status json_scan_lines(struct json_scan *scan, const uint8_t *bytes, size_t length, bool last,
                            struct json_lines *ret_lines, struct error *err)
{
    enum status status = STATUS_OK;
    size_t used = 0, rows = length / scan->line_bytes + 1;
    ASSERT(scan->type->kind == TYPE_STRUCT);
    if (scan->rest) return take_rest(scan, ret_lines, err);
    TRY(scan_begin(scan, rows < BATCH_ROWS_MAX ? (uint32_t)rows : BATCH_ROWS_MAX, err));
    vector_reset(&scan->bad);
    scan->context.utf8_checked = false;
    while (used < length && scan->root.length < BATCH_ROWS_MAX && used < BATCH_BYTES_MAX) {
        const uint8_t *line = bytes + used, *end = scan->kernel->line_end(line, bytes + length);
        bool open = end == bytes + length || (*end == '\r' && end + 1 == bytes + length);
        if (open && !last) break;
        size_t offset = used, line_length = (size_t)(end - line);
        used += line_length;
        if (used < length) used += *end == '\r' && used + 1 < length && end[1] == '\n' ? 2 : 1;
        uint32_t row = scan->root.length;
        enum record record = scan_record(scan, line, line_length, true);
        TRY(scan->failure.status);
        if (record != RECORD_BAD) continue;
        if (scan->options.mode == JSON_FAILFAST)
            TRY(refuse_record(scan, line, line_length, "line at byte", offset, err));
        struct json_bad bad = {row, scan->root.length - row, offset, line_length};
        vector_push(&scan->bad, bad);
    }
    TRY(lines_finish(scan, used, ret_lines, err));
out:
    scan->failure.err = NULL;
    if (status != STATUS_OK) json_sink_drop(&scan->root);
    return status;
}

bool json_scan_valid(const uint8_t *bytes, size_t length)
{
    static const struct json_scan_options strict = {.strict = true};
    uint8_t *copy = memory_calloc(1, length + BUFFER_PADDING);
    if (length) memcpy(copy, bytes, length);
    struct json_failure failure = {0};
    struct json_context context = {.end = copy + length, .options = &strict, .failure = &failure};
    const uint8_t *behind = json_kernel_get()->skip(&context, copy);
    bool valid = behind && json_text_space(&context, behind) == context.end;
    memory_free(context.scratch);
    memory_free(copy);
    return valid;
}

static bool parse_boolean(const char *value, bool *ret_value)
{
    *ret_value = strcasecmp(value, "true") == 0;
    return *ret_value || strcasecmp(value, "false") == 0;
}

enum status json_scan_option(struct json_scan_options *options, const char *name, const char *value, struct error *err)
{
    const struct {
        const char *name;
        bool *flag;
        bool negate;
    } flags[] = {
        {"allowComments", &options->allow_comments, false},
        {"allowUnquotedFieldNames", &options->allow_unquoted_names, false},
        {"allowSingleQuotes", &options->refuse_single_quotes, true},
        {"allowNumericLeadingZeros", &options->allow_leading_zeros, false},
        {"allowNonNumericNumbers", &options->refuse_non_numeric, true},
        {"allowBackslashEscapingAnyCharacter", &options->allow_any_escape, false},
        {"allowUnquotedControlChars", &options->allow_control, false},
    };
    static const char *const modes[] = {"PERMISSIVE", "FAILFAST", "QUARANTINE"};
    bool on;
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++) {
        if (strcasecmp(name, flags[i].name) != 0) continue;
        if (!parse_boolean(value, &on)) {
            return error_set(err, STATUS_INVALID, ERROR_USAGE, "JSON option %s must be true or false, not %s", name,
                             value);
        }
        *flags[i].flag = on != flags[i].negate;
        return STATUS_OK;
    }
    if (strcasecmp(name, "columnNameOfCorruptRecord") == 0) {
        options->corrupt_column = value;
        return STATUS_OK;
    }
    if (strcasecmp(name, "mode") != 0) {
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "JSON option %s is not supported", name);
    }
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        if (strcasecmp(value, modes[i]) != 0) continue;
        options->mode = (enum json_mode)i;
        return STATUS_OK;
    }
    enum status status =
        error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE,
                  "JSON mode %s is not supported; there are PERMISSIVE, FAILFAST and QUARANTINE", value);
    if (err) strcpy(err->condition, "PARSE_MODE_UNSUPPORTED");
    return status;
}
