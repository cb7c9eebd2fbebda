// Statistics bound the data: random rows of every type, extremes on purpose, through the writer; every value that is
// there lies within add.stats and within its row group's footer statistics, and no bound is missing without a reason.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/number_text.h"
#include "common/delta/delta_stats_json.h"
#include "common/parquet/parquet_metadata.h"
#include "common/parquet/thrift.h"
#include "tests/unit/common/parquet/parquet_samples.h"

enum { SEEDS = 300, ROWS_MAX = 120, GROUPS_MAX = 128, LEAVES_MAX = 64 };

static struct error err;

// ---- random rows

static const enum type_kind flat_kinds[] = {TYPE_BOOLEAN, TYPE_TINYINT, TYPE_SMALLINT,     TYPE_INT,
                                            TYPE_BIGINT,  TYPE_FLOAT,   TYPE_DOUBLE,       TYPE_DECIMAL,
                                            TYPE_STRING,  TYPE_BINARY,  TYPE_DATE,         TYPE_TIMESTAMP,
                                            TYPE_DECIMAL, TYPE_STRING,  TYPE_TIMESTAMP_NTZ};
enum { FLAT_KINDS = sizeof flat_kinds / sizeof *flat_kinds };

static const struct type *flat_type(struct random *random)
{
    enum type_kind kind = flat_kinds[random_below(random, FLAT_KINDS)];
    if (kind != TYPE_DECIMAL) return type_of(kind);
    static const uint8_t borders[] = {1, 2, 9, 10, 17, 18, 19, 20, 37, 38};
    uint8_t precision = random_chance(random, 0.5) ? borders[random_below(random, 10)]
                                                   : (uint8_t)(1 + random_below(random, DECIMAL_PRECISION_MAX));
    return type_decimal(precision, (uint8_t)random_below(random, precision + 1u));
}

static const struct type *any_type(struct random *random, unsigned depth)
{
    uint64_t kind = random_below(random, 10);
    if (depth == 0 || kind < 6) return flat_type(random);
    if (kind == 6) return type_array(any_type(random, depth - 1));
    if (kind == 7) return type_map(type_of(TYPE_STRING), any_type(random, depth - 1));
    static const char *const names[] = {"x", "y.z", "\xC3\xA9\"", "W"};
    struct field fields[4];
    uint32_t count = 1 + (uint32_t)random_below(random, 4);
    for (uint32_t i = 0; i < count; i++) fields[i] = (struct field){names[i], any_type(random, depth - 1)};
    return type_struct(fields, count);
}

static int64_t any_integer(struct random *random)
{
    int64_t value = (int64_t)(random_u64(random) >> random_below(random, 64));
    return random_chance(random, 0.5) ? (int64_t)(0 - (uint64_t)value) : value;
}

// A column leans to one of these: all values small, of one sign, without specials, with specials.
struct lean {
    int sign;      // -1, 0 (both), 1
    bool specials; // NaN, infinities, years beyond 9999
    double nulls;
    uint32_t shared;   // characters that all strings begin with
    uint32_t alphabet; // of what follows
    uint32_t tail_max; // how many follow
};

static struct lean any_lean(struct random *random)
{
    static const uint32_t shared[] = {0, 0, 0, 15, 16, 21, 31, 32, 33, 62, 63, 64, 65, 300, 1200};
    static const uint32_t tails[] = {1, 2, 5, 40, 100};
    return (struct lean){(int)random_below(random, 3) - 1,
                         random_chance(random, 0.2),
                         random_chance(random, 0.3)   ? 0.0
                         : random_chance(random, 0.1) ? 1.0
                                                      : 0.3,
                         shared[random_below(random, sizeof shared / sizeof *shared)],
                         (uint32_t)random_below(random, 5),
                         tails[random_below(random, 5)]};
}

