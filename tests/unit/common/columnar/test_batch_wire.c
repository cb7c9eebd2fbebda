// Batches over the wire: random batches of random nested types, selections, dictionaries and origins come back equal;
// damaged bytes never do harm; a refusal of memory at any step leaves nothing behind.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/random.h"
#include "common/columnar/batch_wire.h"

#define SEEDS 400

static struct random chance;

static const struct type *random_type(uint32_t depth)
{
    static const char *const scalars[] = {"void",   "boolean",   "tinyint",       "smallint",     "int",
                                          "bigint", "float",     "double",        "string",       "binary",
                                          "date",   "timestamp", "timestamp_ntz", "decimal(5,2)", "decimal(38,0)",
                                          "string", "string"};
    const struct type *type = NULL;
    uint64_t pick = random_below(&chance, depth ? 6 : 3);
    if (pick < 3) {
        const char *name = scalars[random_below(&chance, sizeof scalars / sizeof *scalars)];
        assert_int_equal(type_parse(name, &type, NULL), STATUS_OK);
        return type;
    }
    if (pick == 3) return type_array(random_type(depth - 1));
    if (pick == 4) return type_map(random_type(0), random_type(depth - 1));
    struct field fields[3] = {{"a", NULL}, {"b", NULL}, {"c", NULL}};
    uint32_t count = 1 + (uint32_t)random_below(&chance, 3);
    for (uint32_t i = 0; i < count; i++) fields[i].type = random_type(depth - 1);
    return type_struct(fields, count);
}

static void random_value(struct column_builder *builder, const struct type *type, uint32_t null_of_8);

static void random_list(struct column_builder *builder, const struct type *type, uint32_t null_of_8)
{
    uint32_t count = (uint32_t)random_below(&chance, 4);
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < type->child_count; k++)
            random_value(column_builder_child(builder, k), type->children[k].type, null_of_8);
    }
    assert_int_equal(column_builder_nested(builder, NULL), STATUS_OK);
}

static void random_value(struct column_builder *builder, const struct type *type, uint32_t null_of_8)
{
    static const char *const words[] = {"", "a", "ß", "a longer text, of no use", "\xF0\x9F\xA6\x80", "b", "c"};
    if (type->kind == TYPE_VOID || random_below(&chance, 8) < null_of_8) {
        assert_int_equal(column_builder_null(builder, NULL), STATUS_OK);
    } else if (type_is_string_like(type)) {
        const char *word = words[random_below(&chance, sizeof words / sizeof *words)];
        assert_int_equal(column_builder_bytes(builder, word, strlen(word), NULL), STATUS_OK);
    } else if (type->kind == TYPE_STRUCT) {
        for (uint32_t k = 0; k < type->child_count; k++)
            random_value(column_builder_child(builder, k), type->children[k].type, null_of_8);
        assert_int_equal(column_builder_nested(builder, NULL), STATUS_OK);
    } else if (type->child_count) {
        random_list(builder, type, null_of_8);
    } else {
        __int128 value = (__int128)random_below(&chance, type->kind == TYPE_BOOLEAN ? 2 : 90);
        if (type->kind == TYPE_FLOAT || type->kind == TYPE_DOUBLE) {
            float small = (float)value;
            double wide = (double)value / 3;
            const void *at = type->kind == TYPE_FLOAT ? (const void *)&small : (const void *)&wide;
            assert_int_equal(column_builder_fixed(builder, at, NULL), STATUS_OK);
        } else {
            if (type->kind != TYPE_BOOLEAN && random_below(&chance, 2)) value = -value;
            assert_int_equal(column_builder_fixed(builder, &value, NULL), STATUS_OK);
        }
    }
}

// The same strings behind a dictionary with an entry that nobody uses.
static struct column *as_coded(struct column *plain)
{
    struct column_builder *builder = column_builder_create(NULL, plain->type);
    struct buffer *indices = NULL;
    struct column *dictionary = NULL;
    assert_int_equal(buffer_create(NULL, (plain->length + 1) * sizeof(uint32_t), &indices, NULL), STATUS_OK);
    uint32_t *to = (uint32_t *)(void *)indices->data;
    assert_int_equal(column_builder_bytes(builder, "unused", 6, NULL), STATUS_OK);
    for (uint32_t i = 0; i < plain->length; i++) {
        to[i] = 0;
        if (column_is_null(plain, i)) continue;
        struct slice slice = column_slice(plain, i);
        for (uint32_t k = 0; k < i && !to[i]; k++) { // an entry that is there already
            if (!column_is_null(plain, k) && slice_equal(column_slice(plain, k), slice)) to[i] = to[k];
        }
        if (to[i]) continue;
        to[i] = column_builder_length(builder);
        assert_int_equal(column_builder_bytes(builder, slice.data, slice.length, NULL), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &dictionary, NULL), STATUS_OK);
    column_builder_destroy(builder);
    struct buffer *validity = plain->buffers[0] ? buffer_ref(plain->buffers[0]) : NULL;
    struct column *coded =
        column_create_dictionary(plain->type, plain->length, plain->null_count, validity, indices, dictionary);
    column_unref(plain);
    return coded;
}

