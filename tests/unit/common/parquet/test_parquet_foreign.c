// Files as other writers make them and the writer here does not, put together by hand: physical types, footer keys and
// counts of rows.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/parquet/parquet_format.h"
#include "common/parquet/parquet_rebase.h"
#include "common/parquet/thrift.h"
#include "tests/unit/common/parquet/parquet_samples.h"

enum { COLUMNS_MAX = 8 };

struct foreign_column {
    const char *name;
    enum parquet_physical physical;
    int32_t fixed_length, converted, precision; // -1: not given
    const void *values;                         // PLAIN, all there
    size_t size;
};
struct foreign_file {
    const struct foreign_column *columns;
    uint32_t column_count;
    int64_t rows, footer_rows;
    const char *const (*pairs)[2]; // of the footer
    uint32_t pair_count;
};

static struct error err;

static void put_page(const struct foreign_column *column, int64_t rows, struct text *text)
{
    struct thrift_writer out;
    thrift_writer_init(&out, text);
    thrift_put_i32(&out, 1, PARQUET_DATA_PAGE);
    thrift_put_i32(&out, 2, (int32_t)column->size);
    thrift_put_i32(&out, 3, (int32_t)column->size);
    thrift_put_struct(&out, 5);
    thrift_put_i32(&out, 1, (int32_t)rows);
    thrift_put_i32(&out, 2, PARQUET_PLAIN);
    thrift_put_i32(&out, 3, PARQUET_RLE);
    thrift_put_i32(&out, 4, PARQUET_RLE);
    thrift_end(&out);
    thrift_end(&out);
    text_append(text, column->values, column->size);
}

static void put_schema(const struct foreign_file *file, struct thrift_writer *out)
{
    thrift_put_list(out, 2, THRIFT_STRUCT, file->column_count + 1);
    thrift_item_struct(out);
    thrift_put_binary(out, 4, "root", 4);
    thrift_put_i32(out, 5, (int32_t)file->column_count);
    thrift_end(out);
    for (uint32_t i = 0; i < file->column_count; i++) {
        const struct foreign_column *column = &file->columns[i];
        thrift_item_struct(out);
        thrift_put_i32(out, 1, (int32_t)column->physical);
        if (column->fixed_length >= 0) thrift_put_i32(out, 2, column->fixed_length);
        thrift_put_i32(out, 3, PARQUET_REQUIRED);
        thrift_put_binary(out, 4, column->name, strlen(column->name));
        if (column->converted >= 0) thrift_put_i32(out, 6, column->converted);
        if (column->precision >= 0) {
            thrift_put_i32(out, 7, 0);
            thrift_put_i32(out, 8, column->precision);
        }
        thrift_end(out);
    }
}

static void put_group(const struct foreign_file *file, const int64_t *offsets, struct thrift_writer *out)
{
    thrift_put_list(out, 4, THRIFT_STRUCT, 1);
    thrift_item_struct(out);
    thrift_put_list(out, 1, THRIFT_STRUCT, file->column_count);
    for (uint32_t i = 0; i < file->column_count; i++) {
        thrift_item_struct(out);
        thrift_put_struct(out, 3);
        thrift_put_i32(out, 1, (int32_t)file->columns[i].physical);
        thrift_put_i32(out, 4, 0);
        thrift_put_i64(out, 5, file->rows);
        thrift_put_i64(out, 6, (int64_t)file->columns[i].size);
        thrift_put_i64(out, 9, offsets[i]);
        thrift_end(out);
        thrift_end(out);
    }
    thrift_put_i64(out, 3, file->rows);
    thrift_end(out);
}

