// Rules of strings, dates, arrays, maps, structs, JSON and aggregates. As function_rules.c.
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/plan/function_rules.h"

static enum status unexpected(const struct function_rule_call *call, uint32_t arg, const char *expected,
                              struct error *err)
{
    return function_coerce_fail(err, "DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE",
                                "argument %u of %s must be %s, but is %s", arg + 1, call->call->name, expected,
                                call->call->arg_types[arg]->text);
}

static const struct type *element_of(const struct type *array)
{
    return array->children[0].type;
}

// Text of a literal string argument in the arena; NULL if it is none.
static const char *literal_text(const struct function_rule_call *call, uint32_t arg)
{
    const Foreset__Expr *literal = function_rules_literal(call, arg);
    if (!literal || !literal->has_bytes) return NULL;
    return arena_strndup(call->arena, (const char *)literal->bytes.data, literal->bytes.len);
}

enum status function_rules_concat(struct function_rule_call *call, struct error *err)
{
    uint32_t count = call->call->arg_count;
    call->binding->name = "concat";
    call->binding->null_intolerant = true;
    bool binary = count > 0, array = false;
    for (uint32_t i = 0; i < count; i++) {
        binary = binary && function_rules_type(call, i)->kind == TYPE_BINARY;
        array = array || function_rules_type(call, i)->kind == TYPE_ARRAY;
    }
    call->binding->type = type_of(binary ? TYPE_BINARY : TYPE_STRING);
    if (array) {
        enum status status = function_rules_common(call, 0, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
        if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
        return status;
    }
    for (uint32_t i = 0; i < count && !binary; i++) {
        enum status status = function_rules_implicit(call, i, 's', err);
        if (status != STATUS_OK) return status;
    }
    return STATUS_OK;
}

enum status function_rules_concat_ws(struct function_rule_call *call, struct error *err)
{
    const struct type *strings = type_array(type_of(TYPE_STRING));
    for (uint32_t i = 0; i < call->call->arg_count; i++) {
        if (i > 0 && function_rules_type(call, i)->kind == TYPE_ARRAY) {
            function_rules_cast(call, i, strings);
            continue;
        }
        enum status status = function_rules_implicit(call, i, 's', err);
        if (status != STATUS_OK) return status;
    }
    call->binding->type = type_of(TYPE_STRING);
    return STATUS_OK;
}

enum status function_rules_reverse(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    if (function_rules_type(call, 0)->kind != TYPE_ARRAY) status = function_rules_implicit(call, 0, 's', err);
    if (status == STATUS_OK) call->binding->type = function_rules_type(call, 0);
    return status;
}

enum status function_rules_hex(struct function_rule_call *call, struct error *err)
{
    const struct type *type = function_rules_type(call, 0);
    call->binding->type = type_of(TYPE_STRING);
    if (type_is_numeric(type)) return function_rules_implicit(call, 0, 'l', err);
    return function_rules_implicit(call, 0, 'Y', err);
}

// The escape character, where there is one, is a literal.
enum status function_rules_like(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    uint32_t characters = 1;
    if (call->call->arg_count == 3) {
        const char *escape = literal_text(call, 2);
        characters = 0;
        for (; escape && *escape; escape++) characters += (*escape & 0xC0) != 0x80;
    }
    if (characters != 1) {
        return function_coerce_fail(err, "INVALID_ESCAPE_CHAR", "the escape of %s must be a literal of one character",
                                    call->call->name);
    }
    call->binding->type = type_of(TYPE_BOOLEAN);
    for (uint32_t i = 0; i < call->call->arg_count && status == STATUS_OK; i++)
        status = function_rules_implicit(call, i, 's', err);
    return status;
}

// Spark casts nothing here.
enum status function_rules_format_number(struct function_rule_call *call, struct error *err)
{
    const struct type *number = function_rules_type(call, 0), *format = function_rules_type(call, 1);
    call->binding->type = type_of(TYPE_STRING);
    if (!type_is_numeric(number) && number->kind != TYPE_VOID) return unexpected(call, 0, "a number", err);
    if (format->kind != TYPE_INT && format->kind != TYPE_STRING && format->kind != TYPE_VOID)
        return unexpected(call, 1, "INT or STRING", err);
    if (number->kind == TYPE_VOID) function_rules_cast(call, 0, type_of(TYPE_DOUBLE));
    if (format->kind == TYPE_VOID) function_rules_cast(call, 1, type_of(TYPE_INT));
    return STATUS_OK;
}

// decode(bytes, charset), or decode(value, search, result, …[, default]) as Oracle has it.
enum status function_rules_decode(struct function_rule_call *call, struct error *err)
{
    uint32_t count = call->call->arg_count;
    if (count == 2) {
        call->binding->name = "decode_charset";
        call->binding->null_intolerant = true;
        call->binding->type = type_of(TYPE_STRING);
        enum status status = function_rules_implicit(call, 0, 'y', err);
        return status == STATUS_OK ? function_rules_implicit(call, 1, 's', err) : status;
    }
    const struct type *key = function_rules_type(call, 0), *value = type_of(TYPE_VOID);
    for (uint32_t i = 1; i < count && key && value; i++) {
        bool is_key = i % 2 == 1 && i + 1 < count;
        if (is_key) {
            key = function_coerce_wider(key, function_rules_type(call, i), true);
        } else {
            value = function_coerce_wider(value, function_rules_type(call, i), true);
        }
    }
    if (!key || !value) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.DATA_DIFF_TYPES",
                                    "decode: keys and results each need one type");
    }
    for (uint32_t i = 0; i < count; i++) {
        bool is_key = i == 0 || (i % 2 == 1 && i + 1 < count);
        function_rules_cast(call, i, is_key ? key : value);
    }
    call->binding->type = value;
    return STATUS_OK;
}

