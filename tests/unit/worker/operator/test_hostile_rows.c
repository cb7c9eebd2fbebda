// Every function of the table over a batch with one hostile row, under little memory: the process lives, the hostile
// row has a value or is a dead letter that says why, and the other rows are what they are without it. Each function is
// named here, with whether its result can outgrow its arguments; one that is not named fails the test.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "common/plan/function_private.h"
#include "coordinator/planner/planner.h"
#include "worker/expr/expr.h"
#include "worker/operator/operator.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1 // wants all address space there is
#elif defined(__has_feature)
#define SANITIZED (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define SANITIZED 0
#endif

#define MEMORY_BYTES (64ull << 20)
#define SCHEMA                                                                                                         \
    "n INT, l BIGINT, d DOUBLE, q BOOLEAN, s STRING, u STRING, y BINARY, e DATE, t TIMESTAMP, z TIMESTAMP_NTZ, "       \
    "a ARRAY<STRING>, b ARRAY<INT>, m MAP<STRING,INT>, c DECIMAL(38,10), w STRING, x STRING"
#define HOSTILE_ROW 2u
#define ROWS        5u

enum growth {
    SMALL, // at most a constant times its arguments, or of fixed width: has a value or raises
    GROWS, // can be made to outgrow any memory: the hostile row is a dead letter
    AGGREGATES,
    PLANNED, // never evaluated: the planner makes operators of it, or refuses it
};
struct hostile_case {
    const char *name;
    enum growth growth;
    const char *sql; // NULL: made of the signature
};