// The caller frees.
static struct buffer *make_file(const struct foreign_file *file)
{
    struct text text = {0}, footer = {0};
    struct thrift_writer out;
    int64_t offsets[COLUMNS_MAX];
    text_append(&text, PARQUET_MAGIC, PARQUET_MAGIC_SIZE);
    for (uint32_t i = 0; i < file->column_count; i++) {
        offsets[i] = (int64_t)text.length;
        put_page(&file->columns[i], file->rows, &text);
    }
    thrift_writer_init(&out, &footer);
    thrift_put_i32(&out, 1, 1);
    put_schema(file, &out);
    thrift_put_i64(&out, 3, file->footer_rows);
    put_group(file, offsets, &out);
    thrift_put_list(&out, 5, THRIFT_STRUCT, file->pair_count);
    for (uint32_t i = 0; i < file->pair_count; i++) {
        thrift_item_struct(&out);
        thrift_put_binary(&out, 1, file->pairs[i][0], strlen(file->pairs[i][0]));
        thrift_put_binary(&out, 2, file->pairs[i][1], strlen(file->pairs[i][1]));
        thrift_end(&out);
    }
    thrift_end(&out);
    uint32_t length = (uint32_t)footer.length;
    text_append(&text, footer.data, footer.length);
    text_append(&text, (const char *)&length, sizeof length);
    text_append(&text, PARQUET_MAGIC, PARQUET_MAGIC_SIZE);
    struct buffer *buffer = NULL;
    assert_int_equal(buffer_create(NULL, text.length, &buffer, NULL), STATUS_OK);
    memcpy(buffer->data, text.data, text.length);
    text_deinit(&text);
    text_deinit(&footer);
    return buffer;
}

static enum status read_file(const struct foreign_file *file, const char *wanted_text, struct text *rows)
{
    const struct type *wanted = NULL;
    struct buffer *buffer = make_file(file);
    text_reset(rows);
    if (wanted_text) assert_int_equal(type_parse_ddl(wanted_text, &wanted, &err), STATUS_OK);
    enum status status = parquet_samples_rows(buffer, buffer->size_bytes, wanted, rows, &err);
    buffer_unref(buffer);
    return status;
}

// The one value of a file of one column of one row, in its own unit.
static int64_t read_value(const struct foreign_column *column, const char *const (*pairs)[2], uint32_t pair_count)
{
    struct foreign_file file = {column, 1, 1, 1, pairs, pair_count};
    struct buffer *buffer = make_file(&file);
    struct parquet_reader *reader = NULL;
    struct batch *batch = NULL;
    if (parquet_reader_open_bytes(buffer, buffer->size_bytes, NULL, &reader, &err) != STATUS_OK ||
        parquet_reader_next(reader, &batch, &err) != STATUS_OK) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(batch->row_count, 1);
    const struct column *values = batch->columns[0];
    int64_t value = type_width(values->type) == 4 ? values->i32[0] : values->i64[0];
    batch_unref(batch);
    parquet_reader_close(reader);
    buffer_unref(buffer);
    return value;
}

static int64_t read_int96(int32_t day, int64_t nanoseconds, const char *const (*pairs)[2], uint32_t pair_count)
{
    char bytes[12];
    memcpy(bytes, &nanoseconds, sizeof nanoseconds);
    memcpy(bytes + 8, &day, sizeof day);
    struct foreign_column column = {"t", PARQUET_INT96, -1, -1, -1, bytes, sizeof bytes};
    return read_value(&column, pairs, pair_count);
}

static void julian_days_before_their_epoch_are_read(void **state)
{
    (void)state;
    assert_int_equal(read_int96(2440588, 1999, NULL, 0), 1);
    assert_int_equal(read_int96(0, 0, NULL, 0), INT64_C(-2440588) * 86400000000);
    assert_int_equal(read_int96(-1, 86399999999999, NULL, 0), INT64_C(-2440588) * 86400000000 - 1);
    assert_int_equal(read_int96(-1000000, 0, NULL, 0), INT64_C(-3440588) * 86400000000);
}

