// The rows that `tables show` prints: read, filtered, ordered, limited.
#ifndef FORESET_CLI_TABLE_ROWS_H
#define FORESET_CLI_TABLE_ROWS_H

#include "common/columnar/batch.h"
#include "common/delta/delta_table.h"

#define TABLE_ROWS_KEYS_MAX 16

struct table_rows_query {
    const char *columns;  // "a,b"; NULL: all
    const char *where;    // NULL: all rows
    const char *order_by; // "a DESC,b"; NULL: as in the files
    uint64_t limit;       // UINT64_MAX: none
};
struct table_row {
    uint32_t batch, row; // row: of the batch's columns
};
struct table_rows {
    const struct type *schema; // of the batches
    uint32_t *columns;         // those to print
    uint32_t column_count;
    VECTOR(struct batch *) batches;
    VECTOR(struct table_row) rows; // in the order to print
    uint64_t matched;              // rows that match, printed or not
};
enum status table_rows_read(struct delta_table *table, const struct table_rows_query *query,
                            struct table_rows *ret_rows, struct error *err) MUST_USE;
void table_rows_deinit(struct table_rows *rows);

#endif