enum status function_rules_elt(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_implicit(call, 0, 'i', err);
    for (uint32_t i = 1; i < call->call->arg_count && status == STATUS_OK; i++) {
        status = function_rules_implicit(call, i, 'Y', err);
    }
    call->binding->type = type_of(TYPE_STRING);
    return status;
}

// date_part('SECOND', ts) is a decimal, every other field an INT; the kernel reads the field from the literal.
enum status function_rules_date_part(struct function_rule_call *call, struct error *err)
{
    static const char *const dates[] = {"year",      "y",   "years",         "yr",      "yrs",  "yearofweek",
                                        "quarter",   "qtr", "month",         "mon",     "mons", "months",
                                        "week",      "w",   "weeks",         "day",     "d",    "days",
                                        "dayofweek", "dow", "dayofweek_iso", "dow_iso", "doy",  NULL};
    static const char *const times[] = {"hour", "h",       "hours",  "hr", "hrs", "minute",  "m",    "min",
                                        "mins", "minutes", "second", "s",  "sec", "seconds", "secs", NULL};
    const char *field = literal_text(call, 0);
    if (!field) {
        return function_coerce_fail(err, "NON_FOLDABLE_ARGUMENT", "the field of %s must be a string literal",
                                    call->call->name);
    }
    function_rules_cast(call, 0, type_of(TYPE_STRING));
    call->binding->type = type_of(TYPE_INT);
    const struct type *source = function_rules_type(call, 1);
    bool interval = source->kind == TYPE_INTERVAL_DAY_TIME || source->kind == TYPE_INTERVAL_YEAR_MONTH;
    for (size_t i = 0; times[i]; i++) {
        if (strcasecmp(times[i], field) != 0) continue;
        if (interval) call->binding->type = type_of(TYPE_TINYINT);
        if (times[i][0] == 's') call->binding->type = type_decimal(8, 6);
        return interval ? STATUS_OK : function_rules_implicit(call, 1, 'T', err);
    }
    for (size_t i = 0; dates[i]; i++) {
        if (strcasecmp(dates[i], field) != 0) continue;
        if (interval && strncasecmp(field, "mon", 3) == 0) call->binding->type = type_of(TYPE_TINYINT);
        return interval ? STATUS_OK : function_rules_implicit(call, 1, 'D', err);
    }
    return function_coerce_fail(err, "INVALID_EXTRACT_FIELD", "%s: there is no field '%s' in a %s", call->call->name,
                                field, source->text);
}

