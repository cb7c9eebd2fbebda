// What --where needs of the expression engine: compile a text over a schema, select the rows that match. Connected at
// start by main, so that looking at tables does not depend on the SQL front end.
#ifndef FORESET_CLI_TABLE_FILTER_H
#define FORESET_CLI_TABLE_FILTER_H

#include "common/columnar/batch.h"

struct table_filter_ops {
    // expression: SQL text; schema: struct type of the batches to come. Errors are ERROR_USAGE and name the place in
    // the text.
    enum status (*create)(const char *expression, const struct type *schema, void **ret_filter, struct error *err);
    // The rows for which the expression is true, as a selection over the same columns; a new reference.
    enum status (*apply)(void *filter, struct batch *batch, struct batch **ret_batch, struct error *err);
    void (*destroy)(void *filter);
};
void table_filter_connect(const struct table_filter_ops *ops); // NULL: --where is refused by name
const struct table_filter_ops *table_filter_connected(void);

#endif
