// Rows and cells on a terminal: an aligned table, JSON lines, CSV.
#ifndef FORESET_CLI_TABLE_PRINT_H
#define FORESET_CLI_TABLE_PRINT_H

#include <stdio.h>

#include "cli/table_rows.h"

enum table_print_format { TABLE_PRINT_TABLE, TABLE_PRINT_JSON, TABLE_PRINT_CSV };
bool table_print_format_parse(const char *name, enum table_print_format *ret_format);

void table_print_rows(const struct table_rows *rows, enum table_print_format format, FILE *out);
// cells: row_count × column_count texts, row by row; NULL: nothing. right: columns of numbers.
void table_print_cells(const char *const *titles, const bool *right, uint32_t column_count, const char *const *cells,
                       size_t row_count, FILE *out);

#endif