enum status function_rules_date_add(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_implicit(call, 0, 'D', err);
    if (status != STATUS_OK) return status;
    const struct type *days = function_rules_type(call, 1);
    bool small = type_is_integral(days) && days->kind != TYPE_BIGINT;
    if (!small && days->kind != TYPE_STRING && days->kind != TYPE_VOID)
        return unexpected(call, 1, "INT, SMALLINT or TINYINT", err);
    function_rules_cast(call, 1, type_of(TYPE_INT));
    call->binding->type = type_of(TYPE_DATE);
    return STATUS_OK;
}

enum status function_rules_make_timestamp(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < 5 && status == STATUS_OK; i++) status = function_rules_implicit(call, i, 'i', err);
    if (status == STATUS_OK) status = function_rules_implicit(call, 5, 'd', err); // checked as a number
    if (status == STATUS_OK) function_rules_cast(call, 5, type_decimal(16, 6));
    if (status == STATUS_OK && call->call->arg_count == 7) status = function_rules_implicit(call, 6, 's', err);
    bool ntz = strcmp(call->row->name, "make_timestamp_ntz") == 0;
    if (strcmp(call->row->name, "make_timestamp_ltz") == 0) call->binding->name = "make_timestamp";
    call->binding->type = type_of(ntz ? TYPE_TIMESTAMP_NTZ : TYPE_TIMESTAMP);
    return status;
}

enum status function_rules_make_interval(struct function_rule_call *call, struct error *err)
{
    bool days = strcmp(call->row->name, "make_dt_interval") == 0;
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < call->call->arg_count && status == STATUS_OK; i++) {
        if (days && i == 3) {
            status = function_rules_implicit(call, i, 'd', err);
            function_rules_cast(call, i, type_decimal(18, 6));
        } else {
            status = function_rules_implicit(call, i, 'i', err);
        }
    }
    call->binding->type = type_of(days ? TYPE_INTERVAL_DAY_TIME : TYPE_INTERVAL_YEAR_MONTH);
    return status;
}

// struct(a, b): the binder writes named_struct where it knows the columns' names; here they are col1, col2, ….
enum status function_rules_struct(struct function_rule_call *call, struct error *err)
{
    (void)err;
    uint32_t count = call->call->arg_count;
    struct field *fields = arena_alloc(call->arena, count * sizeof *fields);
    for (uint32_t i = 0; i < count; i++) {
        fields[i].name = arena_printf(call->arena, "col%u", i + 1);
        fields[i].type = function_rules_type(call, i);
    }
    call->binding->type = type_struct(fields, count);
    return STATUS_OK;
}

enum status function_rules_named_struct(struct function_rule_call *call, struct error *err)
{
    uint32_t count = call->call->arg_count;
    if (count % 2) {
        return function_coerce_fail(err, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                                    "named_struct takes pairs of name and value, got %u arguments", count);
    }
    struct field *fields = arena_alloc(call->arena, count / 2 * sizeof *fields);
    for (uint32_t i = 0; i < count; i += 2) {
        const char *name = literal_text(call, i);
        if (!name) {
            return function_coerce_fail(err, "DATATYPE_MISMATCH.CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING",
                                        "argument %u of named_struct, a field's name, must be a string literal", i + 1);
        }
        fields[i / 2] = (struct field){name, function_rules_type(call, i + 1)};
    }
    call->binding->type = type_struct(fields, count / 2);
    return STATUS_OK;
}

