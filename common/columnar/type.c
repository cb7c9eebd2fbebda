// Interned types. One table behind one lock; a type is never freed, so a pointer to it is good for the process's life.
// The canonical text is the key: it names a type completely (odd field names stand in backticks).
#include "common/columnar/type.h"

#include <pthread.h>
#include <string.h>
#include <strings.h>

#include "common/base/hash.h"
#include "common/base/memory.h"

#define TYPE_SLOTS_FIRST 256u

static const struct type type_simple[] = {
    [TYPE_VOID] = {.kind = TYPE_VOID, .text = "void"},
    [TYPE_BOOLEAN] = {.kind = TYPE_BOOLEAN, .text = "boolean"},
    [TYPE_TINYINT] = {.kind = TYPE_TINYINT, .text = "tinyint"},
    [TYPE_SMALLINT] = {.kind = TYPE_SMALLINT, .text = "smallint"},
    [TYPE_INT] = {.kind = TYPE_INT, .text = "int"},
    [TYPE_BIGINT] = {.kind = TYPE_BIGINT, .text = "bigint"},
    [TYPE_FLOAT] = {.kind = TYPE_FLOAT, .text = "float"},
    [TYPE_DOUBLE] = {.kind = TYPE_DOUBLE, .text = "double"},
    [TYPE_STRING] = {.kind = TYPE_STRING, .text = "string"},
    [TYPE_BINARY] = {.kind = TYPE_BINARY, .text = "binary"},
    [TYPE_DATE] = {.kind = TYPE_DATE, .text = "date"},
    [TYPE_TIMESTAMP] = {.kind = TYPE_TIMESTAMP, .text = "timestamp"},
    [TYPE_TIMESTAMP_NTZ] = {.kind = TYPE_TIMESTAMP_NTZ, .text = "timestamp_ntz"},
    [TYPE_INTERVAL_YEAR_MONTH] = {.kind = TYPE_INTERVAL_YEAR_MONTH,
                                  .last = INTERVAL_MONTH,
                                  .text = "interval year to month"},
    [TYPE_INTERVAL_DAY_TIME] = {.kind = TYPE_INTERVAL_DAY_TIME,
                                .first = INTERVAL_DAY,
                                .last = INTERVAL_SECOND,
                                .text = "interval day to second"},
};

static pthread_mutex_t type_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct type **type_slots; // open addressing by the text's hash; a power of two
static size_t type_slot_count, type_used;

static size_t slot_of(const struct type **slots, size_t slot_count, const char *text)
{
    size_t at = (size_t)hash_64(text, strlen(text), 0) & (slot_count - 1);
    while (slots[at] && strcmp(slots[at]->text, text) != 0) at = (at + 1) & (slot_count - 1);
    return at;
}

static void slots_grow(void)
{
    size_t slot_count = type_slot_count ? type_slot_count * 2 : TYPE_SLOTS_FIRST;
    const struct type **slots = memory_calloc(slot_count, sizeof *slots);
    for (size_t i = 0; i < type_slot_count; i++) {
        if (type_slots[i]) slots[slot_of(slots, slot_count, type_slots[i]->text)] = type_slots[i];
    }
    memory_free(type_slots);
    type_slots = slots;
    type_slot_count = slot_count;
}

// Takes text; the type's children are borrowed and copied only when the type is new.
static const struct type *type_intern(const struct type *wanted, struct text *text)
{
    pthread_mutex_lock(&type_lock);
    if (type_used * 2 >= type_slot_count) slots_grow();
    size_t at = slot_of(type_slots, type_slot_count, text_str(text));
    if (!type_slots[at]) {
        struct type *type = memory_alloc(sizeof *type);
        *type = *wanted;
        type->text = text_take(text);
        struct field *children = memory_alloc(wanted->child_count * sizeof *children);
        for (uint32_t i = 0; i < wanted->child_count; i++) {
            children[i].name = memory_strdup(wanted->children[i].name);
            children[i].type = wanted->children[i].type;
        }
        type->children = children;
        type_slots[at] = type;
        type_used++;
    }
    const struct type *found = type_slots[at];
    pthread_mutex_unlock(&type_lock);
    text_deinit(text);
    return found;
}

const struct type *type_known(const char *text)
{
    pthread_mutex_lock(&type_lock);
    const struct type *found = type_slot_count ? type_slots[slot_of(type_slots, type_slot_count, text)] : NULL;
    pthread_mutex_unlock(&type_lock);
    return found;
}

const struct type *type_of(enum type_kind kind)
{
    ASSERT((size_t)kind < sizeof type_simple / sizeof *type_simple && type_simple[kind].text);
    return &type_simple[kind];
}

