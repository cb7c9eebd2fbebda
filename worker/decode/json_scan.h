// JSON text to columns of a given type, in one pass: from_json's and read_files' decoder.
// What a value becomes is Spark 4.1's JacksonParser, PERMISSIVE with partial results: a field whose value does not fit
// its type is null and makes the record bad, the others stay; text that is not JSON makes all fields null and the
// record bad. Field names match exactly; of repeated fields the last wins; text behind the first value is not looked
// at. One scan serves one thread. It learns from the rows it saw (field order, repeated strings) but results never
// depend on it.
#ifndef FORESET_DECODE_JSON_SCAN_H
#define FORESET_DECODE_JSON_SCAN_H

#include "common/columnar/batch.h"

#define JSON_DEPTH_MAX      1000 // nesting of a value, as Jackson's default
#define JSON_CORRUPT_COLUMN "_corrupt_record"

enum json_mode {
    JSON_PERMISSIVE, // bad records leave nulls and are flagged
    JSON_FAILFAST,   // the first bad record is an error (MALFORMED_RECORD_IN_PARSING)
    JSON_QUARANTINE, // as PERMISSIVE here; the caller sends the flagged rows to the dead letters
};

// A custom pattern ('timestampFormat' …): false if the text does not fit.
typedef bool (*json_parse_timestamp)(void *context, const char *text, size_t length, int64_t *ret_us);
typedef bool (*json_parse_date)(void *context, const char *text, size_t length, int32_t *ret_days);

// Zero-initialised: Spark's defaults for from_json.
struct json_scan_options {
    enum json_mode mode;
    bool strict;     // RFC 8259 alone: no single quotes, no NaN, nothing behind the value
    bool exact_text; // a STRING field takes a number's or nested value's text as it stands (files); else rewritten
                     // (from_json)
    bool allow_comments;
    bool allow_unquoted_names;
    bool refuse_single_quotes;
    bool allow_leading_zeros;
    bool refuse_non_numeric;              // NaN, Infinity, -INF …
    bool allow_any_escape;                // \x for any x
    bool allow_control;                   // raw control characters in strings
    const char *corrupt_column;           // NULL: JSON_CORRUPT_COLUMN; copied
    json_parse_timestamp parse_timestamp; // NULL: as CAST
    json_parse_timestamp parse_timestamp_ntz;
    json_parse_date parse_date;
    void *parse_context;
};
// Sets one of Spark's JSON options by its name (any case): mode, columnNameOfCorruptRecord, allow…; value is borrowed
// for the options' life. STATUS_UNSUPPORTED names an option that is not known here (dateFormat and its like are the
// caller's).
enum status json_scan_option(struct json_scan_options *options, const char *name, const char *value,
                             struct error *err) MUST_USE;

struct json_scan;
// type: STRUCT, or ARRAY or MAP for from_json. Fails for types that JSON does not give (intervals) and for map keys
// that are not strings. budget: of the columns made.
enum status json_scan_create(const struct type *type, const struct json_scan_options *options, struct budget *budget,
                             struct json_scan **ret_scan, struct error *err) MUST_USE;
void json_scan_destroy(struct json_scan *scan); // NULL allowed
// Days since 1970 that a time without a date ("12:30") belongs to; 0 until set.
void json_scan_today(struct json_scan *scan, int32_t days);

// from_json of text (STRING or BINARY, with or without dictionary): a column of the scan's type, text->length long.
// BINARY is read as CAST(… AS STRING) gives it: U+FFFD for what is not UTF-8. rows[count] (rising; NULL: all) are
// looked at; the others come out null. Null text gives null, blank text null (not bad); a bad struct is there with null
// fields, a bad array or map is null. ret_bad: text->length bytes or NULL, set to 1 for bad records of the rows looked
// at, else 0. *ret_bad_count likewise.
enum status json_scan_batch(struct json_scan *scan, const struct column *text, const uint32_t *rows, uint32_t count,
                            struct column **ret_column, uint8_t *ret_bad, uint32_t *ret_bad_count,
                            struct error *err) MUST_USE;

// A bad record of the last json_scan_lines: its rows first_row … + row_count - 1 (several when a line is an array).
struct json_bad {
    uint32_t first_row, row_count;
    size_t offset, length; // the line in the bytes given
};
struct json_lines {
    size_t used;                // bytes consumed: whole lines
    struct batch *batch;        // schema: the scan's type; NULL if no row came of them
    const struct json_bad *bad; // valid until the next call; rising
    uint32_t bad_count;
};
// JSON Lines (ending in \n, \r\n or \r) to at most BATCH_ROWS_MAX rows. Blank lines give no row; a line that is an
// array gives a row for each element; a bad line gives one row of nulls, or the partial rows of an array. bytes must be
// readable for BUFFER_PADDING beyond length. Without `last`, an unfinished line at the end is left for the next call
// (used tells); a call that uses nothing and gives no batch needs more bytes. Call again with what is not used; an
// array of more rows than fit one batch keeps its last byte unused until all are out.
enum status json_scan_lines(struct json_scan *scan, const uint8_t *bytes, size_t length, bool last,
                            struct json_lines *ret_lines, struct error *err) MUST_USE;

// Whether the whole text is one JSON value by RFC 8259 (UTF-8 checked, nesting to JSON_DEPTH_MAX).
bool json_scan_valid(const uint8_t *bytes, size_t length);
// The code in use: "avx2", "sse2", "neon" or "scalar". FORESET_SIMD chooses a lesser one at the first use.
const char *json_scan_simd(void);

#endif
