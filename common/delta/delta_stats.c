// add.stats and partition values: delta_stats.h; Delta protocol, Per-file Statistics, Partition Value Serialization.
// minValues and maxValues may be wider than the data, never narrower: strings are cut (the maximum gets a greater last
// character), a timestamp's minimum goes down to milliseconds and its maximum up (Spark adds one to a maximum, other
// readers take it as written). A bound that is infinite is a text, as Spark has it. A file of which a column with
// values has no bound (a NaN was seen, a year has no text) has no bounds at all: deltalake takes one that is missing
// beside others for a bound that no value meets, and skips the file.
#include "common/delta/delta_stats.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "common/parquet/parquet_minmax.h"

enum { STATS_PREFIX = 32, STATS_PREFIX_MAX = 127 }; // characters of a string
_Static_assert((STATS_PREFIX_MAX + 1) * 4 <= PARQUET_MINMAX_BYTES_MAX, "what was cut already must be cut here");
enum stats_part { STATS_MIN, STATS_MAX, STATS_NULLS };

struct stats_walk {
    const struct parquet_column_stats *stats;
    uint32_t count; // of stats
    uint32_t leaf;  // next
    uint32_t indexed, indexed_max;
    const bool *chosen; // by leaf; NULL: all
    enum stats_part part;
    struct text *text;
    uint64_t rows;
    bool gap; // a bound is missing
};

// Bytes of the first `chars` characters (fewer if it ends before).
static size_t stats_prefix(struct slice slice, unsigned chars)
{
    size_t at = 0;
    for (; at < slice.length; at++) {
        if (((uint8_t)slice.data[at] & 0xC0) == 0x80) continue;
        if (chars-- == 0) break;
    }
    return at;
}

static bool stats_max_string(struct slice slice, struct text *text)
{
    static const char last[] = "\xF4\x8F\xBF\xBF"; // U+10FFFF
    for (unsigned chars = STATS_PREFIX; chars <= STATS_PREFIX_MAX; chars++) {
        size_t cut = stats_prefix(slice, chars);
        char longer[STATS_PREFIX_MAX * 4 + 5];
        size_t length = cut;
        memcpy(longer, slice.data, cut);
        if (cut < slice.length) {
            bool is_last = slice.length - cut >= 4 && memcmp(slice.data + cut, last, 4) == 0;
            if (is_last) continue;
            if ((uint8_t)slice.data[cut] < 0x7F) {
                longer[length++] = 0x7F;
            } else {
                memcpy(longer + length, last, 4);
                length += 4;
            }
        }
        text_append_json(text, longer, length);
        return true;
    }
    return false;
}

static bool stats_year_prints(int64_t days)
{
    int64_t year = datetime_text_civil(days).year;
    return year >= 1 && year <= 9999;
}

static int64_t stats_floor(int64_t value, int64_t unit)
{
    int64_t quotient = value / unit;
    return quotient - (value % unit < 0);
}

static bool stats_time(int64_t us, bool max, bool zone, struct text *text)
{
    char out[DATETIME_TEXT_SIZE];
    int64_t ms = stats_floor(us, 1000);
    if (max && us % 1000) ms++;
    if (!stats_year_prints(stats_floor(us, DATETIME_DAY_US))) return false;
    if (!stats_year_prints(stats_floor(ms, DATETIME_DAY_US / 1000))) return false;
    datetime_text_format_json(ms * 1000, zone, out);
    text_printf(text, "\"%s\"", out);
    return true;
}

static bool stats_number(double value, struct text *text)
{
    char out[NUMBER_TEXT_SIZE];
    if (isnan(value)) return false;
    number_text_format_json(value, out);
    text_printf(text, isinf(value) ? "\"%s\"" : "%s", out);
    return true;
}

// Appends the bound of a leaf; false: it has none that JSON can hold.
static bool stats_bound(const struct parquet_column_stats *stats, bool max, struct text *text)
{
    if (!stats->has_min_max) return false;
    int64_t i64 = max ? stats->max.i64 : stats->min.i64;
    char out[NUMBER_TEXT_SIZE + DATETIME_TEXT_SIZE];
    struct slice bytes = max ? stats->max_bytes : stats->min_bytes;
    switch (stats->type->kind) {
    case TYPE_BOOLEAN: text_append_str(text, i64 ? "true" : "false"); return true;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT: text_printf(text, "%ld", (long)i64); return true;
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return stats_number(max ? stats->max.f64 : stats->min.f64, text);
    case TYPE_DECIMAL:
        number_text_format_decimal(max ? stats->max.i128 : stats->min.i128, stats->type->scale, out);
        text_append_str(text, out);
        return true;
    case TYPE_STRING:
        if (max) return stats_max_string(bytes, text);
        text_append_json(text, bytes.data, stats_prefix(bytes, STATS_PREFIX));
        return true;
    case TYPE_DATE:
        if (!stats_year_prints(i64)) return false;
        datetime_text_format_date((int32_t)i64, out);
        text_printf(text, "\"%s\"", out);
        return true;
    case TYPE_TIMESTAMP: return stats_time(i64, max, true, text);
    case TYPE_TIMESTAMP_NTZ: return stats_time(i64, max, false, text);
    default: return false;
    }
}

