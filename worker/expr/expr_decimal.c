// Decimals, exact in between: intermediate values are 512-bit integers where 128 bits do not do. Nothing here can fail
// but by a result that has too many digits, which is told.
#include "worker/expr/expr_decimal.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "common/base/error.h"
#include "common/columnar/number_text.h"

#define WIDE_LIMBS 18 // 32-bit limbs, least significant first: 10^38 * 10^38 * 10^38 * 10^38 fits

#define u128 unsigned __int128

const u128 expr_decimal_powers[39] = {
    1,
    10,
    100,
    1000,
    10000,
    100000,
    1000000,
    10000000,
    100000000,
    1000000000,
    10000000000u,
    100000000000u,
    1000000000000u,
    10000000000000u,
    100000000000000u,
    1000000000000000u,
    10000000000000000u,
    100000000000000000u,
    1000000000000000000u,
    (u128)1000000000000000000u * 10u,
    (u128)1000000000000000000u * 100u,
    (u128)1000000000000000000u * 1000u,
    (u128)1000000000000000000u * 10000u,
    (u128)1000000000000000000u * 100000u,
    (u128)1000000000000000000u * 1000000u,
    (u128)1000000000000000000u * 10000000u,
    (u128)1000000000000000000u * 100000000u,
    (u128)1000000000000000000u * 1000000000u,
    (u128)1000000000000000000u * 10000000000u,
    (u128)1000000000000000000u * 100000000000u,
    (u128)1000000000000000000u * 1000000000000u,
    (u128)1000000000000000000u * 10000000000000u,
    (u128)1000000000000000000u * 100000000000000u,
    (u128)1000000000000000000u * 1000000000000000u,
    (u128)1000000000000000000u * 10000000000000000u,
    (u128)1000000000000000000u * 100000000000000000u,
    (u128)1000000000000000000u * 1000000000000000000u,
    (u128)1000000000000000000u * 1000000000000000000u * 10u,
    (u128)1000000000000000000u * 1000000000000000000u * 100u,
};

struct wide {
    uint32_t limb[WIDE_LIMBS];
    uint32_t count; // without leading zeros
};

static u128 magnitude(__int128 value)
{
    return value < 0 ? -(u128)value : (u128)value;
}

static struct wide wide_of(u128 value)
{
    struct wide wide = {.count = 0};
    for (; value; value >>= 32) wide.limb[wide.count++] = (uint32_t)value;
    return wide;
}

static struct wide wide_multiply(const struct wide *a, const struct wide *b)
{
    struct wide product = {.count = 0};
    ASSERT(a->count + b->count <= WIDE_LIMBS);
    for (uint32_t i = 0; i < a->count; i++) {
        uint64_t carry = 0;
        for (uint32_t j = 0; j < b->count; j++) {
            uint64_t sum = (uint64_t)a->limb[i] * b->limb[j] + product.limb[i + j] + carry;
            product.limb[i + j] = (uint32_t)sum;
            carry = sum >> 32;
        }
        product.limb[i + b->count] = (uint32_t)carry;
    }
    product.count = a->count + b->count;
    while (product.count && product.limb[product.count - 1] == 0) product.count--;
    return product;
}

static struct wide wide_scaled(u128 value, int power)
{
    struct wide wide = wide_of(value);
    while (power > 0) {
        int step = power < 38 ? power : 38;
        struct wide factor = wide_of(expr_decimal_powers[step]);
        wide = wide_multiply(&wide, &factor);
        power -= step;
    }
    return wide;
}

static int wide_compare(const struct wide *a, const struct wide *b)
{
    if (a->count != b->count) return a->count < b->count ? -1 : 1;
    for (uint32_t i = a->count; i-- > 0;) {
        if (a->limb[i] != b->limb[i]) return a->limb[i] < b->limb[i] ? -1 : 1;
    }
    return 0;
}

static struct wide wide_subtract(const struct wide *a, const struct wide *b) // a >= b
{
    struct wide rest = *a;
    int64_t borrow = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        int64_t limb = (int64_t)a->limb[i] - (i < b->count ? b->limb[i] : 0) + borrow;
        rest.limb[i] = (uint32_t)limb;
        borrow = limb < 0 ? -1 : 0;
    }
    while (rest.count && rest.limb[rest.count - 1] == 0) rest.count--;
    return rest;
}

