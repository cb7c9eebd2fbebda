// Expressions: precedence, literals and forms, shown as s-expressions; and what is no expression, with its place.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "coordinator/sql/sql_parse.h"

static void show(const struct sql_expr *expr, struct text *text);

static void show_value(const struct sql_value *value, struct text *text)
{
    if (value->null)
        text_append_str(text, "null");
    else if (value->type->kind == TYPE_BOOLEAN)
        text_append_str(text, value->boolean ? "true" : "false");
    else if (value->type->kind == TYPE_DOUBLE || value->type->kind == TYPE_FLOAT)
        text_printf(text, "%s:%g", value->type->text, value->real);
    else if (value->type->kind == TYPE_STRING)
        text_printf(text, "'%.*s'", (int)value->bytes.length, value->bytes.data);
    else if (value->type->kind == TYPE_BINARY)
        text_printf(text, "binary:%zu", value->bytes.length);
    else if (value->type->kind == TYPE_DECIMAL)
        text_printf(text, "%s:%s", value->type->text, value->bytes.data);
    else if (value->type->kind == TYPE_INT)
        text_printf(text, "%lld", (long long)value->integer);
    else
        text_printf(text, "%s:%lld", value->type->text, (long long)value->integer);
}

static void show_list(const struct sql_expr *expr, struct text *text)
{
    for (uint32_t i = 0; i < expr->args.count; i++) {
        text_append_char(text, ' ');
        show(expr->args.items[i], text);
    }
    if (expr->filter) {
        text_append_str(text, " filter ");
        show(expr->filter, text);
    }
    text_append_char(text, ')');
}

static void show(const struct sql_expr *expr, struct text *text)
{
    switch (expr->kind) {
    case SQL_EXPR_LITERAL: show_value(&expr->value, text); break;
    case SQL_EXPR_STAR:
    case SQL_EXPR_COLUMN:
        for (uint32_t i = 0; i < expr->names.count; i++) text_printf(text, "%s%s", i ? "." : "", expr->names.items[i]);
        if (expr->kind == SQL_EXPR_STAR) text_append_char(text, '*');
        break;
    case SQL_EXPR_CALL:
        text_printf(text, "(%s%s", expr->name, expr->distinct ? " distinct" : "");
        show_list(expr, text);
        break;
    case SQL_EXPR_CAST:
        text_printf(text, "(%s %s", expr->try_cast ? "try_cast" : "cast", expr->type->text);
        show_list(expr, text);
        break;
    case SQL_EXPR_FIELD:
        text_printf(text, "(field %s", expr->name);
        show_list(expr, text);
        break;
    }
}

static enum status parse(const char *sql, struct text *ret_shown, struct error *err)
{
    struct arena arena;
    arena_init(&arena, 0);
    struct sql_text text = {"t.sql", sql, strlen(sql)};
    struct sql_expr *expr = NULL;
    enum status status = sql_parse_expression(&text, &arena, &expr, err);
    if (status == STATUS_OK) show(expr, ret_shown);
    arena_deinit(&arena);
    return status;
}

static void expect(const char *sql, const char *tree)
{
    struct text shown = {0};
    struct error err = {0};
    if (parse(sql, &shown, &err) != STATUS_OK) fail_msg("%s: %s", sql, err.message);
    assert_string_equal(text_str(&shown), tree);
    text_deinit(&shown);
}

static void expect_error(const char *sql, const char *place, const char *words)
{
    struct text shown = {0};
    struct error err = {0};
    if (parse(sql, &shown, &err) == STATUS_OK) fail_msg("%s is taken as %s", sql, text_str(&shown));
    assert_int_equal(err.class, ERROR_USAGE);
    if (strncmp(err.message, place, strlen(place)) != 0 || !strstr(err.message, words))
        fail_msg("%s: expected %s … %s in: %s", sql, place, words, err.message);
}

