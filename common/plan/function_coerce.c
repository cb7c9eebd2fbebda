// Spark's ANSI type coercion (AnsiTypeCoercion, DecimalPrecision, Cast.canAnsiCast), as pure functions over types.
// Nothing here fails: NULL or false says that there is no such type or cast.
#include <stdio.h>
#include <strings.h>

#include "common/plan/function_private.h"

enum status function_coerce_fail(struct error *err, const char *condition, const char *format, ...)
{
    char message[ERROR_MESSAGE_SIZE / 2];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    enum status status = error_set(err, STATUS_INVALID, ERROR_USAGE, "%s", message);
    if (err) snprintf(err->condition, sizeof err->condition, "%s", condition);
    return status;
}

static int numeric_rank(enum type_kind kind)
{
    switch (kind) {
    case TYPE_TINYINT: return 1;
    case TYPE_SMALLINT: return 2;
    case TYPE_INT: return 3;
    case TYPE_BIGINT: return 4;
    case TYPE_FLOAT: return 5;
    case TYPE_DOUBLE: return 6;
    default: return 0;
    }
}

static bool is_datetime(const struct type *type)
{
    return type->kind == TYPE_DATE || type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static bool is_interval(const struct type *type)
{
    return type->kind == TYPE_INTERVAL_YEAR_MONTH || type->kind == TYPE_INTERVAL_DAY_TIME;
}

static bool is_atomic(const struct type *type)
{
    return type->kind != TYPE_VOID && type->kind < TYPE_STRUCT;
}

const struct type *function_coerce_decimal_of(const struct type *type)
{
    switch (type->kind) {
    case TYPE_TINYINT: return type_decimal(3, 0);
    case TYPE_SMALLINT: return type_decimal(5, 0);
    case TYPE_INT: return type_decimal(10, 0);
    case TYPE_BIGINT: return type_decimal(20, 0);
    case TYPE_FLOAT: return type_decimal(14, 7);
    case TYPE_DOUBLE: return type_decimal(30, 15);
    case TYPE_DECIMAL: return type;
    default: return NULL;
    }
}

// DecimalType.adjustPrecisionScale: gives up scale, but not below 6, to keep the integral digits.
const struct type *function_coerce_decimal_adjust(int precision, int scale)
{
    if (precision <= DECIMAL_PRECISION_MAX) return type_decimal((uint8_t)precision, (uint8_t)scale);
    int integral = precision - scale;
    int scale_min = scale < 6 ? scale : 6;
    int left = DECIMAL_PRECISION_MAX - integral;
    return type_decimal(DECIMAL_PRECISION_MAX, (uint8_t)(left > scale_min ? left : scale_min));
}

const struct type *function_coerce_decimal_capped(int precision, int scale)
{
    int max = DECIMAL_PRECISION_MAX;
    return type_decimal((uint8_t)(precision < max ? precision : max), (uint8_t)(scale < max ? scale : max));
}

// DecimalType.boundedPreferIntegralDigits.
const struct type *function_coerce_decimal_bound(int precision, int scale)
{
    if (precision <= DECIMAL_PRECISION_MAX) return type_decimal((uint8_t)precision, (uint8_t)scale);
    int left = scale - (precision - DECIMAL_PRECISION_MAX);
    return type_decimal(DECIMAL_PRECISION_MAX, (uint8_t)(left > 0 ? left : 0));
}

static const struct type *decimal_wider(const struct type *a, const struct type *b)
{
    int scale = a->scale > b->scale ? a->scale : b->scale;
    int range_a = a->precision - a->scale, range_b = b->precision - b->scale;
    return function_coerce_decimal_bound((range_a > range_b ? range_a : range_b) + scale, scale);
}

static bool decimal_holds(const struct type *decimal, const struct type *integral)
{
    const struct type *need = function_coerce_decimal_of(integral);
    return decimal->precision - decimal->scale >= need->precision;
}

typedef const struct type *(*pair_rule)(const struct type *a, const struct type *b);

static const struct type *complex_common(const struct type *a, const struct type *b, pair_rule rule)
{
    if (a->kind != b->kind || a->child_count != b->child_count) return NULL;
    if (a->kind != TYPE_STRUCT && a->kind != TYPE_ARRAY && a->kind != TYPE_MAP) return NULL;
    struct field *fields = memory_calloc(a->child_count, sizeof *fields);
    const struct type *type = NULL;
    for (uint32_t i = 0; i < a->child_count; i++) {
        if (a->kind == TYPE_STRUCT && strcasecmp(a->children[i].name, b->children[i].name) != 0) goto out;
        fields[i].name = a->children[i].name;
        fields[i].type = rule(a->children[i].type, b->children[i].type);
        if (!fields[i].type) goto out;
    }
    if (a->kind == TYPE_STRUCT) {
        type = type_struct(fields, a->child_count);
    } else if (a->kind == TYPE_ARRAY) {
        type = type_array(fields[0].type);
    } else {
        type = type_map(fields[0].type, fields[1].type);
    }
out:
    memory_free(fields);
    return type;
}

static const struct type *datetime_wider(const struct type *a, const struct type *b)
{
    if (a->kind == TYPE_TIMESTAMP || b->kind == TYPE_TIMESTAMP) return type_of(TYPE_TIMESTAMP);
    return type_of(TYPE_TIMESTAMP_NTZ);
}

static const struct type *atomic_tightest(const struct type *a, const struct type *b)
{
    if (a == b) return a;
    if (a->kind == TYPE_VOID) return b;
    if (b->kind == TYPE_VOID) return a;
    if (type_is_integral(a) && b->kind == TYPE_DECIMAL && decimal_holds(b, a)) return b;
    if (type_is_integral(b) && a->kind == TYPE_DECIMAL && decimal_holds(a, b)) return a;
    int rank_a = numeric_rank(a->kind), rank_b = numeric_rank(b->kind);
    if (rank_a && rank_b) {
        const struct type *wider = rank_a > rank_b ? a : b;
        return wider->kind == TYPE_FLOAT ? type_of(TYPE_DOUBLE) : wider;
    }
    if (is_datetime(a) && is_datetime(b)) return datetime_wider(a, b);
    if (is_interval(a) && a->kind == b->kind) return type_interval_wider(a, b);
    return NULL;
}

const struct type *function_coerce_tightest(const struct type *a, const struct type *b)
{
    const struct type *type = atomic_tightest(a, b);
    return type ? type : complex_common(a, b, function_coerce_tightest);
}

static const struct type *decimal_common(const struct type *a, const struct type *b)
{
    if (a->kind != TYPE_DECIMAL && b->kind != TYPE_DECIMAL) return NULL;
    if (numeric_rank(a->kind) >= 5 || numeric_rank(b->kind) >= 5) return type_of(TYPE_DOUBLE);
    const struct type *decimal_a = function_coerce_decimal_of(a), *decimal_b = function_coerce_decimal_of(b);
    return decimal_a && decimal_b ? decimal_wider(decimal_a, decimal_b) : NULL;
}

static const struct type *string_promotion(const struct type *other)
{
    if (type_is_integral(other)) return type_of(TYPE_BIGINT);
    if (type_is_numeric(other)) return type_of(TYPE_DOUBLE);
    if (is_interval(other)) return NULL;
    return is_atomic(other) ? other : NULL;
}

static const struct type *wider_promoting(const struct type *a, const struct type *b);

static const struct type *wider_plain(const struct type *a, const struct type *b)
{
    const struct type *type = atomic_tightest(a, b);
    if (!type) type = decimal_common(a, b);
    return type ? type : complex_common(a, b, wider_plain);
}

static const struct type *wider_promoting(const struct type *a, const struct type *b)
{
    const struct type *type = atomic_tightest(a, b);
    if (!type) type = decimal_common(a, b);
    if (!type && a->kind == TYPE_STRING) type = string_promotion(b);
    if (!type && b->kind == TYPE_STRING) type = string_promotion(a);
    return type ? type : complex_common(a, b, wider_promoting);
}

const struct type *function_coerce_wider(const struct type *a, const struct type *b, bool promote_strings)
{
    return promote_strings ? wider_promoting(a, b) : wider_plain(a, b);
}

const struct type *function_coerce_wider_list(const struct type *const *types, uint32_t count, bool promote_strings)
{
    const struct type *type = type_of(TYPE_VOID);
    for (uint32_t i = 0; i < count && type; i++) type = function_coerce_wider(type, types[i], promote_strings);
    return type;
}

const struct type *function_common_type(const struct type *const *types, uint32_t count)
{
    return function_coerce_wider_list(types, count, true);
}

// Cast.canANSIStoreAssign: what an implicit cast may do.
static bool can_store_assign(const struct type *from, const struct type *to)
{
    if (from == to || from->kind == TYPE_VOID) return true;
    if (type_is_numeric(from) && type_is_numeric(to)) return true;
    if (is_atomic(from) && !is_interval(from) && from->kind != TYPE_BINARY && to->kind == TYPE_STRING) return true;
    if (is_datetime(from) && is_datetime(to)) return true;
    return false;
}

static const struct type *implicit_to(const struct type *from, enum type_kind kind)
{
    const struct type *to = type_of(kind);
    if (from->kind == TYPE_STRING || can_store_assign(from, to)) return to;
    return kind == TYPE_STRING && from->kind == TYPE_BINARY ? to : NULL;
}

static const struct type *implicit_class(const struct type *from, char letter)
{
    switch (letter) {
    case 'a': return from;
    case 'N':
        if (from->kind == TYPE_STRING || from->kind == TYPE_VOID) return type_of(TYPE_DOUBLE);
        return type_is_numeric(from) ? from : NULL;
    case 'I':
        if (from->kind == TYPE_STRING) return type_of(TYPE_BIGINT);
        if (from->kind == TYPE_VOID) return type_of(TYPE_INT);
        return type_is_integral(from) ? from : NULL;
    case 'Y':
        if (from->kind == TYPE_BINARY) return from;
        return implicit_to(from, TYPE_STRING);
    case 't':
        if (from->kind == TYPE_VOID) return type_of(TYPE_STRING);
        return from->kind == TYPE_STRING || is_datetime(from) ? from : NULL;
    case 'A':
        if (from->kind == TYPE_VOID) return type_array(type_of(TYPE_VOID));
        return from->kind == TYPE_ARRAY ? from : NULL;
    case 'M':
        if (from->kind == TYPE_VOID) return type_map(type_of(TYPE_VOID), type_of(TYPE_VOID));
        return from->kind == TYPE_MAP ? from : NULL;
    case 'V':
        if (from->kind == TYPE_VOID) return type_of(TYPE_INTERVAL_DAY_TIME);
        return is_interval(from) ? from : NULL;
    default: return NULL;
    }
}

const struct type *function_coerce_implicit(const struct type *from, char letter)
{
    switch (letter) {
    case 's': return implicit_to(from, TYPE_STRING);
    case 'y': return implicit_to(from, TYPE_BINARY);
    case 'i': return implicit_to(from, TYPE_INT);
    case 'l': return implicit_to(from, TYPE_BIGINT);
    case 'd': return implicit_to(from, TYPE_DOUBLE);
    case 'b': return implicit_to(from, TYPE_BOOLEAN);
    case 'D': return implicit_to(from, TYPE_DATE);
    case 'T': return implicit_to(from, TYPE_TIMESTAMP);
    case 'z': return implicit_to(from, TYPE_TIMESTAMP_NTZ);
    default: return implicit_class(from, letter);
    }
}

static bool can_cast_from_number(const struct type *to)
{
    return type_is_numeric(to) || to->kind == TYPE_BOOLEAN || to->kind == TYPE_STRING;
}

static bool can_cast_atomic(const struct type *from, const struct type *to, bool try_cast)
{
    switch (from->kind) {
    case TYPE_STRING: return is_atomic(to);
    case TYPE_BINARY: return to->kind == TYPE_STRING;
    case TYPE_BOOLEAN: return type_is_numeric(to) || to->kind == TYPE_STRING || to->kind == TYPE_TIMESTAMP;
    case TYPE_TINYINT:
    case TYPE_SMALLINT:
    case TYPE_INT:
    case TYPE_BIGINT:
        if (to->kind == TYPE_BINARY) return !try_cast;
        return can_cast_from_number(to) || to->kind == TYPE_TIMESTAMP || is_interval(to);
    case TYPE_FLOAT:
    case TYPE_DOUBLE: return can_cast_from_number(to) || to->kind == TYPE_TIMESTAMP;
    case TYPE_DECIMAL: return can_cast_from_number(to) || to->kind == TYPE_TIMESTAMP || is_interval(to);
    case TYPE_DATE: return is_datetime(to) || to->kind == TYPE_STRING;
    case TYPE_TIMESTAMP: return is_datetime(to) || to->kind == TYPE_STRING || type_is_numeric(to);
    case TYPE_TIMESTAMP_NTZ: return is_datetime(to) || to->kind == TYPE_STRING;
    case TYPE_INTERVAL_YEAR_MONTH:
    case TYPE_INTERVAL_DAY_TIME:
        return to->kind == from->kind || to->kind == TYPE_STRING || type_is_integral(to) || to->kind == TYPE_DECIMAL;
    default: return false;
    }
}

bool function_can_cast(const struct type *from, const struct type *to, bool try_cast)
{
    if (from == to || from->kind == TYPE_VOID) return true;
    if (to->kind == TYPE_STRING && from->kind >= TYPE_STRUCT) return true;
    if (from->kind >= TYPE_STRUCT || to->kind >= TYPE_STRUCT) {
        if (from->kind != to->kind || from->child_count != to->child_count) return false;
        for (uint32_t i = 0; i < from->child_count; i++) {
            if (!function_can_cast(from->children[i].type, to->children[i].type, try_cast)) return false;
        }
        return true;
    }
    return can_cast_atomic(from, to, try_cast);
}