// n and l are huge, s has 2 MiB, u 300 KiB of other characters, a 100,000 elements; w, x are patterns and words.
static const struct hostile_case cases[] = {
    {"lpad", GROWS, "lpad(s, 2000000000)"},
    {"rpad", GROWS, "rpad(s, n, 'ab')"},
    {"repeat", GROWS, "repeat(repeat(s, 3), n)"},
    {"space", GROWS, "space(n)"},
    {"replace", GROWS, "replace(s, left(s, 1), u)"},
    {"concat", GROWS, "concat(s, s, s, s, s, s, s, s, s, s)"},
    {"||", GROWS, "(s || s || s || s || s) || (s || s || s || s || s)"},
    {"concat_ws", GROWS, "concat_ws(u, split(s, ''))"},
    {"translate", SMALL, "translate(s, u, u)"},
    {"regexp_replace", GROWS, "regexp_replace(s, '.', u)"},
    {"regexp_extract_all", SMALL, "regexp_extract_all(s, '(.)', 1)"},
    {"overlay", SMALL, "overlay(s, u, 3)"},
    {"mask", GROWS, "mask(s, x, x, x, x)"},
    {"format_string", GROWS, "format_string('%s%s%s%s%s', s, s, s, s, s)"},
    {"format_number", SMALL, "format_number(d, 20)"},
    {"array_repeat", GROWS, "array_repeat(a, n)"},
    {"sequence", GROWS, "sequence(0, n)"},
    {"array_join", GROWS, "array_join(split(s, ''), u)"},
    {"array", GROWS, "array(a, a, a, a, a, a, a, a, a, a, a, a, a, a, a, a)"},
    {"map", GROWS, "map(1, a, 2, a, 3, a, 4, a, 5, a, 6, a, 7, a, 8, a, 9, a, 10, a, 11, a, 12, a, 13, a, 14, a)"},
    {"struct", SMALL, "struct(a, b, m)"},
    {"named_struct", SMALL, "named_struct('x', a, 'y', a)"},
    {"to_json", GROWS, "to_json(named_struct('x', s, 'y', s, 'z', s, 'p', s, 'q', s, 'r', s, 'v', s))"},
    {"from_json", SMALL, "from_json(concat('[', repeat('[', 3000), s), 'ARRAY<ARRAY<STRING>>')"},
    {"array_append", SMALL, "array_append(a, s)"},
    {"array_prepend", SMALL, "array_prepend(a, s)"},
    {"array_union", SMALL, "array_union(a, split(u, ''))"},
    {"array_intersect", SMALL, "array_intersect(a, a)"},
    {"array_except", SMALL, "array_except(a, a)"},
    {"arrays_overlap", SMALL, "arrays_overlap(a, split(u, ''))"},
    {"array_distinct", SMALL, "array_distinct(split(u, ''))"},
    {"flatten", SMALL, "flatten(array(a, a))"},
    {"map_from_arrays", SMALL, "map_from_arrays(a, a)"},
    {"map_from_entries", SMALL, "map_from_entries(map_entries(m))"},
    {"split", SMALL, "split(s, '')"},
    {"rlike", SMALL, "rlike(concat(s, '!'), '^(a+)+$')"},
    {"regexp_count", SMALL, "regexp_count(concat(left(s, 4000), '!'), '(a|aa)+$')"},
    {"levenshtein", SMALL, "levenshtein(s, u)"},
    {"trim", SMALL, "trim(u FROM s)"},
    {"case", SMALL, "CASE WHEN n > 5 THEN s ELSE w END"},
    {"if", SMALL, "if(n > 5, s, w)"},
    {"coalesce", SMALL, "coalesce(s, w)"},
    {"nvl", SMALL, "nvl(s, w)"},
    {"ifnull", SMALL, "ifnull(s, w)"},
    {"nullif", SMALL, "nullif(s, w)"},
    {"nvl2", SMALL, "nvl2(s, s, w)"},
    {"nullifzero", SMALL, "nullifzero(n)"},
    {"zeroifnull", SMALL, "zeroifnull(n)"},
    {"nanvl", SMALL, "nanvl(d, d)"},
    {"greatest", SMALL, "greatest(s, u, w)"},
    {"least", SMALL, "least(s, u, w)"},
    {"assert_true", SMALL, "assert_true(n < 5)"},
    {"raise_error", SMALL, "CASE WHEN n > 5 THEN raise_error(s) ELSE 1 END"},
    {"in", SMALL, "s IN (w, x)"},
    {"and", SMALL, "q AND n > 1"},
    {"or", SMALL, "q OR n > 1"},
    {"not", SMALL, "NOT q"},
    {"reverse", SMALL, "reverse(s)"},
    {"hex", SMALL, "hex(s)"},
    {"elt", SMALL, "elt(2, w, s)"},
    {"decode", SMALL, "decode(s, s, w, x)"},
    {"decode_charset", SMALL, "decode(y, 'utf-16')"},
    {"encode", SMALL, "encode(s, 'utf-16')"},
    {"like", SMALL, "s LIKE '%a%a%a%a%a%a%b'"},
    {"ilike", SMALL, "s ILIKE '%a%a%a%a%a%a%b'"},
    {"round", SMALL, "round(c, 5)"},
    {"bround", SMALL, "bround(c, 5)"},
    {"ceil", SMALL, "ceil(c)"},
    {"floor", SMALL, "floor(c)"},
    {"sign", SMALL, "sign(c)"},
    {"date_part", SMALL, "extract(YEAR FROM e)"},
    {"date_add", SMALL, "date_add(e, n)"},
    {"date_sub", SMALL, "date_sub(e, n)"},
    {"make_timestamp", SMALL, "make_timestamp(n, n, n, n, n, c)"},
    {"make_timestamp_ntz", SMALL, "make_timestamp_ntz(n, n, n, n, n, c)"},
    {"make_timestamp_ltz", SMALL, "make_timestamp_ltz(n, n, n, n, n, c)"},
    {"try_make_timestamp", SMALL, "try_make_timestamp(n, n, n, n, n, c)"},
    {"make_dt_interval", SMALL, "make_dt_interval(n, n, n, c)"},
    {"make_ym_interval", SMALL, "make_ym_interval(n, n)"},
    {"[]", SMALL, "a[n]"},
    {"element_at", SMALL, "element_at(a, n)"},
    {"try_element_at", SMALL, "try_element_at(a, n)"},
    {"get", SMALL, "get(a, n)"},
    {"size", SMALL, "size(a)"},
    {"array_contains", SMALL, "array_contains(a, s)"},
    {"array_position", SMALL, "array_position(a, s)"},
    {"array_remove", SMALL, "array_remove(a, s)"},
    {"array_max", SMALL, "array_max(a)"},
    {"array_min", SMALL, "array_min(a)"},
    {"map_keys", SMALL, "map_keys(m)"},
    {"map_values", SMALL, "map_values(m)"},
    {"map_entries", SMALL, "map_entries(m)"},
    {"map_contains_key", SMALL, "map_contains_key(m, w)"},
    {"to_timestamp", SMALL, "try_to_timestamp(s)"},
    {"to_date", SMALL, "try_to_date(s)"},
    {"date_format", SMALL, "date_format(t, 'yyyy-MM-dd HH:mm:ss.SSSSSS')"},
    {"from_unixtime", SMALL, "from_unixtime(l)"},
    {"window_time", SMALL, "window_time(named_struct('start', t, 'end', t))"},
    {"window", PLANNED, NULL},
    {"explode", PLANNED, NULL},
    {"explode_outer", PLANNED, NULL},
    {"posexplode", PLANNED, NULL},
    {"posexplode_outer", PLANNED, NULL},
    {"count", AGGREGATES, NULL},
    {"sum", AGGREGATES, NULL},
    {"try_sum", AGGREGATES, NULL},
    {"avg", AGGREGATES, NULL},
    {"try_avg", AGGREGATES, NULL},
    {"min", AGGREGATES, NULL},
    {"max", AGGREGATES, NULL},
    {"first", AGGREGATES, NULL},
    {"any_value", AGGREGATES, NULL},
    {"last", AGGREGATES, NULL},
    {"bool_and", AGGREGATES, NULL},
    {"bool_or", AGGREGATES, NULL},
    {"count_if", AGGREGATES, NULL},
    {"max_by", AGGREGATES, NULL},
    {"min_by", AGGREGATES, NULL},
    {"collect_list", AGGREGATES, NULL}, // grow with their group: counted in the state's budget
    {"collect_set", AGGREGATES, NULL},
    {"stddev_samp", AGGREGATES, NULL},
    {"stddev_pop", AGGREGATES, NULL},
    {"var_samp", AGGREGATES, NULL},
    {"var_pop", AGGREGATES, NULL},
    {"skewness", AGGREGATES, NULL},
    {"kurtosis", AGGREGATES, NULL},
    {"covar_pop", AGGREGATES, NULL},
    {"covar_samp", AGGREGATES, NULL},
    {"corr", AGGREGATES, NULL},
    {"regr_count", AGGREGATES, NULL},
    {"bit_and", AGGREGATES, NULL},
    {"bit_or", AGGREGATES, NULL},
    {"bit_xor", AGGREGATES, NULL},
    {"approx_count_distinct", AGGREGATES, NULL},
};

