// What is shown without a token: whatever stands in a document, only texts of listed members, numbers and states
// remain.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/random.h"
#include "coordinator/api/public_json.h"

static void expect(const char *json, const char *shown)
{
    struct text text = {0};
    public_json(json, &text);
    assert_string_equal(text_str(&text), shown);
    text_deinit(&text);
}

static void names_numbers_and_states_are_shown(void **state)
{
    (void)state;
    expect(
        "{\"pipelines\":[{\"name\":\"p\",\"state\":\"failed\",\"version\":3,\"file\":\"p.sql\",\"availableNow\":false,"
        "\"error\":\"row 17 is secret\",\"errorClass\":\"FAIL_PIPELINE\",\"sql\":\"SELECT\",\"status\":null}]}",
        "{\"pipelines\":[{\"name\":\"p\",\"state\":\"failed\",\"version\":3,\"file\":\"(hidden)\","
        "\"availableNow\":false,\"error\":\"(hidden)\",\"errorClass\":\"FAIL_PIPELINE\",\"sql\":\"(hidden)\","
        "\"status\":null}]}");
}

static void texts_are_hidden_in_every_place(void **state)
{
    (void)state;
    expect("{\"x\":\"s\"}", "{\"x\":\"(hidden)\"}");
    expect("{\"names\":[\"s\",1,[\"s\",{\"x\":\"s\",\"name\":\"n\"}]]}",
           "{\"names\":[\"(hidden)\",1,[\"(hidden)\",{\"x\":\"(hidden)\",\"name\":\"n\"}]]}");
    expect("[\"s\"]", "[\"(hidden)\"]");
    expect("{\"name\":{\"x\":\"s\"}}", "{\"name\":{\"x\":\"(hidden)\"}}"); // a listed name is for its own text only
    expect("{\"name\":[\"s\"]}", "{\"name\":[\"(hidden)\"]}");
    expect("{\"Name\":\"s\",\"name \":\"s\"}", "{\"Name\":\"(hidden)\",\"name \":\"(hidden)\"}");
    expect("no document with a secret", "null");
    expect("", "null");
}

// Documents of any shape: each secret is below a member that is not listed, each name below one that is.
static void grow(struct random *random, unsigned depth, struct text *text)
{
    static const char *const members[] = {"sql", "error", "url", "why", "from", "a", "status", "directory"};
    size_t count = (size_t)random_below(random, 5);
    bool list = random_chance(random, 0.4);
    text_append_char(text, list ? '[' : '{');
    for (size_t i = 0; i < count; i++) {
        if (i > 0) text_append_char(text, ',');
        if (!list) text_printf(text, "\"%s%zu\":", members[random_below(random, 8)], i);
        if (depth > 0 && random_chance(random, 0.5)) {
            grow(random, depth - 1, text);
        } else {
            text_append_str(text, random_chance(random, 0.7) ? "\"S3CRET\"" : "17");
        }
    }
    text_append_char(text, list ? ']' : '}');
}

static void no_secret_of_any_document_is_left(void **state)
{
    (void)state;
    struct random random;
    unsigned seen = 0;
    for (uint64_t seed = 0; seed < 2000; seed++) {
        struct text document = {0}, shown = {0};
        random_init(&random, seed);
        grow(&random, 6, &document);
        public_json(text_str(&document), &shown);
        if (strstr(text_str(&shown), "S3CRET"))
            fail_msg("seed %llu: %s", (unsigned long long)seed, text_str(&document));
        seen += strstr(text_str(&document), "S3CRET") != NULL;
        text_deinit(&document);
        text_deinit(&shown);
    }
    assert_true(seen > 500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_numbers_and_states_are_shown),
        cmocka_unit_test(texts_are_hidden_in_every_place),
        cmocka_unit_test(no_secret_of_any_document_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