static void columns_without_a_place_are_refused_only_if_wanted(void **state)
{
    (void)state;
    static const char zeros[64] = {0};
    static const int32_t numbers[2] = {7, 8};
    const struct foreign_column columns[] = {
        {"span", PARQUET_FIXED, 12, PARQUET_INTERVAL, -1, zeros, 24},
        {"clock", PARQUET_INT64, -1, PARQUET_TIME_MICROS, -1, zeros, 16},
        {"n", PARQUET_INT32, -1, -1, -1, numbers, sizeof numbers},
        {"minute", PARQUET_INT32, -1, PARQUET_TIME_MILLIS, -1, zeros, 8},
        {"wide", PARQUET_FIXED, 17, PARQUET_DECIMAL, 40, zeros, 34},
    };
    struct foreign_file file = {columns, 5, 2, 2, NULL, 0};
    struct text rows = {0};
    assert_int_equal(read_file(&file, "n INT", &rows), STATUS_OK);
    assert_string_equal(text_str(&rows), "{\"n\":7}\n{\"n\":8}\n");
    assert_int_equal(read_file(&file, "missing STRING", &rows), STATUS_OK);
    assert_string_equal(text_str(&rows), "{\"missing\":null}\n{\"missing\":null}\n");
    static const char *const refused[] = {"span STRING", "clock BIGINT", "n INT, minute INT", "wide DECIMAL(38,0)"};
    static const char *const names[] = {"span", "clock", "minute", "wide"};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(read_file(&file, refused[i], &rows), STATUS_UNSUPPORTED);
        assert_non_null(strstr(err.message, names[i]));
    }
    assert_int_equal(read_file(&file, NULL, &rows), STATUS_UNSUPPORTED);
    text_deinit(&rows);
}

static void row_groups_say_how_many_rows_there_are(void **state)
{
    (void)state;
    static const int32_t numbers[3] = {1, 2, 3};
    const struct foreign_column column = {"n", PARQUET_INT32, -1, -1, -1, numbers, sizeof numbers};
    struct text rows = {0};
    static const int64_t said[] = {0, 2, 3, 4, 1000000, -1};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++) {
        struct foreign_file file = {&column, 1, 3, said[i], NULL, 0};
        assert_int_equal(read_file(&file, "n INT", &rows), STATUS_OK);
        assert_string_equal(text_str(&rows), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    }
    text_deinit(&rows);
}

static void a_file_without_columns_has_rows(void **state)
{
    (void)state;
    struct foreign_file file = {NULL, 0, 3, 3, NULL, 0};
    struct text rows = {0};
    assert_int_equal(read_file(&file, "n INT, s STRUCT<a: INT>", &rows), STATUS_OK);
    assert_string_equal(text_str(&rows), "{\"n\":null,\"s\":null}\n{\"n\":null,\"s\":null}\n{\"n\":null,\"s\":null}\n");
    assert_int_equal(read_file(&file, NULL, &rows), STATUS_OK);
    assert_string_equal(text_str(&rows), "{}\n{}\n{}\n");
    text_deinit(&rows);
}

#define VERSION "org.apache.spark.version"
#define ZONE    "org.apache.spark.timeZone"
#define TIMES   "org.apache.spark.legacyDateTime"
#define INT96   "org.apache.spark.legacyINT96"

// 1582-01-01 of either calendar, and its first instant in Los Angeles, where local mean time is 422 s off.
#define JULIAN_DAY    (-141704)
#define GREGORIAN_DAY (-141714)
#define JULIAN_US     INT64_C(-12243196799876544)
#define GREGORIAN_US  INT64_C(-12244061221876544)

