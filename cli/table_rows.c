// Rows for `tables show`: see table_rows.h. With an order, all matching rows are held (their references to the batches
// are small, the batches are not); without one, reading holds no more than the limit asks for.
#include "cli/table_rows.h"

#include <stdlib.h>
#include <string.h>

#include "cli/table_filter.h"
#include "common/delta/delta_scan.h"
#include "common/delta/delta_stats.h"

struct rows_key {
    uint32_t column;
    bool descending;
};
struct rows_reading {
    struct table_rows *rows;
    const struct table_rows_query *query;
    struct rows_key keys[TABLE_ROWS_KEYS_MAX];
    uint32_t key_count;
    void *filter;
};

void table_rows_deinit(struct table_rows *rows)
{
    for (size_t i = 0; i < rows->batches.count; i++) batch_unref(rows->batches.items[i]);
    vector_deinit(&rows->batches);
    vector_deinit(&rows->rows);
    memory_free(rows->columns);
    rows->columns = NULL;
}

// The next part of "a, b DESC": a name, back-quoted if it holds a comma or a blank, and what follows it.
static bool rows_next_part(const char **at, struct text *name, struct text *rest)
{
    text_reset(name);
    text_reset(rest);
    const char *from = *at;
    while (*from == ' ' || *from == ',') from++;
    if (!*from) return false;
    if (*from == '`') {
        for (from++; *from && *from != '`'; from++) text_append_char(name, *from);
        if (*from) from++;
    } else {
        for (; *from && *from != ',' && *from != ' '; from++) text_append_char(name, *from);
    }
    for (; *from && *from != ','; from++) {
        if (*from != ' ') text_append_char(rest, *from);
    }
    *at = from;
    return true;
}

static enum status rows_find(const struct type *schema, const char *name, uint32_t *ret_column, struct error *err)
{
    int at = type_field_find(schema, name);
    if (at >= 0) {
        *ret_column = (uint32_t)at;
        return STATUS_OK;
    }
    const char **names = memory_calloc(schema->child_count + 1, sizeof *names);
    for (uint32_t i = 0; i < schema->child_count; i++) names[i] = schema->children[i].name;
    const char *near = text_nearest(name, names);
    memory_free(names);
    return error_set(err, STATUS_INVALID, ERROR_USAGE, "the table has no column '%s'%s%s%s", name,
                     near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static enum status rows_parse_columns(struct rows_reading *reading, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_rows *rows = reading->rows;
    struct text name = {0}, rest = {0};
    VECTOR(uint32_t) columns = {0};
    const char *at = reading->query->columns;
    for (uint32_t i = 0; !at && i < rows->schema->child_count; i++) vector_push(&columns, i);
    while (at && rows_next_part(&at, &name, &rest)) {
        uint32_t column = 0;
        TRY(rows_find(rows->schema, text_str(&name), &column, err));
        if (rest.length) {
            TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "--columns: '%s' follows the column '%s'; write a,b,c",
                          text_str(&rest), text_str(&name)));
        }
        vector_push(&columns, column);
    }
    rows->columns = columns.items;
    rows->column_count = (uint32_t)columns.count;
    columns.items = NULL;
out:
    memory_free(columns.items);
    text_deinit(&name);
    text_deinit(&rest);
    return status;
}

static enum status rows_parse_order(struct rows_reading *reading, struct error *err)
{
    enum status status = STATUS_OK;
    struct text name = {0}, rest = {0};
    const char *at = reading->query->order_by;
    while (at && rows_next_part(&at, &name, &rest)) {
        if (reading->key_count == TABLE_ROWS_KEYS_MAX) {
            TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "--order-by takes at most %d columns",
                          TABLE_ROWS_KEYS_MAX));
        }
        struct rows_key *key = &reading->keys[reading->key_count++];
        TRY(rows_find(reading->rows->schema, text_str(&name), &key->column, err));
        key->descending = strcasecmp(text_str(&rest), "desc") == 0;
        if (rest.length && !key->descending && strcasecmp(text_str(&rest), "asc") != 0) {
            TRY(error_set(err, STATUS_INVALID, ERROR_USAGE, "--order-by: '%s' is neither ASC nor DESC",
                          text_str(&rest)));
        }
    }
out:
    text_deinit(&name);
    text_deinit(&rest);
    return status;
}

static enum status rows_parse_where(struct rows_reading *reading, struct error *err)
{
    const struct table_filter_ops *ops = table_filter_connected();
    if (!reading->query->where) return STATUS_OK;
    if (!ops) return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "--where is not supported in this build");
    return ops->create(reading->query->where, reading->rows->schema, &reading->filter, err);
}

// ---- order

// The rows being sorted: qsort_r is not in every libc's C11, so a merge sort over row references.
static int rows_compare(const struct rows_reading *reading, struct table_row a, struct table_row b)
{
    struct batch **batches = reading->rows->batches.items;
    for (uint32_t i = 0; i < reading->key_count; i++) {
        uint32_t column = reading->keys[i].column;
        int order = column_compare(batches[a.batch]->columns[column], a.row, batches[b.batch]->columns[column], b.row);
        if (order) return reading->keys[i].descending ? -order : order;
    }
    return 0;
}

static void rows_merge(const struct rows_reading *reading, const struct table_row *from, struct table_row *to,
                       size_t low, size_t middle, size_t high)
{
    size_t left = low, right = middle;
    for (size_t i = low; i < high; i++) {
        bool take_left = left < middle && (right >= high || rows_compare(reading, from[left], from[right]) <= 0);
        to[i] = take_left ? from[left++] : from[right++];
    }
}