static void put_character(struct random *random, uint32_t alphabet, struct text *text)
{
    static const char *const letters[5][6] = {
        {"a", "b", "Z", "0", "~", "\x7F"},
        {"\x01", "a", "\xC3\xA9", "\xDF\xBF", "\xC2\x80", "\x7F"},
        {"\xE4\xB8\xAD", "\xE2\x82\xAC", "\xEF\xBF\xBF", "\xED\x9F\xBF", "\xEE\x80\x80", "\xE0\xA0\x80"},
        {"\xF0\x9F\x98\x80", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF", "\xF4\x8F\xBF\xBE", "\xEF\xBF\xBF", "x"},
        {"\"", "\\", "/", "\n", "\xF0\x9F\x98\x80", "\xC3\xA4"},
    };
    text_append_str(text, letters[alphabet][random_below(random, 6)]);
}

static void put_string(struct column_builder *builder, struct random *random, const struct lean *lean, bool binary)
{
    struct text text = {0};
    struct random same;
    random_init(&same, lean->shared * 8 + lean->alphabet);
    uint32_t shared = random_chance(random, 0.9) ? lean->shared : 0;
    for (uint32_t i = 0; i < shared; i++) put_character(&same, lean->alphabet, &text);
    uint64_t tail = random_below(random, lean->tail_max + 1);
    for (uint64_t i = 0; i < tail; i++) {
        if (binary) {
            text_append_char(&text, random_chance(random, 0.5) ? '\xFF' : (char)random_u64(random));
        } else {
            put_character(random, lean->alphabet, &text);
        }
    }
    assert_int_equal(column_builder_bytes(builder, text_str(&text), text.length, &err), STATUS_OK);
    text_deinit(&text);
}

static double any_double(struct random *random, const struct lean *lean)
{
    static const double specials[] = {NAN, INFINITY, -INFINITY, -NAN};
    static const double plain[] = {0.0, -0.0, 1.0, -1.5, 1e-320, -1e300, 0.1};
    if (lean->specials && random_chance(random, 0.05)) return specials[random_below(random, 4)];
    double value = random_chance(random, 0.5) ? plain[random_below(random, 7)] : (double)any_integer(random) / 3;
    return lean->sign ? copysign(value, lean->sign) : value;
}

static void put_number(struct column_builder *builder, struct random *random, const struct type *type,
                       const struct lean *lean)
{
    static const int64_t years[] = {-719528, -719163, -719162, -141428, -141427, 0, 2932896, 2932897}; // 0 .. 10000
    __int128 limit = 1, wide = (__int128)((unsigned __int128)random_u64(random) << 64 | random_u64(random));
    int64_t value = any_integer(random);
    double real = any_double(random, lean);
    float narrow = (float)real;
    uint8_t boolean = value & 1;
    const void *bytes = &value;
    switch (type->kind) {
    case TYPE_BOOLEAN: bytes = &boolean; break;
    case TYPE_FLOAT: bytes = &narrow; break;
    case TYPE_DOUBLE: bytes = &real; break;
    case TYPE_DECIMAL:
        for (uint64_t i = random_below(random, type->precision + 1u); i > 0; i--) limit *= 10;
        wide = wide % limit;
        if (lean->sign * wide < 0) wide = -wide;
        bytes = &wide;
        break;
    case TYPE_DATE:
        value = random_chance(random, 0.3) ? years[random_below(random, 8)] : value % 2932897;
        if (!lean->specials) value %= 719162;
        break;
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
        value = random_chance(random, 0.3) ? years[random_below(random, 8)] * DATETIME_DAY_US - value % 2 : value;
        value %= lean->specials ? INT64_C(300000000000000000) : INT64_C(62135596800000000);
        break;
    default:
        if (lean->sign * value < 0 && value != INT64_MIN) value = -value;
    }
    assert_int_equal(column_builder_fixed(builder, bytes, &err), STATUS_OK);
}

static void put_value(struct column_builder *builder, struct random *random, const struct type *type,
                      const struct lean *lean, bool required)
{
    if (!required && random_chance(random, lean->nulls)) {
        assert_int_equal(column_builder_null(builder, &err), STATUS_OK);
        return;
    }
    if (type->kind == TYPE_STRUCT || type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) {
        uint64_t items = type->kind == TYPE_STRUCT ? 1 : random_below(random, 3);
        for (uint64_t i = 0; i < items; i++) {
            for (uint32_t k = 0; k < type->child_count; k++) {
                put_value(column_builder_child(builder, k), random, type->children[k].type, lean,
                          type->kind == TYPE_MAP && k == 0);
            }
        }
        assert_int_equal(column_builder_nested(builder, &err), STATUS_OK);
    } else if (type_is_string_like(type)) {
        put_string(builder, random, lean, type->kind == TYPE_BINARY);
    } else {
        put_number(builder, random, type, lean);
    }
}

static struct batch *any_batch(struct random *random, const struct type *schema, uint32_t rows)
{
    struct column *columns[8];
    for (uint32_t i = 0; i < schema->child_count; i++) {
        struct lean lean = any_lean(random);
        struct column_builder *builder = column_builder_create(NULL, schema->children[i].type);
        for (uint32_t row = 0; row < rows; row++) put_value(builder, random, schema->children[i].type, &lean, false);
        assert_int_equal(column_builder_finish(builder, &columns[i], &err), STATUS_OK);
        column_builder_destroy(builder);
    }
    return batch_create(schema, rows, columns);
}

// ---- add.stats: the raw text of one value

static const char *skip_string(const char *at)
{
    for (at++; *at != '"'; at++) at += *at == '\\';
    return at + 1;
}

static const char *skip_value(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            at = skip_string(at);
            continue;
        }
        depth += (*at == '{') - (*at == '}');
        at++;
    } while (depth > 0 || (*at && !strchr(",}", *at)));
    return at;
}