enum status function_rules_array(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_common(call, 0, 1, true, "DATATYPE_MISMATCH.DATA_DIFF_TYPES", err);
    if (status != STATUS_OK) return status;
    call->binding->type = type_array(call->call->arg_count ? function_rules_type(call, 0) : type_of(TYPE_VOID));
    return STATUS_OK;
}

enum status function_rules_map(struct function_rule_call *call, struct error *err)
{
    uint32_t count = call->call->arg_count;
    if (count % 2) {
        return function_coerce_fail(err, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION",
                                    "map takes pairs of key and value, got %u arguments", count);
    }
    enum status status = function_rules_common(call, 0, 2, true, "DATATYPE_MISMATCH.CREATE_MAP_KEY_DIFF_TYPES", err);
    if (status == STATUS_OK && count) {
        status = function_rules_common(call, 1, 2, true, "DATATYPE_MISMATCH.CREATE_MAP_VALUE_DIFF_TYPES", err);
    }
    if (status != STATUS_OK) return status;
    call->binding->type = count ? type_map(function_rules_type(call, 0), function_rules_type(call, 1))
                                : type_map(type_of(TYPE_VOID), type_of(TYPE_VOID));
    return STATUS_OK;
}

static enum status element_of_map(struct function_rule_call *call, struct error *err)
{
    const struct type *map = function_rules_type(call, 0), *key = function_rules_type(call, 1);
    bool operator_form = call->row->name[0] == '[';
    const struct type *common = operator_form ? function_coerce_wider(map->children[0].type, key, true)
                                              : function_coerce_tightest(map->children[0].type, key);
    if (!common) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.MAP_FUNCTION_DIFF_TYPES",
                                    "the map's keys are %s, but the key given is %s", map->children[0].type->text,
                                    key->text);
    }
    function_rules_cast(call, 1, operator_form ? map->children[0].type : common);
    if (!operator_form) function_rules_cast(call, 0, type_map(common, map->children[1].type));
    call->binding->type = map->children[1].type;
    return STATUS_OK;
}

enum status function_rules_element(struct function_rule_call *call, struct error *err)
{
    const struct type *from = function_rules_type(call, 0), *index = function_rules_type(call, 1);
    bool get = strcmp(call->row->name, "get") == 0;
    if (from->kind == TYPE_MAP && !get) return element_of_map(call, err);
    if (from->kind != TYPE_ARRAY) return unexpected(call, 0, get ? "ARRAY" : "ARRAY or MAP", err);
    bool operator_form = call->row->name[0] == '[';
    if (operator_form && index->kind == TYPE_BIGINT) {
        call->binding->type = element_of(from);
        return STATUS_OK;
    }
    if (!operator_form && index->kind == TYPE_BIGINT) return unexpected(call, 1, "INT", err);
    if (operator_form && !type_is_integral(index) && index->kind != TYPE_VOID) return unexpected(call, 1, "INT", err);
    enum status status = function_rules_implicit(call, 1, 'i', err);
    if (status == STATUS_OK) call->binding->type = element_of(from);
    return status;
}

enum status function_rules_size(struct function_rule_call *call, struct error *err)
{
    enum type_kind kind = function_rules_type(call, 0)->kind;
    if (kind != TYPE_ARRAY && kind != TYPE_MAP) {
        if (kind != TYPE_VOID) return unexpected(call, 0, "ARRAY or MAP", err);
        function_rules_cast(call, 0, type_array(type_of(TYPE_VOID)));
    }
    call->binding->type = type_of(TYPE_INT);
    return STATUS_OK;
}

