// The SQL engine behind --where: see table_filter.h.
#ifndef FORESET_CLI_TABLE_WHERE_H
#define FORESET_CLI_TABLE_WHERE_H

#include "cli/table_filter.h"

const struct table_filter_ops *table_where_ops(void);

#endif
