// Columns: builder, gather, concat, order, hash, JSON, batches, refusal of memory at every step.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/columnar/batch.h"

static const struct type *parsed(const char *text)
{
    const struct type *type = NULL;
    assert_int_equal(type_parse(text, &type, NULL), STATUS_OK);
    return type;
}

static struct column *built(struct column_builder *builder)
{
    struct column *column = NULL;
    assert_int_equal(column_builder_finish(builder, &column, NULL), STATUS_OK);
    column_builder_destroy(builder);
    return column;
}

// NULL entries are nulls.
static struct column *strings(const char *const *values, uint32_t count)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    for (uint32_t i = 0; i < count; i++) {
        enum status status = values[i] ? column_builder_bytes(builder, values[i], strlen(values[i]), NULL)
                                       : column_builder_null(builder, NULL);
        assert_int_equal(status, STATUS_OK);
    }
    return built(builder);
}

static struct column *doubles(const double *values, uint32_t count)
{
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_DOUBLE));
    for (uint32_t i = 0; i < count; i++) assert_int_equal(column_builder_fixed(builder, &values[i], NULL), STATUS_OK);
    return built(builder);
}

// The dictionary-coded twin of a column whose dictionary is `words`.
static struct column *coded(const uint32_t *codes, uint32_t count, struct column *dictionary)
{
    struct buffer *indices = NULL;
    assert_int_equal(buffer_create(NULL, count * sizeof *codes, &indices, NULL), STATUS_OK);
    memcpy(indices->data, codes, count * sizeof *codes);
    return column_create_dictionary(type_of(TYPE_STRING), count, 0, NULL, indices, column_ref(dictionary));
}

static void assert_json(const struct column *column, const char *wanted)
{
    struct text text = {0};
    for (uint32_t i = 0; i < column->length; i++) {
        if (i) text_append_char(&text, ' ');
        column_json(column, i, &text);
    }
    assert_string_equal(text_str(&text), wanted);
    text_deinit(&text);
}

// [{"m":[["k",[1,null]],…], "s":…}, null, …]: three rows of a type with everything nested.
static enum status nested_fill(struct column_builder *builder, struct error *err)
{
    enum status status = STATUS_OK;
    struct column_builder *map = column_builder_child(builder, 0), *name = column_builder_child(builder, 1);
    struct column_builder *list = column_builder_child(map, 1);
    int32_t one = 1;
    TRY(column_builder_bytes(column_builder_child(map, 0), "k", 1, err));
    TRY(column_builder_fixed(column_builder_child(list, 0), &one, err));
    TRY(column_builder_null(column_builder_child(list, 0), err));
    TRY(column_builder_nested(list, err));
    TRY(column_builder_bytes(column_builder_child(map, 0), "a", 1, err));
    TRY(column_builder_null(list, err));
    TRY(column_builder_nested(map, err));
    TRY(column_builder_bytes(name, "x", 1, err));
    TRY(column_builder_nested(builder, err));
    TRY(column_builder_null(builder, err));
    TRY(column_builder_nested(map, err));
    TRY(column_builder_null(name, err));
    TRY(column_builder_nested(builder, err));
out:
    return status;
}

#define NESTED_TYPE "struct<m:map<string,array<int>>,s:string>"
#define NESTED_JSON "{\"m\":[[\"a\",null],[\"k\",[1,null]]],\"s\":\"x\"} null {\"m\":[],\"s\":null}"

static void nested_values_build_gather_concat_and_copy(void **state)
{
    (void)state;
    struct column_builder *builder = column_builder_create(NULL, parsed(NESTED_TYPE));
    assert_int_equal(nested_fill(builder, NULL), STATUS_OK);
    struct column *column = built(builder), *gathered = NULL, *both = NULL;
    assert_json(column, NESTED_JSON);
    uint32_t rows[] = {2, 0, 1, 0};
    assert_int_equal(column_gather(NULL, column, rows, 4, &gathered, NULL), STATUS_OK);
    assert_json(gathered, "{\"m\":[],\"s\":null} {\"m\":[[\"a\",null],[\"k\",[1,null]]],\"s\":\"x\"} null "
                          "{\"m\":[[\"a\",null],[\"k\",[1,null]]],\"s\":\"x\"}");
    struct column *parts[] = {column, gathered};
    assert_int_equal(column_concat(NULL, parts, 2, &both, NULL), STATUS_OK);
    assert_int_equal(both->length, 7);
    assert_int_equal(both->null_count, 2);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(column_compare(both, i, column, i), 0);
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(column_compare(both, 3 + i, gathered, i), 0);
    uint64_t hashes[7] = {0};
    column_hash(both, NULL, 7, hashes);
    assert_int_equal(hashes[0], hashes[4]);
    assert_int_equal(hashes[1], hashes[5]);
    builder = column_builder_create(NULL, column->type);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(column_builder_copy(builder, both, 3 + i, NULL), STATUS_OK);
    struct column *copy = built(builder);
    for (uint32_t i = 0; i < 3; i++) assert_int_equal(column_compare(copy, i, gathered, i), 0);
    column_unref(copy);
    column_unref(both);
    column_unref(gathered);
    column_unref(column);
}

