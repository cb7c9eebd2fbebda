// Rows and cells on a terminal: see table_print.h. JSON has column_json's encoding, one object a line; a table cuts
// long cells, CSV quotes as RFC 4180 asks (null is empty, the empty text is "").
#include "cli/table_print.h"

#include <string.h>

enum { TABLE_PRINT_CELL_MAX = 60 }; // characters

bool table_print_format_parse(const char *name, enum table_print_format *ret_format)
{
    static const char *const names[] = {"table", "json", "csv"};
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *ret_format = (enum table_print_format)i;
        return true;
    }
    return false;
}

// A value as plain text: strings as they are, others as column_json without its quotes.
static void print_value(const struct column *column, uint32_t row, struct text *text)
{
    if (column->type->kind == TYPE_STRING) {
        struct slice slice = column_slice(column, row);
        text_append(text, slice.data, slice.length);
        return;
    }
    size_t start = text->length;
    column_json(column, row, text);
    if (text->data[start] != '"' || column->type->child_count) return;
    memmove(text->data + start, text->data + start + 1, text->length - start - 2);
    text->length -= 2;
    text->data[text->length] = '\0';
}

static const struct column *print_column(const struct table_rows *rows, size_t row, uint32_t i)
{
    return rows->batches.items[rows->rows.items[row].batch]->columns[rows->columns[i]];
}

static void print_json(const struct table_rows *rows, FILE *out)
{
    struct text line = {0};
    for (size_t row = 0; row < rows->rows.count; row++) {
        text_reset(&line);
        for (uint32_t i = 0; i < rows->column_count; i++) {
            const char *name = rows->schema->children[rows->columns[i]].name;
            text_append_char(&line, i ? ',' : '{');
            text_append_json(&line, name, strlen(name));
            text_append_char(&line, ':');
            column_json(print_column(rows, row, i), rows->rows.items[row].row, &line);
        }
        text_append_str(&line, rows->column_count ? "}\n" : "{}\n");
        fwrite(text_str(&line), 1, line.length, out);
    }
    text_deinit(&line);
}

static void print_csv_cell(const char *text, size_t length, struct text *line)
{
    bool quote = length == 0;
    for (size_t i = 0; i < length && !quote; i++) quote = strchr(",\"\r\n", text[i]) != NULL;
    if (!quote) {
        text_append(line, text, length);
        return;
    }
    text_append_char(line, '"');
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '"') text_append_char(line, '"');
        text_append_char(line, text[i]);
    }
    text_append_char(line, '"');
}

static void print_csv(const struct table_rows *rows, FILE *out)
{
    struct text line = {0}, cell = {0};
    for (uint32_t i = 0; i < rows->column_count; i++) {
        const char *name = rows->schema->children[rows->columns[i]].name;
        if (i) text_append_char(&line, ',');
        print_csv_cell(name, strlen(name), &line);
    }
    text_append_char(&line, '\n');
    fwrite(text_str(&line), 1, line.length, out);
    for (size_t row = 0; row < rows->rows.count; row++) {
        text_reset(&line);
        for (uint32_t i = 0; i < rows->column_count; i++) {
            const struct column *column = print_column(rows, row, i);
            if (i) text_append_char(&line, ',');
            if (column_is_null(column, rows->rows.items[row].row)) continue;
            text_reset(&cell);
            print_value(column, rows->rows.items[row].row, &cell);
            print_csv_cell(text_str(&cell), cell.length, &line);
        }
        text_append_char(&line, '\n');
        fwrite(text_str(&line), 1, line.length, out);
    }
    text_deinit(&line);
    text_deinit(&cell);
}

// ---- aligned

static size_t print_width(const char *text)
{
    size_t width = 0;
    for (; *text; text++) width += ((uint8_t)*text & 0xC0) != 0x80;
    return width;
}

