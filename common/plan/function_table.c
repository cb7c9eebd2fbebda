// Looks a call up and resolves it: by its row's signature, or by its row's rule.
// Fails with Spark's conditions: UNRESOLVED_ROUTINE, WRONG_NUM_ARGS, DATATYPE_MISMATCH; a known function of Spark's
// that is not built is STATUS_UNSUPPORTED, by name.
#include "common/plan/function_table.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/plan/function_private.h"
#include "common/plan/function_rules.h"

static const struct function_row *row_find(const char *name)
{
    for (size_t i = 0; i < function_rows_count; i++) {
        if (strcasecmp(function_rows[i].name, name) != 0) continue;
        return function_rows[i].canonical ? row_find(function_rows[i].canonical) : &function_rows[i];
    }
    return NULL;
}

char function_operator(const char *name)
{
    if (strcmp(name, "try_add") == 0) return '+';
    if (strcmp(name, "try_subtract") == 0) return '-';
    if (strcmp(name, "try_multiply") == 0) return '*';
    if (strcmp(name, "try_divide") == 0) return '/';
    if (strcmp(name, "try_mod") == 0) return '%';
    return name[0];
}

// The function that a mistyped name may mean; NULL: none is near.
static const char *nearest_name(const char *name)
{
    const char **names = memory_calloc(function_rows_count + 1, sizeof *names);
    size_t count = 0;
    for (size_t i = 0; i < function_rows_count; i++) {
        if (isalpha((unsigned char)function_rows[i].name[0])) names[count++] = function_rows[i].name;
    }
    const char *near = text_nearest(name, names);
    memory_free(names);
    return near;
}

static enum status unresolved(const char *name, struct error *err)
{
    for (size_t i = 0; function_rows_refused[i]; i++) {
        if (strcasecmp(function_rows_refused[i], name) != 0) continue;
        return error_set(err, STATUS_UNSUPPORTED, ERROR_USAGE, "function %s is not supported yet", name);
    }
    const char *near = nearest_name(name);
    if (near)
        return function_coerce_fail(err, "UNRESOLVED_ROUTINE", "unknown function %s; did you mean %s?", name, near);
    return function_coerce_fail(err, "UNRESOLVED_ROUTINE", "unknown function %s", name);
}

static enum status wrong_count(const struct function_call *call, uint32_t min, uint32_t max, struct error *err)
{
    char expected[64];
    if (min == max) {
        snprintf(expected, sizeof expected, "%u", min);
    } else if (max >= FUNCTION_MANY) {
        snprintf(expected, sizeof expected, "at least %u", min);
    } else {
        snprintf(expected, sizeof expected, "%u to %u", min, max);
    }
    return function_coerce_fail(err, "WRONG_NUM_ARGS.WITHOUT_SUGGESTION", "%s takes %s argument%s, got %u", call->name,
                                expected, min == 1 && max == 1 ? "" : "s", call->arg_count);
}

struct signature {
    char letters[16];
    uint32_t count; // letters
    uint32_t min;
    bool repeats;
    char result;
};

static struct signature signature_parse(const char *text)
{
    struct signature signature = {.min = UINT32_MAX};
    for (; *text != '>'; text++) {
        if (*text == '?') {
            signature.min = signature.count;
        } else if (*text == '+') {
            signature.repeats = true;
        } else {
            ASSERT(signature.count < sizeof signature.letters);
            signature.letters[signature.count++] = *text;
        }
    }
    signature.result = text[1];
    if (signature.min == UINT32_MAX) signature.min = signature.repeats ? signature.count - 1 : signature.count;
    return signature;
}

static const struct type *result_of(const struct function_rule_call *call, char letter)
{
    switch (letter) {
    case 's': return type_of(TYPE_STRING);
    case 'y': return type_of(TYPE_BINARY);
    case 'i': return type_of(TYPE_INT);
    case 'l': return type_of(TYPE_BIGINT);
    case 'd': return type_of(TYPE_DOUBLE);
    case 'b': return type_of(TYPE_BOOLEAN);
    case 'D': return type_of(TYPE_DATE);
    case 'T': return type_of(TYPE_TIMESTAMP);
    case 'z': return type_of(TYPE_TIMESTAMP_NTZ);
    case 'S': return type_array(type_of(TYPE_STRING));
    case 'Z': return type_map(type_of(TYPE_STRING), type_of(TYPE_STRING));
    default: ASSERT(letter >= '1' && letter <= '9'); return call->binding->arg_types[letter - '1'];
    }
}

static enum status resolve_signature(struct function_rule_call *call, struct error *err)
{
    struct signature signature = signature_parse(call->row->signature);
    uint32_t count = call->call->arg_count;
    uint32_t max = signature.repeats ? FUNCTION_MANY : signature.count;
    if (count < signature.min || count > max) return wrong_count(call->call, signature.min, max, err);
    for (uint32_t i = 0; i < count; i++) {
        char letter = signature.letters[i < signature.count ? i : signature.count - 1];
        enum status status = function_rules_implicit(call, i, letter, err);
        if (status != STATUS_OK) return status;
    }
    call->binding->type = result_of(call, signature.result);
    return STATUS_OK;
}

enum status function_resolve(const struct function_call *call, struct arena *arena,
                             struct function_binding *ret_binding, struct error *err)
{
    const struct function_row *row = row_find(call->name);
    if (!row) return unresolved(call->name, err);
    if (call->arg_count > FUNCTION_ARGS_MAX) {
        return error_set(err, STATUS_INVALID, ERROR_USAGE, "%s has %u arguments, at most %u are allowed", call->name,
                         call->arg_count, FUNCTION_ARGS_MAX);
    }
    struct function_binding binding = {
        .name = row->name,
        .class = (enum function_class)row->class,
        .deterministic = !(row->flags & FUNCTION_NONDETERMINISTIC),
        .null_intolerant = !(row->flags & FUNCTION_NULL_TOLERANT),
    };
    binding.arg_types = arena_alloc(arena, (call->arg_count + 1) * sizeof *binding.arg_types);
    for (uint32_t i = 0; i < call->arg_count; i++) binding.arg_types[i] = call->arg_types[i];
    struct function_rule_call rule_call = {.row = row, .call = call, .arena = arena, .binding = &binding};
    enum status status;
    if (row->signature) {
        status = resolve_signature(&rule_call, err);
    } else if (call->arg_count < row->min_args || call->arg_count > row->max_args) {
        status = wrong_count(call, row->min_args, row->max_args, err);
    } else {
        status = row->rule(&rule_call, err);
    }
    if (status == STATUS_OK) *ret_binding = binding;
    return status;
}
