// Case mapping by ICU's root locale, which is what Java's UTF8String does for text beyond ASCII.
#include "worker/expr/expr_icu.h"

#include <string.h>
#include <unicode/ucasemap.h>
#include <unicode/uchar.h>

size_t expr_icu_case(struct slice s, bool upper, char *to, size_t size)
{
    static _Thread_local UCaseMap *map;
    UErrorCode code = U_ZERO_ERROR;
    if (!map) map = ucasemap_open("", 0, &code);
    int32_t length = upper ? ucasemap_utf8ToUpper(map, to, (int32_t)size, s.data, (int32_t)s.length, &code)
                           : ucasemap_utf8ToLower(map, to, (int32_t)size, s.data, (int32_t)s.length, &code);
    if (!U_FAILURE(code)) return (size_t)length;
    memcpy(to, s.data, s.length); // no mapping: as it was
    return s.length;
}

uint32_t expr_icu_title(uint32_t character)
{
    return (uint32_t)u_totitle((UChar32)character);
}
