// Texts made from a seed, in every instruction set. Valid ones by the grammar of RFC 8259: a strict scan accepts them
// and gives their values. Damaged ones, each by a named rule of the grammar: a strict scan refuses them, and Spark's
// default options accept those that Jackson accepts. Jansson judges the same texts, so that the generator is checked
// too. A failure prints the seed; JSON_TEXTS_SEED sets it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "common/base/random.h"
#include "tests/unit/worker/decode/json_damages.h"
#include "worker/decode/json_context.h"

#define ROUNDS  2000
#define ITEMS   4 // of an array or object that is made
#define SCHEMA  "s STRING, i BIGINT, d DOUBLE, b BOOLEAN, any STRING, list ARRAY<STRING>, o STRUCT<x: INT, y: STRING>"
#define STRINGS 4

static const char *const simds[] = {"scalar", "sse2", "neon", "avx2"};
static uint64_t seed;

// A record and the values that its fields must come back with.
struct record {
    struct random random;
    struct text json;
    struct text s, any, items[STRINGS], y;
    int64_t i;
    double d;
    int b; // -1: null
    uint32_t item_count;
    int32_t x;
    bool no_jansson; // the text has what Jansson refuses and RFC 8259 allows: half surrogates, numbers beyond double
};

static uint64_t below(struct record *record, uint64_t bound)
{
    return random_below(&record->random, bound);
}

static void blanks(struct record *record, struct text *json)
{
    while (below(record, 3) == 0) text_append_char(json, " \t\n\r"[below(record, 4)]);
}

static void append_utf8(struct text *text, uint32_t c)
{
    if (c < 0x80) {
        text_append_char(text, (char)c);
        return;
    }
    unsigned tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint8_t heads[] = {0, 0xc0, 0xe0, 0xf0};
    text_append_char(text, (char)(heads[tail] | c >> 6 * tail));
    while (tail--) text_append_char(text, (char)(0x80 | (c >> 6 * tail & 63)));
}

// A character of each length of UTF-8, the ends of each range among them.
static uint32_t character(struct record *record)
{
    static const uint32_t ends[] = {0,     0x1f,  0x20,   '"',    '\\',   '/',    '\'',   0x7e,    0x7f,    0x80,
                                    0x7ff, 0x800, 0xd7ff, 0xe000, 0xfeff, 0xfffd, 0xffff, 0x10000, 0x10ffff};
    static const uint32_t bounds[] = {0x80, 0x800, 0x10000, 0x110000};
    if (below(record, 4) == 0) return ends[below(record, sizeof ends / sizeof *ends)];
    uint32_t c = (uint32_t)below(record, below(record, 2) ? 0x80 : bounds[below(record, 4)]);
    return c >= 0xd800 && c < 0xe000 ? 'x' : c;
}

static void append_unit(struct record *record, struct text *json, uint32_t unit)
{
    char digits[8];
    snprintf(digits, sizeof digits, "%04x", unit);
    for (int i = 0; i < 4; i++) {
        if (below(record, 2) && digits[i] >= 'a') digits[i] = (char)(digits[i] - 'a' + 'A');
    }
    text_printf(json, "\\u%s", digits);
}

static void append_escaped(struct record *record, struct text *json, uint32_t c)
{
    static const char plain[] = "\"\\/\b\f\n\r\t", letters[] = "\"\\/bfnrt";
    const char *known = c && c < 0x80 ? strchr(plain, (int)c) : NULL;
    if (known && below(record, 2)) {
        text_printf(json, "\\%c", letters[known - plain]);
    } else if (c < 0x10000) {
        append_unit(record, json, c);
    } else {
        append_unit(record, json, 0xd800 + ((c - 0x10000) >> 10));
        append_unit(record, json, 0xdc00 + ((c - 0x10000) & 0x3ff));
    }
}

// A half surrogate is valid by the grammar; Java's encoder writes it as '?'. True: a low half must not follow.
static bool append_half(struct record *record, bool after_high, struct text *json, struct text *value)
{
    bool high = after_high || below(record, 2);
    append_unit(record, json, (high ? 0xd800 : 0xdc00) + (uint32_t)below(record, 0x400));
    text_append_char(value, '?');
    record->no_jansson = true;
    return high;
}