static void rows_sort(const struct rows_reading *reading)
{
    struct table_rows *rows = reading->rows;
    size_t count = rows->rows.count;
    struct table_row *from = rows->rows.items, *to = memory_calloc(count, sizeof *to);
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = middle + width < count ? middle + width : count;
            rows_merge(reading, from, to, low, middle, high);
        }
        struct table_row *swap = from;
        from = to;
        to = swap;
    }
    memory_free(to);
    rows->rows.items = from;
    rows->rows.capacity = count;
}

// ---- reading

static enum status rows_take(struct rows_reading *reading, struct batch *batch, struct error *err)
{
    struct table_rows *rows = reading->rows;
    struct batch *matching = NULL;
    if (reading->filter) {
        enum status status = table_filter_connected()->apply(reading->filter, batch, &matching, err);
        if (status != STATUS_OK) return status;
    } else {
        matching = batch_ref(batch);
    }
    rows->matched += matching->row_count;
    uint64_t limit = reading->key_count ? UINT64_MAX : reading->query->limit;
    uint64_t left = limit - (rows->rows.count < limit ? rows->rows.count : limit);
    uint32_t take = left < matching->row_count ? (uint32_t)left : matching->row_count;
    for (uint32_t i = 0; i < take; i++) {
        struct table_row row = {(uint32_t)rows->batches.count, batch_row(matching, i)};
        vector_push(&rows->rows, row);
    }
    if (take) {
        vector_push(&rows->batches, matching);
    } else {
        batch_unref(matching);
    }
    return STATUS_OK;
}

// Rows of the table by its statistics; false if a file has none.
static bool rows_of_table(struct delta_table *table, uint64_t *ret_rows)
{
    struct delta_table_cursor cursor = {0};
    const struct delta_add *add;
    uint64_t total = 0, rows;
    while ((add = delta_table_next_file(table, &cursor))) {
        if (!add->stats || add->deletion_vector || !delta_stats_rows(add->stats, &rows)) return false;
        total += rows;
    }
    *ret_rows = total;
    return true;
}

// Columns that must be read: what is printed and ordered by; with --where all, for it may name any.
static const struct type *rows_wanted(const struct rows_reading *reading)
{
    const struct type *all = reading->rows->schema;
    if (reading->query->where) return all;
    bool *wanted = memory_calloc(all->child_count, sizeof *wanted);
    for (uint32_t i = 0; i < reading->rows->column_count; i++) wanted[reading->rows->columns[i]] = true;
    for (uint32_t i = 0; i < reading->key_count; i++) wanted[reading->keys[i].column] = true;
    struct field *fields = memory_calloc(all->child_count, sizeof *fields);
    uint32_t count = 0;
    for (uint32_t i = 0; i < all->child_count; i++) {
        if (wanted[i]) fields[count++] = all->children[i];
    }
    const struct type *type = type_struct(fields, count);
    memory_free(wanted);
    memory_free(fields);
    return type;
}

// From places in the table's schema to places in what was read.
static void rows_renumber(struct rows_reading *reading, const struct type *read)
{
    const struct type *all = reading->rows->schema;
    for (uint32_t i = 0; i < reading->rows->column_count; i++) {
        uint32_t *column = &reading->rows->columns[i];
        *column = (uint32_t)type_field_find(read, all->children[*column].name);
    }
    for (uint32_t i = 0; i < reading->key_count; i++) {
        uint32_t *column = &reading->keys[i].column;
        *column = (uint32_t)type_field_find(read, all->children[*column].name);
    }
    reading->rows->schema = read;
}

static enum status rows_scan(struct rows_reading *reading, struct delta_table *table, struct error *err)
{
    enum status status = STATUS_OK;
    struct delta_scan *scan = NULL;
    const struct type *wanted = rows_wanted(reading);
    struct table_rows *rows = reading->rows;
    uint64_t total = 0;
    bool stop_early = !reading->query->where && !reading->key_count && rows_of_table(table, &total);
    rows_renumber(reading, wanted);
    TRY(delta_scan_create(table, wanted, NULL, &scan, err));
    while (!stop_early || rows->rows.count < reading->query->limit) {
        struct batch *batch = NULL;
        TRY(delta_scan_next(scan, &batch, err));
        if (!batch) break;
        status = rows_take(reading, batch, err);
        batch_unref(batch);
        if (status != STATUS_OK) goto out;
    }
    if (stop_early) rows->matched = total;
out:
    delta_scan_destroy(scan);
    return status;
}

enum status table_rows_read(struct delta_table *table, const struct table_rows_query *query,
                            struct table_rows *ret_rows, struct error *err)
{
    enum status status = STATUS_OK;
    struct table_rows rows = {.schema = table->schema.type};
    struct rows_reading reading = {.rows = &rows, .query = query};
    TRY(rows_parse_columns(&reading, err));
    TRY(rows_parse_order(&reading, err));
    TRY(rows_parse_where(&reading, err));
    TRY(rows_scan(&reading, table, err));
    if (reading.key_count && rows.rows.count) rows_sort(&reading);
    if (rows.rows.count > query->limit) rows.rows.count = query->limit;
    *ret_rows = rows;
out:
    if (reading.filter) table_filter_connected()->destroy(reading.filter);
    if (status != STATUS_OK) table_rows_deinit(&rows);
    return status;
}