static void precedence_is_sparks(void **state)
{
    (void)state;
    expect("1 + 2 * 3", "(+ 1 (* 2 3))");
    expect("1 - 2 - 3", "(- (- 1 2) 3)");
    expect("a OR b AND NOT c", "(or a (and b (not c)))");
    expect("NOT a = b", "(not (= a b))");
    expect("NOT a AND b", "(and (not a) b)");
    expect("a = b IS NULL", "(isnull (= a b))");
    expect("a + 1 > b * 2 AND c", "(and (> (+ a 1) (* b 2)) c)");
    expect("a | b & c ^ d", "(| a (^ (& b c) d))");
    expect("a << 1 + 2", "(<< a (+ 1 2))");
    expect("a || b = c", "(= (|| a b) c)");
    expect("-a * b", "(* (negative a) b)");
    expect("-a.b", "(negative a.b)");
    expect("-1", "-1");
    expect("1 -1", "(- 1 1)");
    expect("- -1", "(negative -1)");
    expect("a div 2 % 3", "(% (div a 2) 3)");
    expect("a !> 1", "(<= a 1)");
    expect("a <=> NULL", "(<=> a null)");
    expect("a == 1", "(= a 1)");
    expect("(a OR b) AND c", "(and (or a b) c)");
    expect("a BETWEEN 1 AND 2 AND b", "(and (between a 1 2) b)");
    expect("a NOT BETWEEN 1 AND 2", "(not (between a 1 2))");
    expect("!a", "(not a)");
}

static void predicates_are_read(void **state)
{
    (void)state;
    expect("a IN (1, 2, NULL)", "(in a 1 2 null)");
    expect("a NOT IN ('x')", "(not (in a 'x'))");
    expect("a IS NOT NULL", "(isnotnull a)");
    expect("a IS NOT DISTINCT FROM b", "(<=> a b)");
    expect("a IS DISTINCT FROM b", "(not (<=> a b))");
    expect("a IS TRUE", "(<=> a true)");
    expect("a IS NOT FALSE", "(not (<=> a false))");
    expect("a LIKE 'x%' ESCAPE '/'", "(like a 'x%' '/')");
    expect("a NOT RLIKE 'x'", "(not (rlike a 'x'))");
    expect("a LIKE ANY ('x', 'y')", "(or (like a 'x') (like a 'y'))");
    expect("a LIKE ALL ('x', 'y')", "(and (like a 'x') (like a 'y'))");
    expect("CASE WHEN a THEN 1 ELSE 2 END", "(case a 1 2)");
    expect("CASE a WHEN 1 THEN 'x' WHEN 2 THEN 'y' END", "(simple_case a 1 'x' 2 'y')");
}

static void literals_have_their_types(void **state)
{
    (void)state;
    expect("2147483648", "bigint:2147483648");
    expect("-2147483648", "-2147483648");
    expect("-9223372036854775808", "bigint:-9223372036854775808");
    expect("9223372036854775808", "decimal(19,0):9223372036854775808");
    expect("1L", "bigint:1");
    expect("2S", "smallint:2");
    expect("-128Y", "tinyint:-128");
    expect("1.50", "decimal(3,2):150");
    expect(".5", "decimal(1,1):5");
    expect("0.00", "decimal(2,2):0");
    expect("1.5D", "double:1.5");
    expect("1e3", "double:1000");
    expect("1.5F", "float:1.5");
    expect("2BD", "decimal(1,0):2");
    expect("1.5e3BD", "decimal(4,0):1500");
    expect("'it''s' \" ok\"", "'it's ok'");
    expect("'a\\tb\\u0041\\%\\q'", "'a\tbA\\%q'");
    expect("r'a\\n'", "'a\\n'");
    expect("X'1fe'", "binary:2");
    expect("DATE'2024-02-29'", "date:19782");
    expect("TIMESTAMP'1970-01-01 00:00:01'", "timestamp:1000000");
    expect("INTERVAL 5 MINUTES", "interval minute:300000000");
    expect("INTERVAL '1 02:03:04.5' DAY TO SECOND", "interval day to second:93784500000");
    expect("INTERVAL '2-3' YEAR TO MONTH", "interval year to month:27");
    expect("INTERVAL '1 hour 30 minutes'", "interval hour to minute:5400000000");
    expect("INTERVAL -5 MINUTES", "interval minute:-300000000");
}