static void string(struct record *record, struct text *json, struct text *value)
{
    struct text unread = {0};
    uint64_t length = below(record, below(record, 8) ? 12 : 90); // short, or longer than a vector register
    uint64_t half_of = below(record, 16) ? 0 : 3; // strings with half surrogates are few, but have several
    bool after_high = false;
    text_append_char(json, '"');
    for (uint64_t i = 0; i < length; i++) {
        if (half_of && below(record, half_of) == 0) {
            after_high = append_half(record, after_high, json, value ? value : &unread);
            continue;
        }
        after_high = false;
        uint32_t c = below(record, 2) ? 'a' + (uint32_t)below(record, 26) : character(record);
        bool must = c < 0x20 || c == '"' || c == '\\';
        if (must || below(record, 6) == 0) {
            append_escaped(record, json, c);
        } else {
            append_utf8(json, c);
        }
        append_utf8(value ? value : &unread, c);
    }
    text_append_char(json, '"');
    text_deinit(&unread);
}

static void name(struct record *record, struct text *json)
{
    struct text value = {0}, form = {0};
    do {
        text_reset(&value);
        text_reset(&form);
        string(record, &form, &value); // Jansson takes no byte 0 in a name
    } while (value.length && memchr(value.data, 0, value.length));
    text_append(json, text_str(&form), form.length);
    text_deinit(&value);
    text_deinit(&form);
}

static void digits(struct record *record, struct text *json, uint64_t most)
{
    for (uint64_t left = 1 + below(record, most); left > 0; left--)
        text_append_char(json, (char)('0' + below(record, 10)));
}

static void number(struct record *record, struct text *json)
{
    static const char *const odd[] = {"0",
                                      "-0",
                                      "0.0",
                                      "-0.0",
                                      "1e400",
                                      "-1E+400",
                                      "1e-400",
                                      "0e0",
                                      "9223372036854775807",
                                      "9223372036854775808",
                                      "-9223372036854775808",
                                      "5e-324",
                                      "1.7976931348623157e308",
                                      "0.1e+00001",
                                      "123456789012345678901234567890.5"};
    if (below(record, 6) == 0) {
        const char *form = odd[below(record, sizeof odd / sizeof *odd)];
        record->no_jansson = record->no_jansson || strstr(form, "400");
        text_append_str(json, form);
        return;
    }
    if (below(record, 3) == 0) text_append_char(json, '-');
    if (below(record, 4) == 0) {
        text_append_char(json, '0');
    } else {
        text_append_char(json, (char)('1' + below(record, 9)));
        if (below(record, 2)) digits(record, json, below(record, 8) ? 6 : 30);
    }
    if (below(record, 3) == 0) {
        text_append_char(json, '.');
        digits(record, json, below(record, 8) ? 6 : 30);
    }
    if (below(record, 4) == 0) {
        static const char *const signs[] = {"", "+", "-"};
        text_printf(json, "%c%s", "eE"[below(record, 2)], signs[below(record, 3)]);
        digits(record, json, 2);
    }
}

static void value(struct record *record, struct text *json, unsigned depth);

static void container(struct record *record, struct text *json, unsigned depth, bool object)
{
    uint64_t count = below(record, ITEMS);
    text_append_char(json, object ? '{' : '[');
    blanks(record, json);
    for (uint64_t i = 0; i < count; i++) {
        if (i) text_append_char(json, ',');
        blanks(record, json);
        if (object) {
            name(record, json);
            blanks(record, json);
            text_append_char(json, ':');
            blanks(record, json);
        }
        value(record, json, depth - 1);
        blanks(record, json);
    }
    text_append_char(json, object ? '}' : ']');
}

static void value(struct record *record, struct text *json, unsigned depth)
{
    static const char *const words[] = {"true", "false", "null"};
    switch (below(record, depth ? 8 : 4)) {
    case 0: string(record, json, NULL); break;
    case 1:
    case 2: number(record, json); break;
    case 3: text_append_str(json, words[below(record, 3)]); break;
    case 4:
    case 5: container(record, json, depth, false); break;
    default: container(record, json, depth, true);
    }
}