// array_contains, array_position, array_remove, array_append, array_prepend: the element's and the value's common type.
enum status function_rules_array_value(struct function_rule_call *call, struct error *err)
{
    const struct type *array = function_rules_type(call, 0), *value = function_rules_type(call, 1);
    const char *name = call->row->name;
    bool adds = strcmp(name, "array_append") == 0 || strcmp(name, "array_prepend") == 0;
    if (array->kind == TYPE_VOID || (value->kind == TYPE_VOID && !adds)) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.NULL_TYPE", "%s: neither argument may be a bare NULL",
                                    name);
    }
    if (array->kind != TYPE_ARRAY) return unexpected(call, 0, "ARRAY", err);
    const struct type *common = function_coerce_wider(element_of(array), value, false);
    if (!common) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.ARRAY_FUNCTION_DIFF_TYPES",
                                    "%s: the array's elements are %s, but the value is %s", name,
                                    element_of(array)->text, value->text);
    }
    function_rules_cast(call, 0, type_array(common));
    function_rules_cast(call, 1, common);
    if (strcmp(name, "array_contains") == 0) {
        call->binding->type = type_of(TYPE_BOOLEAN);
    } else {
        call->binding->type = strcmp(name, "array_position") == 0 ? type_of(TYPE_BIGINT) : type_array(common);
    }
    return STATUS_OK;
}

enum status function_rules_array_element(struct function_rule_call *call, struct error *err)
{
    const struct type *array = function_rules_type(call, 0);
    if (array->kind != TYPE_ARRAY) return unexpected(call, 0, "ARRAY", err);
    if (strcmp(call->row->name, "flatten") == 0 && element_of(array)->kind != TYPE_ARRAY) {
        return unexpected(call, 0, "ARRAY of ARRAY", err);
    }
    call->binding->type = element_of(array);
    return STATUS_OK;
}

enum status function_rules_array_repeat(struct function_rule_call *call, struct error *err)
{
    call->binding->type = type_array(function_rules_type(call, 0));
    call->binding->null_intolerant = false;
    return function_rules_implicit(call, 1, 'i', err);
}

enum status function_rules_array_join(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    const struct type *array = function_rules_type(call, 0);
    if (array->kind != TYPE_ARRAY || !function_coerce_implicit(element_of(array), 's'))
        return unexpected(call, 0, "ARRAY of STRING", err);
    function_rules_cast(call, 0, type_array(type_of(TYPE_STRING)));
    for (uint32_t i = 1; i < call->call->arg_count && status == STATUS_OK; i++)
        status = function_rules_implicit(call, i, 's', err);
    call->binding->type = type_of(TYPE_STRING);
    return status;
}

enum status function_rules_array_pair(struct function_rule_call *call, struct error *err)
{
    for (uint32_t i = 0; i < 2; i++) {
        if (function_rules_type(call, i)->kind != TYPE_ARRAY) return unexpected(call, i, "ARRAY", err);
    }
    enum status status = function_rules_common(call, 0, 1, false, "DATATYPE_MISMATCH.BINARY_ARRAY_DIFF_TYPES", err);
    if (status != STATUS_OK) return status;
    bool overlap = strcmp(call->row->name, "arrays_overlap") == 0;
    call->binding->type = overlap ? type_of(TYPE_BOOLEAN) : function_rules_type(call, 0);
    return STATUS_OK;
}

enum status function_rules_sequence(struct function_rule_call *call, struct error *err)
{
    const struct type *from = function_rules_type(call, 0), *to = function_rules_type(call, 1);
    const struct type *common = function_coerce_tightest(from, to);
    bool integral = common && type_is_integral(common);
    bool time =
        common && (common->kind == TYPE_DATE || common->kind == TYPE_TIMESTAMP || common->kind == TYPE_TIMESTAMP_NTZ);
    if (!integral && !time) return unexpected(call, 0, "integral numbers, dates or timestamps", err);
    function_rules_cast(call, 0, common);
    function_rules_cast(call, 1, common);
    if (call->call->arg_count == 3 && integral) function_rules_cast(call, 2, common);
    call->binding->type = type_array(common);
    return STATUS_OK;
}

