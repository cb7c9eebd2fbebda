// Statistics checked: see delta_stats_json.h. Decimals and integers are compared as the text has them, since a parser's
// doubles would hide their last digits: jansson checks the text and reads its strings, the walk is done here.
// A timestamp's maximum may be cut to milliseconds: the protocol lets writers do so. Columns with a NaN are not judged,
// because writers differ in where they sort it.
#include "common/delta/delta_stats_json.h"

#include <jansson.h>
#include <string.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "common/parquet/parquet_minmax.h"

enum { STATS_JSON_MS_US = 999 };

struct stats_check {
    const struct parquet_column_stats *stats;
    uint32_t leaf; // next
    struct text path;
    struct text *reason;
};

// ---- walking a text that is JSON

static const char *stats_skip_space(const char *at)
{
    return at + strspn(at, " \t\r\n");
}

static const char *stats_skip_string(const char *at)
{
    for (at++; *at != '"'; at++) at += *at == '\\';
    return at + 1;
}

static const char *stats_skip_value(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            at = stats_skip_string(at);
        } else {
            depth += (*at == '{' || *at == '[') - (*at == '}' || *at == ']');
            at++;
        }
    } while (depth > 0 || (*at && !strchr(",}] \t\r\n", *at)));
    return at;
}

static bool stats_string(const char *at, struct text *ret_text)
{
    json_t *json = json_loadb(at, (size_t)(stats_skip_string(at) - at), JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    bool good = json_is_string(json);
    text_reset(ret_text);
    if (good) text_append(ret_text, json_string_value(json), json_string_length(json));
    json_decref(json);
    return good;
}

// The value of a member of the object at `at`; NULL: no object, no such member, or null.
static const char *stats_member(const char *at, const char *name)
{
    struct text key = {0};
    const char *found = NULL;
    if (!at || *at != '{') return NULL;
    at = stats_skip_space(at + 1);
    while (*at == '"' && !found) {
        bool same = stats_string(at, &key) && slice_equal(slice_of(text_str(&key), key.length), slice_str(name));
        at = stats_skip_space(stats_skip_string(at));
        at = stats_skip_space(at + 1); // the colon
        if (same) found = at;
        at = stats_skip_space(stats_skip_value(at));
        if (*at == ',') at = stats_skip_space(at + 1);
    }
    text_deinit(&key);
    return found && *found != 'n' ? found : NULL;
}

// ---- one value

union stats_bound {
    int64_t i64;
    double f64;
    __int128 i128;
};

static bool stats_read_time(const struct type *type, struct slice text, int64_t *ret_value)
{
    int32_t days;
    switch (type->kind) {
    case TYPE_DATE:
        if (!datetime_text_parse_date(text.data, text.length, &days)) return false;
        *ret_value = days;
        return true;
    case TYPE_TIMESTAMP: return datetime_text_parse_timestamp(text.data, text.length, 0, ret_value);
    case TYPE_TIMESTAMP_NTZ: return datetime_text_parse_timestamp_ntz(text.data, text.length, true, ret_value);
    default: return false;
    }
}

static bool stats_read_bound(const struct type *type, struct slice text, union stats_bound *ret_bound)
{
    bool overflow = false;
    char number[NUMBER_TEXT_SIZE];
    switch (type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return number_text_cast_double(text.data, text.length, &ret_bound->f64);
    case TYPE_DECIMAL:
        return number_text_parse_decimal(text.data, text.length, DECIMAL_PRECISION_MAX, type->scale, &ret_bound->i128,
                                         &overflow) &&
               !overflow;
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return stats_read_time(type, text, &ret_bound->i64);
    case TYPE_BOOLEAN:
        ret_bound->i64 = slice_equal(text, slice_str("true"));
        return ret_bound->i64 || slice_equal(text, slice_str("false"));
    default:
        if (text.length >= sizeof number) return false;
        memcpy(number, text.data, text.length);
        number[text.length] = '\0';
        return text_parse_i64(number, &ret_bound->i64);
    }
}

// Whether the bound is on its side of the extreme.
static bool stats_holds(const struct parquet_column_stats *stats, bool max, struct slice text)
{
    union stats_bound bound;
    if (stats->type->kind == TYPE_STRING) {
        int order = parquet_minmax_compare(text, max ? stats->max_bytes : stats->min_bytes);
        return max ? order >= 0 : order <= 0;
    }
    if (!stats_read_bound(stats->type, text, &bound)) return false;
    switch (stats->type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return max ? bound.f64 >= stats->max.f64 : bound.f64 <= stats->min.f64;
    case TYPE_DECIMAL: return max ? bound.i128 >= stats->max.i128 : bound.i128 <= stats->min.i128;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return max ? bound.i64 >= stats->max.i64 - STATS_JSON_MS_US : bound.i64 <= stats->min.i64;
    default: return max ? bound.i64 >= stats->max.i64 : bound.i64 <= stats->min.i64;
    }
}

static bool stats_judged(const struct parquet_column_stats *stats)
{
    return stats->has_min_max && stats->type->kind != TYPE_BINARY;
}

static bool stats_check_bound(struct stats_check *check, const struct parquet_column_stats *stats, bool max,
                              const char *raw)
{
    struct text string = {0};
    if (!raw || !stats_judged(stats)) return true;
    struct slice text = slice_of(raw, (size_t)(stats_skip_value(raw) - raw));
    if (*raw == '"' && stats_string(raw, &string)) text = slice_of(text_str(&string), string.length);
    bool holds = (stats->type->kind != TYPE_STRING || *raw == '"') && stats_holds(stats, max, text);
    if (!holds) {
        int length = text.length < 80 ? (int)text.length : 80;
        text_printf(check->reason, "column %s: %.*s is not its %s", text_str(&check->path), length, text.data,
                    max ? "maximum" : "minimum");
    }
    text_deinit(&string);
    return holds;
}

static bool stats_check_count(struct stats_check *check, const char *what, const char *raw, uint64_t expected)
{
    char number[NUMBER_TEXT_SIZE] = {0};
    uint64_t count;
    if (!raw) return true;
    size_t length = (size_t)(stats_skip_value(raw) - raw);
    memcpy(number, raw, length < sizeof number ? length : sizeof number - 1);
    if (text_parse_u64(number, &count) && count == expected) return true;
    text_printf(check->reason, "%s is %s, not %lu", what, number, (unsigned long)expected);
    return false;
}

// ---- all of a file

static uint32_t stats_json_leaves(const struct type *type)
{
    uint32_t leaves = type->child_count == 0;
    for (uint32_t i = 0; i < type->child_count; i++) leaves += stats_json_leaves(type->children[i].type);
    return leaves;
}

static bool stats_check_fields(struct stats_check *check, const struct type *type, const char *min, const char *max,
                               const char *nulls)
{
    size_t outer = check->path.length;
    bool good = true;
    for (uint32_t i = 0; i < type->child_count && good; i++) {
        const struct field *field = &type->children[i];
        const char *name = field->name;
        if (outer) text_append_char(&check->path, '.');
        text_append_str(&check->path, name);
        if (field->type->kind == TYPE_STRUCT && field->type->child_count > 0) {
            good = stats_check_fields(check, field->type, stats_member(min, name), stats_member(max, name),
                                      stats_member(nulls, name));
        } else if (field->type->child_count > 0) {
            check->leaf += stats_json_leaves(field->type);
        } else {
            const struct parquet_column_stats *stats = &check->stats[check->leaf++];
            struct text what = {0};
            text_printf(&what, "column %s: nullCount", text_str(&check->path));
            good = stats_check_count(check, text_str(&what), stats_member(nulls, name), stats->null_count) &&
                   stats_check_bound(check, stats, false, stats_member(min, name)) &&
                   stats_check_bound(check, stats, true, stats_member(max, name));
            text_deinit(&what);
        }
        check->path.length = outer;
        if (check->path.data) check->path.data[outer] = '\0';
    }
    return good;
}

bool delta_stats_json_true(const char *json, const struct type *file_schema, uint64_t rows,
                           const struct parquet_column_stats *stats, uint32_t stats_count, struct text *ret_reason)
{
    struct stats_check check = {.stats = stats, .reason = ret_reason};
    ASSERT(stats_json_leaves(file_schema) == (file_schema->child_count ? stats_count : stats_count + 1));
    text_reset(ret_reason);
    json_t *parsed = json_loads(json, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
    bool is_object = json_is_object(parsed);
    json_decref(parsed);
    if (!is_object) {
        text_append_str(ret_reason, "the statistics are not a JSON object");
        return false;
    }
    json = stats_skip_space(json);
    bool good = stats_check_count(&check, "numRecords", stats_member(json, "numRecords"), rows) &&
                stats_check_fields(&check, file_schema, stats_member(json, "minValues"),
                                   stats_member(json, "maxValues"), stats_member(json, "nullCount"));
    text_deinit(&check.path);
    return good;
}