// Of signatures and fixed results: called with what their signature takes.
static const char small[] =
    " + - * / % div pmod try_add try_subtract try_multiply try_divide try_mod negative positive abs & | ^ ~ "
    "shiftleft shiftright shiftrightunsigned bit_count bit_get = <> < <= > >= <=> isnull isnotnull isnan upper "
    "lower initcap length octet_length bit_length ltrim rtrim substring substring_index left right split_part "
    "instr locate startswith endswith contains ascii chr unhex base64 unbase64 bin conv soundex find_in_set "
    "quote luhn_check url_encode url_decode try_url_decode parse_url try_parse_url is_valid_utf8 "
    "regexp_extract regexp_instr regexp_substr hash xxhash64 md5 sha sha2 crc32 sqrt cbrt exp expm1 ln log "
    "log10 log2 log1p power hypot sin cos tan cot sec csc asin acos atan atan2 sinh cosh tanh asinh acosh "
    "atanh degrees radians rint e pi factorial width_bucket rand randn uuid try_to_timestamp to_timestamp_ntz "
    "try_to_date date_trunc trunc year quarter month day dayofweek weekday dayofyear weekofyear hour minute "
    "second dayname monthname datediff add_months months_between next_day last_day unix_timestamp "
    "to_unix_timestamp unix_seconds unix_millis unix_micros unix_date date_from_unix_date timestamp_seconds "
    "timestamp_millis timestamp_micros current_timestamp localtimestamp current_date current_timezone "
    "make_date timestampadd timestampdiff from_utc_timestamp to_utc_timestamp convert_timezone array_size "
    "array_sort sort_array array_compact slice str_to_map get_json_object json_array_length json_object_keys "
    "typeof version ";