// The member's value within the object that begins at `at`; NULL: none.
static const char *member(const char *at, const char *name)
{
    struct text quoted = {0};
    const char *found = NULL;
    text_append_json(&quoted, name, strlen(name));
    while (at && *at++ != '}' && !found) {
        const char *value = skip_string(at) + 1;
        if (strncmp(at, text_str(&quoted), quoted.length) == 0) found = value;
        at = skip_value(value);
    }
    text_deinit(&quoted);
    return found;
}

// ---- footer statistics

struct bounds {
    bool has_min, has_max, min_exact, max_exact;
    struct slice min, max;
    int64_t nulls;
};
struct footer {
    struct bounds bounds[GROUPS_MAX][LEAVES_MAX];
    int64_t rows[GROUPS_MAX];
    uint32_t groups;
};

static void read_bounds(struct thrift_reader *in, struct bounds *bounds)
{
    struct thrift_field field;
    assert_true(thrift_begin(in));
    while (thrift_next(in, &field)) {
        switch (field.id) {
        case 3: bounds->nulls = thrift_get_int(in, field); break;
        case 5:
            bounds->max = thrift_get_binary(in, field);
            bounds->has_max = true;
            break;
        case 6:
            bounds->min = thrift_get_binary(in, field);
            bounds->has_min = true;
            break;
        case 7: bounds->max_exact = thrift_get_bool(in, field); break;
        case 8: bounds->min_exact = thrift_get_bool(in, field); break;
        default: thrift_skip(in, field);
        }
    }
}

static void read_chunk(struct thrift_reader *in, struct bounds *bounds)
{
    struct thrift_field field;
    assert_true(thrift_begin(in));
    while (thrift_next(in, &field)) {
        if (field.id != 3) {
            thrift_skip(in, field);
            continue;
        }
        struct thrift_field inner;
        assert_true(thrift_begin(in));
        while (thrift_next(in, &inner)) {
            if (inner.id == 12) {
                read_bounds(in, bounds);
            } else {
                thrift_skip(in, inner);
            }
        }
    }
}

static void read_groups(struct thrift_reader *in, struct thrift_field list, struct footer *footer)
{
    struct thrift_field item, field;
    footer->groups = thrift_get_list(in, list, &item);
    assert_true(footer->groups <= GROUPS_MAX);
    for (uint32_t group = 0; group < footer->groups; group++) {
        assert_true(thrift_begin(in));
        while (thrift_next(in, &field)) {
            if (field.id == 1) {
                uint32_t leaves = thrift_get_list(in, field, &item);
                assert_true(leaves <= LEAVES_MAX);
                for (uint32_t leaf = 0; leaf < leaves; leaf++) read_chunk(in, &footer->bounds[group][leaf]);
            } else if (field.id == 3) {
                footer->rows[group] = thrift_get_int(in, field);
            } else {
                thrift_skip(in, field);
            }
        }
    }
}

static void read_footer(const struct parquet_samples_sink *sink, struct footer *footer)
{
    struct thrift_reader in;
    struct thrift_field field;
    uint64_t offset;
    memset(footer, 0, sizeof *footer);
    assert_int_equal(parquet_metadata_find(sink->buffer->data, sink->size, sink->size, &offset, &err), STATUS_OK);
    thrift_reader_init(&in, sink->buffer->data + offset, sink->size - offset - PARQUET_TAIL_SIZE);
    assert_true(thrift_begin(&in));
    while (thrift_next(&in, &field)) {
        if (field.id == 4) {
            read_groups(&in, field, footer);
        } else {
            thrift_skip(&in, field);
        }
    }
    assert_false(in.bad);
}