static struct batch *random_columns(uint32_t rows)
{
    static const char *const names[] = {"k0", "k1", "k2", "k3"};
    struct field fields[4];
    struct column *columns[4];
    uint32_t count = 1 + (uint32_t)random_below(&chance, 4);
    for (uint32_t c = 0; c < count; c++) {
        fields[c] = (struct field){names[c], random_type(3)};
        struct column_builder *builder = column_builder_create(NULL, fields[c].type);
        uint32_t null_of_8 = (uint32_t)random_below(&chance, 3) * (uint32_t)random_below(&chance, 3);
        for (uint32_t i = 0; i < rows; i++) random_value(builder, fields[c].type, null_of_8);
        assert_int_equal(column_builder_finish(builder, &columns[c], NULL), STATUS_OK);
        column_builder_destroy(builder);
        bool code = type_is_string_like(fields[c].type) && random_below(&chance, 2);
        if (code) columns[c] = as_coded(columns[c]);
    }
    return batch_create(type_struct(fields, count), rows, columns);
}

static struct batch *random_batch(void)
{
    uint32_t rows = 1 + (uint32_t)random_below(&chance, 60), count = 0;
    struct batch *batch = random_columns(rows), *origin = NULL;
    if (random_below(&chance, 2)) origin = random_columns(rows);
    if (origin && random_below(&chance, 2)) { // a column of its own and one that the batch has too
        struct field fields[] = {{"own", origin->columns[0]->type}, {"same", batch->columns[0]->type}};
        struct column *columns[] = {column_ref(origin->columns[0]), column_ref(batch->columns[0])};
        batch_unref(origin);
        origin = batch_create(type_struct(fields, 2), rows, columns);
    }
    if (origin) batch_origin_set(batch, origin);
    batch_unref(origin);
    if (random_below(&chance, 2)) return batch;
    struct buffer *selection = NULL;
    assert_int_equal(buffer_create(NULL, rows * sizeof(uint32_t), &selection, NULL), STATUS_OK);
    for (uint32_t i = 0; i < rows; i++) {
        if (i + 1 == rows && count == 0)
            ((uint32_t *)(void *)selection->data)[count++] = i;
        else if (random_below(&chance, 2))
            ((uint32_t *)(void *)selection->data)[count++] = i;
    }
    struct batch *selected = batch_select(batch, selection, count);
    batch_unref(batch);
    return selected;
}

// Rows of the batch as JSON, its origin's behind them.
static void write_rows(const struct batch *batch, uint32_t from, uint32_t count, struct text *text)
{
    for (uint32_t i = from; i < from + count; i++) {
        batch_json(batch, i, text);
        text_append_char(text, '\n');
        for (uint32_t c = 0; batch->origin && c < batch->origin->column_count; c++)
            column_json(batch->origin->columns[c], batch_row(batch, i), text);
    }
}

static void whatever_is_in_a_batch_comes_back(void **state)
{
    (void)state;
    uint32_t coded = 0;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct text bytes = {0}, before = {0}, after = {0};
        struct batch *back = NULL;
        struct error err = {0};
        random_init(&chance, seed);
        struct batch *batch = random_batch();
        uint32_t from = (uint32_t)random_below(&chance, batch->row_count);
        uint32_t count = 1 + (uint32_t)random_below(&chance, batch->row_count - from);
        assert_int_equal(batch_wire_put(batch, from, count, &bytes, &err), STATUS_OK);
        enum status status = batch_wire_get(bytes.data, bytes.length, batch->schema, NULL, &back, &err);
        if (status != STATUS_OK) fail_msg("seed %llu: %s", (unsigned long long)seed, err.message);
        assert_int_equal(back->row_count, count);
        assert_true(!back->origin == !batch->origin);
        for (uint32_t c = 0; c < back->column_count; c++) coded += back->columns[c]->indices != NULL;
        write_rows(batch, from, count, &before);
        write_rows(back, 0, count, &after);
        assert_string_equal(text_str(&after), text_str(&before));
        batch_unref(batch);
        batch_unref(back);
        text_deinit(&bytes);
        text_deinit(&before);
        text_deinit(&after);
    }
    assert_true(coded > 10);
}