// One field's value, and what it must come back as.
static void put_field(struct record *record, unsigned field)
{
    struct text *json = &record->json, form = {0};
    switch (field) {
    case 0: string(record, json, &record->s); break;
    case 1:
        record->i = (int64_t)random_u64(&record->random) >> below(record, 64);
        text_printf(json, "%lld", (long long)record->i);
        break;
    case 2:
        number(record, &form);
        record->d = strtod(text_str(&form), NULL);
        if (strcmp(text_str(&form), "-0") == 0) record->d = 0; // the integer 0, as Jackson reads it
        text_append(json, form.data, form.length);
        break;
    case 3:
        record->b = (int)below(record, 3) - 1;
        text_append_str(json, record->b < 0 ? "null" : record->b ? "true" : "false");
        break;
    case 4:
        container(record, &record->any, 5, below(record, 2));
        text_append(json, record->any.data, record->any.length);
        break;
    case 5:
        record->item_count = (uint32_t)below(record, STRINGS + 1);
        text_append_char(json, '[');
        for (uint32_t i = 0; i < record->item_count; i++) {
            if (i) text_append_char(json, ',');
            blanks(record, json);
            string(record, json, &record->items[i]);
            blanks(record, json);
        }
        text_append_char(json, ']');
        break;
    default:
        record->x = (int32_t)random_u64(&record->random);
        text_printf(json, "{ \"x\" : %d,\"unknown\":", record->x);
        value(record, json, 3);
        text_append_str(json, ",\"y\":");
        string(record, json, &record->y);
        text_append_char(json, '}');
    }
    text_deinit(&form);
}

static const char *const names[] = {"s", "i", "d", "b", "any", "list", "o"};
#define FIELDS (sizeof names / sizeof *names)

// An object of all fields in any order, with unknown ones between them.
static void make_record(struct record *record, uint64_t number)
{
    unsigned order[FIELDS];
    *record = (struct record){0};
    random_init(&record->random, seed + number);
    for (unsigned i = 0; i < FIELDS; i++) {
        unsigned at = (unsigned)below(record, i + 1);
        order[i] = order[at];
        order[at] = i;
    }
    blanks(record, &record->json);
    text_append_char(&record->json, '{');
    for (unsigned i = 0; i < FIELDS; i++) {
        if (i) text_append_char(&record->json, ',');
        if (below(record, 3) == 0) {
            text_append_str(&record->json, "\"unknown\":");
            value(record, &record->json, 4);
            text_append_char(&record->json, ',');
        }
        blanks(record, &record->json);
        text_printf(&record->json, "\"%s\"", names[order[i]]);
        blanks(record, &record->json);
        text_append_char(&record->json, ':');
        blanks(record, &record->json);
        put_field(record, order[i]);
        blanks(record, &record->json);
    }
    text_append_char(&record->json, '}');
    blanks(record, &record->json);
}

static void free_record(struct record *record)
{
    text_deinit(&record->json);
    text_deinit(&record->s);
    text_deinit(&record->any);
    text_deinit(&record->y);
    for (size_t i = 0; i < STRINGS; i++) text_deinit(&record->items[i]);
}

static json_t *jansson(const struct text *json, json_error_t *error)
{
    size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL;
    return json_loadb(text_str(json), json->length, flags, error);
}

// Whether Jansson refuses a text for what RFC 8259 allows.
static bool jansson_is_narrower(const json_error_t *error)
{
    return json_error_code(error) == json_error_numeric_overflow ||
           json_error_code(error) == json_error_null_byte_in_key || strstr(error->text, "invalid Unicode") ||
           strstr(error->text, "\\u0000 is not allowed");
}

static bool is_valid(const struct text *json)
{
    return json_scan_valid((const uint8_t *)text_str(json), json->length);
}

static struct json_scan *made_scan(bool strict)
{
    struct json_scan_options options = {.strict = strict, .exact_text = true};
    const struct type *type = NULL;
    struct json_scan *scan = NULL;
    assert_int_equal(type_parse_ddl(SCHEMA, &type, NULL), STATUS_OK);
    assert_int_equal(json_scan_create(type, &options, NULL, &scan, NULL), STATUS_OK);
    return scan;
}

