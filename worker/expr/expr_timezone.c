// Time zones: offsets by our own reading, names through ICU. A calendar per thread is kept for the zone last asked for.
#include <string.h>
#include <unicode/ucal.h>

#include "common/columnar/datetime_text.h"
#include "worker/expr/expr_datetime.h"

#define ZONE_NAME_MAX 64

static UCalendar *zone_calendar(struct slice zone)
{
    static _Thread_local UCalendar *calendar;
    static _Thread_local char held[ZONE_NAME_MAX];
    UChar name[ZONE_NAME_MAX], canonical[ZONE_NAME_MAX];
    UErrorCode code = U_ZERO_ERROR;
    UBool known = false;
    if (zone.length == 0 || zone.length >= ZONE_NAME_MAX) return NULL;
    if (calendar && strlen(held) == zone.length && memcmp(held, zone.data, zone.length) == 0) return calendar;
    for (size_t i = 0; i < zone.length; i++) name[i] = (UChar)(unsigned char)zone.data[i];
    ucal_getCanonicalTimeZoneID(name, (int32_t)zone.length, canonical, ZONE_NAME_MAX, &known, &code);
    if (U_FAILURE(code) || !known) return NULL;
    UCalendar *opened = ucal_open(name, (int32_t)zone.length, "en_US", UCAL_GREGORIAN, &code);
    if (U_FAILURE(code)) return NULL;
    if (calendar) ucal_close(calendar);
    calendar = opened;
    memcpy(held, zone.data, zone.length);
    held[zone.length] = 0;
    return calendar;
}

bool expr_datetime_zone(struct slice zone, int64_t seconds, bool is_local, int32_t *ret_offset_seconds)
{
    if (datetime_text_zone_offset(zone.data, zone.length, seconds, ret_offset_seconds)) return true;
    UCalendar *calendar = zone_calendar(zone);
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
