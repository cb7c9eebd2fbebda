// The type of update mode's origin columns. Nothing fails.
#include "worker/sink/group_origin.h"

const struct type *group_origin_type(void)
{
    const struct field fields[] = {
        {"hash", type_of(TYPE_BIGINT)}, {"key", type_of(TYPE_BINARY)}, {"expiry", type_of(TYPE_TIMESTAMP)}};
    return type_struct(fields, 3);
}