// ---- comparing

union value {
    int64_t i64;
    double f64;
    __int128 i128;
    struct slice bytes;
};

static union value value_of(const struct column *column, uint32_t row)
{
    union value value = {0};
    switch (column->type->kind) {
    case TYPE_BOOLEAN: value.i64 = column->boolean[row]; break;
    case TYPE_TINYINT: value.i64 = column->i8[row]; break;
    case TYPE_SMALLINT: value.i64 = column->i16[row]; break;
    case TYPE_INT:
    case TYPE_DATE: value.i64 = column->i32[row]; break;
    case TYPE_FLOAT: value.f64 = (double)column->f32[row]; break;
    case TYPE_DOUBLE: value.f64 = column->f64[row]; break;
    case TYPE_DECIMAL: value.i128 = column->i128[row]; break;
    case TYPE_STRING:
    case TYPE_BINARY: value.bytes = column_slice(column, row); break;
    default: value.i64 = column->i64[row];
    }
    return value;
}

// -1, 0, 1; zeros of both signs differ.
static int compare(const struct type *type, union value a, union value b)
{
    switch (type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE:
        if (a.f64 < b.f64 || a.f64 > b.f64) return a.f64 < b.f64 ? -1 : 1;
        return (signbit(b.f64) != 0) - (signbit(a.f64) != 0);
    case TYPE_DECIMAL: return a.i128 < b.i128 ? -1 : a.i128 > b.i128;
    case TYPE_STRING:
    case TYPE_BINARY: {
        size_t common = a.bytes.length < b.bytes.length ? a.bytes.length : b.bytes.length;
        int order = common ? memcmp(a.bytes.data, b.bytes.data, common) : 0;
        if (order) return order < 0 ? -1 : 1;
        return a.bytes.length < b.bytes.length ? -1 : a.bytes.length > b.bytes.length;
    }
    default: return a.i64 < b.i64 ? -1 : a.i64 > b.i64;
    }
}

static union value footer_value(const struct type *type, struct slice bytes)
{
    union value value = {0};
    int32_t narrow;
    float real;
    if (type_is_string_like(type)) {
        value.bytes = bytes;
    } else if (type->kind == TYPE_DECIMAL && type->precision > 18) {
        value.i128 = (int8_t)bytes.data[0] < 0 ? -1 : 0;
        for (size_t i = 0; i < bytes.length; i++)
            value.i128 = (__int128)((unsigned __int128)value.i128 << 8 | (uint8_t)bytes.data[i]);
    } else if (type->kind == TYPE_FLOAT) {
        memcpy(&real, bytes.data, sizeof real);
        value.f64 = (double)real;
    } else if (bytes.length == sizeof narrow) {
        memcpy(&narrow, bytes.data, sizeof narrow);
        value.i64 = narrow;
    } else {
        memcpy(&value.i64, bytes.data, bytes.length); // a double's bits too
    }
    if (type->kind == TYPE_DECIMAL && type->precision <= 18) value.i128 = value.i64;
    return value;
}

// What a text of add.stats says; strings are put into `string`.
static union value json_value(const struct type *type, const char *raw, struct text *string)
{
    size_t length = (size_t)(skip_value(raw) - raw);
    union value value = {0};
    bool overflow = false, fine = true;
    int32_t days;
    char *copy = strndup(raw, length);
    struct text parsed = {0};
    if (*raw == '"') {
        json_t *json = json_loads(copy, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(json));
        text_append(&parsed, json_string_value(json), json_string_length(json));
        json_decref(json);
    }
    switch (type->kind) {
    case TYPE_BOOLEAN:
        value.i64 = strcmp(copy, "true") == 0;
        fine = value.i64 || strcmp(copy, "false") == 0;
        break;
    case TYPE_FLOAT:
    case TYPE_DOUBLE: value.f64 = strtod(*raw == '"' ? text_str(&parsed) : copy, NULL); break;
    case TYPE_DECIMAL:
        fine = number_text_parse_decimal(copy, length, type->precision, type->scale, &value.i128, &overflow);
        break;
    case TYPE_STRING:
        text_reset(string);
        text_append(string, text_str(&parsed), parsed.length);
        value.bytes = slice_of(text_str(string), string->length);
        assert_true(text_utf8_valid((const uint8_t *)value.bytes.data, value.bytes.length));
        break;
    case TYPE_DATE:
        fine = datetime_text_parse_date(text_str(&parsed), parsed.length, &days);
        value.i64 = days;
        break;
    case TYPE_TIMESTAMP: fine = datetime_text_parse_timestamp(text_str(&parsed), parsed.length, 0, &value.i64); break;
    case TYPE_TIMESTAMP_NTZ:
        fine = datetime_text_parse_timestamp_ntz(text_str(&parsed), parsed.length, false, &value.i64);
        break;
    default: value.i64 = strtoll(copy, NULL, 10);
    }
    assert_true(fine && !overflow);
    text_deinit(&parsed);
    free(copy);
    return value;
}