static uint32_t stats_leaves(const struct type *type)
{
    if (type->child_count == 0) return 1;
    uint32_t leaves = 0;
    for (uint32_t i = 0; i < type->child_count; i++) leaves += stats_leaves(type->children[i].type);
    return leaves;
}

static bool stats_kind_bounded(enum type_kind kind)
{
    return kind != TYPE_BINARY;
}

static bool stats_leaf(struct stats_walk *walk)
{
    const struct parquet_column_stats *stats = &walk->stats[walk->leaf++];
    if (walk->chosen && !walk->chosen[stats - walk->stats]) return false;
    if (walk->indexed++ >= walk->indexed_max) return false;
    if (walk->part != STATS_NULLS) {
        bool bound = stats_bound(stats, walk->part == STATS_MAX, walk->text);
        walk->gap |= !bound && stats_kind_bounded(stats->type->kind) && stats->null_count < walk->rows;
        return bound;
    }
    text_printf(walk->text, "%lu", (unsigned long)stats->null_count);
    return true;
}

// Appends {"name":…} of the fields that have a value; false, and nothing, if none has.
static bool stats_fields(struct stats_walk *walk, const struct type *type)
{
    struct text *text = walk->text;
    size_t start = text->length;
    bool any = false;
    text_append_char(text, '{');
    for (uint32_t i = 0; i < type->child_count; i++) {
        const struct field *field = &type->children[i];
        size_t before = text->length;
        bool wrote = false;
        if (any) text_append_char(text, ',');
        text_append_json(text, field->name, strlen(field->name));
        text_append_char(text, ':');
        if (field->type->kind == TYPE_STRUCT && field->type->child_count > 0) {
            wrote = stats_fields(walk, field->type);
        } else if (field->type->child_count == 0) {
            wrote = stats_leaf(walk);
        } else { // array, map: they count as one column and have no bounds
            walk->leaf += stats_leaves(field->type);
            walk->indexed++;
        }
        if (wrote) {
            any = true;
        } else {
            text->length = before;
        }
    }
    if (any) {
        text_append_char(text, '}');
    } else {
        text->length = start;
    }
    text->data[text->length] = '\0';
    return any;
}

void delta_stats_write(const struct type *file_schema, uint64_t rows, const struct parquet_column_stats *stats,
                       uint32_t stats_count, int32_t columns_max, struct text *text)
{
    delta_stats_write_chosen(file_schema, rows, stats, stats_count, columns_max, NULL, text);
}

void delta_stats_write_chosen(const struct type *file_schema, uint64_t rows, const struct parquet_column_stats *stats,
                              uint32_t stats_count, int32_t columns_max, const bool *chosen, struct text *text)
{
    static const char *const names[] = {",\"minValues\":", ",\"maxValues\":", ",\"nullCount\":"};
    ASSERT(stats_leaves(file_schema) == stats_count);
    text_printf(text, "{\"numRecords\":%lu", (unsigned long)rows);
    size_t head = text->length;
    bool gap = false;
    for (int part = STATS_MIN; part <= STATS_NULLS; part++) {
        struct stats_walk walk = {.stats = stats, .count = stats_count, .text = text, .rows = rows};
        walk.part = (enum stats_part)part;
        walk.chosen = chosen;
        walk.indexed_max = columns_max < 0 ? UINT32_MAX : (uint32_t)columns_max;
        size_t before = text->length;
        text_append_str(text, names[part]);
        if (!stats_fields(&walk, file_schema)) {
            text->length = before;
            text->data[before] = '\0';
        }
        gap |= walk.gap;
        if (part == STATS_MAX && gap) text->data[text->length = head] = '\0';
    }
    text_append_char(text, '}');
}

// The end of the string that starts behind the quote at `at`, NULL if it has none.
static const char *stats_string_end(const char *at)
{
    for (at++; *at && *at != '"'; at++) {
        if (*at == '\\' && at[1]) at++;
    }
    return *at ? at : NULL;
}

bool delta_stats_rows(const char *stats, uint64_t *ret_rows)
{
    int depth = 0;
    for (const char *at = stats; at && *at; at++) {
        if (*at == '{' || *at == '[') depth++;
        if (*at == '}' || *at == ']') depth--;
        if (*at != '"') continue;
        const char *end = stats_string_end(at);
        if (!end) return false;
        bool found = depth == 1 && end - at == 11 && memcmp(at + 1, "numRecords", 10) == 0;
        at = end;
        unsigned long rows;
        if (found && sscanf(end + 1, " : %20lu", &rows) == 1) {
            *ret_rows = rows;
            return true;
        }
    }
    return false;
}

// ---- partition values