enum status function_rules_map_part(struct function_rule_call *call, struct error *err)
{
    const struct type *map = function_rules_type(call, 0);
    if (map->kind != TYPE_MAP) return unexpected(call, 0, "MAP", err);
    if (strcmp(call->row->name, "map_entries") == 0) {
        struct field fields[2] = {{"key", map->children[0].type}, {"value", map->children[1].type}};
        call->binding->type = type_array(type_struct(fields, 2));
    } else {
        call->binding->type = type_array(map->children[strcmp(call->row->name, "map_values") == 0].type);
    }
    return STATUS_OK;
}

enum status function_rules_map_key(struct function_rule_call *call, struct error *err)
{
    const struct type *map = function_rules_type(call, 0);
    if (map->kind != TYPE_MAP) return unexpected(call, 0, "MAP", err);
    function_rules_cast(call, 1, map->children[0].type);
    call->binding->type = type_of(TYPE_BOOLEAN);
    return STATUS_OK;
}

enum status function_rules_map_from(struct function_rule_call *call, struct error *err)
{
    const struct type *a = function_rules_type(call, 0);
    if (a->kind != TYPE_ARRAY) return unexpected(call, 0, "ARRAY", err);
    if (call->call->arg_count == 2) {
        const struct type *b = function_rules_type(call, 1);
        if (b->kind != TYPE_ARRAY) return unexpected(call, 1, "ARRAY", err);
        call->binding->type = type_map(element_of(a), element_of(b));
        return STATUS_OK;
    }
    const struct type *entry = element_of(a);
    if (entry->kind != TYPE_STRUCT || entry->child_count != 2) return unexpected(call, 0, "ARRAY of pairs", err);
    call->binding->type = type_map(entry->children[0].type, entry->children[1].type);
    return STATUS_OK;
}

static bool has_other_keys(const struct type *type)
{
    bool found = type->kind == TYPE_MAP && type->children[0].type->kind != TYPE_STRING;
    for (uint32_t i = 0; i < type->child_count && !found; i++) found = has_other_keys(type->children[i].type);
    return found;
}

enum status function_rules_mask(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < call->call->arg_count; i++) {
        TRY(function_rules_implicit(call, i, 's', err));
        const char *text = i ? literal_text(call, i) : NULL;
        if (!text || !*text) continue;
        size_t characters = 0;
        for (const char *at = text; *at; at++) characters += ((unsigned char)*at & 0xC0) != 0x80;
        if (characters == 1) continue;
        return function_coerce_fail(err, "DATATYPE_MISMATCH.INPUT_SIZE_NOT_ONE",
                                    "argument %u of mask must be one character, but is '%.100s'", i + 1, text);
    }
    call->binding->type = type_of(TYPE_STRING);
out:
    return status;
}

enum status function_rules_regexp_replace(struct function_rule_call *call, struct error *err)
{
    enum status status = STATUS_OK;
    for (uint32_t i = 0; i < 3; i++) TRY(function_rules_implicit(call, i, 's', err));
    call->binding->type = type_of(TYPE_STRING);
    if (call->call->arg_count < 4) return STATUS_OK;
    TRY(function_rules_implicit(call, 3, 'i', err));
    const Foreset__Expr *position = function_rules_literal(call, 3);
    if (position && position->has_integer && position->integer < 1) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE",
                                    "the position of regexp_replace must be 1 or more, but is %lld",
                                    (long long)position->integer);
    }
out:
    return status;
}

enum status function_rules_from_json(struct function_rule_call *call, struct error *err)
{
    enum status status = function_rules_implicit(call, 0, 's', err);
    if (status != STATUS_OK) return status;
    const char *schema = literal_text(call, 1);
    if (!schema) {
        return function_coerce_fail(err, "INVALID_SCHEMA.NON_STRING_LITERAL",
                                    "the schema of from_json must be a string literal");
    }
    const struct type *type;
    struct error ddl_error, type_error;
    if (type_parse_ddl(schema, &type, &ddl_error) != STATUS_OK && type_parse(schema, &type, &type_error) != STATUS_OK) {
        return function_coerce_fail(err, "PARSE_SYNTAX_ERROR", "the schema of from_json: %.400s", ddl_error.message);
    }
    if (type->kind != TYPE_STRUCT && type->kind != TYPE_ARRAY && type->kind != TYPE_MAP) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
                                    "the schema of from_json must be a struct, an array or a map, but is %s",
                                    type->text);
    }
    if (has_other_keys(type)) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.INVALID_JSON_MAP_KEY_TYPE",
                                    "the schema of from_json has a map whose keys are not strings: %s", type->text);
    }
    if (call->call->arg_count == 3 && function_rules_type(call, 2)->kind != TYPE_MAP) {
        return unexpected(call, 2, "a map of literals", err);
    }
    call->binding->type = type;
    return STATUS_OK;
}