// Values of a leaf in rows [from, to): how many, the least and greatest, whether one is NaN.
struct extremes {
    uint64_t count;
    bool nan;
    union value min, max;
};

struct leaf {
    const struct type *type;
    const struct column *path[8]; // from the batch's column down
    uint32_t depth;
};

static bool leaf_is_null(const struct leaf *leaf, uint32_t row)
{
    for (uint32_t i = 0; i < leaf->depth; i++) {
        if (column_is_null(leaf->path[i], row)) return true;
    }
    return false;
}

static struct extremes extremes_of(const struct leaf *leaf, uint32_t from, uint32_t to)
{
    struct extremes extremes = {0};
    bool real = leaf->type->kind == TYPE_FLOAT || leaf->type->kind == TYPE_DOUBLE;
    for (uint32_t row = from; row < to; row++) {
        if (leaf_is_null(leaf, row)) continue;
        union value value = value_of(leaf->path[leaf->depth - 1], row);
        if (real && isnan(value.f64)) {
            extremes.nan = true;
        } else {
            bool first = extremes.count++ == 0;
            if (first || compare(leaf->type, value, extremes.min) < 0) extremes.min = value;
            if (first || compare(leaf->type, value, extremes.max) > 0) extremes.max = value;
        }
    }
    return extremes;
}

static bool has_last_characters(struct slice value, uint32_t from)
{
    return value.length >= from + 4 && memcmp(value.data + from, "\xF4\x8F\xBF\xBF", 4) == 0;
}

static void check_footer(const struct leaf *leaf, const struct bounds *bounds, uint32_t from, uint32_t to)
{
    struct extremes found = extremes_of(leaf, from, to);
    const struct type *type = leaf->type;
    uint64_t nulls = 0;
    for (uint32_t row = from; row < to; row++) nulls += leaf_is_null(leaf, row);
    assert_int_equal(bounds->nulls, nulls);
    if (found.count == 0 || found.nan) {
        assert_false(bounds->has_min || bounds->has_max);
        return;
    }
    assert_true(bounds->has_min);
    union value min = footer_value(type, bounds->min);
    int order = compare(type, min, found.min);
    bool real = type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE; // a zero is as wide as both zeros
    assert_true(bounds->min_exact && !real ? order == 0 : order <= 0);
    if (bounds->has_max) {
        union value max = footer_value(type, bounds->max);
        order = compare(type, max, found.max);
        assert_true(bounds->max_exact && !real ? order == 0 : order >= 0);
    } else { // nothing is greater than what a string begins with
        bool none = type->kind == TYPE_BINARY || has_last_characters(found.max.bytes, 0);
        assert_true(type_is_string_like(type) && none);
    }
    if (!type_is_string_like(type)) return;
    assert_true(bounds->min.length <= 64 && bounds->max.length <= 64);
    assert_int_equal(bounds->min_exact, found.min.bytes.length <= 64);
    assert_true(!bounds->has_max || bounds->max_exact == (found.max.bytes.length <= 64));
    if (type->kind == TYPE_BINARY) return;
    assert_true(text_utf8_valid((const uint8_t *)bounds->min.data, bounds->min.length));
    assert_true(!bounds->has_max || text_utf8_valid((const uint8_t *)bounds->max.data, bounds->max.length));
}

