// Conversions value by value; the reader serves log replay and foreign files, not the hot path.
#include "common/parquet/parquet_convert.h"

#include <math.h>
#include <string.h>

#include "common/parquet/parquet_rebase.h"

#define JULIAN_EPOCH 2440588u // 1970-01-01
#define DAY_US       86400000000ull

static __int128 power_of_ten(unsigned exponent)
{
    __int128 power = 1;
    while (exponent--) power *= 10;
    return power;
}

static bool is_timestamp(const struct type *type)
{
    return type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ;
}

static uint8_t integral_digits(enum type_kind kind)
{
    return kind == TYPE_TINYINT ? 3 : kind == TYPE_SMALLINT ? 5 : kind == TYPE_INT ? 10 : 19;
}

bool parquet_convert_fits(const struct type *from, const struct type *to)
{
    if (from == to) return true;
    if (type_is_string_like(from)) return type_is_string_like(to);
    if (is_timestamp(from)) return is_timestamp(to);
    if (from->kind == TYPE_DATE) return to->kind == TYPE_TIMESTAMP_NTZ;
    if (from->kind == TYPE_FLOAT) return to->kind == TYPE_DOUBLE;
    if (from->kind == TYPE_DECIMAL) {
        return to->kind == TYPE_DECIMAL && to->scale >= from->scale &&
               to->precision - to->scale >= from->precision - from->scale;
    }
    if (!type_is_integral(from)) return false;
    if (type_is_integral(to)) return to->kind > from->kind;
    if (to->kind == TYPE_DOUBLE) return from->kind != TYPE_BIGINT;
    return to->kind == TYPE_DECIMAL && to->precision - to->scale >= integral_digits(from->kind);
}

static float half_to_float(uint16_t half)
{
    int exponent = half >> 10 & 31, mantissa = half & 1023;
    float value;
    if (exponent == 31) {
        value = mantissa ? NAN : INFINITY;
    } else if (exponent == 0) {
        value = ldexpf((float)mantissa, -24);
    } else {
        value = ldexpf((float)(mantissa + 1024), exponent - 25);
    }
    return half & 0x8000 ? -value : value;
}

static bool big_endian(struct slice bytes, __int128 *ret_value)
{
    unsigned __int128 value = bytes.length && (bytes.data[0] & 0x80) ? ~(unsigned __int128)0 : 0;
    uint8_t sign = (uint8_t)value;
    for (size_t i = 0; i < bytes.length; i++) {
        bool head = i + 16 < bytes.length;
        if (head && (uint8_t)bytes.data[i] != sign) return false;
        value = value << 8 | (uint8_t)bytes.data[i];
    }
    *ret_value = (__int128)value;
    return true;
}

static bool decimal_value(const struct parquet_node *leaf, struct slice physical, __int128 *ret_value)
{
    int32_t narrow;
    int64_t wide;
    if (leaf->physical == PARQUET_INT32) {
        memcpy(&narrow, physical.data, sizeof narrow);
        *ret_value = narrow;
    } else if (leaf->physical == PARQUET_INT64) {
        memcpy(&wide, physical.data, sizeof wide);
        *ret_value = wide;
    } else if (!big_endian(physical, ret_value)) {
        return false;
    }
    __int128 limit = power_of_ten(leaf->type->precision);
    return -limit < *ret_value && *ret_value < limit;
}