struct bench {
    struct arena arena;
    struct budget budget;
    struct expr_bound bound;
    const struct type *schema;
    struct operator_host host;
    struct text rows;    // what passed, but for the hostile row
    struct text reasons; // of dead letters, but for the hostile row's
    bool passed, dead;   // the hostile row
    char why[600];       // it is dead
    bool with_hostile;
};

// ---- Rows ----

static void put(struct column_builder *builder, const void *bytes, size_t length)
{
    struct error err;
    assert_int_equal(column_builder_bytes(builder, bytes, length, &err), STATUS_OK);
}

static void put_text(struct column_builder *builder, const char *unit, size_t count)
{
    struct text text = {0};
    for (size_t i = 0; i < count; i++) text_append_str(&text, unit);
    put(builder, text_str(&text), text.length);
    text_deinit(&text);
}

static void put_list(struct column_builder *builder, uint32_t count)
{
    struct error err;
    for (uint32_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "e%u", i);
        put(column_builder_child(builder, 0), name, strlen(name));
    }
    assert_int_equal(column_builder_nested(builder, &err), STATUS_OK);
}

static void put_number(struct column_builder *builder, const struct type *type, bool hostile)
{
    struct error err;
    __int128 value = hostile ? (__int128)INT32_MAX - 3 : 3;
    double real = hostile ? 1e300 : 3;
    if (hostile && type->kind == TYPE_BIGINT) value = INT64_MAX - 3;
    if (hostile && type->kind == TYPE_DECIMAL) value = ((__int128)INT64_MAX) * 1000000000000000000;
    if (hostile && (type->kind == TYPE_TIMESTAMP || type->kind == TYPE_TIMESTAMP_NTZ)) value = INT64_MAX / 2;
    if (type->kind == TYPE_BOOLEAN) value = 1;
    assert_int_equal(column_builder_fixed(builder, type->kind == TYPE_DOUBLE ? (void *)&real : &value, &err),
                     STATUS_OK);
}

static void put_nested(struct column_builder *builder, const struct type *type, bool hostile)
{
    struct error err;
    uint32_t count = hostile ? 100000 : 3;
    if (type->kind == TYPE_ARRAY && type->children[0].type->kind == TYPE_STRING) {
        put_list(builder, count);
        return;
    }
    for (int32_t i = 0; i < (int32_t)count; i++) {
        if (type->kind == TYPE_MAP) {
            char name[16];
            snprintf(name, sizeof name, "k%d", i);
            put(column_builder_child(builder, 0), name, strlen(name));
        }
        struct column_builder *values = column_builder_child(builder, type->kind == TYPE_MAP);
        assert_int_equal(column_builder_fixed(values, &i, &err), STATUS_OK);
    }
    assert_int_equal(column_builder_nested(builder, &err), STATUS_OK);
}

static void put_string(struct column_builder *builder, const char *name, bool hostile)
{
    switch (name[0]) {
    case 's': put_text(builder, "a", hostile ? 2u << 20 : 2); break;
    case 'u': put_text(builder, "b\xc3\xa9", hostile ? 100000 : 1); break;
    case 'x': put_text(builder, "xyz", hostile ? 20 : 1); break;
    default: put_text(builder, "w", 1);
    }
}