static bool within_years(const struct type *type, union value value)
{
    int64_t day = type->kind == TYPE_DATE ? value.i64 : value.i64 / DATETIME_DAY_US;
    return day > -719162 && day < 2932896;
}

// Whether there is no text for a bound of this value.
static bool without_text(const struct type *type, const struct extremes *found, union value extreme)
{
    switch (type->kind) {
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return found->nan;
    case TYPE_STRING: return has_last_characters(extreme.bytes, 500); // of the greatest characters only
    case TYPE_DATE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ: return !within_years(type, extreme);
    default: return false;
    }
}

struct check {
    const struct footer *footer;
    uint32_t rows, next_leaf;
    bool none;            // the file has no bounds in add.stats
    bool excused, values; // a column has no text for a bound; one has values
};

static void check_json(struct check *check, const struct leaf *leaf, const char *min, const char *max,
                       const char *nulls, uint32_t rows)
{
    struct extremes found = extremes_of(leaf, 0, rows);
    struct text string = {0};
    uint64_t null_count = 0;
    for (uint32_t row = 0; row < rows; row++) null_count += leaf_is_null(leaf, row);
    assert_non_null(nulls);
    assert_int_equal(strtoull(nulls, NULL, 10), null_count);
    if (found.count == 0 || found.nan) assert_true(!min && !max);
    if (min) assert_true(compare(leaf->type, json_value(leaf->type, min, &string), found.min) <= 0);
    if (max) assert_true(compare(leaf->type, json_value(leaf->type, max, &string), found.max) >= 0);
    text_deinit(&string);
    bool values = (found.count || found.nan) && leaf->type->kind != TYPE_BINARY;
    if (check->none) {
        check->excused |=
            values && (without_text(leaf->type, &found, found.min) || without_text(leaf->type, &found, found.max));
        check->values |= values;
    } else if (values) {
        assert_true(min && max);
    }
}

static uint32_t count_leaves(const struct type *type)
{
    uint32_t leaves = type->child_count == 0;
    for (uint32_t i = 0; i < type->child_count; i++) leaves += count_leaves(type->children[i].type);
    return leaves;
}

static void check_column(struct check *check, struct leaf *leaf, const struct column *column, const char *name,
                         const char *min, const char *max, const char *nulls)
{
    leaf->path[leaf->depth++] = column;
    leaf->type = column->type;
    min = min ? member(min, name) : NULL;
    max = max ? member(max, name) : NULL;
    nulls = nulls ? member(nulls, name) : NULL;
    if (column->type->kind == TYPE_STRUCT) {
        for (uint32_t i = 0; i < column->type->child_count; i++) {
            check_column(check, leaf, column->children[i], column->type->children[i].name, min, max, nulls);
        }
    } else if (column->type->child_count) {
        assert_true(!min && !max && !nulls);
        check->next_leaf += count_leaves(column->type);
    } else {
        uint32_t from = 0;
        for (uint32_t group = 0; group < check->footer->groups; group++) {
            uint32_t to = from + (uint32_t)check->footer->rows[group];
            check_footer(leaf, &check->footer->bounds[group][check->next_leaf], from, to);
            from = to;
        }
        assert_int_equal(from, check->rows);
        check_json(check, leaf, min, max, nulls, check->rows);
        check->next_leaf++;
    }
    leaf->depth--;
}

// What was written is true of the file; what was made narrower is not.
static void check_checker(const char *json, const struct batch *batch, const struct parquet_column_stats *stats,
                          uint32_t count)
{
    struct text reason = {0};
    struct parquet_column_stats *wider = calloc(count + 1, sizeof *wider);
    if (!delta_stats_json_true(json, batch->schema, batch->row_count, stats, count, &reason)) {
        fail_msg("%s: %s", text_str(&reason), json);
    }
    assert_false(delta_stats_json_true(json, batch->schema, batch->row_count + 1, stats, count, &reason));
    for (uint32_t i = 0; i < count; i++) {
        bool counted = strstr(stats[i].path, ".list.") == NULL && strstr(stats[i].path, ".key_value.") == NULL;
        if (!counted) continue;
        memcpy(wider, stats, count * sizeof *wider);
        wider[i].null_count++;
        assert_false(delta_stats_json_true(json, batch->schema, batch->row_count, wider, count, &reason));
        wider[i].null_count--;
        enum type_kind kind = stats[i].type->kind;
        if (!strstr(json, "\"minValues\"") || !stats[i].has_min_max) continue;
        if (kind < TYPE_TINYINT || kind > TYPE_BIGINT) continue;
        if (stats[i].min.i64 > INT64_MIN) {
            wider[i].min.i64--;
            assert_false(delta_stats_json_true(json, batch->schema, batch->row_count, wider, count, &reason));
            wider[i].min.i64++;
        }
        if (stats[i].max.i64 < INT64_MAX) {
            wider[i].max.i64++;
            assert_false(delta_stats_json_true(json, batch->schema, batch->row_count, wider, count, &reason));
        }
    }
    free(wider);
    text_deinit(&reason);
}

