// From the hybrid calendar to the proleptic Gregorian one. Nothing can fail; what leaves the range wraps.
// Spark goes through java.util.Calendar on the hybrid side and java.time on the other. They agree on a zone's offsets
// from 1900 on. Before, java.util.Calendar takes the zone's present standard offset, java.time the local mean time.
#include "common/parquet/parquet_rebase.h"

#include <string.h>

#include "common/columnar/datetime_text.h"
#include "common/columnar/datetime_zone.h"

#define GREGORIAN_DAY  (-141427)            // 1582-10-15
#define SAME_SECONDS   INT64_C(-2208988800) // 1900-01-01: from here on nothing changes
#define DAY_SECONDS    INT64_C(86400)
#define PRESENT_WINTER INT64_C(2209075200) // 2040-01-02
#define PRESENT_SUMMER INT64_C(2224886400) // 2040-07-03
#define SECOND_US      INT64_C(1000000)
#define JULIAN_SHIFT   INT64_C(2472670) // days from -4800-03-01 (Julian) to 1970-01-01

static int64_t floor_divide(int64_t value, int64_t unit)
{
    return value / unit - (value % unit < 0);
}

int64_t parquet_rebase_days(int64_t days)
{
    if (days >= GREGORIAN_DAY) return days;
    int64_t since = days + JULIAN_SHIFT; // years that begin in March: a leap day is the last of its year
    int64_t year = floor_divide(4 * since + 3, 1461);
    int64_t day = since - floor_divide(1461 * year, 4);
    int64_t month = (5 * day + 2) / 153;
    day -= (153 * month + 2) / 5;
    year += month / 10 - 4800;
    month = month < 10 ? month + 3 : month - 9;
    return datetime_text_days(year, (uint32_t)month, 1) + day; // a Julian leap day may be the first of March
}

static int64_t offset_at(const char *zone, int64_t seconds, bool local)
{
    int32_t offset;
    return datetime_zone_offset(zone, strlen(zone), seconds, local, &offset) ? offset : 0;
}

// As Spark's tables have it, which are older than the zones' last changes.
static int64_t standard_offset(const char *zone)
{
    static const struct {
        const char *zone;
        int64_t offset;
    } before[] = {{"Africa/Casablanca", 0}, {"Africa/El_Aaiun", 0}, {"Asia/Amman", 7200}, {"Asia/Damascus", 7200}};
    for (size_t i = 0; i < sizeof before / sizeof *before; i++) {
        if (strcmp(zone, before[i].zone) == 0) return before[i].offset;
    }
    int64_t winter = offset_at(zone, PRESENT_WINTER, false), summer = offset_at(zone, PRESENT_SUMMER, false);
    return winter < summer ? winter : summer;
}

// The instant of a local time; of two the later one.
static int64_t instant_of(const char *zone, int64_t local)
{
    int64_t instant = local - offset_at(zone, local, true);
    int64_t after = offset_at(zone, instant + DAY_SECONDS, false);
    return offset_at(zone, local - after, false) == after && local - after > instant ? local - after : instant;
}

int64_t parquet_rebase_micros(int64_t micros, const char *zone)
{
    int64_t seconds = floor_divide(micros, SECOND_US), rest = micros - seconds * SECOND_US;
    if (seconds >= SAME_SECONDS) return micros;
    int64_t local = seconds + standard_offset(zone), day = floor_divide(local, DAY_SECONDS);
    local += (parquet_rebase_days(day) - day) * DAY_SECONDS;
    return (int64_t)((uint64_t)instant_of(zone, local) * (uint64_t)SECOND_US + (uint64_t)rest);
}