static struct batch *make_batch(const struct bench *bench)
{
    struct error err;
    struct column *columns[16];
    uint32_t count = bench->schema->child_count;
    assert_true(count == 16);
    for (uint32_t c = 0; c < count; c++) {
        const struct type *type = bench->schema->children[c].type;
        struct column_builder *builder = column_builder_create(NULL, type);
        for (uint32_t row = 0; row < ROWS; row++) {
            bool hostile = row == HOSTILE_ROW && bench->with_hostile;
            if (type->kind == TYPE_STRING || type->kind == TYPE_BINARY)
                put_string(builder, bench->schema->children[c].name, hostile);
            else if (type->kind >= TYPE_STRUCT)
                put_nested(builder, type, hostile);
            else
                put_number(builder, type, hostile);
        }
        assert_int_equal(column_builder_finish(builder, &columns[c], &err), STATUS_OK);
        column_builder_destroy(builder);
    }
    return batch_create(bench->schema, ROWS, columns);
}

static struct batch *batches[2]; // without the hostile row, with it: made once

// ---- The operator's surroundings ----

static enum status bench_emit(struct operator* op, struct batch *batch, struct error *err)
{
    struct bench *bench = op->host->lane_context;
    (void)err;
    for (uint32_t i = 0; i < batch->row_count; i++) {
        if (batch_row(batch, i) == HOSTILE_ROW)
            bench->passed = true;
        else
            batch_json(batch, i, &bench->rows);
    }
    return STATUS_OK;
}

static enum status bench_dead(struct operator* op, const struct batch *batch, const struct expr_errors *errors,
                              struct error *err)
{
    struct bench *bench = op->host->lane_context;
    (void)batch;
    (void)err;
    for (size_t i = 0; i < errors->items.count; i++) {
        const struct expr_row_error *item = &errors->items.items[i];
        assert_true(item->condition[0] && item->message && item->message[0]);
        if (item->row == HOSTILE_ROW) {
            bench->dead = true;
            snprintf(bench->why, sizeof bench->why, "%s: %s", item->condition, item->message);
        } else {
            text_printf(&bench->reasons, "%u: %s\n", item->row, item->condition);
        }
    }
    return STATUS_OK;
}

static void bench_up(struct bench *bench)
{
    struct error err;
    memset(bench, 0, sizeof *bench);
    arena_init(&bench->arena, 0);
    assert_int_equal(type_parse_ddl(SCHEMA, &bench->schema, &err), STATUS_OK);
    budget_init(&bench->budget, "memory", NULL, MEMORY_BYTES);
    expr_bound_init(&bench->bound, &bench->budget, MEMORY_BYTES, 1);
}

// SOURCE, PROJECT over the select list; then the batch with and without its hostile row.
static enum status run_once(struct bench *bench, const char *select, bool with_hostile, struct error *err)
{
    enum status status = STATUS_OK;
    Foreset__Plan *plan = NULL;
    const uint32_t *roots;
    const char *const *names;
    size_t count = 0;
    struct operator* op = NULL;
    bench->with_hostile = with_hostile;
    bench->passed = bench->dead = false;
    text_reset(&bench->rows);
    text_reset(&bench->reasons);
    TRY(planner_compile_select(select, bench->schema, &bench->arena, &plan, &roots, &names, &count, err));
    Foreset__Node source = FORESET__NODE__INIT, project = FORESET__NODE__INIT, *nodes[2] = {&source, &project};
    Foreset__Table table = FORESET__TABLE__INIT, *tables[1] = {&table};
    uint32_t input = 0;
    table.name = "t";
    source.kind = FORESET__NODE__KIND__SOURCE;
    source.schema = (char *)(uintptr_t)bench->schema->text;
    project.kind = FORESET__NODE__KIND__PROJECT;
    project.inputs = &input;
    project.n_inputs = 1;
    project.exprs = (uint32_t *)(uintptr_t)roots;
    project.n_exprs = count;
    project.schema = arena_printf(&bench->arena, "struct<r:%s>", plan->exprs[roots[0]]->type);
    plan->nodes = nodes;
    plan->n_nodes = 2;
    plan->tables = tables;
    plan->n_tables = 1;
    bench->host = (struct operator_host){.plan = plan,
                                         .lanes = 1,
                                         .budget = &bench->budget,
                                         .bound = &bench->bound,
                                         .lane_context = bench,
                                         .emit = bench_emit,
                                         .dead = bench_dead};
    TRY(project_operator_open(&bench->host, 1, &op, err));
    if (!batches[with_hostile]) batches[with_hostile] = make_batch(bench);
    status = operator_give(op, 0, batches[with_hostile], err);
out:
    if (op) op->ops->close(op);
    return status;
}