static enum status stats_partition_fixed(const struct column *column, uint32_t row, struct text *text,
                                         struct error *err)
{
    char out[NUMBER_TEXT_SIZE + DATETIME_TEXT_SIZE];
    switch (column->type->kind) {
    case TYPE_BOOLEAN: snprintf(out, sizeof out, "%s", column->boolean[row] ? "true" : "false"); break;
    case TYPE_TINYINT: number_text_format_i64(column->i8[row], out); break;
    case TYPE_SMALLINT: number_text_format_i64(column->i16[row], out); break;
    case TYPE_INT: number_text_format_i64(column->i32[row], out); break;
    case TYPE_BIGINT: number_text_format_i64(column->i64[row], out); break;
    case TYPE_FLOAT: number_text_format_float(column->f32[row], out); break;
    case TYPE_DOUBLE: number_text_format_double(column->f64[row], out); break;
    case TYPE_DECIMAL: number_text_format_decimal(column->i128[row], column->type->scale, out); break;
    case TYPE_DATE: datetime_text_format_date(column->i32[row], out); break;
    case TYPE_TIMESTAMP: datetime_text_format_iso(column->i64[row], out); break;
    case TYPE_TIMESTAMP_NTZ: datetime_text_format_timestamp(column->i64[row], out); break;
    default:
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "a column of type %s cannot partition a table",
                         column->type->text);
    }
    text_append_str(text, out);
    return STATUS_OK;
}

enum status delta_stats_partition_text(const struct column *column, uint32_t row, struct text *text, bool *ret_null,
                                       struct error *err)
{
    if (column_is_null(column, row)) {
        *ret_null = true;
        return STATUS_OK;
    }
    if (column->type->kind == TYPE_STRING) {
        struct slice slice = column_slice(column, row);
        *ret_null = slice.length == 0;
        text_append(text, slice.data, slice.length);
        return STATUS_OK;
    }
    enum status status = stats_partition_fixed(column, row, text, err);
    if (status == STATUS_OK) *ret_null = false;
    return status;
}

union stats_value {
    uint8_t boolean;
    int8_t i8;
    int16_t i16;
    int32_t i32;
    int64_t i64;
    float f32;
    double f64;
    __int128 i128;
};

static bool stats_parse_integral(const struct type *type, const char *text, union stats_value *value)
{
    int64_t wide;
    if (!text_parse_i64(text, &wide)) return false;
    switch (type->kind) {
    case TYPE_TINYINT: value->i8 = (int8_t)wide; return value->i8 == wide;
    case TYPE_SMALLINT: value->i16 = (int16_t)wide; return value->i16 == wide;
    case TYPE_INT: value->i32 = (int32_t)wide; return value->i32 == wide;
    default: value->i64 = wide; return true;
    }
}

static bool stats_parse(const struct type *type, const char *text, union stats_value *value)
{
    size_t length = strlen(text);
    bool overflow = false;
    switch (type->kind) {
    case TYPE_BOOLEAN:
        value->boolean = strcasecmp(text, "true") == 0;
        return value->boolean || strcasecmp(text, "false") == 0;
    case TYPE_FLOAT: return number_text_cast_float(text, length, &value->f32);
    case TYPE_DOUBLE: return number_text_cast_double(text, length, &value->f64);
    case TYPE_DECIMAL:
        return number_text_parse_decimal(text, length, type->precision, type->scale, &value->i128, &overflow) &&
               !overflow;
    case TYPE_DATE: return datetime_text_parse_date(text, length, &value->i32);
    case TYPE_TIMESTAMP: return datetime_text_parse_timestamp(text, length, 0, &value->i64);
    case TYPE_TIMESTAMP_NTZ: return datetime_text_parse_timestamp_ntz(text, length, true, &value->i64);
    default: return stats_parse_integral(type, text, value);
    }
}

enum status delta_stats_partition_column(struct budget *budget, const struct type *type, const char *value,
                                         uint32_t count, struct column **ret_column, struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *builder = NULL;
    struct column *one = NULL;
    uint32_t *rows = NULL;
    union stats_value fixed;
    if (!value || !*value) return column_create_nulls(budget, type, count, ret_column, err);
    builder = column_builder_create(budget, type);
    if (type_is_string_like(type)) {
        TRY(column_builder_bytes(builder, value, strlen(value), err));
    } else if (type_width(type) == 0 || !stats_parse(type, value, &fixed)) {
        TRY(error_set(err, STATUS_CORRUPT, ERROR_FAIL_PIPELINE, "the partition value '%s' is no %s", value,
                      type->text));
    } else {
        TRY(column_builder_fixed(builder, &fixed, err));
    }
    TRY(column_builder_finish(builder, &one, err));
    rows = memory_calloc(count, sizeof *rows);
    TRY(column_gather(budget, one, rows, count, ret_column, err));
out:
    memory_free(rows);
    column_unref(one);
    column_builder_destroy(builder);
    return status;
}