static void legacy_files_are_rebased_by_what_their_footer_says(void **state)
{
    (void)state;
    static const struct {
        const char *pairs[3][2];
        uint32_t count;
        bool times, int96;
    } cases[] = {
        {{{ZONE, "America/Los_Angeles"}}, 1, false, false},
        {{{ZONE, "America/Los_Angeles"}, {TIMES, ""}, {INT96, ""}}, 3, false, false},
        {{{VERSION, "4.1.1"}, {ZONE, "America/Los_Angeles"}}, 2, false, false},
        {{{TIMES, ""}, {ZONE, "America/Los_Angeles"}, {VERSION, "4.1.1"}}, 3, true, false},
        {{{INT96, ""}, {VERSION, "4.1.1"}, {ZONE, "America/Los_Angeles"}}, 3, false, true},
        {{{VERSION, "2.4.8"}, {ZONE, "America/Los_Angeles"}}, 2, true, true},
        {{{VERSION, "3.0.3"}, {ZONE, "America/Los_Angeles"}}, 2, false, true},
    };
    const int32_t day = JULIAN_DAY;
    const int64_t us = JULIAN_US, ms = JULIAN_US / 1000 - 1;
    const struct foreign_column date = {"d", PARQUET_INT32, -1, PARQUET_DATE, -1, &day, sizeof day};
    const struct foreign_column micros = {"t", PARQUET_INT64, -1, PARQUET_TIMESTAMP_MICROS, -1, &us, sizeof us};
    const struct foreign_column millis = {"t", PARQUET_INT64, -1, PARQUET_TIMESTAMP_MILLIS, -1, &ms, sizeof ms};
    const struct foreign_column number = {"n", PARQUET_INT64, -1, -1, -1, &us, sizeof us};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool times = cases[i].times;
        int64_t shift = GREGORIAN_US - JULIAN_US;
        assert_int_equal(read_value(&date, cases[i].pairs, cases[i].count), times ? GREGORIAN_DAY : JULIAN_DAY);
        assert_int_equal(read_value(&micros, cases[i].pairs, cases[i].count), times ? GREGORIAN_US : JULIAN_US);
        assert_int_equal(read_value(&millis, cases[i].pairs, cases[i].count), ms * 1000 + (times ? shift : 0));
        assert_int_equal(read_value(&number, cases[i].pairs, cases[i].count), JULIAN_US);
        shift = INT64_C(-9) * 86400000000 - 422000000;
        assert_int_equal(read_int96(2440588 - 200000, 0, cases[i].pairs, cases[i].count),
                         INT64_C(-200000) * 86400000000 + (cases[i].int96 ? shift : 0));
    }
}

static void the_calendars_agree_on_the_text_of_a_date(void **state)
{
    (void)state;
    static const int64_t pairs[][2] = {
        {JULIAN_DAY, GREGORIAN_DAY},
        {-141427, -141427},
        {0, 0},
        {2932896, 2932896},
        {-141428, -141438},
        {-719164, -719162},
        {-354220, -354226},
        {-354221, -354226}, // 1000-02-29
        {-719165, -719163},
        {-719529 - 366, -719527 - 366},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        assert_int_equal(parquet_rebase_days(pairs[i][0]), pairs[i][1]);
    }
}

static void times_are_rebased_in_the_writers_zone(void **state)
{
    (void)state;
    assert_int_equal(parquet_rebase_micros(JULIAN_US, "America/Los_Angeles"), GREGORIAN_US);
    // In UTC no zone's mean time is in the way, and days move as dates do.
    for (int64_t day = -800000; day < -141000; day += 97) {
        int64_t us = day * INT64_C(86400000000) + 12345678901;
        int64_t moved = parquet_rebase_days(day) * INT64_C(86400000000) + 12345678901;
        assert_int_equal(parquet_rebase_micros(us, "UTC"), moved);
        assert_int_equal(parquet_rebase_micros(us, "No/Such"), moved);
    }
    // From 1900 on the calendars and the offsets are the same, also where clocks are set back.
    static const char *const zones[] = {"UTC", "Europe/Paris", "America/Los_Angeles", "Asia/Kathmandu", "+05:30"};
    for (size_t i = 0; i < sizeof zones / sizeof *zones; i++) {
        for (int64_t us = INT64_C(-2208988800000000); us < INT64_C(2000000000000000); us += INT64_C(987654321987)) {
            assert_int_equal(parquet_rebase_micros(us, zones[i]), us);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(julian_days_before_their_epoch_are_read),
        cmocka_unit_test(columns_without_a_place_are_refused_only_if_wanted),
        cmocka_unit_test(row_groups_say_how_many_rows_there_are),
        cmocka_unit_test(a_file_without_columns_has_rows),
        cmocka_unit_test(legacy_files_are_rebased_by_what_their_footer_says),
        cmocka_unit_test(the_calendars_agree_on_the_text_of_a_date),
        cmocka_unit_test(times_are_rebased_in_the_writers_zone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
