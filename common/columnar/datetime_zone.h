// Time zones by their ids, as Spark takes them (java.time.ZoneId and Spark's own short forms).
#ifndef FORESET_COLUMNAR_DATETIME_ZONE_H
#define FORESET_COLUMNAR_DATETIME_ZONE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Offset of a zone from UTC at `seconds` since 1970: local time if is_local, else UTC. Zones: Z, UTC, GMT, UT, +05,
// +05:30, +0530, UTC+3 ..., and names as America/New_York. A local time that a change of the clock skips or repeats
// takes the offset before the change, as java.time does. False: no such zone.
bool datetime_zone_offset(const char *zone, size_t length, int64_t seconds, bool is_local, int32_t *ret_offset_seconds);

#endif