static struct wide wide_add(const struct wide *a, const struct wide *b)
{
    struct wide sum = {.count = (a->count > b->count ? a->count : b->count) + 1};
    ASSERT(sum.count <= WIDE_LIMBS);
    uint64_t carry = 0;
    for (uint32_t i = 0; i < sum.count; i++) {
        uint64_t limb = (uint64_t)(i < a->count ? a->limb[i] : 0) + (i < b->count ? b->limb[i] : 0) + carry;
        sum.limb[i] = (uint32_t)limb;
        carry = limb >> 32;
    }
    while (sum.count && sum.limb[sum.count - 1] == 0) sum.count--;
    return sum;
}

// Bit by bit: rare, and short.
static struct wide wide_divide(const struct wide *a, const struct wide *b, struct wide *ret_rest)
{
    struct wide quotient = {.count = a->count}, rest = {.count = 0};
    for (uint32_t bit = a->count * 32; bit-- > 0;) {
        uint32_t carry = a->limb[bit / 32] >> (bit % 32) & 1u;
        for (uint32_t i = 0; i < rest.count; i++) {
            uint32_t next = rest.limb[i] >> 31;
            rest.limb[i] = rest.limb[i] << 1 | carry;
            carry = next;
        }
        if (carry) rest.limb[rest.count++] = carry;
        if (wide_compare(&rest, b) < 0) continue;
        rest = wide_subtract(&rest, b);
        quotient.limb[bit / 32] |= 1u << (bit % 32);
    }
    while (quotient.count && quotient.limb[quotient.count - 1] == 0) quotient.count--;
    *ret_rest = rest;
    return quotient;
}

static struct wide wide_divide_half_up(const struct wide *a, const struct wide *b)
{
    struct wide rest, quotient = wide_divide(a, b, &rest);
    struct wide twice = wide_add(&rest, &rest), one = wide_of(1);
    return wide_compare(&twice, b) >= 0 ? wide_add(&quotient, &one) : quotient;
}

static bool wide_result(const struct wide *wide, bool negative, int precision, __int128 *ret_value)
{
    if (wide->count > 4) return false;
    u128 value = 0;
    for (uint32_t i = wide->count; i-- > 0;) value = value << 32 | wide->limb[i];
    if (value >= expr_decimal_powers[precision]) return false;
    *ret_value = negative ? -(__int128)value : (__int128)value;
    return true;
}

bool expr_decimal_fits(__int128 value, int precision)
{
    return magnitude(value) < expr_decimal_powers[precision];
}

static bool wide_rescale(struct wide wide, bool negative, int scale, int to_scale, int precision, __int128 *ret_value)
{
    if (to_scale > scale) {
        struct wide factor = wide_scaled(1, to_scale - scale);
        if (wide.count + factor.count > WIDE_LIMBS) return false;
        wide = wide_multiply(&wide, &factor);
    } else if (to_scale < scale) {
        struct wide divisor = wide_scaled(1, scale - to_scale);
        wide = wide_divide_half_up(&wide, &divisor);
    }
    return wide_result(&wide, negative, precision, ret_value);
}

bool expr_decimal_rescale(__int128 value, int scale, int to_scale, int precision, __int128 *ret_value)
{
    u128 size = magnitude(value);
    if (to_scale == scale) {
        *ret_value = value;
        return size < expr_decimal_powers[precision];
    }
    if (to_scale < scale) {
        if (scale - to_scale > 38) {
            *ret_value = 0;
            return true;
        }
        u128 divisor = expr_decimal_powers[scale - to_scale];
        u128 quotient = size / divisor;
        if (size % divisor >= divisor - divisor / 2) quotient++;
        *ret_value = value < 0 ? -(__int128)quotient : (__int128)quotient;
        return quotient < expr_decimal_powers[precision];
    }
    if (to_scale - scale > 38) return value == 0 && (*ret_value = 0, true);
    u128 product;
    if (__builtin_mul_overflow(size, expr_decimal_powers[to_scale - scale], &product)) return false;
    if (product >= expr_decimal_powers[precision]) return false;
    *ret_value = value < 0 ? -(__int128)product : (__int128)product;
    return true;
}

