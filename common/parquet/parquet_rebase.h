// Dates and times of Spark's LEGACY files: counted in the calendar that is Julian before 1582-10-15, to be shown with
// the same year, month, day and time of day in the proleptic Gregorian calendar (Spark's RebaseDateTime).
#ifndef FORESET_PARQUET_PARQUET_REBASE_H
#define FORESET_PARQUET_PARQUET_REBASE_H

#include <stdint.h>

// Days since 1970-01-01.
int64_t parquet_rebase_days(int64_t days);
// Microseconds since 1970-01-01 UTC; zone: in which the writer showed them (an unknown one counts as UTC).
int64_t parquet_rebase_micros(int64_t micros, const char *zone);

#endif