// Integers of whatever width and sign, dates, timestamps and decimals as one number.
static bool integer_value(const struct parquet_node *leaf, struct slice physical, __int128 *ret_value)
{
    int64_t value = 0;
    if (leaf->convert == PARQUET_CONVERT_DECIMAL) return decimal_value(leaf, physical, ret_value);
    if (leaf->convert == PARQUET_CONVERT_INT96) {
        int32_t day;
        memcpy(&value, physical.data, sizeof value);
        memcpy(&day, physical.data + sizeof value, sizeof day);
        // Days far off wrap, as they do in Spark.
        *ret_value = (int64_t)(((uint64_t)(int64_t)day - JULIAN_EPOCH) * DAY_US + (uint64_t)(value / 1000));
        return true;
    }
    memcpy(&value, physical.data, physical.length);
    if (physical.length == sizeof(int32_t)) value = (int32_t)value;
    *ret_value = value;
    switch (leaf->convert) {
    case PARQUET_CONVERT_INT8: *ret_value = (int8_t)value; break;
    case PARQUET_CONVERT_INT16: *ret_value = (int16_t)value; break;
    case PARQUET_CONVERT_UINT8: *ret_value = (uint8_t)value; break;
    case PARQUET_CONVERT_UINT16: *ret_value = (uint16_t)value; break;
    case PARQUET_CONVERT_UINT32: *ret_value = (uint32_t)value; break;
    case PARQUET_CONVERT_UINT64: *ret_value = (uint64_t)value; break;
    case PARQUET_CONVERT_MILLIS:
        *ret_value = (__int128)value * 1000;
        return *ret_value >= INT64_MIN && *ret_value <= INT64_MAX;
    case PARQUET_CONVERT_NANOS: *ret_value = value / 1000 - (value % 1000 < 0); break;
    default: break;
    }
    return true;
}

static bool put_decimal(__int128 value, uint8_t from_scale, const struct type *to, uint8_t ret_value[16])
{
    if (__builtin_mul_overflow(value, power_of_ten((unsigned)(to->scale - from_scale)), &value)) return false;
    __int128 limit = power_of_ten(to->precision);
    if (value >= limit || value <= -limit) return false;
    memcpy(ret_value, &value, sizeof value);
    return true;
}

static bool put_number(double value, const struct type *to, uint8_t ret_value[16])
{
    float narrow = (float)value;
    if (to->kind == TYPE_DOUBLE) {
        memcpy(ret_value, &value, sizeof value);
    } else {
        memcpy(ret_value, &narrow, sizeof narrow);
    }
    return true;
}

static bool float_value(const struct parquet_node *leaf, const struct type *to, struct slice physical,
                        uint8_t ret_value[16])
{
    if (leaf->type == to && leaf->convert == PARQUET_CONVERT_COPY) { // a NaN keeps its bits
        memcpy(ret_value, physical.data, physical.length);
        return true;
    }
    uint16_t half;
    float narrow;
    if (leaf->convert == PARQUET_CONVERT_FLOAT16) {
        memcpy(&half, physical.data, sizeof half);
        narrow = half_to_float(half);
    } else {
        memcpy(&narrow, physical.data, sizeof narrow);
    }
    return put_number((double)narrow, to, ret_value);
}

bool parquet_convert_value(const struct parquet_node *leaf, const struct type *to, struct slice physical,
                           uint8_t ret_value[16])
{
    const struct type *from = leaf->type;
    __int128 value;
    if (from->kind == TYPE_FLOAT || from->kind == TYPE_DOUBLE) return float_value(leaf, to, physical, ret_value);
    if (from->kind == TYPE_BOOLEAN) {
        ret_value[0] = physical.data[0] != 0;
        return true;
    }
    if (!integer_value(leaf, physical, &value)) return false;
    if (leaf->rebase_zone) {
        value = from->kind == TYPE_DATE ? parquet_rebase_days((int64_t)value)
                                        : parquet_rebase_micros((int64_t)value, leaf->rebase_zone);
    }
    if (to->kind == TYPE_DECIMAL) {
        return put_decimal(value, from->kind == TYPE_DECIMAL ? from->scale : 0, to, ret_value);
    }
    if (to->kind == TYPE_DOUBLE) return put_number((double)value, to, ret_value);
    if (from->kind == TYPE_DATE && to->kind == TYPE_TIMESTAMP_NTZ) value *= (int64_t)DAY_US;
    memcpy(ret_value, &value, type_width(to));
    return true;
}
