// Projection: which columns of a file give the wanted type. Fails with STATUS_UNSUPPORTED when a column is stored as a
// type that cannot be given as the wanted one, or that Spark has no place for.
#include "common/parquet/parquet_out.h"

#include <string.h>

#include "common/parquet/parquet_convert.h"

static const struct parquet_node *find_child(const struct parquet_node *node, const char *name)
{
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (strcmp(node->children[i].name, name) == 0) return &node->children[i];
    }
    for (uint32_t i = 0; i < node->child_count; i++) {
        if (slice_equal_nocase(slice_str(node->children[i].name), slice_str(name))) return &node->children[i];
    }
    return NULL;
}

static enum status mismatch(const struct parquet_node *node, const struct type *type, struct error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "column %s is stored as %s in the Parquet file and cannot be read as %s", node->name,
                     node->type->text, type->text);
}

static enum status refuse(const struct parquet_node *node, struct error *err)
{
    const struct parquet_element *element = node->refused;
    return error_set(err, STATUS_UNSUPPORTED, ERROR_FAIL_PIPELINE,
                     "column %s of the Parquet file has a type that Spark SQL does not read (physical type %d, "
                     "converted type %d, logical type %d); the file's other columns can be read",
                     node->name, element->physical, element->converted, element->logical);
}

static bool kinds_fit(const struct parquet_node *node, const struct type *type)
{
    if (node->leaf) return type->child_count == 0 && parquet_convert_fits(node->type, type);
    return node->type->kind == type->kind;
}

enum status parquet_out_plan(struct arena *arena, const struct parquet_node *node, const struct type *type,
                             bool *needed, struct parquet_out *ret_out, struct error *err)
{
    enum status status = STATUS_OK;
    *ret_out = (struct parquet_out){.type = type, .node = node};
    if (!node) return STATUS_OK;
    if (node->refused) TRY(refuse(node, err));
    if (!kinds_fit(node, type)) TRY(mismatch(node, type, err));
    ret_out->leaf = node->first_leaf;
    if (node->leaf) {
        needed[node->first_leaf] = true;
        return STATUS_OK;
    }
    ret_out->child_count = type->child_count;
    ret_out->children = arena_calloc(arena, type->child_count, sizeof *ret_out->children);
    bool shaped = false; // a child that is read anyway tells the shape
    for (uint32_t i = 0; i < type->child_count; i++) {
        struct parquet_out *child = &ret_out->children[i];
        const struct parquet_node *source =
            type->kind == TYPE_STRUCT ? find_child(node, type->children[i].name) : &node->children[i];
        TRY(parquet_out_plan(arena, source, type->children[i].type, needed, child, err));
        if (source && !shaped) ret_out->leaf = child->leaf;
        shaped |= source != NULL;
    }
    if (!shaped) needed[node->first_leaf] = true;
out:
    return status;
}