static struct column *scanned(struct json_scan *scan, const struct text *json, bool *ret_bad)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_BINARY));
    struct column *text = NULL, *column = NULL;
    uint32_t bad = 0;
    struct error err = {0};
    assert_int_equal(column_builder_bytes(builder, text_str(json), json->length, NULL), STATUS_OK);
    assert_int_equal(column_builder_finish(builder, &text, NULL), STATUS_OK);
    column_builder_destroy(builder);
    assert_int_equal(json_scan_batch(scan, text, NULL, 0, &column, NULL, &bad, &err), STATUS_OK);
    column_unref(text);
    *ret_bad = bad != 0;
    return column;
}

static bool is_bad(struct json_scan *scan, const struct text *json)
{
    bool bad;
    column_unref(scanned(scan, json, &bad));
    return bad;
}

static bool is_text(const struct column *column, uint32_t row, const struct text *wanted)
{
    return !column_is_null(column, row) &&
           slice_equal(column_slice(column, row), slice_of(text_str(wanted), wanted->length));
}

static const char *wrong_field(const struct record *record, const struct column *column)
{
    struct column **fields = column->children;
    if (!is_text(fields[0], 0, &record->s)) return "s";
    if (column_is_null(fields[1], 0) || fields[1]->i64[0] != record->i) return "i";
    if (column_is_null(fields[2], 0) || memcmp(fields[2]->f64, &record->d, sizeof record->d) != 0) return "d";
    if (column_is_null(fields[3], 0) != (record->b < 0)) return "b";
    if (record->b >= 0 && fields[3]->boolean[0] != record->b) return "b";
    if (!is_text(fields[4], 0, &record->any)) return "any";
    if (column_is_null(fields[5], 0) || fields[5]->offsets[1] != (int32_t)record->item_count) return "list";
    for (uint32_t i = 0; i < record->item_count; i++) {
        if (!is_text(fields[5]->children[0], i, &record->items[i])) return "list";
    }
    if (column_is_null(fields[6], 0) || fields[6]->children[0]->i32[0] != record->x) return "o.x";
    return is_text(fields[6]->children[1], 0, &record->y) ? NULL : "o.y";
}

static void check_record(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    struct record record;
    json_error_t error;
    make_record(&record, number);
    json_t *other = jansson(&record.json, &error);
    if (!other && !record.no_jansson) {
        fail_msg("seed %llu: jansson: %s: %s", (unsigned long long)(seed + number), error.text, text_str(&record.json));
    }
    json_decref(other);
    if (!is_valid(&record.json)) {
        fail_msg("seed %llu (%s): refused: %s", (unsigned long long)(seed + number), simd, text_str(&record.json));
    }
    for (size_t i = 0; i < 2; i++) {
        bool bad;
        struct column *column = scanned(scans[i], &record.json, &bad);
        const char *wrong = bad ? "record" : wrong_field(&record, column);
        if (wrong) {
            fail_msg("seed %llu (%s, %s): %s is wrong: %s", (unsigned long long)(seed + number), simd,
                     i ? "Spark's options" : "strict", wrong, text_str(&record.json));
        }
        column_unref(column);
    }
    free_record(&record);
}

static void for_each_simd(void (*check)(struct json_scan *const *scans, uint64_t number, const char *simd),
                          uint64_t rounds)
{
    for (size_t i = 0; i < sizeof simds / sizeof *simds; i++) {
        if (!json_kernel_set(simds[i])) continue;
        struct json_scan *scans[] = {made_scan(true), made_scan(false)};
        for (uint64_t number = 0; number < rounds; number++) check(scans, number, simds[i]);
        json_scan_destroy(scans[0]);
        json_scan_destroy(scans[1]);
    }
}

static void valid_texts_give_their_values(void **state)
{
    (void)state;
    for_each_simd(check_record, ROUNDS);
}