bool expr_decimal_add(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                      __int128 *ret_value)
{
    int scale = scale_a > scale_b ? scale_a : scale_b;
    __int128 x, y, sum;
    if (expr_decimal_rescale(a, scale_a, scale, 38, &x) && expr_decimal_rescale(b, scale_b, scale, 38, &y) &&
        !__builtin_add_overflow(x, y, &sum)) {
        return expr_decimal_rescale(sum, scale, ret_scale, precision, ret_value);
    }
    struct wide wide_a = wide_scaled(magnitude(a), scale - scale_a),
                wide_b = wide_scaled(magnitude(b), scale - scale_b);
    bool negative = a < 0;
    struct wide wide;
    if ((a < 0) == (b < 0)) {
        wide = wide_add(&wide_a, &wide_b);
    } else if (wide_compare(&wide_a, &wide_b) >= 0) {
        wide = wide_subtract(&wide_a, &wide_b);
    } else {
        wide = wide_subtract(&wide_b, &wide_a);
        negative = b < 0;
    }
    return wide_rescale(wide, negative, scale, ret_scale, precision, ret_value);
}

bool expr_decimal_multiply(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                           __int128 *ret_value)
{
    __int128 product;
    int scale = scale_a + scale_b;
    if (!__builtin_mul_overflow(a, b, &product))
        return expr_decimal_rescale(product, scale, ret_scale, precision, ret_value);
    struct wide wide_a = wide_of(magnitude(a)), wide_b = wide_of(magnitude(b));
    struct wide wide = wide_multiply(&wide_a, &wide_b);
    return wide_rescale(wide, (a < 0) != (b < 0), scale, ret_scale, precision, ret_value);
}

bool expr_decimal_divide(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                         __int128 *ret_value)
{
    int shift = ret_scale - scale_a + scale_b; // a * 10^shift / b
    bool negative = (a < 0) != (b < 0);
    u128 numerator, divisor = magnitude(b);
    if (shift >= 0 && shift <= 38 && !__builtin_mul_overflow(magnitude(a), expr_decimal_powers[shift], &numerator)) {
        u128 quotient = numerator / divisor, rest = numerator % divisor;
        if (rest >= divisor - rest) quotient++;
        if (quotient >= expr_decimal_powers[precision]) return false;
        *ret_value = negative ? -(__int128)quotient : (__int128)quotient;
        return true;
    }
    struct wide wide_a = wide_scaled(magnitude(a), shift > 0 ? shift : 0);
    struct wide wide_b = wide_scaled(divisor, shift < 0 ? -shift : 0);
    struct wide wide = wide_divide_half_up(&wide_a, &wide_b);
    return wide_result(&wide, negative, precision, ret_value);
}

bool expr_decimal_remainder(__int128 a, int scale_a, __int128 b, int scale_b, int ret_scale, int precision,
                            __int128 *ret_value)
{
    int scale = scale_a > scale_b ? scale_a : scale_b;
    struct wide wide_a = wide_scaled(magnitude(a), scale - scale_a),
                wide_b = wide_scaled(magnitude(b), scale - scale_b);
    struct wide rest;
    wide_divide(&wide_a, &wide_b, &rest);
    return wide_rescale(rest, a < 0, scale, ret_scale, precision, ret_value);
}

bool expr_decimal_quotient(__int128 a, int scale_a, __int128 b, int scale_b, __int128 *ret_value)
{
    int scale = scale_a > scale_b ? scale_a : scale_b;
    struct wide wide_a = wide_scaled(magnitude(a), scale - scale_a),
                wide_b = wide_scaled(magnitude(b), scale - scale_b);
    struct wide rest, quotient = wide_divide(&wide_a, &wide_b, &rest);
    return wide_result(&quotient, (a < 0) != (b < 0), 38, ret_value);
}

double expr_decimal_to_double(__int128 value, int scale)
{
    static const double powers[] = {1,    1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                    1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    u128 size = magnitude(value);
    if (size < ((u128)1 << 53) && scale <= 22) return (double)(int64_t)value / powers[scale];
    char text[NUMBER_TEXT_SIZE];
    size_t length = number_text_format_decimal(value, (uint8_t)scale, text);
    double result = 0;
    number_text_parse_double(text, length, &result);
    return result;
}

// Through the shortest text, as Java's BigDecimal.valueOf does.
bool expr_decimal_from_double(double value, bool single, int precision, int scale, __int128 *ret_value,
                              bool *ret_finite)
{
    char text[NUMBER_TEXT_SIZE];
    *ret_finite = isfinite(value);
    if (!*ret_finite) return false;
    (void)single; // Decimal(float.toDouble): the float is widened first
    size_t length = number_text_format_double(value, text);
    bool overflow = false;
    return number_text_parse_decimal(text, length, (uint8_t)precision, (uint8_t)scale, ret_value, &overflow) &&
           !overflow;
}