static void check_file(const struct batch *batch, const struct parquet_writer_options *options)
{
    static struct footer footer;
    struct parquet_samples_sink sink = {0};
    struct parquet_writer *writer = NULL;
    const struct parquet_column_stats *stats;
    struct text text = {0};
    assert_int_equal(parquet_writer_create(batch->schema, options, NULL, parquet_samples_put, &sink, &writer, &err),
                     STATUS_OK);
    assert_int_equal(parquet_writer_write(writer, batch, &err), STATUS_OK);
    assert_int_equal(parquet_writer_finish(writer, &err), STATUS_OK);
    uint32_t count = parquet_writer_stats(writer, &stats);
    assert_true(count <= LEAVES_MAX);
    delta_stats_write(batch->schema, batch->row_count, stats, count, -1, &text);
    json_t *json = json_loads(text_str(&text), JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, NULL);
    if (!json) fail_msg("not JSON: %s", text_str(&text));
    json_decref(json);
    check_checker(text_str(&text), batch, stats, count);
    read_footer(&sink, &footer);
    struct check check = {.footer = &footer, .rows = batch->row_count};
    check.none = !member(text_str(&text), "minValues");
    assert_true(check.none == !member(text_str(&text), "maxValues"));
    for (uint32_t i = 0; i < batch->column_count; i++) {
        struct leaf leaf = {0};
        const char *all = text_str(&text);
        check_column(&check, &leaf, batch->columns[i], batch->schema->children[i].name, member(all, "minValues"),
                     member(all, "maxValues"), member(all, "nullCount"));
    }
    assert_true(!check.none || check.excused || !check.values);
    text_deinit(&text);
    parquet_writer_destroy(writer);
    buffer_unref(sink.buffer);
}

static void statistics_bound_every_value(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct random random;
        static const char *const names[] = {"a", "b c", "d.e", "\xC3\xA9", "F", "g\\", "h", "i"};
        struct field fields[8];
        random_init(&random, seed);
        uint32_t count = 1 + (uint32_t)random_below(&random, 8);
        for (uint32_t i = 0; i < count; i++) fields[i] = (struct field){names[i], any_type(&random, 2)};
        const struct type *schema = type_struct(fields, count);
        if (count_leaves(schema) > LEAVES_MAX) continue;
        struct batch *batch = any_batch(&random, schema, (uint32_t)random_below(&random, ROWS_MAX + 1));
        struct parquet_writer_options options = {
            .codec = PARQUET_ZSTD,
            .row_group_rows_max = random_chance(&random, 0.5) ? 1 + (uint32_t)random_below(&random, 40) : 0,
            .page_rows_max = random_chance(&random, 0.5) ? 1 + (uint32_t)random_below(&random, 30) : 0,
            .dictionary_bytes_max = random_chance(&random, 0.3) ? 50 : 0,
            .no_delta_encoding = random_chance(&random, 0.2),
        };
        check_file(batch, &options);
        batch_unref(batch);
    }
}

// One row group and many, so that what is merged is what was collected.
static void decimals_of_every_precision_keep_their_signs(void **state)
{
    (void)state;
    for (uint8_t precision = 1; precision <= DECIMAL_PRECISION_MAX; precision++) {
        struct field fields[2] = {{"d", type_decimal(precision, precision / 2)}};
        fields[1] = (struct field){"s", type_struct(fields, 1)};
        const struct type *schema = type_struct(fields, 2);
        struct random random;
        random_init(&random, precision);
        for (uint32_t group = 0; group < 4; group++) {
            struct parquet_writer_options options = {.codec = PARQUET_ZSTD, .row_group_rows_max = group};
            struct batch *batch = any_batch(&random, schema, 40);
            check_file(batch, &options);
            batch_unref(batch);
        }
    }
}