static void dictionary_hashes_and_compares_as_plain(void **state)
{
    (void)state;
    const char *words[] = {"b", "", "abc"};
    const char *values[] = {"abc", "", "b", "b"};
    uint32_t codes[] = {2, 1, 0, 0}, rows[] = {3, 0};
    struct column *dictionary = strings(words, 3), *plain = strings(values, 4);
    struct column *column = coded(codes, 4, dictionary), *gathered = NULL, *both = NULL, *mixed = NULL;
    uint64_t a[4] = {7, 7, 7, 7}, b[4] = {7, 7, 7, 7}, c[2] = {7, 7};
    column_hash(plain, NULL, 4, a);
    column_hash(column, NULL, 4, b);
    column_hash(column, rows, 2, c);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(c[0], a[3]);
    assert_int_equal(c[1], a[0]);
    assert_int_not_equal(a[0], a[1]);
    for (uint32_t i = 0; i < 4; i++) assert_int_equal(column_compare(plain, i, column, i), 0);
    assert_int_equal(column_compare(plain, 1, column, 0), -1);
    assert_int_equal(column_gather(NULL, column, rows, 2, &gathered, NULL), STATUS_OK);
    assert_ptr_equal(gathered->dictionary, dictionary);
    assert_json(gathered, "\"b\" \"abc\"");
    struct column *same[] = {column, gathered}, *different[] = {column, plain};
    assert_int_equal(column_concat(NULL, same, 2, &both, NULL), STATUS_OK);
    assert_ptr_equal(both->dictionary, dictionary);
    assert_json(both, "\"abc\" \"\" \"b\" \"b\" \"b\" \"abc\"");
    assert_int_equal(column_concat(NULL, different, 2, &mixed, NULL), STATUS_OK);
    assert_json(mixed, "\"abc\" \"\" \"b\" \"b\" \"abc\" \"\" \"b\" \"b\"");
    struct column *all[] = {mixed, both, gathered, column, plain, dictionary};
    for (int i = 0; i < 6; i++) column_unref(all[i]);
}

static void order_is_sparks(void **state)
{
    (void)state;
    double values[] = {-INFINITY, -1.5, -0.0, 0.0, 5e-324, INFINITY, NAN, -NAN};
    int ranks[] = {0, 1, 2, 2, 3, 4, 5, 5};
    struct column *column = doubles(values, 8);
    uint64_t hashes[8] = {0};
    column_hash(column, NULL, 8, hashes);
    for (uint32_t i = 0; i < 8; i++) {
        for (uint32_t k = 0; k < 8; k++) {
            int wanted = (ranks[i] > ranks[k]) - (ranks[i] < ranks[k]);
            assert_int_equal(column_compare(column, i, column, k), wanted);
            assert_int_equal(hashes[i] == hashes[k], wanted == 0);
        }
    }
    column_unref(column);
    const char *texts[] = {NULL, "", "a", "aa", "b", "\xc3\xa4"};
    column = strings(texts, 6);
    for (uint32_t i = 0; i < 5; i++) assert_int_equal(column_compare(column, i, column, i + 1), -1);
    assert_json(column, "null \"\" \"a\" \"aa\" \"b\" \"\xc3\xa4\"");
    column_unref(column);
}

static void json_is_the_cases_encoding(void **state)
{
    (void)state;
    double values[] = {1, -0.0, 0.1, 1e300, NAN, -INFINITY, 123456789.125, 5e-324};
    struct column *column = doubles(values, 8);
    assert_json(column, "1.0 -0.0 0.1 1e300 \"NaN\" \"-Infinity\" 123456789.125 5e-324");
    column_unref(column);
    struct column_builder *builder = column_builder_create(NULL, type_decimal(38, 2));
    __int128 decimals[] = {0, -5, 12345, (__int128)1000000000000000000 * 1000000000000000000};
    for (int i = 0; i < 4; i++) assert_int_equal(column_builder_fixed(builder, &decimals[i], NULL), STATUS_OK);
    column = built(builder);
    assert_json(column, "\"0.00\" \"-0.05\" \"123.45\" \"10000000000000000000000000000000000.00\"");
    column_unref(column);
    builder = column_builder_create(NULL, type_of(TYPE_FLOAT));
    float tenth = 0.1f;
    assert_int_equal(column_builder_fixed(builder, &tenth, NULL), STATUS_OK);
    column = built(builder);
    assert_json(column, "0.10000000149011612");
    column_unref(column);
    builder = column_builder_create(NULL, type_of(TYPE_BINARY));
    assert_int_equal(column_builder_bytes(builder, "\xff\x00\x01z", 4, NULL), STATUS_OK);
    column = built(builder);
    assert_json(column, "\"/wABeg==\"");
    column_unref(column);
}