static void bench_down(struct bench *bench)
{
    text_deinit(&bench->rows);
    text_deinit(&bench->reasons);
    arena_deinit(&bench->arena);
    assert_int_equal(bench->budget.used_bytes, 0);
}

// The mild rows' values and errors, without the row under test.
static char *mild(struct bench *bench)
{
    struct text both = {0};
    text_printf(&both, "%s|%s", text_str(&bench->rows), text_str(&bench->reasons));
    return text_take(&both);
}

static bool hold(const char *name, const char *sql, enum growth growth)
{
    struct bench bench;
    struct error err = {0};
    bench_up(&bench);
    bool random = strncmp(sql, "rand", 4) == 0 || strncmp(sql, "uuid", 4) == 0;
    bool good = true;
    char *without = NULL, *with = NULL;
    if (run_once(&bench, sql, false, &err) != STATUS_OK) {
        printf("%s: %s: %s\n", name, sql, err.message);
        good = false;
    } else {
        without = mild(&bench);
        if (run_once(&bench, sql, true, &err) != STATUS_OK) {
            printf("%s: %s: the pipeline fails: %s\n", name, sql, err.message);
            good = false;
        } else {
            with = mild(&bench);
            if (!random && strcmp(with, without) != 0) {
                printf("%s: %s: other rows: %.300s, without the hostile one: %.300s\n", name, sql, with, without);
                good = false;
            }
            if (bench.passed == bench.dead || (growth == GROWS && !bench.dead)) {
                printf("%s: %s: the hostile row passed: %d, dead: %d\n", name, sql, bench.passed, bench.dead);
                good = false;
            }
            if (growth == GROWS && !strstr(bench.why, "SIZE_LIMIT_EXCEEDED")) {
                printf("%s: %s: not for its size: %s\n", name, sql, bench.why);
                good = false;
            }
        }
        if (bench.budget.peak_bytes > MEMORY_BYTES) good = false;
    }
    memory_free(without);
    memory_free(with);
    bench_down(&bench);
    return good;
}

// ---- Tests ----

static const struct hostile_case *case_of(const char *name)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (strcmp(cases[i].name, name) == 0) return &cases[i];
    }
    return NULL;
}

static bool is_small(const char *name)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", name);
    return strstr(small, word) != NULL;
}

static void every_function_is_said_to_grow_or_not(void **state)
{
    (void)state;
    for (size_t i = 0; i < function_rows_count; i++) {
        const struct function_row *row = &function_rows[i];
        if (row->canonical) continue;
        if (!case_of(row->name) && !is_small(row->name))
            fail_msg("%s: say in this file whether its result can outgrow its arguments", row->name);
        if (row->class == FUNCTION_AGGREGATE && (!case_of(row->name) || case_of(row->name)->growth != AGGREGATES))
            fail_msg("%s is an aggregate", row->name);
    }
}