enum status function_rules_to_json(struct function_rule_call *call, struct error *err)
{
    if (function_rules_type(call, 0)->kind < TYPE_STRUCT) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.INVALID_JSON_SCHEMA",
                                    "to_json takes a struct, an array or a map, not %s",
                                    function_rules_type(call, 0)->text);
    }
    call->binding->type = type_of(TYPE_STRING);
    return STATUS_OK;
}

enum status function_rules_sum(struct function_rule_call *call, struct error *err)
{
    const struct type *type = function_rules_type(call, 0);
    bool average = strstr(call->row->name, "avg") != NULL;
    if (type->kind == TYPE_INTERVAL_DAY_TIME || type->kind == TYPE_INTERVAL_YEAR_MONTH) {
        call->binding->type = average ? type_of(type->kind) : type;
        return STATUS_OK;
    }
    if (type->kind == TYPE_TIMESTAMP) { // Spark casts it to double
        function_rules_cast(call, 0, type_of(TYPE_DOUBLE));
        call->binding->type = type_of(TYPE_DOUBLE);
        return STATUS_OK;
    }
    enum status status = function_rules_implicit(call, 0, 'N', err);
    if (status != STATUS_OK) return status;
    type = function_rules_type(call, 0);
    if (type->kind == TYPE_DECIMAL) {
        int more = average ? 4 : 0;
        call->binding->type = function_coerce_decimal_capped(type->precision + (average ? 4 : 10), type->scale + more);
        return STATUS_OK;
    }
    bool integral = type_is_integral(type) && !average;
    function_rules_cast(call, 0, type_of(integral ? TYPE_BIGINT : TYPE_DOUBLE));
    call->binding->type = type_of(integral ? TYPE_BIGINT : TYPE_DOUBLE);
    return STATUS_OK;
}

enum status function_rules_minmax(struct function_rule_call *call, struct error *err)
{
    uint32_t ordering = call->call->arg_count - 1;
    if (function_rules_type(call, ordering)->kind == TYPE_MAP) {
        return function_coerce_fail(err, "DATATYPE_MISMATCH.INVALID_ORDERING_TYPE", "%s: maps have no order",
                                    call->row->name);
    }
    call->binding->type = function_rules_type(call, 0);
    return STATUS_OK;
}

enum status function_rules_collect(struct function_rule_call *call, struct error *err)
{
    if (strcmp(call->row->name, "collect_set") == 0 && function_rules_type(call, 0)->kind == TYPE_MAP) {
        return unexpected(call, 0, "not a MAP", err);
    }
    call->binding->type = type_array(function_rules_type(call, 0));
    return STATUS_OK;
}

enum status function_rules_window(struct function_rule_call *call, struct error *err)
{
    const struct type *time = function_rules_type(call, 0);
    if (time->kind != TYPE_TIMESTAMP_NTZ) {
        enum status status = function_rules_implicit(call, 0, 'T', err);
        if (status != STATUS_OK) return status;
        time = type_of(TYPE_TIMESTAMP);
    }
    struct field fields[2] = {{"start", time}, {"end", time}};
    call->binding->type = type_struct(fields, 2);
    return STATUS_OK;
}

enum status function_rules_generator(struct function_rule_call *call, struct error *err)
{
    return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "function %s is not supported yet", call->row->name);
}