static bool is_true(const char *json, const char *type_text, struct parquet_column_stats stats)
{
    struct text reason = {0};
    const struct type *schema = NULL;
    char ddl[80];
    snprintf(ddl, sizeof ddl, "struct<c:%s>", type_text);
    assert_int_equal(type_parse(ddl, &schema, &err), STATUS_OK);
    stats.type = schema->children[0].type;
    stats.path = "c";
    stats.has_min_max = true;
    bool good = delta_stats_json_true(json, schema, 3, &stats, 1, &reason);
    assert_int_equal(good, reason.length == 0);
    text_deinit(&reason);
    return good;
}

static void what_other_writers_say_is_judged_by_its_value(void **state)
{
    (void)state;
#define BOUNDS(min, max)                                                                                               \
    "{ \"numRecords\" : 3 , \"minValues\" : { \"x\\\"}\" : [1, {}], \"\\u0063\" : " min                                \
    " } ,\n\"maxValues\":{\"c\":" max "}}"
    struct parquet_column_stats numbers = {.min.i64 = -5, .max.i64 = 7};
    assert_true(is_true("{}", "int", numbers));
    assert_true(is_true("{\"numRecords\":3,\"minValues\":{\"c\":null},\"nullCount\":{\"c\":0}}", "int", numbers));
    assert_true(is_true(BOUNDS("-5", "7"), "int", numbers));
    assert_true(is_true(BOUNDS("-6", "8"), "bigint", numbers));
    assert_false(is_true(BOUNDS("-4", "7"), "int", numbers));
    assert_false(is_true(BOUNDS("-5", "6"), "int", numbers));
    assert_false(is_true(BOUNDS("7", "-5"), "int", numbers));
    assert_false(is_true(BOUNDS("\"x\"", "7"), "int", numbers));
    assert_false(is_true("[]", "int", numbers));
    assert_false(is_true("{\"numRecords\":3", "int", numbers));
    assert_false(is_true("{\"numRecords\":4}", "int", numbers));
    struct parquet_column_stats decimals = {.min.i128 = -5, .max.i128 = (__int128)12345678901234567 * 1000 + 891};
    assert_true(is_true(BOUNDS("-0.05", "123456789012345678.91"), "decimal(38,2)", decimals));
    assert_false(is_true(BOUNDS("-0.05", "123456789012345678.90"), "decimal(38,2)", decimals));
    assert_true(is_true(BOUNDS("-5E-2", "2e17"), "decimal(38,2)", decimals));
    struct parquet_column_stats times = {.min.i64 = 1, .max.i64 = 1999};
    assert_true(is_true(BOUNDS("\"1970-01-01T00:00:00.000Z\"", "\"1970-01-01T00:00:00.001Z\""), "timestamp", times));
    assert_false(is_true(BOUNDS("\"1970-01-01T00:00:00.000Z\"", "\"1970-01-01T00:00:00.000Z\""), "timestamp", times));
    assert_false(is_true(BOUNDS("\"1970-01-01T00:00:00.001Z\"", "\"1970-01-01T00:00:01Z\""), "timestamp", times));
    assert_true(is_true(BOUNDS("\"1969-12-31T16:00:00.000-08:00\"", "\"1970-01-01 01:00:00\""), "timestamp", times));
    struct parquet_column_stats strings = {.min_bytes = slice_str("b"), .max_bytes = slice_str("\xC3\xA9z")};
    assert_true(is_true(BOUNDS("\"a\"", "\"\\u00e9\\u007f\""), "string", strings));
    assert_false(is_true(BOUNDS("\"c\"", "\"\\u00ea\""), "string", strings));
    assert_false(is_true(BOUNDS("\"b\"", "\"\\u00e9\""), "string", strings));
    struct parquet_column_stats reals = {.min.f64 = -0.0, .max.f64 = INFINITY};
    assert_true(is_true(BOUNDS("0.0", "\"Infinity\""), "double", reals));
    assert_false(is_true(BOUNDS("0.1", "\"Infinity\""), "double", reals));
    assert_false(is_true(BOUNDS("-1", "1e300"), "float", reals));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statistics_bound_every_value),
        cmocka_unit_test(decimals_of_every_precision_keep_their_signs),
        cmocka_unit_test(what_other_writers_say_is_judged_by_its_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
