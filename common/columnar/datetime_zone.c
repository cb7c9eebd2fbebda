// Time zones: offsets by our own reading, names through ICU. A calendar per thread is kept for the zone last asked for.
// No failure but a false return.
#include "common/columnar/datetime_zone.h"

#include <string.h>
#include <unicode/ucal.h>

#define ZONE_NAME_MAX 64

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// [+-]h, hh, hh:mm, hhmm, hh:mm:ss, hhmmss and Spark's h:mm, hh:m; at most 18 hours.
static bool parse_offset(const char *text, size_t length, int32_t *ret_seconds)
{
    char fixed[16] = {0};
    size_t count = 0;
    bool negative = text[0] == '-';
    text++, length--;
    if (length == 0 || length > 8) return false;
    if (length >= 2 && is_digit(text[0]) && text[1] == ':') fixed[count++] = '0';
    memcpy(fixed + count, text, length);
    count += length;
    if (count == 4 && fixed[2] == ':') {
        fixed[4] = fixed[3];
        fixed[3] = '0';
        count = 5;
    }
    if (count == 1) {
        fixed[1] = fixed[0];
        fixed[0] = '0';
        count = 2;
    }
    bool colons = count > 2 && fixed[2] == ':';
    if (count != 2 && count != (colons ? 5u : 4u) && count != (colons ? 8u : 6u)) return false;
    int32_t parts[3] = {0};
    size_t step = colons ? 3 : 2;
    for (size_t i = 0, part = 0; i < count; i += step, part++) {
        if (!is_digit(fixed[i]) || !is_digit(fixed[i + 1])) return false;
        if (colons && i + 2 < count && fixed[i + 2] != ':') return false;
        parts[part] = (fixed[i] - '0') * 10 + (fixed[i + 1] - '0');
    }
    int32_t seconds = parts[0] * 3600 + parts[1] * 60 + parts[2];
    if (parts[1] > 59 || parts[2] > 59 || seconds > 18 * 3600) return false;
    *ret_seconds = negative ? -seconds : seconds;
    return true;
}

// Z, UTC, GMT, UT, an offset, or one behind the other.
static bool fixed_zone(const char *zone, size_t length, int32_t *ret_offset_seconds)
{
    static const char *const prefixes[] = {"UTC", "GMT", "UT"};
    while (length && zone[0] == ' ') zone++, length--;
    while (length && zone[length - 1] == ' ') length--;
    if (length == 0) return false;
    if (length == 1 && *zone == 'Z') {
        *ret_offset_seconds = 0;
        return true;
    }
    if (*zone == '+' || *zone == '-') return parse_offset(zone, length, ret_offset_seconds);
    for (size_t i = 0; i < 3; i++) {
        size_t prefix = strlen(prefixes[i]);
        if (length < prefix || memcmp(zone, prefixes[i], prefix) != 0) continue;
        if (length == prefix) {
            *ret_offset_seconds = 0;
            return true;
        }
        if (zone[prefix] == '+' || zone[prefix] == '-') {
            return parse_offset(zone + prefix, length - prefix, ret_offset_seconds);
        }
    }
    return false;
}

static UCalendar *zone_calendar(const char *zone, size_t length)
{
    static _Thread_local UCalendar *calendar;
    static _Thread_local char held[ZONE_NAME_MAX];
    UChar name[ZONE_NAME_MAX], canonical[ZONE_NAME_MAX];
    UErrorCode code = U_ZERO_ERROR;
    UBool known = false;
    if (length == 0 || length >= ZONE_NAME_MAX) return NULL;
    if (calendar && strlen(held) == length && memcmp(held, zone, length) == 0) return calendar;
    for (size_t i = 0; i < length; i++) name[i] = (UChar)(unsigned char)zone[i];
    ucal_getCanonicalTimeZoneID(name, (int32_t)length, canonical, ZONE_NAME_MAX, &known, &code);
    if (U_FAILURE(code) || !known) return NULL;
    UCalendar *opened = ucal_open(name, (int32_t)length, "en_US", UCAL_GREGORIAN, &code);
    if (U_FAILURE(code)) return NULL;
    if (calendar) ucal_close(calendar);
    calendar = opened;
    memcpy(held, zone, length);
    held[length] = 0;
    return calendar;
}

bool datetime_zone_offset(const char *zone, size_t length, int64_t seconds, bool is_local, int32_t *ret_offset_seconds)
{
    if (fixed_zone(zone, length, ret_offset_seconds)) return true;
    UCalendar *calendar = zone_calendar(zone, length);
    UErrorCode code = U_ZERO_ERROR;
    int32_t raw = 0, saving = 0;
    if (!calendar) return false;
    ucal_setMillis(calendar, (double)seconds * 1000.0, &code);
    if (is_local) { // a time that a change skips or repeats takes the offset before the change, as java.time does
        ucal_getTimeZoneOffsetFromLocal(calendar, UCAL_TZ_LOCAL_FORMER, UCAL_TZ_LOCAL_FORMER, &raw, &saving, &code);
    } else {
        raw = ucal_get(calendar, UCAL_ZONE_OFFSET, &code);
        saving = ucal_get(calendar, UCAL_DST_OFFSET, &code);
    }
    if (U_FAILURE(code)) return false;
    *ret_offset_seconds = (raw + saving) / 1000;
    return true;
}