// A cell without control characters, cut to the widest that is shown.
static char *print_cell(const char *from)
{
    struct text cell = {0};
    size_t width = 0;
    bool cut = print_width(from) > TABLE_PRINT_CELL_MAX;
    for (; *from; from++) {
        bool starts = ((uint8_t)*from & 0xC0) != 0x80;
        if (starts && cut && ++width == TABLE_PRINT_CELL_MAX) break;
        text_append_char(&cell, (uint8_t)*from < 0x20 || *from == 0x7F ? ' ' : *from);
    }
    if (cut) text_append_str(&cell, "…");
    return text_take(&cell);
}

static void print_padded(const char *text, size_t width, bool right, bool last, struct text *line)
{
    size_t blanks = width - print_width(text);
    for (size_t i = 0; right && i < blanks; i++) text_append_char(line, ' ');
    text_append_str(line, text);
    for (size_t i = 0; !right && !last && i < blanks; i++) text_append_char(line, ' ');
}

void table_print_cells(const char *const *titles, const bool *right, uint32_t column_count, const char *const *cells,
                       size_t row_count, FILE *out)
{
    size_t *widths = memory_calloc(column_count, sizeof *widths);
    struct text line = {0};
    for (uint32_t i = 0; i < column_count; i++) widths[i] = print_width(titles[i]);
    for (size_t at = 0; at < row_count * column_count; at++) {
        size_t width = print_width(cells[at] ? cells[at] : "");
        if (width > widths[at % column_count]) widths[at % column_count] = width;
    }
    for (uint32_t i = 0; i < column_count; i++) {
        if (i) text_append_str(&line, "  ");
        print_padded(titles[i], widths[i], right[i], i + 1 == column_count, &line);
    }
    fprintf(out, "%s\n", text_str(&line));
    text_reset(&line);
    for (uint32_t i = 0; i < column_count; i++) {
        if (i) text_append_str(&line, "  ");
        for (size_t dash = 0; dash < widths[i]; dash++) text_append_char(&line, '-');
    }
    fprintf(out, "%s\n", text_str(&line));
    for (size_t row = 0; row < row_count; row++) {
        text_reset(&line);
        for (uint32_t i = 0; i < column_count; i++) {
            const char *cell = cells[row * column_count + i];
            if (i) text_append_str(&line, "  ");
            print_padded(cell ? cell : "", widths[i], right[i], i + 1 == column_count, &line);
        }
        fprintf(out, "%s\n", text_str(&line));
    }
    memory_free(widths);
    text_deinit(&line);
}

static void print_table(const struct table_rows *rows, FILE *out)
{
    uint32_t columns = rows->column_count;
    const char **titles = memory_calloc(columns, sizeof *titles);
    bool *right = memory_calloc(columns, sizeof *right);
    char **cells = memory_calloc(rows->rows.count * columns, sizeof *cells);
    struct text value = {0};
    for (uint32_t i = 0; i < columns; i++) {
        titles[i] = rows->schema->children[rows->columns[i]].name;
        right[i] = type_is_numeric(rows->schema->children[rows->columns[i]].type);
    }
    for (size_t row = 0; row < rows->rows.count; row++) {
        for (uint32_t i = 0; i < columns; i++) {
            const struct column *column = print_column(rows, row, i);
            text_reset(&value);
            if (column_is_null(column, rows->rows.items[row].row)) {
                text_append_str(&value, "NULL");
            } else {
                print_value(column, rows->rows.items[row].row, &value);
            }
            cells[row * columns + i] = print_cell(text_str(&value));
        }
    }
    table_print_cells(titles, right, columns, (const char *const *)cells, rows->rows.count, out);
    for (size_t i = 0; i < rows->rows.count * columns; i++) memory_free(cells[i]);
    memory_free(cells);
    memory_free(right);
    memory_free(titles);
    text_deinit(&value);
}

void table_print_rows(const struct table_rows *rows, enum table_print_format format, FILE *out)
{
    switch (format) {
    case TABLE_PRINT_TABLE: print_table(rows, out); break;
    case TABLE_PRINT_JSON: print_json(rows, out); break;
    case TABLE_PRINT_CSV: print_csv(rows, out); break;
    }
}