// A record that ends in the damage: the last of its fields, known or not, alone or within values.
static void put_damage(struct record *record, const char *piece, size_t length)
{
    static const char *const before[] = {
        "{\"unknown\":", "{\"any\":", "{\"s\":",        "{\"i\":",     "{\"d\":",        "{\"b\":",
        "{\"list\":",    "{\"o\":",   "{\"unknown\":[", "{\"list\":[", "{\"o\":{\"x\":", "{\"any\":{\"z\":"};
    size_t place = below(record, sizeof before / sizeof *before);
    text_append_str(&record->json, "{\"i\":1,\"unknown\":");
    value(record, &record->json, 3);
    text_printf(&record->json, ",%s", before[place] + 1);
    blanks(record, &record->json);
    text_append(&record->json, piece, length);
    text_append_str(&record->json, strrchr(before[place], '[') ? "]" : strchr(before[place] + 1, '{') ? "}" : "");
    text_append_str(&record->json, "}");
}

static void check_damage(struct json_scan *const *scans, uint64_t number, const struct damage *damage,
                         const char *piece, size_t length)
{
    struct record record = {0};
    json_error_t error;
    random_init(&record.random, seed + number);
    put_damage(&record, piece, length);
    json_t *other = jansson(&record.json, &error);
    if (other || is_valid(&record.json) || !is_bad(scans[0], &record.json)) {
        fail_msg("seed %llu: %s: accepted%s: %s", (unsigned long long)(seed + number), damage->rule,
                 other ? " by Jansson" : "", text_str(&record.json));
    }
    if (damage->judge == REFUSED && !is_bad(scans[1], &record.json)) {
        fail_msg("seed %llu: %s: accepted with Spark's options: %s", (unsigned long long)(seed + number), damage->rule,
                 text_str(&record.json));
    }
    free_record(&record);
}

static void check_damages(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    struct text piece = {0};
    (void)simd;
    for (size_t i = 0; i < DAMAGES; i++) {
        check_damage(scans, number, &damages[i], damages[i].piece, strlen(damages[i].piece));
    }
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++) {
        for (int in_name = 0; in_name < 2; in_name++) {
            text_reset(&piece);
            text_printf(&piece, "%s%.*s%s%s", in_name ? "{\"" : "\"", (int)(number * 7 % 40),
                        "0123456789012345678901234567890123456789", bytes[i].piece, in_name ? "x\":1}" : "x\"");
            check_damage(scans, number, &bytes[i], piece.data, piece.length);
        }
    }
    for (char c = 0; c < 0x20; c++) {
        static const struct damage control = {"control character in a string", NULL, REFUSED};
        const char string[] = {'"', 'a', c, '"'}, outside[] = {c, '1'};
        check_damage(scans, number, &control, string, sizeof string);
        if (!c || !strchr("\t\n\r", c)) check_damage(scans, number, &control, outside, sizeof outside);
    }
    text_deinit(&piece);
}

static void damaged_texts_are_refused(void **state)
{
    (void)state;
    for_each_simd(check_damages, 12);
}

// What Jackson takes by Spark's defaults, as the value of a field that is skipped.
static void check_spark(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    struct text json = {0};
    for (size_t i = 0; i < DAMAGES; i++) {
        text_reset(&json);
        text_printf(&json, "{\"unknown\":[%s,%s]%s}%s", damages[i].piece, damages[i].piece,
                    number % 2 ? ",\"i\":1" : "", number / 2 ? " trailing" : "");
        if (damages[i].judge == SPARK && (is_bad(scans[1], &json) || !is_bad(scans[0], &json))) {
            fail_msg("%s: %s: %s", simd, damages[i].rule, text_str(&json));
        }
    }
    text_deinit(&json);
}

static void sparks_options_take_what_jackson_takes(void **state)
{
    (void)state;
    for_each_simd(check_spark, 4);
}

// A text that ends early, at every byte, and one that goes on.
static void check_ends(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    static const char *const more[] = {"x",    ",", "}", "]", "1", "{}", "\"\"", "null", "/", "\xef\xbb\xbf",
                                       "\x80", "\1"};
    struct record record;
    make_record(&record, number);
    size_t last = record.json.length, whole = last;
    while (record.json.data[last - 1] != '}') last--;
    for (record.json.length = 0; record.json.length < last; record.json.length++) {
        bool blank = strspn(text_str(&record.json), " \t\r\n") >= record.json.length;
        if (is_valid(&record.json) ||
            (!blank && (!is_bad(scans[0], &record.json) || !is_bad(scans[1], &record.json)))) {
            fail_msg("seed %llu (%s): accepted when cut at byte %zu: %s", (unsigned long long)(seed + number), simd,
                     record.json.length, text_str(&record.json));
        }
    }
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
        record.json.length = whole;
        text_append_str(&record.json, more[i]);
        if (more[i][0] == 1) record.json.data[record.json.length - 1] = 0;
        if (is_valid(&record.json) || !is_bad(scans[0], &record.json) || is_bad(scans[1], &record.json)) {
            fail_msg("seed %llu (%s): wrong with %s behind it", (unsigned long long)(seed + number), simd, more[i]);
        }
    }
    free_record(&record);
}

