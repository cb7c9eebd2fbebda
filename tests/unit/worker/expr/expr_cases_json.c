// Reads the cases with jansson and compares results as JSON values: integers exactly, doubles bit by bit unless the
// case says approx. Fails only by returning false.
#include "tests/unit/worker/expr/expr_cases_json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "worker/decode/json_scan.h"

static char *lines_of(json_t *rows, size_t *ret_length)
{
    struct text text = {0};
    size_t index;
    json_t *row;
    json_array_foreach(rows, index, row)
    {
        char *line = json_dumps(row, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
        text_append_str(&text, line);
        text_append_char(&text, '\n');
        free(line);
    }
    *ret_length = text.length;
    return text_take(&text);
}

bool expr_cases_json_read(const char *path, void (*run)(const struct expr_case *item, void *context), void *context)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t size = 0;
    bool good = file != NULL;
    ssize_t length;
    while (good && (length = getline(&line, &size, file)) > 0) {
        json_error_t error;
        json_t *json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL, &error);
        if (!json)
            json = json_loadb(line, (size_t)length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error); // 38 digits
        if (!json) {
            printf("%s: %s\n", path, error.text);
            good = false;
            break;
        }
        struct expr_case item = {.json = json, .ordered = true};
        item.id = json_string_value(json_object_get(json, "id"));
        item.category = json_string_value(json_object_get(json, "category"));
        item.schema = json_string_value(json_object_get(json, "schema"));
        item.select = json_string_value(json_object_get(json, "select"));
        item.query = json_string_value(json_object_get(json, "query"));
        item.error = json_string_value(json_object_get(json, "error"));
        const char *phase = json_string_value(json_object_get(json, "error_phase"));
        item.analysis = phase && strcmp(phase, "analysis") == 0;
        item.approx = json_is_true(json_object_get(json, "approx"));
        if (item.query) item.ordered = json_is_true(json_object_get(json, "ordered"));
        item.row_count = json_array_size(json_object_get(json, "expected"));
        json_t *input = json_object_get(json, "input");
        char *made = NULL;
        if (input) {
            item.input = json_string_value(input);
            item.input_length = json_string_length(input);
        } else {
            item.input = made = lines_of(json_object_get(json, "rows"), &item.input_length);
        }
        run(&item, context);
        memory_free(made);
        json_decref(json);
    }
    free(line);
    if (file) fclose(file);
    return good;
}

static json_t *member_at(json_t *object, size_t index)
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        if (index-- == 0) return value;
    }
    return NULL;
}

const char *expr_cases_json_type(const struct expr_case *item, size_t index)
{
    return json_string_value(member_at(json_object_get(item->json, "types"), index));
}

static double number_of(const json_t *value)
{
    return json_is_integer(value) ? (double)json_integer_value(value) : json_real_value(value);
}

static bool values_equal(json_t *a, json_t *b, bool approx);

static bool lists_equal(json_t *a, json_t *b, bool approx)
{
    if (json_array_size(a) != json_array_size(b)) return false;
    for (size_t i = 0; i < json_array_size(a); i++) {
        if (!values_equal(json_array_get(a, i), json_array_get(b, i), approx)) return false;
    }
    return true;
}

static bool objects_equal(json_t *a, json_t *b, bool approx)
{
    const char *key;
    json_t *value;
    if (json_object_size(a) != json_object_size(b)) return false;
    json_object_foreach(a, key, value)
    {
        json_t *other = json_object_get(b, key);
        if (!other || !values_equal(value, other, approx)) return false;
    }
    return true;
}

static bool values_equal(json_t *a, json_t *b, bool approx)
{
    if (json_is_integer(a) && json_is_integer(b)) return json_integer_value(a) == json_integer_value(b);
    if (json_is_number(a) && json_is_number(b)) {
        double x = number_of(a), y = number_of(b);
        if (approx && fabs(x - y) <= 1e-12 * fabs(x)) return true;
        return x == y && signbit(x) == signbit(y);
    }
    if (json_typeof(a) != json_typeof(b)) return false;
    if (json_is_array(a)) return lists_equal(a, b, approx);
    if (json_is_object(a)) return objects_equal(a, b, approx);
    return json_equal(a, b);
}

bool expr_cases_json_equal(const struct expr_case *item, size_t row, size_t index, const char *value)
{
    json_t *expected = member_at(json_array_get(json_object_get(item->json, "expected"), row), index);
    json_error_t error;
    json_t *actual = json_loads(value, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool equal = expected && actual && values_equal(expected, actual, item->approx);
    json_decref(actual);
    return equal;
}

const char *expr_cases_json_expected(const struct expr_case *item, size_t row, size_t index, char *buffer, size_t size)
{
    json_t *expected = member_at(json_array_get(json_object_get(item->json, "expected"), row), index);
    char *text = expected ? json_dumps(expected, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    snprintf(buffer, size, "%s", text ? text : "(none)");
    free(text);
    return buffer;
}

bool expr_cases_json_batch(const struct expr_case *item, struct batch **ret_batch, struct error *err)
{
    const struct type *type;
    struct json_scan *scan = NULL;
    struct json_scan_options options = {.exact_text = true};
    struct json_lines lines = {0};
    if (type_parse_ddl(item->schema, &type, err) != STATUS_OK) return false;
    char *padded = memory_calloc(item->input_length + BUFFER_PADDING, 1);
    memcpy(padded, item->input, item->input_length);
    bool good = json_scan_create(type, &options, NULL, &scan, err) == STATUS_OK &&
                json_scan_lines(scan, (const uint8_t *)padded, item->input_length, true, &lines, err) == STATUS_OK;
    json_scan_destroy(scan);
    memory_free(padded);
    if (good && !lines.batch) { // no rows
        struct column **columns = memory_calloc(type->child_count + 1, sizeof *columns);
        for (uint32_t i = 0; i < type->child_count && good; i++) {
            good = column_create_nulls(NULL, type->children[i].type, 0, &columns[i], err) == STATUS_OK;
        }
        lines.batch = batch_create(type, 0, columns);
        memory_free(columns);
    }
    *ret_batch = lines.batch;
    return good;
}

bool expr_cases_json_listed(const char *list, const char *id)
{
    size_t length = strlen(id);
    for (const char *line = list; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, id, length) == 0 && (line[length] == ' ' || line[length] == '\n' || !line[length]))
            return true;
    }
    return false;
}