static void names_and_suffixes_are_read(void **state)
{
    (void)state;
    expect("window.end", "window.end");
    expect("`odd name`.`x``y`", "odd name.x`y");
    expect("timestamp", "timestamp");
    expect("offset + date", "(+ offset date)");
    expect("a[0].b['k']", "([] (field b ([] a 0)) 'k')");
    expect("value::string", "(cast string value)");
    expect("TRY_CAST(a AS ARRAY<ARRAY<INT>>)", "(try_cast array<array<int>> a)");
    expect("CAST(a AS STRUCT<x: INT, y: DECIMAL(10,2)>)", "(cast struct<x:int,y:decimal(10,2)> a)");
    expect("count(*) FILTER (WHERE v > 4)", "(count * filter (> v 4))");
    expect("count(DISTINCT a, b)", "(count distinct a b)");
    expect("extract(YEAR FROM d)", "(date_part 'YEAR' d)");
    expect("trim(LEADING 'x' FROM a)", "(ltrim a 'x')");
    expect("substring(a FROM 2 FOR 3)", "(substring a 2 3)");
    expect("position('x' IN a)", "(position 'x' a)");
    expect("(a, b)", "(struct a b)");
}

static void long_chains_stay_shallow(void **state)
{
    (void)state;
    struct text sql = {0}, shown = {0};
    struct error err = {0};
    text_append_str(&sql, "a = 0");
    for (int i = 1; i < 20000; i++) text_printf(&sql, " OR a = %d", i);
    assert_int_equal(parse(text_str(&sql), &shown, &err), STATUS_OK);
    text_deinit(&sql);
    text_deinit(&shown);
}

static void depth_has_a_limit(void **state)
{
    (void)state;
    static const char *const openings[] = {"(", "f(", "NOT ", "- ", "CASE WHEN ", "a[", "CAST("};
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++) {
        struct text sql = {0}, shown = {0};
        struct error err = {0};
        for (int n = 0; n < 100000; n++) text_append_str(&sql, openings[i]);
        assert_int_equal(parse(text_str(&sql), &shown, &err), STATUS_INVALID);
        assert_non_null(strstr(err.message, "nested deeper"));
        text_deinit(&sql);
    }
    struct text sums = {0}, shown = {0};
    struct error err = {0};
    for (int n = 0; n < 100000; n++) text_append_str(&sums, "a+");
    text_append_char(&sums, 'a');
    assert_int_equal(parse(text_str(&sums), &shown, &err), STATUS_INVALID);
    assert_non_null(strstr(err.message, "nested deeper"));
    text_deinit(&sums);
}

static void errors_name_place_and_remedy(void **state)
{
    (void)state;
    expect_error("", "t.sql:1:1:", "an expression is expected, but the text ends here");
    expect_error("a +", "t.sql:1:4:", "an expression is expected");
    expect_error("a b", "t.sql:1:3:", "an operator or the end is expected, \"b\" is there");
    expect_error("'abc", "t.sql:1:1:", "never closed");
    expect_error("`abc", "t.sql:1:1:", "never closed");
    expect_error("a /* b", "t.sql:1:3:", "never closed with */");
    expect_error("12abc", "t.sql:1:1:", "neither a number nor a name");
    expect_error("a = @b", "t.sql:1:5:", "\"@\" is there");
    expect_error("128Y", "t.sql:1:1:", "[INVALID_NUMERIC_LITERAL_RANGE]");
    expect_error("DATE'2023-02-29'", "t.sql:1:1:", "[INVALID_TYPED_LITERAL]");
    expect_error("CAST(a AS INTT)", "t.sql:1:11:", "INTT");
    expect_error("CAST(a AS", "t.sql:1:10:", "a data type is expected");
    expect_error("a IN ()", "t.sql:1:7:", "an expression is expected");
    expect_error("a NOT 5", "t.sql:1:7:", "IN, LIKE, RLIKE or BETWEEN");
    expect_error("sum(x) OVER (PARTITION BY a)", "t.sql:1:8:", "DROP DUPLICATES ON");
    expect_error("transform(a, x -> x + 1)", "t.sql:1:16:", "lambda");
    expect_error("a IN (SELECT b FROM c)", "t.sql:1:7:", "sub-query");
    expect_error("(SELECT 1)", "t.sql:1:1:", "sub-queries stand in FROM");
    expect_error("v:field", "t.sql:1:2:", "from_json");
    expect_error("INTERVAL 1 MONTH 2 DAYS", "t.sql:1:1:", "do not mix");
    expect_error("a =\n\n  'ä' +", "t.sql:3:8:", "an expression is expected");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(precedence_is_sparks),         cmocka_unit_test(predicates_are_read),
        cmocka_unit_test(literals_have_their_types),    cmocka_unit_test(names_and_suffixes_are_read),
        cmocka_unit_test(long_chains_stay_shallow),     cmocka_unit_test(depth_has_a_limit),
        cmocka_unit_test(errors_name_place_and_remedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