static void damaged_bytes_do_no_harm(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct text bytes = {0};
        struct error err = {0};
        random_init(&chance, seed);
        struct batch *batch = random_batch();
        assert_int_equal(batch_wire_put(batch, 0, batch->row_count, &bytes, &err), STATUS_OK);
        for (int i = 0; i < 60; i++) {
            struct batch *back = NULL;
            size_t at = random_below(&chance, bytes.length), size = bytes.length;
            char kept = bytes.data[at];
            if (i % 3) {
                bytes.data[at] = (char)random_below(&chance, 256);
            } else {
                size = at;
            }
            enum status status = batch_wire_get(bytes.data, size, batch->schema, NULL, &back, &err);
            assert_true(status == STATUS_OK || (status == STATUS_CORRUPT && err.class == ERROR_RESTART_PIPELINE));
            assert_true(i % 3 || status == STATUS_CORRUPT); // what is cut off never passes
            struct text rows = {0};
            if (back) write_rows(back, 0, back->row_count, &rows);
            text_deinit(&rows);
            batch_unref(back);
            bytes.data[at] = kept;
        }
        batch_unref(batch);
        text_deinit(&bytes);
    }
}

static void refused_memory_leaves_nothing_behind(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct text bytes = {0};
        struct error err = {0};
        struct budget budget;
        enum status status = STATUS_NO_MEMORY;
        budget_init(&budget, "wire", NULL, 0);
        random_init(&chance, seed);
        struct batch *batch = random_batch();
        assert_int_equal(batch_wire_put(batch, 0, batch->row_count, &bytes, &err), STATUS_OK);
        for (uint64_t n = 1; status != STATUS_OK; n++) {
            struct batch *back = NULL;
            budget_fail_at(n);
            status = batch_wire_get(bytes.data, bytes.length, batch->schema, &budget, &back, &err);
            budget_fail_at(0);
            assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
            batch_unref(back);
            assert_int_equal(atomic_load(&budget.used_bytes), 0);
        }
        batch_unref(batch);
        text_deinit(&bytes);
    }
}

static void a_dictionary_travels_with_the_entries_that_are_used(void **state)
{
    (void)state;
    struct error err;
    struct column_builder *builder = column_builder_create(NULL, type_of(TYPE_STRING));
    struct buffer *indices = NULL, *selection = NULL;
    struct column *columns[1], *words = NULL;
    for (uint32_t i = 0; i < 1000; i++) {
        char word[40];
        int length = snprintf(word, sizeof word, "a word of some length, number %u", i);
        assert_int_equal(column_builder_bytes(builder, word, (size_t)length, &err), STATUS_OK);
    }
    assert_int_equal(column_builder_finish(builder, &words, &err), STATUS_OK);
    column_builder_destroy(builder);
    assert_int_equal(buffer_create(NULL, 4000 * sizeof(uint32_t), &indices, &err), STATUS_OK);
    assert_int_equal(buffer_create(NULL, 4000 * sizeof(uint32_t), &selection, &err), STATUS_OK);
    for (uint32_t i = 0; i < 4000; i++) {
        ((uint32_t *)(void *)indices->data)[i] = i % 1000;
    }
    columns[0] = column_create_dictionary(type_of(TYPE_STRING), 4000, 0, NULL, indices, words);
    struct field field = {"word", type_of(TYPE_STRING)};
    struct batch *batch = batch_create(type_struct(&field, 1), 4000, columns), *back = NULL;
    for (uint32_t i = 0; i < 2000; i++) ((uint32_t *)(void *)selection->data)[i] = i * 2; // every other word
    struct batch *half = batch_select(batch, selection, 2000);
    struct text bytes = {0};
    assert_int_equal(batch_wire_put(half, 0, 2000, &bytes, &err), STATUS_OK);
    assert_true(bytes.length < 500 * 40 + 2000 * 2 + 64);
    assert_int_equal(batch_wire_get(bytes.data, bytes.length, batch->schema, NULL, &back, &err), STATUS_OK);
    assert_int_equal(back->columns[0]->dictionary->length, 500);
    assert_true(slice_equal(column_slice(back->columns[0], 3), slice_str("a word of some length, number 6")));
    batch_unref(half);
    batch_unref(batch);
    batch_unref(back);
    text_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_is_in_a_batch_comes_back),
        cmocka_unit_test(damaged_bytes_do_no_harm),
        cmocka_unit_test(refused_memory_leaves_nothing_behind),
        cmocka_unit_test(a_dictionary_travels_with_the_entries_that_are_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
