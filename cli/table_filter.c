// Which expression engine --where uses: see table_filter.h.
#include "cli/table_filter.h"

static const struct table_filter_ops *table_filter_now;

void table_filter_connect(const struct table_filter_ops *ops)
{
    table_filter_now = ops;
}

const struct table_filter_ops *table_filter_connected(void)
{
    return table_filter_now;
}