static const char *letter_column(char letter)
{
    switch (letter) {
    case 's': return "s";
    case 'y': return "y";
    case 'i': return "n";
    case 'l': return "l";
    case 'd': return "d";
    case 'b': return "q";
    case 'D': return "e";
    case 'T': return "t";
    case 'z': return "z";
    case 'N':
    case 'I': return "n";
    case 'Y': return "s";
    case 't': return "t";
    case 'A': return "a";
    case 'M': return "m";
    default: return "s";
    }
}

// A call with every argument that its signature has; operators have none and are written between two numbers.
static void call_of(const struct function_row *row, struct text *sql)
{
    text_reset(sql);
    if (!row->signature) {
        bool word = row->name[0] >= 'a' && row->name[0] <= 'z' && strcmp(row->name, "div") != 0;
        if (word && row->max_args == 1) text_printf(sql, "%s(n)", row->name);
        if (word && row->max_args > 1) text_printf(sql, "%s(n, n)", row->name);
        if (!word) text_printf(sql, "n %s n", row->name);
        return;
    }
    if (row->name[0] == '~') {
        text_printf(sql, "~n");
        return;
    }
    bool unit = strncmp(row->name, "timestamp", 9) == 0 && row->signature[0] == 's';
    text_printf(sql, "%s(", row->name);
    bool first = true;
    for (const char *at = row->signature; *at != '>'; at++) {
        if (*at == '?' || *at == '+') continue;
        text_printf(sql, "%s%s", first ? "" : ", ", first && unit ? "DAY" : letter_column(*at));
        first = false;
    }
    text_append_str(sql, ")");
}

static void a_hostile_row_of_any_function_harms_no_other(void **state)
{
    (void)state;
    struct text sql = {0};
    uint32_t bad = 0;
    for (size_t i = 0; i < function_rows_count; i++) {
        const struct function_row *row = &function_rows[i];
        if (row->canonical) continue;
        const struct hostile_case *item = case_of(row->name);
        if (item && (item->growth == AGGREGATES || item->growth == PLANNED)) continue;
        if (item && item->sql) {
            bad += !hold(row->name, item->sql, item->growth);
            continue;
        }
        call_of(row, &sql);
        bad += !hold(row->name, text_str(&sql), item ? item->growth : SMALL);
    }
    text_deinit(&sql);
    assert_int_equal(bad, 0);
}

static void what_grows_by_nesting_is_held_too(void **state)
{
    (void)state;
    static const char *const nested[] = {
        "repeat(repeat(repeat('x', n), n), n)",
        "array_repeat(array_repeat(array_repeat(n, 100000), 100000), 100000)",
        "CAST(array_repeat(s, 100) AS STRING)",
        "to_json(array_repeat(named_struct('a', s), 40))",
        "length(lpad(s, 2000000000))",
        "concat(lpad(s, n), rpad(s, n))",
        "hex(hex(hex(s)))",
        "array_join(array_repeat(s, 1000), u)",
        "map(1, array_repeat(a, 1000))",
        "sequence(t, t + make_dt_interval(least(n, 3000)), INTERVAL '10' SECOND)",
    };
    uint32_t bad = 0;
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++) bad += !hold("nested", nested[i], GROWS);
    assert_int_equal(bad, 0);
}

// No answer of the matcher is not "no match".
static void a_pattern_that_never_ends_is_said(void **state)
{
    (void)state;
    struct bench bench;
    struct error err = {0};
    bench_up(&bench);
    enum status status = run_once(&bench, "rlike(concat(left(s, 4000), '!'), '^(a+)+$')", true, &err);
    if (status != STATUS_OK) fail_msg("%s", err.message);
    assert_true(bench.dead);
    assert_non_null(strstr(bench.why, "ROW_WORK_LIMIT_EXCEEDED"));
    bench_down(&bench);
    bench_up(&bench); // a place for each of 300,000 characters is found
    status =
        run_once(&bench, "CASE WHEN rlike(left(s, 300000), '^(a|b)*$') THEN 1 ELSE raise_error('no') END", true, &err);
    if (status != STATUS_OK) fail_msg("%s", err.message);
    if (!bench.passed) fail_msg("%s", bench.why);
    bench_down(&bench);
}