static void texts_end_where_they_end(void **state)
{
    (void)state;
    for_each_simd(check_ends, 4);
}

// A byte changed, put in or taken out anywhere: valid or not as Jansson has it.
static void check_change(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    static const char odd[] = "\"\\{}[],:+-.eE0 u'/\n\x80\xc3\xff\1";
    struct record record;
    json_error_t error;
    make_record(&record, number);
    for (int round = 0; round < 20; round++) {
        struct text json = {0};
        size_t at = below(&record, record.json.length);
        uint64_t how = below(&record, 3);
        text_append(&json, record.json.data, at);
        if (how < 2) text_append_char(&json, odd[below(&record, sizeof odd)]);
        text_append(&json, record.json.data + at + (how > 0), record.json.length - at - (how > 0));
        json_t *other = jansson(&json, &error);
        bool valid = is_valid(&json);
        bool zero = memchr(json.data, 0, json.length); // which Jansson may pass over outside a string
        bool known = other || zero || !jansson_is_narrower(&error);
        if (known && valid != (other && !zero)) {
            fail_msg("seed %llu (%s): valid %d, Jansson: %s: %s", (unsigned long long)(seed + number), simd, valid,
                     other ? "valid" : error.text, text_str(&json));
        }
        if (!valid && !is_bad(scans[0], &json)) {
            fail_msg("seed %llu (%s): a strict scan accepts %s", (unsigned long long)(seed + number), simd,
                     text_str(&json));
        }
        json_decref(other);
        text_deinit(&json);
    }
    free_record(&record);
}

static void changed_texts_are_judged_as_jansson_does(void **state)
{
    (void)state;
    for_each_simd(check_change, 150);
}

static void nested(struct text *json, unsigned levels, bool objects)
{
    text_reset(json);
    for (unsigned i = 0; i < levels; i++) text_append_str(json, objects && i % 2 ? "{\"a\":" : "[");
    text_append_str(json, "1");
    for (unsigned i = levels; i-- > 0;) text_append_str(json, objects && i % 2 ? "}" : "]");
}

static void check_depth(struct json_scan *const *scans, uint64_t number, const char *simd)
{
    struct text value = {0}, json = {0};
    for (unsigned levels = JSON_DEPTH_MAX - 2; levels <= JSON_DEPTH_MAX + 2; levels++) {
        nested(&value, levels, number % 2);
        if (is_valid(&value) != (levels <= JSON_DEPTH_MAX)) fail_msg("%s: %u levels", simd, levels);
        nested(&value, levels - 1, number % 2); // the record is a level itself
        text_reset(&json);
        text_printf(&json, "{\"%s\":%s}", number / 2 ? "any" : "unknown", text_str(&value));
        for (size_t i = 0; i < 2; i++) {
            if (is_bad(scans[i], &json) != (levels > JSON_DEPTH_MAX))
                fail_msg("%s: a record of %u levels", simd, levels);
        }
    }
    text_deinit(&value);
    text_deinit(&json);
}

static void nesting_has_a_limit(void **state)
{
    (void)state;
    for_each_simd(check_depth, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_texts_give_their_values),
        cmocka_unit_test(damaged_texts_are_refused),
        cmocka_unit_test(sparks_options_take_what_jackson_takes),
        cmocka_unit_test(texts_end_where_they_end),
        cmocka_unit_test(changed_texts_are_judged_as_jansson_does),
        cmocka_unit_test(nesting_has_a_limit),
    };
    const char *wanted = getenv("JSON_TEXTS_SEED");
    seed = wanted ? strtoull(wanted, NULL, 10) : 1;
    print_message("seed %llu\n", (unsigned long long)seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
