// Column names are compared without regard to case (ASCII), but many readers are exact, so files, statistics and
// partition values carry the names of the table: `Id` where the query says `id`. Of the properties those of the plan
// hold where the table is ours, and the table's own where it was adopted. Nothing fails.
#include "coordinator/commit/table_shape.h"

#include <string.h>

static void shape_set(char **text, const char *value)
{
    if (strcmp(*text, value) == 0) return;
    memory_free(*text); // protobuf-c's own, which is malloc's as ours is
    *text = memory_strdup(value);
}

static void shape_columns(Foreset__Table *table, const struct delta_table *there, const struct type *schema)
{
    struct field *fields = memory_calloc(schema->child_count + (size_t)1, sizeof *fields);
    for (uint32_t i = 0; i < schema->child_count; i++) {
        int at = type_field_find(there->schema.type, schema->children[i].name);
        fields[i] = schema->children[i];
        if (at >= 0) fields[i].name = there->schema.type->children[at].name;
    }
    shape_set(&table->schema, type_struct(fields, schema->child_count)->text);
    memory_free(fields);
    for (size_t i = 0; i < table->n_partition_columns; i++) {
        int at = type_field_find(there->schema.type, table->partition_columns[i]);
        if (at >= 0) shape_set(&table->partition_columns[i], there->schema.type->children[at].name);
    }
}

// Columns that are NOT NULL in the log, besides those of the plan.
static void shape_not_null(Foreset__Table *table, const struct delta_table *there, const struct type *schema)
{
    size_t room = (table->n_not_null + there->schema.field_count + 1) * sizeof(char *);
    table->not_null = memory_realloc(table->not_null, room);
    for (uint32_t i = 0; i < there->schema.field_count; i++) {
        const struct delta_field *field = &there->schema.fields[i];
        bool known = field->nullable || type_field_find(schema, field->name) < 0;
        for (size_t k = 0; k < table->n_not_null && !known; k++)
            known = strcasecmp(table->not_null[k], field->name) == 0;
        if (!known) table->not_null[table->n_not_null++] = memory_strdup(field->name);
    }
}

static bool shape_has(const Foreset__Table *table, const char *key)
{
    for (size_t i = 0; i < table->n_properties; i++) {
        if (strcmp(table->properties[i]->key, key) == 0) return true;
    }
    return false;
}

static void shape_properties(Foreset__Table *table, const struct delta_table *there)
{
    size_t count = 0;
    bool adopted = delta_table_property(there, TABLE_SHAPE_ADOPTED) != NULL;
    for (size_t i = 0; i < table->n_properties; i++) {
        Foreset__Property *property = table->properties[i];
        if (adopted && strncmp(property->key, "delta.", 6) == 0) {
            foreset__property__free_unpacked(property, NULL);
        } else {
            table->properties[count++] = property;
        }
    }
    table->n_properties = count;
    const struct delta_map *configuration = &there->metadata.configuration;
    size_t room = (count + configuration->count + 1) * sizeof(Foreset__Property *);
    Foreset__Property **properties = memory_realloc(table->properties, room);
    table->properties = properties;
    for (uint32_t i = 0; i < configuration->count; i++) {
        const struct delta_pair *pair = &configuration->items[i];
        if (strncmp(pair->key, "delta.", 6) != 0 || !pair->value || shape_has(table, pair->key)) continue;
        Foreset__Property *property = memory_alloc(sizeof *property);
        foreset__property__init(property);
        property->key = memory_strdup(pair->key);
        property->value = memory_strdup(pair->value);
        table->properties[table->n_properties++] = property;
    }
}

Foreset__Plan *table_shape_plan(const Foreset__Plan *plan, struct table_logs *logs, bool refresh)
{
    size_t size = foreset__plan__get_packed_size(plan);
    uint8_t *packed = memory_alloc(size + 1);
    foreset__plan__pack(plan, packed);
    Foreset__Plan *shaped = foreset__plan__unpack(NULL, size, packed);
    memory_free(packed);
    ASSERT(shaped);
    for (uint32_t i = 0; i < shaped->n_tables; i++) {
        const struct table_log *log = table_logs_at(logs, i, false);
        if (!log->table || !log->schema) continue;
        if (!refresh) shape_columns(shaped->tables[i], log->table, log->schema);
        if (!refresh) shape_not_null(shaped->tables[i], log->table, log->schema);
        shape_properties(shaped->tables[i], log->table);
    }
    return shaped;
}