const struct type *type_decimal(uint8_t precision, uint8_t scale)
{
    ASSERT(precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale <= precision);
    struct text text = {0};
    text_printf(&text, "decimal(%u,%u)", precision, scale);
    return type_intern(&(struct type){.kind = TYPE_DECIMAL, .precision = precision, .scale = scale}, &text);
}

const struct type *type_interval(enum interval_field first, enum interval_field last)
{
    static const char *const names[] = {"year", "month", "day", "hour", "minute", "second"};
    enum type_kind kind = last <= INTERVAL_MONTH ? TYPE_INTERVAL_YEAR_MONTH : TYPE_INTERVAL_DAY_TIME;
    const struct type *widest = type_of(kind);
    ASSERT(first <= last && first >= widest->first && last <= widest->last);
    if (first == widest->first && last == widest->last) return widest;
    struct text text = {0};
    text_printf(&text, "interval %s", names[first]);
    if (first != last) text_printf(&text, " to %s", names[last]);
    return type_intern(&(struct type){.kind = kind, .first = (uint8_t)first, .last = (uint8_t)last}, &text);
}

const struct type *type_interval_wider(const struct type *a, const struct type *b)
{
    ASSERT(a->kind == b->kind);
    return type_interval(a->first < b->first ? a->first : b->first, a->last > b->last ? a->last : b->last);
}

int64_t type_interval_unit(enum interval_field field)
{
    static const int64_t units[] = {12, 1, INT64_C(86400000000), INT64_C(3600000000), 60000000, 1000000};
    return units[field];
}

static bool name_is_plain(const char *name)
{
    if (!*name || (*name >= '0' && *name <= '9')) return false;
    for (const char *c = name; *c; c++) {
        bool letter = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || *c == '_';
        if (!letter && !(*c >= '0' && *c <= '9')) return false;
    }
    return true;
}

static void append_name(struct text *text, const char *name)
{
    if (name_is_plain(name)) {
        text_append_str(text, name);
        return;
    }
    text_append_char(text, '`');
    for (const char *c = name; *c; c++) {
        if (*c == '`') text_append_char(text, '`');
        text_append_char(text, *c);
    }
    text_append_char(text, '`');
}

const struct type *type_struct(const struct field *fields, uint32_t count)
{
    struct text text = {0};
    text_append_str(&text, "struct<");
    for (uint32_t i = 0; i < count; i++) {
        if (i) text_append_char(&text, ',');
        append_name(&text, fields[i].name);
        text_append_char(&text, ':');
        text_append_str(&text, fields[i].type->text);
    }
    text_append_char(&text, '>');
    return type_intern(&(struct type){.kind = TYPE_STRUCT, .child_count = count, .children = fields}, &text);
}

const struct type *type_array(const struct type *element)
{
    struct text text = {0};
    text_printf(&text, "array<%s>", element->text);
    struct field children[1] = {{"element", element}};
    return type_intern(&(struct type){.kind = TYPE_ARRAY, .child_count = 1, .children = children}, &text);
}

const struct type *type_map(const struct type *key, const struct type *value)
{
    struct text text = {0};
    text_printf(&text, "map<%s,%s>", key->text, value->text);
    struct field children[2] = {{"key", key}, {"value", value}};
    return type_intern(&(struct type){.kind = TYPE_MAP, .child_count = 2, .children = children}, &text);
}

int type_field_find(const struct type *struct_type, const char *name)
{
    for (uint32_t i = 0; i < struct_type->child_count; i++) {
        if (strcmp(struct_type->children[i].name, name) == 0) return (int)i;
    }
    for (uint32_t i = 0; i < struct_type->child_count; i++) {
        if (strcasecmp(struct_type->children[i].name, name) == 0) return (int)i;
    }
    return -1;
}

uint32_t type_width(const struct type *type)
{
    switch (type->kind) {
    case TYPE_BOOLEAN:
    case TYPE_TINYINT: return 1;
    case TYPE_SMALLINT: return 2;
    case TYPE_INT:
    case TYPE_FLOAT:
    case TYPE_DATE:
    case TYPE_INTERVAL_YEAR_MONTH: return 4;
    case TYPE_BIGINT:
    case TYPE_DOUBLE:
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_NTZ:
    case TYPE_INTERVAL_DAY_TIME: return 8;
    case TYPE_DECIMAL: return 16;
    default: return 0;
    }
}

bool type_is_integral(const struct type *type)
{
    return type->kind >= TYPE_TINYINT && type->kind <= TYPE_BIGINT;
}

bool type_is_numeric(const struct type *type)
{
    return type->kind >= TYPE_TINYINT && type->kind <= TYPE_DECIMAL;
}