static void nulls_of_every_type(void **state)
{
    (void)state;
    static const char *const types[] = {"void", "boolean", "decimal(5,1)", "string", "array<int>", NESTED_TYPE};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        struct column *column = NULL, *both = NULL, *gathered = NULL;
        assert_int_equal(column_create_nulls(NULL, parsed(types[i]), 3, &column, NULL), STATUS_OK);
        assert_json(column, "null null null");
        struct column *parts[] = {column, column};
        uint32_t rows[] = {2, 2};
        assert_int_equal(column_concat(NULL, parts, 2, &both, NULL), STATUS_OK);
        assert_int_equal(both->null_count, 6);
        assert_int_equal(column_gather(NULL, column, rows, 2, &gathered, NULL), STATUS_OK);
        assert_json(gathered, "null null");
        column_unref(gathered);
        column_unref(both);
        column_unref(column);
    }
}

static enum status everything(struct budget *budget, struct error *err)
{
    enum status status = STATUS_OK;
    struct column *column = NULL, *nulls = NULL, *both = NULL, *gathered = NULL;
    uint32_t rows[] = {0, 2, 4};
    struct column_builder *builder = column_builder_create(budget, parsed(NESTED_TYPE));
    TRY(nested_fill(builder, err));
    TRY(column_builder_finish(builder, &column, err));
    TRY(column_create_nulls(budget, column->type, 2, &nulls, err));
    struct column *parts[] = {column, nulls};
    TRY(column_concat(budget, parts, 2, &both, err));
    TRY(column_gather(budget, both, rows, 3, &gathered, err));
out:
    column_builder_destroy(builder);
    column_unref(column);
    column_unref(nulls);
    column_unref(both);
    column_unref(gathered);
    return status;
}

static void refused_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    struct budget budget;
    budget_init(&budget, "test", NULL, 0);
    uint64_t n = 1;
    for (;; n++) {
        struct error err = {0};
        budget_fail_at(n);
        enum status status = everything(&budget, &err);
        budget_fail_at(0);
        assert_int_equal(atomic_load(&budget.used_bytes), 0);
        if (status == STATUS_OK) break;
        assert_int_equal(status, STATUS_NO_MEMORY);
        assert_true(n < 1000);
    }
    assert_true(n > 20);
}

static void batch_selects_and_flattens(void **state)
{
    (void)state;
    const char *values[] = {"a", NULL, "c"};
    double numbers[] = {1, 2, 3};
    struct column *columns[] = {strings(values, 3), doubles(numbers, 3)};
    const struct type *schema = NULL;
    assert_int_equal(type_parse_ddl("s STRING, d DOUBLE", &schema, NULL), STATUS_OK);
    struct batch *batch = batch_create(schema, 3, columns), *flat = NULL;
    struct buffer *selection = NULL;
    assert_int_equal(buffer_create(NULL, 2 * sizeof(uint32_t), &selection, NULL), STATUS_OK);
    memcpy(selection->data, (uint32_t[]){1, 2}, 2 * sizeof(uint32_t));
    struct batch *selected = batch_select(batch, selection, 2);
    batch_unref(batch);
    assert_int_equal(batch_row(selected, 1), 2);
    assert_int_equal(batch_flatten(NULL, selected, &flat, NULL), STATUS_OK);
    batch_unref(selected);
    struct text text = {0};
    for (uint32_t i = 0; i < flat->row_count; i++) batch_json(flat, i, &text);
    assert_string_equal(text_str(&text), "{\"s\":null,\"d\":2.0}{\"s\":\"c\",\"d\":3.0}");
    text_deinit(&text);
    assert_true(batch_bytes(flat) > 16);
    batch_unref(flat);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_values_build_gather_concat_and_copy),
        cmocka_unit_test(dictionary_hashes_and_compares_as_plain),
        cmocka_unit_test(order_is_sparks),
        cmocka_unit_test(json_is_the_cases_encoding),
        cmocka_unit_test(nulls_of_every_type),
        cmocka_unit_test(refused_memory_leaves_nothing_behind),
        cmocka_unit_test(batch_selects_and_flattens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
