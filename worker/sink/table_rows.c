// The type of update mode's origin columns. Nothing fails.
#include "worker/sink/table_rows.h"

const struct type *table_rows_origin(void)
{
    const struct field fields[] = {{"hash", type_of(TYPE_BIGINT)},
                                   {"key", type_of(TYPE_BINARY)},
                                   {"expiry", type_of(TYPE_TIMESTAMP)}};
    return type_struct(fields, 3);
}