// A list is as long as its group: one key ends the pipeline, not the process, and the message says whose it is.
static void a_list_of_one_key_is_held_by_memory(void **state)
{
    (void)state;
    struct bench bench;
    struct error err = {0};
    Foreset__Plan *plan = NULL;
    struct operator* op = NULL;
    uint32_t node = 0;
    bench_up(&bench);
    const struct planner_options options = {.file_name = "t.sql", .directory = "/tmp", .warehouse = "/tmp/w"};
    const char *sql =
        "CREATE STREAMING TABLE t TBLPROPERTIES ('output.mode' = 'complete') AS SELECT w, collect_list(s) AS "
        "l FROM STREAM read_files('/tmp', format => 'json', schema => 'w STRING, s STRING') GROUP BY w";
    assert_int_equal(planner_compile(sql, &options, &bench.arena, &plan, NULL, &err), STATUS_OK);
    while (plan->nodes[node]->kind != FORESET__NODE__KIND__AGGREGATE_PARTIAL) node++;
    bench.host = (struct operator_host){.plan = plan,
                                        .lanes = 1,
                                        .budget = &bench.budget,
                                        .state_budget = &bench.budget,
                                        .bound = &bench.bound,
                                        .lane_context = &bench,
                                        .emit = bench_emit,
                                        .dead = bench_dead};
    assert_int_equal(partial_operator_open(&bench.host, node, &op, &err), STATUS_OK);
    bench.with_hostile = true;
    struct batch *all = make_batch(&bench);
    struct column *columns[2];
    for (uint32_t c = 0; c < op->inputs[0]->child_count; c++) {
        int from = type_field_find(bench.schema, op->inputs[0]->children[c].name);
        assert_true(from >= 0 && c < 2);
        columns[c] = column_ref(all->columns[from]);
    }
    struct batch *batch = batch_create(op->inputs[0], ROWS, columns);
    enum status status = STATUS_OK;
    for (int i = 0; i < 1000 && status == STATUS_OK; i++) status = operator_give(op, 0, batch, &err);
    assert_int_equal(status, STATUS_NO_MEMORY);
    if (!strstr(err.message, "table t: the aggregates of 1 keys")) fail_msg("%s", err.message);
    assert_false(bench.dead);
    batch_unref(batch);
    batch_unref(all);
    op->ops->close(op);
    bench_down(&bench);
}

// Each row is below its limit, all together are far above the batch's.
static void rows_that_are_large_together_pass_in_parts(void **state)
{
    (void)state;
    struct bench bench;
    struct error err = {0};
    bench_up(&bench);
    bench.bound.batch_bytes_max = 4u << 20;
    bench.bound.row_bytes_max = 4u << 20;
    enum status status = run_once(&bench, "repeat(s, 500000 + n % 2)", false, &err);
    if (status != STATUS_OK) fail_msg("%s", err.message);
    assert_string_equal(text_str(&bench.reasons), "");
    assert_int_equal(bench.rows.length / 1000000, ROWS - 1);
    assert_true(bench.passed);
    bench_down(&bench);
}

int main(void)
{
    static const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
#if !SANITIZED
    static const struct rlimit space = {2ull << 30, 2ull << 30}; // 64 MiB, libraries, and room for the allocator
    setrlimit(RLIMIT_AS, &space);
#endif
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_is_said_to_grow_or_not),
        cmocka_unit_test(a_hostile_row_of_any_function_harms_no_other),
        cmocka_unit_test(what_grows_by_nesting_is_held_too),
        cmocka_unit_test(a_pattern_that_never_ends_is_said),
        cmocka_unit_test(a_list_of_one_key_is_held_by_memory),
        cmocka_unit_test(rows_that_are_large_together_pass_in_parts),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    batch_unref(batches[0]);
    batch_unref(batches[1]);
    return failed;
}
